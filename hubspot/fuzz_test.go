package hubspot

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// canned answers every request in the same way.
type canned struct {
	status int
	limit  string
	body   []byte
}

func (c canned) RoundTrip(req *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: c.status, Request: req, Body: io.NopCloser(bytes.NewReader(c.body)),
		Header: http.Header{"X-Hubspot-Ratelimit-Max": {c.limit}, "X-Hubspot-Ratelimit-Remaining": {c.limit}, "X-Hubspot-Ratelimit-Interval-Milliseconds": {c.limit}, "Retry-After": {c.limit}},
	}, nil
}

// eachCall is every call whose answer is decoded: it returns what was taken of
// it, in a form that can be looked at.
func eachCall(ctx context.Context, c *Client, o OAuth) []func() (any, error) {
	return []func() (any, error){
		func() (any, error) { return c.Get(ctx, Contacts, "1", GetOptions{}) },
		func() (any, error) { return c.Create(ctx, Contacts, CreateInput{}) },
		func() (any, error) { return c.List(ctx, Contacts, ListOptions{}) },
		func() (any, error) { return c.Search(ctx, Contacts, SearchRequest{}) },
		func() (any, error) {
			return c.BatchRead(ctx, Contacts, BatchReadInput{IDs: []string{"1", "2"}, IDProperty: "email"})
		},
		func() (any, error) { return c.BatchUpsert(ctx, Contacts, []UpdateInput{{ID: "1", IDProperty: "k"}}) },
		func() (any, error) { return c.ListAssociations(ctx, Contacts, "1", Companies, "") },
		func() (any, error) { return c.BatchReadAssociations(ctx, Contacts, Companies, []string{"1"}) },
		func() (any, error) {
			return c.BatchAssociate(ctx, Contacts, Companies, []Pair{{FromID: "1", ToID: "2"}})
		},
		func() (any, error) { return c.AssociationLabels(ctx, Contacts, Companies) },
		func() (any, error) { return c.Owners(ctx, OwnersQuery{}) },
		func() (any, error) { return c.Owner(ctx, "1") },
		func() (any, error) { return c.Pipelines(ctx, Deals) },
		func() (any, error) { return c.Properties(ctx, Deals) },
		func() (any, error) { return c.Schemas(ctx) },
		func() (any, error) { return c.Schema(ctx, "cars") },
		func() (any, error) { return c.AccountDetails(ctx) },
		func() (any, error) { entry, _, err := c.NextJournalEntry(ctx, ""); return entry, err },
		func() (any, error) { return c.JournalFile(ctx, JournalEntry{URL: "https://files.example/1"}) },
		func() (any, error) { return o.Refresh(ctx, "r") },
		func() (any, error) { return o.Introspect(ctx, "t", AccessTokenKind) },
	}
}

