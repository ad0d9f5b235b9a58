package store

import (
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
	// Begun counts the meetings that are looked through again, because a deal reached
	// a stage.
	Begun int `json:"begun,omitempty"`
	// Created: others created the record while somebody is asked whether Debrief
	// should create one of its type. What it is has to be read
	// ([Store.MeetCreations]); its event stays received until then.
	Created bool `json:"created,omitempty"`
	// Meeting: others changed a meeting of HubSpot's that has to be read
	// ([Store.MeetingToRead]). Its events stay received until then.
	Meeting bool `json:"meeting,omitempty"`
	// Erase: the account's owner wants the contact forgotten, and that is still to
	// be done ([Store.EraseContact]). Its event stays received until then.
	Erase bool `json:"erase,omitempty"`
}

func (f *CRMFollowed) add(other CRMFollowed) {
	f.Withdrawn += other.Withdrawn
	f.Planned += other.Planned
	f.Begun += other.Begun
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
	// back: who knows it has to read it again. It was deleted and is there once
	// more, or others were merged into it.
	back bool
	// values are the latest of the properties that changed.
	values map[string]changedValue
}

type changedValue struct {
	value string
	at    time.Time
}

// toldOf are the events of a record that wait, by what they are for.
type toldOf struct {
	echoes  []CRMEvent
	foreign []CRMEvent
	// later wait for a call that is under way: it may be what did them.
	later []CRMEvent
}

func (s *Store) followCRMRecord(ctx context.Context, r CRMRecord) (out CRMFollowed, err error) {
	if err := s.dropValuesOfErased(ctx, r); err != nil {
		return out, err
	}
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
	out.Erase = slices.ContainsFunc(events, func(e CRMEvent) bool { return e.Kind == hubspot.EventPrivacyDeletion })
	told, err := s.sortOut(ctx, key, r, events)
	if err != nil {
		return out, err
	}
	change, err := s.changeOf(ctx, key, r, told.foreign)
	if err != nil {
		return out, err
	}
	if len(change.gone) > 0 || change.back || len(change.values) > 0 {
		if err := s.followOpen(ctx, change, &out); err != nil {
			return out, err
		}
	}
	done := told.foreign[:0:0]
	for _, e := range told.foreign {
		settled, err := s.followAlone(ctx, key, e, &out)
		if err != nil {
			return out, err
		}
		if !settled {
			done = append(done, e)
		}
	}
	out.Events, out.Echoes = len(told.echoes)+len(told.foreign), len(told.echoes)
	verdict := "nothing waited for it"
	if out.Withdrawn+out.Planned > 0 {
		verdict = fmt.Sprintf("withdrawn: %d, follow-ups that plan anew: %d", out.Withdrawn, out.Planned)
	}
	if err := s.settleCRMEvents(ctx, s.pool, told.echoes, CRMEventEcho, "Debrief did that itself"); err != nil {
		return out, err
	}
	if err := s.settleCRMEvents(ctx, s.pool, done, CRMEventDone, verdict); err != nil {
		return out, err
	}
	return out, s.postpone(ctx, told.later)
}

// dropValuesOfErased drops what HubSpot tells late of somebody who was erased.
func (s *Store) dropValuesOfErased(ctx context.Context, r CRMRecord) error {
	if r.Object != "contact" {
		return nil
	}
	_, err := s.pool.Exec(ctx, `
		update crm_events set sealed_value = null
		where organization_id = $1 and hub_id = $2 and object_type = 'contact' and object_id = $3 and sealed_value is not null
		  and exists (select from erasures where organization_id = $1 and hub_id = $2 and contact_id = $3 and done_at is not null)`,
		r.OrganizationID, r.HubID, r.ID)
	if err != nil {
		return fmt.Errorf("dropping what was told late of an erased person: %w", err)
	}
	return nil
}

// sortOut tells Debrief's own changes from others'.
func (s *Store) sortOut(ctx context.Context, key *vault.DataKey, r CRMRecord, events []CRMEvent) (told toldOf, err error) {
	for _, e := range events {
		if e.Kind == hubspot.EventPrivacyDeletion {
			continue
		}
		echo, err := s.isEcho(ctx, key, e)
		if err != nil {
			return told, err
		}
		if echo {
			told.echoes = append(told.echoes, e)
			continue
		}
		if (isStage(e) || e.Record.Object == "meeting") && !byHand(e) {
			underWay, err := s.createUnderWay(ctx, r)
			if err != nil {
				return told, err
			}
			if underWay {
				told.later = append(told.later, e)
				continue
			}
		}
		told.foreign = append(told.foreign, e)
	}
	return told, nil
}

