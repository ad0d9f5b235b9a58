package main

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/debriefhq/debrief/meeting"
	"github.com/debriefhq/debrief/store"
)

type exclusionsCmd struct {
	List    exclusionsListCmd    `cmd:"" help:"Show the rules."`
	Add     exclusionsAddCmd     `cmd:"" help:"Exclude: internal and private meetings, or those with a word in the title, a host, or somebody of a domain."`
	Remove  exclusionsRemoveCmd  `cmd:"" help:"Take a rule back. What was dropped stays dropped."`
	Preview exclusionsPreviewCmd `cmd:"" help:"Show what the rules, and others that you try out, would have dropped."`
}

// exclusionRule is one rule as it is typed.
type exclusionRule struct {
	Kind  string `arg:"" help:"internal, private, title-word, host or domain." enum:"internal,private,title-word,host,domain"`
	Value string `arg:"" optional:"" help:"The word (or words), the host's address, or the domain."`
}

// apply adds the rule to x, or takes it away.
func (r exclusionRule) apply(x *meeting.Exclusions, add bool) error {
	value := strings.ToLower(strings.TrimSpace(r.Value))
	flags := map[string]*bool{"internal": &x.KeepInternal, "private": &x.KeepPrivate}
	if keep, is := flags[r.Kind]; is {
		if value != "" {
			return usagef("the rule %q takes no value", r.Kind)
		}
		*keep = !add
		return nil
	}
	list := map[string]*[]string{"title-word": &x.TitleWords, "host": &x.Hosts, "domain": &x.Domains}[r.Kind]
	if r.Kind == "domain" {
		value = strings.TrimPrefix(value, "@")
	}
	switch {
	case value == "":
		return usagef("the rule %q needs a value", r.Kind)
	case r.Kind == "host" && !strings.Contains(value, "@"):
		return usagef("a host is an e-mail address, such as ada@example.com")
	case r.Kind == "domain" && (strings.ContainsAny(value, "@ /") || !strings.Contains(value, ".")):
		return usagef("a domain is written as in example.com")
	case r.Kind == "title-word" && strings.IndexFunc(value, func(c rune) bool { return c > ' ' && !strings.ContainsRune(".,:;!?-_/()[]", c) }) < 0:
		return usagef("a title word needs a letter or a digit")
	}
	at := slices.Index(*list, value)
	switch {
	case add && at < 0:
		*list = append(slices.Clone(*list), value)
	case !add && at < 0:
		return &notFoundError{sentence: "there is no such rule: `debrief exclusions list` shows them"}
	case !add:
		*list = slices.Delete(slices.Clone(*list), at, at+1)
	}
	return nil
}

type exclusionsListCmd struct{ jsonFlag }

func (c *exclusionsListCmd) Run(ctx context.Context, a *app) error {
	_, o, err := a.open(ctx, "exclusions")
	if err != nil {
		return err
	}
	return a.show(c.JSON, o.Settings.Exclusions, func() { a.sayExclusions(o) })
}

func (a *app) sayExclusions(o store.Organization) {
	x := o.Settings.Exclusions
	rows := [][]string{{"RULE", "VALUE"}}
	if !x.KeepInternal {
		who := "everybody is of " + strings.Join(o.Domains, ", ")
		if len(o.Domains) == 0 {
			who = "without effect: the organization has no domain"
		}
		rows = append(rows, []string{"internal", who})
	}
	if !x.KeepPrivate {
		rows = append(rows, []string{"private", "marked so by the host"})
	}
	for _, list := range []struct {
		kind   string
		values []string
	}{{"title-word", x.TitleWords}, {"host", x.Hosts}, {"domain", x.Domains}} {
		for _, v := range list.values {
			rows = append(rows, []string{list.kind, v})
		}
	}
	a.table("Every meeting is kept.", rows)
}

type exclusionsAddCmd struct {
	jsonFlag
	exclusionRule
}

func (c *exclusionsAddCmd) Run(ctx context.Context, a *app) error {
	return c.change(ctx, a, c.JSON, true, "From now on such meetings are excluded. `debrief exclusions preview` shows what that would have meant.")
}

