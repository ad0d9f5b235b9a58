package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

var tenOClock = time.Date(2026, 10, 6, 10, 0, 0, 0, time.UTC)

// intake is a store with an organization and a source of it.
type intake struct {
	*store.Store
	url          string
	organization store.Organization
	source       store.Source
}

func newIntake(t *testing.T) *intake {
	t.Helper()
	s, url := storetest.New(t)
	in := &intake{Store: s, url: url, organization: storetest.Organization(t, s)}
	in.source = in.addSource(t, "zoom")
	return in
}

func (in *intake) addSource(t *testing.T, name string) store.Source {
	t.Helper()
	source, err := in.CreateSource(context.Background(), store.NewSource{
		OrganizationID: &in.organization.ID, Platform: "zoom", Name: name, Secrets: []store.Secret{"planted-signing-secret"},
	}, store.Operator)
	require.NoError(t, err)
	return source
}

// deliver stores a delivery for the events and has it understood.
func (in *intake) deliver(t require.TestingT, events ...meeting.Event) store.Understanding {
	id := in.insert(t, events...)
	return in.understand(t, id, events...)
}

func (in *intake) insert(t require.TestingT, events ...meeting.Event) uuid.UUID {
	body, err := json.Marshal(events)
	require.NoError(t, err)
	id, inserted, err := in.InsertDelivery(context.Background(), store.NewDelivery{
		Source: in.source, DedupeKey: uuid.NewString(), Body: body, ReceivedAt: tenOClock, Header: http.Header{},
	})
	require.NoError(t, err)
	require.True(t, inserted)
	return id
}

func (in *intake) understand(t require.TestingT, id uuid.UUID, events ...meeting.Event) store.Understanding {
	normalized := make([]meeting.Event, 0, len(events))
	for _, e := range events {
		e = e.Normalize()
		require.NoError(t, e.Validate())
		normalized = append(normalized, e)
	}
	u, err := in.Understood(context.Background(), id, in.organization.ID, normalized)
	require.NoError(t, err)
	return u
}

func (in *intake) meetings(t require.TestingT) []store.Meeting {
	found, err := in.Meetings(context.Background(), in.organization.ID, store.MeetingFilter{})
	require.NoError(t, err)
	return found
}

// exec runs SQL beside the store, as nobody but a test may.
func (in *intake) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), in.url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(context.Background(), sql, args...)
	require.NoError(t, err)
}

// dump is every row of every table as text, as whoever steals the database sees it.
func (in *intake) dump(t *testing.T) string {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, in.url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, `select table_name::text from information_schema.tables where table_schema = 'public'`)
	require.NoError(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	var all strings.Builder
	for _, table := range tables {
		var text *string
		require.NoError(t, conn.QueryRow(ctx, `select string_agg(t::text, E'\n') from `+pgx.Identifier{table}.Sanitize()+` t`).Scan(&text))
		if text != nil {
			all.WriteString(*text)
		}
	}
	return all.String()
}

func event(typ meeting.EventType, key string, change ...func(*meeting.Event)) meeting.Event {
	e := meeting.Event{Type: typ, DedupeKey: key, Provider: "zoom", OccurredAt: tenOClock}
	for _, c := range change {
		c(&e)
	}
	return e
}

func instance(id string) func(*meeting.Event) {
	return func(e *meeting.Event) { e.Keys.InstanceID = id }
}

func from(provider string) func(*meeting.Event) {
	return func(e *meeting.Event) { e.Provider = provider }
}

func began(minutes int) func(*meeting.Event) {
	return func(e *meeting.Event) { e.ActualStart = tenOClock.Add(time.Duration(minutes) * time.Minute) }
}

func scheduled(minutes int) func(*meeting.Event) {
	return func(e *meeting.Event) { e.ScheduledStart = tenOClock.Add(time.Duration(minutes) * time.Minute) }
}

func room(number string) func(*meeting.Event) {
	return func(e *meeting.Event) {
		e.Keys.JoinURL = "https://harbor.zoom.us/j/" + number + "?pwd=planted-password"
	}
}

func calendar(uid string) func(*meeting.Event) {
	return func(e *meeting.Event) { e.Keys.ICalUID = uid }
}

func words(text string) func(*meeting.Event) {
	return func(e *meeting.Event) { e.Summary = meeting.Text{Format: "text", Text: text} }
}

