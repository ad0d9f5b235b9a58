package temporaldev

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/debriefhq/debrief/internal/pgserver"
)

const (
	codecEndpoint = "http://127.0.0.1:1/codec" // never called by the server
	stateKey      = "TestState"
)

// shared is the one server of the tests that only read or bring a namespace
// of their own.
var shared *Server

func TestMain(m *testing.M) {
	os.Exit(func() int {
		server, err := Start(context.Background(), Options{
			SearchAttributes: map[string]enumspb.IndexedValueType{stateKey: enumspb.INDEXED_VALUE_TYPE_KEYWORD},
			UI: &UIOptions{DefaultNamespace: "first", Codec: CodecOptions{
				Endpoint: codecEndpoint, IncludeCredentials: true, ErrorMessage: "sign in first", ErrorLink: "http://127.0.0.1:1/",
			}},
		})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer server.Stop()
		shared = server
		return m.Run()
	}())
}

func dial(t *testing.T, server *Server, namespace string) client.Client {
	t.Helper()
	c, err := client.DialContext(t.Context(), client.Options{HostPort: server.FrontendAddr(), Namespace: namespace, Logger: quiet{}})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c
}

func newNamespace(t *testing.T, server *Server) string {
	t.Helper()
	name := "test-" + uuid.NewString()
	require.NoError(t, server.CreateNamespace(t.Context(), name))
	return name
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

// askWorkflow waits for the update "approve" or the signal "stop" and returns
// what it got.
func askWorkflow(ctx workflow.Context) (string, error) {
	key := temporal.NewSearchAttributeKeyKeyword(stateKey)
	if err := workflow.UpsertTypedSearchAttributes(ctx, key.ValueSet("waiting")); err != nil {
		return "", err
	}
	var answer string
	err := workflow.SetUpdateHandlerWithOptions(ctx, "approve", func(_ workflow.Context, by string) (string, error) {
		answer = by
		return "thanks, " + by, nil
	}, workflow.UpdateHandlerOptions{Validator: func(by string) error {
		if by == "" {
			return temporal.NewApplicationError("a name is needed", "Invalid")
		}
		return nil
	}})
	if err != nil {
		return "", err
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		workflow.GetSignalChannel(ctx, "stop").Receive(ctx, &answer)
	})
	err = workflow.Await(ctx, func() bool { return answer != "" && workflow.AllHandlersFinished(ctx) })
	return answer, err
}

func startAsking(t *testing.T, c client.Client) client.WorkflowRun {
	t.Helper()
	w := worker.New(c, "ask", worker.Options{})
	w.RegisterWorkflowWithOptions(askWorkflow, workflow.RegisterOptions{Name: "ask"})
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: "ask"}, "ask")
	require.NoError(t, err)
	return run
}

func TestWorkflowsAndSearchAttributes(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, shared)
	require.NoError(t, shared.CreateNamespace(t.Context(), namespace), "again")
	c := dial(t, shared, namespace)
	run := startAsking(t, c)

	require.Eventually(t, func() bool {
		list, err := c.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{
			Query: stateKey + " = 'waiting'",
		})
		return err == nil && len(list.GetExecutions()) == 1
	}, 20*time.Second, 10*time.Millisecond)

	handle, err := c.UpdateWorkflow(within(t, 20*time.Second), client.UpdateWorkflowOptions{
		WorkflowID: run.GetID(), UpdateName: "approve", Args: []any{"Ada"}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	require.NoError(t, err)
	var reply, result string
	require.NoError(t, handle.Get(t.Context(), &reply))
	require.Equal(t, "thanks, Ada", reply)
	require.NoError(t, run.Get(within(t, 20*time.Second), &result))
	require.Equal(t, "Ada", result)
}

func TestDynamicConfig(t *testing.T) {
	t.Parallel()
	got := map[string]any{}
	for key, value := range dynamicConfig() {
		got[key.String()] = value
	}
	// As the server spells them: lower case.
	require.Equal(t, map[string]any{
		"history.transferprocessormaxpollrps":                    2000,
		"history.timerprocessormaxpollrps":                       2000,
		"history.visibilityprocessormaxpollrps":                  2000,
		"system.enableactivityeagerexecution":                    true,
		"matching.numtaskqueuereadpartitions":                    1,
		"matching.numtaskqueuewritepartitions":                   1,
		"matching.enablefairness":                                true,
		"system.forcesearchattributescacherefreshonread":         true,
		"frontend.namespacerps.visibility":                       1000,
		"frontend.namespacerps.namespacereplicationinducingapis": 100,
		"frontend.enableserverversioncheck":                      false,
	}, got)
}

func TestStateSurvivesARestart(t *testing.T) {
	t.Parallel()
	postgres, err := pgserver.Start(t.Context(), pgserver.Options{Fast: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = postgres.Stop() })
	for name, where := range map[string]Options{
		"SQLite":     {Dir: filepath.Join(t.TempDir(), "temporal")},
		"PostgreSQL": {Postgres: postgres.URL("postgres")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			survivesARestart(t, where)
		})
	}
}

