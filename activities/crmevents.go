package activities

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// FollowCRMRecord deals with the events of a record that wait.
func (a *Activities) FollowCRMRecord(ctx context.Context, r store.CRMRecord) (store.CRMFollowed, error) {
	followed, err := a.Store.FollowCRMRecord(ctx, r)
	return followed, temporalError(err)
}

// MeetCreations reads what others created in the CRM while somebody is asked whether
// Debrief should create such a record: whoever waits for it plans anew with it. It
// reads a batch at once, so that an import of thousands costs few calls.
func (a *Activities) MeetCreations(ctx context.Context, r store.CRMRecord) (store.CRMFollowed, error) {
	defer alive(ctx)()
	followed, err := a.meetCreations(ctx, r)
	return followed, temporalError(err)
}

func (a *Activities) meetCreations(ctx context.Context, r store.CRMRecord) (store.CRMFollowed, error) {
	due, err := a.Store.CreationsToMeet(ctx, r)
	if err != nil || len(due.IDs) == 0 {
		return store.CRMFollowed{}, err
	}
	names := store.LikenessProperties(r.Object)
	if due.ConnectionID == nil || len(names) == 0 {
		return a.Store.MeetCreations(ctx, r, due.IDs, nil, "nothing waits for it that could read it")
	}
	reader := a.Gate.Reader(crm.Scope{OrganizationID: r.OrganizationID, ConnectionID: *due.ConnectionID, Actor: store.Actor{Name: "debrief"}})
	read, err := reader.BatchRead(ctx, r.Object, hubspot.BatchReadInput{Properties: names, IDs: due.IDs})
	var paused *connections.PausedError
	switch {
	case errors.Is(err, policy.ErrDenied):
		return a.Store.MeetCreations(ctx, r, due.IDs, nil, fmt.Sprintf("Debrief may not read %s records, so it can't tell whether it is the one that it asks about", r.Object))
	case errors.As(err, &paused), errors.Is(err, connections.ErrNoConnection):
		// Who is asked meanwhile is not answered by this; the write looks once more.
		return a.Store.MeetCreations(ctx, r, due.IDs, nil, "its connection is gone: whether it is the one that is asked about was not looked up")
	case err != nil:
		return store.CRMFollowed{}, err
	}
	properties := map[string]map[string]string{}
	for _, record := range read.Records {
		properties[record.ID] = record.Properties
	}
	return a.Store.MeetCreations(ctx, r, due.IDs, properties, "")
}

// knownRecords are those that a plan was made with.
func knownRecords(r planner.Resolution) []store.RecordRef {
	var refs []store.RecordRef
	for object, list := range map[string][]planner.Record{"contact": r.Contacts, "company": r.Companies, "deal": r.Deals, "ticket": r.Tickets, "meeting": r.Meetings} {
		for _, record := range list {
			refs = append(refs, store.RecordRef{Object: object, ID: record.ID})
		}
	}
	return refs
}

// EraseContact erases the person that a contact was, everywhere in the
// organization, and records what proves it.
func (a *Activities) EraseContact(ctx context.Context, r store.CRMRecord) (store.Erasure, error) {
	defer alive(ctx)()
	report, err := a.Store.EraseContact(ctx, store.ErasureRequest{OrganizationID: r.OrganizationID, HubID: r.HubID, ContactID: r.ID}, store.Actor{Name: "debrief"})
	if err == nil {
		a.Log.Info().Stringer("organization", r.OrganizationID).Int("meetings", report.MeetingsErased+report.MeetingsRedacted).Int("left", len(report.Left)).
			Msg("a person was erased, as the HubSpot account asked")
	}
	return report, temporalError(err)
}

// Histories deletes what Temporal keeps of a meeting's follow-up, and ends its run;
// package workflows does.
type Histories interface {
	ForgetHistory(ctx context.Context, meetingID uuid.UUID) error
}

// ForgetHistories deletes the histories of follow-ups that may hold words of somebody
// who was erased since. Those that are open begin anew.
func (a *Activities) ForgetHistories(ctx context.Context, organizationID uuid.UUID) error {
	defer alive(ctx)()
	return temporalError(ForgetHistories(ctx, a.Store, a.Histories, organizationID))
}

// ForgetHistories is the activity's work, for commands.
func ForgetHistories(ctx context.Context, s *store.Store, h Histories, organizationID uuid.UUID) error {
	meetings, err := s.HistoriesToForget(ctx, organizationID)
	if err != nil {
		return err
	}
	for _, id := range meetings {
		if err := h.ForgetHistory(ctx, id); err != nil {
			return err
		}
		if err := s.HistoryForgotten(ctx, organizationID, id); err != nil {
			return err
		}
	}
	return nil
}

// followMerges has what a meeting says of records mean those that they were merged
// into: HubSpot's batch reads leave out an ID that was merged away.
func (a *Activities) followMerges(ctx context.Context, organizationID uuid.UUID, hubID int64, content *meeting.Meeting) error {
	follow := func(object, id string) (string, error) {
		if object == "" || id == "" {
			return id, nil
		}
		return a.Store.MergedInto(ctx, store.CRMRecord{OrganizationID: organizationID, HubID: hubID, Object: object, ID: id})
	}
	var err error
	for i := range content.CRMHints {
		hint := &content.CRMHints[i]
		if hint.ID, err = follow(hint.Object, hint.ID); err != nil {
			return err
		}
	}
	for i := range content.ProposedActions {
		proposal := &content.ProposedActions[i]
		if proposal.Target.ID, err = follow(proposal.Target.Object, proposal.Target.ID); err != nil {
			return err
		}
		for j := range proposal.AssociateWith {
			ref := &proposal.AssociateWith[j]
			if ref.ID, err = follow(ref.Object, ref.ID); err != nil {
				return err
			}
		}
	}
	return nil
}