func TestSources(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	in := newIntake(t)
	for _, secrets := range [][]store.Secret{nil, {""}, {"a", " "}, {"a", "b", "c"}} {
		_, err := in.CreateSource(ctx, store.NewSource{OrganizationID: &in.organization.ID, Platform: "zoom", Name: "x", Secrets: secrets}, store.Operator)
		require.Error(t, err)
	}
	_, err := in.CreateSource(ctx, store.NewSource{OrganizationID: &in.organization.ID, Platform: "zoom", Name: "zoom", Secrets: []store.Secret{"a"}}, store.Operator)
	require.ErrorContains(t, err, "exists already")

	require.NoError(t, in.RotateSourceSecret(ctx, in.source.ID, "second", store.Operator))
	require.NoError(t, in.RotateSourceSecret(ctx, in.source.ID, "third", store.Operator))
	got, err := in.Source(ctx, in.source.ID)
	require.NoError(t, err)
	require.Equal(t, []store.Secret{"third", "second"}, got.Secrets)
	require.Error(t, in.RotateSourceSecret(ctx, in.source.ID, "", store.Operator))
	require.NoError(t, in.RetireSourceSecret(ctx, in.source.ID, store.Operator))
	got, err = in.SourceByName(ctx, &in.organization.ID, "zoom")
	require.NoError(t, err)
	require.Equal(t, []store.Secret{"third"}, got.Secrets)

	require.NoError(t, in.DisableSource(ctx, in.source.ID, store.Operator))
	all, err := in.Sources(ctx, &in.organization.ID)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.NotNil(t, all[0].DisabledAt)
	require.NoError(t, in.EnableSource(ctx, in.source.ID, store.Operator))
	require.ErrorIs(t, in.DisableSource(ctx, uuid.New(), store.Operator), store.ErrNotFound)
	_, err = in.Source(ctx, uuid.New())
	require.ErrorIs(t, err, store.ErrNotFound)

	trail, err := in.AuditTrail(ctx, in.organization.ID, store.AuditFilter{Kind: store.AuditSource})
	require.NoError(t, err)
	var said []string
	for _, e := range trail {
		said = append(said, e.Reason)
	}
	require.Equal(t, []string{"created", "secret rotated", "secret rotated", "old secret retired", "disabled", "enabled"}, said)
	require.NotContains(t, in.dump(t), "third")
	require.NotContains(t, fmt.Sprintf("%v %+v", got, got), "third")
}

