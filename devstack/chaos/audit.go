package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// Kind is what a finding is.
type Kind string

// The kinds of findings.
const (
	Lost       Kind = "lost"
	Duplicated Kind = "duplicated"
	Wrong      Kind = "wrong"
	Stuck      Kind = "stuck"
)

// Finding is one thing that is not as it should be.
type Finding struct {
	Kind Kind
	// Meeting is the script's name of it; empty where it is about none.
	Meeting string
	// Expected, Found and Where say what should be, what is, and where to look.
	Expected, Found, Where string
}

func (f Finding) String() string {
	return fmt.Sprintf("%s %s: expected %s; found %s (%s)", f.Kind, cmp.Or(f.Meeting, "-"), f.Expected, f.Found, f.Where)
}

// skew is how far the clocks of PostgreSQL, the simulator and the harness, which are all
// this machine's, are apart at most for what is rounded to milliseconds.
const skew = 20 * time.Millisecond

// Audit compares what should be with what is.
func Audit(s Script, l *Ledger, f Facts) []Finding {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := &audit{script: s, ledger: l, facts: f, names: s.Names(), meetings: map[int][]uuid.UUID{}, scripted: map[uuid.UUID]int{}}
	a.deliveries()
	a.followUps()
	a.decisions()
	a.records()
	a.writes()
	a.calls()
	a.permissions()
	a.approved()
	a.bookings()
	a.left()
	a.said()
	slices.SortStableFunc(a.findings, func(x, y Finding) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Meeting, y.Meeting))
	})
	return a.findings
}

type audit struct {
	script   Script
	ledger   *Ledger
	facts    Facts
	names    map[string]int
	meetings map[int][]uuid.UUID // of the script's meetings
	scripted map[uuid.UUID]int
	findings []Finding
}

func (a *audit) find(kind Kind, meeting int, expected, found, where string) {
	name := ""
	if meeting >= 0 {
		name = a.script.Meetings[meeting].Name
	}
	a.findings = append(a.findings, Finding{Kind: kind, Meeting: name, Expected: expected, Found: found, Where: where})
}

// meeting is the script's number of a meeting; -1 if it is none of the script's.
func (a *audit) meeting(id uuid.UUID) int {
	if n, ok := a.scripted[id]; ok {
		return n
	}
	return -1
}

// deliveries: whatever was acknowledged has its one row, and is understood as one
// meeting.
func (a *audit) deliveries() {
	byID := map[string][]DeliveryFact{}
	for _, d := range a.facts.Deliveries {
		byID[d.ID] = append(byID[d.ID], d)
		n, ok := a.names[d.ID]
		if !ok {
			continue
		}
		for _, id := range d.Meetings {
			a.scripted[id] = n
			if !slices.Contains(a.meetings[n], id) {
				a.meetings[n] = append(a.meetings[n], id)
			}
		}
	}
	for n, m := range a.script.Meetings {
		for _, d := range m.Deliveries {
			rows := byID[d.ID]
			where := "deliveries.dedupe_key = " + d.ID
			switch {
			case a.ledger.Delivered[d.ID] > 0 && len(rows) == 0:
				a.find(Lost, n, "a row of the acknowledged delivery "+d.ID, "none", where)
			case len(rows) > 1:
				a.find(Duplicated, n, "one row of the delivery "+d.ID, fmt.Sprint(len(rows)), where)
			case len(rows) == 1 && rows[0].State != "received" && rows[0].State != "fetching" && (rows[0].State != "understood" || rows[0].Events == 0):
				a.find(Lost, n, "an understood delivery with its event", fmt.Sprintf("state %s, %d events", rows[0].State, rows[0].Events), where)
			case len(rows) == 1 && rows[0].Events > 1:
				a.find(Duplicated, n, "one event of the delivery "+d.ID, fmt.Sprint(rows[0].Events), where)
			}
		}
		if len(a.meetings[n]) > 1 {
			a.find(Duplicated, n, "one meeting", fmt.Sprintf("%d: %v", len(a.meetings[n]), a.meetings[n]), "meetings")
		}
	}
}

// followUps: each meeting has its one.
func (a *audit) followUps() {
	of := map[uuid.UUID]int{}
	for _, f := range a.facts.FollowUps {
		of[f.Meeting]++
		if a.meeting(f.Meeting) < 0 {
			a.find(Wrong, -1, "no follow-up of a meeting that nobody told of", f.Meeting.String(), "follow_ups")
		}
	}
	for n := range a.script.Meetings {
		for _, id := range a.meetings[n] {
			if of[id] == 0 {
				a.find(Lost, n, "a follow-up", "none", "follow_ups.meeting_id = "+id.String())
			}
		}
	}
}

