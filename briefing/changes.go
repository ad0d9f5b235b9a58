package briefing

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/hubspot"
)

// ChangeKind is what changed.
type ChangeKind string

// What matters to somebody who was told already. That time goes by changes ages, days in
// a stage, and what is late: none of these.
const (
	Moved          ChangeKind = "moved"        // Old and New are start and end, see [ChangeLines]
	PlaceChanged   ChangeKind = "place"        // New is an address
	Joins          ChangeKind = "joins"        // Name is coming, too
	Leaves         ChangeKind = "leaves"       // Name is no longer invited
	Declines       ChangeKind = "declines"     // Name has declined
	CRMBack        ChangeKind = "crm_back"     // what could not be read then, could be now
	OwnerChanged   ChangeKind = "owner"        // New is a name, or empty
	DealAppears    ChangeKind = "deal"         // New is its stage
	DealStage      ChangeKind = "deal_stage"   // labels; how it ended, too
	DealAmount     ChangeKind = "deal_amount"  // "42000 EUR"
	DealCloses     ChangeKind = "deal_closes"  // days
	DealGone       ChangeKind = "deal_gone"    // no longer linked to any of them, or deleted
	TicketAppears  ChangeKind = "ticket"       // New is its state
	TicketState    ChangeKind = "ticket_state" // closed, or open again
	TicketPriority ChangeKind = "ticket_priority"
	NoteAppears    ChangeKind = "note" // Name is the author's, New what it says
)

// Change is one thing that is not as it was told. Values are raw; [ChangeLines] puts them
// into words.
type Change struct {
	Kind   ChangeKind `json:"kind"`
	Record Record     `json:"record,omitzero"`
	// ContactID is on whose timeline a note is.
	ContactID string `json:"contact_id,omitempty"`
	Name      string `json:"name,omitempty"`
	Old       string `json:"old,omitempty"`
	New       string `json:"new,omitempty"`
}

// Changes finds what is worth telling to somebody who was told before: nothing of what
// one of the two could not read, and nothing that only came into or fell out of bounds.
func Changes(before, after Brief) []Change {
	c := comparer{before: before, after: after}
	c.meeting()
	c.guests()
	switch {
	case after.CRMMissing != "":
	case before.CRMMissing != "":
		c.add(Change{Kind: CRMBack})
	default:
		c.owners()
		c.deals()
		c.tickets()
		c.notes()
	}
	return c.out
}

// Knowing is a brief with what another one of the same meeting says of the meeting alone:
// when, where, and who is coming. What it says of the CRM stays, and is as old as it was.
func (b Brief) Knowing(now Brief) Brief {
	known := map[string]Person{}
	for _, p := range b.People {
		known[p.key()] = p
	}
	now.Meeting.RecordID = b.Meeting.RecordID
	b.Meeting, b.Others, b.Colleagues = now.Meeting, now.Others, now.Colleagues
	b.People = nil
	for _, p := range now.People {
		if was, ok := known[p.key()]; ok {
			was.Response = p.Response
			p = was
		}
		b.People = append(b.People, p)
	}
	return b
}

type comparer struct {
	before, after Brief
	// sameGuests: nobody came or left, so that what is gone is not gone with them.
	sameGuests bool
	out        []Change
}

func (c *comparer) add(change Change) { c.out = append(c.out, change) }

// both says that both briefs could read an object type.
func (c *comparer) both(object string) bool {
	return !c.before.denies(object) && !c.after.denies(object)
}

// whole says that both read all there was of it.
func (c *comparer) whole(object string) bool {
	return !slices.Contains(c.before.Cut, object) && !slices.Contains(c.after.Cut, object)
}

func (c *comparer) meeting() {
	old, now := c.before.Meeting, c.after.Meeting
	if !old.Start.Equal(now.Start) || !old.End.Equal(now.End) && !old.End.IsZero() && !now.End.IsZero() {
		c.add(Change{Kind: Moved, Old: span(old), New: span(now)})
	}
	if place := web(now.JoinURL); place != "" && place != web(old.JoinURL) {
		c.add(Change{Kind: PlaceChanged, New: place})
	}
}

// span writes start and end as [readSpan] reads them.
func span(m Meeting) string {
	return m.Start.UTC().Format(time.RFC3339) + "/" + m.End.UTC().Format(time.RFC3339)
}

func readSpan(s string) (start, end time.Time) {
	from, to, _ := strings.Cut(s, "/")
	start, _ = time.Parse(time.RFC3339, from)
	end, _ = time.Parse(time.RFC3339, to)
	return start, end
}

// key tells guests apart: by address, or else by name.
func (g Guest) key() string { return cmp.Or(g.Email, "name:"+strings.ToLower(g.Name)) }

