package workflows

import (
	"go.temporal.io/sdk/temporal"

	"github.com/debriefhq/debrief/store"
)

// The search attributes by which people find a follow-up in the Temporal UI.
// Temporal stores them in clear: no name, no address and no amount is ever one.
var (
	FollowUpStatus      = temporal.NewSearchAttributeKeyKeyword("FollowUpStatus")
	DebriefOrganization = temporal.NewSearchAttributeKeyKeyword("DebriefOrganization")
)

// status names what a follow-up is doing, as its search attribute.
func status(next store.Next) string {
	switch next {
	case store.NextGather:
		return "gathering"
	case store.NextPlan:
		return "planning"
	case store.NextUndo:
		return "undoing"
	case store.NextWrite:
		return "writing"
	case store.NextAnswer:
		return "waiting_approval"
	case store.NextPause:
		return "waiting_connection"
	default:
		return "done"
	}
}
