package store_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// What is done for a meeting names its host, and two meetings at once make one
// person of one address.
func TestTheTrailSaysForWhom(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	other := b.NewMeetingForTest(t, b.org)
	var wg sync.WaitGroup
	for _, meeting := range []struct{ email string }{{"Mara@acme.example"}, {" mara@acme.example"}} {
		wg.Go(func() {
			require.NoError(t, b.EnsureHost(context.Background(), b.org, b.meeting, meeting.email, "Mara Lindqvist"))
			require.NoError(t, b.EnsureHost(context.Background(), b.org, other, meeting.email, "Mara Lindqvist"))
		})
	}
	wg.Wait()
	names, err := b.PeopleNames(context.Background(), b.org)
	require.NoError(t, err)
	require.Len(t, names, 1)

	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
	require.NoError(t, b.decide(b.question("deal:1"), store.Reject, nil))
	trail, err := b.AuditTrail(context.Background(), b.org, store.AuditFilter{OriginID: b.meeting})
	require.NoError(t, err)
	require.Len(t, trail, 1)
	require.Equal(t, "Mara Lindqvist", names[trail[0].OnBehalfOf])
}
