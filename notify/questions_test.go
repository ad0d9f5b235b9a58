package notify_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/notify"
	"github.com/debriefhq/debrief/notify/slacktest"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

var (
	updateDeal    = policy.Tool{Object: "deal", Operation: policy.Update}
	createContact = policy.Tool{Object: "contact", Operation: policy.Create}
)

// scene is an organization with a Slack workspace, a host and a meeting.
type scene struct {
	*bundle

	slack *slacktest.Server
	now   time.Time
	mail  bool
	// dying: what fails has died.
	dying      bool
	host       uuid.UUID
	connection uuid.UUID
}

// words that nobody but the asked may read.
const (
	secretTitle = "Takeover of Northwind"
	secretWords = "Forty-two thousand, signed by Friday"
)

func newScene(t *testing.T) *scene {
	t.Helper()
	c := &scene{bundle: setup(t), slack: slacktest.New(), now: time.Date(2031, 1, 10, 11, 0, 0, 0, time.UTC), mail: true}
	t.Cleanup(c.slack.Close)
	c.host = c.person("Hilde Host", "hilde@acme.example", "member")
	c.slack.AddUser(slacktest.User{ID: "UHILDE", Email: "hilde@acme.example"})
	c.connection = c.bundle.connection("sales", "connected")
	c.exec(`update connections set is_user_level = false, scopes = array['crm.objects.deals.write', 'crm.objects.contacts.write'] where id = $1`, c.connection)
	require.NoError(t, c.store.ApplyPreset(t.Context(), c.org.ID, policy.Permissions{updateDeal: policy.Ask, createContact: policy.Ask}, store.Operator))
	return c
}

// connect connects the workspace.
func (c *scene) connect() {
	c.t.Helper()
	app, err := c.client().Identify(c.t.Context(), store.Secret(c.slack.Token))
	require.NoError(c.t, err)
	app.OrganizationID, app.SigningSecret = c.org.ID, store.Secret(c.slack.SigningSecret)
	require.NoError(c.t, c.store.ConnectSlack(c.t.Context(), app, store.Operator))
}

func (c *scene) client() *notify.Slack {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	return notify.NewSlack(notify.SlackOptions{APIURL: c.slack.APIURL(), HTTPClient: client})
}

// met is a meeting that Hilde hosted.
func (c *scene) met() uuid.UUID {
	c.t.Helper()
	ctx := c.t.Context()
	source, err := c.store.SourceByName(ctx, &c.org.ID, "notes")
	if err != nil {
		source, err = c.store.CreateSource(ctx, store.NewSource{OrganizationID: &c.org.ID, Platform: "debrief", Name: "notes", Secrets: []store.Secret{"planted-secret"}}, store.Operator)
		require.NoError(c.t, err)
	}
	start := time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)
	yes := true
	e := meeting.Event{Provider: "debrief", Type: meeting.NotesReady, DedupeKey: uuid.NewString(), OccurredAt: start.Add(time.Hour), Details: meeting.Details{
		Keys: meeting.Keys{InstanceID: uuid.NewString()}, Title: secretTitle, ScheduledStart: start, ScheduledEnd: start.Add(time.Hour),
		Organizer: meeting.Person{Name: "Hilde Host", Email: "hilde@acme.example"},
		Attendees: []meeting.Attendee{
			{Person: meeting.Person{Name: "Hilde Host", Email: "hilde@acme.example"}, Attended: &yes},
			{Person: meeting.Person{Name: "Jane Roe", Email: "jane@northwind.example"}, Attended: &yes},
		},
		Summary: meeting.Text{Format: "text", Text: secretWords, Language: "en"},
	}}.Normalize()
	id, _, err := c.store.InsertDelivery(ctx, store.NewDelivery{Source: source, DedupeKey: uuid.NewString(), Body: []byte("{}"), ReceivedAt: start.Add(time.Hour), Header: http.Header{}})
	require.NoError(c.t, err)
	understood, err := c.store.Understood(ctx, id, c.org.ID, []meeting.Event{e})
	require.NoError(c.t, err)
	require.Len(c.t, understood.MeetingIDs, 1)
	c.exec(`update meetings set host_person_id = $2 where id = $1`, understood.MeetingIDs[0], c.host)
	return understood.MeetingIDs[0]
}

