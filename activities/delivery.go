package activities

import (
	"context"

	"github.com/google/uuid"
)

// Deliveries gets what deliveries only name, and understands them. Package webhooks
// has one. Its errors may say by methods what is the matter: see [temporalError].
type Deliveries interface {
	// Fetch gets what a delivery only names from its platform's API, and keeps it.
	// There may be nothing to do.
	Fetch(ctx context.Context, deliveryID uuid.UUID) error
	// Understand gives a delivery that waits for that its verdict. Where without is
	// not empty, it says why nothing was got.
	Understand(ctx context.Context, deliveryID uuid.UUID, without string) error
}

// Without is why a delivery is understood without what it names.
type Without string

// The reasons. They are stored in histories: never change one.
const (
	// NeverAppeared: the platform never had it.
	NeverAppeared Without = "never-appeared"
	// NotGiven: the platform does not give it.
	NotGiven Without = "not-given"
)

// sentence is the reason as it stands with the delivery.
func (w Without) sentence() string {
	switch w {
	case NeverAppeared:
		return "it was looked for over six hours, and is understood without"
	case NotGiven:
		return "it is understood without"
	default:
		return ""
	}
}

// DeliveryInput names a delivery.
type DeliveryInput struct {
	DeliveryID uuid.UUID `json:"delivery_id"`
	Without    Without   `json:"without,omitempty"`
}

// Fetch gets what a delivery only names from its platform's API, and keeps it.
func (a *Activities) Fetch(ctx context.Context, in DeliveryInput) error {
	defer alive(ctx)()
	return temporalError(a.Deliveries.Fetch(ctx, in.DeliveryID))
}

// Understand gives a delivery that waited for what it names its verdict.
func (a *Activities) Understand(ctx context.Context, in DeliveryInput) error {
	return temporalError(a.Deliveries.Understand(ctx, in.DeliveryID, in.Without.sentence()))
}
