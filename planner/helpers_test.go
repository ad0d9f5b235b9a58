package planner_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// The gate serves as it is.
var _ planner.CRM = (*crm.Reader)(nil)

func hash(s string) string {
	sum := sha256.Sum256([]byte("a key" + s))
	return hex.EncodeToString(sum[:6])
}

// A Friday.
var friday = time.Date(2026, time.November, 20, 14, 0, 0, 0, time.UTC)

func attendee(name, email string) meeting.Attendee {
	return meeting.Attendee{Person: meeting.Person{Name: name, Email: email}}
}

// input is a meeting of Dana (the host, owner 77) with Jane, of whom and of whose
// company HubSpot knows nothing.
func input(change ...func(*planner.Input)) planner.Input {
	in := planner.Input{Hash: hash}
	in.Domains = []string{"acme.example"}
	in.Host = planner.Host{Name: "Dana Host", Email: "dana@acme.example", OwnerID: "77"}
	in.Meeting = meeting.Meeting{State: meeting.StateEnded, HasEnded: true}
	in.Meeting.Title = "Renewal review"
	in.Meeting.ActualStart, in.Meeting.ActualEnd = friday, friday.Add(45*time.Minute)
	in.Meeting.TimeZone = "Europe/Berlin"
	in.Meeting.Organizer = meeting.Person{Name: "Dana Host", Email: "dana@acme.example"}
	in.Meeting.Attendees = []meeting.Attendee{attendee("Dana Host", "dana@acme.example"), attendee("Jane Roe", "jane@northwind.example")}
	for _, c := range change {
		c(&in)
	}
	return in
}

// known makes HubSpot know Jane (101) and her company Northwind (201).
func known(in *planner.Input) {
	in.Resolution.Contacts = []planner.Record{{
		ID: "101", Properties: map[string]string{"email": "jane@northwind.example", "firstname": "Jane", "lastname": "Roe"},
		Links: []planner.Link{{Object: "company", ID: "201", Primary: true}},
	}}
	in.Resolution.Companies = []planner.Record{{ID: "201", Properties: map[string]string{"name": "Northwind", "domain": "northwind.example"}}}
}

func pipelines(in *planner.Input) {
	in.Resolution.DealPipelines = []hubspot.Pipeline{
		{ID: "other", Label: "Partners", DisplayOrder: 0, Stages: []hubspot.Stage{{ID: "p1", Label: "First"}}},
		{ID: "default", Label: "Sales", DisplayOrder: 1, Stages: []hubspot.Stage{
			{ID: "won", Label: "Won", DisplayOrder: 2, Metadata: map[string]string{"isClosed": "true"}},
			{ID: "offer", Label: "Offer sent", DisplayOrder: 1},
			{ID: "new", Label: "New", DisplayOrder: 0},
		}},
	}
	in.Resolution.TicketPipelines = []hubspot.Pipeline{{ID: "0", Stages: []hubspot.Stage{
		{ID: "1", Label: "New", DisplayOrder: 0}, {ID: "4", Label: "Closed", DisplayOrder: 1, Metadata: map[string]string{"ticketState": "CLOSED"}},
	}}}
}

// deal makes HubSpot know a deal of Northwind's.
func deal(id, name, stage string) func(*planner.Input) {
	return func(in *planner.Input) {
		in.Resolution.Deals = append(in.Resolution.Deals, planner.Record{
			ID: id, Properties: map[string]string{"dealname": name, "dealstage": stage, "pipeline": "default", "amount": "1000"},
			Links: []planner.Link{{Object: "company", ID: "201"}},
		})
	}
}

func notes(summary, next string) func(*planner.Input) {
	return func(in *planner.Input) {
		in.Meeting.HasNotes = true
		in.Meeting.Summary = meeting.Text{Format: "markdown", Text: summary}
		in.Meeting.NextSteps = meeting.Text{Format: "markdown", Text: next}
	}
}

func attendees(list ...meeting.Attendee) func(*planner.Input) {
	return func(in *planner.Input) { in.Meeting.Attendees = list }
}

