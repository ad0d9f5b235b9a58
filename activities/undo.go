package activities

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// PlanUndo plans the undo of a meeting that was asked for: it compares what was
// written with what HubSpot has now, and stores what is to be restored or
// archived, and what is left as it is, with the reason. Run again, it plans
// nothing twice.
func (a *Activities) PlanUndo(ctx context.Context, m Meeting) error {
	defer alive(ctx)()
	err := a.planUndo(ctx, m)
	if errors.Is(err, store.ErrErased) {
		return nil // nothing is left to undo from; the next look sees it
	}
	return temporalError(err)
}

func (a *Activities) planUndo(ctx context.Context, m Meeting) error {
	undo, err := a.Store.UndoPreview(ctx, m.OrganizationID, m.MeetingID)
	if err != nil || undo.State != store.UndoRequested {
		return err
	}
	followUp, err := a.Store.FollowUpOf(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return err
	}
	p := undoPlanner{a: a, m: m, followUp: followUp, readers: map[uuid.UUID]*crm.Reader{}, going: map[string]bool{}}
	for _, item := range undo.Items {
		if err := p.add(ctx, item); err != nil {
			return err
		}
	}
	if err := p.archives(ctx); err != nil {
		return err
	}
	steps := make([]store.UndoStep, 0, len(p.steps))
	for _, step := range p.steps {
		steps = append(steps, *step)
	}
	if err := a.Store.SaveUndo(ctx, store.UndoPlan{OrganizationID: m.OrganizationID, MeetingID: m.MeetingID, Number: undo.Number, Steps: steps}); err != nil {
		return err
	}
	a.Log.Info().Stringer("meeting", m.MeetingID).Int("undo", undo.Number).Int("actions", len(steps)).Msg("undo planned")
	return nil
}

// undoPlanner makes the steps of one undo.
type undoPlanner struct {
	a        *Activities
	m        Meeting
	followUp store.FollowUp
	readers  map[uuid.UUID]*crm.Reader
	steps    []*store.UndoStep
	// going are the records that are to be archived, as "object/ID".
	going map[string]bool
}

const (
	purposeRestore = "puts back what was there before this meeting"
	purposeArchive = "was created for this meeting, and nobody has touched it since"
	noConnection   = "the connection that it was written through is gone"
	goneMeanwhile  = "it was archived or deleted in HubSpot"
)

func (p *undoPlanner) add(ctx context.Context, item store.UndoItem) error {
	step := store.UndoStep{
		Draft: store.Draft{
			Key: item.Key, Tool: item.Tool, TargetID: item.RecordID, DependsOn: item.DependsOn,
			Content: store.ActionContent{Label: item.Label, Properties: map[string]string{}, Undoes: item.Actions},
		},
		Kept: item.Why,
	}
	p.steps = append(p.steps, &step)
	connection, err := p.connection(ctx, item.ConnectionID)
	if errors.Is(err, store.ErrNotFound) {
		step.Kept = noConnection
		return nil
	}
	if err != nil {
		return err
	}
	step.ConnectionID = &connection
	switch {
	case step.Kept != "":
		return nil
	case item.Tool.Operation == policy.Archive:
		step.Content.Purpose = purposeArchive
		p.going[item.Tool.Object+"/"+item.RecordID] = true
		return nil
	default:
		return p.restore(ctx, &step, item)
	}
}

