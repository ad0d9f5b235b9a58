package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/meeting"
)

// CameIn is one event of a meeting, as it came.
type CameIn struct {
	EventID    uuid.UUID
	DeliveryID uuid.UUID
	Type       meeting.EventType
	OccurredAt *time.Time
	ReceivedAt time.Time
	// Source and Platform say where from.
	Source, Platform string
	// Test: the source is no production one.
	Test bool
	// Reason is what the delivery's verdict says beside its state; usually empty.
	Reason string
}

// maxCameIn bounds how many events of a meeting are listed: one may be told
// again and again.
const maxCameIn = 200

// WhatCameIn lists the events of a meeting in the order in which they came, the
// last 200 of them.
func (s *Store) WhatCameIn(ctx context.Context, organizationID, meetingID uuid.UUID) ([]CameIn, error) {
	rows, err := s.pool.Query(ctx, `
		select * from (
		  select e.id, e.delivery_id, e.type, e.occurred_at, e.received_at, s.name, s.platform, s.environment = 'test', d.reason
		  from events e join sources s on s.id = e.source_id join deliveries d on d.id = e.delivery_id
		  where e.organization_id = $1 and e.meeting_id = $2 order by e.received_at desc, e.id desc limit $3) last
		order by received_at, id`, organizationID, meetingID, maxCameIn)
	if err != nil {
		return nil, fmt.Errorf("reading what came in for meeting %s: %w", meetingID, err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c CameIn, err error) {
		err = row.Scan(&c.EventID, &c.DeliveryID, &c.Type, &c.OccurredAt, &c.ReceivedAt, &c.Source, &c.Platform, &c.Test, &c.Reason)
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading what came in for meeting %s: %w", meetingID, err)
	}
	return all, nil
}

// OpenTranscript returns what was said in a meeting, word by word, and writes down
// that it was opened, by whom: without the row nothing is returned. It checks
// nobody's right to see it: ask [Store.MaySee] first.
func (s *Store) OpenTranscript(ctx context.Context, organizationID, meetingID uuid.UUID, actor Actor) ([]meeting.Segment, error) {
	m, err := s.MeetingByID(ctx, organizationID, meetingID)
	if err != nil {
		return nil, err
	}
	if len(m.Content.Transcript.Segments) == 0 {
		return nil, fmt.Errorf("opening the transcript of meeting %s: %w", meetingID, ErrNotFound)
	}
	err = s.audit(ctx, s.pool, AuditEntry{
		OrganizationID: organizationID, Kind: AuditVisibility, Actor: actor, Origin: Origin{Kind: "meeting", ID: meetingID}, Reason: "transcript opened",
	})
	if err != nil {
		return nil, err
	}
	return m.Content.Transcript.Segments, nil
}
