package briefing

import (
	"cmp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/debriefhq/debrief/hubspot"
)

const (
	// sameTime is how far apart two starts of one meeting may be: calendars round.
	sameTime = 15 * time.Minute
	// How long a name, and a text, may be that somebody wrote.
	longestName = 120
	longestText = 300
	// mostOthers are kept of those who are not looked up, and of colleagues.
	mostOthers = 200
)

// Brief makes one meeting's brief of what was read for it.
func (r *Reading) Brief(in Input) Brief {
	c := composer{in: in, r: r, out: Brief{
		Meeting: in.Meeting, Account: in.Account, At: in.At, MayCreate: in.MayCreate, CRMMissing: in.CRMMissing,
		Colleagues: lines(in.Colleagues[:min(len(in.Colleagues), mostOthers)], longestName),
	}}
	for _, g := range in.External[len(lookedUp(in)):min(len(in.External), MostPeople+mostOthers)] {
		c.out.Others = append(c.out.Others, tidy(g))
	}
	c.out.Meeting.Title = oneLine(in.Meeting.Title, longestText)
	if in.CRMMissing != "" {
		c.r = &Reading{}
	}
	c.people()
	c.companies()
	c.deals()
	c.tickets()
	c.history()
	c.knownBy()
	c.approvals()
	c.gaps()
	c.out.NoteDenied = in.NoteDenied && c.out.Meeting.RecordID != ""
	slices.SortFunc(c.out.Records, compareRecords)
	c.out.Records = slices.Compact(c.out.Records)
	return c.out
}

type composer struct {
	in  Input
	r   *Reading
	out Brief
	// ours are the contacts and companies of this meeting.
	ours []Record
	// missed are object types of which something is missing.
	missed []string
}

// may says that an object type may be shown in this brief.
func (c *composer) may(object string) bool { return !slices.Contains(c.in.Denied, readTool(object)) }

// record is a record that was read and may be shown.
func (c *composer) record(object, id string) (hubspot.Record, bool) {
	if !c.may(object) {
		return hubspot.Record{}, false
	}
	record, ok := c.r.records[object][id]
	if ok {
		c.out.Records = append(c.out.Records, Record{Object: object, ID: id})
	}
	return record, ok
}

func (c *composer) owner(record hubspot.Record) Owner {
	id := record.Properties["hubspot_owner_id"]
	if id == "" || !c.may("owner") {
		return Owner{}
	}
	return Owner{ID: id, Name: oneLine(c.r.owners[id], longestName)}
}

func (c *composer) people() {
	for _, g := range lookedUp(c.in) {
		p := Person{Guest: tidy(g)}
		if contact, ok := c.record("contact", c.r.emails[g.Email]); ok {
			p.ContactID = contact.ID
			c.ours = append(c.ours, Record{Object: "contact", ID: contact.ID})
			known := contact.Properties
			p.Name = cmp.Or(oneLine(known["firstname"]+" "+known["lastname"], longestName), p.Name)
			p.JobTitle = cmp.Or(oneLine(known["jobtitle"], longestName), p.JobTitle)
			p.Owner = c.owner(contact)
			if at, err := hubspot.ParseDateTime(known["notes_last_contacted"]); err == nil && !at.After(c.in.At) {
				p.LastContact = at
			}
		}
		if id := c.companyOf(g); id != "" {
			if _, ok := c.record("company", id); ok {
				p.CompanyID = id
			}
		}
		c.out.People = append(c.out.People, p)
	}
}

func tidy(g Guest) Guest {
	g.Name, g.JobTitle = oneLine(g.Name, longestName), oneLine(g.JobTitle, longestName)
	return g
}

// companyOf is a guest's company; without leave to read contacts, only their domain leads
// to it.
func (c *composer) companyOf(g Guest) string {
	if c.may("contact") {
		return c.r.companyOf(c.in, g)
	}
	strangers := &Reading{records: map[string]map[string]hubspot.Record{"company": c.r.records["company"]}}
	return strangers.companyOf(c.in, g)
}

func (c *composer) companies() {
	for _, p := range c.out.People {
		if p.CompanyID == "" || slices.ContainsFunc(c.out.Companies, func(known Company) bool { return known.ID == p.CompanyID }) {
			continue
		}
		record := c.r.records["company"][p.CompanyID]
		known := record.Properties
		c.ours = append(c.ours, Record{Object: "company", ID: record.ID})
		c.out.Companies = append(c.out.Companies, Company{
			ID: record.ID, Name: cmp.Or(oneLine(known["name"], longestName), oneLine(known["domain"], longestName)), Domain: oneLine(known["domain"], longestName),
			Industry: c.label("industry", known["industry"]), Lifecycle: c.label("lifecyclestage", known["lifecyclestage"]),
			Employees: known["numberofemployees"], Owner: c.owner(record),
		})
	}
}

