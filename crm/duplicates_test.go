package crm_test

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

var tries = flag.Int("tries", 10, "how many creates TestExactlyOneRecord makes of each object type, mode and cut")

// cut is where a create is torn: by HubSpot's answer that is lost, or by the
// process that dies.
type cut struct {
	name  string
	fault hubspottest.Fault
	// The process dies when the intent stands, or when the answer is there.
	diesBefore, diesAfter bool
}

var cuts = []cut{
	{name: "before send", diesBefore: true},
	{name: "after commit", fault: hubspottest.Fault{CutAfterCommit: true}},
	{name: "commit after our first look", fault: hubspottest.Fault{CommitLate: time.Minute}},
	{name: "after the response, before it is recorded", diesAfter: true},
}

// died is what a process that dies throws.
type died struct{}

// TestExactlyOneRecord tears creates of each object type, in each mode, at each
// cut, and lets another process go on: the end is one record each.
func TestExactlyOneRecord(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, object := range crm.KeyObjects() {
		for _, keyed := range []bool{true, false} {
			for _, c := range cuts {
				mode := map[bool]string{true: "keyed", false: "looked-up"}[keyed]
				t.Run(object+"/"+mode+"/"+c.name, func(t *testing.T) {
					t.Parallel()
					exactlyOneRecord(t, db.setup(t), object, keyed, c)
				})
			}
		}
	}
}

func exactlyOneRecord(t *testing.T, b *bundle, object string, keyed bool, c cut) {
	b.permit(object+".create", "allow")
	if keyed {
		b.sim.AddProperty(b.hub, hubspot.Plural(object), store.KeyProperty+"!")
	}
	var drafts []store.Draft
	for i := range *tries {
		drafts = append(drafts, b.linkedDraft(object, i))
	}
	b.plan(drafts...)
	actions, err := b.store.ActionsOf(b.ctx, b.org.ID, b.meeting)
	require.NoError(t, err)
	require.Len(t, actions, *tries)

	create := "/crm/objects/2026-09/" + hubspot.Plural(object)
	gate := b.gate
	switch {
	case c.diesBefore:
		for _, a := range actions {
			begun, err := b.store.BeginWrite(b.ctx, a.ID, store.WriteIntent{Keyed: keyed})
			require.NoError(t, err)
			require.Equal(t, store.WriteSend, begun.Step)
		}
	case c.diesAfter:
		gate = b.mortalGate(func(_ context.Context, info hubspot.ResponseInfo) {
			if info.Method == http.MethodPost && info.Endpoint == create {
				panic(died{})
			}
		})
	default:
		c.fault.Method, c.fault.Path, c.fault.Times = http.MethodPost, create, *tries
		b.sim.Inject(c.fault)
	}
	open := map[uuid.UUID]bool{}
	for _, a := range actions {
		open[a.ID] = c.diesBefore || !b.settles(gate, a.ID)
	}
	maps.DeleteFunc(open, func(_ uuid.UUID, open bool) bool { return !open })

	// Another process goes on. In keyed mode at once: HubSpot refuses what it
	// has. Else not before HubSpot can't be working on it any more.
	gate = b.newGate()
	for id := range open {
		if b.settles(gate, id) {
			delete(open, id)
			continue
		}
		require.False(t, keyed, "the key tells at once")
	}
	require.LessOrEqual(t, len(b.writes("create")), *tries)
	b.lateEnough()
	for id := range open {
		require.True(t, b.settles(gate, id))
	}
	require.Empty(t, b.sim.Faults())

	created := map[string]hubspottest.Write{}
	for _, w := range b.writes("create") {
		created[w.ID] = w
	}
	require.Len(t, created, *tries, "one record each")
	for _, a := range actions {
		got := b.action(a.ID)
		require.Equal(t, store.ActionWritten, got.State, got.Reason)
		made, ok := created[got.RecordID]
		require.True(t, ok, "it is one of the records that were created")
		require.Equal(t, hubspot.Plural(object), made.ObjectType)
		require.Equal(t, keyed, made.Properties[store.KeyProperty] == a.ID.String())
		delete(created, got.RecordID) // no two actions share one
	}
	requireAllCompleted(t, b)
}

// settles makes one attempt, and says whether the action came to its end. The
// process may die in it.
func (b *bundle) settles(gate *crm.Gate, id uuid.UUID) (settled bool) {
	b.t.Helper()
	defer func() {
		switch p := recover().(type) {
		case nil, died:
		default:
			panic(p)
		}
	}()
	r, err := gate.Write(b.ctx, id, crm.Attempt{})
	if err != nil {
		requireRetry(b.t, err)
		return false
	}
	require.Equal(b.t, store.ActionWritten, r.State, r.Reason)
	return true
}

// linkedDraft is a create as real plans have it: linked with a contact.
func (b *bundle) linkedDraft(object string, i int) store.Draft {
	b.t.Helper()
	at := "2026-11-20T10:00:00Z"
	domain := fmt.Sprintf("company-%d.example", i)
	known := b.add("contacts", map[string]string{"email": "known@" + domain})
	link := store.AssociationRef{Object: "contact", RecordID: known.ID, Required: true}
	content := store.ActionContent{}
	switch object {
	case "contact":
		company := b.add("companies", map[string]string{"name": "Known", "domain": "known." + domain})
		link = store.AssociationRef{Object: "company", RecordID: company.ID}
		content.NaturalKey = "email:new@" + domain
		content.Properties = map[string]string{"email": "new@" + domain, "firstname": "New"}
	case "company":
		content.NaturalKey = "domain:" + domain
		content.Properties = map[string]string{"domain": domain, "name": "Company"}
	case "deal":
		content.Properties = map[string]string{"dealname": "Rollout", "pipeline": "default", "dealstage": "qualifiedtobuy", "amount": "1200.50"}
	case "ticket":
		content.Properties = map[string]string{"subject": "Login fails", "hs_pipeline": "0", "hs_pipeline_stage": "1"}
	case "note":
		content.Properties = map[string]string{"hs_timestamp": at, "hs_note_body": "<p>Summary</p>"}
	case "task":
		content.Properties = map[string]string{"hs_timestamp": at, "hs_task_subject": "Send the offer", "hs_task_status": "NOT_STARTED"}
	case "meeting":
		content.Properties = map[string]string{
			"hs_timestamp": at, "hs_meeting_title": "Kick-off", "hs_meeting_start_time": at, "hs_meeting_end_time": "2026-11-20T11:00:00Z",
		}
	}
	content.Associations = []store.AssociationRef{link}
	return store.Draft{
		Key: fmt.Sprintf("%s.create:%d", object, i), Tool: policy.Tool{Object: object, Operation: policy.Create}, Content: content,
	}
}
