package child

import (
	"os/exec"
	"syscall"
)

// startBound starts cmd and binds it to the calling thread: the kernel sends
// onParentDeath when that thread ends (prctl(2), PR_SET_PDEATHSIG). The
// runtime sets it after dropping privileges, which would clear it.
func startBound(cmd *exec.Cmd, onParentDeath syscall.Signal) (release func(), err error) {
	cmd.SysProcAttr.Pdeathsig = onParentDeath
	return func() {}, cmd.Start()
}
