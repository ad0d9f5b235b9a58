package store

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/vault"
)

// Actor is who did something: a person, or a part of Debrief.
type Actor struct {
	// Name says who: "operator", "follow-up", "temporal operator (…)".
	Name string
	// PersonID is set where the actor is a known person.
	PersonID *uuid.UUID
}

// Operator is whoever runs commands on the machine that Debrief runs on.
var Operator = Actor{Name: "operator"}

// AuditKind is what an audit row is about.
type AuditKind string

// The kinds of audit rows.
const (
	AuditCall         AuditKind = "call"
	AuditDecision     AuditKind = "decision"
	AuditPermission   AuditKind = "permission"
	AuditConnection   AuditKind = "connection"
	AuditSource       AuditKind = "source"
	AuditVisibility   AuditKind = "visibility"
	AuditOrganization AuditKind = "organization"
	// AuditPlan is what a planner proposed and a plan left out.
	AuditPlan AuditKind = "plan"
)

// Outcome is how a call ended, as far as is known.
type Outcome string

// The outcomes of an audited step.
const (
	// Attempted stands before the call. Where a process died between sending and
	// recording, it stays until whoever takes a write over has looked, or until
	// [Store.SweepCalls].
	Attempted Outcome = "attempted"
	Done      Outcome = "done"
	Failed    Outcome = "failed"
	// Refused: by Debrief's own rules, nothing was sent.
	Refused Outcome = "refused"
	// Unknown: sent, and no answer tells whether it happened.
	Unknown Outcome = "unknown"
)

// originMeeting is the kind of origin of what a meeting leads to.
const originMeeting = "meeting"

// Origin is what an action or a call came from.
type Origin struct {
	Kind string    `json:"kind"` // meeting, agent, script, undo
	ID   uuid.UUID `json:"id"`
}

// AuditEntry is one row of the trail. Values are never stored in it in clear:
// Values become keyed hashes here and, sealed, the details beside the row.
type AuditEntry struct {
	ID             int64     `json:"id"`
	OrganizationID uuid.UUID `json:"organization_id"`
	At             time.Time `json:"at"`
	Kind           AuditKind `json:"kind"`
	Actor          Actor     `json:"actor"`
	// OnBehalfOf is the ID of the person for whom it was done; of a meeting's
	// steps the host, unless said otherwise.
	OnBehalfOf    string      `json:"on_behalf_of,omitempty"`
	Origin        Origin      `json:"origin,omitzero"`
	Round         int         `json:"round,omitempty"`
	ActionID      *uuid.UUID  `json:"action_id,omitempty"`
	ApprovalID    *uuid.UUID  `json:"approval_id,omitempty"`
	Tool          policy.Tool `json:"tool,omitzero"`
	ConnectionID  *uuid.UUID  `json:"connection_id,omitempty"`
	RecordID      string      `json:"record_id,omitempty"`
	Reason        string      `json:"reason,omitempty"`
	Outcome       Outcome     `json:"outcome"`
	Status        int         `json:"status,omitempty"`
	Category      string      `json:"category,omitempty"`
	CorrelationID string      `json:"correlation_id,omitempty"`
	CompletedAt   *time.Time  `json:"completed_at,omitempty"`

	// Properties are the names of what was written or read.
	Properties []string `json:"properties,omitempty"`
	// HasValues: what was written stands sealed beside the row.
	HasValues bool `json:"has_values,omitempty"`
	// Values are what was written, by property name: only on the way in.
	Values map[string]string `json:"-"`
	// DataKeyID is whose key seals the values; the organization's if nil.
	DataKeyID *uuid.UUID `json:"-"`
}

func auditDetailsPlace(id int64) string { return fmt.Sprintf("audit_details.sealed:%d", id) }

// audit writes one row, and its values sealed beside it.
func (s *Store) audit(ctx context.Context, q querier, e AuditEntry) error {
	_, err := s.insertAudit(ctx, q, e)
	return err
}

