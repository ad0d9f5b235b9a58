package planner_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/planner"
)

func TestDatesIn(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	// A Wednesday, late in the evening; in UTC it is the day before still for hours.
	at := time.Date(2026, 11, 18, 0, 30, 0, 0, berlin)
	for said, want := range map[string]string{
		"by Friday":                         "2026-11-20",
		"I'll send it on Wednesday":         "2026-11-25",
		"next Friday":                       "2026-11-20|2026-11-27",
		"am nächsten Montag":                "2026-11-23",
		"nächsten Mittwoch":                 "2026-11-25",
		"next Friday, not this one":         "2026-11-20|2026-11-27",
		"am Freitag in zwei Wochen":         "2026-12-04",
		"two weeks from Friday":             "2026-12-04",
		"Friday week":                       "2026-11-27",
		"on the twenty-sixth":               "2026-11-26",
		"the thirtieth of October":          "2026-10-30",
		"by the second of December":         "2026-12-02",
		"Monday the eleventh":               "2027-01-11",
		"Friday, November 27th":             "2026-11-27",
		"der dreißigste April":              "2027-04-30",
		"zum einunddreißigsten März":        "2027-03-31",
		"am dreißigsten":                    "2026-11-30",
		"pour le trente novembre":           "2026-11-30",
		"el quince de diciembre":            "2026-12-15",
		"no dia trinta":                     "2026-11-30",
		"trinta e um de março":              "2027-03-31",
		"Guten Morgen":                      "",
		"this afternoon":                    "2026-11-18",
		"heute Abend":                       "2026-11-18",
		"the first quarter":                 "2027-01-01..2027-03-31",
		"give me a second":                  "",
		"bis Freitag":                       "2026-11-20",
		"vendredi":                          "2026-11-20",
		"el viernes":                        "2026-11-20",
		"até sexta-feira":                   "2026-11-20",
		"a segunda proposta":                "",
		"tomorrow":                          "2026-11-19",
		"übermorgen":                        "2026-11-20",
		"in two weeks":                      "2026-12-02",
		"in 10 Tagen":                       "2026-11-28",
		"dans trois semaines":               "2026-12-09",
		"Wednesday next week":               "2026-11-25",
		"on Friday of next week":            "2026-11-27",
		"nächste Woche Mittwoch":            "2026-11-25",
		"Montag nächster Woche":             "2026-11-23",
		"mercredi de la semaine prochaine":  "2026-11-25",
		"el viernes de la semana que viene": "2026-11-27",
		"na quarta-feira da semana que vem": "2026-11-25",
		"by the end of next week":           "2026-11-27",
		"bis Ende nächster Woche":           "2026-11-27",
		"next week":                         "2026-11-23..2026-11-27",
		"by the end of the month":           "2026-11-30",
		"Ende des Quartals":                 "2026-12-31",
		"end of the week":                   "2026-11-20",
		"in March":                          "2027-03-01..2027-03-31",
		"end of March 2027":                 "2027-03-01..2027-03-31",
		"we may march on":                   "",
		"4 December":                        "2026-12-04",
		"December 4th, 2026":                "2026-12-04",
		"am 4. Dezember":                    "2026-12-04",
		"le 4 décembre":                     "2026-12-04",
		"el 4 de diciembre":                 "2026-12-04",
		"on the 30th":                       "2026-11-30",
		"by the 2nd":                        "2026-12-02",
		"2026-12-04":                        "2026-12-04",
		"am 4.12. oder":                     "2026-12-04",
		"12/04/2026":                        "2026-04-12|2026-12-04",
		"12/24":                             "2026-12-24",
		"version 4.12 is out":               "",
		"31 November":                       "",
		"in Q1":                             "2027-01-01..2027-03-31",
		"no day at all":                     "",
	} {
		got := ""
		for i, d := range planner.DatesIn(said, at) {
			if i > 0 {
				got += " "
			}
			got += d.From.Format(time.DateOnly)
			if !d.To.Equal(d.From) {
				got += ".." + d.To.Format(time.DateOnly)
			}
			if !d.Other.IsZero() {
				got += "|" + d.Other.Format(time.DateOnly)
			}
		}
		require.Equal(t, want, got, said)
	}
}

func TestDatedIs(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 18, 15, 0, 0, 0, time.UTC)
	day := func(text string) time.Time {
		d, err := time.Parse(time.DateOnly, text)
		require.NoError(t, err)
		return d
	}
	friday := planner.DatesIn("on Friday", at)[0]
	require.True(t, friday.Is(day("2026-11-20").Add(17*time.Hour)))
	require.False(t, friday.MayBe(day("2026-11-21")))
	march := planner.DatesIn("in March", at)[0]
	require.True(t, march.Is(day("2027-03-31")))
	require.False(t, march.Is(day("2027-03-15")))
	require.True(t, march.MayBe(day("2027-03-15")))
	next := planner.DatesIn("next Friday", at)[0]
	require.False(t, next.Is(day("2026-11-20")))
	require.True(t, next.MayBe(day("2026-11-27")))
}

// People count weeks in days, and say so in few words.
func TestDaysOfWeeks(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC) // a Tuesday
	for text, want := range map[string]string{
		"Vendredi en huit, je vous envoie le planning.":   "2026-12-04",
		"On se revoit d'aujourd'hui en huit.":             "2026-12-01",
		"Je vous appelle lundi en quinze.":                "2026-12-14",
		"Los llamo de hoy en ocho.":                       "2026-12-01",
		"Te mando el informe de mañana en ocho.":          "2026-12-02",
		"El viernes en quince días lo vemos.":             "2026-12-11",
		"Telefono-lhe de hoje a oito.":                    "2026-12-01",
		"De sexta a oito dias entrego a proposta.":        "2026-12-04",
		"Heute in acht Tagen komme ich vorbei.":           "2026-12-01",
		"Heute in vierzehn Tagen steht das Angebot.":      "2026-12-08",
		"Freitag in einer Woche schicke ich es.":          "2026-12-04",
		"I'll call you a week today.":                     "2026-12-01",
		"You'll have it tomorrow week.":                   "2026-12-02",
		"I'll send it Friday fortnight.":                  "2026-12-11",
		"We meet in a fortnight.":                         "2026-12-08",
		"I'll send it Friday week.":                       "2026-12-04",
		"In acht Tagen bin ich zurück.":                   "2026-12-02 or 2026-12-01",
		"Dans quinze jours on signe.":                     "2026-12-09 or 2026-12-08",
		"You get it Friday after next.":                   "2026-11-27 or 2026-12-04",
		"Übernächsten Freitag liefern wir.":               "2026-11-27 or 2026-12-04",
		"I'll send the eight files to the ten on Friday.": "2026-11-27",
		"Viernes a las ocho te llamo.":                    "2026-11-27",
		"Freitag um acht rufe ich an.":                    "2026-11-27",
		"Vendredi à huit heures je vous appelle.":         "2026-11-27",
	} {
		var said []string
		for _, d := range planner.DatesIn(text, at) {
			day := d.To.Format(time.DateOnly)
			if !d.Other.IsZero() {
				day += " or " + d.Other.Format(time.DateOnly)
			}
			said = append(said, day)
		}
		require.Equal(t, []string{want}, said, text)
	}
}
