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

// Starter wakes follow-ups, and tells of what happened in the CRM. It is what the relay and the operator's commands
// call; the zero value is not usable.
type Starter struct {
	Client client.Client
}

// Wake makes the follow-up of a meeting look again, and starts it if it does not
// run. Waking twice is harmless. The signal is durable with no worker up.
func (s Starter) Wake(ctx context.Context, organizationID, meetingID uuid.UUID, reason string) error {
	_, err := s.Client.SignalWithStartWorkflow(ctx, FollowUpID(meetingID), SignalLookAgain, LookAgain{Reason: reason},
		client.StartWorkflowOptions{
			TaskQueue: TaskQueue,
			// A closed follow-up begins its next round under the same ID.
			WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			StaticSummary:         "Follow-up of meeting " + meetingID.String(),
			TypedSearchAttributes: temporal.NewSearchAttributes(DebriefOrganization.ValueSet(organizationID.String())),
			// One organization's burst does not starve another's.
			Priority: temporal.Priority{FairnessKey: organizationID.String()},
		}, FollowUp, FollowUpInput{OrganizationID: organizationID, MeetingID: meetingID})
	if err != nil {
		return fmt.Errorf("waking the follow-up of meeting %s: %w", meetingID, err)
	}
	return nil
}

// TellCRM makes the workflow of a record look at what happened to it in the CRM,
// and starts it if it does not run. Telling twice is harmless.
func (s Starter) TellCRM(ctx context.Context, r store.CRMRecord) error {
	_, err := s.Client.SignalWithStartWorkflow(ctx, CRMEventID(r), SignalLookAgain, LookAgain{Reason: "an event of the CRM"},
		client.StartWorkflowOptions{
			TaskQueue:             TaskQueue,
			WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			StaticSummary:         fmt.Sprintf("What happened to a %s in HubSpot account %d", r.Object, r.HubID),
			TypedSearchAttributes: temporal.NewSearchAttributes(DebriefOrganization.ValueSet(r.OrganizationID.String())),
			Priority:              temporal.Priority{FairnessKey: r.OrganizationID.String()},
		}, CRMEvent, r)
	if err != nil {
		return fmt.Errorf("telling of what happened to %s %s in HubSpot account %d: %w", r.Object, r.ID, r.HubID, err)
	}
	return nil
}

// Deliver makes the workflow of a delivery get what the delivery only names, and
// starts it if it does not run. Telling twice is harmless.
func (s Starter) Deliver(ctx context.Context, d store.Delivery) error {
	options := client.StartWorkflowOptions{
		TaskQueue: TaskQueue,
		// A delivery that is replayed is fetched again where it was not.
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:         "What a webhook of " + d.Platform + " only names",
		// One source's burst does not starve another's.
		Priority: temporal.Priority{FairnessKey: d.SourceID.String()},
	}
	if d.OrganizationID != nil {
		options.TypedSearchAttributes = temporal.NewSearchAttributes(DebriefOrganization.ValueSet(d.OrganizationID.String()))
	}
	_, err := s.Client.SignalWithStartWorkflow(ctx, DeliveryID(d.ID), SignalLookAgain, LookAgain{Reason: "a delivery waits"},
		options, Delivery, DeliveryInput{DeliveryID: d.ID})
	if err != nil {
		return fmt.Errorf("having delivery %s fetched: %w", d.ID, err)
	}
	return nil
}

// LookAfter makes the upkeep of a source look again, and starts it if it does not
// run. Asking twice is harmless. organizationID is nil for a source of the whole
// installation.
func (s Starter) LookAfter(ctx context.Context, sourceID uuid.UUID, organizationID *uuid.UUID) error {
	options := client.StartWorkflowOptions{
		TaskQueue:             TaskQueue,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		StaticSummary:         "Upkeep of source " + sourceID.String(),
	}
	if organizationID != nil {
		options.TypedSearchAttributes = temporal.NewSearchAttributes(DebriefOrganization.ValueSet(organizationID.String()))
		options.Priority = temporal.Priority{FairnessKey: organizationID.String()}
	}
	_, err := s.Client.SignalWithStartWorkflow(ctx, UpkeepID(sourceID), SignalLookAgain, LookAgain{Reason: "the source changed"},
		options, Upkeep, UpkeepInput{SourceID: sourceID})
	if err != nil {
		return fmt.Errorf("having source %s looked after: %w", sourceID, err)
	}
	return nil
}

// TellBriefing makes the workflow of a brief look again, and starts it if it does not
// run. Telling twice is harmless.
func (s Starter) TellBriefing(ctx context.Context, k store.BriefingKey) error {
	_, err := s.Client.SignalWithStartWorkflow(ctx, BriefingID(k), SignalLookAgain, LookAgain{Reason: "the meeting changed"},
		client.StartWorkflowOptions{
			TaskQueue: TaskQueue,
			// A meeting that was canceled may take place after all.
			WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
			StaticSummary:         "Brief of meeting " + k.MeetingID.String(),
			TypedSearchAttributes: temporal.NewSearchAttributes(DebriefOrganization.ValueSet(k.OrganizationID.String())),
			Priority:              temporal.Priority{FairnessKey: k.OrganizationID.String()},
		}, Briefing, k)
	if err != nil {
		return fmt.Errorf("telling the brief of meeting %s: %w", k.MeetingID, err)
	}
	return nil
}
