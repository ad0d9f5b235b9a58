package e2e

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/planner/model/modeltest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/webhooks"
	"github.com/debriefhq/debrief/workflows"
)

// recording is a run, from a delivery to what stands in HubSpot, with a language model
// whose every answer is scripted. It is told as a page.
type recording struct {
	*scene

	page    page
	model   *modeltest.Server
	replies []modeltest.Reply
	url     string
	// secrets are the run's: the model's key and the sources' secrets.
	secrets []string
}

const modelKey = "sk-of-a-recorded-run-Quillonfeather"

// thinking is how long the model takes at least, so that how long it took can be seen.
const thinking = 20 * time.Millisecond

// newRecording starts a run whose model gives these replies.
func newRecording(t *testing.T, replies ...modeltest.Reply) *recording {
	t.Helper()
	sc := shared.scene(t)
	script := modeltest.Script(replies...)
	server := &modeltest.Server{Answer: func(asked modeltest.Asked) modeltest.Reply {
		time.Sleep(thinking)
		return script.Answer(asked)
	}}
	return &recording{scene: sc, model: server, replies: replies, url: server.Start(t), secrets: []string{modelKey, "Quillonfeather", sc.SourceSecret, sc.ZoomSecret}}
}

// file is a file of the run's test data.
func file(t *testing.T, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "runs", name))
	require.NoError(t, err)
	return raw
}

// inFile puts a secret where commands read it from.
func (r *recording) inFile(secret string) string {
	r.t.Helper()
	path := filepath.Join(r.t.TempDir(), "secret")
	require.NoError(r.t, os.WriteFile(path, []byte(secret), 0o600))
	return path
}

// fathom adds a Fathom source by the commands, and returns its URL and secret.
func (r *recording) fathom() (address, secret string) {
	r.t.Helper()
	secret, err := webhooks.NewStandardSecret()
	require.NoError(r.t, err)
	r.secrets = append(r.secrets, strings.TrimPrefix(secret, "whsec_"))
	out := r.command("sources", "add", "fathom", "--secret-file", r.inFile(secret))
	address = regexp.MustCompile(`http://\S+/webhooks/\S+`).FindString(out)
	require.NotEmpty(r.t, address, out)
	return address, secret
}

// deliver posts a delivery of Fathom's, and returns what Debrief says of it.
func (r *recording) deliver(address, secret, id string, body []byte) string {
	r.t.Helper()
	now := time.Now()
	signature, err := webhooks.SignStandard(secret, id, now, body)
	require.NoError(r.t, err)
	got := r.ask(address, body, map[string]string{
		"Content-Type": "application/json", "webhook-id": id, "webhook-timestamp": strconv.FormatInt(now.Unix(), 10), "webhook-signature": signature,
	})
	require.Equal(r.t, http.StatusOK, got.status, got.body)
	return got.said(r.t).Status
}

// heard waits until the model was heard, or given up, about the only meeting.
func (r *recording) heard(meeting uuid.UUID) store.ModelAnswer {
	r.t.Helper()
	var as store.ModelAnswer
	r.eventually("the model's answer", func() bool {
		var content json.RawMessage
		var err error
		as, err = r.world.store.ModelAnswer(r.ctx, r.org, meeting, 0, &content)
		return err == nil
	})
	return as
}

// planned waits for the plan of the only meeting: nothing is left but questions.
func (r *recording) planned(questions int) devstack.FollowUp {
	r.t.Helper()
	r.asked(questions)
	var f devstack.FollowUp
	r.eventually("what is allowed to be written", func() bool {
		f = r.followUp()
		return f.Round == 1 && !slices.ContainsFunc(f.Actions, func(a store.Action) bool {
			return a.State == store.ActionReady || a.State == store.ActionWriting
		})
	})
	return f
}

