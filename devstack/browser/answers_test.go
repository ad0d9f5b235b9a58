package browser

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// Each kind of question that a meeting can lead to is answered on its card, with
// each kind of input: whether to read, a picked record, none of them, other values,
// what became of a lost call, and the rest at once.
func TestEveryKindOfQuestionIsAnswered(t *testing.T) {
	t.Parallel()
	sc := connected(t)
	sc.run("tools", "set", "ask", "contact.read", "task.create")
	company := sc.holds("companies", "domain", "harrowmills.example")[0]
	ines := sc.holds("contacts", "email", "ines@harrowmills.example")[0]
	known := sc.holds("deals", "dealname", "Harrow Mills: reporting")[0]
	_, err := stack.Simulator.Add(sc.HubID, "deals", hubspottest.Seed{
		Properties:   map[string]string{"dealname": "Harrow Mills: sensors", "dealstage": "qualifiedtobuy", "pipeline": "default", "deal_currency_code": "EUR"},
		Associations: map[string][]string{"companies": {company.ID}, "contacts": {ines.ID}},
	})
	require.NoError(t, err)
	require.NoError(t, stack.Simulator.AddEnumeration(sc.HubID, "contacts", "regions", true, "North", "South"))
	mara := sc.person("Mara Lindqvist", "mara@brightwater.example", "member")
	mara.open(stack.PublicURL() + "/inbox")
	mara.shows("Nothing waits for an answer.")
	sc.postWith(map[string]any{
		"action_items": []map[string]any{{"id": "offer", "text": "Send the offer", "assignee_email": "mara@brightwater.example", "due_at": "2026-12-01T09:00:00Z"}},
		"proposed_actions": []map[string]any{
			{"tool": "contact.update", "ref": "ines", "target": map[string]any{"email": "ines@harrowmills.example"}, "properties": map[string]any{"jobtitle": "Plant Manager", "regions": "North"},
				"evidence": []map[string]any{{"quote": "I am the Plant Manager now, my regions are North.", "speaker": "Ines Castell", "offset_s": 550}}},
			{"tool": "company.update", "ref": "mill", "target": map[string]any{"domain": "harrowmills.example"}, "properties": map[string]any{"description": "Mills quinces."}},
			{"tool": "deal.update", "ref": "known", "target": map[string]any{"id": known.ID}, "properties": map[string]any{"closedate": "2026-12-15", "dealstage": "contractsent", "hs_next_step": "Call"},
				"evidence": []map[string]any{{"quote": "Harrow Mills: reporting, 15 December 2026, Contract Sent. Call.", "speaker": "Ines Castell", "offset_s": 500}}},
			{"tool": "deal.update", "ref": "which", "target": map[string]any{"id": "999999"}, "properties": map[string]any{"description": "They want it cold."}},
			{"tool": "deal.create", "ref": "again", "properties": map[string]any{"dealname": "Harrow Mills: sensors"}, "associate_with": []map[string]any{{"domain": "harrowmills.example"}}},
		},
	})

	// First, whether to look at all: one question for the meeting.
	mara.shows("Read Record")
	mara.until("who does not see is told", `document.querySelector("#news").textContent.includes("1 question waits for an answer")`)
	mara.accessible()
	mara.answer("Read Record", "Approve")
	mara.shows("Approved: 1 line.")
	mara.until("eight lines", "document.querySelectorAll('.line').length === 8")
	require.NotContains(t, mara.text(), "dealname", "properties have the account's labels")
	mara.accessible()

	// Other values, by a form with an input of each kind.
	mara.unfold("Update Contact", "Edit")
	mara.set("[name='v.jobtitle']", "Head of Plant")
	mara.click(`details[open] input[type=checkbox][value=South]`, "")
	mara.click(`details[open] input[type=checkbox][value=North]`, "")
	mara.accessible()
	mara.submit("details[open] button", "Approve with these values")
	mara.shows("Recorded with your changes.")

	mara.unfold("Update Deal: Harrow Mills: reporting", "Edit")
	mara.set("details[open] [name='v.closedate'][type=date]", "2026-12-31")
	mara.set("details[open] select[name='v.dealstage']", "decisionmakerboughtin")
	mara.submit("details[open] button", "Approve with these values")
	mara.until("the deal to be decided", `![...document.querySelectorAll(".line h3")].some(h => h.innerText.includes("reporting"))`)

	mara.unfold("Update Company", "Edit")
	mara.set("details[open] textarea[name='v.description']", "Mills quinces.\nAnd pears.")
	mara.submit("details[open] button", "Approve with these values")
	mara.gone("Update Company")

	mara.unfold("Create Task", "Edit")
	mara.set("details[open] [name='t.hs_timestamp'][type=datetime-local]", "2026-12-02T10:30")
	mara.submit("details[open] button", "Approve with these values")
	mara.gone("Create Task")

	// Which deal is meant, and that it is none of those that are there.
	mara.shows("Which one is meant?")
	mara.click(`#`+mara.line("Update Deal")+` .candidate label`, "Harrow Mills: sensors")
	mara.answer("Update Deal", "Choose this one")
	mara.gone("Update Deal: a deal to be picked")
	mara.click(`#`+mara.line("Create Deal")+` .candidate label`, "None of these: make a new one")
	mara.answer("Create Deal", "Choose this one")
	mara.gone("Create Deal")

	// What HubSpot did not say is asked, too: as after a call whose answer was lost.
	sc.sql(`update actions set may_exist_since = now() where organization_id = (select id from organizations where name = $1) and state = 'asking' and object_type in ('company', 'contact') and operation = 'create'`)
	sc.sql(`update approvals p set kind = 'outcome' from actions a where a.id = p.action_id and p.organization_id = (select id from organizations where name = $1) and p.state = 'pending' and a.may_exist_since is not null`)
	mara.open(stack.PublicURL() + "/inbox")
	mara.shows("It is not there: send it again")
	mara.accessible()
	mara.answer("Create Company", "It is not there: send it again")
	mara.gone("Create Company")
	mara.unfold("Create Contact", "It is there: leave it")
	mara.submit("details[open] button", "Leave it")
	mara.gone("Create Contact")

	// What was answered is planned anew, and asked about where it says more now: the
	// deal that was picked, and the task on it.
	mara.answer("Update Deal: Harrow Mills: sensors", "Approve")
	sc.eventually("all of it at HubSpot", func() bool {
		if len(sc.pending("task.create")) > 0 {
			mara.answer("Create Task", "Approve")
			mara.gone("Create Task")
		}
		deal := sc.holds("deals", "dealname", "Harrow Mills: reporting")[0].Properties
		return deal["dealstage"] == "decisionmakerboughtin" && strings.HasPrefix(deal["closedate"], "2026-12-31") && deal["hs_next_step"] == "Call" &&
			len(sc.holds("contacts", "jobtitle", "Head of Plant")) == 1 && len(sc.holds("companies", "description", "Mills quinces.\nAnd pears.")) == 1 &&
			len(sc.holds("deals", "dealname", "Harrow Mills: sensors")) == 2 && len(sc.holds("deals", "description", "They want it cold.")) == 1 &&
			len(sc.holds("companies", "domain", "tidewell.example")) == 1 && len(stack.Simulator.Records(sc.HubID, "tasks")) == 1
	})
	require.Equal(t, "South", sc.holds("contacts", "jobtitle", "Head of Plant")[0].Properties["regions"])
	require.Equal(t, "Harrow Mills: sensors", sc.holds("deals", "description", "They want it cold.")[0].Properties["dealname"])
	due, err := time.Parse(time.RFC3339, stack.Simulator.Records(sc.HubID, "tasks")[0].Properties["hs_timestamp"])
	require.NoError(t, err)
	require.Equal(t, "2026-12-02T10:30:00Z", due.UTC().Format(time.RFC3339))
	require.Empty(t, sc.holds("contacts", "email", "priya@tidewell.example"), "left alone, as was said")
}

