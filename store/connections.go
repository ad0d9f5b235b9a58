package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
}

func clientSecretPlace(app uuid.UUID) string { return "apps.client_secret:" + app.String() }

func refreshTokenPlace(connection uuid.UUID) string {
	return "connections.refresh_token:" + connection.String()
}

func accessTokenPlace(connection uuid.UUID) string {
	return "access_tokens.token:" + connection.String()
}

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

const selectApp = `select id, organization_id, name, level, client_id, created_at from apps`

func scanApp(row pgx.Row, doing string) (App, error) {
	var a App
	err := row.Scan(&a.ID, &a.OrganizationID, &a.Name, &a.Level, &a.ClientID, &a.CreatedAt)
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

// ConnectionState says whether a connection can be used, and if not, why.
type ConnectionState string

// The states of a connection.
const (
	Connected ConnectionState = "connected"
	// NeedsReconnect: HubSpot refused the refresh token for good.
	NeedsReconnect ConnectionState = "needs_reconnect"
	// Revoked: disconnected from our side.
	Revoked ConnectionState = "revoked"
	// Uninstalled: an admin removed the app from the HubSpot account.
	Uninstalled ConnectionState = "uninstalled"
	// Misconfigured: HubSpot does not accept the app itself (client ID, secret,
	// redirect address). Nothing of the grant is lost.
	Misconfigured ConnectionState = "misconfigured"
)

// Ended says whether only connecting again helps: work that needs the
// connection waits.
func (s ConnectionState) Ended() bool {
	return s == NeedsReconnect || s == Revoked || s == Uninstalled
}

// Connection is a named grant of one app to one HubSpot account, without its
// tokens.
type Connection struct {
	ID             uuid.UUID `json:"id"`
	OrganizationID uuid.UUID `json:"organization_id"`
	AppID          uuid.UUID `json:"app_id"`
	Name           string    `json:"name"`
	HubID          int64     `json:"hub_id"`
	HubDomain      string    `json:"hub_domain,omitempty"`
	// UserID is the HubSpot user who granted it; 0 if HubSpot did not say.
	UserID int64 `json:"user_id,omitempty"`
	// PersonID is that user among the organization's people, if known.
	PersonID    *uuid.UUID `json:"person_id,omitempty"`
	IsUserLevel bool       `json:"is_user_level"`
	// Scopes are those granted, not those asked for.
	Scopes         []string        `json:"scopes"`
	State          ConnectionState `json:"state"`
	StateReason    string          `json:"state_reason,omitempty"`
	StateChangedAt time.Time       `json:"state_changed_at"`
	TokenVersion   int64           `json:"token_version"`
	LastSuccessAt  *time.Time      `json:"last_success_at,omitempty"`
	CreatedAt      time.Time       `json:"created_at"`
}

const connectionColumns = `
	c.id, c.organization_id, c.app_id, c.name, c.hub_id, c.hub_domain, coalesce(c.user_id, 0), c.person_id, c.is_user_level,
	c.scopes, c.state, c.state_reason, c.state_changed_at, c.token_version, c.last_success_at, c.created_at`

func (c *Connection) fields() []any {
	return []any{
		&c.ID, &c.OrganizationID, &c.AppID, &c.Name, &c.HubID, &c.HubDomain, &c.UserID, &c.PersonID, &c.IsUserLevel,
		&c.Scopes, &c.State, &c.StateReason, &c.StateChangedAt, &c.TokenVersion, &c.LastSuccessAt, &c.CreatedAt,
	}
}

// Connection returns an organization's connection.
func (s *Store) Connection(ctx context.Context, organizationID, id uuid.UUID) (Connection, error) {
	var c Connection
	err := s.pool.QueryRow(ctx, `select `+connectionColumns+` from connections c where c.organization_id = $1 and c.id = $2`, organizationID, id).Scan(c.fields()...)
	return c, notFound(err, fmt.Sprintf("reading connection %s", id))
}

// ConnectionByName returns an organization's connection.
func (s *Store) ConnectionByName(ctx context.Context, organizationID uuid.UUID, name string) (Connection, error) {
	var c Connection
	err := s.pool.QueryRow(ctx, `select `+connectionColumns+` from connections c where c.organization_id = $1 and c.name = $2`, organizationID, name).Scan(c.fields()...)
	return c, notFound(err, fmt.Sprintf("reading connection %q", name))
}

// Connections lists an organization's connections by name.
func (s *Store) Connections(ctx context.Context, organizationID uuid.UUID) ([]Connection, error) {
	rows, err := s.pool.Query(ctx, `select `+connectionColumns+` from connections c where c.organization_id = $1 order by c.name`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("listing connections: %w", err)
	}
	connections, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Connection, error) {
		var c Connection
		return c, row.Scan(c.fields()...)
	})
	if err != nil {
		return nil, fmt.Errorf("listing connections: %w", err)
	}
	return connections, nil
}

