package crm

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/store"
)

// keyed says whether the account lets creates of an object type carry their key:
// it has [store.KeyProperty], with unique values. Remembered for
// [Options].CacheAge.
func (r *Reader) keyed(ctx context.Context, object string) (bool, error) {
	k := r.keyedEntry(object)
	if v, ok := r.gate.cache.get(k); ok {
		return v.(bool), nil //nolint:forcetypeassert // the key says which type
	}
	found, _, err := r.Definitions(ctx, object, []string{store.KeyProperty})
	if err != nil {
		return false, err
	}
	keyed := len(found) == 1 && found[0].HasUniqueValue
	r.gate.cache.put(k, keyed)
	return keyed, nil
}

// listProperties reads anew: see [Reader.Definitions] for what is remembered.
func (r *Reader) listProperties(ctx context.Context, object string) ([]hubspot.Property, error) {
	var properties []hubspot.Property
	err := r.read(ctx, "reading the properties of "+hubspot.Plural(object), nil, nil, func(ctx context.Context, c *hubspot.Client) (_ string, err error) {
		properties, err = c.Properties(ctx, hubspot.Plural(object))
		return "", err
	})
	return properties, err
}

// notKeyed remembers that HubSpot did not take the key, whatever it lists.
func (r *Reader) notKeyed(object string) { r.gate.cache.put(r.keyedEntry(object), false) }

func (r *Reader) keyedEntry(object string) cacheKey {
	return cacheKey{r.scope.OrganizationID, r.scope.ConnectionID, "whether creates carry a key of " + hubspot.Plural(object)}
}

func keyProperty(properties []hubspot.Property) (hubspot.Property, bool) {
	i := slices.IndexFunc(properties, func(p hubspot.Property) bool { return p.Name == store.KeyProperty && !p.Archived })
	if i < 0 {
		return hubspot.Property{}, false
	}
	return properties[i], true
}

// KeyState says how things stand with an object type's key.
type KeyState string

// The states of a key.
const (
	// KeyThere: creates carry it.
	KeyThere KeyState = "there"
	// KeyPossible: the grant has a scope that should let it be created.
	KeyPossible KeyState = "possible"
	// KeyNeedsScope: the grant lacks [KeyOffer.Scope].
	KeyNeedsScope KeyState = "needs scope"
	// KeyUnusable: a property of that name does not have unique values, which
	// HubSpot lets nobody change. Somebody has to delete it.
	KeyUnusable KeyState = "unusable"
	// KeyUnknown: the properties of the type can't be read.
	KeyUnknown KeyState = "unknown"
)

// KeyOffer is what can be had for one object type: without a key, a create whose
// answer is lost waits until HubSpot can't be working on it any more, and where
// nothing tells, asks a human.
type KeyOffer struct {
	Object string   `json:"object"`
	State  KeyState `json:"state"`
	// Scope is what the connection needs, of KeyNeedsScope.
	Scope string `json:"scope,omitempty"`
	// Reason is a sentence without personal data, of KeyUnknown and of what
	// HubSpot refused.
	Reason string `json:"reason,omitempty"`
}

// KeyObjects are the object types of which Debrief creates records.
func KeyObjects() []string {
	return []string{"contact", "company", "deal", "ticket", "note", "task", "meeting"}
}

// OfferKeys says for an object type whether creates carry a key, or could. granted
// are the connection's scopes. It reads anew: nothing is remembered.
func (g *Gate) OfferKeys(ctx context.Context, scope Scope, object string, granted []string) (KeyOffer, error) {
	offer, _, err := g.offerKeys(ctx, scope, object, granted)
	return offer, err
}

func (g *Gate) offerKeys(ctx context.Context, scope Scope, object string, granted []string) (KeyOffer, []hubspot.Property, error) {
	offer := KeyOffer{Object: hubspot.Singular(object)}
	r := g.Reader(scope)
	properties, err := r.listProperties(ctx, object)
	if refused(err) {
		offer.State, offer.Reason = KeyUnknown, whyRefused(err)
		return offer, nil, nil
	}
	if err != nil {
		return KeyOffer{}, nil, err
	}
	property, ok := keyProperty(properties)
	need := schemaScopes(object)
	switch {
	case ok && property.HasUniqueValue:
		offer.State = KeyThere
	case ok:
		offer.State = KeyUnusable
	case slices.ContainsFunc(need, func(s string) bool { return slices.Contains(granted, s) }):
		offer.State = KeyPossible
	default:
		offer.State, offer.Scope = KeyNeedsScope, need[0]
	}
	r.gate.cache.put(r.keyedEntry(object), offer.State == KeyThere)
	return offer, properties, nil
}

