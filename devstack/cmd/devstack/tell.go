package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/devstack/story"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/store"
)

// organization is the one of the demonstration.
const organization = "brightwater"

// decision is what the human of the story says to one question.
type decision struct {
	tool, label string // the question: its tool, and a part of its label
	command     []string
	why         string
}

func decisions() []decision {
	return []decision{
		{tool: "company.create", command: []string{"approve"}, why: "Tidewell is new to us"},
		{tool: "contact.create", command: []string{"approve"}, why: "Priya leads the rollout there"},
		{tool: "deal.create", command: []string{"edit", "--set", "amount=45000"}, why: "it was 45, not 48: a partner rebate"},
		{tool: "deal.update", command: []string{"reject", "--reason", "nothing is signed yet"}, why: "nothing is signed yet"},
		{tool: "ticket.create", command: []string{"approve"}, why: "support should know"},
	}
}

// tellStory does the main job once on a stack that is up.
func tellStory(ctx context.Context, e *env, stack *devstack.Stack) (result, error) {
	for _, sentence := range stack.Moved {
		e.tell.Say("%s", sentence)
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	t := teller{tell: e.tell, stack: stack}
	for _, chapter := range []struct {
		title string
		tell  func(context.Context) error
	}{
		{"Brightwater Analytics sets Debrief up", t.setUp},
		{"Mara of Brightwater connects HubSpot", t.connect},
		{"HubSpot before the meeting", t.before},
		{"The meeting is over: its platform posts a signed webhook", t.post},
		{"Debrief resolves, plans, writes what is allowed, and asks about the rest", t.plan},
		{"Mara decides", t.decide},
		{"HubSpot after the meeting: what is new or changed", t.after},
		{"The trail: who did what, when and why", t.trail},
	} {
		e.tell.Chapter(chapter.title)
		if err := chapter.tell(ctx); err != nil {
			return result{}, fmt.Errorf("%s: %w", strings.ToLower(chapter.title[:1])+chapter.title[1:], err)
		}
	}
	e.tell.Chapter("To look around yourself, run `make dev`: it keeps everything up. In this run it was")
	e.tell.Table(
		[]string{"Temporal UI", stack.TemporalUIURL()},
		[]string{"the workflow", stack.TemporalUIURL() + "/namespaces/" + devstack.Namespace + "/workflows/" + t.done.WorkflowID},
		[]string{"HubSpot simulator", fmt.Sprintf("%s/portal/%d", stack.Simulator.URL, devstack.DemoHub)},
	)
	return t.result(), nil
}

type teller struct {
	tell  *story.Story
	stack *devstack.Stack
	scene *devstack.Scene

	was  map[string]hubspottest.Record // by type and ID, before the meeting
	done devstack.FollowUp
}

func (t *teller) setUp(ctx context.Context) error {
	step := t.tell.Step("organization, HubSpot app, two sources")
	scene, err := t.stack.NewScene(ctx, organization, devstack.DemoHub)
	if err != nil {
		step.Failed(err)
		return err
	}
	t.scene = scene
	step.Done("its own domain is brightwater.example")
	step = t.tell.Step("permissions: recommended")
	if _, err := scene.Run(ctx, "tools", "preset", "recommended"); err != nil {
		step.Failed(err)
		return err
	}
	step.Done("reading and logging allowed; the rest asks; before, all was denied")
	return nil
}

func (t *teller) connect(ctx context.Context) error {
	step := t.tell.Step("one-time link, consent page, callback")
	if err := t.scene.Connect(ctx); err != nil {
		step.Failed(err)
		return err
	}
	step.Done("exactly the nine scopes; the refresh token is sealed")
	return t.print(ctx, "connections", "list")
}

// print shows what a command prints.
func (t *teller) print(ctx context.Context, args ...string) error {
	out, err := t.scene.Run(ctx, args...)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(out)) {
		t.tell.Say("%s", strings.TrimRight(line, "\n"))
	}
	return nil
}

var types = []struct{ plural, singular, name string }{
	{"companies", "company", "name"}, {"contacts", "contact", "email"}, {"deals", "deal", "dealname"}, {"tickets", "ticket", "subject"},
	{"meetings", "meeting", "hs_meeting_title"}, {"notes", "note", "hs_note_body"}, {"tasks", "task", "hs_task_subject"},
}

func (t *teller) before(context.Context) error {
	t.was = map[string]hubspottest.Record{}
	rows := [][]string{{"TYPE", "ID", "WHAT"}}
	for _, kind := range types {
		for _, r := range t.stack.Simulator.Records(devstack.DemoHub, kind.plural) {
			t.was[kind.singular+r.ID] = r
			rows = append(rows, []string{kind.singular, r.ID, describe(kind.singular, kind.name, r)})
		}
	}
	t.tell.Table(rows...)
	return nil
}

