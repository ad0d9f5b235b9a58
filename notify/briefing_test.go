package notify_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/notify"
	"github.com/debriefhq/debrief/notify/slacktest"
	"github.com/debriefhq/debrief/store"
)

// upcoming is a meeting of Hilde's with Jane that begins after that time.
func (c *scene) upcoming(in time.Duration) store.BriefingKey {
	c.t.Helper()
	ctx := c.t.Context()
	c.now = time.Now().UTC().Truncate(time.Second)
	source, err := c.store.SourceByName(ctx, &c.org.ID, "calendar")
	if err != nil {
		source, err = c.store.CreateSource(ctx, store.NewSource{OrganizationID: &c.org.ID, Platform: "debrief", Name: "calendar", Secrets: []store.Secret{"planted-secret"}}, store.Operator)
		require.NoError(c.t, err)
	}
	start := c.now.Add(in)
	hilde := meeting.Person{Name: "Hilde Host", Email: "hilde@acme.example"}
	e := meeting.Event{Provider: "debrief", Type: meeting.Scheduled, DedupeKey: uuid.NewString(), OccurredAt: c.now, Details: meeting.Details{
		Keys: meeting.Keys{InstanceID: uuid.NewString()}, Title: secretTitle, ScheduledStart: start, ScheduledEnd: start.Add(time.Hour), Organizer: hilde,
		Attendees: []meeting.Attendee{{Person: hilde, Role: "host"}, {Person: meeting.Person{Name: "Jane Roe", Email: "jane@northwind.example"}, Role: "invitee"}},
	}}.Normalize()
	id, _, err := c.store.InsertDelivery(ctx, store.NewDelivery{Source: source, DedupeKey: uuid.NewString(), Body: []byte("{}"), ReceivedAt: c.now, Header: http.Header{}})
	require.NoError(c.t, err)
	understood, err := c.store.Understood(ctx, id, c.org.ID, []meeting.Event{e})
	require.NoError(c.t, err)
	require.Len(c.t, understood.MeetingIDs, 1)
	return store.BriefingKey{OrganizationID: c.org.ID, MeetingID: understood.MeetingIDs[0], PersonID: c.host}
}

func (c *scene) briefingOf(k store.BriefingKey) store.Briefing {
	c.t.Helper()
	b, err := c.store.BriefingOf(c.t.Context(), k)
	require.NoError(c.t, err)
	return b
}

// composed makes the meeting's brief, as it is or changed, and has it told.
func (c *scene) composed(k store.BriefingKey, change ...func(*briefing.Brief)) {
	c.t.Helper()
	w, err := c.store.BriefingWork(c.t.Context(), k, c.now)
	require.NoError(c.t, err)
	start := c.briefingOf(k).StartsAt
	content := briefing.Brief{
		Meeting: briefing.Meeting{ID: k.MeetingID, Title: secretTitle, Start: *start, End: start.Add(time.Hour), Host: "Hilde Host"}, At: c.now,
		People: []briefing.Person{{Guest: briefing.Guest{Name: "Jane Roe", Email: "jane@northwind.example"}, ContactID: "501"}},
		Deals:  []briefing.Deal{{ID: "900", Name: "Northwind, seats", Stage: "Qualified", StageID: "s1", Amount: "42000", Currency: "EUR"}},
	}
	for _, f := range change {
		f(&content)
	}
	raw, err := json.Marshal(content)
	require.NoError(c.t, err)
	made := store.BriefingMade{BriefingKey: k, Asked: w.Asked, Brief: raw, Tell: store.TellBriefing}
	if w.Told {
		made.Tell = store.TellBriefingUpdate
	}
	_, err = c.store.SaveBriefing(c.t.Context(), made, c.now)
	require.NoError(c.t, err)
}

func staged(stage string) func(*briefing.Brief) {
	return func(b *briefing.Brief) { b.Deals[0].Stage, b.Deals[0].StageID = stage, stage }
}

