package webhooks

import (
	"bytes"
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
	"github.com/debriefhq/debrief/workflows"
)

const tendedSecret store.Secret = "harbor-upkeep-secret"

// tended is a source that is looked after, at a double of its platform.
type tended struct {
	*bundle
	keeper    *Keeper
	platforms map[string]Platform
	source    store.Source
	// at is the keeper's clock; the zero value is the real one.
	at time.Time
}

// tendedAt makes a source that has been looked after for an hour.
func tendedAt(t *testing.T, platform, apiURL string) *tended {
	t.Helper()
	s, url := storetest.New(t)
	k := &tended{bundle: &bundle{store: s, databaseURL: url, organization: storetest.Organization(t, s), log: &lockedBuffer{}}, platforms: Platforms()}
	k.receiver, k.url = k.serve(t, s)
	k.receiver.now = time.Now
	k.keeper = NewKeeper(KeeperOptions{
		Store: s, Platforms: k.platforms, APIs: NewAPIs(s, nil), PublicURL: "https://debrief.example/", Log: zerolog.New(k.log),
		Now: func() time.Time {
			if k.at.IsZero() {
				return time.Now()
			}
			return k.at
		},
	})
	var err error
	k.source, err = s.CreateSource(context.Background(), store.NewSource{
		OrganizationID: &k.organization.ID, Platform: platform, Name: platform, Secrets: []store.Secret{tendedSecret},
		Settings: store.SourceSettings{APIURL: apiURL},
	}, store.Operator)
	require.NoError(t, err)
	k.credentials(t, apiKey)
	k.begun(t, time.Now().Add(-time.Hour))
	return k
}

func (k *tended) credentials(t *testing.T, key store.Secret) {
	t.Helper()
	require.NoError(t, k.store.SetSourceCredentials(context.Background(), k.source.ID, map[string]store.Secret{"api_key": key}, store.Operator))
}

func (k *tended) begun(t *testing.T, at time.Time) {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), k.databaseURL)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	_, err = conn.Exec(context.Background(), `update upkeeps set begun_at = $1`, at)
	require.NoError(t, err)
}

// look looks after the source once, and returns how that stands.
func (k *tended) look(t *testing.T) store.Upkeep {
	t.Helper()
	_, err := k.keeper.Tend(context.Background(), k.source.ID)
	require.NoError(t, err)
	return k.upkeep(t)
}

func (k *tended) upkeep(t *testing.T) store.Upkeep {
	t.Helper()
	all, err := k.store.Upkeeps(context.Background(), &k.organization.ID)
	require.NoError(t, err)
	return all[k.source.ID]
}

func (k *tended) origins(t *testing.T) map[store.DeliveryOrigin]int {
	t.Helper()
	found := map[store.DeliveryOrigin]int{}
	for _, d := range k.stored(t) {
		found[d.Origin]++
		require.Zero(t, d.Duplicates)
	}
	return found
}

// LookAfter runs the real workflow with the real activity, up to its first sleep.
func (k *tended) LookAfter(_ context.Context, sourceID uuid.UUID, _ *uuid.UUID) error {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	env := suite.NewTestWorkflowEnvironment()
	env.SetTestTimeout(time.Minute)
	workflows.Register(env)
	env.RegisterActivity(&activities.Activities{Tender: k.keeper})
	env.RegisterDelayedCallback(env.CancelWorkflow, 30*time.Second)
	env.ExecuteWorkflow(workflows.Upkeep, workflows.UpkeepInput{SourceID: sourceID})
	if err := env.GetWorkflowError(); err != nil && !temporal.IsCanceledError(errors.Unwrap(err)) {
		return err
	}
	return nil
}

// relay runs the real relay until the test ends.
func (k *tended) relay(t *testing.T, upkeep Upkeeper) {
	t.Helper()
	k.run(t, NewRelay(RelayOptions{Store: k.store, Platforms: k.platforms, Upkeep: upkeep, Log: zerolog.New(k.log), Interval: 10 * time.Millisecond}))
}

func (k *tended) run(t *testing.T, relay *Relay) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { relay.Run(ctx) })
	t.Cleanup(func() { stop(); running.Wait() })
}

func (k *tended) eventually(t *testing.T, holds func() bool) {
	t.Helper()
	require.Eventually(t, holds, 20*time.Second, 20*time.Millisecond, "log: %s", k.log)
}

