package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// NotifySettings say when people are told that something waits for them. A
// person's empty field is the organization's; the organization's empty field is
// the default.
type NotifySettings struct {
	// TimeZone is an IANA name, such as Europe/Berlin; the default is UTC.
	TimeZone string `json:"time_zone,omitempty"`
	// QuietHours are those in which nobody is told, such as "20:00-08:00"; "off" or
	// the default: none.
	QuietHours string `json:"quiet_hours,omitempty"`
	// Digest is the time of day at which all is told together, such as "09:00";
	// "off" or the default: each at once.
	Digest string `json:"digest,omitempty"`
}

const notifyOff = "off"

func (n NotifySettings) or(of NotifySettings) NotifySettings {
	return NotifySettings{
		TimeZone: cmp.Or(n.TimeZone, of.TimeZone), QuietHours: cmp.Or(n.QuietHours, of.QuietHours), Digest: cmp.Or(n.Digest, of.Digest),
	}
}

// check refuses what can't be meant.
func (n NotifySettings) check() error {
	if _, err := time.LoadLocation(n.TimeZone); err != nil || strings.EqualFold(n.TimeZone, "local") {
		return refuse("there is no time zone %q: write a name such as Europe/Berlin", n.TimeZone)
	}
	if _, _, ok := n.quiet(); !ok && n.QuietHours != "" && n.QuietHours != notifyOff {
		return refuse("quiet hours are written as 20:00-08:00, or off")
	}
	if _, ok := clock(n.Digest); !ok && n.Digest != "" && n.Digest != notifyOff {
		return refuse("the time of a digest is written as 09:00, or off")
	}
	return nil
}

// clock reads a time of day as minutes since midnight.
func clock(s string) (minutes int, ok bool) {
	t, err := time.Parse("15:04", s)
	return t.Hour()*60 + t.Minute(), err == nil
}

func (n NotifySettings) quiet() (from, to int, ok bool) {
	first, last, _ := strings.Cut(n.QuietHours, "-")
	from, ok = clock(first)
	to, valid := clock(last)
	return from, to, ok && valid && from != to
}

// Location is their time zone.
func (n NotifySettings) Location() *time.Location {
	if l, err := time.LoadLocation(n.TimeZone); err == nil {
		return l
	}
	return time.UTC
}

// at is the day's time of day, in minutes. Where the clocks leave it out it is
// as much later.
func at(day time.Time, minutes int) time.Time {
	t := time.Date(day.Year(), day.Month(), day.Day(), 0, minutes, 0, 0, day.Location())
	// Which of the two ways to read a time that the clocks leave out is taken depends on
	// the zone.
	if early := minutes - t.Hour()*60 - t.Minute(); early > 0 {
		t = t.Add(time.Duration(early) * time.Minute)
	}
	return t
}

// quietAround is the stretch of quiet hours that t lies in; not ok outside of them.
func (n NotifySettings) quietAround(t time.Time) (begin, end time.Time, ok bool) {
	from, to, ok := n.quiet()
	if !ok {
		return time.Time{}, time.Time{}, false
	}
	t = t.In(n.Location())
	minutes := t.Hour()*60 + t.Minute()
	switch {
	case from < to && minutes >= from && minutes < to:
		begin, end = at(t, from), at(t, to)
	case from > to && minutes < to:
		begin, end = at(t.AddDate(0, 0, -1), from), at(t, to)
	case from > to && minutes >= from:
		begin, end = at(t, from), at(t.AddDate(0, 0, 1), to)
	default:
		return time.Time{}, time.Time{}, false
	}
	// Of a time that the clocks show twice, the end may be the first.
	for !end.After(t) {
		end = end.Add(30 * time.Minute)
	}
	return begin, end, true
}

// QuietUntil says when the quiet hours end that now lies in; zero outside of
// them.
func (n NotifySettings) QuietUntil(now time.Time) time.Time {
	_, until, _ := n.quietAround(now)
	return until
}

// NextDigest is when the next digest after now is due; zero where there are none.
func (n NotifySettings) NextDigest(now time.Time) time.Time {
	minutes, ok := clock(n.Digest)
	if !ok {
		return time.Time{}
	}
	now = now.In(n.Location())
	if next := at(now, minutes); next.After(now) {
		return next
	}
	return at(now.AddDate(0, 0, 1), minutes)
}

// SetNotifySettings says when an organization's people are told things, unless
// they say otherwise. Nonsense is a [*Refusal].
func (s *Store) SetNotifySettings(ctx context.Context, organizationID uuid.UUID, n NotifySettings, actor Actor) error {
	return s.setTelling(ctx, organizationID, nil, n.telling(), actor)
}

// SetPersonNotify says when a person is told things. Nonsense is a [*Refusal].
func (s *Store) SetPersonNotify(ctx context.Context, organizationID, personID uuid.UUID, n NotifySettings, actor Actor) error {
	return s.setTelling(ctx, organizationID, &personID, n.telling(), actor)
}

func (n NotifySettings) telling() telling {
	return telling{name: "notify", how: "when", done: "told", value: n, wrong: n.check()}
}

// telling are settings that an organization has for all of its people, and each of
// them apart.
type telling struct {
	// name is that of their column in people, and of their field in the organization's
	// settings.
	name string
	// how people are done, in the trail: "when people are told".
	how, done string
	value     any
	wrong     error // what can't be meant in it
}

// setTelling keeps settings of a person, or with nil those of all who don't say
// otherwise. What briefings are scheduled follows.
func (s *Store) setTelling(ctx context.Context, organizationID uuid.UUID, personID *uuid.UUID, t telling, actor Actor) error {
	if t.wrong != nil {
		return t.wrong
	}
	doing := t.how + " people are " + t.done
	raw, err := json.Marshal(t.value)
	if err != nil {
		return fmt.Errorf("encoding %s: %w", doing, err)
	}
	sql, args := `update organizations set settings = jsonb_set(settings, '{`+t.name+`}', $2::jsonb) where id = $1`, []any{organizationID, raw}
	entry := AuditEntry{OrganizationID: organizationID, Kind: AuditOrganization, Actor: actor, Reason: doing + ": " + string(raw)}
	if personID != nil {
		doing = fmt.Sprintf("%s person %s is %s", t.how, personID, t.done)
		sql, args = `update people set `+t.name+` = $2 where organization_id = $1 and id = $3`, append(args, personID)
		entry.Kind, entry.Reason = AuditPerson, fmt.Sprintf("person %s: is %s: %s", personID, t.done, raw)
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if err := lockPeople(ctx, tx, organizationID); err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, sql, args...)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		if err := briefAnew(ctx, tx, organizationID, personID); err != nil {
			return err
		}
		return s.audit(ctx, tx, entry)
	})
	if err != nil {
		return fmt.Errorf("setting %s: %w", doing, err)
	}
	return nil
}

// PersonNotify returns what a person said about when to be told.
func (s *Store) PersonNotify(ctx context.Context, organizationID, personID uuid.UUID) (NotifySettings, error) {
	var raw []byte
	err := s.pool.QueryRow(ctx, `select notify from people where organization_id = $1 and id = $2`, organizationID, personID).Scan(&raw)
	if err := notFound(err, fmt.Sprintf("reading when person %s is told", personID)); err != nil {
		return NotifySettings{}, err
	}
	var n NotifySettings
	if err := json.Unmarshal(raw, &n); err != nil {
		return NotifySettings{}, fmt.Errorf("decoding when person %s is told: %w", personID, err)
	}
	return n, nil
}
