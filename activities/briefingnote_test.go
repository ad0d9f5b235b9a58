package activities_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

var noteTool = policy.Tool{Object: "note", Operation: policy.Create}

// newNotedDays is newDays with a note of each brief, which the tool allows so, and a
// meeting that HubSpot has from a calendar.
func newNotedDays(t *testing.T, permission policy.Permission) *days {
	t.Helper()
	d := newDays(t)
	jane := d.sim.Records(d.hub, "contacts")[0].ID
	d.add("meetings", map[string]string{
		"hs_meeting_title": "Renewal with Northwind", "hs_timestamp": hubspot.FormatDateTime(d.start), "hs_meeting_start_time": hubspot.FormatDateTime(d.start),
		"hs_meeting_outcome": "SCHEDULED",
	}, map[string][]string{"contacts": {jane}})
	require.NoError(t, d.store.SetPermission(d.ctx, d.org.ID, noteTool, permission, store.Operator))
	require.NoError(t, d.store.SetBriefingSettings(d.ctx, d.org.ID, store.BriefingSettings{HubSpotNote: "on"}, store.Operator))
	return d
}

func (d *days) meeting() activities.Meeting {
	return activities.Meeting{OrganizationID: d.org.ID, MeetingID: d.key.MeetingID}
}

// notes are the actions that write the brief into HubSpot.
func (d *days) notes() []store.Action {
	d.t.Helper()
	actions, err := d.store.ActionsOf(d.ctx, d.org.ID, d.key.MeetingID)
	require.NoError(d.t, err)
	var notes []store.Action
	for _, a := range actions {
		if a.Key == store.BriefingNoteKey {
			notes = append(notes, a)
		}
	}
	return notes
}

// compose makes the brief so long before the start, as its workflow would.
func (d *days) compose(before time.Duration) {
	d.t.Helper()
	d.activities.Now = func() time.Time { return d.start.Add(-before) }
	_, err := d.activities.LookAtBriefing(d.ctx, d.key)
	require.NoError(d.t, err)
	d.step(func() error { return d.activities.ComposeBriefing(d.ctx, d.key) })
}

func TestABriefBecomesANoteWhereItMay(t *testing.T) {
	t.Parallel()
	d := newNotedDays(t, policy.Allow)
	d.before(50*time.Minute, func() { d.write(d.meeting()) })
	// Who joins is an update, and no second note.
	d.before(30*time.Minute, func() {
		d.event.Attendees = append(d.event.Attendees, meeting.Attendee{Person: meeting.Person{Name: "Eve Marsh", Email: "eve@northwind.example"}})
		d.meets(meeting.Rescheduled)
	})
	d.before(10*time.Minute, func() { d.write(d.meeting()) })
	d.run()
	require.Len(t, d.told, 2)
	require.False(t, d.told[0].brief.NoteDenied)

	notes := d.sim.Records(d.hub, "notes")
	require.Len(t, notes, 1)
	body := notes[0].Properties["hs_note_body"]
	require.Contains(t, body, "Briefing: Renewal with Northwind")
	require.Contains(t, body, "Known Person, Company of northwind.example")
	require.NotContains(t, body, "Eve Marsh")
	require.NotContains(t, body, "href")
	require.Equal(t, hubspot.FormatDateTime(d.start), notes[0].Properties["hs_timestamp"], "it stands where the meeting does")
	require.Len(t, notes[0].Associations["contacts"], 1)
	require.Equal(t, 1, d.counted()["POST /crm/objects/notes"], "one call, as docs/hubspot-calls.md says")
	require.Len(t, d.notes(), 1)
	require.Equal(t, store.ActionWritten, d.notes()[0].State)
	require.Equal(t, store.NextDone, d.settled(d.meeting()).Next)
}

func TestABriefThatMayNotBecomeANoteSaysSo(t *testing.T) {
	t.Parallel()
	d := newNotedDays(t, policy.Deny)
	d.run()
	require.True(t, d.told[0].brief.NoteDenied)
	require.Empty(t, d.notes())
	require.Empty(t, d.sim.Records(d.hub, "notes"))
}

