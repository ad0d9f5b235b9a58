package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/workflows"
)

// double plays a platform's API on a real HTTP server: what is to fail fails first.
type double struct {
	*httptest.Server

	mu    sync.Mutex
	fails []http.HandlerFunc
	asked []string // "GET /path?query", as it came over the wire
}

func newDouble(t *testing.T, answer http.HandlerFunc) *double {
	t.Helper()
	d := &double{}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		d.asked = append(d.asked, r.Method+" "+r.RequestURI)
		var fail http.HandlerFunc
		if len(d.fails) > 0 && !strings.Contains(r.URL.Path, "/oauth/") {
			fail, d.fails = d.fails[0], d.fails[1:]
		}
		d.mu.Unlock()
		if fail != nil {
			fail(w, r)
			return
		}
		answer(w, r)
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *double) failNext(fails ...http.HandlerFunc) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fails = append(d.fails, fails...)
}

func (d *double) requests() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string{}, d.asked...)
}

// Ways to fail. The bodies hold what must never be seen again.
func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte(`{"error":"planted-body"}`))
	}
}

func says(contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write([]byte(body))
	}
}

// cut promises more than it sends.
func cut(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100000")
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"data":{"transcript":{"title":"planted-body`))
	panic(http.ErrAbortHandler)
}

// hangUp answers nothing.
func hangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

const apiKey = "planted-api-key"

// bearing lets only those in who bear the token.
func bearing(scheme, token string, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != scheme+" "+token {
			status(http.StatusUnauthorized)(w, r)
			return
		}
		answer(w, r)
	}
}

// fetchable is a source of a platform with credentials for a double of its API.
func (b *bundle) fetchable(t *testing.T, platform string, api *double, credentials string, secrets ...store.Secret) store.Source {
	t.Helper()
	ctx := context.Background()
	source := b.source(t, platform, secrets...)
	source.Settings.APIURL = api.URL
	require.NoError(t, b.store.SetSource(ctx, source.ID, source.Settings, store.Operator))
	given, err := Platforms()[platform].ReadCredentials([]byte(credentials))
	require.NoError(t, err)
	require.NoError(t, b.store.SetSourceCredentials(ctx, source.ID, given, store.Operator))
	source, err = b.store.Source(ctx, source.ID)
	require.NoError(t, err)
	return source
}

func (b *bundle) fetcher() *Fetcher {
	return &Fetcher{Store: b.store, Platforms: Platforms(), APIs: NewAPIs(b.store, nil)}
}

// fireflies is a double that has one transcript.
func fireflies(t *testing.T) *double {
	t.Helper()
	return newDouble(t, bearing("Bearer", apiKey, func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Query     string            `json:"query"`
			Variables map[string]string `json:"variables"`
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil || !strings.Contains(in.Query, "transcript(id: $id)") || in.Variables["id"] != "01HARBORRENEWAL0001" {
			says("application/json", `{"data":{"transcript":null},"errors":[{"message":"planted-body","code":"object_not_found","extensions":{"code":"object_not_found","status":404}}]}`)(w, r)
			return
		}
		says("application/json", string(fixture(t, "fireflies/fetched.transcript.json")))(w, r)
	}))
}

func firefliesHeader(body []byte) http.Header {
	return http.Header{"X-Hub-Signature": {"sha256=" + fmt.Sprintf("%x", mac([]byte(firefliesTestSecret), string(body)))}}
}

const firefliesTestSecret = "fireflies-secret-of-the-tests"

// received has a thin webhook of Fireflies' received, and returns its delivery.
func (b *bundle) firefliesReceived(t *testing.T, source store.Source) store.Delivery {
	t.Helper()
	body := fixture(t, "fireflies/meeting.summarized.json")
	require.Equal(t, http.StatusOK, b.send(t, source, firefliesHeader(body), body).status)
	b.understandAll(t)
	return b.stored(t)[0]
}

// teller runs the Delivery workflow at once, with the real activities.
type teller struct {
	t       *testing.T
	fetcher *Fetcher
	during  func(*testsuite.TestWorkflowEnvironment)
	ran     int
}

