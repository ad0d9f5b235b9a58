package agents_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/agents"
	"github.com/debriefhq/debrief/agents/agentstest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

func TestWhatIsDeniedIsNeitherListedNorCalled(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow", "contact.update", "deny", "deal.create", "ask", "deal.archive", "allow")
	s := b.inMemory()
	require.Equal(t, []string{"call_status", "contact_get", "contact_search", "deal_create"}, s.names(), "and archiving is for undo alone")

	id := b.Add("contacts", map[string]string{"email": "jane@northwind.example"})
	require.Contains(t, s.call("contact_update", map[string]any{"id": id, "properties": map[string]any{"jobtitle": "CEO"}}, nil), "unknown tool", "the first check")
	_, err := b.service.Do(b.ctx, b.caller(), agents.Request{Tool: policy.Tool{Object: "contact", Operation: policy.Update}, TargetID: id, Properties: map[string]string{"jobtitle": "CEO"}})
	require.ErrorIs(t, err, policy.ErrDenied, "the second, for who gets past the first")
	_, err = b.service.Get(b.ctx, b.caller(), "deal", "1", nil, nil)
	require.ErrorIs(t, err, policy.ErrDenied)
	require.Zero(t, b.Count(`select count(*) from calls`))
	require.Equal(t, 2, b.Count(`select count(*) from audit where outcome = 'refused' and origin_kind = 'agent' and actor = 'agent'`))
	require.Zero(t, b.writes())
}

func TestAPermissionThatChangesCountsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow")
	id := b.Add("contacts", map[string]string{"email": "jane@northwind.example"})
	s := b.inMemory()
	require.Contains(t, s.names(), "contact_get")
	var found agents.Found
	require.Empty(t, s.call("contact_get", map[string]any{"id": id}, &found))
	b.Permit("contact.read", "deny")
	require.Contains(t, s.call("contact_get", map[string]any{"id": id}, &found), "unknown tool")
	require.NotContains(t, s.names(), "contact_get")
	b.Permit("contact.read", "allow")
	require.Empty(t, s.call("contact_get", map[string]any{"id": id}, &found))
	require.Contains(t, s.names(), "contact_get")
}

func TestReading(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow", "company.read", "allow", "owner.read", "allow")
	contact := b.Add("contacts", map[string]string{"email": "jane@northwind.example", "firstname": "Jane", "jobtitle": "Buyer", "phone": "123"})
	company := b.Add("companies", map[string]string{"name": "Northwind", "domain": "northwind.example"})
	require.NoError(t, b.Sim.Associate(agentstest.HubID, "contacts", contact, "companies", company, true))
	s := b.inMemory()

	var found agents.Found
	require.Empty(t, s.call("contact_get", map[string]any{"id": contact, "properties": []string{"email", "jobtitle"}, "associations": []string{"company"}}, &found))
	require.Len(t, found.Records, 1)
	require.Equal(t, map[string]string{"email": "jane@northwind.example", "jobtitle": "Buyer"}, found.Records[0].Properties)
	require.Equal(t, map[string][]string{"company": {company}}, found.Records[0].Associations)

	found = agents.Found{}
	require.Empty(t, s.call("company_search", map[string]any{"filters": []any{map[string]any{"property": "domain", "operator": "EQ", "value": "northwind.example"}}}, &found))
	require.Len(t, found.Records, 1)
	require.Equal(t, "Northwind", found.Records[0].Properties["name"])
	found = agents.Found{}
	require.Empty(t, s.call("owner_search", map[string]any{"email": "mara@acme.example"}, &found))

	for name, problem := range map[string]string{
		"an ID that is a path":  s.call("contact_get", map[string]any{"id": "1/../2"}, &found),
		"a type that is none":   s.call("contact_get", map[string]any{"id": contact, "associations": []string{"../../owners"}}, &found),
		"too many at once":      s.call("company_search", map[string]any{"query": "n", "limit": 200}, &found),
		"a search for all":      s.call("company_search", nil, &found),
		"an argument of no use": s.call("contact_get", map[string]any{"id": contact, "archived": true}, &found),
		"no such record":        s.call("contact_get", map[string]any{"id": "999999"}, &found),
	} {
		require.NotEmpty(t, problem, name)
		require.NotContains(t, problem, "inside Debrief", name)
	}
	require.NotZero(t, b.Count(`select count(*) from audit where kind = 'call' and tool = 'contact.read' and outcome = 'done' and origin_kind = 'agent' and actor = 'agent' and on_behalf_of = $1`, b.Person.ID.String()))
	require.Contains(t, s.call("contact_get", map[string]any{"id": contact, "associations": []string{"deal"}}, &found), "denied", "links are read with the other end's tool, too")
}

func TestAnAllowedWriteRunsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow", "contact.create", "allow", "contact.update", "allow")
	b.Worker()
	s := b.inMemory()
	var made agents.Result
	require.Empty(t, s.call("contact_create", map[string]any{"properties": map[string]any{"email": "jane@northwind.example", "firstname": "Jane"}}, &made))
	require.True(t, made.Done)
	require.Equal(t, store.ActionWritten, made.State)
	require.NotEmpty(t, made.RecordID)

	var changed agents.Result
	require.Empty(t, s.call("contact_update", map[string]any{"id": made.RecordID, "properties": map[string]any{"jobtitle": "Buyer"}}, &changed))
	require.Equal(t, store.ActionWritten, changed.State)
	require.Equal(t, 2, b.writes())
	// Replacing a value that it has: Before was read, so nobody else's change is in the way.
	require.Empty(t, s.call("contact_update", map[string]any{"id": made.RecordID, "properties": map[string]any{"jobtitle": "Head of Buying"}}, &changed))
	require.Equal(t, store.ActionWritten, changed.State)

	row := b.Count(`select count(*) from audit where kind = 'call' and tool = 'contact.create' and outcome = 'done' and value_macs <> '{}' and actor = 'agent' and on_behalf_of = $1`, b.Person.ID.String())
	require.Equal(t, 1, row)
	require.Equal(t, 3, b.Count(`select count(*) from audit where kind = 'plan' and actor = 'agent' and reason = 'asked for: ready'`))
}

func TestAnAskedWriteHappensOnceAfterApproval(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow", "contact.update", "ask")
	b.Worker()
	id := b.Add("contacts", map[string]string{"email": "jane@northwind.example", "firstname": "Jane", "jobtitle": "Buyer"})
	s := b.inMemory()
	arguments := map[string]any{"id": id, "properties": map[string]any{"jobtitle": "Head of Buying"}, "reason": "She said so\u202e."}
	var asked, again, status agents.Result
	require.Empty(t, s.call("contact_update", arguments, &asked))
	require.Equal(t, store.ActionAsking, asked.State)
	require.False(t, asked.Done)
	require.Equal(t, agentstest.PublicURL+"/inbox/"+asked.CallID.String(), asked.ApprovalURL)
	require.NotNil(t, asked.ExpiresAt)
	require.Zero(t, b.writes())

	require.Empty(t, s.call("contact_update", arguments, &again))
	require.Equal(t, asked.CallID, again.CallID, "nobody is asked twice")
	require.Empty(t, s.call("call_status", map[string]any{"call_id": asked.CallID.String()}, &status))
	require.Equal(t, store.ActionAsking, status.State)

	facts, err := b.Store.CardFacts(b.ctx, b.Org, asked.CallID)
	require.NoError(t, err)
	require.Equal(t, "Agent (test-agent 2.1): Update Contact Jane (jane@northwind.example)", facts.Meeting.Content.Title)
	require.Equal(t, "the caller says: She said so.", facts.Actions[0].Content.Purpose)
	require.Equal(t, map[string]string{"jobtitle": "Buyer"}, facts.Actions[0].Content.Before)

	b.approve(asked.CallID, store.Approve)
	require.Eventually(t, func() bool {
		require.Empty(t, s.call("call_status", map[string]any{"call_id": asked.CallID.String()}, &status))
		return status.Done
	}, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, store.ActionWritten, status.State)
	require.Equal(t, id, status.RecordID)
	require.Equal(t, 1, b.writes())
}

