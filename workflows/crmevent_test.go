package workflows_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/workflows"
)

// told plays Postgres to the workflow of a record: waiting are its events.
type told struct {
	*testsuite.TestWorkflowEnvironment

	record  store.CRMRecord
	waiting int
	erase   bool
	meeting bool
	follows int
	erased  int
	// forgotten and met count what else was done; created is as erase.
	forgotten, met int
	created        bool
	// eraseFails is how often erasing fails before it works.
	eraseFails int
}

func newTold(t *testing.T) *told {
	t.Helper()
	w := &told{
		TestWorkflowEnvironment: newEnvironment(), waiting: 1,
		record: store.CRMRecord{OrganizationID: uuid.New(), HubID: 4711, Object: "contact", ID: "501"},
	}
	var a *activities.Activities
	w.OnActivity(a.FollowCRMRecord, mock.Anything, mock.Anything).Return(func(context.Context, store.CRMRecord) (store.CRMFollowed, error) {
		w.follows++
		out := store.CRMFollowed{Events: w.waiting, Erase: w.erase, Created: w.created, Meeting: w.meeting}
		w.waiting, w.meeting = 0, false
		return out, nil
	})
	w.OnActivity(a.EraseContact, mock.Anything, mock.Anything).Return(func(context.Context, store.CRMRecord) (store.Erasure, error) {
		if w.eraseFails > 0 {
			w.eraseFails--
			return store.Erasure{}, errors.New("still at work")
		}
		w.erased++
		w.erase = false
		return store.Erasure{}, nil
	})
	w.OnActivity(a.ForgetHistories, mock.Anything, mock.Anything).Return(func(_ context.Context, organizationID uuid.UUID) error {
		if w.erased == 0 || organizationID != w.record.OrganizationID {
			return errors.New("nobody was erased")
		}
		w.forgotten++
		return nil
	})
	w.OnActivity(a.MeetCreations, mock.Anything, mock.Anything).Return(func(_ context.Context, r store.CRMRecord) (store.CRMFollowed, error) {
		if r != w.record {
			return store.CRMFollowed{}, errors.New("another record")
		}
		w.met++
		w.created = false
		return store.CRMFollowed{}, nil
	})
	return w
}

func (w *told) tell() {
	w.SignalWorkflow(workflows.SignalLookAgain, workflows.LookAgain{Reason: "an event of the CRM"})
}

func (w *told) run(t *testing.T) {
	t.Helper()
	w.RegisterDelayedCallback(w.tell, 0)
	w.ExecuteWorkflow(workflows.CRMEvent, w.record)
	require.True(t, w.IsWorkflowCompleted())
	require.NoError(t, w.GetWorkflowError())
}

func TestAnEventOfTheCRMIsFollowed(t *testing.T) {
	t.Parallel()
	w := newTold(t)
	w.run(t)
	require.Zero(t, w.waiting)
	require.Zero(t, w.erased)
}

// What comes while it is at work is not left for a workflow that has ended.
func TestAnEventThatComesMeanwhileIsFollowed(t *testing.T) {
	t.Parallel()
	w := newTold(t)
	w.erase, w.eraseFails = true, 1
	w.RegisterDelayedCallback(func() { w.waiting = 1; w.tell() }, 500*time.Millisecond)
	w.run(t)
	require.Zero(t, w.waiting)
	require.GreaterOrEqual(t, w.follows, 2)
}

func TestErasingAPersonIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := newTold(t)
	w.erase, w.eraseFails = true, 5
	w.run(t)
	require.Equal(t, 1, w.erased)
	require.Equal(t, 1, w.forgotten, "what Temporal has of the person's meetings goes, too")
}

func TestWhatOthersCreatedIsRead(t *testing.T) {
	t.Parallel()
	w := newTold(t)
	w.created = true
	w.run(t)
	require.Equal(t, 1, w.met)
	require.Zero(t, w.erased)
}

func TestAMeetingOfHubSpotsIsReadUntilThatWorks(t *testing.T) {
	t.Parallel()
	w := newTold(t)
	w.record.Object = "meeting"
	w.meeting = true
	fails, read := 3, 0
	var a *activities.Activities
	w.OnActivity(a.ReadHubSpotMeeting, mock.Anything, w.record).Return(func(context.Context, store.CRMRecord) error {
		if fails > 0 {
			fails--
			return errors.New("HubSpot is away")
		}
		read++
		return nil
	})
	w.run(t)
	require.Equal(t, 1, read)
}

func TestEachRecordHasItsWorkflow(t *testing.T) {
	t.Parallel()
	org := uuid.MustParse("0190f7a1-0000-7000-8000-000000000001")
	require.Equal(t, "v1:crm-event:0190f7a1-0000-7000-8000-000000000001:4711:deal:77",
		workflows.CRMEventID(store.CRMRecord{OrganizationID: org, HubID: 4711, Object: "deal", ID: "77"}))
}
