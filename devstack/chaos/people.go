package chaos

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/client"

	"github.com/debriefhq/debrief/notify/slacktest"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/workflows"
)

const (
	lookEvery = 400 * time.Millisecond
	// tryAgain is when somebody whose answer was not acknowledged answers again, also
	// in Slack, which says nothing of what came of a click.
	tryAgain, tryAgainInSlack = time.Second, 5 * time.Second
	// promisedWait is how long a decision that Temporal has taken over is waited for.
	// By then it was lost: whatever is down is up again after some seconds.
	promisedWait = time.Minute
	// never is when nobody answers.
	never = 365 * 24 * time.Hour
	// answersAtOnce bounds how many people answer at the same time.
	answersAtOnce = 6
)

// question is one that is pending.
type question struct {
	id, meeting, organization uuid.UUID
	kind, tool                string
	asked                     time.Time
}

// people answer what is asked, as the script says, by every entrance; when an entrance
// fails they try the next one.
type people struct {
	*world

	room chan struct{}
	all  sync.WaitGroup

	mu       sync.Mutex
	meetings map[uuid.UUID]int       // of the script
	busy     map[uuid.UUID]bool      // somebody is answering it
	next     map[uuid.UUID]time.Time // not before
	tries    map[uuid.UUID]int
	// unscripted counts questions that no script has, by tool and kind.
	unscripted map[string]int
}

func newPeople(w *world) *people {
	return &people{
		world: w, room: make(chan struct{}, answersAtOnce),
		meetings: map[uuid.UUID]int{}, busy: map[uuid.UUID]bool{}, next: map[uuid.UUID]time.Time{}, tries: map[uuid.UUID]int{}, unscripted: map[string]int{},
	}
}

// run answers until ctx ends.
func (p *people) run(ctx context.Context) {
	defer p.all.Wait()
	for sleep(ctx, lookEvery) {
		if err := p.look(ctx); err != nil {
			continue // PostgreSQL is away
		}
	}
}

func (p *people) look(ctx context.Context) error {
	if err := p.know(ctx); err != nil {
		return err
	}
	pending, err := p.pending(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, q := range pending {
		if p.busy[q.id] {
			continue
		}
		a := p.planned(q)
		due, tried := p.next[q.id]
		if !tried {
			due = time.Now().Add(a.After)
			p.next[q.id] = due
		}
		if time.Now().Before(due) {
			continue
		}
		select {
		case p.room <- struct{}{}:
		default:
			return nil
		}
		p.busy[q.id] = true
		p.all.Go(func() {
			wait := p.answer(ctx, q, a)
			<-p.room
			p.mu.Lock()
			defer p.mu.Unlock()
			p.tries[q.id]++
			p.next[q.id], p.busy[q.id] = time.Now().Add(wait), false
		})
	}
	return nil
}

// know learns which meetings are the script's which.
func (p *people) know(ctx context.Context) error {
	rows, err := p.db.Query(ctx, `select distinct on (e.meeting_id) e.meeting_id, d.dedupe_key from events e join deliveries d on d.id = e.delivery_id`)
	if err != nil {
		return fmt.Errorf("reading which meetings there are: %w", err)
	}
	names := p.names
	p.mu.Lock()
	defer p.mu.Unlock()
	var id uuid.UUID
	var name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		if n, ok := names[name]; ok {
			p.meetings[id] = n
		}
		return nil
	})
	return err
}

func (p *people) pending(ctx context.Context) ([]question, error) {
	rows, err := p.db.Query(ctx, `
		select p.id, a.origin_id, p.organization_id, p.kind, a.object_type || '.' || a.operation, p.asked_at
		from approvals p join actions a on a.id = p.action_id where p.state = 'pending' order by p.asked_at`)
	if err != nil {
		return nil, fmt.Errorf("reading what is asked: %w", err)
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (q question, err error) {
		return q, row.Scan(&q.id, &q.meeting, &q.organization, &q.kind, &q.tool, &q.asked)
	})
}

// planned is what the script says to a question. p.mu is held.
func (p *people) planned(q question) Answer {
	if n, ok := p.meetings[q.meeting]; ok && q.kind == "permission" {
		if a, ok := p.script.Meetings[n].Answers[q.tool]; ok {
			return a
		}
	}
	if p.tries[q.id] == 0 {
		if _, seen := p.next[q.id]; !seen {
			p.unscripted[q.kind+" "+q.tool]++
		}
	}
	return Answer{Verdict: Approve, Way: ByCommand}
}

