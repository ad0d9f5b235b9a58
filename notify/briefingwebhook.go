package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/store"
)

// webhookMessage is what is posted: Standard Webhooks 1.0.0, "Payload structure" (read in
// November 2026).
type webhookMessage struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      any       `json:"data"`
}

func webhookBody(kind string, at time.Time, data any) ([]byte, error) {
	body, err := json.Marshal(webhookMessage{Type: kind, Timestamp: at.UTC(), Data: data})
	if err != nil {
		return nil, fmt.Errorf("encoding a webhook of the kind %s: %w", kind, err)
	}
	return body, nil
}

// webhookBriefing is the data of briefing.ready and briefing.update; the latter has
// changes.
type webhookBriefing struct {
	OrganizationID uuid.UUID         `json:"organization_id"`
	PersonID       uuid.UUID         `json:"person_id"`
	BriefingID     uuid.UUID         `json:"briefing_id"`
	MeetingID      uuid.UUID         `json:"meeting_id"`
	Version        int64             `json:"version"`
	URL            string            `json:"url"`
	Brief          briefing.Brief    `json:"brief"`
	Changes        []briefing.Change `json:"changes,omitempty"`
}

// webhookDigest is the data of briefing.digest and briefing.week.
type webhookDigest struct {
	OrganizationID uuid.UUID        `json:"organization_id"`
	PersonID       uuid.UUID        `json:"person_id"`
	URL            string           `json:"url"`
	Meetings       []webhookMeeting `json:"meetings"`
}

type webhookMeeting struct {
	BriefingID uuid.UUID `json:"briefing_id"`
	MeetingID  uuid.UUID `json:"meeting_id"`
	URL        string    `json:"url"`
	Title      string    `json:"title,omitempty"`
	Start      time.Time `json:"start"`
	End        time.Time `json:"end,omitzero"`
}

// briefByWebhook posts to those of the organization's endpoints that want it and have not
// taken it. Whether an endpoint that did not answer in time took it is for the endpoint to
// tell, by the message's ID, which stays the same. It says what went wrong with the first
// that may yet take it, or else with the last one; where all that are left refuse for
// good, and one took it, it was told.
func (o *Outbox) briefByWebhook(ctx context.Context, n store.Notice, t told, p *store.NoticeProgress) error {
	all, err := o.options.Store.WebhookEndpoints(ctx, n.OrganizationID)
	if err != nil {
		return err
	}
	endpoints := slices.DeleteFunc(all, func(e store.WebhookEndpoint) bool {
		return e.DisabledAt != nil || !slices.Contains(e.Events, t.kind) || slices.Contains(p.Took, e.ID)
	})
	if len(endpoints) == 0 && len(p.Took) == 0 {
		return &SendError{Reason: "there is no webhook endpoint for it", Permanent: true, code: errAbsent}
	}
	body, err := webhookBody(string(t.kind), n.CreatedAt, t.data)
	if err != nil {
		return err
	}
	// All at the same time: who is slow takes nobody else's.
	results := make([]error, len(endpoints))
	var work sync.WaitGroup
	for i, e := range endpoints {
		work.Go(func() {
			results[i] = post(ctx, o.options.Store, o.options.Webhooks, e, webhookID(n.ID), time.Now(), body)
		})
	}
	work.Wait()
	var again, refused *SendError
	var broken error
	for i, err := range results {
		var failed *SendError
		switch {
		case err == nil:
			p.Took = append(p.Took, endpoints[i].ID)
		case !errors.As(err, &failed):
			broken = err
		case failed.Permanent:
			refused = failed
		case again == nil:
			again = failed
		}
	}
	if err := cmp.Or(o.options.Store.KeepNoticeProgress(context.WithoutCancel(ctx), n, *p), broken); err != nil {
		return err
	}
	switch {
	case again != nil:
		return again
	case refused != nil && len(p.Took) == 0:
		return refused
	}
	return nil
}

// webhookID is the ID of a message, the same for each try.
func webhookID(notice uuid.UUID) string { return "msg_" + notice.String() }