func TestDeliveriesAreClaimedOnce(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	in := newIntake(t)
	for range 40 {
		in.insert(t)
	}
	var mu sync.Mutex
	seen := map[uuid.UUID]int{}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				claimed, err := in.ClaimDeliveries(ctx, 3)
				if err != nil || len(claimed) == 0 {
					return
				}
				mu.Lock()
				for _, d := range claimed {
					seen[d.ID]++
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	require.Len(t, seen, 40)
	for _, n := range seen {
		require.Equal(t, 1, n)
	}
	// A lease that is over is another's; each is longer than the one before.
	in.exec(t, `update deliveries set next_attempt_at = now() - interval '1 second'`)
	again, err := in.ClaimDeliveries(ctx, 100)
	require.NoError(t, err)
	require.Len(t, again, 40)
	require.Equal(t, 2, again[0].Attempts)
	listed, err := in.Deliveries(ctx, store.DeliveryFilter{SourceID: in.source.ID, State: store.DeliveryReceived, Limit: 7})
	require.NoError(t, err)
	require.Len(t, listed, 7)
}

func TestOneMeetingOfSeveralPlatforms(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	first := in.deliver(t, event(meeting.Scheduled, "1", from("calcom"), scheduled(0), calendar("uid"), room("84412345678")))
	require.False(t, first.Woken, "nothing was said yet")
	in.deliver(t, event(meeting.Ended, "2", instance("u1"), began(3), room("84412345678")))
	third := in.deliver(t, event(meeting.NotesReady, "3", from("notetaker"), began(4), calendar("uid"), words("They renew.")))
	require.True(t, third.Woken)
	found := in.meetings(t)
	require.Len(t, found, 1)
	require.Equal(t, []string{"calcom", "notetaker", "zoom"}, found[0].Content.Providers)
	require.Equal(t, int64(3), found[0].Version)
	require.NotNil(t, found[0].FirstWordAt)

	wakeups, err := in.ClaimWakeups(context.Background(), 10)
	require.NoError(t, err)
	require.Len(t, wakeups, 2)
	require.Equal(t, found[0].ID, wakeups[0].MeetingID)
}

func TestWhatOnlyLooksAlikeStaysApart(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	for _, e := range []meeting.Event{
		event(meeting.Ended, "room at ten", instance("u1"), began(0), room("84412345678")),
		event(meeting.Ended, "the same room, ten minutes later, another instance", instance("u2"), began(10), room("84412345678")),
		event(meeting.NotesReady, "the same room, an hour later", from("notetaker"), began(60), room("84412345678")),
		event(meeting.Ended, "an occurrence", from("calcom"), scheduled(0), calendar("series")),
		event(meeting.Ended, "the next day's", from("calcom"), scheduled(24*60), calendar("series")),
		event(meeting.Ended, "a number of another platform", from("other"), instance("u1"), began(0)),
	} {
		in.deliver(t, e)
	}
	require.Len(t, in.meetings(t), 6)
}

// One event names two meetings: the younger becomes part of the older.
func TestMerge(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	in := newIntake(t)
	older := in.deliver(t, event(meeting.Scheduled, "1", from("calcom"), scheduled(0), calendar("uid"), words("agenda"))).MeetingIDs[0]
	younger := in.deliver(t, event(meeting.Ended, "2", instance("u1"), began(40), room("84412345678"))).MeetingIDs[0]
	require.NotEqual(t, older, younger)
	youngers, err := in.Deliveries(ctx, store.DeliveryFilter{MeetingID: younger})
	require.NoError(t, err)

	both := in.deliver(t, event(meeting.NotesReady, "3", instance("u1"), calendar("uid"), scheduled(0), words("They renew.")))
	require.Equal(t, []uuid.UUID{older}, both.MeetingIDs)
	found := in.meetings(t)
	require.Len(t, found, 1)
	require.Equal(t, older, found[0].ID)
	require.Equal(t, "They renew.", found[0].Content.Summary.Text)
	require.Equal(t, tenOClock.Add(40*time.Minute), found[0].Content.ActualStart, "what the younger knew")
	merged, err := in.MeetingByID(ctx, in.organization.ID, younger)
	require.NoError(t, err)
	require.Equal(t, older, *merged.MergedInto)
	require.Empty(t, merged.Content.Title)
	_, err = in.Body(ctx, youngers[0].ID)
	require.NoError(t, err, "its delivery opens with the other key")

	// By every name it is the older one now.
	in.deliver(t, event(meeting.NotesUpdated, "4", began(41), from("x"), room("84412345678")))
	require.Len(t, in.meetings(t), 1)
}

func TestNoMergeAfterAWriteOrADecision(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]string{
		"a write of the older":                    `insert into actions (id, organization_id, origin_kind, origin_id, round, key, object_type, operation, position, state, content_mac) values (gen_random_uuid(), $1, 'meeting', $2, 1, 'k', 'note', 'create', 1, 'written', '')`,
		"a call of the younger out":               `insert into actions (id, organization_id, origin_kind, origin_id, round, key, object_type, operation, position, state, content_mac) select gen_random_uuid(), $1, 'meeting', $3::uuid, 1, 'k', 'note', 'create', 1, 'unknown', '' where $2::uuid is not null`,
		"a lost call of the younger, asked about": `insert into actions (id, organization_id, origin_kind, origin_id, round, key, object_type, operation, position, state, content_mac, may_exist_since) select gen_random_uuid(), $1, 'meeting', $3::uuid, 1, 'k', 'note', 'create', 1, 'asking', '', now() where $2::uuid is not null`,
		"a lost call of the older, left in doubt": `insert into actions (id, organization_id, origin_kind, origin_id, round, key, object_type, operation, position, state, content_mac, may_exist_since) values (gen_random_uuid(), $1, 'meeting', $2, 1, 'k', 'note', 'create', 1, 'expired', '', now())`,
		"a decision on the younger": `with a as (insert into actions (id, organization_id, origin_kind, origin_id, round, key, object_type, operation, position, state, content_mac) values (gen_random_uuid(), $1, 'meeting', $3::uuid, 1, 'k', 'note', 'create', 1, 'ready', '') returning id)
			insert into approvals (id, organization_id, action_id, state, content_mac, round, expires_at) select gen_random_uuid(), $1, id, 'approved', '', 1, now() from a where $2::uuid is not null`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := newIntake(t)
			older := in.deliver(t, event(meeting.Scheduled, "1", from("calcom"), scheduled(0), calendar("uid"))).MeetingIDs[0]
			younger := in.deliver(t, event(meeting.Ended, "2", instance("u1"), began(40))).MeetingIDs[0]
			if strings.Contains(prepare, "$3") {
				in.exec(t, prepare, in.organization.ID, older, younger)
			} else {
				in.exec(t, prepare, in.organization.ID, older)
			}
			u := in.deliver(t, event(meeting.NotesReady, "3", instance("u1"), calendar("uid"), scheduled(0)))
			require.Contains(t, u.Reason, "names two meetings")
			require.Len(t, in.meetings(t), 2)
			notes, err := in.MeetingByID(context.Background(), in.organization.ID, younger)
			require.NoError(t, err)
			require.True(t, notes.Content.HasNotes, "it goes where its instance is")
		})
	}
}

