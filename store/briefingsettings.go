package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// BriefingChannel is a way by which a brief reaches a person.
type BriefingChannel string

// The channels. The page is always there.
const (
	BriefingBySlack   BriefingChannel = "slack"
	BriefingByEmail   BriefingChannel = "email"
	BriefingByWebhook BriefingChannel = "webhook"
	BriefingOnPage    BriefingChannel = "page"
)

// BriefingChannels lists the channels.
func BriefingChannels() []BriefingChannel {
	return []BriefingChannel{BriefingBySlack, BriefingByEmail, BriefingByWebhook, BriefingOnPage}
}

// BriefingSettings say when and how people are briefed on their meetings. A
// person's empty field is the organization's; the organization's empty field is the
// default. Time zone, quiet hours and language are those by which everything is told:
// see [NotifySettings].
type BriefingSettings struct {
	// Briefings is "on", the default, or "off".
	Briefings string `json:"briefings,omitempty"`
	// Lead is how long before the start, from 5m to 72h; the default is 1h.
	Lead string `json:"lead,omitempty"`
	// Digest is the time of day at which the day's meetings are told together, such as
	// "07:30"; "off" is the default. DigestDays are the days of the week, such as
	// "mon,wed" or "mon-fri", which is the default.
	Digest     string `json:"digest,omitempty"`
	DigestDays string `json:"digest_days,omitempty"`
	// WeekAhead is when the week's meetings are told together, such as "mon 07:00";
	// "off" is the default.
	WeekAhead string `json:"week_ahead,omitempty"`
	// Channels are tried in this order; the default is "slack,email,page".
	Channels string `json:"channels,omitempty"`
	// HubSpotNote is "on" where the brief becomes a note in HubSpot, too, if HubSpot has
	// the meeting; TalkingPoints where a language model suggests what to talk about. Both are "off"
	// by default.
	HubSpotNote   string `json:"hubspot_note,omitempty"`
	TalkingPoints string `json:"talking_points,omitempty"`
}

const (
	settingOn = "on"

	defaultLead     = "1h"
	shortestLead    = 5 * time.Minute
	longestLead     = 72 * time.Hour
	defaultDays     = "mon-fri"
	defaultChannels = string(BriefingBySlack) + "," + string(BriefingByEmail) + "," + string(BriefingOnPage)
)

func (b BriefingSettings) or(of BriefingSettings) BriefingSettings {
	return BriefingSettings{
		Briefings: cmp.Or(b.Briefings, of.Briefings), Lead: cmp.Or(b.Lead, of.Lead),
		Digest: cmp.Or(b.Digest, of.Digest), DigestDays: cmp.Or(b.DigestDays, of.DigestDays), WeekAhead: cmp.Or(b.WeekAhead, of.WeekAhead),
		Channels:    cmp.Or(b.Channels, of.Channels),
		HubSpotNote: cmp.Or(b.HubSpotNote, of.HubSpotNote), TalkingPoints: cmp.Or(b.TalkingPoints, of.TalkingPoints),
	}
}

// Full are the settings with the defaults in place of what is not set.
func (b BriefingSettings) Full() BriefingSettings {
	return b.or(BriefingSettings{
		Briefings: settingOn, Lead: defaultLead, Digest: notifyOff, DigestDays: defaultDays, WeekAhead: notifyOff, Channels: defaultChannels,
		HubSpotNote: notifyOff, TalkingPoints: notifyOff,
	})
}

// On says whether there are briefings before meetings. Digests are apart from that.
func (b BriefingSettings) On() bool { return b.Briefings != notifyOff }

// LeadTime is how long before the start.
func (b BriefingSettings) LeadTime() time.Duration {
	lead, err := time.ParseDuration(cmp.Or(b.Lead, defaultLead))
	if err != nil {
		return time.Hour
	}
	return lead
}

// DigestAt is the time of day of the digest in minutes; not ok if there is none.
func (b BriefingSettings) DigestAt() (minutes int, ok bool) { return clock(b.Digest) }

// Days are the days of the week that have a digest, in the order of the week from
// Monday on.
func (b BriefingSettings) Days() []time.Weekday {
	days, ok := weekdays(cmp.Or(b.DigestDays, defaultDays))
	if !ok {
		days, _ = weekdays(defaultDays)
	}
	return days
}

