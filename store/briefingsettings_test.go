package store_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func TestWhenABriefIsDue(t *testing.T) {
	t.Parallel()
	const (
		hour  = time.Hour
		night = "20:00-08:00"
	)
	for name, c := range map[string]struct {
		zone, quiet string
		lead        time.Duration
		now, start  string
		due         string // a time, or why there is none
	}{
		"ahead of it":                          {"", "", hour, "2026-11-19T10:00:00Z", "2026-11-20T14:00:00Z", "2026-11-20T13:00:00Z"},
		"three days ahead":                     {"", "", 72 * hour, "2026-11-01T10:00:00Z", "2026-11-20T14:00:00Z", "2026-11-17T14:00:00Z"},
		"booked inside the lead time: at once": {"", "", hour, "2026-11-20T13:30:00Z", "2026-11-20T14:00:00Z", "2026-11-20T13:00:00Z"},
		"just begun":                           {"", "", hour, "2026-11-20T14:05:00Z", "2026-11-20T14:00:00Z", "2026-11-20T13:00:00Z"},
		"begun a while ago":                    {"", "", hour, "2026-11-20T14:05:01Z", "2026-11-20T14:00:00Z", store.BriefingBegan},
		"long past":                            {"", night, hour, "2026-12-20T14:00:00Z", "2026-11-20T14:00:00Z", store.BriefingBegan},

		"in the quiet hours: before they begin":    {"", night, hour, "2026-11-19T12:00:00Z", "2026-11-20T08:30:00Z", "2026-11-19T19:55:00Z"},
		"just before they begin":                   {"", night, hour, "2026-11-19T19:59:00Z", "2026-11-20T08:30:00Z", "2026-11-19T19:55:00Z"},
		"booked at night: when they end":           {"", night, hour, "2026-11-19T22:00:00Z", "2026-11-20T08:30:00Z", "2026-11-20T08:00:00Z"},
		"booked at night, begins at night":         {"", night, hour, "2026-11-19T22:00:00Z", "2026-11-20T06:00:00Z", "2026-11-20T05:00:00Z"},
		"booked at night inside the lead time":     {"", night, hour, "2026-11-20T05:30:00Z", "2026-11-20T06:00:00Z", "2026-11-20T05:00:00Z"},
		"booked at night inside a long lead time":  {"", night, 12 * hour, "2026-11-19T23:00:00Z", "2026-11-20T09:00:00Z", "2026-11-20T08:00:00Z"},
		"it begins when they end":                  {"", night, hour, "2026-11-19T23:00:00Z", "2026-11-20T08:00:00Z", "2026-11-20T07:00:00Z"},
		"due when they end":                        {"", night, hour, "2026-11-19T12:00:00Z", "2026-11-20T09:00:00Z", "2026-11-20T08:00:00Z"},
		"due before they begin, it begins in them": {"", night, hour, "2026-11-19T12:00:00Z", "2026-11-20T20:30:00Z", "2026-11-20T19:30:00Z"},
		"quiet hours within a day":                 {"", "12:00-13:00", hour, "2026-11-20T09:00:00Z", "2026-11-20T13:30:00Z", "2026-11-20T11:55:00Z"},
		"quiet hours within a day, booked in them": {"", "12:00-13:00", hour, "2026-11-20T12:10:00Z", "2026-11-20T13:30:00Z", "2026-11-20T13:00:00Z"},
		"switched off":                             {"", "off", hour, "2026-11-19T12:00:00Z", "2026-11-20T08:30:00Z", "2026-11-20T07:30:00Z"},

		// Clocks go forward at 02:00 on 29 March 2026, and back at 03:00 on 25 October.
		"Berlin, forward: the lead is an hour that passes": {"Europe/Berlin", "", hour, "2026-03-28T12:00:00Z", "2026-03-29T01:30:00Z", "2026-03-29T00:30:00Z"},
		"Berlin, forward: before the night":                {"Europe/Berlin", night, hour, "2026-03-28T12:00:00Z", "2026-03-29T06:30:00Z", "2026-03-28T18:55:00Z"},
		"Berlin, forward: booked at night":                 {"Europe/Berlin", night, hour, "2026-03-28T22:00:00Z", "2026-03-29T06:30:00Z", "2026-03-29T06:00:00Z"},
		"Berlin, back: before the night":                   {"Europe/Berlin", night, hour, "2026-10-24T12:00:00Z", "2026-10-25T07:30:00Z", "2026-10-24T17:55:00Z"},
		"Berlin, back: booked at night":                    {"Europe/Berlin", night, hour, "2026-10-24T22:00:00Z", "2026-10-25T07:30:00Z", "2026-10-25T07:00:00Z"},
		"Berlin, back: the end is shown twice":             {"Europe/Berlin", "22:00-02:30", hour, "2026-10-24T21:00:00Z", "2026-10-25T02:00:00Z", "2026-10-25T01:30:00Z"},
		"Berlin, forward: the end is left out":             {"Europe/Berlin", "22:00-02:30", hour, "2026-03-28T22:00:00Z", "2026-03-29T01:45:00Z", "2026-03-29T01:30:00Z"},

		// Forward at 02:00 on 8 March 2026, back at 02:00 on 1 November.
		"New York, forward: before the night":    {"America/New_York", "21:00-07:00", hour, "2026-03-07T15:00:00Z", "2026-03-08T11:30:00Z", "2026-03-08T01:55:00Z"},
		"New York, forward: booked at night":     {"America/New_York", "21:00-07:00", hour, "2026-03-08T05:00:00Z", "2026-03-08T11:30:00Z", "2026-03-08T11:00:00Z"},
		"New York, forward: the end is left out": {"America/New_York", "21:00-02:30", hour, "2026-03-08T03:00:00Z", "2026-03-08T07:45:00Z", "2026-03-08T07:30:00Z"},
		"New York, back: before the night":       {"America/New_York", "21:00-07:00", hour, "2026-10-31T15:00:00Z", "2026-11-01T12:30:00Z", "2026-11-01T00:55:00Z"},
		"New York, back: booked at night":        {"America/New_York", "21:00-07:00", hour, "2026-11-01T03:00:00Z", "2026-11-01T12:30:00Z", "2026-11-01T12:00:00Z"},
		"New York, back: the end is shown twice": {"America/New_York", "21:00-01:30", hour, "2026-11-01T03:00:00Z", "2026-11-01T07:15:00Z", "2026-11-01T06:30:00Z"},

		// By half an hour: back at 02:00 on 5 April 2026, forward at 02:00 on 4 October.
		"Lord Howe, back: before the night":    {"Australia/Lord_Howe", night, hour, "2026-04-04T03:00:00Z", "2026-04-04T22:00:00Z", "2026-04-04T08:55:00Z"},
		"Lord Howe, back: booked at night":     {"Australia/Lord_Howe", night, hour, "2026-04-04T12:00:00Z", "2026-04-04T22:00:00Z", "2026-04-04T21:30:00Z"},
		"Lord Howe, forward: before the night": {"Australia/Lord_Howe", night, hour, "2026-10-03T03:00:00Z", "2026-10-03T21:30:00Z", "2026-10-03T09:25:00Z"},
		"Lord Howe, forward: booked at night":  {"Australia/Lord_Howe", night, hour, "2026-10-03T12:00:00Z", "2026-10-03T21:30:00Z", "2026-10-03T21:00:00Z"},
		"Lord Howe, back: shown twice":         {"Australia/Lord_Howe", "22:00-01:45", hour, "2026-04-04T12:00:00Z", "2026-04-04T16:10:00Z", "2026-04-04T15:15:00Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now, err := time.Parse(time.RFC3339, c.now)
			require.NoError(t, err)
			start, err := time.Parse(time.RFC3339, c.start)
			require.NoError(t, err)
			at, skip := store.BriefingDue(now, start, c.lead, store.NotifySettings{TimeZone: c.zone, QuietHours: c.quiet})
			if got := at.UTC().Format(time.RFC3339); skip == "" {
				require.Equal(t, c.due, got)
			} else {
				require.Equal(t, c.due, skip)
			}
			if skip == "" && at.After(now) {
				require.True(t, at.Before(start))
				// Looking again when it is due finds it due.
				again, skip := store.BriefingDue(at, start, c.lead, store.NotifySettings{TimeZone: c.zone, QuietHours: c.quiet})
				require.Empty(t, skip)
				require.False(t, again.After(at), again)
			}
		})
	}
}

