package policy

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
	add("owner", Read, "Find the HubSpot user that a record or a task should belong to.", "crm.objects.owners.read")
	return tools
}

// Preset is a ready-made set of permissions.
type Preset struct {
	Name        string
	Description string
	Permissions Permissions
}

// Presets are the presets there are, the strictest first. Every call makes new
// maps.
func Presets() []Preset {
	locked := Preset{
		Name:        "locked",
		Description: "Nothing is read and nothing is written.",
		Permissions: Permissions{},
	}
	recommended := Preset{
		Name:        "recommended",
		Description: "Reads, and logs meetings, notes and tasks; asks before it creates or changes a contact, company, deal or ticket.",
		Permissions: Permissions{},
	}
	for _, info := range Tools() {
		locked.Permissions[info.Tool] = Deny
		permission := Ask
		switch info.Tool.Object {
		case "meeting", "note", "task":
			permission = Allow
		}
		if info.Tool.Operation == Read {
			permission = Allow
		}
		recommended.Permissions[info.Tool] = permission
	}
	return []Preset{locked, recommended}
}
