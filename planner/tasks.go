package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// mostSubject keeps a task's subject to one line; the whole text is in its body.
const mostSubject = 200

// items are the open action items, each once: two with one text are one, and of
// them the one with an ID, since that stays when its text is corrected.
func (p *plan) items() []meeting.ActionItem {
	var open []meeting.ActionItem
	for _, item := range p.in.Meeting.ActionItems {
		item.Text = plain(item.Text)
		if !item.Completed && item.Text != "" && !isPrivateLine(item.Text) {
			open = append(open, item)
		}
	}
	slices.SortFunc(open, func(a, b meeting.ActionItem) int {
		return cmp.Or(cmp.Compare(normal(a.Text), normal(b.Text)), -cmp.Compare(a.ID, b.ID), cmp.Compare(a.AssigneeEmail, b.AssigneeEmail), a.DueAt.Compare(b.DueAt))
	})
	return slices.CompactFunc(open, func(a, b meeting.ActionItem) bool { return normal(a.Text) == normal(b.Text) })
}

// normal is a text without what does not change its meaning.
func normal(s string) string {
	return strings.Trim(strings.ToLower(strings.Join(strings.Fields(s), " ")), " .!;")
}

func (p *plan) itemName(item meeting.ActionItem) string {
	if item.ID != "" {
		return p.in.Hash("item:" + item.ID)
	}
	return p.in.Hash("text:" + normal(item.Text))
}

// todo is something to be done: an action item of the platform's, or one that was
// proposed of what was said.
type todo struct {
	meeting.ActionItem

	key string // its name in keys
	by  string // who proposed it
	// owner and subject, where they are not told by the assignee.
	owner, subject string
	doubts         []string
	evidence       []meeting.Evidence
	confidence     *float64
	links          []meeting.RecordRef
	proposed       bool
	// corrected: its day is the one that was said, and not the one that was proposed.
	corrected bool
}

// todos are the action items, and what is proposed beside them, each once.
func (p *plan) todos() []todo {
	var all []todo
	for _, item := range p.items() {
		t := todo{ActionItem: p.assigned(item), key: p.itemName(item)}
		if days := DatesIn(item.Text, p.in.start().In(p.in.location())); item.DueAt.IsZero() && (len(days) > 1 || len(days) == 1 && !days[0].Other.IsZero()) {
			t.doubts = append(t.doubts, "the due date "+unsureDay)
		}
		t.doubts = append(t.doubts, p.itemDoubts(item, t.ActionItem, all)...)
		if open, sure := p.openTask(item.Text); sure && p.in.Written[createKey("task", t.key)].RecordID == "" {
			p.drop(ByPlatform, "task.create", DroppedOpenTask)
			continue
		} else if open != "" && p.in.Written[createKey("task", t.key)].RecordID == "" {
			t.doubts = append(t.doubts, "HubSpot has an open task that may be the same: "+open)
		}
		all = append(all, t)
	}
	// What the phrases cut out of a sentence comes last: of one promise, who read the
	// whole talk says it better.
	proposed := slices.Clone(p.tasksProposed)
	slices.SortStableFunc(proposed, func(a, b proposal) int {
		last := func(x proposal) int {
			if x.by == ByPhrases {
				return 1
			}
			return 0
		}
		return cmp.Or(cmp.Compare(last(a), last(b)), cmp.Compare(len(a.wrong()), len(b.wrong())), cmp.Compare(a.said, b.said))
	})
	for _, a := range proposed {
		p.propoundTask(&all, a)
	}
	return all
}

// itemDoubts say why an action item of the platform's may not be what was said: whose it
// is can't be told, or the talk around it tells otherwise.
func (p *plan) itemDoubts(item, assigned meeting.ActionItem, before []todo) []string {
	var doubts []string
	doubt := func(it bool, why string) {
		if it {
			doubts = append(doubts, why)
		}
	}
	doubt(assigned.AssigneeEmail == "" && p.manyCalled(firstOf(item.AssigneeName, firstWord(item.Text))), "more than one who was there has the name that it is given to")
	loc := p.in.location()
	if own := DatesIn(item.Text, p.in.start().In(loc)); !item.DueAt.IsZero() && len(own) > 0 {
		due := midnight(p.due(item), loc)
		doubt(!slices.ContainsFunc(own, func(d Dated) bool { return d.MayBe(due) }), "the due date "+otherDay)
	}
	doubt(moodOf(item.Text).conditional, "it was said for a case that may not come")
	if item.OffsetSeconds > 0 {
		doubts = append(doubts, p.saidOtherwise(item)...)
		doubt(p.calledOff(item), "it came up again later, and otherwise")
	}
	doubt(p.openOn(p.due(item), assigned.AssigneeEmail), sameDayTask)
	for _, t := range before {
		n, of := shared(p.withoutPeople(t.Text), p.withoutPeople(item.Text))
		doubt(of > 1 && n == of && t.AssigneeEmail == assigned.AssigneeEmail, "another action item may be the same")
	}
	return doubts
}

