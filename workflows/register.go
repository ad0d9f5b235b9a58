package workflows

import (
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// Register registers every workflow: one list for workers, tests and replay.
func Register(r worker.WorkflowRegistry) {
	r.RegisterWorkflowWithOptions(FollowUp, workflow.RegisterOptions{Name: "FollowUp"})
	r.RegisterWorkflowWithOptions(CRMEvent, workflow.RegisterOptions{Name: "CRMEvent"})
	r.RegisterWorkflowWithOptions(Delivery, workflow.RegisterOptions{Name: "Delivery"})
	r.RegisterWorkflowWithOptions(Upkeep, workflow.RegisterOptions{Name: "Upkeep"})
	r.RegisterWorkflowWithOptions(Briefing, workflow.RegisterOptions{Name: "Briefing"})
	r.RegisterWorkflowWithOptions(Digest, workflow.RegisterOptions{Name: "Digest"})
}
