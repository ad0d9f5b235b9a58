package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/briefing"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/store"
)

// DigestRun is one time at which a group is told what is ahead.
type DigestRun struct {
	Group store.BriefingGroup `json:"group"`
	// At is the time that it was due. A person is told once on the date that it has
	// where they are, whatever runs.
	At time.Time `json:"at"`
}

// day is when that date begins.
func (r DigestRun) day() (time.Time, error) {
	zone, err := time.LoadLocation(r.Group.Zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("finding the time zone of a digest: %w", err)
	}
	at := r.At.In(zone)
	return time.Date(at.Year(), at.Month(), at.Day(), 0, 0, 0, 0, zone), nil
}

// Ahead is what a run tells of: what of the day is still to come, or of the seven days
// that begin with it.
func (r DigestRun) Ahead(now time.Time) (from, until time.Time, err error) {
	day, err := r.day()
	if err != nil {
		return from, until, err
	}
	days := 1
	if r.Group.Kind == store.NoticeBriefingWeek {
		days = 7
	}
	if from = day; now.After(from) {
		from = now
	}
	return from, day.AddDate(0, 0, days), nil
}

// digest is what one person is told in a run, without the meetings.
func (r DigestRun) digest(personID uuid.UUID) (store.Digest, error) {
	day, err := r.day()
	return store.Digest{OrganizationID: r.Group.OrganizationID, PersonID: personID, Kind: r.Group.Kind, Day: day.Format(time.DateOnly)}, err
}

// DigestPlan is who is told, and by which connections their meetings are read.
type DigestPlan struct {
	Parts []DigestPart `json:"parts,omitempty"`
}

// DigestPart are people whose meetings are read together.
type DigestPart struct {
	// ConnectionID is zero where there is none to read by.
	ConnectionID uuid.UUID   `json:"connection_id,omitzero"`
	HubID        int64       `json:"hub_id,omitempty"`
	People       []uuid.UUID `json:"people"`
}

// DigestPartInput is what is read in one go.
type DigestPartInput struct {
	Run  DigestRun  `json:"run"`
	Part DigestPart `json:"part"`
	// Bare leaves HubSpot out: it could not be read for so long that the morning would
	// be over.
	Bare bool `json:"bare,omitempty"`
}

// peopleAtOnce is how many people one reading is shared by: their meetings of a day fit
// into a few batches, and what fails is not done anew for a thousand.
const peopleAtOnce = 25

// PlanDigest says who belongs to the group now, has a meeting ahead, and has not been
// told that day.
func (a *Activities) PlanDigest(ctx context.Context, run DigestRun) (DigestPlan, error) {
	defer alive(ctx)()
	plan, err := a.planDigest(ctx, run)
	return plan, temporalError(err)
}

func (a *Activities) planDigest(ctx context.Context, run DigestRun) (plan DigestPlan, err error) {
	open := map[uuid.UUID]int{} // the part of a connection that is not full
	err = a.eachToTell(ctx, run, func(d store.Digest, meetings []store.BriefingKey) error {
		for _, k := range meetings {
			c, _, err := a.connectionFor(ctx, k)
			if err != nil && missingBecause(err) != missingConnection {
				return err
			}
			i, ok := open[c.ID]
			if ok && slices.Contains(plan.Parts[i].People, d.PersonID) {
				continue
			}
			if !ok || len(plan.Parts[i].People) == peopleAtOnce {
				plan.Parts = append(plan.Parts, DigestPart{ConnectionID: c.ID, HubID: c.HubID})
				i = len(plan.Parts) - 1
				open[c.ID] = i
			}
			plan.Parts[i].People = append(plan.Parts[i].People, d.PersonID)
		}
		return nil
	})
	return plan, err
}

