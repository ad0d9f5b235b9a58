package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/vault"
)

// ErasureRequest names who is to be forgotten: a contact of a HubSpot account, an
// e-mail address, or both.
type ErasureRequest struct {
	OrganizationID uuid.UUID
	HubID          int64
	ContactID      string
	Emails         []string
}

// Erasure is what was done to forget somebody, in IDs and counts, and what proves
// it: afterwards everything sealed that the organization has was opened and looked
// through for the person's addresses. (Not for names: others have them, too.)
type Erasure struct {
	ID        uuid.UUID `json:"id"`
	HubID     int64     `json:"hub_id,omitempty"`
	ContactID string    `json:"contact_id,omitempty"`
	// Addresses is how many e-mail addresses of the person's were known.
	Addresses int `json:"addresses"`
	// MeetingsErased were with that person alone: their keys are deleted.
	// MeetingsRedacted were with others, too, and are sealed anew without them.
	MeetingsErased   int `json:"meetings_erased"`
	MeetingsRedacted int `json:"meetings_redacted"`
	// Texts is how many other sealed texts were dropped: bodies of deliveries,
	// plans, edits, values beside the trail and of CRM events.
	Texts int `json:"texts"`
	// HistoriesLeft is how many histories of follow-ups with others are still to be
	// deleted at Temporal ([Store.HistoriesToForget]): until they are, the meetings'
	// keys open what stands in them. Counted when it is listed.
	HistoriesLeft int `json:"histories_left,omitempty"`
	// Searched is how many sealed texts were opened for the proof, and Left names
	// where the person was still found: nowhere, once DoneAt is set.
	Searched int        `json:"searched"`
	Left     []string   `json:"left,omitempty"`
	BegunAt  time.Time  `json:"begun_at"`
	DoneAt   *time.Time `json:"done_at,omitempty"`
}

// ErrErasureUnfinished: the person is still found in something that is at work: a
// delivery that is not understood yet, a write whose outcome is not known. Try again.
var ErrErasureUnfinished = errors.New("the person is still found in something that is at work")

// EraseContact forgets a person everywhere in an organization. Their addresses are
// learned from what was planned about the contact; whatever holds one of them is
// found by opening everything that is sealed. A meeting whose only outsider they
// were is erased with its key ([Store.EraseMeeting]), and so is a call of an agent or
// a script that names them. A meeting with others is folded
// anew out of events without them: they are no attendee, what they said is gone,
// and their names and addresses in what others said are struck out; what was
// planned about them is withdrawn and dropped, and an open follow-up plans anew.
// Bodies of deliveries that name them are dropped. IDs, times and keyed hashes
// stay: the trail says that something happened, not to whom.
//
// Not erased: what Debrief wrote to HubSpot or sent by Slack and e-mail; backups of
// the database; a nickname that only people recognize; and, of meetings with
// others, earlier ciphertext that PostgreSQL has not vacuumed. What Temporal has of a
// follow-up with others is deleted by who can: [Store.HistoriesToForget].
//
// It can be repeated, and goes on where it was. [ErrErasureUnfinished] says that it
// has to be; what is done by then stays done.
func (s *Store) EraseContact(ctx context.Context, r ErasureRequest, actor Actor) (Erasure, error) {
	e, err := s.eraseContact(ctx, r, actor)
	if err != nil {
		return e, fmt.Errorf("erasing contact %s of HubSpot account %d: %w", bounded(r.ContactID), r.HubID, err)
	}
	return e, nil
}

func (s *Store) eraseContact(ctx context.Context, r ErasureRequest, actor Actor) (Erasure, error) {
	e := &eraser{Store: s, request: r, actor: actor, meetings: map[uuid.UUID]bool{}}
	organization, err := s.Organization(ctx, r.OrganizationID)
	if err != nil {
		return Erasure{}, err
	}
	e.organization = organization
	if e.key, err = s.organizationKey(ctx, s.pool, r.OrganizationID); err != nil {
		return Erasure{}, err
	}
	if err := e.begin(ctx); err != nil {
		return Erasure{}, err
	}
	if err := e.eachSealed(ctx, e.find); err != nil {
		return e.report, err
	}
	for _, id := range slices.SortedFunc(maps.Keys(e.meetings), func(a, b uuid.UUID) int { return strings.Compare(a.String(), b.String()) }) {
		if err := e.forgetIn(ctx, id); err != nil {
			return e.report, err
		}
	}
	if err := e.dropTexts(ctx); err != nil {
		return e.report, err
	}
	e.report.Left, e.report.Searched = nil, 0
	if err := e.eachSealed(ctx, e.prove); err != nil {
		return e.report, err
	}
	return e.report, e.finish(ctx)
}

