package hubspottest

import (
	"encoding/json"
	"sort"
	"strconv"
	"strings"
	"time"
)

// objectType is a kind of record in one account.
type objectType struct {
	ID       string `json:"id"`       // "0-1"
	Name     string `json:"name"`     // "contacts"
	Singular string `json:"singular"` // "contact"
	// Read and Write are the scopes of which one is needed.
	Read  []string `json:"read"`
	Write []string `json:"write"`
	// Required must have a value when a record is created; of RequiredAny, one.
	Required    []string `json:"required,omitempty"`
	RequiredAny []string `json:"requiredAny,omitempty"`
	// Defaults are what a read returns if it names no properties.
	Defaults   []string             `json:"defaults"`
	Properties map[string]*property `json:"properties"`
	// Schema is of custom objects.
	Schema *schemaDetails `json:"schema,omitempty"`

	// unique is worked out by uniqueNames.
	unique []string
}

// always are the properties that every answer shows.
func (t *objectType) always() []string { return []string{"hs_object_id", t.created(), t.modified()} }

// created and modified name the properties that hold a record's times.
func (t *objectType) created() string {
	if _, ok := t.Properties["createdate"]; ok {
		return "createdate"
	}
	return "hs_createdate"
}

func (t *objectType) modified() string {
	if t.ID == "0-1" {
		return "lastmodifieddate"
	}
	return "hs_lastmodifieddate"
}

type property struct {
	Name           string    `json:"name"`
	Label          string    `json:"label"`
	Description    string    `json:"description"`
	GroupName      string    `json:"groupName"`
	Type           string    `json:"type"`
	FieldType      string    `json:"fieldType"`
	Options        []option  `json:"options"`
	HasUniqueValue bool      `json:"hasUniqueValue"`
	Hidden         bool      `json:"hidden"`
	HubSpotDefined bool      `json:"hubspotDefined"`
	Calculated     bool      `json:"calculated"`
	ReadOnly       bool      `json:"readOnly"`
	Archived       bool      `json:"archived"`
	DisplayOrder   int       `json:"displayOrder"`
	CreatedAt      time.Time `json:"createdAt"`
	UpdatedAt      time.Time `json:"updatedAt"`
}

type option struct {
	Label        string `json:"label"`
	Value        string `json:"value"`
	DisplayOrder int    `json:"displayOrder"`
	Hidden       bool   `json:"hidden"`
}

type pipeline struct {
	ID           string    `json:"id"`
	Label        string    `json:"label"`
	DisplayOrder int       `json:"displayOrder"`
	Stages       []*stage  `json:"stages"`
	CreatedAt    milliTime `json:"createdAt"`
	UpdatedAt    milliTime `json:"updatedAt"`
	Archived     bool      `json:"archived"`
}

type stage struct {
	ID               string            `json:"id"`
	Label            string            `json:"label"`
	DisplayOrder     int               `json:"displayOrder"`
	Metadata         map[string]string `json:"metadata"`
	CreatedAt        milliTime         `json:"createdAt"`
	UpdatedAt        milliTime         `json:"updatedAt"`
	Archived         bool              `json:"archived"`
	WritePermissions string            `json:"writePermissions"`
}

// milliTime is a time that JSON shows as HubSpot does: milliseconds, always.
type milliTime struct{ time.Time }

// MarshalJSON writes such as "2026-11-22T10:00:00.000Z".
func (t milliTime) MarshalJSON() ([]byte, error) { return json.Marshal(formatTime(t.Time)) }

// commonProperties are of every object type.
const commonProperties = "hs_object_id number!;hs_object_source string!;hs_object_source_id string!;hs_object_source_label string!;hs_object_source_detail_1 string!;hs_object_source_user_id number!;hs_created_by_user_id number!;hs_updated_by_user_id number!;hs_merged_object_ids string!;hs_unique_creation_key string!;hubspot_owner_id owner;hubspot_owner_assigneddate datetime!;hubspot_team_id string"

