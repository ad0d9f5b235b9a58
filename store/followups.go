package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/internal/sabotage"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/vault"
)

// Next is what a follow-up has to do next, as Postgres knows it.
type Next string

// What a follow-up does next.
const (
	NextGather Next = "gather" // more is usually still to come: wait, until Look.Until at most
	NextPlan   Next = "plan"   // the meeting says something that no round has planned
	NextWrite  Next = "write"  // Look.Ready can be written
	NextAnswer Next = "answer" // people have to answer Look.Pending
	NextPause  Next = "pause"  // its connection has to come back, or to be given a scope
	NextUndo   Next = "undo"   // somebody wants undone what was written
	NextDone   Next = "done"   // nothing is left
)

// How long a follow-up lets a meeting settle, so that events that come together
// are planned together, and how long it waits for notes unless told otherwise.
const (
	settleFor        = 2 * time.Second
	settleAtMost     = 30 * time.Second
	defaultNotesWait = 15 * time.Minute
	defaultTTL       = 7 * 24 * time.Hour
)

// Look is what a follow-up sees when it looks: IDs and times, no words.
type Look struct {
	Next           Next              `json:"next"`
	Round          int               `json:"round"`
	MeetingVersion int64             `json:"meeting_version"`
	Until          time.Time         `json:"until,omitzero"` // end of gathering, or the next deadline of a question
	Ready          []ReadyAction     `json:"ready,omitempty"`
	Pending        []PendingQuestion `json:"pending,omitempty"`
	// AskModel: the model is asked before the round is planned.
	AskModel bool `json:"ask_model,omitempty"`
	// HubID is the HubSpot account that it works in, once that is known.
	HubID int64 `json:"hub_id,omitempty"`
	// TemporalDecisions says whether the organization lets people decide in the
	// Temporal UI.
	TemporalDecisions bool `json:"temporal_decisions,omitempty"`
}

// ReadyAction can be written now.
type ReadyAction struct {
	ID    uuid.UUID `json:"id"`
	Title string    `json:"title"`
	// Decided: a human allowed it, and may be waiting for it.
	Decided bool `json:"decided,omitempty"`
}

// PendingQuestion waits for an answer.
type PendingQuestion struct {
	ApprovalID uuid.UUID `json:"approval_id"`
	Title      string    `json:"title"`
	ExpiresAt  time.Time `json:"expires_at"`
}

// LookAt says what the follow-up of a meeting has to do next. First it settles
// what time or others have settled: questions past their deadline expire, those
// of tools that are denied by now are withdrawn, and what depended on something
// that will not happen is asked again without it, or skipped. All in one
// transaction; looking twice changes nothing, and what a power cut undoes the next
// look does again.
func (s *Store) LookAt(ctx context.Context, organizationID, meetingID uuid.UUID) (Look, error) {
	var look Look
	err := s.inHastyTx(ctx, func(tx pgx.Tx) error {
		var err error
		look, err = s.lookAt(ctx, tx, organizationID, meetingID)
		return err
	})
	if err != nil {
		return Look{}, fmt.Errorf("looking at the follow-up of meeting %s: %w", meetingID, err)
	}
	return look, nil
}

// followUp is the row, locked, with what it is judged by.
type followUp struct {
	organizationID, meetingID uuid.UUID
	// originKind is a meeting's, or that of a call.
	originKind                 string
	state                      string
	round                      int
	plannedVersion             int64
	answers, plannedAnswers    int64
	connectionID               *uuid.UUID
	pausedSince                *time.Time
	pausedFor                  string
	undoRequested, undoPlanned int
	// connection is that of connectionID, if there is one.
	connection *Connection

	version     int64
	hasNotes    bool
	firstWordAt *time.Time
	updatedAt   time.Time
	mergedInto  *uuid.UUID
	dataKeyID   *uuid.UUID
	settings    Settings
	now         time.Time

	// facts are read by [Store.factsOf].
	facts *judge
}

// over says that the meeting turned out to be another one, or was erased: there
// is nothing left to plan with.
func (f *followUp) over() bool { return f.mergedInto != nil || f.dataKeyID == nil }

func (f *followUp) origin() Origin { return Origin{Kind: f.originKind, ID: f.meetingID} }

// originKind is the kind of origin that the row m among the meetings is.
const originKind = `coalesce((select c.origin_kind from calls c where c.meeting_id = m.id), 'meeting')`

// lockFollowUp makes the row if it isn't there, locks it, and reads what else
// there is to know.
func (s *Store) lockFollowUp(ctx context.Context, tx pgx.Tx, organizationID, meetingID uuid.UUID) (*followUp, error) {
	f := &followUp{organizationID: organizationID, meetingID: meetingID}
	lock := func() error {
		return tx.QueryRow(ctx, `
			select state, round, planned_version, answers, planned_answers, connection_id, paused_since, paused_for, undo_requested, undo_planned
			from follow_ups where organization_id = $1 and meeting_id = $2 for update`, organizationID, meetingID).Scan(
			&f.state, &f.round, &f.plannedVersion, &f.answers, &f.plannedAnswers, &f.connectionID, &f.pausedSince, &f.pausedFor, &f.undoRequested, &f.undoPlanned)
	}
	err := lock()
	if errors.Is(err, pgx.ErrNoRows) {
		if _, err := tx.Exec(ctx, `
			insert into follow_ups (meeting_id, organization_id)
			select id, organization_id from meetings where organization_id = $1 and id = $2
			on conflict do nothing`, organizationID, meetingID); err != nil {
			return nil, fmt.Errorf("opening the follow-up: %w", err)
		}
		err = lock()
	}
	if err := notFound(err, "locking the follow-up"); err != nil {
		return nil, err
	}
	if err := s.readConnection(ctx, tx, f); err != nil {
		return nil, err
	}
	// A statement of its own, begun after the lock was had: a join above would
	// show the meeting as it was before the wait.
	var settings []byte
	err = tx.QueryRow(ctx, `
		select m.version, m.has_notes, m.first_word_at, m.updated_at, m.merged_into, m.data_key_id, o.settings, now(), `+originKind+`
		from meetings m join organizations o on o.id = m.organization_id
		where m.organization_id = $1 and m.id = $2`, organizationID, meetingID).Scan(
		&f.version, &f.hasNotes, &f.firstWordAt, &f.updatedAt, &f.mergedInto, &f.dataKeyID, &settings, &f.now, &f.originKind)
	if err := notFound(err, "reading the meeting of the follow-up"); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(settings, &f.settings); err != nil {
		return nil, fmt.Errorf("decoding the organization's settings: %w", err)
	}
	return f, nil
}

