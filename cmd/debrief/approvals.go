package main

import (
	"context"
	"strings"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

type approvalsCmd struct {
	List    approvalsListCmd    `cmd:"" help:"List questions."`
	Approve approvalsApproveCmd `cmd:"" help:"Approve a question as it is."`
	Edit    approvalsEditCmd    `cmd:"" help:"Approve a question with other values."`
	Reject  approvalsRejectCmd  `cmd:"" help:"Reject a question."`
}

type approvalsListCmd struct {
	jsonFlag

	State   string    `help:"Which questions: pending, approved, edited, rejected, expired, withdrawn, or all." enum:"pending,approved,edited,rejected,expired,withdrawn,all" default:"pending"`
	Meeting uuid.UUID `help:"Only those of this meeting."`
}

func (c *approvalsListCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "approvals")
	if err != nil {
		return err
	}
	o, err := a.organization(ctx, s)
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
	return a.show(c.JSON, approvals, func() {
		if len(approvals) == 0 {
			a.say("No %s questions.", strings.TrimPrefix(c.State, "all"))
			return
		}
		for i, p := range approvals {
			if i > 0 {
				a.say("")
			}
			a.printApproval(p)
		}
	})
}

// printApproval shows one question as an approver reads it.
func (a *app) printApproval(p store.Approval) {
	content := p.Action.Content
	a.say("%s  %s", p.Action.Tool.Title(), content.Label)
	if content.Purpose != "" {
		a.say("  why       %s", content.Purpose)
	}
	if content.Doubt != "" {
		a.say("  doubt     %s", content.Doubt)
	}
	for _, change := range content.Changes() {
		mark, value := " ", oneLine(change.After)
		if change.Amended {
			mark = "*"
		}
		if change.Before != "" {
			value = oneLine(change.Before) + " → " + value
		}
		a.say("  %s %-18s %s", mark, change.Property, value)
	}
	if links := content.Links(); links != "" {
		a.say("  with      %s", links)
	}
	for _, e := range content.Evidence {
		who := e.Speaker
		if who == "" {
			who = e.Source
		}
		a.say("  “%s” %s", oneLine(e.Quote), who)
	}
	if p.State == store.ApprovalPending {
		a.say("  id        %s, until %s", p.ID, p.ExpiresAt.Local().Format("2006-01-02 15:04"))
	} else {
		a.say("  %s by %s via %s", p.State, p.DecidedBy, p.Via)
	}
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
}

func (c *decision) decide(ctx context.Context, a *app, verdict store.Verdict, edit map[string]string) error {
	s, err := a.store(ctx, "approvals")
	if err != nil {
		return err
	}
	o, err := a.organization(ctx, s)
	if err != nil {
		return err
	}
	decided, err := s.Decide(ctx, store.Decision{
		OrganizationID: o.ID, ApprovalID: c.ID, Verdict: verdict, Edit: edit, Reason: c.Reason, Actor: store.Operator, Via: store.ViaCommandLine,
	})
	if err != nil {
		return err
	}
	// The decision stands and the wake-up with it; the relay sends it.
	return a.show(c.JSON, decided, func() { a.say("%s", decided.Sentence) })
}
