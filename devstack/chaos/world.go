package chaos

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/devstack/story"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/notify/slacktest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/vault"
	"github.com/debriefhq/debrief/webhooks"
)

// The app of the organizations whose accounts have a private one; at a simulator on
// loopback alone.
const (
	privateClientID     = "9be0a1f2-simulated-private-app"
	privateClientSecret = "simulator-only-private-secret"
)

const (
	receivers = 2
	workers   = 2
)

// world is the whole system, and what people and platforms have of it.
type world struct {
	*devstack.Stack

	opts    Options
	script  Script
	ledger  *Ledger
	proxies *proxies
	slack   *slacktest.Server
	sinks   *sinks
	log     *logFile

	store    *store.Store // what people read on their cards, and setting up
	db       *pgxpool.Pool
	temporal client.Client
	web      *http.Client
	keepers  []*keeper
	names    map[string]int // which meeting of the script a delivery tells of
	tenants  []*tenant      // by the script's organizations
}

// tenant is an organization of the script as it was made.
type tenant struct {
	Organization
	*devstack.Scene

	id      uuid.UUID
	mara    store.Person
	slack   string // Mara's in Slack; empty: she isn't there
	session store.Secret
	client  string // the app's client ID
}

// logFile keeps what Debrief's processes log.
type logFile struct {
	mu   sync.Mutex
	file *os.File
}

func (l *logFile) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Write(p)
}

func newWorld(ctx context.Context, o Options, script Script, tell *story.Story) (_ *world, err error) {
	w := &world{opts: o, script: script, names: script.Names(), ledger: newLedger(), proxies: newProxies(), slack: slacktest.New(), web: &http.Client{
		Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.sinks, err = newSinks(); err != nil {
		return nil, err
	}
	file, err := os.Create(o.Log)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	w.log = &logFile{file: file}
	w.Stack, err = devstack.Start(ctx, devstack.Options{
		Debrief: o.Debrief, Fast: true, NoUI: true, Receivers: receivers, Workers: workers, TemporalProgram: o.TemporalProgram,
		Prepare: prepare, Between: w.proxies.between, Output: w.log,
		Env: slices.Concat([]string{"DEBRIEF_SLACK_API_URL=" + w.slack.APIURL(), "DEBRIEF_LOG_LEVEL=debug"}, w.sinks.env(), o.Env),
		Progress: func(title string) func(string, error) {
			step := tell.Step(title)
			return func(detail string, err error) {
				if err != nil {
					step.Failed(err)
				} else {
					step.Done(detail)
				}
			}
		},
	})
	if err != nil {
		return nil, err
	}
	if err := w.open(ctx); err != nil {
		return nil, err
	}
	step := tell.Step(fmt.Sprintf("%d organizations with a HubSpot account each", len(script.Organizations)))
	for i := range script.Organizations {
		t, err := w.tenant(ctx, i)
		if err != nil {
			step.Failed(err)
			return nil, fmt.Errorf("making organization %d: %w", i, err)
		}
		w.tenants = append(w.tenants, t)
	}
	step.Done("")
	for _, i := range w.Receivers() {
		w.keepers = append(w.keepers, newKeeper(i))
	}
	for _, i := range w.Workers() {
		w.keepers = append(w.keepers, newKeeper(i))
	}
	w.keepers = append(w.keepers, newKeeper(w.TemporalInstance()))
	return w, nil
}

func prepare(simulator *hubspottest.Server, fresh bool, publicURL string) error {
	var scopes []string
	for _, s := range connections.Scopes() {
		scopes = append(scopes, s.Name)
	}
	simulator.AddApp(hubspottest.App{
		ClientID: privateClientID, ClientSecret: privateClientSecret, Name: "Debrief, private", PrivateDistribution: true,
		RedirectURIs: []string{publicURL + connections.CallbackPath}, RequiredScopes: scopes,
	})
	return devstack.Prepare(simulator, fresh, publicURL)
}

// open opens what the harness itself looks with.
func (w *world) open(ctx context.Context) error {
	v, err := vault.Load(setting(w.Env(), "DEBRIEF_KEYSET_FILE"), "")
	if err != nil {
		return err
	}
	if w.store, err = store.Open(ctx, store.Options{URL: w.DatabaseURL(), Vault: v, Name: "chaos", MaxConnections: 8}); err != nil {
		return err
	}
	// A binary that is older than this program would have questions that nobody reads.
	if err := w.store.CheckSchema(ctx); err != nil {
		return err
	}
	if w.db, err = pgxpool.New(ctx, w.DatabaseURL()); err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	w.temporal, err = client.NewLazyClient(client.Options{HostPort: w.TemporalAddr(), Namespace: devstack.Namespace, Logger: sdklog.NewStructuredLogger(discard())})
	if err != nil {
		return fmt.Errorf("preparing to reach Temporal: %w", err)
	}
	return nil
}

// setting is the last value of a setting in an environment.
func setting(env []string, name string) (value string) {
	for _, entry := range env {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			value = v
		}
	}
	return value
}

// tenant makes an organization of the script, connected and ready.
func (w *world) tenant(ctx context.Context, n int) (*tenant, error) {
	o := w.script.Organizations[n]
	t := &tenant{Organization: o, client: devstack.ClientID}
	secret := store.Secret(devstack.ClientSecret)
	if o.Private {
		t.client, secret = privateClientID, privateClientSecret
	}
	t.Scene = &devstack.Scene{Organization: o.Name, HubID: o.HubID}
	t.On(w.Stack)
	if err := w.account(n); err != nil {
		return nil, err
	}
	settings := store.Settings{NotesWait: store.Duration(3 * time.Second), TemporalDecisions: true, ApprovalTTL: store.Duration(o.Expires)}
	made, err := w.store.CreateOrganization(ctx, o.Name, []string{"brightwater.example"}, settings, store.Operator)
	if err != nil {
		return nil, err
	}
	t.id = made.ID
	app, err := w.store.CreateApp(ctx, store.App{OrganizationID: t.id, Name: "hubspot", Level: store.AccountLevel, ClientID: t.client}, secret, store.Operator)
	if err != nil {
		return nil, err
	}
	if t.SourceSecret, err = webhooks.NewStandardSecret(); err != nil {
		return nil, err
	}
	source, err := w.store.CreateSource(ctx, store.NewSource{OrganizationID: &t.id, Platform: "debrief", Name: "debrief", Secrets: []store.Secret{store.Secret(t.SourceSecret)}}, store.Operator)
	if err != nil {
		return nil, err
	}
	t.SourceURL = "/webhooks/" + source.ID.String() // of whichever receiver
	if err := w.permit(ctx, t); err != nil {
		return nil, err
	}
	if err := w.people(ctx, t); err != nil {
		return nil, err
	}
	if err := w.hosts(ctx, t); err != nil {
		return nil, err
	}
	if n == inSlack {
		if err := w.inSlack(ctx, t); err != nil {
			return nil, err
		}
	}
	service := connections.New(w.store, connections.Options{PublicURL: w.PublicURL()})
	login, err := service.BeginLogin(ctx, connections.LoginRequest{OrganizationID: t.id, AppID: app.ID, Name: "hubspot"}, store.Operator)
	if err != nil {
		return nil, err
	}
	return t, t.Follow(ctx, login.URL)
}

// account makes the organization's account at the simulator, with those of its
// meetings' guests whom HubSpot knows.
func (w *world) account(n int) error {
	hubID := w.script.Organizations[n].HubID
	if err := devstack.AddAccount(w.Simulator, hubID); err != nil {
		return err
	}
	var known []Guest
	for _, m := range w.script.Meetings {
		if m.Organization == n {
			known = append(known, m.Guests...)
		}
	}
	for _, b := range w.script.Bookings {
		if b.Organization == n {
			known = append(known, b.Guest)
		}
	}
	for _, g := range known {
		if !g.Known {
			continue
		}
		company, err := w.Simulator.Add(hubID, "companies", hubspottest.Seed{Properties: map[string]string{"name": g.Company, "domain": g.Domain, "hubspot_owner_id": "8801"}})
		if err != nil {
			return fmt.Errorf("adding a company: %w", err)
		}
		_, err = w.Simulator.Add(hubID, "contacts", hubspottest.Seed{
			Properties:   map[string]string{"email": g.Email, "firstname": g.First, "lastname": strings.TrimPrefix(g.Name, g.First+" "), "jobtitle": "Miller", "hubspot_owner_id": "8801"},
			Associations: map[string][]string{"companies": {company.ID}},
		})
		if err != nil {
			return fmt.Errorf("adding a contact: %w", err)
		}
	}
	return nil
}

func (w *world) permit(ctx context.Context, t *tenant) error {
	if t.Preset == AskAll {
		permissions := policy.Permissions{}
		for _, info := range policy.Tools() {
			permissions[info.Tool] = policy.Ask
			if info.Tool.Operation == policy.Read {
				permissions[info.Tool] = policy.Allow
			}
		}
		return w.store.ApplyPreset(ctx, t.id, permissions, store.Operator)
	}
	// With its rules, as an operator does.
	_, err := t.Run(ctx, "tools", "preset", string(t.Preset))
	return err
}

// people makes the one who hosts and answers.
func (w *world) people(ctx context.Context, t *tenant) error {
	var err error
	t.mara, err = w.store.AddPerson(ctx, store.Person{
		OrganizationID: t.id, Name: "Mara Lindqvist", Role: store.RoleAdmin,
		Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "mara@brightwater.example"}},
	}, store.Operator)
	if err != nil {
		return err
	}
	link, err := w.store.CreateSignInLink(ctx, store.SignedIn{OrganizationID: &t.id, PersonID: &t.mara.ID})
	if err != nil {
		return err
	}
	t.session, _, err = w.store.SignIn(ctx, link)
	return err
}

