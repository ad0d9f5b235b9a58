package codec_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"go.uber.org/goleak"

	"github.com/debriefhq/debrief/codec"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/vault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const words = "the merger with Northwind"

// keys is a key ring in memory. Like the store's, it may lose a key, or be away.
type keys struct {
	mu           sync.Mutex
	byID         map[uuid.UUID]*vault.DataKey
	meetings     map[uuid.UUID]uuid.UUID
	approvals    map[uuid.UUID]uuid.UUID
	installation uuid.UUID
	away         error
}

func newKeys(t testing.TB) *keys {
	t.Helper()
	k := &keys{byID: map[uuid.UUID]*vault.DataKey{}, meetings: map[uuid.UUID]uuid.UUID{}, approvals: map[uuid.UUID]uuid.UUID{}}
	k.installation = k.add(t)
	return k
}

func (k *keys) add(t testing.TB) uuid.UUID {
	t.Helper()
	key, err := vault.NewDataKey()
	require.NoError(t, err)
	id := uuid.New()
	k.byID[id] = key
	return id
}

func (k *keys) meeting(t testing.TB) (meeting, key uuid.UUID) {
	t.Helper()
	meeting, key = uuid.New(), k.add(t)
	k.meetings[meeting] = key
	return meeting, key
}

func (k *keys) erase(id uuid.UUID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.byID, id)
}

func (k *keys) setAway(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.away = err
}

func (k *keys) DataKey(_ context.Context, id uuid.UUID) (*vault.DataKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.away != nil {
		return nil, k.away
	}
	if key := k.byID[id]; key != nil {
		return key, nil
	}
	return nil, store.ErrErased
}

func (k *keys) owned(ctx context.Context, id uuid.UUID, known bool) (uuid.UUID, *vault.DataKey, error) {
	if !known {
		return uuid.Nil, nil, store.ErrNotFound
	}
	key, err := k.DataKey(ctx, id)
	return id, key, err
}

func (k *keys) DataKeyForMeeting(ctx context.Context, meeting uuid.UUID) (uuid.UUID, *vault.DataKey, error) {
	id, known := k.meetings[meeting]
	return k.owned(ctx, id, known)
}

func (k *keys) DataKeyForApproval(ctx context.Context, approval uuid.UUID) (uuid.UUID, *vault.DataKey, error) {
	id, known := k.approvals[approval]
	return k.owned(ctx, id, known)
}

func (k *keys) InstallationKey(ctx context.Context) (uuid.UUID, *vault.DataKey, error) {
	return k.owned(ctx, k.installation, true)
}

func inWorkflow(id string) converter.SerializationContext {
	return converter.WorkflowSerializationContext{Namespace: "default", WorkflowID: id}
}

func followUp(meeting uuid.UUID) string { return "v1:follow-up:" + meeting.String() }

func keyOf(p *commonpb.Payload) string { return string(p.Metadata[codec.MetadataKey]) }

func TestWhichKey(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	meeting, meetingKey := k.meeting(t)
	dc := codec.NewDataConverter(k)
	for name, test := range map[string]struct {
		sc   converter.SerializationContext
		want uuid.UUID
	}{
		"follow-up":            {inWorkflow(followUp(meeting)), meetingKey},
		"briefing":             {inWorkflow("v1:briefing:" + meeting.String() + ":" + uuid.NewString()), meetingKey},
		"a briefing of nobody": {inWorkflow("v1:briefing:" + meeting.String()), k.installation},
		"its activity":         {converter.ActivitySerializationContext{WorkflowID: followUp(meeting), ActivityType: "x"}, meetingKey},
		"its local activity":   {converter.ActivitySerializationContext{WorkflowID: followUp(meeting), IsLocal: true}, meetingKey},
		"a delivery":           {inWorkflow("v1:delivery:" + uuid.NewString()), k.installation},
		"no meeting's ID":      {inWorkflow("v1:follow-up:not-a-uuid"), k.installation},
		"something else":       {inWorkflow("hello"), k.installation},
		"standalone activity":  {converter.ActivitySerializationContext{}, k.installation},
		"nexus":                {converter.NexusSerializationContext{}, k.installation},
		"no context":           {nil, k.installation},
	} {
		with := dc
		if test.sc != nil {
			with = converter.WithDataConverterSerializationContext(dc, test.sc)
		}
		p, err := with.ToPayload(map[string]string{"text": words})
		require.NoError(t, err, name)
		require.Equal(t, test.want.String(), keyOf(p), name)
		require.Equal(t, codec.Encoding, string(p.Metadata[converter.MetadataEncoding]), name)
		require.Len(t, p.Metadata, 2, "%s: the metadata of the plaintext is sealed, too", name)
		require.NotContains(t, string(p.Data), "Northwind", name)

		// It opens without any context: the metadata says which key.
		var back map[string]string
		require.NoError(t, dc.FromPayload(p, &back), name)
		require.Equal(t, words, back["text"], name)
	}
	_, err := converter.WithDataConverterSerializationContext(dc, inWorkflow(followUp(uuid.New()))).ToPayload(1)
	require.ErrorIs(t, err, store.ErrNotFound, "a follow-up of no known meeting must not go under a key that outlives it")
}