func (s *Store) insertAudit(ctx context.Context, q querier, e AuditEntry) (int64, error) {
	if e.Outcome == "" {
		e.Outcome = Done
	}
	if e.Actor.Name == "" {
		return 0, errors.New("an audit row without an actor")
	}
	var key *vault.DataKey
	macs := map[string]string{}
	if len(e.Values) > 0 {
		var err error
		if e.DataKeyID == nil {
			if err := q.QueryRow(ctx, `select data_key_id from organizations where id = $1`, e.OrganizationID).Scan(&e.DataKeyID); err != nil {
				return 0, notFound(err, "reading the organization of an audit row")
			}
		}
		if key, err = s.dataKey(ctx, q, e.DataKeyID); err != nil {
			return 0, err
		}
		for name, value := range e.Values {
			macs[name] = hex.EncodeToString(key.MAC([]byte(name + "\x00" + value)))
			if !slices.Contains(e.Properties, name) {
				e.Properties = append(e.Properties, name)
			}
		}
		slices.Sort(e.Properties)
	}
	if e.Properties == nil {
		e.Properties = []string{}
	}
	macsJSON, err := json.Marshal(macs)
	if err != nil {
		return 0, fmt.Errorf("encoding the hashes of an audit row: %w", err)
	}
	var id int64
	tool := ""
	if e.Tool != (policy.Tool{}) {
		tool = e.Tool.String()
	}
	err = q.QueryRow(ctx, `
		insert into audit (at, organization_id, kind, actor, actor_person_id, on_behalf_of, origin_kind, origin_id, round,
		                   action_id, approval_id, tool, connection_id, object_type, record_id, properties, value_macs,
		                   reason, outcome, status, category, correlation_id, completed_at)
		        -- A call begins now, not when its transaction did: HubSpot's time to
		        -- work on it counts from here.
		values (case when $18::text = 'attempted' then clock_timestamp() else now() end, $1, $2, $3, $4,
		        -- What is done for a meeting is done for its host.
		        coalesce(nullif($5, ''), (select host_person_id::text from meetings where id = $7), ''), $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18::text, $19, $20, $21,
		        case when $18::text = 'attempted' then null else now() end)
		returning id`,
		e.OrganizationID, e.Kind, e.Actor.Name, e.Actor.PersonID, e.OnBehalfOf, e.Origin.Kind, nullID(e.Origin.ID), e.Round,
		e.ActionID, e.ApprovalID, tool, e.ConnectionID, e.Tool.Object, e.RecordID, e.Properties, macsJSON,
		e.Reason, string(e.Outcome), e.Status, e.Category, e.CorrelationID).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("writing an audit row: %w", err)
	}
	if key != nil {
		sealed, err := sealJSON(key, e.Values, auditDetailsPlace(id))
		if err != nil {
			return 0, err
		}
		if _, err := q.Exec(ctx, `insert into audit_details (audit_id, data_key_id, sealed) values ($1, $2, $3)`, id, e.DataKeyID, sealed); err != nil {
			return 0, fmt.Errorf("writing the details of an audit row: %w", err)
		}
	}
	return id, nil
}

// Audit writes one row of the trail that belongs to no transaction of the store's.
func (s *Store) Audit(ctx context.Context, e AuditEntry) error { return s.audit(ctx, s.pool, e) }

// CallResult completes a call's row.
type CallResult struct {
	Outcome       Outcome
	RecordID      string
	Status        int
	Category      string
	CorrelationID string
	Reason        string
}

// EndCall completes the row of a call that [Store.BeginToolCall] began. A row that is complete stays as it is.
func (s *Store) EndCall(ctx context.Context, id int64, r CallResult) error {
	return endCall(ctx, s.pool, id, r)
}

func endCall(ctx context.Context, q querier, id int64, r CallResult) error {
	_, err := q.Exec(ctx, `
		update audit set outcome = $2, record_id = case when $3 = '' then record_id else $3 end, status = $4,
		                 category = $5, correlation_id = $6, reason = case when $7 = '' then reason else $7 end, completed_at = now()
		where id = $1 and outcome = 'attempted'`,
		id, string(r.Outcome), r.RecordID, r.Status, r.Category, r.CorrelationID, r.Reason)
	if err != nil {
		return fmt.Errorf("completing audit row %d: %w", id, err)
	}
	return nil
}

