package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/meeting"
)

// seen selects, of the meetings m, those that are listed for a person: all of them
// for the operator, admins and approvers; else those that the person hosted or
// answers for, those that they attended, and those with a question about a record
// that they own; and whatever is listed for whoever they are the delegate
// of. A viewer sees none. These are the rules of [Store.MaySee], as far as a list
// can tell without opening anything. It takes the arguments of [sight] from $2 on.
const seen = `($2 or exists (select from responsible_people r where r.person_id = m.host_person_id and r.responsible_id = any($3))
	or exists (select from meeting_attendees t where t.meeting_id = m.id and t.address_mac = any($4))
	or exists (select from actions owned join approvals o on o.action_id = owned.id
	           where owned.origin_id = m.id and o.record_owner = any($5)))`

// waits says that a question p of the organization $1 can still be answered: also
// after a deadline that it is given another one at, whether or not somebody has looked
// since. It is the rule of the judge.
const waits = `(p.state = 'pending' and (p.expires_at > now() or
	(select case o.settings->'approvals'->>'on_expiry' when 'open' then true when 'escalate' then p.escalated_at is null end from organizations o where o.id = $1)))`

// sight is what [seen] needs to know of who looks.
type sight struct {
	all bool
	// people are the person, and those whose delegate the person is; addresses are
	// the keyed hashes of theirs, and owners they in HubSpot.
	people    []uuid.UUID
	addresses [][]byte
	owners    []string
}

func (v sight) args(organizationID uuid.UUID, more ...any) []any {
	return append([]any{organizationID, v.all, v.people, v.addresses, v.owners}, more...)
}

// sightOf reads it, of a person or (nil) the operator, or fails with [ErrNotFound]
// for somebody who sees nothing.
func (s *Store) sightOf(ctx context.Context, organizationID uuid.UUID, personID *uuid.UUID) (sight, error) {
	if personID == nil {
		return sight{all: true}, nil
	}
	var v sight
	var keyID uuid.UUID
	var addresses []string
	err := s.pool.QueryRow(ctx, `
		with me as (
		  select id, role from people where organization_id = $1 and id = $2 and deactivated_at is null and role <> 'viewer'
		), principals as (
		  select id, role from me
		  union
		  select giver.id, giver.role from approval_delegations d
		  join people taker on taker.id = d.to_person_id
		  join people gave on gave.id = d.from_person_id join people giver on giver.id = coalesce(gave.merged_into, gave.id)
		  where d.organization_id = $1 and d.until > now() and coalesce(taker.merged_into, taker.id) = $2
		    and giver.deactivated_at is null and giver.role <> 'viewer'
		)
		select o.data_key_id,
		       exists (select from principals where role in ('admin', 'approver')
		               or exists (select from people named where coalesce(named.merged_into, named.id) = principals.id
		                          and coalesce(o.settings->'approvals'->'approvers', '[]') ? named.id::text)),
		       array(select id from principals),
		       array(select i.value from principals p join person_identities i on i.person_id = p.id and i.kind = 'email'),
		       array(select i.value from principals p join person_identities i on i.person_id = p.id and i.kind = 'hubspot_owner' and not i.archived)
		from organizations o where o.id = $1 and exists (select from me)`, organizationID, *personID).
		Scan(&keyID, &v.all, &v.people, &addresses, &v.owners)
	if err := notFound(err, fmt.Sprintf("reading what person %s may see", *personID)); err != nil {
		return sight{}, err
	}
	if v.all {
		return v, nil
	}
	key, err := s.dataKey(ctx, s.pool, &keyID)
	if err != nil {
		return sight{}, err
	}
	for _, address := range addresses {
		v.addresses = append(v.addresses, key.MAC(attendeeName(address)))
	}
	return v, nil
}

func attendeeName(address string) []byte {
	return []byte("attendee\x00" + strings.ToLower(strings.TrimSpace(address)))
}

