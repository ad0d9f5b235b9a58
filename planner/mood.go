package planner

import (
	"regexp"
	"strings"
)

// How something was said decides whether it may be acted on: the words for that in
// English, German, French, Spanish and Portuguese. Each list is of whole words, in
// order; a word too many makes a question too many, and a word too few makes a write
// that nobody meant.
const (
	moodIf = `
if|unless|provided that|provided the|provided we|provided they|provided it|provided our|assuming|in case|depending on|as long as|as soon as|once we have|once they|once the|once legal|once it|should we|for argument s sake|suppose|hypothetically|what if|imagine
wenn|falls|sofern|vorausgesetzt|unter der bedingung|es sei denn|sobald|nehmen wir an|angenommen|hypothetisch|rein theoretisch
si on|si vous|si nous|si le|si la|si les|si ça|si c|si l|si tout|s il|à condition|sous réserve|au cas où|dès que|une fois que|supposons|admettons|imaginons|mettons que
si nos|si se|si el|si lo|si no|si os|si usted|si ustedes|si hay|si todo|si conseguimos|si conseguís|si llega|siempre que|en caso de|a condición|una vez que|en cuanto|supongamos|pongamos que|imaginemos|hipotéticamente
se a|se o|se os|se as|se for|se não|se vocês|se você|se nós|se tudo|se conseguirmos|se der|desde que|assim que|caso o|caso a|vamos supor|suponhamos|imagina que|hipoteticamente`
	moodHearsay = `
i heard|i hear|we heard|word is|rumor|rumour|rumors|rumours|apparently|supposedly|allegedly|told me|they say|people say|someone said|so i m told|or so|reportedly|don t quote me
habe gehört|hab gehört|hört man|angeblich|gerüchteweise|gerücht|gerüchte|man munkelt|soll angeblich|hat mir erzählt|hat mir gesagt|heißt es|munkelt man
il paraît|paraît il|on m a dit|j ai entendu|on dit|soi disant|à ce qu il paraît|le bruit court
dicen que|me dijeron|me han dicho|he oído|oí que|se rumorea|al parecer|por lo visto
dizem que|disseram|ouvi dizer|ouvi que|parece que|pelo que dizem|boatos`
	moodLoose = `
haha|ha ha|kidding|joking|just a joke|i wish|ballpark|don t nail me|don t hold me|i dunno|i don t know|not sure|more or less|somewhere between|give or take|roughly speaking|maybe|perhaps|or something
scherz|spaß|witz|im scherz|war ein witz|keine ahnung|weiß nicht|mehr oder weniger|vielleicht|so ungefähr|man müsste mal|eventuell
je plaisante|pour rire|blague|plus ou moins|je sais pas|je ne sais pas|peut être|à peu près
es broma|en broma|bromeo|más o menos|no sé|no lo sé|quizá|quizás|tal vez|a lo mejor
brincadeira|brincando|tô brincando|mais ou menos|não sei|talvez|sei lá`
	moodNot = `
not|don t|doesn t|didn t|won t|isn t|aren t|wasn t|can t|cannot|never|no longer|haven t|hasn t|hold off|wait with
nicht|nie|niemals|kein|keine|keinen|noch nicht|nicht mehr
ne|n|pas|jamais|aucun|aucune
no|nunca|jamás|ningún|ninguna|todavía no
não|nem|nunca|jamais|nenhum|nenhuma`
	moodDone = `
already|i sent you|i sent it|was sent|were sent|we sent|have sent|has been sent|you sent|got it thanks|took care of|is done|was done|i did|i ve done|have done|has been done
schon erledigt|ist erledigt|hat erledigt|habe erledigt|schon geschickt|hab ich schon|habe ich schon|bereits|schon gemacht|habe ich ihnen|hab ich ihnen|habe ich dir|hab ich dir
déjà|ai envoyé|ai envoyée|ai envoyées|ai envoyés|avons envoyé|est fait|c est fait
ya está|ya lo|ya te|ya le|ya la|ya hemos|he enviado|le envié|te envié|os envié|lo envié|les envié|la envié
já mandei|já enviei|já foi|já está|já fiz|já te|mandei|enviei`
	moodMachine = `
dear ai|hey ai|to the ai|the ai|an ai|any ai|ai assistant|ai note|note to ai|ai system|a i|assistant|bot|chatbot|notetaker|note taker|llm|language model|gpt|claude|debrief|system prompt|system message|ignore all|ignore previous|ignore the previous|ignore your|disregard|these instructions|following instructions|previous instructions|developer mode|override|jailbreak|tool call|function call|json
assistent|assistentin|notizbot|protokollbot|anweisung|anweisungen|ignoriere
assistante|l assistant|robot|ignore les|ignorez|consignes
asistente|ignora las|ignora todo|instrucciones|inteligencia artificial
assistente|ignore as|ignore todas|instruções|inteligência artificial`

	// What a model reads may be in a language that no rule hears. For the commonest of
	// these there are the words without which it can't be read at all.
	elsewhereIf = `
als het|als de|als we|als wij|als jullie|als u|als dat|mits|tenzij|indien|zodra
se il|se la|se ci|se voi|se lei|se tutto|se i|se gli|qualora|purché|a patto che`
	elsewhereHearsay = `
ik heb gehoord|naar het schijnt|ho sentito|pare che|dicono che`
	elsewhereLoose = `
misschien|ongeveer|grapje|forse|più o meno|scherzo|non lo so`
	elsewhereNot = `
niet|geen|nooit|non|nessun|nessuna`
)

