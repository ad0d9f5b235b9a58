package agents

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Options are what a service is made of.
type Options struct {
	Store       *store.Store
	Gate        *crm.Gate
	Connections *connections.Service
	// PublicURL is where people answer questions.
	PublicURL string
	// Wait is how long a call waits to be carried out before its caller has to look
	// again; 0 means 20 s.
	Wait time.Duration
	// OnError is told what a caller is not. nil: nobody is.
	OnError func(ctx context.Context, doing string, err error)
}

// Service carries out what callers want. It is safe for concurrent use.
type Service struct {
	options Options
}

// New makes a service.
func New(o Options) *Service {
	if o.Wait <= 0 {
		o.Wait = 20 * time.Second
	}
	if o.OnError == nil {
		o.OnError = func(context.Context, string, error) {}
	}
	o.PublicURL = strings.TrimSuffix(o.PublicURL, "/")
	return &Service{options: o}
}

// Caller is who calls, and for whom.
type Caller struct {
	OrganizationID uuid.UUID
	PersonID       uuid.UUID
	// Source is [store.OriginAgent] or [store.OriginScript].
	Source string
	// Client names the program, for people.
	Client string
	// ConnectionID is the connection to go through; zero: the one that acts for a
	// meeting which the person hosts.
	ConnectionID uuid.UUID
}

// Request is a write.
type Request struct {
	Tool policy.Tool
	// TargetID is the record to update.
	TargetID     string
	Properties   map[string]string
	Associations []store.AssociationRef
	// Reason is why, in the caller's words, for whoever approves.
	Reason string
	// Key is [store.NewCall].Key.
	Key string
}

// Result is what became of a call so far.
type Result struct {
	// CallID is the handle to look again with.
	CallID uuid.UUID         `json:"call_id"`
	State  store.ActionState `json:"state"`
	// Done: nothing more happens to it by itself.
	Done     bool   `json:"done"`
	RecordID string `json:"record_id,omitempty"`
	Reason   string `json:"reason,omitempty"`
	// ApprovalURL is where people answer, until ExpiresAt.
	ApprovalURL string     `json:"approval_url,omitempty"`
	ExpiresAt   *time.Time `json:"expires_at,omitempty"`
}

// Happened says whether the record is as the call wanted it.
func (r Result) Happened() bool { return r.State.Happened() }

func (s *Service) result(c store.Call) Result {
	r := Result{CallID: c.ID, State: c.State, Done: c.Over(), RecordID: c.RecordID, Reason: c.Reason}
	if c.Asking() {
		r.ApprovalURL, r.ExpiresAt = s.options.PublicURL+"/inbox/"+c.ID.String(), c.ExpiresAt
	}
	return r
}

// Connection is the one that acts for a caller.
func (s *Service) Connection(ctx context.Context, c Caller) (store.Connection, error) {
	connection, err := s.options.Connections.ForPerson(ctx, c.OrganizationID, c.PersonID, c.ConnectionID)
	if errors.Is(err, connections.ErrUndecided) {
		return connection, &store.Refusal{Sentence: "Which connection to HubSpot acts for this person is not decided: name one with --connection, or have an admin set a default (`debrief connections --help`)."}
	}
	return connection, err
}

// Scope is that of a caller's reads of which nothing is kept but the trail.
func Scope(c Caller, connection store.Connection) crm.Scope {
	return crm.Scope{
		OrganizationID: c.OrganizationID, ConnectionID: connection.ID, OnBehalfOf: c.PersonID.String(),
		Origin: store.Origin{Kind: c.Source, ID: c.PersonID},
	}
}

// Do has one write carried out, and waits for that for a while. The error is a
// [*policy.DeniedError], a [*store.Refusal], or what the gate says: see [Sentence].
func (s *Service) Do(ctx context.Context, c Caller, r Request) (Result, error) {
	id, err := s.Begin(ctx, c, r)
	if err != nil {
		return Result{}, err
	}
	return s.await(ctx, c, id)
}