// eraser is one try of [Store.EraseContact].
type eraser struct {
	*Store
	request      ErasureRequest
	actor        Actor
	organization Organization
	key          *vault.DataKey
	person       person
	// contactIDs are the contact's, and those of contacts that were merged into it.
	contactIDs []string
	meetings   map[uuid.UUID]bool
	texts      []sealedText
	report     Erasure
}

// sealedText is one sealed value, opened.
type sealedText struct {
	column  string // "table.column"
	id      string
	meeting *uuid.UUID // that it belongs to
	plain   []byte
}

// begin takes up what is unfinished, or begins anew. The addresses are kept,
// sealed, until the end: what they are learned from is erased before all is.
func (e *eraser) begin(ctx context.Context) error {
	e.person.emails = map[string]bool{}
	for _, address := range e.request.Emails {
		e.person.add(address)
	}
	var sealed []byte
	err := e.pool.QueryRow(ctx, `
		select id, sealed_addresses, begun_at from erasures
		where organization_id = $1 and hub_id = $2 and contact_id = $3 and done_at is null and contact_id <> '' order by begun_at limit 1`,
		e.request.OrganizationID, e.request.HubID, e.request.ContactID).Scan(&e.report.ID, &sealed, &e.report.BegunAt)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		e.report.ID = newID()
		if err := e.pool.QueryRow(ctx, `insert into erasures (id, organization_id, hub_id, contact_id, actor) values ($1, $2, $3, $4, $5) returning begun_at`,
			e.report.ID, e.request.OrganizationID, e.request.HubID, e.request.ContactID, e.actor.Name).Scan(&e.report.BegunAt); err != nil {
			return fmt.Errorf("beginning: %w", err)
		}
	case err != nil:
		return fmt.Errorf("reading what was begun: %w", err)
	case sealed != nil:
		var addresses []string
		if err := openJSON(e.key, sealed, &addresses, erasurePlace(e.report.ID)); err != nil {
			return err
		}
		for _, address := range addresses {
			e.person.add(address)
		}
	}
	e.report.HubID, e.report.ContactID = e.request.HubID, e.request.ContactID
	if err := e.learn(ctx); err != nil {
		return err
	}
	e.report.Addresses = len(e.person.emails)
	if sealed, err = sealJSON(e.key, slices.Sorted(maps.Keys(e.person.emails)), erasurePlace(e.report.ID)); err != nil {
		return err
	}
	if _, err := e.pool.Exec(ctx, `update erasures set sealed_addresses = $2 where id = $1`, e.report.ID, sealed); err != nil {
		return fmt.Errorf("keeping the addresses until the end: %w", err)
	}
	return nil
}

func erasurePlace(id uuid.UUID) string { return "erasures.sealed_addresses:" + id.String() }