// look sees that nothing goes to Temporal that must not: neither what activities are
// given and return, nor how they fail.
func (r *teller) look(env *testsuite.TestWorkflowEnvironment) {
	see := func(value converter.EncodedValue, err error) {
		var plain any
		if value != nil && value.HasValue() {
			require.NoError(r.t, value.Get(&plain))
		}
		require.NotContains(r.t, fmt.Sprint(plain, err), "planted")
		require.NotContains(r.t, fmt.Sprint(plain), "Renewal")
	}
	env.SetOnActivityCompletedListener(func(_ *activity.Info, result converter.EncodedValue, err error) { see(result, err) })
	env.SetOnLocalActivityCompletedListener(func(_ *activity.Info, result converter.EncodedValue, err error) { see(result, err) })
	env.SetOnActivityStartedListener(func(_ *activity.Info, _ context.Context, args converter.EncodedValues) {
		var in activities.DeliveryInput
		require.NoError(r.t, args.Get(&in))
	})
}

func (r *teller) Deliver(_ context.Context, d store.Delivery) error {
	r.t.Helper()
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	workflows.Register(env)
	env.RegisterActivity(&activities.Activities{Deliveries: r.fetcher})
	r.look(env)
	if r.during != nil {
		r.during(env)
	}
	env.ExecuteWorkflow(workflows.Delivery, workflows.DeliveryInput{DeliveryID: d.ID})
	r.ran++
	return env.GetWorkflowError()
}

// From the webhook to the notes in their meeting: stored, told to the workflow,
// fetched, understood.
func TestWhatAWebhookNamesIsFetched(t *testing.T) {
	t.Parallel()
	b := setup(t)
	api := fireflies(t)
	source := b.fetchable(t, "fireflies", api, apiKey, firefliesTestSecret)
	d := b.firefliesReceived(t, source)
	require.Equal(t, store.DeliveryFetching, d.State)
	require.Empty(t, b.meetings(t), "not understood before it is fetched")

	workflow := &teller{t: t, fetcher: b.fetcher()}
	relay := NewRelay(RelayOptions{Store: b.store, Platforms: Platforms(), Log: zerolog.New(b.log), Deliveries: workflow})
	more, err := relay.fetchSome(context.Background())
	require.NoError(t, err)
	require.True(t, more)
	more, err = relay.fetchSome(context.Background())
	require.NoError(t, err)
	require.False(t, more)
	require.Equal(t, 1, workflow.ran)

	d = b.stored(t)[0]
	require.Equal(t, store.DeliveryUnderstood, d.State)
	require.Empty(t, d.Reason)
	require.NotNil(t, d.FetchedAt)
	found := b.meetings(t)
	require.Len(t, found, 1)
	require.Equal(t, "Renewal with Northwind", found[0].Content.Title)
	require.Equal(t, "- **Renewal**: forty more seats.", found[0].Content.Summary.Text)
	require.Len(t, found[0].Content.Attendees, 2)
	require.Equal(t, []string{"POST /graphql"}, api.requests())
	b.nothingTold(t)
}

// count is what a query counts.
func (b *bundle) count(t *testing.T, query string) int {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), b.databaseURL)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	var n int
	require.NoError(t, conn.QueryRow(context.Background(), query).Scan(&n))
	return n
}

// nothingTold: no credential and no body is in the log or beside a delivery.
func (b *bundle) nothingTold(t *testing.T) {
	t.Helper()
	require.NotContains(t, b.log.String(), "planted")
	for _, d := range b.stored(t) {
		require.NotContains(t, d.Reason, "planted")
	}
}

// A source without credentials is understood at once, as far as the webhook goes.
func TestWithoutCredentialsTheWebhookIsAll(t *testing.T) {
	t.Parallel()
	b := setup(t)
	source := b.source(t, "fireflies", firefliesTestSecret)
	require.Equal(t, store.DeliveryUnderstood, b.firefliesReceived(t, source).State)
	require.Len(t, b.meetings(t), 1)
}

