package agents

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Sentence says to a caller what is wrong, and whether the error is one that callers
// are told of: of any other they learn nothing, and the operator has to.
func Sentence(err error) (sentence string, told bool) {
	var refusal *store.Refusal
	var denied *policy.DeniedError
	var later *crm.RetryError
	var paused *connections.PausedError
	var answer *hubspot.Error
	switch {
	case errors.As(err, &refusal):
		return refusal.Sentence, true
	case errors.As(err, &denied):
		why := denied.Tool.Title() + " is denied"
		if said := strings.TrimSuffix(denied.Error(), "."); said != why {
			why += ": " + said
		}
		return why + ". Nothing was sent to HubSpot.", true
	case errors.As(err, &paused):
		return paused.Public(), true
	case errors.Is(err, connections.ErrNoConnection), errors.Is(err, store.ErrNoConnection):
		return "No HubSpot account is connected for this person: an admin connects one.", true
	case errors.As(err, &later):
		return fmt.Sprintf("HubSpot can't be reached or is busy just now: the same call may work in %s.", later.After), true
	case errors.Is(err, hubspot.ErrSearchTooWide):
		return "The search has more matches than HubSpot shows: narrow it.", true
	case errors.Is(err, hubspot.ErrNotFound):
		return "HubSpot has no such record.", true
	case errors.Is(err, hubspot.ErrMissingScopes):
		return "The connection lacks a permission in HubSpot for that: an admin connects again with it.", true
	case errors.As(err, &answer) && errors.Is(err, hubspot.ErrValidation):
		var names []string
		for _, p := range answer.Properties {
			if p.Name != "" {
				names = append(names, clip(p.Name, 100))
			}
		}
		if len(names) > 0 {
			return "HubSpot does not take that: look at " + strings.Join(names, ", ") + ".", true
		}
		return "HubSpot does not take that request: look at its properties and conditions.", true
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return "It took too long: ask for its status, or make the same call again.", true
	default:
		return "It failed inside Debrief; its log says more.", false
	}
}
