package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/vault"
)

// CRMFollowed says what the events of a record led to.
type CRMFollowed struct {
	// Events are those that were settled, Echoes those of them that Debrief did
	// itself.
	Events int `json:"events"`
	Echoes int `json:"echoes,omitempty"`
	// Withdrawn counts questions that were answered in HubSpot or whose record is
	// gone, and what was ready and can't be carried out any more; Planned the
	// follow-ups that plan anew.
	Withdrawn int `json:"withdrawn,omitempty"`
	Planned   int `json:"planned,omitempty"`
	// Erase: the account's owner wants the contact forgotten, and that is still to
	// be done ([Store.EraseContact]). Its event stays received until then.
	Erase bool `json:"erase,omitempty"`
}

// echoWindow is how far HubSpot's time of a change may lie from ours of the call
// that made it: a call takes up to 100 s, and clocks differ.
const echoWindow = 3 * time.Minute

// FollowCRMRecord deals with the events of a record that wait. Debrief's own
// changes are marked as echoes and lead to nothing. Each open follow-up that the
// others concern is changed in a transaction of its own: what targets a record
// that was merged away or deleted is withdrawn, and the follow-up plans anew, with
// the record that is left or with none; a question is withdrawn where the record
// already has all the values that it proposes; and one about a value that somebody
// changed to something else is planned anew. What was written stays as it is.
// Repeating it is harmless.
func (s *Store) FollowCRMRecord(ctx context.Context, r CRMRecord) (CRMFollowed, error) {
	out, err := s.followCRMRecord(ctx, r)
	if err != nil {
		return CRMFollowed{}, fmt.Errorf("following what happened to %s %s in HubSpot account %d: %w", r.Object, bounded(r.ID), r.HubID, err)
	}
	return out, nil
}

// recordChange is what is new about a record.
type recordChange struct {
	CRMRecord

	// gone are its IDs that are no more, and why says why, for the trail.
	gone []string
	why  string
	// values are the latest of the properties that changed.
	values map[string]changedValue
}

type changedValue struct {
	value string
	at    time.Time
}

func (s *Store) followCRMRecord(ctx context.Context, r CRMRecord) (out CRMFollowed, err error) {
	rows, err := s.pool.Query(ctx, selectCRMEvent+`
		where organization_id = $1 and hub_id = $2 and object_type = $3 and object_id = $4 and state = 'received'
		order by occurred_at, id`, r.OrganizationID, r.HubID, r.Object, r.ID)
	if err != nil {
		return out, fmt.Errorf("reading its events: %w", err)
	}
	events, err := pgx.CollectRows(rows, scanCRMEvent)
	if err != nil || len(events) == 0 {
		return out, err
	}
	key, err := s.organizationKey(ctx, s.pool, r.OrganizationID)
	if err != nil {
		return out, err
	}
	change := recordChange{CRMRecord: r}
	var echoes, foreign []uuid.UUID
	for _, e := range events {
		if e.Kind == hubspot.EventPrivacyDeletion {
			out.Erase = true
			continue
		}
		echo, err := s.isEcho(ctx, key, e)
		if err != nil {
			return out, err
		}
		if echo {
			echoes = append(echoes, e.ID)
			continue
		}
		foreign = append(foreign, e.ID)
		switch e.Kind {
		case hubspot.EventMerge:
			change.gone = append(change.gone, e.MergedIDs...)
			change.why = fmt.Sprintf("the %s was merged into %s in HubSpot", r.Object, r.ID)
		case hubspot.EventDeletion:
			change.gone = append(change.gone, r.ID)
			change.why = fmt.Sprintf("the %s was deleted in HubSpot", r.Object)
		}
	}
	if change.values, err = s.latestValues(ctx, key, r, foreign); err != nil {
		return out, err
	}
	if len(change.gone) > 0 || len(change.values) > 0 {
		if err := s.followOpen(ctx, change, &out); err != nil {
			return out, err
		}
	}
	out.Events, out.Echoes = len(echoes)+len(foreign), len(echoes)
	verdict := "nothing waited for it"
	if out.Withdrawn+out.Planned > 0 {
		verdict = fmt.Sprintf("withdrawn: %d, follow-ups that plan anew: %d", out.Withdrawn, out.Planned)
	}
	for _, settle := range []struct {
		ids     []uuid.UUID
		state   CRMEventState
		outcome string
	}{{echoes, CRMEventEcho, "Debrief did that itself"}, {foreign, CRMEventDone, verdict}} {
		if _, err := s.pool.Exec(ctx, `update crm_events set state = $2, outcome = $3, settled_at = now() where id = any($1) and state = 'received'`,
			settle.ids, string(settle.state), settle.outcome); err != nil {
			return out, fmt.Errorf("settling its events: %w", err)
		}
	}
	return out, nil
}

