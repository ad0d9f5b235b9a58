package store_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

func keptSource(t *testing.T) (*store.Store, string, store.Source) {
	t.Helper()
	s, url := storetest.New(t)
	organization := storetest.Organization(t, s)
	source, err := s.CreateSource(context.Background(), store.NewSource{
		OrganizationID: &organization.ID, Platform: "calcom", Name: "bookings", Secrets: []store.Secret{"planted-secret"},
	}, store.Operator)
	require.NoError(t, err)
	return s, url, source
}

func claimUpkeeps(t *testing.T, s *store.Store) []store.AskedUpkeep {
	t.Helper()
	claimed, err := s.ClaimUpkeeps(context.Background(), 10)
	require.NoError(t, err)
	return claimed
}

func upkeepOf(t *testing.T, s *store.Store, source store.Source) store.Upkeep {
	t.Helper()
	all, err := s.Upkeeps(context.Background(), source.OrganizationID)
	require.NoError(t, err)
	require.Contains(t, all, source.ID)
	return all[source.ID]
}

// Whatever changes of a source is told to its upkeep, once.
func TestChangesOfASourceAskForALook(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(context.Context, *store.Store, uuid.UUID) error{
		"settings": func(ctx context.Context, s *store.Store, id uuid.UUID) error {
			return s.SetSource(ctx, id, store.SourceSettings{RateLimit: 7}, store.Operator)
		},
		"disabled": func(ctx context.Context, s *store.Store, id uuid.UUID) error {
			return s.DisableSource(ctx, id, store.Operator)
		},
		"enabled": func(ctx context.Context, s *store.Store, id uuid.UUID) error {
			return s.EnableSource(ctx, id, store.Operator)
		},
		"secret": func(ctx context.Context, s *store.Store, id uuid.UUID) error {
			return s.RotateSourceSecret(ctx, id, "another-planted-secret", store.Operator)
		},
		"credentials": func(ctx context.Context, s *store.Store, id uuid.UUID) error {
			return s.SetSourceCredentials(ctx, id, map[string]store.Secret{"api_key": "planted"}, store.Operator)
		},
		"the platform": func(ctx context.Context, s *store.Store, id uuid.UUID) error { return s.AskUpkeep(ctx, id) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, source := keptSource(t)
			created := claimUpkeeps(t, s)
			require.Len(t, created, 1)
			require.Equal(t, source.ID, created[0].SourceID)
			require.Equal(t, source.OrganizationID, created[0].OrganizationID)
			require.NoError(t, s.NoUpkeep(context.Background(), created[0]))
			require.Empty(t, claimUpkeeps(t, s))

			require.NoError(t, change(context.Background(), s, source.ID))
			asked := claimUpkeeps(t, s)
			require.Len(t, asked, 1)
			require.Empty(t, claimUpkeeps(t, s), "one that is claimed is left alone")
			require.NoError(t, s.ToldUpkeep(context.Background(), asked[0]))
			require.Empty(t, claimUpkeeps(t, s))
		})
	}
}

// What is asked while an older asking is being told must not be lost with it.
func TestAskingMeanwhileIsToldNext(t *testing.T) {
	t.Parallel()
	s, _, source := keptSource(t)
	ctx := context.Background()
	claimed := claimUpkeeps(t, s)
	require.Len(t, claimed, 1)
	require.NoError(t, s.AskUpkeep(ctx, source.ID))
	// A look that ends now may not have seen it either.
	look, err := s.BeginUpkeep(ctx, source)
	require.NoError(t, err)
	require.NoError(t, s.FinishUpkeep(ctx, look, nil, "", time.Now().Add(time.Hour)))
	require.NoError(t, s.ToldUpkeep(ctx, claimed[0]))
	require.Len(t, claimUpkeeps(t, s), 1)
}

// A workflow that is lost is missed a while after it should have looked.
func TestALookThatIsMissedIsAskedForAgain(t *testing.T) {
	t.Parallel()
	s, _, source := keptSource(t)
	ctx := context.Background()
	require.NoError(t, s.ToldUpkeep(ctx, claimUpkeeps(t, s)[0]))
	look, err := s.BeginUpkeep(ctx, source)
	require.NoError(t, err)
	require.NoError(t, s.FinishUpkeep(ctx, look, nil, "", time.Now().Add(-14*time.Minute)))
	require.Empty(t, claimUpkeeps(t, s))
	look, err = s.BeginUpkeep(ctx, source)
	require.NoError(t, err)
	require.NoError(t, s.FinishUpkeep(ctx, look, nil, "", time.Now().Add(-16*time.Minute)))
	require.Len(t, claimUpkeeps(t, s), 1)
}