// createUnderWay says whether a call of ours may just be creating the record: its ID
// is known only by the answer.
func (s *Store) createUnderWay(ctx context.Context, r CRMRecord) (is bool, err error) {
	err = s.pool.QueryRow(ctx, `
		select exists (select from audit a join connections c on c.id = a.connection_id and c.hub_id = $2
		  where a.organization_id = $1 and a.kind = 'call' and a.object_type = $3 and a.tool = $4 and a.outcome = 'attempted'
		  and a.record_id = '' and a.at > now() - $5::interval)`,
		r.OrganizationID, r.HubID, r.Object, policy.Tool{Object: r.Object, Operation: policy.Create}.String(), echoWindow).Scan(&is)
	if err != nil {
		return false, fmt.Errorf("asking what is being created: %w", err)
	}
	return is, nil
}

// postponedFor is how long an event waits for the call that may have done it.
const postponedFor = 5 * time.Second

// postpone has events told again soon. Without attempts, whoever has just told of
// them does not put them off for longer.
func (s *Store) postpone(ctx context.Context, events []CRMEvent) error {
	if len(events) == 0 {
		return nil
	}
	_, err := s.pool.Exec(ctx, `update crm_events set next_attempt_at = now() + $2::interval, attempts = 0 where id = any($1) and state = 'received'`,
		crmEventIDs(events), postponedFor)
	if err != nil {
		return fmt.Errorf("putting events off: %w", err)
	}
	return nil
}

func crmEventIDs(events []CRMEvent) []uuid.UUID {
	ids := make([]uuid.UUID, 0, len(events))
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids
}

func (s *Store) settleCRMEvents(ctx context.Context, q querier, events []CRMEvent, state CRMEventState, outcome string) error {
	if len(events) == 0 {
		return nil
	}
	_, err := q.Exec(ctx, `update crm_events set state = $2, outcome = $3, settled_at = now() where id = any($1) and state = 'received'`,
		crmEventIDs(events), string(state), outcome)
	if err != nil {
		return fmt.Errorf("settling its events: %w", err)
	}
	return nil
}

// changeOf adds up what others did to a record. Events come in any order: what is
// known to have been taken back since is none.
func (s *Store) changeOf(ctx context.Context, key *vault.DataKey, r CRMRecord, foreign []CRMEvent) (recordChange, error) {
	change := recordChange{CRMRecord: r}
	for _, e := range foreign {
		switch e.Kind {
		case hubspot.EventMerge:
			change.gone = append(change.gone, e.MergedIDs...)
			// The journal does not say which are gone: who knows the one that is
			// left reads again, and the gate follows the others.
			change.back = change.back || len(e.MergedIDs) == 0
			change.why = fmt.Sprintf("the %s was merged into %s in HubSpot", r.Object, r.ID)
		case hubspot.EventDeletion:
			var restored bool
			err := s.pool.QueryRow(ctx, `
				select exists (select from crm_events where organization_id = $1 and hub_id = $2 and object_type = $3 and object_id = $4
				  and kind = $5 and occurred_at > $6)`, r.OrganizationID, r.HubID, r.Object, r.ID, hubspot.EventRestore, e.OccurredAt).Scan(&restored)
			if err != nil {
				return change, fmt.Errorf("asking whether it was restored: %w", err)
			}
			if !restored {
				change.gone = append(change.gone, r.ID)
				change.why = fmt.Sprintf("the %s was deleted in HubSpot", r.Object)
			}
		case hubspot.EventRestore:
			change.back = true
		}
	}
	if change.back && change.why == "" {
		change.why = fmt.Sprintf("the %s was restored in HubSpot", r.Object)
	}
	var err error
	change.values, err = s.latestValues(ctx, key, r, crmEventIDs(foreign))
	return change, err
}

// followAlone deals with what an event means by itself, and says whether the event
// was settled with it.
func (s *Store) followAlone(ctx context.Context, key *vault.DataKey, e CRMEvent, out *CRMFollowed) (settled bool, err error) {
	if e.Record.Object == "meeting" {
		return s.followMeeting(ctx, e, out)
	}
	switch {
	case e.Kind == hubspot.EventCreation:
		waited, err := isWaitedFor(ctx, s.pool, e.Record)
		if err != nil || !waited {
			return false, err
		}
		out.Created = true
		return true, nil // once it was read
	case e.Kind != hubspot.EventPropertyChange:
		return false, nil
	}
	value, ok, err := s.crmValue(key, e)
	if err != nil || !ok {
		return false, err
	}
	if is := likeness(e.Record.Object, map[string]string{e.Property: value}); is != "" {
		var met CRMFollowed
		err := s.inTx(ctx, func(tx pgx.Tx) error {
			var err error
			met, err = s.meetRecord(ctx, tx, key, e.Record, []string{is})
			return err
		})
		if err != nil {
			return false, err
		}
		out.add(met)
	}
	if isStage(e) {
		return s.reach(ctx, e, value, out)
	}
	return false, nil
}

// byHand says that a user did it in HubSpot's own pages.
func byHand(e CRMEvent) bool { return strings.HasPrefix(e.ChangeSource, "CRM_UI") }

