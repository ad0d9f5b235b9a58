package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/devstack/bench"
	"github.com/debriefhq/debrief/devstack/measure"
	"github.com/debriefhq/debrief/devstack/story"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
)

type callsCmd struct {
	Doc   string        `help:"The page that has the floors, with their reasons." default:"docs/hubspot-calls.md" placeholder:"FILE"`
	Limit time.Duration `help:"When to give up." default:"10m"`
	Out   string        `help:"Where the results go; empty: nowhere." default:"bench/results/calls.json" placeholder:"FILE"`
}

// called is what one meeting or brief called.
type called struct {
	// Section of the page has its floor, and reasons what is above.
	Section  string     `json:"section"`
	Floor    int        `json:"floor"`
	Reasoned int        `json:"reasoned"`
	Ours     int        `json:"ours"`
	Rows     []endpoint `json:"endpoints"`
}

type endpoint struct {
	Endpoint string `json:"endpoint"`
	Floor    int    `json:"floor"`
	Ours     int    `json:"ours"`
}

type callsResults struct {
	Machine bench.Machine `json:"machine"`
	Cases   []called      `json:"cases"`
	Goals   []bench.Goal  `json:"goals"`
}

func (c *callsCmd) Run(ctx context.Context, all *cli, tell *story.Story) (err error) {
	ctx, cancel := context.WithTimeout(ctx, c.Limit)
	defer cancel()
	document, err := os.ReadFile(c.Doc)
	if err != nil {
		return fmt.Errorf("reading the floors: %w", err)
	}
	w, err := all.start(ctx, bench.Options{Settled: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Stop()) }()
	tell.Say("%s", w.Machine)
	if err := w.AddAccounts(ctx, 1, policy.Allow); err != nil {
		return err
	}
	r := callsResults{Machine: w.Machine}
	if r.Cases, err = measureCalls(ctx, w, string(document)); err != nil {
		return err
	}
	tell.Chapter("Calls of HubSpot's API")
	for _, one := range r.Cases {
		rows := [][]string{{one.Section, "floor", "ours"}}
		for _, e := range one.Rows {
			rows = append(rows, []string{e.Endpoint, strconv.Itoa(e.Floor), strconv.Itoa(e.Ours)})
		}
		tell.Table(append(rows, []string{"all calls", strconv.Itoa(one.Floor), strconv.Itoa(one.Ours)})...)
		tell.Say("")
		r.Goals = append(r.Goals, bench.AtMost(fmt.Sprintf("%s (floor %d)", one.Section, one.Floor), float64(one.Ours), float64(one.Reasoned), " calls"))
	}
	bench.PrintGoals(tell, r.Goals)
	return measure.Write(c.Out, r)
}

// measureCalls has each meeting and brief twice, and counts the second time: what is kept
// is at hand then.
func measureCalls(ctx context.Context, w *bench.World, document string) ([]called, error) {
	a := w.Accounts[0]
	var all []called
	for _, one := range []struct {
		section string
		do      func() error
	}{
		{"The reference meeting", func() error { return referenceMeeting(ctx, w, a) }},
		{"A small meeting", func() error { _, err := followUps(ctx, w, a, 1); return err }},
		{"A brief of a small meeting", func() error { return smallBrief(ctx, w, a) }},
	} {
		floors, reasoned, err := floorsOf(document, one.section)
		if err != nil {
			return nil, err
		}
		for range 2 {
			w.HubSpot.ResetCalls()
			if err := one.do(); err != nil {
				return nil, fmt.Errorf("%s: %w", one.section, err)
			}
			if err := over(ctx, w); err != nil {
				return nil, fmt.Errorf("%s: %w", one.section, err)
			}
		}
		counted := map[string]int{}
		for _, call := range w.HubSpot.Calls() {
			if call.HubID == a.Hub {
				counted[strings.ReplaceAll(call.Endpoint, "/"+hubspot.APIVersion, "")] += call.Count
			}
		}
		of := called{Section: one.section, Reasoned: reasoned}
		names := maps.Clone(counted)
		maps.Copy(names, floors)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			of.Rows = append(of.Rows, endpoint{name, floors[name], counted[name]})
			of.Floor, of.Ours = of.Floor+floors[name], of.Ours+counted[name]
		}
		all = append(all, of)
	}
	return all, nil
}

