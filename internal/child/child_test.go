//go:build unix

package child

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// The test binary plays the parent that dies: see TestMain.
const parentRole = "CHILD_TEST_PARENT"

func TestMain(m *testing.M) {
	if role := os.Getenv(parentRole); role != "" {
		actParent(role)
		return
	}
	goleak.VerifyTestMain(m)
}

// actParent starts a child that would run for long, prints its process ID and
// waits to be killed.
func actParent(role string) {
	cmd := exec.Command("sleep", "600")
	var err error
	if role == "watched" {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		_, err = startWatched(cmd, syscall.SIGTERM)
	} else {
		_, err = Start(cmd, syscall.SIGTERM)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(cmd.Process.Pid)
	never := make(chan os.Signal, 1)
	signal.Notify(never, syscall.SIGUSR1)
	<-never
}

func TestNoChildOutlivesAKilledParent(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"bound", "watched"} {
		t.Run(role, func(t *testing.T) {
			t.Parallel()
			self, err := os.Executable()
			require.NoError(t, err)
			parent := exec.Command(self)
			parent.Env = append(os.Environ(), parentRole+"="+role)
			parent.Stderr = os.Stderr
			out, err := parent.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, parent.Start())
			line, err := bufio.NewReader(out).ReadString('\n')
			require.NoError(t, err)
			pid, err := strconv.Atoi(strings.TrimSpace(line))
			require.NoError(t, err)
			require.NoError(t, syscall.Kill(pid, 0), "the child runs")

			require.NoError(t, parent.Process.Kill())
			_ = parent.Wait()
			require.Eventually(t, func() bool { return ended(pid) }, 10*time.Second, 5*time.Millisecond)
		})
	}
}

// ended says whether the process is gone. One that nobody has waited for yet
// (in a container without an init) counts as gone.
func ended(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestProcess(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, script string
		code         int
	}{
		{"success", "exit 0", 0},
		{"failure", "exit 3", 3},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p, err := Start(exec.Command("/bin/sh", "-c", tc.script), syscall.SIGKILL)
			require.NoError(t, err)
			require.True(t, p.Wait(10*time.Second))
			if tc.code == 0 {
				require.NoError(t, p.Err())
			} else {
				var exit *exec.ExitError
				require.ErrorAs(t, p.Err(), &exit)
				require.Equal(t, tc.code, exit.ExitCode())
			}
			require.NoError(t, p.Signal(syscall.SIGTERM), "a signal after the end is no error")
		})
	}
}

func TestSignalEndsTheChild(t *testing.T) {
	t.Parallel()
	p, err := Start(exec.Command("sleep", "600"), syscall.SIGKILL)
	require.NoError(t, err)
	require.NoError(t, p.Err(), "while it runs")
	group, err := syscall.Getpgid(p.Pid())
	require.NoError(t, err)
	require.Equal(t, p.Pid(), group, "a process group of its own")
	require.False(t, p.Wait(0))

	require.NoError(t, p.Signal(syscall.SIGTERM))
	require.True(t, p.Wait(10*time.Second))
	var exit *exec.ExitError
	require.ErrorAs(t, p.Err(), &exit)
}

func TestWatcherLeavesAnEndedChildAlone(t *testing.T) {
	t.Parallel()
	cmd := exec.Command("/bin/sh", "-c", "exit 0")
	release, err := startWatched(cmd, syscall.SIGKILL)
	require.NoError(t, err)
	require.NoError(t, cmd.Wait())
	release()
}

func TestStartOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	_, err := Start(exec.Command("/nowhere/nothing"), syscall.SIGKILL)
	require.ErrorContains(t, err, "starting /nowhere/nothing")
	require.ErrorIs(t, err, os.ErrNotExist)
}
