package hubspot

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
)

// HubSpot's property values are strings. This file says what they mean.

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

// ParseDate reads a "date" value: 2026-11-22, or midnight UTC of that day as a
// date-time or in milliseconds. The day is never shifted to another zone.
func ParseDate(value string) (Date, error) {
	if len(value) == len("2006-01-02") {
		if t, err := time.Parse("2006-01-02", value); err == nil {
			return DateOf(t), nil
		}
	}
	t, err := ParseDateTime(value)
	if err != nil {
		return Date{}, fmt.Errorf("hubspot: a date value of %d characters is not a date", len(value))
	}
	return DateOf(t.UTC()), nil
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

func exact(value string) (*big.Rat, bool) {
	// ParseNumber first: it refuses the exponents that would make a Rat of
	// gigabytes.
	if _, err := ParseNumber(value); err != nil || len(value) > 64 || strings.ContainsAny(value, "xXpP_") {
		return nil, false
	}
	if at := strings.IndexAny(value, "eE"); at >= 0 {
		if e, err := strconv.Atoi(value[at+1:]); err != nil || e < -400 || e > 400 {
			return nil, false
		}
	}
	return new(big.Rat).SetString(value)
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
