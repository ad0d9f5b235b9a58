package main

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/store"
)

type organizationsCmd struct {
	Create organizationsCreateCmd `cmd:"" help:"Add an organization."`
	List   organizationsListCmd   `cmd:"" help:"List organizations."`
	Set    organizationsSetCmd    `cmd:"" help:"Change an organization's settings."`
	Stages organizationsStagesCmd `cmd:"" help:"List the stages of deals, and which of them begin something."`
}

type organizationSettings struct {
	Domain       []string       `help:"An e-mail domain of the organization's own; repeat for several." placeholder:"example.com"`
	Ignore       []string       `help:"An address, or @domain, that is never a person: a room, a notetaker. Repeat for several."`
	RuleOff      []string       `help:"A rule that shall not listen for its phrases, such as task-asked; docs/planning.md lists them. Repeat for several." placeholder:"RULE"`
	RuleOn       []string       `help:"A rule that shall listen again." placeholder:"RULE"`
	NotesWait    *time.Duration `help:"How long a follow-up waits for notes after a meeting has ended (default 15m)."`
	ApprovalTTL  *time.Duration `name:"approval-ttl" help:"How long a question stays open before it counts as rejected (default 168h)."`
	Quorum       *int           `help:"How many different people have to approve (default 1)."`
	SelfApproval *bool          `help:"Let people approve what is done on their own behalf (the default); --no-self-approval doesn't." negatable:""`
	Approver     []string       `help:"Who may approve beside admins, by e-mail address; repeat for several, --approver '' for whoever may answer (the default)." placeholder:"EMAIL"`
	RemindAfter  *time.Duration `help:"When who was asked is reminded (default 24h); 0 for never. A day before the deadline comes one reminder more."`
	OnExpiry     *string        `help:"What becomes of a question that nobody answered in time: reject (the default), escalate to admins and approvers once, or leave it open." enum:"reject,escalate,open"`
	KeepPayloads *time.Duration `help:"How long webhooks are kept byte for byte, to be replayed (default 2160h, which is 90 days); 0 for ever."`
	dealRules
	stageFlags

	TemporalDecisions *bool `help:"Let people decide in the Temporal UI, which tells nobody who clicked." negatable:""`
}

// apply changes the settings that are named. person finds an approver.
func (o organizationSettings) apply(s *store.Settings, domains []string, person func(email string) (uuid.UUID, error)) ([]string, error) {
	if o.NotesWait != nil {
		s.NotesWait = store.Duration(*o.NotesWait)
	}
	if o.ApprovalTTL != nil {
		s.ApprovalTTL = store.Duration(*o.ApprovalTTL)
	}
	if o.KeepPayloads != nil {
		s.KeepPayloads = store.Duration(cmp.Or(*o.KeepPayloads, -1))
	}
	if o.TemporalDecisions != nil {
		s.TemporalDecisions = *o.TemporalDecisions
	}
	if err := o.stageFlags.apply(&s.DealStages); err != nil {
		return nil, err
	}
	if o.Ignore != nil {
		s.IgnoredAddresses = o.Ignore
	}
	s.Deals = o.dealRules.applied(s.Deals)
	if err := o.switchRules(s); err != nil {
		return nil, err
	}
	if o.Quorum != nil {
		s.Approvals.Quorum = *o.Quorum
	}
	if o.SelfApproval != nil {
		s.Approvals.NoSelfApproval = !*o.SelfApproval
	}
	if o.RemindAfter != nil {
		s.Approvals.RemindAfter = store.Duration(cmp.Or(*o.RemindAfter, -1))
	}
	if o.OnExpiry != nil {
		s.Approvals.OnExpiry = store.ExpiryPolicy(*o.OnExpiry)
	}
	if o.Approver != nil {
		s.Approvals.Approvers = nil
	}
	for _, email := range o.Approver {
		if email == "" {
			continue
		}
		id, err := person(email)
		if err != nil {
			return nil, err
		}
		s.Approvals.Approvers = append(s.Approvals.Approvers, id)
	}
	if o.Domain != nil {
		return o.Domain, nil
	}
	return domains, nil
}

// switchRules switches phrase rules off and on.
func (o organizationSettings) switchRules(s *store.Settings) error {
	var names []string
	for _, r := range planner.PhraseRules() {
		names = append(names, r.Name)
	}
	for _, name := range slices.Concat(o.RuleOff, o.RuleOn) {
		if !slices.Contains(names, name) {
			return usagef("there is no rule %q; the rules are %s", name, strings.Join(names, ", "))
		}
	}
	off := slices.DeleteFunc(slices.Concat(s.RulesOff, o.RuleOff), func(name string) bool { return slices.Contains(o.RuleOn, name) })
	slices.Sort(off)
	s.RulesOff = slices.Compact(off)
	return nil
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
	domains, err := c.apply(&settings, nil, func(string) (uuid.UUID, error) {
		return uuid.Nil, usagef("nobody is there yet to approve: add people first, then `debrief organizations set --approver EMAIL`")
	})
	if err != nil {
		return err
	}
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
		rows := [][]string{{"NAME", "DOMAINS", "TEMPORAL DECISIONS", "APPROVALS", "CREATED"}}
		for _, o := range all {
			decisions := "off"
			if o.Settings.TemporalDecisions {
				decisions = "on"
			}
			rows = append(rows, []string{o.Name, strings.Join(o.Domains, ", "), decisions, o.Settings.Approvals.String(), ago(o.CreatedAt)})
		}
		a.table("No organization yet: `debrief organizations create NAME --domain example.com`", rows)
	})
}

type organizationsSetCmd struct {
	jsonFlag
	organizationSettings
}

func (c *organizationsSetCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "organizations")
	if err != nil {
		return err
	}
	domains, err := c.apply(&o.Settings, o.Domains, func(email string) (uuid.UUID, error) {
		p, err := findPerson(ctx, s, o, email)
		return p.ID, err
	})
	if err != nil {
		return err
	}
	if err := s.UpdateSettings(ctx, o.ID, domains, o.Settings, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "The settings of %s are changed.", o.Name)
}
