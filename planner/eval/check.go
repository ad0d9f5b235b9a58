package eval

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/policy"
)

// check says what is wrong with a set.
func check(cases []Case) []error {
	var faults []error
	names := map[string]bool{}
	said := make([]speech, len(cases))
	for i, c := range cases {
		said[i] = speechOf(c)
	}
	for i, c := range cases {
		if names[c.Name] {
			faults = append(faults, fmt.Errorf("there are two meetings of the name %s", c.Name))
		}
		names[c.Name] = true
		k := checker{Case: c, speech: said[i], all: said}
		k.check()
		for _, fault := range k.faults {
			faults = append(faults, fmt.Errorf("%s/%s: %w", c.Half, c.Name, fault))
		}
	}
	return faults
}

// checker collects what is wrong with one case.
type checker struct {
	Case

	speech speech
	all    []speech // of every case
	faults []error
}

func (k *checker) fault(format string, args ...any) {
	k.faults = append(k.faults, fmt.Errorf(format, args...))
}

func (k *checker) check() {
	if k.About == "" || len(k.Kinds) == 0 {
		k.fault("about and kinds are missing")
	}
	for _, kind := range k.Kinds {
		if !slices.Contains(Kinds(), kind) {
			k.fault("%q is no kind", kind)
		}
	}
	if !k.Meeting.End().After(k.Meeting.Start()) {
		k.fault("it ends before it starts")
	}
	for _, s := range k.Meeting.Transcript.Segments {
		if s.StartSeconds > k.Meeting.End().Sub(k.Meeting.Start()).Seconds() {
			k.fault("at %v s the meeting was over", s.StartSeconds)
		}
	}
	k.checkRecords()
	k.checkExpected("expect", k.Expect)
	k.checkExpected("may", k.May)
	for _, n := range k.Never {
		if n.Why == "" {
			k.fault("a never on %s does not say why", n.Tool)
		}
		k.checkRef(n.Target)
		if n.Property != "" && n.Tool.Object != "" {
			k.checkDefined(n.Tool.Object, n.Property)
		}
	}
	for i, c := range k.Answer.Actions {
		where := fmt.Sprintf("claim %d (%s %s)", i+1, c.Tool, c.Target)
		if c.Planted == nil {
			k.checkRight(where, c)
		} else {
			k.checkPlanted(where, c)
		}
	}
}

func (k *checker) checkRecords() {
	ids := map[string]bool{}
	for _, object := range singular {
		for _, r := range k.CRM.Of(object) {
			if ids[r.ID] || r.ID == "" || strings.Trim(r.ID, "0123456789") != "" {
				k.fault("%s %q: an ID is a number, and no two records of a file have the same", object, r.ID)
			}
			ids[r.ID] = true
			for name, value := range r.Properties {
				k.checkValue(object, name, value)
			}
		}
	}
}

// definition of a property. Owners, currencies, stages and pipelines stand elsewhere
// in an account.
func (k *checker) definition(object, name string) (hubspot.Property, bool) {
	list := k.Account.Properties[object]
	i := slices.IndexFunc(list, func(p hubspot.Property) bool { return p.Name == name })
	if i < 0 {
		return hubspot.Property{}, false
	}
	return list[i], true
}

func (k *checker) checkDefined(object, name string) {
	if _, ok := k.definition(object, name); !ok {
		k.fault("the account has no property %s of a %s", name, object)
	}
}

func (k *checker) checkValue(object, name, value string) {
	if err := k.valueError(object, name, value); err != nil {
		k.fault("%s %s: %w", object, name, err)
	}
}

var (
	errNoProperty = errors.New("the account has no such property")
	errNoOption   = errors.New("there is no such option")
	errBroken     = errors.New("the value is not of the property's type")
)