// told sends the source's webhook.
func (k *tended) told(t *testing.T, header string, body any) {
	t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(t, err)
	mac := hmac.New(sha256.New, []byte(tendedSecret.Reveal()))
	mac.Write(raw)
	signature := hex.EncodeToString(mac.Sum(nil))
	if header == "X-Hub-Signature" {
		signature = "sha256=" + signature
	}
	require.Equal(t, http.StatusOK, k.send(t, k.source, http.Header{header: {signature}}, raw).status)
}

// calcomDouble is Cal.com's API as far as its bookings go.
type calcomDouble struct {
	*double

	mu       sync.Mutex
	bookings []map[string]any
}

func newCalcomDouble(t *testing.T, bookings ...map[string]any) *calcomDouble {
	t.Helper()
	c := &calcomDouble{bookings: bookings}
	c.double = newDouble(t, bearing("Bearer", apiKey, func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		query := r.URL.Query()
		// Another version answers in another shape.
		if r.URL.Path != "/v2/bookings" || r.Method != http.MethodGet || r.Header.Get("Cal-Api-Version") != "2024-08-13" || query.Get("sortCreated") != "asc" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		after, err := time.Parse(time.RFC3339, query.Get("afterUpdatedAt"))
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		found := slices.DeleteFunc(slices.Clone(c.bookings), func(b map[string]any) bool { return b["updatedAt"].(string) < after.UTC().Format(time.RFC3339) })
		slices.SortStableFunc(found, func(a, b map[string]any) int { return cmp.Compare(a["createdAt"].(string), b["createdAt"].(string)) })
		take, _ := strconv.Atoi(query.Get("take"))
		skip, _ := strconv.Atoi(query.Get("skip"))
		page := found[min(skip, len(found)):min(skip+min(take, 100), len(found))]
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": page, "pagination": map[string]any{"totalItems": len(found)}})
	}))
	return c
}

func ago(d time.Duration) string { return time.Now().Add(-d).UTC().Format("2006-01-02T15:04:05.000Z") }

// booking is one as the API tells it, for tomorrow, made so long ago.
func booking(uid string, made time.Duration, changes ...map[string]any) map[string]any {
	start := time.Now().Add(24 * time.Hour).Truncate(time.Hour).UTC()
	b := map[string]any{
		"id": 31, "uid": uid, "title": "Renewal " + uid, "status": "accepted",
		"start": start.Format(time.RFC3339), "end": start.Add(45 * time.Minute).Format(time.RFC3339),
		"createdAt": ago(made), "updatedAt": ago(made), "icsUid": uid + "@cal.harbor.example",
		"location": "https://harbor.zoom.us/j/84412345678?pwd=planted", "meetingUrl": "https://harbor.zoom.us/j/84412345678?pwd=planted",
		"hosts":     []map[string]any{{"id": 3, "name": "Inês Duarte", "email": "ines@harbor.example", "timeZone": "Europe/Lisbon"}},
		"attendees": []map[string]any{{"name": "Tom Okafor", "email": "tom.okafor@northwind.example", "timeZone": "Europe/Berlin", "absent": false}},
		"guests":    []string{"mina@northwind.example", "Tom.Okafor@northwind.example"},
		"bookingFieldsResponses": map[string]any{
			"name": "Tom Okafor", "email": "tom.okafor@northwind.example", "displayEmail": "tom.okafor@northwind.example",
			"guests": []string{"mina@northwind.example"}, "seats": 140,
		},
		"metadata": map[string]any{},
	}
	for _, change := range changes {
		maps.Copy(b, change)
	}
	return b
}

// webhookOf is the webhook that Cal.com sends of a booking, a second after it was
// made.
func webhookOf(trigger string, b map[string]any, made time.Duration) map[string]any {
	host := b["hosts"].([]map[string]any)[0]
	return map[string]any{"triggerEvent": trigger, "createdAt": ago(made - time.Second), "payload": map[string]any{
		"uid": b["uid"], "title": b["title"], "startTime": b["start"], "endTime": b["end"], "iCalUID": b["icsUid"], "status": "ACCEPTED",
		"organizer": host, "attendees": []map[string]any{
			{"name": "Tom Okafor", "email": "tom.okafor@northwind.example", "timeZone": "Europe/Berlin"}, {"email": "mina@northwind.example"},
		},
		"responses": map[string]any{"seats": map[string]any{"label": "seats", "value": 140}},
		"metadata":  map[string]any{"videoCallUrl": b["meetingUrl"]},
	}}
}

