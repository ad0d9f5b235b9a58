package crm_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
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

// TestOneContactOneCompany: a new contact and a new company end as one each,
// whether or not the account makes companies from addresses by itself, in each
// order, with a search index that lags.
func TestOneContactOneCompany(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	prepare := func(t *testing.T, auto bool) *bundle {
		b := db.setup(t)
		b.sim.Configure(b.hub, func(s *hubspottest.Settings) {
			s.AutoCompany, s.AutoCompanyAfter, s.SearchLag = auto, 5*time.Second, 30*time.Second
		})
		return b
	}
	requireOne := func(t *testing.T, b *bundle, linked bool) {
		t.Helper()
		b.sim.Advance(wide)
		require.Len(t, b.sim.Records(b.hub, "contacts"), 1)
		companies := b.sim.Records(b.hub, "companies")
		require.Len(t, companies, 1)
		if linked {
			require.Equal(t, []string{b.sim.Records(b.hub, "contacts")[0].ID}, companies[0].Associations["contacts"])
		}
	}
	for _, auto := range []bool{false, true} {
		t.Run(fmt.Sprintf("company first, automatic %v", auto), func(t *testing.T) {
			t.Parallel()
			b := prepare(t, auto)
			b.permit("company.create", "allow", "contact.create", "allow")
			contact := contactDraft()
			contact.DependsOn = []string{"company"}
			contact.Content.Associations = []store.AssociationRef{{Object: "company", Key: "company"}}
			a := b.plan(companyDraft(), contact)
			require.Equal(t, store.ActionWritten, b.mustWrite(a["company"].ID).State)
			require.Equal(t, store.ActionWritten, b.mustWrite(a["contact"].ID).State)
			requireOne(t, b, true)
		})

		t.Run(fmt.Sprintf("contact alone, company from another meeting, automatic %v", auto), func(t *testing.T) {
			t.Parallel()
			b := prepare(t, auto)
			b.permit("contact.create", "allow", "company.create", "allow")
			a := b.plan(companyDraft(), contactDraft())
			require.Equal(t, store.ActionWritten, b.mustWrite(a["company"].ID).State)
			require.Equal(t, store.ActionWritten, b.mustWrite(a["contact"].ID).State)
			requireOne(t, b, auto)
		})

		t.Run(fmt.Sprintf("contact first, company approved later, automatic %v", auto), func(t *testing.T) {
			t.Parallel()
			b := prepare(t, auto)
			b.permit("contact.create", "allow", "company.create", "ask")
			a := b.plan(companyDraft(), contactDraft())
			require.Equal(t, store.ActionWritten, b.mustWrite(a["contact"].ID).State)
			b.decide(a["company"].ID, store.Approve, nil)
			_, err := b.write(a["company"].ID)
			require.LessOrEqual(t, requireRetry(t, err).After, time.Minute, "the account may be about to make it")
			require.Empty(t, b.sim.Records(b.hub, "companies"))
			// The minute is over; the company is not in the search index yet.
			b.sim.Advance(10 * time.Second)
			b.exec(`update actions set updated_at = updated_at - interval '1 minute' where organization_id = $1`, b.org.ID)
			r := b.mustWrite(a["company"].ID)
			require.Equal(t, map[bool]store.ActionState{true: store.ActionUnchanged, false: store.ActionWritten}[auto], r.State)
			requireOne(t, b, auto)
			require.Equal(t, b.sim.Records(b.hub, "companies")[0].ID, r.RecordID)
		})
	}

	t.Run("found at once, if it is there within the minute", func(t *testing.T) {
		t.Parallel()
		b := prepare(t, true)
		b.permit("contact.create", "allow", "company.create", "allow")
		a := b.plan(companyDraft(), contactDraft())
		b.mustWrite(a["contact"].ID)
		b.sim.Advance(6 * time.Second)
		require.Equal(t, store.ActionUnchanged, b.mustWrite(a["company"].ID).State)
		requireOne(t, b, true)
	})

	t.Run("contact on its way", func(t *testing.T) {
		t.Parallel()
		b := prepare(t, true)
		b.permit("contact.create", "allow", "company.create", "allow")
		contact := contactDraft()
		contact.Content.NaturalKey, contact.Content.Properties["email"] = "email:jane@sales.northwind.example", "jane@sales.northwind.example"
		a := b.plan(companyDraft(), contact)
		_, err := b.store.BeginWrite(b.ctx, a["contact"].ID, store.WriteIntent{})
		require.NoError(t, err)
		_, err = b.write(a["company"].ID)
		requireRetry(t, err)
		require.Empty(t, b.writes("create"))
	})

	t.Run("made by somebody while the answer was lost", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("company.create", "allow")
		id := b.plan(b.linkedDraft("company", 0))["company.create:0"].ID
		b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Path: "/crm/objects/2026-09/companies", CutBeforeCommit: true})
		_, err := b.write(id)
		requireRetry(t, err)
		there := b.add("companies", map[string]string{"name": "By hand", "domain": "company-0.example"})
		b.lateEnough()
		r := b.mustWrite(id)
		require.Equal(t, store.ActionUnchanged, r.State)
		require.Equal(t, there.ID, r.RecordID)
		require.Empty(t, b.writes("create"))
		requireAllCompleted(t, b)
	})

	t.Run("the company of a contact that is linked", func(t *testing.T) {
		t.Parallel()
		b := prepare(t, false)
		b.permit("company.create", "allow", "company.update", "allow", "contact.update", "allow")
		known := b.add("contacts", map[string]string{"email": email})
		made, err := b.admin().Create(b.ctx, "companies", hubspot.CreateInput{
			Properties:   map[string]string{"name": "Northwind", "domain": "Northwind.example"},
			Associations: []hubspot.Association{{ToID: known.ID, Types: []hubspot.AssociationType{{TypeID: 280}}}},
		})
		require.NoError(t, err)
		d := companyDraft()
		d.Content.Associations = []store.AssociationRef{{Object: "contact", RecordID: known.ID}}
		r := b.mustWrite(b.plan(d)["company"].ID)
		require.Equal(t, store.ActionUnchanged, r.State, "the index does not show it yet, the link does")
		require.Equal(t, made.ID, r.RecordID)
	})
}

