package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/internal/sabotage"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/vault"
)

// Meeting is one occurrence as stored, with its folded content opened.
type Meeting struct {
	ID             uuid.UUID `json:"id"`
	OrganizationID uuid.UUID `json:"organization_id"`
	// Version grows whenever the content changes.
	Version      int64      `json:"version"`
	HostPersonID *uuid.UUID `json:"host_person_id,omitempty"`
	// FirstWordAt is when the first of "ended" and "notes ready" was folded in.
	FirstWordAt *time.Time `json:"first_word_at,omitempty"`
	// MergedInto is the meeting that this one turned out to be.
	MergedInto *uuid.UUID `json:"merged_into,omitempty"`
	// Excluded is the rule by which its content is not kept; empty otherwise.
	Excluded meeting.Exclusion `json:"excluded,omitempty"`
	// ErasedAt is when its words were erased: Content is empty then.
	ErasedAt  *time.Time      `json:"erased_at,omitempty"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at"`
	Content   meeting.Meeting `json:"content"`

	dataKeyID *uuid.UUID
}

func meetingPlace(id uuid.UUID) string { return "meetings.sealed:" + id.String() }
func eventPlace(id uuid.UUID) string   { return "events.sealed:" + id.String() }

// Understanding is what [Store.Understood] did.
type Understanding struct {
	// MeetingIDs are the meetings that the delivery's events stand in.
	MeetingIDs []uuid.UUID
	// Changed are those of them whose content the events changed.
	Changed []uuid.UUID
	// Woken says whether a wakeup was written.
	Woken bool
	// Reason is what the operator should know: a question about two meetings.
	Reason string
}

// errMoved: a meeting that was found by its keys was merged before it could be
// locked. The keys lead to the other one now.
var errMoved = errors.New("the meeting was merged meanwhile")

// Understood puts what a delivery means into the meetings of its organization
// and settles the delivery, all in one transaction: each event finds its meeting
// by its keys or begins one, each meeting is folded anew out of all its events,
// and where that changes one that has its first word, its workflow is woken.
//
// It can be repeated: an event that stands already changes nothing, and a
// delivery that is settled stays as it is. Events of the same meeting may come
// in any order and at once from several processes; they wait for each other.
// The events must be normalized and valid.
func (s *Store) Understood(ctx context.Context, deliveryID, organizationID uuid.UUID, events []meeting.Event) (Understanding, error) {
	const attempts = 8
	for attempt := 1; ; attempt++ {
		var u *understanding
		err := s.inTx(ctx, func(tx pgx.Tx) error {
			u = &understanding{Store: s, tx: tx, organizationID: organizationID, deliveryID: deliveryID}
			return u.run(ctx, events)
		})
		if err == nil {
			return u.out, nil
		}
		if attempt == attempts || !collided(err) {
			return Understanding{}, fmt.Errorf("understanding delivery %s: %w", deliveryID, err)
		}
	}
}

// collided says whether the transaction lost against another one, and would find
// what that one left when it is tried again. Locks prevent nearly all of it; the
// constraints catch the rest.
func collided(err error) bool {
	return errors.Is(err, errMoved) || isUniqueViolation(err) ||
		hasCode(err, "23P01") || // exclusion: two meetings for one key
		hasCode(err, "40P01") || hasCode(err, "40001") // deadlock, serialization
}

// understanding is one try of [Store.Understood].
type understanding struct {
	*Store
	tx             pgx.Tx
	organizationID uuid.UUID
	organizationK  *vault.DataKey
	domains        []string
	exclusions     meeting.Exclusions
	deliveryID     uuid.UUID
	sourceID       uuid.UUID
	receivedAt     time.Time
	// redo is set on a delivery that is done as new: see [Store.RedoDelivery].
	redo     *uuid.UUID
	meetings []*lockedMeeting
	dropBody bool
	out      Understanding
}

// lockedMeeting is a meeting's row, locked until the transaction ends.
type lockedMeeting struct {
	id         uuid.UUID
	createdAt  time.Time
	dataKeyID  *uuid.UUID
	contentMAC []byte
	erasedAt   *time.Time
	mergedInto *uuid.UUID
	excluded   meeting.Exclusion
}

func byMeeting(a, b *lockedMeeting) int { return bytes.Compare(a.id[:], b.id[:]) }

// olderThan is a total order: the older one is the one that stays.
func (m *lockedMeeting) olderThan(o *lockedMeeting) bool {
	if !m.createdAt.Equal(o.createdAt) {
		return m.createdAt.Before(o.createdAt)
	}
	return bytes.Compare(m.id[:], o.id[:]) < 0
}

