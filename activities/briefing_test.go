package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/workflows"
)

// days is the bundle with a clock that a Temporal test environment moves: the real
// workflow on the real store, gate and simulator, through days in moments.
type days struct {
	*bundle
	*testsuite.TestWorkflowEnvironment

	begin time.Time
	start time.Time
	event meeting.Event
	tells int
	key   store.BriefingKey
	dana  store.Person

	mu sync.Mutex
	// away: the connection's tokens are refused. patience is how long HubSpot asks to be
	// left alone.
	away     bool
	patience time.Duration
	changes  []happening
	told     []telling
	tries    int
}

// slowly: what happens reads and writes a real database, on a machine that has other
// work, too.
var slowly = worker.Options{DeadlockDetectionTimeout: time.Minute}

type happening struct {
	at   time.Time
	what func()
	done bool
}

// telling is what a person was told, and when.
type telling struct {
	at      time.Time
	kind    store.NoticeKind
	brief   briefing.Brief
	changes []briefing.Change
}

// refusing is a token source that is away at times.
type refusing struct {
	token
	d *days
}

func (r refusing) Token(ctx context.Context, id uuid.UUID) (store.Secret, int64, error) {
	r.d.mu.Lock()
	defer r.d.mu.Unlock()
	if r.d.away {
		return "", 0, &connections.PausedError{ConnectionID: id, Name: "main", State: store.NeedsReconnect}
	}
	if r.d.patience > 0 {
		return "", 0, &crm.RetryError{After: r.d.patience, Reason: "today's calls are used up"}
	}
	return r.token.Token(ctx, id)
}

// newDays has Dana meet Jane of Northwind in 26 hours.
func newDays(t *testing.T) *days {
	t.Helper()
	d := &days{bundle: setup(t)}
	d.begin = time.Now().UTC().Truncate(time.Second)
	d.start = d.begin.Add(26 * time.Hour)
	gate := crm.New(crm.Options{Store: d.store, Tokens: refusing{d.token, d}, Client: hubspot.New(hubspot.Options{BaseURL: d.sim.URL})})
	d.activities = &activities.Activities{
		Store: d.store, Log: zerolog.Nop(), Gate: gate, Connections: connections.New(d.store, connections.Options{}), Now: func() time.Time { return d.Now() },
	}
	d.dana = d.person("Dana Host", "dana@acme.example")
	company := d.company("northwind.example")
	d.contact("jane@northwind.example", company)
	d.deal(company)
	d.event = meeting.Event{Provider: meeting.Own, ProviderAccountID: d.source.ID.String()}
	d.event.Title = "Renewal with Northwind"
	d.event.Keys.InstanceID = uuid.NewString()
	d.event.Organizer = meeting.Person{Name: "Dana Host", Email: "dana@acme.example"}
	d.event.Attendees = []meeting.Attendee{{Person: meeting.Person{Name: "Jane Roe", Email: "jane@northwind.example"}}}
	d.meets(meeting.Scheduled)
	return d
}

func (b *bundle) person(name, email string) store.Person {
	b.t.Helper()
	p, err := b.store.AddPerson(b.ctx, store.Person{
		OrganizationID: b.org.ID, Name: name, Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: email}},
	}, store.Operator)
	require.NoError(b.t, err)
	return p
}

// meets tells of the meeting as it is now.
func (d *days) meets(typ meeting.EventType) {
	d.t.Helper()
	d.tells++
	e := d.event
	e.Type, e.DedupeKey, e.OccurredAt = typ, uuid.NewString(), d.begin.Add(time.Duration(d.tells)*time.Second)
	e.ScheduledStart, e.ScheduledEnd = d.start, d.start.Add(45*time.Minute)
	e = e.Normalize()
	require.NoError(d.t, e.Validate())
	body, err := json.Marshal(e)
	require.NoError(d.t, err)
	delivery, _, err := d.store.InsertDelivery(d.ctx, store.NewDelivery{
		Source: d.source, DedupeKey: e.DedupeKey, Body: body, ReceivedAt: d.begin, Header: http.Header{},
	})
	require.NoError(d.t, err)
	u, err := d.store.Understood(d.ctx, delivery, d.org.ID, []meeting.Event{e})
	require.NoError(d.t, err)
	require.Len(d.t, u.MeetingIDs, 1)
	d.key = store.BriefingKey{OrganizationID: d.org.ID, MeetingID: u.MeetingIDs[0], PersonID: d.dana.ID}
}

