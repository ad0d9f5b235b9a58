package web_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/rs/zerolog"
	"github.com/slack-go/slack"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/notify"
	"github.com/debriefhq/debrief/notify/slacktest"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/web"
)

// slacked is a follow-up whose host is asked in Slack.
type slacked struct {
	*followUp

	slack  *slacktest.Server
	to     string
	outbox *notify.Outbox
	mu     sync.Mutex
	errors []string
}

func inSlack(t *testing.T, drafts ...store.Draft) *slacked {
	t.Helper()
	ctx := t.Context()
	b := setup(t)
	f := b.met(t, "Northwind & seats")
	s := &slacked{followUp: f, slack: slacktest.New()}
	t.Cleanup(s.slack.Close)
	api := notify.NewSlack(notify.SlackOptions{
		APIURL: s.slack.APIURL(), HTTPClient: &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}},
	})
	b.as(t, "hilde@acme.example", store.RoleMember)
	b.as(t, "tom@acme.example", store.RoleViewer)
	f.hosts(t, "hilde@acme.example")
	s.slack.AddUser(slacktest.User{ID: "UHILDE", Email: "hilde@acme.example"})
	s.slack.AddUser(slacktest.User{ID: "UTOM", Email: "tom@acme.example"})
	s.slack.AddUser(slacktest.User{ID: "UNOBODY", Email: "nobody@acme.example"})
	tom, err := b.store.PersonByEmail(ctx, b.org.ID, "tom@acme.example")
	require.NoError(t, err)
	require.NoError(t, b.store.LinkSlackUser(ctx, b.org.ID, tom.ID, "UTOM"))
	app, err := api.Identify(ctx, store.Secret(s.slack.Token))
	require.NoError(t, err)
	app.OrganizationID, app.SigningSecret = b.org.ID, store.Secret(s.slack.SigningSecret)
	require.NoError(t, b.store.ConnectSlack(ctx, app, store.Operator))

	engine := gin.New()
	answers := &web.SlackAnswers{Store: b.store, Slack: api, OnError: func(_ context.Context, doing string, err error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.errors = append(s.errors, fmt.Sprintf("%s: %s", doing, err))
	}}
	answers.Register(engine)
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)
	s.to = server.URL + web.SlackPath

	s.outbox = notify.New(notify.Options{Store: b.store, Slack: api, PublicURL: "https://debrief.acme.example", Log: zerolog.Nop(), Interval: 10 * time.Millisecond})
	running, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); s.outbox.Run(running) }()
	t.Cleanup(func() { stop(); <-done })
	if len(drafts) > 0 {
		f.plan(t, drafts...)
		s.shows(t, func(slacktest.Message) bool { return true })
	}
	return s
}

// shows waits until Hilde's message is as wanted, and returns it.
func (s *slacked) shows(t *testing.T, wanted func(slacktest.Message) bool) slacktest.Message {
	t.Helper()
	var found slacktest.Message
	require.Eventually(t, func() bool {
		cards := s.slack.Cards("UHILDE")
		if len(cards) != 1 || !wanted(cards[0]) {
			return false
		}
		found = cards[0]
		return true
	}, 20*time.Second, 10*time.Millisecond)
	return found
}

func (s *slacked) card(t *testing.T) slacktest.Message {
	t.Helper()
	return s.shows(t, func(slacktest.Message) bool { return true })
}

// click clicks and checks that Slack got its answer in time.
func (s *slacked) click(t *testing.T, user, action, value string) {
	t.Helper()
	s.send(t, s.slack.Click(user, s.card(t), action, value))
}

func (s *slacked) send(t *testing.T, p slacktest.Payload) slacktest.Answer {
	t.Helper()
	a, err := s.slack.Send(s.to, p)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.Status)
	require.Less(t, a.Took, 3*time.Second)
	return a
}

