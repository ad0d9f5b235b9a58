package crm_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// A process that has not noticed yet that an account has keys must not repeat
// without its key what another one sent with it: only the key makes it repeatable.
func TestKeyedCallIsRepeatedWithItsKeyByWhoeverKnowsOfNone(t *testing.T) {
	t.Parallel()
	b := setup(t)
	behind := b.newGate()
	b.permit("note.create", "allow")
	actions := b.plan(b.linkedDraft("note", 0), b.linkedDraft("note", 1))
	first, second := actions["note.create:0"], actions["note.create:1"]
	_, err := behind.Write(b.ctx, first.ID, crm.Attempt{})
	require.NoError(t, err)
	b.sim.AddProperty(b.hub, "notes", store.KeyProperty+"!")

	b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Path: postNote, CommitLate: time.Minute})
	_, err = b.newGate().Write(b.ctx, second.ID, crm.Attempt{})
	requireRetry(t, err)
	_, err = behind.Write(b.ctx, second.ID, crm.Attempt{})
	require.NoError(t, err)
	b.sim.Advance(wide)
	require.Len(t, b.writes("create"), 2, "one of each")
}

// What an approver corrected has another natural key: the record is none of the
// key's under which the action was tried before.
func TestRecordIsNotFoundUnderTheKeyBeforeTheEdit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.permit("company.create", "ask")
	other := uuid.New()
	b.addMeeting(other)
	first, second := b.plan(companyDraft())["company"].ID, b.planFor(other, companyDraft())["company"].ID
	b.decide(first, store.Approve, nil)
	b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Path: "/crm/objects/2026-09/companies", Status: http.StatusForbidden, Body: `{"status":"error","category":"MISSING_SCOPES"}`})
	r := b.mustWrite(first)
	require.True(t, r.NeedsQuestion)
	require.NoError(t, b.store.AskAgain(b.ctx, b.org.ID, first, "permission", r.Reason, nil))
	b.decide(first, store.Edit, map[string]string{"domain": "southwind.example", "name": "Southwind"})
	require.Equal(t, store.ActionWritten, b.mustWrite(first).State)

	b.decide(second, store.Approve, nil)
	r = b.mustWrite(second)
	require.Equal(t, store.ActionWritten, r.State)
	require.NotEqual(t, b.action(first).RecordID, r.RecordID, "Northwind is not Southwind")
}

// A call whose connection ended stays open for as long as nobody reconnects. Other
// organizations of the account don't wait for that.
func TestNobodyWaitsForACallThatNobodyFinishes(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	abandon := func(b *bundle, id uuid.UUID) {
		_, err := b.store.BeginWrite(b.ctx, id, store.WriteIntent{})
		require.NoError(b.t, err)
		b.exec(`update actions set updated_at = updated_at - interval '10 minutes' where id = $1`, id)
	}

	t.Run("the same company", func(t *testing.T) {
		t.Parallel()
		one := db.setup(t)
		two := one.neighbour()
		one.permit("company.create", "allow")
		two.permit("company.create", "allow")
		abandon(one, one.plan(companyDraft())["company"].ID)
		r := two.mustWrite(two.plan(companyDraft())["company"].ID)
		require.True(t, r.NeedsQuestion, "their people are not waited for")
		require.Empty(t, one.writes("create"))
	})

	t.Run("a contact of the company's domain", func(t *testing.T) {
		t.Parallel()
		one := db.setup(t)
		two := one.neighbour()
		one.permit("contact.create", "allow")
		two.permit("company.create", "allow")
		abandon(one, one.plan(contactDraft())["contact"].ID)
		require.Equal(t, store.ActionWritten, two.mustWrite(two.plan(companyDraft())["company"].ID).State)
	})

	t.Run("of the same organization: its people know", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("company.create", "allow")
		other := uuid.New()
		b.addMeeting(other)
		abandon(b, b.plan(companyDraft())["company"].ID)
		_, err := b.write(b.planFor(other, companyDraft())["company"].ID)
		require.GreaterOrEqual(t, requireRetry(t, err).After, time.Minute, "there is no hurry")
	})
}

// A database server whose clock is ahead of HubSpot's must not make a record that
// is there look like one that was there before.
func TestClockThatIsAheadMakesNoSecondRecord(t *testing.T) {
	t.Parallel()
	b := newDatabase(t).setupAt(t, func() time.Time { return time.Now().Add(-time.Hour) })
	b.permit("task.create", "allow")
	id := b.plan(b.linkedDraft("task", 0))["task.create:0"].ID
	b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, CutAfterCommit: true})
	_, err := b.write(id)
	requireRetry(t, err)
	b.lateEnough()
	r := b.mustWrite(id)
	require.True(t, r.OutcomeUnknown, "there is one just like it: a human looks")
	require.Len(t, b.writes("create"), 1)
}

// The record that has the action's key was made by a call from before the edit:
// that it is there does not mean that it is what was approved.
func TestKeyedRecordFromBeforeTheEditSaysSo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := keyedNote(b)
	b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Path: postNote, CommitLate: time.Minute})
	_, err := b.write(a.ID)
	requireRetry(t, err)
	b.permit("note.create", "ask")
	require.True(t, b.mustWrite(a.ID).NeedsQuestion)
	require.NoError(t, b.store.AskAgain(b.ctx, b.org.ID, a.ID, "permission", "asked now", nil))
	b.decide(a.ID, store.Edit, map[string]string{"hs_note_body": "<p>Corrected</p>"})
	b.sim.Advance(2 * time.Minute)
	r := b.mustWrite(a.ID)
	require.Len(t, b.writes("create"), 1)
	require.Equal(t, store.ActionWritten, r.State)
	require.Contains(t, r.Reason, "hs_note_body", "what was approved is not what is there")
}

// An update of what another action was to create overwrites nothing if the record
// was there already.
func TestUpdateOfAnAdoptedRecordAsks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.permit("contact.create", "allow", "contact.update", "allow")
	b.add("contacts", map[string]string{"email": email, "jobtitle": "Head of Finance"})
	change := store.Draft{Key: "change", Tool: policy.Tool{Object: "contact", Operation: policy.Update}, DependsOn: []string{"contact"}, Content: store.ActionContent{
		TargetKey: "contact", Properties: map[string]string{"jobtitle": "CFO"},
	}}
	a := b.plan(contactDraft(), change)
	require.Equal(t, store.ActionUnchanged, b.mustWrite(a["contact"].ID).State)
	r := b.mustWrite(a["change"].ID)
	require.True(t, r.NeedsQuestion)
	require.Equal(t, map[string]string{"jobtitle": "Head of Finance"}, r.Current)
	require.Empty(t, b.writes("update"))
}

// While a keyed create may still arrive, nothing else is taken for the record.
func TestNothingIsAdoptedWhileACallIsOnItsWay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.permit("company.create", "allow")
	b.sim.AddProperty(b.hub, "companies", store.KeyProperty+"!")
	id := b.plan(companyDraft())["company"].ID
	b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Path: "/crm/objects/2026-09/companies", CommitLate: time.Minute})
	_, err := b.write(id)
	requireRetry(t, err)
	other := b.add("companies", map[string]string{"name": "Northwind", "domain": "northwind.example"})
	_, err = b.write(id)
	require.Greater(t, requireRetry(t, err).After, 90*time.Second)
	b.lateEnough()
	r := b.mustWrite(id)
	require.Equal(t, store.ActionWritten, r.State)
	require.NotEqual(t, other.ID, r.RecordID, "ours came")
}
