package hubspot_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// against is a client of a server that is nothing but a function.
func against(t *testing.T, serve http.HandlerFunc) (*hubspot.Client, *responses) {
	t.Helper()
	srv := httptest.NewServer(serve)
	t.Cleanup(srv.Close)
	seen := &responses{}
	return hubspot.New(hubspot.Options{BaseURL: srv.URL, HTTPClient: srv.Client(), OnResponse: seen.add}).As("t0ken"), seen
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func TestCustomObjects(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	b.sim.AddApp(hubspottest.App{ClientID: "custom", ClientSecret: secret, RequiredScopes: []string{
		"oauth", "crm.objects.custom.read", "crm.objects.custom.write", "crm.schemas.custom.read", "crm.objects.contacts.read",
	}})
	typeID := b.sim.AddObjectType(hub, "cars", "plate!", "colour")
	access, _ := b.sim.Token("custom", hub, adminID)
	client := b.client.As(access)

	all, err := client.Schemas(ctx)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.Equal(t, typeID, all[0].ObjectTypeID)
	require.Equal(t, "cars", all[0].Name)

	for _, name := range []string{typeID, all[0].FullyQualifiedName} {
		made, err := client.BatchUpsert(ctx, name, []hubspot.UpdateInput{{ID: "AB 1", IDProperty: "plate", Properties: map[string]string{"colour": "red"}}})
		require.NoError(t, err, name)
		require.Equal(t, name == typeID, made.Records[0].New)
		got, err := client.Get(ctx, name, "AB 1", hubspot.GetOptions{IDProperty: "plate", Properties: []string{"colour"}})
		require.NoError(t, err)
		require.Equal(t, "red", got.Properties["colour"])
	}
	contact := b.add(t, "contacts", map[string]string{"email": "a@x.example"})
	car := b.sim.Records(hub, "cars")[0].ID
	require.NoError(t, client.AssociateDefault(ctx, typeID, car, hubspot.Contacts, contact))
	page, err := client.ListAssociations(ctx, hubspot.Contacts, contact, typeID, "")
	require.NoError(t, err)
	require.Equal(t, car, page.Records[0].ID)
}

func TestGDPRDelete(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.add(t, "contacts", map[string]string{"email": "a@x.example"})
	require.NoError(t, b.client.GDPRDelete(t.Context(), id))
	for _, archived := range []bool{false, true} {
		_, err := b.client.Get(t.Context(), hubspot.Contacts, id, hubspot.GetOptions{Archived: archived})
		require.ErrorIs(t, err, hubspot.ErrNotFound)
	}
	require.ErrorIs(t, b.client.GDPRDelete(t.Context(), id), hubspot.ErrNotFound)
}

func TestArchivedRecordsAreReadWhereAskedFor(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	kept := b.add(t, "deals", map[string]string{"dealname": "Kept", "dealstage": "contractsent"})
	gone := b.add(t, "deals", map[string]string{"dealname": "Gone", "dealstage": "contractsent"})
	require.NoError(t, b.client.Archive(ctx, hubspot.Deals, gone))
	for archived, id := range map[bool]string{false: kept, true: gone} {
		page, err := b.client.List(ctx, hubspot.Deals, hubspot.ListOptions{Archived: archived})
		require.NoError(t, err)
		require.Len(t, page.Records, 1)
		require.Equal(t, id, page.Records[0].ID)
		require.Equal(t, archived, page.Records[0].Archived)
		read, err := b.client.BatchRead(ctx, hubspot.Deals, hubspot.BatchReadInput{IDs: []string{kept, gone}, Archived: archived})
		require.NoError(t, err)
		require.Len(t, read.Records, 1)
		require.Equal(t, id, read.Records[0].ID)
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 5 {
		b.add(t, "companies", map[string]string{"name": fmt.Sprint("c", i)})
	}
	var names []string
	for page, err := range hubspot.Pages(func(after string) (hubspot.SearchResult, error) {
		return b.client.Search(t.Context(), hubspot.Companies, hubspot.SearchRequest{Properties: []string{"name"}, Limit: 2, After: after})
	}) {
		require.NoError(t, err)
		for _, r := range page.Records {
			names = append(names, r.Properties["name"])
		}
	}
	require.Equal(t, []string{"c0", "c1", "c2", "c3", "c4"}, names)

	asked := 0
	count := func(next string, err error) func(string) (hubspot.Page, error) {
		asked = 0
		return func(string) (hubspot.Page, error) { asked++; return hubspot.Page{After: next}, err }
	}
	for range hubspot.Pages(count("2", nil)) {
		break
	}
	require.Equal(t, 1, asked, "who stops asks no more")
	var errs []error
	for _, err := range hubspot.Pages(count("2", errors.New("no"))) {
		errs = append(errs, err)
	}
	require.Len(t, errs, 1, "an error ends it")
	errs = nil
	for _, err := range hubspot.Pages(count("2", nil)) {
		errs = append(errs, err)
	}
	require.Len(t, errs, 2, "a cursor that repeats ends it")
	require.NoError(t, errs[0])
	require.Error(t, errs[1])
}

func TestASearchEndsAtItsWall(t *testing.T) {
	t.Parallel()
	var sent []string
	client, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = append(sent, string(body))
		_, _ = io.WriteString(w, `{"total":12000,"results":[],"paging":{"next":{"after":"10000"}}}`)
	})
	_, err := client.Search(t.Context(), hubspot.Contacts, hubspot.SearchRequest{Limit: 150, After: "9900"})
	require.NoError(t, err)
	_, err = client.Search(t.Context(), hubspot.Contacts, hubspot.SearchRequest{Limit: 150, After: "10000"})
	require.ErrorIs(t, err, hubspot.ErrSearchTooWide)
	require.Equal(t, []string{`{"limit":100,"after":"9900"}`}, sent)
}