// modal clicks and returns the modal that opens.
func (s *slacked) modal(t *testing.T, user, action, key string) slack.View {
	t.Helper()
	before := len(s.slack.Views())
	s.click(t, user, action, s.question(t, key).ID.String())
	views := s.slack.Views()
	require.Len(t, views, before+1)
	return views[before]
}

// whispered waits for the sentence that only who clicked sees.
func (s *slacked) whispered(t *testing.T, sentence string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(strings.Join(s.slack.Whispers(), "\n"), sentence) }, 10*time.Second, 10*time.Millisecond,
		"%s is not among %s", sentence, s.slack.Whispers())
}

func (s *slacked) state(t *testing.T, key string) store.ApprovalState {
	t.Helper()
	return s.question(t, key).State
}

func TestApprovedInSlack(t *testing.T) {
	t.Parallel()
	s := inSlack(t, usual()...)
	q := s.question(t, "deal:900")
	s.click(t, "UHILDE", notify.ActApprove, q.ID.String())
	q = s.question(t, "deal:900")
	require.Equal(t, store.ApprovalApproved, q.State)
	require.Equal(t, store.ViaSlack, q.Via)
	require.Equal(t, "slack", q.DecidedBy)
	m := s.shows(t, func(m slacktest.Message) bool { return m.Edits > 0 && len(m.Button(notify.ActApprove)) == 2 })
	require.NotContains(t, m.Button(notify.ActApprove), q.ID.String())
	require.Empty(t, s.slack.Whispers(), "of what is decided the message tells")
	app, err := s.store.SlackApp(t.Context(), s.org.ID)
	require.NoError(t, err)
	require.NotNil(t, app.VerifiedAt)

	s.click(t, "UHILDE", notify.ActApproveAll, m.Button(notify.ActApproveAll)[0])
	require.Equal(t, store.ApprovalApproved, s.state(t, "contact:jane"))
	require.Equal(t, store.ApprovalApproved, s.state(t, "deal:new"))
	m = s.shows(t, func(m slacktest.Message) bool { return len(m.Button(notify.ActApprove)) == 0 })
	require.Contains(t, m.Text, "answered")
	require.Empty(t, s.errors)
}

// Slack sends a payload again when it waited too long, and people click twice.
func TestTwoOfTheSameClickAreOneDecision(t *testing.T) {
	t.Parallel()
	s := inSlack(t, usual()...)
	q := s.question(t, "deal:900")
	p := s.slack.Click("UHILDE", s.card(t), notify.ActApprove, q.ID.String())
	var clicks sync.WaitGroup
	for range 8 {
		clicks.Go(func() {
			a, err := s.slack.Send(s.to, p)
			if err != nil || a.Status != http.StatusOK {
				t.Errorf("the click was answered %d (%v)", a.Status, err)
			}
		})
	}
	clicks.Wait()
	require.Equal(t, store.ApprovalApproved, s.state(t, "deal:900"))
	trail, err := s.store.AuditTrail(t.Context(), s.org.ID, store.AuditFilter{Kind: store.AuditDecision})
	require.NoError(t, err)
	require.Len(t, trail, 1)
	s.whispered(t, "already approved")
}

func TestEditedInSlack(t *testing.T) {
	t.Parallel()
	s := inSlack(t, usual()...)
	view := s.modal(t, "UHILDE", notify.ActEdit, "deal:900")
	// Nothing changed is no edit.
	require.NotEmpty(t, s.send(t, s.slack.Submit("UHILDE", view, nil)).Errors())
	require.Equal(t, store.ApprovalPending, s.state(t, "deal:900"))
	a := s.send(t, s.slack.Submit("UHILDE", view, map[string]string{"property:amount": "43000"}))
	require.Empty(t, a.Body, "the modal closes")
	q := s.question(t, "deal:900")
	require.Equal(t, store.ApprovalEdited, q.State)
	answers, _, err := s.store.Answers(t.Context(), s.org.ID, s.meeting)
	require.NoError(t, err)
	require.Equal(t, map[string]string{"amount": "43000"}, answers["deal:900"], "what was not changed is not in the edit")
	// Sent twice, it is refused in the modal.
	require.NotEmpty(t, s.send(t, s.slack.Submit("UHILDE", view, map[string]string{"property:amount": "44000"})).Errors())
	s.shows(t, func(m slacktest.Message) bool { return len(m.Button(notify.ActApprove)) == 2 })
	require.Empty(t, s.errors)
}