func TestTheLastCall(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 11, 20, 14, 0, 0, 0, time.UTC)
	require.Equal(t, start.Add(-10*time.Minute), store.BriefingLastCall(start, time.Hour))
	require.Equal(t, start.Add(-4*time.Minute), store.BriefingLastCall(start, 12*time.Minute))
}

func TestWhatBriefingSettingsMean(t *testing.T) {
	t.Parallel()
	var none store.BriefingSettings
	require.True(t, none.On())
	require.Equal(t, time.Hour, none.LeadTime())
	require.Equal(t, []store.BriefingChannel{store.BriefingBySlack, store.BriefingByEmail, store.BriefingOnPage}, none.ChannelList())
	require.Equal(t, []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}, none.Days())
	_, ok := none.DigestAt()
	require.False(t, ok)
	_, _, ok = none.WeekAheadAt()
	require.False(t, ok)
	require.False(t, none.Note())
	require.False(t, none.Talks())

	set := store.BriefingSettings{
		Briefings: "off", Lead: "45m", Digest: "07:30", DigestDays: "sun,mon-wed", WeekAhead: "sun 18:05", Channels: "page,webhook, email",
		HubSpotNote: "on", TalkingPoints: "on",
	}
	require.False(t, set.On())
	require.Equal(t, 45*time.Minute, set.LeadTime())
	require.Equal(t, []store.BriefingChannel{store.BriefingByWebhook, store.BriefingByEmail, store.BriefingOnPage}, set.ChannelList(), "the page comes last")
	require.Equal(t, []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Sunday}, set.Days())
	minutes, ok := set.DigestAt()
	require.True(t, ok)
	require.Equal(t, 7*60+30, minutes)
	day, minutes, ok := set.WeekAheadAt()
	require.True(t, ok)
	require.Equal(t, time.Sunday, day)
	require.Equal(t, 18*60+5, minutes)
	require.True(t, set.Note())
	require.True(t, set.Talks())
}

