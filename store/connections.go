package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/internal/sabotage"
	"github.com/debriefhq/debrief/policy"
)

func refreshTokenPlace(connection uuid.UUID) string {
	return "connections.refresh_token:" + connection.String()
}

func accessTokenPlace(connection uuid.UUID) string {
	return "access_tokens.token:" + connection.String()
}

func staticTokenPlace(connection uuid.UUID) string {
	return "connections.static_token:" + connection.String()
}

// ConnectionState says whether a connection can be used, and if not, why.
type ConnectionState string

// The states of a connection.
const (
	Connected ConnectionState = "connected"
	// Expired: its access token has run out, and for a passing reason no new one
	// could be had. It becomes connected by itself.
	Expired ConnectionState = "expired"
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
	// AppID is zero for a token that never expires, of a private app or a
	// service key.
	AppID     uuid.UUID `json:"app_id,omitzero"`
	Name      string    `json:"name"`
	HubID     int64     `json:"hub_id"`
	HubDomain string    `json:"hub_domain,omitempty"`
	// AccountType is HubSpot's: STANDARD, SANDBOX, DEVELOPER_TEST or
	// APP_DEVELOPER; empty if it was not told.
	AccountType string `json:"account_type,omitempty"`
	TimeZone    string `json:"time_zone,omitempty"`
	// Currencies are the account's, the company currency first.
	Currencies []string `json:"currencies,omitempty"`
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
	LastError      string          `json:"last_error,omitempty"`
	LastErrorAt    *time.Time      `json:"last_error_at,omitempty"`
	// IsDefault: it acts where no rule says otherwise.
	IsDefault bool `json:"is_default,omitempty"`
	// AnyEnvironment: an admin let it write for sources of the other kind.
	AnyEnvironment bool `json:"any_environment,omitempty"`
	// Reveal: an admin let its access tokens be shown and exported.
	Reveal bool `json:"reveal,omitempty"`
	// GrantedAt is when somebody last clicked.
	GrantedAt time.Time `json:"granted_at"`
	CreatedAt time.Time `json:"created_at"`
}

// IsStatic says whether it is a token that never expires, rather than a grant
// of an app.
func (c Connection) IsStatic() bool { return c.AppID == uuid.Nil }

// testAccountTypes are HubSpot's account types whose records nobody relies on.
var testAccountTypes = []string{"SANDBOX", "DEVELOPER_TEST", "APP_DEVELOPER"}

// IsTest says whether its account is a sandbox or somebody's test account.
func (c Connection) IsTest() bool { return slices.Contains(testAccountTypes, c.AccountType) }

// Missing returns the scope without which a tool can't be used through this
// connection; empty if nothing is missing, or if HubSpot did not say what was
// granted (of an imported token).
func (c Connection) Missing(tool policy.Tool) string {
	if len(c.Scopes) == 0 {
		return ""
	}
	if tool.Operation == policy.Archive {
		tool.Operation = policy.Update // the same scopes
	}
	info, _ := policy.FindTool(tool)
	for _, scope := range info.Scopes {
		if !slices.Contains(c.Scopes, scope) {
			return scope
		}
	}
	return ""
}

const connectionColumns = `
	c.id, c.organization_id, coalesce(c.app_id, '00000000-0000-0000-0000-000000000000'), c.name, c.hub_id, c.hub_domain, coalesce(c.user_id, 0), c.person_id, c.is_user_level,
	c.scopes, c.state, c.state_reason, c.state_changed_at, c.token_version, c.last_success_at, c.created_at,
	c.account_type, c.time_zone, c.currencies, c.last_error, c.last_error_at, c.is_default, c.any_environment, c.reveal, c.granted_at`