func survivesARestart(t *testing.T, opts Options) {
	t.Helper()
	opts.Namespaces = []string{"kept"}
	opts.SearchAttributes = map[string]enumspb.IndexedValueType{stateKey: enumspb.INDEXED_VALUE_TYPE_KEYWORD}
	first, err := Start(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = first.Stop() })
	run, err := dial(t, first, "kept").ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: "v1:kept", TaskQueue: "ask",
		TypedSearchAttributes: temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyKeyword(stateKey).ValueSet("new")),
	}, "ask")
	require.NoError(t, err)
	require.NoError(t, first.Stop())
	require.NoError(t, first.Stop(), "a second time")

	// A later version may want another attribute; ports may differ.
	opts.SearchAttributes["TestMore"] = enumspb.INDEXED_VALUE_TYPE_BOOL
	second, err := Start(t.Context(), opts)
	require.NoError(t, err)
	t.Cleanup(func() { _ = second.Stop() })
	c := dial(t, second, "kept")
	found, err := c.DescribeWorkflowExecution(t.Context(), "v1:kept", "")
	require.NoError(t, err)
	require.Equal(t, run.GetRunID(), found.GetWorkflowExecutionInfo().GetExecution().GetRunId())
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, found.GetWorkflowExecutionInfo().GetStatus())

	_, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: "v1:more", TaskQueue: "ask",
		TypedSearchAttributes: temporal.NewSearchAttributes(temporal.NewSearchAttributeKeyBool("TestMore").ValueSet(true)),
	}, "ask")
	require.NoError(t, err)
	require.NoError(t, second.Stop())
}

func TestDownAndUp(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		dir  string
	}{
		{"in memory", ""},
		{"in a folder", filepath.Join(t.TempDir(), "temporal")},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server, err := Start(t.Context(), Options{Dir: tc.dir, Namespaces: []string{"default"}, UI: &UIOptions{}})
			require.NoError(t, err)
			t.Cleanup(func() { _ = server.Stop() })
			addr, page := server.FrontendAddr(), server.UIURL()
			c := dial(t, server, "default")
			_, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "before", TaskQueue: "ask"}, "ask")
			require.NoError(t, err)

			require.NoError(t, server.Down())
			require.NoError(t, server.Down(), "a second time")
			_, err = c.WorkflowService().DescribeNamespace(within(t, 500*time.Millisecond), &workflowservice.DescribeNamespaceRequest{Namespace: "default"})
			require.Error(t, err)

			require.NoError(t, server.Up(t.Context()))
			require.NoError(t, server.Up(t.Context()), "a second time")
			require.Equal(t, addr, server.FrontendAddr())
			require.Equal(t, page, server.UIURL())
			// The client that was connected before finds back by itself.
			require.Eventually(t, func() bool {
				_, err := c.DescribeWorkflowExecution(t.Context(), "before", "")
				return err == nil
			}, 20*time.Second, 10*time.Millisecond)
			_, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "after", TaskQueue: "ask"}, "ask")
			require.NoError(t, err)
		})
	}
}

func TestStopFromManyGoroutines(t *testing.T) {
	t.Parallel()
	server, err := Start(t.Context(), Options{UI: &UIOptions{}})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := server.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// The server and the UI would end the whole process instead.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	for name, opts := range map[string]Options{
		"frontend": {Port: port},
		"ui":       {UI: &UIOptions{Port: port}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Start(t.Context(), opts)
			require.ErrorContains(t, err, fmt.Sprintf("port %d is not free", port))
		})
	}
}

func TestUnfinishedAndForeignDatabases(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "temporal.db")
	require.NoError(t, os.WriteFile(file, []byte("cut off in the middle"), 0o600))
	server, err := Start(t.Context(), Options{Dir: dir})
	require.NoError(t, err, "an unfinished database is made anew")
	require.NoError(t, server.Stop())

	require.NoError(t, os.WriteFile(filepath.Join(dir, "schema-version"), []byte("temporal 0.1"), 0o600))
	_, err = Start(t.Context(), Options{Dir: dir})
	require.ErrorContains(t, err, "delete that folder")
}

