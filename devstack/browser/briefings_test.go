package browser

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// Mara reads what is open with Harrow Mills before she meets them again, is asked whether
// it may stand in HubSpot, too, and changes when she is told.
func TestAHostReadsABriefing(t *testing.T) {
	t.Parallel()
	sc := connected(t)
	mara := sc.person("Mara Lindqvist", "mara@brightwater.example", "member")
	tomas := sc.person("Tomás Okafor", "tomas@brightwater.example", "member")
	begins := time.Now().Add(50 * time.Minute).UTC().Truncate(10 * time.Minute)
	sc.knows(begins)
	sc.run("notify", "when", "mara@brightwater.example", "--time-zone", "Europe/Berlin")
	// What was said last time is one thing that is open.
	sc.postWith(map[string]any{"action_items": []map[string]any{{"id": "1", "text": "Send the floor plan of the cold store", "assignee_email": "mara@brightwater.example", "assignee_name": "Mara Lindqvist"}}})
	sc.asked(3, "deal.create")
	sc.eventually("the task of the last meeting", func() bool {
		return len(sc.holds("tasks", "hs_task_subject", "Send the floor plan of the cold store")) == 1
	})

	sc.run("tools", "set", "ask", "note.create")
	sc.run("briefings", "set", "--hubspot-note", "on")
	sc.schedule(begins)
	sc.eventually("the brief", func() bool {
		return sc.count(`select count(*) from briefings where organization_id = (select id from organizations where name = $1) and state = 'delivered'`) == 1
	})
	mara.call("Emulation.setTimezoneOverride", map[string]any{"timezoneId": "Europe/Berlin"}, nil)
	mara.open(stack.PublicURL() + "/briefings")
	mara.shows("Quince storage: contract")
	mara.accessible()
	mara.screenshot("briefings")
	mara.click("tbody th a", "Quince storage: contract")
	for _, line := range []string{
		"Ines Castell, Head of Operations, Harrow Mills", "Not in HubSpot yet", "Harrow Mills: reporting", "The cooling log is missing",
		"They want to see the cold store first.", "Promised: Send the floor plan of the cold store", "Create Deal: Harrow Mills: quince storage",
	} {
		mara.shows(line)
	}
	mara.accessible()
	mara.size(width, 1500)
	mara.picture("briefing")
	mara.size(width, height)
	address := mara.address()

	// It may stand in HubSpot, too, if Mara says so.
	mara.open(stack.PublicURL() + "/inbox")
	mara.shows("Briefing: Quince storage: contract")
	mara.accessible()
	mara.click("#"+mara.line("Create Note")+" button[value=approve]", "")
	sc.eventually("the note beside the meeting in HubSpot", func() bool {
		return len(sc.holds("notes", "hs_timestamp", hubspot.FormatDateTime(begins))) == 1
	})

	// It is nobody else's to read.
	tomas.open(address)
	tomas.shows("it is not yours to see")
	tomas.accessible()
	tomas.open(stack.PublicURL() + "/briefings")
	tomas.shows("No briefings are ahead.")
	tomas.accessible()

	// The same without scripts.
	mara.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	mara.open(address)
	mara.shows("Ines Castell, Head of Operations, Harrow Mills")
	settings := stack.PublicURL() + "/settings/briefings"
	mara.open(settings)
	mara.shows("Where HubSpot has the meeting already")
	mara.tap("#mine-lead")
	mara.call("Input.insertText", map[string]any{"text": "soon"}, nil)
	mara.tap("form[action='/settings/briefings'] button")
	mara.shows("How long before a meeting is written as 45m or 2h, from 5m to 72h.")
	require.NoError(t, mara.eval(`document.querySelector("#mine-lead").select()`, nil))
	mara.call("Input.insertText", map[string]any{"text": "45m"}, nil)
	mara.tap("form[action='/settings/briefings'] button")
	mara.shows("You are briefed like this from now on.")
	mara.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": false}, nil)
	mara.open(settings)
	mara.shows("Where HubSpot has the meeting already")
	mara.accessible()
	mara.picture("briefing-settings")

	// At night, on a phone, in German.
	sc.sql("update people set language = 'de' where organization_id = (select id from organizations where name = $1)")
	mara.phone()
	mara.light("dark")
	for _, page := range []struct{ name, address, shows string }{
		{"briefings", stack.PublicURL() + "/briefings", "Quince storage: contract"},
		{"briefing", address, "Noch nicht in HubSpot."},
		{"briefing-settings", settings, "Auch eine Notiz in HubSpot"},
	} {
		mara.open(page.address)
		mara.shows(page.shows)
		mara.until("German", `document.documentElement.lang === "de"`)
		mara.until("no sideways scrolling on "+page.name, "document.documentElement.scrollWidth <= 360")
		mara.accessible()
		mara.picture(page.name + "-phone")
	}
}