// WeekAheadAt is the day of the week and the time of day in minutes; not ok if there
// is none.
func (b BriefingSettings) WeekAheadAt() (day time.Weekday, minutes int, ok bool) {
	name, at, _ := strings.Cut(b.WeekAhead, " ")
	day, known := weekday(name)
	minutes, ok = clock(at)
	return day, minutes, ok && known
}

// ChannelList are the channels in the order in which they are tried. The last one is
// the page, which can't fail.
func (b BriefingSettings) ChannelList() []BriefingChannel {
	channels, ok := channelList(cmp.Or(b.Channels, defaultChannels))
	if !ok {
		channels, _ = channelList(defaultChannels)
	}
	return channels
}

// Note says whether the brief becomes a note in HubSpot, too.
func (b BriefingSettings) Note() bool { return b.HubSpotNote == settingOn }

// Talks says whether a language model suggests talking points, where there is one.
func (b BriefingSettings) Talks() bool { return b.TalkingPoints == settingOn }

// dayNames are the days of a week, as settings write them.
var dayNames = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

func weekday(name string) (time.Weekday, bool) {
	i := slices.Index(dayNames, name)
	return time.Weekday((i + 1) % 7), i >= 0
}

// weekdays reads "mon,wed" or "mon-fri", also mixed.
func weekdays(text string) (days []time.Weekday, ok bool) {
	var in [7]bool
	for _, part := range strings.Split(text, ",") {
		first, last, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			last = first
		}
		from, to := slices.Index(dayNames, first), slices.Index(dayNames, last)
		if from < 0 || to < from {
			return nil, false
		}
		for i := from; i <= to; i++ {
			in[i] = true
		}
	}
	for i, is := range in {
		if is {
			days = append(days, time.Weekday((i+1)%7))
		}
	}
	return days, true
}

// channelList reads "slack,email". The page is put last, wherever it stands.
func channelList(text string) (channels []BriefingChannel, ok bool) {
	for _, name := range strings.Split(text, ",") {
		c := BriefingChannel(strings.TrimSpace(name))
		if !slices.Contains(BriefingChannels(), c) {
			return nil, false
		}
		if c != BriefingOnPage && !slices.Contains(channels, c) {
			channels = append(channels, c)
		}
	}
	return append(channels, BriefingOnPage), true
}

// Check refuses what can't be meant with a [*Refusal].
func (b BriefingSettings) Check() error {
	for name, value := range map[string]string{"briefings": b.Briefings, "the note in HubSpot": b.HubSpotNote, "talking points": b.TalkingPoints} {
		if value != "" && value != settingOn && value != notifyOff {
			return refuse("%s can be on or off", name)
		}
	}
	if lead, err := time.ParseDuration(b.Lead); b.Lead != "" && (err != nil || lead < shortestLead || lead > longestLead) {
		return refuse("how long before a meeting is written as 45m or 2h, from 5m to 72h")
	}
	if _, ok := clock(b.Digest); !ok && b.Digest != "" && b.Digest != notifyOff {
		return refuse("the time of the morning digest is written as 07:30, or off")
	}
	if _, ok := weekdays(b.DigestDays); !ok && b.DigestDays != "" {
		return refuse("the days of the morning digest are written as mon-fri or mon,wed,sat")
	}
	if _, _, ok := b.WeekAheadAt(); !ok && b.WeekAhead != "" && b.WeekAhead != notifyOff {
		return refuse("when the week ahead is told is written as mon 07:00, or off")
	}
	if _, ok := channelList(b.Channels); !ok && b.Channels != "" {
		return refuse("channels are written as slack,email,webhook,page, in the order in which they are tried")
	}
	return nil
}

// BriefingBegan is why a meeting is not briefed that nobody looked at before it had
// begun.
const BriefingBegan = "it had begun"

// BriefingGrace is how long after its start a meeting is still briefed.
const BriefingGrace = 5 * time.Minute

// beforeQuiet is how long before the quiet hours a brief is made that would be due in
// them: it takes a moment, and what is told by others then must not be told late.
const beforeQuiet = 5 * time.Minute

