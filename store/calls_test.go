package store_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// caller is a person on whose behalf an agent calls.
type caller struct {
	*bench

	person store.Person
}

func newCaller(t *testing.T, permissions policy.Permissions) *caller {
	t.Helper()
	b := newBench(t, permissions)
	p, err := b.AddPerson(context.Background(), store.Person{
		OrganizationID: b.org, Name: "Mara Lind", Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "mara@acme.example"}},
	}, store.Operator)
	require.NoError(t, err)
	return &caller{bench: b, person: p}
}

func (c *caller) call(tool policy.Tool, properties map[string]string) store.NewCall {
	n := store.NewCall{
		OrganizationID: c.org, PersonID: c.person.ID, Source: store.OriginAgent, Client: "tests 1.0", ConnectionID: c.connection,
		Tool: tool, Label: "Renewal", Properties: properties, Resolution: struct{}{},
	}
	if tool.Operation == policy.Update {
		n.TargetID = "9001"
	}
	return n
}

func (c *caller) begin(n store.NewCall) store.Call {
	c.t.Helper()
	call, err := c.BeginCall(context.Background(), n)
	require.NoError(c.t, err)
	return call
}

func (c *caller) state(id uuid.UUID) store.Call {
	c.t.Helper()
	call, err := c.Call(context.Background(), c.org, c.person.ID, id)
	require.NoError(c.t, err)
	return call
}

func (c *caller) lookAt(id uuid.UUID) store.Look {
	c.t.Helper()
	look, err := c.LookAt(context.Background(), c.org, id)
	require.NoError(c.t, err)
	return look
}

// carriedOut forces what the gate does when the write of a call went through.
func (c *caller) carriedOut(id uuid.UUID, recordID string) {
	c.t.Helper()
	c.ExecForTest(c.t, `update actions set state = 'written', record_id = $2 where origin_id = $1`, id, recordID)
}

func TestADeniedCallIsNotKept(t *testing.T) {
	t.Parallel()
	c := newCaller(t, policy.Permissions{createDeal: policy.Deny})
	for _, tool := range []policy.Tool{createDeal, createContact} { // denied, and never configured
		_, err := c.BeginCall(context.Background(), c.call(tool, map[string]string{"dealname": "Renewal"}))
		require.ErrorIs(t, err, policy.ErrDenied)
	}
	require.Zero(t, c.CountForTest(t, `select count(*) from calls`))
	require.Equal(t, 2, c.CountForTest(t, `select count(*) from audit where kind = 'call' and outcome = 'refused' and origin_kind = 'agent' and on_behalf_of = $1`, c.person.ID.String()))
}

func TestAnAllowedCallIsForTheWorker(t *testing.T) {
	t.Parallel()
	c := newCaller(t, policy.Permissions{createDeal: policy.Allow})
	call := c.begin(c.call(createDeal, map[string]string{"dealname": "Renewal"}))

	require.Equal(t, store.ActionReady, call.State)
	require.False(t, call.Over())
	require.Equal(t, 1, c.CountForTest(t, `select count(*) from wakeups where meeting_id = $1`, call.ID), "a worker is woken in the same transaction")
	look := c.lookAt(call.ID)
	require.Equal(t, store.NextWrite, look.Next)
	require.Len(t, look.Ready, 1)
	write, err := c.CheckWrite(context.Background(), look.Ready[0].ID)
	require.NoError(t, err)
	require.Equal(t, store.WriteSend, write.Step)
	require.Equal(t, store.Origin{Kind: store.OriginAgent, ID: call.ID}, write.Action.Origin)
}

