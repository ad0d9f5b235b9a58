package card

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// Of makes the card of a meeting in a reader's language.
func Of(facts store.CardFacts, p words.Printer) Card {
	w := writer{Printer: p, facts: facts, known: readKnown(facts.Resolution), zone: zoneOf(facts), undone: store.Undone(facts.Actions)}
	content := facts.Meeting.Content
	c := Card{
		MeetingID: facts.Meeting.ID,
		Title:     cmp.Or(strings.TrimSpace(content.Title), p.T("Meeting without a title")),
		Host:      cmp.Or(facts.HostName, content.Organizer.Name, content.Organizer.Email),
		Account:   accountOf(facts),
		Lines:     []Line{},
	}
	if facts.Meeting.ErasedAt != nil {
		c.Title, c.ErasedAt = p.T("Erased meeting"), facts.Meeting.ErasedAt
	}
	if start := content.Start(); !start.IsZero() {
		start = start.In(w.zone)
		c.StartsAt = &start
	}
	for _, a := range facts.Actions {
		line := w.line(a)
		if line.Open() && line.ExpiresAt != nil && (c.Until == nil || line.ExpiresAt.Before(*c.Until)) {
			c.Until = line.ExpiresAt
		}
		c.Lines = append(c.Lines, line)
	}
	return c
}

// OfUndo says what an item of an undo would change, as people read it.
func OfUndo(facts store.CardFacts, item store.UndoItem, p words.Printer) []Change {
	w := writer{Printer: p, facts: facts, known: readKnown(facts.Resolution), zone: zoneOf(facts)}
	a := store.Action{Tool: item.Tool, TargetID: item.RecordID}
	a.Content.Properties, a.Content.Before = map[string]string{}, map[string]string{}
	for _, c := range item.Changes {
		a.Content.Properties[c.Property], a.Content.Before[c.Property] = c.After, c.Before
	}
	return w.changes(a, nil, "")
}

func accountOf(facts store.CardFacts) Account {
	c := facts.Connection
	if c == nil {
		return Account{}
	}
	return Account{HubID: c.HubID, Name: c.Name, IsTest: c.IsTest(), FromTest: facts.FromTest && !c.IsTest()}
}

// zoneOf is the time zone in which people remember the meeting, else the account's.
func zoneOf(facts store.CardFacts) *time.Location {
	names := []string{facts.Meeting.Content.TimeZone}
	if facts.Connection != nil {
		names = append(names, facts.Connection.TimeZone)
	}
	for _, name := range names {
		if loc, err := time.LoadLocation(name); err == nil && name != "" {
			return loc
		}
	}
	return time.UTC
}

// known is what HubSpot knew when the plan was made: of what the planner stored,
// what a card shows.
type known struct {
	Contacts        []record                      `json:"contacts"`
	Companies       []record                      `json:"companies"`
	Deals           []record                      `json:"deals"`
	Tickets         []record                      `json:"tickets"`
	Owners          []owner                       `json:"owners"`
	DealPipelines   []hubspot.Pipeline            `json:"deal_pipelines"`
	TicketPipelines []hubspot.Pipeline            `json:"ticket_pipelines"`
	Properties      map[string][]hubspot.Property `json:"properties"`
}

type record struct {
	ID         string            `json:"id"`
	Properties map[string]string `json:"properties"`
}

type owner struct {
	ID    string `json:"id"`
	Email string `json:"email"`
	Name  string `json:"name"`
}

// readKnown reads it. What can't be read shows as internal names: a card that
// nobody could open would keep everyone from deciding.
func readKnown(raw json.RawMessage) known {
	var k known
	if json.Unmarshal(raw, &k) != nil {
		return known{}
	}
	return k
}

func (k known) record(object, id string) (record, bool) {
	list := map[string][]record{"contact": k.Contacts, "company": k.Companies, "deal": k.Deals, "ticket": k.Tickets}[object]
	at := slices.IndexFunc(list, func(r record) bool { return r.ID == id })
	if at < 0 {
		return record{}, false
	}
	return list[at], true
}

func (k known) definition(object, property string) (hubspot.Property, bool) {
	list := k.Properties[object]
	at := slices.IndexFunc(list, func(d hubspot.Property) bool { return d.Name == property })
	if at < 0 {
		return hubspot.Property{}, false
	}
	return list[at], true
}

func (k known) pipelines(object string) []hubspot.Pipeline {
	switch object {
	case "deal":
		return k.DealPipelines
	case "ticket":
		return k.TicketPipelines
	default:
		return nil
	}
}

// writer makes one card.
type writer struct {
	words.Printer

	facts store.CardFacts
	known known
	zone  *time.Location
	// undone are the actions that were taken back since.
	undone map[uuid.UUID]bool
}

