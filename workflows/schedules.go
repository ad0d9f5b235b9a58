package workflows

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/debriefhq/debrief/store"
)

// Groups are the times at which people are told together, as Postgres has them;
// [store.Store] is that.
type Groups interface {
	BriefingGroups(ctx context.Context) ([]store.BriefingGroup, error)
}

// Schedules makes Temporal's schedules of digests equal to Postgres' groups. The zero
// value is not usable.
type Schedules struct {
	Client client.Client
	Groups Groups
}

// Kept counts what [Schedules.Keep] changed.
type Kept struct{ Created, Updated, Deleted int }

// Keep creates the schedules that are missing, mends those that are not as this version
// makes them, and deletes those of groups that nobody belongs to. One that an operator
// paused stays paused. What one schedule fails at does not keep it from the others.
// Any number of processes may do this at once.
func (s Schedules) Keep(ctx context.Context) (Kept, error) {
	// Listed first: what another process creates after that is not in the list, and so
	// is not deleted for not being in groups that were read before.
	there, err := s.list(ctx)
	if err != nil {
		return Kept{}, err
	}
	groups, err := s.Groups.BriefingGroups(ctx)
	if err != nil {
		return Kept{}, err
	}
	var kept Kept
	var failed []error
	wanted := map[string]bool{}
	for _, g := range groups {
		id := DigestID(g)
		wanted[id] = true
		failed = append(failed, s.keepOne(ctx, id, g, there[id], &kept))
	}
	for id := range there {
		if wanted[id] {
			continue
		}
		if err := s.Client.ScheduleClient().GetHandle(ctx, id).Delete(ctx); err != nil && !isGone(err) {
			failed = append(failed, fmt.Errorf("deleting schedule %s: %w", id, err))
			continue
		}
		kept.Deleted++
	}
	return kept, errors.Join(failed...)
}

// list returns the IDs of our schedules that Temporal shows: it may lag.
func (s Schedules) list(ctx context.Context) (map[string]bool, error) {
	found := map[string]bool{}
	all, err := s.Client.ScheduleClient().List(ctx, client.ScheduleListOptions{PageSize: 500})
	if err != nil {
		return nil, fmt.Errorf("listing schedules: %w", err)
	}
	for all.HasNext() {
		one, err := all.Next()
		if err != nil {
			return nil, fmt.Errorf("listing schedules: %w", err)
		}
		if strings.HasPrefix(one.ID, digestPrefix) {
			found[one.ID] = true
		}
	}
	return found, nil
}

func (s Schedules) keepOne(ctx context.Context, id string, g store.BriefingGroup, there bool, kept *Kept) error {
	options, err := digestSchedule(id, g)
	if err != nil {
		return err
	}
	if !there {
		_, err := s.Client.ScheduleClient().Create(ctx, options)
		if err == nil {
			kept.Created++
			return nil
		}
		// The list lags, or another process was faster.
		if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
			return fmt.Errorf("creating schedule %s: %w", id, err)
		}
	}
	handle := s.Client.ScheduleClient().GetHandle(ctx, id)
	now, err := handle.Describe(ctx)
	if isGone(err) {
		return nil // the next look creates it
	}
	if err != nil {
		return fmt.Errorf("reading schedule %s: %w", id, err)
	}
	if isAsWanted(now.Schedule, options) {
		return nil
	}
	err = handle.Update(ctx, client.ScheduleUpdateOptions{DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		as := in.Description.Schedule
		as.Spec, as.Action = &options.Spec, options.Action
		as.Policy = &client.SchedulePolicies{Overlap: options.Overlap, CatchupWindow: options.CatchupWindow, PauseOnFailure: options.PauseOnFailure}
		return &client.ScheduleUpdate{Schedule: &as}, nil
	}})
	if err != nil && !isGone(err) {
		return fmt.Errorf("mending schedule %s: %w", id, err)
	}
	kept.Updated++
	return nil
}

