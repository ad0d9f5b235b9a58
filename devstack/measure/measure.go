// Package measure is what the programs that measure Debrief have in common.
package measure

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Main reads the program's arguments and runs it, until its end or a signal.
func Main[Options any](name, description string, run func(context.Context, Options) error) {
	var o Options
	kong.Parse(&o, kong.Name(name), kong.Description(description))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s\n", name, err)
		os.Exit(1)
	}
}

// Binary is the absolute path of the debrief binary, if there is one.
func Binary(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("finding the debrief binary: %w", err)
	}
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("there is no debrief binary: build it (make build), or name it (--debrief): %w", err)
	}
	return path, nil
}

// PostgreSQL is the server's version, and whether it waits for its disk.
func PostgreSQL(ctx context.Context, db *pgxpool.Pool) (version, fsync string, err error) {
	err = db.QueryRow(ctx, `select current_setting('server_version'), current_setting('fsync')`).Scan(&version, &fsync)
	if err != nil {
		return "", "", fmt.Errorf("asking PostgreSQL for its settings: %w", err)
	}
	return version, fsync, nil
}

// Percentile is that of sorted durations, by the nearest rank; 0 of none.
func Percentile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*percent + 99) / 100
	return sorted[max(rank, 1)-1]
}

// Write writes results down as JSON; an empty path stands for nowhere.
func Write(path string, results any) error {
	if path == "" {
		return nil
	}
	raw, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the results: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("making the folder for the results: %w", err)
	}
	if err := os.WriteFile(path, append(raw, '\n'), 0o644); err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	return nil
}