// Two accounts could be written to: an admin says which. Then all of it is approved
// at once, and taken back: looked at first, asked about, and archived.
func TestAMeetingIsSentToAnAccountAndUndone(t *testing.T) {
	t.Parallel()
	sc := connected(t)
	sc.run("tools", "set", "ask", "deal.archive", "deal.update")
	sc.run("tools", "set", "allow", "note.archive", "meeting.archive", "contact.archive", "company.archive")
	other := *sc.Scene
	other.HubID += 2_000_000
	require.NoError(t, devstack.AddAccount(stack.Simulator, other.HubID))
	var login struct{ URL string }
	require.NoError(t, sc.JSON(sc.ctx, &login, "connections", "login", "second"))
	require.NoError(t, other.Follow(sc.ctx, login.URL))
	ada := sc.person("Ada Brunel", "ada@brightwater.example", "admin")
	known := sc.holds("deals", "dealname", "Harrow Mills: reporting")[0]
	sc.postWith(map[string]any{"proposed_actions": []map[string]any{
		{"tool": "deal.create", "ref": "storage", "properties": map[string]any{"dealname": "Harrow Mills: quince storage"}, "associate_with": []map[string]any{{"domain": "harrowmills.example"}}},
		{"tool": "deal.update", "ref": "known", "target": map[string]any{"id": known.ID}, "properties": map[string]any{"hs_next_step": "Send the offer"}},
	}})
	ada.open(stack.PublicURL() + "/meetings")
	ada.shows("waits")
	ada.click("a", "Cold storage for the quince harvest")
	ada.shows("The follow-up waits for a choice between connections.")
	ada.accessible()
	ada.until("the choice", `(() => { const s = document.querySelector("#connection"); if (!s) return false; s.value = [...s.options].find(o => o.label === "hubspot").value; return true; })()`)
	ada.click("button", "Go on")
	ada.shows("The connection is chosen; the follow-up goes on.")
	ada.click("button", "Approve all 4 lines")
	ada.shows("Approved: 4 lines. They are carried out now.")
	sc.eventually("the deal at the account that was chosen", func() bool {
		return len(sc.holds("deals", "dealname", "Harrow Mills: quince storage")) == 1 && len(sc.holds("deals", "hs_next_step", "Send the offer")) == 1
	})
	require.Len(t, stack.Simulator.Records(other.HubID, "deals"), 1, "and nothing at the other")
	sc.eventually("the follow-up to close", func() bool {
		return sc.count("select count(*) from follow_ups where organization_id = (select id from organizations where name = $1) and state = 'closed'") == 1
	})

	ada.until("the undo", element("summary", "Undo…"))
	ada.click("summary", "Undo…")
	ada.shows("This brings back what was there before.")
	ada.until("all that was written", `[...document.querySelectorAll("#undo li")].length === 6`)
	require.Contains(t, ada.text(), "Archive Deal: Harrow Mills: quince storage")
	ada.until("what was there before", `[...document.querySelectorAll("#undo li")].some(l => l.innerText.startsWith("Update Deal: Harrow Mills: reporting") && l.innerText.includes("Next step"))`)
	ada.accessible()
	ada.picture("undo")
	require.Len(t, sc.holds("deals", "hs_next_step", "Send the offer"), 1, "looking undoes nothing")
	ada.click("#undo button", "Undo")
	ada.shows("The undo is asked for.")
	ada.until("its questions", `document.querySelectorAll(".line").length === 2`)
	ada.accessible()
	ada.answer("Archive Deal", "Approve")
	ada.gone("Archive Deal")
	ada.answer("Update Deal", "Approve")
	ada.until("no question", `document.querySelectorAll(".line").length === 0`)
	sc.eventually("what was there before", func() bool {
		made := sc.holds("deals", "dealname", "Harrow Mills: quince storage")
		return len(sc.holds("deals", "hs_next_step", "Send the offer")) == 0 && len(made) == 1 && made[0].Archived
	})
	ada.shows("Written, and undone since")
}

