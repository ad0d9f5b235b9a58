package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/log"

	"github.com/debriefhq/debrief/store"
)

// jsonFlag is on every command that shows something.
type jsonFlag struct {
	JSON bool `help:"Print JSON, for scripts." name:"json"`
}

// show prints v as JSON, or by text as people read it.
func (a *app) show(asJSON bool, v any, text func()) error {
	if !asJSON {
		text()
		return nil
	}
	encoder := json.NewEncoder(a.out)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(v); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}

// done says what was done, as one sentence or as JSON with it.
func (a *app) done(asJSON bool, format string, args ...any) error {
	sentence := fmt.Sprintf(format, args...)
	return a.show(asJSON, map[string]string{"done": sentence}, func() { a.say("%s", sentence) })
}

// say prints a line for people.
func (a *app) say(format string, args ...any) { _, _ = fmt.Fprintf(a.out, format+"\n", args...) }

// table prints rows in columns that line up; the first row is the heading.
// Nothing but a heading prints what to do instead.
func (a *app) table(empty string, rows [][]string) {
	if len(rows) <= 1 {
		a.say("%s", empty)
		return
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush()
}

func ago(t time.Time) string {
	switch d := time.Since(t); {
	case t.IsZero():
		return "never"
	case d < 0:
		return "in " + round(-d)
	default:
		return round(d) + " ago"
	}
}

func round(d time.Duration) string {
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case d < time.Hour:
		return d.Round(time.Minute).String()
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}

func isRefusal(err error) bool {
	var refusal *store.Refusal
	return errors.As(err, &refusal)
}

func temporalLogger(l zerolog.Logger) log.Logger {
	return log.NewStructuredLogger(slog.New(zerolog.NewSlogHandler(l.With().Str("part", "temporal").Logger())))
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }
