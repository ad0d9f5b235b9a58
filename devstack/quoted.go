package devstack

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Quoted has the proposals of an event's data stand in its transcript: Debrief does
// nothing that nobody said. A proposal that quotes nothing quotes what it proposes. It
// is for scenes that are about something else than what was said.
func Quoted(data map[string]any) error {
	var said struct {
		Proposed []struct {
			Tool       string            `json:"tool"`
			Properties map[string]string `json:"properties"`
			Evidence   []struct {
				Quote   string  `json:"quote"`
				Speaker string  `json:"speaker"`
				Offset  float64 `json:"offset_s"`
			} `json:"evidence"`
		} `json:"proposed_actions"`
		Transcript struct {
			Segments []map[string]any `json:"segments"`
		} `json:"transcript"`
	}
	var proposed []map[string]any
	raw, err := json.Marshal(data)
	if err == nil {
		err = json.Unmarshal(raw, &said)
	}
	if err == nil && len(said.Proposed) > 0 {
		if raw, err = json.Marshal(data["proposed_actions"]); err == nil {
			err = json.Unmarshal(raw, &proposed)
		}
	}
	if err != nil {
		return fmt.Errorf("reading an event's proposals: %w", err)
	}
	if len(proposed) == 0 {
		return nil
	}
	segments := said.Transcript.Segments
	say := func(speaker string, at float64, text string) {
		if !slices.ContainsFunc(segments, func(s map[string]any) bool { return s["text"] == text }) {
			segments = append(segments, map[string]any{"speaker": speaker, "start_s": at, "text": text})
		}
	}
	for i, p := range said.Proposed {
		if len(p.Evidence) == 0 {
			words := []string{"So, as we said:"}
			switch p.Tool {
			case "deal.create":
				words[0] = "So, a deal, as we said:"
			case "ticket.create":
				words[0] = "Please open a ticket, as we said:"
			}
			for _, value := range p.Properties {
				words = append(words, value+".")
			}
			slices.Sort(words[1:])
			quote := strings.Join(words, " ")
			proposed[i]["evidence"] = []map[string]any{{"quote": quote, "speaker": "Ines Castell"}}
			say("Ines Castell", float64(600+60*i), quote)
		}
		for _, e := range p.Evidence {
			say(e.Speaker, e.Offset, e.Quote)
		}
	}
	data["proposed_actions"] = proposed
	data["transcript"] = map[string]any{"status": "ready", "segments": segments}
	return nil
}
