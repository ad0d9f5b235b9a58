package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/debriefhq/debrief/internal/pgserver"
)

// preparePgbench makes a table for rows of the size that the receiver's have:
// nothing but a key and the bytes, so that what it measures is the limit.
func (b *bench) preparePgbench(ctx context.Context) error {
	err := b.db.QueryRow(ctx, `select coalesce(avg(pg_column_size(d.*)), 0)::int from deliveries d`).Scan(&b.out.RowBytes)
	if err != nil {
		return fmt.Errorf("measuring a row: %w", err)
	}
	if b.out.RowBytes == 0 {
		return fmt.Errorf("nothing was received yet that pgbench's row could be like")
	}
	_, err = b.db.Exec(ctx, `create table bench_rows (id bigint generated always as identity primary key, content bytea not null)`)
	if err != nil {
		return fmt.Errorf("making pgbench's table: %w", err)
	}
	return nil
}

// rowHeader is what a row has beside the bytes in it: header, key and length.
const rowHeader = 36

func (b *bench) pgbench(ctx context.Context, long time.Duration) (t turn, err error) {
	bin, err := pgserver.FindBinaries(ctx)
	if err != nil {
		return turn{}, err
	}
	dir, err := os.MkdirTemp("", "intake-")
	if err != nil {
		return turn{}, fmt.Errorf("making a temporary folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	// Random bytes: PostgreSQL would compress others, and ours are sealed.
	content := make([]byte, max(b.out.RowBytes-rowHeader, 1))
	_, _ = rand.Read(content) // never fails
	script := filepath.Join(dir, "insert.sql")
	if err := os.WriteFile(script, []byte(`insert into bench_rows (content) values ('\x`+hex.EncodeToString(content)+"');\n"), 0o600); err != nil {
		return turn{}, fmt.Errorf("writing pgbench's script: %w", err)
	}
	seconds := max(int(long.Seconds()), 1)
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "pgbench"), "-n", "-M", "prepared", "-f", script, "-c", strconv.Itoa(b.Senders), "-j", "2",
		"-T", strconv.Itoa(seconds), "-l", "--log-prefix", filepath.Join(dir, "log"), b.DatabaseURL())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	before := b.spentSoFar()
	if err := cmd.Run(); err != nil {
		return turn{}, fmt.Errorf("running pgbench: %w: %s", err, out.String())
	}
	t.spent = b.spentSoFar().minus(before)
	t.spent.Client = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	logs, err := filepath.Glob(filepath.Join(dir, "log.*"))
	if err != nil {
		return turn{}, fmt.Errorf("finding pgbench's log: %w", err)
	}
	for _, log := range logs {
		if t.took, err = readLog(t.took, log); err != nil {
			return turn{}, err
		}
	}
	if len(t.took) == 0 {
		return turn{}, fmt.Errorf("pgbench logged nothing: %s", out.String())
	}
	t.elapsed = time.Duration(seconds) * time.Second
	return t, nil
}

// readLog reads a log of transactions: client, number, microseconds, and more
// (https://www.postgresql.org/docs/current/pgbench.html, "Per-Transaction Logging").
func readLog(took []time.Duration, path string) ([]time.Duration, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening pgbench's log: %w", err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 3 {
			continue
		}
		us, err := strconv.Atoi(fields[2])
		if err != nil {
			return nil, fmt.Errorf("reading pgbench's log: %w", err)
		}
		took = append(took, time.Duration(us)*time.Microsecond)
	}
	return took, lines.Err()
}