func TestRejectedInSlackWithAReason(t *testing.T) {
	t.Parallel()
	s := inSlack(t, usual()...)
	view := s.modal(t, "UHILDE", notify.ActReject, "contact:jane")
	require.Empty(t, s.send(t, s.slack.Submit("UHILDE", view, map[string]string{"reason": "She is a competitor"})).Body)
	require.Equal(t, store.ApprovalRejected, s.state(t, "contact:jane"))
	facts, err := s.store.CardFacts(t.Context(), s.org.ID, s.meeting)
	require.NoError(t, err)
	q := facts.Questions[s.question(t, "contact:jane").ActionID]
	require.Equal(t, "She is a competitor", q[len(q)-1].Said)
	s.shows(t, func(m slacktest.Message) bool { return strings.Contains(m.Raw, "Rejected") })
}

// Whoever may not answer gets a sentence that nobody else sees, and decides
// nothing: a stranger to Debrief, and one without the right.
func TestOthersDecideNothingInSlack(t *testing.T) {
	t.Parallel()
	s := inSlack(t, usual()...)
	before := s.answers(t)
	for user, sentence := range map[string]string{"UNOBODY": "does not know you", "UELSEWHERE": "does not know you", "UTOM": "viewer"} {
		q := s.question(t, "deal:900").ID.String()
		s.click(t, user, notify.ActApprove, q)
		s.click(t, user, notify.ActEdit, q)
		s.click(t, user, notify.ActReject, q)
		s.click(t, user, notify.ActApproveAll, q)
		s.whispered(t, sentence)
	}
	require.Empty(t, s.slack.Views(), "and sees nothing")
	view := s.modal(t, "UHILDE", notify.ActReject, "deal:900")
	for _, user := range []string{"UNOBODY", "UTOM"} {
		require.NotEmpty(t, s.send(t, s.slack.Submit(user, view, nil)).Errors())
	}
	require.Equal(t, before, s.answers(t))
}

// A button stays in Slack for as long as the message does. What it says is judged
// when it is pressed: settled, withdrawn, expired, and of another organization.
func TestOldButtonsDoNothing(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(t *testing.T, s *slacked){
		"settled elsewhere": func(t *testing.T, s *slacked) {
			t.Helper()
			_, err := s.store.Decide(t.Context(), store.Decision{
				OrganizationID: s.org.ID, ApprovalID: s.question(t, "deal:900").ID, Verdict: store.Reject, Actor: store.Operator, Via: store.ViaCommandLine,
			})
			require.NoError(t, err)
		},
		"asked anew with other content": func(t *testing.T, s *slacked) {
			t.Helper()
			drafts := usual()
			drafts[1].Content.Properties["amount"] = "99000"
			s.plan(t, drafts...)
		},
		"expired": func(t *testing.T, s *slacked) {
			t.Helper()
			s.exec(t, `update approvals set asked_at = now() - interval '9 days', expires_at = now() - interval '1 second'`)
		},
		"denied meanwhile": func(t *testing.T, s *slacked) {
			t.Helper()
			require.NoError(t, s.store.SetPermission(t.Context(), s.org.ID, updateDeal, "deny", store.Operator))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := inSlack(t, usual()...)
			old := s.card(t)
			q := s.question(t, "deal:900").ID.String()
			modal := s.modal(t, "UHILDE", notify.ActEdit, "deal:900")
			prepare(t, s)
			before := s.answers(t)
			s.send(t, s.slack.Click("UHILDE", old, notify.ActApprove, q))
			require.Eventually(t, func() bool { return len(s.slack.Whispers()) > 0 }, 10*time.Second, 10*time.Millisecond)
			require.NotEmpty(t, s.send(t, s.slack.Submit("UHILDE", modal, map[string]string{"property:amount": "1"})).Errors())
			require.Equal(t, before, s.answers(t))
		})
	}
}

