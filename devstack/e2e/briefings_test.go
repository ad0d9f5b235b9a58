package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/httptest"
	"net/mail"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/notify"
	"github.com/debriefhq/debrief/notify/slacktest"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/workflows"
)

// Three hosts are briefed: one in Slack, one by mail and one by a webhook. While all
// three are being told, the worker is killed; the meetings are moved and somebody is
// added; a deal changes in HubSpot. Each is told once of each, in one thread, and not of
// what does not matter. Then somebody is told of the week that is ahead. No word of it
// stands in Temporal.
func TestHostsAreBriefed(t *testing.T) {
	t.Parallel()
	b := newBriefed(t)
	sc := b.scene

	// Booked inside the lead time: told at once.
	held := make(chan struct{})
	arrived := b.hold(held)
	for _, h := range b.hosts {
		b.book(h, "BOOKING_CREATED")
	}
	for range b.hosts {
		select {
		case <-arrived:
		case <-time.After(2 * time.Minute):
			t.Fatal("not everybody is being told")
		}
	}
	require.NoError(t, b.world.Worker().Kill())
	close(held)
	b.world.startWorker(t)
	// The dead worker's claims would end by themselves, after two minutes.
	b.exec(`update notices set next_attempt_at = now() where state = 'queued'`)
	b.delivered(1)

	cards := b.slack.Cards(slackMara)
	require.Len(t, cards, 1, "what Slack had taken is not posted again")
	require.Len(t, cards[0].Button(notify.ActOpen), 1)
	mails := b.mails()
	require.Len(t, distinct(mails, func(m received) string { return m.id }), 1, "mails that were taken twice are one to who reads them")
	require.Equal(t, []string{"tomas@brightwater.example"}, mails[0].to)
	require.Empty(t, mails[0].answers)
	hooks := b.hooks()
	require.Len(t, distinct(hooks, func(p posted) string { return p.id }), 1, "and so are webhooks")
	require.Equal(t, string(store.NoticeBriefingReady), hooks[0].message.Type)
	require.Equal(t, b.hosts[2].person.ID, hooks[0].message.Data.PersonID)
	asJSON, err := json.Marshal(hooks[0].message.Data.Brief)
	require.NoError(t, err)
	for where, told := range map[string]string{"Slack": cards[0].Raw, "mail, plain": mails[0].text, "mail, HTML": mails[0].html, "webhook": string(asJSON) + hooks[0].message.Data.URL} {
		for _, want := range []string{"Ines Castell", "Head of Operations", "Harrow Mills: reporting", b.page()} {
			require.Contains(t, told, want, where)
		}
		require.NotContains(t, told, "Priya", where)
	}

	// Moved, and with somebody more: one update, in the same thread.
	for _, h := range b.hosts {
		b.book(h, "BOOKING_RESCHEDULED")
	}
	b.delivered(2)
	b.updated(1, func(where, told string) {
		require.Contains(t, told, "Priya Nair", where)
		require.NotContains(t, told, "24,000", "%s: only what changed", where)
	}, briefing.Moved, briefing.Joins)

	// What does not matter is seen, and told nobody.
	made := b.made()
	deal := sc.records("deals", "dealname")["Harrow Mills: reporting"][0]
	edit := func(property, value string) {
		require.NoError(t, b.world.Simulator.Edit(sc.HubID, "deals", deal.ID, map[string]string{property: value}))
	}
	edit("description", "Waits for the order form.")
	sc.eventually("the briefs to be made anew", func() bool {
		now := b.made()
		return !slices.ContainsFunc(b.hosts, func(h host) bool { return !now[h.person.ID].After(made[h.person.ID]) })
	})
	edit("amount", "31000")
	b.delivered(3)
	b.updated(2, func(where, told string) {
		require.Contains(t, told, "31,000", where)
		require.NotContains(t, told, "Priya", "%s: only what changed", where)
	}, briefing.DealAmount)

	b.weekAhead()
	b.nothingInTemporal()
}

const (
	slackMara    = "U0MARA"
	calcomSecret = "a-secret-of-the-booking-page"
)

// host is somebody with a booking.
type host struct {
	person  store.Person
	channel store.BriefingChannel
}

// briefed is an organization whose people are briefed, with all that they are told by.
type briefed struct {
	*scene

	hosts  []host
	booked string // the source's URL
	starts time.Time
	slack  *slacktest.Server
	secret string // of the webhook endpoint

	mu       sync.Mutex
	received []received
	posted   []posted
	arrived  chan struct{} // nil: nothing is held
	held     chan struct{}
}

