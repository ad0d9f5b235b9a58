package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Fireflies tries once to send a webhook, and never again. Its API is asked for the
// meetings of the last days (docs.fireflies.ai/graphql-api/query/transcripts, read
// 2026-11): which there are, and what the webhook would have named of them. The rest
// is fetched as for any other.
const (
	// Below its business plan Fireflies answers 50 calls a day: 24 of them leave the
	// others for what is fetched.
	firefliesEvery = time.Hour
	// Meetings are found by when they began, and are summarized after they ended: a
	// look goes back behind the one before by as long as that may take.
	firefliesOverlap  = 24 * time.Hour
	firefliesFarthest = 30 * 24 * time.Hour
	firefliesPage     = 50 // the most that it answers at once
	firefliesPages    = 20
)

// As the webhook, only those that the key's owner organizes: a key may see what
// teammates share, and nobody asked for those.
const firefliesRecent = `query Recent($from: DateTime, $limit: Int, $skip: Int) {
  transcripts(mine: true, fromDate: $from, limit: $limit, skip: $skip) { id date duration meeting_info { summary_status } }
}`

// firefliesLook is what is kept from look to look.
type firefliesLook struct {
	// After is from when on meetings are asked for, Skip how many of those have been
	// read, where one look was not enough.
	After time.Time `json:"after"`
	Skip  int       `json:"skip,omitempty"`
	Began time.Time `json:"began,omitzero"`
}

type polledTranscript struct {
	ID       string  `json:"id"`
	Date     moment  `json:"date"`     // milliseconds
	Duration float64 `json:"duration"` // minutes
	Info     struct {
		SummaryStatus string `json:"summary_status"`
	} `json:"meeting_info"`
}

// Tend asks for the meetings since the last look.
func (m firefliesMapping) Tend(ctx context.Context, api API, t Tending) (Tended, error) {
	if t.Ending {
		return Tended{}, nil // nothing of ours stands there
	}
	look := firefliesLook{After: t.Begun}
	if t.State != nil {
		if err := json.Unmarshal(t.State, &look); err != nil {
			return Tended{}, errors.New("reading what the last look kept") // err may quote it
		}
	}
	if look.Skip == 0 {
		look.After = theLatest(look.After, t.Begun, t.Now.Add(-firefliesFarthest))
		look.Began = t.Now
	}
	tended := Tended{Next: t.Now.Add(firefliesEvery)}
	for range firefliesPages {
		page, err := m.page(ctx, api, look)
		if err != nil {
			return tended, err
		}
		for _, transcript := range page {
			p, is, err := transcript.polled()
			if err != nil {
				return tended, err
			}
			if is && !transcript.Date.time().Before(look.After) {
				tended.Found = append(tended.Found, p)
			}
		}
		if len(page) < firefliesPage {
			return tended.keep(firefliesLook{After: look.Began.Add(-firefliesOverlap)}, firefliesWords)
		}
		// The newest come first: one that is added meanwhile has some come twice, and
		// none is skipped.
		look.Skip += len(page)
	}
	tended.Next = t.Now // there is more
	return tended.keep(look, firefliesWords)
}

const firefliesWords = "Fireflies is asked every hour for meetings that it did not tell of"

func (firefliesMapping) page(ctx context.Context, api API, look firefliesLook) ([]polledTranscript, error) {
	var answer struct {
		Transcripts []polledTranscript `json:"transcripts"`
	}
	err := firefliesAsk(ctx, api, firefliesRecent, map[string]any{
		"from": look.After.UTC().Format(time.RFC3339), "limit": firefliesPage, "skip": look.Skip,
	}, &answer)
	if err != nil {
		return nil, fmt.Errorf("asking for meetings: %w", err)
	}
	return answer.Transcripts, nil
}

// polled is the webhook that there should have been; false while Fireflies still
// works on the meeting.
func (t polledTranscript) polled() (Polled, bool, error) {
	event := "meeting.summarized"
	switch strings.ToLower(t.Info.SummaryStatus) {
	case "processing", "pending", "queued":
		return Polled{}, false, nil
	case "failed", "skipped":
		event = "meeting.transcribed" // there will be no summary
	}
	if t.ID == "" {
		return Polled{}, false, nil
	}
	// When it was summarized is not told; when the meeting ended is near, and always
	// the same.
	end := t.Date.time()
	if t.Duration > 0 && t.Duration < 60*24 {
		end = end.Add(time.Duration(t.Duration * float64(time.Minute)))
	}
	body, err := json.Marshal(map[string]any{"event": event, "timestamp": end.UnixMilli(), "meeting_id": t.ID})
	if err != nil {
		return Polled{}, false, errors.New("writing out a meeting")
	}
	// The older webhook comes when there is no summary yet: it does not tell this.
	return Polled{Delivery: Delivery{Body: body}, Told: []string{event + ":" + t.ID}}, true, nil
}
