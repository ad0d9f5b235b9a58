package hubspot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// simulated is a simulator with one account, and a token for it.
func simulated() (sim *hubspottest.Server, accessToken string) {
	sim = hubspottest.NewServer(hubspottest.Options{})
	sim.AddApp(hubspottest.App{ClientID: clientID, ClientSecret: secret, Name: "Example", RedirectURIs: []string{redirectURL}, RequiredScopes: scopes})
	sim.AddPortal(hubspottest.Portal{HubID: hub, Name: "Acme", Domain: "acme.example", Currency: "EUR"})
	sim.AddUser(hub, hubspottest.User{ID: adminID, OwnerID: "501", Email: "ada@acme.example", SuperAdmin: true})
	accessToken, _ = sim.Token(clientID, hub, adminID)
	return sim, accessToken
}

// done frees what an example used.
func done(sim *hubspottest.Server) {
	sim.Close()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

// Find a contact by e-mail address, and create it if it is not there: HubSpot
// answers a second contact of one address with the first one's ID.
func Example() {
	sim, accessToken := simulated()
	defer done(sim)
	ctx := context.Background()
	client := hubspot.New(hubspot.Options{BaseURL: sim.URL}).As(accessToken) // without BaseURL: HubSpot itself

	for range 2 {
		made, err := client.Create(ctx, hubspot.Contacts, hubspot.CreateInput{
			Properties: map[string]string{"email": "ines@harrow.example", "firstname": "Ines"},
		})
		var refused *hubspot.Error
		switch {
		case err == nil:
			fmt.Println("created", made.Properties["email"])
		case errors.Is(err, hubspot.ErrConflict) && errors.As(err, &refused):
			known, err := client.Get(ctx, hubspot.Contacts, refused.ExistingID, hubspot.GetOptions{Properties: []string{"firstname"}})
			fmt.Println("known as", known.Properties["firstname"], err)
		default:
			fmt.Println(err)
		}
	}
	// Output:
	// created ines@harrow.example
	// known as Ines <nil>
}

// What to do about an error. Nothing is retried for you.
func ExampleRetryDelay() {
	sim, accessToken := simulated()
	defer done(sim)
	client := hubspot.New(hubspot.Options{BaseURL: sim.URL}).As(accessToken)

	for _, status := range []int{429, 423, 502, 401, 400} {
		sim.Inject(hubspottest.Fault{Status: status})
		_, err := client.Create(context.Background(), hubspot.Companies, hubspot.CreateInput{Properties: map[string]string{"name": "Harrow"}})
		switch {
		case hubspot.OutcomeUnknown(err):
			fmt.Println("look whether it was created, before anything else")
		case hubspot.RetryDelay(err) > 0:
			fmt.Println("send it again in", hubspot.RetryDelay(err))
		case errors.Is(err, hubspot.ErrUnauthorized):
			fmt.Println("refresh the token and send it again")
		default:
			fmt.Println("refused for good")
		}
	}
	// Output:
	// send it again in 10s
	// send it again in 2s
	// look whether it was created, before anything else
	// refresh the token and send it again
	// refused for good
}

// Read everything that a search finds, page by page.
func ExamplePages() {
	sim, accessToken := simulated()
	defer done(sim)
	for i := range 5 {
		_, _ = sim.Add(hub, "companies", hubspottest.Seed{Properties: map[string]string{"name": "Harrow " + strconv.Itoa(i), "domain": "harrow.example"}})
	}
	client := hubspot.New(hubspot.Options{BaseURL: sim.URL}).As(accessToken)

	pages := hubspot.Pages(func(after string) (hubspot.SearchResult, error) {
		return client.Search(context.Background(), hubspot.Companies, hubspot.SearchRequest{
			FilterGroups: []hubspot.FilterGroup{{Filters: []hubspot.Filter{{PropertyName: "domain", Operator: hubspot.Equal, Value: "harrow.example"}}}},
			Properties:   []string{"name"},
			Limit:        2,
			After:        after,
		})
	})
	for page, err := range pages {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(len(page.Records), "of", page.Total)
	}
	// Output:
	// 2 of 5
	// 2 of 5
	// 1 of 5
}

// Connect an account, and keep the connection.
func ExampleOAuth() {
	sim, _ := simulated()
	defer done(sim)
	ctx := context.Background()
	app := hubspot.OAuth{
		ClientID: clientID, ClientSecret: secret, RedirectURL: redirectURL,
		AuthorizeURL: sim.URL + "/oauth/authorize", BaseURL: sim.URL, // leave both out for HubSpot itself
	}

	// Send the browser here, and remember the state to compare it.
	address := app.AuthorizationURL("a-random-state", scopes, nil)
	callback, _ := sim.Consent(address, hub, adminID, true) // in life, the user does it
	back, _ := url.Parse(callback)
	if back.Query().Get("state") != "a-random-state" {
		return
	}
	token, err := app.Exchange(ctx, back.Query().Get("code"))
	fmt.Println("account", token.HubID, err)

	// Before ExpiresAt, and keep the refresh token that comes back.
	token, err = app.Refresh(ctx, token.RefreshToken)
	fmt.Println("refreshed", err)

	sim.Uninstall(hub, clientID)
	_, err = app.Refresh(ctx, token.RefreshToken)
	var failed *hubspot.OAuthError
	if errors.As(err, &failed) && failed.Refused() {
		fmt.Println("ask the account to connect again")
	}
	// Output:
	// account 991 <nil>
	// refreshed <nil>
	// ask the account to connect again
}

// Receive webhooks: verify, then read, then answer.
func ExampleParseWebhook() {
	const publicURL = "https://hooks.acme.example/hubspot" // as HubSpot calls it, whatever proxies stand between
	seen := map[string]bool{}
	receive := func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		signature, timestamp := r.Header.Get("X-HubSpot-Signature-v3"), r.Header.Get("X-HubSpot-Request-Timestamp")
		if err := hubspot.VerifyV3(secret, r.Method, publicURL, body, signature, timestamp, time.Now()); err != nil {
			http.Error(w, "not signed by HubSpot", http.StatusUnauthorized)
			return
		}
		events, err := hubspot.ParseWebhook(body)
		if err != nil {
			http.Error(w, "not a list of events", http.StatusBadRequest)
			return
		}
		for _, e := range events {
			if !seen[e.Key()] { // in life, a unique key in a database
				seen[e.Key()] = true
				fmt.Println(e.Kind, "of", e.ObjectTypeID, e.ObjectID, "in account", e.HubID)
			}
		}
	}

	const body = `[{"subscriptionId":5,"portalId":991,"occurredAt":1700000000000,"subscriptionType":"contact.creation","objectId":123,"attemptNumber":0}]`
	for range 2 { // HubSpot delivers some events twice
		at := strconv.FormatInt(time.Now().UnixMilli(), 10)
		r := httptest.NewRequest(http.MethodPost, "/hubspot", strings.NewReader(body))
		r.Header.Set("X-HubSpot-Signature-v3", sign(secret, "POST"+publicURL+body+at))
		r.Header.Set("X-HubSpot-Request-Timestamp", at)
		receive(httptest.NewRecorder(), r)
	}
	// Output: creation of 0-1 123 in account 991
}

