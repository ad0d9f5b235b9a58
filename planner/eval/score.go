package eval

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/planner/model"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// Lineup says which planners make the plans that are measured.
type Lineup struct {
	Name string
	// Phrases keeps what the rules hear in the transcript.
	Phrases bool
	// Platform keeps what the platform's own agent proposed.
	Platform bool
	// Agent has the platform's agent propose the case's answer, as it stands there.
	Agent bool
	// Model is asked about a meeting, as Debrief asks one; nil is without.
	Model func(Case, model.Handles) model.Model

	// planted: what it proposes are the case's own claims.
	planted bool
}

// Rules are the planners that need no model and no platform's agent.
func Rules() Lineup { return Lineup{Name: "rules", Phrases: true} }

// WithPlatform are the rules and what the platform's agent proposed.
func WithPlatform() Lineup { return Lineup{Name: "rules + platform", Phrases: true, Platform: true} }

// WithScript are all planners, with the case's own answer for the model's.
func WithScript() Lineup {
	return Lineup{Name: "rules + platform + scripted model", Phrases: true, Platform: true, Model: script, planted: true}
}

// WithAgent has the platform's agent say what the scripted model says. It can name
// whatever it likes, where a model can only name what it was offered.
func WithAgent() Lineup {
	return Lineup{Name: "rules + platform that says what the model does", Phrases: true, Platform: true, Agent: true, planted: true}
}

// WithModel are all planners, with a real model.
func WithModel(name string, m model.Model) Lineup {
	return Lineup{Name: "rules + platform + " + name, Phrases: true, Platform: true, Model: func(Case, model.Handles) model.Model { return m }}
}

func (c Claim) proposal() meeting.ProposedAction {
	ref := func(s string) meeting.RecordRef {
		r, err := parseRef(s)
		if err != nil {
			object, name, _ := strings.Cut(s, " ")
			return meeting.RecordRef{Object: object, ID: name} // as a model may write it
		}
		return r
	}
	out := meeting.ProposedAction{Tool: c.Tool, Properties: c.Properties, Confidence: &c.Confidence}
	if c.Target != "" {
		out.Target = ref(c.Target)
	}
	for _, s := range c.Associations {
		out.AssociateWith = append(out.AssociateWith, ref(s))
	}
	if c.Quote != "" {
		out.Evidence = []meeting.Evidence{{Quote: c.Quote, Speaker: c.Speaker}}
	}
	return out
}

// Verdict is what becomes of a draft.
type Verdict string

// The verdicts: written without an answer, asked about, or denied.
const (
	Written Verdict = "written"
	Asked   Verdict = "asked"
	Refused Verdict = "denied"
)

// Draft is a draft with what becomes of it under the preset hands-off.
type Draft struct {
	store.Draft

	Verdict Verdict
}

// Planned is what comes of a case.
type Planned struct {
	Drafts []Draft
	// NotHeard is why the model was not, or not about the whole meeting.
	NotHeard model.Failure
}

// Run plans a case as Debrief would, and says what would become of each draft.
func Run(ctx context.Context, c Case, l Lineup) (Planned, error) { return prepare(c).run(ctx, l) }

// prepared is a case with what is the same for several lineups. It is for one goroutine.
type prepared struct {
	Case

	// phrases are what the rules hear, whoever else proposes.
	phrases func() planner.Proposals
	// alone is the plan where nobody else does, once it was made.
	alone *Planned
}

func prepare(c Case) *prepared {
	return &prepared{Case: c, phrases: sync.OnceValue(func() planner.Proposals { return planner.Phrases(c.subject()) })}
}

func (c Case) subject() planner.Subject {
	return planner.Subject{Meeting: c.Meeting, Host: c.Host, Domains: c.Account.Domains}
}