func TestFetchFails(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fail    http.HandlerFunc
		want    any // the kind of the error
		after   time.Duration
		reason  string
		state   string // of the source
		problem string
	}{
		"not there":         {fail: status(404), want: &NotYet{}, reason: "fireflies has nothing about it (404)", state: "set"},
		"unauthorized":      {fail: status(401), want: &Refused{}, reason: "fireflies refuses the credentials (401); it waits for others: `debrief sources credentials ", state: "refused", problem: "fireflies refuses the credentials (401)"},
		"forbidden":         {fail: status(403), want: &Refused{}, reason: "fireflies does not let the credentials do that (403); it waits", state: "refused", problem: "fireflies does not let the credentials do that (403)"},
		"too many":          {fail: status(429, "Retry-After", "7"), want: &Later{}, after: 7 * time.Second, reason: "fireflies asks for fewer calls (429); it is tried again", state: "set"},
		"too many, bounded": {fail: status(429, "Retry-After", "86400"), want: &Later{}, after: time.Hour, reason: "fireflies asks for fewer calls", state: "set"},
		"in trouble":        {fail: status(500), want: &Later{}, reason: "fireflies is in trouble (500); it is tried again", state: "set"},
		"overloaded":        {fail: status(503, "Retry-After", "30"), want: &Later{}, after: 30 * time.Second, reason: "fireflies is in trouble (503)", state: "set"},
		"cut":               {fail: cut, want: &Later{}, reason: "fireflies broke off; it is tried again", state: "set"},
		"hung up":           {fail: hangUp, want: &Later{}, reason: "fireflies broke off", state: "set"},
		"no JSON":           {fail: says("application/json", "planted-body"), want: &Later{}, reason: "fireflies answered with what is no JSON of the expected shape", state: "set"},
		"a page":            {fail: says("text/html; charset=utf-8", "<p>planted-body"), want: &Later{}, reason: "fireflies answered with a page instead of JSON", state: "set"},
		"nothing":           {fail: says("application/json", ""), want: &Later{}, reason: "fireflies answered with what is no JSON", state: "set"},
		"redirected":        {fail: status(302, "Location", "https://planted.example/"), want: &Denied{}, reason: "fireflies's API answered 302", state: "set"},
		"denied":            {fail: status(400), want: &Denied{}, reason: "fireflies's API answered 400", state: "set"},
		"deep":              {fail: says("application/json", strings.Repeat("[", 100_000)), want: &Denied{}, reason: "fireflies's API answered 413", state: "set"},
		"GraphQL: limited": {
			fail: func(w http.ResponseWriter, r *http.Request) {
				says("application/json", fmt.Sprintf(`{"errors":[{"code":"too_many_requests","extensions":{"status":429,"metadata":{"retryAfter":%d}}}]}`, time.Now().Add(10*time.Minute).UnixMilli()))(w, r)
			},
			want: &Later{}, after: 10 * time.Minute, reason: "fireflies asks for fewer calls", state: "set",
		},
		"GraphQL: key":       {fail: says("application/json", `{"errors":[{"message":"planted-body","code":"auth_failed"}]}`), want: &Refused{}, reason: "fireflies refuses the credentials (401)", state: "refused", problem: "fireflies refuses the credentials (401)"},
		"GraphQL: rights":    {fail: says("application/json", `{"errors":[{"message":"planted-body","code":"require_elevated_privilege"}]}`), want: &Refused{}, reason: "fireflies does not let", state: "refused", problem: "fireflies does not let the credentials do that (403)"},
		"GraphQL: not found": {fail: says("application/json", `{"errors":[{"code":"object_not_found"}]}`), want: &NotYet{}, reason: "fireflies has nothing about it", state: "set"},
		"GraphQL: null":      {fail: says("application/json", `{"data":{"transcript":null}}`), want: &NotYet{}, reason: "fireflies has nothing about it", state: "set"},
		"GraphQL: trouble":   {fail: says("application/json", `{"errors":[{"code":"internal_server_error","extensions":{"status":500}}]}`), want: &Later{}, reason: "fireflies is in trouble", state: "set"},
		"GraphQL: query":     {fail: says("application/json", `{"errors":[{"message":"planted-body","extensions":{"status":400}}]}`), want: &Denied{}, reason: "fireflies's API answered 400", state: "set"},
		"still summarizing":  {fail: says("application/json", `{"data":{"transcript":{"id":"x","meeting_info":{"summary_status":"processing"}}}}`), want: &NotYet{}, reason: "fireflies has nothing about it", state: "set"},
		"another shape":      {fail: says("application/json", `{"data":{"transcript":{"title":["planted-body"]}}}`), want: &unusable{}, reason: "what fireflies's API told can't be used: data.transcript.title has the wrong type", state: "set"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			api := fireflies(t)
			source := b.fetchable(t, "fireflies", api, apiKey, firefliesTestSecret)
			d := b.firefliesReceived(t, source)
			b.sql(t, `update deliveries set received_at = now()`)
			api.failNext(tc.fail)
			err := b.fetcher().Fetch(context.Background(), d.ID)
			require.ErrorAs(t, err, tc.want)
			require.NotContains(t, err.Error(), "planted")
			if later, is := tc.want.(*Later); is {
				require.InDelta(t, tc.after.Seconds(), later.After.Seconds(), tc.after.Seconds()/10)
			}
			d = b.stored(t)[0]
			require.Equal(t, store.DeliveryFetching, d.State, "never dropped")
			require.Contains(t, d.Reason, tc.reason)
			after, err := b.store.Source(context.Background(), source.ID)
			require.NoError(t, err)
			require.Equal(t, tc.state, after.API.State())
			require.Equal(t, tc.problem, after.API.Problem)
			b.nothingTold(t)
		})
	}
}

