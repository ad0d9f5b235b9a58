package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// SourceAPI is how a source stands with its platform's API.
type SourceAPI struct {
	// CredentialsAt is when its credentials were set; nil where there are none.
	CredentialsAt *time.Time `json:"credentials_at,omitempty"`
	// RefusedAt is since when the platform refuses them, and Problem says it.
	RefusedAt *time.Time `json:"refused_at,omitempty"`
	Problem   string     `json:"problem,omitempty"`
}

// State is "", "set" or "refused".
func (a SourceAPI) State() string {
	switch {
	case a.CredentialsAt == nil:
		return ""
	case a.RefusedAt != nil:
		return "refused"
	default:
		return "set"
	}
}

func sourceCredentialsPlace(id uuid.UUID) string { return "sources.sealed_credentials:" + id.String() }

func fetchedPlace(id uuid.UUID) string { return "deliveries.sealed_fetched:" + id.String() }

// SetSourceCredentials replaces what a source needs for its platform's API; none
// removes it. Whether they fit the platform is for the platform to say, before.
// What waits for them is looked at again.
func (s *Store) SetSourceCredentials(ctx context.Context, id uuid.UUID, credentials map[string]Secret, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		src, err := s.source(ctx, tx, selectSource+` where id = $1 for update`, id)
		if err != nil {
			return err
		}
		sealed, err := s.sealCredentials(id, credentials)
		if err != nil {
			return err
		}
		what := "API credentials set"
		if sealed == nil {
			what = "API credentials removed"
		}
		if _, err := tx.Exec(ctx, `
			update sources set sealed_credentials = $2, credentials_at = case when $2::bytea is not null then clock_timestamp() end,
			  api_refused_at = null, api_asked_at = null, api_problem = '', api_next_at = '-infinity'
			where id = $1`, id, sealed); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update deliveries set next_attempt_at = now() where source_id = $1 and state = 'fetching'`, id); err != nil {
			return err
		}
		if err := askUpkeep(ctx, tx, id); err != nil {
			return err
		}
		return s.auditSource(ctx, tx, src, actor, what)
	})
	if err != nil {
		return fmt.Errorf("setting the API credentials of source %s: %w", id, err)
	}
	return nil
}

func (s *Store) sealCredentials(id uuid.UUID, credentials map[string]Secret) ([]byte, error) {
	if len(credentials) == 0 {
		return nil, nil
	}
	plain := map[string]string{}
	for name, value := range credentials {
		plain[name] = value.Reveal()
	}
	raw, err := json.Marshal(plain)
	if err != nil {
		return nil, errors.New("encoding the credentials of a source")
	}
	return s.vault.Seal(raw, sourceCredentialsPlace(id))
}

func (s *Store) openCredentials(id uuid.UUID, sealed []byte) (map[string]Secret, error) {
	if sealed == nil {
		return nil, nil
	}
	raw, err := s.vault.Open(sealed, sourceCredentialsPlace(id))
	if err != nil {
		return nil, fmt.Errorf("opening the API credentials of source %s: %w", id, err)
	}
	var plain map[string]string
	if err := json.Unmarshal(raw, &plain); err != nil {
		return nil, fmt.Errorf("decoding the API credentials of source %s", id)
	}
	credentials := map[string]Secret{}
	for name, value := range plain {
		credentials[name] = Secret(value)
	}
	return credentials, nil
}

// ReserveAPI takes the next turn to call the API of a source's platform: turns of
// the whole fleet are so long apart. wait is how long until it. Where that is longer
// than patience, no turn is taken, and wait is how long until it is worth asking
// again.
func (s *Store) ReserveAPI(ctx context.Context, sourceID uuid.UUID, apart, patience time.Duration) (wait time.Duration, reserved bool, err error) {
	// The clock of the statement: inside a transaction now() stands still.
	err = s.pool.QueryRow(ctx, `
		with turn as (
		  select id, greatest(api_next_at, clock_timestamp()) as at, clock_timestamp() as now from sources where id = $1 for no key update),
		taken as (
		  update sources s set api_next_at = turn.at + $2::interval from turn
		  where s.id = turn.id and turn.at - turn.now <= $3::interval returning s.id)
		select turn.at - turn.now, exists (select from taken) from turn`, sourceID, apart, patience).Scan(&wait, &reserved)
	if err := notFound(err, "taking a turn"); err != nil {
		return 0, false, fmt.Errorf("calling the API of source %s: %w", sourceID, err)
	}
	return wait, reserved, nil
}

// DelayAPI has nobody call the API of a source's platform for some time.
func (s *Store) DelayAPI(ctx context.Context, sourceID uuid.UUID, by time.Duration) error {
	_, err := s.pool.Exec(ctx, `update sources set api_next_at = greatest(api_next_at, clock_timestamp() + $2::interval) where id = $1`, sourceID, by)
	if err != nil {
		return fmt.Errorf("putting off the calls of source %s: %w", sourceID, err)
	}
	return nil
}

// RefusedAgain is how long after a refusal of the credentials a platform is not
// asked again with them.
const RefusedAgain = 50 * time.Minute

// AskRefusedAPI says whether the platform may be asked with the credentials that src
// was read with: they are still the source's, and if the platform refused them, that
// is [RefusedAgain] ago; then whoever asks first may.
func (s *Store) AskRefusedAPI(ctx context.Context, src Source) (bool, error) {
	tag, err := s.pool.Exec(ctx, `
		update sources set api_asked_at = case when api_asked_at is null then null else now() end
		where id = $1 and credentials_at = $2 and (api_asked_at is null or api_asked_at < now() - $3::interval)`,
		src.ID, src.API.CredentialsAt, RefusedAgain)
	if err != nil {
		return false, fmt.Errorf("asking whether to use the credentials of source %s: %w", src.ID, err)
	}
	return tag.RowsAffected() > 0, nil
}

// RefuseAPI notes that the platform refuses the credentials that src was read with,
// and has somebody told, once for these credentials. wholly says that it accepts them
// for nothing: then it is left alone for a while. The problem is a sentence of ours.
func (s *Store) RefuseAPI(ctx context.Context, src Source, problem string, wholly bool) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			update sources set api_refused_at = coalesce(api_refused_at, now()), api_problem = $3,
			  api_asked_at = case when $4 then now() end
			where id = $1 and credentials_at = $2`, src.ID, src.API.CredentialsAt, problem, wholly)
		if err != nil || tag.RowsAffected() == 0 || src.OrganizationID == nil {
			return err
		}
		return queueNotice(ctx, tx, Notice{
			OrganizationID: *src.OrganizationID, Kind: NoticeSourceRefused, About: NoticeAbout{SourceID: &src.ID},
			DedupeKey: fmt.Sprintf("%s:%s:%d", NoticeSourceRefused, src.ID, src.API.CredentialsAt.UnixMicro()),
		})
	})
	if err != nil {
		return fmt.Errorf("noting that the credentials of source %s are refused: %w", src.ID, err)
	}
	return nil
}

