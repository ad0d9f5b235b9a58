package briefing

import (
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/policy"
)

// How much of each a brief looks up or shows. What is beyond is counted, "and 4 more".
const (
	// MostPeople are looked up in the CRM, the first of [Input].External.
	MostPeople = 12
	// MostDeals and MostTickets are shown; MostRecords of each are kept for [Changes].
	MostDeals   = 5
	MostTickets = 5
	MostRecords = 50
	// MostPast is how many meetings are looked at of each person, and how many notes.
	MostPast = 3
	// MostShown bounds what is shown of colleagues, meetings, notes, approvals, and
	// promises of a meeting.
	MostShown = 8
	// MostPoints is how many talking points there are.
	MostPoints = 5
)

// Input is one meeting that its host is briefed on, with what Debrief itself knows.
// Whoever makes it leaves out what the host may not see.
type Input struct {
	Meeting Meeting
	Account Account
	// At is when the brief is made: ages, and what is past or late, are as of then.
	At time.Time
	// External are those from outside, whoever matters most first: as planner.Who finds
	// them.
	External []Guest
	// Colleagues are the names of the organization's other people who are coming.
	Colleagues []string
	// Past are earlier meetings with any of these people that Debrief knows, in any order.
	Past []Past
	// Approvals are open questions of these meetings that the host may see.
	Approvals []Approval
	// MayCreate: after the meeting, Debrief may propose to create contacts
	// (contact.create is not denied).
	MayCreate bool
	// Denied are tools that are known to be denied for this meeting: what is denied for
	// all that share a reading is not tried, and of what others may read nothing is taken.
	// The gate denies what does not stand here.
	Denied []policy.Tool
	// NoteDenied: a note in HubSpot is wanted of the brief, and the tool note.create is
	// denied.
	NoteDenied bool
	// OwnNotes are those notes of [Reading.NoteIDs] that Debrief made of briefs: they are
	// not shown.
	OwnNotes []string
	// CRMMissing says why nothing is read of the CRM: an English sentence as package
	// words knows it. The brief is made of what Debrief itself knows then. Empty is
	// normal.
	CRMMissing string
}

// Meeting is what is known of the meeting itself.
type Meeting struct {
	ID    uuid.UUID `json:"id"`
	Title string    `json:"title,omitempty"`
	Start time.Time `json:"start"`
	// End is zero if nobody told.
	End time.Time `json:"end,omitzero"`
	// JoinURL is where it is held: an http or https address, or nothing.
	JoinURL string `json:"join_url,omitempty"`
	// Host is the name of whom the brief is for, HostOwnerID their owner in HubSpot, if
	// they have one.
	Host        string `json:"host,omitempty"`
	HostOwnerID string `json:"host_owner_id,omitempty"`
	// RecordID is the meeting in HubSpot, if one of its people has it on their timeline
	// already. It is filled in by [Reading.Brief].
	RecordID string `json:"record_id,omitempty"`
}

// Account is the HubSpot account that is read.
type Account struct {
	HubID int64 `json:"hub_id,omitempty"`
	// Currency is the company's, of amounts that name none: "EUR". May be empty.
	Currency string `json:"currency,omitempty"`
}

// Guest is somebody from outside who is invited.
type Guest struct {
	Name string `json:"name,omitempty"`
	// Email in lower case; empty where nobody knows it.
	Email string `json:"email,omitempty"`
	// Domain of the address that may stand for a company; empty for free mail.
	Domain   string `json:"domain,omitempty"`
	JobTitle string `json:"job_title,omitempty"`
	// Response to the invitation: accepted, declined, tentative, or nothing. One who
	// declined is a guest all the same: that they do stands in the brief.
	Response string `json:"response,omitempty"`
}

// Past is an earlier meeting that Debrief knows.
type Past struct {
	MeetingID uuid.UUID `json:"meeting_id"`
	Title     string    `json:"title,omitempty"`
	Start     time.Time `json:"start"`
	Host      string    `json:"host,omitempty"` // a name
	// With are the addresses of those from outside who were there, in lower case.
	With []string `json:"with,omitempty"`
	// RecordID is the meeting in HubSpot, if it was logged; NoteIDs are the notes that
	// Debrief wrote about it, which are not shown a second time.
	RecordID string    `json:"record_id,omitempty"`
	NoteIDs  []string  `json:"note_ids,omitempty"`
	Promises []Promise `json:"promises,omitempty"`
}

// Promise is something that somebody said they would do.
type Promise struct {
	Text string `json:"text"`
	By   string `json:"by,omitempty"` // a name
	// Due is zero if no day was said.
	Due time.Time `json:"due,omitzero"`
	// TaskID is the task in HubSpot that it became; its status there says whether it was
	// done. Without one, Done says what the platform told.
	TaskID string `json:"task_id,omitempty"`
	Done   bool   `json:"done,omitempty"`
	// State is filled in by [Reading.Brief].
	State PromiseState `json:"state,omitempty"`
}

// PromiseState says how far a promise has come.
type PromiseState string

// The states of promises. Late: it is not done, and its day has passed (in UTC).
const (
	PromiseDone    PromiseState = "done"
	PromiseOpen    PromiseState = "open"
	PromiseLate    PromiseState = "late"
	PromiseUnknown PromiseState = "unknown" // tasks may not be read, or this one is gone
)

// Approval is an open question of Debrief's.
type Approval struct {
	MeetingID uuid.UUID `json:"meeting_id"`
	// Title is the tool's, in English as package words knows it ("Update Deal"); Record
	// names what it is about.
	Title  string    `json:"title"`
	Record string    `json:"record,omitempty"`
	Asked  time.Time `json:"asked"`
	// Mine: the host is among those who may answer.
	Mine bool `json:"mine,omitempty"`
}

