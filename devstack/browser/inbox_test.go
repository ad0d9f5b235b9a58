package browser

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
)

// Mara answers with keys what her meeting led to, while Ada looks on and answers,
// too. What either does appears on the other's page, which is never loaded anew;
// what is being typed there stays.
func TestTwoPeopleAnswerOneMeeting(t *testing.T) {
	t.Parallel()
	sc := connected(t)
	mara := sc.person("Mara Lindqvist", "mara@brightwater.example", "member")
	ada := sc.person("Ada Brunel", "ada@brightwater.example", "approver")
	mara.open(stack.PublicURL() + "/inbox")
	mara.shows("Nothing waits for an answer.")
	mara.stays()

	sc.post()
	sc.asked(3, "deal.create")
	mara.shows("Cold storage for the quince harvest") // without being loaded again
	mara.until("three lines", "document.querySelectorAll('.line').length === 3")
	mara.accessible()
	// High enough for a whole card.
	mara.size(width, 1500)
	mara.screenshot("inbox")
	mara.size(width, height)
	ada.open(stack.PublicURL() + "/inbox")
	ada.shows("Cold storage for the quince harvest")
	ada.stays()

	mara.press("?")
	mara.until("the keys", "document.querySelector('dialog').open")
	mara.accessible()
	mara.press("Escape")
	mara.until("no keys", "!document.querySelector('dialog').open")

	// The deal, by keys: to its line, and into its form.
	deal := `[...document.querySelectorAll(".line")].find(l => l.innerText.includes("quince storage"))`
	for range 3 {
		var there bool
		require.NoError(t, mara.eval(`(`+deal+`) === document.activeElement`, &there))
		if there {
			break
		}
		mara.press("j")
	}
	mara.until("the deal's line in focus", `(`+deal+`) === document.activeElement`)
	mara.press("e")
	amount := `(` + deal + `).querySelector("[name='v.amount']")`
	mara.until("the form", amount)
	require.NoError(t, mara.eval(amount+`.focus(); `+amount+`.select()`, nil))
	mara.call("Input.insertText", map[string]any{"text": "52000"}, nil)
	mara.accessible()

	// Ada approves another line meanwhile, with the mouse.
	other := `[...document.querySelectorAll(".line")].find(l => !l.innerText.includes("quince storage")).id`
	var line string
	require.NoError(t, ada.eval(other, &line))
	ada.click("#"+line+" button[value=approve]", "")
	ada.shows("Approved: 1 line. It is carried out now.")
	mara.until("two lines", "document.querySelectorAll('.line').length === 2")
	mara.until("what was typed, and still in focus", amount+`.value === "52000" && document.activeElement === `+amount)
	mara.click(".line details[open] button", "Approve with these values")
	mara.shows("Recorded with your changes.")

	ada.stays()
	mara.press("j")
	mara.until("the last line in focus", `document.activeElement.matches(".line")`)
	mara.press("a")
	mara.shows("Nothing waits for an answer.")
	ada.shows("Nothing waits for an answer.")
	ada.stayed()
	sc.eventually("the deal at HubSpot, as edited", func() bool {
		found := sc.holds("deals", "dealname", "Harrow Mills: quince storage")
		return len(found) == 1 && found[0].Properties["amount"] == "52000"
	})

	// The whole story stands on the meeting's page, with links into HubSpot.
	mara.click(".done a", "To the meeting")
	mara.shows("In HubSpot")
	mara.until("everything written", `document.querySelectorAll("a[href*='/record/']").length >= 3`)
	require.Contains(t, mara.text(), "Ada Brunel")
	require.NotContains(t, mara.text(), "Temporal UI")
	mara.accessible()
	mara.screenshot("meeting")
}

