package connections_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/internal/child"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
	"github.com/debriefhq/debrief/vault"
)

const (
	// workerEnv makes this test binary a worker process instead.
	workerEnv = "DEBRIEF_TEST_FLEET_WORKER"
	// workerLife bounds one.
	workerLife = 3 * time.Minute
	tokenPath  = "/oauth/2026-09/token"
)

// order is what a worker process is told on its standard input.
type order struct {
	DatabaseURL  string
	Keyset       []byte
	HubSpotURL   string
	Organization uuid.UUID
	// First is where it begins, as a part of them all.
	First float64
}

// held is what a worker has of a connection in the end.
type held struct {
	Version int64
	// Sum is the access token's SHA-256: tokens are not printed, here neither.
	Sum    [sha256.Size]byte
	Paused bool
	// Failed is an error that is neither a pause nor passing.
	Failed string
}

// report is what a worker process says: once when it is ready, and once when it
// has a final answer for every connection.
type report struct {
	Held      map[uuid.UUID]held
	Transient int
}

// fleetWorker is a process that uses all connections of an organization: it says
// when it is ready, waits for a word, and asks for the tokens, again where that
// is right and no sooner than it is told.
func fleetWorker() int {
	ctx, cancel := context.WithTimeout(context.Background(), workerLife)
	defer cancel()
	if err := work(ctx, json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func work(ctx context.Context, in *json.Decoder, out *json.Encoder) error {
	var o order
	if err := in.Decode(&o); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	v, err := vault.New(o.Keyset)
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, store.Options{URL: o.DatabaseURL, Vault: v, Name: "fleet", MaxConnections: 8})
	if err != nil {
		return err
	}
	defer s.Close()
	all, err := s.Connections(ctx, o.Organization)
	if err != nil {
		return err
	}
	first := int(o.First * float64(len(all)))
	all = slices.Concat(all[first:], all[:first])
	service := connections.New(s, connections.Options{PublicURL: publicURL, Provider: provider(o.HubSpotURL)})
	if err := out.Encode(report{}); err != nil {
		return err
	}
	var start bool
	if err := in.Decode(&start); err != nil {
		return fmt.Errorf("waiting for the start: %w", err)
	}
	r := report{Held: map[uuid.UUID]held{}}
	for len(all) > 0 {
		left, wait := askForAll(ctx, service, all, &r)
		all = left
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return fmt.Errorf("%d connections are left: %w", len(all), ctx.Err())
		}
	}
	return out.Encode(r)
}

// askForAll asks for each connection's token once, several at a time, and
// returns those to ask for again, and when.
func askForAll(ctx context.Context, service *connections.Service, all []store.Connection, r *report) (left []store.Connection, wait time.Duration) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := make(chan store.Connection)
	for range 16 {
		wg.Go(func() {
			for c := range next {
				token, version, err := service.Token(ctx, c.ID)
				mu.Lock()
				transient, passing := errors.AsType[*connections.TransientError](err)
				switch {
				case err == nil:
					r.Held[c.ID] = held{Version: version, Sum: sha256.Sum256([]byte(token.Reveal()))}
				case passing:
					r.Transient++
					left, wait = append(left, c), max(wait, transient.RetryAfter)
				case errors.Is(err, connections.ErrPaused):
					r.Held[c.ID] = held{Paused: true}
				default:
					r.Held[c.ID] = held{Failed: err.Error()}
				}
				mu.Unlock()
			}
		})
	}
	for _, c := range all {
		next <- c
	}
	close(next)
	wg.Wait()
	return left, wait
}

// process is a worker that a test started.
type process struct {
	*child.Process

	in  io.WriteCloser
	out *json.Decoder
}

// start starts a worker process of the bundle's organization, and waits until it
// is ready. It reaches HubSpot at that address.
func (b *bundle) start(t *testing.T, hubSpotURL string) *process {
	t.Helper()
	return b.startAt(t, hubSpotURL, 0)
}

func (b *bundle) startAt(t *testing.T, hubSpotURL string, first float64) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), workerEnv+"=1")
	cmd.Stdout, cmd.Stderr = w, os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	c, err := child.Start(cmd, syscall.SIGKILL)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	t.Cleanup(func() {
		require.NoError(t, c.Signal(syscall.SIGKILL))
		require.True(t, c.Wait(10*time.Second))
		_ = r.Close()
	})
	p := &process{Process: c, in: in, out: json.NewDecoder(r)}
	require.NoError(t, json.NewEncoder(in).Encode(order{DatabaseURL: b.url, Keyset: storetest.Keyset(t), HubSpotURL: hubSpotURL, Organization: b.org.ID, First: first}))
	p.report(t)
	return p
}

