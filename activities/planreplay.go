package activities

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"

	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Replayed is a plan that was made again from the record.
type Replayed struct {
	Actions []ReplayedAction `json:"actions"`
	// Missing are the keys of what the last round recorded and is not made again.
	Missing []string `json:"missing,omitempty"`
	// Dropped are the proposals that are not in it.
	Dropped []planner.Dropped `json:"dropped"`
	// Model says what became of asking a model; empty if none was asked.
	Model string `json:"model,omitempty"`
	// Later: more was said about the meeting, or answered, since it was planned.
	Later bool `json:"later"`
}

// ReplayedAction is one action of it.
type ReplayedAction struct {
	store.Draft

	// Recorded: the same action stands in the record, with the same content.
	Recorded bool `json:"recorded"`
}

// Replay makes the plan of a meeting's last round again, from what is recorded: the
// meeting, what HubSpot knew, what a model answered, what approvers answered. It asks
// neither HubSpot nor a model, and changes nothing. It needs no gate and no
// connections.
func (a *Activities) Replay(ctx context.Context, m Meeting) (Replayed, error) {
	organization, err := a.Store.Organization(ctx, m.OrganizationID)
	if err != nil {
		return Replayed{}, err
	}
	last, err := a.lastRound(ctx, organization, m)
	if err != nil {
		return Replayed{}, err
	}
	if last == nil {
		return Replayed{}, &store.Refusal{Sentence: "Nothing is planned for this meeting, or what it was planned from is erased."}
	}
	planned := planner.Plan(last.from)
	out := Replayed{Dropped: planned.Dropped, Model: last.model}
	if out.Later, err = a.Store.PlanIsDue(ctx, m.OrganizationID, m.MeetingID); err != nil {
		return Replayed{}, err
	}
	for _, draft := range planned.Drafts {
		r := ReplayedAction{Draft: draft}
		for _, action := range last.actions {
			r.Recorded = r.Recorded || action.Key == draft.Key && action.Tool == draft.Tool && action.TargetID == draft.TargetID &&
				maps.Equal(action.Content.Properties, draft.Content.Properties) && action.Content.Doubt == draft.Content.Doubt
		}
		out.Actions = append(out.Actions, r)
	}
	for _, action := range last.actions {
		made := slices.ContainsFunc(planned.Drafts, func(d store.Draft) bool { return d.Key == action.Key })
		if !made && action.Round == last.round && action.Origin == m.origin() && action.Tool.Operation != policy.Read {
			out.Missing = append(out.Missing, action.Key)
		}
	}
	return out, nil
}

// plannedRound is a meeting's last round as it is recorded.
type plannedRound struct {
	from    planner.Input
	model   string // what became of asking one; empty if none was asked
	round   int
	actions []store.Action
}

// lastRound reads the last round of a meeting from the record; nil if none is
// recorded, or it is erased.
func (a *Activities) lastRound(ctx context.Context, organization store.Organization, m Meeting) (*plannedRound, error) {
	facts, err := a.Store.CardFacts(ctx, m.OrganizationID, m.MeetingID)
	if err != nil || facts.Resolution == nil || facts.Connection == nil {
		return nil, err
	}
	followUp, err := a.Store.FollowUpOf(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return nil, err
	}
	answers, _, err := a.Store.Answers(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return nil, err
	}
	if err := a.followMerges(ctx, m.OrganizationID, facts.Connection.HubID, &facts.Meeting.Content); err != nil {
		return nil, err
	}
	subject := subjectOf(facts.Meeting, organization, answers)
	if subject.Told, err = a.Store.ToldRecords(ctx, m.OrganizationID, m.MeetingID); err != nil {
		return nil, err
	}
	heard, asked, err := a.recorded(ctx, m, facts.Meeting.Version)
	if err != nil {
		return nil, err
	}
	subject.Proposed = append(subject.Proposed, planner.Phrases(subject), heard.Proposals())
	var resolution planner.Resolution
	if err := json.Unmarshal(facts.Resolution, &resolution); err != nil {
		return nil, errors.New("the stored resolution can't be read")
	}
	hash, err := a.Store.MeetingHash(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return nil, err
	}
	permissions, err := a.Store.Permissions(ctx, m.OrganizationID)
	if err != nil {
		return nil, err
	}
	// What this round wrote was not written when it was planned.
	written := map[string]planner.Written{}
	for _, action := range facts.Actions {
		if action.State.Happened() && action.Round < followUp.Round {
			written[action.Key] = planner.Written{RecordID: action.RecordID, Content: action.Content, Edit: answers[action.Key]}
		}
	}
	return &plannedRound{model: asked.Outcome, round: followUp.Round, actions: facts.Actions, from: planner.Input{
		Subject: subject, Resolution: resolution, OnBehalf: !facts.Connection.IsUserLevel, Currencies: facts.Connection.Currencies, Written: written, Hash: hash,
		Permission: permissions.Decide,
	}}, nil
}
