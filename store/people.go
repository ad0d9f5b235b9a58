package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// AuditPerson is the kind of audit rows about people: who was added, what they
// may do, under which names they are known, and who may no longer sign in.
const AuditPerson AuditKind = "person"

// Role says what a person may do.
type Role string

// The roles, from the one that may most. A viewer sees counts and states only.
const (
	RoleAdmin    Role = "admin"
	RoleApprover Role = "approver"
	RoleMember   Role = "member"
	RoleViewer   Role = "viewer"
)

// Roles lists the roles, from the one that may most.
func Roles() []Role { return []Role{RoleAdmin, RoleApprover, RoleMember, RoleViewer} }

// IdentityKind is the system that knows a person under a name of its own.
type IdentityKind string

// The kinds of identities.
const (
	IdentityEmail IdentityKind = "email"
	// IdentitySignIn is "issuer|subject" of the identity provider.
	IdentitySignIn    IdentityKind = "sign_in"
	IdentitySlackUser IdentityKind = "slack_user"
	// IdentityHubSpotUser and IdentityHubSpotOwner are "account:ID".
	IdentityHubSpotUser  IdentityKind = "hubspot_user"
	IdentityHubSpotOwner IdentityKind = "hubspot_owner"
	IdentityZoomHost     IdentityKind = "zoom_host"
)

// IdentityKinds lists the kinds as pages and commands show them.
func IdentityKinds() []IdentityKind {
	return []IdentityKind{IdentityEmail, IdentityHubSpotOwner, IdentityHubSpotUser, IdentitySlackUser, IdentityZoomHost, IdentitySignIn}
}

// Identity is a name under which a system knows a person. One name belongs to
// one person of an organization.
type Identity struct {
	Kind  IdentityKind `json:"kind"`
	Value string       `json:"value"`
	// Archived: a HubSpot owner who is deactivated there.
	Archived bool `json:"archived,omitempty"`
	// SeenAt is when the system last confirmed it; nil for what an admin wrote.
	SeenAt *time.Time `json:"seen_at,omitempty"`
}

// Person is one human of an organization.
type Person struct {
	ID             uuid.UUID `json:"id"`
	OrganizationID uuid.UUID `json:"organization_id"`
	Name           string    `json:"name"`
	Role           Role      `json:"role"`
	// Team is the name of the one that the person belongs to, or nothing.
	Team          string     `json:"team,omitempty"`
	StandInID     *uuid.UUID `json:"stand_in_id,omitempty"`
	DeactivatedAt *time.Time `json:"deactivated_at,omitempty"`
	CreatedAt     time.Time  `json:"created_at"`
	// MergedInto is set when this one turned out to be that one.
	MergedInto *uuid.UUID `json:"merged_into,omitempty"`
	// Identities are sorted by kind and value.
	Identities []Identity `json:"identities"`
	// Owners says for each HubSpot account that is or was connected whether the
	// person is an owner there, by account.
	Owners []Owner `json:"owners"`

	ownerlessIn []int64
}

// Active says whether the person may sign in and be asked.
func (p Person) Active() bool { return p.DeactivatedAt == nil }

// Label is the name, or what else there is to call the person by.
func (p Person) Label() string { return cmp.Or(p.Name, p.Email(), p.ID.String()) }

// Email is the person's first address, or nothing.
func (p Person) Email() string {
	if all := p.Values(IdentityEmail); len(all) > 0 {
		return all[0]
	}
	return ""
}

// Values returns the person's names of one kind.
func (p Person) Values(kind IdentityKind) []string {
	var all []string
	for _, i := range p.Identities {
		if i.Kind == kind {
			all = append(all, i.Value)
		}
	}
	return all
}

// OwnerState says whether a person can own records in a HubSpot account.
type OwnerState string

// The states of an owner.
const (
	// OwnerUnknown: HubSpot was not asked yet.
	OwnerUnknown OwnerState = "unknown"
	OwnerActive  OwnerState = "active"
	// OwnerArchived: deactivated in HubSpot. Records can't be given to them.
	OwnerArchived OwnerState = "archived"
	// OwnerNone: HubSpot was asked and has no owner with that address.
	OwnerNone OwnerState = "none"
)

// Owner is a person as a HubSpot account knows them, as last seen.
type Owner struct {
	HubID int64      `json:"hub_id"`
	State OwnerState `json:"state"`
	// ID is the owner's; empty where there is none.
	ID     string     `json:"id,omitempty"`
	SeenAt *time.Time `json:"seen_at,omitempty"`
}

// Problem says what is wrong for a host, or nothing.
func (o Owner) Problem() string {
	switch o.State {
	case OwnerNone:
		return "host: no owner found in HubSpot"
	case OwnerArchived:
		return "host: owner deactivated in HubSpot"
	case OwnerUnknown, OwnerActive:
	}
	return ""
}

