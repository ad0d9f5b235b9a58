package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/card"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

type approvalsCmd struct {
	List    approvalsListCmd    `cmd:"" help:"List questions."`
	Approve approvalsApproveCmd `cmd:"" help:"Approve a question as it is."`
	Edit    approvalsEditCmd    `cmd:"" help:"Approve a question with other values."`
	Reject  approvalsRejectCmd  `cmd:"" help:"Reject a question."`

	Delegate    approvalsDelegateCmd    `cmd:"" help:"Have one person answer in the place of another for a while."`
	Undelegate  approvalsUndelegateCmd  `cmd:"" help:"Have a person answer for themselves again."`
	Delegations approvalsDelegationsCmd `cmd:"" help:"List who answers in whose place."`
}

type approvalsListCmd struct {
	jsonFlag

	State   string    `help:"Which questions: pending, approved, edited, rejected, expired, withdrawn, or all." enum:"pending,approved,edited,rejected,expired,withdrawn,all" default:"pending"`
	Meeting uuid.UUID `help:"Only those of this meeting."`
}

func (c *approvalsListCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "approvals")
	if err != nil {
		return err
	}
	filter := store.ApprovalFilter{State: store.ApprovalState(c.State), MeetingID: c.Meeting, Limit: 500}
	if c.State == "all" {
		filter.State = ""
	}
	approvals, err := s.Approvals(ctx, o.ID, filter)
	if err != nil {
		return err
	}
	var texts []string
	if !c.JSON {
		if texts, err = cards(ctx, s, o.ID, approvals); err != nil {
			return err
		}
	}
	return a.show(c.JSON, approvals, func() {
		if len(approvals) == 0 {
			a.say("No %s questions.", strings.TrimPrefix(c.State, "all"))
			return
		}
		for i, text := range texts {
			if i > 0 {
				a.say("")
			}
			a.say("%s", text)
		}
	})
}

// cards are the cards of the meetings that questions are about, in their order,
// with the lines of these questions alone.
func cards(ctx context.Context, s *store.Store, organizationID uuid.UUID, approvals []store.Approval) ([]string, error) {
	lines := map[uuid.UUID][]uuid.UUID{} // by meeting
	var meetings []uuid.UUID
	for _, p := range approvals {
		id := p.Action.Origin.ID
		if lines[id] == nil {
			meetings = append(meetings, id)
		}
		lines[id] = append(lines[id], p.ActionID)
	}
	texts := make([]string, 0, len(meetings))
	for _, id := range meetings {
		facts, err := s.CardFacts(ctx, organizationID, id)
		if err != nil {
			return nil, err
		}
		c := card.Of(facts, words.In("en"))
		c.Lines = slices.DeleteFunc(c.Lines, func(l card.Line) bool { return !slices.Contains(lines[id], l.ActionID) })
		texts = append(texts, strings.TrimSuffix(card.Text(c, words.In("en")), "\n"))
	}
	return texts, nil
}

type approvalsApproveCmd struct {
	decision
}

func (c *approvalsApproveCmd) Run(ctx context.Context, a *app) error {
	return c.decide(ctx, a, store.Approve, nil)
}

type approvalsEditCmd struct {
	decision

	Set map[string]string `help:"A property and its new value; repeat for several." placeholder:"amount=42000" required:"" mapsep:"none"`
}

func (c *approvalsEditCmd) Run(ctx context.Context, a *app) error {
	return c.decide(ctx, a, store.Edit, c.Set)
}

type approvalsRejectCmd struct {
	decision
}

func (c *approvalsRejectCmd) Run(ctx context.Context, a *app) error {
	return c.decide(ctx, a, store.Reject, nil)
}

// decision is what the three commands have in common.
type decision struct {
	jsonFlag

	ID     uuid.UUID `arg:"" help:"The question, as 'debrief approvals list' shows it."`
	Reason string    `help:"Why; kept sealed beside the trail."`
	As     string    `help:"Who decides, by e-mail address: with that person's own rights. Else it is the operator." placeholder:"EMAIL"`
}

func (c *decision) decide(ctx context.Context, a *app, verdict store.Verdict, edit map[string]string) error {
	s, o, err := a.open(ctx, "approvals")
	if err != nil {
		return err
	}
	actor := store.Operator
	if c.As != "" {
		person, err := findPerson(ctx, s, o, c.As)
		if err != nil {
			return err
		}
		actor.PersonID = &person.ID // the trail names both
	}
	decided, err := s.Decide(ctx, store.Decision{
		OrganizationID: o.ID, ApprovalID: c.ID, Verdict: verdict, Edit: edit, Reason: c.Reason, Actor: actor, Via: store.ViaCommandLine,
	})
	if err != nil {
		return err
	}
	// The decision stands and the wake-up with it; the relay sends it.
	return a.show(c.JSON, decided, func() { a.say("%s", decided.Sentence) })
}

type approvalsDelegateCmd struct {
	jsonFlag

	From  string    `required:"" help:"Who is away, by e-mail address." placeholder:"EMAIL"`
	To    string    `required:"" help:"Who answers in their place, by e-mail address." placeholder:"EMAIL"`
	Until time.Time `required:"" format:"2006-01-02" help:"The last day of it." placeholder:"YYYY-MM-DD"`
}

func (c *approvalsDelegateCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "approvals")
	if err != nil {
		return err
	}
	from, err := findPerson(ctx, s, o, c.From)
	if err != nil {
		return err
	}
	to, err := findPerson(ctx, s, o, c.To)
	if err != nil {
		return err
	}
	y, m, d := c.Until.Date()
	until := time.Date(y, m, d+1, 0, 0, 0, 0, time.Local)
	if err := s.Delegate(ctx, o.ID, from.ID, to.ID, until, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "%s answers in the place of %s until the end of %s.", to.Label(), from.Label(), c.Until.Format(time.DateOnly))
}

type approvalsUndelegateCmd struct {
	jsonFlag

	From string `required:"" help:"Who answers for themselves again, by e-mail address." placeholder:"EMAIL"`
}

func (c *approvalsUndelegateCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "approvals")
	if err != nil {
		return err
	}
	from, err := findPerson(ctx, s, o, c.From)
	if err != nil {
		return err
	}
	err = s.EndDelegation(ctx, o.ID, from.ID, store.Operator)
	if errors.Is(err, store.ErrNotFound) {
		return &notFoundError{"Nobody answers in the place of " + from.Label() + "."}
	}
	if err != nil {
		return err
	}
	return a.done(c.JSON, "%s answers for themselves again.", from.Label())
}

type approvalsDelegationsCmd struct{ jsonFlag }

func (c *approvalsDelegationsCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "approvals")
	if err != nil {
		return err
	}
	all, err := s.Delegations(ctx, o.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"WHO IS AWAY", "WHO ANSWERS", "UNTIL"}}
		for _, d := range all {
			rows = append(rows, []string{d.FromName, d.ToName, d.Until.Local().Format("2006-01-02 15:04")})
		}
		a.table("Nobody answers in anybody's place.", rows)
	})
}

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 120 {
		return string(r[:119]) + "…"
	}
	if s == "" {
		return "(empty)"
	}
	return s
}
