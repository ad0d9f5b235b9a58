package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/vault"
)

// The kinds of notices that brief people.
const (
	// NoticeBriefingReady: the brief of a meeting. NoticeBriefingUpdate: something that
	// matters changed since it was told.
	NoticeBriefingReady  NoticeKind = "briefing.ready"
	NoticeBriefingUpdate NoticeKind = "briefing.update"
	// NoticeBriefingDigest: the meetings of a day, NoticeBriefingWeek: of a week.
	NoticeBriefingDigest NoticeKind = "briefing.digest"
	NoticeBriefingWeek   NoticeKind = "briefing.week"
)

// IsBriefing says whether it briefs somebody.
func (k NoticeKind) IsBriefing() bool { return strings.HasPrefix(string(k), "briefing.") }

// BriefingKey names the brief of one meeting for one person.
type BriefingKey struct {
	OrganizationID uuid.UUID `json:"organization_id"`
	MeetingID      uuid.UUID `json:"meeting_id"`
	PersonID       uuid.UUID `json:"person_id"`
}

// BriefingState is how far a brief has come.
type BriefingState string

// The states of a brief. Skipped and canceled ones come back if what they were skipped
// or canceled for changes.
const (
	// BriefingWaiting: it is not due yet, or is being made.
	BriefingWaiting BriefingState = "waiting"
	// BriefingReady: it is made, and on its way.
	BriefingReady     BriefingState = "ready"
	BriefingDelivered BriefingState = "delivered"
	BriefingSkipped   BriefingState = "skipped"
	BriefingCanceled  BriefingState = "canceled"
	// BriefingFailed: it was made, and reached nobody before the meeting began.
	BriefingFailed BriefingState = "failed"
)

// BriefingStates lists the states.
func BriefingStates() []BriefingState {
	return []BriefingState{BriefingWaiting, BriefingReady, BriefingDelivered, BriefingSkipped, BriefingCanceled, BriefingFailed}
}

// Why there is no brief.
const (
	briefingMerged    = "the meeting turned out to be another one"
	briefingErased    = "the meeting's words were erased"
	briefingCanceled  = "the meeting was canceled"
	briefingHost      = "the host is somebody else now"
	briefingExcluded  = "a rule excludes the meeting"
	briefingLeft      = "the person left"
	briefingOff       = "briefings are switched off"
	briefingInternal  = "nobody from outside is invited"
	briefingNoStart   = "nobody knows when it begins"
	briefingLate      = "it could not be delivered before the meeting began"
	briefingNoHubSpot = "it had begun before HubSpot could be read"
	briefingBegun     = "the meeting has begun"
)

// How a brief that was made follows what changes.
const (
	// What changes together is told together.
	briefingSettle = 30 * time.Second
	// A brief is made anew this often at most, unless the meeting is about to begin.
	briefingPace = 5 * time.Minute
	aboutToBegin = 15 * time.Minute
	// How soon HubSpot is tried again after a brief was made without it. A connection
	// that comes back, or is chosen, does not wait for that.
	bareRetry = 15 * time.Minute
	// How often a connection that is gone is looked after, in case that its return was
	// not told.
	briefingPauseCheck = 5 * time.Minute
	// A look that is this late is missed: the workflow is told again.
	briefingLost = "interval '5 minutes'"
	// How long briefs are kept after their meetings.
	keepBriefings = 30 * 24 * time.Hour
)

// Briefing is a brief as it stands.
type Briefing struct {
	ID uuid.UUID `json:"id"`
	BriefingKey

	State  BriefingState `json:"state"`
	Reason string        `json:"reason,omitempty"`
	// Version grows with each brief that is to be told.
	Version int64 `json:"version"`
	// StartsAt and DueAt are as last looked at.
	StartsAt    *time.Time `json:"starts_at,omitempty"`
	DueAt       *time.Time `json:"due_at,omitempty"`
	ComposedAt  *time.Time `json:"composed_at,omitempty"`
	FirstSentAt *time.Time `json:"first_sent_at,omitempty"`
	LastSentAt  *time.Time `json:"last_sent_at,omitempty"`
	PausedSince *time.Time `json:"paused_since,omitempty"`
	// Channel is the one by which it went, Thread what that needs to go on in the same
	// thread.
	Channel BriefingChannel `json:"channel,omitempty"`
	Thread  json.RawMessage `json:"thread,omitempty"`
	// Bare: it was made without HubSpot.
	Bare bool `json:"bare,omitempty"`

	// Brief is the last one, Changes what it changes of Told, which is the one that was
	// told last. All are JSON; nil where there is none, or it was erased.
	Brief   json.RawMessage `json:"-"`
	Changes json.RawMessage `json:"-"`
	Told    json.RawMessage `json:"-"`
}

// BriefingRecord is a record of the CRM that a brief was made of.
type BriefingRecord struct {
	Object string
	ID     string
}

// sealedBriefing is what is sealed of a brief.
type sealedBriefing struct {
	Brief   json.RawMessage `json:"brief"`
	Changes json.RawMessage `json:"changes,omitempty"`
}

func briefingPlace(id uuid.UUID) string     { return "briefings.sealed:" + id.String() }
func toldBriefingPlace(id uuid.UUID) string { return "briefings.sealed_told:" + id.String() }

// askedAgain are the columns of a brief whose workflow has to look, now.
const askedAgain = `asked = asked + 1, look_at = null, attempts = 0, next_attempt_at = now()`

// changedAgain are those of one under which something changed.
const changedAgain = `changed_at = case when changes > composed_changes then changed_at else now() end, changes = changes + 1, ` + askedAgain

// upcoming selects the meetings m that may be briefed.
const upcoming = `m.state in ('scheduled', 'started') and not m.has_ended and not m.has_notes and m.starts_at > now() and m.merged_into is null
	and m.erased_at is null and m.excluded = ''`

// briefAnew has the briefs of an organization's meetings looked at, or only those for
// one person: how they are briefed has changed, or whether they are. Meetings to come
// that have no brief get one. It counts as a change of digests, too.
func briefAnew(ctx context.Context, tx pgx.Tx, organizationID uuid.UUID, personID *uuid.UUID) error {
	if _, err := tx.Exec(ctx, `update organizations set digests_asked = digests_asked + 1 where id = $1`, organizationID); err != nil {
		return fmt.Errorf("having digests looked at: %w", err)
	}
	for _, sql := range []string{
		`insert into briefings (id, organization_id, meeting_id, person_id, starts_at)
		 select gen_random_uuid(), m.organization_id, m.id, p.id, m.starts_at from meetings m join people p on p.id = m.host_person_id
		 where m.organization_id = $1 and ($2::uuid is null or p.id = $2) and p.deactivated_at is null and ` + upcoming + `
		 order by m.id on conflict do nothing`,
		`update briefings set ` + askedAgain + ` where id in (
		   select id from briefings where organization_id = $1 and ($2::uuid is null or person_id = $2) and starts_at > now() - interval '5 minutes'
		   order by id for no key update)`,
	} {
		if _, err := tx.Exec(ctx, sql, organizationID, personID); err != nil {
			return fmt.Errorf("having briefings looked at: %w", err)
		}
	}
	return nil
}