// readConnection reads the connection that the follow-up goes through.
func (s *Store) readConnection(ctx context.Context, tx querier, f *followUp) error {
	f.connection = nil
	if f.connectionID == nil {
		return nil
	}
	var c Connection
	err := tx.QueryRow(ctx, `select `+connectionColumns+` from connections c where c.organization_id = $1 and c.id = $2`,
		f.organizationID, *f.connectionID).Scan(c.fields()...)
	if err != nil {
		return notFound(err, "reading the connection of the follow-up")
	}
	f.connection = &c
	return nil
}

// blocked says why an action can't be carried out through the follow-up's
// connection, whoever allows it; empty if it can.
func (f *followUp) blocked(tool policy.Tool) string {
	if f.connection == nil {
		return ""
	}
	if scope := f.connection.Missing(tool); scope != "" {
		return "blocked: scope " + scope + " is not granted; reconnect with it"
	}
	return ""
}

func (s *Store) lookAt(ctx context.Context, tx pgx.Tx, organizationID, meetingID uuid.UUID) (Look, error) {
	f, err := s.lockFollowUp(ctx, tx, organizationID, meetingID)
	if err != nil {
		return Look{}, err
	}
	look := Look{Round: f.round, MeetingVersion: f.version, TemporalDecisions: f.settings.TemporalDecisions}
	if f.connection != nil {
		look.HubID = f.connection.HubID
	}
	if f.over() {
		look.Next = NextDone
		return look, nil
	}
	actions, err := s.reconcile(ctx, tx, f)
	if err != nil {
		return Look{}, err
	}
	if paused, err := s.stillPaused(ctx, tx, f); err != nil || paused {
		look.Next = NextPause
		if sabotage.Is(sabotage.DropOnDeadGrant) {
			look.Next = NextDone
		}
		return look, err
	}
	if f.undoNext(actions) {
		look.Next = NextUndo
		return look, nil
	}
	// Before the first word nothing is planned: there may be a note of the briefing. What
	// may be read is what is planned with. A call is its own plan.
	planning := f.firstWordAt != nil && f.originKind == originMeeting && !f.undoPending() && !slices.ContainsFunc(actions, func(a Action) bool { return a.reads() && a.State == ActionAsking })
	if f.version > f.plannedVersion && planning {
		if until := f.gatherUntil(); f.now.Before(until) {
			look.Next, look.Until = NextGather, until.UTC()
			return look, nil
		}
		return s.planNext(ctx, tx, f, look)
	}
	if planning {
		if err := planAgain(ctx, tx, f, actions); err != nil {
			return Look{}, err
		}
	}
	if f.answers > f.plannedAnswers && planning {
		return s.planNext(ctx, tx, f, look)
	}
	byID := map[uuid.UUID]Action{}
	for _, a := range actions {
		byID[a.ID] = a
	}
	blocked := false
	for _, a := range actions {
		if a.reads() {
			continue // nothing to write
		}
		if a.State == ActionReady && f.blocked(a.Tool) != "" {
			blocked = true
			continue
		}
		// An action that is still being written belongs to a process that died:
		// the gate looks before it sends again.
		if a.State != ActionReady && a.State != ActionWriting {
			continue
		}
		if !slices.ContainsFunc(a.DependsOn, func(id uuid.UUID) bool { return !byID[id].State.Settled() }) {
			look.Ready = append(look.Ready, ReadyAction{ID: a.ID, Title: a.Tool.Title()})
		}
	}
	if err := markDecided(ctx, tx, look.Ready); err != nil {
		return Look{}, err
	}
	if look.Pending, err = pendingQuestions(ctx, tx, f.meetingID); err != nil {
		return Look{}, err
	}
	if len(look.Pending) > 0 {
		look.Until = look.Pending[0].ExpiresAt
	}
	switch {
	case len(look.Ready) > 0:
		look.Next = NextWrite
	case len(look.Pending) > 0:
		look.Next = NextAnswer
	case blocked:
		look.Next = NextPause
	default:
		look.Next = NextDone
	}
	return look, nil
}

// planAgain has one more round planned once it is known what became of an action that a
// later round wanted otherwise meanwhile.
func planAgain(ctx context.Context, tx pgx.Tx, f *followUp, actions []Action) error {
	var known []uuid.UUID
	for _, a := range actions {
		if a.overtaken && !a.inFlight() {
			known = append(known, a.ID)
		}
	}
	if len(known) == 0 {
		return nil
	}
	if _, err := tx.Exec(ctx, `update actions set overtaken = false where id = any($1)`, known); err != nil {
		return fmt.Errorf("planning again: %w", err)
	}
	if err := tx.QueryRow(ctx, `update follow_ups set answers = answers + 1 where meeting_id = $1 returning answers`, f.meetingID).Scan(&f.answers); err != nil {
		return fmt.Errorf("planning again: %w", err)
	}
	return nil
}

