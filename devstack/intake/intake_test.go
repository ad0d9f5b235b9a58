package intake

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/devstack"
)

// The defaults are for every day; doc.go has those of a release.
var (
	during = flag.Duration("for", 20*time.Second, "how long receivers are killed")
	orders = flag.Int("orders", 10, "in how many orders the same deliveries come")
	away   = flag.Duration("away", 2*time.Second, "how long Temporal is away")
)

// binary is the debrief that ships, as for the end-to-end tests.
func binary() string {
	if path := os.Getenv("DEBRIEF_BINARY"); path != "" {
		return path
	}
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "bin", "debrief")
}

type world struct {
	*devstack.Stack

	t     *testing.T
	ctx   context.Context //nolint:containedctx // a test's
	scene *devstack.Scene
	db    *pgxpool.Pool
}

func setup(t *testing.T) *world {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute+3**during)
	t.Cleanup(cancel)
	require.FileExists(t, binary(), "`make build` makes it")
	stack, err := devstack.Start(ctx, devstack.Options{Debrief: binary(), Prepare: devstack.Prepare, NoUI: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, stack.Stop()) })
	w := &world{Stack: stack, t: t, ctx: ctx}
	w.scene, err = stack.NewScene(ctx, "intake", devstack.DemoHub)
	require.NoError(t, err)
	w.db, err = pgxpool.New(ctx, stack.DatabaseURL())
	require.NoError(t, err)
	t.Cleanup(w.db.Close)
	return w
}

// count is what a query counts.
func (w *world) count(query string, args ...any) int {
	w.t.Helper()
	var n int
	require.NoError(w.t, w.db.QueryRow(w.ctx, query, args...).Scan(&n))
	return n
}

func (w *world) eventually(what string, check func() bool) {
	w.t.Helper()
	require.Eventually(w.t, check, 4*time.Minute, 200*time.Millisecond, what)
}

// ended is the delivery of the n-th meeting's end: what it is told of is its own.
func ended(n int) (id string, body []byte) {
	at := time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Minute)
	return fmt.Sprintf("ended_%d", n), fmt.Appendf(nil,
		`{"type":"meeting.ended","timestamp":%q,"data":{"keys":{"instance_id":"i%d"},"title":"Call %d","actual_start":%q,"actual_end":%q,`+
			`"organizer":{"email":"mara@brightwater.example"},"attendees":[{"email":"ines@harrowmills.example"}]}}`,
		at.Add(time.Hour).Format(time.RFC3339), n, n, at.Format(time.RFC3339), at.Add(time.Hour).Format(time.RFC3339))
}

// Promises 1 and 2: the receiver, and the relay in it, are killed every few
// seconds while webhooks come. Whoever got a 2xx finds the row, and the one meeting
// and the one follow-up that it leads to; so does who was cut off and sent again.
func TestKilledUnderLoad(t *testing.T) {
	t.Parallel()
	w := setup(t)
	load, stop := context.WithTimeout(w.ctx, *during)
	defer stop()
	connected := w.connect()
	var next atomic.Int64
	var mu sync.Mutex
	acknowledged, written := map[string]int{}, map[string]int{}
	var senders sync.WaitGroup
	send := func(to *devstack.Scene, every time.Duration, noted map[string]int) {
		senders.Go(func() {
			tick := time.NewTicker(every)
			defer tick.Stop()
			for {
				select {
				case <-load.Done():
					return
				case <-tick.C:
				}
				n := int(next.Add(1))
				id, body := ended(n)
				for range 2 { // and the platform sends some again
					if status, err := to.Post(load, id, body); err == nil && status == http.StatusOK {
						mu.Lock()
						noted[id] = n
						mu.Unlock()
					}
					if n%3 > 0 {
						break
					}
				}
			}
		})
	}
	for range 4 {
		// Some tens a second: each begins a workflow, and all have to be done in time.
		send(w.scene, 200*time.Millisecond, acknowledged)
	}
	// An account takes ten calls a second, and each of these is some.
	send(connected, 1500*time.Millisecond, written)
	kills := 0
	every := time.NewTicker(3 * time.Second)
	defer every.Stop()
	for load.Err() == nil {
		select {
		case <-load.Done():
			continue
		case <-every.C:
		}
		require.NoError(t, w.Serve().Kill())
		kills++
		require.NoError(t, w.StartServe(w.ctx))
	}
	senders.Wait()
	require.NotZero(t, kills)
	require.NotEmpty(t, acknowledged)
	require.NotEmpty(t, written)

	// A delivery that somebody died over is another's when its lease is over.
	w.eventually("everything to be understood and passed on", func() bool {
		return w.count(`select count(*) from deliveries where state = 'received'`)+w.count(`select count(*) from wakeups`) == 0
	})
	all := maps.Clone(acknowledged)
	maps.Copy(all, written)
	for id := range all {
		require.Equal(t, 1, w.count(`select count(*) from deliveries where dedupe_key = $1 and state = 'understood'`, id), id)
		require.Equal(t, 1, w.count(`select count(*) from events e join deliveries d on d.id = e.delivery_id where d.dedupe_key = $1`, id), id)
	}
	stored := w.count(`select count(*) from deliveries`)
	require.GreaterOrEqual(t, stored, len(all))
	require.Equal(t, stored, w.count(`select count(*) from meetings where version = 1`), "each is one meeting, folded once")
	require.Equal(t, stored, w.count(`select count(*) from meetings`))
	w.eventually("each to have its one follow-up", func() bool { return w.count(`select count(*) from follow_ups`) == stored })
	// And what it leads to in HubSpot, where one is connected: one record each.
	w.eventually("the meetings to be written", func() bool {
		logged := w.logged(connected)
		for _, n := range written {
			if logged[fmt.Sprintf("Call %d", n)] == 0 {
				return false
			}
		}
		return w.count(`select count(*) from follow_ups f join organizations o on o.id = f.organization_id where o.name = 'connected' and f.state <> 'closed'`) == 0
	})
	for title, times := range w.logged(connected) {
		require.Equal(t, 1, times, title)
	}
	t.Logf("%d kills; %d acknowledged, %d stored; %d of them in a connected account, each written once", kills, len(all), stored, len(written))
}