// asks plans the meeting's next round.
func (c *scene) asks(meetingID uuid.UUID, drafts ...store.Draft) {
	c.t.Helper()
	c.exec(`update meetings set version = version + 1 where id = $1`, meetingID)
	m, err := c.store.MeetingByID(c.t.Context(), c.org.ID, meetingID)
	require.NoError(c.t, err)
	require.NoError(c.t, c.store.SavePlan(c.t.Context(), store.Plan{
		OrganizationID: c.org.ID, MeetingID: meetingID, MeetingVersion: m.Version, ConnectionID: c.connection, Drafts: drafts,
		Resolution: planner.Resolution{
			Deals: []planner.Record{{ID: "900", Properties: map[string]string{"dealname": "Northwind, seats", "dealstage": "s1", "amount": "1000", "pipeline": "default"}}},
			DealPipelines: []hubspot.Pipeline{{ID: "default", Label: "Sales", Stages: []hubspot.Stage{
				{ID: "s1", Label: "Qualified"}, {ID: "s2", Label: "Order form sent"},
			}}},
		},
	}))
}

func deal(key string) store.Draft {
	return store.Draft{Key: key, Tool: updateDeal, TargetID: "900", Content: store.ActionContent{
		Label: "Northwind, seats", Properties: map[string]string{"dealstage": "s2", "amount": "42000"}, Before: map[string]string{"dealstage": "s1", "amount": "1000"},
		Evidence: []meeting.Evidence{{Quote: secretWords, Speaker: "Jane Roe", OffsetSeconds: 724}},
	}}
}

// met and asked: a meeting with one question.
func (c *scene) asked() uuid.UUID {
	c.t.Helper()
	id := c.met()
	c.asks(id, deal("deal:1"))
	return id
}

// send lets all that is due be told, and edited, by another outbox each time.
func (c *scene) send() {
	c.t.Helper()
	options := notify.Options{
		Store: c.store, Slack: c.client(), PublicURL: "https://debrief.acme.example/", Log: zerolog.New(c.log), Now: func() time.Time { return c.now },
	}
	if c.mail {
		options.Sender = newMail(c.t, "smtp://"+c.server.Addr, "")
	}
	o := notify.New(options)
	for range 20 {
		notices, err := o.SendSome(c.t.Context())
		if err != nil && c.dying {
			return
		}
		require.NoError(c.t, err)
		edits, _ := o.EditSome(c.t.Context())
		if !notices && !edits {
			return
		}
	}
	c.t.Fatal("there is always more to send")
}

// later lets claims and waits be over.
func (c *scene) later() {
	c.t.Helper()
	c.exec(`update slack_messages set claimed_until = now()`)
	c.exec(`update slack_apps set paused_until = now()`)
	c.exec(`update notices set next_attempt_at = now() where state = 'queued'`)
}

// at moves the clock, and lets what waited for that time be due.
func (c *scene) at(now time.Time) {
	c.t.Helper()
	c.exec(`update notices set next_attempt_at = now() where state = 'queued' and next_attempt_at <= $1`, now)
	c.now = now
}

func (c *scene) question(meetingID uuid.UUID) store.Approval {
	c.t.Helper()
	all, err := c.store.Approvals(c.t.Context(), c.org.ID, store.ApprovalFilter{MeetingID: meetingID, State: store.ApprovalPending})
	require.NoError(c.t, err)
	require.NotEmpty(c.t, all)
	return all[0]
}

func (c *scene) approve(meetingID uuid.UUID) {
	c.t.Helper()
	_, err := c.store.Decide(c.t.Context(), store.Decision{
		OrganizationID: c.org.ID, ApprovalID: c.question(meetingID).ID, Verdict: store.Approve, Actor: store.Actor{Name: "web page", PersonID: &c.host}, Via: store.ViaWeb,
	})
	require.NoError(c.t, err)
}

func (c *scene) kinds(state store.NoticeState) []store.NoticeKind {
	c.t.Helper()
	all, err := c.store.Notices(c.t.Context(), c.org.ID, state, 100)
	require.NoError(c.t, err)
	var kinds []store.NoticeKind
	for _, n := range all {
		kinds = append(kinds, n.Kind)
	}
	slices.Sort(kinds)
	return kinds
}

