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

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/vault"
)

// ApprovalState is how a question stands or ended.
type ApprovalState string

// The states of a question.
const (
	ApprovalPending   ApprovalState = "pending"
	ApprovalApproved  ApprovalState = "approved"
	ApprovalEdited    ApprovalState = "edited"
	ApprovalRejected  ApprovalState = "rejected"
	ApprovalExpired   ApprovalState = "expired"
	ApprovalWithdrawn ApprovalState = "withdrawn"
)

// Approval is a question about one action.
type Approval struct {
	ID             uuid.UUID     `json:"id"`
	OrganizationID uuid.UUID     `json:"organization_id"`
	ActionID       uuid.UUID     `json:"action_id"`
	Kind           string        `json:"kind"`
	State          ApprovalState `json:"state"`
	Round          int           `json:"round"`
	AskedAt        time.Time     `json:"asked_at"`
	ExpiresAt      time.Time     `json:"expires_at"`
	DecidedAt      *time.Time    `json:"decided_at,omitempty"`
	DecidedBy      string        `json:"decided_by,omitempty"`
	Via            string        `json:"via,omitempty"`
	// Reason is why it is asked, where a rule asks; of one that was withdrawn, why
	// it was.
	Reason string `json:"reason,omitempty"`
	Action Action `json:"action"`
}

// Verdict is what an approver says.
type Verdict string

// The verdicts.
const (
	Approve Verdict = "approve"
	Edit    Verdict = "edit"
	Reject  Verdict = "reject"
)

// Decision is an answer to a question, by whatever entrance it came.
type Decision struct {
	// OrganizationID is whose question it is; zero where the entrance knows only
	// the approval's ID (the Temporal UI).
	OrganizationID uuid.UUID
	ApprovalID     uuid.UUID
	Verdict        Verdict
	// Edit replaces values of properties that the question shows; for Edit only.
	Edit map[string]string
	// Reason is the approver's own, for the trail. Stored sealed: it is words.
	Reason string
	Actor  Actor
	// Via is the entrance: "command line", "temporal ui", "web", …
	Via string
	// MeetingID, if set, is the only meeting whose questions may be answered:
	// the workflow that carries the decision speaks for one meeting.
	MeetingID uuid.UUID
}

// Refusal is why a decision was not recorded: a sentence that the approver can
// read. Nothing was changed.
type Refusal struct {
	Sentence string
}

func (r *Refusal) Error() string { return r.Sentence }

func refuse(format string, args ...any) error {
	return &Refusal{Sentence: fmt.Sprintf(format, args...)}
}

// Decided is a decision as it was recorded.
type Decided struct {
	ApprovalID uuid.UUID     `json:"approval_id"`
	MeetingID  uuid.UUID     `json:"meeting_id"`
	State      ApprovalState `json:"state"`
	// Sentence says what was decided, for the approver.
	Sentence string `json:"sentence"`
}

// The entrances. The Temporal UI tells nobody who clicked; on the command line it
// is whoever has the database and the keyset.
const (
	ViaTemporal    = "temporal ui"
	ViaCommandLine = "command line"
)

// Decide is the one judge of questions. Under the approval's row lock it checks
// that the question is still open, its deadline, that its action is still to be
// decided and still what was asked, that neither its tool nor the values as edited
// are denied, and whether this entrance and this person may answer; then it records the decision with its audit row and wakes
// the workflow, all in one transaction. Where rules ask about what was edited that
// did not ask before, that is a question anew. Otherwise it fails with a [*Refusal] and
// changes nothing.
func (s *Store) Decide(ctx context.Context, d Decision) (Decided, error) {
	var decided Decided
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var err error
		decided, err = s.decide(ctx, tx, d)
		return err
	})
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return Decided{}, refusal
	}
	if err != nil {
		return Decided{}, fmt.Errorf("deciding question %s: %w", d.ApprovalID, err)
	}
	return decided, nil
}