// invited are all guests by their keys.
func (b Brief) invited() map[string]Person {
	all := map[string]Person{}
	for _, g := range b.Others {
		all[g.key()] = Person{Guest: g}
	}
	for _, p := range b.People {
		all[p.key()] = p
	}
	return all
}

func (c *comparer) guests() {
	old, now := c.before.invited(), c.after.invited()
	c.sameGuests = len(old) == len(now)
	for _, key := range sorted(now) {
		p := now[key]
		was, known := old[key]
		name := oneLine(p.label(), longestName)
		declined := func(p Person) bool { return strings.EqualFold(p.Response, "declined") }
		switch {
		case !known && !declined(p):
			c.sameGuests = false
			c.add(Change{Kind: Joins, Name: name, Record: p.record()})
		case known && declined(p) && !declined(was):
			c.add(Change{Kind: Declines, Name: name, Record: p.record()})
		}
	}
	for _, key := range sorted(old) {
		if _, known := now[key]; !known {
			c.sameGuests = false
			c.add(Change{Kind: Leaves, Name: oneLine(old[key].label(), longestName), Record: old[key].record()})
		}
	}
}

func (p Person) record() Record {
	if p.ContactID == "" {
		return Record{}
	}
	return Record{Object: "contact", ID: p.ContactID}
}

// owned is a record that belongs to somebody.
type owned struct {
	name  string
	owner Owner
}

func (b Brief) owned() map[Record]owned {
	all := map[Record]owned{}
	for _, p := range b.People {
		if p.ContactID != "" {
			all[p.record()] = owned{p.label(), p.Owner}
		}
	}
	for _, company := range b.Companies {
		all[Record{Object: "company", ID: company.ID}] = owned{company.Name, company.Owner}
	}
	for _, d := range b.Deals {
		if !d.Closed {
			all[Record{Object: "deal", ID: d.ID}] = owned{d.Name, d.Owner}
		}
	}
	for _, t := range b.Tickets {
		if !t.Closed {
			all[Record{Object: "ticket", ID: t.ID}] = owned{t.Subject, t.Owner}
		}
	}
	return all
}

func (c *comparer) owners() {
	if !c.both("owner") {
		return
	}
	old, now := c.before.owned(), c.after.owned()
	for _, r := range slices.SortedFunc(maps.Keys(now), compareRecords) {
		if was, known := old[r]; known && was.owner.ID != now[r].owner.ID {
			c.add(Change{Kind: OwnerChanged, Record: r, Name: now[r].name, Old: was.owner.Name, New: cmp.Or(now[r].owner.Name, now[r].owner.ID)})
		}
	}
}

func compareRecords(a, b Record) int {
	return cmp.Or(cmp.Compare(a.Object, b.Object), hubspot.CompareIDs(a.ID, b.ID))
}

func (c *comparer) deals() {
	if !c.both("deal") {
		return
	}
	whole := c.whole("deal") && len(c.before.Deals) < MostRecords && len(c.after.Deals) < MostRecords
	for _, d := range c.after.Deals {
		r := Record{Object: "deal", ID: d.ID}
		at := slices.IndexFunc(c.before.Deals, func(was Deal) bool { return was.ID == d.ID })
		if at < 0 {
			if !d.Closed && whole {
				c.add(Change{Kind: DealAppears, Record: r, Name: of(d.Name, d.Company), New: d.Stage})
			}
			continue
		}
		was := c.before.Deals[at]
		if was.StageID != d.StageID {
			c.add(Change{Kind: DealStage, Record: r, Name: d.Name, Old: was.Stage, New: d.Stage})
		}
		if d.Closed {
			continue
		}
		if was.Amount != d.Amount && !hubspot.SameNumber(was.Amount, d.Amount) || was.Currency != d.Currency {
			c.add(Change{Kind: DealAmount, Record: r, Name: d.Name, Old: was.price(), New: d.price()})
		}
		if was.Closes != d.Closes {
			c.add(Change{Kind: DealCloses, Record: r, Name: d.Name, Old: was.Closes, New: d.Closes})
		}
	}
	for _, was := range c.before.Deals {
		gone := !slices.ContainsFunc(c.after.Deals, func(d Deal) bool { return d.ID == was.ID })
		if gone && !was.Closed && whole && c.sameGuests {
			c.add(Change{Kind: DealGone, Record: Record{Object: "deal", ID: was.ID}, Name: was.Name})
		}
	}
}

// price is an amount with its currency, as [View.price] reads it; empty without one.
func (d Deal) price() string {
	if d.Amount == "" {
		return ""
	}
	return strings.TrimSpace(d.Amount + " " + d.Currency)
}