// SetConnectionState changes a connection's state, with the reason for people.
// Ending it deletes the access token; see [Store.RefreshLocked] for what
// becoming connected again does. The same state again changes the reason only.
func (s *Store) SetConnectionState(ctx context.Context, organizationID, id uuid.UUID, state ConnectionState, reason string, actor Actor) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		c, _, err := lockConnection(ctx, tx, id)
		if err != nil {
			return err
		}
		if c.OrganizationID != organizationID {
			return fmt.Errorf("locking connection %s: %w", id, ErrNotFound)
		}
		return s.setConnectionState(ctx, tx, c, state, reason, actor)
	})
}

// setConnectionState changes the state of a connection whose row is locked.
func (s *Store) setConnectionState(ctx context.Context, tx pgx.Tx, c Connection, state ConnectionState, reason string, actor Actor) error {
	if c.State == state && c.StateReason == reason {
		return nil
	}
	_, err := tx.Exec(ctx, `
		update connections set state = $2, state_reason = $3,
		       state_changed_at = case when state = $2 then state_changed_at else now() end
		where id = $1`, c.ID, state, reason)
	if err != nil {
		return fmt.Errorf("changing connection %s to %s: %w", c.ID, state, err)
	}
	if state.Ended() {
		if _, err := tx.Exec(ctx, `delete from access_tokens where connection_id = $1`, c.ID); err != nil {
			return fmt.Errorf("deleting the access token of connection %s: %w", c.ID, err)
		}
	}
	if c.State == state {
		return nil
	}
	if state == Connected {
		if err := wakePaused(ctx, tx, c); err != nil {
			return err
		}
	}
	why := string(c.State) + " → " + string(state)
	if reason != "" {
		why += ": " + reason
	}
	return s.audit(ctx, tx, AuditEntry{OrganizationID: c.OrganizationID, Kind: AuditConnection, Actor: actor, ConnectionID: &c.ID, Reason: why})
}

// wakePaused lets every follow-up that waits for this connection, or for any
// connection of its organization, look again.
func wakePaused(ctx context.Context, tx pgx.Tx, c Connection) error {
	_, err := tx.Exec(ctx, `
		insert into wakeups (id, organization_id, meeting_id, reason)
		select gen_random_uuid(), organization_id, meeting_id, 'reconnected'
		from follow_ups
		where organization_id = $1 and paused_since is not null
		  and (connection_id = $2 or connection_id is null
		       -- Those of a grant that was ended on purpose move to this one.
		       or connection_id in (select id from connections where organization_id = $1 and hub_id = $3 and state in ('revoked', 'uninstalled')))`,
		c.OrganizationID, c.ID, c.HubID)
	if err != nil {
		return fmt.Errorf("waking what waits for connection %s: %w", c.ID, err)
	}
	return nil
}

// lockConnection reads a connection and holds its row until the transaction
// ends. It waits at most lockWait.
func lockConnection(ctx context.Context, tx pgx.Tx, id uuid.UUID) (Connection, []byte, error) {
	doing := fmt.Sprintf("locking connection %s", id)
	if _, err := tx.Exec(ctx, fmt.Sprintf(`set local lock_timeout = '%dms'`, lockWait.Milliseconds())); err != nil {
		return Connection{}, nil, fmt.Errorf("%s: %w", doing, err)
	}
	var c Connection
	var sealed []byte
	err := tx.QueryRow(ctx, `select `+connectionColumns+`, c.sealed_refresh_token from connections c where c.id = $1 for update`, id).
		Scan(append(c.fields(), &sealed)...)
	if hasCode(err, "55P03") {
		return Connection{}, nil, fmt.Errorf("%s: %w", doing, ErrLocked)
	}
	return c, sealed, notFound(err, doing)
}

