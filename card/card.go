package card

import (
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Card is everything about one meeting that was asked, decided and written, in
// dependency order. Its times are in the meeting's time zone, or else the account's.
type Card struct {
	MeetingID uuid.UUID `json:"meeting_id"`
	// Title is the meeting's, in the meeting's language; never empty.
	Title    string     `json:"title"`
	StartsAt *time.Time `json:"starts_at,omitempty"`
	Host     string     `json:"host,omitempty"`
	Account  Account    `json:"account"`
	// Lines in the order in which they would be written.
	Lines []Line `json:"lines"`
	// Until is the first deadline of an open question; nil without one.
	Until *time.Time `json:"until,omitempty"`
	// ErasedAt is when the meeting's words were erased: states and times are left.
	ErasedAt *time.Time `json:"erased_at,omitempty"`
}

// Open are the lines that wait for an answer.
func (c Card) Open() []Line {
	var open []Line
	for _, l := range c.Lines {
		if l.Open() {
			open = append(open, l)
		}
	}
	return open
}

// Account is the HubSpot account that a card writes to.
type Account struct {
	HubID int64 `json:"hub_id,omitempty"`
	// Name is the connection's.
	Name string `json:"name,omitempty"`
	// IsTest: a sandbox or developer test account. FromTest: it comes from a test
	// source and goes to a real account.
	IsTest   bool `json:"is_test,omitempty"`
	FromTest bool `json:"from_test,omitempty"`
}

// Line is one action as an approver reads it.
type Line struct {
	ActionID uuid.UUID `json:"action_id"`
	// ApprovalID is the latest question about it; nil if it was never asked about.
	ApprovalID *uuid.UUID `json:"approval_id,omitempty"`
	// Kind of that question: "permission", or "outcome" where nobody knows whether
	// it was written.
	Kind  string            `json:"kind,omitempty"`
	State store.ActionState `json:"state"`
	// StateText says the state in the reader's language, with its reason.
	StateText string      `json:"state_text"`
	Tool      policy.Tool `json:"tool"`
	// Title is the tool's, in the reader's language: "Update Deal".
	Title string `json:"title"`
	// Record names the record: "Northwind, 200 seats". URL opens it in HubSpot, of a
	// note, task or meeting the record on whose timeline it is; empty for one that is
	// still to be made.
	Record string `json:"record"`
	URL    string `json:"url,omitempty"`
	// Why it is proposed; Asks is why a human is asked (a rule, or the tool); Doubt is
	// what is not sure.
	Why   string `json:"why,omitempty"`
	Asks  string `json:"asks,omitempty"`
	Doubt string `json:"doubt,omitempty"`
	// Automation warns that the portal's own workflows may start; else empty.
	Automation string   `json:"automation,omitempty"`
	Changes    []Change `json:"changes"`
	// Links name the records that it is linked to.
	Links    []string   `json:"links,omitempty"`
	Evidence []Evidence `json:"evidence,omitempty"`
	// Candidates are the records that could be meant. Picking one is an edit of
	// CandidateProperty with its ID; [store.NoneOfThese] creates a new one, if
	// MayCreate. CandidatePicked is what stands there so far: an ID,
	// [store.NoneOfThese] or nothing.
	Candidates        []Candidate `json:"candidates,omitempty"`
	CandidateProperty string      `json:"candidate_property,omitempty"`
	CandidatePicked   string      `json:"candidate_picked,omitempty"`
	MayCreate         bool        `json:"may_create,omitempty"`
	// FallsWith names the lines that are not carried out if this one is rejected.
	FallsWith []string `json:"falls_with,omitempty"`
	// Votes are those who approved so far, by name, where Quorum (more than one) have
	// to. Escalated: nobody answered in time, and others are asked, too.
	Votes     []string   `json:"votes,omitempty"`
	Quorum    int        `json:"quorum,omitempty"`
	Escalated bool       `json:"escalated,omitempty"`
	Decision  *Decision  `json:"decision,omitempty"`
	AskedAt   *time.Time `json:"asked_at,omitempty"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
	// RecordID is the record that was written.
	RecordID string `json:"record_id,omitempty"`
}

// Open says that it waits for an answer.
func (l Line) Open() bool {
	return l.ApprovalID != nil && l.State == store.ActionAsking && l.Decision == nil
}

// Change is one property as it was and would be.
type Change struct {
	// Property is HubSpot's internal name, Label the account's own.
	Property string `json:"property"`
	Label    string `json:"label"`
	// Old and New are as people read them: labels of options, names of stages and
	// owners, dates as dates; a text may have several lines. Old is empty where the
	// record is new or has no value, New says that it is empty. Both are to be
	// escaped: they are what people wrote.
	Old string `json:"old,omitempty"`
	New string `json:"new"`
	// Earlier is the value when it was first asked, if the record was changed
	// since (then Old is what it has now).
	Earlier *string `json:"earlier,omitempty"`
	// Amended: it is another value than was asked about before.
	Amended bool  `json:"amended,omitempty"`
	Input   Input `json:"input"`
}

// Input is how a value is edited. Value is the raw one, as HubSpot takes it.
type Input struct {
	Kind    InputKind `json:"kind"`
	Value   string    `json:"value"`
	Options []Option  `json:"options,omitempty"`
}

// InputKind is what an editor offers for a value.
type InputKind string

// The kinds of inputs. Dates are YYYY-MM-DD; a time is RFC 3339 in UTC.
const (
	InputText     InputKind = "text"
	InputTextarea InputKind = "textarea"
	InputNumber   InputKind = "number"
	InputDate     InputKind = "date"
	InputDateTime InputKind = "datetime"
	// InputChoice offers Options alone; InputChoices several of them, with Value
	// joined by semicolons.
	InputChoice  InputKind = "choice"
	InputChoices InputKind = "choices"
)

// Option is one value of a choice.
type Option struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

// Evidence is what was said, by whom, and where in the meeting.
type Evidence struct {
	Quote   string `json:"quote"`
	Speaker string `json:"speaker,omitempty"`
	// At is the place: a time into the meeting ("12:04"), or the part ("summary").
	At string `json:"at,omitempty"`
}

// Candidate is a record that could be meant, with the reasons.
type Candidate struct {
	ID      string   `json:"id"`
	Label   string   `json:"label"`
	URL     string   `json:"url,omitempty"`
	Reasons []string `json:"reasons,omitempty"`
}

// Decision is how a question ended.
type Decision struct {
	State store.ApprovalState `json:"state"`
	// By names who decided, as people read it; Via is the entrance.
	By  string    `json:"by"`
	Via string    `json:"via,omitempty"`
	At  time.Time `json:"at"`
	// Reason is the approver's own.
	Reason string `json:"reason,omitempty"`
}
