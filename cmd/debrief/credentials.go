package main

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/webhooks"
)

type sourcesCredentialsCmd struct {
	namedSource

	File   string `help:"File with the credentials: a JSON object, or the key alone where the platform wants nothing else; without it they are read from standard input." type:"existingfile"`
	Remove bool   `help:"Remove the credentials: what only names something is understood without the rest."`
}

func (c *sourcesCredentialsCmd) Run(ctx context.Context, a *app) error {
	s, source, err := c.find(ctx, a)
	if err != nil {
		return err
	}
	platform, err := webhooks.PlatformOf(source, webhooks.Platforms())
	if err != nil {
		return err
	}
	if c.Remove {
		if err := s.SetSourceCredentials(ctx, source.ID, nil, store.Operator); err != nil {
			return err
		}
		return a.done(c.JSON, "%s has no API credentials any more.", source.Name)
	}
	if len(platform.Credentials()) == 0 {
		return usagef("Debrief does not use an API of %s: its webhooks tell all", platform.Name())
	}
	raw, err := c.read(a)
	if err != nil {
		return err
	}
	credentials, err := platform.ReadCredentials(raw)
	if err != nil {
		return usagef("the credentials do not fit %s: %s", platform.Name(), err)
	}
	if err := s.SetSourceCredentials(ctx, source.ID, credentials, store.Operator); err != nil {
		return err
	}
	return a.done(c.JSON, "The API credentials of %s are set; what waited for them goes on. What came before: `debrief deliveries replay --source %s --from DAY --mode=resume`.", source.Name, source.Name)
}

// maxCredentials bounds what is read: a service account's key has two kilobytes.
const maxCredentials = 64 << 10

func (c *sourcesCredentialsCmd) read(a *app) ([]byte, error) {
	if c.File == "" && a.terminal() != nil {
		secret, err := a.readSecret("", "API credentials, on one line")
		return []byte(secret.Reveal()), err
	}
	var raw []byte
	var err error
	if c.File != "" {
		raw, err = os.ReadFile(c.File)
	} else {
		raw, err = io.ReadAll(io.LimitReader(a.in, maxCredentials+1))
	}
	switch {
	case err != nil:
		return nil, usagef("the credentials can't be read: %s", err)
	case len(raw) > maxCredentials:
		return nil, usagef("the credentials are too long to be any")
	case strings.TrimSpace(string(raw)) == "":
		return nil, usagef("no credentials were given: pipe them to this command, or name a file")
	}
	return raw, nil
}
