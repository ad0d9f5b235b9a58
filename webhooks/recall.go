package webhooks

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/debriefhq/debrief/meeting"
)

// recallMapping reads Recall.ai's webhooks (docs.recall.ai, read 2026): how its
// bots, recordings and transcripts fare. They tell nothing of what was said: that is
// in a file which its API names, and in [Delivery.Fetched].
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

// API is Recall.ai's, of the region that most workspaces are in; the others have
// addresses of their own (docs.recall.ai, "Regions" and "Download schemas", read
// 2026-11). It allows 60 calls a minute at the least.
func (recallMapping) API() APISpec {
	return APISpec{
		BaseURL: "https://us-east-1.recall.ai", Every: time.Second,
		Credentials: []Credential{{Name: "api_key", Help: "an API key from Recall.ai's dashboard, of the workspace's region"}},
	}
}

// Thin: only what tells of a transcript.
func (recallMapping) Thin(d Delivery) bool {
	var b recallBody
	return decode(d.Body, &b) == nil && b.Event == "transcript.done" && b.Data.Transcript.ID != ""
}

// recallFetched is a transcript without what nobody needs: each word's time is most
// of the file.
type recallFetched struct {
	Said []recallSaid `json:"said"`
}

type recallSaid struct {
	Name  string  `json:"name,omitempty"`
	Email string  `json:"email,omitempty"`
	Host  bool    `json:"host,omitempty"`
	Start float64 `json:"start"` // seconds
	Text  string  `json:"text"`
}

// Fetch gets the transcript's file by the link that the API has for it.
func (recallMapping) Fetch(ctx context.Context, api API, d Delivery) ([]byte, error) {
	var b recallBody
	if err := decode(d.Body, &b); err != nil {
		return nil, err
	}
	var transcript struct {
		Data struct {
			URL string `json:"download_url"`
		} `json:"data"`
	}
	api = api.Authorization("Token", api.Credentials["api_key"])
	if err := api.Get(ctx, "/api/v1/transcript/"+url.PathEscape(b.Data.Transcript.ID)+"/", nil, &transcript); err != nil {
		return nil, err
	}
	if transcript.Data.URL == "" {
		return nil, NotYet{Platform: api.Platform}
	}
	var file []struct {
		Participant struct {
			Name  string `json:"name"`
			Email string `json:"email"`
			Host  bool   `json:"is_host"`
		} `json:"participant"`
		Words []struct {
			Text  string `json:"text"`
			Start struct {
				Relative float64 `json:"relative"`
			} `json:"start_timestamp"`
		} `json:"words"`
	}
	if err := api.Download(ctx, transcript.Data.URL, &file); err != nil {
		return nil, err
	}
	fetched := recallFetched{Said: []recallSaid{}}
	for _, part := range file {
		said := recallSaid{Name: part.Participant.Name, Email: part.Participant.Email, Host: part.Participant.Host}
		words := make([]string, 0, len(part.Words))
		for i, word := range part.Words {
			if i == 0 {
				said.Start = word.Start.Relative
			}
			words = append(words, word.Text)
		}
		said.Text = strings.Join(words, " ")
		fetched.Said = append(fetched.Said, said)
	}
	return json.Marshal(fetched)
}

// tell adds who spoke and what they said.
func (f recallFetched) tell(e *meeting.Event) {
	met := map[meeting.Person]bool{}
	for _, s := range f.Said {
		e.Transcript.Segments = append(e.Transcript.Segments, meeting.Segment{Speaker: s.Name, Email: s.Email, StartSeconds: s.Start, Text: s.Text})
		who := meeting.Person{Name: s.Name, Email: s.Email}
		if met[who] {
			continue
		}
		met[who] = true
		role := "participant"
		if s.Host {
			role = "host"
		}
		e.Attendees = append(e.Attendees, meeting.Attendee{Person: who, Role: role})
	}
}

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
		if d.Fetched != nil {
			var fetched recallFetched
			if err := checkShape(d.Fetched); err != nil {
				return nil, err
			}
			if err := decode(d.Fetched, &fetched); err != nil {
				return nil, err
			}
			fetched.tell(&e)
		}
	default:
		return nil, notUsed("Recall.ai", b.Event)
	}
	return []meeting.Event{e}, nil
}
