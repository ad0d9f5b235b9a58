package meeting_test

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/debriefhq/debrief/meeting"
)

var noon = time.Date(2026, 9, 8, 12, 0, 0, 0, time.UTC)

func yes() *bool { b := true; return &b }

// anEvent draws events that overlap a lot: same people, same keys, same times.
func anEvent() *rapid.Generator[meeting.Event] {
	return rapid.Custom(func(t *rapid.T) meeting.Event {
		name := rapid.SampledFrom([]string{"", "Dana Reyes", "dana  reyes", "Jo Kim", " Jo Kim "})
		email := rapid.SampledFrom([]string{"", "dana@acme.example", "DANA@acme.example", "jo@northwind.example", "None"})
		moment := rapid.SampledFrom([]time.Time{{}, noon, noon.Add(time.Minute), noon.In(time.FixedZone("", 7200)), noon.Add(time.Hour)})
		word := rapid.SampledFrom([]string{"", "a", "b", " a "})
		e := meeting.Event{
			Type:       rapid.SampledFrom(meeting.Types()).Draw(t, "type"),
			DedupeKey:  rapid.SampledFrom([]string{"", "1", "2", "3", "4"}).Draw(t, "key"),
			OccurredAt: moment.Draw(t, "occurred"),
			Provider:   rapid.SampledFrom([]string{"", "zoom", "debrief"}).Draw(t, "provider"),
			IsTest:     rapid.Bool().Draw(t, "test"),
		}
		e.Title = word.Draw(t, "title")
		e.Keys.InstanceID = word.Draw(t, "instance")
		e.Keys.BookingUID = word.Draw(t, "booking")
		e.ScheduledStart, e.ScheduledEnd = moment.Draw(t, "start"), moment.Draw(t, "end")
		e.ActualStart, e.ActualEnd = moment.Draw(t, "began"), moment.Draw(t, "over")
		e.Organizer = meeting.Person{Name: name.Draw(t, "organizer"), Email: email.Draw(t, "organizer e-mail")}
		e.Summary.Text = word.Draw(t, "summary")
		e.Cancellation.Reason = word.Draw(t, "reason")
		for range rapid.IntRange(0, 3).Draw(t, "attendees") {
			a := meeting.Attendee{Person: meeting.Person{Name: name.Draw(t, "name"), Email: email.Draw(t, "e-mail")}}
			a.Role = rapid.SampledFrom([]string{"", "host", "invitee", "someone"}).Draw(t, "role")
			a.NoShow = rapid.Bool().Draw(t, "no show")
			if rapid.Bool().Draw(t, "knows attendance") {
				there := rapid.Bool().Draw(t, "attended")
				a.Attended = &there
			}
			e.Attendees = append(e.Attendees, a)
		}
		for range rapid.IntRange(0, 2).Draw(t, "proposals") {
			e.ProposedActions = append(e.ProposedActions, meeting.ProposedAction{
				Tool: "deal.create", Ref: word.Draw(t, "ref"), Properties: map[string]string{"dealname": word.Draw(t, "deal")},
			})
		}
		for range rapid.IntRange(0, 2).Draw(t, "items") {
			e.ActionItems = append(e.ActionItems, meeting.ActionItem{Text: word.Draw(t, "item"), Parsed: rapid.Bool().Draw(t, "parsed")})
		}
		if w := word.Draw(t, "tracking"); w != "" {
			e.Tracking = map[string]string{"utm_source": w}
		}
		return e
	})
}

func content(t require.TestingT, m meeting.Meeting) string {
	raw, err := json.MarshalIndent(m, "", " ")
	require.NoError(t, err)
	return string(raw)
}

// Promise 2: in any order and however often, the same events make the same meeting.
func TestFoldDependsOnNeitherOrderNorRepetition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		events := rapid.SliceOfN(anEvent(), 1, 6).Draw(t, "events")
		want := content(t, meeting.Fold(events))

		repeated := append(slices.Clone(events), rapid.SliceOfN(rapid.SampledFrom(events), 0, 4).Draw(t, "repeated")...)
		require.Equal(t, want, content(t, meeting.Fold(rapid.Permutation(repeated).Draw(t, "order"))))

		normalized := make([]meeting.Event, 0, len(events))
		for _, e := range events {
			n := e.Normalize()
			require.Equal(t, n, n.Normalize(), "normalizing is idempotent")
			normalized = append(normalized, n)
		}
		require.Equal(t, want, content(t, meeting.Fold(normalized)))
	})
}

