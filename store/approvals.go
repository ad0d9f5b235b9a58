package store

import (
	"cmp"
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
	// Quorum is how many people have to approve, as the organization wants it now;
	// Votes are those who did, the first first.
	Quorum int    `json:"quorum"`
	Votes  []Vote `json:"votes,omitempty"`
	// Escalated: nobody answered in time, and admins and approvers were asked.
	Escalated bool   `json:"escalated,omitempty"`
	Action    Action `json:"action"`

	mac             []byte
	decidedByPerson *uuid.UUID
}

// Vote is what one person said to a question.
type Vote struct {
	// PersonID is nil where no person is known, as of the operator.
	PersonID *uuid.UUID `json:"person_id,omitempty"`
	// Name of the person, or what else is known of who it was.
	Name    string    `json:"name"`
	Verdict Verdict   `json:"verdict"`
	Via     string    `json:"via"`
	At      time.Time `json:"at"`
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
	// Via is the entrance: [ViaWeb], [ViaSlack], …
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
	ApprovalID uuid.UUID `json:"approval_id"`
	MeetingID  uuid.UUID `json:"meeting_id"`
	// State is pending where more people have to approve.
	State ApprovalState `json:"state"`
	// Sentence says what was decided, for the approver.
	Sentence string `json:"sentence"`
}

// The entrances. The Temporal UI tells nobody who clicked; on the command line it
// is whoever has the database and the keyset.
const (
	ViaWeb         = "web page"
	ViaSlack       = "slack"
	ViaMail        = "e-mail"
	ViaTemporal    = "temporal ui"
	ViaCommandLine = "command line"
)

const noSuchQuestion = "There is no such question."

// Decide is the one judge of questions. Under the approval's row lock it checks
// whether this person may answer by this entrance, that the question is still open,
// its deadline, that its action is still to be decided and still what was asked,
// and that neither its tool nor the values as edited are denied. Then it records
// the decision with its audit row and wakes the workflow, all in one transaction.
// Where more people have to approve, the word of each is kept until the last of
// them. Where rules ask about what was edited that did not ask before, that is a
// question anew. Otherwise it fails with a [*Refusal] and changes nothing.
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
	f, p, a, err := s.lockQuestion(ctx, tx, d)
	if err != nil {
		return Decided{}, err
	}
	may, err := s.rightsOf(ctx, tx, f, a, d)
	if err != nil {
		return Decided{}, err
	}
	if err := s.open(ctx, tx, f, p, a, d.Actor); err != nil {
		return Decided{}, err
	}
	answer := d.Verdict == Edit && answers(d.Edit)
	if d.Verdict != Reject && !answer && may.refusal != nil {
		return Decided{}, may.refusal
	}
	if answer && (may.refusal != nil || f.settings.Approvals.quorum() > 1) && !answersAlone(d.Edit) {
		return Decided{}, refuse("Give this answer by itself: your organization is particular about who approves other values, and they are asked about after it.")
	}
	judge, err := s.judgeOfThese(ctx, tx, f.organizationID, a.Origin, a)
	if err != nil {
		return Decided{}, err
	}
	// An edit may lead out of what a rule denies: then only its values count.
	wanted := judge.question(a, d.Edit)
	if wanted.Permission == policy.Deny && d.Verdict != Reject {
		if wanted.Rule != "" {
			return Decided{}, refuse("%s will not run: %s.", a.Tool.Title(), wanted.Reason)
		}
		return Decided{}, refuse("%s was switched to deny; it will not run.", a.Tool.Title())
	}

	quorum := f.settings.Approvals.quorum()
	v := verdict{state: ApprovalApproved, action: ActionReady, sentence: string(ApprovalApproved)}
	switch d.Verdict {
	case Approve:
		if len(d.Edit) > 0 {
			return Decided{}, refuse("An approval changes nothing: say edit, to approve with other values.")
		}
		if p.Kind == kindPermission {
			key, err := s.dataKey(ctx, tx, a.dataKeyID)
			if errors.Is(err, ErrErased) {
				return Decided{}, refuse("What this question was about was erased: nobody can approve it any more.")
			}
			if err != nil {
				return Decided{}, err
			}
			if err := s.checkValues(ctx, tx, key, f, a, nil); err != nil {
				return Decided{}, err
			}
		}
	case Edit:
		if v, err = s.edit(ctx, tx, f, p, a, judge, d); err != nil {
			return Decided{}, err
		}
	case Reject:
		v = verdict{state: ApprovalRejected, action: ActionRejected, sentence: string(ApprovalRejected)}
	default:
		return Decided{}, refuse("Say approve, edit or reject.")
	}
	if v.state == ApprovalApproved {
		missing, err := s.vote(ctx, tx, f, p, a, d, may)
		if err != nil {
			return Decided{}, err
		}
		if missing > 0 {
			if err := s.auditDecision(ctx, tx, f, p, a, d, fmt.Sprintf("approved via %s, %d of %d", d.Via, quorum-missing, quorum)); err != nil {
				return Decided{}, err
			}
			sentence := fmt.Sprintf("%s: approved by you; %s.", a.Tool.Title(), more(missing))
			return Decided{ApprovalID: p.ID, MeetingID: f.meetingID, State: ApprovalPending, Sentence: sentence}, nil
		}
	} else if err := keepVote(ctx, tx, p.ID, d); err != nil {
		return Decided{}, err
	}
	if err := s.settleQuestion(ctx, tx, f, p, &a, d, v); err != nil {
		return Decided{}, err
	}
	sentence := fmt.Sprintf("%s: %s.", a.Tool.Title(), v.sentence)
	if v.anew != "" {
		if err := s.askAboutEdit(ctx, tx, f, &a, d, v); err != nil {
			return Decided{}, err
		}
		sentence += fmt.Sprintf(" It is %s.", v.anew)
	}
	return Decided{ApprovalID: p.ID, MeetingID: f.meetingID, State: v.state, Sentence: sentence}, nil
}