// Two people have to approve, and one of them is away: who stands in for her counts
// as one, sees how far it is, and nobody counts twice.
func TestAQuorumAndADelegate(t *testing.T) {
	t.Parallel()
	sc := connected(t)
	ada := sc.person("Ada Brunel", "ada@brightwater.example", "admin")
	mara := sc.person("Mara Lindqvist", "mara@brightwater.example", "member")

	// Somebody new, by the form.
	people := stack.PublicURL() + "/people"
	ada.open(people)
	ada.set("#name", "Noa Ferreira")
	ada.set("#email", "noa@brightwater.example")
	ada.click("button", "Add")
	ada.until("Noa's page", `document.querySelector("#team")`)
	ada.set("#team", "north")
	ada.click("button", "Save")
	ada.shows("the team north")
	ada.accessible()
	ada.picture("person")
	noa := sc.in("noa@brightwater.example")

	sc.run("people", "add", "tomas@brightwater.example", "--role", "approver")
	settings := stack.PublicURL() + "/settings"
	ada.open(settings)
	ada.set("#quorum", "99")
	ada.click("#approvals ~ form button", "Save")
	ada.shows("a number from 1 to 10")
	ada.accessible()
	ada.set("#quorum", "2")
	ada.click("#approvals ~ form button", "Save")
	ada.until("two", `location.pathname === "/settings" && document.querySelector("#quorum").value === "2" && !document.querySelector("[role=alert]")`)

	noa.open(stack.PublicURL() + "/inbox")
	sc.post()
	sc.asked(3, "deal.create")
	require.NotContains(t, noa.text(), "quince")
	mara.open(settings)
	mara.until("the form", `(() => { const s = document.querySelector("#to"), u = document.querySelector("#until"); if (!s || !u) return false;
		s.value = [...s.options].find(o => o.label.includes("Noa")).value; u.value = "2027-01-31"; return true; })()`)
	mara.click("button", "Delegate")
	mara.shows("answers for you until")
	mara.accessible()

	noa.open(stack.PublicURL() + "/inbox")
	noa.shows("quince storage")
	require.Contains(t, noa.text(), "0 of 2 approved")
	ada.open(stack.PublicURL() + "/inbox")
	ada.shows("quince storage")
	ada.stays()
	noa.answer("Create Deal", "Approve")
	noa.shows("Your approval is recorded. Somebody else has to approve, too.")
	ada.shows("1 of 2 approved: Noa Ferreira") // without being loaded again
	ada.stayed()
	ada.accessible()
	require.Empty(t, sc.holds("deals", "dealname", "Harrow Mills: quince storage"))
	noa.answer("Create Deal", "Approve")
	noa.shows("You approved this already")
	noa.accessible()
	ada.answer("Create Deal", "Approve")
	ada.shows("Approved: 1 line.")
	sc.eventually("the deal at HubSpot", func() bool { return len(sc.holds("deals", "dealname", "Harrow Mills: quince storage")) == 1 })

	mara.open(settings)
	mara.click("button", "I answer myself again")
	mara.until("no delegate", `!document.body.innerText.includes("answers for you until")`)
	noa.open(stack.PublicURL() + "/inbox")
	noa.shows("Nothing waits for an answer.")
}

