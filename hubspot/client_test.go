package hubspot_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

func TestObjects(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	company := b.add(t, "companies", map[string]string{"name": "Harrow", "domain": "harrow.example"})
	typeID, ok := hubspot.AssociationTypeID("contacts", "companies")
	require.True(t, ok)

	made, err := b.client.Create(ctx, hubspot.Contacts, hubspot.CreateInput{
		Properties:   map[string]string{"email": "Ines@harrow.example", "firstname": "Ines"},
		Associations: []hubspot.Association{{ToID: company, Types: []hubspot.AssociationType{{Category: hubspot.HubSpotDefined, TypeID: typeID}}}},
	})
	require.NoError(t, err)
	require.Equal(t, "ines@harrow.example", made.Properties["email"])
	require.False(t, made.CreatedAt.IsZero())
	require.Equal(t, fmt.Sprintf("%s/contacts/%d/record/0-1/%s", b.sim.URL, hub, made.ID), made.URL)

	got, err := b.client.Get(ctx, "0-1", "ines@harrow.example", hubspot.GetOptions{
		IDProperty: "email", Properties: []string{"firstname", "phone", "no_such_property"}, Associations: []string{"companies"},
		PropertiesWithHistory: []string{"firstname"},
	})
	require.NoError(t, err)
	require.Equal(t, made.ID, got.ID)
	require.Equal(t, "Ines", got.Properties["firstname"])
	require.NotContains(t, got.Properties, "phone", "null means absent")
	require.Equal(t, []hubspot.AssociatedID{{ID: company, Type: "contact_to_company_unlabeled"}}, got.Associations["companies"])
	require.Equal(t, "Ines", got.History["firstname"][0].Value)

	updated, err := b.client.Update(ctx, hubspot.Contacts, made.ID, map[string]string{"lastname": "Castell", "firstname": ""})
	require.NoError(t, err)
	require.Equal(t, "Castell", updated.Properties["lastname"])
	require.NotContains(t, updated.Properties, "firstname")

	page, err := b.client.List(ctx, hubspot.Contacts, hubspot.ListOptions{Limit: 1})
	require.NoError(t, err)
	require.Len(t, page.Records, 1)
	require.Empty(t, page.After)

	require.NoError(t, b.client.Archive(ctx, hubspot.Contacts, made.ID))
	require.NoError(t, b.client.Archive(ctx, hubspot.Contacts, made.ID), "archiving is idempotent")
	_, err = b.client.Get(ctx, hubspot.Contacts, made.ID, hubspot.GetOptions{})
	require.ErrorIs(t, err, hubspot.ErrNotFound)
	archived, err := b.client.Get(ctx, hubspot.Contacts, made.ID, hubspot.GetOptions{Archived: true})
	require.NoError(t, err)
	require.True(t, archived.Archived)
}

func TestListPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 5 {
		b.add(t, "companies", map[string]string{"name": fmt.Sprint("c", i)})
	}
	var names []string
	after := ""
	for range 10 {
		page, err := b.client.List(t.Context(), hubspot.Companies, hubspot.ListOptions{Limit: 2, After: after})
		require.NoError(t, err)
		for _, r := range page.Records {
			names = append(names, r.Properties["name"])
		}
		if after = page.After; after == "" {
			break
		}
	}
	require.Equal(t, []string{"c0", "c1", "c2", "c3", "c4"}, names)
}

func TestMerge(t *testing.T) {
	t.Parallel()
	b := setup(t)
	one := b.add(t, "contacts", map[string]string{"email": "a@x.example"})
	two := b.add(t, "contacts", map[string]string{"email": "b@x.example", "firstname": "Bea"})
	merged, err := b.client.Merge(t.Context(), hubspot.Contacts, one, two)
	require.NoError(t, err)
	require.Equal(t, one, merged.ID)
	for _, id := range []string{two, "b@x.example"} {
		o := hubspot.GetOptions{}
		if strings.Contains(id, "@") {
			o.IDProperty = "email"
		}
		got, err := b.client.Get(t.Context(), hubspot.Contacts, id, o)
		require.NoError(t, err)
		require.Equal(t, one, got.ID)
		require.Equal(t, "Bea", got.Properties["firstname"])
	}
}