func TestRevisionAndReplay(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	in := newIntake(t)
	draft := event(meeting.NotesReady, "n", instance("u1"), words("draft"))
	id := in.insert(t, draft)
	m := in.understand(t, id, draft).MeetingIDs[0]
	again := in.deliver(t, draft)
	require.Equal(t, []uuid.UUID{m}, again.MeetingIDs)
	require.Empty(t, again.Changed, "the same event changes nothing")
	require.False(t, again.Woken)

	final := draft
	final.OccurredAt = final.OccurredAt.Add(time.Minute)
	final.Summary.Text = "final"
	final.Keys.InstanceID = "corrected" // a revision stays where it was, whatever it names
	require.Equal(t, []uuid.UUID{m}, in.deliver(t, final).MeetingIDs)
	require.Equal(t, "final", in.meetings(t)[0].Content.Summary.Text)
	require.Len(t, in.meetings(t), 1)

	// The same key of another source is another event.
	in.source = in.addSource(t, "second")
	in.deliver(t, event(meeting.Ended, "n", instance("u1")))
	require.Equal(t, "final", in.meetings(t)[0].Content.Summary.Text)

	require.NoError(t, in.ResumeDelivery(ctx, id, store.Operator))
	version := in.meetings(t)[0].Version
	in.understand(t, id, draft)
	require.Equal(t, version, in.meetings(t)[0].Version)
	require.Empty(t, in.understand(t, id, draft).MeetingIDs, "settled already")
}

func TestHost(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	person := uuid.New()
	in.exec(t, `insert into people (id, organization_id, name) values ($1, $2, 'Dana')`, person, in.organization.ID)
	in.exec(t, `insert into person_identities (organization_id, kind, value, person_id) values ($1, 'email', 'dana@acme.example', $2), ($1, 'zoom_host', 'hOst', $2)`,
		in.organization.ID, person)
	in.deliver(t, event(meeting.Ended, "1", instance("u1"), func(e *meeting.Event) { e.Organizer.Email = "Dana@Acme.example" }))
	in.deliver(t, event(meeting.Ended, "2", instance("u2"), func(e *meeting.Event) { e.HostID = "hOst" }))
	in.deliver(t, event(meeting.Ended, "3", instance("u3")))
	known := 0
	for _, m := range in.meetings(t) {
		if m.HostPersonID != nil {
			require.Equal(t, person, *m.HostPersonID)
			known++
		}
	}
	require.Equal(t, 2, known)
}

// Promise 2, all at once: the events of a few meetings, each several times, from
// many goroutines. One meeting each in the end, with one and the same content.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	var events []meeting.Event
	for m := range 3 {
		number, uid, id := fmt.Sprintf("8441234567%d", m), fmt.Sprintf("uid%d", m), fmt.Sprintf("u%d", m)
		events = append(events,
			event(meeting.Scheduled, id+"s", from("calcom"), scheduled(0), calendar(uid), room(number)),
			event(meeting.ParticipantJoined, id+"j", instance(id), began(2)),
			event(meeting.Ended, id+"e", instance(id), began(2), room(number)),
			event(meeting.NotesReady, id+"n", from("notetaker"), scheduled(0), calendar(uid), words("notes of "+id)),
		)
	}
	told := append(append(append([]meeting.Event(nil), events...), events...), events...)
	rand.Shuffle(len(told), func(i, j int) { told[i], told[j] = told[j], told[i] })
	work := make(chan meeting.Event)
	failed := make(chan error, len(told))
	var all sync.WaitGroup
	for range 6 {
		all.Go(func() {
			for e := range work {
				id := in.insert(t, e)
				if _, err := in.Understood(context.Background(), id, in.organization.ID, []meeting.Event{e.Normalize()}); err != nil {
					failed <- err
				}
			}
		})
	}
	for _, e := range told {
		work <- e
	}
	close(work)
	all.Wait()
	close(failed)
	for err := range failed {
		require.NoError(t, err)
	}
	found := in.meetings(t)
	require.Len(t, found, 3)
	for _, m := range found {
		require.True(t, m.Content.HasNotes)
		require.Len(t, m.Content.Providers, 3)
		require.Equal(t, tenOClock.Add(2*time.Minute), m.Content.ActualStart)
	}
}

