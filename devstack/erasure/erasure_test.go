// Package erasure shows on a real Temporal server that the histories of a follow-up
// are gone once they are to be forgotten, and that the follow-up goes on.
package erasure

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"

	"github.com/debriefhq/debrief/devstack/temporaldev"
	"github.com/debriefhq/debrief/workflows"
)

const namespace = "erasure"

func TestTheHistoriesOfAFollowUpAreDeletedAndItGoesOn(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	keyword := enumspb.INDEXED_VALUE_TYPE_KEYWORD
	server, err := temporaldev.Start(ctx, temporaldev.Options{
		Namespaces:       []string{namespace},
		SearchAttributes: map[string]enumspb.IndexedValueType{workflows.FollowUpStatus.GetName(): keyword, workflows.DebriefOrganization.GetName(): keyword},
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop() })
	c, err := client.Dial(client.Options{HostPort: server.FrontendAddr(), Namespace: namespace, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	require.NoError(t, err)
	t.Cleanup(c.Close)

	starter, histories := workflows.Starter{Client: c}, workflows.Histories{Client: c, Namespace: namespace}
	organization, meeting, other := uuid.New(), uuid.New(), uuid.New()
	id := workflows.FollowUpID(meeting)
	require.NoError(t, starter.Wake(ctx, organization, other, "notes"))
	// Two runs that have ended, and one that is open. No worker is up: nothing depends
	// on one.
	var runs []string
	for range 3 {
		require.NoError(t, starter.Wake(ctx, organization, meeting, "notes"))
		described, err := c.DescribeWorkflowExecution(ctx, id, "")
		require.NoError(t, err)
		runs = append(runs, described.GetWorkflowExecutionInfo().GetExecution().GetRunId())
		if len(runs) < 3 {
			require.NoError(t, c.TerminateWorkflow(ctx, id, "", "over"))
		}
	}
	require.NoError(t, histories.ForgetHistory(ctx, meeting))
	for _, run := range runs {
		events := c.GetWorkflowHistory(ctx, id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		require.True(t, events.HasNext())
		_, err := events.Next()
		var gone *serviceerror.NotFound
		require.True(t, errors.As(err, &gone), "run %s: %v", run, err)
	}
	list, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: "WorkflowId = '" + id + "' and ExecutionStatus = 'Running'"})
	require.NoError(t, err)
	require.Empty(t, list.GetExecutions())

	// Nothing to forget is no failure; another meeting's run is where it was.
	require.NoError(t, histories.ForgetHistory(ctx, meeting))
	require.NoError(t, histories.ForgetHistory(ctx, uuid.New()))
	described, err := c.DescribeWorkflowExecution(ctx, workflows.FollowUpID(other), "")
	require.NoError(t, err)
	require.Equal(t, enumspb.WORKFLOW_EXECUTION_STATUS_RUNNING, described.GetWorkflowExecutionInfo().GetStatus())

	// Woken, it begins anew under the same ID.
	require.NoError(t, starter.Wake(ctx, organization, meeting, "its history was erased"))
	described, err = c.DescribeWorkflowExecution(ctx, id, "")
	require.NoError(t, err)
	require.NotContains(t, runs, described.GetWorkflowExecutionInfo().GetExecution().GetRunId())
}
