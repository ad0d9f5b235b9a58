package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"time"

	"github.com/alecthomas/kong"
	"github.com/rs/zerolog"
	"go.temporal.io/sdk/client"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/codec"
	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/crm"
	"github.com/debriefhq/debrief/hubspot"
	"github.com/debriefhq/debrief/planner"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/vault"
)

// cli is every command and every setting of the program.
type cli struct {
	globals

	Serve   serveCmd   `cmd:"" help:"Receive webhooks and serve the web pages."`
	Worker  workerCmd  `cmd:"" help:"Carry out workflows and activities."`
	Migrate migrateCmd `cmd:"" help:"Bring the database to this version, and register Temporal's search attributes."`

	Organizations organizationsCmd `cmd:"" aliases:"org" help:"Organizations and their settings."`
	Sources       sourcesCmd       `cmd:"" help:"Platforms that send webhooks, with their URLs and secrets."`
	Apps          appsCmd          `cmd:"" help:"HubSpot apps."`
	Connections   connectionsCmd   `cmd:"" help:"Grants of a HubSpot app to a HubSpot account."`
	HubSpot       hubspotCmd       `cmd:"" name:"hubspot" help:"What HubSpot has to know of Debrief: ready project files."`
	Tools         toolsCmd         `cmd:"" help:"What may be done in the CRM: deny, ask or allow."`
	Shadow        shadowCmd        `cmd:"" help:"What Debrief would have written while it only watched."`
	Model         modelCmd         `cmd:"" help:"The language model that meetings may be read by: off until you name one."`
	Playbooks     playbooksCmd     `cmd:"" help:"What the model is told in addition, by type of meeting."`
	Plan          planCmd          `cmd:"" help:"Plans, made again from the record."`
	MCP           mcpCmd           `cmd:"" name:"mcp" help:"Offer the tools that are not denied to an agent, by the Model Context Protocol over standard input and output."`
	Tokens        tokensCmd        `cmd:"" help:"With what agents sign in for a person, where they come over HTTP."`
	Run           runCmd           `cmd:"" help:"Run a program whose calls of HubSpot's API go through the permissions, without a token of its own."`
	Approvals     approvalsCmd     `cmd:"" help:"Questions that wait for an answer."`
	FollowUps     followUpsCmd     `cmd:"" name:"follow-ups" help:"The work after meetings, and what became of it."`
	Undo          undoCmd          `cmd:"" help:"Take back what was written to HubSpot for a meeting."`
	Meetings      meetingsCmd      `cmd:"" help:"Meetings as their events add up to them, and erasing what was said in one."`
	Erasures      erasuresCmd      `cmd:"" help:"Erasing a person everywhere, as HubSpot's privacy deletion of a contact does by itself."`
	Exclusions    exclusionsCmd    `cmd:"" help:"Meetings that are not kept: what they told is dropped as it comes."`
	Deliveries    deliveriesCmd    `cmd:"" help:"Webhooks as they were received."`
	Audit         auditCmd         `cmd:"" help:"The trail: who did what, on whose behalf, when and why."`
	People        peopleCmd        `cmd:"" help:"An organization's people: their roles, and the names under which systems know them."`
	SignIn        signInCmd        `cmd:"" name:"sign-in" help:"Print a one-time link that signs a browser in, as the operator or as a person."`
	Identity      identityCmd      `cmd:"" name:"identity-provider" help:"Where an organization's people sign in, by OpenID Connect."`
	Keys          keysCmd          `cmd:"" help:"The keyset that seals secrets and words."`
	Briefings     briefingsCmd     `cmd:"" help:"What hosts are told before their meetings, and when."`
	Notices       noticesCmd       `cmd:"" help:"What people were told, or have to be."`
	Notify        notifyCmd        `cmd:"" help:"Try out how people are told."`
	Webhooks      webhooksCmd      `cmd:"" help:"Programs of an organization's own that its people's briefings are posted to, signed."`
	Slack         slackCmd         `cmd:"" help:"Where an organization's people are asked in Slack."`
	Doctor        doctorCmd        `cmd:"" help:"Look at everything that Debrief needs, and say what is wrong and what to do."`
}

