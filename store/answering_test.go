package store_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// Under an account connection HubSpot's own limits on a person do not apply: who
// may answer is decided here, by the one judge.
func TestWhoMayAnswer(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := newBench(t, policy.Permissions{updateDeal: policy.Ask})
	person := func(name string, role store.Role, more ...store.Identity) store.Person {
		t.Helper()
		p, err := b.AddPerson(ctx, store.Person{
			OrganizationID: b.org, Name: name, Role: role,
			Identities: append([]store.Identity{{Kind: store.IdentityEmail, Value: name + "@acme.example"}}, more...),
		}, store.Operator)
		require.NoError(t, err)
		return p
	}
	connection, err := b.Connection(ctx, b.org, b.connection)
	require.NoError(t, err)
	owner := store.Identity{Kind: store.IdentityHubSpotOwner, Value: fmt.Sprint(connection.HubID) + ":501"}
	other := store.Identity{Kind: store.IdentityHubSpotOwner, Value: fmt.Sprint(connection.HubID+1) + ":501"}
	admin, approver, viewer := person("ada", store.RoleAdmin), person("finn", store.RoleApprover), person("vera", store.RoleViewer)
	host, guest, owns := person("mara", store.RoleMember), person("noa", store.RoleMember), person("ola", store.RoleMember, owner)
	nobody, elsewhere, left := person("pia", store.RoleMember), person("quin", store.RoleMember, other), person("rosa", store.RoleApprover)
	standIn := person("sven", store.RoleMember)
	_, err = b.DeactivatePerson(ctx, b.org, left.ID, store.DeactivatedByAdmin, store.Operator)
	require.NoError(t, err)

	b.ExecForTest(t, `update meetings set host_person_id = $2 where id = $1`, b.meeting, host.ID)
	b.SetMeetingContentForTest(t, b.org, b.meeting, meeting.Meeting{Details: meeting.Details{Attendees: []meeting.Attendee{
		{Person: meeting.Person{Email: "noa@acme.example"}}, {Person: meeting.Person{Email: "jane@northwind.example"}},
	}}})
	b.version++
	b.ExecForTest(t, `update meetings set version = $2 where id = $1`, b.meeting, b.version)
	plan := store.Plan{
		OrganizationID: b.org, MeetingID: b.meeting, MeetingVersion: b.version, ConnectionID: b.connection,
		Resolution: map[string]any{"deals": []any{map[string]any{"id": "7", "properties": map[string]string{"hubspot_owner_id": "501"}}}},
	}
	for _, id := range []string{"admin", "approver", "host", "guest", "owner", "viewer", "nobody", "elsewhere", "left", "stand-in", "stranger"} {
		d := draft(updateDeal, id, map[string]string{"amount": "2"})
		d.TargetID = "7"
		plan.Drafts = append(plan.Drafts, d)
	}
	require.NoError(t, b.SavePlan(ctx, plan))
	answer := func(key string, p store.Person) error {
		t.Helper()
		_, err := b.Decide(ctx, store.Decision{
			OrganizationID: b.org, ApprovalID: b.question(key).ID, Verdict: store.Approve, Actor: store.Actor{Name: "web page", PersonID: &p.ID}, Via: "test",
		})
		return err
	}
	for key, p := range map[string]store.Person{"admin": admin, "approver": approver, "host": host, "guest": guest, "owner": owns} {
		require.NoError(t, answer(key, p), key)
		require.Equal(t, store.ActionReady, b.action(key).State, key)
	}
	refused(t, answer("viewer", viewer), "A viewer answers no questions")
	refused(t, answer("nobody", nobody), "for the meeting's host")
	refused(t, answer("elsewhere", elsewhere), "for the meeting's host")
	refused(t, answer("left", left), "deactivated")

	refused(t, answer("stand-in", standIn), "for the meeting's host")
	require.NoError(t, b.UpdatePerson(ctx, b.org, host.ID, store.PersonChange{StandInID: &standIn.ID}, store.Operator))
	refused(t, answer("stand-in", standIn), "for the meeting's host")
	_, err = b.DeactivatePerson(ctx, b.org, host.ID, store.DeactivatedByAdmin, store.Operator)
	require.NoError(t, err)
	require.NoError(t, answer("stand-in", standIn), "once the host has left")

	foreign := storetest.Organization(t, b.Store)
	stranger, err := b.AddPerson(ctx, store.Person{
		OrganizationID: foreign.ID, Name: "Tom", Role: store.RoleAdmin, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "tom@elsewhere.example"}},
	}, store.Operator)
	require.NoError(t, err)
	refused(t, answer("stranger", stranger), "no such question")
	for _, key := range []string{"viewer", "nobody", "elsewhere", "left", "stranger"} {
		require.Equal(t, store.ActionAsking, b.action(key).State, key)
	}
}