// begin lets it ask for tokens.
func (p *process) begin(t *testing.T) {
	t.Helper()
	require.NoError(t, json.NewEncoder(p.in).Encode(true))
}

func (p *process) report(t *testing.T) report {
	t.Helper()
	var r report
	require.NoError(t, p.out.Decode(&r), "the worker died")
	return r
}

// kill is `kill -9`.
func (p *process) kill() bool {
	return p.Signal(syscall.SIGKILL) == nil && p.Wait(10*time.Second)
}

// Eight processes want the tokens of 2,000 connections that have all expired,
// and HubSpot, which takes each refresh token once, answers every fifth call
// with 429 or 5xx. Each connection is refreshed once, and everyone goes on with
// the same token.
func TestAFleetRefreshesEachConnectionOnce(t *testing.T) {
	t.Parallel()
	const processes, hubs, users = 8, 20, 100
	const all = hubs * users
	b := setup(t, func(a *hubspottest.App) { a.UserLevel, a.RotateRefreshTokens = true, true })
	began := time.Now()
	b.grant(t, hubs, users)
	b.sim.Advance(31 * time.Minute) // HubSpot finds them expired, too
	t.Logf("%d connections made in %s", all, time.Since(began).Round(time.Millisecond))

	const good = 4 // of five answers
	answers := []int{
		http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusInternalServerError,
	}
	faults := (all - 1) / good
	for i := range faults {
		b.sim.Inject(hubspottest.Fault{
			Path: tokenPath, Status: answers[i%len(answers)], Header: map[string]string{"Retry-After": "1"},
			Skip: good * (i + 1), // faults don't count each other's calls
		})
	}
	b.sim.ResetCalls()

	fleet := make([]*process, processes)
	for i := range fleet {
		// Two by two they begin with the same, and all come by everything.
		fleet[i] = b.startAt(t, b.sim.URL, float64(i/2)/(processes/2))
	}
	began = time.Now()
	for _, p := range fleet {
		p.begin(t)
	}
	reports := make([]report, processes)
	transient := 0
	for i, p := range fleet {
		reports[i] = p.report(t)
		transient += reports[i].Transient
	}
	t.Logf("%d processes had %d tokens each after %s; %d calls, %d of them failed; asked to come back %d times",
		processes, all, time.Since(began).Round(time.Millisecond), b.tokenCalls(), faults, transient)

	require.Empty(t, b.sim.Faults(), "every fault has struck")
	require.Equal(t, all+faults, b.tokenCalls(), "as many refreshes as expiries: none twice, none lost")
	require.Equal(t, all, b.count(t, `select count(*) from connections where token_version = 2 and state = 'connected'`))
	list, err := b.store.Connections(t.Context(), b.org.ID)
	require.NoError(t, err)
	require.Len(t, list, all)
	for _, c := range list {
		token, err := b.store.Token(t.Context(), c.ID)
		require.NoError(t, err)
		require.NoError(t, b.works(t, token.Access))
		want := held{Version: 2, Sum: sha256.Sum256([]byte(token.Access.Reveal()))}
		for _, r := range reports {
			require.Equal(t, want, r.Held[c.ID], "everyone adopts the winner's")
		}
	}
}

// grant makes a connection of each user of each account, with an access token
// that has expired.
func (b *bundle) grant(t *testing.T, hubs, users int) {
	t.Helper()
	type one struct{ hub, user int64 }
	wanted := make(chan one)
	failures := make(chan error, hubs*users)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for w := range wanted {
				access, refresh := b.sim.Token(b.simApp.ClientID, w.hub, w.user)
				_, _, err := b.store.SaveGrant(context.Background(), store.Attempt{
					ID: uuid.New(), OrganizationID: b.org.ID, AppID: b.app.ID, ConnectionName: fmt.Sprintf("user %d", w.user),
				}, store.Granted{
					HubID: w.hub, UserID: w.user, IsUserLevel: true, Scopes: b.simApp.RequiredScopes,
					Grant: store.Grant{RefreshToken: store.Secret(refresh), AccessToken: store.Secret(access), ExpiresAt: time.Now().Add(-time.Second)},
				})
				if err != nil {
					failures <- err
				}
			}
		})
	}
	for hub := range int64(hubs) {
		b.sim.AddPortal(hubspottest.Portal{HubID: 100 + hub})
		b.sim.Configure(100+hub, func(s *hubspottest.Settings) { s.NoRateLimits = true })
		for i := range users {
			user := b.sim.AddUser(100+hub, hubspottest.User{Email: fmt.Sprintf("person%d@acme.example", i), InstallApps: true})
			wanted <- one{100 + hub, user.ID}
		}
	}
	close(wanted)
	wg.Wait()
	close(failures)
	for err := range failures {
		require.NoError(t, err)
	}
}

