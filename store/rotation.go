package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/vault"
)

// sealedColumn is a column that the vault seals, and how a row's ciphertext is
// bound to the row.
type sealedColumn struct {
	table, id, column string
	place             func(uuid.UUID) string
}

func (c sealedColumn) name() string { return c.table + "." + c.column }

// vaultColumns are all columns that the vault itself seals. What is sealed with
// a data key stays as it is when keys are rotated: the data key is wrapped anew.
// TestEverySealedColumnIsKnown compares them with the schema.
var vaultColumns = []sealedColumn{
	{"apps", "id", "sealed_client_secret", clientSecretPlace},
	{"identity_providers", "organization_id", "sealed_client_secret", identityProviderPlace},
	{"sources", "id", "sealed_secrets", sourceSecretsPlace},
	{"sources", "id", "sealed_credentials", sourceCredentialsPlace},
	{"upkeeps", "source_id", "sealed_state", upkeepPlace},
	{"connections", "id", "sealed_refresh_token", refreshTokenPlace},
	{"connections", "id", "sealed_static_token", staticTokenPlace},
	{"connection_attempts", "id", "sealed_grant", attemptGrantPlace},
	{"access_tokens", "connection_id", "sealed", accessTokenPlace},
	{"slack_apps", "organization_id", "sealed_bot_token", slackTokenPlace},
	{"slack_apps", "organization_id", "sealed_signing_secret", slackSecretPlace},
	{"models", "organization_id", "sealed_key", modelKeyPlace},
	{"webhook_endpoints", "id", "sealed_secrets", webhookSecretsPlace},
	{"data_keys", "id", "wrapped", dataKeyPlace},
}

// KeyUse says how many rows of a column are sealed under one key.
type KeyUse struct {
	Column string `json:"column"` // table.column
	// KeyID is 0 for what is no ciphertext of the vault's at all.
	KeyID vault.KeyID `json:"key_id"`
	Rows  int         `json:"rows"`
}

