package planner

import (
	"regexp"
	"strings"
)

// verbTable is how a language promises. A line of forms is an infinitive, how one says
// it of oneself, and how of somebody.
type verbTable struct {
	// self and other are the forms for "I send" and "she sends".
	self, other map[string]string
	infinitives map[string]bool
	// will stands before an infinitive: "I will"; willOther of somebody.
	will, willOther *regexp.Regexp
	// me are the words for oneself; before or behind the form.
	me []string
	// can, may and please ask for something and offer it.
	ask, offer *regexp.Regexp
	// drop are words that a subject does without.
	drop map[string]bool
	yes  string
}

func forms(table string) (self, other map[string]string, infinitives map[string]bool) {
	self, other, infinitives = map[string]string{}, map[string]string{}, map[string]bool{}
	for line := range strings.Lines(table) {
		for entry := range strings.SplitSeq(strings.TrimSpace(line), ";") {
			parts := strings.Split(entry, "/")
			infinitive := strings.TrimSpace(parts[0])
			if infinitive == "" {
				continue
			}
			infinitives[infinitive] = true
			if len(parts) > 1 {
				for _, f := range strings.Fields(parts[1]) {
					self[f] = infinitive
				}
			}
			if len(parts) > 2 {
				for _, f := range strings.Fields(parts[2]) {
					other[f] = infinitive
				}
			}
		}
	}
	return self, other, infinitives
}

func wordsPattern(p string) *regexp.Regexp { return regexp.MustCompile(" (?:" + p + ") ") }

// verbsBy are the tables of the languages.
var verbsBy = verbTables()

