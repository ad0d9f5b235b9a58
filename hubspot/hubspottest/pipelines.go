package hubspottest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

func (s *Server) addPipelineRoutes() {
	at := "/crm/pipelines/" + APIVersion + "/{type}"
	readers := anyOf("crm.objects.contacts.read", "crm.objects.deals.read", "crm.objects.deals.write", "crm.objects.owners.read",
		"crm.schemas.deals.read", "crm.schemas.deals.write", "tickets")
	writers := func(q *request) []string {
		t := q.portal.typeOf(q.vars["type"])
		switch {
		case t == nil:
			return nil
		case t.Name == "tickets":
			return []string{"tickets", "crm.schemas.tickets.write"}
		case t.custom():
			return []string{"crm.schemas.custom.write", "crm.objects.custom.write"}
		}
		return []string{"crm.schemas." + t.Name + ".write", "crm.objects." + t.Name + ".write"}
	}
	read := func(fn func(*request, *objectType) reply) route {
		return route{bucket: burstBucket, scopes: readers, fn: withType(fn)}
	}
	change := func(fn func(*request, *objectType) reply) route {
		return route{bucket: burstBucket, scopes: writers, fn: withType(fn)}
	}
	s.handle("GET "+at, read(listPipelines))
	s.handle("POST "+at, change(createPipeline))
	s.handle("GET "+at+"/{id}", read(withPipeline(readPipeline)))
	s.handle("PUT "+at+"/{id}", change(withPipeline(replacePipeline)))
	s.handle("PATCH "+at+"/{id}", change(withPipeline(updatePipeline)))
	s.handle("DELETE "+at+"/{id}", change(deletePipeline))
	at += "/{id}/stages"
	s.handle("GET "+at, read(withPipeline(listStages)))
	s.handle("POST "+at, change(withPipeline(createStage)))
	s.handle("GET "+at+"/{stageId}", read(withPipeline(readStage)))
	s.handle("PUT "+at+"/{stageId}", change(withPipeline(replaceStage)))
	s.handle("PATCH "+at+"/{stageId}", change(withPipeline(updateStage)))
	s.handle("DELETE "+at+"/{stageId}", change(deleteStage))
}

func listPipelines(q *request, t *objectType) reply {
	results := []any{}
	for _, p := range q.portal.Pipelines[t.ID] {
		if !p.Archived {
			results = append(results, clone(p))
		}
	}
	return reply{status: http.StatusOK, body: map[string]any{"results": results}}
}

// clone takes a copy that may be encoded after the lock is released.
func clone(v any) any { return json.RawMessage(encode(v)) }

func (p *portal) pipeline(t *objectType, id string) *pipeline {
	for _, one := range p.Pipelines[t.ID] {
		if one.ID == id && !one.Archived {
			return one
		}
	}
	return nil
}

// withPipeline answers for a pipeline that does not exist: a 404 without a
// body, as seen at HubSpot.
func withPipeline(fn func(*request, *objectType, *pipeline) reply) func(*request, *objectType) reply {
	return func(q *request, t *objectType) reply {
		p := q.portal.pipeline(t, q.vars["id"])
		if p == nil {
			return reply{status: http.StatusNotFound}
		}
		return fn(q, t, p)
	}
}

func readPipeline(_ *request, _ *objectType, p *pipeline) reply {
	return reply{status: http.StatusOK, body: clone(p)}
}

func listStages(_ *request, _ *objectType, p *pipeline) reply {
	stages := []*stage{}
	for _, one := range p.Stages {
		if !one.Archived {
			stages = append(stages, one)
		}
	}
	return reply{status: http.StatusOK, body: map[string]any{"results": clone(stages)}}
}

type pipelineInput struct {
	ID           string       `json:"pipelineId"`
	Label        string       `json:"label"`
	DisplayOrder *int         `json:"displayOrder"`
	Stages       []stageInput `json:"stages"`
}

type stageInput struct {
	ID           string `json:"stageId"`
	Label        string `json:"label"`
	DisplayOrder *int   `json:"displayOrder"`
	Metadata     values `json:"metadata"`
}

