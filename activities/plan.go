package activities

import (
	"context"
	"errors"
	"slices"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/planner"
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

func (a *Activities) plan(ctx context.Context, m Meeting) error {
	met, err := a.Store.MeetingByID(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return err
	}
	organization, err := a.Store.Organization(ctx, m.OrganizationID)
	if err != nil {
		return err
	}
	connection, err := a.Connections.ForMeeting(ctx, m.OrganizationID, m.MeetingID)
	if undecided, ok := errors.AsType[*connections.UndecidedError](err); ok {
		return a.Store.PauseForChoice(ctx, m.OrganizationID, m.MeetingID, undecided.Public())
	}
	if err != nil {
		return err
	}
	if err := a.followMerges(ctx, m.OrganizationID, connection.HubID, &met.Content); err != nil {
		return err
	}
	followUp, err := a.Store.FollowUpOf(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return err
	}
	answers, answersVersion, err := a.Store.Answers(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return err
	}
	hash, err := a.Store.MeetingHash(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return err
	}
	written, err := a.written(ctx, m, answers)
	if err != nil {
		return err
	}
	subject := planner.Subject{
		Meeting: met.Content, Domains: organization.Domains, Ignored: organization.Settings.IgnoredAddresses, Answers: answers,
	}
	if subject.Told, err = a.Store.ToldRecords(ctx, m.OrganizationID, m.MeetingID); err != nil {
		return err
	}
	if met.FirstWordAt != nil {
		subject.HeardAt = *met.FirstWordAt
	}
	// Everything that is done for the meeting is done for its host.
	host := planner.Who(subject).Host
	if host.Email != "" {
		if err := a.Store.EnsureHost(ctx, m.OrganizationID, m.MeetingID, host.Email, host.Name); err != nil {
			return err
		}
	}
	if planner.Reads(subject) {
		wait, err := a.Store.AskToRead(ctx, m.OrganizationID, m.MeetingID, connection.ID, planner.ReadTools())
		if err != nil {
			return err
		}
		if wait {
			return nil // the next look sees the question, and the answer
		}
	}
	permissions, err := a.Store.Permissions(ctx, m.OrganizationID)
	if err != nil {
		return err
	}
	reader := a.Gate.Reader(crm.Scope{
		OrganizationID: m.OrganizationID, ConnectionID: connection.ID, Origin: m.origin(), Round: followUp.Round + 1,
	})
	resolution, err := planner.Resolve(ctx, reader, subject)
	if err != nil {
		return err
	}
	if err := a.recordOwner(ctx, m, connection, reader, resolution, host.Email); err != nil {
		return err
	}
	if resolution.ExchangeRates, err = exchangeRates(ctx, reader, connection); err != nil {
		return err
	}
	drafts := planner.Plan(planner.Input{
		Subject: subject, Resolution: resolution, OnBehalf: !connection.IsUserLevel, Currencies: connection.Currencies, Written: written, Hash: hash,
		Allowed: func(tool policy.Tool) bool { return permissions.Decide(tool) == policy.Allow },
	})
	if err := a.Store.SavePlan(ctx, store.Plan{
		OrganizationID: m.OrganizationID, MeetingID: m.MeetingID, MeetingVersion: met.Version, AnswersVersion: answersVersion, ConnectionID: connection.ID,
		Resolution: resolution, Records: knownRecords(resolution), Drafts: drafts,
	}); err != nil {
		return err
	}
	a.Log.Info().Stringer("meeting", m.MeetingID).Int("round", followUp.Round+1).Int("actions", len(drafts)).Msg("planned")
	return nil
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

// written is what earlier rounds wrote, by draft key, with what approvers made of it.
func (a *Activities) written(ctx context.Context, m Meeting, answers map[string]map[string]string) (map[string]planner.Written, error) {
	actions, err := a.Store.ActionsOf(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return nil, err
	}
	written := map[string]planner.Written{}
	for _, action := range actions {
		if action.State.Happened() {
			written[action.Key] = planner.Written{RecordID: action.RecordID, Content: action.Content, Edit: answers[action.Key]}
		}
	}
	return written, nil
}
