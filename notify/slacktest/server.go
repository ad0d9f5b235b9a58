package slacktest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/slack-go/slack"
)

// User is somebody in the workspace.
type User struct {
	ID, Email string
	// Guest, Stranger, Bot and Deleted are those that nobody may write to.
	Guest, Stranger, Bot, Deleted bool
}

// Channel is a conversation of several.
type Channel struct {
	ID, Name string
	Members  []string
	// Shared: with another organization.
	Shared bool
}

// Message is a message as it stands.
type Message struct {
	Channel, TS, Thread string
	Text                string
	Blocks              slack.Blocks
	// Raw are the blocks as they came.
	Raw      string
	Metadata slack.SlackMetadata
	// Edits counts how often it was edited.
	Edits int
}

// All is everything that a reader, or a search in Slack, could see of it.
func (m Message) All() string { return m.Text + "\n" + m.Raw }

// Button returns the buttons' values with that action, in their order.
func (m Message) Button(action string) []string {
	var values []string
	for _, b := range m.Blocks.BlockSet {
		actions, ok := b.(*slack.ActionBlock)
		if !ok {
			continue
		}
		for _, e := range actions.Elements.ElementSet {
			if button, ok := e.(*slack.ButtonBlockElement); ok && button.ActionID == action {
				values = append(values, button.Value)
			}
		}
	}
	return values
}

// Server is Slack. Make it with [New] and stop it with [Server.Close].
type Server struct {
	// TeamID and AppID name the workspace and the app in it.
	TeamID, AppID string
	// Token and SigningSecret are the app's.
	Token, SigningSecret string

	server *httptest.Server

	mu       sync.Mutex
	scopes   string
	users    []User
	channels []Channel
	messages []*Message
	calls    []string
	failures map[string][]failure
	last     int64
	limited  bool
	posted   map[string]time.Time
	triggers map[string]trigger
	views    []slack.View
	whispers []string
	revoked  bool
}

type trigger struct {
	at   time.Time
	user string
}

type failure struct {
	// after: the call is done, and only its answer is lost.
	after   bool
	status  int
	code    string
	seconds int
	wait    func()
}

// New starts Slack with an empty workspace.
func New() *Server {
	s := &Server{
		TeamID: "T0ACME", AppID: "A0DEBRIEF", Token: "xoxb-1-token-of-the-simulated-app", SigningSecret: "signing-secret-of-the-simulated-app",
		failures: map[string][]failure{}, posted: map[string]time.Time{}, triggers: map[string]trigger{},
		scopes: "chat:write,im:write,im:history,users:read,users:read.email,channels:read,groups:read",
	}
	s.server = httptest.NewServer(http.HandlerFunc(s.serve))
	return s
}

// Close stops it.
func (s *Server) Close() { s.server.Close() }

// APIURL is where its Web API is.
func (s *Server) APIURL() string { return s.server.URL + "/api/" }

// AddUser lets somebody join the workspace.
func (s *Server) AddUser(u User) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = slices.DeleteFunc(s.users, func(old User) bool { return old.ID == u.ID })
	s.users = append(s.users, u)
}

// AddChannel opens a channel, in place of one with the same ID.
func (s *Server) AddChannel(c Channel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.channels = slices.DeleteFunc(s.channels, func(old Channel) bool { return old.ID == c.ID })
	s.channels = append(s.channels, c)
}

// Scopes says what the token was granted, separated by commas.
func (s *Server) Scopes(scopes string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scopes = scopes
}

// Revoke ends the token.
func (s *Server) Revoke() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.revoked = true
}

// LimitPosts lets it take one message a second in each conversation.
func (s *Server) LimitPosts() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limited = true
}

// Refuse lets the next call of a method fail with Slack's name of an error.
func (s *Server) Refuse(method, code string) { s.fail(method, failure{code: code}) }

// TooMany lets the next call of a method be answered 429, to come back after so
// many seconds.
func (s *Server) TooMany(method string, seconds int) {
	s.fail(method, failure{status: http.StatusTooManyRequests, seconds: seconds})
}

// LoseAnswer does the next call of a method and hangs up instead of answering.
func (s *Server) LoseAnswer(method string) { s.fail(method, failure{after: true}) }

// LoseRequest hangs up on the next call of a method without doing it.
func (s *Server) LoseRequest(method string) { s.fail(method, failure{}) }