func (s *Store) decide(ctx context.Context, tx pgx.Tx, d Decision) (Decided, error) {
	// The follow-up's row first, then the approval's: the order in which a round
	// takes them, so that a decision and a round never wait for each other.
	var meetingID uuid.UUID
	err := tx.QueryRow(ctx, `
		select a.origin_id from approvals p join actions a on a.id = p.action_id
		where p.id = $1 and ($2::uuid is null or p.organization_id = $2)`, d.ApprovalID, nullID(d.OrganizationID)).Scan(&meetingID)
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && d.MeetingID != uuid.Nil && d.MeetingID != meetingID) {
		return Decided{}, refuse("There is no such question.")
	}
	if err != nil {
		return Decided{}, fmt.Errorf("finding the question: %w", err)
	}
	var organizationID uuid.UUID
	err = tx.QueryRow(ctx, `select organization_id from follow_ups where meeting_id = $1 for update`, meetingID).Scan(&organizationID)
	if err := notFound(err, "locking the follow-up"); err != nil {
		return Decided{}, err
	}
	f, err := s.lockFollowUp(ctx, tx, organizationID, meetingID)
	if err != nil {
		return Decided{}, err
	}
	var p Approval
	var mac []byte
	err = tx.QueryRow(ctx, `
		select id, action_id, kind, state, content_mac, round, asked_at, expires_at, decided_by from approvals where id = $1 for update`, d.ApprovalID).
		Scan(&p.ID, &p.ActionID, &p.Kind, &p.State, &mac, &p.Round, &p.AskedAt, &p.ExpiresAt, &p.DecidedBy)
	if err != nil {
		return Decided{}, fmt.Errorf("locking the question: %w", err)
	}
	actions, err := s.queryActions(ctx, tx, `where a.id = $1 for update`, p.ActionID)
	if err != nil || len(actions) != 1 {
		return Decided{}, fmt.Errorf("reading the action of the question: %w", err)
	}
	a := actions[0]

	if d.Actor.PersonID != nil {
		if err := s.mayAnswer(ctx, tx, f, a, *d.Actor.PersonID); err != nil {
			return Decided{}, err
		}
	}
	if d.Via == ViaTemporal && !f.settings.TemporalDecisions {
		return Decided{}, refuse(viaTemporalRefused)
	}
	switch p.State {
	case ApprovalPending:
	case ApprovalWithdrawn:
		return Decided{}, refuse("This question was withdrawn meanwhile. If it still matters, it has been asked anew.")
	case ApprovalExpired:
		return Decided{}, refuse("This question expired at %s; nothing was written.", p.ExpiresAt.UTC().Format(time.RFC3339))
	default:
		return Decided{}, refuse("This question was already %s.", p.State)
	}
	if !f.now.Before(p.ExpiresAt) {
		return Decided{}, refuse("This question expired at %s; nothing was written.", p.ExpiresAt.UTC().Format(time.RFC3339))
	}
	if a.State != ActionAsking {
		return Decided{}, refuse("%s is no longer to be decided: it is %s.", a.Tool.Title(), a.State)
	}
	if string(mac) != string(a.ContentMAC) {
		return Decided{}, refuse("What this question was about has changed since it was asked. Look at the new question.")
	}
	judge, err := s.judgeOf(ctx, tx, organizationID, a.Origin)
	if err != nil {
		return Decided{}, err
	}
	// An edit may lead out of what a rule denies: then only its values count.
	wanted := judge.action(a, d.Edit)
	if wanted.Permission == policy.Deny && d.Verdict != Reject {
		if wanted.Rule != "" {
			return Decided{}, refuse("%s will not run: %s.", a.Tool.Title(), wanted.Reason)
		}
		return Decided{}, refuse("%s was switched to deny; it will not run.", a.Tool.Title())
	}

	state, actionState := ApprovalApproved, ActionReady
	var sealedEdit []byte
	var tripped []string // rules that ask about the edit and did not ask before it
	switch d.Verdict {
	case Approve:
		if len(d.Edit) > 0 {
			return Decided{}, refuse("An approval changes nothing: say edit, to approve with other values.")
		}
		if missing := unanswered(a.Content); missing != "" && p.Kind == "permission" {
			return Decided{}, refuse("%s", missing)
		}
	case Edit:
		state = ApprovalEdited
		key, err := s.dataKey(ctx, tx, a.dataKeyID)
		if err != nil {
			return Decided{}, err
		}
		if err := s.checkEdit(ctx, tx, key, f, a, d.Edit); err != nil {
			return Decided{}, err
		}
		if sealedEdit, err = sealJSON(key, d.Edit, editPlace(p.ID)); err != nil {
			return Decided{}, err
		}
		if answers(d.Edit) {
			if a.MayExistSince != nil {
				return Decided{}, refuse("This may have been written already, and can't be planned anew. Approve to send it again, or reject to leave it.")
			}
			// Not to be written but to be planned with: the same action comes
			// back without the doubt.
			actionState = ActionWithdrawn
			if _, err := tx.Exec(ctx, `update follow_ups set answers = answers + 1 where meeting_id = $1`, meetingID); err != nil {
				return Decided{}, fmt.Errorf("asking for a new plan: %w", err)
			}
		} else {
			tripped = judge.tripped(a, d.Edit)
		}
	case Reject:
		state, actionState = ApprovalRejected, ActionRejected
	default:
		return Decided{}, refuse("Say approve, edit or reject.")
	}
	if _, err := tx.Exec(ctx, `
		update approvals set state = $2, decided_at = now(), decided_by = $3, decided_by_person_id = $4, via = $5, sealed_edit = $6
		where id = $1`, p.ID, state, d.Actor.Name, d.Actor.PersonID, d.Via, sealedEdit); err != nil {
		return Decided{}, fmt.Errorf("recording the decision: %w", err)
	}
	reason := string(state)
	switch {
	case actionState != ActionReady:
		reason = a.because(reason)
	case p.Kind == "outcome":
		// Whoever looked says that it may be sent again.
		if _, err := tx.Exec(ctx, `update actions set may_exist_since = null where id = $1`, a.ID); err != nil {
			return Decided{}, fmt.Errorf("clearing the doubt about what was sent: %w", err)
		}
		a.MayExistSince = nil
	}
	if err := setActionState(ctx, tx, a.ID, actionState, reason); err != nil {
		return Decided{}, err
	}
	values := map[string]string{}
	maps.Copy(values, d.Edit)
	if d.Reason != "" {
		values["(reason)"] = d.Reason
	}
	err = s.audit(ctx, tx, AuditEntry{
		OrganizationID: organizationID, Kind: AuditDecision, Actor: d.Actor, Origin: a.Origin, Round: p.Round, ActionID: &a.ID,
		ApprovalID: &p.ID, Tool: a.Tool, RecordID: a.TargetID, Reason: string(state) + " via " + d.Via, Values: values, DataKeyID: a.dataKeyID,
	})
	if err != nil {
		return Decided{}, err
	}
	if err := s.wake(ctx, tx, organizationID, meetingID, "decision "+p.ID.String()); err != nil {
		return Decided{}, err
	}
	sentence := fmt.Sprintf("%s: %s.", a.Tool.Title(), state)
	if len(tripped) > 0 {
		why := "asked about anew with the edited values: " + strings.Join(tripped, ", ")
		if err := s.askAboutEdit(ctx, tx, f, &a, d.Edit, why); err != nil {
			return Decided{}, err
		}
		sentence += fmt.Sprintf(" It is %s.", why)
	}
	return Decided{ApprovalID: p.ID, MeetingID: meetingID, State: state, Sentence: sentence}, nil
}