func items(list ...meeting.ActionItem) func(*planner.Input) {
	return func(in *planner.Input) { in.Meeting.ActionItems = list }
}

// proposals came with the meeting.
func proposals(list ...meeting.ProposedAction) func(*planner.Input) {
	return func(in *planner.Input) { propose(&in.Meeting, list...) }
}

// propose adds proposals, and what they quote to what was said. One that quotes
// nothing quotes what it proposes.
func propose(m *meeting.Meeting, list ...meeting.ProposedAction) {
	m.ProposedActions = slices.Clone(list)
	for i, a := range list {
		if len(a.Evidence) == 0 {
			quote := "they told us"
			switch {
			case strings.HasPrefix(a.Tool, "ticket."):
				quote = "they want a ticket for"
			case a.Tool == "deal.create":
				quote = "we open a deal"
			}
			for _, name := range slices.Sorted(maps.Keys(a.Properties)) {
				if strings.Trim(name, "abcdefghijklmnopqrstuvwxyz_") == "" && !strings.HasPrefix(name, "debrief") {
					quote += " " + strings.ReplaceAll(name, "_", " ")
				}
				quote += " " + strings.TrimSuffix(a.Properties[name], "T00:00:00Z")
			}
			m.ProposedActions[i].Evidence = []meeting.Evidence{{Quote: quote}}
		}
		for _, e := range m.ProposedActions[i].Evidence {
			m.Transcript.Segments = append(m.Transcript.Segments, meeting.Segment{Speaker: e.Speaker, Text: e.Quote, StartSeconds: float64(e.OffsetSeconds)})
		}
	}
}

// plan plans, and checks what holds for every plan.
func plan(t require.TestingT, in planner.Input) []store.Draft {
	drafts := planner.Plan(in).Drafts
	seen := map[string]bool{}
	for key := range in.Written {
		seen[key] = true
	}
	for _, d := range drafts {
		_, written := in.Written[d.Key]
		require.False(t, written, "%s is written already", d.Key)
		require.False(t, seen[d.Key], "%s is there twice", d.Key)
		for _, dep := range d.DependsOn {
			require.True(t, seen[dep], "%s depends on %s, which comes later or never", d.Key, dep)
		}
		seen[d.Key] = true
		require.NotContains(t, d.Key, "@")
		require.NotContains(t, d.Key, ".example")
		require.True(t, strings.HasPrefix(d.Key, d.Tool.String()+":"), d.Key)
		require.NotEmpty(t, d.Content.Label)
		require.NotEmpty(t, d.Content.Purpose)
		if d.Tool.Operation == policy.Create {
			require.Empty(t, d.TargetID)
		} else if d.Content.Doubt == "" {
			require.NotEmpty(t, d.TargetID)
		}
		for _, a := range d.Content.Associations {
			require.NotEqual(t, a.Key == "", a.RecordID == "", "%s has an association with no end", d.Key)
			if a.Key != "" {
				require.Contains(t, d.DependsOn, a.Key)
			}
		}
		question := false
		for name := range d.Content.Properties {
			question = question || strings.HasPrefix(name, store.QuestionPrefix)
		}
		if question {
			require.NotEmpty(t, d.Content.Doubt)
		} else if d.Content.Doubt == "" {
			require.Empty(t, planner.Check(d.Tool.Object, d.Tool.Operation == policy.Create, d.Content.Properties, in.Resolution))
		}
	}
	return drafts
}

func find(drafts []store.Draft, tool string) []store.Draft {
	return slices.DeleteFunc(slices.Clone(drafts), func(d store.Draft) bool { return d.Tool.String() != tool })
}

func one(t *testing.T, drafts []store.Draft, tool string) store.Draft {
	t.Helper()
	found := find(drafts, tool)
	require.Len(t, found, 1, "%s in %v", tool, tools(drafts))
	return found[0]
}