func describe(singular, name string, r hubspottest.Record) string {
	text := r.Properties[name]
	switch singular {
	case "deal":
		text += ", amount " + r.Properties["amount"] + ", stage " + r.Properties["dealstage"]
	case "note":
		text = "summary and next steps of the meeting"
	case "contact":
		text = strings.TrimSpace(r.Properties["firstname"]+" "+r.Properties["lastname"]) + ", " + text
	}
	return text
}

func (t *teller) post(ctx context.Context) error {
	deal := t.stack.Simulator.Records(devstack.DemoHub, "deals")[0] // the account has one
	body, err := json.Marshal(demoMeeting(time.Now(), deal.ID))
	if err != nil {
		return fmt.Errorf("encoding the event: %w", err)
	}
	step := t.tell.Step(fmt.Sprintf("POST %d bytes, Standard Webhooks signature", len(body)))
	status, err := t.scene.Post(ctx, "msg_demo_1", body)
	if err == nil && status != 200 {
		err = fmt.Errorf("the receiver answered %d", status)
	}
	if err != nil {
		step.Failed(err)
		return err
	}
	step.Done(strconv.Itoa(status) + ": it is kept in Postgres")
	return nil
}

func (t *teller) plan(ctx context.Context) error {
	step := t.tell.Step("planning, and writing what is allowed")
	var f devstack.FollowUp
	err := until(ctx, func() (bool, error) {
		all, err := t.scene.FollowUps(ctx)
		if err != nil || len(all) == 0 || all[0].Round == 0 {
			return false, err
		}
		f = all[0]
		for _, a := range f.Actions {
			if (a.State == store.ActionReady && len(a.DependsOn) == 0) || a.State == store.ActionWriting {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		step.Failed(err)
		return err
	}
	step.Done(fmt.Sprintf("%d actions", len(f.Actions)))
	rows := [][]string{{"ACTION", "WHAT", "STATE"}}
	for _, a := range f.Actions {
		state := string(a.State)
		if a.State == store.ActionReady {
			state = "allowed, waits for what it is linked to"
		}
		rows = append(rows, []string{a.Tool.Title(), a.Content.Label, state})
	}
	t.tell.Table(rows...)
	return nil
}

func (t *teller) decide(ctx context.Context) error {
	for _, d := range decisions() {
		pending, err := t.scene.Approvals(ctx, "pending")
		if err != nil {
			return err
		}
		at := slices.IndexFunc(pending, func(p store.Approval) bool {
			return p.Action.Tool.String() == d.tool && strings.Contains(p.Action.Content.Label, d.label)
		})
		if at < 0 {
			return fmt.Errorf("nothing asks about %s", d.tool)
		}
		p := pending[at]
		step := t.tell.Step(short(p.Action.Tool.Title()+": "+p.Action.Content.Label, 43))
		args := append([]string{"approvals", d.command[0], p.ID.String()}, d.command[1:]...)
		if _, err := t.scene.Run(ctx, args...); err != nil {
			step.Failed(err)
			return err
		}
		step.Done(past(d.command) + " (" + d.why + ")")
	}
	step := t.tell.Step("writing what was approved, in order")
	err := until(ctx, func() (bool, error) {
		all, err := t.scene.FollowUps(ctx)
		if err != nil {
			return false, err
		}
		t.done = all[0]
		return t.done.State == "closed", nil
	})
	if err != nil {
		step.Failed(err)
		return err
	}
	step.Done("the follow-up is closed")
	return nil
}

// short cuts a text to what a column takes.
func short(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return string(r[:limit-1]) + "…"
	}
	return s
}

func past(command []string) string {
	switch command[0] {
	case "approve":
		return "approved"
	case "edit":
		return "approved with " + command[2]
	default:
		return "rejected"
	}
}

func (t *teller) after(context.Context) error {
	rows := [][]string{{"", "TYPE", "ID", "WHAT"}}
	for _, kind := range types {
		for _, r := range t.stack.Simulator.Records(devstack.DemoHub, kind.plural) {
			mark := ""
			if was, ok := t.was[kind.singular+r.ID]; !ok {
				mark = "new"
			} else if describe(kind.singular, kind.name, was) != describe(kind.singular, kind.name, r) {
				mark = "changed"
			}
			rows = append(rows, []string{mark, kind.singular, r.ID, describe(kind.singular, kind.name, r)})
		}
	}
	t.tell.Table(rows...)
	return nil
}

func (t *teller) trail(ctx context.Context) error { return t.print(ctx, "audit", "list") }

// result is the last line of the demonstration on standard output.
type result struct {
	// Records that were written, by type.
	Records map[string][]string `json:"records"`
	// Decisions: what was allowed without asking, and what the human said.
	Decisions  map[string]int `json:"decisions"`
	WorkflowID string         `json:"workflow_id"`
}

func (t *teller) result() result {
	r := result{
		Records: map[string][]string{}, WorkflowID: t.done.WorkflowID,
		Decisions: map[string]int{"allowed": t.done.Report.Allowed, "approved": 0, "edited": 0, "rejected": 0},
	}
	for _, a := range t.done.Actions {
		if a.State == store.ActionWritten && !slices.Contains(r.Records[a.Tool.Object], a.RecordID) {
			r.Records[a.Tool.Object] = append(r.Records[a.Tool.Object], a.RecordID)
		}
	}
	for state, n := range t.done.Report.Decisions {
		r.Decisions[string(state)] = n
	}
	maps.DeleteFunc(r.Decisions, func(state string, n int) bool { return n == 0 && state == string(store.ApprovalWithdrawn) })
	return r
}

// until looks every moment until done says so, or ctx ends.
func until(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := done()
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for Debrief: %w", ctx.Err())
		case <-tick.C:
		}
	}
}

