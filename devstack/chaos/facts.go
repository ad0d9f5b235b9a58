package chaos

import (
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// Facts are how things stand in the end: in PostgreSQL, at the simulator and in Temporal.
type Facts struct {
	Deliveries []DeliveryFact
	FollowUps  []FollowUpFact
	Approvals  []ApprovalFact
	Actions    []ActionFact
	Calls      []CallFact
	// Decisions are the questions whose decision has its row in the trail: how many rows.
	Decisions map[uuid.UUID]int
	// Records are all of the types that Debrief writes, by account.
	Records map[int64][]hubspottest.Record
	Writes  []hubspottest.Write
	// Left is what is not done though nobody and nothing has to be waited for.
	Left []Leftover
	// Told is what people were told.
	Told []Telling
	// Said are texts that stand where none may.
	Said []Spill
}

// DeliveryFact is a row of deliveries with the meetings that it tells of.
type DeliveryFact struct {
	ID       string // the platform's
	State    string
	Events   int
	Meetings []uuid.UUID
}

// FollowUpFact is a row of follow_ups.
type FollowUpFact struct {
	Meeting, Organization uuid.UUID
	State                 string
	Round                 int
	Paused                bool
}

// ApprovalFact is a row of approvals.
type ApprovalFact struct {
	ID, Action uuid.UUID
	Kind       string
	State      string
	Via        string
	AskedAt    time.Time
	DecidedAt  time.Time
}

// ActionFact is a row of actions.
type ActionFact struct {
	ID, Meeting  uuid.UUID
	Organization string // its name
	Tool         string
	State        string
	Reason       string
	RecordID     string
	CreatedAt    time.Time
	UpdatedAt    time.Time
}

// CallFact is the trail's row of a call.
type CallFact struct {
	ID           int64
	At           time.Time
	CompletedAt  time.Time // zero: never
	Organization string
	Action       uuid.UUID
	Meeting      uuid.UUID
	Tool         string
	RecordID     string
	Outcome      string
	Reason       string
	Status       int
	// Writes: it has values, so it was to change something.
	Writes bool
}

// Leftover is something that is stuck.
type Leftover struct {
	What    string
	Meeting uuid.UUID
	Detail  string
}

// Spill is a text that stands where none may.
type Spill struct {
	What, Where string
}
