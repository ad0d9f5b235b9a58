package connections_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/store"
)

// readJournal reads the app's journal as when it is due.
func (b *bundle) readJournal(t *testing.T) {
	t.Helper()
	b.clock.advance(30 * time.Second)
	b.exec(t, `update apps set journal_due_at = now()`)
	worked, err := b.ReadJournal(t.Context())
	require.NoError(t, err)
	require.True(t, worked)
}

// follow does what the workflows of all records with events do, and says whose
// person was erased.
func (b *bundle) follow(t *testing.T) (erased []string) {
	t.Helper()
	records, err := b.store.ClaimCRMRecords(t.Context(), 100)
	require.NoError(t, err)
	for _, r := range records {
		followed, err := b.store.FollowCRMRecord(t.Context(), r)
		require.NoError(t, err)
		if followed.Erase {
			_, err := b.store.EraseContact(t.Context(), store.ErasureRequest{OrganizationID: r.OrganizationID, HubID: r.HubID, ContactID: r.ID}, store.Actor{Name: "debrief"})
			require.NoError(t, err)
			erased = append(erased, r.ID)
		}
	}
	return erased
}

// crmEvents are those that were kept, by what they are about.
func (b *bundle) crmEvents(t *testing.T) map[string]int {
	t.Helper()
	events, err := b.store.CRMEvents(t.Context(), b.org.ID, 1000)
	require.NoError(t, err)
	kept := map[string]int{}
	for _, e := range events {
		kept[e.Kind+" "+e.Record.Object+" "+e.Record.ID+" "+e.Property]++
	}
	return kept
}

// receiver takes webhooks as a source of HubSpot's does, unless it is down.
type receiver struct {
	down  atomic.Bool
	calls atomic.Int64
}

func (b *bundle) receive(t *testing.T, subscriptions ...hubspottest.Subscription) *receiver {
	t.Helper()
	source, err := b.store.CreateSource(t.Context(), store.NewSource{
		OrganizationID: &b.org.ID, Platform: "hubspot", Name: "hubspot", Secrets: []store.Secret{"planted-client-secret"},
	}, store.Operator)
	require.NoError(t, err)
	var r receiver
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.calls.Add(1)
		body, err := io.ReadAll(q.Body)
		if r.down.Load() || err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		events, err := hubspot.ParseWebhook(body)
		if err == nil {
			var id uuid.UUID
			id, _, err = b.store.InsertDelivery(q.Context(), store.NewDelivery{Source: source, DedupeKey: uuid.NewString(), Body: body, ReceivedAt: time.Now(), Header: http.Header{}})
			if err == nil {
				_, err = b.store.UnderstoodCRM(q.Context(), id, events)
			}
		}
		if err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	t.Cleanup(server.Close)
	_, err = b.sim.SetWebhooks(b.simApp.ClientID, hubspottest.Webhooks{TargetURL: server.URL, Manual: true, Duplicates: 1, Subscriptions: subscriptions})
	require.NoError(t, err)
	return &r
}