// briefs lets all that is due be told, by another outbox each time.
func (c *scene) briefs() {
	c.t.Helper()
	o := c.briefer()
	for range 20 {
		more, err := o.BriefSome(c.t.Context())
		if err != nil && c.dying {
			return
		}
		require.NoError(c.t, err)
		if !more {
			return
		}
	}
	c.t.Fatal("there is always more to send")
}

func (c *scene) briefer() *notify.Outbox {
	options := notify.Options{
		Store: c.store, Slack: c.client(), Webhooks: notify.NewWebhooks(notify.WebhookOptions{AllowLoopback: true}),
		PublicURL: "https://debrief.acme.example/", Log: zerolog.New(c.log), Now: func() time.Time { return c.now },
	}
	if c.mail {
		options.Sender = newMail(c.t, "smtp://"+c.server.Addr, "")
	}
	return notify.New(options)
}

// after lets that time pass.
func (c *scene) after(d time.Duration) {
	c.t.Helper()
	c.now = c.now.Add(d)
	c.later()
	c.briefs()
}

// told are the reasons of the notices in a state: how people were told, or why not.
func (c *scene) reasons(state store.NoticeState) []string {
	c.t.Helper()
	all, err := c.store.Notices(c.t.Context(), c.org.ID, state, 100)
	require.NoError(c.t, err)
	reasons := []string{}
	for _, n := range all {
		reasons = append(reasons, n.Reason)
	}
	return reasons
}

func (c *scene) channels(list string) {
	c.t.Helper()
	require.NoError(c.t, c.store.SetBriefingSettings(c.t.Context(), c.org.ID, store.BriefingSettings{Channels: list}, store.Operator))
}

func TestABriefInSlackIsOneMessageAndUpdatesAnswerIt(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	k := c.upcoming(40 * time.Minute)
	c.composed(k)
	c.briefs()
	cards := c.slack.Cards("UHILDE")
	require.Len(t, cards, 1)
	require.Regexp(t, `^Briefing for your meeting: \d+ \w+ \d{4}, \d\d:\d\d UTC$`, cards[0].Text, "what shows on a locked screen names nothing")
	b := c.briefingOf(k)
	for _, want := range []string{secretTitle, "Jane Roe", "Northwind, seats", "Qualified", "42,000", "https://debrief.acme.example/briefings/" + b.ID.String()} {
		require.Contains(t, cards[0].Raw, want)
	}
	require.Len(t, cards[0].Button(notify.ActOpen), 1)
	require.Empty(t, c.server.Received(), "who was told by one is not told by the next")
	require.Equal(t, []string{"by slack"}, c.reasons(store.NoticeSent))
	require.Equal(t, store.BriefingDelivered, b.State)
	require.Equal(t, store.BriefingBySlack, b.Channel)
	require.JSONEq(t, string(b.Brief), string(b.Told))
	require.NotContains(t, string(b.Thread), "Jane")

	c.composed(k, staged("Order form sent"))
	c.briefs()
	cards = c.slack.Cards("UHILDE")
	require.Len(t, cards, 1)
	require.Equal(t, 1, cards[0].Edits)
	require.Contains(t, cards[0].Raw, "Order form sent")
	replies := c.slack.Replies("UHILDE")
	require.Len(t, replies, 1)
	require.Equal(t, cards[0].TS, replies[0].Thread)
	require.Regexp(t, `^Something has changed for your meeting: `, replies[0].Text)
	require.Contains(t, replies[0].Raw, "What changed")
	require.Contains(t, replies[0].Raw, "Order form sent")
	require.NotContains(t, replies[0].Raw, "Jane Roe", "what has not changed is not repeated")

	// Made anew, and the same: nobody is told.
	c.composed(k, staged("Order form sent"))
	c.briefs()
	require.Len(t, c.slack.Replies("UHILDE"), 1)
	require.Equal(t, []string{"nothing that matters has changed"}, c.reasons(store.NoticeDropped))

	// Who deleted the message gets the next change as one of its own.
	c.slack.Delete(cards[0].Channel, cards[0].TS)
	c.composed(k, staged("Lost"))
	c.briefs()
	cards = c.slack.Cards("UHILDE")
	require.Len(t, cards, 1)
	require.Contains(t, cards[0].Raw, "What changed")
	require.NotContains(t, c.log.String(), "Jane")
}

