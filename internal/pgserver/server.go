//go:build unix

package pgserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/debriefhq/debrief/internal/child"
	"github.com/debriefhq/debrief/internal/freeport"
)

// superuser is the role that the server is made with and that [Server.URL]
// signs in as.
const superuser = "debrief"

const (
	startTimeout = time.Minute      // crash recovery of a large folder included
	fastTimeout  = 10 * time.Second // for a fast shutdown, which ends sessions and writes a checkpoint
	quitTimeout  = 5 * time.Second  // for an immediate one
	pollEvery    = 10 * time.Millisecond
)

// Options say what to start. The zero value is a server that keeps nothing.
type Options struct {
	// Dir keeps the data, the password and the log. It is made if it is
	// missing. Empty means a temporary folder that Stop deletes.
	Dir string

	// Port on 127.0.0.1. Zero means any free one.
	Port int

	// Fast gives up surviving a crash of the machine (fsync and full page
	// writes are off). For tests: what was committed survives a killed server,
	// but not a power cut.
	Fast bool
}

// A Server is a running PostgreSQL. Its methods may be called at any time
// from any goroutine.
type Server struct {
	bin      string
	dir      string // holds data, password, postgres.log and lock
	remove   bool   // delete dir on Stop
	as       account
	port     int
	password string
	lock     *os.File
	process  *child.Process

	stop    sync.Once
	stopErr error
}

// Start starts a server and waits, for a minute at most, until it takes
// connections. Stop must be called, but the server ends, too, when this
// process dies.
//
// A folder is used by one process at a time. What an earlier one left is dealt
// with: a server that still runs on the folder is stopped first, and a stale
// postmaster.pid is no obstacle.
func Start(ctx context.Context, opts Options) (*Server, error) {
	s, err := start(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("starting PostgreSQL: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, opts Options) (_ *Server, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	s := &Server{remove: opts.Dir == ""}
	defer func() {
		if err != nil {
			s.clean()
		}
	}()
	if s.as, err = unprivileged(); err != nil {
		return nil, err
	}
	if opts.Dir == "" {
		if s.dir, err = temporary(s.as); err != nil {
			return nil, err
		}
	} else if s.dir, err = place(opts.Dir, s.as); err != nil {
		return nil, err
	}
	if err := s.as.own(s.dir); err != nil {
		return nil, err
	}
	if err := s.takeLock(); err != nil {
		return nil, err
	}

	major, err := os.ReadFile(filepath.Join(s.data(), "PG_VERSION"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the version of the data: %w", err)
	}
	isNew := err != nil
	if s.bin, err = chooseBinaries(ctx, candidates(ctx), strings.TrimSpace(string(major))); err != nil {
		return nil, err
	}
	if isNew {
		err = s.initialize(ctx, opts.Fast)
	} else {
		err = errors.Join(s.readPassword(), s.stopLeftover(ctx))
	}
	if err != nil {
		return nil, err
	}
	return s, s.run(ctx, opts)
}

func (s *Server) data() string         { return filepath.Join(s.dir, "data") }
func (s *Server) passwordFile() string { return filepath.Join(s.dir, "password") }
func (s *Server) logFile() string      { return filepath.Join(s.dir, "postgres.log") }

// Dir is the folder where the server's files are. For root it may differ from
// Options.Dir: see the package comment.
func (s *Server) Dir() string { return s.dir }

// Port is the server's port on 127.0.0.1.
func (s *Server) Port() int { return s.port }

// Pid is the process ID of the postmaster.
func (s *Server) Pid() int { return s.process.Pid() }

// Exited is closed when the server has ended, asked or not.
func (s *Server) Exited() <-chan struct{} { return s.process.Exited() }

// URL is a connection string for a database, with the superuser's password in
// it: it must not be logged. The database "postgres" always exists.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(superuser, s.password),
		Host:     net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// CreateDatabase makes a database, unless there is one of that name.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	cmd := s.command(ctx, "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-v", "name="+name,
		"-h", "127.0.0.1", "-p", strconv.Itoa(s.port), "-U", superuser, "-d", "postgres", "-f", "-")
	cmd.Env = append(cmd.Env, "PGPASSWORD="+s.password)
	cmd.Stdin = strings.NewReader(`select format('create database %I', :'name')
where not exists (select from pg_database where datname = :'name') \gexec`)
	if err := run(cmd); err != nil {
		return fmt.Errorf("creating the database %q: %w", name, err)
	}
	return nil
}

// Stop ends the server: sessions are cut, what was committed is kept. A
// temporary folder is deleted. Further calls return what the first one did.
func (s *Server) Stop() error {
	s.stop.Do(func() {
		s.stopErr = s.shutDown()
		s.clean()
	})
	return s.stopErr
}

func (s *Server) shutDown() error {
	// https://www.postgresql.org/docs/current/server-shutdown.html
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{
		{syscall.SIGINT, fastTimeout}, {syscall.SIGQUIT, quitTimeout}, {syscall.SIGKILL, quitTimeout},
	} {
		if err := s.process.Signal(step.signal); err != nil {
			return fmt.Errorf("stopping PostgreSQL: %w", err)
		}
		if !s.process.Wait(step.wait) {
			continue
		}
		if err := s.process.Err(); err != nil {
			return fmt.Errorf("stopping PostgreSQL: it ended badly: %w%s", err, s.logTail())
		}
		return nil
	}
	return fmt.Errorf("stopping PostgreSQL: process %d does not end", s.process.Pid())
}

// clean lets go of the folder.
func (s *Server) clean() {
	if s.lock != nil {
		_ = s.lock.Close() // and with it the lock
	}
	if s.remove && s.dir != "" {
		_ = os.RemoveAll(s.dir)
	}
}

// takeLock makes this process the only one that works on the folder. The
// kernel drops the lock when the process dies.
func (s *Server) takeLock() error {
	path := filepath.Join(s.dir, "lock")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("opening %s: %w", path, err)
	}
	s.lock = file
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return fmt.Errorf("the folder %s is in use by another process: stop that one first, or choose another folder", s.dir)
	}
	return nil
}

