package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/webhooks"
)

type deliveriesReplayCmd struct {
	jsonFlag

	ID     uuid.UUID `arg:"" optional:"" help:"The delivery; without it, --from and --until say which."`
	From   string    `help:"Those received on this day (UTC) or later." placeholder:"YYYY-MM-DD"`
	Until  string    `help:"Those received on this day (UTC) or earlier." placeholder:"YYYY-MM-DD"`
	Source string    `help:"Only those of this source, by name."`
	Mode   string    `help:"dry-run shows what would be done, and changes nothing; resume does only what is missing; redo does it as new: new meetings and follow-ups come out of it, whatever was written before." enum:"dry-run,resume,redo" default:"dry-run"`
	Yes    bool      `help:"Do what --mode=redo does without a question: what it writes to HubSpot may stand there already."`
	RedoID uuid.UUID `name:"redo-id" help:"Go on with a redo that broke off: it said its ID. What it did already is not done again."`
}

// replayed is what became of one delivery.
type replayed struct {
	DeliveryID uuid.UUID `json:"delivery_id"`
	// Outcome is what was done, or would be: a sentence.
	Outcome string `json:"outcome"`
	// Left says that nothing was done, and Outcome why.
	Left bool `json:"left,omitempty"`
	// CopyID is the delivery that is done as new.
	CopyID *uuid.UUID `json:"copy_id,omitempty"`
	// Events are what it tells, MeetingIDs the meetings that it tells of, Changed
	// those of them that it would change, and Actions what stands in their plans.
	Events     []meeting.EventType `json:"events,omitempty"`
	MeetingIDs []uuid.UUID         `json:"meeting_ids,omitempty"`
	Changed    []uuid.UUID         `json:"changed,omitempty"`
	Actions    []plannedAction     `json:"actions,omitempty"`
}

type plannedAction struct {
	Tool  string            `json:"tool"`
	State store.ActionState `json:"state"`
}

func (c *deliveriesReplayCmd) Run(ctx context.Context, a *app) error {
	if (c.ID == uuid.Nil) == (c.From == "" && c.Until == "") {
		return usagef("name one delivery, or a range by --from and --until: `debrief deliveries list` shows them")
	}
	s, err := a.store(ctx, "replay")
	if err != nil {
		return err
	}
	all, err := c.deliveries(ctx, a, s)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return usagef("nothing was received then: `debrief deliveries list` shows what was")
	}
	redo := c.RedoID
	if c.Mode == "redo" {
		if !c.Yes {
			return usagef("this makes new meetings of %s, with follow-ups that write to HubSpot, whatever stands there already: add --yes if that is what you want", deliveriesText(len(all)))
		}
		if redo == uuid.Nil {
			redo = uuid.New()
		}
		_, _ = fmt.Fprintf(a.err, "This redo is %s: should it break off, --redo-id goes on with it.\n", redo)
	}
	bar := progress{to: a.err, of: len(all), hidden: len(all) == 1}
	out := make([]replayed, 0, len(all))
	for _, d := range all {
		one, err := c.one(ctx, s, d, redo)
		if errors.Is(err, store.ErrErased) {
			one, err = replayed{DeliveryID: d.ID, Left: true, Outcome: "nothing is kept of it that could be read again"}, nil
		}
		if err != nil {
			return err
		}
		out = append(out, one)
		bar.step()
	}
	bar.end()
	return a.show(c.JSON, out, func() {
		rows := [][]string{{"DELIVERY", "TELLS", "MEETING", "OUTCOME"}}
		left := 0
		for _, r := range out {
			if r.Left {
				left++
			}
			rows = append(rows, []string{r.DeliveryID.String(), joined(r.Events), joined(r.MeetingIDs), r.Outcome})
		}
		a.table("", rows)
		switch c.Mode {
		case "dry-run":
			a.say("\nNothing was done. --mode=resume does what is missing, --mode=redo does all of it as new.")
		default:
			a.say("\n%s, %d of them left alone. `debrief deliveries list` shows what comes of it.", deliveriesText(len(out)), left)
		}
	})
}

func deliveriesText(n int) string {
	if n == 1 {
		return "1 delivery"
	}
	return fmt.Sprintf("%d deliveries", n)
}

func joined[T any](all []T) string {
	texts := make([]string, len(all))
	for i, one := range all {
		texts[i] = fmt.Sprint(one)
	}
	return strings.Join(texts, ", ")
}

// deliveries are those to replay, in the order in which they came. Copies that a
// redo made are replayed when they are named, and never as part of a range: they
// would be done again with what they are copies of.
func (c *deliveriesReplayCmd) deliveries(ctx context.Context, a *app, s *store.Store) ([]store.Delivery, error) {
	if c.ID != uuid.Nil {
		d, err := s.DeliveryByID(ctx, c.ID)
		if errors.Is(err, store.ErrNotFound) {
			return nil, &notFoundError{fmt.Sprintf("there is no delivery %s: `debrief deliveries list` shows them", c.ID)}
		}
		return []store.Delivery{d}, err
	}
	list := deliveriesListCmd{Source: c.Source, Since: c.From, Until: c.Until, State: "all", Limit: 1000}
	search, err := list.searchIn(ctx, a, s)
	if err != nil {
		return nil, err
	}
	var all []store.Delivery
	for {
		page, err := s.SearchDeliveries(ctx, search)
		if err != nil {
			return nil, err
		}
		for _, d := range page {
			if d.RedoID == nil {
				all = append(all, d.Delivery)
			}
		}
		if len(page) < list.Limit {
			slices.Reverse(all)
			return all, nil
		}
		search.Before = page[len(page)-1].Key()
	}
}

