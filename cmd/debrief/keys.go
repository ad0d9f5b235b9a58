package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/rs/zerolog"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/vault"
)

type keysCmd struct {
	Generate keysGenerateCmd `cmd:"" help:"Write a fresh keyset. Without it nothing that was sealed can be read: keep a copy elsewhere."`
	Status   keysStatusCmd   `cmd:"" help:"Show the keys, how many rows are sealed under each, and every row that does not open."`
	Add      keysAddCmd      `cmd:"" help:"Rotation, step 1: add a key that opens and does not seal yet. Then give every process the new keyset."`
	Promote  keysPromoteCmd  `cmd:"" help:"Rotation, step 2: let a key seal. Then restart every process."`
	Reseal   keysResealCmd   `cmd:"" help:"Rotation, step 3: seal everything anew under the key that seals, while Debrief works. It may be ended and begun again."`
	Retire   keysRetireCmd   `cmd:"" help:"Rotation, step 4: delete a key that nothing is sealed under any more. Backups made before still need it."`
}

// keyWrapper is what opens the keyset, or nil where it stands in clear.
func (a *app) keyWrapper() vault.KeyWrapper {
	if a.KeysetKMSCommand == "" {
		return nil
	}
	return vault.Command{Path: a.KeysetKMSCommand}
}

// wrapped is the keyset as it is written to a file.
func (a *app) wrapped(ctx context.Context, keyset []byte) ([]byte, error) {
	w := a.keyWrapper()
	if w == nil {
		return keyset, nil
	}
	out, err := w.Wrap(ctx, keyset)
	if err != nil {
		return nil, fmt.Errorf("wrapping the keyset: %w", err)
	}
	return out, nil
}

type keysGenerateCmd struct {
	File string `arg:"" help:"File to write; it must not exist."`
}

func (c *keysGenerateCmd) Run(ctx context.Context, a *app) error {
	keyset, err := vault.NewKeyset()
	if err != nil {
		return err
	}
	if keyset, err = a.wrapped(ctx, keyset); err != nil {
		return err
	}
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		return usagef("%s exists already, and overwriting a keyset would lose everything sealed with it", c.File)
	}
	if err != nil {
		return fmt.Errorf("creating the keyset file: %w", err)
	}
	if err := writeAndClose(f, keyset); err != nil {
		return err
	}
	a.say("The keyset is in %s. Point --keyset-file (DEBRIEF_KEYSET_FILE) at it, and keep a copy elsewhere.", c.File)
	return nil
}

func writeAndClose(f *os.File, content []byte) error {
	_, err := f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing the keyset: %w", err)
	}
	return nil
}

