package hubspot_test

import (
	"context"
	"net/http"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

const (
	hub         = 991
	adminID     = 11
	salesID     = 12
	clientID    = "client-1"
	secret      = "not-a-real-secret"
	redirectURL = "http://localhost:9/callback"
)

var scopes = []string{
	"oauth", "crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.companies.read", "crm.objects.companies.write",
	"crm.objects.deals.read", "crm.objects.deals.write", "crm.objects.owners.read", "tickets",
}

type bundle struct {
	sim    *hubspottest.Server
	client *hubspot.Client
	oauth  hubspot.OAuth
	seen   *responses
}

type responses struct {
	mu   sync.Mutex
	list []hubspot.ResponseInfo
}

func (r *responses) add(_ context.Context, info hubspot.ResponseInfo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, info)
}

func (r *responses) last() hubspot.ResponseInfo {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list[len(r.list)-1]
}

func setup(t *testing.T) *bundle {
	t.Helper()
	sim := hubspottest.NewServer(hubspottest.Options{})
	t.Cleanup(sim.Close)
	sim.AddApp(hubspottest.App{
		ClientID: clientID, ClientSecret: secret, Name: "Debrief", RedirectURIs: []string{redirectURL},
		RequiredScopes: scopes, OptionalScopes: []string{"crm.schemas.contacts.write", "crm.schemas.companies.write"},
	})
	sim.AddPortal(hubspottest.Portal{HubID: hub, Name: "Acme", Domain: "acme.example", Currency: "EUR", TimeZone: "Europe/Berlin"})
	sim.AddUser(hub, hubspottest.User{ID: adminID, OwnerID: "501", Email: "ada@acme.example", FirstName: "Ada", LastName: "Moor", SuperAdmin: true})
	sim.AddUser(hub, hubspottest.User{ID: salesID, OwnerID: "502", Email: "sam@acme.example", FirstName: "Sam", LastName: "Hill"})
	access, _ := sim.Token(clientID, hub, adminID)
	// A transport of its own: no idle connection outlives the test.
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	seen := &responses{}
	httpClient := &http.Client{Transport: transport}
	return &bundle{
		sim:    sim,
		client: hubspot.New(hubspot.Options{BaseURL: sim.URL, HTTPClient: httpClient, OnResponse: seen.add}).As(access),
		oauth:  hubspot.OAuth{ClientID: clientID, ClientSecret: secret, RedirectURL: redirectURL, AuthorizeURL: sim.URL + "/oauth/authorize", BaseURL: sim.URL, HTTPClient: httpClient},
		seen:   seen,
	}
}

func (b *bundle) add(t *testing.T, objectType string, properties map[string]string) string {
	t.Helper()
	r, err := b.sim.Add(hub, objectType, hubspottest.Seed{Properties: properties})
	require.NoError(t, err)
	return r.ID
}
