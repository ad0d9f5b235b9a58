package policy_test

import (
	"testing"

	"github.com/debriefhq/debrief/policy"
)

// What a rule costs where it is decided: it is compiled once ([policy.Compiler]), and
// evaluated for each property.
func BenchmarkCompileRule(b *testing.B) {
	for b.Loop() {
		policy.Conditions([]policy.Rule{{Name: "big", When: `property == "amount" && new > 50000`, Then: policy.Ask}})
	}
}

func BenchmarkDecideWithRule(b *testing.B) {
	tool := policy.Tool{Object: "deal", Operation: policy.Update}
	p := policy.Policy{
		Permissions: policy.Permissions{tool: policy.Allow},
		Conditions:  policy.Conditions([]policy.Rule{{Name: "big", When: `property == "amount" && new > 50000`, Then: policy.Ask}}),
	}
	r := policy.Request{Tool: tool, Write: &policy.Write{Changes: []policy.Change{{Property: "amount", New: "60000"}, {Property: "dealname", New: "x"}}}}
	for b.Loop() {
		p.Decide(r)
	}
}
