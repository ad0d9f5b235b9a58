package store_test

import (
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func TestInstallationKeyIsOne(t *testing.T) {
	t.Parallel()
	s, url := storetest.New(t)
	other, err := store.Open(t.Context(), store.Options{URL: url, Vault: storetest.Vault(t), MaxConnections: 8})
	require.NoError(t, err)
	t.Cleanup(other.Close)

	var wg sync.WaitGroup
	ids := make(chan uuid.UUID, 8)
	for _, s := range []*store.Store{s, other} {
		for range 4 {
			wg.Go(func() {
				id, key, err := s.InstallationKey(t.Context())
				if err == nil && key != nil {
					ids <- id
				}
			})
		}
	}
	wg.Wait()
	close(ids)
	seen := map[uuid.UUID]int{}
	for id := range ids {
		seen[id]++
	}
	require.Len(t, seen, 1)
	require.Equal(t, 1, s.CountForTest(t, `select count(*) from data_keys`), "who lost leaves nothing behind")
	for id, n := range seen {
		require.Equal(t, 8, n)
		_, err := s.DataKey(t.Context(), id)
		require.NoError(t, err)
	}
}

func TestKeysOfMeetingsAndQuestions(t *testing.T) {
	t.Parallel()
	s, url := storetest.New(t)
	o := storetest.Organization(t, s)
	meeting := s.NewMeetingForTest(t, o.ID)
	action, approval := uuid.New(), uuid.New()
	s.ExecForTest(t, `
		insert into actions (id, organization_id, origin_kind, origin_id, data_key_id, round, key, object_type, operation, position, state, content_mac)
		select $1, organization_id, 'meeting', id, data_key_id, 1, 'k', 'deal', 'create', 1, 'asking', '' from meetings where id = $2`, action, meeting)
	s.ExecForTest(t, `
		insert into approvals (id, organization_id, action_id, content_mac, round, expires_at) values ($1, $2, $3, '', 1, now())`, approval, o.ID, action)

	id, key, err := s.DataKeyForMeeting(t.Context(), meeting)
	require.NoError(t, err)
	same, _, err := s.DataKeyForApproval(t.Context(), approval)
	require.NoError(t, err)
	require.Equal(t, id, same)
	sealed, err := key.Seal([]byte("words"), "p")
	require.NoError(t, err)

	_, _, err = s.DataKeyForMeeting(t.Context(), uuid.New())
	require.ErrorIs(t, err, store.ErrNotFound)
	_, _, err = s.DataKeyForApproval(t.Context(), uuid.New())
	require.ErrorIs(t, err, store.ErrNotFound)

	// Another process opens it, until it is erased.
	fresh := func() *store.Store {
		other, err := store.Open(t.Context(), store.Options{URL: url, Vault: storetest.Vault(t)})
		require.NoError(t, err)
		t.Cleanup(other.Close)
		return other
	}
	before := fresh()
	again, err := before.DataKey(t.Context(), id)
	require.NoError(t, err)
	opened, err := again.Open(sealed, "p")
	require.NoError(t, err)
	require.Equal(t, "words", string(opened))

	s.ExecForTest(t, `delete from data_keys where id = $1`, id)
	after := fresh()
	_, err = after.DataKey(t.Context(), id)
	require.ErrorIs(t, err, store.ErrErased)
	_, _, err = after.DataKeyForMeeting(t.Context(), meeting)
	require.ErrorIs(t, err, store.ErrErased)
	_, _, err = after.DataKeyForApproval(t.Context(), approval)
	require.ErrorIs(t, err, store.ErrErased)
}