func TestBatchesOfAssociations(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	contact := b.add(t, "contacts", map[string]string{"email": "a@x.example"})
	deal := b.add(t, "deals", map[string]string{"dealname": "D", "dealstage": "contractsent"})

	labels, err := b.client.CreateAssociationLabel(ctx, hubspot.Deals, hubspot.Contacts, "champion", "Champion", "Champion of")
	require.NoError(t, err)
	require.Len(t, labels, 2)
	require.Equal(t, "Champion", labels[0].Label)
	require.Equal(t, hubspot.UserDefined, labels[0].Category)
	known, err := b.client.AssociationLabels(ctx, hubspot.Deals, hubspot.Contacts)
	require.NoError(t, err)
	require.Contains(t, known, labels[0])

	failed, err := b.client.BatchAssociate(ctx, hubspot.Deals, hubspot.Contacts, []hubspot.Pair{
		{FromID: deal, ToID: contact, Types: []hubspot.AssociationType{{Category: labels[0].Category, TypeID: labels[0].TypeID}}},
		{FromID: deal, ToID: "1", Types: []hubspot.AssociationType{{TypeID: 3}}},
	})
	require.NoError(t, err)
	require.Len(t, failed, 1)
	require.ErrorIs(t, failed[0].Err, hubspot.ErrNotFound)
	require.Equal(t, hubspot.AssociationBucket, b.seen.last().Bucket)
	page, err := b.client.ListAssociations(ctx, hubspot.Deals, deal, hubspot.Contacts, "")
	require.NoError(t, err)
	require.Equal(t, []hubspot.AssociatedRecord{{ID: contact, Types: []hubspot.AssociationLabel{{Category: hubspot.HubSpotDefined, TypeID: 3}, labels[0]}}}, page.Records)

	_, err = b.client.BatchDisassociate(ctx, hubspot.Deals, hubspot.Contacts, []hubspot.Pair{{FromID: deal, ToID: contact}})
	require.NoError(t, err)
	page, err = b.client.ListAssociations(ctx, hubspot.Deals, deal, hubspot.Contacts, "")
	require.NoError(t, err)
	require.Empty(t, page.Records)
	_, err = b.client.BatchAssociate(ctx, hubspot.Deals, hubspot.Contacts, nil)
	require.Error(t, err)
}

