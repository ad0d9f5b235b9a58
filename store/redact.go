package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/vault"
)

// erasedWord stands where somebody's name or address was.
const erasedWord = "[erased]"

// person is who is to be forgotten, as far as is known.
type person struct {
	emails map[string]bool // in lower case
}

func (p *person) add(addresses ...string) {
	for _, a := range addresses {
		if a = strings.ToLower(strings.TrimSpace(a)); strings.Contains(a, "@") {
			p.emails[a] = true
		}
	}
}

func (p *person) is(email string) bool { return p.emails[strings.ToLower(strings.TrimSpace(email))] }

// in says whether a text holds one of the addresses.
func (p *person) in(text []byte) bool {
	text = bytes.ToLower(text)
	for email := range p.emails {
		if bytes.Contains(text, []byte(email)) {
			return true
		}
	}
	return false
}

// redactor strikes a person out of the texts of one meeting.
type redactor struct {
	*person
	// contactIDs are the person's, in the account.
	contactIDs []string
	names      []string // whole, as attendees had them
	words      *regexp.Regexp
}

// redactorFor knows the person by the names that the meeting has for the addresses.
// A part of a name that another attendee has, too, is not struck out.
func redactorFor(p *person, contactIDs []string, all []meeting.Event) *redactor {
	r := &redactor{person: p, contactIDs: contactIDs}
	others := map[string]bool{}
	for _, e := range all {
		for _, a := range append([]meeting.Attendee{{Person: e.Organizer}}, e.Attendees...) {
			switch {
			case p.is(a.Email) && a.Name != "" && !slices.Contains(r.names, a.Name):
				r.names = append(r.names, a.Name)
			case !p.is(a.Email):
				for _, part := range strings.Fields(a.Name) {
					others[part] = true
				}
			}
		}
		for _, s := range e.Transcript.Segments {
			if p.is(s.Email) && s.Speaker != "" && !slices.Contains(r.names, s.Speaker) {
				r.names = append(r.names, s.Speaker)
			}
		}
	}
	patterns := []string{`[^\s\S]`} // matches nothing
	for email := range p.emails {
		patterns = append(patterns, `(?i:`+regexp.QuoteMeta(email)+`)`)
	}
	for _, name := range r.names {
		patterns = append(patterns, `(?i:`+regexp.QuoteMeta(name)+`)`)
	}
	for _, name := range r.names {
		for _, part := range strings.Fields(name) {
			if len([]rune(part)) > 2 && !others[part] {
				patterns = append(patterns, `\b`+regexp.QuoteMeta(part)+`\b`)
			}
		}
	}
	r.words = regexp.MustCompile(strings.Join(patterns, "|"))
	return r
}

// isName says whether a name alone is the person's.
func (r *redactor) isName(name string) bool {
	return slices.ContainsFunc(r.names, func(n string) bool { return strings.EqualFold(n, strings.TrimSpace(name)) })
}

func (r *redactor) text(s string) string { return r.words.ReplaceAllLiteralString(s, erasedWord) }

// event returns the event without the person.
func (r *redactor) event(e meeting.Event) (meeting.Event, error) {
	booked := false
	e.Attendees = slices.DeleteFunc(slices.Clone(e.Attendees), func(a meeting.Attendee) bool {
		gone := r.is(a.Email) || a.Email == "" && r.isName(a.Name)
		booked = booked || gone && a.Role == "invitee"
		return gone
	})
	if booked {
		e.Answers, e.Tracking = nil, nil // whoever booked gave them
	}
	if r.is(e.Organizer.Email) {
		e.Organizer = meeting.Person{}
	}
	e.CRMHints = slices.DeleteFunc(slices.Clone(e.CRMHints), func(h meeting.CRMHint) bool {
		return h.Object == "contact" && slices.Contains(r.contactIDs, h.ID)
	})
	e.Transcript.Segments = slices.Clone(e.Transcript.Segments)
	for i, s := range e.Transcript.Segments {
		if r.is(s.Email) || r.isName(s.Speaker) {
			e.Transcript.Segments[i] = meeting.Segment{Speaker: erasedWord, StartSeconds: s.StartSeconds, Text: erasedWord}
		}
	}
	raw, err := json.Marshal(e)
	if err != nil {
		return e, fmt.Errorf("encoding an event")
	}
	var tree any
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	if err := decoder.Decode(&tree); err != nil {
		return e, fmt.Errorf("decoding an event")
	}
	if raw, err = json.Marshal(r.tree(tree)); err != nil {
		return e, fmt.Errorf("encoding an event")
	}
	var out meeting.Event
	if err := json.Unmarshal(raw, &out); err != nil {
		return e, fmt.Errorf("decoding an event without the person")
	}
	return out, nil
}

