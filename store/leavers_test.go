package store_test

import (
	"context"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/store/storetest"
)

// Nothing uses a leaver's own connection from the moment at which they are
// deactivated: telling HubSpot comes after it, and a process may die before.
func TestALeaversConnectionEndsWithThem(t *testing.T) {
	t.Parallel()
	s := newStaff(t)
	ctx := t.Context()
	own, account := s.NewConnectionForTest(t, s.org, "connected"), s.NewConnectionForTest(t, s.org, "connected")
	s.ExecForTest(t, `update connections set is_user_level = true, user_id = 7, person_id = $2, sealed_refresh_token = 'x' where id = $1`, own, s.mara.ID)
	s.ExecForTest(t, `update connections set person_id = $2, sealed_refresh_token = 'x' where id = $1`, account, s.mara.ID)
	out, err := s.DeactivatePerson(ctx, s.org, s.mara.ID, store.DeactivatedByAdmin, store.Operator)
	require.NoError(t, err)
	require.Equal(t, []uuid.UUID{own}, out.Connections)
	for id, want := range map[uuid.UUID]store.ConnectionState{own: store.Revoked, account: store.Connected} {
		c, err := s.Connection(ctx, s.org, id)
		require.NoError(t, err)
		require.Equal(t, want, c.State)
	}
}

// Who may no longer make a link to connect has none that still works.
func TestLinksDieWithTheRightToMakeThem(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*staff, uuid.UUID) error{
		"demoted": func(s *staff, id uuid.UUID) error {
			return s.UpdatePerson(context.Background(), s.org, id, store.PersonChange{Role: new(store.RoleMember)}, store.Operator)
		},
		"deactivated": func(s *staff, id uuid.UUID) error {
			_, err := s.DeactivatePerson(context.Background(), s.org, id, store.DeactivatedByAdmin, store.Operator)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStaff(t)
			ctx := t.Context()
			second := s.add("zoe@acme.example", store.RoleAdmin)
			app, err := s.CreateApp(ctx, store.App{OrganizationID: s.org, Name: "a", Level: store.AccountLevel, ClientID: "c"}, "secret", store.Operator)
			require.NoError(t, err)
			link := func(by store.Actor) store.Secret {
				_, link, err := s.CreateAttempt(ctx, store.NewAttempt{OrganizationID: s.org, AppID: app.ID, ConnectionName: "main", TTL: store.AttemptTTLMost}, by)
				require.NoError(t, err)
				return link
			}
			theirs, opened := link(store.Actor{Name: "web page", PersonID: &second.ID}), link(store.Actor{Name: "web page", PersonID: &second.ID})
			others := link(store.Actor{Name: "web page", PersonID: &s.admin.ID})
			_, state, err := s.AuthorizeAttempt(ctx, opened, "browser")
			require.NoError(t, err)
			require.NoError(t, end(s, second.ID))
			_, err = s.AttemptByLink(ctx, theirs)
			require.ErrorIs(t, err, store.ErrExpired)
			_, err = s.ClaimAttempt(ctx, state, "browser")
			require.ErrorIs(t, err, store.ErrNotFound, "even from HubSpot's page")
			_, err = s.AttemptByLink(ctx, others)
			require.NoError(t, err)
		})
	}
}

// A follow-up whose connection is gone for good moves to another one only where
// that could have been chosen.
func TestAFollowUpMovesOnlyToWhatMayAct(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		other string // what to set of the other connection
		moves bool
	}{
		"an account connection":       {"hub_domain = ''", true},
		"somebody else's own":         {"is_user_level = true, user_id = 8", false},
		"a test account's":            {"account_type = 'SANDBOX'", false},
		"a test account's, let write": {"account_type = 'SANDBOX', any_environment = true", true},
		"another account's":           {"hub_id = 1002", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, policy.Permissions{createDeal: policy.Allow})
			other := b.NewConnectionForTest(t, b.org, "connected")
			b.ExecForTest(t, `update connections set `+c.other+` where id = $1`, other)
			b.plan(draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}))
			require.NoError(t, b.SetConnectionState(t.Context(), b.org, b.connection, store.Revoked, "", store.Operator))
			require.NoError(t, b.PauseFollowUp(t.Context(), b.org, b.meeting, &b.connection))
			require.Equal(t, !c.moves, b.look().Next == store.NextPause)
		})
	}
}

