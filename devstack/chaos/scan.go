package chaos

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/protobuf/proto"

	"github.com/debriefhq/debrief/devstack"
)

// needles are texts that may stand nowhere, in every form in which they might.
type needles struct {
	forms  []string // in lower case
	names  []string // what each is
	emails *regexp.Regexp
}

func newNeedles() *needles {
	// All addresses of a run are below this domain.
	return &needles{emails: regexp.MustCompile(`[a-z0-9._%+-]+@[a-z0-9.-]+\.example`)}
}

// add looks for a text as it is, in hexadecimal, and in base64 at any of its three
// alignments.
func (n *needles) add(name, text string) {
	forms := []string{text, hex.EncodeToString([]byte(text))}
	for skip := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", skip) + text))
		// What its neighbours have a part in is left out.
		first, last := []int{0, 2, 3}[skip], len(encoded)
		if (skip+len(text))%3 != 0 {
			last -= 4
		}
		forms = append(forms, encoded[first:last])
	}
	for _, form := range forms {
		n.forms, n.names = append(n.forms, strings.ToLower(form)), append(n.names, name)
	}
}

// in lists what stands in a text, each once.
func (n *needles) in(text string) []string {
	text = lower(text)
	found := map[string]bool{}
	var all []string
	take := func(name string) {
		if !found[name] {
			found[name] = true
			all = append(all, name)
		}
	}
	for i, form := range n.forms {
		if strings.Contains(text, form) {
			take(n.names[i])
		}
	}
	if strings.Contains(text, "@") && n.emails.MatchString(text) {
		take("e-mail address")
	}
	return all
}

// lower is a text in lower case as far as it is ASCII, as all needles are; what is no
// text at all stays what it is.
func lower(text string) string {
	raw := []byte(text)
	for i, c := range raw {
		if 'A' <= c && c <= 'Z' {
			raw[i] = c + 'a' - 'A'
		}
	}
	return string(raw)
}

// secrets collects everything of this run that is to be known to nobody.
func (w *world) secrets() (*needles, error) {
	n := newNeedles()
	for _, word := range Canaries() {
		n.add("spoken word "+word, word)
	}
	file := filepath.Join(filepath.Dir(setting(w.Env(), "DEBRIEF_KEYSET_FILE")), "looked-at.json")
	if err := w.Simulator.Save(file); err != nil {
		return nil, fmt.Errorf("asking the simulator for its tokens: %w", err)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the simulator's tokens: %w", err)
	}
	var state struct{ Access, Refresh map[string]struct{} }
	if err := json.Unmarshal(raw, &state); err != nil {
		return nil, fmt.Errorf("reading the simulator's tokens: %w", err)
	}
	for token := range state.Access {
		n.add("access token", token)
	}
	for token := range state.Refresh {
		n.add("refresh token", token)
	}
	n.add("client secret", devstack.ClientSecret)
	n.add("client secret", privateClientSecret)
	for _, t := range w.tenants {
		n.add("signing secret", strings.TrimPrefix(t.SourceSecret, "whsec_"))
		n.add("session", t.session.Reveal())
	}
	return n, nil
}

// alarms are what no process may log, whatever is done to it.
var alarms = map[string]string{
	// https://github.com/temporalio/rules/blob/main/rules/TMPRL1100.md
	"TMPRL1100":          "workflow that does not replay",
	"WARNING: DATA RACE": "data race",
}

// said looks for secrets and private words in what the processes logged, and in
// everything that Temporal has.
func (w *world) said(ctx context.Context, f *Facts) error {
	n, err := w.secrets()
	if err != nil {
		return err
	}
	seen := map[Spill]bool{}
	var mu sync.Mutex
	alarm := func(s Spill) {
		mu.Lock()
		defer mu.Unlock()
		if !seen[s] {
			seen[s] = true
			f.Said = append(f.Said, s)
		}
	}
	take := func(where string, text string) {
		for _, what := range n.in(text) {
			alarm(Spill{What: what, Where: where})
		}
	}
	for where, path := range map[string]string{
		"a log line of ": w.opts.Log, "Temporal's log: ": filepath.Join(filepath.Dir(setting(w.Env(), "DEBRIEF_KEYSET_FILE")), "temporal.log"),
	} {
		if err := eachLine(path, func(line string) {
			process, rest, _ := strings.Cut(line, " | ")
			if process == "chaos" {
				return
			}
			take(where+process, rest)
			for sign, what := range alarms {
				if strings.Contains(rest, sign) {
					alarm(Spill{What: what, Where: where + process})
				}
			}
			if strings.HasPrefix(rest, "panic: ") || strings.HasPrefix(rest, "fatal error: ") {
				alarm(Spill{What: "crash", Where: where + process})
			}
		}); err != nil {
			return err
		}
	}
	return w.histories(ctx, take)
}

func eachLine(path string, do func(line string)) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("reading a log: %w", err)
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		do(lines.Text())
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("reading a log: %w", err)
	}
	return nil
}

// historiesAtOnce is how many histories are read at the same time.
const historiesAtOnce = 4

// histories reads all that Temporal tells somebody without Debrief's keys.
func (w *world) histories(ctx context.Context, take func(where, text string)) error {
	runs := make(chan *workflow.WorkflowExecutionInfo)
	var readers sync.WaitGroup
	var mu sync.Mutex
	var failed error
	for range historiesAtOnce {
		readers.Go(func() {
			for run := range runs {
				if err := w.history(ctx, run, take); err != nil {
					mu.Lock()
					failed = err
					mu.Unlock()
				}
			}
		})
	}
	request := &workflowservice.ListWorkflowExecutionsRequest{Namespace: devstack.Namespace, PageSize: 500}
	for {
		page, err := w.temporal.ListWorkflow(ctx, request)
		if err != nil {
			mu.Lock()
			failed = fmt.Errorf("listing what Temporal has: %w", err)
			mu.Unlock()
			break
		}
		for _, run := range page.GetExecutions() {
			runs <- run
		}
		if request.NextPageToken = page.GetNextPageToken(); len(request.NextPageToken) == 0 {
			break
		}
	}
	close(runs)
	readers.Wait()
	return failed
}

func (w *world) history(ctx context.Context, run *workflow.WorkflowExecutionInfo, take func(where, text string)) error {
	see := func(where string, m proto.Message) error {
		raw, err := proto.Marshal(m)
		if err != nil {
			return fmt.Errorf("encoding what Temporal has: %w", err)
		}
		take(where, string(raw))
		return nil
	}
	// Its search attributes and its memo are in it.
	if err := see("what Temporal lists of a "+run.GetType().GetName(), run); err != nil {
		return err
	}
	var page []byte
	for {
		got, err := w.temporal.WorkflowService().GetWorkflowExecutionHistory(ctx, &workflowservice.GetWorkflowExecutionHistoryRequest{
			Namespace: devstack.Namespace, Execution: run.GetExecution(), NextPageToken: page,
		})
		if err != nil {
			return fmt.Errorf("reading a history: %w", err)
		}
		if err := see("the history of a "+run.GetType().GetName(), got.GetHistory()); err != nil {
			return err
		}
		if page = got.GetNextPageToken(); len(page) == 0 {
			return nil
		}
	}
}
