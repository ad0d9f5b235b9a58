package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/internal/sabotage"
	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/policy"
)

// judge knows what an organization has said about its tools, and as much of one
// meeting as its rules can be about. It is made anew wherever something is
// decided, in the transaction that decides.
type judge struct {
	policy policy.Policy
	host   string
	team   string
	source string
	// attended are the addresses of who was there, and the domains of those
	// who don't belong to the organization.
	attended map[string]bool
	// currencies are the account's, the company currency first.
	currencies []string
	known      crmFacts
}

// crmFacts are what a judge reads of what was stored with a plan
// ([Plan.Resolution]), by the names that it has there.
type crmFacts struct {
	Contacts        []crmRecord        `json:"contacts"`
	Companies       []crmRecord        `json:"companies"`
	Deals           []crmRecord        `json:"deals"`
	Tickets         []crmRecord        `json:"tickets"`
	DealPipelines   []hubspot.Pipeline `json:"deal_pipelines"`
	TicketPipelines []hubspot.Pipeline `json:"ticket_pipelines"`
	// Properties are the account's own definitions, by object type.
	Properties map[string][]struct {
		Name string      `json:"name"`
		Type policy.Type `json:"type"`
	} `json:"properties"`
	// ExchangeRates are what one unit of a currency is worth in the company's.
	ExchangeRates map[string]float64 `json:"exchange_rates"`
}

type crmRecord struct {
	ID         string            `json:"id"`
	Properties map[string]string `json:"properties"`
	Links      []struct {
		Object string `json:"object"`
		ID     string `json:"id"`
	} `json:"links"`
}

// judgeOf makes the judge of one origin's actions.
func (s *Store) judgeOf(ctx context.Context, q querier, organizationID uuid.UUID, origin Origin) (*judge, error) {
	p, err := s.policyOf(ctx, q, organizationID)
	if err != nil {
		return nil, err
	}
	return s.judgeBy(ctx, q, p, organizationID, origin)
}

// judgeOfThese makes a judge of those actions alone. What is known of the meeting is
// read only where something can be about it: mostly nothing is, and somebody waits.
func (s *Store) judgeOfThese(ctx context.Context, q querier, organizationID uuid.UUID, origin Origin, actions ...Action) (*judge, error) {
	p, err := s.policyOf(ctx, q, organizationID)
	if err != nil {
		return nil, err
	}
	// A deal's amount is asked about where its currency is none of the account's.
	inMoney := func(a Action) bool { return a.Tool.Object == "deal" && !a.State.Settled() }
	if !aboutMeetings(p) && !slices.ContainsFunc(actions, inMoney) {
		return &judge{policy: p}, nil
	}
	return s.judgeBy(ctx, q, p, organizationID, origin)
}

// aboutMeetings says whether a policy may say different things about different
// meetings.
func aboutMeetings(p policy.Policy) bool { return len(p.Hosts)+len(p.Teams)+len(p.Conditions) > 0 }

// judgeBy makes the judge who judges by a policy of one's own.
func (s *Store) judgeBy(ctx context.Context, q querier, p policy.Policy, organizationID uuid.UUID, origin Origin) (*judge, error) {
	j := &judge{policy: p}
	return j, s.readFacts(ctx, q, j, organizationID, origin)
}

// readFacts reads what a judge can know of one meeting. What was erased stays
// unknown: that makes the rules ask that need it.
func (s *Store) readFacts(ctx context.Context, q querier, j *judge, organizationID uuid.UUID, origin Origin) error {
	if !origin.ofMeeting() {
		return nil
	}
	var keyID *uuid.UUID
	var sealedMeeting, sealedResolution []byte
	var domains []string
	err := q.QueryRow(ctx, `
		select coalesce(h.id::text, ''), coalesce(h.team, ''), m.data_key_id, m.sealed, f.sealed_resolution, o.domains, coalesce(c.currencies, '{}')
		from meetings m join organizations o on o.id = m.organization_id
		left join people h on h.id = m.host_person_id
		left join follow_ups f on f.meeting_id = m.id
		left join connections c on c.id = f.connection_id
		where m.organization_id = $1 and m.id = $2`, organizationID, origin.ID).
		Scan(&j.host, &j.team, &keyID, &sealedMeeting, &sealedResolution, &domains, &j.currencies)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading what rules can be about: %w", err)
	}
	key, err := s.dataKey(ctx, q, keyID)
	if errors.Is(err, ErrErased) {
		return nil
	}
	if err != nil {
		return err
	}
	if sealedMeeting != nil {
		var m meeting.Meeting
		if err := openJSON(key, sealedMeeting, &m, meetingPlace(origin.ID)); err != nil {
			return err
		}
		j.meeting(m, domains)
	}
	if sealedResolution != nil {
		var raw json.RawMessage
		if err := openJSON(key, sealedResolution, &raw, resolutionPlace(origin.ID)); err != nil {
			return err
		}
		if err := json.Unmarshal(raw, &j.known); err != nil {
			return errors.New("decoding what HubSpot knew when the plan was made")
		}
	}
	return nil
}

