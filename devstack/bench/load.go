package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// copied are the tables that a meeting has rows in, with which of them are the meetings'
// whose IDs are $1. What is sealed in a copy can't be opened: nobody asks for it.
var copied = []struct{ table, of string }{
	{"data_keys", "id in (select data_key_id from meetings where id = any($1))"},
	{"deliveries", "id in (select delivery_id from events where meeting_id = any($1))"},
	{"meetings", "id = any($1)"},
	{"meeting_keys", "meeting_id = any($1)"},
	{"meeting_attendees", "meeting_id = any($1)"},
	{"events", "meeting_id = any($1)"},
	{"follow_ups", "meeting_id = any($1)"},
	{"actions", "origin_id = any($1)"},
	{"write_claims", "action_id in (select id from actions where origin_id = any($1))"},
	{"audit", "origin_id = any($1)"},
}

// ownIDs are the columns that name what is copied, too.
var ownIDs = []string{"meeting_id", "origin_id", "data_key_id", "wrapped_by", "delivery_id", "action_id", "approval_id"}

// Load copies meetings with all that belongs to them, each so many times that there are
// n more: other IDs, other keys, minutes apart from each other over the years before.
// first is the number of the first copy; a later load has to go on after it. Lean copies
// have nothing sealed, where that may be missing: they take less room, and no query reads
// what is sealed but to open it.
func (w *World) Load(ctx context.Context, meetings []uuid.UUID, first, n int, lean bool) error {
	conn, err := w.DB.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("loading meetings: %w", err)
	}
	defer conn.Release()
	// Neither triggers nor foreign keys: what is copied is right already.
	if _, err := conn.Exec(ctx, `set session_replication_role = replica`); err != nil {
		return fmt.Errorf("loading meetings: %w", err)
	}
	defer func() { _, _ = conn.Exec(context.WithoutCancel(ctx), `reset session_replication_role`) }()
	for _, c := range copied {
		columns, err := copies(ctx, conn.Conn(), c.table, lean)
		if err != nil {
			return err
		}
		names, values := make([]string, 0, len(columns)), make([]string, 0, len(columns))
		for _, column := range columns {
			names, values = append(names, column[0]), append(values, column[1])
		}
		_, err = conn.Exec(ctx, fmt.Sprintf(`insert into %s (%s) select %s from %s, generate_series($2::int, $3::int) copy where %s`,
			c.table, strings.Join(names, ", "), strings.Join(values, ", "), c.table, c.of), meetings, first, first+n/len(meetings)-1)
		if err != nil {
			return fmt.Errorf("copying %s: %w", c.table, err)
		}
	}
	if _, err := conn.Exec(ctx, `vacuum analyze`); err != nil {
		return fmt.Errorf("preparing for queries: %w", err)
	}
	return nil
}

// copies are the columns of a table with what a copy has there.
func copies(ctx context.Context, conn *pgx.Conn, table string, lean bool) ([][2]string, error) {
	rows, err := conn.Query(ctx, `
		select column_name, udt_name, is_nullable = 'YES' from information_schema.columns
		where table_schema = 'public' and table_name = $1 and is_identity = 'NO' and is_generated = 'NEVER' order by ordinal_position`, table)
	if err != nil {
		return nil, fmt.Errorf("reading the columns of %s: %w", table, err)
	}
	var all [][2]string
	var name, kind string
	var nullable bool
	_, err = pgx.ForEachRow(rows, []any{&name, &kind, &nullable}, func() error {
		value := table + "." + name
		other := fmt.Sprintf("md5(%s::text || copy)::uuid", value)
		switch {
		case name == "id" || slices.Contains(ownIDs, name):
			// A key that is the organization's stays so.
			if name == "data_key_id" || name == "wrapped_by" {
				other = fmt.Sprintf("case when %s in (select data_key_id from meetings where id = any($1)) then %s else %s end", value, other, value)
			}
			value = other
		case kind == "_uuid":
			value = fmt.Sprintf("array(select md5(one::text || copy)::uuid from unnest(%s) one)", value)
		case strings.HasSuffix(name, "_mac"):
			value = fmt.Sprintf("sha256(%s || int4send(copy))", value)
		case lean && nullable && kind == "bytea":
			value = "null"
		case name == "dedupe_key":
			value += " || copy"
		case kind == "timestamptz":
			value += " - copy * interval '7 minutes'"
		}
		all = append(all, [2]string{name, value})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading the columns of %s: %w", table, err)
	}
	return all, nil
}
