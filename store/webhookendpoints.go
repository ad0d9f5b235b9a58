package store

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// WebhookEndpoint is where an organization's briefs are posted to, signed by Standard
// Webhooks 1.0.0.
type WebhookEndpoint struct {
	ID             uuid.UUID `json:"id"`
	OrganizationID uuid.UUID `json:"organization_id"`
	// Name is short, and the only one of the organization's.
	Name string `json:"name"`
	// URL is https, or http on this machine. It may hold what lets one in: it is for
	// admins, and for no log.
	URL string `json:"url"`
	// Events are the kinds that it gets.
	Events []NoticeKind `json:"events"`
	// DisabledAt is since when nothing is sent there: it answered that it is gone.
	DisabledAt *time.Time `json:"disabled_at,omitempty"`
	// Problem is what came of the last try, at TriedAt; empty if it was taken.
	Problem   string     `json:"problem,omitempty"`
	TriedAt   *time.Time `json:"tried_at,omitempty"`
	CreatedAt time.Time  `json:"created_at"`

	// Secrets sign what is sent: the newest, and for a day the one before it. Each is
	// whsec_ and base64.
	Secrets []Secret `json:"-"`
}

const (
	webhookSecretPrefix = "whsec_"
	// webhookSecretSize in bytes: Standard Webhooks 1.0.0 asks for 24 to 64.
	webhookSecretSize = 32
	// mostWebhookEndpoints are posted to at the same time.
	mostWebhookEndpoints = 10
	// oldWebhookSecret is how long a secret signs along after it was replaced, so that
	// who receives can change over.
	oldWebhookSecret = 24 * time.Hour
)

// webhookSecrets is what is sealed.
type webhookSecrets struct {
	Current string `json:"current"`
	// Old signs along until OldUntil.
	Old      string    `json:"old,omitempty"`
	OldUntil time.Time `json:"old_until,omitzero"`
}

func webhookSecretsPlace(id uuid.UUID) string {
	return "webhook_endpoints.sealed_secrets:" + id.String()
}

func newWebhookSecret() string {
	var raw [webhookSecretSize]byte
	_, _ = rand.Read(raw[:]) // never fails: it ends the process instead
	return webhookSecretPrefix + base64.StdEncoding.EncodeToString(raw[:])
}

// WebhookEvents lists the kinds of notices that endpoints get.
func WebhookEvents() []NoticeKind {
	return []NoticeKind{NoticeBriefingReady, NoticeBriefingUpdate, NoticeBriefingDigest, NoticeBriefingWeek}
}

// check refuses what can't be meant. Whether an address is a public one shows when it
// is resolved.
func (e WebhookEndpoint) check() error {
	if e.Name == "" || len(e.Name) > 60 || strings.TrimSpace(e.Name) != e.Name || strings.ContainsFunc(e.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return refuse("an endpoint has a short name, such as dashboards")
	}
	u, err := url.Parse(e.URL)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "" || u.Opaque != "":
		return refuse("the address is not one: write it as https://hooks.example.com/briefings")
	case u.User != nil || u.Fragment != "":
		return refuse("the address may hold no user, no password and no fragment")
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
	default:
		return refuse("the address has to begin with https:// (http:// is for this machine alone)")
	}
	if len(e.Events) == 0 {
		return refuse("an endpoint gets at least one kind of event")
	}
	for _, event := range e.Events {
		if !slices.Contains(WebhookEvents(), event) {
			return refuse("there is no event %q: there are %s", event, joinKinds(WebhookEvents()))
		}
	}
	return nil
}

