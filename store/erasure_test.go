package store_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

const jane = "jane.roe@northwind.example"

// metEvent tells the notes of a meeting of Ada, who is ours, with others.
func metEvent(id string, start time.Time, others ...meeting.Attendee) meeting.Event {
	return meeting.Event{
		Type: meeting.NotesReady, DedupeKey: id, OccurredAt: start.Add(time.Hour), Provider: "zoom",
		Details: meeting.Details{
			Keys: meeting.Keys{InstanceID: id}, Title: "Renewal with Jane Roe", ActualStart: start, ActualEnd: start.Add(time.Hour),
			Organizer:   meeting.Person{Name: "Ada Byron", Email: "ada@acme.example"},
			Attendees:   append([]meeting.Attendee{{Person: meeting.Person{Name: "Ada Byron", Email: "ada@acme.example"}, Role: "host"}}, others...),
			Summary:     meeting.Text{Text: "Jane wants 40 seats. Write to JANE.ROE@northwind.example; Sam agrees."},
			ActionItems: []meeting.ActionItem{{Text: "Send Jane Roe the offer", AssigneeName: "Jane Roe", AssigneeEmail: jane}},
			Transcript: meeting.Transcript{Status: "ready", Segments: []meeting.Segment{
				{Speaker: "Jane Roe", Email: jane, Text: "my phone is private"}, {Speaker: "Sam Poe", Text: "I agree with Jane"},
			}},
		},
	}
}

func attendee(name, email string) meeting.Attendee {
	return meeting.Attendee{Person: meeting.Person{Name: name, Email: email}, Role: "participant"}
}

// erasureBench is an organization that met Jane alone, Jane with Sam, and Sam alone.
type erasureBench struct {
	*intake
	alone, both, without uuid.UUID
	connection           uuid.UUID
	contact              policy.Tool
}

func newErasureBench(t *testing.T) *erasureBench {
	t.Helper()
	ctx := context.Background()
	in := newIntake(t)
	require.NoError(t, in.ApplyPreset(ctx, in.organization.ID, policy.Permissions{createContact: policy.Ask, updateDeal: policy.Ask}, store.Operator))
	in.ExecForTest(t, `update organizations set domains = '{acme.example}' where id = $1`, in.organization.ID)
	b := &erasureBench{intake: in, contact: policy.Tool{Object: "contact", Operation: policy.Update}, connection: in.NewConnectionForTest(t, in.organization.ID, "connected")}
	met := func(id string, day int, others ...meeting.Attendee) uuid.UUID {
		u := in.deliver(t, metEvent(id, tenOClock.AddDate(0, 0, day), others...))
		require.Len(t, u.MeetingIDs, 1)
		return u.MeetingIDs[0]
	}
	sam := attendee("Sam Poe", "sam@northwind.example")
	b.alone = met("alone", 0, attendee("Jane Roe", jane))
	b.both = met("both", 1, attendee("Jane Roe", strings.ToUpper(jane)), sam)
	quiet := metEvent("without", tenOClock.AddDate(0, 0, 2), sam)
	quiet.Title, quiet.Summary, quiet.ActionItems, quiet.Transcript = "Renewal", meeting.Text{Text: "Sam agrees."}, nil, meeting.Transcript{}
	b.without = in.deliver(t, quiet).MeetingIDs[0]
	return b
}

// plan plans the first round of a meeting: something about Jane, something not.
func (b *erasureBench) plan(t *testing.T, id uuid.UUID) {
	t.Helper()
	m, err := b.MeetingByID(context.Background(), b.organization.ID, id)
	require.NoError(t, err)
	about := draft(createContact, "contact:1", map[string]string{"email": jane})
	other := draft(updateDeal, "deal:1", map[string]string{"amount": "42000"})
	other.TargetID = "9"
	require.NoError(t, b.SavePlan(context.Background(), store.Plan{
		OrganizationID: b.organization.ID, MeetingID: id, MeetingVersion: m.Version, ConnectionID: b.connection, Drafts: []store.Draft{about, other},
		Resolution: map[string]any{"contacts": []map[string]any{{"id": "501", "properties": map[string]string{"email": jane}}}},
	}))
}

// closes plans a follow-up, and closes it with all of it written.
func (b *erasureBench) closes(t *testing.T, id uuid.UUID) {
	t.Helper()
	b.plan(t, id)
	b.ExecForTest(t, `update actions set state = 'written' where origin_id = $1`, id)
	b.ExecForTest(t, `update approvals set state = 'approved', decided_at = now()`)
	closed, err := b.CloseFollowUp(context.Background(), b.organization.ID, id)
	require.NoError(t, err)
	require.True(t, closed)
}

