package temporaldev

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/server/common/primitives"
	"google.golang.org/protobuf/types/known/durationpb"
)

// retention is how long closed workflows stay readable.
const retention = 30 * 24 * time.Hour

// CreateNamespace makes a namespace with the search attributes of [Options],
// unless it exists, adds to it those that it lacks, and waits until it can be
// used.
func (s *Server) CreateNamespace(ctx context.Context, name string) error {
	c, err := s.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()

	_, err = c.WorkflowService().RegisterNamespace(ctx, &workflowservice.RegisterNamespaceRequest{
		Namespace:                        name,
		WorkflowExecutionRetentionPeriod: durationpb.New(retention),
	})
	if exists := (*serviceerror.NamespaceAlreadyExists)(nil); err != nil && !errors.As(err, &exists) {
		return fmt.Errorf("creating the namespace %q: %w", name, err)
	}
	// A namespace is usable a moment after it was made.
	err = poll(ctx, func() error { return s.addSearchAttributes(ctx, c, name) })
	if err != nil {
		return fmt.Errorf("adding search attributes to the namespace %q: %w", name, err)
	}
	return nil
}

func (s *Server) addSearchAttributes(ctx context.Context, c client.Client, namespace string) error {
	existing, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: namespace})
	if err != nil {
		return err
	}
	missing := maps.Clone(s.opts.SearchAttributes)
	maps.DeleteFunc(missing, func(name string, _ enumspb.IndexedValueType) bool {
		_, exists := existing.GetCustomAttributes()[name]
		return exists
	})
	if len(missing) == 0 {
		return nil
	}
	_, err = c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
		Namespace: namespace, SearchAttributes: missing,
	})
	return err
}

// waitReady waits until a workflow can be started: the last thing to work,
// since it needs the frontend, the history shard and the database. The try
// runs in the server's own namespace, where nobody's list shows it.
func (s *Server) waitReady(ctx context.Context) error {
	err := poll(ctx, func() error {
		c, err := s.dial(ctx)
		if err != nil {
			return err
		}
		defer c.Close()
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		const id = "temporaldev-ready"
		started, err := c.WorkflowService().StartWorkflowExecution(ctx, &workflowservice.StartWorkflowExecutionRequest{
			Namespace:                primitives.SystemLocalNamespace,
			WorkflowId:               id,
			WorkflowType:             &commonpb.WorkflowType{Name: id},
			TaskQueue:                &taskqueuepb.TaskQueue{Name: id},
			WorkflowExecutionTimeout: durationpb.New(time.Minute),
			// A new one each time: with that of an earlier run the server would
			// answer with the old, closed workflow.
			RequestId: rand.Text(),
			// A try that ran out of time may have left one running.
			WorkflowIdConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		})
		if err != nil {
			return err
		}
		_, err = c.WorkflowService().TerminateWorkflowExecution(ctx, &workflowservice.TerminateWorkflowExecutionRequest{
			Namespace:         primitives.SystemLocalNamespace,
			WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: started.GetRunId()},
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("waiting until a workflow can be started: %w", err)
	}
	return nil
}

func (s *Server) dial(ctx context.Context) (client.Client, error) {
	c, err := client.DialContext(ctx, client.Options{HostPort: s.FrontendAddr(), Logger: quiet{}})
	if err != nil {
		return nil, fmt.Errorf("connecting to Temporal: %w", err)
	}
	return c, nil
}

// quiet keeps the SDK from writing to standard output.
type quiet struct{}

var _ sdklog.Logger = quiet{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
