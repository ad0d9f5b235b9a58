package store

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ConnectionRule says which connection acts for meetings from a source, of a
// host, or of hosts in an e-mail domain. What is nil or empty holds always; at
// least one is not.
type ConnectionRule struct {
	ID             uuid.UUID  `json:"id"`
	OrganizationID uuid.UUID  `json:"organization_id"`
	SourceID       *uuid.UUID `json:"source_id,omitempty"`
	HostPersonID   *uuid.UUID `json:"host_person_id,omitempty"`
	HostDomain     string     `json:"host_domain,omitempty"`
	ConnectionID   uuid.UUID  `json:"connection_id"`
}

// AddConnectionRule adds a rule, or gives the one with the same conditions
// another connection. Follow-ups that wait for a choice look again.
func (s *Store) AddConnectionRule(ctx context.Context, r ConnectionRule, actor Actor) (ConnectionRule, error) {
	r.ID, r.HostDomain = newID(), strings.ToLower(strings.TrimPrefix(strings.TrimSpace(r.HostDomain), "@"))
	if r.SourceID == nil && r.HostPersonID == nil && r.HostDomain == "" {
		return ConnectionRule{}, errors.New("a rule names a source, a host or a host's e-mail domain; for everything else there is the default connection")
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		// What it names belongs to the organization, or nothing is stored.
		err := tx.QueryRow(ctx, `
			insert into connection_rules (id, organization_id, source_id, host_person_id, host_domain, connection_id)
			select $1, c.organization_id, $3, $4, nullif($5, ''), c.id from connections c
			where c.organization_id = $2 and c.id = $6
			  and ($3::uuid is null or exists (select from sources where id = $3 and (organization_id = $2 or organization_id is null)))
			  and ($4::uuid is null or exists (select from people where id = $4 and organization_id = $2))
			on conflict (organization_id, source_id, host_person_id, host_domain) do update set connection_id = excluded.connection_id
			returning id`, r.ID, r.OrganizationID, r.SourceID, r.HostPersonID, r.HostDomain, r.ConnectionID).Scan(&r.ID)
		if err != nil {
			return notFound(err, "storing a rule for connections")
		}
		if err := s.audit(ctx, tx, AuditEntry{
			OrganizationID: r.OrganizationID, Kind: AuditConnection, Actor: actor, ConnectionID: &r.ConnectionID, Reason: fmt.Sprintf("rule %s set", r.ID),
		}); err != nil {
			return err
		}
		return chooseAgain(ctx, tx, r.OrganizationID)
	})
	return r, err
}

// RemoveConnectionRule removes a rule.
func (s *Store) RemoveConnectionRule(ctx context.Context, organizationID, id uuid.UUID, actor Actor) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `delete from connection_rules where organization_id = $1 and id = $2`, organizationID, id)
		if err != nil {
			return fmt.Errorf("removing rule %s: %w", id, err)
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("removing rule %s: %w", id, ErrNotFound)
		}
		return s.audit(ctx, tx, AuditEntry{OrganizationID: organizationID, Kind: AuditConnection, Actor: actor, Reason: fmt.Sprintf("rule %s removed", id)})
	})
}

// ConnectionRules lists an organization's rules in the order in which they
// count: those that name a source first, then the oldest.
func (s *Store) ConnectionRules(ctx context.Context, organizationID uuid.UUID) ([]ConnectionRule, error) {
	rows, err := s.pool.Query(ctx, `
		select id, organization_id, source_id, host_person_id, coalesce(host_domain, ''), connection_id from connection_rules
		where organization_id = $1 order by source_id is null, created_at, id`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("listing the rules for connections: %w", err)
	}
	rules, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (ConnectionRule, error) {
		var r ConnectionRule
		return r, row.Scan(&r.ID, &r.OrganizationID, &r.SourceID, &r.HostPersonID, &r.HostDomain, &r.ConnectionID)
	})
	if err != nil {
		return nil, fmt.Errorf("listing the rules for connections: %w", err)
	}
	return rules, nil
}

