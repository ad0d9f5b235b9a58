package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	historypb "go.temporal.io/api/history/v1"
	querypb "go.temporal.io/api/query/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/debriefhq/debrief/codec"
	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/store"
)

// The words of the meeting, each where something else is told. No text of
// Debrief's own has them.
const (
	wordTitle    = "Zanzibarquill"
	wordSummary  = "Wobblethorn"
	wordSteps    = "Nimbuskettle"
	wordItem     = "Fernglyph"
	wordQuote    = "Quartzmallow"
	wordSpeaker  = "Ottilie"
	wordEmail    = "ottilie@vexworthlooms.example"
	wordCompany  = "vexworthlooms"
	wordDeal     = "Sprocketdale"
	wordAmount   = "7391824"
	wordTicket   = "Marrowfinch"
	wordEdit     = "Brindlefoam"
	wordReason   = "Grumblewick"
	wordJobTitle = "Loomkeeper"
)

var words = []string{
	wordTitle, wordSummary, wordSteps, wordItem, wordQuote, wordSpeaker, wordEmail, wordCompany, wordDeal, wordAmount, wordTicket,
	wordEdit, wordReason, wordJobTitle,
}

// private is a meeting whose every text is known.
func private() map[string]any {
	event := call("private-call")
	data := event["data"].(map[string]any)
	data["title"] = "About " + wordTitle
	data["attendees"] = []map[string]any{
		{"name": "Mara Lindqvist", "email": "mara@brightwater.example", "role": "host", "attended": true},
		{"name": wordSpeaker + " Vane", "email": wordEmail, "role": "guest", "attended": true, "job_title": wordJobTitle},
	}
	data["summary"] = map[string]any{"format": "markdown", "text": "They want " + wordSummary + " in Lyon."}
	data["next_steps"] = map[string]any{"format": "markdown", "text": "- Mara sends " + wordSteps + "."}
	data["action_items"] = []map[string]any{{"id": "offer", "text": "Send the " + wordItem, "assignee_email": "mara@brightwater.example"}}
	data["proposed_actions"] = []map[string]any{
		{
			"tool": "deal.create", "ref": "deal", "properties": map[string]any{"dealname": wordDeal, "amount": wordAmount},
			"associate_with": []map[string]any{{"email": wordEmail}},
			"evidence":       []map[string]any{{"quote": "it would be " + wordQuote, "speaker": wordSpeaker}},
		},
		{
			"tool": "ticket.create", "ref": "ticket", "properties": map[string]any{"subject": wordTicket},
			"associate_with": []map[string]any{{"email": wordEmail}},
			"evidence":       []map[string]any{{"quote": "please open a ticket for " + wordTicket + ", it is " + wordQuote, "speaker": wordSpeaker}},
		},
	}
	return event
}

// forms are how a text may stand somewhere, in lower case: as it is, in
// hexadecimal, and in base64 at any of its three alignments.
func forms(text string) []string {
	all := []string{strings.ToLower(text), hex.EncodeToString([]byte(text))}
	for skip := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", skip) + text))
		// What its neighbours have a part in is left out.
		first, last := []int{0, 2, 3}[skip], len(encoded)
		if rest := (skip + len(text)) % 3; rest != 0 {
			last -= 4
		}
		all = append(all, strings.ToLower(encoded[first:last]))
	}
	return all
}

// found lists what of the texts stands in a place.
func found(place string, texts []string) []string {
	place = strings.ToLower(place)
	urlSafe := strings.NewReplacer("-", "+", "_", "/").Replace(place)
	var all []string
	for _, text := range texts {
		for i, form := range forms(text) {
			if strings.Contains(place, form) || (i >= 2 && strings.Contains(urlSafe, form)) {
				all = append(all, fmt.Sprintf("%s (form %d)", text, i))
				break
			}
		}
	}
	return all
}

func TestFormsAreFound(t *testing.T) {
	t.Parallel()
	for pad := range 5 {
		whole := strings.Repeat("a", pad) + wordQuote + "bcd"
		for _, place := range []string{whole, hex.EncodeToString([]byte(whole)), base64.StdEncoding.EncodeToString([]byte(whole)), base64.RawURLEncoding.EncodeToString([]byte(whole))} {
			require.NotEmpty(t, found(place, []string{wordQuote}), place)
		}
	}
	require.Empty(t, found("Quartz mallow", []string{wordQuote}))
}

