package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/slack-go/slack"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// SlackAPIURL is Slack's Web API.
const SlackAPIURL = slack.APIURL

// slackTimeout bounds one request to Slack.
const slackTimeout = 8 * time.Second

// SlackScopes are what the app's bot token has to be granted, and no more: to
// write, to open a conversation with a person and find its own message there
// again, to look people up, and to see who is in the channel that was chosen.
func SlackScopes() []string {
	return []string{"chat:write", "im:write", "im:history", "users:read", "users:read.email", "channels:read", "groups:read"}
}

// SlackOptions say where Slack is.
type SlackOptions struct {
	// APIURL is the Web API's; empty for Slack's own.
	APIURL string
	// HTTPClient calls it; nil for one of its own.
	HTTPClient *http.Client
}

// Slack calls Slack's Web API. Make it with [NewSlack]; it is safe for
// concurrent use. Its errors are [*SendError]s.
type Slack struct {
	api  string
	http *http.Client
}

// NewSlack returns a client. It connects to nothing yet.
func NewSlack(o SlackOptions) *Slack {
	s := &Slack{api: o.APIURL, http: o.HTTPClient}
	if s.api == "" {
		s.api = SlackAPIURL
	}
	if !strings.HasSuffix(s.api, "/") {
		s.api += "/"
	}
	if s.http == nil {
		s.http = &http.Client{Timeout: slackTimeout}
	}
	return s
}

func (s *Slack) as(token store.Secret) *slack.Client {
	return slack.New(token.Reveal(), slack.OptionAPIURL(s.api), slack.OptionHTTPClient(s.http))
}

// slackRefusal are the errors of Slack's that are about the app itself: no
// message fares better until somebody connects it anew
// (docs.slack.dev/reference/methods/chat.postMessage, "Errors", read in November
// 2026).
var slackRefusals = map[string]string{
	"invalid_auth": "Slack does not accept the bot token", "not_authed": "Slack does not accept the bot token",
	"token_revoked": "the bot token was revoked", "token_expired": "the bot token has expired",
	"account_inactive": "the app was removed from the workspace", "missing_scope": "the app lacks a scope",
	"no_permission": "the app lacks a scope", "org_login_required": "the workspace is being moved",
	"ekm_access_denied": "the workspace's keys are suspended", "team_access_not_granted": "the app was not granted the workspace",
}

// slackError says what went wrong in words of our own. Of what Slack said only
// the error's name is kept, which is a word of Slack's own.
func slackError(err error) *SendError {
	var limited *slack.RateLimitedError
	var status slack.StatusCodeError
	var said slack.SlackErrorResponse
	switch {
	case errors.As(err, &limited):
		return &SendError{Reason: "Slack wants to be left alone for a while (429)", After: min(max(limited.RetryAfter, time.Second), time.Hour)}
	case errors.As(err, &status) && status.Code == http.StatusTooManyRequests:
		return &SendError{Reason: "Slack wants to be left alone for a while (429)", After: time.Minute}
	case errors.As(err, &status) && status.Code < 500:
		return &SendError{Reason: fmt.Sprintf("Slack answered %d", status.Code)}
	case errors.As(err, &status):
		return &SendError{Reason: fmt.Sprintf("Slack answered %d", status.Code), Doubt: true}
	case errors.As(err, &said):
		code := word(said.Err)
		switch code {
		// "It's possible some aspect of the operation succeeded before the error
		// was raised" is what Slack says of these.
		case "internal_error", "fatal_error", "service_unavailable", "request_timeout":
			return &SendError{Reason: "Slack has trouble (" + code + ")", code: code, Doubt: true}
		case "ratelimited", "rate_limited":
			return &SendError{Reason: "Slack wants to be left alone for a while", code: code, After: time.Minute}
		case "team_added_to_org", "accesslimited", "deprecated_endpoint":
			return &SendError{Reason: "Slack does not take it for now (" + code + ")", code: code}
		}
		if reason, ok := slackRefusals[code]; ok {
			return &SendError{Reason: fmt.Sprintf("%s (%s)", reason, code), code: code, Refused: true}
		}
		return &SendError{Reason: "Slack refused it (" + code + ")", code: code, Permanent: true}
	default:
		return &SendError{Reason: "Slack can't be reached, or did not answer in time", Doubt: true}
	}
}

