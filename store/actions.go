package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/vault"
)

// ActionState is how far an action has come.
type ActionState string

// The states of an action.
const (
	ActionDenied    ActionState = "denied"    // its tool is denied: not asked, not run
	ActionAsking    ActionState = "asking"    // a question about it is pending
	ActionReady     ActionState = "ready"     // may run as soon as what it depends on is settled
	ActionWriting   ActionState = "writing"   // a call is out, or its process died meanwhile
	ActionWritten   ActionState = "written"   // done, RecordID names the record
	ActionUnchanged ActionState = "unchanged" // the record already is as the action wants it
	ActionFailed    ActionState = "failed"    // HubSpot refused it for good, or it can't be carried out
	ActionUnknown   ActionState = "unknown"   // it was sent, and nothing tells whether it happened
	ActionRejected  ActionState = "rejected"  // a human said no
	ActionExpired   ActionState = "expired"   // nobody answered in time
	ActionSkipped   ActionState = "skipped"   // it can't stand without something that did not happen
	ActionWithdrawn ActionState = "withdrawn" // a later round no longer wants it
)

// Settled says whether nothing more will happen to an action in this state
// unless a new round or a human wants it.
func (s ActionState) Settled() bool {
	switch s {
	case ActionAsking, ActionReady, ActionWriting, ActionUnknown:
		return false
	default:
		return true
	}
}

// Happened says whether the record is there: dependents may go on.
func (s ActionState) Happened() bool { return s == ActionWritten || s == ActionUnchanged }

// Draft is an action as a planner wants it, before it is stored.
type Draft struct {
	// Key is stable over rounds and replays: built from tool, target or natural
	// key, and purpose. No personal data: hash what identifies people.
	Key  string
	Tool policy.Tool
	// TargetID is the record to update; empty for creates, and for updates of a
	// record that another draft makes (then Content.TargetKey names that draft).
	TargetID string
	// DependsOn are the keys of drafts that must have happened before.
	DependsOn []string
	Content   ActionContent
}

// ActionContent is what an action would do, in words and values. It is stored
// sealed, and its keyed hash is what an approval is about.
type ActionContent struct {
	// Label names the record for people: "Jane Roe (jane@northwind.example)".
	Label string `json:"label"`
	// Purpose says in a few words why: "attended and is not in HubSpot yet".
	Purpose string `json:"purpose,omitempty"`
	// NaturalKey identifies the record that a create would make, beyond this
	// origin: "email:jane@northwind.example", "domain:northwind.example". Empty
	// where the record is the origin's own (its note, its task).
	NaturalKey string `json:"natural_key,omitempty"`
	// TargetKey is the draft whose record is updated, where it has no ID yet.
	TargetKey string `json:"target_key,omitempty"`
	// Properties to write, by HubSpot's internal names.
	Properties map[string]string `json:"properties"`
	// Before are the values of those properties when the plan was made, of a
	// record that is there.
	Before map[string]string `json:"before,omitempty"`
	// Associations of a created record, or to be added to an updated one.
	Associations []AssociationRef `json:"associations,omitempty"`
	// Evidence is what was said that supports it.
	Evidence []meeting.Evidence `json:"evidence,omitempty"`
	// Confidence of who proposed it, from 0 to 1; nil if nobody said.
	Confidence *float64 `json:"confidence,omitempty"`
	// Doubt is why a human has to be asked even where the tool is allowed:
	// "two contacts match". Empty when there is none.
	Doubt string `json:"doubt,omitempty"`
	// Candidates are the records that could be meant, the likeliest first. Picking
	// one is an edit of TargetProperty (or of CandidateProperty, where set) with its ID; NoneOfThese makes a new
	// record where MayCreate.
	Candidates        []Candidate `json:"candidates,omitempty"`
	CandidateProperty string      `json:"candidate_property,omitempty"`
	MayCreate         bool        `json:"may_create,omitempty"`
	// Earlier are the values that the record had when it was first asked about, if
	// it was changed since: Before is what it has now.
	Earlier map[string]string `json:"earlier,omitempty"`
	// Changed names the properties that differ from what was asked before, when
	// a later event amended an open question.
	Changed []string `json:"changed,omitempty"`
	// Undoes are the actions whose effect this one takes back, of an undo.
	Undoes []uuid.UUID `json:"undoes,omitempty"`
}

// Candidate is a record that could be meant, and why.
type Candidate struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	// Reasons are codes with what they need: see the planner's. They are put in the
	// reader's words when they are shown.
	Reasons []string `json:"reasons,omitempty"`
}

