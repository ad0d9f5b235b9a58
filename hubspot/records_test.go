package hubspot_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
)

func TestObjectTypesGoByTwoNames(t *testing.T) {
	t.Parallel()
	for singular, plural := range map[string]string{
		"contact": "contacts", "company": "companies", "deal": "deals", "ticket": "tickets", "meeting": "meetings", "note": "notes", "task": "tasks",
	} {
		require.Equal(t, plural, hubspot.Plural(singular))
		require.Equal(t, plural, hubspot.Plural(plural))
		require.Equal(t, singular, hubspot.Singular(plural))
		require.Equal(t, singular, hubspot.Singular(singular))
	}
	require.Equal(t, "2-77", hubspot.Plural("2-77"))
	require.Equal(t, "2-77", hubspot.Singular("2-77"))
}

func TestRecordsAreOrderedByAge(t *testing.T) {
	t.Parallel()
	ids := []string{"100", "9", "20", "3"}
	slices.SortFunc(ids, hubspot.CompareIDs)
	require.Equal(t, []string{"3", "9", "20", "100"}, ids)
}

func TestARecordHasAPage(t *testing.T) {
	t.Parallel()
	const pages = "https://app.hubspot.com/contacts/4711/record/"
	for name, test := range map[string]struct{ object, id, want string }{
		"a contact":        {"contact", "31", pages + "0-1/31"},
		"a company":        {"company", "31", pages + "0-2/31"},
		"a deal":           {"deal", "31", pages + "0-3/31"},
		"a ticket":         {"ticket", "31", pages + "0-5/31"},
		"a custom object":  {"2-88", "31", pages + "2-88/31"},
		"a note":           {"note", "31", ""},
		"no ID":            {"deal", "", ""},
		"what is no ID":    {"deal", "31/../..", ""},
		"what is no type":  {"2-x", "31", ""},
		"half of one":      {"2-", "31", ""},
		"a page elsewhere": {"https://elsewhere.example", "31", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, test.want, hubspot.RecordURL(4711, test.object, test.id))
		})
	}
}

func TestCompaniesAreSearchedByFewSearches(t *testing.T) {
	t.Parallel()
	var short, long []string
	for i := range 150 {
		short = append(short, fmt.Sprintf("c%d.example", i))
		long = append(long, fmt.Sprintf("%s%03d.example", strings.Repeat("a", 48), i))
	}
	// Of the short ones, a hundred fit; of the long ones, of 59 characters, 32: each takes
	// two quotes and a comma besides, and there is room for 2,000.
	for name, test := range map[string]struct {
		domains []string
		want    []int
	}{
		"none": {nil, nil}, "one": {short[:1], []int{1}}, "short": {short, []int{100, 50}}, "long": {long, []int{32, 32, 32, 32, 22}},
		"longer than a search": {[]string{strings.Repeat("a", 2500) + ".example", "b.example"}, []int{1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sizes []int
			var asked []string
			for _, request := range hubspot.CompaniesByDomain(test.domains, []string{"name"}) {
				filter := request.FilterGroups[0].Filters[0]
				require.Equal(t, hubspot.Filter{PropertyName: "domain", Operator: hubspot.In, Values: filter.Values}, filter)
				require.Equal(t, []string{"name"}, request.Properties)
				require.Equal(t, 200, request.Limit)
				sizes, asked = append(sizes, len(filter.Values)), append(asked, filter.Values...)
			}
			require.Equal(t, test.want, sizes)
			require.Equal(t, test.domains, asked)
		})
	}
}
