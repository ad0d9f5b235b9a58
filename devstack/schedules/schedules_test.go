package schedules

import (
	"context"
	"fmt"
	"log/slog"
	"sort"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/devstack/temporaldev"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/workflows"
)

const namespace = "schedules"

// groups are what Postgres has.
type groups []store.BriefingGroup

func (g *groups) BriefingGroups(context.Context) ([]store.BriefingGroup, error) { return *g, nil }

// world is a Temporal server, and the keeper of its schedules.
type world struct {
	t         *testing.T
	ctx       context.Context
	client    client.Client
	groups    groups
	schedules workflows.Schedules
}

func setup(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	server, err := temporaldev.Start(ctx, temporaldev.Options{
		Namespaces: []string{namespace},
		SearchAttributes: map[string]enumspb.IndexedValueType{
			workflows.FollowUpStatus.GetName():      enumspb.INDEXED_VALUE_TYPE_KEYWORD,
			workflows.DebriefOrganization.GetName(): enumspb.INDEXED_VALUE_TYPE_KEYWORD,
		},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	w := &world{t: t, ctx: ctx}
	w.client, err = client.DialContext(ctx, client.Options{
		HostPort: server.FrontendAddr(), Namespace: namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(t, err)
	t.Cleanup(w.client.Close)
	w.schedules = workflows.Schedules{Client: w.client, Groups: &w.groups}
	return w
}

func group(kind store.NoticeKind, zone string, minutes int, days string) store.BriefingGroup {
	return store.BriefingGroup{OrganizationID: uuid.New(), Kind: kind, Zone: zone, Minutes: minutes, Days: days}
}

// keep keeps, and returns what changed.
func (w *world) keep() workflows.Kept {
	w.t.Helper()
	kept, err := w.schedules.Keep(w.ctx)
	require.NoError(w.t, err)
	return kept
}

// listed waits until the list shows those, since it lags.
func (w *world) listed(want ...store.BriefingGroup) {
	w.t.Helper()
	ids := []string{}
	for _, g := range want {
		ids = append(ids, workflows.DigestID(g))
	}
	sort.Strings(ids)
	require.Eventually(w.t, func() bool {
		found := []string{}
		all, err := w.client.ScheduleClient().List(w.ctx, client.ScheduleListOptions{PageSize: 100})
		require.NoError(w.t, err)
		for all.HasNext() {
			one, err := all.Next()
			require.NoError(w.t, err)
			if one.ID != "somebody-elses" {
				found = append(found, one.ID)
			}
		}
		sort.Strings(found)
		return fmt.Sprint(found) == fmt.Sprint(ids)
	}, 20*time.Second, 100*time.Millisecond, "%v", ids)
}

// TestSchedulesAreAsPostgresHasThem is one story on one server: it is slow to start.
func TestSchedulesAreAsPostgresHasThem(t *testing.T) {
	t.Parallel()
	w := setup(t)
	morning := group(store.NoticeBriefingDigest, "Europe/Berlin", 7*60+30, "mon,tue,wed,thu,fri")
	week := group(store.NoticeBriefingWeek, "Europe/Berlin", 7*60, "mon")
	elsewhere := group(store.NoticeBriefingDigest, "America/New_York", 8*60, "mon,tue,wed,thu,fri")
	_, err := w.client.ScheduleClient().Create(w.ctx, client.ScheduleOptions{
		ID: "somebody-elses", Spec: client.ScheduleSpec{Intervals: []client.ScheduleIntervalSpec{{Every: 24 * time.Hour}}},
		Action: &client.ScheduleWorkflowAction{ID: "theirs", Workflow: "Theirs", TaskQueue: "theirs"},
	})
	require.NoError(t, err)

	// Created, and again nothing.
	w.groups = groups{morning, week, elsewhere}
	require.Equal(t, workflows.Kept{Created: 3}, w.keep())
	require.Equal(t, workflows.Kept{}, w.keep(), "the list may lag, and it is not created twice")
	w.listed(morning, week, elsewhere)
	require.Equal(t, workflows.Kept{}, w.keep(), "what the server returns is what was asked for")

	// What it begins holds no names, and says how it treats what it missed.
	handle := w.client.ScheduleClient().GetHandle(w.ctx, workflows.DigestID(morning))
	described, err := handle.Describe(w.ctx)
	require.NoError(t, err)
	require.Equal(t, client.SchedulePolicies{Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_SKIP, CatchupWindow: 2 * time.Hour}, *described.Schedule.Policy)
	action, ok := described.Schedule.Action.(*client.ScheduleWorkflowAction)
	require.True(t, ok)
	require.Len(t, action.Args, 1)
	argument, ok := action.Args[0].(*commonpb.Payload)
	require.True(t, ok)
	require.JSONEq(t, fmt.Sprintf(`{"organization_id": %q, "kind": "briefing.digest", "zone": "Europe/Berlin", "minutes": 450, "days": "mon,tue,wed,thu,fri"}`,
		morning.OrganizationID), string(argument.GetData()))

	// Somebody edited it by hand; that it is paused is theirs to say.
	require.NoError(t, handle.Pause(w.ctx, client.SchedulePauseOptions{Note: "not this week"}))
	require.NoError(t, handle.Update(w.ctx, client.ScheduleUpdateOptions{DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
		as := in.Description.Schedule
		as.Spec.Calendars[0].Hour = []client.ScheduleRange{{Start: 9, End: 9, Step: 1}}
		as.Policy.CatchupWindow = 24 * time.Hour
		return &client.ScheduleUpdate{Schedule: &as}, nil
	}}))
	require.Equal(t, workflows.Kept{Updated: 1}, w.keep())
	require.Equal(t, workflows.Kept{}, w.keep())
	described, err = handle.Describe(w.ctx)
	require.NoError(t, err)
	require.True(t, described.Schedule.State.Paused)
	require.Equal(t, 2*time.Hour, described.Schedule.Policy.CatchupWindow)

	// Moved to another time: the old one goes. What is not ours stays.
	later := morning
	later.Minutes = 8 * 60
	w.groups = groups{later, week}
	require.Equal(t, workflows.Kept{Created: 1, Deleted: 2}, w.keep())
	w.listed(later, week)
	_, err = w.client.ScheduleClient().GetHandle(w.ctx, "somebody-elses").Describe(w.ctx)
	require.NoError(t, err)

	// A group that can't be kept does not keep the others from it.
	w.groups = groups{group(store.NoticeBriefingDigest, "Mars/Olympus", 60, "mon"), week, elsewhere}
	kept, err := w.schedules.Keep(w.ctx)
	require.ErrorContains(t, err, "Mars/Olympus")
	require.Equal(t, workflows.Kept{Created: 1, Deleted: 1}, kept)
	w.listed(week, elsewhere)

	// Several processes at once.
	w.groups = groups{morning, later, week, elsewhere}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			_, err := w.schedules.Keep(w.ctx)
			assertNoError(t, err)
		})
	}
	all.Wait()
	w.listed(morning, later, week, elsewhere)

	w.changesOfTheClocks()
	w.beginsADigest()
}

