package planner

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Proposals are what one planner would change in the CRM.
type Proposals struct {
	// By is who proposes: [ByPlatform] or another planner's name.
	By      string                   `json:"by"`
	Actions []meeting.ProposedAction `json:"actions"`
	// Doubts say why a human is asked about an action, by its place among them; where
	// there is none, nothing speaks against it.
	Doubts map[int]string `json:"doubts,omitempty"`
}

// add adds an action, and why a human is asked about it, if that is to be.
func (p *Proposals) add(a meeting.ProposedAction, doubt string) {
	if doubt != "" {
		if p.Doubts == nil {
			p.Doubts = map[int]string{}
		}
		p.Doubts[len(p.Actions)] = doubt
	}
	p.Actions = append(p.Actions, a)
}

// ByPlatform is who proposes what came with the meeting's events.
const ByPlatform = "platform"

// Dropped is a proposal that was left out of a plan, and why. It holds nothing of
// its words.
type Dropped struct {
	By   string `json:"by"`
	Tool string `json:"tool"`
	Why  string `json:"why"`
}

// Why a proposal is left out.
const (
	DroppedNoTool     = "it is for no tool that Debrief plans with"
	DroppedDenied     = "its tool is denied"
	DroppedNoQuote    = "it quotes nothing"
	DroppedWrongQuote = "what it quotes was not said in the meeting"

	DroppedOtherSpeaker = "what it quotes was said by somebody else"
	DroppedNotAsked     = "nobody asked for a ticket"
	DroppedNoRecord     = "its record is none that belongs to the meeting"
	DroppedBetter       = "another proposal of the same is better supported"
	DroppedTakenBack    = "it was corrected right after"
	DroppedRepeats      = "it repeats another"
	DroppedOpenTask     = "HubSpot has an open task for it"
	DroppedNobody       = "it is for a room, a notetaker or the like"
	DroppedOrder        = "it puts an order down, and promises nothing"
	DroppedNicety       = "it is a politeness, and promises nothing"
	DroppedNobodyNamed  = "nobody said the person's name or address"
	DroppedNoDomain     = "nobody said the company's domain, without which it can't be told from others"
	DroppedNothingLeft  = "nothing that could be written is left of it"
)

// proposal is a proposed action with its tool understood.
type proposal struct {
	meeting.ProposedAction
	by   string
	tool policy.Tool
	// name is the proposal's in keys: its ref, or else what it is about.
	name string
	// unsupported says which of its values do not follow from what was said, and why.
	unsupported map[string]string
	// doubts are about all of it.
	doubts []string
	// unheard: what it quotes can't be looked up.
	unheard bool
	// said is the last segment of the transcript that it quotes; -1 is none.
	said int
	// gone: nothing is left of it.
	gone bool
	// at is what it is about, for telling which proposals are about the same.
	at string
	// untold says why it can't be told which record is meant, and several are those that
	// could be.
	untold  string
	several []Record
}

// sure says that nothing speaks against a value.
func (a proposal) sure(property string) bool {
	return len(a.doubts) == 0 && a.unsupported[property] == "" && (property != "amount" || a.unsupported["deal_currency_code"] == "")
}

// wrong are all doubts about a proposal.
func (a proposal) wrong() []string {
	wrong := slices.Clone(a.doubts)
	for _, name := range sortedKeys(a.unsupported) {
		wrong = append(wrong, a.unsupported[name])
	}
	return wrong
}

// proposals are those that Debrief plans, creates first. One that is for another
// tool, or for which nobody said anything, is dropped.
func (p *plan) proposals() []proposal {
	var all []proposal
	for _, list := range p.in.Subject.proposals() {
		for i, a := range list.Actions {
			tool, err := policy.ParseTool(a.Tool)
			if err != nil || !plans(tool) {
				p.drop(list.By, a.Tool, DroppedNoTool)
				continue
			}
			if p.permission(tool) == policy.Deny {
				p.drop(list.By, a.Tool, DroppedDenied)
				continue
			}
			a.Target.Object = tool.Object
			a.Properties = maps.Clone(a.Properties)
			proposed := proposal{ProposedAction: a, by: list.By, tool: tool, said: -1}
			if doubt := list.Doubts[i]; doubt != "" {
				proposed.doubts = []string{doubt}
			}
			if p.supported(&proposed) && p.told(&proposed) && p.bounded(&proposed) {
				all = append(all, proposed)
			}
		}
	}
	order := func(a, b proposal) int {
		x, _ := json.Marshal(a.ProposedAction)
		y, _ := json.Marshal(b.ProposedAction)
		return cmp.Or(cmp.Compare(rank(a.tool), rank(b.tool)), cmp.Compare(a.name, b.name), slices.Compare(x, y), cmp.Compare(a.by, b.by))
	}
	slices.SortFunc(all, order)
	all = slices.CompactFunc(all, func(a, b proposal) bool { return order(a, b) == 0 })
	all = p.reconciled(all)
	for i, a := range all {
		all[i].name = p.proposalName(a.ProposedAction, a.tool)
	}
	slices.SortFunc(all, order)
	return all
}

// plans says whether a tool is one for proposals.
func plans(t policy.Tool) bool {
	switch t.Object {
	case "contact", "company", "deal", "ticket":
		return t.Operation == policy.Create || t.Operation == policy.Update
	case "task":
		return t.Operation == policy.Create
	default:
		return false
	}
}

