package card

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/html"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/store"
)

// changes are the properties of an action as they were and would be. What an
// approver wrote instead stands, once it is decided.
func (w writer) changes(a store.Action, edit map[string]string, candidateProperty string) []Change {
	out := []Change{}
	for _, name := range slices.SortedFunc(maps.Keys(a.Content.Properties), compareProperties) {
		if name == candidateProperty {
			continue // its candidates are shown
		}
		value := a.Content.Properties[name]
		if edited, ok := edit[name]; ok {
			value = edited
		}
		f := w.field(a, name)
		before := a.Content.Before[name]
		change := Change{
			Property: name, Label: f.label, New: cmp.Or(f.show(value), w.T("(empty)")),
			Amended: slices.Contains(a.Content.Changed, name), Input: f.input(value),
		}
		if before != value {
			change.Old = f.show(before)
		}
		if earlier, ok := a.Content.Earlier[name]; ok && earlier != before {
			shown := cmp.Or(f.show(earlier), w.T("(empty)"))
			change.Earlier = &shown
		}
		out = append(out, change)
	}
	return out
}

// compareProperties puts what an approver looks at first to the front: names,
// money, stages and dates; then the others by name.
func compareProperties(a, b string) int {
	first := []string{
		store.AttendeesProperty, store.TargetProperty,
		"dealname", "subject", "name", "firstname", "lastname", "email", "domain", "jobtitle", "hs_meeting_title", "hs_task_subject",
		"amount", "deal_currency_code", "pipeline", "dealstage", "hs_pipeline", "hs_pipeline_stage", "lifecyclestage", "closedate",
	}
	place := func(name string) int {
		if at := slices.Index(first, name); at >= 0 {
			return at
		}
		return len(first)
	}
	return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b))
}

// label is what the account calls a property, else its internal name.
func (w writer) label(object, name string) string {
	switch name {
	case store.AttendeesProperty:
		return w.T("Who was there (e-mail addresses)")
	case store.TargetProperty:
		return w.T("Which record is meant (its ID in HubSpot)")
	}
	d, _ := w.known.definition(object, name)
	return cmp.Or(strings.TrimSpace(d.Label), name)
}

// field is how a property's values are shown and edited.
type field struct {
	w        writer
	label    string
	kind     kind
	options  []Option // those that can be chosen
	labels   map[string]string
	currency string
}

type kind int

const (
	kindText kind = iota
	kindLongText
	kindHTML
	kindNumber
	kindMoney
	kindDate
	kindDateTime
	kindChoice
	kindChoices
)

// kinds of well-known properties, where the account's definitions don't tell: they
// weren't to be read, or say less than is known.
var kinds = map[string]kind{
	"amount": kindMoney, "closedate": kindDate, "hs_timestamp": kindDateTime, "hs_meeting_start_time": kindDateTime, "hs_meeting_end_time": kindDateTime,
	"hs_note_body": kindHTML, "hs_meeting_body": kindHTML, "hs_internal_meeting_notes": kindHTML, "hs_task_body": kindHTML,
	"description": kindLongText, "content": kindLongText, store.AttendeesProperty: kindLongText,
}

func (w writer) field(a store.Action, name string) field {
	object := a.Tool.Object
	f := field{w: w, label: w.label(object, name), kind: kinds[name], labels: map[string]string{}}
	d, defined := w.known.definition(object, name)
	switch {
	case name == "hubspot_owner_id":
		f.kind = kindChoice
		for _, o := range w.known.Owners {
			f.offer(o.ID, cmp.Or(o.Name, o.Email, o.ID))
		}
	case isStage(object, name):
		w.stages(&f, a)
	case isPipeline(object, name):
		f.kind = kindChoice
		for _, p := range w.known.pipelines(object) {
			f.labels[p.ID] = cmp.Or(p.Label, p.ID)
			if !p.Archived {
				f.offer(p.ID, f.labels[p.ID])
			}
		}
	case f.kind != kindText || !defined:
	case d.Type == "bool":
		f.kind = kindChoice
		f.offer("true", w.T("Yes"))
		f.offer("false", w.T("No"))
	case d.Type == "enumeration":
		f.kind = kindChoice
		if d.FieldType == "checkbox" {
			f.kind = kindChoices
		}
		for _, o := range d.Options {
			f.labels[o.Value] = cmp.Or(o.Label, o.Value)
			if !o.Hidden {
				f.offer(o.Value, f.labels[o.Value])
			}
		}
	case d.Type == "number":
		f.kind = kindNumber
	case d.Type == "date":
		f.kind = kindDate
	case d.Type == "datetime":
		f.kind = kindDateTime
	case d.FieldType == "html":
		f.kind = kindHTML
	case d.FieldType == "textarea":
		f.kind = kindLongText
	}
	if f.kind == kindMoney {
		f.currency = w.currency(a)
	}
	if len(f.options) == 0 && (f.kind == kindChoice || f.kind == kindChoices) {
		f.kind = kindText // nothing to choose from is known
	}
	return f
}

func (f *field) offer(value, label string) {
	f.labels[value] = label
	f.options = append(f.options, Option{Value: value, Label: label})
}

func isStage(object, name string) bool {
	return object == "deal" && name == "dealstage" || object == "ticket" && name == "hs_pipeline_stage"
}

func isPipeline(object, name string) bool {
	return object == "deal" && name == "pipeline" || object == "ticket" && name == "hs_pipeline"
}