// attend writes down who was at a meeting, for [seen].
func (u *understanding) attend(ctx context.Context, meetingID uuid.UUID, attendees []meeting.Attendee) error {
	macs := make([][]byte, 0, len(attendees))
	for _, a := range attendees {
		if a.Email != "" {
			macs = append(macs, u.organizationK.MAC(attendeeName(a.Email)))
		}
	}
	_, err := u.tx.Exec(ctx, `
		with gone as (delete from meeting_attendees where meeting_id = $2 and address_mac <> all($3))
		insert into meeting_attendees (organization_id, meeting_id, address_mac)
		select distinct $1::uuid, $2::uuid, mac from unnest($3::bytea[]) mac on conflict do nothing`, u.organizationID, meetingID, macs)
	if err != nil {
		return fmt.Errorf("storing who attended meeting %s: %w", meetingID, err)
	}
	return nil
}

// InboxMeeting is a meeting with open questions.
type InboxMeeting struct {
	MeetingID uuid.UUID
	Questions int
	// Until is the first deadline.
	Until time.Time
}

// Inbox lists the meetings with open questions that a person (nil: the operator)
// sees, the first deadline first, at most limit after the one that after names
// (zero: from the beginning), and says how many there are from there on. Somebody
// who sees nothing gets nothing.
func (s *Store) Inbox(ctx context.Context, organizationID uuid.UUID, personID *uuid.UUID, after InboxMeeting, limit int) (page []InboxMeeting, total int, err error) {
	v, err := s.sightOf(ctx, organizationID, personID)
	if errors.Is(err, ErrNotFound) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	rows, err := s.pool.Query(ctx, `
		select m.id, count(*), min(p.expires_at), count(*) over ()
		from approvals p join actions a on a.id = p.action_id join meetings m on m.id = a.origin_id
		where p.organization_id = $1 and `+waits+` and `+seen+`
		group by m.id having $6::timestamptz is null or (min(p.expires_at), m.id) > ($6, $7)
		order by min(p.expires_at), m.id limit $8`, v.args(organizationID, nullTime(after.Until), after.MeetingID, limit)...)
	if err != nil {
		return nil, 0, fmt.Errorf("reading the inbox: %w", err)
	}
	page, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (i InboxMeeting, err error) {
		err = row.Scan(&i.MeetingID, &i.Questions, &i.Until, &total)
		return i, err
	})
	if err != nil {
		return nil, 0, fmt.Errorf("reading the inbox: %w", err)
	}
	return page, total, nil
}

// OpenQuestions counts an organization's open questions and the meetings that
// they are about: for those who see counts only.
func (s *Store) OpenQuestions(ctx context.Context, organizationID uuid.UUID) (questions, meetings int, err error) {
	err = s.pool.QueryRow(ctx, `
		select count(*), count(distinct a.origin_id) from approvals p join actions a on a.id = p.action_id
		where p.organization_id = $1 and `+waits, organizationID).Scan(&questions, &meetings)
	if err != nil {
		return 0, 0, fmt.Errorf("counting the open questions: %w", err)
	}
	return questions, meetings, nil
}

// ListedMeeting is a row of the list of meetings.
type ListedMeeting struct {
	ID uuid.UUID
	// At is the start, or where that is not known when it was first heard of.
	At    time.Time
	Title string
	Host  string
	State meeting.State
	// HasNotes: there is something to follow up.
	HasNotes bool
	Erased   bool
	// Questions are open, Written stand in HubSpot.
	Questions, Written int
	// Paused: the follow-up waits for a connection or a choice.
	Paused bool
}

