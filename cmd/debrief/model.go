package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/planner/model"
	"github.com/debriefhq/debrief/store"
)

type modelCmd struct {
	Set   modelSetCmd   `cmd:"" help:"Name the language model that meetings may be read by, and switch it on for sources. Nothing is sent before that."`
	Show  modelShowCmd  `cmd:"" help:"Show the model, what it used this month, and for which sources it is switched on."`
	Off   modelOffCmd   `cmd:"" help:"Switch the model off, for sources or for all; --forget deletes its endpoint and key, too."`
	Check modelCheckCmd `cmd:"" help:"Ask the model whether it is there: by its endpoint, key and name, with no words of a meeting."`
	Calls modelCallsCmd `cmd:"" help:"List the calls of the model: when, about which meeting, what they cost and how they ended."`
}

type modelSetCmd struct {
	jsonFlag

	Kind          string   `help:"What the endpoint speaks: openai (chat completions, as many servers do) or anthropic." enum:"openai,anthropic,," default:""`
	Endpoint      string   `help:"Base URL, such as https://api.openai.com/v1, https://api.anthropic.com or http://127.0.0.1:11434/v1." placeholder:"URL"`
	Name          string   `help:"The model, as the endpoint calls it." placeholder:"MODEL"`
	Key           bool     `help:"Read the endpoint's key from standard input."`
	KeyFile       string   `help:"File with the endpoint's key." type:"existingfile" placeholder:"FILE"`
	On            []string `help:"Switch it on for a source; repeat for several. A meeting is sent only if all that is known of it came from such sources." placeholder:"SOURCE"`
	MonthlyTokens *int64   `help:"How many tokens may be used in a month (UTC); 0 for no bound, which is the default." placeholder:"COUNT"`
	MonthlyCost   *money   `help:"How much money may be used in a month, in the prices' currency; 0 for no bound." placeholder:"AMOUNT"`
	InputPrice    *money   `help:"What a million tokens of input cost." placeholder:"AMOUNT"`
	OutputPrice   *money   `help:"What a million tokens of output cost." placeholder:"AMOUNT"`
}

// money is an amount on the command line.
type money store.Micros

// UnmarshalText reads a plain number.
func (m *money) UnmarshalText(text []byte) error {
	n, err := strconv.ParseFloat(string(text), 64)
	if err != nil || n < 0 || n > 1e9 {
		return fmt.Errorf("%q is not an amount of money: write 12.50", text)
	}
	*m = money(n*1e6 + 0.5)
	return nil
}

func (c *modelSetCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "model")
	if err != nil {
		return err
	}
	m, err := s.Model(ctx, o.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	known := err == nil
	if !known && (c.Kind == "" || c.Endpoint == "" || c.Name == "") {
		return usagef("name the model first: --kind, --endpoint and --name")
	}
	m.OrganizationID = o.ID
	before := m
	if c.Endpoint != "" {
		m.Endpoint = strings.TrimRight(c.Endpoint, "/")
	}
	if c.Kind != "" {
		m.Kind = c.Kind
	}
	if c.Name != "" {
		m.Name = c.Name
	}
	if wrong := model.CheckEndpoint(m.Endpoint); wrong != "" {
		return usagef("%s", wrong)
	}
	if m.Name != before.Name || m.Endpoint != before.Endpoint {
		// What another model cost says nothing about this one.
		m.InputPrice, m.OutputPrice = 0, 0
	}
	if c.MonthlyTokens != nil {
		m.MonthlyTokens = *c.MonthlyTokens
	}
	for of, given := range map[*store.Micros]*money{&m.MonthlyCost: c.MonthlyCost, &m.InputPrice: c.InputPrice, &m.OutputPrice: c.OutputPrice} {
		if given != nil {
			*of = store.Micros(*given)
		}
	}
	if c.Key || c.KeyFile != "" {
		if m.Key, err = a.readSecret(c.KeyFile, "key"); err != nil {
			return err
		}
	}
	sources, err := modelSources(ctx, s, o, c.On)
	if err != nil {
		return err
	}
	if err := s.SetModel(ctx, m, store.Operator); err != nil {
		return err
	}
	for _, source := range sources {
		if err := s.SwitchModel(ctx, o.ID, source.ID, true, store.Operator); err != nil {
			return err
		}
	}
	return a.done(c.JSON, "The model is %s at %s. `debrief model show` says for which sources.", m.Name, m.Host())
}