// learn finds the contact's addresses in what Debrief knows of the contact.
func (e *eraser) learn(ctx context.Context) error {
	if e.request.ContactID == "" {
		return nil
	}
	if err := e.learnMerges(ctx); err != nil {
		return err
	}
	rows, err := e.pool.Query(ctx, selectCRMEvent+`
		where organization_id = $1 and hub_id = $2 and object_type = 'contact' and object_id = any($3) and property in ('email', 'hs_additional_emails')`,
		e.request.OrganizationID, e.request.HubID, e.contactIDs)
	if err != nil {
		return fmt.Errorf("reading the contact's events: %w", err)
	}
	events, err := pgx.CollectRows(rows, scanCRMEvent)
	if err != nil {
		return fmt.Errorf("reading the contact's events: %w", err)
	}
	for _, event := range events {
		value, _, err := e.crmValue(e.key, event)
		if err != nil {
			return err
		}
		e.person.add(strings.Split(value, ";")...)
	}
	actions, err := e.queryActions(ctx, e.pool, `
		join connections c on c.id = a.connection_id and c.hub_id = $2
		where a.organization_id = $1 and a.object_type = 'contact' and (a.target_id = any($3) or a.record_id = any($3))`,
		e.request.OrganizationID, e.request.HubID, e.contactIDs)
	if err != nil {
		return err
	}
	for _, a := range actions {
		natural, _ := strings.CutPrefix(a.Content.NaturalKey, "email:")
		e.person.add(natural, a.Content.Properties["email"], a.Content.Before["email"])
		if a.Origin.ofMeeting() {
			e.meetings[a.Origin.ID] = true
		}
	}
	return e.eachSealed(ctx, func(_ context.Context, t sealedText) error {
		if t.column != "follow_ups.sealed_resolution" {
			return nil
		}
		var known struct {
			Contacts []struct {
				ID         string            `json:"id"`
				Properties map[string]string `json:"properties"`
			} `json:"contacts"`
		}
		if json.Unmarshal(t.plain, &known) != nil {
			return nil //nolint:nilerr // of another version: nothing to learn
		}
		for _, contact := range known.Contacts {
			if slices.Contains(e.contactIDs, contact.ID) && e.inAccount(ctx, *t.meeting) {
				e.person.add(contact.Properties["email"])
				e.person.add(strings.Split(contact.Properties["hs_additional_emails"], ";")...)
			}
		}
		return nil
	}, "follow_ups.sealed_resolution")
}

// learnMerges finds the contacts that were merged into this one: the same person.
func (e *eraser) learnMerges(ctx context.Context) error {
	rows, err := e.pool.Query(ctx, `
		with recursive ids (id) as (
		  select $3::text
		  union select unnest(m.merged_ids) from crm_events m join ids on m.object_id = ids.id
		  where m.organization_id = $1 and m.hub_id = $2 and m.object_type = 'contact' and m.kind = 'merge')
		select id from ids order by id`, e.request.OrganizationID, e.request.HubID, e.request.ContactID)
	if err != nil {
		return fmt.Errorf("reading which contacts were merged into it: %w", err)
	}
	if e.contactIDs, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return fmt.Errorf("reading which contacts were merged into it: %w", err)
	}
	return nil
}

// inAccount says whether the follow-up of a meeting is in the contact's account: an
// ID means another person in another one.
func (e *eraser) inAccount(ctx context.Context, meetingID uuid.UUID) bool {
	var is bool
	err := e.pool.QueryRow(ctx, `
		select exists (select from follow_ups f join connections c on c.id = f.connection_id where f.meeting_id = $1 and c.hub_id = $2)`,
		meetingID, e.request.HubID).Scan(&is)
	return err == nil && is
}

