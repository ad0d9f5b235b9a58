package crm

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Reader reads from HubSpot for one scope. Each method is one call through the
// tool "<object>.read", whose permission is read anew each time: where it is not
// allow (or ask, and somebody approved that records are read for the meeting),
// nothing is sent and the error is a [*policy.DeniedError]. Other errors are a [*RetryError], the token owner's, or
// package hubspot's. Object types go by their singular names (contact) or
// HubSpot's.
type Reader struct {
	gate    *Gate
	scope   Scope
	attempt *attempt
	// session is a write's, whose reader this is; nil makes one for each call.
	session *session
	// single: the attempt is for one call, see [Reader.Raw] and [Reader.Search].
	single bool
}

// Reader returns a reader for a scope.
func (g *Gate) Reader(scope Scope) *Reader {
	return &Reader{gate: g, scope: scope, attempt: g.limiter.readAttempt(scope)}
}

// read makes one call. The tools are those it needs, the first one names it; none
// for a call of the gate's own.
func (r *Reader) read(ctx context.Context, what string, properties []string, tools []policy.Tool,
	call func(context.Context, *hubspot.Client) (recordID string, err error),
) error {
	e := r.entry(what, properties, tools)
	if err := r.permitted(ctx, e, tools); err != nil {
		return wrap(what, err)
	}
	s := r.session
	if s == nil {
		var err error
		if s, err = r.gate.connect(ctx, r.attempt); err != nil {
			return wrap(what, err)
		}
	}
	return wrap(what, retry(r.gate.audited(ctx, s, e, tools, false, call)))
}

// entry is the audit row of one call.
func (r *Reader) entry(what string, properties []string, tools []policy.Tool) store.AuditEntry {
	e := r.scope.entry()
	e.Reason, e.Properties = what, slices.Clone(properties)
	if len(tools) > 0 {
		e.Tool = tools[0]
	}
	return e
}

// permitted looks at the permissions before a token is asked for. They are read
// again in the transaction that records the intent.
func (r *Reader) permitted(ctx context.Context, e store.AuditEntry, tools []policy.Tool) error {
	for _, tool := range tools {
		d, err := r.gate.store.CallPermission(ctx, r.scope.OrganizationID, r.scope.Origin, tool)
		if err != nil {
			return err
		}
		if d.Permission == policy.Allow {
			continue
		}
		e.Kind, e.Outcome, e.Reason = store.AuditCall, store.Refused, d.Reason
		if err := r.gate.store.Audit(ctx, e); err != nil {
			return err
		}
		return &policy.DeniedError{Tool: tool, Reason: d.Reason}
	}
	return nil
}

func readTool(object string) policy.Tool {
	return policy.Tool{Object: hubspot.Singular(object), Operation: policy.Read}
}

// Get reads a record by its ID, or by the unique property that the options name.
func (r *Reader) Get(ctx context.Context, object, id string, o hubspot.GetOptions) (hubspot.Record, error) {
	var record hubspot.Record
	tools := []policy.Tool{readTool(object)}
	for _, other := range o.Associations {
		if tool := readTool(other); !slices.Contains(tools, tool) {
			tools = append(tools, tool)
		}
	}
	properties := append(slices.Clone(o.Properties), o.PropertiesWithHistory...)
	err := r.read(ctx, "reading a "+hubspot.Singular(object), properties, tools, func(ctx context.Context, c *hubspot.Client) (string, error) {
		var err error
		record, err = c.Get(ctx, hubspot.Plural(object), id, o)
		return record.ID, err
	})
	return record, err
}

// BatchRead reads up to [hubspot.MaxBatch] records at once.
func (r *Reader) BatchRead(ctx context.Context, object string, in hubspot.BatchReadInput) (hubspot.BatchReadResult, error) {
	var result hubspot.BatchReadResult
	properties := append(slices.Clone(in.Properties), in.PropertiesWithHistory...)
	what := "reading " + hubspot.Plural(object)
	err := r.read(ctx, what, properties, []policy.Tool{readTool(object)}, func(ctx context.Context, c *hubspot.Client) (string, error) {
		var err error
		result, err = c.BatchRead(ctx, hubspot.Plural(object), in)
		return recordIDs(result.Records), err
	})
	return result, err
}

// SearchTools are the tools that a search needs: by a filter on associations it tells
// what its records are linked to, which is to read the other end as well
// (TestASearchByLinksReadsBothEnds).
func SearchTools(object string, in hubspot.SearchRequest) []policy.Tool {
	tools := []policy.Tool{readTool(object)}
	for _, group := range in.FilterGroups {
		for _, f := range group.Filters {
			other, linked := strings.CutPrefix(strings.ToLower(f.PropertyName), "associations.")
			if tool := readTool(other).Canonical(); linked && !slices.Contains(tools, tool) {
				tools = append(tools, tool)
			}
		}
	}
	return tools
}

// Search finds records by their properties, through [SearchTools]; the account has five
// searches a second, and what was written a moment ago may not be found yet.
func (r *Reader) Search(ctx context.Context, object string, in hubspot.SearchRequest) (hubspot.SearchResult, error) {
	var result hubspot.SearchResult
	if r.session == nil && ofCall(r.scope.Origin) && !r.single {
		r.single, r.attempt = true, r.gate.limiter.singleAttempt(r.scope, hubspot.SearchBucket)
	}
	what := "searching " + hubspot.Plural(object)
	if r.scope.Expects[hubspot.SearchBucket] == 0 && r.scope.Expects != nil {
		if err := r.attempt.admitSearch(ctx); err != nil {
			return result, wrap(what, err)
		}
	}
	err := r.read(ctx, what, in.Properties, SearchTools(object, in), func(ctx context.Context, c *hubspot.Client) (string, error) {
		var err error
		result, err = c.Search(ctx, hubspot.Plural(object), in)
		return recordIDs(result.Records), err
	})
	return result, err
}

