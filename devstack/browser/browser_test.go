package browser

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/store"
)

func TestAPersonConnectsHubSpot(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	sc.open(sc.login())
	sc.shows("You are about to connect a HubSpot account to Debrief")
	sc.accessible()
	sc.screenshot("connect")
	sc.click("button", "Continue to HubSpot")

	sc.consent("mara@brightwater.example")
	sc.shows("HubSpot is connected")
	sc.accessible()
	require.Contains(t, sc.text(), fmt.Sprintf("Connected: HubSpot account %d", sc.HubID))
	require.Len(t, sc.connections(), 1)
}

// HubSpot keeps who may not install apps on a page of its own: Debrief never
// hears of it, and the page before has said what to do.
func TestAPersonWithoutTheRoleIsRefusedByHubSpot(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	link := sc.login()
	sc.open(link)
	sc.click("button", "Continue to HubSpot")

	const refusal = "You do not have the correct role to grant these permissions"
	sc.consent("tomas@brightwater.example")
	sc.shows(refusal)
	require.Empty(t, sc.connections())

	sc.open(link)
	sc.shows(refusal) // and the three causes, on our page
	sc.click("summary", "Three causes, and what to do")
	sc.shows("Only admins may install apps")

	// An admin sees that nobody came back, and why that may be.
	admin := sc.person("Ada Brunel", "ada@brightwater.example", "admin")
	admin.open(stack.PublicURL() + "/connections")
	admin.shows("hubspot: at HubSpot")
	require.Contains(t, admin.text(), "1 connecting")
	sc.sql("update connection_attempts set expires_at = now() - interval '1 second' where organization_id = (select id from organizations where name = $1)")
	admin.open(stack.PublicURL() + "/connections")
	admin.shows("hubspot: never came back from HubSpot")
	require.Contains(t, admin.text(), "None: not connected")
	admin.click("a", "why that is, and what to do")
	admin.until("the explanation", `location.hash === "#says-no" && document.querySelector("#says-no")`)
	require.Contains(t, admin.text(), refusal)
}

func TestTheOpenQuestionsAreReadInTheTemporalUI(t *testing.T) {
	t.Parallel()
	sc := connected(t)
	sc.post()
	sc.asked(3, "deal.create")

	sc.openWorkflow()
	sc.shows("Debrief keeps these words sealed")
	sc.click("a[href$='/user-metadata']", "")
	sc.shows("Current Details")
	sc.shows("Debrief keeps these words sealed")
	require.NotContains(t, sc.text(), "quince")

	sc.signIn()
	sc.openWorkflow()
	sc.click("a[href$='/user-metadata']", "")
	sc.shows("3 questions wait for an answer")
	require.Contains(t, sc.text(), "Harrow Mills: quince storage")
	require.NoError(t, sc.eval(`document.querySelector("#user-metadata-current-details").scrollIntoView({block: "center"})`, nil))
	sc.screenshot("workflow")
}

func TestDecidingInTheTemporalUI(t *testing.T) {
	t.Parallel()
	sc := connected(t)
	sc.post()
	question := sc.asked(3, "deal.create")
	// Set as the form sets it when the field is left: what moves under the mouse
	// can't be clicked on.
	approve := fmt.Sprintf("{\n  \"approval\": %q,\n  \"verdict\": \"approve\",\n  \"name\": \"Mara\"\n}", question.ID)
	sc.signIn()

	sc.openWorkflow()
	sc.decide(approve)
	sc.shows("are off") // the refusal: an admin has to turn it on
	require.Empty(t, sc.holds("deals", "dealname", "Harrow Mills: quince storage"))

	sc.run("organizations", "set", "--temporal-decisions")
	sc.openWorkflow()
	sc.decide(approve)
	sc.eventually("the deal at the simulator", func() bool {
		return len(sc.holds("deals", "dealname", "Harrow Mills: quince storage")) == 1
	})

	var trail []store.AuditEntry
	require.NoError(t, sc.JSON(sc.ctx, &trail, "audit", "list", "--kind", "decision"))
	require.Len(t, trail, 1)
	require.Equal(t, "temporal operator", trail[0].Actor.Name)
	require.Equal(t, question.ID, *trail[0].ApprovalID)
	require.Equal(t, "deal.create", trail[0].Tool.String())
}

