package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/webhooks"
)

type sourcesCmd struct {
	Add       sourcesAddCmd       `cmd:"" help:"Add a source and print the URL that the platform should post to."`
	List      sourcesListCmd      `cmd:"" help:"List sources with their URLs."`
	Show      sourcesShowCmd      `cmd:"" help:"Show one source, and how it stands at its platform."`
	Platforms sourcesPlatformsCmd `cmd:"" help:"List the platforms that Debrief knows."`
	Set       sourcesSetCmd       `cmd:"" help:"Bound what a source may send, or change its definition."`
	Rotate    sourcesRotateCmd    `cmd:"" help:"Add a new secret; the old one stays valid until it is retired."`
	Retire    sourcesRetireCmd    `cmd:"" help:"End the older of two secrets."`
	Disable   sourcesDisableCmd   `cmd:"" help:"Take nothing more from a source."`
	Enable    sourcesEnableCmd    `cmd:"" help:"Take events from a disabled source again."`

	Credentials sourcesCredentialsCmd `cmd:"" help:"Give a source what it needs to use its platform's API, where webhooks only name things: 'debrief sources platforms' lists the fields."`

	Connect    sourcesConnectCmd    `cmd:"" help:"Say that an account at the platform is the organization's: what comes of it through an installation's source goes there."`
	Disconnect sourcesDisconnectCmd `cmd:"" help:"End that: what comes of the account is nobody's."`
}

// secretSource is how a platform's signing secret is given: never as an argument.
type secretSource struct {
	SecretFile string `help:"File with the signing secret; without it the secret is read from standard input." type:"existingfile"`
	Generate   bool   `help:"Make a fresh secret and print it once; for platforms that let you choose."`
}

// read returns the secret, and whether it was made here and must be shown.
func (c secretSource) read(a *app, platform webhooks.Platform) (secret store.Secret, made bool, err error) {
	if c.Generate || platform.Silent() {
		fresh, err := webhooks.NewStandardSecret()
		if err != nil {
			return "", false, err
		}
		// One that nothing is signed with is nobody's to know.
		secret, made = store.Secret(fresh), !platform.Silent()
	} else if secret, err = a.readSecret(c.SecretFile, "signing secret"); err != nil {
		return "", false, err
	}
	if err := platform.CheckSecret(secret.Reveal()); err != nil {
		return "", false, usagef("the signing secret does not fit %s: %s", platform.Name(), err)
	}
	return secret, made, nil
}

func (a *app) sourceURL(id uuid.UUID) string {
	return strings.TrimRight(a.PublicURL, "/") + "/webhooks/" + id.String()
}

// sourceLimits are the bounds of one source.
type sourceLimits struct {
	BodyLimit  *int64  `help:"Largest body in bytes; 0: ten megabytes, which is the largest for all." placeholder:"BYTES"`
	RateLimit  *int    `help:"Deliveries a minute; 0: any number. What is over it is told to come again later." placeholder:"COUNT"`
	APIURL     *string `name:"api-url" help:"Where the platform's API listens, if that is not its usual place; empty: there." placeholder:"URL"`
	Definition string  `help:"File that defines a platform which Debrief does not know: see docs/sources/definitions.md." type:"existingfile" placeholder:"FILE"`
}

// apply puts what was given into the settings, and returns the definition's
// platform, if there is one.
func (c sourceLimits) apply(settings *store.SourceSettings) (webhooks.Definition, error) {
	if c.BodyLimit != nil {
		if *c.BodyLimit < 0 || *c.BodyLimit > webhooks.MaxBody {
			return webhooks.Definition{}, usagef("--body-limit should be from 0 to %d", webhooks.MaxBody)
		}
		settings.BodyLimit = *c.BodyLimit
	}
	if c.RateLimit != nil {
		if *c.RateLimit < 0 || *c.RateLimit > 1_000_000 {
			return webhooks.Definition{}, usagef("--rate-limit should be from 0 to 1000000")
		}
		settings.RateLimit = *c.RateLimit
	}
	if c.APIURL != nil {
		base := strings.TrimRight(*c.APIURL, "/")
		if base != "" {
			if err := webhooks.CheckAPIURL(base); err != nil {
				return webhooks.Definition{}, usagef("--api-url can't be used: %s", err)
			}
		}
		settings.APIURL = base
	}
	if c.Definition == "" {
		return webhooks.Definition{}, nil
	}
	raw, err := os.ReadFile(c.Definition)
	if err != nil {
		return webhooks.Definition{}, usagef("--definition can't be read: %s", err)
	}
	d, err := webhooks.ParseDefinition(raw)
	if err != nil {
		return d, usagef("%s: %s", c.Definition, err)
	}
	settings.Definition = string(raw)
	return d, nil
}

