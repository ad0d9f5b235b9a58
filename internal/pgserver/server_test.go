//go:build unix

package pgserver

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// The test binary plays a starter that is killed: see TestMain.
const starterRole = "PGSERVER_TEST_STARTER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(starterRole); dir != "" {
		server, err := Start(context.Background(), Options{Dir: dir, Fast: true})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(server.Pid())
		never := make(chan os.Signal, 1)
		signal.Notify(never, syscall.SIGUSR1)
		<-never
	}
	goleak.VerifyTestMain(m)
}

func startTest(t *testing.T, opts Options) *Server {
	t.Helper()
	opts.Fast = true
	server, err := Start(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	return server
}

// testDir is a folder to keep data in. Below a test's temporary folder, which
// is closed to other users, root's server has to go elsewhere.
func testDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state", "postgres")
	t.Cleanup(func() { require.NoError(t, Remove(dir)) })
	return dir
}

func query[T any](t *testing.T, url, sql string) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer conn.Close(ctx)
	var value T
	require.NoError(t, conn.QueryRow(ctx, sql).Scan(&value))
	return value
}

func statement(t *testing.T, url, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, sql)
	require.NoError(t, err)
}

func TestFreshServer(t *testing.T) {
	t.Parallel()
	server := startTest(t, Options{})
	url := server.URL("postgres")

	for setting, want := range map[string]string{
		"listen_addresses":        "127.0.0.1",
		"unix_socket_directories": "",
		"server_encoding":         "UTF8",
		"timezone":                "UTC",
		"fsync":                   "off",
		"log_error_verbosity":     "terse",
		"port":                    strconv.Itoa(server.Port()),
	} {
		require.Equal(t, want, query[string](t, url, "select current_setting('"+setting+"')"), setting)
	}

	require.Equal(t, "C", query[string](t, url, "select datcollate from pg_database where datname = 'postgres'"))

	info, err := os.Stat(server.passwordFile())
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	_, err = pgx.Connect(t.Context(), strings.Replace(url, server.password, "wrong", 1))
	require.ErrorContains(t, err, "password authentication failed")

	dir := server.Dir()
	require.NoError(t, server.Stop())
	require.NoError(t, server.Stop(), "a second time")
	require.NoDirExists(t, dir, "a server without a folder keeps nothing")
}

func TestFsyncIsOnUnlessFast(t *testing.T) {
	t.Parallel()
	server, err := Start(t.Context(), Options{})
	require.NoError(t, err)
	defer server.Stop()
	require.Equal(t, "on", query[string](t, server.URL("postgres"), "select current_setting('fsync')"))
}

func TestCreateDatabase(t *testing.T) {
	t.Parallel()
	server := startTest(t, Options{})
	for _, name := range []string{"plain", `Qu"oted 'name'`} {
		require.NoError(t, server.CreateDatabase(t.Context(), name))
		require.NoError(t, server.CreateDatabase(t.Context(), name), "again")
		require.Equal(t, name, query[string](t, server.URL(name), "select current_database()::text"))
	}
	require.ErrorContains(t, server.CreateDatabase(t.Context(), ""), "creating the database")
}

func TestRestartKeepsData(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	first := startTest(t, Options{Dir: dir})
	statement(t, first.URL("postgres"), "create table kept as select 7 as number")
	require.NoError(t, first.Stop())

	second := startTest(t, Options{Dir: dir, Port: first.Port()})
	require.Equal(t, first.URL("postgres"), second.URL("postgres"), "same port, same password")
	require.Equal(t, 7, query[int](t, second.URL("postgres"), "select * from kept"))
}

func TestStartAfterTheServerWasKilled(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	first := startTest(t, Options{Dir: dir})
	statement(t, first.URL("postgres"), "create table kept as select 7 as number")
	require.NoError(t, syscall.Kill(first.Pid(), syscall.SIGKILL))
	select {
	case <-first.Exited():
	case <-time.After(10 * time.Second):
		t.Fatal("Exited was not closed")
	}
	require.FileExists(t, first.statusFile(), "a killed server leaves its postmaster.pid")
	require.Error(t, first.Stop(), "it did not end well")

	second := startTest(t, Options{Dir: dir})
	require.Equal(t, 7, query[int](t, second.URL("postgres"), "select * from kept"))
}

func TestServerEndsWithItsStarter(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	starter, pid := startElsewhere(t, dir)
	require.NoError(t, starter.Process.Kill())
	_ = starter.Wait()
	require.Eventually(t, func() bool { return ended(pid) }, 20*time.Second, 10*time.Millisecond)
	startTest(t, Options{Dir: dir})
}