func TestAnAskedCallWaitsForAHuman(t *testing.T) {
	t.Parallel()
	c := newCaller(t, policy.Permissions{createDeal: policy.Ask})
	call := c.begin(c.call(createDeal, map[string]string{"dealname": "Renewal"}))

	require.True(t, call.Asking())
	require.NotNil(t, call.ApprovalID)
	require.NotNil(t, call.ExpiresAt)
	look := c.lookAt(call.ID)
	require.Equal(t, store.NextAnswer, look.Next, "nothing is gathered or planned")

	inbox, _, err := c.Inbox(context.Background(), c.org, &c.person.ID, store.InboxMeeting{}, 10)
	require.NoError(t, err)
	require.Len(t, inbox, 1)
	require.Equal(t, call.ID, inbox[0].MeetingID)
	meetings, err := c.MeetingsSeen(context.Background(), c.org, nil, store.ListedMeeting{}, 10)
	require.NoError(t, err)
	require.Len(t, meetings, 1, "a call is none of the meetings")
	facts, err := c.CardFacts(context.Background(), c.org, call.ID)
	require.NoError(t, err)
	require.Equal(t, "Agent (tests 1.0): Create Deal Renewal", facts.Meeting.Content.Title)
	require.Equal(t, "Mara Lind", facts.HostName)

	_, err = c.Decide(context.Background(), store.Decision{OrganizationID: c.org, ApprovalID: *call.ApprovalID, Verdict: store.Approve, Actor: store.Actor{Name: "Mara", PersonID: &c.person.ID}, Via: store.ViaWeb})
	require.NoError(t, err)
	look = c.lookAt(call.ID)
	require.Equal(t, store.NextWrite, look.Next)
	require.True(t, look.Ready[0].Decided)

	c.carriedOut(call.ID, "77")
	require.Equal(t, store.NextDone, c.lookAt(call.ID).Next)
	done := c.state(call.ID)
	require.True(t, done.Over())
	require.Equal(t, "77", done.RecordID)
}

func TestNobodyApprovesTheirOwnAgentsCall(t *testing.T) {
	t.Parallel()
	c := newCaller(t, policy.Permissions{createDeal: policy.Ask})
	ctx := context.Background()
	c.ExecForTest(t, `update organizations set settings = jsonb_set(settings, '{approvals}', '{"no_self_approval": true}') where id = $1`, c.org)
	call := c.begin(c.call(createDeal, map[string]string{"dealname": "Renewal"}))
	own := store.Decision{OrganizationID: c.org, ApprovalID: *call.ApprovalID, Verdict: store.Approve, Actor: store.Actor{Name: "Mara", PersonID: &c.person.ID}, Via: store.ViaWeb}
	_, err := c.Decide(ctx, own)
	refused(t, err, "on behalf of you")

	other, err := c.AddPerson(ctx, store.Person{OrganizationID: c.org, Role: store.RoleApprover, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "iris@acme.example"}}}, store.Operator)
	require.NoError(t, err)
	own.Actor.PersonID = &other.ID
	_, err = c.Decide(ctx, own)
	require.NoError(t, err)
}

func TestARejectedOrExpiredCallSaysSo(t *testing.T) {
	t.Parallel()
	c := newCaller(t, policy.Permissions{createDeal: policy.Ask})
	rejected := c.begin(c.call(createDeal, map[string]string{"dealname": "One"}))
	expired := c.begin(c.call(createDeal, map[string]string{"dealname": "Two"}))
	_, err := c.Decide(context.Background(), store.Decision{OrganizationID: c.org, ApprovalID: *rejected.ApprovalID, Verdict: store.Reject, Actor: store.Operator, Via: "test"})
	require.NoError(t, err)
	c.ExecForTest(t, `update approvals set expires_at = now() - interval '1 minute' where id = $1`, *expired.ApprovalID)
	c.lookAt(expired.ID)

	require.Equal(t, store.ActionRejected, c.state(rejected.ID).State)
	require.Equal(t, store.ActionExpired, c.state(expired.ID).State)
}

func TestACallTurnedToDenyMeanwhileDoesNotRun(t *testing.T) {
	t.Parallel()
	c := newCaller(t, policy.Permissions{createDeal: policy.Ask})
	ctx := context.Background()
	call := c.begin(c.call(createDeal, map[string]string{"dealname": "Renewal"}))
	wakeups := func() int { return c.CountForTest(t, `select count(*) from wakeups where meeting_id = $1`, call.ID) }
	before := wakeups()
	_, err := c.Decide(ctx, store.Decision{OrganizationID: c.org, ApprovalID: *call.ApprovalID, Verdict: store.Approve, Actor: store.Operator, Via: "test"})
	require.NoError(t, err)
	action := c.lookAt(call.ID).Ready[0].ID
	require.NoError(t, c.SetPermission(ctx, c.org, createDeal, policy.Deny, store.Operator))
	require.Equal(t, before+2, wakeups(), "the decision and the change of the permission each wake the call")
	write, err := c.CheckWrite(ctx, action)
	require.NoError(t, err)
	require.Equal(t, store.WriteSettled, write.Step)
	require.Equal(t, store.ActionDenied, c.state(call.ID).State)
}

