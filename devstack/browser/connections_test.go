package browser

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/store"
)

// The whole life of a connection, as an admin leads it on the pages: connect,
// cancel at HubSpot, reconnect after an uninstall there, disconnect, uninstall.
func TestAnAdminLeadsAConnectionThroughItsLife(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	admin := sc.person("Ada Brunel", "ada@brightwater.example", "admin")
	connections := stack.PublicURL() + "/connections"

	admin.open(connections)
	admin.shows("None: not connected")
	admin.typeInto("#name", "main")
	admin.click("button", "Connect now")
	admin.shows("You are about to connect a HubSpot account to Debrief, as “main”")
	var link string
	require.NoError(t, admin.eval("location.href", &link))
	admin.click("button", "Continue to HubSpot")
	sc.consentOn(admin, "mara@brightwater.example", "Cancel")
	admin.shows("HubSpot was not connected")
	admin.accessible()
	require.Contains(t, admin.text(), "Nothing was changed")
	require.Empty(t, sc.connections())

	admin.open(link)
	admin.click("button", "Continue to HubSpot")
	sc.consentOn(admin, "mara@brightwater.example", "Connect app")
	admin.shows("everything is still off")
	admin.click("a", "Your organization's connections")
	admin.shows("1 connected")
	require.Contains(t, admin.text(), "9 granted, none missing")
	require.Contains(t, admin.text(), "HubSpot has no API that lists them")

	// An admin of the HubSpot account removes the app there: the worker reads it
	// in HubSpot's journal, once it has subscribed to it, and half a minute later
	// again; so long nobody waits here.
	sc.eventually("the journal's first turn", func() bool {
		return sc.count("select count(*) from apps where organization_id = (select id from organizations where name = $1) and journal_due_at between now() and now() + interval '30 seconds'") == 1
	})
	stack.Simulator.Uninstall(sc.HubID, devstack.ClientID)
	sc.sql("update apps set journal_due_at = now() where organization_id = (select id from organizations where name = $1)")
	sc.eventually("the uninstall to be noticed", func() bool { return sc.connections()[0].State == store.Uninstalled })
	admin.open(connections)
	admin.shows("1 uninstalled")
	admin.click("a", "main")
	admin.shows("The app was removed from the HubSpot account")
	admin.click("button", "Reconnect")
	admin.shows(fmt.Sprintf("It has to be HubSpot account %d", sc.HubID))
	admin.click("button", "Continue to HubSpot")
	sc.consentOn(admin, "mara@brightwater.example", "Connect app")
	admin.shows("that connection was renewed and keeps its name")
	require.Equal(t, store.Connected, sc.connections()[0].State)

	admin.open(connections)
	admin.click("a", "main")
	admin.click("button", "Make it the default")
	admin.shows("The change is saved.")
	admin.click("a", "Disconnect or uninstall…")
	admin.shows("stays valid there for up to 30 minutes")
	admin.screenshot("disconnect")
	admin.click("button", "Disconnect")
	admin.shows("It is disconnected, and its tokens are deleted")
	require.Equal(t, store.Revoked, sc.connections()[0].State)

	// Once more, and away for good: that takes the name, typed.
	admin.click("button", "Reconnect")
	admin.click("button", "Continue to HubSpot")
	sc.consentOn(admin, "mara@brightwater.example", "Connect app")
	admin.click("a", "Your organization's connections")
	admin.click("a", "main")
	admin.screenshot("connection")
	admin.click("a", "Disconnect or uninstall…")
	admin.typeInto("#name", "mane")
	admin.click("button", "Disconnect and uninstall")
	admin.shows("Nothing was done")
	admin.accessible()
	admin.typeInto("#name", "main")
	admin.click("button", "Disconnect and uninstall")
	admin.shows("The app is removed from the HubSpot account")
	require.Equal(t, store.Uninstalled, sc.connections()[0].State)
}

// The account is connected already, by somebody else: whoever comes with a new
// grant says what should become of it.
func TestNobodysGrantIsReplacedWithoutAWord(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	require.NoError(t, sc.Connect(sc.ctx))
	first := sc.connections()[0]
	const ben = "ben@brightwater.example"
	other := stack.Simulator.AddUser(sc.HubID, hubspottest.User{Email: ben, InstallApps: true})
	admin := sc.person("Ada Brunel", "ada@brightwater.example", "admin")

	again := func() {
		t.Helper()
		admin.open(stack.PublicURL() + "/connections")
		admin.typeInto("#name", "second")
		admin.click("button", "Connect now")
		admin.click("button", "Continue to HubSpot")
		sc.consentOn(admin, ben, "Connect app")
		admin.shows("This account is connected already")
		require.Contains(t, admin.text(), "another HubSpot user")
	}
	again()
	admin.accessible()
	admin.screenshot("exists")
	admin.click("button", "Keep what is there")
	admin.shows("stays as it is")
	admin.accessible()
	require.Equal(t, first.TokenVersion, sc.connections()[0].TokenVersion)

	again()
	admin.click("button", "Let “hubspot” go on with the new grant")
	admin.shows("that connection was renewed and keeps its name")
	all := sc.connections()
	require.Len(t, all, 1)
	require.Equal(t, "hubspot", all[0].Name)
	require.Equal(t, other.ID, all[0].UserID)
}

