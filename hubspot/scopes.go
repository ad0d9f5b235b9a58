package hubspot

import "slices"

// ScopesFor returns the scopes of which an app needs one to read, or to write,
// records of an object type, by its singular or plural name or its type ID.
// Facts: developers.hubspot.com, "Scopes", 2026-11; notes, tasks and meetings go
// by the contacts' scopes, tickets have one scope for both, and every type that
// is not HubSpot's own is a custom one.
func ScopesFor(objectType string, write bool) []string {
	verb := "read"
	if write {
		verb = "write"
	}
	switch objectType {
	case "contact", Contacts, "0-1", "task", Tasks, "0-27", "note", Notes, "0-46", "meeting", Meetings, "0-47":
		return []string{"crm.objects.contacts." + verb}
	case "company", Companies, "0-2":
		return []string{"crm.objects.companies." + verb}
	case "deal", Deals, "0-3":
		return []string{"crm.objects.deals." + verb}
	case "ticket", Tickets, "0-5":
		return []string{"tickets"}
	case "owner", "owners", "0-115":
		return []string{"crm.objects.owners.read"}
	default:
		return []string{"crm.objects.custom." + verb}
	}
}

// MissingScope returns a scope that is not granted and without which records of
// an object type can't be read, or written; empty if nothing is missing.
func MissingScope(granted []string, objectType string, write bool) string {
	need := ScopesFor(objectType, write)
	if slices.ContainsFunc(need, func(s string) bool { return slices.Contains(granted, s) }) {
		return ""
	}
	return need[0]
}
