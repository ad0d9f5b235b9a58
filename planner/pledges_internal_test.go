package planner

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What another planner proposes as a task is written where the phrases' reader hears it
// promised, too, of what the task says, and it stays so.
func TestATaskNeedsAPledge(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ line, subject, next, want string }{
		{"I'll send you the plan on Monday.", "Send the plan", "Good.", isWritten},
		{"I'd love to see the plan on Monday.", "See the plan", "Good.", notPromised},
		{"I'll redo the drawing of the bridge by Monday.", "Redo the drawing of the bridge", "Good.", isWritten},
		{"I'll be at the drawing office on Monday.", "Send the bridge", "Good.", notPromised},
		{"I'll send you the contract on Monday.", "Send the price list of the spare parts", "Good.", notPromised},
		{"I was going to come up and program the radios on Monday.", "Come up and program the radios", "Good.", notPromised},
		{"I told the others: I'll send you the keys on Monday, and I never did.", "Send the keys", "Good.", notPromised},
		{"You'll have the plan from me on Monday.", "Send the plan", "Good.", isWritten},
		{"I'm mailing the spare brackets on Monday.", "Mail the spare brackets", "Good.", isWritten},
		{"I'm hoping for the spare brackets on Monday.", "Hope for spare brackets", "Good.", notPromised},
		{"I'll send you the plan without the kitchen on Monday.", "Send the plan without the kitchen", "Good.", isWritten},
		{"Chris is going to go through the handover log on Monday.", "Go through the handover log", "Good.", isWritten},
		{"Somebody is going to go through the handover log on Monday.", "Go through the handover log", "Good.", notPromised},
		{"Ich komm am Montag vorbei und lern die Sensoren an.", "Sensoren anlernen", "Gut.", isWritten},
		{"Ich habe die Sensoren im Winter angelernt.", "Sensoren anlernen", "Gut.", notPromised},
		{"Den Hallenplan bekommen Sie von mir am Montag.", "Hallenplan schicken", "Gut.", isWritten},
		{"Haben Sie den Hallenplan vom Montag?", "Hallenplan schicken", "Ja.", notPromised},
		{"Das Datenblatt schick ich Ihnen morgen.", "Datenblatt schicken", "Gut.", isWritten},
		{"C'est moi qui irai voir les voitures lundi.", "Voir les voitures", "Bien.", isWritten},
		{"Vous deviez nous envoyer l'attestation lundi.", "Envoyer l'attestation", "Bien.", notPromised},
		{"Y el lunes los llamo yo por las fechas.", "Llamar por las fechas", "Bien.", isWritten},
		{"Les mando el contrato mañana, sin falta.", "Mandar el contrato", "Bien.", isWritten},
		{"A los otros les dije: os mando las claves el lunes.", "Mandar las claves", "Bien.", notPromised},
		{"De hoje a oito telefono-lhe por causa do horário.", "Telefonar por causa do horário", "Bom.", isWritten},
		{"Poi lunedì vi mando il calendario delle giornate.", "Mandare il calendario delle giornate", "Perfetto.", notPromised},
		// What is answered may change it, or be of something else.
		{"I'll send you the plan on Monday.", "Send the plan", "We don't need it.", answered},
		{"I'll send you the plan on Monday.", "Send the plan", "Only if the board nods.", answered},
		{"I'll send you the plan on Monday.", "Send the plan", "And I'll bring the keys on Tuesday, remind me if I don't.", isWritten},
		{"I'll send you the plan on Monday.", "Send the plan", "The people upstairs never read anything that we get by mail.", isWritten},
		{"I'll send you the plan on Monday.", "Send the plan", "Which plan?", answered},
		{"I'll send you the plan on Monday.", "Send the plan", "Monday?", isWritten},
		{"I'll send you the plan on Monday.", "Send the plan", "Your Monday or mine? | Dana Host: Monday at noon.", isWritten},
		{"I'll send you the plan on Monday.", "Send the plan", "Your Monday or mine? | Dana Host: We'll see.", answered},
	} {
		lines := append([]string{"Jane Roe: And then?", "Dana Host: " + test.line}, strings.Split("Jane Roe: "+test.next, " | ")...)
		in := talk(lines...).proposing("model", "task.create", "", "hs_task_subject", test.subject, test.line)
		doubt := doubtOf(in, "task.create", "hs_task_subject", "")
		if test.want == isWritten {
			require.Empty(t, doubt, "%v", test)
		} else {
			require.Contains(t, doubt, test.want, "%v", test)
		}
	}
}