// modelSources finds sources by their names.
func modelSources(ctx context.Context, s *store.Store, o store.Organization, names []string) ([]store.ModelSource, error) {
	all, err := s.ModelSources(ctx, o.ID)
	if err != nil {
		return nil, err
	}
	var found []store.ModelSource
	for _, name := range names {
		before := len(found)
		for _, source := range all {
			if source.Name == name {
				found = append(found, source)
			}
		}
		if len(found) == before {
			return nil, usagef("there is no source named %q: `debrief sources list`", name)
		}
	}
	return found, nil
}

type modelShowCmd struct{ jsonFlag }

func (c *modelShowCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "model")
	if err != nil {
		return err
	}
	shown := struct {
		Model   *store.ModelSettings `json:"model"`
		Use     store.ModelUse       `json:"used_this_month"`
		Sources []store.ModelSource  `json:"sources"`
	}{}
	m, err := s.Model(ctx, o.ID)
	switch {
	case err == nil:
		shown.Model = &m
	case !errors.Is(err, store.ErrNotFound):
		return err
	}
	if shown.Use, err = s.ModelUse(ctx, o.ID); err != nil {
		return err
	}
	if shown.Sources, err = s.ModelSources(ctx, o.ID); err != nil {
		return err
	}
	return a.show(c.JSON, shown, func() {
		if shown.Model == nil {
			a.say("No model: nothing is sent to one. `debrief model set --kind openai --endpoint URL --name MODEL --on SOURCE`")
			return
		}
		key := "without a key"
		if m.HasKey {
			key = "with a key"
		}
		a.say("%s (%s) at %s, %s.", m.Name, m.Kind, m.Endpoint, key)
		a.say("Used this month: %d calls, %d tokens%s; %s.", shown.Use.Calls, shown.Use.Tokens, inMoney(m, shown.Use.Cost), budget(m))
		rows := [][]string{{"SOURCE", "PLATFORM", "MODEL"}}
		for _, source := range shown.Sources {
			on := "off"
			if source.On {
				on = "on"
			}
			rows = append(rows, []string{source.Name, source.Platform, on})
		}
		a.table("No source yet.", rows)
	})
}

func inMoney(m store.ModelSettings, cost store.Micros) string {
	if m.InputPrice == 0 && m.OutputPrice == 0 {
		return ""
	}
	return ", " + cost.String()
}

func budget(m store.ModelSettings) string {
	var bounds []string
	if m.MonthlyTokens > 0 {
		bounds = append(bounds, fmt.Sprintf("at most %d tokens", m.MonthlyTokens))
	}
	if m.MonthlyCost > 0 {
		bounds = append(bounds, "at most "+m.MonthlyCost.String())
	}
	if len(bounds) == 0 {
		return "no budget is set"
	}
	return strings.Join(bounds, " and ")
}

type modelOffCmd struct {
	jsonFlag

	Sources []string `arg:"" optional:"" help:"Only for these sources."`
	Forget  bool     `help:"Delete the endpoint and its key."`
}

func (c *modelOffCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "model")
	if err != nil {
		return err
	}
	if _, err := s.Model(ctx, o.ID); errors.Is(err, store.ErrNotFound) {
		return usagef("there is no model to switch off")
	} else if err != nil {
		return err
	}
	if c.Forget {
		if len(c.Sources) > 0 {
			return usagef("--forget is for all sources")
		}
		if err := s.ForgetModel(ctx, o.ID, store.Operator); err != nil {
			return err
		}
		return a.done(c.JSON, "The model is off, and its endpoint and key are forgotten.")
	}
	sources, err := modelSources(ctx, s, o, c.Sources)
	if err != nil {
		return err
	}
	if len(c.Sources) == 0 {
		if sources, err = s.ModelSources(ctx, o.ID); err != nil {
			return err
		}
	}
	for _, source := range sources {
		if source.On {
			if err := s.SwitchModel(ctx, o.ID, source.ID, false, store.Operator); err != nil {
				return err
			}
		}
	}
	return a.done(c.JSON, "The model is off for %s.", plural(len(sources), "source"))
}