// Whatever of it webhooks bring in the end, everything that happened while the
// receiver was down is followed, and once.
func TestTheJournalFillsTheGapThatWebhooksLeave(t *testing.T) {
	t.Parallel()
	for name, app := range map[string]hubspottest.App{
		"as we think that it is":       {},
		"in no order, all twice":       {JournalUnruly: true, JournalEmptyIs404: true},
		"a merge told by its property": {JournalMerges: "property", JournalUpserts: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, func(a *hubspottest.App) {
				a.JournalUnruly, a.JournalEmptyIs404, a.JournalMerges, a.JournalUpserts = app.JournalUnruly, app.JournalEmptyIs404, app.JournalMerges, app.JournalUpserts
			})
			b.connect(t, "main", hubID)
			receiver := b.receive(t,
				hubspottest.Subscription{Type: "contact.privacyDeletion"},
				hubspottest.Subscription{Type: "object.merge", ObjectType: "contact"},
				hubspottest.Subscription{Type: "object.deletion", ObjectType: "contact"},
				hubspottest.Subscription{Type: "object.propertyChange", ObjectType: "deal", PropertyName: "amount"})
			b.readJournal(t) // subscribes
			add := func(object string, properties map[string]string) string {
				record, err := b.sim.Add(hubID, object, hubspottest.Seed{Properties: properties})
				require.NoError(t, err)
				return record.ID
			}
			contact := func(email string) string { return add("contacts", map[string]string{"email": email}) }
			kept, merged, deleted, forgotten := contact("ada@nord.example"), contact("ada@old.example"), contact("bo@nord.example"), contact("cy@nord.example")
			deal := add("deals", map[string]string{"dealname": "Nord", "dealstage": "appointmentscheduled", "amount": "1"})
			amount := func(value string) {
				require.NoError(t, b.sim.Edit(hubID, "deals", deal, map[string]string{"amount": value}))
				b.sim.Advance(time.Minute)
			}

			amount("2")
			require.NoError(t, b.sim.DeliverWebhooks(t.Context()))
			want := map[string]int{"propertyChange deal " + deal + " amount": 1}
			require.Equal(t, want, b.crmEvents(t))
			b.readJournal(t)
			require.Equal(t, want, b.crmEvents(t), "a webhook told it already")
			require.Empty(t, b.follow(t))

			receiver.down.Store(true)
			amount("3")
			amount("2")
			require.NoError(t, b.sim.Merge(hubID, "contacts", kept, merged))
			require.NoError(t, b.sim.Archive(hubID, "contacts", deleted))
			require.NoError(t, b.sim.Forget(hubID, forgotten))
			before := receiver.calls.Load()
			require.NoError(t, b.sim.DeliverWebhooks(t.Context()))
			require.Greater(t, receiver.calls.Load(), before)
			b.sim.Advance(time.Hour)
			require.Equal(t, want, b.crmEvents(t))

			b.readJournal(t)
			want["propertyChange deal "+deal+" amount"] = 3
			for _, e := range []string{"merge contact " + kept, "deletion contact " + deleted, "privacyDeletion contact " + forgotten, "deletion contact " + forgotten} {
				want[e+" "] = 1
			}
			got := b.crmEvents(t)
			maps.DeleteFunc(got, func(event string, _ int) bool { return !slices.Contains(slices.Collect(maps.Keys(want)), event) })
			require.Equal(t, want, got)
			survivor, err := b.store.MergedInto(t.Context(), store.CRMRecord{OrganizationID: b.org.ID, HubID: hubID, Object: "contact", ID: merged})
			require.NoError(t, err)
			require.Equal(t, kept, survivor)
			require.Equal(t, []string{forgotten}, b.follow(t))
			all := b.crmEvents(t)

			receiver.down.Store(false)
			b.exec(t, `update apps set journal_offset = ''`)
			require.NoError(t, b.sim.DeliverWebhooks(t.Context()))
			b.readJournal(t)
			require.Equal(t, all, b.crmEvents(t), "HubSpot's retries, and the journal from its beginning")
			require.Empty(t, b.follow(t))
			require.Zero(t, b.count(t, `select count(*) from crm_events where state = 'received'`))
			require.Equal(t, 1, b.count(t, `select count(*) from erasures`))
		})
	}
}

// A merge of which the journal does not say which records it was of is one whose
// webhook is still waited for.
func TestABareMergeIsCompletedByItsWebhook(t *testing.T) {
	t.Parallel()
	b := setup(t, func(a *hubspottest.App) { a.JournalMerges = "bare" })
	b.connect(t, "main", hubID)
	b.receive(t, hubspottest.Subscription{Type: "object.merge", ObjectType: "contact"})
	b.readJournal(t)
	var ids []string
	for _, email := range []string{"ada@nord.example", "ada@old.example"} {
		record, err := b.sim.Add(hubID, "contacts", hubspottest.Seed{Properties: map[string]string{"email": email}})
		require.NoError(t, err)
		ids = append(ids, record.ID)
	}
	require.NoError(t, b.sim.Merge(hubID, "contacts", ids[0], ids[1]))
	b.readJournal(t)
	require.Equal(t, 1, b.count(t, `select count(*) from crm_events where kind = 'merge' and merged_ids = '{}'`))
	b.follow(t)
	require.NoError(t, b.sim.DeliverWebhooks(t.Context()))
	b.readJournal(t)
	require.Equal(t, 1, b.count(t, `select count(*) from crm_events where kind = 'merge' and merged_ids = array[$1]`, ids[1]))
	require.Equal(t, 2, b.count(t, `select count(*) from crm_events where kind = 'merge'`))
}

func TestWhatTheJournalForgotUnreadIsSaid(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.connect(t, "main", hubID).Connection.ID
	b.readJournal(t)
	deal, err := b.sim.Add(hubID, "deals", hubspottest.Seed{Properties: map[string]string{"dealname": "Nord", "dealstage": "appointmentscheduled", "amount": "1"}})
	require.NoError(t, err)
	edit := func(amount string) {
		require.NoError(t, b.sim.Edit(hubID, "deals", deal.ID, map[string]string{"amount": amount}))
	}
	gaps := func() int {
		return b.count(t, `select count(*) from audit where reason like 'HubSpot''s journal was not read from %'`)
	}
	meeting := uuid.New()
	b.exec(t, `insert into meetings (id, organization_id) values ($1, $2)`, meeting, b.org.ID)
	b.exec(t, `insert into follow_ups (meeting_id, organization_id, connection_id, planned_version) values ($1, $2, $3, 1)`, meeting, b.org.ID, id)

	edit("2")
	b.readJournal(t)
	for range 6 { // nothing happens for days, and it is looked for
		b.sim.Advance(24 * time.Hour)
		b.readJournal(t)
	}
	edit("3")
	b.readJournal(t)
	name := "propertyChange deal " + deal.ID + " amount"
	require.Equal(t, 2, b.crmEvents(t)[name], "the position was forgotten by HubSpot, and found again")
	require.Zero(t, gaps())

	edit("4") // then Debrief is away for four days
	b.sim.Advance(4 * 24 * time.Hour)
	edit("5")
	b.readJournal(t)
	require.Equal(t, 3, b.crmEvents(t)[name], "the last one is still there, the one before is not")
	require.Equal(t, 1, gaps())
	require.Equal(t, 1, b.count(t, `select count(*) from follow_ups where meeting_id = $1 and answers = 1`, meeting), "it plans anew, from what HubSpot has")
	require.Equal(t, 1, b.count(t, `select count(*) from wakeups where meeting_id = $1`, meeting))
	b.readJournal(t)
	require.Equal(t, 1, gaps(), "and once")
}