func tools(drafts []store.Draft) []string {
	names := []string{}
	for _, d := range drafts {
		names = append(names, d.Tool.String())
	}
	return names
}

// written is the next round's input: everything of drafts happened.
func written(in planner.Input, drafts []store.Draft) planner.Input {
	out := in
	out.Written = map[string]planner.Written{}
	maps.Copy(out.Written, in.Written)
	for i, d := range drafts {
		id := d.TargetID
		if id == "" {
			id = fmt.Sprintf("%d", 9000+len(in.Written)*100+i)
		}
		out.Written[d.Key] = planner.Written{RecordID: id, Content: d.Content}
	}
	return out
}

func ids(drafts []store.AssociationRef) []string {
	list := []string{}
	for _, a := range drafts {
		end := a.RecordID
		if end == "" {
			end, _, _ = strings.Cut(a.Key, ":")
		}
		list = append(list, a.Object+" "+end)
	}
	return list
}

// fakeCRM answers from memory and notes every call.
type fakeCRM struct {
	records map[string][]hubspot.Record
	links   map[string][]string // "contacts 1 companies" → IDs
	primary map[string]bool     // "contacts 1 companies 2"
	owners  []hubspot.Owner
	cut     map[string]bool // "contacts 1 meetings": one record's read shows the first only
	gone    map[string]bool // "contacts 1": not found any more when read alone
	page    int             // owners a page; 0 is all
	deny    map[string]bool
	fail    error
	calls   []string
	// properties that the account describes, by object type; nil where it does not
	// let them be read.
	properties map[string][]hubspot.Property
	asked      map[string][]string // names of definitions, by object type
}

func (f *fakeCRM) Definitions(_ context.Context, objectType string, names []string) ([]hubspot.Property, bool, error) {
	if f.asked == nil {
		f.asked = map[string][]string{}
	}
	f.asked[objectType] = names
	known, ok := f.properties[objectType]
	var found []hubspot.Property
	for _, p := range known {
		if slices.Contains(names, p.Name) {
			found = append(found, p)
		}
	}
	return found, ok, nil
}

func (f *fakeCRM) call(object, format string, args ...any) error {
	f.calls = append(f.calls, fmt.Sprintf(format, args...))
	if f.deny[object] {
		return fmt.Errorf("the gate: %w", &policy.DeniedError{Tool: policy.Tool{Object: object, Operation: policy.Read}})
	}
	return f.fail
}

var singular = map[string]string{"contacts": "contact", "companies": "company", "deals": "deal", "tickets": "ticket", "meetings": "meeting"}

func (f *fakeCRM) Get(_ context.Context, objectType, id string, o hubspot.GetOptions) (hubspot.Record, error) {
	// As at the gate, every object type has to be allowed.
	for _, other := range append([]string{objectType}, o.Associations...) {
		if f.deny[singular[other]] {
			return hubspot.Record{}, f.call(singular[other], "denied: %s", other)
		}
	}
	if err := f.call(singular[objectType], "read one of the %s with its %s", objectType, strings.Join(o.Associations, ", ")); err != nil {
		return hubspot.Record{}, err
	}
	i := slices.IndexFunc(f.records[objectType], func(r hubspot.Record) bool { return r.ID == id })
	if i < 0 || f.gone[objectType+" "+id] {
		return hubspot.Record{}, fmt.Errorf("reading: %w", hubspot.ErrNotFound)
	}
	out := f.records[objectType][i]
	out.Associations, out.MoreAssociations = map[string][]hubspot.AssociatedID{}, map[string]string{}
	for _, to := range o.Associations {
		for _, other := range f.links[objectType+" "+id+" "+to] {
			// A link with two types stands there twice.
			out.Associations[to] = append(out.Associations[to], hubspot.AssociatedID{ID: other}, hubspot.AssociatedID{ID: other})
		}
		if f.cut[objectType+" "+id+" "+to] {
			out.Associations[to] = out.Associations[to][:1]
			out.MoreAssociations[to] = "next"
		}
	}
	return out, nil
}