func assertNoError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

// changesOfTheClocks asks the server when it would begin what: also where a time does not
// exist, or comes twice.
func (w *world) changesOfTheClocks() {
	w.t.Helper()
	every := "mon,tue,wed,thu,fri,sat,sun"
	for _, test := range []struct {
		zone       string
		minutes    int
		from, to   string
		local, why string
	}{
		{"Europe/Berlin", 450, "2027-03-27", "2027-03-29", "[03-27 07:30 +0100 03-28 07:30 +0200]", "forward: the same time of day"},
		{"Europe/Berlin", 450, "2026-10-24", "2026-10-26", "[10-24 07:30 +0200 10-25 07:30 +0100]", "back: the same time of day"},
		{"Europe/Berlin", 150, "2027-03-28", "2027-03-29", "[03-28 03:30 +0200]", "02:30 does not exist: an hour later"},
		{"Europe/Berlin", 150, "2026-10-25", "2026-10-26", "[10-25 02:30 +0100 10-25 03:30 +0100]", "02:30 comes twice; who was told is not told again"},
		{"America/New_York", 150, "2027-03-14", "2027-03-15", "[03-14 03:30 -0400]", "forward in New York"},
		{"America/Havana", 30, "2027-03-14", "2027-03-15", "[03-14 01:30 -0400]", "midnight does not exist"},
		{"Africa/Cairo", 30, "2027-04-30", "2027-05-01", "[04-30 01:30 +0300]", "midnight does not exist on a Friday"},
		{"Australia/Lord_Howe", 130, "2026-10-04", "2026-10-05", "[10-04 02:40 +1100 10-04 03:10 +1100]", "half an hour is left out"},
	} {
		g := group(store.NoticeBriefingDigest, test.zone, test.minutes, every)
		w.groups = append(w.groups, g)
		require.Equal(w.t, 1, w.keep().Created)
		zone, err := time.LoadLocation(test.zone)
		require.NoError(w.t, err)
		from, err := time.ParseInLocation(time.DateOnly, test.from, zone)
		require.NoError(w.t, err)
		to, err := time.ParseInLocation(time.DateOnly, test.to, zone)
		require.NoError(w.t, err)
		got, err := w.client.WorkflowService().ListScheduleMatchingTimes(w.ctx, &workflowservice.ListScheduleMatchingTimesRequest{
			Namespace: namespace, ScheduleId: workflows.DigestID(g), StartTime: timestamppb.New(from), EndTime: timestamppb.New(to),
		})
		require.NoError(w.t, err)
		local := []string{}
		for _, at := range got.GetStartTime() {
			local = append(local, at.AsTime().In(zone).Format("01-02 15:04 -0700"))
		}
		require.Equal(w.t, test.local, fmt.Sprint(local), "%s %s", test.zone, test.why)
	}
}

