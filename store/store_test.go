package store_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func TestMigrateTwice(t *testing.T) {
	t.Parallel()
	s, _ := storetest.New(t)
	applied, err := s.Migrate(context.Background())
	require.NoError(t, err)
	require.Empty(t, applied, "the template is migrated already")
	require.NoError(t, s.CheckSchema(context.Background()))
}

func TestOrganizationsAreAudited(t *testing.T) {
	t.Parallel()
	s, _ := storetest.New(t)
	o := storetest.Organization(t, s)

	got, err := s.Organization(context.Background(), o.ID)
	require.NoError(t, err)
	require.Equal(t, []string{"acme.example"}, got.Domains)

	trail, err := s.AuditTrail(context.Background(), o.ID, store.AuditFilter{})
	require.NoError(t, err)
	require.Len(t, trail, 1)
	require.Equal(t, store.AuditOrganization, trail[0].Kind)
}