type sourcesAddCmd struct {
	jsonFlag
	secretSource
	sourceLimits

	Installation bool `help:"One source for all organizations, where the platform has one URL per app (HubSpot, a shared Zoom app): each event goes to whoever connected its account."`

	Known string   `name:"platform" help:"The platform; may also come first, without the flag." placeholder:"PLATFORM"`
	Names []string `arg:"" optional:"" name:"platform-and-name" help:"The platform, as 'debrief sources platforms' lists them (not with --platform or --definition), and a short name for the source; the platform's if absent."`
}

// chosen is the platform and the name of the source that is to be made.
func (c *sourcesAddCmd) chosen(settings *store.SourceSettings) (platform webhooks.Platform, name string, err error) {
	d, err := c.apply(settings)
	if err != nil {
		return platform, "", err
	}
	names := c.Names
	switch {
	case d.Name != "" && c.Known != "":
		return platform, "", usagef("a source has a platform or a definition, not both")
	case d.Name != "":
		if platform, err = d.Platform(); err != nil {
			return platform, "", err
		}
	default:
		known := c.Known
		if known == "" && len(names) > 0 {
			known, names = names[0], names[1:]
		}
		var ok bool
		if platform, ok = webhooks.Platforms()[known]; !ok {
			return platform, "", usagef("there is no platform %q: they are %s; another one can be defined with --definition", known, strings.Join(slices.Sorted(maps.Keys(webhooks.Platforms())), ", "))
		}
	}
	if len(names) > 1 {
		return platform, "", usagef("a source has one name")
	}
	return platform, strings.Join(append(names, platform.Name())[:1], ""), nil
}

func (c *sourcesAddCmd) Run(ctx context.Context, a *app) error {
	var settings store.SourceSettings
	platform, name, err := c.chosen(&settings)
	if err != nil {
		return err
	}
	if platform.Silent() && c.Installation {
		return usagef("%s is switched on for one organization, not for the installation", platform.Name())
	}
	secret, made, err := c.read(a, platform)
	if err != nil {
		return err
	}
	if c.Installation && platform.OfOne() {
		return usagef("webhooks of %s name no account that they could be routed by: add a source for each organization", platform.Name())
	}
	s, owner, err := sourcesOf(ctx, a, c.Installation)
	if err != nil {
		return err
	}
	source, err := s.CreateSource(ctx, store.NewSource{
		OrganizationID: owner, Platform: platform.Name(), Name: name, Secrets: []store.Secret{secret}, Settings: settings,
	}, store.Operator)
	if err != nil {
		return err
	}
	shown := struct {
		ID     uuid.UUID `json:"id"`
		URL    string    `json:"url,omitempty"`
		Secret string    `json:"secret,omitempty"`
		Hint   string    `json:"hint,omitempty"`
	}{ID: source.ID, URL: a.sourceURL(source.ID), Hint: platform.Hint()}
	if made {
		shown.Secret = secret.Reveal()
	}
	if platform.Silent() {
		shown.URL = ""
	}
	return a.show(c.JSON, shown, func() {
		if platform.Silent() {
			a.say("%s", shown.Hint)
			return
		}
		a.say("Let %s post to\n\n  %s\n", platform.Name(), shown.URL)
		if made {
			a.say("with this secret, which is shown only now:\n\n  %s\n", shown.Secret)
		}
		if shown.Hint != "" {
			a.say("%s", shown.Hint)
		}
	})
}

type sourcesPlatformsCmd struct{ jsonFlag }

func (c *sourcesPlatformsCmd) Run(_ context.Context, a *app) error {
	type row struct {
		Name   string `json:"name"`
		Verify string `json:"verify"`
		// API are the fields of what its API wants.
		API []webhooks.Credential `json:"api,omitempty"`
	}
	known := webhooks.Platforms()
	shown := make([]row, 0, len(known))
	for _, name := range slices.Sorted(maps.Keys(known)) {
		shown = append(shown, row{name, known[name].Proof(), known[name].Credentials()})
	}
	return a.show(c.JSON, shown, func() {
		rows := [][]string{{"PLATFORM", "PROVES ITSELF BY", "ITS API WANTS"}}
		for _, r := range shown {
			var fields []string
			for _, field := range r.API {
				fields = append(fields, field.Name)
			}
			rows = append(rows, []string{r.Name, r.Verify, strings.Join(fields, ", ")})
		}
		a.table("", rows)
		a.say("\nEach has a page in docs/sources/. Others can be defined: `debrief sources add --definition FILE`")
	})
}

