package crm

import (
	"context"
	"maps"
	"slices"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/store"
)

// definitions are what was asked for of an object type's properties. Of hundreds
// with their options, these are all that is worth remembering.
type definitions struct {
	// byName has an entry for each name that was asked for; nil where the account
	// has no such property.
	byName map[string]*hubspot.Property
	// refused: HubSpot does not let them be read.
	refused bool
}

// Definitions describes properties of an object type by their names, without
// their descriptions. A name that is not among them is no property of the
// account's; known is false where HubSpot does not let the properties be read. It
// is the gate's own call: no tool, cached for [Options].CacheAge as far as the
// names were asked for before.
func (r *Reader) Definitions(ctx context.Context, object string, names []string) (found []hubspot.Property, known bool, err error) {
	key := cacheKey{r.scope.OrganizationID, r.scope.ConnectionID, "the definitions of " + hubspot.Plural(object)}
	var kept definitions
	if v, ok := r.gate.cache.get(key); ok {
		kept = v.(definitions) //nolint:forcetypeassert // the key says which type
	}
	missing := kept.byName == nil
	for _, name := range names {
		_, asked := kept.byName[name]
		missing = missing || !asked
	}
	if missing && !kept.refused {
		if kept, err = r.readDefinitions(ctx, object, kept, names); err != nil {
			return nil, false, err
		}
		r.gate.cache.put(key, kept)
	}
	if kept.refused {
		return nil, false, nil
	}
	for _, name := range names {
		if p := kept.byName[name]; p != nil {
			found = append(found, *p)
		}
	}
	return found, true, nil
}

// readDefinitions reads what was asked for before as well, so that it is all of
// one age; and the key property, which creates ask for.
func (r *Reader) readDefinitions(ctx context.Context, object string, before definitions, names []string) (definitions, error) {
	properties, err := r.listProperties(ctx, object)
	if refused(err) {
		return definitions{refused: true}, nil
	}
	if err != nil {
		return definitions{}, err
	}
	kept := definitions{byName: map[string]*hubspot.Property{store.KeyProperty: nil}}
	for name := range maps.Keys(before.byName) {
		kept.byName[name] = nil
	}
	for _, name := range names {
		kept.byName[name] = nil
	}
	for _, p := range properties {
		if _, wanted := kept.byName[p.Name]; wanted && !p.Archived {
			p.Description, p.GroupName = "", ""
			kept.byName[p.Name] = &p
		}
	}
	return kept, nil
}

// Properties describes all properties of an object type, without the archived ones;
// known is false where HubSpot does not let them be read. It is the gate's own call: no
// tool, cached for [Options].CacheAge. Nobody may change what it returns.
func (r *Reader) Properties(ctx context.Context, object string) (all []hubspot.Property, known bool, err error) {
	what := "reading the properties of " + hubspot.Plural(object)
	all, err = cachedRead(ctx, r, what, "all properties of "+hubspot.Plural(object), nil, func(ctx context.Context, c *hubspot.Client) ([]hubspot.Property, string, error) {
		properties, err := c.Properties(ctx, hubspot.Plural(object))
		return slices.DeleteFunc(properties, func(p hubspot.Property) bool { return p.Archived }), "", err
	})
	if refused(err) {
		return nil, false, nil
	}
	return all, err == nil, err
}
