package store_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// briefings is an organization with an admin, and two people who meet others.
type briefings struct {
	*intake
	t          *testing.T
	ada, bob   uuid.UUID
	connection uuid.UUID
	now        time.Time
	told       int
}

func newBriefings(t *testing.T) *briefings {
	t.Helper()
	in := newIntake(t)
	b := &briefings{intake: in, t: t, now: time.Now().UTC().Truncate(time.Second), connection: in.NewConnectionForTest(t, in.organization.ID, "connected")}
	in.ExecForTest(t, `update organizations set domains = '{acme.example}' where id = $1`, in.organization.ID)
	add := func(name string, role store.Role) uuid.UUID {
		p, err := in.AddPerson(t.Context(), store.Person{OrganizationID: in.organization.ID, Name: name, Role: role, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: name + "@acme.example"}}}, store.Operator)
		require.NoError(t, err)
		return p.ID
	}
	b.ada, b.bob = add("ada", store.RoleMember), add("bob", store.RoleMember)
	return b
}

func host(name string) func(*meeting.Event) {
	return func(e *meeting.Event) {
		e.Organizer = meeting.Person{Email: name + "@acme.example"}
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: e.Organizer, Role: "host"})
	}
}

func invited(emails ...string) func(*meeting.Event) {
	return func(e *meeting.Event) {
		for _, email := range emails {
			e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person{Email: email}, Role: "invitee"})
		}
	}
}

func titled(title string) func(*meeting.Event) {
	return func(e *meeting.Event) { e.Title = title }
}

// tell has an event of a meeting understood: of Ada with Jane, if nothing else is said.
func (b *briefings) tell(typ meeting.EventType, id string, start time.Time, change ...func(*meeting.Event)) uuid.UUID {
	b.t.Helper()
	b.told++
	e := meeting.Event{Type: typ, DedupeKey: fmt.Sprintf("%s-%d", id, b.told), Provider: "zoom", OccurredAt: b.now.Add(time.Duration(b.told) * time.Second)}
	e.Keys.InstanceID, e.Title, e.ScheduledStart = id, "Renewal with Jane", start
	if !start.IsZero() {
		e.ScheduledEnd = start.Add(time.Hour)
	}
	if len(change) == 0 {
		change = []func(*meeting.Event){host("ada"), invited(jane)}
	}
	for _, c := range change {
		c(&e)
	}
	u := b.deliver(b.t, e)
	require.Len(b.t, u.MeetingIDs, 1)
	return u.MeetingIDs[0]
}

// schedule has a meeting of Ada with Jane scheduled.
func (b *briefings) schedule(id string, in time.Duration, change ...func(*meeting.Event)) store.BriefingKey {
	b.t.Helper()
	return b.key(b.tell(meeting.Scheduled, id, b.now.Add(in), change...))
}

func (b *briefings) key(meetingID uuid.UUID) store.BriefingKey {
	return store.BriefingKey{OrganizationID: b.organization.ID, MeetingID: meetingID, PersonID: b.ada}
}

func (b *briefings) look(k store.BriefingKey, in time.Duration) store.BriefingLook {
	b.t.Helper()
	look, err := b.LookAtBriefing(context.Background(), k, b.now.Add(in))
	require.NoError(b.t, err)
	return look
}

func (b *briefings) of(k store.BriefingKey) store.Briefing {
	b.t.Helper()
	found, err := b.BriefingOf(context.Background(), k)
	require.NoError(b.t, err)
	return found
}

// asked are the briefs whose workflow has to be told; they are told.
func (b *briefings) asked() []store.BriefingKey {
	b.t.Helper()
	claimed, err := b.ClaimBriefings(context.Background(), 100)
	require.NoError(b.t, err)
	var keys []store.BriefingKey
	for _, a := range claimed {
		keys = append(keys, a.BriefingKey)
		require.NoError(b.t, b.ToldBriefing(context.Background(), a))
	}
	return keys
}

// make makes a brief as the activity does: first for the first time, then what changed.
func (b *briefings) make(k store.BriefingKey, in time.Duration, says string, records ...store.BriefingRecord) int64 {
	b.t.Helper()
	ctx := context.Background()
	w, err := b.BriefingWork(ctx, k, b.now.Add(in))
	require.NoError(b.t, err)
	require.True(b.t, w.Due)
	made := store.BriefingMade{BriefingKey: k, Asked: w.Asked, Brief: quoted(says), Records: records, ConnectionID: &b.connection, Tell: store.TellBriefing, Bare: w.Bare}
	if w.Told {
		made.Tell = ""
		if string(w.Last) != string(made.Brief) {
			made.Tell, made.Changes = store.TellBriefingUpdate, quoted("changed: "+says)
		}
	}
	version, err := b.SaveBriefing(ctx, made, b.now.Add(in))
	require.NoError(b.t, err)
	return version
}

func quoted(says string) []byte {
	raw, err := json.Marshal(says)
	if err != nil {
		panic(err)
	}
	return raw
}

// send delivers what stands, as whoever sends notices does, and says which kinds of
// notices there were.
func (b *briefings) send(k store.BriefingKey) []store.NoticeKind {
	b.t.Helper()
	ctx := context.Background()
	claimed, err := b.ClaimBriefingNotices(ctx, 100)
	require.NoError(b.t, err)
	kinds := []store.NoticeKind{}
	for _, n := range claimed {
		kinds = append(kinds, n.Kind)
		require.Equal(b.t, k.PersonID, *n.PersonID)
		brief, err := b.BriefingByID(ctx, b.organization.ID, *n.About.BriefingID)
		require.NoError(b.t, err)
		require.Equal(b.t, k, brief.BriefingKey)
		b.tellBrief(brief)
		require.NoError(b.t, b.NoticeWasSent(ctx, n))
	}
	return kinds
}

func (b *briefings) tellBrief(brief store.Briefing) {
	b.t.Helper()
	require.NoError(b.t, b.BriefingTold(context.Background(), store.BriefingTelling{
		OrganizationID: b.organization.ID, ID: brief.ID, Version: brief.Version, Channel: store.BriefingBySlack, Thread: json.RawMessage(`{"ts": "1"}`), Brief: brief.Brief,
	}))
}

// delivered is a meeting in three hours whose brief was told.
func (b *briefings) delivered(id string, records ...store.BriefingRecord) store.BriefingKey {
	b.t.Helper()
	k := b.schedule(id, 3*time.Hour)
	b.asked()
	b.make(k, 2*time.Hour, "first", records...)
	require.Equal(b.t, []store.NoticeKind{store.NoticeBriefingReady}, b.send(k))
	require.Equal(b.t, store.BriefingDelivered, b.of(k).State)
	require.Empty(b.t, b.asked())
	return k
}