func TestTheWriteHappensAlsoWhenTheAgentWentAway(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.create", "ask", "contact.read", "allow")
	s := b.inMemory()
	var asked, later agents.Result
	arguments := map[string]any{"properties": map[string]any{"email": "jane@northwind.example"}}
	require.Empty(t, s.call("contact_create", arguments, &asked))
	require.NoError(t, s.Close())
	b.approve(asked.CallID, store.Approve)
	b.Worker()
	require.Eventually(t, func() bool { return b.writes() == 1 }, 10*time.Second, 10*time.Millisecond)

	// Another session of the same person says the same: it is told, and nothing is made twice.
	again := b.inMemory()
	require.Eventually(t, func() bool {
		require.Empty(t, again.call("contact_create", arguments, &later))
		return later.Done
	}, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, asked.CallID, later.CallID)
	require.Equal(t, 1, b.writes())
}

func TestARejectedWriteSaysSo(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.create", "ask", "contact.read", "allow")
	b.Worker()
	s := b.inMemory()
	var asked, status agents.Result
	require.Empty(t, s.call("contact_create", map[string]any{"properties": map[string]any{"email": "jane@northwind.example"}}, &asked))
	b.approve(asked.CallID, store.Reject)
	require.Empty(t, s.call("call_status", map[string]any{"call_id": asked.CallID.String()}, &status))
	require.True(t, status.Done)
	require.Equal(t, store.ActionRejected, status.State)
	require.Zero(t, b.writes())
	require.Contains(t, s.call("call_status", map[string]any{"call_id": uuid.NewString()}, &status), "no such call")
	require.Contains(t, s.call("call_status", map[string]any{"call_id": "x"}, &status), "no call's ID")
}

func TestNothingAnswersAQuestion(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.create", "ask", "contact.read", "allow")
	s := b.inMemory()
	for _, name := range s.names() {
		require.NotRegexp(t, "approve|decide|reject", name)
	}
	var asked agents.Result
	problem := s.call("contact_create", map[string]any{"properties": map[string]any{"email": "jane@northwind.example"}, "approved": true}, &asked)
	require.Contains(t, problem, "schema")
	require.Contains(t, s.call("contact_create", map[string]any{"properties": map[string]any{"email": "jane@northwind.example", "debrief_target": "1"}}, &asked), "Debrief's own")
	require.Zero(t, b.Count(`select count(*) from calls`))
}

func TestValuesAreChecked(t *testing.T) {
	t.Parallel()
	b := setup(t, "deal.read", "allow", "deal.create", "allow", "deal.update", "allow")
	s := b.inMemory()
	var r agents.Result
	for says, properties := range map[string]map[string]any{
		"not a number": {"dealname": "Renewal", "pipeline": "default", "dealstage": "appointmentscheduled", "amount": "lots"},
		"no stage":     {"dealname": "Renewal", "pipeline": "default", "dealstage": "nowhere"},
		"needs":        {"dealname": "Renewal"},
		"can't be set": {"dealname": "Renewal", "pipeline": "default", "dealstage": "appointmentscheduled", "hs_object_id": "7"},
		"neither text": {"dealname": map[string]any{"a": 1}},
	} {
		require.Contains(t, s.call("deal_create", map[string]any{"properties": properties}, &r), says)
	}
	require.Zero(t, b.Count(`select count(*) from calls`))
}