// plural counts.
func plural(n int, what string) string {
	if n == 1 {
		return "one " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

type modelCheckCmd struct{ jsonFlag }

func (c *modelCheckCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "model")
	if err != nil {
		return err
	}
	m, err := s.ModelWithKey(ctx, o.ID)
	if errors.Is(err, store.ErrNotFound) {
		return usagef("there is no model to check: `debrief model set`")
	}
	if err != nil {
		return err
	}
	asked, err := model.New(model.Config{Kind: m.Kind, Endpoint: m.Endpoint, Name: m.Name, Key: m.Key.Reveal()})
	if err != nil {
		return err
	}
	err = s.Audit(ctx, store.AuditEntry{
		OrganizationID: o.ID, Kind: store.AuditOrganization, Actor: store.Operator, Reason: fmt.Sprintf("model: %s at %s asked whether it is there", m.Name, m.Host()),
	})
	if err != nil {
		return err
	}
	began := time.Now()
	reply, err := asked.Ask(ctx, model.Request{
		System: "Answer with the JSON object of the given schema and nothing else.", Turns: []model.Turn{{Text: "Are you there?"}}, MaxTokens: 500,
		Schema: map[string]any{
			"type": "object", "properties": map[string]any{"there": map[string]any{"type": "boolean"}}, "required": []string{"there"}, "additionalProperties": false,
		},
	})
	took := time.Since(began).Round(time.Millisecond)
	var failed *model.CallError
	switch {
	case errors.As(err, &failed):
		return &store.Refusal{Sentence: fmt.Sprintf("%s at %s, after %s: %s.", m.Name, m.Host(), took, failed)}
	case err != nil:
		return err
	}
	return a.done(c.JSON, "%s at %s answered after %s (%d+%d tokens).", m.Name, m.Host(), took, reply.InputTokens, reply.OutputTokens)
}

type modelCallsCmd struct {
	jsonFlag

	Meeting *uuid.UUID `help:"Only about this meeting."`
	Limit   int        `default:"50" help:"How many."`
}

func (c *modelCallsCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "model")
	if err != nil {
		return err
	}
	calls, err := s.ModelCalls(ctx, o.ID, c.Meeting, c.Limit)
	if err != nil {
		return err
	}
	return a.show(c.JSON, calls, func() {
		rows := [][]string{{"WHEN", "MEETING", "VERSION", "PART", "CALL", "MODEL", "TOKENS", "COST", "TOOK", "OUTCOME"}}
		for _, call := range calls {
			rows = append(rows, []string{
				ago(call.BegunAt), call.MeetingID.String(), itoa(call.MeetingVersion), fmt.Sprintf("%d/%d", call.Part, call.Parts), strconv.Itoa(call.Try), call.Name,
				fmt.Sprintf("%d+%d", call.InputTokens, call.OutputTokens), call.Cost.String(), call.Latency.Round(time.Millisecond).String(), call.Outcome,
			})
		}
		a.table("No calls: the model was not asked yet.", rows)
	})
}

type playbooksCmd struct {
	List   playbooksListCmd   `cmd:"" help:"List the playbooks: what the model is told in addition, by type of meeting."`
	Set    playbooksSetCmd    `cmd:"" help:"Set the playbook for a type of meetings."`
	Remove playbooksRemoveCmd `cmd:"" help:"Remove the playbook for a type of meetings."`
}

type playbooksListCmd struct{ jsonFlag }

func (c *playbooksListCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "playbooks")
	if err != nil {
		return err
	}
	all, err := s.Playbooks(ctx, o.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, all, func() {
		if len(all) == 0 {
			a.say("No playbook yet: `debrief playbooks set renewal --file renewal.txt`")
		}
		for _, p := range all {
			a.say("%s (changed %s)\n%s\n", p.MeetingType, ago(p.ChangedAt), p.Instructions)
		}
	})
}

type playbooksSetCmd struct {
	jsonFlag

	Type string `arg:"" help:"Words that stand in the titles of such meetings, such as renewal; * for every meeting."`
	Text string `help:"The instructions." xor:"text" required:""`
	File string `help:"File with the instructions." type:"existingfile" xor:"text" required:"" placeholder:"FILE"`
}

func (c *playbooksSetCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "playbooks")
	if err != nil {
		return err
	}
	text := c.Text
	if c.File != "" {
		raw, err := os.ReadFile(c.File)
		if err != nil {
			return usagef("--file can't be read: %s", err)
		}
		text = string(raw)
	}
	if err := s.SetPlaybook(ctx, o.ID, store.Playbook{MeetingType: c.Type, Instructions: text}, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "The playbook for %s is set.", c.Type)
}

type playbooksRemoveCmd struct {
	jsonFlag

	Type string `arg:"" help:"The type of meetings, as the list has it."`
}

func (c *playbooksRemoveCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "playbooks")
	if err != nil {
		return err
	}
	err = s.RemovePlaybook(ctx, o.ID, c.Type, store.Operator)
	if errors.Is(err, store.ErrNotFound) {
		return usagef("there is no playbook for %q", c.Type)
	}
	if err != nil {
		return err
	}
	return a.done(c.JSON, "The playbook for %s is removed.", c.Type)
}
