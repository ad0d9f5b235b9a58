package store_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Changes are announced while somebody watches their organization, and only then.
func TestChangesAreAnnouncedToWhoWatches(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(context.Background())
	b := newBench(t, policy.Permissions{createContact: policy.Ask})
	heard, listening, ended := make(chan [2]uuid.UUID, 1000), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		err := b.Listen(ctx, func() { close(listening) }, func(o, m uuid.UUID) { heard <- [2]uuid.UUID{o, m} })
		if ctx.Err() == nil {
			t.Errorf("listening ended: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-ended })
	<-listening
	next := func() {
		t.Helper()
		select {
		case got := <-heard:
			require.Equal(t, [2]uuid.UUID{b.org, b.meeting}, got)
		case <-time.After(20 * time.Second):
			t.Fatal("heard nothing")
		}
	}
	b.plan(draft(createContact, "contact:1", map[string]string{"email": "jane@northwind.example"})) // nobody watches
	require.NoError(t, b.Watch(ctx, b.org))
	require.Empty(t, heard)
	require.NoError(t, b.decide(b.question("contact:1"), store.Approve, nil))
	next()
	// Many rows of one transaction are announced once.
	b.plan(
		draft(createContact, "contact:2", map[string]string{"email": "a@northwind.example"}),
		draft(createContact, "contact:3", map[string]string{"email": "b@northwind.example"}),
	)
	for range len(heard) {
		next()
	}
}