func TestABriefByMailAndItsUpdatesAreOneConversation(t *testing.T) {
	t.Parallel()
	c := newScene(t) // nobody connected Slack
	k := c.upcoming(40 * time.Minute)
	c.composed(k, func(b *briefing.Brief) { b.Deals[0].Name = "Größe & <Maß>" })
	c.briefs()
	mails := c.server.Received()
	require.Len(t, mails, 1)
	require.Equal(t, []string{"hilde@acme.example"}, mails[0].To)
	header, bodies := parts(t, mails[0].Raw)
	require.Contains(t, header.Get("Content-Type"), "multipart/alternative")
	require.Contains(t, bodies["text/plain"], "Jane Roe")
	require.Contains(t, bodies["text/plain"], "Größe & <Maß>")
	require.Contains(t, bodies["text/html"], "Größe &amp; &lt;Maß&gt;")
	require.NotContains(t, bodies["text/html"], "<img")
	link := "https://debrief.acme.example/briefings/" + c.briefingOf(k).ID.String()
	require.Contains(t, bodies["text/plain"], link)
	require.Contains(t, bodies["text/html"], link)
	subject := header.Get("Subject")
	require.Regexp(t, `^Briefing for your meeting: \d+ \w+ \d{4}, \d\d:\d\d UTC$`, subject)
	require.Empty(t, header.Get("In-Reply-To"))
	first := header.Get("Message-Id")

	c.composed(k, staged("Order form sent"))
	c.briefs()
	c.composed(k, staged("Lost"))
	c.briefs()
	mails = c.server.Received()
	require.Len(t, mails, 3)
	second, bodies := parts(t, mails[1].Raw)
	require.Equal(t, first, second.Get("In-Reply-To"))
	require.Equal(t, first, second.Get("References"))
	require.Equal(t, "Re: "+subject, second.Get("Subject"))
	require.Contains(t, bodies["text/plain"], "Order form sent")
	require.NotContains(t, bodies["text/plain"], "Jane Roe")
	third, _ := parts(t, mails[2].Raw)
	require.Equal(t, second.Get("Message-Id"), third.Get("In-Reply-To"))
	require.Equal(t, []string{first, second.Get("Message-Id")}, strings.Fields(third.Get("References")))
	require.Equal(t, []string{"by email", "by email", "by email"}, c.reasons(store.NoticeSent))
}

// Slack has no idempotency key: whatever gets lost, a brief is posted once, and never
// mailed as well.
func TestABriefIsNeverRepeated(t *testing.T) {
	t.Parallel()
	for name, cut := range map[string]func(c *scene){
		"the answer is lost":   func(c *scene) { c.slack.LoseAnswer("chat.postMessage") },
		"twice in a row":       func(c *scene) { c.slack.LoseAnswer("chat.postMessage"); c.slack.LoseAnswer("conversations.history") },
		"the request is lost":  func(c *scene) { c.slack.LoseRequest("chat.postMessage") },
		"Slack has trouble":    func(c *scene) { c.slack.Refuse("chat.postMessage", "internal_error") },
		"Slack has had enough": func(c *scene) { c.slack.TooMany("chat.postMessage", 30) },
		"the process dies after posting": func(c *scene) {
			c.dies("briefings", "new.first_sent_at is not null and old.first_sent_at is null")
		},
		"the notice is not settled": func(c *scene) { c.dies("notices", "new.state = 'sent'") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newScene(t)
			c.connect()
			k := c.upcoming(50 * time.Minute)
			c.composed(k)
			cut(c)
			c.briefs()
			c.exec(`drop function if exists dies cascade`)
			c.dying = false
			for range 3 {
				c.after(2 * time.Minute)
			}
			require.Len(t, c.slack.Cards("UHILDE"), 1)
			require.Empty(t, c.server.Received())
			require.Equal(t, []string{"by slack"}, c.reasons(store.NoticeSent))
			require.Equal(t, store.BriefingDelivered, c.briefingOf(k).State)
		})
	}
}