// secrets are what must be known to nobody, by what they are.
func (sc *scene) secrets() map[string]string {
	sc.t.Helper()
	w := sc.world
	file := filepath.Join(sc.t.TempDir(), "simulator.json")
	require.NoError(sc.t, w.Simulator.Save(file))
	raw, err := os.ReadFile(file)
	require.NoError(sc.t, err)
	var state struct {
		Apps map[string]struct {
			ClientSecret string `json:"clientSecret"`
		} `json:"apps"`
		Access, Refresh map[string]struct{}
	}
	require.NoError(sc.t, json.Unmarshal(raw, &state))
	all := map[string]string{
		"source's secret": strings.TrimPrefix(sc.SourceSecret, "whsec_"), "Zoom's secret": sc.ZoomSecret,
	}
	for _, app := range state.Apps {
		all["client secret"] = app.ClientSecret
	}
	require.NotEmpty(sc.t, state.Refresh)
	require.GreaterOrEqual(sc.t, len(state.Access), 2, "it was refreshed")
	for kind, issued := range map[string]map[string]struct{}{"access token": state.Access, "refresh token": state.Refresh} {
		n := 0
		for token := range issued {
			n++
			all[fmt.Sprintf("%s %d", kind, n)] = token
		}
	}
	password, err := pgx.ParseConfig(w.DatabaseURL())
	require.NoError(sc.t, err)
	all["database password"] = password.Password
	keyset, err := os.ReadFile(sc.keysetFile())
	require.NoError(sc.t, err)
	var keys struct {
		Key []struct {
			KeyData struct{ Value string }
		}
	}
	require.NoError(sc.t, json.Unmarshal(keyset, &keys))
	require.NotEmpty(sc.t, keys.Key)
	for i, key := range keys.Key {
		all[fmt.Sprintf("key %d", i)] = key.KeyData.Value
	}
	for name, value := range all {
		require.Greater(sc.t, len(value), 10, "%s is long enough to be known again", name)
	}
	return all
}

func (sc *scene) keysetFile() string {
	for _, entry := range sc.world.Env() {
		if file, ok := strings.CutPrefix(entry, "DEBRIEF_KEYSET_FILE="); ok {
			return file
		}
	}
	require.Fail(sc.t, "the stack has no keyset")
	return ""
}

// allLogs are the logs of Debrief's processes and of Temporal.
func (sc *scene) allLogs() string {
	sc.t.Helper()
	temporal, err := os.ReadFile(filepath.Join(filepath.Dir(sc.keysetFile()), "temporal.log"))
	require.NoError(sc.t, err)
	return sc.world.logs.String() + string(temporal)
}

// database is every table, a line a row; bytea is in hexadecimal.
func (sc *scene) database() map[string]string {
	sc.t.Helper()
	conn, err := pgx.Connect(sc.ctx, sc.world.DatabaseURL())
	require.NoError(sc.t, err)
	defer func() { _ = conn.Close(sc.ctx) }()
	column := func(query string) []string {
		rows, err := conn.Query(sc.ctx, query)
		require.NoError(sc.t, err)
		all, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(sc.t, err)
		return all
	}
	all := map[string]string{}
	for _, table := range column(`select table_name from information_schema.tables where table_schema not in ('pg_catalog', 'information_schema') order by 1`) {
		all[table] = strings.Join(column(fmt.Sprintf(`select t::text from %s t`, pgx.Identifier{table}.Sanitize())), "\n")
	}
	return all
}

