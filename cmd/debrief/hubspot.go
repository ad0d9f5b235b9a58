package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/debriefhq/debrief/connections"
	projects "github.com/debriefhq/debrief/hubspot-projects"
)

type hubspotCmd struct {
	Init hubspotInitCmd `cmd:"" help:"Write ready HubSpot project files for both kinds of app, and a Slack manifest, with this installation's addresses."`
}

type hubspotInitCmd struct {
	jsonFlag

	Directory    string `arg:"" help:"Where to write them; made if it is not there." default:"hubspot-projects"`
	TerminalPort int    `help:"The port of 'debrief connections login --terminal'." default:"8737"`
}

func (c *hubspotInitCmd) Run(_ context.Context, a *app) error {
	if advice := publicHTTPAdvice(a.PublicURL); advice != "" {
		return usagef("the setting --public-url (DEBRIEF_PUBLIC_URL) is %s: %s", a.PublicURL, advice)
	}
	var written []string
	err := fs.WalkDir(projects.Files, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		raw, err := projects.Files.ReadFile(name)
		if err != nil {
			return err
		}
		if raw, err = c.fill(raw, name, a.PublicURL, a.hubSpot()); err != nil {
			return err
		}
		target := filepath.Join(c.Directory, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil { //nolint:gosec // a project to be read, without secrets
			return err
		}
		// What is there may have been edited: it is never overwritten.
		file, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // as above
		if errors.Is(err, fs.ErrExist) {
			return usagef("%s is there already, and may have been edited: name another directory", target)
		}
		if err != nil {
			return err
		}
		_, err = file.Write(raw)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
		written = append(written, target)
		return nil
	})
	if err != nil {
		return fmt.Errorf("writing the project files: %w", err)
	}
	return a.show(c.JSON, written, func() {
		for _, name := range written {
			a.say("  %s", name)
		}
		a.say(`
Two HubSpot projects, one app each: account/ is installed once for everyone, user/ acts
as each user who connects. Upload one with HubSpot's CLI:

  npm install --global @hubspot/cli
  hs account auth
  cd %s && hs project upload

Then, with the client ID and secret that HubSpot shows on the app's page:

  debrief apps add hubspot --level account
  debrief connections login main

HubSpot caps who may install: 10 accounts, each listed on the app's page, with private
distribution (as written), and 25 with marketplace distribution that is not listed.`, filepath.Join(c.Directory, "account"))
	})
}

// fill puts this installation's addresses and scopes into a template.
func (c *hubspotInitCmd) fill(raw []byte, name, publicURL string, p connections.Provider) ([]byte, error) {
	text := strings.ReplaceAll(string(raw), "https://debrief.example", strings.TrimRight(publicURL, "/"))
	if filepath.Base(name) != "app-hsmeta.json" {
		return []byte(text), nil
	}
	var file map[string]any
	if err := json.Unmarshal([]byte(text), &file); err != nil {
		return nil, fmt.Errorf("reading the template %s: %w", name, err)
	}
	config, _ := file["config"].(map[string]any)
	auth, _ := config["auth"].(map[string]any)
	if auth == nil {
		return nil, fmt.Errorf("the template %s has no auth", name)
	}
	auth["redirectUrls"] = []string{
		strings.TrimRight(publicURL, "/") + connections.CallbackPath,
		fmt.Sprintf("http://localhost:%d%s", c.TerminalPort, connections.CallbackPath),
	}
	auth["requiredScopes"], auth["optionalScopes"] = p.Scopes, append([]string{}, p.OptionalScopes...)
	out, err := json.MarshalIndent(file, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", name, err)
	}
	return append(out, '\n'), nil
}