// restore decides property by property.
func (p *undoPlanner) restore(ctx context.Context, step *store.UndoStep, item store.UndoItem) error {
	found, err := p.reader(*step.ConnectionID).Restorable(ctx, item.Tool.Object, item.RecordID, item.Changes)
	hidden, err := unseen(err)
	switch {
	case err != nil:
		return err
	case hidden != "":
		step.Kept = hidden
	case found.Gone:
		step.Kept = goneMeanwhile
	case found.MergedInto != "":
		step.Kept = "it was merged into " + found.MergedInto + " in HubSpot"
	case len(found.Changes) == 0 && len(found.Changed) == 0:
		step.Kept = "it is as it was before"
	}
	if step.Kept != "" {
		fill(step, item.Changes)
		return nil
	}
	if len(found.Changed) > 0 {
		kept := *step
		kept.Key += "/kept"
		kept.Kept = "somebody changed it since: " + names(found.Changed)
		fill(&kept, found.Changed)
		// What is left undone there is not this step's to claim.
		kept.Content.Undoes = nil
		if len(found.Changes) == 0 {
			*step = kept
			return nil
		}
		p.steps = append(p.steps, &kept)
	}
	step.Content.Purpose = purposeRestore
	fill(step, found.Changes)
	return nil
}

func fill(step *store.UndoStep, changes []store.Change) {
	step.Content.Properties, step.Content.Before = map[string]string{}, map[string]string{}
	for _, c := range changes {
		step.Content.Properties[c.Property], step.Content.Before[c.Property] = c.After, c.Before
	}
}

func names(changes []store.Change) string {
	all := make([]string, 0, len(changes))
	for _, c := range changes {
		all = append(all, c.Property)
	}
	return strings.Join(all, ", ")
}

// archives keeps the records that somebody touched, and then what hangs on those,
// until nothing changes any more.
func (p *undoPlanner) archives(ctx context.Context) error {
	for changed := true; changed; {
		changed = false
		for _, step := range p.steps {
			record := step.Tool.Object + "/" + step.TargetID
			if step.Tool.Operation != policy.Archive || step.Kept != "" || !p.going[record] {
				continue
			}
			touched, err := p.reader(*step.ConnectionID).Touched(ctx, step.Tool.Object, step.TargetID, p.going)
			hidden, err := unseen(err)
			switch {
			case err != nil:
				return err
			case hidden != "":
				step.Kept = hidden
			case touched.Gone:
				step.Kept = goneMeanwhile
				continue // what hangs on it has nothing to wait for
			default:
				step.Kept = touched.Why()
			}
			if step.Kept != "" {
				step.Content.Purpose = ""
				delete(p.going, record)
				changed = true
			}
		}
	}
	return nil
}

// unseen turns what lets nobody look into the reason to leave a record alone.
func unseen(err error) (reason string, _ error) {
	if denied, ok := errors.AsType[*policy.DeniedError](err); ok {
		return "nobody could see whether it was changed since: " + denied.Tool.Title() + " is denied", nil
	}
	if errors.Is(err, hubspot.ErrMissingScopes) {
		return "nobody could see whether it was changed since: the connection lacks a permission", nil
	}
	return "", err
}

// connection is the one that a record was written through, or, where that is not
// connected, the follow-up's to the same account.
func (p *undoPlanner) connection(ctx context.Context, id *uuid.UUID) (uuid.UUID, error) {
	if id == nil {
		id = p.followUp.ConnectionID
	}
	if id == nil {
		return uuid.Nil, store.ErrNotFound
	}
	written, err := p.a.Store.Connection(ctx, p.m.OrganizationID, *id)
	if err != nil || written.State == store.Connected || p.followUp.ConnectionID == nil {
		return written.ID, err
	}
	now, err := p.a.Store.Connection(ctx, p.m.OrganizationID, *p.followUp.ConnectionID)
	if err != nil {
		return uuid.Nil, err
	}
	if now.HubID == written.HubID {
		return now.ID, nil
	}
	return written.ID, nil
}

func (p *undoPlanner) reader(connection uuid.UUID) *crm.Reader {
	if r, ok := p.readers[connection]; ok {
		return r
	}
	r := p.a.Gate.Reader(crm.Scope{
		OrganizationID: p.m.OrganizationID, ConnectionID: connection,
		Origin: store.Origin{Kind: store.OriginUndo, ID: p.m.MeetingID}, Round: p.followUp.Round, Waited: true,
	})
	p.readers[connection] = r
	return r
}