// temporal is everything that Temporal knows of the namespace's workflows, as
// somebody without Debrief's keys sees it, and the payloads of their histories.
func (sc *scene) temporal() (seen string, payloads []*commonpb.Payload) {
	sc.t.Helper()
	c, err := client.Dial(client.Options{
		HostPort: sc.world.Temporal.FrontendAddr(), Namespace: devstack.Namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler)),
	})
	require.NoError(sc.t, err)
	defer c.Close()
	var all strings.Builder
	see := func(m proto.Message) {
		asJSON, err := protojson.Marshal(m)
		require.NoError(sc.t, err)
		asBinary, err := proto.Marshal(m)
		require.NoError(sc.t, err)
		all.Write(asJSON)
		all.Write(asBinary)
	}
	listed, err := c.ListWorkflow(sc.ctx, &workflowservice.ListWorkflowExecutionsRequest{})
	require.NoError(sc.t, err)
	see(listed)
	require.NotEmpty(sc.t, listed.Executions)
	for _, execution := range listed.Executions {
		id, run := execution.Execution.WorkflowId, execution.Execution.RunId
		described, err := c.DescribeWorkflowExecution(sc.ctx, id, run)
		require.NoError(sc.t, err)
		see(described)
		queries := []string{"__temporal_workflow_metadata"}
		if execution.Type.Name == "FollowUp" {
			queries = append(queries, "pending")
		}
		for _, query := range queries {
			answer, err := c.WorkflowService().QueryWorkflow(sc.ctx, &workflowservice.QueryWorkflowRequest{
				Namespace: devstack.Namespace, Execution: execution.Execution, Query: &querypb.WorkflowQuery{QueryType: query},
			})
			require.NoError(sc.t, err, "query %s", query)
			see(answer)
		}
		events := c.GetWorkflowHistory(sc.ctx, id, run, false, 0)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(sc.t, err)
			see(event)
			payloads = append(payloads, payloadsOf(event)...)
		}
	}
	return all.String(), payloads
}

func payloadsOf(event *historypb.HistoryEvent) []*commonpb.Payload {
	return append(event.GetWorkflowExecutionStartedEventAttributes().GetInput().GetPayloads(),
		event.GetActivityTaskScheduledEventAttributes().GetInput().GetPayloads()...)
}

// signIn signs a browser in as the operator, who looks at the scene's organization,
// and returns it with the secrets of doing so: the one-time link's and the session's.
func (sc *scene) signIn() (*http.Client, []string) {
	sc.t.Helper()
	out, err := sc.Run(sc.ctx, "sign-in", "--json")
	require.NoError(sc.t, err)
	var link struct{ URL string }
	require.NoError(sc.t, json.Unmarshal(out, &link))
	address, err := url.Parse(link.URL)
	require.NoError(sc.t, err)
	jar, err := cookiejar.New(nil)
	require.NoError(sc.t, err)
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	request, err := http.NewRequestWithContext(sc.ctx, http.MethodPost, link.URL, nil)
	require.NoError(sc.t, err)
	request.Header.Set("Origin", sc.world.PublicURL())
	response, err := browser.Do(request)
	require.NoError(sc.t, err)
	require.NoError(sc.t, response.Body.Close())
	secrets := []string{path.Base(address.Path)}
	for _, cookie := range jar.Cookies(address) {
		secrets = append(secrets, cookie.Value)
	}
	require.Len(sc.t, secrets, 2, "signing in answers %s", response.Status)
	return browser, secrets
}

// decode asks the codec endpoint for a payload, as the Temporal UI does.
func (sc *scene) decode(browser *http.Client, p *commonpb.Payload) string {
	sc.t.Helper()
	body, err := protojson.Marshal(&commonpb.Payloads{Payloads: []*commonpb.Payload{p}})
	require.NoError(sc.t, err)
	request, err := http.NewRequestWithContext(sc.ctx, http.MethodPost, sc.world.PublicURL()+"/codec/decode", bytes.NewReader(body))
	require.NoError(sc.t, err)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Origin", sc.world.TemporalUIURL())
	response, err := browser.Do(request)
	require.NoError(sc.t, err)
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(response.Body)
	require.NoError(sc.t, err)
	require.Equal(sc.t, http.StatusOK, response.StatusCode, string(answer))
	var opened commonpb.Payloads
	require.NoError(sc.t, protojson.Unmarshal(answer, &opened))
	require.Len(sc.t, opened.Payloads, 1)
	return string(opened.Payloads[0].Data)
}

