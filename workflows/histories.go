package workflows

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/common/v1"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// Histories deletes what Temporal keeps of follow-ups. The zero value is not usable.
type Histories struct {
	Client client.Client
	// Namespace is the client's.
	Namespace string
}

// historyLag is how long the list of runs may lag behind what has ended.
const historyLag = 500 * time.Millisecond

// ForgetHistory deletes every run of a meeting's follow-up from Temporal, and ends the
// one that is open: what a follow-up knows stands in Postgres, and a new run goes on
// from there once it is woken. It returns when Temporal shows none; a run that is
// begun meanwhile is deleted, too.
func (h Histories) ForgetHistory(ctx context.Context, meetingID uuid.UUID) error {
	id := FollowUpID(meetingID)
	for none := 0; none < 2; {
		runs, err := h.runsOf(ctx, id)
		if err != nil {
			return fmt.Errorf("listing the histories of meeting %s: %w", meetingID, err)
		}
		for _, run := range runs {
			if err := h.deleteRun(ctx, id, run); err != nil {
				return fmt.Errorf("deleting a history of meeting %s: %w", meetingID, err)
			}
		}
		if none++; len(runs) > 0 {
			none = 0
		}
		// Deleting goes on behind the answer, and the list lags.
		select {
		case <-ctx.Done():
			return fmt.Errorf("deleting the histories of meeting %s: %w", meetingID, ctx.Err())
		case <-time.After(historyLag): //nolint:forbidigo // no workflow: a client's loop
		}
	}
	return nil
}

// runsOf are the run IDs under a workflow ID that Temporal still has, the newest by
// what is sure and the others by the list.
func (h Histories) runsOf(ctx context.Context, workflowID string) ([]string, error) {
	var runs []string
	latest, err := h.Client.DescribeWorkflowExecution(ctx, workflowID, "")
	var gone *serviceerror.NotFound
	switch {
	case err == nil:
		runs = append(runs, latest.GetWorkflowExecutionInfo().GetExecution().GetRunId())
	case !errors.As(err, &gone):
		return nil, err
	}
	list, err := h.Client.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowId = '" + workflowID + "'"})
	if err != nil {
		return nil, err
	}
	for _, e := range list.GetExecutions() {
		run := e.GetExecution().GetRunId()
		// The list may show what is deleted already.
		if _, err := h.Client.DescribeWorkflowExecution(ctx, workflowID, run); errors.As(err, &gone) {
			continue
		} else if err != nil {
			return nil, err
		}
		if len(runs) == 0 || run != runs[0] {
			runs = append(runs, run)
		}
	}
	return runs, nil
}

func (h Histories) deleteRun(ctx context.Context, workflowID, runID string) error {
	var gone *serviceerror.NotFound
	described, err := h.Client.DescribeWorkflowExecution(ctx, workflowID, runID)
	if errors.As(err, &gone) {
		return nil
	}
	if err != nil {
		return err
	}
	info := described.GetWorkflowExecutionInfo()
	if info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_RUNNING {
		// Ended first: a signal must find no run that is about to vanish.
		if err := h.Client.TerminateWorkflow(ctx, workflowID, runID, "a person was erased: its history is deleted, and it begins anew"); err != nil && !errors.As(err, &gone) {
			return err
		}
	}
	_, err = h.Client.WorkflowService().DeleteWorkflowExecution(ctx, &workflowservice.DeleteWorkflowExecutionRequest{
		Namespace: h.Namespace, WorkflowExecution: &common.WorkflowExecution{WorkflowId: workflowID, RunId: runID},
	})
	if errors.As(err, &gone) {
		return nil
	}
	return err
}