// calls are the calls of the model about a meeting, the newest first.
func (r *recording) modelCalls(meeting uuid.UUID) []store.ModelCall {
	r.t.Helper()
	var calls []store.ModelCall
	require.NoError(r.t, r.JSON(r.ctx, &calls, "model", "calls", "--meeting", meeting.String()))
	return calls
}

// outcomes of calls, the first first.
func outcomes(calls []store.ModelCall) []string {
	var all []string
	for _, c := range slices.Backward(calls) {
		all = append(all, c.Outcome)
	}
	return all
}

// leftOut lists what the trail says of proposals that are not in the plan.
func (r *recording) leftOut(meeting uuid.UUID) []string {
	r.t.Helper()
	var trail []store.AuditEntry
	require.NoError(r.t, r.JSON(r.ctx, &trail, "audit", "list", "--meeting", meeting.String(), "--kind", "plan", "--limit", "1000"))
	var all []string
	for _, e := range trail {
		if why, ok := strings.CutPrefix(e.Reason, "left out: "); ok {
			all = append(all, fmt.Sprintf("%s proposed %s: %s", strings.TrimPrefix(e.Actor.Name, "planner "), toolOf(e), why))
		}
	}
	slices.Sort(all)
	return all
}

func toolOf(e store.AuditEntry) string {
	if e.Tool == (policy.Tool{}) {
		return "something"
	}
	return e.Tool.String()
}

// meetingPage is the meeting's page as a person with a browser gets it.
func (r *recording) meetingPage(meeting uuid.UUID) string {
	r.t.Helper()
	browser, _ := r.signIn()
	request, err := http.NewRequestWithContext(r.ctx, http.MethodGet, r.world.PublicURL()+"/meetings/"+meeting.String(), nil)
	require.NoError(r.t, err)
	response, err := browser.Do(request)
	require.NoError(r.t, err)
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	require.NoError(r.t, err)
	require.Equal(r.t, http.StatusOK, response.StatusCode, string(body))
	return string(body)
}

// recapOf is the draft for the attendees on a meeting's page.
func recapOf(page string) string {
	if m := recapOnPage.FindStringSubmatch(page); m != nil {
		return strings.TrimSpace(html.UnescapeString(m[1]))
	}
	return ""
}

// replayed makes the plan again with HubSpot, Temporal and the model out of reach, and
// requires it to be the one that was planned.
func (r *recording) replayed(f devstack.FollowUp, outcome string) {
	r.t.Helper()
	before, asked := r.calls(), len(r.model.Asked())
	offline := []string{"plan", "replay", f.MeetingID.String(), "--hubspot-base-url", "http://127.0.0.1:9", "--temporal-address", "127.0.0.1:9"}
	var again struct {
		Actions []struct {
			Key      string
			Recorded bool
		}
		Model string
		Later bool
	}
	require.NoError(r.t, r.JSON(r.ctx, &again, offline...))
	require.Equal(r.t, outcome, again.Model)
	require.False(r.t, again.Later)
	require.Len(r.t, again.Actions, len(f.Actions))
	for i, a := range again.Actions {
		require.Equal(r.t, f.Actions[i].Key, a.Key, "the same plan, in the same order")
		require.True(r.t, a.Recorded, "%s is as it was planned", f.Actions[i].Content.Label)
	}
	r.page.block("console", r.steady("$ debrief "+strings.Join(offline, " ")+"\n"+inOrder(r.run(offline...), "\n")))
	require.Equal(r.t, before, r.calls(), "HubSpot was not asked")
	require.Len(r.t, r.model.Asked(), asked, "nor was the model")
}

// private says what nobody may find in Temporal: of the meeting, of what the model was
// asked and answered, and of whom the records are.
func (r *recording) private(meeting uuid.UUID) (said []string) {
	r.t.Helper()
	met, err := r.world.store.MeetingByID(r.ctx, r.org, meeting)
	require.NoError(r.t, err)
	content := met.Content
	said = append(said, content.Title, content.Summary.Text, content.NextSteps.Text)
	for _, a := range content.Attendees {
		said = append(said, a.Name, a.Email)
	}
	for _, item := range content.ActionItems {
		said = append(said, item.Text)
	}
	for _, s := range content.Transcript.Segments {
		said = append(said, s.Text)
	}
	return said
}

