package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Source is a platform and its signing secrets, with its own URL.
type Source struct {
	ID uuid.UUID `json:"id"`
	// OrganizationID is nil for a source of the whole installation, whose events
	// are routed by account: see [Store.ConnectAccount].
	OrganizationID *uuid.UUID     `json:"organization_id,omitempty"`
	Platform       string         `json:"platform"`
	Name           string         `json:"name"`
	Settings       SourceSettings `json:"settings"`
	// SecretCount is how many secrets are live: two while they are rotated.
	SecretCount int        `json:"secret_count"`
	DisabledAt  *time.Time `json:"disabled_at,omitempty"`
	CreatedAt   time.Time  `json:"created_at"`

	// Secrets are the live signing secrets, newest first: one or two. (Exported,
	// because what prints a struct asks only its exported fields to redact.)
	Secrets []Secret `json:"-"`
	// Credentials are for the platform's API, by the names that it gives them; nil
	// where there are none.
	Credentials map[string]Secret `json:"-"`
	// API is how it stands with the platform's API.
	API SourceAPI `json:"api,omitzero"`

	dataKeyID uuid.UUID
}

// SourceSettings are what an operator may set for one source.
type SourceSettings struct {
	// BodyLimit is the largest body in bytes; 0 means the receiver's own limit,
	// which is the largest for all.
	BodyLimit int64 `json:"body_limit,omitempty"`
	// RateLimit is how many deliveries a minute each receiver takes, so many at
	// once included; 0 means any number. What is over it is not acknowledged.
	RateLimit int `json:"rate_limit,omitempty"`
	// Definition says how the platform works, where Debrief does not ship it.
	Definition string `json:"definition,omitempty"`
	// APIURL is where the platform's API listens, where that is not its usual place.
	APIURL string `json:"api_url,omitempty"`
}

// NewSource is what [Store.CreateSource] needs.
type NewSource struct {
	OrganizationID *uuid.UUID
	Platform       string
	Name           string
	// Secrets has one or two, newest first. Whether they fit the platform is for
	// the platform to say, before.
	Secrets  []Secret
	Settings SourceSettings
}

func sourceSecretsPlace(id uuid.UUID) string { return "sources.sealed_secrets:" + id.String() }

// CreateSource adds a source with a data key of its own.
func (s *Store) CreateSource(ctx context.Context, n NewSource, actor Actor) (Source, error) {
	src := Source{
		ID: newID(), OrganizationID: n.OrganizationID, Platform: n.Platform, Name: strings.TrimSpace(n.Name),
		Settings: n.Settings, SecretCount: len(n.Secrets), Secrets: n.Secrets,
	}
	if src.Platform == "" || src.Name == "" {
		return Source{}, errors.New("creating a source: it needs a platform and a name")
	}
	sealed, err := s.sealSecrets(src.ID, n.Secrets)
	if err != nil {
		return Source{}, fmt.Errorf("creating source %q: %w", src.Name, err)
	}
	settings, err := json.Marshal(n.Settings)
	if err != nil {
		return Source{}, fmt.Errorf("encoding the settings of source %q: %w", src.Name, err)
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		var err error
		if src.dataKeyID, err = s.newDataKey(ctx, tx); err != nil {
			return err
		}
		err = tx.QueryRow(ctx, `
			insert into sources (id, organization_id, platform, name, sealed_secrets, data_key_id, settings)
			values ($1, $2, $3, $4, $5, $6, $7) returning created_at`,
			src.ID, src.OrganizationID, src.Platform, src.Name, sealed, src.dataKeyID, settings).Scan(&src.CreatedAt)
		if err != nil {
			return err
		}
		if err := askUpkeep(ctx, tx, src.ID); err != nil {
			return err
		}
		return s.auditSource(ctx, tx, src, actor, "created")
	})
	if isUniqueViolation(err) {
		return Source{}, fmt.Errorf("a source named %q exists already", src.Name)
	}
	if err != nil {
		return Source{}, fmt.Errorf("creating source %q: %w", src.Name, err)
	}
	return src, nil
}

// sealSecrets refuses no secrets and empty ones: an empty key would make every
// forged signature a valid one.
func (s *Store) sealSecrets(id uuid.UUID, secrets []Secret) ([]byte, error) {
	if len(secrets) < 1 || len(secrets) > 2 {
		return nil, fmt.Errorf("a source has one or two secrets, not %d", len(secrets))
	}
	plain := make([]string, 0, len(secrets))
	for _, secret := range secrets {
		if strings.TrimSpace(secret.Reveal()) == "" {
			return nil, errors.New("a source's secret must not be empty")
		}
		plain = append(plain, secret.Reveal())
	}
	raw, err := json.Marshal(plain)
	if err != nil {
		return nil, errors.New("encoding the secrets of a source")
	}
	return s.vault.Seal(raw, sourceSecretsPlace(id))
}