// A brief is made anew at the very moment at which the one before was told: what differs
// is told, too.
func TestWhatChangesWhileABriefIsToldIsNotLost(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	ctx := context.Background()
	k := b.schedule("m", 3*time.Hour)
	b.make(k, 2*time.Hour, "first")
	claimed, err := b.ClaimBriefingNotices(ctx, 10)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	first := b.of(k)
	work, err := b.BriefingWork(ctx, k, b.now.Add(2*time.Hour))
	require.NoError(t, err)

	require.NoError(t, b.BriefingTold(ctx, store.BriefingTelling{
		OrganizationID: b.organization.ID, ID: first.ID, Version: first.Version, Channel: store.BriefingBySlack, Brief: first.Brief,
		Notice: claimed[0], How: "by slack",
	}))
	_, err = b.SaveBriefing(ctx, store.BriefingMade{BriefingKey: k, Asked: work.Asked, Brief: quoted("second"), Tell: store.TellBriefingUpdate}, b.now.Add(2*time.Hour))
	require.NoError(t, err)
	require.Equal(t, []store.NoticeKind{store.NoticeBriefingUpdate}, b.send(k))
	require.JSONEq(t, `"second"`, string(b.of(k).Told))
}

// Who has lost the claim of a notice learns of it before it sends.
func TestWhoLostANoticeDoesNotSendIt(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	ctx := context.Background()
	k := b.schedule("m", 3*time.Hour)
	b.make(k, 2*time.Hour, "first")
	claimed, err := b.ClaimBriefingNotices(ctx, 10)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	require.NoError(t, b.KeepNoticeProgress(ctx, claimed[0], store.NoticeProgress{Channel: store.BriefingBySlack, Doubt: true}))
	b.ExecForTest(t, `update notices set next_attempt_at = now()`)
	again, err := b.ClaimBriefingNotices(ctx, 10)
	require.NoError(t, err)
	require.Len(t, again, 1)
	require.True(t, again[0].Progress.Doubt)
	require.Error(t, b.KeepNoticeProgress(ctx, claimed[0], store.NoticeProgress{Channel: store.BriefingBySlack, Doubt: true}))
	require.NoError(t, b.KeepNoticeProgress(ctx, again[0], store.NoticeProgress{Channel: store.BriefingBySlack, Doubt: true}))
}

// The whole way: from the meeting's being scheduled to its beginning.
func TestABrief(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	ctx := t.Context()
	k := b.schedule("one", 3*time.Hour)
	require.Equal(t, []store.BriefingKey{k}, b.asked())
	require.Empty(t, b.asked())
	look := b.look(k, 0)
	require.Equal(t, store.BriefingLook{State: store.BriefingWaiting, Until: b.now.Add(2 * time.Hour), DueAt: b.now.Add(2 * time.Hour), StartsAt: b.now.Add(3 * time.Hour)}, look)
	require.Equal(t, look, b.look(k, 0), "looking twice changes nothing")
	require.False(t, b.look(k, 2*time.Hour-time.Second).Compose)
	require.True(t, b.look(k, 2*time.Hour).Compose)

	w, err := b.BriefingWork(ctx, k, b.now.Add(2*time.Hour))
	require.NoError(t, err)
	require.True(t, w.Due)
	require.Equal(t, "Renewal with Jane", w.Meeting.Content.Title)
	require.Equal(t, b.ada, w.Person.ID)
	require.Equal(t, b.organization.ID, w.Organization.ID)
	require.False(t, w.Told || w.Bare || w.Gone)
	require.Nil(t, w.Last)

	require.Equal(t, int64(1), b.make(k, 2*time.Hour, "Jane owns a deal of 42000", store.BriefingRecord{Object: "contact", ID: "501"}, store.BriefingRecord{Object: "contact", ID: "501"}))
	require.Equal(t, store.BriefingReady, b.of(k).State)
	require.False(t, b.look(k, 2*time.Hour).Compose)
	require.NotContains(t, b.dump(t), "42000", "what a brief says is sealed")

	require.Equal(t, []store.NoticeKind{store.NoticeBriefingReady}, b.send(k))
	brief := b.of(k)
	require.Equal(t, store.BriefingDelivered, brief.State)
	require.Equal(t, string(quoted("Jane owns a deal of 42000")), string(brief.Brief))
	require.Equal(t, brief.Brief, brief.Told)
	require.Equal(t, store.BriefingBySlack, brief.Channel)
	require.JSONEq(t, `{"ts": "1"}`, string(brief.Thread))
	require.NotNil(t, brief.FirstSentAt)

	look = b.look(k, 2*time.Hour)
	require.Equal(t, store.BriefingLook{State: store.BriefingDelivered, Until: b.now.Add(3*time.Hour + 5*time.Minute), StartsAt: b.now.Add(3 * time.Hour), HubID: 1001}, look)
	look = b.look(k, 3*time.Hour+6*time.Minute)
	require.True(t, look.Ended)
	require.Equal(t, store.BriefingDelivered, look.State)
}

// Most meetings need no brief, and then nothing is scheduled.
func TestWhichMeetingsAreBriefed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in     time.Duration
		change []func(*meeting.Event)
		before func(*briefings)
		briefs int
	}{
		"with somebody from outside": {3 * time.Hour, nil, nil, 1},
		"inside the lead time":       {10 * time.Minute, nil, nil, 1},
		"just begun":                 {-4 * time.Minute, nil, nil, 1},
		"long past":                  {-time.Hour, nil, nil, 0},
		"among colleagues":           {time.Hour, []func(*meeting.Event){host("ada"), invited("bob@acme.example", "zoe@eu.acme.example")}, nil, 0},
		"nobody is invited":          {time.Hour, []func(*meeting.Event){host("ada")}, nil, 0},
		"the host is unknown":        {time.Hour, []func(*meeting.Event){host("zoe"), invited(jane)}, nil, 0},
		"it is canceled":             {time.Hour, []func(*meeting.Event){host("ada"), invited(jane), func(e *meeting.Event) { e.Type = meeting.Canceled }}, nil, 0},
		"it has ended":               {time.Hour, []func(*meeting.Event){host("ada"), invited(jane), func(e *meeting.Event) { e.Type = meeting.Ended }}, nil, 0},
		"somebody without an address": {time.Hour, []func(*meeting.Event){host("ada"), func(e *meeting.Event) {
			e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person{Name: "Jane Roe"}, Role: "guest"})
		}}, nil, 1},
		"the host has left": {time.Hour, nil, func(b *briefings) {
			_, err := b.DeactivatePerson(context.Background(), b.organization.ID, b.ada, store.DeactivatedByAdmin, store.Operator)
			require.NoError(b.t, err)
		}, 0},
		"a rule excludes it": {time.Hour, nil, func(b *briefings) {
			require.NoError(b.t, b.UpdateSettings(context.Background(), b.organization.ID, []string{"acme.example"}, store.Settings{Exclusions: meeting.Exclusions{TitleWords: []string{"renewal"}}}, store.Operator))
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBriefings(t)
			if c.before != nil {
				c.before(b)
			}
			b.schedule("one", c.in, c.change...)
			require.Len(t, b.asked(), c.briefs)
		})
	}
}