// TestPrimaryTypes: the trap's other half, by which a link is recognised.
func TestPrimaryTypes(t *testing.T) {
	t.Parallel()
	want := map[[2]string]int{
		{"contacts", "companies"}: 1, {"companies", "contacts"}: 2, {"deals", "companies"}: 5,
		{"companies", "deals"}: 6, {"companies", "tickets"}: 25, {"0-5", "0-2"}: 26,
	}
	for pair, id := range want {
		got, ok := hubspot.PrimaryAssociationTypeID(pair[0], pair[1])
		require.True(t, ok)
		require.Equal(t, id, got, pair)
		plain, _ := hubspot.AssociationTypeID(pair[0], pair[1])
		require.NotEqual(t, id, plain)
	}
	_, ok := hubspot.PrimaryAssociationTypeID("deals", "contacts")
	require.False(t, ok)
}

func TestOwnerOfUser(t *testing.T) {
	t.Parallel()
	b := setup(t)
	owner, err := b.client.OwnerOfUser(t.Context(), salesID)
	require.NoError(t, err)
	require.Equal(t, "502", owner.ID)
	_, err = b.client.OwnerOfUser(t.Context(), 4711)
	require.ErrorIs(t, err, hubspot.ErrNotFound)
}

func TestProperty(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p, err := b.client.Property(t.Context(), hubspot.Deals, "amount")
	require.NoError(t, err)
	require.Equal(t, "number", p.Type)
	_, err = b.client.Property(t.Context(), hubspot.Deals, "nope")
	require.ErrorIs(t, err, hubspot.ErrNotFound)
}

func TestWhoWrote(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sim.AddApp(hubspottest.App{ClientID: "user-level", ClientSecret: secret, RequiredScopes: scopes, UserLevel: true})
	access, _ := b.sim.Token("user-level", hub, salesID)
	id := b.add(t, "contacts", map[string]string{"email": "a@x.example", "firstname": "A"})
	_, err := b.client.As(access).Update(t.Context(), hubspot.Contacts, id, map[string]string{"firstname": "B"})
	require.NoError(t, err)
	got, err := b.client.Get(t.Context(), hubspot.Contacts, id, hubspot.GetOptions{PropertiesWithHistory: []string{"firstname"}})
	require.NoError(t, err)
	versions := got.History["firstname"]
	require.Len(t, versions, 2)
	require.Equal(t, "B", versions[0].Value, "newest first")
	require.EqualValues(t, salesID, versions[0].UpdatedByUserID)
	require.False(t, versions[0].Timestamp.IsZero())
}

func TestPropertyGroupsAndSchema(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	b.sim.AddApp(hubspottest.App{ClientID: "schemas", ClientSecret: secret, RequiredScopes: []string{"oauth", "crm.schemas.custom.read", "crm.schemas.deals.write"}})
	access, _ := b.sim.Token("schemas", hub, adminID)
	client := b.client.As(access)

	group := hubspot.PropertyGroup{Name: "debrief", Label: "Debrief"}
	require.ErrorIs(t, b.client.CreatePropertyGroup(ctx, hubspot.Deals, group), hubspot.ErrMissingScopes)
	require.NoError(t, client.CreatePropertyGroup(ctx, hubspot.Deals, group))
	require.ErrorIs(t, client.CreatePropertyGroup(ctx, hubspot.Deals, group), hubspot.ErrConflict)
	made, err := client.CreateProperty(ctx, hubspot.Deals, hubspot.Property{
		Name: "debrief_key", Label: "Key", GroupName: "debrief", Type: "string", FieldType: "text", HasUniqueValue: true,
	})
	require.NoError(t, err)
	require.Equal(t, "debrief", made.GroupName)

	typeID := b.sim.AddObjectType(hub, "cars", "plate!")
	s, err := client.Schema(ctx, typeID)
	require.NoError(t, err)
	require.Equal(t, typeID, s.ObjectTypeID)
	require.NotEmpty(t, s.Labels.Singular)
	names := map[string]bool{}
	for _, p := range s.Properties {
		names[p.Name] = p.HasUniqueValue
	}
	require.True(t, names["plate"])
	byName, err := client.Schema(ctx, s.FullyQualifiedName)
	require.NoError(t, err)
	require.Equal(t, s, byName)
	_, err = client.Schema(ctx, "2-4711")
	require.ErrorIs(t, err, hubspot.ErrNotFound)
}

