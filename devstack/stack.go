package devstack

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/debriefhq/debrief/devstack/process"
	"github.com/debriefhq/debrief/devstack/temporaldev"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/internal/pgserver"
)

const (
	// Namespace is the Temporal namespace of the stack.
	Namespace = "default"

	database     = "debrief"
	readyTimeout = 30 * time.Second
	// stopGrace is more than the worker takes at most (DEBRIEF_STOP_TIMEOUT).
	stopGrace = 10 * time.Second
	// dirMode lets others pass but not look: under root, PostgreSQL runs as
	// another user and has to get through to its own folder.
	dirMode   = 0o711
	saveEvery = 2 * time.Second // what a killed stack forgets of the simulator, at most
)

// Options say what to bring up.
type Options struct {
	// Dir keeps the state. Empty means a temporary folder that Stop deletes.
	Dir string
	// Debrief is the path of the debrief binary. Empty leaves it out: then the
	// stack is only what is around it.
	Debrief string
	// Ports to use; the zero value chooses: with a Dir those of the last run, or
	// else the usual ones, and without a Dir any.
	Ports Ports
	// Fast lets PostgreSQL forget on a power cut. For tests.
	Fast bool
	// NoUI leaves Temporal's UI out.
	NoUI bool
	// Prepare fills the simulator before it is used: with apps and, where
	// nothing was kept (fresh), with accounts and records. publicURL is
	// Debrief's, for redirect URLs.
	Prepare func(simulator *hubspottest.Server, fresh bool, publicURL string) error
	// Progress is told of each thing that is brought up; what it returns is
	// called when that is done. Nil tells nobody.
	Progress func(title string) (done func(detail string, err error))
	// Output gets the log lines of Debrief's processes. Nil discards them.
	Output io.Writer
	// Env is added to the environment of Debrief's processes: KEY=value.
	Env []string
	// Receivers and Workers are how many of each run side by side. 0 means one.
	Receivers, Workers int
	// Between is asked before each start of one of Debrief's processes ("serve",
	// "serve-2", "worker" …) for what is added to its environment alone, such as
	// addresses of proxies between it and what it needs. Commands go without.
	Between func(s *Stack, name string) ([]string, error)
	// TemporalProgram, a path with arguments, runs Temporal as a process of its own,
	// so that it can be killed: it has to do what [TemporalProgram] does. Empty
	// means in this process. There is no UI then.
	TemporalProgram []string
}

// A Stack is what was brought up. Its fields are there once [Start] returned.
type Stack struct {
	Postgres  *pgserver.Server
	Simulator *hubspottest.Server
	// Temporal is nil where it is a process of its own.
	Temporal *temporaldev.Server
	Ports    Ports
	// Moved says, in a sentence each, which ports are not where one would look
	// for them.
	Moved []string

	opts    Options
	dir     string
	lock    *os.File
	logFile *os.File
	saving  chan struct{} // closed to end the saver; nil: there is none
	saved   chan struct{} // closed when the saver ended

	simulating         bool // the simulator is up
	databaseURL        string
	receivers, workers []*Instance
	temporal           *Instance // nil: in this process
}

