package connections

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

// ForMeeting picks the connection that acts for a meeting: what somebody chose
// for it, else by the organization's rules (those about its source first), else
// the host's own, else the organization's default or only account connection,
// if that may act for those who have none. The error is [ErrNoConnection], or an
// [*UndecidedError]: a question, never a guess.
func (s *Service) ForMeeting(ctx context.Context, organizationID, meetingID uuid.UUID) (store.Connection, error) {
	c, err := s.store.ChoiceFor(ctx, organizationID, meetingID)
	if err != nil {
		return store.Connection{}, fmt.Errorf("choosing a connection: %w", err)
	}
	return choose(c)
}

// ForPerson picks the connection that acts for a person apart from any meeting, as
// for a meeting that the person hosts: chosen, if that is not zero, else by rules and
// defaults. It fails as [Service.ForMeeting] does; one that was chosen has to be the
// organization's or the person's own.
func (s *Service) ForPerson(ctx context.Context, organizationID, personID, chosen uuid.UUID) (store.Connection, error) {
	c, err := s.store.ChoiceForPerson(ctx, organizationID, personID)
	if err != nil {
		return store.Connection{}, fmt.Errorf("choosing a connection: %w", err)
	}
	if chosen == uuid.Nil {
		return choose(c)
	}
	i := slices.IndexFunc(c.Connections, func(connection store.Connection) bool { return connection.ID == chosen })
	if i < 0 {
		return store.Connection{}, ErrNoConnection
	}
	if found := c.Connections[i]; !found.IsUserLevel && !c.HostsOnly || found.IsUserLevel && found.PersonID != nil && *found.PersonID == personID {
		return found, nil
	}
	return store.Connection{}, &UndecidedError{reason: "The connection may not act for this person", names: []string{c.Connections[i].Name}}
}

func choose(c store.Choice) (store.Connection, error) {
	if len(c.Connections) == 0 {
		return store.Connection{}, ErrNoConnection
	}
	byID := map[uuid.UUID]store.Connection{}
	for _, connection := range c.Connections {
		byID[connection.ID] = connection
	}
	if c.Chosen != nil {
		if chosen, ok := byID[*c.Chosen]; ok {
			return fits(c, chosen)
		}
	}
	for _, rule := range c.Rules {
		if holds(rule, c) {
			return fits(c, byID[rule.ConnectionID])
		}
	}
	own := func(connection store.Connection) bool {
		return !c.HostLeft && connection.IsUserLevel && connection.PersonID != nil && c.Host != nil && *connection.PersonID == *c.Host
	}
	if found, err := only(c, own); err != nil || found != nil {
		return deref(found), err
	}
	if c.HostsOnly {
		return store.Connection{}, &UndecidedError{reason: "The host has not connected HubSpot, and the organization lets no account connection act for them"}
	}
	account := func(connection store.Connection) bool { return !connection.IsUserLevel }
	if found, err := only(c, account); err != nil || found != nil {
		return deref(found), err
	}
	// What is left acts as somebody who is not the host.
	return store.Connection{}, &UndecidedError{reason: "There are only connections of people who do not host this meeting"}
}

func deref(c *store.Connection) store.Connection {
	if c == nil {
		return store.Connection{}
	}
	return *c
}

func holds(rule store.ConnectionRule, c store.Choice) bool {
	return (rule.SourceID == nil || slices.Contains(c.SourceIDs, *rule.SourceID)) &&
		(rule.HostPersonID == nil || c.Host != nil && *rule.HostPersonID == *c.Host) &&
		(rule.HostDomain == "" || slices.Contains(c.HostDomains, rule.HostDomain))
}

// only returns the one connection of a kind: the default among several. Those
// that ended on purpose count only if there is no other: then work waits for
// them; but a default that ended makes no other account the default. Those to the
// other kind of account count only if there is nothing else.
func only(c store.Choice, kind func(store.Connection) bool) (*store.Connection, error) {
	var all []store.Connection
	for _, connection := range c.Connections {
		if kind(connection) {
			all = append(all, connection)
		}
	}
	if some := filter(all, func(connection store.Connection) bool { return suits(c, connection) }); len(some) > 0 {
		all = some
	}
	suiting := all
	for _, better := range []func(store.Connection) bool{
		func(connection store.Connection) bool {
			return connection.State != store.Revoked && connection.State != store.Uninstalled
		},
		func(connection store.Connection) bool { return connection.IsDefault },
	} {
		if some := filter(all, better); len(some) > 0 {
			all = some
		}
	}
	if i := slices.IndexFunc(suiting, func(connection store.Connection) bool { return connection.IsDefault }); i >= 0 && len(all) == 1 {
		standard := suiting[i]
		if standard.HubID != all[0].HubID {
			return nil, &UndecidedError{reason: "The default connection has ended, and the other one leads to another HubSpot account", names: names([]store.Connection{standard, all[0]})}
		}
	}
	switch len(all) {
	case 0:
		return nil, nil
	case 1:
		found, err := fits(c, all[0])
		return &found, err
	default:
		return nil, &UndecidedError{reason: "Several connections could act", names: names(all)}
	}
}

func filter(all []store.Connection, keep func(store.Connection) bool) []store.Connection {
	var some []store.Connection
	for _, connection := range all {
		if keep(connection) {
			some = append(some, connection)
		}
	}
	return some
}

func names(all []store.Connection) []string {
	out := make([]string, 0, len(all))
	for _, connection := range all {
		out = append(out, connection.Name)
	}
	return out
}

// suits says whether real meetings go to a real account, and tests to one for
// tests, or an admin let it be otherwise; and whether what was written before
// stands in that account. An account that did not tell its type counts as real.
func suits(c store.Choice, connection store.Connection) bool {
	return !elsewhere(c, connection) && (connection.AnyEnvironment || connection.IsTest() == c.IsTest)
}

func elsewhere(c store.Choice, connection store.Connection) bool {
	return c.WroteTo != 0 && c.WroteTo != connection.HubID
}

func fits(c store.Choice, connection store.Connection) (store.Connection, error) {
	if suits(c, connection) {
		return connection, nil
	}
	reason := "The meeting comes from a production source, and the connection leads to a test account"
	switch {
	case elsewhere(c, connection):
		reason = fmt.Sprintf("Part of what the meeting led to stands in HubSpot account %d, and the connection leads to another one", c.WroteTo)
	case c.IsTest:
		reason = "The meeting comes from a test source, and the connection leads to a production account"
	}
	return store.Connection{}, &UndecidedError{reason: reason, names: []string{connection.Name}}
}
