package activities

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/planner/model"
	"github.com/debriefhq/debrief/store"
)

// NotAsked is the outcome where there was nothing to ask a model about: nobody from
// outside, nothing said, no tool that is not denied, or a meeting that its host marked
// as private.
const NotAsked = "not_asked"

// Consult asks the organization's model about a meeting, and records its answer for
// the version of the meeting that it read. What the model fails at is recorded, too,
// and no error: a plan goes on without it. Run again for the same version it asks
// nothing.
func (a *Activities) Consult(ctx context.Context, m Meeting) error {
	defer alive(ctx)()
	err := a.consult(ctx, m)
	if errors.Is(err, store.ErrErased) || errors.Is(err, store.ErrModelOff) {
		return nil // the next look sees it
	}
	return temporalError(err)
}

func (a *Activities) consult(ctx context.Context, m Meeting) error {
	p, err := a.prepare(ctx, m)
	if err != nil || p == nil {
		return err
	}
	due, err := a.Store.ModelDue(ctx, m.OrganizationID, m.MeetingID, p.met.Version)
	if err != nil || !due {
		return err
	}
	asker, err := a.asker(ctx, m, p.met.Version, a.ModelTimeout)
	if err != nil {
		return err
	}
	question, err := a.question(ctx, m, p)
	if err != nil {
		return err
	}
	if len(question.Parts) == 0 {
		return a.Store.SaveModelAnswer(ctx, m.OrganizationID, m.MeetingID, store.ModelAnswer{MeetingVersion: p.met.Version, Outcome: NotAsked}, model.Answer{})
	}
	answer, err := asker.Ask(ctx, question)
	if err != nil {
		return err
	}
	outcome := store.ModelAnswered
	if answer.Failure != "" {
		outcome = string(answer.Failure)
	}
	a.Log.Info().Stringer("meeting", m.MeetingID).Str("outcome", outcome).Int("parts", answer.Parts).Int("heard", answer.Heard).Msg("asked the model")
	return a.Store.SaveModelAnswer(ctx, m.OrganizationID, m.MeetingID, store.ModelAnswer{
		MeetingVersion: p.met.Version, Outcome: outcome, Parts: answer.Parts, Heard: answer.Heard,
	}, answer)
}

// asker asks the organization's model about a version of a meeting, and waits for so long
// for each answer. It is [store.ErrModelOff] where there is no model.
func (a *Activities) asker(ctx context.Context, m Meeting, version int64, patience time.Duration) (model.Asker, error) {
	settings, err := a.Store.ModelWithKey(ctx, m.OrganizationID)
	if errors.Is(err, store.ErrNotFound) {
		return model.Asker{}, store.ErrModelOff
	}
	if err != nil {
		return model.Asker{}, err
	}
	asked, err := model.New(model.Config{Kind: settings.Kind, Endpoint: settings.Endpoint, Name: settings.Name, Key: settings.Key.Reveal(), Timeout: patience})
	if err != nil {
		return model.Asker{}, err
	}
	hash, err := a.Store.MeetingHash(ctx, m.OrganizationID, m.MeetingID)
	if err != nil {
		return model.Asker{}, err
	}
	return model.Asker{Model: asked, Ledger: ledger{a.Store, m, version, settings.Endpoint, hash}}, nil
}

// question is what the model is asked; it has no parts where there is nothing to ask.
func (a *Activities) question(ctx context.Context, m Meeting, p *preparation) (model.Question, error) {
	tools := model.Tools(p.permissions.Decide)
	if !planner.Reads(p.subject) || p.met.Content.Private || len(tools) == 0 {
		return model.Question{}, nil
	}
	resolution, err := planner.Resolve(ctx, p.reader, p.subject)
	if err != nil {
		return model.Question{}, err
	}
	account, err := model.ReadAccount(ctx, p.reader, tools)
	if err != nil {
		return model.Question{}, err
	}
	playbooks, err := a.Store.Playbooks(ctx, m.OrganizationID)
	if err != nil {
		return model.Question{}, err
	}
	in := model.Input{Subject: p.subject, Resolution: resolution, Account: account, Tools: tools}
	for _, playbook := range playbooks {
		if playbook.For(p.met.Content.Title) {
			in.Playbooks = append(in.Playbooks, playbook.Instructions)
		}
	}
	return model.Ask(in), nil
}

// NotHeardInput names the version of a meeting that no model could be asked about.
type NotHeardInput struct {
	Meeting        Meeting `json:"meeting"`
	MeetingVersion int64   `json:"meeting_version"`
}

// NotHeard records that the model could not be asked, so that the plan goes on.
func (a *Activities) NotHeard(ctx context.Context, in NotHeardInput) error {
	err := a.Store.SaveModelAnswer(ctx, in.Meeting.OrganizationID, in.Meeting.MeetingID, store.ModelAnswer{
		MeetingVersion: in.MeetingVersion, Outcome: string(model.Unavailable),
	}, model.Answer{})
	if errors.Is(err, store.ErrErased) {
		return nil
	}
	return temporalError(err)
}

// heard is what the model answered about a version of a meeting; due says that it has
// yet to be asked.
func (a *Activities) heard(ctx context.Context, m Meeting, version int64) (answer model.Answer, due bool, err error) {
	if due, err = a.Store.ModelDue(ctx, m.OrganizationID, m.MeetingID, version); err != nil || due {
		return answer, due, err
	}
	answer, _, err = a.recorded(ctx, m, version)
	return answer, false, err
}

// recorded is what stands in the record of a model's answer; empty if it was not
// asked.
func (a *Activities) recorded(ctx context.Context, m Meeting, version int64) (answer model.Answer, as store.ModelAnswer, err error) {
	as, err = a.Store.ModelAnswer(ctx, m.OrganizationID, m.MeetingID, version, &answer)
	if errors.Is(err, store.ErrNotFound) {
		return answer, as, nil
	}
	return answer, as, err
}

// ledger writes the calls about one meeting down in the store.
type ledger struct {
	store    *store.Store
	meeting  Meeting
	version  int64
	endpoint string
	hash     func(string) string
}

// Begin writes a call down before it is made.
func (l ledger) Begin(ctx context.Context, c model.Call) (uuid.UUID, error) {
	texts := []string{c.Request.System}
	for _, t := range c.Request.Turns {
		texts = append(texts, t.Text)
	}
	reserve := c.Reserve()
	id, err := l.store.BeginModelCall(ctx, store.ModelCall{
		OrganizationID: l.meeting.OrganizationID, MeetingID: l.meeting.MeetingID, MeetingVersion: l.version, Endpoint: l.endpoint,
		Part: c.Part, Parts: c.Parts, Try: c.Try, Digest: l.hash(strings.Join(texts, "\x00")),
		InputTokens: reserve - c.Request.MaxTokens, OutputTokens: c.Request.MaxTokens,
	})
	switch {
	case errors.Is(err, store.ErrModelBudget):
		return id, model.OverBudget
	case errors.Is(err, store.ErrModelCalls):
		return id, model.TooOften
	}
	return id, err
}

// End writes down how a call ended.
func (l ledger) End(ctx context.Context, id uuid.UUID, r model.Result) error {
	return l.store.EndModelCall(ctx, id, store.ModelCallEnd{
		Failure: string(r.Failure), Status: r.Status, Latency: r.Latency, InputTokens: r.Reply.InputTokens, OutputTokens: r.Reply.OutputTokens,
	})
}
