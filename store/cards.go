package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/policy"
)

// CardFacts are what a card of one meeting is made of, as they stand in Postgres:
// nothing is read from HubSpot. Of a meeting whose words were erased only states
// and times are left.
type CardFacts struct {
	Meeting Meeting
	// HostName is the host's, if that is a known person.
	HostName string
	// Connection is the one that the follow-up goes through; nil before it has one.
	Connection *Connection
	// FromTest: all of the meeting's events came from test sources.
	FromTest bool
	// Actions in the order of the plan.
	Actions []Action
	// Questions about each action by its ID, the oldest first.
	Questions map[uuid.UUID][]CardQuestion
	// Resolution is what HubSpot knew when the plan was made: [Plan.Resolution] as
	// JSON, or nil.
	Resolution json.RawMessage
}

// CardQuestion is one question about an action, and its answer. Its Action is left
// empty: see [CardFacts.Actions].
type CardQuestion struct {
	Approval
	// By names who decided: the person, or else [Approval.DecidedBy].
	By string
	// Edit is what the approver wrote instead.
	Edit map[string]string
	// Said is the approver's own reason.
	Said string
}

// CardFacts reads what a card of a meeting is made of. It checks nobody's right to
// see it: ask [Store.MaySee] first.
func (s *Store) CardFacts(ctx context.Context, organizationID, meetingID uuid.UUID) (CardFacts, error) {
	var facts CardFacts
	var err error
	if facts.Meeting, err = s.MeetingByID(ctx, organizationID, meetingID); err != nil {
		return CardFacts{}, err
	}
	var connectionID *uuid.UUID
	var sealed []byte
	err = s.pool.QueryRow(ctx, `
		select coalesce(p.name, ''), f.connection_id, f.sealed_resolution, `+meetingIsTest+`
		from meetings m left join follow_ups f on f.meeting_id = m.id left join people p on p.id = m.host_person_id
		where m.organization_id = $1 and m.id = $2`, organizationID, meetingID).
		Scan(&facts.HostName, &connectionID, &sealed, &facts.FromTest)
	if err := notFound(err, fmt.Sprintf("reading the card of meeting %s", meetingID)); err != nil {
		return CardFacts{}, err
	}
	if sealed != nil {
		key, err := s.dataKey(ctx, s.pool, facts.Meeting.dataKeyID)
		if err == nil {
			err = openJSON(key, sealed, &facts.Resolution, resolutionPlace(meetingID))
		}
		if err != nil && !errors.Is(err, ErrErased) {
			return CardFacts{}, fmt.Errorf("reading the card of meeting %s: %w", meetingID, err)
		}
	}
	if connectionID != nil {
		c, err := s.Connection(ctx, organizationID, *connectionID)
		if err != nil {
			return CardFacts{}, err
		}
		facts.Connection = &c
	}
	if facts.Actions, err = s.ActionsOf(ctx, organizationID, meetingID); err != nil {
		return CardFacts{}, err
	}
	// After the actions: a question that was answered in between shows its answer,
	// and nobody is asked to answer it.
	facts.Questions, err = s.cardQuestions(ctx, organizationID, meetingID, facts.Actions)
	return facts, err
}