func TestAHostIsAskedForTheNote(t *testing.T) {
	t.Parallel()
	d := newNotedDays(t, policy.Ask)
	d.compose(time.Hour)
	d.compose(time.Hour) // a worker that died after it had made it
	require.Len(t, d.notes(), 1)
	require.Equal(t, store.ActionAsking, d.notes()[0].State)
	asked, err := d.store.Approvers(d.ctx, d.org.ID, d.key.MeetingID)
	require.NoError(t, err)
	require.Len(t, asked, 1)
	require.Equal(t, d.dana.ID, asked[0].PersonID)
	d.write(d.meeting())
	require.Empty(t, d.sim.Records(d.hub, "notes"))
	l := line(t, d.card(d.meeting()), "Create Note")
	require.Equal(t, "Briefing: Renewal with Northwind", l.Record)
	d.decide(l, store.Approve, nil)
	d.write(d.meeting())
	d.write(d.meeting())
	require.Len(t, d.sim.Records(d.hub, "notes"), 1)
}

// What is not answered ends with the brief; what was rejected is not asked again.
func TestAnUnansweredNoteEndsWithItsMeeting(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		after func(d *days)
		state store.ActionState
		why   string
	}{
		{"canceled", func(d *days) { d.meets(meeting.Canceled) }, store.ActionWithdrawn, "the meeting was canceled"},
		{"begun", func(d *days) { d.activities.Now = func() time.Time { return d.start.Add(6 * time.Minute) } }, store.ActionWithdrawn, "the meeting has begun"},
		{"rejected", func(d *days) {
			d.decide(line(d.t, d.card(d.meeting()), "Create Note"), store.Reject, nil)
			d.meets(meeting.Canceled)
		}, store.ActionRejected, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newNotedDays(t, policy.Ask)
			d.compose(time.Hour)
			d.deliver()
			c.after(d)
			look, err := d.activities.LookAtBriefing(d.ctx, d.key)
			require.NoError(t, err)
			require.True(t, look.Ended)
			require.Len(t, d.notes(), 1)
			require.Equal(t, c.state, d.notes()[0].State)
			require.Contains(t, d.notes()[0].Reason, c.why)
			next, err := d.activities.Look(d.ctx, d.meeting())
			require.NoError(t, err)
			require.Equal(t, store.NextDone, next.Next)
			require.Empty(t, d.sim.Records(d.hub, "notes"))

			if c.name == "begun" {
				return
			}
			// It takes place after all, with somebody else.
			d.event.Attendees = append(d.event.Attendees, meeting.Attendee{Person: meeting.Person{Name: "Eve Marsh", Email: "eve@northwind.example"}})
			d.meets(meeting.Rescheduled)
			d.compose(10 * time.Minute)
			again := c.state
			if c.name == "canceled" {
				again = store.ActionAsking
			}
			require.Len(t, d.notes(), 1)
			require.Equal(t, again, d.notes()[0].State)
		})
	}
}

type died struct{}

// A worker that dies when HubSpot has answered leaves one note, which the next one finds.
func TestANoteWhoseWriterDied(t *testing.T) {
	t.Parallel()
	d := newNotedDays(t, policy.Allow)
	d.compose(time.Hour)
	d.activities.Gate = crm.New(crm.Options{Store: d.store, Tokens: d.token, Client: hubspot.New(hubspot.Options{
		BaseURL: d.sim.URL, OnResponse: func(_ context.Context, info hubspot.ResponseInfo) {
			if info.Method == http.MethodPost && strings.HasSuffix(info.Endpoint, "/notes") {
				panic(died{})
			}
		},
	})})
	require.PanicsWithValue(t, died{}, func() { d.write(d.meeting()) })
	require.Equal(t, store.ActionWriting, d.notes()[0].State)
	d.activities.Gate = d.newGate()
	d.write(d.meeting())
	require.Equal(t, store.ActionWritten, d.notes()[0].State)
	require.Len(t, d.sim.Records(d.hub, "notes"), 1)
}

