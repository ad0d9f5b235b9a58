package hubspottest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxSearchBody   = 3000
	maxSearchOffset = 10_000
)

type filter struct {
	Name     string    `json:"propertyName"`
	Operator string    `json:"operator"`
	Value    looseID   `json:"value"`
	High     looseID   `json:"highValue"`
	Values   []looseID `json:"values"`
}

type searchInput struct {
	Query  string `json:"query"`
	Groups []struct {
		Filters []filter `json:"filters"`
	} `json:"filterGroups"`
	Sorts      []sortInput `json:"sorts"`
	Properties []string    `json:"properties"`
	Limit      *int        `json:"limit"`
	After      looseID     `json:"after"`
}

type sortInput struct {
	Name      string `json:"propertyName"`
	Direction string `json:"direction"`
}

// UnmarshalJSON takes a bare name too: ascending, or descending with "-".
func (in *sortInput) UnmarshalJSON(raw []byte) error {
	type plain sortInput
	if len(raw) == 0 || raw[0] != '"' {
		return json.Unmarshal(raw, (*plain)(in))
	}
	var name string
	if err := json.Unmarshal(raw, &name); err != nil {
		return err
	}
	if after, ok := strings.CutPrefix(name, "-"); ok {
		*in = sortInput{after, "DESCENDING"}
	} else {
		*in = sortInput{name, "ASCENDING"}
	}
	return nil
}

// searchable is what search knows of a record now; nil if nothing.
func (q *request) searchable(r *record) map[string]string {
	if r.Archived {
		return nil
	}
	if !r.Seeded && q.now.Before(r.UpdatedAt.Add(q.portal.Settings.SearchLag)) {
		return r.Indexed
	}
	return r.Props
}

// candidates are the records that a search must look at, in the order of their
// creation: all of the type, unless each filter group asks for a value of a
// property that has an index.
func (q *request) candidates(t *objectType, in searchInput) []*record {
	p := q.portal
	if len(in.Groups) == 0 {
		return p.ordered[t.ID]
	}
	var some []*record
	for _, g := range in.Groups {
		at := slices.IndexFunc(g.Filters, func(f filter) bool {
			return (f.Operator == "EQ" || f.Operator == "IN") && t.findable(f.Name)
		})
		if at < 0 {
			return p.ordered[t.ID]
		}
		f := g.Filters[at]
		wanted := f.Values
		if f.Operator == "EQ" {
			wanted = []looseID{f.Value}
		}
		for _, value := range wanted {
			some = append(some, p.known[knownKey{t.ID, f.Name, strings.ToLower(string(value))}]...)
		}
	}
	slices.SortFunc(some, byID)
	return slices.Compact(some)
}

func searchRecords(q *request, t *objectType) reply {
	if utf8.RuneCount(q.body) > maxSearchBody {
		return invalid("The request body is longer than %d characters", maxSearchBody)
	}
	var in searchInput
	if refused := q.decode(&in); refused != nil {
		return *refused
	}
	if refused := in.check(t); refused != nil {
		return *refused
	}
	limit, offset := 10, 0
	if in.Limit != nil {
		limit = *in.Limit
	}
	if limit < 0 || limit > 200 {
		return invalid("limit must be at most 200")
	}
	if in.After != "" {
		n, err := strconv.Atoi(string(in.After))
		if err != nil || n < 0 {
			return invalid("after must be an integer")
		}
		offset = n
	}
	if offset+limit > maxSearchOffset {
		return invalid("A search cannot go beyond %d results", maxSearchOffset)
	}
	type hit struct {
		r     *record
		props map[string]string
	}
	var hits []hit
	for _, r := range q.candidates(t, in) {
		if props := q.searchable(r); props != nil && q.matches(t, r, props, in) {
			hits = append(hits, hit{r, props})
		}
	}
	if len(in.Sorts) == 1 {
		by := in.Sorts[0]
		slices.SortStableFunc(hits, func(a, b hit) int {
			n := compareValues(t.Properties[by.Name], a.props[by.Name], b.props[by.Name])
			if by.Direction == "DESCENDING" {
				return -n
			}
			return n
		})
	}
	out := map[string]any{"total": len(hits)}
	results := []any{}
	for i := offset; i < len(hits) && len(results) < limit; i++ {
		seen := *hits[i].r
		seen.Props = hits[i].props
		results = append(results, q.render(t, &seen, view{properties: in.Properties}))
	}
	out["results"] = results
	if next := offset + limit; next < len(hits) && limit > 0 {
		out["paging"] = map[string]any{"next": map[string]any{"after": strconv.Itoa(next)}}
	}
	return reply{status: http.StatusOK, body: out}
}

var searchOperators = []string{
	"EQ", "NEQ", "LT", "LTE", "GT", "GTE", "BETWEEN", "IN", "NOT_IN",
	"HAS_PROPERTY", "NOT_HAS_PROPERTY", "CONTAINS_TOKEN", "NOT_CONTAINS_TOKEN",
}