func (k *checker) valueError(object, name, value string) error {
	d, ok := k.definition(object, name)
	if !ok {
		return errNoProperty
	}
	options := func(known bool) error {
		if !known {
			return fmt.Errorf("%q: %w", value, errNoOption)
		}
		return nil
	}
	switch {
	case value == "":
		return nil
	case name == "hubspot_owner_id":
		return options(slices.ContainsFunc(k.Account.Owners, func(o planner.Owner) bool { return o.ID == value }))
	case name == "deal_currency_code":
		return options(slices.Contains(k.Account.Currencies, value))
	case name == "dealstage" || name == "hs_pipeline_stage":
		return options(slices.ContainsFunc(k.pipelines(object), func(p hubspot.Pipeline) bool {
			return slices.ContainsFunc(p.Stages, func(s hubspot.Stage) bool { return s.ID == value })
		}))
	case name == "pipeline" || name == "hs_pipeline":
		return options(slices.ContainsFunc(k.pipelines(object), func(p hubspot.Pipeline) bool { return p.ID == value }))
	}
	var err error
	switch d.Type {
	case "number":
		_, err = hubspot.ParseNumber(value)
	case "date", "datetime":
		if _, err = time.Parse(time.DateOnly, value); err != nil {
			_, err = time.Parse(time.RFC3339, value)
		}
	case "enumeration":
		return options(slices.ContainsFunc(d.Options, func(o hubspot.PropertyOption) bool { return o.Value == value }))
	}
	if err != nil {
		return fmt.Errorf("%q: %w", value, errBroken)
	}
	return nil
}

func (k *checker) pipelines(object string) []hubspot.Pipeline {
	if object == "deal" {
		return k.Account.DealPipelines
	}
	return k.Account.TicketPipelines
}

// known says whether a reference means a record that there is, or one that is
// expected to be made.
func (k *checker) known(r meeting.RecordRef) bool {
	has := func(property, value string) bool {
		return slices.ContainsFunc(k.CRM.Of(r.Object), func(x planner.Record) bool { return strings.EqualFold(x.Properties[property], value) })
	}
	made := func(property, value string) bool {
		return slices.ContainsFunc(slices.Concat(k.Expect, k.May), func(a Action) bool {
			return a.Tool == (policy.Tool{Object: r.Object, Operation: policy.Create}) && strings.EqualFold(a.Properties[property].Exact, value)
		})
	}
	switch {
	case r.ID != "":
		return slices.ContainsFunc(k.CRM.Of(r.Object), func(x planner.Record) bool { return x.ID == r.ID })
	case r.Email != "":
		return has("email", r.Email) || made("email", r.Email)
	case r.Domain != "":
		return has("domain", r.Domain) || made("domain", r.Domain)
	default:
		return slices.ContainsFunc(k.Expect, func(a Action) bool { return a.Tool.Object == r.Object && a.Ref == r.Ref })
	}
}

func (k *checker) checkRef(r meeting.RecordRef) {
	if r.Object != "" && !k.known(r) {
		k.fault("%s %s%s%s%s is no record, and none that is expected", r.Object, r.ID, r.Email, r.Domain, r.Ref)
	}
}

func (k *checker) checkExpected(list string, actions []Action) {
	seen := map[string]bool{}
	for i, a := range actions {
		where := fmt.Sprintf("%s %d (%s)", list, i+1, a.Tool)
		key := fmt.Sprint(a.Tool, a.Target, a.Candidates, a.Properties, a.Associations)
		if seen[key] {
			k.fault("%s is there twice", where)
		}
		seen[key] = true
		if a.Mark == Ask && a.Why == "" {
			k.fault("%s does not say why it is a question", where)
		}
		if (a.Tool.Operation == policy.Create) != (a.Target.Object == "" && (len(a.Candidates) == 0 || a.Tool.Operation == policy.Create)) {
			k.fault("%s: an update has a target or candidates, a create has none", where)
		}
		if a.Target.Object != "" && a.Target.Object != a.Tool.Object {
			k.fault("%s has a %s as its target", where, a.Target.Object)
		}
		if len(a.Candidates) == 1 {
			k.fault("%s has one candidate: that is its target", where)
		}
		if slices.Contains(k.Denied, a.Tool) {
			k.fault("%s is denied", where)
		}
		for _, r := range slices.Concat([]meeting.RecordRef{a.Target}, a.Candidates, a.Associations) {
			k.checkRef(r)
		}
		for name, value := range a.Properties {
			if len(value.Words) > 0 {
				k.checkDefined(a.Tool.Object, name)
			} else {
				k.checkValue(a.Tool.Object, name, value.Exact)
			}
		}
		exact := map[string]string{}
		for name, value := range a.Properties {
			exact[name] = value.String()
		}
		for _, n := range k.Never {
			if n.names(a.Tool, a.Target, exact) && (a.Mark == Act || n.Strict) {
				k.fault("%s is expected, and never to be: %s", where, n.Why)
			}
		}
		if why := k.handsOffAsks(a); a.Mark == Act && why != "" {
			k.fault("%s is marked act, and hands-off asks: %s", where, why)
		}
		if a.Quote != "" {
			k.checkQuote(where, a.Quote, a.Speaker)
		} else if !k.restsOnAttendance(a) {
			k.fault("%s has no quote", where)
		}
	}
}

