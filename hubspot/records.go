package hubspot

import (
	"cmp"
	"strconv"
	"strings"
)

// plurals are the object types that go by two names: HubSpot's own are plural, and those
// of its events, and of Debrief's tools, singular.
var plurals = map[string]string{
	"contact": Contacts, "company": Companies, "deal": Deals, "ticket": Tickets, "meeting": Meetings, "note": Notes, "task": Tasks,
}

// Plural is HubSpot's name of an object type that goes by its singular one, such as
// contact. Any other name stands for itself: a custom object's type.
func Plural(object string) string {
	return cmp.Or(plurals[object], object)
}

// Singular is the other way round.
func Singular(object string) string {
	for s, p := range plurals {
		if object == p {
			return s
		}
	}
	return object
}

// IsID says whether a text can be a record's ID: those are numbers.
func IsID(text string) bool { return text != "" && strings.Trim(text, "0123456789") == "" }

// CompareIDs orders records' IDs by their size: the older record first, nearly always.
func CompareIDs(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

// RecordURL is the page of a record in HubSpot, by the singular name of its type or a
// custom object's type ID; empty where there is none (developers.hubspot.com,
// "Understanding the CRM", November 2026). The address is that of all accounts: HubSpot
// leads on to the account's own region.
func RecordURL(hubID int64, object, id string) string {
	typeID := singularTypeIDs[object]
	if custom, found := strings.CutPrefix(object, "2-"); found && IsID(custom) {
		typeID = object
	}
	if typeID == "" || !IsID(id) {
		return ""
	}
	return "https://app.hubspot.com/contacts/" + strconv.FormatInt(hubID, 10) + "/record/" + typeID + "/" + id
}
