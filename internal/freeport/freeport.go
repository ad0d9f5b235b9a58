// Package freeport finds free TCP ports on 127.0.0.1, for tests and for the
// stack on a developer's machine.
//
// It looks below 32768, where Linux begins to take ports for outgoing
// connections (49152 elsewhere). A server that is down for a moment, or not up
// yet, thus never loses its port to a connection, and a client that keeps
// trying never connects to itself.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

const (
	lowest, highest = 20000, 32767
	tries           = 1000
)

// Find returns n ports, all different, that were free a moment ago.
func Find(n int) ([]int, error) {
	ports := make([]int, 0, n)
	held := make([]net.Listener, 0, n)
	defer func() { // at the end, so that no port comes twice
		for _, listener := range held {
			listener.Close()
		}
	}()
	for range tries {
		if len(ports) == n {
			return ports, nil
		}
		// Any port will do, and two processes should differ.
		port := lowest + rand.IntN(highest-lowest+1) //nolint:gosec // not a secret
		//nolint:noctx // over at once: no name is looked up
		listener, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		held = append(held, listener)
		ports = append(ports, port)
	}
	return nil, fmt.Errorf("finding %d free ports on 127.0.0.1: none in %d tries", n, tries)
}
