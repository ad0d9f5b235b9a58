package eval

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
)

// Load reads the set in dir, ordered by half and name. It fails if anything in it
// is not sound, and then names every fault: a figure from a faulty set is worth
// nothing.
func Load(dir string) ([]Case, error) { return load(dir, Kept, Tuned) }

// LoadTuned is [Load] for the half that is worked with: the other one is not opened.
func LoadTuned(dir string) ([]Case, error) { return load(dir, Tuned) }

func load(dir string, halves ...Half) ([]Case, error) {
	accounts, err := loadAccounts(filepath.Join(dir, "accounts"))
	if err != nil {
		return nil, err
	}
	var cases []Case
	var faults []error
	for _, half := range halves {
		files, err := filepath.Glob(filepath.Join(dir, string(half), "*.yaml"))
		if err != nil {
			return nil, fmt.Errorf("listing the meetings in %s: %w", half, err)
		}
		for _, file := range files {
			c, err := loadCase(file, half, accounts)
			if err == nil {
				c.Answer, err = loadAnswer(filepath.Join(dir, "model", c.Name+".yaml"), c)
			}
			if err != nil {
				faults = append(faults, err)
				continue
			}
			cases = append(cases, c)
		}
	}
	if len(faults) == 0 {
		faults = check(cases)
	}
	answers, err := filepath.Glob(filepath.Join(dir, "model", "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("listing the answers: %w", err)
	}
	if !slices.Contains(halves, Kept) {
		answers = nil // those to the meetings that were left out are among them
	}
	for _, file := range answers {
		if !slices.ContainsFunc(cases, func(c Case) bool { return c.Name == nameOf(file) }) {
			faults = append(faults, fmt.Errorf("%s answers no meeting", file))
		}
	}
	return cases, errors.Join(faults...)
}

func nameOf(file string) string { return strings.TrimSuffix(filepath.Base(file), ".yaml") }

func read(file string, into any) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	if err := yaml.NewDecoder(bytes.NewReader(raw), yaml.DisallowUnknownField()).Decode(into); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	return nil
}

type accountFile struct {
	Domains    []string
	Currencies []string
	Owners     []struct{ ID, Name, Email string }
	Pipelines  map[string][]struct {
		ID, Label string
		Stages    []struct{ ID, Label, Closed string }
	}
	Properties map[string][]struct {
		Name, Label, Type string
		Field             string
		ReadOnly          bool `yaml:"read_only"`
		Options           yaml.MapSlice
	}
}

func loadAccounts(dir string) (map[string]Account, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("listing the accounts: %w", err)
	}
	accounts := map[string]Account{}
	for _, file := range files {
		var f accountFile
		if err := read(file, &f); err != nil {
			return nil, err
		}
		accounts[nameOf(file)] = f.account(nameOf(file))
	}
	const standard = "standard"
	shared, ok := accounts[standard]
	if !ok {
		return nil, fmt.Errorf("%s: %w", filepath.Join(dir, standard+".yaml"), fs.ErrNotExist)
	}
	delete(accounts, standard)
	for _, list := range shared.Properties {
		for i := range list {
			list[i].HubSpotDefined = true
		}
	}
	for _, a := range accounts {
		for object, list := range shared.Properties {
			a.Properties[object] = append(slices.Clone(list), a.Properties[object]...)
		}
	}
	return accounts, nil
}

