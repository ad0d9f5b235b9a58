package planner

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/meeting"
)

// What a day, a sum or a task is has to be told by the words that carry it: that nothing
// speaks against a value does not make it the deal's.

const (
	notTheClose  = "may be the day of something else"
	notTheSum    = "may be the sum of something else"
	notTheNext   = "was not called the next step"
	otherLater   = "another day was said for it later"
	notOfSpeaker = "who is waited for did not say it"
)

// closes says that a day is that on which a deal is closed: what carries it tells so, or
// the sentence or what led to it does and nothing else is named that has a day.
func (p *plan) closes(a proposal, value string) bool {
	day, ok := dayOf(value, p.in.location())
	return !ok || slices.ContainsFunc(a.Evidence, func(e meeting.Evidence) bool {
		in := p.passageOf(e)
		return slices.ContainsFunc(p.dayClauses([]meeting.Evidence{e}, day), func(c string) bool {
			switch words := spaced(c); {
			case signing.MatchString(words) && (!otherEvents.MatchString(words) || hasAny(words, signed)):
				return true
			case otherEvents.MatchString(spaced(in.sentence)):
				return false
			default:
				lead := slices.Concat([]string{in.segment}, in.before[:min(2, len(in.before))], in.after[:min(1, len(in.after))])
				return hasAny(spaced(in.sentence), closingWords) || signing.MatchString(spaced(in.sentence)) || slices.ContainsFunc(lead, func(text string) bool {
					return hasAny(spaced(text), closingWords) || signing.MatchString(spaced(text))
				})
			}
		})
	})
}

// signed is said of the deal, whatever else is named with it.
const signed = `
sign|signs|signed|signing|close|closes|order|renew|renews
unterschreiben|unterschrieben|unterschreibt|unterschrift|unterzeichnen|unterzeichnet|abschließen|bestellen|bestellt
signe|signer|signons|signez|signature|commande|renouvelle
firma|firmamos|firmar|cerramos|cierre
assina|assinamos|assinar|assinatura|fechamos|fechar
getekend|tekenen|firmiamo|firmare`