// Brief is what a host is told. It holds names, addresses and what people wrote: store
// it sealed.
type Brief struct {
	Meeting    Meeting   `json:"meeting"`
	Account    Account   `json:"account"`
	At         time.Time `json:"at"`
	MayCreate  bool      `json:"may_create,omitempty"`
	Colleagues []string  `json:"colleagues,omitempty"`
	// People are those that were looked up; Others are the rest of those from outside.
	People    []Person    `json:"people,omitempty"`
	Others    []Guest     `json:"others,omitempty"`
	Companies []Company   `json:"companies,omitempty"`
	Deals     []Deal      `json:"deals,omitempty"`
	Tickets   []Ticket    `json:"tickets,omitempty"`
	History   []Encounter `json:"history,omitempty"`
	Approvals []Approval  `json:"approvals,omitempty"`
	// Points are generated: see [TalkingPoints]. Everything else is fact.
	Points []string `json:"points,omitempty"`
	// Denied are the tools without which something is missing here; Cut names object
	// types of which more was there than was read.
	Denied []policy.Tool `json:"denied,omitempty"`
	Cut    []string      `json:"cut,omitempty"`
	// Refused names object types that HubSpot does not let the connection read.
	Refused []string `json:"refused,omitempty"`
	// CRMMissing is [Input].CRMMissing.
	CRMMissing string `json:"crm_missing,omitempty"`
	// NoteDenied: there would be a note in HubSpot if it were allowed.
	NoteDenied bool `json:"note_denied,omitempty"`
	// Records are those that it was made of, also those it does not show.
	Records []Record `json:"records,omitempty"`
}

// Record names a CRM record.
type Record struct {
	Object string `json:"object"` // contact, company, …
	ID     string `json:"id"`
}

// Person is somebody from outside who is coming.
type Person struct {
	Guest

	// ContactID is empty where HubSpot does not know them, or may not be asked: see
	// [Brief].Denied.
	ContactID string `json:"contact_id,omitempty"`
	// CompanyID is of one of [Brief].Companies.
	CompanyID   string    `json:"company_id,omitempty"`
	LastContact time.Time `json:"last_contact,omitzero"`
	Owner       Owner     `json:"owner,omitzero"`
	// KnownBy are the names of our own people who own the contact or met them, but for
	// the host.
	KnownBy []string `json:"known_by,omitempty"`
}

// Owner is who a record belongs to. Name is empty where owners may not be read.
type Owner struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// Company is a company of those who are coming.
type Company struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Domain string `json:"domain,omitempty"`
	// Industry and Lifecycle are as the account calls them.
	Industry  string `json:"industry,omitempty"`
	Lifecycle string `json:"lifecycle,omitempty"`
	// Employees is a decimal, or nothing.
	Employees string `json:"employees,omitempty"`
	Owner     Owner  `json:"owner,omitzero"`
}

// Deal is a deal with one of the people or companies.
type Deal struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	// Stage is the stage's label, StageID HubSpot's. Closed ones are not shown; they are
	// kept so that [Changes] can say how one ended.
	Stage   string `json:"stage,omitempty"`
	StageID string `json:"stage_id,omitempty"`
	Closed  bool   `json:"closed,omitempty"`
	// Since is when it came into its stage; zero if unknown.
	Since time.Time `json:"since,omitzero"`
	// Amount is a decimal, Currency a code; both may be empty.
	Amount   string `json:"amount,omitempty"`
	Currency string `json:"currency,omitempty"`
	// Closes is a day ("2026-12-15"), or empty.
	Closes   string `json:"closes,omitempty"`
	NextStep string `json:"next_step,omitempty"`
	Owner    Owner  `json:"owner,omitzero"`
	// Company is the name of the company that it is with, if one of ours has it.
	Company string `json:"company,omitempty"`
}

// Ticket is a ticket of one of the people or companies.
type Ticket struct {
	ID      string `json:"id"`
	Subject string `json:"subject"`
	// State is the stage's label. Closed as in [Deal].
	State    string    `json:"state,omitempty"`
	StateID  string    `json:"state_id,omitempty"`
	Closed   bool      `json:"closed,omitempty"`
	Priority string    `json:"priority,omitempty"` // LOW, MEDIUM, HIGH, URGENT, or the account's own
	Opened   time.Time `json:"opened,omitzero"`
	Owner    Owner     `json:"owner,omitzero"`
	Company  string    `json:"company,omitempty"`
}

// EncounterKind is what an [Encounter] is.
type EncounterKind string

// The kinds of encounters: a meeting that Debrief followed up, one that HubSpot has, a
// note that HubSpot has.
const (
	FollowedUp EncounterKind = "follow_up"
	Met        EncounterKind = "meeting"
	Noted      EncounterKind = "note"
)

// Encounter is something that was before: a meeting or a note.
type Encounter struct {
	Kind EncounterKind `json:"kind"`
	// MeetingID is Debrief's, RecordID HubSpot's; ContactID whose timeline shows it.
	MeetingID uuid.UUID `json:"meeting_id,omitzero"`
	RecordID  string    `json:"record_id,omitempty"`
	ContactID string    `json:"contact_id,omitempty"`
	At        time.Time `json:"at"`
	// Created is when HubSpot got it.
	Created time.Time `json:"created,omitzero"`
	Title   string    `json:"title,omitempty"`
	// Text is what a note says, as one line, cut.
	Text string `json:"text,omitempty"`
	// By is the name of our host or author; With the names of those who are coming again.
	By       string    `json:"by,omitempty"`
	With     []string  `json:"with,omitempty"`
	Promises []Promise `json:"promises,omitempty"`
}
