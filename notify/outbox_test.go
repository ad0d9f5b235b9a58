package notify_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/notify"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// bundle is an organization with a mail server.
type bundle struct {
	t      *testing.T
	store  *store.Store
	db     *pgx.Conn
	org    store.Organization
	server *mailServer
	log    *bytes.Buffer
	app    uuid.UUID
}

func setup(t *testing.T) *bundle {
	t.Helper()
	s, url := storetest.New(t)
	db, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = db.Close(context.Background()) })
	b := &bundle{t: t, store: s, db: db, org: storetest.Organization(t, s), server: startServer(t, false, ""), log: &bytes.Buffer{}, app: uuid.New()}
	b.exec(`insert into apps (id, organization_id, name, level, client_id, sealed_client_secret) values ($1, $2, 'our app', 'account', 'id', '')`, b.app, b.org.ID)
	return b
}

func (b *bundle) exec(sql string, args ...any) {
	b.t.Helper()
	_, err := b.db.Exec(context.Background(), sql, args...)
	require.NoError(b.t, err)
}

func (b *bundle) person(name, email, role string) uuid.UUID {
	b.t.Helper()
	id := uuid.New()
	b.exec(`insert into people (id, organization_id, name, role) values ($1, $2, $3, $4)`, id, b.org.ID, name, role)
	b.exec(`insert into person_identities (organization_id, kind, value, person_id) values ($1, 'email', $2, $3)`, b.org.ID, email, id)
	return id
}

func (b *bundle) connection(name, state string) uuid.UUID {
	b.t.Helper()
	id := uuid.New()
	b.exec(`insert into connections (id, organization_id, app_id, name, hub_id, is_user_level, user_id, scopes, state)
		values ($1, $2, $3, $4, 1001, true, $5, '{}', $6)`, id, b.org.ID, b.app, name, time.Now().UnixNano(), state)
	return id
}

// queue puts a notice for a person into the database, as the store's own
// transactions do.
func (b *bundle) queue(kind store.NoticeKind, person uuid.UUID, about string) uuid.UUID {
	b.t.Helper()
	id := uuid.New()
	b.exec(`insert into notices (id, organization_id, kind, dedupe_key, concerns_id, person_id, about) values ($1, $2, $3, $4, $5, $5, $6)`,
		id, b.org.ID, kind, id.String(), person, about)
	return id
}

func (b *bundle) reconnect(connection, person uuid.UUID) uuid.UUID {
	return b.queue(store.NoticeReconnect, person, fmt.Sprintf(`{"connection_id": %q}`, connection))
}

func (b *bundle) outbox(sender notify.Sender) *notify.Outbox {
	return notify.New(notify.Options{
		Store: b.store, Sender: sender, PublicURL: "https://debrief.acme.example/", Log: zerolog.New(b.log), Interval: 10 * time.Millisecond,
	})
}

// look lets what is due be sent.
func (b *bundle) look() error {
	b.t.Helper()
	o := b.outbox(newMail(b.t, "smtp://"+b.server.Addr, ""))
	for {
		more, err := o.SendSome(b.t.Context())
		if err != nil || !more {
			return err
		}
	}
}

func (b *bundle) notice(id uuid.UUID) store.Notice {
	b.t.Helper()
	all, err := b.store.Notices(b.t.Context(), b.org.ID, "", 1000)
	require.NoError(b.t, err)
	for _, n := range all {
		if n.ID == id {
			return n
		}
	}
	b.t.Fatalf("there is no notice %s", id)
	return store.Notice{}
}