// bounded keeps what was made of words inside what the meeting has: another planner
// than the platform's own agent can mean no record that was not resolved, and what
// HubSpot would refuse is no question worth asking.
func (p *plan) bounded(a *proposal) bool {
	if !a.unheard && a.tool.Object == "task" && sayAny([]string{p.sentencesOf(a)}, anOrder) && !slices.ContainsFunc(wordsIn(p.sentencesOf(a)), func(w string) bool { return events[w] }) {
		p.drop(a.by, a.Tool, DroppedOrder)
		return false
	}
	if !a.unheard && a.tool.Object == "task" && nicety.MatchString(spaced(p.sentencesOf(a))) && len(DatesIn(p.sentencesOf(a), p.in.start().In(p.in.location()))) == 0 {
		p.drop(a.by, a.Tool, DroppedNicety)
		return false
	}
	if !a.unheard && a.tool == (policy.Tool{Object: "contact", Operation: policy.Create}) && a.unsupported["email"] != "" && !p.saysName(a.Properties["firstname"], a.Properties["lastname"]) {
		p.drop(a.by, a.Tool, DroppedNobodyNamed)
		return false
	}
	nobody := a.tool.Object == "contact" && p.lists.kindOf(person(strings.TrimSpace(a.Properties["firstname"]+" "+a.Properties["lastname"]), a.Properties["email"], ""), p.in.Ignored) != kindPerson
	if nobody {
		p.drop(a.by, a.Tool, DroppedNobody)
	}
	if domain := bareDomain(a.Properties["domain"]); !a.unheard && a.tool == (policy.Tool{Object: "company", Operation: policy.Create}) && (p.lists.companyDomain("@"+domain) == "" || a.unsupported["domain"] != "") {
		p.drop(a.by, a.Tool, DroppedNoDomain)
		return false
	}
	if nobody || a.by == ByPlatform {
		return !nobody
	}
	if a.tool.Operation == policy.Update && a.Target.Ref == "" && (a.Target.ID != "" || a.Target.Email != "" || a.Target.Domain != "") {
		if ref, _, _ := p.find(a.Target); ref == (store.AssociationRef{}) {
			p.drop(a.by, a.Tool, DroppedNoRecord)
			return false
		}
	}
	a.AssociateWith = slices.DeleteFunc(slices.Clone(a.AssociateWith), func(r meeting.RecordRef) bool {
		ref, _, _ := p.find(r)
		return r.Ref == "" && ref == (store.AssociationRef{})
	})
	if a.tool.Object == "task" {
		return strings.TrimSpace(a.Properties["hs_task_subject"]) != ""
	}
	_, record, _ := p.find(a.Target)
	some := len(a.Properties) == 0
	tidied, _ := tidy(a.tool.Object, a.Properties, record, p.res)
	for _, name := range sortedKeys(a.Properties) {
		if value, ok := tidied[name]; !ok || value == toFill || value == "" {
			delete(a.Properties, name)
			delete(a.unsupported, name)
			continue
		}
		some = true
	}
	if !some && len(a.AssociateWith) == 0 {
		p.drop(a.by, a.Tool, DroppedNothingLeft)
		return false
	}
	return true
}

// saysName says that a name was said as one, anywhere in the meeting.
func (p *plan) saysName(parts ...string) bool {
	words := nameWords(strings.Join(parts, " "))
	if p.capitals == nil {
		p.capitals = map[string]bool{}
		texts := []string{p.in.Meeting.Summary.Text, p.in.Meeting.NextSteps.Text}
		for _, s := range p.in.Meeting.Transcript.Segments {
			texts = append(texts, s.Text)
		}
		for _, text := range texts {
			said := spokenOf(text)
			for i, w := range said.words {
				p.capitals[w] = p.capitals[w] || said.capital[i] && (i == 0 || !placesBefore[said.words[i-1]])
			}
		}
	}
	return slices.ContainsFunc(words, func(w string) bool { return p.capitals[w] })
}

// placesBefore stand before the name of a place.
var placesBefore = wordSet("to in from near at nach in aus bei à en a em de d")

// about names what a proposal is about: the record, or what it would make.
func (p *plan) about(a proposal) string {
	if a.Ref != "" {
		return a.tool.Object + " ref " + a.Ref
	}
	if a.tool.Operation == policy.Create {
		return a.tool.String() + " " + strings.ToLower(firstOf(a.Properties["dealname"], a.Properties["email"], a.Properties["domain"], a.Properties["subject"], a.Properties["name"]))
	}
	if ref, _, _ := p.find(a.Target); ref.RecordID != "" || ref.Key != "" {
		return ref.Object + " " + ref.RecordID + ref.Key
	}
	return fmt.Sprint(a.tool.Object, " ", a.Target)
}

// reconciled settles what several proposals say of one property: the same is said
// once, what is not supported yields to what is, what was corrected to what it was
// corrected to, and of several that stand, the one that was said last is drafted, as a
// question.
func (p *plan) reconciled(all []proposal) []proposal {
	byPlace, creates, stages := map[string][]int{}, map[string]bool{}, map[string]int{}
	for i := range all {
		if all[i].tool.Object == "task" {
			continue
		}
		all[i].at = p.about(all[i])
		if all[i].tool.Operation == policy.Create && len(all[i].wrong()) == 0 {
			creates[all[i].at] = true
		}
		if all[i].Properties["dealstage"] != "" && len(all[i].wrong()) == 0 {
			stages[all[i].at] = i
		}
	}
	p.oncePerPromise(all)
	for i := range all {
		a := &all[i]
		if a.tool.Object == "task" || a.gone {
			continue
		}
		if a.tool.Operation == policy.Create && creates[a.at] && len(a.wrong()) > 0 {
			p.drop(a.by, a.Tool, DroppedBetter)
			a.gone = true
			continue
		}
		// Why a deal was lost goes with that it was.
		for _, reason := range []string{"closed_lost_reason", "closed_won_reason"} {
			if at, ok := stages[a.at]; ok && at != i && a.Properties[reason] != "" && len(a.wrong()) == 0 && all[at].Properties[reason] == "" {
				all[at].Properties[reason] = a.Properties[reason]
				all[at].Evidence = uniqueEvidence(append(all[at].Evidence, a.Evidence...))
				a.without(reason)
			} else if a.Properties[reason] != "" && a.Properties["dealstage"] == "" && a.by != ByPlatform && !a.gone {
				a.unsupported[reason] = p.res.label("deal", reason) + " goes with a stage that nobody proposed"
			}
		}
		for name := range a.Properties {
			byPlace[a.at+"\x00"+name] = append(byPlace[a.at+"\x00"+name], i)
		}
	}
	for _, place := range sortedKeys(byPlace) {
		_, name, _ := strings.Cut(place, "\x00")
		if rivals := byPlace[place]; len(rivals) > 1 && name != "deal_currency_code" && name != titleOf(all[rivals[0]].tool.Object) && name != "email" && name != "domain" {
			p.settle(all, rivals, name)
		}
	}
	return slices.DeleteFunc(all, func(a proposal) bool { return a.gone })
}