func TestTheSameCallIsOne(t *testing.T) {
	t.Parallel()
	c := newCaller(t, policy.Permissions{createDeal: policy.Allow})
	ctx := context.Background()
	one := c.call(createDeal, map[string]string{"dealname": "Renewal"})

	ids := make([]uuid.UUID, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			call, err := c.BeginCall(ctx, one)
			if err == nil {
				ids[i] = call.ID
			}
		})
	}
	all.Wait()
	for _, id := range ids {
		require.Equal(t, ids[0], id)
	}
	require.NotEqual(t, uuid.Nil, ids[0])

	c.carriedOut(ids[0], "77")
	again := c.begin(one)
	require.Equal(t, ids[0], again.ID, "until its result was told, it is the same")
	require.Equal(t, "77", again.RecordID)
	require.NoError(t, c.HandOver(ctx, again))
	require.NotEqual(t, ids[0], c.begin(one).ID, "who says it again wants it again")

	other := c.call(createDeal, map[string]string{"dealname": "Another"})
	require.NotEqual(t, ids[0], c.begin(other).ID)
}

func TestACallsKeyIsForGood(t *testing.T) {
	t.Parallel()
	c := newCaller(t, policy.Permissions{createDeal: policy.Allow})
	keyed := c.call(createDeal, map[string]string{"dealname": "Renewal"})
	keyed.Key = "run-1/step-3"
	first := c.begin(keyed)
	c.carriedOut(first.ID, "77")
	require.NoError(t, c.HandOver(context.Background(), c.state(first.ID)))
	require.Equal(t, first.ID, c.begin(keyed).ID)

	keyed.Properties = map[string]string{"dealname": "Other"}
	_, err := c.BeginCall(context.Background(), keyed)
	refused(t, err, "a key of its own")
}

func TestWhatIsNoCall(t *testing.T) {
	t.Parallel()
	c := newCaller(t, policy.Permissions{createDeal: policy.Allow, updateDeal: policy.Allow, {Object: "deal", Operation: policy.Archive}: policy.Allow})
	ctx := context.Background()
	deal := map[string]string{"dealname": "Renewal"}
	for name, test := range map[string]struct {
		change func(*store.NewCall)
		says   string
	}{
		"archive":                       {func(n *store.NewCall) { n.Tool.Operation = policy.Archive }, "undo"},
		"an update of nothing":          {func(n *store.NewCall) { n.Tool = updateDeal }, "which record"},
		"an update by a path":           {func(n *store.NewCall) { n.Tool, n.TargetID = updateDeal, "1/../2" }, "which record"},
		"nothing to write":              {func(n *store.NewCall) { n.Properties = nil }, "no property"},
		"Debrief's own properties":      {func(n *store.NewCall) { n.Properties = map[string]string{"debrief_target": "1"} }, "Debrief's own"},
		"a link to no ID":               {func(n *store.NewCall) { n.Associations = []store.AssociationRef{{Object: "contact", RecordID: "x"}} }, "a number"},
		"another organization's person": {func(n *store.NewCall) { n.PersonID = uuid.New() }, "not one of the organization's people"},
	} {
		n := c.call(createDeal, deal)
		test.change(&n)
		_, err := c.BeginCall(ctx, n)
		var refusal *store.Refusal
		require.ErrorAs(t, err, &refusal, name)
		require.Contains(t, refusal.Sentence, test.says, name)
	}

	// Of the person: a viewer, and a connection that acts as somebody else.
	c.ExecForTest(t, `update connections set is_user_level = true where id = $1`, c.connection)
	_, err := c.BeginCall(ctx, c.call(createDeal, deal))
	refused(t, err, "acts as somebody else")
	c.ExecForTest(t, `update connections set is_user_level = false where id = $1`, c.connection)
	c.ExecForTest(t, `update people set role = 'viewer' where id = $1`, c.person.ID)
	_, err = c.BeginCall(ctx, c.call(createDeal, deal))
	refused(t, err, "viewer")
}