// word keeps what looks like the name of an error.
func word(s string) string {
	if s == "" || len(s) > 60 || strings.ContainsFunc(s, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		return "unknown_error"
	}
	return s
}

// Identify says which app in which workspace a bot token is. The error says what
// the app lacks.
func (s *Slack) Identify(ctx context.Context, token store.Secret) (store.SlackApp, error) {
	api := s.as(token)
	who, err := api.AuthTestContext(ctx)
	if err != nil {
		return store.SlackApp{}, slackError(err)
	}
	if who.BotID == "" {
		return store.SlackApp{}, &SendError{Reason: "that token is a person's: it takes the app's bot token, which begins with xoxb-", Permanent: true}
	}
	// Every answer names the token's scopes (docs.slack.dev/authentication/installing-with-oauth,
	// read in November 2026).
	if granted := who.Header.Get("X-OAuth-Scopes"); granted != "" {
		have := strings.FieldsFunc(granted, func(r rune) bool { return r == ',' || r == ' ' })
		missing := slices.DeleteFunc(SlackScopes(), func(scope string) bool { return slices.Contains(have, scope) })
		if len(missing) > 0 {
			return store.SlackApp{}, &SendError{Reason: "the app lacks the scopes " + strings.Join(missing, ", ") + ": add them and install it again", Refused: true}
		}
	}
	bot, err := api.GetBotInfoContext(ctx, slack.GetBotInfoParameters{Bot: who.BotID})
	if err != nil {
		return store.SlackApp{}, slackError(err)
	}
	return store.SlackApp{TeamID: who.TeamID, TeamName: who.Team, AppID: bot.AppID, BotUserID: who.UserID, BotToken: token}, nil
}

// stranger says why a Slack user is told nothing; empty for a member of the
// workspace with an address in the organization's domains. Guests and people of
// other workspaces are strangers (docs.slack.dev/reference/objects/user-object,
// read in November 2026).
func stranger(u *slack.User, app store.SlackApp, domains []string) string {
	switch {
	case u.Deleted:
		return "the Slack user was deactivated"
	case u.IsBot, u.IsAppUser, u.IsWorkflowBot:
		return "the Slack user is no person"
	case u.IsRestricted, u.IsUltraRestricted:
		return "the Slack user is a guest"
	case u.IsStranger, u.TeamID != "" && u.TeamID != app.TeamID && u.Enterprise.ID == "":
		return "the Slack user is of another workspace"
	case u.IsInvitedUser:
		return "the Slack user has not joined yet"
	case !Internal(strings.ToLower(u.Profile.Email), domains):
		return "the Slack user has no address in the organization's domains"
	}
	return ""
}

// user finds who of the workspace a person is: by the names that are known, or by
// e-mail address. It is empty where Slack has nobody who may be told.
func (s *Slack) user(ctx context.Context, app store.SlackApp, to store.Addressee) (id string, found bool, err error) {
	api := s.as(app.BotToken)
	for _, known := range to.SlackUsers {
		u, err := api.GetUserInfoContext(ctx, known, slack.GetUserInfoOptionIncludeLocale(false))
		if err != nil {
			failed := slackError(err)
			if failed.Permanent {
				continue // not of this workspace
			}
			return "", false, failed
		}
		if stranger(u, app, to.Domains) == "" {
			return u.ID, false, nil
		}
	}
	if len(to.SlackUsers) > 0 {
		return "", false, nil // somebody said who it is: nobody else is told instead
	}
	u, err := api.GetUserByEmailContext(ctx, to.Email)
	if err != nil {
		failed := slackError(err)
		if failed.Permanent {
			return "", false, nil // users_not_found
		}
		return "", false, failed
	}
	if u.ID == "" || !strings.EqualFold(u.Profile.Email, to.Email) || stranger(u, app, to.Domains) != "" {
		return "", false, nil
	}
	return u.ID, true, nil
}