// isEcho says whether a call of the organization's own made the change: an audit
// row of a write of that property, with that value, to that record, at that time.
// What a user did in HubSpot's own pages never is one.
func (s *Store) isEcho(ctx context.Context, organizationKey *vault.DataKey, e CRMEvent) (bool, error) {
	if byHand(e) {
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
		case hubspot.EventCreation:
			if strings.HasSuffix(c.tool, "."+string(policy.Create)) {
				return true, nil
			}
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

// concern is an open follow-up that may have to do with a change.
type concern struct {
	meetingID uuid.UUID
	// knows: it was planned with a record that is gone, or that is back.
	knows bool
}

// concerned finds the follow-ups that a change may concern, by the indexes of what
// waits for the record and of which records a follow-up knows. Those that an earlier
// version planned have no list: they count as knowing every record.
func (s *Store) concerned(ctx context.Context, c recordChange) ([]concern, error) {
	query, args := concernedQuery(c)
	rows, err := s.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("reading the open follow-ups: %w", err)
	}
	open, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (concern, error) {
		var c concern
		err := row.Scan(&c.meetingID, &c.knows)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the open follow-ups: %w", err)
	}
	return open, nil
}

func concernedQuery(c recordChange) (sql string, args []any) {
	known := c.gone
	if c.back {
		known = append(slices.Clone(known), c.ID)
	}
	sql = `
		select a.origin_id, false from actions a
		where a.organization_id = $1 and a.object_type = $3 and a.target_id = any($4) and a.target_id <> '' and a.state in ('asking', 'ready')`
	args = []any{c.OrganizationID, c.HubID, c.Object, append([]string{c.ID}, c.gone...)}
	if len(known) > 0 {
		sql += `
		union all select r.meeting_id, true from follow_up_records r
		where r.organization_id = $1 and r.object_type = $3 and r.record_id = any($5)
		union all select f.meeting_id, true from follow_ups f
		where f.organization_id = $1 and f.state = 'open' and not f.records_listed`
		args = append(args, known)
	}
	return `
		select f.meeting_id, bool_or(known.knows) from (` + sql + `) as known (meeting_id, knows)
		join follow_ups f on f.meeting_id = known.meeting_id join connections n on n.id = f.connection_id
		where f.organization_id = $1 and f.state = 'open' and n.hub_id = $2 group by f.meeting_id order by f.meeting_id`, args
}

// followOpen tells the open follow-ups that the change concerns.
func (s *Store) followOpen(ctx context.Context, c recordChange, out *CRMFollowed) error {
	open, err := s.concerned(ctx, c)
	if err != nil {
		return err
	}
	for _, known := range open {
		var withdrawn int
		var planned bool
		err := s.inTx(ctx, func(tx pgx.Tx) error {
			var err error
			withdrawn, planned, err = s.followOne(ctx, tx, c, known)
			return err
		})
		if err != nil {
			return fmt.Errorf("changing the follow-up of meeting %s: %w", known.meetingID, err)
		}
		out.Withdrawn += withdrawn
		if planned {
			out.Planned++
		}
	}
	return nil
}

func (s *Store) followOne(ctx context.Context, tx pgx.Tx, c recordChange, known concern) (withdrawn int, planned bool, err error) {
	meetingID := known.meetingID
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
	if why == "" && known.knows && (c.back || len(actions) > 0) {
		// It was planned with what is gone, or without what is back.
		why = c.why
	}
	if why != "" {
		if planned, err = s.planAnew(ctx, tx, f, c.ID, why); err != nil {
			return 0, false, err
		}
	}
	if withdrawn == 0 || planned {
		return withdrawn, planned, nil // planning anew has woken it
	}
	return withdrawn, planned, s.wake(ctx, tx, c.OrganizationID, meetingID, "a record changed in HubSpot")
}

// planAnew has a follow-up that was planned make its plan again, as an answer does:
// what is written stays written, and what was answered is not asked again. The
// caller holds its row.
func (s *Store) planAnew(ctx context.Context, tx pgx.Tx, f *followUp, recordID, why string) (bool, error) {
	if f.plannedVersion == 0 || f.over() {
		return false, nil
	}
	if _, err := tx.Exec(ctx, `update follow_ups set answers = answers + 1 where meeting_id = $1`, f.meetingID); err != nil {
		return false, fmt.Errorf("planning anew: %w", err)
	}
	if err := s.audit(ctx, tx, AuditEntry{
		OrganizationID: f.organizationID, Kind: AuditDecision, Actor: Actor{Name: "debrief"}, Origin: f.origin(), Round: f.round,
		ConnectionID: f.connectionID, RecordID: recordID, Reason: why + ": planned anew",
	}); err != nil {
		return false, err
	}
	return true, s.wake(ctx, tx, f.organizationID, f.meetingID, "a record changed in HubSpot")
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
