package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/planner/model/modeltest"
	"github.com/debriefhq/debrief/store"
)

// runsFolder is where recorded runs write their pages: DEBRIEF_RUNS, as `make runs`
// sets it. Without it they compare themselves with the pages that are kept.
func runsFolder() (folder string, write bool) {
	if folder = os.Getenv("DEBRIEF_RUNS"); folder != "" {
		return folder, true
	}
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "docs", "runs"), false
}

// page is a run as a text for people. What differs from run to run is not in it.
type page struct{ text strings.Builder }

// say adds a paragraph.
func (p *page) say(format string, args ...any) { fmt.Fprintf(&p.text, format+"\n\n", args...) }

// block adds a text as it is.
func (p *page) block(language, text string) {
	p.say("```%s\n%s\n```", language, strings.TrimRight(text, "\n "))
}

// table adds rows; the first is the heading.
func (p *page) table(rows [][]string) {
	for i, row := range rows {
		for j, cell := range row {
			row[j] = strings.ReplaceAll(cell, "|", `\|`)
		}
		fmt.Fprintf(&p.text, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			fmt.Fprintf(&p.text, "|%s\n", strings.Repeat("---|", len(row)))
		}
	}
	p.text.WriteString("\n")
}

var (
	anyID    = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyPort  = regexp.MustCompile(`127\.0\.0\.1:[0-9]+`)
	anyFile  = regexp.MustCompile(`/\S*/TestRecorded\S*`)
	anyURL   = regexp.MustCompile(`https://app\.hubspot\.com/\S+`)
	anyUntil = regexp.MustCompile(`ID, until .*`)
	anySpace = regexp.MustCompile(`  +`)
)

// steady leaves out of a text what differs from run to run.
func (sc *scene) steady(text string) string {
	text = strings.ReplaceAll(text, sc.Organization, "brightwater")
	text = anyUntil.ReplaceAllString(anyURL.ReplaceAllString(anyID.ReplaceAllString(text, "ID"), "https://app.hubspot.com/…"), "ID, until a week from now")
	text = anyFile.ReplaceAllString(anyPort.ReplaceAllString(text, "127.0.0.1:PORT"), "FILE")
	return strings.TrimRight(text, "\n ")
}

// keep writes the page, or compares it with what is written.
func (r *recording) keep(name string) {
	r.t.Helper()
	keepPage(r.t, name, r.page.text.String())
}

func keepPage(t *testing.T, name, text string) {
	t.Helper()
	folder, write := runsFolder()
	path := filepath.Join(folder, name)
	text = strings.TrimRight(text, "\n") + "\n"
	if write {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644)) //nolint:gosec // a page of the documentation
		return
	}
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(kept), text, "docs/runs/%s tells another story. If the new one is right, `make runs` writes it down", name)
}

// command runs one of Debrief's commands, and tells what it said.
func (r *recording) command(args ...string) string {
	r.t.Helper()
	out := r.run(args...)
	shown := slices.Clone(args)
	for i, arg := range shown {
		if strings.Contains(arg, " ") {
			shown[i] = strconv.Quote(arg)
		}
	}
	r.page.block("console", r.steady("$ debrief "+strings.Join(shown, " ")+"\n"+out))
	return out
}

// masked is a text of which only the length is told.
func masked(text string) string {
	words, what := len(strings.Fields(text)), "words"
	if words == 1 {
		what = "word"
	}
	return fmt.Sprintf("(%d %s)", words, what)
}

var (
	saidLine = regexp.MustCompile(`^(\d\d:\d\d) ([^:]+): (.*)$`)
	anyFact  = regexp.MustCompile(`(name|job title|amount|closes|stage|subject): ([^;]*)`)
)

