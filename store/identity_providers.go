package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// IdentityProvider is where an organization's people sign in, by OpenID Connect.
// Its client secret is sealed and not in here.
type IdentityProvider struct {
	OrganizationID uuid.UUID `json:"organization_id"`
	// Organization is the organization's name.
	Organization string `json:"organization"`
	// Issuer is the provider's identifier: https, and http on loopback only.
	Issuer    string    `json:"issuer"`
	ClientID  string    `json:"client_id"`
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"`
}

// SignInTTL is how long somebody may take at the identity provider.
const SignInTTL = 10 * time.Minute

func identityProviderPlace(organizationID uuid.UUID) string {
	return "identity_providers.client_secret:" + organizationID.String()
}

// SetIdentityProvider says where an organization's people sign in, in place of
// what was said before. Its domains have to lead to one provider: a domain that
// another organization signs in by is a [*Refusal].
func (s *Store) SetIdentityProvider(ctx context.Context, p IdentityProvider, clientSecret Secret, actor Actor) error {
	if err := checkIssuer(p.Issuer); err != nil {
		return err
	}
	if p.ClientID == "" || clientSecret == "" {
		return refuse("an identity provider needs a client ID and a client secret")
	}
	sealed, err := s.vault.Seal([]byte(clientSecret), identityProviderPlace(p.OrganizationID))
	if err != nil {
		return err
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		// One at a time, or two could set the same domain.
		if _, err := tx.Exec(ctx, `lock table identity_providers in share row exclusive mode`); err != nil {
			return fmt.Errorf("waiting for others who set one: %w", err)
		}
		var taken bool
		err := tx.QueryRow(ctx, `
			select exists (select from identity_providers i join organizations other on other.id = i.organization_id
			               where other.id <> o.id and other.domains && o.domains)
			from organizations o where o.id = $1`, p.OrganizationID).Scan(&taken)
		if err := notFound(err, "reading the organization"); err != nil {
			return err
		}
		if taken {
			return refuse("another organization of this installation signs in by one of these e-mail domains: a domain has to lead to one provider")
		}
		var old string
		err = tx.QueryRow(ctx, `select issuer from identity_providers where organization_id = $1`, p.OrganizationID).Scan(&old)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return fmt.Errorf("reading the provider so far: %w", err)
		}
		_, err = tx.Exec(ctx, `
			insert into identity_providers (organization_id, issuer, client_id, sealed_client_secret) values ($1, $2, $3, $4)
			on conflict (organization_id) do update set issuer = excluded.issuer, client_id = excluded.client_id,
			  sealed_client_secret = excluded.sealed_client_secret, changed_at = now()`,
			p.OrganizationID, p.Issuer, p.ClientID, sealed)
		if err != nil {
			return err
		}
		// A code that the one before gave is nothing for this one.
		if _, err := tx.Exec(ctx, `delete from sign_in_attempts where organization_id = $1`, p.OrganizationID); err != nil {
			return fmt.Errorf("deleting sign-ins under way: %w", err)
		}
		what := "identity provider set: " + p.Issuer
		switch old {
		case "":
		case p.Issuer:
			what = "identity provider changed: client of " + p.Issuer
		default:
			what = "identity provider changed: " + old + " → " + p.Issuer
		}
		return s.audit(ctx, tx, AuditEntry{OrganizationID: p.OrganizationID, Kind: AuditOrganization, Actor: actor, Reason: what})
	})
	if err != nil {
		return fmt.Errorf("setting the identity provider: %w", err)
	}
	return nil
}

