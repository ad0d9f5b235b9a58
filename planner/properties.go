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
	if !create {
		return wrong
	}
	for _, name := range required(object) {
		if strings.TrimSpace(properties[name]) == "" {
			wrong = append(wrong, fmt.Sprintf("a new %s needs %s", object, name))
		}
	}
	return wrong
}

// CheckEdit is [Check] for the judge of questions: of an edited action, by the
// resolution that it was planned with, as JSON. It is for store.Options.
func CheckEdit(tool policy.Tool, properties map[string]string, resolution json.RawMessage) ([]string, error) {
	var r Resolution
	if err := json.Unmarshal(resolution, &r); err != nil {
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
	switch {
	case strings.HasPrefix(name, store.QuestionPrefix):
		return ""
	case !canWrite(object, name):
		return fmt.Sprintf("%s can't be set", printable(name))
	case len(value) > mostBody:
		return fmt.Sprintf("%s is longer than HubSpot takes", name)
	case value == "":
		return ""
	}
	switch name {
	case "amount":
		if _, err := hubspot.ParseNumber(value); err != nil {
			return "amount is not a number"
		}
	case "closedate", "hs_timestamp", "hs_meeting_start_time", "hs_meeting_end_time":
		if _, err := hubspot.ParseDateTime(value); err != nil {
			return name + " is not a date"
		}
	case "hubspot_owner_id":
		if strings.Trim(value, "0123456789") != "" {
			return "hubspot_owner_id is no owner in HubSpot"
		}
	case "email":
		if object == "contact" && address(value) == "" {
			return "email is not an e-mail address"
		}
	case "dealstage", "hs_pipeline_stage":
		if pipelines := r.pipelines(object); len(pipelines) > 0 {
			if _, ok := stageByID(pipelines, value); !ok {
				return name + " is no stage of this account's pipelines"
			}
		}
	case "pipeline", "hs_pipeline":
		if pipelines := r.pipelines(object); len(pipelines) > 0 && !slices.ContainsFunc(pipelines, func(p hubspot.Pipeline) bool { return p.ID == value }) {
			return name + " is no pipeline of this account"
		}
	}
	return ""
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

// tidy brings a proposal's properties to HubSpot's form, and says what was wrong
// with those that it left out.
func tidy(object string, proposed map[string]string, record Record, r Resolution) (map[string]string, []string) {
	properties, wrong := map[string]string{}, []string(nil)
	for _, name := range sortedKeys(proposed) {
		value := strings.TrimSpace(proposed[name])
		switch {
		case strings.HasPrefix(name, store.QuestionPrefix):
			continue // a question is the planner's to ask
		case !canWrite(object, name):
			wrong = append(wrong, checkProperty(object, name, value, r)+" and was left out")
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
		case name == stageOf(object) && (object == "deal" || object == "ticket"):
			value = stageID(r.pipelines(object), firstOf(proposed[pipelineOf(object)], record.Properties[pipelineOf(object)]), value)
		}
		properties[name] = value
	}
	return properties, wrong
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
