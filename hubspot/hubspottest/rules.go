package hubspottest

import (
	"fmt"
	"slices"
)

// Rule is a validation rule that an account's admin has made: values that a
// write must have. Since 2026-09 HubSpot holds the API to them.
type Rule struct {
	// When is the property on whose value the rule depends; empty: always.
	When string `json:"when,omitempty"`
	// Is are the values of When for which the rule holds; none: any value.
	Is []string `json:"is,omitempty"`
	// Require are the properties that must have a value.
	Require []string `json:"require"`
}

// SetRules replaces an object type's rules.
func (s *Server) SetRules(hubID int64, objectType string, rules ...Rule) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.st.Portals[hubID]
	if p == nil || p.typeOf(objectType) == nil {
		return fmt.Errorf("account %d has no object type %q", hubID, objectType)
	}
	t := p.typeOf(objectType)
	for _, r := range rules {
		for _, name := range append(slices.Clone(r.Require), r.When) {
			if name != "" && t.Properties[name] == nil {
				return fmt.Errorf("%s have no property %q", t.Name, name)
			}
		}
	}
	p.Rules[t.ID] = slices.Clone(rules)
	return nil
}

// broken lists the values that the account's rules miss after a write. An
// update is held to a rule only if it touches it: it says When, or it clears
// what is required. (HubSpot does not say; a record that broke the rule before
// can still be changed elsewhere.)
func (q *request) broken(t *objectType, old map[string]string, in values) []propertyProblem {
	rules := q.portal.Rules[t.ID]
	if len(rules) == 0 || q.app == nil || q.version != APIVersion && !q.portal.Settings.RulesOnOldPaths {
		return nil
	}
	after := func(name string) string {
		if v, ok := in[name]; ok {
			return v
		}
		return old[name]
	}
	var out []propertyProblem
	for _, r := range rules {
		if value := after(r.When); r.When != "" && (value == "" || len(r.Is) > 0 && !slices.Contains(r.Is, value)) {
			continue
		}
		_, touches := in[r.When]
		code := "MISSING_CONDITIONAL_REQUIRED_PROPERTY"
		if r.When == "" {
			code = "MISSING_REQUIRED_PROPERTY"
		}
		for _, name := range r.Require {
			_, clears := in[name]
			if after(name) != "" || old != nil && !touches && !clears || slices.ContainsFunc(out, func(p propertyProblem) bool { return p.Name == name }) {
				continue
			}
			out = append(out, q.portal.propertyProblem(name, code, fmt.Sprintf("Property %q is required.", name)))
		}
	}
	return out
}