// writeAll lets attempts at several actions race until all are settled.
func writeAll(t *testing.T, actions map[*bundle]uuid.UUID) {
	t.Helper()
	var wg sync.WaitGroup
	for b, id := range actions {
		gate := b.newGate()
		wg.Go(func() {
			for range 500 {
				_, err := gate.Write(b.ctx, id, crm.Attempt{})
				var retry *crm.RetryError
				if err == nil {
					return
				}
				if !errors.As(err, &retry) {
					t.Error(err)
					return
				}
			}
			t.Error("it never came to an end")
		})
	}
	wg.Wait()
}

// TestOrganizationsThatShareAnAccount: HubSpot would take a company from each.
func TestOrganizationsThatShareAnAccount(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	prepare := func(t *testing.T, d store.Draft) (one, two *bundle, first, second uuid.UUID) {
		one = db.setup(t)
		two = one.neighbour()
		for _, b := range []*bundle{one, two} {
			b.permit(d.Key+".create", "allow")
		}
		return one, two, one.plan(d)[d.Key].ID, two.plan(d)[d.Key].ID
	}

	for _, d := range []store.Draft{companyDraft(), contactDraft()} {
		t.Run("the same "+d.Key+" at the same moment", func(t *testing.T) {
			t.Parallel()
			one, two, first, second := prepare(t, d)
			one.sim.Configure(one.hub, func(s *hubspottest.Settings) { s.SearchLag = time.Hour })
			writeAll(t, map[*bundle]uuid.UUID{one: first, two: second})
			require.Len(t, one.writes("create"), 1)
			made := one.writes("create")[0].ID
			require.Equal(t, made, one.action(first).RecordID)
			require.Equal(t, made, two.action(second).RecordID)
		})
	}

	t.Run("a company that the other one may have made", func(t *testing.T) {
		t.Parallel()
		one, two, first, second := prepare(t, companyDraft())
		begun, err := one.store.BeginWrite(one.ctx, first, store.WriteIntent{})
		require.NoError(t, err)
		_, err = two.write(second)
		requireRetry(t, err) // as long as the call is out
		_, err = one.store.EndWrite(one.ctx, store.WriteEnd{ActionID: first, CallID: begun.CallID, State: store.ActionUnknown, Call: store.CallResult{Outcome: store.Unknown}})
		require.NoError(t, err)
		r := two.mustWrite(second)
		require.True(t, r.NeedsQuestion, "their people are not waited for")
		require.NotContains(t, r.Reason, one.org.Name)
		require.NoError(t, two.store.AskAgain(two.ctx, two.org.ID, second, "permission", r.Reason, nil))
		two.decide(second, store.Approve, nil)
		require.Equal(t, store.ActionWritten, two.mustWrite(second).State)
		require.Len(t, one.writes("create"), 1)
	})

	t.Run("the company that the account makes of the other one's contact", func(t *testing.T) {
		t.Parallel()
		one, two, _, second := prepare(t, companyDraft())
		one.permit("contact.create", "allow")
		require.Equal(t, store.ActionWritten, one.mustWrite(one.plan(contactDraft())["contact"].ID).State)
		_, err := two.write(second)
		require.LessOrEqual(t, requireRetry(t, err).After, time.Minute)
		require.Len(t, one.writes("create"), 1)
	})
}

