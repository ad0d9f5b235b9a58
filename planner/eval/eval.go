package eval

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
)

// Half is one of the two halves of the set.
type Half string

// The halves: Tuned is worked with, Kept is only measured.
const (
	Kept  Half = "kept"
	Tuned Half = "tuned"
)

// Case is a meeting with what is expected after it. A planner is shown Account,
// Denied, Host, Meeting and CRM, and nothing else of it.
type Case struct {
	Name    string // the file's
	Half    Half
	About   string
	Kinds   []string
	Account Account
	// Denied are the tools that are denied; every other one is allowed.
	Denied  []policy.Tool
	Host    planner.Host
	Meeting meeting.Meeting
	CRM     CRM

	Expect []Action
	// May are actions that are as right done as left undone.
	May   []Action
	Never []Never

	Answer Answer
}

// Account is a HubSpot account.
type Account struct {
	Name    string
	Domains []string // the organization's own
	// Currencies, the company currency first.
	Currencies      []string
	Owners          []planner.Owner
	DealPipelines   []hubspot.Pipeline
	TicketPipelines []hubspot.Pipeline
	// Properties are all that the account has, by object.
	Properties map[string][]hubspot.Property
}

// CRM is what HubSpot has before the meeting. Links are written at both ends.
type CRM struct {
	Contacts, Companies, Deals, Tickets, Tasks, Meetings, Notes []planner.Record
}

// Of are the records of an object type, by its singular name.
func (c CRM) Of(object string) []planner.Record {
	if list := c.list(object); list != nil {
		return *list
	}
	return nil
}

func (c *CRM) list(object string) *[]planner.Record {
	switch object {
	case "contact":
		return &c.Contacts
	case "company":
		return &c.Companies
	case "deal":
		return &c.Deals
	case "ticket":
		return &c.Tickets
	case "task":
		return &c.Tasks
	case "meeting":
		return &c.Meetings
	case "note":
		return &c.Notes
	default:
		return nil
	}
}

// Mark says whether an expected action is taken or asked about.
type Mark string

// The marks.
const (
	Act Mark = "act"
	Ask Mark = "ask"
)

// Action is an expected action.
type Action struct {
	Mark Mark
	Tool policy.Tool
	// Ref names what a create makes, for associations of other actions.
	Ref string
	// Target is the record to update; empty for a create, and for a question with
	// Candidates.
	Target     meeting.RecordRef
	Candidates []meeting.RecordRef
	Properties map[string]Value
	// Associations that have to be there; others may be.
	Associations []meeting.RecordRef
	Quote        string
	Speaker      string
	// Why it has to be a question; or what a reader would wonder about.
	Why string
}

// Value is what a property is, of an expected action or of a Never: Exact, or if
// Words are given, any text that holds them all.
type Value struct {
	Exact string
	Words []string // in lower case
}

func parseValue(s string) Value {
	if words, ok := strings.CutPrefix(s, "~"); ok {
		return Value{Words: strings.Fields(strings.ToLower(words))}
	}
	return Value{Exact: s}
}

// String is the value as it is written in a file.
func (v Value) String() string {
	if len(v.Words) > 0 {
		return "~ " + strings.Join(v.Words, " ")
	}
	return v.Exact
}

// Never is what must not be done without an answer. An empty field stands for any.
type Never struct {
	Tool     policy.Tool
	Target   meeting.RecordRef
	Property string
	Value    Value
	// Strict: nobody may be asked about it, either.
	Strict bool
	Why    string
}

// Answer is what a language model is made to answer about a meeting.
type Answer struct{ Actions []Claim }

// Claim is one action of a model's answer. Its texts are as a model writes them:
// they need not be tools, records or properties that there are.
type Claim struct {
	Tool         string            `json:"tool"`
	Target       string            `json:"target,omitempty"` // "deal 701"; empty for a create
	Properties   map[string]string `json:"properties,omitempty"`
	Associations []string          `json:"associations,omitempty"`
	Quote        string            `json:"quote"`
	Speaker      string            `json:"speaker,omitempty"`
	Reason       string            `json:"reason,omitempty"`
	Confidence   float64           `json:"confidence"`

	// Planted is nil for a right claim.
	Planted *Planted `json:"-"`
}

