package main

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

type peopleCmd struct {
	List       peopleListCmd       `cmd:"" help:"List people with their roles and addresses."`
	Show       peopleShowCmd       `cmd:"" help:"Show one person with every name under which systems know them."`
	Add        peopleAddCmd        `cmd:"" help:"Add a person."`
	Set        peopleSetCmd        `cmd:"" help:"Change a person: name, role, stand-in, and the names under which systems know them."`
	Merge      peopleMergeCmd      `cmd:"" help:"Say that two are one."`
	Deactivate peopleDeactivateCmd `cmd:"" help:"End a person's sessions and grants, and hand on what they have open."`
	Reactivate peopleReactivateCmd `cmd:"" help:"Let a person in again."`
}

// findPerson finds somebody by address or ID.
func findPerson(ctx context.Context, s *store.Store, o store.Organization, name string) (store.Person, error) {
	var p store.Person
	id, err := uuid.Parse(name)
	if err == nil {
		p, err = s.Person(ctx, o.ID, id)
	} else {
		p, err = s.PersonByEmail(ctx, o.ID, name)
	}
	if errors.Is(err, store.ErrNotFound) {
		return store.Person{}, usagef("nobody of %s has that address or ID: `debrief people list` shows them", o.Name)
	}
	return p, err
}

// person finds whoever a command is about.
func (a *app) person(ctx context.Context, name string) (*store.Store, store.Organization, store.Person, error) {
	s, err := a.store(ctx, "people")
	if err != nil {
		return nil, store.Organization{}, store.Person{}, err
	}
	o, err := a.organization(ctx, s)
	if err != nil {
		return nil, store.Organization{}, store.Person{}, err
	}
	p, err := findPerson(ctx, s, o, name)
	return s, o, p, err
}

type peopleListCmd struct {
	jsonFlag

	All bool `help:"The deactivated ones, too."`
}

func (c *peopleListCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "people")
	if err != nil {
		return err
	}
	all, err := s.People(ctx, o.ID)
	if err != nil {
		return err
	}
	shown := []store.Person{}
	for _, p := range all {
		if c.All || p.Active() {
			shown = append(shown, p)
		}
	}
	return a.show(c.JSON, shown, func() {
		rows := [][]string{{"ID", "NAME", "ROLE", "ADDRESSES", "HUBSPOT OWNER", "STATE"}}
		for _, p := range shown {
			rows = append(rows, []string{p.ID.String(), p.Name, string(p.Role), strings.Join(p.Values(store.IdentityEmail), ", "), owners(p), personState(p)})
		}
		a.table("Nobody yet: `debrief people add EMAIL --role admin`", rows)
	})
}

func personState(p store.Person) string {
	if p.Active() {
		return "active"
	}
	return "deactivated " + ago(*p.DeactivatedAt)
}

