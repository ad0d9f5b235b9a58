package crm_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

func TestAllowWritesOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.permit("contact.create", "allow")
	id := b.plan(contactDraft())["contact"].ID

	r := b.mustWrite(id)
	require.Equal(t, store.ActionWritten, r.State)
	require.NotEmpty(t, r.RecordID)
	again := b.mustWrite(id)
	require.Equal(t, r, again, "a replay answers what happened")

	require.Len(t, b.writes("create"), 1)
	require.Equal(t, r.RecordID, b.sim.Records(b.hub, "contacts")[0].ID)
	require.Equal(t, []call{
		{Outcome: "done", Reason: "reading the properties of contacts", Completed: true},
		{Tool: "contact.create", Outcome: "done", RecordID: r.RecordID, Completed: true},
	}, b.calls())
}

// TestPermissionAtTheMomentOfTheCall: deny by default, deny switched on after
// the approval, ask without and with an approval.
func TestPermissionAtTheMomentOfTheCall(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)

	t.Run("nothing configured", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		id := b.plan(contactDraft())["contact"].ID
		require.Equal(t, store.ActionDenied, b.mustWrite(id).State)
		require.Empty(t, b.sim.Calls())
	})

	t.Run("deny switched on when it was ready", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("contact.create", "allow")
		id := b.plan(contactDraft())["contact"].ID
		b.permit("contact.create", "deny")
		r := b.mustWrite(id)
		require.Equal(t, store.ActionDenied, r.State)
		require.Contains(t, r.Reason, "denied")
		require.Empty(t, b.sim.Calls())
		require.Equal(t, []string{"refused"}, outcomes(b))
	})

	t.Run("deny switched on after the approval", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("contact.create", "ask")
		id := b.plan(contactDraft())["contact"].ID
		b.decide(id, store.Approve, nil)
		b.permit("contact.create", "deny")
		require.Equal(t, store.ActionDenied, b.mustWrite(id).State)
		require.Empty(t, b.sim.Calls())
	})

	t.Run("deny switched on while the question is pending", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("contact.create", "ask")
		id := b.plan(contactDraft())["contact"].ID
		b.permit("contact.create", "deny")
		require.Equal(t, store.ActionDenied, b.mustWrite(id).State)
		pending, err := b.store.Approvals(b.ctx, b.org.ID, store.ApprovalFilter{State: store.ApprovalWithdrawn})
		require.NoError(t, err)
		require.Len(t, pending, 1)
		require.Empty(t, b.sim.Calls())
	})

	t.Run("ask switched on when it was ready", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("contact.create", "allow")
		id := b.plan(contactDraft())["contact"].ID
		b.permit("contact.create", "ask")
		r := b.mustWrite(id)
		require.True(t, r.NeedsQuestion)
		require.Equal(t, store.ActionReady, r.State)
		require.Empty(t, b.sim.Calls())
	})

	t.Run("ask, unanswered", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("contact.create", "ask")
		id := b.plan(contactDraft())["contact"].ID
		r := b.mustWrite(id)
		require.True(t, r.NeedsQuestion)
		require.Equal(t, store.ActionAsking, r.State)
		require.Empty(t, b.sim.Calls())
	})

	t.Run("ask, approved", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("contact.create", "ask")
		id := b.plan(contactDraft())["contact"].ID
		b.decide(id, store.Approve, nil)
		require.Equal(t, store.ActionWritten, b.mustWrite(id).State)
		trail, err := b.store.AuditTrail(b.ctx, b.org.ID, store.AuditFilter{ActionID: id, Kind: store.AuditCall})
		require.NoError(t, err)
		require.Len(t, trail, 1)
		require.NotNil(t, trail[0].ApprovalID, "the trail says by whose word")
		require.Equal(t, "person-1", trail[0].OnBehalfOf)
	})

	t.Run("ask, edited", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("contact.create", "ask")
		id := b.plan(contactDraft())["contact"].ID
		b.decide(id, store.Edit, map[string]string{"firstname": "Janet"})
		require.Equal(t, store.ActionWritten, b.mustWrite(id).State)
		got := b.sim.Records(b.hub, "contacts")[0].Properties
		require.Equal(t, "Janet", got["firstname"])
		require.Equal(t, "Roe", got["lastname"])
	})

	t.Run("approval of other content", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("contact.create", "ask")
		id := b.plan(contactDraft())["contact"].ID
		b.decide(id, store.Approve, nil)
		b.exec(`update approvals set content_mac = '\x01' where organization_id = $1`, b.org.ID)
		r := b.mustWrite(id)
		require.True(t, r.NeedsQuestion)
		require.Empty(t, b.sim.Calls())
	})

	t.Run("a doubt asks even where the tool is allowed", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("contact.create", "allow")
		d := contactDraft()
		d.Content.Doubt = "two people have that name"
		id := b.plan(d)["contact"].ID
		b.exec(`update actions set state = 'ready' where id = $1`, id)
		r := b.mustWrite(id)
		require.True(t, r.NeedsQuestion)
		require.NotContains(t, r.Reason, "two people", "the doubt is words")
		require.Empty(t, b.sim.Calls())
	})

	t.Run("turned to deny between the look and the call", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("company.create", "allow")
		id := b.plan(companyDraft())["company"].ID
		b.wire.onRequest(func(r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/search") {
				b.permit("company.create", "deny")
			}
		})
		require.Equal(t, store.ActionDenied, b.mustWrite(id).State)
		require.Empty(t, b.writes("create"))
	})
}