// Begin has one write carried out, as [Service.Do], and waits for nothing.
func (s *Service) Begin(ctx context.Context, c Caller, r Request) (uuid.UUID, error) {
	r.Tool = r.Tool.Canonical()
	if _, ok := policy.FindTool(r.Tool); !ok || r.Tool.Operation != policy.Create && r.Tool.Operation != policy.Update {
		return uuid.Nil, &store.Refusal{Sentence: "There is no tool " + r.Tool.String() + " to write with."}
	}
	connection, err := s.Connection(ctx, c)
	if err != nil {
		return uuid.Nil, err
	}
	n := store.NewCall{
		OrganizationID: c.OrganizationID, PersonID: c.PersonID, Source: c.Source, Client: c.Client, Key: r.Key, ConnectionID: connection.ID,
		Tool: r.Tool, TargetID: r.TargetID, Purpose: r.Reason, Properties: r.Properties, Associations: r.Associations,
		Label: labelOf(r.Properties),
	}
	_, decide, err := s.options.Store.CallerPolicy(ctx, c.OrganizationID, c.PersonID)
	if err != nil {
		return uuid.Nil, err
	}
	// For what is denied nothing is read; BeginCall says so, to the trail as well.
	if decide(r.Tool).Permission != policy.Deny {
		if err := s.prepare(ctx, c, connection, &n); err != nil {
			return uuid.Nil, err
		}
	}
	call, err := s.options.Store.BeginCall(ctx, n)
	return call.ID, err
}

// Status says how a call of a caller's person stands.
func (s *Service) Status(ctx context.Context, c Caller, callID uuid.UUID) (Result, error) {
	call, err := s.options.Store.Call(ctx, c.OrganizationID, c.PersonID, callID)
	if errors.Is(err, store.ErrNotFound) {
		return Result{}, &store.Refusal{Sentence: "There is no such call of this person's."}
	}
	if err != nil {
		return Result{}, err
	}
	return s.told(ctx, call)
}

func (s *Service) await(ctx context.Context, c Caller, callID uuid.UUID) (Result, error) {
	call, err := s.options.Store.AwaitCall(ctx, c.OrganizationID, c.PersonID, callID, s.options.Wait)
	if err != nil {
		return Result{}, err
	}
	return s.told(ctx, call)
}

// told is the result, and notes that it was told. That of an approved read is what is
// read.
func (s *Service) told(ctx context.Context, call store.Call) (Result, error) {
	if call.State != store.ActionReady {
		if err := s.options.Store.HandOver(ctx, call); err != nil {
			return Result{}, err
		}
	}
	return s.result(call), nil
}

// prepare reads what HubSpot knows of a write, checks the values by that, and says
// what they would replace.
func (s *Service) prepare(ctx context.Context, c Caller, connection store.Connection, n *store.NewCall) error {
	reader := s.options.Gate.Reader(Scope(c, connection))
	var resolution known
	err := inTurn(ctx, func() (err error) {
		resolution, err = account(ctx, reader, n.Tool.Object, n.Properties)
		return err
	})
	if err != nil {
		return err
	}
	if n.Tool.Operation == policy.Update && hubspot.IsID(n.TargetID) {
		names := append([]string{"hubspot_owner_id", "dealstage", "pipeline", "amount", "deal_currency_code"}, labelProperties...)
		for name := range n.Properties {
			names = append(names, name)
		}
		slices.Sort(names)
		var record hubspot.Record
		err := inTurn(ctx, func() (err error) {
			record, err = reader.Get(ctx, n.Tool.Object, n.TargetID, hubspot.GetOptions{Properties: slices.Compact(names)})
			return err
		})
		switch {
		case errors.Is(err, policy.ErrDenied):
			// Without a look, whatever is there counts as changed by others: whoever
			// approves is shown it.
		case err != nil:
			return err
		default:
			n.Before = map[string]string{}
			for name := range n.Properties {
				n.Before[name] = record.Properties[name]
			}
			n.Label = labelOf(record.Properties)
			resolution.add(n.Tool.Object, planner.Record{ID: record.ID, Properties: record.Properties})
		}
	}
	n.Label = cmp.Or(n.Label, n.TargetID)
	if problems := planner.Check(n.Tool.Object, n.Tool.Operation == policy.Create, n.Properties, resolution.Resolution); len(problems) > 0 {
		return &store.Refusal{Sentence: "That can't be written: " + strings.Join(problems, "; ") + "."}
	}
	n.Resolution = resolution.Resolution
	return nil
}

// known is what HubSpot knows of a call, as rules, cards and checks read it.
type known struct{ planner.Resolution }

func (k *known) add(object string, r planner.Record) {
	switch object {
	case "contact":
		k.Contacts = append(k.Contacts, r)
	case "company":
		k.Companies = append(k.Companies, r)
	case "deal":
		k.Deals = append(k.Deals, r)
	case "ticket":
		k.Tickets = append(k.Tickets, r)
	}
}

