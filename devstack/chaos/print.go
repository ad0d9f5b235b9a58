package chaos

import (
	"fmt"
	"maps"
	"slices"

	"github.com/debriefhq/debrief/devstack/story"
)

// mostPrinted bounds the findings that are printed.
const mostPrinted = 40

// print tells what was injected and what was found.
func (w *world) print(tell *story.Story, r Result, p *people) {
	w.ledger.mu.Lock()
	table := [][]string{}
	for _, kind := range slices.Sorted(maps.Keys(w.ledger.Injected)) {
		table = append(table, []string{kind, fmt.Sprint(w.ledger.Injected[kind])})
	}
	table = append(table, []string{"HubSpot's answers that met no call", fmt.Sprint(w.ledger.Waiting)})
	entrances := map[string]int{}
	for _, d := range w.ledger.Decisions {
		entrances[d.Way]++
	}
	for _, way := range slices.Sorted(maps.Keys(entrances)) {
		table = append(table, []string{"answered by " + way, fmt.Sprint(entrances[way])})
	}
	w.ledger.mu.Unlock()
	for _, what := range slices.Sorted(maps.Keys(p.unscripted)) {
		table = append(table, []string{"asked beside the script: " + what, fmt.Sprint(p.unscripted[what])})
	}
	for _, k := range w.keepers {
		if n := k.ended(); n > 0 {
			table = append(table, []string{k.Name + " ended by itself", fmt.Sprint(n)})
		}
	}
	tell.Table(table...)
	for i, f := range r.Findings {
		if i == mostPrinted {
			tell.Say("… and %d more", len(r.Findings)-i)
			break
		}
		tell.Say("%s", f)
	}
}
