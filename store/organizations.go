package store

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
)

// Organization is one that uses Debrief, with its people, sources and connections, apart from all others.
type Organization struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"`
	// Domains are its own e-mail domains, in lower case: who has an address in
	// one of them is internal.
	Domains   []string  `json:"domains"`
	Settings  Settings  `json:"settings"`
	CreatedAt time.Time `json:"created_at"`

	dataKeyID uuid.UUID
}

// Settings of an organization. What is absent has the default named here.
type Settings struct {
	// NotesWait is how long a follow-up waits for notes after a meeting has
	// ended; 0 means 15 minutes.
	NotesWait Duration `json:"notes_wait,omitempty"`
	// ApprovalTTL is how long a question stays open before it counts as
	// rejected; 0 means seven days.
	ApprovalTTL Duration `json:"approval_ttl,omitempty"`
	// TemporalDecisions lets people decide in the Temporal UI, which tells
	// nobody who clicked. Off unless an admin turns it on.
	TemporalDecisions bool `json:"temporal_decisions,omitempty"`
	// HostConnectionsOnly: no account connection acts for a host who has not
	// connected HubSpot.
	HostConnectionsOnly bool `json:"host_connections_only,omitempty"`
	// IgnoredAddresses extends the shipped list of notetakers, rooms and
	// no-reply addresses: whole addresses, or "@domain".
	IgnoredAddresses []string `json:"ignored_addresses,omitempty"`
	// RulesOff are the names of the planner's phrase rules that do not listen.
	RulesOff []string `json:"rules_off,omitempty"`
	// Exclusions are the meetings that are not kept.
	Exclusions meeting.Exclusions `json:"exclusions,omitzero"`
	// KeepPayloads is how long what was received is kept, byte for byte, to be
	// looked at and replayed; 0 means 90 days, less than 0 for ever.
	KeepPayloads Duration `json:"keep_payloads,omitempty"`
	// DealStages has a deal that reaches a stage begin something.
	DealStages DealStages `json:"deal_stages,omitzero"`
	// Notify says when its people are told that something waits for them.
	Notify NotifySettings `json:"notify,omitzero"`
	// Briefing says how its people are briefed on their meetings.
	Briefing BriefingSettings `json:"briefing,omitzero"`
	// Approvals says who has to approve, and what becomes of questions that nobody
	// answers.
	Approvals ApprovalSettings `json:"approvals,omitzero"`
	// Deals says which deals a meeting can be about.
	Deals DealSettings `json:"deals,omitzero"`
}

// DealSettings are the rules by which a meeting finds its deal, where neither a
// platform nor the talk names one: of those that are open, were at the time or closed
// within some days before it, those that its contacts are linked to, and of these those
// whose owner was there. The zero value is what Debrief recommends.
type DealSettings struct {
	// Days is how long before the meeting a deal may have closed; 0 means 14, less than
	// 0 that only those count that were open at the time.
	Days int `json:"days,omitempty"`
	// AnyContact: a deal need not be linked to a contact who was there, if it is its
	// company's.
	AnyContact bool `json:"any_contact,omitempty"`
	// AnyOwner: whether a deal's owner was there makes no difference.
	AnyOwner bool `json:"any_owner,omitempty"`
}

// Within is how long before the meeting a deal may have closed.
func (d DealSettings) Within() time.Duration {
	switch {
	case d.Days < 0:
		return 0
	case d.Days == 0:
		return 14 * 24 * time.Hour
	default:
		return time.Duration(d.Days) * 24 * time.Hour
	}
}

// Duration is a time.Duration that is written as text, such as "15m0s".
type Duration time.Duration

// MarshalText writes the duration as time.Duration prints it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration: write 15m or 168h", text)
	}
	*d = Duration(parsed)
	return nil
}

// Or returns the duration, or fallback if it is not set.
func (d Duration) Or(fallback time.Duration) time.Duration {
	if d == 0 {
		return fallback
	}
	return time.Duration(d)
}

// CreateOrganization adds an organization with its own data key.
func (s *Store) CreateOrganization(ctx context.Context, name string, domains []string, settings Settings, actor Actor) (Organization, error) {
	if err := settings.Approvals.check(); err != nil {
		return Organization{}, err
	}
	if err := settings.DealStages.check(); err != nil {
		return Organization{}, err
	}
	if err := settings.Briefing.Check(); err != nil {
		return Organization{}, err
	}
	if len(settings.Approvals.Approvers) > 0 {
		return Organization{}, refuse("Nobody is there yet who could be an approver: add people first.")
	}
	o := Organization{ID: newID(), Name: name, Domains: lowerAll(domains), Settings: settings}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		keyID, err := s.newDataKey(ctx, tx)
		if err != nil {
			return err
		}
		o.dataKeyID = keyID
		raw, err := json.Marshal(settings)
		if err != nil {
			return fmt.Errorf("encoding the settings: %w", err)
		}
		err = tx.QueryRow(ctx, `
			insert into organizations (id, name, domains, settings, data_key_id)
			values ($1, $2, $3, $4, $5) returning created_at`,
			o.ID, o.Name, o.Domains, raw, keyID).Scan(&o.CreatedAt)
		if err != nil {
			return err
		}
		return s.audit(ctx, tx, AuditEntry{OrganizationID: o.ID, Kind: AuditOrganization, Actor: actor, Reason: "created"})
	})
	if isUniqueViolation(err) {
		return Organization{}, fmt.Errorf("an organization named %q exists already", name)
	}
	if err != nil {
		return Organization{}, fmt.Errorf("creating organization %q: %w", name, err)
	}
	return o, nil
}