// changeKeyset replaces the keyset in a file by what change makes of it, whole
// or not at all.
func (a *app) changeKeyset(ctx context.Context, file string, change func(keyset []byte) ([]byte, error)) error {
	if file == "" {
		if file = a.KeysetFile; file == "" {
			return usagef("name the keyset's file: it comes from DEBRIEF_KEYSET here, which can't be written. Write it to a file, change that, and put what comes out into the variable")
		}
	}
	// A rename would replace a link, and not what it leads to.
	file, err := filepath.EvalSymlinks(file)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return usagef("the keyset's file can't be found: %s", err)
	}
	keyset, err := vault.ReadKeyset(ctx, file, "", a.keyWrapper())
	if err != nil {
		return usagef("%s", err)
	}
	changed, err := change(keyset)
	if errors.Is(err, vault.ErrNoSuchKey) || errors.Is(err, vault.ErrPrimaryKey) {
		return usagef("%s", err)
	}
	if err != nil {
		return err
	}
	if changed, err = a.wrapped(ctx, changed); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".keyset-*") // with mode 0600
	if err != nil {
		return fmt.Errorf("writing the keyset: %w", err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone, once it was renamed
	if err := writeAndClose(f, changed); err != nil {
		return err
	}
	if before, err := os.Stat(file); err == nil {
		if err := os.Chmod(f.Name(), before.Mode().Perm()); err != nil {
			return fmt.Errorf("writing the keyset: %w", err)
		}
		if err := keepOwner(f.Name(), before); err != nil {
			return fmt.Errorf("writing the keyset: %w", err)
		}
	}
	if err := os.Rename(f.Name(), file); err != nil {
		return fmt.Errorf("writing the keyset: %w", err)
	}
	return nil
}

type keysAddCmd struct {
	jsonFlag

	File string `arg:"" optional:"" help:"The keyset's file; without it, the one that --keyset-file names."`
}

func (c *keysAddCmd) Run(ctx context.Context, a *app) error {
	var id vault.KeyID
	err := a.changeKeyset(ctx, c.File, func(keyset []byte) (changed []byte, err error) {
		changed, id, err = vault.AddKey(keyset)
		return changed, err
	})
	if err != nil {
		return err
	}
	return a.show(c.JSON, map[string]vault.KeyID{"key_id": id}, func() {
		a.say("Key %s opens, and does not seal yet. Copy the keyset to wherever processes read it, keep a copy elsewhere, restart every process, and then let it seal with `debrief keys promote %s`.", id, id)
	})
}

type keysPromoteCmd struct {
	jsonFlag

	Key  string `arg:"" help:"ID of the key."`
	File string `arg:"" optional:"" help:"The keyset's file; without it, the one that --keyset-file names."`
}

func (c *keysPromoteCmd) Run(ctx context.Context, a *app) error {
	id, err := vault.ParseKeyID(c.Key)
	if err != nil {
		return usagef("%s", err)
	}
	err = a.changeKeyset(ctx, c.File, func(keyset []byte) ([]byte, error) { return vault.PromoteKey(keyset, id) })
	if err != nil {
		return err
	}
	return a.done(c.JSON, "Key %s seals. Restart every process with this keyset, and then seal anew what is under older keys with `debrief keys reseal`.", id)
}

type keysResealCmd struct {
	jsonFlag
}

func (c *keysResealCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "keys")
	if err != nil {
		return err
	}
	begun := time.Now()
	shown := begun
	p, err := s.Reseal(ctx, func(p store.ResealProgress) {
		if !c.JSON && time.Since(shown) >= time.Second {
			shown = time.Now()
			_, _ = fmt.Fprintf(a.err, "%d of %d rows are sealed anew, %.0f a second\n", p.Done, p.Total, float64(p.Done)/time.Since(begun).Seconds())
		}
	})
	if err != nil {
		return fmt.Errorf("%d of %d rows were sealed anew, and the command may be run again: %w", p.Done, p.Total, err)
	}
	err = a.show(c.JSON, map[string]int{"done": p.Done, "unreadable": p.Unreadable}, func() {
		a.say("%d rows are sealed anew, in %s.", p.Done, round(time.Since(begun)))
	})
	if err != nil {
		return err
	}
	if p.Unreadable > 0 {
		return fmt.Errorf("%d rows do not open with this keyset, and were left as they are: `debrief keys status` names them", p.Unreadable)
	}
	return nil
}

// keyStatus is one key, and what is sealed under it.
type keyStatus struct {
	vault.Key

	// Held: the keyset at hand has it.
	Held bool `json:"held"`
	Rows int  `json:"rows"`
}

type keysStatusCmd struct {
	jsonFlag
}

