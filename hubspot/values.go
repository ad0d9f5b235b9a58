package hubspot

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HubSpot's property values are strings. This file says what they mean.

// Value reads a property of a record with one of the Parse functions, or any
// like them:
//
//	closes, ok, err := hubspot.Value(deal, "closedate", hubspot.ParseDate)
//
// ok is false if the property has no value or was not read. The error names the
// property and not its value.
func Value[T any](r Record, property string, parse func(string) (T, error)) (value T, ok bool, err error) {
	text := r.Properties[property]
	if text == "" {
		return value, false, nil
	}
	if value, err = parse(text); err != nil {
		return value, false, fmt.Errorf("property %s: %w", property, err)
	}
	return value, true, nil
}

// Date is a day without a time or a zone, as HubSpot's "date" properties are.
// It exists because a time.Time at midnight becomes the day before as soon as
// somebody west of it looks.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf is the day that t has in its own location.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, m, d}
}

// String is the property value: 2026-11-22.
func (d Date) String() string { return fmt.Sprintf("%04d-%02d-%02d", d.Year, int(d.Month), d.Day) }

// In is the start of the day in a location.
func (d Date) In(loc *time.Location) time.Time {
	return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, loc)
}

// ParseDate reads a "date" value: 2026-11-22, or midnight of that day as a
// date-time or in milliseconds. The day is the one written, never one that it
// is in another zone.
func ParseDate(value string) (Date, error) {
	for _, layout := range []string{"2006-01-02", time.RFC3339Nano} {
		if t, err := time.Parse(layout, value); err == nil {
			return DateOf(t), nil
		}
	}
	t, err := ParseDateTime(value)
	if err != nil {
		return Date{}, fmt.Errorf("hubspot: a date value of %d characters is not a date", len(value))
	}
	return DateOf(t), nil
}

const dateTimeFormat = "2006-01-02T15:04:05.000Z"

// FormatDateTime writes a "datetime" value: UTC with milliseconds and a Z.
func FormatDateTime(t time.Time) string { return t.UTC().Format(dateTimeFormat) }

// ParseDateTime reads a "datetime" value: ISO 8601, or milliseconds since
// 1970. The result is in UTC.
func ParseDateTime(value string) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, value); err == nil {
		return t.UTC(), nil
	}
	if t, err := time.Parse("2006-01-02", value); err == nil {
		return t, nil
	}
	// Beyond this, years have five digits and nothing can format them.
	const most = int64(253402300799999)
	if ms, err := strconv.ParseInt(value, 10, 64); err == nil && ms >= -most && ms <= most {
		return time.UnixMilli(ms).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("hubspot: a date-time value of %d characters is not a date-time", len(value))
}

// FormatNumber writes a "number" value, without exponent.
func FormatNumber(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// ParseNumber reads a "number" value. NaN and infinities are errors.
func ParseNumber(value string) (float64, error) {
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("hubspot: a number value of %d characters is not a number", len(value))
	}
	return n, nil
}

// SameNumber says that two "number" values are the same number, to the last
// digit: "2500", "2500.00" and "2.5e3" are. It is how an amount of money is
// compared: a float64 would find two large ones equal that differ by a cent.
func SameNumber(a, b string) bool {
	x, ok1 := exact(a)
	y, ok2 := exact(b)
	return ok1 && ok2 && x.Cmp(y) == 0
}

// longestNumber is the longest text that is compared to the last digit.
const longestNumber = 64

func exact(value string) (*big.Rat, bool) {
	// ParseNumber first: it refuses the exponents that would make a Rat of
	// gigabytes.
	if _, err := ParseNumber(value); err != nil || len(value) > longestNumber || strings.ContainsAny(value, "xXpP_") {
		return nil, false
	}
	if at := strings.IndexAny(value, "eE"); at >= 0 {
		if e, err := strconv.Atoi(value[at+1:]); err != nil || e < -400 || e > 400 {
			return nil, false
		}
	}
	return new(big.Rat).SetString(value)
}