// A meeting that is moved takes its brief with it.
func TestAMovedMeeting(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	k := b.schedule("one", 5*time.Hour)
	b.asked()
	require.Equal(t, b.now.Add(4*time.Hour), b.look(k, 0).Until)
	for name, to := range map[string]time.Duration{"earlier": 3 * time.Hour, "later": 8 * time.Hour} {
		b.tell(meeting.Scheduled, "one", b.now.Add(to))
		require.Equal(t, []store.BriefingKey{k}, b.asked(), name)
		require.Equal(t, b.now.Add(to-time.Hour), b.look(k, 0).Until, name)
	}
	b.tell(meeting.Scheduled, "one", b.now.Add(30*time.Minute))
	require.True(t, b.look(k, 0).Compose, "inside the lead time: at once")
	b.asked()
	b.tell(meeting.Scheduled, "one", b.now.Add(30*time.Minute))
	require.Empty(t, b.asked(), "nothing that matters changed")
	b.tell(meeting.Scheduled, "one", b.now.Add(-time.Hour))
	look := b.look(k, 0)
	require.True(t, look.Ended)
	require.Equal(t, store.BriefingSkipped, look.State)
	require.Equal(t, store.BriefingBegan, look.Reason)
}

// Who is not the host any more is not briefed, and who is, is.
func TestAnotherHost(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	k := b.schedule("one", 3*time.Hour)
	b.asked()
	b.tell(meeting.Scheduled, "one", b.now.Add(3*time.Hour), host("bob"), invited(jane))
	bobs := k
	bobs.PersonID = b.bob
	require.ElementsMatch(t, []store.BriefingKey{k, bobs}, b.asked())
	look := b.look(k, 0)
	require.True(t, look.Ended)
	require.Equal(t, store.BriefingCanceled, look.State)
	require.Equal(t, store.BriefingWaiting, b.look(bobs, 0).State)
	_, err := b.SaveBriefing(t.Context(), store.BriefingMade{BriefingKey: k, Brief: quoted("late"), Tell: store.TellBriefing}, b.now)
	require.NoError(t, err)
	require.Nil(t, b.of(k).Brief, "what was made meanwhile is dropped")
	require.Empty(t, b.send(k))
}

// Somebody who is known only after their meetings were scheduled is briefed, too.
func TestAHostWhoIsKnownLater(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	ctx := t.Context()
	zoes := b.schedule("one", 3*time.Hour, host("zoe"), invited(jane))
	bobs := b.schedule("two", 3*time.Hour, invited(jane), func(e *meeting.Event) { e.HostID = "zoom-7" })
	b.schedule("three", 3*time.Hour, host("kim"), invited(jane))
	require.Empty(t, b.asked())
	zoe, err := b.AddPerson(ctx, store.Person{OrganizationID: b.organization.ID, Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "Zoe@acme.example"}}}, store.Operator)
	require.NoError(t, err)
	zoes.PersonID = zoe.ID
	require.Equal(t, []store.BriefingKey{zoes}, b.asked())
	require.Equal(t, store.BriefingWaiting, b.look(zoes, 0).State)
	require.NoError(t, b.AddIdentity(ctx, b.organization.ID, b.bob, store.Identity{Kind: store.IdentityZoomHost, Value: "zoom-7"}, store.Operator))
	bobs.PersonID = b.bob
	require.Equal(t, []store.BriefingKey{bobs}, b.asked())
}

// A canceled meeting has no brief, and if it takes place after all it has one again.
func TestACanceledMeeting(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	k := b.schedule("one", 3*time.Hour)
	b.asked()
	b.tell(meeting.Canceled, "one", b.now.Add(3*time.Hour))
	require.Equal(t, []store.BriefingKey{k}, b.asked())
	look := b.look(k, 2*time.Hour)
	require.True(t, look.Ended)
	require.Equal(t, store.BriefingCanceled, look.State)
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from briefings where next_attempt_at = 'infinity'`), "nothing looks after it any more")
	b.tell(meeting.Scheduled, "one", b.now.Add(4*time.Hour))
	require.Equal(t, []store.BriefingKey{k}, b.asked())
	require.Equal(t, store.BriefingWaiting, b.look(k, 0).State)
}

// What is over is not looked at again and again.
func TestAMeetingThatIsOver(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	k, told := b.schedule("one", 3*time.Hour), b.delivered("two")
	b.asked()
	for _, typ := range []meeting.EventType{meeting.Ended, meeting.NotesReady, meeting.NotesUpdated} {
		for _, id := range []string{"one", "two"} {
			b.tell(typ, id, b.now.Add(3*time.Hour), host("ada"), invited(jane, string(typ)+"@northwind.example"), titled(string(typ)))
		}
		if typ == meeting.Ended {
			require.Equal(t, []store.BriefingKey{k}, b.asked())
			require.Equal(t, store.BriefingSkipped, b.look(k, 3*time.Hour).State)
		}
		require.Empty(t, b.asked(), typ)
	}
	require.Equal(t, store.BriefingDelivered, b.look(told, 3*time.Hour).State)
}

// Each occurrence of a series has its own.
func TestASeries(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	var keys []store.BriefingKey
	for day := range 3 {
		keys = append(keys, b.schedule(fmt.Sprintf("occurrence %d", day), time.Duration(24*(day+1))*time.Hour, host("ada"), invited(jane), room("77")))
	}
	require.ElementsMatch(t, keys, b.asked())
	for day, k := range keys {
		require.Equal(t, b.now.Add(time.Duration(24*(day+1)-1)*time.Hour), b.look(k, 0).Until)
	}
}

// What changes after the brief was told is told once, when it has settled.
func TestAnUpdate(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	k := b.delivered("one")
	b.tell(meeting.Scheduled, "one", b.now.Add(3*time.Hour), host("ada"), invited(jane, "sam@northwind.example"))
	require.Equal(t, []store.BriefingKey{k}, b.asked())
	look := b.look(k, 0)
	require.False(t, look.Compose, "what changes together is told together")
	require.Equal(t, b.now.Add(2*time.Hour+5*time.Minute), look.Until)
	b.ExecForTest(t, `update briefings set composed_at = now() - interval '1 hour'`)
	require.WithinDuration(t, time.Now().Add(30*time.Second), b.look(k, 0).Until, 20*time.Second)
	require.True(t, b.look(k, 2*time.Hour+10*time.Minute).Compose)
	b.make(k, 2*time.Hour+10*time.Minute, "second")
	require.Equal(t, store.BriefingDelivered, b.of(k).State)
	require.Equal(t, string(quoted("first")), string(b.of(k).Told))
	require.Equal(t, string(quoted("changed: second")), string(b.of(k).Changes))

	// While that is on its way, another change leads to no second notice, and is not lost.
	rendered := b.of(k)
	b.tell(meeting.Scheduled, "one", b.now.Add(3*time.Hour), host("ada"), invited(jane, "sam@northwind.example", "kim@northwind.example"))
	b.asked()
	b.make(k, 2*time.Hour+20*time.Minute, "third")
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from notices where kind = 'briefing.update'`))
	b.tellBrief(rendered)
	b.ExecForTest(t, `update notices set state = 'sent'`)
	require.Equal(t, []store.BriefingKey{k}, b.asked(), "a newer one stands already")
	require.Equal(t, string(quoted("second")), string(b.of(k).Told))
	b.make(k, 2*time.Hour+30*time.Minute, "third")
	require.Equal(t, []store.NoticeKind{store.NoticeBriefingUpdate}, b.send(k))
	require.Equal(t, string(quoted("third")), string(b.of(k).Told))
	require.Empty(t, b.asked())
	require.False(t, b.look(k, 2*time.Hour+50*time.Minute).Compose)

	// What makes no difference tells nobody.
	b.tell(meeting.Scheduled, "one", b.now.Add(3*time.Hour), host("ada"), invited(jane), titled("Renewal, really"))
	b.asked()
	b.make(k, 2*time.Hour+55*time.Minute, "third")
	require.Empty(t, b.send(k))
	require.Empty(t, b.asked())
	b.tell(meeting.Scheduled, "one", b.now.Add(3*time.Hour), host("ada"), invited(jane, "sam@northwind.example"))
	require.False(t, b.look(k, 3*time.Hour).Compose, "it has begun")
}

