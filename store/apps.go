package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// AppLevel says whose rights a HubSpot app acts with.
type AppLevel string

// The levels of an app.
const (
	// AccountLevel: installed once by an admin, acts with the app's own rights.
	AccountLevel AppLevel = "account"
	// UserLevel: acts as the user who connected it.
	UserLevel AppLevel = "user"
)

// App is a HubSpot app of an organization, without its secret.
type App struct {
	ID             uuid.UUID `json:"id"`
	OrganizationID uuid.UUID `json:"organization_id"`
	Name           string    `json:"name"`
	Level          AppLevel  `json:"level"`
	ClientID       string    `json:"client_id"`
	CreatedAt      time.Time `json:"created_at"`
	// JournalProblem says what the app's journal does not tell, or not at once:
	// uninstalls, changes of records; empty if it does.
	JournalProblem string `json:"journal_problem,omitempty"`
}

func clientSecretPlace(app uuid.UUID) string { return "apps.client_secret:" + app.String() }

// CreateApp adds an app. Its secret is sealed and bound to its row. A name or a
// client ID that the organization has already is an error that says so.
func (s *Store) CreateApp(ctx context.Context, a App, clientSecret Secret, actor Actor) (App, error) {
	if a.Name == "" || a.ClientID == "" || clientSecret == "" {
		return App{}, errors.New("an app needs a name, a client ID and a client secret")
	}
	if a.Level != AccountLevel && a.Level != UserLevel {
		return App{}, fmt.Errorf("the level of an app is %q or %q, not %q", AccountLevel, UserLevel, a.Level)
	}
	a.ID = newID()
	sealed, err := s.vault.Seal([]byte(clientSecret), clientSecretPlace(a.ID))
	if err != nil {
		return App{}, err
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			insert into apps (id, organization_id, name, level, client_id, sealed_client_secret)
			values ($1, $2, $3, $4, $5, $6) returning created_at`,
			a.ID, a.OrganizationID, a.Name, a.Level, a.ClientID, sealed).Scan(&a.CreatedAt)
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, AuditEntry{OrganizationID: a.OrganizationID, Kind: AuditConnection, Actor: actor, Reason: fmt.Sprintf("app %s added", a.ID)})
	})
	if isUniqueViolation(err) {
		return App{}, fmt.Errorf("the organization already has an app named %q or with this client ID", a.Name)
	}
	if err != nil {
		return App{}, fmt.Errorf("adding app %q: %w", a.Name, err)
	}
	return a, nil
}

// SetAppSecret replaces an app's client secret. Connections that were
// misconfigured are tried again when they are next used.
func (s *Store) SetAppSecret(ctx context.Context, organizationID, appID uuid.UUID, clientSecret Secret, actor Actor) error {
	if clientSecret == "" {
		return errors.New("the client secret is empty")
	}
	sealed, err := s.vault.Seal([]byte(clientSecret), clientSecretPlace(appID))
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `update apps set sealed_client_secret = $3 where organization_id = $1 and id = $2`, organizationID, appID, sealed)
		if err != nil {
			return fmt.Errorf("storing the secret of app %s: %w", appID, err)
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("storing the secret of app %s: %w", appID, ErrNotFound)
		}
		return s.audit(ctx, tx, AuditEntry{OrganizationID: organizationID, Kind: AuditConnection, Actor: actor, Reason: fmt.Sprintf("client secret of app %s replaced", appID)})
	})
}

const selectApp = `select id, organization_id, name, level, client_id, created_at, journal_problem from apps`

func scanApp(row pgx.Row, doing string) (App, error) {
	var a App
	err := row.Scan(&a.ID, &a.OrganizationID, &a.Name, &a.Level, &a.ClientID, &a.CreatedAt, &a.JournalProblem)
	return a, notFound(err, doing)
}

// App returns an organization's app.
func (s *Store) App(ctx context.Context, organizationID, id uuid.UUID) (App, error) {
	return scanApp(s.pool.QueryRow(ctx, selectApp+` where organization_id = $1 and id = $2`, organizationID, id), fmt.Sprintf("reading app %s", id))
}

// AppByName returns an organization's app.
func (s *Store) AppByName(ctx context.Context, organizationID uuid.UUID, name string) (App, error) {
	return scanApp(s.pool.QueryRow(ctx, selectApp+` where organization_id = $1 and name = $2`, organizationID, name), fmt.Sprintf("reading app %q", name))
}

// Apps lists an organization's apps by name.
func (s *Store) Apps(ctx context.Context, organizationID uuid.UUID) ([]App, error) {
	rows, err := s.pool.Query(ctx, selectApp+` where organization_id = $1 order by name`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("listing apps: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (App, error) { return scanApp(row, "listing apps") })
}

// AppWithSecret returns an organization's app and its client secret.
func (s *Store) AppWithSecret(ctx context.Context, organizationID, id uuid.UUID) (App, Secret, error) {
	a, err := s.App(ctx, organizationID, id)
	if err != nil {
		return App{}, "", err
	}
	secret, err := s.clientSecret(ctx, s.pool, id)
	return a, secret, err
}

func (s *Store) clientSecret(ctx context.Context, q querier, appID uuid.UUID) (Secret, error) {
	var sealed []byte
	doing := fmt.Sprintf("reading the secret of app %s", appID)
	if err := q.QueryRow(ctx, `select sealed_client_secret from apps where id = $1`, appID).Scan(&sealed); err != nil {
		return "", notFound(err, doing)
	}
	secret, err := s.vault.Open(sealed, clientSecretPlace(appID))
	if err != nil {
		return "", fmt.Errorf("%s: %w", doing, err)
	}
	return Secret(secret), nil
}

// AppJournal is an app whose journal is to be read next.
type AppJournal struct {
	App          App
	ClientSecret Secret
	JournalPosition
}

// JournalPosition is how far an app's journal was read.
type JournalPosition struct {
	// Offset is of the last entry that was dealt with, and OffsetAt when HubSpot
	// published that; empty before the first.
	Offset   string
	OffsetAt time.Time
	// ReadAt is when the journal was last read to its end; zero if it never was.
	ReadAt time.Time
}

// ClaimJournal takes the app whose journal is due longest, for the whole fleet,
// until lease is over. The error is [ErrNotFound] if none is due.
func (s *Store) ClaimJournal(ctx context.Context, lease time.Duration) (AppJournal, error) {
	var j AppJournal
	var offsetAt, readAt *time.Time
	err := s.pool.QueryRow(ctx, `
		update apps set journal_due_at = now() + $1::interval
		where id = (select id from apps where journal_due_at <= now() order by journal_due_at limit 1 for update skip locked)
		returning id, journal_offset, journal_offset_at, journal_read_at`, lease).Scan(&j.App.ID, &j.Offset, &offsetAt, &readAt)
	if err != nil {
		return AppJournal{}, notFound(err, "claiming a journal")
	}
	if offsetAt != nil {
		j.OffsetAt = *offsetAt
	}
	if readAt != nil {
		j.ReadAt = *readAt
	}
	if j.App, err = scanApp(s.pool.QueryRow(ctx, selectApp+` where id = $1`, j.App.ID), "reading the app of a journal"); err != nil {
		return AppJournal{}, err
	}
	j.ClientSecret, err = s.clientSecret(ctx, s.pool, j.App.ID)
	return j, err
}

// SaveJournal records how far an app's journal was read, when it is due next,
// and what went wrong, if anything did: else what it does not tell of an account.
func (s *Store) SaveJournal(ctx context.Context, appID uuid.UUID, at JournalPosition, next time.Duration, problem string) error {
	_, err := s.pool.Exec(ctx, `
		update apps set journal_offset = $2, journal_offset_at = $3, journal_read_at = $4, journal_due_at = now() + $5::interval,
		  journal_problem = coalesce(nullif($6, ''), (
		    select c.journal_problem from connections c
		    where c.app_id = $1 and c.journal_problem <> '' and c.state not in ('revoked', 'uninstalled') order by c.id limit 1), '')
		where id = $1`, appID, at.Offset, nullTime(at.OffsetAt), nullTime(at.ReadAt), next, problem)
	if err != nil {
		return fmt.Errorf("recording how far the journal of app %s was read: %w", appID, err)
	}
	return nil
}

// Uninstalled ends the connections of an app to an account from which it was
// uninstalled then; one that was made or renewed later stays.
func (s *Store) Uninstalled(ctx context.Context, appID uuid.UUID, hubID int64, at time.Time) error {
	rows, err := s.pool.Query(ctx, `
		select c.id from connections c
		where c.app_id = $1 and c.hub_id = $2 and c.state not in ('revoked', 'uninstalled')
		  and greatest(c.created_at, c.granted_at) < $3`, appID, hubID, at)
	if err != nil {
		return fmt.Errorf("looking for connections to account %d: %w", hubID, err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("looking for connections to account %d: %w", hubID, err)
	}
	for _, id := range all {
		err := s.inTx(ctx, func(tx pgx.Tx) error {
			locked, _, err := lockConnection(ctx, tx, id)
			if err != nil {
				return err
			}
			// Somebody may have connected again since it was found.
			var renewed bool
			err = tx.QueryRow(ctx, `select greatest(created_at, granted_at) >= $2 or state in ('revoked', 'uninstalled') from connections where id = $1`,
				id, at).Scan(&renewed)
			if err != nil || renewed {
				return notFound(err, "reading when the connection was granted")
			}
			return s.setConnectionState(ctx, tx, locked, Uninstalled, "the app was uninstalled in HubSpot", Actor{Name: "HubSpot's journal"})
		})
		if err != nil {
			return fmt.Errorf("ending connection %s, whose app was uninstalled: %w", id, err)
		}
	}
	return nil
}
