package planner

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
)

func TestValuesFollow(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 18, 14, 0, 0, 0, time.UTC) // a Wednesday
	number, text, day, choice := hubspot.Property{Type: "number"}, hubspot.Property{Type: "string"}, hubspot.Property{Type: "date"}, hubspot.Property{Type: "enumeration"}
	for name, tc := range map[string]struct {
		d                      hubspot.Property
		property, value, quote string
		want                   string
	}{
		"the amount":                     {number, "amount", "42000", "we have forty-two thousand for it", ""},
		"the amount in digits":           {number, "amount", "42000.00", "we have 42k for it", ""},
		"another amount":                 {number, "amount", "45000", "we have 42k for it", otherNumber},
		"no amount":                      {number, "amount", "42000", "we have the budget for it", notSaid},
		"a product of two":               {number, "amount", "8000", "200 seats at 40 euros", otherNumber},
		"one of two":                     {number, "amount", "42000", "between 42,000 and 48,000 euros", severalSaid},
		"beside a small number":          {number, "amount", "42000", "42,000 for 3 years", ""},
		"corrected":                      {number, "amount", "50000", "forty thousand, no, fifty thousand", ""},
		"corrected, the first":           {number, "amount", "40000", "forty thousand, no, fifty thousand", otherNumber},
		"corrected in German":            {number, "amount", "50000", "vierzigtausend, äh nein, fünfzigtausend", ""},
		"the day":                        {day, "closedate", "2026-11-20", "we sign on Friday", ""},
		"the day as a moment":            {day, "closedate", "2026-11-20T00:00:00Z", "we sign on Friday", ""},
		"another day":                    {day, "closedate", "2026-11-27", "we sign on Friday", otherDay},
		"a day that is left open":        {day, "closedate", "2026-11-27", "we sign next Friday", unsureDay},
		"no day":                         {day, "closedate", "2026-11-27", "we sign when it is done", notSaid},
		"the last day of a month":        {day, "closedate", "2027-03-31", "we sign in March", ""},
		"some day of a month":            {day, "closedate", "2027-03-10", "we sign in March", unsureDay},
		"a title":                        {text, "jobtitle", "Head of Procurement", "she is now head of procurement", ""},
		"an invented name":               {text, "hs_task_subject", "Call Beatrix about the offer", "please call them about the offer", unknownName},
		"a name that is known":           {text, "hs_task_subject", "Call Ines about the offer", "please call them about the offer", ""},
		"a name that was said elsewhere": {text, "hs_task_subject", "Call Harrow about the offer", "please call them about the offer", ""},
		"an invented number":             {text, "hs_next_step", "Offer 30 seats", "send us an offer for the seats", otherNumber},
		"a day written out":              {text, "hs_next_step", "Send the offer by 20 November", "send us the offer by Friday", ""},
		"a choice":                       {choice, "hs_ticket_priority", "HIGH", "this is on fire", ""},
		"an address that was said":       {text, "email", "petra@harrow.example", "my address is petra@harrow.example", ""},
		"an address that was not":        {text, "email", "petra@harrow-mills.example", "my address is petra@harrow.example", notSaid},
		"nothing":                        {text, "hs_next_step", "", "send it", ""},
	} {
		words := WordsOf(meeting.Details{Transcript: meeting.Transcript{Segments: []meeting.Segment{{Text: tc.quote}, {Text: "The people of Harrow"}}}})
		s := support{words: words, quotes: []meeting.Evidence{{Quote: tc.quote}}, at: at, known: func(word string) bool {
			return slices.Contains([]string{"Ines"}, word)
		}}
		require.Equal(t, tc.want, s.doubt(tc.d, tc.property, tc.value), name)
	}
}