func joinKinds(kinds []NoticeKind) string {
	names := make([]string, 0, len(kinds))
	for _, k := range kinds {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// AddWebhookEndpoint adds an endpoint, with a secret of its own, that is returned with
// it; no events stand for all. Nonsense, and a name that is taken, are a [*Refusal].
func (s *Store) AddWebhookEndpoint(ctx context.Context, e WebhookEndpoint, actor Actor) (WebhookEndpoint, error) {
	if len(e.Events) == 0 {
		e.Events = WebhookEvents()
	}
	if err := e.check(); err != nil {
		return WebhookEndpoint{}, err
	}
	e.ID = newID()
	secret := newWebhookSecret()
	sealed, err := s.sealWebhookSecrets(e.ID, webhookSecrets{Current: secret})
	if err != nil {
		return WebhookEndpoint{}, fmt.Errorf("adding a webhook endpoint: %w", err)
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		if err := lockPeople(ctx, tx, e.OrganizationID); err != nil {
			return err
		}
		var others int
		if err := tx.QueryRow(ctx, `select count(*) from webhook_endpoints where organization_id = $1`, e.OrganizationID).Scan(&others); err != nil {
			return err
		}
		if others >= mostWebhookEndpoints {
			return refuse("there are %d endpoints already, which is as many as there can be: remove one first", others)
		}
		err := tx.QueryRow(ctx, `
			insert into webhook_endpoints (id, organization_id, name, url, events, sealed_secrets) values ($1, $2, $3, $4, $5, $6) returning created_at`,
			e.ID, e.OrganizationID, e.Name, e.URL, e.Events, sealed).Scan(&e.CreatedAt)
		if err != nil {
			return err
		}
		return s.auditWebhook(ctx, tx, e.OrganizationID, actor, fmt.Sprintf("endpoint %s added, for %s", e.ID, joinKinds(e.Events)))
	})
	if isUniqueViolation(err) {
		return WebhookEndpoint{}, refuse("there is an endpoint of that name already")
	}
	if err != nil {
		return WebhookEndpoint{}, fmt.Errorf("adding a webhook endpoint: %w", err)
	}
	e.Secrets = []Secret{Secret(secret)}
	return e, nil
}

func (s *Store) auditWebhook(ctx context.Context, q querier, organizationID uuid.UUID, actor Actor, what string) error {
	return s.audit(ctx, q, AuditEntry{OrganizationID: organizationID, Kind: AuditOrganization, Actor: actor, Reason: "outgoing webhooks: " + what})
}

func (s *Store) sealWebhookSecrets(id uuid.UUID, secrets webhookSecrets) ([]byte, error) {
	raw, err := json.Marshal(secrets)
	if err != nil {
		return nil, errors.New("encoding a webhook endpoint's secrets")
	}
	sealed, err := s.vault.Seal(raw, webhookSecretsPlace(id))
	if err != nil {
		return nil, fmt.Errorf("sealing a webhook endpoint's secrets: %w", err)
	}
	return sealed, nil
}

func (s *Store) openWebhookSecrets(id uuid.UUID, sealed []byte) (webhookSecrets, error) {
	raw, err := s.vault.Open(sealed, webhookSecretsPlace(id))
	if err != nil {
		return webhookSecrets{}, fmt.Errorf("opening the secrets of webhook endpoint %s: %w", id, err)
	}
	var secrets webhookSecrets
	if err := json.Unmarshal(raw, &secrets); err != nil {
		return webhookSecrets{}, fmt.Errorf("the secrets of webhook endpoint %s can't be read", id)
	}
	return secrets, nil
}

// WebhookEndpoints lists an organization's endpoints with their secrets, by name.
func (s *Store) WebhookEndpoints(ctx context.Context, organizationID uuid.UUID) ([]WebhookEndpoint, error) {
	rows, err := s.pool.Query(ctx, `
		select id, organization_id, name, url, events, disabled_at, problem, tried_at, created_at, sealed_secrets
		from webhook_endpoints where organization_id = $1 order by name`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("reading webhook endpoints: %w", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (WebhookEndpoint, error) {
		var e WebhookEndpoint
		var sealed []byte
		if err := row.Scan(&e.ID, &e.OrganizationID, &e.Name, &e.URL, &e.Events, &e.DisabledAt, &e.Problem, &e.TriedAt, &e.CreatedAt, &sealed); err != nil {
			return WebhookEndpoint{}, err
		}
		secrets, err := s.openWebhookSecrets(e.ID, sealed)
		if err != nil {
			return WebhookEndpoint{}, err
		}
		e.Secrets = []Secret{Secret(secrets.Current)}
		if secrets.Old != "" && time.Now().Before(secrets.OldUntil) {
			e.Secrets = append(e.Secrets, Secret(secrets.Old))
		}
		return e, nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading webhook endpoints: %w", err)
	}
	return all, nil
}

// RemoveWebhookEndpoint forgets an endpoint. It is [ErrNotFound] where there is none.
func (s *Store) RemoveWebhookEndpoint(ctx context.Context, organizationID, id uuid.UUID, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `delete from webhook_endpoints where organization_id = $1 and id = $2`, organizationID, id)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		return s.auditWebhook(ctx, tx, organizationID, actor, fmt.Sprintf("endpoint %s removed", id))
	})
	if err != nil {
		return fmt.Errorf("removing webhook endpoint %s: %w", id, err)
	}
	return nil
}

// RotateWebhookSecret gives an endpoint another secret and returns it. For a day the
// old one signs along. It is [ErrNotFound] where there is no such endpoint.
func (s *Store) RotateWebhookSecret(ctx context.Context, organizationID, id uuid.UUID, actor Actor) (Secret, error) {
	fresh := newWebhookSecret()
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		var sealed []byte
		err := tx.QueryRow(ctx, `select sealed_secrets from webhook_endpoints where organization_id = $1 and id = $2 for update`, organizationID, id).Scan(&sealed)
		if err := notFound(err, "locking it"); err != nil {
			return err
		}
		secrets, err := s.openWebhookSecrets(id, sealed)
		if err != nil {
			return err
		}
		sealed, err = s.sealWebhookSecrets(id, webhookSecrets{Current: fresh, Old: secrets.Current, OldUntil: time.Now().Add(oldWebhookSecret).UTC()})
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update webhook_endpoints set sealed_secrets = $2 where id = $1`, id, sealed); err != nil {
			return err
		}
		return s.auditWebhook(ctx, tx, organizationID, actor, fmt.Sprintf("endpoint %s has another secret; the old one signs along for a day", id))
	})
	if err != nil {
		return "", fmt.Errorf("changing the secret of webhook endpoint %s: %w", id, err)
	}
	return Secret(fresh), nil
}

// WebhookTried records what came of a try: an empty problem says that it was taken,
// which also switches an endpoint on again. gone switches it off. The problem is for
// people, and names nobody.
func (s *Store) WebhookTried(ctx context.Context, e WebhookEndpoint, problem string, gone bool) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			update webhook_endpoints set problem = $2, tried_at = now(),
			  disabled_at = case when $2 = '' then null when $3 then coalesce(disabled_at, now()) else disabled_at end
			where id = $1`, e.ID, problem, gone)
		if err != nil || tag.RowsAffected() == 0 || (e.DisabledAt != nil) == gone || !gone && problem != "" {
			return err
		}
		what := fmt.Sprintf("endpoint %s is switched off: it answered that it is gone (410)", e.ID)
		if !gone {
			what = fmt.Sprintf("endpoint %s is switched on again: it took a message", e.ID)
		}
		return s.auditWebhook(ctx, tx, e.OrganizationID, Actor{Name: "outbox"}, what)
	})
	if err != nil {
		return fmt.Errorf("recording what came of a webhook to endpoint %s: %w", e.ID, err)
	}
	return nil
}