// Without a script everything works: answering, editing, refusing, keeping what was
// typed, and a second answer being told that it comes too late.
func TestDecidingWithoutScripts(t *testing.T) {
	t.Parallel()
	sc := connected(t)
	mara := sc.person("Mara Lindqvist", "mara@brightwater.example", "member")
	sc.post()
	question := sc.asked(3, "deal.create")
	mara.call("Emulation.setScriptExecutionDisabled", map[string]any{"value": true}, nil)
	mara.open(stack.PublicURL() + "/inbox")
	mara.shows("quince storage")
	require.NotContains(t, mara.text(), "Keys", "what needs a script is not offered")
	var live bool
	require.NoError(t, mara.eval("Boolean(document.querySelector('time').title)", &live))
	require.False(t, live, "the script runs")

	deal := "#line-" + question.ActionID.String()
	mara.tap(deal + " details[data-key=e] summary")
	mara.tap(deal + " [name='v.amount']")
	require.NoError(t, mara.eval(`document.querySelector("`+deal+` [name='v.amount']").select()`, nil))
	mara.call("Input.insertText", map[string]any{"text": "51000"}, nil)
	mara.tap(deal + " details[open] button")
	mara.shows("Recorded with your changes.")

	// The same once more, as from a page that was left open.
	require.NoError(t, mara.eval(fmt.Sprintf(`(() => { const f = document.createElement("form"); f.method = "post"; f.action = "/inbox/%s/question/%s"; f.innerHTML = '<input name="verdict" value="approve"><input name="on" value="inbox">'; document.body.append(f); f.submit(); })()`, question.Action.Origin.ID, question.ID), nil))
	mara.shows("already")
	mara.open(stack.PublicURL() + "/inbox")
	mara.shows("Create Company")
	contact := "#" + mara.line("Create Contact")
	mara.tap(contact + " details[data-key=r] summary")
	mara.tap(contact + " [name=reason]")
	mara.call("Input.insertText", map[string]any{"text": "a trainee"}, nil)
	mara.tap(contact + " details[open] button")
	mara.shows("Rejected. Nothing of it is written.")
	mara.tap("#" + mara.line("Create Company") + " button[value=approve]")
	mara.shows("Approved: 1 line.")
	mara.shows("Nothing waits for an answer.")
	sc.eventually("the deal at HubSpot, as edited", func() bool {
		found := sc.holds("deals", "dealname", "Harrow Mills: quince storage")
		return len(found) == 1 && found[0].Properties["amount"] == "51000"
	})
	require.Empty(t, sc.holds("contacts", "email", "priya@tidewell.example"))
}

