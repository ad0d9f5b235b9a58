package main

import (
	"context"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/activities"
)

type planCmd struct {
	Replay planReplayCmd `cmd:"" help:"Make a meeting's last plan again from the record, without HubSpot and without a model, and compare it with what was planned."`

	Simulate planSimulateCmd `cmd:"" help:"Try other rules for the deals of meetings on past ones, from the record: HubSpot is not asked, and nothing is written."`
}

type planReplayCmd struct {
	jsonFlag

	Meeting uuid.UUID `arg:"" help:"The meeting's ID."`
}

func (c *planReplayCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "plan")
	if err != nil {
		return err
	}
	replayed, err := (&activities.Activities{Store: s}).Replay(ctx, activities.Meeting{OrganizationID: o.ID, MeetingID: c.Meeting})
	if err != nil {
		return err
	}
	return a.show(c.JSON, replayed, func() {
		rows := [][]string{{"TOOL", "WHAT", "DOUBT", "AS PLANNED"}}
		for _, action := range replayed.Actions {
			same := "no"
			if action.Recorded {
				same = "yes"
			}
			rows = append(rows, []string{action.Tool.String(), oneLine(action.Content.Label), oneLine(action.Content.Doubt), same})
		}
		a.table("The plan is empty.", rows)
		for _, key := range replayed.Missing {
			a.say("in the record, and not made again: %s", key)
		}
		for _, d := range replayed.Dropped {
			a.say("left out, by %s: %s %s", d.By, d.Tool, d.Why)
		}
		if replayed.Model != "" {
			a.say("The model: %s.", replayed.Model)
		}
		if replayed.Later {
			a.say("More was said or answered since: this is not the plan that will be made of it.")
		}
	})
}
