//go:build !sabotage

package sabotage_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/internal/sabotage"
)

// TestNoSwitchShips looks for the switches in a binary as it ships, and in one that
// was built with them: there they are found.
func TestNoSwitchShips(t *testing.T) {
	t.Parallel()
	ships, sabotaged := build(t), build(t, "-tags", "sabotage")
	require.Contains(t, string(sabotaged), sabotage.Variable)
	require.False(t, bytes.Contains(ships, []byte(sabotage.Variable)), "what ships reads %s", sabotage.Variable)
	for _, s := range sabotage.All() {
		if !strings.Contains(string(s), "-") {
			continue // a word that other sentences have, too
		}
		require.True(t, bytes.Contains(sabotaged, []byte(s)), "nothing asks for the switch %s", s)
		require.False(t, bytes.Contains(ships, []byte(s)), "what ships has the switch %s", s)
	}
}

func build(t *testing.T, flags ...string) []byte {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "debrief")
	args := append([]string{"build", "-buildvcs=false", "-o", binary}, flags...)
	command := exec.CommandContext(t.Context(), "go", append(args, "github.com/debriefhq/debrief/cmd/debrief")...)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := command.CombinedOutput()
	require.NoError(t, err, "%s", out)
	built, err := os.ReadFile(binary)
	require.NoError(t, err)
	return built
}
