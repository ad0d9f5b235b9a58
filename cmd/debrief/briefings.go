package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

type briefingsCmd struct {
	List    briefingsListCmd    `cmd:"" help:"List the briefings of meetings that are ahead, the first meeting first."`
	Show    briefingsShowCmd    `cmd:"" help:"Show when and how everybody is briefed, or one person."`
	Set     briefingsSetCmd     `cmd:"" help:"Say when and how everybody is briefed, or one person; 'default' takes back what was said."`
	Preview briefingsPreviewCmd `cmd:"" help:"Show what was last made of a meeting's briefing, as its host reads it."`
	Send    briefingsSendCmd    `cmd:"" help:"Brief a meeting's host now. Who was briefed already is told what has changed since."`
}

type briefingsListCmd struct {
	jsonFlag

	For   string `help:"Only those for this person: address or ID." placeholder:"PERSON"`
	State string `help:"Only those in this state: ${enum}." enum:"waiting,ready,delivered,skipped,canceled,failed,all" default:"all"`
	Past  bool   `help:"Also those of meetings that began more than an hour ago, of the last 30 days."`
	Limit int    `help:"How many." default:"50"`
}

func (c *briefingsListCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "briefings")
	if err != nil {
		return err
	}
	filter := store.BriefingFilter{From: time.Now().Add(-time.Hour), Limit: c.Limit}
	if c.Past {
		filter.From = time.Now().AddDate(0, 0, -30)
	}
	if c.State != "all" {
		filter.State = store.BriefingState(c.State)
	}
	if c.For != "" {
		person, err := findPerson(ctx, s, o, c.For)
		if err != nil {
			return err
		}
		filter.PersonID = &person.ID
	}
	all, err := s.Briefings(ctx, o.ID, filter)
	if err != nil {
		return err
	}
	names, err := s.PeopleNames(ctx, o.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"MEETING", "BEGINS", "FOR", "STATE", "DUE", "REASON"}}
		for _, b := range all {
			rows = append(rows, []string{b.MeetingID.String(), when(b.StartsAt), cmp.Or(names[b.PersonID.String()], b.PersonID.String()), briefingState(b), due(b), b.Reason})
		}
		a.table("No briefings: they are made for meetings that are ahead, that somebody of the organization hosts, and that somebody from outside is invited to.", rows)
	})
}

func briefingState(b store.Briefing) string {
	switch {
	case b.State == store.BriefingDelivered && b.Channel != "":
		return fmt.Sprintf("%s (%s)", b.State, b.Channel)
	case b.PausedSince != nil && b.State == store.BriefingWaiting:
		return "paused"
	}
	return string(b.State)
}

func due(b store.Briefing) string {
	if b.State != store.BriefingWaiting {
		return ""
	}
	return when(b.DueAt)
}

type briefingsShowCmd struct {
	jsonFlag

	Person string `arg:"" optional:"" help:"Somebody's address or ID; without it, all who don't say otherwise."`
}

// shownBriefingSettings are what holds, and where each is from.
type shownBriefingSettings struct {
	store.BriefingSettings

	TimeZone   string `json:"time_zone"`
	QuietHours string `json:"quiet_hours"`
	// Own are the person's own, or the organization's.
	Own store.BriefingSettings `json:"own"`
}

func (c *briefingsShowCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "briefings")
	if err != nil {
		return err
	}
	return showBriefingSettings(ctx, a, s, o, c.Person, c.JSON)
}

func showBriefingSettings(ctx context.Context, a *app, s *store.Store, o store.Organization, name string, asJSON bool) error {
	own, holds, notify := o.Settings.Briefing, o.Settings.Briefing, o.Settings.Notify
	whose := "set"
	if name != "" {
		person, err := findPerson(ctx, s, o, name)
		if err != nil {
			return err
		}
		if own, err = s.PersonBriefing(ctx, o.ID, person.ID); err != nil {
			return err
		}
		merged, err := s.BriefingPreferences(ctx, o.ID, person.ID)
		if err != nil {
			return err
		}
		holds, notify, whose = merged.Settings, merged.Notify, "their own"
	}
	full := holds.Full()
	shown := shownBriefingSettings{full, cmp.Or(notify.TimeZone, "UTC"), cmp.Or(notify.QuietHours, "off"), own}
	return a.show(asJSON, shown, func() {
		from := func(own, holds string) string {
			switch {
			case own != "":
				return whose
			case holds != "":
				return "as the organization says"
			default:
				return "as it comes"
			}
		}
		rows := [][]string{{"SETTING", "IS", ""}}
		for _, r := range []struct{ name, is, own, holds string }{
			{"briefings", full.Briefings, own.Briefings, holds.Briefings},
			{"before the start", full.Lead, own.Lead, holds.Lead},
			{"morning digest", full.Digest, own.Digest, holds.Digest},
			{"on", full.DigestDays, own.DigestDays, holds.DigestDays},
			{"week ahead", full.WeekAhead, own.WeekAhead, holds.WeekAhead},
			{"channels", full.Channels, own.Channels, holds.Channels},
			{"note in HubSpot", full.HubSpotNote, own.HubSpotNote, holds.HubSpotNote},
			{"talking points", full.TalkingPoints, own.TalkingPoints, holds.TalkingPoints},
		} {
			rows = append(rows, []string{r.name, r.is, from(r.own, r.holds)})
		}
		a.table("", rows)
		a.say("\nTime zone %s, quiet hours %s: `debrief notify when` changes them.", shown.TimeZone, shown.QuietHours)
	})
}