func TestManyOutboxesBriefOnce(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	for i := range 5 {
		c.composed(c.upcoming(time.Duration(i+1) * 30 * time.Minute))
	}
	var work sync.WaitGroup
	for range 4 {
		o := c.briefer()
		work.Go(func() {
			for range 10 {
				_, _ = o.BriefSome(t.Context())
			}
		})
	}
	work.Wait()
	require.Len(t, c.slack.Cards("UHILDE"), 5)
	require.Empty(t, c.server.Received())
}

func TestABriefFallsBackToTheNextChannel(t *testing.T) {
	t.Parallel()
	t.Run("refused for good", func(t *testing.T) {
		t.Parallel()
		c := newScene(t)
		c.connect()
		c.composed(c.upcoming(40 * time.Minute))
		c.slack.Refuse("chat.postMessage", "restricted_action")
		c.briefs()
		require.Empty(t, c.slack.Cards("UHILDE"))
		require.Len(t, c.server.Received(), 1, "at once")
		require.Equal(t, []string{"by email; not by slack: Slack refused it (restricted_action)"}, c.reasons(store.NoticeSent))
	})
	t.Run("for too long", func(t *testing.T) {
		t.Parallel()
		c := newScene(t)
		c.connect()
		k := c.upcoming(18 * time.Minute) // a third of it is 6 minutes
		c.composed(k)
		for range 10 {
			c.slack.TooMany("users.lookupByEmail", 1)
		}
		c.briefs()
		for _, wait := range []time.Duration{155 * time.Second, time.Minute} {
			c.after(wait)
			require.Empty(t, c.server.Received())
		}
		c.after(2 * time.Minute) // the next try would be after more than 6 minutes
		require.Len(t, c.server.Received(), 1)
		require.Equal(t, store.BriefingByEmail, c.briefingOf(k).Channel)

		// An update goes where the brief went.
		c.composed(k, staged("Lost"))
		c.briefs()
		require.Len(t, c.server.Received(), 2)
		require.Empty(t, c.slack.Cards("UHILDE"))
	})
	t.Run("nowhere but on the page", func(t *testing.T) {
		t.Parallel()
		c := newScene(t)
		c.server.Answer(answerWith("hilde", 550))
		k := c.upcoming(40 * time.Minute)
		c.composed(k)
		c.briefs()
		require.Empty(t, c.server.Received())
		require.Equal(t, []string{"on its page alone; not by email: the mail server refused it (550 5.1.1)"}, c.reasons(store.NoticeSent))
		require.Equal(t, store.BriefingOnPage, c.briefingOf(k).Channel)
		require.Equal(t, store.BriefingDelivered, c.briefingOf(k).State)
	})
	t.Run("a mail server that takes it and does not say so", func(t *testing.T) {
		t.Parallel()
		c := newScene(t)
		c.server.mu.Lock()
		c.server.silent = true
		c.server.mu.Unlock()
		k := c.upcoming(40 * time.Minute)
		c.composed(k)
		c.briefs()
		for range 10 {
			c.after(3 * time.Minute)
		}
		mails := c.server.Received()
		require.Len(t, mails, 2, "once more, and no more than that")
		first, _ := parts(t, mails[0].Raw)
		second, _ := parts(t, mails[1].Raw)
		require.Equal(t, first.Get("Message-ID"), second.Get("Message-ID"))
		require.Equal(t, store.BriefingDelivered, c.briefingOf(k).State)
	})
	t.Run("no mail server", func(t *testing.T) {
		t.Parallel()
		c := newScene(t)
		c.mail = false
		c.composed(c.upcoming(40 * time.Minute))
		c.briefs()
		require.Equal(t, []string{"on its page alone"}, c.reasons(store.NoticeSent))
	})
	t.Run("a guest in Slack", func(t *testing.T) {
		t.Parallel()
		c := newScene(t)
		c.slack.AddUser(slacktest.User{ID: "UHILDE", Email: "hilde@acme.example", Guest: true})
		c.connect()
		c.composed(c.upcoming(40 * time.Minute))
		c.briefs()
		require.Empty(t, c.slack.Everything())
		require.Len(t, c.server.Received(), 1)
	})
	t.Run("in doubt to none", func(t *testing.T) {
		t.Parallel()
		c := newScene(t)
		c.connect()
		k := c.upcoming(30 * time.Minute)
		c.composed(k)
		c.slack.LoseAnswer("chat.postMessage")
		for range 30 {
			c.slack.LoseRequest("conversations.history")
		}
		c.briefs()
		for range 20 {
			c.after(2 * time.Minute)
		}
		require.Len(t, c.slack.Cards("UHILDE"), 1)
		require.Empty(t, c.server.Received(), "it may have been told: it was")
	})
}

