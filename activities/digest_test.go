package activities_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// mornings is the bundle with people who have a digest, some days from now.
type mornings struct {
	*bundle

	day time.Time // of the digest, at midnight in Berlin
	run activities.DigestRun
}

func newMornings(t *testing.T) *mornings {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	m := &mornings{bundle: setup(t)}
	now := time.Now().In(zone)
	m.day = time.Date(now.Year(), now.Month(), now.Day()+3, 0, 0, 0, 0, zone)
	m.activities.Now = func() time.Time { return m.at("07:30") }
	require.NoError(t, m.store.SetNotifySettings(m.ctx, m.org.ID, store.NotifySettings{TimeZone: "Europe/Berlin"}, store.Operator))
	require.NoError(t, m.store.SetBriefingSettings(m.ctx, m.org.ID, store.BriefingSettings{
		Digest: "07:30", DigestDays: "mon,tue,wed,thu,fri,sat,sun", WeekAhead: "mon 07:00",
	}, store.Operator))
	groups, err := m.store.BriefingGroups(m.ctx)
	require.NoError(t, err)
	require.Empty(t, groups, "nobody is there yet")
	return m
}

func (m *mornings) at(clock string) time.Time {
	m.t.Helper()
	at, err := time.ParseInLocation("2006-01-02 15:04", m.day.Format(time.DateOnly)+" "+clock, m.day.Location())
	require.NoError(m.t, err)
	return at
}

// meets has a person meet somebody at a time.
func (m *mornings) meets(host store.Person, at time.Time, guests ...string) uuid.UUID {
	m.t.Helper()
	e := meeting.Event{Type: meeting.Scheduled, DedupeKey: uuid.NewString(), OccurredAt: time.Now(), Provider: meeting.Own, ProviderAccountID: m.source.ID.String()}
	e.Keys.InstanceID, e.Title = uuid.NewString(), "A meeting"
	e.ScheduledStart, e.ScheduledEnd = at, at.Add(30*time.Minute)
	e.Organizer = meeting.Person{Name: host.Name, Email: host.Email()}
	for _, g := range guests {
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: meeting.Person{Email: g}})
	}
	e = e.Normalize()
	body, err := json.Marshal(e)
	require.NoError(m.t, err)
	delivery, _, err := m.store.InsertDelivery(m.ctx, store.NewDelivery{Source: m.source, DedupeKey: e.DedupeKey, Body: body, ReceivedAt: time.Now(), Header: http.Header{}})
	require.NoError(m.t, err)
	u, err := m.store.Understood(m.ctx, delivery, m.org.ID, []meeting.Event{e})
	require.NoError(m.t, err)
	require.Len(m.t, u.MeetingIDs, 1)
	return u.MeetingIDs[0]
}

// plan is the plan of the day's digest, or of the week's.
func (m *mornings) plan(kind store.NoticeKind) activities.DigestPlan {
	m.t.Helper()
	groups, err := m.store.BriefingGroups(m.ctx)
	require.NoError(m.t, err)
	require.Len(m.t, groups, 2)
	for _, g := range groups {
		if g.Kind == kind {
			m.run = activities.DigestRun{Group: g, At: m.at("07:30")}
		}
	}
	plan, err := m.activities.PlanDigest(m.ctx, m.run)
	require.NoError(m.t, err)
	return plan
}

// tell does what the workflow does.
func (m *mornings) tell(kind store.NoticeKind) {
	m.t.Helper()
	for _, part := range m.plan(kind).Parts {
		m.step(func() error {
			return m.activities.ComposeDigest(m.ctx, activities.DigestPartInput{Run: m.run, Part: part})
		})
	}
	require.NoError(m.t, m.activities.TellDigest(m.ctx, m.run))
}

// digests are the notices of digests, by whom they are for.
func (m *mornings) digests() map[uuid.UUID][]store.Notice {
	m.t.Helper()
	all, err := m.store.Notices(m.ctx, m.org.ID, "", 500)
	require.NoError(m.t, err)
	by := map[uuid.UUID][]store.Notice{}
	for _, n := range all {
		if n.Kind == store.NoticeBriefingDigest || n.Kind == store.NoticeBriefingWeek {
			by[*n.PersonID] = append(by[*n.PersonID], n)
		}
	}
	return by
}

func (m *mornings) brief(person store.Person, meetingID uuid.UUID) briefing.Brief {
	m.t.Helper()
	b, err := m.store.BriefingOf(m.ctx, store.BriefingKey{OrganizationID: m.org.ID, MeetingID: meetingID, PersonID: person.ID})
	require.NoError(m.t, err)
	require.NotNil(m.t, b.Brief)
	var brief briefing.Brief
	require.NoError(m.t, json.Unmarshal(b.Brief, &brief))
	return brief
}