type briefingsSetCmd struct {
	jsonFlag

	Person string `arg:"" optional:"" help:"Somebody's address or ID; without it, all who don't say otherwise."`

	Briefings     string `help:"Whether there are briefings before meetings: on or off." placeholder:"on|off"`
	Lead          string `help:"How long before the start, such as 45m or 2h; from 5m to 72h." placeholder:"TIME"`
	Digest        string `help:"When the day's meetings are told together, such as 07:30; off for never." placeholder:"TIME"`
	DigestDays    string `help:"On which days, such as mon-fri or mon,wed." placeholder:"DAYS"`
	WeekAhead     string `help:"When the week's meetings are told together, such as 'mon 07:00'; off for never." placeholder:"DAY TIME"`
	Channels      string `help:"Where they go, in the order in which that is tried: slack, email, webhook, page, with commas." placeholder:"CHANNELS"`
	HubSpotNote   string `name:"hubspot-note" help:"Whether the briefing becomes a note in HubSpot, too, where HubSpot has the meeting already: on or off." placeholder:"on|off"`
	TalkingPoints string `help:"Whether the language model suggests what to talk about, where there is one: on or off." placeholder:"on|off"`
}

func (c *briefingsSetCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "briefings")
	if err != nil {
		return err
	}
	was, who := o.Settings.Briefing, store.Person{}
	if c.Person != "" {
		if who, err = findPerson(ctx, s, o, c.Person); err != nil {
			return err
		}
		if was, err = s.PersonBriefing(ctx, o.ID, who.ID); err != nil {
			return err
		}
	}
	wanted := was
	for from, into := range map[*string]*string{
		&c.Briefings: &wanted.Briefings, &c.Lead: &wanted.Lead, &c.Digest: &wanted.Digest, &c.DigestDays: &wanted.DigestDays, &c.WeekAhead: &wanted.WeekAhead,
		&c.Channels: &wanted.Channels, &c.HubSpotNote: &wanted.HubSpotNote, &c.TalkingPoints: &wanted.TalkingPoints,
	} {
		switch *from {
		case "":
		case "default":
			*into = ""
		default:
			*into = *from
		}
	}
	switch {
	case wanted == was:
	case c.Person == "":
		err = s.SetBriefingSettings(ctx, o.ID, wanted, store.Operator)
		o.Settings.Briefing = wanted
	default:
		err = s.SetPersonBriefing(ctx, o.ID, who.ID, wanted, store.Operator)
	}
	if err != nil {
		return err
	}
	return showBriefingSettings(ctx, a, s, o, c.Person, c.JSON)
}

type briefingsPreviewCmd struct {
	jsonFlag

	Meeting uuid.UUID `arg:"" help:"The meeting's ID."`
}

func (c *briefingsPreviewCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "briefings")
	if err != nil {
		return err
	}
	all, err := s.BriefingsOfMeeting(ctx, o.ID, c.Meeting)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return &notFoundError{"this meeting has no briefing: `debrief briefings list` shows those that have"}
	}
	b := all[0]
	if b.Brief == nil {
		why := fmt.Sprintf("it is due %s; `debrief briefings send` makes it now", when(b.DueAt))
		if b.Reason != "" {
			why = b.Reason
		}
		return &notFoundError{"nothing was made of this meeting's briefing yet: " + why}
	}
	var brief briefing.Brief
	if err := json.Unmarshal(b.Brief, &brief); err != nil {
		return errors.New("the briefing was made by another version: `debrief briefings send` makes it anew")
	}
	preferences, err := s.BriefingPreferences(ctx, o.ID, b.PersonID)
	if err != nil {
		return err
	}
	page := brief.Page(briefing.View{Printer: words.In(preferences.Language), Zone: preferences.Notify.Location(), BaseURL: strings.TrimRight(a.PublicURL, "/")})
	return a.show(c.JSON, brief, func() { a.say("%s", strings.TrimRight(page.Text(), "\n")) })
}

type briefingsSendCmd struct {
	jsonFlag

	Meeting uuid.UUID `arg:"" help:"The meeting's ID."`
}

func (c *briefingsSendCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "briefings")
	if err != nil {
		return err
	}
	err = s.SendBriefing(ctx, o.ID, c.Meeting, store.Operator)
	if errors.Is(err, store.ErrNotFound) {
		return &notFoundError{"there is no such meeting: `debrief meetings list` shows them"}
	}
	if err != nil {
		return err
	}
	return a.done(c.JSON, "The worker makes the briefing now, and tells the host.")
}