// planNext says that a round is planned next, and whether a model is asked before.
func (s *Store) planNext(ctx context.Context, tx pgx.Tx, f *followUp, look Look) (Look, error) {
	var err error
	look.Next = NextPlan
	look.AskModel, err = modelDue(ctx, tx, f.organizationID, f.meetingID, f.version)
	return look, err
}

// markDecided marks the actions that a human allowed.
func markDecided(ctx context.Context, tx pgx.Tx, ready []ReadyAction) error {
	if len(ready) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, 0, len(ready))
	for _, a := range ready {
		ids = append(ids, a.ID)
	}
	rows, err := tx.Query(ctx, `select distinct action_id from approvals where action_id = any($1) and state in ('approved', 'edited')`, ids)
	if err != nil {
		return fmt.Errorf("reading which actions were decided: %w", err)
	}
	decided, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("reading which actions were decided: %w", err)
	}
	for i := range ready {
		ready[i].Decided = slices.Contains(decided, ready[i].ID)
	}
	return nil
}

// gatherUntil is when a round may be planned: at once if the notes are there or
// this is a later round, but not before the meeting has settled.
func (f *followUp) gatherUntil() time.Time {
	settled := f.updatedAt.Add(settleFor)
	if latest := f.firstWordAt.Add(settleAtMost); f.plannedVersion == 0 && settled.After(latest) {
		settled = latest
	}
	if f.hasNotes || f.plannedVersion > 0 {
		return settled
	}
	if notes := f.firstWordAt.Add(f.settings.NotesWait.Or(defaultNotesWait)); notes.After(settled) {
		return notes
	}
	return settled
}

// stillPaused says whether the connection that the follow-up waits for is still
// gone, and ends the pause if not. One that was revoked or uninstalled may never
// come back: if exactly one other connection to the same account may act, the
// follow-up goes on with that.
func (s *Store) stillPaused(ctx context.Context, tx pgx.Tx, f *followUp) (bool, error) {
	if f.pausedSince == nil {
		return false, nil
	}
	if f.pausedFor == pausedForChoice {
		return true, nil // whoever chooses ends it
	}
	var connected bool
	// Without a connection of its own it waits for any.
	err := tx.QueryRow(ctx, `
		select exists (select from connections where organization_id = $1 and state = 'connected' and ($2::uuid is null or id = $2))`,
		f.organizationID, f.connectionID).Scan(&connected)
	if err != nil {
		return false, fmt.Errorf("reading the connection that it waits for: %w", err)
	}
	if !connected {
		moved, err := s.moveToAnother(ctx, tx, f)
		if err != nil || !moved {
			return true, err
		}
	}
	if _, err := tx.Exec(ctx, `update follow_ups set paused_since = null where meeting_id = $1`, f.meetingID); err != nil {
		return false, fmt.Errorf("ending the pause: %w", err)
	}
	f.pausedSince = nil
	return false, nil
}

// moveToAnother moves the follow-up, with what is not settled, from a connection
// that is gone for good to the only other one to the same account that may act for
// it, and says whether there is one. Nobody else's own may, no account connection
// where only hosts' own act, and none to the other kind of account.
func (s *Store) moveToAnother(ctx context.Context, tx pgx.Tx, f *followUp) (bool, error) {
	if f.connectionID == nil {
		return false, nil
	}
	rows, err := tx.Query(ctx, `
		select other.id from connections gone
		join connections other on other.organization_id = gone.organization_id and other.hub_id = gone.hub_id
		join meetings m on m.id = $3
		where gone.id = $1 and gone.organization_id = $2 and gone.state in ('revoked', 'uninstalled') and other.state = 'connected'
		  and case when other.is_user_level then other.person_id = m.host_person_id else not $4 end
		  and (other.any_environment or (other.account_type = any($5)) = `+meetingIsTest+`)`,
		*f.connectionID, f.organizationID, f.meetingID, f.settings.HostConnectionsOnly, testAccountTypes)
	if err != nil {
		return false, fmt.Errorf("looking for another connection: %w", err)
	}
	others, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return false, fmt.Errorf("looking for another connection: %w", err)
	}
	if len(others) != 1 {
		return false, nil // which of several is a question
	}
	if _, err := tx.Exec(ctx, `update follow_ups set connection_id = $2 where meeting_id = $1`, f.meetingID, others[0]); err != nil {
		return false, fmt.Errorf("moving the follow-up to another connection: %w", err)
	}
	if _, err := tx.Exec(ctx, `
		update actions set connection_id = $3, updated_at = now()
		where origin_id = $1 and connection_id = $2 and state in ('asking', 'ready', 'writing', 'unknown')`,
		f.meetingID, *f.connectionID, others[0]); err != nil {
		return false, fmt.Errorf("moving actions to another connection: %w", err)
	}
	f.connectionID = &others[0]
	return true, s.audit(ctx, tx, AuditEntry{
		OrganizationID: f.organizationID, Kind: AuditConnection, Actor: Actor{Name: "debrief"}, Origin: f.origin(), Round: f.round,
		ConnectionID: &others[0], Reason: "its connection is gone for good: it goes on through the other one to the same account",
	})
}

// What a pause waits for.
const (
	pausedForConnection = "connection"
	pausedForChoice     = "choice"
)