// digestSchedule is the schedule of a group. What it begins knows only the group: the
// schedule's ID says all of it, so that one that exists is known to begin the same.
func digestSchedule(id string, g store.BriefingGroup) (client.ScheduleOptions, error) {
	weekdays, ok := g.Weekdays()
	if !ok {
		return client.ScheduleOptions{}, fmt.Errorf("making schedule %s: %q is no list of days of the week", id, g.Days)
	}
	var days []client.ScheduleRange
	for _, day := range weekdays {
		days = append(days, one(int(day))...) // Sunday is 0 to Temporal, too
	}
	what := "Morning digest"
	if g.Kind == store.NoticeBriefingWeek {
		what = "Week ahead"
	}
	hours := []int{g.Minutes / 60}
	if hours[0] <= lastSkippedHour {
		// Where the clocks go forward, Temporal leaves a time out that they skip: then
		// people are told an hour later. On all other days they were told by then, and
		// are not told again.
		hours = append(hours, hours[0]+1)
	}
	every := []client.ScheduleRange{{Start: 0, End: 0, Step: 1}}
	spec := client.ScheduleSpec{TimeZoneName: g.Zone}
	for _, hour := range hours {
		spec.Calendars = append(spec.Calendars, client.ScheduleCalendarSpec{
			Second: every, Minute: one(g.Minutes % 60), Hour: one(hour), DayOfWeek: days,
			DayOfMonth: []client.ScheduleRange{{Start: 1, End: 31, Step: 1}}, Month: []client.ScheduleRange{{Start: 1, End: 12, Step: 1}},
		})
	}
	return client.ScheduleOptions{
		ID: id, Spec: spec, Overlap: digestOverlap, CatchupWindow: digestCatchUp,
		Action: &client.ScheduleWorkflowAction{
			ID: id, Workflow: Digest, Args: []any{g}, TaskQueue: TaskQueue, WorkflowExecutionTimeout: digestInTime,
			StaticSummary:         what,
			TypedSearchAttributes: temporal.NewSearchAttributes(DebriefOrganization.ValueSet(g.OrganizationID.String())),
			Priority:              temporal.Priority{FairnessKey: g.OrganizationID.String()},
		},
	}, nil
}

func one(n int) []client.ScheduleRange { return []client.ScheduleRange{{Start: n, End: n, Step: 1}} }

// isAsWanted compares what decides when a schedule begins what, and how.
func isAsWanted(is client.Schedule, want client.ScheduleOptions) bool {
	if is.Spec == nil || is.Policy == nil {
		return false
	}
	begins, ok := is.Action.(*client.ScheduleWorkflowAction)
	should := want.Action.(*client.ScheduleWorkflowAction) //nolint:forcetypeassert // it is ours
	return ok && begins.ID == should.ID && begins.Workflow == "Digest" && begins.TaskQueue == should.TaskQueue &&
		begins.WorkflowExecutionTimeout == should.WorkflowExecutionTimeout &&
		*is.Policy == client.SchedulePolicies{Overlap: want.Overlap, CatchupWindow: want.CatchupWindow, PauseOnFailure: want.PauseOnFailure} &&
		is.Spec.TimeZoneName == want.Spec.TimeZoneName && is.Spec.Jitter == 0 && is.Spec.StartAt.IsZero() && is.Spec.EndAt.IsZero() &&
		len(is.Spec.Intervals) == 0 && len(is.Spec.Skip) == 0 && reflect.DeepEqual(normal(is.Spec.Calendars), normal(want.Spec.Calendars))
}

// normal leaves empty lists out, which come back as none.
func normal(calendars []client.ScheduleCalendarSpec) []client.ScheduleCalendarSpec {
	out := make([]client.ScheduleCalendarSpec, 0, len(calendars))
	for _, c := range calendars {
		if len(c.Year) == 0 {
			c.Year = nil
		}
		out = append(out, c)
	}
	return out
}

func isGone(err error) bool {
	var gone *serviceerror.NotFound
	return errors.As(err, &gone)
}