func TestAMemberSeesStatesAndNoMore(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	sc.run("people", "add", "mara@brightwater.example", "--name", "Mara Lindqvist")
	require.NoError(t, sc.Connect(sc.ctx))
	// Beside it, a sandbox.
	sandbox := *sc.Scene
	sandbox.HubID += 1_000_000
	stack.Simulator.AddPortal(hubspottest.Portal{HubID: sandbox.HubID, Name: "Brightwater sandbox", Domain: "sandbox.brightwater.example", Type: "SANDBOX"})
	stack.Simulator.AddUser(sandbox.HubID, hubspottest.User{ID: 7001, Email: "mara@brightwater.example", SuperAdmin: true})
	var login struct{ URL string }
	require.NoError(t, sc.JSON(sc.ctx, &login, "connections", "login", "sandbox"))
	require.NoError(t, sandbox.Follow(sc.ctx, login.URL))
	admin, member := sc.person("Ada Brunel", "ada@brightwater.example", "admin"), sc.person("Noa Ferreira", "noa@brightwater.example", "member")
	connections := stack.PublicURL() + "/connections"

	admin.open(connections)
	admin.shows("2 connected")
	require.Contains(t, admin.text(), "TEST")
	require.Contains(t, admin.text(), "Mara Lindqvist")
	admin.click("a", "hubspot")
	admin.click("button", "Make it the default")
	admin.shows("The change is saved.")
	var one string
	require.NoError(t, admin.eval("location.pathname", &one))
	admin.open(connections)
	admin.typeInto("#name", "emea")
	admin.click("button", "Make a link for somebody else")
	admin.shows("It is shown once")
	admin.accessible()
	admin.open(connections)
	admin.shows("1 connecting")
	admin.accessible()
	admin.screenshot("connections")

	member.open(connections)
	member.shows("2 connected, 1 connecting")
	require.NotContains(t, member.text(), fmt.Sprint(sc.HubID))
	require.NotContains(t, member.text(), "Connect now")
	member.open(stack.PublicURL() + one)
	member.shows("Your role does not allow that")
	// Nor does a form that the page does not show.
	require.NoError(t, member.eval(`(() => { document.body.innerHTML = '<form method="post" action="`+one+`/disconnect"><button>Go</button></form>'; })()`, nil))
	member.click("button", "Go")
	member.shows("this is for: admin")
	for _, c := range sc.connections() {
		require.Equal(t, store.Connected, c.State)
	}

	// On a small screen the table becomes a list, and nothing sticks out.
	admin.phone()
	admin.until("no sideways scrolling", "document.documentElement.scrollWidth <= 360")
	admin.screenshot("connections-small")
}

// person adds somebody to the scene's organization, and signs them in in a
// browser of their own.
func (sc *scene) person(name, email, role string) *page {
	sc.t.Helper()
	sc.run("people", "add", email, "--role", role, "--name", name)
	return sc.in(email)
}

// sql changes what no page and no command can, of the scene's organization ($1).
func (sc *scene) sql(statement string) {
	sc.t.Helper()
	sc.inDatabase(func(conn *pgx.Conn) error {
		_, err := conn.Exec(sc.ctx, statement, sc.Organization)
		return err
	})
}

// count reads what none of them shows.
func (sc *scene) count(query string) (n int) {
	sc.t.Helper()
	sc.read(query, &n)
	return n
}

func (sc *scene) read(query string, into any) {
	sc.t.Helper()
	sc.inDatabase(func(conn *pgx.Conn) error { return conn.QueryRow(sc.ctx, query, sc.Organization).Scan(into) })
}

func (sc *scene) inDatabase(do func(*pgx.Conn) error) {
	sc.t.Helper()
	conn, err := pgx.Connect(sc.ctx, stack.DatabaseURL())
	require.NoError(sc.t, err)
	defer func() { _ = conn.Close(sc.ctx) }()
	require.NoError(sc.t, do(conn))
}
