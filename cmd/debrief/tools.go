package main

import (
	"context"
	"strings"

	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
)

type toolsCmd struct {
	List   toolsListCmd   `cmd:"" help:"List the tools with their permissions."`
	Set    toolsSetCmd    `cmd:"" help:"Give tools a permission."`
	Preset toolsPresetCmd `cmd:"" help:"Set all tools at once: locked, or recommended."`
}

type toolsListCmd struct{ jsonFlag }

func (c *toolsListCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "tools")
	if err != nil {
		return err
	}
	o, err := a.organization(ctx, s)
	if err != nil {
		return err
	}
	permissions, err := s.Permissions(ctx, o.ID)
	if err != nil {
		return err
	}
	type row struct {
		Tool        string            `json:"tool"`
		Title       string            `json:"title"`
		Description string            `json:"description"`
		Permission  policy.Permission `json:"permission"`
	}
	var all []row
	for _, t := range policy.Tools() {
		all = append(all, row{t.Tool.String(), t.Title, t.Description, permissions.Decide(t.Tool)})
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"TOOL", "PERMISSION", "WHEN"}}
		for _, r := range all {
			rows = append(rows, []string{r.Tool, string(r.Permission), r.Description})
		}
		a.table("", rows)
	})
}

type toolsSetCmd struct {
	jsonFlag

	Permission string   `arg:"" enum:"deny,ask,allow" help:"deny, ask or allow."`
	Tools      []string `arg:"" help:"Tools, such as deal.create."`
}

func (c *toolsSetCmd) Run(ctx context.Context, a *app) error {
	permission, err := policy.ParsePermission(c.Permission)
	if err != nil {
		return usagef("%s", err)
	}
	known := map[policy.Tool]bool{}
	for _, t := range policy.Tools() {
		known[t.Tool] = true
	}
	var tools []policy.Tool
	for _, name := range c.Tools {
		tool, err := policy.ParseTool(name)
		if err != nil {
			return usagef("%s", err)
		}
		if !known[tool] {
			return usagef("there is no tool %q: `debrief tools list` shows them", name)
		}
		tools = append(tools, tool)
	}
	s, err := a.store(ctx, "tools")
	if err != nil {
		return err
	}
	o, err := a.organization(ctx, s)
	if err != nil {
		return err
	}
	for _, tool := range tools {
		if err := s.SetPermission(ctx, o.ID, tool, permission, store.Operator); err != nil {
			return err
		}
	}
	return a.done(c.JSON, "%s: %s", strings.Join(c.Tools, ", "), permission)
}

type toolsPresetCmd struct {
	jsonFlag

	Name string `arg:"" help:"locked or recommended."`
}

func (c *toolsPresetCmd) Run(ctx context.Context, a *app) error {
	var names []string
	for _, preset := range policy.Presets() {
		names = append(names, preset.Name)
		if preset.Name != c.Name {
			continue
		}
		s, err := a.store(ctx, "tools")
		if err != nil {
			return err
		}
		o, err := a.organization(ctx, s)
		if err != nil {
			return err
		}
		if err := s.ApplyPreset(ctx, o.ID, preset.Permissions, store.Operator); err != nil {
			return err
		}
		return a.done(c.JSON, "The preset %s is applied to %s.", preset.Name, o.Name)
	}
	return usagef("there is no preset %q: they are %s", c.Name, strings.Join(names, ", "))
}