func (c *comparer) tickets() {
	if !c.both("ticket") {
		return
	}
	whole := c.whole("ticket") && len(c.before.Tickets) < MostRecords && len(c.after.Tickets) < MostRecords
	for _, t := range c.after.Tickets {
		r := Record{Object: "ticket", ID: t.ID}
		at := slices.IndexFunc(c.before.Tickets, func(was Ticket) bool { return was.ID == t.ID })
		if at < 0 {
			if !t.Closed && whole {
				c.add(Change{Kind: TicketAppears, Record: r, Name: of(t.Subject, t.Company), New: t.State})
			}
			continue
		}
		was := c.before.Tickets[at]
		if was.Closed != t.Closed {
			c.add(Change{Kind: TicketState, Record: r, Name: t.Subject, Old: was.State, New: t.State})
		}
		if was.Priority != t.Priority && !t.Closed {
			c.add(Change{Kind: TicketPriority, Record: r, Name: t.Subject, Old: was.Priority, New: t.Priority})
		}
	}
}

// notes are new where they were made since: one that is older came into the brief with
// somebody who joins, or because a newer one was deleted.
func (c *comparer) notes() {
	if !c.both("note") {
		return
	}
	for _, e := range c.after.History {
		r := Record{Object: "note", ID: e.RecordID}
		if e.Kind == Noted && e.Created.After(c.before.At) && !slices.Contains(c.before.Records, r) {
			c.add(Change{Kind: NoteAppears, Record: r, ContactID: e.ContactID, Name: e.By, New: e.Text})
		}
	}
}

func sorted(people map[string]Person) []string {
	return slices.Sorted(maps.Keys(people))
}

// ChangeLines puts changes into words. after is the brief as it is now.
func ChangeLines(changes []Change, after Brief, v View) []Line {
	var lines []Line
	for _, c := range changes {
		l := Line{Kind: Fact, Text: v.change(c), Record: c.Record, Link: hubspot.RecordURL(after.Account.HubID, c.Record.Object, c.Record.ID)}
		if c.Kind == NoteAppears {
			l.Link = hubspot.RecordURL(after.Account.HubID, "contact", c.ContactID)
		}
		if l.Link == "" {
			l.Link = v.page("/meetings/", after.Meeting.ID)
		}
		lines = append(lines, l)
	}
	return lines
}

func (v View) change(c Change) string {
	switch c.Kind {
	case Moved:
		return v.T("Moved from %s to %s", v.span(c.Old), v.span(c.New))
	case PlaceChanged:
		return v.T("New place: %s", web(c.New))
	case Joins:
		return v.T("%s is coming, too", c.Name)
	case Leaves:
		return v.T("%s is no longer coming", c.Name)
	case Declines:
		return v.T("%s has declined", c.Name)
	case CRMBack:
		return v.T("HubSpot can be read again.")
	case OwnerChanged:
		return v.T("%s: new owner %s", c.Name, cmp.Or(c.New, v.T("nobody")))
	case DealAppears:
		return v.T("Open deal that was not in the brief: %s", list(", ", c.Name, c.New))
	case DealStage, TicketState:
		return v.T("%s: stage %s, before %s", c.Name, v.value(c.New), v.value(c.Old))
	case DealAmount:
		return v.T("%s: amount %s, before %s", c.Name, v.value(v.price(c.New)), v.value(v.price(c.Old)))
	case DealCloses:
		return v.T("%s: closes on %s, before %s", c.Name, v.value(v.date(c.New)), v.value(v.date(c.Old)))
	case DealGone:
		return v.T("%s: no longer linked to them", c.Name)
	case TicketAppears:
		return v.T("Open ticket that was not in the brief: %s", list(", ", c.Name, c.New))
	case TicketPriority:
		return v.T("%s: priority %s, before %s", c.Name, v.value(v.priority(c.New)), v.value(v.priority(c.Old)))
	case NoteAppears:
		if c.Name == "" {
			return v.T("New note: %s", c.New)
		}
		return v.T("New note by %s: %s", c.Name, c.New)
	default:
		return oneLine(string(c.Kind), longestName)
	}
}

// value stands for none, too.
func (v View) value(s string) string { return cmp.Or(s, v.T("not set")) }

func (v View) span(s string) string {
	start, end := readSpan(s)
	return v.Day(start.In(v.zone())) + ", " + v.Span(start.In(v.zone()), end)
}

func (v View) price(s string) string {
	amount, currency, _ := strings.Cut(s, " ")
	return v.money(Deal{Amount: amount, Currency: currency})
}

func (v View) date(s string) string {
	day, err := hubspot.ParseDate(s)
	if err != nil {
		return ""
	}
	return v.Date(day.In(time.UTC))
}
