package agents

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Tool is a tool as callers see it.
type Tool struct {
	// Name is what it is called by: "deal_update".
	Name        string
	Title       string
	Description string
	// Uses is the tool whose permission it needs.
	Uses policy.Tool
	// Asks: what is done with it waits for a human.
	Asks bool
	// Schema is that of its arguments, as JSON Schema 2020-12.
	Schema map[string]any
}

// The kinds of tools that callers see.
const (
	kindGet    = "get"
	kindSearch = "search"
	kindCreate = "create"
	kindUpdate = "update"
)

// kinds are those that a tool of ours becomes.
func kinds(t policy.Tool) []string {
	switch {
	case t.Operation == policy.Read && t.Object == "owner":
		return []string{kindSearch}
	case t.Operation == policy.Read:
		return []string{kindGet, kindSearch}
	case t.Operation == policy.Create:
		return []string{kindCreate}
	case t.Operation == policy.Update:
		return []string{kindUpdate}
	default:
		return nil // archiving is for undo alone
	}
}

// find is the tool of ours that a name stands for.
func find(name string) (tool policy.Tool, kind string, ok bool) {
	i := strings.LastIndex(name, "_")
	if i < 0 {
		return policy.Tool{}, "", false
	}
	object, kind := name[:i], name[i+1:]
	for _, operation := range []policy.Operation{policy.Read, policy.Create, policy.Update} {
		tool := policy.Tool{Object: object, Operation: operation}
		if _, known := policy.FindTool(tool); known && tool.Canonical() == tool && slices.Contains(kinds(tool), kind) {
			return tool, kind, true
		}
	}
	return policy.Tool{}, "", false
}

// offered are the tools that a caller may use: those that are not denied and whose
// scopes the connection has.
func (s *Service) offered(ctx context.Context, c Caller, connection store.Connection) (map[policy.Tool]policy.Permission, error) {
	configured, decide, err := s.options.Store.CallerPolicy(ctx, c.OrganizationID, c.PersonID)
	if err != nil {
		return nil, err
	}
	offered := map[policy.Tool]policy.Permission{}
	add := func(tool policy.Tool) {
		if d := decide(tool); d.Permission != policy.Deny && len(kinds(tool)) > 0 && connection.Missing(tool) == "" {
			offered[tool] = d.Permission
		}
	}
	for _, info := range policy.Tools() {
		add(info.Tool)
	}
	for tool := range configured {
		if _, err := policy.CustomTools(tool.Object); err == nil {
			add(tool)
		}
	}
	return offered, nil
}

// Tools lists what a caller may use, as its permissions stand now, with the account's
// properties.
func (s *Service) Tools(ctx context.Context, c Caller) ([]Tool, error) {
	connection, err := s.Connection(ctx, c)
	if err != nil {
		return nil, err
	}
	offered, err := s.offered(ctx, c, connection)
	if err != nil {
		return nil, err
	}
	reader := s.options.Gate.Reader(Scope(c, connection))
	var tools []Tool
	described := map[string]schemas{}
	for tool, permission := range offered {
		object, ok := described[tool.Object]
		if !ok && tool.Object != "owner" {
			err := inTurn(ctx, func() (err error) {
				object, err = schemasOf(ctx, reader, tool.Object)
				return err
			})
			if err != nil {
				return nil, err
			}
			described[tool.Object] = object
		}
		info, _ := policy.FindTool(tool)
		for _, kind := range kinds(tool) {
			t := Tool{
				Name: tool.Object + "_" + kind, Title: title(tool, kind), Uses: tool, Asks: permission == policy.Ask,
				Description: info.Description, Schema: object.of(tool, kind),
			}
			if t.Asks {
				t.Description += " Somebody has to approve it first: the answer is a handle to ask call_status for."
			}
			tools = append(tools, t)
		}
	}
	slices.SortFunc(tools, func(a, b Tool) int { return cmp.Compare(a.Name, b.Name) })
	return tools, nil
}

func title(tool policy.Tool, kind string) string {
	return strings.ToUpper(kind[:1]) + kind[1:] + strings.TrimPrefix(tool.Title(), strings.SplitN(tool.Title(), " ", 2)[0])
}

// schemas are what is said of an object type's properties.
type schemas struct {
	object string
	// writable are the schemas of properties by their names, and more says that there
	// are others that may be written.
	writable map[string]any
	required []string
	more     bool
}

