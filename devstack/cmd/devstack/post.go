package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/webhooks"
)

// kept is what `up` keeps of its organization, beside the stack's own state.
type kept struct {
	Scene  devstack.Scene `json:"scene"`
	DealID string         `json:"deal_id"` // the deal that the demonstration's meeting is about
}

func keptFile(state string) string { return filepath.Join(state, "scene.json") }

// readKept returns what an earlier run kept, and whether there was one.
func readKept(state string) (kept, bool, error) {
	raw, err := os.ReadFile(keptFile(state))
	if errors.Is(err, fs.ErrNotExist) {
		return kept{}, false, nil
	}
	if err != nil {
		return kept{}, false, fmt.Errorf("reading the state: %w", err)
	}
	var k kept
	if err := json.Unmarshal(raw, &k); err != nil {
		return kept{}, false, fmt.Errorf("%s can't be read: `make clean` forgets the state: %w", keptFile(state), err)
	}
	return k, true, nil
}

func (k kept) write(state string) error {
	raw, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("encoding the state: %w", err)
	}
	if err := os.WriteFile(keptFile(state), raw, 0o600); err != nil {
		return fmt.Errorf("keeping the state: %w", err)
	}
	return nil
}

// curl writes a fresh meeting into the state folder and returns the command that
// posts it, signed now.
func (k kept) curl(state string) (string, error) {
	now := time.Now()
	body, err := json.Marshal(demoMeeting(now, k.DealID))
	if err != nil {
		return "", fmt.Errorf("encoding the meeting: %w", err)
	}
	file, err := filepath.Abs(filepath.Join(state, "meeting.json"))
	if err != nil {
		return "", fmt.Errorf("finding the state: %w", err)
	}
	if err := os.WriteFile(file, body, 0o600); err != nil {
		return "", fmt.Errorf("writing the meeting: %w", err)
	}
	id := "msg_" + uuid.NewString()
	signature, err := webhooks.SignStandard(k.Scene.SourceSecret, id, now, body)
	if err != nil {
		return "", fmt.Errorf("signing the meeting: %w", err)
	}
	return strings.Join([]string{
		"curl -i '" + k.Scene.SourceURL + "'",
		"-H 'content-type: application/json'",
		"-H 'webhook-id: " + id + "'",
		fmt.Sprintf("-H 'webhook-timestamp: %d'", now.Unix()),
		"-H 'webhook-signature: " + signature + "'",
		"--data-binary '@" + file + "'",
	}, " "), nil
}

// curlCmd prints a fresh curl for a stack that is up: a signature is good for
// five minutes.
type curlCmd struct {
	State string `help:"Folder that keeps the state." default:".debrief" placeholder:"DIR"`
}

func (c *curlCmd) Run(e *env) error {
	k, found, err := readKept(c.State)
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("there is no stack in %s: `make dev` brings one up", c.State)
	}
	curl, err := k.curl(c.State)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(e.out, curl)
	return err
}
