package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/debriefhq/debrief/devstack/measure"
	"github.com/debriefhq/debrief/devstack/story"
)

// Machine is where and when something was measured.
type Machine struct {
	At         time.Time `json:"at"`
	Processors int       `json:"processors"`
	Processor  string    `json:"processor,omitempty"`
	MemoryMiB  int       `json:"memory_mib,omitempty"`
	Kernel     string    `json:"kernel,omitempty"`
	Go         string    `json:"go"`
	PostgreSQL string    `json:"postgresql"`
	Fsync      string    `json:"fsync"`
	// Load is how many processes wanted a processor in the minute before, others'
	// included.
	Load string `json:"load_before"`
}

// Describe describes this machine and a database's server. It refuses one that would
// forget on a power cut: what would be measured is nothing.
func Describe(ctx context.Context, db *pgxpool.Pool) (Machine, error) {
	m := Machine{At: time.Now().UTC().Truncate(time.Second), Processors: runtime.NumCPU(), Go: runtime.Version()}
	// Where there is no /proc, these say nothing.
	m.Processor = procLine("/proc/cpuinfo", "model name")
	kib, _ := strconv.Atoi(strings.TrimSuffix(procLine("/proc/meminfo", "MemTotal"), " kB"))
	m.MemoryMiB = kib / 1024
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	m.Kernel = strings.TrimSpace(string(kernel))
	load, _ := os.ReadFile("/proc/loadavg")
	m.Load, _, _ = strings.Cut(string(load), " ")
	err := db.QueryRow(ctx, `select current_setting('server_version'), current_setting('fsync')`).Scan(&m.PostgreSQL, &m.Fsync)
	if err != nil {
		return m, fmt.Errorf("asking PostgreSQL for its settings: %w", err)
	}
	if m.Fsync != "on" {
		return m, errors.New("PostgreSQL's fsync is off: what would be measured is nothing")
	}
	return m, nil
}

// procLine is what follows the first "name:" in a file; empty if there is none.
func procLine(path, name string) string {
	raw, _ := os.ReadFile(path)
	for line := range strings.Lines(string(raw)) {
		if before, after, found := strings.Cut(line, ":"); found && strings.TrimSpace(before) == name {
			return strings.TrimSpace(after)
		}
	}
	return ""
}

// String is the machine in a line.
func (m Machine) String() string {
	return fmt.Sprintf("%d processors (%s), %d MiB, Linux %s, %s, PostgreSQL %s with fsync %s, load %s before",
		m.Processors, m.Processor, m.MemoryMiB, m.Kernel, m.Go, m.PostgreSQL, m.Fsync, m.Load)
}

// Latency is how long some things took.
type Latency struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50_ms"`
	P99 float64 `json:"p99_ms"`
	Max float64 `json:"max_ms"`
}

// Took summarizes durations; it sorts them.
func Took(all []time.Duration) Latency {
	slices.Sort(all)
	return Latency{N: len(all), P50: Milliseconds(measure.Percentile(all, 50)), P99: Milliseconds(measure.Percentile(all, 99)), Max: Milliseconds(measure.Percentile(all, 100))}
}

// Milliseconds has two digits after the point.
func Milliseconds(d time.Duration) float64 { return math.Round(d.Seconds()*1e5) / 100 }

// Round leaves so many digits after the point.
func Round(f float64, digits int) float64 {
	scale := math.Pow10(digits)
	return math.Round(f*scale) / scale
}

// Median is the middle one, of an even number the lower of both; 0 of none.
func Median(of []float64) float64 {
	if len(of) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(of))
	return sorted[(len(sorted)-1)/2]
}

// MedianOf is the median of something that several rounds have.
func MedianOf[T any](rounds []T, what func(T) float64) float64 {
	all := make([]float64, 0, len(rounds))
	for _, r := range rounds {
		all = append(all, what(r))
	}
	return Median(all)
}

// A Goal is something that was measured, with what it should be.
type Goal struct {
	What string  `json:"what"`
	Got  float64 `json:"got"`
	Goal float64 `json:"goal"`
	// AtLeast: more is better.
	AtLeast bool `json:"at_least,omitempty"`
	// Unit is put behind both numbers: " ms", " MiB", "×".
	Unit string `json:"unit,omitempty"`
	Met  bool   `json:"met"`
}

// AtMost is a goal for what should be small.
func AtMost(what string, got, goal float64, unit string) Goal {
	return Goal{What: what, Got: Round(got, 2), Goal: goal, Unit: unit, Met: got <= goal}
}

// AtLeast is a goal for what should be large.
func AtLeast(what string, got, goal float64, unit string) Goal {
	return Goal{What: what, Got: Round(got, 2), Goal: goal, AtLeast: true, Unit: unit, Met: got >= goal}
}

// PrintGoals prints what was measured with the goals beside.
func PrintGoals(tell *story.Story, goals []Goal) {
	rows := [][]string{{"", "measured", "goal", ""}}
	for _, g := range goals {
		bound, word := "≤ ", "met"
		if g.AtLeast {
			bound = "≥ "
		}
		if !g.Met {
			word = "MISSED"
		}
		rows = append(rows, []string{g.What, Number(g.Got) + g.Unit, bound + Number(g.Goal) + g.Unit, word})
	}
	tell.Table(rows...)
}

// Number writes a number with as few digits as it needs.
func Number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