// Webhooks are lost, all of them: the real relay has the source looked after, and
// understands what that found.
func TestAPollBringsWhatNoWebhookTold(t *testing.T) {
	t.Parallel()
	calcom := newCalcomDouble(
		t,
		booking("made", 10*time.Minute),
		booking("old", 50*time.Minute, map[string]any{"status": "cancelled", "updatedAt": ago(20 * time.Minute), "rescheduledToUid": "moved"}),
		booking("moved", 20*time.Minute, map[string]any{"rescheduledFromUid": "old", "start": ago(-48 * time.Hour), "end": ago(-49 * time.Hour)}),
		booking("off", 40*time.Minute, map[string]any{
			"status": "cancelled", "updatedAt": ago(5 * time.Minute), "cancellationReason": "no need any more", "cancelledByEmail": "tom.okafor@northwind.example",
		}),
		booking("asked for", 30*time.Minute, map[string]any{"status": "pending"}),
		booking("turned down", 30*time.Minute, map[string]any{"status": "rejected"}),
		booking("just now", time.Minute), // its webhook is on its way
		booking("long ago", 3*time.Hour), // before the source was looked after
	)
	k := tendedAt(t, "calcom", calcom.URL)
	k.relay(t, k)
	k.eventually(t, func() bool {
		stored := k.stored(t)
		return len(stored) == 3 && !slices.ContainsFunc(stored, func(d store.Delivery) bool { return d.State != store.DeliveryUnderstood })
	})
	require.Equal(t, map[store.DeliveryOrigin]int{store.OriginPoll: 3}, k.origins(t))
	require.Equal(t, "Cal.com is asked every ten minutes for bookings that it did not tell of", k.upkeep(t).Words)

	found := map[string]meeting.Meeting{}
	for _, m := range k.meetings(t) {
		found[m.Content.Keys.BookingUID] = m.Content
	}
	require.Len(t, found, 3)
	made := found["made"]
	require.Equal(t, "Renewal made", made.Title)
	require.Equal(t, "ines@harbor.example", made.Organizer.Email)
	require.Equal(t, "made@cal.harbor.example", made.Keys.ICalUID)
	require.Equal(t, "Europe/Lisbon", made.TimeZone)
	require.Equal(t, 45*time.Minute, made.ScheduledEnd.Sub(made.ScheduledStart))
	var emails []string
	for _, a := range made.Attendees {
		emails = append(emails, a.Email)
	}
	require.ElementsMatch(t, []string{"tom.okafor@northwind.example", "mina@northwind.example"}, emails)
	require.Equal(t, []meeting.Answer{{Question: "seats", Answer: "140"}}, made.Answers)
	require.Equal(t, meeting.StateScheduled, made.State)
	require.Equal(t, "old", found["moved"].Keys.PreviousBookingUID)
	require.Equal(t, meeting.StateScheduled, found["moved"].State)
	require.Equal(t, meeting.StateCanceled, found["off"].State)
	require.Equal(t, meeting.Cancellation{By: "tom.okafor@northwind.example", Reason: "no need any more"}, found["off"].Cancellation)
}