// Meanwhile calls wait within the next call of a method, after it is done and
// before its answer.
func (s *Server) Meanwhile(method string, wait func()) {
	s.fail(method, failure{after: true, wait: wait})
}

func (s *Server) fail(method string, f failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures[method] = append(s.failures[method], f)
}

// Messages are those in a conversation, in their order, replies included.
func (s *Server) Messages(channel string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Message
	for _, m := range s.messages {
		if m.Channel == channel {
			all = append(all, *m)
		}
	}
	return all
}

// Cards are the messages in the conversation with a user that answer no other.
func (s *Server) Cards(user string) []Message {
	return slices.DeleteFunc(s.Messages(Conversation(user)), func(m Message) bool { return m.Thread != "" })
}

// Replies are the messages in the conversation with a user that answer another.
func (s *Server) Replies(user string) []Message {
	return slices.DeleteFunc(s.Messages(Conversation(user)), func(m Message) bool { return m.Thread == "" })
}

// Everything is all that was ever posted, as it stands.
func (s *Server) Everything() []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Message
	for _, m := range s.messages {
		all = append(all, *m)
	}
	return all
}

// Delete deletes a message, as a person does.
func (s *Server) Delete(channel, ts string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = slices.DeleteFunc(s.messages, func(m *Message) bool { return m.Channel == channel && m.TS == ts })
}

// Calls are the methods that were called, in their order.
func (s *Server) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Views are the modals that were opened.
func (s *Server) Views() []slack.View {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.views)
}

// Whispers are the sentences that only who clicked sees.
func (s *Server) Whispers() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.whispers)
}

// Conversation is the ID of the conversation between the app and a user.
func Conversation(user string) string { return "D" + user }