// build checks a stage and makes it. others are the stages with whom it shares
// the pipeline.
func (q *request) build(t *objectType, in stageInput, others []*stage) (*stage, *reply) {
	refuse := func(out reply) (*stage, *reply) { return nil, &out }
	if in.Label == "" {
		return refuse(invalid("A stage needs a label"))
	}
	if slices.ContainsFunc(others, func(s *stage) bool { return !s.Archived && strings.EqualFold(s.Label, in.Label) }) {
		return refuse(pipelineConflict("STAGE_LABEL_EXISTS", "A stage with that label already exists in the pipeline: "+in.Label))
	}
	metadata, refused := stageMetadata(t, in.Metadata)
	if refused != nil {
		return nil, refused
	}
	if in.ID != "" {
		for _, p := range q.portal.Pipelines[t.ID] {
			if slices.ContainsFunc(p.Stages, func(s *stage) bool { return s.ID == in.ID }) {
				return refuse(pipelineConflict("STAGE_ID_EXISTS_IN_ANOTHER_PIPELINE", "A stage with that ID already exists: "+in.ID))
			}
		}
	} else {
		in.ID = strconv.FormatInt(q.s.st.newID()%1_000_000_000, 10)
	}
	now := q.stamp()
	made := &stage{ID: in.ID, Label: in.Label, DisplayOrder: len(others), Metadata: metadata, CreatedAt: now, UpdatedAt: now, WritePermissions: "CRM_PERMISSIONS_ENFORCEMENT"}
	set(&made.DisplayOrder, in.DisplayOrder)
	return made, nil
}

// stageMetadata checks what a stage says of itself: a deal's needs its
// probability, a ticket's its state.
func stageMetadata(t *objectType, in values) (map[string]string, *reply) {
	refuse := func(text string) (map[string]string, *reply) {
		out := invalid("%s", text)
		return nil, &out
	}
	out := map[string]string(maps.Clone(in))
	if out == nil {
		out = map[string]string{}
	}
	switch t.ID {
	case "0-3":
		n, err := strconv.ParseFloat(out["probability"], 64)
		if err != nil || n < 0 || n > 1 {
			return refuse("A deal stage needs metadata.probability, from 0.0 to 1.0")
		}
		out["isClosed"] = strconv.FormatBool(n == 0 || n == 1)
	case "0-5":
		if out["ticketState"] == "" {
			out["ticketState"] = "OPEN"
		}
		if out["ticketState"] != "OPEN" && out["ticketState"] != "CLOSED" {
			return refuse("metadata.ticketState is OPEN or CLOSED")
		}
		out["isClosed"] = strconv.FormatBool(out["ticketState"] == "CLOSED")
	}
	return out, nil
}

func pipelineConflict(sub, message string) reply {
	return problem(http.StatusConflict, "CONFLICT", message, "subCategory", "PipelineError."+sub)
}

// stagesOf builds the stages of a pipeline that is made or replaced; stages
// that are named and known are kept.
func (q *request) stagesOf(t *objectType, in []stageInput, known []*stage) ([]*stage, *reply) {
	var out []*stage
	for _, one := range in {
		at := slices.IndexFunc(known, func(s *stage) bool { return one.ID != "" && s.ID == one.ID })
		if at >= 0 {
			metadata, refused := stageMetadata(t, one.Metadata)
			if refused != nil {
				return nil, refused
			}
			kept := *known[at]
			kept.Label, kept.Metadata, kept.UpdatedAt, kept.Archived = one.Label, metadata, q.stamp(), false
			set(&kept.DisplayOrder, one.DisplayOrder)
			out = append(out, &kept)
			continue
		}
		if one.ID != "" && slices.ContainsFunc(out, func(s *stage) bool { return s.ID == one.ID }) {
			bad := pipelineConflict("STAGE_ID_EXISTS_IN_ANOTHER_PIPELINE", "A stage with that ID already exists: "+one.ID)
			return nil, &bad
		}
		made, refused := q.build(t, one, out)
		if refused != nil {
			return nil, refused
		}
		out = append(out, made)
	}
	if t.ID == "0-5" && !slices.ContainsFunc(out, closedTicket) {
		bad := invalid("A ticket pipeline needs a stage whose ticketState is CLOSED")
		return nil, &bad
	}
	return out, nil
}

