package store_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// stageBench has an organization in which a deal that is won begins something.
func stageBench(t *testing.T, permissions policy.Permissions, stages store.DealStages) *bench {
	t.Helper()
	b := newBench(t, permissions)
	b.letStagesBegin(b.org, stages)
	return b
}

func (b *bench) letStagesBegin(org uuid.UUID, stages store.DealStages) {
	b.t.Helper()
	o, err := b.Organization(context.Background(), org)
	require.NoError(b.t, err)
	if stages.Stages == nil {
		stages.Stages = []store.DealStage{{Pipeline: "default", Stage: "closedwon"}, {Pipeline: "4711", Stage: "4712"}}
	}
	o.Settings.DealStages = stages
	require.NoError(b.t, b.UpdateSettings(context.Background(), org, o.Domains, o.Settings, store.Operator))
}

func stageBecomes(stage string, at time.Time) hubspot.WebhookEvent {
	e := dealEvent(hubspot.EventPropertyChange, at)
	e.PropertyName, e.PropertyValue = "dealstage", stage
	return e
}

// metAgo adds a meeting of so long ago, whose follow-up linked its note to a deal
// and is closed.
func (b *bench) metAgo(ago time.Duration, deal string) uuid.UUID {
	b.t.Helper()
	id := b.NewMeetingForTest(b.t, b.org)
	b.ExecForTest(b.t, `update meetings set starts_at = now() - $2::interval where id = $1`, id, ago)
	b.planFor(id, b.noteOn(deal))
	return id
}

func (b *bench) noteOn(deal string) store.Draft {
	note := draft(policy.Tool{Object: "note", Operation: policy.Create}, "note:1", map[string]string{"hs_note_body": "x"})
	note.Content.Associations = []store.AssociationRef{{Object: "deal", RecordID: deal}}
	return note
}

// planFor plans a meeting, with everything written, and closes its follow-up.
func (b *bench) planFor(id uuid.UUID, drafts ...store.Draft) {
	b.t.Helper()
	ctx := context.Background()
	require.NoError(b.t, b.SavePlan(ctx, store.Plan{OrganizationID: b.org, MeetingID: id, MeetingVersion: 1, ConnectionID: b.connection, Drafts: drafts}))
	b.ExecForTest(b.t, `update actions set state = 'written', record_id = '9' || position where origin_id = $1`, id)
	closed, err := b.CloseFollowUp(ctx, b.org, id)
	require.NoError(b.t, err)
	require.True(b.t, closed)
}

// begun are the meetings that are looked through again.
func (b *bench) begun(among ...uuid.UUID) []uuid.UUID {
	b.t.Helper()
	var found []uuid.UUID
	for _, id := range among {
		look, err := b.LookAt(context.Background(), b.org, id)
		require.NoError(b.t, err)
		if look.Next == store.NextPlan {
			found = append(found, id)
		}
	}
	return found
}