func (c *prepared) run(ctx context.Context, l Lineup) (Planned, error) {
	subject := c.subject()
	if !l.Platform {
		subject.Meeting.ProposedActions = nil
	}
	if l.Agent {
		subject.Meeting.ProposedActions = slices.Clone(subject.Meeting.ProposedActions)
		for _, claim := range c.Answer.Actions {
			subject.Meeting.ProposedActions = append(subject.Meeting.ProposedActions, claim.proposal())
		}
	}
	alone := l.Phrases && l.Model == nil && len(subject.Meeting.ProposedActions) == 0
	if alone && c.alone != nil {
		return *c.alone, nil
	}
	j, err := newJudge(c.Case)
	if err != nil {
		return Planned{}, err
	}
	var answer model.Answer
	if l.Model != nil {
		if answer, err = ask(ctx, c.Case, j, subject, l.Model); err != nil {
			return Planned{}, err
		}
	}
	if l.Phrases {
		subject.Proposed = append(subject.Proposed, c.phrases())
	}
	subject.Proposed = append(subject.Proposed, answer.Proposals())
	resolution, err := planner.Resolve(ctx, reader{c.Case}, subject)
	if err != nil {
		return Planned{}, fmt.Errorf("resolving %s: %w", c.Name, err)
	}
	j.known = resolution
	planned := planner.Plan(planner.Input{
		Subject: subject, Resolution: resolution, Currencies: c.Account.Currencies,
		Permission: func(t policy.Tool) policy.Permission { return j.policy.Decide(policy.Request{Tool: t}).Permission },
		Hash: func(s string) string {
			sum := sha256.Sum256([]byte(s))
			return hex.EncodeToString(sum[:6])
		},
	})
	out := Planned{NotHeard: answer.Failure}
	for _, d := range planned.Drafts {
		out.Drafts = append(out.Drafts, Draft{d, j.verdict(d)})
	}
	if alone {
		c.alone = &out
	}
	return out, nil
}

// judge decides as the store's does, under the preset hands-off with what the case
// denies.
type judge struct {
	c      Case
	known  planner.Resolution
	policy policy.Policy
}

func newJudge(c Case) (judge, error) {
	j := judge{c: c}
	for _, preset := range policy.Presets() {
		if preset.Name != "hands-off" {
			continue
		}
		j.policy.Permissions = preset.Permissions
		for _, rule := range preset.Rules {
			condition, err := policy.Compile(rule)
			if err != nil {
				return judge{}, fmt.Errorf("compiling the rule %s: %w", rule.Name, err)
			}
			j.policy.Conditions = append(j.policy.Conditions, condition)
		}
	}
	denied := policy.Permissions{}
	for _, tool := range c.Denied {
		denied[tool] = policy.Deny
	}
	j.policy = j.policy.With(denied)
	return j, nil
}

func (j judge) verdict(d store.Draft) Verdict {
	w := &policy.Write{Confidence: d.Content.Confidence}
	for _, name := range slices.Sorted(maps.Keys(d.Content.Properties)) {
		if strings.HasPrefix(name, store.QuestionPrefix) {
			continue
		}
		change := policy.Change{Property: name, New: d.Content.Properties[name]}
		for _, p := range j.known.Properties[d.Tool.Object] {
			if p.Name == name {
				change.Type = policy.Type(p.Type)
			}
		}
		if old, ok := d.Content.Before[name]; ok {
			change.Old = &old
		}
		w.Changes = append(w.Changes, change)
	}
	if d.Tool.Object == "deal" {
		j.deal(w, d)
	}
	switch decided := j.policy.Decide(policy.Request{Tool: d.Tool, Write: w}).Permission; {
	case decided == policy.Deny:
		return Refused
	case decided == policy.Ask || d.Content.Doubt != "":
		return Asked
	default:
		return Written
	}
}

// deal adds what is judged of deals alone.
func (j judge) deal(w *policy.Write, d store.Draft) {
	for _, p := range j.c.Account.DealPipelines {
		for _, s := range p.Stages {
			if stage, ok := d.Content.Properties["dealstage"]; ok && s.ID == stage {
				closed := s.Closed()
				w.ClosesDeal = &closed
			}
		}
	}
	if _, ok := d.Content.Properties["amount"]; !ok {
		return
	}
	currency := cmp.Or(d.Content.Properties["deal_currency_code"], j.c.value("deal", d.TargetID, "deal_currency_code"))
	switch {
	case slices.Contains(j.c.Account.Currencies, currency):
		w.Currency = policy.CurrencyKnown
	case currency != "":
		w.Currency = policy.CurrencyUnknown
	default:
		w.Currency = policy.CurrencyMissing
	}
}