// A try that is repeated after its answer was lost tells nobody twice.
func TestATryThatIsRepeated(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	k := b.schedule("one", 3*time.Hour)
	w, err := b.BriefingWork(t.Context(), k, b.now.Add(2*time.Hour))
	require.NoError(t, err)
	for range 3 {
		_, err := b.SaveBriefing(t.Context(), store.BriefingMade{BriefingKey: k, Asked: w.Asked, Brief: quoted("first"), Tell: store.TellBriefing}, b.now.Add(2*time.Hour))
		require.NoError(t, err)
	}
	require.Equal(t, []store.NoticeKind{store.NoticeBriefingReady}, b.send(k))
}

// Updates do not wake anybody, unless the meeting does.
func TestUpdatesWaitForTheMorning(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ends  time.Duration // of the quiet hours, from now
		until time.Duration // when it is made
	}{
		"they end before the meeting": {150 * time.Minute, 150 * time.Minute},
		"the meeting begins in them":  {4 * time.Hour, 0},
		"they end when it has begun":  {181 * time.Minute, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBriefings(t)
			k := b.delivered("one")
			clock := func(in time.Duration) string { return b.now.Add(in).Format("15:04") }
			b.now = b.now.Truncate(time.Minute)
			require.NoError(t, b.SetNotifySettings(t.Context(), b.organization.ID, store.NotifySettings{QuietHours: clock(-time.Hour) + "-" + clock(c.ends)}, store.Operator))
			b.tell(meeting.Scheduled, "one", b.of(k).StartsAt.UTC(), host("ada"), invited(jane, "sam@northwind.example"))
			look := b.look(k, 135*time.Minute)
			require.Equal(t, c.until == 0, look.Compose)
			if c.until > 0 {
				require.Equal(t, b.now.Add(c.until), look.Until)
				require.True(t, b.look(k, c.until).Compose)
			}
		})
	}
}

// A meeting that is moved away after its brief was told is read once more before it
// begins, and what differs by then is told.
func TestABriefDoesNotGrowOld(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	k := b.delivered("one")
	b.tell(meeting.Scheduled, "one", b.now.Add(72*time.Hour))
	b.asked()
	b.make(k, 2*time.Hour+10*time.Minute, "moved")
	require.Equal(t, []store.NoticeKind{store.NoticeBriefingUpdate}, b.send(k))
	look := b.look(k, 3*time.Hour)
	require.False(t, look.Compose)
	require.Equal(t, b.now.Add(71*time.Hour), look.Until)
	b.make(k, 71*time.Hour, "moved")
	require.Empty(t, b.send(k))
	require.Equal(t, b.now.Add(72*time.Hour+5*time.Minute), b.look(k, 71*time.Hour).Until)
}

// Without its connection a brief waits, until it is better than none.
func TestABriefWithoutAConnection(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	ctx := t.Context()
	k := b.schedule("one", 3*time.Hour)
	b.ExecForTest(t, `update connections set state = 'needs_reconnect' where id = $1`, b.connection)
	require.NoError(t, b.PauseBriefing(ctx, k, &b.connection, b.now.Add(2*time.Hour)))
	b.asked()
	look := b.look(k, 2*time.Hour)
	require.True(t, look.Paused)
	require.False(t, look.Compose)
	require.Equal(t, b.now.Add(2*time.Hour+5*time.Minute), look.Until)
	look = b.look(k, 2*time.Hour+48*time.Minute)
	require.Equal(t, b.now.Add(2*time.Hour+50*time.Minute), look.Until)
	look = b.look(k, 2*time.Hour+50*time.Minute)
	require.True(t, look.Compose && look.Bare && look.Paused)
	b.make(k, 2*time.Hour+50*time.Minute, "nobody can say who Jane is")
	require.Equal(t, []store.NoticeKind{store.NoticeBriefingReady}, b.send(k))
	require.True(t, b.of(k).Bare)
	require.False(t, b.look(k, 2*time.Hour+51*time.Minute).Compose, "once")
	require.Empty(t, b.asked())

	b.ExecForTest(t, `update connections set state = 'connected' where id = $1`, b.connection)
	c, err := b.Connection(ctx, b.organization.ID, b.connection)
	require.NoError(t, err)
	b.ExecForTest(t, `update connections set state = 'needs_reconnect' where id = $1`, b.connection)
	require.NoError(t, b.ReconnectForTest(ctx, c.ID))
	require.Equal(t, []store.BriefingKey{k}, b.asked())
	look = b.look(k, 2*time.Hour+52*time.Minute)
	require.True(t, look.Compose)
	require.False(t, look.Bare || look.Paused)
	b.make(k, 2*time.Hour+52*time.Minute, "Jane is the CFO")
	require.Equal(t, []store.NoticeKind{store.NoticeBriefingUpdate}, b.send(k))
	require.False(t, b.look(k, 2*time.Hour+58*time.Minute).Compose)
}

// A reconnection that nobody told is found out, and so is one that never comes.
func TestAPauseEnds(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	back, never := b.schedule("one", 3*time.Hour), b.schedule("two", 3*time.Hour)
	gone := b.NewConnectionForTest(t, b.organization.ID, "needs_reconnect")
	b.ExecForTest(t, `update connections set hub_id = 2002 where id = $1`, gone)
	require.NoError(t, b.PauseBriefing(t.Context(), back, nil, b.now.Add(2*time.Hour)))
	require.NoError(t, b.PauseBriefing(t.Context(), never, &gone, b.now.Add(2*time.Hour)))
	require.True(t, b.look(back, 2*time.Hour+4*time.Minute).Paused)
	require.True(t, b.look(back, 2*time.Hour+5*time.Minute).Compose)
	look := b.look(never, 2*time.Hour+5*time.Minute)
	require.True(t, look.Paused)
	require.False(t, look.Compose)
	look = b.look(never, 3*time.Hour+6*time.Minute)
	require.Equal(t, store.BriefingSkipped, look.State)
	require.Equal(t, "it had begun before HubSpot could be read", look.Reason)
}