var (
	// signing are the words for closing a deal, and otherEvents those for what else a day
	// is named for.
	signing = wordsPattern(`sign|signs|signed|signing|signature|close|closes|closed|closing|order|ordered|contract|renews?|renewed|ink|purchase order|po|go ahead|` +
		`\pL*unterschr\pL*|unterzeichn\pL*|\pL*abschluss|abschließen|abgeschlossen|\pL*auftrag|bestell\pL*|\pL*vertrag\pL*|verlänger\pL*|` +
		`sign\pL*|command\pL*|contrat|clôtur\pL*|conclu\pL*|renouvel\pL*|` +
		`firm\pL*|pedido|contrato|cierre|cerr\pL*|renov\pL*|` +
		`assin\pL*|fech\pL*|encomend\pL*|` +
		`getekend|tekenen|onderteken\pL*|handtekening|verlenging|bestelling|contratto|ordine|chius\pL*|chiud\pL*|rinnov\pL*`)
	otherEvents = wordsPattern(`deliver\pL*|ship\pL*|install\pL*|go live|goes live|kick ?off|demo|visit\pL*|pilot|training|arriv\pL*|audit|fair|trade show|holiday\pL*|invoice\pL*|expir\pL*|inventory|move|moving|opening|calling|board meeting|year ends|telefon\pL*|\pL*sitzung|réunion|réunions|reunión|reunião|` +
		`liefer\pL*|geliefert|auslieferung|\pL*montage|montier\pL*|einbau\pL*|inbetriebnahme|\pL*schulung|einweisung|\pL*besuch|\pL*messe|urlaub|rechnung|umzug|eröffnung|ausliefer\pL*|` +
		`livr\pL*|installation|démarrage|visite|salon|congés|facture|déménagement|ouverture|formation|` +
		`entreg\pL*|instala\pL*|arranque|visita|feria|vacaciones|factura|mudanza|apertura|formación|` +
		`feira|férias|fatura|mudança|abertura|formação|treinamento|` +
		`levering|geleverd|oefening|installatie|consegna|installazione|visita`)
	// theirStep is another's next step.
	theirStep = wordsPattern(`(?:their|his|her|seine?\pL*|deren|leur|leurs) (?:next steps?|nächste\pL* schritt\pL*|prochaines? étapes?)`)
	// aSum are the words by which a sum is a price, or what is agreed about one.
	aSum = wordsPattern(`\pL*(?:price|pricing|cost|total|contract|offer|quote|deal|worth|budget|invoice|amount|sum)s?|costs|charge|fee|paying|pay|renewal|per year|a year|annual\pL*|agreed?|settled?|comes? to|altogether|all in|for the lot|done|sign\pL*|discount|order|licen[cs]es?|package|approved|final|firm|signed off|money|damage|tax|for \d+|for (?:` + numberWords() + `) \pL+|` +
		`\pL*(?:preis|kosten|summe|vertrag|angebot|auftrag|budget|betrag|volumen|wert)s?e?n?|gesamt\pL*|insgesamt|kostet|zahlen|einigen|geeinigt|einverstanden|passt|machen wir|jährlich|im jahr|netto|brutto|pauschal\pL*|bleiben|bleibt|genehmigt|freigegeben|mwst|` +
		`prix|tarif|coût|coûte|total|contrat|offre|devis|montant|budget|somme|d accord|entendu|par an|marché|ht|ttc|au total|en tout|revient|renouvellement|commande|validée?|tout compris|tva|` +
		`precio|coste|costo|total|contrato|oferta|presupuesto|importe|suma|de acuerdo|al año|anual\pL*|queda|quedamos|cerramos|pedido|vale|renovación|aprobado|iva|incluido|` +
		`preço|custo|valor|orçamento|proposta|montante|soma|por ano|fica|ficamos|fecha\pL*|combinado|renovação|aprovado|incluído|` +
		`bedrag|prijs|offerte|totaal|akkoord|exclusief|btw|prezzo|totale|offerta|preventivo|importo|va bene|confermato`)
	// calledNext is how somebody calls it that, and so what is done next.
	calledNext = wordsPattern(`next steps?|next thing|what s next|next up|next is|goes to \pL+ next|geht (?:es )?(?:zuerst|jetzt|dann)|passe d abord|va primero|vai primeiro|nächste\pL* (?:schritt\pL*|punkt)|als nächstes|danach|weiter geht|prochaines? étapes?|prochaine chose|la suite|ensuite|próximos? pasos?|siguientes? pasos?|lo siguiente|próximos? passos?|a seguir|volgende stap\pL*|prossim\pL+ pass\pL+`)
)

// isASum says that a sum is a price: the talk around it tells so.
func (p *plan) isASum(a proposal) bool {
	return slices.ContainsFunc(a.Evidence, func(e meeting.Evidence) bool {
		return slices.ContainsFunc(p.passageOf(e).around(), func(text string) bool { return aSum.MatchString(spaced(text)) })
	}) || p.echoed(a, "amount", "")
}

// isNext says that what is quoted is called a next step, there or by what leads to it.
func (p *plan) isNext(a proposal) bool {
	return slices.ContainsFunc(a.Evidence, func(e meeting.Evidence) bool {
		in := p.passageOf(e)
		return slices.ContainsFunc(append([]string{in.segment}, in.before[:min(2, len(in.before))]...), func(text string) bool { return calledNext.MatchString(spaced(text)) }) && !theirStep.MatchString(spaced(in.sentence))
	})
}