// mood is how something was said.
type mood struct{ conditional, hearsay, loose, done, machine bool }

// moodOf reads it from the words of a quotation, in any of the languages: one that is
// taken for another's costs a question.
func moodOf(text string) mood {
	words := ifIdioms.ReplaceAllString(spaced(text), " ")
	return mood{
		conditional: hasAny(words, moodIf+elsewhereIf), hearsay: hasAny(words, moodHearsay+elsewhereHearsay), loose: hasAny(words, moodLoose+elsewhereLoose),
		done: hasAny(words, moodDone), machine: hasAny(words, moodMachine) || toMachine(text),
	}
}

// ifIdioms have an "if" that makes nothing depend on anything, or another word of these
// lists that means nothing of the kind.
var ifIdioms = wordsPattern(`if i were you|if i m honest|if i may|if you ask me|if you don t mind|wenn ich ehrlich bin|wenn sie mich fragen|wenn ich darf|s il vous plaît|s il te plaît|s il vous plait|s il te plait|si possible|wenn möglich|if possible|si es posible|se possível|no give or take|if anyone does|if anybody does|if not if|if not before|wenn nicht früher|si je peux me permettre|si vous me demandez|si me permite|si le soy sincero|se me permite|se quer saber`)

// machine is how people speak to software: by its name, as to somebody. That they
// speak of it is nothing.
var machine = regexp.MustCompile(`(?i)\b(?:dear|hey|hi|hello|liebe|hallo|chère|cher|querida|olá|ask the|tell the|for the|to the|an die)\s+(?:ai|ki|ia)\b|` +
	`\b(?:ai|assistant|bot|gpt|chatgpt|claude|debrief|copilot)\s*[,:]|\bai (?:agent|assistant|model|system|note)\b|\b(?:KI|IA)\s*[,:]`)

// french "j'ai, …" is no machine.
var have = regexp.MustCompile(`(?i)[jnylmts]['’]\s*(?:en )?ai\b`)

func toMachine(text string) bool {
	return machine.MatchString(have.ReplaceAllString(strings.Map(visible, text), ""))
}

// hasAny says whether one of the phrases of a table is among words that have a space
// before and behind each.
func hasAny(words, table string) bool {
	for line := range strings.Lines(table) {
		for p := range strings.SplitSeq(strings.TrimSpace(line), "|") {
			if p != "" && strings.Contains(words, " "+p+" ") {
				return true
			}
		}
	}
	return false
}

// The words by which people ask for a ticket, open a deal, and speak of the day on
// which a deal closes.
const (
	ticketWords = `
ticket|tickets|support case|a case|the case|support request|service request|service call|incident|bug report|trouble ticket
tickets|störungsmeldung|störmeldung|supportanfrage|servicefall|supportfall|serviceauftrag
billet d incident|demande d assistance|demande de support|un incident|l incident
incidencia|una incidencia|la incidencia|tique
chamado|um chamado|o chamado|ocorrência`
	askingWords = `
open|opening|create|creating|log|logging|raise|raising|file|filing|make|put in|put it in|submit|start|set up|want|wants|need|needs|get|give|asked|please|can you|could you|i ll|let s
leg|lege|legen|legst|anlegen|angelegt|mach|mache|machen|macht|aufmachen|öffne|öffnen|eröffne|eröffnen|erstelle|erstellen|erstellt|brauche|brauchen|bitte|möchte|möchten|will|wollen
ouvre|ouvrez|ouvrir|ouvrons|crée|créez|créer|créons|fais|faites|faire|faut|voudrais|voudrait|besoin
abre|abra|abrir|abro|abrimos|abres|ábreme|ábrame|ábrenos|ábranos|crea|cree|crear|creo|haz|haga|necesito|necesitamos|quiero|queremos|por favor
abra|abre|abrir|abro|abrimos|cria|crie|criar|crio|faz|faça|preciso|precisamos|quero|queremos|por favor
vroeg|vraagt|vragen|graag|maak|maken|aanmaken|apri|aprite|aprire|apriamo|vorrei`
	dealWords = `
deal|deals|opportunity|opportunities|pipeline
deal|geschäft|vorgang|chance|verkaufschance|opportunity
affaire|opportunité|dossier|transaction
negocio|oportunidad|trato
negócio|oportunidade`
	closingWords = `
close|closes|closing|closed|sign|signs|signing|signed|signature|decide|decision|order|purchase order|po|contract|ink|paperwork|go ahead|commit|buy
abschluss|abschließen|unterschreiben|unterschrift|unterschrieben|unterzeichnen|unterzeichnet|bestellung|bestellen|bestellt|auftrag|entscheidung|entscheiden|vertrag|zuschlag
signature|signer|signe|signons|signez|commande|commander|décision|décider|contrat|conclure|clôture|clôturer
firma|firmar|firmamos|pedido|decisión|decidir|contrato|cierre|cerrar|cerramos
assinar|assinatura|assinamos|pedido|decisão|decidir|contrato|fechar|fechamento|fechamos
getekend|tekenen|ondertekend|ondertekening|handtekening|contract
firmare|firmiamo|contratto|ordine|chiudere|chiudiamo|chiusura`
)