// ours are words that Debrief says itself in histories: the names of its steps, of
// HubSpot's objects and of fields. None of them tells anything of a meeting.
var ours = wordsOf(`meeting meetings deal contact company ticket task note create update from`)

// nothingInTemporal requires that no word of the meeting, no question to the model and
// no answer of it, and no key stands in any history. What is behind the seal has none
// either, but for the card: people read it in Temporal's UI, while they are asked.
func (r *recording) nothingInTemporal(f devstack.FollowUp) *told {
	r.t.Helper()
	r.eventually("the follow-up's runs to be over", func() bool {
		runs := r.runs(f.WorkflowID)
		return len(runs) > 0 && !slices.ContainsFunc(runs, func(e *workflow.WorkflowExecutionInfo) bool {
			return e.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING
		})
	})
	mine := []string{f.WorkflowID}
	deliveries, err := r.world.store.Deliveries(r.ctx, store.DeliveryFilter{OrganizationID: r.org})
	require.NoError(r.t, err)
	for _, d := range deliveries {
		mine = append(mine, workflows.DeliveryID(d.ID))
	}
	all := r.histories(mine...)
	require.True(r.t, all.clear[f.WorkflowID], "the follow-up is among what was read")
	for _, activity := range []string{"Consult", "Plan", "Write", "Look", "Card"} {
		require.NotZero(r.t, all.activities[activity], "%s is among what was read", activity)
	}
	said := r.private(f.MeetingID)
	words := wordsOf(said...)
	for word := range ours {
		delete(words, word)
	}
	require.Greater(r.t, len(words), 30, "there is something to look for")
	require.NotEmpty(r.t, all.sealed["Card"].said(words), "what is there is found")

	places := map[string]texts{"in clear": all.clear}
	for activity, sealed := range all.sealed {
		if activity != "Card" {
			places["sealed, of "+activity] = sealed
		}
	}
	for where, place := range places {
		require.Empty(r.t, place.said(words), "words of the meeting %s", where)
		require.Empty(r.t, place.quotes(said...), "of what was said %s", where)
		for i, asked := range r.model.Asked() {
			require.Empty(r.t, place.quotes(append([]string{asked.System}, asked.Turns...)...), "of question %d %s", i, where)
		}
		for i, reply := range r.replies {
			require.Empty(r.t, place.quotes(reply.Text, reply.Body), "of answer %d %s", i, where)
		}
	}
	require.Empty(r.t, all.others.quotes(said...), "of what was said, in what is about something else")
	require.Empty(r.t, all.holds(r.secrets...))
	require.Empty(r.t, found(r.world.logs.String(), r.secrets))
	return all
}

// tellTheModel tells what the model was asked, and what it answered.
func (r *recording) tellTheModel() {
	r.t.Helper()
	for i, asked := range r.model.Asked() {
		require.Equal(r.t, modelKey, asked.Key)
		reply := r.replies[min(i, len(r.replies)-1)]
		r.page.say("### Call %d", i+1)
		require.NotEmpty(r.t, asked.Schema)
		if i > 0 && asked.Body == r.model.Asked()[i-1].Body {
			r.page.say("The same again.")
		} else {
			r.page.block("", shape(asked))
		}
		r.page.say("%s", answered(reply))
		if reply.Text != "" {
			r.page.block("", reply.Text)
		}
	}
}

func (r *recording) tellLeftOut(reasons []string) {
	for _, reason := range reasons {
		fmt.Fprintf(&r.page.text, "- %s\n", reason)
	}
	r.page.text.WriteString("\n")
}