// account reads the account's definitions of the properties of a call.
func account(ctx context.Context, reader *crm.Reader, object string, properties map[string]string) (known, error) {
	var k known
	all, defined, err := reader.Properties(ctx, object)
	if err != nil {
		return k, err
	}
	if defined {
		k.Properties, k.Undefined = map[string][]hubspot.Property{}, map[string][]string{}
		for name := range properties {
			i := slices.IndexFunc(all, func(p hubspot.Property) bool { return p.Name == name })
			if i < 0 {
				k.Undefined[object] = append(k.Undefined[object], name)
				continue
			}
			p := all[i]
			p.Description, p.GroupName = "", ""
			k.Properties[object] = append(k.Properties[object], p)
		}
		slices.Sort(k.Undefined[object])
		slices.SortFunc(k.Properties[object], func(a, b hubspot.Property) int { return cmp.Compare(a.Name, b.Name) })
	}
	switch object {
	case "deal":
		k.DealPipelines, err = reader.Pipelines(ctx, object)
	case "ticket":
		k.TicketPipelines, err = reader.Pipelines(ctx, object)
	}
	return k, err
}

// labelProperties are those that people know a record by.
var labelProperties = []string{"name", "dealname", "subject", "hs_task_subject", "hs_meeting_title", "firstname", "lastname", "email", "domain"}

// labelOf names a record for people.
func labelOf(properties map[string]string) string {
	person := strings.TrimSpace(properties["firstname"] + " " + properties["lastname"])
	if email := properties["email"]; person != "" && email != "" {
		return person + " (" + email + ")"
	}
	for _, name := range labelProperties {
		if v := strings.TrimSpace(properties[name]); v != "" && name != "firstname" && name != "lastname" {
			return v
		}
	}
	return person
}

// The most that one read returns.
const (
	mostFound  = 20
	mostNames  = 50
	mostValue  = 4_000
	mostLinked = 100
)

// Record is a record as a caller sees it.
type Record struct {
	ID         string            `json:"id"`
	Properties map[string]string `json:"properties"`
	// Associations are IDs of linked records by their object type.
	Associations map[string][]string `json:"associations,omitempty"`
	URL          string              `json:"url,omitempty"`
}

// Found is what was read, or that somebody has to be asked first.
type Found struct {
	Records []Record `json:"records"`
	// Total counts all matches of a search, and After leads to the next page.
	Total int    `json:"total,omitempty"`
	After string `json:"after,omitempty"`
	// Waiting is set where nothing was read yet: call again, with the same, once it
	// was approved.
	Waiting *Result `json:"waiting,omitempty"`
}

// Get reads one record with its links to records of those types.
func (s *Service) Get(ctx context.Context, c Caller, object, id string, properties, associations []string) (Found, error) {
	if !hubspot.IsID(id) {
		return Found{}, &store.Refusal{Sentence: "A record's ID is a number."}
	}
	tools := []policy.Tool{{Object: object, Operation: policy.Read}}
	for _, other := range associations {
		if !knownObject(other) {
			return Found{}, &store.Refusal{Sentence: fmt.Sprintf("There is no object type %q to list links to.", clip(other, 60))}
		}
		tools = append(tools, policy.Tool{Object: other, Operation: policy.Read})
	}
	if len(properties) > mostNames {
		return Found{}, &store.Refusal{Sentence: fmt.Sprintf("At most %d properties are read at once.", mostNames)}
	}
	if len(properties) == 0 {
		properties = commonProperties(object)
	}
	asked := []any{"get", id, properties, associations}
	return s.read(ctx, c, tools, object+" "+id, asked, func(r *crm.Reader) (Found, error) {
		record, err := r.Get(ctx, object, id, hubspot.GetOptions{Properties: properties, Associations: plurals(associations)})
		if err != nil {
			return Found{}, err
		}
		return Found{Records: []Record{shown(record, properties, associations)}}, nil
	})
}

// Search finds records by words, and by conditions that all hold.
func (s *Service) Search(ctx context.Context, c Caller, object string, in hubspot.SearchRequest) (Found, error) {
	switch {
	case in.Limit == 0:
		in.Limit = mostFound / 2
	case in.Limit < 0 || in.Limit > mostFound:
		return Found{}, &store.Refusal{Sentence: fmt.Sprintf("At most %d records are found at once; the rest is on further pages.", mostFound)}
	case len(in.Properties) > mostNames:
		return Found{}, &store.Refusal{Sentence: fmt.Sprintf("At most %d properties are read at once.", mostNames)}
	}
	if in.Query == "" && len(in.FilterGroups) == 0 {
		return Found{}, &store.Refusal{Sentence: "Say what to search for: words (query) or conditions (filters)."}
	}
	if len(in.Properties) == 0 {
		in.Properties = commonProperties(object)
	}
	return s.read(ctx, c, crm.SearchTools(object, in), object+" search", []any{"search", in}, func(r *crm.Reader) (Found, error) {
		page, err := r.Search(ctx, object, in)
		if err != nil {
			return Found{}, err
		}
		found := Found{Records: []Record{}, Total: page.Total, After: page.After}
		for _, record := range page.Records {
			found.Records = append(found.Records, shown(record, in.Properties, nil))
		}
		return found, nil
	})
}