// A worker is killed after HubSpot has answered its refresh and before that is
// stored. Where HubSpot gives the same refresh token again (today), and where
// the one before works until the next is used, nothing is lost. Where each works
// once, the only good one died with the worker: the connection says so within a
// minute, its work waits, and reconnecting wakes all of it.
func TestKilledBetweenHubSpotsAnswerAndOurCommit(t *testing.T) {
	t.Parallel()
	rotations := []struct {
		name   string
		change func(*hubspottest.App)
		lost   bool
	}{
		{"the same refresh token again", func(*hubspottest.App) {}, false},
		{"the one before works until the next is used", func(a *hubspottest.App) { a.RotateLeniently = true }, false},
		{"each works once", func(a *hubspottest.App) { a.RotateRefreshTokens = true }, true},
	}
	moments := []struct {
		name string
		kill func(t *testing.T, b *bundle)
	}{
		{"HubSpot's answer is on its way", killedBeforeTheAnswerComes},
		{"the answer has come", killedBeforeTheCommit},
	}
	for _, rotation := range rotations {
		for _, moment := range moments {
			t.Run(rotation.name+"/"+moment.name, func(t *testing.T) {
				t.Parallel()
				b := setup(t, rotation.change)
				id := b.connect(t, "main", hubID).Connection.ID
				b.exec(t, `update access_tokens set expires_at = now()`)
				b.sim.ResetCalls()
				moment.kill(t, b)
				began := time.Now()

				// It was between the two.
				require.Equal(t, 1, b.tokenCalls(), "HubSpot has answered")
				require.Equal(t, 1, b.count(t, `select token_version from connections`), "nothing was stored")
				require.Equal(t, store.Connected, b.state(t, id))

				next := b.start(t, b.sim.URL)
				next.begin(t)
				got := next.report(t).Held[id]
				require.Equal(t, 2, b.tokenCalls())
				if !rotation.lost {
					token, err := b.store.Token(t.Context(), id)
					require.NoError(t, err)
					require.NoError(t, b.works(t, token.Access))
					require.Equal(t, held{Version: 2, Sum: sha256.Sum256([]byte(token.Access.Reveal()))}, got)
					require.NoError(t, b.Invalidate(t.Context(), id, 2), "the refresh token that was kept is good")
					require.Equal(t, store.Connected, b.state(t, id))
					return
				}
				require.Equal(t, held{Paused: true}, got)
				require.Equal(t, store.NeedsReconnect, b.state(t, id))
				require.Less(t, time.Since(began), time.Minute)
				b.paused(t, &id, 1000)
				require.True(t, b.connect(t, "main", hubID).Reconnected)
				require.Equal(t, store.Connected, b.state(t, id))
				require.Equal(t, 1000, b.count(t, `select count(distinct meeting_id) from wakeups`), "all its work goes on")
			})
		}
	}
}

// killedBeforeTheAnswerComes puts a proxy between the worker and HubSpot, which
// kills the worker when it has HubSpot's answer in its hands.
func killedBeforeTheAnswerComes(t *testing.T, b *bundle) {
	t.Helper()
	victims, killed := make(chan *process, 1), make(chan bool, 1)
	proxy := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		out, err := http.NewRequest(r.Method, b.sim.URL+r.URL.Path, r.Body)
		if err != nil {
			panic(err)
		}
		out.Header = r.Header
		answer, err := b.transport.RoundTrip(out)
		if err != nil {
			panic(err)
		}
		_ = answer.Body.Close()
		killed <- answer.StatusCode == http.StatusOK && (<-victims).kill()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(proxy.Close)
	victim := b.start(t, proxy.URL)
	victims <- victim
	victim.begin(t)
	select {
	case ok := <-killed:
		require.True(t, ok)
	case <-time.After(time.Minute):
		require.FailNow(t, "the worker asked for nothing")
	}
	b.eventually(t, "its transaction to end", `select count(*) from pg_stat_activity where datname = current_database() and application_name = 'fleet'`, 0)
}

