package workflows_test

import (
	"log/slog"
	"time"

	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/debriefhq/debrief/workflows"
)

// newEnvironment is where a workflow is tested: time is skipped, and what hangs fails.
func newEnvironment() *testsuite.TestWorkflowEnvironment {
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.DiscardHandler)))
	e := suite.NewTestWorkflowEnvironment()
	e.SetTestTimeout(30 * time.Second)
	// A machine that others use, too, lets a test wait for longer than the SDK's second.
	e.SetWorkerOptions(worker.Options{DeadlockDetectionTimeout: 10 * time.Second})
	workflows.Register(e)
	return e
}
