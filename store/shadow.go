package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/policy"
)

// inShadow begins the reason of an action that only the preset shadow kept from
// being written.
const inShadow = "in shadow: "

// mostShadowed bounds how many actions one report compares: each takes a call to
// HubSpot.
const mostShadowed = 500

// ShadowReport says how what was planned in shadow compares with what people
// entered by themselves. It holds counts, IDs and names of properties, and no words.
type ShadowReport struct {
	Since time.Time `json:"since"`
	Until time.Time `json:"until"`
	// Cut: there were more, older ones, that were not compared.
	Cut bool `json:"cut"`

	ShadowCounts

	Tools map[policy.Tool]ShadowCounts `json:"tools"`
	// Lines are the newest first.
	Lines []ShadowLine `json:"lines"`
}

// ShadowCounts counts actions by what became of them.
type ShadowCounts struct {
	Same        int `json:"same"`
	Different   int `json:"different"`
	Nobody      int `json:"nobody"`
	NotCompared int `json:"not_compared"`
}

// ShadowOutcome is how one planned action compares.
type ShadowOutcome string

// The outcomes of a comparison.
const (
	ShadowSame ShadowOutcome = "same"
	// ShadowDifferent: people entered something else in its place.
	ShadowDifferent ShadowOutcome = "different"
	ShadowNobody    ShadowOutcome = "nobody entered it"
	// ShadowNotCompared: nothing that Debrief may read tells.
	ShadowNotCompared ShadowOutcome = "not compared"
)

// ShadowLine is one planned action.
type ShadowLine struct {
	ActionID  uuid.UUID     `json:"action_id"`
	MeetingID uuid.UUID     `json:"meeting_id"`
	Tool      policy.Tool   `json:"tool"`
	Outcome   ShadowOutcome `json:"outcome"`
	// Why it was not compared: a sentence without personal data.
	Why string `json:"why,omitempty"`
	// RecordID is the record that it was compared with, Properties are those with
	// other values.
	RecordID   string   `json:"record_id,omitempty"`
	Properties []string `json:"properties,omitempty"`
}

// Add counts a line.
func (r *ShadowReport) Add(l ShadowLine) {
	if r.Tools == nil {
		r.Tools = map[policy.Tool]ShadowCounts{}
	}
	r.ShadowCounts = r.plus(l.Outcome)
	r.Tools[l.Tool] = r.Tools[l.Tool].plus(l.Outcome)
	r.Lines = append(r.Lines, l)
}

func (c ShadowCounts) plus(o ShadowOutcome) ShadowCounts {
	switch o {
	case ShadowSame:
		c.Same++
	case ShadowDifferent:
		c.Different++
	case ShadowNobody:
		c.Nobody++
	default:
		c.NotCompared++
	}
	return c
}

// ShadowActions are the actions that were planned since a time and that only the
// preset shadow kept from being written, the newest first. At most 500; cut says
// that there were more.
func (s *Store) ShadowActions(ctx context.Context, organizationID uuid.UUID, since time.Time) (actions []Action, cut bool, err error) {
	actions, err = s.queryActions(ctx, s.pool, `
		where a.organization_id = $1 and a.origin_kind = 'meeting' and a.state = 'denied' and starts_with(a.reason, $3) and a.created_at >= $2
		order by a.created_at desc, a.id limit $4`, organizationID, since, inShadow, mostShadowed+1)
	if err != nil {
		return nil, false, fmt.Errorf("reading what was planned in shadow: %w", err)
	}
	if len(actions) > mostShadowed {
		return actions[:mostShadowed], true, nil
	}
	return actions, false, nil
}
