package store_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func tool(t *testing.T, s string) policy.Tool {
	t.Helper()
	parsed, err := policy.ParseTool(s)
	require.NoError(t, err)
	return parsed
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, _ := storetest.New(t)
	o, other := storetest.Organization(t, s), storetest.Organization(t, s)
	create := tool(t, "contact.create")

	all, err := s.Permissions(ctx, o.ID)
	require.NoError(t, err)
	require.Equal(t, policy.Deny, all.Decide(create), "nothing configured denies")

	require.NoError(t, s.SetPermission(ctx, o.ID, create, policy.Ask, store.Operator))
	require.NoError(t, s.SetPermission(ctx, o.ID, create, policy.Ask, store.Operator))
	require.NoError(t, s.ApplyPreset(ctx, o.ID, policy.Permissions{create: policy.Allow, tool(t, "deal.read"): policy.Allow, tool(t, "deal.update"): policy.Deny}, store.Operator))

	all, err = s.Permissions(ctx, o.ID)
	require.NoError(t, err)
	require.Equal(t, policy.Permissions{create: policy.Allow, tool(t, "deal.read"): policy.Allow, tool(t, "deal.update"): policy.Deny}, all)
	one, err := s.Permission(ctx, o.ID, create)
	require.NoError(t, err)
	require.Equal(t, policy.Allow, one.Permission)
	all, err = s.Permissions(ctx, other.ID)
	require.NoError(t, err)
	require.Empty(t, all, "another organization's are its own")

	trail, err := s.AuditTrail(ctx, o.ID, store.AuditFilter{Kind: store.AuditPermission})
	require.NoError(t, err)
	var changes []string
	for _, e := range trail {
		changes = append(changes, e.Tool.String()+": "+e.Reason)
	}
	require.Equal(t, []string{"contact.create: deny → ask", "contact.create: ask → allow", "deal.read: deny → allow"}, changes,
		"one row for each change, none where nothing changed")

	require.ErrorIs(t, s.SetPermission(ctx, uuid.New(), create, policy.Ask, store.Operator), store.ErrNotFound)
}

func TestUnknownPermissionDenies(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, _ := storetest.New(t)
	o := storetest.Organization(t, s)
	create := tool(t, "contact.create")
	require.NoError(t, s.SetPermission(ctx, o.ID, create, policy.Permission("sometimes"), store.Operator))
	one, err := s.Permission(ctx, o.ID, create)
	require.NoError(t, err)
	require.Equal(t, policy.Deny, one.Permission)
}

// TestChangedPermissionWakes: only open follow-ups with an unsettled action of
// the tool have a reason to look again.
func TestChangedPermissionWakes(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s, url := storetest.New(t)
	o := storetest.Organization(t, s)
	db, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer func() { _ = db.Close(ctx) }()
	add := func(followUp, action, object string) uuid.UUID {
		id := uuid.New()
		_, err := db.Exec(ctx, `insert into meetings (id, organization_id) values ($1, $2)`, id, o.ID)
		require.NoError(t, err)
		_, err = db.Exec(ctx, `insert into follow_ups (meeting_id, organization_id, state) values ($1, $2, $3)`, id, o.ID, followUp)
		require.NoError(t, err)
		_, err = db.Exec(ctx, `
			insert into actions (id, organization_id, origin_kind, origin_id, round, key, object_type, operation, position, state, content_mac)
			values ($1, $2, 'meeting', $3, 1, 'k', $4, 'create', 0, $5, '\x00')`, uuid.New(), o.ID, id, object, action)
		require.NoError(t, err)
		return id
	}
	asking, ready := add("open", "asking", "contact"), add("open", "ready", "contact")
	add("open", "written", "contact")
	add("open", "asking", "deal")
	add("closed", "asking", "contact")

	require.NoError(t, s.SetPermission(ctx, o.ID, tool(t, "contact.create"), policy.Ask, store.Operator))
	rows, err := db.Query(ctx, `select meeting_id from wakeups`)
	require.NoError(t, err)
	woken, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	require.NoError(t, err)
	require.ElementsMatch(t, []uuid.UUID{asking, ready}, woken)
}