// brief schedules the brief of a meeting that was just folded, has it look where
// something changed that matters to it, and cancels those for who was the host before.
func (u *understanding) brief(ctx context.Context, m *lockedMeeting, key *vault.DataKey, folded meeting.Meeting, host *uuid.UUID) error {
	if host == nil {
		return nil // and nobody was: a meeting keeps the host that it had
	}
	seen, err := seenOf(key, folded)
	if err != nil {
		return err
	}
	// What is over, or has nobody to be briefed on, gets none; one that is there finds
	// that out itself, and what was told has nothing more to find out of what is over.
	ahead := !folded.Start().IsZero() && time.Now().Before(folded.Start().Add(BriefingGrace)) && !folded.HasEnded && !folded.HasNotes
	begins := ahead && folded.State != meeting.StateCanceled && hasOutsiders(folded, u.domains)
	_, err = u.tx.Exec(ctx, `
		with others as (
		  update briefings set state = 'canceled', reason = $7, `+askedAgain+` where meeting_id = $2 and person_id <> $3 and state <> 'canceled'),
		changed as (
		  -- Who was told is told of that also while HubSpot can't be read.
		  update briefings set seen_mac = $4, starts_at = $5, paused_since = null, `+changedAgain+`
		  where meeting_id = $2 and person_id = $3 and (seen_mac is distinct from $4 or state = 'canceled') and ($8 or state in ('waiting', 'ready')))
		insert into briefings (id, organization_id, meeting_id, person_id, seen_mac, starts_at)
		select gen_random_uuid(), $1, $2, id, $4, $5 from people where id = $3 and deactivated_at is null and $6
		on conflict do nothing`, u.organizationID, m.id, host, seen, nullTime(folded.Start()), begins, briefingHost, ahead)
	if err != nil {
		return fmt.Errorf("scheduling the brief of meeting %s: %w", m.id, err)
	}
	return nil
}

// adoptMeetings makes a person the host of the meetings to come that nobody was known to
// host, where a platform names the host like this. Platforms are often connected before
// their people have signed in.
func (s *Store) adoptMeetings(ctx context.Context, tx pgx.Tx, organizationID, personID uuid.UUID, names ...Identity) error {
	names = slices.DeleteFunc(slices.Clone(names), func(i Identity) bool { return i.Kind != IdentityEmail && i.Kind != IdentityZoomHost })
	if len(names) == 0 {
		return nil
	}
	rows, err := tx.Query(ctx, `
		select m.id, m.data_key_id, m.sealed from meetings m
		where m.organization_id = $1 and m.host_person_id is null and m.sealed is not null and `+upcoming+` order by m.starts_at limit 1000`, organizationID)
	if err != nil {
		return fmt.Errorf("reading the meetings without a host: %w", err)
	}
	type sealedMeeting struct {
		id     uuid.UUID
		key    *uuid.UUID
		sealed []byte
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m sealedMeeting, err error) {
		err = row.Scan(&m.id, &m.key, &m.sealed)
		return m, err
	})
	if err != nil {
		return fmt.Errorf("reading the meetings without a host: %w", err)
	}
	theirs := []uuid.UUID{}
	for _, m := range all {
		key, err := s.dataKey(ctx, tx, m.key)
		if err != nil {
			return err
		}
		var content meeting.Meeting
		if err := openJSON(key, m.sealed, &content, meetingPlace(m.id)); err != nil {
			return err
		}
		if slices.ContainsFunc(names, func(i Identity) bool {
			return i.Kind == IdentityEmail && i.Value == normalEmail(content.Organizer.Email) || i.Kind == IdentityZoomHost && i.Value == content.HostID
		}) {
			theirs = append(theirs, m.id)
		}
	}
	if _, err := tx.Exec(ctx, `
		update meetings set host_person_id = $2 where host_person_id is null and id in (
		  select id from meetings where id = any($1) order by id for no key update)`, theirs, personID); err != nil {
		return fmt.Errorf("making a person the host of meetings: %w", err)
	}
	return briefAnew(ctx, tx, organizationID, &personID)
}

// seenOf is the keyed hash of what a brief has to follow of a meeting.
func seenOf(key *vault.DataKey, m meeting.Meeting) ([]byte, error) {
	invited := make([]string, 0, len(m.Attendees))
	for _, a := range m.Attendees {
		if a.Email != "" || a.Name != "" {
			invited = append(invited, strings.ToLower(a.Email+"\x00"+a.Name+"\x00"+a.Response))
		}
	}
	slices.Sort(invited)
	raw, err := json.Marshal([]any{m.State == meeting.StateCanceled, m.Start().UTC(), m.End().UTC(), m.Title, m.Keys.JoinURL, invited})
	if err != nil {
		return nil, errors.New("encoding what is seen of a meeting")
	}
	return key.MAC(raw), nil
}

// hasOutsiders says whether somebody was invited who is not of the organization, as
// far as is known.
func hasOutsiders(m meeting.Meeting, domains []string) bool {
	own := func(email string) bool {
		domain := domainOf(strings.ToLower(email))
		return slices.ContainsFunc(domains, func(d string) bool { return domain == d || strings.HasSuffix(domain, "."+d) })
	}
	return slices.ContainsFunc(m.Attendees, func(a meeting.Attendee) bool {
		switch {
		case a.Role == "host":
			return false
		case a.Email != "":
			return !own(a.Email)
		default:
			return a.Name != "" && (a.External == nil || *a.External)
		}
	})
}

// lockBriefings locks the briefs of meetings, in the order in which all who lock several
// do.
func lockBriefings(ctx context.Context, tx pgx.Tx, meetings ...*lockedMeeting) error {
	ids := make([]uuid.UUID, 0, len(meetings))
	for _, m := range meetings {
		ids = append(ids, m.id)
	}
	if _, err := tx.Exec(ctx, `select from briefings where meeting_id = any($1) order by id for no key update`, ids); err != nil {
		return fmt.Errorf("locking the briefs of meetings: %w", err)
	}
	return nil
}

// mergeBriefings moves the younger meeting's briefs to the older one, under its key;
// of two for one person, the one that was told stays.
func (u *understanding) mergeBriefings(ctx context.Context, older, younger *lockedMeeting, olderKey, youngerKey *vault.DataKey) error {
	if err := lockBriefings(ctx, u.tx, older, younger); err != nil {
		return err
	}
	if _, err := u.tx.Exec(ctx, `
		delete from briefings where id in (
		  select case when y.first_sent_at is not null and o.first_sent_at is null then o.id else y.id end
		  from briefings y join briefings o on o.person_id = y.person_id and o.meeting_id = $1 where y.meeting_id = $2)`, older.id, younger.id); err != nil {
		return fmt.Errorf("dropping the brief of one of two meetings: %w", err)
	}
	for _, c := range []struct {
		column string
		place  func(uuid.UUID) string
	}{{"sealed", briefingPlace}, {"sealed_told", toldBriefingPlace}} {
		err := u.reseal(ctx, `select id, `+c.column+` from briefings where meeting_id = $1 and `+c.column+` is not null`, younger.id,
			`update briefings set `+c.column+` = $2 where id = $1`, func(id uuid.UUID, sealed []byte) ([]byte, error) {
				return reseal(youngerKey, olderKey, sealed, c.place(id))
			})
		if err != nil {
			return err
		}
	}
	if _, err := u.tx.Exec(ctx, `update briefings set meeting_id = $1, `+changedAgain+` where meeting_id = $2`, older.id, younger.id); err != nil {
		return fmt.Errorf("moving briefs to the other meeting: %w", err)
	}
	return nil
}

