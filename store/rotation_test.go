package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
	"github.com/debriefhq/debrief/vault"
)

// Whoever adds a column that holds ciphertext says here by whom it is sealed:
// one that the vault seals and rotation did not know would be lost with its key.
func TestEverySealedColumnIsKnown(t *testing.T) {
	t.Parallel()
	s, _ := storetest.New(t)
	byDataKey := []string{
		"actions.sealed", "approvals.sealed_edit", "audit_details.sealed", "briefings.sealed", "briefings.sealed_told", "crm_events.sealed_value", "deliveries.body_key", "deliveries.sealed_body", "deliveries.sealed_fetched",
		"erasures.sealed_addresses", "events.sealed", "follow_ups.sealed_resolution", "meetings.sealed", "model_answers.sealed",
	}
	found := s.TextsForTest(t, `
		select table_name || '.' || column_name from information_schema.columns
		where table_schema = 'public' and data_type = 'bytea'
		  and column_name !~ '(_mac|_hash)$'`)
	require.ElementsMatch(t, append(byDataKey, store.VaultColumns()...), found)
}

// rotation is a database with secrets of every kind, and keysets before, during
// and after a rotation.
type rotation struct {
	t                      *testing.T
	url                    string
	first, added, promoted []byte
	oldKey, newKey         vault.KeyID
	before                 *store.Store
	org                    store.Organization
	app                    store.App
	source                 store.Source
	connections            []uuid.UUID
}

func open(t *testing.T, url string, keyset []byte) *store.Store {
	t.Helper()
	v, err := vault.New(keyset)
	require.NoError(t, err)
	s, err := store.Open(t.Context(), store.Options{URL: url, Vault: v, MaxConnections: 8})
	require.NoError(t, err)
	t.Cleanup(s.Close)
	return s
}

func newRotation(t *testing.T, connections int) *rotation {
	t.Helper()
	s, url := storetest.New(t)
	r := &rotation{t: t, url: url, first: storetest.Keyset(t), before: s, oldKey: storetest.Vault(t).Primary()}
	var err error
	r.added, r.newKey, err = vault.AddKey(r.first)
	require.NoError(t, err)
	r.promoted, err = vault.PromoteKey(r.added, r.newKey)
	require.NoError(t, err)

	r.org = storetest.Organization(t, s)
	r.app, err = s.CreateApp(t.Context(), store.App{OrganizationID: r.org.ID, Name: "app", Level: store.AccountLevel, ClientID: "id"}, "the client secret", store.Operator)
	require.NoError(t, err)
	r.source, err = s.CreateSource(t.Context(), store.NewSource{OrganizationID: &r.org.ID, Platform: "zoom", Name: "zoom", Secrets: []store.Secret{"s1", "s2"}}, store.Operator)
	require.NoError(t, err)
	for i := range connections {
		id := s.NewConnectionForTest(t, r.org.ID, "connected")
		s.ExecForTest(t, `update connections set app_id = $2, hub_id = $3 where id = $1`, id, r.app.ID, 5000+i)
		require.NoError(t, s.GrantForTest(t.Context(), id, refreshToken(id, 0), "an access token"))
		r.connections = append(r.connections, id)
	}
	// Those that the helper made have no secret.
	s.ExecForTest(t, `delete from apps where id <> $1`, r.app.ID)
	return r
}

func refreshToken(connection uuid.UUID, version int) store.Secret {
	return store.Secret(fmt.Sprintf("refresh %s %d", connection, version))
}

// rows counts what is sealed under each key.
func (r *rotation) rows() map[vault.KeyID]int {
	r.t.Helper()
	uses, err := r.before.KeyUses(r.t.Context())
	require.NoError(r.t, err)
	rows := map[vault.KeyID]int{}
	for _, u := range uses {
		rows[u.KeyID] += u.Rows
	}
	return rows
}

