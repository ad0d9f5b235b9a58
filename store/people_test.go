package store_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// What is done for a meeting names its host, and two meetings at once make one
// person of one address.
func TestTheTrailSaysForWhom(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	other := b.NewMeetingForTest(t, b.org)
	var wg sync.WaitGroup
	for _, meeting := range []struct{ email string }{{"Mara@acme.example"}, {" mara@acme.example"}} {
		wg.Go(func() {
			require.NoError(t, b.EnsureHost(context.Background(), b.org, b.meeting, meeting.email, "Mara Lindqvist"))
			require.NoError(t, b.EnsureHost(context.Background(), b.org, other, meeting.email, "Mara Lindqvist"))
		})
	}
	wg.Wait()
	names, err := b.PeopleNames(context.Background(), b.org)
	require.NoError(t, err)
	require.Len(t, names, 1)

	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
	require.NoError(t, b.decide(b.question("deal:1"), store.Reject, nil))
	trail, err := b.AuditTrail(context.Background(), b.org, store.AuditFilter{OriginID: b.meeting})
	require.NoError(t, err)
	require.Len(t, trail, 1)
	require.Equal(t, "Mara Lindqvist", names[trail[0].OnBehalfOf])
}

// staff is an organization with one admin and one member.
type staff struct {
	*store.Store

	t           *testing.T
	org         uuid.UUID
	admin, mara store.Person
}

func newStaff(t *testing.T) *staff {
	t.Helper()
	s, _ := storetest.New(t)
	st := &staff{Store: s, t: t, org: storetest.Organization(t, s).ID}
	st.admin = st.add("ada@acme.example", store.RoleAdmin)
	st.mara = st.add("mara@acme.example", store.RoleMember)
	return st
}

func (s *staff) add(email string, role store.Role) store.Person {
	s.t.Helper()
	p, err := s.AddPerson(s.t.Context(), store.Person{
		OrganizationID: s.org, Name: "Ms " + email, Role: role, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: email}},
	}, store.Operator)
	require.NoError(s.t, err)
	return p
}

func (s *staff) get(id uuid.UUID) store.Person {
	s.t.Helper()
	p, err := s.Person(s.t.Context(), s.org, id)
	require.NoError(s.t, err)
	return p
}

// session signs somebody in by a link.
func (s *staff) session(id uuid.UUID) store.Secret {
	s.t.Helper()
	link, err := s.CreateSignInLink(s.t.Context(), store.SignedIn{OrganizationID: &s.org, PersonID: &id})
	require.NoError(s.t, err)
	token, _, err := s.SignIn(s.t.Context(), link)
	require.NoError(s.t, err)
	return token
}

// trail is what the audit says about people, oldest first.
func (s *staff) trail() []string {
	s.t.Helper()
	all, err := s.AuditTrail(s.t.Context(), s.org, store.AuditFilter{Kind: store.AuditPerson})
	require.NoError(s.t, err)
	reasons := make([]string, 0, len(all))
	for _, e := range all {
		reasons = append(reasons, e.Reason)
	}
	return reasons
}

func (s *staff) refused(err error, part string) {
	s.t.Helper()
	var refusal *store.Refusal
	require.ErrorAs(s.t, err, &refusal)
	require.Contains(s.t, refusal.Sentence, part)
}