// auditSource writes the trail of a change. The trail belongs to organizations:
// a source of the installation has none until an account of one is connected.
func (s *Store) auditSource(ctx context.Context, tx pgx.Tx, src Source, actor Actor, what string) error {
	if src.OrganizationID == nil {
		return nil
	}
	return s.audit(ctx, tx, AuditEntry{
		OrganizationID: *src.OrganizationID, Kind: AuditSource, Actor: actor, RecordID: src.ID.String(), Reason: what,
	})
}

// RotateSourceSecret makes secret the newest. The one that was the newest stays
// live beside it, until the next rotation or [Store.RetireSourceSecret].
func (s *Store) RotateSourceSecret(ctx context.Context, id uuid.UUID, secret Secret, actor Actor) error {
	return s.changeSecrets(ctx, id, actor, "secret rotated", func(live []Secret) []Secret {
		return []Secret{secret, live[0]}
	})
}

// RetireSourceSecret ends a rotation: only the newest secret stays live.
func (s *Store) RetireSourceSecret(ctx context.Context, id uuid.UUID, actor Actor) error {
	return s.changeSecrets(ctx, id, actor, "old secret retired", func(live []Secret) []Secret { return live[:1] })
}

func (s *Store) changeSecrets(ctx context.Context, id uuid.UUID, actor Actor, what string, change func([]Secret) []Secret) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		src, err := s.source(ctx, tx, selectSource+` where id = $1 for update`, id)
		if err != nil {
			return err
		}
		sealed, err := s.sealSecrets(id, change(src.Secrets))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update sources set sealed_secrets = $2 where id = $1`, id, sealed); err != nil {
			return err
		}
		// The platform may have been told the older one.
		if err := askUpkeep(ctx, tx, id); err != nil {
			return err
		}
		return s.auditSource(ctx, tx, src, actor, what)
	})
	if err != nil {
		return fmt.Errorf("changing the secrets of source %s: %w", id, err)
	}
	return nil
}

// SetSource replaces a source's settings.
func (s *Store) SetSource(ctx context.Context, id uuid.UUID, settings SourceSettings, actor Actor) error {
	raw, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("encoding the settings of source %s: %w", id, err)
	}
	return s.switchSource(ctx, id, actor, "settings changed", `update sources set settings = $2 where id = $1`, raw)
}

// DisableSource stops a source: what it still sends is acknowledged, so that the
// platform does not complain, and its content is dropped.
func (s *Store) DisableSource(ctx context.Context, id uuid.UUID, actor Actor) error {
	return s.switchSource(ctx, id, actor, "disabled", `update sources set disabled_at = coalesce(disabled_at, now()) where id = $1`)
}

// EnableSource undoes [Store.DisableSource].
func (s *Store) EnableSource(ctx context.Context, id uuid.UUID, actor Actor) error {
	return s.switchSource(ctx, id, actor, "enabled", `update sources set disabled_at = null where id = $1`)
}

func (s *Store) switchSource(ctx context.Context, id uuid.UUID, actor Actor, what, sql string, args ...any) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		src, err := s.source(ctx, tx, selectSource+` where id = $1 for update`, id)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, sql, append([]any{id}, args...)...); err != nil {
			return err
		}
		if err := askUpkeep(ctx, tx, id); err != nil {
			return err
		}
		return s.auditSource(ctx, tx, src, actor, what)
	})
	if err != nil {
		return fmt.Errorf("changing source %s: %w", id, err)
	}
	return nil
}

const selectSource = `
	select id, organization_id, platform, name, sealed_secrets, data_key_id, settings, disabled_at, created_at,
	       sealed_credentials, credentials_at, api_refused_at, api_problem from sources`

// Source returns the source with that ID, with its secrets.
func (s *Store) Source(ctx context.Context, id uuid.UUID) (Source, error) {
	return s.source(ctx, s.pool, selectSource+` where id = $1`, id)
}

// SourceByName returns an organization's source; a nil organizationID looks
// among those of the installation.
func (s *Store) SourceByName(ctx context.Context, organizationID *uuid.UUID, name string) (Source, error) {
	return s.source(ctx, s.pool, selectSource+` where organization_id is not distinct from $1 and name = $2`, organizationID, name)
}

// Sources lists an organization's sources, or with a nil organizationID all of
// them, by name.
func (s *Store) Sources(ctx context.Context, organizationID *uuid.UUID) ([]Source, error) {
	rows, err := s.pool.Query(ctx, selectSource+` where $1::uuid is null or organization_id = $1 order by name, id`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("listing sources: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Source, error) { return s.scanSource(row) })
}

func (s *Store) source(ctx context.Context, q querier, sql string, args ...any) (Source, error) {
	return s.scanSource(q.QueryRow(ctx, sql, args...))
}

func (s *Store) scanSource(row pgx.Row) (Source, error) {
	var src Source
	var sealed, settings, credentials []byte
	err := row.Scan(&src.ID, &src.OrganizationID, &src.Platform, &src.Name, &sealed, &src.dataKeyID, &settings, &src.DisabledAt, &src.CreatedAt,
		&credentials, &src.API.CredentialsAt, &src.API.RefusedAt, &src.API.Problem)
	if err != nil {
		return Source{}, notFound(err, "reading a source")
	}
	raw, err := s.vault.Open(sealed, sourceSecretsPlace(src.ID))
	if err != nil {
		return Source{}, fmt.Errorf("opening the secrets of source %s: %w", src.ID, err)
	}
	var plain []string
	if err := json.Unmarshal(raw, &plain); err != nil || len(plain) == 0 {
		return Source{}, fmt.Errorf("decoding the secrets of source %s", src.ID)
	}
	for _, secret := range plain {
		src.Secrets = append(src.Secrets, Secret(secret))
	}
	src.SecretCount = len(plain)
	if err := json.Unmarshal(settings, &src.Settings); err != nil {
		return Source{}, fmt.Errorf("decoding the settings of source %s: %w", src.ID, err)
	}
	if src.Credentials, err = s.openCredentials(src.ID, credentials); err != nil {
		return Source{}, err
	}
	return src, nil
}

// ConnectAccount says whose a platform account is that an installation's source
// carries events of. What the source had already received and could not route
// is looked at again. It is a [*Refusal] where it is another organization's.
func (s *Store) ConnectAccount(ctx context.Context, sourceID uuid.UUID, accountID string, organizationID uuid.UUID, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		// Not taken over from another organization: that would hand it their meetings.
		var owner uuid.UUID
		err := tx.QueryRow(ctx, `
			insert into source_accounts (source_id, account_id, organization_id)
			select id, $2, $3 from sources where id = $1 and organization_id is null
			on conflict (source_id, account_id) do update set account_id = excluded.account_id
			returning organization_id`, sourceID, accountID, organizationID).Scan(&owner)
		if err := notFound(err, "reading the installation's source"); err != nil {
			return err
		}
		if owner != organizationID {
			return refuse("The account is another organization's. It has to be disconnected there first.")
		}
		if _, err := tx.Exec(ctx, `
			update deliveries set state = 'received', reason = '', attempts = 0, next_attempt_at = now()
			where source_id = $1 and state = 'unrouted'`, sourceID); err != nil {
			return err
		}
		return s.audit(ctx, tx, AuditEntry{
			OrganizationID: organizationID, Kind: AuditSource, Actor: actor, RecordID: sourceID.String(), Reason: "account connected",
		})
	})
	if err != nil {
		return fmt.Errorf("connecting an account to source %s: %w", sourceID, err)
	}
	return nil
}

// DisconnectAccount undoes [Store.ConnectAccount] for what comes from now on.
func (s *Store) DisconnectAccount(ctx context.Context, sourceID uuid.UUID, accountID string, organizationID uuid.UUID, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `delete from source_accounts where source_id = $1 and account_id = $2 and organization_id = $3`,
			sourceID, accountID, organizationID)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		return s.audit(ctx, tx, AuditEntry{
			OrganizationID: organizationID, Kind: AuditSource, Actor: actor, RecordID: sourceID.String(), Reason: "account disconnected",
		})
	})
	if err != nil {
		return fmt.Errorf("disconnecting an account from source %s: %w", sourceID, err)
	}
	return nil
}

// AccountOrganization returns whose the account is, or [ErrNotFound] if nobody
// connected it.
func (s *Store) AccountOrganization(ctx context.Context, sourceID uuid.UUID, accountID string) (uuid.UUID, error) {
	var id uuid.UUID
	err := s.pool.QueryRow(ctx, `select organization_id from source_accounts where source_id = $1 and account_id = $2`, sourceID, accountID).Scan(&id)
	return id, notFound(err, "routing by account")
}