// decide answers a question by the commands.
func (r *recording) decide(verdict string, about store.Approval, args ...string) {
	r.t.Helper()
	r.run(append([]string{"approvals", verdict, about.ID.String()}, args...)...)
	fmt.Fprintf(&r.page.text, "- %s: %s, %s\n", map[string]string{"approve": "approved", "reject": "rejected"}[verdict], about.Action.Tool, about.Action.Content.Label)
}

// invalid is what a model says that forgets what it was asked for.
const invalid = "Certainly! Here is what I would change in your CRM: the deal is worth more now."

// A meeting from Fathom, with everything in one delivery. The model's endpoint asks
// for patience, breaks down, answers in prose, and then answers: rightly, but for a
// quotation that nobody said, a day that nobody named and a tool that is denied.
func TestRecordedFathom(t *testing.T) {
	t.Parallel()
	body, answer := file(t, "fathom/delivery.json"), file(t, "fathom/answer.json")
	r := newRecording(t,
		modeltest.Reply{Status: http.StatusTooManyRequests, RetryAfter: 1, Body: `{"error":{"message":"` + wordReason + `"}}`},
		modeltest.Reply{Status: http.StatusInternalServerError, Body: `{"error":{"message":"` + wordReason + `"}}`},
		modeltest.Reply{Text: invalid, In: 2_900, Out: 20},
		modeltest.Reply{Text: string(answer), In: 3_000, Out: 500},
	)
	r.page.say("# A recorded run: Fathom")
	r.page.say("The real `debrief` with its own PostgreSQL and Temporal, HubSpot simulated, and a scripted endpoint that speaks OpenAI's chat completions. `make runs` runs it and writes this page; every test run compares itself with it.")

	r.page.say("## What an admin sets up")
	r.page.say("HubSpot is connected, and the permissions are those of the preset *recommended*: meetings, notes and tasks are logged, everything else is asked about.")
	address, secret := r.fathom()
	r.command("model", "set", "--kind", "openai", "--endpoint", r.url+"/v1", "--name", "listener-1", "--key-file", r.inFile(modelKey),
		"--input-price", "2", "--output-price", "8", "--on", "fathom")
	r.command("model", "show")
	r.command("playbooks", "set", "rollout", "--text", "A rollout has an amount and a day on which it begins.")
	r.command("tools", "set", "deny", "deal.create")

	r.page.say("## What Fathom delivers")
	require.Equal(t, "accepted", r.deliver(address, secret, "msg_recorded", body))
	r.page.say("Signed as Standard Webhooks are, and accepted:")
	r.page.block("json", string(body))

	f := r.planned(4)
	r.page.say("## What the model is asked")
	r.page.say("Words are left out here, and counted.")
	require.Equal(t, store.ModelAnswered, r.heard(f.MeetingID).Outcome)
	asked := r.model.Asked()
	require.Len(t, asked, 4)
	for _, a := range asked {
		require.Equal(t, "openai", a.Kind)
		require.Contains(t, a.System, "A rollout has an amount")
		require.NotContains(t, a.Last()+a.Turns[0], "deal.create", "a tool that is denied is not offered")
		require.NotContains(t, a.Body, "@", "no address is sent")
	}
	require.Len(t, asked[2].Turns, 1, "a call that failed is made again as it was")
	require.Equal(t, []string{asked[0].Turns[0], invalid}, asked[3].Turns[:2], "an answer that can't be used is shown to the model, with why")
	r.tellTheModel()

	r.page.say("## The plan")
	r.page.table(planned(f.Actions))
	r.page.say("What was proposed and is not in it, as the trail has it:")
	left := r.leftOut(f.MeetingID)
	require.Contains(t, left, "model proposed deal.update: what it quotes was not said in the meeting", "the stage that it invented")
	require.Contains(t, left, "model proposed something: it names what the model was not offered", "the tool that is denied")
	r.tellLeftOut(left)
	for _, a := range f.Actions {
		require.NotContains(t, a.Content.Properties, "dealstage")
		require.NotEqual(t, "deal.create", a.Tool.String())
		if a.Tool.Object == "task" {
			require.Equal(t, "2026-11-25T17:00:00.000Z", a.Content.Properties["hs_timestamp"], "by Wednesday")
		}
	}

	r.page.say("## The questions, and what is answered")
	r.page.block("", inOrder(r.steady(r.run("approvals", "list")), "\n\n"))
	pending := r.asked(4)
	with := func(property string) store.Approval {
		i := slices.IndexFunc(pending, func(p store.Approval) bool { _, ok := p.Action.Content.Properties[property]; return ok })
		require.GreaterOrEqual(t, i, 0, "a question about %s", property)
		return pending[i]
	}
	amount, day := with("amount"), with("closedate")
	require.Equal(t, "36000", amount.Action.Content.Properties["amount"])
	require.Empty(t, amount.Action.Content.Doubt)
	require.Contains(t, amount.Action.Content.Evidence[0].Quote, "Thirty-six thousand euros it is")
	require.Equal(t, "Ines Castell", amount.Action.Content.Evidence[0].Speaker)
	require.Equal(t, 333, amount.Action.Content.Evidence[0].OffsetSeconds)
	require.Contains(t, day.Action.Content.Doubt, "loosely")
	require.Equal(t, "Director of Operations", with("jobtitle").Action.Content.Properties["jobtitle"])
	before := counted(r.writes())
	require.Equal(t, map[string]int{"meetings create": 1, "notes create": 1, "tasks create": 1}, before, "what is allowed, and nothing else")
	r.decide("approve", amount)
	r.decide("reject", day, "--reason", "she did not say when")
	r.decide("approve", with("jobtitle"))
	r.decide("approve", with("subject"))
	r.page.text.WriteString("\n")
	f = r.closed(1)

	r.page.say("## What is written to HubSpot")
	want := map[string]int{"meetings create": 1, "notes create": 1, "tasks create": 1, "deals update": 1, "contacts update": 1, "tickets create": 1}
	require.Equal(t, want, counted(r.writes()))
	require.Equal(t, "36000", r.records("deals", "dealname")["Harrow Mills: reporting"][0].Properties["amount"])
	require.Equal(t, "qualifiedtobuy", r.records("deals", "dealname")["Harrow Mills: reporting"][0].Properties["dealstage"])
	require.Equal(t, "Director of Operations", r.records("contacts", "email")["ines@harrowmills.example"][0].Properties["jobtitle"])
	r.page.block("", strings.Join(r.written(), "\n"))
	require.Equal(t, "duplicate", r.deliver(address, secret, "msg_recorded", body))
	require.Equal(t, want, counted(r.writes()))
	r.page.say("Delivered once more, it is a duplicate, and nothing is written.")

	r.tellTheRest(f, []string{"rate_limited", "unavailable", store.ModelAnswered, store.ModelAnswered}, "0.01596", "fathom.md",
		"- Harrow Mills takes the reporting for all four mills.\n- Mara sends the contract by Wednesday.")
}

