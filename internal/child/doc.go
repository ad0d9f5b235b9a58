//go:build unix

// Package child starts helper processes that never outlive this one.
//
// A private PostgreSQL, or a debrief binary under test, must be gone when the
// process that started it is gone, however that one ended: a leftover keeps a
// port and a data folder, and the next run fails for a reason that nobody can
// see. Package child promises that, and that a child sits in a process group
// of its own: Ctrl-C in a terminal reaches only the starter, which then stops
// its children in the order that it wants.
//
// It must never signal a process that it did not start itself.
package child