const sameDayTask = "HubSpot has an open task for the same people and the same day"

// openOn says that HubSpot has an open task of those who were there for a day, be it in
// other words, of the one whose a new one would be.
func (p *plan) openOn(due time.Time, email string) bool {
	owner := p.hostOwner()
	if known, ok := p.res.Owner(address(email)); ok {
		owner = known.ID
	}
	return slices.ContainsFunc(p.res.Tasks, func(r Record) bool {
		at, err := hubspot.ParseDateTime(r.Properties["hs_timestamp"])
		return err == nil && r.Properties["hs_task_status"] != "COMPLETED" && r.Properties["hubspot_owner_id"] == owner &&
			midnight(at, p.in.location()).Equal(midnight(due, p.in.location()))
	})
}

// calledOff says that somebody says, after an action item was spoken of, that it need not
// be.
func (p *plan) calledOff(item meeting.ActionItem) bool {
	text := contentWords(p.withoutPeople(item.Text))
	contents := p.segmentContents()
	for i, s := range p.in.Meeting.Transcript.Segments {
		if int(s.StartSeconds) <= item.OffsetSeconds {
			continue
		}
		if n, _ := sharedWords(text, contents[i]); n > 0 && hasAny(p.speech()[i], offWords) {
			return true
		}
	}
	return false
}

// offWords call off what was promised.
const offWords = `
no need|forget|never mind|scratch that|don t send|don t need|we don t need|not necessary|already have|already got|got it already|leave out|skip the|cancel
nicht nötig|brauchen wir nicht|brauche ich nicht|vergessen sie|vergiss|lassen wir weg|haben wir schon|habe ich schon|hat sich erledigt
pas la peine|pas besoin|inutile|laissez tomber|oubliez|on l a déjà|on les a déjà
no hace falta|olvida|olvídalo|no necesitamos|ya lo tenemos|ya la tenemos
não precisa|esquece|esqueça|não precisamos|já temos|deixa pra lá`

func firstWord(text string) string {
	first, _, _ := strings.Cut(text, " ")
	return strings.Trim(first, ":,")
}

// manyCalled says that several who were there have a name.
func (p *plan) manyCalled(name string) bool {
	if len(name) < 3 {
		return false
	}
	n := 0
	for _, person := range slices.Concat(p.people.External, p.people.Internal) {
		if person.Name != "" && sameSpeaker(person.Name, name) {
			n++
		}
	}
	return n > 1
}

// saidOtherwise says what the talk at an action item's moment, and right after it, has
// against it.
func (p *plan) saidOtherwise(item meeting.ActionItem) []string {
	var doubts []string
	var days []Dated
	conditional, changed := false, false
	due := midnight(p.due(item), p.in.location())
	for _, s := range p.in.Meeting.Transcript.Segments {
		if at := int(s.StartSeconds); at < item.OffsetSeconds || at > item.OffsetSeconds+sameMoment {
			continue
		}
		here := int(s.StartSeconds) == item.OffsetSeconds
		said := DatesIn(s.Text, p.in.start().In(p.in.location()))
		days = append(days, said...)
		conditional = conditional || here && moodOf(s.Text).conditional
		corrected := !here && slices.ContainsFunc(wordsIn(s.Text), func(w string) bool { return slices.Contains(corrections, w) })
		changed = changed || corrected && len(said) > 0 && !slices.ContainsFunc(said, func(d Dated) bool { return d.MayBe(due) })
	}
	if conditional {
		doubts = append(doubts, "it was said for a case that may not come")
	}
	if changed || len(days) > 0 && !slices.ContainsFunc(days, func(d Dated) bool { return d.MayBe(due) }) {
		doubts = append(doubts, "the due date "+otherDay)
	}
	return doubts
}

