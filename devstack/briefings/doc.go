// Package briefings shows briefs on a real Temporal server, from the relay to the notice,
// with the real store, gate, activities, codec and worker's options. HubSpot is simulated,
// with its limits on: each brief is made once, however many are due at once, and none of
// them breaks a limit.
package briefings