func (b *erasureBench) forgetJane(t *testing.T) (store.Erasure, error) {
	t.Helper()
	return b.EraseContact(context.Background(), store.ErasureRequest{OrganizationID: b.organization.ID, HubID: 1001, ContactID: "501"}, store.Actor{Name: "debrief"})
}

// What agents and scripts did about somebody goes as a whole, whether it holds an address
// or, as most do, the contact's ID and a name.
func TestCallsAboutAPersonAreErased(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newErasureBench(t)
	b.plan(t, b.both) // from its resolution the address is learned
	require.NoError(t, b.SetPermission(ctx, b.organization.ID, b.contact, policy.Ask, store.Operator))
	person, err := b.AddPerson(ctx, store.Person{
		OrganizationID: b.organization.ID, Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "mara@acme.example"}},
	}, store.Operator)
	require.NoError(t, err)
	begin := func(target, label string, properties map[string]string) uuid.UUID {
		call, err := b.BeginCall(ctx, store.NewCall{
			OrganizationID: b.organization.ID, PersonID: person.ID, Source: store.OriginAgent, ConnectionID: b.connection, Tool: b.contact, TargetID: target,
			Label: label, Properties: properties, Resolution: struct{}{},
		})
		require.NoError(t, err)
		return call.ID
	}
	byID := begin("501", "Jane Roe", map[string]string{"jobtitle": "Head of Grids"})
	byAddress := begin("77", "somebody", map[string]string{"hs_content": "like " + jane})
	other := begin("78", "Sam Poe", map[string]string{"jobtitle": "Buyer"})

	report, err := b.forgetJane(t)
	require.NoError(t, err)
	require.Empty(t, report.Left)
	words := func(id uuid.UUID) int {
		return b.CountForTest(t, `select count(*) from meetings m join actions a on a.origin_id = m.id where m.id = $1 and (m.sealed is not null or a.sealed is not null)`, id)
	}
	require.Zero(t, words(byID))
	require.Zero(t, words(byAddress))
	require.NotZero(t, words(other))
	for id, state := range map[uuid.UUID]store.ActionState{byID: store.ActionWithdrawn, byAddress: store.ActionWithdrawn, other: store.ActionAsking} {
		call, err := b.Call(ctx, b.organization.ID, person.ID, id)
		require.NoError(t, err)
		require.Equal(t, state, call.State)
	}
}