func TestRulesAreMetInTheSimulator(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.NoError(t, b.sim.SetRules(hub, "deals",
		hubspottest.Rule{Require: []string{"amount"}},
		hubspottest.Rule{When: "dealstage", Is: []string{"closedlost"}, Require: []string{"closed_lost_reason"}}))
	_, err := b.client.Create(t.Context(), hubspot.Deals, hubspot.CreateInput{Properties: map[string]string{"dealname": "D", "dealstage": "closedlost"}})
	require.ErrorIs(t, err, hubspot.ErrValidation)
	var e *hubspot.Error
	require.ErrorAs(t, err, &e)
	codes := map[string]string{}
	for _, p := range e.Properties {
		codes[p.Name] = p.Code
	}
	require.Equal(t, map[string]string{"amount": hubspot.CodeMissingRequired, "closed_lost_reason": hubspot.CodeMissingConditional}, codes)
}

func TestRulesOfTheAccountsAdmin(t *testing.T) {
	t.Parallel()
	// HubSpot's announcement names the codes and shows no body: every place
	// where they may stand is read.
	tests := map[string]struct {
		body string
		want []hubspot.PropertyError
	}{
		"named in the context": {
			`{"category":"VALIDATION_ERROR","errors":[{"code":"MISSING_REQUIRED_PROPERTY","message":"m","context":{"propertyName":["amount"]}},
			  {"code":"MISSING_CONDITIONAL_REQUIRED_PROPERTY","message":"n","context":{"propertyNames":["a","b"]}}]}`,
			[]hubspot.PropertyError{
				{Name: "amount", Code: hubspot.CodeMissingRequired, Message: "m"},
				{Name: "a", Code: hubspot.CodeMissingConditional, Message: "n"},
				{Name: "b", Code: hubspot.CodeMissingConditional, Message: "n"},
			},
		},
		"named by in": {
			`{"errors":[{"code":"MISSING_REQUIRED_PROPERTY","in":"amount"}]}`,
			[]hubspot.PropertyError{{Name: "amount", Code: hubspot.CodeMissingRequired}},
		},
		"in the message's list": {
			`{"message":"Property values were not valid: [{\"name\":\"amount\",\"error\":\"MISSING_REQUIRED_PROPERTY\",\"message\":\"m\"}] and more"}`,
			[]hubspot.PropertyError{{Name: "amount", Code: hubspot.CodeMissingRequired, Message: "m"}},
		},
		"in a detail's list": {
			`{"errors":[{"message":"not valid: [{\"name\":\"amount\",\"error\":\"MISSING_REQUIRED_PROPERTY\"}]","code":"VALIDATION"}, 7]}`,
			[]hubspot.PropertyError{{Name: "amount", Code: hubspot.CodeMissingRequired}},
		},
		"not named": {
			`{"errors":[{"code":"MISSING_CONDITIONAL_REQUIRED_PROPERTY"}]}`,
			[]hubspot.PropertyError{{Code: hubspot.CodeMissingConditional}},
		},
		"as the category": {
			`{"category":"MISSING_CONDITIONAL_REQUIRED_PROPERTY","context":{"properties":["closed_lost_reason"]}}`,
			[]hubspot.PropertyError{{Name: "closed_lost_reason", Code: hubspot.CodeMissingConditional}},
		},
		"twice": {
			`{"errors":[{"code":"X","in":"a","message":"m"},{"code":"X","in":"a"}]}`,
			[]hubspot.PropertyError{{Name: "a", Code: "X", Message: "m"}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client, _ := against(t, answer(http.StatusBadRequest, tt.body))
			_, err := client.Create(t.Context(), hubspot.Deals, hubspot.CreateInput{})
			require.ErrorIs(t, err, hubspot.ErrValidation)
			var e *hubspot.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.want, e.Properties)
			require.Contains(t, err.Error(), tt.want[0].Code)
		})
	}
}

func TestScopesOfOlderCalls(t *testing.T) {
	t.Parallel()
	for _, body := range []string{
		`{"category":"MISSING_SCOPES","errors":[{"context":{"requiredScopes":["tickets"]}}]}`,
		`{"category":"MISSING_SCOPES","context":{"requiredGranularScopes":["tickets"]}}`,
	} {
		client, _ := against(t, answer(http.StatusForbidden, body))
		_, err := client.Pipelines(t.Context(), hubspot.Tickets)
		require.ErrorIs(t, err, hubspot.ErrMissingScopes)
		require.ErrorContains(t, err, "needs one of tickets")
	}
}

