package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/store"
)

type tokensCmd struct {
	Create tokensCreateCmd `cmd:"" help:"Make a token, which is shown once."`
	List   tokensListCmd   `cmd:"" help:"List tokens, without their values."`
	Revoke tokensRevokeCmd `cmd:"" help:"End a token at once."`
}

type tokensCreateCmd struct {
	jsonFlag

	Person string        `arg:"" help:"For whom the agent calls: e-mail address or ID."`
	Name   string        `help:"What it is for, for the list and for whoever approves: \"Iris's laptop\"." required:""`
	TTL    time.Duration `help:"How long it works; a year at most." default:"2160h"`
}

func (c *tokensCreateCmd) Run(ctx context.Context, a *app) error {
	s, o, p, err := a.person(ctx, c.Person)
	if err != nil {
		return err
	}
	t, secret, err := s.CreateCallerToken(ctx, o.ID, p.ID, c.Name, c.TTL, store.Operator)
	if err != nil {
		return err
	}
	shown := struct {
		store.CallerToken

		Token string `json:"token"`
		URL   string `json:"url"`
	}{t, secret.Reveal(), a.PublicURL + mcpPath}
	return a.show(c.JSON, shown, func() {
		a.say("%s", shown.Token)
		a.say("\nThis is shown once. It works until %s, at %s, as a bearer token.", t.ExpiresAt.UTC().Format(time.RFC1123), shown.URL)
		a.say("`debrief tokens revoke %s` ends it.", t.ID)
	})
}

type tokensListCmd struct{ jsonFlag }

func (c *tokensListCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "tokens")
	if err != nil {
		return err
	}
	tokens, err := s.CallerTokens(ctx, o.ID)
	if err != nil {
		return err
	}
	names, err := s.PeopleNames(ctx, o.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, tokens, func() {
		rows := [][]string{{"ID", "PERSON", "NAME", "STATE", "LAST USED"}}
		for _, t := range tokens {
			used := "never"
			if t.LastUsedAt != nil {
				used = ago(*t.LastUsedAt)
			}
			rows = append(rows, []string{t.ID.String(), names[t.PersonID.String()], t.Name, tokenState(t), used})
		}
		a.table("No tokens: `debrief tokens create PERSON --name NAME` makes one", rows)
	})
}

func tokenState(t store.CallerToken) string {
	switch {
	case t.RevokedAt != nil:
		return "revoked " + ago(*t.RevokedAt)
	case !time.Now().Before(t.ExpiresAt):
		return "expired " + ago(t.ExpiresAt)
	default:
		return "works, expires " + ago(t.ExpiresAt)
	}
}

type tokensRevokeCmd struct {
	jsonFlag

	Token uuid.UUID `arg:"" help:"The token's ID, as listed."`
}

func (c *tokensRevokeCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "tokens")
	if err != nil {
		return err
	}
	err = s.RevokeCallerToken(ctx, o.ID, c.Token, store.Operator)
	if errors.Is(err, store.ErrNotFound) {
		return &notFoundError{fmt.Sprintf("there is no token %s: `debrief tokens list` shows them", c.Token)}
	}
	if err != nil {
		return err
	}
	return a.done(c.JSON, "Token %s works no more.", c.Token)
}