// A human can free what waits for a connection that never comes back. What was
// allowed for one HubSpot account is asked anew for another.
func TestChoosingAnotherConnectionForAPlan(t *testing.T) {
	t.Parallel()
	b := newBench(t, policy.Permissions{createDeal: policy.Ask, createContact: policy.Ask})
	ctx := t.Context()
	drafts := []store.Draft{
		draft(createDeal, "deal:1", map[string]string{"dealname": "Renewal"}), draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"}),
	}
	b.plan(drafts...)
	require.NoError(t, b.decide(b.question("deal:1"), store.Approve, nil))
	require.NoError(t, b.SetConnectionState(ctx, b.org, b.connection, store.Uninstalled, "", store.Operator))
	require.NoError(t, b.PauseFollowUp(ctx, b.org, b.meeting, &b.connection))
	elsewhere := b.NewConnectionForTest(t, b.org, "connected")
	b.ExecForTest(t, `update connections set hub_id = 1002 where id = $1`, elsewhere)
	require.Equal(t, store.NextPause, b.look().Next)

	require.NoError(t, b.ChooseConnection(ctx, b.org, b.meeting, elsewhere, store.Operator))
	require.Equal(t, store.NextPlan, b.look().Next, "it is planned anew, for that one")
	require.NoError(t, b.SavePlan(ctx, store.Plan{
		OrganizationID: b.org, MeetingID: b.meeting, MeetingVersion: b.version, AnswersVersion: 1, ConnectionID: elsewhere, Drafts: drafts,
	}))
	require.Equal(t, store.NextAnswer, b.look().Next)
	require.Len(t, b.questions(store.ApprovalPending), 2, "the one that was approved for the other account, too")
	for _, d := range drafts {
		require.Equal(t, elsewhere, *b.action(d.Key).ConnectionID)
	}
	require.Equal(t, store.ActionAsking, b.action("deal:1").State)

	// What stands in an account keeps the follow-up there.
	b.written("deal:1", "77")
	choice, err := b.ChoiceFor(ctx, b.org, b.meeting)
	require.NoError(t, err)
	require.EqualValues(t, 1002, choice.WroteTo)
	refused(t, b.ChooseConnection(ctx, b.org, b.meeting, b.connection, store.Operator), "HubSpot account 1002 already")
}

// An imported token is replaced under its own name, and never by another's.
func TestAnImportedTokenIsNotReplacedByAccident(t *testing.T) {
	t.Parallel()
	s, _ := storetest.New(t)
	org := storetest.Organization(t, s).ID
	first, err := s.ImportToken(t.Context(), org, "private", store.Granted{HubID: 1}, "one", store.Operator)
	require.NoError(t, err)
	_, err = s.ImportToken(t.Context(), org, "other", store.Granted{HubID: 1}, "two", store.Operator)
	refused(t, err, `as "private"`)
	token, err := s.Token(t.Context(), first.ID)
	require.NoError(t, err)
	require.Equal(t, "one", token.Access.Reveal())
	again, err := s.ImportToken(t.Context(), org, "private", store.Granted{HubID: 1}, "two", store.Operator)
	require.NoError(t, err)
	require.Equal(t, first.ID, again.ID)
}

// A connection of nobody who is known can't stand beside the organization's
// default.
func TestTheDefaultOfNobody(t *testing.T) {
	t.Parallel()
	s, _ := storetest.New(t)
	org := storetest.Organization(t, s).ID
	account, nobodys := s.NewConnectionForTest(t, org, "connected"), s.NewConnectionForTest(t, org, "connected")
	s.ExecForTest(t, `update connections set is_user_level = true, user_id = 7 where id = $1`, nobodys)
	require.NoError(t, s.SetDefaultConnection(t.Context(), org, account, store.Operator))
	refused(t, s.SetDefaultConnection(t.Context(), org, nobodys, store.Operator), "nobody here is known")
}

// A code that one identity provider gave is never shown to the next.
func TestAnotherProviderEndsSignInsUnderWay(t *testing.T) {
	t.Parallel()
	s, _ := storetest.New(t)
	org := storetest.Organization(t, s).ID
	set := func(issuer string) {
		require.NoError(t, s.SetIdentityProvider(t.Context(), store.IdentityProvider{OrganizationID: org, Issuer: issuer, ClientID: "c"}, "secret", store.Operator))
	}
	set("https://one.example")
	state, err := s.BeginSignIn(t.Context(), org, "browser", "/")
	require.NoError(t, err)
	set("https://two.example")
	_, err = s.UseSignIn(t.Context(), state, "browser")
	require.ErrorIs(t, err, store.ErrNotFound)
}