func (f accountFile) account(name string) Account {
	a := Account{Name: name, Domains: f.Domains, Currencies: f.Currencies, Properties: map[string][]hubspot.Property{}}
	for _, o := range f.Owners {
		a.Owners = append(a.Owners, planner.Owner{ID: o.ID, Name: o.Name, Email: o.Email})
	}
	for object, list := range f.Pipelines {
		var pipelines []hubspot.Pipeline
		for i, p := range list {
			pipeline := hubspot.Pipeline{ID: p.ID, Label: p.Label, DisplayOrder: i}
			for j, s := range p.Stages {
				pipeline.Stages = append(pipeline.Stages, hubspot.Stage{ID: s.ID, Label: s.Label, DisplayOrder: j, Metadata: metadata(object, s.Closed)})
			}
			pipelines = append(pipelines, pipeline)
		}
		if object == "deal" {
			a.DealPipelines = pipelines
		} else {
			a.TicketPipelines = pipelines
		}
	}
	for object, list := range f.Properties {
		for _, p := range list {
			d := hubspot.Property{Name: p.Name, Label: p.Label, Type: p.Type, FieldType: p.Field}
			for i, o := range p.Options {
				d.Options = append(d.Options, hubspot.PropertyOption{Value: fmt.Sprint(o.Key), Label: fmt.Sprint(o.Value), DisplayOrder: i})
			}
			if p.ReadOnly {
				d.Modification = &hubspot.PropertyModification{ReadOnlyValue: true}
			}
			a.Properties[object] = append(a.Properties[object], d)
		}
	}
	return a
}

// metadata of a stage as HubSpot sends it; closed is "won", "lost", for a ticket
// "yes", or empty.
func metadata(object, closed string) hubspot.StageMetadata {
	switch {
	case object == "ticket" && closed != "":
		return hubspot.StageMetadata{"ticketState": "CLOSED", "isClosed": "true"}
	case object == "ticket":
		return hubspot.StageMetadata{"ticketState": "OPEN", "isClosed": "false"}
	case closed == "won":
		return hubspot.StageMetadata{"probability": "1.0", "isClosed": "true"}
	case closed == "lost":
		return hubspot.StageMetadata{"probability": "0.0", "isClosed": "true"}
	default:
		return hubspot.StageMetadata{"probability": "0.5", "isClosed": "false"}
	}
}

type caseFile struct {
	About   string
	Kinds   []string
	Account string
	Denied  []string
	Meeting struct {
		Title, Provider, TimeZone, Host string
		Start, End                      string
		Attendees, Voices               []string
		Summary                         string
		NextSteps                       string `yaml:"next_steps"`
		ActionItems                     []struct {
			Text, Assignee, Due, At string
			Completed               bool
		} `yaml:"action_items"`
		Proposals []struct {
			Tool, Target, Quote, Speaker string
			Properties                   texts
			AssociateWith                []string `yaml:"associate_with"`
			Confidence                   *float64
		}
		Transcript string
	}
	CRM    map[string][]recordFile
	Expect []actionFile
	May    []actionFile
	Never  []struct {
		Tool, Target, Property, Value, Why string
		Strict                             bool
	}
}

type actionFile struct {
	Act, Ask                         string
	Ref, Target, Quote, Speaker, Why string
	Properties                       texts
	Candidates, Associations         []string
}

// texts are properties: numbers are written without quotes, and are texts all the
// same.
type texts map[string]string

func (t *texts) UnmarshalYAML(unmarshal func(any) error) error {
	var raw map[string]any
	if err := unmarshal(&raw); err != nil {
		return err
	}
	*t = texts{}
	for name, value := range raw {
		switch value.(type) {
		case string, bool, int, int64, uint64:
			(*t)[name] = fmt.Sprint(value)
		default: // a float would lose its last zeros
			return fmt.Errorf("%s: write the value in quotes", name)
		}
	}
	return nil
}

// recordFile is a record: its ID, its links and beside them its properties.
type recordFile struct {
	id         string
	links      []string
	properties texts
}

func (r *recordFile) UnmarshalYAML(unmarshal func(any) error) error {
	var raw map[string]any
	if err := unmarshal(&raw); err != nil {
		return err
	}
	if links, ok := raw["links"].([]any); ok {
		for _, l := range links {
			r.links = append(r.links, fmt.Sprint(l))
		}
	}
	r.id = fmt.Sprint(raw["id"])
	delete(raw, "links")
	delete(raw, "id")
	return r.properties.UnmarshalYAML(func(into any) error {
		*into.(*map[string]any) = raw //nolint:forcetypeassert // it is ours, just above
		return nil
	})
}