// oncePerPromise keeps one of several tickets or deals that are proposed of one thing
// under different names, and has several planners' updates of one record be about the same.
func (p *plan) oncePerPromise(all []proposal) {
	p.oneRecord(all)
	better := func(a, b proposal) bool {
		if x, y := len(a.wrong()), len(b.wrong()); x != y {
			return x < y
		}
		if a.by != b.by && (a.by == ByPhrases || b.by == ByPhrases) {
			return b.by == ByPhrases // whose titles are cut out of a sentence
		}
		return a.said <= b.said
	}
	for i := range all {
		for j := range all {
			a, b := &all[i], &all[j]
			if i == j || a.gone || b.gone || a.tool != b.tool || a.at == b.at || a.tool.Operation != policy.Create ||
				a.tool.Object != "ticket" && a.tool.Object != "deal" || !mayBeOne(*a, *b) || a.unheard || b.unheard || !better(*a, *b) {
				continue
			}
			title := titleOf(a.tool.Object)
			n, of := shared(a.Properties[title], b.Properties[title])
			near := a.said >= 0 && b.said >= 0 && abs(a.said-b.said) <= leadIn
			if near && n > 0 || a.said >= 0 && a.said == b.said && onlyOneNamed(all, *a, *b) || n >= 2 && n == of {
				a.absorb(*b)
				p.drop(b.by, b.Tool, DroppedRepeats)
				b.gone = true
			}
		}
	}
}

// mayBeOne: who names two proposals means two, and no other planner tells which of
// them is meant by naming neither.
func mayBeOne(a, b proposal) bool {
	return a.Ref == "" && b.Ref == "" || a.by != b.by && (a.Ref == "" || b.Ref == "")
}

// onlyOneNamed says that of what was proposed of the same words, no third one was given
// a name: then it could as well be that one.
func onlyOneNamed(all []proposal, a, b proposal) bool {
	named := map[string]bool{}
	for _, x := range all {
		if x.Ref != "" && x.tool == a.tool && x.said == a.said {
			named[x.Ref] = true
		}
	}
	return len(named) <= 1 || a.Ref == "" && b.Ref == ""
}

// absorb takes over what another proposal of the same has: its evidence, its name for
// others to refer to, and what it says that speaks for itself.
func (a *proposal) absorb(b proposal) {
	a.Evidence = uniqueEvidence(slices.Concat(a.Evidence, b.Evidence))
	a.Ref = firstOf(a.Ref, b.Ref)
	if b.Ref == "" {
		return
	}
	a.Confidence = lowest(a.Confidence, b.Confidence)
	for _, name := range sortedKeys(b.Properties) {
		if _, has := a.Properties[name]; !has && b.sure(name) && name != "deal_currency_code" {
			a.Properties[name] = b.Properties[name]
			if currency := b.Properties["deal_currency_code"]; name == "amount" && currency != "" {
				a.Properties["deal_currency_code"] = currency
			}
		}
	}
	if len(a.AssociateWith) == 0 && len(b.doubts) == 0 {
		a.AssociateWith = b.AssociateWith
	}
}

// oneRecord has updates of one record, by different planners, be about the same, whether
// one of them has a name or not; and so an update that does not tell which record it
// means, where another makes just that of the same words. What is linked to a named
// update is linked to its record, whichever of them stays.
func (p *plan) oneRecord(all []proposal) {
	records := map[int]store.AssociationRef{}
	named := map[string]meeting.RecordRef{}
	for i, a := range all {
		if a.tool.Operation != policy.Update {
			continue
		}
		ref, _, doubt := p.find(a.Target)
		if doubt != "" || a.untold != "" || ref.RecordID == "" {
			continue
		}
		records[i] = ref
		if a.Ref != "" {
			named[a.Ref] = meeting.RecordRef{Object: ref.Object, ID: ref.RecordID}
		}
	}
	for _, a := range all {
		if a.tool.Operation == policy.Create {
			delete(named, a.Ref)
		}
	}
	for i := range all {
		a := &all[i]
		for k, to := range a.AssociateWith {
			if record, ok := named[to.Ref]; ok {
				a.AssociateWith = slices.Clone(a.AssociateWith)
				a.AssociateWith[k] = record
			}
		}
		if a.tool.Operation != policy.Update || a.Target.Ref != "" {
			continue
		}
		for j, b := range all {
			to, ok := records[j]
			if !ok || a.tool != b.tool || a.by == b.by {
				continue
			}
			mine, known := records[i]
			if known && mine == to {
				a.at = to.Object + " " + to.RecordID
			} else if !known && a.says(b) && len(b.wrong()) == 0 {
				a.at, a.Target, a.untold, a.several = to.Object+" "+to.RecordID, b.Target, "", nil
				break
			}
		}
	}
}

// says: a proposal says nothing but what another one does, of the same words.
func (a proposal) says(b proposal) bool {
	if a.said < 0 || a.said != b.said || len(a.Properties) == 0 || a.Target.ID != "" {
		return false
	}
	for name, value := range a.Properties {
		if !same(name, value, b.Properties[name]) {
			return false
		}
	}
	return true
}

// without takes a property out of a proposal.
func (a *proposal) without(name string) {
	delete(a.Properties, name)
	delete(a.unsupported, name)
	if name == "amount" {
		delete(a.Properties, "deal_currency_code")
		delete(a.unsupported, "deal_currency_code")
	}
	a.gone = a.gone || len(a.Properties) == 0 && len(a.AssociateWith) == 0
}