func TestBatches(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	b.sim.AddProperty(hub, "companies", "debrief_key!")

	made, err := b.client.BatchCreate(ctx, hubspot.Companies, []hubspot.CreateInput{
		{Properties: map[string]string{"name": "One"}}, {Properties: map[string]string{"name": "Two"}},
	})
	require.NoError(t, err)
	require.Len(t, made.Records, 2)
	require.Empty(t, made.Errors)
	one, two := made.Records[0].ID, made.Records[1].ID

	_, err = b.client.BatchUpdate(ctx, hubspot.Companies, []hubspot.UpdateInput{{ID: one, Properties: map[string]string{"domain": "one.example"}}})
	require.NoError(t, err)

	read, err := b.client.BatchRead(ctx, hubspot.Companies, hubspot.BatchReadInput{IDs: []string{one, two, "99999"}, Properties: []string{"domain"}})
	require.NoError(t, err)
	require.Len(t, read.Records, 2)
	require.Equal(t, []string{"99999"}, read.Missing)

	for _, isNew := range []bool{true, false} {
		up, err := b.client.BatchUpsert(ctx, hubspot.Companies, []hubspot.UpdateInput{{ID: "k-1", IDProperty: "debrief_key", Properties: map[string]string{"name": "Three"}}})
		require.NoError(t, err)
		require.Len(t, up.Records, 1)
		require.Equal(t, isNew, up.Records[0].New)
	}
	byKey, err := b.client.BatchRead(ctx, hubspot.Companies, hubspot.BatchReadInput{IDProperty: "debrief_key", IDs: []string{"k-1", "k-2"}, Properties: []string{"name"}})
	require.NoError(t, err)
	require.Len(t, byKey.Records, 1)
	require.Equal(t, "k-1", byKey.Records[0].Properties["debrief_key"])
	require.Equal(t, []string{"k-2"}, byKey.Missing)

	require.NoError(t, b.client.BatchArchive(ctx, hubspot.Companies, []string{one, "99999"}))

	for _, n := range []int{0, hubspot.MaxBatch + 1} {
		_, err = b.client.BatchRead(ctx, hubspot.Companies, hubspot.BatchReadInput{IDs: make([]string, n)})
		require.Error(t, err, n)
	}
	_, err = b.client.BatchUpsert(ctx, hubspot.Companies, []hubspot.UpdateInput{{ID: "x"}})
	require.Error(t, err)
}

func TestABatchFailsWholeUnlessEachInputIsTraced(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	existing := b.add(t, "contacts", map[string]string{"email": "there@x.example"})
	in := []hubspot.CreateInput{
		{Properties: map[string]string{"email": "new@x.example"}},
		{Properties: map[string]string{"email": "there@x.example"}},
	}
	_, err := b.client.BatchCreate(ctx, hubspot.Contacts, in)
	require.ErrorIs(t, err, hubspot.ErrConflict)
	require.Len(t, b.sim.Records(hub, "contacts"), 1, "nothing of the batch is written")

	in[0].ObjectWriteTraceID, in[1].ObjectWriteTraceID = "t-0", "t-1"
	out, err := b.client.BatchCreate(ctx, hubspot.Contacts, in)
	require.NoError(t, err)
	require.Len(t, out.Records, 1)
	require.Equal(t, "t-0", out.Records[0].ObjectWriteTraceID)
	require.Len(t, out.Errors, 1)
	require.ErrorIs(t, out.Errors[0].Err, hubspot.ErrConflict)
	require.Equal(t, existing, out.Errors[0].Err.ExistingID)
	require.Equal(t, []string{"t-1"}, out.Errors[0].ObjectWriteTraceIDs)
}

func TestSearch(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 3 {
		b.add(t, "companies", map[string]string{"name": fmt.Sprint("c", i), "domain": "same.example", "annualrevenue": fmt.Sprint(i * 100)})
	}
	b.add(t, "companies", map[string]string{"name": "other", "domain": "other.example"})
	in := hubspot.SearchRequest{
		FilterGroups: []hubspot.FilterGroup{{Filters: []hubspot.Filter{{PropertyName: "domain", Operator: hubspot.Equal, Value: "SAME.example"}}}},
		Sorts:        []hubspot.Sort{{PropertyName: "annualrevenue", Direction: "DESCENDING"}},
		Properties:   []string{"name"}, Limit: 2,
	}
	first, err := b.client.Search(t.Context(), hubspot.Companies, in)
	require.NoError(t, err)
	require.Equal(t, 3, first.Total)
	require.Equal(t, "c2", first.Records[0].Properties["name"])
	require.Equal(t, "2", first.After)
	require.False(t, b.seen.last().RateLimit.HasBurst, "search answers carry no rate-limit headers")
	in.After = first.After
	second, err := b.client.Search(t.Context(), hubspot.Companies, in)
	require.NoError(t, err)
	require.Len(t, second.Records, 1)
	require.Empty(t, second.After)
}

