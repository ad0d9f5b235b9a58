package policy

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
)

// ToolInfo describes a tool to whoever sets its permission or picks it.
type ToolInfo struct {
	Tool  Tool
	Title string
	// Description says when to pick the tool.
	Description string
	// Scopes of HubSpot that a grant needs for it. They are those that HubSpot's
	// OpenAPI files (version 2026-09, November 2026) name for the endpoints:
	// notes, tasks and meetings go by the contacts' scopes, and tickets have one
	// scope for reading and writing.
	Scopes []string
}

// Tools are the tools that Debrief has, in the order in which people should
// read them. Every call makes a new list.
func Tools() []ToolInfo {
	objects := []struct {
		name, read, write    string
		reads, makes, change string
	}{
		{
			"contact", "crm.objects.contacts.read", "crm.objects.contacts.write",
			"Look up people by e-mail address, and what is linked to them.",
			"Add a person who is not in HubSpot yet.",
			"Change a person's details, or link the person to another record.",
		},
		{
			"company", "crm.objects.companies.read", "crm.objects.companies.write",
			"Look up companies by domain or through their people.",
			"Add a company whose domain HubSpot does not know yet.",
			"Change a company's details, or link the company to another record.",
		},
		{
			"deal", "crm.objects.deals.read", "crm.objects.deals.write",
			"Look up the open deals of a meeting's people and companies.",
			"Open a deal for business that is not in a pipeline yet.",
			"Change a deal that exists: its stage, amount, close date or next step.",
		},
		{
			"ticket", "tickets", "tickets",
			"Look up the open tickets of a meeting's people and companies.",
			"Open a ticket for a request or a problem that someone asked to have tracked.",
			"Change a ticket that exists: its status, priority or description.",
		},
		{
			"note", "crm.objects.contacts.read", "crm.objects.contacts.write",
			"Read the notes on a record's timeline.",
			"Put a meeting's summary and next steps on the timelines of those concerned.",
			"Correct a note that Debrief wrote.",
		},
		{
			"task", "crm.objects.contacts.read", "crm.objects.contacts.write",
			"Read the tasks of a record.",
			"Give an action item to its owner, with a due date.",
			"Correct or complete a task that Debrief wrote.",
		},
		{
			"meeting", "crm.objects.contacts.read", "crm.objects.contacts.write",
			"Find the meeting if HubSpot has it already.",
			"Log a meeting that HubSpot does not have.",
			"Complete the meeting that HubSpot has, rather than logging it twice.",
		},
	}
	var tools []ToolInfo
	add := func(object string, operation Operation, description string, scopes ...string) {
		t := Tool{Object: object, Operation: operation}
		tools = append(tools, ToolInfo{Tool: t, Title: t.Title(), Description: description, Scopes: scopes})
	}
	for _, o := range objects {
		add(o.name, Read, o.reads, o.read)
		add(o.name, Create, o.makes, o.write)
		add(o.name, Update, o.change, o.write)
	}
	for _, o := range objects {
		add(o.name, Archive, fmt.Sprintf("Take back a %s that Debrief made and nobody has touched since, when a meeting is undone.", o.name), o.write)
	}
	add("owner", Read, "Find the HubSpot user that a record or a task should belong to.", "crm.objects.owners.read")
	return tools
}

// customObject is how HubSpot names a custom object: its fully qualified name or
// its type ID.
var customObject = regexp.MustCompile(`^(p\d+_[A-Za-z0-9_.-]+|2-\d+)$`)

// CustomTools are the tools of a custom object of the connected account, by its
// fully qualified name (p4711_car) or its type ID (2-1234567). It fails with a
// sentence if that is neither.
func CustomTools(object string) ([]ToolInfo, error) {
	if !customObject.MatchString(object) {
		return nil, fmt.Errorf("%q is not a custom object: write its full name, such as p4711_car, or its type ID, such as 2-1234567", object)
	}
	var tools []ToolInfo
	for _, o := range []struct {
		operation          Operation
		scope, description string
	}{
		{Read, "crm.objects.custom.read", "Look up records of %s, and what is linked to them."},
		{Create, "crm.objects.custom.write", "Add a record of %s that HubSpot does not have."},
		{Update, "crm.objects.custom.write", "Change a record of %s that exists, or link it to another record."},
	} {
		t := Tool{Object: object, Operation: o.operation}
		tools = append(tools, ToolInfo{Tool: t, Title: t.Title(), Description: fmt.Sprintf(o.description, object), Scopes: []string{o.scope}})
	}
	return tools, nil
}

// FindTool describes a tool that there is, a custom one too.
func FindTool(t Tool) (ToolInfo, bool) {
	t = t.Canonical()
	all := Tools()
	if custom, err := CustomTools(t.Object); err == nil {
		all = custom
	}
	i := slices.IndexFunc(all, func(info ToolInfo) bool { return info.Tool == t })
	if i < 0 {
		return ToolInfo{}, false
	}
	return all[i], true
}

// Preset is a ready-made set of permissions, with the rules that go with them.
type Preset struct {
	Name        string
	Description string
	Permissions Permissions
	Rules       []Rule
}

// ShadowRule is the name of the rule that makes the preset shadow: without it,
// the decision is what would have been.
const ShadowRule = "shadow"

// Presets are the presets there are, the strictest first. Every call makes new
// maps.
func Presets() []Preset {
	locked, recommended, handsOff := Permissions{}, Permissions{}, Permissions{}
	for _, info := range Tools() {
		locked[info.Tool] = Deny
		permission := Ask
		switch info.Tool.Object {
		case "meeting", "note", "task":
			permission = Allow
		}
		if info.Tool.Operation == Read {
			permission = Allow
		}
		handsOff[info.Tool] = Allow
		if info.Tool.Operation == Archive {
			permission, handsOff[info.Tool] = Ask, Ask
		}
		recommended[info.Tool] = permission
	}
	return []Preset{
		{
			Name:        "locked",
			Description: "Nothing is read and nothing is written.",
			Permissions: locked,
		},
		{
			Name:        "shadow",
			Description: "Reads, and plans what recommended would do; writes nothing.",
			Permissions: maps.Clone(recommended),
			Rules:       []Rule{{Name: ShadowRule, When: `operation != "read"`, Then: Deny}},
		},
		{
			Name:        "recommended",
			Description: "Reads, and logs meetings, notes and tasks; asks before it creates or changes a contact, company, deal or ticket.",
			Permissions: recommended,
		},
		{
			Name:        "hands-off",
			Description: "Does everything, but asks before it replaces a value, changes an owner, closes a deal or takes a record back.",
			Permissions: handsOff,
			Rules: []Rule{
				{Name: "replaces a value", When: "replaces", Then: Ask},
				{Name: "changes an owner", When: "owner_change", Then: Ask},
				{Name: "closes a deal", When: "closes_deal", Then: Ask},
			},
		},
	}
}
