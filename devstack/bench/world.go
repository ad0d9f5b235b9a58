package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/devstack/process"
	"github.com/debriefhq/debrief/devstack/temporaldev"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/internal/pgserver"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/vault"
	"github.com/debriefhq/debrief/webhooks"
)

// postgresOfTemporal is the environment's name for the URL of Temporal's PostgreSQL: it
// has a password, and arguments show in lists of processes.
const postgresOfTemporal = "BENCH_TEMPORAL_POSTGRES"

// TemporalProgram is the Temporal server of a [World] as a program of its own: this
// program run again, with the arguments that a stack gives it.
type TemporalProgram struct {
	devstack.TemporalProgram
}

// Run runs the server until ctx ends.
func (p TemporalProgram) Run(ctx context.Context) (err error) {
	server, err := temporaldev.Start(ctx, temporaldev.Options{
		Postgres: os.Getenv(postgresOfTemporal), Port: p.Port, Namespaces: []string{devstack.Namespace}, Log: os.Stdout,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Stop()) }()
	health := &http.Server{
		Addr: "127.0.0.1:" + strconv.Itoa(p.Health), ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
	}
	done := make(chan error, 1)
	go func() { done <- health.ListenAndServe() }()
	select {
	case <-ctx.Done():
		return health.Close()
	case err := <-done:
		return fmt.Errorf("answering whether Temporal is ready: %w", err)
	}
}

// Options say what to measure in.
type Options struct {
	// Debrief is the path of the binary, built without the race detector.
	Debrief string
	// Temporal is the command that runs [TemporalProgram].
	Temporal []string
	// Env is added to the environment of Debrief's processes: KEY=value.
	Env []string
	// Settled has meetings be settled as soon as they are stored. A follow-up waits two
	// seconds for what comes together, on purpose, which has nothing to do with what it
	// costs.
	Settled bool
}

// A World is what is measured in.
type World struct {
	*devstack.Stack

	// Binary is the debrief that is measured.
	Binary   string
	Machine  Machine
	HubSpot  *HubSpot
	Store    *store.Store
	DB       *pgxpool.Pool
	Client   client.Client
	Accounts []*Account

	temporal *pgserver.Server
	http     *http.Client
	made     int // accounts, so far
}