// Choice is what the choice of a meeting's connection goes by.
type Choice struct {
	// Chosen is what a human chose for this meeting.
	Chosen *uuid.UUID
	// SourceIDs are where the meeting's events came from.
	SourceIDs []uuid.UUID
	// IsTest: all of them came from test sources.
	IsTest bool
	// WroteTo is the HubSpot account in which something of the meeting stands, or
	// may; 0 if there is none. The IDs of its records mean nothing in another.
	WroteTo int64
	// Host is the person who hosts it, with the domains of their addresses.
	Host *uuid.UUID
	// HostLeft: the host is deactivated, and their own connections act for nobody.
	HostLeft    bool
	HostDomains []string
	Rules       []ConnectionRule
	Connections []Connection
	// HostsOnly: no account connection acts for who has none of their own.
	HostsOnly bool
}

// meetingIsTest says of the meeting m whether all of its events came from test
// sources.
const meetingIsTest = `coalesce((select bool_and(src.environment = 'test') from events e join sources src on src.id = e.source_id where e.meeting_id = m.id), false)`

// wroteTo is the HubSpot account in which something of the meeting m stands, or
// may; 0 for none.
const wroteTo = `coalesce((
	select w.hub_id from actions a join connections w on w.id = a.connection_id
	where a.origin_id = m.id and (a.state in ('written', 'unchanged', 'writing', 'unknown') or a.may_exist_since is not null)
	order by a.updated_at limit 1), 0)`

// ChoiceFor reads what the choice of a meeting's connection goes by.
func (s *Store) ChoiceFor(ctx context.Context, organizationID, meetingID uuid.UUID) (Choice, error) {
	var c Choice
	err := s.pool.QueryRow(ctx, `
		select f.chosen_connection_id, m.host_person_id,
		       array(select distinct split_part(i.value, '@', 2) from person_identities i where i.person_id = m.host_person_id and i.kind = 'email'),
		       array(select distinct e.source_id from events e where e.meeting_id = m.id),
		       `+meetingIsTest+`,
		       coalesce((select p.deactivated_at is not null from people p where p.id = m.host_person_id), false),
		       `+wroteTo+`
		from meetings m left join follow_ups f on f.meeting_id = m.id
		where m.organization_id = $1 and m.id = $2`, organizationID, meetingID).
		Scan(&c.Chosen, &c.Host, &c.HostDomains, &c.SourceIDs, &c.IsTest, &c.HostLeft, &c.WroteTo)
	if err != nil {
		return Choice{}, notFound(err, fmt.Sprintf("reading whose meeting %s is", meetingID))
	}
	return s.amongConnections(ctx, organizationID, c)
}

// ChoiceForPerson reads what the choice of a connection goes by for what is done for a
// person apart from any meeting.
func (s *Store) ChoiceForPerson(ctx context.Context, organizationID, personID uuid.UUID) (Choice, error) {
	c := Choice{Host: &personID}
	err := s.pool.QueryRow(ctx, `
		select deactivated_at is not null,
		       array(select distinct split_part(i.value, '@', 2) from person_identities i where i.person_id = p.id and i.kind = 'email')
		from people p where organization_id = $1 and id = $2`, organizationID, personID).Scan(&c.HostLeft, &c.HostDomains)
	if err != nil {
		return Choice{}, notFound(err, fmt.Sprintf("reading person %s", personID))
	}
	return s.amongConnections(ctx, organizationID, c)
}

// amongConnections adds what there is to choose from.
func (s *Store) amongConnections(ctx context.Context, organizationID uuid.UUID, c Choice) (Choice, error) {
	o, err := s.Organization(ctx, organizationID)
	if err != nil {
		return Choice{}, err
	}
	c.HostsOnly = o.Settings.HostConnectionsOnly
	if c.Rules, err = s.ConnectionRules(ctx, organizationID); err != nil {
		return Choice{}, err
	}
	c.Connections, err = s.Connections(ctx, organizationID)
	return c, err
}