func outcomes(b *bundle) []string {
	var out []string
	for _, c := range b.calls() {
		out = append(out, c.Outcome)
	}
	return out
}

// TestConcurrentAttempts: one record, however many attempts of however many
// processes run at once.
func TestConcurrentAttempts(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, d := range []store.Draft{contactDraft(), companyDraft(), dealDraft()} {
		t.Run(d.Key, func(t *testing.T) {
			t.Parallel()
			b := db.setup(t)
			b.permit(d.Key+".create", "allow")
			id := b.plan(d)[d.Key].ID
			var wg sync.WaitGroup
			results := make([]crm.WriteResult, 16)
			errs := make([]error, 16)
			for i := range 16 {
				gate := b.newGate()
				wg.Go(func() { results[i], errs[i] = gate.Write(b.ctx, id, crm.Attempt{}) })
			}
			wg.Wait()
			require.Len(t, b.writes("create"), 1)
			written := 0
			for i := range 16 {
				if errs[i] != nil {
					requireRetry(t, errs[i])
					continue
				}
				require.Equal(t, store.ActionWritten, results[i].State)
				written++
			}
			require.Positive(t, written)
			require.Equal(t, store.ActionWritten, b.mustWrite(id).State)
			require.Equal(t, b.writes("create")[0].ID, b.action(id).RecordID)
			requireAllCompleted(t, b)
		})
	}
}

// TestAdoptingWhatAnotherAttemptMakes: an attempt that finds the company which
// another attempt of the same action has just created does not call the action
// settled before that one did.
func TestAdoptingWhatAnotherAttemptMakes(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.permit("company.create", "allow", "company.read", "allow")
	id := b.plan(companyDraft())["company"].ID
	var once sync.Once
	b.wire.onRequest(func(r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/search") {
			return
		}
		once.Do(func() {
			begun, err := b.store.BeginWrite(b.ctx, id, store.WriteIntent{})
			require.NoError(t, err)
			require.Equal(t, store.WriteSend, begun.Step)
			b.add("companies", begun.Properties)
			b.sim.Advance(time.Minute) // into the search index
		})
	})
	_, err := b.write(id)
	requireRetry(t, err)
	require.Equal(t, store.ActionWriting, b.action(id).State)
}

func requireAllCompleted(t *testing.T, b *bundle) {
	t.Helper()
	for _, c := range b.calls() {
		require.True(t, c.Completed, "%+v", c)
		require.NotEqual(t, "attempted", c.Outcome)
	}
}

func dealDraft() store.Draft {
	return store.Draft{Key: "deal", Tool: policy.Tool{Object: "deal", Operation: policy.Create}, Content: store.ActionContent{
		Properties: map[string]string{"dealname": "Northwind rollout", "pipeline": "default", "dealstage": "qualifiedtobuy", "amount": "1200.50"},
	}}
}

// creates has a create of every object type, linked with a known contact, and
// without a link.
func creates(contactID string) map[string]store.Draft {
	link := []store.AssociationRef{{Object: "contact", RecordID: contactID, Required: true}}
	at := "2026-11-20T10:00:00Z"
	drafts := map[string]store.Draft{
		"contact":           contactDraft(),
		"company, unlinked": companyDraft(),
		"deal, unlinked":    dealDraft(),
	}
	add := func(object string, properties map[string]string) {
		drafts[object+", linked"] = store.Draft{
			Key: object, Tool: policy.Tool{Object: object, Operation: policy.Create},
			Content: store.ActionContent{Properties: properties, Associations: link},
		}
	}
	company := companyDraft()
	add("company", company.Content.Properties)
	add("deal", dealDraft().Content.Properties)
	add("ticket", map[string]string{"subject": "Login fails", "hs_pipeline": "0", "hs_pipeline_stage": "1"})
	add("note", map[string]string{"hs_timestamp": at, "hs_note_body": "<p>Summary</p>"})
	add("task", map[string]string{"hs_timestamp": at, "hs_task_subject": "Send the offer", "hs_task_status": "NOT_STARTED"})
	add("meeting", map[string]string{"hs_timestamp": at, "hs_meeting_title": "Kick-off", "hs_meeting_start_time": at, "hs_meeting_end_time": "2026-11-20T11:00:00Z"})
	return drafts
}