// sealedColumns are where words lie. $1 is the organization, $2 where the last page
// ended. What is added to the schema and holds words has to be added here.
var sealedColumns = []struct{ name, query, first string }{
	{"meetings.sealed", `
		select m.id::text, m.id, m.data_key_id, m.sealed, null::bytea from meetings m
		where m.organization_id = $1 and m.sealed is not null and m.id > $2::uuid order by m.id limit 100`, uuid.Nil.String()},
	{"events.sealed", `
		select e.id::text, e.meeting_id, m.data_key_id, e.sealed, null::bytea from events e join meetings m on m.id = e.meeting_id
		where e.organization_id = $1 and e.sealed is not null and e.id > $2::uuid order by e.id limit 100`, uuid.Nil.String()},
	{"actions.sealed", `
		select a.id::text, a.origin_id, a.data_key_id, a.sealed, null::bytea from actions a
		where a.organization_id = $1 and a.sealed is not null and a.id > $2::uuid order by a.id limit 100`, uuid.Nil.String()},
	{"approvals.sealed_edit", `
		select p.id::text, a.origin_id, a.data_key_id, p.sealed_edit, null::bytea from approvals p join actions a on a.id = p.action_id
		where p.organization_id = $1 and p.sealed_edit is not null and p.id > $2::uuid order by p.id limit 100`, uuid.Nil.String()},
	{"follow_ups.sealed_resolution", `
		select f.meeting_id::text, f.meeting_id, m.data_key_id, f.sealed_resolution, null::bytea from follow_ups f join meetings m on m.id = f.meeting_id
		where f.organization_id = $1 and f.sealed_resolution is not null and f.meeting_id > $2::uuid order by f.meeting_id limit 100`, uuid.Nil.String()},
	{"model_answers.sealed", `
		select a.id::text, a.meeting_id, m.data_key_id, a.sealed, null::bytea from model_answers a join meetings m on m.id = a.meeting_id
		where a.organization_id = $1 and a.sealed is not null and a.id > $2::uuid order by a.id limit 100`, uuid.Nil.String()},
	{"briefings.sealed", `
		select b.id::text, b.meeting_id, m.data_key_id, b.sealed, null::bytea from briefings b join meetings m on m.id = b.meeting_id
		where b.organization_id = $1 and b.sealed is not null and b.id > $2::uuid order by b.id limit 100`, uuid.Nil.String()},
	{"briefings.sealed_told", `
		select b.id::text, b.meeting_id, m.data_key_id, b.sealed_told, null::bytea from briefings b join meetings m on m.id = b.meeting_id
		where b.organization_id = $1 and b.sealed_told is not null and b.id > $2::uuid order by b.id limit 100`, uuid.Nil.String()},
	{"audit_details.sealed", `
		select d.audit_id::text, a.origin_id, d.data_key_id, d.sealed, null::bytea from audit_details d join audit a on a.id = d.audit_id
		where a.organization_id = $1 and d.sealed is not null and d.audit_id > $2::bigint order by d.audit_id limit 100`, "0"},
	{"crm_events.sealed_value", `
		select e.id::text, null::uuid, o.data_key_id, e.sealed_value, null::bytea from crm_events e join organizations o on o.id = e.organization_id
		where e.organization_id = $1 and e.sealed_value is not null and e.id > $2::uuid order by e.id limit 100`, uuid.Nil.String()},
	{"deliveries.sealed_body", `
		select d.id::text, null::uuid, d.wrapped_by, d.sealed_body, d.body_key from deliveries d
		where d.organization_id = $1 and d.sealed_body is not null and d.id > $2::uuid order by d.id limit 20`, uuid.Nil.String()},
	{"deliveries.sealed_fetched", `
		select d.id::text, null::uuid, d.wrapped_by, d.sealed_fetched, d.body_key from deliveries d
		where d.organization_id = $1 and d.sealed_fetched is not null and d.id > $2::uuid order by d.id limit 20`, uuid.Nil.String()},
}

// eachSealed opens everything that the organization has sealed, or only some
// columns of it. What can't be opened any more is erased.
func (e *eraser) eachSealed(ctx context.Context, each func(context.Context, sealedText) error, only ...string) error {
	type row struct {
		text            sealedText
		key             *uuid.UUID
		sealed, bodyKey []byte
	}
	for _, c := range sealedColumns {
		if len(only) > 0 && !slices.Contains(only, c.name) {
			continue
		}
		for last := c.first; ; {
			rows, err := e.pool.Query(ctx, c.query, e.request.OrganizationID, last)
			if err != nil {
				return fmt.Errorf("reading %s: %w", c.name, err)
			}
			page, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (row, error) {
				out := row{text: sealedText{column: c.name}}
				err := r.Scan(&out.text.id, &out.text.meeting, &out.key, &out.sealed, &out.bodyKey)
				return out, err
			})
			if err != nil {
				return fmt.Errorf("reading %s: %w", c.name, err)
			}
			if len(page) == 0 {
				break
			}
			for _, r := range page {
				key, err := e.dataKey(ctx, e.pool, r.key)
				if err == nil && r.bodyKey != nil {
					key, err = key.UnwrapKey(r.bodyKey, "deliveries.body_key:"+r.text.id)
				}
				if errors.Is(err, ErrErased) {
					continue
				}
				if err != nil {
					return fmt.Errorf("opening %s %s: %w", c.name, r.text.id, err)
				}
				if r.text.plain, err = key.Open(r.sealed, c.name+":"+r.text.id); err != nil {
					return fmt.Errorf("opening %s %s: %w", c.name, r.text.id, err)
				}
				if err := each(ctx, r.text); err != nil {
					return err
				}
			}
			last = page[len(page)-1].text.id
		}
	}
	return nil
}

