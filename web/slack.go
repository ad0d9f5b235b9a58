package web

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/slack-go/slack"

	"github.com/debriefhq/debrief/card"
	"github.com/debriefhq/debrief/notify"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// SlackPath is where Slack sends what people click, as the app's manifest names
// it.
const SlackPath = "/slack/interactions"

const (
	// slackBody bounds a payload: a message of 50 blocks comes back with each click.
	slackBody = 1 << 20
	// Slack waits three seconds for an answer, and a trigger for a modal expires as
	// soon (docs.slack.dev/interactivity/handling-user-interaction, read in November
	// 2026).
	slackAnswer = 2500 * time.Millisecond
	// slackWhisper bounds what is told after the answer.
	slackWhisper = 8 * time.Second
)

// SlackStore is what answers from Slack need of the store.
type SlackStore interface {
	SlackAppIn(ctx context.Context, teamID, appID string) (store.SlackApp, error)
	SlackVerified(ctx context.Context, organizationID uuid.UUID) error
	PersonBySlackUser(ctx context.Context, organizationID uuid.UUID, user string) (store.Person, error)
	Addressee(ctx context.Context, organizationID, personID uuid.UUID) (store.Addressee, error)
	Approvals(ctx context.Context, organizationID uuid.UUID, f store.ApprovalFilter) ([]store.Approval, error)
	CardFacts(ctx context.Context, organizationID, meetingID uuid.UUID) (store.CardFacts, error)
	MaySee(ctx context.Context, organizationID, meetingID, personID uuid.UUID) error
	Decide(ctx context.Context, d store.Decision) (store.Decided, error)
}

// SlackAnswers takes what people click in Slack. Each payload has to be signed
// with the secret of the app that it names; each decision is the store's.
type SlackAnswers struct {
	// Store holds the apps, and decides.
	Store SlackStore
	// Slack opens modals and whispers.
	Slack *notify.Slack
	// OnError is told of failures that are not the person's; nil for nobody.
	OnError func(ctx context.Context, doing string, err error)
}

// Register adds the endpoint to a router. It takes POST alone: no link and no
// preview decides anything.
func (s *SlackAnswers) Register(r gin.IRouter) { r.POST(SlackPath, s.take) }

func (s *SlackAnswers) failed(ctx context.Context, doing string, err error) {
	if s.OnError != nil {
		s.OnError(ctx, doing, err)
	}
}

// click is a verified payload, and who it is from.
type click struct {
	slack.InteractionCallback

	app    store.SlackApp
	person store.Person
	words.Printer
}

func (s *SlackAnswers) take(c *gin.Context) {
	raw, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, slackBody))
	if err != nil {
		c.Status(http.StatusRequestEntityTooLarge)
		return
	}
	ctx, cancel := context.WithTimeout(c.Request.Context(), slackAnswer)
	defer cancel()
	k, status := s.verify(ctx, c.Request.Header, raw)
	if status != http.StatusOK {
		c.Status(status)
		return
	}
	var sentence string
	switch k.Type { //nolint:exhaustive // of the others Debrief offers none
	case slack.InteractionTypeViewSubmission:
		s.submitted(ctx, c, k)
		return
	case slack.InteractionTypeBlockActions:
		sentence = s.clicked(ctx, k)
	}
	// Slack has its answer, and then who clicked has theirs.
	c.Header("Content-Length", "0")
	c.Status(http.StatusOK)
	c.Writer.WriteHeaderNow()
	c.Writer.Flush()
	if sentence == "" {
		return
	}
	later, done := context.WithTimeout(context.WithoutCancel(ctx), slackWhisper)
	defer done()
	if err := s.Slack.Whisper(later, k.ResponseURL, sentence); err != nil {
		s.failed(later, "answering a click in Slack", err)
	}
}

