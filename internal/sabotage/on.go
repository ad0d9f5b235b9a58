//go:build sabotage

package sabotage

import "os"

// Is says whether a switch is on: whether the environment names it. It is the same
// for as long as a process lives, and so harmless in workflows.
func Is(s Switch) bool { return os.Getenv(Variable) == string(s) }