// parseRef reads "deal 701", "contact mira@kestrel.example", "company
// kestrel.example" or "deal pilot".
func parseRef(s string) (meeting.RecordRef, error) {
	object, name, ok := strings.Cut(s, " ")
	r := meeting.RecordRef{Object: object}
	switch {
	case s == "":
		return meeting.RecordRef{}, nil
	case !ok || (&CRM{}).list(object) == nil:
		return r, fmt.Errorf("%q is no record: write its object type and what names it", s)
	case strings.Trim(name, "0123456789") == "":
		r.ID = name
	case strings.Contains(name, "@"):
		r.Email = name
	case strings.Contains(name, "."):
		r.Domain = name
	default:
		r.Ref = name
	}
	return r, nil
}

func parseRefs(list []string) ([]meeting.RecordRef, error) {
	var refs []meeting.RecordRef
	for _, s := range list {
		r, err := parseRef(s)
		if err != nil {
			return nil, err
		}
		refs = append(refs, r)
	}
	return refs, nil
}

func loadCase(file string, half Half, accounts map[string]Account) (Case, error) {
	var f caseFile
	if err := read(file, &f); err != nil {
		return Case{}, err
	}
	return caseOf(f, file, half, accounts)
}

func caseOf(f caseFile, file string, half Half, accounts map[string]Account) (Case, error) {
	c := Case{Name: nameOf(file), Half: half, About: strings.TrimSpace(f.About), Kinds: f.Kinds}
	var ok bool
	var errs []error
	fail := func(err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("reading %s: %w", file, err))
		}
	}
	if c.Account, ok = accounts[f.Account]; !ok {
		fail(fmt.Errorf("there is no account %q", f.Account))
	}
	for _, s := range f.Denied {
		tool, err := policy.ParseTool(s)
		fail(err)
		c.Denied = append(c.Denied, tool)
	}
	fail(c.readMeeting(f))
	fail(c.readCRM(f))
	var err error
	c.Expect, err = c.readActions(f.Expect)
	fail(err)
	c.May, err = c.readActions(f.May)
	fail(err)
	for _, n := range f.Never {
		never := Never{Property: n.Property, Value: parseValue(n.Value), Strict: n.Strict, Why: n.Why}
		if n.Tool != "" {
			never.Tool, err = policy.ParseTool(n.Tool)
			fail(err)
		}
		never.Target, err = parseRef(n.Target)
		fail(err)
		c.Never = append(c.Never, never)
	}
	return c, errors.Join(errs...)
}

func (c *Case) readMeeting(f caseFile) error {
	in, m := f.Meeting, &c.Meeting
	m.State, m.HasEnded, m.HasNotes = meeting.StateEnded, true, true
	m.Providers, m.Title, m.TimeZone = []string{in.Provider}, in.Title, in.TimeZone
	m.Keys.InstanceID = "eval-" + c.Name
	loc, err := time.LoadLocation(in.TimeZone)
	if err != nil || in.TimeZone == "" {
		return fmt.Errorf("the time zone %q is none", in.TimeZone)
	}
	if m.ActualStart, err = instant(in.Start, loc); err != nil {
		return err
	}
	if m.ActualEnd, err = instant(in.End, loc); err != nil {
		return err
	}
	for _, s := range in.Attendees {
		s, title, _ := strings.Cut(s, " | ")
		a := meeting.Attendee{Person: parsePerson(s), JobTitle: strings.TrimSpace(title), Source: in.Provider}
		if a.Email != "" && a.Email == in.Host {
			a.Role, m.Organizer = "host", a.Person
		}
		m.Attendees = append(m.Attendees, a)
	}
	if m.Organizer.Email == "" {
		return errors.New("the host is no attendee")
	}
	c.Host = planner.Host{Name: m.Organizer.Name, Email: m.Organizer.Email}
	for _, o := range c.Account.Owners {
		if o.Email == in.Host {
			c.Host.OwnerID = o.ID
		}
	}
	if in.Summary != "" {
		m.Summary = meeting.Text{Format: "markdown", Text: in.Summary}
	}
	if in.NextSteps != "" {
		m.NextSteps = meeting.Text{Format: "markdown", Text: in.NextSteps}
	}
	for _, i := range in.ActionItems {
		p := parsePerson(i.Assignee)
		item := meeting.ActionItem{Text: i.Text, AssigneeName: p.Name, AssigneeEmail: p.Email, Completed: i.Completed}
		if i.At != "" {
			at, err := seconds(i.At)
			if err != nil {
				return err
			}
			item.OffsetSeconds = int(at)
		}
		if i.Due != "" {
			if item.DueAt, err = time.Parse(time.DateOnly, i.Due); err != nil {
				return fmt.Errorf("an action item is due on %q: %w", i.Due, err)
			}
		}
		m.ActionItems = append(m.ActionItems, item)
	}
	if err := c.readTranscript(in.Transcript, in.Voices); err != nil {
		return err
	}
	if in.Provider == "fathom" {
		c.addAddresses()
	}
	for _, p := range in.Proposals {
		target, err := parseRef(p.Target)
		if err != nil {
			return err
		}
		with, err := parseRefs(p.AssociateWith)
		if err != nil {
			return err
		}
		m.ProposedActions = append(m.ProposedActions, meeting.ProposedAction{
			Tool: p.Tool, Target: target, Properties: p.Properties, AssociateWith: with, Confidence: p.Confidence,
			Evidence: []meeting.Evidence{{Quote: p.Quote, Speaker: p.Speaker}},
		})
	}
	return nil
}