// otherDayLater says that what a task is about comes up again with another day, and not
// for a case that may not come.
func (p *plan) otherDayLater(a proposal) bool {
	about := contentWords(p.withoutPeople(a.Properties["hs_task_subject"]))
	loc := p.in.location()
	at := p.in.start().In(loc)
	var own []Dated
	for _, e := range a.Evidence {
		own = append(own, DatesIn(p.passageOf(e).sentence, at)...)
	}
	if a.said < 0 || len(about) == 0 || len(own) == 0 {
		return false
	}
	contents := p.segmentContents()
	for i := a.said + 1; i < len(contents); i++ {
		if n, _ := sharedWords(about, contents[i]); n < min(2, len(about)) || n == 0 {
			continue
		}
		for _, sentence := range cutUp(clipBytes(p.in.Meeting.Transcript.Segments[i].Text)).parts {
			n, _ := sharedWords(about, contentWords(sentence))
			days := DatesIn(sentence, at)
			promisesOther := !sameSpeaker(p.in.Meeting.Transcript.Segments[i].Speaker, a.Evidence[0].Speaker) && ofTheirOwn(spaced(sentence))
			if n > 0 && len(days) > 0 && !promisesOther && !moodOf(sentence).conditional && !slices.ContainsFunc(days, func(d Dated) bool {
				return slices.ContainsFunc(own, func(o Dated) bool { return overlap(o, d) })
			}) {
				return true
			}
		}
	}
	return false
}

// overlap says that two spans may have a day in common.
func overlap(a, b Dated) bool {
	for _, day := range []time.Time{a.From, a.To, a.Other} {
		if !day.IsZero() && b.MayBe(day) {
			return true
		}
	}
	return !b.From.Before(a.From) && !b.From.After(a.To)
}

// waitsForAnother says that a task waits for somebody who was there, where what is quoted
// was said by another and does not name them.
func (p *plan) waitsForAnother(a proposal) bool {
	subject := a.Properties["hs_task_subject"]
	if !hasAny(spaced(subject), waitingWords) {
		return false
	}
	text := spokenOf(subject)
	return slices.ContainsFunc(p.people.External, func(x Person) bool {
		f, _ := nameOf(x).in(text)
		return f > nickname && x.Name != "" && !slices.ContainsFunc(a.Evidence, func(e meeting.Evidence) bool {
			g, _ := nameOf(x).in(spokenOf(p.passageOf(e).sentence))
			return e.Speaker == "" || sameSpeaker(x.Name, e.Speaker) || g > nickname || p.isOurs(e.Speaker)
		})
	})
}

// beginsInThePast says that the sentences of a number begin by telling when it was so:
// "L'an dernier, …".
func (p *plan) beginsInThePast(a proposal, value string) bool {
	return slices.ContainsFunc(a.Evidence, func(e meeting.Evidence) bool {
		clauses := clausesOf(p.passageOf(e).sentence)
		return len(clauses) > 1 && len(wordsIn(clauses[0])) < 5 && sayAny(clauses[:1], pastWords) && slices.Equal(p.numberClauses([]meeting.Evidence{e}, value), clauses[1:2])
	})
}

// askedAmongThem says that somebody from outside asks for a thing, and another from outside
// says yes.
func (p *plan) askedAmongThem(a proposal) bool {
	segments := p.in.Meeting.Transcript.Segments
	outside := func(speaker string) bool {
		return slices.ContainsFunc(p.people.External, func(x Person) bool { return x.Name != "" && sameSpeaker(x.Name, speaker) })
	}
	return !slices.ContainsFunc(a.Evidence, func(e meeting.Evidence) bool {
		in := p.passageOf(e)
		return in.at < 0 || in.at+1 >= len(segments) || !strings.HasSuffix(strings.TrimRight(in.segment, " \"”»“"), "?") || !outside(e.Speaker) ||
			!outside(segments[in.at+1].Speaker) || sameSpeaker(segments[in.at+1].Speaker, e.Speaker) || !in.saysYes()
	})
}

// isOffered says that a text tells of the offer of somebody whom the plan does not know.
func (p *plan) isOffered(text string) bool {
	return slices.ContainsFunc(anOffer.FindAllStringSubmatch(text, -1), func(m []string) bool { return !p.isKnown(m[1] + m[2]) })
}

