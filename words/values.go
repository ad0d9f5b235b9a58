package words

import (
	"fmt"
	"strings"
	"time"
)

var germanMonths = [...]string{
	"Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober", "November", "Dezember",
}

// Date writes the day that t has in its own location: "20 November 2026",
// "20. November 2026".
func (p Printer) Date(t time.Time) string {
	if p.Language() == "de" {
		return fmt.Sprintf("%d. %s %d", t.Day(), germanMonths[t.Month()-1], t.Year())
	}
	return t.Format("2 January 2006")
}

// Day writes the day with its weekday: "Friday, 20 November 2026", "Freitag,
// 20. November 2026".
func (p Printer) Day(t time.Time) string { return p.T(t.Weekday().String()) + ", " + p.Date(t) }

// Span writes the times of day from start to end, in start's location: "15:00–15:45
// CET", "15:00–15:45 Uhr MEZ". A zero end is left out; one on another day is written whole.
func (p Printer) Span(start, end time.Time) string {
	times := start.Format("15:04")
	if end = end.In(start.Location()); !end.IsZero() && end.After(start) {
		if end.YearDay() != start.YearDay() || end.Year() != start.Year() {
			return times + "–" + p.DateTime(end)
		}
		times += "–" + end.Format("15:04")
	}
	if p.Language() == "de" {
		times += " Uhr"
	}
	return times + " " + p.zone(start)
}

// DateTime writes day and time in t's own location, with the zone's abbreviation:
// "20 November 2026, 15:00 CET", "20. November 2026, 15:00 Uhr MEZ" for German
// readers in Central Europe.
func (p Printer) DateTime(t time.Time) string {
	if p.Language() != "de" {
		return p.Date(t) + ", " + t.Format("15:04") + " " + p.zone(t)
	}
	return p.Date(t) + ", " + t.Format("15:04") + " Uhr " + p.zone(t)
}

// zone is the abbreviation of t's zone.
func (p Printer) zone(t time.Time) string {
	zone := t.Format("MST")
	if own, ok := map[string]string{"CET": "MEZ", "CEST": "MESZ"}[zone]; ok && p.Language() == "de" {
		return own
	}
	return zone
}

// Number writes a decimal as the language does, to the last digit: "42,000.5",
// "42.000,5". What is no plain decimal stays as it is.
func (p Printer) Number(decimal string) string {
	digits, sign := decimal, ""
	if rest, ok := strings.CutPrefix(decimal, "-"); ok {
		digits, sign = rest, "-"
	}
	whole, fraction, hasFraction := strings.Cut(digits, ".")
	if whole == "" || strings.Trim(whole+fraction, "0123456789") != "" || hasFraction && fraction == "" {
		return decimal
	}
	group, point := ",", "."
	if p.Language() == "de" {
		group, point = ".", ","
	}
	var b strings.Builder
	b.WriteString(sign)
	for i, digit := range whole {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteString(group)
		}
		b.WriteRune(digit)
	}
	if hasFraction {
		b.WriteString(point + fraction)
	}
	return b.String()
}