const (
	// mostDescribed bounds how many properties a schema describes: a model has to read
	// them all.
	mostDescribed = 60
	mostOptions   = 60
)

func schemasOf(ctx context.Context, reader *crm.Reader, object string) (schemas, error) {
	out := schemas{object: object, writable: map[string]any{}}
	all, known, err := reader.Properties(ctx, object)
	if err != nil {
		return out, err
	}
	var pipelines []hubspot.Pipeline
	if object == "deal" || object == "ticket" {
		if pipelines, err = reader.Pipelines(ctx, object); err != nil {
			return out, err
		}
	}
	if !known {
		out.more = true
		return out, nil
	}
	common := commonProperties(object)
	writable := slices.DeleteFunc(slices.Clone(all), func(p hubspot.Property) bool {
		k := planner.Resolution{Properties: map[string][]hubspot.Property{object: {p}}}
		return p.Hidden || p.Name == store.KeyProperty || len(planner.Check(object, false, map[string]string{p.Name: ""}, k)) > 0
	})
	rank := func(p hubspot.Property) int {
		if i := slices.Index(common, p.Name); i >= 0 {
			return i
		}
		return len(common)
	}
	slices.SortFunc(writable, func(a, b hubspot.Property) int { return cmp.Or(rank(a)-rank(b), cmp.Compare(a.Name, b.Name)) })
	for _, p := range writable {
		if len(out.writable) == mostDescribed {
			out.more = true
			break
		}
		out.writable[p.Name] = propertySchema(p, pipelines)
	}
	for _, name := range requiredProperties(object) {
		if out.writable[name] != nil {
			out.required = append(out.required, name)
		}
	}
	return out, nil
}

// propertySchema describes one property. All of HubSpot's values are strings.
func propertySchema(p hubspot.Property, pipelines []hubspot.Pipeline) map[string]any {
	schema := map[string]any{"type": "string", "title": clip(p.Label, 100)}
	var options []any // of values with their labels
	option := func(value, label string) {
		options = append(options, map[string]any{"const": value, "title": clip(label, 100)})
	}
	switch {
	case p.Name == "dealstage" || p.Name == "hs_pipeline_stage":
		for _, pipeline := range pipelines {
			for _, stage := range pipeline.Stages {
				if !pipeline.Archived && !stage.Archived {
					option(stage.ID, pipeline.Label+": "+stage.Label)
				}
			}
		}
	case (p.Name == "pipeline" || p.Name == "hs_pipeline") && len(pipelines) > 0:
		for _, pipeline := range pipelines {
			if !pipeline.Archived {
				option(pipeline.ID, pipeline.Label)
			}
		}
	case p.Type == "enumeration" && p.FieldType != "checkbox":
		for _, o := range p.Options {
			if !o.Hidden {
				option(o.Value, o.Label)
			}
		}
	case p.Type == "enumeration":
		var values []string
		for _, o := range p.Options {
			values = append(values, o.Value)
		}
		schema["description"] = "Several, with semicolons between them, of: " + clip(strings.Join(values, ", "), 1_000)
	case p.Type == "number":
		schema["pattern"], schema["description"] = `^-?[0-9]*\.?[0-9]*$`, "A number, with a point."
	case p.Type == "bool":
		schema["enum"] = []any{"true", "false", ""}
	case p.Type == "date":
		schema["description"] = "A date: 2006-01-02."
	case p.Type == "datetime":
		schema["description"] = "A moment: 2006-01-02T15:04:05Z."
	}
	if len(options) > 0 && len(options) <= mostOptions {
		schema["oneOf"] = append(options, map[string]any{"const": "", "title": "none"})
	}
	return schema
}