// HubSpot does not have the meeting: there is no note, and nothing to say about it.
func TestNoNoteWithoutHubSpotsMeeting(t *testing.T) {
	t.Parallel()
	d := newNotedDays(t, policy.Allow)
	require.NoError(t, d.sim.Edit(d.hub, "meetings", d.sim.Records(d.hub, "meetings")[0].ID, map[string]string{"hs_meeting_outcome": "CANCELED"}))
	d.run()
	require.Len(t, d.told, 1)
	require.Empty(t, d.notes())
}

// A brief in HubSpot is no news in the next one, and no part of the follow-up.
func TestANoteOfABriefIsNoNews(t *testing.T) {
	t.Parallel()
	d := newNotedDays(t, policy.Allow)
	d.compose(time.Hour)
	d.deliver()
	d.told = nil
	d.write(d.meeting())
	first := d.key
	require.Len(t, d.sim.Records(d.hub, "notes"), 1)

	d.event.Keys.InstanceID = uuid.NewString()
	d.start = d.start.Add(24 * time.Hour)
	d.meets(meeting.Scheduled)
	require.NotEqual(t, first, d.key)
	d.activities.Now = func() time.Time { return d.Now() }
	d.run()
	require.Len(t, d.told, 1)
	for _, e := range d.told[0].brief.History {
		require.NotContains(t, e.Text, "Briefing")
	}
}

// The follow-up plans as if there were no brief; whoever was not asked about it in time is
// asked no more.
func TestAFollowUpAfterANoteOfTheBrief(t *testing.T) {
	t.Parallel()
	for permission, state := range map[policy.Permission]store.ActionState{policy.Allow: store.ActionWritten, policy.Ask: store.ActionWithdrawn} {
		t.Run(string(permission), func(t *testing.T) {
			t.Parallel()
			d := newNotedDays(t, permission)
			d.compose(time.Hour)
			d.deliver()
			d.write(d.meeting())
			require.NoError(t, d.store.SetPermission(d.ctx, d.org.ID, noteTool, policy.Allow, store.Operator))
			d.event.Summary = meeting.Text{Format: "text", Text: "The renewal was agreed on."}
			d.meets(meeting.NotesReady)
			require.Equal(t, store.NextPlan, d.settled(d.meeting()).Next)
			d.step(func() error { return d.activities.Plan(d.ctx, d.meeting()) })
			d.finish(d.meeting())
			require.Equal(t, store.NextDone, d.settled(d.meeting()).Next)
			require.Len(t, d.notes(), 1)
			require.Equal(t, state, d.notes()[0].State)
			actions, err := d.store.ActionsOf(d.ctx, d.org.ID, d.key.MeetingID)
			require.NoError(t, err)
			summaries := 0
			for _, a := range actions {
				if a.Key == "note.create:summary" {
					summaries++
					require.Equal(t, store.ActionWritten, a.State)
				}
			}
			require.Equal(t, 1, summaries)
		})
	}
}

// What was written for the meeting is taken back with it, also before it has taken place.
func TestANoteOfABriefIsUndone(t *testing.T) {
	t.Parallel()
	d := newNotedDays(t, policy.Allow)
	require.NoError(t, d.store.SetPermission(d.ctx, d.org.ID, policy.Tool{Object: "note", Operation: policy.Archive}, policy.Allow, store.Operator))
	d.compose(time.Hour)
	d.write(d.meeting())
	require.Equal(t, 1, d.live("notes"))
	d.undo(d.meeting())
	require.Zero(t, d.live("notes"))
	require.Equal(t, 1, d.live("meetings"), "what others wrote stays")
}

func TestAnErasedContactIsInNoNoteThatWaits(t *testing.T) {
	t.Parallel()
	d := newNotedDays(t, policy.Ask)
	d.event.Attendees = append(d.event.Attendees, meeting.Attendee{Person: meeting.Person{Name: "Paul Stone", Email: "paul@harbor.example"}})
	d.meets(meeting.Rescheduled)
	d.compose(time.Hour)
	_, err := d.store.EraseContact(d.ctx, store.ErasureRequest{OrganizationID: d.org.ID, Emails: []string{"paul@harbor.example"}}, store.Operator)
	require.NoError(t, err)
	require.Equal(t, store.ActionWithdrawn, d.notes()[0].State)
	require.Empty(t, d.notes()[0].Content.Properties)
}
