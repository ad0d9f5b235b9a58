package web

import (
	"context"
	"errors"
	"strings"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/planner/model"
	"github.com/debriefhq/debrief/store"
)

// Models is what the pages need of the store about language models.
type Models interface {
	Model(ctx context.Context, organizationID uuid.UUID) (store.ModelSettings, error)
	ModelSources(ctx context.Context, organizationID uuid.UUID) ([]store.ModelSource, error)
	ModelUse(ctx context.Context, organizationID uuid.UUID) (store.ModelUse, error)
	ModelAnswer(ctx context.Context, organizationID, meetingID uuid.UUID, version int64, content any) (store.ModelAnswer, error)
}

// modelView is which language model is asked, for what, and what it used.
type modelView struct {
	store.ModelSettings
	Use     store.ModelUse
	Sources []store.ModelSource
}

// On says whether anything is sent to the model.
func (v modelView) On() bool {
	for _, s := range v.Sources {
		if s.On {
			return true
		}
	}
	return false
}

// Money says whether anybody knows what the model costs.
func (v modelView) Money() bool { return v.InputPrice > 0 || v.OutputPrice > 0 }

// modelOf is an organization's model; nil if it has none.
func (w *Web) modelOf(ctx context.Context, organizationID uuid.UUID) (*modelView, error) {
	settings, err := w.store.Model(ctx, organizationID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v := modelView{ModelSettings: settings}
	if v.Use, err = w.store.ModelUse(ctx, organizationID); err != nil {
		return nil, err
	}
	v.Sources, err = w.store.ModelSources(ctx, organizationID)
	return &v, err
}

// heardView is what a model made of a meeting.
type heardView struct {
	store.ModelAnswer

	// Why it was not heard, or not about everything; empty if it was.
	Why string
	// Recap is a draft for the attendees: what follows from what was said.
	Recap []planner.KeptPromise
}

// Draft is the recap as text, to copy.
func (v heardView) Draft() string {
	var b strings.Builder
	for _, line := range v.Recap {
		b.WriteString("- " + line.Text + "\n")
	}
	return b.String()
}

// heard is what the model made of the meeting; nil if it was not asked.
func (w *Web) heard(c *gin.Context, m store.Meeting) (*heardView, error) {
	ctx, organizationID := c.Request.Context(), organization(c)
	var answer model.Answer
	as, err := w.store.ModelAnswer(ctx, organizationID, m.ID, 0, &answer)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrErased) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	o, err := w.store.Organization(ctx, organizationID)
	if err != nil {
		return nil, err
	}
	v := heardView{ModelAnswer: as}
	if as.Outcome != store.ModelAnswered && as.Parts+as.Heard > 0 || as.Outcome == string(model.Unavailable) {
		v.Why = model.Failure(as.Outcome).Error()
	}
	subject := planner.Subject{Meeting: m.Content, Domains: o.Domains}
	if m.FirstWordAt != nil {
		subject.HeardAt = *m.FirstWordAt
	}
	v.Recap = planner.Recap(subject, planner.Resolution{}, answer.Recap)
	return &v, nil
}