// lockWait is how long a refresh waits for another one of the same connection.
// Whoever holds the row talks to HubSpot meanwhile, so it is longer than that
// call's timeout (connections: 10 s), and shorter than statement_timeout.
const lockWait = 15 * time.Second

// ErrLocked is reported when another process held a connection's row for
// longer than is waited for: trying again is right.
var ErrLocked = errors.New("another process is using it at the moment")

// Grant is what HubSpot gave: it replaces what was there.
type Grant struct {
	RefreshToken Secret
	AccessToken  Secret
	ExpiresAt    time.Time
}

// Token is what is known of a connection's access token.
type Token struct {
	Connection Connection
	// Access is empty where there is no access token: never stored, lost in a
	// crash, deleted with its connection, or not to be opened.
	Access    Secret
	Version   int64
	ExpiresAt time.Time
}

// Token reads a connection and its access token, if one is there. It needs no
// organization: who asks for a token was given the connection by its own.
func (s *Store) Token(ctx context.Context, connectionID uuid.UUID) (Token, error) {
	return s.readToken(ctx, s.pool, connectionID)
}

func (s *Store) readToken(ctx context.Context, q querier, id uuid.UUID) (Token, error) {
	var t Token
	var version *int64
	var sealed []byte
	var expires *time.Time
	err := q.QueryRow(ctx, `
		select `+connectionColumns+`, a.token_version, a.sealed, a.expires_at
		from connections c left join access_tokens a on a.connection_id = c.id and a.token_version = c.token_version
		where c.id = $1`, id).Scan(append(t.Connection.fields(), &version, &sealed, &expires)...)
	if err != nil {
		return Token{}, notFound(err, fmt.Sprintf("reading the token of connection %s", id))
	}
	t.Version = t.Connection.TokenVersion
	if version == nil {
		return t, nil
	}
	// One that does not open is as good as none: a refresh makes another, or
	// fails clearly at the refresh token if it is the keys that are wrong.
	if access, err := s.vault.Open(sealed, accessTokenPlace(id)); err == nil {
		t.Access, t.ExpiresAt = Secret(access), *expires
	}
	return t, nil
}

// Refreshing is what a refresh has to go by.
type Refreshing struct {
	Connection   Connection
	App          App
	ClientSecret Secret
	RefreshToken Secret
}

// Refreshed is how a refresh ended: a new grant, or a new state.
type Refreshed struct {
	Grant *Grant
	// State and Reason, without a grant, are what the connection becomes.
	State  ConnectionState
	Reason string
}

// RefreshLocked gives a connection a new access token, once in the whole fleet.
//
// It locks the connection's row and looks again: if a newer token than version
// is there and good beyond goodUntil, that one is returned and refresh is not
// called; so it is if the connection has ended. Otherwise refresh is called,
// while the row is held, with everything opened; it must return well before 15
// seconds are over. Its grant is sealed and stored as the next version, and a
// connection that was not connected becomes so: that is audited, and every
// follow-up that waits for it is woken. Or the state that it names is stored.
// All that is one transaction.
//
// An error of refresh changes nothing. An error of the commit loses the grant:
// where HubSpot gave the same refresh token again, as it does today, the next
// refresh heals it; where it rotates them, the next one is refused.
func (s *Store) RefreshLocked(
	ctx context.Context, connectionID uuid.UUID, version int64, goodUntil time.Time,
	refresh func(context.Context, Refreshing) (Refreshed, error),
) (Token, error) {
	var t Token
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		c, sealed, err := lockConnection(ctx, tx, connectionID)
		if err != nil {
			return err
		}
		if t, err = s.readToken(ctx, tx, connectionID); err != nil {
			return err
		}
		newer := t.Version > version && t.Access != "" && t.ExpiresAt.After(goodUntil)
		if c.State.Ended() || newer {
			return nil
		}
		in, err := s.openConnection(ctx, tx, c, sealed)
		if err != nil {
			return err
		}
		out, err := refresh(ctx, in)
		if err != nil {
			return err
		}
		if out.Grant == nil {
			if err := s.setConnectionState(ctx, tx, c, out.State, out.Reason, refresher); err != nil {
				return err
			}
			t.Connection.State, t.Connection.StateReason = out.State, out.Reason
			if out.State.Ended() {
				t.Access = ""
			}
			return nil
		}
		if err := s.storeGrant(ctx, tx, connectionID, *out.Grant); err != nil {
			return err
		}
		if err := s.setConnectionState(ctx, tx, c, Connected, "", refresher); err != nil {
			return err
		}
		t, err = s.readToken(ctx, tx, connectionID)
		return err
	})
	if err != nil {
		return Token{}, fmt.Errorf("refreshing connection %s: %w", connectionID, err)
	}
	return t, nil
}

