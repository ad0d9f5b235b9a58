package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Digest is what one person is told of together: the meetings of a day, or of a week.
// What it says of each is the meeting's brief, and stands with that.
type Digest struct {
	OrganizationID uuid.UUID
	PersonID       uuid.UUID
	// Kind is [NoticeBriefingDigest] or [NoticeBriefingWeek].
	Kind NoticeKind
	// Day is the person's date on which it is told: "2026-11-23". There is one a day.
	Day string
	// MeetingIDs in the order of their starts.
	MeetingIDs []uuid.UUID
}

func digestKey(kind NoticeKind, personID uuid.UUID, day string) string {
	return fmt.Sprintf("%s:%s:%s", strings.TrimPrefix(string(kind), "briefing."), personID, day)
}

// DigestMeetings are the briefs of a person whose meetings begin from from on and before
// until, in the order of their starts: those that are told, and those that are not only
// because briefings are switched off.
func (s *Store) DigestMeetings(ctx context.Context, organizationID, personID uuid.UUID, from, until time.Time) ([]BriefingKey, error) {
	rows, err := s.pool.Query(ctx, `
		select b.meeting_id from briefings b join meetings m on m.id = b.meeting_id join people p on p.id = b.person_id
		where b.organization_id = $1 and b.person_id = $2 and m.starts_at >= $3 and m.starts_at < $4
		  and (b.state in ('waiting', 'ready', 'delivered', 'failed') or b.state = 'skipped' and b.reason = $5)
		  and m.state in ('scheduled', 'started') and not m.has_ended and m.merged_into is null and m.erased_at is null and m.excluded = ''
		  and p.deactivated_at is null
		order by m.starts_at, m.id`, organizationID, personID, from, until, briefingOff)
	if err != nil {
		return nil, fmt.Errorf("reading the meetings of a digest: %w", err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (BriefingKey, error) {
		k := BriefingKey{OrganizationID: organizationID, PersonID: personID}
		err := row.Scan(&k.MeetingID)
		return k, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the meetings of a digest: %w", err)
	}
	return keys, nil
}

// DigestTold says whether a person has a digest of that kind and day already.
func (s *Store) DigestTold(ctx context.Context, d Digest) (bool, error) {
	var told bool
	err := s.pool.QueryRow(ctx, `select exists (select from notices where organization_id = $1 and dedupe_key = $2 and person_id = $3)`,
		d.OrganizationID, digestKey(d.Kind, d.PersonID, d.Day), d.PersonID).Scan(&told)
	if err != nil {
		return false, fmt.Errorf("reading whether person %s has a digest: %w", d.PersonID, err)
	}
	return told, nil
}

// QueueDigest has a person told of these meetings, once for each kind and day, whatever
// comes again. Nobody else is told in the place of who has left.
func (s *Store) QueueDigest(ctx context.Context, d Digest) error {
	about, err := json.Marshal(NoticeAbout{PersonID: &d.PersonID, MeetingIDs: d.MeetingIDs})
	if err != nil {
		return fmt.Errorf("encoding what a notice is about: %w", err)
	}
	_, err = s.pool.Exec(ctx, `
		insert into notices (id, organization_id, kind, dedupe_key, concerns_id, person_id, about)
		select $1, $2, $3, $4, id, id, $6 from people where organization_id = $2 and id = $5 and deactivated_at is null
		on conflict do nothing`, newID(), d.OrganizationID, d.Kind, digestKey(d.Kind, d.PersonID, d.Day), d.PersonID, about)
	if err != nil {
		return fmt.Errorf("queueing the digest of person %s: %w", d.PersonID, err)
	}
	return nil
}
