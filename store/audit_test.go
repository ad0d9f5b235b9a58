package store_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// TestSweepCalls: a row whose process died is completed as unknown; neither what may be
// under way nor what a write's successor looks after is touched.
func TestSweepCalls(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	read := policy.Tool{Object: "deal", Operation: policy.Read}
	b := newBench(t, policy.Permissions{updateDeal: policy.Allow, read: policy.Allow})
	begin := func(tool policy.Tool, values map[string]string) int64 {
		t.Helper()
		id, err := b.BeginToolCall(ctx, store.AuditEntry{
			OrganizationID: b.org, ConnectionID: &b.connection, Tool: tool, Actor: store.Operator, Reason: "reading a deal", Values: values,
		}, []policy.Tool{tool}, false)
		require.NoError(t, err)
		return id
	}
	died, underWay, write := begin(read, nil), begin(read, nil), begin(updateDeal, map[string]string{"amount": "2"})
	b.ExecForTest(t, `update audit set at = at - interval '61 minutes' where id in ($1, $2)`, died, write)
	require.NoError(t, b.SweepCalls(ctx))

	row := func(id int64) store.AuditEntry {
		t.Helper()
		rows, err := b.AuditTrail(ctx, b.org, store.AuditFilter{ID: id})
		require.NoError(t, err)
		require.Len(t, rows, 1)
		return rows[0]
	}
	require.Equal(t, store.Unknown, row(died).Outcome)
	require.Equal(t, "reading a deal: whoever called died before there was an answer", row(died).Reason)
	require.NotNil(t, row(died).CompletedAt)
	require.Equal(t, store.Attempted, row(underWay).Outcome)
	require.Equal(t, store.Attempted, row(write).Outcome)
}
