package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/internal/freeport"
)

// What a process reaches through a proxy of its own.
const (
	toPostgres = "postgres"
	toTemporal = "temporal"
	toHubSpot  = "hubspot"
)

// proxies stand between each of Debrief's processes and each thing that it needs, so
// that one connection of one process can be broken.
type proxies struct {
	server *toxiproxy.ApiServer

	mu  sync.Mutex
	all map[string]*toxiproxy.Proxy // "worker-2/hubspot"
}

func newProxies() *proxies {
	return &proxies{server: toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), all: map[string]*toxiproxy.Proxy{}}
}

// through returns the address of the proxy between a process and what it needs.
func (p *proxies) through(process, to, upstream string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	name := process + "/" + to
	if proxy := p.all[name]; proxy != nil {
		return proxy.Listen, nil
	}
	// A fixed port, where no outgoing connection takes it while the proxy is cut.
	port, err := freeport.Find(1)
	if err != nil {
		return "", err
	}
	proxy := toxiproxy.NewProxy(p.server, name, net.JoinHostPort("127.0.0.1", strconv.Itoa(port[0])), upstream)
	if err := proxy.Start(); err != nil {
		return "", fmt.Errorf("starting the proxy %s: %w", name, err)
	}
	p.all[name] = proxy
	return proxy.Listen, nil
}

// between is what a stack's processes are told: [devstack.Options.Between].
func (p *proxies) between(s *devstack.Stack, process string) ([]string, error) {
	database, err := url.Parse(s.DatabaseURL())
	if err != nil {
		return nil, fmt.Errorf("reading the database's address: %w", err)
	}
	if database.Host, err = p.through(process, toPostgres, database.Host); err != nil {
		return nil, err
	}
	temporal, err := p.through(process, toTemporal, s.TemporalAddr())
	if err != nil {
		return nil, err
	}
	hubSpot, err := p.through(process, toHubSpot, strings.TrimPrefix(s.Simulator.URL, "http://"))
	if err != nil {
		return nil, err
	}
	return []string{
		"DEBRIEF_DATABASE_URL=" + database.String(), "DEBRIEF_TEMPORAL_ADDRESS=" + temporal, "DEBRIEF_HUBSPOT_BASE_URL=http://" + hubSpot,
	}, nil
}

// The ways to break a connection.
const (
	Cut   = "cut"   // every connection is closed, and none is taken
	Slow  = "slow"  // each packet takes longer
	Reset = "reset" // the connections are closed in the middle of an answer
	Stall = "stall" // nothing arrives any more, and nobody is told for a while
)

// breakFor breaks a process's connections to something for a while.
func (p *proxies) breakFor(ctx context.Context, process, to, how string, amount int, long time.Duration) error {
	p.mu.Lock()
	proxy := p.all[process+"/"+to]
	p.mu.Unlock()
	if proxy == nil {
		return fmt.Errorf("there is no proxy between %s and %s", process, to)
	}
	wait := func() {
		select {
		case <-ctx.Done():
		case <-time.After(long):
		}
	}
	if how == Cut {
		proxy.Stop()
		wait()
		return again(5*time.Second, proxy.Start)
	}
	type toxic struct {
		Name       string         `json:"name"`
		Type       string         `json:"type"`
		Stream     string         `json:"stream"`
		Attributes map[string]any `json:"attributes"`
	}
	var toxics []toxic
	switch how {
	case Slow:
		for _, stream := range []string{"upstream", "downstream"} {
			toxics = append(toxics, toxic{how + stream, "latency", stream, map[string]any{"latency": amount, "jitter": amount / 3}})
		}
	case Reset:
		toxics = append(toxics, toxic{how, "limit_data", "downstream", map[string]any{"bytes": amount}})
	case Stall:
		// What it swallows is gone: its connections are closed when it ends, at the
		// latest, so that nothing follows what was swallowed.
		for _, stream := range []string{"upstream", "downstream"} {
			toxics = append(toxics, toxic{how + stream, "timeout", stream, map[string]any{"timeout": long.Milliseconds()}})
		}
	}
	for _, t := range toxics {
		raw, err := json.Marshal(t)
		if err != nil {
			return fmt.Errorf("encoding a fault: %w", err)
		}
		if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(string(raw))); err != nil {
			return fmt.Errorf("breaking the connections of %s to %s: %w", process, to, err)
		}
	}
	wait()
	for _, t := range toxics {
		if err := proxy.Toxics.RemoveToxic(context.WithoutCancel(ctx), t.Name); err != nil {
			return fmt.Errorf("mending the connections of %s to %s: %w", process, to, err)
		}
	}
	return nil
}

func (p *proxies) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, proxy := range p.all {
		proxy.Stop()
	}
}

// again tries until it works, for so long.
func again(long time.Duration, try func() error) error {
	until := time.Now().Add(long)
	for {
		err := try()
		if err == nil || time.Now().After(until) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
}