// All 120 orders of a Zoom meeting's five events, each told twice.
func TestFoldAllOrders(t *testing.T) {
	t.Parallel()
	events := renewal()
	want := content(t, meeting.Fold(events))
	orders := 0
	permute(events, func(order []meeting.Event) {
		orders++
		require.Equal(t, want, content(t, meeting.Fold(append(slices.Clone(order), order...))))
	})
	require.Equal(t, 120, orders)

	m := meeting.Fold(events)
	require.Equal(t, meeting.StateEnded, m.State)
	require.True(t, m.HasEnded)
	require.True(t, m.HasNotes)
	require.Equal(t, "Renewal", m.Title, "who held the meeting knows its name, not the notetaker")
	require.Equal(t, noon, m.ScheduledStart)
	require.Equal(t, noon.Add(2*time.Minute), m.ActualStart)
	require.Equal(t, noon.Add(46*time.Minute), m.ActualEnd)
	require.Equal(t, []string{"zoom"}, m.Providers)
	require.Equal(t, meeting.Person{Email: "dana@acme.example"}, m.Organizer)
	require.Equal(t, []meeting.Attendee{
		{Person: meeting.Person{Name: "Dana Reyes", Email: "dana@acme.example"}, Role: "host", Attended: yes(), Source: "zoom"},
		{Person: meeting.Person{Name: "Jo Kim", Email: "jo@northwind.example"}, Role: "invitee", Attended: yes(), Source: "zoom"},
	}, m.Attendees)
}

func renewal() []meeting.Event {
	event := func(typ meeting.EventType, key string, minute int, d meeting.Details) meeting.Event {
		return meeting.Event{Type: typ, DedupeKey: key, OccurredAt: noon.Add(time.Duration(minute) * time.Minute), Provider: "zoom", Details: d}
	}
	return []meeting.Event{
		event(meeting.Scheduled, "1", -600, meeting.Details{
			Title: "Renewal", ScheduledStart: noon, ScheduledEnd: noon.Add(45 * time.Minute),
			Attendees: []meeting.Attendee{{Person: meeting.Person{Email: "Jo@Northwind.example"}, Role: "invitee"}},
		}),
		event(meeting.ParticipantJoined, "2", 2, meeting.Details{
			ActualStart: noon.Add(2 * time.Minute),
			Attendees:   []meeting.Attendee{{Person: meeting.Person{Name: "Dana Reyes", Email: "dana@acme.example"}, Role: "host"}},
		}),
		event(meeting.ParticipantJoined, "3", 3, meeting.Details{
			ActualStart: noon.Add(2 * time.Minute),
			Attendees:   []meeting.Attendee{{Person: meeting.Person{Name: "Jo Kim", Email: "jo@northwind.example"}, Role: "participant"}},
		}),
		event(meeting.Ended, "4", 46, meeting.Details{ActualStart: noon.Add(2 * time.Minute), ActualEnd: noon.Add(46 * time.Minute)}),
		event(meeting.NotesReady, "5", 50, meeting.Details{
			Title: "Meeting summary for Renewal", Organizer: meeting.Person{Email: "dana@acme.example"},
			Summary: meeting.Text{Format: "markdown", Text: "They renew."},
		}),
	}
}

func permute[T any](in []T, f func([]T)) {
	var walk func(k int)
	in = slices.Clone(in)
	walk = func(k int) {
		if k == len(in) {
			f(in)
			return
		}
		for i := k; i < len(in); i++ {
			in[k], in[i] = in[i], in[k]
			walk(k + 1)
			in[k], in[i] = in[i], in[k]
		}
	}
	walk(0)
}