func (c *keysStatusCmd) Run(ctx context.Context, a *app) error {
	v, err := a.vault(ctx)
	if err != nil {
		return err
	}
	s, err := a.store(ctx, "keys")
	if err != nil {
		return err
	}
	uses, err := s.KeyUses(ctx)
	if err != nil {
		return err
	}
	unreadable, count, err := s.UnreadableRows(ctx)
	if err != nil {
		return err
	}
	keys := keyStatuses(v.Keys(), uses)
	shown := map[string]any{"keys": keys, "uses": uses, "unreadable": unreadable, "unreadable_count": count}
	return a.show(c.JSON, shown, func() {
		rows := [][]string{{"KEY", "", "ROWS"}}
		for _, k := range keys {
			rows = append(rows, []string{keyName(k.ID), keyRole(k), strconv.Itoa(k.Rows)})
		}
		a.table("", rows)
		if count == 0 {
			a.say("\nEverything opens.")
			return
		}
		a.say("\n%d rows do not open. Nothing was changed; with the right keyset they open again.", count)
		rows = [][]string{{"COLUMN", "ROW", "KEY", "WHY"}}
		for _, r := range unreadable {
			rows = append(rows, []string{r.Column, r.ID.String(), keyName(r.KeyID), r.Reason})
		}
		a.table("", rows)
		if count > len(unreadable) {
			a.say("and %d more.", count-len(unreadable))
		}
	})
}

func keyRole(k keyStatus) string {
	switch {
	case k.Primary:
		return "seals"
	case k.Held:
		return "opens"
	default:
		return "missing"
	}
}

func keyName(id vault.KeyID) string {
	if id == 0 {
		return "none"
	}
	return id.String()
}

// keyStatuses joins the keyset's keys with what is in use: those come first, and
// then keys that are missing.
func keyStatuses(keys []vault.Key, uses []store.KeyUse) []keyStatus {
	var out []keyStatus
	at := map[vault.KeyID]int{}
	for _, k := range keys {
		at[k.ID] = len(out)
		out = append(out, keyStatus{Key: k, Held: true})
	}
	for _, u := range uses {
		i, ok := at[u.KeyID]
		if !ok {
			i = len(out)
			at[u.KeyID] = i
			out = append(out, keyStatus{Key: vault.Key{ID: u.KeyID}})
		}
		out[i].Rows += u.Rows
	}
	return out
}

type keysRetireCmd struct {
	jsonFlag

	Key  string `arg:"" help:"ID of the key."`
	File string `arg:"" optional:"" help:"The keyset's file; without it, the one that --keyset-file names."`
}

func (c *keysRetireCmd) Run(ctx context.Context, a *app) error {
	id, err := vault.ParseKeyID(c.Key)
	if err != nil {
		return usagef("%s", err)
	}
	s, err := a.store(ctx, "keys")
	if err != nil {
		return err
	}
	err = a.changeKeyset(ctx, c.File, func(keyset []byte) ([]byte, error) {
		uses, err := s.KeyUses(ctx)
		if err != nil {
			return nil, err
		}
		rows := 0
		for _, u := range uses {
			if u.KeyID == id {
				rows += u.Rows
			}
		}
		if rows > 0 {
			return nil, usagef("%d rows are still sealed under key %s and would be lost: `debrief keys reseal` seals them anew", rows, id)
		}
		return vault.RetireKey(keyset, id)
	})
	if err != nil {
		return err
	}
	return a.done(c.JSON, "Key %s is gone from the keyset. Restart every process with it. Keep the old keyset for as long as you keep backups of the database from before.", id)
}

// warnOfUnknownKeys says at start that rows can't be read. The process starts all
// the same: what it can read works, and nothing else is touched.
func warnOfUnknownKeys(ctx context.Context, s *store.Store, log zerolog.Logger) {
	unknown, err := s.UnknownKeys(ctx)
	if err != nil {
		log.Warn().Err(err).Msg("which keys are in use could not be looked up")
		return
	}
	if len(unknown) == 0 {
		return
	}
	rows := 0
	columns := zerolog.Dict()
	counts := map[string]int{}
	for _, u := range unknown {
		rows += u.Rows
		counts[u.Column] += u.Rows
	}
	for column, n := range counts {
		columns.Int(column, n)
	}
	log.Warn().Int("rows", rows).Dict("columns", columns).
		Msg("rows are sealed under keys that this keyset does not hold, and can't be read; `debrief keys status` names them")
}
