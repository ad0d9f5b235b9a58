package planner

import (
	"math"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
)

// dollars are the codes of the currencies that people call dollars.
var dollars = []string{"AUD", "CAD", "HKD", "NZD", "SGD", "TWD", "USD"}

// severalDollars stands for a dollar of which nobody can tell whose it is.
const severalDollars = "$"

// ofWhom are the words that say whose a currency is, before it or behind it.
var ofWhom = map[string]string{
	"us": "USD", "u": "USD", "american": "USD", "amerikanische": "USD", "américains": "USD", "americanos": "USD", "estadounidenses": "USD",
	"canadian": "CAD", "kanadische": "CAD", "canadiens": "CAD", "canadienses": "CAD", "canadenses": "CAD", "australian": "AUD", "singapore": "SGD",
	"hong": "HKD", "zealand": "NZD", "swiss": "CHF", "schweizer": "CHF", "suisses": "CHF", "suizos": "CHF", "suíços": "CHF",
}

// saidIn is the one currency that money is spoken of in, of those that the account
// has; nothing if there is none, or more than one. foreign is one that the account
// does not have. Of several amounts those count that are the one proposed.
func saidIn(evidence []meeting.Evidence, amount string, account []string) (code, foreign string) {
	target, err := hubspot.ParseNumber(amount)
	var beside, all []string
	for _, e := range evidence {
		words := moneyWords(e.Quote)
		for i := 0; i < len(words); {
			value, used := numberAt(words[i:])
			if used == 0 {
				if c := currencyAt(words, i, account); c != "" {
					all = append(all, c)
				}
				i++
				continue
			}
			if err == nil && math.Abs(value-target) < 0.005 {
				for _, at := range []int{i - 1, i + used, i + used + 1} {
					if c := currencyAt(words, at, account); c != "" {
						beside = append(beside, c)
						break
					}
				}
			}
			i += used
		}
	}
	said := unique(all)
	if len(beside) > 0 {
		said = unique(beside)
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

// moneyWords are a text's words; codes of currencies stay in capitals, since "try" and
// "all" are some, too.
func moneyWords(text string) []string {
	capitals := map[string]bool{}
	for _, field := range strings.FieldsFunc(text, func(r rune) bool { return r < 'A' || r > 'Z' }) {
		capitals[field] = len(field) == 3
	}
	words := wordsIn(text)
	for i, w := range words {
		if capitals[strings.ToUpper(w)] {
			words[i] = strings.ToUpper(w)
		}
	}
	return words
}

// currencyAt is the currency that the word at i says, unless it is said not to be.
func currencyAt(words []string, i int, account []string) string {
	word, before := wordAt(words, i), strings.ToLower(wordAt(words, i-1))
	if word == "" || slices.Contains([]string{"not", "nicht", "keine", "kein", "pas", "non", "não", "no"}, before) {
		return ""
	}
	if word == "$" && before == "r" {
		return currencyCode("r$", account)
	}
	if c := ofWhom[word]; c != "" && word != "u" && word != "hong" && word != "us" {
		return c
	}
	if c := currencyCode(word, account); c != severalDollars && (c != "CHF" || word != "francs") {
		return c
	}
	for _, beside := range []string{before, wordAt(words, i+1), strings.ToLower(wordAt(words, i-2))} {
		if c := ofWhom[beside]; c != "" {
			return c
		}
	}
	return currencyCode(word, account)
}

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
	case "£", "pound", "pfund", "livre", "libra":
		return "GBP"
	case "franc", "franken", "franco":
		return "CHF"
	case "r$", "real", "reai":
		if slices.Contains(account, "BRL") {
			return "BRL" // else it is a word like others
		}
		return ""
	case "$", "dollar", "dólare", "dólar", "buck":
		if of := own(slices.Clone(dollars)...); len(of) == 1 {
			return of[0]
		}
		return severalDollars
	case "¥", "yen":
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

// otherCurrency says why a proposed currency is not the one that an amount was said
// in; nothing if it is.
func (p *plan) otherCurrency(evidence []meeting.Evidence, amount, proposed string) string {
	switch code, foreign := saidIn(evidence, amount, p.in.Currencies); {
	case strings.EqualFold(proposed, code):
		return ""
	case code != "" || foreign != "":
		return "is another one than the one that was said"
	default:
		return notSaid
	}
}

// inCurrency adds the currency of a deal's proposed amount, as far as it was said
// with it: an amount in a currency that nobody named, or in another than was named,
// is asked about.
func (p *plan) inCurrency(a proposal, wanted map[string]string) (doubt string) {
	const property = "deal_currency_code"
	amount := wanted["amount"]
	if a.tool.Object != "deal" || amount == "" || amount == toFill || slices.Contains(p.res.Undefined["deal"], property) {
		return ""
	}
	if proposed := wanted[property]; proposed != "" {
		return ""
	}
	code, foreign := saidIn(a.Evidence, amount, p.in.Currencies)
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