// Properties are strings in HubSpot; values.go says what they mean.
func ExampleValue() {
	deal := hubspot.Record{ID: "1", Properties: map[string]string{
		"closedate": "2026-11-22T00:00:00Z", "amount": "2500.00", "deal_currency_code": "EUR", "products": "a;b",
	}}
	closes, ok, err := hubspot.Value(deal, "closedate", hubspot.ParseDate)
	fmt.Println(closes, ok, err)
	worth, ok, err := hubspot.Value(deal, "amount", func(amount string) (hubspot.Money, error) {
		return hubspot.ParseMoney(amount, deal.Properties["deal_currency_code"])
	})
	fmt.Println(worth, ok, err)
	fmt.Println(hubspot.SplitMulti(deal.Properties["products"]))
	// Output:
	// 2026-11-22 true <nil>
	// 2500 EUR true <nil>
	// [a b]
}

// Log each call: neither IDs nor values nor tokens are in what the hook gets.
func ExampleOptions() {
	sim, accessToken := simulated()
	defer done(sim)
	client := hubspot.New(hubspot.Options{
		BaseURL: sim.URL,
		OnResponse: func(_ context.Context, info hubspot.ResponseInfo) {
			fmt.Println(info.Method, info.Endpoint, info.StatusCode, info.Bucket, info.RateLimit.Remaining, "of", info.RateLimit.Max, "in", info.RateLimit.Interval)
		},
	}).As(accessToken)
	_, _ = client.Get(context.Background(), hubspot.Contacts, "ines@harrow.example", hubspot.GetOptions{IDProperty: "email"})
	// Output: GET /crm/objects/2026-09/contacts/{id} 404 burst 109 of 110 in 10s
}