// The webhook and the poll of one booking: one meeting with the same content,
// whichever comes first.
func TestAWebhookAndAPollAreOneMeeting(t *testing.T) {
	t.Parallel()
	of := func(t *testing.T, trigger string, b map[string]any, steps ...string) (meeting.Meeting, *tended) {
		t.Helper()
		calcom := newCalcomDouble(t, b)
		k := tendedAt(t, "calcom", calcom.URL)
		for _, step := range steps {
			switch step {
			case "webhook":
				k.told(t, "X-Cal-Signature-256", webhookOf(trigger, b, 10*time.Minute))
			case "poll":
				k.look(t)
			}
			k.understandAll(t)
		}
		all := k.meetings(t)
		require.Len(t, all, 1)
		return all[0].Content, k
	}
	for trigger, b := range map[string]map[string]any{
		"BOOKING_CREATED":     booking("one", 10*time.Minute),
		"BOOKING_RESCHEDULED": booking("one", 10*time.Minute, map[string]any{"rescheduledFromUid": "old"}),
		"BOOKING_CANCELLED":   booking("one", 10*time.Minute, map[string]any{"status": "cancelled"}),
	} {
		t.Run(trigger, func(t *testing.T) {
			t.Parallel()
			polled, k := of(t, trigger, b, "poll", "poll")
			require.Equal(t, map[store.DeliveryOrigin]int{store.OriginPoll: 1}, k.origins(t))

			_, k = of(t, trigger, b, "webhook", "poll", "poll")
			require.Equal(t, map[store.DeliveryOrigin]int{store.OriginWebhook: 1}, k.origins(t), "what a webhook told is not asked for again")

			late, k := of(t, trigger, b, "poll", "webhook", "poll")
			require.Equal(t, map[store.DeliveryOrigin]int{store.OriginWebhook: 1, store.OriginPoll: 1}, k.origins(t))
			if trigger == "BOOKING_RESCHEDULED" {
				late.Keys.PreviousBookingUID, late.Keys.PreviousInstanceID = polled.Keys.PreviousBookingUID, polled.Keys.PreviousInstanceID
			}
			require.Equal(t, polled, late, "the late webhook adds nothing")
		})
	}
}

// While all webhooks are lost, what changes of a booking is seen as well.
func TestAPolledBookingThatChangesIsARevision(t *testing.T) {
	t.Parallel()
	b := booking("one", 10*time.Minute)
	calcom := newCalcomDouble(t, b)
	k := tendedAt(t, "calcom", calcom.URL)
	k.look(t)
	calcom.mu.Lock()
	b["title"], b["updatedAt"] = "Renewal, with the numbers", ago(3*time.Minute)
	calcom.mu.Unlock()
	k.look(t)
	k.understandAll(t)
	require.Len(t, k.meetings(t), 1)
	require.Equal(t, "Renewal, with the numbers", k.meetings(t)[0].Content.Title)
}

func TestAPollReadsAllPages(t *testing.T) {
	t.Parallel()
	calcom := newCalcomDouble(t)
	for i := range 250 {
		calcom.bookings = append(calcom.bookings, booking(fmt.Sprintf("b%03d", i), 50*time.Minute-time.Duration(i)*time.Second))
	}
	k := tendedAt(t, "calcom", calcom.URL)
	k.look(t)
	all, err := k.store.Deliveries(context.Background(), store.DeliveryFilter{Limit: 1000})
	require.NoError(t, err)
	require.Len(t, all, 250)
	require.Len(t, calcom.requests(), 3)
}

// Each look goes back behind the one before, and not further than it has to.
func TestALookGoesBackBehindTheOneBefore(t *testing.T) {
	t.Parallel()
	calcom := newCalcomDouble(t)
	k := tendedAt(t, "calcom", calcom.URL)
	start := time.Now().Truncate(time.Second).UTC()
	k.begun(t, start.Add(-time.Hour))
	for _, at := range []time.Duration{0, 10 * time.Minute, 60 * 24 * time.Hour} {
		k.at = start.Add(at)
		u := k.look(t)
		require.True(t, k.at.Add(10*time.Minute).Equal(*u.NextAt), u.NextAt)
	}
	var after []string
	for _, call := range calcom.requests() {
		_, rest, _ := strings.Cut(call, "afterUpdatedAt=")
		value, _, _ := strings.Cut(rest, "&")
		after = append(after, strings.ReplaceAll(value, "%3A", ":"))
	}
	require.Equal(t, []string{
		start.Add(-time.Hour).Format(time.RFC3339),
		start.Add(-10 * time.Minute).Format(time.RFC3339),
		start.Add(30 * 24 * time.Hour).Format(time.RFC3339), // a month before, and not two
	}, after)
}

