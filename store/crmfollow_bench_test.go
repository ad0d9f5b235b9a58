package store_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// crowd adds open follow-ups, each of which asks about a deal of its own and knows
// ten other records.
func (b *bench) crowd(n int) {
	b.t.Helper()
	b.plan(dealUpdate(map[string]string{"amount": "42000"}))
	b.ExecForTest(b.t, `
		insert into meetings (id, organization_id, state, version, data_key_id, first_word_at)
		select gen_random_uuid(), m.organization_id, 'ended', 1, m.data_key_id, now() from meetings m, generate_series(1, $2) where m.id = $1`, b.meeting, n)
	b.ExecForTest(b.t, `
		insert into follow_ups (meeting_id, organization_id, connection_id, planned_version, round, records_listed)
		select m.id, m.organization_id, f.connection_id, 1, 1, true from meetings m, follow_ups f where f.meeting_id = $1 and m.id <> $1`, b.meeting)
	b.ExecForTest(b.t, `
		insert into actions (id, organization_id, origin_kind, origin_id, data_key_id, round, key, object_type, operation, target_id, position, state, content_mac, connection_id)
		select gen_random_uuid(), f.organization_id, 'meeting', f.meeting_id, null, 1, 'deal', 'deal', 'update', (100000 + row_number() over ())::text, 0, 'ready', '\x00', f.connection_id
		from follow_ups f where f.meeting_id <> $1`, b.meeting)
	b.ExecForTest(b.t, `
		insert into follow_up_records (meeting_id, organization_id, object_type, record_id)
		select f.meeting_id, f.organization_id, case when i % 2 = 0 then 'contact' else 'deal' end, (200000 + 10 * row_number() over () + i)::text
		from follow_ups f, generate_series(1, 10) i where f.meeting_id <> $1`, b.meeting)
	b.ExecForTest(b.t, `analyze`)
}

// The plan for what an event concerns reads indexes, however many follow-ups are
// open.
func TestAnEventFindsWhatItConcernsByIndex(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{updateDeal: policy.Ask})
	b.crowd(3000)
	merged := dealEvent(hubspot.EventMerge, time.Now())
	merged.PrimaryObjectID, merged.NewObjectID, merged.ObjectID, merged.MergedObjectIDs = "88", "88", "88", []string{"77"}
	plan := b.ExplainConcernedForTest(t, store.CRMRecord{OrganizationID: b.org, HubID: 1001, Object: "deal", ID: "88"}, "77")
	for _, table := range []string{"actions", "follow_up_records", "follow_ups"} {
		require.NotContains(t, plan, "Seq Scan on "+table, plan)
	}
	require.Contains(t, plan, "actions_waiting_by_target")
	require.Contains(t, plan, "follow_up_records_by_record")
	got := b.tell(merged)
	require.Equal(t, 1, got.Withdrawn)
	require.Equal(t, 1, got.Planned)
}

// BenchmarkFollowCRMRecord deals with one event while so many follow-ups are open.
func BenchmarkFollowCRMRecord(b *testing.B) {
	for _, open := range []int{100, 10_000} {
		for _, kind := range []string{hubspot.EventPropertyChange, hubspot.EventDeletion} {
			b.Run(fmt.Sprintf("%s/open=%d", strings.ToLower(kind), open), func(b *testing.B) {
				ctx := context.Background()
				s := newBench(b, policy.Permissions{updateDeal: policy.Ask})
				s.crowd(open)
				now := time.Now()
				records := make([]store.CRMRecord, b.N)
				var events []hubspot.WebhookEvent
				for i := range records {
					e := amountBecomes("1", now)
					if kind == hubspot.EventDeletion {
						e = dealEvent(kind, now)
					}
					e.ObjectID = fmt.Sprint(100_001 + open + i) // nobody's
					records[i] = store.CRMRecord{OrganizationID: s.org, HubID: 1001, Object: "deal", ID: e.ObjectID}
					events = append(events, e)
				}
				source := hubspotSource(b, s.Store)
				for len(events) > 0 {
					n := min(100, len(events))
					crmDelivery(b, s.Store, source, events[:n]...)
					events = events[n:]
				}
				b.ResetTimer()
				for _, r := range records {
					f, err := s.FollowCRMRecord(ctx, r)
					require.NoError(b, err)
					require.Equal(b, 1, f.Events)
				}
			})
		}
	}
}