// dropBriefings drops the words of a meeting's briefs, and ends them.
func dropBriefings(ctx context.Context, tx pgx.Tx, meetingID uuid.UUID, state BriefingState, why string) error {
	if _, err := tx.Exec(ctx, `
		update briefings set sealed = null, sealed_told = null, seen_mac = null, state = $2, reason = $3, `+askedAgain+`
		where id in (select id from briefings where meeting_id = $1 order by id for no key update)`,
		meetingID, string(state), why); err != nil {
		return fmt.Errorf("dropping the briefs of meeting %s: %w", meetingID, err)
	}
	if _, err := tx.Exec(ctx, `delete from briefing_records where briefing_id in (select id from briefings where meeting_id = $1)`, meetingID); err != nil {
		return fmt.Errorf("dropping what the briefs of meeting %s were made of: %w", meetingID, err)
	}
	return nil
}

// markBriefings has the briefs made anew that were made of one of these records of an
// account, since something happened to it. An empty object stands for any.
func markBriefings(ctx context.Context, tx pgx.Tx, organizationID uuid.UUID, hubID int64, records []BriefingRecord) error {
	objects, ids := []string{}, []string{}
	for _, r := range records {
		objects, ids = append(objects, r.Object), append(ids, r.ID)
	}
	_, err := tx.Exec(ctx, `
		update briefings set changed_at = case when changes > composed_changes then changed_at else now() end, changes = changes + 1,
		  -- More of it usually follows.
		  next_attempt_at = case when told < asked then next_attempt_at else now() + interval '10 seconds' end, asked = asked + 1,
		  look_at = null, attempts = 0
		where id in (
		  select id from briefings where state in ('ready', 'delivered') and starts_at > now() and id in (
		    select r.briefing_id from unnest($3::text[], $4::text[]) as c (object, id)
		    join briefing_records r on r.organization_id = $1 and r.hub_id = $2 and r.record_id = c.id and c.object in ('', r.object_type))
		  order by id for no key update)`, organizationID, hubID, objects, ids)
	if err != nil {
		return fmt.Errorf("having briefs made anew: %w", err)
	}
	return nil
}

// touchedRecords are those that events tell of, by organization and account. Also what
// Debrief did itself changes a brief.
type touchedRecords []touchedAccount

type touchedAccount struct {
	organizationID uuid.UUID
	hubID          int64
	records        []BriefingRecord
}

func (t *touchedRecords) add(organizationID uuid.UUID, e hubspot.WebhookEvent) {
	i := slices.IndexFunc(*t, func(a touchedAccount) bool { return a.organizationID == organizationID && a.hubID == e.HubID })
	if i < 0 {
		i = len(*t)
		*t = append(*t, touchedAccount{organizationID: organizationID, hubID: e.HubID})
	}
	a := &(*t)[i]
	object, id := crmRecordOf(e)
	a.records = append(a.records, BriefingRecord{object, id})
	if e.Kind == hubspot.EventAssociationChange {
		a.records = append(a.records, BriefingRecord{ID: e.ToObjectID}) // of some type
	}
	for _, merged := range append([]string{e.PrimaryObjectID}, e.MergedObjectIDs...) {
		a.records = append(a.records, BriefingRecord{object, merged})
	}
}

// mark has the briefs made anew that were made of them.
func (t *touchedRecords) mark(ctx context.Context, tx pgx.Tx) error {
	slices.SortFunc(*t, func(a, b touchedAccount) int {
		return cmp.Or(strings.Compare(a.organizationID.String(), b.organizationID.String()), cmp.Compare(a.hubID, b.hubID))
	})
	for _, a := range *t {
		if err := markBriefings(ctx, tx, a.organizationID, a.hubID, a.records); err != nil {
			return err
		}
	}
	return nil
}

// resumeBriefings lets every brief that waits for this connection, or for any
// connection of its organization, look again.
func resumeBriefings(ctx context.Context, tx pgx.Tx, c Connection) error {
	_, err := tx.Exec(ctx, `
		update briefings set paused_since = null, `+changedAgain+` where id in (
		  select id from briefings where organization_id = $1 and paused_since is not null
		    and (connection_id is null or connection_id in (select id from connections where organization_id = $1 and hub_id = $2))
		  order by id for no key update)`, c.OrganizationID, c.HubID)
	if err != nil {
		return fmt.Errorf("going on with what waits for connection %s: %w", c.ID, err)
	}
	return nil
}