// A meeting from Zoom, event by event, of which Zoom tells the summary and not the
// words. The model is silent, its endpoint overloaded, its answer prose, and at last a
// good one, but for an amount with its digits turned around, a day that nobody named,
// and a role that is somebody else's. Deals and tickets are allowed.
func TestRecordedZoom(t *testing.T) {
	t.Parallel()
	answer := file(t, "zoom/answer.json")
	r := newRecording(t,
		modeltest.Reply{Silent: true},
		modeltest.Reply{Status: http.StatusTooManyRequests, RetryAfter: 2, Body: `{"type":"error","error":{"type":"rate_limit_error","message":"` + wordReason + `"}}`},
		modeltest.Reply{Text: invalid, In: 2_400, Out: 20},
		modeltest.Reply{Text: string(answer), In: 2_500, Out: 400},
	)
	r.page.say("# A recorded run: Zoom")
	r.page.say("The real `debrief` with its own PostgreSQL and Temporal, HubSpot simulated, and a scripted endpoint that speaks Anthropic's messages. `make runs` runs it and writes this page; every test run compares itself with it.")

	r.page.say("## What an admin sets up")
	r.page.say("HubSpot is connected, a source of Zoom's is there, and the permissions are those of the preset *recommended*, with deals and tickets allowed.")
	r.command("tools", "set", "allow", "deal.update", "ticket.create")
	r.command("model", "set", "--kind", "anthropic", "--endpoint", r.url, "--name", "listener-2", "--key-file", r.inFile(modelKey),
		"--input-price", "3", "--output-price", "15", "--on", "zoom")
	r.command("model", "show")

	r.page.say("## What Zoom delivers")
	events, err := filepath.Glob(filepath.Join("testdata", "runs", "zoom", "*-*.json"))
	require.NoError(t, err)
	require.Len(t, events, 6)
	r.page.say("Six events, each signed as Zoom does, each accepted:")
	for i, path := range events {
		body := file(t, filepath.Join("zoom", filepath.Base(path)))
		status, err := r.PostZoom(r.ctx, body)
		require.NoError(t, err)
		require.Equal(t, http.StatusOK, status)
		r.page.block("json", string(body))
		// The next one finds the meeting as it is by then, as when it takes place.
		r.eventually("the event to be understood", func() bool {
			understood, err := r.world.store.Deliveries(r.ctx, store.DeliveryFilter{OrganizationID: r.org, State: store.DeliveryUnderstood})
			require.NoError(t, err)
			return len(understood) == i+1
		})
	}

	f := r.planned(1)
	r.page.say("## What the model is asked")
	r.page.say("Words are left out here, and counted.")
	require.Equal(t, store.ModelAnswered, r.heard(f.MeetingID).Outcome)
	asked := r.model.Asked()
	require.Len(t, asked, 4)
	for _, a := range asked {
		require.Equal(t, "anthropic", a.Kind)
		require.NotContains(t, a.Body, "@", "no address is sent")
	}
	r.tellTheModel()

	r.page.say("## The plan")
	r.page.table(planned(f.Actions))
	r.page.say("What was proposed and is not in it, as the trail has it:")
	left := r.leftOut(f.MeetingID)
	require.Contains(t, left, "model proposed deal.update: what it quotes was not said in the meeting", "the day of the signature")
	r.tellLeftOut(left)

	r.page.say("## The questions, and what is answered")
	r.page.block("", inOrder(r.steady(r.run("approvals", "list")), "\n\n"))
	wrong := r.asked(1)[0]
	require.Equal(t, "Night shift supervisor", wrong.Action.Content.Properties["jobtitle"], "the words have it all, and mean another")
	r.decide("reject", wrong, "--reason", "she will name somebody else")
	r.page.text.WriteString("\n")
	f = r.closed(1)

	r.page.say("## What is written to HubSpot")
	require.Equal(t, "41500", r.records("deals", "dealname")["Harrow Mills: reporting"][0].Properties["amount"])
	r.page.block("", strings.Join(r.written(), "\n"))

	r.tellTheRest(f, []string{"slow", "rate_limited", store.ModelAnswered, store.ModelAnswered}, "", "zoom.md",
		"- Harrow Mills renews for two years.\n- Mara sends the renewal offer by Friday.")
}