// TestMergedAndArchived: what is there no more as it was is followed or asked
// about, never written blindly.
func TestMergedAndArchived(t *testing.T) {
	t.Parallel()
	db := newDatabase(t)
	start := map[string]string{"dealname": "Rollout", "pipeline": "default", "dealstage": "qualifiedtobuy", "amount": "1000"}
	before := map[string]string{"dealstage": "qualifiedtobuy", "amount": "1000"}
	merge := func(b *bundle, objectType, into, from string) {
		b.t.Helper()
		_, err := b.admin().Merge(b.ctx, objectType, into, from)
		require.NoError(b.t, err)
	}
	archive := func(b *bundle, objectType, id string) {
		b.t.Helper()
		require.NoError(b.t, b.admin().Archive(b.ctx, objectType, id))
	}
	askAndApprove := func(b *bundle, id uuid.UUID, r crm.WriteResult) {
		b.t.Helper()
		require.NoError(b.t, b.store.AskAgain(b.ctx, b.org.ID, id, "permission", r.Reason, r.Current))
		b.decide(id, store.Approve, nil)
	}

	t.Run("target merged", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("deal.update", "allow")
		from, into := b.add("deals", start), b.add("deals", start)
		id := b.plan(dealUpdate(from.ID, before))["move"].ID
		merge(b, "deals", into.ID, from.ID)
		r := b.mustWrite(id)
		require.True(t, r.NeedsQuestion)
		require.Contains(t, r.Reason, "merged into "+into.ID)
		require.Empty(t, b.writes("update"))
		askAndApprove(b, id, r)
		r = b.mustWrite(id)
		require.Equal(t, store.ActionWritten, r.State)
		require.Equal(t, into.ID, r.RecordID)
	})

	t.Run("target merged while the answer was lost", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("deal.update", "allow")
		from, into := b.add("deals", start), b.add("deals", map[string]string{"dealname": "Rollout", "dealstage": "contractsent", "amount": "2500"})
		id := b.plan(dealUpdate(from.ID, before))["move"].ID
		b.sim.Inject(hubspottest.Fault{Method: http.MethodPatch, CutBeforeCommit: true})
		_, err := b.write(id)
		requireRetry(t, err)
		merge(b, "deals", into.ID, from.ID)
		require.Equal(t, into.ID, b.mustWrite(id).RecordID)
	})

	t.Run("target archived", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("deal.update", "allow")
		deal := b.add("deals", start)
		id := b.plan(dealUpdate(deal.ID, before))["move"].ID
		archive(b, "deals", deal.ID)
		r := b.mustWrite(id)
		require.True(t, r.NeedsQuestion)
		require.Contains(t, r.Reason, "archived")
		askAndApprove(b, id, r)
		r = b.mustWrite(id)
		require.Equal(t, store.ActionFailed, r.State, "asked once, and it is still archived")
		require.Contains(t, r.Reason, "archived")
		require.Empty(t, b.writes("update"))
	})

	t.Run("links alone, target archived", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("deal.update", "allow", "contact.update", "allow")
		deal, person := b.add("deals", start), b.add("contacts", map[string]string{"email": email})
		id := b.plan(store.Draft{
			Key: "link", Tool: policy.Tool{Object: "deal", Operation: policy.Update}, TargetID: deal.ID,
			Content: store.ActionContent{Associations: []store.AssociationRef{{Object: "contact", RecordID: person.ID}}},
		})["link"].ID
		archive(b, "deals", deal.ID)
		require.True(t, b.mustWrite(id).NeedsQuestion)
	})

	noteFor := func(b *bundle, required bool) (id uuid.UUID, contact string) {
		b.t.Helper()
		b.permit("note.create", "allow")
		d := b.linkedDraft("note", 0)
		d.Content.Associations[0].Required = required
		deal := b.add("deals", start)
		d.Content.Associations = append(d.Content.Associations, store.AssociationRef{Object: "deal", RecordID: deal.ID})
		return b.plan(d)[d.Key].ID, d.Content.Associations[0].RecordID
	}

	t.Run("linked record merged", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		id, contact := noteFor(b, true)
		into := b.add("contacts", map[string]string{"email": email})
		merge(b, "contacts", into.ID, contact)
		r := b.mustWrite(id)
		require.Equal(t, store.ActionWritten, r.State)
		note := b.sim.Records(b.hub, "notes")[0]
		require.Equal(t, []string{into.ID}, note.Associations["contacts"])
		require.Len(t, note.Associations["deals"], 1)
		requireAllCompleted(t, b)
	})

	t.Run("linked record archived", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		id, contact := noteFor(b, false)
		archive(b, "contacts", contact)
		r := b.mustWrite(id)
		require.Equal(t, store.ActionWritten, r.State)
		require.Contains(t, r.Reason, "not linked with the contact")
		note := b.sim.Records(b.hub, "notes")[0]
		require.Empty(t, note.Associations["contacts"])
		require.Len(t, note.Associations["deals"], 1)
	})

	t.Run("required linked record archived", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		id, contact := noteFor(b, true)
		archive(b, "contacts", contact)
		r := b.mustWrite(id)
		require.True(t, r.NeedsQuestion)
		require.Contains(t, r.Reason, "archived")
		askAndApprove(b, id, r)
		require.Equal(t, store.ActionSkipped, b.mustWrite(id).State)
		require.Empty(t, b.writes("create"))
		requireAllCompleted(t, b)
	})

	t.Run("refused for another reason", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		id, _ := noteFor(b, true)
		b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Status: http.StatusBadRequest})
		require.Equal(t, store.ActionFailed, b.mustWrite(id).State)
		require.Empty(t, b.writes("create"))
	})

	t.Run("linked record merged while the answer was lost", func(t *testing.T) {
		t.Parallel()
		b := db.setup(t)
		b.permit("note.create", "allow")
		d := b.linkedDraft("note", 0)
		id := b.plan(d)[d.Key].ID
		b.sim.Inject(hubspottest.Fault{Method: http.MethodPost, Path: postNote, CommitLate: time.Minute})
		_, err := b.write(id)
		requireRetry(t, err)
		b.lateEnough()
		into := b.add("contacts", map[string]string{"email": email})
		merge(b, "contacts", into.ID, d.Content.Associations[0].RecordID)
		require.Equal(t, store.ActionWritten, b.mustWrite(id).State)
		require.Len(t, b.writes("create"), 1)
	})

	claimed := func(t *testing.T) (b *bundle, second uuid.UUID, record string) {
		b = db.setup(t)
		b.permit("company.create", "allow")
		other := uuid.New()
		b.addMeeting(other)
		b.sim.Configure(b.hub, func(s *hubspottest.Settings) { s.SearchLag = time.Hour })
		first := b.plan(companyDraft())["company"].ID
		return b, b.planFor(other, companyDraft())["company"].ID, b.mustWrite(first).RecordID
	}

	t.Run("claimed record merged", func(t *testing.T) {
		t.Parallel()
		b, second, record := claimed(t)
		into := b.add("companies", map[string]string{"name": "Northwind Ltd"})
		merge(b, "companies", into.ID, record)
		r := b.mustWrite(second)
		require.Equal(t, store.ActionUnchanged, r.State)
		require.Equal(t, into.ID, r.RecordID)
	})

	t.Run("claimed record archived", func(t *testing.T) {
		t.Parallel()
		b, second, record := claimed(t)
		archive(b, "companies", record)
		r := b.mustWrite(second)
		require.True(t, r.NeedsQuestion)
		require.Contains(t, r.Reason, "archived")
		require.Len(t, b.writes("create"), 1)
		askAndApprove(b, second, r)
		require.Equal(t, store.ActionWritten, b.mustWrite(second).State)
		require.Len(t, b.writes("create"), 2, "a human wants it back")
	})
}

// TestChangedWhileItWasLinked: what is overwritten was read directly before.
func TestChangedWhileItWasLinked(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.permit("deal.update", "allow", "contact.update", "allow")
	deal := b.add("deals", map[string]string{"dealname": "Rollout", "dealstage": "qualifiedtobuy", "amount": "1000"})
	person := b.add("contacts", map[string]string{"email": email})
	d := dealUpdate(deal.ID, map[string]string{"dealstage": "qualifiedtobuy", "amount": "1000"})
	d.Content.Associations = []store.AssociationRef{{Object: "contact", RecordID: person.ID}}
	id := b.plan(d)["move"].ID
	b.wire.onRequest(func(r *http.Request) {
		if strings.Contains(r.URL.Path, "/associations/") {
			require.NoError(t, b.sim.Edit(b.hub, "deals", deal.ID, map[string]string{"amount": "1800"}))
		}
	})
	r, err := b.gate.Write(context.Background(), id, crm.Attempt{})
	require.NoError(t, err)
	require.True(t, r.NeedsQuestion)
	require.Equal(t, "1800", r.Current["amount"])
	require.Empty(t, b.writes("update"))
}
