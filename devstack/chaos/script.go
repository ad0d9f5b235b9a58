package chaos

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/debriefhq/debrief/devstack"
)

// Preset is what an organization lets be done without a question.
type Preset string

// The presets that organizations take turns with.
const (
	HandsOff    Preset = "hands-off"   // everything, but not replacing a value
	Recommended Preset = "recommended" // logs, and asks before it makes a record
	AskAll      Preset = "ask"         // asks before anything is written
)

// asks says whether a question comes before a tool is used.
func (p Preset) asks(tool string) bool {
	switch p {
	case AskAll:
		return true
	case Recommended:
		return !slices.Contains([]string{"meeting.create", "note.create", "task.create", "meeting.update", "note.update", "task.update"}, tool)
	default:
		return tool == "contact.update" || tool == "note.update" // it replaces a value
	}
}

// Organization is one that a script is about.
type Organization struct {
	Name   string
	HubID  int64
	Preset Preset
	// Private: its app is one of its own, not one of the marketplace.
	Private bool
	// Expires is how long its questions wait; 0 is long.
	Expires time.Duration
}

// Verdict is what somebody says to a question.
type Verdict string

// The verdicts. Expire is nobody's: nothing is said until the deadline.
const (
	Approve Verdict = "approve"
	Edit    Verdict = "edit"
	Reject  Verdict = "reject"
	Expire  Verdict = "expire"
)

// Answer is what is said to the questions about one tool of a meeting.
type Answer struct {
	Verdict Verdict
	Way     string        // by which entrance first
	After   time.Duration // how long after it was asked
	// Set are the values of an edit.
	Set map[string]string
}

// Delivery is one webhook, sent until it is acknowledged.
type Delivery struct {
	ID string
	At time.Duration // after the load's beginning
	// Receiver is who gets it first; a sender goes to the next after each failure.
	Receiver int
	// Copies are sent at once, to both receivers; Again is once more after the 2xx.
	Copies int
	Again  bool
	Body   json.RawMessage
}

// Expected is a record that has to be at HubSpot in the end, once, and not where Not.
type Expected struct {
	Type string // plural, such as deals
	// By and Key recognize it: the value of a property, or a part of it where Within.
	By, Key string
	Within  bool
	// Values are what it has.
	Values map[string]string
	// Not: nothing like it may be there, since somebody rejected it.
	Not bool
	// Tool makes it.
	Tool string
}

// Guest is whom a meeting is with.
type Guest struct {
	Name, First, Email, Domain, Company string
	// Known: HubSpot has them, and their company.
	Known bool
}

// Meeting is one meeting of a script.
type Meeting struct {
	N            int
	Organization int // of the script's
	Name         string
	Title        string
	Guests       []Guest
	Shape        string
	Deliveries   []Delivery
	Answers      map[string]Answer // by tool
	Expected     []Expected
	Rounds       int
}

// Script is what a run plays, drawn from its seed.
type Script struct {
	Seed          uint64
	Organizations []Organization
	Meetings      []Meeting
	Bookings      []Booking
}

// Words that stand in what is said and nowhere else: they must be found neither in a
// log nor in Temporal. No text of Debrief's own has them.
const (
	wordTitle   = "Tamberquill"
	wordSummary = "Osterwhistle"
	wordTask    = "Plinthmoss"
	wordSaid    = "Gorsebarrow"
	wordDeal    = "Wexlinnet"
	wordTicket  = "Fallowspindle"
	wordName    = "Ottoline"
	wordCompany = "Marlowhythe"
)

// Canaries are all of them.
func Canaries() []string {
	return []string{wordTitle, wordSummary, wordTask, wordSaid, wordDeal, wordTicket, wordName, wordCompany}
}

// The entrances by which questions are answered.
const (
	ByPage    = "page"
	ByPageAll = "page, all"
	ByCommand = "command"
	BySlack   = "slack"
	ByUpdate  = "temporal, update"
	BySignal  = "temporal, signal"
)

var shapes = []struct {
	name   string
	weight int
}{
	{"known", 4}, {"newcomer", 4}, {"deal", 4}, {"ticket", 3}, {"full", 4}, {"shared", 2}, {"update", 3},
}

// HubBase is before the IDs of the organizations' HubSpot accounts.
const hubBase = 6_100_000