func TestPlainPayloadsPass(t *testing.T) {
	t.Parallel()
	c := codec.New(newKeys(t))
	plain, err := converter.GetDefaultDataConverter().ToPayload("from before")
	require.NoError(t, err)
	out, err := c.Decode([]*commonpb.Payload{plain})
	require.NoError(t, err)
	require.Same(t, plain, out[0])

	once, err := c.Encode([]*commonpb.Payload{plain})
	require.NoError(t, err)
	twice, err := c.Encode(once)
	require.NoError(t, err)
	require.Equal(t, once, twice, "what is sealed is not sealed again")
}

func TestWhatDoesNotOpen(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	meeting, meetingKey := k.meeting(t)
	dc := converter.WithDataConverterSerializationContext(codec.NewDataConverter(k), inWorkflow(followUp(meeting)))
	sealed, err := dc.ToPayload(words)
	require.NoError(t, err)
	spoilt := func(change func(*commonpb.Payload)) *commonpb.Payload {
		p := &commonpb.Payload{Metadata: map[string][]byte{}, Data: append([]byte(nil), sealed.Data...)}
		maps.Copy(p.Metadata, sealed.Metadata)
		change(p)
		return p
	}
	for name, test := range map[string]struct {
		p    *commonpb.Payload
		want error
	}{
		"tampered":    {spoilt(func(p *commonpb.Payload) { p.Data[len(p.Data)-1] ^= 1 }), vault.ErrCannotOpen},
		"empty":       {spoilt(func(p *commonpb.Payload) { p.Data = nil }), vault.ErrCannotOpen},
		"another key": {spoilt(func(p *commonpb.Payload) { p.Metadata[codec.MetadataKey] = []byte(k.installation.String()) }), vault.ErrCannotOpen},
		"no key":      {spoilt(func(p *commonpb.Payload) { delete(p.Metadata, codec.MetadataKey) }), vault.ErrCannotOpen},
		"unknown key": {spoilt(func(p *commonpb.Payload) { p.Metadata[codec.MetadataKey] = []byte(uuid.NewString()) }), store.ErrErased},
	} {
		var out string
		err := dc.FromPayload(test.p, &out)
		require.ErrorIs(t, err, test.want, name)
		require.NotContains(t, err.Error(), "Northwind", name)
	}

	k.erase(meetingKey)
	var out string
	require.ErrorIs(t, dc.FromPayload(sealed, &out), store.ErrErased)
	last, err := dc.ToPayload("its workflow ends")
	require.NoError(t, err)
	require.Equal(t, k.installation.String(), string(last.Metadata[codec.MetadataKey]), "the meeting's own key is gone")
	require.Contains(t, dc.ToString(sealed), "erased")
}

// The Temporal UI shows the message of an update's failure as it is stored.
func TestARefusalIsReadableInTheTemporalUI(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	meeting, _ := k.meeting(t)
	fc := converter.WithFailureConverterSerializationContext(codec.NewFailureConverter(k, "Refused"), inWorkflow(followUp(meeting)))

	failure := fc.ErrorToFailure(temporal.NewApplicationErrorWithCause("This question was already approved.", "Refused", errors.New("inner "+words), "detail "+words))
	require.Equal(t, "This question was already approved.", failure.Message)
	require.NotContains(t, failure.String(), "Northwind", "its cause and details stay sealed")
	// As it comes from an activity and goes on as the update's answer.
	again := fc.ErrorToFailure(fc.FailureToError(failure))
	require.Equal(t, "This question was already approved.", again.Message)

	require.NotContains(t, fc.ErrorToFailure(temporal.NewApplicationError(words, "NotFound")).String(), "Northwind")
	require.NotContains(t, fc.ErrorToFailure(errors.New(words)).String(), "Northwind")
}