// An API that answers with what can't be used is asked again for some hours, and not
// for ever: what the webhook itself tells counts then.
func TestOddAnswersAreNotWaitedForForever(t *testing.T) {
	t.Parallel()
	b := setup(t)
	api := newDouble(t, says("application/json", `["planted-body"]`))
	d := b.firefliesReceived(t, b.fetchable(t, "fireflies", api, apiKey, firefliesTestSecret))
	b.sql(t, `update deliveries set received_at = now()`)
	var later Later
	require.ErrorAs(t, b.fetcher().Fetch(context.Background(), d.ID), &later)
	b.sql(t, `update deliveries set received_at = now() - interval '7 hours'`)
	b.sql(t, `update sources set api_next_at = '-infinity'`)
	require.NoError(t, (&teller{t: t, fetcher: b.fetcher()}).Deliver(context.Background(), d))
	d = b.stored(t)[0]
	require.Equal(t, store.DeliveryUnderstood, d.State)
	require.Equal(t, "what fireflies's API told can't be used: it answered with what is no JSON of the expected shape; it is understood without", d.Reason)
}

// The workflow gets over what passes, whatever it is, and has the delivery understood
// once.
func TestDeliveryGetsOverFailures(t *testing.T) {
	t.Parallel()
	b := setup(t)
	api := fireflies(t)
	source := b.fetchable(t, "fireflies", api, apiKey, firefliesTestSecret)
	d := b.firefliesReceived(t, source)
	api.failNext(status(500), hangUp, status(404), cut, status(429, "Retry-After", "1"), status(404)) //nolint:gocritic // twice is meant
	require.NoError(t, (&teller{t: t, fetcher: b.unhurried(t)}).Deliver(context.Background(), d))
	require.Equal(t, store.DeliveryUnderstood, b.stored(t)[0].State)
	require.Empty(t, b.stored(t)[0].Reason)
	require.Equal(t, "Renewal with Northwind", b.meetings(t)[0].Content.Title)
	require.Len(t, api.requests(), 7)
	b.nothingTold(t)
}

// What never appears is understood without, and says so.
func TestDeliveryIsUnderstoodWithout(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fail   http.HandlerFunc
		reason string
	}{
		"never appeared": {status(404), "fireflies has nothing about it (404); it was looked for over six hours, and is understood without"},
		"not given":      {status(422), "fireflies's API answered 422; it is understood without"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			api := newDouble(t, tc.fail)
			d := b.firefliesReceived(t, b.fetchable(t, "fireflies", api, apiKey, firefliesTestSecret))
			require.NoError(t, (&teller{t: t, fetcher: b.unhurried(t)}).Deliver(context.Background(), d))
			d = b.stored(t)[0]
			require.Equal(t, store.DeliveryUnderstood, d.State)
			require.Equal(t, tc.reason, d.Reason)
			require.Nil(t, d.FetchedAt)
			require.Len(t, b.meetings(t), 1)
		})
	}
}

// unhurried fetches without waiting for turns: the double allows any number.
func (b *bundle) unhurried(t *testing.T) *Fetcher {
	t.Helper()
	f := b.fetcher()
	f.Platforms["fireflies"] = Platform{name: "fireflies", authentication: firefliesSignature, mapping: hasty{}}
	return f
}

type hasty struct{ firefliesMapping }

func (h hasty) API() APISpec {
	spec := h.firefliesMapping.API()
	spec.Every = 0
	return spec
}