func owners(p store.Person) string {
	all := make([]string, 0, len(p.Owners))
	for _, o := range p.Owners {
		text := itoa(o.HubID) + ": " + string(o.State)
		if o.ID != "" {
			text += " " + o.ID
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

type peopleShowCmd struct {
	jsonFlag

	Person string `arg:"" help:"E-mail address or ID."`
}

func (c *peopleShowCmd) Run(ctx context.Context, a *app) error {
	s, o, p, err := a.person(ctx, c.Person)
	if err != nil {
		return err
	}
	names, err := s.PeopleNames(ctx, o.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, p, func() {
		rows := [][]string{{"WHAT", "VALUE"}, {"id", p.ID.String()}, {"name", p.Name}, {"role", string(p.Role)}, {"state", personState(p)}}
		if p.Team != "" {
			rows = append(rows, []string{"team", p.Team})
		}
		if p.StandInID != nil {
			rows = append(rows, []string{"stand-in", strings.TrimSpace(names[p.StandInID.String()] + " " + p.StandInID.String())})
		}
		if p.MergedInto != nil {
			rows = append(rows, []string{"merged into", p.MergedInto.String()})
		}
		for _, i := range p.Identities {
			value := i.Value
			if i.Archived {
				value += " (deactivated there)"
			}
			rows = append(rows, []string{string(i.Kind), value})
		}
		for _, owner := range p.Owners {
			if problem := owner.Problem(); problem != "" {
				rows = append(rows, []string{"HubSpot account " + itoa(owner.HubID), problem})
			}
		}
		a.table("", rows)
	})
}

type peopleAddCmd struct {
	jsonFlag

	Email string `arg:"" help:"The person's e-mail address."`
	Name  string `help:"The person's name."`
	Role  string `help:"What the person may do: ${enum}." enum:"admin,approver,member,viewer" default:"member"`
}

func (c *peopleAddCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "people")
	if err != nil {
		return err
	}
	p, err := s.AddPerson(ctx, store.Person{
		OrganizationID: o.ID, Name: c.Name, Role: store.Role(c.Role), Identities: []store.Identity{{Kind: store.IdentityEmail, Value: c.Email}},
	}, store.Operator)
	if err != nil {
		return err
	}
	return a.show(c.JSON, p, func() {
		a.say("%s is a person of %s, as %s. `debrief sign-in --person %s` signs them in; so does the organization's identity provider.", p.Label(), o.Name, p.Role, p.Email())
	})
}

type peopleSetCmd struct {
	jsonFlag

	Person  string   `arg:"" help:"E-mail address or ID."`
	Name    *string  `help:"The person's name."`
	Role    string   `help:"What the person may do: admin, approver, member or viewer." enum:"admin,approver,member,viewer," default:""`
	Team    *string  `help:"The team that the person belongs to; empty for none. Tools can be denied or asked about per team."`
	StandIn string   `help:"Who takes over when this person is deactivated: e-mail address, ID, or none." placeholder:"EMAIL"`
	Add     []string `help:"Another name under which a system knows the person: email=…, hubspot_owner=ACCOUNT:ID, hubspot_user=ACCOUNT:ID, slack_user=…, zoom_host=… or sign_in=ISSUER|SUBJECT. Repeat for several." placeholder:"KIND=VALUE" sep:"none"`
	Remove  []string `help:"A name that is not the person's." placeholder:"KIND=VALUE" sep:"none"`
}

func (c *peopleSetCmd) Run(ctx context.Context, a *app) error {
	add, err := identities(c.Add)
	if err != nil {
		return err
	}
	remove, err := identities(c.Remove)
	if err != nil {
		return err
	}
	s, o, p, err := a.person(ctx, c.Person)
	if err != nil {
		return err
	}
	change := store.PersonChange{Name: c.Name, Team: c.Team}
	if c.Role != "" {
		role := store.Role(c.Role)
		change.Role = &role
	}
	switch c.StandIn {
	case "":
	case "none":
		change.StandInID = &uuid.Nil
	default:
		standIn, err := findPerson(ctx, s, o, c.StandIn)
		if err != nil {
			return err
		}
		change.StandInID = &standIn.ID
	}
	if err := s.UpdatePerson(ctx, o.ID, p.ID, change, store.Operator); err != nil {
		return err
	}
	for _, i := range remove {
		err := s.RemoveIdentity(ctx, o.ID, p.ID, i, store.Operator)
		if errors.Is(err, store.ErrNotFound) {
			return usagef("this person has no such %s: `debrief people show` lists them", i.Kind)
		}
		if err != nil {
			return err
		}
	}
	for _, i := range add {
		if err := s.AddIdentity(ctx, o.ID, p.ID, i, store.Operator); err != nil {
			return err
		}
	}
	if p, err = s.Person(ctx, o.ID, p.ID); err != nil {
		return err
	}
	return a.show(c.JSON, p, func() { a.say("%s is changed.", p.Label()) })
}

// identities reads KIND=VALUE.
func identities(in []string) ([]store.Identity, error) {
	out := make([]store.Identity, 0, len(in))
	for _, text := range in {
		kind, value, found := strings.Cut(text, "=")
		if !found {
			return nil, usagef("write a name as KIND=VALUE, such as email=ada@example.com")
		}
		out = append(out, store.Identity{Kind: store.IdentityKind(kind), Value: value})
	}
	return out, nil
}

type peopleMergeCmd struct {
	jsonFlag

	Keep  string `arg:"" help:"The one to keep: e-mail address or ID."`
	Other string `arg:"" help:"The one who is the same person."`
}

func (c *peopleMergeCmd) Run(ctx context.Context, a *app) error {
	s, o, keep, err := a.person(ctx, c.Keep)
	if err != nil {
		return err
	}
	other, err := findPerson(ctx, s, o, c.Other)
	if err != nil {
		return err
	}
	if err := s.MergePeople(ctx, o.ID, keep.ID, other.ID, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "The two are one: %s.", keep.Label())
}

type peopleDeactivateCmd struct {
	jsonFlag

	Person string `arg:"" help:"E-mail address or ID."`
}

func (c *peopleDeactivateCmd) Run(ctx context.Context, a *app) error {
	s, o, p, err := a.person(ctx, c.Person)
	if err != nil {
		return err
	}
	out, err := s.DeactivatePerson(ctx, o.ID, p.ID, store.DeactivatedByAdmin, store.Operator)
	if err != nil {
		return err
	}
	service := a.connectionsService(s)
	var failed []error
	for _, id := range out.Connections {
		if err := service.Disconnect(ctx, o.ID, id, store.Operator); err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) > 0 {
		a.say("%s is deactivated, but not every grant of theirs is revoked: run this again.", p.Label())
		return errors.Join(failed...)
	}
	names, err := s.PeopleNames(ctx, o.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, out, func() {
		heirs := make([]string, 0, len(out.TakenOverBy))
		for _, id := range out.TakenOverBy {
			name := names[id.String()]
			if name == "" {
				name = id.String()
			}
			heirs = append(heirs, name)
		}
		to := strings.Join(heirs, ", ")
		if to == "" {
			to = "nobody, since there is no admin: `debrief people add EMAIL --role admin`"
		}
		a.say("%s is deactivated. Sessions ended: %d. Grants revoked: %d. Open follow-ups: %d; now up to %s.", p.Label(), out.SessionsEnded, len(out.Connections), out.OpenFollowUps, to)
	})
}

type peopleReactivateCmd struct {
	jsonFlag

	Person string `arg:"" help:"E-mail address or ID."`
}

func (c *peopleReactivateCmd) Run(ctx context.Context, a *app) error {
	s, o, p, err := a.person(ctx, c.Person)
	if err != nil {
		return err
	}
	if err := s.ReactivatePerson(ctx, o.ID, p.ID, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "%s may sign in again.", p.Label())
}