// readBriefsAgain has the briefs of an organization, or of one meeting, made anew that
// were made without HubSpot: there may be a connection for them now.
func readBriefsAgain(ctx context.Context, tx pgx.Tx, organizationID uuid.UUID, meetingID *uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		update briefings set `+changedAgain+` where id in (
		  select id from briefings where organization_id = $1 and ($2::uuid is null or meeting_id = $2) and bare and state in ('ready', 'delivered') and starts_at > now()
		  order by id for no key update)`, organizationID, meetingID)
	if err != nil {
		return fmt.Errorf("having briefs made anew that were made without HubSpot: %w", err)
	}
	return nil
}

// AskedBriefing is a brief whose workflow has to be told to look.
type AskedBriefing struct {
	BriefingKey

	asked int64
}

// ClaimBriefings takes up to limit briefs whose workflow has to be told, the longest
// due first. A claim is a lease that doubles from half a minute to a quarter of an
// hour with each attempt. Claims of several processes never overlap.
func (s *Store) ClaimBriefings(ctx context.Context, limit int) ([]AskedBriefing, error) {
	rows, err := s.pool.Query(ctx, `
		with hasty as materialized (select set_config('synchronous_commit', 'off', true)),
		due as materialized (
		  select id from briefings, hasty where next_attempt_at <= now() order by next_attempt_at limit $1 for no key update of briefings skip locked)
		update briefings b set attempts = b.attempts + 1,
		  next_attempt_at = now() + least(interval '15 minutes', interval '30 seconds' * 2 ^ least(b.attempts, 10))
		from due where b.id = due.id
		returning b.organization_id, b.meeting_id, b.person_id, b.asked`, limit)
	if err != nil {
		return nil, fmt.Errorf("claiming briefings: %w", err)
	}
	claimed, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (a AskedBriefing, err error) {
		err = row.Scan(&a.OrganizationID, &a.MeetingID, &a.PersonID, &a.asked)
		return a, err
	})
	if err != nil {
		return nil, fmt.Errorf("claiming briefings: %w", err)
	}
	return claimed, nil
}

// ToldBriefing says that the workflow knows, or that there is none any more. What was
// asked meanwhile is told next; a look that is missed is asked for again.
func (s *Store) ToldBriefing(ctx context.Context, a AskedBriefing) error {
	_, err := s.pool.Exec(ctx, `
		with hasty as materialized (select set_config('synchronous_commit', 'off', true))
		update briefings set told = greatest(told, $3), attempts = 0,
		  next_attempt_at = case when asked > $3 then now() else greatest(coalesce(look_at, now()), now()) + `+briefingLost+` end
		from hasty where meeting_id = $1 and person_id = $2`, a.MeetingID, a.PersonID, a.asked)
	if err != nil {
		return fmt.Errorf("settling a claim of the brief of meeting %s: %w", a.MeetingID, err)
	}
	return nil
}

// ReturnBriefing puts a claim back that nobody tried to tell, as if it had not been
// claimed: it is due again after a second.
func (s *Store) ReturnBriefing(ctx context.Context, a AskedBriefing) error {
	_, err := s.pool.Exec(ctx, `
		update briefings set attempts = greatest(attempts - 1, 0), next_attempt_at = now() + interval '1 second'
		where meeting_id = $1 and person_id = $2`, a.MeetingID, a.PersonID)
	if err != nil {
		return fmt.Errorf("putting the brief of meeting %s back: %w", a.MeetingID, err)
	}
	return nil
}

// BriefingLook is what a briefing sees when it looks: IDs and times, no words.
type BriefingLook struct {
	// Ended: nothing is to be done unless something changes, and then it is told.
	Ended  bool          `json:"ended,omitempty"`
	State  BriefingState `json:"state"`
	Reason string        `json:"reason,omitempty"`
	// Compose: the brief is to be made, or made anew, now. Bare: without HubSpot.
	Compose bool `json:"compose,omitempty"`
	Bare    bool `json:"bare,omitempty"`
	// Paused: its connection is gone.
	Paused bool `json:"paused,omitempty"`
	// Until is when to look again; never zero unless it has ended.
	Until    time.Time `json:"until,omitzero"`
	StartsAt time.Time `json:"starts_at,omitzero"`
	// DueAt is when the first brief is due; zero once it was made.
	DueAt time.Time `json:"due_at,omitzero"`
	// HubID is the HubSpot account that it was read from last; 0 if that is not known.
	HubID int64 `json:"hub_id,omitempty"`
}

// briefingRow is a brief's row, locked, with what it is judged by.
type briefingRow struct {
	id uuid.UUID
	BriefingKey
	state                       BriefingState
	changes, composed           int64
	changedAt, composedAt       *time.Time
	version, queuedVersion      int64
	firstSentAt                 *time.Time
	bare, hurried               bool
	pausedSince                 *time.Time
	connectionID                *uuid.UUID
	hubID                       int64
	sealed, sealedTold          []byte
	meetingState                meeting.State
	over                        bool
	startsAt                    *time.Time
	host, mergedInto, dataKeyID *uuid.UUID
	erasedAt                    *time.Time
	excluded                    meeting.Exclusion
	sealedMeeting               []byte
	deactivatedAt               *time.Time
	preferences                 BriefingPreferences
	domains                     []string
	outsiders                   bool
	notify, briefing, settings  []byte
}

// lockBriefing locks a brief and reads what else there is to know, the meeting without
// a lock.
func (s *Store) lockBriefing(ctx context.Context, tx pgx.Tx, k BriefingKey) (*briefingRow, error) {
	b := &briefingRow{BriefingKey: k}
	err := tx.QueryRow(ctx, `
		select id, state, changes, composed_changes, changed_at, composed_at, version, queued_version, first_sent_at, bare, hurried,
		  paused_since, connection_id, hub_id, sealed, sealed_told
		from briefings where organization_id = $1 and meeting_id = $2 and person_id = $3 for no key update`, k.OrganizationID, k.MeetingID, k.PersonID).Scan(
		&b.id, &b.state, &b.changes, &b.composed, &b.changedAt, &b.composedAt, &b.version, &b.queuedVersion, &b.firstSentAt, &b.bare, &b.hurried,
		&b.pausedSince, &b.connectionID, &b.hubID, &b.sealed, &b.sealedTold)
	if err := notFound(err, "locking the brief"); err != nil {
		return nil, err
	}
	// A statement of its own, begun after the lock was had.
	err = tx.QueryRow(ctx, `
		select m.state, m.has_ended or m.has_notes, m.starts_at, m.host_person_id, m.merged_into, m.data_key_id, m.erased_at, m.excluded, m.sealed,
		  p.deactivated_at, p.language, p.notify, p.briefing, o.settings, o.domains
		from meetings m join people p on p.id = $3 join organizations o on o.id = m.organization_id
		where m.organization_id = $1 and m.id = $2`, k.OrganizationID, k.MeetingID, k.PersonID).Scan(
		&b.meetingState, &b.over, &b.startsAt, &b.host, &b.mergedInto, &b.dataKeyID, &b.erasedAt, &b.excluded, &b.sealedMeeting,
		&b.deactivatedAt, &b.preferences.Language, &b.notify, &b.briefing, &b.settings, &b.domains)
	if err := notFound(err, "reading what the brief is about"); err != nil {
		return nil, err
	}
	if err := b.preferences.read(b.notify, b.briefing, b.settings); err != nil {
		return nil, err
	}
	if b.sealedMeeting == nil {
		return b, nil
	}
	key, err := s.dataKey(ctx, tx, b.dataKeyID)
	if err != nil {
		return nil, err
	}
	var content meeting.Meeting
	if err := openJSON(key, b.sealedMeeting, &content, meetingPlace(k.MeetingID)); err != nil {
		return nil, err
	}
	b.outsiders = hasOutsiders(content, b.domains)
	return b, nil
}

// gone says why there can be no brief, whatever the time and the settings; empty if
// there can.
func (b *briefingRow) gone() (state BriefingState, reason string) {
	switch {
	case b.mergedInto != nil:
		return BriefingCanceled, briefingMerged
	case b.erasedAt != nil:
		return BriefingCanceled, briefingErased
	case b.excluded != "":
		return BriefingSkipped, briefingExcluded
	case b.meetingState == meeting.StateCanceled:
		return BriefingCanceled, briefingCanceled
	case b.host == nil || *b.host != b.PersonID:
		return BriefingCanceled, briefingHost
	case b.deactivatedAt != nil:
		return BriefingSkipped, briefingLeft
	case b.startsAt == nil:
		return BriefingSkipped, briefingNoStart
	}
	return "", ""
}

// ended says how the brief ended; empty if it has not.
func (b *briefingRow) ended(now time.Time) (state BriefingState, reason string) {
	if state, reason := b.gone(); state != "" {
		return state, reason
	}
	told := b.firstSentAt != nil
	switch begun := b.over || now.After(b.startsAt.Add(BriefingGrace)); {
	case begun && told:
		return BriefingDelivered, ""
	case begun && b.queuedVersion > 0:
		return BriefingFailed, briefingLate
	case begun && b.pausedSince != nil:
		return BriefingSkipped, briefingNoHubSpot
	case begun:
		return BriefingSkipped, BriefingBegan
	case !b.preferences.Settings.On() && !b.hurried && (told || b.queuedVersion == 0):
		state, reason = BriefingSkipped, briefingOff
	case !b.outsiders:
		state, reason = BriefingSkipped, briefingInternal
	}
	if told && state != "" {
		return BriefingDelivered, reason // and no updates
	}
	return state, reason
}

// wanted says when a brief is to be made next, as far as is known; zero if only a
// change makes it wanted.
func (b *briefingRow) wanted(now, due time.Time) time.Time {
	if b.queuedVersion == 0 && b.firstSentAt == nil || b.composedAt == nil {
		return due
	}
	if b.hurried {
		return now
	}
	var at time.Time
	sooner := func(t time.Time) {
		if at.IsZero() || t.Before(at) {
			at = t
		}
	}
	start := *b.startsAt
	settled := func(since time.Time) time.Time {
		at := since.Add(briefingSettle)
		if paced := b.composedAt.Add(briefingPace); paced.After(at) && paced.Before(start.Add(-aboutToBegin)) {
			return paced
		}
		return at
	}
	if b.changes > b.composed && b.changedAt != nil {
		sooner(settled(*b.changedAt))
	}
	switch near := !now.Before(start.Add(-aboutToBegin)); {
	case b.bare && near:
		sooner(b.composedAt.Add(time.Minute))
	case b.bare:
		sooner(b.composedAt.Add(bareRetry))
	}
	// It was moved away after it was told: what it says of the CRM grows old.
	if planned := start.Add(-b.preferences.Settings.LeadTime()); b.composedAt.Before(planned) {
		sooner(planned)
	}
	// An update waits until nobody sleeps, unless the meeting does not.
	if quiet := b.preferences.Notify.QuietUntil(later(at, now)); !at.IsZero() && !quiet.IsZero() && quiet.Before(start) {
		at = quiet
	}
	return at
}

// look settles what time alone settles, and says what is to be done.
func (b *briefingRow) look(now time.Time) BriefingLook {
	out := BriefingLook{HubID: b.hubID}
	if b.startsAt != nil {
		out.StartsAt = b.startsAt.UTC()
	}
	if out.State, out.Reason = b.ended(now); out.State != "" {
		out.Ended = true
		return out
	}
	start := *b.startsAt
	ends := start.Add(BriefingGrace)
	due, _ := BriefingDue(now, start, b.preferences.Settings.LeadTime(), b.preferences.Notify)
	if b.hurried {
		due = now
	}
	switch {
	case b.firstSentAt != nil:
		out.State = BriefingDelivered
	case b.queuedVersion > 0:
		out.State = BriefingReady
	default:
		out.State, out.DueAt = BriefingWaiting, due.UTC()
	}
	wanted := b.wanted(now, due)
	if out.State != BriefingWaiting && !now.Before(start) {
		wanted = time.Time{} // it has begun: nobody reads an update any more
	}
	out.Paused = b.pausedSince != nil
	if out.Paused && !wanted.IsZero() && !wanted.After(now) {
		check := b.pausedSince.Add(briefingPauseCheck)
		if !check.After(now) {
			check = now.Add(briefingPauseCheck)
		}
		last := later(BriefingLastCall(start, b.preferences.Settings.LeadTime()), due)
		if out.State == BriefingWaiting && last.After(now) {
			wanted = earliest(last, check)
		} else {
			out.Bare = out.State == BriefingWaiting
			out.Compose, wanted = out.Bare, check
		}
	} else if !wanted.IsZero() && !wanted.After(now) {
		out.Compose = true
		wanted = ends
	}
	if wanted.IsZero() {
		wanted = ends
	}
	out.Until = earliest(wanted, ends).UTC()
	return out
}

// LookAtBriefing says what is to be done about a brief, and settles what time or
// others have settled. Looking twice changes nothing. It is [ErrNotFound] where there
// is none.
func (s *Store) LookAtBriefing(ctx context.Context, k BriefingKey, now time.Time) (BriefingLook, error) {
	var look BriefingLook
	err := s.inHastyTx(ctx, func(tx pgx.Tx) error {
		var err error
		_, look, err = s.lookAtBriefing(ctx, tx, k, now)
		return err
	})
	if err == nil && look.Ended {
		err = s.endBriefingNote(ctx, k, cmp.Or(look.Reason, briefingBegun))
	}
	if err != nil {
		return BriefingLook{}, fmt.Errorf("looking at the brief of meeting %s: %w", k.MeetingID, err)
	}
	return look, nil
}

func (s *Store) lookAtBriefing(ctx context.Context, tx pgx.Tx, k BriefingKey, now time.Time) (*briefingRow, BriefingLook, error) {
	b, err := s.lockBriefing(ctx, tx, k)
	if err != nil {
		return nil, BriefingLook{}, err
	}
	if err := s.stillPausedBriefing(ctx, tx, b, now); err != nil {
		return nil, BriefingLook{}, err
	}
	if err := stillOnItsWay(ctx, tx, b); err != nil {
		return nil, BriefingLook{}, err
	}
	look := b.look(now)
	until := "infinity"
	if !look.Ended {
		until = look.Until.Format(time.RFC3339Nano)
	}
	_, err = tx.Exec(ctx, `
		update briefings set state = $2, reason = $3, starts_at = $4, due_at = coalesce($5, due_at), paused_since = $6, look_at = $7::timestamptz, queued_version = $8,
		  next_attempt_at = case when told < asked then next_attempt_at else greatest($7::timestamptz, now()) + `+briefingLost+` end
		where id = $1`, b.id, string(look.State), look.Reason, b.startsAt, nullTime(look.DueAt), b.pausedSince, until, b.queuedVersion)
	if err != nil {
		return nil, BriefingLook{}, fmt.Errorf("keeping how it stands: %w", err)
	}
	return b, look, nil
}

func (b *briefingRow) noticeKey(version int64) string {
	return fmt.Sprintf("briefing:%s:%d", b.id, version)
}

// stillOnItsWay forgets a first notice that was dropped, since its person had left, say:
// if there is to be a brief after all, it has another one.
func stillOnItsWay(ctx context.Context, tx pgx.Tx, b *briefingRow) error {
	if b.queuedVersion == 0 || b.firstSentAt != nil {
		return nil
	}
	var dropped bool
	err := tx.QueryRow(ctx, `select exists (select from notices where organization_id = $1 and dedupe_key = $2 and person_id = $3 and state = 'dropped')`,
		b.OrganizationID, b.noticeKey(b.queuedVersion), b.PersonID).Scan(&dropped)
	if err != nil {
		return fmt.Errorf("reading what became of its notice: %w", err)
	}
	if dropped {
		b.queuedVersion = 0
	}
	return nil
}

// stillPausedBriefing ends a pause whose end was not told.
func (s *Store) stillPausedBriefing(ctx context.Context, tx pgx.Tx, b *briefingRow, now time.Time) error {
	if b.pausedSince == nil || now.Before(b.pausedSince.Add(briefingPauseCheck)) {
		return nil
	}
	var back bool
	err := tx.QueryRow(ctx, `
		select exists (select from connections where organization_id = $1 and state = 'connected'
		  and ($2::uuid is null or hub_id = (select hub_id from connections where id = $2)))`, b.OrganizationID, b.connectionID).Scan(&back)
	if err != nil {
		return fmt.Errorf("reading the connection that it waits for: %w", err)
	}
	if back {
		b.pausedSince = nil
	}
	return nil
}

// PauseBriefing has a brief wait until a connection is back, or with nil any of the
// organization's.
func (s *Store) PauseBriefing(ctx context.Context, k BriefingKey, connectionID *uuid.UUID, now time.Time) error {
	_, err := s.pool.Exec(ctx, `
		update briefings set paused_since = coalesce(paused_since, $4), connection_id = $5 where organization_id = $1 and meeting_id = $2 and person_id = $3`,
		k.OrganizationID, k.MeetingID, k.PersonID, now, connectionID)
	if err != nil {
		return fmt.Errorf("pausing the brief of meeting %s: %w", k.MeetingID, err)
	}
	return nil
}

// BriefingWork is what a brief is made with.
type BriefingWork struct {
	ID uuid.UUID
	BriefingKey
	// Due: it is to be made now; Bare: without HubSpot. A digest makes it anyway, as
	// long as it is not Gone: canceled, erased, or somebody else's.
	Due, Bare, Gone bool
	// Asked is how much of what changed the brief sees: [Store.SaveBriefing] settles
	// only that.
	Asked        int64
	Meeting      Meeting
	Person       Person
	Organization Organization
	Settings     BriefingSettings
	Notify       NotifySettings
	Language     string
	Version      int64
	// Last is the brief that the person was told last, as JSON: what changed is what
	// differs from it. Nil if none was, or somebody in it was erased. Composed is the
	// last one that was made, told or not.
	Last, Composed []byte
	// Told: one was told.
	Told bool
}

// BriefingWork reads what a brief is made with.
func (s *Store) BriefingWork(ctx context.Context, k BriefingKey, now time.Time) (BriefingWork, error) {
	w, err := s.briefingWork(ctx, k, now)
	if err != nil {
		return BriefingWork{}, fmt.Errorf("reading what the brief of meeting %s is made with: %w", k.MeetingID, err)
	}
	return w, nil
}

func (s *Store) briefingWork(ctx context.Context, k BriefingKey, now time.Time) (w BriefingWork, err error) {
	err = s.inHastyTx(ctx, func(tx pgx.Tx) error {
		b, look, err := s.lookAtBriefing(ctx, tx, k, now)
		if err != nil {
			return err
		}
		gone, _ := b.gone()
		w = BriefingWork{
			ID: b.id, BriefingKey: k, Due: look.Compose, Bare: look.Bare, Gone: gone != "", Asked: b.changes,
			Settings: b.preferences.Settings, Notify: b.preferences.Notify, Language: b.preferences.Language,
			Version: b.version, Told: b.firstSentAt != nil,
		}
		if w.Gone {
			return nil
		}
		last, composed, err := s.openBriefing(ctx, tx, b.id, b.dataKeyID, b.sealedTold, b.sealed)
		w.Last, w.Composed = last.Brief, composed.Brief
		return err
	})
	if err != nil || w.Gone {
		return w, err
	}
	if w.Meeting, err = s.MeetingByID(ctx, k.OrganizationID, k.MeetingID); err != nil {
		return w, err
	}
	if w.Person, err = s.Person(ctx, k.OrganizationID, k.PersonID); err != nil {
		return w, err
	}
	w.Organization, err = s.Organization(ctx, k.OrganizationID)
	return w, err
}

// openBriefing opens the brief that was told and the last one. What was erased is
// nothing.
func (s *Store) openBriefing(ctx context.Context, q querier, id uuid.UUID, dataKeyID *uuid.UUID, sealedTold, sealed []byte) (told, last sealedBriefing, err error) {
	if sealedTold == nil && sealed == nil {
		return told, last, nil
	}
	key, err := s.dataKey(ctx, q, dataKeyID)
	if errors.Is(err, ErrErased) {
		return told, last, nil
	}
	if err == nil {
		err = openJSON(key, sealedTold, &told, toldBriefingPlace(id))
	}
	if err == nil {
		err = openJSON(key, sealed, &last, briefingPlace(id))
	}
	return told, last, err
}

// BriefingTell says what a brief that was made is for.
type BriefingTell string

// What a brief is for. The zero value tells nobody.
const (
	TellBriefing       BriefingTell = "ready"
	TellBriefingUpdate BriefingTell = "update"
)

// BriefingMade is a brief that was made.
type BriefingMade struct {
	BriefingKey
	// Asked is [BriefingWork]'s.
	Asked int64
	// Brief is JSON, and so is Changes: what differs from the one that was told last.
	Brief, Changes []byte
	Records        []BriefingRecord
	// ConnectionID is whose account it was read from; nil if it was not.
	ConnectionID *uuid.UUID
	Tell         BriefingTell
	// Bare: HubSpot could not be read.
	Bare bool
	// Note is the note in HubSpot that a brief becomes which is told; nil for none.
	Note *ActionContent
}

// SaveBriefing keeps a brief, and has its person told of it, all in one transaction.
// While a notice of it is still on its way, there is no second one: whoever sends reads
// the brief as it is then. Nothing happens where it was canceled or its words erased
// meanwhile. It returns the version that stands.
func (s *Store) SaveBriefing(ctx context.Context, made BriefingMade, now time.Time) (version int64, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		var f *followUp
		var err error
		if made.Note != nil {
			// Before the brief: that is the order in which all take these locks.
			if f, err = s.lockFollowUp(ctx, tx, made.OrganizationID, made.MeetingID); err != nil {
				return err
			}
		}
		version, err = s.saveBriefing(ctx, tx, f, made, now)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("keeping the brief of meeting %s: %w", made.MeetingID, err)
	}
	return version, nil
}

// saveBriefing has f, locked, if the brief becomes a note.
func (s *Store) saveBriefing(ctx context.Context, tx pgx.Tx, f *followUp, made BriefingMade, now time.Time) (int64, error) {
	b, err := s.lockBriefing(ctx, tx, made.BriefingKey)
	if err != nil {
		return 0, err
	}
	if gone, _ := b.gone(); gone != "" {
		return b.version, nil
	}
	key, err := s.dataKey(ctx, tx, b.dataKeyID)
	if err != nil {
		return 0, err
	}
	sealed, err := sealJSON(key, sealedBriefing{made.Brief, made.Changes}, briefingPlace(b.id))
	if err != nil {
		return 0, err
	}
	var hubID int64
	err = tx.QueryRow(ctx, `select coalesce((select hub_id from connections where organization_id = $1 and id = $2), 0)`, made.OrganizationID, made.ConnectionID).Scan(&hubID)
	if err != nil {
		return 0, fmt.Errorf("reading its account: %w", err)
	}
	state, queued := b.state, b.queuedVersion
	baseline := b.sealedTold
	if b.firstSentAt != nil && b.sealedTold == nil {
		// What was told is erased: nobody can say what has changed since. What changes
		// from here on can be said again.
		made.Tell = ""
		if baseline, err = sealJSON(key, sealedBriefing{Brief: made.Brief}, toldBriefingPlace(b.id)); err != nil {
			return 0, err
		}
	}
	if ended, _ := b.ended(now); made.Tell != "" && ended == "" {
		b.version++
		if queued, err = s.queueBriefing(ctx, tx, b); err != nil {
			return 0, err
		}
		if b.firstSentAt == nil {
			state = BriefingReady
		}
		if f != nil {
			if err := s.noteBriefing(ctx, tx, f, made); err != nil {
				return 0, err
			}
		}
	}
	_, err = tx.Exec(ctx, `
		update briefings set sealed = $2, version = $3, queued_version = $4, state = $5, composed_changes = greatest(composed_changes, $6),
		  changed_at = case when changes > $6 then changed_at end, composed_at = $7, bare = $8, hub_id = case when $9 = 0 then hub_id else $9 end,
		  hurried = hurried and $10 = '' and first_sent_at is null, paused_since = case when $8 then paused_since end, sealed_told = $11
		where id = $1`, b.id, sealed, b.version, queued, string(state), made.Asked, now, made.Bare, hubID, string(made.Tell), baseline)
	if err != nil {
		return 0, fmt.Errorf("storing it: %w", err)
	}
	if made.Bare {
		return b.version, nil
	}
	return b.version, keepBriefingRecords(ctx, tx, b, hubID, made.Records)
}

// queueBriefing queues the notice of the brief's version, unless one of it is still on
// its way.
func (s *Store) queueBriefing(ctx context.Context, tx pgx.Tx, b *briefingRow) (queued int64, err error) {
	kind := NoticeBriefingReady
	if b.firstSentAt != nil {
		kind = NoticeBriefingUpdate
	}
	about, err := json.Marshal(NoticeAbout{BriefingID: &b.id, PersonID: &b.PersonID, MeetingIDs: []uuid.UUID{b.MeetingID}})
	if err != nil {
		return 0, fmt.Errorf("encoding what a notice is about: %w", err)
	}
	tag, err := tx.Exec(ctx, `
		insert into notices (id, organization_id, kind, dedupe_key, concerns_id, person_id, about)
		select $1, $2, $3, $4, $5, $5, $6
		where not exists (select from notices where organization_id = $2 and dedupe_key = $7 and person_id = $5 and state = 'queued')
		on conflict do nothing`, newID(), b.OrganizationID, kind, b.noticeKey(b.version), b.PersonID, about, b.noticeKey(b.queuedVersion))
	if err != nil {
		return 0, fmt.Errorf("queueing a notice (%s): %w", kind, err)
	}
	if tag.RowsAffected() == 0 {
		return b.queuedVersion, nil
	}
	return b.version, nil
}

// keepBriefingRecords lists what the brief was made of, and nothing else.
func keepBriefingRecords(ctx context.Context, tx pgx.Tx, b *briefingRow, hubID int64, records []BriefingRecord) error {
	objects, ids := make([]string, 0, len(records)), make([]string, 0, len(records))
	for _, r := range records {
		objects, ids = append(objects, r.Object), append(ids, r.ID)
	}
	if _, err := tx.Exec(ctx, `
		with gone as (
		  delete from briefing_records r where briefing_id = $1
		  and not exists (select from unnest($4::text[], $5::text[]) as n (object, id) where n.object = r.object_type and n.id = r.record_id))
		insert into briefing_records (briefing_id, organization_id, hub_id, object_type, record_id)
		select distinct $1::uuid, $2::uuid, $3::bigint, object, id from unnest($4::text[], $5::text[]) as n (object, id)
		on conflict (briefing_id, object_type, record_id) do update set hub_id = excluded.hub_id`,
		b.id, b.OrganizationID, hubID, objects, ids); err != nil {
		return fmt.Errorf("listing what it was made of: %w", err)
	}
	return nil
}

// BriefingTelling says what a person was told.
type BriefingTelling struct {
	OrganizationID, ID uuid.UUID
	Version            int64
	Channel            BriefingChannel
	// Thread is what the channel needs to go on in the same thread: IDs, no words, since
	// it stands in clear. Nil keeps what stands.
	Thread json.RawMessage
	// Brief is the very one that was told.
	Brief []byte
	// Notice is the claimed one by which it was told, How what people are told of that:
	// see [Store.NoticeReached]. It is settled in the same transaction: what changes
	// between the two would be neither in this notice nor in one of its own.
	Notice Notice
	How    string
}

// BriefingTold records that a person was told a brief. If there is a newer one
// already, it is held against this one.
func (s *Store) BriefingTold(ctx context.Context, t BriefingTelling) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var dataKeyID *uuid.UUID
		err := tx.QueryRow(ctx, `select id from briefings where organization_id = $1 and id = $2 for no key update`, t.OrganizationID, t.ID).Scan(new(uuid.UUID))
		if err := notFound(err, "locking it"); err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `select m.data_key_id from briefings b join meetings m on m.id = b.meeting_id where b.id = $1 and m.sealed is not null`, t.ID).Scan(&dataKeyID)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("reading its meeting: %w", err)
		}
		var sealed []byte
		if dataKeyID != nil && t.Brief != nil {
			key, err := s.dataKey(ctx, tx, dataKeyID)
			if err != nil {
				return err
			}
			if sealed, err = sealJSON(key, sealedBriefing{Brief: t.Brief}, toldBriefingPlace(t.ID)); err != nil {
				return err
			}
		}
		_, err = tx.Exec(ctx, `
			update briefings set sealed_told = $2, first_sent_at = coalesce(first_sent_at, now()), last_sent_at = now(), channel = $3, thread = coalesce($4, thread),
			  state = case when state in ('waiting', 'ready', 'failed') then 'delivered' else state end
			where id = $1`, t.ID, sealed, string(t.Channel), t.Thread)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update briefings set `+changedAgain+` where id = $1 and version > $2`, t.ID, t.Version); err != nil {
			return err
		}
		if t.Notice.ID == uuid.Nil {
			return nil
		}
		return s.noticeReached(ctx, tx, t.Notice, t.How)
	})
	if err != nil {
		return fmt.Errorf("recording that brief %s was told: %w", t.ID, err)
	}
	return nil
}