func (r *redactor) tree(v any) any {
	switch v := v.(type) {
	case string:
		return r.text(v)
	case []any:
		for i := range v {
			v[i] = r.tree(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = r.tree(v[k])
		}
	}
	return v
}

// forgetIn forgets the person in one meeting.
func (e *eraser) forgetIn(ctx context.Context, id uuid.UUID) error {
	m, err := e.MeetingByID(ctx, e.request.OrganizationID, id)
	if err != nil {
		return err
	}
	if m.ErasedAt != nil || m.MergedInto != nil {
		return nil
	}
	whole := e.alone(m.Content)
	if !whole {
		// A call of an agent or a script is one action: nothing of it is about others.
		if err := e.pool.QueryRow(ctx, `select coalesce((select is_call from meetings where id = $1), false)`, id).Scan(&whole); err != nil {
			return fmt.Errorf("asking whether it is a call: %w", err)
		}
	}
	if whole {
		if err := e.EraseMeeting(ctx, e.request.OrganizationID, id, e.actor); err != nil {
			return err
		}
		e.report.MeetingsErased++
		return nil
	}
	err = e.inTx(ctx, func(tx pgx.Tx) error { return e.redactMeeting(ctx, tx, id) })
	if err != nil {
		return fmt.Errorf("sealing meeting %s without the person: %w", id, err)
	}
	e.report.MeetingsRedacted++
	return nil
}

// alone says whether nobody else from outside was there. Where the person is only
// spoken of, the meeting is the others'.
func (e *eraser) alone(m meeting.Meeting) bool {
	there := false
	for _, a := range append([]meeting.Attendee{{Person: m.Organizer}}, m.Attendees...) {
		switch {
		case e.person.is(a.Email):
			there = true
		case a.Email == "" && a.Name == "", a.External != nil && !*a.External, e.internal(a.Email):
		default:
			return false
		}
	}
	return there
}

func (e *eraser) internal(email string) bool {
	_, domain, found := strings.Cut(strings.ToLower(email), "@")
	return found && slices.ContainsFunc(e.organization.Domains, func(d string) bool { return strings.EqualFold(d, domain) })
}

func (e *eraser) redactMeeting(ctx context.Context, tx pgx.Tx, id uuid.UUID) error {
	u := &understanding{
		Store: e.Store, tx: tx, organizationID: e.request.OrganizationID, organizationK: e.key,
		domains: e.organization.Domains, exclusions: e.organization.Settings.Exclusions,
	}
	locked, err := u.lock(ctx, []uuid.UUID{id})
	if err != nil {
		return err
	}
	if len(locked) != 1 || locked[0].erasedAt != nil || locked[0].mergedInto != nil {
		return nil
	}
	m := locked[0]
	// Before the briefs, which are made to look below: that is the order in which all take
	// these locks.
	if _, err := tx.Exec(ctx, `select from follow_ups where meeting_id = $1 for update`, id); err != nil {
		return fmt.Errorf("locking its follow-up: %w", err)
	}
	key, err := e.dataKey(ctx, tx, m.dataKeyID)
	if err != nil {
		return err
	}
	var before int64
	if err := tx.QueryRow(ctx, `select version from meetings where id = $1`, id).Scan(&before); err != nil {
		return fmt.Errorf("reading the meeting's version: %w", err)
	}
	r, err := e.redactEvents(ctx, u, key, m)
	if err != nil {
		return err
	}
	if err := e.redactFollowUp(ctx, tx, key, m, r); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `
		update deliveries set sealed_body = null, sealed_fetched = null, body_key = null
		where id in (select delivery_id from events where meeting_id = $1) and sealed_body is not null`, id); err != nil {
		return fmt.Errorf("dropping the deliveries that told of it: %w", err)
	}
	// Nothing new was said: what is closed stays closed, unless its next round was about
	// to begin.
	if _, err := tx.Exec(ctx, `
		update follow_ups f set planned_version = m.version from meetings m
		where m.id = $1 and f.meeting_id = m.id and f.state = 'closed' and f.planned_version >= $2`, id, before); err != nil {
		return fmt.Errorf("keeping its follow-up closed: %w", err)
	}
	if _, err := tx.Exec(ctx, `
		insert into erased_histories (meeting_id, organization_id, erasure_id) values ($1, $2, $3)
		on conflict (meeting_id) do update set erasure_id = excluded.erasure_id, since = now()`, id, e.request.OrganizationID, e.report.ID); err != nil {
		return fmt.Errorf("noting that its history is to be deleted: %w", err)
	}
	return e.redactTrail(ctx, tx, key, m, r)
}

