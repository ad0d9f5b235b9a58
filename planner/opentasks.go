package planner

import (
	"context"
	"slices"
)

// openTasks reads the tasks of those who were there, where one is proposed of what was
// said: what HubSpot has open already is not made twice. One that is done is none of
// them. For the platform's own items alone it is not worth a call of every meeting.
func (r *resolver) openTasks(ctx context.Context) error {
	if !r.wanted.objects["task"] {
		return nil
	}
	if ids := r.attending(); len(ids) > 0 {
		if err := r.follow(ctx, "contact", "task", ids); err != nil {
			return err
		}
	}
	if err := r.batch(ctx, "task", "", r.linkedIDs("task")); err != nil {
		return err
	}
	r.out.Tasks = slices.DeleteFunc(r.out.Tasks, func(t Record) bool { return t.Properties["hs_task_status"] == "COMPLETED" })
	slices.SortFunc(r.out.Tasks, func(a, b Record) int { return compareIDs(a.ID, b.ID) })
	return nil
}
