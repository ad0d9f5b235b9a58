package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

func TestBriefingSettingsCommands(t *testing.T) {
	t.Parallel()
	s, o, debrief := company(t)
	ok, fails := checks(t, debrief)
	ok("people", "add", "ada@acme.example", "--name", "Ada Brunel")
	shown := ok("briefings", "show")
	require.Regexp(t, `before the start +1h +as it comes`, shown)
	require.Contains(t, shown, "quiet hours off")
	require.Regexp(t, `before the start +2h +set`, ok("briefings", "set", "--lead", "2h", "--digest", "07:30", "--digest-days", "mon,tue"))
	mine := ok("briefings", "set", "ada@acme.example", "--lead", "30m", "--channels", "email")
	require.Regexp(t, `before the start +30m +their own`, mine)
	require.Regexp(t, `morning digest +07:30 +as the organization says`, mine)
	require.Regexp(t, `channels +email +their own`, mine)
	require.Regexp(t, `week ahead +off +as it comes`, mine)
	require.Regexp(t, `before the start +2h +as the organization says`, ok("briefings", "set", "ada@acme.example", "--lead", "default"))
	var out struct {
		Lead     string                 `json:"lead"`
		Channels string                 `json:"channels"`
		Own      store.BriefingSettings `json:"own"`
	}
	require.NoError(t, json.Unmarshal([]byte(ok("briefings", "show", "ada@acme.example", "--json")), &out))
	require.Equal(t, "2h", out.Lead)
	require.Equal(t, "email", out.Channels)
	require.Equal(t, store.BriefingSettings{Channels: "email"}, out.Own)
	fails(exitRefused, "from 5m to 72h", "briefings", "set", "--lead", "1m")
	fails(exitRefused, "mon 07:00", "briefings", "set", "ada@acme.example", "--week-ahead", "monday")
	fails(exitUsage, "nobody of "+o.Name, "briefings", "show", "x@acme.example")
	now, err := s.Organization(t.Context(), o.ID)
	require.NoError(t, err)
	require.Equal(t, store.BriefingSettings{Lead: "2h", Digest: "07:30", DigestDays: "mon,tue"}, now.Settings.Briefing)
}

func TestBriefingsCommands(t *testing.T) {
	t.Parallel()
	s, o, debrief := company(t)
	ctx := t.Context()
	ok, fails := checks(t, debrief)
	require.Contains(t, ok("briefings", "list"), "No briefings")
	ok("people", "add", "ada@acme.example", "--name", "Ada Brunel")
	start := time.Now().Add(48 * time.Hour).Truncate(time.Second)
	source, err := s.CreateSource(ctx, store.NewSource{OrganizationID: &o.ID, Platform: "generic", Name: "calendar", Secrets: []store.Secret{"planted-signing-secret"}}, store.Operator)
	require.NoError(t, err)
	id, _, err := s.InsertDelivery(ctx, store.NewDelivery{Source: source, DedupeKey: "1", Body: []byte("{}"), ReceivedAt: time.Now()})
	require.NoError(t, err)
	event := meeting.Event{Type: meeting.Scheduled, DedupeKey: "1", Provider: "generic", OccurredAt: time.Now(), Details: meeting.Details{
		Keys: meeting.Keys{InstanceID: "1"}, Title: "Renewal", ScheduledStart: start, ScheduledEnd: start.Add(time.Hour), Organizer: meeting.Person{Email: "ada@acme.example"},
		Attendees: []meeting.Attendee{{Person: meeting.Person{Email: "jane@northwind.example"}, Role: "invitee"}},
	}}
	understood, err := s.Understood(ctx, id, o.ID, []meeting.Event{event.Normalize()})
	require.NoError(t, err)
	met := understood.MeetingIDs[0]
	ada, err := s.PersonByEmail(ctx, o.ID, "ada@acme.example")
	require.NoError(t, err)
	key := store.BriefingKey{OrganizationID: o.ID, MeetingID: met, PersonID: ada.ID}
	_, err = s.LookAtBriefing(ctx, key, time.Now())
	require.NoError(t, err)

	require.Regexp(t, met.String()+` +in 47h +Ada Brunel +waiting +in 46h`, ok("briefings", "list"))
	require.Regexp(t, met.String(), ok("briefings", "list", "--for", "ada@acme.example", "--state", "waiting"))
	require.Contains(t, ok("briefings", "list", "--state", "delivered"), "No briefings")
	fails(exitNotFound, "it is due in 46h", "briefings", "preview", met.String())
	fails(exitNotFound, "has no briefing", "briefings", "preview", uuid.NewString())
	require.Contains(t, ok("briefings", "send", met.String()), "tells the host")
	fails(exitNotFound, "no such meeting", "briefings", "send", uuid.NewString())
	look, err := s.LookAtBriefing(ctx, key, time.Now())
	require.NoError(t, err)
	require.True(t, look.Compose)

	brief, err := json.Marshal(briefing.Brief{Meeting: briefing.Meeting{ID: met, Title: "Renewal", Start: start, End: start.Add(time.Hour)}})
	require.NoError(t, err)
	_, err = s.SaveBriefing(ctx, store.BriefingMade{BriefingKey: key, Brief: brief, Tell: store.TellBriefing}, time.Now())
	require.NoError(t, err)
	require.Contains(t, ok("briefings", "preview", met.String()), "Renewal")
	require.Contains(t, ok("briefings", "list"), "ready")
}
