package chaos

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
)

// dossiers write to the log what is known of each meeting with a finding: the world that
// it could be looked up in is gone in a moment.
func (w *world) dossiers(ctx context.Context, findings []Finding, f Facts) {
	var done []string
	for _, finding := range findings {
		w.note("%s", finding)
		if finding.Meeting == "" || slices.Contains(done, finding.Meeting) {
			continue
		}
		done = append(done, finding.Meeting)
		for _, m := range w.script.Meetings {
			if m.Name == finding.Meeting {
				w.dossier(ctx, m, f)
			}
		}
	}
}

func (w *world) dossier(ctx context.Context, m Meeting, f Facts) {
	w.note("%s: %s in %s (%s), answers %v", m.Name, m.Shape, w.script.Organizations[m.Organization].Name, w.script.Organizations[m.Organization].Preset, m.Answers)
	var id uuid.UUID
	for _, d := range f.Deliveries {
		if slices.ContainsFunc(m.Deliveries, func(of Delivery) bool { return of.ID == d.ID }) {
			w.note("  delivery %s: %s, meetings %v", d.ID, d.State, d.Meetings)
			if len(d.Meetings) > 0 {
				id = d.Meetings[0]
			}
		}
	}
	for _, r := range f.FollowUps {
		if r.Meeting == id {
			w.note("  follow-up: %+v", r)
		}
	}
	of := map[uuid.UUID]bool{}
	for _, a := range f.Actions {
		if a.Meeting != id {
			continue
		}
		of[a.ID] = true
		w.note("  action %s %s: %s %q, record %q, %s … %s", a.ID, a.Tool, a.State, a.Reason, a.RecordID, a.CreatedAt.Format(time.StampMilli), a.UpdatedAt.Format(time.StampMilli))
		for _, p := range f.Approvals {
			if p.Action == a.ID {
				w.note("    question %s %s: %s via %q, asked %s, decided %s", p.ID, p.Kind, p.State, p.Via, p.AskedAt.Format(time.StampMilli), p.DecidedAt.Format(time.StampMilli))
			}
		}
	}
	for _, c := range f.Calls {
		if c.Meeting == id || of[c.Action] {
			w.note("  call %d %s: %s %d %q, record %q, action %s, %s … %s", c.ID, c.Tool, c.Outcome, c.Status, c.Reason, c.RecordID, c.Action, c.At.Format(time.StampMilli), c.CompletedAt.Format(time.StampMilli))
		}
	}
	if actions, err := w.store.ActionsOf(ctx, w.tenants[m.Organization].id, id); err == nil {
		for _, a := range actions {
			w.note("  %s %s: %s; doubt %q; %v", a.Tool, a.State, a.Content.Label, a.Content.Doubt, a.Content.Properties)
		}
	}
}