// EnsureHost makes the person with that e-mail address the host of a meeting,
// and adds the person to the organization if nobody there has the address. It
// is for addresses in the organization's own domains. One transaction.
func (s *Store) EnsureHost(ctx context.Context, organizationID, meetingID uuid.UUID, email, name string) error {
	email = normalEmail(email)
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if err := lockAddress(ctx, tx, organizationID, email); err != nil {
			return err
		}
		identity := Identity{Kind: IdentityEmail, Value: email}
		id, err := findByIdentity(ctx, tx, organizationID, identity)
		if errors.Is(err, ErrNotFound) {
			id, err = s.insertPerson(ctx, tx, Person{OrganizationID: organizationID, Name: name, Role: RoleMember, Identities: []Identity{identity}})
		}
		if err != nil {
			return fmt.Errorf("finding the person: %w", err)
		}
		_, err = tx.Exec(ctx, `update meetings set host_person_id = $3 where organization_id = $1 and id = $2`, organizationID, meetingID, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("naming the host of meeting %s: %w", meetingID, err)
	}
	return nil
}

// lockAddress lets one at a time look for a person by an address and add them,
// so that two meetings, or a meeting and a sign-in, don't make two people.
func lockAddress(ctx context.Context, tx pgx.Tx, organizationID uuid.UUID, email string) error {
	if _, err := tx.Exec(ctx, `select pg_advisory_xact_lock(hashtextextended($1, 0))`, organizationID.String()+email); err != nil {
		return fmt.Errorf("waiting for others who add that person: %w", err)
	}
	return nil
}

// lockPeople lets one at a time change who may do what in an organization: two
// admins who demote each other at once would leave none.
func lockPeople(ctx context.Context, tx pgx.Tx, organizationID uuid.UUID) error {
	var found bool
	err := tx.QueryRow(ctx, `select true from organizations where id = $1 for no key update`, organizationID).Scan(&found)
	return notFound(err, "locking the organization")
}

func findByIdentity(ctx context.Context, q querier, organizationID uuid.UUID, i Identity) (uuid.UUID, error) {
	var id uuid.UUID
	err := q.QueryRow(ctx, `select person_id from person_identities where organization_id = $1 and kind = $2 and value = $3`,
		organizationID, i.Kind, i.Value).Scan(&id)
	return id, notFound(err, fmt.Sprintf("looking for a person by %s", i.Kind))
}

// PeopleNames returns the names of an organization's people by their IDs. Who
// turned out to be another has that one's name.
func (s *Store) PeopleNames(ctx context.Context, organizationID uuid.UUID) (map[string]string, error) {
	rows, err := s.pool.Query(ctx, `
		select p.id::text, coalesce(k.name, p.name) from people p left join people k on k.id = p.merged_into
		where p.organization_id = $1`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("reading people: %w", err)
	}
	names := map[string]string{}
	var id, name string
	if _, err := pgx.ForEachRow(rows, []any{&id, &name}, func() error { names[id] = name; return nil }); err != nil {
		return nil, fmt.Errorf("reading people: %w", err)
	}
	return names, nil
}

// People lists an organization's people by name, without those who turned out
// to be another.
func (s *Store) People(ctx context.Context, organizationID uuid.UUID) ([]Person, error) {
	return s.people(ctx, organizationID, `p.merged_into is null`)
}

// Person returns one of an organization's people, or [ErrNotFound].
func (s *Store) Person(ctx context.Context, organizationID, id uuid.UUID) (Person, error) {
	return onePerson(s.people(ctx, organizationID, `p.id = $2`, id))
}

// PersonByEmail returns whoever of an organization has that address, or
// [ErrNotFound].
func (s *Store) PersonByEmail(ctx context.Context, organizationID uuid.UUID, email string) (Person, error) {
	id, err := findByIdentity(ctx, s.pool, organizationID, Identity{Kind: IdentityEmail, Value: normalEmail(email)})
	if err != nil {
		return Person{}, err
	}
	return s.Person(ctx, organizationID, id)
}

// Responsible lists who answers for what a person has open: the person; once
// deactivated their stand-in; and where there is none every admin. It is empty
// only where an organization has no admin.
func (s *Store) Responsible(ctx context.Context, organizationID, personID uuid.UUID) ([]Person, error) {
	return s.people(ctx, organizationID, `
		p.id in (select responsible_id from responsible_people where organization_id = $1 and person_id = $2)`, personID)
}

func onePerson(all []Person, err error) (Person, error) {
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("reading a person: %w", ErrNotFound)
	}
	if err != nil {
		return Person{}, err
	}
	return all[0], nil
}