func TestResealLeavesNothingUnderTheOldKey(t *testing.T) {
	t.Parallel()
	r := newRotation(t, 3)
	keys := r.before.NewDataKeysForTest(t, 450) // more than two batches
	key, err := r.before.DataKey(t.Context(), keys[7])
	require.NoError(t, err)
	words, err := key.Seal([]byte("words"), "p")
	require.NoError(t, err)
	total := r.rows()[r.oldKey]
	// An app, a source, three refresh and three access tokens, and the data keys:
	// ours, the organization's and the source's.
	require.Equal(t, map[vault.KeyID]int{r.oldKey: 1 + 1 + 3 + 3 + 450 + 2}, r.rows())

	during := open(t, r.url, r.promoted)
	var seen []store.ResealProgress
	p, err := during.Reseal(t.Context(), func(p store.ResealProgress) { seen = append(seen, p) })
	require.NoError(t, err)
	require.Equal(t, store.ResealProgress{Done: total, Total: total}, p)
	require.Equal(t, store.ResealProgress{Total: total}, seen[0])
	require.Equal(t, p, seen[len(seen)-1])
	for i := 1; i < len(seen); i++ {
		require.GreaterOrEqual(t, seen[i].Done, seen[i-1].Done)
	}
	require.Equal(t, map[vault.KeyID]int{r.newKey: total}, r.rows())
	again, err := during.Reseal(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, store.ResealProgress{}, again, "what is done is not done again")

	// Without the old key, everything is what it was.
	rest, err := vault.RetireKey(r.promoted, r.oldKey)
	require.NoError(t, err)
	after := open(t, r.url, rest)
	_, secret, err := after.AppWithSecret(t.Context(), r.org.ID, r.app.ID)
	require.NoError(t, err)
	require.Equal(t, "the client secret", secret.Reveal())
	src, err := after.Source(t.Context(), r.source.ID)
	require.NoError(t, err)
	require.Equal(t, "s1", src.Secrets[0].Reveal())
	for _, id := range r.connections {
		token, err := after.RefreshTokenForTest(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, refreshToken(id, 0).Reveal(), token.Reveal())
		access, err := after.Token(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, "an access token", access.Access.Reveal())
	}
	unwrapped, err := after.DataKey(t.Context(), keys[7])
	require.NoError(t, err)
	opened, err := unwrapped.Open(words, "p")
	require.NoError(t, err)
	require.Equal(t, "words", string(opened))
	_, count, err := after.UnreadableRows(t.Context())
	require.NoError(t, err)
	require.Zero(t, count)
}

// Refreshes go on while everything is sealed anew, by processes that seal with
// the new key and by some that still seal with the old one. No token is lost.
func TestResealUnderConcurrentRefreshes(t *testing.T) {
	t.Parallel()
	r := newRotation(t, 40)
	r.before.NewDataKeysForTest(t, 1000)
	during := open(t, r.url, r.promoted)
	others := []*store.Store{open(t, r.url, r.added), open(t, r.url, r.promoted)}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var mu sync.Mutex
	versions := map[uuid.UUID]int{}
	var running sync.WaitGroup
	failures := make(chan error, 4)
	for w := range 4 {
		mine := r.connections[w*10 : w*10+10]
		running.Go(func() {
			for n := 1; ctx.Err() == nil; n++ {
				id := mine[rand.IntN(len(mine))]
				if err := others[n%2].GrantForTest(t.Context(), id, refreshToken(id, n), "an access token"); err != nil {
					failures <- err
					return
				}
				mu.Lock()
				versions[id] = n
				mu.Unlock()
			}
		})
	}
	for range 3 {
		_, err := during.Reseal(t.Context(), nil)
		require.NoError(t, err)
	}
	stop()
	running.Wait()
	require.Empty(t, failures)
	require.NotEmpty(t, versions, "something was refreshed meanwhile")
	for _, id := range r.connections {
		token, err := during.RefreshTokenForTest(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, refreshToken(id, versions[id]).Reveal(), token.Reveal(), "a refresh was overwritten")
	}
	// Now that all of them seal with the new key, nothing is left under the old one.
	_, err := during.Reseal(t.Context(), nil)
	require.NoError(t, err)
	require.Zero(t, r.rows()[r.oldKey])
}