func parsePerson(s string) meeting.Person {
	if a, err := mail.ParseAddress(s); err == nil {
		return meeting.Person{Name: a.Name, Email: a.Address}
	}
	return meeting.Person{Name: strings.TrimSpace(s)}
}

// instant reads a time whose offset has to be that of the time zone on the day: who
// writes it may be wrong about daylight saving.
func instant(s string, loc *time.Location) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("the time %q: %w", s, err)
	}
	if there := t.In(loc).Format(time.RFC3339); there != s {
		return t, fmt.Errorf("the time %s is %s in %s", s, there, loc)
	}
	return t, nil
}

var utterance = regexp.MustCompile(`^((?:\d+:)?\d\d:\d\d) ([^:]+): (.+)$`)

func (c *Case) readTranscript(text string, voices []string) error {
	var last float64
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		m := utterance.FindStringSubmatch(line)
		if m == nil {
			return fmt.Errorf("the line %q is no utterance", line)
		}
		at, err := seconds(m[1])
		if err != nil {
			return err
		}
		if at < last {
			return fmt.Errorf("the line %q comes before the one above it", line)
		}
		last = at
		speaker, err := c.speaker(m[2], voices)
		if err != nil {
			return err
		}
		c.Meeting.Transcript.Segments = append(c.Meeting.Transcript.Segments, meeting.Segment{Speaker: speaker, StartSeconds: at, Text: m[3]})
	}
	if c.Meeting.Transcript.Status = "none"; len(c.Meeting.Transcript.Segments) > 0 {
		c.Meeting.Transcript.Status = "ready"
	}
	return nil
}

// addAddresses adds the speakers' addresses to what they say, as Fathom does.
func (c *Case) addAddresses() {
	for i, s := range c.Meeting.Transcript.Segments {
		for _, a := range c.Meeting.Attendees {
			if a.Name == s.Speaker {
				c.Meeting.Transcript.Segments[i].Email = a.Email
			}
		}
	}
}

// speaker is the whole name of who is written in short.
func (c *Case) speaker(short string, voices []string) (string, error) {
	var found []string
	for _, a := range c.Meeting.Attendees {
		if first, _, _ := strings.Cut(a.Name, " "); a.Name == short {
			return short, nil
		} else if first == short {
			found = append(found, a.Name)
		}
	}
	switch {
	case slices.Contains(voices, short):
		return short, nil
	case len(found) == 1:
		return found[0], nil
	default:
		return "", fmt.Errorf("%d attendees are called %q: write the whole name, or list it among the voices", len(found), short)
	}
}

func seconds(s string) (float64, error) {
	total := 0
	for part := range strings.SplitSeq(s, ":") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return 0, fmt.Errorf("the offset %q: %w", s, err)
		}
		total = total*60 + n
	}
	return float64(total), nil
}

var singular = map[string]string{
	"contacts": "contact", "companies": "company", "deals": "deal", "tickets": "ticket", "tasks": "task", "meetings": "meeting", "notes": "note",
}

