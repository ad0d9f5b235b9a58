package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Attempt is a way to connect that somebody began.
type Attempt struct {
	ID             uuid.UUID
	OrganizationID uuid.UUID
	AppID          uuid.UUID
	ConnectionName string
	// ExpectedHubID is the account that it is for; 0 if any will do.
	ExpectedHubID int64
	// OptionalScopes are asked for beside the app's own.
	OptionalScopes []string
	ExpiresAt      time.Time
	// Confirmed is the connection that, as whoever connects has said, may be
	// replaced; as it was at ClaimedAt, and not one that somebody renewed since.
	Confirmed *uuid.UUID
	ClaimedAt time.Time
}

// How long a link to connect works: one for oneself, and at most one that is
// handed to somebody else.
const (
	AttemptTTL     = 15 * time.Minute
	AttemptTTLMost = 7 * 24 * time.Hour
	// keptGrantTTL is how long whoever connects may take to say what should become
	// of a connection that is there. Until then what HubSpot granted is kept.
	keptGrantTTL = 15 * time.Minute
)

// NewAttempt is what [Store.CreateAttempt] needs.
type NewAttempt struct {
	OrganizationID uuid.UUID
	AppID          uuid.UUID
	ConnectionName string
	ExpectedHubID  int64
	OptionalScopes []string
	// TTL is how long the link works; 0 means [AttemptTTL], and it can't be
	// longer than [AttemptTTLMost].
	TTL time.Duration
}

// What can be wrong with a one-time token, beside [ErrNotFound].
var (
	ErrExpired = errors.New("expired")
	ErrUsed    = errors.New("used already")
	// ErrForeign: it was begun in another browser.
	ErrForeign = errors.New("begun in another browser")
)

// CreateAttempt begins a way to connect and returns its one-time link's token,
// of which only the hash is stored.
func (s *Store) CreateAttempt(ctx context.Context, n NewAttempt, actor Actor) (Attempt, Secret, error) {
	if n.ConnectionName == "" {
		return Attempt{}, "", errors.New("a connection needs a name")
	}
	if n.TTL <= 0 {
		n.TTL = AttemptTTL
	}
	link, hash := newOneTimeToken()
	a := Attempt{
		ID: newID(), OrganizationID: n.OrganizationID, AppID: n.AppID, ConnectionName: n.ConnectionName,
		ExpectedHubID: n.ExpectedHubID, OptionalScopes: append([]string{}, n.OptionalScopes...),
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			insert into connection_attempts (id, organization_id, app_id, connection_name, link_hash, expires_at, expected_hub_id, optional_scopes, created_by)
			select $1, organization_id, id, $4, $5, now() + $6::interval, $7, $8, $9 from apps where organization_id = $2 and id = $3
			returning expires_at`,
			a.ID, n.OrganizationID, n.AppID, n.ConnectionName, hash, min(n.TTL, AttemptTTLMost), nullInt(n.ExpectedHubID), a.OptionalScopes,
			actor.PersonID).Scan(&a.ExpiresAt)
		if err != nil {
			return notFound(err, fmt.Sprintf("beginning to connect app %s", n.AppID))
		}
		return s.audit(ctx, tx, AuditEntry{OrganizationID: n.OrganizationID, Kind: AuditConnection, Actor: actor, Reason: "link to connect made"})
	})
	if err != nil {
		return Attempt{}, "", err
	}
	return a, link, nil
}

const attemptColumns = `id, organization_id, app_id, connection_name, coalesce(expected_hub_id, 0), optional_scopes, expires_at`

func (a *Attempt) fields() []any {
	return []any{&a.ID, &a.OrganizationID, &a.AppID, &a.ConnectionName, &a.ExpectedHubID, &a.OptionalScopes, &a.ExpiresAt}
}

// AttemptByLink returns the attempt that a link's token belongs to. It changes
// nothing. The error is [ErrNotFound], [ErrExpired] or [ErrUsed].
func (s *Store) AttemptByLink(ctx context.Context, link Secret) (Attempt, error) {
	var a Attempt
	var used, expired bool
	err := s.pool.QueryRow(ctx, `
		select `+attemptColumns+`, used_at is not null, expires_at <= now() from connection_attempts where link_hash = $1`,
		hashToken(link)).Scan(append(a.fields(), &used, &expired)...)
	switch {
	case err != nil:
		return Attempt{}, notFound(err, "reading an attempt to connect")
	case used:
		return Attempt{}, ErrUsed
	case expired:
		return Attempt{}, ErrExpired
	}
	return a, nil
}

// AuthorizeAttempt gives an attempt a fresh OAuth state, tied to the browser
// that holds the given token. The same browser may go there again (the newest
// state counts); another one is refused with [ErrForeign].
func (s *Store) AuthorizeAttempt(ctx context.Context, link, browser Secret) (Attempt, Secret, error) {
	state, hash := newOneTimeToken()
	var a Attempt
	err := s.pool.QueryRow(ctx, `
		update connection_attempts set state_hash = $2, browser_hash = $3, outcome = ''
		where link_hash = $1 and used_at is null and expires_at > now() and (browser_hash is null or browser_hash = $3)
		returning `+attemptColumns, hashToken(link), hash, hashToken(browser)).Scan(a.fields()...)
	if errors.Is(err, pgx.ErrNoRows) {
		if _, err := s.AttemptByLink(ctx, link); err != nil {
			return Attempt{}, "", err
		}
		return Attempt{}, "", ErrForeign
	}
	if err != nil {
		return Attempt{}, "", fmt.Errorf("beginning to authorize: %w", err)
	}
	return a, state, nil
}

// ClaimAttempt takes the attempt that an OAuth state belongs to: it works once.
// The error is [ErrNotFound], [ErrExpired], [ErrUsed] or [ErrForeign], and then
// nothing has changed. Finish with [Store.SaveGrant] or [Store.FailAttempt].
func (s *Store) ClaimAttempt(ctx context.Context, state, browser Secret) (Attempt, error) {
	var a Attempt
	err := s.pool.QueryRow(ctx, `
		update connection_attempts set used_at = now()
		where state_hash = $1 and browser_hash = $2 and used_at is null and expires_at > now()
		returning `+attemptColumns, hashToken(state), hashToken(browser)).Scan(a.fields()...)
	if err == nil {
		return a, nil
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return Attempt{}, fmt.Errorf("reading an OAuth state: %w", err)
	}
	var used, expired bool
	err = s.pool.QueryRow(ctx, `
		select used_at is not null, expires_at <= now() from connection_attempts where state_hash = $1`, hashToken(state)).Scan(&used, &expired)
	switch {
	case err != nil:
		return Attempt{}, notFound(err, "reading an OAuth state")
	case used:
		return Attempt{}, ErrUsed
	case expired:
		return Attempt{}, ErrExpired
	default:
		return Attempt{}, ErrForeign
	}
}

// FailAttempt records that a claimed attempt led nowhere. Its link may be used
// again in the same browser until it expires; its state may not.
func (s *Store) FailAttempt(ctx context.Context, id uuid.UUID, outcome string) error {
	_, err := s.pool.Exec(ctx, `
		update connection_attempts set used_at = null, state_hash = null, sealed_grant = null, outcome = $2 where id = $1`, id, outcome)
	if err != nil {
		return fmt.Errorf("recording how an attempt to connect ended: %w", err)
	}
	return nil
}

func attemptGrantPlace(id uuid.UUID) string { return "connection_attempts.grant:" + id.String() }

// sealedGrant is [Granted] as it is kept for a moment: [Secret] does not encode.
type sealedGrant struct {
	Granted
	RefreshToken, AccessToken string
	ExpiresAt                 time.Time
}

// keepGrant keeps what HubSpot granted until whoever connects has said what
// should become of the connection that is there.
func (s *Store) keepGrant(ctx context.Context, tx pgx.Tx, a Attempt, g Granted, existing uuid.UUID) error {
	kept := sealedGrant{Granted: g, RefreshToken: g.Grant.RefreshToken.Reveal(), AccessToken: g.Grant.AccessToken.Reveal(), ExpiresAt: g.Grant.ExpiresAt}
	raw, err := json.Marshal(kept) //nolint:gosec // it is sealed before it goes anywhere
	if err != nil {
		return fmt.Errorf("encoding a grant: %w", err)
	}
	sealed, err := s.vault.Seal(raw, attemptGrantPlace(a.ID))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		update connection_attempts set sealed_grant = $2, existing_connection_id = $3, outcome = 'the account is connected already',
		       expires_at = least(expires_at, now() + $4::interval)
		where id = $1`, a.ID, sealed, existing, keptGrantTTL)
	if err != nil {
		return fmt.Errorf("keeping what was granted: %w", err)
	}
	return nil
}

// KeptGrant returns what HubSpot granted to an attempt whose account turned out
// to be connected already; see [ExistsError]. Attempt.Confirmed is the connection
// that was asked about. The error is [ErrNotFound], [ErrExpired] or [ErrForeign].
func (s *Store) KeptGrant(ctx context.Context, state, browser Secret) (Attempt, Granted, error) {
	var a Attempt
	var sealed, browserHash []byte
	var expired bool
	err := s.pool.QueryRow(ctx, `
		select `+attemptColumns+`, existing_connection_id, used_at, sealed_grant, browser_hash, expires_at <= now() from connection_attempts
		where state_hash = $1 and sealed_grant is not null`, hashToken(state)).
		Scan(append(a.fields(), &a.Confirmed, &a.ClaimedAt, &sealed, &browserHash, &expired)...)
	switch {
	case err != nil:
		return Attempt{}, Granted{}, notFound(err, "reading what was granted")
	case !bytes.Equal(browserHash, hashToken(browser)):
		return Attempt{}, Granted{}, ErrForeign
	case expired:
		return Attempt{}, Granted{}, ErrExpired
	}
	raw, err := s.vault.Open(sealed, attemptGrantPlace(a.ID))
	if err != nil {
		return Attempt{}, Granted{}, fmt.Errorf("opening what was granted: %w", err)
	}
	var kept sealedGrant
	if err := json.Unmarshal(raw, &kept); err != nil {
		return Attempt{}, Granted{}, errors.New("decoding what was granted")
	}
	kept.Granted.Grant = Grant{RefreshToken: Secret(kept.RefreshToken), AccessToken: Secret(kept.AccessToken), ExpiresAt: kept.ExpiresAt, Scopes: kept.Scopes}
	return a, kept.Granted, nil
}

// SweepTokens deletes what is worth nothing any more: what HubSpot granted to
// attempts whose time to be answered is over, and access tokens that have run out.
func (s *Store) SweepTokens(ctx context.Context) error {
	for _, sql := range []string{
		`update connection_attempts set sealed_grant = null, state_hash = null where sealed_grant is not null and expires_at <= now()`,
		// Who refreshes one holds its connection, and replaces it in any case.
		`delete from access_tokens where connection_id in (
		   select connection_id from access_tokens where expires_at <= now() - interval '1 minute' for update skip locked)`,
	} {
		if _, err := s.pool.Exec(ctx, sql); err != nil {
			return fmt.Errorf("deleting tokens that are over: %w", err)
		}
	}
	return nil
}

// endLinks ends the links to connect that somebody made who may no longer make
// any.
func endLinks(ctx context.Context, tx pgx.Tx, personID uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		update connection_attempts set expires_at = now(), sealed_grant = null, state_hash = null,
		       outcome = 'ended: whoever made the link may no longer'
		where created_by = $1 and expires_at > now() and (used_at is null or sealed_grant is not null)`, personID)
	if err != nil {
		return fmt.Errorf("ending links to connect: %w", err)
	}
	return nil
}

// AttemptReport is an attempt to connect, and what became of it.
type AttemptReport struct {
	ConnectionName string    `json:"connection_name"`
	Outcome        string    `json:"outcome"`
	CreatedAt      time.Time `json:"created_at"`
	ExpiresAt      time.Time `json:"expires_at"`
}

// Attempts lists an organization's latest attempts to connect, newest first.
// Who was sent to HubSpot and never came back has that as the outcome: HubSpot
// shows its refusals on pages of its own, and tells nobody.
func (s *Store) Attempts(ctx context.Context, organizationID uuid.UUID, limit int) ([]AttemptReport, error) {
	rows, err := s.pool.Query(ctx, `
		select connection_name, created_at, expires_at, case
		         when outcome <> '' then outcome
		         when state_hash is not null and expires_at <= now() then 'never came back from HubSpot'
		         when state_hash is not null then 'at HubSpot'
		         when expires_at <= now() then 'link never opened'
		         else 'link waits' end
		from connection_attempts where organization_id = $1 order by created_at desc, id desc limit $2`, organizationID, limit)
	if err != nil {
		return nil, fmt.Errorf("listing attempts to connect: %w", err)
	}
	reports, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (AttemptReport, error) {
		var r AttemptReport
		return r, row.Scan(&r.ConnectionName, &r.CreatedAt, &r.ExpiresAt, &r.Outcome)
	})
	if err != nil {
		return nil, fmt.Errorf("listing attempts to connect: %w", err)
	}
	return reports, nil
}