func closedTicket(s *stage) bool { return !s.Archived && s.Metadata["ticketState"] == "CLOSED" }

// withoutIsClosed is a pipeline as its create echoes it: HubSpot works out
// isClosed only for later reads.
func withoutIsClosed(p *pipeline) any {
	echo := *p
	echo.Stages = nil
	for _, s := range p.Stages {
		one := *s
		one.Metadata = maps.Clone(s.Metadata)
		delete(one.Metadata, "isClosed")
		echo.Stages = append(echo.Stages, &one)
	}
	return clone(echo)
}

func createPipeline(q *request, t *objectType) reply {
	var in pipelineInput
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if in.Label == "" || len(in.Stages) == 0 {
		return invalid("A pipeline needs a label and stages")
	}
	if in.ID != "" && slices.ContainsFunc(q.portal.Pipelines[t.ID], func(p *pipeline) bool { return p.ID == in.ID }) {
		return pipelineConflict("PIPELINE_ID_EXISTS", "A pipeline with that ID already exists: "+in.ID)
	}
	stages, refused := q.stagesOf(t, in.Stages, nil)
	if refused != nil {
		return *refused
	}
	if in.ID == "" {
		in.ID = strconv.FormatInt(q.s.st.newID()%1_000_000_000, 10)
	}
	now := q.stamp()
	made := &pipeline{ID: in.ID, Label: in.Label, DisplayOrder: len(q.portal.Pipelines[t.ID]), Stages: stages, CreatedAt: now, UpdatedAt: now}
	set(&made.DisplayOrder, in.DisplayOrder)
	q.portal.Pipelines[t.ID] = append(q.portal.Pipelines[t.ID], made)
	return reply{status: http.StatusCreated, body: withoutIsClosed(made)}
}

func replacePipeline(q *request, t *objectType, p *pipeline) reply {
	var in pipelineInput
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if in.Label == "" || len(in.Stages) == 0 {
		return invalid("A pipeline needs a label and stages")
	}
	stages, refused := q.stagesOf(t, in.Stages, p.Stages)
	if refused != nil {
		return *refused
	}
	for _, old := range p.Stages {
		if slices.ContainsFunc(stages, func(s *stage) bool { return s.ID == old.ID }) {
			continue
		}
		if refused := q.stageInUse(t, p, []string{old.ID}); refused != nil {
			return *refused
		}
	}
	p.Label, p.Stages, p.UpdatedAt = in.Label, stages, q.stamp()
	set(&p.DisplayOrder, in.DisplayOrder)
	return reply{status: http.StatusOK, body: clone(p)}
}