func TestADigestTellsOfTheDayAhead(t *testing.T) {
	t.Parallel()
	m := newMornings(t)
	dana, sam, kim := m.person("Dana Host", "dana@acme.example"), m.person("Sam Colleague", "sam@acme.example"), m.person("Kim Free", "kim@acme.example")
	m.contact("jane@northwind.example", m.company("northwind.example"))
	second := m.meets(dana, m.at("14:00"), "jane@northwind.example")
	first := m.meets(dana, m.at("09:00"), "jane@northwind.example")
	begun := m.meets(dana, m.at("07:00"), "jane@northwind.example")
	tomorrow := m.meets(dana, m.at("10:00").AddDate(0, 0, 1), "jane@northwind.example")
	sams := m.meets(sam, m.at("23:45"), "stranger@contoso.example")
	m.meets(kim, m.at("10:00"), "sam@acme.example") // nobody from outside
	m.tell(store.NoticeBriefingDigest)
	m.tell(store.NoticeBriefingDigest) // as where a schedule comes twice

	digests := m.digests()
	require.Len(t, digests, 2, "who has no meeting is told nothing")
	require.Len(t, digests[dana.ID], 1)
	require.Equal(t, []uuid.UUID{first, second}, digests[dana.ID][0].About.MeetingIDs)
	require.NotContains(t, digests[dana.ID][0].About.MeetingIDs, begun)
	require.NotContains(t, digests[dana.ID][0].About.MeetingIDs, tomorrow)
	require.Equal(t, []uuid.UUID{sams}, digests[sam.ID][0].About.MeetingIDs)
	require.NotEmpty(t, m.brief(dana, first).People[0].ContactID)
	require.Empty(t, m.brief(sam, sams).People[0].ContactID)

	// It tells nobody of a brief by itself, and the brief is still due.
	all, err := m.store.Notices(m.ctx, m.org.ID, "", 500)
	require.NoError(t, err)
	require.Len(t, all, 2)
	look, err := m.store.LookAtBriefing(m.ctx, store.BriefingKey{OrganizationID: m.org.ID, MeetingID: second, PersonID: dana.ID}, m.at("13:00"))
	require.NoError(t, err)
	require.True(t, look.Compose)
}

func TestAWeekAheadTellsOfSevenDays(t *testing.T) {
	t.Parallel()
	m := newMornings(t)
	dana := m.person("Dana Host", "dana@acme.example")
	var want []uuid.UUID
	for day := range 9 {
		id := m.meets(dana, m.at("10:00").AddDate(0, 0, day), "jane@northwind.example")
		if day < 7 {
			want = append(want, id)
		}
	}
	m.tell(store.NoticeBriefingWeek)
	m.tell(store.NoticeBriefingDigest)
	digests := m.digests()[dana.ID]
	require.Len(t, digests, 2, "each kind for itself")
	for _, n := range digests {
		if n.Kind == store.NoticeBriefingWeek {
			require.Equal(t, want, n.About.MeetingIDs)
		}
	}
}

// Fifty meetings of some people cost what the batches cost, not fifty times as much.
func TestADigestSharesItsReading(t *testing.T) {
	t.Parallel()
	m := newMornings(t)
	company := m.company("northwind.example")
	m.deal(company)
	var people []store.Person
	for i := range 5 {
		people = append(people, m.person(fmt.Sprintf("Host No%d", i), fmt.Sprintf("host%d@acme.example", i)))
	}
	for i := range 50 {
		guest := fmt.Sprintf("guest%d@northwind.example", i)
		m.contact(guest, company)
		m.meets(people[i%5], m.at("08:00").Add(time.Duration(i)*10*time.Minute), guest)
	}
	plan := m.plan(store.NoticeBriefingDigest)
	require.Len(t, plan.Parts, 1)
	require.Len(t, plan.Parts[0].People, 5)
	before := m.count()
	m.tell(store.NoticeBriefingDigest)
	require.LessOrEqual(t, m.count()-before, 14)
	require.Len(t, m.digests(), 5)
	require.Len(t, m.digests()[people[0].ID][0].About.MeetingIDs, 10)
}

func (m *mornings) count() (n int) {
	for _, c := range m.sim.Calls() {
		n += c.Count
	}
	return n
}

// Who may read less than others reads for themselves.
func TestADigestReadsForEachWhatTheyMay(t *testing.T) {
	t.Parallel()
	m := newMornings(t)
	company := m.company("northwind.example")
	m.contact("jane@northwind.example", company)
	m.deal(company)
	dana, sam := m.person("Dana Host", "dana@acme.example"), m.person("Sam Colleague", "sam@acme.example")
	require.NoError(t, m.store.SetHostPermission(m.ctx, m.org.ID, sam.ID, policy.Tool{Object: "deal", Operation: policy.Read}, policy.Deny, store.Operator))
	danas, sams := m.meets(dana, m.at("09:00"), "jane@northwind.example"), m.meets(sam, m.at("09:30"), "jane@northwind.example")
	m.tell(store.NoticeBriefingDigest)
	require.Len(t, m.brief(dana, danas).Deals, 1)
	require.Empty(t, m.brief(dana, danas).Denied)
	require.Empty(t, m.brief(sam, sams).Deals)
	require.Contains(t, m.brief(sam, sams).Denied, policy.Tool{Object: "deal", Operation: policy.Read})
}