// TestLostAnswers cuts the answer of each create, before and after HubSpot has
// done it, and late: the end is one record, or a question to a human, and never
// two records.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	cuts := map[string]hubspottest.Fault{
		"before the commit":        {CutBeforeCommit: true},
		"after the commit":         {CutAfterCommit: true},
		"in the body":              {TruncateBody: true},
		"502 after the commit":     {AnswerAfterCommit: true, Status: 502},
		"502 before the commit":    {Status: 502},
		"committed after our look": {CommitLate: time.Minute},
		"524, committed late":      {CommitLate: time.Minute, Status: 524},
	}
	for name := range creates("") {
		for cut, fault := range cuts {
			t.Run(name+" "+cut, func(t *testing.T) {
				t.Parallel()
				b := db.setup(t)
				known := b.add("contacts", map[string]string{"email": "known@northwind.example"})
				d := creates(known.ID)[name]
				object := d.Tool.Object
				b.permit(object+".create", "allow")
				id := b.plan(d)[d.Key].ID
				fault.Method, fault.Path = http.MethodPost, "/crm/objects/2026-09/*"
				b.sim.Inject(fault)

				r, err := b.write(id)
				if err != nil {
					wait := requireRetry(t, err)
					require.Greater(t, wait.After, 100*time.Second, "HubSpot may still be working on it")
					require.Equal(t, store.ActionWriting, b.action(id).State)
					// Before the time is over, nothing is sent again.
					if _, err = b.write(id); err != nil {
						requireRetry(t, err)
					}
					require.LessOrEqual(t, len(b.writes("create")), 1)
					b.lateEnough()
					// Another process goes on.
					r, err = b.newGate().Write(b.ctx, id, crm.Attempt{})
					require.NoError(t, err)
				}
				created := b.writes("create")
				require.LessOrEqual(t, len(created), 1, "never two")
				if r.State == store.ActionUnknown {
					require.True(t, r.OutcomeUnknown)
					require.True(t, strings.HasSuffix(name, "unlinked"), "what is linked, or has an address, can be found")
					// Asked again, it says the same and sends nothing.
					again := b.mustWrite(id)
					require.Equal(t, store.ActionUnknown, again.State)
					require.Len(t, b.writes("create"), len(created))
				} else {
					require.Equal(t, store.ActionWritten, r.State)
					require.Len(t, created, 1)
					require.Equal(t, created[0].ID, r.RecordID)
				}
				requireAllCompleted(t, b)
			})
		}
	}
}

// TestLostAnswerAmongOthers: what somebody else linked to the same record at the
// same time is not taken for ours.
func TestLostAnswerAmongOthers(t *testing.T) {
	t.Parallel()
	b := setup(t)
	known := b.add("contacts", map[string]string{"email": "known@northwind.example"})
	d := creates(known.ID)["note, linked"]
	b.permit("note.create", "allow")
	id := b.plan(d)["note"].ID
	b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Path: "/crm/objects/2026-09/notes", CutBeforeCommit: true})
	_, err := b.write(id)
	requireRetry(t, err)
	_, err = b.sim.Add(b.hub, "notes", hubspottest.Seed{
		Properties:   map[string]string{"hs_timestamp": "2026-11-20T10:00:00Z", "hs_note_body": "<p>Summary, by hand</p>"},
		Associations: map[string][]string{"contacts": {known.ID}},
	})
	require.NoError(t, err)
	b.lateEnough()
	r := b.mustWrite(id)
	require.Equal(t, store.ActionUnknown, r.State, "one that is not quite the same may be ours, rewritten by HubSpot")
	require.Empty(t, b.writes("create"))
}

// TestProcessDiesBetweenSendAndRecord: nothing but the database tells the next
// process.
func TestProcessDiesBetweenSendAndRecord(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, sent := range []bool{false, true} {
		t.Run(fmt.Sprintf("sent %v", sent), func(t *testing.T) {
			t.Parallel()
			b := db.setup(t)
			b.permit("contact.create", "allow")
			id := b.plan(contactDraft())["contact"].ID
			begun, err := b.store.BeginWrite(b.ctx, id, store.WriteIntent{Actor: store.Actor{Name: "follow-up"}})
			require.NoError(t, err)
			require.Equal(t, store.WriteSend, begun.Step)
			if sent {
				b.add("contacts", begun.Properties)
			}
			r, err := b.write(id)
			if !sent {
				requireRetry(t, err)
				b.lateEnough()
				r, err = b.write(id)
			}
			require.NoError(t, err)
			require.Equal(t, store.ActionWritten, r.State)
			require.Len(t, b.sim.Records(b.hub, "contacts"), 1)
		})
	}
}

func TestSameCompanyForTwoMeetings(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.permit("company.create", "allow", "company.update", "allow", "contact.update", "allow")
	other := uuid.New()
	b.addMeeting(other)
	person := b.add("contacts", map[string]string{"email": email})
	first := b.plan(companyDraft())["company"].ID
	linked := companyDraft()
	linked.Content.Associations = []store.AssociationRef{{Object: "contact", RecordID: person.ID}}
	second := b.planFor(other, linked)["company"].ID

	var wg sync.WaitGroup
	for _, id := range []uuid.UUID{first, second} {
		gate := b.newGate()
		wg.Go(func() {
			for range 200 {
				_, err := gate.Write(b.ctx, id, crm.Attempt{})
				if err == nil {
					return
				}
				var retry *crm.RetryError
				if !errors.As(err, &retry) {
					t.Error(err)
					return
				}
			}
			t.Error("it never came to an end")
		})
	}
	wg.Wait()
	companies := b.sim.Records(b.hub, "companies")
	require.Len(t, companies, 1)
	require.Equal(t, companies[0].ID, b.action(first).RecordID)
	require.Equal(t, companies[0].ID, b.action(second).RecordID)
	require.Equal(t, []string{person.ID}, companies[0].Associations["contacts"], "the link is made either way")
}