func TestRetryDelay(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status     int
		body       string
		retryAfter string
		want       time.Duration
	}{
		{429, `{"policyName":"TEN_SECONDLY_ROLLING"}`, "", 10 * time.Second},
		{429, `{"message":"You have reached your ten_secondly_rolling limit."}`, "", 10 * time.Second},
		{429, `{"policyName":"SECONDLY"}`, "", time.Second},
		{429, `{"message":"You have reached your secondly limit.","category":"RATE_LIMITS"}`, "", time.Second},
		{429, `{"policyName":"DAILY"}`, "", time.Hour},
		{429, `{"message":"You have reached your daily limit.","errorType":"RATE_LIMIT"}`, "", time.Hour},
		{429, ``, "", 10 * time.Second},
		{429, `{"policyName":"TEN_SECONDLY_ROLLING"}`, "3", 3 * time.Second},
		{429, `{"policyName":"TEN_SECONDLY_ROLLING"}`, "10000", time.Minute}, // milliseconds, most likely
		{429, `{"policyName":"DAILY"}`, "7200", 2 * time.Hour},
		{423, ``, "", 2 * time.Second},
		{423, ``, "1", 2 * time.Second},
		{477, ``, "", time.Minute},
		{477, ``, "3600", time.Hour},
		{477, ``, "864000", 24 * time.Hour},
		{502, ``, "", 3 * time.Second},
		{503, ``, "20", 20 * time.Second},
		{524, ``, "NaN", 3 * time.Second},
		{400, ``, "20", 0},
		{409, ``, "", 0},
	}
	for _, tt := range tests {
		client, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Retry-After", tt.retryAfter)
			answer(tt.status, tt.body)(w, r)
		})
		_, err := client.AccountDetails(t.Context())
		require.Error(t, err)
		require.Equal(t, tt.want, hubspot.RetryDelay(err), "%+v", tt)
	}
	require.Zero(t, hubspot.RetryDelay(nil))
}

func TestAnAnswerWithoutItsListIsNone(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `null`, `{"results":null}`, `{"total":0}`} {
		client, _ := against(t, answer(http.StatusOK, body))
		_, err := client.Search(t.Context(), hubspot.Companies, hubspot.SearchRequest{})
		require.ErrorIs(t, err, hubspot.ErrUnavailable, "nothing found is an empty list: %s", body)
		_, err = client.BatchCreate(t.Context(), hubspot.Companies, []hubspot.CreateInput{{}})
		require.True(t, hubspot.OutcomeUnknown(err), body)
	}
}

// TestHooks: what a limiter and a tracer stand on.
func TestHooks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	type account struct{}
	errLater := errors.New("later")
	var asked []hubspot.RequestInfo
	seen := &responses{}
	access, _ := b.sim.Token(clientID, hub, adminID)
	client := hubspot.New(hubspot.Options{
		BaseURL: b.sim.URL,
		OnRequest: func(ctx context.Context, info hubspot.RequestInfo) error {
			asked = append(asked, info)
			if ctx.Value(account{}) == nil {
				return errLater
			}
			return nil
		},
		OnResponse: seen.add,
	}).As(access)

	_, err := client.AccountDetails(t.Context())
	require.ErrorIs(t, err, errLater)
	require.False(t, hubspot.OutcomeUnknown(err))
	require.Empty(t, b.sim.Calls())
	require.Empty(t, seen.list)

	ctx := context.WithValue(t.Context(), account{}, "acme")
	b.sim.Inject(hubspottest.Fault{Path: "/account-info/*/details", Status: 429, Body: `{"policyName":"DAILY"}`})
	_, err = client.AccountDetails(ctx)
	require.ErrorIs(t, err, hubspot.ErrRateLimited)
	require.Equal(t, err, seen.last().Err)
	require.Equal(t, 429, seen.last().StatusCode)
	var e *hubspot.Error
	require.ErrorAs(t, seen.last().Err, &e)
	require.Equal(t, "DAILY", e.PolicyName)

	calls := []struct {
		do   func() error
		want hubspot.RequestInfo
	}{
		{
			func() error { _, err := client.Search(ctx, "0-1", hubspot.SearchRequest{}); return err },
			hubspot.RequestInfo{Method: "POST", Endpoint: "/crm/objects/2026-09/0-1/search", Bucket: hubspot.SearchBucket},
		},
		{
			func() error {
				_, err := client.BatchReadAssociations(ctx, "contacts", "deals", []string{"1"})
				return err
			},
			hubspot.RequestInfo{Method: "POST", Endpoint: "/crm/associations/2026-09/contacts/deals/batch/read", Bucket: hubspot.AssociationBucket},
		},
		{
			func() error { _, err := client.ListAssociations(ctx, "contacts", "1", "deals", ""); return err },
			hubspot.RequestInfo{Method: "GET", Endpoint: "/crm/objects/2026-09/contacts/{id}/associations/deals", Bucket: hubspot.BurstBucket},
		},
		{
			func() error {
				_, err := client.Create(ctx, "companies", hubspot.CreateInput{Properties: map[string]string{"name": "N"}})
				return err
			},
			hubspot.RequestInfo{Method: "POST", Endpoint: "/crm/objects/2026-09/companies", Bucket: hubspot.BurstBucket, Write: true},
		},
	}
	for _, c := range calls {
		_ = c.do()
		require.Equal(t, c.want, asked[len(asked)-1])
		require.Equal(t, c.want, seen.last().RequestInfo)
	}
}