type sourcesSetCmd struct {
	namedSource
	sourceLimits
}

func (c *sourcesSetCmd) Run(ctx context.Context, a *app) error {
	s, source, err := c.find(ctx, a)
	if err != nil {
		return err
	}
	d, err := c.apply(&source.Settings)
	if err != nil {
		return err
	}
	if d.Name != "" && d.Name != source.Platform {
		return usagef("the definition is of the platform %s, and the source of %s", d.Name, source.Platform)
	}
	if d.Name != "" {
		// Its secrets stay: they have to fit the new way to verify.
		platform, err := d.Platform()
		if err != nil {
			return err
		}
		for _, secret := range source.Secrets {
			if err := platform.CheckSecret(secret.Reveal()); err != nil {
				return usagef("the source's secret does not fit the definition: %s", err)
			}
		}
	}
	if err := s.SetSource(ctx, source.ID, source.Settings, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "%s is set.", source.Name)
}

type sourcesListCmd struct {
	jsonFlag

	Installation bool `help:"Those of the whole installation, not of an organization."`
}

// sourcesOf opens the store for the sources of the organization that the command is
// about, or with nil as the owner for those of the installation.
func sourcesOf(ctx context.Context, a *app, installation bool) (*store.Store, *uuid.UUID, error) {
	if installation {
		s, err := a.store(ctx, "sources")
		return s, nil, err
	}
	s, o, err := a.open(ctx, "sources")
	return s, &o.ID, err
}

func (c *sourcesListCmd) Run(ctx context.Context, a *app) error {
	s, owner, err := sourcesOf(ctx, a, c.Installation)
	if err != nil {
		return err
	}
	all, err := s.Sources(ctx, owner)
	if err != nil {
		return err
	}
	if c.Installation {
		all = slices.DeleteFunc(all, func(source store.Source) bool { return source.OrganizationID != nil })
	}
	upkeeps, err := s.Upkeeps(ctx, owner)
	if err != nil {
		return err
	}
	shown := make([]shownSource, 0, len(all))
	for _, source := range all {
		shown = append(shown, shownSource{source, a.sourceURL(source.ID), upkeeps[source.ID]})
	}
	return a.show(c.JSON, shown, func() {
		rows := [][]string{{"NAME", "PLATFORM", "SECRETS", "STATE", "API", "URL"}}
		for _, r := range shown {
			state := "enabled"
			if r.DisabledAt != nil {
				state = "disabled"
			}
			rows = append(rows, []string{r.Name, r.Platform, itoa(int64(r.SecretCount)), state, r.API.State(), r.URL})
		}
		a.table("No source yet: `debrief sources add PLATFORM`", rows)
		for _, r := range shown {
			if r.API.State() == "refused" {
				a.say("\n%s: %s. `debrief sources credentials %s` sets others.", r.Name, r.API.Problem, r.Name)
			} else if r.Upkeep.Problem != "" {
				a.say("\n%s could not be looked after: %s. It is tried again %s.", r.Name, r.Upkeep.Problem, when(r.Upkeep.NextAt))
			}
		}
	})
}

// shownSource is a source as it is shown.
type shownSource struct {
	store.Source

	URL string `json:"url"`
	// Upkeep is how it is looked after at its platform.
	Upkeep store.Upkeep `json:"upkeep"`
}

type sourcesShowCmd struct{ namedSource }

func (c *sourcesShowCmd) Run(ctx context.Context, a *app) error {
	s, source, err := c.find(ctx, a)
	if err != nil {
		return err
	}
	upkeeps, err := s.Upkeeps(ctx, source.OrganizationID)
	if err != nil {
		return err
	}
	shown := shownSource{source, a.sourceURL(source.ID), upkeeps[source.ID]}
	return a.show(c.JSON, shown, func() {
		state := "enabled"
		if source.DisabledAt != nil {
			state = "disabled"
		}
		rows := [][]string{
			{"SOURCE", source.Name},
			{"platform", source.Platform},
			{"state", state},
			{"URL", shown.URL},
			{"secrets", itoa(int64(source.SecretCount))},
			{"API", strings.TrimSpace(source.API.State() + " " + source.API.Problem)},
		}
		if u := shown.Upkeep; u.BegunAt != nil {
			rows = append(rows, []string{"looked after", u.Words}, []string{"last look", when(u.LookedAt)}, []string{"next look", when(u.NextAt)})
			if u.Problem != "" {
				rows = append(rows, []string{"problem", u.Problem})
			}
		}
		a.table("", rows)
	})
}

