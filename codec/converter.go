package codec

import (
	"context"
	"errors"
	"slices"

	commonpb "go.temporal.io/api/common/v1"
	failurepb "go.temporal.io/api/failure/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/protobuf/proto"
)

// Configure makes a Temporal client, and the workers made of it, seal what they
// send and open what they receive. See [NewFailureConverter] for inClear.
func Configure(o *client.Options, keys Keys, inClear ...string) {
	o.DataConverter = NewDataConverter(keys)
	o.FailureConverter = NewFailureConverter(keys, inClear...)
}

// NewDataConverter returns the SDK's JSON and protobuf encodings, sealed.
// Finding a key may read the database: the SDK's deadlock detection is off
// meanwhile.
func NewDataConverter(keys Keys) converter.DataConverter {
	return workflow.DataConverterWithoutDeadlockDetection(newSealed(&Codec{keys: keys, outlives: true}))
}

func newSealed(c *Codec) sealed {
	return sealed{DataConverter: converter.NewCodecDataConverter(converter.GetDefaultDataConverter(), c)}
}

// sealed is a data converter behind the codec that knows whether it serves
// running workflow code. There the SDK fails the whole workflow for an error of
// decoding, and the workflow task, which is tried again, for a panic: so what
// may pass (the database is away, this worker has the wrong keys) panics, and
// nothing else does: a payload that somebody mistyped would block the workflow.
// TestKeysAwayDoNotFailTheWorkflow and TestOnlyKeysPanic guard it.
type sealed struct {
	converter.DataConverter
	inWorkflow bool
}

// WithSerializationContext passes on whose payloads these are.
func (d sealed) WithSerializationContext(sc converter.SerializationContext) converter.DataConverter {
	d.DataConverter = converter.WithDataConverterSerializationContext(d.DataConverter, sc)
	return d
}

// WithWorkflowContext is called by the SDK for running workflow code.
func (d sealed) WithWorkflowContext(workflow.Context) converter.DataConverter {
	d.inWorkflow = true
	return d
}

// WithContext is called by the SDK for clients and activities.
func (d sealed) WithContext(context.Context) converter.DataConverter { return d }

func (d sealed) check(err error) error {
	var keys *keysError
	if d.inWorkflow && errors.As(err, &keys) {
		panic(err)
	}
	return err
}

// ToPayload converts one value.
func (d sealed) ToPayload(value any) (*commonpb.Payload, error) {
	p, err := d.DataConverter.ToPayload(value)
	return p, d.check(err)
}

// ToPayloads converts arguments.
func (d sealed) ToPayloads(values ...any) (*commonpb.Payloads, error) {
	p, err := d.DataConverter.ToPayloads(values...)
	return p, d.check(err)
}

// FromPayload converts one value back.
func (d sealed) FromPayload(payload *commonpb.Payload, valuePtr any) error {
	return d.check(d.DataConverter.FromPayload(payload, valuePtr))
}

// FromPayloads converts arguments back.
func (d sealed) FromPayloads(payloads *commonpb.Payloads, valuePtrs ...any) error {
	return d.check(d.DataConverter.FromPayloads(payloads, valuePtrs...))
}

// NewFailureConverter returns the SDK's failure converter, with messages and
// stack traces sealed.
//
// Application errors of the types inClear show their message unsealed, too. The
// Temporal UI decodes no failure of an update (as of its version 2.55): whoever
// sent one from there would read "Encoded failure". So it is for sentences that
// we wrote, to the person who asked, without a word of a meeting in them.
func NewFailureConverter(keys Keys, inClear ...string) converter.FailureConverter {
	return failures{FailureConverter: failureConverter(newSealed(New(keys))), keys: keys, clear: inClear}
}

func failureConverter(dc converter.DataConverter) converter.FailureConverter {
	return temporal.NewDefaultFailureConverter(temporal.DefaultFailureConverterOptions{
		DataConverter:          unfailing{dc},
		EncodeCommonAttributes: true,
	})
}

// failures knows whose failures they are: the SDK's own converter does not.
type failures struct {
	converter.FailureConverter

	keys  Keys
	clear []string
}

// ErrorToFailure seals, except for the message of an error that is in clear.
func (f failures) ErrorToFailure(err error) *failurepb.Failure {
	failure := f.FailureConverter.ErrorToFailure(err)
	var application *temporal.ApplicationError
	if !errors.As(err, &application) || !slices.Contains(f.clear, failure.GetApplicationFailureInfo().GetType()) {
		return failure
	}
	failure = proto.CloneOf(failure) // the error may hold it
	failure.Message = application.Message()
	return failure
}

// WithSerializationContext passes on whose failures these are.
func (f failures) WithSerializationContext(sc converter.SerializationContext) converter.FailureConverter {
	f.FailureConverter = failureConverter(newSealed(New(f.keys)).WithSerializationContext(sc))
	return f
}

// unfailing gives a failure something to say when it cannot be sealed: the SDK
// panics otherwise, outside of any code that recovers. What it says then holds
// nothing of the failure.
type unfailing struct {
	converter.DataConverter
}

const unsealable = "(this failure's message could not be sealed, and is not shown)"

// ToPayload converts a failure's message and stack trace.
func (d unfailing) ToPayload(value any) (*commonpb.Payload, error) {
	p, err := d.DataConverter.ToPayload(value)
	if err == nil {
		return p, nil
	}
	return converter.GetDefaultDataConverter().ToPayload(map[string]string{"message": unsealable, "stack_trace": ""})
}

// ToPayloads converts a failure's details.
func (d unfailing) ToPayloads(values ...any) (*commonpb.Payloads, error) {
	p, err := d.DataConverter.ToPayloads(values...)
	if err == nil {
		return p, nil
	}
	return nil, nil
}