var refresher = Actor{Name: "token refresh"}

func (s *Store) openConnection(ctx context.Context, q querier, c Connection, sealed []byte) (Refreshing, error) {
	app, err := scanApp(q.QueryRow(ctx, selectApp+` where id = $1`, c.AppID), fmt.Sprintf("reading app %s", c.AppID))
	if err != nil {
		return Refreshing{}, err
	}
	secret, err := s.clientSecret(ctx, q, c.AppID)
	if err != nil {
		return Refreshing{}, err
	}
	refreshToken, err := s.vault.Open(sealed, refreshTokenPlace(c.ID))
	if err != nil {
		return Refreshing{}, fmt.Errorf("opening the refresh token of connection %s: %w", c.ID, err)
	}
	return Refreshing{Connection: c, App: app, ClientSecret: secret, RefreshToken: Secret(refreshToken)}, nil
}

// storeGrant stores a grant as the next version of a connection whose row is
// locked.
func (s *Store) storeGrant(ctx context.Context, tx pgx.Tx, id uuid.UUID, g Grant) error {
	if g.RefreshToken == "" || g.AccessToken == "" {
		return errors.New("a grant without tokens")
	}
	refresh, err := s.vault.Seal([]byte(g.RefreshToken), refreshTokenPlace(id))
	if err != nil {
		return err
	}
	access, err := s.vault.Seal([]byte(g.AccessToken), accessTokenPlace(id))
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, `
		update connections set sealed_refresh_token = $2, token_version = token_version + 1, last_success_at = now()
		where id = $1`, id, refresh)
	if err != nil {
		return fmt.Errorf("storing the refresh token of connection %s: %w", id, err)
	}
	_, err = tx.Exec(ctx, `
		insert into access_tokens (connection_id, token_version, sealed, expires_at)
		select id, token_version, $2, $3 from connections where id = $1
		on conflict (connection_id) do update
		set token_version = excluded.token_version, sealed = excluded.sealed, expires_at = excluded.expires_at`,
		id, access, g.ExpiresAt)
	if err != nil {
		return fmt.Errorf("storing the access token of connection %s: %w", id, err)
	}
	return nil
}

// DropGrant deletes a connection's tokens after revoke has ended them at
// HubSpot, holding the row meanwhile. Without tokens, revoke is not called. An
// error of revoke keeps them, so that it can be tried again.
func (s *Store) DropGrant(ctx context.Context, organizationID, id uuid.UUID, actor Actor, revoke func(context.Context, Refreshing) error) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		c, sealed, err := lockConnection(ctx, tx, id)
		if err != nil {
			return err
		}
		if c.OrganizationID != organizationID {
			return fmt.Errorf("locking connection %s: %w", id, ErrNotFound)
		}
		if sealed == nil {
			return nil
		}
		in, err := s.openConnection(ctx, tx, c, sealed)
		if err != nil {
			return err
		}
		if err := revoke(ctx, in); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `delete from access_tokens where connection_id = $1`, id); err != nil {
			return fmt.Errorf("deleting the access token of connection %s: %w", id, err)
		}
		if _, err := tx.Exec(ctx, `update connections set sealed_refresh_token = null where id = $1`, id); err != nil {
			return fmt.Errorf("deleting the refresh token of connection %s: %w", id, err)
		}
		return s.audit(ctx, tx, AuditEntry{OrganizationID: c.OrganizationID, Kind: AuditConnection, Actor: actor, ConnectionID: &id, Reason: "grant revoked at HubSpot, tokens deleted"})
	})
}