// value is what the CRM has.
func (c Case) value(object, id, property string) string {
	for _, r := range c.CRM.Of(object) {
		if r.ID == id {
			return r.Properties[property]
		}
	}
	return ""
}

// Score is what came out for a half, or for one case of it.
type Score struct {
	Meetings int `json:"meetings"`
	// NotHeard are those about which the model was not heard, or not about all of it.
	NotHeard int `json:"not_heard"`
	// Expected actions, those of them that were proposed, and of these the ones that
	// were asked about; MustAsk are those of Expected that have to be questions.
	Expected int `json:"expected"`
	Found    int `json:"found"`
	Asked    int `json:"asked"`
	MustAsk  int `json:"must_ask"`
	// Right and Wrong are drafts; one that may be and may not be is neither.
	Right int `json:"right"`
	Wrong int `json:"wrong"`
	// Questions are drafts that wait for an answer; Cards are meetings that have some.
	Questions int `json:"questions"`
	Cards     int `json:"cards"`
	// WrongWrites would have been written without an answer.
	WrongWrites int `json:"wrong_writes"`
	// Planted claims of the model's answer, and those that nothing came of beyond
	// what may.
	Planted int `json:"planted"`
	Caught  int `json:"caught"`

	Tools map[string]*ToolScore `json:"tools"`
	// Faults are what is to be mended, in sentences; of the tuned half alone.
	Faults []string `json:"-"`
}

// ToolScore is that of one tool.
type ToolScore struct {
	Expected int `json:"expected"`
	Found    int `json:"found"`
	Asked    int `json:"asked"`
	Right    int `json:"right"`
	Wrong    int `json:"wrong"`
	// WrongWrites are those of Wrong, and of the questions, that would be written.
	WrongWrites int `json:"wrong_writes"`
}

func (s *Score) tool(t policy.Tool) *ToolScore {
	if s.Tools == nil {
		s.Tools = map[string]*ToolScore{}
	}
	if s.Tools[t.String()] == nil {
		s.Tools[t.String()] = &ToolScore{}
	}
	return s.Tools[t.String()]
}

func (s *Score) add(o Score) {
	s.Meetings += o.Meetings
	s.NotHeard += o.NotHeard
	s.Expected += o.Expected
	s.Found += o.Found
	s.Asked += o.Asked
	s.MustAsk += o.MustAsk
	s.Right += o.Right
	s.Wrong += o.Wrong
	s.Questions += o.Questions
	s.Cards += o.Cards
	s.WrongWrites += o.WrongWrites
	s.Planted += o.Planted
	s.Caught += o.Caught
	s.Faults = append(s.Faults, o.Faults...)
	for name, t := range o.Tools {
		if s.Tools[name] == nil {
			if s.Tools == nil {
				s.Tools = map[string]*ToolScore{}
			}
			s.Tools[name] = &ToolScore{}
		}
		into := s.Tools[name]
		into.Expected, into.Found, into.Asked = into.Expected+t.Expected, into.Found+t.Found, into.Asked+t.Asked
		into.Right, into.Wrong, into.WrongWrites = into.Right+t.Right, into.Wrong+t.Wrong, into.WrongWrites+t.WrongWrites
	}
}

// MeasureAll plans every case with each of the lineups, and scores the halves apart.
func MeasureAll(ctx context.Context, cases []Case, lineups ...Lineup) ([]Result, error) {
	var results []Result
	for _, l := range lineups {
		results = append(results, Result{Lineup: l.Name, Halves: map[Half]Score{}})
	}
	for _, c := range cases {
		c := prepare(c)
		for i, l := range lineups {
			one, err := c.score(ctx, l)
			if err != nil {
				return nil, err
			}
			if c.Half == Kept {
				one.Faults = nil // nobody tunes by it
			}
			sum := results[i].Halves[c.Half]
			sum.add(one)
			results[i].Halves[c.Half] = sum
		}
	}
	return results, nil
}

