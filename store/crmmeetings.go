package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/meeting"
)

// HubSpotMeetings is the platform of the meetings that stand in HubSpot itself. An
// organization that has an enabled source of it has them followed; no other has.
const HubSpotMeetings = "hubspot-meetings"

// MeetingRecord is a meeting as it stands in HubSpot: what is stored as a delivery
// of a source of [HubSpotMeetings].
type MeetingRecord struct {
	HubID int64  `json:"hub_id"`
	ID    string `json:"id"`
	// At is when it was last changed, or something was linked to it.
	At time.Time `json:"at"`
	// Gone: it was deleted.
	Gone       bool              `json:"gone,omitempty"`
	Properties map[string]string `json:"properties,omitempty"`
	Host       meeting.Person    `json:"host,omitzero"`
	// Colleagues are the other owners that HubSpot names as attendees.
	Colleagues []meeting.Person `json:"colleagues,omitempty"`
	Contacts   []MeetingContact `json:"contacts,omitempty"`
	DealIDs    []string         `json:"deal_ids,omitempty"`
}

// MeetingContact is a contact that a meeting is associated with.
type MeetingContact struct {
	meeting.Person

	JobTitle string `json:"job_title,omitempty"`
}

// Name is of the record; keys begin with it.
func (m MeetingRecord) Name() string { return fmt.Sprintf("meeting:%d:%s:", m.HubID, m.ID) }

// DedupeKey names the record as it was at that time.
func (m MeetingRecord) DedupeKey() string { return fmt.Sprintf("%s%d", m.Name(), m.At.UnixMilli()) }

// meetingsFollowed says whether an organization has HubSpot's meetings followed.
func meetingsFollowed(ctx context.Context, q querier, organizationID uuid.UUID) (is bool, err error) {
	err = q.QueryRow(ctx, `select exists (select from sources where organization_id = $1 and platform = $2 and disabled_at is null)`,
		organizationID, HubSpotMeetings).Scan(&is)
	if err != nil {
		return false, fmt.Errorf("asking whether HubSpot's meetings are followed: %w", err)
	}
	return is, nil
}

// writtenByDebrief says whether a record was created by a call of Debrief's, or a
// change made by one: on behalf of whatever organization of the account.
func (s *Store) writtenByDebrief(ctx context.Context, e CRMEvent) (is bool, err error) {
	err = s.pool.QueryRow(ctx, `
		select exists (
		  select from connections c join audit a on a.organization_id = c.organization_id and a.connection_id = c.id
		  where c.hub_id = $1 and a.kind = 'call' and a.object_type = $2 and a.record_id = $3 and a.record_id <> '' and a.outcome in ('attempted', 'done', 'unknown')
		    and (a.tool = $2 || '.create'
		      or not $4 and a.tool = $2 || '.update' and ($5 = '' or $5 = any(a.properties))
		         and a.at between $6::timestamptz - $7::interval and $6::timestamptz + $7::interval))
		or exists (
		  select from connections c join actions a on a.organization_id = c.organization_id and a.connection_id = c.id
		  where c.hub_id = $1 and a.object_type = $2 and a.operation = 'create' and a.record_id = $3 and a.record_id <> '')`,
		e.Record.HubID, e.Record.Object, e.Record.ID, byHand(e), e.Property, e.OccurredAt, echoWindow).Scan(&is)
	if err != nil {
		return false, fmt.Errorf("looking for the call that wrote it: %w", err)
	}
	return is, nil
}

