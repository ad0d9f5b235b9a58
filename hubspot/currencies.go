package hubspot

import (
	"context"
	"net/http"
)

// ScopeCurrencies is what [Client.ExchangeRates] needs.
const ScopeCurrencies = "settings.currencies.read"

// ExchangeRate is what one unit of a currency is worth in another one, as the
// account's admins entered it or HubSpot keeps it for them
// (developers.hubspot.com, "Settings API | Currencies", November 2026).
type ExchangeRate struct {
	From string  `json:"fromCurrencyCode"`
	To   string  `json:"toCurrencyCode"`
	Rate float64 `json:"conversionRate"`
}

// ExchangeRates lists the rates that hold now, from each of the account's
// currencies to its company currency. It needs [ScopeCurrencies].
func (c *Client) ExchangeRates(ctx context.Context) ([]ExchangeRate, error) {
	var out list[ExchangeRate]
	err := c.do(ctx, call{method: http.MethodGet, endpoint: "/settings/currencies/" + APIVersion + "/exchange-rates/current"}, &out)
	return out.Results, err
}