func TestIdentities(t *testing.T) {
	t.Parallel()
	s := newStaff(t)
	ctx := t.Context()
	require.Equal(t, "ada@acme.example", s.admin.Email())

	add := func(p store.Person, kind store.IdentityKind, value string) error {
		return s.AddIdentity(ctx, s.org, p.ID, store.Identity{Kind: kind, Value: value}, store.Operator)
	}
	require.NoError(t, add(s.mara, store.IdentityEmail, " Mara.L@Acme.example "))
	require.NoError(t, add(s.mara, store.IdentitySlackUser, "T1:U2"))
	require.NoError(t, add(s.mara, store.IdentityZoomHost, "zoom-host-9"))
	require.NoError(t, add(s.mara, store.IdentityHubSpotUser, "4711:77"))
	require.NoError(t, add(s.mara, store.IdentitySignIn, "https://login.acme.example|77"))
	require.NoError(t, add(s.mara, store.IdentitySlackUser, "T1:U2"), "what is there may be said again")
	require.Equal(t, []string{"mara.l@acme.example", "mara@acme.example"}, s.get(s.mara.ID).Values(store.IdentityEmail))

	byEmail, err := s.PersonByEmail(ctx, s.org, "MARA.L@acme.example")
	require.NoError(t, err)
	require.Equal(t, s.mara.ID, byEmail.ID)

	s.refused(add(s.admin, store.IdentitySlackUser, "T1:U2"), "merge them")
	for _, wrong := range []store.Identity{
		{Kind: store.IdentityEmail, Value: "mara"},
		{Kind: store.IdentityEmail, Value: "@acme.example"},
		{Kind: store.IdentityEmail, Value: "a b@acme.example"},
		{Kind: store.IdentityHubSpotOwner, Value: "77"},
		{Kind: store.IdentityHubSpotOwner, Value: "4711:x"},
		{Kind: store.IdentityHubSpotUser, Value: "4711:-7"},
		{Kind: store.IdentitySignIn, Value: "77"},
		{Kind: store.IdentitySignIn, Value: "http://login.acme.example|77"},
		{Kind: store.IdentitySlackUser, Value: " "},
		{Kind: "fax", Value: "1"},
	} {
		s.refused(add(s.mara, wrong.Kind, wrong.Value), "")
	}

	token := s.session(s.mara.ID)
	require.NoError(t, s.RemoveIdentity(ctx, s.org, s.mara.ID, store.Identity{Kind: store.IdentityZoomHost, Value: "zoom-host-9"}, store.Operator))
	_, err = s.Session(ctx, token)
	require.NoError(t, err)
	require.NoError(t, s.RemoveIdentity(ctx, s.org, s.mara.ID, store.Identity{Kind: store.IdentitySignIn, Value: "https://login.acme.example|77"}, store.Operator))
	_, err = s.Session(ctx, token)
	require.ErrorIs(t, err, store.ErrNotFound, "who can't sign in by it any more is signed out")
	require.ErrorIs(t, s.RemoveIdentity(ctx, s.org, s.admin.ID, store.Identity{Kind: store.IdentitySlackUser, Value: "T1:U2"}, store.Operator), store.ErrNotFound)

	// The trail names people by ID and systems by kind; the values stand sealed beside it.
	trail := strings.Join(s.trail(), "\n")
	require.Contains(t, trail, "person "+s.mara.ID.String()+": slack_user added")
	require.Contains(t, trail, "person "+s.mara.ID.String()+": sign_in removed")
	require.NotContains(t, trail, "@")
	require.NotContains(t, trail, "U2")
	require.NotContains(t, trail, "Ms ")
}

func TestOrganizationsAreApart(t *testing.T) {
	t.Parallel()
	s := newStaff(t)
	ctx := t.Context()
	other := storetest.Organization(t, s.Store).ID
	stranger, err := s.AddPerson(ctx, store.Person{OrganizationID: other, Role: store.RoleAdmin, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "mara@acme.example"}}}, store.Operator)
	require.NoError(t, err, "an address may be known to several organizations")

	_, err = s.Person(ctx, other, s.mara.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	all, err := s.People(ctx, s.org)
	require.NoError(t, err)
	require.Len(t, all, 2)
	for name, change := range map[string]error{
		"update":     s.UpdatePerson(ctx, other, s.mara.ID, store.PersonChange{Name: new("x")}, store.Operator),
		"stand-in":   s.UpdatePerson(ctx, s.org, s.mara.ID, store.PersonChange{StandInID: &stranger.ID}, store.Operator),
		"identity":   s.AddIdentity(ctx, other, s.mara.ID, store.Identity{Kind: store.IdentityZoomHost, Value: "z"}, store.Operator),
		"merge":      s.MergePeople(ctx, s.org, s.mara.ID, stranger.ID, store.Operator),
		"merge back": s.MergePeople(ctx, other, stranger.ID, s.mara.ID, store.Operator),
		"reactivate": s.ReactivatePerson(ctx, other, s.mara.ID, store.Operator),
	} {
		require.ErrorIs(t, change, store.ErrNotFound, name)
	}
	_, err = s.DeactivatePerson(ctx, other, s.mara.ID, store.DeactivatedByAdmin, store.Operator)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = s.RecordOwner(ctx, other, s.mara.ID, store.OwnerSeen{HubID: 1, OwnerID: "2"})
	require.ErrorIs(t, err, store.ErrNotFound)
}

