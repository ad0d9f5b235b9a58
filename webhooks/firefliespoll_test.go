package webhooks

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
)

// firefliesDouble is Fireflies' API with some meetings, the newest first.
type firefliesDouble struct {
	*double

	mu       sync.Mutex
	meetings []map[string]any
	from     []string // what lists were asked for
}

func newFirefliesDouble(t *testing.T, meetings ...map[string]any) *firefliesDouble {
	t.Helper()
	f := &firefliesDouble{meetings: meetings}
	f.double = newDouble(t, bearing("Bearer", apiKey, func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		var in struct {
			Query     string `json:"query"`
			Variables struct {
				ID          string `json:"id"`
				From        string `json:"from"`
				Limit, Skip int
			} `json:"variables"`
		}
		if r.Method != http.MethodPost || r.URL.Path != "/graphql" || json.NewDecoder(r.Body).Decode(&in) != nil {
			status(http.StatusBadRequest)(w, r)
			return
		}
		data := map[string]any{}
		switch {
		case strings.Contains(in.Query, "transcripts(mine: true,") && in.Variables.Limit <= 50:
			from, err := time.Parse(time.RFC3339, in.Variables.From)
			if err != nil {
				status(http.StatusBadRequest)(w, r)
				return
			}
			f.from = append(f.from, in.Variables.From)
			found := slices.DeleteFunc(slices.Clone(f.meetings), func(m map[string]any) bool { return m["date"].(int64) < from.UnixMilli() })
			data["transcripts"] = found[min(in.Variables.Skip, len(found)):min(in.Variables.Skip+in.Variables.Limit, len(found))]
		case strings.Contains(in.Query, "transcript(id: $id)"):
			at := slices.IndexFunc(f.meetings, func(m map[string]any) bool { return m["id"] == in.Variables.ID })
			if at < 0 {
				says("application/json", `{"data":{"transcript":null},"errors":[{"code":"object_not_found"}]}`)(w, r)
				return
			}
			data["transcript"] = f.meetings[at]
		default:
			says("application/json", `{"errors":[{"code":"invalid_arguments","message":"planted-body"}]}`)(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"data": data})
	}))
	return f
}

// transcript is a meeting of half an hour that began so long ago.
func transcript(id string, began time.Duration, summary string) map[string]any {
	return map[string]any{
		"id": id, "title": "Renewal " + id, "date": time.Now().Add(-began).UnixMilli(), "duration": 30.0,
		"organizer_email": "ines@harbor.example", "participants": []string{"ines@harbor.example", "tom.okafor@northwind.example"},
		"meeting_info": map[string]any{"summary_status": summary}, "summary": map[string]any{"overview": "They renew."},
	}
}

// fetches has what is thin fetched, as Temporal would.
func (k *tended) fetches(t *testing.T) {
	t.Helper()
	fetcher := &Fetcher{Store: k.store, Platforms: k.platforms, APIs: k.keeper.options.APIs}
	for _, d := range k.stored(t) {
		if d.State == store.DeliveryFetching {
			require.NoError(t, fetcher.Fetch(t.Context(), d.ID))
			require.NoError(t, fetcher.Understand(t.Context(), d.ID, ""))
		}
	}
}

func TestAPollBringsTheMeetingsThatFirefliesDidNotTell(t *testing.T) {
	t.Parallel()
	fireflies := newFirefliesDouble(t,
		transcript("working", 35*time.Minute, "processing"),
		transcript("ready", 40*time.Minute, "processed"),
		transcript("silent", 45*time.Minute, "skipped"),
		transcript("before", 2*time.Hour, "processed"), // before the source was looked after
	)
	k := tendedAt(t, "fireflies", fireflies.URL)
	relay := NewRelay(RelayOptions{
		Store: k.store, Platforms: k.platforms, Upkeep: k, Log: zerolog.New(k.log), Interval: 10 * time.Millisecond,
		Deliveries: &teller{t: t, fetcher: &Fetcher{Store: k.store, Platforms: k.platforms, APIs: k.keeper.options.APIs}},
	})
	k.run(t, relay)
	k.eventually(t, func() bool {
		stored := k.stored(t)
		return len(stored) == 2 && !slices.ContainsFunc(stored, func(d store.Delivery) bool { return d.State != store.DeliveryUnderstood })
	})
	require.Equal(t, map[store.DeliveryOrigin]int{store.OriginPoll: 2}, k.origins(t))
	var keys []string
	for _, d := range k.stored(t) {
		keys = append(keys, d.DedupeKey)
	}
	require.ElementsMatch(t, []string{"meeting.summarized:ready", "meeting.transcribed:silent"}, keys)
	titles := map[string]string{}
	for _, m := range k.meetings(t) {
		titles[m.Content.Title] = m.Content.Summary.Text
	}
	require.Equal(t, map[string]string{"Renewal ready": "They renew.", "Renewal silent": "They renew."}, titles)
}