func TestUISettings(t *testing.T) {
	t.Parallel()
	var settings struct {
		DefaultNamespace       string
		DisableNewsFetch       bool
		NotifyOnNewVersion     bool
		DisableWriteActions    bool
		WorkflowUpdateDisabled bool
		Codec                  struct {
			Endpoint, DefaultErrorMessage, DefaultErrorLink string
			IncludeCredentials, PassAccessToken             bool
		}
	}
	getJSON(t, http.DefaultClient, shared.UIURL()+"/api/v1/settings", &settings)
	require.Equal(t, "first", settings.DefaultNamespace)
	require.True(t, settings.DisableNewsFetch)
	require.False(t, settings.NotifyOnNewVersion)
	require.False(t, settings.DisableWriteActions)
	require.False(t, settings.WorkflowUpdateDisabled)
	require.Equal(t, codecEndpoint, settings.Codec.Endpoint)
	require.True(t, settings.Codec.IncludeCredentials)
	require.False(t, settings.Codec.PassAccessToken)
	require.Equal(t, "sign in first", settings.Codec.DefaultErrorMessage)

	var releases struct{ Releases map[string]string }
	getJSON(t, http.DefaultClient, shared.UIURL()+"/api/v1/releases", &releases)
	require.Empty(t, releases.Releases, "nobody outside is asked")

	response, err := http.Get(shared.UIURL() + "/namespaces/default/workflows")
	require.NoError(t, err)
	defer response.Body.Close()
	page, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	require.Contains(t, string(page), "<html")
}

// What a person does in the UI's forms, done as the page does it.
func TestActionsThroughTheUI(t *testing.T) {
	t.Parallel()
	namespace := newNamespace(t, shared)
	c := dial(t, shared, namespace)
	run := startAsking(t, c)

	jar, err := cookiejar.New(nil)
	require.NoError(t, err)
	browser := &http.Client{Jar: jar}
	getJSON(t, browser, shared.UIURL()+"/api/v1/settings", &struct{}{})
	base := shared.UIURL() + "/api/v1/namespaces/" + namespace + "/workflows/" + run.GetID()
	update := func(by string) map[string]any {
		return map[string]any{"request": map[string]any{"meta": map[string]any{}, "input": map[string]any{"args": payloads(by)}}}
	}

	status, _ := post(t, &http.Client{}, base+"/update/approve", "", update("Ada"))
	require.Equal(t, http.StatusBadRequest, status, "without the CSRF token")

	token := csrfToken(t, jar, shared.UIURL())
	status, body := post(t, browser, base+"/update/approve", token, update(""))
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, "a name is needed", "the validator's words reach the form")

	status, body = post(t, browser, base+"/update/approve", token, update("Ada"))
	require.Equal(t, http.StatusOK, status, body)
	require.Contains(t, body, `"success"`)
	var result string
	require.NoError(t, run.Get(within(t, 20*time.Second), &result))
	require.Equal(t, "Ada", result)

	again := startAsking(t, c)
	status, body = post(t, browser, shared.UIURL()+"/api/v1/namespaces/"+namespace+"/workflows/"+again.GetID()+"/signal/stop", token,
		map[string]any{"signalName": "stop", "input": payloads("Grace")})
	require.Equal(t, http.StatusOK, status, body)
	require.NoError(t, again.Get(within(t, 20*time.Second), &result))
	require.Equal(t, "Grace", result)
}

func TestUnknownNamespace(t *testing.T) {
	t.Parallel()
	c := dial(t, shared, "nowhere-"+uuid.NewString())
	_, err := c.ExecuteWorkflow(within(t, 5*time.Second), client.StartWorkflowOptions{TaskQueue: "ask"}, "ask")
	var notFound *serviceerror.NamespaceNotFound
	require.ErrorAs(t, err, &notFound)
}

func payloads(value string) map[string]any {
	data, _ := json.Marshal(value)
	return map[string]any{"payloads": []any{map[string]any{
		"metadata": map[string]any{"encoding": base64.StdEncoding.EncodeToString([]byte("json/plain"))},
		"data":     base64.StdEncoding.EncodeToString(data),
	}}}
}

func csrfToken(t *testing.T, jar http.CookieJar, page string) string {
	t.Helper()
	u, err := url.Parse(page)
	require.NoError(t, err)
	for _, cookie := range jar.Cookies(u) {
		if cookie.Name == "_csrf" {
			return cookie.Value
		}
	}
	t.Fatal("no _csrf cookie")
	return ""
}

func getJSON(t *testing.T, c *http.Client, url string, into any) {
	t.Helper()
	request, err := http.NewRequestWithContext(within(t, 20*time.Second), http.MethodGet, url, nil)
	require.NoError(t, err)
	response, err := c.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	require.Equal(t, http.StatusOK, response.StatusCode)
	require.NoError(t, json.NewDecoder(response.Body).Decode(into))
}

func post(t *testing.T, c *http.Client, url, token string, body any) (int, string) {
	t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(within(t, 20*time.Second), http.MethodPost, url, bytes.NewReader(raw))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("X-CSRF-Token", token)
	}
	response, err := c.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(answer)
}