func TestClaims(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	setupTwo := func(t *testing.T) (b *bundle, first, second uuid.UUID) {
		b = db.setup(t)
		b.permit("contact.create", "allow")
		other := uuid.New()
		b.addMeeting(other)
		return b, b.plan(contactDraft())["contact"].ID, b.planFor(other, contactDraft())["contact"].ID
	}

	t.Run("held by a call that is out", func(t *testing.T) {
		t.Parallel()
		b, first, second := setupTwo(t)
		_, err := b.store.BeginWrite(b.ctx, first, store.WriteIntent{})
		require.NoError(t, err)
		_, err = b.write(second)
		require.Less(t, requireRetry(t, err).After, time.Minute)
		require.Empty(t, b.writes("create"))
	})

	t.Run("held by an action whose outcome is unknown", func(t *testing.T) {
		t.Parallel()
		b, first, second := setupTwo(t)
		begun, err := b.store.BeginWrite(b.ctx, first, store.WriteIntent{})
		require.NoError(t, err)
		_, err = b.store.EndWrite(b.ctx, store.WriteEnd{ActionID: first, CallID: begun.CallID, State: store.ActionUnknown, Call: store.CallResult{Outcome: store.Unknown}})
		require.NoError(t, err)
		_, err = b.write(second)
		requireRetry(t, err)
		require.Empty(t, b.writes("create"))
	})

	t.Run("held by an action that was left in doubt", func(t *testing.T) {
		t.Parallel()
		b, first, second := setupTwo(t)
		begun, err := b.store.BeginWrite(b.ctx, first, store.WriteIntent{})
		require.NoError(t, err)
		_, err = b.store.EndWrite(b.ctx, store.WriteEnd{ActionID: first, CallID: begun.CallID, State: store.ActionUnknown, Call: store.CallResult{Outcome: store.Unknown}})
		require.NoError(t, err)
		require.NoError(t, b.store.AskAgain(b.ctx, b.org.ID, first, "outcome", "its answer was lost", nil))
		_, err = b.write(second)
		requireRetry(t, err) // as long as somebody may still say what became of it
		b.decide(first, store.Reject, nil)
		r := b.mustWrite(second)
		require.True(t, r.NeedsQuestion, "now somebody has to say it for this one")
		require.Empty(t, b.writes("create"))
		require.Contains(t, r.Reason, "may have been created for another meeting")

		require.NoError(t, b.store.AskAgain(b.ctx, b.org.ID, second, "permission", "another doubt", nil))
		b.decide(second, store.Approve, nil)
		require.True(t, b.mustWrite(second).NeedsQuestion, "who approved knew nothing of it")
		require.NoError(t, b.store.AskAgain(b.ctx, b.org.ID, second, "permission", r.Reason, nil))
		b.decide(second, store.Approve, nil)
		require.Equal(t, store.ActionWritten, b.mustWrite(second).State)
		require.Equal(t, store.ActionRejected, b.mustWrite(first).State)
		require.Len(t, b.writes("create"), 1)
	})

	t.Run("held by a call of a meeting that was erased", func(t *testing.T) {
		t.Parallel()
		b, first, second := setupTwo(t)
		_, err := b.store.BeginWrite(b.ctx, first, store.WriteIntent{})
		require.NoError(t, err)
		b.exec(`update actions set state = 'unknown', may_exist_since = now(), data_key_id = null where id = $1`, first)
		require.True(t, b.mustWrite(second).NeedsQuestion, "nobody will ever say what became of it")
		require.Empty(t, b.writes("create"))
	})

	t.Run("left by an action that failed", func(t *testing.T) {
		t.Parallel()
		b, first, second := setupTwo(t)
		begun, err := b.store.BeginWrite(b.ctx, first, store.WriteIntent{})
		require.NoError(t, err)
		_, err = b.store.EndWrite(b.ctx, store.WriteEnd{ActionID: first, CallID: begun.CallID, State: store.ActionFailed, Call: store.CallResult{Outcome: store.Failed}})
		require.NoError(t, err)
		require.Equal(t, store.ActionWritten, b.mustWrite(second).State)
	})

	t.Run("with a record that is gone", func(t *testing.T) {
		t.Parallel()
		b, first, second := setupTwo(t)
		begun, err := b.store.BeginWrite(b.ctx, first, store.WriteIntent{})
		require.NoError(t, err)
		_, err = b.store.EndWrite(b.ctx, store.WriteEnd{ActionID: first, CallID: begun.CallID, State: store.ActionWritten, RecordID: "4711", NaturalKey: begun.NaturalKey, Call: store.CallResult{Outcome: store.Done}})
		require.NoError(t, err)
		r := b.mustWrite(second)
		require.Equal(t, store.ActionWritten, r.State)
		require.NotEqual(t, "4711", r.RecordID)
	})

	t.Run("of the address that the approver corrected", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("contact.create", "ask")
		other := uuid.New()
		b.addMeeting(other)
		first, second := b.plan(contactDraft())["contact"].ID, b.planFor(other, contactDraft())["contact"].ID
		b.decide(first, store.Edit, map[string]string{"email": "janet.roe@northwind.example"})
		b.decide(second, store.Approve, nil)
		require.Equal(t, store.ActionWritten, b.mustWrite(first).State)
		require.Equal(t, store.ActionWritten, b.mustWrite(second).State)
		require.Len(t, b.sim.Records(b.hub, "contacts"), 2)
	})
}