// received is a mail as the server took it.
type received struct {
	from       string
	to         []string
	id         string
	answers    string
	references []string
	subject    string
	text, html string
}

// posted is a webhook whose signature was right.
type posted struct {
	id      string
	message struct {
		Type string
		Data struct {
			PersonID   uuid.UUID         `json:"person_id"`
			BriefingID uuid.UUID         `json:"briefing_id"`
			URL        string            `json:"url"`
			Brief      json.RawMessage   `json:"brief"`
			Changes    []briefing.Change `json:"changes"`
		}
	}
}

func newBriefed(t *testing.T) *briefed {
	t.Helper()
	b := &briefed{slack: slacktest.New(), starts: time.Now().Add(12 * time.Minute).UTC().Truncate(time.Minute)}
	t.Cleanup(b.slack.Close)
	hook := httptest.NewServer(http.HandlerFunc(b.takeWebhook(t)))
	t.Cleanup(hook.Close)
	w := own(t, devstack.Options{NoUI: true, Env: []string{
		"DEBRIEF_SLACK_API_URL=" + b.slack.APIURL(), "DEBRIEF_SMTP_URL=smtp://" + b.mailServer(t), "DEBRIEF_MAIL_FROM=Debrief <debrief@brightwater.example>",
		"DEBRIEF_WEBHOOKS_TO_LOOPBACK=true",
	}})
	b.scene = w.scene(t)
	source, err := w.store.CreateSource(b.ctx, store.NewSource{OrganizationID: &b.org, Platform: "calcom", Name: "calcom", Secrets: []store.Secret{calcomSecret}}, store.Operator)
	require.NoError(t, err)
	b.booked = w.PublicURL() + "/webhooks/" + source.ID.String()
	changes, err := w.store.CreateSource(b.ctx, store.NewSource{OrganizationID: &b.org, Platform: "hubspot", Name: "hubspot", Secrets: []store.Secret{devstack.ClientSecret}}, store.Operator)
	require.NoError(t, err)
	_, err = w.Simulator.SetWebhooks(devstack.ClientID, hubspottest.Webhooks{
		TargetURL: w.PublicURL() + "/webhooks/" + changes.ID.String(),
		Subscriptions: []hubspottest.Subscription{
			{Type: "object.propertyChange", ObjectType: "deal", PropertyName: "amount"},
			{Type: "object.propertyChange", ObjectType: "deal", PropertyName: "description"},
		},
	})
	require.NoError(t, err)
	endpoint, err := w.store.AddWebhookEndpoint(b.ctx, store.WebhookEndpoint{OrganizationID: b.org, Name: "desk", URL: hook.URL}, store.Operator)
	require.NoError(t, err)
	b.mu.Lock()
	b.secret = endpoint.Secrets[0].Reveal()
	b.mu.Unlock()
	b.slack.AddUser(slacktest.User{ID: slackMara, Email: maraEmail})
	require.NoError(t, w.store.ConnectSlack(b.ctx, store.SlackApp{
		OrganizationID: b.org, TeamID: b.slack.TeamID, AppID: b.slack.AppID, BotUserID: "U0BOT",
		BotToken: store.Secret(b.slack.Token), SigningSecret: store.Secret(b.slack.SigningSecret),
	}, store.Operator))
	for _, h := range []struct {
		name    string
		channel store.BriefingChannel
	}{{"Mara Lindqvist", store.BriefingBySlack}, {"Tomas Okafor", store.BriefingByEmail}, {"Lena Brandt", store.BriefingByWebhook}} {
		first, _, _ := strings.Cut(h.name, " ")
		p := b.colleague(h.name, strings.ToLower(first)+"@brightwater.example", store.RoleMember)
		settings := store.BriefingSettings{Channels: string(h.channel) + ",page"}
		if h.channel == store.BriefingBySlack {
			settings.WeekAhead = b.weekAheadAt()
		}
		require.NoError(t, w.store.SetPersonBriefing(b.ctx, b.org, p.ID, settings, store.Operator))
		b.hosts = append(b.hosts, host{p, h.channel})
	}
	return b
}

// weekAheadAt is no time that comes while this runs.
func (b *briefed) weekAheadAt() string {
	return strings.ToLower(b.starts.AddDate(0, 0, 3).Format("Mon")) + " 12:00"
}

// hold has each of the next three that are told wait, having been told, until held is
// closed.
func (b *briefed) hold(held chan struct{}) <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.arrived, b.held = make(chan struct{}, 10), held
	b.slack.Meanwhile("chat.postMessage", b.wait)
	return b.arrived
}

