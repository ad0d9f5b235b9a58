package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
)

// withCredentials gives the source credentials, and returns it as it is then.
func (in *intake) withCredentials(t *testing.T, key store.Secret) store.Source {
	t.Helper()
	ctx := context.Background()
	require.NoError(t, in.SetSourceCredentials(ctx, in.source.ID, map[string]store.Secret{"api_key": key}, store.Operator))
	source, err := in.Source(ctx, in.source.ID)
	require.NoError(t, err)
	return source
}

// fetching stores a delivery that waits for what it names.
func (in *intake) fetching(t *testing.T) store.Delivery {
	t.Helper()
	ctx := context.Background()
	id := in.insert(t)
	require.NoError(t, in.StartFetching(ctx, id))
	d, err := in.DeliveryByID(ctx, id)
	require.NoError(t, err)
	require.Equal(t, store.DeliveryFetching, d.State)
	return d
}

func TestSourceCredentials(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	in := newIntake(t)
	require.Empty(t, in.source.API.State())
	source := in.withCredentials(t, "planted-key")
	require.Equal(t, "planted-key", source.Credentials["api_key"].Reveal())
	require.Equal(t, "set", source.API.State())
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", source, source, source), "planted-key")
	require.NotContains(t, in.dump(t), "planted-key")
	rows, err := in.AuditTrail(ctx, in.organization.ID, store.AuditFilter{Kind: store.AuditSource})
	require.NoError(t, err)
	var reasons []string
	for _, row := range rows {
		reasons = append(reasons, row.Reason)
	}
	require.Contains(t, reasons, "API credentials set")

	// Another source can't open them: they are bound to their row.
	other := in.addSource(t, "another")
	in.exec(t, `update sources set sealed_credentials = (select sealed_credentials from sources where id = $1), credentials_at = now() where id = $2`, source.ID, other.ID)
	_, err = in.Source(ctx, other.ID)
	require.ErrorContains(t, err, "opening the API credentials")
	in.exec(t, `update sources set sealed_credentials = null, credentials_at = null where id = $1`, other.ID)

	require.NoError(t, in.SetSourceCredentials(ctx, source.ID, nil, store.Operator))
	source, err = in.Source(ctx, source.ID)
	require.NoError(t, err)
	require.Nil(t, source.Credentials)
	require.Empty(t, source.API.State())
	require.ErrorIs(t, in.SetSourceCredentials(ctx, uuid.New(), nil, store.Operator), store.ErrNotFound)
}

// A refusal is about the credentials that were refused, and somebody is told once for
// each of them.
func TestARefusalIsOfTheCredentialsThatWereUsed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	in := newIntake(t)
	told := func() int {
		notices, err := in.Notices(ctx, in.organization.ID, "", 100)
		require.NoError(t, err)
		return len(notices)
	}
	state := func() string {
		source, err := in.Source(ctx, in.source.ID)
		require.NoError(t, err)
		return source.API.State() + " " + source.API.Problem
	}
	first := in.withCredentials(t, "one")
	for range 3 {
		require.NoError(t, in.RefuseAPI(ctx, first, "zoom refuses the credentials (401)", true))
	}
	require.Equal(t, "refused zoom refuses the credentials (401)", state())
	require.Equal(t, 1, told())

	second := in.withCredentials(t, "another")
	require.Equal(t, "set ", state())
	require.NoError(t, in.RefuseAPI(ctx, first, "zoom refuses the credentials (401)", true), "an answer that comes late")
	require.Equal(t, "set ", state())
	require.Equal(t, 1, told())
	may, err := in.AskRefusedAPI(ctx, first)
	require.NoError(t, err)
	require.False(t, may, "with those of before")

	require.NoError(t, in.RefuseAPI(ctx, second, "zoom does not let the credentials do that (403)", false))
	require.Equal(t, "refused zoom does not let the credentials do that (403)", state())
	require.Equal(t, 2, told())
	for range 2 {
		may, err = in.AskRefusedAPI(ctx, second)
		require.NoError(t, err)
		require.True(t, may, "what one may not see says nothing of others")
	}
	require.NoError(t, in.AcceptAPI(ctx, first))
	require.Contains(t, state(), "refused")
	require.NoError(t, in.AcceptAPI(ctx, second))
	require.Equal(t, "set ", state())
}

