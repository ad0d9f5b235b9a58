package web

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// Google's one issuer serves everybody: the Workspace names the organization.
func TestWhoVouchesForAnAddress(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]map[string]bool{
		`{"email": "ada@acme.example"}`:                                               {"https://login.example": true, googleIssuer: false},
		`{"email": "ada@acme.example", "email_verified": true, "hd": "acme.example"}`: {"https://login.example": true, googleIssuer: true},
		`{"email": "Ada@Acme.example", "hd": "acme.example"}`:                         {googleIssuer: true},
		`{"email": "ada@acme.example", "hd": "other.example"}`:                        {"https://login.example": true, googleIssuer: false},
		`{"email": "ada@acme.example", "email_verified": false}`:                      {"https://login.example": false},
		`{"email": "ada@acme.example", "email_verified": "false"}`:                    {"https://login.example": false},
		`{"email": "ada@acme.example", "email_verified": 0}`:                          {"https://login.example": false},
		`{"email": "ada@acme.example", "email_verified": null}`:                       {"https://login.example": true},
		`{"email": "ada@acme.example", "email_verified": "true"}`:                     {"https://login.example": true},
	} {
		for issuer, vouched := range want {
			var c claims
			require.NoError(t, json.Unmarshal([]byte(raw), &c))
			require.Equal(t, vouched, c.vouched(issuer) == nil, "%s of %s", raw, issuer)
		}
	}
}