func TestWhatIsNoLongerSoIsNotBriefed(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(c *scene, k store.BriefingKey)
		why    string
	}{
		"canceled": {func(c *scene, k store.BriefingKey) {
			c.exec(`update briefings set state = 'canceled', reason = 'the meeting was canceled' where meeting_id = $1`, k.MeetingID)
		}, "the meeting was canceled"},
		"erased": {func(c *scene, k store.BriefingKey) {
			c.exec(`update briefings set sealed = null where meeting_id = $1`, k.MeetingID)
		}, "what it said was erased"},
		"begun": {func(c *scene, _ store.BriefingKey) { c.now = c.now.Add(time.Hour) }, "the meeting had begun"},
		"left": {func(c *scene, _ store.BriefingKey) {
			c.exec(`update people set deactivated_at = now() where id = $1`, c.host)
		}, "its recipient left, or has no address in the organization's domains any more"},
		"elsewhere": {func(c *scene, _ store.BriefingKey) {
			c.exec(`update person_identities set value = 'hilde@elsewhere.example' where person_id = $1 and kind = 'email'`, c.host)
		}, "its recipient left, or has no address in the organization's domains any more"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newScene(t)
			c.connect()
			k := c.upcoming(40 * time.Minute)
			c.composed(k)
			test.change(c, k)
			c.briefs()
			require.Empty(t, c.slack.Everything())
			require.Empty(t, c.server.Received())
			require.Equal(t, []string{test.why}, c.reasons(store.NoticeDropped))
		})
	}
}

func TestADigestNamesWhatIsStillAhead(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	first, second, gone := c.upcoming(5*time.Hour), c.upcoming(7*time.Hour), c.upcoming(8*time.Hour)
	for i, k := range []store.BriefingKey{first, second, gone} {
		w, err := c.store.BriefingWork(t.Context(), k, c.now)
		require.NoError(t, err)
		raw, err := json.Marshal(briefing.Brief{Meeting: briefing.Meeting{ID: k.MeetingID, Title: []string{"One", "Two", "Three"}[i], Start: c.now.Add(time.Duration(5+i) * time.Hour)}, At: c.now})
		require.NoError(t, err)
		_, err = c.store.SaveBriefing(t.Context(), store.BriefingMade{BriefingKey: k, Asked: w.Asked, Brief: raw}, c.now)
		require.NoError(t, err)
	}
	c.exec(`update briefings set state = 'canceled' where meeting_id = $1`, gone.MeetingID)
	digest := store.Digest{OrganizationID: c.org.ID, PersonID: c.host, Kind: store.NoticeBriefingDigest, Day: "2026-11-23", MeetingIDs: []uuid.UUID{first.MeetingID, second.MeetingID, gone.MeetingID}}
	require.NoError(t, c.store.QueueDigest(t.Context(), digest))
	require.NoError(t, c.store.QueueDigest(t.Context(), digest))
	c.briefs()
	mails := c.server.Received()
	require.Len(t, mails, 1)
	header, bodies := parts(t, mails[0].Raw)
	require.Equal(t, "Your meetings today", header.Get("Subject"))
	require.Contains(t, bodies["text/plain"], "One")
	require.Contains(t, bodies["text/plain"], "https://debrief.acme.example/briefings/"+c.briefingOf(second).ID.String())
	require.NotContains(t, bodies["text/plain"], "Three")
	require.Nil(t, c.briefingOf(first).FirstSentAt, "the brief itself is still to be told")
}