// verdict is what becomes of a question and of its action.
type verdict struct {
	state      ApprovalState
	action     ActionState
	sealedEdit []byte
	// anew says why the edited content is asked about anew; empty if it is not.
	// voted: its editor is the first who approves it.
	anew     string
	voted    bool
	sentence string
}

// runs says that the decision is the last word before the action is carried out.
func (v verdict) runs() bool { return v.action == ActionReady && v.anew == "" }

// lockQuestion locks a question with its follow-up, and reads what it is about.
func (s *Store) lockQuestion(ctx context.Context, tx pgx.Tx, d Decision) (*followUp, Approval, Action, error) {
	fail := func(err error) (*followUp, Approval, Action, error) { return nil, Approval{}, Action{}, err }
	// The follow-up's row first, then the approval's: the order in which a round
	// takes them, so that a decision and a round never wait for each other.
	var meetingID, organizationID uuid.UUID
	err := tx.QueryRow(ctx, `
		select a.origin_id, p.organization_id from approvals p join actions a on a.id = p.action_id
		where p.id = $1 and ($2::uuid is null or p.organization_id = $2)`, d.ApprovalID, nullID(d.OrganizationID)).Scan(&meetingID, &organizationID)
	if errors.Is(err, pgx.ErrNoRows) || (err == nil && d.MeetingID != uuid.Nil && d.MeetingID != meetingID) {
		return fail(refuse(noSuchQuestion))
	}
	if err != nil {
		return fail(fmt.Errorf("finding the question: %w", err))
	}
	f, err := s.lockFollowUp(ctx, tx, organizationID, meetingID)
	if err != nil {
		return fail(err)
	}
	p := Approval{OrganizationID: organizationID}
	err = tx.QueryRow(ctx, `
		select id, action_id, kind, state, content_mac, round, asked_at, expires_at, decided_at, decided_by, decided_by_person_id, via, escalated_at is not null
		from approvals where id = $1 for update`, d.ApprovalID).
		Scan(&p.ID, &p.ActionID, &p.Kind, &p.State, &p.mac, &p.Round, &p.AskedAt, &p.ExpiresAt, &p.DecidedAt, &p.DecidedBy, &p.decidedByPerson, &p.Via, &p.Escalated)
	if err != nil {
		return fail(fmt.Errorf("locking the question: %w", err))
	}
	actions, err := s.queryActions(ctx, tx, `where a.id = $1 for update`, p.ActionID)
	if err != nil || len(actions) != 1 {
		return fail(fmt.Errorf("reading the action of the question: %w", err))
	}
	return f, p, actions[0], nil
}