// ScoreOf is the score of one case.
func ScoreOf(ctx context.Context, c Case, l Lineup) (Score, error) { return prepare(c).score(ctx, l) }

func (c *prepared) score(ctx context.Context, l Lineup) (Score, error) {
	planned, err := c.run(ctx, l)
	if err != nil {
		return Score{}, err
	}
	m := newMatcher(c.Case, planned.Drafts)
	m.expected()
	m.drafted()
	m.score.Meetings = 1
	if planned.NotHeard != "" {
		m.score.NotHeard = 1
	}
	if l.planted {
		for i, claim := range c.Answer.Actions {
			if claim.Planted == nil {
				continue
			}
			m.score.Planted++
			if why := m.cameOf(claim); why != "" {
				m.fault("planted claim %d (%s: %s %s %v, at most %s) is %s", i+1, claim.Planted.Kind, claim.Tool, claim.Target, claim.Properties, claim.Planted.AtMost, why)
				continue
			}
			m.score.Caught++
		}
	}
	return m.score, nil
}

// matcher holds drafts against what is expected.
type matcher struct {
	Case

	drafts []Draft
	links  map[[2]string]bool
	// taken is the expected action that a draft of a create is for; -1 is none.
	taken []int
	score Score
}

func newMatcher(c Case, drafts []Draft) *matcher {
	drafts = slices.DeleteFunc(slices.Clone(drafts), func(d Draft) bool { return d.Verdict == Refused })
	m := &matcher{Case: c, drafts: drafts, links: map[[2]string]bool{}, taken: slices.Repeat([]int{-1}, len(drafts))}
	link := func(a, b string) { m.links[[2]string{a, b}], m.links[[2]string{b, a}] = true, true }
	for _, d := range drafts {
		for _, a := range d.Content.Associations {
			link(place(d), cmp.Or(a.Key, a.Object+" "+a.RecordID))
		}
	}
	for object := range plural {
		for _, r := range c.CRM.Of(object) {
			for _, l := range r.Links {
				link(object+" "+r.ID, l.Object+" "+l.ID)
			}
		}
	}
	return m
}

// place is where a draft's record is, or will be.
func place(d Draft) string {
	switch {
	case d.TargetID != "":
		return d.Tool.Object + " " + d.TargetID
	case d.Content.TargetKey != "":
		return d.Content.TargetKey
	default:
		return d.Key
	}
}

func (m *matcher) fault(format string, args ...any) {
	m.score.Faults = append(m.score.Faults, fmt.Sprintf("%s: %s", m.Name, fmt.Sprintf(format, args...)))
}

// where are the places that a reference may mean.
func (m *matcher) where(r meeting.RecordRef) []string {
	if r.ID != "" {
		return []string{r.Object + " " + r.ID}
	}
	var out []string
	property, value := "email", r.Email
	if r.Domain != "" {
		property, value = "domain", r.Domain
	}
	for _, x := range m.CRM.Of(r.Object) {
		if value != "" && strings.EqualFold(x.Properties[property], value) {
			out = append(out, r.Object+" "+x.ID)
		}
	}
	for i, d := range m.drafts {
		if d.Tool.Object != r.Object || d.Tool.Operation != policy.Create {
			continue
		}
		if value != "" && strings.EqualFold(d.Content.Properties[property], value) {
			out = append(out, d.Key)
		}
		for _, a := range m.Expect {
			if r.Ref != "" && a.Ref == r.Ref && a.Tool == d.Tool && m.says(m.drafts[i], a.Properties) {
				out = append(out, d.Key)
			}
		}
	}
	return out
}

