package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/vault"
)

// MostCreations is how many records that others created are read at once: a batch.
const MostCreations = hubspot.MaxBatch

// Creations are the records of one type that others created in an account while
// somebody is asked whether Debrief should create one of that type.
type Creations struct {
	// IDs of the records, the longest known first; at most [MostCreations].
	IDs []string
	// ConnectionID is what they can be read through; nil if nothing is connected, and
	// then nobody waits.
	ConnectionID *uuid.UUID
}

// LikenessProperties are what a record is recognized by: a contact by its address, a
// company by its domain, deals and tickets by their names.
func LikenessProperties(object string) []string {
	return map[string][]string{
		"contact": {"email", "hs_additional_emails"}, "company": {"domain"}, "deal": {"dealname"}, "ticket": {"subject"},
	}[object]
}

const waitingCreate = `
	select from actions a where a.organization_id = $1 and a.object_type = $3 and a.operation = 'create' and a.state in ('asking', 'ready')
	and a.likeness_mac is not null and a.may_exist_since is null and a.connection_id = c.id`

// isWaitedFor says whether a create of the record's type waits in its account.
func isWaitedFor(ctx context.Context, q querier, r CRMRecord) (is bool, err error) {
	err = q.QueryRow(ctx, `
		select exists (select from connections c where c.organization_id = $1 and c.hub_id = $2 and exists (`+waitingCreate+`))`,
		r.OrganizationID, r.HubID, r.Object).Scan(&is)
	if err != nil {
		return false, fmt.Errorf("asking what waits for a new %s: %w", r.Object, err)
	}
	return is, nil
}

// CreationsToMeet returns what has to be read of a record's account: the creations of
// its type that wait, its own among them.
func (s *Store) CreationsToMeet(ctx context.Context, r CRMRecord) (Creations, error) {
	var out Creations
	var id uuid.UUID
	err := s.pool.QueryRow(ctx, `
		select c.id from connections c where c.organization_id = $1 and c.hub_id = $2 and c.state = 'connected' and exists (`+waitingCreate+`)
		order by c.is_user_level, c.id limit 1`, r.OrganizationID, r.HubID, r.Object).Scan(&id)
	switch {
	case err == nil:
		out.ConnectionID = &id
	case !errors.Is(err, pgx.ErrNoRows):
		return out, fmt.Errorf("looking for what a new %s can be read through: %w", r.Object, err)
	}
	rows, err := s.pool.Query(ctx, `
		select object_id from crm_events
		where organization_id = $1 and hub_id = $2 and object_type = $3 and kind = $4 and state = 'received' and object_id <> ''
		group by object_id order by object_id <> $5, min(received_at), object_id limit $6`,
		r.OrganizationID, r.HubID, r.Object, hubspot.EventCreation, r.ID, MostCreations)
	if err != nil {
		return out, fmt.Errorf("reading what was created: %w", err)
	}
	if out.IDs, err = pgx.CollectRows(rows, pgx.RowTo[string]); err != nil {
		return out, fmt.Errorf("reading what was created: %w", err)
	}
	return out, nil
}

// MeetCreations deals with records that others created: whoever waits to create one
// like it plans anew, with the record that there is now. properties are what was
// read of the records, by ID; a record that is not among them is gone again, or may
// not be read. The events of each are settled in its transaction, with that reason
// unless it is empty.
func (s *Store) MeetCreations(ctx context.Context, r CRMRecord, ids []string, properties map[string]map[string]string, reason string) (CRMFollowed, error) {
	var out CRMFollowed
	// One by one: each locks the follow-ups that wait for it in their order, and all
	// together would lock them in none.
	for _, id := range slices.Sorted(slices.Values(ids)) {
		record := r
		record.ID = id
		var met CRMFollowed
		err := s.inTx(ctx, func(tx pgx.Tx) error {
			key, err := s.organizationKey(ctx, tx, r.OrganizationID)
			if err != nil {
				return err
			}
			if met, err = s.meetRecord(ctx, tx, key, record, likenesses(r.Object, properties[id])); err != nil {
				return err
			}
			outcome := reason
			switch {
			case outcome != "":
			case met.Planned > 0:
				outcome = fmt.Sprintf("somebody was asked whether to create it: follow-ups that plan anew: %d", met.Planned)
			default:
				outcome = "nothing waited for it"
			}
			tag, err := tx.Exec(ctx, `
				update crm_events set state = 'done', outcome = $6, settled_at = now()
				where organization_id = $1 and hub_id = $2 and object_type = $3 and object_id = $4 and kind = $5 and state = 'received'`,
				r.OrganizationID, r.HubID, r.Object, id, hubspot.EventCreation, outcome)
			if err != nil {
				return fmt.Errorf("settling its events: %w", err)
			}
			met.Events = int(tag.RowsAffected())
			return nil
		})
		if err != nil {
			return CRMFollowed{}, fmt.Errorf("meeting new %s records of HubSpot account %d: %w", r.Object, r.HubID, err)
		}
		out.add(met)
		out.Events += met.Events
	}
	return out, nil
}

// likenesses are all that a record may be recognized by.
func likenesses(object string, properties map[string]string) []string {
	var all []string
	if is := likeness(object, properties); is != "" {
		all = append(all, is)
	}
	if object == "contact" {
		for _, email := range hubspot.SplitMulti(properties["hs_additional_emails"]) {
			if is := likeness(object, map[string]string{"email": email}); is != "" {
				all = append(all, is)
			}
		}
	}
	return all
}

// meetRecord has every follow-up plan anew that waits to create a record like this
// one, in this account.
func (s *Store) meetRecord(ctx context.Context, tx pgx.Tx, key *vault.DataKey, r CRMRecord, like []string) (out CRMFollowed, err error) {
	if len(like) == 0 {
		return out, nil
	}
	macs := make([][]byte, 0, len(like))
	for _, l := range like {
		macs = append(macs, likenessOf(key, l))
	}
	rows, err := tx.Query(ctx, `
		select distinct a.origin_id from actions a join connections c on c.id = a.connection_id and c.hub_id = $2
		where a.organization_id = $1 and a.object_type = $3 and a.operation = 'create' and a.state in ('asking', 'ready')
		  and a.likeness_mac = any($4) and a.may_exist_since is null and a.origin_kind = 'meeting' order by 1`, r.OrganizationID, r.HubID, r.Object, macs)
	if err != nil {
		return out, fmt.Errorf("looking for who waits for it: %w", err)
	}
	waiting, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return out, fmt.Errorf("looking for who waits for it: %w", err)
	}
	for _, meetingID := range waiting {
		f, err := s.lockFollowUp(ctx, tx, r.OrganizationID, meetingID)
		if err != nil {
			return out, err
		}
		planned, err := s.planAnew(ctx, tx, f, r.ID, fmt.Sprintf("the %s is in HubSpot by now, created by somebody else", r.Object))
		if err != nil {
			return out, err
		}
		if !planned {
			continue
		}
		out.Planned++
		if _, err := tx.Exec(ctx, `
			insert into follow_up_records (meeting_id, organization_id, object_type, record_id, told) values ($1, $2, $3, $4, true)
			on conflict (meeting_id, object_type, record_id) do update set told = true`, meetingID, r.OrganizationID, bounded(r.Object), bounded(r.ID)); err != nil {
			return out, fmt.Errorf("noting the new record: %w", err)
		}
	}
	return out, nil
}