// beginsADigest has a schedule begin one: the workflow knows its group, and its day.
func (w *world) beginsADigest() {
	w.t.Helper()
	runs := make(chan activities.DigestRun, 1)
	work := worker.New(w.client, workflows.TaskQueue, worker.Options{})
	workflows.Register(work)
	work.RegisterActivity(&double{runs: runs})
	require.NoError(w.t, work.Start())
	defer work.Stop()
	g := group(store.NoticeBriefingWeek, "Pacific/Auckland", 7*60, "mon")
	w.groups = append(w.groups, g)
	w.keep()
	zone, err := time.LoadLocation(g.Zone)
	require.NoError(w.t, err)
	// The Monday before, made up for.
	monday := time.Now().In(zone)
	for monday = monday.AddDate(0, 0, -1); monday.Weekday() != time.Monday; {
		monday = monday.AddDate(0, 0, -1)
	}
	day := time.Date(monday.Year(), monday.Month(), monday.Day(), 0, 0, 0, 0, zone)
	require.NoError(w.t, w.client.ScheduleClient().GetHandle(w.ctx, workflows.DigestID(g)).Backfill(w.ctx, client.ScheduleBackfillOptions{
		Backfill: []client.ScheduleBackfill{{Start: day, End: day.AddDate(0, 0, 1), Overlap: enumspb.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL}},
	}))
	select {
	case run := <-runs:
		require.Equal(w.t, g, run.Group)
		require.True(w.t, run.At.Equal(day.Add(7*time.Hour)), "%s: the time that it was due", run.At)
	case <-time.After(20 * time.Second):
		w.t.Fatal("no digest was begun")
	}
}

// double stands for the activities: nobody belongs to a group.
type double struct{ runs chan activities.DigestRun }

func (d *double) PlanDigest(_ context.Context, run activities.DigestRun) (activities.DigestPlan, error) {
	d.runs <- run
	return activities.DigestPlan{}, nil
}