// weight says how well a value is supported: 0 is best.
func (p *plan) weight(a proposal, name string) int {
	if !a.sure(name) {
		n := 3 + len(a.wrong())
		if slices.ContainsFunc([]string{otherNumber, otherDay, notSaid}, func(why string) bool { return strings.HasSuffix(a.unsupported[name], why) }) {
			n += len(mereStrictness) // what was not said is no rival of what was
		}
		return n
	}
	sentence := p.passageOf(a.Evidence[0]).sentence
	switch {
	case name == "closedate" && !hasAny(" "+strings.Join(wordsIn(sentence), " ")+" ", closingWords):
		return 1
	case name == stageOf(a.tool.Object) || slices.Contains(chosenProperties, name):
		switch n, of := shared(sentence, p.valueLabel(a.tool.Object, name, a.Properties[name])); {
		case n == 0:
			return 2
		case n < of:
			return 1
		}
	case name == "hubspot_owner_id":
		owner, _ := p.res.ownerByID(a.Properties[name])
		if !slices.ContainsFunc(wordsIn(owner.Name), func(w string) bool { return slices.Contains(wordsIn(sentence), w) }) {
			return 2
		}
	}
	return 0
}

// valueLabel is what the account calls a value.
func (p *plan) valueLabel(object, name, value string) string {
	for _, pipeline := range p.res.pipelines(object) {
		for _, s := range pipeline.Stages {
			if name == stageOf(object) && s.ID == value {
				return s.Label
			}
		}
	}
	d, _ := p.res.definition(object, name)
	for _, o := range d.Options {
		if o.Value == value {
			return o.Label
		}
	}
	return value
}

// settle lets one of several proposals have a property.
func (p *plan) settle(all []proposal, rivals []int, name string) {
	rivals = slices.DeleteFunc(rivals, func(i int) bool { return all[i].gone || all[i].Properties[name] == "" })
	if len(rivals) < 2 {
		return
	}
	p.agree(all, rivals, name)
	slices.SortStableFunc(rivals, func(i, j int) int {
		a, b := all[i], all[j]
		if x, y := p.weight(a, name), p.weight(b, name); x == y && !same(name, a.Properties[name], b.Properties[name]) {
			if p.overtaken(a, b, name) {
				return 1
			} else if p.overtaken(b, a, name) {
				return -1
			}
		}
		return cmp.Or(cmp.Compare(p.weight(a, name), p.weight(b, name)), cmp.Compare(b.said, a.said), cmp.Compare(len(b.Properties), len(a.Properties)))
	})
	winner := &all[rivals[0]]
	value, weight := winner.Properties[name], p.weight(*winner, name)
	for _, i := range rivals[1:] {
		loser := &all[i]
		other := loser.Properties[name]
		switch {
		case same(name, value, other) || strings.EqualFold(value, other):
			if p.weight(*loser, name) <= weight {
				winner.Evidence = uniqueEvidence(append(winner.Evidence, loser.Evidence...))
				winner.Confidence = lowest(winner.Confidence, loser.Confidence)
			}
		case weight < p.weight(*loser, name) && !p.standAgainst(*loser, *winner, name):
			p.drop(loser.by, loser.Tool, DroppedBetter)
		case p.takenBack(*loser, *winner) || p.overtaken(*loser, *winner, name):
			p.drop(loser.by, loser.Tool, DroppedTakenBack)
		default:
			winner.Evidence = uniqueEvidence(append(winner.Evidence, loser.Evidence...))
			winner.doubts = append(winner.doubts, fmt.Sprintf("two proposals disagree about %s: “%s” or “%s”", p.res.label(winner.tool.Object, name), clip(value, 80), clip(other, 80)))
		}
		loser.without(name)
	}
}

// takenBack says that what was said for one proposal was corrected, soon after, to
// what was said for another.
func (p *plan) takenBack(first, second proposal) bool {
	if first.said < 0 || second.said <= first.said || second.said > first.said+leadIn {
		return false
	}
	for i := first.said + 1; i <= second.said; i++ {
		if slices.ContainsFunc(strings.Fields(p.spoken[i]), func(w string) bool { return slices.Contains(corrections, w) }) {
			return true
		}
	}
	return false
}

// mereStrictness are the doubts that come of what a single listener can't be sure of.
// Where two of them heard the same in the same words, they are none.
var mereStrictness = []string{aside, whichDay, notOnTheList, whoItIs, oneSideSays, whatItIs, halfHeard, notNamedHere, onlySupposed, severalSaid}

// agree lifts doubts of mere strictness from what two planners propose alike, of words
// that were said in one place. What contradicts, denies or was hearsay stays.
func (p *plan) agree(all []proposal, rivals []int, name string) {
	alike := func(a, b proposal) bool {
		return a.by != b.by && a.at == b.at && same(name, a.Properties[name], b.Properties[name]) && (a.said >= 0 && a.said == b.said || sameWords(a.Evidence[0].Quote, b.Evidence[0].Quote))
	}
	mere := func(why string) bool {
		return slices.ContainsFunc(mereStrictness, func(m string) bool { return strings.HasSuffix(why, m) })
	}
	for _, i := range rivals {
		if slices.ContainsFunc(rivals, func(j int) bool { return alike(all[i], all[j]) }) {
			all[i].doubts = slices.DeleteFunc(slices.Clone(all[i].doubts), mere)
			if mere(all[i].unsupported[name]) {
				delete(all[i].unsupported, name)
			}
		}
	}
}

// overtaken says that what was said for one proposal was left behind: another value was
// said later in the talk, and who spoke next repeated it; or the same sentence comes to
// it in the end.
func (p *plan) overtaken(first, second proposal, name string) bool {
	a, b := p.passageOf(first.Evidence[0]), p.passageOf(second.Evidence[0])
	if a.at == b.at && a.segment == b.segment {
		_, behind, ok := strings.Cut(spaced(b.segment), spaced(first.Evidence[0].Quote))
		later, _, found := strings.Cut(" "+behind, spaced(second.Evidence[0].Quote))
		return ok && found && hasAny(later+spaced(second.Evidence[0].Quote), inTheEnd)
	}
	if first.said < 0 || second.said <= first.said {
		return false
	}
	// Of two who say different things, one gives in, or they disagree.
	by := p.in.Meeting.Transcript.Segments[first.said].Speaker
	if by == p.in.Meeting.Transcript.Segments[second.said].Speaker {
		by = ""
	}
	return p.echoed(second, name, by)
}