// askAboutEdit makes what an approver wrote the content of the action, and asks
// about that.
func (s *Store) askAboutEdit(ctx context.Context, tx pgx.Tx, f *followUp, a *Action, edit map[string]string, why string) error {
	a.Content.Properties = edited(*a, edit)
	a.Content.Changed = slices.Sorted(maps.Keys(edit))
	if err := s.setActionContent(ctx, tx, a); err != nil {
		return err
	}
	return s.ask(ctx, tx, a, "permission", why, f.settings.ApprovalTTL.Or(defaultTTL))
}

// Properties whose names begin with QuestionPrefix are questions to the approver
// and never HubSpot's: an edit of one is an answer that the plan is made again
// with. AttendeesProperty asks for the e-mail addresses of who was there,
// TargetProperty for the ID of the record that is meant.
const (
	QuestionPrefix     = "debrief_"
	AttendeesProperty  = QuestionPrefix + "attendees"
	TargetProperty     = QuestionPrefix + "target"
	viaTemporalRefused = "Decisions in the Temporal UI are off for this organization. An admin can turn them on; until then answer on the command line."
)

// unanswered says what a question leaves to the approver to fill in, or nothing.
func unanswered(c ActionContent) string {
	for _, q := range []struct{ property, sentence string }{
		{AttendeesProperty, "Nobody's address is known: edit " + AttendeesProperty + " to say who was there, or reject."},
		{TargetProperty, "Nothing tells which record is meant: edit " + TargetProperty + " to give its ID, or reject."},
	} {
		if v, ok := c.Properties[q.property]; ok && strings.TrimSpace(v) == "" {
			return q.sentence
		}
	}
	return ""
}