// answer gives an answer, and says when to look whether it was heard.
func (p *people) answer(ctx context.Context, q question, a Answer) time.Duration {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	t := p.tenants[slices.IndexFunc(p.tenants, func(t *tenant) bool { return t.id == q.organization })]
	p.mu.Lock()
	tries := p.tries[q.id]
	p.mu.Unlock()
	if q.kind == "outcome" {
		// A person looks into HubSpot.
		a.Verdict = p.outcome(ctx, t, q)
		if a.Verdict == "" {
			return tryAgain
		}
	}
	if a.Verdict == Expire {
		return never
	}
	way := a.Way
	if tries > 0 {
		possible := []string{ByPage, ByCommand, ByUpdate}
		way = possible[tries%len(possible)]
	}
	if q.kind != "permission" && tries > 3 {
		a.Verdict = Reject // what can't be approved as it is
	}
	heard, promised := p.enter(ctx, t, q, a, way)
	switch {
	case promised && way == BySlack:
		return tryAgainInSlack
	case promised:
		return promisedWait
	case heard:
		return time.Minute
	}
	return tryAgain
}

// enter goes through one entrance. heard: it said that the decision is made. promised:
// it said that it has it.
func (p *people) enter(ctx context.Context, t *tenant, q question, a Answer, way string) (heard, promised bool) {
	switch way {
	case ByPage, ByPageAll:
		path, form := fmt.Sprintf("/inbox/%s/question/%s", q.meeting, q.id), url.Values{"verdict": {string(a.Verdict)}}
		for name, value := range a.Set {
			form.Set("v."+name, value)
			form.Set("was.v."+name, value+" ")
		}
		if way == ByPageAll {
			path, form = fmt.Sprintf("/inbox/%s/all", q.meeting), url.Values{"approval": {q.id.String()}}
		}
		heard = p.page(ctx, t, path, form)
	case ByCommand:
		args := []string{"approvals", string(a.Verdict), q.id.String()}
		for name, value := range a.Set {
			args = append(args, "--set", name+"="+value)
		}
		_, err := t.Run(ctx, args...)
		heard = err == nil
	case BySlack:
		message := slacktest.Message{Channel: slacktest.Conversation(t.slack), TS: "1.000001", Raw: "[]"}
		for _, m := range p.slack.Cards(t.slack) {
			if strings.Contains(m.Raw, q.id.String()) {
				message = m
			}
		}
		answer, err := p.slack.Send(p.Receivers()[0].URL()+"/slack/interactions", p.slack.Click(t.slack, message, "approve", q.id.String()))
		promised = err == nil && answer.Status == http.StatusOK
	case ByUpdate:
		handle, err := p.temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
			WorkflowID: workflows.FollowUpID(q.meeting), UpdateName: workflows.UpdateDecide, Args: []any{decision(q, a)},
			WaitForStage: client.WorkflowUpdateStageCompleted,
		})
		heard = err == nil && handle.Get(ctx, nil) == nil
	case BySignal:
		promised = p.temporal.SignalWorkflow(ctx, workflows.FollowUpID(q.meeting), "", workflows.SignalDecide, decision(q, a)) == nil
	}
	if heard || promised {
		p.ledger.decided(Decision{Approval: q.id, Verdict: a.Verdict, Way: way, At: time.Now(), Promised: promised})
	}
	return heard, promised
}

func decision(q question, a Answer) workflows.DecideInput {
	return workflows.DecideInput{Approval: q.id, Verdict: store.Verdict(a.Verdict), Properties: a.Set, Name: "Mara"}
}

// page sends a form as a signed-in person, and says whether the page said that it is
// done.
func (w *world) page(ctx context.Context, t *tenant, path string, form url.Values) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.PublicURL()+path, strings.NewReader(form.Encode()))
	if err != nil {
		return false
	}
	request.AddCookie(&http.Cookie{Name: "debrief_session", Value: t.session.Reveal()})
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Origin", w.PublicURL())
	response, err := w.web.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	return response.StatusCode == http.StatusSeeOther && strings.Contains(response.Header.Get("Location"), "done=")
}

// outcome is what somebody says who was asked whether a call whose answer was lost has
// happened: whether HubSpot has what it would have made.
func (p *people) outcome(ctx context.Context, t *tenant, q question) Verdict {
	asked, err := p.store.Approvals(ctx, t.id, store.ApprovalFilter{ID: q.id, Limit: 1})
	if err != nil || len(asked) == 0 {
		return ""
	}
	a := asked[0].Action
	for _, r := range p.Simulator.Records(t.Scene.HubID, plural(a.Tool.Object)) {
		same := true
		for _, name := range []string{"domain", "email", "dealname", "subject", "hs_meeting_title", "hs_task_subject", "hs_note_body"} {
			if want := a.Content.Properties[name]; want != "" && r.Properties[name] != want {
				same = false
			}
		}
		if same && !r.Archived {
			return Reject // it is there
		}
	}
	return Approve // send it again
}

func plural(object string) string {
	if object == "company" {
		return "companies"
	}
	return object + "s"
}
