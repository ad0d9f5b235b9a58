package main

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
)

func TestRulesAreSwitched(t *testing.T) {
	t.Parallel()
	var s store.Settings
	require.NoError(t, organizationSettings{RuleOff: []string{"task-asked", "deal-amount", "task-asked"}}.switchRules(&s))
	require.Equal(t, []string{"deal-amount", "task-asked"}, s.RulesOff)
	require.NoError(t, organizationSettings{RuleOn: []string{"task-asked"}}.switchRules(&s))
	require.Equal(t, []string{"deal-amount"}, s.RulesOff)
	require.NoError(t, organizationSettings{}.switchRules(&s))
	require.Equal(t, []string{"deal-amount"}, s.RulesOff)
	require.ErrorContains(t, organizationSettings{RuleOff: []string{"task-askd"}}.switchRules(&s), "task-asked")
}
