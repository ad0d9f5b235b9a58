package connections

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

// PausedError says that a connection has ended: work that needs it waits until
// somebody connects again.
type PausedError struct {
	ConnectionID uuid.UUID
	Name         string
	State        store.ConnectionState
}

// ErrPaused is what errors.Is finds in every [*PausedError].
var ErrPaused = errors.New("the connection has ended")

// Error says which connection, and why.
func (e *PausedError) Error() string {
	return fmt.Sprintf("connection %s is %s", e.ConnectionID, e.State)
}

// Is makes errors.Is(err, ErrPaused) true.
func (e *PausedError) Is(target error) bool { return target == ErrPaused }

// Public is the sentence for people.
func (e *PausedError) Public() string {
	why := "it has to be connected again"
	switch e.State {
	case store.NeedsReconnect:
		why = "HubSpot no longer accepts it; connect it again"
	case store.Revoked:
		why = "it was disconnected; connect it again"
	case store.Uninstalled:
		why = "the app was removed from the HubSpot account; connect it again"
	case store.Connected, store.Expired, store.Misconfigured:
		// Nothing waits for those: see MisconfiguredError and TransientError.
	}
	return fmt.Sprintf("The connection %q waits: %s, and everything goes on where it was.", e.Name, why)
}

// MisconfiguredError says that HubSpot does not accept the app: its client ID,
// its secret or its redirect address. Nothing is lost; once that is put right,
// the same call works.
type MisconfiguredError struct {
	ConnectionID uuid.UUID
	Name         string
	cause        error
}

// ErrMisconfigured is what errors.Is finds in every [*MisconfiguredError].
var ErrMisconfigured = errors.New("HubSpot does not accept the app")

// Error says which connection, and what HubSpot called it.
func (e *MisconfiguredError) Error() string {
	return fmt.Sprintf("connection %s: %s: %v", e.ConnectionID, ErrMisconfigured, e.cause)
}

// Unwrap gives HubSpot's error.
func (e *MisconfiguredError) Unwrap() error { return e.cause }

// Is makes errors.Is(err, ErrMisconfigured) true.
func (e *MisconfiguredError) Is(target error) bool { return target == ErrMisconfigured }

// Public is the sentence for people.
func (e *MisconfiguredError) Public() string {
	return fmt.Sprintf("HubSpot does not accept the app of the connection %q: whoever runs Debrief has to correct its client ID or secret. Nothing is lost meanwhile.", e.Name)
}

// TransientError says that no token could be had now, and that trying again is
// right, no sooner than after RetryAfter.
type TransientError struct {
	ConnectionID uuid.UUID
	RetryAfter   time.Duration
	cause        error
}

// ErrTransient is what errors.Is finds in every [*TransientError].
var ErrTransient = errors.New("no access token could be had just now")

// Error says which connection, and what went wrong.
func (e *TransientError) Error() string {
	return fmt.Sprintf("connection %s: %s: %v", e.ConnectionID, ErrTransient, e.cause)
}

// Unwrap gives the cause.
func (e *TransientError) Unwrap() error { return e.cause }

// Is makes errors.Is(err, ErrTransient) true.
func (e *TransientError) Is(target error) bool { return target == ErrTransient }

// ErrNoConnection is reported when an organization has no connection to HubSpot.
var ErrNoConnection = errors.New("the organization has no connection to HubSpot")

// UndecidedError says that nothing tells which connection should act for a
// meeting, or that the one which would may not: a question, never a guess.
type UndecidedError struct {
	reason string
	names  []string
}

// ErrUndecided is what errors.Is finds in every [*UndecidedError].
var ErrUndecided = errors.New("which connection should act is a question")

// Error says why, with the connections' names.
func (e *UndecidedError) Error() string { return e.Public() }

// Is makes errors.Is(err, ErrUndecided) true.
func (e *UndecidedError) Is(target error) bool { return target == ErrUndecided }

// Public is the sentence for people: why, and what to do.
func (e *UndecidedError) Public() string {
	reason := e.reason
	if len(e.names) > 0 {
		reason += ": " + strings.Join(e.names, ", ")
	}
	return reason + ". Choose with `debrief follow-ups choose MEETING CONNECTION`, or set a rule or a default: `debrief connections --help`."
}

// LoginError is why connecting, or disconnecting, did not work. Its text is for
// logs; Public is for the person.
type LoginError struct {
	public string
	cause  error
}

// Error gives the cause.
func (e *LoginError) Error() string {
	if e.cause == nil {
		return e.public
	}
	return e.cause.Error()
}

// Unwrap gives the cause.
func (e *LoginError) Unwrap() error { return e.cause }

// Public is the sentence for people: what is wrong and what to do.
func (e *LoginError) Public() string { return e.public }