func (c *Connection) fields() []any {
	return []any{
		&c.ID, &c.OrganizationID, &c.AppID, &c.Name, &c.HubID, &c.HubDomain, &c.UserID, &c.PersonID, &c.IsUserLevel,
		&c.Scopes, &c.State, &c.StateReason, &c.StateChangedAt, &c.TokenVersion, &c.LastSuccessAt, &c.CreatedAt,
		&c.AccountType, &c.TimeZone, &c.Currencies, &c.LastError, &c.LastErrorAt, &c.IsDefault, &c.AnyEnvironment, &c.Reveal, &c.GrantedAt,
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
	if err := queueConnectionNotice(ctx, tx, c, state); err != nil {
		return err
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

// wakePaused lets every follow-up and brief that waits for this connection, or for any
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
	return resumeBriefings(ctx, tx, c)
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
	err := tx.QueryRow(ctx, `select `+connectionColumns+`, c.sealed_refresh_token from connections c where c.id = $1 for no key update`, id).
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
	// Scopes are what the grant is good for now; empty if HubSpot did not say.
	Scopes []string
}

// Token is what is known of a connection's access token.
type Token struct {
	Connection Connection
	// Access is empty where there is no access token: never stored, lost in a
	// crash, deleted with its connection, or not to be opened.
	Access    Secret
	Version   int64
	ExpiresAt time.Time
	// RestFor is how much longer HubSpot is not to be asked for another one.
	RestFor time.Duration
}

// Token reads a connection and its access token, if one is there. It needs no
// organization: who asks for a token was given the connection by its own.
func (s *Store) Token(ctx context.Context, connectionID uuid.UUID) (Token, error) {
	if sabotage.Is(sabotage.OtherTenant) {
		_ = s.pool.QueryRow(ctx, `select id from connections where organization_id <> (select organization_id from connections where id = $1) order by id limit 1`, connectionID).Scan(&connectionID)
	}
	return s.readToken(ctx, s.pool, connectionID)
}

func (s *Store) readToken(ctx context.Context, q querier, id uuid.UUID) (Token, error) {
	var t Token
	var version *int64
	var sealed []byte
	var expires *time.Time
	var static []byte
	// By the database's clock: those of the processes may differ.
	err := q.QueryRow(ctx, `
		select `+connectionColumns+`, a.token_version, a.sealed, a.expires_at, c.sealed_static_token,
		       greatest(coalesce(c.token_rest_until - clock_timestamp(), interval '0'), interval '0')
		from connections c left join access_tokens a on a.connection_id = c.id and a.token_version = c.token_version
		where c.id = $1`, id).Scan(append(t.Connection.fields(), &version, &sealed, &expires, &static, &t.RestFor)...)
	if err != nil {
		return Token{}, notFound(err, fmt.Sprintf("reading the token of connection %s", id))
	}
	t.Version = t.Connection.TokenVersion
	if static != nil {
		access, err := s.vault.Open(static, staticTokenPlace(id))
		if err != nil {
			return Token{}, fmt.Errorf("opening the token of connection %s: %w", id, err)
		}
		t.Access, t.ExpiresAt = Secret(access), time.Now().Add(staticLife)
		return t, nil
	}
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

// staticLife is how long a token that never expires is said to last from now.
const staticLife = 24 * time.Hour

// Refreshing is what a refresh has to go by.
type Refreshing struct {
	Connection   Connection
	App          App
	ClientSecret Secret
	RefreshToken Secret
	// RestFor is how much longer HubSpot is not to be asked.
	RestFor time.Duration
}

// Refreshed is how a refresh ended: a new grant, a rest, or a new state.
type Refreshed struct {
	Grant *Grant
	// RestFor, without a grant, is how long nobody is to ask HubSpot again.
	RestFor time.Duration
	// State and Reason, with neither, are what the connection becomes.
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
// follow-up that waits for it is woken. Or the rest that HubSpot asked for is
// stored, or the state that it names.
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
		if c.IsStatic() {
			// There is nothing to refresh it with: who comes here was refused.
			const refused = "HubSpot no longer accepts the token: import a new one"
			if err := s.setConnectionState(ctx, tx, c, NeedsReconnect, refused, refresher); err != nil {
				return err
			}
			t.Connection.State, t.Connection.StateReason, t.Access = NeedsReconnect, refused, ""
			return nil
		}
		in, err := s.openConnection(ctx, tx, c, sealed)
		if err != nil {
			return err
		}
		in.RestFor = t.RestFor
		out, err := refresh(ctx, in)
		if err != nil {
			return err
		}
		if out.Grant == nil && out.RestFor > 0 {
			_, err := tx.Exec(ctx, `update connections set token_rest_until = clock_timestamp() + $2::interval where id = $1`, connectionID, out.RestFor)
			return err
		}
		if out.Grant == nil {
			if err := s.noteError(ctx, tx, connectionID, out.Reason); err != nil {
				return err
			}
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
		if err := s.audit(ctx, tx, AuditEntry{
			OrganizationID: c.OrganizationID, Kind: AuditConnection, Actor: refresher, ConnectionID: &c.ID, Reason: "access token refreshed",
		}); err != nil {
			return err
		}
		if err := s.setConnectionState(ctx, tx, c, Connected, "", refresher); err != nil {
			return err
		}
		if err := s.changeScopes(ctx, tx, c, out.Grant.Scopes, refresher); err != nil {
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

// changeScopes stores what a grant is good for now, if that has changed.
func (s *Store) changeScopes(ctx context.Context, tx pgx.Tx, c Connection, scopes []string, actor Actor) error {
	scopes = slices.Compact(slices.Sorted(slices.Values(scopes)))
	if len(scopes) == 0 || slices.Equal(scopes, c.Scopes) {
		return nil
	}
	if _, err := tx.Exec(ctx, `update connections set scopes = $2 where id = $1`, c.ID, scopes); err != nil {
		return fmt.Errorf("storing the scopes of connection %s: %w", c.ID, err)
	}
	without := func(a, b []string) []string {
		return slices.DeleteFunc(slices.Clone(a), func(scope string) bool { return slices.Contains(b, scope) })
	}
	lost, gained := without(c.Scopes, scopes), without(scopes, c.Scopes)
	var changes []string
	if len(lost) > 0 {
		changes = append(changes, "taken away at HubSpot: "+strings.Join(lost, ", "))
	}
	if len(gained) > 0 {
		changes = append(changes, "granted: "+strings.Join(gained, ", "))
	}
	if err := s.audit(ctx, tx, AuditEntry{
		OrganizationID: c.OrganizationID, Kind: AuditConnection, Actor: actor, ConnectionID: &c.ID, Reason: "scopes changed; " + strings.Join(changes, "; "),
	}); err != nil {
		return err
	}
	// Those look at what can be done now: questions about what can't are
	// withdrawn, what waited for a scope goes on.
	return wakeOpen(ctx, tx, c)
}

// wakeOpen lets every open follow-up of a connection look again.
func wakeOpen(ctx context.Context, tx pgx.Tx, c Connection) error {
	_, err := tx.Exec(ctx, `
		insert into wakeups (id, organization_id, meeting_id, reason)
		select gen_random_uuid(), organization_id, meeting_id, 'scopes changed' from follow_ups
		where organization_id = $1 and connection_id = $2 and state = 'open'`, c.OrganizationID, c.ID)
	if err != nil {
		return fmt.Errorf("waking what goes through connection %s: %w", c.ID, err)
	}
	return nil
}

// noteError keeps what went wrong last, for people to see. The sentence has no
// personal data.
func (s *Store) noteError(ctx context.Context, q querier, id uuid.UUID, sentence string) error {
	if _, err := q.Exec(ctx, `update connections set last_error = $2, last_error_at = now() where id = $1`, id, sentence); err != nil {
		return fmt.Errorf("noting what went wrong with connection %s: %w", id, err)
	}
	return nil
}

// NoteExpired records that no token could be had for a passing reason although
// the last one has run out. The next refresh that succeeds ends it.
func (s *Store) NoteExpired(ctx context.Context, id uuid.UUID, sentence string) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		c, _, err := lockConnection(ctx, tx, id)
		if err != nil {
			return err
		}
		if err := s.noteError(ctx, tx, id, sentence); err != nil {
			return err
		}
		if c.State != Connected {
			return nil
		}
		t, err := s.readToken(ctx, tx, id)
		if err != nil || t.Access != "" && t.ExpiresAt.After(time.Now()) {
			return err // somebody got a new one meanwhile
		}
		return s.setConnectionState(ctx, tx, c, Expired, sentence, refresher)
	})
}

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
		update connections set sealed_refresh_token = $2, token_version = token_version + 1, last_success_at = now(), token_rest_until = null
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
		if c.IsStatic() {
			return s.dropStaticToken(ctx, tx, c, actor)
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

// dropStaticToken deletes a token that never expires. HubSpot has no call that
// ends one: whoever made it there has to.
func (s *Store) dropStaticToken(ctx context.Context, tx pgx.Tx, c Connection, actor Actor) error {
	if _, err := tx.Exec(ctx, `update connections set sealed_static_token = null where id = $1`, c.ID); err != nil {
		return fmt.Errorf("deleting the token of connection %s: %w", c.ID, err)
	}
	return s.audit(ctx, tx, AuditEntry{OrganizationID: c.OrganizationID, Kind: AuditConnection, Actor: actor, ConnectionID: &c.ID, Reason: "imported token deleted"})
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
	// Account is what HubSpot says of the account; zero if it was not told.
	AccountType string
	TimeZone    string
	Currencies  []string
	Grant       Grant
}

// ExistsError says that the account is connected already, by a grant that
// works: nothing was replaced. What HubSpot granted is kept for a quarter of an
// hour; see [Store.KeptGrant].
type ExistsError struct {
	Connection Connection
	// OtherUser: somebody else granted the connection that is there.
	OtherUser bool
}

// Error names the connection.
func (e *ExistsError) Error() string {
	return fmt.Sprintf("HubSpot account %d is connected already, as connection %s", e.Connection.HubID, e.Connection.ID)
}

// SaveGrant stores what an attempt was granted and ends the attempt, in one
// transaction. A connection of the same app to the same account (and, for a
// user-level app, of the same user) is renewed and keeps its name; reconnected
// says so. But one that works, and has another name or was granted by another
// user, is replaced only if the attempt is confirmed: else the error is an
// [*ExistsError]. Who is deactivated here can't connect: a [*Refusal]. Without such a connection a new one is made with the attempt's
// name, or refused with [NameTakenError] if another connection has it.
func (s *Store) SaveGrant(ctx context.Context, a Attempt, g Granted) (c Connection, reconnected bool, err error) {
	var exists *ExistsError
	save := func() error {
		return s.inTx(ctx, func(tx pgx.Tx) error {
			c, reconnected, err = s.saveGrant(ctx, tx, a, g)
			if errors.As(err, &exists) {
				return s.keepGrant(ctx, tx, a, g, exists.Connection.ID)
			}
			return err
		})
	}
	err = save()
	if err == nil && exists != nil {
		return Connection{}, false, exists
	}
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
	actor := connectPage
	person, err := s.personOfGrant(ctx, tx, a.OrganizationID, g)
	if err != nil {
		return Connection{}, false, err
	}
	actor.PersonID = person
	scopes := append([]string{}, slices.Compact(slices.Sorted(slices.Values(g.Scopes)))...)
	currencies := append([]string{}, g.Currencies...)

	var c Connection
	err = tx.QueryRow(ctx, `
		select `+connectionColumns+` from connections c
		where c.app_id = $1 and c.hub_id = $2 and c.is_user_level = $3 and (not $3 or c.user_id = $4) for no key update`,
		a.AppID, g.HubID, g.IsUserLevel, g.UserID).Scan(c.fields()...)
	reconnected := err == nil
	switch {
	case err == nil:
		otherUser := c.UserID != 0 && g.UserID != c.UserID
		// What was confirmed was about the grant of then.
		confirmed := a.Confirmed != nil && *a.Confirmed == c.ID && c.GrantedAt.Before(a.ClaimedAt)
		if !c.State.Ended() && !confirmed && (c.Name != a.ConnectionName || otherUser) {
			return Connection{}, false, &ExistsError{Connection: c, OtherUser: otherUser}
		}
		_, err = tx.Exec(ctx, `
			update connections set hub_domain = $2, user_id = $3, person_id = $4, account_type = $5, time_zone = $6, currencies = $7,
			       granted_at = now(), last_error = '', last_error_at = null
			where id = $1`,
			c.ID, g.HubDomain, nullInt(g.UserID), person, g.AccountType, g.TimeZone, currencies)
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
			insert into connections (id, organization_id, app_id, name, hub_id, hub_domain, user_id, person_id, is_user_level, scopes, state,
			                         account_type, time_zone, currencies)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
			c.ID, a.OrganizationID, a.AppID, a.ConnectionName, g.HubID, g.HubDomain, nullInt(g.UserID), person, g.IsUserLevel, scopes, Connected,
			g.AccountType, g.TimeZone, currencies)
		if err != nil {
			return Connection{}, false, err
		}
		c.Scopes = scopes
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
	if err := s.changeScopes(ctx, tx, c, scopes, actor); err != nil {
		return Connection{}, false, err
	}
	// It locks follow-ups, and so comes before what locks briefs.
	if err := chooseAgain(ctx, tx, a.OrganizationID); err != nil {
		return Connection{}, false, err
	}
	if c.State != Connected {
		if err := wakePaused(ctx, tx, c); err != nil {
			return Connection{}, false, err
		}
	}
	if err := reroute(ctx, tx); err != nil {
		return Connection{}, false, err
	}
	if _, err := tx.Exec(ctx, `update connection_attempts set used_at = now(), sealed_grant = null, outcome = $2 where id = $1`, a.ID, what); err != nil {
		return Connection{}, false, fmt.Errorf("ending the attempt to connect: %w", err)
	}
	stored, err := s.readToken(ctx, tx, c.ID)
	return stored.Connection, reconnected, err
}

// personOfGrant finds the person who granted something: by the HubSpot user, else
// by the address. Who connects for themselves with an address in the organization's
// own domains and is not known yet becomes a member, or that connection would act
// for nobody. It is nil for everybody else, and a [*Refusal] for who is deactivated.
func (s *Store) personOfGrant(ctx context.Context, tx pgx.Tx, organizationID uuid.UUID, g Granted) (*uuid.UUID, error) {
	email := normalEmail(g.UserEmail)
	if err := lockAddress(ctx, tx, organizationID, email); err != nil {
		return nil, err
	}
	user := Identity{Kind: IdentityHubSpotUser, Value: fmt.Sprintf("%d:%d", g.HubID, g.UserID)}
	person, err := findByIdentity(ctx, tx, organizationID, user)
	known := err == nil
	if errors.Is(err, ErrNotFound) && email != "" {
		person, err = findByIdentity(ctx, tx, organizationID, Identity{Kind: IdentityEmail, Value: email})
	}
	if errors.Is(err, ErrNotFound) {
		var domains []string
		if err := tx.QueryRow(ctx, `select domains from organizations where id = $1`, organizationID).Scan(&domains); err != nil {
			return nil, notFound(err, "reading the organization's domains")
		}
		if !g.IsUserLevel || !slices.Contains(domains, domainOf(email)) {
			return nil, nil
		}
		person, err = s.addPerson(ctx, tx, Person{
			OrganizationID: organizationID, Role: RoleMember, Identities: []Identity{{Kind: IdentityEmail, Value: email}},
		}, connectPage)
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the person who connected: %w", err)
	}
	if err := refuseDeactivated(ctx, tx, person); err != nil {
		return nil, err
	}
	if !known && g.UserID != 0 {
		seen := time.Now()
		user.SeenAt = &seen
		if err := s.addIdentity(ctx, tx, organizationID, person, user, connectPage); err != nil {
			return nil, err
		}
	}
	return &person, nil
}

var connectPage = Actor{Name: "connect page"}

func nullInt(n int64) *int64 {
	if n == 0 {
		return nil
	}
	return &n
}

// ImportToken stores an access token that never expires, of a private app or a
// service key, as a connection of that name. An earlier one to the same account
// is replaced if it has that name or has ended; else the error is a [*Refusal].
func (s *Store) ImportToken(ctx context.Context, organizationID uuid.UUID, name string, g Granted, token Secret, actor Actor) (Connection, error) {
	if name == "" || token == "" || g.HubID == 0 {
		return Connection{}, errors.New("an imported token needs a name and an account")
	}
	var c Connection
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		id := newID()
		var earlier string
		var state ConnectionState
		err := tx.QueryRow(ctx, `select id, name, state from connections where organization_id = $1 and hub_id = $2 and app_id is null for no key update`,
			organizationID, g.HubID).Scan(&id, &earlier, &state)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
		case err != nil:
			return fmt.Errorf("looking for an earlier token: %w", err)
		case earlier != name && !state.Ended():
			return refuse("HubSpot account %d has an imported token already, as %q, and nothing was replaced: import under that name to replace it", g.HubID, earlier)
		}
		sealed, err := s.vault.Seal([]byte(token), staticTokenPlace(id))
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `
			insert into connections (id, organization_id, name, hub_id, hub_domain, is_user_level, scopes, state, account_type, time_zone, currencies,
			                         sealed_static_token, last_success_at, token_version)
			values ($1, $2, $3, $4, $5, false, $6, 'connected', $7, $8, $9, $10, now(), 1)
			on conflict (id) do update set
			  name = excluded.name, hub_domain = excluded.hub_domain, scopes = excluded.scopes, state = 'connected', state_reason = '',
			  account_type = excluded.account_type, time_zone = excluded.time_zone, currencies = excluded.currencies,
			  sealed_static_token = excluded.sealed_static_token, last_success_at = now(), last_error = '', last_error_at = null,
			  state_changed_at = case when connections.state = 'connected' then connections.state_changed_at else now() end, granted_at = now(),
			  token_version = connections.token_version + 1`,
			id, organizationID, name, g.HubID, g.HubDomain, append([]string{}, g.Scopes...), g.AccountType, g.TimeZone,
			append([]string{}, g.Currencies...), sealed)
		if err != nil {
			return err
		}
		if err := s.audit(ctx, tx, AuditEntry{
			OrganizationID: organizationID, Kind: AuditConnection, Actor: actor, ConnectionID: &id, Reason: fmt.Sprintf("token imported for HubSpot account %d", g.HubID),
		}); err != nil {
			return err
		}
		t, err := s.readToken(ctx, tx, id)
		if err != nil {
			return err
		}
		c = t.Connection
		if err := chooseAgain(ctx, tx, organizationID); err != nil {
			return err
		}
		if err := wakePaused(ctx, tx, c); err != nil {
			return err
		}
		// It may be good for more than the earlier one, or for less.
		if err := wakeOpen(ctx, tx, c); err != nil {
			return err
		}
		return reroute(ctx, tx)
	})
	if isUniqueViolation(err) {
		return Connection{}, fmt.Errorf("the organization already has a connection named %q", name)
	}
	if err != nil {
		return Connection{}, fmt.Errorf("importing a token for HubSpot account %d: %w", g.HubID, err)
	}
	return c, nil
}