// PauseFollowUp makes the follow-up wait until its connection is back. A nil
// connection stands for "any of the organization's".
func (s *Store) PauseFollowUp(ctx context.Context, organizationID, meetingID uuid.UUID, connectionID *uuid.UUID) error {
	return s.pause(ctx, organizationID, meetingID, connectionID, pausedForConnection, "")
}

// PauseForChoice makes the follow-up wait until somebody has chosen the
// connection that acts for it, or a rule does. The reason is for people, without
// personal data.
func (s *Store) PauseForChoice(ctx context.Context, organizationID, meetingID uuid.UUID, reason string) error {
	return s.pause(ctx, organizationID, meetingID, nil, pausedForChoice, reason)
}

func (s *Store) pause(ctx context.Context, organizationID, meetingID uuid.UUID, connectionID *uuid.UUID, what, reason string) error {
	_, err := s.pool.Exec(ctx, `
		update follow_ups set paused_since = coalesce(paused_since, now()), connection_id = $3, paused_for = $4, paused_reason = $5
		where organization_id = $1 and meeting_id = $2`, organizationID, meetingID, connectionID, what, reason)
	if err != nil {
		return fmt.Errorf("pausing the follow-up of meeting %s: %w", meetingID, err)
	}
	return nil
}

// Plan is what a round wants.
type Plan struct {
	OrganizationID uuid.UUID
	MeetingID      uuid.UUID
	// MeetingVersion and AnswersVersion that it was made from.
	MeetingVersion int64
	AnswersVersion int64
	ConnectionID   uuid.UUID
	// Resolution is the planner's input from the CRM, kept so that the plan can
	// be made again from the record. It is stored as JSON, sealed.
	Resolution any
	// Records are those that Resolution names, so that the follow-up is found when
	// something happens to one.
	Records []RecordRef
	// Drafts in the order in which they should be read and run.
	Drafts []Draft
	// Written are the keys of the actions that the planner knew as written. Nil: all that
	// are.
	Written map[string]bool
	// LeftOut is what was proposed and is not among them, for the trail.
	LeftOut []LeftOut
}

// LeftOut is a proposal that a plan left out. It holds nothing of its words.
type LeftOut struct {
	// By is the planner that proposed it.
	By   string
	Tool policy.Tool
	Why  string
}