func checkIssuer(issuer string) error {
	u, err := url.Parse(issuer)
	switch {
	case err != nil, u.Host == "", u.RawQuery != "", u.Fragment != "", u.User != nil:
		return refuse("the issuer %q is not one: it is the address before /.well-known/openid-configuration, such as https://login.example.com", issuer)
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && isLoopback(u.Hostname()):
		return nil
	default:
		return refuse("the issuer %q has to be https: whoever can read or change what it says could sign in as anybody", issuer)
	}
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// RemoveIdentityProvider ends signing in by a provider. Sessions stay. Without
// one, it is [ErrNotFound].
func (s *Store) RemoveIdentityProvider(ctx context.Context, organizationID uuid.UUID, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var issuer string
		err := tx.QueryRow(ctx, `delete from identity_providers where organization_id = $1 returning issuer`, organizationID).Scan(&issuer)
		if err := notFound(err, "deleting it"); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `delete from sign_in_attempts where organization_id = $1`, organizationID); err != nil {
			return fmt.Errorf("deleting sign-ins under way: %w", err)
		}
		return s.audit(ctx, tx, AuditEntry{OrganizationID: organizationID, Kind: AuditOrganization, Actor: actor, Reason: "identity provider removed: " + issuer})
	})
	if err != nil {
		return fmt.Errorf("removing the identity provider: %w", err)
	}
	return nil
}

const selectIdentityProvider = `
	select i.organization_id, o.name, i.issuer, i.client_id, i.created_at, i.changed_at
	from identity_providers i join organizations o on o.id = i.organization_id`

func scanIdentityProvider(row pgx.CollectableRow) (IdentityProvider, error) {
	var p IdentityProvider
	err := row.Scan(&p.OrganizationID, &p.Organization, &p.Issuer, &p.ClientID, &p.CreatedAt, &p.ChangedAt)
	return p, err
}

// IdentityProviders lists the installation's providers by their organizations'
// names.
func (s *Store) IdentityProviders(ctx context.Context) ([]IdentityProvider, error) {
	rows, err := s.pool.Query(ctx, selectIdentityProvider+` order by o.name`)
	if err != nil {
		return nil, fmt.Errorf("listing identity providers: %w", err)
	}
	all, err := pgx.CollectRows(rows, scanIdentityProvider)
	if err != nil {
		return nil, fmt.Errorf("listing identity providers: %w", err)
	}
	return all, nil
}

// IdentityProviderFor returns the provider of the one organization that has the
// address's domain. No such organization, one without a provider and several of
// them are the same [ErrNotFound].
func (s *Store) IdentityProviderFor(ctx context.Context, email string) (IdentityProvider, error) {
	const doing = "looking for the identity provider of an address"
	rows, err := s.pool.Query(ctx, selectIdentityProvider+` where $1 = any (o.domains) limit 2`, domainOf(email))
	if err != nil {
		return IdentityProvider{}, fmt.Errorf("%s: %w", doing, err)
	}
	found, err := pgx.CollectRows(rows, scanIdentityProvider)
	if err != nil {
		return IdentityProvider{}, fmt.Errorf("%s: %w", doing, err)
	}
	if len(found) != 1 {
		return IdentityProvider{}, fmt.Errorf("%s: %w", doing, ErrNotFound)
	}
	return found[0], nil
}

// IdentityProviderWithSecret returns an organization's provider and its client
// secret.
func (s *Store) IdentityProviderWithSecret(ctx context.Context, organizationID uuid.UUID) (IdentityProvider, Secret, error) {
	const doing = "reading the identity provider"
	rows, err := s.pool.Query(ctx, selectIdentityProvider+` where i.organization_id = $1`, organizationID)
	if err != nil {
		return IdentityProvider{}, "", fmt.Errorf("%s: %w", doing, err)
	}
	p, err := pgx.CollectExactlyOneRow(rows, scanIdentityProvider)
	if err != nil {
		return IdentityProvider{}, "", notFound(err, doing)
	}
	var sealed []byte
	err = s.pool.QueryRow(ctx, `select sealed_client_secret from identity_providers where organization_id = $1`, organizationID).Scan(&sealed)
	if err != nil {
		return IdentityProvider{}, "", notFound(err, doing)
	}
	secret, err := s.vault.Open(sealed, identityProviderPlace(organizationID))
	if err != nil {
		return IdentityProvider{}, "", fmt.Errorf("%s: opening its secret: %w", doing, err)
	}
	return p, Secret(secret), nil
}