// globals are the settings that all commands share. Each can be given as a flag,
// as an environment variable, or in a YAML file by its flag's name.
type globals struct {
	Config kong.ConfigFlag `help:"YAML file with settings by their flags' names." placeholder:"FILE" env:"DEBRIEF_CONFIG"`

	DatabaseURL       string `help:"PostgreSQL 15 or later, as a libpq URL." env:"DEBRIEF_DATABASE_URL" placeholder:"URL"`
	TemporalAddress   string `help:"Temporal's frontend, host:port." env:"DEBRIEF_TEMPORAL_ADDRESS" default:"127.0.0.1:7233"`
	TemporalNamespace string `help:"Temporal namespace." env:"DEBRIEF_TEMPORAL_NAMESPACE" default:"default"`
	KeysetFile        string `help:"File with the keyset that seals secrets. Where there are no files, DEBRIEF_KEYSET holds it: JSON, or base64 of it." env:"DEBRIEF_KEYSET_FILE" placeholder:"FILE"`
	KeysetKMSCommand  string `name:"keyset-kms-command" help:"Program that opens the keyset, where a KMS has wrapped it: run with the argument unwrap (or wrap), it reads one form and writes the other." env:"DEBRIEF_KEYSET_KMS_COMMAND" placeholder:"PROGRAM"`
	PublicURL         string `help:"How browsers and platforms reach this installation." env:"DEBRIEF_PUBLIC_URL" default:"http://127.0.0.1:8080"`
	TemporalUIURL     string `name:"temporal-ui-url" help:"How browsers reach Temporal's UI: for links, and the one origin that may use the codec endpoint." env:"DEBRIEF_TEMPORAL_UI_URL" default:"http://127.0.0.1:8233"`

	HubSpotProvider     string `name:"hubspot-provider" help:"File that says where HubSpot is and which scopes are asked for; 'debrief connections provider' prints the one that is built in." env:"DEBRIEF_HUBSPOT_PROVIDER" placeholder:"FILE"`
	HubSpotBaseURL      string `name:"hubspot-base-url" help:"HubSpot's API, if it is not where the provider says." env:"DEBRIEF_HUBSPOT_BASE_URL" placeholder:"URL"`
	HubSpotAuthorizeURL string `name:"hubspot-authorize-url" help:"HubSpot's consent page, if it is not where the provider says." env:"DEBRIEF_HUBSPOT_AUTHORIZE_URL" placeholder:"URL"`
	// For tests, which can't wait for what HubSpot may take.
	HubSpotCallTimeout time.Duration `hidden:"" name:"hubspot-call-timeout" help:"How long one call to HubSpot may take." env:"DEBRIEF_HUBSPOT_CALL_TIMEOUT" default:"30s"`
	HubSpotLateCommit  time.Duration `hidden:"" name:"hubspot-late-commit" help:"How long HubSpot may still be working on a request that nobody waits for any more." env:"DEBRIEF_HUBSPOT_LATE_COMMIT" default:"100s"`

	SMTPURL          string `name:"smtp-url" help:"Mail server that takes notices over: smtp://user@host:587 (with STARTTLS) or smtps://user@host:465. The password comes from DEBRIEF_SMTP_PASSWORD or a file." env:"DEBRIEF_SMTP_URL" placeholder:"URL"`
	SMTPPasswordFile string `name:"smtp-password-file" help:"File with the mail server's password." env:"DEBRIEF_SMTP_PASSWORD_FILE" placeholder:"FILE"`
	MailFrom         string `help:"Sender of mails: debrief@example.com, or Debrief <debrief@example.com>." env:"DEBRIEF_MAIL_FROM" placeholder:"ADDRESS"`

	SlackAPIURL string `hidden:"" name:"slack-api-url" help:"Slack's Web API, if it is not Slack's own." env:"DEBRIEF_SLACK_API_URL" placeholder:"URL"`

	WebhooksToLoopback bool `name:"webhooks-to-loopback" help:"Let outgoing webhooks go to this machine, too. They go to no other address that is not public." env:"DEBRIEF_WEBHOOKS_TO_LOOPBACK"`

	Organization string `help:"The organization that a command is about, by name; needed where there are several." env:"DEBRIEF_ORGANIZATION" short:"o"`

	LogLevel  string `help:"Which log lines are written: ${enum}." env:"DEBRIEF_LOG_LEVEL" enum:"debug,info,warn,error" default:"info"`
	LogFormat string `help:"How log lines are written: ${enum}." env:"DEBRIEF_LOG_FORMAT" enum:"json,console" default:"json"`
}

// Validate checks what kong can't: it runs before any command.
func (g *globals) Validate() error {
	for _, s := range []struct{ name, value string }{
		{"--public-url", g.PublicURL},
		{"--temporal-ui-url", g.TemporalUIURL},
		{"--hubspot-base-url", g.HubSpotBaseURL},
		{"--hubspot-authorize-url", g.HubSpotAuthorizeURL},
		{"--slack-api-url", g.SlackAPIURL},
	} {
		if s.value == "" {
			continue
		}
		u, err := url.Parse(s.value)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return fmt.Errorf("%s: %q is not an http or https URL", s.name, s.value)
		}
	}
	if _, err := g.provider(); err != nil {
		return fmt.Errorf("--hubspot-provider: %w", err)
	}
	return nil
}

// provider is HubSpot as it is built in, as the file says, or at other addresses.
func (g *globals) provider() (connections.Provider, error) {
	p := connections.HubSpot()
	if g.HubSpotProvider != "" {
		raw, err := os.ReadFile(g.HubSpotProvider)
		if err != nil {
			return p, err
		}
		if p, err = connections.ParseProvider(raw); err != nil {
			return p, err
		}
	}
	p.BaseURL = cmp.Or(g.HubSpotBaseURL, p.BaseURL)
	p.AuthorizeURL = cmp.Or(g.HubSpotAuthorizeURL, p.AuthorizeURL)
	return p, nil
}

// hubSpot is the provider; [globals.Validate] has seen that it can be read.
func (a *app) hubSpot() connections.Provider {
	p, _ := a.provider()
	return p
}