func TestAssociations(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	contact := b.add(t, "contacts", map[string]string{"email": "a@x.example"})
	one := b.add(t, "companies", map[string]string{"name": "One"})
	two := b.add(t, "companies", map[string]string{"name": "Two"})

	for range 2 {
		require.NoError(t, b.client.AssociateDefault(ctx, "contacts", contact, "companies", one))
	}
	require.NoError(t, b.client.Associate(ctx, "contacts", contact, "companies", two, []hubspot.AssociationType{{Category: hubspot.HubSpotDefined, TypeID: 1}}))
	page, err := b.client.ListAssociations(ctx, "contacts", contact, "companies", "")
	require.NoError(t, err)
	require.Equal(t, []hubspot.AssociatedRecord{
		{ID: one, Types: []hubspot.AssociationLabel{{Category: "HUBSPOT_DEFINED", TypeID: 279}}},
		{ID: two, Types: []hubspot.AssociationLabel{{Category: "HUBSPOT_DEFINED", TypeID: 279}, {Category: "HUBSPOT_DEFINED", TypeID: 1, Label: "Primary"}}},
	}, page.Records)

	// Another primary company takes the first one's place.
	require.NoError(t, b.client.Associate(ctx, "contacts", contact, "companies", one, []hubspot.AssociationType{{TypeID: 1}}))
	read, err := b.client.BatchReadAssociations(ctx, "contacts", "companies", []string{contact, "12345"})
	require.NoError(t, err)
	require.Len(t, read.Records[contact], 2)
	require.Len(t, read.Records[contact][0].Types, 2)
	require.Len(t, read.Records[contact][1].Types, 1)
	require.Len(t, read.Errors, 1)
	require.Empty(t, read.After)

	require.NoError(t, b.client.Disassociate(ctx, "contacts", contact, "companies", two))
	back, err := b.client.ListAssociations(ctx, "companies", two, "contacts", "")
	require.NoError(t, err)
	require.Empty(t, back.Records)

	failed, err := b.client.BatchAssociateDefault(ctx, "companies", "contacts", []hubspot.Pair{{FromID: two, ToID: contact}, {FromID: two, ToID: "1"}})
	require.NoError(t, err)
	require.Len(t, failed, 1)
	require.ErrorIs(t, failed[0].Err, hubspot.ErrNotFound)
	back, err = b.client.ListAssociations(ctx, "companies", two, "contacts", "")
	require.NoError(t, err)
	require.Equal(t, 280, back.Records[0].Types[0].TypeID)

	labels, err := b.client.AssociationLabels(ctx, "deals", "companies")
	require.NoError(t, err)
	require.Equal(t, []hubspot.AssociationLabel{{Category: "HUBSPOT_DEFINED", TypeID: 341}, {Category: "HUBSPOT_DEFINED", TypeID: 5, Label: "Primary"}}, labels)
}

// TestTheTypeTable holds the client's table against the simulator's, which was
// written apart from it.
func TestTheTypeTable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sim.Configure(hub, func(s *hubspottest.Settings) { s.NoRateLimits = true })
	types := []string{"contacts", "companies", "deals", "tickets", "meetings", "notes", "tasks", "calls", "emails"}
	pairs := 0
	for _, from := range types {
		for _, to := range types {
			id, ok := hubspot.AssociationTypeID(from, to)
			if !ok {
				continue
			}
			pairs++
			labels, err := b.client.AssociationLabels(t.Context(), from, to)
			require.NoError(t, err)
			require.Equal(t, id, labels[0].TypeID, "%s to %s", from, to)
			require.Empty(t, labels[0].Label)
			require.NotContains(t, []int{1, 2, 5, 6, 25, 26}, id, "a primary type")
		}
	}
	require.Equal(t, 4*9+5*4, pairs)
	byID, ok := hubspot.AssociationTypeID("0-47", "0-3")
	require.True(t, ok)
	require.Equal(t, 212, byID)
}

