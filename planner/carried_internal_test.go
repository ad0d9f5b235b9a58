package planner

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the words around a number say of it, in all languages; what says nothing of it is
// written.
func TestWhatCarriesANumber(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"We take forty seats.":                                 isWritten,
		"We take about forty seats.":                           notExactly,
		"We take at least forty seats.":                        notExactly,
		"We take forty seats, give or take.":                   isWritten + "?",
		"We take forty seats or so.":                           notExactly,
		"We take forty or fifty seats.":                        severalSaid,
		"We take thirty to forty seats.":                       severalSaid,
		"We don't take forty seats.":                           contrary,
		"Last year we took forty seats.":                       notToday,
		"My boss says forty seats.":                            reportedOnly,
		"Wir nehmen vierzig Seats.":                            isWritten,
		"Wir nehmen ungefähr vierzig Seats.":                   notExactly,
		"Wir nehmen mindestens vierzig Seats.":                 notExactly,
		"Wir nehmen dreißig bis vierzig Seats.":                severalSaid,
		"Wir nehmen die vierzig Seats nicht.":                  contrary,
		"Letztes Jahr hatten wir vierzig Seats.":               notToday,
		"Der Chef meint, vierzig Seats.":                       reportedOnly,
		"On prend quarante seats.":                             isWritten,
		"On prend environ quarante seats.":                     notExactly,
		"On prend quarante ou cinquante seats.":                severalSaid,
		"On ne prend pas quarante seats.":                      contrary,
		"L'an dernier on prenait quarante seats.":              notToday,
		"Le patron pense que quarante seats suffisent.":        reportedOnly,
		"Nos quedamos con cuarenta seats.":                     isWritten,
		"Nos quedamos con unos cuarenta seats.":                notExactly,
		"Serán treinta o cuarenta seats.":                      severalSaid,
		"No nos quedamos con cuarenta seats.":                  contrary,
		"El año pasado eran cuarenta seats.":                   notToday,
		"Mi jefa dice que cuarenta seats.":                     reportedOnly,
		"Ficamos com quarenta seats no total.":                 isWritten,
		"Ficamos com cerca de quarenta seats.":                 notExactly,
		"São trinta ou quarenta seats.":                        severalSaid,
		"Não ficamos com quarenta seats.":                      contrary,
		"No ano passado eram quarenta seats para a gente.":     notToday,
		"A minha chefe disse que são quarenta seats.":          reportedOnly,
		"Forty seats, no problem, that's what we take.":        isWritten,
		"Vierzig Seats, kein Problem, die nehmen wir.":         isWritten,
		"Quarante seats, pas de souci, on les prend.":          isWritten,
		"Cuarenta seats, sin problema, nos los quedamos.":      isWritten,
		"Quarenta seats, sem problema, a gente fica com eles.": isWritten,
	} {
		in := talk("Dana Host: And the seats?", "Jane Roe: "+line, "Dana Host: Good.").proposing("model", "deal.update", "31", "seats", "40", line)
		doubt := doubtOf(in, "deal.update", "seats", "40")
		switch want {
		case isWritten:
			require.Empty(t, doubt, line)
		case isWritten + "?":
			require.NotEmpty(t, doubt, line)
		default:
			require.Contains(t, doubt, want, line)
		}
	}
}

