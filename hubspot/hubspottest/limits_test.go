package hubspottest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// frozen is a simulator whose clock stands unless it is moved: at 22:30 UTC,
// which is 23:30 in Berlin.
func frozen(t *testing.T, set hubspottest.Settings) *sim {
	t.Helper()
	s := setup(t)
	now := time.Date(2026, 11, 22, 22, 30, 0, 0, time.UTC)
	stopped := hubspottest.NewServer(hubspottest.Options{Now: func() time.Time { return now }})
	t.Cleanup(stopped.Close)
	stopped.AddApp(hubspottest.App{ClientID: client, ClientSecret: secret, RequiredScopes: scopes})
	stopped.AddPortal(hubspottest.Portal{HubID: hub, TimeZone: "Europe/Berlin", Settings: set})
	s.Server = stopped
	s.token, _ = stopped.Token(client, hub, admin)
	return s
}

func (s *sim) private() {
	s.AddApp(hubspottest.App{ClientID: client, ClientSecret: secret, RequiredScopes: scopes, PrivateDistribution: true})
}

func TestBurstLimits(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		private bool
		set     hubspottest.Settings
		most    int
	}{
		"marketplace":                  {false, hubspottest.Settings{}, 110},
		"marketplace, whatever plan":   {false, hubspottest.Settings{Starter: true}, 110},
		"private":                      {true, hubspottest.Settings{}, 190},
		"private on a smaller plan":    {true, hubspottest.Settings{Starter: true}, 100},
		"with the add-on, as the test": {true, hubspottest.Settings{BurstLimit: 250}, 250},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := frozen(t, tt.set)
			if tt.private {
				s.private()
			}
			for i := range tt.most {
				a := s.api("GET", "/account-info/2026-09/details", "")
				require.Equal(t, 200, a.status, i)
				require.Equal(t, fmt.Sprint(tt.most), a.header.Get("X-HubSpot-RateLimit-Max"))
				require.Equal(t, fmt.Sprint(tt.most-i-1), a.header.Get("X-HubSpot-RateLimit-Remaining"))
				require.Equal(t, tt.private, a.header.Get("X-HubSpot-RateLimit-Daily") != "")
			}
			over := s.api("GET", "/account-info/2026-09/details", "")
			require.Equal(t, 429, over.status)
			require.Equal(t, "TEN_SECONDLY_ROLLING", over.body["policyName"])
			require.Equal(t, "You have reached your ten_secondly_rolling limit.", over.body["message"])
			require.Equal(t, "0", over.header.Get("X-HubSpot-RateLimit-Remaining"))
			require.Empty(t, over.header.Get("Retry-After"), "HubSpot documents none")
			s.Advance(10*time.Second - time.Millisecond)
			require.Equal(t, 429, s.api("GET", "/account-info/2026-09/details", "").status)
			s.Advance(time.Millisecond)
			require.Equal(t, 200, s.api("GET", "/account-info/2026-09/details", "").status)
		})
	}
}

func TestTheBurstIsOfOneAppInOneAccount(t *testing.T) {
	t.Parallel()
	s := frozen(t, hubspottest.Settings{BurstLimit: 1})
	s.AddPortal(hubspottest.Portal{HubID: 88, Settings: hubspottest.Settings{BurstLimit: 1}})
	s.AddApp(hubspottest.App{ClientID: "two", RequiredScopes: scopes})
	require.Equal(t, 200, s.api("GET", objects+"contacts", "").status)
	require.Equal(t, 429, s.api("GET", objects+"contacts", "").status)
	for _, where := range []struct {
		app string
		hub int64
	}{{client, 88}, {"two", hub}} {
		s.token, _ = s.Token(where.app, where.hub, admin)
		require.Equal(t, 200, s.api("GET", objects+"contacts", "").status)
	}
}