// hook is somebody's endpoint, that verifies by the library of Standard Webhooks' own.
type hook struct {
	*httptest.Server
	t      *testing.T
	mu     sync.Mutex
	answer []int // the next answers; 204 after that
	took   []string
	ids    []string
	secret string
}

func newHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{t: t}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.ids = append(h.ids, r.Header.Get("webhook-id"))
		status := http.StatusNoContent
		if len(h.answer) > 0 {
			status, h.answer = h.answer[0], h.answer[1:]
		}
		verifier, err := standardwebhooks.NewWebhook(h.secret)
		if err != nil || verifier.Verify(body, r.Header) != nil {
			status = http.StatusUnauthorized
		}
		if status == http.StatusFound {
			w.Header().Set("Location", "/elsewhere")
		}
		if status < 300 {
			h.took = append(h.took, string(body))
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) Took() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.took...)
}

func (h *hook) IDs() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.ids...)
}

// Answers says what it answers next; 204 after that.
func (h *hook) Answers(statuses ...int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = statuses
}

// added adds it as an endpoint.
func (h *hook) added(c *scene, name string) store.WebhookEndpoint {
	h.t.Helper()
	e, err := c.store.AddWebhookEndpoint(h.t.Context(), store.WebhookEndpoint{OrganizationID: c.org.ID, Name: name, URL: h.URL + "/briefings?key=planted"}, store.Operator)
	require.NoError(h.t, err)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.secret = e.Secrets[0].Reveal()
	return e
}

func TestABriefIsPostedSigned(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.channels("webhook,email,page")
	h := newHook(t)
	e := h.added(c, "dashboards")
	k := c.upcoming(40 * time.Minute)
	c.composed(k)
	c.briefs()
	require.Len(t, h.Took(), 1)
	require.Empty(t, c.server.Received())
	require.Equal(t, []string{"by webhook"}, c.reasons(store.NoticeSent))
	var said struct {
		Type      string
		Timestamp time.Time
		Data      struct {
			BriefingID uuid.UUID `json:"briefing_id"`
			PersonID   uuid.UUID `json:"person_id"`
			URL        string
			Brief      briefing.Brief
			Changes    []briefing.Change
		}
	}
	require.NoError(t, json.Unmarshal([]byte(h.Took()[0]), &said))
	b := c.briefingOf(k)
	require.Equal(t, "briefing.ready", said.Type)
	require.Equal(t, b.ID, said.Data.BriefingID)
	require.Equal(t, c.host, said.Data.PersonID)
	require.Equal(t, "https://debrief.acme.example/briefings/"+b.ID.String(), said.Data.URL)
	require.Equal(t, "Jane Roe", said.Data.Brief.People[0].Name)

	// While the secret is changed, both sign; who has the old one still verifies.
	fresh, err := c.store.RotateWebhookSecret(t.Context(), c.org.ID, e.ID, store.Operator)
	require.NoError(t, err)
	c.composed(k, staged("Lost"))
	c.briefs()
	require.Len(t, h.Took(), 2)
	h.mu.Lock()
	h.secret = fresh.Reveal()
	h.mu.Unlock()
	c.composed(k, staged("Won"))
	c.briefs()
	require.Len(t, h.Took(), 3)
	require.NoError(t, json.Unmarshal([]byte(h.Took()[2]), &said))
	require.Equal(t, "briefing.update", said.Type)
	require.NotEmpty(t, said.Data.Changes)
	require.NotContains(t, c.log.String(), "planted")
}

