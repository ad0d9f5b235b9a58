package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/vault"
)

// RecordRef names a record of the account that a follow-up works in.
type RecordRef struct {
	Object string `json:"object"`
	ID     string `json:"id"`
}

// listRecords keeps which records a follow-up knows: those that its plan was made
// from, and those that the plan changes or links. Only what differs from the list
// before is written.
func listRecords(ctx context.Context, tx pgx.Tx, f *followUp, p Plan) error {
	planned := map[RecordRef]bool{}
	list := func(object, id string, is bool) {
		if ref := (RecordRef{bounded(object), bounded(id)}); ref.ID != "" {
			planned[ref] = planned[ref] || is
		}
	}
	for _, r := range p.Records {
		list(r.Object, r.ID, false)
	}
	for _, d := range p.Drafts {
		list(d.Tool.Object, d.TargetID, true)
		for _, ref := range d.Content.Associations {
			list(ref.Object, ref.RecordID, true)
		}
		for _, c := range d.Content.Candidates {
			list(d.Content.CandidateObject(d.Tool), c.ID, false)
		}
	}
	objects, ids, is := make([]string, 0, len(planned)), make([]string, 0, len(planned)), make([]bool, 0, len(planned))
	for ref, yes := range planned {
		objects, ids, is = append(objects, ref.Object), append(ids, ref.ID), append(is, yes)
	}
	// What an earlier round wrote is drafted no more, and is planned all the same.
	_, err := tx.Exec(ctx, `
		with listed as (select * from unnest($3::text[], $4::text[], $5::boolean[]) as l (object_type, record_id, planned)),
		gone as (
		  delete from follow_up_records r where r.meeting_id = $1 and not r.planned
		  and not exists (select from listed l where l.object_type = r.object_type and l.record_id = r.record_id))
		insert into follow_up_records as r (meeting_id, organization_id, object_type, record_id, planned)
		select $1, $2, object_type, record_id, planned from listed
		on conflict (meeting_id, object_type, record_id) do update set planned = r.planned or excluded.planned, told = false
		where r.told or r.planned < excluded.planned`, f.meetingID, f.organizationID, objects, ids, is)
	if err != nil {
		return fmt.Errorf("listing the records that it knows: %w", err)
	}
	if _, err := tx.Exec(ctx, `update follow_ups set records_listed = true where meeting_id = $1 and not records_listed`, f.meetingID); err != nil {
		return fmt.Errorf("listing the records that it knows: %w", err)
	}
	return nil
}

// likeness is what a record would be recognized by that an action wants to create:
// empty if by nothing.
func likeness(object string, properties map[string]string) string {
	name := map[string]string{"contact": "email", "company": "domain", "deal": "dealname", "ticket": "subject"}[object]
	value := strings.ToLower(strings.TrimSpace(properties[name]))
	if object == "company" {
		value = strings.TrimPrefix(value, "www.")
	}
	if value == "" {
		return ""
	}
	return object + "." + name + ":" + value
}

// likenessMAC is the keyed hash of the likeness of what an action creates; nil if it
// creates nothing that could be recognized.
func (s *Store) likenessMAC(ctx context.Context, q querier, a *Action) ([]byte, error) {
	if a.Tool.Operation != policy.Create {
		return nil, nil
	}
	is := likeness(a.Tool.Object, a.Content.Properties)
	if is == "" {
		return nil, nil
	}
	key, err := s.organizationKey(ctx, q, a.OrganizationID)
	if err != nil {
		return nil, err
	}
	return likenessOf(key, is), nil
}

func likenessOf(organizationKey *vault.DataKey, is string) []byte {
	return organizationKey.MAC([]byte("likeness:" + is))
}

// ToldRecords are the records of which HubSpot told that they were created, and
// that the next plan of a meeting's follow-up should read by their IDs.
func (s *Store) ToldRecords(ctx context.Context, organizationID, meetingID uuid.UUID) ([]RecordRef, error) {
	rows, err := s.pool.Query(ctx, `
		select object_type, record_id from follow_up_records where organization_id = $1 and meeting_id = $2 and told order by 1, 2`, organizationID, meetingID)
	if err != nil {
		return nil, fmt.Errorf("reading what HubSpot told meeting %s of: %w", meetingID, err)
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[RecordRef])
}
