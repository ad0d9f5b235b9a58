package connections

// Scope is one right that Debrief asks HubSpot for, and what for.
type Scope struct {
	Name string
	Why  string
}

// Scopes are the nine that Debrief asks for. A HubSpot app declares exactly
// these as required: HubSpot refuses a request that differs from what the app
// declares.
func Scopes() []Scope {
	return []Scope{
		{"oauth", "Lets an app connect at all: every HubSpot app asks for it."},
		{"crm.objects.contacts.read", "To find who was in the meeting, and earlier notes, tasks and meetings with them."},
		{"crm.objects.contacts.write", "To add or complete contacts, and to log meetings, notes and tasks, which HubSpot counts with contacts."},
		{"crm.objects.companies.read", "To find the company that the attendees belong to."},
		{"crm.objects.companies.write", "To add or complete that company."},
		{"crm.objects.deals.read", "To find the open deals that the meeting may be about, and their stages."},
		{"crm.objects.deals.write", "To add or update deals, where your permissions say so."},
		{"crm.objects.owners.read", "To give each new record and task to the right person."},
		{"tickets", "To find, add or update tickets; HubSpot has one scope for both."},
	}
}

func scopeNames() []string {
	names := make([]string, 0, len(Scopes()))
	for _, s := range Scopes() {
		names = append(names, s.Name)
	}
	return names
}