// assigned adds the address of an item's assignee where only a name tells it: the
// platform's, or the first word of the text.
func (p *plan) assigned(item meeting.ActionItem) meeting.ActionItem {
	if item.AssigneeEmail != "" {
		return item
	}
	called := func(name string) string {
		var found []string
		for _, person := range slices.Concat(p.people.External, p.people.Internal) {
			if person.Name != "" && sameSpeaker(person.Name, name) {
				found = append(found, person.Email)
			}
		}
		if len(found) == 1 {
			return found[0]
		}
		return ""
	}
	if item.AssigneeName != "" {
		if item.AssigneeEmail = called(item.AssigneeName); item.AssigneeEmail == "" {
			if owner, doubt := p.ownerCalled(item.AssigneeName); doubt == "" {
				item.AssigneeEmail = owner.Email
			}
		}
		return item
	}
	if first, _, _ := strings.Cut(item.Text, " "); len(first) > 2 {
		item.AssigneeEmail = called(strings.Trim(first, ":,"))
	}
	return item
}

// propoundTask adds a proposed task to those that there are, unless it says again what
// one of them says.
func (p *plan) propoundTask(all *[]todo, a proposal) {
	subject := plain(a.Properties["hs_task_subject"])
	text := subject + " " + a.Evidence[0].Quote
	for _, item := range p.in.Meeting.ActionItems {
		if item.Completed && p.sameTodo(item.Text, item.OffsetSeconds, subject, a.Evidence[0], false) {
			p.drop(a.by, a.Tool, DroppedRepeats)
			return
		}
	}
	for i := range *all {
		known := &(*all)[i]
		said := meeting.Evidence{Quote: known.Text, OffsetSeconds: known.OffsetSeconds}
		if len(known.evidence) > 0 && known.proposed {
			said = known.evidence[0]
		}
		if known.proposed && said.Speaker != a.Evidence[0].Speaker && said.Source == transcript && (known.by == ByPhrases && a.by == ByPhrases ||
			!hasAny(spaced(p.passageOf(said).sentence), askedOfUs) && !hasAny(spaced(p.passageOf(a.Evidence[0]).sentence), askedOfUs)) {
			continue // two people, two promises
		}
		near := said.OffsetSeconds > 0 && a.Evidence[0].OffsetSeconds > 0 && abs(said.OffsetSeconds-a.Evidence[0].OffsetSeconds) <= sameMoment
		day, dated := p.dayIn(a.Evidence[0].Quote)
		again := dated && day.Equal(known.DueAt) && said.Speaker == a.Evidence[0].Speaker
		if p.sameTodo(known.Text, said.OffsetSeconds, subject, a.Evidence[0], again) || near && known.proposed && sameWords(said.Quote, a.Evidence[0].Quote) {
			p.drop(a.by, a.Tool, DroppedRepeats)
			if known.DueAt.IsZero() && len(a.doubts) == 0 {
				if due, ok := p.dayIn(a.Evidence[0].Quote); ok && !p.hasDay(known.ActionItem) {
					known.DueAt = due
				}
			}
			known.evidence = uniqueEvidence(append(known.evidence, a.Evidence...))
			if known.proposed && len(a.doubts) == 0 && len(a.unsupported) == 0 && (len(known.doubts) > 0 || known.corrected) {
				// It is better supported: it stands.
				t, ok := p.todoOf(a, subject)
				if ok {
					t.evidence = known.evidence
					*known = t
				}
			}
			return
		}
	}
	if open, sure := p.openTask(text); sure {
		p.drop(a.by, a.Tool, DroppedOpenTask)
		return
	} else if open != "" {
		a.doubts = append(a.doubts, "HubSpot has an open task that may be the same: "+open)
	}
	if t, ok := p.todoOf(a, subject); ok {
		if p.openOn(p.due(t.ActionItem), "") {
			t.doubts = append(t.doubts, sameDayTask)
		}
		*all = append(*all, t)
	}
}

// sameMoment is how many seconds two mentions of one promise are apart.
const sameMoment = 20

func abs(n int) int { return max(n, -n) }

func sameWords(a, b string) bool {
	x, y := strings.Join(wordsIn(a), " "), strings.Join(wordsIn(b), " ")
	return strings.Contains(x, y) || strings.Contains(y, x)
}