// Draw draws a script: rate follow-ups a second for as long as load. began is the real
// time that meetings' times are told by; nothing else depends on it.
func Draw(seed uint64, organizations int, load time.Duration, rate float64, began time.Time) (Script, error) {
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a draw that can be repeated
	s := Script{Seed: seed}
	for i := range organizations {
		s.Organizations = append(s.Organizations, Organization{
			Name: fmt.Sprintf("chaos-%d", i), HubID: hubBase + int64(i),
			Preset:  []Preset{HandsOff, Recommended, AskAll, Recommended}[i%4],
			Private: i%3 == 1,
			Expires: map[bool]time.Duration{true: expiresAfter}[i%5 == 3],
		})
	}
	n := max(int(rate*load.Seconds()), 1)
	for i := range n {
		at := time.Duration(float64(i) / float64(n) * float64(load))
		m := Meeting{N: i, Organization: r.IntN(organizations), Name: fmt.Sprintf("m%05d", i)}
		d := &drawing{r: r, m: &m, org: s.Organizations[m.Organization], began: began, at: at, before: s.Meetings}
		if err := d.draw(); err != nil {
			return Script{}, fmt.Errorf("drawing meeting %d: %w", i, err)
		}
		s.Meetings = append(s.Meetings, m)
	}
	var err error
	s.Bookings, err = drawBookings(seed, organizations, load, began)
	return s, err
}

// Names finds a meeting's delivery by its ID.
func (s Script) Names() map[string]int {
	names := map[string]int{}
	for i, m := range s.Meetings {
		for _, d := range m.Deliveries {
			names[d.ID] = i
		}
	}
	return names
}

// drawing draws one meeting.
type drawing struct {
	r      *rand.Rand
	m      *Meeting
	org    Organization
	began  time.Time
	at     time.Duration
	before []Meeting

	data    map[string]any
	met     bool // another meeting was with the guest, too
	hasTask bool
}

func (d *drawing) draw() error {
	total := 0
	for _, s := range shapes {
		total += s.weight
	}
	pick := d.r.IntN(total)
	for _, s := range shapes {
		if pick -= s.weight; pick < 0 {
			d.m.Shape = s.name
			break
		}
	}
	d.m.Title = fmt.Sprintf("%s %s", wordTitle, d.m.Name)
	d.m.Answers = map[string]Answer{}
	d.guests()
	d.tell()
	d.expectLog()
	d.propose()
	d.answer()
	return d.deliveries()
}

func guestOf(name string, known bool) Guest {
	return Guest{
		Name: wordName + " " + name, First: wordName, Email: "guest@" + name + ".example", Domain: name + ".example",
		Company: wordCompany + " " + name, Known: known,
	}
}

func (d *drawing) guests() {
	switch d.m.Shape {
	case "newcomer", "full":
		d.m.Guests = []Guest{guestOf(d.m.Name, false)}
	case "shared":
		// With somebody new whom the meeting before in this organization is with, too.
		d.m.Guests = []Guest{guestOf(d.m.Name, false)}
		for i := len(d.before) - 1; i >= 0 && i >= len(d.before)-40; i-- {
			if b := d.before[i]; b.Organization == d.m.Organization && !b.Guests[0].Known {
				d.m.Guests, d.met = b.Guests[:1:1], true
				break
			}
		}
	default:
		d.m.Guests = []Guest{guestOf(d.m.Name, true)}
	}
}

func (d *drawing) tell() {
	// Each at a time of its own: HubSpot's meetings are recognized by who and when.
	start := d.began.Add(-3*time.Hour - time.Duration(d.m.N)*20*time.Minute).UTC().Truncate(time.Minute)
	attendees := []map[string]any{{"name": "Mara Lindqvist", "email": "mara@brightwater.example", "role": "host", "attended": true}}
	for _, g := range d.m.Guests {
		attendees = append(attendees, map[string]any{"name": g.Name, "email": g.Email, "role": "guest", "attended": true})
	}
	d.data = map[string]any{
		"keys":  map[string]any{"instance_id": "instance-" + d.m.Name},
		"title": d.m.Title, "actual_start": start.Format(time.RFC3339), "actual_end": start.Add(15 * time.Minute).Format(time.RFC3339),
		"organizer": map[string]any{"name": "Mara Lindqvist", "email": "mara@brightwater.example"},
		"attendees": attendees,
		"summary":   map[string]any{"format": "markdown", "text": fmt.Sprintf("They want the %s of %s.", wordSummary, d.m.Name)},
	}
	// A task that HubSpot has open for the same people may be the same: whom another
	// meeting was with, too, gets none here.
	if d.hasTask = !d.met; d.hasTask {
		d.data["action_items"] = []map[string]any{d.item(1)}
	}
}

func (d *drawing) item(n int) map[string]any {
	return map[string]any{"id": fmt.Sprintf("item-%d", n), "text": d.task(n), "assignee_email": "mara@brightwater.example"}
}

