// Package devstack brings up everything that Debrief needs around it, and
// Debrief itself, on one machine: a private PostgreSQL, a simulated HubSpot, a
// Temporal server with its UI, and the real debrief binary as child processes.
//
// It is a module of its own because it links the Temporal server: a hundred
// modules that the production binary must not drag along or be pinned by.
//
// Everything listens on 127.0.0.1, and nothing outlives the process that
// started it. With a folder, state survives a restart, and so do the ports:
// a URL that was written down stays good.
package devstack