// BriefingDue says when a brief is due: lead before the start; where that is in the
// quiet hours, shortly before they begin. Once they have begun (the meeting was booked
// at night, or inside of the lead time), it is due when they end, if the meeting begins
// later than that, else as if there were none. A time that is not after now means at
// once. skip says why there is none, and is empty otherwise.
func BriefingDue(now, start time.Time, lead time.Duration, n NotifySettings) (at time.Time, skip string) {
	if now.After(start.Add(BriefingGrace)) {
		return time.Time{}, BriefingBegan
	}
	at = start.Add(-lead)
	asked := at
	if now.After(at) {
		asked = now
	}
	from, until, quiet := n.quietAround(asked)
	switch {
	case !quiet:
		return at, ""
	case now.Before(from):
		return from.Add(-beforeQuiet), ""
	case until.Before(start):
		return until, ""
	}
	return at, ""
}

// BriefingLastCall is when a brief is made without HubSpot rather than not at all.
func BriefingLastCall(start time.Time, lead time.Duration) time.Time {
	return start.Add(-min(10*time.Minute, lead/3))
}

// BriefingPreferences are how a person is briefed, filled up with what the
// organization says.
type BriefingPreferences struct {
	Settings BriefingSettings
	Notify   NotifySettings
	Language string
}

// BriefingPreferences returns how a person is briefed.
func (s *Store) BriefingPreferences(ctx context.Context, organizationID, personID uuid.UUID) (BriefingPreferences, error) {
	return briefingPreferences(ctx, s.pool, organizationID, personID)
}

func briefingPreferences(ctx context.Context, q querier, organizationID, personID uuid.UUID) (BriefingPreferences, error) {
	var p BriefingPreferences
	var notify, briefing, settings []byte
	doing := fmt.Sprintf("reading how person %s is briefed", personID)
	err := q.QueryRow(ctx, `
		select p.language, p.notify, p.briefing, o.settings from people p join organizations o on o.id = p.organization_id
		where p.organization_id = $1 and p.id = $2`, organizationID, personID).Scan(&p.Language, &notify, &briefing, &settings)
	if err := notFound(err, doing); err != nil {
		return BriefingPreferences{}, err
	}
	if err := p.read(notify, briefing, settings); err != nil {
		return BriefingPreferences{}, fmt.Errorf("%s: %w", doing, err)
	}
	return p, nil
}

// read fills the person's own settings up with the organization's.
func (p *BriefingPreferences) read(notify, briefing, settings []byte) error {
	var of Settings
	for raw, into := range map[*[]byte]any{&notify: &p.Notify, &briefing: &p.Settings, &settings: &of} {
		if err := json.Unmarshal(*raw, into); err != nil {
			return fmt.Errorf("decoding settings: %w", err)
		}
	}
	p.Notify, p.Settings = p.Notify.or(of.Notify), p.Settings.or(of.Briefing)
	return nil
}

// PersonBriefing returns what a person said about being briefed.
func (s *Store) PersonBriefing(ctx context.Context, organizationID, personID uuid.UUID) (BriefingSettings, error) {
	var raw []byte
	doing := fmt.Sprintf("reading how person %s is briefed", personID)
	err := s.pool.QueryRow(ctx, `select briefing from people where organization_id = $1 and id = $2`, organizationID, personID).Scan(&raw)
	if err := notFound(err, doing); err != nil {
		return BriefingSettings{}, err
	}
	var b BriefingSettings
	if err := json.Unmarshal(raw, &b); err != nil {
		return BriefingSettings{}, fmt.Errorf("%s: decoding: %w", doing, err)
	}
	return b, nil
}

// SetBriefingSettings says how an organization's people are briefed, unless they say
// otherwise. Nonsense is a [*Refusal]. What is scheduled follows.
func (s *Store) SetBriefingSettings(ctx context.Context, organizationID uuid.UUID, b BriefingSettings, actor Actor) error {
	return s.setTelling(ctx, organizationID, nil, b.telling(), actor)
}

// SetPersonBriefing says how a person is briefed. Nonsense is a [*Refusal]. What is
// scheduled follows.
func (s *Store) SetPersonBriefing(ctx context.Context, organizationID, personID uuid.UUID, b BriefingSettings, actor Actor) error {
	return s.setTelling(ctx, organizationID, &personID, b.telling(), actor)
}

func (b BriefingSettings) telling() telling {
	return telling{name: "briefing", how: "how", done: "briefed", value: b, wrong: b.Check()}
}