// What happens between claiming and telling is not lost.
func TestWhatIsFetchedIsDueAgainWhenThereAreOtherCredentials(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	in := newIntake(t)
	d := in.fetching(t)
	claim := func() []store.Delivery {
		claimed, err := in.ClaimFetching(ctx, 10)
		require.NoError(t, err)
		return claimed
	}
	claimed := claim()
	require.Len(t, claimed, 1)
	require.Equal(t, d.ID, claimed[0].ID)
	require.Empty(t, claim(), "somebody has it")

	in.withCredentials(t, "others")
	require.NoError(t, in.ToldFetching(ctx, claimed[0]))
	claimed = claim()
	require.Len(t, claimed, 1, "its workflow was told before there were others")
	require.NoError(t, in.ToldFetching(ctx, claimed[0]))
	require.Empty(t, claim())
	in.exec(t, `update deliveries set next_attempt_at = next_attempt_at - interval '6 hours'`)
	require.Len(t, claim(), 1, "should the workflow be lost")

	received, err := in.ClaimDeliveries(ctx, 10)
	require.NoError(t, err)
	require.Empty(t, received, "the relay leaves it to the workflow")
}

// What was fetched is kept once, sealed, while it is waited for.
func TestWhatIsFetchedIsSealed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	in := newIntake(t)
	d := in.fetching(t)
	require.NoError(t, in.StoreFetched(ctx, d.ID, []byte(`{"said":"planted-words"}`)))
	require.NotContains(t, in.dump(t), "planted-words")
	body, fetched, err := in.BodyAndFetched(ctx, d.ID)
	require.NoError(t, err)
	require.Equal(t, "null", string(body))
	require.JSONEq(t, `{"said":"planted-words"}`, string(fetched))

	require.NoError(t, in.SettleDelivery(ctx, d.ID, store.DeliveryUnprocessable, "no use"))
	require.NoError(t, in.StoreFetched(ctx, d.ID, []byte(`{"said":"later"}`)))
	_, fetched, err = in.BodyAndFetched(ctx, d.ID)
	require.NoError(t, err)
	require.JSONEq(t, `{"said":"planted-words"}`, string(fetched), "it has its verdict")

	gone := in.fetching(t)
	in.exec(t, `update deliveries set sealed_body = null, body_key = null where id = $1`, gone.ID)
	require.ErrorIs(t, in.StoreFetched(ctx, gone.ID, []byte(`{}`)), store.ErrErased)
	require.ErrorIs(t, in.StoreFetched(ctx, uuid.New(), []byte(`{}`)), store.ErrNotFound)

	excluded := in.fetching(t)
	require.NoError(t, in.StoreFetched(ctx, excluded.ID, []byte(`{}`)))
	require.NoError(t, in.SettleDelivery(ctx, excluded.ID, store.DeliveryExcluded, "its words were erased"))
	_, _, err = in.BodyAndFetched(ctx, excluded.ID)
	require.ErrorIs(t, err, store.ErrErased)
	require.Equal(t, 1, in.CountForTest(t, `select count(*) from deliveries where sealed_fetched is not null`))
}

// A delay that a platform asks for is never made shorter by another one.
func TestDelayAPI(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	in := newIntake(t)
	require.NoError(t, in.DelayAPI(ctx, in.source.ID, time.Hour))
	require.NoError(t, in.DelayAPI(ctx, in.source.ID, time.Second))
	wait, reserved, err := in.ReserveAPI(ctx, in.source.ID, time.Second, time.Minute)
	require.NoError(t, err)
	require.False(t, reserved)
	require.InDelta(t, time.Hour.Seconds(), wait.Seconds(), 20)
	_, _, err = in.ReserveAPI(ctx, uuid.New(), time.Second, time.Minute)
	require.ErrorIs(t, err, store.ErrNotFound)
}

// A rule that applies only once more is known drops what was fetched before, too. A
// delivery that tells of another meeting as well has lost its key by then: what is
// left of it would be neither read nor erased.
func TestARuleThatAppliesLaterDropsWhatWasFetched(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	in := newIntake(t)
	settings := in.organization.Settings
	settings.Exclusions.TitleWords = []string{"renewal"}
	require.NoError(t, in.UpdateSettings(ctx, in.organization.ID, in.organization.Domains, settings, store.Operator))
	sam := attendee("Sam Poe", "sam@northwind.example")
	other, named := metEvent("other", tenOClock, sam), metEvent("named", tenOClock.AddDate(0, 0, 1), sam)
	other.Title = "Onboarding"
	unnamed := named
	unnamed.Title, unnamed.DedupeKey = "", "unnamed"
	d := in.fetching(t)
	require.NoError(t, in.StoreFetched(ctx, d.ID, []byte(`{"said":"sam@northwind.example agrees"}`)))
	require.Len(t, in.understand(t, d.ID, other, unnamed).MeetingIDs, 2)
	named.Title = "Renewal"
	in.deliver(t, named)

	d, err := in.DeliveryByID(ctx, d.ID)
	require.NoError(t, err)
	require.Equal(t, store.DeliveryExcluded, d.State)
	require.Zero(t, in.CountForTest(t, `select count(*) from deliveries where sealed_fetched is not null`))
	_, err = in.EraseContact(ctx, store.ErasureRequest{OrganizationID: in.organization.ID, Emails: []string{"sam@northwind.example"}}, store.Operator)
	require.NoError(t, err)
}