func TestAHandleIsItsPersonsAlone(t *testing.T) {
	t.Parallel()
	c := newCaller(t, policy.Permissions{createDeal: policy.Allow})
	call := c.begin(c.call(createDeal, map[string]string{"dealname": "Renewal"}))
	_, err := c.Call(context.Background(), c.org, uuid.New(), call.ID)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = c.Call(context.Background(), c.org, c.person.ID, c.meeting)
	require.ErrorIs(t, err, store.ErrNotFound, "a meeting is no call")
}

func TestHostsAndRulesHoldForCalls(t *testing.T) {
	t.Parallel()
	c := newCaller(t, policy.Permissions{createDeal: policy.Allow, {Object: "deal", Operation: policy.Read}: policy.Allow})
	ctx := context.Background()
	require.NoError(t, c.SetRule(ctx, c.org, policy.Rule{Name: "agents ask", When: `source == "agent"`, Then: policy.Ask}, store.Operator))
	require.True(t, c.begin(c.call(createDeal, map[string]string{"dealname": "One"})).Asking())
	script := c.call(createDeal, map[string]string{"dealname": "One"})
	script.Source = store.OriginScript
	require.Equal(t, store.ActionReady, c.begin(script).State)

	require.NoError(t, c.SetHostPermission(ctx, c.org, c.person.ID, createDeal, policy.Deny, store.Operator))
	_, err := c.BeginCall(ctx, c.call(createDeal, map[string]string{"dealname": "Two"}))
	require.ErrorIs(t, err, policy.ErrDenied)
	readDeal := policy.Tool{Object: "deal", Operation: policy.Read}
	require.NoError(t, c.SetHostPermission(ctx, c.org, c.person.ID, readDeal, policy.Deny, store.Operator))
	d, err := c.CallPermission(ctx, c.org, store.Origin{Kind: store.OriginAgent, ID: c.person.ID}, readDeal)
	require.NoError(t, err)
	require.Equal(t, policy.Deny, d.Permission, "also of a read of which nothing is kept")
}

func TestAReadThatIsAskedAbout(t *testing.T) {
	t.Parallel()
	readContact := policy.Tool{Object: "contact", Operation: policy.Read}
	c := newCaller(t, policy.Permissions{readContact: policy.Ask})
	ctx := context.Background()
	n := c.call(readContact, nil)
	n.Asked = `{"id":"101"}`
	call := c.begin(n)
	require.True(t, call.Asking())
	may := func() policy.Permission {
		d, err := c.CallPermission(ctx, c.org, call.Origin, readContact)
		require.NoError(t, err)
		return d.Permission
	}
	require.Equal(t, policy.Ask, may())
	_, err := c.Decide(ctx, store.Decision{OrganizationID: c.org, ApprovalID: *call.ApprovalID, Verdict: store.Approve, Actor: store.Operator, Via: "test"})
	require.NoError(t, err)
	require.True(t, c.state(call.ID).Over())
	require.Equal(t, policy.Allow, may())
	require.Equal(t, store.NextDone, c.lookAt(call.ID).Next)
	n.Asked = `{"id":"102"}`
	require.NotEqual(t, call.ID, c.begin(n).ID, "it was approved for that read alone")
}

func TestWaitingForACall(t *testing.T) {
	t.Parallel()
	c := newCaller(t, policy.Permissions{createDeal: policy.Allow})
	ctx := context.Background()
	call := c.begin(c.call(createDeal, map[string]string{"dealname": "Renewal"}))
	late, err := c.AwaitCall(ctx, c.org, c.person.ID, call.ID, time.Millisecond)
	require.NoError(t, err)
	require.False(t, late.Over())

	waiting := make(chan store.Call, 1)
	go func() {
		done, _ := c.AwaitCall(ctx, c.org, c.person.ID, call.ID, time.Minute)
		waiting <- done
	}()
	c.carriedOut(call.ID, "77")
	require.Equal(t, "77", (<-waiting).RecordID)
}