const selectBriefing = `
	select b.id, b.organization_id, b.meeting_id, b.person_id, b.state, b.reason, b.version, b.starts_at, b.due_at, b.composed_at, b.first_sent_at,
	  b.last_sent_at, b.paused_since, b.channel, b.thread, b.bare, b.sealed, b.sealed_told, m.data_key_id
	from briefings b join meetings m on m.id = b.meeting_id`

func (s *Store) collectBriefings(ctx context.Context, sql string, args ...any) ([]Briefing, error) {
	rows, err := s.pool.Query(ctx, selectBriefing+sql, args...)
	if err != nil {
		return nil, fmt.Errorf("reading briefs: %w", err)
	}
	type read struct {
		Briefing
		sealed, sealedTold []byte
		dataKeyID          *uuid.UUID
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r read, err error) {
		err = row.Scan(&r.ID, &r.OrganizationID, &r.MeetingID, &r.PersonID, &r.State, &r.Reason, &r.Version, &r.StartsAt, &r.DueAt, &r.ComposedAt, &r.FirstSentAt,
			&r.LastSentAt, &r.PausedSince, &r.Channel, &r.Thread, &r.Bare, &r.sealed, &r.sealedTold, &r.dataKeyID)
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading briefs: %w", err)
	}
	out := make([]Briefing, 0, len(all))
	for _, r := range all {
		told, last, err := s.openBriefing(ctx, s.pool, r.ID, r.dataKeyID, r.sealedTold, r.sealed)
		if err != nil {
			return nil, fmt.Errorf("reading brief %s: %w", r.ID, err)
		}
		r.Brief, r.Changes, r.Told = last.Brief, last.Changes, told.Brief
		out = append(out, r.Briefing)
	}
	return out, nil
}