func (j *judge) meeting(m meeting.Meeting, own []string) {
	if len(m.Providers) == 1 {
		j.source = m.Providers[0]
	}
	j.attended = map[string]bool{}
	for _, a := range m.Attendees {
		address := strings.ToLower(strings.TrimSpace(a.Email))
		_, domain, ok := strings.Cut(address, "@")
		if !ok {
			continue
		}
		j.attended[address] = true
		if !slices.Contains(own, domain) {
			j.attended[domain] = true
		}
	}
}

// tool decides about a tool whatever would be written with it.
func (j *judge) tool(tool policy.Tool) policy.Decision {
	return j.policy.Decide(policy.Request{Tool: tool, Host: j.host, Team: j.team})
}

// action decides about an action with its values, as far as they were edited
// with those.
func (j *judge) action(a Action, edit map[string]string) policy.Decision {
	d := j.policy.Decide(j.request(a, edit))
	if sabotage.Is(sabotage.AskAsAllow) && d.Permission == policy.Ask {
		d.Permission = policy.Allow
	}
	return d
}

// tripped are those who ask about an edit and did not ask before it.
func (j *judge) tripped(a Action, edit map[string]string) []string {
	asking := func(edit map[string]string) []string {
		var names []string
		_, steps := j.policy.Explain(j.request(a, edit))
		for _, s := range steps {
			switch {
			case !s.Matched || s.Loosens && s.Problem == "":
			case s.IsRule:
				names = append(names, fmt.Sprintf("the rule %q", s.By))
			case s.By == "currency":
				names = append(names, s.Why)
			}
		}
		return names
	}
	before := asking(nil)
	return slices.DeleteFunc(asking(edit), func(name string) bool { return slices.Contains(before, name) })
}

// denial says why an action is denied. In shadow it says what would have been.
func (j *judge) denial(a Action, d policy.Decision) string {
	if d.Rule != policy.ShadowRule {
		return d.Reason
	}
	switch would := j.policy.Without(policy.ShadowRule).Decide(j.request(a, nil)); would.Permission {
	case policy.Allow:
		if a.Content.Doubt == "" {
			return inShadow + "it would have been written without asking"
		}
		return inShadow + "it would have been asked about, since it is in doubt"
	case policy.Ask:
		return inShadow + "it would have been asked about, since " + would.Reason
	default:
		return would.Reason
	}
}

// switchedOff says, for people, that an action may not be done by now; empty if it may.
func (j *judge) switchedOff(a Action) string {
	switch d := j.question(a, nil); {
	case d.Permission != policy.Deny:
		return ""
	case a.reads():
		return d.Reason
	case d.Rule != "":
		return j.denial(a, d)
	default:
		return a.Tool.Title() + " was switched to deny"
	}
}

func (j *judge) request(a Action, edit map[string]string) policy.Request {
	r := policy.Request{Tool: a.Tool, Host: j.host, Team: j.team, Write: &policy.Write{
		Source: j.source, Confidence: a.Content.Confidence, TargetOfAttendee: j.ofAttendee(a, edit), ClosesDeal: j.closes(a, edit),
	}}
	properties := edited(a, edit)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if strings.HasPrefix(name, QuestionPrefix) {
			continue // asks the approver, and is never written
		}
		c := policy.Change{Property: name, New: properties[name], Type: j.typeOf(a.Tool.Object, name)}
		if old, ok := a.Content.Before[name]; ok {
			c.Old = &old
		}
		r.Write.Changes = append(r.Write.Changes, c)
	}
	j.money(r.Write, a, properties)
	return r
}

func edited(a Action, edit map[string]string) map[string]string {
	properties := maps.Clone(a.Content.Properties)
	if properties == nil {
		properties = map[string]string{}
	}
	maps.Copy(properties, edit)
	return properties
}

// typeOf is the type that the account gives a property; empty if it is not known.
func (j *judge) typeOf(object, property string) policy.Type {
	for _, p := range j.known.Properties[object] {
		if p.Name == property {
			return p.Type
		}
	}
	return ""
}

