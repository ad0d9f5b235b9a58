package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/agents"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// permit sets these permissions, tool by tool, and denies every other tool.
func (sc *scene) permit(pairs ...string) {
	sc.t.Helper()
	permissions := policy.Permissions{}
	for _, info := range policy.Tools() {
		permissions[info.Tool] = policy.Deny
	}
	for i := 0; i < len(pairs); i += 2 {
		tool, err := policy.ParseTool(pairs[i])
		require.NoError(sc.t, err)
		permissions[tool] = policy.Permission(pairs[i+1])
	}
	require.NoError(sc.t, sc.world.store.ApplyPreset(sc.ctx, sc.org, permissions, store.Operator))
}

func (sc *scene) colleague(name, email string, role store.Role) store.Person {
	sc.t.Helper()
	p, err := sc.world.store.AddPerson(sc.ctx, store.Person{
		OrganizationID: sc.org, Name: name, Role: role, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: email}},
	}, store.Operator)
	require.NoError(sc.t, err)
	return p
}

// mara is the person for whom the agents here call.
func (sc *scene) mara() store.Person {
	return sc.colleague("Mara Lindqvist", maraEmail, store.RoleMember)
}

const maraEmail = "mara@brightwater.example"

// token makes one for a person's agent.
func (sc *scene) token(p store.Person, works time.Duration) string {
	sc.t.Helper()
	_, secret, err := sc.world.store.CreateCallerToken(sc.ctx, sc.org, p.ID, "Mara's laptop", works, store.Operator)
	require.NoError(sc.t, err)
	return secret.Reveal()
}

// agent is a client of the protocol's official SDK.
type agent struct {
	*scene
	*mcp.ClientSession
}

func (sc *scene) agent(transport mcp.Transport) *agent {
	sc.t.Helper()
	client := mcp.NewClient(&mcp.Implementation{Name: "test-agent", Version: "2.1"}, nil)
	session, err := client.Connect(sc.ctx, transport, nil)
	require.NoError(sc.t, err)
	sc.t.Cleanup(func() { _ = session.Close() })
	return &agent{sc, session}
}

// overHTTP is how an agent reaches serve, with a token.
func (sc *scene) overHTTP(token string, next http.RoundTripper) mcp.Transport {
	return &mcp.StreamableClientTransport{
		Endpoint: sc.world.PublicURL() + "/mcp", MaxRetries: -1, DisableStandaloneSSE: true,
		HTTPClient: &http.Client{Transport: bearer{token, next}},
	}
}

type bearer struct {
	token string
	next  http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.token)
	return b.next.RoundTrip(r)
}

// overPipes starts `debrief mcp` as an agent's program does.
func (sc *scene) overPipes() *exec.Cmd {
	cmd := exec.CommandContext(sc.ctx, binary(), "--organization", sc.Organization, "mcp", "--person", maraEmail)
	cmd.Env, cmd.Stderr = sc.world.Env(), sc.world.logs
	return cmd
}

func (a *agent) tools() map[string]*mcp.Tool {
	a.t.Helper()
	list, err := a.ListTools(a.ctx, nil)
	require.NoError(a.t, err)
	all := map[string]*mcp.Tool{}
	for _, tool := range list.Tools {
		all[tool.Name] = tool
	}
	return all
}

// call calls a tool and decodes its answer; an error is returned as text.
func (a *agent) call(name string, arguments map[string]any, into any) (problem string) {
	a.t.Helper()
	return a.callWith(&mcp.CallToolParams{Name: name, Arguments: arguments}, into)
}

func (a *agent) callWith(params *mcp.CallToolParams, into any) (problem string) {
	a.t.Helper()
	answer, err := a.CallTool(a.ctx, params)
	if err != nil {
		return "protocol: " + err.Error()
	}
	require.NotEmpty(a.t, answer.Content)
	text, ok := answer.Content[0].(*mcp.TextContent)
	require.True(a.t, ok)
	if answer.IsError {
		return text.Text
	}
	require.NoError(a.t, json.Unmarshal([]byte(text.Text), into), text.Text)
	return ""
}