// Start brings everything up, in order: PostgreSQL, the simulator, Temporal,
// the database's schema, the receiver and the worker. When something fails,
// what was up is taken down again.
func Start(ctx context.Context, opts Options) (*Stack, error) {
	s := &Stack{opts: opts}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context) error {
	if err := s.openDir(); err != nil {
		return err
	}
	if err := s.settlePorts(); err != nil {
		return err
	}
	if err := s.placeInstances(); err != nil {
		return err
	}
	type step struct {
		title string
		run   func(context.Context) (detail string, err error)
	}
	steps := []step{
		{"PostgreSQL", s.startPostgres},
		{"HubSpot simulator", s.startSimulator},
		{"Temporal server", s.startTemporal},
	}
	if s.opts.Debrief != "" {
		steps = append(steps,
			step{"Debrief: keys and database schema", s.prepareDebrief},
		)
		for _, i := range s.receivers {
			steps = append(steps, step{"Debrief: receiver" + i.number(), func(ctx context.Context) (string, error) { return i.URL(), i.Start(ctx) }})
		}
		for _, i := range s.workers {
			steps = append(steps, step{"Debrief: worker" + i.number(), func(ctx context.Context) (string, error) { return "", i.Start(ctx) }})
		}
	}
	for _, step := range steps {
		done := s.progress(step.title)
		detail, err := step.run(ctx)
		done(detail, err)
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) progress(title string) func(string, error) {
	if s.opts.Progress == nil {
		return func(string, error) {}
	}
	return s.opts.Progress(title)
}

// openDir makes the state folder and locks it: two stacks on one would destroy
// each other's state.
func (s *Stack) openDir() error {
	if s.opts.Dir == "" {
		dir, err := os.MkdirTemp("", "debrief-")
		if err != nil {
			return fmt.Errorf("making a temporary folder: %w", err)
		}
		s.dir = dir
		if err := os.Chmod(dir, dirMode); err != nil {
			return fmt.Errorf("opening the temporary folder: %w", err)
		}
	} else {
		dir, err := filepath.Abs(s.opts.Dir)
		if err != nil {
			return fmt.Errorf("finding the folder %s: %w", s.opts.Dir, err)
		}
		if err := os.MkdirAll(dir, dirMode); err != nil {
			return fmt.Errorf("making the folder for the state: %w", err)
		}
		s.dir = dir
	}
	lock, err := lockDir(s.dir)
	if err != nil {
		return err
	}
	s.lock = lock
	log, err := os.OpenFile(s.path("temporal.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("opening Temporal's log: %w", err)
	}
	s.logFile = log
	return nil
}

// lastWords drops what Temporal's server says once its log is closed: some of its
// goroutines outlive its end by moments.
type lastWords struct{ *os.File }

func (l lastWords) Write(p []byte) (int, error) {
	n, err := l.File.Write(p)
	if errors.Is(err, os.ErrClosed) {
		return len(p), nil
	}
	return n, err
}

// lockDir keeps other processes off a state folder until the file is closed,
// or this process is gone.
func lockDir(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of %s: %w", dir, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		return nil, fmt.Errorf("another stack runs on %s: stop that one first, or use another folder", dir)
	}
	return lock, nil
}

func (s *Stack) path(name string) string { return filepath.Join(s.dir, name) }

func (s *Stack) settlePorts() error {
	last, err := readPorts(s.dir)
	if err != nil {
		return err
	}
	if s.opts.Dir == "" {
		// Tests run many stacks at once: none should want what another one let
		// go of a moment ago.
		if last, err = anyPorts(); err != nil {
			return err
		}
	}
	if s.Ports, s.Moved, err = choosePorts(s.opts.Ports, last); err != nil {
		return err
	}
	return writePorts(s.dir, s.Ports)
}

func (s *Stack) startPostgres(ctx context.Context) (string, error) {
	server, err := pgserver.Start(ctx, pgserver.Options{Dir: s.path("postgres"), Port: s.Ports.Postgres, Fast: s.opts.Fast})
	if err != nil {
		return "", err
	}
	s.Postgres = server
	if s.databaseURL == "" {
		s.databaseURL = server.URL(database) // password and port stay over restarts
	}
	return addr(s.Ports.Postgres), server.CreateDatabase(ctx, database)
}

func (s *Stack) startSimulator(context.Context) (string, error) {
	simulator := hubspottest.NewUnstartedServer(hubspottest.Options{})
	err := simulator.Load(s.path("simulator.json"))
	fresh := errors.Is(err, fs.ErrNotExist)
	if err != nil && !fresh {
		return "", err
	}
	if s.opts.Prepare != nil {
		if err := s.opts.Prepare(simulator, fresh, s.PublicURL()); err != nil {
			return "", fmt.Errorf("filling the HubSpot simulator: %w", err)
		}
	}
	if err := simulator.Start(addr(s.Ports.Simulator)); err != nil {
		return "", fmt.Errorf("starting the HubSpot simulator: %w", err)
	}
	s.Simulator, s.simulating = simulator, true
	if s.opts.Dir != "" { // else nobody ever reads it
		s.saving, s.saved = make(chan struct{}), make(chan struct{})
		go s.keepSaving()
	}
	return simulator.URL, nil
}

// keepSaving writes the simulator's state down now and then, so that it and
// the database tell the same story after a kill.
func (s *Stack) keepSaving() {
	defer close(s.saved)
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.Simulator.Save(s.path("simulator.json")); err != nil && s.opts.Output != nil {
				_, _ = fmt.Fprintf(s.opts.Output, "simulator | %s\n", err)
			}
		case <-s.saving:
			return
		}
	}
}

