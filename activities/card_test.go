package activities

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
)

// Whoever decides sees that it is not the real thing, or that it is.
func TestBanner(t *testing.T) {
	t.Parallel()
	sandbox := &store.Connection{Name: "trial", HubID: 7, AccountType: "SANDBOX"}
	live := &store.Connection{Name: "main", HubID: 8, AccountType: "STANDARD"}
	require.Equal(t, "**TEST ACCOUNT**: this goes to HubSpot account 7 (trial), sandbox.\n\n", banner(sandbox, true))
	require.Equal(t, "**TEST ACCOUNT**: this goes to HubSpot account 7 (trial), sandbox.\n\n", banner(sandbox, false))
	require.Equal(t, "**FROM A TEST SOURCE**: this goes to the real HubSpot account 8 (main).\n\n", banner(live, true))
	require.Empty(t, banner(live, false))
	require.Empty(t, banner(nil, false))
}