// isEcho says whether a call of the organization's own made the change: an audit
// row of a write of that property, with that value, to that record, at that time.
// What a user did in HubSpot's own pages never is one.
func (s *Store) isEcho(ctx context.Context, organizationKey *vault.DataKey, e CRMEvent) (bool, error) {
	if strings.HasPrefix(e.ChangeSource, "CRM_UI") {
		return false, nil
	}
	rows, err := s.pool.Query(ctx, `
		select a.id, a.tool, d.data_key_id, d.sealed from audit a
		join connections c on c.id = a.connection_id and c.hub_id = $2
		left join audit_details d on d.audit_id = a.id
		where a.organization_id = $1 and a.kind = 'call' and a.object_type = $3 and a.record_id = $4
		  and a.outcome in ('attempted', 'done', 'unknown') and a.tool not like '%.read'
		  and a.at between $5::timestamptz - $6::interval and $5::timestamptz + $6::interval
		  and ($7 = '' or $7 = any(a.properties)) order by a.id desc limit 20`,
		e.Record.OrganizationID, e.Record.HubID, e.Record.Object, e.Record.ID, e.OccurredAt, echoWindow, e.Property)
	if err != nil {
		return false, fmt.Errorf("looking for the call that did it: %w", err)
	}
	type call struct {
		id     int64
		tool   string
		key    *uuid.UUID
		sealed []byte
	}
	calls, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (call, error) {
		var c call
		err := row.Scan(&c.id, &c.tool, &c.key, &c.sealed)
		return c, err
	})
	if err != nil {
		return false, fmt.Errorf("looking for the call that did it: %w", err)
	}
	for _, c := range calls {
		switch e.Kind {
		case hubspot.EventDeletion:
			if strings.HasSuffix(c.tool, "."+string(policy.Archive)) {
				return true, nil
			}
		case hubspot.EventPropertyChange:
			value, ok, err := s.crmValue(organizationKey, e)
			if err != nil {
				return false, err
			}
			if !ok || c.sealed == nil {
				continue
			}
			key, err := s.dataKey(ctx, s.pool, c.key)
			if err != nil {
				continue // erased: nothing tells any more what was written
			}
			var written map[string]string
			if err := openJSON(key, c.sealed, &written, auditDetailsPlace(c.id)); err != nil {
				return false, err
			}
			if sent, found := written[e.Property]; found && sameValue(sent, value) {
				return true, nil
			}
		}
	}
	return false, nil
}

// sameValue says that two values mean the same to HubSpot, which rewrites numbers
// as it likes.
func sameValue(a, b string) bool { return a == b || hubspot.SameNumber(a, b) }

// latestValues are the newest values of the properties that the events changed:
// HubSpot's events come in any order, so an older one proves nothing.
func (s *Store) latestValues(ctx context.Context, key *vault.DataKey, r CRMRecord, events []uuid.UUID) (map[string]changedValue, error) {
	rows, err := s.pool.Query(ctx, selectCRMEvent+`
		where organization_id = $1 and hub_id = $2 and object_type = $3 and object_id = $4 and kind = 'propertyChange'
		order by occurred_at, id`, r.OrganizationID, r.HubID, r.Object, r.ID)
	if err != nil {
		return nil, fmt.Errorf("reading its values: %w", err)
	}
	all, err := pgx.CollectRows(rows, scanCRMEvent)
	if err != nil {
		return nil, fmt.Errorf("reading its values: %w", err)
	}
	latest, fresh := map[string]changedValue{}, false
	for _, e := range all {
		value, ok, err := s.crmValue(key, e)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		latest[e.Property] = changedValue{value, e.OccurredAt}
		fresh = fresh || slices.Contains(events, e.ID)
	}
	if !fresh {
		return nil, nil
	}
	return latest, nil
}