// The webhook and the poll of one meeting: one meeting, one event's effect,
// whichever comes first.
func TestFirefliesWebhookAndPollAreOneMeeting(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		steps   []string
		origins map[store.DeliveryOrigin]int
	}{
		"the webhook came":   {[]string{"webhook", "poll", "poll"}, map[store.DeliveryOrigin]int{store.OriginWebhook: 1}},
		"it never came":      {[]string{"poll", "poll"}, map[store.DeliveryOrigin]int{store.OriginPoll: 1}},
		"it came late":       {[]string{"poll", "webhook", "poll"}, map[store.DeliveryOrigin]int{store.OriginPoll: 1, store.OriginWebhook: 1}},
		"the older one came": {[]string{"older", "poll", "poll"}, map[store.DeliveryOrigin]int{store.OriginWebhook: 1, store.OriginPoll: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fireflies := newFirefliesDouble(t, transcript("ready", 40*time.Minute, "processed"))
			k := tendedAt(t, "fireflies", fireflies.URL)
			for _, step := range tc.steps {
				switch step {
				case "webhook":
					k.told(t, "X-Hub-Signature", map[string]any{"event": "meeting.summarized", "timestamp": time.Now().Add(-5 * time.Minute).UnixMilli(), "meeting_id": "ready"})
				case "older":
					k.told(t, "X-Hub-Signature", map[string]any{"eventType": "Transcription completed", "meetingId": "ready"})
				case "poll":
					require.Empty(t, k.look(t).Problem)
				}
				k.understandAll(t)
				k.fetches(t)
			}
			require.Equal(t, tc.origins, k.origins(t))
			all := k.meetings(t)
			require.Len(t, all, 1)
			m := all[0].Content
			require.Equal(t, "Renewal ready", m.Title)
			require.True(t, m.HasNotes)
			require.Len(t, m.Attendees, 2)
			require.Equal(t, 30*time.Minute, m.ActualEnd.Sub(m.ActualStart))
		})
	}
}

// Meetings are found by when they began, and summarized later: each look goes back
// by a day. What was still worked on comes with the next one.
func TestFirefliesIsAskedForTheDayBefore(t *testing.T) {
	t.Parallel()
	fireflies := newFirefliesDouble(t, transcript("late", 40*time.Minute, "processing"))
	k := tendedAt(t, "fireflies", fireflies.URL)
	start := time.Now().Truncate(time.Second).UTC()
	k.begun(t, start.Add(-48*time.Hour))
	k.at = start
	u := k.look(t)
	require.True(t, start.Add(time.Hour).Equal(*u.NextAt))
	require.Empty(t, k.stored(t))
	fireflies.mu.Lock()
	fireflies.meetings[0]["meeting_info"] = map[string]any{"summary_status": "processed"}
	fireflies.mu.Unlock()
	k.at = start.Add(time.Hour)
	k.look(t)
	require.Len(t, k.stored(t), 1)
	require.Equal(t, []string{start.Add(-48 * time.Hour).Format(time.RFC3339), start.Add(-24 * time.Hour).Format(time.RFC3339)}, fireflies.from)
}

func TestFirefliesPages(t *testing.T) {
	t.Parallel()
	fireflies := newFirefliesDouble(t)
	for i := range 60 {
		fireflies.meetings = append(fireflies.meetings, transcript("m"+string(rune('A'+i)), 40*time.Minute+time.Duration(i)*time.Second, "processed"))
	}
	k := tendedAt(t, "fireflies", fireflies.URL)
	k.look(t)
	all, err := k.store.Deliveries(t.Context(), store.DeliveryFilter{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, all, 60)
	require.Len(t, fireflies.requests(), 2)
}

// GraphQL says with 200 what went wrong.
func TestFirefliesFails(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fail    http.HandlerFunc
		problem string
	}{
		"too many calls":  {says("application/json", `{"errors":[{"message":"planted-body","extensions":{"code":"too_many_requests","status":429}}]}`), "fireflies asks for fewer calls (429)"},
		"too many, plain": {status(http.StatusTooManyRequests, "Retry-After", "3"), "fireflies asks for fewer calls (429)"},
		"a wrong key":     {says("application/json", `{"errors":[{"code":"auth_failed"}]}`), "fireflies refuses the credentials (401)"},
		"in trouble":      {status(http.StatusServiceUnavailable), "fireflies is in trouble"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fireflies := newFirefliesDouble(t, transcript("ready", 40*time.Minute, "processed"))
			k := tendedAt(t, "fireflies", fireflies.URL)
			fireflies.failNext(tc.fail)
			u := k.look(t)
			require.Contains(t, u.Problem, tc.problem)
			require.NotContains(t, u.Problem+k.log.String(), "planted")
			require.Empty(t, k.stored(t))
			k.credentials(t, apiKey)
			require.Empty(t, k.look(t).Problem)
			require.Len(t, k.stored(t), 1)
		})
	}
}