// redactEvents seals the meeting's events anew, and the meeting that they add up to.
func (e *eraser) redactEvents(ctx context.Context, u *understanding, key *vault.DataKey, m *lockedMeeting) (*redactor, error) {
	rows, err := u.tx.Query(ctx, `select id, sealed from events where meeting_id = $1 and sealed is not null`, m.id)
	if err != nil {
		return nil, fmt.Errorf("reading the events: %w", err)
	}
	type stored struct {
		id    uuid.UUID
		event meeting.Event
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (stored, error) {
		var s stored
		var sealed []byte
		if err := row.Scan(&s.id, &sealed); err != nil {
			return s, err
		}
		return s, openJSON(key, sealed, &s.event, eventPlace(s.id))
	})
	if err != nil {
		return nil, fmt.Errorf("reading the events: %w", err)
	}
	events := make([]meeting.Event, 0, len(all))
	for _, s := range all {
		events = append(events, s.event)
	}
	r := redactorFor(&e.person, e.contactIDs, events)
	for _, s := range all {
		redacted, err := r.event(s.event)
		if err != nil {
			return nil, err
		}
		sealed, err := sealJSON(key, redacted, eventPlace(s.id))
		if err != nil {
			return nil, err
		}
		// Its hash stays: should it be delivered again, it is known.
		if _, err := u.tx.Exec(ctx, `update events set sealed = $2 where id = $1`, s.id, sealed); err != nil {
			return nil, fmt.Errorf("storing an event: %w", err)
		}
	}
	return r, u.refold(ctx, m)
}

// redactFollowUp drops what was planned about the person. What is being written is
// left until it is known what became of it.
func (e *eraser) redactFollowUp(ctx context.Context, tx pgx.Tx, key *vault.DataKey, m *lockedMeeting, r *redactor) error {
	var exists bool
	if err := tx.QueryRow(ctx, `select exists (select from follow_ups where meeting_id = $1)`, m.id).Scan(&exists); err != nil || !exists {
		return err
	}
	f, err := e.lockFollowUp(ctx, tx, e.request.OrganizationID, m.id)
	if err != nil {
		return err
	}
	actions, err := e.queryActions(ctx, tx, `where a.origin_id = $1 order by a.position, a.id for update of a`, m.id)
	if err != nil {
		return err
	}
	for _, a := range actions {
		raw, err := json.Marshal(a.Content)
		if err != nil {
			return fmt.Errorf("encoding an action")
		}
		edited, err := e.latestEdit(ctx, tx, key, a.ID)
		if err != nil {
			return err
		}
		edit, err := json.Marshal(edited)
		if err != nil {
			return fmt.Errorf("encoding an edit")
		}
		contact := a.Tool.Object == "contact" && (slices.Contains(r.contactIDs, a.TargetID) || slices.Contains(r.contactIDs, a.RecordID))
		if !contact && !r.words.Match(raw) && !r.words.Match(edit) {
			continue
		}
		switch {
		case a.State == ActionWriting || a.State == ActionUnknown || a.MayExistSince != nil:
			continue
		case a.State == ActionAsking || a.State == ActionReady:
			if err := e.settle(ctx, tx, f, a, ActionWithdrawn, "a person whom it names was erased"); err != nil {
				return err
			}
		}
		for _, sql := range []string{`update actions set sealed = null where id = $1`, `update approvals set sealed_edit = null where action_id = $1`} {
			if _, err := tx.Exec(ctx, sql, a.ID); err != nil {
				return fmt.Errorf("dropping action %s: %w", a.Key, err)
			}
		}
		e.report.Texts++
	}
	// It is read anew for the next round.
	for _, sql := range []string{`update follow_ups set sealed_resolution = null where meeting_id = $1`, `delete from model_answers where meeting_id = $1`} {
		if _, err := tx.Exec(ctx, sql, m.id); err != nil {
			return fmt.Errorf("dropping what was known: %w", err)
		}
	}
	return nil
}

// redactTrail drops the values beside the trail that name the person.
func (e *eraser) redactTrail(ctx context.Context, tx pgx.Tx, key *vault.DataKey, m *lockedMeeting, r *redactor) error {
	rows, err := tx.Query(ctx, `select audit_id, sealed from audit_details where data_key_id = $1 and sealed is not null`, m.dataKeyID)
	if err != nil {
		return fmt.Errorf("reading the details of the trail: %w", err)
	}
	var named []int64
	var id int64
	var sealed []byte
	_, err = pgx.ForEachRow(rows, []any{&id, &sealed}, func() error {
		plain, err := key.Open(sealed, auditDetailsPlace(id))
		if err == nil && r.words.Match(plain) {
			named = append(named, id)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("reading the details of the trail: %w", err)
	}
	if _, err := tx.Exec(ctx, `update audit_details set sealed = null where audit_id = any($1)`, named); err != nil {
		return fmt.Errorf("dropping details of the trail: %w", err)
	}
	e.report.Texts += len(named)
	return nil
}
