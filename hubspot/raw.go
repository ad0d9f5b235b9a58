package hubspot

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// RawRequest is a read in the words of HubSpot's API, for whoever hands the answer on
// as it came.
type RawRequest struct {
	// Method is GET, or POST for what is asked for in a body.
	Method string
	// Endpoint is the path with {placeholders}, which Args fill in order. It may be
	// logged: no ID and no value stands in it.
	Endpoint string
	Args     []string
	Query    url.Values
	// Body is sent as JSON; nil sends none.
	Body   any
	Bucket Bucket
}

// RawAnswer is what HubSpot answered: JSON with a status from 200 to 299.
type RawAnswer struct {
	StatusCode int
	Body       json.RawMessage
}

// Raw makes a read. That it is one is the caller's word: nothing that writes belongs
// here, since its outcome would not count as unknown where it is.
func (c *Client) Raw(ctx context.Context, in RawRequest) (RawAnswer, error) {
	if in.Method != http.MethodGet && in.Method != http.MethodPost || !strings.HasPrefix(in.Endpoint, "/") {
		return RawAnswer{}, fmt.Errorf("hubspot: %s %s is no read", in.Method, in.Endpoint)
	}
	var out RawAnswer
	err := c.do(ctx, call{
		method: in.Method, endpoint: in.Endpoint, args: in.Args, query: in.Query, body: in.Body, bucket: in.Bucket, status: &out.StatusCode,
	}, &out.Body)
	if err != nil {
		return RawAnswer{}, err
	}
	return out, nil
}
