package web_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// HubSpot's answer reaches this server under another name than the one under
// which it was begun: the browser's cookie is not sent there, so nothing is
// connected and nothing is spent. Under the right name it goes on.
func TestTheCallbackOnAnotherHost(t *testing.T) {
	t.Parallel()
	b := setup(t)
	person := newBrowser(t)
	going := person.do(t, http.MethodPost, b.connectLink(t))
	back, err := b.sim.Consent(going.location, hubID, b.user.ID, true)
	require.NoError(t, err)

	elsewhere := strings.Replace(back, "://127.0.0.1:", "://localhost:", 1)
	require.NotEqual(t, back, elsewhere)
	refused := person.do(t, http.MethodGet, elsewhere)
	require.GreaterOrEqual(t, refused.status, 400)
	require.Contains(t, refused.body, "begun in another browser")
	all, err := b.store.Connections(t.Context(), b.org.ID)
	require.NoError(t, err)
	require.Empty(t, all)

	require.Less(t, person.do(t, http.MethodGet, back).status, 400)
	all, err = b.store.Connections(t.Context(), b.org.ID)
	require.NoError(t, err)
	require.Len(t, all, 1)
}