var anOffer = regexp.MustCompile(`(\p{Lu}\pL+)['’]s (?:offer|price|quote|bid)|(?:Angebot von|offre de|oferta de|proposta da|proposta do) (\p{Lu}\pL+)`)

// goesOn are the words with which the sentence of a quotation goes on behind it: "on the
// first, no, sorry, on the eighth" may be quoted up to the comma.
func goesOn(in passage, quote string) string {
	_, behind, _ := strings.Cut(spaced(in.sentence), spaced(quote))
	if strings.TrimSpace(behind) == "" {
		return ""
	}
	words := strings.Fields(behind)
	return " " + strings.Join(words[:min(len(words), 4)], " ") + " "
}

// nicety is how people say that they would like to meet some day.
var nicety = wordsPattern(`(?:ought to|should|have to|must|let s|we ll|could) (?:\pL+ )?(?:grab|do|get|have) (?:\pL+ )?(?:lunch|coffee|dinner|drinks?|a beer|a pint|a round|golf)|` +
	`(?:irgendwann|mal|müssen|müssten|sollten) (?:\pL+ ){0,4}(?:essen gehen|kaffee trinken|ein bier|auf einen kaffee|auf ein bier)|` +
	`un de ces (?:jours|quatre)|il faut qu on (?:déjeune|mange|boive)|on se (?:fait|fera) (?:un|une) (?:bouffe|déjeuner|café|verre)|` +
	`(?:un día de estos|algún día|a ver cuándo|a ver si) (?:\pL+ ){0,3}(?:comemos|comer|cenamos|cenar|tomamos|tomar|quedamos|nos tomamos)|tenemos que (?:comer|cenar|tomar algo)|` +
	`(?:qualquer dia|um dia desses|um dia destes|temos que|vamos) (?:\pL+ ){0,3}(?:almoçar|jantar|tomar um|tomar uma|almoçamos|jantamos|marcar um café)`)

// tellsOfAThing is how a sentence begins that tells what something is, has or does.
var tellsOfAThing = regexp.MustCompile(`^ (?:(?:and|so|well|but|yes|also|und|ja|also|et|oui|y|sí|e|sim) )*(?:the|our|my|that|der|die|das|unser|unsere|mein|meine|le|la|notre|mon|ma|el|nuestro|nuestra|mi|o|a|nosso|nossa|meu|minha) (\pL+) ` +
	`(?:is|has|had|seats|holds|speaks|understands|knows|needs|ist|hat|hatte|spricht|versteht|kann|est|a|avait|parle|comprend|connaît|es|tiene|tenía|habla|entiende|sabe|é|tem|tinha|fala|entende)(?: )`)

// dealThings are what a sentence tells of that tells of the deal.
var dealThings = wordSet(`deal contract training course order offer quote package total number count whole licence license licences team teams crew fleet group course session renewal plan system project language final new main next answer decision price cost sum rest amount quantity company board office department
	auftrag vertrag schulung kurs bestellung angebot paket gesamtzahl zahl anzahl team mannschaft gruppe projekt sprache system verlängerung menge stückzahl antwort entscheidung firma abteilung einweisung
	contrat formation cours commande offre forfait total nombre équipe groupe projet langue système renouvellement réponse décision société brigade session
	contrato formación curso pedido oferta paquete total número equipo grupo proyecto idioma sistema renovación respuesta decisión empresa sesión cantidad
	treinamento curso proposta pacote equipa equipe projeto língua renovação resposta decisão sessão quantidade formação número grupo`)

// isOfAThing says that what carries a value tells of something that is none of the deal's:
// of the canteen, the copier, a cat.
func (p *plan) isOfAThing(clauses []string, d string) bool {
	return slices.ContainsFunc(clauses, func(c string) bool {
		m := tellsOfAThing.FindStringSubmatch(spaced(c))
		return len(m) > 1 && !dealThings[m[1]] && !p.counts("deal", m[1]) && !p.namesRecord(folded(m[1])) && !slices.ContainsFunc(folded(d), func(w string) bool { return alike(w, fold(m[1])) })
	})
}
