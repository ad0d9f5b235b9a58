package crm

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/policy"
)

// Raw makes one read in the words of HubSpot's API, through all of those tools, and
// returns the answer as it came. The caller says which tools the request needs: all
// that its answer can show. A reader that had to be told to try again keeps its turn
// for the same request; each other one wants a reader of its own.
func (r *Reader) Raw(ctx context.Context, what string, tools []policy.Tool, properties []string, in hubspot.RawRequest) (hubspot.RawAnswer, error) {
	if len(tools) == 0 {
		return hubspot.RawAnswer{}, errors.New("a read needs a tool")
	}
	if !r.single {
		r.single, r.attempt = true, r.gate.limiter.singleAttempt(r.scope, in.Bucket)
	}
	var answer hubspot.RawAnswer
	err := r.read(ctx, what, slices.Clone(properties), tools, func(ctx context.Context, c *hubspot.Client) (string, error) {
		var err error
		answer, err = c.Raw(ctx, in)
		return namedIn(answer.Body), err
	})
	return answer, err
}

// namedIn are the IDs of the records that an answer shows.
func namedIn(body json.RawMessage) string {
	var shown struct {
		ID      any `json:"id"`
		Results []struct {
			ID any `json:"id"`
		} `json:"results"`
	}
	if len(body) == 0 || json.Unmarshal(body, &shown) != nil {
		return ""
	}
	var ids []string
	for _, one := range append([]struct {
		ID any `json:"id"`
	}{{shown.ID}}, shown.Results...) {
		if id, ok := one.ID.(string); ok {
			ids = append(ids, id)
		}
	}
	return joinIDs(ids)
}

// singleAttempt expects one call.
func (l *limiter) singleAttempt(scope Scope, bucket hubspot.Bucket) *attempt {
	if bucket == "" {
		bucket = hubspot.BurstBucket
	}
	return &attempt{
		limiter: l, connectionID: scope.ConnectionID, holder: "read:" + uuid.NewString(), people: scope.Waited,
		calls: map[hubspot.Bucket]int{bucket: 1},
	}
}