// Owners finds HubSpot's users by an address; without one the first hundred.
func (s *Service) Owners(ctx context.Context, c Caller, email string) (Found, error) {
	tool := policy.Tool{Object: "owner", Operation: policy.Read}
	return s.read(ctx, c, []policy.Tool{tool}, "owners", []any{"owners", email}, func(r *crm.Reader) (Found, error) {
		page, err := r.Owners(ctx, hubspot.OwnersQuery{Email: email, Limit: mostLinked})
		if err != nil {
			return Found{}, err
		}
		found := Found{Records: []Record{}, After: page.After}
		for _, o := range page.Owners {
			found.Records = append(found.Records, Record{ID: o.ID, Properties: map[string]string{
				"email": o.Email, "firstname": o.FirstName, "lastname": o.LastName,
			}})
		}
		return found, nil
	})
}

// read makes a read. Where a tool asks, it is a call: once that was approved, it is
// read for it, once.
func (s *Service) read(ctx context.Context, c Caller, tools []policy.Tool, label string, asked []any, do func(*crm.Reader) (Found, error)) (Found, error) {
	connection, err := s.Connection(ctx, c)
	if err != nil {
		return Found{}, err
	}
	_, decide, err := s.options.Store.CallerPolicy(ctx, c.OrganizationID, c.PersonID)
	if err != nil {
		return Found{}, err
	}
	worst := policy.Allow
	for _, tool := range tools {
		worst = policy.Stricter(worst, decide(tool).Permission)
	}
	scope := Scope(c, connection)
	now := func() (found Found, err error) {
		reader := s.options.Gate.Reader(scope)
		err = inTurn(ctx, func() (err error) {
			found, err = do(reader)
			return err
		})
		return found, err
	}
	if worst != policy.Ask {
		// What is denied the gate refuses, with its row in the trail.
		return now()
	}
	what, err := json.Marshal(asked)
	if err != nil {
		return Found{}, fmt.Errorf("encoding a read: %w", err)
	}
	call, err := s.options.Store.BeginCall(ctx, store.NewCall{
		OrganizationID: c.OrganizationID, PersonID: c.PersonID, Source: c.Source, Client: c.Client, ConnectionID: connection.ID,
		Tool: tools[0], Also: tools[1:], Asked: string(what), Label: label, Resolution: struct{}{},
	})
	if err != nil {
		return Found{}, err
	}
	if call.State != store.ActionReady {
		waiting, err := s.told(ctx, call)
		return Found{Records: []Record{}, Waiting: &waiting}, err
	}
	took, err := s.options.Store.TakeRead(ctx, call)
	switch {
	case err != nil:
		return Found{}, err
	case !took:
		// The same read at the same time was first: this one is another.
		return s.read(ctx, c, tools, label, asked, do)
	}
	scope.Origin = call.Origin
	found, err := now()
	if err != nil {
		return Found{}, errors.Join(err, s.options.Store.ReturnRead(context.WithoutCancel(ctx), call))
	}
	return found, nil
}

func shown(r hubspot.Record, properties, associations []string) Record {
	out := Record{ID: r.ID, Properties: map[string]string{}, URL: r.URL}
	for _, name := range properties {
		if v, ok := r.Properties[name]; ok {
			out.Properties[name] = clip(v, mostValue)
		}
	}
	for _, object := range associations {
		ids := []string{}
		for _, a := range r.Associations[hubspot.Plural(object)] {
			if !slices.Contains(ids, a.ID) && len(ids) < mostLinked {
				ids = append(ids, a.ID)
			}
		}
		if out.Associations == nil {
			out.Associations = map[string][]string{}
		}
		out.Associations[object] = ids
	}
	return out
}

func clip(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

func knownObject(object string) bool {
	_, ok := policy.FindTool(policy.Tool{Object: object, Operation: policy.Read})
	return ok && object != "owner"
}

func plurals(objects []string) []string {
	out := make([]string, 0, len(objects))
	for _, o := range objects {
		out = append(out, hubspot.Plural(o))
	}
	return out
}