// write calls a tool that writes, and has to be let.
func (a *agent) write(name string, arguments map[string]any) agents.Result {
	a.t.Helper()
	var r agents.Result
	require.Empty(a.t, a.call(name, arguments, &r))
	return r
}

func (a *agent) read(name string, arguments map[string]any) agents.Found {
	a.t.Helper()
	var f agents.Found
	require.Empty(a.t, a.call(name, arguments, &f))
	return f
}

func (a *agent) status(call uuid.UUID) agents.Result {
	a.t.Helper()
	return a.write("call_status", map[string]any{"call_id": call.String()})
}

// over looks again until nothing more happens to a call by itself. One token has five
// calls a second: it looks twice.
func (a *agent) over(call uuid.UUID) agents.Result {
	a.t.Helper()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(3 * time.Minute); ; {
		r := a.status(call)
		if r.Done {
			return r
		}
		require.True(a.t, time.Now().Before(deadline), "the call is still %s: %s", r.State, r.Reason)
		select {
		case <-tick.C:
		case <-a.ctx.Done():
			require.NoError(a.t, a.ctx.Err())
		}
	}
}

// question is what a call asks.
func (sc *scene) question(call uuid.UUID) store.Approval {
	sc.t.Helper()
	approvals, err := sc.world.store.Approvals(sc.ctx, sc.org, store.ApprovalFilter{State: store.ApprovalPending, MeetingID: call})
	require.NoError(sc.t, err)
	require.Len(sc.t, approvals, 1)
	return approvals[0]
}

// browser is a person's, signed in.
type browser struct {
	*scene

	session string
}

func (sc *scene) browser(p store.Person) browser {
	sc.t.Helper()
	link, err := sc.world.store.CreateSignInLink(sc.ctx, store.SignedIn{OrganizationID: &sc.org, PersonID: &p.ID})
	require.NoError(sc.t, err)
	session, _, err := sc.world.store.SignIn(sc.ctx, link)
	require.NoError(sc.t, err)
	return browser{sc, session.Reveal()}
}

// visit loads a page, or sends its form.
func (b browser) visit(address string, form url.Values) (status int, page string) {
	b.t.Helper()
	return b.request(address, form, func(r *http.Request) {
		r.AddCookie(&http.Cookie{Name: "debrief_session", Value: b.session})
	})
}

func (sc *scene) request(address string, form url.Values, with func(*http.Request)) (status int, page string) {
	sc.t.Helper()
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(sc.ctx, method, address, strings.NewReader(form.Encode()))
	require.NoError(sc.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Origin", sc.world.PublicURL())
	}
	with(r)
	return sc.do(r)
}

func (sc *scene) do(r *http.Request) (status int, body string) {
	sc.t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(r)
	require.NoError(sc.t, err)
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	require.NoError(sc.t, err)
	return response.StatusCode, string(raw)
}

// answerer answers a question, as people do.
type answerer func(p store.Approval, verdict store.Verdict, reason string)

// onThePage answers in a browser.
func (b browser) onThePage(p store.Approval, verdict store.Verdict, reason string) {
	b.t.Helper()
	card := fmt.Sprintf("%s/inbox/%s", b.world.PublicURL(), p.Action.Origin.ID)
	status, page := b.visit(card, nil)
	require.Equal(b.t, http.StatusOK, status)
	require.Contains(b.t, page, p.ID.String())
	status, page = b.visit(card+"/question/"+p.ID.String(), url.Values{"verdict": {string(verdict)}, "reason": {reason}})
	require.Less(b.t, status, http.StatusBadRequest, page)
}

// byCommand answers as the operator.
func (sc *scene) byCommand(p store.Approval, verdict store.Verdict, reason string) {
	sc.t.Helper()
	args := []string{"approvals", string(verdict), p.ID.String()}
	if reason != "" {
		args = append(args, "--reason", reason)
	}
	sc.run(args...)
}