// SetReveal lets a connection's access tokens be shown and exported, or ends
// that. It is off for every connection to begin with.
func (s *Store) SetReveal(ctx context.Context, organizationID, id uuid.UUID, on bool, actor Actor) error {
	return s.switchConnection(ctx, organizationID, id, "reveal", on, "showing its access tokens", actor)
}

// SetAnyEnvironment lets a connection to a test account write for production
// sources, or the reverse, or ends that.
func (s *Store) SetAnyEnvironment(ctx context.Context, organizationID, id uuid.UUID, on bool, actor Actor) error {
	return s.switchConnection(ctx, organizationID, id, "any_environment", on, "writing for sources of the other kind", actor)
}

func (s *Store) switchConnection(ctx context.Context, organizationID, id uuid.UUID, column string, on bool, what string, actor Actor) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		var was bool
		err := tx.QueryRow(ctx, `
			update connections c set `+column+` = $3 from connections before
			where c.organization_id = $1 and c.id = $2 and before.id = c.id returning before.`+column, organizationID, id, on).Scan(&was)
		if err != nil {
			return notFound(err, fmt.Sprintf("changing connection %s", id))
		}
		if was == on {
			return nil
		}
		if column == "any_environment" && !on {
			// What is planned through it may not be carried out any more: it is
			// planned anew, and then somebody has to choose.
			if _, err := tx.Exec(ctx, `
				with open as (
					update follow_ups set answers = answers + 1
					where meeting_id in (select meeting_id from follow_ups where organization_id = $1 and connection_id = $2 and state = 'open' order by meeting_id for update)
					returning meeting_id
				)
				insert into wakeups (id, organization_id, meeting_id, reason) select gen_random_uuid(), $1, meeting_id, 'choose again' from open`,
				organizationID, id); err != nil {
				return fmt.Errorf("planning anew what goes through connection %s: %w", id, err)
			}
		}
		verdict := map[bool]string{true: " turned on", false: " turned off"}[on]
		if err := s.audit(ctx, tx, AuditEntry{OrganizationID: organizationID, Kind: AuditConnection, Actor: actor, ConnectionID: &id, Reason: what + verdict}); err != nil {
			return err
		}
		return chooseAgain(ctx, tx, organizationID)
	})
}