func TestTheDayIsSharedByPrivateAppsAndEndsAtTheAccountsMidnight(t *testing.T) {
	t.Parallel()
	s := frozen(t, hubspottest.Settings{DailyLimit: 10})
	s.private()
	marketplace := s.AddApp(hubspottest.App{ClientID: "market", RequiredScopes: scopes})
	s.UseDaily(hub, 8)
	a := s.api("GET", objects+"contacts", "")
	require.Equal(t, "10", a.header.Get("X-HubSpot-RateLimit-Daily"))
	require.Equal(t, "1", a.header.Get("X-HubSpot-RateLimit-Daily-Remaining"))
	search := s.api("POST", objects+"contacts/search", `{}`)
	require.Equal(t, 200, search.status, "a search counts too")
	require.Empty(t, search.header.Get("X-HubSpot-RateLimit-Daily"))
	over := s.api("GET", objects+"contacts", "")
	require.Equal(t, 429, over.status)
	require.Equal(t, "DAILY", over.body["policyName"])
	require.Equal(t, "You have reached your daily limit.", over.body["message"])
	require.Equal(t, "RATE_LIMIT", over.body["errorType"])

	private := s.token
	s.token, _ = s.Token(marketplace.ClientID, hub, admin)
	require.Equal(t, 200, s.api("GET", objects+"contacts", "").status, "apps of the marketplace have no day")
	s.token = private
	s.Advance(29 * time.Minute)
	require.Equal(t, 429, s.api("GET", objects+"contacts", "").status)
	s.Advance(time.Minute)
	require.Equal(t, 401, s.api("GET", objects+"contacts", "").status)
	s.token, _ = s.Token(client, hub, admin)
	require.Equal(t, "9", s.api("GET", objects+"contacts", "").header.Get("X-HubSpot-RateLimit-Daily-Remaining"), "midnight in Berlin")
}

func TestThePlansDay(t *testing.T) {
	t.Parallel()
	for starter, want := range map[bool]string{false: "625000", true: "250000"} {
		s := frozen(t, hubspottest.Settings{Starter: starter})
		s.private()
		require.Equal(t, want, s.api("GET", objects+"contacts", "").header.Get("X-HubSpot-RateLimit-Daily"))
	}
}

func TestSearchesHaveABucketOfTheAccount(t *testing.T) {
	t.Parallel()
	for _, plain := range []bool{false, true} {
		s := frozen(t, hubspottest.Settings{BurstLimit: 1, PlainSearchLimit: plain})
		for range 5 {
			require.Equal(t, 200, s.api("POST", objects+"contacts/search", `{}`).status)
		}
		s.AddApp(hubspottest.App{ClientID: "two", RequiredScopes: scopes})
		s.token, _ = s.Token("two", hub, admin)
		over := s.api("POST", objects+"contacts/search", `{}`)
		require.Equal(t, 429, over.status, "of the account, not of the app")
		require.Equal(t, "You have reached your secondly limit.", over.body["message"])
		require.Equal(t, "RATE_LIMITS", over.body["category"])
		require.Equal(t, !plain, over.body["policyName"] != nil)
		require.Empty(t, over.header.Get("X-HubSpot-RateLimit-Max"))
		s.Advance(time.Second)
		require.Equal(t, 200, s.api("POST", objects+"contacts/search", `{}`).status)
		require.Equal(t, 200, s.api("GET", objects+"contacts", "").status, "searches took nothing from the burst")
	}
}

func TestAssociationBatchesHaveABucketOfTheirOwn(t *testing.T) {
	t.Parallel()
	for starter, most := range map[bool]int{false: 150, true: 100} {
		s := frozen(t, hubspottest.Settings{BurstLimit: 1, Starter: starter})
		call := func() answer {
			return s.api("POST", "/crm/associations/2026-09/contacts/companies/batch/read", `{"inputs":[{"id":"1"}]}`)
		}
		for range most {
			a := call()
			require.Equal(t, 207, a.status)
			require.Empty(t, a.header.Get("X-HubSpot-RateLimit-Max"))
		}
		require.Equal(t, 429, call().status)
		require.Equal(t, 200, s.api("GET", objects+"contacts", "").status)
		require.Equal(t, 429, s.api("GET", "/crm/associations/2026-09/contacts/companies/labels", "").status, "the rest counts as any call")
		s.Advance(10 * time.Second)
		require.Equal(t, 207, call().status)
	}
}