// builtinTypes are HubSpot's own object types with the properties that matter
// around meetings, in a short form: "name type", with ! for read-only and the
// options of an enumeration behind it (* for several).
func builtinTypes() map[string]*objectType {
	const (
		contactsRead, contactsWrite = "crm.objects.contacts.read", "crm.objects.contacts.write"
		common                      = commonProperties
		engagement                  = "hs_timestamp datetime;hs_createdate datetime!;hs_lastmodifieddate datetime!;hs_attachment_ids string;hs_activity_type string;" + common
	)
	types := map[string]*objectType{}
	add := func(id, name, singular, read, write, defaults, properties string) *objectType {
		t := &objectType{
			ID: id, Name: name, Singular: singular, Read: []string{read}, Write: []string{write},
			Defaults: strings.Fields(defaults), Properties: map[string]*property{},
		}
		for spec := range strings.SplitSeq(properties, ";") {
			p := builtinProperty(name, spec)
			t.Properties[p.Name] = p
		}
		types[id] = t
		return t
	}
	const engagementDefaults = "hs_createdate hs_lastmodifieddate hs_object_id"

	contact := add("0-1", "contacts", "contact", contactsRead, contactsWrite,
		"createdate email firstname hs_object_id lastmodifieddate lastname",
		"email email;hs_additional_emails string;firstname string;lastname string;phone phone_number;mobilephone phone_number;jobtitle string;company string;website string;address string;city string;state string;zip string;country string;createdate datetime;lastmodifieddate datetime!;notes_last_contacted datetime!;notes_last_updated datetime!;associatedcompanyid number;hs_email_domain string!;"+
			"lifecyclestage enumeration subscriber,lead,marketingqualifiedlead,salesqualifiedlead,opportunity,customer,evangelist,other;"+
			"hs_buying_role enumeration* BLOCKER,BUDGET_HOLDER,CHAMPION,DECISION_MAKER,END_USER,EXECUTIVE_SPONSOR,INFLUENCER,OTHER;"+
			"hs_lead_status enumeration NEW,OPEN,IN_PROGRESS,OPEN_DEAL,UNQUALIFIED,ATTEMPTED_TO_CONTACT,CONNECTED,BAD_TIMING;"+common)
	contact.Properties["email"].HasUniqueValue = true

	company := add("0-2", "companies", "company", "crm.objects.companies.read", "crm.objects.companies.write",
		"name domain createdate hs_lastmodifieddate hs_object_id",
		"name string;domain string;website string;description string;phone phone_number;address string;city string;state string;zip string;country string;numberofemployees number;annualrevenue number;createdate datetime;hs_lastmodifieddate datetime!;"+
			"industry enumeration ACCOUNTING,BANKING,COMPUTER_SOFTWARE,CONSTRUCTION,EDUCATION_MANAGEMENT,FINANCIAL_SERVICES,HOSPITAL_HEALTH_CARE,INFORMATION_TECHNOLOGY_AND_SERVICES,INSURANCE,MANUFACTURING,RETAIL,TELECOMMUNICATIONS;"+
			"lifecyclestage enumeration subscriber,lead,marketingqualifiedlead,salesqualifiedlead,opportunity,customer,evangelist,other;"+common)
	company.RequiredAny = []string{"name", "domain"}

	deal := add("0-3", "deals", "deal", "crm.objects.deals.read", "crm.objects.deals.write",
		"dealname amount closedate pipeline dealstage createdate hs_lastmodifieddate hs_object_id",
		"dealname string;amount number;deal_currency_code string;closedate datetime;pipeline pipeline;dealstage stage;description string;hs_next_step string;hs_priority enumeration low,medium,high;dealtype enumeration newbusiness,existingbusiness;closed_lost_reason string;closed_won_reason string;hs_is_closed bool!;hs_is_closed_won bool!;createdate datetime;hs_lastmodifieddate datetime!;"+common)
	deal.Required = []string{"dealname", "dealstage", "pipeline"}

	ticket := add("0-5", "tickets", "ticket", "tickets", "tickets",
		"content hs_pipeline hs_pipeline_stage hs_ticket_category hs_ticket_priority subject createdate hs_lastmodifieddate hs_object_id",
		"subject string;content string;hs_pipeline pipeline;hs_pipeline_stage stage;hs_ticket_category enumeration PRODUCT_ISSUE,BILLING_ISSUE,FEATURE_REQUEST,GENERAL_INQUIRY;hs_ticket_priority enumeration LOW,MEDIUM,HIGH,URGENT;source_type string;closed_date datetime;createdate datetime;hs_lastmodifieddate datetime!;"+common)
	ticket.Required = []string{"subject", "hs_pipeline", "hs_pipeline_stage"}

	task := add("0-27", "tasks", "task", contactsRead, contactsWrite, engagementDefaults,
		"hs_task_subject string;hs_task_body string;hs_task_status enumeration NOT_STARTED,IN_PROGRESS,WAITING,COMPLETED,DEFERRED;hs_task_priority enumeration NONE,LOW,MEDIUM,HIGH;hs_task_type enumeration EMAIL,CALL,TODO;hs_task_reminders string;"+engagement)
	note := add("0-46", "notes", "note", contactsRead, contactsWrite, engagementDefaults, "hs_note_body string;"+engagement)
	meeting := add("0-47", "meetings", "meeting", contactsRead, contactsWrite, engagementDefaults,
		"hs_meeting_title string;hs_meeting_body string;hs_internal_meeting_notes string;hs_meeting_external_url string;hs_meeting_location string;hs_meeting_start_time datetime;hs_meeting_end_time datetime;hs_meeting_outcome enumeration SCHEDULED,COMPLETED,RESCHEDULED,NO_SHOW,CANCELED;hs_i_cal_uid string;"+engagement)
	call := add("0-48", "calls", "call", contactsRead, contactsWrite, engagementDefaults,
		"hs_call_title string;hs_call_body string;hs_call_duration number;hs_call_direction enumeration INBOUND,OUTBOUND;hs_call_status string;"+engagement)
	email := add("0-49", "emails", "email", contactsRead, contactsWrite, engagementDefaults,
		"hs_email_subject string;hs_email_text string;hs_email_html string;hs_email_direction enumeration EMAIL,INCOMING_EMAIL,FORWARDED_EMAIL;hs_email_status string;"+engagement)
	for _, t := range []*objectType{task, note, meeting, call, email} {
		t.Required = []string{"hs_timestamp"}
	}
	add("0-7", "products", "product", "e-commerce", "e-commerce", "name price createdate hs_lastmodifieddate hs_object_id",
		"name string;price number;description string;hs_sku string;createdate datetime;hs_lastmodifieddate datetime!;"+common)
	add("0-8", "line_items", "line_item", "crm.objects.line_items.read", "crm.objects.line_items.write", "name price quantity createdate hs_lastmodifieddate hs_object_id",
		"name string;price number;quantity number;amount number;hs_product_id string;createdate datetime;hs_lastmodifieddate datetime!;"+common)
	return types
}

