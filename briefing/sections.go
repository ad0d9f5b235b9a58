package briefing

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/words"
)

// View is for whom a brief is put into words.
type View struct {
	words.Printer

	// Zone is the reader's; nil is UTC.
	Zone *time.Location
	// BaseURL is this installation's address, without a slash at the end.
	BaseURL string
}

func (v View) zone() *time.Location {
	if v.Zone == nil {
		return time.UTC
	}
	return v.Zone
}

// Kind says what a line is.
type Kind string

// The kinds of lines. A fact has a link to where it stands; Generated is what a language
// model wrote; Missing says what is not here, and why.
const (
	Fact      Kind = "fact"
	Generated Kind = "generated"
	Missing   Kind = "missing"
)

// Line is one line as it is read. Text is one line without markup: escape it.
type Line struct {
	Kind Kind
	Text string
	// Link is the page where it stands: in HubSpot, or one of Debrief's own.
	Link string
	// Record is the CRM record that it is about, if it is about one.
	Record Record
	// Detail: it belongs to the last line before it that is none.
	Detail bool
}

// Section is some lines under a heading.
type Section struct {
	Heading string
	Lines   []Line
}

// Title is the meeting's, or says that it has none.
func (b Brief) Title(v View) string {
	return cmp.Or(b.Meeting.Title, v.T("Meeting without a title"))
}

// head says when, where and who.
func head(b Brief, v View) []Line {
	link := v.page("/meetings/", b.Meeting.ID)
	start := b.Meeting.Start.In(v.zone())
	lines := []Line{{Kind: Fact, Text: v.Day(start) + ", " + v.Span(start, b.Meeting.End), Link: link}}
	if place := web(b.Meeting.JoinURL); place != "" {
		lines = append(lines, Line{Kind: Fact, Text: v.T("Join: %s", place), Link: place})
	}
	host, colleagues := "", ""
	if b.Meeting.Host != "" {
		host = v.T("Host: %s", oneLine(b.Meeting.Host, longestName))
	}
	if len(b.Colleagues) > 0 {
		colleagues = v.T("also coming: %s", v.some(b.Colleagues))
	}
	if who := list(" · ", host, colleagues); who != "" {
		lines = append(lines, Line{Kind: Fact, Text: who, Link: link})
	}
	return lines
}

// asOf says how old a brief is.
func asOf(b Brief, v View) string { return v.T("As of %s.", v.DateTime(b.At.In(v.zone()))) }

// sections puts a brief into words.
func sections(b Brief, v View) []Section {
	w := writer{View: v, b: b}
	w.missing()
	w.people()
	w.companies()
	w.deals()
	w.tickets()
	w.history()
	w.approvals()
	w.points()
	return w.out
}

type writer struct {
	View

	b   Brief
	out []Section
}

func (w *writer) section(heading string) { w.out = append(w.out, Section{Heading: heading}) }

func (w *writer) add(l Line) {
	last := &w.out[len(w.out)-1]
	last.Lines = append(last.Lines, l)
}

// item adds a fact, and details that are not empty.
func (w *writer) item(link string, record Record, text string, details ...string) {
	w.add(Line{Kind: Fact, Text: text, Link: link, Record: record})
	for _, d := range details {
		if d != "" {
			w.add(Line{Kind: Fact, Text: d, Link: link, Record: record, Detail: true})
		}
	}
}

// more counts what is not shown; it is all on the meeting's page.
func (w *writer) more(n int) {
	if n > 0 {
		w.add(Line{Kind: Fact, Text: w.T("and %d more", n), Link: w.meetingURL(w.b.Meeting.ID)})
	}
}

// missing says what could not be read, before anything else: what follows is less than it
// seems.
func (w *writer) missing() {
	if lines := missing(w.b, w.View); len(lines) > 0 {
		w.out = append(w.out, Section{Heading: w.T("What is missing"), Lines: lines})
	}
}