// decisions: whatever was acknowledged stands, and each has its row in the trail.
func (a *audit) decisions() {
	rows := map[uuid.UUID]ApprovalFact{}
	meetings := map[uuid.UUID]int{}
	for _, act := range a.facts.Actions {
		meetings[act.ID] = a.meeting(act.Meeting)
	}
	for _, p := range a.facts.Approvals {
		rows[p.ID] = p
		if p.State != "pending" && p.State != "withdrawn" && a.facts.Decisions[p.ID] != 1 {
			kind, found := Wrong, "none"
			if n := a.facts.Decisions[p.ID]; n > 1 {
				kind, found = Duplicated, fmt.Sprint(n)
			}
			a.find(kind, meetings[p.Action], "one row in the trail of the decision "+p.State, found, "audit.approval_id = "+p.ID.String())
		}
	}
	stands := map[Verdict]string{Approve: "approved", Edit: "edited", Reject: "rejected"}
	for _, d := range a.ledger.Decisions {
		row, ok := rows[d.Approval]
		where := "approvals.id = " + d.Approval.String()
		switch {
		case d.Promised && (d.Way != BySignal || !ok || row.State == "pending" || row.DecidedAt.Before(d.At.Add(promisedWait))):
			// It may have come too late; what is pending is stuck.
		case d.Promised:
			a.find(Lost, meetings[row.Action], fmt.Sprintf("the decision %s that Temporal took over at %s", d.Verdict, d.At.Format(time.TimeOnly)), fmt.Sprintf("it was made at %s via %s", row.DecidedAt.Format(time.TimeOnly), row.Via), where)
		case !ok:
			a.find(Lost, -1, fmt.Sprintf("the decision %s by %s", d.Verdict, d.Way), "no such question", where)
		case row.State != stands[d.Verdict]:
			a.find(Lost, meetings[row.Action], fmt.Sprintf("the decision %s that was acknowledged by %s at %s", d.Verdict, d.Way, d.At.Format(time.TimeOnly)), "it is "+row.State+" via "+row.Via, where)
		}
	}
}

// key tells a record from all others of its type in an account.
type key struct {
	hub        int64
	objectType string
	by, value  string
}

// records: what has to be there is there once, as it should be, and nothing else is.
func (a *audit) records() {
	expected := map[string]bool{} // IDs of records by account
	seen := map[key]bool{}
	for n, m := range a.script.Meetings {
		hub := a.script.Organizations[m.Organization].HubID
		for _, e := range m.Expected {
			found := a.matching(hub, e)
			for _, r := range found {
				expected[fmt.Sprint(hub, r.ObjectType, r.ID)] = true
			}
			if k := (key{hub, e.Type, e.Tool, e.Key}); seen[k] {
				continue // told of by another meeting, too
			} else {
				seen[k] = true
			}
			a.expected(n, e, found)
		}
	}
	for _, w := range a.facts.Writes {
		if w.Operation != "create" || w.ClientID == "" || expected[fmt.Sprint(w.HubID, w.ObjectType, w.ID)] {
			continue
		}
		want := "no record that nobody expects"
		n := -1
		for i, m := range a.script.Meetings {
			for _, e := range m.Expected {
				if e.Type == w.ObjectType && fits(e, w.Properties[e.By]) {
					n, want = i, fmt.Sprintf("it at the account %d alone", a.script.Organizations[m.Organization].HubID)
				}
			}
		}
		a.find(Wrong, n, want, fmt.Sprintf("%s %s at account %d", w.ObjectType, w.ID, w.HubID), fmt.Sprintf("simulator, write %d", w.Seq))
	}
}

func fits(e Expected, value string) bool {
	if e.Within {
		return strings.Contains(value, e.Key)
	}
	return value == e.Key
}

func (a *audit) matching(hub int64, e Expected) (found []hubspottest.Record) {
	for _, r := range a.facts.Records[hub] {
		if r.ObjectType == e.Type && !r.Archived && fits(e, r.Properties[e.By]) {
			found = append(found, r)
		}
	}
	return found
}

