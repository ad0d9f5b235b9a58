package process

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// The test binary plays a server: see TestMain.
const serverRole = "PROCESS_TEST_LISTEN"

func TestMain(m *testing.M) {
	if addr := os.Getenv(serverRole); addr != "" {
		fmt.Println("listening")
		err := http.ListenAndServe(addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

// buffer is a writer that a test may read meanwhile.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func shell(t *testing.T, script string) (*Process, *buffer) {
	t.Helper()
	out := &buffer{}
	p, err := Start(Options{Name: "script", Path: "/bin/sh", Args: []string{"-c", script}, Output: out})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Kill() })
	return p, out
}

func wait(t *testing.T, p *Process) {
	t.Helper()
	select {
	case <-p.Exited():
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	p, out := shell(t, `echo one; echo two >&2; printf 'thr'; printf 'ee\r\n'; printf 'no end'`)
	wait(t, p)
	require.NoError(t, p.Err())
	require.Equal(t, "script | one\nscript | two\nscript | three\n", out.String())
	require.Equal(t, []string{"one", "two", "three", "no end"}, p.Tail())
}

func TestOutputIsBounded(t *testing.T) {
	t.Parallel()
	p, _ := shell(t, `i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done; head -c 100000 /dev/zero | tr '\0' x; echo; echo last`)
	wait(t, p)
	tail := p.Tail()
	require.Len(t, tail, keptLines)
	require.Equal(t, "last", tail[keptLines-1])
	require.Equal(t, strings.Repeat("x", maxLineBytes), tail[keptLines-2])
	require.Equal(t, "line 102", tail[0])
}

func TestEndWithAnError(t *testing.T) {
	t.Parallel()
	p, _ := shell(t, `echo the reason >&2; exit 3`)
	wait(t, p)
	require.ErrorContains(t, p.Err(), "script ended: exit status 3")
	require.ErrorContains(t, p.Err(), "the reason")
	require.ErrorContains(t, p.WaitReady(t.Context(), "http://127.0.0.1:1/"), "the reason", "an ended program never gets ready")
	require.NoError(t, p.Stop(time.Second), "it had ended before")
}

func TestStop(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, trap, err string
		grace           time.Duration
	}{
		{"graceful", `trap 'exit 0' TERM`, "", 20 * time.Second},
		{"ends badly", `trap 'exit 4' TERM`, "exit status 4", 20 * time.Second},
		{"deaf", `trap '' TERM`, "was killed", 10 * time.Millisecond},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p, out := shell(t, tc.trap+`; echo ready; while :; do sleep 0.02; done`)
			require.Eventually(t, func() bool { return out.String() != "" }, 20*time.Second, time.Millisecond)
			err := p.Stop(tc.grace)
			if tc.err == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, tc.err)
			}
			wait(t, p)
		})
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().String()
	require.NoError(t, listener.Close())

	p, err := Start(Options{Name: "server", Path: self, Env: append(os.Environ(), serverRole+"="+addr)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.Kill() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, p.WaitReady(ctx, "http://"+addr+"/readyz"))

	short, cancelShort := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancelShort()
	err = p.WaitReady(short, "http://"+addr+"/never")
	require.ErrorContains(t, err, "server is not ready")
	require.ErrorIs(t, err, context.DeadlineExceeded)

	require.NoError(t, p.Kill())
	require.NoError(t, p.Kill(), "a second time")
	require.ErrorContains(t, p.Err(), "signal: killed")
	require.ErrorIs(t, syscall.Kill(p.Pid(), 0), syscall.ESRCH, "nothing is left")
}

func TestNothingToRun(t *testing.T) {
	t.Parallel()
	_, err := Start(Options{Name: "debrief", Path: "/nowhere/debrief"})
	require.ErrorContains(t, err, "running debrief")
	require.ErrorIs(t, err, os.ErrNotExist)
}
