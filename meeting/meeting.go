package meeting

import "time"

// State is how far a meeting has come.
type State string

// The states of a meeting.
const (
	StateScheduled State = "scheduled"
	StateStarted   State = "started"
	StateEnded     State = "ended"
	StateCanceled  State = "canceled"
)

// Meeting is one occurrence, as its events add up to it. See [Fold].
type Meeting struct {
	State  State `json:"state"`
	IsTest bool  `json:"is_test,omitempty"`
	// HasEnded: somebody said that it ended, or told its notes. HasNotes: the
	// notes are there.
	HasEnded bool `json:"has_ended,omitempty"`
	HasNotes bool `json:"has_notes,omitempty"`
	// Providers that told of it, in alphabetical order.
	Providers []string `json:"providers,omitempty"`

	Details
}

// Start is the best known start: the actual one, else the scheduled one.
func (m Meeting) Start() time.Time {
	if !m.ActualStart.IsZero() {
		return m.ActualStart
	}
	return m.ScheduledStart
}

// End is the best known end: the actual one, else the scheduled one.
func (m Meeting) End() time.Time {
	if !m.ActualEnd.IsZero() {
		return m.ActualEnd
	}
	return m.ScheduledEnd
}
