package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/vault"
)

// errPreview ends a transaction that must leave nothing behind.
var errPreview = errors.New("only a preview")

// PreviewUnderstood says what [Store.Understood] would do with a delivery if it
// came now, whatever its verdict is, and changes nothing. The meetings of a
// preview that are not there yet have IDs that mean nothing.
func (s *Store) PreviewUnderstood(ctx context.Context, deliveryID, organizationID uuid.UUID, events []meeting.Event) (Understanding, error) {
	var u *understanding
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `update deliveries set state = 'received' where id = $1`, deliveryID); err != nil {
			return err
		}
		u = &understanding{Store: s, tx: tx, organizationID: organizationID, deliveryID: deliveryID}
		if err := u.run(ctx, events); err != nil {
			return err
		}
		return errPreview
	})
	if !errors.Is(err, errPreview) {
		return Understanding{}, fmt.Errorf("previewing delivery %s: %w", deliveryID, err)
	}
	return u.out, nil
}

// ResumeDelivery has a delivery looked at again, and the follow-ups of its
// meetings with it: what is missing is done, and what stands changes nothing. One
// whose body was dropped can't be read again: it fails with [ErrErased].
func (s *Store) ResumeDelivery(ctx context.Context, id uuid.UUID, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		organizationID, err := replayable(ctx, tx, id)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			update deliveries set state = 'received', reason = '', attempts = 0, next_attempt_at = now() where id = $1`, id); err != nil {
			return err
		}
		// A meeting that does not change wakes nobody, and what it began may have
		// got lost. Only where something was begun, or would have been.
		rows, err := tx.Query(ctx, `
			select distinct k.organization_id, k.id from events e join meetings m on m.id = e.meeting_id
			join meetings k on k.id = coalesce(m.merged_into, m.id)
			where e.delivery_id = $1 and k.first_word_at is not null and k.erased_at is null`, id)
		if err != nil {
			return err
		}
		type met struct{ organizationID, id uuid.UUID }
		meetings, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m met, err error) {
			err = row.Scan(&m.organizationID, &m.id)
			return m, err
		})
		if err != nil {
			return err
		}
		for _, m := range meetings {
			if err := s.wake(ctx, tx, m.organizationID, m.id, "replayed"); err != nil {
				return err
			}
		}
		return s.auditReplay(ctx, tx, organizationID, id, actor, "delivery replayed: what is missing is done")
	})
	if err != nil {
		return fmt.Errorf("replaying delivery %s: %w", id, err)
	}
	return nil
}

// RedoDelivery puts a copy of a delivery beside it that is understood as if
// nothing of it had ever come: the copies of one redo find each other, and no
// other meeting, so that a new meeting with a follow-up of its own comes out of
// them. What was written for the first is not looked at: this is the one way to
// have an event twice, and the trail says who wanted it. The same redo makes no
// second copy, so one that broke off can go on.
func (s *Store) RedoDelivery(ctx context.Context, id, redo uuid.UUID, actor Actor) (copied uuid.UUID, err error) {
	if redo == uuid.Nil {
		return uuid.Nil, errors.New("doing a delivery as new: the redo has no name")
	}
	copied = newID()
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		organizationID, err := replayable(ctx, tx, id)
		if err != nil {
			return err
		}
		var sealed, sealedFetched, wrapped []byte
		var wrappedBy *uuid.UUID
		var sourceKeyID uuid.UUID
		err = tx.QueryRow(ctx, `
			select d.sealed_body, d.sealed_fetched, d.body_key, d.wrapped_by, s.data_key_id from deliveries d join sources s on s.id = d.source_id where d.id = $1`, id).
			Scan(&sealed, &sealedFetched, &wrapped, &wrappedBy, &sourceKeyID)
		if err != nil {
			return fmt.Errorf("reading it: %w", err)
		}
		key, err := s.bodyKey(ctx, tx, id, wrapped, wrappedBy)
		if err != nil {
			return err
		}
		body, err := key.Open(sealed, bodyPlace(id))
		if err != nil {
			return err
		}
		sourceKey, err := s.dataKey(ctx, tx, &sourceKeyID)
		if err != nil {
			return err
		}
		var copiedKey *vault.DataKey
		if copiedKey, sealed, wrapped, err = sealBody(sourceKey, copied, body); err != nil {
			return err
		}
		if sealedFetched != nil {
			// What the platform's API told stays what it told.
			fetched, err := key.Open(sealedFetched, fetchedPlace(id))
			if err != nil {
				return err
			}
			if sealedFetched, err = copiedKey.Seal(fetched, fetchedPlace(copied)); err != nil {
				return err
			}
		}
		tag, err := tx.Exec(ctx, `
			insert into deliveries (id, source_id, organization_id, dedupe_key, body_mac, received_at, headers, size_bytes, body_key, wrapped_by, sealed_body, redo_id, origin, sealed_fetched, fetched_at)
			select $2, source_id, organization_id, 'redo:' || $3::uuid::text || ':' || dedupe_key, body_mac, now(), headers, size_bytes, $4, $5, $6, $3::uuid, origin, $7, fetched_at
			from deliveries where id = $1
			on conflict (source_id, dedupe_key, body_mac) do nothing`, id, copied, redo, wrapped, sourceKeyID, sealed, sealedFetched)
		if err != nil || tag.RowsAffected() == 0 {
			copied = uuid.Nil
			return err
		}
		return s.auditReplay(ctx, tx, organizationID, id, actor, "delivery done as new, as "+copied.String())
	})
	if err != nil {
		return uuid.Nil, fmt.Errorf("doing delivery %s as new: %w", id, err)
	}
	return copied, nil
}

// replayable locks a delivery and says whose it is, uuid.Nil for nobody's.
func replayable(ctx context.Context, tx pgx.Tx, id uuid.UUID) (uuid.UUID, error) {
	var organizationID *uuid.UUID
	var kept bool
	err := tx.QueryRow(ctx, `select organization_id, sealed_body is not null and body_key is not null from deliveries where id = $1 for update`, id).
		Scan(&organizationID, &kept)
	if err := notFound(err, "reading it"); err != nil {
		return uuid.Nil, err
	}
	if !kept {
		return uuid.Nil, ErrErased
	}
	if organizationID == nil {
		return uuid.Nil, nil
	}
	return *organizationID, nil
}

// auditReplay writes the trail of a replay; nobody's deliveries have none.
func (s *Store) auditReplay(ctx context.Context, tx pgx.Tx, organizationID, id uuid.UUID, actor Actor, what string) error {
	if organizationID == uuid.Nil {
		return nil
	}
	return s.audit(ctx, tx, AuditEntry{OrganizationID: organizationID, Kind: AuditSource, Actor: actor, RecordID: id.String(), Reason: what})
}

// sealBody seals a delivery's body with a key of its own, wrapped by its source's.
func sealBody(sourceKey *vault.DataKey, id uuid.UUID, body []byte) (key *vault.DataKey, sealed, wrapped []byte, err error) {
	if key, err = vault.NewDataKey(); err != nil {
		return nil, nil, nil, err
	}
	if sealed, err = key.Seal(body, bodyPlace(id)); err != nil {
		return nil, nil, nil, err
	}
	wrapped, err = sourceKey.WrapKey(key, bodyKeyPlace(id))
	return key, sealed, wrapped, err
}

// prunedAtOnce bounds how many rows one statement changes.
const prunedAtOnce = 1000

// PrunePayloads drops what was received before a time, of one organization or,
// with the zero ID, of none, and says how many bodies were dropped: up to a
// thousand at once, so it is called until there are fewer. The envelopes, the
// verdicts and the meetings stay. What is not understood yet is kept.
func (s *Store) PrunePayloads(ctx context.Context, organizationID uuid.UUID, before time.Time) (int, error) {
	tag, err := s.pool.Exec(ctx, `
		update deliveries set sealed_body = null, sealed_fetched = null, body_key = null where id in (
		  select d.id from deliveries d`+ofOrganization(organizationID)+`
		  and d.received_at < $2 and d.sealed_body is not null and d.state not in ('received', 'fetching')
		  order by d.received_at limit $3 for update skip locked)`, nullID(organizationID), before, prunedAtOnce)
	if err != nil {
		return 0, fmt.Errorf("dropping old payloads: %w", err)
	}
	return int(tag.RowsAffected()), nil
}

// keepPayloads is how long bodies are kept where nobody has said otherwise.
const keepPayloads = 90 * 24 * time.Hour

// PruneAllPayloads drops what every organization's settings say is old at that
// time, and of what belongs to nobody what is older than the default. It returns
// how many bodies were dropped.
func (s *Store) PruneAllPayloads(ctx context.Context, now time.Time) (dropped int, err error) {
	all, err := s.Organizations(ctx)
	if err != nil {
		return 0, err
	}
	for _, o := range append(all, Organization{}) {
		keep := o.Settings.KeepPayloads.Or(keepPayloads)
		if keep < 0 {
			continue
		}
		for {
			n, err := s.PrunePayloads(ctx, o.ID, now.Add(-keep))
			if dropped += n; err != nil {
				return dropped, err
			}
			if n < prunedAtOnce {
				break
			}
		}
	}
	return dropped, nil
}
