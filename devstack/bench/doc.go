// Package bench is what Debrief's measurements share: the machine described, percentiles,
// medians, tables with the goals beside, results as JSON, and a [World] to measure in: the
// real `debrief serve` and `debrief worker`, Temporal as a process of its own that keeps
// its state in PostgreSQL, as in earnest, and a HubSpot that answers when it is told to.
//
// What is measured is real: fsync is on, signatures are verified, nothing is left out
// that an installation has. What differs is said where it is done.
package bench