func TestDailyLimitsAreReported(t *testing.T) {
	t.Parallel()
	client, seen := against(t, func(w http.ResponseWriter, r *http.Request) {
		for name, value := range map[string]string{"Max": "190", "Remaining": "7", "Interval-Milliseconds": "10000", "Daily": "650000", "Daily-Remaining": "12", "Secondly": "19"} {
			w.Header().Set("X-HubSpot-RateLimit-"+name, value)
		}
		answer(http.StatusOK, `{"portalId":1}`)(w, r)
	})
	_, err := client.AccountDetails(t.Context())
	require.NoError(t, err)
	require.Equal(t, hubspot.RateLimit{
		HasBurst: true, Max: 190, Remaining: 7, Interval: 10 * time.Second, HasDaily: true, DailyMax: 650000, DailyRemaining: 12,
	}, seen.last().RateLimit)
}

func TestOAuthIsObservedWithoutSecrets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	seen := &responses{}
	b.oauth.OnResponse = seen.add
	_, refresh := b.sim.Token(clientID, hub, adminID)
	_, err := b.oauth.Refresh(t.Context(), refresh)
	require.NoError(t, err)
	require.Equal(t, hubspot.RequestInfo{Method: "POST", Endpoint: "/oauth/2026-09/token", Bucket: hubspot.NoBucket}, seen.last().RequestInfo)
	require.Equal(t, http.StatusOK, seen.last().StatusCode)
	require.NoError(t, seen.last().Err)
	_, err = b.oauth.Refresh(t.Context(), "na1-unknown")
	require.Error(t, err)
	require.Equal(t, http.StatusBadRequest, seen.last().StatusCode)
	for _, info := range seen.list {
		text := fmt.Sprintf("%+v %v", info, info.Err)
		for _, private := range []string{refresh, "na1-unknown", secret} {
			require.NotContains(t, text, private)
		}
	}
	_, err = b.oauth.Introspect(t.Context(), "t", hubspot.AccessTokenKind)
	require.NoError(t, err)
	require.Equal(t, "/oauth/2026-09/token/introspect", seen.last().Endpoint)
}

