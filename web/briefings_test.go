package web_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// ahead is a meeting that begins in an hour, of a host with that address with Jane.
func (b *bundle) ahead(t *testing.T, title, host string) store.BriefingKey {
	t.Helper()
	ctx := t.Context()
	source, err := b.store.SourceByName(ctx, &b.org.ID, "calendar")
	if err != nil {
		source, err = b.store.CreateSource(ctx, store.NewSource{OrganizationID: &b.org.ID, Platform: "debrief", Name: "calendar", Secrets: []store.Secret{"planted-secret"}}, store.Operator)
		require.NoError(t, err)
	}
	now := time.Now().UTC().Truncate(time.Second)
	e := meeting.Event{Provider: "debrief", Type: meeting.Scheduled, DedupeKey: uuid.NewString(), OccurredAt: now, Details: meeting.Details{
		Keys: meeting.Keys{InstanceID: uuid.NewString()}, Title: title, ScheduledStart: now.Add(time.Hour), ScheduledEnd: now.Add(2 * time.Hour), Organizer: meeting.Person{Email: host},
		Attendees: []meeting.Attendee{{Person: meeting.Person{Email: host}, Role: "host"}, {Person: meeting.Person{Name: "Jane Roe", Email: "jane@northwind.example"}, Role: "invitee"}},
	}}.Normalize()
	id, _, err := b.store.InsertDelivery(ctx, store.NewDelivery{Source: source, DedupeKey: uuid.NewString(), Body: []byte("{}"), ReceivedAt: now, Header: http.Header{}})
	require.NoError(t, err)
	understood, err := b.store.Understood(ctx, id, b.org.ID, []meeting.Event{e})
	require.NoError(t, err)
	require.Len(t, understood.MeetingIDs, 1)
	return store.BriefingKey{OrganizationID: b.org.ID, MeetingID: understood.MeetingIDs[0], PersonID: b.id(t, host)}
}

func TestBriefingPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	admin, host, other := b.as(t, "ada@acme.example", store.RoleAdmin), b.as(t, "hilde@acme.example", store.RoleMember), b.as(t, "mo@acme.example", store.RoleMember)
	k := b.ahead(t, "Takeover of <Northwind>", "hilde@acme.example")
	row, err := b.store.BriefingOf(ctx, k)
	require.NoError(t, err)
	path := b.server.URL + "/briefings/" + row.ID.String()

	require.Contains(t, host.do(t, http.MethodGet, path).body, "it has not been made yet")
	work, err := b.store.BriefingWork(ctx, k, time.Now())
	require.NoError(t, err)
	raw, err := json.Marshal(briefing.Brief{
		Meeting: briefing.Meeting{ID: k.MeetingID, Title: "Takeover of <Northwind>", Start: *row.StartsAt}, At: time.Now(),
		Account: briefing.Account{HubID: 4711},
		People:  []briefing.Person{{Guest: briefing.Guest{Name: "Jane <b>Roe</b>", Email: "jane@northwind.example"}, ContactID: "501"}},
		Points:  []string{"Ask about seats"},
	})
	require.NoError(t, err)
	_, err = b.store.SaveBriefing(ctx, store.BriefingMade{BriefingKey: k, Asked: work.Asked, Brief: raw, Tell: store.TellBriefing}, time.Now())
	require.NoError(t, err)

	page := host.do(t, http.MethodGet, path)
	require.Equal(t, http.StatusOK, page.status)
	for _, want := range []string{"<h1>Takeover of &lt;Northwind&gt;</h1>", "Jane &lt;b&gt;Roe&lt;/b&gt;", "on its way", "<em>[generated] Ask about seats</em>", `href="/meetings/` + k.MeetingID.String() + `"`, " UTC"} {
		require.Contains(t, page.body, want)
	}
	require.Regexp(t, `<a href="https://app[^"]*4711[^"]*501[^"]*" rel="noreferrer">`, page.body, "a fact has the link to where it stands")
	require.Equal(t, http.StatusOK, admin.do(t, http.MethodGet, path).status)
	hidden := other.do(t, http.MethodGet, path)
	require.Equal(t, http.StatusNotFound, hidden.status)
	require.NotContains(t, hidden.body, "Jane")
	for _, nothing := range []string{"/briefings/" + uuid.NewString(), "/briefings/x"} {
		require.Equal(t, http.StatusNotFound, host.do(t, http.MethodGet, b.server.URL+nothing).status)
	}

	list := host.do(t, http.MethodGet, b.server.URL+"/briefings")
	require.Contains(t, list.body, `href="/briefings/`+row.ID.String()+`">Takeover of &lt;Northwind&gt;`)
	require.NotContains(t, list.body, "of=all")
	require.NotContains(t, other.do(t, http.MethodGet, b.server.URL+"/briefings?of=all").body, row.ID.String(), "everybody's are for admins")
	require.NotContains(t, admin.do(t, http.MethodGet, b.server.URL+"/briefings").body, row.ID.String())
	require.Contains(t, admin.do(t, http.MethodGet, b.server.URL+"/briefings?of=all").body, row.ID.String())

	require.NoError(t, b.store.BriefingTold(ctx, store.BriefingTelling{OrganizationID: b.org.ID, ID: row.ID, Version: 1, Channel: store.BriefingByEmail, Brief: raw}))
	require.NoError(t, b.store.SetPersonLanguage(ctx, b.org.ID, k.PersonID, "de"))
	require.NoError(t, b.store.SetPersonNotify(ctx, b.org.ID, k.PersonID, store.NotifySettings{TimeZone: "Europe/Berlin"}, store.Operator))
	german := host.do(t, http.MethodGet, path).body
	require.Contains(t, german, "per E-Mail mitgeteilt")
	require.Regexp(t, `Uhr (MEZ|MESZ)`, german)
}
