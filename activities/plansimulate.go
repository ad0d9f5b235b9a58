package activities

import (
	"context"
	"reflect"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/store"
)

// Simulation is what other rules for deals would have made of past meetings.
type Simulation struct {
	// Now are the rules of the organization, Then those that were tried.
	Now  store.DealSettings `json:"now"`
	Then store.DealSettings `json:"then"`
	// Meetings that were planned again; of Unplanned there is no record of what HubSpot
	// knew.
	Meetings  int `json:"meetings"`
	Unplanned int `json:"unplanned"`
	// AskedNow and AskedThen are those that would ask which deal is meant.
	AskedNow  int `json:"asked_now"`
	AskedThen int `json:"asked_then"`
	// Differing are the meetings that would be put on other deals.
	Differing []SimulatedMeeting `json:"differing"`
}

// SimulatedMeeting is a meeting that other rules would put on other deals.
type SimulatedMeeting struct {
	ID    uuid.UUID          `json:"id"`
	Title string             `json:"title"`
	Start time.Time          `json:"start,omitzero"`
	Now   planner.DealChoice `json:"now"`
	Then  planner.DealChoice `json:"then"`
}

// Simulate plans past meetings again by other rules for deals, from the record as
// [Activities.Replay] does. What approvers answered about the deal, and what earlier
// rounds wrote, is left aside: it would settle both.
func (a *Activities) Simulate(ctx context.Context, organizationID uuid.UUID, meetings []uuid.UUID, then store.DealSettings) (Simulation, error) {
	organization, err := a.Store.Organization(ctx, organizationID)
	if err != nil {
		return Simulation{}, err
	}
	out := Simulation{Now: organization.Settings.Deals, Then: then, Differing: []SimulatedMeeting{}}
	for _, id := range meetings {
		last, err := a.lastRound(ctx, organization, Meeting{OrganizationID: organizationID, MeetingID: id})
		if err != nil {
			return Simulation{}, err
		}
		if last == nil {
			out.Unplanned++
			continue
		}
		in := last.from
		in.Written = nil
		for _, edit := range in.Answers {
			delete(edit, planner.DealProperty)
		}
		one := SimulatedMeeting{ID: id, Title: in.Meeting.Title, Start: in.Meeting.Start()}
		one.Now = planner.DealsOf(in)
		in.Deals = then
		one.Then = planner.DealsOf(in)
		out.Meetings++
		if one.Now.Asked {
			out.AskedNow++
		}
		if one.Then.Asked {
			out.AskedThen++
		}
		if !reflect.DeepEqual(one.Now, one.Then) {
			out.Differing = append(out.Differing, one)
		}
	}
	return out, nil
}
