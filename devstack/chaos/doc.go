// Package chaos proves the design's promises by breaking everything that they lean on:
// the whole system runs as separate processes (two receivers, two workers, Temporal,
// PostgreSQL, a simulated HubSpot) under a mixed load, while processes are killed and
// paused, connections cut and slowed, grants revoked, permissions flipped, and HubSpot
// answers everything but what was asked. Then it lets the system settle, and audits.
//
// A run has one seed. From it alone come the script (which meetings are told of how
// and when, who answers which question by which entrance, and what must be true in the
// end) and the schedule of faults (what, whom, when, for how long). What depends on how
// fast the machine is, such as which call a fault meets, is not in the seed: a run that
// is repeated is told and broken in the same way, and may take another course.
//
// The audit believes nobody: it compares the script and what was acknowledged to the
// harness (the [Ledger]) with what stands in PostgreSQL's tables, at the simulator and in
// Temporal ([Facts]), without Debrief's own code. Findings are of four kinds: lost,
// duplicated, wrong and stuck.
package chaos
