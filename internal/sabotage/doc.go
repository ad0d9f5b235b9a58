// Package sabotage breaks Debrief's promises on purpose, one at a time, so that the
// audit of `make chaos` can be shown to notice.
//
// Each [Switch] names a promise and the one thing that no longer holds. In a binary
// that was built with `-tags sabotage`, [Is] says whether the environment variable
// [Variable] names the switch. In any other binary it is the constant false: the
// compiler takes every place that asks out again, with the switch's name
// (TestNoSwitchShips looks for them).
//
// That each switch breaks what it says is seen by `go test -tags sabotage
// ./internal/sabotage/`: with it on, a test that guards the promise fails.
//
// It must never hold more than a name and a question: what is broken stands in one
// line where the promise is kept, and what the audit should say about it in the
// switch's comment.
package sabotage

// Variable is the environment variable that names the switch that is on.
const Variable = "DEBRIEF_SABOTAGE"

// Switch names a promise that is broken.
type Switch string

// The switches, and what the audit reports: lost, duplicated, wrong or stuck.
const (
	// ForgetDelivery breaks "an acknowledged webhook is never lost": one delivery in
	// eight, always the same one however often it is sent, is answered as accepted and
	// not stored. Reported as lost: the delivery, and what should have come of it.
	ForgetDelivery Switch = "forget-delivery"
	// Twice breaks "one event, one effect": a delivery that comes again is stored
	// again, and an event that stands already is done as a new one. Reported as
	// duplicated: the meeting, its follow-up, and the records without a natural key.
	Twice Switch = "twice"
	// Unpermitted breaks "nothing runs without permission" at the second of the two
	// places: what was planned or approved is sent, whatever the tool's permission says
	// at the moment of the call. Reported as wrong: a write that began while its tool
	// was denied. It shows in what is turned to deny after the plan or the approval and
	// before the write, as while HubSpot is away or a connection has ended.
	Unpermitted Switch = "unpermitted"
	// AskAsAllow breaks "nothing runs without permission", too: what a tool's
	// permission or a rule asks about is written as if it were allowed. (What is in
	// doubt is still asked about.) Reported as wrong: a write without a decision.
	AskAsAllow Switch = "ask-as-allow"
	// WriteAgain breaks "no write happens twice": a create whose answer was lost is
	// sent again without a look at what became of it. Reported as duplicated, where
	// HubSpot does what it does not answer: notes, tasks, meetings, deals and tickets, in
	// an account without the property debrief_key. (The same key or the same contact
	// twice HubSpot refuses itself.)
	WriteAgain Switch = "write-again"
	// LoseDecision breaks "no decision is lost": of one question in four the answer is
	// acknowledged and not recorded, however often it is given. Reported as lost: the
	// decision; the question stays open.
	LoseDecision Switch = "lose-decision"
	// DropOnDeadGrant breaks "a dead connection pauses work; it never drops it": a
	// follow-up whose connection has ended is closed instead of paused, and nobody
	// wakes it when the connection is back. Reported as lost: what it had still to
	// write.
	DropOnDeadGrant Switch = "drop-on-dead-grant"
	// OtherTenant breaks "tenants neither see nor starve each other": the access token
	// of another organization's connection is handed out, so that what is read and
	// written for one is read and written in another's account; the trail names the
	// right connection. Reported as wrong: records in an account that no script expects
	// there. (And as lost where they should be.)
	OtherTenant Switch = "other-tenant"
	// NoTrail breaks "everything leaves a trail": the audit row of a write is gone once
	// the write is done. Reported as wrong: a write without an audit row.
	NoTrail Switch = "no-trail"
	// ClearText breaks "text is private": payloads go to Temporal as they are. Reported
	// as wrong: the meeting's words in histories.
	ClearText Switch = "clear-text"
	// LogToken breaks "secrets stay secret": each access token that is used is printed
	// to standard error, where logs go. Reported as wrong: a token in a process's
	// output.
	LogToken Switch = "log-token"
	// Stuck breaks "a decision is never lost" another way: it is recorded, nobody is
	// told to look again, and the timer that looks in any case does not run out.
	// Reported as stuck: an action that is ready, and a workflow that waits for nobody.
	// (An answer in the Temporal UI goes to the workflow itself, and is seen.)
	Stuck Switch = "stuck"
)

// All returns every switch.
func All() []Switch {
	return []Switch{
		ForgetDelivery, Twice, Unpermitted, AskAsAllow, WriteAgain, LoseDecision, DropOnDeadGrant, OtherTenant, NoTrail, ClearText,
		LogToken, Stuck,
	}
}
