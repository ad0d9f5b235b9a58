package chaos

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// evidence is what an audit looks at.
type evidence struct {
	script Script
	ledger *Ledger
	facts  Facts
}

var (
	noon    = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	meeting = uuid.MustParse("00000000-0000-0000-0000-0000000000a1")
	other   = uuid.MustParse("00000000-0000-0000-0000-0000000000a2")
	deal    = uuid.MustParse("00000000-0000-0000-0000-0000000000b1")
	task    = uuid.MustParse("00000000-0000-0000-0000-0000000000b2")
	asked   = uuid.MustParse("00000000-0000-0000-0000-0000000000c1")
)

func after(seconds float64) time.Time {
	return noon.Add(time.Duration(seconds * float64(time.Second)))
}

// flawless is a meeting of which everything is as it should be: a task that is allowed,
// and a deal that was asked about and approved.
func flawless() *evidence {
	e := &evidence{ledger: newLedger()}
	e.script = Script{
		Organizations: []Organization{{Name: "one", HubID: 11, Preset: Recommended}, {Name: "two", HubID: 22, Preset: HandsOff}},
		Meetings: []Meeting{{
			Name: "m1", Deliveries: []Delivery{{ID: "d1"}},
			Expected: []Expected{
				{Type: "tasks", By: "hs_task_subject", Key: "Send it", Tool: "task.create"},
				{Type: "deals", By: "dealname", Key: "Lyon", Tool: "deal.create", Values: map[string]string{"amount": "48000"}},
				{Type: "tickets", By: "subject", Key: "Loops", Tool: "ticket.create", Not: true},
			},
		}},
	}
	e.script.Bookings = []Booking{{Name: "b1", Channel: ByMail, Deliveries: []Delivery{{ID: "k1"}}}}
	e.ledger.delivered("d1")
	e.ledger.delivered("k1")
	e.ledger.decided(Decision{Approval: asked, Verdict: Approve, Way: ByPage, At: after(5)})
	e.facts = Facts{
		Deliveries: []DeliveryFact{{ID: "d1", State: "understood", Events: 1, Meetings: []uuid.UUID{meeting}}, {ID: "k1", State: "understood", Events: 1}},
		Told:       []Telling{{Channel: ByMail, ID: "1", Text: "About b1"}, {Channel: ByMail, ID: "1", Text: "About b1"}},
		FollowUps:  []FollowUpFact{{Meeting: meeting, State: "closed", Round: 1}},
		Actions: []ActionFact{
			{ID: task, Meeting: meeting, Organization: "one", Tool: "task.create", State: "written", RecordID: "901", UpdatedAt: after(3)},
			{ID: deal, Meeting: meeting, Organization: "one", Tool: "deal.create", State: "written", RecordID: "902", UpdatedAt: after(7)},
		},
		Approvals: []ApprovalFact{{ID: asked, Action: deal, Kind: "permission", State: "approved", Via: "web", AskedAt: after(1), DecidedAt: after(5)}},
		Decisions: map[uuid.UUID]int{asked: 1},
		Calls: []CallFact{
			{ID: 1, At: after(2), CompletedAt: after(2.5), Organization: "one", Action: task, Meeting: meeting, Tool: "task.create", RecordID: "901", Outcome: "done", Writes: true},
			{ID: 2, At: after(6), CompletedAt: after(6.5), Organization: "one", Action: deal, Meeting: meeting, Tool: "deal.create", RecordID: "902", Outcome: "done", Writes: true},
		},
		Records: map[int64][]hubspottest.Record{11: {
			{ID: "901", ObjectType: "tasks", Properties: map[string]string{"hs_task_subject": "Send it"}},
			{ID: "902", ObjectType: "deals", Properties: map[string]string{"dealname": "Lyon", "amount": "48000"}},
		}},
		Writes: []hubspottest.Write{
			{Seq: 1, At: after(2.2), HubID: 11, ObjectType: "tasks", ID: "901", Operation: "create", ClientID: "app", Properties: map[string]string{"hs_task_subject": "Send it"}},
			{Seq: 2, At: after(6.2), HubID: 11, ObjectType: "deals", ID: "902", Operation: "create", ClientID: "app", Properties: map[string]string{"dealname": "Lyon", "amount": "48000"}},
		},
	}
	return e
}

func (e *evidence) audit() []Finding { return Audit(e.script, e.ledger, e.facts) }

// denied says that a tool was denied for some seconds.
func (e *evidence) denied(tool string, from, to float64) {
	e.ledger.denied(Denial{Tool: tool, Begun: after(from - 0.1), From: after(from), To: after(to), Ended: after(to + 0.1)})
}

