//go:build unix

package child

import (
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
)

// startWatched starts cmd and beside it a watcher for systems without a
// parent-death signal: a shell that blocks on a pipe whose other end only this
// process holds. When this process dies, however it dies, the pipe closes and
// the watcher signals the child. release ends the watcher; it must be called
// once the child is gone, so that the watcher never meets a reused process ID.
func startWatched(cmd *exec.Cmd, onParentDeath syscall.Signal) (release func(), err error) {
	watcher := exec.Command("/bin/sh", "-c", `read -r _; kill -"$0" "$1"`)
	watcher.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	held, err := watcher.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("making the watcher's pipe: %w", err)
	}
	if err := cmd.Start(); err != nil {
		_ = held.Close()
		return nil, err
	}
	watcher.Args = append(watcher.Args, strconv.Itoa(int(onParentDeath)), strconv.Itoa(cmd.Process.Pid))
	if err := watcher.Start(); err != nil {
		_ = held.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return nil, fmt.Errorf("starting the watcher: %w", err)
	}
	return func() {
		// Killed, not let go: a closed pipe would make it signal.
		_ = watcher.Process.Kill()
		_ = watcher.Wait()
		_ = held.Close()
	}, nil
}