// open refuses to answer a question that is not open any more, or not about what
// its action would do.
func (s *Store) open(ctx context.Context, q querier, f *followUp, p Approval, a Action, actor Actor) error {
	switch {
	case p.State == ApprovalPending && !f.overdue(p):
	case p.State == ApprovalWithdrawn:
		return refuse("This question was withdrawn meanwhile. If it still matters, it has been asked anew.")
	case p.State == ApprovalPending, p.State == ApprovalExpired:
		return refuse("This question expired on %s; nothing was written.", onDate(p.ExpiresAt))
	default:
		by := "you"
		if actor.PersonID == nil || p.decidedByPerson == nil || *actor.PersonID != *p.decidedByPerson {
			var err error
			if by, err = decider(ctx, q, p); err != nil {
				return err
			}
		}
		return refuse("This question was already %s: by %s, on %s, via %s.", p.State, by, onDate(*p.DecidedAt), p.Via)
	}
	if a.State != ActionAsking {
		return refuse("%s is no longer to be decided: it is %s.", a.Tool.Title(), a.State)
	}
	if string(p.mac) != string(a.ContentMAC) {
		return refuse("What this question was about has changed since it was asked. Look at the new question.")
	}
	return nil
}

// overdue says that a question has ended by its deadline: what an organization
// escalates or leaves open is given another one, whether or not somebody has
// looked since.
func (f *followUp) overdue(p Approval) bool {
	return !f.now.Before(p.ExpiresAt) && !f.extends(p.Escalated)
}

// extends says that a question at its deadline is given another one.
func (f *followUp) extends(escalated bool) bool {
	switch f.settings.Approvals.OnExpiry {
	case ExpiryLeavesOpen:
		return true
	case ExpiryEscalates:
		return !escalated
	default:
		return false
	}
}

// onDate is a moment as refusals name it.
func onDate(t time.Time) string { return t.UTC().Format("2 January 2006 15:04 UTC") }

// decider names who decided a question.
func decider(ctx context.Context, q querier, p Approval) (string, error) {
	if p.decidedByPerson == nil {
		return "the " + p.DecidedBy, nil
	}
	var name string
	err := q.QueryRow(ctx, `select `+personLabel+` from people p where p.id = $1`, *p.decidedByPerson).Scan(&name)
	return name, notFound(err, "reading who decided")
}

// personLabel is what to call a person p by.
const personLabel = `coalesce(nullif(p.name, ''), (select min(value) from person_identities i where i.person_id = p.id and i.kind = 'email'), p.id::text)`

// edit judges other values than those that were asked about.
func (s *Store) edit(ctx context.Context, tx pgx.Tx, f *followUp, p Approval, a Action, judge *judge, d Decision) (verdict, error) {
	if p.Kind == kindRead {
		return verdict{}, refuse("A question about reading has nothing to edit: approve or reject it.")
	}
	v := verdict{state: ApprovalEdited, action: ActionReady, sentence: string(ApprovalEdited)}
	key, err := s.dataKey(ctx, tx, a.dataKeyID)
	if err != nil {
		return verdict{}, err
	}
	if err := s.checkEdit(ctx, tx, key, f, a, d.Edit); err != nil {
		return verdict{}, err
	}
	if v.sealedEdit, err = sealJSON(key, d.Edit, editPlace(p.ID)); err != nil {
		return verdict{}, err
	}
	tripped := judge.tripped(a, d.Edit) // rules that ask about the edit and did not ask before it
	switch quorum := f.settings.Approvals.quorum(); {
	case answers(d.Edit):
		if a.MayExistSince != nil {
			return verdict{}, refuse("This may have been written already, and can't be planned anew. Approve to send it again, or reject to leave it.")
		}
		// Not to be written but to be planned with: the same action comes
		// back without the doubt.
		v.action = ActionWithdrawn
		if _, err := tx.Exec(ctx, `update follow_ups set answers = answers + 1 where meeting_id = $1`, f.meetingID); err != nil {
			return verdict{}, fmt.Errorf("asking for a new plan: %w", err)
		}
	case quorum > 1 && maps.Equal(edited(a, d.Edit), a.Content.Properties):
		return verdict{state: ApprovalApproved, action: ActionReady, sentence: string(ApprovalApproved)}, nil
	case quorum > 1:
		v.voted, v.anew = true, "asked about anew with the edited values: "+more(quorum-1)
	case len(tripped) > 0:
		v.anew = "asked about anew with the edited values: " + strings.Join(tripped, ", ")
	}
	return v, nil
}