// followMeeting deals with an event of a meeting of HubSpot's, and says whether it
// waits until that was read. What Debrief wrote is about a meeting that Debrief
// knows: the record never becomes another one.
func (s *Store) followMeeting(ctx context.Context, e CRMEvent, out *CRMFollowed) (waits bool, err error) {
	followed, err := meetingsFollowed(ctx, s.pool, e.Record.OrganizationID)
	if err != nil || !followed {
		return false, err
	}
	ours, err := s.writtenByDebrief(ctx, e)
	if err != nil || ours {
		return false, err
	}
	// Of a create whose answer was lost nobody knows the record yet: the event is
	// told again.
	var unknown bool
	err = s.pool.QueryRow(ctx, `
		select exists (select from actions a join connections c on c.id = a.connection_id and c.hub_id = $2
		  where a.organization_id = $1 and a.object_type = 'meeting' and a.operation = 'create' and a.may_exist_since is not null)`,
		e.Record.OrganizationID, e.Record.HubID).Scan(&unknown)
	if err != nil {
		return false, fmt.Errorf("asking for meetings that may have been written: %w", err)
	}
	out.Meeting = out.Meeting || !unknown
	return true, nil
}

// MeetingToRead is a meeting of HubSpot's that others created or changed.
type MeetingToRead struct {
	// Source is where it is stored.
	Source Source
	// ConnectionID is what it can be read through.
	ConnectionID uuid.UUID
	// Events are settled once it was read.
	Events []uuid.UUID
	// At is when the last of them happened.
	At time.Time
	// Known: it was read before.
	Known bool
}

// MeetingToRead returns what has to be done about a record of HubSpot's meetings, or
// [ErrNotFound] if nothing. It is [ErrNoConnection] while nothing is connected that
// it could be read through.
func (s *Store) MeetingToRead(ctx context.Context, r CRMRecord) (MeetingToRead, error) {
	var out MeetingToRead
	rows, err := s.pool.Query(ctx, selectCRMEvent+`
		where organization_id = $1 and hub_id = $2 and object_type = $3 and object_id = $4 and state = 'received' order by occurred_at, id`,
		r.OrganizationID, r.HubID, r.Object, r.ID)
	if err != nil {
		return out, fmt.Errorf("reading the events of a meeting: %w", err)
	}
	events, err := pgx.CollectRows(rows, scanCRMEvent)
	if err != nil {
		return out, fmt.Errorf("reading the events of a meeting: %w", err)
	}
	if len(events) == 0 {
		return out, ErrNotFound
	}
	for _, e := range events {
		out.Events, out.At = append(out.Events, e.ID), e.OccurredAt
	}
	out.Source, err = s.source(ctx, s.pool, selectSource+`
		where organization_id = $1 and platform = $2 and disabled_at is null order by created_at, id limit 1`, r.OrganizationID, HubSpotMeetings)
	if errors.Is(err, ErrNotFound) {
		return MeetingToRead{}, errors.Join(ErrNotFound, s.SettleMeetingEvents(ctx, out.Events, "HubSpot's meetings are not followed"))
	}
	if err != nil {
		return out, err
	}
	err = s.pool.QueryRow(ctx, `
		select id from connections where organization_id = $1 and hub_id = $2 and state = 'connected'
		order by is_user_level, is_default desc, id limit 1`, r.OrganizationID, r.HubID).Scan(&out.ConnectionID)
	if errors.Is(err, pgx.ErrNoRows) {
		return out, ErrNoConnection
	}
	if err != nil {
		return out, fmt.Errorf("looking for what a meeting can be read through: %w", err)
	}
	err = s.pool.QueryRow(ctx, `
		select exists (select from deliveries where source_id = $1 and organization_id = $2 and starts_with(dedupe_key, $3))`,
		out.Source.ID, r.OrganizationID, MeetingRecord{HubID: r.HubID, ID: r.ID}.Name()).Scan(&out.Known)
	if err != nil {
		return out, fmt.Errorf("asking whether a meeting was read before: %w", err)
	}
	return out, nil
}

// SettleMeetingEvents records what became of the events of a meeting of HubSpot's.
func (s *Store) SettleMeetingEvents(ctx context.Context, ids []uuid.UUID, outcome string) error {
	_, err := s.pool.Exec(ctx, `update crm_events set state = 'done', outcome = $2, settled_at = now() where id = any($1) and state = 'received'`, ids, outcome)
	if err != nil {
		return fmt.Errorf("settling the events of a meeting: %w", err)
	}
	return nil
}
