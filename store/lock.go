package store

import (
	"fmt"

	"github.com/pressly/goose/v3/lock"
)

// newMigrationLock makes concurrent migrations wait for each other, by an
// advisory lock of PostgreSQL's.
func newMigrationLock() (lock.SessionLocker, error) {
	l, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
	if err != nil {
		return nil, fmt.Errorf("preparing the migration lock: %w", err)
	}
	return l, nil
}