func TestADealThatReachesAStageHasItsMeetingsLookedThroughAgain(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	now := time.Now()
	for name, tc := range map[string]struct {
		stages store.DealStages
		event  hubspot.WebhookEvent
		// want are the ages in days of the meetings of deal 77 that begin, of 1, 2, 30 and 120.
		want []int
	}{
		"the last three within ninety days": {store.DealStages{}, stageBecomes("closedwon", now), []int{1, 2, 30}},
		"another pipeline's":                {store.DealStages{}, stageBecomes("4712", now), []int{1, 2, 30}},
		"as many as are wanted":             {store.DealStages{Meetings: 2}, stageBecomes("closedwon", now), []int{1, 2}},
		"not longer ago than is wanted":     {store.DealStages{Within: store.Duration(10 * day)}, stageBecomes("closedwon", now), []int{1, 2}},
		"long ago, if that is wanted":       {store.DealStages{Within: store.Duration(365 * day), Meetings: 9}, stageBecomes("closedwon", now), []int{1, 2, 30, 120}},
		"told a day late":                   {store.DealStages{}, stageBecomes("closedwon", now.Add(-day)), []int{1, 2, 30}},
		"another stage":                     {store.DealStages{}, stageBecomes("qualifiedtobuy", now), nil},
		"no stage at all":                   {store.DealStages{}, stageBecomes("", now), nil},
		"another property":                  {store.DealStages{}, amountBecomes("closedwon", now), nil},
		"another deal":                      {store.DealStages{}, func() hubspot.WebhookEvent { e := stageBecomes("closedwon", now); e.ObjectID = "78"; return e }(), nil},
		"nothing is set":                    {store.DealStages{Stages: []store.DealStage{}}, stageBecomes("closedwon", now), nil},
		"a ticket with such a property": {store.DealStages{}, func() hubspot.WebhookEvent {
			e := stageBecomes("closedwon", now)
			e.ObjectTypeID = "0-5"
			return e
		}(), nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := stageBench(t, policy.Permissions{{Object: "note", Operation: policy.Create}: policy.Allow}, tc.stages)
			ages := []int{120, 1, 30, 2}
			met := map[int]uuid.UUID{}
			all := []uuid.UUID{b.metAgo(day, "76")}
			for _, days := range ages {
				met[days] = b.metAgo(time.Duration(days)*day, "77")
				all = append(all, met[days])
			}
			var want []uuid.UUID
			for _, days := range tc.want {
				want = append(want, met[days])
			}
			got := b.tell(tc.event)
			require.Equal(t, len(want), got.Begun)
			require.ElementsMatch(t, want, b.begun(all...))
			require.Equal(t, len(want), b.CountForTest(t, `select count(*) from wakeups where reason = 'a record changed in HubSpot'`))

			// However often it is told, it has begun once.
			tc.event.AttemptNumber = 3
			require.Zero(t, b.tell(tc.event).Begun)
			require.Equal(t, len(want), b.CountForTest(t, `select coalesce(sum(answers), 0) from follow_ups`))
		})
	}
}

// What is written stays written, what was answered is not asked again, and what was
// taken back is left alone.
func TestAStageWritesNothingTwice(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := stageBench(t, policy.Permissions{updateDeal: policy.Ask, createContact: policy.Allow, {Object: "note", Operation: policy.Create}: policy.Allow}, store.DealStages{})
	undone := b.metAgo(time.Hour, "77")
	b.ExecForTest(t, `update follow_ups set undo_requested = 1, undo_planned = 1 where meeting_id = $1`, undone)
	contact := draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"})
	update := dealUpdate(map[string]string{"amount": "42000"})
	b.plan(update, contact)
	b.written("contact:1", "501")
	require.NoError(t, b.decide(b.question("deal:77"), store.Reject, nil))
	closed, err := b.CloseFollowUp(ctx, b.org, b.meeting)
	require.NoError(t, err)
	require.True(t, closed)

	require.Equal(t, 1, b.tell(stageBecomes("closedwon", time.Now())).Begun)
	require.Empty(t, b.begun(undone))
	_, seen, err := b.Answers(ctx, b.org, b.meeting)
	require.NoError(t, err)
	require.NoError(t, b.SavePlan(ctx, store.Plan{
		OrganizationID: b.org, MeetingID: b.meeting, MeetingVersion: b.version, AnswersVersion: seen, ConnectionID: b.connection, Drafts: []store.Draft{update, contact},
	}))
	require.Equal(t, store.ActionWritten, b.action("contact:1").State)
	require.Equal(t, store.ActionRejected, b.action("deal:77").State)
	require.Equal(t, store.NextDone, b.look().Next)
	require.Equal(t, 2, b.look().Round)
}