// verify finds the app that a payload names, and checks with its secret that the
// payload is Slack's and not older than five minutes
// (docs.slack.dev/authentication/verifying-requests-from-slack, read in November
// 2026). Until then nothing of the payload is believed but whose secret to try.
// An app that is not known and a wrong signature get the same answer.
func (s *SlackAnswers) verify(ctx context.Context, header http.Header, raw []byte) (click, int) {
	form, err := url.ParseQuery(string(raw))
	if err != nil {
		return click{}, http.StatusBadRequest
	}
	var k click
	if err := json.Unmarshal([]byte(form.Get("payload")), &k.InteractionCallback); err != nil {
		return click{}, http.StatusBadRequest
	}
	k.app, err = s.Store.SlackAppIn(ctx, k.Team.ID, k.APIAppID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		s.failed(ctx, "finding the Slack app of a click", err)
		return click{}, http.StatusServiceUnavailable
	}
	known := err == nil
	secret := k.app.SigningSecret.Reveal()
	if !known {
		secret = "nobody's"
	}
	verifier, err := slack.NewSecretsVerifier(header, secret)
	if err != nil {
		return click{}, http.StatusUnauthorized
	}
	if _, err := verifier.Write(raw); err != nil || verifier.Ensure() != nil || !known {
		return click{}, http.StatusUnauthorized
	}
	if err := s.Store.SlackVerified(ctx, k.app.OrganizationID); err != nil {
		s.failed(ctx, "recording a verified click", err)
	}
	return k, http.StatusOK
}

// knows finds who clicked. The sentence is why nothing comes of it.
func (s *SlackAnswers) knows(ctx context.Context, k *click) (sentence string) {
	var err error
	k.person, err = s.Store.PersonBySlackUser(ctx, k.app.OrganizationID, k.User.ID)
	if errors.Is(err, store.ErrNotFound) {
		return k.T("Debrief does not know you: ask an admin to add your Slack user on your page.")
	}
	if err != nil {
		return s.trouble(ctx, k, "finding who clicked in Slack", err)
	}
	if to, err := s.Store.Addressee(ctx, k.app.OrganizationID, k.person.ID); err == nil {
		k.Printer = words.In(to.Language)
	}
	return ""
}

func (s *SlackAnswers) trouble(ctx context.Context, k *click, doing string, err error) string {
	s.failed(ctx, doing, err)
	return k.T("This did not work just now, and nothing was decided. Try it again in a minute.")
}

// clicked does what a button says. The sentence is what only who clicked is told;
// of what is decided the message itself tells.
func (s *SlackAnswers) clicked(ctx context.Context, k click) (sentence string) {
	if len(k.ActionCallback.BlockActions) == 0 {
		return ""
	}
	action := k.ActionCallback.BlockActions[0]
	if action.ActionID == notify.ActOpen {
		return "" // the browser opens the page
	}
	if sentence := s.knows(ctx, &k); sentence != "" {
		return sentence
	}
	switch action.ActionID {
	case notify.ActApprove:
		sentence = s.approve(ctx, &k, []string{action.Value})
	case notify.ActApproveAll:
		sentence = s.approve(ctx, &k, strings.Split(action.Value, ","))
	case notify.ActEdit, notify.ActReject:
		sentence = s.openModal(ctx, &k, action.ActionID, action.Value)
	}
	return sentence
}

// decide carries a decision to the one judge. The sentence is why it was refused.
func (s *SlackAnswers) decide(ctx context.Context, k *click, d store.Decision, approval string) (decided store.Decided, sentence string) {
	id, err := uuid.Parse(approval)
	if err != nil {
		return decided, k.T("This question is no longer open.")
	}
	d.OrganizationID, d.ApprovalID, d.Via = k.app.OrganizationID, id, store.ViaSlack
	d.Actor = store.Actor{Name: "slack", PersonID: &k.person.ID}
	decided, err = s.Store.Decide(ctx, d)
	var refusal *store.Refusal
	switch {
	case errors.As(err, &refusal):
		return decided, k.Known(refusal.Sentence)
	case err != nil:
		return decided, s.trouble(ctx, k, "deciding in Slack", err)
	}
	return decided, ""
}