func TestContactThatExists(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.permit("contact.create", "allow")
	there := b.add("contacts", map[string]string{"email": email})
	company := b.add("companies", map[string]string{"name": "Northwind"})
	d := contactDraft()
	d.Content.Associations = []store.AssociationRef{{Object: "company", RecordID: company.ID}}
	id := b.plan(d)["contact"].ID
	r := b.mustWrite(id)
	require.Equal(t, store.ActionUnchanged, r.State)
	require.Equal(t, there.ID, r.RecordID)
	require.Contains(t, r.Reason, "not linked with the company", "a link to a record that was there is an update of both ends")
	require.Empty(t, b.sim.Records(b.hub, "contacts")[0].Properties["firstname"], "what is there is not overwritten")
	require.Empty(t, b.writes("associate"))
}

func TestContactThatExistsIsLinked(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for _, how := range []string{"allowed", "approved"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b := db.setup(t)
			p := map[string]string{"allowed": "allow", "approved": "ask"}[how]
			b.permit("contact.create", p, "contact.update", p, "company.update", p)
			b.add("contacts", map[string]string{"email": email})
			company := b.add("companies", map[string]string{"name": "Northwind"})
			d := contactDraft()
			d.Content.Associations = []store.AssociationRef{{Object: "company", RecordID: company.ID}}
			id := b.plan(d)["contact"].ID
			if how == "approved" {
				b.decide(id, store.Approve, nil)
			}
			require.Equal(t, store.ActionUnchanged, b.mustWrite(id).State)
			require.Equal(t, []string{company.ID}, b.sim.Records(b.hub, "contacts")[0].Associations["companies"])
		})
	}
}

func TestCompanyThatGotThereMeanwhile(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.permit("company.create", "allow")
	id := b.plan(companyDraft())["company"].ID
	there := b.add("companies", map[string]string{"name": "Northwind Ltd", "domain": "northwind.example"})
	r := b.mustWrite(id)
	require.Equal(t, store.ActionUnchanged, r.State)
	require.Equal(t, there.ID, r.RecordID)

	two := setup(t)
	two.permit("company.create", "allow")
	id = two.plan(companyDraft())["company"].ID
	two.add("companies", map[string]string{"name": "A", "domain": "northwind.example"})
	two.add("companies", map[string]string{"name": "B", "domain": "northwind.example"})
	require.True(t, two.mustWrite(id).NeedsQuestion, "which of the two is a question")
	// A human who approves all the same is not asked again.
	require.NoError(t, two.store.AskAgain(two.ctx, two.org.ID, id, "permission", "there are two", nil))
	two.decide(id, store.Approve, nil)
	require.Equal(t, store.ActionWritten, two.mustWrite(id).State)
}

func dealUpdate(target string, before map[string]string) store.Draft {
	return store.Draft{
		Key: "move", Tool: policy.Tool{Object: "deal", Operation: policy.Update}, TargetID: target,
		Content: store.ActionContent{Properties: map[string]string{"dealstage": "contractsent", "amount": "2500"}, Before: before},
	}
}