func (u *understanding) run(ctx context.Context, events []meeting.Event) error {
	var state DeliveryState
	var reason string
	var bodyKey []byte
	var wrappedBy *uuid.UUID
	err := u.tx.QueryRow(ctx, `select source_id, state, reason, received_at, body_key, wrapped_by, redo_id from deliveries where id = $1 for update`, u.deliveryID).
		Scan(&u.sourceID, &state, &reason, &u.receivedAt, &bodyKey, &wrappedBy, &u.redo)
	if err := notFound(err, "reading the delivery"); err != nil {
		return err
	}
	switch state {
	case DeliveryReceived:
	case DeliveryFetching:
		u.note(reason) // what could not be got
	default:
		return nil // another process was faster
	}
	organization, err := scanOrganization(u.tx.QueryRow(ctx, selectOrganization+` where id = $1`, u.organizationID), "reading the organization")
	if err != nil {
		return err
	}
	keyID := organization.dataKeyID
	u.domains, u.exclusions = organization.Domains, organization.Settings.Exclusions
	if u.organizationK, err = u.dataKey(ctx, u.tx, &keyID); err != nil {
		return err
	}
	if u.redo != nil {
		events = slices.Clone(events)
		for i := range events {
			events[i].DedupeKey = "redo:" + u.redo.String() + ":" + events[i].DedupeKey
		}
	}
	if err := u.lockNames(ctx, events); err != nil {
		return err
	}
	for _, e := range events {
		if err := u.place(ctx, e); err != nil {
			return err
		}
	}
	// In one order: whoever has several briefs looked at waits for us, and not we for
	// them at the same time.
	if err := lockBriefings(ctx, u.tx, u.meetings...); err != nil {
		return err
	}
	for _, m := range slices.SortedFunc(slices.Values(u.meetings), byMeeting) {
		if m.mergedInto != nil || m.erasedAt != nil {
			continue
		}
		if err := u.refold(ctx, m); err != nil {
			return err
		}
	}
	return u.settle(ctx, bodyKey, wrappedBy)
}

// name is a key as Postgres holds it: a keyed hash, since values are people's
// join URLs and calendar IDs.
type name struct {
	kind     string
	mac      []byte
	from, to *time.Time
}

func (u *understanding) names(e meeting.Event) []name {
	keys := meeting.CorrelationKeys(e)
	names := make([]name, 0, len(keys))
	for _, k := range keys {
		if u.redo != nil {
			k.Scope += "\x00redo:" + u.redo.String()
		}
		n := name{kind: string(k.Kind), mac: u.organizationK.MAC([]byte(string(k.Kind) + "\x00" + k.Scope + "\x00" + k.Value))}
		if k.Exclusive() {
			// One namespace per scope: only there two values contradict each other.
			n.kind += ":" + hex.EncodeToString(u.organizationK.MAC([]byte(k.Scope))[:8])
		}
		if !k.Alone() {
			// Two ranges overlap exactly if their middles are less than the tolerance
			// apart: the same relation as the exclusion constraint's. Not at it: slots
			// of a quarter of an hour follow each other in one room all day.
			reach := (k.Tolerance - time.Second) / 2
			from, to := k.Start.Add(-reach), k.Start.Add(reach)
			n.from, n.to = &from, &to
		}
		names = append(names, n)
	}
	return names
}

// lockNames makes everyone who speaks of the same names wait for us. All locks
// of a delivery are taken at once and in order, before any row is locked.
func (u *understanding) lockNames(ctx context.Context, events []meeting.Event) error {
	var locks []int64
	add := func(kind string, value []byte) {
		h := sha256.New()
		h.Write(u.organizationID[:])
		h.Write([]byte(kind + "\x00"))
		h.Write(value)
		locks = append(locks, int64(binary.BigEndian.Uint64(h.Sum(nil)))) // any 64 bits will do
	}
	for _, e := range events {
		add("event", append(u.sourceID[:], e.DedupeKey...))
		for _, n := range u.names(e) {
			add(n.kind, n.mac)
		}
	}
	slices.Sort(locks)
	if _, err := u.tx.Exec(ctx, `select pg_advisory_xact_lock(n) from unnest($1::bigint[]) as n`, slices.Compact(locks)); err != nil {
		return fmt.Errorf("taking the names of the meeting: %w", err)
	}
	return nil
}