// KeyUses counts what is sealed under which key, by what stands in front of each
// ciphertext: it opens nothing, and needs no key.
func (s *Store) KeyUses(ctx context.Context) ([]KeyUse, error) {
	uses := []KeyUse{}
	for _, c := range vaultColumns {
		// One byte more than the prefix, since a prefix alone is no ciphertext.
		rows, err := s.pool.Query(ctx, fmt.Sprintf(`
			select case when length(%[2]s) > 5 then substring(%[2]s for 5) || '\x00'::bytea end as key, count(*)
			from %[1]s where %[2]s is not null group by key order by key`, c.table, c.column))
		if err != nil {
			return nil, fmt.Errorf("counting the keys of %s: %w", c.name(), err)
		}
		var prefix []byte
		var n int
		_, err = pgx.ForEachRow(rows, []any{&prefix, &n}, func() error {
			id, _ := vault.KeyOf(prefix)
			uses = append(uses, KeyUse{Column: c.name(), KeyID: id, Rows: n})
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("counting the keys of %s: %w", c.name(), err)
		}
	}
	return uses, nil
}

// UnknownKeys are the uses of keys that the keyset at hand does not hold: those
// rows can't be read. Nil means that there is none.
func (s *Store) UnknownKeys(ctx context.Context) ([]KeyUse, error) {
	uses, err := s.KeyUses(ctx)
	if err != nil {
		return nil, err
	}
	held := map[vault.KeyID]bool{}
	for _, k := range s.vault.Keys() {
		held[k.ID] = true
	}
	var unknown []KeyUse
	for _, u := range uses {
		if !held[u.KeyID] {
			unknown = append(unknown, u)
		}
	}
	return unknown, nil
}

// UnreadableRow is a row with a secret that does not open.
type UnreadableRow struct {
	Column string      `json:"column"` // table.column
	ID     uuid.UUID   `json:"id"`
	KeyID  vault.KeyID `json:"key_id"`
	// Reason tells a key that is missing from a ciphertext that was changed or
	// moved.
	Reason string `json:"reason"`
}

// unreadableListed bounds how many rows are named, not how many are counted.
const unreadableListed = 1000

// UnreadableRows opens everything that the vault sealed and names what does not
// open: a thousand rows of it, and how many there are. It changes nothing.
func (s *Store) UnreadableRows(ctx context.Context) (rows []UnreadableRow, count int, err error) {
	for _, c := range vaultColumns {
		err := s.eachSealed(ctx, c, nil, func(batch []sealedRow) error {
			for _, row := range batch {
				_, err := s.vault.Open(row.sealed, c.place(row.id))
				if err == nil {
					continue
				}
				if count++; len(rows) < unreadableListed {
					rows = append(rows, unreadable(c, row, err))
				}
			}
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
	}
	return rows, count, nil
}

func unreadable(c sealedColumn, row sealedRow, err error) UnreadableRow {
	out := UnreadableRow{Column: c.name(), ID: row.id, Reason: "it was changed, or moved here from another row"}
	out.KeyID, _ = vault.KeyOf(row.sealed)
	var unknown *vault.UnknownKeyError
	if errors.As(err, &unknown) {
		out.Reason = unknown.Error()
	}
	return out
}

// ResealProgress is how far [Store.Reseal] has come.
type ResealProgress struct {
	// Done of Total rows are sealed anew. Total is what was not under the primary
	// key at the beginning; what others write meanwhile is not in it.
	Done, Total int
	// Unreadable rows were left as they are.
	Unreadable int
}

const (
	// resealBatch is how many rows one statement updates: it is over in some
	// milliseconds, so that a refresh never waits for it noticeably.
	resealBatch = 200
	// resealPatience is how long rows that others hold are tried again. Whoever holds
	// a connection's row talks to HubSpot meanwhile, 28 seconds at most.
	resealPatience = 2 * time.Minute
	// resealPause is the time between two tries.
	resealPause = 200 * time.Millisecond
)

// Reseal seals everything that is not under the vault's primary key anew under
// it, while others work: a row that somebody holds is passed over and tried
// again, and one that changed since it was read is left to the change. Rows that
// do not open are counted and not touched. Ending it anywhere, a kill included,
// loses nothing; the next call goes on with what is left. progress is called
// after each batch; nil is allowed.
func (s *Store) Reseal(ctx context.Context, progress func(ResealProgress)) (ResealProgress, error) {
	p, err := s.unsealedYet(ctx)
	if err != nil {
		return p, err
	}
	report := func() {
		if progress != nil {
			progress(p)
		}
	}
	report()
	for _, c := range vaultColumns {
		var held []uuid.UUID
		err := s.eachSealed(ctx, c, s.vault.Primary().Prefix(), func(batch []sealedRow) error {
			h, err := s.resealSome(ctx, c, batch, &p, true)
			held = append(held, h...)
			report()
			return err
		})
		if err != nil {
			return p, err
		}
		if err := s.resealHeld(ctx, c, held, &p, report); err != nil {
			return p, err
		}
	}
	return p, nil
}

// unsealedYet counts what is under another key than the primary.
func (s *Store) unsealedYet(ctx context.Context) (ResealProgress, error) {
	var p ResealProgress
	uses, err := s.KeyUses(ctx)
	for _, u := range uses {
		if u.KeyID != s.vault.Primary() {
			p.Total += u.Rows
		}
	}
	return p, err
}

// resealHeld tries the rows that others held until they are free.
func (s *Store) resealHeld(ctx context.Context, c sealedColumn, held []uuid.UUID, p *ResealProgress, report func()) error {
	deadline := time.Now().Add(resealPatience)
	for len(held) > 0 {
		if time.Now().After(deadline) {
			return fmt.Errorf("sealing %s anew: %d rows are held by others all the time, such as %s; try again", c.name(), len(held), held[0])
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("sealing %s anew: %w", c.name(), ctx.Err())
		case <-time.After(resealPause):
		}
		batch, err := s.readSealed(ctx, c, `where %[2]s = any($1) and %[3]s is not null`, held[:min(len(held), resealBatch)])
		if err != nil {
			return err
		}
		again, err := s.resealSome(ctx, c, batch, p, false)
		if err != nil {
			return err
		}
		held = append(again, held[min(len(held), resealBatch):]...)
		report()
	}
	return nil
}

// resealSome seals a batch anew and returns the rows that somebody held, or that
// changed since they were read: they have to be looked at again. One that does
// not open any more at a second look was changed by somebody: it counts, too.
func (s *Store) resealSome(ctx context.Context, c sealedColumn, batch []sealedRow, p *ResealProgress, first bool) (held []uuid.UUID, err error) {
	var ids []uuid.UUID
	var before, after [][]byte
	for _, row := range batch {
		resealed, changed, err := s.vault.Reseal(row.sealed, c.place(row.id))
		switch {
		case errors.Is(err, vault.ErrCannotOpen):
			p.Unreadable++
		case err != nil:
			return nil, fmt.Errorf("sealing %s of %s anew: %w", c.name(), row.id, err)
		case changed:
			ids, before, after = append(ids, row.id), append(before, row.sealed), append(after, resealed)
		case !first:
			p.Done++ // whoever held it has sealed it under the primary key
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	// Rows that are locked are passed over, so that it neither waits nor makes
	// others wait while it holds a batch. Comparing the ciphertext keeps what a
	// refresh has stored since.
	rows, err := s.pool.Query(ctx, fmt.Sprintf(`
		with free as (
		  select %[2]s as id from %[1]s where %[2]s = any($1) order by %[2]s for no key update skip locked)
		update %[1]s t set %[3]s = n.after
		from free join unnest($1::uuid[], $2::bytea[], $3::bytea[]) as n (id, before, after) on n.id = free.id
		where t.%[2]s = free.id and t.%[3]s = n.before
		returning t.%[2]s`, c.table, c.id, c.column), ids, before, after)
	if err != nil {
		return nil, fmt.Errorf("sealing %s anew: %w", c.name(), err)
	}
	done, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("sealing %s anew: %w", c.name(), err)
	}
	p.Done += len(done)
	sealed := make(map[uuid.UUID]bool, len(done))
	for _, id := range done {
		sealed[id] = true
	}
	for _, id := range ids {
		if !sealed[id] {
			held = append(held, id)
		}
	}
	return held, nil
}

type sealedRow struct {
	id     uuid.UUID
	sealed []byte
}

// eachSealed reads a column in batches by ID, apart from what begins with the
// prefix.
func (s *Store) eachSealed(ctx context.Context, c sealedColumn, but []byte, f func([]sealedRow) error) error {
	var after uuid.UUID
	for {
		batch, err := s.readSealed(ctx, c, `
			where %[2]s > $1 and %[3]s is not null and ($2::bytea is null or substring(%[3]s for 5) <> $2)
			order by %[2]s limit $3`, after, but, resealBatch)
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			return nil
		}
		if err := f(batch); err != nil {
			return err
		}
		after = batch[len(batch)-1].id
	}
}

// readSealed reads a column's rows by the rest of a query, in which %[2]s is the
// ID's column and %[3]s the sealed one.
func (s *Store) readSealed(ctx context.Context, c sealedColumn, rest string, args ...any) ([]sealedRow, error) {
	rows, err := s.pool.Query(ctx, fmt.Sprintf(`select %[2]s, %[3]s from %[1]s `+rest, c.table, c.id, c.column), args...)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", c.name(), err)
	}
	batch, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r sealedRow, _ error) {
		return r, row.Scan(&r.id, &r.sealed)
	})
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", c.name(), err)
	}
	return batch, nil
}