// NoneOfThese is what an approver answers in the place of a candidate's ID: none
// of them is meant, make a new record.
const NoneOfThese = "new"

// AssociationRef names a record to associate with: by ID, or as the record of
// another draft.
type AssociationRef struct {
	Object   string `json:"object"`
	RecordID string `json:"record_id,omitempty"`
	Key      string `json:"key,omitempty"`
	// Required: without it the action can't stand alone. Otherwise the
	// association is left out when its record does not come to be.
	Required bool `json:"required,omitempty"`
}

// Action is one intended tool call, as stored.
type Action struct {
	ID             uuid.UUID     `json:"id"`
	OrganizationID uuid.UUID     `json:"organization_id"`
	Origin         Origin        `json:"origin"`
	Round          int           `json:"round"`
	Key            string        `json:"key"`
	Tool           policy.Tool   `json:"tool"`
	TargetID       string        `json:"target_id,omitempty"`
	Position       int           `json:"position"`
	DependsOn      []uuid.UUID   `json:"depends_on,omitempty"`
	State          ActionState   `json:"state"`
	Reason         string        `json:"reason,omitempty"`
	ContentMAC     []byte        `json:"-"`
	Content        ActionContent `json:"content"`
	RecordID       string        `json:"record_id,omitempty"`
	// MayExistSince is when a call was lost whose outcome is still not known,
	// whatever State says by now: it may have been written. Only learning that it
	// was, or a human's approval of an outcome question, clears it.
	MayExistSince *time.Time `json:"may_exist_since,omitempty"`
	ConnectionID  *uuid.UUID `json:"connection_id,omitempty"`
	CreatedAt     time.Time  `json:"created_at"`
	UpdatedAt     time.Time  `json:"updated_at"`

	dataKeyID *uuid.UUID
	// overtaken: a later round wanted it otherwise while it was in flight.
	overtaken bool
}

// inFlight says that nobody knows whether it has happened.
func (a Action) inFlight() bool {
	return a.State == ActionWriting || a.State == ActionUnknown || a.MayExistSince != nil
}

func actionContentPlace(id uuid.UUID) string { return "actions.sealed:" + id.String() }

// contentMAC is the keyed hash of what an action would do: the tool, the target
// and everything that would be sent. Words that only explain it are left out,
// so that a better explanation doesn't ask the same question twice.
func contentMAC(k *vault.DataKey, tool policy.Tool, targetID string, c ActionContent) ([]byte, error) {
	raw, err := json.Marshal(struct {
		Tool         string
		TargetID     string
		TargetKey    string
		NaturalKey   string
		Properties   map[string]string
		Associations []AssociationRef
	}{tool.String(), targetID, c.TargetKey, c.NaturalKey, c.Properties, c.Associations})
	if err != nil {
		return nil, fmt.Errorf("encoding an action: %w", err)
	}
	return k.MAC(raw), nil
}

const selectAction = `
	select a.id, a.organization_id, a.origin_kind, a.origin_id, a.round, a.key, a.object_type, a.operation, a.target_id, a.position,
	       a.depends_on, a.state, a.reason, a.content_mac, a.sealed, a.record_id, a.may_exist_since, a.connection_id, a.created_at, a.updated_at, a.data_key_id, a.overtaken
	from actions a`

// scanAction reads a row of selectAction; its content is opened after all rows have
// been read, since that may need another query.
func scanAction(row pgx.CollectableRow) (rawAction, error) {
	var a rawAction
	err := row.Scan(&a.ID, &a.OrganizationID, &a.Origin.Kind, &a.Origin.ID, &a.Round, &a.Key, &a.Tool.Object, &a.Tool.Operation, &a.TargetID,
		&a.Position, &a.DependsOn, &a.State, &a.Reason, &a.ContentMAC, &a.sealed, &a.RecordID, &a.MayExistSince, &a.ConnectionID, &a.CreatedAt, &a.UpdatedAt, &a.dataKeyID, &a.overtaken)
	return a, err
}

type rawAction struct {
	Action

	sealed []byte
}