func TestAWebhookIsTriedAgainAndThenTheNextChannel(t *testing.T) {
	t.Parallel()
	t.Run("taken the third time, under the same ID", func(t *testing.T) {
		t.Parallel()
		c := newScene(t)
		c.channels("webhook,email,page")
		h := newHook(t)
		h.added(c, "dashboards")
		h.Answers(503, 302)
		c.composed(c.upcoming(40 * time.Minute))
		c.briefs()
		c.after(5 * time.Second)
		c.after(30 * time.Second)
		require.Len(t, h.Took(), 1)
		require.Len(t, h.IDs(), 3)
		require.Equal(t, h.IDs()[0], h.IDs()[2])
		require.Empty(t, c.server.Received())
	})
	t.Run("four times", func(t *testing.T) {
		t.Parallel()
		c := newScene(t)
		c.channels("webhook,email,page")
		h := newHook(t)
		h.added(c, "dashboards")
		h.Answers(500, 500, 500, 500, 500)
		c.composed(c.upcoming(40 * time.Minute))
		c.briefs()
		for _, wait := range []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute} {
			require.Empty(t, c.server.Received())
			c.after(wait)
		}
		require.Len(t, h.IDs(), 4)
		require.Len(t, c.server.Received(), 1)
		all, err := c.store.WebhookEndpoints(t.Context(), c.org.ID)
		require.NoError(t, err)
		require.Equal(t, "the endpoint answered 500", all[0].Problem)
	})
	t.Run("gone", func(t *testing.T) {
		t.Parallel()
		c := newScene(t)
		c.channels("webhook,email,page")
		h := newHook(t)
		h.added(c, "dashboards")
		h.Answers(410)
		c.composed(c.upcoming(40 * time.Minute))
		c.briefs()
		require.Len(t, c.server.Received(), 1, "at once")
		c.composed(c.upcoming(90 * time.Minute))
		c.briefs()
		require.Len(t, h.IDs(), 1, "it is switched off")
		all, err := c.store.WebhookEndpoints(t.Context(), c.org.ID)
		require.NoError(t, err)
		require.NotNil(t, all[0].DisabledAt)
		require.NoError(t, notify.SendWebhookTest(t.Context(), c.store, notify.NewWebhooks(notify.WebhookOptions{AllowLoopback: true}), all[0], uuid.New(), time.Now()))
		all, err = c.store.WebhookEndpoints(t.Context(), c.org.ID)
		require.NoError(t, err)
		require.Nil(t, all[0].DisabledAt, "it took a message again")
	})
	t.Run("one of two", func(t *testing.T) {
		t.Parallel()
		c := newScene(t)
		c.channels("webhook,email,page")
		good, bad := newHook(t), newHook(t)
		good.added(c, "good")
		bad.added(c, "bad")
		bad.Answers(500, 500, 500, 500)
		c.composed(c.upcoming(40 * time.Minute))
		c.briefs()
		for range 4 {
			c.after(2 * time.Minute)
		}
		require.Len(t, good.Took(), 1, "who has it does not get it again")
		require.Len(t, good.IDs(), 1)
		require.Len(t, bad.IDs(), 4)
		require.Empty(t, c.server.Received())
	})
	t.Run("not to this machine unless allowed", func(t *testing.T) {
		t.Parallel()
		c := newScene(t)
		h := newHook(t)
		e := h.added(c, "dashboards")
		var failed *notify.SendError
		require.ErrorAs(t, notify.NewWebhooks(notify.WebhookOptions{}).Post(t.Context(), e, "msg_1", time.Now(), []byte("{}")), &failed)
		require.Equal(t, "the endpoint's address is not a public one", failed.Reason)
		require.Empty(t, h.IDs())
	})
}