func TestAccount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()

	owners, err := b.client.Owners(ctx, hubspot.OwnersQuery{Email: "sam@acme.example"})
	require.NoError(t, err)
	require.Equal(t, []hubspot.Owner{{ID: "502", Email: "sam@acme.example", Type: "PERSON", FirstName: "Sam", LastName: "Hill", UserID: salesID}}, owners.Owners)
	none, err := b.client.Owners(ctx, hubspot.OwnersQuery{Email: "nobody@acme.example"})
	require.NoError(t, err)
	require.Empty(t, none.Owners)
	first, err := b.client.Owners(ctx, hubspot.OwnersQuery{Limit: 1})
	require.NoError(t, err)
	require.NotEmpty(t, first.After)
	second, err := b.client.Owners(ctx, hubspot.OwnersQuery{Limit: 1, After: first.After})
	require.NoError(t, err)
	require.Equal(t, "502", second.Owners[0].ID)
	owner, err := b.client.Owner(ctx, "501")
	require.NoError(t, err)
	require.Equal(t, "ada@acme.example", owner.Email)

	pipelines, err := b.client.Pipelines(ctx, hubspot.Deals)
	require.NoError(t, err)
	require.Equal(t, "default", pipelines[0].ID)
	closed := map[string]bool{}
	for _, s := range pipelines[0].Stages {
		closed[s.ID] = s.Closed()
	}
	require.Equal(t, map[string]bool{
		"appointmentscheduled": false, "qualifiedtobuy": false, "presentationscheduled": false, "decisionmakerboughtin": false,
		"contractsent": false, "closedwon": true, "closedlost": true,
	}, closed)
	require.False(t, hubspot.Stage{}.Closed())

	properties, err := b.client.Properties(ctx, hubspot.Contacts)
	require.NoError(t, err)
	byName := map[string]hubspot.Property{}
	for _, p := range properties {
		byName[p.Name] = p
	}
	require.Equal(t, "enumeration", byName["lifecyclestage"].Type)
	require.NotEmpty(t, byName["lifecyclestage"].Options)
	require.True(t, byName["lastmodifieddate"].Modification.ReadOnlyValue)

	_, err = b.client.CreateProperty(ctx, hubspot.Deals, hubspot.Property{Name: "k", Label: "k", GroupName: "g", Type: "string", FieldType: "text", HasUniqueValue: true})
	require.ErrorIs(t, err, hubspot.ErrMissingScopes)
	p := hubspot.Property{Name: "debrief_key", Label: "Debrief", GroupName: "contactinformation", Type: "string", FieldType: "text", HasUniqueValue: true}
	created, err := b.client.CreateProperty(ctx, hubspot.Contacts, p)
	require.NoError(t, err)
	require.True(t, created.HasUniqueValue)
	_, err = b.client.CreateProperty(ctx, hubspot.Contacts, p)
	require.ErrorIs(t, err, hubspot.ErrConflict)

	account, err := b.client.AccountDetails(ctx)
	require.NoError(t, err)
	require.EqualValues(t, hub, account.HubID)
	require.Equal(t, "EUR", account.CompanyCurrency)
	require.Equal(t, "Europe/Berlin", account.Location().String())
}