func oneBriefing(all []Briefing, err error) (Briefing, error) {
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("reading a brief: %w", ErrNotFound)
	}
	if err != nil {
		return Briefing{}, err
	}
	return all[0], nil
}

// BriefingByID returns a brief of an organization's, or [ErrNotFound].
func (s *Store) BriefingByID(ctx context.Context, organizationID, id uuid.UUID) (Briefing, error) {
	return oneBriefing(s.collectBriefings(ctx, ` where b.organization_id = $1 and b.id = $2`, organizationID, id))
}

// BriefingOf returns the brief of a meeting for a person, or [ErrNotFound].
func (s *Store) BriefingOf(ctx context.Context, k BriefingKey) (Briefing, error) {
	return oneBriefing(s.collectBriefings(ctx, ` where b.organization_id = $1 and b.meeting_id = $2 and b.person_id = $3`, k.OrganizationID, k.MeetingID, k.PersonID))
}

// BriefingsOfMeeting lists the briefs of a meeting: its host's first.
func (s *Store) BriefingsOfMeeting(ctx context.Context, organizationID, meetingID uuid.UUID) ([]Briefing, error) {
	return s.collectBriefings(ctx, ` where b.organization_id = $1 and b.meeting_id = $2 order by b.person_id is distinct from m.host_person_id, b.created_at`,
		organizationID, meetingID)
}

