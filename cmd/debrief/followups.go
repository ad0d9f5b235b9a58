package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/workflows"
)

type followUpsCmd struct {
	List followUpsListCmd `cmd:"" help:"List follow-ups, newest first."`
	Show followUpsShowCmd `cmd:"" help:"Show what one planned and what became of it."`
	Wake followUpsWakeCmd `cmd:"" help:"Make one look again."`

	Choose followUpsChooseCmd `cmd:"" help:"Choose the connection that acts for one meeting."`
}

type followUpsListCmd struct {
	jsonFlag

	Limit int `help:"How many." default:"50"`
}

func (c *followUpsListCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "follow-ups")
	if err != nil {
		return err
	}
	all, err := s.FollowUps(ctx, o.ID, c.Limit)
	if err != nil {
		return err
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"MEETING", "STATE", "ROUND", "OPENED", "REPORT"}}
		for _, f := range all {
			state := f.State
			if f.PausedSince != nil {
				state = "paused"
			}
			if f.PausedReason != "" {
				state = "choice"
			}
			rows = append(rows, []string{f.MeetingID.String(), state, strconv.Itoa(f.Round), ago(f.OpenedAt), reportText(f.Report)})
		}
		a.table("No follow-ups yet: they begin when a meeting ends or its notes are ready.", rows)
	})
}

func reportText(r store.Report) string {
	var parts []string
	for _, state := range []store.ActionState{
		store.ActionWritten, store.ActionUnchanged, store.ActionRejected, store.ActionExpired, store.ActionDenied, store.ActionSkipped, store.ActionFailed, store.ActionWithdrawn,
	} {
		if n := r.Actions[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(parts, ", ")
}

type followUpsShowCmd struct {
	jsonFlag

	Meeting uuid.UUID `arg:"" help:"The meeting's ID."`
}

func (c *followUpsShowCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "follow-ups")
	if err != nil {
		return err
	}
	f, err := s.FollowUpOf(ctx, o.ID, c.Meeting)
	if err != nil {
		return err
	}
	actions, err := s.ActionsOf(ctx, o.ID, c.Meeting)
	if err != nil {
		return err
	}
	type shown struct {
		store.FollowUp

		WorkflowID string         `json:"workflow_id"`
		Actions    []store.Action `json:"actions"`
	}
	return a.show(c.JSON, shown{f, workflows.FollowUpID(c.Meeting), actions}, func() {
		a.say("Follow-up %s, round %d, %s", workflows.FollowUpID(c.Meeting), f.Round, f.State)
		rows := [][]string{{"ACTION", "WHAT", "STATE", "RECORD", "REASON"}}
		for _, action := range actions {
			rows = append(rows, []string{action.Tool.Title(), oneLine(action.Content.Label), string(action.State), action.RecordID, action.Reason})
		}
		a.table("It planned nothing.", rows)
	})
}

type followUpsWakeCmd struct {
	jsonFlag

	Meeting uuid.UUID `arg:"" help:"The meeting's ID."`
}

func (c *followUpsWakeCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "follow-ups")
	if err != nil {
		return err
	}
	if err := s.Wake(ctx, o.ID, c.Meeting, "the operator asked"); err != nil {
		return err
	}
	return a.done(c.JSON, "It will look again.")
}

type followUpsChooseCmd struct {
	jsonFlag

	Meeting    string `arg:"" help:"The meeting's ID."`
	Connection string `arg:"" help:"The connection's name."`
}

func (c *followUpsChooseCmd) Run(ctx context.Context, a *app) error {
	meeting, err := uuid.Parse(c.Meeting)
	if err != nil {
		return usagef("%q is not a meeting's ID: `debrief follow-ups list` shows them", c.Meeting)
	}
	s, o, err := a.open(ctx, "follow-ups")
	if err != nil {
		return err
	}
	connection, err := connectionByName(ctx, s, o, c.Connection)
	if err != nil {
		return err
	}
	err = s.ChooseConnection(ctx, o.ID, meeting, connection.ID, store.Operator)
	if errors.Is(err, store.ErrNotFound) {
		return &notFoundError{"there is no such meeting: `debrief follow-ups list` shows them"}
	}
	if err != nil {
		return err
	}
	return a.done(c.JSON, "%s acts for this meeting from now on.", connection.Name)
}