func TestAnIntrospectionThatDoesNotSayIsNone(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{}`, `null`, `[]`, `{"active":"yes"}`} {
		srv := httptest.NewServer(answer(http.StatusOK, body))
		t.Cleanup(srv.Close)
		_, err := hubspot.OAuth{BaseURL: srv.URL}.Introspect(t.Context(), "t", hubspot.RefreshTokenKind)
		var e *hubspot.OAuthError
		require.ErrorAs(t, err, &e, "it must not pass for a dead token: %s", body)
		require.True(t, e.Transient())
	}
}

type transportFunc func(*http.Request) (*http.Response, error)

func (f transportFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestATransportThatTellsNothingLeavesTheOutcomeOpen guards against a second
// write: no trace of a connection is no proof that there was none.
func TestATransportThatTellsNothingLeavesTheOutcomeOpen(t *testing.T) {
	t.Parallel()
	client := hubspot.New(hubspot.Options{HTTPClient: &http.Client{Transport: transportFunc(func(*http.Request) (*http.Response, error) {
		return nil, errors.New("broken")
	})}})
	_, err := client.Create(t.Context(), hubspot.Companies, hubspot.CreateInput{})
	require.True(t, hubspot.OutcomeUnknown(err), err)

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = client.Create(ended, hubspot.Companies, hubspot.CreateInput{})
	require.ErrorIs(t, err, context.Canceled)
	require.False(t, hubspot.OutcomeUnknown(err), "what ended before it began was not sent")
}

// TestAnAnswerThatIsNoHTTPIsNotQuoted: net/http's errors quote what they could
// not read.
func TestAnAnswerThatIsNoHTTPIsNotQuoted(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"ines@x.example\r\n\r\n", "HTTP/1.1 2ines@x.example OK\r\n\r\n", "HTTP/1.1 200 OK\r\nines@x.example\r\n\r\n"} {
		client, seen := against(t, func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				_, _ = io.WriteString(conn, raw)
				_ = conn.Close()
			}
		})
		_, err := client.Create(t.Context(), hubspot.Companies, hubspot.CreateInput{})
		require.True(t, hubspot.OutcomeUnknown(err))
		require.NotContains(t, err.Error(), "ines")
		require.NotContains(t, seen.last().Err.Error(), "ines")
	}
}

func TestClientCredentials(t *testing.T) {
	t.Parallel()
	var form string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		form = r.PostForm.Encode() + "?" + r.URL.RawQuery + "#" + r.Header.Get("Authorization")
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"access_token":"app-token","expires_in":1800,"token_type":"bearer","scopes":["developer.webhooks_journal.read"]}`)
	}))
	t.Cleanup(srv.Close)
	o := hubspot.OAuth{ClientID: "c", ClientSecret: "s3cr3t", BaseURL: srv.URL}
	token, err := o.ClientCredentials(t.Context(), []string{"a.b", "c.d"})
	require.NoError(t, err)
	require.Equal(t, "client_id=c&client_secret=s3cr3t&grant_type=client_credentials&scope=a.b+c.d?#", form)
	require.Equal(t, "app-token", token.AccessToken)
	require.Empty(t, token.RefreshToken)
	require.Equal(t, []string{"developer.webhooks_journal.read"}, token.Scopes)
}

func TestJournal(t *testing.T) {
	t.Parallel()
	for _, emptyIs404 := range []bool{false, true} {
		b := setup(t)
		ctx := t.Context()
		b.sim.AddApp(hubspottest.App{ClientID: "installed", ClientSecret: secret, RequiredScopes: scopes, JournalEmptyIs404: emptyIs404})
		b.oauth.ClientID = "installed"
		token, err := b.oauth.ClientCredentials(ctx, hubspot.JournalScopes())
		require.NoError(t, err)
		require.Empty(t, token.RefreshToken)
		require.Equal(t, hubspot.JournalScopes(), token.Scopes)
		client := b.client.As(token.AccessToken)

		for _, eventType := range []string{hubspot.AppInstalled, hubspot.AppUninstalled} {
			require.NoError(t, client.SubscribeLifecycle(ctx, eventType))
			require.ErrorIs(t, client.SubscribeLifecycle(ctx, eventType), hubspot.ErrConflict)
		}
		_, found, err := client.NextJournalEntry(ctx, "")
		require.NoError(t, err, "an empty journal is no error")
		require.False(t, found)
		require.Equal(t, hubspot.JournalBucket, b.seen.last().Bucket)

		b.sim.Token("installed", hub, adminID)
		first, found, err := client.NextJournalEntry(ctx, "")
		require.NoError(t, err)
		require.True(t, found)
		require.True(t, first.ExpiresAt.After(b.sim.Now()))
		require.NotContains(t, fmt.Sprintf("%v %+v %#v", first, &first, first), first.URL)
		file, err := client.JournalFile(ctx, first) // answers 400 to a token
		require.NoError(t, err)
		require.Len(t, file.Events, 1)
		require.Equal(t, hubspot.ActionInstall, file.Events[0].Action)
		require.Empty(t, file.Events[0].Changes)
		require.False(t, file.PublishedAt.IsZero())
		require.NotContains(t, fmt.Sprintf("%+v", b.seen.last()), first.URL)

		_, found, err = client.NextJournalEntry(ctx, first.Offset)
		require.NoError(t, err)
		require.False(t, found)
		b.sim.Uninstall(hub, "installed")
		second, found, err := client.NextJournalEntry(ctx, first.Offset)
		require.NoError(t, err)
		require.True(t, found)
		file, err = client.JournalFile(ctx, second)
		require.NoError(t, err)
		require.Len(t, file.Events, 1)
		require.Equal(t, hubspot.LifecycleEvent, file.Events[0].Type)
		require.Equal(t, hubspot.ActionUninstall, file.Events[0].Action)
		require.EqualValues(t, hub, file.Events[0].HubID)
		require.False(t, file.Events[0].OccurredAt.IsZero())

		b.sim.Advance(second.ExpiresAt.Sub(b.sim.Now()) + time.Second)
		_, err = client.JournalFile(ctx, second)
		require.ErrorIs(t, err, hubspot.ErrUnavailable)
		require.NotErrorIs(t, err, hubspot.ErrMissingScopes, "an expired address is no missing scope")
	}
}

