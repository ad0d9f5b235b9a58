package planner

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

// writable are the properties with HubSpot's own prefix that people and
// integrations set (developers.hubspot.com, "Contacts", "Deals", "Tickets",
// "Meetings", "Notes" and "Tasks", November 2026). Everything else that begins
// with hs_ is HubSpot's to write.
var writable = map[string][]string{
	"contact": {"hs_lead_status", "hs_language", "hs_persona"},
	"company": {"hs_lead_status"},
	"deal":    {"hs_priority", "hs_next_step"},
	"ticket":  {"hs_pipeline", "hs_pipeline_stage", "hs_ticket_priority", "hs_ticket_category"},
	"meeting": {
		"hs_timestamp", "hs_meeting_title", "hs_meeting_body", "hs_internal_meeting_notes", "hs_meeting_external_url", "hs_meeting_location",
		"hs_meeting_start_time", "hs_meeting_end_time", "hs_meeting_outcome", "hs_activity_type",
	},
	"note": {"hs_timestamp", "hs_note_body"},
	"task": {"hs_timestamp", "hs_task_subject", "hs_task_body", "hs_task_status", "hs_task_priority", "hs_task_type", "hs_task_reminders"},
}

// readOnly are properties without that prefix that HubSpot calculates.
var readOnly = []string{
	"createdate", "lastmodifieddate", "associatedcompanyid", "days_to_close", "closed_date", "first_deal_created_date",
	"num_notes", "num_contacted_notes", "num_associated_contacts", "num_associated_deals", "notes_last_contacted", "notes_last_updated",
	"notes_next_activity_date", "recent_deal_amount", "recent_deal_close_date", "total_revenue", "ip_city", "ip_country", "ip_state",
}