func (w writer) line(a store.Action) Line {
	c := a.Content
	line := Line{
		ActionID: a.ID, State: a.State, Tool: a.Tool, Title: w.Known(a.Tool.Title()), Record: w.recordName(a), URL: w.url(a),
		Why: w.stored(c.Purpose), Doubt: w.stored(c.Doubt), Automation: w.automation(a), Changes: []Change{}, Links: w.links(a), Evidence: w.evidence(c.Evidence),
		MayCreate: c.MayCreate, RecordID: a.RecordID,
	}
	for _, other := range w.facts.FallsWith(a.ID) {
		if line.State == store.ActionAsking {
			line.FallsWith = append(line.FallsWith, w.Known(other.Tool.Title())+": "+w.recordName(other))
		}
	}
	var edit map[string]string
	if questions := w.facts.Questions[a.ID]; len(questions) > 0 {
		q := questions[len(questions)-1]
		askedAt, expiresAt := q.AskedAt.In(w.zone), q.ExpiresAt.In(w.zone)
		line.ApprovalID, line.Kind, line.AskedAt, line.ExpiresAt = &q.ID, q.Kind, &askedAt, &expiresAt
		if q.DecidedAt != nil {
			line.Decision = &Decision{State: q.State, By: w.by(q), Via: w.Known(q.Via), At: q.DecidedAt.In(w.zone), Reason: q.Said}
			edit = q.Edit
		} else {
			line.Asks, line.Escalated = w.asks(a, q), q.Escalated
			if q.Quorum > 1 {
				line.Quorum = q.Quorum
			}
			for _, v := range q.Votes {
				line.Votes = append(line.Votes, w.Known(v.Name))
			}
		}
	}
	if len(c.Candidates) > 0 {
		line.CandidateProperty = cmp.Or(c.CandidateProperty, store.TargetProperty)
		line.CandidatePicked = c.Properties[line.CandidateProperty]
	}
	for _, candidate := range c.Candidates {
		line.Candidates = append(line.Candidates, Candidate{
			ID: candidate.ID, Label: candidate.Label, URL: w.recordURL(c.CandidateObject(a.Tool), candidate.ID), Reasons: w.reasons(candidate.Reasons),
		})
	}
	if !isReading(a) {
		line.Changes = w.changes(a, edit, line.CandidateProperty)
	}
	line.StateText = w.state(a)
	return line
}

// asks says why a human is asked.
func (w writer) asks(a store.Action, q store.CardQuestion) string {
	switch {
	case q.Reason != "":
		return w.stored(q.Reason)
	case a.Content.Doubt != "":
		return "" // the doubt says it
	default:
		return w.T("%s is set to ask each time.", w.Known(a.Tool.Title()))
	}
}

// by names who decided.
func (w writer) by(q store.CardQuestion) string {
	switch q.By {
	case "debrief":
		return "Debrief"
	case "deadline":
		return w.T("nobody")
	default:
		return w.Known(q.By)
	}
}

// state says how far an action has come, with its reason.
func (w writer) state(a store.Action) string {
	reason := w.stored(a.Reason)
	with := func(text string) string {
		if reason == "" || a.Reason == string(a.State) {
			return text
		}
		return text + ": " + reason
	}
	switch a.State {
	case store.ActionWritten, store.ActionUnchanged:
		if w.undone[a.ID] {
			return w.T("Written, and undone since")
		}
	default:
	}
	if isReading(a) && a.State == store.ActionReady {
		return w.T("Permitted")
	}
	switch a.State {
	case store.ActionDenied:
		return with(w.T("Not permitted"))
	case store.ActionAsking:
		return w.T("Waits for an answer")
	case store.ActionReady:
		switch a.Reason {
		case "allowed", "approved", "edited", "":
			return w.T("Will be written")
		}
		return with(w.T("Not written yet"))
	case store.ActionWriting:
		return w.T("Being written")
	case store.ActionWritten:
		return with(w.T("Written"))
	case store.ActionUnchanged:
		return w.T("Was so already")
	case store.ActionFailed:
		return with(w.T("Could not be written"))
	case store.ActionUnknown:
		return w.T("Sent, and nobody knows whether it was written")
	case store.ActionRejected:
		return w.T("Rejected")
	case store.ActionExpired:
		return w.T("Nobody answered in time")
	case store.ActionSkipped:
		return with(w.T("Skipped"))
	case store.ActionWithdrawn:
		return with(w.T("Withdrawn"))
	default:
		return with(string(a.State))
	}
}

