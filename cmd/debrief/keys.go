package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/debriefhq/debrief/vault"
)

type keysCmd struct {
	Generate keysGenerateCmd `cmd:"" help:"Write a fresh keyset. Without it nothing that was sealed can be read: keep a copy elsewhere."`
}

type keysGenerateCmd struct {
	File string `arg:"" help:"File to write; it must not exist."`
}

func (c *keysGenerateCmd) Run(_ context.Context, a *app) error {
	keyset, err := vault.NewKeyset()
	if err != nil {
		return err
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return usagef("%s exists already, and overwriting a keyset would lose everything sealed with it", c.File)
	}
	if err != nil {
		return fmt.Errorf("creating the keyset file: %w", err)
	}
	if _, err := f.Write(keyset); err != nil {
		return errors.Join(fmt.Errorf("writing the keyset: %w", err), f.Close())
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("writing the keyset: %w", err)
	}
	a.say("The keyset is in %s. Point --keyset-file (DEBRIEF_KEYSET_FILE) at it, and keep a copy elsewhere.", c.File)
	return nil
}