// standAgainst says that two people name different values, and nothing speaks against the
// first but that the other came later.
func (p *plan) standAgainst(first, second proposal, name string) bool {
	segments := p.in.Meeting.Transcript.Segments
	return first.said >= 0 && second.said > first.said && len(first.doubts) == 0 && strings.HasSuffix(first.unsupported[name], saidLater) &&
		segments[first.said].Speaker != segments[second.said].Speaker && !p.overtaken(first, second, name) && !p.echoed(second, name, "") && !p.passageOf(second.Evidence[0]).saysYes()
}

// echoed says that somebody else repeats a value right after it was said; by is who, if
// it has to be one.
func (p *plan) echoed(a proposal, name, by string) bool {
	if a.said < 0 {
		return false
	}
	segments := p.in.Meeting.Transcript.Segments
	value := a.Properties[name]
	for i := a.said + 1; i <= a.said+followOn && i < len(segments); i++ {
		if segments[i].Speaker == segments[a.said].Speaker || by != "" && segments[i].Speaker != by {
			continue
		}
		text := clipBytes(segments[i].Text)
		if target, err := hubspot.ParseNumber(value); err == nil {
			if saysNumber(text, target) || target >= 1000 && saysNumber(text, target/1000) {
				return true
			}
			continue
		}
		if day, ok := dayOf(value, p.in.location()); ok {
			if slices.ContainsFunc(DatesIn(text, p.in.start().In(p.in.location())), func(d Dated) bool { return d.MayBe(day) }) {
				return true
			}
			continue
		}
		if clauses := naming(clausesOf(text), func(c string) bool { return says(folded(c), p.valueLabel(a.tool.Object, name, value)) }); says(folded(text), p.valueLabel(a.tool.Object, name, value)) && !sayAny(clauses, moodNot+elsewhereNot) {
			return true
		}
	}
	return false
}

// inTheEnd lead to what was settled, from what was said before it.
const inTheEnd = `
then|finally|in the end|now|changed
dann|schließlich|am ende|jetzt
puis|finalement|ensuite|maintenant
luego|después|finalmente|al final|ahora
depois|finalmente|no fim|agora`

func uniqueEvidence(list []meeting.Evidence) []meeting.Evidence {
	var out []meeting.Evidence
	for _, e := range list {
		if !slices.Contains(out, e) {
			out = append(out, e)
		}
	}
	return out
}

func (p *plan) proposalName(a meeting.ProposedAction, tool policy.Tool) string {
	if a.Ref != "" {
		return p.in.Hash(string(tool.Operation) + " ref:" + a.Ref)
	}
	about := firstOf(a.Properties["dealname"], a.Properties["subject"], a.Properties["email"], a.Properties["domain"], a.Properties["name"])
	if tool.Operation == policy.Update {
		t := a.Target
		about = strings.Join(append([]string{t.ID, t.Email, t.Domain, t.Ref + t.Name}, sortedKeys(a.Properties)...), "\x00")
	}
	return p.in.Hash(string(tool.Operation) + " about:" + strings.ToLower(about))
}

func (p *plan) planProposals() {
	proposals := p.proposals()
	made := map[int]string{} // the draft of each create
	for i, a := range proposals {
		if a.tool.Object == "task" {
			p.tasksProposed = append(p.tasksProposed, a)
			continue
		}
		if a.tool.Operation != policy.Create {
			continue
		}
		ref := p.propose(a)
		made[i] = ref.Key
		if a.Ref != "" {
			p.refs[a.Ref] = ref
		}
		if a.tool.Object == "deal" {
			p.dealsMeant = append(p.dealsMeant, ref)
		}
	}
	for i, a := range proposals {
		if key := made[i]; p.drafts[key] != nil {
			p.associate(p.drafts[key], a)
		}
		if a.tool.Operation == policy.Update {
			p.proposeUpdate(a)
		}
	}
}

// propose drafts a proposed create, or finds the record or draft that it means.
func (p *plan) propose(a proposal) store.AssociationRef {
	switch a.tool.Object {
	case "contact":
		return p.proposeContact(a)
	case "company":
		return p.proposeCompany(a)
	default:
		return p.proposeNew(a)
	}
}

// proposeContact merges a proposed contact with the one that is there, or that
// the rules make; else it drafts a contact.
func (p *plan) proposeContact(a proposal) store.AssociationRef {
	wanted, wrong := p.tidy(a, Record{})
	email := address(wanted["email"])
	if email == "" {
		wrong = append(wrong, "a contact without an e-mail address can't be told from others")
		d := p.merge(createKey("contact", a.name), a, wanted, wrong)
		return store.AssociationRef{Object: "contact", Key: d.Key}
	}
	if known, ok := p.res.contact(email); ok {
		p.fill(a, p.emailName(email), known, wanted, wrong)
		return p.contactOf(Person{Email: email}, "")
	}
	if ownDomains(p.in.Subject, p.lists)(domainOf(email)) {
		wrong = append(wrong, "the address is one of the organization's own")
	}
	person := Person{Name: strings.TrimSpace(wanted["firstname"] + " " + wanted["lastname"]), Email: email, Domain: p.lists.companyDomain(email)}
	ref, ok := p.contacts[email]
	if !ok {
		ref = p.contactOf(person, "proposed after the meeting")
		p.contacts[email] = ref
	}
	if w, ok := p.in.Written[ref.Key]; ok { // and not found in HubSpot yet
		p.fill(a, p.emailName(email), Record{ID: w.RecordID, Properties: w.Content.Properties}, wanted, wrong)
		return ref
	}
	p.merge(ref.Key, a, wanted, wrong)
	return ref
}

