package planner

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
)

// talk is a meeting of Dana and Chris with Jane and Ruth of Northwind, who have one deal;
// each line is "Speaker: text", ten seconds after the one before.
func talk(lines ...string) Input {
	in := Input{Hash: func(s string) string { return fmt.Sprintf("%x", s) }, Currencies: []string{"EUR"}}
	in.Host = Host{Name: "Dana Host", Email: "dana@ours.example", OwnerID: "77"}
	in.Domains = []string{"ours.example"}
	in.HeardAt = time.Date(2026, time.November, 20, 9, 0, 0, 0, time.UTC) // a Friday
	in.Meeting.TimeZone = "Europe/Berlin"
	for _, name := range []string{"Dana Host dana@ours.example", "Chris Lane chris@ours.example", "Jane Roe jane@northwind.example", "Ruth Poe ruth@northwind.example"} {
		at := strings.LastIndex(name, " ")
		in.Meeting.Attendees = append(in.Meeting.Attendees, meeting.Attendee{Person: meeting.Person{Name: name[:at], Email: name[at+1:]}})
	}
	for i, line := range lines {
		speaker, text, _ := strings.Cut(line, ": ")
		in.Meeting.Transcript.Segments = append(in.Meeting.Transcript.Segments, meeting.Segment{Speaker: speaker, Text: text, StartSeconds: float64(10 * (i + 1))})
	}
	of := []Link{{Object: "company", ID: "21"}, {Object: "contact", ID: "11"}}
	options := func(labels ...string) (all []hubspot.PropertyOption) {
		for _, l := range labels {
			all = append(all, hubspot.PropertyOption{Label: l, Value: strings.ToLower(l)})
		}
		return all
	}
	in.Resolution = Resolution{
		Contacts: []Record{
			{ID: "11", Properties: map[string]string{"email": "jane@northwind.example", "firstname": "Jane", "lastname": "Roe"}, Links: of[:1]},
			{ID: "12", Properties: map[string]string{"email": "ruth@northwind.example", "firstname": "Ruth", "lastname": "Poe"}, Links: of[:1]},
			{ID: "13", Properties: map[string]string{"email": "tom@northwind.example", "firstname": "Tom", "lastname": "Moss"}, Links: of[:1]},
		},
		Companies:       []Record{{ID: "21", Properties: map[string]string{"name": "Northwind", "domain": "northwind.example"}}},
		Deals:           []Record{{ID: "31", Properties: map[string]string{"dealname": "Harbour", "pipeline": "p", "dealstage": "open"}, Links: of}},
		Owners:          []Owner{{ID: "77", Name: "Dana Host", Email: "dana@ours.example"}, {ID: "78", Name: "Chris Lane", Email: "chris@ours.example"}},
		TicketPipelines: []hubspot.Pipeline{{ID: "t", Label: "Support", Stages: []hubspot.Stage{{ID: "new", Label: "New"}}}},
		DealPipelines:   []hubspot.Pipeline{{ID: "p", Label: "Sales", Stages: []hubspot.Stage{{ID: "open", Label: "Open"}}}},
		Properties: map[string][]hubspot.Property{"deal": {
			{Name: "finance", Label: "Lease or buy", Type: "enumeration", Options: options("Lease", "Buy")},
			{Name: "language", Label: "Training language", Type: "enumeration", Options: options("English", "Spanish")},
			{Name: "seats", Label: "Seats", Type: "number"},
			{Name: "amount", Label: "Amount", Type: "number", HubSpotDefined: true},
		}},
	}
	return in
}

func (in Input) proposing(by, tool, target, property, value, quote string) Input {
	a := meeting.ProposedAction{Tool: tool, Properties: map[string]string{property: value}, Evidence: []meeting.Evidence{{Quote: quote}}}
	a.Target.ID = target
	in.Proposed = append(in.Proposed, Proposals{By: by, Actions: []meeting.ProposedAction{a}})
	return in
}

const (
	noDraft   = "no draft"
	isWritten = ""
)

// doubtOf is why the plan asks about a tool's draft with a value.
func doubtOf(in Input, tool, property, value string) string {
	for _, d := range Plan(in).Drafts {
		if got, ok := d.Content.Properties[property]; d.Tool.String() == tool && ok && (got == value || value == "") {
			return d.Content.Doubt
		}
	}
	return noDraft
}