// Start brings a world up. Stop it.
func Start(ctx context.Context, o Options) (_ *World, err error) {
	path, err := filepath.Abs(o.Debrief)
	if err != nil {
		return nil, fmt.Errorf("finding the debrief binary: %w", err)
	}
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("there is no debrief binary: build it (make build), or name it (--debrief): %w", err)
	}
	w := &World{Binary: path, http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Stop())
		}
	}()
	if w.temporal, err = pgserver.Start(ctx, pgserver.Options{}); err != nil {
		return nil, err
	}
	if err := os.Setenv(postgresOfTemporal, w.temporal.URL("postgres")); err != nil {
		return nil, fmt.Errorf("telling Temporal where its database is: %w", err)
	}
	if w.HubSpot, err = StartHubSpot(); err != nil {
		return nil, err
	}
	if err := devstack.Prepare(w.HubSpot.Server, false, w.HubSpot.URL); err != nil {
		return nil, err
	}
	w.Stack, err = devstack.Start(ctx, devstack.Options{
		Debrief: path, NoUI: true, TemporalProgram: o.Temporal, Output: os.Stderr,
		Env: append([]string{
			"DEBRIEF_LOG_LEVEL=warn", "DEBRIEF_HUBSPOT_BASE_URL=" + w.HubSpot.URL, "DEBRIEF_HUBSPOT_CALL_TIMEOUT=30s",
		}, o.Env...),
	})
	if err != nil {
		return nil, err
	}
	if err := w.open(ctx); err != nil {
		return nil, err
	}
	if o.Settled {
		if err := w.settle(ctx); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (w *World) open(ctx context.Context) error {
	keyset := ""
	for _, entry := range w.Env() {
		if file, ok := strings.CutPrefix(entry, "DEBRIEF_KEYSET_FILE="); ok {
			keyset = file
		}
	}
	v, err := vault.Load(keyset, "")
	if err != nil {
		return err
	}
	if w.Store, err = store.Open(ctx, store.Options{URL: w.DatabaseURL(), Vault: v, Name: "bench", MaxConnections: 8}); err != nil {
		return err
	}
	if w.DB, err = pgxpool.New(ctx, w.DatabaseURL()); err != nil {
		return fmt.Errorf("opening the database: %w", err)
	}
	if w.Machine, err = Describe(ctx, w.DB); err != nil {
		return err
	}
	w.Client, err = client.DialContext(ctx, client.Options{
		HostPort: w.TemporalAddr(), Namespace: devstack.Namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	if err != nil {
		return fmt.Errorf("reaching Temporal: %w", err)
	}
	return nil
}

// settle makes what is stored look as if it had been for a minute.
func (w *World) settle(ctx context.Context) error {
	_, err := w.DB.Exec(ctx, `
		create function bench_settled() returns trigger language plpgsql as $$
		begin new.updated_at := new.updated_at - interval '1 minute'; return new; end $$;
		create trigger bench_settled before insert or update of updated_at on meetings for each row execute function bench_settled()`)
	if err != nil {
		return fmt.Errorf("having meetings be settled at once: %w", err)
	}
	return nil
}

// Stop takes everything down.
func (w *World) Stop() error {
	var errs []error
	if w.Client != nil {
		w.Client.Close()
	}
	if w.DB != nil {
		w.DB.Close()
	}
	if w.Store != nil {
		w.Store.Close()
	}
	if w.Stack != nil {
		errs = append(errs, w.Stack.Stop())
	}
	w.http.CloseIdleConnections()
	if w.HubSpot != nil {
		w.HubSpot.Stop()
	}
	if w.temporal != nil {
		errs = append(errs, w.temporal.Stop())
	}
	return errors.Join(errs...)
}

// Open counts the workflows of a type that are not over.
func (w *World) Open(ctx context.Context, workflowType string) (int, error) {
	counted, err := w.Client.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Query: "ExecutionStatus = 'Running' and WorkflowType = '" + workflowType + "'",
	})
	if err != nil {
		return 0, fmt.Errorf("counting workflows: %w", err)
	}
	return int(counted.GetCount()), nil
}

// Sizes are in bytes.
type Sizes struct {
	Debrief  int64 `json:"debrief_bytes"`
	Temporal int64 `json:"temporal_bytes"`
	// Visibility is what Temporal's lists are made from.
	Visibility int64 `json:"temporal_visibility_bytes"`
}

// Sizes measures the databases.
func (w *World) Sizes(ctx context.Context) (s Sizes, err error) {
	if err := w.DB.QueryRow(ctx, `select pg_database_size(current_database())`).Scan(&s.Debrief); err != nil {
		return s, fmt.Errorf("measuring the database: %w", err)
	}
	db, err := pgxpool.New(ctx, w.temporal.URL("postgres"))
	if err != nil {
		return s, fmt.Errorf("reaching Temporal's PostgreSQL: %w", err)
	}
	defer db.Close()
	err = db.QueryRow(ctx, `select pg_database_size('temporal'), pg_database_size('temporal_visibility')`).Scan(&s.Temporal, &s.Visibility)
	if err != nil {
		return s, fmt.Errorf("measuring Temporal's databases: %w", err)
	}
	return s, nil
}

// Spent is processor time, in seconds, of all that work.
type Spent struct {
	Serve            float64 `json:"serve_s"`
	Worker           float64 `json:"worker_s"`
	Postgres         float64 `json:"postgresql_s"`
	Temporal         float64 `json:"temporal_s"`
	TemporalPostgres float64 `json:"temporal_postgresql_s"`
	// Rest is this program: the simulator, and who sends.
	Rest float64 `json:"simulator_and_senders_s"`
}

// Spent is what was spent so far.
func (w *World) Spent() Spent {
	return Spent{
		process.ProcessorTime(w.Serve().Pid()).Seconds(), process.ProcessorTime(w.Worker().Pid()).Seconds(),
		process.FamilyProcessorTime(w.Postgres.Pid()).Seconds(), process.ProcessorTime(w.TemporalInstance().Process().Pid()).Seconds(),
		process.FamilyProcessorTime(w.temporal.Pid()).Seconds(), process.ProcessorTime(os.Getpid()).Seconds(),
	}
}

// Since is what was spent since an earlier moment.
func (s Spent) Since(before Spent) Spent {
	return Spent{
		Round(s.Serve-before.Serve, 2), Round(s.Worker-before.Worker, 2), Round(s.Postgres-before.Postgres, 2),
		Round(s.Temporal-before.Temporal, 2), Round(s.TemporalPostgres-before.TemporalPostgres, 2), Round(s.Rest-before.Rest, 2),
	}
}

// An Account is an organization with a host, a HubSpot account and a source of meetings.
type Account struct {
	Organization store.Organization
	Hub          int64
	Token        string
	// SourceURL takes webhooks that are signed with SourceSecret.
	SourceURL, SourceSecret string

	domain string
	person uuid.UUID
	user   int64
	mu     sync.Mutex
	guests int
}

// Host is the e-mail address of who holds the meetings.
func (a *Account) Host() string { return "host@" + a.domain }

// AddAccounts makes organizations with a HubSpot account each, connected for half an
// hour (see [World.Connect]), where every tool has that permission.
func (w *World) AddAccounts(ctx context.Context, n int, permission policy.Permission) (err error) {
	permissions := policy.Permissions{}
	for _, info := range policy.Tools() {
		permissions[info.Tool] = policy.Allow
		if info.Tool.Operation != policy.Read {
			permissions[info.Tool] = permission
		}
	}
	for range n {
		i := w.made
		w.made++
		a := &Account{domain: fmt.Sprintf("bench%d.example", i), Hub: 6_000_001 + int64(i)}
		if a.Organization, err = w.Store.CreateOrganization(ctx, fmt.Sprintf("bench-%d", i), []string{a.domain}, store.Settings{}, store.Operator); err != nil {
			return err
		}
		if err := w.Store.ApplyPreset(ctx, a.Organization.ID, permissions, store.Operator); err != nil {
			return err
		}
		host, err := w.Store.AddPerson(ctx, store.Person{
			OrganizationID: a.Organization.ID, Name: "Host", Role: store.RoleApprover, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: a.Host()}},
		}, store.Operator)
		if err != nil {
			return err
		}
		a.person = host.ID
		if a.SourceSecret, err = webhooks.NewStandardSecret(); err != nil {
			return err
		}
		source, err := w.Store.CreateSource(ctx, store.NewSource{
			OrganizationID: &a.Organization.ID, Platform: "debrief", Name: "platform", Secrets: []store.Secret{store.Secret(a.SourceSecret)},
		}, store.Operator)
		if err != nil {
			return err
		}
		a.SourceURL = w.PublicURL() + "/webhooks/" + source.ID.String()
		w.HubSpot.AddPortal(hubspottest.Portal{HubID: a.Hub, Domain: a.domain, Currency: "EUR"})
		a.user = w.HubSpot.AddUser(a.Hub, hubspottest.User{Email: a.Host(), FirstName: "Host", SuperAdmin: true}).ID
		if err := w.connect(ctx, a); err != nil {
			return err
		}
		w.Accounts = append(w.Accounts, a)
	}
	return nil
}