func TestANoticeIsSentInItsRecipientsLanguage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ada, jurgen := b.person("Ada", "ada@acme.example", "member"), b.person("Jürgen", "jürgen@acme.example", "member")
	require.NoError(t, b.store.SetLanguage(t.Context(), b.org.ID, "JÜRGEN@acme.example", "de"))
	require.Error(t, b.store.SetLanguage(t.Context(), b.org.ID, "ada@acme.example", "tlh"))
	require.ErrorIs(t, b.store.SetLanguage(t.Context(), b.org.ID, "nobody@acme.example", "de"), store.ErrNotFound)
	b.exec(`update person_identities set value = 'juergen@acme.example' where value = 'jürgen@acme.example'`)
	connection := b.connection("sales", "needs_reconnect")
	first, second := b.reconnect(connection, ada), b.reconnect(connection, jurgen)
	require.NoError(t, b.look())

	got := b.server.Received()
	require.Len(t, got, 2)
	subjects := map[string]string{}
	for _, m := range got {
		require.Len(t, m.To, 1)
		header, bodies := parts(t, m.Raw)
		subjects[m.To[0]] = subject(t, header)
		require.Contains(t, bodies["text/plain"], "https://debrief.acme.example/connections/"+connection.String()+"\n")
		require.Contains(t, bodies["text/plain"], "1001")
	}
	require.Equal(t, map[string]string{
		"ada@acme.example":     `Please reconnect HubSpot: "sales"`,
		"juergen@acme.example": `Bitte HubSpot neu verbinden: „sales“`,
	}, subjects)
	for _, id := range []uuid.UUID{first, second} {
		require.Equal(t, store.NoticeSent, b.notice(id).State)
		require.NotNil(t, b.notice(id).SettledAt)
	}
	require.NoError(t, b.look())
	require.Len(t, b.server.Received(), 2, "once")
}

// Eight senders at once, and each notice goes out once.
func TestManySendersSendOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ada := b.person("Ada", "ada@acme.example", "member")
	connection := b.connection("sales", "needs_reconnect")
	const n = 60
	for range n {
		b.reconnect(connection, ada)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range 8 {
		o := notify.New(notify.Options{Store: b.store, Sender: newMail(t, "smtp://"+b.server.Addr, ""), PublicURL: "https://debrief.acme.example", Log: zerolog.Nop(), Interval: 5 * time.Millisecond})
		running.Go(func() { o.Run(ctx) })
	}
	require.Eventually(t, func() bool {
		sent, err := b.store.Notices(t.Context(), b.org.ID, store.NoticeSent, 1000)
		return err == nil && len(sent) == n
	}, 30*time.Second, 20*time.Millisecond)
	stop()
	running.Wait()
	ids := map[string]int{}
	for _, m := range b.server.Received() {
		header, _ := parts(t, m.Raw)
		ids[header.Get("Message-Id")]++
	}
	require.Len(t, ids, n)
	for id, times := range ids {
		require.Equal(t, 1, times, id)
	}
}

func TestRefusedForNowForGoodAndAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ada, bob := b.person("Ada", "ada@acme.example", "member"), b.person("Bob", "bob@acme.example", "member")
	connection := b.connection("sales", "needs_reconnect")

	b.server.Answer(answerWith("ada@", 451))
	first, second := b.reconnect(connection, ada), b.reconnect(connection, bob)
	require.NoError(t, b.look(), "one that is refused for now does not hold up the next")
	require.Equal(t, store.NoticeSent, b.notice(second).State)
	waiting := b.notice(first)
	require.Equal(t, store.NoticeQueued, waiting.State)
	require.Contains(t, waiting.Reason, "451")
	require.WithinDuration(t, time.Now().Add(time.Minute), waiting.NextAt, 20*time.Second)
	// The waits grow: a minute, two, four, and so on up to two hours.
	for attempt, want := range map[int]time.Duration{2: 2 * time.Minute, 3: 4 * time.Minute, 8: 2 * time.Hour, 30: 2 * time.Hour} {
		b.exec(`update notices set next_attempt_at = now(), attempts = $2 where id = $1`, first, attempt-1)
		require.NoError(t, b.look())
		require.WithinDuration(t, time.Now().Add(want), b.notice(first).NextAt, 20*time.Second, "attempt %d", attempt)
	}
	// A day after the first try it is given up, with the reason.
	b.exec(`update notices set next_attempt_at = now(), first_attempt_at = now() - interval '25 hours' where id = $1`, first)
	require.NoError(t, b.look())
	given := b.notice(first)
	require.Equal(t, store.NoticeFailed, given.State)
	require.Contains(t, given.Reason, "given up after a day")
	require.Contains(t, given.Reason, "451")

	// An operator has it tried again, and again for a day.
	b.server.Answer(nil)
	n, err := b.store.RetryNotices(t.Context(), b.org.ID, &first)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.NoError(t, b.look())
	require.Equal(t, store.NoticeSent, b.notice(first).State)

	b.server.Answer(answerWith("bob@", 550))
	third := b.reconnect(connection, bob)
	require.NoError(t, b.look())
	require.Equal(t, store.NoticeFailed, b.notice(third).State)
	require.Contains(t, b.notice(third).Reason, "550")
	tries := b.server.Tries()
	require.NoError(t, b.look())
	require.Equal(t, tries, b.server.Tries(), "one that failed is not tried again")

	// Away: one is tried, the rest is put back as if nobody had touched it.
	var ids []uuid.UUID
	for range 3 {
		ids = append(ids, b.reconnect(connection, ada))
	}
	_, err = b.outbox(newMail(t, "smtp://"+deadAddress(t), "")).SendSome(t.Context())
	require.ErrorContains(t, err, "can't be reached")
	tried := 0
	for _, id := range ids {
		n := b.notice(id)
		require.Equal(t, store.NoticeQueued, n.State)
		tried += n.Attempts
	}
	require.Equal(t, 1, tried)
	b.exec(`update notices set next_attempt_at = now() where state = 'queued'`)
	require.NoError(t, b.look())
	for _, id := range ids {
		require.Equal(t, store.NoticeSent, b.notice(id).State, "nothing was lost")
	}
	require.NotContains(t, b.log.String(), "@", "the log names nobody")
}

