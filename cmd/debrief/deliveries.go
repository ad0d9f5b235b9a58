package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

type deliveriesCmd struct {
	List deliveriesListCmd `cmd:"" help:"List deliveries, newest first."`
	Show deliveriesShowCmd `cmd:"" help:"Show one delivery, without its body."`
}

type deliveriesListCmd struct {
	jsonFlag

	State   string    `help:"Only those in this state: received, understood, unprocessable, excluded, unrouted." enum:"received,understood,unprocessable,excluded,unrouted,all" default:"all"`
	Meeting uuid.UUID `help:"Only those that told of this meeting."`
	Limit   int       `help:"How many." default:"50"`
}

func (c *deliveriesListCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "deliveries")
	if err != nil {
		return err
	}
	filter := store.DeliveryFilter{MeetingID: c.Meeting, State: store.DeliveryState(c.State), Limit: c.Limit}
	if c.State == "all" {
		filter.State = ""
	}
	// Those of an installation's source that nobody connected belong to no
	// organization: only the state finds them.
	if c.State != string(store.DeliveryUnrouted) {
		o, err := a.organization(ctx, s)
		if err != nil {
			return err
		}
		filter.OrganizationID = o.ID
	}
	all, err := s.Deliveries(ctx, filter)
	if err != nil {
		return err
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"DELIVERY", "RECEIVED", "PLATFORM", "BYTES", "STATE", "REASON"}}
		for _, d := range all {
			rows = append(rows, []string{d.ID.String(), ago(d.ReceivedAt), d.Platform, strconv.Itoa(d.Size), string(d.State), d.Reason})
		}
		a.table("Nothing was received yet. `debrief sources list` shows where platforms should post to.", rows)
	})
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
	d, err := s.DeliveryByID(ctx, c.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, d, func() {
		a.table("", [][]string{
			{"DELIVERY", d.ID.String()},
			{"received", d.ReceivedAt.Local().Format(time.DateTime)},
			{"platform", d.Platform},
			{"dedupe key", d.DedupeKey},
			{"bytes", strconv.Itoa(d.Size)},
			{"state", strings.TrimSpace(string(d.State) + " " + d.Reason)},
			{"meetings", strings.Trim(fmt.Sprint(d.MeetingIDs), "[]")},
		})
	})
}