// read is everything that Debrief's commands tell of the meeting.
func (sc *scene) read(meetingID uuid.UUID) string {
	sc.t.Helper()
	var all strings.Builder
	var deliveries []store.Delivery
	require.NoError(sc.t, sc.JSON(sc.ctx, &deliveries, "deliveries", "list"))
	commands := [][]string{
		{"meetings", "list"}, {"meetings", "list", "--json"}, {"meetings", "show", meetingID.String()},
		{"follow-ups", "list"}, {"follow-ups", "show", meetingID.String()}, {"follow-ups", "show", meetingID.String(), "--json"},
		{"approvals", "list", "--state", "all"}, {"approvals", "list", "--state", "all", "--json"},
		{"audit", "list", "--limit", "1000"}, {"audit", "list", "--limit", "1000", "--json"}, {"deliveries", "list"},
	}
	for _, d := range deliveries {
		commands = append(commands, []string{"deliveries", "show", d.ID.String()})
	}
	for _, command := range commands {
		all.WriteString(sc.run(command...))
	}
	return all.String()
}

// Secrets stay secret and text stays private: what was planted is in no log, in
// no history and, in clear, in no table. Erasing a meeting erases its words
// everywhere.
func TestSecretsStaySecretAndTextPrivate(t *testing.T) {
	t.Parallel()
	w := own(t, devstack.Options{NoUI: true, Env: []string{"DEBRIEF_LOG_LEVEL=debug"}})
	sc := w.scene(t)
	browser, browserSecrets := sc.signIn()
	status, err := sc.PostZoom(sc.ctx, []byte(`{"event":"endpoint.url_validation","event_ts":1,"payload":{"plainToken":"a-plain-token"}}`))
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)

	sc.post("msg-1", private())
	pending := sc.asked(4)
	// While questions wait, the Temporal UI shows them.
	waiting, payloads := sc.temporal()
	require.Contains(t, waiting, "waiting_approval")
	require.Empty(t, found(waiting, words))
	require.NotEmpty(t, payloads)

	w.Simulator.Advance(31 * time.Minute) // so that tokens are refreshed
	sc.run("approvals", "approve", about(t, pending, "company.create").ID.String())
	sc.run("approvals", "approve", about(t, pending, "contact.create").ID.String(), "--reason", "they said "+wordReason)
	sc.run("approvals", "edit", about(t, pending, "ticket.create").ID.String(), "--set", "subject="+wordEdit)
	sc.run("approvals", "reject", about(t, pending, "deal.create").ID.String(), "--reason", wordReason)
	f := sc.closed(1)

	// What is searched for was really there.
	require.Len(t, sc.records("contacts", "email")[wordEmail], 1)
	require.Len(t, sc.records("tickets", "subject")[wordEdit], 1)
	told := sc.read(f.MeetingID)
	require.Len(t, found(told, words), len(words), "commands tell an operator all of it")
	secrets := sc.secrets()
	values := browserSecrets
	for _, value := range secrets {
		values = append(values, value)
	}
	require.Empty(t, found(told, values))

	logs := sc.allLogs()
	require.Contains(t, logs, `"level":"debug"`)
	require.Contains(t, logs, f.MeetingID.String())
	require.Empty(t, found(logs, append(values, words...)))
	seen, payloads := sc.temporal()
	require.Contains(t, seen, f.MeetingID.String())
	require.Empty(t, found(seen, append(values, words...)))
	tables := sc.database()
	require.Contains(t, tables["meetings"], f.MeetingID.String())
	for table, rows := range tables {
		require.Empty(t, found(rows, append(values, words...)), "table %s", table)
	}

	// Others may be of a workflow about one of HubSpot's events.
	var sealed *commonpb.Payload
	for _, p := range payloads {
		if string(p.Metadata["encoding"]) == codec.Encoding && strings.Contains(sc.decode(browser, p), f.MeetingID.String()) {
			sealed = p
			break
		}
	}
	require.NotNil(t, sealed)

	sc.run("meetings", "erase", f.MeetingID.String())
	require.Empty(t, found(sc.read(f.MeetingID), words))
	// A process may have the key in memory, for five minutes at most.
	require.NoError(t, w.Serve().Stop(20*time.Second))
	require.NoError(t, w.StartServe(sc.ctx))
	require.JSONEq(t, `{"debrief":"erased"}`, sc.decode(browser, sealed))
}