// Refused credentials stop the work, not drop it; one person is told once; and when
// there are others, it goes on.
func TestRefusedCredentialsAreWaitedFor(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	api := fireflies(t)
	source := b.fetchable(t, "fireflies", api, "planted-old-key", firefliesTestSecret)
	d := b.firefliesReceived(t, source)
	fetcher := b.unhurried(t)
	tellings := 0
	workflow := &teller{t: t, fetcher: fetcher, during: func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(func() {
			require.Equal(t, store.DeliveryFetching, b.stored(t)[0].State)
			require.Len(t, api.requests(), 1, "refused, and left alone")
			notices, err := b.store.Notices(ctx, b.organization.ID, "", 10)
			require.NoError(t, err)
			tellings = len(notices)
			require.NoError(t, b.store.SetSourceCredentials(ctx, source.ID, map[string]store.Secret{"api_key": apiKey}, store.Operator))
			due, err := b.store.ClaimFetching(ctx, 10)
			require.NoError(t, err)
			require.Len(t, due, 1, "the relay tells the workflow")
			env.SignalWorkflow(workflows.SignalLookAgain, workflows.LookAgain{Reason: "a delivery waits"})
		}, 3*24*time.Hour)
	}}
	require.NoError(t, workflow.Deliver(ctx, d))
	require.Equal(t, 1, tellings)
	require.Equal(t, store.DeliveryUnderstood, b.stored(t)[0].State)
	require.Equal(t, "Renewal with Northwind", b.meetings(t)[0].Content.Title)
	after, err := b.store.Source(ctx, source.ID)
	require.NoError(t, err)
	require.Equal(t, "set", after.API.State())
	b.nothingTold(t)
}

// While a platform refuses the credentials, one delivery an hour asks, not each.
func TestARefusedPlatformIsLeftAlone(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	api := fireflies(t)
	source := b.fetchable(t, "fireflies", api, "planted-old-key", firefliesTestSecret)
	d := b.firefliesReceived(t, source)
	fetcher := b.unhurried(t)
	for range 3 {
		require.ErrorAs(t, fetcher.Fetch(ctx, d.ID), new(Refused))
	}
	require.Len(t, api.requests(), 1)
	b.sql(t, `update sources set api_asked_at = api_asked_at - interval '51 minutes'`)
	for range 3 {
		require.ErrorAs(t, fetcher.Fetch(ctx, d.ID), new(Refused))
	}
	require.Len(t, api.requests(), 2)

	// What one may not see says nothing of the others.
	b.sql(t, `update sources set api_asked_at = null`)
	api.failNext(status(403), status(403)) //nolint:gocritic // twice is meant
	for range 2 {
		require.ErrorAs(t, fetcher.Fetch(ctx, d.ID), new(Refused))
	}
	require.Len(t, api.requests(), 4)

	require.NoError(t, b.store.SetSourceCredentials(ctx, source.ID, nil, store.Operator))
	require.NoError(t, fetcher.Fetch(ctx, d.ID), "nothing to get without credentials")
	require.NoError(t, fetcher.Understand(ctx, d.ID, ""))
	d = b.stored(t)[0]
	require.Equal(t, store.DeliveryUnderstood, d.State)
	require.Equal(t, "the source has no API credentials any more; it is understood without", d.Reason)
}

// A 429 stops the whole fleet, not the one who got it.
func TestTooManyCallsStopTheFleet(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	api := fireflies(t)
	d := b.firefliesReceived(t, b.fetchable(t, "fireflies", api, apiKey, firefliesTestSecret))
	api.failNext(status(429, "Retry-After", "60"))
	var later Later
	require.ErrorAs(t, b.fetcher().Fetch(ctx, d.ID), &later)
	reason := b.stored(t)[0].Reason
	require.ErrorAs(t, b.fetcher().Fetch(ctx, d.ID), &later, "another process")
	require.Equal(t, notItsTurn, later.Reason)
	require.InDelta(t, 60, later.After.Seconds(), 5)
	require.Len(t, api.requests(), 1)
	require.Equal(t, reason, b.stored(t)[0].Reason, "waiting for a turn is not news")
}

