package workflows

import (
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/debriefhq/debrief/store"
)

// CRMEvent deals with what happened to one record in the CRM: what waits for it is
// changed and woken, and where a person is to be forgotten, that is done. Events
// stand in Postgres; it looks until none waits.
func CRMEvent(ctx workflow.Context, record store.CRMRecord) error {
	c := &crmEvent{record: record}
	if err := c.setup(ctx); err != nil {
		return err
	}
	return c.run(ctx)
}

type crmEvent struct {
	record store.CRMRecord
	told   workflow.ReceiveChannel
}

func (c *crmEvent) setup(ctx workflow.Context) error {
	c.told = workflow.GetSignalChannelWithOptions(ctx, SignalLookAgain, workflow.SignalChannelOptions{Description: describeLookAgain})
	return nil
}

func (c *crmEvent) run(ctx workflow.Context) error {
	for looks := 1; ; looks++ {
		forgetSignals(c.told)
		followed, err := c.followWhatHappened(ctx)
		if err != nil {
			return err
		}
		if followed.Created {
			if err := c.meetWhatOthersCreated(ctx); err != nil {
				return err
			}
		}
		if followed.Meeting {
			if err := c.readTheMeeting(ctx); err != nil {
				return err
			}
		}
		if followed.Erase {
			if err := c.forgetThePerson(ctx); err != nil {
				return err
			}
		}
		if c.told.Len() == 0 {
			return nil
		}
		if looks >= looksPerRun {
			return workflow.NewContinueAsNewError(ctx, CRMEvent, c.record)
		}
	}
}

func (c *crmEvent) followWhatHappened(ctx workflow.Context) (followed store.CRMFollowed, err error) {
	err = workflow.ExecuteLocalActivity(short(ctx, "Follow what happened"), activity.FollowCRMRecord, c.record).Get(ctx, &followed)
	if err != nil {
		return followed, fmt.Errorf("following what happened: %w", err)
	}
	return followed, nil
}

func (c *crmEvent) meetWhatOthersCreated(ctx workflow.Context) error {
	err := workflow.ExecuteActivity(remote(ctx, "Read what others created", inTurn(c.record.HubID, false)), activity.MeetCreations, c.record).Get(ctx, nil)
	if err != nil {
		return fmt.Errorf("reading what others created: %w", err)
	}
	return nil
}

func (c *crmEvent) readTheMeeting(ctx workflow.Context) error {
	err := workflow.ExecuteActivity(remote(ctx, "Read the meeting", inTurn(c.record.HubID, false)), activity.ReadHubSpotMeeting, c.record).Get(ctx, nil)
	if err != nil {
		return fmt.Errorf("reading the meeting: %w", err)
	}
	return nil
}

func (c *crmEvent) forgetThePerson(ctx workflow.Context) error {
	err := workflow.ExecuteActivity(thorough(ctx, "Erase the person everywhere"), activity.EraseContact, c.record).Get(ctx, nil)
	if err != nil {
		return fmt.Errorf("erasing the person: %w", err)
	}
	err = workflow.ExecuteActivity(thorough(ctx, "Delete the histories of their meetings"), activity.ForgetHistories, c.record.OrganizationID).Get(ctx, nil)
	if err != nil {
		return fmt.Errorf("deleting the histories of the person's meetings: %w", err)
	}
	return nil
}