// A server whose starter was killed may still be shutting down, or, where the
// system cannot bind it to its starter, run on for ever.
func TestLeftoverServerIsStopped(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	first := startTest(t, Options{Dir: dir})
	require.NoError(t, first.lock.Close(), "as if this process had died")

	second := startTest(t, Options{Dir: dir})
	select {
	case <-first.Exited():
	case <-time.After(10 * time.Second):
		t.Fatal("two servers on one folder")
	}
	require.Equal(t, 1, query[int](t, second.URL("postgres"), "select 1"))
}

func TestProcessIDOfSomethingElse(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	first := startTest(t, Options{Dir: dir})
	require.NoError(t, first.Stop())

	stranger := exec.Command("sleep", "600")
	stranger.SysProcAttr = &syscall.SysProcAttr{Credential: first.as.credential()}
	stranger.Dir = "/"
	require.NoError(t, stranger.Start())
	defer func() {
		require.NoError(t, stranger.Process.Kill(), "it was left alone")
		_ = stranger.Wait()
	}()
	stale := fmt.Sprintf("%d\n%s\n1700000000\n%d\n\n127.0.0.1\n0 0\nready\n", stranger.Process.Pid, first.data(), first.Port())
	require.NoError(t, os.WriteFile(first.statusFile(), []byte(stale), 0o600))
	require.NoError(t, first.as.own(first.statusFile()))

	second := startTest(t, Options{Dir: dir})
	require.Equal(t, 1, query[int](t, second.URL("postgres"), "select 1"))
}

func TestOneProcessPerFolder(t *testing.T) {
	t.Parallel()
	dir := testDir(t)
	starter, pid := startElsewhere(t, dir)
	defer func() {
		_ = starter.Process.Kill()
		_ = starter.Wait()
		// Its server still writes while it shuts down: the folder is deleted after.
		require.Eventually(t, func() bool { return ended(pid) }, 20*time.Second, 10*time.Millisecond)
	}()
	_, err := Start(t.Context(), Options{Dir: dir, Fast: true})
	require.ErrorContains(t, err, "in use by another process")
}

func startElsewhere(t *testing.T, dir string) (starter *exec.Cmd, pid int) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	starter = exec.Command(self)
	starter.Env = append(os.Environ(), starterRole+"="+dir)
	starter.Stderr = os.Stderr
	out, err := starter.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, starter.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	pid, err = strconv.Atoi(strings.TrimSpace(line))
	require.NoError(t, err)
	return starter, pid
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

func TestPortInUse(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	_, err = Start(t.Context(), Options{Fast: true, Port: listener.Addr().(*net.TCPAddr).Port})
	require.ErrorContains(t, err, "Address already in use")
}

// Alone: a child that another test is just starting holds copies of this one's
// files until it runs, and so the folder's lock beyond Stop.
func TestUnfinishedFolder(t *testing.T) { //nolint:paralleltest // see above
	dir := testDir(t)
	first := startTest(t, Options{Dir: dir})
	require.NoError(t, first.Stop())

	// Killed in initdb: data.new is there, data is not.
	require.NoError(t, os.Rename(first.data(), first.data()+".new"))
	second := startTest(t, Options{Dir: dir})
	require.NotEqual(t, first.password, second.password)
	require.NoError(t, second.Stop())

	require.NoError(t, os.Remove(second.passwordFile()))
	_, err := Start(t.Context(), Options{Dir: dir})
	require.ErrorContains(t, err, "reading the password")
	require.ErrorContains(t, err, "delete that folder")
}

func TestValuesStayOutOfTheLog(t *testing.T) {
	t.Parallel()
	server := startTest(t, Options{})
	conn, err := pgx.Connect(t.Context(), server.URL("postgres"))
	require.NoError(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), "create table words (word text unique)")
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "insert into words values ('heliotrope')")
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "insert into words values ('heliotrope')")
	require.Error(t, err)
	_, err = conn.Exec(t.Context(), "select $1::text::int", "heliotrope-as-number")
	require.Error(t, err)

	log, err := os.ReadFile(server.logFile())
	require.NoError(t, err)
	require.Contains(t, string(log), "duplicate key value", "the log does tell of the failure")
	require.NotContains(t, string(log), "heliotrope'", "and not of the statement")
	require.NotContains(t, string(log), "(word)=(heliotrope)", "nor of the row")
}
