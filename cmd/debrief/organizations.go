package main

import (
	"context"
	"strings"
	"time"

	"github.com/debriefhq/debrief/store"
)

type organizationsCmd struct {
	Create organizationsCreateCmd `cmd:"" help:"Add an organization."`
	List   organizationsListCmd   `cmd:"" help:"List organizations."`
	Set    organizationsSetCmd    `cmd:"" help:"Change an organization's settings."`
}

type organizationSettings struct {
	Domain            []string       `help:"An e-mail domain of the organization's own; repeat for several." placeholder:"example.com"`
	Ignore            []string       `help:"An address, or @domain, that is never a person: a room, a notetaker. Repeat for several."`
	NotesWait         *time.Duration `help:"How long a follow-up waits for notes after a meeting has ended (default 15m)."`
	ApprovalTTL       *time.Duration `name:"approval-ttl" help:"How long a question stays open before it counts as rejected (default 168h)."`
	TemporalDecisions *bool          `help:"Let people decide in the Temporal UI, which tells nobody who clicked." negatable:""`
}

func (o organizationSettings) apply(s *store.Settings, domains []string) []string {
	if o.NotesWait != nil {
		s.NotesWait = store.Duration(*o.NotesWait)
	}
	if o.ApprovalTTL != nil {
		s.ApprovalTTL = store.Duration(*o.ApprovalTTL)
	}
	if o.TemporalDecisions != nil {
		s.TemporalDecisions = *o.TemporalDecisions
	}
	if o.Ignore != nil {
		s.IgnoredAddresses = o.Ignore
	}
	if o.Domain != nil {
		return o.Domain
	}
	return domains
}

type organizationsCreateCmd struct {
	jsonFlag
	organizationSettings

	Name string `arg:"" help:"Short name, as commands will call it."`
}

func (c *organizationsCreateCmd) Run(ctx context.Context, a *app) error {
	if len(c.Domain) == 0 {
		return usagef("an organization needs at least one --domain: who has an address there is internal")
	}
	s, err := a.store(ctx, "organizations")
	if err != nil {
		return err
	}
	var settings store.Settings
	domains := c.apply(&settings, nil)
	o, err := s.CreateOrganization(ctx, c.Name, domains, settings, store.Operator)
	if err != nil {
		return err
	}
	return a.show(c.JSON, o, func() {
		a.say("Organization %s is there. Every tool is denied until you say otherwise: `debrief tools preset recommended`.", o.Name)
	})
}

type organizationsListCmd struct{ jsonFlag }

func (c *organizationsListCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "organizations")
	if err != nil {
		return err
	}
	all, err := s.Organizations(ctx)
	if err != nil {
		return err
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"NAME", "DOMAINS", "TEMPORAL DECISIONS", "CREATED"}}
		for _, o := range all {
			decisions := "off"
			if o.Settings.TemporalDecisions {
				decisions = "on"
			}
			rows = append(rows, []string{o.Name, strings.Join(o.Domains, ", "), decisions, ago(o.CreatedAt)})
		}
		a.table("No organization yet: `debrief organizations create NAME --domain example.com`", rows)
	})
}

type organizationsSetCmd struct {
	jsonFlag
	organizationSettings
}

func (c *organizationsSetCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "organizations")
	if err != nil {
		return err
	}
	o, err := a.organization(ctx, s)
	if err != nil {
		return err
	}
	domains := c.apply(&o.Settings, o.Domains)
	if err := s.UpdateSettings(ctx, o.ID, domains, o.Settings, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "The settings of %s are changed.", o.Name)
}
