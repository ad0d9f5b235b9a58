// Package agentstest gives tests of what agents and scripts do an organization whose
// HubSpot account the simulator plays. It is for tests alone.
package agentstest

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/agents"
	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

const (
	// HubID is the account's.
	HubID = 4711
	// PublicURL is Debrief's address.
	PublicURL = "https://debrief.acme.example"
)

// Account is an organization with one person and a HubSpot account.
type Account struct {
	Store  *store.Store
	DB     *pgxpool.Pool
	Sim    *hubspottest.Server
	Gate   *crm.Gate
	Org    uuid.UUID
	Person store.Person
	Conn   uuid.UUID
	// Access is the token by which the gate calls.
	Access string

	t *testing.T
}

// New returns an account where those tools have those permissions, such as
// "contact.create", "ask".
func New(t *testing.T, permissions ...string) *Account {
	t.Helper()
	ctx := context.Background()
	a := &Account{t: t}
	var url string
	a.Store, url = storetest.New(t)
	var err error
	a.DB, err = pgxpool.New(ctx, url)
	require.NoError(t, err)
	t.Cleanup(a.DB.Close)
	a.Sim = hubspottest.NewServer(hubspottest.Options{})
	t.Cleanup(a.Sim.Close)
	t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
	app := a.Sim.AddApp(hubspottest.App{RequiredScopes: []string{
		"oauth", "crm.objects.companies.read", "crm.objects.companies.write", "crm.objects.contacts.read", "crm.objects.contacts.write",
		"crm.objects.deals.read", "crm.objects.deals.write", "crm.objects.owners.read", "tickets",
	}})
	a.Sim.AddPortal(hubspottest.Portal{HubID: HubID, Settings: hubspottest.Settings{NoRateLimits: true}})
	user := a.Sim.AddUser(HubID, hubspottest.User{Email: "mara@acme.example", SuperAdmin: true})
	a.Access, _ = a.Sim.Token(app.ClientID, HubID, user.ID)

	a.Org = storetest.Organization(t, a.Store).ID
	_, a.Conn = storetest.Connection(t, a.DB, a.Org, HubID)
	a.Person, err = a.Store.AddPerson(ctx, store.Person{
		OrganizationID: a.Org, Name: "Mara Lind", Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "mara@acme.example"}},
	}, store.Operator)
	require.NoError(t, err)
	a.Permit(permissions...)
	a.Gate = crm.New(crm.Options{Store: a.Store, Tokens: token(a.Access), CallTimeout: 5 * time.Second, Client: hubspot.New(hubspot.Options{BaseURL: a.Sim.URL})})
	return a
}

type token string

func (k token) Token(context.Context, uuid.UUID) (store.Secret, int64, error) {
	return store.Secret(k), 1, nil
}
func (token) Invalidate(context.Context, uuid.UUID, int64) error { return nil }

// Options are those of the account's service, without patience.
func (a *Account) Options() agents.Options {
	return agents.Options{
		Store: a.Store, Gate: a.Gate, PublicURL: PublicURL,
		Connections: connections.New(a.Store, connections.Options{PublicURL: PublicURL, Provider: connections.HubSpot()}),
	}
}

// Caller is what calls for the person, from that source.
func (a *Account) Caller(source, client string) agents.Caller {
	return agents.Caller{OrganizationID: a.Org, PersonID: a.Person.ID, Source: source, Client: client}
}

// Count counts rows.
func (a *Account) Count(sql string, args ...any) (n int) {
	a.t.Helper()
	require.NoError(a.t, a.DB.QueryRow(context.Background(), sql, args...).Scan(&n))
	return n
}

// Exec changes what is stored.
func (a *Account) Exec(sql string, args ...any) {
	a.t.Helper()
	_, err := a.DB.Exec(context.Background(), sql, args...)
	require.NoError(a.t, err)
}

// Permit sets permissions, as [New] does.
func (a *Account) Permit(pairs ...string) {
	a.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		tool, err := policy.ParseTool(pairs[i])
		require.NoError(a.t, err)
		require.NoError(a.t, a.Store.SetPermission(context.Background(), a.Org, tool, policy.Permission(pairs[i+1]), store.Operator))
	}
}

// Add puts a record into the account, and returns its ID.
func (a *Account) Add(objectType string, properties map[string]string) string {
	a.t.Helper()
	r, err := a.Sim.Add(HubID, objectType, hubspottest.Seed{Properties: properties})
	require.NoError(a.t, err)
	return r.ID
}

// Worker does what the workflow of a follow-up does, until the test ends.
func (a *Account) Worker() {
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for ctx.Err() == nil {
			a.Work(ctx)
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	a.t.Cleanup(func() { stop(); done.Wait() })
}

// Work carries out all that is woken now.
func (a *Account) Work(ctx context.Context) {
	does := &activities.Activities{Store: a.Store, Gate: a.Gate, Log: zerolog.Nop()}
	woken, err := a.Store.ClaimWakeups(ctx, 10)
	if err != nil {
		return
	}
	for _, w := range woken {
		m := activities.Meeting{OrganizationID: w.OrganizationID, MeetingID: w.MeetingID}
		look, err := does.Look(ctx, m)
		if err != nil {
			continue
		}
		for _, ready := range look.Ready {
			_ = does.Write(ctx, activities.WriteInput{Meeting: m, ActionID: ready.ID})
		}
		_ = a.Store.DeleteWakeup(ctx, w.ID)
	}
}