// wait lets somebody be told for as long as everybody is held.
func (b *briefed) wait() {
	b.mu.Lock()
	arrived, held := b.arrived, b.held
	b.mu.Unlock()
	if arrived == nil {
		return
	}
	select {
	case arrived <- struct{}{}:
	default:
	}
	<-held
}

// mailServer starts a real SMTP server, and returns its address.
func (b *briefed) mailServer(t *testing.T) string {
	t.Helper()
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &mailSession{b: b}, nil }))
	server.Domain = "mail.brightwater.example"
	server.ReadTimeout, server.WriteTimeout = time.Minute, time.Minute
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // at once
	require.NoError(t, err)
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close(); <-done })
	return listener.Addr().String()
}

type mailSession struct {
	b    *briefed
	mail received
}

func (s *mailSession) Reset()        { s.mail = received{} }
func (s *mailSession) Logout() error { return nil }

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	s.mail.from = from
	return nil
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = append(s.mail.to, to)
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	if err := s.mail.read(r); err != nil {
		return &smtp.SMTPError{Code: 554, Message: err.Error()}
	}
	s.b.mu.Lock()
	s.b.received = append(s.b.received, s.mail)
	s.b.mu.Unlock()
	s.b.wait()
	return nil
}

// read takes a mail apart: it has to be one, of two alternatives.
func (m *received) read(r io.Reader) error {
	message, err := mail.ReadMessage(r)
	if err != nil {
		return err
	}
	m.id, m.answers, m.references = message.Header.Get("Message-ID"), message.Header.Get("In-Reply-To"), strings.Fields(message.Header.Get("References"))
	if m.subject, err = new(mime.WordDecoder).DecodeHeader(message.Header.Get("Subject")); err != nil {
		return err
	}
	kind, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		return fmt.Errorf("it is %q, not two alternatives: %w", kind, err)
	}
	parts := multipart.NewReader(message.Body, params["boundary"])
	for _, into := range []struct {
		kind string
		text *string
	}{{"text/plain", &m.text}, {"text/html", &m.html}} {
		part, err := parts.NextRawPart()
		if err != nil {
			return err
		}
		kind, params, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil || kind != into.kind || !strings.EqualFold(params["charset"], "utf-8") || part.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			return fmt.Errorf("a part is %v: %w", part.Header, err)
		}
		raw, err := io.ReadAll(quotedprintable.NewReader(part))
		if err != nil {
			return err
		}
		*into.text = string(raw)
	}
	return nil
}

func (b *briefed) mails() []received {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.received)
}

// takeWebhook is the organization's own program.
func (b *briefed) takeWebhook(t *testing.T) func(http.ResponseWriter, *http.Request) {
	t.Helper()
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		b.mu.Lock()
		secret := b.secret
		b.mu.Unlock()
		verifier, newErr := standardwebhooks.NewWebhook(secret)
		if err != nil || newErr != nil || verifier.Verify(body, r.Header) != nil {
			t.Errorf("a webhook is not signed as Standard Webhooks has it")
			http.Error(w, "not signed", http.StatusUnauthorized)
			return
		}
		p := posted{id: r.Header.Get("webhook-id")}
		if err := json.Unmarshal(body, &p.message); err != nil {
			t.Errorf("a webhook is no JSON: %s", err)
		}
		b.mu.Lock()
		b.posted = append(b.posted, p)
		b.mu.Unlock()
		b.wait()
		w.WriteHeader(http.StatusNoContent)
	}
}

func (b *briefed) hooks() []posted {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.posted)
}

func (b *briefed) exec(sql string) {
	b.t.Helper()
	conn, err := pgx.Connect(b.ctx, b.world.DatabaseURL())
	require.NoError(b.t, err)
	defer func() { _ = conn.Close(b.ctx) }()
	_, err = conn.Exec(b.ctx, sql)
	require.NoError(b.t, err)
}

