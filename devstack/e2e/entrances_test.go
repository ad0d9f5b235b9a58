package e2e

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/notify/slacktest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/workflows"
)

// Whatever comes in by whatever entrance, at once and in any order, around the
// moment at which a tool is denied: from that moment on no call of the tool is
// begun, and every record that HubSpot has of it belongs to a call that was begun
// before. Each try is another draw of which tools are denied, when, and who
// answers what by which entrance; its seed is in the name.
func TestADeniedToolReachesHubSpotByNoEntrance(t *testing.T) {
	t.Parallel()
	slack := slacktest.New()
	t.Cleanup(slack.Close)
	w := own(t, devstack.Options{NoUI: true, Env: []string{"DEBRIEF_SLACK_API_URL=" + slack.APIURL()}})
	e := newEntrances(t, w, slack)
	tries := 4
	if os.Getenv("DEBRIEF_ENTRANCE_TRIES") != "" {
		_, err := fmt.Sscan(os.Getenv("DEBRIEF_ENTRANCE_TRIES"), &tries)
		require.NoError(t, err)
	}
	used := map[string]int{}
	for try := range tries {
		seed := rand.Uint64()
		if s := os.Getenv("DEBRIEF_ENTRANCE_SEED"); s != "" {
			_, err := fmt.Sscan(s, &seed)
			require.NoError(t, err)
		}
		t.Logf("try %d: DEBRIEF_ENTRANCE_SEED=%d", try, seed)
		e.try(rand.New(rand.NewPCG(seed, 0)), try, used) //nolint:gosec // a test's draw
	}
	for _, name := range e.names() {
		require.NotZero(t, used[name], "the entrance %q was never used", name)
	}
}

// entrances are all ways to answer a question.
type entrances struct {
	*scene

	slack    *slacktest.Server
	user     string // Mara's in Slack
	browser  *http.Client
	temporal client.Client
	ways     []entrance
}

// entrance tries to get one question approved, and doesn't care what is said.
type entrance struct {
	name string
	try  func(ctx context.Context, p store.Approval, event map[string]any)
}