var builtinSince = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func builtinProperty(typeName, spec string) *property {
	parts := strings.SplitN(strings.TrimSpace(spec), " ", 3)
	kind, readOnly := strings.CutSuffix(parts[1], "!")
	kind, several := strings.CutSuffix(kind, "*")
	p := &property{
		Name: parts[0], Label: labelOf(typeName, parts[0]), Type: kind, FieldType: "text",
		GroupName: strings.TrimSuffix(typeName, "s") + "information", HubSpotDefined: true, ReadOnly: readOnly,
		CreatedAt: builtinSince, UpdatedAt: builtinSince, DisplayOrder: -1, Options: []option{},
	}
	switch kind {
	case "email", "phone_number":
		p.Type = "string"
	case "owner", "pipeline", "stage":
		// Their values are those of the account; see (*portal).allowed.
		p.Type, p.FieldType = "enumeration", "select"
	case "enumeration":
		p.FieldType = "select"
		if several {
			p.FieldType = "checkbox"
		}
	case "number":
		p.FieldType = "number"
	case "date", "datetime":
		p.FieldType = "date"
	case "bool":
		p.FieldType = "booleancheckbox"
	}
	if len(parts) == 3 {
		for i, value := range strings.Split(parts[2], ",") {
			p.Options = append(p.Options, option{Label: sentenceCase(value), Value: value, DisplayOrder: i})
		}
	}
	return p
}

