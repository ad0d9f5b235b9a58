package activities

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"go.temporal.io/sdk/activity"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/store"
)

// Activities are what a worker registers. Its methods are the activities, by
// their names.
type Activities struct {
	Store       *store.Store
	Gate        *crm.Gate
	Connections *connections.Service
	// Deliveries gets what deliveries only name.
	Deliveries Deliveries
	// Tender looks after sources at their platforms.
	Tender Tender
	// Histories forgets what Temporal keeps of follow-ups.
	Histories Histories
	// ModelTimeout is of one call of a language model; 0 means two minutes.
	ModelTimeout time.Duration
	// Now is the clock by which briefs are due; nil for the real one.
	Now func() time.Time
	Log zerolog.Logger
}

// Meeting names a meeting. It is what every activity of a follow-up is given.
type Meeting struct {
	OrganizationID uuid.UUID `json:"organization_id"`
	MeetingID      uuid.UUID `json:"meeting_id"`
}

func (m Meeting) origin() store.Origin { return store.Origin{Kind: "meeting", ID: m.MeetingID} }

// Look says what the follow-up of a meeting has to do next.
func (a *Activities) Look(ctx context.Context, m Meeting) (store.Look, error) {
	look, err := a.Store.LookAt(ctx, m.OrganizationID, m.MeetingID)
	return look, temporalError(err)
}

// PauseInput names the connection that is gone; zero stands for any of the
// organization's.
type PauseInput struct {
	Meeting      Meeting   `json:"meeting"`
	ConnectionID uuid.UUID `json:"connection_id,omitzero"`
}

// Pause makes the follow-up wait until the connection that it needs is back.
func (a *Activities) Pause(ctx context.Context, in PauseInput) error {
	var connection *uuid.UUID
	if in.ConnectionID != uuid.Nil {
		connection = &in.ConnectionID
	}
	return temporalError(a.Store.PauseFollowUp(ctx, in.Meeting.OrganizationID, in.Meeting.MeetingID, connection))
}

// Close ends the follow-up if nothing is left to do, and says whether it did.
func (a *Activities) Close(ctx context.Context, m Meeting) (bool, error) {
	closed, err := a.Store.CloseFollowUp(ctx, m.OrganizationID, m.MeetingID)
	if err == nil && closed {
		a.Log.Info().Stringer("meeting", m.MeetingID).Msg("follow-up closed")
	}
	return closed, temporalError(err)
}

// DecideInput is an answer from the Temporal UI.
type DecideInput struct {
	Meeting    Meeting           `json:"meeting"`
	ApprovalID uuid.UUID         `json:"approval_id"`
	Verdict    store.Verdict     `json:"verdict"`
	Edit       map[string]string `json:"edit,omitempty"`
	Reason     string            `json:"reason,omitempty"`
	// Name is what whoever clicked says their name is.
	Name string `json:"name,omitempty"`
}

// Decide hands an answer to the one judge, and returns its sentence.
func (a *Activities) Decide(ctx context.Context, in DecideInput) (string, error) {
	// The Temporal UI tells nobody who clicked; the name is a claim, and words.
	reason := in.Reason
	if in.Name != "" {
		reason = fmt.Sprintf("claimed name: %s; %s", in.Name, in.Reason)
	}
	decided, err := a.Store.Decide(ctx, store.Decision{
		OrganizationID: in.Meeting.OrganizationID, MeetingID: in.Meeting.MeetingID, ApprovalID: in.ApprovalID,
		Verdict: in.Verdict, Edit: in.Edit, Reason: reason,
		Actor: store.Actor{Name: "temporal operator"}, Via: store.ViaTemporal,
	})
	if err != nil {
		return "", temporalError(err)
	}
	return decided.Sentence, nil
}

// WriteInput names the action to carry out.
type WriteInput struct {
	Meeting  Meeting   `json:"meeting"`
	ActionID uuid.UUID `json:"action_id"`
}

// Write carries out one action through the gate, at most once. What only a human
// can settle becomes a question.
func (a *Activities) Write(ctx context.Context, in WriteInput) error {
	defer alive(ctx)()
	result, err := a.Gate.Write(ctx, in.ActionID, crm.Attempt{})
	if errors.Is(err, store.ErrErased) {
		return nil // nothing is left to write; the next look sees it
	}
	if err != nil {
		return temporalError(err)
	}
	switch {
	case result.OutcomeUnknown:
		err = a.Store.AskAgain(ctx, in.Meeting.OrganizationID, in.ActionID, "outcome",
			"It was sent, and HubSpot's answer was lost: nothing tells whether it happened. Look in HubSpot. Approve to send it again, reject to leave it.", nil)
	case result.NeedsQuestion:
		err = a.Store.AskAgain(ctx, in.Meeting.OrganizationID, in.ActionID, "permission", cmp.Or(result.Words, result.Reason), result.Current, result.Missing...)
	}
	return temporalError(err)
}

// BeatEvery is how often an activity that talks to the world says that its
// worker is alive.
const BeatEvery = 3 * time.Second

// alive beats until the returned function is called. Without it Temporal learns
// of a killed worker only when the activity's whole time is up.
func alive(ctx context.Context) (stop func()) {
	if !activity.IsActivity(ctx) {
		return func() {}
	}
	done := make(chan struct{})
	var beating sync.WaitGroup
	beating.Go(func() {
		tick := time.NewTicker(BeatEvery)
		defer tick.Stop()
		for {
			activity.RecordHeartbeat(ctx)
			select {
			case <-done:
				return
			case <-tick.C:
			}
		}
	})
	return func() {
		close(done)
		beating.Wait()
	}
}