func (s *Stack) startTemporal(ctx context.Context) (string, error) {
	if s.temporal != nil {
		return s.TemporalAddr(), s.temporal.Start(ctx)
	}
	opts := temporaldev.Options{
		Dir:        s.path("temporal"),
		Port:       s.Ports.Temporal,
		Namespaces: []string{Namespace},
		Log:        lastWords{s.logFile},
	}
	if !s.opts.NoUI {
		opts.UI = &temporaldev.UIOptions{
			Port:             s.Ports.TemporalUI,
			DefaultNamespace: Namespace,
			Codec: temporaldev.CodecOptions{
				Endpoint: s.PublicURL() + "/codec",
				// The browser's session at Debrief opens what is sealed.
				IncludeCredentials: true,
				ErrorMessage:       "Debrief keeps these words sealed: sign in to it in this browser (debrief sign-in prints a link), then reload.",
				ErrorLink:          s.PublicURL() + "/",
			},
		}
	}
	server, err := temporaldev.Start(ctx, opts)
	if err != nil {
		return "", err
	}
	s.Temporal = server
	if s.opts.NoUI {
		return server.FrontendAddr(), nil
	}
	return server.FrontendAddr() + ", " + server.UIURL(), nil
}

// PublicURL is where Debrief's receiver and pages are.
func (s *Stack) PublicURL() string { return "http://" + addr(s.Ports.Debrief) }

// TemporalAddr is the host and port of Temporal's frontend.
func (s *Stack) TemporalAddr() string { return addr(s.Ports.Temporal) }

// TemporalUIURL is where Temporal's UI is, or would be.
func (s *Stack) TemporalUIURL() string { return "http://" + addr(s.Ports.TemporalUI) }

// Env is the environment of Debrief's processes, and of its commands: this
// process's without its own DEBRIEF settings, and with the stack's. It holds
// the database's password.
func (s *Stack) Env() []string {
	env := slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "DEBRIEF_") })
	env = append(env,
		"DEBRIEF_DATABASE_URL="+s.databaseURL,
		"DEBRIEF_TEMPORAL_ADDRESS="+s.TemporalAddr(),
		"DEBRIEF_TEMPORAL_NAMESPACE="+Namespace,
		"DEBRIEF_TEMPORAL_UI_URL="+s.TemporalUIURL(),
		"DEBRIEF_KEYSET_FILE="+s.path("keyset.json"),
		"DEBRIEF_LISTEN="+addr(s.Ports.Debrief),
		"DEBRIEF_PUBLIC_URL="+s.PublicURL(),
		"DEBRIEF_HEALTH_LISTEN="+addr(s.Ports.Worker),
		"DEBRIEF_STOP_TIMEOUT=5s",
		"DEBRIEF_HUBSPOT_BASE_URL="+s.Simulator.URL,
		"DEBRIEF_HUBSPOT_AUTHORIZE_URL="+s.Simulator.URL+"/oauth/authorize",
		// A simulator on this machine is never slow by itself: what is lost is
		// known to be lost soon.
		"DEBRIEF_HUBSPOT_CALL_TIMEOUT=3s",
		"DEBRIEF_HUBSPOT_LATE_COMMIT=2s",
		// As are models, which are scripted.
		"DEBRIEF_MODEL_TIMEOUT=6s",
	)
	return append(env, s.opts.Env...)
}

// DatabaseURL is the database of Debrief, with its password.
func (s *Stack) DatabaseURL() string { return s.databaseURL }

// Run runs one of Debrief's commands to its end and returns what it printed on
// standard output. The error carries what it said on standard error.
func (s *Stack) Run(ctx context.Context, args ...string) ([]byte, error) {
	return s.RunWith(ctx, nil, args...)
}

// RunWith is Run with something on the command's standard input: a secret has
// no business among the arguments.
func (s *Stack) RunWith(ctx context.Context, stdin io.Reader, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, s.opts.Debrief, args...)
	cmd.Env = s.Env()
	cmd.Stdin = stdin
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("debrief %s: %w: %s", args[0], err, strings.TrimSpace(errs.String()))
	}
	return out.Bytes(), nil
}