// sameTodo says whether a text and a proposed task are about the same.
func (p *plan) sameTodo(text string, offset int, subject string, said meeting.Evidence, sameDay bool) bool {
	text = p.withoutPeople(text)
	n, of := shared(text, p.withoutPeople(subject))
	m, ofQuote := shared(text, p.withoutPeople(said.Quote))
	near := offset > 0 && said.OffsetSeconds > 0 && abs(offset-said.OffsetSeconds) <= sameMoment
	switch {
	case near && (n >= 1 || m >= 2):
		return true
	case offset > 0 && said.OffsetSeconds > 0 && abs(offset-said.OffsetSeconds) > 120:
		return n == of && (n >= 2 || n > 0 && sameDay)
	default:
		return of > 0 && (n >= 2 && 3*n >= 2*of || n == of) || ofQuote > 1 && m == ofQuote
	}
}

// withoutPeople leaves the names of those out who were there.
func (p *plan) withoutPeople(text string) string {
	if p.peopleWords == nil {
		p.peopleWords = map[string]bool{"waiting": true}
		for _, person := range slices.Concat(p.people.External, p.people.Internal, p.people.Unknown) {
			for _, w := range wordsIn(person.Name) {
				p.peopleWords[w] = true
			}
		}
		for _, c := range p.res.Companies {
			for _, w := range wordsIn(c.Properties["name"]) {
				p.peopleWords[w] = true
			}
		}
	}
	return strings.Join(slices.DeleteFunc(wordsIn(text), func(w string) bool { return p.peopleWords[w] }), " ")
}

// openTask is a task that HubSpot has open already of those who were there, and
// whether it surely is the same.
func (p *plan) openTask(text string) (subject string, sure bool) {
	for _, r := range p.res.Tasks {
		if r.Properties["hs_task_status"] == "COMPLETED" {
			continue
		}
		there := r.Properties["hs_task_subject"]
		switch n, of := shared(p.withoutPeople(there), p.withoutPeople(text)); {
		case of > 1 && n == of:
			return there, true
		case n > 0:
			subject = there
		}
	}
	return subject, false
}

// todoOf makes a task of a proposal.
func (p *plan) todoOf(a proposal, subject string) (todo, bool) {
	said := a.Evidence[0]
	t := todo{proposed: true, by: a.by, evidence: a.Evidence, confidence: a.Confidence, doubts: a.wrong(), links: a.AssociateWith, subject: subject}
	t.Text, t.OffsetSeconds = subject, said.OffsetSeconds
	t.key = p.in.Hash("said:" + strings.Join(wordsIn(said.Quote), " ") + "\x00" + normal(subject))
	p.ownerOf(&t, a, said)
	p.dueOf(&t, a, said)
	return t, true
}

const (
	askedOfUs = `
can you|could you|would you|will you|please|you ll|you will|send us|send me|let us have
können sie|kannst du|könnten sie|könntest du|bitte|schicken sie|schick mir|würden sie
pouvez vous|pourriez vous|tu peux|peux tu|s il vous plaît|envoyez|envoie moi
puede|podría|puedes|podrías|por favor|envíeme|mándame|me manda|me envía
pode me|você pode|poderia|por favor|me manda|me envia|me mande`
	promising = `
i|i ll|we|we ll|me|you get|you ll get|you ll have|ours|my|our|us
ich|wir|mir|uns|unser|unsere|mein|meine|sie bekommen|sie erhalten|du bekommst|kriegen sie|kriegst du
je|j|nous|on|moi|notre|mon|ma|vous aurez|vous recevrez|tu auras
yo|nosotros|te|le|os|les|se lo|se la|voy|vamos|nuestro|nuestra|mi|me|nos
eu|nós|a gente|te|lhe|lhes|vou|vamos|nosso|nossa|meu|minha|me`
	waitingWords = `
waiting|awaiting
warten|warte
attente|attendre|attend
espera|esperar|esperando|pendiente
espera|aguardar|aguardando|esperando`
)