// labels are what a portal in English calls its properties where that is not
// their internal name with spaces.
var labels = map[string]string{
	"companies/name": "Company name", "companies/domain": "Company domain name", "companies/numberofemployees": "Number of employees", "companies/annualrevenue": "Annual revenue",
	"companies/hubspot_owner_id": "Company owner", "contacts/hubspot_owner_id": "Contact owner", "deals/hubspot_owner_id": "Deal owner", "tickets/hubspot_owner_id": "Ticket owner",
	"tasks/hubspot_owner_id": "Assigned to", "hubspot_owner_id": "Activity assigned to", "tasks/hs_timestamp": "Due date", "hs_timestamp": "Activity date",
	"firstname": "First name", "lastname": "Last name", "jobtitle": "Job title", "mobilephone": "Mobile phone number", "phone": "Phone number", "state": "State/Region", "zip": "Postal code",
	"createdate": "Create date", "lastmodifieddate": "Last modified date", "hs_lastmodifieddate": "Last modified date", "lifecyclestage": "Lifecycle stage",
	"dealname": "Deal name", "dealstage": "Deal stage", "dealtype": "Deal type", "closedate": "Close date", "deal_currency_code": "Currency",
	"subject": "Ticket name", "content": "Ticket description", "hs_pipeline": "Pipeline", "hs_pipeline_stage": "Ticket status", "hs_ticket_category": "Category", "hs_ticket_priority": "Priority",
	"hs_task_subject": "Task title", "hs_task_body": "Task notes", "hs_note_body": "Note body", "hs_meeting_title": "Meeting name", "hs_meeting_body": "Meeting description",
	"hs_i_cal_uid": "iCalUID", "hs_meeting_external_url": "External URL",
}

func labelOf(typeName, property string) string {
	for _, name := range []string{typeName + "/" + property, property} {
		if label, ok := labels[name]; ok {
			return label
		}
	}
	return sentenceCase(strings.TrimPrefix(property, "hs_"))
}

// sentenceCase makes words of an internal name: "BUDGET_HOLDER" is "Budget holder".
func sentenceCase(name string) string {
	words := strings.ReplaceAll(strings.ToLower(name), "_", " ")
	return strings.ToUpper(words[:1]) + words[1:]
}

func builtinPipelines(at time.Time) map[string][]*pipeline {
	now := milliTime{at}
	make1 := func(id, label string, stages ...[3]string) *pipeline {
		p := &pipeline{ID: id, Label: label, CreatedAt: now, UpdatedAt: now}
		for i, s := range stages {
			made := &stage{ID: s[0], Label: s[1], DisplayOrder: i, CreatedAt: now, UpdatedAt: now, WritePermissions: "CRM_PERMISSIONS_ENFORCEMENT"}
			switch s[2] {
			case "OPEN", "CLOSED":
				made.Metadata = map[string]string{"ticketState": s[2], "isClosed": strconv.FormatBool(s[2] == "CLOSED")}
			default:
				made.Metadata = map[string]string{"probability": s[2], "isClosed": strconv.FormatBool(s[2] == "0.0" || s[2] == "1.0")}
			}
			p.Stages = append(p.Stages, made)
		}
		return p
	}
	return map[string][]*pipeline{
		"0-3": {make1("default", "Sales Pipeline",
			[3]string{"appointmentscheduled", "Appointment Scheduled", "0.2"},
			[3]string{"qualifiedtobuy", "Qualified To Buy", "0.4"},
			[3]string{"presentationscheduled", "Presentation Scheduled", "0.6"},
			[3]string{"decisionmakerboughtin", "Decision Maker Bought-In", "0.8"},
			[3]string{"contractsent", "Contract Sent", "0.9"},
			[3]string{"closedwon", "Closed Won", "1.0"},
			[3]string{"closedlost", "Closed Lost", "0.0"},
		)},
		"0-5": {make1("0", "Support Pipeline",
			[3]string{"1", "New", "OPEN"},
			[3]string{"2", "Waiting on contact", "OPEN"},
			[3]string{"3", "Waiting on us", "OPEN"},
			[3]string{"4", "Closed", "CLOSED"},
		)},
	}
}

func (p *portal) nameTypes() {
	p.names, p.objectScopes = map[string]*objectType{}, nil
	for id, t := range p.Types {
		p.names[id], p.names[t.Name], p.names[t.Singular] = t, t, t
		p.names["p"+strconv.FormatInt(p.HubID, 10)+"_"+t.Singular] = t
	}
}

func (p *portal) typeOf(name string) *objectType {
	if t := p.names[name]; t != nil {
		return t
	}
	return p.names[strings.ToLower(name)]
}

func sortBy[T any](list []T, less func(a, b T) bool) {
	sort.SliceStable(list, func(i, j int) bool { return less(list[i], list[j]) })
}

// sortedKeys are a map's keys in order, so that answers are stable.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