// Whoever dies with a claim loses it to the next, and settles nothing after that.
func TestAClaimEnds(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.reconnect(b.connection("sales", "needs_reconnect"), b.person("Ada", "ada@acme.example", "member"))
	claimed, err := b.store.ClaimNotices(t.Context(), 10, false)
	require.NoError(t, err)
	require.Len(t, claimed, 1)
	require.NoError(t, b.look())
	require.Empty(t, b.server.Received(), "what is claimed is left alone")
	none, err := b.store.RetryNotices(t.Context(), b.org.ID, nil)
	require.NoError(t, err)
	require.Zero(t, none, "even by an operator")
	b.exec(`update notices set next_attempt_at = now()`)
	require.NoError(t, b.look())
	require.Len(t, b.server.Received(), 1)
	require.NoError(t, b.store.FailNotice(t.Context(), claimed[0], "too late"))
	require.Equal(t, store.NoticeSent, b.notice(id).State)
}

// Nothing goes to an address outside the organization, whatever the database
// says; and what is no longer so is not told.
func TestWhoIsNotTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	admin := b.person("Grace", "grace@acme.example", "admin")
	connection := b.connection("sales", "needs_reconnect")

	outside := b.reconnect(connection, b.person("Eve", "eve@evil.example", "member"))
	crooked := b.reconnect(connection, b.person("Eve", `"eve@evil.example"@acme.example`, "member"))
	two := b.reconnect(connection, b.person("Eve", "eve@evil.example,x@acme.example", "member"))
	require.NoError(t, b.look())
	require.Equal(t, store.NoticeDropped, b.notice(outside).State)
	require.NotEqual(t, store.NoticeSent, b.notice(crooked).State)
	require.NotEqual(t, store.NoticeSent, b.notice(two).State)
	for _, m := range b.server.Received() {
		require.Equal(t, []string{"grace@acme.example"}, m.To, "the admins look after those who can't be reached")
	}

	// The domain was taken from the organization after the notice was queued.
	late := b.reconnect(connection, b.person("Ada", "ada@acme.example", "member"))
	require.NoError(t, b.store.UpdateSettings(t.Context(), b.org.ID, []string{"acme-new.example"}, store.Settings{}, store.Operator))
	before := len(b.server.Received())
	require.NoError(t, b.look())
	require.Equal(t, store.NoticeDropped, b.notice(late).State)
	require.Len(t, b.server.Received(), before)
	all, err := b.store.Notices(t.Context(), b.org.ID, store.NoticeDropped, 100)
	require.NoError(t, err)
	require.Contains(t, all[0].Reason+all[1].Reason, "nobody could be told", "that nobody was told is kept")

	require.NoError(t, b.store.UpdateSettings(t.Context(), b.org.ID, []string{"acme.example"}, store.Settings{}, store.Operator))
	for state, told := range map[string]bool{"connected": false, "revoked": false, "needs_reconnect": true, "uninstalled": true} {
		id := b.reconnect(b.connection("c "+state, state), admin)
		require.NoError(t, b.look())
		require.Equal(t, told, b.notice(id).State == store.NoticeSent, state)
	}
	gone := b.reconnect(uuid.New(), admin)
	require.NoError(t, b.look())
	require.Equal(t, store.NoticeDropped, b.notice(gone).State)

	b.connection("refused", "misconfigured")
	app := b.queue(store.NoticeMisconfigured, admin, fmt.Sprintf(`{"app_id": %q}`, b.app))
	require.NoError(t, b.look())
	require.Equal(t, store.NoticeSent, b.notice(app).State)
	b.exec(`update connections set state = 'connected' where state = 'misconfigured'`)
	healed := b.queue(store.NoticeMisconfigured, admin, fmt.Sprintf(`{"app_id": %q}`, b.app))
	require.NoError(t, b.look())
	require.Equal(t, store.NoticeDropped, b.notice(healed).State)
}

