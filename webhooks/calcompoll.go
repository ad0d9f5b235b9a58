package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Cal.com tries once to send a webhook, and never again. Its API is asked for the
// bookings that changed (GET /v2/bookings, version 2024-08-13;
// cal.com/docs/api-reference/v2, read 2026-11).
const (
	calcomVersion = "2024-08-13"
	// A booking may be for the next hour, and its host wants to be briefed. 144 calls
	// a day are far from the 120 a minute that Cal.com allows.
	calcomEvery = 10 * time.Minute
	// Each look goes back behind the one before: clocks differ, and what is newer
	// than calcomSettled is left to the next, since its webhook is on its way.
	calcomOverlap = 10 * time.Minute
	calcomSettled = 2 * time.Minute
	// After a long silence it goes back so far, and no further.
	calcomFarthest = 30 * 24 * time.Hour
	calcomPage     = 100
	calcomPages    = 50 // in one look; the next one goes on
)

// API is Cal.com's; a self-hosted one has its own URL.
func (calcomMapping) API() APISpec {
	return APISpec{
		BaseURL: "https://api.cal.com",
		Every:   time.Second,
		Credentials: []Credential{
			{Name: "api_key", Help: "an API key: Settings → Developer → API keys; it begins with cal_"},
		},
	}
}

// calcomLook is what is kept from look to look.
type calcomLook struct {
	// After is from when on bookings are asked for, Skip how many of those have been
	// read, where one look was not enough.
	After time.Time `json:"after"`
	Skip  int       `json:"skip,omitempty"`
	// Began is when the look began that Skip belongs to.
	Began time.Time `json:"began,omitzero"`
}

// polledBooking is a booking as the API tells it.
type polledBooking struct {
	UID       string `json:"uid"`
	Title     string `json:"title"`
	Status    string `json:"status"`
	Start     moment `json:"start"`
	End       moment `json:"end"`
	CreatedAt moment `json:"createdAt"`
	UpdatedAt moment `json:"updatedAt"`
	ICSUID    string `json:"icsUid"`
	Location  text   `json:"location"`
	Meeting   string `json:"meetingUrl"`
	Hosts     []struct {
		Name     string `json:"name"`
		Email    string `json:"email"`
		TimeZone string `json:"timeZone"`
	} `json:"hosts"`
	Attendees []struct {
		Name     string `json:"name"`
		Email    string `json:"email"`
		TimeZone string `json:"timeZone"`
		Absent   bool   `json:"absent"`
	} `json:"attendees"`
	Guests             []text                            `json:"guests"`
	CancellationReason string                            `json:"cancellationReason"`
	CancelledBy        string                            `json:"cancelledByEmail"`
	RescheduledFrom    string                            `json:"rescheduledFromUid"`
	RescheduledTo      string                            `json:"rescheduledToUid"`
	Fields             loose[map[string]json.RawMessage] `json:"bookingFieldsResponses"`
}

// Tend asks for the bookings that changed since the last look.
func (m calcomMapping) Tend(ctx context.Context, api API, t Tending) (Tended, error) {
	if t.Ending {
		return Tended{}, nil // nothing of ours stands there
	}
	look := calcomLook{After: t.Begun}
	if t.State != nil {
		if err := json.Unmarshal(t.State, &look); err != nil {
			return Tended{}, errors.New("reading what the last look kept") // err may quote it
		}
	}
	if look.Skip == 0 {
		look.After = theLatest(look.After, t.Begun, t.Now.Add(-calcomFarthest))
		look.Began = t.Now
	}
	api = api.Bearer(api.Credentials["api_key"]).With("cal-api-version", calcomVersion)
	tended := Tended{Next: t.Now.Add(calcomEvery)}
	for range calcomPages {
		page, err := m.page(ctx, api, look)
		if err != nil {
			return tended, err
		}
		for _, b := range page {
			if b.UpdatedAt.time().Before(look.After) || b.UpdatedAt.time().After(t.Now.Add(-calcomSettled)) {
				continue
			}
			found, err := b.polled()
			if err != nil {
				return tended, err
			}
			tended.Found = append(tended.Found, found...)
		}
		if len(page) < calcomPage {
			return tended.keep(calcomLook{After: look.Began.Add(-calcomOverlap)}, calcomWords)
		}
		look.Skip += len(page)
	}
	tended.Next = t.Now // there is more
	return tended.keep(look, calcomWords)
}