// An agent over HTTP, with somebody who answers on the pages. The conversation is
// written down for docs/runs.
func TestAnAgentOverHTTPRecorded(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	mara, iris := sc.mara(), sc.colleague("Iris Vandal", "iris@brightwater.example", store.RoleApprover)
	said := &transcript{next: http.DefaultTransport}
	token := sc.token(mara, time.Hour)
	converse(sc.agent(sc.overHTTP(token, said)), said, sc.browser(iris).onThePage, token)
	require.NotContains(t, said.String(), token)
	keepPage(t, "mcp.md", said.page(sc))

	// The token is nowhere but with the agent.
	require.NotContains(t, sc.allLogs(), token)
	require.NotContains(t, sc.database()["caller_tokens"], token)
	for _, e := range sc.trail("call") {
		require.Equal(t, store.OriginAgent, e.Origin.Kind)
		require.Equal(t, mara.ID.String(), e.OnBehalfOf)
	}
}

// The same by `debrief mcp`, with the operator's command to answer.
func TestAnAgentOverPipes(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	sc.mara()
	converse(sc.agent(&mcp.CommandTransport{Command: sc.overPipes()}), &transcript{}, sc.byCommand, "")
}

// converse is an agent's day: what is denied is not there, what is allowed happens once,
// and what asks waits for somebody else's answer.
func converse(a *agent, said *transcript, answer answerer, token string) { //nolint:thelper // one story, told once
	t, sc := a.t, a.scene
	require.NoError(t, sc.world.Simulator.AddEnumeration(sc.HubID, "deals", "renewal_risk", false, "low", "high"))
	sc.permit(
		"contact.read", "allow", "contact.create", "ask", "contact.update", "allow", "company.read", "allow", "owner.read", "allow",
		"deal.read", "ask", "deal.create", "allow", "ticket.read", "deny", "ticket.create", "deny",
	)

	said.say("The agent signs in with a token of Mara's and asks what there is. Tickets are denied: they are not listed.")
	tools := a.tools()
	names := []string{}
	for name := range tools {
		names = append(names, name)
	}
	slices.Sort(names)
	require.Equal(t, []string{
		"call_status", "company_get", "company_search", "contact_create", "contact_get", "contact_search", "contact_update",
		"deal_create", "deal_get", "deal_search", "owner_search",
	}, names)
	schema, err := json.Marshal(tools["deal_create"].InputSchema)
	require.NoError(t, err)
	for _, known := range []string{`"dealname"`, `"qualifiedtobuy"`, `"renewal_risk"`, `"const":"high"`} {
		require.Contains(t, string(schema), known, "the account's own properties and stages")
	}
	require.NotContains(t, string(schema), "hs_object_id", "what can't be set")

	said.say("A denied tool can't be called by its name either.")
	var none any
	require.Contains(t, a.call("ticket_create", map[string]any{"properties": map[string]any{"subject": "Login loops"}}, &none), "unknown tool")
	require.Contains(t, a.call("ticket_get", map[string]any{"id": "1"}, &none), "unknown tool")
	said.say("Nor does another tool tell of what is denied: not by links, and not by searching for them.")
	ines := sc.records("contacts", "email")["ines@harrowmills.example"][0]
	require.Contains(t, a.call("contact_get", map[string]any{"id": ines.ID, "associations": []string{"ticket"}}, &none), "denied")
	linked := []any{map[string]any{"property": "associations.ticket", "operator": "HAS_PROPERTY"}}
	require.Contains(t, a.call("contact_search", map[string]any{"filters": linked}, &none), "denied")

	said.say("What is allowed is read at once.")
	byDomain := []any{map[string]any{"property": "domain", "operator": "EQ", "value": "harrowmills.example"}}
	company := a.read("company_search", map[string]any{"filters": byDomain, "properties": []string{"name", "domain"}}).Records
	require.Len(t, company, 1)
	require.Equal(t, "Harrow Mills", company[0].Properties["name"])

	said.say("An allowed write happens at once: a worker makes it, and the answer says what became of it. The same call with the same key is the same call.")
	promotion := map[string]any{"id": ines.ID, "properties": map[string]any{"jobtitle": "Chief Operating Officer"}, "key": "promotion", "reason": "She said so."}
	promoted := a.write("contact_update", promotion)
	require.Equal(t, store.ActionWritten, promoted.State)
	require.Equal(t, ines.ID, promoted.RecordID)
	require.Equal(t, promoted.CallID, a.write("contact_update", promotion).CallID)
	require.Equal(t, "Chief Operating Officer", sc.records("contacts", "email")["ines@harrowmills.example"][0].Properties["jobtitle"])
	said.say("The same key for something else is a mistake, and is told so.")
	require.Contains(t, a.call("contact_update", map[string]any{"id": ines.ID, "properties": map[string]any{"jobtitle": "CEO"}, "key": "promotion"}, &none), "key")

	said.pause()
	deal := map[string]any{
		"properties":   map[string]any{"dealname": "Harrow Mills: Lyon", "pipeline": "default", "dealstage": "qualifiedtobuy", "renewal_risk": "low"},
		"associations": []any{map[string]any{"object": "company", "id": company[0].ID}}, "key": "lyon",
	}
	var made [5]agents.Result
	var calling sync.WaitGroup
	for i := range made {
		calling.Go(func() { _ = a.call("deal_create", deal, &made[i]) })
	}
	calling.Wait()
	for _, r := range made {
		require.Equal(t, store.ActionWritten, r.State, r.Reason)
		require.Equal(t, made[0].CallID, r.CallID, "the same at the same time is one")
	}
	require.Len(t, sc.records("deals", "dealname")["Harrow Mills: Lyon"], 1)
	require.Equal(t, map[string]int{"contacts update": 1, "deals create": 1}, counted(sc.writes()))
	said.resume()

	said.say("A write that somebody has to approve: the answer is a handle, and a link for people.")
	priya := map[string]any{"properties": map[string]any{"email": "priya@tidewell.example", "firstname": "Priya", "lastname": "Nair"}, "reason": "She asked for the offer."}
	asked := a.write("contact_create", priya)
	require.Equal(t, store.ActionAsking, asked.State)
	require.False(t, asked.Done)
	require.Equal(t, sc.world.PublicURL()+"/inbox/"+asked.CallID.String(), asked.ApprovalURL)
	require.True(t, time.Now().Before(*asked.ExpiresAt))
	said.say("Until then its status is just that, and asking for it once more asks nobody twice.")
	require.Equal(t, store.ActionAsking, a.status(asked.CallID).State)
	require.Equal(t, asked.CallID, a.write("contact_create", priya).CallID)

	said.say("The agent can't answer for itself, however it says it: no argument, no tool, no metadata does.")
	approved := map[string]any{"properties": priya["properties"], "reason": priya["reason"], "approved": true}
	require.Contains(t, a.call("contact_create", approved, &none), "schema")
	require.Contains(t, a.call("approvals_approve", map[string]any{"id": asked.CallID.String()}, &none), "unknown tool")
	require.Contains(t, a.call("call_status", map[string]any{"call_id": asked.CallID.String(), "verdict": "approve"}, &none), "schema")
	var still agents.Result
	require.Empty(t, a.callWith(&mcp.CallToolParams{Name: "contact_create", Arguments: priya, Meta: mcp.Meta{"approved": true, "approved_by": "iris@brightwater.example"}}, &still))
	require.Equal(t, store.ActionAsking, still.State)
	said.pause()
	sc.attest(asked, token)
	require.Equal(t, store.ActionAsking, a.status(asked.CallID).State)
	require.Empty(t, sc.records("contacts", "email")["priya@tidewell.example"])
	said.resume()

	answer(sc.question(asked.CallID), store.Approve, "")
	said.say("*Iris, an approver, has followed the link in her browser, read the card, and approved it.* The agent looks again: it is done, with the record.")
	said.pause()
	sc.eventually("the contact", func() bool { return len(sc.records("contacts", "email")["priya@tidewell.example"]) == 1 })
	sc.eventually("the call to be over", func() bool {
		actions, err := sc.world.store.ActionsOf(sc.ctx, sc.org, asked.CallID)
		require.NoError(t, err)
		return len(actions) == 1 && actions[0].State == store.ActionWritten
	})
	said.resume()
	done := a.over(asked.CallID)
	require.Equal(t, store.ActionWritten, done.State, done.Reason)
	require.Equal(t, sc.records("contacts", "email")["priya@tidewell.example"][0].ID, done.RecordID)

	said.say("Another one, which Iris rejects.")
	noah := a.write("contact_create", map[string]any{"properties": map[string]any{"email": "noah@tidewell.example"}})
	answer(sc.question(noah.CallID), store.Reject, "he left")
	rejected := a.over(noah.CallID)
	require.Equal(t, store.ActionRejected, rejected.State)

	said.say("One that nobody answers in time: for this, questions here stay open for two seconds.")
	sc.questionsLast(2 * time.Second)
	late := a.write("contact_create", map[string]any{"properties": map[string]any{"email": "late@tidewell.example"}})
	require.Equal(t, store.ActionAsking, late.State)
	said.pause()
	sc.eventually("the question to expire", func() bool {
		actions, err := sc.world.store.ActionsOf(sc.ctx, sc.org, late.CallID)
		require.NoError(t, err)
		return len(actions) == 1 && actions[0].State == store.ActionExpired
	})
	said.resume()
	require.Equal(t, store.ActionExpired, a.over(late.CallID).State)
	sc.questionsLast(0)

	said.say("A read that asks. Once Iris has approved it, the same read works, once.")
	search := map[string]any{"query": "Harrow Mills", "properties": []string{"dealname", "amount"}}
	first := a.read("deal_search", search)
	require.Empty(t, first.Records)
	require.NotNil(t, first.Waiting)
	answer(sc.question(first.Waiting.CallID), store.Approve, "")
	require.Len(t, a.read("deal_search", search).Records, 2)
	again := a.read("deal_search", search)
	require.Empty(t, again.Records)
	require.NotNil(t, again.Waiting)
	require.NotEqual(t, first.Waiting.CallID, again.Waiting.CallID)

	said.pause()
	require.Equal(t, map[string]int{"contacts update": 1, "contacts create": 1, "deals create": 1}, counted(sc.writes()), "each of it once, and nothing else")
}