// approve approves what the message showed, one question after the other: what was
// not shown is not approved.
func (s *SlackAnswers) approve(ctx context.Context, k *click, approvals []string) (sentence string) {
	approved, waiting := 0, false
	var refused []string
	for _, id := range approvals {
		decided, sentence := s.decide(ctx, k, store.Decision{Verdict: store.Approve}, id)
		if sentence != "" {
			refused = append(refused, sentence)
			continue
		}
		approved++
		waiting = waiting || decided.State == store.ApprovalPending
	}
	switch {
	case len(refused) > 0 && len(approvals) == 1:
		return refused[0]
	case len(refused) > 0:
		return k.T("%d were approved. The others were not: %s", approved, strings.Join(refused, " "))
	case waiting:
		// The message goes on asking, for the others.
		return k.T("Your approval is recorded. Somebody else has to approve, too.")
	}
	return ""
}

// openModal asks for other values, or for a reason.
func (s *SlackAnswers) openModal(ctx context.Context, k *click, action, approval string) string {
	id, err := uuid.Parse(approval)
	if err != nil {
		return k.T("This question is no longer open.")
	}
	meetingID, line, sentence := s.line(ctx, k, id)
	if sentence != "" {
		return sentence
	}
	view := notify.RejectModal(meetingID, line, k.Printer)
	if action == notify.ActEdit {
		view = notify.EditModal(meetingID, line, k.Printer)
	}
	if err := s.Slack.OpenModal(ctx, k.app.BotToken, k.TriggerID, view); err != nil {
		return s.trouble(ctx, k, "opening a modal in Slack", err)
	}
	return ""
}

// line reads an open question for somebody who may see it.
func (s *SlackAnswers) line(ctx context.Context, k *click, approvalID uuid.UUID) (uuid.UUID, card.Line, string) {
	found, err := s.Store.Approvals(ctx, k.app.OrganizationID, store.ApprovalFilter{ID: approvalID, Limit: 1})
	if err != nil {
		return uuid.Nil, card.Line{}, s.trouble(ctx, k, "reading a question for Slack", err)
	}
	if len(found) == 0 {
		return uuid.Nil, card.Line{}, k.T("This question is no longer open.")
	}
	meetingID := found[0].Action.Origin.ID
	err = s.Store.MaySee(ctx, k.app.OrganizationID, meetingID, k.person.ID)
	var refusal *store.Refusal
	if errors.As(err, &refusal) {
		return uuid.Nil, card.Line{}, k.Known(refusal.Sentence)
	}
	var facts store.CardFacts
	if err == nil {
		facts, err = s.Store.CardFacts(ctx, k.app.OrganizationID, meetingID)
	}
	if err != nil {
		return uuid.Nil, card.Line{}, s.trouble(ctx, k, "reading a card for Slack", err)
	}
	for _, l := range card.Of(facts, k.Printer).Open() {
		if *l.ApprovalID == approvalID {
			return meetingID, l, ""
		}
	}
	return uuid.Nil, card.Line{}, k.T("This question is no longer open.")
}

// submitted takes a modal. What is refused is said in it, and it stays open.
func (s *SlackAnswers) submitted(ctx context.Context, c *gin.Context, k click) {
	sentence := s.submit(ctx, &k)
	if sentence == "" {
		// An empty answer closes the modal.
		c.Status(http.StatusOK)
		return
	}
	c.JSON(http.StatusOK, slack.NewErrorsViewSubmissionResponse(map[string]string{notify.FirstField(k.View): sentence}))
}

func (s *SlackAnswers) submit(ctx context.Context, k *click) (sentence string) {
	if sentence := s.knows(ctx, k); sentence != "" {
		return sentence
	}
	about, err := notify.ReadModalAbout(k.View)
	if err != nil || k.View.CallbackID != notify.ModalEdit && k.View.CallbackID != notify.ModalReject {
		return k.T("This question is no longer open.")
	}
	d := store.Decision{Verdict: store.Reject, Reason: notify.ReadReason(k.View), MeetingID: about.MeetingID}
	if k.View.CallbackID == notify.ModalEdit {
		_, line, sentence := s.line(ctx, k, about.ApprovalID)
		if sentence != "" {
			return sentence
		}
		d.Verdict, d.Edit, d.Reason = store.Edit, notify.ReadEdit(k.View, line), ""
		if len(d.Edit) == 0 {
			return k.T("Nothing was changed: press Cancel, and then Approve.")
		}
	}
	_, sentence = s.decide(ctx, k, d, about.ApprovalID.String())
	return sentence
}
