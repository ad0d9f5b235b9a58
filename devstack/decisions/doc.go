// Package decisions measures how long it takes from a decision to its effect,
// while many follow-ups wait for people: with the real binary, serve and worker as
// processes of their own, a real Temporal server and a PostgreSQL that keeps its
// promises on a power cut. HubSpot is simulated.
//
//	go test ./decisions -count=1 -v -timeout 60m -args -follow-ups=10000 -decisions=500 -within=150ms
package decisions
