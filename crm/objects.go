package crm

import "github.com/debriefhq/debrief/hubspot"

// HubSpot's names are plural, ours singular. Any other name stands for itself:
// a custom object's type.
var plurals = map[string]string{
	"contact": hubspot.Contacts, "company": hubspot.Companies, "deal": hubspot.Deals, "ticket": hubspot.Tickets,
	"note": hubspot.Notes, "task": hubspot.Tasks, "meeting": hubspot.Meetings,
}

// plural is HubSpot's name of an object type.
func plural(object string) string {
	if p, ok := plurals[object]; ok {
		return p
	}
	return object
}

// singular is our name of an object type: the one that tools have.
func singular(object string) string {
	for s, p := range plurals {
		if object == p {
			return s
		}
	}
	return object
}
