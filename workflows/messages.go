package workflows

import (
	"github.com/google/uuid"
	"go.temporal.io/sdk/workflow"

	"github.com/debriefhq/debrief/store"
)

// The names of what a follow-up can be told and asked. They are stored in
// histories and typed by people: never change one.
const (
	SignalLookAgain = "look-again"
	// SignalDecide and UpdateDecide carry a [DecideInput]. The update answers
	// whether the decision was recorded; the signal is kept while no worker is up.
	SignalDecide = "decide"
	UpdateDecide = "decide"
	QueryPending = "pending"
)

// The descriptions that the Temporal UI shows beside the names.
const (
	describeLookAgain = "Look again at what Postgres knows. Harmless at any time."
	describeDecide    = `Answer a question: {"approval": "<id>", "verdict": "approve" | "edit" | "reject", ` +
		`"properties": {"amount": "42000"}, "reason": "…", "name": "who you are"}. "properties" is for edit alone.`
	describePending = "The questions that wait for an answer."
)

// LookAgain says why a follow-up should look again.
type LookAgain struct {
	Reason string `json:"reason"`
}

// DecideInput is an answer as a person types it in the Temporal UI.
type DecideInput struct {
	Approval uuid.UUID     `json:"approval"`
	Verdict  store.Verdict `json:"verdict"`
	// Properties replace what the question proposes, for verdict edit.
	Properties map[string]string `json:"properties,omitempty"`
	Reason     string            `json:"reason,omitempty"`
	// Name is who answers. The Temporal UI tells nobody, so it is only a claim.
	Name string `json:"name,omitempty"`
}

// forgetSignals empties a channel of [SignalLookAgain]: they all say the same, and what
// they tell of is read after this.
func forgetSignals(told workflow.ReceiveChannel) {
	var why LookAgain
	for told.ReceiveAsync(&why) {
		continue
	}
}