// connect makes a second organization, with a HubSpot account in which meetings are
// logged without a question.
func (w *world) connect() *devstack.Scene {
	w.t.Helper()
	sc, err := w.NewScene(w.ctx, "connected", devstack.DemoHub+1)
	require.NoError(w.t, err)
	require.NoError(w.t, sc.Connect(w.ctx))
	for _, args := range [][]string{
		{"organizations", "set", "--notes-wait", "1s"},
		{"tools", "set", "allow", "contact.read", "company.read", "deal.read", "ticket.read", "meeting.read", "meeting.create"},
	} {
		_, err := sc.Run(w.ctx, args...)
		require.NoError(w.t, err)
	}
	return sc
}

// logged are the meetings that an account has, by title.
func (w *world) logged(sc *devstack.Scene) map[string]int {
	byTitle := map[string]int{}
	for _, r := range w.Simulator.Records(sc.HubID, "meetings") {
		byTitle[r.Properties["hs_meeting_title"]]++
	}
	return byTitle
}

// Promise 1: Temporal is away, and nothing is lost.
func TestTemporalIsAway(t *testing.T) {
	t.Parallel()
	w := setup(t)
	require.NoError(t, w.Temporal.Down())
	const n = 30
	tick := time.NewTicker(*away / n)
	defer tick.Stop()
	for i := range n {
		id, body := ended(i)
		status, err := w.scene.Post(w.ctx, id, body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		<-tick.C // they come for as long as it is away
	}
	w.eventually("everything to be understood all the same", func() bool {
		return w.count(`select count(*) from deliveries where state = 'understood'`) == n
	})
	require.Zero(t, w.count(`select count(*) from follow_ups`))
	require.NoError(t, w.Temporal.Up(w.ctx))
	w.eventually("the backlog to be passed on", func() bool {
		return w.count(`select count(*) from wakeups`) == 0 && w.count(`select count(*) from follow_ups`) == n
	})
}

// Promise 2: the same deliveries in any order, some of them twice, make the same
// meetings, with the same content.
func TestAnyOrder(t *testing.T) {
	t.Parallel()
	w := setup(t)
	type delivery struct {
		id   string
		body []byte
	}
	var deliveries []delivery
	for m := range 3 {
		id, body := ended(m)
		deliveries = append(deliveries, delivery{id, body})
		for _, typ := range []string{"meeting.scheduled", "meeting.started", "meeting.notes_ready"} {
			at := time.Date(2026, 9, 1, 8, len(typ), m, 0, time.UTC).Format(time.RFC3339)
			deliveries = append(deliveries, delivery{fmt.Sprintf("%s_%d", typ[len("meeting."):], m), fmt.Appendf(nil,
				`{"type":%q,"timestamp":%q,"data":{"keys":{"instance_id":"i%d"},"title":"Told at %s","summary":{"format":"text","text":"%s"}}}`, typ, at, m, at, typ)})
		}
	}
	var want []string
	for range *orders {
		for _, table := range []string{"deliveries", "meetings"} {
			_, err := w.db.Exec(w.ctx, `delete from `+table)
			require.NoError(t, err)
		}
		sent := append(append([]delivery{}, deliveries...), deliveries[:4]...)
		rand.Shuffle(len(sent), func(i, j int) { sent[i], sent[j] = sent[j], sent[i] })
		for _, d := range sent {
			status, err := w.scene.Post(w.ctx, d.id, d.body)
			require.NoError(t, err)
			require.Equal(t, http.StatusOK, status)
		}
		w.eventually("everything to be understood", func() bool {
			return w.count(`select count(*) from deliveries where state = 'understood'`) == len(deliveries)
		})
		got := w.meetings()
		require.Len(t, got, 3)
		if want == nil {
			want = got
		}
		require.Equal(t, want, got)
	}
}

// meetings are what the meetings add up to, without what is each one's own.
func (w *world) meetings() []string {
	w.t.Helper()
	var list []struct {
		Content json.RawMessage `json:"content"`
	}
	require.NoError(w.t, w.scene.JSON(w.ctx, &list, "meetings", "list"))
	all := make([]string, 0, len(list))
	for _, m := range list {
		all = append(all, string(m.Content))
	}
	return all
}
