package eval

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Result is what a lineup scored.
type Result struct {
	Lineup string         `json:"planners"`
	Halves map[Half]Score `json:"halves"`
}

// measured are the halves that were.
func (r Result) measured() []Half {
	return slices.DeleteFunc([]Half{Tuned, Kept}, func(h Half) bool { return r.Halves[h].Meetings == 0 })
}

func percent(part, of int) string {
	if of == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f %%", 100*float64(part)/float64(of))
}

// Tables are results to read: the sums, then recall and precision of each tool.
func Tables(results []Result) string {
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...string) { fmt.Fprintln(w, strings.Join(cells, "\t")+"\t") }
	for _, r := range results {
		row(r.Lineup, "meetings", "right actions", "proposed", "as a question", "precision", "questions/meeting", "cards/meeting", "wrong writes", "planted caught")
		for _, half := range r.measured() {
			s := r.Halves[half]
			each := func(n int) string { return fmt.Sprintf("%.2f", float64(n)/float64(max(s.Meetings, 1))) }
			row(string(half), fmt.Sprint(s.Meetings), fmt.Sprint(s.Expected), fmt.Sprintf("%d  %s", s.Found, percent(s.Found, s.Expected)), fmt.Sprintf("%d  %s", s.Asked, percent(s.Asked, s.Found)),
				percent(s.Right, s.Right+s.Wrong), each(s.Questions), each(s.Cards), fmt.Sprint(s.WrongWrites), fmt.Sprintf("%d of %d", s.Caught, s.Planted))
		}
		row("")
	}
	_ = w.Flush()
	for _, r := range results {
		w = tabwriter.NewWriter(&out, 0, 0, 2, ' ', tabwriter.AlignRight)
		row := func(cells ...string) { fmt.Fprintln(w, strings.Join(cells, "\t")+"\t") }
		head := []string{r.Lineup}
		for _, half := range r.measured() {
			head = append(head, string(half)+": expected", "recall", "precision", "wrong writes")
		}
		row(head...)
		names := map[string]bool{}
		for _, half := range r.Halves {
			for name := range half.Tools {
				names[name] = true
			}
		}
		for _, name := range slices.Sorted(maps.Keys(names)) {
			cells := []string{name}
			for _, half := range r.measured() {
				t := r.Halves[half].Tools[name]
				if t == nil {
					t = &ToolScore{}
				}
				cells = append(cells, fmt.Sprint(t.Expected), percent(t.Found, t.Expected), percent(t.Right, t.Right+t.Wrong), fmt.Sprint(t.WrongWrites))
			}
			row(cells...)
		}
		row("")
		_ = w.Flush()
	}
	return out.String()
}