// Whatever the platform does, the source says it, and the next look comes.
func TestAPlatformThatFails(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fail    http.HandlerFunc
		problem string
		wait    time.Duration
		refused bool
	}{
		"asks for patience":  {status(http.StatusTooManyRequests, "Retry-After", "600"), "asks", 10 * time.Minute, false},
		"breaks off":         {cut, "calcom", time.Minute, false},
		"hangs up":           {hangUp, "calcom", time.Minute, false},
		"is in trouble":      {status(http.StatusBadGateway), "calcom", time.Minute, false},
		"answers with words": {says("text/html", "<html>planted-body</html>"), "JSON", time.Minute, false},
		"does not know it":   {status(http.StatusNotFound), "404", time.Minute, false},
		"takes it amiss":     {status(http.StatusBadRequest), "400", time.Minute, false},
		"refuses the key":    {status(http.StatusUnauthorized), "refuses the credentials", 6 * time.Hour, true},
		"forbids it":         {status(http.StatusForbidden), "403", 6 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calcom := newCalcomDouble(t, booking("one", 10*time.Minute))
			calcom.failNext(tc.fail)
			k := tendedAt(t, "calcom", calcom.URL)
			before := time.Now()
			u := k.look(t)
			require.Contains(t, u.Problem, tc.problem)
			require.NotContains(t, u.Problem, "planted")
			require.WithinDuration(t, before.Add(tc.wait), *u.NextAt, time.Minute/2)
			require.Nil(t, u.LookedAt)
			source, err := k.store.Source(context.Background(), k.source.ID)
			require.NoError(t, err)
			require.Equal(t, tc.refused, source.API.RefusedAt != nil)
			require.Empty(t, k.stored(t))

			// New credentials end every wait.
			k.credentials(t, apiKey)
			u = k.look(t)
			require.Empty(t, u.Problem)
			require.NotNil(t, u.LookedAt)
			source, err = k.store.Source(context.Background(), k.source.ID)
			require.NoError(t, err)
			require.Nil(t, source.API.RefusedAt)
			require.Len(t, k.stored(t), 1)
		})
	}
}

// What was found before a page failed is kept, and looked for again without harm.
func TestAPollThatBreaksOff(t *testing.T) {
	t.Parallel()
	calcom := newCalcomDouble(t)
	for i := range 150 {
		calcom.bookings = append(calcom.bookings, booking(fmt.Sprintf("b%03d", i), 50*time.Minute-time.Duration(i)*time.Second))
	}
	k := tendedAt(t, "calcom", calcom.URL)
	k.keeper.options.Platforms = map[string]Platform{"calcom": {name: "calcom", authentication: calcomSignature, mapping: breakingOff{calcom: calcom}}}
	require.Contains(t, k.look(t).Problem, "calcom")
	count := func() int {
		all, err := k.store.Deliveries(context.Background(), store.DeliveryFilter{Limit: 1000})
		require.NoError(t, err)
		return len(all)
	}
	require.Equal(t, 100, count())
	k.keeper.options.Platforms = k.platforms
	require.Empty(t, k.look(t).Problem)
	require.Equal(t, 150, count())
}

// breakingOff is Cal.com's mapping, whose second page fails.
type breakingOff struct {
	calcomMapping
	calcom *calcomDouble
}

func (b breakingOff) Tend(ctx context.Context, api API, t Tending) (Tended, error) {
	tended, err := b.calcomMapping.Tend(ctx, api, t)
	if err != nil {
		return tended, err
	}
	tended.Found = tended.Found[:100]
	return tended, Later{Platform: "calcom", Reason: "broke off"}
}

// What happened while a source was disabled was not wanted, and is not asked for
// when it is enabled.
func TestADisabledSourceIsNotAskedFor(t *testing.T) {
	t.Parallel()
	calcom := newCalcomDouble(t, booking("one", 10*time.Minute))
	k := tendedAt(t, "calcom", calcom.URL)
	ctx := context.Background()
	require.NoError(t, k.store.DisableSource(ctx, k.source.ID, store.Operator))
	tended, err := k.keeper.Tend(ctx, k.source.ID)
	require.NoError(t, err)
	require.True(t, tended.Ended)
	require.Nil(t, k.upkeep(t).BegunAt)
	require.Empty(t, calcom.requests())

	require.NoError(t, k.store.EnableSource(ctx, k.source.ID, store.Operator))
	tended, err = k.keeper.Tend(ctx, k.source.ID)
	require.NoError(t, err)
	require.False(t, tended.Ended)
	require.Len(t, calcom.requests(), 1)
	require.Empty(t, k.stored(t))
}

func TestWithoutCredentialsNothingIsAskedFor(t *testing.T) {
	t.Parallel()
	calcom := newCalcomDouble(t, booking("one", 10*time.Minute))
	k := tendedAt(t, "calcom", calcom.URL)
	require.NoError(t, k.store.SetSourceCredentials(context.Background(), k.source.ID, nil, store.Operator))
	tended, err := k.keeper.Tend(context.Background(), k.source.ID)
	require.NoError(t, err)
	require.True(t, tended.Ended)
	require.Empty(t, calcom.requests())
	tended, err = k.keeper.Tend(context.Background(), uuid.New())
	require.NoError(t, err)
	require.True(t, tended.Ended)
}