// However many look at the event at once, it begins once.
func TestAStageBeginsOnceForAllWhoLook(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := stageBench(t, policy.Permissions{{Object: "note", Operation: policy.Create}: policy.Allow}, store.DealStages{})
	id := b.metAgo(time.Hour, "77")
	crmDelivery(t, b.Store, hubspotSource(t, b.Store), stageBecomes("closedwon", time.Now()))
	var mu sync.Mutex
	var all sync.WaitGroup
	begun := 0
	for range 8 {
		all.Go(func() {
			f, err := b.FollowCRMRecord(ctx, store.CRMRecord{OrganizationID: b.org, HubID: 1001, Object: "deal", ID: "77"})
			mu.Lock()
			defer mu.Unlock()
			begun += f.Begun
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	require.Equal(t, 1, begun)
	require.Equal(t, 1, b.CountForTest(t, `select answers from follow_ups where meeting_id = $1`, id))
}

// In whatever order HubSpot tells of a deal that goes to and fro, each reaching
// begins once.
func TestEachReachingBeginsOnceInAnyOrder(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(-time.Hour)
	events := []hubspot.WebhookEvent{
		stageBecomes("closedwon", at), stageBecomes("qualifiedtobuy", at.Add(time.Minute)), stageBecomes("closedwon", at.Add(2*time.Minute)), stageBecomes("closedwon", at),
	}
	all := newBench(t, nil)
	for i, order := range orders(len(events)) {
		hub := int64(5000 + i)
		b := all.another(hub, policy.Permissions{{Object: "note", Operation: policy.Create}: policy.Allow})
		b.letStagesBegin(b.org, store.DealStages{})
		b.metAgo(time.Hour, "77")
		begun := 0
		for _, n := range order {
			begun += b.tell(in(hub, events)[n]).Begun
		}
		require.Equal(t, 2, begun, "%v", order)
	}
}

// orders are all orders of n things.
func orders(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var all [][]int
	for _, shorter := range orders(n - 1) {
		for at := 0; at <= len(shorter); at++ {
			longer := append(append(append([]int{}, shorter[:at]...), n-1), shorter[at:]...)
			all = append(all, longer)
		}
	}
	return all
}

// Debrief's own write of a stage begins nothing, neither as an update nor while the
// deal is being created and nobody knows its ID.
func TestAStageOfOurOwnBeginsNothing(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	call := func(b *bench, tool policy.Tool, recordID string) {
		require.NoError(b.t, b.Audit(ctx, store.AuditEntry{
			OrganizationID: b.org, Kind: store.AuditCall, Actor: store.Actor{Name: "follow-up"}, Origin: store.Origin{Kind: "meeting", ID: b.meeting},
			Tool: tool, ConnectionID: &b.connection, RecordID: recordID, Values: map[string]string{"dealstage": "closedwon"}, Outcome: store.Attempted,
		}))
	}
	// Made where it is told of: a test that runs beside many others may begin minutes later.
	ours := func() hubspot.WebhookEvent {
		e := stageBecomes("closedwon", time.Now())
		e.ChangeSource = "INTEGRATION"
		return e
	}
	t.Run("an update", func(t *testing.T) {
		t.Parallel()
		b := stageBench(t, policy.Permissions{{Object: "note", Operation: policy.Create}: policy.Allow}, store.DealStages{})
		b.metAgo(time.Hour, "77")
		call(b, updateDeal, "77")
		got := b.tell(ours())
		require.Equal(t, 1, got.Echoes)
		require.Zero(t, got.Begun)
	})
	t.Run("a create, told before its answer", func(t *testing.T) {
		t.Parallel()
		b := stageBench(t, policy.Permissions{{Object: "note", Operation: policy.Create}: policy.Allow}, store.DealStages{})
		b.metAgo(time.Hour, "77")
		call(b, createDeal, "")
		require.Zero(t, b.tell(ours()).Events, "it waits")
		due := `select count(*) from crm_events where state = 'received' and next_attempt_at between now() and now() + interval '6 seconds'`
		require.Equal(t, 1, b.CountForTest(t, due), "and not for long, though whoever told of it says so afterwards")
		require.NoError(t, b.TellCRMRecord(ctx, store.CRMRecord{OrganizationID: b.org, HubID: 1001, Object: "deal", ID: "77"}))
		require.Equal(t, 1, b.CountForTest(t, due))
		b.ExecForTest(t, `update audit set outcome = 'done', record_id = '77' where tool = 'deal.create'`)
		b.ExecForTest(t, `update crm_events set next_attempt_at = now()`)
		got := b.follow()
		require.Equal(t, 1, got.Echoes)
		require.Zero(t, got.Begun)
	})
	t.Run("another deal's create", func(t *testing.T) {
		t.Parallel()
		b := stageBench(t, policy.Permissions{{Object: "note", Operation: policy.Create}: policy.Allow}, store.DealStages{})
		b.metAgo(time.Hour, "77")
		call(b, createDeal, "")
		require.Zero(t, b.tell(ours()).Events)
		b.ExecForTest(t, `update audit set outcome = 'done', record_id = '78' where tool = 'deal.create'`)
		b.ExecForTest(t, `update crm_events set next_attempt_at = now()`)
		require.Equal(t, 1, b.follow().Begun)
	})
	t.Run("a user's, meanwhile", func(t *testing.T) {
		t.Parallel()
		b := stageBench(t, policy.Permissions{{Object: "note", Operation: policy.Create}: policy.Allow}, store.DealStages{})
		b.metAgo(time.Hour, "77")
		call(b, createDeal, "")
		require.Equal(t, 1, b.tell(stageBecomes("closedwon", time.Now())).Begun)
	})
}

// A deal's meetings go with it when it is merged, and are those of its own account
// and organization.
func TestADealsMeetingsAreItsOwn(t *testing.T) {
	t.Parallel()
	b := stageBench(t, policy.Permissions{{Object: "note", Operation: policy.Create}: policy.Allow, createDeal: policy.Allow}, store.DealStages{})
	merged, made := b.metAgo(time.Hour, "66"), b.NewMeetingForTest(t, b.org)
	b.planFor(made, draft(createDeal, "deal:new", map[string]string{"dealname": "Renewal"})) // written as record 90
	b.ExecForTest(t, `update actions set record_id = '77' where origin_id = $1`, made)
	elsewhere := b.metAgo(time.Hour, "77")
	second := b.NewConnectionForTest(t, b.org, "connected")
	b.ExecForTest(t, `update connections set hub_id = 2002 where id = $1`, second)
	b.ExecForTest(t, `update follow_ups set connection_id = $2 where meeting_id = $1`, elsewhere, second)

	// Another organization has the same account, the same deal, and a meeting of it.
	other := storetest.Organization(t, b.Store)
	require.NoError(t, b.ApplyPreset(context.Background(), other.ID, policy.Permissions{{Object: "note", Operation: policy.Create}: policy.Allow}, store.Operator))
	theirs := &bench{Store: b.Store, t: t, org: other.ID, connection: b.NewConnectionForTest(t, other.ID, "connected")}
	foreign := theirs.metAgo(time.Hour, "77")

	merge := dealEvent(hubspot.EventMerge, time.Now())
	merge.PrimaryObjectID, merge.NewObjectID, merge.MergedObjectIDs = "77", "77", []string{"66"}
	b.tell(merge)
	got := b.tell(stageBecomes("closedwon", time.Now()))
	require.Equal(t, 2, got.Begun)
	require.ElementsMatch(t, []uuid.UUID{merged, made}, b.begun(merged, made, elsewhere))
	require.Empty(t, theirs.begun(foreign), "they have set no stage")
	events, err := b.CRMEvents(context.Background(), other.ID, 10)
	require.NoError(t, err)
	require.Len(t, events, 2, "but they are told, too")
}

func TestAStageIsNamedByIDs(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]store.DealStage{
		"default/closedwon": {Pipeline: "default", Stage: "closedwon"},
		"47/48":             {Pipeline: "47", Stage: "48"},
	} {
		got, err := store.ParseDealStage(" " + text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "closedwon", "/closedwon", "default/", "a/b/c", "a b/c", "a/b,c"} {
		_, err := store.ParseDealStage(text)
		refused(t, err, "debrief organizations stages")
	}
	b := newBench(t, nil)
	for _, wrong := range []store.DealStages{{Meetings: -1}, {Meetings: 21}, {Within: -1}, {Stages: []store.DealStage{{Pipeline: "a"}}}} {
		err := b.UpdateSettings(context.Background(), b.org, nil, store.Settings{DealStages: wrong}, store.Operator)
		refused(t, err, "")
	}
}