func TestRejectingAndBeingTooLate(t *testing.T) {
	t.Parallel()
	sc := connected(t)
	mara := sc.person("Mara Lindqvist", "mara@brightwater.example", "member")
	sc.post()
	question := sc.asked(3, "deal.create")
	mara.open(stack.PublicURL() + "/inbox/" + question.Action.Origin.ID.String())
	mara.shows("quince storage")
	mara.until("the line", fmt.Sprintf("document.querySelector('#line-%s')", question.ActionID))
	// Somebody answers on the command line, and this page could not hear of it.
	mara.call("Network.emulateNetworkConditions", map[string]any{"offline": true, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}, nil)
	sc.run("approvals", "approve", question.ID.String())
	mara.call("Network.emulateNetworkConditions", map[string]any{"offline": false, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}, nil)
	require.NoError(t, mara.eval(fmt.Sprintf(`(() => { const f = document.createElement("form"); f.method = "post"; f.action = location.pathname + "/question/%s"; f.innerHTML = '<input name="verdict" value="reject"><input name="on" value="card">'; document.body.append(f); f.submit(); })()`, question.ID), nil))
	mara.shows("already approved")
	mara.accessible()

	mara.open(stack.PublicURL() + "/inbox")
	mara.until("two lines", "document.querySelectorAll('.line').length === 2")
	mara.press("j")
	mara.press("r")
	mara.until("the reason's field in focus", `document.activeElement.name === "reason"`)
	mara.call("Input.insertText", map[string]any{"text": "They have it in writing"}, nil)
	mara.press("Enter")
	mara.shows("Rejected. Nothing of it is written.")
	mara.click("a", "To the meeting")
	mara.shows("Harrow Mills")
	require.NoError(t, mara.eval(`document.querySelectorAll("details").forEach(d => d.open = true)`, nil))
	mara.shows("They have it in writing")
}

// A small screen at night, in German.
func TestTheInboxInGermanOnAPhoneAtNight(t *testing.T) {
	t.Parallel()
	sc := connected(t)
	mara := sc.person("Mara Lindqvist", "mara@brightwater.example", "member")
	sc.sql("update people set language = 'de' where organization_id = (select id from organizations where name = $1)")
	sc.post()
	sc.asked(3, "deal.create")
	mara.phone()
	mara.light("dark")
	mara.open(stack.PublicURL() + "/inbox")
	mara.shows("Alle 3 Zeilen genehmigen")
	mara.until("German", `document.documentElement.lang === "de"`)
	require.NoError(t, mara.eval(`document.querySelectorAll("details").forEach(d => d.open = true)`, nil))
	mara.until("no sideways scrolling", "document.documentElement.scrollWidth <= 360")
	mara.until("dark", `getComputedStyle(document.body).backgroundColor === "rgb(20, 24, 28)"`)
	mara.accessible()
	mara.open(stack.PublicURL() + "/inbox")
	mara.shows("Alle 3 Zeilen genehmigen")
	mara.screenshot("inbox-phone")
	mara.click("button", "Alle 3 Zeilen genehmigen")
	mara.shows("Genehmigt: 3 Zeilen.")
	mara.shows("Nichts wartet auf eine Antwort.")
	sc.eventually("the deal at HubSpot", func() bool { return len(sc.holds("deals", "dealname", "Harrow Mills: quince storage")) == 1 })

	mara.open(stack.PublicURL() + "/meetings")
	mara.shows("Cold storage for the quince harvest")
	mara.until("no sideways scrolling", "document.documentElement.scrollWidth <= 360")
	mara.accessible()
	mara.click("a", "Cold storage for the quince harvest")
	mara.shows("Was einging")
	mara.until("no sideways scrolling", "document.documentElement.scrollWidth <= 360")
	mara.accessible()
}

