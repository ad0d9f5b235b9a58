//go:build unix

// Package pgserver runs a private PostgreSQL from the binaries that are
// installed on this machine: for tests, and for the stack on a developer's
// machine. It needs no container, no account and no root.
//
// The server listens on 127.0.0.1 only, on a port of its own, with a random
// password; it has no Unix socket, whose path may be at most 107 bytes long.
// PostgreSQL refuses to run as root, so for root the package runs it as the
// user postgres, or nobody where that one does not exist.
//
// What the package promises: the server is gone when the process that started
// it is gone; a folder that an earlier run left behind in any state, killed or
// not, starts again with its data or fails with a sentence that says what to
// do; and no value of a row reaches the server's log.
//
// It must never touch a server that it did not start on the same folder, and
// it is not for production.
package pgserver
