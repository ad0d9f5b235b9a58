package store

import (
	"context"
	"database/sql"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/vault"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrNotFound is reported when what was asked for is not there, or is another
// organization's: the two are never told apart.
var ErrNotFound = errors.New("not found")

// Store is the database and the keys to what is sealed in it. It is safe for
// concurrent use. Make one with [Open].
type Store struct {
	pool  *pgxpool.Pool
	vault *vault.Vault
	keys  *keyCache
	// intake gathers what is received.
	intake *intake
	rules  policy.Compiler
	// validate is Options.ValidateEdit.
	validate func(policy.Tool, map[string]string, json.RawMessage) ([]string, error)
}

// Options say how to open a store.
type Options struct {
	// URL is a PostgreSQL connection string, as libpq takes it.
	URL string
	// Vault seals and opens what is stored.
	Vault *vault.Vault
	// Name shows in pg_stat_activity.
	Name string
	// ValidateEdit checks the properties of an edited action by what HubSpot knew
	// when it was planned (the JSON that [Plan] carried as its Resolution), and
	// returns what is wrong, in words for the approver. The rules are the
	// planner's, and the judge asks them for every entrance alike. Nil checks
	// nothing.
	ValidateEdit func(tool policy.Tool, properties map[string]string, resolution json.RawMessage) (problems []string, err error)
	// MaxConnections bounds the pool; 0 means 16.
	MaxConnections int32
}

// Open connects to PostgreSQL. It does not migrate: see [Store.Migrate]. The
// error never holds the connection string, which may carry a password.
func Open(ctx context.Context, o Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(o.URL)
	if err != nil {
		return nil, errors.New("the database URL can't be parsed: it should look like postgres://user:password@host:5432/debrief")
	}
	config.MaxConns = 16
	if o.MaxConnections > 0 {
		config.MaxConns = o.MaxConnections
	}
	config.MaxConnLifetime = time.Hour
	config.MaxConnLifetimeJitter = 5 * time.Minute
	config.ConnConfig.ConnectTimeout = 5 * time.Second
	if o.Name != "" {
		config.ConnConfig.RuntimeParams["application_name"] = o.Name
	}
	// A client that hangs must not hold locks for ever.
	config.ConnConfig.RuntimeParams["idle_in_transaction_session_timeout"] = "60s"
	config.ConnConfig.RuntimeParams["statement_timeout"] = "30s"
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("preparing the database pool: %w", err)
	}
	return &Store{pool: pool, vault: o.Vault, keys: newKeyCache(), intake: newIntake(), validate: o.ValidateEdit}, nil
}

// Close ends all connections, waiting for those in use.
func (s *Store) Close() { s.pool.Close() }

// Ping says whether PostgreSQL answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.pool.Ping(ctx); err != nil {
		var connect *pgconn.ConnectError
		if errors.As(err, &connect) {
			// Its text has a line for each address that was tried.
			return fmt.Errorf("reaching PostgreSQL at %s:%d failed", connect.Config.Host, connect.Config.Port)
		}
		return fmt.Errorf("reaching PostgreSQL: %w", err)
	}
	return nil
}

// Migrate brings the schema to the newest version. Concurrent callers wait for
// each other. It reports the versions that it applied.
func (s *Store) Migrate(ctx context.Context) ([]int64, error) {
	provider, closeDB, err := s.migrations()
	if err != nil {
		return nil, err
	}
	defer closeDB()
	results, err := provider.Up(ctx)
	applied := make([]int64, 0, len(results))
	for _, r := range results {
		applied = append(applied, r.Source.Version)
	}
	if err != nil {
		return applied, fmt.Errorf("migrating the database: %w", err)
	}
	return applied, nil
}

// ErrSchema is reported by [Store.CheckSchema] when the database has not been
// migrated to what this program expects.
var ErrSchema = errors.New("the database schema is older than this program: run `debrief migrate`")

// CheckSchema says whether the schema is at least what this program expects.
func (s *Store) CheckSchema(ctx context.Context) error {
	provider, closeDB, err := s.migrations()
	if err != nil {
		return err
	}
	defer closeDB()
	pending, err := provider.HasPending(ctx)
	if err != nil {
		return fmt.Errorf("reading the schema version: %w", err)
	}
	if pending {
		return ErrSchema
	}
	return nil
}

func (s *Store) migrations() (*goose.Provider, func(), error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, nil, fmt.Errorf("reading the migrations: %w", err)
	}
	locker, err := newMigrationLock()
	if err != nil {
		return nil, nil, err
	}
	db := s.migrationDB()
	provider, err := goose.NewProvider(goose.DialectPostgres, db, files, goose.WithSessionLocker(locker))
	if err != nil {
		_ = db.Close()
		return nil, nil, fmt.Errorf("preparing the migrations: %w", err)
	}
	// Closing the provider would close db, which is all that there is to close.
	return provider, func() { _ = db.Close() }, nil
}

// migrationDB has connections of its own: building an index on a large table takes
// longer than a query may. One that waits for a lock gives up, since everybody who
// comes after it waits, too: then nothing was changed, and it can be tried again.
func (s *Store) migrationDB() *sql.DB {
	config := s.pool.Config().ConnConfig
	config.RuntimeParams["statement_timeout"], config.RuntimeParams["lock_timeout"] = "0", "10s"
	return stdlib.OpenDB(*config)
}

// inTx runs f in a transaction: committed if f returns nil, else rolled back.
func (s *Store) inTx(ctx context.Context, f func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, s.pool, f)
}

// inHastyTx runs f in a transaction that does not wait for the disk: a power cut may
// undo it, in the order of commits. It is for what is done again whenever somebody
// looks again, and which nobody was told of as done.
func (s *Store) inHastyTx(ctx context.Context, f func(tx pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, s.pool, pgx.TxOptions{BeginQuery: "begin; set local synchronous_commit = off"}, f)
}

// querier is what pool and transaction have in common.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	SendBatch(ctx context.Context, batch *pgx.Batch) pgx.BatchResults
}

// notFound turns pgx's "no rows" into [ErrNotFound] and wraps the rest.
func notFound(err error, doing string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return fmt.Errorf("%s: %w", doing, ErrNotFound)
	default:
		return fmt.Errorf("%s: %w", doing, err)
	}
}

// newID returns a UUIDv7: IDs sort by the time they were made.
func newID() uuid.UUID { return uuid.Must(uuid.NewV7()) }