// people lists those that a condition selects, complete.
func (s *Store) people(ctx context.Context, organizationID uuid.UUID, condition string, args ...any) ([]Person, error) {
	args = append([]any{organizationID}, args...)
	rows, err := s.pool.Query(ctx, `
		select p.id, p.organization_id, p.name, p.role, p.team, p.stand_in_id, p.deactivated_at, p.created_at, p.merged_into, p.ownerless_in
		from people p where p.organization_id = $1 and `+condition+` order by lower(p.name), p.id`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading people: %w", err)
	}
	people, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Person, error) {
		p := Person{Identities: []Identity{}, Owners: []Owner{}}
		err := row.Scan(&p.ID, &p.OrganizationID, &p.Name, &p.Role, &p.Team, &p.StandInID, &p.DeactivatedAt, &p.CreatedAt, &p.MergedInto, &p.ownerlessIn)
		return p, err
	})
	if err != nil {
		return nil, fmt.Errorf("reading people: %w", err)
	}
	places := make(map[uuid.UUID]int, len(people))
	ids := make([]uuid.UUID, len(people))
	for i, p := range people {
		places[p.ID], ids[i] = i, p.ID
	}

	rows, err = s.pool.Query(ctx, `
		select person_id, kind, value, archived, seen_at from person_identities
		where organization_id = $1 and person_id = any ($2) order by kind, value`, organizationID, ids)
	if err != nil {
		return nil, fmt.Errorf("reading people's identities: %w", err)
	}
	var id uuid.UUID
	var i Identity
	_, err = pgx.ForEachRow(rows, []any{&id, &i.Kind, &i.Value, &i.Archived, &i.SeenAt}, func() error {
		p := &people[places[id]]
		p.Identities = append(p.Identities, i)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading people's identities: %w", err)
	}

	rows, err = s.pool.Query(ctx, `select distinct hub_id from connections where organization_id = $1 order by hub_id`, organizationID)
	if err != nil {
		return nil, fmt.Errorf("reading the connected accounts: %w", err)
	}
	hubs, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("reading the connected accounts: %w", err)
	}
	for i := range people {
		for _, hub := range hubs {
			people[i].Owners = append(people[i].Owners, people[i].owner(hub))
		}
	}
	return people, nil
}

// owner says whether the person is an owner in that account.
func (p *Person) owner(hubID int64) Owner {
	out := Owner{HubID: hubID, State: OwnerUnknown}
	if slices.Contains(p.ownerlessIn, hubID) {
		out.State = OwnerNone
	}
	for _, i := range p.Identities {
		id, found := strings.CutPrefix(i.Value, hubPrefix(hubID))
		if i.Kind != IdentityHubSpotOwner || !found || out.State == OwnerActive {
			continue
		}
		out.ID, out.SeenAt, out.State = id, i.SeenAt, OwnerActive
		if i.Archived {
			out.State = OwnerArchived
		}
	}
	return out
}

func hubPrefix(hubID int64) string { return strconv.FormatInt(hubID, 10) + ":" }

// AddPerson adds somebody with at least one identity, such as an address. One
// that belongs to somebody already is a [*Refusal].
func (s *Store) AddPerson(ctx context.Context, p Person, actor Actor) (Person, error) {
	if len(p.Identities) == 0 {
		return Person{}, refuse("a person needs an e-mail address, or another name under which they are known")
	}
	if !slices.Contains(Roles(), p.Role) {
		return Person{}, refuse("there is no role %q", p.Role)
	}
	for i := range p.Identities {
		if err := p.Identities[i].normalize(); err != nil {
			return Person{}, err
		}
	}
	var id uuid.UUID
	err := s.inTx(ctx, func(tx pgx.Tx) (err error) {
		for _, i := range p.Identities {
			if i.Kind != IdentityEmail {
				continue
			}
			if err := lockAddress(ctx, tx, p.OrganizationID, i.Value); err != nil {
				return err
			}
		}
		id, err = s.addPerson(ctx, tx, p, actor)
		return err
	})
	if isUniqueViolation(err) {
		err = refuse("one of these names belongs to somebody else of the organization already")
	}
	if err != nil {
		return Person{}, fmt.Errorf("adding a person: %w", err)
	}
	return s.Person(ctx, p.OrganizationID, id)
}

// addPerson adds somebody and says so in the trail.
func (s *Store) addPerson(ctx context.Context, tx pgx.Tx, p Person, actor Actor) (uuid.UUID, error) {
	id, err := s.insertPerson(ctx, tx, p)
	if err != nil {
		return uuid.Nil, err
	}
	if err := s.auditPerson(ctx, tx, p.OrganizationID, id, actor, "added as "+string(p.Role)); err != nil {
		return uuid.Nil, err
	}
	for _, i := range p.Identities {
		if err := s.auditIdentity(ctx, tx, p.OrganizationID, id, actor, i, "added"); err != nil {
			return uuid.Nil, err
		}
	}
	return id, nil
}

