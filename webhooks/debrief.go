package webhooks

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/debriefhq/debrief/meeting"
)

// debriefMapping reads Debrief's own event, for senders that can choose what
// they send. Its JSON Schema is docs/events/meeting-event.schema.json.
type debriefMapping struct{ noHandshake }

// ownEvent is the body of Debrief's own event.
type ownEvent struct {
	Type      meeting.EventType `json:"type"`
	Timestamp time.Time         `json:"timestamp"`
	Data      ownData           `json:"data"`
}

type ownData struct {
	// Provider and ProviderAccountID name the platform that the facts, and the
	// IDs in Keys, come from, where the sender only passes them on.
	Provider          string `json:"provider"`
	ProviderAccountID string `json:"provider_account_id"`
	ProviderEventType string `json:"provider_event_type"`
	IsTest            bool   `json:"is_test"`
	meeting.Details
}

// Key is the webhook-id: constant over attempts, by the specification.
func (debriefMapping) Key(d Delivery) string { return messageID(d.Header) }

func (m debriefMapping) Events(d Delivery) ([]meeting.Event, error) {
	var body ownEvent
	if err := decode(d.Body, &body); err != nil {
		return nil, err
	}
	if body.Timestamp.IsZero() {
		return nil, Unfit{"timestamp is missing"}
	}
	e := meeting.Event{
		Type: body.Type, DedupeKey: m.Key(d), OccurredAt: body.Timestamp, IsTest: body.Data.IsTest,
		Provider: body.Data.Provider, ProviderAccountID: body.Data.ProviderAccountID, ProviderEventType: body.Data.ProviderEventType,
		Details: body.Data.Details,
	}
	if strings.TrimSpace(e.Provider) == "" || strings.EqualFold(strings.TrimSpace(e.Provider), meeting.Own) {
		// The sender's own IDs: another source may use the same numbers.
		e.Provider, e.ProviderAccountID = meeting.Own, d.SourceID.String()
	}
	return []meeting.Event{e}, nil
}

// decode reads one JSON value into v: strict about types, tolerant of fields
// that it does not know. Its errors say what is wrong and quote nothing.
func decode(body []byte, v any) error {
	// A decoder copies the body, which only what is wrong with it is worth.
	if json.Unmarshal(body, v) == nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	err := decoder.Decode(v)
	if err == nil {
		if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			return Unfit{"the body has something after its JSON"}
		}
		return nil
	}
	var mistyped *json.UnmarshalTypeError
	var badTime *time.ParseError
	var unfit Unfit
	switch {
	case errors.As(err, &unfit):
		return unfit
	case errors.As(err, &mistyped):
		// Go's own names stand in the path where one struct embeds another.
		path := slices.DeleteFunc(strings.Split(mistyped.Field, "."), func(name string) bool {
			return name == "" || unicode.IsUpper(rune(name[0]))
		})
		field := "the body"
		if len(path) > 0 {
			field = strings.Join(path, ".")
		}
		return Unfit{fmt.Sprintf("%s has the wrong type: it should be %s", field, jsonType(mistyped.Type.Kind().String()))}
	case errors.As(err, &badTime):
		return Unfit{"a time is not in RFC 3339, such as 2026-09-08T15:00:00Z"}
	default:
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return Unfit{"the body is not JSON"}
		}
		// What else there is comes from decoding a time that is no text.
		return Unfit{"the body has a value of the wrong type"}
	}
}

func jsonType(kind string) string {
	switch kind {
	case "struct", "map":
		return "an object"
	case "slice":
		return "a list"
	case "bool":
		return "true or false"
	case "int", "int64", "float64":
		return "a number"
	default:
		return "text"
	}
}