// eachToTell calls each for whoever is still to be told in a run, with their meetings.
func (a *Activities) eachToTell(ctx context.Context, run DigestRun, each func(d store.Digest, meetings []store.BriefingKey) error) error {
	from, until, err := run.Ahead(a.now())
	if err != nil {
		return err
	}
	people, err := a.Store.BriefingGroupPeople(ctx, run.Group)
	if err != nil {
		return err
	}
	for _, person := range people {
		d, err := run.digest(person)
		if err != nil {
			return err
		}
		told, err := a.Store.DigestTold(ctx, d)
		if err != nil {
			return err
		}
		if told {
			continue
		}
		meetings, err := a.Store.DigestMeetings(ctx, run.Group.OrganizationID, person, from, until)
		if err == nil && len(meetings) > 0 {
			err = each(d, meetings)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ComposeDigest makes the briefs of the meetings ahead of some people, as far as one
// connection reads them: what they share is read once. Nobody is told by it.
func (a *Activities) ComposeDigest(ctx context.Context, in DigestPartInput) error {
	defer alive(ctx)()
	return temporalError(a.composeDigest(ctx, in))
}

// toDigest is one meeting of a digest.
type toDigest struct {
	work store.BriefingWork
	in   briefing.Input
}

func (a *Activities) composeDigest(ctx context.Context, in DigestPartInput) error {
	all, connection, err := a.toDigest(ctx, in)
	if err != nil {
		return err
	}
	for len(all) > 0 {
		// Those that may read the same share a reading, on behalf of the first of them:
		// it reads nothing that any of them may not.
		same, rest := sameRights(all)
		all = rest
		ins, expects := make([]*briefing.Input, 0, len(same)), make([]briefing.Input, 0, len(same))
		for i := range same {
			ins, expects = append(ins, &same[i].in), append(expects, same[i].in)
		}
		reading, err := a.read(ctx, a.Gate.Reader(crm.Scope{
			OrganizationID: in.Run.Group.OrganizationID, ConnectionID: connection.ID, Origin: originOf(same[0].work.BriefingKey), Actor: briefer,
			Expects: briefing.Expected(expects...),
		}), in.Run.Group.OrganizationID, ins...)
		if err != nil {
			return err
		}
		for _, d := range same {
			if err := a.keepForDigest(ctx, d, reading.Brief(d.in), connection); err != nil {
				return err
			}
		}
	}
	return nil
}

// toDigest reads the meetings of a part.
func (a *Activities) toDigest(ctx context.Context, in DigestPartInput) (all []toDigest, connection store.Connection, err error) {
	from, until, err := in.Run.Ahead(a.now())
	if err != nil {
		return nil, connection, err
	}
	for _, person := range in.Part.People {
		meetings, err := a.Store.DigestMeetings(ctx, in.Run.Group.OrganizationID, person, from, until)
		if err != nil {
			return nil, connection, err
		}
		for _, k := range meetings {
			c, missing, err := a.connectionFor(ctx, k)
			if err != nil && missingBecause(err) != missingConnection {
				return nil, connection, err
			}
			if err != nil {
				missing = missingConnection
			}
			if c.ID != in.Part.ConnectionID {
				continue // another part's
			}
			connection = c
			work, err := a.Store.BriefingWork(ctx, k, a.now())
			if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrErased) || err == nil && work.Gone {
				continue
			}
			if err != nil {
				return nil, connection, err
			}
			d := toDigest{work: work}
			if d.in, err = a.briefingInput(ctx, work, c); err != nil {
				return nil, connection, err
			}
			if d.in.CRMMissing = missing; in.Bare && missing == "" {
				d.in.CRMMissing = missingHubSpot
			}
			all = append(all, d)
		}
	}
	return all, connection, nil
}

// sameRights are the first and those that may read exactly what it may, and rest the others.
func sameRights(all []toDigest) (same, rest []toDigest) {
	for _, d := range all {
		if slices.Equal(d.in.Denied, all[0].in.Denied) {
			same = append(same, d)
		} else {
			rest = append(rest, d)
		}
	}
	return same, rest
}

// keepForDigest keeps a brief that nobody is told by itself. It settles nothing of what
// changed: whether that is worth an update is for the brief's own workflow.
func (a *Activities) keepForDigest(ctx context.Context, d toDigest, brief briefing.Brief, connection store.Connection) error {
	var last briefing.Brief
	if d.work.Composed != nil && json.Unmarshal(d.work.Composed, &last) == nil {
		if brief.CRMMissing != "" && last.CRMMissing == "" {
			return nil // an older brief says more than one without HubSpot
		}
		if sameFacts(last, brief) {
			brief.Points = last.Points
		}
	}
	raw, err := json.Marshal(brief)
	if err != nil {
		return fmt.Errorf("encoding the brief of meeting %s", d.work.MeetingID)
	}
	made := madeBrief{store.BriefingMade{BriefingKey: d.work.BriefingKey, Brief: raw, Bare: brief.CRMMissing != ""}}
	for _, r := range brief.Records {
		made.Records = append(made.Records, store.BriefingRecord{Object: r.Object, ID: r.ID})
	}
	_, err = a.Store.SaveBriefing(ctx, made.by(connection), a.now())
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrErased) {
		return nil
	}
	return err
}

// TellDigest has everybody told who has a meeting ahead and was not told that day.
func (a *Activities) TellDigest(ctx context.Context, run DigestRun) error {
	defer alive(ctx)()
	told := 0
	err := a.eachToTell(ctx, run, func(d store.Digest, meetings []store.BriefingKey) error {
		for _, k := range meetings {
			d.MeetingIDs = append(d.MeetingIDs, k.MeetingID)
		}
		told++
		return a.Store.QueueDigest(ctx, d)
	})
	if err == nil {
		a.Log.Info().Stringer("organization", run.Group.OrganizationID).Str("kind", string(run.Group.Kind)).Int("people", told).Msg("told what is ahead")
	}
	return temporalError(err)
}