func (a *audit) expected(n int, e Expected, found []hubspottest.Record) {
	what := fmt.Sprintf("%s with %s %q", e.Type, e.By, e.Key)
	where := fmt.Sprintf("simulator, account %d, %s", a.script.Organizations[a.script.Meetings[n].Organization].HubID, e.Type)
	has := func(r hubspottest.Record) bool {
		for name, value := range e.Values {
			if r.Properties[name] != value {
				return false
			}
		}
		return true
	}
	if e.Not {
		update := strings.HasSuffix(e.Tool, ".update")
		for _, r := range found {
			if !update || has(r) {
				a.find(Wrong, n, "no "+what+", which somebody rejected", "record "+r.ID, where)
			}
		}
		return
	}
	switch {
	case len(found) == 0:
		if !a.excused(n, e) {
			a.find(Lost, n, what, "none; "+a.states(n, e.Tool), where)
		}
	case len(found) > 1:
		var ids []string
		for _, r := range found {
			ids = append(ids, r.ID)
		}
		a.find(Duplicated, n, "one of "+what, strings.Join(ids, ", "), where)
	case !has(found[0]):
		if a.excused(n, e) {
			return
		}
		kind := Wrong
		if strings.HasSuffix(e.Tool, ".update") {
			kind = Lost
		}
		a.find(kind, n, fmt.Sprintf("%s as %v", what, e.Values), fmt.Sprintf("%v; %s", found[0].Properties, a.states(n, e.Tool)), where+" "+found[0].ID)
	}
}

// excused says that something that was expected need not be there: its tool was denied
// when it was due, or nobody had answered by the deadline of its question, or of one
// that it depends on. What is denied when a round is planned is not even an action: then
// the round's other actions tell when that was.
func (a *audit) excused(n int, e Expected) bool {
	m := a.script.Meetings[n]
	type span struct{ from, to time.Time }
	none := true
	var planned, denied []span // when it may have been denied
	expired, without := false, false
	for _, act := range a.facts.Actions {
		if a.meeting(act.Meeting) != n {
			continue
		}
		planned = append(planned, span{act.CreatedAt, act.CreatedAt})
		expired = expired || act.State == "expired"
		if act.Tool == e.Tool {
			none = false
			without = without || act.State == "expired" || act.State == "skipped"
			if act.State == "denied" {
				denied = append(denied, span{act.CreatedAt, act.UpdatedAt})
			}
		}
	}
	if a.script.Organizations[m.Organization].Expires > 0 && expired && without {
		return true
	}
	if none {
		denied = planned
	}
	return slices.ContainsFunc(a.ledger.Denials, func(d Denial) bool {
		return d.Organization == m.Organization && d.Tool == e.Tool && slices.ContainsFunc(denied, func(at span) bool {
			return at.to.After(d.Begun.Add(-skew)) && at.from.Before(d.Ended.Add(skew))
		})
	})
}

// states are what became of a meeting's actions with a tool.
func (a *audit) states(n int, tool string) string {
	var all []string
	for _, act := range a.facts.Actions {
		if a.meeting(act.Meeting) == n && act.Tool == tool {
			all = append(all, strings.TrimSpace(act.State+" "+act.Reason))
		}
	}
	if len(all) == 0 {
		return "no such action"
	}
	return "the action is " + strings.Join(all, "; ")
}

// writes: none is made twice, and each stands in the trail.
func (a *audit) writes() {
	org := map[int64]string{}
	for _, o := range a.script.Organizations {
		org[o.HubID] = o.Name
	}
	type record struct{ org, tool, id string }
	rows := map[record][]CallFact{}
	loose := map[string][]CallFact{} // without a record: by organization and tool
	for _, c := range a.facts.Calls {
		if c.RecordID != "" {
			rows[record{c.Organization, c.Tool, c.RecordID}] = append(rows[record{c.Organization, c.Tool, c.RecordID}], c)
		}
		if c.Writes && c.Outcome != "refused" && (c.RecordID == "" || c.Outcome != "done") {
			loose[c.Organization+" "+c.Tool] = append(loose[c.Organization+" "+c.Tool], c)
		}
	}
	for _, w := range a.facts.Writes {
		if w.ClientID == "" || w.Operation != "create" && w.Operation != "update" && w.Operation != "archive" {
			continue
		}
		tool := singular(w.ObjectType) + "." + w.Operation
		where := fmt.Sprintf("simulator, write %d at %s: %s %s", w.Seq, w.At.Format(time.StampMilli), w.ObjectType, w.ID)
		if covers(rows[record{org[w.HubID], tool, w.ID}], w) || covers(loose[org[w.HubID]+" "+tool], w) {
			continue
		}
		a.find(Wrong, -1, "a row of the trail that stood before the write", "none", where)
	}
	a.updates()
}

// updates: nothing is changed twice into the same.
func (a *audit) updates() {
	seen := map[string]bool{}
	for _, w := range a.facts.Writes {
		if w.ClientID == "" || w.Operation != "update" || len(w.Properties) == 0 {
			continue
		}
		what := fmt.Sprint(w.HubID, w.ObjectType, w.ID, w.Properties) // maps are printed in order
		if seen[what] {
			a.find(Duplicated, -1, fmt.Sprintf("one update of %s %s to %d values", w.ObjectType, w.ID, len(w.Properties)), "the same again", fmt.Sprintf("simulator, write %d", w.Seq))
		}
		seen[what] = true
	}
}