// attest tries what an agent could do beside the protocol, with all that it has: its
// token, and the link to the question.
func (sc *scene) attest(asked agents.Result, token string) {
	sc.t.Helper()
	q := sc.question(asked.CallID)
	yes := url.Values{"verdict": {"approve"}, "approval": {q.ID.String()}}
	for _, address := range []string{asked.ApprovalURL + "/question/" + q.ID.String(), asked.ApprovalURL + "/all"} {
		for _, with := range []func(*http.Request){
			func(*http.Request) {},
			func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) },
			func(r *http.Request) { r.AddCookie(&http.Cookie{Name: "debrief_session", Value: token}) },
		} {
			_, _ = sc.request(address, yes, with)
		}
	}
	require.Equal(sc.t, q.ID, sc.question(asked.CallID).ID, "nobody has answered")
}

// questionsLast sets how long questions stay open; 0 is as usual.
func (sc *scene) questionsLast(ttl time.Duration) {
	sc.t.Helper()
	o, err := sc.world.store.Organization(sc.ctx, sc.org)
	require.NoError(sc.t, err)
	o.Settings.ApprovalTTL = store.Duration(ttl)
	require.NoError(sc.t, sc.world.store.UpdateSettings(sc.ctx, sc.org, o.Domains, o.Settings, store.Operator))
}