// Money is an exact amount of a currency.
type Money struct {
	// Amount is a decimal without exponent or superfluous zeros, such as
	// "2500" or "-0.5".
	Amount string
	// Currency is its ISO 4217 code, such as "EUR".
	Currency string
}

// ParseMoney reads a "number" value that is an amount of money. HubSpot keeps
// the currency beside it: of a deal's amount in deal_currency_code, or, where
// that has no value, it is the account's [Account.CompanyCurrency].
func ParseMoney(amount, currency string) (Money, error) {
	exactly, ok := exact(strings.TrimSpace(amount))
	if !ok {
		return Money{}, fmt.Errorf("hubspot: an amount of %d characters is not a number", len(amount))
	}
	currency = strings.ToUpper(strings.TrimSpace(currency))
	if len(currency) != 3 || strings.Trim(currency, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return Money{}, fmt.Errorf("hubspot: a currency of %d characters is not a code of three letters", len(currency))
	}
	// A decimal's denominator is made of twos and fives: as many digits as
	// the larger power write it whole.
	digits, _ := exactly.FloatPrec()
	plain := exactly.FloatString(digits)
	if len(plain) > longestNumber {
		// "1e70" in full is longer than what is read as a number again.
		return Money{}, fmt.Errorf("hubspot: an amount of %d digits is no amount of money", len(plain))
	}
	return Money{Amount: plain, Currency: currency}, nil
}

// String is the amount and its currency: 2500 EUR.
func (m Money) String() string { return m.Amount + " " + m.Currency }

// Same says that two amounts are the same, to the last digit. What no
// [ParseMoney] made is the same as nothing.
func (m Money) Same(o Money) bool {
	return m.Currency != "" && m.Currency == o.Currency && SameNumber(m.Amount, o.Amount)
}

// FormatBool writes a "bool" value.
func FormatBool(b bool) string { return strconv.FormatBool(b) }

// ParseBool reads a "bool" value; no value is false, as HubSpot shows it.
func ParseBool(value string) (bool, error) {
	switch strings.ToLower(value) {
	case "true":
		return true, nil
	case "false", "":
		return false, nil
	}
	return false, fmt.Errorf("hubspot: a bool value of %d characters is neither true nor false", len(value))
}

// JoinMulti writes the value of a property with several options: a;b.
func JoinMulti(options []string) string { return strings.Join(options, ";") }

// AppendMulti writes a value that adds options and keeps what is there: HubSpot
// takes a leading semicolon as that.
func AppendMulti(options []string) string { return ";" + strings.Join(options, ";") }

// SplitMulti reads the value of a property with several options.
func SplitMulti(value string) []string {
	var out []string
	for part := range strings.SplitSeq(value, ";") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

// Choose finds the options of an enumeration that texts mean, by their value or
// else by their label, without regard to case, and returns the property's value
// for them: several are joined, which only a "checkbox" takes. A hidden option
// can't be chosen.
func (p Property) Choose(texts ...string) (string, error) {
	if len(texts) > 1 && p.FieldType != "checkbox" {
		return "", fmt.Errorf("hubspot: %s takes one option, not %d", plainToken(p.Name), len(texts))
	}
	chosen := make([]string, 0, len(texts))
	for _, text := range texts {
		value, ok := p.option(strings.TrimSpace(text))
		if !ok {
			return "", fmt.Errorf("hubspot: %s has no such option, or several", plainToken(p.Name))
		}
		chosen = append(chosen, value)
	}
	return JoinMulti(chosen), nil
}

func (p Property) option(text string) (string, bool) {
	for _, by := range []func(PropertyOption) bool{
		func(o PropertyOption) bool { return o.Value == text },
		func(o PropertyOption) bool { return strings.EqualFold(o.Value, text) },
		func(o PropertyOption) bool { return strings.EqualFold(strings.TrimSpace(o.Label), text) },
	} {
		var found []string
		for _, o := range p.Options {
			if !o.Hidden && by(o) && !slices.Contains(found, o.Value) {
				found = append(found, o.Value)
			}
		}
		if len(found) > 0 {
			return found[0], len(found) == 1
		}
	}
	return "", false
}