// BatchReadAssociations reads the links of up to [hubspot.MaxAssociationReads] records to
// one object type. It needs to read both ends.
func (r *Reader) BatchReadAssociations(ctx context.Context, from, to string, ids []string) (hubspot.AssociationsRead, error) {
	var result hubspot.AssociationsRead
	tools := []policy.Tool{readTool(from)}
	if tool := readTool(to); tool != tools[0] {
		tools = append(tools, tool)
	}
	what := fmt.Sprintf("reading which %s belong to %s", hubspot.Plural(to), hubspot.Plural(from))
	err := r.read(ctx, what, nil, tools, func(ctx context.Context, c *hubspot.Client) (string, error) {
		var err error
		result, err = c.BatchReadAssociations(ctx, hubspot.Plural(from), hubspot.Plural(to), ids)
		return joinIDs(ids), err
	})
	return result, err
}

// Owners lists owners, one page per call, cached for [Options].CacheAge; so is
// that there are none. The permission is read each time.
func (r *Reader) Owners(ctx context.Context, in hubspot.OwnersQuery) (hubspot.OwnersPage, error) {
	tools := []policy.Tool{{Object: "owner", Operation: policy.Read}}
	key := fmt.Sprintf("owners %q %t %q %d", in.Email, in.Archived, in.After, in.Limit)
	return cachedRead(ctx, r, "reading owners", key, tools, func(ctx context.Context, c *hubspot.Client) (hubspot.OwnersPage, string, error) {
		page, err := c.Owners(ctx, in)
		ids := make([]string, 0, len(page.Owners))
		for _, o := range page.Owners {
			ids = append(ids, o.ID)
		}
		return page, joinIDs(ids), err
	})
}

// ArchivedOwner finds the owner of an address among those that HubSpot has
// deactivated; cached, and empty if there is none.
func (r *Reader) ArchivedOwner(ctx context.Context, email string) (id string, err error) {
	page, err := r.Owners(ctx, hubspot.OwnersQuery{Email: email, Archived: true})
	if err != nil || len(page.Owners) == 0 {
		return "", err
	}
	return page.Owners[0].ID, nil
}

// Pipelines lists the pipelines of deals or tickets. It is the gate's own call:
// no tool, cached for [Options].CacheAge. stages are those that records were seen in:
// one that is not among what is cached shows that to be old, and has it read anew.
// (HubSpot has webhooks for records, and none for pipelines, owners or properties.)
func (r *Reader) Pipelines(ctx context.Context, object string, stages ...string) ([]hubspot.Pipeline, error) {
	what := "reading the pipelines of " + hubspot.Plural(object)
	key := cacheKey{r.scope.OrganizationID, r.scope.ConnectionID, what}
	if v, ok := r.gate.cache.get(key); ok {
		known := v.([]hubspot.Pipeline) //nolint:forcetypeassert // the key says which type
		if slices.ContainsFunc(stages, func(id string) bool { return id != "" && !hasStage(known, id) }) {
			r.gate.cache.doubt(key)
		}
	}
	return cachedRead(ctx, r, what, what, nil, func(ctx context.Context, c *hubspot.Client) ([]hubspot.Pipeline, string, error) {
		pipelines, err := c.Pipelines(ctx, hubspot.Plural(object))
		return pipelines, "", err
	})
}

func hasStage(pipelines []hubspot.Pipeline, id string) bool {
	return slices.ContainsFunc(pipelines, func(p hubspot.Pipeline) bool {
		return slices.ContainsFunc(p.Stages, func(s hubspot.Stage) bool { return s.ID == id })
	})
}

// cachedRead returns what was read before under that name, if the tools' permissions
// let it be read now, or reads it. Who gets a cached value must not change it.
func cachedRead[T any](ctx context.Context, r *Reader, what, name string, tools []policy.Tool,
	read func(context.Context, *hubspot.Client) (value T, recordID string, err error),
) (T, error) {
	key := cacheKey{r.scope.OrganizationID, r.scope.ConnectionID, name}
	if v, ok := r.gate.cache.get(key); ok {
		if err := r.permitted(ctx, r.entry(what, nil, tools), tools); err != nil {
			var none T
			return none, wrap(what, err)
		}
		return v.(T), nil //nolint:forcetypeassert // the key says which type
	}
	var value T
	err := r.read(ctx, what, nil, tools, func(ctx context.Context, c *hubspot.Client) (recordID string, err error) {
		value, recordID, err = read(ctx, c)
		return recordID, err
	})
	if err == nil {
		r.gate.cache.put(key, value)
	}
	return value, err
}

func recordIDs(records []hubspot.Record) string {
	ids := make([]string, 0, len(records))
	for _, r := range records {
		ids = append(ids, r.ID)
	}
	return joinIDs(ids)
}

// joinIDs names several records in one audit row, up to a bound.
func joinIDs(ids []string) string {
	if len(ids) > hubspot.MaxBatch {
		ids = ids[:hubspot.MaxBatch]
	}
	kept := make([]string, 0, len(ids))
	for _, id := range ids {
		if id = word(id); id != "" {
			kept = append(kept, id)
		}
	}
	return strings.Join(kept, ",")
}