// answers says whether an edit answers a question of Debrief's own.
func answers(edit map[string]string) bool {
	for name, value := range edit {
		if strings.HasPrefix(name, QuestionPrefix) && strings.TrimSpace(value) != "" {
			return true
		}
	}
	return false
}

// latestEdit returns what the approver of an action wrote last, or nil.
func (s *Store) latestEdit(ctx context.Context, q querier, key *vault.DataKey, actionID uuid.UUID) (map[string]string, error) {
	var id uuid.UUID
	var sealed []byte
	err := q.QueryRow(ctx, `
		select id, sealed_edit from approvals where action_id = $1 and state = 'edited' order by decided_at desc limit 1`, actionID).Scan(&id, &sealed)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading an edit: %w", err)
	}
	edit := map[string]string{}
	return edit, openJSON(key, sealed, &edit, editPlace(id))
}

func editPlace(approvalID uuid.UUID) string { return "approvals.sealed_edit:" + approvalID.String() }

// Answers returns what approvers wrote into the questions of a meeting, by the
// action's key, for the planner to take over, and the version for [Plan]: one
// that comes later is planned with in another round.
func (s *Store) Answers(ctx context.Context, organizationID, meetingID uuid.UUID) (answers map[string]map[string]string, version int64, err error) {
	// The version first: an answer in between is then seen twice, and never lost.
	err = s.pool.QueryRow(ctx, `select answers from follow_ups where organization_id = $1 and meeting_id = $2`, organizationID, meetingID).Scan(&version)
	if err := notFound(err, fmt.Sprintf("reading the answers about meeting %s", meetingID)); err != nil {
		return nil, 0, err
	}
	actions, err := s.queryActions(ctx, s.pool, `
		where a.organization_id = $1 and a.origin_id = $2 and exists (select from approvals p where p.action_id = a.id and p.state = 'edited')`,
		organizationID, meetingID)
	if err != nil {
		return nil, 0, err
	}
	answers = map[string]map[string]string{}
	for _, a := range actions {
		key, err := s.dataKey(ctx, s.pool, a.dataKeyID)
		if err != nil {
			return nil, 0, err
		}
		if answers[a.Key], err = s.latestEdit(ctx, s.pool, key, a.ID); err != nil {
			return nil, 0, err
		}
	}
	return answers, version, nil
}

// checkEdit says whether an edit stays within what the question is about, and
// whether its values make sense to HubSpot.
func (s *Store) checkEdit(ctx context.Context, q querier, key *vault.DataKey, f *followUp, a Action, edit map[string]string) error {
	if len(edit) == 0 {
		return refuse("An edit needs at least one property with its new value.")
	}
	var known []string
	for name := range a.Content.Properties {
		known = append(known, name)
	}
	slices.Sort(known)
	for name, value := range edit {
		if _, ok := a.Content.Properties[name]; !ok {
			return refuse("That property is not part of this question. It is about: %s.", strings.Join(known, ", "))
		}
		if len(value) > 65_536 {
			return refuse("The value of %q is longer than HubSpot takes (65,536 characters).", name)
		}
	}
	edited := a.Content
	edited.Properties = maps.Clone(edited.Properties)
	maps.Copy(edited.Properties, edit)
	if missing := unanswered(edited); missing != "" {
		return refuse("%s", missing)
	}
	if s.validate == nil {
		return nil
	}
	var sealed []byte
	if err := q.QueryRow(ctx, `select sealed_resolution from follow_ups where meeting_id = $1`, f.meetingID).Scan(&sealed); err != nil {
		return fmt.Errorf("reading what HubSpot knew: %w", err)
	}
	var resolution json.RawMessage
	if err := openJSON(key, sealed, &resolution, resolutionPlace(f.meetingID)); err != nil {
		return err
	}
	problems, err := s.validate(a.Tool, edited.Properties, resolution)
	if err != nil {
		return fmt.Errorf("checking an edit: %w", err)
	}
	if len(problems) > 0 {
		return refuse("That can't be written: %s.", strings.Join(problems, "; "))
	}
	return nil
}

