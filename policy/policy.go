package policy

import (
	"fmt"
	"regexp"
	"strings"
)

// Operation is what a tool does.
type Operation string

// The operations. Archive exists for undo alone.
const (
	Read    Operation = "read"
	Create  Operation = "create"
	Update  Operation = "update"
	Archive Operation = "archive"
)

// Tool is one operation on one CRM object type. Its text form is
// "<object>.<operation>", such as "deal.create".
type Tool struct {
	// Object is the object type's singular name (contact, company, deal,
	// ticket, note, task, meeting, owner), or a custom object's type name or type
	// ID (p4711_car, 2-1234567).
	Object    string
	Operation Operation
}

// Canonical is the tool under its one name: 0-3.update and deals.update are
// deal.update, so that no other spelling gets around what is said about it. Of a
// custom object, name and type ID stay apart: only the account's schema knows
// that they are one, and what nobody configured is denied.
func (t Tool) Canonical() Tool {
	for _, o := range standardObjects {
		if strings.EqualFold(t.Object, o.id) || strings.EqualFold(t.Object, o.name) || strings.EqualFold(t.Object, o.plural) {
			t.Object = o.name
		}
	}
	return t
}

// standardObjects by name, plural and type ID, as package hubspot has them
// (developers.hubspot.com, "CRM API", object type IDs). Owners are no object type.
var standardObjects = []struct{ name, plural, id string }{
	{"contact", "contacts", "0-1"},
	{"company", "companies", "0-2"},
	{"deal", "deals", "0-3"},
	{"ticket", "tickets", "0-5"},
	{"task", "tasks", "0-27"},
	{"note", "notes", "0-46"},
	{"meeting", "meetings", "0-47"},
	{"owner", "owners", "owner"},
}

// String returns the tool's text form.
func (t Tool) String() string { return t.Object + "." + string(t.Operation) }

// MarshalText writes the text form, so that JSON and logs show it; of the zero
// tool nothing.
func (t Tool) MarshalText() ([]byte, error) {
	if t == (Tool{}) {
		return nil, nil
	}
	return []byte(t.String()), nil
}

// UnmarshalText reads what [Tool.MarshalText] writes.
func (t *Tool) UnmarshalText(text []byte) (err error) {
	if len(text) == 0 {
		*t = Tool{}
		return nil
	}
	*t, err = ParseTool(string(text))
	return err
}

// Title is the tool's name for people, such as "Create Deal"; of a custom object
// without the account in its name.
func (t Tool) Title() string {
	object := accountPrefix.ReplaceAllString(t.Object, "")
	return capital(string(t.Operation)) + " " + capital(strings.ReplaceAll(object, "_", " "))
}

// accountPrefix is what HubSpot puts before a custom object's name.
var accountPrefix = regexp.MustCompile(`^p\d+_`)

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// ParseTool reads a tool's text form, and gives it its one name. It fails with a sentence that names what
// was wrong; whether such an object type exists is not its business.
func ParseTool(s string) (Tool, error) {
	object, operation, found := cutLast(s, ".")
	t := Tool{Object: object, Operation: Operation(operation)}
	if !found || object == "" {
		return Tool{}, fmt.Errorf("%q is not a tool: write <object>.<operation>, such as deal.create", s)
	}
	switch t.Operation {
	case Read, Create, Update, Archive:
		return t.Canonical(), nil
	default:
		return Tool{}, fmt.Errorf("%q is not a tool: the operation is read, create or update, not %q", s, operation)
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// Permission says whether a tool may be used. The zero value denies.
type Permission string

// The permissions, from the strictest to the most open.
const (
	Deny  Permission = "deny"
	Ask   Permission = "ask"
	Allow Permission = "allow"
)

// ParsePermission reads deny, ask or allow.
func ParsePermission(s string) (Permission, error) {
	switch p := Permission(s); p {
	case Deny, Ask, Allow:
		return p, nil
	default:
		return Deny, fmt.Errorf("%q is not a permission: it is deny, ask or allow", s)
	}
}

// Stricter returns the stricter of two permissions; anything unknown denies.
func Stricter(a, b Permission) Permission {
	if rank(a) <= rank(b) {
		return normal(a)
	}
	return normal(b)
}

func rank(p Permission) int {
	switch p {
	case Allow:
		return 2
	case Ask:
		return 1
	default:
		return 0
	}
}

func normal(p Permission) Permission {
	if rank(p) == 0 {
		return Deny
	}
	return p
}