func TestErasingACall(t *testing.T) {
	t.Parallel()
	c := newCaller(t, policy.Permissions{createDeal: policy.Ask})
	call := c.begin(c.call(createDeal, map[string]string{"dealname": "Renewal"}))
	require.NoError(t, c.EraseMeeting(context.Background(), c.org, call.ID, store.Operator))
	require.Equal(t, store.ActionWithdrawn, c.state(call.ID).State)
	require.Equal(t, store.NextDone, c.lookAt(call.ID).Next)
}

// Somebody whose agent asks and asks is not answered for it.
func TestQuestionsOfCallsAreBounded(t *testing.T) {
	t.Parallel()
	c := newCaller(t, policy.Permissions{createDeal: policy.Ask, createContact: policy.Allow})
	first := c.begin(c.call(createDeal, map[string]string{"dealname": "First"}))
	c.ExecForTest(t, `
		with more as (
		  insert into actions (id, organization_id, origin_kind, origin_id, data_key_id, round, key, object_type, operation, position, state, content_mac)
		  select gen_random_uuid(), organization_id, origin_kind, origin_id, data_key_id, 1, 'more ' || n, object_type, operation, n, 'asking', content_mac
		  from actions, generate_series(1, 499) n where origin_id = $1 returning id, organization_id)
		insert into approvals (id, organization_id, action_id, content_mac, round, expires_at)
		select gen_random_uuid(), organization_id, id, '\x00', 1, now() + interval '1 day' from more`, first.ID)
	_, err := c.BeginCall(context.Background(), c.call(createDeal, map[string]string{"dealname": "One more"}))
	refused(t, err, "500 questions")
	require.Equal(t, store.ActionReady, c.begin(c.call(createContact, map[string]string{"email": "iris@northwind.example"})).State, "what asks nobody goes on")
	require.Equal(t, first.ID, c.begin(c.call(createDeal, map[string]string{"dealname": "First"})).ID, "and what was asked can be looked at")
}

func TestCallerTokens(t *testing.T) {
	t.Parallel()
	c := newCaller(t, nil)
	ctx := context.Background()
	made, token, err := c.CreateCallerToken(ctx, c.org, c.person.ID, "laptop", time.Hour, store.Operator)
	require.NoError(t, err)
	require.Equal(t, "***", token.String())
	require.Zero(t, c.CountForTest(t, `select count(*) from caller_tokens where position(convert_to($1, 'UTF8') in token_hash) > 0 or name like '%' || $1 || '%'`, token.Reveal()))

	whose, err := c.Bearer(ctx, token.Reveal())
	require.NoError(t, err)
	require.Equal(t, c.person.ID, whose.PersonID)
	require.Equal(t, c.org, whose.OrganizationID)
	all, err := c.CallerTokens(ctx, c.org)
	require.NoError(t, err)
	require.Len(t, all, 1)
	require.NotNil(t, all[0].LastUsedAt)

	notAnyMore := func(why string) {
		t.Helper()
		_, err := c.Bearer(ctx, token.Reveal())
		require.ErrorIs(t, err, store.ErrNotFound, why)
	}
	c.ExecForTest(t, `update people set deactivated_at = now() where id = $1`, c.person.ID)
	notAnyMore("of somebody who left")
	c.ExecForTest(t, `update people set deactivated_at = null, role = 'viewer' where id = $1`, c.person.ID)
	notAnyMore("of a viewer")
	_, _, err = c.CreateCallerToken(ctx, c.org, c.person.ID, "laptop", time.Hour, store.Operator)
	refused(t, err, "viewer")
	c.ExecForTest(t, `update people set role = 'member' where id = $1`, c.person.ID)
	_, err = c.Bearer(ctx, token.Reveal())
	require.NoError(t, err)
	c.ExecForTest(t, `update caller_tokens set expires_at = now() - interval '1 second' where id = $1`, made.ID)
	notAnyMore("expired")
	c.ExecForTest(t, `update caller_tokens set expires_at = now() + interval '1 hour' where id = $1`, made.ID)
	require.NoError(t, c.RevokeCallerToken(ctx, c.org, made.ID, store.Operator))
	notAnyMore("revoked")
	require.ErrorIs(t, c.RevokeCallerToken(ctx, uuid.New(), made.ID, store.Operator), store.ErrNotFound)
	_, _, err = c.CreateCallerToken(ctx, c.org, c.person.ID, "laptop", 400*24*time.Hour, store.Operator)
	refused(t, err, "a year at most")
}