// SavePlan opens the next round of a meeting's follow-up with what the planner
// wants, and keeps of it only the difference to what earlier rounds have done:
// what is written stays written; a question whose content changed is withdrawn
// and asked anew; what is no longer wanted and has not happened is withdrawn.
// Each action that is left gets its permission. One transaction; a plan from an
// older version of the meeting than the last one, or from the same without a new
// answer, is ignored, and so is one for a meeting that was merged or erased.
func (s *Store) SavePlan(ctx context.Context, p Plan) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		f, err := s.lockFollowUp(ctx, tx, p.OrganizationID, p.MeetingID)
		if err != nil {
			return err
		}
		if f.over() {
			return nil
		}
		if p.MeetingVersion < f.plannedVersion || (p.MeetingVersion == f.plannedVersion && p.AnswersVersion <= f.plannedAnswers) {
			return nil
		}
		key, err := s.dataKey(ctx, tx, f.dataKeyID)
		if err != nil {
			return err
		}
		resolution, err := sealJSON(key, p.Resolution, resolutionPlace(f.meetingID))
		if err != nil {
			return err
		}
		f.round++
		before := f.connection
		f.connectionID = &p.ConnectionID
		if err := s.readConnection(ctx, tx, f); err != nil {
			return err
		}
		if err := s.changeConnection(ctx, tx, f, before); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			update follow_ups set round = $2, planned_version = $3, connection_id = $4, sealed_resolution = $5,
			                      planned_answers = greatest(planned_answers, $6), state = 'open', closed_at = null
			where meeting_id = $1`, f.meetingID, f.round, p.MeetingVersion, p.ConnectionID, resolution, p.AnswersVersion); err != nil {
			return fmt.Errorf("opening round %d: %w", f.round, err)
		}
		if err := s.saveDrafts(ctx, tx, f, key, p); err != nil {
			return err
		}
		if err := listRecords(ctx, tx, f, p); err != nil {
			return err
		}
		for _, l := range p.LeftOut {
			err := s.audit(ctx, tx, AuditEntry{
				OrganizationID: f.organizationID, Kind: AuditPlan, Actor: Actor{Name: "planner " + l.By}, Origin: f.origin(), Round: f.round,
				Tool: l.Tool, Reason: "left out: " + l.Why,
			})
			if err != nil {
				return err
			}
		}
		_, err = s.reconcile(ctx, tx, f)
		return err
	})
	if err != nil {
		return fmt.Errorf("saving the plan of meeting %s: %w", p.MeetingID, err)
	}
	return nil
}

// changeConnection takes what has not happened over to the connection that the
// round goes through. What people allowed for one HubSpot account is not allowed
// for another: that is withdrawn, and asked anew if it is planned again.
func (s *Store) changeConnection(ctx context.Context, tx pgx.Tx, f *followUp, before *Connection) error {
	if before == nil || f.connection == nil || before.ID == f.connection.ID {
		return nil
	}
	if before.HubID != f.connection.HubID {
		open, err := s.queryActions(ctx, tx, `
			where a.origin_id = $1 and a.state in ('asking', 'ready') and a.may_exist_since is null order by a.position, a.id for update`, f.meetingID)
		if err != nil {
			return err
		}
		for _, a := range open {
			if a.reads() {
				continue // asked about this account already
			}
			if err := s.settle(ctx, tx, f, a, ActionWithdrawn, "another HubSpot account was chosen"); err != nil {
				return err
			}
		}
	}
	_, err := tx.Exec(ctx, `
		update actions set connection_id = $2, updated_at = now()
		where origin_id = $1 and connection_id is distinct from $2 and may_exist_since is null
		  and state in ('asking', 'ready', 'denied', 'skipped', 'withdrawn')`, f.meetingID, f.connection.ID)
	if err != nil {
		return fmt.Errorf("taking actions over to another connection: %w", err)
	}
	return nil
}

func resolutionPlace(meetingID uuid.UUID) string {
	return "follow_ups.sealed_resolution:" + meetingID.String()
}

func (s *Store) saveDrafts(ctx context.Context, tx pgx.Tx, f *followUp, key *vault.DataKey, p Plan) error {
	existing, err := s.queryActions(ctx, tx, `where a.origin_id = $1 order by a.position, a.id for update`, f.meetingID)
	if err != nil {
		return err
	}
	byKey := map[string]*Action{}
	for i := range existing {
		byKey[existing[i].Key] = &existing[i]
	}
	ids := map[string]uuid.UUID{}
	for _, d := range p.Drafts {
		if a := byKey[d.Key]; a != nil {
			ids[d.Key] = a.ID
		} else {
			ids[d.Key] = newID()
		}
	}
	for k, a := range byKey {
		ids[k] = a.ID
	}
	judge, err := s.judgeOf(ctx, tx, f.organizationID, f.origin())
	if err != nil {
		return err
	}
	wanted := map[string]bool{}
	for position, d := range p.Drafts {
		if wanted[d.Key] {
			return fmt.Errorf("the plan names %s twice", d.Key)
		}
		wanted[d.Key] = true
		if f.undoRequested > 0 && d.Content.Doubt == "" {
			d.Content.Doubt = AfterUndo
		}
		// A link to what will not happen is left out here as reconcile would
		// leave it out: the question stays the same over rounds.
		d.Content.Associations = slices.DeleteFunc(slices.Clone(d.Content.Associations), func(r AssociationRef) bool {
			other := byKey[r.Key]
			return other != nil && other.State.Settled() && !other.State.Happened() &&
				!needs(Action{Tool: d.Tool, Content: d.Content}, r.Key)
		})
		dependsOn := make([]uuid.UUID, 0, len(d.DependsOn))
		for _, k := range d.DependsOn {
			if other := byKey[k]; other != nil && other.State.Settled() && !other.State.Happened() &&
				!needs(Action{Tool: d.Tool, Content: d.Content}, k) {
				continue
			}
			id, ok := ids[k]
			if !ok {
				return fmt.Errorf("%s depends on %s, which is not in the plan", d.Key, k)
			}
			dependsOn = append(dependsOn, id)
		}
		a := byKey[d.Key]
		if a == nil {
			a = &Action{
				ID: ids[d.Key], OrganizationID: f.organizationID, Origin: f.origin(), Round: f.round, Key: d.Key, Tool: d.Tool,
				TargetID: d.TargetID, Position: position, DependsOn: dependsOn, Content: d.Content, ConnectionID: &p.ConnectionID, dataKeyID: f.dataKeyID,
			}
			if err := s.insertAction(ctx, tx, key, a); err != nil {
				return err
			}
			if err := s.permit(ctx, tx, f, a, judge); err != nil {
				return err
			}
			byKey[d.Key] = a
			continue
		}
		if a.State.Happened() && (p.Written == nil || p.Written[d.Key]) {
			continue // a change of it is an action of its own
		}
		if err := s.amend(ctx, tx, f, key, a, d, dependsOn, position, judge); err != nil {
			return err
		}
	}
	for _, a := range existing {
		if a.Origin.Kind == OriginUndo || a.reads() {
			continue // no plan of the meeting's
		}
		if wanted[a.Key] || (a.State != ActionAsking && a.State != ActionReady) {
			continue
		}
		if a.MayExistSince != nil {
			continue // what became of it is still to be asked
		}
		state, why := ActionWithdrawn, "what was said later no longer asks for it"
		if off := judge.switchedOff(a); off != "" {
			state, why = ActionDenied, off // it was planned with no more, whatever was said
		}
		if err := s.settle(ctx, tx, f, a, state, why); err != nil {
			return err
		}
	}
	return nil
}

// amend brings an action of an earlier round to what this round wants.
func (s *Store) amend(ctx context.Context, tx pgx.Tx, f *followUp, key *vault.DataKey, a *Action, d Draft, dependsOn []uuid.UUID, position int, judge *judge) error {
	mac, err := contentMAC(key, d.Tool, d.TargetID, d.Content)
	if err != nil {
		return err
	}
	same := string(mac) == string(a.ContentMAC)
	if !same {
		// The planner takes over what approvers wrote: that is no change either.
		if same, err = s.sameAsEdited(ctx, tx, key, a, mac); err != nil {
			return err
		}
	}
	if a.State.Happened() || a.inFlight() {
		if same || a.overtaken {
			return nil
		}
		// A change of it is an action of its own, which can be planned when it is known
		// what became of this one: see planAgain.
		if _, err := tx.Exec(ctx, `update actions set overtaken = true where id = $1`, a.ID); err != nil {
			return fmt.Errorf("noting that %s is overtaken: %w", a.Key, err)
		}
		return nil
	}
	if a.State == ActionAsking || a.State == ActionReady && a.Reason != string(ApprovalApproved) && a.Reason != string(ApprovalEdited) {
		// Nobody has decided it: what is in doubt by now is asked about, though it
		// is the same.
		same = same && (d.Content.Doubt == "" || a.Content.Doubt != "")
	}
	switch a.State {
	case ActionDenied, ActionSkipped, ActionWithdrawn:
		// What stood in its way may be gone.
	case ActionRejected, ActionExpired:
		// Nobody is asked again what was answered, because of a link alone.
		if same || (a.TargetID == d.TargetID && maps.Equal(a.Content.Properties, d.Content.Properties)) {
			return nil
		}
	default:
		if same {
			return nil
		}
	}
	wasAsked, sameRecord := a.State == ActionAsking, a.TargetID == d.TargetID
	changed := changedProperties(a.Content.Properties, d.Content.Properties)
	if wasAsked && sameRecord {
		d.Content.Earlier = earlierValues(a.Content, d.Content.Before)
	}
	a.Content, a.TargetID, a.DependsOn, a.Position, a.Round = d.Content, d.TargetID, dependsOn, position, f.round
	if wasAsked {
		a.Content.Changed = changed
		if err := s.withdrawQuestion(ctx, tx, f.origin(), *a, "amended by what was said later"); err != nil {
			return err
		}
	}
	if err := s.setActionContent(ctx, tx, a); err != nil {
		return err
	}
	return s.permit(ctx, tx, f, a, judge)
}

// sameAsEdited says whether mac is the hash of the action with its approver's edit.
func (s *Store) sameAsEdited(ctx context.Context, tx pgx.Tx, key *vault.DataKey, a *Action, mac []byte) (bool, error) {
	edit, err := s.latestEdit(ctx, tx, key, a.ID)
	if err != nil || edit == nil {
		return false, err
	}
	content := a.Content
	content.Properties = maps.Clone(content.Properties)
	maps.Copy(content.Properties, edit)
	edited, err := contentMAC(key, a.Tool, a.TargetID, content)
	return string(edited) == string(mac), err
}

func changedProperties(before, after map[string]string) []string {
	var changed []string
	for name, value := range after {
		if old, ok := before[name]; !ok || old != value {
			changed = append(changed, name)
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			changed = append(changed, name)
		}
	}
	slices.Sort(changed)
	return changed
}

func (s *Store) insertAction(ctx context.Context, tx pgx.Tx, key *vault.DataKey, a *Action) error {
	var err error
	if a.ContentMAC, err = contentMAC(key, a.Tool, a.TargetID, a.Content); err != nil {
		return err
	}
	sealed, err := sealJSON(key, a.Content, actionContentPlace(a.ID))
	if err != nil {
		return err
	}
	like, err := s.likenessMAC(ctx, tx, a)
	if err != nil {
		return err
	}
	a.State = ActionDenied // until permit says otherwise
	_, err = tx.Exec(ctx, `
		insert into actions (id, organization_id, origin_kind, origin_id, data_key_id, round, key, object_type, operation, target_id,
		                     position, depends_on, state, content_mac, sealed, connection_id, likeness_mac)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
		a.ID, a.OrganizationID, a.Origin.Kind, a.Origin.ID, a.dataKeyID, a.Round, a.Key, a.Tool.Object, a.Tool.Operation, a.TargetID,
		a.Position, a.DependsOn, a.State, a.ContentMAC, sealed, a.ConnectionID, like)
	if err != nil {
		return fmt.Errorf("storing action %s: %w", a.Key, err)
	}
	return nil
}

