package activities

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/store"
)

// The types of the errors that workflows tell apart. They are stored in
// histories: never change one.
const (
	// TypeDisconnected: the connection to HubSpot is gone or there is none. The
	// work waits until it is back.
	TypeDisconnected = "Disconnected"
	// TypeRefused: a decision that can't be recorded; the message is for the
	// approver.
	TypeRefused = "Refused"
	// TypeNotFound: what the workflow speaks of is not there.
	TypeNotFound = "NotFound"
	// TypeLater: HubSpot or a lock asks for patience; it is tried again when it
	// said, and nothing is wrong.
	TypeLater = "Later"
	// TypeNotYet: a meeting platform has nothing under the name that its webhook told.
	TypeNotYet = "NotYet"
	// TypeCredentialsRefused: a meeting platform does not accept a source's
	// credentials, or they may not do what has to be done.
	TypeCredentialsRefused = "CredentialsRefused"
	// TypeDenied: a meeting platform won't do it, however often it is asked.
	TypeDenied = "Denied"
)

// What errors of a meeting platform's API say of themselves. (Package webhooks has
// them, and uses this package, not the other way round.)
type (
	patience interface {
		error
		RetryAfter() time.Duration
	}
	absence interface {
		error
		NotThere() bool
	}
	refusedCredentials interface {
		error
		CredentialsRefused() bool
	}
	denial interface {
		error
		Final() bool
	}
)

// temporalError maps the errors of our own packages to Temporal's, in one place.
// What it does not know is retried as it is.
func temporalError(err error) error {
	if err == nil {
		return nil
	}
	var paused *connections.PausedError
	var retry *crm.RetryError
	var transient *connections.TransientError
	var refusal *store.Refusal
	var wait patience
	var absent absence
	var credentials refusedCredentials
	var denied denial
	switch {
	case errors.As(err, &paused):
		return temporal.NewNonRetryableApplicationError(paused.Public(), TypeDisconnected, err, paused.ConnectionID)
	case errors.Is(err, connections.ErrNoConnection), errors.Is(err, store.ErrNoConnection):
		return temporal.NewNonRetryableApplicationError("The organization has no connection to HubSpot: connect one, and this goes on.", TypeDisconnected, err)
	case errors.As(err, &refusal):
		return temporal.NewNonRetryableApplicationError(refusal.Sentence, TypeRefused, err)
	case errors.As(err, &retry):
		return later(err, retry.After)
	case errors.As(err, &transient):
		return later(err, transient.RetryAfter)
	case errors.As(err, &wait):
		return platformLater(err, wait.RetryAfter())
	case errors.As(err, &absent):
		return temporal.NewNonRetryableApplicationError(err.Error(), TypeNotYet, err)
	case errors.As(err, &credentials):
		return temporal.NewNonRetryableApplicationError(err.Error(), TypeCredentialsRefused, err)
	case errors.As(err, &denied):
		return temporal.NewNonRetryableApplicationError(err.Error(), TypeDenied, err)
	case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrErased):
		return temporal.NewNonRetryableApplicationError(err.Error(), TypeNotFound, err)
	default:
		return err
	}
}

// later asks for patience. A turn that the limiter has reserved is only kept for a
// second: the delay is the one that was asked for, and not more.
func later(err error, after time.Duration) error {
	if after <= 0 {
		after = time.Second
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), TypeLater, temporal.ApplicationErrorOptions{
		NextRetryDelay: max(after, 100*time.Millisecond),
		Category:       temporal.ApplicationErrorCategoryBenign,
		Cause:          err,
	})
}

// notLaterThan has what asks for more patience than that tried again sooner.
func notLaterThan(most time.Duration, err error) error {
	if failure, ok := errors.AsType[*temporal.ApplicationError](err); ok && failure.NextRetryDelay() > most {
		return later(failure, most)
	}
	return err
}

// platformLater is [later] for a platform that did not say how long: then it is
// asked less and less often.
func platformLater(err error, after time.Duration) error {
	if after > 0 {
		return later(err, after)
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), TypeLater, temporal.ApplicationErrorOptions{
		Category: temporal.ApplicationErrorCategoryBenign, Cause: err,
	})
}
