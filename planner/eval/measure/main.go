// Command measure plans the meetings of planner/eval and prints how well.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/debriefhq/debrief/planner/eval"
	"github.com/debriefhq/debrief/planner/model"
)

type options struct {
	dir, json                 string
	tuned, faults             bool
	kind, endpoint, name, key string
}

func main() {
	var o options
	flag.StringVar(&o.dir, "dir", "planner/eval", "where the meetings are")
	flag.StringVar(&o.json, "json", "", "a file for the figures")
	flag.BoolVar(&o.tuned, "tuned", false, "leave the kept half alone, as whoever tunes has to")
	flag.BoolVar(&o.faults, "v", false, "print what is missed and what is wrong in the half that is tuned by; the other half's faults are nobody's to see")
	flag.StringVar(&o.endpoint, "endpoint", "", "measure a real model, too: its base URL. The meetings are made up, and sent there")
	flag.StringVar(&o.kind, "kind", model.OpenAI, "what the endpoint speaks: openai or anthropic")
	flag.StringVar(&o.name, "model", "", "the model, as the endpoint calls it")
	flag.StringVar(&o.key, "key-file", "", "a file with the endpoint's key, if it wants one")
	check := flag.Bool("check", false, "say only whether the meetings are sound")
	seal := flag.Bool("seal", false, "say only whether the meetings are sound, and seal the kept half as it is")
	flag.Parse()
	load := eval.Load
	if o.tuned {
		load = eval.LoadTuned
	}
	cases, err := load(o.dir)
	switch {
	case err != nil:
		err = fmt.Errorf("loading the meetings: %w", err)
	case *seal:
		err = sealKept(o.dir)
	case !*check:
		err = measure(context.Background(), os.Stdout, cases, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// lineups are the planners that are measured.
func lineups(o options) ([]eval.Lineup, error) {
	all := []eval.Lineup{eval.Rules(), eval.WithPlatform(), eval.WithScript()}
	if o.endpoint == "" {
		return all, nil
	}
	c := model.Config{Kind: o.kind, Endpoint: o.endpoint, Name: o.name}
	if o.key != "" {
		raw, err := os.ReadFile(o.key)
		if err != nil {
			return nil, fmt.Errorf("reading the endpoint's key: %w", err)
		}
		c.Key = strings.TrimSpace(string(raw))
	}
	m, err := model.New(c)
	if err != nil {
		return nil, fmt.Errorf("setting the model up: %w", err)
	}
	return append(all, eval.WithModel(o.name, m)), nil
}

func sealKept(dir string) error {
	sum, err := eval.Seal(dir)
	if err != nil {
		return fmt.Errorf("sealing the kept half: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, eval.SealFile), []byte(sum+"\n"), 0o600); err != nil {
		return fmt.Errorf("sealing the kept half: %w", err)
	}
	return nil
}

func measure(ctx context.Context, out io.Writer, cases []eval.Case, o options) error {
	measured, err := lineups(o)
	if err != nil {
		return err
	}
	results, err := eval.MeasureAll(ctx, cases, measured...)
	if err != nil {
		return fmt.Errorf("measuring: %w", err)
	}
	fmt.Fprint(out, eval.Tables(results))
	for _, r := range results {
		for half, s := range r.Halves {
			if s.NotHeard > 0 {
				fmt.Fprintf(out, "%s: the model was not heard about %d of %d meetings of %s.\n", r.Lineup, s.NotHeard, s.Meetings, half)
			}
		}
		if !o.faults {
			continue
		}
		fmt.Fprintf(out, "\n%s, tuned:\n", r.Lineup)
		for _, fault := range r.Halves[eval.Tuned].Faults {
			fmt.Fprintln(out, "  "+fault)
		}
	}
	if o.json == "" {
		return nil
	}
	raw, err := json.MarshalIndent(results, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the figures: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(o.json), 0o750); err != nil {
		return fmt.Errorf("making room for the figures: %w", err)
	}
	if err := os.WriteFile(o.json, append(raw, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the figures: %w", err)
	}
	return nil
}