// Two admins who demote each other at once leave one.
func TestThereIsAlwaysAnAdmin(t *testing.T) {
	t.Parallel()
	s := newStaff(t)
	ctx := t.Context()
	demote := func(p store.Person) error {
		return s.UpdatePerson(ctx, s.org, p.ID, store.PersonChange{Role: new(store.RoleViewer)}, store.Operator)
	}
	s.refused(demote(s.admin), "last admin")
	_, err := s.DeactivatePerson(ctx, s.org, s.admin.ID, store.DeactivatedByAdmin, store.Operator)
	s.refused(err, "last admin")
	s.refused(s.MergePeople(ctx, s.org, s.mara.ID, s.admin.ID, store.Operator), "last admin")
	s.refused(s.UpdatePerson(ctx, s.org, s.mara.ID, store.PersonChange{Role: new(store.Role("king"))}, store.Operator), "no role")

	require.NoError(t, s.UpdatePerson(ctx, s.org, s.mara.ID, store.PersonChange{Role: new(store.RoleAdmin)}, store.Operator))
	require.Contains(t, s.trail(), "person "+s.mara.ID.String()+": role member → admin")
	var wg sync.WaitGroup
	failed := make([]error, 2)
	for i, p := range []store.Person{s.admin, s.mara} {
		wg.Go(func() { failed[i] = demote(p) })
	}
	wg.Wait()
	require.Equal(t, 1, s.CountForTest(t, `select count(*) from people where role = 'admin'`))
	require.NotEqual(t, failed[0] == nil, failed[1] == nil, "one of them was refused")
}

func TestMergingPeople(t *testing.T) {
	t.Parallel()
	s := newStaff(t)
	ctx := t.Context()
	double := s.add("mara@old-acme.example", store.RoleMember)
	token := s.session(double.ID)
	meeting := s.NewMeetingForTest(t, s.org)
	require.NoError(t, s.EnsureHost(ctx, s.org, meeting, "mara@old-acme.example", ""))
	require.NoError(t, s.UpdatePerson(ctx, s.org, s.admin.ID, store.PersonChange{StandInID: &double.ID}, store.Operator))
	require.NoError(t, s.UpdatePerson(ctx, s.org, s.mara.ID, store.PersonChange{StandInID: &double.ID}, store.Operator))

	s.refused(s.MergePeople(ctx, s.org, s.mara.ID, s.mara.ID, store.Operator), "one person already")
	require.NoError(t, s.MergePeople(ctx, s.org, s.mara.ID, double.ID, store.Operator))
	merged := s.get(s.mara.ID)
	require.Equal(t, []string{"mara@acme.example", "mara@old-acme.example"}, merged.Values(store.IdentityEmail))
	require.Nil(t, merged.StandInID)
	require.Equal(t, s.mara.ID, *s.get(s.admin.ID).StandInID)
	require.Equal(t, 1, s.CountForTest(t, `select count(*) from meetings where host_person_id = $1`, s.mara.ID))
	_, err := s.Session(ctx, token)
	require.ErrorIs(t, err, store.ErrNotFound)

	all, err := s.People(ctx, s.org)
	require.NoError(t, err)
	require.Len(t, all, 2)
	gone := s.get(double.ID)
	require.Equal(t, s.mara.ID, *gone.MergedInto)
	require.False(t, gone.Active())
	names, err := s.PeopleNames(ctx, s.org)
	require.NoError(t, err)
	require.Equal(t, "Ms mara@acme.example", names[double.ID.String()], "the trail's IDs keep a name")
	s.refused(s.ReactivatePerson(ctx, s.org, double.ID, store.Operator), "merged")
	s.refused(s.AddIdentity(ctx, s.org, double.ID, store.Identity{Kind: store.IdentityZoomHost, Value: "z"}, store.Operator), "merged")
	require.Contains(t, s.trail(), "person "+double.ID.String()+": merged into person "+s.mara.ID.String())
}