// BriefingFilter selects briefs. Zero fields select all.
type BriefingFilter struct {
	PersonID *uuid.UUID
	State    BriefingState
	// From and To bound the start of the meeting.
	From, To time.Time
	// Limit bounds the page; 0 means 50, at most 500.
	Limit int
}

// Briefings lists an organization's briefs, the first meeting first.
func (s *Store) Briefings(ctx context.Context, organizationID uuid.UUID, f BriefingFilter) ([]Briefing, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	return s.collectBriefings(ctx, `
		where b.organization_id = $1 and ($2::uuid is null or b.person_id = $2) and ($3 = '' or b.state = $3)
		  and ($4::timestamptz is null or b.starts_at >= $4) and ($5::timestamptz is null or b.starts_at < $5)
		order by b.starts_at nulls last, b.id limit $6`, organizationID, f.PersonID, string(f.State), nullTime(f.From), nullTime(f.To), min(f.Limit, 500))
}

// MaySeeBriefing returns nil if a person may see a brief: whom it is for, who answers
// for that person, and admins. It shows what the host's connection may read, which
// others may not. Otherwise it is a [*Refusal].
func (s *Store) MaySeeBriefing(ctx context.Context, organizationID, briefingID, personID uuid.UUID) error {
	var may bool
	err := s.pool.QueryRow(ctx, `
		select p.role = 'admin' or b.person_id = p.id or exists (
		  select from responsible_people r where r.organization_id = $1 and r.person_id = b.person_id and r.responsible_id = p.id)
		from briefings b join people p on p.organization_id = b.organization_id
		where b.organization_id = $1 and b.id = $2 and p.id = $3 and p.deactivated_at is null`, organizationID, briefingID, personID).Scan(&may)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("reading who may see brief %s: %w", briefingID, err)
	}
	if err != nil {
		return refuse("There is no such briefing.")
	}
	if !may {
		return refuse("This briefing is for the host of the meeting.")
	}
	return nil
}

