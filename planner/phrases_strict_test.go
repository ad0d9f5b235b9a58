package planner_test

import (
	"strings"
	"testing"

	"github.com/debriefhq/debrief/planner"
)

// What sounds like what a rule hears, and must not be written: conditions, hearsay,
// what is taken back, jokes, what others do, what is over, questions, quoted speech,
// corrections, two days, two people, talk in general. A question is allowed, a write is
// not. A bar with spaces parts utterances.
var neverWritten = map[string]string{
	"task-promised": `
		Priya: I'll send you the offer by Friday if legal agrees.
		Priya: I'll send you the offer by Friday, assuming the board says yes.
		Priya: Provided we get the numbers, I'll send the offer by Friday.
		Priya: I'll send the offer on Friday unless something comes up.
		Priya: When you sign the NDA, I'll send the offer on Friday.
		Priya: I'll send you the offer by Friday. | Desmond: We don't need one.
		Priya: I'll send you the offer by Friday. | Desmond: Which offer?
		Priya: I'll send you the offer by Friday. | Desmond: Could you make it two offers?
		Priya: I'll send you the offer by Friday. | Desmond: Fine, but leave the training out.
		Priya: I'll send you the offer by Friday. | Desmond: Good. | Priya: Next topic. | Desmond: About the offer, Monday is better for us.
		Priya: I'll send you the offer by Friday. | Desmond: Good. | Priya: Next topic. | Priya: Actually, forget the offer, we already did it.
		Priya: I'll send you the offer by Friday. | Tobias: I can take the offer.
		Priya: I'll send you the offer by Friday... no, Monday.
		Priya: I'll send you the offer by Thursday, no, sorry, by Friday.
		Priya: I'll send you the offer by Friday or Monday.
		Priya: I'll send you the offer on Friday or so.
		Priya: I'll send you the offer before Friday.
		Priya: I'll send you the offer after Friday.
		Priya: I'll send you the offer not before Friday.
		Priya: I'll send you updates until Friday.
		Priya: I'll send you the offer at the earliest on Friday.
		Priya: I'll send you the offer around Friday.
		Priya: I'll send you the report every Friday.
		Priya: I'll send you the offer next week.
		Priya: I'll send you the offer in December.
		Priya: I'll send you the offer next Friday.
		Priya: I'll send you the offer on the first Friday of December.
		Priya: I'll send you the offer on the last Friday in November.
		Priya: I'll send you the offer on Friday after the holidays.
		Priya: I'll send you the offer the Friday after next.
		Priya: I'll send you the offer on Friday the week after.
		Priya: I'll send you the agenda for the workshop on Thursday.
		Priya: I'll send you the Friday report.
		Priya: I'll send you Friday's report.
		Priya: I'll send you the minutes from Monday.
		Priya: I'll send you the numbers as of Monday.
		Priya: I'll send it by Friday.
		Priya: I'll send you that by Friday.
		Desmond: We need the price list. | Priya: I'll send it to you by Friday.
		Priya: I'll do both by Friday.
		Priya: I'll let you know by Friday.
		Priya: I'll get back to you by Friday.
		Priya: I'll send you the offer by Friday and the contract by Monday.
		Priya: I'll send the offer and book the room by Friday.
		Priya: I'll send the offer by Friday, and I'll call your boss.
		Priya: Tobias and I will send you the offer by Friday.
		Priya: We'll send you the offer by Friday.
		Priya: Either Tobias or I'll send you the offer by Friday.
		Priya: Tobias or Priya will send you the offer by Friday.
		Priya: Desmond's colleague will send you the offer by Friday.
		Priya: One of us will send you the offer by Friday.
		Priya: My assistant will send you the offer by Friday.
		Priya: Anna will send you the offer by Friday.
		Priya: Ines will send you the offer by Friday.
		Priya: Tobias thinks I'll send you the offer by Friday.
		Priya: I told my boss I'll send the offer by Friday.
		Priya: He goes, I'll send you the offer by Friday.
		Priya: They said “I'll send you the offer by Friday, promise” and never did.
		Priya: I was supposed to send you the offer by Friday.
		Priya: I'd send you the offer by Friday.
		Priya: I should send you the offer by Friday.
		Priya: I hope I'll send you the offer by Friday.
		Priya: I don't think I'll send you the offer by Friday.
		Priya: I doubt that I'll send you the offer by Friday.
		Priya: Not sure I'll get you the offer by Friday.
		Priya: Maybe I'll send you the offer by Friday.
		Priya: I'll try to send you the offer by Friday.
		Priya: I think I'll send you the offer by Friday.
		Priya: Will I send you the offer by Friday?
		Priya: I'll send you the offer by Friday, okay?
		Priya: Yeah right, and I'll send you the moon by Friday. | Desmond: Haha.
		Priya: I'll send you the offer by Friday. | Priya: Just kidding.
		Priya: I sent you the offer on Friday.
		Priya: I'll have sent you the offer by Friday.
		Priya: What I'll send you by Friday is another question.
		Priya: The offer that I'll send you by Friday is not binding.
		Priya: If you want, I'll send you the offer by Friday.
		Desmond: And if we sign? | Priya: Then I'll send you the offer by Friday.
		Desmond: What happens when we sign? | Priya: Then I'll send you the order form by Friday.
		Priya: I'll usually send you the list by Friday.
		Priya: I'll send you the offer on Tuesday.
		Priya: Ich schicke Ihnen das Angebot bis Freitag, falls der Chef nickt.
		Priya: Wenn alles klappt, schicke ich Ihnen das Angebot bis Freitag.
		Priya: Ich schicke Ihnen das Angebot Freitag oder Montag.
		Priya: Ich schicke Ihnen das Angebot vor Freitag.
		Priya: Ich schicke Ihnen das Angebot frühestens am Freitag.
		Priya: Ich schicke Ihnen das Angebot ab Freitag.
		Priya: Ich schicke Ihnen nächste Woche das Angebot.
		Priya: Ich schicke es Ihnen bis Freitag.
		Priya: Das mache ich bis Freitag.
		Priya: Tobias und ich schicken Ihnen das Angebot bis Freitag.
		Priya: Wir schicken Ihnen das Angebot bis Freitag.
		Priya: Ich würde Ihnen das Angebot bis Freitag schicken.
		Priya: Ich glaube, ich schicke Ihnen das Angebot bis Freitag.
		Priya: Mein Chef meinte, ich schicke Ihnen das Angebot bis Freitag.
		Priya: Ich schicke Ihnen das Protokoll vom Freitag.
		Priya: Ich schicke Ihnen die Unterlagen für den Termin am Freitag.
		Priya: Ich kann Ihnen gerne bis Freitag das Angebot schicken.
		Priya: Kann ich Ihnen das Angebot bis Freitag schicken?
		Priya: Ich schicke Ihnen das Angebot bis Freitag. | Desmond: Das brauchen wir nicht.
		Priya: Ich schicke Ihnen das Angebot bis Freitag. | Desmond: Welches Angebot?
		Priya: Das Angebot von Tobias schickt Desmond bis Freitag.
		Priya: Ich schicke jeden Freitag den Bericht.
		Priya: Je vous envoie le devis vendredi si mon chef est d'accord.
		Priya: Je vous envoie le devis vendredi ou lundi.
		Priya: Je vous envoie le devis avant vendredi.
		Priya: Je vous envoie le devis dès vendredi.
		Priya: Je vous l'envoie vendredi.
		Priya: On vous envoie le devis vendredi.
		Priya: Je vous enverrais le devis vendredi.
		Priya: Je crois que je vous envoie le devis vendredi.
		Priya: Tobias dit que je vous envoie le devis vendredi.
		Priya: Je peux vous envoyer le devis demain.
		Priya: Je vous envoie le compte rendu de la réunion de lundi.
		Priya: Je vous prépare l'ordre du jour de la réunion lundi.
		Priya: Je vous envoie le devis la semaine prochaine.
		Priya: Je vous envoie le devis vendredi. | Desmond: Quel devis ?
		Priya: Je vous envoie le devis vendredi. | Desmond: On n'en a pas besoin.
		Priya: Je vous ai envoyé le devis vendredi.
		Priya: Te mando la propuesta el viernes si mi jefa quiere.
		Priya: Te mando la propuesta el viernes o el lunes.
		Priya: Te mando la propuesta antes del viernes.
		Priya: Te la mando el viernes.
		Priya: Puedo mandarte la propuesta el viernes.
		Priya: Te mandaría la propuesta el viernes.
		Priya: Creo que te mando la propuesta el viernes.
		Priya: Tobias dice que te mando la propuesta el viernes.
		Priya: Te mando la propuesta la semana que viene.
		Priya: Vamos a enviarle el contrato el viernes.
		Priya: Te mandé la propuesta el viernes.
		Priya: Te mando cada viernes el informe.
		Priya: Vou enviar a proposta até sexta-feira, se o chefe deixar.
		Priya: Vou enviar a proposta na sexta-feira ou na segunda-feira.
		Priya: Vou enviar a proposta antes de sexta-feira.
		Priya: Vou enviar até sexta-feira.
		Priya: Posso enviar a proposta até sexta-feira.
		Priya: Acho que vou enviar a proposta até sexta-feira.
		Priya: O Tobias e eu vamos enviar a proposta até sexta-feira.
		Priya: Vamos enviar a proposta até sexta-feira.
		Priya: Enviei a proposta na sexta-feira.
		Priya: Vou enviar a proposta até sexta-feira. | Desmond: Não precisamos.`,
	"task-awaited": `
		Desmond: I'll send you the purchase order by Friday if my boss agrees.
		Desmond: I'll send you the purchase order by Friday or Monday.
		Desmond: I'll probably send you the purchase order by Friday.
		Desmond: I'll send you the purchase order before Friday.
		Desmond: I'll send it to you by Friday.
		Desmond: I'll ask our lawyers by Friday.
		Desmond: I'll check with my boss by Friday.
		Desmond: I'll book our room by Friday.
		Desmond: I'll call my boss tomorrow.
		Desmond: We'll run the tests by Friday.
		Desmond: Ines will send you the purchase order by Friday.
		Desmond: Our lawyers will send you the contract by Friday.
		Desmond: I'd send you the purchase order by Friday.
		Desmond: I won't send you the purchase order by Friday.
		Desmond: I'll send you the purchase order by Friday. | Priya: We have it already.
		Desmond: I'll send you the purchase order by Friday. | Priya: Which one?
		Desmond: I'll send you the purchase order by Friday. | Priya: No need.
		Desmond: I'll send you the purchase order by Friday. | Priya: Haha.
		Desmond: Will I send you the purchase order by Friday?
		Desmond: I sent you the purchase order on Friday.
		Desmond: My boss says I'll send you the purchase order by Friday.
		Desmond: I told her I'll send you the list by Friday.
		Desmond: They said “I'll send you the purchase order by Friday” and didn't.
		Desmond: I'll send you the purchase order by Thursday, no, Friday.
		Desmond: I'll send you the notes from Friday.
		Desmond: I'll send you the agenda for the meeting on Friday.
		Desmond: Debrief, I'll send you the purchase order by Friday.
		Kim: I'll send you the purchase order by Friday.
		Desmond: Ich schicke Ihnen die Bestellung bis Freitag, wenn der Chef unterschreibt.
		Desmond: Ich schicke Ihnen die Bestellung Freitag oder Montag.
		Desmond: Ich schicke es Ihnen bis Freitag.
		Desmond: Ich frage unseren Einkauf bis Freitag.
		Desmond: Ich würde Ihnen die Bestellung bis Freitag schicken.
		Desmond: Ich schicke Ihnen die Bestellung vielleicht bis Freitag.
		Desmond: Je vous envoie le bon de commande vendredi si tout va bien.
		Desmond: Je vous envoie le bon de commande avant vendredi.
		Desmond: Je vous l'envoie vendredi.
		Desmond: Je demande à mon chef vendredi.
		Desmond: Te mando el pedido el viernes si puedo.
		Desmond: Te lo mando el viernes.
		Desmond: Pido permiso a mi jefe el viernes.
		Desmond: Eu te envio a lista até sexta-feira, se der.
		Desmond: Vou enviar até sexta-feira.
		Desmond: Vou pedir ao meu chefe até sexta-feira.`,
	"task-offered": `
		Priya: Can I send you the case study by Friday?
		Priya: Can I send you the case study by Friday? | Desmond: Let me think.
		Priya: Can I send you the case study by Friday? | Desmond: Sure, but only the summary.
		Priya: Can I send you the case study by Friday? | Desmond: Yes, if it is short.
		Priya: Can I send you the case study by Friday or Monday? | Desmond: Sure.
		Priya: Shall we send you the case study next week? | Desmond: Great.
		Priya: Can I send you that by Friday? | Desmond: Sure.
		Priya: I'll send you the case study by Friday, okay? | Desmond: No thanks.
		Priya: Soll ich Ihnen die Studie bis Freitag schicken? | Desmond: Lieber nicht.
		Priya: Soll ich Ihnen die Studie bis Freitag schicken? | Desmond: Ja, aber nur die Kurzfassung.
		Priya: Je peux vous envoyer l'étude vendredi ? | Desmond: Pas la peine.
		Priya: ¿Le puedo enviar el estudio el viernes? | Desmond: No hace falta.
		Priya: Posso enviar o estudo na sexta-feira? | Desmond: Não precisa.`,
	"task-asked": `
		Desmond: Can you send the offer by Monday? | Priya: I'll see.
		Desmond: Can you send the offer by Monday? | Priya: Sure, if Tobias is back.
		Desmond: Can you send the offer by Monday? | Priya: Sure, but Tuesday is better.
		Desmond: Can you send the offer by Monday or Tuesday? | Priya: Sure.
		Desmond: Can you send it by Monday? | Priya: Sure.
		Desmond: Can you send the offer next week? | Priya: Sure.
		Desmond: Could you in theory send the offer by Monday? | Priya: Sure.
		Desmond: Ines, can you send the offer by Monday? | Ines: Sure.
		Priya: Can you send us the list by Monday? | Desmond: Sure.
		Desmond: Kannst du die Unterlagen bis Montag schicken? | Priya: Mal sehen.
		Desmond: Kannst du die Unterlagen bis Montag schicken? | Priya: Ja, aber nur die Kurzfassung.
		Desmond: Pouvez-vous envoyer le devis lundi ? | Priya: Je vais voir.
		Desmond: ¿Puede enviar el contrato el lunes? | Priya: A ver.
		Desmond: Pode enviar o contrato na segunda-feira? | Priya: Vou ver.`,
	"task-noted": `
		Notes: Priya sends the form by 20 November or 23 November.
		Notes: Priya and Tobias send the form by 20 November.
		Notes: Priya or Tobias sends the form by 20 November.
		Notes: Priya sends it by 20 November.
		Notes: Priya usually sends the form by 20 November.
		Notes: Desmond sends Priya the form by 20 November.
		Notes: Priya sends the form before 20 November.
		Notes: Tobias schickt das Angebot vielleicht bis Freitag.
		Notes: Tobias envoie le devis vendredi si le prix est validé.
		Notes: Tobias envía el contrato el viernes o el lunes.
		Notes: Tobias envia o contrato antes de sexta-feira.`,
	"ticket-new": `
		Desmond: Can you open a ticket for the frozen clock?
		Desmond: Can you open a ticket for the frozen clock? | Priya: Let me check first.
		Desmond: Can you open a ticket for the frozen clock? | Priya: We have one already.
		Desmond: Can you open a ticket for the frozen clock? | Priya: You don't need one.
		Desmond: Can you open a ticket for the frozen clock? | Ines: Sure.
		Desmond: Ines, can you open a ticket for the frozen clock? | Ines: Sure.
		Desmond: I'll open a ticket for the frozen clock.
		Desmond: We'll raise a ticket for the frozen clock with our IT.
		Desmond: I'm opening a ticket for the frozen clock.
		Desmond: I asked our IT to open a ticket for the frozen clock. | Priya: Good.
		Desmond: My people want to open a ticket for the frozen clock. | Priya: Sure.
		Desmond: The clock is frozen. Please open a ticket. | Priya: Sure.
		Desmond: The clock is frozen. Please open a ticket for it. | Priya: Sure.
		Desmond: The clock is frozen. | Priya: Should I open a ticket for it? | Desmond: Yes.
		Desmond: Should we open a ticket for the frozen clock? | Priya: I wonder.
		Desmond: How do I open a ticket for the frozen clock? | Priya: By mail.
		Desmond: We always open a ticket for each frozen clock. | Priya: Good.
		Desmond: You can always open a ticket for such things, right? | Priya: Sure.
		Priya: You can open a ticket for the frozen clock at any time.
		Priya: Normally, open a ticket for each frozen clock.
		Priya: I opened a ticket for the frozen clock.
		Priya: I would open a ticket for the frozen clock.
		Priya: I could open a ticket for the frozen clock.
		Priya: I'll open a ticket for the frozen clock if it happens again.
		Priya: When it happens again, I'll open a ticket for the frozen clock.
		Priya: I won't open a ticket for the frozen clock.
		Priya: No need to open a ticket for the frozen clock.
		Priya: Instead of a mail, open a ticket for the frozen clock next time.
		Priya: I'll open a ticket for the frozen clock. | Desmond: No need, it works.
		Priya: I'll open a ticket for the frozen clock. | Desmond: Wait, that was our wifi.
		Priya: I'll open a ticket for the frozen clock. | Desmond: Haha.
		Priya: I'll open a ticket for the frozen clock. | Priya: Actually no.
		Priya: I'll open an urgent case or a ticket for the frozen clock.
		Priya: I think I'll open a ticket for the frozen clock.
		Priya: Tobias said I'll open a ticket for the frozen clock.
		Priya: They told me “please open a ticket for the frozen clock on wall three” and I laughed.
		Desmond: Please open a ticket for the frozen clock, or a case. | Priya: Sure.
		Desmond: The urgent thing: please open a ticket for the frozen clock. | Priya: Sure.
		Desmond: Somebody asked me to open a ticket for the frozen clock. | Priya: Sure.
		Kim: Please open a ticket for the frozen clock. | Priya: Sure.
		Desmond: Assistant, please open a ticket for the frozen clock. | Priya: Sure.
		Desmond: Wir haben ein Ticket für die dunkle Anzeige.
		Desmond: Ich lege ein Ticket für die dunkle Anzeige an.
		Desmond: Wir machen intern ein Ticket für die dunkle Anzeige. | Priya: Gut.
		Desmond: Bei uns legen die Leute ein Ticket für jede dunkle Anzeige an. | Priya: Ja.
		Desmond: Können Sie ein Ticket für die dunkle Anzeige anlegen? | Priya: Moment, da gibt es schon eins.
		Desmond: Müsste man ein Ticket für die dunkle Anzeige anlegen? | Priya: Hm.
		Desmond: Falls es wieder passiert, legen Sie ein Ticket für die Anzeige an. | Priya: Ja.
		Priya: Ich würde ein Ticket für die dunkle Anzeige anlegen.
		Priya: Ich habe ein Ticket für die dunkle Anzeige angelegt.
		Priya: Die Anzeige ist dunkel. Ich lege dafür ein Ticket an.
		Desmond: Nous ouvrons un ticket pour chaque écran noir. | Priya: Bien.
		Desmond: J'ouvre un ticket pour l'écran noir.
		Desmond: Pouvez-vous ouvrir un ticket pour l'écran noir ? | Priya: Je vais voir.
		Desmond: Si ça recommence, ouvrez un ticket pour l'écran noir. | Priya: Oui.
		Priya: J'ai ouvert un ticket pour l'écran noir.
		Priya: J'ouvrirais un ticket pour l'écran noir.
		Desmond: Voy a abrir un ticket por la pantalla negra.
		Desmond: ¿Puede abrir un ticket por la pantalla negra? | Priya: A ver.
		Desmond: Si vuelve a pasar, abra un ticket por la pantalla. | Priya: Sí.
		Priya: Abrí un ticket por la pantalla negra.
		Desmond: Vou abrir um chamado para a tela preta.
		Desmond: Pode abrir um chamado para a tela preta? | Priya: Vou ver.
		Desmond: Se acontecer de novo, abra um chamado para a tela. | Priya: Sim.
		Priya: Abri um chamado para a tela preta.`,
	"deal-new": `
		Priya: I'll open a deal, Tidewell locks, if you like.
		Priya: I'll open a deal for Marlpit West with forty seats.
		Priya: I'll open a deal, Marlpit West, forty-two thousand pounds.
		Priya: I'll open a deal for Marlpit West. | Desmond: Not yet.
		Priya: I'll open a deal for Marlpit West. | Desmond: Which one?
		Priya: I'll open a deal for Marlpit West or Marlpit East.
		Priya: I would open a deal for Marlpit West.
		Priya: I think I'll open a deal for Marlpit West.
		Priya: Should I open a deal for Marlpit West? | Desmond: Hm.
		Priya: Tobias said he'll open a deal for Marlpit West.
		Priya: When you sign, I'll open a deal for Marlpit West.
		Priya: Ich lege vielleicht einen neuen Deal an, Marlpit Halle 3.
		Priya: Je crée une nouvelle affaire pour Marlpit Lyon si vous voulez.
		Priya: Voy a abrir una oportunidad para Marlpit Sevilla o Marlpit Cádiz.
		Priya: Vou criar um negócio para Marlpit Porto, talvez.`,
	"deal-amount": `
		Desmond: The deal is forty-two thousand euros.
		Priya: The contract value is £42,500.
		Priya: The contract value is £42,500. | Desmond: Is it?
		Priya: The contract value is £42,500. | Desmond: No, less.
		Priya: The contract value is £42,500. | Desmond: Fine, but only for two years.
		Priya: The contract value is £42,500. | Desmond: Fine. | Priya: Next. | Desmond: On the contract, we said £45,000.
		Desmond: Our contract with Hexa is 42,000 euros. | Priya: 42,000 euros, okay.
		Desmond: The contract is 42,000 euros a year. | Priya: 42,000 euros, okay.
		Desmond: The contract is 42,000 euros for year one. | Priya: 42,000 euros, okay.
		Desmond: The contract is 42,000 euros including training. | Priya: 42,000 euros, okay.
		Desmond: The contract was 42,000 euros. | Priya: 42,000 euros, okay.
		Desmond: The contract is 40,000, no, 42,000 euros. | Priya: 42,000 euros, okay.
		Desmond: The budget is 42,000 euros, I think. | Priya: 42,000 euros, okay.
		Desmond: If the contract is 42,000 euros, we sign. | Priya: 42,000 euros, okay.
		Desmond: My boss says the contract is 42,000 euros or so. | Priya: 42,000 euros, okay.
		Desmond: They said the contract is 42,000 euros. | Priya: 42,000 euros, okay.
		Desmond: Der Auftrag liegt bei 24.000 Euro.
		Desmond: Der Auftrag liegt bei 24.000 Euro im Jahr. | Priya: 24.000 Euro, gut.
		Desmond: Der Auftrag liegt bei 24.000 Euro, glaube ich. | Priya: 24.000 Euro, gut.
		Desmond: Der Vertrag mit Hexa liegt bei 24.000 Euro. | Priya: 24.000 Euro, gut.
		Desmond: Le contrat est à 17 500 euros.
		Desmond: Le contrat est à 17 500 euros hors taxes. | Priya: 17 500 euros, d'accord.
		Desmond: Le contrat est à 17 500 euros, je crois. | Priya: 17 500 euros, d'accord.
		Desmond: Cerramos en doce mil euros.
		Desmond: El contrato queda en doce mil euros más IVA. | Priya: Doce mil euros.
		Desmond: Cerramos en doce mil euros, creo. | Priya: Doce mil euros.
		Desmond: Fechamos em doze mil reais.
		Desmond: O contrato fica em doze mil reais por ano. | Priya: Doze mil reais.
		Desmond: Fechamos em doze mil reais, acho. | Priya: Doze mil reais.`,
	"deal-close-date": `
		Desmond: We'll sign the contract on Friday.
		Desmond: We'll sign the contract on Friday. | Priya: Which Friday?
		Desmond: We'll sign the NDA on Friday. | Priya: Friday, good.
		Desmond: We'll sign the lease for the office on Friday. | Priya: Friday, good.
		Desmond: We'll sign the contract on Friday or Monday. | Priya: Friday, good.
		Desmond: We'll sign the contract next week. | Priya: Next week, good.
		Desmond: We'll sign the contract before Friday, I think. | Priya: Friday, good.
		Desmond: We'll sign the contract in December. | Priya: December, good.
		Desmond: We'll sign the contract on Friday, if the board agrees. | Priya: Friday, good.
		Desmond: Wir unterschreiben am 4. Dezember.
		Desmond: Wir unterschreiben am 4. oder 5. Dezember. | Priya: Am 4. Dezember, gut.
		Desmond: Wir unterschreiben den Mietvertrag am 4. Dezember. | Priya: Am 4. Dezember, gut.
		Desmond: On signe vendredi ou lundi. | Priya: Vendredi, d'accord.
		Desmond: On signe le bail vendredi. | Priya: Vendredi, d'accord.
		Desmond: Cerramos la oficina el viernes. | Priya: El viernes, vale.
		Desmond: Firmamos el viernes o el lunes. | Priya: El viernes, vale.
		Desmond: Fechamos a loja na sexta-feira. | Priya: Na sexta-feira, tá.
		Desmond: Assinamos na sexta-feira, acho. | Priya: Na sexta-feira, tá.`,
	"deal-next-step": `
		Priya: The next step is the security review with Ines.
		Desmond: The next step for the deal is our board meeting.
		Priya: The next step for the deal is usually the security review.
		Priya: The next step for the deal is the security review or the workshop.
		Priya: The next step for the deal is the security review. | Desmond: No, the workshop.
		Priya: Nächster Schritt ist die Sicherheitsprüfung.
		Priya: La prochaine étape, c'est la revue de sécurité.
		Priya: El siguiente paso es la revisión de seguridad.
		Priya: O próximo passo é a revisão de segurança.`,
	"deal-stage": `
		Priya: I think I'll move the deal to Negotiation.
		Priya: I'll move the deal to Negotiation or Proposal.
		Priya: When legal is through, I'll move the deal to Negotiation.
		Priya: I'll move the deal to Negotiation. | Desmond: Which deal?
		Priya: I'll move the deal to Negotiation. | Tobias: I'd leave it, not yet.
		Priya: Usually we move the deal to Negotiation.
		Priya: Ich setze den Deal auf Verhandlung, wenn der Preis steht.
		Priya: Je passe l'affaire en Négociation, je crois.
		Priya: Muevo el negocio a Negociación, creo.
		Priya: Vou passar o negócio para Negociação, acho.`,
	"deal-owner": `
		Priya: I think I'll hand this deal to Tobias.
		Priya: I'll hand this deal to Tobias. | Tobias: Why me?
		Priya: I'll hand this deal to Tobias. | Tobias: I can't take it.
		Priya: When I leave, I'll hand this deal to Tobias.
		Priya: Ich übergebe den Deal an Tobias, glaube ich.
		Priya: Je confie l'affaire à Tobias, si possible.
		Priya: Paso el negocio a Tobias, creo.
		Priya: Passo o negócio para o Tobias, acho.`,
	"contact-job-title": `
		Desmond: Ines is now head of sales and marketing.
		Desmond: Ines will be our new head of grid in January.
		Desmond: From January, Ines is our new head of grid.
		Desmond: Ines is now acting head of grid.
		Priya: Ines is now head of grid.
		Desmond: I think Ines is now head of grid.
		Desmond: Ines is now head of grid. | Ines: Not yet.
		Desmond: Ines is now head of grid. | Priya: Is she?
		Desmond: Ines is now head of grid or head of power.
		Desmond: Anna is now head of grid.
		Desmond: My colleague is now head of grid.
		Desmond: Ines' sister is now head of grid.
		Desmond: Ines wird jetzt Leiterin der Instandhaltung.
		Desmond: Ines ist jetzt Leiterin der Instandhaltung, glaube ich.
		Desmond: Ines est maintenant directrice des achats, je crois.
		Desmond: Ines es ahora directora de compras, creo.
		Desmond: A Ines agora é diretora de pessoas, acho.`,
	"contact-phone": `
		Desmond: My new mobile might be +44 7700 900123.
		Desmond: My sister's new mobile is +44 7700 900123.
		Desmond: If my new mobile is +44 7700 900123, call it.
		Desmond: My new mobile is +44 7700 900123. | Desmond: No, wait.`,
	"contact-email": `
		Desmond: My new email address might be d.achterberg@marlpit-group.example.
		Desmond: My new email address is not d.achterberg@marlpit-group.example.
		Desmond: Is my new email address d.achterberg@marlpit-group.example?`,
}

func TestNeverWritten(t *testing.T) {
	t.Parallel()
	for _, rule := range planner.PhraseRules() {
		t.Run(rule.Name, func(t *testing.T) {
			t.Parallel()
			lines := strings.Split(strings.TrimSpace(neverWritten[rule.Name]), "\n")
			for _, line := range lines {
				line = strings.TrimSpace(line)
				for _, got := range proposed(only(talk(strings.Split(line, " | ")...), rule.Name)) {
					if !strings.HasPrefix(got, "? ") {
						t.Errorf("%s\nwould be written: %s", line, got)
					}
				}
			}
		})
	}
}
