package planner_test

import (
	"cmp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/store"
)

func emails(people []planner.Person) []string {
	var list []string
	for _, p := range people {
		list = append(list, cmp.Or(p.Email, p.Name))
	}
	return list
}

func TestWho(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	dana := attendee("Dana Host", "dana@acme.example")
	tests := map[string]struct {
		attendee   meeting.Attendee
		change     func(*planner.Input)
		external   []string
		unknown    []string
		internal   []string // beside the host
		attendance planner.Attendance
	}{
		"external":               {attendee: attendee("Jane", "Jane@Northwind.example "), external: []string{"jane@northwind.example"}, attendance: planner.WithExternals},
		"own domain":             {attendee: attendee("Sam", "sam@acme.example"), internal: []string{"sam@acme.example"}, attendance: planner.Internal},
		"below the own domain":   {attendee: attendee("Sam", "sam@eu.acme.example"), internal: []string{"sam@eu.acme.example"}, attendance: planner.Internal},
		"looks like own domain":  {attendee: attendee("Sam", "sam@notacme.example"), external: []string{"sam@notacme.example"}, attendance: planner.WithExternals},
		"platform says internal": {attendee: meeting.Attendee{Person: meeting.Person{Email: "jane@northwind.example"}, External: &no}, external: []string{"jane@northwind.example"}, attendance: planner.WithExternals},
		"free mail":              {attendee: attendee("Bo", "bo@gmail.com"), external: []string{"bo@gmail.com"}, attendance: planner.WithExternals},
		"room":                   {attendee: attendee("Blue", "c_1@resource.calendar.google.com"), attendance: planner.Unclear},
		"room by name":           {attendee: attendee("Big Meeting Room 4", "x4@northwind.example"), attendance: planner.Unclear},
		"notetaker by address":   {attendee: attendee("", "fred@fireflies.ai"), attendance: planner.Unclear},
		"notetaker by name":      {attendee: attendee("Dana's Notetaker (Otter.ai)", ""), attendance: planner.Unclear},
		"no-reply":               {attendee: attendee("", "no-reply@northwind.example"), attendance: planner.Unclear},
		"no-reply with a prefix": {attendee: attendee("", "invoices-noreply@northwind.example"), attendance: planner.Unclear},
		"distribution list":      {attendee: attendee("", "sales@northwind.example"), unknown: []string{"sales@northwind.example"}, attendance: planner.Unclear},
		"own distribution list":  {attendee: attendee("", "sales@acme.example"), attendance: planner.Unclear},
		"like a list, but no":    {attendee: attendee("", "salesman@northwind.example"), external: []string{"salesman@northwind.example"}, attendance: planner.WithExternals},
		"a name alone":           {attendee: attendee("Jane Roe", ""), unknown: []string{"Jane Roe"}, attendance: planner.Unclear},
		"the host's name alone":  {attendee: attendee("dana host", ""), attendance: planner.Unclear},
		"a name, said internal":  {attendee: meeting.Attendee{Person: meeting.Person{Name: "Jane"}, External: &no}, attendance: planner.Unclear},
		"an address for a name":  {attendee: attendee("jane@northwind.example", ""), external: []string{"jane@northwind.example"}, attendance: planner.WithExternals},
		"not an address":         {attendee: attendee("Jane", "None"), unknown: []string{"Jane"}, attendance: planner.Unclear},
		"no-show":                {attendee: meeting.Attendee{Person: meeting.Person{Email: "jane@northwind.example"}, NoShow: true}, attendance: planner.Internal},
		"did not attend":         {attendee: meeting.Attendee{Person: meeting.Person{Email: "jane@northwind.example"}, Attended: &no}, attendance: planner.Internal},
		"declined":               {attendee: meeting.Attendee{Person: meeting.Person{Email: "jane@northwind.example"}, Response: "declined"}, attendance: planner.Internal},
		"declined and came":      {attendee: meeting.Attendee{Person: meeting.Person{Email: "jane@northwind.example"}, Response: "declined", Attended: &yes}, external: []string{"jane@northwind.example"}, attendance: planner.WithExternals},
		"ignored address":        {attendee: attendee("", "jane@northwind.example"), change: func(in *planner.Input) { in.Ignored = []string{"Jane@northwind.example"} }, attendance: planner.Unclear},
		"ignored domain":         {attendee: attendee("", "jane@northwind.example"), change: func(in *planner.Input) { in.Ignored = []string{"@northwind.example"} }, attendance: planner.Unclear},
		"external organizer":     {attendee: dana, change: func(in *planner.Input) { in.Meeting.Organizer = meeting.Person{Email: "jane@northwind.example"} }, external: []string{"jane@northwind.example"}, attendance: planner.WithExternals},
		"no domains, the host's": {attendee: attendee("", "sam@acme.example"), change: func(in *planner.Input) { in.Domains = nil }, internal: []string{"sam@acme.example"}, attendance: planner.Internal},
		"host with free mail":    {attendee: attendee("", "bo@gmail.com"), change: freeMailHost, external: []string{"bo@gmail.com"}, attendance: planner.WithExternals},
		"an approver names Jane": {attendee: dana, change: func(in *planner.Input) {
			in.Answers = planner.Answers{"k": {store.AttendeesProperty: "Jane <jane@northwind.example>; nobody"}}
		}, external: []string{"jane@northwind.example"}, attendance: planner.WithExternals},
		"the same one twice": {attendee: attendee("J", "jane@northwind.example"), change: func(in *planner.Input) {
			in.Meeting.Organizer = meeting.Person{Name: "Jane", Email: "JANE@northwind.example"}
		}, external: []string{"jane@northwind.example"}, attendance: planner.WithExternals},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := input(attendees(dana, test.attendee))
			if test.change != nil {
				test.change(&in)
			}
			who := planner.Who(in.Subject)
			require.Equal(t, test.external, emails(who.External))
			require.Equal(t, test.unknown, emails(who.Unknown))
			var internal []string
			for _, p := range who.Internal {
				if p.Email != in.Host.Email {
					internal = append(internal, p.Email)
				}
			}
			require.Equal(t, test.internal, internal)
			require.Equal(t, test.attendance, who.Attendance())
		})
	}
}