// prepareDebrief makes the keyset, unless there is one, and brings the
// database up to date.
func (s *Stack) prepareDebrief(ctx context.Context) (string, error) {
	if _, err := os.Stat(s.path("keyset.json")); errors.Is(err, fs.ErrNotExist) {
		if _, err := s.Run(ctx, "keys", "generate", s.path("keyset.json")); err != nil {
			return "", err
		}
	}
	_, err := s.Run(ctx, "migrate")
	return "", err
}

// StartServe starts the receiver, or of several the first, and waits until it is ready.
// [Start] does so; it is for a test that has killed it.
func (s *Stack) StartServe(ctx context.Context) error { return s.receivers[0].Start(ctx) }

// StartWorker starts the worker, or of several the first, and waits until it is ready,
// as [Stack.StartServe] does the receiver.
func (s *Stack) StartWorker(ctx context.Context) error { return s.workers[0].Start(ctx) }

// Receivers are the processes that receive webhooks and serve the pages; there is one
// at least.
func (s *Stack) Receivers() []*Instance { return s.receivers }

// Workers are the processes that work; there is one at least.
func (s *Stack) Workers() []*Instance { return s.workers }

// TemporalInstance is Temporal where it is a process of its own; else nil.
func (s *Stack) TemporalInstance() *Instance { return s.temporal }

// StartPostgres starts PostgreSQL again after a test has stopped or killed it:
// on the same port, with the same password and data. s.Postgres is the new one.
func (s *Stack) StartPostgres(ctx context.Context) error {
	_ = s.Postgres.Stop() // lets go of the folder
	_, err := s.startPostgres(ctx)
	return err
}

// Wait waits until ctx ends, and returns nil, or until something of the stack
// ends by itself, and returns what that was.
func (s *Stack) Wait(ctx context.Context) error {
	var serve, worker <-chan struct{} // never, if there is none
	if p := s.Serve(); p != nil {
		serve = p.Exited()
	}
	if p := s.Worker(); p != nil {
		worker = p.Exited()
	}
	select {
	case <-ctx.Done():
		return nil
	case <-serve:
		return cmp.Or(s.Serve().Err(), errors.New("the receiver ended by itself"))
	case <-worker:
		return cmp.Or(s.Worker().Err(), errors.New("the worker ended by itself"))
	case <-s.Postgres.Exited():
		return fmt.Errorf("PostgreSQL ended by itself; its log is %s", filepath.Join(s.Postgres.Dir(), "postgres.log"))
	}
}

// Serve is the receiver's process, of several the first one's, the last that was
// started; nil if there was none.
func (s *Stack) Serve() *process.Process { return s.receivers[0].Process() }

// Worker is the worker's process, of several the first one's, the last that was
// started; nil if there was none.
func (s *Stack) Worker() *process.Process { return s.workers[0].Process() }

// Stop takes everything down, in the opposite order, and returns what went
// wrong. Everything is taken down in any case. It may be called again.
func (s *Stack) Stop() error {
	var errs []error
	for _, i := range slices.Concat(s.workers, s.receivers) {
		errs = append(errs, i.stop())
	}
	if s.temporal != nil {
		errs = append(errs, s.temporal.stop())
	}
	if s.Temporal != nil {
		errs = append(errs, s.Temporal.Stop())
	}
	if s.simulating {
		s.simulating = false
		if s.saving != nil {
			close(s.saving)
			<-s.saved
		}
		s.Simulator.Close()
		if s.saving != nil {
			errs = append(errs, s.Simulator.Save(s.path("simulator.json")))
		}
	}
	if s.Postgres != nil {
		errs = append(errs, s.Postgres.Stop())
	}
	if s.opts.Dir == "" && s.dir != "" {
		errs = append(errs, remove(s.dir))
	}
	for _, file := range []*os.File{s.logFile, s.lock} {
		if file != nil {
			_ = file.Close()
		}
	}
	return errors.Join(errs...)
}

// Clean deletes what a stack kept in dir, if there is anything. It refuses
// while the stack runs.
func Clean(dir string) error {
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	lock, err := lockDir(dir)
	if err != nil {
		return err
	}
	defer func() { _ = lock.Close() }()
	return remove(dir)
}

func remove(dir string) error {
	// PostgreSQL's part may be elsewhere.
	if err := pgserver.Remove(filepath.Join(dir, "postgres")); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("deleting %s: %w", dir, err)
	}
	return nil
}

func addr(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }
