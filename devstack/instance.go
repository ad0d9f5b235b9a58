package devstack

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/debriefhq/debrief/devstack/process"
	"github.com/debriefhq/debrief/internal/freeport"
)

// An Instance is one program of a stack, over however many processes it runs as:
// whoever kills one may start the next. Its methods may be called from any goroutine.
type Instance struct {
	// Name stands before its log lines: "serve", "serve-2", "worker", "temporal".
	Name string
	// Port is where /readyz answers on 127.0.0.1.
	Port int

	options func() (process.Options, error)

	mu      sync.Mutex
	process *process.Process
}

// Process is the last one that was started; nil if there was none.
func (i *Instance) Process() *process.Process {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.process
}

// URL is where its port is.
func (i *Instance) URL() string { return "http://" + addr(i.Port) }

// number tells it from its like; the first has none.
func (i *Instance) number() string {
	if _, n, found := strings.Cut(i.Name, "-"); found {
		return " " + n
	}
	return ""
}

// Launch starts a process, and doesn't wait until it is ready: what it needs may be
// away.
func (i *Instance) Launch() error {
	opts, err := i.options()
	if err != nil {
		return fmt.Errorf("preparing %s: %w", i.Name, err)
	}
	opts.Name = i.Name
	p, err := process.Start(opts)
	if err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.process = p
	return nil
}

// Start starts a process and waits until it is ready.
func (i *Instance) Start(ctx context.Context) error {
	if err := i.Launch(); err != nil {
		return err
	}
	return i.WaitReady(ctx)
}

// WaitReady waits, for half a minute at most, until its last process is ready.
func (i *Instance) WaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	return i.Process().WaitReady(ctx, i.URL()+"/readyz")
}

func (i *Instance) stop() error {
	if p := i.Process(); p != nil {
		return p.Stop(stopGrace)
	}
	return nil
}

// placeInstances makes the instances of the stack, without starting any: the first
// receiver and the first worker have their ports in s.Ports, all others any.
func (s *Stack) placeInstances() error {
	for _, kind := range []struct {
		command, listen string
		first, n        int
		all             *[]*Instance
	}{
		{"serve", "DEBRIEF_LISTEN", s.Ports.Debrief, s.opts.Receivers, &s.receivers},
		{"worker", "DEBRIEF_HEALTH_LISTEN", s.Ports.Worker, s.opts.Workers, &s.workers},
	} {
		more, err := s.otherPorts(max(kind.n-1, 0))
		if err != nil {
			return err
		}
		for n, port := range append([]int{kind.first}, more...) {
			i := &Instance{Name: kind.command, Port: port}
			if n > 0 {
				i.Name += "-" + strconv.Itoa(n+1)
			}
			i.options = func() (process.Options, error) {
				env := append(s.Env(), kind.listen+"="+addr(port))
				if s.opts.Between != nil {
					own, err := s.opts.Between(s, i.Name)
					if err != nil {
						return process.Options{}, err
					}
					env = append(env, own...)
				}
				return process.Options{Path: s.opts.Debrief, Args: []string{kind.command}, Env: env, Output: s.opts.Output}, nil
			}
			*kind.all = append(*kind.all, i)
		}
	}
	if len(s.opts.TemporalProgram) == 0 {
		return nil
	}
	health, err := s.otherPorts(1)
	if err != nil {
		return err
	}
	s.temporal = &Instance{Name: "temporal", Port: health[0], options: func() (process.Options, error) {
		args := append(s.opts.TemporalProgram[1:len(s.opts.TemporalProgram):len(s.opts.TemporalProgram)],
			"--dir", s.path("temporal"), "--port", strconv.Itoa(s.Ports.Temporal), "--health", strconv.Itoa(health[0]))
		return process.Options{Path: s.opts.TemporalProgram[0], Args: args, Output: lastWords{s.logFile}}, nil
	}}
	return nil
}

// otherPorts are n free ones that nothing of the stack wants.
func (s *Stack) otherPorts(n int) ([]int, error) {
	taken := map[int]bool{}
	for _, place := range s.Ports.named() {
		taken[*place.port] = true
	}
	for _, i := range slices.Concat(s.receivers, s.workers) {
		taken[i.Port] = true
	}
	for {
		found, err := freeport.Find(n)
		if err != nil || !slices.ContainsFunc(found, func(port int) bool { return taken[port] }) {
			return found, err
		}
	}
}