func TestOAuth(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	address := b.oauth.AuthorizationURL("st+ate 1", scopes, []string{"crm.schemas.contacts.write"})
	require.NotContains(t, address, "+")
	require.Contains(t, address, "scope=oauth%20crm.objects.contacts.read")
	back, err := b.sim.Consent(address, hub, adminID, true)
	require.NoError(t, err)
	res, err := http.NewRequest(http.MethodGet, back, nil)
	require.NoError(t, err)
	require.Equal(t, "st+ate 1", res.URL.Query().Get("state"))
	code := res.URL.Query().Get("code")

	before := time.Now()
	token, err := b.oauth.Exchange(ctx, code)
	require.NoError(t, err)
	require.EqualValues(t, hub, token.HubID)
	require.EqualValues(t, adminID, token.UserID)
	require.ElementsMatch(t, append([]string{"crm.schemas.contacts.write"}, scopes...), token.Scopes)
	require.WithinDuration(t, before.Add(30*time.Minute), token.ExpiresAt, time.Minute)

	var refused *hubspot.OAuthError
	_, err = b.oauth.Exchange(ctx, code)
	require.ErrorAs(t, err, &refused, "a code works once")
	require.Equal(t, "BAD_AUTH_CODE", refused.Status)

	again, err := b.oauth.Refresh(ctx, token.RefreshToken)
	require.NoError(t, err)
	require.Equal(t, token.RefreshToken, again.RefreshToken)
	require.NotEqual(t, token.AccessToken, again.AccessToken)

	about, err := b.oauth.Introspect(ctx, again.AccessToken, hubspot.AccessTokenKind)
	require.NoError(t, err)
	require.True(t, about.Active)
	require.EqualValues(t, hub, about.HubID)
	require.Equal(t, "acme.example", about.HubDomain)
	require.Equal(t, "ada@acme.example", about.User)

	require.NoError(t, b.oauth.Revoke(ctx, token.RefreshToken, hubspot.RefreshTokenKind))
	_, err = b.client.As(again.AccessToken).AccountDetails(ctx)
	require.NoError(t, err, "an access token outlives its refresh token")
	_, err = b.oauth.Refresh(ctx, token.RefreshToken)
	require.ErrorAs(t, err, &refused)
	require.True(t, refused.Refused())
	require.False(t, refused.Misconfigured())
	require.False(t, refused.Transient())
	require.NotContains(t, err.Error(), token.RefreshToken)
	gone, err := b.oauth.Introspect(ctx, token.RefreshToken, hubspot.RefreshTokenKind)
	require.NoError(t, err)
	require.False(t, gone.Active)

	require.NoError(t, b.client.Uninstall(ctx))
	_, err = b.client.AccountDetails(ctx)
	require.ErrorIs(t, err, hubspot.ErrUnauthorized)

	wrong := b.oauth
	wrong.ClientSecret = "another"
	_, err = wrong.Refresh(ctx, token.RefreshToken)
	require.ErrorAs(t, err, &refused)
	require.True(t, refused.Misconfigured())
	require.NotContains(t, err.Error(), "another")
}

func TestRefreshAdoptsARotatedToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sim.AddApp(hubspottest.App{ClientID: clientID, ClientSecret: secret, RequiredScopes: scopes, RotateRefreshTokens: true})
	_, old := b.sim.Token(clientID, hub, adminID)
	token, err := b.oauth.Refresh(t.Context(), old)
	require.NoError(t, err)
	require.NotEqual(t, old, token.RefreshToken)
	_, err = b.oauth.Refresh(t.Context(), token.RefreshToken)
	require.NoError(t, err)
	_, err = b.oauth.Refresh(t.Context(), old)
	require.Error(t, err)
}

