//go:build unix && !linux

package child

import (
	"os/exec"
	"syscall"
)

func startBound(cmd *exec.Cmd, onParentDeath syscall.Signal) (release func(), err error) {
	return startWatched(cmd, onParentDeath)
}