// ownerOf says whose a proposed task is: of one of the organization's own people who
// promised it, else the host's. What the other side promises, the host waits for.
func (p *plan) ownerOf(t *todo, a proposal, said meeting.Evidence) {
	sentence := " " + strings.Join(wordsIn(p.passageOf(said).sentence), " ") + " "
	t.owner = p.hostOwner()
	proposed := a.Properties["hubspot_owner_id"]
	if proposed != "" {
		if owner, ok := p.ownerNamed(proposed); ok {
			proposed = owner.ID
		} else if strings.Trim(proposed, "0123456789") != "" {
			proposed = ""
		}
	}
	external := slices.IndexFunc(p.people.External, func(x Person) bool { return x.Name != "" && sameSpeaker(x.Name, said.Speaker) })
	waits := hasAny(" "+strings.Join(wordsIn(t.subject), " ")+" ", waitingWords)
	if external >= 0 && said.Speaker != "" && (waits || !hasAny(sentence, askedOfUs)) {
		person := p.people.External[external]
		if !waits {
			t.subject = "Waiting on " + person.display() + ": " + t.subject
		}
		if proposed != "" && proposed != t.owner {
			t.doubts = append(t.doubts, "the other side promised it, and it would be given to another than the host")
		}
		return
	}
	internal := slices.IndexFunc(p.people.Internal, func(x Person) bool { return x.Name != "" && sameSpeaker(x.Name, said.Speaker) })
	if internal >= 0 && said.Speaker != "" {
		owner, ok := p.res.Owner(p.people.Internal[internal].Email)
		if ok {
			t.owner = owner.ID
		} else if a.by == ByPhrases {
			t.doubts = append(t.doubts, "who promised it is no owner in HubSpot")
		}
	}
	if named, ok := p.tellsOfOwner(said); ok && named.ID != t.owner {
		// "Chris will call you": it is Chris's, whoever says it.
		if t.owner = named.ID; proposed != "" && proposed != t.owner {
			t.doubts = append(t.doubts, notTheOwner)
		}
		return
	}
	if proposed == "" || proposed == t.owner {
		return
	}
	owner, known := p.res.ownerByID(proposed)
	names := wordsIn(owner.Name)
	named := known && slices.ContainsFunc(names, func(w string) bool { return strings.Contains(sentence, " "+w+" ") })
	if !named {
		t.doubts = append(t.doubts, notTheOwner)
		return
	}
	t.owner = proposed
}

