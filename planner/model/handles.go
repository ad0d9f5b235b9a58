package model

import (
	"slices"

	"github.com/debriefhq/debrief/meeting"
)

// Handles are what an answer may name, each by what it stands for: for whoever plays a
// model. Endpoints are never told.
type Handles struct {
	Records map[meeting.RecordRef]string
	// Stages by object type and HubSpot's ID.
	Stages map[[2]string]string
	// Owners by HubSpot's ID.
	Owners map[string]string
	// Properties by object type; these have no handles.
	Properties map[string][]string
}

// Handles are those of the question.
func (q Question) Handles() Handles {
	h := Handles{Records: map[meeting.RecordRef]string{}, Stages: map[[2]string]string{}, Owners: map[string]string{}, Properties: map[string][]string{}}
	for _, r := range q.offer.records {
		h.Records[r.ref] = r.handle
	}
	for _, s := range q.offer.stages {
		h.Stages[[2]string{s.object, s.stage}] = s.handle
	}
	for _, o := range q.offer.owners {
		h.Owners[o.id] = o.handle
	}
	for object, names := range q.offer.names {
		h.Properties[object] = slices.Clone(names)
	}
	return h
}