func updatePipeline(q *request, _ *objectType, p *pipeline) reply {
	var in struct {
		Label        *string `json:"label"`
		DisplayOrder *int    `json:"displayOrder"`
		Archived     *bool   `json:"archived"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	set(&p.Label, in.Label)
	set(&p.DisplayOrder, in.DisplayOrder)
	set(&p.Archived, in.Archived)
	p.UpdatedAt = q.stamp()
	return reply{status: http.StatusOK, body: clone(p)}
}

// stageInUse refuses to let go of stages that records are in. Versions before
// 2026-09 looked only if they were asked to.
func (q *request) stageInUse(t *objectType, p *pipeline, stageIDs []string) *reply {
	if q.version != APIVersion && q.query.Get("validateReferencesBeforeDelete") != "true" && q.query.Get("validateDealStageUsagesBeforeDelete") != "true" {
		return nil
	}
	inPipeline, inStage := "pipeline", "dealstage"
	if t.ID != "0-3" {
		inPipeline, inStage = "hs_pipeline", "hs_pipeline_stage"
	}
	var used, records []string
	for _, r := range q.portal.ordered[t.ID] {
		if r.Archived || r.Props[inPipeline] != p.ID || !slices.Contains(stageIDs, r.Props[inStage]) {
			continue
		}
		records = append(records, r.ID)
		if !slices.Contains(used, r.Props[inStage]) {
			used = append(used, r.Props[inStage])
		}
	}
	if len(used) == 0 {
		return nil
	}
	out := problem(http.StatusBadRequest, "VALIDATION_ERROR",
		fmt.Sprintf("Stage IDs: [%s] are being referenced by object IDs: [%s]", strings.Join(used, ", "), strings.Join(records, ", ")),
		"subCategory", "PipelineError.STAGE_ID_IN_USE", "context", map[string]any{"stageIds": used, "objectIds": records})
	return &out
}

func deletePipeline(q *request, t *objectType) reply {
	p := q.portal.pipeline(t, q.vars["id"])
	if p == nil {
		return reply{status: http.StatusNotFound}
	}
	var stages []string
	for _, s := range p.Stages {
		stages = append(stages, s.ID)
	}
	if refused := q.stageInUse(t, p, stages); refused != nil {
		return *refused
	}
	q.portal.Pipelines[t.ID] = slices.DeleteFunc(q.portal.Pipelines[t.ID], func(one *pipeline) bool { return one == p })
	return reply{status: http.StatusNoContent}
}

func (p *pipeline) stage(id string) *stage {
	for _, s := range p.Stages {
		if s.ID == id && !s.Archived {
			return s
		}
	}
	return nil
}

func readStage(q *request, _ *objectType, p *pipeline) reply {
	s := p.stage(q.vars["stageId"])
	if s == nil {
		return reply{status: http.StatusNotFound}
	}
	return reply{status: http.StatusOK, body: clone(s)}
}

func createStage(q *request, t *objectType, p *pipeline) reply {
	var in stageInput
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	made, refused := q.build(t, in, p.Stages)
	if refused != nil {
		return *refused
	}
	p.Stages, p.UpdatedAt = append(p.Stages, made), made.CreatedAt
	echo := *made
	echo.Metadata = maps.Clone(made.Metadata)
	delete(echo.Metadata, "isClosed")
	return reply{status: http.StatusCreated, body: clone(echo)}
}

func replaceStage(q *request, t *objectType, p *pipeline) reply { return q.changeStage(t, p, true) }

func updateStage(q *request, t *objectType, p *pipeline) reply { return q.changeStage(t, p, false) }

func (q *request) changeStage(t *objectType, p *pipeline, whole bool) reply {
	var in struct {
		Label        *string `json:"label"`
		DisplayOrder *int    `json:"displayOrder"`
		Metadata     values  `json:"metadata"`
		Archived     *bool   `json:"archived"`
	}
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	s := p.stage(q.vars["stageId"])
	if s == nil {
		return reply{status: http.StatusNotFound}
	}
	if whole && (in.Label == nil || in.Metadata == nil) {
		return invalid("A stage needs a label and metadata")
	}
	if in.Metadata != nil {
		metadata, refused := stageMetadata(t, in.Metadata)
		if refused != nil {
			return *refused
		}
		s.Metadata = metadata
	}
	set(&s.Label, in.Label)
	set(&s.DisplayOrder, in.DisplayOrder)
	set(&s.Archived, in.Archived)
	s.UpdatedAt = q.stamp()
	return reply{status: http.StatusOK, body: clone(s)}
}

func deleteStage(q *request, t *objectType) reply {
	done := reply{status: http.StatusNoContent}
	p := q.portal.pipeline(t, q.vars["id"])
	if p == nil {
		return reply{status: http.StatusNotFound}
	}
	s := p.stage(q.vars["stageId"])
	if s == nil {
		return done
	}
	if refused := q.stageInUse(t, p, []string{s.ID}); refused != nil {
		return *refused
	}
	rest := slices.DeleteFunc(slices.Clone(p.Stages), func(one *stage) bool { return one == s })
	if t.ID == "0-5" && !slices.ContainsFunc(rest, closedTicket) {
		return invalid("A ticket pipeline needs a stage whose ticketState is CLOSED")
	}
	p.Stages, p.UpdatedAt = rest, q.stamp()
	return done
}

func (q *request) stamp() milliTime { return milliTime{q.s.now()} }