// ask makes the question about an action. The action is then asking. About one
// that may have been written the question is always what became of it. why is a
// sentence without values, where there is more to say than that the tool asks.
func (s *Store) ask(ctx context.Context, q querier, a *Action, kind, why string, ttl time.Duration) error {
	if a.MayExistSince != nil {
		kind = "outcome"
	}
	_, err := q.Exec(ctx, `
		insert into approvals (id, organization_id, action_id, kind, content_mac, round, expires_at, reason)
		values ($1, $2, $3, $4, $5, $6, now() + $7, $8)`, newID(), a.OrganizationID, a.ID, kind, a.ContentMAC, a.Round, ttl, why)
	if err != nil {
		return fmt.Errorf("asking about action %s: %w", a.Key, err)
	}
	a.State, a.Reason = ActionAsking, ""
	return setActionState(ctx, q, a.ID, ActionAsking, "")
}

// AskAgain puts a question about an action that could not be carried out as it
// was decided: the record changed, or nothing tells whether it was written.
// kind is "permission" or "outcome"; doubt is the reason, in words; before are
// the values that the record has now, if they are what changed. It does nothing
// to an action that is settled, already asked about or being written, and to one
// whose words were erased.
func (s *Store) AskAgain(ctx context.Context, organizationID, actionID uuid.UUID, kind, doubt string, before map[string]string) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var meetingID uuid.UUID
		if err := tx.QueryRow(ctx, `select origin_id from actions where organization_id = $1 and id = $2`, organizationID, actionID).Scan(&meetingID); err != nil {
			return notFound(err, "finding the action")
		}
		f, err := s.lockFollowUp(ctx, tx, organizationID, meetingID)
		if err != nil {
			return err
		}
		actions, err := s.queryActions(ctx, tx, `where a.id = $1 for update`, actionID)
		if err != nil || len(actions) != 1 {
			return fmt.Errorf("reading the action: %w", err)
		}
		a := actions[0]
		if a.State.Settled() || a.State == ActionAsking || a.State == ActionWriting {
			return nil
		}
		key, err := s.dataKey(ctx, tx, a.dataKeyID)
		if errors.Is(err, ErrErased) {
			return nil // nobody could read the question
		}
		if err != nil {
			return err
		}
		edit, err := s.latestEdit(ctx, tx, key, a.ID)
		if err != nil {
			return err
		}
		// What the approver wrote stands: it is what is asked about now.
		a.Content.Properties = maps.Clone(a.Content.Properties)
		maps.Copy(a.Content.Properties, edit)
		a.Content.Doubt, a.Content.Changed = doubt, nil
		if before != nil {
			a.Content.Changed = changedProperties(a.Content.Before, before)
			a.Content.Before = before
		}
		if err := s.setActionContent(ctx, tx, &a); err != nil {
			return err
		}
		return s.ask(ctx, tx, &a, kind, "", f.settings.ApprovalTTL.Or(defaultTTL))
	})
	if err != nil {
		return fmt.Errorf("asking again about action %s: %w", actionID, err)
	}
	return nil
}

// withdrawQuestion ends the pending question about an action, with its trail.
func (s *Store) withdrawQuestion(ctx context.Context, q querier, origin Origin, a Action, reason string) error {
	var id uuid.UUID
	err := q.QueryRow(ctx, `
		update approvals set state = 'withdrawn', decided_at = now(), decided_by = 'debrief', reason = $2
		where action_id = $1 and state = 'pending' returning id`, a.ID, reason).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("withdrawing the question about action %s: %w", a.Key, err)
	}
	return s.audit(ctx, q, AuditEntry{
		OrganizationID: a.OrganizationID, Kind: AuditDecision, Actor: Actor{Name: "debrief"}, Origin: origin, Round: a.Round,
		ActionID: &a.ID, ApprovalID: &id, Tool: a.Tool, RecordID: a.TargetID, Reason: "withdrawn: " + reason,
	})
}