// Only what is signed with the app's own secret, now, and for its own workspace
// is taken.
func TestForgedClicksAreNotTaken(t *testing.T) {
	t.Parallel()
	s := inSlack(t, usual()...)
	before := s.answers(t)
	p := s.slack.Click("UHILDE", s.card(t), notify.ActApprove, s.question(t, "deal:900").ID.String())
	now := strconv.FormatInt(time.Now().Unix(), 10)
	right := slacktest.Sign(s.slack.SigningSecret, now, p.Form())
	with := func(name string, value any) slacktest.Payload {
		forged := slacktest.Payload{}
		maps.Copy(forged, p)
		forged[name] = value
		return forged
	}
	status := func(name string, a slacktest.Answer, err error) {
		t.Helper()
		require.NoError(t, err, name)
		require.Equal(t, http.StatusUnauthorized, a.Status, name)
		require.Empty(t, a.Body, name)
	}
	a, err := s.slack.SendSigned(s.to, p, "another secret", time.Now())
	status("another secret", a, err)
	a, err = s.slack.SendSigned(s.to, p, "", time.Now())
	status("no secret", a, err)
	a, err = s.slack.SendSigned(s.to, p, "nobody's", time.Now())
	status("a guess", a, err)
	a, err = s.slack.SendSigned(s.to, p, s.slack.SigningSecret, time.Now().Add(-6*time.Minute))
	status("six minutes old", a, err)
	a, err = s.slack.SendSigned(s.to, p, s.slack.SigningSecret, time.Now().Add(6*time.Minute))
	status("from the future", a, err)
	a, err = s.slack.SendSigned(s.to, with("team", map[string]string{"id": "T0OTHER"}), s.slack.SigningSecret, time.Now())
	status("another workspace", a, err)
	a, err = s.slack.SendSigned(s.to, with("api_app_id", "A0OTHER"), "nobody's", time.Now())
	status("an app that is not known, with the secret that stands in for its own", a, err)
	a, err = slacktest.SendRaw(s.to, p.Form()+"&more=1", http.Header{"X-Slack-Request-Timestamp": {now}, "X-Slack-Signature": {right}})
	status("changed after signing", a, err)
	a, err = slacktest.SendRaw(s.to, p.Form(), http.Header{})
	status("not signed", a, err)
	a, err = slacktest.SendRaw(s.to, p.Form(), http.Header{"X-Slack-Request-Timestamp": {now}, "X-Slack-Signature": {strings.TrimPrefix(right, "v0=")}})
	status("without a version", a, err)
	a, err = slacktest.SendRaw(s.to, "payload="+strings.Repeat("x", 2<<20), http.Header{})
	require.NoError(t, err)
	require.Equal(t, http.StatusRequestEntityTooLarge, a.Status)
	require.Equal(t, before, s.answers(t))
	require.Empty(t, s.slack.Whispers())
	for _, secret := range []string{s.slack.Token, s.slack.SigningSecret} {
		require.NotContains(t, fmt.Sprint(s.errors), secret)
	}
}

