package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/hubspot"
)

// crmOrigin is how HubSpot told an event.
type crmOrigin string

const (
	crmByWebhook crmOrigin = "webhook"
	crmByJournal crmOrigin = "journal"
)

// crmTwice is how far the times may lie apart that webhook and journal give one
// event: HubSpot gives milliseconds to the one, and does not say what to the other.
const crmTwice = 2 * time.Second

// JournalCRM puts what the journal of an app tells of records where webhooks put
// it, in one transaction: for the app's organization, of accounts that it has a
// connection to by that app. What a webhook told already is there. It says how many
// events wait for their workflow.
func (s *Store) JournalCRM(ctx context.Context, app App, events []hubspot.WebhookEvent) (waiting int, err error) {
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		waiting = 0
		routes, err := s.crmRoutes(ctx, tx, events, &app.OrganizationID)
		if err != nil {
			return err
		}
		var touched touchedRecords
		for _, e := range events {
			for _, r := range routes[e.HubID] {
				waits, err := s.insertCRMEvent(ctx, tx, r, crmByJournal, e)
				if err != nil {
					return err
				}
				touched.add(r.organization, e)
				if waits {
					waiting++
				}
			}
		}
		return touched.mark(ctx, tx)
	})
	if err != nil {
		return 0, fmt.Errorf("keeping what the journal of app %s tells: %w", app.ID, err)
	}
	return waiting, nil
}

// toldOtherwise says whether the other of HubSpot's two ways told the event
// already, at nearly the same time. Exactly the same one has the same key, and what
// one way tells twice has one each.
func (s *Store) toldOtherwise(ctx context.Context, tx pgx.Tx, r crmRoute, origin crmOrigin, e hubspot.WebhookEvent, merged []string) (bool, error) {
	if e.OccurredAt.IsZero() || e.Kind == hubspot.EventAssociationChange {
		return false, nil // nothing follows from links
	}
	object, record := crmRecordOf(e)
	rows, err := tx.Query(ctx, selectCRMEvent+`
		where organization_id = $1 and hub_id = $2 and object_type = $3 and object_id = $4 and kind = $5 and property = $6 and origin <> $7
		  and occurred_at between $8::timestamptz - $9::interval and $8::timestamptz + $9::interval`,
		r.organization, e.HubID, bounded(object), bounded(record), bounded(e.Kind), bounded(e.PropertyName), string(origin), e.OccurredAt, crmTwice)
	if err != nil {
		return false, fmt.Errorf("looking whether it was told: %w", err)
	}
	others, err := pgx.CollectRows(rows, scanCRMEvent)
	if err != nil {
		return false, fmt.Errorf("looking whether it was told: %w", err)
	}
	for _, other := range others {
		switch e.Kind {
		case hubspot.EventPropertyChange:
			value, ok, err := s.crmValue(r.key, other)
			if err != nil {
				return false, err
			}
			if !ok || value != e.PropertyValue {
				return false, nil // which of several changes it was can't be told
			}
		case hubspot.EventMerge:
			// The journal may not say which records were merged away.
			if slices.ContainsFunc(merged, func(id string) bool { return !slices.Contains(other.MergedIDs, id) }) {
				return false, nil
			}
		}
	}
	return len(others) > 0, nil
}

// JournalAccounts are the accounts of an app's connections whose changes its
// journal was not asked to tell since the connection was granted, or for so long; at
// most limit of them.
func (s *Store) JournalAccounts(ctx context.Context, appID uuid.UUID, again time.Duration, limit int) ([]int64, error) {
	rows, err := s.pool.Query(ctx, `
		select distinct hub_id from connections
		where app_id = $1 and hub_id <> 0 and state not in ('revoked', 'uninstalled')
		  and (journal_subscribed_at is null or journal_subscribed_at < greatest(created_at, granted_at) or journal_subscribed_at < now() - $2::interval)
		order by 1 limit $3`, appID, again, limit)
	if err != nil {
		return nil, fmt.Errorf("reading the accounts of app %s: %w", appID, err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// JournalSubscribed records that an app's journal tells of an account's records,
// or what it does not tell.
func (s *Store) JournalSubscribed(ctx context.Context, appID uuid.UUID, hubID int64, problem string) error {
	_, err := s.pool.Exec(ctx, `update connections set journal_subscribed_at = now(), journal_problem = $3 where app_id = $1 and hub_id = $2`,
		appID, hubID, problem)
	if err != nil {
		return fmt.Errorf("recording what the journal of app %s tells: %w", appID, err)
	}
	return nil
}

// JournalMissed deals with a time of which the journal of an app tells nothing any
// more: nobody knows what happened to records then. Open follow-ups in its accounts
// plan anew, from what HubSpot has now, and the trail says why.
func (s *Store) JournalMissed(ctx context.Context, app App, from, to time.Time) error {
	why := fmt.Sprintf("HubSpot's journal was not read from %s to %s, and no longer tells of the beginning",
		from.UTC().Format(time.DateTime), to.UTC().Format(time.DateTime))
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `
			with open as materialized (
			  select f.meeting_id from follow_ups f join connections c on c.id = f.connection_id
			  where c.app_id = $1 and f.organization_id = $2 and f.state = 'open' and f.planned_version > 0 order by f.meeting_id for update of f)
			update follow_ups f set answers = answers + 1 from open where open.meeting_id = f.meeting_id
			returning f.meeting_id`, app.ID, app.OrganizationID)
		if err != nil {
			return err
		}
		open, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		if err != nil {
			return err
		}
		for _, meetingID := range open {
			if err := s.wake(ctx, tx, app.OrganizationID, meetingID, "HubSpot's journal has a gap"); err != nil {
				return err
			}
		}
		return s.audit(ctx, tx, AuditEntry{
			OrganizationID: app.OrganizationID, Kind: AuditConnection, Actor: Actor{Name: "HubSpot's journal"},
			Reason: fmt.Sprintf("%s: %d open follow-ups plan anew", why, len(open)),
		})
	})
	if err != nil {
		return fmt.Errorf("dealing with a gap in the journal of app %s: %w", app.ID, err)
	}
	return nil
}