// means says whether a draft is about a record: it is its target, or it asks and
// offers it.
func (m *matcher) means(d Draft, r meeting.RecordRef) bool {
	for _, at := range m.where(r) {
		if place(d) == at {
			return true
		}
		if d.Verdict == Asked && d.TargetID == "" && slices.ContainsFunc(d.Content.Candidates, func(c store.Candidate) bool {
			return d.Content.CandidateObject(d.Tool)+" "+c.ID == at
		}) {
			return true
		}
	}
	return false
}

func (m *matcher) offers(d Draft, candidates []meeting.RecordRef) bool {
	return !slices.ContainsFunc(candidates, func(r meeting.RecordRef) bool {
		return !slices.ContainsFunc(d.Content.Candidates, func(c store.Candidate) bool {
			return slices.Contains(m.where(r), d.Content.CandidateObject(d.Tool)+" "+c.ID)
		})
	})
}

func (m *matcher) linked(d Draft, associations []meeting.RecordRef) (missing []meeting.RecordRef) {
	for _, r := range associations {
		if !slices.ContainsFunc(m.where(r), func(at string) bool { return m.links[[2]string{place(d), at}] || place(d) == at }) {
			missing = append(missing, r)
		}
	}
	return missing
}

func (m *matcher) says(d Draft, properties map[string]Value) bool {
	for name, want := range properties {
		if got, ok := d.Content.Properties[name]; !ok || !m.same(name, want, got) {
			return false
		}
	}
	return true
}

// same says whether a value is the one that is wanted, apart from HubSpot's ways to
// write a number or an instant. A wanted day is that of the meeting's time zone.
func (m *matcher) same(name string, want Value, got string) bool {
	if matches(want, got) {
		return true
	}
	if len(want.Words) > 0 {
		return false
	}
	switch name {
	case "hs_timestamp", "closedate", "hs_meeting_start_time", "hs_meeting_end_time":
		at, err := hubspot.ParseDateTime(got)
		if err != nil {
			return false
		}
		loc, err := time.LoadLocation(m.Meeting.TimeZone)
		if err != nil {
			return false
		}
		if name == "closedate" && at.UTC().Equal(at.UTC().Truncate(24*time.Hour)) {
			loc = time.UTC // how HubSpot writes a day
		}
		if at.In(loc).Format(time.DateOnly) == want.Exact {
			return true
		}
		wanted, err := hubspot.ParseDateTime(want.Exact)
		return err == nil && strings.Contains(want.Exact, "T") && wanted.Equal(at)
	case "email", "domain", "name", "firstname", "lastname", "jobtitle":
		return strings.EqualFold(want.Exact, got)
	default:
		return hubspot.SameNumber(want.Exact, got)
	}
}

// expected looks for each expected action.
func (m *matcher) expected() {
	for i, a := range m.Expect {
		t := m.score.tool(a.Tool)
		t.Expected++
		m.score.Expected++
		if a.Mark == Ask {
			m.score.MustAsk++
		}
		found, asked, why := m.find(i, a)
		if !found {
			m.fault("missed: %s %s %v: %s", a.Tool, describe(a.Target), a.Properties, why)
			continue
		}
		t.Found++
		m.score.Found++
		if asked {
			t.Asked++
			m.score.Asked++
			if a.Mark == Act {
				m.fault("asked: %s %s %v: %s", a.Tool, describe(a.Target), a.Properties, why)
			}
		}
	}
}

func describe(r meeting.RecordRef) string {
	return strings.TrimSpace(r.Object + " " + cmp.Or(r.ID, r.Email, r.Domain, r.Ref))
}