func TestATranscriptIsOpenedOnPurpose(t *testing.T) {
	t.Parallel()
	sc := connected(t)
	mara := sc.person("Mara Lindqvist", "mara@brightwater.example", "member")
	noa := sc.person("Noa Ferreira", "noa@brightwater.example", "member")
	start := time.Now().Add(-2 * time.Hour).UTC().Truncate(time.Minute)
	body, err := json.Marshal(map[string]any{
		"type": "meeting.transcript_ready", "timestamp": start.Add(time.Hour).Format(time.RFC3339),
		"data": map[string]any{
			"keys": map[string]any{"instance_id": "said-" + sc.Organization}, "title": "Quince talk", "actual_start": start.Format(time.RFC3339),
			"organizer":  map[string]any{"name": "Mara Lindqvist", "email": "mara@brightwater.example"},
			"attendees":  []map[string]any{{"name": "Ines Castell", "email": "ines@harrowmills.example", "attended": true}},
			"transcript": map[string]any{"status": "ready", "segments": []map[string]any{{"speaker": "Ines Castell", "start_s": 724, "text": "The quinces are early this year."}}},
		},
	})
	require.NoError(t, err)
	status, err := sc.Post(sc.ctx, uuid.NewString(), body)
	require.NoError(t, err)
	require.Less(t, status, 300)

	mara.open(stack.PublicURL() + "/meetings")
	mara.shows("Quince talk")
	mara.click("a", "Quince talk")
	mara.shows("Open the transcript")
	require.NotContains(t, mara.text(), "early this year")
	var address string
	require.NoError(t, mara.eval("location.href", &address))
	mara.click("button", "Open the transcript")
	mara.shows("The quinces are early this year.")
	mara.accessible()
	require.Equal(t, 1, sc.count("select count(*) from audit where kind = 'visibility' and organization_id = (select id from organizations where name = $1)"))

	noa.open(address)
	noa.shows("There is nothing here for you")
	require.NotContains(t, noa.text(), "Quince")
	noa.accessible()
	noa.open(stack.PublicURL() + "/meetings")
	noa.shows("There are no meetings here yet.")
	noa.accessible()
}

// press sends one key, as a keyboard does.
func (p *page) press(key string) {
	p.t.Helper()
	down := map[string]any{"type": "keyDown", "key": key}
	switch key {
	case "Enter":
		down["text"], down["windowsVirtualKeyCode"] = "\r", 13
	case "Escape":
		down["windowsVirtualKeyCode"] = 27
	default:
		down["text"] = key
	}
	p.call("Input.dispatchKeyEvent", down, nil)
	p.call("Input.dispatchKeyEvent", map[string]any{"type": "keyUp", "key": key}, nil)
}

// stays marks the document, and stayed says that it is still the same.
func (p *page) stays() {
	p.t.Helper()
	require.NoError(p.t, p.eval("window.debriefStays = true", nil))
}

func (p *page) stayed() {
	p.t.Helper()
	var same bool
	require.NoError(p.t, p.eval("window.debriefStays === true", &same))
	require.True(p.t, same, "the page was loaded again")
}

// axe is Deque's accessibility checker (npm axe-core), read once.
var axe = sync.OnceValues(func() (string, error) {
	_, file, _, _ := runtime.Caller(0)
	source, err := os.ReadFile(filepath.Join(filepath.Dir(file), "node_modules", "axe-core", "axe.min.js"))
	return string(source), err
})

// accessible fails for what axe calls serious or critical on the page as it is.
func (p *page) accessible() {
	p.t.Helper()
	source, err := axe()
	require.NoError(p.t, err, "the browser tests need axe-core: `npm ci` in devstack/browser, or `make test` which does so")
	require.NoError(p.t, p.eval("(() => { if (!window.axe) { "+source+" } })(); true", nil))
	var found []string
	require.NoError(p.t, p.eval(`axe.run(document, {resultTypes: ["violations"]}).then(r => r.violations
		.filter(v => v.impact === "serious" || v.impact === "critical")
		.map(v => v.impact + " " + v.id + ": " + v.help + ": " + v.nodes.map(n => n.html + " " + n.failureSummary).join("; ")))`, &found))
	require.Empty(p.t, found)
}