// Every page, in both languages: in English by daylight on a desk, in German at
// night on a phone. Nothing serious for axe, and nothing that sticks out.
func TestEveryPageInBothLanguages(t *testing.T) {
	t.Parallel()
	sc := connected(t)
	ada := sc.person("Ada Brunel", "ada@brightwater.example", "admin")
	sc.postWith(map[string]any{
		"proposed_actions": []map[string]any{{"tool": "deal.update", "ref": "which", "target": map[string]any{"id": "999999"}, "properties": map[string]any{"description": "They want it cold."}}},
		"transcript":       map[string]any{"status": "ready", "segments": []map[string]any{{"speaker": "Ines Castell", "start_s": 724, "text": "The quinces are early this year."}}},
	})
	meeting := sc.asked(3, "company.create").Action.Origin.ID.String()
	sc.run("tools", "rule", "add", "big deals", "--when", `property == "amount" && new > 50000`, "--then", "ask")
	connection := sc.connections()[0].ID.String()
	id := func(query string) (id string) {
		t.Helper()
		sc.read(query, &id)
		return id
	}
	const mine = " where organization_id = (select id from organizations where name = $1) "
	pages := []string{
		"/inbox", "/inbox/" + meeting, "/meetings", "/meetings/" + meeting, "/tools", "/tools?preset=hands-off", "/connections", "/connections/" + connection,
		"/connections/" + connection + "/disconnect", "/people", "/people/" + id("select id::text from people"+mine+"limit 1"),
		"/deliveries", "/deliveries/" + id("select id::text from deliveries"+mine+"limit 1"),
		"/deliveries/" + id("select id::text from deliveries"+mine+"limit 1") + "/replay", "/audit", "/audit/" + id("select id::text from audit"+mine+"and kind = 'call' limit 1"),
		"/settings", "/briefings", "/briefings?of=all", "/briefings/" + uuid.NewString(), "/settings/briefings", "/overview", "/meetings/" + uuid.NewString(), "/connect/unknown", "/session/unknown",
	}
	walk := func(p *page, language string, width int) {
		t.Helper()
		for _, path := range pages {
			p.open(stack.PublicURL() + path)
			p.until("the page "+path, `document.readyState === "complete" && document.documentElement.lang === `+quote(language))
			require.NoError(t, p.eval(`document.querySelectorAll("details").forEach(d => d.open = true)`, nil))
			p.until("no sideways scrolling on "+path, fmt.Sprintf("document.documentElement.scrollWidth <= %d", width))
			p.accessible()
			p.picture("walk-" + language + strings.NewReplacer("/", "-", "?", "-", meeting, "one", connection, "one").Replace(path))
		}
		p.open(stack.PublicURL() + "/meetings/" + meeting)
		p.until("the transcript's button", `document.querySelector("form[action$='/transcript'] button")`)
		p.click("form[action$='/transcript'] button", "")
		p.shows("The quinces are early this year.")
		p.accessible()
	}
	walk(ada, "en", width)

	ada.open(stack.PublicURL() + "/settings")
	ada.set("#language", "de")
	ada.click("form[action='/settings/language'] button", "")
	ada.shows("Einstellungen")
	ada.call("Network.setExtraHTTPHeaders", map[string]any{"headers": map[string]any{"Accept-Language": "de"}}, nil)
	ada.phone()
	ada.light("dark")
	walk(ada, "de", 360)

	// And who is not signed in.
	ada.click("button", "Abmelden")
	ada.until("the way in", `location.pathname === "/sign-in" && document.documentElement.lang === "de"`)
	ada.accessible()
	ada.picture("walk-de-sign-in")
	link := sc.login()
	ada.open(link)
	ada.until("German", `document.documentElement.lang === "de"`)
	ada.accessible()
	ada.picture("walk-de-connect")
}

