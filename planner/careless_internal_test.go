package planner

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
)

// What a careless reader would propose, each with what was said and its like that holds:
// the wrong one is asked about or left out, and the right one is written.
func TestWhatACarelessReaderProposes(t *testing.T) {
	t.Parallel()
	const (
		holds = "is written"
		stops = "is asked about, or left out"
	)
	for _, c := range []struct {
		name, talk, tool, target, values, quote, want string
	}{
		{"the day of a delivery", "Dana Host: When do you sign?|Jane Roe: The delivery is on December 18, that much is certain.|Dana Host: Right.", "deal.update", "31", "closedate=2026-12-18", "The delivery is on December 18, that much is certain.", stops},
		{"the day of signing", "Dana Host: When do you sign?|Jane Roe: We sign on December 18, that much is certain.|Dana Host: Right.", "deal.update", "31", "closedate=2026-12-18", "We sign on December 18, that much is certain.", holds},
		{"der Tag der Montage", "Jane Roe: Die Montage ist am 15. Dezember, der Vertrag ist ja noch beim Chef.|Dana Host: Gut.", "deal.update", "31", "closedate=2026-12-15", "Die Montage ist am 15. Dezember", stops},
		{"der Tag der Unterschrift", "Jane Roe: Unterschrieben wird am 15. Dezember, die Montage ist dann im Januar.|Dana Host: Gut.", "deal.update", "31", "closedate=2026-12-15", "Unterschrieben wird am 15. Dezember", holds},
		{"le jour du salon", "Jane Roe: Le salon est le 9 décembre, on verra le contrat après.|Dana Host: D'accord.", "deal.update", "31", "closedate=2026-12-09", "Le salon est le 9 décembre", stops},
		{"le jour de la signature", "Jane Roe: On signe le contrat le 9 décembre.|Dana Host: Parfait.", "deal.update", "31", "closedate=2026-12-09", "On signe le contrat le 9 décembre.", holds},
		{"a day corrected in the sentence", "Dana Host: I'll send the plan on Tuesday, no, sorry, that's the dentist, on Wednesday.|Jane Roe: Fine.", "task.create", "", "hs_task_subject=Send the plan;hs_timestamp=2026-11-24", "I'll send the plan on Tuesday", stops},
		{"the day it was corrected to", "Dana Host: I'll send the plan on Tuesday, no, sorry, that's the dentist, on Wednesday.|Jane Roe: Fine.", "task.create", "", "hs_task_subject=Send the plan;hs_timestamp=2026-11-25", "I'll send the plan on Tuesday, no, sorry, that's the dentist, on Wednesday.", holds},
		{"a day corrected later", "Dana Host: I'll send you the floor plan on Monday.|Jane Roe: Thanks.|Jane Roe: And the heating?|Dana Host: The floor plan comes on Thursday rather, I'm away before.|Jane Roe: Okay.", "task.create", "", "hs_task_subject=Send the floor plan;hs_timestamp=2026-11-23", "I'll send you the floor plan on Monday.", stops},
		{"a day that stays", "Dana Host: I'll send you the floor plan on Monday.|Jane Roe: Thanks.|Dana Host: And on Thursday we could look at the heating.|Jane Roe: Perhaps.", "task.create", "", "hs_task_subject=Send the floor plan;hs_timestamp=2026-11-23", "I'll send you the floor plan on Monday.", holds},
		{"a boat's price", "Jane Roe: My cousin's boat cost 40,000 euros, and it leaks.|Dana Host: Oh dear.", "deal.update", "31", "amount=40000;deal_currency_code=EUR", "My cousin's boat cost 40,000 euros, and it leaks.", stops},
		{"the deal's price", "Jane Roe: The contract comes to 40,000 euros, and the board has approved it.|Dana Host: Great.", "deal.update", "31", "amount=40000;deal_currency_code=EUR", "The contract comes to 40,000 euros, and the board has approved it.", holds},
		{"was das Umziehen kostet", "Jane Roe: Der Umzug hat uns 12.000 Euro gekostet.|Dana Host: Viel.", "deal.update", "31", "amount=12000;deal_currency_code=EUR", "Der Umzug hat uns 12.000 Euro gekostet.", stops},
		{"was der Auftrag kostet", "Jane Roe: Dann machen wir den Auftrag für 12.000 Euro.|Dana Host: Freut mich.", "deal.update", "31", "amount=12000;deal_currency_code=EUR", "Dann machen wir den Auftrag für 12.000 Euro.", holds},
		{"lo que pagan otros", "Jane Roe: Los de Southgate pagan 9.000 euros por lo mismo.|Dana Host: Ya.", "deal.update", "31", "amount=9000;deal_currency_code=EUR", "Los de Southgate pagan 9.000 euros por lo mismo.", stops},
		{"lo que pagan ellos", "Jane Roe: El contrato queda en 9.000 euros, de acuerdo.|Dana Host: Perfecto.", "deal.update", "31", "amount=9000;deal_currency_code=EUR", "El contrato queda en 9.000 euros, de acuerdo.", holds},
		{"a multa", "Jane Roe: Se atrasar, a multa é de 3.000 euros.|Dana Host: Certo.", "deal.update", "31", "amount=3000;deal_currency_code=EUR", "a multa é de 3.000 euros", stops},
		{"o total", "Jane Roe: O total fica em 3.000 euros, está fechado.|Dana Host: Ótimo.", "deal.update", "31", "amount=3000;deal_currency_code=EUR", "O total fica em 3.000 euros, está fechado.", holds},
		{"seats of the old contract", "Jane Roe: The old contract had thirty seats.|Dana Host: I see.", "deal.update", "31", "seats=30", "The old contract had thirty seats.", stops},
		{"seats of the new one", "Jane Roe: The new contract has thirty seats.|Dana Host: I see.", "deal.update", "31", "seats=30", "The new contract has thirty seats.", holds},
		{"seats in a room", "Jane Roe: Our canteen has eighty seats, you should come and eat.|Dana Host: Gladly.", "deal.update", "31", "seats=80", "Our canteen has eighty seats, you should come and eat.", stops},
		{"a next step that was somebody's idea", "Ruth Poe: The neighbours went on an excursion to the lighthouse.|Dana Host: Nice.", "deal.update", "31", "hs_next_step=Excursion to the lighthouse", "The neighbours went on an excursion to the lighthouse.", stops},
		{"a next step that was called so", "Dana Host: So the next step is a visit to the lighthouse.|Ruth Poe: Yes.", "deal.update", "31", "hs_next_step=Visit to the lighthouse", "So the next step is a visit to the lighthouse.", holds},
		{"nächster Schritt", "Dana Host: Der nächste Schritt ist die Begehung der Halle.|Jane Roe: Genau.", "deal.update", "31", "hs_next_step=Begehung der Halle", "Der nächste Schritt ist die Begehung der Halle.", holds},
		{"a nod that promises nothing", "Dana Host: Chris calls you on Friday about the map.|Jane Roe: Friday before lunch, then.", "task.create", "", "hs_task_subject=Call Northwind about the map;hs_timestamp=2026-11-27", "Friday before lunch, then.", stops},
		{"a colleague's call", "Dana Host: Chris will call you on Friday about the map.|Jane Roe: Friday before lunch, then.", "task.create", "", "hs_task_subject=Call Jane about the map;hs_timestamp=2026-11-27;hubspot_owner_id=78", "Chris will call you on Friday about the map.", holds},
		{"waiting for the wrong one", "Jane Roe: I'll send you the rota on Monday.|Dana Host: Thanks.", "task.create", "", "hs_task_subject=Waiting on Ruth Poe: rota;hs_timestamp=2026-11-23", "I'll send you the rota on Monday.", stops},
		{"waiting for the right one", "Jane Roe: I'll send you the rota on Monday.|Dana Host: Thanks.", "task.create", "", "hs_task_subject=Waiting on Jane Roe: rota;hs_timestamp=2026-11-23", "I'll send you the rota on Monday.", holds},
		{"lunch some day", "Chris Lane: We should grab lunch sometime.|Jane Roe: Sure.", "task.create", "", "hs_task_subject=Have lunch with Jane", "We should grab lunch sometime.", stops},
		{"a thing that was done", "Jane Roe: I sent you the list yesterday.|Dana Host: Thanks.", "task.create", "", "hs_task_subject=Waiting on Jane Roe: list", "I sent you the list yesterday.", stops},
		{"das wäre schön", "Jane Roe: Man könnte ja mal die Pläne durchsehen.|Dana Host: Ja.", "task.create", "", "hs_task_subject=Pläne durchsehen", "Man könnte ja mal die Pläne durchsehen.", stops},
		{"das wird gemacht", "Dana Host: Ich schicke Ihnen die Pläne bis Mittwoch.|Jane Roe: Danke.", "task.create", "", "hs_task_subject=Pläne schicken;hs_timestamp=2026-11-25", "Ich schicke Ihnen die Pläne bis Mittwoch.", holds},
		{"a lease of the copier", "Jane Roe: The copier is a lease, we hate it.|Dana Host: Ha.", "deal.update", "31", "finance=lease", "The copier is a lease, we hate it.", stops},
		{"a lease of theirs", "Dana Host: Lease or buy?|Jane Roe: It's going to be a lease.|Dana Host: Lease it is.", "deal.update", "31", "finance=lease", "It's going to be a lease.", holds},
		{"the language of a cat", "Jane Roe: My cat understands Spanish, I swear.|Dana Host: Clever.", "deal.update", "31", "language=spanish", "My cat understands Spanish, I swear.", stops},
		{"the language of the training", "Jane Roe: The training has to be in Spanish.|Dana Host: Noted.", "deal.update", "31", "language=spanish", "The training has to be in Spanish.", holds},
		{"another's number", "Jane Roe: Ruth's number is 030 555 0144 now.|Dana Host: Thanks.", "contact.update", "11", "phone=030 555 0144", "Ruth's number is 030 555 0144 now.", stops},
		{"one's own number", "Jane Roe: My number is 030 555 0144 now.|Dana Host: Thanks.", "contact.update", "11", "phone=030 555 0144", "My number is 030 555 0144 now.", holds},
		{"a job that she had", "Jane Roe: I used to be the fleet manager.|Dana Host: Oh.", "contact.update", "11", "jobtitle=Fleet manager", "I used to be the fleet manager.", stops},
		{"a job that she has", "Jane Roe: I'm the fleet manager now.|Dana Host: Oh.", "contact.update", "11", "jobtitle=Fleet manager", "I'm the fleet manager now.", holds},
		{"a job that is to come", "Jane Roe: From January I'm going to be head of operations, if all goes well.|Dana Host: Wow.", "contact.update", "11", "jobtitle=Head of operations", "I'm going to be head of operations", stops},
		{"un ticket dont personne ne veut", "Jane Roe: L'écran a clignoté dimanche, mais pas besoin de ticket.|Dana Host: D'accord.", "ticket.create", "", "subject=Écran qui clignote", "L'écran a clignoté dimanche, mais pas besoin de ticket.", stops},
		{"un ticket demandé", "Jane Roe: Vous pouvez ouvrir un ticket pour l'écran, s'il vous plaît ?|Dana Host: Oui, bien sûr.", "ticket.create", "", "subject=Écran qui clignote", "Vous pouvez ouvrir un ticket pour l'écran, s'il vous plaît ?", holds},
		{"la date de livraison", "Jane Roe: La livraison, c'est le 15 décembre, et le contrat viendra quand il viendra.|Dana Host: Bien.", "deal.update", "31", "closedate=2026-12-15", "La livraison, c'est le 15 décembre", stops},
		{"a data da feira", "Jane Roe: A feira é no dia 9 de dezembro, estamos todos lá.|Dana Host: Certo.", "deal.update", "31", "closedate=2026-12-09", "A feira é no dia 9 de dezembro, estamos todos lá.", stops},
		{"o dia da assinatura", "Jane Roe: Assinamos no dia 9 de dezembro.|Dana Host: Combinado.", "deal.update", "31", "closedate=2026-12-09", "Assinamos no dia 9 de dezembro.", holds},
		{"el día del cierre", "Dana Host: ¿Y la firma?|Jane Roe: Firmamos el 9 de diciembre.|Dana Host: Perfecto.", "deal.update", "31", "closedate=2026-12-09", "Firmamos el 9 de diciembre.", holds},
		{"ein Rabatt", "Jane Roe: Sie haben uns 2.000 Euro Rabatt auf das Angebot gegeben.|Dana Host: Ja.", "deal.update", "31", "amount=2000;deal_currency_code=EUR", "Sie haben uns 2.000 Euro Rabatt auf das Angebot gegeben.", stops},
		{"a price for each", "Jane Roe: The offer is 200 euros per seat.|Dana Host: Yes.", "deal.update", "31", "amount=200;deal_currency_code=EUR", "The offer is 200 euros per seat.", stops},
		{"un prix d'avant", "Jane Roe: L'an dernier, le contrat était à 8 000 euros.|Dana Host: Oui.", "deal.update", "31", "amount=8000;deal_currency_code=EUR", "L'an dernier, le contrat était à 8 000 euros.", stops},
		{"a wish for a price", "Jane Roe: I was hoping the contract would be 8,000 euros.|Dana Host: Hm.", "deal.update", "31", "amount=8000;deal_currency_code=EUR", "I was hoping the contract would be 8,000 euros.", stops},
		{"plazas de otros", "Jane Roe: Mi hermana tiene cuarenta seats en su cine.|Dana Host: Anda.", "deal.update", "31", "seats=40", "Mi hermana tiene cuarenta seats en su cine.", stops},
		{"plazas propias", "Jane Roe: Necesitamos cuarenta seats en el contrato.|Dana Host: Vale.", "deal.update", "31", "seats=40", "Necesitamos cuarenta seats en el contrato.", holds},
		{"seats that went down", "Jane Roe: We take forty seats.|Dana Host: Forty.|Jane Roe: Hang on, make it thirty seats.|Dana Host: Thirty seats.", "deal.update", "31", "seats=40", "We take forty seats.", stops},
		{"seats for a case", "Jane Roe: We take forty seats, provided the merger comes.|Dana Host: Okay.", "deal.update", "31", "seats=40", "We take forty seats", stops},
		{"seats in jest", "Jane Roe: We take a million seats, haha.|Dana Host: Ha.", "deal.update", "31", "seats=1000000", "We take a million seats", stops},
		{"ein Scherz über Sitze", "Jane Roe: Wir nehmen tausend Seats.|Dana Host: Wirklich?|Jane Roe: War nur Spaß.", "deal.update", "31", "seats=1000", "Wir nehmen tausend Seats.", stops},
		{"an errand among them", "Jane Roe: Ruth, can you feed the parrot on Monday?|Ruth Poe: Sure.|Dana Host: Lovely.", "task.create", "", "hs_task_subject=Feed the parrot;hs_timestamp=2026-11-23", "Ruth, can you feed the parrot on Monday?", stops},
		{"an errand for us", "Jane Roe: Dana, can you send us the price list on Monday?|Dana Host: Sure.", "task.create", "", "hs_task_subject=Send the price list;hs_timestamp=2026-11-23", "Dana, can you send us the price list on Monday?", holds},
		{"a refused errand", "Jane Roe: Can you send us the source code by Monday?|Dana Host: No, we can't give that away.", "task.create", "", "hs_task_subject=Send the source code;hs_timestamp=2026-11-23", "Can you send us the source code by Monday?", stops},
		{"uma promessa à condição", "Dana Host: Se a chefe deixar, mando o plano na segunda-feira.|Jane Roe: Tá.", "task.create", "", "hs_task_subject=Mandar o plano;hs_timestamp=2026-11-23", "mando o plano na segunda-feira", stops},
		{"uma promessa", "Dana Host: Eu mando o plano na segunda-feira.|Jane Roe: Tá.", "task.create", "", "hs_task_subject=Mandar o plano;hs_timestamp=2026-11-23", "Eu mando o plano na segunda-feira.", holds},
		{"the wrong day, which yields to the one that was said", "Dana Host: I'll send the plan on Monday.|Jane Roe: Good.", "task.create", "", "hs_task_subject=Send the plan;hs_timestamp=2026-11-30", "I'll send the plan on Monday.", holds},
		{"the wrong owner", "Dana Host: I'll send the plan on Monday.|Jane Roe: Good.", "task.create", "", "hs_task_subject=Send the plan;hs_timestamp=2026-11-23;hubspot_owner_id=78", "I'll send the plan on Monday.", stops},
		{"a call that they make", "Jane Roe: I'll call our bank on Monday.|Dana Host: Good.", "task.create", "", "hs_task_subject=Call the bank;hs_timestamp=2026-11-23", "I'll call our bank on Monday.", stops},
		{"a number read out for a friend", "Jane Roe: My neighbour's number is 030 555 0199, he fixes boats.|Dana Host: Thanks.", "contact.update", "11", "phone=030 555 0199", "My neighbour's number is 030 555 0199", stops},
		{"die Stelle eines anderen", "Jane Roe: Tom ist jetzt Leiter Einkauf.|Dana Host: Ah.", "contact.update", "11", "jobtitle=Leiter Einkauf", "Tom ist jetzt Leiter Einkauf.", stops},
		{"die Stelle dessen, der es ist", "Jane Roe: Tom ist jetzt Leiter Einkauf.|Dana Host: Ah.", "contact.update", "13", "jobtitle=Leiter Einkauf", "Tom ist jetzt Leiter Einkauf.", holds},
		{"an invoice's day", "Jane Roe: The last invoice of the old deal is due on December 4.|Dana Host: I'll look.", "deal.update", "31", "closedate=2026-12-04", "The last invoice of the old deal is due on December 4.", stops},
		{"the budget's end", "Jane Roe: Our budget year ends on December 31, and then I'm on a beach.|Dana Host: Nice.", "deal.update", "31", "closedate=2026-12-31", "Our budget year ends on December 31", stops},
		{"ein Telefonat am Freitag", "Jane Roe: Am Freitag telefoniere ich mit dem Vorstand über den Vertrag.|Dana Host: Gut.", "deal.update", "31", "closedate=2026-11-27", "Am Freitag telefoniere ich mit dem Vorstand über den Vertrag.", stops},
		{"Stück, die schon da sind", "Jane Roe: Wir haben schon vierzig Seats von euch.|Dana Host: Stimmt.", "deal.update", "31", "seats=40", "Wir haben schon vierzig Seats von euch.", stops},
		{"Stück, die dazukommen sollen", "Jane Roe: Wir bestellen vierzig Seats.|Dana Host: Vierzig, gut.", "deal.update", "31", "seats=40", "Wir bestellen vierzig Seats.", holds},
		{"a budget that is too small", "Jane Roe: All I have is 5,000 euros, and that won't do for your contract.|Dana Host: No.", "deal.update", "31", "amount=5000;deal_currency_code=EUR", "All I have is 5,000 euros", stops},
		{"an offer from another", "Jane Roe: OpsGrid's offer is 5,000 euros.|Dana Host: Hm.", "deal.update", "31", "amount=5000;deal_currency_code=EUR", "OpsGrid's offer is 5,000 euros.", stops},
		{"une promesse d'un tiers", "Jane Roe: Le fournisseur vous appelle lundi pour les câbles.|Dana Host: Bien.", "task.create", "", "hs_task_subject=En attente de Ruth Poe : câbles;hs_timestamp=2026-11-23", "Le fournisseur vous appelle lundi pour les câbles.", stops},
		{"une promesse", "Dana Host: Je vous envoie le devis lundi.|Jane Roe: Merci.", "task.create", "", "hs_task_subject=Envoyer le devis;hs_timestamp=2026-11-23", "Je vous envoie le devis lundi.", holds},
		{"otra cosa que la dicha", "Dana Host: Le mando el plano el lunes.|Jane Roe: Gracias.", "task.create", "", "hs_task_subject=Mandar la factura;hs_timestamp=2026-11-23", "Le mando el plano el lunes.", stops},
		{"lo dicho", "Dana Host: Le mando el plano el lunes.|Jane Roe: Gracias.", "task.create", "", "hs_task_subject=Mandar el plano;hs_timestamp=2026-11-23", "Le mando el plano el lunes.", holds},
		{"an old job", "Jane Roe: Before this I was head of sales at Southgate.|Dana Host: Oh.", "contact.update", "11", "jobtitle=Head of sales", "Before this I was head of sales at Southgate.", stops},
		{"a lease that was refused", "Jane Roe: The bank wanted a lease, but we said no.|Dana Host: Ha.", "deal.update", "31", "finance=lease", "The bank wanted a lease", stops},
		{"a training that somebody else had", "Jane Roe: The other branch had the training in Spanish.|Dana Host: Yes.", "deal.update", "31", "language=spanish", "The other branch had the training in Spanish.", stops},
		{"a step of theirs", "Jane Roe: Their next step is to sell the boats.|Dana Host: Poor boats.", "deal.update", "31", "hs_next_step=Sell the boats", "Their next step is to sell the boats.", stops},
		{"um chamado que já existe", "Jane Roe: O chamado da tela ainda está aberto?|Dana Host: Está.", "ticket.create", "", "subject=Tela", "O chamado da tela ainda está aberto?", stops},
	} {
		in := talk(strings.Split(c.talk, "|")...)
		a := meeting.ProposedAction{Tool: c.tool, Properties: map[string]string{}, Evidence: []meeting.Evidence{{Quote: c.quote}}}
		a.Target.ID = c.target
		first := ""
		for pair := range strings.SplitSeq(c.values, ";") {
			name, value, _ := strings.Cut(pair, "=")
			a.Properties[name] = value
			if first == "" {
				first = name
			}
		}
		in.Proposed = []Proposals{{By: "model", Actions: []meeting.ProposedAction{a}}}
		doubt := noDraft
		for _, d := range Plan(in).Drafts {
			if strings.Contains(d.Content.Properties[first], a.Properties[first]) && d.Tool.String() == c.tool {
				doubt = d.Content.Doubt
			}
		}
		if c.want == holds {
			require.Empty(t, doubt, c.name)
		} else {
			require.NotEmpty(t, doubt, c.name)
		}
	}
}