// tellTheRest is what both runs end with: the recap, what the model cost, the plan made
// again, and what Temporal knows of it all.
func (r *recording) tellTheRest(f devstack.FollowUp, calls []string, total, name, recap string) {
	r.t.Helper()
	r.page.say("## The recap")
	r.page.say("The draft for the attendees, as the meeting's page shows it. Debrief never sends it, and leaves out what does not follow from the meeting's words.")
	shown := r.meetingPage(f.MeetingID)
	require.Equal(r.t, recap, recapOf(shown))
	require.NotContains(r.t, shown, "was not heard")
	r.page.block("", recapOf(shown))

	r.page.say("## What the model cost")
	made := r.modelCalls(f.MeetingID)
	require.Equal(r.t, calls, outcomes(made))
	var sum store.Micros
	for _, c := range made {
		require.GreaterOrEqual(r.t, c.Latency, thinking, "how long it took is known")
		require.NotEmpty(r.t, c.Digest)
		sum += c.Cost
		if c.Outcome == store.ModelAnswered {
			require.Positive(r.t, c.InputTokens)
			require.Positive(r.t, c.OutputTokens)
		}
	}
	require.Positive(r.t, sum)
	if total != "" {
		require.Equal(r.t, total, sum.String())
	}
	r.page.say("How long each call took is recorded, too.")
	r.page.table(cost(made))

	r.page.say("## The plan, made again from the record")
	r.page.say("With HubSpot, Temporal and the model out of reach:")
	r.replayed(f, store.ModelAnswered)

	all := r.nothingInTemporal(f)
	r.t.Logf("%d events of workflows %v with activities %v; %d texts in clear, %d ciphertexts", all.events, all.workflows, all.activities, len(all.clear), len(all.ciphertexts)/2)
	r.page.say("## What Temporal knows")
	r.page.say("The test has read every event of the histories of the run, decoded whatever can be decoded, opened what is sealed with Debrief's keys, and found neither a word of the meeting, nor four words in a row of a question to the model or of an answer, nor a key. There is one exception, and it is sealed: the card, which people may read in Temporal's UI while they are asked.")
	r.keep(name)
}