// CheckChannel returns a channel's name if everybody who reads it belongs to the
// organization; else the error says why nothing is sent there.
func (s *Slack) CheckChannel(ctx context.Context, app store.SlackApp, channelID string, domains []string) (string, error) {
	api := s.as(app.BotToken)
	c, err := api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: channelID})
	if err != nil {
		return "", slackError(err)
	}
	switch {
	case c.IsExtShared, c.IsPendingExtShared, c.IsShared && !c.IsOrgShared:
		return "", &SendError{Reason: "the channel is shared with another organization", Permanent: true}
	case c.IsArchived:
		return "", &SendError{Reason: "the channel is archived", Permanent: true}
	case c.IsIM, c.IsMpIM:
		return "", &SendError{Reason: "that is a direct message, not a channel", Permanent: true}
	}
	users, err := api.GetUsersContext(ctx, slack.GetUsersOptionLimit(1000))
	if err != nil {
		return "", slackError(err)
	}
	strangers := map[string]bool{}
	known := map[string]bool{}
	for i := range users {
		known[users[i].ID] = true
		if u := &users[i]; !u.Deleted && !u.IsBot && !u.IsAppUser && !u.IsWorkflowBot && stranger(u, app, domains) != "" {
			strangers[u.ID] = true
		}
	}
	for cursor := ""; ; {
		members, next, err := api.GetUsersInConversationContext(ctx, &slack.GetUsersInConversationParameters{ChannelID: channelID, Cursor: cursor, Limit: 1000})
		if err != nil {
			return "", slackError(err)
		}
		for _, id := range members {
			if strangers[id] || !known[id] {
				return "", &SendError{Reason: "somebody in the channel is a guest, or not of the organization", Permanent: true}
			}
		}
		if cursor = next; cursor == "" {
			return c.Name, nil
		}
	}
}

// conversation opens the conversation between the app and a person.
func (s *Slack) conversation(ctx context.Context, token store.Secret, user string) (string, error) {
	c, _, _, err := s.as(token).OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{user}, ReturnIM: true})
	if err != nil {
		return "", slackError(err)
	}
	if c.ID == "" {
		return "", &SendError{Reason: "Slack opened no conversation"}
	}
	return c.ID, nil
}

// slackMessage is what is shown in Slack.
type slackMessage struct {
	// text shows in notifications, also on locked screens, and is read by screen
	// readers.
	text   string
	blocks []slack.Block
	// marker finds it again.
	marker uuid.UUID
	// thread is the message that it answers; empty for none.
	thread string
}

// markerEvent names what stands in a message's metadata. Every app in the
// workspace can read that, so that it is an ID that means nothing elsewhere
// (docs.slack.dev/messaging/message-metadata, read in November 2026).
const markerEvent = "debrief_message"

func (m slackMessage) options() []slack.MsgOption {
	options := []slack.MsgOption{
		slack.MsgOptionText(m.text, false), slack.MsgOptionDisableLinkUnfurl(), slack.MsgOptionDisableMediaUnfurl(),
		slack.MsgOptionMetadata(slack.SlackMetadata{EventType: markerEvent, EventPayload: map[string]any{"id": m.marker.String()}}),
	}
	if len(m.blocks) > 0 {
		options = append(options, slack.MsgOptionBlocks(m.blocks...))
	}
	if m.thread != "" {
		options = append(options, slack.MsgOptionTS(m.thread))
	}
	return options
}

// post sends a message and returns its name in the conversation.
func (s *Slack) post(ctx context.Context, token store.Secret, channel string, m slackMessage) (ts string, err error) {
	_, ts, err = s.as(token).PostMessageContext(ctx, channel, m.options()...)
	if err != nil {
		return "", slackError(err)
	}
	if ts == "" {
		return "", &SendError{Reason: "Slack's answer can't be understood", Doubt: true}
	}
	return ts, nil
}

func (s *Slack) update(ctx context.Context, token store.Secret, channel, ts string, m slackMessage) error {
	_, _, _, err := s.as(token).UpdateMessageContext(ctx, channel, ts, m.options()...)
	if err != nil {
		return slackError(err)
	}
	return nil
}

