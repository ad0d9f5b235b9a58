package activities

import (
	"context"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

// FollowCRMRecord deals with the events of a record that wait.
func (a *Activities) FollowCRMRecord(ctx context.Context, r store.CRMRecord) (store.CRMFollowed, error) {
	followed, err := a.Store.FollowCRMRecord(ctx, r)
	return followed, temporalError(err)
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