func TestFailures(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	meeting, meetingKey := k.meeting(t)
	fc := converter.WithFailureConverterSerializationContext(codec.NewFailureConverter(k), inWorkflow(followUp(meeting)))

	cause := temporal.NewApplicationErrorWithCause("outer "+words, "Refused", errors.New("inner "+words), "detail "+words)
	failure := fc.ErrorToFailure(cause)
	require.NotContains(t, failure.String(), "Northwind")
	require.Equal(t, meetingKey.String(), keyOf(failure.EncodedAttributes))
	require.Equal(t, meetingKey.String(), keyOf(failure.Cause.EncodedAttributes))
	require.Equal(t, meetingKey.String(), keyOf(failure.GetApplicationFailureInfo().Details.Payloads[0]))
	require.Equal(t, "Refused", failure.GetApplicationFailureInfo().Type, "types are for machines, and stay in clear")

	var back *temporal.ApplicationError
	require.ErrorAs(t, fc.FailureToError(failure), &back)
	require.Contains(t, back.Error(), "outer "+words)
	var detail string
	require.NoError(t, back.Details(&detail))
	require.Equal(t, "detail "+words, detail)

	// Sealing may fail, and must not panic: the SDK would not recover.
	for name, spoil := range map[string]func(){
		"away":   func() { k.setAway(errors.New("dial tcp: refused")) },
		"erased": func() { k.setAway(nil); k.erase(meetingKey) },
	} {
		spoil()
		failure := fc.ErrorToFailure(temporal.NewApplicationError("outer "+words, "Refused", "detail "+words))
		require.NotContains(t, failure.String(), "Northwind", name)
		require.Equal(t, "Refused", failure.GetApplicationFailureInfo().Type, name)
		require.ErrorContains(t, codec.NewFailureConverter(k).FailureToError(failure), "could not be sealed", name)
	}
}

// All that a follow-up says to Temporal is under its meeting's key, by every way
// that the SDK has.
func TestAllOfAFollowUpIsUnderItsMeetingsKey(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	meeting, _ := k.meeting(t)
	k.erase(k.installation) // whoever asks for it, fails

	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(quiet{})
	env := suite.NewTestWorkflowEnvironment()
	env.SetDataConverter(codec.NewDataConverter(k))
	env.SetFailureConverter(codec.NewFailureConverter(k))
	env.SetStartWorkflowOptions(client.StartWorkflowOptions{ID: followUp(meeting), TaskQueue: "q"})

	echo := func(_ context.Context, s string) (string, error) { return s, nil }
	fail := func(_ context.Context, s string) error {
		return temporal.NewNonRetryableApplicationError(s, "Refused", nil, s)
	}
	env.RegisterActivity(echo)
	env.RegisterActivity(fail)
	flow := func(ctx workflow.Context, in string) (string, error) {
		ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
		ctx = workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute})
		var signal, a, l, side string
		workflow.GetSignalChannel(ctx, "decide").Receive(ctx, &signal)
		if err := workflow.ExecuteActivity(ctx, echo, in).Get(ctx, &a); err != nil {
			return "", err
		}
		if err := workflow.ExecuteLocalActivity(ctx, echo, in).Get(ctx, &l); err != nil {
			return "", err
		}
		if err := workflow.SideEffect(ctx, func(workflow.Context) any { return in }).Get(&side); err != nil {
			return "", err
		}
		err := workflow.ExecuteActivity(ctx, fail, in).Get(ctx, nil)
		var refused *temporal.ApplicationError
		var detail string
		if !errors.As(err, &refused) || refused.Details(&detail) != nil || detail != in {
			return "", errors.New("the failure did not come through")
		}
		return strings.Join([]string{signal, a, l, side, refused.Message()}, "|"), nil
	}
	env.RegisterDelayedCallback(func() { env.SignalWorkflow("decide", words) }, time.Second)
	env.ExecuteWorkflow(flow, words)
	require.NoError(t, env.GetWorkflowError())
	var out string
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, 5, strings.Count(out, words), out)
}