func TestOAuthErrorsAreClassified(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		status int
		body   string
		header map[string]string
		want   string
		wait   time.Duration
	}{
		"revoked":                {400, `{"error":"invalid_grant","status":"BAD_REFRESH_TOKEN"}`, nil, "refused", 0},
		"by status alone":        {400, `{"status":"BAD_REFRESH_TOKEN","message":"missing or invalid refresh token"}`, nil, "refused", 0},
		"account gone":           {400, `{"status":"BAD_HUB","message":"missing or unknown hub id","error":"access_denied"}`, nil, "refused", 0},
		"revoked, as 401":        {401, `{"error":"invalid_grant"}`, nil, "refused", 0},
		"client":                 {400, `{"error":"invalid_client","status":"BAD_CLIENT_ID"}`, nil, "misconfigured", 0},
		"unknown 4xx":            {404, `not JSON`, nil, "misconfigured", 0},
		"limited":                {429, `{"error":"invalid_grant"}`, map[string]string{"Retry-After": "7"}, "transient", 7 * time.Second},
		"locked":                 {423, ``, nil, "transient", 2 * time.Second},
		"migrating":              {477, ``, map[string]string{"Retry-After": "600"}, "transient", 10 * time.Minute},
		"down":                   {502, `<html>`, nil, "transient", 3 * time.Second},
		"success without token":  {200, `{"error":"invalid_grant"}`, nil, "transient", 0},
		"success that is broken": {200, `{"access_token":`, nil, "transient", 0},
		"cut":                    {0, ``, nil, "transient", 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.status == 0 {
					panic(http.ErrAbortHandler)
				}
				w.Header().Set("Content-Type", "application/json")
				for k, v := range tt.header {
					w.Header().Set(k, v)
				}
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			}))
			t.Cleanup(srv.Close)
			o := hubspot.OAuth{ClientID: "c", ClientSecret: "s3cr3t", BaseURL: srv.URL}
			_, err := o.Refresh(t.Context(), "na1-refresh")
			var e *hubspot.OAuthError
			require.ErrorAs(t, err, &e)
			require.Equal(t, map[string]bool{"refused": tt.want == "refused", "misconfigured": tt.want == "misconfigured", "transient": tt.want == "transient"},
				map[string]bool{"refused": e.Refused(), "misconfigured": e.Misconfigured(), "transient": e.Transient()})
			require.Equal(t, tt.wait, hubspot.RetryDelay(err))
			for _, private := range []string{"s3cr3t", "na1-refresh", "missing or", srv.URL} {
				require.NotContains(t, err.Error(), private)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	b.sim.AddProperty(hub, "contacts", "debrief_key!")
	ines := b.add(t, "contacts", map[string]string{"email": "ines@x.example", "debrief_key": "k"})
	other := b.add(t, "contacts", map[string]string{"email": "other@x.example"})
	var e *hubspot.Error

	_, err := b.client.Create(ctx, hubspot.Contacts, hubspot.CreateInput{Properties: map[string]string{"email": "ines@x.example"}})
	require.ErrorIs(t, err, hubspot.ErrConflict)
	require.ErrorAs(t, err, &e)
	require.Equal(t, ines, e.ExistingID)
	require.Equal(t, http.StatusConflict, e.StatusCode)
	require.False(t, hubspot.OutcomeUnknown(err))

	_, err = b.client.Update(ctx, hubspot.Contacts, other, map[string]string{"email": "ines@x.example"})
	require.ErrorIs(t, err, hubspot.ErrConflict)
	require.ErrorIs(t, err, hubspot.ErrValidation)
	require.ErrorAs(t, err, &e)
	require.Equal(t, ines, e.ExistingID, "the second ID of the message, not the first")
	require.NotContains(t, err.Error(), "ines@x.example")

	_, err = b.client.Create(ctx, hubspot.Contacts, hubspot.CreateInput{Properties: map[string]string{"email": "not one", "nope": "1", "lifecyclestage": "unheard"}})
	require.ErrorIs(t, err, hubspot.ErrValidation)
	require.NotErrorIs(t, err, hubspot.ErrConflict)
	require.ErrorAs(t, err, &e)
	codes := map[string]string{}
	for _, p := range e.Properties {
		codes[p.Name] = p.Code
	}
	require.Equal(t, map[string]string{"email": "INVALID_EMAIL", "nope": "PROPERTY_DOESNT_EXIST", "lifecyclestage": "INVALID_OPTION"}, codes)
	require.Contains(t, err.Error(), "email(INVALID_EMAIL)")
	require.NotContains(t, err.Error(), "not one")
	require.Contains(t, e.Message, "not one", "the field keeps what the text must not")

	access, _ := b.sim.Token(clientID, hub, adminID, "oauth", "crm.objects.contacts.read")
	_, err = b.client.As(access).Create(ctx, hubspot.Contacts, hubspot.CreateInput{Properties: map[string]string{"email": "n@x.example"}})
	require.ErrorIs(t, err, hubspot.ErrMissingScopes)
	require.ErrorAs(t, err, &e)
	require.Equal(t, []string{"crm.objects.contacts.write"}, e.MissingScopes)

	b.sim.Advance(31 * time.Minute)
	_, err = b.client.AccountDetails(ctx)
	require.ErrorIs(t, err, hubspot.ErrUnauthorized)
	require.ErrorAs(t, err, &e)
	require.Equal(t, "EXPIRED_AUTHENTICATION", e.Category)
	require.NotEmpty(t, e.CorrelationID)
}