// Turns are apart as far as they should be, whoever takes them.
func TestTurns(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	source := b.source(t, "fireflies", firefliesTestSecret)
	var mu sync.Mutex
	waits := map[time.Duration]int{}
	var all sync.WaitGroup
	const callers = 8
	for range callers {
		all.Go(func() {
			wait, reserved, err := b.store.ReserveAPI(ctx, source.ID, time.Minute, time.Hour)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && reserved {
				waits[wait.Round(time.Minute)]++
			}
		})
	}
	all.Wait()
	require.Len(t, waits, callers, "each has a turn of its own: %v", waits)
	wait, reserved, err := b.store.ReserveAPI(ctx, source.ID, time.Minute, time.Second)
	require.NoError(t, err)
	require.False(t, reserved)
	require.InDelta(t, (callers * time.Minute).Seconds(), wait.Seconds(), 10)
	again, _, err := b.store.ReserveAPI(ctx, source.ID, time.Minute, time.Second)
	require.NoError(t, err)
	require.LessOrEqual(t, again, wait, "who did not wait has taken nothing")
}

// Looked at again, it is read with what was fetched, and nobody is asked again; done
// as new, too.
func TestReplayUsesWhatWasFetched(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	api := fireflies(t)
	d := b.firefliesReceived(t, b.fetchable(t, "fireflies", api, apiKey, firefliesTestSecret))
	p, err := Preview(ctx, b.store, Platforms(), d)
	require.NoError(t, err)
	require.Equal(t, []meeting.EventType{meeting.TranscriptReady}, p.Events)
	require.Contains(t, p.Reason, "the platform would be asked first")
	require.NoError(t, (&teller{t: t, fetcher: b.fetcher()}).Deliver(ctx, d))

	p, err = Preview(ctx, b.store, Platforms(), b.stored(t)[0])
	require.NoError(t, err)
	require.Equal(t, []meeting.EventType{meeting.NotesReady}, p.Events)
	require.Empty(t, p.Changed)
	require.Empty(t, p.Reason)

	require.NoError(t, b.store.ResumeDelivery(ctx, d.ID, store.Operator))
	b.understandAll(t)
	require.Equal(t, store.DeliveryUnderstood, b.stored(t)[0].State)
	require.Len(t, b.meetings(t), 1)

	_, err = b.store.RedoDelivery(ctx, d.ID, d.SourceID, store.Operator) // any name of a redo
	require.NoError(t, err)
	b.understandAll(t)
	found := b.meetings(t)
	require.Len(t, found, 2)
	require.Equal(t, found[0].Content.Summary, found[1].Content.Summary)
	require.Len(t, api.requests(), 1)
}

// Credentials that come late get what was understood without, once it is replayed.
func TestReplayFetchesWhatWasNot(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	api := fireflies(t)
	source := b.fetchable(t, "fireflies", api, apiKey, firefliesTestSecret)
	require.NoError(t, b.store.SetSourceCredentials(ctx, source.ID, nil, store.Operator))
	d := b.firefliesReceived(t, source)
	require.Equal(t, store.DeliveryUnderstood, d.State)
	require.NoError(t, b.store.SetSourceCredentials(ctx, source.ID, source.Credentials, store.Operator))
	require.NoError(t, b.store.ResumeDelivery(ctx, d.ID, store.Operator))
	b.understandAll(t)
	d = b.stored(t)[0]
	require.Equal(t, store.DeliveryFetching, d.State)
	require.NoError(t, (&teller{t: t, fetcher: b.fetcher()}).Deliver(ctx, d))
	found := b.meetings(t)
	require.Len(t, found, 1, "the same event, revised")
	require.Equal(t, "Renewal with Northwind", found[0].Content.Title)
}

// Temporal being away loses nothing: what could not be told is told later.
func TestFetchingWaitsForTemporal(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	api := fireflies(t)
	b.firefliesReceived(t, b.fetchable(t, "fireflies", api, apiKey, firefliesTestSecret))
	workflow := &teller{t: t, fetcher: b.fetcher()}
	away := true
	relay := NewRelay(RelayOptions{Store: b.store, Log: zerolog.New(b.log), Deliveries: deliverFunc(func(ctx context.Context, d store.Delivery) error {
		if away {
			return errors.New("Temporal is away")
		}
		return workflow.Deliver(ctx, d)
	})})
	_, err := relay.fetchSome(ctx)
	require.Error(t, err)
	more, err := relay.fetchSome(ctx)
	require.NoError(t, err)
	require.False(t, more, "it is still claimed")
	away = false
	b.sql(t, `update deliveries set next_attempt_at = now()`) // the claim is over
	_, err = relay.fetchSome(ctx)
	require.NoError(t, err)
	require.Equal(t, store.DeliveryUnderstood, b.stored(t)[0].State)
}

