package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/notify"
	"github.com/debriefhq/debrief/store"
)

// webhooks posts to an organization's endpoints.
func (a *app) webhooks() *notify.Webhooks {
	return notify.NewWebhooks(notify.WebhookOptions{AllowLoopback: a.WebhooksToLoopback})
}

type webhooksCmd struct {
	Add    webhooksAddCmd    `cmd:"" help:"Add an endpoint. Its secret is shown once."`
	List   webhooksListCmd   `cmd:"" help:"List the endpoints, and what came of the last try."`
	Remove webhooksRemoveCmd `cmd:"" help:"Forget an endpoint."`
	Test   webhooksTestCmd   `cmd:"" help:"Post a signed test message. An endpoint that takes it is switched on again."`
	Rotate webhooksRotateCmd `cmd:"" help:"Give an endpoint another secret, which is shown once. For a day the old one signs along."`
}

// webhookEndpoint finds an endpoint by its name.
func (a *app) webhookEndpoint(ctx context.Context, name string) (*store.Store, store.Organization, store.WebhookEndpoint, error) {
	s, o, err := a.open(ctx, "webhooks")
	if err != nil {
		return nil, store.Organization{}, store.WebhookEndpoint{}, err
	}
	all, err := s.WebhookEndpoints(ctx, o.ID)
	if err != nil {
		return nil, store.Organization{}, store.WebhookEndpoint{}, err
	}
	for _, e := range all {
		if e.Name == name {
			return s, o, e, nil
		}
	}
	return nil, store.Organization{}, store.WebhookEndpoint{}, &notFoundError{fmt.Sprintf("there is no endpoint named %q: `debrief webhooks list` shows them", name)}
}

type webhooksAddCmd struct {
	jsonFlag

	Name   string   `arg:"" help:"Short name, as commands will call it."`
	URL    string   `arg:"" name:"url" help:"Where to post, such as https://hooks.example.com/briefings."`
	Events []string `help:"Only these kinds: briefing.ready, briefing.update, briefing.digest, briefing.week." placeholder:"KIND"`
}

// newWebhookEndpoint is an endpoint with its secret, which is shown this once.
type newWebhookEndpoint struct {
	store.WebhookEndpoint

	Secret string `json:"secret"`
}

func (c *webhooksAddCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "webhooks")
	if err != nil {
		return err
	}
	e := store.WebhookEndpoint{OrganizationID: o.ID, Name: c.Name, URL: c.URL}
	for _, event := range c.Events {
		e.Events = append(e.Events, store.NoticeKind(event))
	}
	if e, err = s.AddWebhookEndpoint(ctx, e, store.Operator); err != nil {
		return err
	}
	return a.show(c.JSON, newWebhookEndpoint{e, e.Secrets[0].Reveal()}, func() {
		a.say("Briefs are posted to %s, to those who have webhook among their channels (`debrief briefings set`).", e.Name)
		a.say("They are signed by Standard Webhooks with this secret, which is not shown again:")
		a.say("%s", e.Secrets[0].Reveal())
	})
}

type webhooksListCmd struct{ jsonFlag }

func (c *webhooksListCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "webhooks")
	if err != nil {
		return err
	}
	all, err := s.WebhookEndpoints(ctx, o.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"NAME", "URL", "EVENTS", "STATE", "LAST TRY"}}
		for _, e := range all {
			state, last := "on", "never"
			if e.DisabledAt != nil {
				state = "off since " + ago(*e.DisabledAt)
			}
			if e.TriedAt != nil {
				last = ago(*e.TriedAt) + ", taken"
				if e.Problem != "" {
					last = ago(*e.TriedAt) + ": " + e.Problem
				}
			}
			events := make([]string, 0, len(e.Events))
			for _, event := range e.Events {
				events = append(events, strings.TrimPrefix(string(event), "briefing."))
			}
			rows = append(rows, []string{e.Name, e.URL, strings.Join(events, ","), state, last})
		}
		a.table("No endpoints: `debrief webhooks add` adds one.", rows)
	})
}

type webhooksRemoveCmd struct {
	jsonFlag

	Name string `arg:"" help:"The endpoint."`
}

func (c *webhooksRemoveCmd) Run(ctx context.Context, a *app) error {
	s, o, e, err := a.webhookEndpoint(ctx, c.Name)
	if err != nil {
		return err
	}
	if err := s.RemoveWebhookEndpoint(ctx, o.ID, e.ID, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "Nothing is posted to %s any more.", e.Name)
}

type webhooksTestCmd struct {
	jsonFlag

	Name string `arg:"" help:"The endpoint."`
}

func (c *webhooksTestCmd) Run(ctx context.Context, a *app) error {
	s, _, e, err := a.webhookEndpoint(ctx, c.Name)
	if err != nil {
		return err
	}
	err = notify.SendWebhookTest(ctx, s, a.webhooks(), e, uuid.New(), time.Now())
	var failed *notify.SendError
	if errors.As(err, &failed) {
		return usagef("the test message was not taken: %s", failed)
	}
	if err != nil {
		return err
	}
	return a.done(c.JSON, "%s has taken the test message.", e.Name)
}

type webhooksRotateCmd struct {
	jsonFlag

	Name string `arg:"" help:"The endpoint."`
}

func (c *webhooksRotateCmd) Run(ctx context.Context, a *app) error {
	s, o, e, err := a.webhookEndpoint(ctx, c.Name)
	if err != nil {
		return err
	}
	secret, err := s.RotateWebhookSecret(ctx, o.ID, e.ID, store.Operator)
	if err != nil {
		return err
	}
	return a.show(c.JSON, newWebhookEndpoint{e, secret.Reveal()}, func() {
		a.say("%s has another secret, which is not shown again. For a day what is sent carries both signatures:", e.Name)
		a.say("%s", secret.Reveal())
	})
}
