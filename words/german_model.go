package words

// germanModel is what pages say about language models.
var germanModel = map[string]string{
	"Language model": "Sprachmodell",
	"No language model is asked: nothing that is said in meetings is sent to one.":   "Kein Sprachmodell wird gefragt: Nichts von dem, was in Meetings gesagt wird, wird an eines gesendet.",
	"The model %s at %s is asked about meetings that came from these sources alone:": "Das Modell %s bei %s wird zu Meetings gefragt, die allein aus diesen Quellen kamen:",
	"A model is named, %s at %s, and switched on for no source: nothing is sent.":    "Ein Modell ist angegeben, %s bei %s, und für keine Quelle eingeschaltet: Nichts wird gesendet.",
	"on":  "an",
	"off": "aus",
	"What is sent: the title, the day, the names of those who were there, what was said and written in the meeting, and of HubSpot names, job titles, deals and tickets with amounts and stages, the choices of properties, and the names of owners. Not sent: HubSpot's IDs, and e-mail addresses or phone numbers that nobody said. Meetings that are private are not sent.": "Gesendet werden: Titel und Tag, die Namen der Anwesenden, was im Meeting gesagt und geschrieben wurde, und aus HubSpot Namen, Positionen, Deals und Tickets mit Beträgen und Phasen, die Auswahl von Eigenschaften und die Namen der Zuständigen. Nicht gesendet werden: HubSpots IDs sowie E-Mail-Adressen und Telefonnummern, die niemand gesagt hat. Private Meetings werden nicht gesendet.",
	"What it answers is held against what was said, like all proposals.":    "Was es antwortet, wird wie alle Vorschläge an dem gemessen, was gesagt wurde.",
	"This month: %d calls, %d tokens.":                                      "Dieser Monat: %d Aufrufe, %d Tokens.",
	"They cost %s.":                                                         "Sie kosten %s.",
	"At most %d tokens a month.":                                            "Höchstens %d Tokens im Monat.",
	"At most %s a month.":                                                   "Höchstens %s im Monat.",
	"Operators change this by command: debrief model set.":                  "Betreiber ändern das per Kommando: debrief model set.",
	"The language model was not heard: %s. The plan was made without it.":   "Das Sprachmodell wurde nicht gehört: %s. Der Plan entstand ohne es.",
	"The language model was heard about %d of %d parts of the meeting: %s.": "Das Sprachmodell wurde zu %d von %d Teilen des Meetings gehört: %s.",
	"Recap": "Zusammenfassung für die Teilnehmer",
	"A draft for the attendees, to copy. Debrief never sends it. Each line follows from what was said.": "Ein Entwurf für die Teilnehmer, zum Kopieren. Debrief sendet ihn nie. Jede Zeile folgt aus dem, was gesagt wurde.",
	"The draft": "Der Entwurf",

	// Why a model was not heard.
	"the model declined to answer":                             "das Modell lehnte es ab zu antworten",
	"the model's answer was cut off":                           "die Antwort des Modells brach ab",
	"the model's answer was not what was asked for":            "die Antwort des Modells war nicht das, wonach gefragt war",
	"the model's endpoint asked for patience":                  "der Endpunkt des Modells bat um Geduld",
	"the model's endpoint could not be reached or had trouble": "der Endpunkt des Modells war nicht zu erreichen oder gestört",
	"the model did not answer in time":                         "das Modell antwortete nicht rechtzeitig",
	"the model's endpoint did not take the request":            "der Endpunkt des Modells nahm die Anfrage nicht an",
	"the meeting is longer than a model is asked about":        "das Meeting ist länger, als ein Modell gefragt wird",
	"the month's budget for the model is used up":              "das Monatsbudget für das Modell ist aufgebraucht",
	"the model was asked too often about this meeting":         "das Modell wurde zu diesem Meeting zu oft gefragt",
	"the model was not heard":                                  "das Modell wurde nicht gehört",
}
