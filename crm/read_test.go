package crm_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

var (
	getNothing = hubspot.GetOptions{}
	getByEmail = hubspot.GetOptions{IDProperty: "email"}
)

func TestReadsAreCheckedEachTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	person := b.add("contacts", map[string]string{"email": email})
	r := b.gate.Reader(b.scope())

	_, err := r.Get(b.ctx, "contact", person.ID, getNothing)
	require.ErrorIs(t, err, policy.ErrDenied, "nothing configured denies")
	b.permit("contact.read", "ask")
	_, err = r.Get(b.ctx, "contact", person.ID, getNothing)
	var denied *policy.DeniedError
	require.ErrorAs(t, err, &denied, "nobody can be asked about a read")
	require.Equal(t, policy.Tool{Object: "contact", Operation: policy.Read}, denied.Tool)
	require.Empty(t, b.sim.Calls())

	b.permit("contact.read", "allow")
	got, err := r.Get(b.ctx, "contact", email, getByEmail)
	require.NoError(t, err)
	require.Equal(t, person.ID, got.ID)
	b.permit("contact.read", "deny")
	_, err = r.Get(b.ctx, "contact", person.ID, getNothing)
	require.ErrorIs(t, err, policy.ErrDenied, "no cache of permissions")

	require.Equal(t, []string{"refused", "refused", "done", "refused"}, outcomes(b))
	require.Equal(t, person.ID, b.calls()[2].RecordID)
}

func TestEachReadHasItsTool(t *testing.T) {
	t.Parallel()
	b := setup(t)
	person := b.add("contacts", map[string]string{"email": email})
	company := b.add("companies", map[string]string{"name": "Northwind", "domain": "northwind.example"})
	b.permit("contact.read", "allow", "owner.read", "allow")
	r := b.gate.Reader(b.scope())

	batch, err := r.BatchRead(b.ctx, hubspot.Contacts, hubspot.BatchReadInput{IDs: []string{person.ID}})
	require.NoError(t, err)
	require.Len(t, batch.Records, 1)
	_, err = r.Search(b.ctx, hubspot.Companies, hubspot.SearchRequest{})
	require.ErrorIs(t, err, policy.ErrDenied)
	_, err = r.BatchReadAssociations(b.ctx, "contact", "company", []string{person.ID})
	require.ErrorIs(t, err, policy.ErrDenied, "a link shows both ends")
	b.permit("company.read", "allow")
	found, err := r.Search(b.ctx, "company", hubspot.SearchRequest{})
	require.NoError(t, err)
	require.Equal(t, company.ID, found.Records[0].ID)
	_, err = r.BatchReadAssociations(b.ctx, "contact", "company", []string{person.ID})
	require.NoError(t, err)
	owners, err := r.Owners(b.ctx, hubspot.OwnersQuery{Email: "host@acme.example"})
	require.NoError(t, err)
	require.Len(t, owners.Owners, 1)
	requireAllCompleted(t, b)
}

func TestTheGatesOwnReadsAreCached(t *testing.T) {
	t.Parallel()
	b := setup(t)
	r := b.gate.Reader(b.scope())
	for range 3 {
		pipelines, err := r.Pipelines(b.ctx, "deal")
		require.NoError(t, err)
		require.NotEmpty(t, pipelines)
	}
	require.Len(t, b.calls(), 1, "read once, without a tool, and audited")
	for _, c := range b.calls() {
		require.Empty(t, c.Tool)
		require.Equal(t, "done", c.Outcome)
	}
}

func TestFailedReads(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.permit("contact.read", "allow")
	r := b.gate.Reader(b.scope())
	_, err := r.Get(b.ctx, "contact", "4711", getNothing)
	require.ErrorIs(t, err, hubspot.ErrNotFound)
	b.sim.Inject(hubspottest.Fault{Method: http.MethodGet, Status: 503})
	_, err = r.Get(b.ctx, "contact", "4711", getNothing)
	requireRetry(t, err)
	require.Equal(t, []string{"failed", "failed"}, outcomes(b))
	require.Equal(t, "OBJECT_NOT_FOUND", b.calls()[0].Category)
	require.Equal(t, 503, b.calls()[1].Status)
}

// TestForeignConnection: a scope can't reach into another organization.
func TestForeignConnection(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.permit("contact.read", "allow")
	scope := b.scope()
	scope.ConnectionID = uuid.New()
	_, err := b.gate.Reader(scope).Get(b.ctx, "contact", "1", getNothing)
	require.ErrorIs(t, err, store.ErrNoConnection)
	require.Empty(t, b.sim.Calls())
}

// A stage that what is kept does not know has it read anew, once it is not quite
// fresh: HubSpot tells nobody when its admins change pipelines.
func TestAnUnknownStageHasPipelinesReadAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	now := time.Now()
	gate := crm.New(crm.Options{
		Store: b.store, Tokens: b.tokens, Client: hubspot.New(hubspot.Options{BaseURL: b.sim.URL}), Now: func() time.Time { return now },
	})
	read := func(stages ...string) int {
		before := len(b.calls())
		pipelines, err := gate.Reader(b.scope()).Pipelines(b.ctx, "deal", stages...)
		require.NoError(t, err)
		require.NotEmpty(t, pipelines)
		return len(b.calls()) - before
	}
	require.Equal(t, 1, read())
	require.Zero(t, read("new-since"), "it was read a moment ago: there is no such stage")
	now = now.Add(11 * time.Second)
	require.Zero(t, read("closedwon", ""), "nothing speaks against it")
	require.Equal(t, 1, read("closedwon", "new-since"))
	require.Zero(t, read("new-since"))
	now = now.Add(5*time.Minute + time.Second)
	require.Equal(t, 1, read())
}