// app makes what commands need, when they need it.
type app struct {
	*globals

	in       io.Reader
	lines    *bufio.Reader // over in, once something was read
	out, err io.Writer

	closers []func()
}

func (a *app) close() {
	for _, closer := range slices.Backward(a.closers) {
		closer()
	}
}

func (a *app) logger() zerolog.Logger {
	level, err := zerolog.ParseLevel(a.LogLevel)
	if err != nil {
		level = zerolog.InfoLevel
	}
	w := a.err
	if a.LogFormat == "console" {
		w = zerolog.ConsoleWriter{Out: a.err, TimeFormat: time.TimeOnly, NoColor: true}
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}

func (a *app) vault(ctx context.Context) (*vault.Vault, error) {
	// A secret has no flag: arguments show in lists of processes.
	inline := os.Getenv("DEBRIEF_KEYSET")
	if a.KeysetFile == "" && inline == "" {
		return nil, usagef("the setting --keyset-file (DEBRIEF_KEYSET_FILE) is missing: `debrief keys generate FILE` writes a keyset")
	}
	keyset, err := vault.ReadKeyset(ctx, a.KeysetFile, inline, a.keyWrapper())
	if err != nil {
		return nil, usagef("the setting --keyset-file (DEBRIEF_KEYSET_FILE) is wrong: %s", err)
	}
	v, err := vault.New(keyset)
	if err != nil {
		return nil, usagef("the setting --keyset-file (DEBRIEF_KEYSET_FILE) is wrong: %s", err)
	}
	return v, nil
}

func (a *app) store(ctx context.Context, name string) (*store.Store, error) {
	if a.DatabaseURL == "" {
		return nil, usagef("the setting --database-url (DEBRIEF_DATABASE_URL) is missing: name a PostgreSQL, such as postgres://debrief:…@127.0.0.1:5432/debrief")
	}
	v, err := a.vault(ctx)
	if err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, store.Options{URL: a.DatabaseURL, Vault: v, Name: "debrief " + name, ValidateEdit: planner.CheckEdit})
	if err != nil {
		return nil, usagef("the setting --database-url (DEBRIEF_DATABASE_URL) is wrong: %s", err)
	}
	a.closers = append(a.closers, s.Close)
	if err := s.Ping(ctx); err != nil {
		return nil, fmt.Errorf("PostgreSQL, as the setting --database-url (DEBRIEF_DATABASE_URL) names it, does not answer: %w", err)
	}
	return s, nil
}

// open is what most commands begin with: the store, and the organization that
// the command is about.
func (a *app) open(ctx context.Context, name string) (*store.Store, store.Organization, error) {
	s, err := a.store(ctx, name)
	if err != nil {
		return nil, store.Organization{}, err
	}
	o, err := a.organization(ctx, s)
	return s, o, err
}

// organization finds the one that the command is about.
func (a *app) organization(ctx context.Context, s *store.Store) (store.Organization, error) {
	if a.Organization != "" {
		o, err := s.OrganizationByName(ctx, a.Organization)
		if errors.Is(err, store.ErrNotFound) {
			return store.Organization{}, usagef("there is no organization named %q: `debrief organizations list` shows them", a.Organization)
		}
		return o, err
	}
	all, err := s.Organizations(ctx)
	switch {
	case err != nil:
		return store.Organization{}, err
	case len(all) == 0:
		return store.Organization{}, usagef("there is no organization yet: `debrief organizations create NAME --domain example.com` makes one")
	case len(all) > 1:
		return store.Organization{}, usagef("there are several organizations: name one with --organization (DEBRIEF_ORGANIZATION)")
	default:
		return all[0], nil
	}
}

func (a *app) hubspotClient() *hubspot.Client {
	return hubspot.New(hubspot.Options{BaseURL: a.hubSpot().BaseURL, HTTPClient: a.httpClient()})
}

func (a *app) httpClient() *http.Client { return &http.Client{Timeout: a.HubSpotCallTimeout} }

func (a *app) connectionsService(s *store.Store) *connections.Service {
	return connections.New(s, connections.Options{
		PublicURL: a.PublicURL, Provider: a.hubSpot(), HTTPClient: a.httpClient(),
	})
}

func (a *app) gate(s *store.Store, tokens *connections.Service) *crm.Gate {
	return crm.New(crm.Options{
		Store: s, Tokens: tokens, Client: a.hubspotClient(), CallTimeout: a.HubSpotCallTimeout, LateCommit: a.HubSpotLateCommit,
	})
}

// temporal connects lazily: Temporal being away is no reason not to start.
func (a *app) temporal(s *store.Store, log zerolog.Logger) (client.Client, error) {
	options := client.Options{HostPort: a.TemporalAddress, Namespace: a.TemporalNamespace, Logger: temporalLogger(log)}
	codec.Configure(&options, s, activities.TypeRefused)
	c, err := client.NewLazyClient(options)
	if err != nil {
		return nil, usagef("the setting --temporal-address (DEBRIEF_TEMPORAL_ADDRESS) is wrong: %s", err)
	}
	a.closers = append(a.closers, c.Close)
	return c, nil
}