func TestNonsenseAboutBriefingsIsRefused(t *testing.T) {
	t.Parallel()
	s, _ := storetest.New(t)
	o := storetest.Organization(t, s)
	ctx := t.Context()
	p, err := s.AddPerson(ctx, store.Person{OrganizationID: o.ID, Name: "Ada", Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "ada@acme.example"}}}, store.Operator)
	require.NoError(t, err)
	for _, b := range []store.BriefingSettings{
		{Briefings: "yes"},
		{Lead: "1"},
		{Lead: "4m59s"},
		{Lead: "73h"},
		{Lead: "-1h"},
		{Digest: "7"},
		{DigestDays: "fri-mon"},
		{DigestDays: "monday"},
		{WeekAhead: "07:00"},
		{WeekAhead: "mon"},
		{Channels: "fax"},
		{Channels: "slack,,page"},
		{HubSpotNote: "1"},
		{TalkingPoints: "maybe"},
	} {
		var refusal *store.Refusal
		require.ErrorAs(t, s.SetBriefingSettings(ctx, o.ID, b, store.Operator), &refusal, b)
		require.ErrorAs(t, s.SetPersonBriefing(ctx, o.ID, p.ID, b, store.Operator), &refusal, b)
		require.ErrorAs(t, s.UpdateSettings(ctx, o.ID, o.Domains, store.Settings{Briefing: b}, store.Operator), &refusal, b)
	}
}