// written adds a record that a call in the trail has made.
func (e *evidence) written(hub int64, id, objectType string, properties map[string]string) {
	e.facts.Records[hub] = append(e.facts.Records[hub], hubspottest.Record{ID: id, ObjectType: objectType, Properties: properties})
	e.facts.Writes = append(e.facts.Writes, hubspottest.Write{Seq: 9, At: after(2.4), HubID: hub, ObjectType: objectType, ID: id, Operation: "create", ClientID: "app", Properties: properties})
	e.facts.Calls = append(e.facts.Calls, CallFact{
		ID: 9, At: after(2.3), CompletedAt: after(2.5), Organization: map[int64]string{11: "one", 22: "two"}[hub],
		Action: deal, Meeting: meeting, Tool: singular(objectType) + ".create", RecordID: id, Outcome: "done", Writes: true,
	})
}

// gone takes the task away, as if it had never been written.
func (e *evidence) gone() {
	e.facts.Records[11], e.facts.Writes, e.facts.Calls = e.facts.Records[11][1:], e.facts.Writes[1:], e.facts.Calls[1:]
}

func TestNothingIsFoundWhereNothingIsWrong(t *testing.T) {
	t.Parallel()
	require.Empty(t, flawless().audit())
}

// Each thing that may go wrong is found, as what it is and as nothing else.
func TestEachKindOfFinding(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		breaks func(e *evidence)
		want   []Kind
	}{
		"an acknowledged delivery has no row": {func(e *evidence) { e.facts.Deliveries[0].ID = "another" }, []Kind{Lost, Wrong}}, // its follow-up is nobody's, too
		"a delivery that was not acknowledged has no row": {func(e *evidence) {
			e.script.Meetings = append(e.script.Meetings, Meeting{Name: "m2", Deliveries: []Delivery{{ID: "d2"}}})
		}, nil},
		"a delivery has two rows":      {func(e *evidence) { e.facts.Deliveries = append(e.facts.Deliveries, e.facts.Deliveries[0]) }, []Kind{Duplicated}},
		"a delivery is not understood": {func(e *evidence) { e.facts.Deliveries[0].State = "unprocessable" }, []Kind{Lost}},
		"a delivery became two events": {func(e *evidence) { e.facts.Deliveries[0].Events = 2 }, []Kind{Duplicated}},
		"one meeting became two": {func(e *evidence) {
			e.script.Meetings[0].Deliveries = append(e.script.Meetings[0].Deliveries, Delivery{ID: "d2"})
			e.facts.Deliveries = append(e.facts.Deliveries, DeliveryFact{ID: "d2", State: "understood", Events: 1, Meetings: []uuid.UUID{other}})
			e.facts.FollowUps = append(e.facts.FollowUps, FollowUpFact{Meeting: other, State: "closed"})
		}, []Kind{Duplicated}},
		"there is no follow-up":                        {func(e *evidence) { e.facts.FollowUps = nil }, []Kind{Lost}},
		"there is a follow-up of nothing":              {func(e *evidence) { e.facts.FollowUps = append(e.facts.FollowUps, FollowUpFact{Meeting: other}) }, []Kind{Wrong}},
		"an acknowledged decision is not there":        {func(e *evidence) { e.ledger.Decisions[0].Approval = other }, []Kind{Lost}},
		"an acknowledged decision is another one":      {func(e *evidence) { e.ledger.Decisions[0].Verdict = Reject }, []Kind{Lost}},
		"a decision that was only promised is another": {func(e *evidence) { e.ledger.Decisions[0].Verdict, e.ledger.Decisions[0].Promised = Reject, true }, nil},
		"a decision that Temporal took over was made by somebody else later": {func(e *evidence) {
			e.ledger.Decisions[0] = Decision{Approval: asked, Verdict: Approve, Way: BySignal, At: after(5 - 61), Promised: true}
		}, []Kind{Lost}},
		"a question expired before it was answered": {func(e *evidence) {
			e.gone()
			e.facts.Actions[0].State, e.script.Organizations[0].Expires = "expired", time.Minute
		}, nil},
		"a record is changed twice into the same": {func(e *evidence) {
			again := hubspottest.Write{At: after(6.3), HubID: 11, ObjectType: "deals", ID: "902", Operation: "update", ClientID: "app", Properties: map[string]string{"amount": "48000"}}
			e.facts.Writes = append(e.facts.Writes, again, again)
			e.facts.Calls = append(e.facts.Calls, CallFact{ID: 3, At: after(6.25), CompletedAt: after(7), Organization: "one", Action: deal, Meeting: meeting, Tool: "deal.update", RecordID: "902", Outcome: "done", Writes: true})
		}, []Kind{Duplicated}},
		"a decision has no row in the trail":   {func(e *evidence) { e.facts.Decisions = nil }, []Kind{Wrong}},
		"a decision has two rows in the trail": {func(e *evidence) { e.facts.Decisions[asked] = 2 }, []Kind{Duplicated}},
		"a record is missing":                  {(*evidence).gone, []Kind{Lost}},
		"a record is missing since its tool was denied": {func(e *evidence) {
			e.gone()
			e.facts.Actions[0].State = "denied"
			e.denied("task.create", 2.9, 8)
		}, nil},
		"a record is missing, and its tool was denied later": {func(e *evidence) {
			e.gone()
			e.facts.Actions[0].State = "denied"
			e.denied("task.create", 4, 8)
		}, []Kind{Lost}},
		"a record is missing since its tool was denied when it was planned": {func(e *evidence) {
			e.gone()
			e.facts.Actions = e.facts.Actions[1:]
			e.facts.Actions[0].CreatedAt = after(0.5)
			e.denied("task.create", 0.2, 0.8)
		}, nil},
		"a record has another value": {func(e *evidence) { e.facts.Records[11][1].Properties["amount"] = "1" }, []Kind{Wrong}},
		"a record is there twice":    {func(e *evidence) { e.written(11, "903", "tasks", map[string]string{"hs_task_subject": "Send it"}) }, []Kind{Duplicated}},
		"a record is there that nobody expects": {func(e *evidence) {
			e.written(11, "903", "tasks", map[string]string{"hs_task_subject": "Dance"})
		}, []Kind{Wrong}},
		"a record is at another organization's account": {func(e *evidence) {
			e.written(22, "903", "tasks", map[string]string{"hs_task_subject": "Send it"})
		}, []Kind{Wrong}},
		"a rejected record is there": {func(e *evidence) {
			e.written(11, "903", "tickets", map[string]string{"subject": "Loops"})
			e.facts.Calls[len(e.facts.Calls)-1].At = after(5.5) // after the yes to something else
			e.facts.Writes[len(e.facts.Writes)-1].At = after(5.6)
		}, []Kind{Wrong}},
		"a write has no row in the trail":          {func(e *evidence) { e.facts.Calls = e.facts.Calls[1:] }, []Kind{Wrong}},
		"a write was made before its row":          {func(e *evidence) { e.facts.Writes[0].At = after(1) }, []Kind{Wrong}},
		"a write whose answer was lost has a row":  {func(e *evidence) { e.facts.Calls[0].Outcome, e.facts.Calls[0].RecordID = "unknown", "" }, nil},
		"a row was never completed":                {func(e *evidence) { e.facts.Calls[0].Outcome = "attempted" }, []Kind{Wrong}},
		"a row tells of a write that was not made": {func(e *evidence) { e.facts.Writes = e.facts.Writes[:1] }, []Kind{Wrong}},
		"a tool is called while it is denied":      {func(e *evidence) { e.denied("task.create", 1, 4) }, []Kind{Wrong}},
		"a tool is called before it is denied":     {func(e *evidence) { e.denied("task.create", 2.1, 4) }, nil},
		"a tool is refused while it is denied": {func(e *evidence) {
			e.facts.Calls = append(e.facts.Calls, CallFact{ID: 3, At: after(9), Organization: "one", Tool: "task.create", Outcome: "refused", Writes: true})
			e.denied("task.create", 8, 10)
		}, nil},
		"it is written before the yes":                 {func(e *evidence) { e.facts.Approvals[0].DecidedAt = after(6.1) }, []Kind{Wrong}},
		"it is written without a yes":                  {func(e *evidence) { e.facts.Approvals, e.facts.Decisions, e.ledger.Decisions = nil, nil, nil }, []Kind{Wrong}},
		"a booking's acknowledged delivery has no row": {func(e *evidence) { e.facts.Deliveries = e.facts.Deliveries[:1] }, []Kind{Lost}},
		"nobody is briefed":                            {func(e *evidence) { e.facts.Told = nil }, []Kind{Lost}},
		"nobody is briefed on what is called off":      {func(e *evidence) { e.facts.Told, e.script.Bookings[0].Canceled = nil, true }, nil},
		"somebody is briefed twice":                    {func(e *evidence) { e.facts.Told[1].ID = "2" }, []Kind{Duplicated}},
		"somebody is told what is new":                 {func(e *evidence) { e.facts.Told[1] = Telling{Channel: ByMail, ID: "2", Text: "b1 is moved"} }, nil},
		"a question is never answered":                 {func(e *evidence) { e.facts.Left = []Leftover{{What: "question", Meeting: meeting}} }, []Kind{Stuck}},
		"a spoken word stands in a history":            {func(e *evidence) { e.facts.Said = []Spill{{What: "spoken word", Where: "a history"}} }, []Kind{Wrong}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := flawless()
			tc.breaks(e)
			findings := e.audit()
			var kinds []Kind
			for _, f := range findings {
				kinds = append(kinds, f.Kind)
			}
			require.ElementsMatch(t, tc.want, kinds, "%v", findings)
		})
	}
}

func TestResult(t *testing.T) {
	t.Parallel()
	r := Result{FollowUps: 7, Kills: 3, Faults: 2, Findings: []Finding{{Kind: Lost}, {Kind: Lost}, {Kind: Wrong}, {Kind: Stuck}}}
	require.Equal(t, "followups=7 kills=3 faults=2 lost=2 duplicated=0 wrong=1 stuck=1", r.String())
}
