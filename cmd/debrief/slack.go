package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/debriefhq/debrief/notify"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/web"
)

// slackCallTimeout bounds one request to Slack.
const slackCallTimeout = 8 * time.Second

func (a *app) slack() *notify.Slack {
	return notify.NewSlack(notify.SlackOptions{APIURL: a.SlackAPIURL, HTTPClient: &http.Client{Timeout: slackCallTimeout}})
}

type slackCmd struct {
	Connect    slackConnectCmd    `cmd:"" help:"Connect the organization's Slack app. The bot token and the signing secret are read from the terminal, from standard input (two lines) or from files."`
	Status     slackStatusCmd     `cmd:"" help:"Show which workspace is connected, and ask Slack whether it still is."`
	Test       slackTestCmd       `cmd:"" help:"Send somebody in the organization a test message in Slack."`
	Channel    slackChannelCmd    `cmd:"" help:"Say in which channel meetings with questions are named, by title and link alone."`
	Disconnect slackDisconnectCmd `cmd:"" help:"Forget the Slack app and its secrets. People are told by mail from then on."`
}

type slackConnectCmd struct {
	jsonFlag

	TokenFile  string `help:"File with the bot token (xoxb-…)." type:"existingfile"`
	SecretFile string `help:"File with the signing secret." type:"existingfile"`
}

func (c *slackConnectCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "slack")
	if err != nil {
		return err
	}
	token, err := a.readSecret(c.TokenFile, "bot token")
	if err != nil {
		return err
	}
	secret, err := a.readSecret(c.SecretFile, "signing secret")
	if err != nil {
		return err
	}
	found, err := a.slack().Identify(ctx, token)
	if err != nil {
		return slackUsage("Slack does not accept that: %s", err)
	}
	found.OrganizationID, found.SigningSecret = o.ID, secret
	if err := s.ConnectSlack(ctx, found, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "%s is connected to the workspace %s. In the app's settings under Interactivity the request URL has to be %s; whether the signing secret is the right one shows with the first click (debrief slack status).",
		o.Name, found.TeamName, a.PublicURL+web.SlackPath)
}

// slackUsage lets what Slack said be told to whoever can mend it.
func slackUsage(format string, err error) error {
	var failed *notify.SendError
	if errors.As(err, &failed) {
		return usagef(format, failed)
	}
	return err
}

// slackApp is the organization's.
func (a *app) slackApp(ctx context.Context) (*store.Store, store.Organization, store.SlackApp, error) {
	s, o, err := a.open(ctx, "slack")
	if err != nil {
		return nil, store.Organization{}, store.SlackApp{}, err
	}
	app, err := s.SlackApp(ctx, o.ID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, store.Organization{}, store.SlackApp{}, usagef("%s has no Slack app: `debrief slack connect` connects one", o.Name)
	}
	return s, o, app, err
}

type slackStatusCmd struct{ jsonFlag }

func (c *slackStatusCmd) Run(ctx context.Context, a *app) error {
	_, _, app, err := a.slackApp(ctx)
	if err != nil {
		return err
	}
	_, refused := a.slack().Identify(ctx, app.BotToken)
	return a.show(c.JSON, app, func() {
		a.say("workspace  %s (%s)", app.TeamName, app.TeamID)
		a.say("app        %s, connected %s", app.AppID, ago(app.ConnectedAt))
		channel := "none"
		if app.ChannelID != "" {
			channel = fmt.Sprintf("#%s (%s)", app.ChannelName, app.ChannelID)
		}
		a.say("channel    %s", channel)
		switch {
		case refused != nil:
			a.say("Slack      does not accept it: %s", refused)
		case app.Problem != "":
			a.say("Slack      did not accept it (%s), and does again: `debrief slack connect` uses it again", app.Problem)
		default:
			a.say("Slack      accepts it")
		}
		if app.VerifiedAt == nil {
			a.say("clicks     none has come yet: nobody knows whether the signing secret and the request URL (%s) are right", a.PublicURL+web.SlackPath)
		} else {
			a.say("clicks     last verified %s", ago(*app.VerifiedAt))
		}
	})
}

type slackTestCmd struct {
	jsonFlag

	Email string `arg:"" help:"Somebody's address in the organization."`
}

func (c *slackTestCmd) Run(ctx context.Context, a *app) error {
	s, o, app, err := a.slackApp(ctx)
	if err != nil {
		return err
	}
	p, err := s.PersonByEmail(ctx, o.ID, c.Email)
	if errors.Is(err, store.ErrNotFound) {
		return usagef("nobody in the organization has that address: `debrief people list` shows them")
	}
	if err != nil {
		return err
	}
	to, err := s.Addressee(ctx, o.ID, p.ID)
	if errors.Is(err, store.ErrNotFound) {
		return usagef("that person is deactivated, or has no address in the organization's domains")
	}
	if err != nil {
		return err
	}
	if err := a.slack().SendTest(ctx, app, to); err != nil {
		return slackUsage("no message was sent: %s", err)
	}
	return a.done(c.JSON, "Slack has taken the test message over.")
}

type slackChannelCmd struct {
	jsonFlag

	Channel string `arg:"" optional:"" help:"The channel's ID, such as C0123456789 (in Slack: the channel's details, at the end). The app has to be in it."`
	None    bool   `help:"No channel."`
}

func (c *slackChannelCmd) Run(ctx context.Context, a *app) error {
	if (c.Channel == "") != c.None {
		return usagef("name a channel, or say --none")
	}
	s, o, app, err := a.slackApp(ctx)
	if err != nil {
		return err
	}
	name := ""
	if !c.None {
		if name, err = a.slack().CheckChannel(ctx, app, c.Channel, o.Domains); err != nil {
			return slackUsage("nothing is sent to that channel: %s", err)
		}
	}
	if err := s.SetSlackChannel(ctx, o.ID, c.Channel, name, store.Operator); err != nil {
		return err
	}
	if c.None {
		return a.done(c.JSON, "Meetings are named in no channel.")
	}
	return a.done(c.JSON, "Meetings with questions are named in #%s, by title and link.", name)
}

type slackDisconnectCmd struct{ jsonFlag }

func (c *slackDisconnectCmd) Run(ctx context.Context, a *app) error {
	s, o, _, err := a.slackApp(ctx)
	if err != nil {
		return err
	}
	if err := s.DisconnectSlack(ctx, o.ID, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "%s has no Slack app any more. Remove it in Slack, too: that ends its token.", o.Name)
}