func verbTables() [len(tongues)]verbTable {
	var out [len(tongues)]verbTable
	for i, t := range []struct{ forms, will, willOther, ask, offer, me, drop, yes string }{
		{
			forms: `send//sends; email//emails; forward//forwards; share//shares; prepare//prepares; draft//drafts; write//writes; call//calls; ring//rings; phone//phones; book//books; check//checks; ask//asks; get//gets; bring//brings; drop//drops;
				deliver//delivers; update//updates; organise//organises; organize//organizes; schedule//schedules; arrange//arranges; look//looks; review//reviews; come//comes; follow//follows; ship//ships; invoice//invoices; fix//fixes;
				confirm//confirms; provide//provides; finish//finishes; create//creates; order//orders; submit//submits; upload//uploads; circulate//circulates; resend//resends; mail//mails; reply//replies; answer//answers; quote//quotes;
				revise//revises; install//installs; test//tests; collect//collects; complete//completes; introduce//introduces; invite//invites; contact//contacts; chase//chases; reach//reaches; build//builds; fill//fills; let//lets;
				text//texts; message//messages; set//sets; have//has; pass//passes; put//puts; pull//pulls; hand//hands; sign//signs; print//prints; add//adds; change//changes; correct//corrects; adjust//adjusts; compile//compiles; translate//translates; visit//visits; show//shows; present//presents; return//returns`,
			will:      `(?:i|we) (?:ll|will|shall|m going to|am going to|re going to|are going to)|let me`,
			willOther: `(?P<who>(?:\pL+ ){1,2})(?:will|is going to|ll)`,
			ask:       `(?:(?P<who>\pL+) , )?(?:can|could|would|will) you|(?:(?P<who2>\pL+) , )?please`,
			offer:     `(?:can|shall|should|may) (?:i|we)`,
			me:        "i we", drop: "you them him her us",
			yes: "yes|yeah|yep|yup|sure|ok|okay|will do|of course|absolutely|definitely|no problem|you got it|happy to|consider it done|fine|perfect|great|good|sounds good|works|that works|please do|please|thanks|thank you|lovely|certainly|i ll do that|i ll do it|can do",
		},
		{
			forms: `schicken/schicke schicken/schickt; senden/sende senden/sendet; zusenden; mailen/maile mailen/mailt; leiten/leite leiten/leitet; anrufen; rufen/rufe rufen/ruft; melden/melde melden/meldet; vorbereiten; bereiten/bereite/bereitet; erstellen/erstelle erstellen/erstellt;
				schreiben/schreibe schreib schreiben/schreibt; buchen/buche buchen/bucht; prüfen/prüfe prüfen/prüft; klären/kläre klären/klärt; fragen/frage fragen/fragt; nachfragen; liefern/liefere liefern/liefert; bestellen/bestelle bestellen/bestellt; besorgen/besorge besorgen/besorgt;
				organisieren/organisiere organisieren/organisiert; vereinbaren/vereinbare/vereinbart; einplanen; bringen/bringe bringen/bringt; kümmern/kümmere/kümmert; geben/gebe/gibt; stellen/stelle/stellt; reichen/reiche/reicht; legen/lege/legt;
				überarbeiten/überarbeite/überarbeitet; aktualisieren/aktualisiere/aktualisiert; bestätigen/bestätige/bestätigt; weiterleiten; zuschicken; fertigstellen; nachreichen; holen/hole/holt; laden/lade/lädt; testen/teste/testet; abstimmen; sprechen/spreche/spricht; ergänzen/ergänze/ergänzt; rechnen/rechne/rechnet; machen/mache mach machen/macht; besuchen/besuche/besucht; übersetzen/übersetze/übersetzt; zusammenstellen; informieren/informiere/informiert`,
			will:      `(?:ich|wir) (?:werde|werden|kann gerne|kann|können gerne)|(?:werde|werden) (?:ich|wir)`,
			willOther: `(?P<who>(?:\pL+ ){1,2})wird`,
			ask:       `(?:(?P<who>\pL+) , )?(?:kannst du|können sie|könnten sie|könntest du|würden sie|würdest du)|bitte`,
			offer:     `(?:soll ich|sollen wir|kann ich|können wir|darf ich)`,
			me:        "ich wir", drop: "ihnen dir euch uns mir mich dich sich es sie ich wir dann noch auch mal gleich gerne gern bitte also ja werde werden wird kann kannst können könnten könntest würden würdest soll sollen du darf",
			yes: "ja|klar|gern|gerne|natürlich|sicher|ok|okay|passt|gut|in ordnung|kein problem|wird gemacht|genau|mach ich|mache ich|machen wir|super|prima|perfekt|bestens|danke|reicht|das reicht|einverstanden|sehr gerne|alles klar",
		},
		{
			forms: `envoyer/envoie envoyons enverrai enverrons/envoie enverra; renvoyer/renvoie renverrai/renvoie renverra; transmettre/transmets transmettrai/transmet transmettra; préparer/prépare préparons préparerai/prépare préparera; appeler/appelle appellerai/appelle appellera;
				rappeler/rappelle rappellerai/rappelle rappellera; transférer/transfère transférerai/transfère; confirmer/confirme confirmerai/confirme confirmera; vérifier/vérifie vérifierai/vérifie vérifiera; planifier/planifie planifierai/planifie;
				réserver/réserve réserverai/réserve; organiser/organise organiserai/organise; rédiger/rédige rédigerai/rédige; finaliser/finalise finaliserai/finalise; livrer/livre livrerai/livre; commander/commande commanderai/commande; partager/partage partagerai/partage;
				recontacter/recontacte recontacterai/recontacte; ajouter/ajoute ajouterai/ajoute; demander/demande demanderai/demande; créer/crée créerai/crée; adresser/adresse adresserai/adresse; écrire/écris écrirai/écrit; corriger/corrige corrigerai/corrige; déposer/dépose déposerai/dépose; faire/fais ferai faisons/fait fera; modifier/modifie modifierai/modifie; relancer/relance relancerai/relance; traduire/traduis traduirai/traduit; fournir/fournis fournirai/fournit`,
			will:      `(?:je vais|nous allons|on va|je peux|on peut)`,
			willOther: `(?P<who>(?:\pL+ ){1,2})va`,
			ask:       `(?:(?P<who>\pL+) , )?(?:(?:pouvez|pourriez) vous|(?:peux|pourrais) tu|tu peux|vous pouvez|tu pourrais|vous pourriez)|merci de|(?:s il vous|s il te) plaît`,
			offer:     `(?:je peux|est ce que je peux|on peut|puis je)`,
			me:        "je nous on", drop: "vous te t nous me m lui leur je on les lui",
			yes: "oui|bien sûr|d accord|ok|entendu|ça marche|parfait|pas de problème|pas de souci|avec plaisir|volontiers|super|très bien|c est noté|je m en occupe|merci|impeccable",
		},
		{
			forms: `enviar/envío enviaré enviamos enviaremos/envía enviará; mandar/mando mandaré mandamos/manda mandará; pasar/paso pasaré/pasa pasará; preparar/preparo prepararé preparamos/prepara preparará; llamar/llamo llamaré/llama llamará; confirmar/confirmo confirmaré/confirma confirmará;
				revisar/reviso revisaré/revisa revisará; reservar/reservo reservaré/reserva; organizar/organizo organizaré/organiza; escribir/escribo escribiré/escribe; redactar/redacto redactaré/redacta; compartir/comparto compartiré/comparte; reenviar/reenvío reenviaré/reenvía; entregar/entrego entregaré/entrega;
				actualizar/actualizo actualizaré/actualiza; consultar/consulto consultaré/consulta; pedir/pido pediré/pide; traer/traigo traeré/trae; presentar/presento presentaré/presenta; responder/respondo responderé/responde; agendar/agendo agendaré/agenda; crear/creo crearé/crea; hacer/hago haré/hace hará; corregir/corrijo corregiré/corrige; traducir/traduzco traduciré/traduce; solicitar/solicito solicitaré/solicita; facilitar/facilito facilitaré/facilita`,
			will:      `(?:voy a|vamos a|puedo|podemos)`,
			willOther: `(?P<who>(?:\pL+ ){1,2})(?:va a)`,
			ask:       `(?:(?P<who>\pL+) , )?(?:me |nos )?(?:puedes|puede|podrías|podría|podéis|pueden)|por favor`,
			offer:     `(?:te|le|os|les) (?:puedo)|¿?puedo`,
			me:        "yo te le les os lo la se", drop: "te le les os me nos yo se ya",
			yes: "sí|si|claro|vale|de acuerdo|perfecto|por supuesto|sin problema|hecho|muy bien|muy amable|gracias|estupendo|genial|ok|bien|encantad[oa]",
		},
		{
			forms: `enviar/envio enviarei enviamos/envia enviará; mandar/mando mandarei mandamos/manda mandará; passar/passo passarei/passa passará; preparar/preparo prepararei preparamos/prepara preparará; ligar/ligo ligarei/liga ligará; confirmar/confirmo confirmarei/confirma confirmará;
				revisar/reviso revisarei/revisa; reservar/reservo reservarei/reserva; organizar/organizo organizarei/organiza; escrever/escrevo escreverei/escreve; compartilhar/compartilho compartilharei/compartilha; partilhar/partilho partilharei/partilha; encaminhar/encaminho encaminharei/encaminha; entregar/entrego entregarei/entrega;
				atualizar/atualizo atualizarei/atualiza; verificar/verifico verificarei/verifica; pedir/peço pedirei/pede; trazer/trago trarei/traz; apresentar/apresento apresentarei/apresenta; responder/respondo responderei/responde; agendar/agendo agendarei/agenda; criar/crio criarei/cria; fazer/faço farei/faz fará; corrigir/corrijo corrigirei/corrige; traduzir/traduzo traduzirei/traduz; solicitar/solicito solicitarei/solicita; marcar/marco marcarei/marca`,
			will:      `(?:vou|vamos|posso|podemos)`,
			willOther: `(?P<who>(?:\pL+ ){1,2})vai`,
			ask:       `(?:(?P<who>\pL+) , )?(?:você pode|vocês podem|pode|podes|podem|poderia|poderias)|por favor`,
			offer:     `(?:posso|podemos)`,
			me:        "eu te lhe lhes vos nós o a", drop: "te lhe lhes vos me nos eu já",
			yes: "sim|claro|pode deixar|combinado|tá|ok|certo|perfeito|com certeza|fechado|beleza|obrigad[oa]|ótimo|está bem|tudo bem|sem problema",
		},
	} {
		v := verbTable{
			will: wordsPattern(t.will), willOther: wordsPattern(t.willOther), ask: wordsPattern(t.ask), offer: wordsPattern(t.offer),
			me: strings.Fields(t.me), drop: wordSet(t.drop), yes: t.yes,
		}
		v.self, v.other, v.infinitives = forms(t.forms)
		out[i] = v
	}
	return out
}