var propertyName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,99}$`)

// Check says what is wrong with the properties of an action, in sentences for
// whoever proposed or edited them; nothing wrong is an empty answer. object is
// the tool's; create says that a record is to be made, which needs more. Values
// are not repeated: a sentence may end up in a log.
func Check(object string, create bool, properties map[string]string, r Resolution) []string {
	var wrong []string
	for _, name := range sortedKeys(properties) {
		if s := checkProperty(object, name, properties[name], r); s != "" {
			wrong = append(wrong, s)
		}
	}
	if stage, of := properties[stageOf(object)], properties[pipelineOf(object)]; stage != "" && of != "" {
		if p, ok := stageByID(r.pipelines(object), stage); ok && p.ID != of {
			wrong = append(wrong, "the stage belongs to another pipeline than the "+object)
		}
	}
	if !create {
		return wrong
	}
	for _, name := range required(object) {
		if strings.TrimSpace(properties[name]) == "" {
			wrong = append(wrong, fmt.Sprintf("a new %s needs %s", object, r.label(object, name)))
		}
	}
	return wrong
}

// CheckEdit is [Check] for the judge of questions: of an edited action, by the
// resolution that it was planned with, as JSON. Without one, which a note of a briefing
// does not have, it is checked by what holds in any account. It is for store.Options.
func CheckEdit(tool policy.Tool, properties map[string]string, resolution json.RawMessage) ([]string, error) {
	var r Resolution
	if err := json.Unmarshal(resolution, &r); err != nil && len(resolution) > 0 {
		return nil, errors.New("the stored resolution can't be read")
	}
	return Check(tool.Object, tool.Operation == policy.Create, properties, r), nil
}

// required are the properties without which HubSpot refuses a create, or makes
// a record that nobody can recognise.
func required(object string) []string {
	switch object {
	case "contact":
		return []string{"email"}
	case "company":
		return []string{"name"}
	case "deal":
		return []string{"dealname", "pipeline", "dealstage"}
	case "ticket":
		return []string{"subject", "hs_pipeline", "hs_pipeline_stage"}
	case "meeting", "note", "task":
		return []string{"hs_timestamp"}
	default:
		return nil
	}
}

func checkProperty(object, name, value string, r Resolution) string {
	label := r.label(object, name)
	switch {
	case strings.HasPrefix(name, store.QuestionPrefix):
		return ""
	case !settable(object, name, r):
		return label + " can't be set"
	case len(value) > mostBody:
		return label + " is longer than HubSpot takes"
	case value == "":
		return ""
	}
	switch name {
	case "amount":
		if _, err := hubspot.ParseNumber(value); err != nil {
			return label + " is not a number"
		}
	case "closedate", "hs_timestamp", "hs_meeting_start_time", "hs_meeting_end_time":
		if _, err := hubspot.ParseDateTime(value); err != nil {
			return label + " is not a date"
		}
	case "hubspot_owner_id":
		if strings.Trim(value, "0123456789") != "" {
			return label + " is no owner in HubSpot"
		}
	case "email":
		if object == "contact" && address(value) == "" {
			return label + " is not an e-mail address"
		}
	case stageOf(object):
		if pipelines := r.pipelines(object); len(pipelines) > 0 {
			if _, ok := stageByID(pipelines, value); !ok {
				return label + " is no stage of this account's pipelines"
			}
		}
	case pipelineOf(object):
		if pipelines := r.pipelines(object); len(pipelines) > 0 && !slices.ContainsFunc(pipelines, func(p hubspot.Pipeline) bool { return p.ID == value }) {
			return label + " is no pipeline of this account"
		}
	default:
		if d, ok := r.definition(object, name); ok {
			return checkDefined(d, value, label)
		}
	}
	return ""
}

// checkDefined checks a value against the account's own definition.
func checkDefined(d hubspot.Property, value, label string) string {
	switch d.Type {
	case "number":
		if _, err := hubspot.ParseNumber(value); err != nil {
			return label + " is not a number"
		}
	case "bool":
		if _, err := hubspot.ParseBool(value); err != nil {
			return label + " is neither true nor false"
		}
	case "date":
		if _, err := hubspot.ParseDate(value); err != nil {
			return label + " is not a date"
		}
	case "datetime":
		if _, err := hubspot.ParseDateTime(value); err != nil {
			return label + " is not a date"
		}
	case "enumeration":
		// Some have their options elsewhere, as those of users have.
		if len(d.Options) == 0 {
			return ""
		}
		chosen := []string{value}
		if d.FieldType == "checkbox" {
			chosen = hubspot.SplitMulti(value) // with a leading semicolon it adds to what is there
		}
		for _, one := range chosen {
			if !slices.ContainsFunc(d.Options, func(o hubspot.PropertyOption) bool { return o.Value == one }) {
				return label + " has no such option"
			}
		}
	}
	return ""
}

// settable says whether a property can be written: as far as the account's
// definitions are known, by those.
func settable(object, name string, r Resolution) bool {
	if !canWrite(object, name) || slices.Contains(r.Undefined[object], name) {
		return false
	}
	d, ok := r.definition(object, name)
	return !ok || !d.Calculated && (d.Modification == nil || !d.Modification.ReadOnlyValue)
}

func canWrite(object, name string) bool {
	if !propertyName.MatchString(name) || slices.Contains(readOnly, name) {
		return false
	}
	return !strings.HasPrefix(name, "hs_") || slices.Contains(writable[object], name)
}

// printable keeps a property name that nobody has checked out of a card's way.
func printable(name string) string {
	if propertyName.MatchString(name) {
		return name
	}
	return "a property with an odd name"
}

// toFill stands in the place of a proposed value that HubSpot would refuse, until the
// draft is made: there the approver finds what the record has now, or nothing.
const toFill = "\x00"

// tidy brings a proposal's properties to HubSpot's form, and says what was wrong
// with those that it left out, or left for the approver to fill in.
func tidy(object string, proposed map[string]string, record Record, r Resolution) (map[string]string, []string) {
	properties, wrong := map[string]string{}, []string(nil)
	for _, name := range sortedKeys(proposed) {
		value := strings.TrimSpace(proposed[name])
		switch {
		case strings.HasPrefix(name, store.QuestionPrefix):
			continue // a question is the planner's to ask
		case slices.Contains(r.Undefined[object], name):
			wrong = append(wrong, fmt.Sprintf("the account has no property %s, so it was left out", printable(name)))
			continue
		case !settable(object, name, r):
			wrong = append(wrong, r.label(object, name)+" can't be set and was left out")
			continue
		case name == "hubspot_owner_id" && address(value) != "":
			owner, ok := r.Owner(address(value))
			if !ok {
				wrong = append(wrong, "the proposed owner is not known in HubSpot and was left out")
				continue
			}
			value = owner.ID
		case name == "email" && object == "contact":
			value = strings.ToLower(value)
		case name == stageOf(object):
			value = stageID(r.pipelines(object), firstOf(proposed[pipelineOf(object)], record.Properties[pipelineOf(object)]), value)
		case name == pipelineOf(object):
			value = pipelineID(r.pipelines(object), value)
		default:
			value = optionValue(object, name, value, r)
		}
		if s := checkProperty(object, name, value, r); s != "" {
			wrong = append(wrong, fmt.Sprintf("%s, so the proposed “%s” was left out", s, clip(value, 80)))
			value = toFill
		}
		properties[name] = value
	}
	return properties, wrong
}

// optionValue takes the labels of an enumeration for its values.
func optionValue(object, name, value string, r Resolution) string {
	d, ok := r.definition(object, name)
	if !ok || d.Type != "enumeration" || len(d.Options) == 0 || value == "" {
		return value
	}
	texts := []string{value}
	if d.FieldType == "checkbox" {
		if strings.HasPrefix(value, ";") {
			return value // adds to what is there
		}
		texts = hubspot.SplitMulti(value)
	}
	if chosen, err := d.Choose(texts...); err == nil {
		return chosen
	}
	return value
}

// pipelineID takes a pipeline's label for its ID where only one can be meant.
func pipelineID(pipelines []hubspot.Pipeline, value string) string {
	var ids []string
	for _, p := range pipelines {
		if p.ID == value {
			return value
		}
		if !p.Archived && strings.EqualFold(p.Label, value) {
			ids = append(ids, p.ID)
		}
	}
	if len(ids) == 1 {
		return ids[0]
	}
	return value
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v = strings.TrimSpace(v); v != "" {
			return v
		}
	}
	return ""
}

// stageID takes a stage's label for its ID where only one stage can be meant.
func stageID(pipelines []hubspot.Pipeline, pipeline, value string) string {
	if _, ok := stageByID(pipelines, value); ok {
		return value
	}
	var ids []string
	for _, p := range pipelines {
		for _, s := range p.Stages {
			if (pipeline == "" || p.ID == pipeline) && !s.Archived && strings.EqualFold(s.Label, value) {
				ids = append(ids, s.ID)
			}
		}
	}
	if len(ids) == 1 {
		return ids[0]
	}
	return value
}

func stageByID(pipelines []hubspot.Pipeline, id string) (hubspot.Pipeline, bool) {
	for _, p := range pipelines {
		for _, s := range p.Stages {
			if s.ID == id && !s.Archived {
				return p, true
			}
		}
	}
	return hubspot.Pipeline{}, false
}

// complete gives a new deal or ticket the pipeline and stage that it lacks: the
// pipeline of its stage, else the account's default one (in HubSpot "default"
// for deals and "0" for tickets, else the first); and that one's first open
// stage.
func complete(object string, properties map[string]string, r Resolution) {
	pipelineProperty, stageProperty := pipelineOf(object), stageOf(object)
	pipelines := slices.DeleteFunc(slices.Clone(r.pipelines(object)), func(p hubspot.Pipeline) bool { return p.Archived })
	if len(pipelines) == 0 {
		return
	}
	slices.SortStableFunc(pipelines, func(a, b hubspot.Pipeline) int { return a.DisplayOrder - b.DisplayOrder })
	if properties[pipelineProperty] == "" {
		chosen := pipelines[0]
		for _, p := range pipelines {
			if p.ID == map[string]string{"deal": "default", "ticket": "0"}[object] {
				chosen = p
			}
		}
		if p, ok := stageByID(pipelines, properties[stageProperty]); ok {
			chosen = p
		}
		properties[pipelineProperty] = chosen.ID
	}
	if properties[stageProperty] != "" {
		return
	}
	for _, p := range pipelines {
		if p.ID != properties[pipelineProperty] {
			continue
		}
		stages := slices.Clone(p.Stages)
		slices.SortStableFunc(stages, func(a, b hubspot.Stage) int { return a.DisplayOrder - b.DisplayOrder })
		for _, s := range stages {
			if !s.Archived && !s.Closed() {
				properties[stageProperty] = s.ID
				return
			}
		}
	}
}

// same says whether two values of a property mean the same to HubSpot.
func same(name, a, b string) bool {
	if a == b {
		return true
	}
	switch name {
	case "amount":
		return hubspot.SameNumber(a, b)
	case "closedate", "hs_timestamp", "hs_meeting_start_time", "hs_meeting_end_time":
		x, err1 := hubspot.ParseDateTime(a)
		y, err2 := hubspot.ParseDateTime(b)
		return err1 == nil && err2 == nil && x.Equal(y)
	case "email", "domain":
		return strings.EqualFold(a, b)
	}
	return false
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