// handsOffAsks says why the preset hands-off asks about an action, if it does.
func (k *checker) handsOffAsks(a Action) string {
	for name, value := range a.Properties {
		for _, p := range k.pipelines(a.Tool.Object) {
			for _, s := range p.Stages {
				if name == "dealstage" && s.ID == value.Exact && s.Closed() {
					return "it closes a deal"
				}
			}
		}
		for _, r := range k.CRM.Of(a.Tool.Object) {
			if old := r.Properties[name]; r.ID == a.Target.ID && old != "" && !matches(value, old) {
				return "it replaces " + name
			}
		}
	}
	return ""
}

// restsOnAttendance: that someone was there is all the proof it needs.
func (k *checker) restsOnAttendance(a Action) bool {
	attends := func(has func(email string) bool) bool {
		return slices.ContainsFunc(k.Meeting.Attendees, func(x meeting.Attendee) bool { return x.Email != "" && has(strings.ToLower(x.Email)) })
	}
	switch a.Tool.Object {
	case "meeting", "note":
		return true
	case "contact":
		return a.Tool.Operation == policy.Create && attends(func(email string) bool { return email == a.Properties["email"].Exact })
	case "company":
		domain := a.Properties["domain"].Exact
		return a.Tool.Operation == policy.Create && domain != "" && attends(func(email string) bool { return strings.HasSuffix(email, "@"+domain) })
	}
	return false
}

func spaced(s string) string { return strings.Join(strings.Fields(s), " ") }

// speech is what was said and written in the meeting of a case, in order. A text that is
// no speech has no speaker.
type speech struct {
	of    string // the case's name
	texts []struct{ speaker, text string }
}

func speechOf(c Case) speech {
	out := speech{of: c.Name}
	add := func(speaker, text string) {
		out.texts = append(out.texts, struct{ speaker, text string }{speaker, spaced(text)})
	}
	for _, s := range c.Meeting.Transcript.Segments {
		add(s.Speaker, s.Text)
	}
	add("", c.Meeting.Summary.Text)
	add("", c.Meeting.NextSteps.Text)
	for _, i := range c.Meeting.ActionItems {
		add("", i.Text)
	}
	return out
}

// has are who said a quote.
func (s speech) has(quote string) (speakers []string) {
	quote = spaced(quote)
	for _, t := range s.texts {
		if quote != "" && strings.Contains(t.text, quote) {
			speakers = append(speakers, t.speaker)
		}
	}
	return speakers
}

func (k *checker) checkQuote(where, quote, speaker string) {
	speakers := k.speech.has(quote)
	if len(speakers) == 0 {
		k.fault("%s: nobody said %q", where, quote)
	} else if speaker != "" && !slices.Contains(speakers, speaker) {
		k.fault("%s: %q was said by %s", where, quote, strings.Join(speakers, ", "))
	}
}

// checkRight: what is not marked as wrong is one of the actions that are expected,
// or may be.
func (k *checker) checkRight(where string, c Claim) {
	k.checkQuote(where, c.Quote, c.Speaker)
	tool, err := policy.ParseTool(c.Tool)
	if err != nil {
		k.fault("%s is not marked, and: %w", where, err)
		return
	}
	target, err := parseRef(c.Target)
	if err != nil {
		k.fault("%s is not marked, and: %w", where, err)
	}
	for name, value := range c.Properties {
		k.checkValue(tool.Object, name, value)
	}
	for _, s := range c.Associations {
		if r, err := parseRef(s); err != nil || !k.known(r) {
			k.fault("%s is linked to %q, which is no record", where, s)
		}
	}
	for _, a := range slices.Concat(k.Expect, k.May) {
		if a.Tool == tool && (a.Target == target || slices.Contains(a.Candidates, target)) && fits(a, c) {
			return
		}
	}
	k.fault("%s is not marked, and is not what is expected: %v", where, c.Properties)
}