// label is what the account calls a value, else the value as HubSpot writes its own:
// COMPUTER_SOFTWARE.
func (c *composer) label(property, value string) string {
	if label := oneLine(c.r.labels[property][value], longestName); label != "" {
		return label
	}
	text := strings.ReplaceAll(oneLine(value, longestName), "_", " ")
	if text == "" || text != strings.ToUpper(text) {
		return text
	}
	_, first := utf8.DecodeRuneInString(text)
	return text[:first] + strings.ToLower(text[first:])
}

// linked are the records of a type that belong to this meeting's people and companies.
func (c *composer) linked(object string) []hubspot.Record {
	if !c.may(object) {
		return nil
	}
	var ids []string
	for _, from := range c.ours {
		if c.r.partial[from][object] {
			c.missed = append(c.missed, object)
		}
		ids = append(ids, c.r.links[from][object]...)
	}
	var records []hubspot.Record
	for _, id := range unique(ids) {
		if c.r.left[Record{Object: object, ID: id}] {
			c.missed = append(c.missed, object)
		}
		if record, ok := c.record(object, id); ok {
			records = append(records, record)
		}
	}
	return records
}

// company names the company that a record belongs to.
func (c *composer) company(object, id string) string {
	for _, company := range c.out.Companies {
		if slices.Contains(c.r.links[Record{Object: "company", ID: company.ID}][object], id) {
			return company.Name
		}
	}
	for _, p := range c.out.People {
		if p.ContactID == "" || !slices.Contains(c.r.links[Record{Object: "contact", ID: p.ContactID}][object], id) {
			continue
		}
		for _, company := range c.out.Companies {
			if company.ID == p.CompanyID {
				return company.Name
			}
		}
	}
	return ""
}

func (c *composer) deals() {
	for _, record := range c.linked("deal") {
		known := record.Properties
		d := Deal{
			ID: record.ID, Name: cmp.Or(oneLine(known["dealname"], longestName), record.ID), StageID: known["dealstage"],
			Amount: known["amount"], Currency: strings.ToUpper(cmp.Or(known["deal_currency_code"], c.in.Account.Currency)),
			NextStep: oneLine(known["hs_next_step"], longestText), Owner: c.owner(record), Company: c.company("deal", record.ID),
		}
		d.Stage, d.Closed = c.stage("deal", d.StageID)
		if day, err := hubspot.ParseDate(known["closedate"]); err == nil {
			d.Closes = day.String()
		}
		for _, version := range record.History["dealstage"] {
			if version.Value != d.StageID {
				break
			}
			d.Since = version.Timestamp // the oldest of the newest that say this stage
		}
		c.out.Deals = append(c.out.Deals, d)
	}
	slices.SortStableFunc(c.out.Deals, func(a, b Deal) int {
		if a.Closed && b.Closed {
			return cmp.Or(cmp.Compare(b.Closes, a.Closes), hubspot.CompareIDs(b.ID, a.ID)) // the latest
		}
		return cmp.Or(openFirst(a.Closed, b.Closed), emptyLast(a.Closes, b.Closes), hubspot.CompareIDs(b.ID, a.ID))
	})
	c.out.Deals = keepMost(c.out.Deals, func(d Deal) bool { return d.Closed })
}

func (c *composer) tickets() {
	for _, record := range c.linked("ticket") {
		known := record.Properties
		t := Ticket{
			ID: record.ID, Subject: cmp.Or(oneLine(known["subject"], longestName), record.ID), StateID: known["hs_pipeline_stage"],
			Priority: oneLine(known["hs_ticket_priority"], longestName), Opened: record.CreatedAt, Owner: c.owner(record), Company: c.company("ticket", record.ID),
		}
		t.State, t.Closed = c.stage("ticket", t.StateID)
		if at, err := hubspot.ParseDateTime(known["createdate"]); err == nil {
			t.Opened = at
		}
		c.out.Tickets = append(c.out.Tickets, t)
	}
	slices.SortStableFunc(c.out.Tickets, func(a, b Ticket) int {
		return cmp.Or(openFirst(a.Closed, b.Closed), cmp.Compare(urgency(a.Priority), urgency(b.Priority)), a.Opened.Compare(b.Opened), hubspot.CompareIDs(a.ID, b.ID))
	})
	c.out.Tickets = keepMost(c.out.Tickets, func(t Ticket) bool { return t.Closed })
}