// demoMeeting is a call between Brightwater and its customer Harrow Mills, where
// somebody from a partner joined whom nobody knew.
func demoMeeting(now time.Time, dealID string) map[string]any {
	end := now.Add(-10 * time.Minute).UTC().Truncate(time.Minute)
	start := end.Add(-45 * time.Minute)
	return map[string]any{
		"type": "meeting.notes_ready", "timestamp": end.Add(5 * time.Minute).Format(time.RFC3339),
		"data": map[string]any{
			"keys":         map[string]any{"instance_id": "call-" + strconv.FormatInt(start.Unix(), 10)},
			"title":        "Harrow Mills: Lyon rollout",
			"actual_start": start.Format(time.RFC3339), "actual_end": end.Format(time.RFC3339), "timezone": "Europe/Berlin",
			"organizer": map[string]any{"name": "Mara Lindqvist", "email": "mara@brightwater.example"},
			"attendees": []map[string]any{
				{"name": "Mara Lindqvist", "email": "mara@brightwater.example", "role": "host", "attended": true},
				{"name": "Ines Castell", "email": "ines@harrowmills.example", "role": "invitee", "attended": true},
				{"name": "Priya Nair", "email": "priya@tidewell.example", "role": "guest", "attended": true, "job_title": "Rollout Lead"},
			},
			"summary":    map[string]any{"format": "markdown", "text": "Harrow Mills opens a second site in Lyon and wants reporting there by March. Tidewell does the rollout. Logging in by SSO loops for new users."},
			"next_steps": map[string]any{"format": "markdown", "text": "- Mara sends the offer for Lyon by Friday.\n- Tomás looks into the login loop."},
			"action_items": []map[string]any{
				{"id": "offer", "text": "Send the offer for Lyon", "assignee_email": "mara@brightwater.example", "due_at": end.Add(72 * time.Hour).Format(time.RFC3339)},
				{"id": "sso", "text": "Look into the SSO login loop", "assignee_email": "tomas@brightwater.example"},
			},
			"transcript": map[string]any{"status": "ready", "segments": []map[string]any{
				{"speaker": "Ines Castell", "start_s": 1260, "text": "For the Lyon deal we have forty-eight thousand set aside. Euros, of course."},
				{"speaker": "Mara Lindqvist", "start_s": 1402, "text": "Then you will have our offer this week."},
				{"speaker": "Ines Castell", "start_s": 1510, "text": "And the reporting: send us the contract and we will see."},
				{"speaker": "Priya Nair", "start_s": 1900, "text": "One thing about logging in."},
				{"speaker": "Ines Castell", "start_s": 1920, "text": "Right. Can you open a ticket, please? With SSO, new people just land on the login page again."},
			}},
			"proposed_actions": []map[string]any{
				{
					"tool": "deal.create", "ref": "lyon",
					"properties":     map[string]any{"dealname": "Harrow Mills: Lyon rollout", "amount": "48000"},
					"associate_with": []map[string]any{{"domain": "harrowmills.example"}, {"email": "ines@harrowmills.example"}},
					"evidence":       []map[string]any{{"quote": "For the Lyon deal we have forty-eight thousand set aside.", "speaker": "Ines Castell", "offset_s": 1260}},
				},
				{
					"tool": "deal.update", "ref": "reporting", "target": map[string]any{"object": "deal", "id": dealID},
					"properties": map[string]any{"dealstage": "contractsent"},
					"evidence":   []map[string]any{{"quote": "Send us the contract and we will see.", "speaker": "Ines Castell", "offset_s": 1510}},
				},
				{
					"tool": "ticket.create", "ref": "sso",
					"properties":     map[string]any{"subject": "SSO login loops for new users", "content": "New users at Harrow Mills are sent back to the login page."},
					"associate_with": []map[string]any{{"email": "ines@harrowmills.example"}, {"domain": "harrowmills.example"}},
					"evidence":       []map[string]any{{"quote": "Can you open a ticket, please? With SSO, new people just land on the login page again.", "speaker": "Ines Castell", "offset_s": 1920}},
				},
			},
		},
	}
}