func (d *drawing) task(n int) string {
	return fmt.Sprintf("Send part %d of the %s %s", n, wordTask, d.m.Name)
}

func (d *drawing) expect(e Expected) { d.m.Expected = append(d.m.Expected, e) }

// expectLog is what every meeting leaves.
func (d *drawing) expectLog() {
	d.expect(Expected{Type: "meetings", By: "hs_meeting_title", Key: d.m.Title, Tool: "meeting.create"})
	d.expect(Expected{Type: "notes", By: "hs_note_body", Key: wordSummary + " of " + d.m.Name, Within: true, Tool: "note.create"})
	if d.hasTask {
		d.expect(Expected{Type: "tasks", By: "hs_task_subject", Key: d.task(1), Tool: "task.create"})
	}
	for _, g := range d.m.Guests {
		if !g.Known {
			d.expect(Expected{Type: "contacts", By: "email", Key: g.Email, Tool: "contact.create", Values: map[string]string{"firstname": g.First}})
			d.expect(Expected{Type: "companies", By: "domain", Key: g.Domain, Tool: "company.create"})
		}
	}
}

// propose has the platform propose what the shape says.
func (d *drawing) propose() {
	switch d.m.Shape {
	case "deal":
		d.proposeDeal()
	case "ticket":
		d.proposeTicket()
	case "full":
		d.proposeDeal()
		d.proposeTicket()
	case "update":
		d.proposeUpdate()
	}
}

func (d *drawing) proposed(proposal map[string]any, e Expected) {
	before, _ := d.data["proposed_actions"].([]map[string]any)
	d.data["proposed_actions"] = append(slices.Clone(before), proposal)
	d.expect(e)
}

func (d *drawing) proposeDeal() {
	guest, name, amount := d.m.Guests[0], fmt.Sprintf("%s %s", wordDeal, d.m.Name), fmt.Sprint(10_000+d.m.N)
	d.proposed(map[string]any{
		"tool": "deal.create", "ref": "deal", "properties": map[string]any{"dealname": name, "amount": amount, "deal_currency_code": "EUR"},
		"associate_with": []map[string]any{{"email": guest.Email}},
		"evidence":       []map[string]any{{"quote": fmt.Sprintf("%s: that would be a deal, %s, of %s EUR", wordSaid, name, amount), "speaker": guest.Name}},
	}, Expected{Type: "deals", By: "dealname", Key: name, Tool: "deal.create", Values: map[string]string{"amount": amount}})
}

func (d *drawing) proposeTicket() {
	guest, subject := d.m.Guests[0], fmt.Sprintf("%s %s", wordTicket, d.m.Name)
	d.proposed(map[string]any{
		"tool": "ticket.create", "ref": "ticket", "properties": map[string]any{"subject": subject},
		"associate_with": []map[string]any{{"email": guest.Email}},
		"evidence":       []map[string]any{{"quote": fmt.Sprintf("%s: please open a ticket, %s", wordSaid, subject), "speaker": guest.Name}},
	}, Expected{Type: "tickets", By: "subject", Key: subject, Tool: "ticket.create"})
}

func (d *drawing) proposeUpdate() {
	guest, title := d.m.Guests[0], "Keeper of "+d.m.Name
	d.proposed(map[string]any{
		"tool": "contact.update", "ref": "contact", "target": map[string]any{"email": guest.Email}, "properties": map[string]any{"jobtitle": title},
		"evidence": []map[string]any{{"quote": fmt.Sprintf("I am %s now", title), "speaker": guest.Name}},
	}, Expected{Type: "contacts", By: "email", Key: guest.Email, Tool: "contact.update", Values: map[string]string{"jobtitle": title}})
}

// expiresAfter is how long questions wait where they don't wait long.
const expiresAfter = 30 * time.Second

// inSlack is the one organization whose people are asked in Slack: it simulates one
// workspace.
const inSlack = 1

var ways = []string{ByPage, ByPageAll, ByCommand, BySlack, ByUpdate, BySignal}