func TestFold(t *testing.T) {
	t.Parallel()
	at := func(typ meeting.EventType, minute int, change ...func(*meeting.Event)) meeting.Event {
		e := meeting.Event{Type: typ, DedupeKey: string(typ), OccurredAt: noon.Add(time.Duration(minute) * time.Minute)}
		for _, c := range change {
			c(&e)
		}
		return e
	}
	text := func(s string) func(*meeting.Event) { return func(e *meeting.Event) { e.Summary.Text = s } }
	key := func(s string) func(*meeting.Event) { return func(e *meeting.Event) { e.DedupeKey = s } }
	times := func(start, end int) func(*meeting.Event) {
		return func(e *meeting.Event) {
			e.ScheduledStart = noon.Add(time.Duration(start) * time.Minute)
			if end > 0 {
				e.ScheduledEnd = noon.Add(time.Duration(end) * time.Minute)
			}
		}
	}
	for name, tc := range map[string]struct {
		events []meeting.Event
		check  func(t *testing.T, m meeting.Meeting)
	}{
		"nothing": {nil, func(t *testing.T, m meeting.Meeting) {
			require.Equal(t, meeting.Meeting{State: meeting.StateScheduled}, m)
		}},
		"notes alone say that it ended": {[]meeting.Event{at(meeting.NotesReady, 0)}, func(t *testing.T, m meeting.Meeting) {
			require.True(t, m.HasEnded && m.HasNotes)
			require.Equal(t, meeting.StateEnded, m.State)
		}},
		"an end that brings its notes": {[]meeting.Event{at(meeting.Ended, 0, text("Done."))}, func(t *testing.T, m meeting.Meeting) { require.True(t, m.HasNotes) }},
		"an end without notes":         {[]meeting.Event{at(meeting.Ended, 0)}, func(t *testing.T, m meeting.Meeting) { require.False(t, m.HasNotes) }},
		"called off":                   {[]meeting.Event{at(meeting.Scheduled, 0), at(meeting.Canceled, 1)}, func(t *testing.T, m meeting.Meeting) { require.Equal(t, meeting.StateCanceled, m.State) }},
		"called off, and on again":     {[]meeting.Event{at(meeting.Canceled, 1), at(meeting.Rescheduled, 2)}, func(t *testing.T, m meeting.Meeting) { require.Equal(t, meeting.StateScheduled, m.State) }},
		"called off, yet it took place": {[]meeting.Event{at(meeting.ParticipantJoined, 0), at(meeting.Canceled, 1)}, func(t *testing.T, m meeting.Meeting) {
			require.Equal(t, meeting.StateStarted, m.State)
		}},
		"a revision replaces what it revises": {
			[]meeting.Event{at(meeting.NotesReady, 1, text("final"), key("n")), at(meeting.NotesReady, 0, text("draft"), key("n"))},
			func(t *testing.T, m meeting.Meeting) { require.Equal(t, "final", m.Summary.Text) },
		},
		"moved without an end, it keeps its length": {
			[]meeting.Event{at(meeting.Rescheduled, 1, times(60, 0)), at(meeting.Scheduled, 0, times(0, 30))},
			func(t *testing.T, m meeting.Meeting) {
				require.Equal(t, noon.Add(60*time.Minute), m.ScheduledStart)
				require.Equal(t, noon.Add(90*time.Minute), m.ScheduledEnd)
			},
		},
		"a nameless guest and a guest without address are two": {
			[]meeting.Event{at(meeting.Ended, 0, func(e *meeting.Event) {
				e.Attendees = []meeting.Attendee{{Person: meeting.Person{Name: "Jo"}}, {Person: meeting.Person{Email: "jo@northwind.example"}}}
			})},
			func(t *testing.T, m meeting.Meeting) { require.Len(t, m.Attendees, 2) },
		},
		"a name that two people have is nobody's": {
			[]meeting.Event{at(meeting.Ended, 0, func(e *meeting.Event) {
				e.Attendees = []meeting.Attendee{
					{Person: meeting.Person{Name: "Jo Kim", Email: "jo@northwind.example"}},
					{Person: meeting.Person{Name: "Jo Kim", Email: "jo@fabrikam.example"}},
					{Person: meeting.Person{Name: "JO KIM"}},
				}
			})},
			func(t *testing.T, m meeting.Meeting) { require.Len(t, m.Attendees, 3) },
		},
		"items given over items read out of prose": {
			[]meeting.Event{
				at(meeting.NotesReady, 0, func(e *meeting.Event) { e.ActionItems = []meeting.ActionItem{{Text: "given"}} }),
				at(meeting.NotesUpdated, 1, func(e *meeting.Event) { e.ActionItems = []meeting.ActionItem{{Text: "read", Parsed: true}} }),
			},
			func(t *testing.T, m meeting.Meeting) { require.Equal(t, "given", m.ActionItems[0].Text) },
		},
		"a proposal is corrected by its ref": {
			[]meeting.Event{
				at(meeting.NotesUpdated, 1, func(e *meeting.Event) {
					e.ProposedActions = []meeting.ProposedAction{{Tool: "deal.create", Ref: "d", Properties: map[string]string{"amount": "2"}}}
				}),
				at(meeting.NotesReady, 0, func(e *meeting.Event) {
					e.ProposedActions = []meeting.ProposedAction{{Tool: "deal.create", Ref: "d", Properties: map[string]string{"amount": "1"}}}
				}),
			},
			func(t *testing.T, m meeting.Meeting) {
				require.Len(t, m.ProposedActions, 1)
				require.Equal(t, "2", m.ProposedActions[0].Properties["amount"])
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.check(t, meeting.Fold(tc.events))
		})
	}
}