// UpdateSettings replaces an organization's settings and domains. What makes no
// sense is a [*Refusal]. The trail says what was before and after. Where who
// approves has changed, open follow-ups look again.
func (s *Store) UpdateSettings(ctx context.Context, id uuid.UUID, domains []string, settings Settings, actor Actor) error {
	if err := settings.DealStages.check(); err != nil {
		return err
	}
	if err := settings.Briefing.Check(); err != nil {
		return err
	}
	raw, err := json.Marshal(settings)
	if err != nil {
		return fmt.Errorf("encoding the settings: %w", err)
	}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		before, err := scanOrganization(tx.QueryRow(ctx, selectOrganization+` where id = $1 for no key update`, id), "reading the organization")
		if err != nil {
			return err
		}
		if !reflect.DeepEqual(before.Settings.Approvals, settings.Approvals) {
			if err := checkApprovals(ctx, tx, id, settings.Approvals); err != nil {
				return err
			}
			if err := wakeUsers(ctx, tx, id, policy.Tool{}); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `update organizations set settings = $2, domains = $3 where id = $1`, id, raw, lowerAll(domains)); err != nil {
			return err
		}
		if before.Settings.Briefing != settings.Briefing || before.Settings.Notify != settings.Notify || !slices.Equal(before.Domains, lowerAll(domains)) {
			if err := briefAnew(ctx, tx, id, nil); err != nil {
				return err
			}
		}
		after := before
		after.Domains, after.Settings = lowerAll(domains), settings
		return s.auditSettings(ctx, tx, before, after, actor)
	})
	if err != nil {
		return fmt.Errorf("updating the settings of organization %s: %w", id, err)
	}
	return nil
}

// auditSettings records what settings were and are. Addresses are among them: the
// values stand beside the row.
func (s *Store) auditSettings(ctx context.Context, q querier, was, is Organization, actor Actor) error {
	values := map[string]string{}
	for when, o := range map[string]Organization{"before": was, "after": is} {
		raw, err := json.Marshal(struct {
			Domains  []string `json:"domains"`
			Settings Settings `json:"settings"`
		}{o.Domains, o.Settings})
		if err != nil {
			return fmt.Errorf("encoding the settings: %w", err)
		}
		values[when] = string(raw)
	}
	reason := "settings changed"
	if before, after := was.Settings.Approvals.String(), is.Settings.Approvals.String(); before != after {
		reason = "approvals: " + before + " → " + after
	}
	return s.audit(ctx, q, AuditEntry{OrganizationID: is.ID, Kind: AuditOrganization, Actor: actor, Reason: reason, Values: values})
}

// Organization returns the organization with that ID.
func (s *Store) Organization(ctx context.Context, id uuid.UUID) (Organization, error) {
	return scanOrganization(s.pool.QueryRow(ctx, selectOrganization+` where id = $1`, id), "reading the organization")
}

// OrganizationByName returns the organization with that name.
func (s *Store) OrganizationByName(ctx context.Context, name string) (Organization, error) {
	return scanOrganization(s.pool.QueryRow(ctx, selectOrganization+` where name = $1`, name), fmt.Sprintf("reading organization %q", name))
}

// Organizations lists all organizations by name.
func (s *Store) Organizations(ctx context.Context) ([]Organization, error) {
	rows, err := s.pool.Query(ctx, selectOrganization+` order by name`)
	if err != nil {
		return nil, fmt.Errorf("listing organizations: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Organization, error) {
		return scanOrganization(row, "listing organizations")
	})
}

const selectOrganization = `select id, name, domains, settings, data_key_id, created_at from organizations`

func scanOrganization(row pgx.Row, doing string) (Organization, error) {
	var o Organization
	var settings []byte
	if err := row.Scan(&o.ID, &o.Name, &o.Domains, &settings, &o.dataKeyID, &o.CreatedAt); err != nil {
		return Organization{}, notFound(err, doing)
	}
	if err := json.Unmarshal(settings, &o.Settings); err != nil {
		return Organization{}, fmt.Errorf("decoding the settings of organization %s: %w", o.ID, err)
	}
	return o, nil
}

func lowerAll(in []string) []string {
	out := make([]string, 0, len(in))
	for _, v := range in {
		if v = strings.ToLower(strings.TrimSpace(v)); v != "" {
			out = append(out, v)
		}
	}
	return out
}
