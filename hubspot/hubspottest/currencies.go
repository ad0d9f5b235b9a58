package hubspottest

import "net/http"

func (s *Server) addCurrencyRoutes() {
	s.handle("GET /settings/currencies/"+APIVersion+"/exchange-rates/current", route{
		bucket: burstBucket, scopes: anyOf("settings.currencies.read", "crm.objects.quotes.read", "crm.objects.quotes.write"), fn: currentRates,
	})
}

// currentRates are those to the company currency, of currencies that have one.
func currentRates(q *request) reply {
	p := q.portal
	results := []any{}
	for _, code := range p.Currencies {
		rate, ok := p.ExchangeRates[code]
		if !ok {
			continue
		}
		results = append(results, map[string]any{
			"id": code, "fromCurrencyCode": code, "toCurrencyCode": p.Currency, "conversionRate": rate, "visibleInUI": true,
			"createdAt": formatTime(builtinSince), "updatedAt": formatTime(builtinSince), "effectiveAt": formatTime(builtinSince),
		})
	}
	return reply{status: http.StatusOK, body: map[string]any{"results": results}}
}