func (in searchInput) check(t *objectType) *reply {
	var refused reply
	total := 0
	for _, g := range in.Groups {
		total += len(g.Filters)
		if len(g.Filters) > 6 {
			refused = invalid("A filter group takes at most 6 filters")
			return &refused
		}
		for _, f := range g.Filters {
			if !slices.Contains(searchOperators, f.Operator) {
				refused = invalid("Invalid operator: %s", f.Operator)
				return &refused
			}
			switch {
			case (f.Operator == "IN" || f.Operator == "NOT_IN") && len(f.Values) == 0:
				refused = invalid("operator %s requires values", f.Operator)
				return &refused
			case f.Operator == "BETWEEN" && (f.Value == "" || f.High == ""):
				refused = invalid("operator BETWEEN requires a value and a highValue")
				return &refused
			}
			if strings.HasPrefix(f.Name, "associations.") {
				continue
			}
			if t.Properties[f.Name] == nil {
				refused = invalid("There was a problem with the request: %s does not exist", f.Name)
				return &refused
			}
		}
	}
	switch {
	case len(in.Groups) > 5:
		refused = invalid("A search takes at most 5 filter groups")
	case total > 18:
		refused = invalid("A search takes at most 18 filters")
	case len(in.Sorts) > 1:
		refused = invalid("A search takes at most 1 sort")
	default:
		return nil
	}
	return &refused
}

func (q *request) matches(t *objectType, r *record, props map[string]string, in searchInput) bool {
	if in.Query != "" {
		found := false
		for name, value := range props {
			if def := t.Properties[name]; def != nil && def.Type == "string" && strings.Contains(strings.ToLower(value), strings.ToLower(in.Query)) {
				found = true
				break
			}
		}
		if !found {
			return false
		}
	}
	if len(in.Groups) == 0 {
		return true
	}
	for _, g := range in.Groups {
		all := true
		for _, f := range g.Filters {
			if !q.meets(t, r, props, f) {
				all = false
				break
			}
		}
		if all {
			return true
		}
	}
	return false
}

func (q *request) meets(t *objectType, r *record, props map[string]string, f filter) bool {
	if name, ok := strings.CutPrefix(f.Name, "associations."); ok {
		to := q.portal.typeOf(name)
		if to == nil {
			return false
		}
		ends := q.portal.Links[linkKey(t.ID, r.ID, to.ID)]
		switch f.Operator {
		case "EQ":
			return len(ends[string(f.Value)]) > 0
		case "IN":
			return slices.ContainsFunc(f.Values, func(id looseID) bool { return len(ends[string(id)]) > 0 })
		case "HAS_PROPERTY":
			return len(ends) > 0
		case "NOT_HAS_PROPERTY":
			return len(ends) == 0
		}
		return false
	}
	def := t.Properties[f.Name]
	value, has := props[f.Name]
	compare := func(with looseID) int { return compareValues(def, value, string(with)) }
	switch f.Operator {
	case "HAS_PROPERTY":
		return has
	case "NOT_HAS_PROPERTY":
		return !has
	case "EQ":
		return has && compare(f.Value) == 0
	case "NEQ":
		return !has || compare(f.Value) != 0
	case "LT":
		return has && compare(f.Value) < 0
	case "LTE":
		return has && compare(f.Value) <= 0
	case "GT":
		return has && compare(f.Value) > 0
	case "GTE":
		return has && compare(f.Value) >= 0
	case "BETWEEN":
		return has && compare(f.Value) >= 0 && compare(f.High) <= 0
	case "IN":
		return has && inList(def, value, f.Values)
	case "NOT_IN":
		return !has || !inList(def, value, f.Values)
	case "CONTAINS_TOKEN":
		return has && containsToken(value, string(f.Value))
	case "NOT_CONTAINS_TOKEN":
		return !has || !containsToken(value, string(f.Value))
	}
	return false
}

// inList compares with values that must be lower case for strings, as
// HubSpot wants them: one in capitals never matches.
func inList(def *property, value string, list []looseID) bool {
	if def.Type == "string" {
		return slices.Contains(list, looseID(strings.ToLower(value)))
	}
	return slices.ContainsFunc(list, func(v looseID) bool { return compareValues(def, value, string(v)) == 0 })
}

func containsToken(value, token string) bool {
	token = strings.ToLower(token)
	words := strings.FieldsFunc(strings.ToLower(value), func(r rune) bool { return strings.ContainsRune(" \t\n,;:@.!?()<>\"'/-", r) })
	words = append(words, strings.ToLower(value))
	switch {
	case strings.HasPrefix(token, "*") && strings.HasSuffix(token, "*") && len(token) > 1:
		return strings.Contains(strings.ToLower(value), strings.Trim(token, "*"))
	case strings.HasSuffix(token, "*"):
		return slices.ContainsFunc(words, func(w string) bool { return strings.HasPrefix(w, strings.TrimSuffix(token, "*")) })
	case strings.HasPrefix(token, "*"):
		return slices.ContainsFunc(words, func(w string) bool { return strings.HasSuffix(w, strings.TrimPrefix(token, "*")) })
	}
	if strings.ContainsAny(token, " @.-") {
		return strings.Contains(strings.ToLower(value), token)
	}
	return slices.Contains(words, token)
}

// compareValues orders two values as their property's type does.
func compareValues(def *property, a, b string) int {
	kind := "string"
	if def != nil {
		kind = def.Type
	}
	switch kind {
	case "number":
		x, err1 := strconv.ParseFloat(a, 64)
		y, err2 := strconv.ParseFloat(b, 64)
		if err1 == nil && err2 == nil {
			switch {
			case x < y:
				return -1
			case x > y:
				return 1
			}
			return 0
		}
	case "date", "datetime":
		x, ok1 := parseTime(a)
		y, ok2 := parseTime(b)
		if ok1 && ok2 {
			return x.Truncate(time.Millisecond).Compare(y.Truncate(time.Millisecond))
		}
	case "enumeration":
		return strings.Compare(a, b)
	}
	return strings.Compare(strings.ToLower(a), strings.ToLower(b))
}
