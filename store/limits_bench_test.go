package store_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// BenchmarkReserve measures what a turn costs: all callers on one account, whose
// row they queue for, and each on an account of its own.
func BenchmarkReserve(b *testing.B) {
	for _, accounts := range []int{1, 64} {
		b.Run(fmt.Sprintf("accounts=%d", accounts), func(b *testing.B) {
			s, _ := storetest.New(b)
			var connections []uuid.UUID
			for range accounts {
				connections = append(connections, s.NewConnectionForTest(b, storetest.Organization(b, s).ID, "connected"))
			}
			s.ExecForTest(b, `update connections set hub_id = 1000000 + (abs(hashtext(id::text)) % 1000000000)`)
			var n atomic.Int64
			b.SetParallelism(4)
			b.ResetTimer()
			b.RunParallel(func(p *testing.PB) {
				connection := connections[int(n.Add(1))%len(connections)]
				for p.Next() {
					_, err := s.Reserve(context.Background(), store.Reservation{
						ConnectionID: connection, Holder: uuid.NewString(), Calls: map[hubspot.Bucket]int{hubspot.BurstBucket: 1},
						Patience: 250 * time.Millisecond, DayShare: 0.8,
					})
					require.NoError(b, err)
				}
			})
		})
	}
}