func (s *Store) insertPerson(ctx context.Context, tx pgx.Tx, p Person) (uuid.UUID, error) {
	// First: the person becomes the host of meetings, and who merges people has the
	// organization before meetings, too.
	if err := lockPeople(ctx, tx, p.OrganizationID); err != nil {
		return uuid.Nil, err
	}
	id := newID()
	_, err := tx.Exec(ctx, `insert into people (id, organization_id, name, role) values ($1, $2, $3, $4)`, id, p.OrganizationID, p.Name, p.Role)
	if err != nil {
		return uuid.Nil, err
	}
	for _, i := range p.Identities {
		_, err := tx.Exec(ctx, `insert into person_identities (organization_id, kind, value, person_id) values ($1, $2, $3, $4)`, p.OrganizationID, i.Kind, i.Value, id)
		if err != nil {
			return uuid.Nil, err
		}
	}
	return id, s.adoptMeetings(ctx, tx, p.OrganizationID, id, p.Identities...)
}

func (s *Store) auditPerson(ctx context.Context, q querier, organizationID, person uuid.UUID, actor Actor, what string) error {
	return s.audit(ctx, q, AuditEntry{OrganizationID: organizationID, Kind: AuditPerson, Actor: actor, Reason: fmt.Sprintf("person %s: %s", person, what)})
}

// auditIdentity names the kind; the value stands beside the row, erasable.
func (s *Store) auditIdentity(ctx context.Context, q querier, organizationID, person uuid.UUID, actor Actor, i Identity, what string) error {
	return s.audit(ctx, q, AuditEntry{
		OrganizationID: organizationID, Kind: AuditPerson, Actor: actor,
		Reason: fmt.Sprintf("person %s: %s %s", person, i.Kind, what), Values: map[string]string{string(i.Kind): i.Value},
	})
}

// normalize brings an identity into the one form in which it is looked for.
func (i *Identity) normalize() error {
	i.Value = strings.TrimSpace(i.Value)
	valid := i.Value != "" && len(i.Value) <= 320 && !strings.ContainsFunc(i.Value, func(r rune) bool { return r < ' ' })
	how := "a name as that system writes it"
	switch i.Kind {
	case IdentityEmail:
		i.Value = normalEmail(i.Value)
		valid, how = valid && domainOf(i.Value) != "" && !strings.ContainsAny(i.Value, " <>,;"), "an address such as ada@example.com"
	case IdentitySignIn:
		issuer, subject, found := strings.Cut(i.Value, "|")
		valid, how = valid && found && subject != "" && checkIssuer(issuer) == nil, "the issuer, a | and the subject, such as https://login.example.com|1234"
	case IdentityHubSpotOwner, IdentityHubSpotUser:
		hub, id, _ := strings.Cut(i.Value, ":")
		valid, how = valid && isNumber(hub) && isNumber(id), "the HubSpot account's ID, a colon and the ID there, such as 12345:678"
	case IdentitySlackUser, IdentityZoomHost:
	default:
		return refuse("there is no kind of identity named %q", i.Kind)
	}
	if !valid {
		return refuse("that is no %s: write %s", i.Kind, how)
	}
	return nil
}

func isNumber(s string) bool {
	n, err := strconv.ParseInt(s, 10, 64)
	return err == nil && n > 0 && strconv.FormatInt(n, 10) == s
}

// AddIdentity says under which other name a person is known. A name that is
// somebody else's is a [*Refusal]: the two may be the same ([Store.MergePeople]).
// The person's own stays theirs, and counts as written by an admin from now on.
func (s *Store) AddIdentity(ctx context.Context, organizationID, personID uuid.UUID, i Identity, actor Actor) error {
	if err := i.normalize(); err != nil {
		return err
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if err := lockAddress(ctx, tx, organizationID, i.Value); err != nil {
			return err
		}
		if err := inUse(ctx, tx, organizationID, personID); err != nil {
			return err
		}
		owner, err := findByIdentity(ctx, tx, organizationID, i)
		switch {
		case errors.Is(err, ErrNotFound):
			return s.addIdentity(ctx, tx, organizationID, personID, i, actor)
		case err != nil:
			return err
		case owner != personID:
			return refuse("that %s belongs to somebody else here: if the two are one, merge them", i.Kind)
		}
		_, err = tx.Exec(ctx, `update person_identities set seen_at = null, archived = false where organization_id = $1 and kind = $2 and value = $3`,
			organizationID, i.Kind, i.Value)
		return err
	})
	if err != nil {
		return fmt.Errorf("adding an identity of person %s: %w", personID, err)
	}
	return nil
}

