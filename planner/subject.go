package planner

import (
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// Subject is a meeting, and what the organization knows about itself.
type Subject struct {
	Meeting meeting.Meeting
	// Host is who held the meeting for the organization, as far as the caller
	// knows; what is missing is taken from the meeting.
	Host Host
	// Domains are the organization's own e-mail domains. While there are none,
	// the host's is taken, unless it is free mail.
	Domains []string
	// Ignored extends the shipped list of those who are nobody to the CRM: whole
	// addresses, "@domain", or patterns with *.
	Ignored []string
	// HeardAt is when Debrief first heard that the meeting took place. It dates
	// the records of a meeting whose platform tells no time.
	HeardAt time.Time
	// Answers are what approvers wrote into questions of this meeting.
	Answers Answers
	// Deals says which deals a meeting can be about.
	Deals store.DealSettings
	// Proposed is what other planners propose, beside the platform's own agent, whose
	// proposals come with the meeting.
	Proposed []Proposals
	// RulesOff are the names of the [PhraseRules] that do not listen.
	RulesOff []string
	// Told are records that the CRM said are new: they are read by their IDs, since
	// its search may not find them yet.
	Told []store.RecordRef
}

// proposals are those of all planners.
func (s Subject) proposals() []Proposals {
	return append([]Proposals{{By: ByPlatform, Actions: s.Meeting.ProposedActions}}, s.Proposed...)
}

// Host is the person who held a meeting.
type Host struct {
	Name  string `json:"name,omitempty"`
	Email string `json:"email,omitempty"`
	// OwnerID is the host's owner in HubSpot, if the organization knows it.
	OwnerID string `json:"owner_id,omitempty"`
}

// start is the best known start of the meeting, or when it was heard of.
func (s Subject) start() time.Time {
	if t := s.Meeting.Start(); !t.IsZero() {
		return t
	}
	if t := s.Meeting.End(); !t.IsZero() {
		return t
	}
	return s.HeardAt
}

// location is the meeting's time zone, or UTC.
func (s Subject) location() *time.Location {
	if loc, err := time.LoadLocation(s.Meeting.TimeZone); err == nil {
		return loc
	}
	return time.UTC
}

// Questions beside those of the store: the ID of the deal that a meeting belongs to,
// and of the company of a new contact.
const (
	DealProperty    = store.QuestionPrefix + "deal"
	CompanyProperty = store.QuestionPrefix + "company"
)

// Answers are the properties that approvers edited, by the key of the draft.
// [Plan] keeps them: the draft that it makes under the same key has the values
// that the approver wrote.
type Answers map[string]map[string]string

func (a Answers) value(key, property string) string {
	return strings.TrimSpace(a[key][property])
}

// attendees are whom an approver named, in the order of their addresses.
func (a Answers) attendees() []meeting.Person {
	var people []meeting.Person
	for _, edit := range a {
		people = append(people, parseAttendees(edit[store.AttendeesProperty])...)
	}
	slices.SortFunc(people, func(x, y meeting.Person) int { return strings.Compare(x.Email+x.Name, y.Email+y.Name) })
	return people
}

// parseAttendees reads the answer to [store.AttendeesProperty]. What is no address is
// left out: whoever asks can compare how many came back.
func parseAttendees(answer string) []meeting.Person {
	var people []meeting.Person
	for _, part := range strings.FieldsFunc(answer, func(r rune) bool { return r == ',' || r == ';' || r == '\n' }) {
		part = strings.TrimSpace(part)
		if a, err := mail.ParseAddress(part); err == nil {
			part = a.Address
			if address(part) != "" {
				people = append(people, meeting.Person{Name: a.Name, Email: address(part)})
			}
		} else if email := address(part); email != "" {
			people = append(people, meeting.Person{Email: email})
		}
	}
	return people
}
