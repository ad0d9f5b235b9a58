package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// A thousand take some minutes on two cores: go test ./e2e -run Uninstall -args
// -paused-follow-ups 1000
var pausedFollowUps = flag.Int("paused-follow-ups", 100, "how many follow-ups wait for a connection to come back")

// An admin removes the app from HubSpot while follow-ups are being written, and
// many more come while it is away. All of them wait, and connecting again
// finishes each of them, with nothing written twice.
func TestFollowUpsPausedByAnUninstallAllFinish(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	sc.onlyTasks()
	sc.unlimited()
	during, away := max(*pausedFollowUps/10, 5), *pausedFollowUps

	sc.postTasks(0, during)
	tasks := func() []hubspottest.Record { return sc.world.Simulator.Records(sc.HubID, "tasks") }
	sc.eventually("the first task to be written", func() bool { return len(tasks()) > 0 })
	sc.world.Simulator.Uninstall(sc.HubID, devstack.ClientID)
	before := len(tasks())
	began := time.Now()
	sc.postTasks(during, away)
	var now progress
	sc.eventually("every follow-up to have ended or to wait", func() bool {
		now = sc.progress()
		return now.all == during+away && now.closed+now.paused == now.all
	})
	t.Logf("%d follow-ups waited and %d had ended %s after the uninstall", now.paused, now.closed, time.Since(began).Round(time.Millisecond))
	require.GreaterOrEqual(t, now.paused, away, "all that came while HubSpot was away")
	require.Len(t, tasks(), before, "nothing is written meanwhile")
	require.True(t, sc.connection().State.Ended())

	began = time.Now()
	sc.connect()
	sc.eventually("every follow-up to end", func() bool { return sc.progress().closed == during+away })
	t.Logf("all %d had ended %s after reconnecting", during+away, time.Since(began).Round(time.Millisecond))
	require.Equal(t, store.Connected, sc.connection().State)
	written := sc.records("tasks", "hs_task_subject")
	require.Len(t, tasks(), during+away, "nothing twice")
	for i := range during + away {
		require.Len(t, written[subject(i)], 1, "each once")
	}
	require.Zero(t, sc.progress().paused)
}

// onlyTasks lets a follow-up look for its contact and write its task, and
// nothing else.
func (sc *scene) onlyTasks() {
	sc.t.Helper()
	permissions := policy.Permissions{}
	for _, info := range policy.Tools() {
		permissions[info.Tool] = policy.Deny
		switch info.Tool.String() {
		case "contact.read", "owner.read", "task.create":
			permissions[info.Tool] = policy.Allow
		}
	}
	require.NoError(sc.t, sc.world.store.ApplyPreset(sc.ctx, sc.org, permissions, store.Operator))
}

// unlimited lifts HubSpot's limits, and what Debrief takes them for: at a hundred
// calls in ten seconds, a thousand follow-ups take minutes.
func (sc *scene) unlimited() {
	sc.t.Helper()
	const calls = 1000
	sc.world.Simulator.Configure(sc.HubID, func(s *hubspottest.Settings) {
		s.BurstLimit, s.AssociationLimit, s.SearchLimit = calls, calls, calls
	})
	conn, err := pgx.Connect(sc.ctx, sc.world.DatabaseURL())
	require.NoError(sc.t, err)
	defer func() { _ = conn.Close(sc.ctx) }()
	_, err = conn.Exec(sc.ctx, `
		insert into limit_lanes (hub_id, app_id, bucket, lane, allowed, window_ms)
		select $1, app, bucket, lane, $3, case bucket when 'search' then 1000 else 10000 end
		from unnest(array[$2::uuid, '00000000-0000-0000-0000-000000000000']) app,
		     unnest(array['burst', 'search', 'association']) bucket, unnest(array['general', 'people']) lane`,
		sc.HubID, sc.connection().AppID, calls)
	require.NoError(sc.t, err)
}

func subject(i int) string { return fmt.Sprintf("Send part %d of the offer", i) }

// postTasks posts n meetings with a contact whom HubSpot knows, each with one
// thing to do, several at a time.
func (sc *scene) postTasks(from, n int) {
	sc.t.Helper()
	next := make(chan int)
	failures := make(chan error, n)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range next {
				start := time.Now().Add(-2*time.Hour - time.Duration(i)*time.Hour).UTC().Truncate(time.Minute)
				body, err := json.Marshal(map[string]any{
					"type": "meeting.notes_ready", "timestamp": start.Add(time.Hour).Format(time.RFC3339),
					"data": map[string]any{
						"keys":  map[string]any{"instance_id": fmt.Sprintf("part-%d", i)},
						"title": fmt.Sprintf("Rollout, part %d", i), "actual_start": start.Format(time.RFC3339), "actual_end": start.Add(30 * time.Minute).Format(time.RFC3339),
						"organizer": map[string]any{"name": "Mara Lindqvist", "email": "mara@brightwater.example"},
						"attendees": []map[string]any{
							{"name": "Mara Lindqvist", "email": "mara@brightwater.example", "role": "host", "attended": true},
							{"name": "Ines Castell", "email": "ines@harrowmills.example", "role": "invitee", "attended": true},
						},
						"summary":      map[string]any{"format": "markdown", "text": "Harrow Mills wants the offer in parts."},
						"action_items": []map[string]any{{"id": "offer", "text": subject(i), "assignee_email": "mara@brightwater.example"}},
					},
				})
				if err != nil {
					failures <- err
					continue
				}
				status, err := sc.Post(sc.ctx, fmt.Sprintf("msg-%d", i), body)
				if err == nil && status >= http.StatusMultipleChoices {
					err = fmt.Errorf("the receiver answers %d", status)
				}
				if err != nil {
					failures <- err
				}
			}
		})
	}
	for i := from; i < from+n; i++ {
		next <- i
	}
	close(next)
	wg.Wait()
	close(failures)
	for err := range failures {
		require.NoError(sc.t, err)
	}
}