// MeetingsSeen lists the meetings that a person (nil: the operator) sees, the
// latest first, at most limit before the one that before names (zero: from the
// end). Somebody who sees nothing gets nothing.
func (s *Store) MeetingsSeen(ctx context.Context, organizationID uuid.UUID, personID *uuid.UUID, before ListedMeeting, limit int) ([]ListedMeeting, error) {
	v, err := s.sightOf(ctx, organizationID, personID)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rows, err := s.pool.Query(ctx, `
		select m.id, coalesce(m.starts_at, m.created_at), m.state, m.has_notes, m.erased_at is not null, m.data_key_id, m.sealed, coalesce(h.name, ''),
		       (select count(*) from approvals p join actions a on a.id = p.action_id where a.origin_id = m.id and `+waits+`),
		       (select count(*) from actions a where a.origin_id = m.id and a.state = 'written'),
		       coalesce((select f.paused_since is not null from follow_ups f where f.meeting_id = m.id), false)
		from meetings m left join people h on h.id = m.host_person_id
		where m.organization_id = $1 and m.merged_into is null and not m.is_call and `+seen+`
		  and ($6::timestamptz is null or (coalesce(m.starts_at, m.created_at), m.id) < ($6, $7))
		order by coalesce(m.starts_at, m.created_at) desc, m.id desc limit $8`,
		v.args(organizationID, nullTime(before.At), before.ID, limit)...)
	if err != nil {
		return nil, fmt.Errorf("listing meetings: %w", err)
	}
	type sealedMeeting struct {
		ListedMeeting
		keyID  *uuid.UUID
		sealed []byte
	}
	read, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m sealedMeeting, err error) {
		err = row.Scan(&m.ID, &m.At, &m.State, &m.HasNotes, &m.Erased, &m.keyID, &m.sealed, &m.Host, &m.Questions, &m.Written, &m.Paused)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("listing meetings: %w", err)
	}
	out := make([]ListedMeeting, 0, len(read))
	for _, m := range read {
		if m.sealed != nil {
			var content struct {
				Title string `json:"title"`
			}
			key, err := s.dataKey(ctx, s.pool, m.keyID)
			if err == nil {
				err = openJSON(key, m.sealed, &content, meetingPlace(m.ID))
			}
			if err != nil && !errors.Is(err, ErrErased) {
				return nil, fmt.Errorf("listing meeting %s: %w", m.ID, err)
			}
			m.Title = content.Title
		}
		out = append(out, m.ListedMeeting)
	}
	return out, nil
}

// watchFor is how long an organization's changes are announced after somebody
// said that a page is open. Pages say so again in half of it.
const watchFor = 2 * time.Minute

// WatchAgain is how often [Store.Watch] has to be called while a page is open.
const WatchAgain = watchFor / 2

// Watch has the changes of an organization's meetings announced for two minutes,
// to all who listen.
func (s *Store) Watch(ctx context.Context, organizationID uuid.UUID) error {
	_, err := s.pool.Exec(ctx, `
		insert into watched as w (organization_id, until) values ($1, now() + $2)
		on conflict (organization_id) do update set until = excluded.until where w.until < excluded.until - interval '10 seconds'`, organizationID, watchFor)
	if err != nil {
		return fmt.Errorf("watching an organization's changes: %w", err)
	}
	return nil
}

// Listen calls each for every announced change of a meeting, until ctx ends or the
// connection that it takes for itself is lost; what was announced in between is
// missed. listening is called once it hears everything from then on. each must
// not block.
func (s *Store) Listen(ctx context.Context, listening func(), each func(organizationID, meetingID uuid.UUID)) error {
	pooled, err := s.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("listening for changes: %w", err)
	}
	conn := pooled.Hijack()
	defer closeListener(ctx, conn)
	if _, err := conn.Exec(ctx, `listen debrief_changes`); err != nil {
		return fmt.Errorf("listening for changes: %w", err)
	}
	listening()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return fmt.Errorf("listening for changes: %w", err)
		}
		organization, meetingID, _ := strings.Cut(n.Payload, " ")
		o, err := uuid.Parse(organization)
		if err != nil {
			continue
		}
		m, err := uuid.Parse(meetingID)
		if err != nil {
			continue
		}
		each(o, m)
	}
}

func closeListener(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