func (c *Case) readCRM(f caseFile) error {
	type end struct{ object, id string }
	links := map[end][]planner.Link{}
	for _, plural := range slices.Sorted(maps.Keys(f.CRM)) {
		object := singular[plural]
		list := c.CRM.list(object)
		if list == nil {
			return fmt.Errorf("the CRM has no %s", plural)
		}
		for _, r := range f.CRM[plural] {
			*list = append(*list, planner.Record{ID: r.id, Properties: r.properties})
			for i, s := range r.links {
				to, err := parseRef(s)
				if err != nil {
					return err
				}
				// A contact's first company is its primary one.
				primary := object == "contact" && to.Object == "company" && i == 0
				links[end{object, r.id}] = append(links[end{object, r.id}], planner.Link{Object: to.Object, ID: to.ID, Primary: primary})
				links[end{to.Object, to.ID}] = append(links[end{to.Object, to.ID}], planner.Link{Object: object, ID: r.id})
			}
		}
	}
	for _, object := range singular {
		list := *c.CRM.list(object)
		for i, r := range list {
			list[i].Links = unique(links[end{object, r.ID}])
			delete(links, end{object, r.ID})
		}
	}
	for to := range links {
		return fmt.Errorf("a record is linked to %s %s, which there is not", to.object, to.id)
	}
	return nil
}

// unique sorts links and keeps one for each record, the primary one first.
func unique(links []planner.Link) []planner.Link {
	slices.SortFunc(links, func(a, b planner.Link) int {
		if n := strings.Compare(a.Object+" "+a.ID, b.Object+" "+b.ID); n != 0 {
			return n
		}
		if a.Primary {
			return -1
		}
		return 1
	})
	return slices.CompactFunc(links, func(a, b planner.Link) bool { return a.Object == b.Object && a.ID == b.ID })
}

func (c *Case) readActions(list []actionFile) ([]Action, error) {
	var out []Action
	for _, in := range list {
		a := Action{Mark: Act, Ref: in.Ref, Quote: in.Quote, Speaker: in.Speaker, Why: in.Why, Properties: map[string]Value{}}
		name := in.Act
		if in.Ask != "" {
			a.Mark, name = Ask, in.Ask
		}
		if in.Act != "" && in.Ask != "" {
			return nil, fmt.Errorf("%s is marked act and ask", name)
		}
		var err error
		if a.Tool, err = policy.ParseTool(name); err != nil {
			return nil, err
		}
		if a.Target, err = parseRef(in.Target); err != nil {
			return nil, err
		}
		if a.Candidates, err = parseRefs(in.Candidates); err != nil {
			return nil, err
		}
		if a.Associations, err = parseRefs(in.Associations); err != nil {
			return nil, err
		}
		for property, value := range in.Properties {
			a.Properties[property] = parseValue(value)
		}
		if a.Speaker != "" {
			if whole, err := c.speaker(a.Speaker, nil); err == nil {
				a.Speaker = whole
			}
		}
		out = append(out, a)
	}
	return out, nil
}

func loadAnswer(file string, c Case) (Answer, error) {
	var f struct {
		Actions []struct {
			Tool, Target, Quote, Speaker, Reason string
			Properties                           texts
			Associations                         []string
			Confidence                           float64
			Planted, Why                         string
			AtMost                               AtMost `yaml:"at_most"`
		}
	}
	if err := read(file, &f); err != nil {
		return Answer{}, err
	}
	var a Answer
	for _, in := range f.Actions {
		claim := Claim{
			Tool: in.Tool, Target: in.Target, Properties: in.Properties, Associations: in.Associations,
			Quote: in.Quote, Speaker: in.Speaker, Reason: in.Reason, Confidence: in.Confidence,
		}
		if whole, err := c.speaker(in.Speaker, nil); err == nil {
			claim.Speaker = whole
		}
		if in.Planted != "" {
			claim.Planted = &Planted{Kind: in.Planted, Why: in.Why, AtMost: in.AtMost}
		}
		a.Actions = append(a.Actions, claim)
	}
	return a, nil
}
