package webhooks

import (
	"github.com/debriefhq/debrief/meeting"
)

// recallMapping reads Recall.ai's webhooks (docs.recall.ai, read 2026): how its
// bots, recordings and transcripts fare. They tell nothing of what was said.
type recallMapping struct{ noHandshake }

type recallBody struct {
	Event string `json:"event"`
	Data  struct {
		Data struct {
			UpdatedAt moment `json:"updated_at"`
		} `json:"data"`
		Transcript recallThing `json:"transcript"`
		Recording  recallThing `json:"recording"`
		Bot        recallThing `json:"bot"` // missing where a file was uploaded
	} `json:"data"`
}

// recallThing has the metadata that whoever made the bot gave it: the one way to
// say which meeting it is in.
type recallThing struct {
	ID       string `json:"id"`
	Metadata loose[struct {
		BookingUID     text   `json:"booking_uid"`
		ICalUID        text   `json:"ical_uid"`
		JoinURL        text   `json:"join_url"`
		ScheduledStart moment `json:"scheduled_start"`
		Title          text   `json:"title"`
		HostEmail      text   `json:"host_email"`
	}] `json:"metadata"`
}

// Key is the message's ID: constant over attempts, by Standard Webhooks.
func (recallMapping) Key(d Delivery) string { return messageID(d.Header) }

func (m recallMapping) Events(d Delivery) ([]meeting.Event, error) {
	var b recallBody
	if err := decode(d.Body, &b); err != nil {
		return nil, err
	}
	bot, about := b.Data.Bot, b.Data.Bot.Metadata.it
	e := meeting.Event{DedupeKey: m.Key(d), OccurredAt: b.Data.Data.UpdatedAt.time(), Provider: "recall", ProviderEventType: b.Event}
	// Several bots may sit in one meeting: a bot is no instance of it.
	e.Keys = meeting.Keys{
		RecordingID: first(bot.ID, b.Data.Recording.ID, b.Data.Transcript.ID),
		BookingUID:  string(about.BookingUID), ICalUID: string(about.ICalUID), JoinURL: string(about.JoinURL),
	}
	e.ScheduledStart = about.ScheduledStart.time()
	e.Title, e.Organizer.Email = string(about.Title), string(about.HostEmail)
	switch b.Event {
	case "bot.in_call_recording":
		e.Type, e.ActualStart = meeting.Started, e.OccurredAt
	case "bot.call_ended":
		e.Type, e.ActualEnd = meeting.Ended, e.OccurredAt
	case "recording.done":
		e.Type = meeting.RecordingReady
	case "transcript.done":
		e.Type = meeting.TranscriptReady
		e.Transcript = meeting.Transcript{Status: "ready", Ref: b.Data.Transcript.ID}
	default:
		return nil, notUsed("Recall.ai", b.Event)
	}
	return []meeting.Event{e}, nil
}
