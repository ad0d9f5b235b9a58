package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/webhooks"
)

type sourcesCmd struct {
	Add     sourcesAddCmd     `cmd:"" help:"Add a source and print the URL that the platform should post to."`
	List    sourcesListCmd    `cmd:"" help:"List sources with their URLs."`
	Rotate  sourcesRotateCmd  `cmd:"" help:"Add a new secret; the old one stays valid until it is retired."`
	Retire  sourcesRetireCmd  `cmd:"" help:"End the older of two secrets."`
	Disable sourcesDisableCmd `cmd:"" help:"Take nothing more from a source."`
	Enable  sourcesEnableCmd  `cmd:"" help:"Take events from a disabled source again."`
}

// secretSource is how a platform's signing secret is given: never as an argument.
type secretSource struct {
	SecretFile string `help:"File with the signing secret; without it the secret is read from standard input." type:"existingfile"`
	Generate   bool   `help:"Make a fresh secret and print it once; for platforms that let you choose."`
}

// read returns the secret, and whether it was made here and must be shown.
func (c secretSource) read(a *app, platform webhooks.Platform) (secret store.Secret, made bool, err error) {
	if c.Generate {
		fresh, err := webhooks.NewStandardSecret()
		if err != nil {
			return "", false, err
		}
		secret, made = store.Secret(fresh), true
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

type sourcesAddCmd struct {
	jsonFlag
	secretSource

	Platform string `arg:"" help:"The platform: debrief (Debrief's own event, signed as Standard Webhooks) or zoom."`
	Name     string `arg:"" optional:"" help:"Short name; the platform's if absent."`
}

func (c *sourcesAddCmd) Run(ctx context.Context, a *app) error {
	platform, ok := webhooks.Platforms()[c.Platform]
	if !ok {
		return usagef("there is no platform %q: they are %s", c.Platform, strings.Join(slices.Sorted(maps.Keys(webhooks.Platforms())), ", "))
	}
	secret, made, err := c.read(a, platform)
	if err != nil {
		return err
	}
	s, err := a.store(ctx, "sources")
	if err != nil {
		return err
	}
	o, err := a.organization(ctx, s)
	if err != nil {
		return err
	}
	name := c.Name
	if name == "" {
		name = c.Platform
	}
	source, err := s.CreateSource(ctx, store.NewSource{OrganizationID: &o.ID, Platform: c.Platform, Name: name, Secrets: []store.Secret{secret}}, store.Operator)
	if err != nil {
		return err
	}
	shown := struct {
		ID     uuid.UUID `json:"id"`
		URL    string    `json:"url"`
		Secret string    `json:"secret,omitempty"`
	}{ID: source.ID, URL: a.sourceURL(source.ID)}
	if made {
		shown.Secret = secret.Reveal()
	}
	return a.show(c.JSON, shown, func() {
		a.say("Let %s post to\n\n  %s\n", c.Platform, shown.URL)
		if made {
			a.say("with this secret, which is shown only now:\n\n  %s\n", shown.Secret)
		}
	})
}

type sourcesListCmd struct{ jsonFlag }

func (c *sourcesListCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "sources")
	if err != nil {
		return err
	}
	o, err := a.organization(ctx, s)
	if err != nil {
		return err
	}
	all, err := s.Sources(ctx, &o.ID)
	if err != nil {
		return err
	}
	type row struct {
		store.Source

		URL string `json:"url"`
	}
	shown := make([]row, 0, len(all))
	for _, source := range all {
		shown = append(shown, row{source, a.sourceURL(source.ID)})
	}
	return a.show(c.JSON, shown, func() {
		rows := [][]string{{"NAME", "PLATFORM", "SECRETS", "STATE", "URL"}}
		for _, r := range shown {
			state := "enabled"
			if r.DisabledAt != nil {
				state = "disabled"
			}
			rows = append(rows, []string{r.Name, r.Platform, itoa(int64(r.SecretCount)), state, r.URL})
		}
		a.table("No source yet: `debrief sources add PLATFORM`", rows)
	})
}

// namedSource is a command about one source.
type namedSource struct {
	jsonFlag

	Name string `arg:"" help:"The source."`
}

func (c namedSource) find(ctx context.Context, a *app) (*store.Store, store.Source, error) {
	s, err := a.store(ctx, "sources")
	if err != nil {
		return nil, store.Source{}, err
	}
	o, err := a.organization(ctx, s)
	if err != nil {
		return nil, store.Source{}, err
	}
	source, err := s.SourceByName(ctx, &o.ID, c.Name)
	if errors.Is(err, store.ErrNotFound) {
		return nil, store.Source{}, usagef("there is no source named %q: `debrief sources list` shows them", c.Name)
	}
	return s, source, err
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
	secret, made, err := c.read(a, webhooks.Platforms()[source.Platform])
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
