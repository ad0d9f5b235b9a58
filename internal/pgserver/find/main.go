//go:build unix

// Command find prints the folder of PostgreSQL's server binaries, or says how to
// get them: for the Makefile, which should say so before it builds for minutes.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/debriefhq/debrief/internal/pgserver"
)

func main() {
	dir, err := pgserver.FindBinaries(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Fprintln(os.Stdout, dir)
}