// Another organization's agent sees nothing of the first one's, and answers nothing.
func TestAnotherOrganizationsAgent(t *testing.T) {
	t.Parallel()
	ours, theirs := shared.scene(t), shared.scene(t)
	ours.permit("contact.read", "allow", "contact.create", "ask")
	theirs.permit("contact.read", "allow", "contact.create", "allow", "contact.update", "allow")
	one := ours.agent(ours.overHTTP(ours.token(ours.mara(), time.Hour), http.DefaultTransport))
	zoe := theirs.colleague("Zoe Marsh", "zoe@brightwater.example", store.RoleAdmin)
	other := theirs.agent(theirs.overHTTP(theirs.token(zoe, time.Hour), http.DefaultTransport))

	priya := map[string]any{"properties": map[string]any{"email": "priya@tidewell.example"}, "key": "priya"}
	asked := one.write("contact_create", priya)
	require.Equal(t, store.ActionAsking, asked.State)
	var none any
	require.Contains(t, other.call("call_status", map[string]any{"call_id": asked.CallID.String()}, &none), "no such call")
	page := theirs.browser(zoe)
	card := shared.PublicURL() + "/inbox/" + asked.CallID.String()
	status, _ := page.visit(card, nil)
	require.Equal(t, http.StatusNotFound, status)
	_, _ = page.visit(card+"/question/"+ours.question(asked.CallID).ID.String(), url.Values{"verdict": {"approve"}})
	ours.byCommand(ours.question(asked.CallID), store.Approve, "")
	require.Equal(t, store.ActionWritten, one.over(asked.CallID).State)

	// The same key and the same address are another call and another record, there.
	made := other.write("contact_create", priya)
	require.NotEqual(t, asked.CallID, made.CallID)
	require.Equal(t, store.ActionWritten, made.State, made.Reason)
	for _, sc := range []*scene{ours, theirs} {
		require.Len(t, sc.records("contacts", "email")["priya@tidewell.example"], 1)
	}
	found := other.read("contact_search", map[string]any{"query": "example"}).Records
	require.NotEmpty(t, found)
	for _, r := range found {
		require.Contains(t, r.URL, fmt.Sprint(theirs.HubID))
	}
}