// at has something happen before (or, negative, after) the first start of the meeting.
func (d *days) before(start time.Duration, what func()) {
	d.changes = append(d.changes, happening{at: d.start.Add(-start), what: what})
}

// deliver plays the outbox: what is queued is told, once.
func (d *days) deliver() {
	notices, err := d.store.ClaimBriefingNotices(d.ctx, 10)
	require.NoError(d.t, err)
	for _, n := range notices {
		if !n.Kind.IsBriefing() {
			continue
		}
		b, err := d.store.BriefingByID(d.ctx, d.org.ID, *n.About.BriefingID)
		require.NoError(d.t, err)
		require.NoError(d.t, d.store.BriefingTold(d.ctx, store.BriefingTelling{
			OrganizationID: d.org.ID, ID: b.ID, Version: b.Version, Channel: store.BriefingOnPage, Brief: b.Brief,
		}))
		require.NoError(d.t, d.store.NoticeWasSent(d.ctx, n))
		told := telling{at: d.activities.Now(), kind: n.Kind}
		require.NoError(d.t, json.Unmarshal(b.Brief, &told.brief))
		if b.Changes != nil {
			require.NoError(d.t, json.Unmarshal(b.Changes, &told.changes))
		}
		d.told = append(d.told, told)
	}
}

// run runs the workflow to its end, through all its runs.
func (d *days) run() {
	d.t.Helper()
	now := d.begin
	for range 50 {
		var suite testsuite.WorkflowTestSuite
		suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
		d.TestWorkflowEnvironment = suite.NewTestWorkflowEnvironment()
		d.SetStartTime(now)
		d.SetTestTimeout(time.Minute)
		d.SetWorkerOptions(slowly)
		workflows.Register(d)
		for i := range d.changes {
			if c := &d.changes[i]; !c.done {
				d.RegisterDelayedCallback(func() {
					c.done = true
					c.what()
					d.SignalWorkflow(workflows.SignalLookAgain, workflows.LookAgain{Reason: "something changed"})
				}, c.at.Sub(now))
			}
		}
		var a *activities.Activities
		d.OnActivity(a.LookAtBriefing, mock.Anything, mock.Anything).Return(d.activities.LookAtBriefing)
		d.OnActivity(a.PauseBriefing, mock.Anything, mock.Anything).Return(d.activities.PauseBriefing)
		d.OnActivity(a.ComposeBriefing, mock.Anything, mock.Anything).Return(func(ctx context.Context, k store.BriefingKey) error {
			d.tries++
			err := d.activities.ComposeBriefing(ctx, k)
			d.deliver()
			return err
		})
		d.ExecuteWorkflow(workflows.Briefing, d.key)
		require.True(d.t, d.IsWorkflowCompleted())
		var next *workflow.ContinueAsNewError
		if !errors.As(d.GetWorkflowError(), &next) {
			require.NoError(d.t, d.GetWorkflowError())
			return
		}
		now = d.Now()
	}
	d.t.Fatal("it does not end")
}

func (d *days) brief() store.Briefing {
	d.t.Helper()
	b, err := d.store.BriefingOf(d.ctx, d.key)
	require.NoError(d.t, err)
	return b
}

// toldBefore requires that those are the times before the start of what was told, within
// a little.
func (d *days) toldBefore(want ...time.Duration) {
	d.t.Helper()
	require.Len(d.t, d.told, len(want))
	for i, before := range want {
		require.WithinDuration(d.t, d.start.Add(-before), d.told[i].at, 40*time.Second)
	}
}

func kinds(changes []briefing.Change) (all []briefing.ChangeKind) {
	for _, c := range changes {
		all = append(all, c.Kind)
	}
	return all
}

func TestAHostIsBriefed(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	d.run()
	d.toldBefore(time.Hour)
	told := d.told[0]
	require.Equal(t, store.NoticeBriefingReady, told.kind)
	require.Len(t, told.brief.People, 1)
	require.NotEmpty(t, told.brief.People[0].ContactID)
	require.Len(t, told.brief.Companies, 1)
	require.Len(t, told.brief.Deals, 1)
	require.Empty(t, told.brief.Denied)
	require.Equal(t, "Renewal with Northwind", told.brief.Meeting.Title)
	require.Equal(t, store.BriefingDelivered, d.brief().State)
	require.Equal(t, 1, d.tries, "what did not change is not made anew")
}