func TestTheHostIsAskedInSlackAndTheMessageIsEdited(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	id := c.asked()
	c.send()
	cards := c.slack.Cards("UHILDE")
	require.Len(t, cards, 1)
	require.Empty(t, c.server.Received(), "who has Slack gets no mail")
	require.Equal(t, "1 question about a meeting waits for your answer.", cards[0].Text, "what shows on a locked screen says nothing")
	for _, want := range []string{secretTitle, "Northwind, seats", "Qualified", "Order form sent", secretWords, "https://debrief.acme.example/inbox/" + id.String()} {
		require.Contains(t, cards[0].Raw, want)
	}
	require.Equal(t, []string{c.question(id).ID.String()}, cards[0].Button(notify.ActApprove))
	require.Len(t, cards[0].Button(notify.ActEdit), 1)
	require.Len(t, cards[0].Button(notify.ActReject), 1)
	require.Empty(t, cards[0].Button(notify.ActApproveAll), "one is all")

	person, err := c.store.PersonBySlackUser(t.Context(), c.org.ID, "UHILDE")
	require.NoError(t, err)
	require.Equal(t, c.host, person.ID)

	// Settled elsewhere, it is settled here: by an edit, and nothing is left to click.
	c.approve(id)
	c.send()
	cards = c.slack.Cards("UHILDE")
	require.Len(t, cards, 1)
	require.Equal(t, 1, cards[0].Edits)
	require.Empty(t, cards[0].Button(notify.ActApprove))
	require.Contains(t, cards[0].Text, "answered")
	c.send()
	require.Equal(t, 1, c.slack.Cards("UHILDE")[0].Edits, "what is shown is not edited again")
	require.Empty(t, c.slack.Replies("UHILDE"))
}

// A later round asks anew: the message is edited, and a line in its thread says
// so, since nobody notices an edit.
func TestALaterRoundEditsTheOneMessage(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	id := c.asked()
	c.send()
	c.asks(id, deal("deal:1"), deal("deal:2"))
	c.send()
	cards := c.slack.Cards("UHILDE")
	require.Len(t, cards, 1)
	require.Len(t, cards[0].Button(notify.ActApprove), 2)
	require.Len(t, strings.Split(cards[0].Button(notify.ActApproveAll)[0], ","), 2)
	replies := c.slack.Replies("UHILDE")
	require.Len(t, replies, 1)
	require.Equal(t, "There are new questions about this meeting.", replies[0].All()[:len(replies[0].All())-1])
	require.Equal(t, cards[0].TS, replies[0].Thread)
}

// Slack has no idempotency key: whatever gets lost, a message is posted once.
func TestAMessageIsNeverRepeated(t *testing.T) {
	t.Parallel()
	cut := map[string]func(c *scene){
		"the answer is lost":   func(c *scene) { c.slack.LoseAnswer("chat.postMessage") },
		"twice in a row":       func(c *scene) { c.slack.LoseAnswer("chat.postMessage"); c.slack.LoseAnswer("conversations.history") },
		"the request is lost":  func(c *scene) { c.slack.LoseRequest("chat.postMessage") },
		"Slack has trouble":    func(c *scene) { c.slack.Refuse("chat.postMessage", "internal_error") },
		"Slack has had enough": func(c *scene) { c.slack.TooMany("chat.postMessage", 30) },
		"the process dies after posting": func(c *scene) {
			c.dies("slack_messages", "new.ts <> '' and old.ts = ''")
		},
		"the notice is not settled": func(c *scene) {
			c.dies("notices", "new.state = 'sent'")
		},
	}
	for name, cut := range cut {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newScene(t)
			c.connect()
			id := c.asked()
			cut(c)
			c.send()
			c.exec(`drop function if exists dies cascade`)
			c.dying = false
			for range 3 {
				c.later()
				c.send()
			}
			require.Len(t, c.slack.Cards("UHILDE"), 1)
			require.Empty(t, c.slack.Replies("UHILDE"))
			require.Empty(t, c.server.Received())
			require.Equal(t, []store.NoticeKind{store.NoticeAsked}, c.kinds(store.NoticeSent))
			c.approve(id)
			c.send()
			require.Contains(t, c.slack.Cards("UHILDE")[0].Text, "answered", "and it is still edited")
		})
	}
}

// dies lets a process come to its end instead of recording that.
func (c *scene) dies(table, when string) {
	c.t.Helper()
	c.exec(`create function dies() returns trigger language plpgsql as 'begin raise exception ''died''; end'`)
	c.dying = true
	c.exec(`create trigger dies before update on ` + table + ` for each row when (` + when + `) execute function dies()`)
}