// stage is what a stage is called. One that no pipeline has counts as open.
func (c *composer) stage(object, id string) (label string, closed bool) {
	s, ok := c.r.stages[object][id]
	if !ok {
		return oneLine(id, longestName), false
	}
	return oneLine(s.label, longestName), s.closed
}

// keepMost keeps [MostRecords] of the open ones, and as many of the closed ones.
func keepMost[T any](sorted []T, closed func(T) bool) []T {
	open := slices.IndexFunc(sorted, closed)
	if open < 0 {
		open = len(sorted)
	}
	kept := slices.Clone(sorted[:min(open, MostRecords)])
	return append(kept, sorted[open:min(len(sorted), open+MostRecords)]...)
}

func openFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

func emptyLast(a, b string) int {
	if (a == "") != (b == "") {
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}

// urgency orders HubSpot's priorities; an account's own comes after them.
func urgency(priority string) int {
	order := []string{"URGENT", "HIGH", "MEDIUM", "LOW"}
	if at := slices.Index(order, strings.ToUpper(priority)); at >= 0 {
		return at
	}
	return len(order)
}

// history is what was before, the newest first: [MostPast] meetings and as many notes of
// each person.
func (c *composer) history() {
	meetings := c.pastMeetings()
	notes := c.notes()
	newestFirst := func(a, b Encounter) int {
		return cmp.Or(b.At.Compare(a.At), cmp.Compare(b.RecordID, a.RecordID), strings.Compare(a.MeetingID.String(), b.MeetingID.String()))
	}
	for _, list := range [][]Encounter{meetings, notes} {
		slices.SortFunc(list, newestFirst)
		seen := map[string]int{}
		for _, e := range list {
			wanted := false
			for _, name := range e.With {
				wanted = wanted || seen[name] < MostPast
			}
			if !wanted {
				continue
			}
			for _, name := range e.With {
				seen[name]++
			}
			c.out.History = append(c.out.History, e)
		}
	}
	slices.SortFunc(c.out.History, newestFirst)
}

// pastMeetings are those that Debrief knows, and those that HubSpot alone has.
func (c *composer) pastMeetings() []Encounter {
	var all []Encounter
	for _, past := range c.in.Past {
		e := Encounter{
			Kind: FollowedUp, MeetingID: past.MeetingID, RecordID: past.RecordID, At: past.Start,
			Title: oneLine(past.Title, longestName), By: oneLine(past.Host, longestName),
		}
		for _, p := range c.out.People {
			if slices.Contains(past.With, p.Email) {
				e.With = append(e.With, p.label())
			}
		}
		if len(e.With) == 0 || past.MeetingID == c.in.Meeting.ID || past.Start.After(c.in.At) {
			continue
		}
		for _, promise := range past.Promises {
			e.Promises = append(e.Promises, c.promise(promise))
		}
		all = append(all, e)
	}
	for _, record := range c.linked("meeting") {
		known := record.Properties
		at, err := hubspot.ParseDateTime(cmp.Or(known["hs_meeting_start_time"], known["hs_timestamp"]))
		outcome := known["hs_meeting_outcome"]
		if err == nil && at.Sub(c.in.Meeting.Start).Abs() <= sameTime && outcome != "CANCELED" && outcome != "RESCHEDULED" {
			c.out.Meeting.RecordID = cmp.Or(c.out.Meeting.RecordID, record.ID)
		}
		if err != nil || at.After(c.in.At) || at.Sub(c.in.Meeting.Start).Abs() <= sameTime || outcome == "CANCELED" || outcome == "RESCHEDULED" {
			continue
		}
		e := c.encounter(Met, "meeting", record, at)
		e.Title = oneLine(known["hs_meeting_title"], longestName)
		if !slices.ContainsFunc(c.in.Past, func(past Past) bool { return past.RecordID == record.ID }) &&
			!slices.ContainsFunc(all, func(other Encounter) bool {
				return other.Kind == FollowedUp && other.At.Sub(at).Abs() <= sameTime && overlap(other.With, e.With)
			}) {
			all = append(all, e)
		}
	}
	return all
}

func (c *composer) notes() []Encounter {
	var all []Encounter
	for _, record := range c.linked("note") {
		at, err := hubspot.ParseDateTime(record.Properties["hs_timestamp"])
		text := oneLine(plain(record.Properties["hs_note_body"]), longestText)
		own := slices.Contains(c.in.OwnNotes, record.ID) ||
			slices.ContainsFunc(c.in.Past, func(past Past) bool { return slices.Contains(past.NoteIDs, record.ID) })
		if err != nil || own || text == "" || at.After(c.in.At) {
			continue
		}
		e := c.encounter(Noted, "note", record, at)
		e.Text = text
		all = append(all, e)
	}
	return all
}

// encounter is a meeting or note of HubSpot's, with those of ours whose timeline has it.
func (c *composer) encounter(kind EncounterKind, object string, record hubspot.Record, at time.Time) Encounter {
	e := Encounter{Kind: kind, RecordID: record.ID, At: at, Created: record.CreatedAt, By: c.owner(record).Name}
	for _, p := range c.out.People {
		if p.ContactID != "" && slices.Contains(c.r.links[Record{Object: "contact", ID: p.ContactID}][object], record.ID) {
			e.ContactID = cmp.Or(e.ContactID, p.ContactID)
			e.With = append(e.With, p.label())
		}
	}
	return e
}

func overlap(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// promise says how far a promise has come.
func (c *composer) promise(p Promise) Promise {
	p.Text, p.By = oneLine(p.Text, longestText), oneLine(p.By, longestName)
	p.State = PromiseOpen
	switch task, ok := c.record("task", p.TaskID); {
	case p.Done:
		p.State = PromiseDone
	case p.TaskID == "":
	case !ok:
		p.State = PromiseUnknown
	case task.Properties["hs_task_status"] == "COMPLETED":
		p.State = PromiseDone
	}
	if due := hubspot.DateOf(p.Due.UTC()).String(); p.State == PromiseOpen && !p.Due.IsZero() && due < hubspot.DateOf(c.in.At.UTC()).String() {
		p.State = PromiseLate
	}
	return p
}

// label is how a person is called: by name, else by address.
func (p Person) label() string { return cmp.Or(p.Name, p.Email) }

// knownBy finds who of our own people knows those who are coming: who owns the contact,
// and who met them, but for the host.
func (c *composer) knownBy() {
	for i, p := range c.out.People {
		var names []string
		if p.Owner.ID != c.in.Meeting.HostOwnerID || p.Owner.ID == "" {
			names = append(names, p.Owner.Name)
		}
		for _, e := range c.out.History {
			if e.Kind != Noted && slices.Contains(e.With, p.label()) {
				names = append(names, e.By)
				if e.At.After(p.LastContact) {
					p.LastContact = e.At
				}
			}
		}
		for _, name := range names {
			if name != "" && name != c.in.Meeting.Host && !slices.Contains(p.KnownBy, name) {
				p.KnownBy = append(p.KnownBy, name)
			}
		}
		p.KnownBy = p.KnownBy[:min(len(p.KnownBy), MostPast)]
		c.out.People[i] = p
	}
}

func (c *composer) approvals() {
	for _, a := range c.in.Approvals {
		a.Record = oneLine(a.Record, longestName)
		c.out.Approvals = append(c.out.Approvals, a)
	}
	slices.SortStableFunc(c.out.Approvals, func(a, b Approval) int {
		return cmp.Or(openFirst(!a.Mine, !b.Mine), a.Asked.Compare(b.Asked))
	})
	c.out.Approvals = c.out.Approvals[:min(len(c.out.Approvals), MostRecords)]
}

// gaps says what is missing, as far as it would have been looked for.
func (c *composer) gaps() {
	if c.in.CRMMissing != "" {
		return // that says it all
	}
	denied := slices.Concat(c.in.Denied, c.r.denied)
	written := slices.ContainsFunc(c.in.Past, func(past Past) bool {
		return slices.ContainsFunc(past.Promises, func(p Promise) bool { return p.TaskID != "" })
	})
	for _, tool := range ReadTools() {
		if slices.Contains(denied, tool) && len(c.out.People) > 0 && (tool.Object != "task" || written) {
			c.out.Denied = append(c.out.Denied, tool)
		}
	}
	c.out.Refused = unique(c.r.refused)
	c.out.Cut = unique(c.missed)
}

// denies says that a tool's absence keeps an object type out of a brief.
func (b Brief) denies(object string) bool {
	return slices.Contains(b.Denied, readTool(object)) || slices.Contains(b.Refused, object)
}