// proposeCompany does the same for a company, by its domain.
func (p *plan) proposeCompany(a proposal) store.AssociationRef {
	wanted, wrong := p.tidy(a, Record{})
	domain := p.lists.companyDomain("@" + bareDomain(wanted["domain"]))
	delete(wanted, "domain")
	if domain == "" {
		wrong = append(wrong, "without a domain of its own, nobody can tell whether HubSpot has this company")
		d := p.merge(createKey("company", a.name), a, wanted, wrong)
		return store.AssociationRef{Object: "company", Key: d.Key}
	}
	if ownDomains(p.in.Subject, p.lists)(domain) {
		wrong = append(wrong, "the domain is one of the organization's own")
	}
	var several []Record
	switch same := p.res.companies(domain); len(same) {
	case 0:
	case 1:
		p.fill(a, p.domainName(domain), same[0], wanted, wrong)
		ref := store.AssociationRef{Object: "company", Key: createKey("company", p.domainName(domain))}
		if p.recordID(ref) != same[0].ID {
			ref = store.AssociationRef{Object: "company", RecordID: same[0].ID}
		}
		return ref
	default:
		id, none := p.answered(createKey("company", p.domainName(domain)), store.TargetProperty)
		if known, ok := byID(same, id); ok {
			p.fill(a, p.domainName(domain), known, wanted, wrong)
			return store.AssociationRef{Object: "company", RecordID: known.ID}
		}
		if !none {
			several = same
			wrong = append(wrong, fmt.Sprintf("HubSpot has %d companies with this domain already", len(same)))
		}
	}
	ref := p.newCompany(domain)
	if w, ok := p.in.Written[ref.Key]; ok {
		p.fill(a, p.domainName(domain), Record{ID: w.RecordID, Properties: w.Content.Properties}, wanted, wrong)
		return ref
	}
	d := p.merge(ref.Key, a, wanted, wrong)
	p.askWhetherNew(d, several)
	if wanted["name"] != "" && wanted["name"] != toFill {
		d.Content.Label = fmt.Sprintf("%s (%s)", wanted["name"], domain)
	}
	if _, ofAttendees := p.companies[domain]; !ofAttendees {
		d.Content.Purpose = "proposed after the meeting"
	}
	return ref
}

// fill drafts an update of a record that a create proposed to make although it
// is there: what is empty is filled, and what HubSpot has stands.
func (p *plan) fill(a proposal, name string, known Record, wanted map[string]string, wrong []string) {
	empty := maps.Clone(wanted)
	maps.DeleteFunc(empty, func(property, value string) bool {
		return value == "" || value == toFill || known.Properties[property] != ""
	})
	d := p.update(a.tool.Object, name, known.ID, known.Properties, store.ActionContent{
		Label: labelOf(a.tool.Object, known.Properties), Purpose: "fills in what HubSpot does not have",
		Properties: empty, Evidence: a.Evidence, Confidence: a.Confidence, Doubt: joinDoubts(wrong...),
	})
	if d != nil {
		complain(d, false, p.res)
	}
}

// merge puts what a proposal wants into the draft of a create, which it makes if
// it is not there. Of two proposals that disagree the later one in the plan's
// order stands, with a doubt.
func (p *plan) merge(key string, a proposal, wanted map[string]string, wrong []string) *store.Draft {
	d, proposedBefore := p.drafts[key], false
	if d == nil {
		_, name, _ := strings.Cut(key, ":")
		d = p.add(a.tool.Object, name, store.ActionContent{Purpose: "proposed after the meeting", Properties: map[string]string{}})
		if owner := p.hostOwner(); owner != "" {
			d.Content.Properties["hubspot_owner_id"] = owner
		}
	} else {
		proposedBefore = len(d.Content.Evidence) > 0 || d.Content.Purpose == "proposed after the meeting"
	}
	if !proposedBefore && len(a.doubts) == 0 && a.tool.Object == "contact" && slices.ContainsFunc(p.people.External, func(x Person) bool { return x.Email == address(wanted["email"]) }) {
		// Who was there is made anyway: what nobody said of them is left out.
		wanted = maps.Clone(wanted)
		for name, why := range a.unsupported {
			delete(wanted, name)
			wrong = slices.DeleteFunc(slices.Clone(wrong), func(w string) bool { return w == why })
		}
	}
	for _, property := range sortedKeys(wanted) {
		old, had := d.Content.Properties[property]
		if wanted[property] == "" {
			continue
		}
		if wanted[property] == toFill {
			if !had {
				d.Content.Properties[property] = ""
			}
			continue
		}
		if had && proposedBefore && property != "hubspot_owner_id" && !same(property, old, wanted[property]) {
			wrong = append(wrong, "two proposals disagree about "+p.res.label(a.tool.Object, property))
		}
		d.Content.Properties[property] = wanted[property]
	}
	d.Content.Evidence = uniqueEvidence(append(d.Content.Evidence, a.Evidence...))
	d.Content.Confidence = lowest(d.Content.Confidence, a.Confidence)
	if label := labelOf(a.tool.Object, d.Content.Properties); label != "" {
		d.Content.Label = label
	}
	d.Content.Doubt = joinDoubts(append(wrong, d.Content.Doubt)...)
	complain(d, true, p.res)
	return d
}

// complain adds what validation says to a draft's doubt.
func complain(d *store.Draft, create bool, r Resolution) {
	d.Content.Doubt = joinDoubts(append(Check(d.Tool.Object, create, d.Content.Properties, r), d.Content.Doubt)...)
}

func labelOf(object string, properties map[string]string) string {
	switch object {
	case "contact":
		return Person{Name: strings.TrimSpace(properties["firstname"] + " " + properties["lastname"]), Email: properties["email"]}.label()
	case "company":
		if name, domain := properties["name"], properties["domain"]; name != "" && domain != "" {
			return name + " (" + domain + ")"
		}
		return firstOf(properties["name"], properties["domain"])
	case "deal":
		return firstOf(properties["dealname"], "a deal without a name")
	case "ticket":
		return firstOf(properties["subject"], "a ticket without a subject")
	default:
		return ""
	}
}