// BeginSignIn remembers that a browser goes to its organization's provider, and
// returns the state that it has to come back with, within [SignInTTL]. Only
// hashes of the two are stored. returnTo is where it goes afterwards.
func (s *Store) BeginSignIn(ctx context.Context, organizationID uuid.UUID, browser Secret, returnTo string) (Secret, error) {
	state, hash := newOneTimeToken()
	_, err := s.pool.Exec(ctx, `
		insert into sign_in_attempts (state_hash, browser_hash, organization_id, return_to, expires_at)
		values ($1, $2, $3, $4, now() + $5::interval)`, hash, hashToken(browser), organizationID, returnTo, SignInTTL)
	if err != nil {
		return "", fmt.Errorf("beginning to sign in: %w", err)
	}
	// Whoever begins pays for sweeping out what is long over.
	if _, err := s.pool.Exec(ctx, `delete from sign_in_attempts where expires_at < now() - interval '1 day'`); err != nil {
		return "", fmt.Errorf("deleting old sign-ins: %w", err)
	}
	return state, nil
}

// SignInAttempt is a browser's way to the provider and back.
type SignInAttempt struct {
	OrganizationID uuid.UUID
	// ReturnTo is what [Store.BeginSignIn] was given.
	ReturnTo string
}

// UseSignIn uses up a state that a browser came back with: [ErrNotFound],
// [ErrUsed], [ErrExpired], or [ErrForeign] if another browser began, which uses
// nothing up.
func (s *Store) UseSignIn(ctx context.Context, state, browser Secret) (SignInAttempt, error) {
	var a SignInAttempt
	err := s.pool.QueryRow(ctx, `
		update sign_in_attempts set used_at = now()
		where state_hash = $1 and browser_hash = $2 and used_at is null and expires_at > now()
		returning organization_id, return_to`, hashToken(state), hashToken(browser)).Scan(&a.OrganizationID, &a.ReturnTo)
	if err == nil || !errors.Is(err, pgx.ErrNoRows) {
		return a, notFound(err, "using a sign-in's state")
	}
	var ours, used bool
	err = s.pool.QueryRow(ctx, `select browser_hash = $2, used_at is not null from sign_in_attempts where state_hash = $1`,
		hashToken(state), hashToken(browser)).Scan(&ours, &used)
	switch {
	case err != nil:
		return a, notFound(err, "reading a sign-in's state")
	case !ours:
		return a, ErrForeign
	case used:
		return a, ErrUsed
	}
	return a, ErrExpired
}

// Subject is who an identity provider says has signed in, verified.
type Subject struct {
	OrganizationID uuid.UUID
	Issuer         string
	// ID is the provider's "sub": it never changes and is never given to another.
	ID string
	// Email is empty if the provider did not say, or does not vouch for it.
	Email string
	Name  string
}

// SignInAs signs in whoever the organization's provider vouched for, and returns
// a new session's token. The person is found by the subject, else by the address
// if it is of the organization's own domains; then the subject is theirs from
// now on. Nobody yet with such an address becomes a member. Everybody else is
// refused ([*Refusal]): other domains, the deactivated, and an address whose
// owner signs in as another subject there, since providers give addresses of
// leavers to newcomers.
func (s *Store) SignInAs(ctx context.Context, in Subject) (Secret, error) {
	if in.Issuer == "" || in.ID == "" {
		return "", errors.New("a sign-in without issuer and subject")
	}
	var token Secret
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		person, err := s.personOfSubject(ctx, tx, in)
		if err != nil {
			return err
		}
		token, err = s.startSession(ctx, tx, SignedIn{OrganizationID: &in.OrganizationID, PersonID: &person})
		return err
	})
	var refusal *Refusal
	if errors.As(err, &refusal) {
		if err := s.Audit(ctx, AuditEntry{OrganizationID: in.OrganizationID, Kind: AuditPerson, Actor: signIn, Outcome: Refused, Reason: "sign-in refused: " + refusal.Sentence}); err != nil {
			return "", err
		}
	}
	if err != nil {
		return "", fmt.Errorf("signing in by the identity provider: %w", err)
	}
	return token, nil
}