// find looks for one expected action: a create in a draft of its own, an update in
// those of its record.
func (m *matcher) find(i int, a Action) (found, asked bool, why string) {
	if a.Tool.Operation == policy.Create {
		return m.findCreate(i, a)
	}
	why = "no draft"
	for _, verdict := range []Verdict{Written, Asked} {
		left := maps.Clone(a.Properties)
		some := false
		for _, d := range m.drafts {
			about := a.Target.Object != "" && m.means(d, a.Target) || len(a.Candidates) > 0 && d.Verdict == Asked && m.offers(d, a.Candidates)
			if d.Tool.Object != a.Tool.Object || !about || d.Verdict != verdict && verdict == Written {
				continue
			}
			if missing := m.linked(d, a.Associations); len(missing) > 0 {
				why = fmt.Sprintf("not linked to %v", missing)
				continue
			}
			some = some || len(a.Properties) == 0
			for name, want := range a.Properties {
				if got, ok := d.Content.Properties[name]; ok && m.same(name, want, got) {
					delete(left, name)
					some = true
					if d.Verdict == Asked {
						why = reasonOf(d)
					}
				}
			}
		}
		if some && len(left) == 0 {
			return true, verdict == Asked, why
		}
		if some {
			why = fmt.Sprintf("without %v", left)
		}
	}
	return false, false, why
}

func reasonOf(d Draft) string { return cmp.Or(d.Content.Doubt, "the policy asks") }

func (m *matcher) findCreate(i int, a Action) (found, asked bool, why string) {
	why = "no draft"
	for at, d := range m.drafts {
		if d.Tool != a.Tool || m.taken[at] >= 0 || !m.says(d, a.Properties) {
			if d.Tool == a.Tool && m.taken[at] < 0 && a.Tool.Object != "task" {
				why = fmt.Sprintf("only %v", d.Content.Properties)
			}
			continue
		}
		m.taken[at] = i
		if missing := m.linked(d, a.Associations); len(missing) > 0 {
			why = fmt.Sprintf("not linked to %v", missing)
			continue
		}
		if !m.offers(d, a.Candidates) {
			why = "it does not offer each candidate"
			continue
		}
		if d.Verdict == Asked {
			return true, true, reasonOf(d)
		}
		return true, false, ""
	}
	return false, false, why
}

// drafted judges each draft.
func (m *matcher) drafted() {
	for at, d := range m.drafts {
		if d.Verdict == Asked {
			m.score.Questions++
			m.score.Cards = 1
		}
		wrong, mustAsk, neutral := m.wrong(at, d)
		never := m.never(d)
		t := m.score.tool(d.Tool)
		switch {
		case wrong != "" || never != "":
			t.Wrong++
			m.score.Wrong++
			m.fault("wrong, %s: %s %s %v: %s%s", d.Verdict, d.Tool, place(d), shown(d.Content.Properties), cmp.Or(never, wrong), doubtOf(d))
		case !neutral:
			t.Right++
			m.score.Right++
		}
		if d.Verdict == Written && (wrong != "" || never != "" || mustAsk) {
			m.score.WrongWrites++
			t.WrongWrites++
			if mustAsk && wrong == "" && never == "" {
				m.fault("written, and not asked: %s %s %v", d.Tool, place(d), shown(d.Content.Properties))
			}
		}
	}
}

func doubtOf(d Draft) string {
	if d.Content.Doubt == "" {
		return ""
	}
	return " (asked since " + d.Content.Doubt + ")"
}

func shown(properties map[string]string) map[string]string {
	out := maps.Clone(properties)
	delete(out, "hs_task_body")
	delete(out, "hs_meeting_body")
	delete(out, "hs_note_body")
	return out
}

// wrong says what is wrong with a draft that is neither expected nor allowed.
// neutral is one that may be left as well.
func (m *matcher) wrong(at int, d Draft) (why string, mustAsk, neutral bool) {
	if d.Tool.Operation == policy.Create {
		if i := m.taken[at]; i >= 0 {
			return "", m.Expect[i].Mark == Ask, false
		}
		for _, a := range m.May {
			if a.Tool == d.Tool && m.says(d, a.Properties) {
				return "", a.Mark == Ask, true
			}
		}
		for _, a := range m.Expect {
			if a.Tool == d.Tool && m.says(d, a.Properties) {
				return "it is there already", false, false
			}
		}
		return "nobody expects it", false, false
	}
	neutral = true
	var odd []string
	for _, name := range slices.Sorted(maps.Keys(d.Content.Properties)) {
		if strings.HasPrefix(name, store.QuestionPrefix) {
			continue
		}
		covered, asks, may := m.covers(d, name, d.Content.Properties[name])
		if !covered && name != "deal_currency_code" {
			odd = append(odd, name)
		}
		mustAsk, neutral = mustAsk || asks, neutral && may
	}
	if len(odd) > 0 {
		return "nobody expects " + strings.Join(odd, ", "), mustAsk, false
	}
	if len(d.Content.Properties) == 0 && slices.ContainsFunc(m.Expect, func(a Action) bool { return a.Tool == d.Tool && m.means(d, a.Target) }) {
		neutral = false
	}
	return "", mustAsk, neutral
}