// proposeNew drafts a deal or a ticket, or corrects the one that an earlier
// round made of the same proposal.
func (p *plan) proposeNew(a proposal) store.AssociationRef {
	object := a.tool.Object
	wanted, wrong := p.tidy(a, Record{})
	key := createKey(object, a.name)
	if w, ok := p.in.Written[key]; ok {
		now, _ := byID(p.res.of(object), w.RecordID)
		if d := p.update(object, a.name, w.RecordID, now.Properties, store.ActionContent{
			Label: labelOf(object, wanted), Purpose: "what was proposed has changed", Properties: properties(wanted),
			Evidence: a.Evidence, Confidence: a.Confidence, Doubt: joinDoubts(wrong...),
		}, w); d != nil {
			complain(d, false, p.res)
		}
		return store.AssociationRef{Object: object, Key: key}
	}
	id, none := p.answered(key, store.TargetProperty)
	if known, ok := byID(p.res.of(object), id); ok {
		return p.proposeFor(a, known)
	}
	for _, name := range []string{pipelineOf(object), stageOf(object)} {
		if wanted[name] == toFill {
			delete(wanted, name)
		}
	}
	complete(object, wanted, p.res)
	var same []Record
	for _, r := range p.res.open(object) {
		if title := titleOf(object); !none && wanted[title] != "" && strings.EqualFold(strings.TrimSpace(r.Properties[title]), wanted[title]) {
			same = append(same, r)
		}
	}
	if len(same) > 0 {
		wrong = append(wrong, fmt.Sprintf("HubSpot has an open %s with this name already", object))
	}
	for _, r := range p.openOfPresent(object) {
		if n, _ := shared(p.withoutPeople(r.Properties[titleOf(object)]), p.withoutPeople(wanted[titleOf(object)])); n > 0 && !none && len(same) == 0 {
			same = append(same, r)
			wrong = append(wrong, fmt.Sprintf("HubSpot has an open %s that may be the same", object))
		}
	}
	d := p.merge(key, a, wanted, wrong)
	p.askWhetherNew(d, same, ReasonName)
	for _, name := range required(object) {
		if d.Content.Properties[name] == "" {
			d.Content.Properties[name] = "" // there, for the approver to fill in
		}
	}
	return store.AssociationRef{Object: object, Key: d.Key}
}

// proposeFor drafts what was proposed as a new record for the one that an approver
// said was meant. They did not see what stands there.
func (p *plan) proposeFor(a proposal, known Record) store.AssociationRef {
	ref := store.AssociationRef{Object: a.tool.Object, RecordID: known.ID}
	wanted, wrong := p.tidy(a, known)
	for _, name := range sortedKeys(wanted) {
		if old := known.Properties[name]; old != "" && wanted[name] != "" && wanted[name] != toFill && !same(name, old, wanted[name]) {
			wrong = append(wrong, "it would replace "+p.res.label(ref.Object, name)+" of the record that was picked")
		}
	}
	p.draftUpdate(a, ref, known, properties(wanted), wrong, "")
	return ref
}

// askWhetherNew makes a create a question, where the record may be there already.
// Approved as it is, it is created.
func (p *plan) askWhetherNew(d *store.Draft, known []Record, reasons ...string) {
	if len(known) == 0 {
		return
	}
	d.Content.Candidates = p.candidates(d.Tool.Object, known, reasons...)
	d.Content.CandidateProperty, d.Content.MayCreate = store.TargetProperty, true
	d.Content.Properties[store.TargetProperty] = store.NoneOfThese
}

func titleOf(object string) string {
	if object == "ticket" {
		return "subject"
	}
	return "dealname"
}

// associate links what a proposal creates as it says, else to those who were
// there.
func (p *plan) associate(d *store.Draft, a proposal) {
	if len(a.AssociateWith) == 0 {
		if a.tool.Object == "deal" || a.tool.Object == "ticket" {
			for _, ref := range p.present() {
				p.link(d.Key, ref)
			}
		}
		return
	}
	for _, to := range a.AssociateWith {
		ref, _, doubt := p.find(to)
		if doubt != "" {
			d.Content.Doubt = joinDoubts(d.Content.Doubt, "it can't be linked as proposed: "+doubt)
			continue
		}
		p.link(d.Key, ref)
	}
}

// find is the record that a reference means, or why it can't be told.
func (p *plan) find(r meeting.RecordRef) (store.AssociationRef, Record, string) {
	object := r.Object
	switch {
	case r.Ref != "":
		ref, ok := p.refs[r.Ref]
		if !ok {
			return ref, Record{}, "it refers to a proposal that there is not"
		}
		record, _ := byID(p.res.of(ref.Object), p.recordID(ref))
		return ref, record, ""
	case r.ID != "":
		if record, ok := byID(p.res.of(object), r.ID); ok {
			return store.AssociationRef{Object: object, RecordID: r.ID}, record, ""
		}
	case address(r.Email) != "":
		object = "contact"
		if record, ok := p.res.contact(address(r.Email)); ok {
			return store.AssociationRef{Object: object, RecordID: record.ID}, record, ""
		}
		if ref, ok := p.contacts[address(r.Email)]; ok {
			return ref, Record{}, ""
		}
	case p.lists.companyDomain("@"+bareDomain(r.Domain)) != "":
		object = "company"
		domain := p.lists.companyDomain("@" + bareDomain(r.Domain))
		same := p.res.companies(bareDomain(r.Domain))
		if len(same) == 0 {
			same = p.res.companies(domain)
		}
		if len(same) == 1 {
			return store.AssociationRef{Object: object, RecordID: same[0].ID}, same[0], ""
		}
		if len(same) > 1 {
			return store.AssociationRef{}, Record{}, fmt.Sprintf("HubSpot has %d companies with the domain", len(same))
		}
		if ref, ok := p.companies[domain]; ok {
			record, _ := byID(p.res.Companies, p.recordID(ref))
			return ref, record, ""
		}
		if key := createKey("company", p.domainName(domain)); p.drafts[key] != nil {
			return store.AssociationRef{Object: object, Key: key}, Record{}, ""
		}
	default:
		return store.AssociationRef{}, Record{}, "it does not say which " + firstOf(object, "record") + " is meant"
	}
	if p.res.denied(object) {
		return store.AssociationRef{}, Record{}, "Debrief may not look it up"
	}
	return store.AssociationRef{}, Record{}, "the " + firstOf(object, "record") + " can't be found in HubSpot"
}

