// Package meeting holds what Debrief knows of a meeting: the events that
// platforms tell, and the one normalized meeting that they add up to.
//
// An [Event] says what a delivery means, in Debrief's terms. [Fold] adds the
// events of one occurrence up to a [Meeting]; the same events give the same
// meeting in whatever order they came and however often. The package is pure:
// no I/O, no clock, and it imports nothing of ours.
package meeting