// upkeeper is a Temporal that can be away.
type upkeeper struct {
	*waker
	keeper *tended
}

func (u upkeeper) LookAfter(ctx context.Context, sourceID uuid.UUID, organizationID *uuid.UUID) error {
	if err := u.Wake(ctx, uuid.Nil, sourceID, ""); err != nil {
		return err
	}
	return u.keeper.LookAfter(ctx, sourceID, organizationID)
}

// A look that is asked for while Temporal is away comes when it is back.
func TestUpkeepBeginsWhenTemporalIsBack(t *testing.T) {
	t.Parallel()
	calcom := newCalcomDouble(t, booking("one", 10*time.Minute))
	k := tendedAt(t, "calcom", calcom.URL)
	temporal := upkeeper{&waker{away: true}, k}
	k.relay(t, temporal)
	k.eventually(t, func() bool { return strings.Contains(k.log.String(), "Temporal is away") })
	require.Empty(t, calcom.requests())
	temporal.set(false)
	// The lease of the failed one would be over in half a minute.
	k.sql(t, `update upkeeps set next_attempt_at = now()`)
	k.eventually(t, func() bool { return len(k.meetings(t)) == 1 })
	require.Equal(t, 1, temporal.count())
}

// subscribing plays a mapping with something to keep alive at its platform.
type subscribing struct {
	calcomMapping
	tend func(ctx context.Context, t Tending) (Tended, error)
}

func (m subscribing) Tend(ctx context.Context, _ API, t Tending) (Tended, error) {
	return m.tend(ctx, t)
}

func (m subscribing) LookAgain(d Delivery) bool {
	return bytes.Contains(d.Body, []byte("MEETING_STARTED"))
}

func (k *tended) subscribes(tend func(ctx context.Context, t Tending) (Tended, error)) {
	k.platforms = map[string]Platform{"calcom": {name: "calcom", authentication: calcomSignature, mapping: subscribing{tend: tend}}}
	k.keeper.options.Platforms = k.platforms
}

func TestWhatALookIsGiven(t *testing.T) {
	t.Parallel()
	k := tendedAt(t, "calcom", "http://127.0.0.1:1")
	ctx := context.Background()
	var given []Tending
	fails := error(nil)
	k.subscribes(func(ctx context.Context, got Tending) (Tended, error) {
		given = append(given, got)
		if err := got.Keep(ctx, []byte(fmt.Sprintf(`{"looks":%d}`, len(given)))); err != nil {
			return Tended{}, err
		}
		return Tended{Next: got.Now.Add(-time.Hour), Words: "1 subscription"}, fails
	})
	began := time.Now()
	u := k.look(t)
	require.Equal(t, "https://debrief.example/webhooks/"+k.source.ID.String(), given[0].URL)
	require.Equal(t, tendedSecret, given[0].Secret)
	require.Nil(t, given[0].State)
	require.False(t, given[0].Ending)
	require.Equal(t, "1 subscription", u.Words)
	require.WithinDuration(t, began.Add(time.Minute), *u.NextAt, 10*time.Second, "a minute at the least")

	// What was kept in the midst of a look that failed stands.
	fails = errors.New("planted, with a name in it")
	u = k.look(t)
	require.JSONEq(t, `{"looks":1}`, string(given[1].State))
	require.Equal(t, "it failed; the worker's log says why", u.Problem)
	u = k.look(t)
	require.JSONEq(t, `{"looks":2}`, string(given[2].State))
	require.WithinDuration(t, began.Add(2*time.Minute), *u.NextAt, 10*time.Second, "twice as long after the second failure")

	// Disabled, it may remove what stands; only then it is forgotten.
	require.NoError(t, k.store.DisableSource(ctx, k.source.ID, store.Operator))
	k.look(t)
	require.True(t, given[3].Ending)
	require.JSONEq(t, `{"looks":3}`, string(given[3].State))
	fails = nil
	k.look(t)
	require.True(t, given[4].Ending)
	require.Nil(t, k.upkeep(t).BegunAt)
	k.look(t)
	require.Len(t, given, 5, "nothing is left to end")
}