func TestAFailingCallIsSeenAndResetInTheTemporalUI(t *testing.T) {
	t.Parallel()
	sc := connected(t)
	sc.run("tools", "set", "allow", "company.create", "contact.create")
	stack.Simulator.Inject(hubspottest.Fault{
		Method: "POST", Path: "/crm/objects/*/contacts", HubID: sc.HubID, Times: -1, Status: 477, Header: map[string]string{"Retry-After": "3600"},
	})
	sc.post()
	sc.signIn()
	sc.openWorkflow()
	sc.click("a[href$='/pending-activities']", "")
	sc.shows("HubSpot can't be reached or is busy")
	sc.screenshot("pending-activity")
	var wait float64
	require.NoError(t, sc.eval(`(`+everything+`.match(/\((\d+)s\)/) || [0, 0])[1] * 1`, &wait))
	require.Greater(t, wait, 1800.0, "the next try is far off")

	stack.Simulator.ClearFaults()
	sc.click("button", "Reset")
	sc.click("#activity-reset-confirmation-modal [type=submit]", "Reset")
	sc.eventually("the contact at the simulator", func() bool { return len(sc.holds("contacts", "email", "priya@tidewell.example")) > 0 })
	sc.shows("No Pending Activities")
	require.Len(t, sc.holds("contacts", "email", "priya@tidewell.example"), 1)
	sc.open(fmt.Sprintf("%s/portal/%d", stack.Simulator.URL, sc.HubID))
	sc.shows("priya@tidewell.example")
	sc.screenshot("portal")
}

// login makes a one-time link to connect HubSpot.
func (sc *scene) login() string {
	sc.t.Helper()
	var login struct{ URL string }
	require.NoError(sc.t, sc.JSON(sc.ctx, &login, "connections", "login", "hubspot"))
	return login.URL
}

// consent chooses the scene's account and a user on HubSpot's page and connects.
func (sc *scene) consent(email string) {
	sc.t.Helper()
	sc.consentOn(sc.page, email, "Connect app")
}

// consentOn does so in anybody's browser, with any of the page's buttons.
func (sc *scene) consentOn(p *page, email, button string) {
	sc.t.Helper()
	p.shows("Connect Debrief to HubSpot")
	label := fmt.Sprintf("Brightwater Analytics (%d), as %s", sc.HubID, email)
	require.NoError(sc.t, p.eval(`(() => { const s = document.querySelector("#account"); s.value = [...s.options].find(o => o.label === `+quote(label)+`).value; })()`, nil))
	p.click("button", button)
}

func (sc *scene) connections() []store.Connection {
	sc.t.Helper()
	var all []store.Connection
	require.NoError(sc.t, sc.JSON(sc.ctx, &all, "connections", "list"))
	return all
}

// openWorkflow opens the page of the follow-up's newest run in the Temporal UI.
func (sc *scene) openWorkflow() {
	sc.t.Helper()
	sc.open(sc.workflow())
	sc.until("the workflow's page", element("button", "More Actions"))
}

// decide fills the Temporal UI's form to send an update and submits it.
func (sc *scene) decide(input string) {
	sc.t.Helper()
	const form = "#update-confirmation-modal"
	sc.click("button", "More Actions")
	sc.click("[role=menuitem]", "Send an Update")
	sc.click(form+" [data-testid=update-select-button]", "")
	sc.click(form+" [role=option]", "decide")
	sc.typeInto(form+" .cm-content", input)
	sc.click(form+" [type=submit]", "Submit")
}