// permit gives an action its permission: denied, asked about, or ready to run.
// A doubt makes a question even where the tool is allowed. What may have been
// written gets no new permission.
func (s *Store) permit(ctx context.Context, tx pgx.Tx, f *followUp, a *Action, judge *judge) error {
	if a.MayExistSince != nil {
		return nil
	}
	decision := judge.action(*a, nil)
	permission, why := decision.Permission, ""
	if decision.Rule != "" {
		why = decision.Reason
	}
	if permission == policy.Allow && a.Content.Doubt != "" {
		permission = policy.Ask
	}
	blocked := f.blocked(a.Tool)
	switch {
	case permission == policy.Deny:
	case blocked != "":
		// Nobody is asked about what could not be carried out.
		a.State, a.Reason = ActionReady, blocked
		return setActionState(ctx, tx, a.ID, a.State, a.Reason)
	}
	switch permission {
	case policy.Allow:
		a.State, a.Reason = ActionReady, "allowed"
	case policy.Ask:
		_, err := s.ask(ctx, tx, f, a, kindPermission, why)
		return err
	default:
		a.State, a.Reason = ActionDenied, judge.denial(*a, decision)
	}
	return setActionState(ctx, tx, a.ID, a.State, a.Reason)
}

// settle ends an action that will not happen, and the question about it.
func (s *Store) settle(ctx context.Context, tx pgx.Tx, f *followUp, a Action, state ActionState, reason string) error {
	if a.State == ActionAsking {
		if err := s.withdrawQuestion(ctx, tx, f.origin(), a, reason); err != nil {
			return err
		}
	}
	return setActionState(ctx, tx, a.ID, state, a.because(reason))
}