// more says how many still have to approve.
func more(n int) string {
	if n == 1 {
		return "one more person has to approve"
	}
	return fmt.Sprintf("%d more people have to approve", n)
}

// vote keeps somebody's approval, and returns how many more are needed. It counts
// people who may approve now, each once, and a delegate as whom they answer for:
// who lost that right since has no vote, and one right has one.
func (s *Store) vote(ctx context.Context, tx pgx.Tx, f *followUp, p Approval, a Action, d Decision, may rights) (missing int, err error) {
	before, err := votesOf(ctx, tx, []uuid.UUID{p.ID})
	if err != nil {
		return 0, err
	}
	if err := keepVote(ctx, tx, p.ID, d); err != nil {
		return 0, err
	}
	quorum := f.settings.Approvals.quorum()
	if quorum == 1 {
		return 0, nil
	}
	principals := map[string]bool{may.principal: true}
	for _, v := range before[p.ID] {
		if v.PersonID == nil && v.Name != Operator.Name {
			continue // of somebody whom nobody knows
		}
		earlier := Decision{Via: v.Via, Actor: Actor{Name: v.Name, PersonID: v.PersonID}}
		its, err := s.rightsOf(ctx, tx, f, a, earlier)
		var refused *Refusal
		switch {
		case errors.As(err, &refused), err == nil && its.refusal != nil:
			continue
		case err != nil:
			return 0, err
		}
		principals[its.principal] = true
	}
	missing = max(quorum-len(principals), 0)
	if missing == 0 {
		return 0, nil
	}
	for _, v := range before[p.ID] {
		if voter(d.Actor) == voter(Actor{Name: v.Name, PersonID: v.PersonID}) {
			return 0, refuse("You approved this already, on %s via %s; %s.", onDate(v.At), v.Via, more(missing))
		}
	}
	return missing, nil
}

// voter is under what one voice is kept.
func voter(a Actor) string {
	if a.PersonID != nil {
		return a.PersonID.String()
	}
	return a.Name
}

// keepVote keeps what somebody said, if they had not said it before.
func keepVote(ctx context.Context, q querier, approvalID uuid.UUID, d Decision) error {
	_, err := q.Exec(ctx, `
		insert into approval_votes (approval_id, voter, person_id, verdict, via) values ($1, $2, $3, $4, $5)
		on conflict (approval_id, voter) do update set verdict = excluded.verdict, via = excluded.via, at = now()
		where approval_votes.verdict <> excluded.verdict`,
		approvalID, voter(d.Actor), d.Actor.PersonID, d.Verdict, d.Via)
	if err != nil {
		return fmt.Errorf("keeping who decided: %w", err)
	}
	return nil
}