// Connect connects all accounts anew: tokens of the simulator live for half an hour.
func (w *World) Connect(ctx context.Context) error {
	for _, a := range w.Accounts {
		if err := w.connect(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

func (w *World) connect(ctx context.Context, a *Account) error {
	scopes := []string{}
	for _, s := range connections.Scopes() {
		scopes = append(scopes, s.Name)
	}
	a.Token, _ = w.HubSpot.Token(devstack.ClientID, a.Hub, a.user, scopes...)
	_, err := w.Store.ImportToken(ctx, a.Organization.ID, "hubspot", store.Granted{HubID: a.Hub, Scopes: scopes}, store.Secret(a.Token), store.Operator)
	return err
}

// A Guest is somebody whom HubSpot knows, at a company with a deal, and whom nobody has
// met yet.
type Guest struct {
	Email                  string
	Contact, Company, Deal string
}

// AddGuest adds one to an account.
func (w *World) AddGuest(a *Account) (g Guest, err error) {
	a.mu.Lock()
	n := a.guests
	a.guests++
	a.mu.Unlock()
	g.Email = fmt.Sprintf("jane@guest%d.example", n)
	add := func(objectType string, properties map[string]string, links map[string][]string) (id string) {
		if err == nil {
			var made hubspottest.Record
			made, err = w.HubSpot.Add(a.Hub, objectType, hubspottest.Seed{Properties: properties, Associations: links})
			id = made.ID
		}
		return id
	}
	g.Company = add("companies", map[string]string{"name": fmt.Sprintf("Guest %d", n), "domain": fmt.Sprintf("guest%d.example", n)}, nil)
	g.Contact = add("contacts", map[string]string{"email": g.Email, "firstname": "Jane", "lastname": fmt.Sprintf("Guest %d", n)},
		map[string][]string{"companies": {g.Company}})
	g.Deal = add("deals", map[string]string{"dealname": "Renewal", "dealstage": "qualifiedtobuy", "pipeline": "default", "amount": "24000"},
		map[string][]string{"companies": {g.Company}, "contacts": {g.Contact}})
	return g, err
}

// Met is how many records a meeting with one guest leads to: itself, a note and a task.
const Met = 3

// Meeting is the event that a host has met a guest: with a summary and one thing to do.
func Meeting(a *Account, g Guest, at time.Time) ([]byte, error) {
	body, err := json.Marshal(map[string]any{
		"type": "meeting.notes_ready", "timestamp": time.Now().UTC().Format(time.RFC3339),
		"data": map[string]any{
			"keys": map[string]any{"instance_id": uuid.NewString()}, "title": "Renewal",
			"actual_start": at.UTC().Format(time.RFC3339), "actual_end": at.Add(30 * time.Minute).UTC().Format(time.RFC3339),
			"organizer":    map[string]any{"name": "Host", "email": a.Host()},
			"attendees":    []map[string]any{{"name": "Host", "email": a.Host(), "attended": true}, {"name": "Jane Guest", "email": g.Email, "attended": true}},
			"summary":      map[string]any{"format": "text", "text": "The renewal was agreed on."},
			"action_items": []map[string]any{{"id": "1", "text": "Send the contract", "assignee_email": a.Host()}},
		},
	})
	if err != nil {
		return nil, fmt.Errorf("encoding a meeting: %w", err)
	}
	return body, nil
}

// Tell posts an event to an account's source, signed as platforms do.
func (w *World) Tell(ctx context.Context, a *Account, body []byte) error {
	now, id := time.Now(), uuid.NewString()
	signature, err := webhooks.SignStandard(a.SourceSecret, id, now, body)
	if err != nil {
		return fmt.Errorf("signing a webhook: %w", err)
	}
	return w.Post(ctx, a.SourceURL, body, map[string]string{
		"webhook-id": id, "webhook-timestamp": strconv.FormatInt(now.Unix(), 10), "webhook-signature": signature,
	})
}

// Post posts JSON, and is content with nothing but a 2xx.
func (w *World) Post(ctx context.Context, address string, body []byte, header map[string]string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("posting: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := w.http.Do(request)
	if err != nil {
		return fmt.Errorf("posting: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	said, _ := io.ReadAll(io.LimitReader(response.Body, 2000))
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("posting was answered %s: %s", response.Status, said)
	}
	return nil
}

// FollowUp has a host meet a guest, and says how long it took from the webhook until
// everything is written to HubSpot.
func (w *World) FollowUp(ctx context.Context, a *Account, g Guest) (time.Duration, error) {
	body, err := Meeting(a, g, time.Now().Add(-time.Hour))
	if err != nil {
		return 0, err
	}
	return w.Until(ctx, g, func() error { return w.Tell(ctx, a, body) })
}

// Until does something and says how long it took until all records of a meeting with the
// guest are written.
func (w *World) Until(ctx context.Context, g Guest, do func() error) (time.Duration, error) {
	written := w.HubSpot.Expect(g.Contact, Met)
	begun := time.Now()
	if err := do(); err != nil {
		return 0, err
	}
	at, err := await(ctx, written)
	return at.Sub(begun), err
}
