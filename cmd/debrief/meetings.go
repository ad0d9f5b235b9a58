package main

import (
	"context"
	"strconv"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

type meetingsCmd struct {
	List  meetingsListCmd  `cmd:"" help:"List meetings, the latest start first."`
	Show  meetingsShowCmd  `cmd:"" help:"Show one meeting, with what was said in it as far as the sources told."`
	Erase meetingsEraseCmd `cmd:"" help:"Erase a meeting's words for good: what was said, planned, asked and typed about it. What happened stays in the trail, and what HubSpot holds stays there."`
}

type meetingsListCmd struct {
	jsonFlag

	Limit int `help:"How many." default:"50"`
}

func (c *meetingsListCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "meetings")
	if err != nil {
		return err
	}
	all, err := s.Meetings(ctx, o.ID, store.MeetingFilter{Limit: c.Limit})
	if err != nil {
		return err
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"MEETING", "START", "STATE", "PEOPLE", "TITLE"}}
		for _, m := range all {
			start, title := "", oneLine(m.Content.Title)
			if !m.Content.Start().IsZero() {
				start = m.Content.Start().Local().Format("2006-01-02 15:04")
			}
			if m.ErasedAt != nil {
				title = "(erased)"
			}
			rows = append(rows, []string{m.ID.String(), start, string(m.Content.State), strconv.Itoa(len(m.Content.Attendees)), title})
		}
		a.table("No meetings yet: they come with the events of the sources.", rows)
	})
}

type meetingsShowCmd struct {
	Meeting uuid.UUID `arg:"" help:"The meeting's ID."`
}

func (c *meetingsShowCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "meetings")
	if err != nil {
		return err
	}
	m, err := s.MeetingByID(ctx, o.ID, c.Meeting)
	if err != nil {
		return err
	}
	return a.show(true, m, nil)
}

type meetingsEraseCmd struct {
	Meeting uuid.UUID `arg:"" help:"The meeting's ID."`
}

func (c *meetingsEraseCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "meetings")
	if err != nil {
		return err
	}
	if err := s.EraseMeeting(ctx, o.ID, c.Meeting, store.Operator); err != nil {
		return err
	}
	a.say("The meeting's words are erased. Processes that had them open forget the key within five minutes.")
	return nil
}
