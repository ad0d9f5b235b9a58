package crm_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// keyedNote is an account that keys notes, and a note to be created there.
func keyedNote(b *bundle) store.Action {
	b.t.Helper()
	b.permit("note.create", "allow")
	b.sim.AddProperty(b.hub, "notes", store.KeyProperty+"!")
	return b.plan(b.linkedDraft("note", 0))["note.create:0"]
}

const postNote = "/crm/objects/2026-09/notes"

// TestKeyed is the keyed mode's part of the table in the package's documentation.
func TestKeyed(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)

	t.Run("one call carries the key and the links", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		a := keyedNote(b)
		require.Equal(t, store.ActionWritten, b.mustWrite(a.ID).State)
		require.Len(t, b.calls(), 2, "the properties, once, and the create")
		note := b.sim.Records(b.hub, "notes")[0]
		require.Equal(t, a.ID.String(), note.Properties[store.KeyProperty])
		require.Equal(t, []string{a.Content.Associations[0].RecordID}, note.Associations["contacts"])
	})

	t.Run("custom object", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.tokens.token, _ = b.sim.Token(b.app.ClientID, b.hub, 0, "oauth", "crm.objects.custom.read", "crm.objects.custom.write", "crm.schemas.custom.read")
		typeID := b.sim.AddObjectType(b.hub, "rollout", "title", store.KeyProperty+"!")
		b.permit(typeID+".create", "allow")
		id := b.plan(store.Draft{Key: "custom", Tool: policy.Tool{Object: typeID, Operation: policy.Create}, Content: store.ActionContent{
			Properties: map[string]string{"title": "North"},
		}})["custom"].ID
		b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, CutAfterCommit: true})
		require.Equal(t, store.ActionWritten, b.mustWrite(id).State, "found by its key, without a link")
		require.Len(t, b.sim.Records(b.hub, typeID), 1)
	})

	t.Run("answer lost, not there: sent again at once, any number of times", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		a := keyedNote(b)
		b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Path: postNote, CommitLate: time.Minute, Times: 5})
		for range 5 {
			_, err := b.write(a.ID)
			require.Less(t, requireRetry(t, err).After, 10*time.Second)
		}
		require.Equal(t, store.ActionWritten, b.mustWrite(a.ID).State)
		b.sim.Advance(wide)
		require.Len(t, b.writes("create"), 1, "the others come late, and are refused")
		requireAllCompleted(t, b)
	})

	t.Run("answer lost, and there when it is sent again", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		a := keyedNote(b)
		b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Path: postNote, CommitLate: time.Minute})
		_, err := b.write(a.ID)
		requireRetry(t, err)
		b.wire.onRequest(func(r *http.Request) {
			if r.Method == http.MethodPost {
				b.sim.Advance(2 * time.Minute) // between our look and our second call
			}
		})
		r := b.mustWrite(a.ID)
		require.Equal(t, store.ActionWritten, r.State)
		require.Len(t, b.writes("create"), 1)
		require.Equal(t, b.writes("create")[0].ID, r.RecordID)
		requireAllCompleted(t, b)
	})

	t.Run("HubSpot rewrote what was sent", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		a := keyedNote(b)
		b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Path: postNote, CommitLate: time.Minute})
		_, err := b.write(a.ID)
		requireRetry(t, err)
		b.sim.Advance(2 * time.Minute)
		require.NoError(t, b.sim.Edit(b.hub, "notes", b.writes("create")[0].ID, map[string]string{"hs_note_body": "other"}))
		require.Equal(t, store.ActionWritten, b.mustWrite(a.ID).State, "the key tells, whatever the properties are")
	})

	t.Run("an approved second sending writes nothing twice", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		a := keyedNote(b)
		b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Path: postNote, CommitLate: time.Minute})
		_, err := b.write(a.ID)
		requireRetry(t, err)
		b.permit("note.create", "deny")
		require.Equal(t, store.ActionUnknown, b.mustWrite(a.ID).State)
		b.permit("note.create", "allow")
		require.NoError(t, b.store.AskAgain(b.ctx, b.org.ID, a.ID, "outcome", "lost", nil))
		b.decide(a.ID, store.Approve, nil)
		b.sim.Advance(2 * time.Minute)
		require.Equal(t, store.ActionWritten, b.mustWrite(a.ID).State)
		require.Len(t, b.writes("create"), 1)
	})

	t.Run("contact whose address somebody has", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("contact.create", "allow")
		b.sim.AddProperty(b.hub, "contacts", store.KeyProperty+"!")
		there := b.add("contacts", map[string]string{"email": email})
		r := b.mustWrite(b.plan(contactDraft())["contact"].ID)
		require.Equal(t, store.ActionUnchanged, r.State)
		require.Equal(t, there.ID, r.RecordID)
	})

	t.Run("another unique value that somebody has", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("company.create", "allow")
		b.sim.AddProperty(b.hub, "companies", store.KeyProperty+"!")
		b.sim.AddProperty(b.hub, "companies", "vat_number!")
		there := b.add("companies", map[string]string{"name": "Other", "vat_number": "77"})
		d := companyDraft()
		d.Content.Properties["vat_number"] = "77"
		r := b.mustWrite(b.plan(d)["company"].ID)
		require.Equal(t, store.ActionFailed, r.State)
		require.Contains(t, r.Reason, there.ID)
	})

	t.Run("property without unique values", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("note.create", "allow")
		b.sim.AddProperty(b.hub, "notes", store.KeyProperty)
		id := b.plan(b.linkedDraft("note", 0))["note.create:0"].ID
		require.Equal(t, store.ActionWritten, b.mustWrite(id).State)
		require.Empty(t, b.sim.Records(b.hub, "notes")[0].Properties[store.KeyProperty])
	})

	t.Run("who may not read the properties creates without", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		a := keyedNote(b)
		b.sim.Inject(hubspottest.Fault{Method: http.MethodGet, Path: "/crm/properties/*/*", Status: 403, Body: `{"status":"error","category":"MISSING_SCOPES"}`})
		require.Equal(t, store.ActionWritten, b.mustWrite(a.ID).State)
		require.Empty(t, b.sim.Records(b.hub, "notes")[0].Properties[store.KeyProperty])
	})
}