// progress counts the organization's follow-ups.
type progress struct{ all, closed, paused int }

func (sc *scene) progress() progress {
	sc.t.Helper()
	list, err := sc.world.store.FollowUps(sc.ctx, sc.org, 10_000)
	require.NoError(sc.t, err)
	p := progress{all: len(list)}
	for _, f := range list {
		switch {
		case f.State == "closed":
			p.closed++
		case f.PausedSince != nil:
			p.paused++
		}
	}
	return p
}

// connection is the organization's only one.
func (sc *scene) connection() store.Connection {
	sc.t.Helper()
	list, err := sc.world.store.Connections(sc.ctx, sc.org)
	require.NoError(sc.t, err)
	require.Len(sc.t, list, 1)
	return list[0]
}

// HubSpot takes each refresh token once, and the worker is killed (SIGKILL) when
// HubSpot has answered a refresh and before anything of it is stored: the only
// good token is gone. The connection says so within a minute, the work waits,
// and all of it is finished after reconnecting.
func TestTheWorkerIsKilledWithTheOnlyRefreshToken(t *testing.T) {
	t.Parallel()
	// A proxy between Debrief and HubSpot, which kills when it is armed.
	var w *world
	var armed atomic.Bool
	killed := make(chan error, 1)
	var forward *httputil.ReverseProxy
	proxy := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth/2026-09/token" {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				panic(http.ErrAbortHandler)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			form, err := url.ParseQuery(string(body))
			if err == nil && form.Get("grant_type") == "refresh_token" && armed.CompareAndSwap(true, false) {
				answer := httptest.NewRecorder()
				forward.ServeHTTP(answer, r)
				if err = w.Worker().Kill(); err == nil && answer.Code != http.StatusOK {
					err = fmt.Errorf("HubSpot answered %d", answer.Code)
				}
				killed <- err
				panic(http.ErrAbortHandler)
			}
		}
		forward.ServeHTTP(rw, r)
	}))
	t.Cleanup(proxy.Close)
	w = own(t, devstack.Options{NoUI: true, Env: []string{"DEBRIEF_HUBSPOT_BASE_URL=" + proxy.URL}})
	hubSpot, err := url.Parse(w.Simulator.URL)
	require.NoError(t, err)
	forward = httputil.NewSingleHostReverseProxy(hubSpot)
	var scopes []string
	for _, scope := range connections.Scopes() {
		scopes = append(scopes, scope.Name)
	}
	w.Simulator.AddApp(hubspottest.App{
		ClientID: devstack.ClientID, ClientSecret: devstack.ClientSecret, RotateRefreshTokens: true,
		RedirectURIs: []string{w.PublicURL() + connections.CallbackPath}, RequiredScopes: scopes,
	})

	sc := w.scene(t)
	sc.post("msg-1", call("call-1"))
	pending := sc.asked(4)
	sc.eventually("what is allowed to be written", func() bool { return sc.census()["tasks"] == 1 && sc.census()["meetings"] == 1 })
	version := sc.connection().TokenVersion
	written := sc.census()
	armed.Store(true)
	w.Simulator.Advance(31 * time.Minute) // access tokens end after thirty
	for _, p := range pending {
		sc.run("approvals", "approve", p.ID.String())
	}
	select {
	case err := <-killed:
		require.NoError(t, err)
	case <-sc.ctx.Done():
		require.FailNow(t, "nothing was refreshed")
	}
	require.Equal(t, version, sc.connection().TokenVersion, "nothing of it is stored")
	require.Equal(t, store.Connected, sc.connection().State, "nobody knows yet")
	require.Equal(t, written, sc.census())

	began := time.Now()
	require.NoError(t, w.StartWorker(sc.ctx))
	sc.eventually("the connection to say so", func() bool { return sc.connection().State == store.NeedsReconnect })
	t.Logf("it needs reconnecting after %s", time.Since(began).Round(time.Millisecond))
	require.Less(t, time.Since(began), time.Minute)
	sc.eventually("the follow-up to wait for it", func() bool {
		f := sc.followUp()
		return f.State == "open" && f.PausedSince != nil
	})
	require.Equal(t, written, sc.census())

	sc.connect()
	f := sc.closed(1)
	require.Equal(t, map[store.ActionState]int{store.ActionWritten: len(f.Actions)}, f.Report.Actions)
	require.Equal(t, map[string]int{"companies": 2, "contacts": 2, "deals": 2, "tickets": 1, "meetings": 1, "notes": 1, "tasks": 1}, sc.census())
	sc.audited()
}
