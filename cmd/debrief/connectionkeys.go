package main

import (
	"context"
	"errors"
	"slices"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/store"
)

type connectionsKeysCmd struct {
	jsonFlag

	Name   string   `arg:"" help:"The connection."`
	Create bool     `help:"Make the property where the connection's scopes allow it."`
	Object []string `help:"Object types to look at, such as contact or 2-123; without it, all that Debrief creates records of."`
}

func (c *connectionsKeysCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "connections")
	if err != nil {
		return err
	}
	connection, err := s.ConnectionByName(ctx, o.ID, c.Name)
	if errors.Is(err, store.ErrNotFound) {
		return usagef("there is no connection named %q: `debrief connections list` shows them", c.Name)
	}
	if err != nil {
		return err
	}
	objects := c.Object
	if len(objects) == 0 {
		objects = crm.KeyObjects()
	}
	gate := a.gate(s, a.connectionsService(s))
	do := gate.OfferKeys
	if c.Create {
		do = gate.CreateKeys
	}
	scope := crm.Scope{OrganizationID: o.ID, ConnectionID: connection.ID, Actor: store.Operator, Waited: true}
	var offers []crm.KeyOffer
	for _, object := range objects {
		offer, err := do(ctx, scope, object, connection.Scopes)
		if err != nil {
			return err
		}
		offers = append(offers, offer)
	}
	return a.show(c.JSON, offers, func() {
		rows := [][]string{{"OBJECT", "KEY", "WHAT TO DO"}}
		for _, offer := range offers {
			rows = append(rows, []string{offer.Object, string(offer.State), whatToDo(offer)})
		}
		a.table("", rows)
		if !c.Create && slices.ContainsFunc(offers, func(o crm.KeyOffer) bool { return o.State == crm.KeyPossible }) {
			a.say("\nWith the property %s, HubSpot itself refuses to create a record twice. `debrief connections keys %s --create` makes it.", store.KeyProperty, c.Name)
		}
	})
}

// whatToDo says how an object type gets its key.
func whatToDo(o crm.KeyOffer) string {
	switch o.State {
	case crm.KeyThere:
		return "nothing"
	case crm.KeyPossible:
		if o.Reason != "" {
			return o.Reason
		}
		return "--create"
	case crm.KeyNeedsScope:
		return "reconnect with " + o.Scope + ", or make " + store.KeyProperty + " in HubSpot (single-line text, unique values)"
	case crm.KeyUnusable:
		return "delete " + store.KeyProperty + " in HubSpot: its values are not unique, which can't be changed"
	default:
		return o.Reason
	}
}