// lateAtMost is how long after its row a call's effect may come: the call's timeout, and
// what HubSpot may take then.
const lateAtMost = 10 * time.Second

// covers says whether one of the rows tells of the write.
func covers(rows []CallFact, w hubspottest.Write) bool {
	return slices.ContainsFunc(rows, func(c CallFact) bool {
		return c.Writes && !w.At.Before(c.At.Add(-skew)) && w.At.Before(c.At.Add(lateAtMost))
	})
}

func singular(plural string) string {
	if plural == "companies" {
		return "company"
	}
	return strings.TrimSuffix(plural, "s")
}

// calls: each row of a write was completed, and what it says was done was done. That of
// a read whose process was killed stays as it is: nobody knows more, and nothing hangs
// on it.
func (a *audit) calls() {
	hub := map[string]int64{}
	for _, o := range a.script.Organizations {
		hub[o.Name] = o.HubID
	}
	wrote := map[string]bool{}
	for _, w := range a.facts.Writes {
		wrote[fmt.Sprint(w.HubID, " ", singular(w.ObjectType), ".", w.Operation, " ", w.ID)] = true
	}
	for _, c := range a.facts.Calls {
		where := fmt.Sprintf("audit.id = %d", c.ID)
		switch {
		case c.Writes && c.Outcome == "attempted":
			a.find(Wrong, a.meeting(c.Meeting), "a completed row of the call "+c.Tool, "attempted at "+c.At.Format(time.StampMilli)+" and never completed", where)
		case c.Writes && c.Outcome == "done" && strings.HasSuffix(c.Tool, ".create") && c.RecordID != "" && !wrote[fmt.Sprint(hub[c.Organization], " ", c.Tool, " ", c.RecordID)]:
			a.find(Wrong, a.meeting(c.Meeting), "the record that the trail tells of: "+c.Tool+" "+c.RecordID, "no such write ("+c.Reason+")", where)
		}
	}
}

// permissions: no call of a tool was begun while it was denied.
func (a *audit) permissions() {
	for _, d := range a.ledger.Denials {
		name := a.script.Organizations[d.Organization].Name
		for _, c := range a.facts.Calls {
			if c.Organization == name && c.Tool == d.Tool && c.Outcome != "refused" && c.At.After(d.From) && c.At.Before(d.To) {
				a.find(Wrong, a.meeting(c.Meeting), fmt.Sprintf("no call of %s while it was denied, from %s to %s", d.Tool, d.From.Format(time.StampMilli), d.To.Format(time.StampMilli)),
					"one at "+c.At.Format(time.StampMilli)+", "+c.Outcome, fmt.Sprintf("audit.id = %d", c.ID))
			}
		}
	}
}

// approved: where a question comes first, nothing was written before it was answered
// with yes.
func (a *audit) approved() {
	preset := map[string]Preset{}
	for _, o := range a.script.Organizations {
		preset[o.Name] = o.Preset
	}
	yes := map[uuid.UUID]time.Time{}
	for _, p := range a.facts.Approvals {
		if p.State == "approved" || p.State == "edited" || p.Kind == "outcome" && p.State == "rejected" {
			if first, ok := yes[p.Action]; !ok || p.DecidedAt.Before(first) {
				yes[p.Action] = p.DecidedAt
			}
		}
	}
	for _, c := range a.facts.Calls {
		if !c.Writes || c.Outcome == "refused" || !preset[c.Organization].asks(c.Tool) {
			continue
		}
		at, ok := yes[c.Action]
		where := fmt.Sprintf("audit.id = %d", c.ID)
		switch {
		case !ok:
			a.find(Wrong, a.meeting(c.Meeting), "no call of "+c.Tool+" without a yes", "one, "+c.Outcome, where)
		case c.At.Before(at.Add(-skew)):
			a.find(Wrong, a.meeting(c.Meeting), "no call of "+c.Tool+" before the yes at "+at.Format(time.StampMilli), "one at "+c.At.Format(time.StampMilli), where)
		}
	}
}

// left: nothing is left to do.
func (a *audit) left() {
	for _, l := range a.facts.Left {
		a.find(Stuck, a.meeting(l.Meeting), "nothing left to do", l.What+": "+l.Detail, l.Meeting.String())
	}
}

// said: nothing that is private stands where everybody reads.
func (a *audit) said() {
	for _, s := range a.facts.Said {
		a.find(Wrong, -1, "no "+s.What+" in "+s.Where, "one", s.Where)
	}
}