// ChooseConnection says which connection acts for one meeting. A follow-up that
// waits for the choice, or for another connection that may never come back, goes
// on; what it planned for that one is planned anew. What was begun in one HubSpot
// account is not continued in another: a [*Refusal].
func (s *Store) ChooseConnection(ctx context.Context, organizationID, meetingID, connectionID uuid.UUID, actor Actor) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		f, err := s.lockFollowUp(ctx, tx, organizationID, meetingID)
		if err != nil {
			return err
		}
		var hub, wrote int64
		err = tx.QueryRow(ctx, `select c.hub_id, `+wroteTo+` from connections c, meetings m where c.organization_id = $1 and c.id = $2 and m.id = $3`,
			organizationID, connectionID, meetingID).Scan(&hub, &wrote)
		if err != nil {
			return notFound(err, fmt.Sprintf("choosing connection %s", connectionID))
		}
		if wrote != 0 && wrote != hub {
			return refuse("part of what this meeting led to stands in HubSpot account %d already, so nothing of it goes to another one: choose a connection to that account", wrote)
		}
		tag, err := tx.Exec(ctx, `
			update follow_ups set chosen_connection_id = c.id,
			       paused_since = case when paused_for = 'choice' or connection_id is distinct from c.id then null else paused_since end,
			       answers = answers + case when planned_version > 0 and connection_id is distinct from c.id then 1 else 0 end
			from connections c where meeting_id = $2 and c.organization_id = $1 and c.id = $3`, organizationID, meetingID, connectionID)
		if err != nil {
			return fmt.Errorf("choosing the connection of meeting %s: %w", meetingID, err)
		}
		if tag.RowsAffected() == 0 {
			return fmt.Errorf("choosing connection %s: %w", connectionID, ErrNotFound)
		}
		if err := s.audit(ctx, tx, AuditEntry{
			OrganizationID: organizationID, Kind: AuditConnection, Actor: actor, Origin: f.origin(), ConnectionID: &connectionID, Reason: "chosen for this meeting",
		}); err != nil {
			return err
		}
		if err := readBriefsAgain(ctx, tx, organizationID, &meetingID); err != nil {
			return err
		}
		return s.wake(ctx, tx, organizationID, meetingID, "connection chosen")
	})
}

// SetDefaultConnection makes a connection the one that acts where no rule says
// otherwise: for its person if it is user-level, else for the organization.
func (s *Store) SetDefaultConnection(ctx context.Context, organizationID, id uuid.UUID, actor Actor) error {
	return s.inTx(ctx, func(tx pgx.Tx) error {
		var userLevel bool
		var person *uuid.UUID
		err := tx.QueryRow(ctx, `select is_user_level, person_id from connections where organization_id = $1 and id = $2 for no key update`,
			organizationID, id).Scan(&userLevel, &person)
		if err != nil {
			return notFound(err, fmt.Sprintf("reading connection %s", id))
		}
		if userLevel && person == nil {
			return refuse("nobody here is known as the HubSpot user of this connection, so it can be nobody's default: say who it is on the page about people, and connect again")
		}
		_, err = tx.Exec(ctx, `
			update connections set is_default = false
			where organization_id = $1 and is_default and is_user_level = $2 and (not $2 or person_id is not distinct from $3)`,
			organizationID, userLevel, person)
		if err != nil {
			return fmt.Errorf("ending the earlier default: %w", err)
		}
		if _, err := tx.Exec(ctx, `update connections set is_default = true where id = $1`, id); err != nil {
			return fmt.Errorf("making connection %s the default: %w", id, err)
		}
		if err := s.audit(ctx, tx, AuditEntry{OrganizationID: organizationID, Kind: AuditConnection, Actor: actor, ConnectionID: &id, Reason: "made the default"}); err != nil {
			return err
		}
		return chooseAgain(ctx, tx, organizationID)
	})
}

// chooseAgain lets the follow-ups that wait for a choice look again.
func chooseAgain(ctx context.Context, tx pgx.Tx, organizationID uuid.UUID) error {
	_, err := tx.Exec(ctx, `
		with found as (
			-- In one order, or two who do this at once would wait for each other.
			select meeting_id from follow_ups where organization_id = $1 and paused_since is not null and paused_for = 'choice'
			order by meeting_id for no key update
		), waiting as (
			update follow_ups f set paused_since = null from found where f.meeting_id = found.meeting_id
			returning f.meeting_id
		)
		insert into wakeups (id, organization_id, meeting_id, reason)
		select gen_random_uuid(), $1, meeting_id, 'choose again' from waiting`, organizationID)
	if err != nil {
		return fmt.Errorf("waking what waits for a choice: %w", err)
	}
	return readBriefsAgain(ctx, tx, organizationID, nil)
}
