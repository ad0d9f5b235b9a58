// Package intake proves what Debrief promises of webhooks with real processes:
// receivers and relays that are killed under load, a Temporal server that goes
// away, and deliveries in any order.
//
//	go test ./intake -count=1 -v -args -for=5m -away=1m -orders=100
package intake