func TestThePartOfASentenceThatSaysItDenies(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"We lease it, we don't buy.":             isWritten,
		"It's a lease, not a purchase.":          isWritten,
		"We don't lease anything here.":          contrary,
		"A lease is not what we want.":           contrary,
		"Wir leasen nicht, das kaufen wir":       contrary,
		"Ein Leasing wird es, kein Kauf.":        isWritten,
		"On ne fera pas de leasing.":             contrary,
		"Ce sera un leasing, pas un achat.":      isWritten,
		"No queremos leasing.":                   contrary,
		"Será leasing, no una compra.":           isWritten,
		"Não vai ser leasing.":                   contrary,
		"Vai ser leasing, não uma compra.":       isWritten,
		"The lease is on, but not before March.": isWritten,
		"We could lease them, or not.":           contrary,
	} {
		in := talk("Dana Host: What shall it be, lease or buy, leasing?", "Jane Roe: "+line).proposing("model", "deal.update", "31", "finance", "lease", line)
		require.Equal(t, want, doubtOf(in, "deal.update", "finance", "lease"), line)
	}
}

func TestWhatIsTakenBackRightAway(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		line, next string
		back       bool
	}{
		{"We take forty seats.", "Jane Roe: I'm just kidding, forget that.", true},
		{"We take forty seats. No, wait.", "Ruth Poe: Three of us left.", true},
		{"We take forty seats.", "Dana Host: Forty seats, noted.", false},
		{"We take forty seats.", "Dana Host: No problem.", false},
		{"Wir nehmen vierzig Plätze, also seats.", "Jane Roe: Vergessen Sie das, ich muss erst fragen.", true},
		{"Wir nehmen vierzig Plätze, also seats.", "Dana Host: Alles klar, vierzig.", false},
		{"On prend quarante places, donc seats.", "Jane Roe: Oubliez ça, je dois demander.", true},
		{"On prend quarante places, donc seats.", "Dana Host: Très bien, quarante.", false},
		{"Cogemos cuarenta plazas, o sea seats.", "Jane Roe: Era broma, no lo apuntes.", true},
		{"Cogemos cuarenta plazas, o sea seats.", "Dana Host: Cuarenta, perfecto.", false},
		{"Ficamos com quarenta lugares, os seats.", "Jane Roe: Esquece isso, preciso perguntar.", true},
		{"Ficamos com quarenta lugares, os seats.", "Dana Host: Quarenta, combinado.", false},
	} {
		quote, _, _ := strings.Cut(test.line, ".")
		in := talk("Dana Host: And the seats?", "Jane Roe: "+test.line, test.next).proposing("model", "deal.update", "31", "seats", "40", quote)
		if doubt := doubtOf(in, "deal.update", "seats", "40"); test.back {
			require.NotEmpty(t, doubt, test.line+test.next)
		} else {
			require.Empty(t, doubt, test.line+test.next)
		}
	}
}

func TestATicketIsAskedFor(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"Please open a ticket for the gate sensor.":               isWritten,
		"You don't need to open a ticket for the gate sensor.":    noDraft,
		"The gate sensor drops out now and then.":                 noDraft,
		"Open the ticket for the gate and you see the picture.":   noDraft,
		"Machen Sie bitte ein Ticket auf, der Torsensor spinnt.":  isWritten,
		"Für den Torsensor brauchen Sie kein Ticket aufzumachen.": noDraft,
		"Ouvrez un ticket pour le capteur du portail.":            isWritten,
		"Pas besoin d'ouvrir un ticket pour le capteur.":          noDraft,
		"Ábreme un ticket por el sensor, por favor.":              isWritten,
		"No hace falta que abras un ticket por el sensor.":        noDraft,
		"Abre um chamado para o sensor, por favor.":               isWritten,
		"Não precisa abrir um chamado para o sensor.":             noDraft,
	} {
		in := talk("Dana Host: How is it going?", "Jane Roe: "+line, "Dana Host: Sure.").proposing("model", "ticket.create", "", "subject", "Sensor", line)
		require.Equal(t, want, doubtOf(in, "ticket.create", "subject", "Sensor"), line)
	}
	in := talk("Jane Roe: Could you open a ticket for the lamp?", "Jane Roe: No, no ticket needed.", "Dana Host: Okay.").proposing("model", "ticket.create", "", "subject", "Lamp", "Could you open a ticket for the lamp?")
	require.Equal(t, noDraft, doubtOf(in, "ticket.create", "subject", "Lamp"), "who asked for it did not want it")
}