// HubSpot is tried again after a brief was made without it, and at once when somebody
// chose the connection.
func TestABareBriefIsMadeAgain(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	ctx := t.Context()
	k := b.schedule("one", 3*time.Hour)
	b.asked()
	save := func(in time.Duration) {
		_, err := b.SaveBriefing(ctx, store.BriefingMade{BriefingKey: k, Brief: quoted("bare"), Tell: store.TellBriefing, Bare: true}, b.now.Add(in))
		require.NoError(t, err)
		b.send(k)
	}
	save(2 * time.Hour)
	require.Equal(t, b.now.Add(2*time.Hour+15*time.Minute), b.look(k, 2*time.Hour).Until)
	require.True(t, b.look(k, 2*time.Hour+15*time.Minute).Compose)
	save(2*time.Hour + 50*time.Minute)
	require.Equal(t, b.now.Add(2*time.Hour+51*time.Minute), b.look(k, 2*time.Hour+50*time.Minute).Until)
	require.Empty(t, b.asked())
	_, err := b.AddConnectionRule(ctx, store.ConnectionRule{OrganizationID: b.organization.ID, HostPersonID: &b.ada, ConnectionID: b.connection}, store.Operator)
	require.NoError(t, err)
	require.Equal(t, []store.BriefingKey{k}, b.asked())
	require.NoError(t, b.ChooseConnection(ctx, b.organization.ID, k.MeetingID, b.connection, store.Operator))
	require.Equal(t, []store.BriefingKey{k}, b.asked())
}

func TestABriefThatReachesNobody(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	k := b.schedule("one", 3*time.Hour)
	b.make(k, 2*time.Hour, "first")
	look := b.look(k, 3*time.Hour+6*time.Minute)
	require.True(t, look.Ended)
	require.Equal(t, store.BriefingFailed, look.State)
}

// What is scheduled follows the settings.
func TestSettingsMoveBriefs(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	ctx := t.Context()
	k := b.schedule("one", 5*time.Hour)
	bobs := b.schedule("two", 5*time.Hour, host("bob"), invited(jane))
	bobs.PersonID = b.bob
	b.asked()
	require.NoError(t, b.SetBriefingSettings(ctx, b.organization.ID, store.BriefingSettings{Lead: "2h"}, store.Operator))
	require.ElementsMatch(t, []store.BriefingKey{k, bobs}, b.asked())
	require.Equal(t, b.now.Add(3*time.Hour), b.look(k, 0).Until)
	require.NoError(t, b.SetPersonBriefing(ctx, b.organization.ID, b.ada, store.BriefingSettings{Lead: "10m"}, store.Operator))
	require.Equal(t, []store.BriefingKey{k}, b.asked())
	require.Equal(t, b.now.Add(5*time.Hour-10*time.Minute), b.look(k, 0).Until)
	require.Equal(t, b.now.Add(3*time.Hour), b.look(bobs, 0).Until)

	require.NoError(t, b.SetBriefingSettings(ctx, b.organization.ID, store.BriefingSettings{Briefings: "off"}, store.Operator))
	b.asked()
	look := b.look(k, 0)
	require.True(t, look.Ended)
	require.Equal(t, store.BriefingSkipped, look.State)
	require.Equal(t, "briefings are switched off", look.Reason)
	// A digest still reads it, and tells nobody by it.
	w, err := b.BriefingWork(ctx, k, b.now)
	require.NoError(t, err)
	require.False(t, w.Due || w.Gone)
	require.Equal(t, "Renewal with Jane", w.Meeting.Content.Title)
	_, err = b.SaveBriefing(ctx, store.BriefingMade{BriefingKey: k, Asked: w.Asked, Brief: quoted("for the digest")}, b.now)
	require.NoError(t, err)
	require.Equal(t, string(quoted("for the digest")), string(b.of(k).Brief))
	require.Equal(t, store.BriefingSkipped, b.of(k).State)
	require.Empty(t, b.send(k))

	require.NoError(t, b.SetPersonBriefing(ctx, b.organization.ID, b.ada, store.BriefingSettings{Briefings: "on"}, store.Operator))
	require.Equal(t, []store.BriefingKey{k}, b.asked())
	look = b.look(k, 0)
	require.Equal(t, store.BriefingWaiting, look.State)
	require.Equal(t, b.now.Add(4*time.Hour), look.Until, "what a digest made is not what is told")
	require.True(t, b.look(k, 4*time.Hour).Compose)

	require.NoError(t, b.SetNotifySettings(ctx, b.organization.ID, store.NotifySettings{TimeZone: "Asia/Tokyo"}, store.Operator))
	require.ElementsMatch(t, []store.BriefingKey{k, bobs}, b.asked())
}

// Somebody who leaves is not briefed; somebody who comes back is, also on what was
// scheduled meanwhile.
func TestLeaversAreNotBriefed(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	ctx := t.Context()
	k, told := b.schedule("one", 3*time.Hour), b.delivered("two")
	_, err := b.DeactivatePerson(ctx, b.organization.ID, b.ada, store.DeactivatedByAdmin, store.Operator)
	require.NoError(t, err)
	require.ElementsMatch(t, []store.BriefingKey{k, told}, b.asked())
	for _, k := range []store.BriefingKey{k, told} {
		look := b.look(k, 2*time.Hour)
		require.True(t, look.Ended)
		require.Equal(t, store.BriefingSkipped, look.State)
		require.Equal(t, "the person left", look.Reason)
	}
	_, err = b.SaveBriefing(ctx, store.BriefingMade{BriefingKey: k, Brief: quoted("late"), Tell: store.TellBriefing}, b.now)
	require.NoError(t, err)
	require.Empty(t, b.send(k))
	meanwhile := b.schedule("three", 3*time.Hour)
	require.Empty(t, b.asked())
	require.NoError(t, b.ReactivatePerson(ctx, b.organization.ID, b.ada, store.Operator))
	require.ElementsMatch(t, []store.BriefingKey{k, told, meanwhile}, b.asked())
	require.Equal(t, store.BriefingWaiting, b.look(k, 0).State)
	require.Equal(t, store.BriefingDelivered, b.look(told, 0).State)
}

// What was dropped since its person had left is made again when they are back.
func TestADroppedBriefIsMadeAgain(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	ctx := t.Context()
	k := b.schedule("one", 3*time.Hour)
	b.make(k, 2*time.Hour, "first")
	_, err := b.DeactivatePerson(ctx, b.organization.ID, b.ada, store.DeactivatedByAdmin, store.Operator)
	require.NoError(t, err)
	claimed, err := b.ClaimBriefingNotices(ctx, 10)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	require.NoError(t, b.DropNotice(ctx, claimed[0], "the person left"))
	require.Equal(t, store.BriefingSkipped, b.look(k, 2*time.Hour).State)
	require.NoError(t, b.ReactivatePerson(ctx, b.organization.ID, b.ada, store.Operator))
	require.Equal(t, store.BriefingWaiting, b.look(k, 0).State)
	b.make(k, 2*time.Hour, "first")
	require.Equal(t, []store.NoticeKind{store.NoticeBriefingReady}, b.send(k))
}