// A refresh that comes between reading a row and sealing it anew is kept.
func TestResealKeepsWhatChangedMeanwhile(t *testing.T) {
	t.Parallel()
	r := newRotation(t, 2)
	during := open(t, r.url, r.promoted)
	held := during.ResealAfterForTest(t, func() {
		require.NoError(t, r.before.GrantForTest(t.Context(), r.connections[0], refreshToken(r.connections[0], 1), "another"))
	})
	require.Equal(t, 1, held)
	for i, id := range r.connections {
		token, err := during.RefreshTokenForTest(t.Context(), id)
		require.NoError(t, err)
		require.Equal(t, refreshToken(id, 1-i).Reveal(), token.Reveal())
	}
}

// A row that a refresh holds is passed over, and sealed when it is free: neither
// waits for the other meanwhile.
func TestResealPassesOverWhatIsHeld(t *testing.T) {
	t.Parallel()
	r := newRotation(t, 3)
	during := open(t, r.url, r.promoted)
	release := r.before.HoldForTest(t, r.connections[1])
	type result struct {
		p   store.ResealProgress
		err error
	}
	done := make(chan result, 1)
	go func() {
		p, err := during.Reseal(t.Context(), nil)
		done <- result{p, err}
	}()
	require.Eventually(t, func() bool {
		return r.before.CountForTest(t, `select count(*) from connections where substring(sealed_refresh_token for 5) = $1`, r.newKey.Prefix()) == 2
	}, 20*time.Second, 20*time.Millisecond, "the others are sealed")
	select {
	case got := <-done:
		t.Fatalf("it ended while a row was held: %+v", got)
	default:
	}
	release()
	got := <-done
	require.NoError(t, got.err)
	require.Equal(t, got.p.Total, got.p.Done)
	require.Zero(t, r.rows()[r.oldKey])
}

// TestResealChild is the process that TestResealIsKilled kills; by itself it
// does nothing.
func TestResealChild(t *testing.T) {
	t.Parallel()
	url := os.Getenv("RESEAL_CHILD_URL")
	if url == "" {
		return
	}
	s := open(t, url, []byte(os.Getenv("RESEAL_CHILD_KEYSET")))
	_, err := s.Reseal(t.Context(), func(p store.ResealProgress) {
		_, _ = fmt.Fprintf(os.Stdout, "\nsealed %d\n", p.Done)
		if p.Done > 0 {
			select {} // until it is killed
		}
	})
	require.NoError(t, err)
}

func TestResealIsKilled(t *testing.T) {
	t.Parallel()
	r := newRotation(t, 3)
	r.before.NewDataKeysForTest(t, 700)
	total := r.rows()[r.oldKey]
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestResealChild$")
	server := r.url[:strings.LastIndexByte(r.url, '/')] + "/postgres" + r.url[strings.IndexByte(r.url, '?'):]
	child.Env = append(os.Environ(), "RESEAL_CHILD_URL="+r.url, "RESEAL_CHILD_KEYSET="+string(r.promoted), storetest.EnvURL+"="+server)
	out, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if text := lines.Text(); strings.HasPrefix(text, "sealed ") && text != "sealed 0" {
			break
		}
	}
	require.NoError(t, child.Process.Kill())
	require.Error(t, child.Wait())

	rows := r.rows()
	require.Equal(t, total, rows[r.oldKey]+rows[r.newKey], "each row is under one of the two")
	require.Positive(t, rows[r.newKey])
	require.Positive(t, rows[r.oldKey], "it was killed in the middle")
	during := open(t, r.url, r.promoted)
	_, count, err := during.UnreadableRows(t.Context())
	require.NoError(t, err)
	require.Zero(t, count, "everything opens in between")
	p, err := during.Reseal(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, rows[r.oldKey], p.Done, "it goes on with what is left")
	require.Equal(t, map[vault.KeyID]int{r.newKey: total}, r.rows())
}