// An endpoint that does not answer takes neither another endpoint's message nor anybody
// else's brief.
func TestASlowEndpointHoldsUpNobodyElse(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	answer := make(chan struct{})
	var asked atomic.Bool
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		asked.Store(true)
		<-answer
	}))
	defer slow.Close()
	defer close(answer)
	for _, name := range []string{"a", "b"} {
		_, err := c.store.AddWebhookEndpoint(t.Context(), store.WebhookEndpoint{OrganizationID: c.org.ID, Name: name, URL: slow.URL}, store.Operator)
		require.NoError(t, err)
	}
	quick := newHook(t)
	quick.added(c, "c")
	c.channels("webhook,page")
	c.composed(c.upcoming(40 * time.Minute))
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	outbox := c.briefer()
	running.Go(func() { outbox.Run(ctx) })
	defer running.Wait()
	defer stop()
	require.Eventually(t, func() bool { return asked.Load() && len(quick.Took()) == 1 }, 10*time.Second, 10*time.Millisecond)

	c.channels("email,page")
	c.composed(c.upcoming(50 * time.Minute))
	require.Eventually(t, func() bool { return len(c.server.Received()) == 1 }, 10*time.Second, 10*time.Millisecond)
}

func TestWhereWebhooksMayGo(t *testing.T) {
	t.Parallel()
	for address, may := range map[string]bool{
		"93.184.215.14": true, "2606:2800:21f:cb07:6820:80da:af6b:8b2c": true,
		"10.0.0.1": false, "172.16.0.1": false, "192.168.1.1": false, "169.254.169.254": false, "100.64.0.1": false, "0.0.0.0": false, "224.0.0.1": false,
		"255.255.255.255": false, "198.18.0.1": false, "::": false, "fe80::1": false, "fd00::1": false, "::ffff:10.0.0.1": false, "64:ff9b::a00:1": false,
		"2002:a00:1::": false, "ff02::1": false, "::10.0.0.1": false,
		// The rest of IANA's special-purpose address registries that is not reached from anywhere.
		"192.0.0.8": false, "192.0.2.1": false, "192.88.99.1": false, "198.51.100.1": false, "203.0.113.1": false, "240.0.0.1": false,
		"64:ff9b:1::a00:1": false, "100::1": false, "100:0:0:1::1": false, "2001::1": false, "2001:2::1": false, "2001:db8::1": false,
		"3fff::1": false, "3fff:fff::1": false, "5f00::1": false, "fec0::1": false,
		// And what nobody was given: translations to IPv4 among it.
		"::ffff:0:10.0.0.1": false, "4000::1": false,
	} {
		require.Equal(t, may, notify.MayPostTo(address, false), address)
		require.Equal(t, may, notify.MayPostTo(address, true), address)
	}
	for _, address := range []string{"127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"} {
		require.False(t, notify.MayPostTo(address, false), address)
		require.True(t, notify.MayPostTo(address, true), address)
	}
}

// The example of Standard Webhooks' own documentation.
func TestWebhookSignature(t *testing.T) {
	t.Parallel()
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	at := time.Unix(1614265330, 0)
	got, err := notify.SignWebhook([]store.Secret{secret}, "msg_p5jXN8AQM9LWM0D4loKWxJek", at, `{"test": 2432232314}`)
	require.NoError(t, err)
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", got)
	for _, bad := range [][]store.Secret{nil, {""}, {"whsec_"}, {"whsec_c2hvcnQ="}, {"whsec_!"}} {
		_, err := notify.SignWebhook(bad, "msg_1", at, "{}")
		require.Error(t, err)
		require.NotContains(t, err.Error(), "c2hvcnQ")
	}
}
