package story

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

const (
	titleWidth = 44 // columns for what a step does; its detail follows
	// movesAfter spares quick steps the flicker of a progress line.
	movesAfter = 200 * time.Millisecond
	movesEvery = 100 * time.Millisecond
)

// A Story writes to one terminal or file. Its methods may be called from any
// goroutine; while a step runs, other output appears above it.
type Story struct {
	moves  bool // a terminal: lines may be rewritten
	colour bool

	mu      sync.Mutex
	out     io.Writer
	current *Step
}

// New tells a story on file, with movement if that is a terminal and with
// colour unless the environment says NO_COLOR (https://no-color.org) or the
// terminal is dumb.
func New(file *os.File) *Story {
	tty := term.IsTerminal(int(file.Fd())) && os.Getenv("TERM") != "dumb"
	return &Story{out: file, moves: tty, colour: tty && os.Getenv("NO_COLOR") == ""}
}

// Plain tells a story on w, without colour and movement.
func Plain(w io.Writer) *Story { return &Story{out: w} }

// Chapter begins a part of the story.
func (s *Story) Chapter(title string) {
	s.print("\n" + s.paint(bold, title) + "\n")
}

// Say writes one line of text.
func (s *Story) Say(format string, args ...any) {
	s.print("  " + fmt.Sprintf(format, args...) + "\n")
}

// Table writes rows with aligned columns.
func (s *Story) Table(rows ...[]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := "  "
		for i, cell := range row {
			line += pad(cell, widths[i]) + "  "
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	s.print(b.String())
}

// Write passes other output on, so that the log of a program appears above a
// step that is running. It must be given whole lines.
func (s *Story) Write(p []byte) (int, error) {
	s.print(s.paint(dim, strings.TrimSuffix(string(p), "\n")) + "\n")
	return len(p), nil
}

// A Step is something that takes time.
type Step struct {
	story   *Story
	title   string
	started time.Time
	stop    chan struct{} // nil when nothing moves
	stopped chan struct{}
}

// Step begins something that takes time. One step runs at a time. Done or
// Failed must be called.
func (s *Story) Step(title string) *Step {
	step := &Step{story: s, title: title, started: time.Now()}
	s.mu.Lock()
	s.current = step
	s.mu.Unlock()
	if s.moves {
		step.stop, step.stopped = make(chan struct{}), make(chan struct{})
		go step.move()
	}
	return step
}

// Long tells that the step may take long, and why: where nothing moves, people
// would otherwise look at nothing.
func (st *Step) Long(why string) *Step {
	st.story.print(st.story.paint(dim, "  … "+st.title+": "+why) + "\n")
	return st
}

// Done ends the step well. The detail, which may be empty, says what came of it.
func (st *Step) Done(detail string) { st.end(green, "✓", detail) }

// Failed ends the step badly, in one line; the whole error is for the caller
// to show.
func (st *Step) Failed(err error) {
	line, _, _ := strings.Cut(err.Error(), "\n")
	st.end(red, "✗", line)
}

func (st *Step) end(colour, mark, detail string) {
	s := st.story
	if st.stop != nil {
		close(st.stop)
		<-st.stopped
	}
	s.mu.Lock()
	s.current = nil
	s.mu.Unlock()
	took := duration(time.Since(st.started))
	line := "  " + s.paint(colour, mark) + " " + pad(st.title, titleWidth)
	line += " " + s.paint(dim, fmt.Sprintf("%7s", took))
	if detail != "" {
		line += "  " + detail
	}
	s.print(strings.TrimRight(line, " ") + "\n")
}

var frames = [...]string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"}

// move redraws the running step's line until it ends.
func (st *Step) move() {
	defer close(st.stopped)
	wait := time.NewTimer(movesAfter)
	defer wait.Stop()
	for i := 0; ; i++ {
		select {
		case <-st.stop:
			return
		case <-wait.C:
		}
		st.story.mu.Lock()
		st.story.draw(frames[i%len(frames)])
		st.story.mu.Unlock()
		wait.Reset(movesEvery)
	}
}

// draw shows the running step; the line has no end, so that the next output
// takes its place. s.mu is held.
func (s *Story) draw(frame string) {
	st := s.current
	if st == nil {
		return
	}
	took := duration(time.Since(st.started).Truncate(100 * time.Millisecond))
	_, _ = fmt.Fprintf(s.out, "%s  %s %s %s", clearLine, s.paint(cyan, frame), pad(st.title, titleWidth), s.paint(dim, fmt.Sprintf("%7s", took)))
}

func (s *Story) print(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moves {
		text = clearLine + text
	}
	_, _ = io.WriteString(s.out, text)
}

// duration is short and of steady width: 4ms, 1.2s, 2m05s.
func duration(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Truncate(100*time.Millisecond).Seconds())
	default:
		d = d.Truncate(time.Second)
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

const (
	clearLine = "\r\x1b[2K"

	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
	cyan  = "36"
)

func (s *Story) paint(code, text string) string {
	if !s.colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
