package chaos

import (
	"fmt"
	"strings"
)

// bookings: each host was briefed, and of nothing twice.
func (a *audit) bookings() {
	rows := map[string]int{}
	for _, d := range a.facts.Deliveries {
		rows[d.ID]++
	}
	for _, b := range a.script.Bookings {
		find := func(kind Kind, expected, found, where string) {
			a.findings = append(a.findings, Finding{Kind: kind, Meeting: b.Name, Expected: expected, Found: found, Where: where})
		}
		for _, d := range b.Deliveries {
			switch n := rows[d.ID]; {
			case a.ledger.Delivered[d.ID] > 0 && n == 0:
				find(Lost, "a row of the acknowledged delivery "+d.ID, "none", "deliveries.dedupe_key = "+d.ID)
			case n > 1:
				find(Duplicated, "one row of the delivery "+d.ID, fmt.Sprint(n), "deliveries.dedupe_key = "+d.ID)
			}
		}
		told := map[string]string{} // texts by what makes messages one
		for _, t := range a.facts.Told {
			if t.Channel == b.Channel && strings.Contains(t.Text, b.Name) {
				told[t.ID] = t.Text
			}
		}
		if len(told) == 0 && !b.Canceled {
			find(Lost, "a brief by "+b.Channel, "none", "briefings, notices")
		}
		texts := map[string]int{}
		for _, text := range told {
			texts[text]++
		}
		for _, n := range texts {
			if n > 1 {
				find(Duplicated, "one brief by "+b.Channel, fmt.Sprintf("%d with the same words", n), "briefings, notices")
			}
		}
		// Whatever is new is told below the first message, not in another one.
		if b.Channel == BySlackMessage && len(told) > 1 {
			find(Duplicated, "one message in Slack", fmt.Sprint(len(told)), "notices")
		}
	}
}