func TestATaskIsPromised(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"Dana Host: I'll send you the drawing on Monday.":                   isWritten,
		"Dana Host: I won't send you the drawing on Monday.":                contrary,
		"Dana Host: I sent the drawing.":                                    notPromised,
		"Dana Host: The drawing is on page two of the book.":                notPromised,
		"Dana Host: Ich schicke Ihnen am Montag die Zeichnung, drawing.":    isWritten,
		"Dana Host: Ich schicke Ihnen die Zeichnung, drawing, nicht.":       contrary,
		"Dana Host: Je vous envoie le plan, le drawing, lundi.":             isWritten,
		"Dana Host: Je ne vous envoie pas le drawing.":                      contrary,
		"Dana Host: Os mando el plano, el drawing, el lunes.":               isWritten,
		"Dana Host: No os voy a mandar el drawing.":                         contrary,
		"Dana Host: Eu mando o desenho, o drawing, na segunda.":             isWritten,
		"Dana Host: Eu não vou mandar o drawing.":                           contrary,
		"Dana Host: Chris will send you the drawing on Monday.":             isWritten,
		"Jane Roe: Tom Moss will send you the drawing on Monday.":           isWritten,
		"Dana Host: I'll send you the drawing on Monday, don't you worry.":  isWritten,
		"Dana Host: I would send you the drawing, in another life, Monday.": onlySupposed,
	} {
		_, quote, _ := strings.Cut(line, ": ")
		in := talk("Jane Roe: And the drawing?", line, "Jane Roe: Good.").proposing("model", "task.create", "", "hs_task_subject", "Send the drawing", quote)
		if doubt := doubtOf(in, "task.create", "hs_task_subject", ""); want == isWritten {
			require.Empty(t, doubt, line)
		} else {
			require.Contains(t, doubt, want, line)
		}
	}
}

func TestATaskIsForTheCustomer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		lines []string
		want  string
	}{
		{[]string{"Chris Lane: Who has the office plants?", "Dana Host: I'll water the plants on Monday.", "Chris Lane: Not the cactus.", "Dana Host: Right."}, ownAffair},
		{[]string{"Chris Lane: Who has the office plants?", "Dana Host: I'll water the plants on Monday.", "Jane Roe: Ours, too?", "Dana Host: Yes."}, isWritten},
		{[]string{"Chris Lane: Who has the list?", "Dana Host: I'll water the plants at the harbour on Monday.", "Chris Lane: Fine.", "Dana Host: Right."}, isWritten},
	} {
		quote := strings.TrimPrefix(test.lines[1], "Dana Host: ")
		in := talk(test.lines...).proposing("model", "task.create", "", "hs_task_subject", "Water the plants", quote)
		require.Equal(t, test.want, doubtOf(in, "task.create", "hs_task_subject", ""), test.lines)
	}
}

func TestATaskIsWhoseTheSentenceSays(t *testing.T) {
	t.Parallel()
	for line, want := range map[string][2]string{
		"Dana Host: Chris Lane will call you on Monday about the plan.":         {"78", ""},
		"Dana Host: Chris ruft Sie am Montag wegen des Plans an, der plan.":     {"78", ""},
		"Dana Host: Chris vous rappelle lundi pour le plan.":                    {"78", ""},
		"Dana Host: Chris os llama el lunes por el plan.":                       {"78", ""},
		"Dana Host: O Chris te liga na segunda sobre o plan.":                   {"78", ""},
		"Dana Host: I'll call you on Monday, Chris has the plan.":               {"77", ""},
		"Chris Lane: I'll call you on Monday about the plan, Dana is on leave.": {"78", ""},
	} {
		_, quote, _ := strings.Cut(line, ": ")
		in := talk("Jane Roe: And then?", line, "Jane Roe: Good.").proposing("model", "task.create", "", "hs_task_subject", "Call about the plan", quote)
		for _, d := range Plan(in).Drafts {
			if d.Tool.Object == "task" {
				require.Equal(t, want, [2]string{d.Content.Properties["hubspot_owner_id"], d.Content.Doubt}, line)
			}
		}
	}
}