func TestSchemasAreTheAccounts(t *testing.T) {
	t.Parallel()
	b := setup(t, "deal.read", "allow", "deal.create", "allow", "deal.update", "ask", "note.create", "allow")
	require.NoError(t, b.Sim.AddEnumeration(agentstest.HubID, "deals", "renewal_risk", false, "low", "high"))
	s := b.inMemory()
	list, err := s.ListTools(b.ctx, nil)
	require.NoError(t, err)
	for _, tool := range list.Tools {
		raw, err := json.Marshal(tool.InputSchema)
		require.NoError(t, err)
		document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
		require.NoError(t, err)
		compiler := jsonschema.NewCompiler()
		require.NoError(t, compiler.AddResource("tool.json", document))
		schema, err := compiler.Compile("tool.json")
		require.NoError(t, err, tool.Name)
		reads := strings.HasSuffix(tool.Name, "_get") || strings.HasSuffix(tool.Name, "_search") || tool.Name == "call_status"
		require.Equal(t, reads, tool.Annotations.ReadOnlyHint, tool.Name)
		require.NotNil(t, tool.Annotations.DestructiveHint)
		require.Equal(t, strings.HasSuffix(tool.Name, "_update"), *tool.Annotations.DestructiveHint, "a change replaces what was there")
		if tool.Name != "deal_create" {
			continue
		}
		good := map[string]any{"properties": map[string]any{"dealname": "Renewal", "pipeline": "default", "dealstage": "appointmentscheduled", "renewal_risk": "low"}}
		require.NoError(t, schema.Validate(good))
		good["properties"].(map[string]any)["renewal_risk"] = "none"
		require.Error(t, schema.Validate(good))
		require.Error(t, schema.Validate(map[string]any{"properties": map[string]any{"dealname": "Renewal"}}))
	}
	for _, tool := range list.Tools {
		require.Equal(t, tool.Name == "deal_update", strings.Contains(tool.Description, "approve"), tool.Name)
	}
}

func TestAReadThatAsks(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "ask")
	id := b.Add("contacts", map[string]string{"email": "jane@northwind.example"})
	s := b.inMemory()
	var found agents.Found
	get := map[string]any{"id": id}
	require.Empty(t, s.call("contact_get", get, &found))
	require.Empty(t, found.Records)
	require.NotNil(t, found.Waiting)
	waiting := *found.Waiting
	require.NotEmpty(t, waiting.ApprovalURL)
	b.approve(waiting.CallID, store.Approve)
	var status agents.Result
	require.Empty(t, s.call("call_status", map[string]any{"call_id": waiting.CallID.String()}, &status))
	require.True(t, status.Done)

	found = agents.Found{}
	require.Empty(t, s.call("contact_get", get, &found))
	require.Nil(t, found.Waiting)
	require.Equal(t, "jane@northwind.example", found.Records[0].Properties["email"])
	found = agents.Found{}
	require.Empty(t, s.call("contact_get", get, &found))
	require.NotNil(t, found.Waiting, "it was approved once")
	require.NotEqual(t, waiting.CallID, found.Waiting.CallID)
	require.Equal(t, 1, b.Count(`select count(*) from audit where kind = 'call' and tool = 'contact.read' and outcome = 'done'`))
}

