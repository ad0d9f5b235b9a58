package workflows

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/debriefhq/debrief/store"
)

// Starter makes workflows look again, and starts those that do not run: a workflow that
// has closed begins anew under the same ID. Telling twice is harmless, and what is told
// is durable with no worker up. It is what the relay and the operator's commands call;
// the zero value is not usable.
type Starter struct {
	Client client.Client
}

// Wake makes the follow-up of a meeting look again. One that has closed begins its next
// round.
func (s Starter) Wake(ctx context.Context, organizationID, meetingID uuid.UUID, reason string) error {
	err := s.tell(ctx, FollowUpID(meetingID), reason, startOptions("Follow-up of meeting "+meetingID.String(), &organizationID),
		FollowUp, FollowUpInput{OrganizationID: organizationID, MeetingID: meetingID})
	if err != nil {
		return fmt.Errorf("waking the follow-up of meeting %s: %w", meetingID, err)
	}
	return nil
}

// TellCRM makes the workflow of a record look at what happened to it in the CRM.
func (s Starter) TellCRM(ctx context.Context, r store.CRMRecord) error {
	what := fmt.Sprintf("What happened to a %s in HubSpot account %d", r.Object, r.HubID)
	if err := s.tell(ctx, CRMEventID(r), "an event of the CRM", startOptions(what, &r.OrganizationID), CRMEvent, r); err != nil {
		return fmt.Errorf("telling of what happened to %s %s in HubSpot account %d: %w", r.Object, r.ID, r.HubID, err)
	}
	return nil
}

// Deliver makes the workflow of a delivery get what the delivery only names. A delivery
// that is replayed is fetched again where it was not.
func (s Starter) Deliver(ctx context.Context, d store.Delivery) error {
	o := startOptions("What a webhook of "+d.Platform+" only names", d.OrganizationID)
	// One source's burst does not starve another's.
	o.Priority = temporal.Priority{FairnessKey: d.SourceID.String()}
	if err := s.tell(ctx, DeliveryID(d.ID), "a delivery waits", o, Delivery, DeliveryInput{DeliveryID: d.ID}); err != nil {
		return fmt.Errorf("having delivery %s fetched: %w", d.ID, err)
	}
	return nil
}

// LookAfter makes the upkeep of a source look again. organizationID is nil for a source
// of the whole installation.
func (s Starter) LookAfter(ctx context.Context, sourceID uuid.UUID, organizationID *uuid.UUID) error {
	err := s.tell(ctx, UpkeepID(sourceID), "the source changed", startOptions("Upkeep of source "+sourceID.String(), organizationID), Upkeep, UpkeepInput{SourceID: sourceID})
	if err != nil {
		return fmt.Errorf("having source %s looked after: %w", sourceID, err)
	}
	return nil
}

// TellBriefing makes the workflow of a brief look again. A meeting that was canceled may
// take place after all.
func (s Starter) TellBriefing(ctx context.Context, k store.BriefingKey) error {
	o := startOptions("Brief of meeting "+k.MeetingID.String(), &k.OrganizationID)
	if err := s.tell(ctx, BriefingID(k), "the meeting changed", o, Briefing, k); err != nil {
		return fmt.Errorf("telling the brief of meeting %s: %w", k.MeetingID, err)
	}
	return nil
}

func (s Starter) tell(ctx context.Context, id, reason string, o client.StartWorkflowOptions, workflow, in any) error {
	o.TaskQueue, o.WorkflowIDReusePolicy = TaskQueue, enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE
	_, err := s.Client.SignalWithStartWorkflow(ctx, id, SignalLookAgain, LookAgain{Reason: reason}, o, workflow, in)
	return err
}

// startOptions say whose a workflow is; nil stands for the whole installation.
func startOptions(summary string, organizationID *uuid.UUID) client.StartWorkflowOptions {
	o := client.StartWorkflowOptions{StaticSummary: summary}
	if organizationID != nil {
		o.TypedSearchAttributes = temporal.NewSearchAttributes(DebriefOrganization.ValueSet(organizationID.String()))
		// One organization's burst does not starve another's.
		o.Priority = temporal.Priority{FairnessKey: organizationID.String()}
	}
	return o
}