// find notes where the person is.
func (e *eraser) find(ctx context.Context, t sealedText) error {
	if !e.person.in(t.plain) {
		return nil
	}
	switch t.column {
	case "meetings.sealed", "events.sealed", "follow_ups.sealed_resolution", "model_answers.sealed":
		e.meetings[*t.meeting] = true
		return nil
	case "actions.sealed", "approvals.sealed_edit", "audit_details.sealed":
		if t.meeting != nil {
			var is bool
			if err := e.pool.QueryRow(ctx, `select exists (select from meetings where id = $1 and sealed is not null)`, *t.meeting).Scan(&is); err != nil {
				return fmt.Errorf("asking for the meeting of %s: %w", t.column, err)
			}
			if is {
				e.meetings[*t.meeting] = true
				return nil
			}
		}
	}
	t.plain = nil
	e.texts = append(e.texts, t)
	return nil
}

func (e *eraser) prove(_ context.Context, t sealedText) error {
	e.report.Searched++
	if e.person.in(t.plain) {
		e.report.Left = append(e.report.Left, t.column+" "+t.id)
	}
	return nil
}

// dropTexts drops what belongs to no meeting, and what names the contact by ID.
func (e *eraser) dropTexts(ctx context.Context) error {
	drop := func(sql string, args ...any) error {
		tag, err := e.pool.Exec(ctx, sql, args...)
		if err != nil {
			return fmt.Errorf("dropping what names the person: %w", err)
		}
		e.report.Texts += int(tag.RowsAffected())
		return nil
	}
	for _, t := range e.texts {
		var err error
		switch t.column {
		case "deliveries.sealed_body", "deliveries.sealed_fetched":
			// One that is not understood yet would be lost: it is found again when it is.
			// But nobody knows when that will be while the platform refuses the source's
			// credentials, and the person does not wait for that.
			err = drop(`
				update deliveries d set sealed_body = null, sealed_fetched = null, body_key = null,
				  state = case d.state when 'fetching' then 'excluded' else d.state end,
				  reason = case d.state when 'fetching' then 'a person that it names was erased before the platform could be asked' else d.reason end
				from sources s
				where s.id = d.source_id and d.id = $1::uuid and d.state <> 'received' and (d.state <> 'fetching' or s.api_refused_at is not null)
				  and d.sealed_body is not null`, t.id)
		case "crm_events.sealed_value":
			err = drop(`update crm_events set sealed_value = null where id = $1::uuid`, t.id)
		case "audit_details.sealed":
			id, convert := strconv.ParseInt(t.id, 10, 64)
			if convert != nil {
				return fmt.Errorf("reading the number of an audit row: %w", convert)
			}
			err = drop(`update audit_details set sealed = null where audit_id = $1`, id)
		case "briefings.sealed", "briefings.sealed_told":
			// It is made anew, if the meeting is still to come.
			err = drop(`update briefings set sealed = null, sealed_told = null, `+changedAgain+` where id = $1::uuid and (sealed is not null or sealed_told is not null)`, t.id)
		case "approvals.sealed_edit":
			err = drop(`update approvals set sealed_edit = null where id = $1::uuid`, t.id)
		case "actions.sealed":
			err = drop(`update actions set sealed = null where id = $1::uuid and state not in ('asking', 'ready', 'writing', 'unknown')`, t.id)
		}
		if err != nil {
			return err
		}
	}
	if e.request.ContactID == "" {
		return nil
	}
	if err := drop(`
		update crm_events set sealed_value = null
		where organization_id = $1 and hub_id = $2 and object_type = 'contact' and object_id = any($3) and sealed_value is not null`,
		e.request.OrganizationID, e.request.HubID, e.contactIDs); err != nil {
		return err
	}
	if err := drop(`
		update briefings b set sealed = null, sealed_told = null, `+changedAgain+` where id in (
		  select id from briefings where (sealed is not null or sealed_told is not null) and id in (
		    select briefing_id from briefing_records where organization_id = $1 and hub_id = $2 and object_type = 'contact' and record_id = any($3))
		  order by id for no key update)`,
		e.request.OrganizationID, e.request.HubID, e.contactIDs); err != nil {
		return err
	}
	if _, err := e.pool.Exec(ctx, `
		delete from briefing_records where organization_id = $1 and hub_id = $2 and object_type = 'contact' and record_id = any($3)`,
		e.request.OrganizationID, e.request.HubID, e.contactIDs); err != nil {
		return fmt.Errorf("dropping which briefs were made of the contact: %w", err)
	}
	if _, err := e.pool.Exec(ctx, `
		delete from follow_up_records r using follow_ups f, connections c
		where r.meeting_id = f.meeting_id and c.id = f.connection_id and r.organization_id = $1 and c.hub_id = $2 and r.object_type = 'contact' and r.record_id = any($3)`,
		e.request.OrganizationID, e.request.HubID, e.contactIDs); err != nil {
		return fmt.Errorf("dropping which meetings knew the contact: %w", err)
	}
	return drop(`
		update audit_details d set sealed = null from audit a join connections c on c.id = a.connection_id
		where d.audit_id = a.id and a.organization_id = $1 and c.hub_id = $2 and a.object_type = 'contact' and a.record_id = any($3) and d.sealed is not null`,
		e.request.OrganizationID, e.request.HubID, e.contactIDs)
}