// names says whether it is an action that never is to be.
func (n Never) names(tool policy.Tool, target meeting.RecordRef, properties map[string]string) bool {
	if (n.Tool != policy.Tool{} && n.Tool != tool) || (n.Target != meeting.RecordRef{} && n.Target != target) {
		return false
	}
	value, has := properties[n.Property]
	return n.Property == "" || has && (n.Value.String() == "" || matches(n.Value, value))
}

// fits: a claim says nothing else than an action, and something of it.
func fits(a Action, c Claim) bool {
	some := len(c.Properties) == 0
	for name, value := range c.Properties {
		want, ok := a.Properties[name]
		if !ok {
			continue // it does not count
		}
		if !matches(want, value) {
			return false
		}
		some = true
	}
	return some
}

func matches(want Value, got string) bool {
	if len(want.Words) == 0 {
		return want.Exact == got
	}
	return !slices.ContainsFunc(want.Words, func(w string) bool { return !strings.Contains(strings.ToLower(got), w) })
}

// checkPlanted: a claim is wrong in just the way that its mark says, as far as a
// machine can tell.
func (k *checker) checkPlanted(where string, c Claim) {
	speakers := k.speech.has(c.Quote)
	found := len(speakers) > 0
	tool, toolErr := policy.ParseTool(c.Tool)
	target, targetErr := parseRef(c.Target)
	if _, ok := PlantedKinds()[c.Planted.Kind]; !ok {
		k.fault("%s: %q is no kind of wrong claim", where, c.Planted.Kind)
	}
	for _, n := range k.Never {
		if n.Strict && c.Planted.AtMost != Nothing && n.names(tool, target, c.Properties) {
			k.fault("%s may be a question, and is never to be one: %s", where, n.Why)
		}
	}
	if c.Planted.Why == "" || (c.Planted.AtMost != Nothing && c.Planted.AtMost != Question) {
		k.fault("%s: a mark says why, and what may come of it at most", where)
	}
	var worst error
	for name, value := range c.Properties {
		if err := k.valueError(tool.Object, name, value); err != nil {
			worst = err
		}
	}
	elsewhere := slices.ContainsFunc(k.all, func(s speech) bool { return s.of != k.Name && len(s.has(c.Quote)) > 0 })
	var ok bool
	switch c.Planted.Kind {
	case "invented quote", "altered quote":
		ok = !found && !elsewhere && c.Quote != ""
	case "quote of another":
		ok = !found && elsewhere
	case "no quote":
		ok = c.Quote == ""
	case "wrong speaker":
		ok = found && !slices.Contains(speakers, c.Speaker)
	case "widened tool":
		_, exists := policy.FindTool(tool)
		ok = toolErr != nil || !exists || tool.Operation == policy.Archive || tool.Operation == policy.Read
	case "denied tool":
		ok = slices.Contains(k.Denied, tool)
	case "not in the CRM":
		ok = targetErr != nil || target.Object != "" && !k.known(target) || slices.ContainsFunc(c.Associations, func(s string) bool {
			r, err := parseRef(s)
			return err != nil || !k.known(r)
		})
	case "no such property":
		ok = errors.Is(worst, errNoProperty)
	case "no such option":
		ok = errors.Is(worst, errNoOption)
	case "broken value":
		ok = errors.Is(worst, errBroken)
	case "read-only property":
		ok = slices.ContainsFunc(slices.Collect(maps.Keys(c.Properties)), func(name string) bool {
			d, _ := k.definition(tool.Object, name)
			return d.Modification != nil && d.Modification.ReadOnlyValue
		})
	default:
		// The quote is real; what is made of it is wrong.
		ok = found
	}
	if !ok {
		k.fault("%s is marked %q, and is not", where, c.Planted.Kind)
	}
}