func TestLimitsAreReported(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sim.Configure(hub, func(s *hubspottest.Settings) { s.BurstLimit, s.SearchLimit = 2, 1 })
	_, err := b.client.AccountDetails(t.Context())
	require.NoError(t, err)
	require.Equal(t, hubspot.RateLimit{HasBurst: true, Max: 2, Remaining: 1, Interval: 10 * time.Second}, b.seen.last().RateLimit)
	_, err = b.client.AccountDetails(t.Context())
	require.NoError(t, err)
	_, err = b.client.AccountDetails(t.Context())
	require.ErrorIs(t, err, hubspot.ErrRateLimited)
	require.Equal(t, 10*time.Second, hubspot.RetryDelay(err))

	_, err = b.client.Search(t.Context(), hubspot.Contacts, hubspot.SearchRequest{})
	require.NoError(t, err)
	_, err = b.client.Search(t.Context(), hubspot.Contacts, hubspot.SearchRequest{})
	require.ErrorIs(t, err, hubspot.ErrRateLimited)
	require.Equal(t, time.Second, hubspot.RetryDelay(err))
	b.sim.Advance(10 * time.Second)
	_, err = b.client.AccountDetails(t.Context())
	require.NoError(t, err)
}

func TestOnResponseNamesTheEndpointWithoutIDs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.add(t, "contacts", map[string]string{"email": "ines@x.example"})
	_, err := b.client.Get(t.Context(), hubspot.Contacts, "ines@x.example", hubspot.GetOptions{IDProperty: "email"})
	require.NoError(t, err)
	info := b.seen.last()
	require.Equal(t, "/crm/objects/2026-09/contacts/{id}", info.Endpoint)
	require.Equal(t, http.MethodGet, info.Method)
	require.Equal(t, http.StatusOK, info.StatusCode)
	require.NotEmpty(t, info.CorrelationID)
	require.Positive(t, info.Duration)
}

// TestOutcomeUnknown is what "no write happens twice" stands on.
func TestOutcomeUnknown(t *testing.T) {
	t.Parallel()
	create := func(b *bundle) error {
		_, err := b.client.Create(t.Context(), hubspot.Companies, hubspot.CreateInput{Properties: map[string]string{"name": "N"}})
		return err
	}
	read := func(b *bundle) error { _, err := b.client.AccountDetails(t.Context()); return err }
	search := func(b *bundle) error {
		_, err := b.client.Search(t.Context(), hubspot.Companies, hubspot.SearchRequest{})
		return err
	}
	tests := map[string]struct {
		fault   hubspottest.Fault
		do      func(*bundle) error
		unknown bool
		written int
	}{
		"cut before the commit":  {hubspottest.Fault{CutBeforeCommit: true}, create, true, 0},
		"cut after the commit":   {hubspottest.Fault{CutAfterCommit: true}, create, true, 1},
		"committed and answered": {hubspottest.Fault{Status: 502, AnswerAfterCommit: true}, create, true, 1},
		"truncated answer":       {hubspottest.Fault{TruncateBody: true}, create, true, 1},
		"not JSON":               {hubspottest.Fault{Status: 201, Body: "<html>"}, create, true, 0},
		"no ID in the answer":    {hubspottest.Fault{Status: 201, Body: "{}"}, create, true, 0},
		"500":                    {hubspottest.Fault{Status: 500}, create, true, 0},
		"503":                    {hubspottest.Fault{Status: 503}, create, true, 0},
		"524":                    {hubspottest.Fault{Status: 524}, create, true, 0},
		"locked":                 {hubspottest.Fault{Status: 423}, create, false, 0},
		"migrating":              {hubspottest.Fault{Status: 477}, create, false, 0},
		"rate limited":           {hubspottest.Fault{Status: 429}, create, false, 0},
		"refused":                {hubspottest.Fault{Status: 400}, create, false, 0},
		"a read":                 {hubspottest.Fault{Status: 502}, read, false, 0},
		"a cut search":           {hubspottest.Fault{CutAfterCommit: true}, search, false, 0},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			b.sim.Inject(tt.fault)
			err := tt.do(b)
			require.Error(t, err)
			require.Equal(t, tt.unknown, hubspot.OutcomeUnknown(err), err)
			require.Len(t, b.sim.Writes(), tt.written)
			if tt.unknown {
				require.ErrorIs(t, err, hubspot.ErrUnavailable)
			}
		})
	}
}

func TestWhatWasNeverSentIsKnown(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.NotFoundHandler())
	address := srv.URL
	srv.Close()
	_, err := hubspot.New(hubspot.Options{BaseURL: address}).As("t0ken").Create(t.Context(), hubspot.Contacts, hubspot.CreateInput{})
	require.ErrorIs(t, err, hubspot.ErrUnavailable)
	require.False(t, hubspot.OutcomeUnknown(err))
	var te *hubspot.TransportError
	require.ErrorAs(t, err, &te)
	require.False(t, te.Sent)
}

