package slacktest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/slack-go/slack"
)

// Answer is what Debrief said to a payload.
type Answer struct {
	Status int
	Body   string
	Took   time.Duration
}

// Errors are the errors that a modal shows at its fields.
func (a Answer) Errors() map[string]string {
	var said slack.ViewSubmissionResponse
	if json.Unmarshal([]byte(a.Body), &said) != nil || said.ResponseAction != slack.RAErrors {
		return nil
	}
	return said.Errors
}

// Payload is what Slack sends when somebody clicks or sends a modal. It is
// changed by tests that forge.
type Payload map[string]any

// Click is the payload of a click on a button of a message.
func (s *Server) Click(user string, m Message, action, value string) Payload {
	trigger := rand.Text()
	s.mu.Lock()
	s.triggers[trigger] = triggerOf(user)
	s.mu.Unlock()
	return Payload{
		"type": "block_actions", "api_app_id": s.AppID, "trigger_id": trigger, "response_url": s.server.URL + "/response/" + trigger,
		"team": answer{"id": s.TeamID, "domain": "acme"}, "user": answer{"id": user, "team_id": s.TeamID},
		"container": answer{"type": "message", "message_ts": m.TS, "channel_id": m.Channel, "is_ephemeral": false},
		"channel":   answer{"id": m.Channel}, "message": answer{"ts": m.TS, "blocks": json.RawMessage(m.Raw)},
		"actions": []answer{{"type": "button", "action_id": action, "block_id": "b1", "value": value, "action_ts": m.TS}},
	}
}

func triggerOf(user string) trigger { return trigger{at: time.Now(), user: user} }

// Submit is the payload of a modal that is sent. values are those of its fields,
// by block ID; a field that is not among them is as the modal showed it.
func (s *Server) Submit(user string, v slack.View, values map[string]string) Payload {
	state := map[string]map[string]answer{}
	for _, b := range v.Blocks.BlockSet {
		in, ok := b.(*slack.InputBlock)
		if !ok {
			continue
		}
		value, said := values[in.BlockID]
		switch e := in.Element.(type) {
		case *slack.PlainTextInputBlockElement:
			if !said {
				value = e.InitialValue
			}
			state[in.BlockID] = map[string]answer{e.ActionID: {"type": "plain_text_input", "value": orNull(value)}}
		case *slack.NumberInputBlockElement:
			if !said {
				value = e.InitialValue
			}
			state[in.BlockID] = map[string]answer{e.ActionID: {"type": "number_input", "value": orNull(value)}}
		case *slack.DatePickerBlockElement:
			if !said {
				value = e.InitialDate
			}
			state[in.BlockID] = map[string]answer{e.ActionID: {"type": "datepicker", "selected_date": orNull(value)}}
		case *slack.DateTimePickerBlockElement:
			at := e.InitialDateTime
			if said {
				at, _ = strconv.ParseInt(value, 10, 64)
			}
			state[in.BlockID] = map[string]answer{e.ActionID: {"type": "datetimepicker", "selected_date_time": at}}
		case *slack.SelectBlockElement:
			if !said && e.InitialOption != nil {
				value = e.InitialOption.Value
			}
			var selected any
			if value != "" {
				selected = answer{"value": value, "text": answer{"type": "plain_text", "text": value}}
			}
			state[in.BlockID] = map[string]answer{e.ActionID: {"type": "static_select", "selected_option": selected}}
		case *slack.MultiSelectBlockElement:
			chosen := []answer{}
			if said {
				for one := range strings.SplitSeq(value, ";") {
					chosen = append(chosen, answer{"value": one})
				}
			} else {
				for _, o := range e.InitialOptions {
					chosen = append(chosen, answer{"value": o.Value})
				}
			}
			state[in.BlockID] = map[string]answer{e.ActionID: {"type": "multi_static_select", "selected_options": chosen}}
		}
	}
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encoding a modal: %s", err))
	}
	var view map[string]any
	if err := json.Unmarshal(raw, &view); err != nil {
		panic(fmt.Sprintf("decoding a modal: %s", err))
	}
	view["state"] = answer{"values": state}
	return Payload{
		"type": "view_submission", "api_app_id": s.AppID, "team": answer{"id": s.TeamID}, "user": answer{"id": user, "team_id": s.TeamID}, "view": view,
	}
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// Send signs a payload and sends it to Debrief's address for interactions.
func (s *Server) Send(to string, p Payload) (Answer, error) {
	return s.SendSigned(to, p, s.SigningSecret, time.Now())
}

// SendSigned sends a payload, signed with a secret at a time
// (docs.slack.dev/authentication/verifying-requests-from-slack, read in November
// 2026).
func (s *Server) SendSigned(to string, p Payload, secret string, at time.Time) (Answer, error) {
	body := p.Form()
	timestamp := strconv.FormatInt(at.Unix(), 10)
	return SendRaw(to, body, http.Header{"X-Slack-Request-Timestamp": {timestamp}, "X-Slack-Signature": {Sign(secret, timestamp, body)}})
}

// Form is a payload as it is sent.
func (p Payload) Form() string {
	raw, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("encoding a payload: %s", err))
	}
	return url.Values{"payload": {string(raw)}}.Encode()
}

// Sign is the signature of a body.
func Sign(secret, timestamp, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	_, _ = io.WriteString(mac, "v0:"+timestamp+":"+body)
	return "v0=" + hex.EncodeToString(mac.Sum(nil))
}

// SendRaw sends a form with headers.
func SendRaw(to, body string, header http.Header) (Answer, error) {
	r, err := http.NewRequest(http.MethodPost, to, strings.NewReader(body)) //nolint:noctx // a test's request ends with its client's timeout
	if err != nil {
		return Answer{}, err
	}
	maps.Copy(r.Header, header)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	begun := time.Now()
	client := &http.Client{Timeout: 10 * time.Second}
	defer client.CloseIdleConnections()
	response, err := client.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	return Answer{Status: response.StatusCode, Body: string(raw), Took: time.Since(begun)}, err
}