// Whoever left after the notice was queued is not told; the stand-in is.
func TestALeaversNoticeGoesToTheStandIn(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.person("Grace", "grace@acme.example", "admin")
	leaver, standIn := b.person("Ada", "ada@acme.example", "member"), b.person("Bob", "bob@acme.example", "member")
	id := b.reconnect(b.connection("sales", "needs_reconnect"), leaver)
	b.exec(`update people set deactivated_at = now(), stand_in_id = $2 where id = $1`, leaver, standIn)
	require.NoError(t, b.look())
	require.Equal(t, store.NoticeDropped, b.notice(id).State)
	got := b.server.Received()
	require.Len(t, got, 1)
	require.Equal(t, []string{"bob@acme.example"}, got[0].To)

	b.exec(`update people set deactivated_at = now() where id = $1`, standIn)
	b.reconnect(b.connection("support", "needs_reconnect"), leaver)
	require.NoError(t, b.look())
	got = b.server.Received()
	require.Len(t, got, 2)
	require.Equal(t, []string{"grace@acme.example"}, got[1].To, "where the stand-in left, too, the admins are told")
}

func TestSendTest(t *testing.T) {
	t.Parallel()
	server := startServer(t, false, "")
	mailer := newMail(t, "smtp://"+server.Addr, "")
	domains := []string{"acme.example"}
	require.NoError(t, notify.SendTest(t.Context(), mailer, "https://debrief.acme.example", "ada@acme.example", domains, "de"))
	require.Error(t, notify.SendTest(t.Context(), mailer, "https://debrief.acme.example", "eve@evil.example", domains, "de"))
	got := server.Received()
	require.Len(t, got, 1)
	_, bodies := parts(t, got[0].Raw)
	require.Contains(t, bodies["text/plain"], "äöüß ÄÖÜ €")
}

// An admin is told that a source's credentials are refused, once, and not any more
// when there are others.
func TestRefusedSourceIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.person("Ada", "ada@acme.example", "admin")
	require.NoError(t, b.store.SetLanguage(t.Context(), b.org.ID, "ada@acme.example", "de"))
	refused := func(name string) store.Source {
		source, err := b.store.CreateSource(t.Context(), store.NewSource{
			OrganizationID: &b.org.ID, Platform: "zoom", Name: name, Secrets: []store.Secret{"planted-signing-secret"},
		}, store.Operator)
		require.NoError(t, err)
		require.NoError(t, b.store.SetSourceCredentials(t.Context(), source.ID, map[string]store.Secret{"client_secret": "planted-key"}, store.Operator))
		source, err = b.store.Source(t.Context(), source.ID)
		require.NoError(t, err)
		for range 2 {
			require.NoError(t, b.store.RefuseAPI(t.Context(), source, "zoom refuses the credentials (401)", true))
		}
		return source
	}
	refused("calls")
	mended := refused("mended")
	require.NoError(t, b.store.SetSourceCredentials(t.Context(), mended.ID, mended.Credentials, store.Operator))
	require.NoError(t, b.look())
	got := b.server.Received()
	require.Len(t, got, 1)
	header, bodies := parts(t, got[0].Raw)
	require.Equal(t, "Die Quelle „calls“ braucht andere Zugangsdaten", subject(t, header))
	require.Contains(t, bodies["text/plain"], "zoom nimmt die Zugangsdaten nicht an (401)")
	require.NotContains(t, got[0].Raw, "planted")
}