// followOpen tells the open follow-ups in the account of the change.
func (s *Store) followOpen(ctx context.Context, c recordChange, out *CRMFollowed) error {
	rows, err := s.pool.Query(ctx, `
		select f.meeting_id from follow_ups f join connections n on n.id = f.connection_id
		where f.organization_id = $1 and f.state = 'open' and n.hub_id = $2 order by f.meeting_id`, c.OrganizationID, c.HubID)
	if err != nil {
		return fmt.Errorf("reading the open follow-ups: %w", err)
	}
	open, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("reading the open follow-ups: %w", err)
	}
	for _, meetingID := range open {
		var withdrawn int
		var planned bool
		err := s.inTx(ctx, func(tx pgx.Tx) error {
			var err error
			withdrawn, planned, err = s.followOne(ctx, tx, c, meetingID)
			return err
		})
		if err != nil {
			return fmt.Errorf("changing the follow-up of meeting %s: %w", meetingID, err)
		}
		out.Withdrawn += withdrawn
		if planned {
			out.Planned++
		}
	}
	return nil
}

func (s *Store) followOne(ctx context.Context, tx pgx.Tx, c recordChange, meetingID uuid.UUID) (withdrawn int, planned bool, err error) {
	f, err := s.lockFollowUp(ctx, tx, c.OrganizationID, meetingID)
	if err != nil {
		return 0, false, err
	}
	if f.over() || f.state != "open" {
		return 0, false, nil
	}
	actions, err := s.queryActions(ctx, tx, `
		where a.origin_id = $1 and a.state in ('asking', 'ready') and a.may_exist_since is null order by a.position, a.id for update of a`, meetingID)
	if err != nil {
		return 0, false, err
	}
	why := ""
	for _, a := range actions {
		if a.reads() {
			continue
		}
		targets := a.Tool.Object == c.Object && a.TargetID != ""
		switch {
		case targets && slices.Contains(c.gone, a.TargetID):
			if err := s.settle(ctx, tx, f, a, ActionWithdrawn, c.why); err != nil {
				return 0, false, err
			}
			withdrawn++
			why = c.why
		case targets && a.TargetID == c.ID && a.State == ActionAsking && a.Tool.Operation == policy.Update && answeredBy(a, c.values):
			if err := s.settle(ctx, tx, f, a, ActionWithdrawn, "answered in HubSpot: the record has these values already"); err != nil {
				return 0, false, err
			}
			withdrawn++
		case targets && a.TargetID == c.ID && overtaken(a, c.values):
			why = fmt.Sprintf("the %s was changed in HubSpot", c.Object)
			if err := s.showNow(ctx, tx, a, c.values); err != nil {
				return 0, false, err
			}
		case mentions(a, c):
			why = c.why
		}
	}
	if why == "" && len(c.gone) > 0 && len(actions) > 0 {
		resolved, err := s.resolvedWith(ctx, tx, f, c.gone)
		if err != nil {
			return 0, false, err
		}
		if resolved {
			why = c.why
		}
	}
	if why != "" && f.plannedVersion > 0 {
		if _, err := tx.Exec(ctx, `update follow_ups set answers = answers + 1 where meeting_id = $1`, meetingID); err != nil {
			return 0, false, fmt.Errorf("planning anew: %w", err)
		}
		planned = true
		if err := s.audit(ctx, tx, AuditEntry{
			OrganizationID: c.OrganizationID, Kind: AuditDecision, Actor: Actor{Name: "debrief"}, Origin: f.origin(), Round: f.round,
			ConnectionID: f.connectionID, RecordID: c.ID, Reason: why + ": planned anew",
		}); err != nil {
			return 0, false, err
		}
	}
	if withdrawn == 0 && !planned {
		return 0, false, nil
	}
	return withdrawn, planned, s.wake(ctx, tx, c.OrganizationID, meetingID, "a record changed in HubSpot")
}

