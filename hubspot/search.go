package hubspot

import (
	"context"
	"errors"
	"net/http"
	"strconv"
)

// Operators of a [Filter] (developers.hubspot.com, "Search the CRM"). Strings
// compare without case, except enumerations; the Values of [In] and [NotIn]
// must be lower case for strings. In [ContainsToken], * stands for the rest
// of a word.
const (
	Equal            = "EQ"
	NotEqual         = "NEQ"
	Less             = "LT"
	LessOrEqual      = "LTE"
	Greater          = "GT"
	GreaterOrEqual   = "GTE"
	Between          = "BETWEEN"
	In               = "IN"
	NotIn            = "NOT_IN"
	HasProperty      = "HAS_PROPERTY"
	NotHasProperty   = "NOT_HAS_PROPERTY"
	ContainsToken    = "CONTAINS_TOKEN"
	NotContainsToken = "NOT_CONTAINS_TOKEN"
)

// Filter is one condition. Value serves every operator but In and NotIn
// (Values) and the two that need none; Between takes Value and HighValue.
type Filter struct {
	PropertyName string   `json:"propertyName"`
	Operator     string   `json:"operator"`
	Value        string   `json:"value,omitempty"`
	HighValue    string   `json:"highValue,omitempty"`
	Values       []string `json:"values,omitempty"`
}

// FilterGroup is met if all of its filters are.
type FilterGroup struct {
	Filters []Filter `json:"filters"`
}

// Sort orders a search.
type Sort struct {
	PropertyName string `json:"propertyName"`
	// Direction is "ASCENDING" or "DESCENDING".
	Direction string `json:"direction"`
}

// SearchRequest finds records that meet any of the groups: at most 5 groups,
// 6 filters in each, 18 in all, one sort, 200 records per page and 10,000 in
// all. What was written a moment ago may not be found yet, and the account has
// 5 searches a second: prefer [Client.Get] with an IDProperty, batch reads and
// associations.
type SearchRequest struct {
	Query        string        `json:"query,omitempty"`
	FilterGroups []FilterGroup `json:"filterGroups,omitempty"`
	Sorts        []Sort        `json:"sorts,omitempty"`
	Properties   []string      `json:"properties,omitempty"`
	Limit        int           `json:"limit,omitempty"`
	After        string        `json:"after,omitempty"`
}

// mostSearched is how much of a search may be values: its body may have 3,000
// characters (developers.hubspot.com, "Search the CRM").
const mostSearched = 2000

// CompaniesByDomain are the searches that find companies by these domains: as few as
// take them all.
func CompaniesByDomain(domains, properties []string) []SearchRequest {
	var all []SearchRequest
	for len(domains) > 0 {
		n, size := 0, 0
		for n < len(domains) && n < MaxBatch && (n == 0 || size+len(domains[n])+3 <= mostSearched) {
			size += len(domains[n]) + 3
			n++
		}
		all = append(all, SearchRequest{
			FilterGroups: []FilterGroup{{Filters: []Filter{{PropertyName: "domain", Operator: In, Values: domains[:n]}}}},
			Properties:   properties,
			Limit:        200,
		})
		domains = domains[n:]
	}
	return all
}

// SearchResult is one page of what was found.
type SearchResult struct {
	// Total counts all matches, not only this page's.
	Total   int
	Records []Record
	// After is the cursor of the next page; empty on the last.
	After string
}

func (r SearchResult) next() string { return r.After }

// MaxSearchResults is how far the pages of one search reach (developers.hubspot.com,
// "Search the CRM").
const MaxSearchResults = 10_000

// ErrSearchTooWide: the search has more matches than [MaxSearchResults] and was
// read up to there. Narrow it, for example by the property sorted by.
var ErrSearchTooWide = errors.New("hubspot: the search has more matches than a search reaches")

// Search finds records by their properties. It refuses to read past
// [MaxSearchResults] with [ErrSearchTooWide], without asking HubSpot, which
// would refuse it too.
func (c *Client) Search(ctx context.Context, objectType string, in SearchRequest) (SearchResult, error) {
	if err := checkType(objectType); err != nil {
		return SearchResult{}, err
	}
	if after, err := strconv.Atoi(in.After); err == nil {
		if after >= MaxSearchResults {
			return SearchResult{}, ErrSearchTooWide
		}
		in.Limit = min(in.Limit, MaxSearchResults-after)
	}
	var out list[Record]
	err := c.do(ctx, call{method: http.MethodPost, endpoint: objects(objectType, "/search"), body: in, bucket: SearchBucket}, &out)
	return SearchResult{Total: out.Total, Records: out.Results, After: out.Paging.after()}, err
}