func (c *deliveriesReplayCmd) one(ctx context.Context, s *store.Store, d store.Delivery, redo uuid.UUID) (replayed, error) {
	switch c.Mode {
	case "resume":
		if err := s.ResumeDelivery(ctx, d.ID, store.Operator); err != nil {
			return replayed{}, err
		}
		return replayed{DeliveryID: d.ID, MeetingIDs: d.MeetingIDs, Outcome: "is looked at again: what is missing is done"}, nil
	case "redo":
		if d.Platform == "hubspot" {
			return replayed{DeliveryID: d.ID, Left: true, Outcome: "it tells of changes in the CRM, and there is nothing to be new: use --mode=resume"}, nil
		}
		copied, err := s.RedoDelivery(ctx, d.ID, redo, store.Operator)
		if err != nil {
			return replayed{}, err
		}
		if copied == uuid.Nil {
			return replayed{DeliveryID: d.ID, Left: true, Outcome: "this redo has it already"}, nil
		}
		return replayed{DeliveryID: d.ID, CopyID: &copied, Outcome: "is done as new, as delivery " + copied.String()}, nil
	default:
		return dryRun(ctx, s, d)
	}
}

// dryRun says what resuming would do.
func dryRun(ctx context.Context, s *store.Store, d store.Delivery) (replayed, error) {
	out := replayed{DeliveryID: d.ID}
	p, err := webhooks.Preview(ctx, s, webhooks.Platforms(), d)
	if err != nil {
		return out, err
	}
	if p.Reason != "" && len(p.Events) == 0 {
		out.Left, out.Outcome = true, "would be left as it is: "+p.Reason
		return out, nil
	}
	out.Events, out.MeetingIDs, out.Changed = p.Events, p.MeetingIDs, p.Changed
	for _, id := range p.MeetingIDs {
		actions, err := s.ActionsOf(ctx, p.OrganizationID, id)
		if err != nil {
			return out, err
		}
		for _, action := range actions {
			out.Actions = append(out.Actions, plannedAction{action.Tool.String(), action.State})
		}
	}
	happened := 0
	for _, action := range out.Actions {
		if action.State.Happened() {
			happened++
		}
	}
	switch {
	case len(p.Changed) > 0:
		out.Outcome = "would change its meeting, and a follow-up would plan the difference"
	default:
		out.Outcome = "its meeting has it already"
	}
	if len(out.Actions) > 0 {
		out.Outcome += fmt.Sprintf("; %d of its %d actions are done", happened, len(out.Actions))
	}
	if p.Reason != "" {
		out.Outcome += "; " + p.Reason
	}
	return out, nil
}

type deliveriesPruneCmd struct {
	jsonFlag

	OlderThan time.Duration `help:"Of this organization, what was received longer ago; without it, what every organization's settings say (organizations set --keep-payloads)."`
}

func (c *deliveriesPruneCmd) Run(ctx context.Context, a *app) error {
	if c.OlderThan < 0 {
		return usagef("--older-than is a time ago, such as 720h")
	}
	if c.OlderThan == 0 {
		s, err := a.store(ctx, "prune")
		if err != nil {
			return err
		}
		n, err := s.PruneAllPayloads(ctx, time.Now())
		if err != nil {
			return err
		}
		return a.done(c.JSON, "The content of %s was dropped. Envelopes, verdicts and meetings stay.", deliveriesText(n))
	}
	s, o, err := a.open(ctx, "prune")
	if err != nil {
		return err
	}
	before, total := time.Now().Add(-c.OlderThan), 0
	for {
		n, err := s.PrunePayloads(ctx, o.ID, before)
		if err != nil {
			return err
		}
		if total += n; n == 0 {
			return a.done(c.JSON, "The content of %s was dropped. Envelopes, verdicts and meetings stay.", deliveriesText(total))
		}
	}
}

// progress shows on a terminal, or in a log, how far something is.
type progress struct {
	to     interface{ Write([]byte) (int, error) }
	of     int
	hidden bool

	done, shown int
}

const progressWidth = 30

func (p *progress) step() {
	p.done++
	// A line is written anew when it looks different.
	if full := p.done * progressWidth / p.of; !p.hidden && (full != p.shown || p.done == p.of) {
		p.shown = full
		_, _ = fmt.Fprintf(p.to, "\r[%s%s] %d of %d", strings.Repeat("#", full), strings.Repeat(".", progressWidth-full), p.done, p.of)
	}
}

func (p *progress) end() {
	if !p.hidden {
		_, _ = fmt.Fprintln(p.to)
	}
}