// A worker that cannot have its keys just now must fail its workflow task, which
// Temporal tries again, and not the workflow. An erased one is over for good.
func TestKeysAwayDoNotFailTheWorkflow(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	meeting, meetingKey := k.meeting(t)
	dc := codec.NewDataConverter(k)
	input, err := converter.WithDataConverterSerializationContext(dc, inWorkflow(followUp(meeting))).ToPayloads(words)
	require.NoError(t, err)
	got := ""
	flow := func(ctx workflow.Context, in string) error {
		got = in
		return workflow.Sleep(ctx, time.Hour)
	}
	// replay says whether the workflow's first task leads to that event.
	replay := func(last *historypb.HistoryEvent) error {
		r, err := worker.NewWorkflowReplayerWithOptions(worker.WorkflowReplayerOptions{DataConverter: dc, FailureConverter: codec.NewFailureConverter(k)})
		require.NoError(t, err)
		r.RegisterWorkflowWithOptions(flow, workflow.RegisterOptions{Name: "flow"})
		return r.ReplayWorkflowHistory(quiet{}, &historypb.History{Events: []*historypb.HistoryEvent{
			{EventId: 1, EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, Attributes: &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{
				WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
					WorkflowType: &commonpb.WorkflowType{Name: "flow"}, TaskQueue: &taskqueuepb.TaskQueue{Name: "q"}, Input: input,
				},
			}},
			{EventId: 2, EventType: enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, Attributes: &historypb.HistoryEvent_WorkflowTaskScheduledEventAttributes{
				WorkflowTaskScheduledEventAttributes: &historypb.WorkflowTaskScheduledEventAttributes{},
			}},
			{EventId: 3, EventType: enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, Attributes: &historypb.HistoryEvent_WorkflowTaskStartedEventAttributes{
				WorkflowTaskStartedEventAttributes: &historypb.WorkflowTaskStartedEventAttributes{},
			}},
			{EventId: 4, EventType: enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, Attributes: &historypb.HistoryEvent_WorkflowTaskCompletedEventAttributes{
				WorkflowTaskCompletedEventAttributes: &historypb.WorkflowTaskCompletedEventAttributes{ScheduledEventId: 2, StartedEventId: 3},
			}},
			last,
		}})
	}
	waiting := &historypb.HistoryEvent{EventId: 5, EventType: enumspb.EVENT_TYPE_TIMER_STARTED, Attributes: &historypb.HistoryEvent_TimerStartedEventAttributes{
		TimerStartedEventAttributes: &historypb.TimerStartedEventAttributes{TimerId: "5", WorkflowTaskCompletedEventId: 4},
	}}
	failed := &historypb.HistoryEvent{EventId: 5, EventType: enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED, Attributes: &historypb.HistoryEvent_WorkflowExecutionFailedEventAttributes{
		WorkflowExecutionFailedEventAttributes: &historypb.WorkflowExecutionFailedEventAttributes{WorkflowTaskCompletedEventId: 4},
	}}
	require.NoError(t, replay(waiting))
	require.Equal(t, words, got)

	k.setAway(errors.New("dial tcp: refused"))
	for _, last := range []*historypb.HistoryEvent{waiting, failed} {
		require.ErrorContains(t, replay(last), "dial tcp: refused", "the task failed, with the reason")
	}
	k.setAway(fmt.Errorf("opening data key 1: %w", vault.ErrCannotOpen))
	require.ErrorContains(t, replay(failed), vault.ErrCannotOpen.Error(), "wrong keys are this worker's trouble, not the workflow's")

	k.setAway(nil)
	k.erase(meetingKey)
	require.NoError(t, replay(failed), "the workflow fails")
}

// What a person mistypes, or anybody spoils, must not block a workflow for ever.
func TestOnlyKeysPanic(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	dc := codec.NewDataConverter(k)
	aware, ok := dc.(workflow.ContextAware)
	require.True(t, ok)
	running := aware.WithWorkflowContext(nil)
	sealed, err := dc.ToPayload(words)
	require.NoError(t, err)
	with := func(data []byte, key string) *commonpb.Payload {
		return &commonpb.Payload{Metadata: map[string][]byte{
			converter.MetadataEncoding: []byte(codec.Encoding), codec.MetadataKey: []byte(key),
		}, Data: data}
	}
	for name, p := range map[string]*commonpb.Payload{
		"another type": sealed,
		"tampered":     with([]byte("spoilt"), k.installation.String()),
		"no key":       with(sealed.Data, "no UUID"),
		"unknown key":  with(sealed.Data, uuid.NewString()),
		"not JSON":     jsonPayload("{"),
		"no encoding":  {Data: []byte("x")},
	} {
		var number int
		require.Error(t, running.FromPayload(p, &number), name)
		require.Error(t, running.FromPayloads(&commonpb.Payloads{Payloads: []*commonpb.Payload{p}}, &number), name)
	}
	k.setAway(errors.New("dial tcp: refused"))
	var text string
	require.Panics(t, func() { _ = running.FromPayload(sealed, &text) })
	require.Panics(t, func() { _, _ = running.ToPayloads(text) })
	require.Error(t, dc.FromPayload(sealed, &text), "elsewhere it is an error")
}

type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

var _ log.Logger = quiet{}