// killedBeforeTheCommit holds back what the worker has to store before it can
// commit, and kills the worker when it waits for that.
func killedBeforeTheCommit(t *testing.T, b *bundle) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), b.url)
	require.NoError(t, err)
	defer func() { _ = conn.Close(context.Background()) }()
	held, err := conn.Begin(t.Context())
	require.NoError(t, err)
	_, err = held.Exec(t.Context(), `lock table access_tokens in share row exclusive mode`)
	require.NoError(t, err)
	victim := b.start(t, b.sim.URL)
	victim.begin(t)
	b.eventually(t, "the worker to store its token", `
		select count(*) from pg_locks l join pg_database d on d.oid = l.database
		where d.datname = current_database() and l.relation = 'access_tokens'::regclass and not l.granted`, 1)
	require.True(t, victim.kill())
	require.NoError(t, held.Rollback(t.Context()))
	b.eventually(t, "its transaction to end", `select count(*) from pg_stat_activity where datname = current_database() and application_name = 'fleet'`, 0)
}

// eventually looks until a count is what is wanted.
func (b *bundle) eventually(t *testing.T, what, sql string, want int) {
	t.Helper()
	require.Eventually(t, func() bool { return b.count(t, sql) == want }, time.Minute, 20*time.Millisecond, what)
}

// Who has a token that HubSpot refuses (401) gets a new one by one refresh, in
// whichever process; a refresh that HubSpot puts off with Retry-After is put off
// for all of them.
func TestRetryAfterIsTheFleets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.connect(t, "main", hubID).Connection.ID
	services := []*connections.Service{b.Service, b.service(b.store), b.service(b.store)}
	b.sim.Inject(hubspottest.Fault{Path: tokenPath, Status: http.StatusTooManyRequests, Header: map[string]string{"Retry-After": "40"}})
	b.sim.ResetCalls()
	for i, s := range services {
		var transient *connections.TransientError
		require.ErrorAs(t, s.Invalidate(t.Context(), id, 1), &transient)
		require.LessOrEqual(t, transient.RetryAfter, 40*time.Second)
		require.Greater(t, transient.RetryAfter, 20*time.Second, "process %d is told how long", i)
	}
	require.Equal(t, 1, b.tokenCalls(), "nobody asks before its time")
	require.Equal(t, store.Connected, b.state(t, id))

	b.rested(t)
	for _, s := range services {
		require.NoError(t, s.Invalidate(t.Context(), id, 1))
		access, version, err := s.Token(t.Context(), id)
		require.NoError(t, err)
		require.EqualValues(t, 2, version)
		require.NoError(t, b.works(t, access))
	}
	require.Equal(t, 2, b.tokenCalls())
	require.Zero(t, b.count(t, `select count(*) from connections where token_rest_until is not null`))
}

// A wrong client secret stops nothing for good: the connections of all the app
// say so, none loses its grant, and with the right one all go on, in every
// process.
func TestABadSecretDropsNothingInTheFleet(t *testing.T) {
	t.Parallel()
	const hubs, users = 2, 5
	b := setup(t, func(a *hubspottest.App) { a.UserLevel = true })
	b.grant(t, hubs, users)
	require.NoError(t, b.store.SetAppSecret(t.Context(), b.org.ID, b.app.ID, "wrong", store.Operator))
	before, after := b.start(t, b.sim.URL), b.start(t, b.sim.URL)
	before.begin(t)
	for _, h := range before.report(t).Held {
		require.False(t, h.Paused)
		require.Contains(t, h.Failed, connections.ErrMisconfigured.Error())
		require.Contains(t, h.Failed, "BAD_CLIENT_SECRET")
	}
	require.Equal(t, hubs*users, b.count(t, `select count(*) from connections where state = 'misconfigured' and sealed_refresh_token is not null`))

	require.NoError(t, b.store.SetAppSecret(t.Context(), b.org.ID, b.app.ID, store.Secret(b.simApp.ClientSecret), store.Operator))
	after.begin(t)
	for _, h := range after.report(t).Held {
		require.EqualValues(t, 2, h.Version, h.Failed)
	}
	require.Equal(t, hubs*users, b.count(t, `select count(*) from connections where state = 'connected'`))
}

