package chaos

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Fault is one thing that is done to the system.
type Fault struct {
	// At is when, after the load's beginning; For how long it lasts, or the program
	// stays down.
	At, For time.Duration
	// Kind is what: the names below.
	Kind string
	// Target is whom: a process, "process/what it needs", or an organization's number.
	Target string
	// How is the way in which it is done, Amount how much of it.
	How    string
	Amount int
}

// String is one line of the schedule.
func (f Fault) String() string {
	words := []string{fmt.Sprintf("%7.1fs", f.At.Seconds()), f.Kind, f.Target, f.How}
	if f.Amount != 0 {
		words = append(words, fmt.Sprint(f.Amount))
	}
	if f.For != 0 {
		words = append(words, "for "+f.For.Round(time.Millisecond).String())
	}
	return strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), " ")
}

// The kinds of faults.
const (
	Kill       = "kill -9"
	Pause      = "pause"
	Postgres   = "PostgreSQL"
	Connection = "connection"
	HubSpot    = "HubSpot answers"
	Grant      = "grant"
	Permission = "permission"
)

// isKill says whether something counts as a kill.
func isKill(kind string) bool {
	return strings.HasPrefix(kind, Kill) || strings.HasPrefix(kind, Postgres)
}

// How often things are done, on average.
const (
	killEvery  = 4500 * time.Millisecond
	breakEvery = 1800 * time.Millisecond
	// calm is left at the beginning and at the end.
	calm = 2 * time.Second
)

var (
	receiverNames = []string{"serve", "serve-2"}
	workerNames   = []string{"worker", "worker-2"}
)

// Schedule draws what is done to the system, from the seed alone.
func Schedule(seed uint64, organizations int, load time.Duration) []Fault {
	r := rand.New(rand.NewPCG(seed, 2)) //nolint:gosec // a draw that can be repeated
	var all []Fault
	span := func(least, most time.Duration) time.Duration {
		return least + time.Duration(r.Int64N(int64(most-least)))
	}
	for at := calm; at < load-calm; at += span(killEvery/2, killEvery*3/2) {
		f := Fault{At: at, Kind: Kill, For: span(100*time.Millisecond, 2*time.Second)}
		switch draw := r.IntN(100); {
		case draw < 38:
			f.Target = receiverNames[r.IntN(len(receiverNames))]
		case draw < 84:
			f.Target = workerNames[r.IntN(len(workerNames))]
		case draw < 92:
			f.Target = "temporal"
		default:
			f.Kind, f.How = Postgres, []string{"stopped at once", "restarted"}[r.IntN(2)]
		}
		all = append(all, f)
	}
	for at := calm; at < load-calm; at += span(breakEvery/2, breakEvery*3/2) {
		f := drawFault(r, organizations, span)
		f.At = at
		all = append(all, f)
	}
	slices.SortStableFunc(all, func(a, b Fault) int { return int(a.At - b.At) })
	return all
}

func drawFault(r *rand.Rand, organizations int, span func(least, most time.Duration) time.Duration) Fault {
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	organization := fmt.Sprint(r.IntN(organizations))
	switch draw := r.IntN(100); {
	case draw < 12:
		return Fault{Kind: Pause, Target: pick("serve", "serve-2", "worker", "worker-2", "temporal"), For: span(300*time.Millisecond, 6*time.Second)}
	case draw < 42:
		f := Fault{Kind: Connection, How: pick(Cut, Slow, Reset, Stall), For: span(200*time.Millisecond, 4*time.Second)}
		switch r.IntN(2) {
		case 0:
			f.Target = pick(receiverNames...) + "/" + pick(toPostgres, toTemporal)
		default:
			f.Target = pick(workerNames...) + "/" + pick(toPostgres, toTemporal, toHubSpot, toHubSpot)
		}
		switch f.How {
		case Slow:
			f.Amount = 20 + r.IntN(200) // ms
		case Reset:
			f.Amount = 1 + r.IntN(3000) // bytes
		}
		return f
	case draw < 90:
		f := Fault{Kind: HubSpot, Target: organization, How: answers[r.IntN(len(answers))].name, Amount: 1 + r.IntN(3)}
		return f
	case draw < 94:
		return Fault{Kind: Grant, Target: organization, How: pick("revoked", "uninstalled"), For: span(2*time.Second, 12*time.Second)}
	default:
		return Fault{Kind: Permission, Target: organization, How: pick("deal.create", "ticket.create", "task.create"), For: span(2*time.Second, 8*time.Second)}
	}
}