// NameTakenError says that a connection's name belongs to one to another
// account or user: nothing was replaced.
type NameTakenError struct {
	Name  string
	HubID int64
}

// Error names the connection that has the name.
func (e *NameTakenError) Error() string {
	return fmt.Sprintf("the name %q belongs to a connection to HubSpot account %d", e.Name, e.HubID)
}

// Granted is what came out of an attempt to connect.
type Granted struct {
	HubID       int64
	HubDomain   string
	UserID      int64
	UserEmail   string
	IsUserLevel bool
	Scopes      []string
	Grant       Grant
}

// SaveGrant stores what an attempt was granted and ends the attempt, in one
// transaction. A connection of the same app to the same account (and, for a
// user-level app, of the same user) is renewed and keeps its name; reconnected
// says so. Otherwise a new one is made with the attempt's name, or refused with
// [NameTakenError] if another connection has it.
func (s *Store) SaveGrant(ctx context.Context, a Attempt, g Granted) (c Connection, reconnected bool, err error) {
	save := func() error {
		return s.inTx(ctx, func(tx pgx.Tx) error {
			c, reconnected, err = s.saveGrant(ctx, tx, a, g)
			return err
		})
	}
	err = save()
	if isUniqueViolation(err) {
		// Somebody connected the same account, or took the name, just now.
		err = save()
	}
	if err != nil {
		return Connection{}, false, fmt.Errorf("storing the connection to HubSpot account %d: %w", g.HubID, err)
	}
	return c, reconnected, nil
}