// Promise 10: nothing of a meeting stands in clear, and erasing it is for good.
func TestErase(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	in := newIntake(t)
	e := event(meeting.NotesReady, "1", instance("u1"), room("84412345678"), began(0), words("planted words"), func(e *meeting.Event) {
		e.Title = "planted title"
		e.Attendees = []meeting.Attendee{{Person: meeting.Person{Name: "Planted Person", Email: "planted@northwind.example"}}}
	})
	other := event(meeting.NotesReady, "2", instance("u2"), words("other words"))
	id := in.insert(t, e, other)
	u := in.understand(t, id, e, other)
	require.Len(t, u.MeetingIDs, 2)
	require.NotContains(t, strings.ToLower(in.dump(t)), "planted")

	require.ErrorIs(t, in.EraseMeeting(ctx, uuid.New(), u.MeetingIDs[0], store.Operator), store.ErrNotFound)
	require.NoError(t, in.EraseMeeting(ctx, in.organization.ID, u.MeetingIDs[0], store.Operator))
	require.NoError(t, in.EraseMeeting(ctx, in.organization.ID, u.MeetingIDs[0], store.Operator))
	m, err := in.MeetingByID(ctx, in.organization.ID, u.MeetingIDs[0])
	require.NoError(t, err)
	require.NotNil(t, m.ErasedAt)
	require.Equal(t, meeting.Meeting{}, m.Content)
	_, err = in.Body(ctx, id)
	require.ErrorIs(t, err, store.ErrErased)
	kept, err := in.MeetingByID(ctx, in.organization.ID, u.MeetingIDs[1])
	require.NoError(t, err)
	require.Equal(t, "other words", kept.Content.Summary.Text)

	// What comes after does not bring it back.
	late := event(meeting.NotesUpdated, "3", instance("u1"), words("more planted words"))
	lateID := in.insert(t, late)
	in.understand(t, lateID, late)
	d, err := in.DeliveryByID(ctx, lateID)
	require.NoError(t, err)
	require.Equal(t, store.DeliveryExcluded, d.State)
	require.False(t, d.HasBody)
	same := in.insert(t, e)
	in.understand(t, same, e)
	d, err = in.DeliveryByID(ctx, same)
	require.NoError(t, err)
	require.Equal(t, store.DeliveryExcluded, d.State)
	require.Len(t, in.meetings(t), 2)
}

func TestMeetingsOfOthersAreNotThere(t *testing.T) {
	t.Parallel()
	in := newIntake(t)
	m := in.deliver(t, event(meeting.Ended, "1", instance("u1"))).MeetingIDs[0]
	other := storetest.Organization(t, in.Store)
	_, err := in.MeetingByID(context.Background(), other.ID, m)
	require.ErrorIs(t, err, store.ErrNotFound)
	found, err := in.Meetings(context.Background(), other.ID, store.MeetingFilter{})
	require.NoError(t, err)
	require.Empty(t, found)
}

func TestWakeups(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	in := newIntake(t)
	m := in.deliver(t, event(meeting.Scheduled, "1", instance("u1"))).MeetingIDs[0]
	require.NoError(t, in.Wake(ctx, in.organization.ID, m, "a test"))
	claimed, err := in.ClaimWakeups(ctx, 10)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	require.Equal(t, "a test", claimed[0].Reason)
	again, err := in.ClaimWakeups(ctx, 10)
	require.NoError(t, err)
	require.Empty(t, again, "claimed")
	require.NoError(t, in.RetryWakeup(ctx, claimed[0].ID))
	in.exec(t, `update wakeups set next_attempt_at = next_attempt_at - interval '1 second'`)
	again, err = in.ClaimWakeups(ctx, 10)
	require.NoError(t, err)
	require.Len(t, again, 1, "due a second after it failed")
	require.NoError(t, in.DeleteWakeup(ctx, claimed[0].ID))
	n, _, err := in.PendingWakeups(ctx)
	require.NoError(t, err)
	require.Zero(t, n)
}