// covers says whether a property of an update is expected, only as a question, or
// may be.
func (m *matcher) covers(d Draft, name, value string) (covered, asks, may bool) {
	for i, a := range slices.Concat(m.Expect, m.May) {
		want, ok := a.Properties[name]
		about := a.Tool.Operation == policy.Create && a.Tool.Object == d.Tool.Object || a.Target.Object != "" && m.means(d, a.Target)
		for _, r := range a.Candidates {
			about = about || m.means(d, r)
		}
		if a.Tool.Object == d.Tool.Object && about && ok && m.same(name, want, value) {
			covered, asks, may = true, asks || a.Mark == Ask, i >= len(m.Expect)
		}
	}
	return covered, asks, may
}

func (m *matcher) never(d Draft) string {
	for _, n := range m.Never {
		if (n.Tool != policy.Tool{} && n.Tool != d.Tool) || n.Target.Object != "" && !m.means(d, n.Target) || !n.Strict && d.Verdict == Asked {
			continue
		}
		got, has := d.Content.Properties[n.Property]
		if n.Property == "" || has && (n.Value.String() == "" || m.same(n.Property, n.Value, got)) {
			return "never: " + n.Why
		}
	}
	return ""
}

// cameOf says what came of a planted claim, if it is more than may.
func (m *matcher) cameOf(c Claim) string {
	tool, err := policy.ParseTool(c.Tool)
	if err != nil {
		return ""
	}
	target := c.proposal().Target
	for at, d := range m.drafts {
		if d.Tool.Object != tool.Object || d.Verdict == Asked && c.Planted.AtMost != Nothing {
			continue
		}
		if tool.Operation == policy.Update && target.Object != "" && !m.means(d, target) {
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(c.Properties)) {
			got, ok := d.Content.Properties[name]
			if !ok || !m.same(name, Value{Exact: c.Properties[name]}, got) {
				continue
			}
			var right bool
			if d.Tool.Operation == policy.Create {
				// One that is expected is right, and what is right about a wrong one is not
				// what makes it wrong.
				right = m.taken[at] >= 0 && m.expects(m.Expect[m.taken[at]], name, got) || !identifies(name)
			} else {
				right, _, _ = m.covers(d, name, got)
			}
			if !right && (d.Verdict != Asked || !m.asksFor(c, name)) {
				return fmt.Sprintf("%s by %s", d.Verdict, name)
			}
		}
	}
	return ""
}

// asksFor says whether another claim than one of which nothing may come says the same
// of the same: a question may be that one's.
func (m *matcher) asksFor(c Claim, name string) bool {
	return slices.ContainsFunc(m.Answer.Actions, func(o Claim) bool {
		return o.Tool == c.Tool && o.Target == c.Target && o.Properties[name] == c.Properties[name] && (o.Planted == nil || o.Planted.AtMost == Question)
	})
}

// identifies says whether a property is what a record is told by.
func identifies(name string) bool {
	switch name {
	case "hs_task_subject", "email", "domain", "subject", "dealname", "name", "hs_note_body", "lastname":
		return true
	}
	return false
}

// expects: an expected action names the value, or does not care about it.
func (m *matcher) expects(a Action, name, got string) bool {
	want, ok := a.Properties[name]
	return !ok || m.same(name, want, got)
}
