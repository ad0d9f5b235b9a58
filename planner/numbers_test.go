package planner_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/planner"
)

func TestAmountsIn(t *testing.T) {
	t.Parallel()
	for said, want := range map[string][]float64{
		"42,000":                              {42000},
		"€42.000 a year":                      {42000},
		"CHF 1'250'000.50":                    {1250000.5},
		"42 000 euros":                        {42000},
		"1.234.567,89":                        {1234567.89},
		"42k, maybe 45 k":                     {42000, 45000},
		"1.5 million or 2,5 Mio. Euro":        {1500000, 2500000},
		"0,125":                               {0.125},
		"12.5 % off":                          {12.5},
		"forty-two thousand":                  {42000},
		"a hundred and twenty thousand euros": {120000},
		"two hundred ten seats":               {210},
		"one million two hundred thousand":    {1200000},
		"forty... no, fifty thousand":         {40, 50000},
		"zweiundvierzigtausend Euro":          {42000},
		"hundertzwanzig Lizenzen":             {120},
		"zwölf Monate zu 950 Euro":            {12, 950},
		"dreihundertfünfzig tausend":          {350000},
		"quarante-deux mille":                 {42000},
		"quatre-vingt-dix-sept":               {97},
		"soixante-douze mille":                {72000},
		"cuarenta y dos mil":                  {42000},
		"quarenta e dois mil reais":           {42000},
		"in Q4 with v2":                       {},
		"twenty twenty":                       {20, 20},
		"at 3, 4 or 5":                        {3, 4, 5},
		"":                                    {},
	} {
		got := []float64{}
		for _, a := range planner.AmountsIn(said) {
			got = append(got, a.Value)
		}
		require.Equal(t, want, got, said)
	}
}
