package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/slack-go/slack"

	"github.com/debriefhq/debrief/card"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/words"
)

// The modals, by their callback IDs.
const (
	ModalEdit   = "edit"
	ModalReject = "reject"
	// reasonBlock is the field with the reason.
	reasonBlock = "reason"
	// valueAction is each field's own.
	valueAction = "value"
	// propertyBlock begins the name of the field of a property.
	propertyBlock = "property:"
)

// ModalAbout is which question a modal is about. It comes back with the modal,
// signed like everything from Slack.
type ModalAbout struct {
	MeetingID  uuid.UUID `json:"meeting_id"`
	ApprovalID uuid.UUID `json:"approval_id"`
}

// ReadModalAbout reads what [EditModal] and [RejectModal] put into a modal.
func ReadModalAbout(v slack.View) (ModalAbout, error) {
	var a ModalAbout
	if err := json.Unmarshal([]byte(v.PrivateMetadata), &a); err != nil || a.ApprovalID == uuid.Nil || a.MeetingID == uuid.Nil {
		return ModalAbout{}, errors.New("the modal does not say which question it is about")
	}
	return a, nil
}

// EditModal lets an approver say other values. A value that is too long for
// Slack is changed on the page.
func EditModal(meetingID uuid.UUID, l card.Line, p words.Printer) slack.ModalViewRequest {
	m := modal(ModalEdit, meetingID, l, p.T("Edit"), p.T("Approve"), p)
	all := fields(l, p)
	shown := all[:min(len(all), slackBlocks-len(m.Blocks.BlockSet)-1)]
	for _, f := range shown {
		m.Blocks.BlockSet = append(m.Blocks.BlockSet, f.input)
	}
	if len(shown) < len(l.Changes) {
		m.Blocks.BlockSet = append(m.Blocks.BlockSet, section(escape(p.T("What does not fit into Slack can be changed on the page."))))
	}
	return m
}

// RejectModal asks for the reason.
func RejectModal(meetingID uuid.UUID, l card.Line, p words.Printer) slack.ModalViewRequest {
	m := modal(ModalReject, meetingID, l, p.T("Reject"), p.T("Reject"), p)
	text := slack.NewPlainTextInputBlockElement(nil, valueAction)
	text.Multiline, text.MaxLength = true, slackText
	b := slack.NewInputBlock(reasonBlock, plainText(p.T("Why?"), slackButton), nil, text)
	b.Optional = true
	m.Blocks.BlockSet = append(m.Blocks.BlockSet, b)
	return m
}

func modal(callback string, meetingID uuid.UUID, l card.Line, title, submit string, p words.Printer) slack.ModalViewRequest {
	metadata, err := json.Marshal(ModalAbout{MeetingID: meetingID, ApprovalID: *l.ApprovalID})
	if err != nil {
		metadata = nil // two IDs always encode
	}
	head := "*" + escape(brief(l.Title, slackButton)) + "*"
	if l.Record != "" {
		head += " · " + escape(brief(l.Record, slackHeader))
	}
	return slack.ModalViewRequest{
		Type: slack.VTModal, CallbackID: callback, PrivateMetadata: string(metadata),
		Title: plainText(title, slackTitle), Submit: plainText(submit, slackTitle), Close: plainText(p.T("Cancel"), slackTitle),
		Blocks: slack.Blocks{BlockSet: []slack.Block{section(head)}},
	}
}

// field is where one value is said.
type field struct {
	property string
	was      string
	input    *slack.InputBlock
}

// fields are those of a line that Slack has a place for.
func fields(l card.Line, p words.Printer) []field {
	var all []field
	add := func(property, label, was string, element slack.BlockElement) {
		if element == nil || len(propertyBlock)+len(property) > 255 {
			return
		}
		b := slack.NewInputBlock(propertyBlock+property, plainText(label, slackButton), nil, element)
		// What has a value can be changed here, and emptied on the page.
		b.Optional = was == ""
		all = append(all, field{property: property, was: was, input: b})
	}
	if len(l.Candidates) > 0 {
		var options []card.Option
		for _, candidate := range l.Candidates {
			options = append(options, card.Option{Value: candidate.ID, Label: candidate.Label})
		}
		if l.MayCreate {
			options = append(options, card.Option{Value: store.NoneOfThese, Label: p.T("None of these: create a new one")})
		}
		add(l.CandidateProperty, p.T("Which one is meant?"), l.CandidatePicked, choice(options, l.CandidatePicked, p))
	}
	for _, c := range l.Changes {
		if c.Property != l.CandidateProperty {
			add(c.Property, c.Label, c.Input.Value, element(c.Input, p))
		}
	}
	return all
}

