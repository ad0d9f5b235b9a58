package store

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// How long a sign-in link works, and a signed-in browser stays so.
const (
	SignInLinkTTL = 15 * time.Minute
	SessionTTL    = 12 * time.Hour
)

// SignedIn is who a session belongs to: a person of an organization, or the
// operator of this installation, who looks at one organization at a time once he
// has chosen it ([Store.ChooseOrganization]).
type SignedIn struct {
	OrganizationID *uuid.UUID
	PersonID       *uuid.UUID
	IsOperator     bool
}

// Session is a signed-in browser.
type Session struct {
	SignedIn
	// Role is the person's; the operator acts as an admin.
	Role Role
	// Name is the person's, and Organization that of the organization; empty
	// where there is none.
	Name         string
	Organization string
	// Language is the person's, by its tag.
	Language  string
	ExpiresAt time.Time
}

// newOneTimeToken returns 256 random bits as text, and the hash to store. A
// plain hash will do: there is nothing to guess.
func newOneTimeToken() (Secret, []byte) {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the process instead
	token := Secret(base64.RawURLEncoding.EncodeToString(raw[:]))
	return token, hashToken(token)
}

func hashToken(token Secret) []byte {
	h := sha256.Sum256([]byte(token))
	return h[:]
}

// CreateSignInLink makes a one-time link's token that signs in one browser. Only
// its hash is stored.
func (s *Store) CreateSignInLink(ctx context.Context, who SignedIn) (Secret, error) {
	if !who.IsOperator && (who.OrganizationID == nil || who.PersonID == nil) {
		return "", errors.New("a sign-in link belongs to a person of an organization, or to the operator")
	}
	if who.PersonID != nil {
		if who.OrganizationID == nil {
			return "", errors.New("a sign-in link of a person names the organization, too")
		}
		if err := s.checkActive(ctx, s.pool, who); err != nil {
			return "", err
		}
	}
	token, hash := newOneTimeToken()
	_, err := s.pool.Exec(ctx, `
		insert into sign_in_links (token_hash, organization_id, person_id, is_operator, expires_at)
		values ($1, $2, $3, $4, now() + $5::interval)`,
		hash, who.OrganizationID, who.PersonID, who.IsOperator, SignInLinkTTL)
	if err != nil {
		return "", fmt.Errorf("making a sign-in link: %w", err)
	}
	return token, nil
}

func (s *Store) checkActive(ctx context.Context, q querier, who SignedIn) error {
	var active bool
	err := q.QueryRow(ctx, `select deactivated_at is null from people where organization_id = $1 and id = $2`, who.OrganizationID, who.PersonID).Scan(&active)
	if err := notFound(err, "reading the person to sign in"); err != nil {
		return err
	}
	if !active {
		return fmt.Errorf("person %s is deactivated: %w", who.PersonID, ErrNotFound)
	}
	return nil
}

// CheckSignInLink says whether a link's token would sign in, without using it:
// [ErrNotFound], [ErrExpired], [ErrUsed] or nil.
func (s *Store) CheckSignInLink(ctx context.Context, token Secret) error {
	var used, expired bool
	err := s.pool.QueryRow(ctx, `
		select used_at is not null, expires_at <= now() from sign_in_links where token_hash = $1`, hashToken(token)).Scan(&used, &expired)
	switch {
	case err != nil:
		return notFound(err, "reading a sign-in link")
	case used:
		return ErrUsed
	case expired:
		return ErrExpired
	}
	return nil
}

// SignIn uses a link's token and returns the token of a new session, of which
// only the hash is stored, and whose it is. The error is as of
// [Store.CheckSignInLink].
func (s *Store) SignIn(ctx context.Context, token Secret) (Secret, SignedIn, error) {
	var session Secret
	var who SignedIn
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			update sign_in_links set used_at = now()
			where token_hash = $1 and used_at is null and expires_at > now()
			returning organization_id, person_id, is_operator`, hashToken(token)).Scan(&who.OrganizationID, &who.PersonID, &who.IsOperator)
		if err != nil {
			return notFound(err, "using a sign-in link")
		}
		if who.PersonID != nil {
			if err := s.checkActive(ctx, tx, who); err != nil {
				return err
			}
		}
		if session, err = s.startSession(ctx, tx, who); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `delete from sign_in_links where expires_at < now() - interval '1 day'`)
		if err != nil {
			return fmt.Errorf("deleting old sign-in links: %w", err)
		}
		return nil
	})
	if errors.Is(err, ErrNotFound) {
		if why := s.CheckSignInLink(ctx, token); why != nil {
			return "", SignedIn{}, why
		}
	}
	if err != nil {
		return "", SignedIn{}, err
	}
	return session, who, nil
}

// startSession makes a session, always with a new token: one that somebody put
// into a browser beforehand is worth nothing.
func (s *Store) startSession(ctx context.Context, tx pgx.Tx, who SignedIn) (Secret, error) {
	token, hash := newOneTimeToken()
	_, err := tx.Exec(ctx, `
		insert into sessions (token_hash, organization_id, person_id, is_operator, expires_at)
		values ($1, $2, $3, $4, now() + $5::interval)`,
		hash, who.OrganizationID, who.PersonID, who.IsOperator, SessionTTL)
	if err != nil {
		return "", fmt.Errorf("starting a session: %w", err)
	}
	// Whoever signs in pays for sweeping out what nobody can use any more.
	if _, err := tx.Exec(ctx, `delete from sessions where expires_at < now()`); err != nil {
		return "", fmt.Errorf("deleting old sessions: %w", err)
	}
	return token, nil
}

// ChooseOrganization says which organization the operator's session looks at. A
// person's session has its own, and is [ErrNotFound] here.
func (s *Store) ChooseOrganization(ctx context.Context, token Secret, organizationID uuid.UUID) error {
	tag, err := s.pool.Exec(ctx, `
		update sessions set organization_id = $2
		where token_hash = $1 and is_operator and expires_at > now() and exists (select from organizations where id = $2)`,
		hashToken(token), organizationID)
	if err != nil {
		return fmt.Errorf("choosing an organization: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return fmt.Errorf("choosing an organization: %w", ErrNotFound)
	}
	return nil
}

// Session returns who a session's token belongs to, or [ErrNotFound] if it is
// unknown, over, or of a person who was deactivated.
func (s *Store) Session(ctx context.Context, token Secret) (Session, error) {
	var out Session
	err := s.pool.QueryRow(ctx, `
		select s.organization_id, s.person_id, s.is_operator, case when s.is_operator then 'admin' else coalesce(p.role, '') end,
		       coalesce(p.name, ''), coalesce(o.name, ''), coalesce(p.language, 'en'), s.expires_at
		from sessions s left join people p on p.id = s.person_id left join organizations o on o.id = s.organization_id
		where s.token_hash = $1 and s.expires_at > now() and (s.person_id is null or p.deactivated_at is null)`,
		hashToken(token)).Scan(&out.OrganizationID, &out.PersonID, &out.IsOperator, &out.Role, &out.Name, &out.Organization, &out.Language, &out.ExpiresAt)
	return out, notFound(err, "reading a session")
}

// EndSession signs a browser out. One that is not signed in stays so.
func (s *Store) EndSession(ctx context.Context, token Secret) error {
	if _, err := s.pool.Exec(ctx, `delete from sessions where token_hash = $1`, hashToken(token)); err != nil {
		return fmt.Errorf("ending a session: %w", err)
	}
	return nil
}
