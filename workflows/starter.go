package workflows

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
)

// Starter wakes follow-ups. It is what the relay and the operator's commands
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
