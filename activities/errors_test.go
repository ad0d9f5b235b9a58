package activities

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/store"
)

// The errors of a platform's API, as package webhooks makes them.
type (
	slow    struct{ after time.Duration }
	absent  struct{}
	refused struct{}
	final   struct{}
)

func (slow) Error() string               { return "asks for patience" }
func (s slow) RetryAfter() time.Duration { return s.after }
func (absent) Error() string             { return "has nothing" }
func (absent) NotThere() bool            { return true }
func (refused) Error() string            { return "refuses" }
func (refused) CredentialsRefused() bool { return true }
func (final) Error() string              { return "won't" }
func (final) Final() bool                { return true }

// What asks for patience is retried when it said, without an alarm; what waits
// for people is not retried at all.
func TestErrorsBecomeTemporals(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err   error
		kind  string
		final bool
		after time.Duration
	}{
		"HubSpot's limit":            {err: &crm.RetryError{After: 9 * time.Second}, kind: TypeLater, after: 9 * time.Second},
		"a migration that takes":     {err: &crm.RetryError{After: 5 * time.Hour}, kind: TypeLater, after: 5 * time.Hour},
		"no delay named":             {err: &crm.RetryError{}, kind: TypeLater, after: time.Second},
		"a turn in a moment":         {err: &crm.RetryError{After: 3 * time.Millisecond}, kind: TypeLater, after: 100 * time.Millisecond},
		"the token endpoint's limit": {err: &connections.TransientError{RetryAfter: 30 * time.Second}, kind: TypeLater, after: 30 * time.Second},
		"a connection that ended":    {err: &connections.PausedError{ConnectionID: uuid.New(), State: store.NeedsReconnect}, kind: TypeDisconnected, final: true},
		"no connection":              {err: connections.ErrNoConnection, kind: TypeDisconnected, final: true},
		"its connection is gone":     {err: store.ErrNoConnection, kind: TypeDisconnected, final: true},
		"a refusal":                  {err: &store.Refusal{Sentence: "It is too late."}, kind: TypeRefused, final: true},
		"nothing there":              {err: store.ErrNotFound, kind: TypeNotFound, final: true},
		"a platform's limit":         {err: fmt.Errorf("fetching: %w", slow{7 * time.Second}), kind: TypeLater, after: 7 * time.Second},
		"a platform in trouble":      {err: slow{}, kind: TypeLater}, // less and less often
		"not at the platform yet":    {err: fmt.Errorf("fetching: %w", absent{}), kind: TypeNotYet, final: true},
		"a platform refuses":         {err: fmt.Errorf("fetching: %w", refused{}), kind: TypeCredentialsRefused, final: true},
		"a platform won't":           {err: fmt.Errorf("fetching: %w", final{}), kind: TypeDenied, final: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got *temporal.ApplicationError
			require.ErrorAs(t, temporalError(c.err), &got)
			require.Equal(t, c.kind, got.Type())
			require.Equal(t, c.final, got.NonRetryable())
			require.Equal(t, c.after, got.NextRetryDelay())
			require.Equal(t, c.kind == TypeLater, got.Category() == temporal.ApplicationErrorCategoryBenign)
		})
	}
	require.NoError(t, temporalError(nil))
	other := errors.New(http.StatusText(http.StatusTeapot))
	require.Equal(t, other, temporalError(other), "Temporal retries what it does not know")
}
