package agents_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/agents"
	"github.com/debriefhq/debrief/agents/agentstest"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/store"
)

// wire sends requests to the endpoint as they are.
type wire struct {
	*bundle

	url, token string
}

func (b *bundle) wire() *wire {
	b.t.Helper()
	_, secret, err := b.Store.CreateCallerToken(b.ctx, b.Org, b.Person.ID, "laptop", time.Hour, store.Operator)
	require.NoError(b.t, err)
	server := httptest.NewServer(b.service.Handler())
	b.t.Cleanup(server.Close)
	return &wire{b, server.URL, secret.Reveal()}
}

// send makes a request; headers replace those that an agent sends.
func (w *wire) send(method, path, body string, headers map[string]string) (*http.Response, string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.ctx, method, w.url+path, strings.NewReader(body))
	require.NoError(w.t, err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	req.Header.Set("Authorization", "Bearer "+w.token)
	for name, value := range headers {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(w.t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(w.t, err)
	return res, string(answer)
}

const ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`

func TestASearchByLinksReadsBothEnds(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow", "deal.read", "deny", "ticket.read", "ask")
	s := b.inMemory()
	by := func(property string) map[string]any {
		return map[string]any{"filters": []any{map[string]any{"property": property, "operator": "EQ", "value": "12"}}}
	}
	var found agents.Found
	for _, property := range []string{"associations.deal", "associations.deals", "associations.0-3", "Associations.Deal", "associations.quote", "associations."} {
		require.Contains(t, s.call("contact_search", by(property), &found), "denied", property)
	}
	require.Empty(t, s.call("contact_search", by("associations.ticket"), &found))
	require.NotNil(t, found.Waiting, "the strictest of what it tells")
	require.Empty(t, b.Sim.Calls())
}

// Older versions of the protocol have batches: each call of one counts.
func TestABatchIsManyCalls(t *testing.T) {
	t.Parallel()
	w := setup(t, "contact.read", "allow").wire()
	var batch []string
	for i := range 200 {
		batch = append(batch, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":"call_status","arguments":{"call_id":%q}}}`, i, uuid.NewString()))
	}
	res, answer := w.send(http.MethodPost, "", "["+strings.Join(batch, ",")+"]", map[string]string{"MCP-Protocol-Version": "2025-03-26"})
	require.Equal(t, http.StatusOK, res.StatusCode, answer)
	var answers []json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(answer), &answers))
	require.Len(t, answers, 200)
	served := strings.Count(answer, "no such call")
	require.Equal(t, 200, served+strings.Count(answer, "Too many calls"), answer)
	require.Positive(t, served)
	require.LessOrEqual(t, served, 60, "what one token may do at once, and some for the time that it took")
	res, _ = w.send(http.MethodPost, "", "["+ping+","+ping+"]", map[string]string{"MCP-Protocol-Version": "2025-11-25"})
	require.NotEqual(t, http.StatusOK, res.StatusCode, "newer ones have none")
}

// Who guesses tokens is slowed down, and neither who has none nor who has one that works
// is in the way of that.
func TestGuessingLocksNobodyOut(t *testing.T) {
	t.Parallel()
	w := setup(t).wire()
	res, _ := w.send(http.MethodPost, "", ping, nil)
	require.Equal(t, http.StatusOK, res.StatusCode)
	statuses := map[int]int{}
	for range 120 {
		res, _ := w.send(http.MethodPost, "", ping, map[string]string{"Authorization": "bearer\tdbf_" + uuid.NewString()})
		statuses[res.StatusCode]++
	}
	require.NotZero(t, statuses[http.StatusUnauthorized])
	require.NotZero(t, statuses[http.StatusTooManyRequests], statuses)
	res, _ = w.send(http.MethodPost, "", ping, nil)
	require.Equal(t, http.StatusOK, res.StatusCode, "one that works")
	res, _ = w.send(http.MethodPost, "", ping, map[string]string{"Authorization": "Bearer of nothing"})
	require.Equal(t, http.StatusUnauthorized, res.StatusCode)
	require.Equal(t, `Bearer realm="debrief"`, res.Header.Get("WWW-Authenticate"))
}