// While nobody knows whether it was posted, nobody posts it: the claim lasts.
func TestInDoubtNobodyPostsBeforeTheClaimIsOver(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	c.asked()
	c.slack.LoseRequest("chat.postMessage")
	c.send()
	c.exec(`update notices set next_attempt_at = now() where state = 'queued'`)
	c.send()
	posts := func() int {
		return len(slices.DeleteFunc(c.slack.Calls(), func(m string) bool { return m != "chat.postMessage" }))
	}
	require.Equal(t, 1, posts())
	c.later()
	c.send()
	require.Equal(t, 2, posts())
	require.Len(t, c.slack.Cards("UHILDE"), 1)
}

func TestManyOutboxesPostOnce(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	for range 5 {
		c.asked()
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for range 6 {
		o := notify.New(notify.Options{Store: c.store, Slack: c.client(), PublicURL: "https://debrief.acme.example", Log: zerolog.Nop(), Interval: 5 * time.Millisecond})
		running.Go(func() { o.Run(ctx) })
	}
	require.Eventually(t, func() bool { return len(c.kinds(store.NoticeSent)) == 5 }, 30*time.Second, 20*time.Millisecond)
	stop()
	running.Wait()
	require.Len(t, c.slack.Cards("UHILDE"), 5)
}

// Nothing is ever sent to somebody outside the organization's domains: such
// people get no message in Slack, and those who are inside get theirs by mail.
func TestStrangersAndGuestsAreToldNothingInSlack(t *testing.T) {
	t.Parallel()
	for name, user := range map[string]slacktest.User{
		"a guest":                {ID: "UHILDE", Email: "hilde@acme.example", Guest: true},
		"of another workspace":   {ID: "UHILDE", Email: "hilde@acme.example", Stranger: true},
		"deactivated":            {ID: "UHILDE", Email: "hilde@acme.example", Deleted: true},
		"a bot":                  {ID: "UHILDE", Email: "hilde@acme.example", Bot: true},
		"with another's address": {ID: "UHILDE", Email: "hilde@private.example"},
	} {
		for _, linked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, linked %t", name, linked), func(t *testing.T) {
				t.Parallel()
				c := newScene(t)
				c.connect()
				c.slack.AddUser(user)
				if linked {
					require.NoError(t, c.store.LinkSlackUser(t.Context(), c.org.ID, c.host, "UHILDE"))
				}
				c.asked()
				c.send()
				require.Empty(t, c.slack.Everything())
				require.Len(t, c.server.Received(), 1)
				require.Equal(t, []string{"hilde@acme.example"}, c.server.Received()[0].To)
			})
		}
	}
}

// A Slack user who is somebody else's here is not written to for another.
func TestASlackUserBelongsToOnePerson(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	other := c.person("Otto", "otto@acme.example", "member")
	require.NoError(t, c.store.LinkSlackUser(t.Context(), c.org.ID, other, "UHILDE"))
	c.asked()
	c.send()
	require.Empty(t, c.slack.Everything())
	require.Len(t, c.server.Received(), 1)
}

func TestWithoutSlackOneMailAMeetingAndRound(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	id := c.met()
	c.asks(id, deal("deal:1"), deal("deal:2"))
	c.send()
	c.later()
	c.send()
	require.Len(t, c.server.Received(), 1)
	header, bodies := parts(t, c.server.Received()[0].Raw)
	require.Equal(t, "Questions wait for your answer", subject(t, header))
	require.Contains(t, bodies["text/plain"], "2 questions")
	require.Contains(t, bodies["text/plain"], "https://debrief.acme.example/inbox/"+id.String()+"\n")
	raw := c.server.Received()[0].Raw + bodies["text/plain"] + bodies["text/html"]
	for _, private := range []string{secretTitle, secretWords, "Northwind", "42000", "42,000"} {
		require.NotContains(t, raw, private, "mail is read by servers on its way")
	}
	require.NotContains(t, bodies["text/html"], "<form", "nothing is decided in a mail")
	c.asks(id, deal("deal:1"), deal("deal:2"), deal("deal:3"))
	c.send()
	require.Len(t, c.server.Received(), 2, "another round")
}

