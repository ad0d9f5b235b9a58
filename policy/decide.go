package policy

import (
	"errors"
	"fmt"
)

// Permissions are an organization's: what is not in them is denied.
type Permissions map[Tool]Permission

// Decide returns the permission of a tool whatever it is used for. Where there
// is more to know about the call, ask [Decide].
func (p Permissions) Decide(tool Tool) Permission { return Decide(p, Request{Tool: tool}).Permission }

// Request is what somebody wants to do.
type Request struct {
	Tool Tool
}

// Decision is what may become of a request, and why.
type Decision struct {
	Permission Permission
	// Reason names the rule that decided, as a sentence without a full stop.
	Reason string
}

// Decide says what may become of a request. Nothing configured denies, and so
// does a permission that it doesn't know.
func Decide(p Permissions, r Request) Decision {
	permission, configured := p[r.Tool]
	switch {
	case !configured:
		return Decision{Deny, fmt.Sprintf("%s has no permission, which denies it", r.Tool.Title())}
	case permission == Ask:
		return Decision{Ask, fmt.Sprintf("%s is set to ask", r.Tool.Title())}
	case permission == Allow:
		return Decision{Allow, fmt.Sprintf("%s is allowed", r.Tool.Title())}
	case permission == Deny:
		return Decision{Deny, fmt.Sprintf("%s is denied", r.Tool.Title())}
	default:
		return Decision{Deny, fmt.Sprintf("%s has an unknown permission, which denies it", r.Tool.Title())}
	}
}

// ErrDenied is what errors.Is finds in every [*DeniedError].
var ErrDenied = errors.New("denied")

// DeniedError says that a tool was not used because its permission forbids it.
type DeniedError struct {
	Tool Tool
	// Reason is the [Decision]'s.
	Reason string
}

// Error returns the reason, or names the tool if there is none.
func (e *DeniedError) Error() string {
	if e.Reason != "" {
		return e.Reason
	}
	return e.Tool.Title() + " is denied"
}

// Is makes errors.Is(err, ErrDenied) true.
func (e *DeniedError) Is(target error) bool { return target == ErrDenied }
