package codec

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/proto"

	"github.com/debriefhq/debrief/internal/sabotage"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/vault"
)

// Encoding is what the metadata of a sealed payload says under "encoding".
const Encoding = "binary/debrief"

// MetadataKey is the metadata under which a sealed payload names its data key.
const MetadataKey = "debrief-key"

// place binds ciphertexts to their purpose: a payload does not open as a row's
// content, nor the reverse, although they share a key.
const place = "temporal.payload"

// Keys finds data keys. [store.Store] does, and caches them.
type Keys interface {
	// DataKey returns the key with that ID, or store.ErrErased.
	DataKey(ctx context.Context, id uuid.UUID) (*vault.DataKey, error)
	// DataKeyForMeeting returns a meeting's key and its ID.
	DataKeyForMeeting(ctx context.Context, meetingID uuid.UUID) (uuid.UUID, *vault.DataKey, error)
	// DataKeyForApproval returns the key of the origin that a question is about.
	DataKeyForApproval(ctx context.Context, approvalID uuid.UUID) (uuid.UUID, *vault.DataKey, error)
	// InstallationKey returns the key of what belongs to no meeting.
	InstallationKey(ctx context.Context) (uuid.UUID, *vault.DataKey, error)
}

// keyTimeout bounds finding one key. The interfaces of the SDK have no context.
const keyTimeout = 5 * time.Second

// Codec seals and opens payloads. It implements [converter.PayloadCodec] and,
// for the choice of the key, [converter.PayloadCodecWithSerializationContext].
type Codec struct {
	keys    Keys
	meeting uuid.UUID // whose key seals; the installation's if zero
	// outlives lets a workflow go on talking when its meeting was erased: what it
	// says then are IDs, since no words are left. A failure may repeat some, so
	// failures go without.
	outlives bool
}

// New returns a codec that seals with the installation's key until it is told
// of a workflow, see [Codec.WithSerializationContext].
func New(keys Keys) *Codec { return &Codec{keys: keys} }

// WithSerializationContext returns a codec for the payloads of one workflow:
// they are sealed with its meeting's key if it has one, see [MeetingOf].
func (c *Codec) WithSerializationContext(sc converter.SerializationContext) converter.PayloadCodec {
	workflowID := ""
	switch sc := sc.(type) {
	case converter.WorkflowSerializationContext:
		workflowID = sc.WorkflowID
	case converter.ActivitySerializationContext:
		workflowID = sc.WorkflowID
	}
	// Without a meeting it is the zero UUID, and so the installation's key.
	meeting, _ := MeetingOf(workflowID)
	return &Codec{keys: c.keys, meeting: meeting, outlives: c.outlives}
}

// MeetingOf returns the meeting that a workflow is about, by the workflow's ID:
// "v1:follow-up:<meeting's UUID>", or "v1:briefing:<meeting's UUID>:<person's UUID>".
func MeetingOf(workflowID string) (uuid.UUID, bool) {
	parts := strings.Split(workflowID, ":")
	followUp := len(parts) == 3 && parts[1] == "follow-up"
	briefing := len(parts) == 4 && parts[1] == "briefing"
	if !followUp && !briefing {
		return uuid.Nil, false
	}
	id, err := uuid.Parse(parts[2])
	return id, err == nil
}

func (c *Codec) sealingKey(ctx context.Context) (uuid.UUID, *vault.DataKey, error) {
	if c.meeting == uuid.Nil {
		return c.keys.InstallationKey(ctx)
	}
	id, key, err := c.keys.DataKeyForMeeting(ctx, c.meeting)
	if c.outlives && errors.Is(err, store.ErrErased) {
		return c.keys.InstallationKey(ctx)
	}
	return id, key, err
}

// Encode seals each payload, metadata included.
func (c *Codec) Encode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	if len(payloads) == 0 {
		return payloads, nil
	}
	if sabotage.Is(sabotage.ClearText) {
		return payloads, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), keyTimeout)
	defer cancel()
	id, key, err := c.sealingKey(ctx)
	if err != nil {
		return nil, keyError(err)
	}
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		if out[i], err = seal(p, id, key); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func seal(p *commonpb.Payload, id uuid.UUID, key *vault.DataKey) (*commonpb.Payload, error) {
	if isSealed(p) {
		// The Temporal UI lets a person paste one as it is shown.
		return p, nil
	}
	raw, err := proto.Marshal(p)
	if err != nil {
		return nil, errors.New("a payload can't be encoded")
	}
	sealed, err := key.Seal(raw, place)
	if err != nil {
		return nil, fmt.Errorf("sealing a payload: %w", err)
	}
	return &commonpb.Payload{
		Metadata: map[string][]byte{
			converter.MetadataEncoding: []byte(Encoding),
			MetadataKey:                []byte(id.String()),
		},
		Data: sealed,
	}, nil
}

func isSealed(p *commonpb.Payload) bool {
	return string(p.GetMetadata()[converter.MetadataEncoding]) == Encoding
}

// Decode opens each payload that was sealed, and leaves the others as they are.
// The error is store.ErrErased if the key was deleted, vault.ErrCannotOpen if the
// ciphertext was changed or belongs to other keys.
func (c *Codec) Decode(payloads []*commonpb.Payload) ([]*commonpb.Payload, error) {
	ctx, cancel := context.WithTimeout(context.Background(), keyTimeout)
	defer cancel()
	out := make([]*commonpb.Payload, len(payloads))
	for i, p := range payloads {
		var err error
		if out[i], err = c.open(ctx, p); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *Codec) open(ctx context.Context, p *commonpb.Payload) (*commonpb.Payload, error) {
	if !isSealed(p) {
		return p, nil
	}
	id, err := uuid.ParseBytes(p.Metadata[MetadataKey])
	if err != nil {
		return nil, fmt.Errorf("a payload names no data key: %w", vault.ErrCannotOpen)
	}
	key, err := c.keys.DataKey(ctx, id)
	if err != nil {
		return nil, keyError(err)
	}
	raw, err := key.Open(p.Data, place)
	if err != nil {
		return nil, fmt.Errorf("opening a payload with data key %s: %w", id, err)
	}
	opened := &commonpb.Payload{}
	if err := proto.Unmarshal(raw, opened); err != nil {
		return nil, errors.New("a payload was sealed in an unknown form")
	}
	return opened, nil
}

// keysError is a failure to get at a key that is not the key's own end: the
// database is away, or this process has the wrong keyset. It may pass.
type keysError struct{ cause error }

func (e *keysError) Error() string { return "finding a payload's data key: " + e.cause.Error() }
func (e *keysError) Unwrap() error { return e.cause }

func keyError(err error) error {
	if errors.Is(err, store.ErrErased) || errors.Is(err, store.ErrNotFound) {
		return fmt.Errorf("finding a payload's data key: %w", err)
	}
	return &keysError{err}
}