// schemaScopes are those of which one lets an object type's properties be created
// (developers.hubspot.com, "Scopes", 2026-11). For tickets, "tickets" stands in
// the accepted list. What HubSpot wants for engagements is not documented: the
// contacts' scope is what their records go by, and one of their own may be.
func schemaScopes(object string) []string {
	switch o := hubspot.Plural(object); o {
	case hubspot.Contacts, hubspot.Companies, hubspot.Deals:
		return []string{"crm.schemas." + o + ".write"}
	case hubspot.Tickets:
		return []string{"crm.schemas.tickets.write", "tickets"}
	case hubspot.Notes, hubspot.Tasks, hubspot.Meetings, hubspot.Calls, hubspot.Emails:
		return []string{"crm.schemas.contacts.write", "crm.schemas." + o + ".write"}
	default:
		return []string{"crm.schemas.custom.write"}
	}
}

// CreateKeys gives an object type the property by which HubSpot refuses to create
// a record twice, where the scopes allow it; else it changes nothing and says what
// is missing, as [Gate.OfferKeys] does. The property is hidden, and stands in the
// group of the record's own ID. It may be called again.
func (g *Gate) CreateKeys(ctx context.Context, scope Scope, object string, granted []string) (KeyOffer, error) {
	offer, properties, err := g.offerKeys(ctx, scope, object, granted)
	if err != nil || offer.State != KeyPossible {
		return offer, err
	}
	err = g.Reader(scope).read(ctx, "creating the key property of "+hubspot.Plural(object), []string{store.KeyProperty}, nil,
		func(ctx context.Context, c *hubspot.Client) (string, error) {
			_, err := c.CreateProperty(ctx, hubspot.Plural(object), hubspot.Property{
				Name: store.KeyProperty, Label: "Debrief key", Type: "string", FieldType: "text", HasUniqueValue: true, Hidden: true,
				GroupName:   groupOf(properties),
				Description: "Set by Debrief when it creates a record, so that none is created twice.",
			})
			return "", err
		})
	switch {
	case errors.Is(err, hubspot.ErrMissingScopes):
		offer.State, offer.Scope, offer.Reason = KeyNeedsScope, schemaScopes(object)[0], whyRefused(err)
		return offer, nil
	case errors.Is(err, hubspot.ErrConflict):
		// Somebody else was first.
		return g.OfferKeys(ctx, scope, object, granted)
	case refused(err):
		offer.Reason = whyRefused(err)
		return offer, nil
	case err != nil:
		return KeyOffer{}, err
	}
	// Other processes learn it when their list of properties is too old.
	g.cache.put(g.Reader(scope).keyedEntry(object), true)
	offer.State = KeyThere
	return offer, nil
}

// groupOf is the group that HubSpot's own properties of a type are in.
func groupOf(properties []hubspot.Property) string {
	group := ""
	for _, p := range properties {
		if p.Name == "hs_object_id" && p.GroupName != "" {
			return p.GroupName
		}
		if group == "" && strings.HasPrefix(p.Name, "hs_") {
			group = p.GroupName
		}
	}
	return group
}

// reader makes the gate's own reads of the account for a write.
func (w *writer) reader() *Reader {
	a := w.Action
	return &Reader{gate: w.gate, session: w.session, scope: Scope{
		OrganizationID: a.OrganizationID, ConnectionID: w.ConnectionID, Origin: a.Origin, Round: a.Round,
		Actor: w.attempt.Actor, OnBehalfOf: w.attempt.OnBehalfOf,
	}}
}

// lookByKey is certain: HubSpot keeps the key unique, and reads it directly.
func (w *writer) lookByKey(ctx context.Context) (sighting, string, error) {
	record, err := w.readBy(ctx, store.KeyProperty, w.Action.ID.String(), nil, "looking for the record that has the action's key")
	switch {
	case errors.Is(err, hubspot.ErrNotFound):
		// By its key alone: HubSpot has just read by the property, whatever was
		// remembered of it.
		w.gate.cache.put(w.reader().keyedEntry(w.object()), true)
		return repeatable, "", nil
	case err != nil:
		return uncertain, "", err
	default:
		return there, record.ID, nil
	}
}

// keyRefused says that HubSpot does not take the key: the property was deleted
// meanwhile, or this user may not write it. Nothing was created.
func keyRefused(err error) bool {
	e, ok := errors.AsType[*hubspot.Error](err)
	return ok && refused(err) && !errors.Is(err, hubspot.ErrConflict) &&
		slices.ContainsFunc(e.Properties, func(p hubspot.PropertyError) bool { return p.Name == store.KeyProperty })
}