// The clocks of two processes and HubSpot's differ by five minutes either way:
// whoever asks gets a token that works, or one that does after the one refresh
// that a 401 leads to.
func TestClocksDiffer(t *testing.T) {
	t.Parallel()
	const skew = 5 * time.Minute
	for _, ours := range []time.Duration{-skew, 0, skew} {
		for _, theirs := range []time.Duration{-skew, 0, skew} {
			t.Run(fmt.Sprintf("%s and %s", ours, theirs), func(t *testing.T) {
				t.Parallel()
				b := setup(t)
				id := b.connect(t, "main", hubID).Connection.ID
				var services []*connections.Service
				for _, off := range []time.Duration{ours, theirs} {
					services = append(services, connections.New(b.store, connections.Options{
						PublicURL: publicURL, Provider: provider(b.sim.URL), HTTPClient: &http.Client{Transport: b.transport},
						Now: func() time.Time { return b.sim.Now().Add(off) },
					}))
				}
				b.sim.ResetCalls()
				const minutes, step = 120, 4
				for i := range minutes / step {
					b.clock.advance(step * time.Minute)
					s := services[i%len(services)]
					access, version, err := s.Token(t.Context(), id)
					require.NoError(t, err)
					if err := b.works(t, access); err != nil {
						require.ErrorIs(t, err, hubspot.ErrUnauthorized)
						require.NoError(t, s.Invalidate(t.Context(), id, version))
						access, _, err = s.Token(t.Context(), id)
						require.NoError(t, err)
						require.NoError(t, b.works(t, access), "one refresh is enough")
					}
				}
				require.Equal(t, store.Connected, b.state(t, id))
				// Each is used for 15 minutes at least: its thirty less the skew
				// of both, and the five ahead of its end.
				require.LessOrEqual(t, b.tokenCalls(), minutes/15)
			})
		}
	}
}

// A code that was used already, in an answer to somebody else's attempt, gives
// nothing and takes nothing.
func TestACodeWorksOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, authorize := b.begin(t, "main", "browser-1")
	mine := b.click(t, authorize, hubID, "browser-1")
	first, err := b.Callback(t.Context(), mine)
	require.NoError(t, err)

	_, authorize = b.begin(t, "stolen", "browser-2")
	replayed := b.click(t, authorize, hubID, "browser-2")
	replayed.Code = mine.Code
	_, err = b.Callback(t.Context(), replayed)
	var refused *connections.LoginError
	require.ErrorAs(t, err, &refused)
	require.Contains(t, refused.Public(), "it works once")
	require.Equal(t, 1, b.count(t, `select count(*) from connections`))
	access, version, err := b.service(b.store).Token(t.Context(), first.Connection.ID)
	require.NoError(t, err)
	require.EqualValues(t, 1, version)
	require.NoError(t, b.works(t, access))
}

// Each thing that is sealed, changed by one bit: nothing is sent to HubSpot with
// it and nothing is overwritten. An access token alone is made anew.
func TestChangedCiphertexts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ table, column string }{
		{"connections", "sealed_refresh_token"}, {"apps", "sealed_client_secret"}, {"access_tokens", "sealed"},
	} {
		t.Run(test.column, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			id := b.connect(t, "main", hubID).Connection.ID
			b.exec(t, fmt.Sprintf(`update %[2]s set %[1]s = set_byte(%[1]s, length(%[1]s) - 1, get_byte(%[1]s, length(%[1]s) - 1) # 1)`, test.column, test.table))
			b.sim.ResetCalls()
			s := b.service(b.store)
			if test.table == "access_tokens" {
				access, version, err := s.Token(t.Context(), id)
				require.NoError(t, err)
				require.EqualValues(t, 2, version)
				require.NoError(t, b.works(t, access))
				return
			}
			access, _, err := s.Token(t.Context(), id)
			require.NoError(t, err, "the access token is whole")
			require.NoError(t, b.works(t, access))
			require.ErrorIs(t, s.Invalidate(t.Context(), id, 1), vault.ErrCannotOpen)
			require.Zero(t, b.tokenCalls())
			require.Equal(t, store.Connected, b.state(t, id))
			require.Equal(t, 1, b.count(t, `select token_version from connections`))
		})
	}
}

// HubSpot gives a token only for the address to which it sent the code.
func TestACodeForAnotherAddress(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, authorize := b.begin(t, "main", "browser-1")
	back := b.click(t, authorize, hubID, "browser-1")
	elsewhere := connections.New(b.store, connections.Options{
		PublicURL: "https://debrief.elsewhere.example", Provider: provider(b.sim.URL), HTTPClient: &http.Client{Transport: b.transport},
	})
	_, err := elsewhere.Callback(t.Context(), back)
	var refused *connections.LoginError
	require.ErrorAs(t, err, &refused)
	require.Zero(t, b.count(t, `select count(*) from connections`))
	// And its page sends nobody there.
	_, err = b.sim.Consent(strings.Replace(authorize, "debrief.acme.example", "debrief.elsewhere.example", 1), hubID, b.user.ID, true)
	require.Error(t, err)
}