func (s *Store) saveGrant(ctx context.Context, tx pgx.Tx, a Attempt, g Granted) (Connection, bool, error) {
	actor := Actor{Name: "connect page"}
	var person *uuid.UUID
	err := tx.QueryRow(ctx, `
		select person_id from person_identities where organization_id = $1 and kind = 'email' and value = lower($2)`,
		a.OrganizationID, g.UserEmail).Scan(&person)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return Connection{}, false, fmt.Errorf("looking for the person who connected: %w", err)
	}
	actor.PersonID = person
	scopes := slices.Sorted(slices.Values(g.Scopes))
	if scopes == nil {
		scopes = []string{}
	}

	var c Connection
	err = tx.QueryRow(ctx, `
		select `+connectionColumns+` from connections c
		where c.app_id = $1 and c.hub_id = $2 and c.is_user_level = $3 and (not $3 or c.user_id = $4) for update`,
		a.AppID, g.HubID, g.IsUserLevel, g.UserID).Scan(c.fields()...)
	reconnected := err == nil
	switch {
	case err == nil:
		_, err = tx.Exec(ctx, `
			update connections set hub_domain = $2, user_id = $3, person_id = $4, scopes = $5 where id = $1`,
			c.ID, g.HubDomain, nullInt(g.UserID), person, scopes)
		if err != nil {
			return Connection{}, false, fmt.Errorf("renewing connection %s: %w", c.ID, err)
		}
	case errors.Is(err, pgx.ErrNoRows):
		taken := &NameTakenError{Name: a.ConnectionName}
		err := tx.QueryRow(ctx, `select hub_id from connections where organization_id = $1 and name = $2`, a.OrganizationID, a.ConnectionName).Scan(&taken.HubID)
		if err == nil {
			return Connection{}, false, taken
		}
		if !errors.Is(err, pgx.ErrNoRows) {
			return Connection{}, false, fmt.Errorf("looking for connections named %q: %w", a.ConnectionName, err)
		}
		c = Connection{ID: newID(), OrganizationID: a.OrganizationID, State: NeedsReconnect}
		_, err = tx.Exec(ctx, `
			insert into connections (id, organization_id, app_id, name, hub_id, hub_domain, user_id, person_id, is_user_level, scopes, state)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
			c.ID, a.OrganizationID, a.AppID, a.ConnectionName, g.HubID, g.HubDomain, nullInt(g.UserID), person, g.IsUserLevel, scopes, Connected)
		if err != nil {
			return Connection{}, false, err
		}
	default:
		return Connection{}, false, fmt.Errorf("looking for connections to account %d: %w", g.HubID, err)
	}

	if err := s.storeGrant(ctx, tx, c.ID, g.Grant); err != nil {
		return Connection{}, false, err
	}
	what := "connected"
	if reconnected {
		what = "reconnected, was " + string(c.State)
	}
	if err := s.audit(ctx, tx, AuditEntry{
		OrganizationID: a.OrganizationID, Kind: AuditConnection, Actor: actor, ConnectionID: &c.ID,
		Reason: fmt.Sprintf("%s: HubSpot account %d, user %d", what, g.HubID, g.UserID),
	}); err != nil {
		return Connection{}, false, err
	}
	_, err = tx.Exec(ctx, `
		update connections set state = 'connected', state_reason = '',
		       state_changed_at = case when state = 'connected' then state_changed_at else now() end
		where id = $1`, c.ID)
	if err != nil {
		return Connection{}, false, fmt.Errorf("connecting %s: %w", c.ID, err)
	}
	if c.State != Connected {
		if err := wakePaused(ctx, tx, c); err != nil {
			return Connection{}, false, err
		}
	}
	if _, err := tx.Exec(ctx, `update connection_attempts set used_at = now(), outcome = $2 where id = $1`, a.ID, what); err != nil {
		return Connection{}, false, fmt.Errorf("ending the attempt to connect: %w", err)
	}
	stored, err := s.readToken(ctx, tx, c.ID)
	return stored.Connection, reconnected, err
}

func nullInt(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// Attempt is a way to connect that somebody began.
type Attempt struct {
	ID             uuid.UUID
	OrganizationID uuid.UUID
	AppID          uuid.UUID
	ConnectionName string
	ExpiresAt      time.Time
}

// AttemptTTL is how long a link to connect works.
const AttemptTTL = 15 * time.Minute

// What can be wrong with a one-time token, beside [ErrNotFound].
var (
	ErrExpired = errors.New("expired")
	ErrUsed    = errors.New("used already")
	// ErrForeign: it was begun in another browser.
	ErrForeign = errors.New("begun in another browser")
)

// CreateAttempt begins a way to connect and returns its one-time link's token,
// of which only the hash is stored.
func (s *Store) CreateAttempt(ctx context.Context, organizationID, appID uuid.UUID, connectionName string, actor Actor) (Attempt, Secret, error) {
	if connectionName == "" {
		return Attempt{}, "", errors.New("a connection needs a name")
	}
	link, hash := newOneTimeToken()
	a := Attempt{ID: newID(), OrganizationID: organizationID, AppID: appID, ConnectionName: connectionName}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			insert into connection_attempts (id, organization_id, app_id, connection_name, link_hash, expires_at)
			select $1, organization_id, id, $4, $5, now() + $6::interval from apps where organization_id = $2 and id = $3
			returning expires_at`,
			a.ID, organizationID, appID, connectionName, hash, AttemptTTL).Scan(&a.ExpiresAt)
		if err != nil {
			return notFound(err, fmt.Sprintf("beginning to connect app %s", appID))
		}
		return s.audit(ctx, tx, AuditEntry{OrganizationID: organizationID, Kind: AuditConnection, Actor: actor, Reason: "link to connect made"})
	})
	if err != nil {
		return Attempt{}, "", err
	}
	return a, link, nil
}

const attemptColumns = `id, organization_id, app_id, connection_name, expires_at`

func (a *Attempt) fields() []any {
	return []any{&a.ID, &a.OrganizationID, &a.AppID, &a.ConnectionName, &a.ExpiresAt}
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
		update connection_attempts set state_hash = $2, browser_hash = $3
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
		update connection_attempts set used_at = null, state_hash = null, outcome = $2 where id = $1`, id, outcome)
	if err != nil {
		return fmt.Errorf("recording how an attempt to connect ended: %w", err)
	}
	return nil
}