// finish records what was done; only where the person is found nowhere any more, as
// done.
func (e *eraser) finish(ctx context.Context) error {
	done := len(e.report.Left) == 0
	err := e.inTx(ctx, func(tx pgx.Tx) error {
		if done {
			now := time.Now().UTC()
			e.report.DoneAt = &now
		}
		raw, err := json.Marshal(e.report)
		if err != nil {
			return fmt.Errorf("encoding the report: %w", err)
		}
		if _, err := tx.Exec(ctx, `
			update erasures set report = $2, done_at = $3, sealed_addresses = case when $3::timestamptz is null then sealed_addresses end where id = $1`,
			e.report.ID, raw, e.report.DoneAt); err != nil {
			return fmt.Errorf("storing the report: %w", err)
		}
		if !done {
			return nil
		}
		if _, err := tx.Exec(ctx, `
			update crm_events set state = 'done', outcome = $4, settled_at = now()
			where organization_id = $1 and hub_id = $2 and object_type = 'contact' and object_id = $3 and kind = 'privacyDeletion' and state = 'received'`,
			e.request.OrganizationID, e.request.HubID, e.request.ContactID, "erasure "+e.report.ID.String()); err != nil {
			return fmt.Errorf("settling the event: %w", err)
		}
		return e.audit(ctx, tx, AuditEntry{
			OrganizationID: e.request.OrganizationID, Kind: AuditVisibility, Actor: e.actor, RecordID: e.request.ContactID,
			Reason: fmt.Sprintf("person erased: %d meetings erased, %d without them, %d other texts; nothing found in %d sealed texts afterwards (erasure %s)",
				e.report.MeetingsErased, e.report.MeetingsRedacted, e.report.Texts, e.report.Searched, e.report.ID),
		})
	})
	if err != nil {
		return err
	}
	if !done {
		return fmt.Errorf("%d places: %w", len(e.report.Left), ErrErasureUnfinished)
	}
	return nil
}

// Erasures lists who was to be forgotten, newest first, at most limit.
func (s *Store) Erasures(ctx context.Context, organizationID uuid.UUID, limit int) ([]Erasure, error) {
	rows, err := s.pool.Query(ctx, `
		select id, hub_id, contact_id, report, begun_at, done_at, (select count(*) from erased_histories h where h.erasure_id = erasures.id)
		from erasures where organization_id = $1 order by begun_at desc limit $2`, organizationID, limit)
	if err != nil {
		return nil, fmt.Errorf("listing erasures: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Erasure, error) {
		var e Erasure
		var report []byte
		var hub int64
		var id uuid.UUID
		var contact string
		var begun time.Time
		var done *time.Time
		var histories int
		if err := row.Scan(&id, &hub, &contact, &report, &begun, &done, &histories); err != nil {
			return e, err
		}
		if err := json.Unmarshal(report, &e); err != nil {
			return e, errors.New("decoding the report of an erasure")
		}
		e.ID, e.HubID, e.ContactID, e.BegunAt, e.DoneAt, e.HistoriesLeft = id, hub, contact, begun, done, histories
		return e, nil
	})
}