type deliverFunc func(context.Context, store.Delivery) error

func (f deliverFunc) Deliver(ctx context.Context, d store.Delivery) error { return f(ctx, d) }

// What the API tells of an excluded meeting, or of an erased one, is not kept.
func TestFetchedTextIsDroppedWithItsMeeting(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	kept := func(t *testing.T, b *bundle) bool {
		t.Helper()
		_, fetched, err := b.store.BodyAndFetched(ctx, b.stored(t)[0].ID)
		return err == nil && fetched != nil
	}
	t.Run("excluded", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		settings := b.organization.Settings
		settings.Exclusions.TitleWords = []string{"renewal"}
		require.NoError(t, b.store.UpdateSettings(ctx, b.organization.ID, b.organization.Domains, settings, store.Operator))
		d := b.firefliesReceived(t, b.fetchable(t, "fireflies", fireflies(t), apiKey, firefliesTestSecret))
		require.NoError(t, (&teller{t: t, fetcher: b.fetcher()}).Deliver(ctx, d))
		require.Equal(t, store.DeliveryExcluded, b.stored(t)[0].State)
		require.False(t, kept(t, b))
		require.Equal(t, 0, b.count(t, `select count(*) from deliveries where sealed_fetched is not null`))
	})
	t.Run("erased", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		d := b.firefliesReceived(t, b.fetchable(t, "fireflies", fireflies(t), apiKey, firefliesTestSecret))
		require.NoError(t, (&teller{t: t, fetcher: b.fetcher()}).Deliver(ctx, d))
		require.True(t, kept(t, b))
		require.NoError(t, b.store.EraseMeeting(ctx, b.organization.ID, b.meetings(t)[0].ID, store.Operator))
		require.Equal(t, 0, b.count(t, `select count(*) from deliveries where sealed_fetched is not null`))
	})
	t.Run("a person", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		d := b.firefliesReceived(t, b.fetchable(t, "fireflies", fireflies(t), apiKey, firefliesTestSecret))
		require.NoError(t, (&teller{t: t, fetcher: b.fetcher()}).Deliver(ctx, d))
		report, err := b.store.EraseContact(ctx, store.ErasureRequest{OrganizationID: b.organization.ID, Emails: []string{"tom.okafor@northwind.example"}}, store.Operator)
		require.NoError(t, err)
		require.Empty(t, report.Left)
		require.Equal(t, 0, b.count(t, `select count(*) from deliveries where sealed_fetched is not null`))
	})
	t.Run("while it is fetched", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		d := b.firefliesReceived(t, b.fetchable(t, "fireflies", fireflies(t), apiKey, firefliesTestSecret))
		fetcher := b.fetcher()
		require.NoError(t, fetcher.Fetch(ctx, d.ID))
		_, err := b.store.EraseContact(ctx, store.ErasureRequest{OrganizationID: b.organization.ID, Emails: []string{"tom.okafor@northwind.example"}}, store.Operator)
		require.ErrorIs(t, err, store.ErrErasureUnfinished, "it is at work, and found")
		require.NoError(t, fetcher.Understand(ctx, d.ID, ""))
		_, err = b.store.EraseContact(ctx, store.ErasureRequest{OrganizationID: b.organization.ID, Emails: []string{"tom.okafor@northwind.example"}}, store.Operator)
		require.NoError(t, err)
	})
	t.Run("old", func(t *testing.T) {
		t.Parallel()
		b := setup(t)
		d := b.firefliesReceived(t, b.fetchable(t, "fireflies", fireflies(t), apiKey, firefliesTestSecret))
		n, err := b.store.PrunePayloads(ctx, b.organization.ID, time.Now().Add(24*365*time.Hour))
		require.NoError(t, err)
		require.Zero(t, n, "what is being fetched is kept")
		require.NoError(t, (&teller{t: t, fetcher: b.fetcher()}).Deliver(ctx, d))
		n, err = b.store.PrunePayloads(ctx, b.organization.ID, time.Now().Add(24*365*time.Hour))
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, 0, b.count(t, `select count(*) from deliveries where sealed_fetched is not null`))
	})
}

