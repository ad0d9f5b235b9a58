package main

import (
	"cmp"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/store"
)

// dealRules change the rules by which a meeting finds its deal.
type dealRules struct {
	DealDays     *int  `help:"How many days before a meeting a deal may have closed to be the meeting's (default 14); 0 for those alone that were open at the time." placeholder:"N"`
	DealContacts *bool `help:"Prefer the deals that are linked to a contact who was there (the default); --no-deal-contacts doesn't." negatable:""`
	DealOwners   *bool `help:"Prefer the deals whose owner was there (the default); --no-deal-owners doesn't." negatable:""`
}

func (r dealRules) applied(d store.DealSettings) store.DealSettings {
	if r.DealDays != nil {
		if d.Days = *r.DealDays; d.Days <= 0 {
			d.Days = -1
		}
	}
	if r.DealContacts != nil {
		d.AnyContact = !*r.DealContacts
	}
	if r.DealOwners != nil {
		d.AnyOwner = !*r.DealOwners
	}
	return d
}

type planSimulateCmd struct {
	jsonFlag
	dealRules

	Meeting []uuid.UUID `help:"A meeting's ID; repeat for several." placeholder:"ID"`
	Last    string      `help:"The meetings of the last days, 500 at most." placeholder:"30d"`
}

func (c *planSimulateCmd) Run(ctx context.Context, a *app) error {
	if (len(c.Meeting) == 0) == (c.Last == "") {
		return usagef("name meetings by --meeting, or say how far back by --last 30d")
	}
	if c.dealRules == (dealRules{}) {
		return usagef("say which rules to try: --deal-days N, --no-deal-contacts, --no-deal-owners")
	}
	s, o, err := a.open(ctx, "plan")
	if err != nil {
		return err
	}
	meetings := c.Meeting
	if c.Last != "" {
		back, err := daysBack(c.Last)
		if err != nil {
			return err
		}
		now := time.Now()
		all, err := s.Meetings(ctx, o.ID, store.MeetingFilter{From: now.Add(-back), To: now, Limit: 500})
		if err != nil {
			return err
		}
		for _, m := range all {
			meetings = append(meetings, m.ID)
		}
	}
	simulation, err := (&activities.Activities{Store: s}).Simulate(ctx, o.ID, meetings, c.applied(o.Settings.Deals))
	if err != nil {
		return err
	}
	return a.show(c.JSON, simulation, func() { a.printSimulation(simulation) })
}

// daysBack reads 30d, or a duration.
func daysBack(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, usagef("%q is not how far back: write 30d or 12h", s)
	}
	return d, nil
}

func (a *app) printSimulation(s activities.Simulation) {
	rows := [][]string{{"MEETING", "START", "TITLE", "NOW", "THEN"}}
	for _, m := range s.Differing {
		start := ""
		if !m.Start.IsZero() {
			start = m.Start.Local().Format("2006-01-02 15:04")
		}
		rows = append(rows, []string{m.ID.String(), start, oneLine(m.Title), dealsText(m.Now), dealsText(m.Then)})
	}
	a.table("Nothing would differ.", rows)
	a.say("\n%d of %d meetings would differ; which deal is meant would be asked for %d of them, now it is for %d.", len(s.Differing), s.Meetings, s.AskedThen, s.AskedNow)
	if s.Unplanned > 0 {
		a.say("Of %d more nothing is recorded that a plan was made from.", s.Unplanned)
	}
}

func dealsText(c planner.DealChoice) string {
	list, before := c.Deals, ""
	switch {
	case c.Asked:
		list, before = c.Among, "asks: "
	case len(list) == 0:
		return "no deal"
	}
	var names []string
	for _, d := range list {
		names = append(names, oneLine(cmp.Or(d.Name, "deal "+d.ID)))
	}
	return before + strings.Join(names, ", ")
}