func missing(b Brief, v View) []Line {
	var lines []Line
	miss := func(text string) { lines = append(lines, Line{Kind: Missing, Text: text}) }
	if b.CRMMissing != "" {
		miss(v.T("Nothing could be read of HubSpot."))
		miss(v.Known(oneLine(b.CRMMissing, longestText)))
	}
	for _, tool := range b.Denied {
		miss(v.T("%s may not be read (the tool %s is not allowed).", v.objects(tool.Object), tool.String()))
	}
	for _, object := range b.Refused {
		miss(v.T("%s can't be read: HubSpot does not let Debrief.", v.objects(object)))
	}
	if b.NoteDenied {
		miss(v.T("There is no note of this briefing in HubSpot (the tool %s is not allowed).", "note.create"))
	}
	for _, object := range b.Cut {
		miss(v.T("%s: there are more than Debrief reads.", v.objects(object)))
	}
	return lines
}

// objects names an object type at the beginning of a sentence.
func (v View) objects(object string) string {
	switch object {
	case "contact":
		return v.T("Contacts")
	case "company":
		return v.T("Companies")
	case "deal":
		return v.T("Deals")
	case "ticket":
		return v.T("Tickets")
	case "meeting":
		return v.T("Meetings")
	case "note":
		return v.T("Notes")
	case "task":
		return v.T("Tasks")
	case "owner":
		return v.T("Owners")
	default:
		return object
	}
}

func (w *writer) people() {
	if len(w.b.People) == 0 {
		return
	}
	w.section(w.T("Who is coming"))
	for _, p := range w.b.People {
		name := p.label()
		known := p.ContactID != ""
		if !known && p.Name != "" && p.Email != "" {
			name += " (" + p.Email + ")"
		}
		company := w.b.company(p.CompanyID)
		about := []string{w.response(p.Response)}
		if !p.LastContact.IsZero() {
			about = append(about, w.T("Last contact: %s", w.day(p.LastContact)))
		}
		about = append(about, w.owner(p.Owner), w.knownTo(p))
		record := Record{Object: "contact", ID: p.ContactID}
		text := list(", ", name, p.JobTitle, company.Name)
		if known {
			w.item(w.recordURL("contact", p.ContactID), record, text, list(" · ", about...))
			continue
		}
		w.item(w.meetingURL(w.b.Meeting.ID), Record{}, text, list(" · ", about...))
		switch {
		case w.b.denies("contact") || w.b.CRMMissing != "":
		case p.Email == "":
			w.add(Line{Kind: Missing, Detail: true, Link: w.meetingURL(w.b.Meeting.ID), Text: w.T("No e-mail address is known, so HubSpot can't be asked.")})
		case w.b.MayCreate:
			w.add(Line{Kind: Missing, Detail: true, Link: w.meetingURL(w.b.Meeting.ID), Text: w.T("Not in HubSpot yet. After the meeting, Debrief proposes to create the contact.")})
		default:
			w.add(Line{Kind: Missing, Detail: true, Link: w.meetingURL(w.b.Meeting.ID), Text: w.T("Not in HubSpot, and Debrief may not create contacts (the tool %s is not allowed).", "contact.create")})
		}
	}
	w.more(len(w.b.Others))
}

func (w *writer) response(response string) string {
	switch strings.ToLower(response) {
	case "tentative":
		return w.T("May come")
	case "declined":
		return w.T("Has declined")
	default:
		return ""
	}
}

func (w *writer) owner(o Owner) string {
	if o.Name == "" {
		return ""
	}
	return w.T("owner: %s", o.Name)
}