func TestWhatALookKeeps(t *testing.T) {
	t.Parallel()
	s, url, source := keptSource(t)
	ctx := context.Background()
	look, err := s.BeginUpkeep(ctx, source)
	require.NoError(t, err)
	require.Nil(t, look.State)
	require.WithinDuration(t, time.Now(), look.BegunAt, time.Minute)
	require.NoError(t, s.KeepUpkeep(ctx, look, []byte(`{"token":"planted-channel"}`)))
	conn, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(ctx) }()
	var row string
	require.NoError(t, conn.QueryRow(ctx, `select upkeeps::text || encode(sealed_state, 'escape') from upkeeps`).Scan(&row))
	require.NotContains(t, row, "planted-channel")

	newer, err := s.BeginUpkeep(ctx, source)
	require.NoError(t, err)
	require.JSONEq(t, `{"token":"planted-channel"}`, string(newer.State))
	require.Equal(t, look.BegunAt, newer.BegunAt)
	require.ErrorIs(t, s.KeepUpkeep(ctx, look, []byte(`{}`)), store.ErrOvertaken)
	require.ErrorIs(t, s.FinishUpkeep(ctx, look, nil, "", time.Now()), store.ErrOvertaken)
	require.ErrorIs(t, s.FailUpkeep(ctx, look, "", time.Now()), store.ErrOvertaken)

	next := time.Now().Add(time.Minute).Truncate(time.Second)
	require.NoError(t, s.FailUpkeep(ctx, newer, "the platform can't be reached", next))
	u := upkeepOf(t, s, source)
	require.Equal(t, "the platform can't be reached", u.Problem)
	require.Nil(t, u.LookedAt)
	require.True(t, next.Equal(*u.NextAt))

	third, err := s.BeginUpkeep(ctx, source)
	require.NoError(t, err)
	require.Equal(t, 1, third.Failures)
	require.NotNil(t, third.State, "a failure forgets nothing")
	require.NoError(t, s.FinishUpkeep(ctx, third, nil, "1 subscription", next))
	u = upkeepOf(t, s, source)
	require.Empty(t, u.Problem)
	require.Equal(t, "1 subscription", u.Words)
	require.NotNil(t, u.LookedAt)

	require.NoError(t, s.EndUpkeep(ctx, source.ID))
	require.Nil(t, upkeepOf(t, s, source).BegunAt)
	require.ErrorIs(t, s.KeepUpkeep(ctx, third, []byte(`{}`)), store.ErrOvertaken)
	anew, err := s.BeginUpkeep(ctx, source)
	require.NoError(t, err)
	require.Nil(t, anew.State)
	require.Zero(t, anew.Failures)
	require.True(t, anew.BegunAt.After(look.BegunAt))
}

func TestInsertPolled(t *testing.T) {
	t.Parallel()
	at := time.Now().Add(-time.Hour)
	polled := func(source store.Source, body string) store.PolledDelivery {
		return store.PolledDelivery{
			NewDelivery: store.NewDelivery{Source: source, DedupeKey: "made:b1:10:00", Body: []byte(body), ReceivedAt: time.Now()},
			Told:        []string{"made:b1:", "seen:b1"}, Since: at,
		}
	}
	for name, tc := range map[string]struct {
		before string // the key of a webhook that came
		when   time.Time
		stored bool
	}{
		"nothing came":                    {stored: true},
		"its webhook came":                {before: "made:b1:10:02", when: at.Add(time.Minute)},
		"with the very key":               {before: "made:b1:10:00", when: at.Add(time.Minute)},
		"another of the same":             {before: "seen:b1", when: at.Add(-48 * time.Hour)},
		"of another one":                  {before: "made:b10:10:02", when: at.Add(time.Minute), stored: true},
		"of one whose name begins alike":  {before: "seen:b1x", when: at.Add(time.Minute), stored: true},
		"before it happened: another one": {before: "made:b1:09:00", when: at.Add(-time.Minute), stored: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, source := keptSource(t)
			ctx := context.Background()
			if tc.before != "" {
				_, inserted, err := s.InsertDelivery(ctx, store.NewDelivery{Source: source, DedupeKey: tc.before, Body: []byte(`{}`), Header: http.Header{}, ReceivedAt: tc.when})
				require.NoError(t, err)
				require.True(t, inserted)
			}
			id, inserted, err := s.InsertPolled(ctx, polled(source, `{"found":1}`))
			require.NoError(t, err)
			require.Equal(t, tc.stored, inserted)
			all, err := s.Deliveries(ctx, store.DeliveryFilter{})
			require.NoError(t, err)
			for _, d := range all {
				require.Equal(t, d.ID == id, d.Origin == store.OriginPoll)
				require.Zero(t, d.Duplicates)
			}
			if !tc.stored {
				return
			}
			// Found again it is nothing; changed, it is a revision.
			_, inserted, err = s.InsertPolled(ctx, polled(source, `{"found":1}`))
			require.NoError(t, err)
			require.False(t, inserted)
			_, inserted, err = s.InsertPolled(ctx, polled(source, `{"found":2}`))
			require.NoError(t, err)
			require.True(t, inserted)
			d, err := s.DeliveryByID(ctx, id)
			require.NoError(t, err)
			require.Zero(t, d.Duplicates, "nobody sent it again")
		})
	}
}
