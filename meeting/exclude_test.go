package meeting_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
)

func TestExclusions(t *testing.T) {
	t.Parallel()
	own := []string{"acme.example"}
	external, internal := true, false
	m := func(change func(*meeting.Meeting)) meeting.Meeting {
		out := meeting.Meeting{HasEnded: true}
		out.Title = "Weekly: salary review"
		out.Organizer.Email = "dana@acme.example"
		out.Attendees = []meeting.Attendee{{Person: meeting.Person{Email: "jo@berlin.acme.example"}, Role: "invitee"}}
		if change != nil {
			change(&out)
		}
		return out
	}
	for name, tc := range map[string]struct {
		rules   meeting.Exclusions
		meeting meeting.Meeting
		own     []string
		want    meeting.Exclusion
	}{
		"colleagues, one of a subdomain": {meeting: m(nil), own: own, want: meeting.ExcludedInternal},
		"kept by the rules":              {rules: meeting.Exclusions{KeepInternal: true}, meeting: m(nil), own: own},
		"no domains are known":           {meeting: m(nil)},
		"a guest from outside":           {meeting: m(func(m *meeting.Meeting) { m.Attendees[0].Email = "jo@notacme.example" }), own: own},
		"a guest by name alone": {meeting: m(func(m *meeting.Meeting) {
			m.Attendees = append(m.Attendees, meeting.Attendee{Person: meeting.Person{Name: "Jo"}})
		}), own: own},
		"a guest by name, said to be ours": {meeting: m(func(m *meeting.Meeting) {
			m.Attendees = append(m.Attendees, meeting.Attendee{Person: meeting.Person{Name: "Jo"}, External: &internal})
		}), own: own, want: meeting.ExcludedInternal},
		"a guest by name, said to be theirs": {meeting: m(func(m *meeting.Meeting) {
			m.Attendees = append(m.Attendees, meeting.Attendee{Person: meeting.Person{Name: "Jo"}, External: &external})
		}), own: own},
		"one person alone":            {meeting: m(func(m *meeting.Meeting) { m.Attendees = nil }), own: own},
		"nobody is known":             {meeting: meeting.Meeting{HasEnded: true}, own: own},
		"not over, and invited":       {meeting: m(func(m *meeting.Meeting) { m.HasEnded = false }), own: own, want: meeting.ExcludedInternal},
		"not over, and joining":       {meeting: m(func(m *meeting.Meeting) { m.HasEnded, m.Attendees[0].Role = false, "participant" }), own: own},
		"private":                     {rules: meeting.Exclusions{KeepInternal: true}, meeting: m(func(m *meeting.Meeting) { m.Private = true }), own: own, want: meeting.ExcludedPrivate},
		"private, kept":               {rules: meeting.Exclusions{KeepInternal: true, KeepPrivate: true}, meeting: m(func(m *meeting.Meeting) { m.Private = true }), own: own},
		"two words":                   {rules: meeting.Exclusions{KeepInternal: true, TitleWords: []string{"Salary  Review"}}, meeting: m(nil), want: "title word: salary review"},
		"two words, apart":            {rules: meeting.Exclusions{KeepInternal: true, TitleWords: []string{"weekly review"}}, meeting: m(nil)},
		"no word":                     {rules: meeting.Exclusions{KeepInternal: true, TitleWords: []string{" - "}}, meeting: m(nil)},
		"a host beside the organizer": {rules: meeting.Exclusions{KeepInternal: true, Hosts: []string{"JO@berlin.acme.example"}}, meeting: m(func(m *meeting.Meeting) { m.Attendees[0].Role = "host" }), want: "host: jo@berlin.acme.example"},
		"a subdomain":                 {rules: meeting.Exclusions{KeepInternal: true, Domains: []string{"acme.example"}}, meeting: m(func(m *meeting.Meeting) { m.Organizer.Email = "" }), want: "domain: acme.example"},
		"an empty domain":             {rules: meeting.Exclusions{KeepInternal: true, Domains: []string{""}}, meeting: m(nil)},
	} {
		got := tc.rules.Of(tc.meeting, tc.own)
		require.Equal(t, tc.want, got, name)
		require.Equal(t, got != "", tc.rules.Still(got, meeting.Meeting{}, tc.own), name+": what says nothing of it changes nothing")
	}
	require.False(t, meeting.Exclusions{}.Still("title word: salary", m(nil), own), "the rule was taken back")
}
