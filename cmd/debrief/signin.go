package main

import (
	"context"
	"errors"
	"strings"

	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/web"
)

type signInCmd struct {
	jsonFlag

	Person string `help:"Sign in as this person instead, by e-mail address or ID." placeholder:"EMAIL"`
}

func (c *signInCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "sign-in")
	if err != nil {
		return err
	}
	who := store.SignedIn{IsOperator: true}
	// An organization that is named is looked at from the beginning.
	if c.Person != "" || a.Organization != "" {
		o, err := a.organization(ctx, s)
		if err != nil {
			return err
		}
		who.OrganizationID = &o.ID
		if c.Person != "" {
			p, err := findPerson(ctx, s, o, c.Person)
			if err != nil {
				return err
			}
			if !p.Active() {
				return usagef("this person is deactivated: `debrief people reactivate` lets them in again")
			}
			who.IsOperator, who.PersonID = false, &p.ID
		}
	}
	token, err := s.CreateSignInLink(ctx, who)
	if err != nil {
		return err
	}
	shown := struct {
		URL string `json:"url"`
	}{strings.TrimRight(a.PublicURL, "/") + "/session/" + token.Reveal()}
	return a.show(c.JSON, shown, func() { a.say("Open this in a browser, once, within 15 minutes:\n\n  %s\n", shown.URL) })
}

type identityCmd struct {
	Set    identitySetCmd    `cmd:"" help:"Say where the organization's people sign in. The client secret is read from standard input or a file."`
	List   identityListCmd   `cmd:"" help:"List the installation's identity providers."`
	Remove identityRemoveCmd `cmd:"" help:"End signing in by the organization's identity provider. Who is signed in stays so."`
}

type identitySetCmd struct {
	jsonFlag

	Issuer     string `help:"The provider's address, as its configuration names it; https." required:"" placeholder:"URL"`
	ClientID   string `help:"The client ID that the provider gave Debrief." required:""`
	SecretFile string `help:"File with the client secret; without it the secret is read from standard input." type:"existingfile"`
}

func (c *identitySetCmd) Run(ctx context.Context, a *app) error {
	secret, err := a.readSecret(c.SecretFile, "client secret")
	if err != nil {
		return err
	}
	s, o, err := a.open(ctx, "identity-provider")
	if err != nil {
		return err
	}
	// Before anything is stored: a provider that can't be read signs nobody in.
	if err := web.CheckIdentityProvider(ctx, a.httpClient(), c.Issuer); err != nil {
		return usagef("%s does not answer as an OpenID Connect provider of that name: %s", c.Issuer, err)
	}
	p := store.IdentityProvider{OrganizationID: o.ID, Organization: o.Name, Issuer: c.Issuer, ClientID: c.ClientID}
	if err := s.SetIdentityProvider(ctx, p, secret, store.Operator); err != nil {
		return err
	}
	shown := struct {
		Issuer      string   `json:"issuer"`
		RedirectURL string   `json:"redirect_url"`
		Domains     []string `json:"domains"`
	}{c.Issuer, web.SignInRedirectURL(a.PublicURL), o.Domains}
	return a.show(c.JSON, shown, func() {
		a.say("The people of %s sign in at %s. Its redirect URL for Debrief has to be %s. Whoever has an address in %s becomes a member at the first sign-in; `debrief people add EMAIL --role admin` names the first admin.",
			o.Name, c.Issuer, shown.RedirectURL, strings.Join(o.Domains, ", "))
	})
}

type identityListCmd struct{ jsonFlag }

func (c *identityListCmd) Run(ctx context.Context, a *app) error {
	s, err := a.store(ctx, "identity-provider")
	if err != nil {
		return err
	}
	all, err := s.IdentityProviders(ctx)
	if err != nil {
		return err
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"ORGANIZATION", "ISSUER", "CLIENT ID", "CHANGED"}}
		for _, p := range all {
			rows = append(rows, []string{p.Organization, p.Issuer, p.ClientID, ago(p.ChangedAt)})
		}
		a.table("None yet: `debrief identity-provider set --issuer https://… --client-id …`", rows)
	})
}

type identityRemoveCmd struct{ jsonFlag }

func (c *identityRemoveCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "identity-provider")
	if err != nil {
		return err
	}
	err = s.RemoveIdentityProvider(ctx, o.ID, store.Operator)
	if errors.Is(err, store.ErrNotFound) {
		return usagef("%s has no identity provider", o.Name)
	}
	if err != nil {
		return err
	}
	return a.done(c.JSON, "Nobody of %s can sign in by an identity provider any more. Who is signed in stays so for up to 12 hours.", o.Name)
}