func newEntrances(t *testing.T, w *world, slack *slacktest.Server) *entrances {
	t.Helper()
	sc := w.scene(t)
	e := &entrances{scene: sc, slack: slack, user: "U0MARA", browser: &http.Client{
		Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	o, err := w.store.Organization(sc.ctx, sc.org)
	require.NoError(t, err)
	o.Settings.TemporalDecisions = true
	require.NoError(t, w.store.UpdateSettings(sc.ctx, sc.org, o.Domains, o.Settings, store.Operator))
	mara, err := w.store.AddPerson(sc.ctx, store.Person{
		OrganizationID: sc.org, Name: "Mara Lindqvist", Role: store.RoleAdmin,
		Identities: []store.Identity{{Kind: store.IdentityEmail, Value: "mara@brightwater.example"}},
	}, store.Operator)
	require.NoError(t, err)
	slack.AddUser(slacktest.User{ID: e.user, Email: "mara@brightwater.example"})
	require.NoError(t, w.store.ConnectSlack(sc.ctx, store.SlackApp{
		OrganizationID: sc.org, TeamID: slack.TeamID, AppID: slack.AppID, BotUserID: "U0BOT",
		BotToken: store.Secret(slack.Token), SigningSecret: store.Secret(slack.SigningSecret),
	}, store.Operator))
	require.NoError(t, w.store.AddIdentity(sc.ctx, sc.org, mara.ID, store.Identity{Kind: store.IdentitySlackUser, Value: e.user}, store.Operator))

	token, err := w.store.CreateSignInLink(sc.ctx, store.SignedIn{OrganizationID: &sc.org, PersonID: &mara.ID})
	require.NoError(t, err)
	session, _, err := w.store.SignIn(sc.ctx, token)
	require.NoError(t, err)
	e.temporal, err = client.DialContext(sc.ctx, client.Options{HostPort: w.Temporal.FrontendAddr(), Namespace: devstack.Namespace})
	require.NoError(t, err)
	t.Cleanup(e.temporal.Close)

	page := func(ctx context.Context, method, path string, form url.Values) {
		request, err := http.NewRequestWithContext(ctx, method, w.PublicURL()+path, strings.NewReader(form.Encode()))
		if err != nil {
			return
		}
		request.AddCookie(&http.Cookie{Name: "debrief_session", Value: session.Reveal()})
		if method == http.MethodPost {
			request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			request.Header.Set("Origin", w.PublicURL())
		}
		if response, err := e.browser.Do(request); err == nil {
			_, _ = io.Copy(io.Discard, response.Body)
			_ = response.Body.Close()
		}
	}
	decision := func(p store.Approval) workflows.DecideInput {
		return workflows.DecideInput{Approval: p.ID, Verdict: store.Approve, Name: "Mara"}
	}
	e.ways = []entrance{
		{"web page", func(ctx context.Context, p store.Approval, _ map[string]any) {
			page(ctx, http.MethodPost, fmt.Sprintf("/inbox/%s/question/%s", p.Action.Origin.ID, p.ID), url.Values{"verdict": {"approve"}})
		}},
		{"web page, all", func(ctx context.Context, p store.Approval, _ map[string]any) {
			page(ctx, http.MethodPost, fmt.Sprintf("/inbox/%s/all", p.Action.Origin.ID), url.Values{"approval": {p.ID.String()}})
		}},
		{"web page, edit", func(ctx context.Context, p store.Approval, _ map[string]any) {
			form := url.Values{"verdict": {"edit"}}
			for name, value := range p.Action.Content.Properties {
				form.Set("v."+name, value)
				form.Set("was.v."+name, value+" ")
				break
			}
			page(ctx, http.MethodPost, fmt.Sprintf("/inbox/%s/question/%s", p.Action.Origin.ID, p.ID), form)
		}},
		{"e-mail link", func(ctx context.Context, p store.Approval, _ map[string]any) {
			page(ctx, http.MethodGet, "/inbox/"+p.Action.Origin.ID.String(), nil)
			page(ctx, http.MethodHead, "/inbox/"+p.Action.Origin.ID.String(), nil)
		}},
		{"slack", func(_ context.Context, p store.Approval, _ map[string]any) {
			message := slacktest.Message{Channel: slacktest.Conversation(e.user), TS: "1.000001", Raw: "[]"}
			for _, m := range slack.Cards(e.user) {
				if strings.Contains(m.Raw, p.ID.String()) {
					message = m
				}
			}
			_, _ = slack.Send(w.PublicURL()+"/slack/interactions", slack.Click(e.user, message, "approve", p.ID.String()))
		}},
		{"command line", func(ctx context.Context, p store.Approval, _ map[string]any) {
			_, _ = sc.Run(ctx, "approvals", "approve", p.ID.String())
		}},
		{"temporal ui, update", func(ctx context.Context, p store.Approval, _ map[string]any) {
			ctx, cancel := context.WithTimeout(ctx, 3*time.Second) // the worker may be away
			defer cancel()
			handle, err := e.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
				WorkflowID: workflows.FollowUpID(p.Action.Origin.ID), UpdateName: workflows.UpdateDecide, Args: []any{decision(p)},
				WaitForStage: client.WorkflowUpdateStageCompleted,
			})
			if err == nil {
				_ = handle.Get(ctx, nil)
			}
		}},
		{"temporal ui, signal", func(ctx context.Context, p store.Approval, _ map[string]any) {
			_ = e.temporal.SignalWorkflow(ctx, workflows.FollowUpID(p.Action.Origin.ID), "", workflows.SignalDecide, decision(p))
		}},
		{"replay", func(_ context.Context, p store.Approval, event map[string]any) {
			sc.post("again-"+p.ID.String(), event)
		}},
	}
	return e
}

func (e *entrances) names() []string {
	names := make([]string, 0, len(e.ways))
	for _, w := range e.ways {
		names = append(names, w.name)
	}
	return names
}

// meant are the tools that a try is about, and where HubSpot would have got it.
var meant = []policy.Tool{{Object: "deal", Operation: policy.Create}, {Object: "ticket", Operation: policy.Create}, {Object: "contact", Operation: policy.Create}}