// What is answered before its turn comes is told to nobody.
func TestSettledCardsAreNotTold(t *testing.T) {
	t.Parallel()
	for _, slack := range []bool{false, true} {
		t.Run(fmt.Sprintf("slack %t", slack), func(t *testing.T) {
			t.Parallel()
			c := newScene(t)
			if slack {
				c.connect()
			}
			c.approve(c.asked())
			c.send()
			require.Empty(t, c.server.Received())
			require.Empty(t, c.slack.Everything())
			require.Equal(t, []store.NoticeKind{store.NoticeAsked}, c.kinds(store.NoticeDropped))
		})
	}
}

func TestQuietHours(t *testing.T) {
	t.Parallel()
	for _, slack := range []bool{false, true} {
		t.Run(fmt.Sprintf("slack %t", slack), func(t *testing.T) {
			t.Parallel()
			c := newScene(t)
			if slack {
				c.connect()
			}
			told := func() int { return len(c.server.Received()) + len(c.slack.Cards("UHILDE")) }
			require.NoError(t, c.store.SetNotifySettings(t.Context(), c.org.ID, store.NotifySettings{TimeZone: "Europe/Berlin", QuietHours: "20:00-08:00"}, store.Operator))
			// 19:30 UTC is 20:30 in Berlin.
			c.at(time.Date(2031, 1, 10, 19, 30, 0, 0, time.UTC))
			id := c.asked()
			c.send()
			require.Zero(t, told())
			c.at(time.Date(2031, 1, 11, 6, 59, 0, 0, time.UTC))
			c.send()
			require.Zero(t, told())
			c.at(time.Date(2031, 1, 11, 7, 0, 0, 0, time.UTC))
			c.send()
			require.Equal(t, 1, told())
			// An edit disturbs nobody.
			c.at(time.Date(2031, 1, 11, 22, 0, 0, 0, time.UTC))
			c.approve(id)
			c.send()
			if slack {
				require.Contains(t, c.slack.Cards("UHILDE")[0].Text, "answered")
			}
			// Who wants no quiet hours has none.
			require.NoError(t, c.store.SetPersonNotify(t.Context(), c.org.ID, c.host, store.NotifySettings{QuietHours: "off"}, store.Operator))
			c.asked()
			c.send()
			require.Equal(t, 2, told())
		})
	}
}

func TestADigestTellsAllAtOnceADay(t *testing.T) {
	t.Parallel()
	for _, slack := range []bool{false, true} {
		t.Run(fmt.Sprintf("slack %t", slack), func(t *testing.T) {
			t.Parallel()
			c := newScene(t)
			if slack {
				c.connect()
			}
			require.NoError(t, c.store.SetPersonNotify(t.Context(), c.org.ID, c.host, store.NotifySettings{Digest: "09:00"}, store.Operator))
			first := c.asked()
			c.asked()
			c.asked()
			c.send()
			require.Empty(t, c.server.Received())
			require.Empty(t, c.slack.Everything())
			c.approve(first)
			c.at(time.Date(2031, 1, 11, 9, 0, 0, 0, time.UTC))
			c.send()
			if slack {
				require.Len(t, c.slack.Cards("UHILDE"), 2, "one a meeting that still waits")
				require.Empty(t, c.server.Received())
			} else {
				require.Len(t, c.server.Received(), 1)
				_, bodies := parts(t, c.server.Received()[0].Raw)
				require.Contains(t, bodies["text/plain"], "After 2 meetings Debrief has 2 questions for you.")
				require.Contains(t, bodies["text/plain"], "https://debrief.acme.example/inbox\n")
			}
			c.asked()
			c.send()
			require.Equal(t, []store.NoticeKind{store.NoticeDigest}, c.kinds(store.NoticeQueued), "the next is tomorrow's")
		})
	}
}