// namedSource is a command about one source.
type namedSource struct {
	jsonFlag

	Installation bool `help:"The source is the whole installation's, not an organization's."`

	Name string `arg:"" help:"The source."`
}

func (c namedSource) find(ctx context.Context, a *app) (*store.Store, store.Source, error) {
	s, owner, err := sourcesOf(ctx, a, c.Installation)
	if err != nil {
		return nil, store.Source{}, err
	}
	source, err := sourceNamed(ctx, s, owner, c.Name)
	return s, source, err
}

// sourceNamed is the owner's source; a nil owner is the installation.
func sourceNamed(ctx context.Context, s *store.Store, owner *uuid.UUID, name string) (store.Source, error) {
	source, err := s.SourceByName(ctx, owner, name)
	if errors.Is(err, store.ErrNotFound) {
		list := "debrief sources list"
		if owner == nil {
			list += " --installation"
		}
		return store.Source{}, usagef("there is no source named %q: `%s` shows them", name, list)
	}
	return source, err
}

// installationsAccount is an account at the platform of an installation's source.
type installationsAccount struct {
	jsonFlag

	Name    string `arg:"" help:"The installation's source."`
	Account string `arg:"" help:"The account's ID, as the platform's events name it: a Zoom account ID, say."`
}

func (c installationsAccount) find(ctx context.Context, a *app) (*store.Store, store.Source, store.Organization, error) {
	s, o, err := a.open(ctx, "sources")
	if err != nil {
		return nil, store.Source{}, o, err
	}
	source, err := sourceNamed(ctx, s, nil, c.Name)
	return s, source, o, err
}

type sourcesConnectCmd struct{ installationsAccount }

func (c *sourcesConnectCmd) Run(ctx context.Context, a *app) error {
	s, source, o, err := c.find(ctx, a)
	if err != nil {
		return err
	}
	if err := s.ConnectAccount(ctx, source.ID, c.Account, o.ID, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "What %s tells of that account goes to %s now, what it told before included.", source.Name, o.Name)
}

type sourcesDisconnectCmd struct{ installationsAccount }

func (c *sourcesDisconnectCmd) Run(ctx context.Context, a *app) error {
	s, source, o, err := c.find(ctx, a)
	if err != nil {
		return err
	}
	err = s.DisconnectAccount(ctx, source.ID, c.Account, o.ID, store.Operator)
	if errors.Is(err, store.ErrNotFound) {
		return usagef("that account of %s is not connected with %s", source.Name, o.Name)
	}
	if err != nil {
		return err
	}
	return a.done(c.JSON, "What %s tells of that account is nobody's from now on.", source.Name)
}

type sourcesRotateCmd struct {
	namedSource
	secretSource
}

func (c *sourcesRotateCmd) Run(ctx context.Context, a *app) error {
	s, source, err := c.find(ctx, a)
	if err != nil {
		return err
	}
	platform, err := webhooks.PlatformOf(source, webhooks.Platforms())
	if err != nil {
		return err
	}
	secret, made, err := c.read(a, platform)
	if err != nil {
		return err
	}
	if err := s.RotateSourceSecret(ctx, source.ID, secret, store.Operator); err != nil {
		return err
	}
	shown := struct {
		Done   string `json:"done"`
		Secret string `json:"secret,omitempty"`
	}{Done: "Both secrets are valid now. When the platform uses the new one: `debrief sources retire " + source.Name + "`"}
	if made {
		shown.Secret = secret.Reveal()
	}
	return a.show(c.JSON, shown, func() {
		a.say("%s", shown.Done)
		if made {
			a.say("The new secret, shown only now:\n\n  %s\n", shown.Secret)
		}
	})
}

type sourcesRetireCmd struct{ namedSource }

func (c *sourcesRetireCmd) Run(ctx context.Context, a *app) error {
	s, source, err := c.find(ctx, a)
	if err != nil {
		return err
	}
	if err := s.RetireSourceSecret(ctx, source.ID, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "The older secret of %s is retired.", source.Name)
}

type sourcesDisableCmd struct{ namedSource }

func (c *sourcesDisableCmd) Run(ctx context.Context, a *app) error {
	s, source, err := c.find(ctx, a)
	if err != nil {
		return err
	}
	if err := s.DisableSource(ctx, source.ID, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "%s is disabled: what it sends is dropped.", source.Name)
}

type sourcesEnableCmd struct{ namedSource }

func (c *sourcesEnableCmd) Run(ctx context.Context, a *app) error {
	s, source, err := c.find(ctx, a)
	if err != nil {
		return err
	}
	if err := s.EnableSource(ctx, source.ID, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "%s is enabled.", source.Name)
}