func TestASumIsTheDeals(t *testing.T) {
	t.Parallel()
	for line, asked := range map[string]bool{
		"The contract is 5,000 euros.":                       false,
		"The contract is 5,000 euros per site.":              true,
		"The contract is 5,000 euros a month.":               true,
		"There's a discount of 5,000 euros in the contract.": true,
		"Der Vertrag liegt bei 5.000 Euro.":                  false,
		"Der Vertrag liegt bei 5.000 Euro pro Standort.":     true,
		"Die Anzahlung im Vertrag sind 5.000 Euro.":          true,
		"Le contrat est à 5 000 euros.":                      false,
		"Le contrat est à 5 000 euros par mois.":             true,
		"Il y a une remise de 5 000 euros.":                  true,
		"El contrato son 5.000 euros.":                       false,
		"El contrato son 5.000 euros por persona.":           true,
		"El descuento del contrato son 5.000 euros.":         true,
		"O contrato fica em 5.000 euros.":                    false,
		"O contrato fica em 5.000 euros por pessoa.":         true,
		"O desconto do contrato é de 5.000 euros.":           true,
		"The Grand Hotel paid 5,000 euros for theirs.":       true,
		"Das Hotel Post hat dafür 5.000 Euro bezahlt.":       true,
		"L'hôtel du Lac a payé 5 000 euros.":                 true,
		"El hotel de enfrente pagó 5.000 euros.":             true,
		"A pousada da praia pagou 5.000 euros.":              true,
	} {
		in := talk("Dana Host: So?", "Jane Roe: "+line, "Dana Host: Hm.").proposing("model", "deal.update", "31", "amount", "5000", line)
		require.Equal(t, asked, doubtOf(in, "deal.update", "amount", "5000") != "", line)
	}
}

func TestATaskIsWhatWasSaid(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		lines []string
		asked bool
	}{
		{[]string{"Dana Host: I'll send you the drawing on Monday.", "Jane Roe: Good."}, false},
		{[]string{"Dana Host: Shall I send you the drawing on Monday?", "Jane Roe: Hm, let me think."}, true},
		{[]string{"Dana Host: Shall I send you the drawing on Monday?", "Jane Roe: Yes, please."}, false},
		{[]string{"Dana Host: I'll send you the invoice on Monday.", "Jane Roe: Good. The drawing we have."}, true},
		{[]string{"Dana Host: I'll send you the drawing on Monday.", "Jane Roe: Good.", "Jane Roe: How is the weather?", "Jane Roe: Oh, forget the drawing, we have one."}, true},
		{[]string{"Dana Host: Yesterday I mailed you the drawing.", "Jane Roe: Good."}, true},
		{[]string{"Dana Host: Soll ich Ihnen am Montag die Zeichnung, das drawing, schicken?", "Jane Roe: Mal sehen."}, true},
		{[]string{"Dana Host: Gestern habe ich Ihnen das drawing geschickt.", "Jane Roe: Gut."}, true},
		{[]string{"Dana Host: Je vous envoie le drawing lundi ?", "Jane Roe: Je ne sais pas."}, true},
		{[]string{"Dana Host: Je vous envoie le drawing lundi ?", "Jane Roe: Oui, merci."}, false},
		{[]string{"Dana Host: ¿Le mando el drawing el lunes?", "Jane Roe: Ya veremos."}, true},
		{[]string{"Dana Host: ¿Le mando el drawing el lunes?", "Jane Roe: Sí, gracias."}, false},
		{[]string{"Dana Host: Eu lhe mando o drawing na segunda-feira?", "Jane Roe: Vamos ver."}, true},
		{[]string{"Dana Host: Eu lhe mando o drawing na segunda-feira?", "Jane Roe: Sim, obrigada."}, false},
	} {
		quote := strings.TrimPrefix(test.lines[0], "Dana Host: ")
		in := talk(append([]string{"Jane Roe: And then?"}, test.lines...)...).proposing("model", "task.create", "", "hs_task_subject", "Send the drawing", quote)
		require.Equal(t, test.asked, doubtOf(in, "task.create", "hs_task_subject", "") != "", test.lines)
	}
}