func TestAPersonIsErasedEverywhere(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newErasureBench(t)
	b.plan(t, b.both) // from its resolution the address is learned
	source := hubspotSource(t, b.Store)
	forget := hubspot.WebhookEvent{HubID: 1001, AppID: 9, OccurredAt: time.Now(), Type: "contact.privacyDeletion", Kind: hubspot.EventPrivacyDeletion, ObjectTypeID: "0-1", ObjectID: "501"}
	email := hubspot.WebhookEvent{HubID: 1001, AppID: 9, OccurredAt: time.Now(), Type: "contact.propertyChange", Kind: hubspot.EventPropertyChange, ObjectTypeID: "0-1", ObjectID: "501", PropertyName: "email", PropertyValue: jane}
	crmDelivery(t, b.Store, source, forget, email)
	record := store.CRMRecord{OrganizationID: b.organization.ID, HubID: 1001, Object: "contact", ID: "501"}
	followed, err := b.FollowCRMRecord(ctx, record)
	require.NoError(t, err)
	require.True(t, followed.Erase, "it is still to be done")
	untouched := b.meeting(t, b.without)

	report, err := b.forgetJane(t)
	require.NoError(t, err)
	require.Equal(t, 1, report.Addresses)
	require.Equal(t, 1, report.MeetingsErased)
	require.Equal(t, 1, report.MeetingsRedacted)
	require.NotZero(t, report.Searched)
	require.Empty(t, report.Left)
	require.NotNil(t, report.DoneAt)

	require.NotNil(t, b.meeting(t, b.alone).ErasedAt, "with that person alone: the key is deleted")
	require.Equal(t, untouched, b.meeting(t, b.without))

	both := b.meeting(t, b.both)
	require.Nil(t, both.ErasedAt)
	require.Len(t, both.Content.Attendees, 2)
	require.Equal(t, "Renewal with [erased]", both.Content.Title)
	require.Equal(t, "[erased] wants 40 seats. Write to [erased]; Sam agrees.", both.Content.Summary.Text)
	require.Equal(t, []meeting.Segment{{Speaker: "[erased]", Text: "[erased]"}, {Speaker: "Sam Poe", Text: "I agree with [erased]"}}, both.Content.Transcript.Segments)
	for _, item := range both.Content.ActionItems {
		require.NotContains(t, item.Text+item.AssigneeName+item.AssigneeEmail, "Roe")
	}
	deliveries, err := b.Deliveries(ctx, store.DeliveryFilter{MeetingID: b.both})
	require.NoError(t, err)
	require.False(t, deliveries[0].HasBody)

	// What was planned about her is gone; the rest is planned anew.
	actions, err := b.ActionsOf(ctx, b.organization.ID, b.both)
	require.NoError(t, err)
	require.Equal(t, store.ActionWithdrawn, actions[0].State)
	require.Empty(t, actions[0].Content.Properties)
	require.Equal(t, store.ActionAsking, actions[1].State)
	require.Equal(t, "42000", actions[1].Content.Properties["amount"])
	b.ExecForTest(t, `update meetings set updated_at = now() - interval '1 hour' where id = $1`, b.both)
	look, err := b.LookAt(ctx, b.organization.ID, b.both)
	require.NoError(t, err)
	require.Equal(t, store.NextPlan, look.Next)

	// The event is settled, what HubSpot told of her before has no value any more.
	events, err := b.CRMEvents(ctx, b.organization.ID, 10)
	require.NoError(t, err)
	for _, e := range events {
		require.Equal(t, store.CRMEventDone, e.State)
	}
	require.Zero(t, b.CountForTest(t, `select count(*) from crm_events where sealed_value is not null`))
	require.Zero(t, b.CountForTest(t, `select count(*) from erasures where sealed_addresses is not null`))
	listed, err := b.Erasures(ctx, b.organization.ID, 10)
	require.NoError(t, err)
	require.Len(t, listed, 1)
	require.Equal(t, report.Searched, listed[0].Searched)
	require.NotContains(t, b.dump(t), "northwind.example\"")

	// The meeting's key lives on, for the others: what Temporal has is to be deleted.
	require.Equal(t, 1, listed[0].HistoriesLeft)
	histories, err := b.HistoriesToForget(ctx, b.organization.ID)
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{b.both}, histories)
	b.ExecForTest(t, `delete from wakeups`)
	for range 2 {
		require.NoError(t, b.HistoryForgotten(ctx, b.organization.ID, b.both))
	}
	histories, err = b.HistoriesToForget(ctx, b.organization.ID)
	require.NoError(t, err)
	require.Empty(t, histories)
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from wakeups where meeting_id = $1`, b.both), "it is open: it begins anew")

	// The platform sends the notes once more: she does not come back.
	b.deliver(t, metEvent("both", tenOClock.AddDate(0, 0, 1), attendee("Jane Roe", strings.ToUpper(jane)), attendee("Sam Poe", "sam@northwind.example")))
	require.Equal(t, both.Content, b.meeting(t, b.both).Content)
}

func (b *erasureBench) meeting(t *testing.T, id uuid.UUID) store.Meeting {
	t.Helper()
	m, err := b.MeetingByID(context.Background(), b.organization.ID, id)
	require.NoError(t, err)
	return m
}

// Nothing new was said: a follow-up that was closed does not begin again, and
// writes nothing.
func TestErasingOpensNoRoundOfAClosedFollowUp(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newErasureBench(t)
	b.closes(t, b.both)
	_, err := b.forgetJane(t)
	require.NoError(t, err)
	b.ExecForTest(t, `update meetings set updated_at = now() - interval '1 hour' where id = $1`, b.both)
	look, err := b.LookAt(ctx, b.organization.ID, b.both)
	require.NoError(t, err)
	require.Equal(t, store.NextDone, look.Next)
	require.Equal(t, 1, look.Round)
}

// What is at work is not torn out: it says that it is not done, keeps the
// addresses, and goes on.
func TestAnErasureThatCannotEndYetSaysSo(t *testing.T) {
	t.Parallel()
	b := newErasureBench(t)
	b.plan(t, b.both)
	b.ExecForTest(t, `update actions set state = 'writing' where origin_id = $1 and key = 'contact:1'`, b.both)
	report, err := b.forgetJane(t)
	require.ErrorIs(t, err, store.ErrErasureUnfinished)
	require.Len(t, report.Left, 1)
	require.True(t, strings.HasPrefix(report.Left[0], "actions.sealed "), report.Left[0])
	require.Nil(t, report.DoneAt)

	b.ExecForTest(t, `update actions set state = 'written', record_id = '501' where origin_id = $1 and key = 'contact:1'`, b.both)
	again, err := b.forgetJane(t)
	require.NoError(t, err)
	require.Equal(t, report.ID, again.ID, "the same one goes on, though what told the address is gone")
	require.Equal(t, 1, again.Addresses)
	require.NotNil(t, again.DoneAt)
}

// An ID means another person in another account, and nobody for another
// organization.
func TestErasingTouchesNobodyElse(t *testing.T) {
	t.Parallel()
	b := newErasureBench(t)
	b.plan(t, b.both)
	before := b.meeting(t, b.both)
	for _, r := range []store.ErasureRequest{
		{OrganizationID: b.organization.ID, HubID: 2002, ContactID: "501"},
		{OrganizationID: b.organization.ID, HubID: 1001, ContactID: "502"},
	} {
		report, err := b.EraseContact(context.Background(), r, store.Operator)
		require.NoError(t, err)
		require.Zero(t, report.Addresses)
		require.Zero(t, report.MeetingsErased+report.MeetingsRedacted)
	}
	require.Equal(t, before, b.meeting(t, b.both))
	report, err := b.EraseContact(context.Background(), store.ErasureRequest{OrganizationID: b.organization.ID, Emails: []string{" " + strings.ToUpper(jane)}}, store.Operator)
	require.NoError(t, err)
	require.Equal(t, 1, report.MeetingsErased)
	require.Equal(t, 1, report.MeetingsRedacted)
}

// Whoever adds a column for words adds it to those that are searched.
func TestErasingSearchesEveryColumnOfWords(t *testing.T) {
	t.Parallel()
	s := newIntake(t)
	found := s.TextsForTest(t, `
		select table_name || '.' || column_name from information_schema.columns
		where table_schema = 'public' and data_type = 'bytea' and column_name !~ '(_mac|_hash)$' and column_name not in ('body_key', 'sealed_addresses')`)
	require.ElementsMatch(t, append(store.SealedColumnsForTest(), store.VaultColumns()...), found)
}

// Nothing that the database still holds opens what was sealed of somebody who met us
// alone: the rows as they were before (in a dead tuple, a copy of a table) need the
// meeting's key, and that is gone. Of a meeting with others the key lives on: there it
// is the rows that are gone, and a copy of an old one would open.
func TestWhichOldRowsNoKeyOpens(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newErasureBench(t)
	b.plan(t, b.both)
	b.plan(t, b.alone)
	type row struct {
		place  string
		sealed []byte
	}
	copyOf := func(id uuid.UUID) []row {
		var rows []row
		for _, q := range []struct{ place, sql string }{
			{"meetings.sealed:", `select id::text, sealed from meetings where id = $1`},
			{"events.sealed:", `select id::text, sealed from events where meeting_id = $1`},
			{"actions.sealed:", `select id::text, sealed from actions where origin_id = $1`},
			{"follow_ups.sealed_resolution:", `select meeting_id::text, sealed_resolution from follow_ups where meeting_id = $1`},
		} {
			for rowID, sealed := range b.BytesForTest(t, q.sql, id) {
				rows = append(rows, row{q.place + rowID, sealed})
			}
		}
		require.Len(t, rows, 5)
		return rows
	}
	alone, both := copyOf(b.alone), copyOf(b.both)
	payload, err := b.SealPayloadForTest(ctx, b.alone, "she said so")
	require.NoError(t, err)
	_, err = b.forgetJane(t)
	require.NoError(t, err)

	keys := b.AllDataKeysForTest(t)
	require.NotEmpty(t, keys)
	opened := func(r row) bool {
		for _, key := range keys {
			if _, err := key.Open(r.sealed, r.place); err == nil {
				return true
			}
		}
		return false
	}
	for _, r := range append(alone, row{"temporal.payload", payload}) {
		require.False(t, opened(r), r.place)
	}
	for _, r := range both {
		require.True(t, opened(r), "the docs say that this can't be proven, and why")
	}
	for place, sealed := range b.BytesForTest(t, `select 'meetings.sealed:' || id, sealed from meetings where id = $1`, b.both) {
		for _, key := range keys {
			if plain, err := key.Open(sealed, place); err == nil {
				require.NotContains(t, strings.ToLower(string(plain)), jane)
			}
		}
	}
	for _, q := range []string{
		`select count(*) from follow_up_records where object_type = 'contact' and record_id = '501'`,
		`select count(*) from events e join meetings m on m.id = e.meeting_id where m.erased_at is not null and e.sealed is not null`,
	} {
		require.Zero(t, b.CountForTest(t, q), q)
	}
}

// What HubSpot tells late of somebody who was erased does not come back.
func TestWhatIsToldLateOfAnErasedPersonIsDropped(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newErasureBench(t)
	b.plan(t, b.both)
	_, err := b.forgetJane(t)
	require.NoError(t, err)
	email := hubspot.WebhookEvent{
		HubID: 1001, AppID: 9, OccurredAt: time.Now().Add(-time.Hour), Type: "contact.propertyChange", Kind: hubspot.EventPropertyChange,
		ObjectTypeID: "0-1", ObjectID: "501", PropertyName: "email", PropertyValue: jane,
	}
	crmDelivery(t, b.Store, hubspotSource(t, b.Store), email)
	_, err = b.FollowCRMRecord(ctx, store.CRMRecord{OrganizationID: b.organization.ID, HubID: 1001, Object: "contact", ID: "501"})
	require.NoError(t, err)
	require.Zero(t, b.CountForTest(t, `select count(*) from crm_events where sealed_value is not null`))
}

// A contact that was merged into the one that is forgotten is the same person.
func TestThoseWhoWereMergedAreForgottenTogether(t *testing.T) {
	t.Parallel()
	b := newErasureBench(t)
	b.plan(t, b.both) // knows 501
	merge := hubspot.WebhookEvent{
		HubID: 1001, AppID: 9, OccurredAt: time.Now(), Type: "contact.merge", Kind: hubspot.EventMerge, ObjectTypeID: "0-1",
		ObjectID: "777", PrimaryObjectID: "777", NewObjectID: "777", MergedObjectIDs: []string{"501"},
	}
	crmDelivery(t, b.Store, hubspotSource(t, b.Store), merge)
	report, err := b.EraseContact(context.Background(), store.ErasureRequest{OrganizationID: b.organization.ID, HubID: 1001, ContactID: "777"}, store.Actor{Name: "debrief"})
	require.NoError(t, err)
	require.Equal(t, 1, report.Addresses)
	require.Equal(t, 1, report.MeetingsErased)
	require.Equal(t, 1, report.MeetingsRedacted)
}

// What was said after a follow-up closed opens its next round, though an erasure comes
// between the word and the round, and takes the run that was begun for it.
func TestErasingKeepsARoundThatIsAboutToBegin(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newErasureBench(t)
	b.closes(t, b.both)
	more := metEvent("both", tenOClock.AddDate(0, 0, 1), attendee("Jane Roe", jane), attendee("Sam Poe", "sam@northwind.example"))
	more.DedupeKey, more.Summary = "more", meeting.Text{Text: "Jane wants 50 seats."}
	require.NotEmpty(t, b.deliver(t, more).Changed)
	_, err := b.forgetJane(t)
	require.NoError(t, err)
	b.ExecForTest(t, `delete from wakeups`) // sent to the run that is deleted now
	require.NoError(t, b.HistoryForgotten(ctx, b.organization.ID, b.both))
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from wakeups where meeting_id = $1`, b.both))
	b.ExecForTest(t, `update meetings set updated_at = now() - interval '1 hour' where id = $1`, b.both)
	look, err := b.LookAt(ctx, b.organization.ID, b.both)
	require.NoError(t, err)
	require.Equal(t, store.NextPlan, look.Next)
}

// What waits for a platform is not torn out, but a platform that refuses the source's
// credentials does not keep a person from being erased.
func TestErasingDoesNotWaitForRefusedCredentials(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newErasureBench(t)
	source := b.withCredentials(t, "planted-key")
	id := b.insert(t, metEvent("thin", tenOClock, attendee("Jane Roe", jane)))
	require.NoError(t, b.StartFetching(ctx, id))
	b.plan(t, b.both)
	_, err := b.forgetJane(t)
	require.ErrorIs(t, err, store.ErrErasureUnfinished)

	require.NoError(t, b.RefuseAPI(ctx, source, "zoom refuses the credentials (401)", true))
	_, err = b.forgetJane(t)
	require.NoError(t, err)
	d, err := b.DeliveryByID(ctx, id)
	require.NoError(t, err)
	require.False(t, d.HasBody)
	require.Equal(t, store.DeliveryExcluded, d.State)
	require.Contains(t, d.Reason, "was erased")
}