// With the wrong keyset the rows are named and nothing is touched.
func TestWrongKeysetNamesRowsAndTouchesNothing(t *testing.T) {
	t.Parallel()
	r := newRotation(t, 2)
	content := func() []string {
		return r.before.TextsForTest(t, `
			select encode(sealed_client_secret, 'hex') from apps union all select encode(sealed_secrets, 'hex') from sources
			union all select encode(sealed_refresh_token, 'hex') from connections union all select encode(wrapped, 'hex') from data_keys
			union all select encode(sealed, 'hex') from access_tokens order by 1`)
	}
	before := content()
	keyset, err := vault.NewKeyset()
	require.NoError(t, err)
	wrong := open(t, r.url, keyset)
	total := r.rows()[r.oldKey]

	unknown, err := wrong.UnknownKeys(t.Context())
	require.NoError(t, err)
	n := 0
	for _, u := range unknown {
		require.Equal(t, r.oldKey, u.KeyID)
		n += u.Rows
	}
	require.Equal(t, total, n)
	rows, count, err := wrong.UnreadableRows(t.Context())
	require.NoError(t, err)
	require.Equal(t, total, count)
	require.Contains(t, rows, store.UnreadableRow{
		Column: "apps.sealed_client_secret", ID: r.app.ID, KeyID: r.oldKey,
		Reason: fmt.Sprintf("it was sealed under key %s, which this keyset does not hold", r.oldKey),
	})
	p, err := wrong.Reseal(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, store.ResealProgress{Total: total, Unreadable: total}, p)

	_, _, err = wrong.AppWithSecret(t.Context(), r.org.ID, r.app.ID)
	require.ErrorIs(t, err, vault.ErrCannotOpen)
	require.ErrorContains(t, err, r.oldKey.String())
	require.ErrorContains(t, err, r.app.ID.String())
	_, err = wrong.Source(t.Context(), r.source.ID)
	require.ErrorIs(t, err, vault.ErrCannotOpen)
	_, err = wrong.DataKey(t.Context(), uuid.MustParse(r.before.TextsForTest(t, `select id::text from data_keys limit 1`)[0]))
	require.ErrorIs(t, err, vault.ErrCannotOpen)
	require.Equal(t, before, content(), "nothing was touched")
	none, err := r.before.UnknownKeys(t.Context())
	require.NoError(t, err)
	require.Empty(t, none)
}

// A ciphertext that was moved to another row, or changed, is named, does not
// open, and is not sealed anew at its new place.
func TestSwappedAndTamperedRows(t *testing.T) {
	t.Parallel()
	r := newRotation(t, 4)
	a, b, c, d := r.connections[0], r.connections[1], r.connections[2], r.connections[3]
	r.before.ExecForTest(t, `
		update connections x set sealed_refresh_token = y.sealed_refresh_token from connections y
		where (x.id = $1 and y.id = $2) or (x.id = $2 and y.id = $1)`, a, b)
	r.before.ExecForTest(t, `update connections set sealed_refresh_token = set_byte(sealed_refresh_token, 20, get_byte(sealed_refresh_token, 20) # 1) where id = $1`, c)
	r.before.ExecForTest(t, `update connections set sealed_refresh_token = 'in clear' where id = $1`, d)
	rows, count, err := r.before.UnreadableRows(t.Context())
	require.NoError(t, err)
	require.Equal(t, 4, count)
	for _, row := range rows {
		require.Equal(t, "connections.sealed_refresh_token", row.Column)
		require.Contains(t, row.Reason, "changed, or moved")
		_, err := r.before.RefreshTokenForTest(t.Context(), row.ID)
		require.ErrorIs(t, err, vault.ErrCannotOpen)
	}
	total := r.rows()[r.oldKey] + r.rows()[0]
	require.Equal(t, 1, r.rows()[0], "what is no ciphertext is under no key")

	during := open(t, r.url, r.promoted)
	p, err := during.Reseal(t.Context(), nil)
	require.NoError(t, err)
	require.Equal(t, store.ResealProgress{Done: total - 4, Total: total, Unreadable: 4}, p)
	require.Equal(t, 3, r.rows()[r.oldKey], "they keep their key from being retired")
}
