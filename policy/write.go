package policy

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Write is what a request would write.
type Write struct {
	// Changes are the properties, at most one of each name.
	Changes []Change
	// Source is the platform that told of the meeting; empty if not known, or if
	// there were several.
	Source string
	// Confidence of who proposed it, from 0 to 1; nil if nobody said.
	Confidence *float64
	// TargetOfAttendee: the record is an attendee's, or their company's, or hangs
	// on one of those; nil if not known.
	TargetOfAttendee *bool
	// ClosesDeal: the stage that a deal gets is a closed one; nil if not known.
	// HubSpot's own closedwon and closedlost are known without it.
	ClosesDeal *bool
	// Amount is the deal's amount afterwards, in the account's company currency, and
	// AmountBefore what it is now; nil if it can't be told.
	Amount, AmountBefore *float64
	// Currency says what is known of the amount's currency. Where it is judged, what
	// rules see of the property amount are Amount and AmountBefore.
	Currency Currency
}

// Currency says whether an amount's currency is one of the account's.
type Currency string

// What is known of a currency. The zero value stands for "not judged". Missing and
// unknown ones ask, whatever rules there are.
const (
	CurrencyKnown   Currency = "known"
	CurrencyUnknown Currency = "unknown"
	CurrencyMissing Currency = "missing"
)

// Change is one property that would be written.
type Change struct {
	Property string
	// Old is what the record has; "" if it is empty, nil if that is not known.
	Old *string
	New string
	// Type as the account's schema has it; empty if not known: numbers that
	// HubSpot itself defines are known nevertheless.
	Type Type
}

// Type is how the values of a property are compared.
type Type string

// The types. What is neither is text: IDs and enumerations are, even if they
// look like numbers.
const (
	Text   Type = "string"
	Number Type = "number"
	Bool   Type = "bool"
)

// numbers are the numeric properties of HubSpot's own objects that rules are
// about. From HubSpot's default deal and company properties, November 2026.
var numbers = []string{
	"amount", "annualrevenue", "hs_acv", "hs_arr", "hs_deal_stage_probability", "hs_forecast_amount", "hs_mrr",
	"hs_projected_amount", "hs_tcv", "numberofemployees",
}

// decimal is what HubSpot takes for a number. NaN, which compares false with
// everything and so would slip past every rule, is none.
var decimal = regexp.MustCompile(`^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$`)

// value is a property's value for rules to compare. One that is not what its
// property's type promises stays text: comparing it as a number fails, and asks.
func (c Change) value(s string) any {
	t := c.Type
	if t == "" && slices.Contains(numbers, c.Property) {
		t = Number
	}
	switch t {
	case Number:
		if n := strings.TrimSpace(s); decimal.MatchString(n) {
			if f, err := strconv.ParseFloat(n, 64); err == nil {
				return f
			}
		}
	case Bool:
		if b, err := strconv.ParseBool(strings.TrimSpace(s)); err == nil {
			return b
		}
	default:
	}
	return s
}

// same says whether a change changes nothing.
func (c Change) same() bool { return c.Old != nil && c.value(*c.Old) == c.value(c.New) }

// parts are the changes, or one without a property if there is none.
func (r Request) parts() []Change {
	if r.Write == nil || len(r.Write.Changes) == 0 {
		return []Change{{}}
	}
	return r.Write.Changes
}

func isMoney(property string) bool { return property == "amount" || property == "deal_currency_code" }

func isOwner(property string) bool { return strings.HasSuffix(property, "owner_id") }

// ownerChange says whether a record that is there gets another owner.
func (r Request) ownerChange() bool {
	return r.Tool.Operation == Update && slices.ContainsFunc(r.Write.Changes, func(c Change) bool { return isOwner(c.Property) && !c.same() })
}

// closesDeal says whether a deal gets a closed stage; known is false where
// nobody can tell.
func (r Request) closesDeal() (closes, known bool) {
	i := slices.IndexFunc(r.Write.Changes, func(c Change) bool { return c.Property == "dealstage" })
	if r.Tool.Object != "deal" || i < 0 || r.Write.Changes[i].same() || r.Write.Changes[i].New == "" {
		return false, true
	}
	if stage := r.Write.Changes[i].New; stage == "closedwon" || stage == "closedlost" {
		return true, true
	}
	if r.Write.ClosesDeal == nil {
		return false, false
	}
	return *r.Write.ClosesDeal, true
}
