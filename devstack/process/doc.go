// Package process runs a program as a child, under supervision: its lines go to
// one writer with a prefix, its last ones are kept for the error that says why
// it ended, and readiness is asked of its own HTTP endpoint.
//
// A child never outlives this process, and Ctrl-C in the terminal does not
// reach it: whoever started it stops it.
package process
