package chaos

import (
	"context"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// writtenTypes are those that Debrief writes to.
var writtenTypes = []string{"companies", "contacts", "deals", "tickets", "meetings", "notes", "tasks"}

// collect looks at everything, when nothing moves any more.
func (w *world) collect(ctx context.Context) (Facts, error) {
	f := Facts{Decisions: map[uuid.UUID]int{}, Records: map[int64][]hubspottest.Record{}, Writes: w.Simulator.Writes(), Told: w.tellings()}
	for _, o := range w.script.Organizations {
		for _, objectType := range writtenTypes {
			f.Records[o.HubID] = append(f.Records[o.HubID], w.Simulator.Records(o.HubID, objectType)...)
		}
	}
	for _, read := range []func(context.Context, *Facts) error{w.deliveries, w.followUps, w.approvals, w.actions, w.trail, w.leftover, w.said} {
		if err := read(ctx, &f); err != nil {
			return Facts{}, fmt.Errorf("collecting what there is to audit: %w", err)
		}
	}
	return f, nil
}

// rows reads all rows of a query.
func rows[T any](ctx context.Context, w *world, into *[]T, query string, fields func(*T) []any) error {
	found, err := w.db.Query(ctx, query)
	if err != nil {
		return err
	}
	*into, err = pgx.CollectRows(found, func(row pgx.CollectableRow) (one T, err error) {
		return one, row.Scan(fields(&one)...)
	})
	return err
}

func (w *world) deliveries(ctx context.Context, f *Facts) error {
	return rows(ctx, w, &f.Deliveries, `
		select d.dedupe_key, d.state, count(e.id), coalesce(array_agg(distinct coalesce(m.merged_into, m.id)) filter (where m.id is not null), '{}')
		from deliveries d left join events e on e.delivery_id = d.id left join meetings m on m.id = e.meeting_id group by d.id`,
		func(d *DeliveryFact) []any { return []any{&d.ID, &d.State, &d.Events, &d.Meetings} })
}

func (w *world) followUps(ctx context.Context, f *Facts) error {
	return rows(ctx, w, &f.FollowUps, `select meeting_id, organization_id, state, round, paused_since is not null from follow_ups`,
		func(r *FollowUpFact) []any { return []any{&r.Meeting, &r.Organization, &r.State, &r.Round, &r.Paused} })
}

func (w *world) approvals(ctx context.Context, f *Facts) error {
	return rows(ctx, w, &f.Approvals, `select id, action_id, kind, state, via, asked_at, coalesce(decided_at, 'epoch') from approvals`,
		func(r *ApprovalFact) []any {
			return []any{&r.ID, &r.Action, &r.Kind, &r.State, &r.Via, &r.AskedAt, &r.DecidedAt}
		})
}

func (w *world) actions(ctx context.Context, f *Facts) error {
	return rows(ctx, w, &f.Actions, `
		select a.id, a.origin_id, o.name, a.object_type || '.' || a.operation, a.state, a.reason, a.record_id, a.created_at, a.updated_at
		from actions a join organizations o on o.id = a.organization_id`,
		func(r *ActionFact) []any {
			return []any{&r.ID, &r.Meeting, &r.Organization, &r.Tool, &r.State, &r.Reason, &r.RecordID, &r.CreatedAt, &r.UpdatedAt}
		})
}

func (w *world) trail(ctx context.Context, f *Facts) error {
	err := rows(ctx, w, &f.Calls, `
		select a.id, a.at, coalesce(a.completed_at, '0001-01-01'), o.name, coalesce(a.action_id, '00000000-0000-0000-0000-000000000000'),
		       coalesce(a.origin_id, '00000000-0000-0000-0000-000000000000'), a.tool, a.record_id, a.outcome, a.reason, a.status, a.value_macs <> '{}'
		from audit a join organizations o on o.id = a.organization_id where a.kind = 'call' and a.tool <> ''`,
		func(r *CallFact) []any {
			return []any{&r.ID, &r.At, &r.CompletedAt, &r.Organization, &r.Action, &r.Meeting, &r.Tool, &r.RecordID, &r.Outcome, &r.Reason, &r.Status, &r.Writes}
		})
	if err != nil {
		return err
	}
	found, err := w.db.Query(ctx, `select approval_id, count(*) from audit where kind = 'decision' and approval_id is not null group by 1`)
	if err != nil {
		return err
	}
	var id uuid.UUID
	var n int
	_, err = pgx.ForEachRow(found, []any{&id, &n}, func() error { f.Decisions[id] = n; return nil })
	return err
}

// left is what is not done, by SQL: what, the meeting, and more about it.
var left = []string{
	`select 'delivery in state ' || state, '00000000-0000-0000-0000-000000000000'::uuid, dedupe_key from deliveries where state in ('received', 'fetching')`,
	`select 'wakeup', meeting_id, reason || ', ' || attempts || ' attempts' from wakeups`,
	`select 'question', a.origin_id, p.kind || ' ' || a.object_type || '.' || a.operation from approvals p join actions a on a.id = p.action_id where p.state = 'pending'`,
	`select 'action ' || a.state, a.origin_id, a.object_type || '.' || a.operation || ' ' || a.reason from actions a where a.state in ('writing', 'unknown', 'ready', 'asking')`,
	`select 'follow-up ' || state, meeting_id, 'round ' || round || case when paused_since is null then '' else ', paused since ' || paused_since || ': ' || paused_reason end
	 from follow_ups where state <> 'closed'`,
	`select 'briefing ' || state, meeting_id, 'due ' || due_at from briefings where state in ('waiting', 'ready') and due_at <= now()`,
	// What a killed worker was telling is another's after two minutes.
	`select 'notice', '00000000-0000-0000-0000-000000000000'::uuid, kind || ', ' || attempts || ' attempts' from notices
	 where state = 'queued' and next_attempt_at < now() + interval '2 minutes'`,
}

// leftover is what is not done in the end.
func (w *world) leftover(ctx context.Context, f *Facts) (err error) {
	f.Left, err = w.leftIn(ctx)
	return err
}

// leftIn is what is not done, with the workflows of follow-ups that run on.
func (w *world) leftIn(ctx context.Context) ([]Leftover, error) {
	var all []Leftover
	for _, query := range left {
		var some []Leftover
		if err := rows(ctx, w, &some, query, func(l *Leftover) []any { return []any{&l.What, &l.Meeting, &l.Detail} }); err != nil {
			return nil, fmt.Errorf("looking for what is not done: %w", err)
		}
		all = append(all, some...)
	}
	// A row may be closed while the next round is being planned, or tried again.
	running, err := w.running(ctx)
	return append(all, running...), err
}

// running are the follow-ups that run in Temporal.
func (w *world) running(ctx context.Context) ([]Leftover, error) {
	var all []Leftover
	request := &workflowservice.ListWorkflowExecutionsRequest{Namespace: devstack.Namespace, PageSize: 500, Query: `ExecutionStatus = "Running" and WorkflowType = "FollowUp"`}
	for {
		page, err := w.temporal.ListWorkflow(ctx, request)
		if err != nil {
			return nil, fmt.Errorf("listing what runs in Temporal: %w", err)
		}
		for _, e := range page.GetExecutions() {
			id := e.GetExecution().GetWorkflowId()
			meeting, _ := uuid.Parse(id[strings.LastIndex(id, ":")+1:]) // of one that is named otherwise, none
			all = append(all, Leftover{What: "workflow runs", Meeting: meeting, Detail: id})
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			return all, nil
		}
	}
}