func (s *Store) addIdentity(ctx context.Context, tx pgx.Tx, organizationID, personID uuid.UUID, i Identity, actor Actor) error {
	if err := lockPeople(ctx, tx, organizationID); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, `insert into person_identities (organization_id, kind, value, person_id, archived, seen_at) values ($1, $2, $3, $4, $5, $6)`,
		organizationID, i.Kind, i.Value, personID, i.Archived, i.SeenAt)
	if err != nil {
		return fmt.Errorf("storing an identity: %w", err)
	}
	if err := s.adoptMeetings(ctx, tx, organizationID, personID, i); err != nil {
		return err
	}
	return s.auditIdentity(ctx, tx, organizationID, personID, actor, i, "added")
}

// inUse says whether a person is there, and is not one who turned out to be
// another.
func inUse(ctx context.Context, q querier, organizationID, id uuid.UUID) error {
	var merged *uuid.UUID
	err := q.QueryRow(ctx, `select merged_into from people where organization_id = $1 and id = $2`, organizationID, id).Scan(&merged)
	if err := notFound(err, "reading a person"); err != nil {
		return err
	}
	if merged != nil {
		return refuse("this person was merged into another one: change that one")
	}
	return nil
}

// RemoveIdentity says that a person is not known under that name. One who can no
// longer sign in by it is signed out everywhere.
func (s *Store) RemoveIdentity(ctx context.Context, organizationID, personID uuid.UUID, i Identity, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `delete from person_identities where organization_id = $1 and person_id = $2 and kind = $3 and value = $4`,
			organizationID, personID, i.Kind, i.Value)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrNotFound
		}
		if i.Kind == IdentitySignIn || i.Kind == IdentityEmail {
			if _, err := signOutEverywhere(ctx, tx, personID); err != nil {
				return err
			}
		}
		return s.auditIdentity(ctx, tx, organizationID, personID, actor, i, "removed")
	})
	if err != nil {
		return fmt.Errorf("removing an identity of person %s: %w", personID, err)
	}
	return nil
}

// PersonChange is what to change of a person. What is nil stays.
type PersonChange struct {
	Name *string
	Role *Role
	// Team by its name; empty for none. Names that differ in case alone are one.
	Team *string
	// StandInID is who takes over; uuid.Nil for nobody.
	StandInID *uuid.UUID
}

// UpdatePerson changes a person. The last active admin stays one: a [*Refusal].
func (s *Store) UpdatePerson(ctx context.Context, organizationID, id uuid.UUID, c PersonChange, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		p, err := lockPerson(ctx, tx, organizationID, id)
		if err != nil {
			return err
		}
		if c.Name != nil && *c.Name != p.Name {
			if _, err := tx.Exec(ctx, `update people set name = $2 where id = $1`, id, strings.TrimSpace(*c.Name)); err != nil {
				return err
			}
			if err := s.auditPerson(ctx, tx, organizationID, id, actor, "name changed"); err != nil {
				return err
			}
		}
		if c.Role != nil && *c.Role != p.Role {
			if err := s.changeRole(ctx, tx, p, *c.Role, actor); err != nil {
				return err
			}
		}
		if c.Team != nil {
			if err := s.changeTeam(ctx, tx, p, *c.Team, actor); err != nil {
				return err
			}
		}
		if c.StandInID != nil {
			return s.changeStandIn(ctx, tx, p, *c.StandInID, actor)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("changing person %s: %w", id, err)
	}
	return nil
}

func (s *Store) changeRole(ctx context.Context, tx pgx.Tx, p Person, role Role, actor Actor) error {
	if !slices.Contains(Roles(), role) {
		return refuse("there is no role %q", role)
	}
	if err := refuseLastAdmin(ctx, tx, p); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `update people set role = $2 where id = $1`, p.ID, role); err != nil {
		return err
	}
	if p.Role == RoleAdmin {
		if err := endLinks(ctx, tx, p.ID); err != nil {
			return err
		}
	}
	return s.auditPerson(ctx, tx, p.OrganizationID, p.ID, actor, fmt.Sprintf("role %s → %s", p.Role, role))
}

func (s *Store) changeStandIn(ctx context.Context, tx pgx.Tx, p Person, standIn uuid.UUID, actor Actor) error {
	name := func(id *uuid.UUID) string {
		if id == nil {
			return "none"
		}
		return "person " + id.String()
	}
	if name(p.StandInID) == name(nullID(standIn)) {
		return nil
	}
	if standIn == p.ID {
		return refuse("nobody stands in for themselves")
	}
	if standIn != uuid.Nil {
		var active bool
		err := tx.QueryRow(ctx, `select deactivated_at is null from people where organization_id = $1 and id = $2`, p.OrganizationID, standIn).Scan(&active)
		if err := notFound(err, "reading the stand-in"); err != nil {
			return err
		}
		if !active {
			return refuse("a stand-in can't be somebody who is deactivated")
		}
	}
	if _, err := tx.Exec(ctx, `update people set stand_in_id = $2 where id = $1`, p.ID, nullID(standIn)); err != nil {
		return err
	}
	return s.auditPerson(ctx, tx, p.OrganizationID, p.ID, actor, fmt.Sprintf("stand-in %s → %s", name(p.StandInID), name(nullID(standIn))))
}