// answer says what is answered to what is asked.
func (d *drawing) answer() {
	for i, e := range d.m.Expected {
		if !d.org.Preset.asks(e.Tool) {
			continue
		}
		if _, done := d.m.Answers[e.Tool]; done {
			continue
		}
		way := ways[d.r.IntN(len(ways))]
		if way == BySlack && d.m.Organization != inSlack {
			way = ByPage
		}
		a := Answer{Verdict: Approve, Way: way, After: time.Duration(d.r.ExpFloat64() * float64(2*time.Second))}
		draw := d.r.IntN(10)
		switch e.Tool {
		case "deal.create":
			if draw < 2 {
				a.Verdict = Reject
			} else if draw < 5 {
				amount := fmt.Sprint(70_000 + d.m.N)
				a.Verdict, a.Set = Edit, map[string]string{"amount": amount}
				d.m.Expected[i].Values = map[string]string{"amount": amount}
			}
		case "ticket.create", "task.create", "contact.update":
			if draw < 3 {
				a.Verdict = Reject
			}
		}
		if a.Verdict == Reject && d.org.Expires > 0 && d.r.IntN(2) == 0 {
			a.Verdict = Expire
		}
		if a.Verdict == Reject || a.Verdict == Expire {
			d.m.Expected[i].Not = true
		}
		if a.Verdict != Approve {
			a.Way = []string{ByPage, ByCommand, ByUpdate, BySignal}[d.r.IntN(4)]
		}
		d.m.Answers[e.Tool] = a
	}
}

// deliveries says how the meeting is told of.
func (d *drawing) deliveries() error {
	first, _ := time.Parse(time.RFC3339, d.data["actual_end"].(string)) //nolint:forcetypeassert,errcheck // written above
	add := func(kind string, after time.Duration, data map[string]any) error {
		at := first.Add(time.Duration(len(d.m.Deliveries)+1) * time.Minute)
		if len(data) > 2 {
			if err := devstack.Quoted(data); err != nil {
				return err
			}
		}
		body, err := json.Marshal(map[string]any{"type": kind, "timestamp": at.Format(time.RFC3339), "data": data})
		if err != nil {
			return fmt.Errorf("encoding an event: %w", err)
		}
		d.m.Deliveries = append(d.m.Deliveries, Delivery{
			ID: fmt.Sprintf("%s-%d", d.m.Name, len(d.m.Deliveries)+1), At: d.at + after, Receiver: d.r.IntN(2),
			Copies: 1 + d.r.IntN(6)/5, Again: d.r.IntN(5) == 0, Body: body,
		})
		return nil
	}
	if d.r.IntN(2) == 0 { // it ended, and then the notes come, or the other way round; or much later
		ended := map[string]any{}
		for _, name := range []string{"keys", "title", "actual_start", "actual_end", "organizer", "attendees"} {
			ended[name] = d.data[name]
		}
		after := time.Duration(d.r.IntN(3000)) * time.Millisecond
		if d.r.IntN(8) == 0 {
			after += time.Duration(4+d.r.IntN(10)) * time.Second
		}
		if err := add("meeting.ended", after, ended); err != nil {
			return err
		}
	}
	after := time.Duration(d.r.IntN(1500)) * time.Millisecond
	if err := add("meeting.notes_ready", after, d.data); err != nil {
		return err
	}
	d.m.Rounds = []int{1, 1, 1, 1, 1, 1, 2, 2, 2, 3}[d.r.IntN(10)]
	for round := 2; round <= d.m.Rounds; round++ {
		d.revise(round)
		after += time.Duration(3000+d.r.IntN(9000)) * time.Millisecond
		if err := add("meeting.notes_updated", after, d.data); err != nil {
			return err
		}
	}
	if last := len(d.m.Deliveries) - 1; d.m.Rounds > 1 && d.r.IntN(4) == 0 {
		// The latest comes first.
		d.m.Deliveries[last].At, d.m.Deliveries[last-1].At = d.m.Deliveries[last-1].At, d.m.Deliveries[last].At
	}
	return nil
}

// revise has the notes say more than before.
func (d *drawing) revise(round int) {
	d.data = maps.Clone(d.data)
	said := fmt.Sprintf("Revision %d of %s", round, d.m.Name)
	d.data["summary"] = map[string]any{"format": "markdown", "text": fmt.Sprintf("They want the %s of %s. %s.", wordSummary, d.m.Name, said)}
	// Only the last one is there in the end.
	d.m.Expected = slices.DeleteFunc(d.m.Expected, func(e Expected) bool { return e.Tool == "note.update" })
	d.expect(Expected{Type: "notes", By: "hs_note_body", Key: said, Within: true, Tool: "note.update"})
	if round == 2 {
		switch d.m.Shape {
		case "known", "newcomer", "deal", "update":
			d.proposeTicket()
		case "ticket":
			d.proposeDeal()
		}
	}
	d.answer()
	if d.org.Preset.asks("meeting.update") { // its body says what the notes say
		d.m.Answers["meeting.update"] = Answer{Verdict: Approve, Way: ByPage}
	}
}