type answer map[string]any

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/response/") {
		s.whisper(w, r)
		return
	}
	method := strings.TrimPrefix(r.URL.Path, "/api/")
	form, err := formOf(r)
	if err != nil {
		http.Error(w, "no form", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.calls = append(s.calls, method)
	var planned *failure
	if queue := s.failures[method]; len(queue) > 0 {
		planned, s.failures[method] = &queue[0], queue[1:]
	}
	var out answer
	switch {
	case planned != nil && planned.status != 0, planned != nil && planned.code == "" && !planned.after:
	case planned != nil && planned.code != "":
		out = answer{"ok": false, "error": planned.code}
	case s.revoked:
		out = answer{"ok": false, "error": "token_revoked"}
	case form.Get("token") != s.Token:
		out = answer{"ok": false, "error": "invalid_auth"}
	default:
		out = s.call(method, form)
	}
	scopes := s.scopes
	s.mu.Unlock()
	switch {
	case planned != nil && planned.status != 0:
		w.Header().Set("Retry-After", strconv.Itoa(planned.seconds))
		http.Error(w, "", planned.status)
		return
	case planned != nil && planned.code == "" && planned.wait == nil:
		panic(http.ErrAbortHandler)
	case planned != nil && planned.wait != nil:
		planned.wait()
	case out["error"] == "ratelimited":
		w.Header().Set("Retry-After", "1")
		http.Error(w, "", http.StatusTooManyRequests)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-OAuth-Scopes", scopes)
	_ = json.NewEncoder(w).Encode(out)
}

// formOf reads a call's arguments, whichever way they come: as a form, or as JSON
// with the token in a header.
func formOf(r *http.Request) (url.Values, error) {
	if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		err := r.ParseForm()
		return r.Form, err
	}
	var raw map[string]json.RawMessage
	if err := json.NewDecoder(r.Body).Decode(&raw); err != nil {
		return nil, err
	}
	form := url.Values{"token": {strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")}}
	for name, value := range raw {
		var text string
		if json.Unmarshal(value, &text) != nil {
			text = string(value)
		}
		form.Set(name, text)
	}
	return form, nil
}

func refused(code string) answer { return answer{"ok": false, "error": code} }

func (s *Server) call(method string, form url.Values) answer {
	switch method {
	case "auth.test":
		return answer{"ok": true, "team": "Acme", "team_id": s.TeamID, "user": "debrief", "user_id": "U0BOT", "bot_id": "B0BOT"}
	case "bots.info":
		return answer{"ok": true, "bot": answer{"id": "B0BOT", "app_id": s.AppID, "user_id": "U0BOT", "name": "Debrief"}}
	case "users.info":
		return s.userBy(func(u User) bool { return u.ID == form.Get("user") }, "user_not_found")
	case "users.lookupByEmail":
		return s.userBy(func(u User) bool { return strings.EqualFold(u.Email, form.Get("email")) && !u.Bot && !u.Deleted }, "users_not_found")
	case "users.list":
		members := []answer{}
		for _, u := range s.users {
			members = append(members, s.user(u))
		}
		return answer{"ok": true, "members": members}
	case "conversations.open":
		if at := slices.IndexFunc(s.users, func(u User) bool { return u.ID == form.Get("users") }); at < 0 {
			return refused("user_not_found")
		}
		return answer{"ok": true, "channel": answer{"id": Conversation(form.Get("users")), "is_im": true}}
	case "conversations.info", "conversations.members":
		at := slices.IndexFunc(s.channels, func(c Channel) bool { return c.ID == form.Get("channel") })
		if at < 0 {
			return refused("channel_not_found")
		}
		c := s.channels[at]
		if method == "conversations.members" {
			return answer{"ok": true, "members": c.Members}
		}
		return answer{"ok": true, "channel": answer{"id": c.ID, "name": c.Name, "is_channel": true, "is_shared": c.Shared, "is_ext_shared": c.Shared}}
	case "conversations.history", "conversations.replies":
		return s.history(method, form)
	case "chat.postMessage":
		return s.post(form)
	case "chat.update":
		return s.update(form)
	case "views.open":
		return s.open(form)
	}
	return refused("unknown_method")
}

func (s *Server) userBy(is func(User) bool, code string) answer {
	at := slices.IndexFunc(s.users, is)
	if at < 0 {
		return refused(code)
	}
	return answer{"ok": true, "user": s.user(s.users[at])}
}

func (s *Server) user(u User) answer {
	team := s.TeamID
	if u.Stranger {
		team = "T0OTHER"
	}
	return answer{
		"id": u.ID, "team_id": team, "name": u.ID, "deleted": u.Deleted, "is_bot": u.Bot, "is_restricted": u.Guest, "is_stranger": u.Stranger,
		"profile": answer{"email": u.Email},
	}
}

// history shows what the app wrote in a conversation with somebody. A channel's
// takes scopes that the app does not ask for.
func (s *Server) history(method string, form url.Values) answer {
	if !strings.HasPrefix(form.Get("channel"), "D") {
		return refused("missing_scope")
	}
	oldest, _ := strconv.ParseFloat(form.Get("oldest"), 64)
	messages := []answer{}
	for _, m := range slices.Backward(s.messages) {
		at, _ := strconv.ParseFloat(m.TS, 64)
		inThread := m.Thread == form.Get("ts") || m.TS == form.Get("ts")
		if m.Channel != form.Get("channel") || at <= oldest || (method == "conversations.replies") != (form.Get("ts") != "" && inThread) || method == "conversations.history" && m.Thread != "" {
			continue
		}
		out := answer{"type": "message", "ts": m.TS, "text": m.Text, "user": "U0BOT"}
		if all := form.Get("include_all_metadata"); all == "1" || all == "true" {
			out["metadata"] = m.Metadata
		}
		messages = append(messages, out)
	}
	return answer{"ok": true, "messages": messages, "has_more": false}
}

func (s *Server) post(form url.Values) answer {
	channel := form.Get("channel")
	if !strings.HasPrefix(channel, "D") && !slices.ContainsFunc(s.channels, func(c Channel) bool { return c.ID == channel }) {
		return refused("channel_not_found")
	}
	if s.limited && time.Since(s.posted[channel]) < time.Second {
		return refused("ratelimited")
	}
	s.posted[channel] = time.Now()
	m := &Message{Channel: channel, Thread: form.Get("thread_ts"), TS: s.now()}
	if code := m.write(form); code != "" {
		return refused(code)
	}
	s.messages = append(s.messages, m)
	return answer{"ok": true, "channel": channel, "ts": m.TS}
}

// now names a message by the time, each by another.
func (s *Server) now() string {
	at := max(time.Now().UnixMicro(), s.last+1)
	s.last = at
	return fmt.Sprintf("%d.%06d", at/1_000_000, at%1_000_000)
}

func (s *Server) update(form url.Values) answer {
	at := slices.IndexFunc(s.messages, func(m *Message) bool { return m.Channel == form.Get("channel") && m.TS == form.Get("ts") })
	if at < 0 {
		return refused("message_not_found")
	}
	if code := s.messages[at].write(form); code != "" {
		return refused(code)
	}
	s.messages[at].Edits++
	return answer{"ok": true, "channel": form.Get("channel"), "ts": form.Get("ts")}
}

// write makes a message what a form says, or returns why Slack does not take it.
func (m *Message) write(form url.Values) string {
	raw := form.Get("blocks")
	var blocks slack.Blocks
	if raw != "" {
		if err := json.Unmarshal([]byte(raw), &blocks); err != nil {
			return "invalid_blocks_format"
		}
		if len(blocks.BlockSet) > 50 || check([]byte(raw)) != nil {
			return "invalid_blocks"
		}
	}
	if raw == "" && form.Get("text") == "" {
		return "no_text"
	}
	if len(raw) > 30_000 {
		return "msg_blocks_too_long"
	}
	m.Text, m.Blocks, m.Raw = form.Get("text"), blocks, raw
	if metadata := form.Get("metadata"); metadata != "" {
		m.Metadata = slack.SlackMetadata{}
		if json.Unmarshal([]byte(metadata), &m.Metadata) != nil {
			return "invalid_metadata_format"
		}
	}
	return ""
}

func (s *Server) open(form url.Values) answer {
	t, ok := s.triggers[form.Get("trigger_id")]
	switch {
	case !ok:
		return refused("invalid_trigger_id")
	case time.Since(t.at) > 3*time.Second:
		return refused("expired_trigger_id")
	}
	delete(s.triggers, form.Get("trigger_id"))
	raw := form.Get("view")
	var view slack.View
	if json.Unmarshal([]byte(raw), &view) != nil || len(view.Blocks.BlockSet) > 100 || check([]byte(raw)) != nil {
		return refused("invalid_arguments")
	}
	if n := utf8.RuneCountInString(view.Title.Text); n == 0 || n > 24 || utf8.RuneCountInString(view.Submit.Text) > 24 || len(view.PrivateMetadata) > 3000 {
		return refused("invalid_arguments")
	}
	view.ID = fmt.Sprintf("V%06d", len(s.views)+1)
	view.TeamID, view.AppID = s.TeamID, s.AppID
	s.views = append(s.views, view)
	return answer{"ok": true, "view": answer{"id": view.ID}}
}

// check applies the limits that Slack documents for what stands in blocks.
func check(raw []byte) error {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	return checkValue(v, "")
}

func checkValue(v any, within string) error {
	switch v := v.(type) {
	case []any:
		for _, item := range v {
			if err := checkValue(item, within); err != nil {
				return err
			}
		}
	case map[string]any:
		kind, _ := v["type"].(string)
		if kind == "" {
			kind = within
		}
		most := 3000
		switch within {
		case "header":
			most = 150
		case "button", "option":
			most = 75
		}
		if text, ok := v["text"].(string); ok && (text == "" || utf8.RuneCountInString(text) > most) {
			return fmt.Errorf("a text of %s has %d characters", within, utf8.RuneCountInString(text))
		}
		if value, ok := v["value"].(string); ok && within == "option" && len(value) > 150 {
			return fmt.Errorf("the value of an option has %d characters", len(value))
		}
		for field, most := range map[string]int{"value": 2000, "action_id": 255, "block_id": 255, "initial_value": 3000, "url": 3000} {
			if value, ok := v[field].(string); ok && len(value) > most {
				return fmt.Errorf("%s of %s is too long", field, kind)
			}
		}
		if elements, ok := v["elements"].([]any); ok && (len(elements) == 0 || len(elements) > map[string]int{"actions": 25, "context": 10}[kind]) {
			return fmt.Errorf("%s has %d elements", kind, len(elements))
		}
		if options, ok := v["options"].([]any); ok && (len(options) == 0 || len(options) > 100) {
			return fmt.Errorf("%s has %d options", kind, len(options))
		}
		for field, child := range v {
			inside := kind
			if field == "confirm" {
				inside = field
			}
			if field == "options" || field == "initial_option" || field == "initial_options" {
				inside = "option"
			}
			if err := checkValue(child, inside); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Server) whisper(w http.ResponseWriter, r *http.Request) {
	var said struct {
		Text            string `json:"text"`
		ResponseType    string `json:"response_type"`
		ReplaceOriginal *bool  `json:"replace_original"`
	}
	if json.NewDecoder(r.Body).Decode(&said) != nil || said.ResponseType != "ephemeral" || said.ReplaceOriginal == nil || *said.ReplaceOriginal {
		http.Error(w, "not ephemeral", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.whispers = append(s.whispers, said.Text)
}
