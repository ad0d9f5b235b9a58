package store

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
)

// SetMeetingContentForTest replaces what is known of a meeting.
func (s *Store) SetMeetingContentForTest(t testing.TB, organizationID, id uuid.UUID, m meeting.Meeting) {
	t.Helper()
	ctx := context.Background()
	var keyID uuid.UUID
	require.NoError(t, s.pool.QueryRow(ctx, `select data_key_id from meetings where organization_id = $1 and id = $2`, organizationID, id).Scan(&keyID))
	key, err := s.dataKey(ctx, s.pool, &keyID)
	require.NoError(t, err)
	sealed, err := sealJSON(key, m, meetingPlace(id))
	require.NoError(t, err)
	_, err = s.pool.Exec(ctx, `update meetings set sealed = $2 where id = $1`, id, sealed)
	require.NoError(t, err)
}