// BriefingGroup is a time at which people of an organization are told together what is
// ahead: there is a schedule for each.
type BriefingGroup struct {
	OrganizationID uuid.UUID `json:"organization_id"`
	// Kind is [NoticeBriefingDigest] or [NoticeBriefingWeek].
	Kind NoticeKind `json:"kind"`
	// Zone is an IANA name, Minutes the local time since midnight, Days such as
	// "mon,tue".
	Zone    string `json:"zone"`
	Minutes int    `json:"minutes"`
	Days    string `json:"days"`
}

// Weekdays are the days of the week, in their order from Monday on; not ok where Days
// is no list of them.
func (g BriefingGroup) Weekdays() (days []time.Weekday, ok bool) { return weekdays(g.Days) }

func dayList(days []time.Weekday) string {
	names := make([]string, 0, len(days))
	for _, d := range days {
		names = append(names, dayNames[(int(d)+6)%7])
	}
	return strings.Join(names, ",")
}

// groups are those that a person of these preferences belongs to.
func (p BriefingPreferences) groups(organizationID uuid.UUID) []BriefingGroup {
	var all []BriefingGroup
	zone := cmp.Or(p.Notify.TimeZone, "UTC")
	if minutes, ok := p.Settings.DigestAt(); ok {
		all = append(all, BriefingGroup{organizationID, NoticeBriefingDigest, zone, minutes, dayList(p.Settings.Days())})
	}
	if day, minutes, ok := p.Settings.WeekAheadAt(); ok {
		all = append(all, BriefingGroup{organizationID, NoticeBriefingWeek, zone, minutes, dayList([]time.Weekday{day})})
	}
	return all
}

// eachToDigest calls each for the active people of an organization, or with nil of
// all, by their IDs.
func (s *Store) eachToDigest(ctx context.Context, organizationID *uuid.UUID, each func(organization, person uuid.UUID, p BriefingPreferences)) error {
	rows, err := s.pool.Query(ctx, `
		select p.organization_id, p.id, p.language, p.notify, p.briefing, o.settings from people p join organizations o on o.id = p.organization_id
		where ($1::uuid is null or p.organization_id = $1) and p.deactivated_at is null
		  and (p.briefing ?| array['digest', 'week_ahead'] or o.settings->'briefing' ?| array['digest', 'week_ahead'])
		order by p.organization_id, p.id`, organizationID)
	if err != nil {
		return fmt.Errorf("reading who has a digest: %w", err)
	}
	var organization, person uuid.UUID
	var language string
	var notify, briefing, settings []byte
	_, err = pgx.ForEachRow(rows, []any{&organization, &person, &language, &notify, &briefing, &settings}, func() error {
		p := BriefingPreferences{Language: language}
		if err := p.read(notify, briefing, settings); err != nil {
			return err
		}
		each(organization, person, p)
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading who has a digest: %w", err)
	}
	return nil
}

// BriefingGroups lists the groups that somebody belongs to.
func (s *Store) BriefingGroups(ctx context.Context) ([]BriefingGroup, error) {
	var all []BriefingGroup
	known := map[BriefingGroup]bool{}
	err := s.eachToDigest(ctx, nil, func(organization, _ uuid.UUID, p BriefingPreferences) {
		for _, g := range p.groups(organization) {
			if !known[g] {
				known[g] = true
				all = append(all, g)
			}
		}
	})
	return all, err
}

// BriefingGroupPeople are those who belong to a group now.
func (s *Store) BriefingGroupPeople(ctx context.Context, g BriefingGroup) ([]uuid.UUID, error) {
	var people []uuid.UUID
	err := s.eachToDigest(ctx, &g.OrganizationID, func(organization, person uuid.UUID, p BriefingPreferences) {
		if slices.Contains(p.groups(organization), g) {
			people = append(people, person)
		}
	})
	return people, err
}

// BriefingSchedulesAsked is a number that grows whenever the groups may have changed.
func (s *Store) BriefingSchedulesAsked(ctx context.Context) (int64, error) {
	var n int64
	if err := s.pool.QueryRow(ctx, `select coalesce(sum(digests_asked), 0)::bigint from organizations`).Scan(&n); err != nil {
		return 0, fmt.Errorf("asking whether digests changed: %w", err)
	}
	return n, nil
}