// stored writes sentences that were stored in English, each in the reader's
// language as far as there is a translation.
func (w writer) stored(sentences string) string {
	parts := strings.Split(sentences, "; ")
	for i, part := range parts {
		parts[i] = w.Known(part)
	}
	return strings.Join(parts, "; ")
}

// isReading says that an action is no write but the question whether records may be
// read: of the object types that its properties name.
func isReading(a store.Action) bool { return a.Tool.Operation == policy.Read }

// recordName names the record of an action, as the plan calls it.
func (w writer) recordName(a store.Action) string {
	if isReading(a) {
		objects := slices.Sorted(maps.Keys(a.Content.Properties))
		for i, object := range objects {
			objects[i] = w.Known(object)
		}
		return strings.Join(objects, ", ")
	}
	return cmp.Or(w.Known(a.Content.Label), w.Known(a.Tool.Object))
}

// recordURL is the page of a record in HubSpot, or nothing if it has none.
func (w writer) recordURL(object, id string) string {
	if w.facts.Connection == nil {
		return ""
	}
	return hubspot.RecordURL(w.facts.Connection.HubID, object, id)
}

// url opens an action's record; of a note, task or meeting the first record on
// whose timeline it is, once it is there.
func (w writer) url(a store.Action) string {
	id := cmp.Or(a.RecordID, a.TargetID)
	if own := w.recordURL(a.Tool.Object, id); own != "" || id == "" {
		return own
	}
	for _, ref := range a.Content.Associations {
		if there := w.recordURL(ref.Object, cmp.Or(ref.RecordID, w.byKey(ref.Key).RecordID)); there != "" {
			return there
		}
	}
	return ""
}

func (w writer) byKey(key string) store.Action {
	for _, a := range w.facts.Actions {
		if a.Key == key && key != "" {
			return a
		}
	}
	return store.Action{}
}

// links name the records that an action's is linked to.
func (w writer) links(a store.Action) []string {
	var names []string
	for _, ref := range a.Content.Associations {
		if ref.RecordID != "" {
			names = append(names, w.nameOf(ref.Object, ref.RecordID))
			continue
		}
		other := w.byKey(ref.Key)
		switch {
		case other.ID == uuid.Nil:
			names = append(names, w.T("a new record"))
		case other.RecordID != "":
			names = append(names, w.recordName(other))
		default:
			names = append(names, w.T("%s (new)", w.recordName(other)))
		}
	}
	return names
}

// nameOf names a record that HubSpot has.
func (w writer) nameOf(object, id string) string {
	r, ok := w.known.record(object, id)
	p := r.Properties
	name := ""
	switch object {
	case "contact":
		name = cmp.Or(strings.TrimSpace(p["firstname"]+" "+p["lastname"]), p["email"])
	case "company":
		name = cmp.Or(p["name"], p["domain"])
	case "deal":
		name = p["dealname"]
	case "ticket":
		name = p["subject"]
	}
	if !ok || name == "" {
		return w.Known(object) + " " + id
	}
	return name
}

func (w writer) evidence(all []meeting.Evidence) []Evidence {
	var out []Evidence
	for _, e := range all {
		at := ""
		switch {
		case e.OffsetSeconds >= 3600:
			at = clock(e.OffsetSeconds/3600) + ":" + clock(e.OffsetSeconds/60%60) + ":" + clock(e.OffsetSeconds%60)
		case e.OffsetSeconds > 0:
			at = clock(e.OffsetSeconds/60) + ":" + clock(e.OffsetSeconds%60)
		case e.Source == "summary":
			at = w.T("summary")
		case e.Source == "action_item":
			at = w.T("action item")
		case e.Source == "transcript":
			at = w.T("transcript")
		case e.Source == "notes":
			at = w.T("notes")
		}
		out = append(out, Evidence{Quote: e.Quote, Speaker: e.Speaker, At: at})
	}
	return out
}

// clock writes two digits.
func clock(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}

// automation warns of what the account's own workflows may do then.
func (w writer) automation(a store.Action) string {
	var about []string
	for _, name := range []string{"dealstage", "pipeline", "hs_pipeline_stage", "hs_pipeline", "lifecyclestage", "hs_lead_status"} {
		value, ok := a.Content.Properties[name]
		if ok && value != "" && value != a.Content.Before[name] {
			about = append(about, w.label(a.Tool.Object, name))
		}
	}
	if len(about) == 0 || a.Tool.Operation != policy.Create && a.Tool.Operation != policy.Update {
		return ""
	}
	return w.T("May start the account's own automation: %s.", strings.Join(about, ", "))
}

// hubID writes an account's ID: a name, not a quantity.
func hubID(id int64) string { return strconv.FormatInt(id, 10) }