type exclusionsRemoveCmd struct {
	jsonFlag
	exclusionRule
}

func (c *exclusionsRemoveCmd) Run(ctx context.Context, a *app) error {
	return c.change(ctx, a, c.JSON, false, "From now on such meetings are kept. What was dropped stays dropped.")
}

func (r exclusionRule) change(ctx context.Context, a *app, asJSON, add bool, done string) error {
	s, o, err := a.open(ctx, "exclusions")
	if err != nil {
		return err
	}
	if err := r.apply(&o.Settings.Exclusions, add); err != nil {
		return err
	}
	if err := s.UpdateSettings(ctx, o.ID, o.Domains, o.Settings, store.Operator); err != nil {
		return err
	}
	return a.done(asJSON, "%s", done)
}

type exclusionsPreviewCmd struct {
	jsonFlag

	Days int      `help:"How many days back." default:"7"`
	With []string `help:"A further rule to try out, such as title-word=salary or internal. May be repeated." placeholder:"KIND[=VALUE]" sep:"none"`
}

// preview is what the rules would have dropped, and what they did drop.
type preview struct {
	Days     int              `json:"days"`
	Meetings int              `json:"meetings"`
	Would    []previewMeeting `json:"would"`
	// Dropped are meetings whose content the rules have dropped, by rule.
	Dropped map[meeting.Exclusion]int `json:"dropped"`
	Cut     bool                      `json:"cut,omitempty"`
}

type previewMeeting struct {
	Start time.Time         `json:"start"`
	Title string            `json:"title"`
	Rule  meeting.Exclusion `json:"rule"`
}

// maxPreview is how many meetings one preview looks at.
const maxPreview = 500

func (c *exclusionsPreviewCmd) Run(ctx context.Context, a *app) error {
	if c.Days < 1 || c.Days > 366 {
		return usagef("--days should be from 1 to 366")
	}
	s, o, err := a.open(ctx, "exclusions")
	if err != nil {
		return err
	}
	x := o.Settings.Exclusions
	for _, with := range c.With {
		kind, value, _ := strings.Cut(with, "=")
		rule := exclusionRule{Kind: kind, Value: value}
		if !slices.Contains([]string{"internal", "private", "title-word", "host", "domain"}, kind) {
			return usagef("--with %s: the rules are internal, private, title-word, host and domain", with)
		}
		if err := rule.apply(&x, true); err != nil {
			return err
		}
	}
	now := time.Now()
	all, err := s.Meetings(ctx, o.ID, store.MeetingFilter{From: now.AddDate(0, 0, -c.Days), To: now, Limit: maxPreview})
	if err != nil {
		return err
	}
	p := preview{Days: c.Days, Meetings: len(all), Would: []previewMeeting{}, Dropped: map[meeting.Exclusion]int{}, Cut: len(all) == maxPreview}
	for _, m := range all {
		if m.Excluded != "" {
			p.Dropped[m.Excluded]++
			continue
		}
		if rule := x.Of(m.Content, o.Domains); rule != "" {
			p.Would = append(p.Would, previewMeeting{Start: m.Content.Start(), Title: m.Content.Title, Rule: rule})
		}
	}
	return a.show(c.JSON, p, func() {
		rows := [][]string{{"START", "RULE", "TITLE"}}
		for _, m := range p.Would {
			rows = append(rows, []string{m.Start.Local().Format("2006-01-02 15:04"), string(m.Rule), oneLine(m.Title)})
		}
		a.table("Of the "+strconv.Itoa(p.Meetings)+" meetings of the last "+strconv.Itoa(c.Days)+" days, these rules would have dropped nothing that was kept.", rows)
		for _, rule := range slices.Sorted(maps.Keys(p.Dropped)) {
			a.say("Dropped by the rule %q: %d", rule, p.Dropped[rule])
		}
		if p.Cut {
			a.say("Only the latest %d meetings were looked at.", maxPreview)
		}
	})
}