func TestUpdates(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	start := map[string]string{"dealname": "Rollout", "pipeline": "default", "dealstage": "qualifiedtobuy", "amount": "1000"}
	before := map[string]string{"dealstage": "qualifiedtobuy", "amount": "1000"}
	prepare := func(t *testing.T, before map[string]string) (*bundle, hubspottest.Record, uuid.UUID) {
		b := db.setup(t)
		b.permit("deal.update", "allow")
		deal := b.add("deals", start)
		return b, deal, b.plan(dealUpdate(deal.ID, before))["move"].ID
	}

	t.Run("written", func(t *testing.T) {
		t.Parallel()
		b, deal, id := prepare(t, before)
		r := b.mustWrite(id)
		require.Equal(t, store.ActionWritten, r.State)
		require.Equal(t, deal.ID, r.RecordID)
		require.Equal(t, "contractsent", b.sim.Records(b.hub, "deals")[0].Properties["dealstage"])
		require.Len(t, b.calls(), 2, "a read and a write")
	})

	t.Run("a scope is missing", func(t *testing.T) {
		t.Parallel()
		for _, scopes := range [][]string{{"oauth", "crm.objects.contacts.read"}, {"oauth", "crm.objects.deals.read"}} {
			b, _, id := prepare(t, before)
			good := b.tokens.token
			b.tokens.token, _ = b.sim.Token(b.app.ClientID, b.hub, 0, scopes...)
			r := b.mustWrite(id)
			require.True(t, r.NeedsQuestion)
			require.Contains(t, r.Reason, "crm.objects.deals.")
			require.NoError(t, b.store.AskAgain(b.ctx, b.org.ID, id, "permission", r.Reason, nil))
			b.tokens.token = good
			b.decide(id, store.Approve, nil)
			require.Equal(t, store.ActionWritten, b.mustWrite(id).State)
		}
	})

	t.Run("changed by somebody else", func(t *testing.T) {
		t.Parallel()
		b, deal, id := prepare(t, before)
		require.NoError(t, b.sim.Edit(b.hub, "deals", deal.ID, map[string]string{"amount": "1800"}))
		r := b.mustWrite(id)
		require.True(t, r.NeedsQuestion)
		require.Equal(t, map[string]string{"dealstage": "qualifiedtobuy", "amount": "1800"}, r.Current)
		require.Contains(t, r.Reason, "amount")
		require.NotContains(t, r.Reason, "1800")
		require.Empty(t, b.writes("update"))
		// Asked again with what is there now, and approved, it is written.
		require.NoError(t, b.store.AskAgain(b.ctx, b.org.ID, id, "permission", "changed", r.Current))
		require.True(t, b.mustWrite(id).NeedsQuestion)
		b.decide(id, store.Approve, nil)
		require.Equal(t, store.ActionWritten, b.mustWrite(id).State)
	})

	t.Run("a value where there was none", func(t *testing.T) {
		t.Parallel()
		b, deal, id := prepare(t, map[string]string{"dealstage": "qualifiedtobuy"})
		require.Equal(t, "1000", deal.Properties["amount"])
		require.True(t, b.mustWrite(id).NeedsQuestion)
		require.Empty(t, b.writes("update"))
	})

	t.Run("already so", func(t *testing.T) {
		t.Parallel()
		b, deal, id := prepare(t, before)
		require.NoError(t, b.sim.Edit(b.hub, "deals", deal.ID, map[string]string{"amount": "2500.00", "dealstage": "contractsent"}))
		require.Equal(t, store.ActionUnchanged, b.mustWrite(id).State)
		require.Empty(t, b.writes("update"))
	})

	t.Run("gone", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("deal.update", "allow")
		id := b.plan(dealUpdate("4711", before))["move"].ID
		r := b.mustWrite(id)
		require.Equal(t, store.ActionFailed, r.State)
		require.Contains(t, r.Reason, "does not exist")
	})

	for cut, fault := range map[string]hubspottest.Fault{
		"cut before the commit": {CutBeforeCommit: true},
		"cut after the commit":  {CutAfterCommit: true},
		"committed late":        {CommitLate: time.Minute},
	} {
		t.Run(cut, func(t *testing.T) {
			t.Parallel()
			b, _, id := prepare(t, before)
			fault.Method = http.MethodPatch
			b.sim.Inject(fault)
			r, err := b.write(id)
			if err != nil {
				requireRetry(t, err)
				b.lateEnough()
				r = b.mustWrite(id)
			}
			require.Equal(t, store.ActionWritten, r.State)
			require.Len(t, b.writes("update"), 1)
			requireAllCompleted(t, b)
		})
	}

	t.Run("cut, then changed by somebody else", func(t *testing.T) {
		t.Parallel()
		b, deal, id := prepare(t, before)
		b.sim.Inject(hubspottest.Fault{Method: http.MethodPatch, CutBeforeCommit: true})
		_, err := b.write(id)
		requireRetry(t, err)
		require.NoError(t, b.sim.Edit(b.hub, "deals", deal.ID, map[string]string{"amount": "1800"}))
		b.lateEnough()
		r := b.mustWrite(id)
		require.True(t, r.NeedsQuestion)
		require.Equal(t, store.ActionReady, b.action(id).State)
		require.Empty(t, b.writes("update"))
		requireAllCompleted(t, b)
	})

	t.Run("with links", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("deal.update", "allow", "contact.update", "ask")
		deal := b.add("deals", start)
		person := b.add("contacts", map[string]string{"email": email})
		d := dealUpdate(deal.ID, before)
		d.Content.Associations = []store.AssociationRef{{Object: "contact", RecordID: person.ID}}
		id := b.plan(d)["move"].ID
		require.True(t, b.mustWrite(id).NeedsQuestion, "the other end's tool is set to ask")
		require.Empty(t, b.sim.Writes())
		require.NoError(t, b.store.AskAgain(b.ctx, b.org.ID, id, "permission", "it links a contact", nil))
		b.decide(id, store.Approve, nil)
		require.Equal(t, store.ActionWritten, b.mustWrite(id).State)
		require.Equal(t, []string{person.ID}, b.sim.Records(b.hub, "deals")[0].Associations["contacts"])
	})
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	drafts := func(required bool) []store.Draft {
		task := store.Draft{
			Key: "task", Tool: policy.Tool{Object: "task", Operation: policy.Create}, DependsOn: []string{"contact"},
			Content: store.ActionContent{
				Properties:   map[string]string{"hs_timestamp": "2026-11-20T10:00:00Z", "hs_task_subject": "Call back"},
				Associations: []store.AssociationRef{{Object: "contact", Key: "contact", Required: required}},
			},
		}
		return []store.Draft{contactDraft(), task}
	}

	t.Run("written", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("contact.create", "allow", "task.create", "allow")
		a := b.plan(drafts(true)...)
		_, err := b.write(a["task"].ID)
		requireRetry(t, err)
		r := b.mustWrite(a["contact"].ID)
		require.Equal(t, store.ActionWritten, b.mustWrite(a["task"].ID).State)
		require.Equal(t, []string{r.RecordID}, b.sim.Records(b.hub, "tasks")[0].Associations["contacts"])
	})

	for _, required := range []bool{true, false} {
		t.Run(fmt.Sprintf("failed, required %v", required), func(t *testing.T) {
			t.Parallel()
			b := db.setup(t)
			b.permit("contact.create", "allow", "task.create", "allow")
			d := drafts(required)
			d[0].Content.Properties["no_such_property"] = "x"
			a := b.plan(d...)
			failed := b.mustWrite(a["contact"].ID)
			require.Equal(t, store.ActionFailed, failed.State)
			require.Contains(t, failed.Reason, "no_such_property (PROPERTY_DOESNT_EXIST)")
			r := b.mustWrite(a["task"].ID)
			if required {
				require.Equal(t, store.ActionSkipped, r.State)
				require.Contains(t, r.Reason, "Create Contact")
				return
			}
			require.Equal(t, store.ActionWritten, r.State)
			require.Empty(t, b.sim.Records(b.hub, "tasks")[0].Associations)
		})
	}

	t.Run("the target is another action's record", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("deal.create", "allow", "deal.update", "allow")
		move := dealUpdate("", nil)
		move.DependsOn, move.Content.TargetKey = []string{"deal"}, "deal"
		a := b.plan(dealDraft(), move)
		made := b.mustWrite(a["deal"].ID)
		r := b.mustWrite(a["move"].ID)
		require.Equal(t, store.ActionWritten, r.State)
		require.Equal(t, made.RecordID, r.RecordID)
	})
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)

	t.Run("missing scopes", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("contact.create", "allow")
		good := b.tokens.token
		b.tokens.token, _ = b.sim.Token(b.app.ClientID, b.hub, 0, "oauth", "crm.objects.contacts.read")
		id := b.plan(contactDraft())["contact"].ID
		r := b.mustWrite(id)
		require.Equal(t, store.ActionReady, r.State)
		require.True(t, r.NeedsQuestion)
		require.Contains(t, r.Reason, "crm.objects.contacts.write")
		requireAllCompleted(t, b)
		// Asked, reconnected and approved, it is sent.
		require.NoError(t, b.store.AskAgain(b.ctx, b.org.ID, id, "permission", r.Reason, nil))
		b.tokens.token = good
		b.decide(id, store.Approve, nil)
		require.Equal(t, store.ActionWritten, b.mustWrite(id).State)
		require.Len(t, b.writes("create"), 1)
	})

	for status, longest := range map[int]time.Duration{429: 11 * time.Second, 423: 4 * time.Second, 477: 2 * time.Minute} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			b := db.setup(t)
			b.permit("contact.create", "allow")
			id := b.plan(contactDraft())["contact"].ID
			b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Status: status})
			_, err := b.write(id)
			require.LessOrEqual(t, requireRetry(t, err).After, longest)
			require.Equal(t, store.ActionReady, b.action(id).State, "nothing happened: it can be sent at once when the time has come")
			b.windowPasses()
			require.Equal(t, store.ActionWritten, b.mustWrite(id).State)
			require.Equal(t, []string{"done", "failed", "done"}, outcomes(b), "the properties, refused, written")
		})
	}

	t.Run("a paused connection", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("contact.create", "allow")
		id := b.plan(contactDraft())["contact"].ID
		paused := errors.New("paused")
		b.tokens.err = paused
		_, err := b.write(id)
		require.ErrorIs(t, err, paused)
		require.Equal(t, store.ActionReady, b.action(id).State)
		require.Empty(t, b.calls(), "no call, no row")
		b.tokens.err = nil
		require.Equal(t, store.ActionWritten, b.mustWrite(id).State)
	})

	t.Run("a connection that pauses in the middle", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("contact.create", "allow")
		id := b.plan(contactDraft())["contact"].ID
		paused := errors.New("paused")
		b.wire.onRequest(func(*http.Request) {
			b.tokens.mu.Lock()
			defer b.tokens.mu.Unlock()
			b.tokens.err = paused
		})
		good := b.tokens.token
		b.tokens.token = "unknown"
		_, err := b.write(id)
		require.ErrorIs(t, err, paused)
		require.Equal(t, store.ActionReady, b.action(id).State)
		requireAllCompleted(t, b)
		b.wire.onRequest(nil)
		b.tokens.err, b.tokens.token = nil, good
		require.Equal(t, store.ActionWritten, b.mustWrite(id).State)
	})
}

