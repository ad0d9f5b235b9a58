package activities

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Tender looks after sources at their platforms. Looking twice does no harm.
type Tender interface {
	// Tend looks after a source once. What the platform answers is no error: it is
	// kept with the source, and says when to look again.
	Tend(ctx context.Context, sourceID uuid.UUID) (Tended, error)
}

// TendInput names the source to look after.
type TendInput struct {
	SourceID uuid.UUID `json:"source_id"`
}

// Tended is what a look came to.
type Tended struct {
	// Ended says that there is nothing to look after.
	Ended bool `json:"ended,omitempty"`
	// Next is when to look again.
	Next time.Time `json:"next,omitzero"`
	// Words say what stands, or what went wrong.
	Words string `json:"words,omitempty"`
}

// Tend looks after a source at its platform.
func (a *Activities) Tend(ctx context.Context, in TendInput) (Tended, error) {
	defer alive(ctx)()
	tended, err := a.Tender.Tend(ctx, in.SourceID)
	return tended, temporalError(err)
}