// Where the month's budget is used up, the plan is made without the model, and says so.
func TestABudgetThatIsUsedUp(t *testing.T) {
	t.Parallel()
	body := file(t, "fathom/delivery.json")
	r := newRecording(t, modeltest.Reply{Text: `{"actions":[],"recap":[]}`, In: 6_000, Out: 900})
	address, secret := r.fathom()
	r.run("model", "set", "--kind", "openai", "--endpoint", r.url+"/v1", "--name", "listener-1", "--key-file", r.inFile(modelKey), "--monthly-tokens", "16000", "--on", "fathom")
	require.Equal(t, "accepted", r.deliver(address, secret, "msg_first", body))
	r.eventually("the first meeting to be planned", func() bool { return r.followUp().Round == 1 })
	first := r.followUp()
	require.Equal(t, store.ModelAnswered, r.heard(first.MeetingID).Outcome)

	next := strings.NewReplacer("88120417", "88120555", "2026-11-19", "2026-11-26").Replace(string(body))
	require.Equal(t, "accepted", r.deliver(address, secret, "msg_second", []byte(next)))
	var second devstack.FollowUp
	r.eventually("the second meeting to be planned", func() bool {
		all, err := r.FollowUps(r.ctx)
		require.NoError(t, err)
		for _, f := range all {
			if f.MeetingID != first.MeetingID && f.Round == 1 {
				second = f
			}
		}
		return second.Round == 1
	})
	require.Len(t, r.model.Asked(), 1, "the model is not asked")
	require.Equal(t, "over_budget", r.heard(second.MeetingID).Outcome)
	tools := map[string]bool{}
	for _, a := range second.Actions {
		tools[a.Tool.String()] = true
	}
	for _, tool := range []string{"meeting.create", "note.create", "task.create", "ticket.create", "contact.update"} {
		require.True(t, tools[tool], "%s is planned without a model: %v", tool, tools)
	}
	page := html.UnescapeString(r.meetingPage(second.MeetingID))
	require.Contains(t, page, "The language model was not heard: the month's budget for the model is used up. The plan was made without it.")
	require.Contains(t, r.run("plan", "replay", second.MeetingID.String()), "The model: over_budget.")
	var shown struct {
		Use store.ModelUse `json:"used_this_month"`
	}
	require.NoError(t, r.JSON(r.ctx, &shown, "model", "show"))
	require.Equal(t, store.ModelUse{Calls: 1, Tokens: 6_900}, shown.Use)
}