// stages offers the stages of the record's pipeline, or of all where that is not
// known; a stage's pipeline is named where the account has several.
func (w writer) stages(f *field, a store.Action) {
	f.kind = kindChoice
	pipelines := w.known.pipelines(a.Tool.Object)
	name := map[string]string{"deal": "pipeline", "ticket": "hs_pipeline"}[a.Tool.Object]
	r, _ := w.known.record(a.Tool.Object, a.TargetID)
	own := cmp.Or(a.Content.Properties[name], a.Content.Before[name], r.Properties[name])
	for _, p := range pipelines {
		for _, s := range p.Stages {
			label := cmp.Or(s.Label, s.ID)
			if len(pipelines) > 1 && p.ID != own {
				label += " (" + cmp.Or(p.Label, p.ID) + ")"
			}
			f.labels[s.ID] = label
			if !s.Archived && !p.Archived && (own == "" || own == p.ID) {
				f.offer(s.ID, label)
			}
		}
	}
}

// currency is that of a deal's amount: the deal's own, else the company's.
func (w writer) currency(a store.Action) string {
	const name = "deal_currency_code"
	r, _ := w.known.record(a.Tool.Object, a.TargetID)
	if code := cmp.Or(a.Content.Properties[name], a.Content.Before[name], r.Properties[name]); code != "" {
		return strings.ToUpper(code)
	}
	if w.facts.Connection != nil && len(w.facts.Connection.Currencies) > 0 {
		return w.facts.Connection.Currencies[0]
	}
	return ""
}

// show writes a value as people read it; no value is nothing.
func (f field) show(value string) string {
	if strings.TrimSpace(value) == "" {
		return ""
	}
	switch f.kind {
	case kindChoice, kindText:
		return cmp.Or(f.labels[value], value)
	case kindChoices:
		var labels []string
		for _, v := range hubspot.SplitMulti(value) {
			labels = append(labels, cmp.Or(f.labels[v], v))
		}
		return strings.Join(labels, ", ")
	case kindNumber:
		return f.w.Number(value)
	case kindMoney:
		if money, err := hubspot.ParseMoney(value, f.currency); err == nil {
			return f.w.Number(money.Amount) + " " + money.Currency
		}
		return f.w.Number(value)
	case kindDate:
		if d, err := hubspot.ParseDate(value); err == nil {
			return f.w.Date(d.In(time.UTC))
		}
	case kindDateTime:
		if t, err := hubspot.ParseDateTime(value); err == nil {
			return f.w.DateTime(t.In(f.w.zone))
		}
	case kindHTML:
		return plain(value)
	case kindLongText:
	}
	return value
}

// input is how a value is edited.
func (f field) input(value string) Input {
	in := Input{Kind: InputText, Value: value}
	switch f.kind {
	case kindText:
	case kindLongText, kindHTML:
		in.Kind = InputTextarea
	case kindNumber, kindMoney:
		in.Kind = InputNumber
	case kindDate:
		in.Kind = InputDate
		if d, err := hubspot.ParseDate(value); err == nil {
			in.Value = d.String()
		}
	case kindDateTime:
		in.Kind = InputDateTime
		if t, err := hubspot.ParseDateTime(value); err == nil {
			in.Value = t.Format(time.RFC3339)
		}
	case kindChoice, kindChoices:
		in.Kind, in.Options = InputChoice, slices.Clone(f.options)
		if f.kind == kindChoices {
			in.Kind = InputChoices
			break
		}
		if value != "" && !slices.ContainsFunc(in.Options, func(o Option) bool { return o.Value == value }) {
			// What is proposed can be kept, whatever else may be chosen.
			in.Options = append([]Option{{Value: value, Label: f.show(value)}}, in.Options...)
		}
	}
	return in
}

// plain is the text of HTML, with a line for each paragraph and item.
func plain(value string) string {
	var b strings.Builder
	tokens := html.NewTokenizer(strings.NewReader(value))
	for {
		switch tokens.Next() {
		case html.ErrorToken:
			var lines []string
			for line := range strings.Lines(b.String()) {
				if line = strings.Join(strings.Fields(line), " "); line != "" && line != "•" {
					lines = append(lines, line)
				}
			}
			return strings.Join(lines, "\n")
		case html.TextToken:
			b.WriteString(strings.ReplaceAll(html.UnescapeString(string(tokens.Raw())), "\n", " "))
		case html.CommentToken, html.DoctypeToken:
		case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
			switch token := tokens.Token(); token.Data {
			case "li":
				b.WriteString("\n")
				if token.Type == html.StartTagToken {
					b.WriteString("• ")
				}
			case "p", "br", "div", "ul", "ol", "tr", "h1", "h2", "h3", "h4", "h5", "h6":
				b.WriteString("\n")
			}
		}
	}
}

// reasons puts the planner's codes in words: a code, or a code and what it is
// about behind a colon. One that is not known is left out.
func (w writer) reasons(codes []string) []string {
	var out []string
	for _, code := range codes {
		name, about, _ := strings.Cut(code, ":")
		switch name {
		case "attendee":
			out = append(out, w.T("attended"))
		case "contact":
			out = append(out, w.T("linked to %s, who attended", about))
		case "company":
			out = append(out, w.T("of %s", about))
		case "open":
			out = append(out, w.T("open"))
		case "closed":
			out = append(out, w.T("closed"))
		case "stage":
			out = append(out, w.T("stage: %s", about))
		case "owner":
			out = append(out, w.T("owner %s attended", about))
		case "name":
			out = append(out, w.T("has this name"))
		case "named":
			out = append(out, w.T("named in the meeting"))
		case "elsewhere":
			out = append(out, w.T("of nobody who was there"))
		case "domain":
			out = append(out, w.T("has the domain %s", about))
		case "activity":
			if d, err := hubspot.ParseDate(about); err == nil {
				out = append(out, w.T("last activity %s", w.Date(d.In(time.UTC))))
			}
		}
	}
	return out
}
