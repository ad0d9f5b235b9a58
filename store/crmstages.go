package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/hubspot"
)

// DealStages says which stages of deals have the last meetings of a deal that
// reaches one looked through again.
type DealStages struct {
	Stages []DealStage `json:"stages,omitempty"`
	// Meetings is how many of the deal's meetings, the latest; 0 means 3.
	Meetings int `json:"meetings,omitempty"`
	// Within is how long before the deal reached the stage a meeting may have been;
	// 0 means 90 days.
	Within Duration `json:"within,omitempty"`
}

// DealStage names a stage by HubSpot's IDs.
type DealStage struct {
	Pipeline string `json:"pipeline"`
	Stage    string `json:"stage"`
}

// String is as [ParseDealStage] reads it.
func (d DealStage) String() string { return d.Pipeline + "/" + d.Stage }

const (
	defaultStageMeetings = 3
	mostStageMeetings    = 20
	defaultStageWithin   = 90 * 24 * time.Hour
	mostStages           = 50
)

// ParseDealStage reads PIPELINE/STAGE.
func ParseDealStage(text string) (DealStage, error) {
	pipeline, stage, found := strings.Cut(strings.TrimSpace(text), "/")
	d := DealStage{Pipeline: strings.TrimSpace(pipeline), Stage: strings.TrimSpace(stage)}
	if !found || d.Pipeline == "" || d.Stage == "" || len(text) > 128 || strings.ContainsFunc(d.Pipeline+d.Stage, func(r rune) bool { return r <= ' ' || r == '/' || r == ',' }) {
		return DealStage{}, refuse("A stage is named by the IDs of its pipeline and its own, as in default/closedwon: `debrief organizations stages` lists them.")
	}
	return d, nil
}

// check refuses what makes no sense.
func (d DealStages) check() error {
	switch {
	case len(d.Stages) > mostStages:
		return refuse("At most %d stages can begin something.", mostStages)
	case d.Meetings < 0 || d.Meetings > mostStageMeetings:
		return refuse("Say how many meetings are looked through again: 1 to %d.", mostStageMeetings)
	case d.Within < 0:
		return refuse("How long ago a meeting may have been can't be less than nothing.")
	}
	for _, stage := range d.Stages {
		if _, err := ParseDealStage(stage.String()); err != nil {
			return err
		}
	}
	return nil
}

// has says whether a stage of that ID is among them. HubSpot's events name no
// pipeline.
func (d DealStages) has(stage string) bool {
	return slices.ContainsFunc(d.Stages, func(s DealStage) bool { return s.Stage == stage })
}

// isStage says whether an event tells of a deal's stage.
func isStage(e CRMEvent) bool {
	return e.Record.Object == "deal" && e.Kind == hubspot.EventPropertyChange && e.Property == "dealstage"
}

// reach has the last meetings of a deal looked through again, if it reached one of
// the organization's stages, and says whether it settled the event with it: in one
// transaction, so that each reaching begins exactly once.
func (s *Store) reach(ctx context.Context, e CRMEvent, stage string, out *CRMFollowed) (settled bool, err error) {
	o, err := s.Organization(ctx, e.Record.OrganizationID)
	if err != nil || !o.Settings.DealStages.has(stage) {
		return false, err
	}
	begun := 0
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		begun = 0
		tag, err := tx.Exec(ctx, `update crm_events set state = 'done', settled_at = now() where id = $1 and state = 'received'`, e.ID)
		if err != nil {
			return fmt.Errorf("settling the event: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return nil // another attempt was faster
		}
		meetings, err := lastMeetings(ctx, tx, e, o.Settings.DealStages)
		if err != nil {
			return err
		}
		for _, id := range meetings {
			f, err := s.lockFollowUp(ctx, tx, e.Record.OrganizationID, id)
			if err != nil {
				return err
			}
			planned, err := s.planAnew(ctx, tx, f, e.Record.ID, fmt.Sprintf("the deal reached the stage %s in HubSpot", bounded(stage)))
			if err != nil {
				return err
			}
			if planned {
				begun++
			}
		}
		_, err = tx.Exec(ctx, `update crm_events set outcome = $2 where id = $1`, e.ID, fmt.Sprintf("the deal reached a stage: meetings looked through again: %d", begun))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("looking through the meetings of a deal again: %w", err)
	}
	out.Begun += begun
	return true, nil
}

// lastMeetings are those of a deal that were planned with it: their follow-ups
// changed it, linked something to it, or created it. Not those whose writes somebody
// took back. They come in the order in which follow-ups are locked.
func lastMeetings(ctx context.Context, tx pgx.Tx, e CRMEvent, d DealStages) ([]uuid.UUID, error) {
	most := d.Meetings
	if most == 0 {
		most = defaultStageMeetings
	}
	rows, err := tx.Query(ctx, `
		with recursive ids (id) as (
		  select $3::text
		  union select unnest(m.merged_ids) from crm_events m join ids on m.object_id = ids.id
		  where m.organization_id = $1 and m.hub_id = $2 and m.object_type = 'deal' and m.kind = 'merge'),
		known (meeting_id) as (
		  select r.meeting_id from follow_up_records r join ids on r.record_id = ids.id
		  where r.organization_id = $1 and r.object_type = 'deal' and r.planned
		  union select a.origin_id from actions a join ids on a.record_id = ids.id
		  where a.organization_id = $1 and a.object_type = 'deal' and a.operation = 'create' and a.record_id <> '' and a.origin_kind = 'meeting')
		select last.meeting_id from (
		  select f.meeting_id from known join follow_ups f on f.meeting_id = known.meeting_id
		  join connections c on c.id = f.connection_id join meetings m on m.id = f.meeting_id
		  where f.organization_id = $1 and c.hub_id = $2 and f.planned_version > 0 and f.undo_requested = 0
		    and m.merged_into is null and m.erased_at is null
		    and coalesce(m.starts_at, m.first_word_at) between $4::timestamptz - $5::interval and greatest($4::timestamptz, now())
		  order by coalesce(m.starts_at, m.first_word_at) desc, f.meeting_id limit $6) as last
		order by 1`,
		e.Record.OrganizationID, e.Record.HubID, e.Record.ID, e.OccurredAt, d.Within.Or(defaultStageWithin), most)
	if err != nil {
		return nil, fmt.Errorf("reading the deal's last meetings: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("reading the deal's last meetings: %w", err)
	}
	return ids, nil
}
