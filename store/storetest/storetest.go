// Package storetest gives each test a database of its own on a real PostgreSQL.
//
// The server is the one that DEBRIEF_TEST_DATABASE_URL names, or else a private
// one that [Main] starts once per test binary. A template is migrated once and
// cloned for each test, which takes some tens of milliseconds.
package storetest

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/debriefhq/debrief/internal/pgserver"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/vault"
)

// EnvURL names a PostgreSQL server on which the tests may create databases.
const EnvURL = "DEBRIEF_TEST_DATABASE_URL"

// New returns a store over a fresh, migrated database that is dropped after the
// test, and the database's URL.
func New(t testing.TB) (*store.Store, string) {
	t.Helper()
	ctx := context.Background()
	server := serverURL(t)
	template := templateDatabase(t, server)

	name := "t_" + random(t)
	admin(t, server, fmt.Sprintf(`create database %s template %s`, name, template))
	t.Cleanup(func() { admin(t, server, fmt.Sprintf(`drop database %s with (force)`, name)) })

	databaseURL := withDatabase(t, server, name)
	s, err := store.Open(ctx, store.Options{URL: databaseURL, Vault: Vault(t), Name: "test", MaxConnections: 8})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s, databaseURL
}

// Vault returns the vault that all stores of one test binary share.
func Vault(t testing.TB) *vault.Vault {
	t.Helper()
	v, err := vault.New(Keyset(t))
	require.NoError(t, err)
	return v
}

// Keyset is the keyset behind [Vault]: made anew for each test binary.
func Keyset(t testing.TB) []byte {
	t.Helper()
	raw, err := keyset()
	require.NoError(t, err)
	return raw
}

var keyset = sync.OnceValues(vault.NewKeyset) // once per test binary

// Organization adds an organization with the domain "acme.example".
func Organization(t testing.TB, s *store.Store) store.Organization {
	t.Helper()
	o, err := s.CreateOrganization(context.Background(), "acme-"+uuid.NewString()[:8], []string{"acme.example"}, store.Settings{}, store.Operator)
	require.NoError(t, err)
	return o
}

// Connection adds a connection to a HubSpot account, "main", and the app that it is of:
// without a secret and without tokens.
func Connection(t testing.TB, db *pgxpool.Pool, organizationID uuid.UUID, hubID int64, scopes ...string) (app, connection uuid.UUID) {
	t.Helper()
	ctx := context.Background()
	app, connection = uuid.New(), uuid.New()
	_, err := db.Exec(ctx, `
		insert into apps (id, organization_id, name, level, client_id, sealed_client_secret) values ($1, $2, 'app', 'account', 'client', '\x00')`, app, organizationID)
	require.NoError(t, err)
	_, err = db.Exec(ctx, `
		insert into connections (id, organization_id, app_id, name, hub_id, is_user_level, scopes, state) values ($1, $2, $3, 'main', $4, false, $5, 'connected')`,
		connection, organizationID, app, hubID, append([]string{}, scopes...))
	require.NoError(t, err)
	return app, connection
}

// NoLimits gives an account's app more calls than a test makes: limits have tests of their
// own, in package crm.
func NoLimits(t testing.TB, db *pgxpool.Pool, hubID int64, app uuid.UUID) {
	t.Helper()
	_, err := db.Exec(context.Background(), `
		insert into limit_lanes (hub_id, app_id, bucket, lane, allowed, window_ms)
		select $1, case bucket when 'search' then '00000000-0000-0000-0000-000000000000' else $2::uuid end, bucket, lane, 2000, 10000
		from unnest(array['burst', 'search', 'association']) bucket, unnest(array['general', 'people']) lane on conflict do nothing`, hubID, app)
	require.NoError(t, err)
}

var templates = struct { // once per test binary
	sync.Mutex
	name map[string]string
}{name: map[string]string{}}

// templateDatabase migrates one database per test binary, to be cloned. It goes
// with the private server.
func templateDatabase(t testing.TB, server string) string {
	t.Helper()
	templates.Lock()
	defer templates.Unlock()
	if name := templates.name[server]; name != "" {
		return name
	}
	ctx := context.Background()
	name := "template_" + random(t)
	admin(t, server, fmt.Sprintf(`create database %s`, name))
	s, err := store.Open(ctx, store.Options{URL: withDatabase(t, server, name), Vault: Vault(t)})
	require.NoError(t, err)
	_, err = s.Migrate(ctx)
	s.Close()
	require.NoError(t, err)
	templates.name[server] = name
	return name
}

func admin(t testing.TB, server, sql string) {
	t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server)
	require.NoError(t, err)
	defer func() { _ = conn.Close(ctx) }()
	_, err = conn.Exec(ctx, sql)
	require.NoError(t, err)
}

func withDatabase(t testing.TB, server, name string) string {
	t.Helper()
	u, err := url.Parse(server)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}

func random(t testing.TB) string {
	t.Helper()
	var b [6]byte
	_, err := rand.Read(b[:])
	require.NoError(t, err)
	return hex.EncodeToString(b[:])
}

// server is where the tests' databases are: set once by Main, before any test.
var server string // one per test binary

func serverURL(t testing.TB) string {
	t.Helper()
	if server == "" {
		t.Fatal("this package has no `func TestMain(m *testing.M) { storetest.Main(m) }`")
	}
	return server
}

// Main runs a package's tests with a PostgreSQL for them, and fails if they leave
// goroutines behind: func TestMain(m *testing.M) { storetest.Main(m) }.
func Main(m *testing.M) {
	stop := func() {}
	if server = os.Getenv(EnvURL); server == "" {
		private, err := pgserver.Start(context.Background(), pgserver.Options{Fast: true})
		if err != nil {
			fmt.Fprintln(os.Stderr, "The tests need PostgreSQL:", err)
			os.Exit(1)
		}
		server, stop = private.URL("postgres"), func() { _ = private.Stop() }
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), goleak.Cleanup(func(code int) {
		stop()
		os.Exit(code)
	}))
}