// AcceptAPI notes that the platform accepts the credentials that src was read with.
func (s *Store) AcceptAPI(ctx context.Context, src Source) error {
	_, err := s.pool.Exec(ctx, `
		update sources set api_refused_at = null, api_asked_at = null, api_problem = ''
		where id = $1 and credentials_at = $2 and api_refused_at is not null`, src.ID, src.API.CredentialsAt)
	if err != nil {
		return fmt.Errorf("noting that the credentials of source %s are accepted: %w", src.ID, err)
	}
	return nil
}

// StartFetching has a received delivery wait for what the platform's API says about
// it: its workflow is due.
func (s *Store) StartFetching(ctx context.Context, id uuid.UUID) error {
	_, err := s.pool.Exec(ctx, `
		update deliveries set state = 'fetching', reason = '', attempts = 0, next_attempt_at = now() where id = $1 and state = 'received'`, id)
	if err != nil {
		return fmt.Errorf("having delivery %s fetched: %w", id, err)
	}
	return nil
}

// ClaimFetching takes up to limit deliveries whose workflows have to be told to look,
// the longest due first. A claim lasts half a minute: who has not told the workflow by
// then, or died, loses it to the next.
func (s *Store) ClaimFetching(ctx context.Context, limit int) ([]Delivery, error) {
	rows, err := s.pool.Query(ctx, `
		with due as materialized (
		  select id from deliveries where state = 'fetching' and next_attempt_at <= now()
		  order by next_attempt_at limit $1 for update skip locked)
		update deliveries d set attempts = d.attempts + 1, next_attempt_at = now() + interval '30 seconds'
		from due, sources s where d.id = due.id and s.id = d.source_id
		returning `+deliveryColumns, limit)
	if err != nil {
		return nil, fmt.Errorf("claiming deliveries to fetch: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Delivery, error) { return scanDelivery(row) })
}

// ToldFetching says that the workflow of a claimed delivery was told. Should that
// workflow be lost, it is told again after six hours. One that something happened to
// since it was claimed, such as other credentials, stays due.
func (s *Store) ToldFetching(ctx context.Context, d Delivery) error {
	_, err := s.pool.Exec(ctx, `
		update deliveries set next_attempt_at = now() + interval '6 hours', attempts = 0
		where id = $1 and state = 'fetching' and attempts = $2 and next_attempt_at > now()`, d.ID, d.Attempts)
	if err != nil {
		return fmt.Errorf("noting that the workflow of delivery %s was told: %w", d.ID, err)
	}
	return nil
}

// StoreFetched keeps what the platform's API told about a delivery, sealed with the
// key of its body. It fails with [ErrErased] where that is gone; a delivery that has
// its verdict keeps what it has.
func (s *Store) StoreFetched(ctx context.Context, id uuid.UUID, fetched []byte) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var state DeliveryState
		var wrapped []byte
		var wrappedBy *uuid.UUID
		err := tx.QueryRow(ctx, `select state, body_key, wrapped_by from deliveries where id = $1 for update`, id).Scan(&state, &wrapped, &wrappedBy)
		if err := notFound(err, "reading it"); err != nil {
			return err
		}
		if state != DeliveryFetching {
			return nil
		}
		if wrapped == nil {
			return ErrErased
		}
		key, err := s.bodyKey(ctx, tx, id, wrapped, wrappedBy)
		if err != nil {
			return err
		}
		sealed, err := key.Seal(fetched, fetchedPlace(id))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `update deliveries set sealed_fetched = $2, fetched_at = now(), reason = '' where id = $1`, id, sealed)
		return err
	})
	if err != nil {
		return fmt.Errorf("keeping what was fetched for delivery %s: %w", id, err)
	}
	return nil
}
