package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"
)

// Booking is a meeting that is ahead: its host is briefed, since it begins within the
// time that hosts want to be briefed before.
type Booking struct {
	Organization int
	Name         string
	Channel      string // by which its host is told
	Guest        Guest
	Deliveries   []Delivery
	// Moved and Canceled: that is told of, too, some time later.
	Moved, Canceled bool
}

// The ways in which hosts are told.
const (
	ByMail         = "email"
	ByWebhook      = "webhook"
	BySlackMessage = "slack"
)

// bookEvery is how often somebody books, on average.
const bookEvery = 5 * time.Second

// hosts are who is told by which way.
var hosts = map[string]struct{ name, email string }{
	ByMail: {"Tomas Okafor", "tomas@brightwater.example"}, ByWebhook: {"Lena Brandt", "lena@brightwater.example"}, BySlackMessage: {"Mara Lindqvist", "mara@brightwater.example"},
}

// drawBookings draws the meetings that are ahead.
func drawBookings(seed uint64, organizations int, load time.Duration, began time.Time) ([]Booking, error) {
	r := rand.New(rand.NewPCG(seed, 3)) //nolint:gosec // a draw that can be repeated
	var all []Booking
	for at := time.Second; at < load-4*time.Second; at += bookEvery/2 + time.Duration(r.Int64N(int64(bookEvery))) {
		b := Booking{Organization: r.IntN(organizations), Name: fmt.Sprintf("b%05d", len(all)), Channel: []string{ByMail, ByWebhook}[r.IntN(2)]}
		if b.Organization == inSlack && r.IntN(2) == 0 {
			b.Channel = BySlackMessage
		}
		b.Guest = guestOf(b.Name, true)
		starts := began.Add(at + 40*time.Minute).UTC().Truncate(time.Minute)
		tell := func(kind string, after time.Duration, moved time.Duration) error {
			host := hosts[b.Channel]
			body, err := json.Marshal(map[string]any{
				"type": kind, "timestamp": began.Add(at + after).UTC().Format(time.RFC3339Nano),
				"data": map[string]any{
					"keys": map[string]any{"instance_id": "instance-" + b.Name}, "title": wordTitle + " " + b.Name,
					"scheduled_start": starts.Add(moved).Format(time.RFC3339), "scheduled_end": starts.Add(moved + 30*time.Minute).Format(time.RFC3339),
					"organizer": map[string]any{"name": host.name, "email": host.email},
					"attendees": []map[string]any{{"name": host.name, "email": host.email, "role": "host"}, {"name": b.Guest.Name, "email": b.Guest.Email, "role": "guest"}},
				},
			})
			if err != nil {
				return fmt.Errorf("encoding a booking: %w", err)
			}
			b.Deliveries = append(b.Deliveries, Delivery{
				ID: fmt.Sprintf("%s-%d", b.Name, len(b.Deliveries)+1), At: at + after, Receiver: r.IntN(2), Copies: 1 + r.IntN(6)/5, Again: r.IntN(5) == 0, Body: body,
			})
			return nil
		}
		err := tell("meeting.scheduled", 0, 0)
		after := time.Duration(1+r.IntN(12)) * time.Second
		switch r.IntN(6) {
		case 0, 1:
			b.Moved = true
			if err == nil {
				err = tell("meeting.rescheduled", after, 10*time.Minute)
			}
		case 2:
			b.Canceled = true
			if err == nil {
				err = tell("meeting.canceled", after, 0)
			}
		}
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	return all, nil
}

// Telling is one message that a host was told something by.
type Telling struct {
	Channel string
	// ID is what makes two messages one to who reads them.
	ID   string
	Text string
}
