package devstack

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/debriefhq/debrief/internal/freeport"
)

const loopback = "127.0.0.1"

// Ports on 127.0.0.1. Zero means: the one of the last run, or the usual one,
// or any free one, whichever is free first.
type Ports struct {
	Postgres   int `json:"postgres"`
	Simulator  int `json:"simulator"`
	Temporal   int `json:"temporal"`
	TemporalUI int `json:"temporalUi"`
	Debrief    int `json:"debrief"`
	Worker     int `json:"worker"` // health of the worker
}

// usualPorts are Temporal's own and what the documentation shows.
func usualPorts() Ports {
	return Ports{Postgres: 5433, Simulator: 8090, Temporal: 7233, TemporalUI: 8233, Debrief: 8080, Worker: 8081}
}

// named lists the ports with what listens there.
func (p *Ports) named() []struct {
	name string
	port *int
} {
	return []struct {
		name string
		port *int
	}{
		{"PostgreSQL", &p.Postgres},
		{"the HubSpot simulator", &p.Simulator},
		{"Temporal", &p.Temporal},
		{"Temporal's UI", &p.TemporalUI},
		{"Debrief", &p.Debrief},
		{"the worker's health", &p.Worker},
	}
}

// choosePorts settles every port. A wanted one that is taken is an error; in
// place of any other a free one is taken, and moved says so in a sentence.
func choosePorts(wanted, last Ports) (chosen Ports, moved []string, err error) {
	var held []net.Listener // until all are chosen, so that none is chosen twice
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	take := func(port int) bool {
		l, err := net.Listen("tcp4", addr(port))
		if err == nil {
			held = append(held, l)
		}
		return err == nil
	}

	usual := usualPorts()
	asked, remembered, known, out := wanted.named(), last.named(), usual.named(), chosen.named()
	// What is asked for comes before what is only usual.
	for i, want := range asked {
		if *want.port != 0 && !take(*want.port) {
			return Ports{}, nil, fmt.Errorf("port %d, asked for %s, is taken", *want.port, want.name)
		}
		*out[i].port = *want.port
	}
	for i, place := range out {
		if *place.port != 0 {
			continue
		}
		first := cmp.Or(*remembered[i].port, *known[i].port)
		switch {
		case take(first):
			*place.port = first
			continue
		case take(*known[i].port):
			*place.port = *known[i].port
		default:
			free, err := freeport.Find(1)
			if err != nil {
				return Ports{}, nil, err
			}
			take(free[0])
			*place.port = free[0]
		}
		moved = append(moved, fmt.Sprintf("Port %d is taken; %s is on %d.", first, place.name, *place.port))
	}
	return chosen, moved, nil
}

// anyPorts are free ones far from the usual.
func anyPorts() (Ports, error) {
	var p Ports
	places := p.named()
	free, err := freeport.Find(len(places))
	for i, port := range free {
		*places[i].port = port
	}
	return p, err
}

func portsFile(dir string) string { return filepath.Join(dir, "ports.json") }

// readPorts reads the ports of the last run: none if there was no run.
func readPorts(dir string) (Ports, error) {
	raw, err := os.ReadFile(portsFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return Ports{}, nil
	}
	if err != nil {
		return Ports{}, fmt.Errorf("reading the ports of the last run: %w", err)
	}
	var p Ports
	if err := json.Unmarshal(raw, &p); err != nil {
		return Ports{}, fmt.Errorf("reading the ports of the last run from %s: %w", portsFile(dir), err)
	}
	return p, nil
}

func writePorts(dir string, p Ports) error {
	raw, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("remembering the ports: %w", err)
	}
	if err := os.WriteFile(portsFile(dir), append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("remembering the ports: %w", err)
	}
	return nil
}