// shape is a request without anybody's words: what was sent, and how much of it.
func shape(asked modeltest.Asked) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	var body struct {
		Max    int `json:"max_tokens"`
		MaxNew int `json:"max_completion_tokens"`
	}
	_ = json.Unmarshal([]byte(asked.Body), &body) // what is missing is 0, and shows
	path := map[string]string{"openai": "/v1/chat/completions", "anthropic": "/v1/messages"}[asked.Kind]
	key := "without a key"
	if asked.Key != "" {
		key = "with the key"
	}
	line("POST %s", path)
	line("model %s, %s, at most %d tokens of answer, JSON by a schema", asked.Model, key, body.Max+body.MaxNew)
	_, playbooks, _ := strings.Cut(asked.System, "What this organization adds for meetings like this one:\n")
	line("system: the instructions; of the playbook %s", masked(playbooks))
	for i, turn := range asked.Turns[1:] {
		if i%2 == 0 {
			line("then the model's own answer: %s", masked(turn))
		} else {
			line("then what is wrong with it: %s", masked(turn))
		}
	}
	inside, properties := false, map[string]int{}
	object := ""
	var order []string
	for text := range strings.Lines(asked.Turns[0]) {
		text = strings.TrimRight(text, "\n")
		switch {
		case strings.HasPrefix(text, "<words-"):
			line("properties of %s", counts(order, properties))
			line("<words-…>")
			inside = true
		case strings.HasPrefix(text, "</words-"):
			line("</words-…>")
			inside = false
		case !inside && strings.HasPrefix(text, "Properties of a "):
			object = strings.TrimSuffix(strings.TrimPrefix(text, "Properties of a "), ":")
			order = append(order, object)
		case !inside && text == "Owners:":
			object = "owners"
			order = append(order, object)
		case !inside && strings.HasPrefix(text, "- "):
			properties[object]++
		case !inside && (strings.HasPrefix(text, "Tools: ") || strings.HasPrefix(text, "The meeting was on ")):
			line("%s", text)
		case !inside || text == "":
		case strings.HasPrefix(text, "Title: "):
			line("Title: %s", masked(strings.TrimPrefix(text, "Title: ")))
		case strings.HasPrefix(text, "- r"):
			line("%s", anyFact.ReplaceAllString(text, "$1: …"))
		case strings.HasPrefix(text, "["), text == "Records:", text == "Words:":
			line("%s", text)
		case strings.HasPrefix(text, "People of the organization who were there:"):
			line("People of the organization who were there: %d", strings.Count(text, ";"))
		default:
			if m := saidLine.FindStringSubmatch(text); m != nil {
				line("%s …: %s", m[1], masked(m[3]))
			} else {
				line("%s", masked(text))
			}
		}
	}
	return b.String()
}

// counts tells how many of each there are.
func counts(order []string, of map[string]int) string {
	var parts []string
	for _, name := range order {
		parts = append(parts, fmt.Sprintf("%s: %d", name, of[name]))
	}
	return strings.Join(parts, ", ")
}

// answered is what the endpoint did.
func answered(r modeltest.Reply) string {
	switch {
	case r.Silent:
		return "No answer came in time."
	case r.Status != 0 && r.RetryAfter > 0:
		return fmt.Sprintf("HTTP %d, Retry-After: %d.", r.Status, r.RetryAfter)
	case r.Status != 0:
		return fmt.Sprintf("HTTP %d.", r.Status)
	default:
		return fmt.Sprintf("HTTP 200, for %d tokens of input and %d of output:", r.In, r.Out)
	}
}

// quoted are the words that something follows from.
func quoted(evidence []meeting.Evidence) string {
	var all []string
	for _, e := range evidence {
		from := e.Source
		if e.Speaker != "" {
			from = fmt.Sprintf("%s, %02d:%02d", e.Speaker, e.OffsetSeconds/60, e.OffsetSeconds%60)
		}
		all = append(all, fmt.Sprintf("“%s” (%s)", e.Quote, from))
	}
	return strings.Join(all, "; ")
}

// changes are the properties that an action writes, but for texts that stand
// elsewhere.
func changes(content store.ActionContent) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(content.Properties)) {
		value := anySpace.ReplaceAllString(strings.ReplaceAll(content.Properties[name], "\n", " "), " ")
		if strings.HasSuffix(name, "_body") {
			value = masked(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(value, " "))
		}
		if before, ok := content.Before[name]; ok && before != "" {
			value = before + " → " + value
		}
		all = append(all, name+" = "+value)
	}
	return strings.Join(all, "<br>")
}