// TestExpiredToken: one renewal, one more try, within the same audited call.
func TestExpiredToken(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.permit("contact.create", "allow")
	id := b.plan(contactDraft())["contact"].ID
	b.tokens.next, b.tokens.token = b.tokens.token, "no longer good"
	require.Equal(t, store.ActionWritten, b.mustWrite(id).State)
	require.Equal(t, []int64{7}, b.tokens.invalidated)
	require.Equal(t, []string{"done", "done"}, outcomes(b), "the properties, written")

	b.tokens.next, b.tokens.token, b.tokens.invalidated = "", "still no good", nil
	b.permit("contact.read", "allow")
	_, err := b.gate.Reader(b.scope()).Get(b.ctx, "contact", "1", getNothing)
	requireRetry(t, err)
	require.Len(t, b.tokens.invalidated, 1, "once, not for ever")
}

// TestAuditStandsBeforeTheCall looks at the table while HubSpot is being called.
func TestAuditStandsBeforeTheCall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.permit("deal.update", "allow")
	deal := b.add("deals", map[string]string{"dealname": "Rollout", "pipeline": "default", "dealstage": "qualifiedtobuy", "amount": "1000"})
	id := b.plan(dealUpdate(deal.ID, map[string]string{"dealstage": "qualifiedtobuy", "amount": "1000"}))["move"].ID
	var during [][]call
	b.wire.onRequest(func(*http.Request) { during = append(during, b.calls()) })
	require.Equal(t, store.ActionWritten, b.mustWrite(id).State)
	require.Len(t, during, 2)
	for i, calls := range during {
		require.Len(t, calls, i+1)
		last := calls[i]
		require.Equal(t, "attempted", last.Outcome)
		require.Equal(t, "deal.update", last.Tool)
		require.False(t, last.Completed)
	}
	requireAllCompleted(t, b)
	require.Len(t, b.calls(), 2)
}

