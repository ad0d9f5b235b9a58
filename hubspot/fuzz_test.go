package hubspot

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"
)

// answersFuzz is every shape that an answer is decoded into.
func answersFuzz() []any {
	return []any{
		&Record{},
		&struct {
			Results []Record `json:"results"`
			Paging  paging   `json:"paging"`
			Total   int      `json:"total"`
		}{},
		&batchJSON{}, &[]associatedJSON{}, &ownerJSON{}, &Pipeline{}, &Property{}, &Account{},
	}
}

// FuzzResponse: no answer, whatever its shape, may panic, and a record that is
// taken has an ID and no value that is null.
func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		``, `null`, `{}`, `[]`, `"x"`, `{"id":null}`, `{"id":{}}`,
		`{"id":"1","properties":{"a":null,"b":"x","c":3,"d":true,"e":{"f":1}},"createdAt":"2026-01-01T00:00:00Z","archived":false}`,
		`{"id":1,"properties":null,"associations":{"companies":{"results":[{"id":1,"type":"t"}],"paging":{"next":{"after":"2"}}}}}`,
		`{"results":[{"id":"1"}],"errors":[{"category":"OBJECT_NOT_FOUND","context":{"ids":["2"]}}],"numErrors":1}`,
		`{"results":[{"id":"1","propertiesWithHistory":{"a":[{"value":null,"timestamp":12,"updatedByUserId":"x"}]}}],"paging":null}`,
		`[{"toObjectId":1,"associationTypes":[{"category":"HUBSPOT_DEFINED","typeId":279,"label":null}]}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, into := range answersFuzz() {
			err := json.Unmarshal(raw, into)
			if r, ok := into.(*Record); ok && err == nil && string(raw) != "null" && r.ID == "" && strings.TrimSpace(string(raw)) != "null" {
				t.Fatalf("a record without an ID was taken")
			}
			if b, ok := into.(*batchJSON); ok && err == nil {
				result := b.result("/e", true)
				for _, e := range result.Errors {
					_ = e.Err.Error()
				}
				_ = missing(BatchReadInput{IDs: []string{"1", "2"}, IDProperty: "email"}, *b)
			}
			if a, ok := into.(*[]associatedJSON); ok && err == nil {
				_ = associated(*a)
			}
			if o, ok := into.(*ownerJSON); ok && err == nil {
				_ = o.owner()
			}
			if p, ok := into.(*Pipeline); ok && err == nil {
				for _, s := range p.Stages {
					_ = s.Closed()
				}
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
	for _, seed := range []string{"", "2026-11-22", "1e999999999", "0x1p-2", "1_000", "-1", "true", ";a;b", "9223372036854775807"} {
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
	})
}
