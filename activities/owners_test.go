package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

func (b *bundle) host(email string) store.Person {
	b.t.Helper()
	p, err := b.store.PersonByEmail(b.ctx, b.org.ID, email)
	require.NoError(b.t, err)
	return p
}

// A host whom HubSpot has deactivated is deactivated here as well: once, for an
// admin may let them in again. One who never was an owner only shows as such.
func TestAHostWithoutAnOwner(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.warm()
	plan := func(change func(*meeting.Event), guest string) {
		t.Helper()
		m := b.takesPlace(change, guest)
		_, err := b.activities.Look(b.ctx, m) // which opens the follow-up
		require.NoError(t, err)
		b.step(func() error { return b.activities.Plan(b.ctx, m) })
	}
	state := func() store.Owner {
		t.Helper()
		owners := b.host("dana@acme.example").Owners
		require.Len(t, owners, 1)
		return owners[0]
	}
	plan(nil, "one@northwind.example")
	require.Equal(t, store.OwnerActive, state().State)

	b.sim.AddUser(b.hub, hubspottest.User{Email: "dana@acme.example", Archived: true})
	b.activities.Gate = b.newGate()
	plan(nil, "two@northwind.example")
	require.Equal(t, store.OwnerArchived, state().State)
	require.Equal(t, "host: owner deactivated in HubSpot", state().Problem())
	require.False(t, b.host("dana@acme.example").Active())

	require.NoError(t, b.store.ReactivatePerson(b.ctx, b.org.ID, b.host("dana@acme.example").ID, store.Operator))
	plan(nil, "three@northwind.example")
	require.True(t, b.host("dana@acme.example").Active(), "an admin let them in again")

	// Somebody who never was an owner.
	p, err := b.store.AddPerson(b.ctx, store.Person{
		OrganizationID: b.org.ID, Name: "Noa", Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "noa@acme.example"}},
	}, store.Operator)
	require.NoError(t, err)
	plan(func(e *meeting.Event) { e.Organizer.Email = "noa@acme.example" }, "four@northwind.example")
	p, err = b.store.Person(b.ctx, b.org.ID, p.ID)
	require.NoError(t, err)
	require.Equal(t, "host: no owner found in HubSpot", p.Owners[0].Problem())
	require.True(t, p.Active())
}
