package hubspottest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// TestFaultsLookLikeHubSpotsOwn: what a status says when a fault names no body.
func TestFaultsLookLikeHubSpotsOwn(t *testing.T) {
	t.Parallel()
	s := setup(t)
	tests := []struct {
		status                 int
		category, policy, wait string
	}{
		{423, "LOCKED", "", ""},
		{477, "MIGRATION_IN_PROGRESS", "", "60"},
		{429, "RATE_LIMITS", "TEN_SECONDLY_ROLLING", ""},
		{401, "INVALID_AUTHENTICATION", "", ""},
		{500, "INTERNAL_ERROR", "", ""},
	}
	for _, tt := range tests {
		s.Inject(hubspottest.Fault{Status: tt.status})
		a := s.api("GET", objects+"contacts", "")
		require.Equal(t, tt.status, a.status)
		require.Equal(t, tt.category, a.body["category"])
		require.Equal(t, tt.wait, a.header.Get("Retry-After"))
		if tt.policy != "" {
			require.Equal(t, tt.policy, a.body["policyName"])
		}
		require.NotEmpty(t, a.body["correlationId"])
	}
	for _, status := range []int{502, 503, 504, 521, 522, 523, 524} {
		s.Inject(hubspottest.Fault{Status: status})
		a := s.api("GET", objects+"contacts", "")
		require.Equal(t, status, a.status)
		require.Nil(t, a.body, "the edge answers no JSON")
		require.Contains(t, a.header.Get("Content-Type"), "text/html")
	}
	s.Inject(hubspottest.Fault{Status: 418, Body: `{"a":1}`, Header: map[string]string{"X-A": "b"}})
	a := s.api("GET", objects+"contacts", "")
	require.Equal(t, `{"a":1}`, a.text)
	require.Equal(t, "b", a.header.Get("X-A"))
	require.Equal(t, 200, s.api("GET", objects+"contacts", "").status)
}