// Two people who are one are briefed once.
func TestMergedPeopleAreBriefedOnce(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	k := b.delivered("one")
	require.NoError(t, b.MergePeople(t.Context(), b.organization.ID, b.bob, b.ada, store.Operator))
	require.Zero(t, b.CountForTest(t, `select count(*) from briefings where person_id = $1`, b.ada))
	k.PersonID = b.bob
	require.Equal(t, []store.BriefingKey{k}, b.asked())
	require.Equal(t, store.BriefingDelivered, b.look(k, 0).State)
}

// Two meetings that are one are briefed once, and what was told of the younger stands
// under the older one's key.
func TestMergedMeetingsAreBriefedOnce(t *testing.T) {
	t.Parallel()
	for name, told := range map[string]string{"neither was": "", "the older was": "older", "the younger was": "younger"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBriefings(t)
			older := b.schedule("", 3*time.Hour, host("ada"), invited(jane), room("77"))
			younger := b.schedule("", 3*time.Hour, host("ada"), invited("sam@northwind.example"), calendar("abc"))
			require.NotEqual(t, older, younger)
			if told != "" {
				k := map[string]store.BriefingKey{"older": older, "younger": younger}[told]
				b.make(k, 2*time.Hour, "by "+told)
				require.Equal(t, []store.NoticeKind{store.NoticeBriefingReady}, b.send(k))
			}
			b.asked()
			require.Equal(t, older.MeetingID, b.tell(meeting.Scheduled, "", b.now.Add(3*time.Hour), host("ada"), invited(jane), room("77"), calendar("abc")))
			_, err := b.LookAtBriefing(t.Context(), younger, b.now)
			require.ErrorIs(t, err, store.ErrNotFound)
			brief := b.of(older)
			require.Equal(t, 1, b.CountForTest(t, `select count(*) from briefings`))
			if told == "" {
				require.Equal(t, store.BriefingWaiting, b.look(older, 0).State)
				return
			}
			require.Equal(t, string(quoted("by "+told)), string(brief.Told))
			require.Equal(t, string(quoted("by "+told)), string(brief.Brief))
			require.Equal(t, store.BriefingDelivered, b.look(older, 0).State)
		})
	}
}

// Erasing a meeting erases what its briefs said, and ends them.
func TestAnErasedMeetingHasNoBrief(t *testing.T) {
	t.Parallel()
	for name, erase := range map[string]func(*briefings, store.BriefingKey){
		"erased": func(b *briefings, k store.BriefingKey) {
			require.NoError(b.t, b.EraseMeeting(context.Background(), k.OrganizationID, k.MeetingID, store.Operator))
		},
		"excluded": func(b *briefings, k store.BriefingKey) {
			require.NoError(b.t, b.UpdateSettings(context.Background(), k.OrganizationID, []string{"acme.example"}, store.Settings{Exclusions: meeting.Exclusions{TitleWords: []string{"secret"}}}, store.Operator))
			b.tell(meeting.Scheduled, "one", b.now.Add(3*time.Hour), host("ada"), invited(jane), titled("Secret"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBriefings(t)
			k := b.delivered("one", store.BriefingRecord{Object: "contact", ID: "501"})
			erase(b, k)
			brief := b.of(k)
			require.Nil(t, brief.Brief)
			require.Nil(t, brief.Told)
			require.Zero(t, b.CountForTest(t, `select count(*) from briefings where sealed is not null or sealed_told is not null`))
			require.Zero(t, b.CountForTest(t, `select count(*) from briefing_records`))
			look := b.look(k, 0)
			require.True(t, look.Ended)
			require.NotEqual(t, store.BriefingDelivered, look.State)
			w, err := b.BriefingWork(t.Context(), k, b.now)
			require.NoError(t, err)
			require.True(t, w.Gone)
			_, err = b.SaveBriefing(t.Context(), store.BriefingMade{BriefingKey: k, Brief: quoted("late"), Tell: store.TellBriefing}, b.now)
			require.NoError(t, err)
			b.tellBrief(brief)
			require.Nil(t, b.of(k).Told)
		})
	}
}

// Who is erased is in no brief any more, wherever they were in it, and nobody is told
// anew because of that.
func TestAnErasedPersonIsInNoBrief(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	named := b.delivered("named")
	other := b.delivered("other")
	b.now = b.now.Add(10 * time.Minute)
	for k, says := range map[store.BriefingKey]string{named: "met " + strings.ToUpper(jane) + " before", other: "about Sam"} {
		b.ExecForTest(t, `update briefings set changes = changes + 1, changed_at = now() - interval '1 minute' where meeting_id = $1`, k.MeetingID)
		b.make(k, 2*time.Hour, says)
		b.send(k)
	}
	// Those who are not among the invited.
	for _, id := range []string{"named", "other"} {
		b.tell(meeting.Scheduled, id, b.of(named).StartsAt.UTC(), host("ada"), invited("sam@northwind.example"))
	}
	b.asked()
	report, err := b.EraseContact(t.Context(), store.ErasureRequest{OrganizationID: b.organization.ID, Emails: []string{jane}}, store.Operator)
	require.NoError(t, err)
	require.Empty(t, report.Left)
	require.Nil(t, b.of(named).Brief)
	require.Nil(t, b.of(named).Told)
	require.Equal(t, string(quoted("about Sam")), string(b.of(other).Told))
	require.Contains(t, b.asked(), named)
	b.make(named, 2*time.Hour+20*time.Minute, "about nobody")
	require.Empty(t, b.send(named))
	require.Equal(t, string(quoted("about nobody")), string(b.of(named).Told), "what changes from here on can be told")
}

func TestABriefOfAnErasedContactIsFoundByItsID(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	k := b.delivered("one", store.BriefingRecord{Object: "contact", ID: "501"}, store.BriefingRecord{Object: "deal", ID: "501"})
	_, err := b.EraseContact(t.Context(), store.ErasureRequest{OrganizationID: b.organization.ID, HubID: 2002, ContactID: "501"}, store.Operator)
	require.NoError(t, err)
	require.NotNil(t, b.of(k).Brief, "in another account it is somebody else")
	_, err = b.EraseContact(t.Context(), store.ErasureRequest{OrganizationID: b.organization.ID, HubID: 1001, ContactID: "501"}, store.Operator)
	require.NoError(t, err)
	require.Nil(t, b.of(k).Brief)
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from briefing_records where object_type = 'deal'`))
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from briefing_records`))
}