// answeredBy says whether the record was given every value that the action would
// write since that was asked. What is older was known when it was planned, or came
// late: then planning anew tells, see overtaken.
func answeredBy(a Action, values map[string]changedValue) bool {
	if len(a.Content.Properties) == 0 || len(a.Content.Associations) > 0 {
		return false
	}
	for name, wanted := range a.Content.Properties {
		if is, known := values[name]; !known || is.at.Before(a.UpdatedAt) || !sameValue(is.value, wanted) {
			return false
		}
	}
	return true
}

// overtaken says whether one of the values that the action would replace is no
// longer the one that it was planned with.
func overtaken(a Action, values map[string]changedValue) bool {
	for name := range a.Content.Properties {
		if is, known := values[name]; known && !sameValue(is.value, a.Content.Before[name]) {
			return true
		}
	}
	return false
}

// showNow has the question show what the record has now beside what it had when it
// was asked. What is proposed stays, and so does the question.
func (s *Store) showNow(ctx context.Context, tx pgx.Tx, a Action, values map[string]changedValue) error {
	if a.State != ActionAsking {
		return nil // what is allowed is compared with HubSpot when it is written
	}
	before := maps.Clone(a.Content.Before)
	if before == nil {
		before = map[string]string{}
	}
	for name := range a.Content.Properties {
		if is, known := values[name]; known {
			before[name] = is.value
		}
	}
	a.Content.Earlier = earlierValues(a.Content, before)
	a.Content.Before = before
	return s.setActionContent(ctx, tx, &a)
}

// MergedInto returns the record that an ID stands for now: another one where
// HubSpot told that it was merged away, else itself.
func (s *Store) MergedInto(ctx context.Context, r CRMRecord) (string, error) {
	const longest = 20 // no chain of merges is; a circle would be
	id := r.ID
	for range longest {
		var next string
		err := s.pool.QueryRow(ctx, `
			select object_id from crm_events
			where organization_id = $1 and hub_id = $2 and object_type = $3 and kind = 'merge' and merged_ids @> array[$4::text]
			order by occurred_at desc limit 1`, r.OrganizationID, r.HubID, r.Object, id).Scan(&next)
		if errors.Is(err, pgx.ErrNoRows) || err == nil && next == r.ID {
			return id, nil
		}
		if err != nil {
			return "", fmt.Errorf("asking whether %s %s was merged away: %w", r.Object, bounded(r.ID), err)
		}
		id = next
	}
	return id, nil
}

// mentions says whether an action would link one of the records that are gone, or
// offers it.
func mentions(a Action, c recordChange) bool {
	for _, ref := range a.Content.Associations {
		if ref.Object == c.Object && slices.Contains(c.gone, ref.RecordID) {
			return true
		}
	}
	return slices.ContainsFunc(a.Content.Candidates, func(o Candidate) bool { return slices.Contains(c.gone, o.ID) })
}

// resolvedWith says whether what was known when the follow-up was planned names
// one of the IDs. Another type's record may have the same: then it is planned once
// more, and nothing changes.
func (s *Store) resolvedWith(ctx context.Context, tx pgx.Tx, f *followUp, ids []string) (bool, error) {
	var sealed []byte
	if err := tx.QueryRow(ctx, `select sealed_resolution from follow_ups where meeting_id = $1`, f.meetingID).Scan(&sealed); err != nil {
		return false, fmt.Errorf("reading what was known: %w", err)
	}
	if sealed == nil {
		return false, nil
	}
	key, err := s.dataKey(ctx, tx, f.dataKeyID)
	if err != nil {
		return false, err
	}
	raw, err := key.Open(sealed, resolutionPlace(f.meetingID))
	if err != nil {
		return false, fmt.Errorf("opening what was known: %w", err)
	}
	return slices.ContainsFunc(ids, func(id string) bool { return bytes.Contains(raw, []byte(`"`+id+`"`)) }), nil
}