// proposeUpdate drafts a proposed update, or merges it into the draft of the
// record that it means. Where an approver said that none of the records there is
// meant, it makes one.
func (p *plan) proposeUpdate(a proposal) {
	object := a.tool.Object
	_, key := p.revisions(object, a.name)
	var ref store.AssociationRef
	var record Record
	var doubt string
	answer, none := p.answered(key, store.TargetProperty)
	switch {
	case none && p.mayCreate(a):
		p.proposeInstead(a)
		return
	case answer != "":
		ref, record, doubt = p.find(meeting.RecordRef{Object: object, ID: answer})
	case a.untold != "":
		doubt = a.untold
	case a.Target == (meeting.RecordRef{Object: object}):
		ref, record, doubt = p.onlyOpen(object)
		if a.by != ByPlatform && ref.RecordID != "" {
			doubt = "" // it is of what was said, where "the deal" is that one
		}
	default:
		ref, record, doubt = p.find(a.Target)
	}
	if ref.Object != "" && ref.Object != object {
		ref, record, doubt = store.AssociationRef{}, Record{}, "it refers to a "+ref.Object
	}
	wanted, wrong := p.tidy(a, record)
	if p.drafts[ref.Key] != nil {
		p.merge(ref.Key, a, wanted, append(wrong, doubt))
		return
	}
	p.draftUpdate(a, ref, record, wanted, wrong, doubt)
}

// tidy brings a proposal's properties to HubSpot's form: see the function.
func (p *plan) tidy(a proposal, record Record) (map[string]string, []string) {
	wanted, wrong := tidy(a.tool.Object, a.Properties, record, p.res)
	wrong = append(wrong, a.wrong()...)
	if doubt := p.inCurrency(a, wanted); doubt != "" {
		wrong = append(wrong, doubt)
	}
	return wanted, wrong
}

// mayCreate says whether a proposed update tells enough to make a record of it.
func (p *plan) mayCreate(a proposal) bool {
	switch a.tool.Object {
	case "deal", "ticket":
		return true
	case "contact":
		return address(firstOf(a.Properties["email"], a.Target.Email)) != ""
	case "company":
		return bareDomain(firstOf(a.Properties["domain"], a.Target.Domain)) != ""
	default:
		return false
	}
}

// proposeInstead drafts a create of what was proposed as an update.
func (p *plan) proposeInstead(a proposal) {
	a.tool.Operation = policy.Create
	a.Properties = maps.Clone(a.Properties)
	if a.Properties == nil {
		a.Properties = map[string]string{}
	}
	switch a.tool.Object {
	case "contact":
		a.Properties["email"] = firstOf(a.Properties["email"], a.Target.Email)
	case "company":
		a.Properties["domain"] = firstOf(a.Properties["domain"], a.Target.Domain)
	}
	ref := p.propose(a)
	if d := p.drafts[ref.Key]; d != nil {
		p.associate(d, a)
	}
	if ref.Object == "deal" {
		p.dealsMeant = append(p.dealsMeant, ref)
	}
}

// draftUpdate drafts a proposed update of a record, or asks which one is meant.
func (p *plan) draftUpdate(a proposal, ref store.AssociationRef, record Record, wanted map[string]string, wrong []string, doubt string) {
	object := a.tool.Object
	c := store.ActionContent{
		Label: labelOf(object, record.Properties), Purpose: "proposed after the meeting", Properties: wanted,
		Evidence: a.Evidence, Confidence: a.Confidence, Doubt: joinDoubts(append(wrong, doubt)...),
	}
	if doubt != "" {
		c.Properties[store.TargetProperty] = p.recordID(ref)
		c.Candidates, c.MayCreate = p.candidates(object, p.couldBe(a)), p.mayCreate(a)
		p.dealUnclear = p.dealUnclear || object == "deal" && len(a.several) > 1
		if len(c.Candidates) > 0 {
			c.CandidateProperty = store.TargetProperty
		}
	}
	if p.recordID(ref) == "" {
		c.Label = "a " + object + " that can't be found"
		if len(c.Candidates) > 0 {
			c.Label = "a " + object + " to be picked"
		}
	} else if object == "deal" && doubt == "" {
		p.dealsMeant = append(p.dealsMeant, ref)
	}
	for _, property := range sortedKeys(wanted) {
		if wanted[property] == "" && record.Properties[property] != "" {
			c.Doubt = joinDoubts(c.Doubt, "it would clear "+p.res.label(object, property))
		}
	}
	if stage, ok := wanted[stageOf(object)]; ok {
		if of, known := stageByID(p.res.pipelines(object), stage); known && of.ID != firstOf(wanted[pipelineOf(object)], record.Properties[pipelineOf(object)], of.ID) {
			c.Doubt = joinDoubts(c.Doubt, "the stage belongs to another pipeline than the "+object)
		}
	}
	for _, to := range a.AssociateWith {
		linked, _, doubt := p.find(to)
		if doubt != "" {
			c.Doubt = joinDoubts(c.Doubt, "it can't be linked as proposed: "+doubt)
		} else if p.recordID(linked) == "" || !record.isLinked(linked.Object, p.recordID(linked)) {
			c.Associations = append(c.Associations, linked)
		}
	}
	if d := p.update(object, a.name, p.recordID(ref), record.Properties, c); d != nil {
		complain(d, false, p.res)
		onlyQuestions := !slices.ContainsFunc(sortedKeys(d.Content.Properties), func(name string) bool { return !strings.HasPrefix(name, store.QuestionPrefix) })
		if onlyQuestions && len(d.Content.Associations) == 0 {
			delete(p.drafts, d.Key) // nothing would change, whichever is meant
		}
	}
}

// onlyOpen is the one open deal or ticket of those who were there. Even then a
// human is asked, since the proposal did not say which.
func (p *plan) onlyOpen(object string) (store.AssociationRef, Record, string) {
	if object == "deal" || object == "ticket" {
		if open := p.openOfPresent(object); len(open) == 1 {
			return store.AssociationRef{Object: object, RecordID: open[0].ID}, open[0],
				"the proposal does not say which " + object + " is meant; this is the only open one"
		}
	}
	return p.find(meeting.RecordRef{Object: object})
}

// openOfPresent are the open deals or tickets of those who were there.
func (p *plan) openOfPresent(object string) []Record {
	present := p.present()
	var open []Record
	for _, r := range p.res.open(object) {
		if slices.ContainsFunc(present, func(a store.AssociationRef) bool {
			id := p.recordID(a)
			return id != "" && r.isLinked(a.Object, id)
		}) {
			open = append(open, r)
		}
	}
	return open
}