// knownTo names who knows a person, beside the owner, whom another line names.
func (w *writer) knownTo(p Person) string {
	var names []string
	for _, name := range p.KnownBy {
		if name != p.Owner.Name {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return w.T("known to: %s", w.some(names))
}

func (w *writer) companies() {
	if len(w.b.Companies) == 0 {
		return
	}
	w.section(w.T("Their companies"))
	for _, c := range w.b.Companies {
		employees := ""
		if c.Employees != "" {
			employees = w.T("%s employees", w.Number(c.Employees))
		}
		w.item(w.recordURL("company", c.ID), Record{Object: "company", ID: c.ID}, c.Name, list(" · ", c.Industry, employees, c.Lifecycle, w.owner(c.Owner)))
	}
}

// open are the records of a type that are open: the first so many are shown, and how many
// more there are.
func open[T any](w *writer, object, heading, none string, most int, all []T, show func(T)) {
	if !w.asked(object) {
		return
	}
	w.section(heading)
	if len(all) == 0 {
		w.nothing(none)
	}
	for _, one := range all[:min(len(all), most)] {
		show(one)
	}
	w.more(len(all) - most)
}

func (w *writer) deals() {
	all := slices.DeleteFunc(slices.Clone(w.b.Deals), func(d Deal) bool { return d.Closed })
	open(w, "deal", w.T("Open deals"), w.T("No open deals."), MostDeals, all, func(d Deal) {
		closes := ""
		if day, err := hubspot.ParseDate(d.Closes); err == nil && d.Closes < hubspot.DateOf(w.b.At.In(w.zone())).String() {
			closes = w.T("was to close on %s", w.Date(day.In(time.UTC)))
		} else if err == nil {
			closes = w.T("closes on %s", w.Date(day.In(time.UTC)))
		}
		next := ""
		if d.NextStep != "" {
			next = w.T("Next step: %s", d.NextStep)
		}
		w.item(w.recordURL("deal", d.ID), Record{Object: "deal", ID: d.ID}, of(d.Name, d.Company),
			list(" · ", d.Stage, w.inStage(d.Since), w.money(d), closes, w.owner(d.Owner)), next)
	})
}

// asked says that something was read of HubSpot, and this, too.
func (w *writer) asked(object string) bool {
	return len(w.b.People) > 0 && w.b.CRMMissing == "" && !w.b.denies(object) && (!w.b.denies("contact") || !w.b.denies("company"))
}

// nothing is a fact, too: the companies' pages and the meeting's show it.
func (w *writer) nothing(text string) {
	w.add(Line{Kind: Fact, Text: text, Link: w.meetingURL(w.b.Meeting.ID)})
}

func (w *writer) inStage(since time.Time) string {
	if since.IsZero() {
		return ""
	}
	n := w.days(since)
	if n == 0 {
		return w.T("in this stage since today")
	}
	return w.Plural(n, "%d day in this stage", "%d days in this stage")
}

// days counts the midnights since a time, as the reader's calendar does.
func (w *writer) days(since time.Time) int {
	from, to := hubspot.DateOf(since.In(w.zone())).In(time.UTC), hubspot.DateOf(w.b.At.In(w.zone())).In(time.UTC)
	return max(0, int(to.Sub(from)/(24*time.Hour)))
}

func (v View) money(d Deal) string {
	if d.Amount == "" {
		return ""
	}
	if money, err := hubspot.ParseMoney(d.Amount, d.Currency); err == nil {
		return v.Number(money.Amount) + " " + money.Currency
	}
	return v.Number(oneLine(d.Amount, longestName))
}

func (w *writer) tickets() {
	all := slices.DeleteFunc(slices.Clone(w.b.Tickets), func(t Ticket) bool { return t.Closed })
	open(w, "ticket", w.T("Open tickets"), w.T("No open tickets."), MostTickets, all, func(t Ticket) {
		priority := ""
		if t.Priority != "" {
			priority = w.T("priority: %s", w.priority(t.Priority))
		}
		age := ""
		if n := w.days(t.Opened); !t.Opened.IsZero() && n == 0 {
			age = w.T("opened today")
		} else if !t.Opened.IsZero() {
			age = w.Plural(n, "open for %d day", "open for %d days")
		}
		w.item(w.recordURL("ticket", t.ID), Record{Object: "ticket", ID: t.ID}, of(t.Subject, t.Company), list(" · ", t.State, priority, age, w.owner(t.Owner)))
	})
}

// priority is HubSpot's own in the reader's language, else as the account calls it.
func (v View) priority(value string) string {
	switch strings.ToUpper(value) {
	case "LOW":
		return v.T("low")
	case "MEDIUM":
		return v.T("medium")
	case "HIGH":
		return v.T("high")
	case "URGENT":
		return v.T("urgent")
	default:
		return value
	}
}

func (w *writer) history() {
	if len(w.b.People) == 0 || len(w.b.History) == 0 && (!w.asked("meeting") || !w.asked("note")) {
		return
	}
	w.section(w.T("Last meetings and notes"))
	if len(w.b.History) == 0 {
		w.nothing(w.T("Nothing is known of earlier."))
	}
	for i, e := range w.b.History {
		if i == MostShown {
			w.more(len(w.b.History) - MostShown)
			break
		}
		var what string
		held := ""
		switch e.Kind {
		case Noted:
			what = w.T("note")
			if e.By != "" {
				what = w.T("note by %s", e.By)
			}
		case FollowedUp, Met:
			what = cmp.Or(e.Title, w.T("meeting"))
			if e.By != "" {
				held = w.T("held by %s", e.By)
			}
		}
		with := ""
		if len(e.With) > 0 {
			with = w.T("with %s", w.some(e.With))
		}
		text := w.T("%s: %s", w.day(e.At), list(", ", what, held, with))
		link, record := w.meetingURL(e.MeetingID), Record{}
		if e.Kind != FollowedUp {
			link, record = w.recordURL("contact", e.ContactID), Record{Object: map[EncounterKind]string{Met: "meeting", Noted: "note"}[e.Kind], ID: e.RecordID}
		}
		details := []string{e.Text}
		for at, p := range e.Promises {
			if at == MostShown {
				details = append(details, w.T("and %d more", len(e.Promises)-MostShown))
				break
			}
			details = append(details, w.promise(p))
		}
		w.item(link, record, text, details...)
	}
}

func (w *writer) promise(p Promise) string {
	until := ""
	if !p.Due.IsZero() {
		until = w.T("until %s", w.day(p.Due))
	}
	text := w.T("Promised: %s", p.Text)
	if about := list(", ", p.By, until); about != "" {
		text += " (" + about + ")"
	}
	return w.T("%s: %s", text, w.promiseState(p.State))
}

func (v View) promiseState(s PromiseState) string {
	switch s {
	case PromiseDone:
		return v.T("done")
	case PromiseOpen:
		return v.T("open")
	case PromiseLate:
		return v.T("late")
	default:
		return v.T("not known")
	}
}

func (w *writer) approvals() {
	if len(w.b.Approvals) == 0 {
		return
	}
	w.section(w.T("Questions that wait for an answer"))
	for i, a := range w.b.Approvals {
		if i == MostShown {
			w.more(len(w.b.Approvals) - MostShown)
			break
		}
		mine := ""
		if a.Mine {
			mine = w.T("you may answer")
		}
		w.item(w.page("/inbox/", a.MeetingID), Record{}, list(": ", w.Known(a.Title), a.Record), list(" · ", w.T("Asked on %s", w.day(a.Asked)), mine))
	}
}

func (w *writer) points() {
	if len(w.b.Points) == 0 {
		return
	}
	w.section(w.T("Suggested talking points"))
	for _, p := range w.b.Points[:min(len(w.b.Points), MostPoints)] {
		w.add(Line{Kind: Generated, Text: w.T("[generated] %s", p)})
	}
}

func (v View) day(t time.Time) string { return v.Date(t.In(v.zone())) }

// some names the first of many.
func (v View) some(names []string) string {
	if more := len(names) - MostShown; more > 0 {
		return strings.Join(names[:MostShown], ", ") + " " + v.T("and %d more", more)
	}
	return strings.Join(names, ", ")
}

func (w *writer) meetingURL(id uuid.UUID) string { return w.page("/meetings/", id) }

func (v View) page(path string, id uuid.UUID) string { return v.BaseURL + path + id.String() }

func (w *writer) recordURL(object, id string) string {
	return hubspot.RecordURL(w.b.Account.HubID, object, id)
}

// web is an address that a browser may open, or nothing.
func web(address string) string {
	if strings.ContainsAny(address, " \t\r\n<>\"'`\\") || oneLine(address, 2000) != address {
		return ""
	}
	if lower := strings.ToLower(address); strings.HasPrefix(lower, "https://") || strings.HasPrefix(lower, "http://") {
		return address
	}
	return ""
}

func (b Brief) company(id string) Company {
	for _, c := range b.Companies {
		if c.ID == id {
			return c
		}
	}
	return Company{}
}

// of adds what something belongs to.
func of(name, company string) string {
	if company == "" {
		return name
	}
	return name + " (" + company + ")"
}

// list joins what is not empty.
func list(separator string, parts ...string) string {
	var some []string
	for _, p := range parts {
		if p != "" {
			some = append(some, p)
		}
	}
	return strings.Join(some, separator)
}