func (s *Store) cardQuestions(ctx context.Context, organizationID, meetingID uuid.UUID, actions []Action) (map[uuid.UUID][]CardQuestion, error) {
	type sealedQuestion struct {
		CardQuestion
		edit, details, mac []byte
		auditID            int64
	}
	rows, err := s.pool.Query(ctx, `
		select q.id, q.organization_id, q.action_id, q.kind, q.state, q.round, q.asked_at, q.expires_at, q.decided_at, q.decided_by, q.via, q.reason,
		       q.escalated_at is not null, greatest(coalesce((o.settings->'approvals'->>'quorum')::int, 1), 1),
		       coalesce(nullif(p.name, ''), q.decided_by), q.sealed_edit, q.content_mac, coalesce(u.id, 0), u.sealed
		from approvals q join actions a on a.id = q.action_id join organizations o on o.id = q.organization_id
		left join people p on p.id = q.decided_by_person_id
		left join lateral (
		  select u.id, d.sealed from audit u join audit_details d on d.audit_id = u.id
		  where u.origin_id = $2 and u.approval_id = q.id and u.kind = 'decision' order by u.id desc limit 1) u on q.decided_at is not null
		where a.organization_id = $1 and a.origin_id = $2
		order by q.asked_at, q.id`, organizationID, meetingID)
	if err != nil {
		return nil, fmt.Errorf("reading the questions of meeting %s: %w", meetingID, err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (q sealedQuestion, err error) {
		err = row.Scan(&q.ID, &q.OrganizationID, &q.ActionID, &q.Kind, &q.State, &q.Round, &q.AskedAt, &q.ExpiresAt, &q.DecidedAt, &q.DecidedBy, &q.Via, &q.Reason,
			&q.Escalated, &q.Quorum, &q.By, &q.edit, &q.mac, &q.auditID, &q.details)
		return q, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the questions of meeting %s: %w", meetingID, err)
	}
	var pending []uuid.UUID
	for _, q := range all {
		if q.State == ApprovalPending {
			pending = append(pending, q.ID)
		}
	}
	votes, err := votesOf(ctx, s.pool, pending)
	if err != nil {
		return nil, err
	}
	questions := map[uuid.UUID][]CardQuestion{}
	for _, q := range all {
		q.Votes = votes[q.ID]
		at := slices.IndexFunc(actions, func(a Action) bool { return a.ID == q.ActionID })
		if at < 0 {
			continue // planned since the actions were read
		}
		if q.State == ApprovalPending && !bytes.Equal(q.mac, actions[at].ContentMAC) {
			continue // asked since then, about values that this card does not show
		}
		if err := s.openQuestion(ctx, &q.CardQuestion, actions[at], q.edit, q.auditID, q.details); err != nil {
			return nil, fmt.Errorf("reading question %s: %w", q.ID, err)
		}
		questions[q.ActionID] = append(questions[q.ActionID], q.CardQuestion)
	}
	return questions, nil
}

// openQuestion opens what an approver wrote. What was erased stays empty.
func (s *Store) openQuestion(ctx context.Context, q *CardQuestion, a Action, edit []byte, auditID int64, details []byte) error {
	if edit == nil && details == nil {
		return nil
	}
	key, err := s.dataKey(ctx, s.pool, a.dataKeyID)
	if errors.Is(err, ErrErased) {
		return nil
	}
	if err != nil {
		return err
	}
	if edit != nil {
		if err := openJSON(key, edit, &q.Edit, editPlace(q.ID)); err != nil {
			return err
		}
	}
	if details != nil {
		values := map[string]string{}
		if err := openJSON(key, details, &values, auditDetailsPlace(auditID)); err != nil {
			return err
		}
		q.Said = values[reasonValue]
	}
	return nil
}

// CandidateObject is the object type of an action's candidates: the tool's own, or,
// where the question is about another, what its name ends with ("debrief_deal").
func (c ActionContent) CandidateObject(tool policy.Tool) string {
	if c.CandidateProperty == "" || c.CandidateProperty == TargetProperty {
		return tool.Object
	}
	return strings.TrimPrefix(c.CandidateProperty, QuestionPrefix)
}

// reasonValue is the name under which an approver's reason stands among the values
// of a decision's audit row.
const reasonValue = "(reason)"

// FallsWith are the actions that would not be carried out if this one were
// rejected, in the order of the plan: those that need it, and those that need
// these. It is the same rule that settles them once it is.
func (f CardFacts) FallsWith(actionID uuid.UUID) []Action {
	fallen := map[uuid.UUID]string{} // with their keys
	for _, a := range f.Actions {
		if a.ID == actionID {
			fallen[a.ID] = a.Key
		}
	}
	rest := slices.DeleteFunc(slices.Clone(f.Actions), func(a Action) bool {
		return a.ID == actionID || a.MayExistSince != nil || (a.State != ActionAsking && a.State != ActionReady)
	})
	for moved := true; moved; {
		moved = false
		for i := range rest {
			a := &rest[i]
			if _, fell := fallen[a.ID]; fell {
				continue
			}
			for _, id := range a.DependsOn {
				key, fell := fallen[id]
				if !fell {
					continue
				}
				if needs(*a, key) {
					fallen[a.ID], moved = a.Key, true
					break
				}
				a.Content.Associations = slices.DeleteFunc(slices.Clone(a.Content.Associations), func(r AssociationRef) bool { return r.Key == key })
			}
		}
	}
	return slices.DeleteFunc(rest, func(a Action) bool { _, fell := fallen[a.ID]; return !fell })
}