func TestADigestKnowsWhoBelongsToItWhenItRuns(t *testing.T) {
	t.Parallel()
	m := newMornings(t)
	dana, sam, kim := m.person("Dana Host", "dana@acme.example"), m.person("Sam Colleague", "sam@acme.example"), m.person("Kim Host", "kim@acme.example")
	for _, p := range []store.Person{dana, sam, kim} {
		m.meets(p, m.at("11:00"), "jane@northwind.example")
	}
	plan := m.plan(store.NoticeBriefingDigest)
	require.Len(t, plan.Parts[0].People, 3)
	// One leaves, one wants none, and one wants no other briefs, after the plan was made.
	_, err := m.store.DeactivatePerson(m.ctx, m.org.ID, sam.ID, "left", store.Operator)
	require.NoError(t, err)
	require.NoError(t, m.store.SetPersonBriefing(m.ctx, m.org.ID, dana.ID, store.BriefingSettings{Digest: "off"}, store.Operator))
	require.NoError(t, m.store.SetPersonBriefing(m.ctx, m.org.ID, kim.ID, store.BriefingSettings{Briefings: "off"}, store.Operator))
	m.step(func() error {
		return m.activities.ComposeDigest(m.ctx, activities.DigestPartInput{Run: m.run, Part: plan.Parts[0]})
	})
	require.NoError(t, m.activities.TellDigest(m.ctx, m.run))
	digests := m.digests()
	require.Len(t, digests, 1)
	require.Len(t, digests[kim.ID], 1)
}

// What can't be read in HubSpot is told without it, and does not take the place of a
// brief that says more.
func TestADigestWithoutHubSpot(t *testing.T) {
	t.Parallel()
	m := newMornings(t)
	m.contact("jane@northwind.example", m.company("northwind.example"))
	dana := m.person("Dana Host", "dana@acme.example")
	known := m.meets(dana, m.at("09:00"), "jane@northwind.example")
	m.tell(store.NoticeBriefingWeek)
	late := m.meets(dana, m.at("10:00"), "jane@northwind.example")
	plan := m.plan(store.NoticeBriefingDigest)
	before := m.count()
	require.NoError(t, m.activities.ComposeDigest(m.ctx, activities.DigestPartInput{Run: m.run, Part: plan.Parts[0], Bare: true}))
	require.NoError(t, m.activities.TellDigest(m.ctx, m.run))
	require.Equal(t, before, m.count(), "HubSpot is not asked")
	require.Empty(t, m.brief(dana, known).CRMMissing)
	require.NotEmpty(t, m.brief(dana, late).CRMMissing)
	require.Len(t, m.digests()[dana.ID], 2)
}

// The day is that of the group's time zone, and comes from when the digest was due: one
// that catches up after midnight is yesterday's. Where the clocks change, a day has 23
// hours, or 25.
func TestADigestsDayIsThePeoples(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		zone, due, now string
		kind           store.NoticeKind
		from, until    string
	}{
		"at the other end of the world": {"Pacific/Auckland", "2026-11-22T17:30:00Z", "2026-11-22T17:30:00Z", store.NoticeBriefingDigest, "2026-11-22T17:30:00Z", "2026-11-23T11:00:00Z"},
		"after midnight":                {"Europe/Berlin", "2026-11-22T22:30:00Z", "2026-11-22T23:30:00Z", store.NoticeBriefingDigest, "2026-11-22T23:30:00Z", "2026-11-22T23:00:00Z"},
		"the clocks go forward":         {"Europe/Berlin", "2027-03-27T23:00:00Z", "2027-03-27T23:00:00Z", store.NoticeBriefingDigest, "2027-03-27T23:00:00Z", "2027-03-28T22:00:00Z"},
		"the clocks go back":            {"Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-24T22:00:00Z", store.NoticeBriefingDigest, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		"a week with a change":          {"Europe/Berlin", "2026-10-19T05:00:00Z", "2026-10-19T05:00:01Z", store.NoticeBriefingWeek, "2026-10-19T05:00:01Z", "2026-10-25T23:00:00Z"},
	} {
		run := activities.DigestRun{Group: store.BriefingGroup{Zone: test.zone, Kind: test.kind}, At: instant(t, test.due)}
		from, until, err := run.Ahead(instant(t, test.now))
		require.NoError(t, err, name)
		require.True(t, from.Equal(instant(t, test.from)), "%s: %s", name, from)
		require.True(t, until.Equal(instant(t, test.until)), "%s: %s", name, until)
	}
}

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, s)
	require.NoError(t, err)
	return at
}
