package chaos

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// answers are what HubSpot says in place of what it was asked. What is done late is done
// before Debrief believes that it can no longer happen (DEBRIEF_HUBSPOT_LATE_COMMIT).
var answers = []struct {
	name  string
	fault hubspottest.Fault
}{
	{"401", hubspottest.Fault{Status: 401}},
	{"409 after commit", hubspottest.Fault{Method: http.MethodPost, Path: "/crm/objects/2026-09/contacts", Status: 409, AnswerAfterCommit: true}},
	{"423", hubspottest.Fault{Status: 423}},
	{"429", hubspottest.Fault{Status: 429}},
	{"429 with Retry-After", hubspottest.Fault{Status: 429, Header: map[string]string{"Retry-After": "2"}}},
	{"477", hubspottest.Fault{Status: 477, Header: map[string]string{"Retry-After": "1"}}},
	{"500", hubspottest.Fault{Status: 500}},
	{"500 to a create", hubspottest.Fault{Method: http.MethodPost, Path: "/crm/objects/2026-09/*", Status: 500}},
	{"502 after commit", hubspottest.Fault{Status: 502, AnswerAfterCommit: true}},
	{"502 after a create", hubspottest.Fault{Method: http.MethodPost, Path: "/crm/objects/2026-09/*", Status: 502, AnswerAfterCommit: true}},
	{"commit late", hubspottest.Fault{Method: http.MethodPost, Path: "/crm/objects/2026-09/*", CommitLate: 900 * time.Millisecond}},
	{"504, commit late", hubspottest.Fault{Method: http.MethodPost, Path: "/crm/objects/2026-09/*", CommitLate: 1200 * time.Millisecond, Status: 504}},
	{"cut before commit", hubspottest.Fault{CutBeforeCommit: true}},
	{"cut after commit", hubspottest.Fault{CutAfterCommit: true}},
	{"cut after a create", hubspottest.Fault{Method: http.MethodPost, Path: "/crm/objects/2026-09/*", CutAfterCommit: true}},
	{"half a body", hubspottest.Fault{TruncateBody: true}},
	{"slow body", hubspottest.Fault{SlowBody: 4 * time.Second}},
	{"nothing", hubspottest.Fault{Latency: 4 * time.Second, CutBeforeCommit: true}},
	{"nothing, and does it", hubspottest.Fault{Method: http.MethodPost, Path: "/crm/objects/2026-09/*", Latency: 4 * time.Second, CutAfterCommit: true}},
}

// breaker carries out a schedule.
type breaker struct {
	*world

	began    time.Time
	postgres sync.Mutex             // one at a time
	org      map[string]*sync.Mutex // grants and permissions of an organization
	breaking map[string]*sync.Mutex // of a proxy, or of a process that is paused
}

// breakThings does what the schedule says, each at its time, and returns when all of it
// is over and mended.
func (w *world) breakThings(ctx context.Context, began time.Time, schedule []Fault) {
	b := &breaker{world: w, began: began, org: map[string]*sync.Mutex{}, breaking: map[string]*sync.Mutex{}}
	for _, f := range schedule {
		b.org[f.Target], b.breaking[f.Target] = &sync.Mutex{}, &sync.Mutex{}
	}
	var all sync.WaitGroup
	defer all.Wait()
	for _, f := range schedule {
		all.Go(func() {
			if !sleep(ctx, time.Until(began.Add(f.At))) {
				return
			}
			done, err := b.do(ctx, f)
			w.note("%s: done %v, %v", f, done, err)
			if done {
				kind := f.Kind
				if f.How != "" && f.Kind != Permission {
					kind += ", " + f.How
				} else if f.Kind == Kill || f.Kind == Pause {
					kind += ", " + strings.TrimSuffix(f.Target, "-2")
				}
				w.ledger.injected(kind)
			}
		})
	}
}