func TestRoom(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://zoom.us/j/91234567890?pwd=secret":          "zoom:91234567890",
		"https://us02web.zoom.us/wc/91234567890/join":       "zoom:91234567890",
		"https://acme.zoom.us/wc/join/91234567890#success":  "zoom:91234567890",
		"https://acme.zoom.us/my/dana.reyes":                "acme.zoom.us/my/dana.reyes",
		"HTTPS://Meet.Example:443/abc-defg-hij/?authuser=1": "meet.example/abc-defg-hij",
		"https://notzoom.us/j/91234567890":                  "notzoom.us/j/91234567890",
		"https://meet.example/":                             "",
		"javascript:alert(1)":                               "",
		"91234567890":                                       "",
		"":                                                  "",
	} {
		require.Equal(t, want, meeting.Room(in), in)
	}
}

func TestCorrelationKeys(t *testing.T) {
	t.Parallel()
	e := meeting.Event{Type: meeting.Ended, DedupeKey: "1", Provider: "zoom"}
	e.Keys = meeting.Keys{InstanceID: "u1", ProviderMeetingID: "91234567890", ICalUID: "i", JoinURL: "https://zoom.us/j/91234567890?pwd=x"}
	require.Equal(t, []meeting.Key{{Kind: meeting.KeyInstance, Scope: "zoom", Value: "u1"}}, meeting.CorrelationKeys(e),
		"without a start only the instance counts")

	e.ActualStart = noon.Add(time.Minute)
	e.ScheduledStart = noon
	require.Equal(t, []meeting.Key{
		{Kind: meeting.KeyInstance, Scope: "zoom", Value: "u1"},
		{Kind: meeting.KeyICalUID, Value: "i", Start: noon, Tolerance: 3 * time.Hour},
		{Kind: meeting.KeyRoom, Value: "zoom:91234567890", Start: noon, Tolerance: 15 * time.Minute},
	}, meeting.CorrelationKeys(e), "number and join URL are one room, and the scheduled start counts")

	e.Keys = meeting.Keys{InstanceID: "7"}
	e.Provider, e.ProviderAccountID = meeting.Own, "source-1"
	require.Equal(t, "debrief/source-1", meeting.CorrelationKeys(e)[0].Scope, "the sender's own numbers are its own")
}