func TestOverHTTP(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow", "contact.create", "ask")
	_, secret, err := b.Store.CreateCallerToken(b.ctx, b.Org, b.Person.ID, "laptop", time.Hour, store.Operator)
	require.NoError(t, err)
	s, err := b.overHTTP(secret.Reveal())
	require.NoError(t, err)
	require.Equal(t, []string{"call_status", "contact_create", "contact_get", "contact_search"}, s.names())
	listed, err := s.ListTools(b.ctx, nil)
	require.NoError(t, err)
	require.Equal(t, "private", listed.CacheScope, "another person's are others")
	var asked, status agents.Result
	require.Empty(t, s.call("contact_create", map[string]any{"properties": map[string]any{"email": "jane@northwind.example"}}, &asked))
	require.Equal(t, store.ActionAsking, asked.State)
	facts, err := b.Store.CardFacts(b.ctx, b.Org, asked.CallID)
	require.NoError(t, err)
	require.Contains(t, facts.Meeting.Content.Title, "Agent (laptop)", "the token's name, that an admin gave it")
	require.Empty(t, s.call("call_status", map[string]any{"call_id": asked.CallID.String()}, &status))

	// Another person's token neither sees the call nor may do what theirs may not.
	other, err := b.Store.AddPerson(b.ctx, store.Person{OrganizationID: b.Org, Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "iris@acme.example"}}}, store.Operator)
	require.NoError(t, err)
	require.NoError(t, b.Store.SetHostPermission(b.ctx, b.Org, other.ID, policy.Tool{Object: "contact", Operation: policy.Create}, policy.Deny, store.Operator))
	_, theirs, err := b.Store.CreateCallerToken(b.ctx, b.Org, other.ID, "theirs", time.Hour, store.Operator)
	require.NoError(t, err)
	second, err := b.overHTTP(theirs.Reveal())
	require.NoError(t, err)
	require.NotContains(t, second.names(), "contact_create")
	require.Contains(t, second.call("call_status", map[string]any{"call_id": asked.CallID.String()}, &status), "no such call")
}

func TestWhoIsNotLetIn(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow")
	made, secret, err := b.Store.CreateCallerToken(b.ctx, b.Org, b.Person.ID, "laptop", time.Hour, store.Operator)
	require.NoError(t, err)
	server := httptest.NewServer(b.service.Handler())
	t.Cleanup(server.Close)
	ask := func(change func(*http.Request)) int {
		req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, server.URL, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		req.Header.Set("Authorization", "Bearer "+secret.Reveal())
		change(req)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer func() { _ = res.Body.Close() }()
		return res.StatusCode
	}
	require.Equal(t, http.StatusOK, ask(func(*http.Request) {}))
	require.Equal(t, http.StatusOK, ask(func(r *http.Request) { r.Host = "debrief.acme.example" }), "behind a proxy")
	require.Equal(t, http.StatusOK, ask(func(r *http.Request) { r.Header.Set("Origin", agentstest.PublicURL) }))
	require.Equal(t, http.StatusUnauthorized, ask(func(r *http.Request) { r.Header.Del("Authorization") }))
	require.Equal(t, http.StatusUnauthorized, ask(func(r *http.Request) { r.Header.Set("Authorization", "Bearer dbf_nobody") }))
	require.Equal(t, http.StatusUnauthorized, ask(func(r *http.Request) { r.Header.Set("Authorization", "Bearer other") }))
	require.Equal(t, http.StatusForbidden, ask(func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") }))
	require.Equal(t, http.StatusForbidden, ask(func(r *http.Request) { r.Header.Set("Origin", "null") }))
	require.Equal(t, http.StatusForbidden, ask(func(r *http.Request) { r.Host = "evil.example" }), "a name that leads here")

	require.NoError(t, b.Store.RevokeCallerToken(b.ctx, b.Org, made.ID, store.Operator))
	require.Equal(t, http.StatusUnauthorized, ask(func(*http.Request) {}), "at once")
	statuses := map[int]int{}
	for range 80 {
		statuses[ask(func(*http.Request) {})]++
	}
	require.NotZero(t, statuses[http.StatusTooManyRequests], "who guesses is slowed down")
}

func TestOneTokenIsLimited(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, secret, err := b.Store.CreateCallerToken(b.ctx, b.Org, b.Person.ID, "laptop", time.Hour, store.Operator)
	require.NoError(t, err)
	handler := b.service.Handler()
	statuses := map[int]int{}
	for range 120 {
		req := httptest.NewRequest(http.MethodPost, agentstest.PublicURL+"/mcp", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		req.Header.Set("Authorization", "Bearer "+secret.Reveal())
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, req)
		statuses[w.Code]++
	}
	require.NotZero(t, statuses[http.StatusOK], statuses)
	require.NotZero(t, statuses[http.StatusTooManyRequests], statuses)
}
