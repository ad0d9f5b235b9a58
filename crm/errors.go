package crm

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/store"
)

// RetryError says that a call may be worth making again, and when. Nothing is
// lost by waiting: what has to be remembered stands in Postgres.
type RetryError struct {
	// After is how long to wait at least.
	After time.Duration
	// Reason is a sentence without personal data.
	Reason string

	cause error
}

// Error returns the reason.
func (e *RetryError) Error() string { return "try again later: " + e.Reason }

// Unwrap gives HubSpot's error, if there is one.
func (e *RetryError) Unwrap() error { return e.cause }

const (
	// unsentWait is for a HubSpot that can't be reached.
	unsentWait = 3 * time.Second
	// unauthorizedWait is for a fresh token that HubSpot does not take.
	unauthorizedWait = time.Minute
)

// retry turns what HubSpot can't do now into a RetryError, and leaves the rest.
func retry(err error) error {
	var said *RetryError
	switch {
	case err == nil, errors.Is(err, context.Canceled), errors.As(err, &said):
		return err
	case errors.Is(err, hubspot.ErrUnauthorized):
		return &RetryError{After: unauthorizedWait, Reason: "HubSpot does not accept a fresh token", cause: err}
	case errors.Is(err, hubspot.ErrUnavailable):
		return &RetryError{After: max(hubspot.RetryDelay(err), unsentWait), Reason: "HubSpot can't be reached or is busy", cause: err}
	default:
		return err
	}
}

// refused says that HubSpot has answered no, and will again.
func refused(err error) bool {
	var e *hubspot.Error
	return errors.As(err, &e) && !errors.Is(err, hubspot.ErrUnauthorized) && !errors.Is(err, hubspot.ErrRateLimited) &&
		!errors.Is(err, hubspot.ErrUnavailable)
}

// whyRefused is the sentence for it: HubSpot's category, the names of properties
// and scopes, and never its message, which may quote values.
func whyRefused(err error) string {
	var e *hubspot.Error
	if !errors.As(err, &e) {
		return "HubSpot refused it"
	}
	var b strings.Builder
	b.WriteString("HubSpot refused it")
	if c := word(e.Category); c != "" {
		b.WriteString(" (" + c + ")")
	}
	var names []string
	for _, p := range e.Properties {
		if n := word(p.Name); n != "" {
			if code := word(p.Code); code != "" {
				n += " (" + code + ")"
			}
			names = append(names, n)
		}
	}
	switch {
	case errors.Is(err, hubspot.ErrMissingScopes):
		b.WriteString(": the connection lacks a permission")
		var scopes []string
		for _, s := range e.MissingScopes {
			if s = word(s); s != "" {
				scopes = append(scopes, s)
			}
		}
		if len(scopes) > 0 {
			b.WriteString(", one of " + list(scopes))
		}
		b.WriteString("; reconnect with it")
	case len(names) > 0:
		b.WriteString(": " + list(names))
	case errors.Is(err, hubspot.ErrNotFound):
		b.WriteString(": the record or something it names does not exist any more")
	}
	if errors.Is(err, hubspot.ErrConflict) && word(e.ExistingID) != "" {
		b.WriteString("; record " + word(e.ExistingID) + " has the same unique value")
	}
	return b.String()
}

// amendable says that HubSpot refused values that a human could write otherwise, or
// misses some: not a property that there is not, or that nobody may set.
func amendable(err error) bool {
	e, ok := errors.AsType[*hubspot.Error](err)
	if !ok || !errors.Is(err, hubspot.ErrValidation) || len(e.Properties) == 0 {
		return false
	}
	for _, p := range e.Properties {
		if word(p.Name) == "" || p.Code == "PROPERTY_DOESNT_EXIST" || p.Code == "READ_ONLY_VALUE" {
			return false
		}
	}
	return true
}

// wordsOf are HubSpot's sentences about the properties that it refused, and the
// names of those whose values it misses (its changelog "CRM API write validation
// enforcement", September 2026, names the codes).
func wordsOf(err error) (words string, missing []string) {
	e, ok := errors.AsType[*hubspot.Error](err)
	if !ok {
		return "", nil
	}
	sentences := make([]string, 0, len(e.Properties))
	for _, p := range e.Properties {
		name := word(p.Name)
		sentence := strings.Join(strings.Fields(p.Message), " ")
		if sentence == "" {
			sentence = name + " (" + word(p.Code) + ")"
		}
		sentences = append(sentences, sentence)
		if p.Code == "MISSING_REQUIRED_PROPERTY" || p.Code == "MISSING_CONDITIONAL_REQUIRED_PROPERTY" {
			missing = append(missing, name)
		}
	}
	return "HubSpot refused it: " + list(sentences), missing
}

func list(words []string) string {
	const most = 10
	if len(words) > most {
		words = append(words[:most:most], "and more")
	}
	return strings.Join(words, ", ")
}

// word lets through what looks like a name or an ID. What HubSpot answers may
// hold anything, and this goes into columns and sentences.
func word(s string) string {
	if len(s) > 80 {
		return ""
	}
	for _, r := range s {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '-', r == '.':
		default:
			return ""
		}
	}
	return s
}

// outcome is what an audit row says of a call that ended with err.
func outcome(err error) store.CallResult {
	if err == nil {
		return store.CallResult{Outcome: store.Done}
	}
	r := store.CallResult{Outcome: store.Failed}
	if hubspot.OutcomeUnknown(err) {
		r.Outcome = store.Unknown
	}
	var e *hubspot.Error
	if errors.As(err, &e) {
		r.Status, r.Category, r.CorrelationID = e.StatusCode, word(e.Category), word(e.CorrelationID)
		return r
	}
	var t *hubspot.TransportError
	switch {
	case errors.As(err, &t) && !t.Sent:
		r.Reason = "not sent"
	case errors.As(err, &t):
		r.Status, r.Reason = t.StatusCode, "no usable answer"
	default:
		r.Reason = "not sent"
	}
	return r
}