func TestAJobIsOfWhomTheSentenceTells(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"Jane Roe: I'm head of logistics now.":                          isWritten,
		"Jane Roe: Jane is head of logistics.":                          isWritten,
		"Jane Roe: There's a new head of logistics, Barry Oak.":         "what was said does not tell that this contact is meant",
		"Jane Roe: I'm not head of logistics.":                          contrary,
		"Jane Roe: I used to be head of logistics.":                     "it was said of another time",
		"Jane Roe: Ich bin jetzt head of logistics, also Leiterin.":     isWritten,
		"Jane Roe: Wir haben eine neue head of logistics.":              "what was said does not tell that this contact is meant",
		"Jane Roe: Je suis head of logistics maintenant.":               isWritten,
		"Jane Roe: Je ne suis pas head of logistics.":                   contrary,
		"Jane Roe: Soy head of logistics.":                              isWritten,
		"Jane Roe: No soy head of logistics.":                           contrary,
		"Jane Roe: Agora eu sou head of logistics.":                     isWritten,
		"Jane Roe: Eu não sou head of logistics.":                       contrary,
		"Dana Host: They have a head of logistics who knows the port.":  "what was said does not tell that this contact is meant",
		"Ruth Poe: Jane is head of logistics, and a good one, I think.": isWritten,
	} {
		_, quote, _ := strings.Cut(line, ": ")
		in := talk("Dana Host: So who does what?", line, "Dana Host: Oh.").proposing("model", "contact.update", "11", "jobtitle", "Head of logistics", quote)
		require.Equal(t, want, doubtOf(in, "contact.update", "jobtitle", ""), line)
	}
	in := talk("Jane Roe: Tom is head of logistics.").proposing("model", "contact.update", "", "jobtitle", "Head of logistics", "Tom is head of logistics.")
	d, ok := draftOf(Plan(in), "contact.update")
	require.True(t, ok)
	require.Equal(t, "13", d.TargetID, "the one who is named is meant, where nobody is proposed")
}

func TestAPriceIsMeant(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"The offer of fifty thousand euros works for us.":           isWritten,
		"I'd pay fifty thousand euros for a good night's sleep.":    ofNothing,
		"Das Angebot über fünfzigtausend Euro passt.":               isWritten,
		"Je paierais cinquante mille euros pour dormir.":            ofNothing,
		"Le devis de cinquante mille euros nous va.":                isWritten,
		"La oferta de cincuenta mil euros nos vale.":                isWritten,
		"A proposta de cinquenta mil euros está fechada.":           isWritten,
		"My uncle paid fifty thousand euros for his boat.":          ofOthers,
		"Mein Schwager hat fünfzigtausend Euro verloren.":           ofOthers,
		"Mon beau-frère a perdu cinquante mille euros.":             ofOthers,
		"Mi cuñado perdió cincuenta mil euros.":                     ofOthers,
		"Meu cunhado perdeu cinquenta mil euros.":                   ofOthers,
		"Fifty thousand euros, and that's final.":                   isWritten,
		"Let's say, for argument's sake, fifty thousand euros net.": afterAnIfOf,
		"Angenommen, es sind fünfzigtausend Euro netto.":            afterAnIfOf,
		"Supposons cinquante mille euros par an.":                   afterAnIfOf,
		"Supongamos cincuenta mil euros al año.":                    afterAnIfOf,
		"Vamos supor cinquenta mil euros por ano.":                  afterAnIfOf,
	} {
		in := talk("Dana Host: So?", "Jane Roe: "+line, "Dana Host: Hm.").proposing("model", "deal.update", "31", "amount", "50000", line)
		doubt := doubtOf(in, "deal.update", "amount", "50000")
		if want == isWritten {
			require.Empty(t, doubt, line)
		} else {
			require.Contains(t, doubt, want, line)
		}
	}
}

const afterAnIfOf = "it was said for a case that may not come"

func TestTheLastOneSaidStands(t *testing.T) {
	t.Parallel()
	for _, test := range [][4]string{
		{"We need fifty seats.", "It's forty seats in the end.", "Forty, got it.", "Hm."},
		{"Wir brauchen fünfzig seats.", "Es sind vierzig seats.", "Vierzig, notiert.", "Hm."},
		{"Il faut cinquante seats.", "Ce sera quarante seats.", "Quarante, c'est noté.", "Hm."},
		{"Son cincuenta seats.", "Son cuarenta seats.", "Cuarenta, anotado.", "Hm."},
		{"São cinquenta seats.", "São quarenta seats.", "Quarenta, anotado.", "Hm."},
	} {
		propose := func(reply string) Input {
			return talk("Jane Roe: "+test[0], "Dana Host: I see.", "Ruth Poe: "+test[1], "Dana Host: "+reply).
				proposing("model", "deal.update", "31", "seats", "50", test[0]).proposing("other", "deal.update", "31", "seats", "40", test[1])
		}
		require.Equal(t, noDraft, doubtOf(propose(test[2]), "deal.update", "seats", "50"), test)
		require.Empty(t, doubtOf(propose(test[2]), "deal.update", "seats", "40"), test)
	}
}

