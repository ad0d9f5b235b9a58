package hubspot_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/debriefhq/debrief/hubspot"
)

func TestDatesNeverShift(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"Pacific/Kiritimati", "Pacific/Pago_Pago", "UTC", "America/New_York"} {
		loc, err := time.LoadLocation(zone)
		require.NoError(t, err)
		for _, hour := range []int{0, 12, 23} {
			day := hubspot.DateOf(time.Date(2026, 3, 1, hour, 59, 59, 0, loc))
			require.Equal(t, "2026-03-01", day.String(), zone)
			parsed, err := hubspot.ParseDate(day.String())
			require.NoError(t, err)
			require.Equal(t, day, hubspot.DateOf(parsed.In(loc)), zone)
		}
	}
}

func TestParseDate(t *testing.T) {
	t.Parallel()
	want := hubspot.Date{Year: 2026, Month: time.November, Day: 22}
	// 1795305600000 ms: 2026-11-22T00:00:00Z is day 20779 of the epoch.
	for _, value := range []string{"2026-11-22", "2026-11-22T00:00:00Z", "2026-11-22T00:00:00.000Z", "1795305600000"} {
		got, err := hubspot.ParseDate(value)
		require.NoError(t, err, value)
		require.Equal(t, want, got, value)
	}
	for _, value := range []string{"", "22.11.2026", "2026-13-01", "2026-02-30", "99999999999999999999", "9999999999999999"} {
		_, err := hubspot.ParseDate(value)
		require.Error(t, err, value)
	}
}

func TestDateTimes(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	require.Equal(t, "2026-11-22T09:30:00.120Z", hubspot.FormatDateTime(time.Date(2026, 11, 22, 10, 30, 0, 120_999_999, berlin)))
	rapid.Check(t, func(t *rapid.T) {
		ms := rapid.Int64Range(-62135596800000, 253402300799999).Draw(t, "ms")
		at := time.UnixMilli(ms).UTC()
		back, err := hubspot.ParseDateTime(hubspot.FormatDateTime(at))
		require.NoError(t, err)
		require.Equal(t, at, back)
	})
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	require.Equal(t, "25000000000000000000", hubspot.FormatNumber(2.5e19))
	require.Equal(t, "0.1", hubspot.FormatNumber(0.1))
	for _, value := range []string{"", "NaN", "Inf", "1e400", "12,5", "abc"} {
		_, err := hubspot.ParseNumber(value)
		require.Error(t, err, value)
	}
	tests := []struct {
		a, b string
		same bool
	}{
		{"2500", "2500.00", true},
		{"2.5e3", "2500", true},
		{"-0", "0", true},
		{"90071992547409.93", "90071992547409.930", true},
		{"9007199254740993", "9007199254740992", false}, // equal as float64
		{"1e309", "1e309", false},
		{"0e999999999", "0", false},
		{"0x10", "16", false},
		{"", "", false},
	}
	for _, tt := range tests {
		require.Equal(t, tt.same, hubspot.SameNumber(tt.a, tt.b), "%q and %q", tt.a, tt.b)
	}
}

func TestBoolsAndLists(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]bool{"true": true, "TRUE": true, "false": false, "": false} {
		got, err := hubspot.ParseBool(value)
		require.NoError(t, err)
		require.Equal(t, want, got, value)
	}
	_, err := hubspot.ParseBool("yes")
	require.Error(t, err)
	require.Equal(t, []string{"a", "b c"}, hubspot.SplitMulti(";a; b c ;;"))
	require.Empty(t, hubspot.SplitMulti(""))
	require.Equal(t, "a;b", hubspot.JoinMulti([]string{"a", "b"}))
	require.Equal(t, ";c", hubspot.AppendMulti([]string{"c"}))
}

func TestValue(t *testing.T) {
	t.Parallel()
	r := hubspot.Record{Properties: map[string]string{"closedate": "2026-11-22", "amount": "12,5", "empty": ""}}
	closes, ok, err := hubspot.Value(r, "closedate", hubspot.ParseDate)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, "2026-11-22", closes.String())
	for _, name := range []string{"empty", "never_read"} {
		_, ok, err = hubspot.Value(r, name, hubspot.ParseDate)
		require.NoError(t, err)
		require.False(t, ok)
	}
	_, ok, err = hubspot.Value(r, "amount", hubspot.ParseNumber)
	require.ErrorContains(t, err, "property amount")
	require.NotContains(t, err.Error(), "12,5")
	require.False(t, ok)
}

func TestADateWithAnOffsetKeepsItsDay(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"2026-11-22T00:00:00+02:00", "2026-11-22T23:59:59-11:00", "2026-11-22T00:00:00Z"} {
		day, err := hubspot.ParseDate(value)
		require.NoError(t, err)
		require.Equal(t, "2026-11-22", day.String(), value)
	}
}

func TestMoney(t *testing.T) {
	t.Parallel()
	for amount, want := range map[string]string{
		"2500": "2500 EUR", "2500.00": "2500 EUR", "2.5e3": "2500 EUR", "0.10": "0.1 EUR", "\t7": "7 EUR", "-0": "0 EUR", "-12.345": "-12.345 EUR",
		"90071992547409.93": "90071992547409.93 EUR", "1e-3": "0.001 EUR",
	} {
		m, err := hubspot.ParseMoney(amount, " eur")
		require.NoError(t, err, amount)
		require.Equal(t, want, m.String(), amount)
	}
	for _, bad := range [][2]string{{"", "EUR"}, {"12,50", "EUR"}, {"1/3", "EUR"}, {"1e70", "EUR"}, {"1e-70", "EUR"}, {"NaN", "EUR"}, {"1", ""}, {"1", "EURO"}, {"1", "€"}} {
		_, err := hubspot.ParseMoney(bad[0], bad[1])
		require.Error(t, err, bad)
	}
	a, err := hubspot.ParseMoney("2500.0", "EUR")
	require.NoError(t, err)
	require.True(t, a.Same(hubspot.Money{Amount: "2.5e3", Currency: "EUR"}))
	require.False(t, a.Same(hubspot.Money{Amount: "2500", Currency: "USD"}))
	require.False(t, a.Same(hubspot.Money{Amount: "2500.01", Currency: "EUR"}))
	require.False(t, hubspot.Money{}.Same(hubspot.Money{}), "no amount is no amount of nothing")
}

func TestChoose(t *testing.T) {
	t.Parallel()
	options := []hubspot.PropertyOption{
		{Label: "High", Value: "P1"},
		{Label: "Low", Value: "P2"},
		{Label: "Gone", Value: "P3", Hidden: true},
		{Label: "Twin", Value: "t1"},
		{Label: "twin", Value: "t2"},
		{Label: "P1", Value: "odd"}, // a label that is another's value
	}
	one := hubspot.Property{Name: "priority", FieldType: "select", Options: options}
	for text, want := range map[string]string{"P1": "P1", "p2": "P2", "high": "P1", "\tHIGH": "P1", "odd": "odd"} {
		got, err := one.Choose(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "Gone", "P3", "twin", "urgent"} {
		_, err := one.Choose(text)
		require.Error(t, err, text)
	}
	_, err := one.Choose("High", "Low")
	require.Error(t, err, "a select takes one")
	several := hubspot.Property{Name: "priority", FieldType: "checkbox", Options: options}
	got, err := several.Choose("High", "p2")
	require.NoError(t, err)
	require.Equal(t, "P1;P2", got)
	got, err = several.Choose()
	require.NoError(t, err)
	require.Empty(t, got, "no choice clears it")
}