// queryActions runs selectAction with a condition, and opens what it finds.
func (s *Store) queryActions(ctx context.Context, q querier, condition string, args ...any) ([]Action, error) {
	rows, err := q.Query(ctx, selectAction+" "+condition, args...)
	if err != nil {
		return nil, fmt.Errorf("reading actions: %w", err)
	}
	raws, err := pgx.CollectRows(rows, scanAction)
	if err != nil {
		return nil, fmt.Errorf("reading actions: %w", err)
	}
	actions := make([]Action, 0, len(raws))
	for _, raw := range raws {
		a := raw.Action
		if raw.sealed != nil {
			key, err := s.dataKey(ctx, q, raw.dataKeyID)
			if err != nil && !errors.Is(err, ErrErased) {
				return nil, err
			}
			if err == nil { // else: what it was about is erased; that it was, stays
				if err := openJSON(key, raw.sealed, &a.Content, actionContentPlace(a.ID)); err != nil {
					return nil, err
				}
			}
		}
		actions = append(actions, a)
	}
	return actions, nil
}

// ActionsOf lists the actions of one origin in the order of the plan.
func (s *Store) ActionsOf(ctx context.Context, organizationID uuid.UUID, originID uuid.UUID) ([]Action, error) {
	return s.queryActions(ctx, s.pool, `where a.organization_id = $1 and a.origin_id = $2 order by a.position, a.id`, organizationID, originID)
}

// Action returns one action of the organization.
func (s *Store) Action(ctx context.Context, organizationID, id uuid.UUID) (Action, error) {
	actions, err := s.queryActions(ctx, s.pool, `where a.organization_id = $1 and a.id = $2`, organizationID, id)
	if err != nil {
		return Action{}, err
	}
	if len(actions) == 0 {
		return Action{}, fmt.Errorf("reading action %s: %w", id, ErrNotFound)
	}
	return actions[0], nil
}

// because adds to a reason that the action may have been written.
func (a Action) because(reason string) string {
	if a.MayExistSince == nil {
		return reason
	}
	return reason + "; whether it was written is not known"
}

// mayExist sets the column of [Action.MayExistSince] as it belongs to the state $2.
const mayExist = `may_exist_since = case
	when $2::text = 'unknown' then coalesce(may_exist_since, now())
	when $2::text in ('written', 'unchanged') then null
	else may_exist_since end`

// setActionState moves an action, with the reason that a person will read.
func setActionState(ctx context.Context, q querier, id uuid.UUID, state ActionState, reason string) error {
	_, err := q.Exec(ctx, `update actions set state = $2::text, reason = $3, `+mayExist+`, updated_at = now() where id = $1`, id, state, reason)
	if err != nil {
		return fmt.Errorf("moving action %s to %s: %w", id, state, err)
	}
	return nil
}

// setActionContent replaces what an action would do, and returns its new hash.
func (s *Store) setActionContent(ctx context.Context, q querier, a *Action) error {
	key, err := s.dataKey(ctx, q, a.dataKeyID)
	if err != nil {
		return err
	}
	if a.ContentMAC, err = contentMAC(key, a.Tool, a.TargetID, a.Content); err != nil {
		return err
	}
	sealed, err := sealJSON(key, a.Content, actionContentPlace(a.ID))
	if err != nil {
		return err
	}
	like, err := s.likenessMAC(ctx, q, a)
	if err != nil {
		return err
	}
	_, err = q.Exec(ctx, `
		update actions set sealed = $2, content_mac = $3, depends_on = $4, target_id = $5, round = $6, position = $7, likeness_mac = $8, updated_at = now()
		where id = $1`, a.ID, sealed, a.ContentMAC, a.DependsOn, a.TargetID, a.Round, a.Position, like)
	if err != nil {
		return fmt.Errorf("changing action %s: %w", a.ID, err)
	}
	return nil
}

// Change is one property of an action, for showing.
type Change struct {
	Property string
	// Before is what the record had, if that differs.
	Before string
	After  string
	// Amended: it is another value than was asked about before.
	Amended bool
}

// Changes are the properties in alphabetical order.
func (c ActionContent) Changes() []Change {
	changes := make([]Change, 0, len(c.Properties))
	for name, after := range c.Properties {
		change := Change{Property: name, After: after, Amended: slices.Contains(c.Changed, name)}
		if before := c.Before[name]; before != after {
			change.Before = before
		}
		changes = append(changes, change)
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Property, b.Property) })
	return changes
}

// Links says what the record is linked to: "company 101, the new contact". Empty
// when to nothing.
func (c ActionContent) Links() string {
	links := make([]string, 0, len(c.Associations))
	for _, a := range c.Associations {
		if a.RecordID != "" {
			links = append(links, a.Object+" "+a.RecordID)
		} else {
			links = append(links, "the new "+a.Object)
		}
	}
	text := strings.Join(links, ", ")
	if slices.Contains(c.Changed, "associations") {
		text += " (changed)"
	}
	return strings.TrimSpace(text)
}
