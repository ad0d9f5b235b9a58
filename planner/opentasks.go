package planner

import (
	"context"
	"slices"

	"github.com/debriefhq/debrief/meeting"
)

// makesTasks says whether a task may be made of what was said.
func (r *resolver) makesTasks() bool {
	return r.wanted.objects["task"] || slices.ContainsFunc(r.in.Meeting.ActionItems, func(item meeting.ActionItem) bool { return !item.Completed })
}

// openTasks reads the tasks of those who were there, where one is to be made: what
// HubSpot has open already is not made twice. One that is done is none of them.
func (r *resolver) openTasks(ctx context.Context) error {
	if !r.makesTasks() {
		return nil
	}
	if err := r.batch(ctx, "task", "", r.linkedIDs("task")); err != nil {
		return err
	}
	r.out.Tasks = slices.DeleteFunc(r.out.Tasks, func(t Record) bool { return t.Properties["hs_task_status"] == "COMPLETED" })
	slices.SortFunc(r.out.Tasks, func(a, b Record) int { return compareIDs(a.ID, b.ID) })
	return nil
}