func TestATaskThatAnotherTakes(t *testing.T) {
	t.Parallel()
	const quote = "I'll have the forty accounts ready by Wednesday."
	for want, next := range map[string]string{
		isWritten:  "Lovely weather for it.",
		whoDoesIt:  "You're away all week. Give it to me. I'll set up the accounts by Thursday.",
		otherLater: "The accounts are mine, the forty accounts come on Thursday.",
	} {
		in := talk("Jane Roe: And the log-ins?", "Dana Host: "+quote, "Chris Lane: "+next, "Jane Roe: Good.").proposing("model", "task.create", "", "hs_task_subject", "Prepare the accounts", quote)
		if doubt := doubtOf(in, "task.create", "hs_task_subject", ""); want == isWritten {
			require.Empty(t, doubt, next)
		} else {
			require.Contains(t, doubt, want, next)
		}
	}
}

func TestAnOfferThatIsRefusedIsNoTask(t *testing.T) {
	t.Parallel()
	const quote = "Do you want me to call the bank about the lease?"
	for answer, want := range map[string]string{"Nope, no need.": noDraft, "Hm, the bank.": notPromised} {
		in := talk("Dana Host: "+quote, "Jane Roe: "+answer).proposing("model", "task.create", "", "hs_task_subject", "Call the bank about the lease", quote)
		require.Contains(t, doubtOf(in, "task.create", "hs_task_subject", ""), want, answer)
	}
}

// A ticket is written where the phrases hear it asked for, a question where they hear
// somebody ask for one somehow, and nothing where nobody does.
func TestATicketNeedsARequest(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ speaker, line, answer, want string }{
		{"Jane Roe", "Can you open a ticket for the lamp?", "Dana Host: Sure.", isWritten},
		{"Jane Roe", "Can you open a ticket for the lamp, it won't light up.", "Dana Host: Yep, one ticket for the lamp.", isWritten},
		{"Jane Roe", "The lamp flickers, so can you open a ticket for the lamp, please.", "Dana Host: Will do.", isWritten},
		{"Jane Roe", "Can you open a ticket for the lamp?", "Dana Host: Is it bad?", noTicketAsked},
		{"Jane Roe", "Open a ticket on Bobby and the lamp.", "Dana Host: Ha, we don't service people.", noDraft},
		{"Jane Roe", "Two winters ago I said open me a ticket, that lamp is dead.", "Dana Host: Oh.", noDraft},
		{"Jane Roe", "Our provider has a ticket for the lamp.", "Dana Host: I see.", noDraft},
		{"Jane Roe", "Our electricians open a ticket whenever the lamp flickers.", "Dana Host: I see.", noDraft},
		{"Dana Host", "Should I open a ticket for the lamp?", "Jane Roe: Somebody parked on it.", noDraft},
		{"Jane Roe", "I'd like a ticket for the lamp, too.", "Dana Host: Hm. | Ruth Poe: That was you. | Jane Roe: Oh. | Ruth Poe: No ticket.", noDraft},
		{"Jane Roe", "Könnten Sie für die Lampe bitte ein Ticket aufmachen?", "Dana Host: Ist notiert.", isWritten},
		{"Jane Roe", "Können Sie dafür bitte ein Ticket aufmachen, für die Lampe?", "Dana Host: Die Lampe. Mach ich.", isWritten},
		{"Jane Roe", "Da hat unser Anbieter jetzt ein Ticket offen, für die Lampe.", "Dana Host: Gut.", noDraft},
		{"Jane Roe", "Est-ce que vous pouvez ouvrir un ticket pour la lampe, s'il vous plaît ?", "Dana Host: Oui.", isWritten},
		{"Jane Roe", "¿Nos podéis abrir una incidencia por la lámpara?", "Dana Host: Claro.", isWritten},
		{"Jane Roe", "Wij vragen graag een ticket voor de lamp.", "Dana Host: Goed.", noTicketAsked},
		{"Jane Roe", "Dat ticket voor de lamp is prima opgelost.", "Dana Host: Goed.", noDraft},
	} {
		lines := append([]string{test.speaker + ": " + test.line}, strings.Split(test.answer, " | ")...)
		in := talk(lines...).proposing("model", "ticket.create", "", "subject", "Lamp", test.line)
		require.Equal(t, test.want, doubtOf(in, "ticket.create", "subject", "Lamp"), "%v", test)
	}
}