// money says what a deal's amount is and will be in the company's currency, and
// what is known of its currency. Nothing is judged where nobody knows which
// currencies the account has.
func (j *judge) money(w *policy.Write, a Action, properties map[string]string) {
	if a.Tool.Object != "deal" || len(j.currencies) == 0 {
		return
	}
	before := func(name string) string {
		if v, ok := a.Content.Before[name]; ok || a.Tool.Operation == policy.Create {
			return strings.TrimSpace(v)
		}
		if r := j.record("deal", a.TargetID); r != nil {
			return strings.TrimSpace(r.Properties[name])
		}
		return ""
	}
	after := func(name string) string {
		if v, ok := properties[name]; ok {
			return strings.TrimSpace(v)
		}
		return before(name)
	}
	currency := after("deal_currency_code")
	_, writes := properties["amount"]
	switch {
	case slices.ContainsFunc(j.currencies, func(c string) bool { return strings.EqualFold(c, currency) }):
		w.Currency = policy.CurrencyKnown
	case currency != "":
		w.Currency = policy.CurrencyUnknown
	case writes && after("amount") != "":
		w.Currency = policy.CurrencyMissing
	default:
		return
	}
	w.Amount, w.AmountBefore = j.worth(after("amount"), currency), j.worth(before("amount"), before("deal_currency_code"))
}

// worth is an amount in the company's currency; nil if it can't be told. The
// account's own exchange rates are those that were read for the plan.
func (j *judge) worth(amount, currency string) *float64 {
	currency = strings.ToUpper(currency)
	money, err := hubspot.ParseMoney(amount, currency)
	if err != nil {
		return nil
	}
	n, err := strconv.ParseFloat(money.Amount, 64)
	if err != nil {
		return nil
	}
	if !strings.EqualFold(currency, j.currencies[0]) {
		rate, ok := j.known.ExchangeRates[currency]
		if !ok || rate <= 0 {
			return nil
		}
		n *= rate
	}
	return &n
}

// closes says whether the stage that a deal gets is a closed one; nil if the
// pipelines are not known.
func (j *judge) closes(a Action, edit map[string]string) *bool {
	stage, ok := edited(a, edit)["dealstage"]
	if !ok || a.Tool.Object != "deal" {
		return nil
	}
	for _, p := range j.known.DealPipelines {
		for _, s := range p.Stages {
			if s.ID == stage {
				closed := s.Closed()
				return &closed
			}
		}
	}
	return nil
}

// ofAttendee says whether the record of an action belongs to an attendee or to
// their company; nil if nobody can tell, as of what is linked to records that
// are still to be made.
func (j *judge) ofAttendee(a Action, edit map[string]string) *bool {
	if j.attended == nil {
		return nil
	}
	if a.Tool.Operation != policy.Create {
		if a.TargetID == "" {
			return nil
		}
		return j.recordOfAttendee(a.Tool.Object, a.TargetID)
	}
	properties := edited(a, edit)
	switch a.Tool.Object {
	case "contact", "company":
		return j.theirs(a.Tool.Object, properties)
	default:
	}
	// All that it is linked to has to be theirs.
	var answer *bool
	for _, ref := range a.Content.Associations {
		if ref.RecordID == "" {
			return nil
		}
		if ref.Object != "contact" && ref.Object != "company" && ref.Object != "deal" && ref.Object != "ticket" {
			continue
		}
		answer = j.recordOfAttendee(ref.Object, ref.RecordID)
		if answer == nil || !*answer {
			return answer
		}
	}
	return answer
}

// theirs says whether a contact is an attendee, or a company theirs. A contact
// whose address only shares a domain with an attendee's may be a colleague, or
// anybody where the domain is a mail provider's: nobody can tell.
func (j *judge) theirs(object string, properties map[string]string) *bool {
	answer := func(yes bool) *bool { return &yes }
	if object == "company" {
		return answer(j.attended[strings.TrimPrefix(strings.ToLower(strings.TrimSpace(properties["domain"])), "www.")])
	}
	address := strings.ToLower(strings.TrimSpace(properties["email"]))
	_, domain, _ := strings.Cut(address, "@")
	if !j.attended[address] && j.attended[domain] {
		return nil
	}
	return answer(j.attended[address])
}

// recordOfAttendee says it of a record that the plan was made with. A contact
// belongs to an attendee's company, too, where it is linked to that; a deal and a
// ticket do where they are linked to any that does.
func (j *judge) recordOfAttendee(object, id string) *bool {
	r := j.record(object, id)
	if r == nil {
		return nil
	}
	var answer *bool
	if object == "contact" || object == "company" {
		if answer = j.theirs(object, r.Properties); object == "company" || answer != nil && *answer {
			return answer
		}
	}
	no := false
	for _, link := range r.Links {
		if link.Object != "company" && (link.Object != "contact" || object == "contact") {
			continue
		}
		yes := j.recordOfAttendee(link.Object, link.ID)
		if yes == nil {
			answer = nil
			continue
		}
		if *yes {
			return yes
		}
		if object != "contact" {
			answer = &no
		}
	}
	return answer
}

func (j *judge) record(object, id string) *crmRecord {
	records := map[string][]crmRecord{
		"contact": j.known.Contacts, "company": j.known.Companies, "deal": j.known.Deals, "ticket": j.known.Tickets,
	}[object]
	i := slices.IndexFunc(records, func(r crmRecord) bool { return r.ID == id })
	if i < 0 {
		return nil
	}
	return &records[i]
}