func TestEachAccountIsSubscribedTo(t *testing.T) {
	t.Parallel()
	b := setup(t)
	subscriptions := func() int {
		n := 0
		for _, c := range b.sim.Calls() {
			if c.Endpoint == "POST /webhooks-journal/subscriptions/2026-09" {
				n += c.Count
			}
		}
		return n
	}
	b.readJournal(t)
	first := subscriptions()
	b.connect(t, "main", hubID)
	b.readJournal(t)
	each := subscriptions() - first - 1 // and the lifecycle's, until an entry was read
	require.Equal(t, 11, each)
	b.connect(t, "other", otherHub)
	b.readJournal(t)
	b.readJournal(t)
	before := subscriptions()
	require.LessOrEqual(t, before, first+2*each+3)

	// Uninstalled and connected again: HubSpot may have forgotten.
	b.sim.Uninstall(hubID, b.simApp.ClientID)
	b.readJournal(t)
	b.connect(t, "main", hubID)
	b.readJournal(t)
	require.Equal(t, before+1+each, subscriptions())
	b.exec(t, `update connections set journal_subscribed_at = now() - interval '25 hours'`)
	b.readJournal(t)
	require.Equal(t, before+1+3*each, subscriptions())

	// Of accounts that are not the organization's own nothing is kept.
	_, err := b.sim.Add(otherHub, "deals", hubspottest.Seed{Properties: map[string]string{"dealname": "Nord", "dealstage": "appointmentscheduled"}})
	require.NoError(t, err)
	b.exec(t, `update connections set state = 'revoked', hub_id = 1 where hub_id = $1`, otherHub)
	b.readJournal(t)
	require.Zero(t, b.count(t, `select count(*) from crm_events where hub_id = $1`, otherHub))
}

func TestAJournalThatDoesNotTellOfRecordsTellsOfUninstalls(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.connect(t, "main", hubID).Connection.ID
	b.connect(t, "other", otherHub)
	problem := func() string {
		apps, err := b.store.Apps(t.Context(), b.org.ID)
		require.NoError(t, err)
		return apps[0].JournalProblem
	}
	b.sim.Inject(hubspottest.Fault{Path: "/oauth/2026-09/token", Status: 400, Body: `{"status":"BAD_SCOPES","error":"invalid_scope","message":"no"}`})
	b.readJournal(t)
	require.Contains(t, problem(), "does not let this app's journal tell of records")
	require.Equal(t, 1, b.count(t, `select count(*) from apps where journal_due_at < now() + interval '5 minutes'`), "it is read all the same")

	b.sim.Inject(hubspottest.Fault{Path: "/webhooks-journal/subscriptions/2026-09", Status: 403, Times: 1, Skip: 5})
	b.readJournal(t)
	require.Contains(t, problem(), "of all records of account 4711")
	b.readJournal(t)
	require.Contains(t, problem(), "of all records of account 4711", "as long as that is so")
	b.sim.Uninstall(hubID, b.simApp.ClientID)
	b.readJournal(t)
	require.Equal(t, store.Uninstalled, b.state(t, id))
	require.Empty(t, problem())
}

// The journal tells the changes that webhooks are subscribed to.
func TestTheJournalIsAskedForWhatWebhooksAreAskedFor(t *testing.T) {
	t.Parallel()
	for _, app := range []string{"account", "user"} {
		raw, err := os.ReadFile("../hubspot-projects/" + app + "/src/app/webhooks/webhooks-hsmeta.json")
		require.NoError(t, err)
		var file struct {
			Config struct {
				Subscriptions struct {
					Objects []struct {
						Type     string `json:"subscriptionType"`
						Object   string `json:"objectType"`
						Property string `json:"propertyName"`
					} `json:"crmObjects"`
				} `json:"subscriptions"`
			} `json:"config"`
		}
		require.NoError(t, json.Unmarshal(raw, &file))
		webhooks := map[string][]string{}
		for _, s := range file.Config.Subscriptions.Objects {
			if s.Type == "object.propertyChange" {
				webhooks[s.Object] = append(webhooks[s.Object], s.Property)
			}
		}
		asked := connections.JournalProperties()
		require.NotEmpty(t, asked["meeting"], "for which HubSpot documents no webhooks of such a file")
		delete(asked, "meeting")
		require.Equal(t, webhooks, asked, app)
	}
}
