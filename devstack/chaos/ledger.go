package chaos

import (
	"sync"
	"time"

	"github.com/google/uuid"
)

// Ledger is what was acknowledged to the harness, at the moment of the answer, and what
// was done to the system.
type Ledger struct {
	mu sync.Mutex

	// Delivered are the deliveries that got a 2xx, by ID: how many.
	Delivered map[string]int
	// Decisions are those whose entrance said that they are made.
	Decisions []Decision
	// Denials are the times in which a tool was denied.
	Denials []Denial
	// Injected counts what was done, by kind.
	Injected map[string]int
	// Waiting are the answers of HubSpot's that were still to be given in the end; they
	// are among the injected, and don't count.
	Waiting int
}

// Decision is one that was acknowledged.
type Decision struct {
	Approval uuid.UUID
	Verdict  Verdict
	Way      string
	At       time.Time
	// Promised: it was taken over to be carried out later, as a signal is, and may turn
	// out to be too late.
	Promised bool
}

// Denial is a time in which a tool of an organization was denied.
type Denial struct {
	Organization int
	Tool         string
	// Begun is before the command that denied it, From when that was acknowledged, To
	// before the command that allowed it again, Ended when that was acknowledged.
	Begun, From, To, Ended time.Time
}

func newLedger() *Ledger {
	return &Ledger{Delivered: map[string]int{}, Injected: map[string]int{}}
}

func (l *Ledger) delivered(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Delivered[id]++
}

func (l *Ledger) decided(d Decision) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Decisions = append(l.Decisions, d)
}

func (l *Ledger) denied(d Denial) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Denials = append(l.Denials, d)
}

func (l *Ledger) injected(kind string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Injected[kind]++
}

// notMet says that so many of HubSpot's answers met no call, or not as many as they
// were to.
func (l *Ledger) notMet(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Waiting = n
}

// counts are how many deliveries and decisions were acknowledged, and what was injected.
func (l *Ledger) counts() (deliveries, decisions, kills, faults int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for kind, n := range l.Injected {
		if isKill(kind) {
			kills += n
		} else {
			faults += n
		}
	}
	return len(l.Delivered), len(l.Decisions), kills, faults - l.Waiting
}