func TestTwoWhoHeardTheSameAreBelieved(t *testing.T) {
	t.Parallel()
	quote := "The close is on 4 December, sign it."
	rule := func(doubt string) Input {
		in := talk("Dana Host: When do we sign?", "Jane Roe: "+quote, "Dana Host: Good.").proposing(ByPhrases, "deal.update", "31", "closedate", "2026-12-04", quote)
		in.Proposed[0].Doubts = map[int]string{0: doubt}
		return in
	}
	for _, doubt := range []string{aside, whichDay, oneSideSays} {
		require.Equal(t, doubt, doubtOf(rule(doubt), "deal.update", "closedate", "2026-12-04"), "who hears it alone asks")
		require.Empty(t, doubtOf(rule(doubt).proposing("model", "deal.update", "31", "closedate", "2026-12-04", quote), "deal.update", "closedate", "2026-12-04"), doubt)
		require.NotEmpty(t, doubtOf(rule(doubt).proposing("model", "deal.update", "31", "closedate", "2026-12-05", quote), "deal.update", "closedate", "2026-12-04"), "they heard it otherwise")
	}
}

func TestWhatIsNotSaidInEarnest(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ line, next, want string }{
		{"Would that be forty seats?", "Dana Host: Hm.", unanswered},
		{"Would that be forty seats?", "Dana Host: Forty seats, exactly.", isWritten},
		{"Sind das vierzig Seats?", "Dana Host: Mal sehen.", unanswered},
		{"Sind das vierzig Seats?", "Dana Host: Ja, genau.", isWritten},
		{"Ça ferait quarante seats ?", "Dana Host: Hm.", unanswered},
		{"¿Serían cuarenta seats?", "Dana Host: Hm.", unanswered},
		{"Seriam quarenta seats?", "Dana Host: Hm.", unanswered},
		{"We take forty seats.", "Ruth Poe: If the board agrees.", afterAnIf},
		{"Wir nehmen vierzig Seats.", "Ruth Poe: Wenn der Vorstand zustimmt.", afterAnIf},
		{"On prend quarante seats.", "Ruth Poe: Si la direction suit.", afterAnIf},
		{"Cogemos cuarenta seats.", "Ruth Poe: Si el jefe quiere.", afterAnIf},
		{"Ficamos com quarenta seats.", "Ruth Poe: Se a diretoria aprovar.", afterAnIf},
		{"We hope for forty seats.", "Dana Host: Hm.", onlySupposed},
		{"Wir hoffen auf vierzig Seats.", "Dana Host: Hm.", onlySupposed},
		{"On espère quarante seats.", "Dana Host: Hm.", onlySupposed},
		{"Esperamos cuarenta seats.", "Dana Host: Hm.", onlySupposed},
		{"Esperamos quarenta seats.", "Dana Host: Hm.", onlySupposed},
		{"They have forty seats over there.", "Dana Host: Hm.", ofOthers},
		{"Die anderen haben vierzig Seats.", "Dana Host: Hm.", ofOthers},
		{"Ils ont quarante seats là-bas.", "Dana Host: Hm.", ofOthers},
		{"Ellos tienen cuarenta seats.", "Dana Host: Hm.", ofOthers},
		{"Eles têm quarenta seats.", "Dana Host: Hm.", ofOthers},
	} {
		in := talk("Dana Host: And the seats?", "Jane Roe: "+test.line, test.next).proposing("model", "deal.update", "31", "seats", "40", test.line)
		require.Equal(t, test.want, doubtOf(in, "deal.update", "seats", "40"), test.line+" "+test.next)
	}
}

func TestWhatTheOtherSideDoesForItself(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"I'll send you the plan on Monday.":            isWritten,
		"I'll paint the plan room on Monday.":          ownAffair,
		"Ich schicke Ihnen am Montag den Plan.":        isWritten,
		"Ich streiche am Montag das Planzimmer, plan.": ownAffair,
		"Je vous envoie le plan lundi.":                isWritten,
		"Lundi je vais peindre la salle du plan.":      ownAffair,
		"Te mando el plan el lunes.":                   isWritten,
		"El lunes voy a pintar la sala del plan.":      ownAffair,
		"Eu te mando o plan na segunda-feira.":         isWritten,
		"Na segunda-feira eu vou pintar a sala, plan.": ownAffair,
	} {
		in := talk("Dana Host: So?", "Jane Roe: "+line, "Dana Host: Good.").proposing("model", "task.create", "", "hs_task_subject", "The plan", line)
		require.Equal(t, want, doubtOf(in, "task.create", "hs_task_subject", ""), line)
	}
}