// What a person does not say is as the organization says, and the trail says who
// changed it.
func TestAPersonsBriefingSettingsComeFirst(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	ctx := t.Context()
	require.NoError(t, b.SetBriefingSettings(ctx, b.organization.ID, store.BriefingSettings{Lead: "2h", Channels: "email"}, store.Operator))
	require.NoError(t, b.SetNotifySettings(ctx, b.organization.ID, store.NotifySettings{TimeZone: "Europe/Berlin", QuietHours: "20:00-08:00"}, store.Operator))
	require.NoError(t, b.SetPersonBriefing(ctx, b.organization.ID, b.ada, store.BriefingSettings{Lead: "30m", TalkingPoints: "on"}, store.Operator))
	require.NoError(t, b.SetPersonNotify(ctx, b.organization.ID, b.ada, store.NotifySettings{QuietHours: "off"}, store.Operator))
	own, err := b.PersonBriefing(ctx, b.organization.ID, b.ada)
	require.NoError(t, err)
	require.Equal(t, store.BriefingSettings{Lead: "30m", TalkingPoints: "on"}, own)
	merged, err := b.BriefingPreferences(ctx, b.organization.ID, b.ada)
	require.NoError(t, err)
	require.Equal(t, store.BriefingSettings{Lead: "30m", Channels: "email", TalkingPoints: "on"}, merged.Settings)
	require.Equal(t, store.NotifySettings{TimeZone: "Europe/Berlin", QuietHours: "off"}, merged.Notify)
	require.Equal(t, "Europe/Berlin", merged.Notify.Location().String())
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from audit where kind = 'organization' and reason like 'how people are briefed: %"lead":"2h"%'`))
	require.Equal(t, 1, b.CountForTest(t, `select count(*) from audit where kind = 'person' and reason like '%is briefed: %"30m"%'`))
	_, err = b.BriefingPreferences(ctx, b.organization.ID, b.organization.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestGroupsOfDigests(t *testing.T) {
	t.Parallel()
	b := newBriefings(t)
	ctx := t.Context()
	org := b.organization.ID
	groups := func() []store.BriefingGroup {
		all, err := b.BriefingGroups(ctx)
		require.NoError(t, err)
		return all
	}
	asked := func() int64 {
		n, err := b.BriefingSchedulesAsked(ctx)
		require.NoError(t, err)
		return n
	}
	require.Empty(t, groups())
	before := asked()
	require.NoError(t, b.SetBriefingSettings(ctx, org, store.BriefingSettings{Digest: "07:30"}, store.Operator))
	require.Greater(t, asked(), before)
	all := store.BriefingGroup{OrganizationID: org, Kind: store.NoticeBriefingDigest, Zone: "UTC", Minutes: 450, Days: "mon,tue,wed,thu,fri"}
	require.Equal(t, []store.BriefingGroup{all}, groups(), "two people, one group")
	people, err := b.BriefingGroupPeople(ctx, all)
	require.NoError(t, err)
	require.ElementsMatch(t, []any{b.ada, b.bob}, []any{people[0], people[1]})

	before = asked()
	require.NoError(t, b.SetPersonNotify(ctx, org, b.ada, store.NotifySettings{TimeZone: "Asia/Tokyo"}, store.Operator))
	require.Greater(t, asked(), before)
	before = asked()
	require.NoError(t, b.SetPersonBriefing(ctx, org, b.bob, store.BriefingSettings{Digest: "off", WeekAhead: "mon 07:00"}, store.Operator))
	require.Greater(t, asked(), before)
	tokyo, week := all, all
	tokyo.Zone = "Asia/Tokyo"
	week.Kind, week.Minutes, week.Days = store.NoticeBriefingWeek, 420, "mon"
	require.ElementsMatch(t, []store.BriefingGroup{tokyo, week}, groups())
	people, err = b.BriefingGroupPeople(ctx, all)
	require.NoError(t, err)
	require.Empty(t, people)

	before = asked()
	_, err = b.DeactivatePerson(ctx, org, b.bob, store.DeactivatedByAdmin, store.Operator)
	require.NoError(t, err)
	require.Greater(t, asked(), before)
	require.Equal(t, []store.BriefingGroup{tokyo}, groups())
}