// votesOf lists what was said to questions, the first first.
func votesOf(ctx context.Context, q querier, approvals []uuid.UUID) (map[uuid.UUID][]Vote, error) {
	rows, err := q.Query(ctx, `
		select v.approval_id, coalesce(p.merged_into, p.id), coalesce(`+personLabel+`, v.voter), v.verdict, v.via, v.at
		from approval_votes v left join people p on p.id = v.person_id
		where v.approval_id = any($1) order by v.at, v.voter`, approvals)
	if err != nil {
		return nil, fmt.Errorf("reading who decided: %w", err)
	}
	votes := map[uuid.UUID][]Vote{}
	var id uuid.UUID
	var v Vote
	_, err = pgx.ForEachRow(rows, []any{&id, &v.PersonID, &v.Name, &v.Verdict, &v.Via, &v.At}, func() error {
		votes[id] = append(votes[id], v)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading who decided: %w", err)
	}
	return votes, nil
}

// settleQuestion ends a question by a person's decision, and moves its action.
func (s *Store) settleQuestion(ctx context.Context, tx pgx.Tx, f *followUp, p Approval, a *Action, d Decision, v verdict) error {
	if sabotage.Is(sabotage.LoseDecision) && p.ID[15]%4 == 0 {
		return nil
	}
	if !v.runs() {
		// Nothing may ever run on this word alone: it is about no content.
		p.mac = []byte{}
	}
	if _, err := tx.Exec(ctx, `
		update approvals set state = $2, decided_at = now(), decided_by = $3, decided_by_person_id = $4, via = $5, sealed_edit = $6, content_mac = $7
		where id = $1`, p.ID, v.state, d.Actor.Name, d.Actor.PersonID, d.Via, v.sealedEdit, p.mac); err != nil {
		return fmt.Errorf("recording the decision: %w", err)
	}
	reason := string(v.state)
	switch {
	case v.action != ActionReady:
		reason = a.because(reason)
	case p.Kind == "outcome":
		// Whoever looked says that it may be sent again.
		if _, err := tx.Exec(ctx, `update actions set may_exist_since = null where id = $1`, a.ID); err != nil {
			return fmt.Errorf("clearing the doubt about what was sent: %w", err)
		}
		a.MayExistSince = nil
	}
	if err := setActionState(ctx, tx, a.ID, v.action, reason); err != nil {
		return err
	}
	if err := s.auditDecision(ctx, tx, f, p, *a, d, string(v.state)+" via "+d.Via); err != nil {
		return err
	}
	if sabotage.Is(sabotage.Stuck) {
		return nil
	}
	return s.wake(ctx, tx, f.organizationID, f.meetingID, "decision "+p.ID.String())
}

func (s *Store) auditDecision(ctx context.Context, tx pgx.Tx, f *followUp, p Approval, a Action, d Decision, what string) error {
	values := map[string]string{}
	maps.Copy(values, d.Edit)
	if d.Reason != "" {
		values[reasonValue] = d.Reason
	}
	return s.audit(ctx, tx, AuditEntry{
		OrganizationID: f.organizationID, Kind: AuditDecision, Actor: d.Actor, Origin: a.Origin, Round: p.Round, ActionID: &a.ID,
		ApprovalID: &p.ID, Tool: a.Tool, RecordID: a.TargetID, Reason: what, Values: values, DataKeyID: a.dataKeyID,
	})
}

// askAboutEdit makes what an approver wrote the content of the action, and asks
// about that.
func (s *Store) askAboutEdit(ctx context.Context, tx pgx.Tx, f *followUp, a *Action, d Decision, v verdict) error {
	a.Content.Properties = edited(*a, d.Edit)
	a.Content.Changed = slices.Sorted(maps.Keys(d.Edit))
	if err := s.setActionContent(ctx, tx, a); err != nil {
		return err
	}
	id, err := s.ask(ctx, tx, f, a, kindPermission, v.anew)
	if err != nil || !v.voted {
		return err
	}
	d.Verdict = Approve
	return keepVote(ctx, tx, id, d)
}

// Properties whose names begin with QuestionPrefix are questions to the approver
// and never HubSpot's: an edit of one is an answer that the plan is made again
// with. AttendeesProperty asks for the e-mail addresses of who was there,
// TargetProperty for the ID of the record that is meant.
const (
	QuestionPrefix    = "debrief_"
	AttendeesProperty = QuestionPrefix + "attendees"
	TargetProperty    = QuestionPrefix + "target"
)

// What a question is about.
const (
	kindPermission = "permission"
	kindOutcome    = "outcome"
	kindRead       = "read"
)

// pick is the property that a candidate is picked by.
func (c ActionContent) pick() string { return cmp.Or(c.CandidateProperty, TargetProperty) }

// unanswered says what a question leaves to the approver to fill in, or nothing.
func unanswered(c ActionContent) string {
	blank := func(property string) bool {
		v, ok := c.Properties[property]
		return ok && strings.TrimSpace(v) == ""
	}
	switch {
	case blank(AttendeesProperty):
		return "Nobody's address is known: edit " + AttendeesProperty + " to say who was there, or reject."
	case len(c.Candidates) > 0 && c.pick() == TargetProperty && strings.TrimSpace(c.Properties[TargetProperty]) == "":
		sentence := fmt.Sprintf("It could be any of %d records: pick one (edit %s to its ID)", len(c.Candidates), TargetProperty)
		if len(c.Candidates) == 1 {
			sentence = fmt.Sprintf("It is not sure that this record is meant: pick it (edit %s to its ID)", TargetProperty)
		}
		if c.MayCreate {
			sentence += fmt.Sprintf(", say that it is none of these (edit it to %q)", NoneOfThese)
		}
		return sentence + ", or reject."
	case blank(TargetProperty):
		return "Nothing tells which record is meant: edit " + TargetProperty + " to give its ID, or reject."
	default:
		return ""
	}
}

// checkPick refuses a pick that is no record's ID.
func checkPick(c ActionContent, value string) error {
	value = strings.TrimSpace(value)
	switch {
	case value == "", slices.ContainsFunc(c.Candidates, func(o Candidate) bool { return o.ID == value }):
		return nil
	case value == NoneOfThese && !c.MayCreate:
		return refuse("Making a new record is not possible here: pick one that is there, or reject.")
	case value != NoneOfThese && strings.Trim(value, "0123456789") != "":
		return refuse("That is no record's ID: HubSpot's are numbers.")
	default:
		return nil // one of none of the candidates' is looked for
	}
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

// answersAlone says whether an edit says nothing beside that.
func answersAlone(edit map[string]string) bool {
	for name := range edit {
		if !strings.HasPrefix(name, QuestionPrefix) {
			return false
		}
	}
	return true
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
		if name == TargetProperty || name == a.Content.CandidateProperty {
			if err := checkPick(a.Content, value); err != nil {
				return err
			}
		}
		if _, ok := a.Content.Properties[name]; !ok && (len(a.Content.Candidates) == 0 || name != a.Content.pick()) {
			return refuse("That property is not part of this question. It is about: %s.", strings.Join(known, ", "))
		}
		if len(value) > 65_536 {
			return refuse("The value of %q is longer than HubSpot takes (65,536 characters).", name)
		}
	}
	return s.checkValues(ctx, q, key, f, a, edit)
}

// checkValues says whether what would be written, as edited, makes sense to HubSpot.
func (s *Store) checkValues(ctx context.Context, q querier, key *vault.DataKey, f *followUp, a Action, edit map[string]string) error {
	wanted := a.Content
	wanted.Properties = edited(a, edit)
	if missing := unanswered(wanted); missing != "" {
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
	problems, err := s.validate(a.Tool, wanted.Properties, resolution)
	if err != nil {
		return fmt.Errorf("checking the values: %w", err)
	}
	if len(problems) > 0 {
		return refuse("That can't be written: %s.", strings.Join(problems, "; "))
	}
	return nil
}

// ask makes the question about an action, and has those told who may answer. The
// action is then asking. About one that may have been written the question is
// always what became of it. why is a sentence without values, where there is more
// to say than that the tool asks.
func (s *Store) ask(ctx context.Context, q querier, f *followUp, a *Action, kind, why string) (uuid.UUID, error) {
	if a.MayExistSince != nil {
		kind = kindOutcome
	}
	owner := ""
	if a.TargetID != "" {
		facts, err := s.factsOf(ctx, q, f)
		if err != nil {
			return uuid.Nil, err
		}
		owner = f.owner(facts, *a)
	}
	id := newID()
	_, err := q.Exec(ctx, `
		insert into approvals (id, organization_id, action_id, kind, content_mac, round, expires_at, reason, record_owner)
		values ($1, $2, $3, $4, $5, $6, now() + $7, $8, $9)`,
		id, a.OrganizationID, a.ID, kind, a.ContentMAC, a.Round, f.settings.ApprovalTTL.Or(defaultTTL), why, owner)
	if err != nil {
		return uuid.Nil, fmt.Errorf("asking about action %s: %w", a.Key, err)
	}
	a.State, a.Reason = ActionAsking, ""
	if err := setActionState(ctx, q, a.ID, ActionAsking, ""); err != nil {
		return uuid.Nil, err
	}
	// One word for all that a round asks, and another where all of that was answered
	// before: nobody would look again. What takes the place of what was asked until
	// now is nothing new.
	key := fmt.Sprintf("%s:%d", f.meetingID, a.Round)
	var again bool
	err = q.QueryRow(ctx, `
		select coalesce(bool_and(p.state <> 'pending' and (p.state <> 'withdrawn' or p.decided_at < now())), false)
		from approvals p join actions a on a.id = p.action_id where a.origin_id = $1 and p.round = $2 and p.id <> $3`,
		f.meetingID, a.Round, id).Scan(&again)
	if err != nil {
		return uuid.Nil, fmt.Errorf("looking what else was asked: %w", err)
	}
	if again {
		key += ":" + id.String()
	}
	return id, s.queueApprovalNotice(ctx, q, f.organizationID, f.meetingID, NoticeAsked, key)
}

// AskAgain puts a question about an action that could not be carried out as it
// was decided: the record changed, or nothing tells whether it was written.
// kind is "permission" or "outcome"; doubt is the reason, in words; before are
// the values that the record has now, if they are what changed; missing are
// properties that HubSpot wants a value of, for the approver to fill in. It does nothing
// to an action that is settled, already asked about or being written, and to one
// whose words were erased.
func (s *Store) AskAgain(ctx context.Context, organizationID, actionID uuid.UUID, kind, doubt string, before map[string]string, missing ...string) error {
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
		a.Content.Properties = edited(a, edit)
		a.Content.Doubt, a.Content.Changed = doubt, nil
		if before != nil {
			a.Content.Changed = changedProperties(a.Content.Before, before)
			a.Content.Earlier = earlierValues(a.Content, before)
			a.Content.Before = before
		}
		for _, name := range missing {
			if _, ok := a.Content.Properties[name]; !ok {
				a.Content.Properties[name] = ""
			}
		}
		if err := s.setActionContent(ctx, tx, &a); err != nil {
			return err
		}
		_, err = s.ask(ctx, tx, f, &a, kind, "")
		return err
	})
	if err != nil {
		return fmt.Errorf("asking again about action %s: %w", actionID, err)
	}
	return nil
}