// knows has HubSpot know more of Harrow Mills, and of a meeting that begins then.
func (sc *scene) knows(begins time.Time) {
	sc.t.Helper()
	first := func(objectType string) string { return stack.Simulator.Records(sc.HubID, objectType)[0].ID }
	company, ines, deal := first("companies"), first("contacts"), first("deals")
	day := func(n int) string { return hubspot.FormatDateTime(time.Now().AddDate(0, 0, n)) }
	edit := func(objectType, id string, properties map[string]string) {
		require.NoError(sc.t, stack.Simulator.Edit(sc.HubID, objectType, id, properties))
	}
	add := func(objectType string, properties map[string]string) {
		_, err := stack.Simulator.Add(sc.HubID, objectType, hubspottest.Seed{
			Properties: properties, Associations: map[string][]string{"contacts": {ines}},
		})
		require.NoError(sc.t, err)
	}
	edit("companies", company, map[string]string{"industry": "MANUFACTURING", "numberofemployees": "180", "lifecyclestage": "customer"})
	edit("deals", deal, map[string]string{"closedate": day(18), "hs_next_step": "Agree on who gets the reports"})
	add("tickets", map[string]string{"subject": "The cooling log is missing", "hs_pipeline": "0", "hs_pipeline_stage": "3", "hs_ticket_priority": "HIGH"})
	add("notes", map[string]string{"hs_note_body": "<p>They want to see the cold store first.</p>", "hs_timestamp": day(-6), "hubspot_owner_id": "8802"})
	add("meetings", map[string]string{
		"hs_meeting_title": "Quince storage: contract", "hs_timestamp": hubspot.FormatDateTime(begins), "hs_meeting_start_time": hubspot.FormatDateTime(begins),
		"hs_meeting_outcome": "SCHEDULED", "hubspot_owner_id": "8801",
	})
}

// schedule tells of a meeting of Mara's that is to come.
func (sc *scene) schedule(begins time.Time) {
	sc.t.Helper()
	body, err := json.Marshal(map[string]any{"type": "meeting.scheduled", "timestamp": time.Now().UTC().Format(time.RFC3339), "data": map[string]any{
		"keys":  map[string]any{"instance_id": "ahead-" + sc.Organization, "join_url": "https://meet.example/quinces"},
		"title": "Quince storage: contract", "scheduled_start": begins.Format(time.RFC3339), "scheduled_end": begins.Add(45 * time.Minute).Format(time.RFC3339),
		"organizer": map[string]any{"name": "Mara Lindqvist", "email": "mara@brightwater.example"},
		"attendees": []map[string]any{
			{"name": "Mara Lindqvist", "email": "mara@brightwater.example", "role": "host"},
			{"name": "Tomás Okafor", "email": "tomas@brightwater.example", "role": "invitee"},
			{"name": "Ines Castell", "email": "ines@harrowmills.example", "role": "invitee", "response": "accepted"},
			{"name": "Priya Nair", "email": "priya@tidewell.example", "role": "invitee", "response": "tentative", "job_title": "Rollout Lead"},
		},
	}})
	require.NoError(sc.t, err)
	status, err := sc.Post(sc.ctx, uuid.NewString(), body)
	require.NoError(sc.t, err)
	require.Less(sc.t, status, 300, fmt.Sprint("scheduling a meeting: ", status))
}

// address is the page's.
func (p *page) address() (address string) {
	p.t.Helper()
	require.NoError(p.t, p.eval("location.origin + location.pathname", &address))
	return address
}
