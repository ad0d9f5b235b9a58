package main

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

type undoCmd struct {
	jsonFlag

	Meeting uuid.UUID `arg:"" help:"The meeting's ID, as 'debrief meetings list' shows it."`
	DryRun  bool      `help:"Only say what would be restored and archived, as far as Debrief knows without asking HubSpot."`
}

// Help is shown with the command's own.
func (*undoCmd) Help() string {
	return "Restores the values that stood in HubSpot before, and archives the records that Debrief created. " +
		"What somebody changed since is left as it is. Each step needs its tool's permission: update, and archive. " +
		"What was not written yet is not going to be."
}

func (c *undoCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "undo")
	if err != nil {
		return err
	}
	undo, err := s.UndoPreview(ctx, o.ID, c.Meeting)
	if errors.Is(err, store.ErrNotFound) {
		return &notFoundError{"there is no follow-up of such a meeting: `debrief follow-ups list` shows them"}
	}
	if err != nil {
		return err
	}
	if c.DryRun {
		return a.show(c.JSON, undo, func() { a.printUndo(undo) })
	}
	if err := s.RequestUndo(ctx, o.ID, c.Meeting, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "It is being undone: `debrief follow-ups show %s` says what becomes of it.", c.Meeting)
}

func (a *app) printUndo(u store.Undo) {
	if len(u.Items) == 0 {
		a.say("Nothing was written for this meeting that could be undone.")
		return
	}
	for _, item := range u.Items {
		a.say("%s %s  %s (%s)", item.Tool.Title(), item.RecordID, oneLine(item.Label), item.Permission)
		for _, change := range item.Changes {
			a.say("    %-18s %s → %s", change.Property, oneLine(change.Before), oneLine(change.After))
		}
		if item.Why != "" {
			a.say("    not: %s", item.Why)
		}
	}
}