// earlierValues are the values that were first asked about, of the properties that
// have others by now.
func earlierValues(c ActionContent, now map[string]string) map[string]string {
	earlier := map[string]string{}
	for name, value := range now {
		first, ok := c.Earlier[name]
		if !ok {
			first = c.Before[name]
		}
		if first != value {
			earlier[name] = first
		}
	}
	return earlier
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
		select p.id, p.organization_id, p.action_id, p.kind, p.state, p.round, p.asked_at, p.expires_at, p.decided_at, p.decided_by, p.via, p.reason,
		       p.escalated_at is not null, greatest(coalesce((o.settings->'approvals'->>'quorum')::int, 1), 1)
		from approvals p join actions a on a.id = p.action_id join organizations o on o.id = p.organization_id
		where p.organization_id = $1 and ($2 = '' or p.state = $2) and ($3::uuid is null or a.origin_id = $3) and ($4::uuid is null or p.id = $4)
		order by p.asked_at, a.position, p.id limit $5`,
		organizationID, string(f.State), nullID(f.MeetingID), nullID(f.ID), f.Limit)
	if err != nil {
		return nil, fmt.Errorf("listing questions: %w", err)
	}
	approvals, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (p Approval, err error) {
		err = row.Scan(&p.ID, &p.OrganizationID, &p.ActionID, &p.Kind, &p.State, &p.Round, &p.AskedAt, &p.ExpiresAt, &p.DecidedAt, &p.DecidedBy, &p.Via, &p.Reason, &p.Escalated, &p.Quorum)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing questions: %w", err)
	}
	ids, questions := make([]uuid.UUID, 0, len(approvals)), make([]uuid.UUID, 0, len(approvals))
	for _, p := range approvals {
		ids, questions = append(ids, p.ActionID), append(questions, p.ID)
	}
	votes, err := votesOf(ctx, s.pool, questions)
	if err != nil {
		return nil, err
	}
	actions, err := s.queryActions(ctx, s.pool, `where a.id = any($1)`, ids)
	if err != nil {
		return nil, err
	}
	for i := range approvals {
		approvals[i].Votes = votes[approvals[i].ID]
		at := slices.IndexFunc(actions, func(a Action) bool { return a.ID == approvals[i].ActionID })
		if at >= 0 {
			approvals[i].Action = actions[at]
		}
	}
	return approvals, nil
}
