package crm

import (
	"context"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
)

// Schemas lists the account's custom object types. It is the gate's own call: no
// tool, since it shows what the account can hold and not what is in it.
func (r *Reader) Schemas(ctx context.Context) ([]hubspot.Schema, error) {
	const what = "reading the account's custom objects"
	var schemas []hubspot.Schema
	err := r.read(ctx, what, nil, nil, func(ctx context.Context, c *hubspot.Client) (_ string, err error) {
		schemas, err = c.Schemas(ctx)
		return "", err
	})
	return schemas, err
}

// ExchangeRates are what one unit of each of the account's other currencies is worth
// in its company currency, by the currency's code. It is the gate's own call: no
// tool, cached for [Options].CacheAge.
func (r *Reader) ExchangeRates(ctx context.Context, companyCurrency string) (map[string]float64, error) {
	const what = "reading the account's exchange rates"
	all, err := cachedRead(ctx, r, what, what, nil, func(ctx context.Context, c *hubspot.Client) ([]hubspot.ExchangeRate, string, error) {
		rates, err := c.ExchangeRates(ctx)
		return rates, "", err
	})
	rates := map[string]float64{}
	for _, rate := range all {
		if strings.EqualFold(rate.To, companyCurrency) && rate.Rate > 0 {
			rates[strings.ToUpper(rate.From)] = rate.Rate
		}
	}
	return rates, err
}