func TestATicketForTheHouse(t *testing.T) {
	t.Parallel()
	quote := "Please open a ticket for the beamer."
	in := talk("Chris Lane: "+quote, "Dana Host: Sure.").proposing("model", "ticket.create", "", "subject", "Beamer", quote)
	require.Equal(t, isWritten, doubtOf(in, "ticket.create", "subject", "Beamer"))
	in.Meeting.Attendees = in.Meeting.Attendees[:2]
	require.Equal(t, noDraft, doubtOf(in, "ticket.create", "subject", "Beamer"))
	in = talk("Jane Roe: Please open a ticket for the lamp.", "Dana Host: Sure.", "Dana Host: And the rest?", "Ruth Poe: I changed the bulb.", "Dana Host: Oh?", "Jane Roe: Then no ticket for the lamp, please.").
		proposing("model", "ticket.create", "", "subject", "Lamp", "Please open a ticket for the lamp.")
	require.Equal(t, noDraft, doubtOf(in, "ticket.create", "subject", "Lamp"))
}

func TestAPersonNeedsANameOrAnAddress(t *testing.T) {
	t.Parallel()
	quote := "The operations director is leaving."
	in := talk("Jane Roe: "+quote).proposing("model", "contact.create", "", "email", "ops@northwind.example", quote)
	require.Equal(t, noDraft, doubtOf(in, "contact.create", "email", "ops@northwind.example"))
	require.Equal(t, kindNobody, readPeopleFile(peopleFile).kindOf(Person{Name: "Scribe Bot", Email: "scribe@memo.example"}, nil))
	require.Equal(t, kindPerson, readPeopleFile(peopleFile).kindOf(Person{Name: "Ben Bot", Email: "ben.bot@northwind.example"}, nil))
}

// The first two words of a line are what is claimed of a deal; "plain" is what is written.
func TestWhatCarriesAValue(t *testing.T) {
	t.Parallel()
	for _, x := range [][4]string{
		{"closedate", "2026-12-04", "We sign on 4 December.", "plain"},
		{"closedate", "2026-12-04", "We won't sign on 4 December.", ""},
		{"closedate", "2026-12-04", "We sign around 4 December.", ""},
		{"closedate", "2026-12-04", "Wir unterschreiben am 4. Dezember nicht.", ""},
		{"closedate", "2026-12-04", "On ne signe pas le 4 décembre.", ""},
		{"closedate", "2026-12-04", "No firmamos el 4 de diciembre.", ""},
		{"closedate", "2026-12-04", "Não assinamos no dia 4 de dezembro.", ""},
		{"closedate", "2026-12-04", "Assinamos no dia 4 de dezembro.", "plain"},
		{"hs_next_step", "Security review", "The next step is the security review.", "plain"},
		{"hs_next_step", "Security review", "We don't need the security review.", ""},
		{"hs_next_step", "Security review", "The competitor got a security review.", ""},
		{"finance", "lease", "The neighbours lease theirs.", ""},
		{"finance", "lease", "She says we lease.", ""},
		{"finance", "lease", "We used to lease.", ""},
		{"amount", "9000", "My brother-in-law thinks 9,000 euros is a lot.", ""},
		{"amount", "9000", "The old price was 9,000 euros.", ""},
		{"amount", "9000", "Früher waren es 9.000 Euro.", ""},
		{"amount", "9000", "Next year it would be 9,000 euros.", ""},
		{"amount", "9000", "The second phase adds 9,000 euros.", ""},
		{"amount", "9000", "Die zweite Phase kostet 9.000 Euro.", ""},
		{"amount", "9000", "9,000 euros is too much.", ""},
		{"amount", "9000", "9.000 Euro sind uns zu viel.", ""},
		{"amount", "9000", "9 000 euros, c'est trop cher.", ""},
		{"amount", "9000", "9.000 euros es demasiado.", ""},
		{"amount", "9000", "9.000 euros é muito caro.", ""},
	} {
		in := talk("Dana Host: So?", "Jane Roe: "+x[2], "Dana Host: Hm.").proposing("model", "deal.update", "31", x[0], x[1], x[2])
		require.Equal(t, x[3] == "plain", doubtOf(in, "deal.update", x[0], "") == isWritten, x)
	}
}