// A channel is read by more people than may see the meeting: it gets its title
// and a link, whatever is asked.
func TestAChannelShowsOnlyTitleAndLink(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	c.slack.AddChannel(slacktest.Channel{ID: "CSALES", Name: "sales", Members: []string{"UHILDE"}})
	require.NoError(t, c.store.SetSlackChannel(t.Context(), c.org.ID, "CSALES", "sales", store.Operator))
	id := c.asked()
	c.send()
	all := c.slack.Messages("CSALES")
	require.Len(t, all, 1)
	require.Contains(t, all[0].Raw, secretTitle)
	require.Contains(t, all[0].Raw, "https://debrief.acme.example/inbox/"+id.String())
	nothingElse := func() {
		t.Helper()
		m := c.slack.Messages("CSALES")[0]
		for _, private := range []string{secretWords, "Northwind, seats", "42000", "42,000", "Order form", "Hilde", "Jane", "hilde@", "deal", "Deal"} {
			require.NotContains(t, m.All(), private)
		}
		for _, action := range []string{notify.ActApprove, notify.ActApproveAll, notify.ActEdit, notify.ActReject} {
			require.Empty(t, m.Button(action), "a channel decides nothing")
		}
	}
	nothingElse()
	c.asks(id, deal("deal:1"), deal("deal:2"))
	c.send()
	c.approve(id)
	c.approve(id)
	c.send()
	require.Len(t, c.slack.Messages("CSALES"), 1, "edited, never repeated")
	require.Contains(t, c.slack.Messages("CSALES")[0].Raw, "Its questions are answered.")
	nothingElse()
	require.Len(t, c.slack.Cards("UHILDE"), 1, "the approver is asked directly all the same")
}