// initialize makes the data folder. It is built beside its final name, so that
// a run that was killed meanwhile leaves nothing that looks finished.
func (s *Server) initialize(ctx context.Context, fast bool) error {
	fresh := s.data() + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return fmt.Errorf("deleting an unfinished %s: %w", fresh, err)
	}
	s.password = rand.Text()
	if err := os.WriteFile(s.passwordFile(), []byte(s.password+"\n"), 0o600); err != nil {
		return fmt.Errorf("writing the password: %w", err)
	}
	if err := s.as.own(s.passwordFile()); err != nil {
		return err
	}
	args := []string{
		"--pgdata=" + fresh, "--username=" + superuser, "--pwfile=" + s.passwordFile(),
		"--auth=scram-sha-256", "--encoding=UTF8", "--locale=C",
	}
	if fast {
		args = append(args, "--no-sync")
	}
	if err := run(s.command(ctx, "initdb", args...)); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	if err := os.Rename(fresh, s.data()); err != nil {
		return fmt.Errorf("finishing the data folder: %w", err)
	}
	return nil
}

func (s *Server) readPassword() error {
	raw, err := os.ReadFile(s.passwordFile())
	if err != nil {
		return fmt.Errorf("reading the password of the data in %s (delete that folder to begin anew): %w", s.dir, err)
	}
	s.password = strings.TrimSpace(string(raw))
	return nil
}

// stopLeftover ends a server that still runs on the folder, which this process
// has locked: its starter is gone. It also drops a postmaster.pid whose
// process ID now belongs to something else, for PostgreSQL would take that for
// a running server and refuse to start.
func (s *Server) stopLeftover(ctx context.Context) error {
	status, err := s.readStatus()
	if err != nil || status.pid == 0 || syscall.Kill(status.pid, 0) != nil {
		return err // nobody there; PostgreSQL removes the file itself
	}
	if !isServerOf(ctx, status.pid, s.data()) {
		if err := os.Remove(s.statusFile()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing a stale postmaster.pid: %w", err)
		}
		return nil
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL} {
		if err := syscall.Kill(status.pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stopping the server that an earlier run left (process %d): %w", status.pid, err)
		}
		if gone := poll(ctx, fastTimeout, func() bool { return syscall.Kill(status.pid, 0) != nil }); gone {
			return nil
		}
	}
	return fmt.Errorf("stopping the server that an earlier run left: process %d does not end", status.pid)
}

// isServerOf says whether the process is a PostgreSQL that this package
// started on the data folder: it names the folder on its command line.
func isServerOf(ctx context.Context, pid int, data string) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	if err != nil { // not Linux
		if line, err = exec.CommandContext(ctx, "ps", "-o", "args=", "-p", strconv.Itoa(pid)).Output(); err != nil {
			return false
		}
	}
	return bytes.Contains(line, []byte("postgres")) && bytes.Contains(line, []byte(data))
}