func freeMailHost(in *planner.Input) {
	in.Domains = nil
	in.Host = planner.Host{Email: "dana@gmail.com"}
	in.Meeting.Organizer = meeting.Person{Email: "dana@gmail.com"}
	in.Meeting.Attendees[0] = attendee("Dana", "dana@gmail.com")
}

func TestCompanyDomain(t *testing.T) {
	t.Parallel()
	for email, want := range map[string]string{
		"a@northwind.example": "northwind.example", "a@mail.eu.northwind.example": "northwind.example", "a@shop.co.uk": "shop.co.uk", "a@mail.shop.co.uk": "shop.co.uk",
		"a@gmail.com": "", "a@yahoo.co.uk": "", "a@gmx.net": "", "a@hotmail.fr": "", "a@co.uk": "",
	} {
		in := input(attendees(attendee("", email)))
		who := planner.Who(in.Subject)
		require.Len(t, who.External, 1, email)
		require.Equal(t, want, who.External[0].Domain, email)
	}
}

func TestHost(t *testing.T) {
	t.Parallel()
	in := input(attendees(attendee("Jane", "jane@northwind.example"), attendee("Sam Lee", "sam@acme.example")))
	in.Host = planner.Host{}
	require.Equal(t, planner.Host{Name: "Dana Host", Email: "dana@acme.example"}, planner.Who(in.Subject).Host)
	in.Meeting.Organizer = meeting.Person{Email: "jane@northwind.example"}
	require.Equal(t, planner.Host{Name: "Sam Lee", Email: "sam@acme.example"}, planner.Who(in.Subject).Host)
	in.Meeting.Attendees = append(in.Meeting.Attendees, attendee("Kim", "kim@acme.example"))
	require.Equal(t, planner.Host{}, planner.Who(in.Subject).Host, "two could be the host")
}

func TestAnsweredAttendees(t *testing.T) {
	t.Parallel()
	who := planner.Who(planner.Subject{
		Domains: []string{"acme.example"},
		Answers: planner.Answers{"meeting.create:log": {
			store.AttendeesProperty: "Jane Roe <Jane@northwind.example>, bob@harbor.example;\nsomebody else\n eve@HARBOR.example",
		}},
	})
	var got []string
	for _, p := range who.External {
		got = append(got, p.Name+" "+p.Email)
	}
	require.Equal(t, []string{" bob@harbor.example", " eve@harbor.example", "Jane Roe jane@northwind.example"}, got)
}

// Who organizes a meeting is not by that one of us.
func TestACustomerMayOrganizeTheMeeting(t *testing.T) {
	t.Parallel()
	who := planner.Who(planner.Subject{
		Domains: []string{"acme.example"},
		Meeting: meeting.Meeting{Details: meeting.Details{
			Organizer: meeting.Person{Name: "Jane Roe", Email: "jane@northwind.example"},
			Attendees: []meeting.Attendee{{Person: meeting.Person{Email: "dana@acme.example"}}},
		}},
	})
	require.Equal(t, planner.WithExternals, who.Attendance())
	require.Equal(t, "jane@northwind.example", who.External[0].Email)
	require.Equal(t, "dana@acme.example", who.Host.Email)
}