const calcomWords = "Cal.com is asked every ten minutes for bookings that it did not tell of"

// page is some of the bookings that changed. They come in the order in which they
// were made: one that changes meanwhile does not move, so that none is skipped.
func (calcomMapping) page(ctx context.Context, api API, look calcomLook) ([]polledBooking, error) {
	var answer struct {
		Data []polledBooking `json:"data"`
	}
	err := api.Get(ctx, "/v2/bookings", url.Values{
		"afterUpdatedAt": {look.After.UTC().Format(time.RFC3339)}, "sortCreated": {"asc"},
		"take": {strconv.Itoa(calcomPage)}, "skip": {strconv.Itoa(look.Skip)},
	}, &answer)
	if err != nil {
		return nil, fmt.Errorf("asking for bookings: %w", err)
	}
	return answer.Data, nil
}

// keep keeps a state, and says what stands.
func (t Tended) keep(state any, words string) (Tended, error) {
	raw, err := json.Marshal(state)
	if err != nil {
		return t, errors.New("keeping a state")
	}
	t.State, t.Words = raw, words
	return t, nil
}

func theLatest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }

// polled is what webhooks would have told of the booking: that it was made, or made
// instead of another one, and that it was cancelled.
func (b polledBooking) polled() ([]Polled, error) {
	if b.UID == "" || strings.Contains(b.UID, ":") {
		return nil, nil
	}
	var triggers []string
	cancelled := strings.EqualFold(b.Status, "cancelled")
	switch {
	case !cancelled && !strings.EqualFold(b.Status, "accepted"):
		return nil, nil // it is no meeting yet, or was never one
	case b.RescheduledFrom != "":
		triggers = append(triggers, "BOOKING_RESCHEDULED")
	case !cancelled:
		triggers = append(triggers, "BOOKING_CREATED")
	}
	// A booking that another one took the place of is cancelled, too: the other one
	// tells of it.
	if cancelled && b.RescheduledTo == "" {
		triggers = append(triggers, "BOOKING_CANCELLED")
	}
	var all []Polled
	for _, trigger := range triggers {
		at := b.CreatedAt
		if trigger == "BOOKING_CANCELLED" {
			at = b.UpdatedAt
		}
		body, err := json.Marshal(map[string]any{"triggerEvent": trigger, "createdAt": at, "payload": b.payload(trigger)})
		if err != nil {
			return nil, errors.New("writing out a booking")
		}
		all = append(all, Polled{
			Delivery: Delivery{Body: body},
			// A webhook says when it was sent, which the API does not know.
			Told:  []string{trigger + ":" + b.UID + ":"},
			Since: b.CreatedAt.time().Add(-clockSkew),
		})
	}
	return all, nil
}

// payload writes the booking as its webhook would.
func (b polledBooking) payload(trigger string) map[string]any {
	p := map[string]any{
		"uid": b.UID, "title": b.Title, "startTime": b.Start, "endTime": b.End, "iCalUID": b.ICSUID,
		"location": b.Location, "status": "ACCEPTED",
	}
	if b.Meeting != "" {
		p["metadata"] = map[string]any{"videoCallUrl": b.Meeting}
	}
	if len(b.Hosts) > 0 {
		host := b.Hosts[0]
		p["organizer"] = map[string]any{"name": host.Name, "email": host.Email, "timeZone": host.TimeZone}
	}
	var attendees []map[string]any
	there := map[string]bool{}
	for _, a := range b.Attendees {
		there[strings.ToLower(a.Email)] = true
		attendees = append(attendees, map[string]any{"name": a.Name, "email": a.Email, "timeZone": a.TimeZone, "noShow": a.Absent})
	}
	for _, g := range b.Guests {
		if email := strings.ToLower(string(g)); !there[email] {
			there[email] = true
			attendees = append(attendees, map[string]any{"email": string(g)})
		}
	}
	p["attendees"] = attendees
	responses := map[string]any{}
	for name, value := range b.Fields.it {
		// How the form shows what stands under another name.
		if name != "displayEmail" && name != "displayGuests" {
			responses[name] = map[string]any{"label": name, "value": value}
		}
	}
	p["responses"] = responses
	switch trigger {
	case "BOOKING_RESCHEDULED":
		p["rescheduleUid"] = b.RescheduledFrom
	case "BOOKING_CANCELLED":
		p["status"] = "CANCELLED"
		p["cancellationReason"], p["cancelledBy"] = b.CancellationReason, b.CancelledBy
	}
	return p
}