func (f *fakeCRM) BatchRead(_ context.Context, objectType string, in hubspot.BatchReadInput) (hubspot.BatchReadResult, error) {
	by := "id"
	if in.IDProperty != "" {
		by = in.IDProperty
	}
	if err := f.call(singular[objectType], "read %d %s by %s", len(in.IDs), objectType, by); err != nil {
		return hubspot.BatchReadResult{}, err
	}
	var out hubspot.BatchReadResult
	for _, r := range f.records[objectType] {
		if (in.IDProperty == "" && slices.Contains(in.IDs, r.ID)) || (in.IDProperty != "" && slices.Contains(in.IDs, r.Properties[in.IDProperty])) {
			out.Records = append(out.Records, r)
		}
	}
	return out, nil
}

func (f *fakeCRM) BatchReadAssociations(_ context.Context, from, to string, fromIDs []string) (hubspot.AssociationsRead, error) {
	if err := f.call(singular[to], "read %s of %d %s", to, len(fromIDs), from); err != nil {
		return hubspot.AssociationsRead{}, err
	}
	out := hubspot.AssociationsRead{Records: map[string][]hubspot.AssociatedRecord{}}
	for _, id := range fromIDs {
		for _, other := range f.links[from+" "+id+" "+to] {
			r := hubspot.AssociatedRecord{ID: other, Types: []hubspot.AssociationLabel{{Category: hubspot.HubSpotDefined, TypeID: 279}}}
			if f.primary[from+" "+id+" "+to+" "+other] {
				r.Types = append(r.Types, hubspot.AssociationLabel{Category: hubspot.HubSpotDefined, TypeID: 1})
			}
			out.Records[id] = append(out.Records[id], r)
		}
	}
	return out, nil
}

func (f *fakeCRM) Search(_ context.Context, objectType string, in hubspot.SearchRequest) (hubspot.SearchResult, error) {
	filter := in.FilterGroups[0].Filters[0]
	if err := f.call(singular[objectType], "search %s by %s in %d", objectType, filter.PropertyName, len(filter.Values)); err != nil {
		return hubspot.SearchResult{}, err
	}
	var out hubspot.SearchResult
	for _, r := range f.records[objectType] {
		if slices.ContainsFunc(in.FilterGroups, func(g hubspot.FilterGroup) bool {
			return !slices.ContainsFunc(g.Filters, func(f hubspot.Filter) bool { return !filtered(r, f) })
		}) {
			out.Records = append(out.Records, r)
		}
	}
	return out, nil
}

func filtered(r hubspot.Record, f hubspot.Filter) bool {
	if f.Operator == hubspot.ContainsToken {
		return slices.Contains(strings.Fields(strings.ToLower(r.Properties[f.PropertyName])), f.Value)
	}
	return slices.Contains(f.Values, r.Properties[f.PropertyName])
}

func (f *fakeCRM) Owners(_ context.Context, in hubspot.OwnersQuery) (hubspot.OwnersPage, error) {
	what := "read owners"
	if in.Email != "" {
		what = "read the owner of an address"
	}
	if err := f.call("owner", "%s", what); err != nil {
		return hubspot.OwnersPage{}, err
	}
	var out hubspot.OwnersPage
	for _, o := range f.owners {
		if in.Email == "" || strings.EqualFold(o.Email, in.Email) {
			out.Owners = append(out.Owners, o)
		}
	}
	if f.page > 0 && len(out.Owners) > f.page {
		out.Owners, out.After = out.Owners[:f.page], "next"
	}
	return out, nil
}

func (f *fakeCRM) Pipelines(_ context.Context, objectType string, _ ...string) ([]hubspot.Pipeline, error) {
	if err := f.call("pipeline", "read pipelines of %s", objectType); err != nil {
		return nil, err
	}
	return []hubspot.Pipeline{{ID: "default", Stages: []hubspot.Stage{{ID: "new"}, {ID: "won", Metadata: map[string]string{"isClosed": "true"}}}}}, nil
}