// SendBriefing has the host of a meeting briefed now, however long before the start,
// and also where briefings are switched off. Who was told already is told what has
// changed since. What can't be is a [*Refusal].
func (s *Store) SendBriefing(ctx context.Context, organizationID, meetingID uuid.UUID, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		k := BriefingKey{OrganizationID: organizationID, MeetingID: meetingID}
		var host *uuid.UUID
		err := tx.QueryRow(ctx, `select host_person_id from meetings where organization_id = $1 and id = $2 and merged_into is null for no key update`, organizationID, meetingID).Scan(&host)
		if err := notFound(err, "reading the meeting"); err != nil {
			return err
		}
		if host == nil {
			return refuse("nobody of the organization is known as the meeting's host")
		}
		k.PersonID = *host
		if _, err := tx.Exec(ctx, `
			insert into briefings (id, organization_id, meeting_id, person_id, hurried, starts_at) select $1, $2, $3, $4, true, starts_at from meetings where id = $3
			on conflict (meeting_id, person_id) do update set hurried = true, `+strings.ReplaceAll(askedAgain, "asked + 1", "briefings.asked + 1"),
			newID(), organizationID, meetingID, k.PersonID); err != nil {
			return err
		}
		b, err := s.lockBriefing(ctx, tx, k)
		if err != nil {
			return err
		}
		if state, reason := b.ended(time.Now()); state != "" {
			return refuse("there is no briefing: %s", cmp.Or(reason, BriefingBegan))
		}
		return s.audit(ctx, tx, AuditEntry{
			OrganizationID: organizationID, Kind: AuditPerson, Actor: actor, Origin: Origin{Kind: originMeeting, ID: meetingID},
			Reason: fmt.Sprintf("person %s: is briefed now", k.PersonID),
		})
	})
	if err != nil {
		return fmt.Errorf("having the host of meeting %s briefed: %w", meetingID, err)
	}
	return nil
}

// PruneBriefings drops what briefs said of meetings that began more than thirty days
// before now, up to a thousand at once, and says of how many. That there were briefs,
// and when they were told, stays.
func (s *Store) PruneBriefings(ctx context.Context, now time.Time) (int, error) {
	var n int
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		ids, err := collectIDs(ctx, tx, `
			select id from briefings where starts_at < $1 and (sealed is not null or sealed_told is not null)
			order by starts_at limit $2 for no key update skip locked`, now.Add(-keepBriefings), prunedAtOnce)
		if err != nil {
			return err
		}
		n = len(ids)
		if _, err := tx.Exec(ctx, `delete from briefing_records where briefing_id = any($1)`, ids); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `update briefings set sealed = null, sealed_told = null, thread = null where id = any($1)`, ids)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("dropping old briefs: %w", err)
	}
	return n, nil
}
