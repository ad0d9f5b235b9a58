// Package schedules shows on a real Temporal server that its schedules are made equal to
// the groups of people who are told together, and when they begin a digest where the
// clocks change.
package schedules