// of is the schema of a tool's arguments.
func (s schemas) of(tool policy.Tool, kind string) map[string]any {
	text := func(description string) map[string]any {
		return map[string]any{"type": "string", "description": description}
	}
	id := map[string]any{"type": "string", "pattern": "^[0-9]+$", "description": "The record's ID in HubSpot."}
	names := map[string]any{
		"type": "array", "items": map[string]any{"type": "string"}, "maxItems": mostNames,
		"description": "Properties to read, by their internal names; without it the usual ones.",
	}
	object := func(required []string, properties map[string]any) map[string]any {
		schema := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
		if len(required) > 0 {
			schema["required"] = required
		}
		return schema
	}
	links := map[string]any{
		"type": "array", "maxItems": mostNames, "description": "Records to link with.",
		"items": object([]string{"object", "id"}, map[string]any{"object": text("contact, company, deal or ticket."), "id": id}),
	}
	write := map[string]any{"type": "object", "properties": s.writable, "description": "Values by the properties' internal names."}
	if s.more {
		write["additionalProperties"] = map[string]any{"type": "string"}
	} else {
		write["additionalProperties"] = false
	}
	arguments := map[string]any{
		"properties": write, "associations": links,
		"reason": text("Why, in a sentence for whoever approves it."),
		"key":    text("Your own name for this call: with the same key it is carried out once, however often it is made."),
	}
	switch {
	case tool.Object == "owner":
		return object(nil, map[string]any{"email": text("The address of the owner; without it the first hundred.")})
	case kind == kindGet:
		return object([]string{"id"}, map[string]any{
			"id": id, "properties": names,
			"associations": map[string]any{"type": "array", "maxItems": 10, "items": map[string]any{"type": "string"}, "description": "Object types whose linked records to list: contact, company, deal, …"},
		})
	case kind == kindSearch:
		return object(nil, map[string]any{
			"query": text("Words that HubSpot looks for in the usual properties."),
			"filters": map[string]any{
				"type": "array", "maxItems": 6, "description": "Conditions that all hold.",
				"items": object([]string{"property", "operator"}, map[string]any{
					"property": text("A property's internal name."),
					"operator": map[string]any{"type": "string", "enum": operators},
					"value":    text("What to compare with."),
				}),
			},
			"properties": names,
			"limit":      map[string]any{"type": "integer", "minimum": 1, "maximum": mostFound},
			"after":      text("Where the page before ended."),
		})
	case kind == kindCreate:
		if len(s.required) > 0 {
			write["required"] = s.required
		}
		return object([]string{"properties"}, arguments)
	default:
		arguments["id"] = id
		return object([]string{"id", "properties"}, arguments)
	}
}

// operators of a condition, as HubSpot has them; those with lists are left out.
var operators = []string{
	hubspot.Equal, hubspot.NotEqual, hubspot.Less, hubspot.LessOrEqual, hubspot.Greater, hubspot.GreaterOrEqual,
	hubspot.HasProperty, hubspot.NotHasProperty, hubspot.ContainsToken, hubspot.NotContainsToken,
}

// requiredProperties are those without which nothing is created.
func requiredProperties(object string) []string {
	switch object {
	case "contact":
		return []string{"email"}
	case "company":
		return []string{"name"}
	case "deal":
		return []string{"dealname", "pipeline", "dealstage"}
	case "ticket":
		return []string{"subject", "hs_pipeline", "hs_pipeline_stage"}
	case "meeting", "note", "task":
		return []string{"hs_timestamp"}
	default:
		return nil
	}
}

// commonProperties are those that people look at first, and what is read unless said
// otherwise.
func commonProperties(object string) []string {
	switch object {
	case "contact":
		return []string{"email", "firstname", "lastname", "jobtitle", "company", "phone", "lifecyclestage", "hs_lead_status", "hubspot_owner_id"}
	case "company":
		return []string{"name", "domain", "industry", "city", "country", "numberofemployees", "lifecyclestage", "hubspot_owner_id"}
	case "deal":
		return []string{"dealname", "pipeline", "dealstage", "amount", "deal_currency_code", "closedate", "hs_next_step", "dealtype", "description", "hubspot_owner_id"}
	case "ticket":
		return []string{"subject", "content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority", "hs_ticket_category", "hubspot_owner_id"}
	case "note":
		return []string{"hs_timestamp", "hs_note_body", "hubspot_owner_id"}
	case "task":
		return []string{"hs_timestamp", "hs_task_subject", "hs_task_body", "hs_task_status", "hs_task_priority", "hs_task_type", "hubspot_owner_id"}
	case "meeting":
		return []string{"hs_timestamp", "hs_meeting_title", "hs_meeting_body", "hs_meeting_start_time", "hs_meeting_end_time", "hs_meeting_outcome", "hubspot_owner_id"}
	default:
		return nil
	}
}
