package planner

import (
	"regexp"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/meeting"
)

// An amount as people say it: a currency before or behind a number.
const (
	saidNumber   = `\d[\d.,'’ ]*(?:\s?(?:k|m|mio\.?|mn|thousand|million|tausend|millionen?)\b)?`
	saidCurrency = `[€$£¥]|\b(?:[A-Z]{3}|euros?|pounds?|dollars?|francs?|franken)\b`
)

var (
	currencyThenNumber = regexp.MustCompile(`(?i)(` + saidCurrency + `)\s?` + saidNumber)
	numberThenCurrency = regexp.MustCompile(`(?i)` + saidNumber + `\s?(` + saidCurrency + `)`)
)

// dollars are the codes of the currencies that people call dollars.
var dollars = []string{"AUD", "CAD", "HKD", "NZD", "SGD", "TWD", "USD"}

// saidIn is the one currency that money is spoken of in, of those that the account
// has; nothing if there is none, or more than one. foreign is one that the account
// does not have.
func saidIn(evidence []meeting.Evidence, account []string) (code, foreign string) {
	var said []string
	for _, e := range evidence {
		for _, pattern := range []*regexp.Regexp{currencyThenNumber, numberThenCurrency} {
			for _, match := range pattern.FindAllStringSubmatch(e.Quote, -1) {
				if c := currencyCode(match[1], account); c != "" && !slices.Contains(said, c) {
					said = append(said, c)
				}
			}
		}
	}
	switch {
	case len(said) != 1 || said[0] == severalDollars:
		return "", ""
	case slices.ContainsFunc(account, func(a string) bool { return strings.EqualFold(a, said[0]) }):
		return said[0], ""
	default:
		return "", said[0]
	}
}

// severalDollars stands for a dollar of which nobody can tell whose it is.
const severalDollars = "$"

// currencyCode is the ISO 4217 code of a currency as it was written; nothing if it is
// none. A code that the account does not have counts if it is a common one: three
// capitals may be anything.
func currencyCode(written string, account []string) string {
	own := func(codes ...string) []string {
		return slices.DeleteFunc(codes, func(c string) bool { return !slices.Contains(account, c) })
	}
	switch strings.TrimSuffix(strings.ToLower(written), "s") {
	case "€", "euro":
		return "EUR"
	case "£", "pound":
		return "GBP"
	case "franc", "franken":
		return "CHF"
	case "$", "dollar":
		if of := own(slices.Clone(dollars)...); len(of) == 1 {
			return of[0]
		}
		return severalDollars
	case "¥":
		if of := own("CNY", "JPY"); len(of) == 1 {
			return of[0]
		}
		return ""
	}
	code := strings.ToUpper(written)
	common := append([]string{"CHF", "CNY", "CZK", "DKK", "EUR", "GBP", "JPY", "NOK", "PLN", "SEK"}, dollars...)
	if written == code && (slices.Contains(account, code) || slices.Contains(common, code)) {
		return code
	}
	return ""
}

// inCurrency adds the currency of a deal's proposed amount, as far as it was said
// with it: an amount in a currency that nobody named is asked about.
func (p *plan) inCurrency(a proposal, wanted map[string]string) (doubt string) {
	const property = "deal_currency_code"
	amount := wanted["amount"]
	if a.tool.Object != "deal" || amount == "" || amount == toFill || wanted[property] != "" || slices.Contains(p.res.Undefined["deal"], property) {
		return ""
	}
	code, foreign := saidIn(a.Evidence, p.in.Currencies)
	if foreign != "" && len(p.in.Currencies) > 0 {
		return "the amount was said in " + foreign + ", which the account does not have"
	}
	if code != "" {
		wanted[property] = code
	}
	return ""
}

// lowest is the lower of two confidences; one that nobody gave does not count.
func lowest(a, b *float64) *float64 {
	if a == nil || b != nil && *b < *a {
		return b
	}
	return a
}