// Another organization's app is verified with its own secret, and reaches its own
// questions alone.
func TestAnotherOrganizationsClickReachesNothingHere(t *testing.T) {
	t.Parallel()
	s := inSlack(t, usual()...)
	ctx := t.Context()
	other, err := s.store.CreateOrganization(ctx, "globex", []string{"globex.example"}, store.Settings{}, store.Operator)
	require.NoError(t, err)
	p, err := s.store.AddPerson(ctx, store.Person{OrganizationID: other.ID, Name: "Eve", Role: store.RoleAdmin, Identities: []store.Identity{
		{Kind: store.IdentityEmail, Value: "eve@globex.example"}, {Kind: store.IdentitySlackUser, Value: "UHILDE"},
	}}, store.Operator)
	require.NoError(t, err)
	require.NotEmpty(t, p.ID)
	require.NoError(t, s.store.ConnectSlack(ctx, store.SlackApp{
		OrganizationID: other.ID, TeamID: "T0GLOBEX", AppID: "A0GLOBEX", TeamName: "Globex", BotUserID: "U0BOT",
		BotToken: store.Secret(s.slack.Token), SigningSecret: "globex's own secret",
	}, store.Operator))
	before := s.answers(t)
	click := s.slack.Click("UHILDE", s.card(t), notify.ActApprove, s.question(t, "deal:900").ID.String())
	click["team"], click["api_app_id"] = map[string]string{"id": "T0GLOBEX"}, "A0GLOBEX"
	a, err := s.slack.SendSigned(s.to, click, s.slack.SigningSecret, time.Now())
	require.NoError(t, err)
	require.Equal(t, http.StatusUnauthorized, a.Status)
	a, err = s.slack.SendSigned(s.to, click, "globex's own secret", time.Now())
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, a.Status)
	s.whispered(t, "no such question")
	require.Equal(t, before, s.answers(t))
	require.Error(t, s.store.ConnectSlack(ctx, store.SlackApp{
		OrganizationID: other.ID, TeamID: s.slack.TeamID, AppID: s.slack.AppID, BotToken: "xoxb-1", SigningSecret: "1",
	}, store.Operator), "nobody could tell whose click comes")
}

// Link scanners and previews open addresses: nothing is there for them.
func TestGetDecidesNothingInSlack(t *testing.T) {
	t.Parallel()
	s := inSlack(t, usual()...)
	before := s.answers(t)
	p := s.slack.Click("UHILDE", s.card(t), notify.ActApprove, s.question(t, "deal:900").ID.String())
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut} {
		r, err := http.NewRequestWithContext(t.Context(), method, s.to+"?"+p.Form(), nil)
		require.NoError(t, err)
		now := strconv.FormatInt(time.Now().Unix(), 10)
		r.Header.Set("X-Slack-Request-Timestamp", now)
		r.Header.Set("X-Slack-Signature", slacktest.Sign(s.slack.SigningSecret, now, ""))
		response, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		require.Equal(t, http.StatusNotFound, response.StatusCode)
	}
	http.DefaultClient.CloseIdleConnections()
	require.Equal(t, before, s.answers(t))
}

// The signing secret knows one URL to answer at: Slack's own.
func TestWhispersGoToSlackAlone(t *testing.T) {
	t.Parallel()
	s := inSlack(t, usual()...)
	p := s.slack.Click("UNOBODY", s.card(t), notify.ActApprove, s.question(t, "deal:900").ID.String())
	reached := false
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	p["response_url"] = elsewhere.URL
	s.send(t, p)
	require.Eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.errors) > 0 }, 10*time.Second, 10*time.Millisecond)
	elsewhere.Close()
	require.False(t, reached)
}

// A vote that is not the last leaves the message as it is: who gave it is told.
func TestAVoteInSlackIsConfirmed(t *testing.T) {
	t.Parallel()
	s := inSlack(t, usual()...)
	approver := s.as(t, "approver@acme.example", store.RoleApprover)
	org, err := s.store.Organization(t.Context(), s.org.ID)
	require.NoError(t, err)
	org.Settings.Approvals.Quorum = 2
	require.NoError(t, s.store.UpdateSettings(t.Context(), org.ID, org.Domains, org.Settings, store.Operator))
	s.click(t, "UHILDE", notify.ActApprove, s.question(t, "deal:900").ID.String())
	s.whispered(t, "Your approval is recorded. Somebody else has to approve, too.")
	require.Equal(t, store.ApprovalPending, s.state(t, "deal:900"))

	// So it stands on the page, too.
	page := approver.do(t, http.MethodGet, s.server.URL+"/inbox").body
	require.Contains(t, page, "<strong>1 of 2 approved</strong>: Ms hilde@acme.example")
}