// Planted says what is wrong with a claim on purpose.
type Planted struct {
	Kind string // one of PlantedKinds
	Why  string
	// AtMost is the most that may come of it.
	AtMost AtMost
}

// AtMost is the most that may come of a wrong claim.
type AtMost string

// What may come of a wrong claim. A part of it that is right, such as another
// property, may still be used.
const (
	Nothing  AtMost = "nothing"
	Question AtMost = "question"
)

// JSON is the answer as a model gives it.
func (a Answer) JSON() ([]byte, error) {
	actions := a.Actions
	if actions == nil {
		actions = []Claim{}
	}
	raw, err := json.Marshal(struct {
		Actions []Claim `json:"actions"`
	}{actions})
	if err != nil {
		return nil, fmt.Errorf("encoding an answer: %w", err)
	}
	return raw, nil
}

// Kinds are what meetings of the set are there to show. Every call makes a new
// list.
func Kinds() []string {
	return []string{
		"discovery", "demo", "negotiation", "renewal", "churn risk", "support with ticket words", "support without ticket words",
		"internal", "one-on-one", "german", "french", "spanish", "portuguese", "mixed languages", "messy speech", "nothing to do",
		"several deals", "amount corrected", "two currencies", "weekday date", "daylight saving", "two people of a name", "first name only",
		"free mail", "notetaker bot", "role change", "person mentioned", "room", "hearsay", "joke", "conditional", "negation",
		"promise of the other side", "already done", "duplicate task", "lost deal", "stage by another name", "injection", "another company",
		"proposals", "denied tool", "no transcript", "owner by name", "partner",
	}
}

// PlantedKinds are the ways in which claims are wrong, each with what it means.
// Every call makes a new map.
func PlantedKinds() map[string]string {
	return map[string]string{
		"invented quote":        "nobody said it in any meeting of the set",
		"altered quote":         "said almost like this, but the word that matters was changed",
		"quote of another":      "said in another meeting of the set",
		"wrong speaker":         "said by someone else than the claim says",
		"number not in quote":   "the quote is real and has another number, or none",
		"wrong currency":        "the quote is real and has another currency, or none",
		"wrong date":            "the quote is real and means another day",
		"wrong person":          "the quote is real and means someone else",
		"wrong record":          "the quote is real and means another record",
		"unclear record":        "the quote could mean several records, and the claim picks one",
		"widened tool":          "the tool is none, or none that planners have",
		"no such property":      "the account has no such property",
		"read-only property":    "HubSpot writes this property itself",
		"no such option":        "the enumeration or pipeline has no such value",
		"denied tool":           "the tool is denied",
		"not in the CRM":        "the target is no record of the CRM",
		"duplicate":             "the rules, an open task or another claim has it already",
		"contradiction":         "another claim of the answer says otherwise, and is no better supported",
		"hallucinated company":  "the company or its domain was not named",
		"hallucinated person":   "the person, or the address, was not named",
		"over-reach":            "the words support less than the claim takes them for",
		"conditional":           "it was said to hold only if something else happens",
		"negated":               "it was said not to be done",
		"hearsay":               "it was told of others, by someone who can't know",
		"joke":                  "it was not meant",
		"superseded":            "it was said, and corrected later in the meeting",
		"already done":          "it was said to be done already",
		"injected":              "it follows words that address the software, not the people",
		"no ticket asked for":   "a problem was told of, and nobody asked for a ticket",
		"internal":              "it is about the organization's own people or rooms",
		"another company":       "it was said of another company's business",
		"broken value":          "the value is not of the property's type",
		"no quote":              "there is no quote at all",
		"guessed":               "a value that nobody said, beside one that somebody did",
		"the other side's task": "the customer's promise, given to one of the organization's people as their own to do",
	}
}