// book delivers a booking as Cal.com does: made, or moved by two minutes with somebody
// more.
func (b *briefed) book(h host, event string) {
	b.t.Helper()
	uid := "booking-of-" + h.person.ID.String()
	attendees := []map[string]any{{"name": "Ines Castell", "email": "ines@harrowmills.example", "timeZone": "Europe/Paris"}}
	payload := map[string]any{
		"title": "Quillback forecast", "startTime": b.starts.Format(time.RFC3339), "endTime": b.starts.Add(30 * time.Minute).Format(time.RFC3339),
		"organizer": map[string]any{"name": h.person.Name, "email": h.person.Email(), "timeZone": "Europe/Berlin"},
		"status":    "ACCEPTED", "uid": uid, "iCalUID": uid + "@cal.brightwater.example",
	}
	if event == "BOOKING_RESCHEDULED" {
		attendees = append(attendees, map[string]any{"name": "Priya Nair", "email": "priya@tidewell.example", "timeZone": "Europe/London"})
		payload["uid"], payload["rescheduleUid"], payload["rescheduleStartTime"] = uid+"-moved", uid, payload["startTime"]
		payload["startTime"], payload["endTime"] = b.starts.Add(2*time.Minute).Format(time.RFC3339), b.starts.Add(32*time.Minute).Format(time.RFC3339)
	}
	payload["attendees"] = attendees
	body, err := json.Marshal(map[string]any{"triggerEvent": event, "createdAt": time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "payload": payload})
	require.NoError(b.t, err)
	mac := hmac.New(sha256.New, []byte(calcomSecret))
	mac.Write(body)
	request, err := http.NewRequestWithContext(b.ctx, http.MethodPost, b.booked, strings.NewReader(string(body)))
	require.NoError(b.t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Cal-Signature-256", hex.EncodeToString(mac.Sum(nil)))
	response, err := http.DefaultClient.Do(request)
	require.NoError(b.t, err)
	require.NoError(b.t, response.Body.Close())
	require.Less(b.t, response.StatusCode, 300)
}

// delivered waits until each host was told so often, with nothing on its way.
func (b *briefed) delivered(times int) {
	b.t.Helper()
	b.eventually(fmt.Sprintf("everybody to be told %d times", times), func() bool {
		sent, err := b.world.store.Notices(b.ctx, b.org, store.NoticeSent, 100)
		require.NoError(b.t, err)
		queued, err := b.world.store.Notices(b.ctx, b.org, store.NoticeQueued, 100)
		require.NoError(b.t, err)
		return len(queued) == 0 && len(sent) == times*len(b.hosts)
	})
	sent, err := b.world.store.Notices(b.ctx, b.org, store.NoticeSent, 100)
	require.NoError(b.t, err)
	for _, n := range sent {
		h := b.hosts[slices.IndexFunc(b.hosts, func(h host) bool { return h.person.ID == *n.PersonID })]
		require.Equal(b.t, "by "+string(h.channel), n.Reason)
	}
}

// briefs are those of the hosts, by person.
func (b *briefed) briefs() map[uuid.UUID]store.Briefing {
	b.t.Helper()
	all, err := b.world.store.Briefings(b.ctx, b.org, store.BriefingFilter{})
	require.NoError(b.t, err)
	require.Len(b.t, all, len(b.hosts), "one meeting, one brief")
	by := map[uuid.UUID]store.Briefing{}
	for _, one := range all {
		require.Equal(b.t, store.BriefingDelivered, one.State)
		by[one.PersonID] = one
	}
	return by
}

// made is when the hosts' briefs were made last.
func (b *briefed) made() map[uuid.UUID]time.Time {
	all := map[uuid.UUID]time.Time{}
	for person, one := range b.briefs() {
		all[person] = *one.ComposedAt
	}
	return all
}

// page is where all briefs have their pages.
func (b *briefed) page() string { return b.world.PublicURL() + notify.BriefingsPath + "/" }

// updated requires that each host was told so many updates, all in one thread, and looks
// at the last one.
func (b *briefed) updated(times int, look func(where, told string), kinds ...briefing.ChangeKind) {
	b.t.Helper()
	cards, replies := b.slack.Cards(slackMara), b.slack.Replies(slackMara)
	require.Len(b.t, cards, 1)
	require.Positive(b.t, cards[0].Edits, "the brief says how it is now")
	require.Len(b.t, replies, times)
	for _, r := range replies {
		require.Equal(b.t, cards[0].TS, r.Thread)
	}
	look("Slack", replies[times-1].Raw)

	mails := distinct(b.mails(), func(m received) string { return m.id })
	require.Len(b.t, mails, 1+times)
	for i, m := range mails[1:] {
		require.Equal(b.t, "Re: "+mails[0].subject, m.subject)
		require.Equal(b.t, mails[i].id, m.answers)
		require.Equal(b.t, mails[0].id, m.references[0])
		require.Len(b.t, m.references, 1+i)
	}
	look("mail, plain", mails[times].text)
	look("mail, HTML", mails[times].html)

	hooks := distinct(b.hooks(), func(p posted) string { return p.id })
	require.Len(b.t, hooks, 1+times)
	last := hooks[times].message
	require.Equal(b.t, string(store.NoticeBriefingUpdate), last.Type)
	require.Equal(b.t, hooks[0].message.Data.BriefingID, last.Data.BriefingID)
	changed := []briefing.ChangeKind{}
	for _, c := range last.Data.Changes {
		changed = append(changed, c.Kind)
	}
	require.Equal(b.t, kinds, changed)
}

// distinct are those with a key of their own, in their order.
func distinct[T any](all []T, key func(T) string) []T {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(all), func(one T) bool {
		k := key(one)
		defer func() { seen[k] = true }()
		return seen[k]
	})
}