// FuzzResponse: no answer to any call, whatever its status, headers and shape,
// may panic, ask for an absurd wait or put a line break into an error's text;
// and a record that is taken has an ID.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{}`, `[]`, `"x"`, `{"id":null}`, `{"id":{}}`, `{"results":[null]}`, `{"results":{}}`,
		`{"id":"1","properties":{"a":null,"b":"x","c":3,"d":true,"e":{"f":1}},"createdAt":"2026-01-01T00:00:00Z","archived":false}`,
		`{"id":1,"properties":null,"associations":{"companies":{"results":[{"id":1,"type":"t"}],"paging":{"next":{"after":"2"}}}}}`,
		`{"results":[{"id":"1"}],"errors":[{"category":"OBJECT_NOT_FOUND","context":{"ids":["2"]}}],"numErrors":1}`,
		`{"results":[{"id":"1","propertiesWithHistory":{"a":[{"value":null,"timestamp":12,"updatedByUserId":"x"}]}}],"paging":null}`,
		`{"results":[{"toObjectId":1,"associationTypes":[{"category":"HUBSPOT_DEFINED","typeId":279,"label":null}]}]}`,
		`{"results":[{"from":{"id":1},"to":[{"toObjectId":2}],"paging":{"next":{"after":3}}}]}`,
		`{"results":[{"id":"default","stages":[{"id":"1","metadata":{"isClosed":true,"probability":0.5,"x":null}}]}]}`,
		`{"results":[{"objectTypeId":"2-1","labels":{"singular":"Car"},"properties":[{"name":"n","options":[{"displayOrder":-1}]}]}]}`,
		`{"url":"https://files.example/1","currentOffset":"o","expiresAt":1}`,
		`{"publishedAt":"2026-11-22T00:00:00Z","journalEvents":[{"type":"object","action":"UPDATE","portalId":1,"objectTypeId":"0-3","objectId":7,"propertyChanges":{"amount":5,"x":{"value":null},"y":[1]}}]}`,
		`{"journalEvents":[{"action":"MERGE","portalId":1,"objectTypeId":"0-1","objectId":"7","mergedObjectIds":[8,null,{}],"propertyChanges":{"hs_merged_object_ids":";8; "}},{"action":"ASSOCIATION_REMOVED","fromObjectTypeId":"0-1","fromObjectId":1,"toObjectTypeId":null}]}`,
		`{"journalEvents":[{"type":"app_lifecycle_event","action":"APP_UNINSTALL","portalId":"1","occurredAt":"2026-11-22T00:00:00Z"},null]}`,
		`{"active":true,"hub_id":"1","scopes":["a",1]}`, `{"access_token":"a","expires_in":"1e99","hub_id":1e300,"scopes":"a b"}`,
	} {
		for which := range eachCall(context.Background(), nil, OAuth{}) {
			f.Add(byte(which), 200, "10000", []byte(seed))
		}
	}
	f.Add(byte(1), 429, "1e99", []byte(`{"policyName":"DAILY"}`))
	f.Fuzz(func(t *testing.T, which byte, status int, limit string, body []byte) {
		h := &http.Client{Transport: canned{status, limit, body}}
		var told ResponseInfo
		c := New(Options{HTTPClient: h, MaxResponseBytes: 1 << 16, OnResponse: func(_ context.Context, info ResponseInfo) { told = info }})
		calls := eachCall(t.Context(), c, OAuth{HTTPClient: h})
		got, err := calls[int(which)%len(calls)]()
		if wait := RetryDelay(err); wait < 0 || wait > 24*time.Hour {
			t.Fatalf("a wait of %s", wait)
		}
		if err != nil && strings.ContainsAny(err.Error(), "\r\n@<") {
			t.Fatalf("the text is not clean: %q", err.Error())
		}
		if told.RateLimit.Remaining < 0 || told.RateLimit.Interval < 0 || told.Err != nil && err == nil && told.StatusCode != http.StatusNotFound {
			t.Fatalf("told of what was not: %+v", told)
		}
		if err != nil {
			return
		}
		var records []Record
		switch got := got.(type) {
		case Record:
			records = []Record{got}
		case Page:
			records = got.Records
		case SearchResult:
			records = got.Records
		case BatchReadResult:
			records = got.Records
		case BatchResult:
			records = got.Records
			for _, e := range got.Errors {
				_ = e.Err.Error()
			}
		case []Pipeline:
			for _, p := range got {
				for _, s := range p.Stages {
					_ = s.Closed()
				}
			}
		case []Property:
			for _, p := range got {
				_, _ = p.Choose("x")
			}
		case Account:
			_ = got.Location()
		}
		for _, r := range records {
			if r.ID == "" {
				t.Fatal("a record without an ID was taken")
			}
		}
	})
}