func TestNothingIsSentToAChannelWithStrangers(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(c *scene){
		"a guest": func(c *scene) {
			c.slack.AddUser(slacktest.User{ID: "UGUEST", Email: "guest@acme.example", Guest: true})
			c.slack.AddChannel(slacktest.Channel{ID: "CSALES", Members: []string{"UHILDE", "UGUEST"}})
		},
		"of another domain": func(c *scene) {
			c.slack.AddUser(slacktest.User{ID: "UGUEST", Email: "agency@elsewhere.example"})
			c.slack.AddChannel(slacktest.Channel{ID: "CSALES", Members: []string{"UHILDE", "UGUEST"}})
		},
		"unknown": func(c *scene) {
			c.slack.AddChannel(slacktest.Channel{ID: "CSALES", Members: []string{"UHILDE", "UNOBODY"}})
		},
		"shared": func(c *scene) {
			c.slack.AddChannel(slacktest.Channel{ID: "CSALES", Members: []string{"UHILDE"}, Shared: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newScene(t)
			c.connect()
			c.slack.AddChannel(slacktest.Channel{ID: "CSALES", Members: []string{"UHILDE"}})
			app, err := c.store.SlackApp(t.Context(), c.org.ID)
			require.NoError(t, err)
			_, err = c.client().CheckChannel(t.Context(), app, "CSALES", c.org.Domains)
			require.NoError(t, err)
			require.NoError(t, c.store.SetSlackChannel(t.Context(), c.org.ID, "CSALES", "sales", store.Operator))
			prepare(c)
			_, err = c.client().CheckChannel(t.Context(), app, "CSALES", c.org.Domains)
			require.Error(t, err)
			c.asked()
			c.send()
			require.Empty(t, c.slack.Messages("CSALES"))
			require.Len(t, c.slack.Cards("UHILDE"), 1)
			require.Equal(t, []store.NoticeKind{store.NoticeChannel}, c.kinds(store.NoticeFailed))
		})
	}
}

// In a channel Debrief can't look for its message: it rather posts none than two.
func TestInAChannelADoubtIsNotRepeated(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	c.slack.AddChannel(slacktest.Channel{ID: "CSALES", Members: []string{"UHILDE"}})
	require.NoError(t, c.store.SetSlackChannel(t.Context(), c.org.ID, "CSALES", "sales", store.Operator))
	c.exec(`update notices set state = state`)
	c.asked()
	// Whichever is posted first, the other goes through.
	c.slack.LoseAnswer("chat.postMessage")
	c.slack.LoseAnswer("chat.postMessage")
	for range 4 {
		c.send()
		c.later()
	}
	require.Len(t, c.slack.Messages("CSALES"), 1)
	require.Len(t, c.slack.Cards("UHILDE"), 1)
}

// When Slack does not accept the app any more, its admins hear it once, and the
// people are told by mail.
func TestWhereSlackRefusesTheAppPeopleAreToldByMail(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.person("Ada", "ada@acme.example", "admin")
	c.connect()
	c.slack.Revoke()
	c.asked()
	c.asked()
	c.send()
	c.later()
	c.send()
	to := map[string]int{}
	for _, m := range c.server.Received() {
		to[m.To[0]]++
	}
	require.Equal(t, map[string]int{"ada@acme.example": 1, "hilde@acme.example": 2}, to)
	app, err := c.store.SlackApp(t.Context(), c.org.ID)
	require.NoError(t, err)
	require.Contains(t, app.Problem, "token_revoked")
}

// What is erased, or no longer somebody's to see, goes from Slack, too.
func TestWordsGoFromSlackToo(t *testing.T) {
	t.Parallel()
	gone := func(t *testing.T, c *scene) {
		t.Helper()
		require.Len(t, c.slack.Cards("UHILDE"), 1)
		m := c.slack.Cards("UHILDE")[0]
		for _, private := range []string{secretTitle, secretWords, "Northwind", "Order form"} {
			require.NotContains(t, m.All(), private)
		}
		require.Empty(t, m.Button(notify.ActApprove))
	}
	t.Run("erased", func(t *testing.T) {
		t.Parallel()
		c := newScene(t)
		c.connect()
		id := c.asked()
		c.send()
		require.NoError(t, c.store.EraseMeeting(t.Context(), c.org.ID, id, store.Operator))
		c.send()
		gone(t, c)
	})
	t.Run("left", func(t *testing.T) {
		t.Parallel()
		c := newScene(t)
		c.person("Ada", "ada@acme.example", "admin")
		c.connect()
		id := c.asked()
		c.send()
		_, err := c.store.DeactivatePerson(t.Context(), c.org.ID, c.host, store.DeactivatedByAdmin, store.Operator)
		require.NoError(t, err)
		_, err = c.store.Decide(t.Context(), store.Decision{OrganizationID: c.org.ID, ApprovalID: c.question(id).ID, Verdict: store.Reject, Actor: store.Operator, Via: store.ViaCommandLine})
		require.NoError(t, err)
		c.send()
		gone(t, c)
	})
}

// Who deletes the message gets no other one.
func TestADeletedMessageIsLeftAlone(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	id := c.asked()
	c.send()
	m := c.slack.Cards("UHILDE")[0]
	c.slack.Delete(m.Channel, m.TS)
	c.asks(id, deal("deal:1"), deal("deal:2"))
	c.send()
	c.later()
	c.send()
	require.Empty(t, c.slack.Everything())
	require.Equal(t, []store.NoticeKind{store.NoticeAsked, store.NoticeAsked}, c.kinds(store.NoticeSent))
}

// A card of any size fits into what Slack takes. What does not fit is named, and
// can't be approved unseen.
func TestLargeCardsFit(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	first := c.met()
	var drafts []store.Draft
	for i := range 40 {
		drafts = append(drafts, deal(fmt.Sprintf("deal:%d", i)))
	}
	c.asks(first, drafts...)
	c.send()
	cards := c.slack.Cards("UHILDE")
	require.Len(t, cards, 1)
	buttons := len(cards[0].Button(notify.ActApprove))
	require.GreaterOrEqual(t, buttons, 5)
	require.Contains(t, cards[0].Raw, fmt.Sprintf("%d more questions are on the page.", 40-buttons))
	require.Equal(t, cards[0].Button(notify.ActApprove), strings.Split(cards[0].Button(notify.ActApproveAll)[0], ","), "what is not shown is not approved with the rest")

	long := strings.Repeat("<&>*_~`ß\u202e ", 400)
	huge := deal("deal:1")
	huge.Content.Label, huge.Content.Purpose, huge.Content.Doubt = long, long, long
	huge.Content.Evidence = []meeting.Evidence{{Quote: long, Speaker: long}, {Quote: long, Speaker: long}}
	huge.Content.Properties["description"] = long
	second := c.met()
	c.asks(second, huge, deal("deal:2"))
	c.send()
	cards = c.slack.Cards("UHILDE")
	require.Len(t, cards, 2)
	require.Contains(t, cards[1].Raw, "too long for Slack")
	require.Len(t, cards[1].Button(notify.ActApprove), 1)
	require.Len(t, cards[1].Button(notify.ActReject), 2)
	require.Empty(t, cards[1].Button(notify.ActApproveAll))

	third := c.asked()
	c.slack.Refuse("chat.postMessage", "msg_blocks_too_long")
	c.send()
	cards = c.slack.Cards("UHILDE")
	require.Len(t, cards, 3)
	require.Contains(t, cards[2].Text, "more than Slack takes")
	require.Contains(t, cards[2].Raw, third.String())
}

// What people wrote mentions nobody, and links nowhere.
func TestTextFromOutsideSaysNothingToSlack(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	d := deal("deal:1")
	d.Content.Label = "<!channel> <@UBOSS> <https://evil.example|HubSpot>"
	d.Content.Properties["amount"] = "<!here>"
	id := c.met()
	c.asks(id, d)
	c.send()
	raw := c.slack.Cards("UHILDE")[0].Raw
	for _, mention := range []string{"<!", "<@", "<https://evil"} {
		require.NotContains(t, strings.ReplaceAll(strings.ReplaceAll(raw, `\u003c`, "<"), "<!date", ""), mention)
	}
}

// Neither a log nor an error nor a notice's reason holds a secret or a word.
func TestNoSecretLeaks(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	c.asked()
	c.slack.Refuse("users.lookupByEmail", "xoxb-"+c.slack.Token)
	c.slack.Refuse("conversations.open", c.slack.Token)
	c.slack.LoseAnswer("chat.postMessage")
	for range 4 {
		c.send()
		c.later()
	}
	c.slack.Revoke()
	c.asked()
	c.send()
	_, err := c.client().Identify(t.Context(), store.Secret(c.slack.Token))
	require.Error(t, err)
	app, appErr := c.store.SlackApp(t.Context(), c.org.ID)
	require.NoError(t, appErr)
	all, listErr := c.store.Notices(t.Context(), c.org.ID, "", 100)
	require.NoError(t, listErr)
	text := fmt.Sprint(c.log.String(), err, app, all) + fmt.Sprintf("%+v %#v", app, app)
	for _, secret := range []string{c.slack.Token, c.slack.SigningSecret, secretTitle, secretWords, "hilde@acme.example"} {
		require.NotContains(t, text, secret)
	}
	require.NotContains(t, c.dump(), c.slack.Token)
	require.NotContains(t, c.dump(), c.slack.SigningSecret)
}

// dump is all that stands in clear in what belongs to Slack.
func (c *scene) dump() string {
	c.t.Helper()
	var all string
	require.NoError(c.t, c.db.QueryRow(context.Background(), `
		select coalesce((select string_agg(a::text, ' ') from slack_apps a), '') || coalesce((select string_agg(m::text, ' ') from slack_messages m), '')
		       || coalesce((select string_agg(n::text, ' ') from notices n), '') || coalesce((select string_agg(a::text, ' ') from audit a), '')`).Scan(&all))
	return all
}

// Where there is no mail server, who has no Slack waits, and is told when there
// is one.
func TestWithoutAMailServerMailsWait(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.mail = false
	c.asked()
	c.send()
	require.Equal(t, []store.NoticeKind{store.NoticeAsked}, c.kinds(store.NoticeQueued))
	c.mail = true
	c.later()
	c.send()
	require.Len(t, c.server.Received(), 1)
}

func TestRemindersAnswerTheMessage(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	id := c.asked()
	c.send()
	remind := func() {
		t.Helper()
		c.exec(`insert into notices (id, organization_id, kind, dedupe_key, about) values (gen_random_uuid(), $1, 'approval.reminder', gen_random_uuid()::text, jsonb_build_object('meeting_ids', jsonb_build_array($2::text)))`, c.org.ID, id.String())
	}
	remind()
	c.slack.LoseAnswer("chat.postMessage")
	for range 3 {
		c.send()
		c.later()
	}
	require.Len(t, c.slack.Cards("UHILDE"), 1)
	require.Len(t, c.slack.Replies("UHILDE"), 1, "once, whatever gets lost")
	c.approve(id)
	remind()
	c.send()
	require.Len(t, c.slack.Replies("UHILDE"), 1, "nobody is reminded of what is answered")
}

func TestAGermanCard(t *testing.T) {
	t.Parallel()
	c := newScene(t)
	c.connect()
	require.NoError(t, c.store.SetLanguage(t.Context(), c.org.ID, "hilde@acme.example", "de"))
	c.asked()
	c.send()
	m := c.slack.Cards("UHILDE")[0]
	require.Equal(t, "1 Frage zu einem Meeting wartet auf Ihre Antwort.", m.Text)
	require.Contains(t, m.Raw, "Genehmigen")
}