// lockPerson reads a person while nobody else changes people of the organization.
// It is no lock "for update": whoever holds a connection and writes a row that
// names the person would wait for it, while this one waits for the connection.
func lockPerson(ctx context.Context, tx pgx.Tx, organizationID, id uuid.UUID) (Person, error) {
	if err := lockPeople(ctx, tx, organizationID); err != nil {
		return Person{}, err
	}
	p := Person{ID: id, OrganizationID: organizationID}
	err := tx.QueryRow(ctx, `
		select name, role, team, stand_in_id, deactivated_at, merged_into from people where organization_id = $1 and id = $2 for no key update`,
		organizationID, id).Scan(&p.Name, &p.Role, &p.Team, &p.StandInID, &p.DeactivatedAt, &p.MergedInto)
	if err := notFound(err, "reading a person"); err != nil {
		return Person{}, err
	}
	if p.MergedInto != nil {
		return Person{}, refuse("this person was merged into another one: change that one")
	}
	return p, nil
}

func refuseLastAdmin(ctx context.Context, tx pgx.Tx, p Person) error {
	if p.Role != RoleAdmin || !p.Active() {
		return nil
	}
	var another bool
	err := tx.QueryRow(ctx, `
		select exists (select from people where organization_id = $1 and id <> $2 and role = 'admin' and deactivated_at is null)`,
		p.OrganizationID, p.ID).Scan(&another)
	if err != nil {
		return fmt.Errorf("looking for another admin: %w", err)
	}
	if !another {
		return refuse("this is the organization's last admin: make somebody else one first")
	}
	return nil
}

// MergePeople says that two are one: whatever names, meetings, answers and
// connections the second has are the first's. The second's row stays, so that the
// trail keeps its meaning. The first keeps name, role and stand-in.
func (s *Store) MergePeople(ctx context.Context, organizationID, keep, other uuid.UUID, actor Actor) error {
	if keep == other {
		return refuse("that is one person already")
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		kept, err := lockPerson(ctx, tx, organizationID, keep)
		if err != nil {
			return err
		}
		gone, err := lockPerson(ctx, tx, organizationID, other)
		if err != nil {
			return err
		}
		if !kept.Active() && gone.Active() {
			return refuse("the one to keep is deactivated and the other is not: reactivate the one to keep first")
		}
		if kept.Role != RoleAdmin {
			if err := refuseLastAdmin(ctx, tx, gone); err != nil {
				return err
			}
		}
		if _, err := signOutEverywhere(ctx, tx, other); err != nil {
			return err
		}
		for _, sql := range []string{
			`update person_identities set person_id = $1 where person_id = $2`,
			`update meetings set host_person_id = $1 where host_person_id = $2`,
			`update approvals set decided_by_person_id = $1 where decided_by_person_id = $2`,
			// Each has one default at most; the kept one's counts.
			`update connections set is_default = false where person_id = $2 and is_default
			   and exists (select from connections where person_id = $1 and is_user_level and is_default)`,
			`update connections set person_id = $1 where person_id = $2`,
			`delete from connection_rules r where host_person_id = $2 and exists (
			   select from connection_rules k where k.host_person_id = $1 and k.organization_id = r.organization_id
			     and k.source_id is not distinct from r.source_id and k.host_domain is not distinct from r.host_domain)`,
			`update connection_rules set host_person_id = $1 where host_person_id = $2`,
			`select from briefings where person_id in ($1, $2) order by id for no key update`,
			`delete from briefings o where person_id = $2 and exists (select from briefings k where k.person_id = $1 and k.meeting_id = o.meeting_id)`,
			`update notices set person_id = $1, concerns_id = $1 where person_id = $2 and state = 'queued' and kind in ('briefing.ready', 'briefing.update')`,
			`update briefings set person_id = $1, ` + askedAgain + ` where person_id = $2`,
			`update people k set team = o.team from people o where k.id = $1 and o.id = $2 and k.team = ''`,
			`update slack_messages m set person_id = $1 where person_id = $2
			   and not exists (select from slack_messages k where k.person_id = $1 and k.meeting_id = m.meeting_id)`,
			`update people set stand_in_id = null where id = $1 and stand_in_id = $2`,
			`update people set stand_in_id = $1 where stand_in_id = $2`,
			`update people set merged_into = $1 where merged_into = $2`,
			`update people set merged_into = $1, stand_in_id = null, deactivated_at = coalesce(deactivated_at, now()) where id = $2`,
		} {
			if _, err := tx.Exec(ctx, sql, keep, other); err != nil {
				return fmt.Errorf("moving what the other has: %w", err)
			}
		}
		if err := briefAnew(ctx, tx, organizationID, &keep); err != nil {
			return err
		}
		return s.auditPerson(ctx, tx, organizationID, other, actor, "merged into person "+keep.String())
	})
	if err != nil {
		return fmt.Errorf("merging person %s into %s: %w", other, keep, err)
	}
	return nil
}