// tellsOfOwner is the owner whom a sentence begins by naming, if it tells of them and not
// of the speaker.
func (p *plan) tellsOfOwner(said meeting.Evidence) (Owner, bool) {
	sentence := p.passageOf(said).sentence
	var found []Owner
	for _, o := range p.res.Owners {
		if f, by := nameOf(Person{Name: o.Name, Email: o.Email}).in(spokenOf(firstClause(sentence))); f > nickname && !sameSpeaker(o.Name, said.Speaker) &&
			!hasAny(spaced(firstClause(sentence)), firstPerson+"|i ll|we|we ll|wir|nous|vamos") && slices.Contains(folded(firstClause(sentence))[:min(4, len(folded(firstClause(sentence))))], firstWord(by)) {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		return Owner{}, false
	}
	return found[0], true
}

func firstClause(text string) string {
	if clauses := clausesOf(text); len(clauses) > 0 {
		return clauses[0]
	}
	return text
}

// ownerNamed finds an owner by address, or by a name that only one has.
func (p *plan) ownerNamed(name string) (Owner, bool) {
	if o, ok := p.res.Owner(address(name)); ok {
		return o, true
	}
	var found []Owner
	for _, o := range p.res.Owners {
		if o.ID == name || o.Name != "" && sameSpeaker(o.Name, name) {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		return Owner{}, false
	}
	return found[0], true
}

// dueOf says when a proposed task is due: on the day that was said. A proposed day that
// is another yields to it.
func (p *plan) dueOf(t *todo, a proposal, said meeting.Evidence) {
	proposed, given := dayOf(a.Properties["hs_timestamp"], p.in.location())
	var days []Dated
	for _, e := range a.Evidence {
		days = append(days, DatesIn(e.Quote, p.in.start().In(p.in.location()))...)
	}
	if len(days) == 0 {
		days = DatesIn(p.passageOf(said).sentence, p.in.start().In(p.in.location()))
	}
	switch {
	case given && slices.ContainsFunc(days, func(d Dated) bool { return d.Is(proposed) }):
		t.DueAt = proposed
	case len(days) == 1 && days[0].Other.IsZero():
		t.DueAt, t.corrected = days[0].To, given
	case given && slices.ContainsFunc(days, func(d Dated) bool { return d.MayBe(proposed) }):
		t.DueAt = proposed
		t.doubts = append(t.doubts, "the due date "+unsureDay)
	case given && len(days) > 0:
		t.DueAt = proposed
		t.doubts = append(t.doubts, "the due date "+otherDay)
	case given && !proposed.Equal(midnight(p.nextBusinessDay(), p.in.location())):
		t.DueAt = proposed
		t.doubts = append(t.doubts, "the due date "+notSaid)
	case len(days) > 0:
		t.DueAt = days[0].From
		t.doubts = append(t.doubts, "the due date "+unsureDay)
	}
	if !t.DueAt.IsZero() {
		y, m, d := t.DueAt.Date()
		t.DueAt = time.Date(y, m, d, 0, 0, 0, 0, time.UTC) // a day: see due
	}
}

// dayIn is the one day that a text names for sure.
func (p *plan) dayIn(text string) (time.Time, bool) {
	days := DatesIn(text, p.in.start().In(p.in.location()))
	if len(days) != 1 || !days[0].Other.IsZero() {
		return time.Time{}, false
	}
	y, m, d := days[0].To.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC), true
}

// hasDay says that an item's own words name a day.
func (p *plan) hasDay(item meeting.ActionItem) bool {
	return len(DatesIn(item.Text, p.in.start().In(p.in.location()))) > 0
}

// saidOf is what was said of an item: where it stands in the talk, else where its
// words were spoken last, with a day.
func (p *plan) saidOf(item meeting.ActionItem) string {
	segments := p.in.Meeting.Transcript.Segments
	for _, s := range segments {
		if item.OffsetSeconds > 0 && int(s.StartSeconds) == item.OffsetSeconds {
			return s.Text
		}
	}
	text := contentWords(p.withoutPeople(item.Text))
	contents := p.segmentContents()
	for i, s := range slices.Backward(segments) {
		if n, of := sharedWords(text, contents[i]); n >= 2 && n == min(of, len(text)) {
			if _, dated := p.dayIn(s.Text); dated {
				return s.Text
			}
		}
	}
	return ""
}

// segmentContents are the content words of the talk's segments, without people's names.
func (p *plan) segmentContents() [][]string {
	if p.contents == nil {
		p.contents = [][]string{}
		for _, s := range p.in.Meeting.Transcript.Segments {
			p.contents = append(p.contents, contentWords(p.withoutPeople(s.Text)))
		}
	}
	return p.contents
}

// planTasks drafts a task for each action item and each proposed one, for its owner in
// HubSpot.
func (p *plan) planTasks() {
	for _, t := range p.todos() {
		p.planTask(t)
	}
	for _, item := range p.in.Meeting.ActionItems {
		// Done meanwhile: the task that an earlier round made is done, too.
		item.Text = plain(item.Text)
		name := p.itemName(item)
		if w, ok := p.in.Written[createKey("task", name)]; ok && item.Completed {
			p.update("task", name, w.RecordID, nil, store.ActionContent{
				Label: clip(item.Text, mostSubject), Purpose: "the action item was completed", Properties: map[string]string{"hs_task_status": "COMPLETED"},
			}, w)
			p.linkToTask(todo{ActionItem: item, key: name})
		}
	}
}

// taskRefs are the records that a task is logged on.
func (p *plan) taskRefs(t todo) []store.AssociationRef {
	refs := p.present()
	if person, ok := p.promisedOutside(t.ActionItem); ok {
		// It concerns that person and their company, not everyone who was there.
		refs = p.refsOf(person)
	}
	for _, r := range t.links {
		if ref, _, doubt := p.find(r); doubt == "" {
			refs = append(refs, ref)
		}
	}
	deals, _ := p.deals()
	return p.uniqueRefs(append(refs, deals...))
}

// promisedOutside is the attendee from outside who promised an item.
func (p *plan) promisedOutside(item meeting.ActionItem) (Person, bool) {
	email := address(item.AssigneeEmail)
	at := slices.IndexFunc(p.people.External, func(x Person) bool { return x.Email == email && email != "" })
	if at < 0 {
		return Person{}, false
	}
	return p.people.External[at], true
}

// linkToTask lets new records take along the link to a task that is there. It
// names the task by its key, as before it was written: an open question about
// the new record stays the same question.
func (p *plan) linkToTask(t todo) {
	key := createKey("task", t.key)
	for _, ref := range p.taskRefs(t) {
		if p.recordID(ref) == "" {
			p.link(ref.Key, store.AssociationRef{Object: "task", Key: key})
		}
	}
}

// planTask drafts one task. What one of the organization's own people promised
// is that person's, if HubSpot knows them as an owner, else the host's. What an
// attendee from outside promised is the host's to wait for: a promise that
// nobody follows up is lost, and a customer can't be given a task.
func (p *plan) planTask(t todo) {
	item := t.ActionItem
	subject, owner := item.Text, p.hostOwner()
	email := address(item.AssigneeEmail)
	var remark string
	person, external := p.promisedOutside(item)
	internal := slices.IndexFunc(p.people.Internal, func(x Person) bool { return x.Email == email && email != "" })
	switch known, isOwner := p.res.Owner(email); {
	case t.proposed:
		subject, owner = t.subject, t.owner
	case external:
		subject = "Waiting on " + person.display() + ": " + item.Text
	case isOwner:
		owner = known.ID
	case email != "" && email == p.people.Host.Email:
	case internal >= 0:
		remark = "For " + p.people.Internal[internal].display() + ", who is no owner in HubSpot."
	case item.AssigneeName != "":
		remark = "For " + item.AssigneeName + "."
	}
	lines := []line{}
	if clipped := clip(subject, mostSubject); clipped != subject {
		lines = append(lines, line{text: literal(item.Text)})
		subject = clipped
	}
	if remark != "" {
		lines = append(lines, line{text: literal(remark)})
	}
	lines = append(lines, line{text: fmt.Sprintf("From the meeting “%s” on %s.", literal(p.title()), p.in.start().In(p.in.location()).Format("2 January 2006"))})
	name := t.key
	purpose, changed := "an action item of the meeting", "the action item has changed"
	if t.proposed {
		purpose, changed = "promised in the meeting", "what was promised has changed"
	}
	wanted := properties(map[string]string{
		"hs_task_subject":  subject,
		"hs_task_body":     htmlBody(lines),
		"hs_timestamp":     hubspot.FormatDateTime(p.due(item)),
		"hs_task_type":     "TODO",
		"hubspot_owner_id": owner,
	})
	if w, ok := p.in.Written[createKey("task", name)]; ok {
		// Its status is its owner's by now.
		p.update("task", name, w.RecordID, nil, store.ActionContent{Label: subject, Purpose: changed, Properties: wanted}, w)
		p.linkToTask(t)
		return
	}
	wanted["hs_task_status"] = "NOT_STARTED"
	d := p.add("task", name, store.ActionContent{
		Label: subject, Purpose: purpose, Properties: wanted, Evidence: t.evidence, Confidence: t.confidence, Doubt: joinDoubts(t.doubts...),
	})
	for _, ref := range p.taskRefs(t) {
		p.link(d.Key, ref)
	}
}

// dueHour is when on its day a task is due: at the end of it, so that it does
// not show as overdue on the very morning.
const dueHour = 17

// due is when a task is due. HubSpot asks for a date of every task; where nobody
// named one it is the next business day after the meeting: soon enough to be
// seen while the meeting is remembered, and never overdue from the start. Which
// days are holidays is not known.
func (p *plan) due(item meeting.ActionItem) time.Time {
	loc := p.in.location()
	if at := item.DueAt; !at.IsZero() {
		if at.Hour() == 0 && at.Minute() == 0 && at.Second() == 0 {
			// A day without a time. As midnight UTC it would show as the day
			// before to everyone west of Greenwich.
			return time.Date(at.Year(), at.Month(), at.Day(), dueHour, 0, 0, 0, loc)
		}
		return at
	}
	for _, text := range []string{item.Text, p.saidOf(item)} {
		if day, ok := p.dayIn(text); ok {
			return time.Date(day.Year(), day.Month(), day.Day(), dueHour, 0, 0, 0, loc)
		}
	}
	return p.nextBusinessDay()
}

// nextBusinessDay is the one after the meeting.
func (p *plan) nextBusinessDay() time.Time {
	loc := p.in.location()
	last := p.in.Meeting.End()
	if last.IsZero() {
		last = p.in.start()
	}
	day := last.In(loc).AddDate(0, 0, 1)
	for day.Weekday() == time.Saturday || day.Weekday() == time.Sunday {
		day = day.AddDate(0, 0, 1)
	}
	return time.Date(day.Year(), day.Month(), day.Day(), dueHour, 0, 0, 0, loc)
}