// place puts an event into its meeting.
func (u *understanding) place(ctx context.Context, e meeting.Event) error {
	content, err := json.Marshal(e)
	if err != nil {
		return errors.New("encoding an event")
	}
	mac := u.organizationK.MAC(content)

	// A revision belongs where the event that it revises is, whatever keys it has.
	revised, stands, err := u.told(ctx, e.DedupeKey, mac)
	if err != nil {
		return err
	}
	if stands != nil && sabotage.Is(sabotage.Twice) {
		u.redo, e.DedupeKey, revised, stands = &u.deliveryID, u.deliveryID.String()+e.DedupeKey, nil, nil
	}
	if stands != nil {
		homes, err := u.lock(ctx, []uuid.UUID{*stands})
		if err == nil && homes[0].erasedAt != nil {
			u.drop()
		}
		return err
	}
	names := u.names(e)
	home, err := u.find(ctx, names, revised)
	if err != nil {
		return err
	}
	if home == nil {
		if home, err = u.begin(ctx); err != nil {
			return err
		}
	}
	if home.erasedAt != nil {
		u.drop()
		return nil
	}
	if err := u.claim(ctx, home, names); err != nil {
		return err
	}
	key, err := u.dataKey(ctx, u.tx, home.dataKeyID)
	if err != nil {
		return err
	}
	id := newID()
	sealed, err := key.Seal(content, eventPlace(id))
	if err != nil {
		return err
	}
	_, err = u.tx.Exec(ctx, `
		insert into events (id, organization_id, source_id, delivery_id, meeting_id, dedupe_key, content_mac, type, occurred_at, received_at, sealed)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		id, u.organizationID, u.sourceID, u.deliveryID, home.id, e.DedupeKey, mac, string(e.Type), nullTime(e.OccurredAt), u.receivedAt, sealed)
	if err != nil {
		return fmt.Errorf("storing an event: %w", err)
	}
	return nil
}

// told finds what stands of an event: the meetings of its revisions, and the
// meeting of this very content.
func (u *understanding) told(ctx context.Context, dedupeKey string, mac []byte) (revised []uuid.UUID, stands *uuid.UUID, err error) {
	rows, err := u.tx.Query(ctx, `
		select meeting_id, content_mac = $4 from events where source_id = $1 and organization_id = $2 and dedupe_key = $3`,
		u.sourceID, u.organizationID, dedupeKey, mac)
	if err != nil {
		return nil, nil, fmt.Errorf("looking for the event: %w", err)
	}
	var id uuid.UUID
	var same bool
	_, err = pgx.ForEachRow(rows, []any{&id, &same}, func() error {
		revised = append(revised, id)
		if same {
			found := id
			stands = &found
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("looking for the event: %w", err)
	}
	return revised, stands, nil
}

// find returns the one meeting that the names lead to, locked, or nil. Where
// they lead to several, those become one if they may; otherwise the event goes
// to the one that it names most surely, and the rest is noted.
func (u *understanding) find(ctx context.Context, names []name, revised []uuid.UUID) (*lockedMeeting, error) {
	byName, sure, away, err := u.candidates(ctx, names)
	if err != nil {
		return nil, err
	}
	sure = append(sure, revised...)
	found, err := u.lock(ctx, append(byName, revised...))
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, nil
	}
	slices.SortFunc(found, func(a, b *lockedMeeting) int {
		aSure, bSure := slices.Contains(sure, a.id), slices.Contains(sure, b.id)
		switch {
		case aSure != bSure && aSure:
			return -1
		case aSure != bSure:
			return 1
		case !aSure && away[a.id] != away[b.id]:
			return cmp.Compare(away[a.id], away[b.id]) // of two in one room, the nearer
		case a.olderThan(b):
			return -1
		default:
			return 1
		}
	})
	home := found[0]
	for _, other := range found[1:] {
		older, younger := home, other
		if other.olderThan(home) {
			older, younger = other, home
		}
		may, err := u.mayMerge(ctx, older, younger)
		if err != nil {
			return nil, err
		}
		if !may {
			u.note(fmt.Sprintf("names two meetings, %s and %s, that can no longer become one", older.id, younger.id))
			continue
		}
		if err := u.merge(ctx, older, younger); err != nil {
			return nil, err
		}
		home = older
	}
	return home, nil
}

// candidates are the meetings that hold one of the names; sure are those named
// by a key that stands alone. A meeting that the same platform knows by another
// instance ID is none: same room, other occurrence. away is how many seconds lie
// between the starts.
func (u *understanding) candidates(ctx context.Context, names []name) (byName, sure []uuid.UUID, away map[uuid.UUID]float64, err error) {
	kinds, macs, from, to := columns(names)
	rows, err := u.tx.Query(ctx, `
		with wanted as (
		  select * from unnest($2::text[], $3::bytea[], $4::timestamptz[], $5::timestamptz[]) as w (kind, mac, lo, hi)
		)
		select k.meeting_id, bool_or(w.lo is null),
		  coalesce(min(abs(extract(epoch from lower(k.valid_during) + (upper(k.valid_during) - lower(k.valid_during)) / 2 - w.lo - (w.hi - w.lo) / 2))), 0)::float8
		from wanted w
		join meeting_keys k on k.organization_id = $1 and k.kind = w.kind and k.value_mac = w.mac
		  and case when w.lo is null then k.valid_during is null else k.valid_during && tstzrange(w.lo, w.hi, '[]') end
		group by k.meeting_id
		having bool_or(w.lo is null) or not exists (
		  select from meeting_keys other join wanted mine on mine.kind = other.kind and mine.mac <> other.value_mac
		  where other.meeting_id = k.meeting_id and other.kind like 'instance:%')`,
		u.organizationID, kinds, macs, from, to)
	if err != nil {
		return nil, nil, nil, fmt.Errorf("looking for the meeting: %w", err)
	}
	var id uuid.UUID
	var alone bool
	var seconds float64
	away = map[uuid.UUID]float64{}
	_, err = pgx.ForEachRow(rows, []any{&id, &alone, &seconds}, func() error {
		byName = append(byName, id)
		away[id] = seconds
		if alone {
			sure = append(sure, id)
		}
		return nil
	})
	if err != nil {
		return nil, nil, nil, fmt.Errorf("looking for the meeting: %w", err)
	}
	return byName, sure, away, nil
}

func columns(names []name) (kinds []string, macs [][]byte, from, to []*time.Time) {
	for _, n := range names {
		kinds, macs, from, to = append(kinds, n.kind), append(macs, n.mac), append(from, n.from), append(to, n.to)
	}
	return kinds, macs, from, to
}

// lock locks the meetings' rows, in the order of their IDs, and keeps them.
func (u *understanding) lock(ctx context.Context, ids []uuid.UUID) ([]*lockedMeeting, error) {
	var found []*lockedMeeting
	var missing []uuid.UUID
	for _, id := range ids {
		i := slices.IndexFunc(u.meetings, func(m *lockedMeeting) bool { return m.id == id })
		switch {
		case i < 0:
			missing = append(missing, id)
		case !slices.Contains(found, u.meetings[i]):
			found = append(found, u.meetings[i])
		}
	}
	if len(missing) == 0 {
		return found, nil
	}
	// "No key update" lets others refer to the meeting meanwhile, as follow-ups do.
	rows, err := u.tx.Query(ctx, `
		select id, created_at, data_key_id, content_mac, erased_at, merged_into, excluded
		from meetings where organization_id = $1 and id = any($2) order by id for no key update`, u.organizationID, missing)
	if err != nil {
		return nil, fmt.Errorf("locking the meeting: %w", err)
	}
	locked, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (*lockedMeeting, error) {
		m := &lockedMeeting{}
		err := row.Scan(&m.id, &m.createdAt, &m.dataKeyID, &m.contentMAC, &m.erasedAt, &m.mergedInto, &m.excluded)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("locking the meeting: %w", err)
	}
	for _, m := range locked {
		if m.mergedInto != nil {
			return nil, errMoved
		}
	}
	u.meetings = append(u.meetings, locked...)
	return append(found, locked...), nil
}

// begin makes a meeting with a data key of its own.
func (u *understanding) begin(ctx context.Context) (*lockedMeeting, error) {
	keyID, err := u.newDataKey(ctx, u.tx)
	if err != nil {
		return nil, err
	}
	m := &lockedMeeting{id: newID(), dataKeyID: &keyID}
	err = u.tx.QueryRow(ctx, `
		insert into meetings (id, organization_id, data_key_id, created_at) values ($1, $2, $3, clock_timestamp()) returning created_at`,
		m.id, u.organizationID, keyID).Scan(&m.createdAt)
	if err != nil {
		return nil, fmt.Errorf("beginning a meeting: %w", err)
	}
	u.meetings = append(u.meetings, m)
	return m, nil
}

// claim gives the meeting the event's names, as far as nobody else has them. A
// name that it has near this start is widened to cover both.
func (u *understanding) claim(ctx context.Context, m *lockedMeeting, names []name) error {
	for _, n := range names {
		var err error
		if n.from == nil {
			_, err = u.tx.Exec(ctx, `
				insert into meeting_keys (organization_id, kind, value_mac, meeting_id) values ($1, $2, $3, $4)
				on conflict (organization_id, kind, value_mac) where valid_during is null do nothing`,
				u.organizationID, n.kind, n.mac, m.id)
		} else {
			err = u.claimNear(ctx, m, n)
		}
		if err != nil {
			return fmt.Errorf("giving the meeting its names: %w", err)
		}
	}
	return nil
}

func (u *understanding) claimNear(ctx context.Context, m *lockedMeeting, n name) error {
	rows, err := u.tx.Query(ctx, `
		select meeting_id, lower(valid_during), upper(valid_during) from meeting_keys
		where organization_id = $1 and kind = $2 and value_mac = $3 and valid_during && tstzrange($4, $5, '[]')`,
		u.organizationID, n.kind, n.mac, n.from, n.to)
	if err != nil {
		return err
	}
	from, to := *n.from, *n.to
	middle := from.Add(to.Sub(from) / 2)
	type window struct{ lower, upper time.Time }
	var ours, others []window
	var holder uuid.UUID
	var w window
	_, err = pgx.ForEachRow(rows, []any{&holder, &w.lower, &w.upper}, func() error {
		if holder == m.id {
			ours = append(ours, w)
		} else {
			others = append(others, w)
		}
		return nil
	})
	// Of two that follow each other closely in one room, each has the time around
	// its own start.
	taken := false
	for _, w := range others {
		switch {
		case w.upper.Before(middle):
			from = later(from, w.upper.Add(time.Microsecond))
		case w.lower.After(middle):
			to = earliest(to, w.lower.Add(-time.Microsecond))
		default:
			taken = true
		}
	}
	covered := false
	for _, w := range ours {
		covered = covered || (!w.lower.After(from) && !w.upper.Before(to))
		from, to = earliest(from, w.lower), later(to, w.upper)
	}
	if err != nil || taken || covered {
		return err
	}
	if _, err := u.tx.Exec(ctx, `
		delete from meeting_keys
		where organization_id = $1 and kind = $2 and value_mac = $3 and valid_during && tstzrange($4, $5, '[]') and meeting_id = $6`,
		u.organizationID, n.kind, n.mac, n.from, n.to, m.id); err != nil {
		return err
	}
	_, err = u.tx.Exec(ctx, `
		insert into meeting_keys (organization_id, kind, value_mac, valid_during, meeting_id)
		values ($1, $2, $3, tstzrange($4, $5, '[]'), $6)`, u.organizationID, n.kind, n.mac, from, to, m.id)
	return err
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// mayMerge says whether two meetings may become one: nothing was erased, no
// platform tells them apart, nothing was or may have been written for either, and
// no human has decided about the younger, whose questions would be lost.
func (u *understanding) mayMerge(ctx context.Context, older, younger *lockedMeeting) (bool, error) {
	if older.erasedAt != nil || younger.erasedAt != nil {
		return false, nil
	}
	// Who plans, decides or writes holds the follow-up's row: from here on nobody does.
	if _, err := u.tx.Exec(ctx, `select from follow_ups where meeting_id = any($1) order by meeting_id for update`,
		[]uuid.UUID{older.id, younger.id}); err != nil {
		return false, fmt.Errorf("locking the follow-ups of two meetings: %w", err)
	}
	var may bool
	err := u.tx.QueryRow(ctx, `
		select not exists (
		    select from meeting_keys a join meeting_keys b on a.kind = b.kind and a.value_mac <> b.value_mac
		    where a.meeting_id = $1 and b.meeting_id = $2 and a.kind like 'instance:%')
		  and not exists (
		    select from actions where origin_id in ($1, $2) and (state in ('writing', 'written', 'unknown') or may_exist_since is not null))
		  and not exists (
		    select from approvals q join actions a on a.id = q.action_id
		    where a.origin_id = $2 and q.state in ('approved', 'edited', 'rejected'))`, older.id, younger.id).Scan(&may)
	if err != nil {
		return false, fmt.Errorf("asking whether two meetings may become one: %w", err)
	}
	return may, nil
}

// merge folds the younger meeting into the older one: its events, names and
// deliveries move under the other's key, what was planned for it is withdrawn,
// and its own key is deleted.
func (u *understanding) merge(ctx context.Context, older, younger *lockedMeeting) error {
	olderKey, err := u.dataKey(ctx, u.tx, older.dataKeyID)
	if err != nil {
		return err
	}
	youngerKey, err := u.dataKey(ctx, u.tx, younger.dataKeyID)
	if err != nil {
		return err
	}
	err = u.reseal(ctx, `select id, sealed from events where meeting_id = $1 and sealed is not null`, younger.id,
		`update events set sealed = $2 where id = $1`, func(id uuid.UUID, sealed []byte) ([]byte, error) {
			return reseal(youngerKey, olderKey, sealed, eventPlace(id))
		})
	if err != nil {
		return err
	}
	err = u.reseal(ctx, `select id, body_key from deliveries where wrapped_by = $1 and understood_at is not null and body_key is not null`, *younger.dataKeyID,
		`update deliveries set body_key = $2 where id = $1`, func(id uuid.UUID, wrapped []byte) ([]byte, error) {
			key, err := youngerKey.UnwrapKey(wrapped, bodyKeyPlace(id))
			if err != nil {
				return nil, err
			}
			return olderKey.WrapKey(key, bodyKeyPlace(id))
		})
	if err != nil {
		return err
	}
	if err := u.resealAudit(ctx, youngerKey, olderKey, *younger.dataKeyID, *older.dataKeyID); err != nil {
		return err
	}
	if err := u.mergeBriefings(ctx, older, younger, olderKey, youngerKey); err != nil {
		return err
	}
	const why = "the meeting turned out to be another one"
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{`update deliveries set wrapped_by = $2 where wrapped_by = $1 and understood_at is not null`, []any{*younger.dataKeyID, *older.dataKeyID}},
		{`update events set meeting_id = $2 where meeting_id = $1`, []any{younger.id, older.id}},
		{`update meeting_keys set meeting_id = $2 where meeting_id = $1`, []any{younger.id, older.id}},
		{`delete from meeting_attendees where meeting_id = $1`, []any{younger.id}},
		{`update approvals set state = 'withdrawn', decided_at = now(), decided_by = 'debrief', reason = $2
		  where state = 'pending' and action_id in (select id from actions where origin_id = $1)`, []any{younger.id, why}},
		{`update approvals set sealed_edit = null where action_id in (select id from actions where origin_id = $1)`, []any{younger.id}},
		{`update actions set state = 'withdrawn', reason = $2, updated_at = now()
		  where origin_id = $1 and state in ('asking', 'ready')`, []any{younger.id, why}},
		{`update actions set sealed = null where origin_id = $1`, []any{younger.id}},
		{`update follow_ups set state = 'closed', closed_at = coalesce(closed_at, now()), paused_since = null, sealed_resolution = null
		  where meeting_id = $1`, []any{younger.id}},
		{`delete from model_answers where meeting_id = $1`, []any{younger.id}},
		{`update meetings set merged_into = $2, sealed = null, content_mac = null, updated_at = now() where id = $1`, []any{younger.id, older.id}},
		// Its workflow, if there is one, finds that it has nothing left to do.
		{`insert into wakeups (id, organization_id, meeting_id, reason)
		  select $2, organization_id, meeting_id, 'merged' from follow_ups where meeting_id = $1`, []any{younger.id, newID()}},
	} {
		if _, err := u.tx.Exec(ctx, step.sql, step.args...); err != nil {
			return fmt.Errorf("merging meeting %s into %s: %w", younger.id, older.id, err)
		}
	}
	if err := u.deleteDataKey(ctx, u.tx, *younger.dataKeyID); err != nil {
		return err
	}
	younger.mergedInto = &older.id
	if older.excluded == "" {
		older.excluded = younger.excluded // until the two together say otherwise
	}
	return nil
}

func reseal(from, to *vault.DataKey, sealed []byte, place string) ([]byte, error) {
	plain, err := from.Open(sealed, place)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", place, err)
	}
	return to.Seal(plain, place)
}

// reseal rewrites one sealed column of the rows that query finds.
func (u *understanding) reseal(ctx context.Context, query string, arg uuid.UUID, update string, change func(uuid.UUID, []byte) ([]byte, error)) error {
	rows, err := u.tx.Query(ctx, query, arg)
	if err != nil {
		return fmt.Errorf("reading what is to be sealed anew: %w", err)
	}
	batch := &pgx.Batch{}
	var id uuid.UUID
	var sealed []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &sealed}, func() error {
		changed, err := change(id, sealed)
		if err != nil {
			return err
		}
		batch.Queue(update, id, changed)
		return nil
	})
	if err != nil {
		return fmt.Errorf("sealing anew: %w", err)
	}
	if err := u.tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("storing what was sealed anew: %w", err)
	}
	return nil
}

// resealAudit hands the values beside the trail to the other key.
func (u *understanding) resealAudit(ctx context.Context, from, to *vault.DataKey, fromID, toID uuid.UUID) error {
	rows, err := u.tx.Query(ctx, `select audit_id, sealed from audit_details where data_key_id = $1 and sealed is not null`, fromID)
	if err != nil {
		return fmt.Errorf("reading the details of the trail: %w", err)
	}
	batch := &pgx.Batch{}
	var id int64
	var sealed []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &sealed}, func() error {
		changed, err := reseal(from, to, sealed, auditDetailsPlace(id))
		if err != nil {
			return err
		}
		batch.Queue(`update audit_details set sealed = $2, data_key_id = $3 where audit_id = $1`, id, changed, toID)
		return nil
	})
	if err != nil {
		return fmt.Errorf("sealing the details of the trail anew: %w", err)
	}
	if err := u.tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("storing the details of the trail: %w", err)
	}
	return nil
}

// refold adds the meeting's events up anew. Nothing changes, not even the
// version, if they add up to what stands.
func (u *understanding) refold(ctx context.Context, m *lockedMeeting) error {
	key, err := u.dataKey(ctx, u.tx, m.dataKeyID)
	if err != nil {
		return err
	}
	rows, err := u.tx.Query(ctx, `select id, source_id, sealed from events where meeting_id = $1 and sealed is not null`, m.id)
	if err != nil {
		return fmt.Errorf("reading the events of meeting %s: %w", m.id, err)
	}
	events, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (meeting.Event, error) {
		var id, sourceID uuid.UUID
		var sealed []byte
		if err := row.Scan(&id, &sourceID, &sealed); err != nil {
			return meeting.Event{}, err
		}
		var e meeting.Event
		err := openJSON(key, sealed, &e, eventPlace(id))
		// Dedupe keys are unique per source, and a meeting may have several.
		e.DedupeKey = sourceID.String() + " " + e.DedupeKey
		return e, err
	})
	if err != nil {
		return fmt.Errorf("reading the events of meeting %s: %w", m.id, err)
	}
	folded := meeting.Fold(events)
	if excluded, err := u.exclude(ctx, m, folded); err != nil || excluded {
		return err
	}
	raw, err := json.Marshal(folded)
	if err != nil {
		return fmt.Errorf("encoding meeting %s", m.id)
	}
	mac := key.MAC(raw)
	if bytes.Equal(mac, m.contentMAC) {
		return nil
	}
	sealed, err := key.Seal(raw, meetingPlace(m.id))
	if err != nil {
		return err
	}
	firstWord := folded.HasEnded || folded.HasNotes
	var host *uuid.UUID
	err = u.tx.QueryRow(ctx, `
		update meetings set version = version + 1, excluded = '', content_mac = $2, sealed = $3, state = $4, starts_at = $5, ends_at = $6,
		  has_ended = $7, has_notes = $8, is_test = $9, updated_at = now(),
		  first_word_at = case when $10 then coalesce(first_word_at, now()) else first_word_at end,
		  host_person_id = coalesce((
		    select person_id from person_identities
		    where organization_id = $11 and ((kind = 'email' and value = $12) or (kind = 'zoom_host' and value = $13))
		    order by kind limit 1), host_person_id)
		where id = $1 returning host_person_id`,
		m.id, mac, sealed, string(folded.State), nullTime(folded.Start()), nullTime(folded.End()),
		folded.HasEnded, folded.HasNotes, folded.IsTest, firstWord,
		u.organizationID, folded.Organizer.Email, folded.HostID).Scan(&host)
	if err != nil {
		return fmt.Errorf("storing meeting %s: %w", m.id, err)
	}
	if err := u.attend(ctx, m.id, folded.Attendees); err != nil {
		return err
	}
	if err := u.brief(ctx, m, key, folded, host); err != nil {
		return err
	}
	u.out.Changed = append(u.out.Changed, m.id)
	if !firstWord {
		return nil
	}
	u.out.Woken = true
	return u.wake(ctx, u.tx, u.organizationID, m.id, "the meeting changed")
}

// exclude drops the meeting's content if a rule says so, this delivery's and what
// was kept before it could be known, and says whether it did. The meeting's names
// stay, and with them what still comes for it is found, and dropped. Once somebody
// works on it, it stays: what was written and asked needs its reasons.
func (u *understanding) exclude(ctx context.Context, m *lockedMeeting, folded meeting.Meeting) (bool, error) {
	rule := u.exclusions.Of(folded, u.domains)
	if rule == "" && u.exclusions.Still(m.excluded, folded, u.domains) {
		rule = m.excluded
	}
	if rule == "" {
		return false, nil
	}
	var atWork bool
	err := u.tx.QueryRow(ctx, `select exists (select from follow_ups where meeting_id = $1)`, m.id).Scan(&atWork)
	if err != nil {
		return false, fmt.Errorf("asking whether the meeting is worked on: %w", err)
	}
	if atWork {
		u.note("a rule excludes the meeting (" + string(rule) + "), but its follow-up has begun: erase it if it is not wanted")
		return false, nil
	}
	old := m.dataKeyID
	fresh, err := u.newDataKey(ctx, u.tx)
	if err != nil {
		return false, err
	}
	m.dataKeyID = &fresh
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{`update deliveries set sealed_body = null, sealed_fetched = null, body_key = null, state = 'excluded', reason = $2
		  where id in (select delivery_id from events where meeting_id = $1)`, []any{m.id, string(rule)}},
		{`update events set sealed = null where meeting_id = $1`, []any{m.id}},
		{`delete from meeting_attendees where meeting_id = $1`, []any{m.id}},
		{`delete from wakeups where meeting_id = $1`, []any{m.id}},
		{
			`update meetings set excluded = $2, sealed = null, content_mac = null, data_key_id = $3, first_word_at = null,
		  host_person_id = null, starts_at = coalesce($4, starts_at), version = version + 1, updated_at = now() where id = $1`,
			[]any{m.id, string(rule), fresh, nullTime(folded.Start())},
		},
	} {
		if _, err := u.tx.Exec(ctx, step.sql, step.args...); err != nil {
			return false, fmt.Errorf("excluding meeting %s: %w", m.id, err)
		}
	}
	if err := dropBriefings(ctx, u.tx, m.id, BriefingSkipped, briefingExcluded); err != nil {
		return false, err
	}
	if old != nil {
		// What was sealed before the rule applied can't be read any more.
		if err := u.deleteDataKey(ctx, u.tx, *old); err != nil {
			return false, err
		}
	}
	m.excluded, m.contentMAC = rule, nil
	u.dropBody = true
	u.note(string(rule))
	return true, nil
}

// settle hands the delivery's body to its meeting's key and records the verdict.
func (u *understanding) settle(ctx context.Context, bodyKey []byte, wrappedBy *uuid.UUID) error {
	for _, m := range u.meetings {
		if m.mergedInto == nil {
			u.out.MeetingIDs = append(u.out.MeetingIDs, m.id)
		}
	}
	state := DeliveryUnderstood
	if u.dropBody {
		state = DeliveryExcluded
		bodyKey = nil
	}
	owner := u.owner()
	if bodyKey != nil && owner != nil && wrappedBy != nil && *wrappedBy != *owner.dataKeyID {
		key, err := u.bodyKey(ctx, u.tx, u.deliveryID, bodyKey, wrappedBy)
		if err != nil {
			return fmt.Errorf("opening the delivery's key: %w", err)
		}
		ownerKey, err := u.dataKey(ctx, u.tx, owner.dataKeyID)
		if err != nil {
			return err
		}
		if bodyKey, err = ownerKey.WrapKey(key, bodyKeyPlace(u.deliveryID)); err != nil {
			return err
		}
		wrappedBy = owner.dataKeyID
	}
	_, err := u.tx.Exec(ctx, `
		update deliveries set state = $2::text, reason = $3, organization_id = $4, body_key = $5, wrapped_by = $6,
		  sealed_body = case when $2::text = 'excluded' then null else sealed_body end,
		  sealed_fetched = case when $2::text = 'excluded' then null else sealed_fetched end, understood_at = now()
		where id = $1`,
		u.deliveryID, string(state), u.out.Reason, u.organizationID, bodyKey, wrappedBy)
	if err != nil {
		return fmt.Errorf("settling the delivery: %w", err)
	}
	return nil
}

// owner is the meeting whose key guards the delivery's body: the first one, if
// there is any.
func (u *understanding) owner() *lockedMeeting {
	for _, m := range u.meetings {
		if m.mergedInto == nil && m.erasedAt == nil {
			return m
		}
	}
	return nil
}

// drop: the delivery tells of an erased meeting, and must not bring it back.
func (u *understanding) drop() {
	u.dropBody = true
	u.note("the meeting's words were erased")
}

func (u *understanding) note(reason string) {
	if !strings.Contains(u.out.Reason, reason) { // "" is in every one
		u.out.Reason = strings.TrimPrefix(u.out.Reason+"; "+reason, "; ")
	}
}

const selectMeeting = `
	select id, organization_id, version, host_person_id, first_word_at, merged_into, excluded, erased_at, created_at, updated_at, data_key_id, sealed
	from meetings`

// MeetingByID returns one meeting of an organization. One that was merged or
// erased has no content.
func (s *Store) MeetingByID(ctx context.Context, organizationID, id uuid.UUID) (Meeting, error) {
	rows, err := s.pool.Query(ctx, selectMeeting+` where organization_id = $1 and id = $2`, organizationID, id)
	if err != nil {
		return Meeting{}, fmt.Errorf("reading meeting %s: %w", id, err)
	}
	found, err := s.collectMeetings(ctx, rows)
	if err != nil {
		return Meeting{}, err
	}
	if len(found) == 0 {
		return Meeting{}, fmt.Errorf("reading meeting %s: %w", id, ErrNotFound)
	}
	return found[0], nil
}

// MeetingFilter selects meetings. Zero fields select all.
type MeetingFilter struct {
	State meeting.State
	// From and To bound the start. With either set, meetings without a known
	// start are left out.
	From, To time.Time
	// Limit bounds the page; 0 means 50, at most 500.
	Limit int
}

// Meetings lists an organization's meetings, the latest start first, without
// those that turned out to be another one.
func (s *Store) Meetings(ctx context.Context, organizationID uuid.UUID, f MeetingFilter) ([]Meeting, error) {
	if f.Limit <= 0 {
		f.Limit = 50
	}
	rows, err := s.pool.Query(ctx, selectMeeting+`
		where organization_id = $1 and merged_into is null and not is_call and ($2 = '' or state = $2)
		  and ($3::timestamptz is null or starts_at >= $3) and ($4::timestamptz is null or starts_at < $4)
		order by starts_at desc nulls last, id desc limit $5`,
		organizationID, string(f.State), nullTime(f.From), nullTime(f.To), min(f.Limit, 500))
	if err != nil {
		return nil, fmt.Errorf("listing meetings: %w", err)
	}
	return s.collectMeetings(ctx, rows)
}

// collectMeetings opens the rows after all are read: opening may need a query of
// its own, and one connection does one at a time.
func (s *Store) collectMeetings(ctx context.Context, rows pgx.Rows) ([]Meeting, error) {
	type sealedMeeting struct {
		Meeting
		sealed []byte
	}
	read, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (sealedMeeting, error) {
		var m sealedMeeting
		err := row.Scan(&m.ID, &m.OrganizationID, &m.Version, &m.HostPersonID, &m.FirstWordAt, &m.MergedInto, &m.Excluded, &m.ErasedAt,
			&m.CreatedAt, &m.UpdatedAt, &m.dataKeyID, &m.sealed)
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading meetings: %w", err)
	}
	out := make([]Meeting, 0, len(read))
	for _, m := range read {
		if m.sealed != nil {
			key, err := s.dataKey(ctx, s.pool, m.dataKeyID)
			if err != nil {
				return nil, fmt.Errorf("reading meeting %s: %w", m.ID, err)
			}
			if err := openJSON(key, m.sealed, &m.Content, meetingPlace(m.ID)); err != nil {
				return nil, err
			}
		}
		out = append(out, m.Meeting)
	}
	return out, nil
}

// EraseMeeting deletes a meeting's words for good: its data key, and everything
// that is sealed with it, the deliveries that told of it included (also where
// such a delivery told of other meetings, too). What happened stays: IDs, states,
// times and the trail. Its names stay as well, so that what still comes for it
// is dropped instead of beginning it anew. Its follow-up ends: open questions and
// what is not written yet are withdrawn, and of what is being written the outcome
// is unknown. All in one transaction; erasing twice changes nothing.
func (s *Store) EraseMeeting(ctx context.Context, organizationID, meetingID uuid.UUID, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var keyID *uuid.UUID
		var erasedAt *time.Time
		err := tx.QueryRow(ctx, `
			select data_key_id, erased_at from meetings where organization_id = $1 and id = $2 and merged_into is null for no key update`,
			organizationID, meetingID).Scan(&keyID, &erasedAt)
		if err := notFound(err, "reading the meeting"); err != nil {
			return err
		}
		if erasedAt != nil {
			return nil
		}
		for _, sql := range []string{
			`select from follow_ups where meeting_id = $1 for update`,
			`update deliveries set sealed_body = null, sealed_fetched = null, body_key = null
			 where id in (select delivery_id from events where meeting_id = $1)`,
			`update events set sealed = null where meeting_id = $1`,
			`delete from meeting_attendees where meeting_id = $1`,
			`update approvals set sealed_edit = null where action_id in (select id from actions where origin_id = $1)`,
			`update actions set sealed = null where origin_id = $1`,
			`update follow_ups set sealed_resolution = null where meeting_id = $1`,
			`delete from model_answers where meeting_id = $1`,
			`update audit_details d set sealed = null from meetings m where m.id = $1 and d.data_key_id = m.data_key_id`,
			`update meetings set sealed = null, content_mac = null, erased_at = now(), updated_at = now() where id = $1`,
		} {
			if _, err := tx.Exec(ctx, sql, meetingID); err != nil {
				return err
			}
		}
		if err := dropBriefings(ctx, tx, meetingID, BriefingCanceled, briefingErased); err != nil {
			return err
		}
		if err := s.endErased(ctx, tx, meetingID); err != nil {
			return err
		}
		if keyID != nil {
			if err := s.deleteDataKey(ctx, tx, *keyID); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, AuditEntry{
			OrganizationID: organizationID, Kind: AuditVisibility, Actor: actor,
			Origin: Origin{Kind: "meeting", ID: meetingID}, Reason: "meeting erased",
		})
	})
	if err != nil {
		return fmt.Errorf("erasing meeting %s: %w", meetingID, err)
	}
	return nil
}

// endErased ends the follow-up of a meeting whose words have just been erased.
// The caller holds the follow-up's row. Nobody is woken: without the meeting's
// key a workflow can be told nothing, and finds the end when it next looks.
func (s *Store) endErased(ctx context.Context, tx pgx.Tx, meetingID uuid.UUID) error {
	const why = "the meeting's words were erased"
	actions, err := s.queryActions(ctx, tx, `where a.origin_id = $1 order by a.position, a.id for update of a`, meetingID)
	if err != nil {
		return err
	}
	for _, a := range actions {
		if err := s.withdrawQuestion(ctx, tx, a.Origin, a, why); err != nil {
			return err
		}
		state := ActionWithdrawn
		switch a.State {
		case ActionAsking, ActionReady:
		case ActionWriting:
			state = ActionUnknown
			if err := closeCallsOf(ctx, tx, a.ID, why+" while the outcome was open"); err != nil {
				return err
			}
		default:
			continue
		}
		if err := setActionState(ctx, tx, a.ID, state, a.because(why)); err != nil {
			return err
		}
	}
	// A claim of what may have been written stays: others must not create the
	// record a second time without a human's word.
	_, err = tx.Exec(ctx, `
		delete from write_claims c using actions a
		where a.id = c.action_id and a.origin_id = $1 and c.record_id = '' and a.may_exist_since is null`, meetingID)
	if err != nil {
		return fmt.Errorf("releasing the claims of an erased meeting: %w", err)
	}
	return closeFollowUp(ctx, tx, meetingID)
}