// reconcile settles what has been settled elsewhere, and returns the actions as
// they are then.
func (s *Store) reconcile(ctx context.Context, tx pgx.Tx, f *followUp) ([]Action, error) {
	if err := s.expireQuestions(ctx, tx, f); err != nil {
		return nil, err
	}
	if err := s.remind(ctx, tx, f); err != nil {
		return nil, err
	}
	actions, err := s.queryActions(ctx, tx, `where a.origin_id = $1 order by a.position, a.id for update`, f.meetingID)
	if err != nil {
		return nil, err
	}
	judge, err := s.judgeOfThese(ctx, tx, f.organizationID, f.origin(), actions...)
	if err != nil {
		return nil, err
	}
	for i := range actions {
		a := &actions[i]
		if err := s.reconcileScope(ctx, tx, f, a, judge); err != nil {
			return nil, err
		}
		if a.State != ActionAsking {
			continue
		}
		reason := judge.switchedOff(*a)
		if reason == "" {
			continue
		}
		state := ActionDenied
		if a.reads() {
			state = ActionWithdrawn
		}
		if err := s.settle(ctx, tx, f, *a, state, reason); err != nil {
			return nil, err
		}
		a.State, a.Reason = state, reason
	}
	// Dependents come after what they depend on; but an edit may have changed
	// the order, so go on until nothing moves.
	for moved := true; moved; {
		moved = false
		for i := range actions {
			did, err := s.reconcileDependent(ctx, tx, f, &actions[i], actions, judge)
			if err != nil {
				return nil, err
			}
			moved = moved || did
		}
	}
	return actions, nil
}

// reconcileScope withdraws a question about what the connection's scopes no
// longer let anybody do, and asks again once they do.
func (s *Store) reconcileScope(ctx context.Context, tx pgx.Tx, f *followUp, a *Action, judge *judge) error {
	blocked := f.blocked(a.Tool)
	switch {
	case a.State == ActionAsking && blocked != "" && a.MayExistSince == nil:
		if err := s.withdrawQuestion(ctx, tx, f.origin(), *a, blocked); err != nil {
			return err
		}
		a.State, a.Reason = ActionReady, blocked
		return setActionState(ctx, tx, a.ID, a.State, a.Reason)
	case a.State == ActionReady && blocked == "" && strings.HasPrefix(a.Reason, "blocked: "):
		return s.permit(ctx, tx, f, a, judge)
	default:
		return nil
	}
}

// reconcileDependent frees an action from prerequisites that will not happen:
// it is asked again without them where it can stand alone, else skipped.
func (s *Store) reconcileDependent(ctx context.Context, tx pgx.Tx, f *followUp, a *Action, all []Action, judge *judge) (bool, error) {
	if a.State != ActionAsking && a.State != ActionReady {
		return false, nil
	}
	if a.MayExistSince != nil {
		return false, nil // what was sent was sent with what had happened then
	}
	for _, dep := range all {
		if !slices.Contains(a.DependsOn, dep.ID) || !dep.State.Settled() || dep.State.Happened() {
			continue
		}
		why := fmt.Sprintf("%s %q was %s", dep.Tool.Title(), dep.Content.Label, dep.State)
		if needs(*a, dep.Key) {
			// No label in the reason: it is stored in clear.
			reason := fmt.Sprintf("it needs %s, which was %s", dep.Tool.Title(), dep.State)
			if err := s.settle(ctx, tx, f, *a, ActionSkipped, reason); err != nil {
				return false, err
			}
			a.State, a.Reason = ActionSkipped, reason
			return true, nil
		}
		a.DependsOn = slices.DeleteFunc(slices.Clone(a.DependsOn), func(id uuid.UUID) bool { return id == dep.ID })
		before := len(a.Content.Associations)
		a.Content.Associations = slices.DeleteFunc(slices.Clone(a.Content.Associations), func(r AssociationRef) bool { return r.Key == dep.Key })
		changed := len(a.Content.Associations) != before
		if changed {
			a.Content.Changed = append(a.Content.Changed, "associations")
			a.Content.Purpose = appendSentence(a.Content.Purpose, why+", so it stands without it")
		}
		if changed && a.State == ActionAsking {
			if err := s.withdrawQuestion(ctx, tx, f.origin(), *a, "asked again without something that will not happen"); err != nil {
				return false, err
			}
		}
		if err := s.setActionContent(ctx, tx, a); err != nil {
			return false, err
		}
		if changed {
			if err := s.permit(ctx, tx, f, a, judge); err != nil {
				return false, err
			}
		}
		return true, nil
	}
	return false, nil
}

// needs says whether an action can't stand without the one with that key: it is
// required, or it is the last of the records whose timeline the action is for.
func needs(a Action, key string) bool {
	if a.Content.TargetKey == key {
		return true
	}
	others := 0
	for _, r := range a.Content.Associations {
		switch {
		case r.Key == key && r.Required:
			return true
		case r.Key != key:
			others++
		}
	}
	onTimelines := a.Tool.Operation == policy.Create && (a.Tool.Object == "meeting" || a.Tool.Object == "note")
	return onTimelines && others == 0 && len(a.Content.Associations) > 0
}

func appendSentence(text, more string) string {
	if text == "" {
		return more
	}
	return text + "; " + more
}

// CloseFollowUp ends the follow-up if nothing is left to do, and says whether it
// did. A meeting that changed meanwhile keeps it open: that is the next round.
func (s *Store) CloseFollowUp(ctx context.Context, organizationID, meetingID uuid.UUID) (bool, error) {
	var closed bool
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		look, err := s.lookAt(ctx, tx, organizationID, meetingID)
		if err != nil || look.Next != NextDone {
			return err
		}
		err = closeFollowUp(ctx, tx, meetingID)
		closed = err == nil
		return err
	})
	if err != nil {
		return false, fmt.Errorf("closing the follow-up of meeting %s: %w", meetingID, err)
	}
	return closed, nil
}

// closeFollowUp closes a follow-up's row, if there is one, with its report.
func closeFollowUp(ctx context.Context, q querier, meetingID uuid.UUID) error {
	report, err := reportOf(ctx, q, meetingID)
	if err != nil {
		return err
	}
	raw, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	_, err = q.Exec(ctx, `
		update follow_ups set state = 'closed', closed_at = coalesce(closed_at, now()), paused_since = null, report = $2
		where meeting_id = $1`, meetingID, raw)
	if err != nil {
		return fmt.Errorf("closing the follow-up: %w", err)
	}
	// It is planned from what is read then, should it be opened once more.
	if _, err := q.Exec(ctx, `delete from follow_up_records where meeting_id = $1 and not planned and not told`, meetingID); err != nil {
		return fmt.Errorf("closing the follow-up: %w", err)
	}
	return nil
}