// FuzzWebhook: no body may panic, an event's key never depends on which attempt
// it is, and reading a body again gives the same keys.
func FuzzWebhook(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `[]`, `{}`, `[null]`, `[1]`, `[{}]`,
		`[{"eventId":1,"subscriptionId":12345,"portalId":62515,"occurredAt":1564113600000,"subscriptionType":"contact.creation","attemptNumber":0,"objectId":123,"changeSource":"CRM","changeFlag":"NEW","appId":54321}]`,
		`[{"eventType":"object.propertyChange","objectTypeId":"0-1","propertyName":"a/b\\","propertyValue":null,"occurredAt":"2026-11-22T10:00:00Z","isSensitive":"true"}]`,
		`[{"subscriptionType":"contact.merge","primaryObjectId":1,"mergedObjectIds":[2,"3"],"newObjectId":4},{"subscriptionType":"deal.merge","mergedObjectIds":"5"}]`,
		`[{"subscriptionType":"contact.associationChange","associationType":"CONTACT_TO_COMPANY","fromObjectId":1,"toObjectId":2,"associationRemoved":true,"isPrimaryAssociation":false}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		events, err := ParseWebhook(body)
		if err != nil {
			if !errors.Is(err, ErrWebhookBody) || len(events) > 0 {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		again, _ := ParseWebhook(body)
		for i, e := range events {
			later := again[i]
			later.AttemptNumber++
			if e.Key() != later.Key() {
				t.Fatalf("another key for another attempt: %q and %q", e.Key(), later.Key())
			}
		}
	})
}

// FuzzError: no error body may panic, make a wait that is absurd, or put a
// sentence or a line break into the error's text.
func FuzzError(f *testing.F) {
	for _, seed := range []string{
		``, `<html>`, `null`, `[]`, `{"category":1,"errors":"x","context":[]}`,
		`{"message":"Contact already exists. Existing ID: 37765128953","category":"CONFLICT"}`,
		`{"message":"Cannot set PropertyValueCoordinates{propertyName=email, value=a@b.example} on 1. 2 already has that value.","category":"VALIDATION_ERROR"}`,
		`{"message":"Property values were not valid: [{\"name\":\"x\",\"error\":\"PROPERTY_DOESNT_EXIST\"}]","errors":[{"code":"PROPERTY_DOESNT_EXIST","context":{"propertyName":["x"]}}]}`,
		`{"errors":[{"context":{"requiredGranularScopes":["a.b"]}}],"category":"MISSING_SCOPES"}`,
		`{"errors":[{"code":"MISSING_REQUIRED_PROPERTY","context":{"propertyName":["x"]}},7]}`, `{"category":"MISSING_CONDITIONAL_REQUIRED_PROPERTY"}`,
		`{"error":"invalid_grant","status":"BAD_REFRESH_TOKEN","error_description":"d e"}`,
	} {
		f.Add(400, "", []byte(seed))
	}
	f.Add(429, "1e99", []byte(`{"policyName":"DAILY"}`))
	f.Add(477, "-5", []byte(`{}`))
	f.Add(503, "Wed, 21 Oct 2099 07:28:00 GMT", []byte(``))
	f.Fuzz(func(t *testing.T, status int, retryAfter string, raw []byte) {
		header := http.Header{"Retry-After": {retryAfter}}
		e := decodeError(status, header, raw)
		o := decodeOAuthError(status, header, raw, "refreshing")
		for _, err := range []error{e, o} {
			if wait := RetryDelay(err); wait < 0 || wait > 24*time.Hour {
				t.Fatalf("a wait of %s", wait)
			}
			if strings.ContainsAny(err.Error(), "\r\n@<") {
				t.Fatalf("the text is not clean: %q", err.Error())
			}
			for _, kind := range []error{ErrUnauthorized, ErrMissingScopes, ErrNotFound, ErrConflict, ErrValidation, ErrRateLimited, ErrUnavailable} {
				_ = errors.Is(err, kind)
			}
		}
		if strings.Trim(e.ExistingID, "0123456789") != "" {
			t.Fatalf("an ID that is none: %q", e.ExistingID)
		}
		kinds := 0
		for _, is := range []bool{o.Refused(), o.Misconfigured(), o.Transient()} {
			if is {
				kinds++
			}
		}
		if kinds != 1 {
			t.Fatalf("an OAuth error is %d kinds at once", kinds)
		}
	})
}

// FuzzSignature: no header may panic, and none that was not made with the
// secret is believed.
func FuzzSignature(f *testing.F) {
	f.Add("rQEKkaNUiu+1qGF//O/pw4BCzstSqO1PyUnGICmf+7o=", "1700000000000", "https://www.example.com/webhook_uri", []byte(`{}`))
	f.Add("", "", "", []byte(nil))
	f.Add("====", "-1", "%3", []byte("x"))
	f.Fuzz(func(t *testing.T, signature, timestamp, uri string, body []byte) {
		const secret = "a secret that the fuzzer cannot sign with"
		if VerifyV1(secret, body, signature) == nil || VerifyV2(secret, "POST", uri, body, signature) == nil ||
			VerifyV3(secret, "POST", uri, body, signature, timestamp, time.UnixMilli(1700000000000)) == nil {
			t.Fatal("a signature made without the secret was believed")
		}
	})
}

// FuzzValues: no value may panic.
func FuzzValues(f *testing.F) {
	for _, seed := range []string{"", "2026-11-22", "1e999999999", "1E70", "2.50e-3", " 0", "0x1p-2", "1_000", "-1", "true", ";a;b", "9223372036854775807"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		if d, err := ParseDate(value); err == nil {
			again, err := ParseDate(d.String())
			if err == nil && again != d {
				t.Fatalf("%q shifts from %s to %s", value, d, again)
			}
		}
		_, _ = ParseBool(value)
		_, _ = ParseNumber(value)
		_ = SameNumber(value, value)
		_ = SplitMulti(value)
		if m, err := ParseMoney(value, "EUR"); err == nil {
			if again, err := ParseMoney(m.Amount, m.Currency); err != nil || again != m || !m.Same(again) || !SameNumber(m.Amount, strings.TrimSpace(value)) {
				t.Fatalf("%q is read as %s, and that as %s: %v", value, m, again, err)
			}
		}
	})
}