// inSlack has the organization's people asked in Slack.
func (w *world) inSlack(ctx context.Context, t *tenant) error {
	t.slack = "U0MARA"
	w.slack.AddUser(slacktest.User{ID: t.slack, Email: "mara@brightwater.example"})
	err := w.store.ConnectSlack(ctx, store.SlackApp{
		OrganizationID: t.id, TeamID: w.slack.TeamID, AppID: w.slack.AppID, BotUserID: "U0BOT",
		BotToken: store.Secret(w.slack.Token), SigningSecret: store.Secret(w.slack.SigningSecret),
	}, store.Operator)
	if err != nil {
		return err
	}
	return w.store.AddIdentity(ctx, t.id, t.mara.ID, store.Identity{Kind: store.IdentitySlackUser, Value: t.slack}, store.Operator)
}

// close lets go of what the harness holds, and takes everything down.
func (w *world) close() error {
	for _, k := range w.keepers {
		k.stop()
	}
	if w.temporal != nil {
		w.temporal.Close()
	}
	if w.store != nil {
		w.store.Close()
	}
	if w.db != nil {
		w.db.Close()
	}
	var err error
	if w.Stack != nil {
		err = w.Stop()
	}
	w.slack.Close()
	if w.sinks != nil {
		w.sinks.close()
	}
	w.proxies.close()
	if w.log != nil {
		err = errors.Join(err, w.log.file.Close())
	}
	return err
}
