package activities

import (
	"context"
	"errors"
	"slices"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/planner/model"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Plan makes the next round's plan: it resolves who was there and what HubSpot
// knows of them, plans, and stores the difference to what earlier rounds did.
// Run again for the same meeting, it plans nothing twice.
func (a *Activities) Plan(ctx context.Context, m Meeting) error {
	defer alive(ctx)()
	err := a.plan(ctx, m)
	if errors.Is(err, store.ErrErased) {
		return nil // nothing is left to plan from; the next look sees it
	}
	return temporalError(err)
}

// preparation is what a meeting is planned from, and what a model is asked with.
type preparation struct {
	met        store.Meeting
	connection store.Connection
	round      int
	answers    map[string]map[string]string
	// answersVersion is theirs.
	answersVersion int64
	subject        planner.Subject
	host           planner.Host
	permissions    policy.Permissions
	reader         *crm.Reader
}

// prepare reads what a round is planned from. It returns nil where the plan has to
// wait: for a choice, or for leave to read.
func (a *Activities) prepare(ctx context.Context, m Meeting) (*preparation, error) {
	var p preparation
	var err error
	if p.met, err = a.Store.MeetingByID(ctx, m.OrganizationID, m.MeetingID); err != nil {
		return nil, err
	}
	organization, err := a.Store.Organization(ctx, m.OrganizationID)
	if err != nil {
		return nil, err
	}
	p.connection, err = a.Connections.ForMeeting(ctx, m.OrganizationID, m.MeetingID)
	if undecided, ok := errors.AsType[*connections.UndecidedError](err); ok {
		return nil, a.Store.PauseForChoice(ctx, m.OrganizationID, m.MeetingID, undecided.Public())
	}
	if err != nil {
		return nil, err
	}
	if err := a.followMerges(ctx, m.OrganizationID, p.connection.HubID, &p.met.Content); err != nil {
		return nil, err
	}
	followUp, err := a.Store.FollowUpOf(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return nil, err
	}
	p.round = followUp.Round + 1
	if p.answers, p.answersVersion, err = a.Store.Answers(ctx, m.OrganizationID, m.MeetingID); err != nil {
		return nil, err
	}
	p.subject = subjectOf(p.met, organization, p.answers)
	if p.subject.Told, err = a.Store.ToldRecords(ctx, m.OrganizationID, m.MeetingID); err != nil {
		return nil, err
	}
	// Everything that is done for the meeting is done for its host.
	p.host = planner.Who(p.subject).Host
	if p.host.Email != "" {
		if err := a.Store.EnsureHost(ctx, m.OrganizationID, m.MeetingID, p.host.Email, p.host.Name); err != nil {
			return nil, err
		}
	}
	if planner.Reads(p.subject) {
		wait, err := a.Store.AskToRead(ctx, m.OrganizationID, m.MeetingID, p.connection.ID, planner.ReadTools())
		if err != nil || wait {
			return nil, err // the next look sees the question, and the answer
		}
	}
	if p.permissions, err = a.Store.Permissions(ctx, m.OrganizationID); err != nil {
		return nil, err
	}
	p.reader = a.Gate.Reader(crm.Scope{OrganizationID: m.OrganizationID, ConnectionID: p.connection.ID, Origin: m.origin(), Round: p.round})
	return &p, nil
}

// subjectOf is a meeting as the planner takes it.
func subjectOf(met store.Meeting, organization store.Organization, answers map[string]map[string]string) planner.Subject {
	subject := planner.Subject{
		Meeting: met.Content, Domains: organization.Domains, Ignored: organization.Settings.IgnoredAddresses, Answers: answers, Deals: organization.Settings.Deals,
		RulesOff: organization.Settings.RulesOff,
	}
	if met.FirstWordAt != nil {
		subject.HeardAt = *met.FirstWordAt
	}
	return subject
}

func (a *Activities) plan(ctx context.Context, m Meeting) error {
	p, err := a.prepare(ctx, m)
	if err != nil || p == nil {
		return err
	}
	heard, due, err := a.heard(ctx, m, p.met.Version)
	if err != nil || due {
		return err // what came since the last look has to be asked about first
	}
	p.subject.Proposed = append(p.subject.Proposed, planner.Phrases(p.subject), heard.Proposals())
	hash, err := a.Store.MeetingHash(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return err
	}
	written, err := a.written(ctx, m, p.answers)
	if err != nil {
		return err
	}
	resolution, err := planner.Resolve(ctx, p.reader, p.subject)
	if err != nil {
		return err
	}
	if err := a.recordOwner(ctx, m, p.connection, p.reader, resolution, p.host.Email); err != nil {
		return err
	}
	if resolution.ExchangeRates, err = exchangeRates(ctx, p.reader, p.connection); err != nil {
		return err
	}
	known := map[string]bool{}
	for key := range written {
		known[key] = true
	}
	planned := planner.Plan(planner.Input{
		Subject: p.subject, Resolution: resolution, OnBehalf: !p.connection.IsUserLevel, Currencies: p.connection.Currencies, Written: written, Hash: hash,
		Permission: p.permissions.Decide,
	})
	if err := a.Store.SavePlan(ctx, store.Plan{
		OrganizationID: m.OrganizationID, MeetingID: m.MeetingID, MeetingVersion: p.met.Version, AnswersVersion: p.answersVersion, ConnectionID: p.connection.ID,
		Resolution: resolution, Records: knownRecords(resolution), Drafts: planned.Drafts, LeftOut: leftOut(planned.Dropped, heard.Strange),
		Written: known,
	}); err != nil {
		return err
	}
	a.Log.Info().Stringer("meeting", m.MeetingID).Int("round", p.round).Int("actions", len(planned.Drafts)).Int("left_out", len(planned.Dropped)+heard.Strange).Msg("planned")
	return nil
}

// leftOut are a plan's dropped proposals for the trail, with those of the model that
// named what it was not offered. One whose tool is none has no tool there.
func leftOut(dropped []planner.Dropped, strange int) []store.LeftOut {
	var left []store.LeftOut
	for range strange {
		left = append(left, store.LeftOut{By: model.By, Why: "it names what the model was not offered"})
	}
	for _, d := range dropped {
		tool, _ := policy.ParseTool(d.Tool)
		left = append(left, store.LeftOut{By: d.By, Tool: tool, Why: d.Why})
	}
	return left
}

// exchangeRates are the account's, if it has several currencies and granted the
// scope. Without them, an amount in another than the company's can't be compared,
// and a rule that compares it asks.
func exchangeRates(ctx context.Context, reader *crm.Reader, c store.Connection) (map[string]float64, error) {
	if len(c.Currencies) < 2 || !slices.Contains(c.Scopes, hubspot.ScopeCurrencies) {
		return nil, nil
	}
	rates, err := reader.ExchangeRates(ctx, c.Currencies[0])
	if errors.Is(err, hubspot.ErrMissingScopes) || errors.Is(err, hubspot.ErrNotFound) {
		return nil, nil // the plan of HubSpot's that the account has may lack it
	}
	return rates, err
}

// written is what earlier rounds wrote, by draft key, with what approvers made of it. The
// note of a briefing is no round's.
func (a *Activities) written(ctx context.Context, m Meeting, answers map[string]map[string]string) (map[string]planner.Written, error) {
	actions, err := a.Store.ActionsOf(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return nil, err
	}
	written := map[string]planner.Written{}
	for _, action := range actions {
		if action.State.Happened() && action.Key != store.BriefingNoteKey {
			written[action.Key] = planner.Written{RecordID: action.RecordID, Content: action.Content, Edit: answers[action.Key]}
		}
	}
	return written, nil
}