// Report counts what became of a follow-up's actions and questions.
type Report struct {
	Actions   map[ActionState]int   `json:"actions"`
	Decisions map[ApprovalState]int `json:"decisions"`
	// Allowed counts the actions that were written without asking.
	Allowed int `json:"allowed"`
	// Undo counts what became of the actions that undo others; they are not
	// among Actions.
	Undo map[ActionState]int `json:"undo,omitempty"`
}

func reportOf(ctx context.Context, q querier, meetingID uuid.UUID) (Report, error) {
	r := Report{Actions: map[ActionState]int{}, Decisions: map[ApprovalState]int{}}
	err := eachCount(ctx, q, `select state, count(*) from actions where origin_id = $1 and origin_kind <> 'undo' group by state`, meetingID,
		func(state string, n int) { r.Actions[ActionState(state)] = n })
	if err != nil {
		return Report{}, err
	}
	err = eachCount(ctx, q, `select state, count(*) from actions where origin_id = $1 and origin_kind = 'undo' group by state`, meetingID,
		func(state string, n int) {
			if r.Undo == nil {
				r.Undo = map[ActionState]int{}
			}
			r.Undo[ActionState(state)] = n
		})
	if err != nil {
		return Report{}, err
	}
	err = eachCount(ctx, q, `select p.state, count(*) from approvals p join actions a on a.id = p.action_id where a.origin_id = $1 group by p.state`, meetingID,
		func(state string, n int) { r.Decisions[ApprovalState(state)] = n })
	if err != nil {
		return Report{}, err
	}
	err = q.QueryRow(ctx, `
		select count(*) from actions a where a.origin_id = $1 and a.origin_kind <> 'undo' and a.state = 'written'
		and not exists (select from approvals p where p.action_id = a.id and p.state in ('approved', 'edited'))`, meetingID).Scan(&r.Allowed)
	if err != nil {
		return Report{}, fmt.Errorf("counting what was allowed: %w", err)
	}
	return r, nil
}

func eachCount(ctx context.Context, q querier, sql string, meetingID uuid.UUID, each func(string, int)) error {
	rows, err := q.Query(ctx, sql, meetingID)
	if err != nil {
		return fmt.Errorf("counting for the report: %w", err)
	}
	var state string
	var n int
	if _, err := pgx.ForEachRow(rows, []any{&state, &n}, func() error { each(state, n); return nil }); err != nil {
		return fmt.Errorf("counting for the report: %w", err)
	}
	return nil
}

// FollowUp is what an operator sees of one.
type FollowUp struct {
	MeetingID      uuid.UUID  `json:"meeting_id"`
	OrganizationID uuid.UUID  `json:"organization_id"`
	State          string     `json:"state"`
	Round          int        `json:"round"`
	PausedSince    *time.Time `json:"paused_since,omitempty"`
	// PausedReason says what it waits for, where that is not a connection to
	// come back.
	PausedReason string     `json:"paused_reason,omitempty"`
	ConnectionID *uuid.UUID `json:"connection_id,omitempty"`
	Report       Report     `json:"report"`
	OpenedAt     time.Time  `json:"opened_at"`
	ClosedAt     *time.Time `json:"closed_at,omitempty"`
}

// FollowUpOf returns the follow-up of a meeting.
func (s *Store) FollowUpOf(ctx context.Context, organizationID, meetingID uuid.UUID) (FollowUp, error) {
	rows, err := s.pool.Query(ctx, selectFollowUp+` where organization_id = $1 and meeting_id = $2`, organizationID, meetingID)
	if err != nil {
		return FollowUp{}, fmt.Errorf("reading the follow-up of meeting %s: %w", meetingID, err)
	}
	f, err := pgx.CollectExactlyOneRow(rows, scanFollowUp)
	return f, notFound(err, fmt.Sprintf("reading the follow-up of meeting %s", meetingID))
}

// FollowUps lists an organization's follow-ups, newest first, at most limit.
func (s *Store) FollowUps(ctx context.Context, organizationID uuid.UUID, limit int) ([]FollowUp, error) {
	rows, err := s.pool.Query(ctx, selectFollowUp+` where organization_id = $1 order by opened_at desc limit $2`, organizationID, limit)
	if err != nil {
		return nil, fmt.Errorf("listing follow-ups: %w", err)
	}
	all, err := pgx.CollectRows(rows, scanFollowUp)
	if err != nil {
		return nil, fmt.Errorf("listing follow-ups: %w", err)
	}
	return all, nil
}

const selectFollowUp = `
	select meeting_id, organization_id, state, round, paused_since, case when paused_since is null then '' else paused_reason end, connection_id, report, opened_at, closed_at from follow_ups`

func scanFollowUp(row pgx.CollectableRow) (FollowUp, error) {
	var f FollowUp
	var report []byte
	if err := row.Scan(&f.MeetingID, &f.OrganizationID, &f.State, &f.Round, &f.PausedSince, &f.PausedReason, &f.ConnectionID, &report, &f.OpenedAt, &f.ClosedAt); err != nil {
		return FollowUp{}, err
	}
	if err := json.Unmarshal(report, &f.Report); err != nil {
		return FollowUp{}, errors.New("decoding the report of a follow-up")
	}
	return f, nil
}
