package hubspot_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

func TestExchangeRates(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.sim.AddPortal(hubspottest.Portal{
		HubID: hub, Currency: "EUR", Currencies: []string{"USD", "GBP"}, ExchangeRates: map[string]float64{"USD": 0.9},
	})
	b.sim.AddApp(hubspottest.App{ClientID: "currencies", ClientSecret: secret, RequiredScopes: []string{"oauth", hubspot.ScopeCurrencies}})
	access, _ := b.sim.Token("currencies", hub, adminID)
	rates, err := b.client.As(access).ExchangeRates(t.Context())
	require.NoError(t, err)
	require.Equal(t, []hubspot.ExchangeRate{{From: "USD", To: "EUR", Rate: 0.9}}, rates, "of the pound nobody entered one")

	b.sim.AddApp(hubspottest.App{ClientID: "without", ClientSecret: secret, RequiredScopes: []string{"oauth"}})
	access, _ = b.sim.Token("without", hub, adminID)
	_, err = b.client.As(access).ExchangeRates(t.Context())
	require.ErrorIs(t, err, hubspot.ErrMissingScopes)
}