// While other calls of the source come first, nothing is wrong; a long wait is told.
func TestALookWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	calcom := newCalcomDouble(t)
	k := tendedAt(t, "calcom", calcom.URL)
	ctx := context.Background()
	require.NoError(t, k.store.DelayAPI(ctx, k.source.ID, 30*time.Second))
	_, err := k.keeper.Tend(ctx, k.source.ID)
	var later Later
	require.ErrorAs(t, err, &later)
	require.Empty(t, k.upkeep(t).Problem)
	require.NoError(t, k.store.DelayAPI(ctx, k.source.ID, 20*time.Minute))
	u := k.look(t)
	require.NotEmpty(t, u.Problem)
	require.WithinDuration(t, time.Now().Add(20*time.Minute), *u.NextAt, time.Minute)
	require.Empty(t, calcom.requests())
}

func TestALookThatPanicsOrIsOvertaken(t *testing.T) {
	t.Parallel()
	k := tendedAt(t, "calcom", "http://127.0.0.1:1")
	ctx := context.Background()
	k.subscribes(func(context.Context, Tending) (Tended, error) { panic("planted-panic") })
	require.Equal(t, "it failed; the worker's log says why", k.look(t).Problem)
	require.NotContains(t, k.log.String(), "planted-panic")

	k.subscribes(func(ctx context.Context, got Tending) (Tended, error) {
		_, err := k.store.BeginUpkeep(ctx, k.source)
		require.NoError(t, err)
		return Tended{}, got.Keep(ctx, []byte(`{}`))
	})
	_, err := k.keeper.Tend(ctx, k.source.ID)
	require.ErrorIs(t, err, store.ErrOvertaken)
}

// A delivery can say that something is to be done at the platform: the relay has the
// source looked after.
func TestADeliveryAsksForALook(t *testing.T) {
	t.Parallel()
	k := tendedAt(t, "calcom", "http://127.0.0.1:1")
	var looks sync.Map
	k.subscribes(func(_ context.Context, got Tending) (Tended, error) {
		n, _ := looks.LoadOrStore("n", 0)
		looks.Store("n", n.(int)+1)
		return Tended{Next: got.Now.Add(24 * time.Hour)}, nil
	})
	count := func() int { n, _ := looks.LoadOrStore("n", 0); return n.(int) }
	k.receiver.platforms = k.platforms
	k.relay(t, k)
	k.eventually(t, func() bool { return count() == 1 && k.upkeep(t).LookedAt != nil })
	b := booking("one", 10*time.Minute)
	k.told(t, "X-Cal-Signature-256", webhookOf("BOOKING_CREATED", b, 10*time.Minute))
	k.eventually(t, func() bool { return len(k.meetings(t)) == 1 })
	require.Equal(t, 1, count())
	k.told(t, "X-Cal-Signature-256", webhookOf("MEETING_STARTED", b, 10*time.Minute))
	k.eventually(t, func() bool { return count() == 2 })
}

// Whatever a booking is like, what is made of it is a delivery like any other: the
// same each time, with the key of its webhook, and understood or unfit.
func FuzzPolledBooking(f *testing.F) {
	for _, b := range []map[string]any{
		booking("one", time.Hour),
		booking("two", time.Hour, map[string]any{"status": "cancelled", "rescheduledFromUid": "one"}),
		booking("three", time.Hour, map[string]any{"hosts": nil, "attendees": []any{}, "createdAt": "", "bookingFieldsResponses": []any{}}),
	} {
		raw, err := json.Marshal(b)
		require.NoError(f, err)
		f.Add(raw)
	}
	f.Add([]byte(`{"uid":"a:b","status":"ACCEPTED","start":1791300000,"guests":[null,7,""]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var b polledBooking
		if checkShape(raw) != nil || json.Unmarshal(raw, &b) != nil {
			return
		}
		all, err := b.polled()
		require.NoError(t, err)
		again, err := b.polled()
		require.NoError(t, err)
		require.Equal(t, all, again)
		platform := Platforms()["calcom"]
		for _, p := range all {
			require.True(t, strings.HasPrefix(calcomMapping{}.Key(p.Delivery), p.Told[0]), "its webhook would not be found")
			checkMapping(t, platform, p.Delivery.Body)
		}
	})
}