// abandonedAfter is how old a call's row is before it is taken for one of a process that
// died: several times what a call may take.
const abandonedAfter = "interval '1 hour'"

// SweepCalls completes the rows of calls whose process died before it could say how they
// ended. Those of writes with values are not among them: who takes such a write over
// looks what became of it, and completes its row.
func (s *Store) SweepCalls(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `
		update audit set outcome = 'unknown', completed_at = now(),
		  reason = concat_ws(': ', nullif(reason, ''), 'whoever called died before there was an answer')
		where kind = 'call' and outcome = 'attempted' and value_macs = '{}' and at < now() - `+abandonedAfter)
	if err != nil {
		return fmt.Errorf("completing the rows of calls that nobody will end: %w", err)
	}
	return nil
}

// AuditFilter selects rows of the trail. Zero fields select all.
type AuditFilter struct {
	ID       int64
	OriginID uuid.UUID
	ActionID uuid.UUID
	Kind     AuditKind
	// PersonID selects what a person did or what was done for them.
	PersonID uuid.UUID
	Tool     policy.Tool
	RecordID string
	// Before pages back: rows with a smaller ID only.
	Before int64
	// Limit bounds the page; 0 means 100, at most 1,000.
	Limit int
}

// AuditTrail lists an organization's rows, oldest first within the newest page.
func (s *Store) AuditTrail(ctx context.Context, organizationID uuid.UUID, f AuditFilter) ([]AuditEntry, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	tool := ""
	if f.Tool != (policy.Tool{}) {
		tool = f.Tool.Canonical().String()
	}
	rows, err := s.pool.Query(ctx, `
		select * from (
		  select id, organization_id, at, kind, actor, actor_person_id, on_behalf_of, origin_kind, origin_id, round, action_id,
		         approval_id, tool, connection_id, record_id, properties, reason, outcome, status, category, correlation_id, completed_at,
		         exists (select from audit_details d where d.audit_id = audit.id and d.sealed is not null) as has_values
		  from audit
		  where organization_id = $1
		    and ($2::uuid is null or origin_id = $2) and ($3::uuid is null or action_id = $3)
		    and ($4 = '' or kind = $4) and ($5::bigint = 0 or id < $5)
		    and ($7::bigint = 0 or id = $7) and ($8 = '' or tool = $8) and ($9 = '' or record_id = $9)
		    -- Somebody who turned out to be another one is meant, too.
		    and ($10::uuid is null or actor_person_id = $10 or on_behalf_of = $10::text or exists (
		      select from people m where m.organization_id = $1 and m.merged_into = $10 and (m.id = actor_person_id or m.id::text = on_behalf_of)))
		  order by id desc limit $6) newest
		order by id`,
		organizationID, nullID(f.OriginID), nullID(f.ActionID), string(f.Kind), f.Before, min(f.Limit, 1000),
		f.ID, tool, f.RecordID, nullID(f.PersonID))
	if err != nil {
		return nil, fmt.Errorf("reading the audit trail: %w", err)
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (AuditEntry, error) {
		var e AuditEntry
		var tool string
		var originID *uuid.UUID
		err := row.Scan(&e.ID, &e.OrganizationID, &e.At, &e.Kind, &e.Actor.Name, &e.Actor.PersonID, &e.OnBehalfOf, &e.Origin.Kind,
			&originID, &e.Round, &e.ActionID, &e.ApprovalID, &tool, &e.ConnectionID, &e.RecordID, &e.Properties, &e.Reason,
			&e.Outcome, &e.Status, &e.Category, &e.CorrelationID, &e.CompletedAt, &e.HasValues)
		if originID != nil {
			e.Origin.ID = *originID
		}
		if tool != "" {
			e.Tool, _ = policy.ParseTool(tool)
		}
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the audit trail: %w", err)
	}
	return entries, nil
}

func nullID(id uuid.UUID) *uuid.UUID {
	if id == uuid.Nil {
		return nil
	}
	return &id
}

func isUniqueViolation(err error) bool { return hasCode(err, "23505") }

// hasCode says whether PostgreSQL reported that SQLSTATE.
func hasCode(err error, code string) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && pgErr.Code == code
}
