package main

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

type deliveriesCmd struct {
	List   deliveriesListCmd   `cmd:"" help:"List deliveries, newest first."`
	Show   deliveriesShowCmd   `cmd:"" help:"Show one delivery, without its body."`
	Replay deliveriesReplayCmd `cmd:"" help:"Have one delivery, or those of some days, looked at again: as a dry run, for what is missing, or as new."`
	Prune  deliveriesPruneCmd  `cmd:"" help:"Drop the content of old deliveries now, as the worker does every hour."`
}

type deliveriesListCmd struct {
	jsonFlag

	State   string    `help:"Only those in this state: received, fetching, understood, unprocessable, excluded, unrouted (then those that are nobody's)." enum:"received,fetching,understood,unprocessable,excluded,unrouted,all" default:"all"`
	Source  string    `help:"Only those of this source, by name."`
	Meeting uuid.UUID `help:"Only those that told of this meeting."`
	Since   string    `help:"Only those received on this day (UTC) or later." placeholder:"YYYY-MM-DD"`
	Until   string    `help:"Only those received on this day (UTC) or earlier." placeholder:"YYYY-MM-DD"`
	Before  string    `help:"Only those before this place, to page back: the command says it at the end of a page." placeholder:"PLACE"`
	Limit   int       `help:"How many." default:"50"`
}

func (c *deliveriesListCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "deliveries")
	if err != nil {
		return err
	}
	search, err := c.searchIn(ctx, a, s)
	if err != nil {
		return err
	}
	all, err := s.SearchDeliveries(ctx, search)
	if err != nil {
		return err
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"DELIVERY", "RECEIVED", "SOURCE", "CAME", "BYTES", "STATE", "REASON"}}
		for _, d := range all {
			rows = append(rows, []string{d.ID.String(), ago(d.ReceivedAt), d.Source, came(d.Origin), strconv.Itoa(d.Size), string(d.State), d.Reason})
		}
		a.table("Nothing was received that is like that. `debrief sources list` shows where platforms should post to.", rows)
		if len(all) == c.Limit {
			a.say("\nThere may be more: --before %s", all[len(all)-1].Key())
		}
	})
}

// came says how a delivery came.
func came(o store.DeliveryOrigin) string {
	if o == store.OriginPoll {
		return "polled"
	}
	return "sent"
}

// searchIn is what the flags say, of the organization that the command is about.
func (c *deliveriesListCmd) searchIn(ctx context.Context, a *app, s *store.Store) (store.DeliverySearch, error) {
	search, err := c.search()
	if err != nil {
		return search, err
	}
	// Those of an installation's source that nobody connected belong to no
	// organization: only the state finds them.
	var sourceOf *uuid.UUID
	if search.State != store.DeliveryUnrouted {
		o, err := a.organization(ctx, s)
		if err != nil {
			return search, err
		}
		search.OrganizationID, sourceOf = o.ID, &o.ID
	}
	if c.Source != "" {
		source, err := s.SourceByName(ctx, sourceOf, c.Source)
		if errors.Is(err, store.ErrNotFound) {
			source, err = s.SourceByName(ctx, nil, c.Source) // the installation's
		}
		if errors.Is(err, store.ErrNotFound) {
			return search, usagef("there is no source %q: `debrief sources list` shows them", c.Source)
		}
		if err != nil {
			return search, err
		}
		search.SourceID = source.ID
	}
	return search, nil
}

func (c *deliveriesListCmd) search() (store.DeliverySearch, error) {
	search := store.DeliverySearch{MeetingID: c.Meeting, State: store.DeliveryState(c.State), Limit: c.Limit}
	if c.State == "all" {
		search.State = ""
	}
	var err error
	if search.Before, err = store.ParseDeliveryKey(c.Before); err != nil {
		return search, usagef("--before: %s", err)
	}
	for flag, day := range map[string]struct {
		text string
		to   *time.Time
	}{"--since": {c.Since, &search.From}, "--until": {c.Until, &search.Until}} {
		if day.text == "" {
			continue
		}
		if *day.to, err = time.Parse(time.DateOnly, day.text); err != nil {
			return search, usagef("%s is a day, such as 2026-11-22", flag)
		}
	}
	if !search.Until.IsZero() {
		search.Until = search.Until.AddDate(0, 0, 1)
	}
	return search, nil
}

type deliveriesShowCmd struct {
	jsonFlag

	ID uuid.UUID `arg:"" help:"The delivery."`
}

func (c *deliveriesShowCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "deliveries")
	if err != nil {
		return err
	}
	// Of whichever organization: who runs this has the database.
	envelope, err := s.DeliveryByID(ctx, c.ID)
	if errors.Is(err, store.ErrNotFound) {
		return usagef("there is no delivery %s: `debrief deliveries list` shows them", c.ID)
	}
	if err != nil {
		return err
	}
	organizationID := uuid.Nil
	if envelope.OrganizationID != nil {
		organizationID = *envelope.OrganizationID
	}
	d, err := s.DeliveryDetails(ctx, organizationID, c.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, d, func() {
		rows := [][]string{
			{"DELIVERY", d.ID.String()},
			{"received", d.ReceivedAt.Local().Format(time.DateTime)},
			{"source", d.Source + " (" + d.Platform + ")"},
			{"came", came(d.Origin)},
			{"dedupe key", d.DedupeKey},
			{"contents", strconv.Itoa(d.Versions) + " with this key"},
			{"bytes", strconv.Itoa(d.Size)},
			{"state", strings.TrimSpace(string(d.State) + " " + d.Reason)},
			{"attempts", strconv.Itoa(d.Attempts)},
			{"fetched", fetchedText(d.FetchedAt)},
		}
		for _, e := range d.Events {
			rows = append(rows, []string{"told of", e.Type + " of meeting " + e.MeetingID.String()})
		}
		a.table("", rows)
	})
}

// fetchedText says when the platform's API told the rest.
func fetchedText(at *time.Time) string {
	if at == nil {
		return "nothing more than the webhook"
	}
	return "from the platform's API, " + at.Local().Format(time.DateTime)
}