// over waits until no follow-up is under way.
func over(ctx context.Context, w *bench.World) error {
	for {
		n, err := w.Open(ctx, "FollowUp")
		if err != nil || n == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("a follow-up does not end: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tableRow is a row of a table of the page: the step, the endpoint, its floor, what is
// reasoned, and more.
var tableRow = regexp.MustCompile("(?m)^\\| [^|]+ \\| `([^`]+)` *\\| +([0-9]+) \\| +([0-9]+) \\|")

// floorsOf are those of a section by endpoint, and how many calls are reasoned in all.
func floorsOf(document, section string) (floors map[string]int, reasoned int, err error) {
	_, text, found := strings.Cut(document, "# "+section+"\n")
	if !found {
		return nil, 0, fmt.Errorf("the page has no section %q", section)
	}
	if end := regexp.MustCompile(`(?m)^#+ `).FindStringIndex(text); end != nil {
		text = text[:end[0]]
	}
	floors = map[string]int{}
	for _, row := range tableRow.FindAllStringSubmatch(text, -1) {
		floor, _ := strconv.Atoi(row[2])
		ours, _ := strconv.Atoi(row[3])
		floors[row[1]] += floor
		reasoned += ours
	}
	if len(floors) == 0 {
		return nil, 0, fmt.Errorf("the section %q has no table", section)
	}
	return floors, reasoned, nil
}

// referenceMeeting has six people of two companies met, as the page has them, whom nobody
// has met before.
func referenceMeeting(ctx context.Context, w *bench.World, a *bench.Account) error {
	var failed error
	add := func(objectType string, properties map[string]string, links map[string][]string) string {
		made, err := w.HubSpot.Add(a.Hub, objectType, hubspottest.Seed{Properties: properties, Associations: links})
		failed = errors.Join(failed, err)
		return made.ID
	}
	others := uuid.NewString()[:8]
	known, strange := "northwind-"+others+".example", "harbor-"+others+".example"
	company := add("companies", map[string]string{"domain": known, "name": "Northwind"}, nil)
	attendees := []map[string]any{
		{"name": "Host", "email": a.Host(), "attended": true}, {"name": "Guest No1", "email": "new@" + strange, "attended": true},
	}
	for i := range 5 {
		email := fmt.Sprintf("known%d@%s", i, known)
		add("contacts", map[string]string{"email": email, "firstname": "Known", "lastname": "Person"}, map[string][]string{"companies": {company}})
		attendees = append(attendees, map[string]any{"name": fmt.Sprintf("Guest No%d", i+2), "email": email, "attended": true})
	}
	deal := add("deals", map[string]string{"dealname": "Lighthouse renewal", "pipeline": "default", "dealstage": "qualifiedtobuy"},
		map[string][]string{"companies": {company}})
	if failed != nil {
		return failed
	}
	begun := time.Now().Add(-time.Hour).UTC()
	const move, ticket = "of the Lighthouse renewal they told us contractsent", "they want a ticket for The export fails"
	quoted := func(text string) []map[string]any { return []map[string]any{{"quote": text}} }
	body, err := json.Marshal(map[string]any{
		"type": "meeting.notes_ready", "timestamp": time.Now().UTC().Format(time.RFC3339),
		"data": map[string]any{
			"keys": map[string]any{"instance_id": uuid.NewString()}, "title": "Renewal review",
			"actual_start": begun.Format(time.RFC3339), "actual_end": begun.Add(45 * time.Minute).Format(time.RFC3339),
			"organizer": map[string]any{"name": "Host", "email": a.Host()}, "attendees": attendees,
			"summary": map[string]any{"format": "text", "text": "The renewal was agreed on."},
			"action_items": []map[string]any{
				{"id": "1", "text": "Send the contract", "assignee_email": a.Host()}, {"id": "2", "text": "Prepare the workshop", "assignee_email": a.Host()},
			},
			"proposed_actions": []map[string]any{
				{"tool": "deal.update", "target": map[string]any{"id": deal}, "properties": map[string]any{"dealstage": "contractsent"}, "evidence": quoted(move)},
				{"tool": "ticket.create", "properties": map[string]any{"subject": "The export fails"}, "evidence": quoted(ticket)},
			},
			"transcript": map[string]any{"status": "ready", "segments": []map[string]any{
				{"speaker": "Guest No1", "start_s": 60, "text": move}, {"speaker": "Guest No1", "start_s": 120, "text": ticket},
			}},
		},
	})
	if err != nil {
		return fmt.Errorf("encoding a meeting: %w", err)
	}
	if err := w.Tell(ctx, a, body); err != nil {
		return err
	}
	return hasBegun(ctx, w, a)
}

// hasBegun waits until every meeting of an account that is over has a follow-up.
func hasBegun(ctx context.Context, w *bench.World, a *bench.Account) error {
	for {
		var left int
		err := w.DB.QueryRow(ctx, `
			select (select count(*) from deliveries where organization_id = $1 and state = 'received') + (select count(*) from wakeups where organization_id = $1)
			+ (select count(*) from meetings m where m.organization_id = $1 and m.has_notes and not exists (select from follow_ups f where f.meeting_id = m.id))`,
			a.Organization.ID).Scan(&left)
		if err != nil {
			return fmt.Errorf("looking whether the follow-up has begun: %w", err)
		}
		if left == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the follow-up does not begin: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// smallBrief has the host told of a meeting with somebody new that begins soon.
func smallBrief(ctx context.Context, w *bench.World, a *bench.Account) error {
	g, err := w.AddGuest(a)
	if err != nil {
		return err
	}
	if _, err := w.HubSpot.Add(a.Hub, "notes", hubspottest.Seed{
		Properties:   map[string]string{"hs_note_body": "Likes lamps", "hs_timestamp": hubspot.FormatDateTime(time.Now().AddDate(0, -1, 0))},
		Associations: map[string][]string{"contacts": {g.Contact}},
	}); err != nil {
		return err
	}
	id, start := uuid.NewString(), time.Now().Add(30*time.Minute).UTC()
	body, err := json.Marshal(map[string]any{
		"type": "meeting.scheduled", "timestamp": time.Now().UTC().Format(time.RFC3339),
		"data": map[string]any{
			"keys": map[string]any{"instance_id": id}, "title": "Renewal",
			"scheduled_start": start.Format(time.RFC3339), "scheduled_end": start.Add(30 * time.Minute).Format(time.RFC3339),
			"organizer": map[string]any{"name": "Host", "email": a.Host()},
			"attendees": []map[string]any{{"name": "Host", "email": a.Host(), "role": "host"}, {"name": "Jane Guest", "email": g.Email, "role": "invitee"}},
		},
	})
	if err != nil {
		return fmt.Errorf("encoding a meeting: %w", err)
	}
	var before, after int
	count := func(to *int) error {
		err := w.DB.QueryRow(ctx, `select count(*) from briefings where organization_id = $1 and state <> 'waiting'`, a.Organization.ID).Scan(to)
		if err != nil {
			return fmt.Errorf("counting briefs: %w", err)
		}
		return nil
	}
	if err := count(&before); err != nil {
		return err
	}
	if err := w.Tell(ctx, a, body); err != nil {
		return err
	}
	for after <= before {
		select {
		case <-ctx.Done():
			return fmt.Errorf("the brief is not made: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
		if err := count(&after); err != nil {
			return err
		}
	}
	return nil
}