// TestNothingPersonalInTheTrail plants words, and looks for them in all columns
// of the trail that are not sealed, in reasons and in errors.
func TestNothingPersonalInTheTrail(t *testing.T) {
	t.Parallel()
	words := []string{"jane", "roe", "northwind", "secretvalue", "1234567"}
	b := setup(t)
	b.permit("contact.create", "allow", "company.create", "allow", "deal.create", "allow", "contact.read", "allow", "company.read", "allow")
	deal := dealDraft()
	deal.Content.Properties["amount"] = "1234567 secretvalue"
	a := b.plan(contactDraft(), companyDraft(), deal)
	var texts []string
	note := func(r crm.WriteResult, err error) {
		texts = append(texts, r.Reason)
		if err != nil {
			texts = append(texts, err.Error())
		}
	}
	b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Path: "/crm/objects/2026-09/contacts", CutBeforeCommit: true})
	for range 2 {
		for _, key := range []string{"contact", "company", "deal"} {
			note(b.write(a[key].ID))
		}
		b.lateEnough()
	}
	_, err := b.gate.Reader(b.scope()).Get(b.ctx, "contact", "nobody@northwind.example", getByEmail)
	require.Error(t, err)
	texts = append(texts, err.Error())

	rows, err := b.db.Query(b.ctx, `select to_jsonb(audit)::text from audit union all select key || reason || record_id from actions`)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		texts = append(texts, text)
	}
	require.NoError(t, rows.Err())
	for _, text := range texts {
		for _, word := range words {
			require.False(t, slices.ContainsFunc([]string{strings.ToLower(text)}, func(s string) bool { return strings.Contains(s, word) }),
				"%q stands in %s", word, text)
		}
	}
}

func TestCanceledContextIsStillRecorded(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.permit("contact.create", "allow")
	id := b.plan(contactDraft())["contact"].ID
	ctx, cancel := context.WithCancel(b.ctx)
	b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Latency: 300 * time.Millisecond})
	b.wire.onRequest(func(r *http.Request) {
		if r.Method == http.MethodPost {
			time.AfterFunc(50*time.Millisecond, cancel)
		}
	})
	_, err := b.gate.Write(ctx, id, crm.Attempt{})
	require.ErrorIs(t, err, context.Canceled)
	b.wire.onRequest(nil)
	require.Equal(t, store.ActionWriting, b.action(id).State, "it may have happened")
	// The simulator commits it after its latency: the next attempt finds it.
	require.Eventually(t, func() bool {
		r, err := b.write(id)
		return err == nil && r.State == store.ActionWritten
	}, 10*time.Second, 50*time.Millisecond)
	require.Len(t, b.writes("create"), 1)
}

// What HubSpot refuses for its values can be asked again; what no value mends fails.
func TestRefusedValues(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	for name, test := range map[string]struct {
		properties map[string]string
		state      store.ActionState
		missing    []string
		reason     string
	}{
		"a value is missing": {
			map[string]string{"dealstage": "closedlost"},
			store.ActionReady,
			[]string{"closed_lost_reason"},
			"closed_lost_reason (MISSING_CONDITIONAL_REQUIRED_PROPERTY)",
		},
		"a value is no option": {map[string]string{"dealtype": "other"}, store.ActionReady, nil, "dealtype (INVALID_OPTION)"},
		"there is no such property": {
			map[string]string{"dealtype": "other", "ghost": "1"}, store.ActionFailed, nil, "ghost (PROPERTY_DOESNT_EXIST)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := db.setup(t)
			b.permit("deal.update", "allow")
			require.NoError(t, b.sim.SetRules(b.hub, "deals", hubspottest.Rule{When: "dealstage", Is: []string{"closedlost"}, Require: []string{"closed_lost_reason"}}))
			deal := b.add("deals", map[string]string{"dealname": "Rollout", "pipeline": "default", "dealstage": "qualifiedtobuy"})
			d := dealUpdate(deal.ID, map[string]string{"dealstage": "qualifiedtobuy"})
			d.Content.Properties = test.properties
			r := b.mustWrite(b.plan(d)["move"].ID)
			require.Equal(t, test.state, r.State)
			require.Contains(t, r.Reason, test.reason)
			require.Equal(t, test.missing, r.Missing)
			require.Equal(t, test.state == store.ActionReady, r.NeedsQuestion)
			require.Equal(t, r.NeedsQuestion, strings.HasPrefix(r.Words, "HubSpot refused it: "))
			require.Equal(t, "qualifiedtobuy", b.sim.Records(b.hub, "deals")[0].Properties["dealstage"])
		})
	}
}