// do does one thing, and says whether there was something to do it to.
func (b *breaker) do(ctx context.Context, f Fault) (bool, error) {
	switch f.Kind {
	case Kill:
		return b.keeper(f.Target).kill(f.For)
	case Pause:
		if !b.breaking[f.Target].TryLock() {
			return false, nil
		}
		defer b.breaking[f.Target].Unlock()
		return true, b.keeper(f.Target).pause(ctx, f.For)
	case Postgres:
		return b.stopPostgres(ctx, f)
	case Connection:
		if !b.breaking[f.Target].TryLock() {
			return false, nil
		}
		defer b.breaking[f.Target].Unlock()
		process, to, _ := strings.Cut(f.Target, "/")
		return true, b.proxies.breakFor(ctx, process, to, f.How, f.Amount, f.For)
	case HubSpot:
		return true, b.answer(f)
	case Grant:
		return b.endGrant(ctx, f)
	default:
		return b.flip(ctx, f)
	}
}

func (b *breaker) keeper(name string) *keeper {
	for _, k := range b.keepers {
		if k.Name == name {
			return k
		}
	}
	return nil
}

// stopPostgres ends PostgreSQL, as a crash or in an orderly way, and starts it again.
func (b *breaker) stopPostgres(ctx context.Context, f Fault) (bool, error) {
	b.postgres.Lock()
	defer b.postgres.Unlock()
	if f.How == "restarted" {
		if err := b.Postgres.Stop(); err != nil {
			return false, err
		}
	} else {
		// https://www.postgresql.org/docs/current/server-shutdown.html: SIGQUIT ends it
		// without a checkpoint, and it recovers from its log.
		if err := syscall.Kill(b.Postgres.Pid(), syscall.SIGQUIT); err != nil {
			return false, fmt.Errorf("stopping PostgreSQL at once: %w", err)
		}
		<-b.Postgres.Exited()
	}
	sleep(ctx, f.For)
	return true, again(time.Minute, func() error { return b.StartPostgres(context.WithoutCancel(ctx)) })
}

func (b *breaker) answer(f Fault) error {
	n, err := strconv.Atoi(f.Target)
	if err != nil {
		return fmt.Errorf("reading a fault: %w", err)
	}
	for _, a := range answers {
		if a.name == f.How {
			fault := a.fault
			fault.HubID, fault.Times = b.script.Organizations[n].HubID, f.Amount
			b.Simulator.Inject(fault)
		}
	}
	return nil
}

// endGrant ends an account's grant, and connects it again later.
func (b *breaker) endGrant(ctx context.Context, f Fault) (bool, error) {
	t, unlock, err := b.alone(f.Target)
	if t == nil {
		return false, err
	}
	defer unlock()
	if f.How == "revoked" {
		b.Simulator.RevokeGrants(t.Scene.HubID, t.client)
		// Access tokens would go on for half an hour.
		b.Simulator.Inject(hubspottest.Fault{HubID: t.Scene.HubID, Status: 401, Times: 4})
	} else {
		b.Simulator.Uninstall(t.Scene.HubID, t.client)
	}
	sleep(ctx, f.For)
	return true, again(2*time.Minute, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		return t.Connect(ctx)
	})
}

// flip denies a tool, and takes that back later.
func (b *breaker) flip(ctx context.Context, f Fault) (bool, error) {
	t, unlock, err := b.alone(f.Target)
	if t == nil {
		return false, err
	}
	defer unlock()
	was := "allow"
	if t.Preset.asks(f.How) {
		was = "ask"
	}
	n, _ := strconv.Atoi(f.Target) // alone has read it
	d := Denial{Organization: n, Tool: f.How, Begun: time.Now()}
	set := func(permission string) error {
		return again(2*time.Minute, func() error {
			_, err := t.Run(context.WithoutCancel(ctx), "tools", "set", permission, f.How)
			return err
		})
	}
	if err := set("deny"); err != nil {
		return false, err
	}
	d.From = time.Now()
	sleep(ctx, f.For)
	d.To = time.Now()
	err = set(was)
	d.Ended = time.Now()
	b.ledger.denied(d)
	return true, err
}

// alone gives an organization that nobody else is changing.
func (b *breaker) alone(target string) (t *tenant, unlock func(), err error) {
	n, err := strconv.Atoi(target)
	if err != nil {
		return nil, nil, fmt.Errorf("reading a fault: %w", err)
	}
	if !b.org[target].TryLock() {
		return nil, nil, nil
	}
	return b.tenants[n], b.org[target].Unlock, nil
}