// planned is the plan with what it follows from.
func planned(actions []store.Action) [][]string {
	rows := [][]string{{"tool", "what", "changes", "follows from", "doubt"}}
	for _, a := range actions {
		rows = append(rows, []string{a.Tool.String(), a.Content.Label, changes(a.Content), quoted(a.Content.Evidence), a.Content.Doubt})
	}
	// Two changes of one record stand in the order of their keys, which are another
	// meeting's in the next run.
	slices.SortStableFunc(rows[1:], func(a, b []string) int {
		if a[0] == b[0] && a[1] == b[1] {
			return strings.Compare(a[2], b[2])
		}
		return 0
	})
	return rows
}

// inOrder sorts the parts of a text but the first, for the same reason.
func inOrder(text, separator string) string {
	parts := strings.Split(strings.TrimRight(text, "\n"), separator)
	slices.Sort(parts[1:])
	return strings.Join(parts, separator)
}

// written tells what Debrief wrote to HubSpot, record by record.
func (r *recording) written() []string {
	r.t.Helper()
	names := map[string]string{}
	for objectType, property := range map[string]string{
		"contacts": "email", "companies": "name", "deals": "dealname", "tickets": "subject", "tasks": "hs_task_subject", "meetings": "hs_meeting_title",
	} {
		for _, record := range r.world.Simulator.Records(r.HubID, objectType) {
			names[objectType+record.ID] = record.Properties[property]
		}
	}
	for _, record := range r.world.Simulator.Records(r.HubID, "notes") {
		names["notes"+record.ID] = "the note"
	}
	var lines []string
	links := map[string][]string{}
	for _, w := range r.writes() {
		if w.Operation == "associate" {
			from := w.ObjectType + w.ID
			links[from] = append(links[from], fmt.Sprintf("%s “%s”", w.ToType, names[w.ToType+w.ToID]))
		}
	}
	for _, w := range r.writes() {
		if w.Operation == "associate" {
			continue
		}
		var values []string
		for _, name := range slices.Sorted(maps.Keys(w.Properties)) {
			if name != store.KeyProperty {
				values = append(values, name+"="+stripped(w.Properties[name]))
			}
		}
		line := fmt.Sprintf("%s %s “%s”: %s", w.Operation, w.ObjectType, names[w.ObjectType+w.ID], strings.Join(values, "; "))
		if on := unique(links[w.ObjectType+w.ID]); len(on) > 0 && w.Operation == "create" {
			line += "\n    on " + strings.Join(on, ", ")
		}
		lines = append(lines, line)
	}
	slices.Sort(lines)
	return lines
}

// unique are the texts in order, each once.
func unique(texts []string) []string {
	texts = slices.Clone(texts)
	slices.Sort(texts)
	return slices.Compact(texts)
}

var tags = regexp.MustCompile(`<[^>]*>`)

// stripped is HTML as text on one line.
func stripped(value string) string {
	return strings.Join(strings.Fields(tags.ReplaceAllString(value, " ")), " ")
}

// cost is what each call of the model took, but for how long. What was set aside for a
// call that nobody answered depends on the length of the question.
func cost(calls []store.ModelCall) [][]string {
	rows := [][]string{{"call", "outcome", "HTTP", "tokens", "cost"}}
	for _, c := range slices.Backward(calls) {
		status, tokens, money := strconv.Itoa(c.Status), fmt.Sprintf("%d + %d", c.InputTokens, c.OutputTokens), c.Cost.String()
		switch {
		case c.Outcome == store.ModelAnswered:
			status = "200"
		case c.Status == 0:
			status, tokens, money = "–", "as set aside", "as set aside"
		case c.InputTokens+c.OutputTokens == 0:
			tokens, money = "–", "–"
		}
		rows = append(rows, []string{strconv.Itoa(c.Try), c.Outcome, status, tokens, money})
	}
	return rows
}

var recapOnPage = regexp.MustCompile(`(?s)<textarea readonly[^>]*>(.*?)</textarea>`)