func TestABriefMovesWithItsMeeting(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]time.Duration{"later": 3 * time.Hour, "earlier": -2 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDays(t)
			d.before(20*time.Hour, func() {
				d.start = d.start.Add(by)
				d.meets(meeting.Rescheduled)
			})
			d.run()
			d.toldBefore(time.Hour)
		})
	}
	t.Run("to a time inside the lead time", func(t *testing.T) {
		t.Parallel()
		d := newDays(t)
		d.before(10*time.Hour, func() {
			d.start = d.Now().Add(20 * time.Minute)
			d.meets(meeting.Rescheduled)
		})
		d.run()
		d.toldBefore(20 * time.Minute)
	})
}

// A meeting that is moved after its host was told of it is an update.
func TestAMoveAfterDeliveryIsAnUpdate(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	d.before(30*time.Minute, func() {
		d.start = d.start.Add(15 * time.Minute)
		d.meets(meeting.Rescheduled)
	})
	d.run()
	require.Len(t, d.told, 2)
	require.Equal(t, store.NoticeBriefingUpdate, d.told[1].kind)
	require.Contains(t, kinds(d.told[1].changes), briefing.Moved)
}

func TestACanceledMeetingIsNotBriefed(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	d.before(5*time.Hour, func() { d.meets(meeting.Canceled) })
	d.run()
	require.Empty(t, d.told)
	require.Zero(t, d.tries)
	require.Equal(t, store.BriefingCanceled, d.brief().State)
}

func TestALeaverIsNotBriefed(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	d.before(5*time.Hour, func() {
		_, err := d.store.DeactivatePerson(d.ctx, d.org.ID, d.dana.ID, "left", store.Operator)
		require.NoError(d.t, err)
	})
	d.run()
	require.Empty(t, d.told)
	require.Equal(t, store.BriefingSkipped, d.brief().State)
}

func TestAnAttendeeWhoJoinsLaterIsAnUpdate(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	d.contact("omar@contoso.example", d.company("contoso.example"))
	d.before(40*time.Minute, func() {
		d.event.Attendees = append(d.event.Attendees, meeting.Attendee{Person: meeting.Person{Name: "Omar Diaz", Email: "omar@contoso.example"}})
		d.meets(meeting.Rescheduled)
	})
	d.run()
	d.toldBefore(time.Hour, 40*time.Minute)
	require.Equal(t, store.NoticeBriefingUpdate, d.told[1].kind)
	require.Equal(t, []briefing.ChangeKind{briefing.Joins}, kinds(d.told[1].changes))
	require.Len(t, d.told[1].brief.People, 2)
}

// HubSpot's webhook of a deal that the brief shows makes it anew; what does not matter is
// told to nobody.
func TestADealThatChangesIsAnUpdate(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	deal := ""
	change := func(name, value string) {
		deal = d.brief0().Deals[0].ID
		require.NoError(d.t, d.sim.Edit(d.hub, "deals", deal, map[string]string{name: value}))
		d.happened(hubspot.WebhookEvent{Kind: hubspot.EventPropertyChange, ObjectID: deal, PropertyName: name, PropertyValue: value})
	}
	d.before(50*time.Minute, func() { change("description", "a word more") })
	d.before(30*time.Minute, func() { change("amount", "48000") })
	d.run()
	d.toldBefore(time.Hour, 30*time.Minute)
	require.Equal(t, 3, d.tries)
	require.Equal(t, []briefing.ChangeKind{briefing.DealAmount}, kinds(d.told[1].changes))
}

// brief0 is what was told first.
func (d *days) brief0() briefing.Brief { return d.told[0].brief }

func TestADeniedReadIsSaid(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	tool := policy.Tool{Object: "deal", Operation: policy.Read}
	require.NoError(t, d.store.SetPermission(d.ctx, d.org.ID, tool, policy.Deny, store.Operator))
	d.run()
	d.toldBefore(time.Hour)
	require.Empty(t, d.told[0].brief.Deals)
	require.Contains(t, d.told[0].brief.Denied, tool)
	require.Len(t, d.told[0].brief.People, 1)
}

func TestALostConnectionThatComesBack(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	d.away = true
	d.before(35*time.Minute, func() {
		d.mu.Lock()
		d.away = false
		d.mu.Unlock()
	})
	d.run()
	require.Len(t, d.told, 1)
	require.True(t, d.told[0].at.After(d.start.Add(-36*time.Minute)) && d.told[0].at.Before(d.start.Add(-25*time.Minute)), "%s", d.start.Sub(d.told[0].at))
	require.Empty(t, d.told[0].brief.CRMMissing)
	require.Less(t, d.tries, 15, "it does not ask all the time")
}