func TestRequestsInOddShapes(t *testing.T) {
	t.Parallel()
	w := setup(t).wire()
	for name, tc := range map[string]struct {
		method, path, body string
		headers            map[string]string
		status             int
	}{
		"as it should be":            {http.MethodPost, "", ping, nil, 200},
		"more than a megabyte":       {http.MethodPost, "", `{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"` + strings.Repeat("a", 2<<20) + `"}}`, nil, 413},
		"somebody's session":         {http.MethodPost, "", ping, map[string]string{"Mcp-Session-Id": uuid.NewString()}, 200},
		"a stream to listen to":      {http.MethodGet, "", "", nil, 405},
		"the end of a session":       {http.MethodDelete, "", "", map[string]string{"Mcp-Session-Id": uuid.NewString()}, 405},
		"a form":                     {http.MethodPost, "", "a=b", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 415},
		"plain text, as pages may":   {http.MethodPost, "", ping, map[string]string{"Content-Type": "text/plain"}, 415},
		"the token in the address":   {http.MethodPost, "/?access_token=" + w.token, ping, map[string]string{"Authorization": ""}, 401},
		"the token as a password":    {http.MethodPost, "", ping, map[string]string{"Authorization": "Basic " + w.token}, 401},
		"a page's question first":    {http.MethodOptions, "", "", map[string]string{"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}, 403},
		"a page of this machine's":   {http.MethodPost, "", ping, map[string]string{"Origin": "http://localhost:3000"}, 403},
		"the public name, another s": {http.MethodPost, "", ping, map[string]string{"Origin": "http://debrief.acme.example"}, 403},
	} {
		res, answer := w.send(tc.method, tc.path, tc.body, tc.headers)
		require.Equal(t, tc.status, res.StatusCode, "%s: %s", name, answer)
		require.Empty(t, res.Header.Get("Mcp-Session-Id"), name)
		require.Empty(t, res.Header.Get("Access-Control-Allow-Origin"), name)
	}
}

// A session over standard input and output has no token that could be looked at again.
func TestASessionEndsWithItsPerson(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow", "contact.create", "allow")
	id := b.Add("contacts", map[string]string{"email": "jane@northwind.example"})
	s := b.inMemory()
	var found agents.Found
	get := map[string]any{"id": id}
	require.Empty(t, s.call("contact_get", get, &found))
	before := len(b.Sim.Calls())
	for _, change := range []string{`role = 'viewer'`, `role = 'member', deactivated_at = now()`} {
		b.Exec(`update people set `+change+` where id = $1`, b.Person.ID)
		require.NotEmpty(t, s.call("contact_get", get, &found), change)
		require.NotEmpty(t, s.call("contact_create", map[string]any{"properties": map[string]any{"email": "x@northwind.example"}}, &found), change)
		_, err := s.ListTools(context.Background(), nil)
		require.Error(t, err, change)
	}
	require.Len(t, b.Sim.Calls(), before)
}

func TestAnApprovedReadIsReadOnceAlsoAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "ask")
	id := b.Add("contacts", map[string]string{"email": "jane@northwind.example"})
	read := func() agents.Found {
		found, err := b.service.Get(b.ctx, b.caller(), "contact", id, nil, nil)
		require.NoError(t, err)
		return found
	}
	b.approve(read().Waiting.CallID, store.Approve)
	all := make([]agents.Found, 8)
	var reading sync.WaitGroup
	for i := range all {
		reading.Go(func() { all[i] = read() })
	}
	reading.Wait()
	shown := 0
	for _, found := range all {
		shown += len(found.Records)
		require.Equal(t, len(found.Records) == 0, found.Waiting != nil)
	}
	require.Equal(t, 1, shown)
	require.Equal(t, 1, b.Count(`select count(*) from audit where kind = 'call' and tool = 'contact.read' and outcome = 'done'`))
}

// A read that failed was not the one that was approved.
func TestAReadThatFailedMayBeMadeAgain(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "ask")
	id := b.Add("contacts", map[string]string{"email": "jane@northwind.example"})
	found, err := b.service.Get(b.ctx, b.caller(), "contact", id, nil, nil)
	require.NoError(t, err)
	b.approve(found.Waiting.CallID, store.Approve)
	b.Sim.Inject(hubspottest.Fault{HubID: agentstest.HubID, Status: http.StatusInternalServerError})
	_, err = b.service.Get(b.ctx, b.caller(), "contact", id, nil, nil)
	require.Error(t, err)
	found, err = b.service.Get(b.ctx, b.caller(), "contact", id, nil, nil)
	require.NoError(t, err)
	require.Len(t, found.Records, 1)
}

// HubSpot's limits are waited for, a while: an agent could do nothing but that.
func TestReadsWaitForTheirTurn(t *testing.T) {
	t.Parallel()
	b := setup(t, "contact.read", "allow")
	id := b.Add("contacts", map[string]string{"email": "jane@northwind.example"})
	require.NoError(t, b.Store.BlockLimit(b.ctx, b.Conn, hubspot.BurstBucket, "somebody else", 700*time.Millisecond))
	found, err := b.service.Get(b.ctx, b.caller(), "contact", id, nil, nil)
	require.NoError(t, err)
	require.Len(t, found.Records, 1)
	for range 8 {
		_, err := b.service.Search(b.ctx, b.caller(), "contact", hubspot.SearchRequest{Query: "jane"})
		require.NoError(t, err, "there are five searches a second")
	}
	require.NoError(t, b.Store.BlockLimit(b.ctx, b.Conn, hubspot.BurstBucket, "somebody else", time.Hour))
	started := time.Now()
	_, err = b.service.Get(b.ctx, b.caller(), "contact", id, nil, nil)
	sentence, told := agents.Sentence(err)
	require.True(t, told)
	require.Contains(t, sentence, "busy")
	require.Less(t, time.Since(started), 10*time.Second, "what takes too long is told at once")
}