func TestTheJournalsSubscription(t *testing.T) {
	t.Parallel()
	var sent string
	client, _ := against(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = r.Method + " " + r.URL.Path + " " + string(body)
		w.WriteHeader(http.StatusCreated)
	})
	require.NoError(t, client.SubscribeLifecycle(t.Context(), hubspot.AppUninstalled))
	require.Equal(t, `POST /webhooks-journal/subscriptions/2026-09 {"eventTypeId":"4-1916193","properties":[],"subscriptionType":"APP_LIFECYCLE_EVENT"}`, sent)
}

func TestJournalFilesAreFetchedFromSafeAddresses(t *testing.T) {
	t.Parallel()
	var asked []string
	transport := transportFunc(func(r *http.Request) (*http.Response, error) {
		asked = append(asked, r.URL.String())
		require.Empty(t, r.Header.Get("Authorization"))
		body := `{"journalEvents":[]}`
		if r.URL.Path == "/long" {
			body = strings.Repeat(" ", 200) + body
		}
		return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
	})
	client := func(base string) *hubspot.Client {
		return hubspot.New(hubspot.Options{BaseURL: base, HTTPClient: &http.Client{Transport: transport}, MaxResponseBytes: 100}).As("t0ken")
	}
	allowed := map[string][]string{
		"":                      {"https://files.example/a"},
		"http://127.0.0.1:1":    {"https://files.example/a", "http://127.0.0.1:2/a", "http://localhost:2/a", "http://[::1]:2/a"},
		"http://hubspot.docker": {"https://files.example/a"},
	}
	all := []string{
		"https://files.example/a", "http://127.0.0.1:2/a", "http://localhost:2/a", "http://[::1]:2/a",
		"http://files.example/a", "http://127.0.0.1.example/a", "file:///etc/passwd", "ftp://files.example/a", "//files.example/a", "", "https://", "%",
	}
	for base, want := range allowed {
		asked = nil
		for _, address := range all {
			_, err := client(base).JournalFile(t.Context(), hubspot.JournalEntry{URL: address})
			if err != nil {
				require.NotContains(t, err.Error(), "files.example")
			}
		}
		require.Equal(t, want, asked, "for the API at %q", base)
	}
	_, err := client("").JournalFile(t.Context(), hubspot.JournalEntry{URL: "https://files.example/long"})
	require.ErrorIs(t, err, hubspot.ErrResponseTooLarge)
}

func TestAJournalFileWithoutEventsIsNotPassedOver(t *testing.T) {
	t.Parallel()
	client, _ := against(t, answer(http.StatusOK, `{}`))
	base := strings.TrimSuffix(strings.TrimPrefix(client.String(), "hubspot.Client("), ")")
	_, err := client.JournalFile(t.Context(), hubspot.JournalEntry{URL: base})
	require.Error(t, err)
}