// postWith sends the usual meeting with other details.
func (sc *scene) postWith(details map[string]any) {
	sc.t.Helper()
	data := sc.meeting()
	for name, value := range details {
		data[name] = value
	}
	sc.send(data)
}

// in signs in somebody who is there already.
func (sc *scene) in(email string) *page {
	sc.t.Helper()
	out, err := sc.Run(sc.ctx, "sign-in", "--person", email, "--json")
	require.NoError(sc.t, err)
	var link struct{ URL string }
	require.NoError(sc.t, json.Unmarshal(out, &link))
	p := window.page(sc.ctx, sc.t)
	p.open(link.URL)
	p.click("button", "Sign in")
	p.until("a page for somebody signed in", `document.querySelector("form[action='/sign-out']")`)
	return p
}

// line is the ID of the card's line whose title begins so.
func (p *page) line(title string) (id string) {
	p.t.Helper()
	at := `[...document.querySelectorAll(".line")].find(l => l.querySelector("h3").innerText.startsWith(` + quote(title) + `))`
	for id == "" {
		p.until("the line "+title, at)
		require.NoError(p.t, p.eval("("+at+" || {id: ''}).id", &id))
	}
	return id
}

// gone waits until no line has that title any more.
func (p *page) gone(title string) {
	p.t.Helper()
	p.until(title+" to be gone", `document.readyState === "complete" && ![...document.querySelectorAll(".line h3")].some(h => h.innerText.startsWith(`+quote(title)+`))`)
}

// answer presses a button of a line.
func (p *page) answer(title, button string) {
	p.t.Helper()
	p.submit("#"+p.line(title)+" button", button)
}

// submit clicks on a form's button until the page is another one: what is clicked
// in the second after its line was renewed does nothing, on purpose.
func (p *page) submit(selector, text string) {
	p.t.Helper()
	for range 5 {
		require.NoError(p.t, p.eval("window.debriefHere = true", nil))
		p.click(selector, text)
		// A slow machine answers late: a click again would look for a button that is
		// gone by then.
		if p.soon(20*time.Second, "!window.debriefHere") {
			return
		}
	}
	p.t.Fatalf("the button %q does nothing", text)
}

// unfold opens a form of a line.
func (p *page) unfold(title, form string) {
	p.t.Helper()
	line := "#" + p.line(title)
	// A line that is renewed at the same moment is folded again: then a person
	// clicks again.
	for range 5 {
		p.click(line+" summary", form)
		if p.soon(5*time.Second, fmt.Sprintf("document.querySelector(%q)", line+" details[open]")) {
			return
		}
	}
	p.t.Fatalf("the form of %q does not open", title)
}

// soon says whether a condition comes to hold within that time.
func (p *page) soon(within time.Duration, condition string) bool {
	p.t.Helper()
	deadline := time.Now().Add(within)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(deadline) {
		var holds bool
		if p.eval("Boolean("+condition+")", &holds) == nil && holds {
			return true
		}
		<-tick.C
	}
	return false
}

// set fills in a field, as a person does who picks or types.
func (p *page) set(selector, value string) {
	p.t.Helper()
	p.until(selector, fmt.Sprintf(`(() => { const e = %s; if (!e) return false; e.focus(); e.value = %s; e.dispatchEvent(new Event("input", {bubbles: true})); return true; })()`,
		element(selector, ""), quote(value)))
}

// tap clicks where no script may run: by what the browser itself says of the
// element's place.
func (p *page) tap(selector string) {
	p.t.Helper()
	p.until(selector, fmt.Sprintf("document.querySelector(%q)", selector))
	var at struct{ X, Y float64 }
	require.NoError(p.t, p.eval(fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({block: "center", behavior: "instant"});
		const b = e.getBoundingClientRect(); return {x: b.x + Math.min(20, b.width / 2), y: b.y + b.height / 2}; })()`, selector), &at))
	for _, kind := range []string{"mouseMoved", "mousePressed", "mouseReleased"} {
		p.call("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1}, nil)
	}
}