// What happens to a record in the CRM has the briefs made anew that are made of it.
func TestTheCRMChangesUnderABrief(t *testing.T) {
	t.Parallel()
	change := func(typ, id string) hubspot.WebhookEvent {
		return hubspot.WebhookEvent{HubID: 1001, AppID: 9, Kind: hubspot.EventPropertyChange, Type: "propertyChange", ObjectTypeID: typ, ObjectID: id, PropertyName: "amount", PropertyValue: "7"}
	}
	for name, c := range map[string]struct {
		event hubspot.WebhookEvent
		marks bool
	}{
		"its deal":         {change("0-3", "77"), true},
		"another deal":     {change("0-3", "78"), false},
		"another's number": {change("0-1", "77"), false},
		"another account": {func() hubspot.WebhookEvent {
			e := change("0-3", "77")
			e.HubID = 2002
			return e
		}(), false},
		"it is deleted": {hubspot.WebhookEvent{HubID: 1001, AppID: 9, Kind: hubspot.EventDeletion, Type: "deal.deletion", ObjectTypeID: "0-3", ObjectID: "77"}, true},
		"it is merged away": {hubspot.WebhookEvent{
			HubID: 1001, AppID: 9, Kind: hubspot.EventMerge, Type: "deal.merge", ObjectTypeID: "0-3", PrimaryObjectID: "79", MergedObjectIDs: []string{"77"}, NewObjectID: "80",
		}, true},
		"a ticket is linked to it": {hubspot.WebhookEvent{
			HubID: 1001, AppID: 9, Kind: hubspot.EventAssociationChange, Type: "ticket.associationChange", ObjectTypeID: "0-5", FromObjectID: "12", ToObjectID: "77",
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBriefings(t)
			b.ExecForTest(t, `update connections set hub_id = 1001 where id = $1`, b.connection)
			elsewhere := b.NewConnectionForTest(t, b.organization.ID, "connected")
			b.ExecForTest(t, `update connections set hub_id = 2002 where id = $1`, elsewhere)
			deal := store.BriefingRecord{Object: "deal", ID: "77"}
			k, waiting := b.delivered("one", deal), b.schedule("two", 3*time.Hour)
			b.asked()
			c.event.OccurredAt = time.Now()
			crmDelivery(t, b.Store, hubspotSource(t, b.Store), c.event, c.event)
			b.ExecForTest(t, `update briefings set next_attempt_at = now() where next_attempt_at < now() + interval '11 seconds'`)
			if !c.marks {
				require.Empty(t, b.asked())
				return
			}
			require.Equal(t, []store.BriefingKey{k}, b.asked(), "once, and not what is not made yet: %v", waiting)
			require.True(t, b.look(k, 2*time.Hour+10*time.Minute).Compose)
			b.make(k, 2*time.Hour+10*time.Minute, "first", deal)
			require.False(t, b.look(k, 2*time.Hour+20*time.Minute).Compose)
			require.Empty(t, b.send(k))
		})
	}
}

// What is asked while an older asking is told must not be lost with it, and a look
// that is missed is asked for again.
func TestAskingBriefsToLook(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	ctx := t.Context()
	k := b.schedule("one", 3*time.Hour)
	claimed, err := b.ClaimBriefings(ctx, 10)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	require.Empty(t, b.asked(), "a claim is a lease")
	b.tell(meeting.Scheduled, "one", b.now.Add(4*time.Hour))
	b.look(k, 0)
	require.NoError(t, b.ToldBriefing(ctx, claimed[0]))
	require.Equal(t, []store.BriefingKey{k}, b.asked())
	require.Empty(t, b.asked())
	b.tell(meeting.Scheduled, "one", b.now.Add(5*time.Hour))
	b.asked()
	next := func() time.Duration {
		return time.Duration(b.CountForTest(t, `select extract(epoch from next_attempt_at - now())::int from briefings`)) * time.Second
	}
	require.InDelta(t, 5*time.Minute, next(), float64(10*time.Second), "told, and not looked yet")
	b.look(k, 0)
	require.InDelta(t, 4*time.Hour+5*time.Minute, next(), float64(30*time.Second))
}

