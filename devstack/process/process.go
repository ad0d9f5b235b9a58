package process

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/debriefhq/debrief/internal/child"
)

const (
	keptLines     = 200
	maxLineBytes  = 16 << 10 // longer lines are cut
	readyInterval = 20 * time.Millisecond
	// killWait bounds the wait for a process that got SIGKILL.
	killWait = 10 * time.Second
	// outputWait bounds the wait for output that a grandchild still holds open.
	outputWait = 2 * time.Second
)

// Options say what to run.
type Options struct {
	// Name stands in errors and before each line of output.
	Name string
	// Path of the program, and its arguments without the name.
	Path string
	Args []string
	// Env is the whole environment, as "KEY=value". Nil means this process's.
	Env []string
	// Output gets every line of standard output and standard error, as
	// "name | line". It is written to from one goroutine at a time. Nil
	// discards them.
	Output io.Writer
}

// A Process is a running or ended child. Its methods may be called from any
// goroutine.
type Process struct {
	name  string
	child *child.Process
	lines *lines
}

// Start starts a program.
func Start(opts Options) (*Process, error) {
	lines := &lines{prefix: opts.Name + " | ", out: opts.Output}
	cmd := exec.Command(opts.Path, opts.Args...)
	cmd.Env = opts.Env
	cmd.Stdout, cmd.Stderr = lines, lines // the same writer: one goroutine writes
	cmd.WaitDelay = outputWait
	// SIGKILL, since nobody is left to wait for a graceful end.
	c, err := child.Start(cmd, syscall.SIGKILL)
	if err != nil {
		return nil, fmt.Errorf("running %s: %w", opts.Name, err)
	}
	return &Process{name: opts.Name, child: c, lines: lines}, nil
}

// Pid is the process ID.
func (p *Process) Pid() int { return p.child.Pid() }

// Exited is closed when the program has ended and its output has been read.
func (p *Process) Exited() <-chan struct{} { return p.child.Exited() }

// Err says how the program ended, with its last lines: nil while it runs and
// for exit code 0.
func (p *Process) Err() error {
	if err := p.child.Err(); err != nil {
		return p.ended(err)
	}
	return nil
}

// Tail returns the last lines of output, at most 200, oldest first.
func (p *Process) Tail() []string { return p.lines.tail() }

// WaitReady asks url until it answers 200. It gives up when ctx ends or when
// the program does.
func (p *Process) WaitReady(ctx context.Context, url string) error {
	last := errors.New("not asked yet")
	ticker := time.NewTicker(readyInterval)
	defer ticker.Stop()
	for {
		select {
		case <-p.Exited():
			return p.ended(p.child.Err())
		default:
		}
		if last = ask(ctx, url); last == nil {
			return nil
		}
		select {
		case <-p.Exited():
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%s is not ready: %w (%w)%s", p.name, last, context.Cause(ctx), p.said())
		}
	}
}

func ask(ctx context.Context, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, response.Status)
	}
	return nil
}

// Stop asks the program to end (SIGTERM), waits for grace, and then kills it.
// The error says how it ended if that was not exit code 0. It is no error if it
// had ended before.
func (p *Process) Stop(grace time.Duration) error {
	select {
	case <-p.Exited():
		return nil
	default:
	}
	if err := p.child.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stopping %s: %w", p.name, err)
	}
	if p.child.Wait(grace) {
		return p.Err()
	}
	if err := p.Kill(); err != nil {
		return err
	}
	return fmt.Errorf("%s did not end within %s and was killed%s", p.name, grace, p.said())
}

// Kill ends the program at once (SIGKILL), as a crash would, and waits until it
// is gone.
func (p *Process) Kill() error {
	if err := p.child.Signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing %s: %w", p.name, err)
	}
	if !p.child.Wait(killWait) {
		return fmt.Errorf("killing %s: process %d does not end", p.name, p.Pid())
	}
	return nil
}

func (p *Process) ended(err error) error {
	if err == nil {
		return fmt.Errorf("%s ended by itself%s", p.name, p.said())
	}
	return fmt.Errorf("%s ended: %w%s", p.name, err, p.said())
}

func (p *Process) said() string {
	tail := p.Tail()
	if len(tail) == 0 {
		return "; it printed nothing"
	}
	const most = 20
	if len(tail) > most {
		tail = tail[len(tail)-most:]
	}
	return "; its last lines:\n" + strings.Join(tail, "\n")
}

// lines cuts what is written to it into lines, passes them on, and keeps the
// last ones.
type lines struct {
	prefix string
	out    io.Writer

	mu      sync.Mutex
	partial []byte
	kept    []string
}

func (l *lines) Write(chunk []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(chunk)
	for {
		end := bytes.IndexByte(chunk, '\n')
		if end < 0 {
			l.append(chunk)
			return n, nil
		}
		l.append(chunk[:end])
		l.flush()
		chunk = chunk[end+1:]
	}
}

func (l *lines) append(part []byte) {
	room := maxLineBytes - len(l.partial)
	l.partial = append(l.partial, part[:min(len(part), max(room, 0))]...)
}

func (l *lines) flush() {
	line := string(bytes.TrimRight(l.partial, "\r"))
	l.partial = l.partial[:0]
	l.kept = append(l.kept, line)
	if len(l.kept) > keptLines {
		l.kept = l.kept[1:]
	}
	if l.out != nil {
		// A broken terminal is no reason to block or end the program.
		_, _ = io.WriteString(l.out, l.prefix+line+"\n")
	}
}

// tail includes a last line that has no end yet.
func (l *lines) tail() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := append([]string(nil), l.kept...)
	if len(l.partial) > 0 {
		all = append(all, string(l.partial))
	}
	return all
}
