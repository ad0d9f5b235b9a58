package webhooks

import (
	"github.com/debriefhq/debrief/meeting"
)

// granolaMapping reads Granola's webhooks (docs.granola.ai/webhooks, read 2026).
// They name a note and tell nothing of it.
type granolaMapping struct{ noHandshake }

type granolaBody struct {
	EventID    string `json:"event_id"`
	EventType  string `json:"event_type"`
	NoteID     string `json:"note_id"`
	OccurredAt moment `json:"occurred_at"`
}

// Key is Granola's own event ID: constant over attempts.
func (granolaMapping) Key(d Delivery) string {
	if checkShape(d.Body) != nil {
		return ""
	}
	var b granolaBody
	if err := decode(d.Body, &b); err != nil {
		return ""
	}
	return b.EventID
}

func (granolaMapping) Events(d Delivery) ([]meeting.Event, error) {
	var b granolaBody
	if err := decode(d.Body, &b); err != nil {
		return nil, err
	}
	if b.EventID == "" || b.NoteID == "" {
		return nil, Unfit{"the body names no event and note"}
	}
	switch b.EventType {
	case "note.generated", "note.edited":
	default:
		return nil, notUsed("Granola", b.EventType)
	}
	// It says only that there is something to get.
	e := meeting.Event{Type: meeting.TranscriptReady, DedupeKey: b.EventID, OccurredAt: b.OccurredAt.time(), Provider: "granola", ProviderEventType: b.EventType}
	e.Keys.RecordingID = b.NoteID
	e.Transcript = meeting.Transcript{Status: "ready", Ref: b.NoteID}
	return []meeting.Event{e}, nil
}