// signOutEverywhere ends a person's sessions, the links that would begin one, and
// the links to connect that the person made.
func signOutEverywhere(ctx context.Context, tx pgx.Tx, personID uuid.UUID) (sessions int64, err error) {
	if _, err := tx.Exec(ctx, `delete from sign_in_links where person_id = $1`, personID); err != nil {
		return 0, fmt.Errorf("deleting sign-in links: %w", err)
	}
	if err := endLinks(ctx, tx, personID); err != nil {
		return 0, err
	}
	tag, err := tx.Exec(ctx, `delete from sessions where person_id = $1`, personID)
	if err != nil {
		return 0, fmt.Errorf("ending sessions: %w", err)
	}
	return tag.RowsAffected(), nil
}

// Why somebody is deactivated, for the trail.
const (
	DeactivatedByAdmin   = "by an admin"
	DeactivatedInHubSpot = "deactivated in HubSpot"
)

// Deactivated is what deactivating somebody left to do, and did.
type Deactivated struct {
	SessionsEnded int64 `json:"sessions_ended"`
	// TakenOverBy answer for what the person has open: the stand-in, or every
	// admin.
	TakenOverBy []uuid.UUID `json:"taken_over_by"`
	// OpenFollowUps is how many of them there are.
	OpenFollowUps int `json:"open_follow_ups"`
	// Connections are the person's user-level ones that still have a grant. Nothing
	// uses them any more. Whoever called has to disconnect them (package
	// connections): HubSpot has to be told, and that is not for a transaction.
	Connections []uuid.UUID `json:"connections"`
}

// DeactivatePerson ends what a person may do, in one transaction: their sessions
// and links die, their own connections are revoked here, whoever stands in for
// them ([Store.Responsible]) answers for what is open, and the workflows of their
// open follow-ups look again. why is
// [DeactivatedByAdmin] or [DeactivatedInHubSpot]. Calling it again returns what
// is still left to do. The last active admin is a [*Refusal].
//
// What remains for the caller is to disconnect Deactivated.Connections.
func (s *Store) DeactivatePerson(ctx context.Context, organizationID, id uuid.UUID, why string, actor Actor) (Deactivated, error) {
	var out Deactivated
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		p, err := lockPerson(ctx, tx, organizationID, id)
		if err != nil {
			return err
		}
		if err := refuseLastAdmin(ctx, tx, p); err != nil {
			return err
		}
		if out.SessionsEnded, err = signOutEverywhere(ctx, tx, id); err != nil {
			return err
		}
		if p.Active() {
			if _, err := tx.Exec(ctx, `update people set deactivated_at = now() where id = $1`, id); err != nil {
				return err
			}
			if err := s.auditPerson(ctx, tx, organizationID, id, actor, "deactivated: "+why); err != nil {
				return err
			}
			if err := queueStandInNotice(ctx, tx, organizationID, id); err != nil {
				return err
			}
			if err := briefAnew(ctx, tx, organizationID, &id); err != nil {
				return err
			}
		}
		tag, err := tx.Exec(ctx, `
			insert into wakeups (id, organization_id, meeting_id, reason)
			select gen_random_uuid(), f.organization_id, f.meeting_id, 'the host was deactivated'
			from follow_ups f join meetings m on m.id = f.meeting_id
			where f.organization_id = $1 and f.state = 'open' and m.host_person_id = $2`, organizationID, id)
		if err != nil {
			return fmt.Errorf("waking the person's follow-ups: %w", err)
		}
		out.OpenFollowUps = int(tag.RowsAffected())
		if out.TakenOverBy, err = collectIDs(ctx, tx, `
			select responsible_id from responsible_people where organization_id = $1 and person_id = $2 order by 1`, organizationID, id); err != nil {
			return err
		}
		out.Connections, err = collectIDs(ctx, tx, `
			select id from connections
			where organization_id = $1 and person_id = $2 and is_user_level and sealed_refresh_token is not null order by name`, organizationID, id)
		if err != nil {
			return err
		}
		// Here and not where HubSpot is told: a process may die before that.
		for _, connection := range out.Connections {
			c, _, err := lockConnection(ctx, tx, connection)
			if err != nil {
				return err
			}
			if c.State.Ended() {
				continue
			}
			if err := s.setConnectionState(ctx, tx, c, Revoked, "its user was deactivated", actor); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Deactivated{}, fmt.Errorf("deactivating person %s: %w", id, err)
	}
	return out, nil
}