// group is Mara's, who is told what is ahead of her.
func (b *briefed) group() store.BriefingGroup {
	b.t.Helper()
	all, err := b.world.store.BriefingGroups(b.ctx)
	require.NoError(b.t, err)
	require.Len(b.t, all, 1)
	return all[0]
}

// weekAhead has the schedule of Mara's group begin now.
func (b *briefed) weekAhead() {
	b.t.Helper()
	c, err := client.DialContext(b.ctx, client.Options{HostPort: b.world.Temporal.FrontendAddr(), Namespace: devstack.Namespace})
	require.NoError(b.t, err)
	defer c.Close()
	schedule := c.ScheduleClient().GetHandle(b.ctx, workflows.DigestID(b.group()))
	require.NoError(b.t, schedule.Trigger(b.ctx, client.ScheduleTriggerOptions{}))
	b.eventually("the week ahead", func() bool { return len(b.slack.Cards(slackMara)) == 2 })
	week := b.slack.Cards(slackMara)[1]
	require.Equal(b.t, "Your meetings of the next seven days", week.Text)
	require.Contains(b.t, week.Raw, "Quillback forecast")
	require.Contains(b.t, week.Raw, b.page())
}

// nothingInTemporal requires that no word of the meetings and of what HubSpot has of the
// guests stands in any history, sealed or not: all of it travels by IDs.
func (b *briefed) nothingInTemporal() {
	b.t.Helper()
	var mine []string
	for person, one := range b.briefs() {
		mine = append(mine, workflows.BriefingID(store.BriefingKey{OrganizationID: b.org, MeetingID: one.MeetingID, PersonID: person}))
	}
	mine = append(mine, b.digests()...)
	all := b.histories(mine...)
	require.GreaterOrEqual(b.t, all.workflows["Briefing"], len(b.hosts))
	require.NotZero(b.t, all.workflows["Digest"])
	for _, activity := range []string{"LookAtBriefing", "ComposeBriefing", "PlanDigest", "ComposeDigest", "TellDigest"} {
		require.NotZero(b.t, all.activities[activity], "%s is among what was read", activity)
	}
	said := []string{"Quillback forecast", "Harrow Mills: reporting", "Waits for the order form.", "Head of Operations", "31000", "24000"}
	for _, name := range []string{"Ines Castell", "Priya Nair", "Mara Lindqvist", "Tomas Okafor", "Lena Brandt", "harrowmills.example", "tidewell.example", "brightwater.example"} {
		said = append(said, name)
	}
	needles := wordsOf(said...)
	for _, word := range []string{"example", "order", "form"} {
		delete(needles, word) // nobody's
	}
	brief := slices.Collect(func(yield func(string) bool) {
		for _, one := range b.briefs() {
			if !yield(string(one.Brief)) {
				return
			}
		}
	})
	kept := texts{}
	for _, one := range brief {
		kept.add(one)
	}
	require.Greater(b.t, len(kept.said(needles)), 10, "what is there is found")
	places := map[string]texts{"in clear": all.clear, "in what is about something else": all.others}
	for activity, sealed := range all.sealed {
		places["sealed, of "+activity] = sealed
	}
	for where, place := range places {
		require.Empty(b.t, place.said(needles), "words %s", where)
	}
}

// digests are the IDs of the workflows that schedules began.
func (b *briefed) digests() []string {
	b.t.Helper()
	c, err := client.DialContext(b.ctx, client.Options{HostPort: b.world.Temporal.FrontendAddr(), Namespace: devstack.Namespace})
	require.NoError(b.t, err)
	defer c.Close()
	list, err := c.ListWorkflow(b.ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowType = 'Digest'"})
	require.NoError(b.t, err)
	var ids []string
	for _, w := range list.GetExecutions() {
		ids = append(ids, w.GetExecution().GetWorkflowId())
	}
	return ids
}