func (e *entrances) try(r *rand.Rand, n int, used map[string]int) {
	e.t.Helper()
	event := unheardOf(n)
	denied := meant[r.IntN(len(meant))]
	before := r.IntN(4) == 0 // denied before anything is planned
	if before {
		e.run("tools", "set", "deny", denied.String())
	}
	deniedAt := e.databaseNow()
	e.post(fmt.Sprintf("entrances-%d", n), event)
	want := 4 // company, contact, deal, ticket
	if before {
		want = 3
	}
	pending := e.asked(want)
	require.NotContains(e.t, toolsOf(pending), map[bool]policy.Tool{true: denied}[before])

	// Everybody answers everything, in any order and at once; somewhere among them
	// the tool is denied.
	type step func()
	var steps []step
	for _, p := range pending {
		for _, w := range e.ways {
			if r.IntN(3) == 0 {
				continue
			}
			used[w.name]++
			steps = append(steps, func() { w.try(e.ctx, p, event) })
		}
	}
	var at time.Time
	deny := func() {
		require.NoError(e.t, e.world.store.SetPermission(e.ctx, e.org, denied, policy.Deny, store.Operator))
		at = e.databaseNow()
	}
	// With the worker away, what was approved before the denial is still to be
	// written after it.
	away := r.IntN(2) == 0
	if away {
		require.NoError(e.t, e.world.Worker().Kill())
	}
	r.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
	middle := r.IntN(len(steps) + 1)
	for len(steps) > 0 {
		var together sync.WaitGroup
		size := min(1+r.IntN(6), len(steps))
		if middle >= 0 && middle < size && !before {
			together.Go(deny)
			middle = -1
		} else {
			middle -= size
		}
		for _, s := range steps[:size] {
			together.Go(s)
		}
		together.Wait()
		steps = steps[size:]
	}
	if !before {
		if at.IsZero() {
			deny()
		}
		deniedAt = at
	}
	if away {
		require.NoError(e.t, e.world.StartWorker(e.ctx))
	}
	e.settled()
	e.noCallAfter(denied, deniedAt)
	// The next try begins as this one did.
	require.NoError(e.t, e.world.store.SetPermission(e.ctx, e.org, denied, policy.Ask, store.Operator))
}

// unheardOf is a call with somebody, about a deal and a ticket, that HubSpot does
// not know yet.
func unheardOf(n int) map[string]any {
	event := call(fmt.Sprintf("entrances-%d-%s", n, uuid.NewString()))
	data := event["data"].(map[string]any)
	data["attendees"].([]map[string]any)[2]["email"] = fmt.Sprintf("priya@tidewell-%d.example", n)
	proposed := data["proposed_actions"].([]map[string]any)
	proposed[0]["properties"].(map[string]any)["dealname"] = fmt.Sprintf("Harrow Mills: rollout %d", n)
	proposed[1]["properties"].(map[string]any)["subject"] = fmt.Sprintf("SSO login loops %d", n)
	delete(proposed[0], "evidence") // of other names
	delete(proposed[1], "evidence")
	return event
}

func toolsOf(pending []store.Approval) []policy.Tool {
	tools := make([]policy.Tool, 0, len(pending))
	for _, p := range pending {
		tools = append(tools, p.Action.Tool)
	}
	return tools
}

// settled waits until nothing is pending or under way: what nobody answered is
// rejected.
func (e *entrances) settled() {
	e.t.Helper()
	e.eventually("everything to be settled", func() bool {
		pending, err := e.Approvals(e.ctx, "pending")
		require.NoError(e.t, err)
		for _, p := range pending {
			_, _ = e.world.store.Decide(e.ctx, store.Decision{OrganizationID: e.org, ApprovalID: p.ID, Verdict: store.Reject, Actor: store.Operator, Via: store.ViaCommandLine})
		}
		all, err := e.FollowUps(e.ctx)
		require.NoError(e.t, err)
		for _, f := range all {
			if f.State != "closed" {
				return false
			}
		}
		return len(pending) == 0
	})
}

func (e *entrances) databaseNow() time.Time {
	e.t.Helper()
	var now time.Time
	e.query(`select clock_timestamp()`, &now)
	return now
}

func (e *entrances) query(sql string, to any, args ...any) {
	e.t.Helper()
	conn, err := pgx.Connect(e.ctx, e.world.DatabaseURL())
	require.NoError(e.t, err)
	defer func() { _ = conn.Close(context.WithoutCancel(e.ctx)) }()
	require.NoError(e.t, conn.QueryRow(e.ctx, sql, args...).Scan(to))
}

// noCallAfter requires that no call of a tool was begun once its denial had been
// committed, and that HubSpot has no record of the tool but those that the trail
// tells of.
func (e *entrances) noCallAfter(tool policy.Tool, at time.Time) {
	e.t.Helper()
	var late, told int
	e.query(`select count(*) from audit where organization_id = $1 and kind = 'call' and tool = $2 and outcome <> 'refused' and at > $3`, &late, e.org, tool.String(), at)
	require.Zero(e.t, late, "%s was called after it was denied", tool)
	e.query(`select count(*) from audit where organization_id = $1 and kind = 'call' and tool = $2 and outcome = 'done' and value_macs <> '{}'`, &told, e.org, tool.String())
	written := 0
	for _, w := range e.world.Simulator.Writes() {
		if w.HubID == e.HubID && w.Operation == string(tool.Operation) && strings.TrimSuffix(w.ObjectType, "s") == tool.Object {
			written++
		}
	}
	require.Equal(e.t, told, written, "HubSpot has a %s that no call in the trail made", tool.Object)
}
