package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

type shadowCmd struct {
	Report shadowReportCmd `cmd:"" help:"Compare what Debrief would have written with what people entered by themselves in the same days."`
}

type shadowReportCmd struct {
	jsonFlag

	Days int `default:"7" help:"How many days back."`
}

func (c *shadowReportCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "shadow")
	if err != nil {
		return err
	}
	shadow := activities.Shadow{Store: s, Gate: a.gate(s, a.connectionsService(s)), Actor: store.Operator}
	report, err := shadow.Report(ctx, o.ID, time.Now().AddDate(0, 0, -c.Days))
	if err != nil {
		return err
	}
	return a.show(c.JSON, report, func() { a.printShadow(report, c.Days) })
}

func (a *app) printShadow(report store.ShadowReport, days int) {
	rows := [][]string{{"TOOL", "SAME", "DIFFERENT", "NOBODY ENTERED IT", "NOT COMPARED"}}
	counts := func(name string, n store.ShadowCounts) []string {
		return []string{name, strconv.Itoa(n.Same), strconv.Itoa(n.Different), strconv.Itoa(n.Nobody), strconv.Itoa(n.NotCompared)}
	}
	byName := func(a, b policy.Tool) int { return strings.Compare(a.String(), b.String()) }
	for _, tool := range slices.SortedFunc(maps.Keys(report.Tools), byName) {
		rows = append(rows, counts(tool.String(), report.Tools[tool]))
	}
	if len(report.Tools) > 0 {
		rows = append(rows, counts("all", report.ShadowCounts))
	}
	a.table(fmt.Sprintf("Nothing was planned in shadow in the last %d days: `debrief tools preset shadow` begins it.", days), rows)
	why := map[string]int{}
	for _, line := range report.Lines {
		if line.Why != "" {
			why[line.Why]++
		}
	}
	if len(why) > 0 {
		a.say("\nNot compared:")
		for _, reason := range slices.Sorted(maps.Keys(why)) {
			a.say("  %d: %s", why[reason], reason)
		}
	}
	if report.Cut {
		a.say("\nOnly the newest %d were compared.", len(report.Lines))
	}
}