func TestValidate(t *testing.T) {
	t.Parallel()
	fit := meeting.Event{Type: meeting.Ended, DedupeKey: "1", Provider: "zoom"}
	fit.Keys.InstanceID = "u"
	require.NoError(t, fit.Validate())
	many := func(n int) (out []meeting.Attendee) {
		for range n {
			out = append(out, meeting.Attendee{Person: meeting.Person{Name: "x"}})
		}
		return out
	}
	proposal := meeting.ProposedAction{Tool: "deal.create", Ref: "d", Properties: map[string]string{"dealname": "x"}}
	for want, change := range map[string]func(*meeting.Event){
		"type is not an event type of Debrief's":                      func(e *meeting.Event) { e.Type = "meeting.imagined" },
		"dedupe_key is missing":                                       func(e *meeting.Event) { e.DedupeKey = "" },
		"provider should be a short name in lower case, such as zoom": func(e *meeting.Event) { e.Provider = "no good" },
		"keys name no occurrence: give an instance_id, or another key together with scheduled_start or actual_start": func(e *meeting.Event) {
			e.Keys = meeting.Keys{ICalUID: "i"}
		},
		"actual_end is before the start":                     func(e *meeting.Event) { e.ActualStart, e.ActualEnd = noon, noon.Add(-time.Second) },
		"scheduled_end is more than 31 days after the start": func(e *meeting.Event) { e.ScheduledStart, e.ScheduledEnd = noon, noon.AddDate(0, 2, 0) },
		"occurred_at lies outside the years 2000 to 2099":    func(e *meeting.Event) { e.OccurredAt = time.Unix(0, 0) },
		"attendees are more than 2000":                       func(e *meeting.Event) { e.Attendees = many(2001) },
		"title is longer than 1000 characters":               func(e *meeting.Event) { e.Title = string(make([]byte, 1001)) },
		"summary.format should be markdown, html or text":    func(e *meeting.Event) { e.Summary = meeting.Text{Format: "pdf", Text: "x"} },
		"proposed_actions.tool should be <object>.create or <object>.update, such as deal.create": func(e *meeting.Event) {
			p := proposal
			p.Tool = "deal.archive"
			e.ProposedActions = []meeting.ProposedAction{p}
		},
		"proposed_actions.properties should have HubSpot's internal names: lower-case letters, digits and _": func(e *meeting.Event) {
			p := proposal
			p.Properties = map[string]string{"Deal Name": "x"}
			e.ProposedActions = []meeting.ProposedAction{p}
		},
		"proposed_actions.properties are missing": func(e *meeting.Event) { e.ProposedActions = []meeting.ProposedAction{{Tool: "deal.create"}} },
		"proposed_actions.ref names two proposals": func(e *meeting.Event) {
			e.ProposedActions = []meeting.ProposedAction{proposal, proposal}
		},
		"proposed_actions.target is missing: an update needs the record to update": func(e *meeting.Event) {
			e.ProposedActions = []meeting.ProposedAction{{Tool: "deal.update", Properties: proposal.Properties}}
		},
		"proposed_actions.target points at a contact by email, and only at a contact": func(e *meeting.Event) {
			e.ProposedActions = []meeting.ProposedAction{{Tool: "deal.update", Properties: proposal.Properties, Target: meeting.RecordRef{Object: "deal", Email: "a@b.example"}}}
		},
		"proposed_actions.associate_with should point at a record in one way: id, email, domain, ref or name": func(e *meeting.Event) {
			p := proposal
			p.AssociateWith = []meeting.RecordRef{{Object: "company", Domain: "b.example", Ref: "c"}}
			e.ProposedActions = []meeting.ProposedAction{p}
		},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			e := fit
			change(&e)
			var invalid *meeting.InvalidError
			require.ErrorAs(t, e.Validate(), &invalid)
			require.Equal(t, want, invalid.Error())
		})
	}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	e := meeting.Event{Provider: " Zoom "}
	e.Keys.JoinURL = "https://dana:pw@zoom.us/j/91234567890?pwd=secret#x"
	e.Title = " Renewal\x00\xff "
	e.Attendees = []meeting.Attendee{{Person: meeting.Person{Email: " MAILTO:Jo@Northwind.Example "}}, {Person: meeting.Person{Name: " ", Email: "None"}}}
	e.ScheduledStart = noon.In(time.FixedZone("", -7*3600))
	n := e.Normalize()
	require.Equal(t, "zoom", n.Provider)
	require.Equal(t, "https://zoom.us/j/91234567890", n.Keys.JoinURL, "a join URL's password is a secret")
	require.Equal(t, "Renewal\uFFFD", n.Title)
	require.Equal(t, []meeting.Attendee{{Person: meeting.Person{Email: "jo@northwind.example"}}}, n.Attendees)
	require.Equal(t, noon, n.ScheduledStart)
	require.Equal(t, " Renewal\x00\xff ", e.Title, "the original is left as it is")
}

func FuzzRoom(f *testing.F) {
	f.Add("https://zoom.us/j/91234567890?pwd=secret")
	f.Add("https://meet.example/abc?x=1#y")
	f.Fuzz(func(t *testing.T, in string) {
		e := meeting.Event{}
		e.Keys.JoinURL = in
		n := e.Normalize()
		require.NotContains(t, n.Keys.JoinURL, "?")
		require.Equal(t, n, n.Normalize())
		require.Equal(t, meeting.Room(in), meeting.Room(n.Keys.JoinURL), "a password makes no other room")
	})
}