func collectIDs(ctx context.Context, q querier, sql string, args ...any) ([]uuid.UUID, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}

// ReactivatePerson lets somebody in again. They sign in anew.
func (s *Store) ReactivatePerson(ctx context.Context, organizationID, id uuid.UUID, actor Actor) error {
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		p, err := lockPerson(ctx, tx, organizationID, id)
		if err != nil || p.Active() {
			return err
		}
		// One that began while the person was being deactivated.
		if _, err := signOutEverywhere(ctx, tx, id); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `update people set deactivated_at = null where id = $1`, id); err != nil {
			return err
		}
		if err := briefAnew(ctx, tx, organizationID, &id); err != nil {
			return err
		}
		return s.auditPerson(ctx, tx, organizationID, id, actor, "reactivated")
	})
	if err != nil {
		return fmt.Errorf("reactivating person %s: %w", id, err)
	}
	return nil
}

// OwnerSeen is what a HubSpot account said when it was asked for the owner with
// a person's address.
type OwnerSeen struct {
	HubID int64
	// OwnerID is empty if there is none.
	OwnerID string
	// Archived: the owner is deactivated in HubSpot.
	Archived bool
}

// RecordOwner keeps what a HubSpot account said about a person as an owner, and
// returns how that stands now. One who was an owner and is not found any more
// counts as archived: HubSpot lists the active ones only. What an admin wrote
// stays, whatever the address says. Whoever finds an owner newly archived decides
// whether the person is to be deactivated ([Store.DeactivatePerson]).
func (s *Store) RecordOwner(ctx context.Context, organizationID, personID uuid.UUID, seen OwnerSeen) (Owner, error) {
	if seen.HubID <= 0 || seen.OwnerID != "" && !isNumber(seen.OwnerID) {
		return Owner{}, errors.New("recording an owner without an account, or whose ID is none")
	}
	err := s.inTx(ctx, func(tx pgx.Tx) error {
		if err := inUse(ctx, tx, organizationID, personID); err != nil {
			return err
		}
		prefix := hubPrefix(seen.HubID)
		if seen.OwnerID != "" {
			_, err := tx.Exec(ctx, `
				update person_identities set archived = $3
				where person_id = $1 and kind = 'hubspot_owner' and value = $2 and seen_at is null`, personID, prefix+seen.OwnerID, seen.Archived)
			if err != nil {
				return err
			}
			// An owner belongs to the person of the address that HubSpot has today.
			_, err = tx.Exec(ctx, `
				insert into person_identities (organization_id, kind, value, person_id, archived, seen_at)
				select $1, 'hubspot_owner', $3, $2, $4, now()
				where not exists (select from person_identities where person_id = $2 and kind = 'hubspot_owner' and starts_with(value, $5) and seen_at is null)
				on conflict (organization_id, kind, value) do update
				set person_id = excluded.person_id, archived = excluded.archived, seen_at = excluded.seen_at
				where person_identities.seen_at is not null`, organizationID, personID, prefix+seen.OwnerID, seen.Archived, prefix)
			if err != nil {
				return err
			}
			// An owner who was there under another ID is one no more.
			if _, err := tx.Exec(ctx, `
				delete from person_identities where person_id = $1 and kind = 'hubspot_owner' and starts_with(value, $2) and value <> $3 and seen_at is not null`,
				personID, prefix, prefix+seen.OwnerID); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `update people set ownerless_in = array_remove(ownerless_in, $2) where id = $1`, personID, seen.HubID)
			return err
		}
		tag, err := tx.Exec(ctx, `
			update person_identities set archived = archived or seen_at is not null
			where person_id = $1 and kind = 'hubspot_owner' and starts_with(value, $2)`, personID, prefix)
		if err != nil || tag.RowsAffected() > 0 {
			return err
		}
		_, err = tx.Exec(ctx, `
			update people set ownerless_in = array_append(ownerless_in, $2) where id = $1 and not $2 = any (ownerless_in)`, personID, seen.HubID)
		return err
	})
	if err != nil {
		return Owner{}, fmt.Errorf("recording person %s as an owner of account %d: %w", personID, seen.HubID, err)
	}
	p, err := s.Person(ctx, organizationID, personID)
	if err != nil {
		return Owner{}, err
	}
	return p.owner(seen.HubID), nil
}