// AuditReveal records that an access token was shown or exported: what is done
// with it then passes no permission. The reason is whoever asked's, and words.
func (s *Store) AuditReveal(ctx context.Context, organizationID, connectionID uuid.UUID, reason string, actor Actor) error {
	o, err := s.Organization(ctx, organizationID)
	if err != nil {
		return err
	}
	return s.Audit(ctx, AuditEntry{
		OrganizationID: organizationID, Kind: AuditConnection, Actor: actor, ConnectionID: &connectionID,
		Reason: "access token revealed, outside permissions", Values: map[string]string{"reason": reason}, DataKeyID: &o.dataKeyID,
	})
}

// UnfinishedRevocations lists connections that ended here, and whose grant HubSpot
// has not confirmed to have ended: at most limit, the longest ended first.
func (s *Store) UnfinishedRevocations(ctx context.Context, limit int) ([]Connection, error) {
	rows, err := s.pool.Query(ctx, `
		select `+connectionColumns+` from connections c
		where c.state = 'revoked' and c.sealed_refresh_token is not null and c.state_changed_at < now() - interval '1 minute'
		order by c.state_changed_at limit $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("listing grants to end: %w", err)
	}
	connections, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Connection, error) {
		var c Connection
		return c, row.Scan(c.fields()...)
	})
	if err != nil {
		return nil, fmt.Errorf("listing grants to end: %w", err)
	}
	return connections, nil
}
