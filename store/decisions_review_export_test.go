package store

import (
	"context"
	"database/sql"

	"github.com/google/uuid"
)

// CardQuestionsForTest reads the questions of a card whose actions were read before.
func (s *Store) CardQuestionsForTest(ctx context.Context, organizationID, meetingID uuid.UUID, actions []Action) (map[uuid.UUID][]CardQuestion, error) {
	return s.cardQuestions(ctx, organizationID, meetingID, actions)
}

// MigrationDBForTest is what migrations run on.
func (s *Store) MigrationDBForTest() *sql.DB { return s.migrationDB() }