// find looks for a message that may have been posted since then, by its marker.
// Slack promises no idempotency for chat.postMessage: what its client_msg_id does
// for an app is not documented (docs.slack.dev/reference/methods/chat.postMessage,
// read in November 2026). conversations.history returns the metadata of one's own
// messages.
func (s *Slack) find(ctx context.Context, token store.Secret, channel, thread string, marker uuid.UUID, since time.Time) (ts string, err error) {
	api := s.as(token)
	// Slack's clock is not ours.
	oldest := strconv.FormatInt(since.Add(-10*time.Minute).Unix(), 10) + ".000000"
	for cursor := ""; ; {
		var messages []slack.Message
		var next string
		if thread == "" {
			page, err := api.GetConversationHistoryContext(ctx, &slack.GetConversationHistoryParameters{
				ChannelID: channel, Cursor: cursor, Oldest: oldest, Limit: 200, IncludeAllMetadata: true,
			})
			if err != nil {
				return "", slackError(err)
			}
			messages, next = page.Messages, page.ResponseMetaData.NextCursor
		} else {
			messages, _, next, err = api.GetConversationRepliesContext(ctx, &slack.GetConversationRepliesParameters{
				ChannelID: channel, Timestamp: thread, Cursor: cursor, Oldest: oldest, Limit: 200, IncludeAllMetadata: true,
			})
			if err != nil {
				return "", slackError(err)
			}
		}
		for _, m := range messages {
			if m.Metadata.EventType == markerEvent && m.Metadata.EventPayload["id"] == marker.String() {
				return m.Timestamp, nil
			}
		}
		if cursor = next; cursor == "" {
			return "", nil
		}
	}
}

// OpenModal shows a modal to whoever clicked. The trigger expires three seconds
// after the click (docs.slack.dev/interactivity/handling-user-interaction, read in
// November 2026).
func (s *Slack) OpenModal(ctx context.Context, token store.Secret, trigger string, view slack.ModalViewRequest) error {
	if _, err := s.as(token).OpenViewContext(ctx, trigger, view); err != nil {
		return slackError(err)
	}
	return nil
}

// Whisper answers a click with a sentence that nobody but who clicked sees. The
// URL comes with the click and works five times in thirty minutes
// (docs.slack.dev/interactivity/handling-user-interaction, read in November
// 2026). It is called only where Slack itself is.
func (s *Slack) Whisper(ctx context.Context, responseURL, sentence string) error {
	if !s.isSlacks(responseURL) {
		return &SendError{Reason: "the address to answer at is not Slack's", Permanent: true}
	}
	body, err := json.Marshal(map[string]any{"response_type": "ephemeral", "replace_original": false, "text": escape(sentence)})
	if err != nil {
		return fmt.Errorf("encoding an answer: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, responseURL, strings.NewReader(string(body)))
	if err != nil {
		return &SendError{Reason: "the address to answer at is not one", Permanent: true}
	}
	request.Header.Set("Content-Type", "application/json; charset=utf-8")
	response, err := s.http.Do(request)
	if err != nil {
		return &SendError{Reason: "Slack can't be reached, or did not answer in time", Doubt: true}
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return &SendError{Reason: fmt.Sprintf("Slack answered %d", response.StatusCode)}
	}
	return nil
}

// isSlacks says whether an address is one of Slack's hosts over https, or where
// the Web API is.
func (s *Slack) isSlacks(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	api, err := url.Parse(s.api)
	if err != nil {
		return false
	}
	if s.api != SlackAPIURL {
		return u.Scheme == api.Scheme && u.Host == api.Host
	}
	return u.Scheme == "https" && (u.Hostname() == "slack.com" || strings.HasSuffix(u.Hostname(), ".slack.com"))
}

// SendTest sends a person a test message in Slack, at once.
func (s *Slack) SendTest(ctx context.Context, app store.SlackApp, to store.Addressee) error {
	user, _, err := s.user(ctx, app, to)
	if err != nil {
		return err
	}
	if user == "" {
		return &SendError{Reason: "Slack has no member of the workspace with that address who may be told", Permanent: true}
	}
	channel, err := s.conversation(ctx, app.BotToken, user)
	if err != nil {
		return err
	}
	_, err = s.post(ctx, app.BotToken, channel, slackMessage{text: words.In(to.Language).T("Debrief works in Slack."), marker: uuid.New()})
	return err
}