func TestReadCredentials(t *testing.T) {
	t.Parallel()
	known := Platforms()
	for name, tc := range map[string]struct {
		platform, raw string
		want          map[string]string
		wrong         string
	}{
		"a key alone":      {platform: "fireflies", raw: " planted-key\n", want: map[string]string{"api_key": "planted-key"}},
		"an object":        {platform: "fireflies", raw: `{"api_key":" planted-key "}`, want: map[string]string{"api_key": "planted-key"}},
		"three fields":     {platform: "zoom", raw: `{"account_id":"a","client_id":"c","client_secret":"s"}`, want: map[string]string{"account_id": "a", "client_id": "c", "client_secret": "s"}},
		"one is missing":   {platform: "zoom", raw: `{"account_id":"planted","client_id":"c"}`, wrong: "client_secret is missing: the app's client secret"},
		"one is empty":     {platform: "zoom", raw: `{"account_id":"planted","client_id":"c","client_secret":" "}`, wrong: "client_secret is missing"},
		"one too many":     {platform: "fireflies", raw: `{"api_key":"planted","other":"planted"}`, wrong: "the credentials have a field too many: api_key are all"},
		"no object":        {platform: "zoom", raw: `planted`, wrong: "the credentials should be a JSON object with account_id, client_id, client_secret"},
		"cut":              {platform: "zoom", raw: `{"account_id":"planted`, wrong: "should be a JSON object"},
		"null":             {platform: "fireflies", raw: `{"api_key":null}`, wrong: "api_key is missing"},
		"a platform of no": {platform: "fathom", raw: `planted`, wrong: "Debrief does not use an API of fathom"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := known[tc.platform].ReadCredentials([]byte(tc.raw))
			if tc.wrong != "" {
				require.ErrorContains(t, err, tc.wrong)
				require.NotContains(t, err.Error(), "planted")
				return
			}
			require.NoError(t, err)
			revealed := map[string]string{}
			for name, secret := range got {
				revealed[name] = secret.Reveal()
			}
			require.Equal(t, tc.want, revealed)
			require.NotContains(t, fmt.Sprintf("%+v %#v %s", got, got, got), "planted")
		})
	}
}

func TestCheckAPIURL(t *testing.T) {
	t.Parallel()
	for base, good := range map[string]bool{
		"https://api.cal.example": true, "https://cal.example/api": true, "http://127.0.0.1:8080": true, "http://localhost:1": true, "http://[::1]:9": true,
		"http://cal.example": false, "http://10.0.0.1": false, "ftp://cal.example": false, "cal.example": false, "https://": false, "": false,
		"https://user:password@cal.example": false, "https://cal.example?a=b": false, "https://cal.example#a": false, "http://127.0.0.1.example": false,
	} {
		require.Equal(t, good, CheckAPIURL(base) == nil, base)
	}
}

// A token goes nowhere but to the platform, and is printed nowhere.
func TestAPIKeepsItsToken(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := setup(t)
	other := newDouble(t, says("application/json", `{"ok":true}`))
	api := newDouble(t, bearing("Bearer", apiKey, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, other.URL+"/planted", http.StatusTemporaryRedirect)
			return
		}
		says("application/json", `{"ok":true}`)(w, r)
	}))
	source := b.fetchable(t, "fireflies", api, apiKey, firefliesTestSecret)
	bare, ok := NewAPIs(b.store, nil).Of(source, b.unhurried(t).Platforms["fireflies"])
	require.True(t, ok)
	caller := bare.Bearer(apiKey).With("Prefer", "nothing")
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", caller, caller, caller), "planted")
	var out struct{ OK bool }
	require.NoError(t, caller.Get(ctx, "/here", url.Values{"a": {"b c"}}, &out))
	require.NoError(t, caller.Get(ctx, api.URL+"/next?cursor=1", nil, &out), "its own link")
	require.ErrorAs(t, caller.Get(ctx, "/away", nil, &out), new(Denied))
	for _, link := range []string{other.URL + "/planted", "https://planted.example/", "", "%zz"} {
		require.ErrorAs(t, caller.Get(ctx, link, nil, &out), new(Later), link)
	}
	require.ErrorAs(t, caller.Download(ctx, other.URL+"/file", &out), new(Later), "no https, and not its own")
	require.Empty(t, other.requests())
	require.ErrorAs(t, caller.Download(ctx, api.URL+"/file", &out), new(Later), "a download carries no token")
	require.Equal(t, []string{"GET /here?a=b+c", "GET /next?cursor=1", "GET /away", "GET /file"}, api.requests())
	require.Error(t, API{}.Get(ctx, "/", nil, nil), "the zero value calls nothing")
}
