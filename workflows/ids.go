package workflows

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

const followUpPrefix = "v1:follow-up:"

// FollowUpID is the workflow ID of the follow-up of a meeting: one at a time,
// whatever number of events tell of it.
func FollowUpID(meetingID uuid.UUID) string { return followUpPrefix + meetingID.String() }

// MeetingOfWorkflow reverses [FollowUpID].
func MeetingOfWorkflow(workflowID string) (uuid.UUID, error) {
	rest, ok := strings.CutPrefix(workflowID, followUpPrefix)
	if !ok {
		return uuid.Nil, fmt.Errorf("%q is not the workflow of a follow-up", workflowID)
	}
	id, err := uuid.Parse(rest)
	if err != nil {
		return uuid.Nil, fmt.Errorf("%q names no meeting", workflowID)
	}
	return id, nil
}

// CRMEventID is the workflow ID of what happened to a record in the CRM: one at a
// time, whatever number of events tell of it.
func CRMEventID(r store.CRMRecord) string {
	return fmt.Sprintf("v1:crm-event:%s:%d:%s:%s", r.OrganizationID, r.HubID, r.Object, r.ID)
}

// DeliveryID is the workflow ID of getting what a delivery only names.
func DeliveryID(deliveryID uuid.UUID) string { return "v1:delivery:" + deliveryID.String() }

// UpkeepID is the workflow ID of looking after a source at its platform: one at a
// time, whatever asks for it.
func UpkeepID(sourceID uuid.UUID) string { return "v1:upkeep:" + sourceID.String() }

// BriefingID is the workflow ID of the brief of a meeting for a person: one at a time,
// whatever asks for it.
func BriefingID(k store.BriefingKey) string {
	return fmt.Sprintf("v1:briefing:%s:%s", k.MeetingID, k.PersonID)
}

const digestPrefix = "v1:digest:"

// DigestID is the ID of the schedule of a group that is told together, and begins those
// of the workflows that it begins. It says all that there is to say of the group.
func DigestID(g store.BriefingGroup) string {
	kind := strings.TrimPrefix(string(g.Kind), "briefing.")
	return fmt.Sprintf("%s%s:%s:%s:%02d%02d:%s", digestPrefix, g.OrganizationID, kind, g.Zone, g.Minutes/60, g.Minutes%60, g.Days)
}
