package temporaldev

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/server/common/dynamicconfig"
)

// What is deployed behaves as what is developed and tested with.
func TestTheDeployedDynamicConfigIsTheSame(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../deploy/temporal/dynamicconfig.yaml")
	require.NoError(t, err)
	loaded := dynamicconfig.LoadYamlFile(raw)
	require.NoError(t, loaded.Err())
	require.Empty(t, loaded.Warnings, "a key that the server does not know does nothing")
	deployed := map[string]any{}
	for key, values := range loaded.Map {
		require.Len(t, values, 1, key)
		require.Equal(t, dynamicconfig.Constraints{}, values[0].Constraints, key)
		deployed[key.String()] = values[0].Value
	}

	here := map[string]any{}
	for key, value := range dynamicConfig() {
		here[key.String()] = value
	}
	// For development and tests alone; dynamicConfig says why.
	for _, key := range []dynamicconfig.Key{
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(),
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(),
		dynamicconfig.FrontendMaxNamespaceNamespaceReplicationInducingAPIsRPSPerInstance.Key(),
		dynamicconfig.EnableServerVersionCheck.Key(),
	} {
		require.Contains(t, here, key.String())
		delete(here, key.String())
	}
	require.Equal(t, here, deployed)
}