// A number that comes to another one, or that somebody spoke of, is not the number.
func TestANumberThatIsNotAll(t *testing.T) {
	t.Parallel()
	for line, holds := range map[string]bool{
		"We take thirty seats.":                                true,
		"I'd want ten more seats.":                             false,
		"And the thirty extra seats?":                          false,
		"Then there are another ten seats.":                    false,
		"The chef spoke of 6 seats.":                           false,
		"Nous prenons dix seats de plus.":                      false,
		"The contract has thirty seats, and nobody wants more": true,
	} {
		in := talk("Dana Host: How many seats?", "Jane Roe: "+line, "Dana Host: Noted, that many seats.")
		value := "30"
		for word, n := range map[string]string{"ten": "10", "6": "6", "dix": "10"} {
			if strings.Contains(" "+line+" ", " "+word+" ") {
				value = n
			}
		}
		doubt := doubtOf(in.proposing("model", "deal.update", "31", "seats", value, line), "deal.update", "seats", value)
		require.Equal(t, holds, doubt == isWritten, "%s: %s", line, doubt)
	}
}

// A sum of another time, of others, or a budget of something else is no rival of the price.
func TestWhichSumIsThePrice(t *testing.T) {
	t.Parallel()
	for line, holds := range map[string]bool{
		"Last year it was 18,000 euros.":          true,
		"The competitors paid 18,000 euros.":      true,
		"Okay, let's say 18,000 euros in the end": false,
	} {
		in := talk("Jane Roe: We accept the 16,200 euros for the contract.", "Dana Host: Good.", "Jane Roe: "+line, "Dana Host: Right.")
		doubt := doubtOf(in.proposing("model", "deal.update", "31", "amount", "16200", "We accept the 16,200 euros for the contract."), "deal.update", "amount", "16200")
		require.Equal(t, holds, !strings.Contains(doubt, saidLater), "%s: %s", line, doubt)
	}
	for line, holds := range map[string]bool{
		"Le réseau dispose d'un budget de communication de 15 000 euros.": false,
		"La formation a été fixée à 15 000 euros.":                        true,
		"The first draft had come to 15,000 euros for the contract.":      false,
	} {
		in := talk("Jane Roe: "+line, "Dana Host: Well.")
		doubt := doubtOf(in.proposing("model", "deal.update", "31", "amount", "15000", line), "deal.update", "amount", "15000")
		require.Equal(t, holds, doubt == isWritten, "%s: %s", line, doubt)
	}
}

func TestAJobBesideTheJob(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]bool{
		"I'm the president now.":                    true,
		"I'm also the president of the ski club.":   false,
		"So I came after Maurice, he was president": false,
	} {
		in := talk("Jane Roe: "+line, "Dana Host: Oh.")
		doubt := doubtOf(in.proposing("model", "contact.update", "11", "jobtitle", "President", line), "contact.update", "jobtitle", "President")
		require.Equal(t, want, doubt == isWritten, "%s: %s", line, doubt)
	}
}

// What is said later of another deal is no rival of a number.
func TestANumberOfAnotherDeal(t *testing.T) {
	t.Parallel()
	for line, holds := range map[string]bool{"And it's eight seats for the Quarry.": true, "Sorry, it's eight seats for the Harbour.": false} {
		in := talk("Jane Roe: So it's thirty seats for the Harbour.", "Dana Host: Noted.", "Jane Roe: "+line, "Dana Host: Noted.")
		in.Resolution.Deals = append(in.Resolution.Deals, Record{ID: "32", Properties: map[string]string{"dealname": "Quarry", "pipeline": "p", "dealstage": "open"}, Links: in.Resolution.Deals[0].Links})
		doubt := doubtOf(in.proposing("model", "deal.update", "31", "seats", "30", "So it's thirty seats for the Harbour."), "deal.update", "seats", "30")
		require.Equal(t, holds, doubt == isWritten, "%s: %s", line, doubt)
	}
}