// TestKeyComesAndGoes: the mode of a call is the one that it was sent in.
func TestKeyComesAndGoes(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	late := hubspottest.Fault{Method: http.MethodPost, CommitLate: time.Minute}
	keyedContact := func(b *bundle) store.Action {
		b.permit("contact.create", "allow")
		b.sim.AddProperty(b.hub, "contacts", store.KeyProperty+"!")
		return b.plan(contactDraft())["contact"]
	}

	t.Run("deleted before the call", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		a := keyedContact(b)
		other := contactDraft()
		other.Key, other.Content.NaturalKey, other.Content.Properties = "other", "email:al@northwind.example", map[string]string{"email": "al@northwind.example"}
		second := b.plan(contactDraft(), other)["other"].ID
		var once sync.Once
		b.wire.onRequest(func(r *http.Request) {
			if r.Method == http.MethodPost {
				once.Do(func() { b.dropProperty("contacts", store.KeyProperty) })
			}
		})
		require.Equal(t, store.ActionWritten, b.mustWrite(a.ID).State, "sent without")
		require.Equal(t, store.ActionWritten, b.mustWrite(second).State)
		require.Equal(t, []string{"done", "failed", "done", "done"}, outcomes(b), "it is not tried again with every record")
	})

	t.Run("deleted while the answer was lost", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		a := keyedContact(b)
		b.sim.Inject(late)
		_, err := b.write(a.ID)
		requireRetry(t, err)
		b.dropProperty("contacts", store.KeyProperty)
		b.sim.Inject(hubspottest.Fault{Method: http.MethodGet, Path: "/crm/objects/2026-09/contacts/*", Status: http.StatusBadRequest})
		_, err = b.write(a.ID)
		require.Greater(t, requireRetry(t, err).After, 100*time.Second, "HubSpot may have checked it before that")
		b.lateEnough()
		require.Equal(t, store.ActionWritten, b.mustWrite(a.ID).State)
		require.LessOrEqual(t, len(b.writes("create")), 1)
	})

	t.Run("deleted when it was written and the answer lost", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		a := keyedNote(b)
		b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Path: postNote, CommitLate: time.Minute})
		_, err := b.write(a.ID)
		requireRetry(t, err)
		b.sim.Advance(2 * time.Minute)
		b.dropProperty("notes", store.KeyProperty)
		b.sim.Inject(hubspottest.Fault{Method: http.MethodGet, Path: postNote + "/*", Status: http.StatusBadRequest})
		require.Equal(t, store.ActionWritten, b.mustWrite(a.ID).State, "found by its links; that the key is gone does not make it another record")
		require.Len(t, b.writes("create"), 1)
	})

	t.Run("deleted between the look and the second call", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		a := keyedContact(b)
		b.sim.Inject(late)
		_, err := b.write(a.ID)
		requireRetry(t, err)
		b.wire.onRequest(func(r *http.Request) {
			if r.Method == http.MethodPost {
				b.wire.onRequest(nil)
				b.dropProperty("contacts", store.KeyProperty)
			}
		})
		r := b.mustWrite(a.ID)
		require.Equal(t, store.ActionUnknown, r.State, "the first may still come, and nothing would tell")
		require.Contains(t, r.Reason, store.KeyProperty)
		require.Empty(t, b.writes("create"))
		require.NoError(t, b.store.AskAgain(b.ctx, b.org.ID, a.ID, "outcome", r.Reason, nil))
		b.decide(a.ID, store.Approve, nil)
		require.Equal(t, store.ActionWritten, b.mustWrite(a.ID).State, "a human's word is taken, once")
	})

	t.Run("made while the answer was lost", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("note.create", "allow")
		id := b.plan(b.linkedDraft("note", 0))["note.create:0"].ID
		b.sim.Inject(late)
		_, err := b.write(id)
		requireRetry(t, err)
		b.sim.AddProperty(b.hub, "notes", store.KeyProperty+"!")
		_, err = b.newGate().Write(b.ctx, id, crm.Attempt{})
		require.Greater(t, requireRetry(t, err).After, 100*time.Second, "the call that is out has no key")
		b.lateEnough()
		require.Equal(t, store.ActionWritten, b.mustWrite(id).State)
		require.Len(t, b.writes("create"), 1)
	})
}

func TestOfferKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	granted := func(more ...string) []string {
		scopes := append(append([]string{}, b.app.RequiredScopes...), more...)
		b.tokens.token, _ = b.sim.Token(b.app.ClientID, b.hub, 0, scopes...)
		return scopes
	}
	scopes := granted("crm.schemas.contacts.write")
	b.sim.AddProperty(b.hub, "deals", store.KeyProperty+"!")
	b.sim.AddProperty(b.hub, "notes", store.KeyProperty)
	want := map[string]crm.KeyOffer{
		"contact": {State: crm.KeyPossible},
		"company": {State: crm.KeyNeedsScope, Scope: "crm.schemas.companies.write"},
		"deal":    {State: crm.KeyThere},
		"ticket":  {State: crm.KeyPossible},
		"note":    {State: crm.KeyUnusable},
		"task":    {State: crm.KeyPossible},
	}
	scope := b.scope()
	scope.Origin, scope.Round = store.Origin{}, 0
	for object, offer := range want {
		offer.Object = object
		got, err := b.gate.OfferKeys(b.ctx, scope, object, scopes)
		require.NoError(t, err)
		require.Equal(t, offer, got)
	}
	_, err := b.gate.CreateKeys(b.ctx, scope, "company", scopes)
	require.NoError(t, err)
	require.Empty(t, b.propertyOf("companies"), "a scope is missing")

	got, err := b.gate.CreateKeys(b.ctx, scope, "task", scopes)
	require.NoError(t, err)
	require.Equal(t, crm.KeyNeedsScope, got.State, "this account wants another scope than ours guessed")
	require.Contains(t, got.Reason, "crm.schemas.tasks.write")

	// In use, at once: creates went without, now they carry it.
	b.permit("ticket.create", "allow")
	actions := b.plan(b.linkedDraft("ticket", 0), b.linkedDraft("ticket", 1))
	b.mustWrite(actions["ticket.create:0"].ID)
	for range 2 {
		got, err = b.gate.CreateKeys(b.ctx, scope, "ticket", scopes)
		require.NoError(t, err)
		require.Equal(t, crm.KeyOffer{Object: "ticket", State: crm.KeyThere}, got)
	}
	b.mustWrite(actions["ticket.create:1"].ID)
	tickets := b.sim.Records(b.hub, "tickets")
	require.Empty(t, tickets[0].Properties[store.KeyProperty])
	require.NotEmpty(t, tickets[1].Properties[store.KeyProperty])

	made := b.propertyOf("tickets")
	require.True(t, made[0].HasUniqueValue && made[0].Hidden)
	require.Equal(t, "ticketinformation", made[0].GroupName)
	for _, c := range b.calls() {
		require.True(t, c.Completed)
		require.False(t, strings.Contains(c.Reason, "key property") && c.Tool != "", "it is the gate's own call")
	}
}