func TestANumberIsOfWhoGivesIt(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"My number is +49 30 5550142.":                isWritten,
		"The gate house is on +49 30 5550142.":        "what was said does not tell that this contact is meant",
		"Meine Nummer ist +49 30 5550142.":            isWritten,
		"Die Pforte hat die +49 30 5550142.":          "what was said does not tell that this contact is meant",
		"Mon numéro, c'est le +49 30 5550142.":        isWritten,
		"La loge, c'est le +49 30 5550142.":           "what was said does not tell that this contact is meant",
		"Mi número es el +49 30 5550142.":             isWritten,
		"La portería tiene el +49 30 5550142.":        "what was said does not tell that this contact is meant",
		"O meu número é +49 30 5550142.":              isWritten,
		"A portaria atende no número +49 30 5550142.": "what was said does not tell that this contact is meant",
	} {
		in := talk("Dana Host: So?", "Jane Roe: "+line).proposing("model", "contact.update", "11", "phone", "+49 30 5550142", line)
		require.Equal(t, want, doubtOf(in, "contact.update", "phone", ""), line)
	}
}

func TestTwoOfThemDisagree(t *testing.T) {
	t.Parallel()
	propose := func(reply string) Input {
		return talk("Jane Roe: It's fifty seats.", "Ruth Poe: It's forty seats.", reply).
			proposing("model", "deal.update", "31", "seats", "50", "It's fifty seats.").proposing("other", "deal.update", "31", "seats", "40", "It's forty seats.")
	}
	require.Contains(t, doubtOf(propose("Dana Host: Hm."), "deal.update", "seats", ""), "two proposals disagree")
	require.Equal(t, isWritten, doubtOf(propose("Jane Roe: Oh. Forty seats, then."), "deal.update", "seats", "40"), "one of them gives in")
}

func TestALanguageIsCalledInAnother(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"The crew does it in English.":      isWritten,
		"Die Schulung ist auf Englisch.":    isWritten,
		"La formation se fait en anglais.":  isWritten,
		"Será en inglés.":                   isWritten,
		"Vai ser em inglês mesmo.":          isWritten,
		"La formation se fait en espagnol.": "Training language was not said like that",
	} {
		in := talk("Jane Roe: "+line, "Dana Host: Hm.").proposing("model", "deal.update", "31", "language", "english", line)
		require.Equal(t, want, doubtOf(in, "deal.update", "language", "english"), line)
	}
}

func TestAJobInterviewIsNobodysDeal(t *testing.T) {
	t.Parallel()
	for title, want := range map[string]int{
		"Interview: warehouse planner":     0,
		"Vorstellungsgespräch Lagerplaner": 0,
		"Entretien d'embauche":             0,
		"Entrevista de trabajo":            0,
		"Entrevista de emprego":            0,
		"Catching up":                      1,
	} {
		in := talk("Jane Roe: Hello.")
		in.Meeting.Title = title
		in.Meeting.Attendees = []meeting.Attendee{
			{Person: meeting.Person{Name: "Dana Host", Email: "dana@ours.example"}}, {Person: meeting.Person{Name: "Ada Finch", Email: "ada.finch@gmail.com"}},
		}
		require.Len(t, Plan(in).Drafts, 2*want, title)
		in.Meeting.Attendees[1].Email = "jane@northwind.example"
		require.NotEmpty(t, Plan(in).Drafts, "somebody whom the CRM knows wants something else")
	}
}

func TestACompanyNeedsADomain(t *testing.T) {
	t.Parallel()
	in := talk("Jane Roe: I worked at Oakfield before.").proposing("model", "company.create", "", "domain", "oakfield.example", "I worked at Oakfield before.")
	require.Equal(t, noDraft, doubtOf(in, "company.create", "domain", ""))
	in = talk("Jane Roe: Write to Oakfield, they are at oakfield.example.").proposing("model", "company.create", "", "domain", "oakfield.example", "Write to Oakfield, they are at oakfield.example.")
	require.NotEqual(t, noDraft, doubtOf(in, "company.create", "domain", ""))
}

func draftOf(p Planned, tool string) (d struct{ TargetID, Doubt string }, ok bool) {
	for _, x := range p.Drafts {
		if x.Tool.String() == tool {
			d.TargetID, d.Doubt = x.TargetID, x.Content.Doubt
			return d, true
		}
	}
	return d, false
}