// Better what Debrief itself knows than nothing; and the rest is told when it is there.
func TestALostConnectionIsNotWaitedForTooLong(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	d.away = true
	d.before(4*time.Minute, func() {
		d.mu.Lock()
		d.away = false
		d.mu.Unlock()
	})
	d.run()
	require.NotEmpty(t, d.told)
	require.WithinDuration(t, d.start.Add(-10*time.Minute), d.told[0].at, time.Minute)
	require.NotEmpty(t, d.told[0].brief.CRMMissing)
	require.Len(t, d.told[0].brief.People, 1)
	require.Len(t, d.told, 2)
	require.Equal(t, []briefing.ChangeKind{briefing.CRMBack}, kinds(d.told[1].changes))
}

// Who was told learns of what changes about the meeting also while HubSpot can't be read;
// what the brief said of HubSpot stays.
func TestAMoveIsToldWhileHubSpotIsAway(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]func(d *days, is bool){
		"its connection is gone": func(d *days, is bool) { d.away = is },
		"it asks for hours": func(d *days, is bool) {
			if d.patience = 0; is {
				d.patience = 10 * time.Hour
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDays(t)
			switchTo := func(is bool) func() {
				return func() {
					d.mu.Lock()
					defer d.mu.Unlock()
					away(d, is)
				}
			}
			d.before(50*time.Minute, switchTo(true))
			d.before(45*time.Minute, func() {
				d.happened(hubspot.WebhookEvent{Kind: hubspot.EventPropertyChange, ObjectID: d.brief0().Deals[0].ID, PropertyName: "amount", PropertyValue: "1"})
			})
			d.before(40*time.Minute, func() {
				d.start = d.start.Add(10 * time.Minute)
				d.event.Attendees = append(d.event.Attendees, meeting.Attendee{Person: meeting.Person{Name: "Omar Diaz", Email: "omar@contoso.example"}})
				d.meets(meeting.Rescheduled)
			})
			d.before(15*time.Minute, switchTo(false))
			d.run()
			require.Len(t, d.told, 2)
			require.Equal(t, []briefing.ChangeKind{briefing.Moved, briefing.Joins}, kinds(d.told[1].changes))
			require.WithinDuration(t, d.start.Add(-50*time.Minute), d.told[1].at, time.Minute)
			require.Empty(t, d.told[1].brief.CRMMissing)
			require.Len(t, d.told[1].brief.Deals, 1, "what was known of HubSpot is still there")
			require.Len(t, d.told[1].brief.People, 2)
			require.Less(t, d.tries, 60, "it does not ask all the time")
		})
	}
}

// The day's calls are used up, and HubSpot asks for hours: the meeting begins before that.
func TestABriefDoesNotWaitForTomorrow(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	d.patience = 10 * time.Hour
	d.run()
	d.toldBefore(10 * time.Minute)
	require.NotEmpty(t, d.told[0].brief.CRMMissing)
	require.Len(t, d.told[0].brief.People, 1)
	require.Less(t, d.tries, 100, "it does not ask all the time")
}

// It begins sooner than it was to, while HubSpot asks for patience.
func TestABriefThatWaitsForHubSpotFollowsItsMeeting(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	d.patience = 10 * time.Hour
	d.before(50*time.Minute, func() {
		d.start = d.start.Add(-30 * time.Minute)
		d.meets(meeting.Rescheduled)
	})
	d.run()
	d.toldBefore(10 * time.Minute)
}

// Whoever made the brief may die before Temporal learns of it: it is made again, and told
// once.
func TestABriefThatIsMadeTwiceIsToldOnce(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	var suite testsuite.WorkflowTestSuite
	d.TestWorkflowEnvironment = suite.NewTestWorkflowEnvironment()
	d.SetStartTime(d.start.Add(-30 * time.Minute))
	for range 3 {
		d.step(func() error { return d.activities.ComposeBriefing(d.ctx, d.key) })
	}
	d.deliver()
	for range 3 {
		d.step(func() error { return d.activities.ComposeBriefing(d.ctx, d.key) })
	}
	d.deliver()
	require.Len(t, d.told, 1)
}

