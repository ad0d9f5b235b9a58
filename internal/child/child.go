//go:build unix

package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Process is a running or ended child.
type Process struct {
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // set before exited is closed
}

// Start starts cmd in a process group of its own. When this process dies
// without stopping the child, the child gets onParentDeath.
//
// Start takes cmd over: the caller must not call its Wait. Fields of
// cmd.SysProcAttr that are set already (a credential, for one) are kept.
func Start(cmd *exec.Cmd, onParentDeath syscall.Signal) (*Process, error) {
	p := &Process{cmd: cmd, exited: make(chan struct{})}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true

	started := make(chan error)
	go func() {
		// On Linux the kernel sends the death signal when the *thread* that
		// forked ends, not when the process does. So this goroutine keeps its
		// thread until the child is gone. It must not unlock it before.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()

		release, err := startBound(cmd, onParentDeath)
		started <- err
		if err != nil {
			return
		}
		p.err = cmd.Wait()
		release()
		close(p.exited)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", cmd.Path, err)
	}
	return p, nil
}

// Pid is the child's process ID.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Exited is closed when the child has ended and its output has been read.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Err says how the child ended: nil for exit code 0, an *exec.ExitError for
// anything else. It is nil, too, while the child runs.
func (p *Process) Err() error {
	select {
	case <-p.exited:
		return p.err
	default:
		return nil
	}
}

// Signal sends sig to the child. It is not an error if the child has ended.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("sending %v to process %d: %w", sig, p.Pid(), err)
	}
	return nil
}

// Wait waits until the child has ended, at most for d, and says whether it has.
func (p *Process) Wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.exited:
		return true
	case <-timer.C:
		return false
	}
}