// Who has no token that works is not let in, and learns nothing.
func TestTokensThatDoNotWork(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	sc.permit("contact.read", "allow")
	mara := sc.mara()
	leaver := sc.colleague("Noor Haddad", "noor@brightwater.example", store.RoleMember)
	var made struct{ ID, Token, URL string }
	require.NoError(t, sc.JSON(sc.ctx, &made, "tokens", "create", maraEmail, "--name", "laptop"))
	require.Equal(t, shared.PublicURL()+"/mcp", made.URL)
	gone := sc.token(leaver, time.Hour)
	list := func(token string, with func(*http.Request)) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(sc.ctx, http.MethodPost, made.URL, strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}`))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		with(r)
		return sc.do(r)
	}
	as := func(*http.Request) {}
	for _, token := range []string{made.Token, gone} {
		status, _ := list(token, as)
		require.Equal(t, http.StatusOK, status)
	}
	sc.run("tokens", "revoke", made.ID)
	_, err := shared.store.DeactivatePerson(sc.ctx, sc.org, leaver.ID, "left", store.Operator)
	require.NoError(t, err)
	for name, token := range map[string]string{
		"none": "", "a wrong one": "dbf_" + uuid.NewString(), "another thing": sc.browser(mara).session,
		"an expired one": sc.token(mara, time.Millisecond), "a revoked one": made.Token, "of somebody who left": gone,
	} {
		status, page := list(token, as)
		require.Equal(t, http.StatusUnauthorized, status, name)
		require.NotContains(t, page, "contact_get", name)
		client := mcp.NewClient(&mcp.Implementation{Name: "test-agent", Version: "2.1"}, nil)
		_, err := client.Connect(sc.ctx, sc.overHTTP(token, http.DefaultTransport), nil)
		require.Error(t, err, name)
	}
	works := sc.token(mara, time.Hour)
	for name, with := range map[string]func(*http.Request){
		"a page from elsewhere":  func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"a name that leads here": func(r *http.Request) { r.Host = "evil.example" },
	} {
		status, _ := list(works, with)
		require.Equal(t, http.StatusForbidden, status, name)
	}
	status, _ := list(works, as)
	require.Equal(t, http.StatusOK, status)
}

// inspector calls MCP servers as an agent would: the protocol's own inspector (npm, as
// its lock file in devstack/inspector says), on the command line.
type inspector struct {
	*scene

	home   string
	target []string
}

// call makes one request and returns what the inspector prints of the answer.
func (i inspector) call(args ...string) map[string]any {
	i.t.Helper()
	_, file, _, _ := runtime.Caller(0)
	program := filepath.Join(filepath.Dir(file), "..", "inspector", "node_modules", ".bin", "mcp-inspector")
	_, err := os.Stat(program)
	require.NoError(i.t, err, "the inspector is missing: `make test` installs it, or `npm ci` in devstack/inspector")
	ctx, cancel := context.WithTimeout(i.ctx, 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, slices.Concat([]string{"--cli"}, i.target, args)...)
	cmd.Env = append(os.Environ(), "HOME="+i.home)
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	require.NoError(i.t, err, "%v: %s%s", args, out, said.String())
	var answer map[string]any
	require.NoError(i.t, json.Unmarshal(out, &answer), string(out))
	return answer
}

// tool calls a tool and decodes what it answers.
func (i inspector) tool(name string, into any, args ...string) {
	i.t.Helper()
	all := []string{"--method", "tools/call", "--tool-name", name}
	for _, arg := range args {
		all = append(all, "--tool-arg", arg)
	}
	answer := i.call(all...)
	content := answer["content"].([]any)                 //nolint:forcetypeassert // the tools answer with text
	text := content[0].(map[string]any)["text"].(string) //nolint:forcetypeassert // see above
	require.NotEqual(i.t, true, answer["isError"], text)
	require.NoError(i.t, json.Unmarshal([]byte(text), into))
}

// Somebody else's client, at both entrances.
func TestAnAgentByTheProtocolsInspector(t *testing.T) {
	t.Parallel()
	sc := shared.scene(t)
	mara := sc.mara()
	sc.permit("company.read", "allow", "contact.create", "ask", "ticket.create", "deny")
	env := map[string]string{}
	for _, entry := range sc.world.Env() {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "DEBRIEF_") {
			env[name] = value
		}
	}
	settings, err := json.Marshal(map[string]any{"mcpServers": map[string]any{"debrief": map[string]any{
		"type": "stdio", "command": binary(), "args": sc.overPipes().Args[1:], "env": env,
	}}})
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "mcp.json")
	require.NoError(t, os.WriteFile(file, settings, 0o600))
	for name, target := range map[string][]string{
		"http":  {sc.world.PublicURL() + "/mcp", "--transport", "http", "--header", "Authorization: Bearer " + sc.token(mara, time.Hour)},
		"pipes": {"--config", file, "--server", "debrief"},
	} {
		i := inspector{sc, t.TempDir(), target}
		names := []string{}
		for _, tool := range i.call("--method", "tools/list")["tools"].([]any) { //nolint:forcetypeassert // the protocol's
			names = append(names, tool.(map[string]any)["name"].(string)) //nolint:forcetypeassert // the protocol's
		}
		require.Equal(t, []string{"call_status", "company_get", "company_search", "contact_create"}, names, name)
		var found agents.Found
		i.tool("company_search", &found, `filters=[{"property":"domain","operator":"EQ","value":"harrowmills.example"}]`)
		require.Len(t, found.Records, 1, name)
		address := name + "@tidewell.example"
		var asked, status agents.Result
		i.tool("contact_create", &asked, `properties={"email":"`+address+`","firstname":"Priya"}`, "reason=She asked for the offer.")
		require.Equal(t, store.ActionAsking, asked.State, name)
		require.Contains(t, asked.ApprovalURL, asked.CallID.String(), name)
		sc.byCommand(sc.question(asked.CallID), store.Approve, "")
		sc.eventually("the contact of "+name, func() bool { return len(sc.records("contacts", "email")[address]) == 1 })
		sc.eventually("the call of "+name+" to be over", func() bool {
			i.tool("call_status", &status, "call_id="+asked.CallID.String())
			return status.Done
		})
		require.Equal(t, store.ActionWritten, status.State, name)
		require.Equal(t, sc.records("contacts", "email")[address][0].ID, status.RecordID, name)
	}
}