// run starts the server and waits until it is ready. Two things may pass: a
// free port that somebody took meanwhile, and shared memory that the orphaned
// backends of a killed postmaster hold for a moment. So a server that ends
// before it is ready is tried again for a while.
func (s *Server) run(ctx context.Context, opts Options) error {
	again := time.Now().Add(fastTimeout)
	for {
		s.port = opts.Port
		if s.port == 0 {
			ports, err := freeport.Find(1)
			if err != nil {
				return err
			}
			s.port = ports[0]
		}
		if err := s.startProcess(ctx, opts.Fast); err != nil {
			return err
		}
		ready := poll(ctx, startTimeout, func() bool { return s.ended() || s.isReady() })
		switch {
		case ready && !s.ended():
			return nil
		case !ready:
			_ = s.shutDown()
			return fmt.Errorf("it was not ready in time: %w%s", context.Cause(ctx), s.logTail())
		case time.Now().After(again) || opts.Port != 0 && taken(ctx, opts.Port):
			return fmt.Errorf("it ended at once: %w%s", s.process.Err(), s.logTail())
		}
		if err := pause(ctx, 10*pollEvery); err != nil {
			return err
		}
	}
}

func (s *Server) startProcess(ctx context.Context, fast bool) error {
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log: %w", err)
	}
	defer log.Close() // the child has its own
	settings := []string{
		"listen_addresses=127.0.0.1",
		"port=" + strconv.Itoa(s.port),
		"unix_socket_directories=",
		"max_connections=200",
		"timezone=UTC",
		"log_timezone=UTC",
		"jit=off",
		// The log must not repeat anybody's words: neither the values of a row
		// that broke a constraint (DETAIL) nor the text of a failed statement.
		"log_error_verbosity=terse",
		"log_min_error_statement=panic",
	}
	if fast {
		// Not synchronous_commit=off: without fsync it saves next to nothing,
		// and with it a killed server forgets its last commits
		// (TestStartAfterTheServerWasKilled).
		settings = append(settings, "fsync=off", "full_page_writes=off")
	}
	args := []string{"-D", s.data()}
	for _, setting := range settings {
		args = append(args, "-c", setting)
	}
	// Not bound to the context's end: Stop ends it.
	cmd := s.command(context.WithoutCancel(ctx), "postgres", args...)
	cmd.Stdout, cmd.Stderr = log, log
	// SIGINT is PostgreSQL's fast shutdown.
	if s.process, err = child.Start(cmd, syscall.SIGINT); err != nil {
		if s.as.other {
			return fmt.Errorf("%w (as user %s; where root may not change users, run this as an ordinary user)", err, s.as.name)
		}
		return err
	}
	return nil
}

func (s *Server) ended() bool {
	select {
	case <-s.process.Exited():
		return true
	default:
		return false
	}
}

func (s *Server) isReady() bool {
	status, err := s.readStatus()
	return err == nil && status.pid == s.process.Pid() && status.state == "ready"
}

// status is what postmaster.pid says.
type status struct {
	pid   int
	state string
}

func (s *Server) statusFile() string { return filepath.Join(s.data(), "postmaster.pid") }

// readStatus reads postmaster.pid, as pg_ctl does: the process ID stands on
// the first line and the state ("starting", "ready", ...) on the eighth
// (src/include/utils/pidfile.h). A missing file is the zero status.
func (s *Server) readStatus() (status, error) {
	raw, err := os.ReadFile(s.statusFile())
	if errors.Is(err, fs.ErrNotExist) {
		return status{}, nil
	}
	if err != nil {
		return status{}, fmt.Errorf("reading postmaster.pid: %w", err)
	}
	lines := strings.Split(string(raw), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil || pid <= 0 {
		return status{}, nil //nolint:nilerr // being written, or cut off by a crash: nobody to find
	}
	st := status{pid: pid}
	if len(lines) >= 8 {
		st.state = strings.TrimSpace(lines[7])
	}
	return st, nil
}

// command prepares one of PostgreSQL's programs, as the right user and with
// nothing of the caller's own PostgreSQL settings.
func (s *Server) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(s.bin, name), args...)
	cmd.Dir = s.dir
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "PG") || strings.HasPrefix(entry, "LC_") || strings.HasPrefix(entry, "LANG")
	}), "LC_ALL=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as.credential()}
	return cmd
}

// run runs a program that ends by itself. Its error carries what it printed.
func run(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// logTail is the end of the log, for an error.
func (s *Server) logTail() string {
	const most = 2000
	file, err := os.Open(s.logFile())
	if err != nil {
		return ""
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() > most {
		if _, err := file.Seek(-most, io.SeekEnd); err != nil {
			return ""
		}
	}
	tail, err := io.ReadAll(file)
	if err != nil || len(tail) == 0 {
		return ""
	}
	return "; its log ends with:\n" + strings.TrimSpace(string(tail))
}

func taken(ctx context.Context, port int) bool {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return true
	}
	_ = listener.Close()
	return false
}

// poll asks until the answer is yes, for as long as limit and ctx allow.
func poll(ctx context.Context, limit time.Duration, yes func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !yes() {
		if pause(ctx, pollEvery) != nil {
			return yes()
		}
	}
	return true
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