// What was promised the last time is told, with what became of it; questions that still
// wait are, too.
func TestABriefRemembersTheLastMeeting(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	d.bundle.activities.Now = nil
	m := d.takesPlace(nil, "jane@northwind.example")
	d.followUp(m)
	other := d.takesPlace(nil, "somebody@contoso.example") // was not with Jane
	require.NoError(t, d.store.SetPermission(d.ctx, d.org.ID, policy.Tool{Object: "task", Operation: policy.Create}, policy.Ask, store.Operator))
	asks := d.takesPlace(func(e *meeting.Event) {
		e.ActualStart = start.Add(48 * time.Hour)
		e.ActualEnd = e.ActualStart.Add(time.Hour)
	}, "jane@northwind.example")
	_, err := d.activities.Look(d.ctx, asks)
	require.NoError(t, err)
	d.step(func() error { return d.activities.Plan(d.ctx, asks) })
	d.bundle.activities.Now = func() time.Time { return d.Now() }
	d.run()
	d.toldBefore(time.Hour)
	brief := d.told[0].brief
	var promised []string
	met := map[uuid.UUID]bool{}
	for _, h := range brief.History {
		met[h.MeetingID] = true
		if h.MeetingID != m.MeetingID {
			continue
		}
		require.Equal(t, "Dana Host", h.By)
		for _, p := range h.Promises {
			require.NotEmpty(t, p.TaskID)
			require.Equal(t, briefing.PromiseOpen, p.State)
			promised = append(promised, p.Text)
		}
	}
	require.ElementsMatch(t, []string{"Send the contract", "Prepare the workshop"}, promised)
	require.True(t, met[asks.MeetingID])
	require.False(t, met[other.MeetingID])
	require.NotEmpty(t, brief.Approvals)
	for _, a := range brief.Approvals {
		require.Equal(t, asks.MeetingID, a.MeetingID)
		require.True(t, a.Mine, "the host may answer")
	}
}

func TestAnErasedMeetingIsNotBriefed(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	d.before(2*time.Hour, func() { require.NoError(d.t, d.store.EraseMeeting(d.ctx, d.org.ID, d.key.MeetingID, store.Operator)) })
	d.run()
	require.Empty(t, d.told)
	require.Zero(t, d.tries)
}

func TestTheHostIsSomebodyElseNow(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	sam := d.person("Sam Colleague", "sam@acme.example")
	old := d.key
	d.before(2*time.Hour, func() {
		d.event.Organizer = meeting.Person{Name: "Sam Colleague", Email: "sam@acme.example"}
		d.meets(meeting.Rescheduled)
	})
	d.key = old
	d.run()
	require.Empty(t, d.told)
	require.Equal(t, store.BriefingCanceled, d.brief().State)
	d.key.PersonID, d.begin, d.changes = sam.ID, d.start.Add(-2*time.Hour), nil
	d.run()
	d.toldBefore(time.Hour)
}

// Each occurrence of a series is a meeting of its own.
func TestEachOccurrenceIsBriefed(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	first := d.key
	d.event.Keys.InstanceID, d.start = uuid.NewString(), d.start.Add(7*24*time.Hour)
	d.meets(meeting.Scheduled)
	second := d.key
	require.NotEqual(t, first.MeetingID, second.MeetingID)
	// The second is canceled, and the first is not.
	d.meets(meeting.Canceled)
	d.run()
	require.Empty(t, d.told)
	d.key, d.start = first, d.start.Add(-7*24*time.Hour)
	d.run()
	d.toldBefore(time.Hour)
}

// Nobody is told at night: what would be due then is told in the evening before.
func TestABriefKeepsTheQuietHours(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	due := d.start.Add(-time.Hour)
	quiet := due.Add(-30*time.Minute).Format("15:04") + "-" + due.Add(30*time.Minute).Format("15:04")
	require.NoError(t, d.store.SetPersonNotify(d.ctx, d.org.ID, d.dana.ID, store.NotifySettings{TimeZone: "UTC", QuietHours: quiet}, store.Operator))
	d.run()
	require.Len(t, d.told, 1)
	require.WithinDuration(t, due.Add(-35*time.Minute), d.told[0].at, 2*time.Minute)
}

// A lead time that is set anew counts at once.
func TestALeadThatChangesMovesTheBrief(t *testing.T) {
	t.Parallel()
	d := newDays(t)
	d.before(20*time.Hour, func() {
		require.NoError(d.t, d.store.SetPersonBriefing(d.ctx, d.org.ID, d.dana.ID, store.BriefingSettings{Lead: "4h"}, store.Operator))
	})
	d.run()
	d.toldBefore(4 * time.Hour)
}