// element is how a value is said in Slack, or nil if it does not fit.
func element(in card.Input, p words.Printer) slack.BlockElement {
	switch in.Kind {
	case card.InputChoice:
		return choice(in.Options, in.Value, p)
	case card.InputChoices:
		return choices(in.Options, in.Value, p)
	case card.InputNumber:
		e := slack.NewNumberInputBlockElement(nil, valueAction, true)
		e.InitialValue = in.Value
		return e
	case card.InputDate:
		e := slack.NewDatePickerBlockElement(valueAction)
		if _, err := time.Parse(time.DateOnly, in.Value); err == nil {
			e.InitialDate = in.Value
		}
		return e
	case card.InputDateTime:
		e := slack.NewDateTimePickerBlockElement(valueAction)
		if t, err := time.Parse(time.RFC3339, in.Value); err == nil {
			e.InitialDateTime = t.Unix()
		}
		return e
	default:
		if len([]rune(in.Value)) > slackText {
			return nil
		}
		e := slack.NewPlainTextInputBlockElement(nil, valueAction)
		e.InitialValue, e.MaxLength, e.Multiline = in.Value, slackText, in.Kind == card.InputTextarea
		return e
	}
}

// choice is a select; nil where there is nothing to select, and where what is
// selected is none of the options. Groups of a hundred make room for more.
func choice(options []card.Option, selected string, p words.Printer) slack.BlockElement {
	all := choosable(options)
	at := slices.IndexFunc(all, func(o *slack.OptionBlockObject) bool { return o.Value == selected })
	if len(all) == 0 || selected != "" && at < 0 {
		return nil
	}
	e := slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plainText(p.T("Choose"), slackButton), valueAction)
	e.Options, e.OptionGroups = grouped(all)
	if at >= 0 {
		e.InitialOption = all[at]
	}
	return e
}

// choices is a select of several.
func choices(options []card.Option, selected string, p words.Printer) slack.BlockElement {
	all := choosable(options)
	if len(all) == 0 {
		return nil
	}
	e := slack.NewOptionsMultiSelectBlockElement(slack.MultiOptTypeStatic, plainText(p.T("Choose"), slackButton), valueAction)
	e.Options, e.OptionGroups = grouped(all)
	for _, value := range several(selected) {
		at := slices.IndexFunc(all, func(o *slack.OptionBlockObject) bool { return o.Value == value })
		if at < 0 {
			return nil
		}
		e.InitialOptions = append(e.InitialOptions, all[at])
	}
	return e
}

// several are the values that HubSpot joins by semicolons, sorted.
func several(value string) []string {
	all := strings.FieldsFunc(value, func(r rune) bool { return r == ';' })
	slices.Sort(all)
	return all
}

func choosable(options []card.Option) []*slack.OptionBlockObject {
	var all []*slack.OptionBlockObject
	for _, o := range options {
		if o.Value != "" && len(o.Value) <= slackValue && len(all) < slackOptions*slackOptions {
			all = append(all, slack.NewOptionBlockObject(o.Value, plainText(o.Label, slackButton), nil))
		}
	}
	return all
}

func grouped(all []*slack.OptionBlockObject) (flat []*slack.OptionBlockObject, groups []*slack.OptionGroupBlockObject) {
	if len(all) <= slackOptions {
		return all, nil
	}
	for group := range slices.Chunk(all, slackOptions) {
		label := plainText(fmt.Sprintf("%s – %s", brief(group[0].Text.Text, 30), brief(group[len(group)-1].Text.Text, 30)), slackButton)
		groups = append(groups, slack.NewOptionGroupBlockElement(label, group...))
	}
	return nil, groups
}

// ReadEdit returns what an approver changed in a modal about a line as it stands:
// what is as it was is not in it.
func ReadEdit(v slack.View, l card.Line) map[string]string {
	edit := map[string]string{}
	for _, f := range fields(l, words.Printer{}) {
		said, ok := said(v, f.input.BlockID)
		if !ok {
			continue
		}
		value := said.Value
		switch f.input.Element.(type) {
		case *slack.SelectBlockElement:
			value = said.SelectedOption.Value
		case *slack.MultiSelectBlockElement:
			var chosen []string
			for _, o := range said.SelectedOptions {
				chosen = append(chosen, o.Value)
			}
			if value = strings.Join(chosen, ";"); slices.Equal(several(value), several(f.was)) {
				continue
			}
		case *slack.DatePickerBlockElement:
			value = said.SelectedDate
		case *slack.DateTimePickerBlockElement:
			value = ""
			if said.SelectedDateTime != 0 {
				value = time.Unix(said.SelectedDateTime, 0).UTC().Format(time.RFC3339)
			}
			// Slack shows minutes.
			if was, err := time.Parse(time.RFC3339, f.was); err == nil && was.Unix()/60 == said.SelectedDateTime/60 {
				continue
			}
		}
		if value != f.was {
			edit[f.property] = value
		}
	}
	return edit
}

// ReadReason returns the reason that an approver gave.
func ReadReason(v slack.View) string {
	s, _ := said(v, reasonBlock)
	return s.Value
}

// FirstField names a field of a modal at which an error can be shown.
func FirstField(v slack.View) string {
	for _, b := range v.Blocks.BlockSet {
		if in, ok := b.(*slack.InputBlock); ok {
			return in.BlockID
		}
	}
	return reasonBlock
}

func said(v slack.View, block string) (slack.BlockAction, bool) {
	if v.State == nil {
		return slack.BlockAction{}, false
	}
	s, ok := v.State.Values[block][valueAction]
	return s, ok
}