func TestALateCommitHappensOnTheSimulatorsClock(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, CommitLate: time.Minute})
	_, err := b.client.Create(t.Context(), hubspot.Companies, hubspot.CreateInput{Properties: map[string]string{"name": "Late"}})
	require.True(t, hubspot.OutcomeUnknown(err), err)
	require.Empty(t, b.sim.Records(hub, "companies"))
	b.sim.Advance(59 * time.Second)
	require.Empty(t, b.sim.Records(hub, "companies"))
	b.sim.Advance(2 * time.Second)
	require.Len(t, b.sim.Records(hub, "companies"), 1)
}

func TestBounds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	access, _ := b.sim.Token(clientID, hub, adminID)
	small := hubspot.New(hubspot.Options{BaseURL: b.sim.URL, MaxResponseBytes: 100}).As(access)
	_, err := small.Properties(t.Context(), hubspot.Contacts)
	require.ErrorIs(t, err, hubspot.ErrResponseTooLarge)

	hasty := hubspot.New(hubspot.Options{BaseURL: b.sim.URL, Timeout: 20 * time.Millisecond}).As(access)
	b.sim.Inject(hubspottest.Fault{Latency: 10 * time.Second})
	_, err = hasty.Create(t.Context(), hubspot.Companies, hubspot.CreateInput{Properties: map[string]string{"name": "N"}})
	require.True(t, hubspot.OutcomeUnknown(err), err)
}

// TestNoRedirectIsFollowed guards the token: an answer must not be able to
// send it elsewhere.
func TestNoRedirectIsFollowed(t *testing.T) {
	t.Parallel()
	asked := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	t.Cleanup(elsewhere.Close)
	srv := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	t.Cleanup(srv.Close)
	_, err := hubspot.New(hubspot.Options{BaseURL: srv.URL}).As("t0ken").AccountDetails(t.Context())
	var e *hubspot.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, http.StatusTemporaryRedirect, e.StatusCode)
	require.False(t, asked)
}

func TestPathsThatWouldMeanSomethingElseAreNotSent(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	for _, id := range []string{"", ".", ".."} {
		_, err := b.client.Get(ctx, hubspot.Contacts, id, hubspot.GetOptions{})
		require.Error(t, err, id)
		require.Error(t, b.client.Archive(ctx, hubspot.Contacts, id), id)
	}
	for _, objectType := range []string{"", "contacts/1", "{id}", "..", "a?b"} {
		_, err := b.client.Create(ctx, objectType, hubspot.CreateInput{})
		require.Error(t, err, objectType)
	}
	require.Empty(t, b.sim.Calls())

	_, err := b.client.Get(ctx, hubspot.Contacts, "a/b@x.example?c", hubspot.GetOptions{IDProperty: "email"})
	require.ErrorIs(t, err, hubspot.ErrNotFound)
	require.Equal(t, "GET /crm/objects/2026-09/contacts/{id}", b.sim.Calls()[0].Endpoint)
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	const token = "s3cr3t-t0ken"
	c := hubspot.New(hubspot.Options{}).As(token)
	o := hubspot.OAuth{ClientID: "id", ClientSecret: token}
	tok := hubspot.Token{AccessToken: token, RefreshToken: token}
	for _, v := range []any{c, *c, o, &o, tok, &tok, struct{ O hubspot.OAuth }{o}, struct{ T hubspot.Token }{tok}, struct{ C *hubspot.Client }{c}} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			require.NotContains(t, fmt.Sprintf(format, v), token, "%s of %T", format, v)
		}
	}
}

func TestAnErrorsTextHoldsNoSentence(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"category":"ines@x.example","message":"ines@x.example","correlationId":"a\nb","policyName":"x y","subCategory":"S.T"}`))
	}))
	t.Cleanup(srv.Close)
	_, err := hubspot.New(hubspot.Options{BaseURL: srv.URL}).AccountDetails(t.Context())
	require.EqualError(t, err, "hubspot: GET /account-info/2026-09/details: 400 S.T")
	require.False(t, errors.Is(err, hubspot.ErrNotFound))
}