func TestBriefsAreClaimedOnce(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	const many = 20
	for i := range many {
		b.schedule(fmt.Sprintf("meeting %d", i), 3*time.Hour)
	}
	var mu sync.Mutex
	seen := map[store.BriefingKey]int{}
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for {
				claimed, err := b.ClaimBriefings(context.Background(), 3)
				if err != nil || len(claimed) == 0 {
					return
				}
				mu.Lock()
				for _, a := range claimed {
					seen[a.BriefingKey]++
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
	require.Len(t, seen, many)
	for _, times := range seen {
		require.Equal(t, 1, times)
	}
}

func TestSendingABriefNow(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	ctx := t.Context()
	k := b.schedule("one", 48*time.Hour)
	require.NoError(t, b.SetBriefingSettings(ctx, b.organization.ID, store.BriefingSettings{Briefings: "off"}, store.Operator))
	b.asked()
	require.NoError(t, b.SendBriefing(ctx, k.OrganizationID, k.MeetingID, store.Operator))
	require.Equal(t, []store.BriefingKey{k}, b.asked())
	require.True(t, b.look(k, 0).Compose)
	b.make(k, 0, "first")
	require.Equal(t, store.BriefingReady, b.look(k, 0).State, "what is on its way arrives, although briefings are off")
	require.Equal(t, []store.NoticeKind{store.NoticeBriefingReady}, b.send(k))
	look := b.look(k, 0)
	require.True(t, look.Ended)
	require.Equal(t, store.BriefingDelivered, look.State)
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from audit where reason like '%is briefed now'`))
	require.NoError(t, b.SendBriefing(ctx, k.OrganizationID, k.MeetingID, store.Operator))
	b.make(k, time.Minute, "first")
	require.Empty(t, b.send(k), "nothing has changed since")
	require.False(t, b.look(k, time.Minute).Compose)

	over := b.tell(meeting.Ended, "over", b.now.Add(-time.Hour))
	internal := b.tell(meeting.Scheduled, "internal", b.now.Add(time.Hour), host("ada"), invited("bob@acme.example"))
	foreign := b.tell(meeting.Scheduled, "foreign", b.now.Add(time.Hour), host("zoe"), invited(jane))
	for _, id := range []uuid.UUID{over, internal, foreign} {
		var refusal *store.Refusal
		require.ErrorAs(t, b.SendBriefing(ctx, k.OrganizationID, id, store.Operator), &refusal)
	}
	require.ErrorIs(t, b.SendBriefing(ctx, k.OrganizationID, uuid.New(), store.Operator), store.ErrNotFound)
}

func TestWhoMaySeeABrief(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	ctx := t.Context()
	k := b.delivered("one")
	brief := b.of(k)
	admin, err := b.AddPerson(ctx, store.Person{OrganizationID: b.organization.ID, Role: store.RoleAdmin, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "root@acme.example"}}}, store.Operator)
	require.NoError(t, err)
	may := func(person uuid.UUID) bool {
		err := b.MaySeeBriefing(ctx, b.organization.ID, brief.ID, person)
		var refusal *store.Refusal
		require.True(t, err == nil || errors.As(err, &refusal), err)
		return err == nil
	}
	require.True(t, may(b.ada))
	require.True(t, may(admin.ID))
	require.False(t, may(b.bob))
	require.NoError(t, b.UpdatePerson(ctx, b.organization.ID, b.ada, store.PersonChange{StandInID: &b.bob}, store.Operator))
	require.False(t, may(b.bob), "a stand-in answers for those who left")
	_, err = b.DeactivatePerson(ctx, b.organization.ID, b.ada, store.DeactivatedByAdmin, store.Operator)
	require.NoError(t, err)
	require.True(t, may(b.bob))
	require.False(t, may(b.ada))
	require.Error(t, b.MaySeeBriefing(ctx, uuid.New(), brief.ID, admin.ID))
}

func TestListsOfBriefs(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	first, second := b.schedule("one", 3*time.Hour), b.schedule("two", 5*time.Hour)
	list := func(f store.BriefingFilter) (keys []store.BriefingKey) {
		all, err := b.Briefings(t.Context(), b.organization.ID, f)
		require.NoError(t, err)
		for _, brief := range all {
			keys = append(keys, brief.BriefingKey)
		}
		return keys
	}
	require.Equal(t, []store.BriefingKey{first, second}, list(store.BriefingFilter{}))
	require.Equal(t, []store.BriefingKey{first}, list(store.BriefingFilter{Limit: 1}))
	require.Equal(t, []store.BriefingKey{second}, list(store.BriefingFilter{From: b.now.Add(4 * time.Hour)}))
	require.Equal(t, []store.BriefingKey{first}, list(store.BriefingFilter{To: b.now.Add(4 * time.Hour), PersonID: &b.ada}))
	require.Empty(t, list(store.BriefingFilter{PersonID: &b.bob}))
	require.Empty(t, list(store.BriefingFilter{State: store.BriefingDelivered}))
	of, err := b.BriefingsOfMeeting(t.Context(), b.organization.ID, first.MeetingID)
	require.NoError(t, err)
	require.Len(t, of, 1)
	_, err = b.BriefingByID(t.Context(), uuid.New(), of[0].ID)
	require.ErrorIs(t, err, store.ErrNotFound)
}

// A month after the meeting a brief says nothing any more.
func TestOldBriefsArePruned(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	k := b.delivered("one", store.BriefingRecord{Object: "contact", ID: "501"})
	month := b.now.Add(3*time.Hour + 30*24*time.Hour)
	n, err := b.PruneBriefings(t.Context(), month)
	require.NoError(t, err)
	require.Zero(t, n)
	n, err = b.PruneBriefings(t.Context(), month.Add(time.Second))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Nil(t, b.of(k).Brief)
	require.NotNil(t, b.of(k).FirstSentAt)
	require.Zero(t, b.CountForTest(t, `select count(*) from briefing_records`))
	n, err = b.PruneBriefings(t.Context(), month.Add(time.Hour))
	require.NoError(t, err)
	require.Zero(t, n)
}

// Whoever changes meetings, settings, people and records at once waits for the others,
// and none of them fails.
func TestBriefsAmongManyHands(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	ctx := context.Background()
	source := hubspotSource(t, b.Store)
	const meetings, rounds = 4, 12
	contact := store.BriefingRecord{Object: "contact", ID: "501"}
	var keys []store.BriefingKey
	for i := range meetings {
		keys = append(keys, b.delivered(fmt.Sprintf("meeting %d", i), contact))
	}
	var hands sync.WaitGroup
	hand := func(do func(round int) error) {
		hands.Go(func() {
			for round := range rounds {
				if err := do(round); err != nil {
					t.Errorf("%v", err)
					return
				}
			}
		})
	}
	hand(func(round int) error {
		var events []meeting.Event
		for i := range meetings {
			e := meeting.Event{Type: meeting.Scheduled, DedupeKey: fmt.Sprintf("%d in round %d", i, round), Provider: "zoom", OccurredAt: b.now.Add(time.Duration(round) * time.Minute)}
			e.Keys.InstanceID, e.ScheduledStart = fmt.Sprintf("meeting %d", i), b.now.Add(3*time.Hour+time.Duration(round)*time.Minute)
			host("ada")(&e)
			invited(jane)(&e)
			events = append(events, e.Normalize())
		}
		body, err := json.Marshal(events)
		if err != nil {
			return err
		}
		id, _, err := b.InsertDelivery(ctx, store.NewDelivery{Source: b.source, DedupeKey: fmt.Sprintf("round %d", round), Body: body, ReceivedAt: b.now})
		if err != nil {
			return err
		}
		_, err = b.Understood(ctx, id, b.organization.ID, events)
		return err
	})
	hand(func(round int) error {
		return b.SetBriefingSettings(ctx, b.organization.ID, store.BriefingSettings{Lead: fmt.Sprintf("%dm", 30+round)}, store.Operator)
	})
	hand(func(round int) error {
		if round%2 == 0 {
			_, err := b.DeactivatePerson(ctx, b.organization.ID, b.bob, store.DeactivatedByAdmin, store.Operator)
			return err
		}
		return b.ReactivatePerson(ctx, b.organization.ID, b.bob, store.Operator)
	})
	hand(func(round int) error {
		id, _, err := b.InsertDelivery(ctx, store.NewDelivery{Source: source, DedupeKey: fmt.Sprintf("round %d", round), Body: []byte("[]"), ReceivedAt: time.Now(), Header: http.Header{}})
		if err != nil {
			return err
		}
		_, err = b.UnderstoodCRM(ctx, id, []hubspot.WebhookEvent{{
			HubID: 1001, AppID: 9, Kind: hubspot.EventPropertyChange, Type: "contact.propertyChange", ObjectTypeID: "0-1", ObjectID: "501",
			PropertyName: "phone", PropertyValue: fmt.Sprint(round), OccurredAt: time.Now(),
		}})
		return err
	})
	for range 2 {
		hand(func(round int) error {
			k := keys[round%meetings]
			w, err := b.BriefingWork(ctx, k, b.now.Add(2*time.Hour))
			if err != nil {
				return err
			}
			_, err = b.SaveBriefing(ctx, store.BriefingMade{
				BriefingKey: k, Asked: w.Asked, Brief: quoted(fmt.Sprint(round)), Records: []store.BriefingRecord{contact, {Object: "deal", ID: fmt.Sprint(round)}},
				ConnectionID: &b.connection, Tell: store.TellBriefingUpdate,
			}, b.now.Add(2*time.Hour))
			return err
		})
	}
	hand(func(int) error {
		claimed, err := b.ClaimBriefings(ctx, 3)
		for _, a := range claimed {
			err = errors.Join(err, b.ToldBriefing(ctx, a))
		}
		return err
	})
	hand(func(round int) error {
		brief, err := b.BriefingOf(ctx, keys[round%meetings])
		if err != nil {
			return err
		}
		return b.BriefingTold(ctx, store.BriefingTelling{OrganizationID: b.organization.ID, ID: brief.ID, Version: brief.Version, Channel: store.BriefingOnPage, Brief: brief.Brief})
	})
	hands.Wait()
}