// A leaver's sessions and links end; whoever stands in answers for what is open,
// then and later.
func TestDeactivating(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask})
	s := &staff{Store: b.Store, t: t, org: b.org}
	ctx := t.Context()
	s.admin, s.mara = s.add("ada@acme.example", store.RoleAdmin), s.add("mara@acme.example", store.RoleMember)
	second := s.add("zoe@acme.example", store.RoleAdmin)
	tomas := s.add("tomas@acme.example", store.RoleMember)
	require.NoError(t, s.EnsureHost(ctx, b.org, b.meeting, "mara@acme.example", ""))
	b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
	s.ExecForTest(t, `update connections set person_id = $1, is_user_level = true, user_id = 7, sealed_refresh_token = 'x' where id = $2`, s.mara.ID, b.connection)
	s.ExecForTest(t, `delete from wakeups`)
	token := s.session(s.mara.ID)
	link, err := s.CreateSignInLink(ctx, store.SignedIn{OrganizationID: &s.org, PersonID: &s.mara.ID})
	require.NoError(t, err)
	responsible := func() []uuid.UUID {
		all, err := s.Responsible(ctx, b.org, s.mara.ID)
		require.NoError(t, err)
		ids := make([]uuid.UUID, 0, len(all))
		for _, p := range all {
			ids = append(ids, p.ID)
		}
		return ids
	}
	require.Equal(t, []uuid.UUID{s.mara.ID}, responsible())

	out, err := s.DeactivatePerson(ctx, b.org, s.mara.ID, store.DeactivatedInHubSpot, store.Operator)
	require.NoError(t, err)
	require.EqualValues(t, 1, out.SessionsEnded)
	require.Equal(t, 1, out.OpenFollowUps)
	require.ElementsMatch(t, []uuid.UUID{s.admin.ID, second.ID}, out.TakenOverBy, "without a stand-in: the admins")
	require.Equal(t, []uuid.UUID{b.connection}, out.Connections)
	require.Equal(t, 1, s.CountForTest(t, `select count(*) from wakeups where meeting_id = $1`, b.meeting))
	_, err = s.Session(ctx, token)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, _, err = s.SignIn(ctx, link)
	require.ErrorIs(t, err, store.ErrNotFound)
	require.Contains(t, s.trail(), "person "+s.mara.ID.String()+": deactivated: deactivated in HubSpot")

	// A stand-in who is named later takes over from then on.
	s.refused(s.UpdatePerson(ctx, b.org, tomas.ID, store.PersonChange{StandInID: &s.mara.ID}, store.Operator), "deactivated")
	require.NoError(t, s.UpdatePerson(ctx, b.org, s.mara.ID, store.PersonChange{StandInID: &tomas.ID}, store.Operator))
	require.Equal(t, []uuid.UUID{tomas.ID}, responsible())
	again, err := s.DeactivatePerson(ctx, b.org, s.mara.ID, store.DeactivatedByAdmin, store.Operator)
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{tomas.ID}, again.TakenOverBy)
	require.Equal(t, []uuid.UUID{b.connection}, again.Connections, "what is left to do is told again")
	_, err = s.DeactivatePerson(ctx, b.org, tomas.ID, store.DeactivatedByAdmin, store.Operator)
	require.NoError(t, err)
	require.ElementsMatch(t, []uuid.UUID{s.admin.ID, second.ID}, responsible(), "a stand-in who left, too")
	s.refused(s.UpdatePerson(ctx, b.org, s.admin.ID, store.PersonChange{StandInID: &s.admin.ID}, store.Operator), "themselves")

	require.NoError(t, s.ReactivatePerson(ctx, b.org, s.mara.ID, store.Operator))
	require.Equal(t, []uuid.UUID{s.mara.ID}, responsible())
	_, err = s.Session(ctx, token)
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestOwners(t *testing.T) {
	t.Parallel()
	s := newStaff(t)
	ctx := t.Context()
	s.NewConnectionForTest(t, s.org, "connected") // account 1001
	see := func(seen store.OwnerSeen) store.Owner {
		seen.HubID = 1001
		o, err := s.RecordOwner(ctx, s.org, s.mara.ID, seen)
		require.NoError(t, err)
		require.Equal(t, []store.Owner{o}, s.get(s.mara.ID).Owners)
		return o
	}
	require.Equal(t, []store.Owner{{HubID: 1001, State: store.OwnerUnknown}}, s.get(s.mara.ID).Owners)

	none := see(store.OwnerSeen{})
	require.Equal(t, store.OwnerNone, none.State)
	require.Equal(t, "host: no owner found in HubSpot", none.Problem())
	require.Equal(t, store.OwnerNone, see(store.OwnerSeen{}).State)

	active := see(store.OwnerSeen{OwnerID: "88"})
	require.Equal(t, store.OwnerActive, active.State)
	require.Equal(t, "88", active.ID)
	require.NotNil(t, active.SeenAt)
	require.Empty(t, active.Problem())

	gone := see(store.OwnerSeen{})
	require.Equal(t, store.OwnerArchived, gone.State, "who was one and is not listed any more")
	require.Equal(t, "88", gone.ID)
	require.Contains(t, gone.Problem(), "deactivated")
	require.Equal(t, store.OwnerActive, see(store.OwnerSeen{OwnerID: "88"}).State)
	require.Equal(t, store.OwnerArchived, see(store.OwnerSeen{OwnerID: "88", Archived: true}).State)
	require.Equal(t, "89", see(store.OwnerSeen{OwnerID: "89"}).ID, "another owner took the place")

	// What an admin wrote stays, whatever the address says.
	require.NoError(t, s.AddIdentity(ctx, s.org, s.mara.ID, store.Identity{Kind: store.IdentityHubSpotOwner, Value: "1001:90"}, store.Operator))
	require.NoError(t, s.RemoveIdentity(ctx, s.org, s.mara.ID, store.Identity{Kind: store.IdentityHubSpotOwner, Value: "1001:89"}, store.Operator))
	require.Equal(t, "90", see(store.OwnerSeen{OwnerID: "89"}).ID)
	require.Equal(t, store.OwnerActive, see(store.OwnerSeen{}).State)
	require.Equal(t, store.OwnerArchived, see(store.OwnerSeen{OwnerID: "90", Archived: true}).State)

	// Accounts are apart, and an owner moves with the address.
	_, err := s.RecordOwner(ctx, s.org, s.mara.ID, store.OwnerSeen{HubID: 100, OwnerID: "90"})
	require.NoError(t, err)
	require.Equal(t, "90", s.get(s.mara.ID).Owners[0].ID)
	_, err = s.RecordOwner(ctx, s.org, s.admin.ID, store.OwnerSeen{HubID: 100, OwnerID: "90"})
	require.NoError(t, err)
	require.Equal(t, []string{"1001:90"}, s.get(s.mara.ID).Values(store.IdentityHubSpotOwner))
	for _, wrong := range []store.OwnerSeen{{OwnerID: "1"}, {HubID: 5, OwnerID: "x"}} {
		_, err := s.RecordOwner(ctx, s.org, s.mara.ID, wrong)
		require.Error(t, err)
	}
}