var signIn = Actor{Name: "sign-in"}

// personOfSubject finds or makes the person.
func (s *Store) personOfSubject(ctx context.Context, tx pgx.Tx, in Subject) (uuid.UUID, error) {
	email := normalEmail(in.Email)
	if err := lockAddress(ctx, tx, in.OrganizationID, email); err != nil {
		return uuid.Nil, err
	}
	subject := Identity{Kind: IdentitySignIn, Value: in.Issuer + "|" + in.ID}
	person, err := findByIdentity(ctx, tx, in.OrganizationID, subject)
	if err == nil {
		return person, refuseDeactivated(ctx, tx, person)
	}
	if !errors.Is(err, ErrNotFound) {
		return uuid.Nil, err
	}
	if email == "" {
		return uuid.Nil, refuse("the identity provider did not name a verified e-mail address, and nobody here is known by this account. An admin of your organization can add it.")
	}
	var domains []string
	if err := tx.QueryRow(ctx, `select domains from organizations where id = $1`, in.OrganizationID).Scan(&domains); err != nil {
		return uuid.Nil, notFound(err, "reading the organization's domains")
	}
	if !slices.Contains(domains, domainOf(email)) {
		return uuid.Nil, refuse("the e-mail address of this account is not in a domain of this organization. Sign in with your own organization's, or ask an admin to add this account to you.")
	}
	person, err = findByIdentity(ctx, tx, in.OrganizationID, Identity{Kind: IdentityEmail, Value: email})
	switch {
	case errors.Is(err, ErrNotFound):
		p := Person{OrganizationID: in.OrganizationID, Name: in.Name, Role: RoleMember, Identities: []Identity{{Kind: IdentityEmail, Value: email}, subject}}
		return s.addPerson(ctx, tx, p, signIn)
	case err != nil:
		return uuid.Nil, err
	}
	if err := refuseDeactivated(ctx, tx, person); err != nil {
		return uuid.Nil, err
	}
	var other bool
	err = tx.QueryRow(ctx, `
		select exists (select from person_identities where person_id = $1 and kind = 'sign_in' and starts_with(value, $2))`,
		person, in.Issuer+"|").Scan(&other)
	if err != nil {
		return uuid.Nil, fmt.Errorf("reading how the person signs in: %w", err)
	}
	if other {
		return uuid.Nil, refuse("whoever has this e-mail address here signs in with another account of the identity provider. If the address changed hands, an admin of your organization has to say so on the page of that person.")
	}
	if _, err := tx.Exec(ctx, `update people set name = $2 where id = $1 and name = ''`, person, in.Name); err != nil {
		return uuid.Nil, fmt.Errorf("naming the person: %w", err)
	}
	return person, s.addIdentity(ctx, tx, in.OrganizationID, person, subject, signIn)
}

func refuseDeactivated(ctx context.Context, q querier, person uuid.UUID) error {
	var active bool
	if err := q.QueryRow(ctx, `select deactivated_at is null from people where id = $1`, person).Scan(&active); err != nil {
		return notFound(err, "reading the person who signs in")
	}
	if !active {
		return refuse("you are deactivated here. If that is a mistake, an admin of your organization can reactivate you.")
	}
	return nil
}

func normalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

// domainOf is what stands after the last @, or nothing.
func domainOf(email string) string {
	email = normalEmail(email)
	at := strings.LastIndexByte(email, '@')
	if at < 1 {
		return ""
	}
	return email[at+1:]
}