// expireQuestions ends the questions of a follow-up whose deadline has passed.
func (s *Store) expireQuestions(ctx context.Context, tx pgx.Tx, f *followUp) error {
	rows, err := tx.Query(ctx, `
		update approvals p set state = 'expired', decided_at = now(), decided_by = 'deadline'
		from actions a
		where a.id = p.action_id and a.origin_id = $1 and p.state = 'pending' and p.expires_at <= now()
		returning p.id, p.action_id, p.round, a.object_type, a.operation, a.may_exist_since`, f.meetingID)
	if err != nil {
		return fmt.Errorf("expiring questions: %w", err)
	}
	type expired struct {
		id, actionID uuid.UUID
		round        int
		tool         policy.Tool
		mayExist     *time.Time
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e expired, err error) {
		err = row.Scan(&e.id, &e.actionID, &e.round, &e.tool.Object, &e.tool.Operation, &e.mayExist)
		return e, err
	})
	if err != nil {
		return fmt.Errorf("expiring questions: %w", err)
	}
	for _, e := range all {
		reason := Action{MayExistSince: e.mayExist}.because("nobody answered in time")
		if err := setActionState(ctx, tx, e.actionID, ActionExpired, reason); err != nil {
			return err
		}
		err := s.audit(ctx, tx, AuditEntry{
			OrganizationID: f.organizationID, Kind: AuditDecision, Actor: Actor{Name: "deadline"}, Origin: f.origin(), Round: e.round,
			ActionID: &e.actionID, ApprovalID: &e.id, Tool: e.tool, Reason: "expired",
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func pendingQuestions(ctx context.Context, q querier, meetingID uuid.UUID) ([]PendingQuestion, error) {
	rows, err := q.Query(ctx, `
		select p.id, a.object_type, a.operation, p.expires_at from approvals p join actions a on a.id = p.action_id
		where a.origin_id = $1 and p.state = 'pending' order by p.expires_at, a.position`, meetingID)
	if err != nil {
		return nil, fmt.Errorf("reading the open questions: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (PendingQuestion, error) {
		var p PendingQuestion
		var tool policy.Tool
		err := row.Scan(&p.ApprovalID, &tool.Object, &tool.Operation, &p.ExpiresAt)
		p.Title, p.ExpiresAt = tool.Title(), p.ExpiresAt.UTC()
		return p, err
	})
}

// ApprovalFilter selects questions. Zero fields select all.
type ApprovalFilter struct {
	State     ApprovalState
	MeetingID uuid.UUID
	ID        uuid.UUID
	Limit     int // 0 means 100
}

// Approvals lists an organization's questions with their actions, in the order
// in which they were asked and stand in their plans.
func (s *Store) Approvals(ctx context.Context, organizationID uuid.UUID, f ApprovalFilter) ([]Approval, error) {
	if f.Limit <= 0 {
		f.Limit = 100
	}
	rows, err := s.pool.Query(ctx, `
		select p.id, p.organization_id, p.action_id, p.kind, p.state, p.round, p.asked_at, p.expires_at, p.decided_at, p.decided_by, p.via, p.reason
		from approvals p join actions a on a.id = p.action_id
		where p.organization_id = $1 and ($2 = '' or p.state = $2) and ($3::uuid is null or a.origin_id = $3) and ($4::uuid is null or p.id = $4)
		order by p.asked_at, a.position, p.id limit $5`,
		organizationID, string(f.State), nullID(f.MeetingID), nullID(f.ID), f.Limit)
	if err != nil {
		return nil, fmt.Errorf("listing questions: %w", err)
	}
	approvals, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Approval, err error) {
		err = row.Scan(&p.ID, &p.OrganizationID, &p.ActionID, &p.Kind, &p.State, &p.Round, &p.AskedAt, &p.ExpiresAt, &p.DecidedAt, &p.DecidedBy, &p.Via, &p.Reason)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing questions: %w", err)
	}
	ids := make([]uuid.UUID, 0, len(approvals))
	for _, p := range approvals {
		ids = append(ids, p.ActionID)
	}
	actions, err := s.queryActions(ctx, s.pool, `where a.id = any($1)`, ids)
	if err != nil {
		return nil, err
	}
	for i := range approvals {
		at := slices.IndexFunc(actions, func(a Action) bool { return a.ID == approvals[i].ActionID })
		if at >= 0 {
			approvals[i].Action = actions[at]
		}
	}
	return approvals, nil
}
