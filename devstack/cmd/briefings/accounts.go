package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/devstack"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/policy"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/webhooks"
)

// account is an organization with a host, a HubSpot account and a source of meetings.
type account struct {
	organization store.Organization
	domain       string
	hub, user    int64
	briefs       int // in the crowded minute
	source       *devstack.Scene
}

func (a account) host() string { return "host@" + a.domain }

// guests is how many contacts an account has whom its host meets in turn.
const guests = 10

func (b *bench) makeAccounts(ctx context.Context) error {
	begun := time.Now()
	for i := range b.Accounts + 1 {
		a := account{domain: fmt.Sprintf("bench%d.example", i), hub: 6_000_001 + int64(i), briefs: b.Each}
		if i == b.Accounts {
			a.briefs = b.One
		}
		var err error
		a.organization, err = b.store.CreateOrganization(ctx, fmt.Sprintf("bench-%d", i), []string{a.domain}, store.Settings{}, store.Operator)
		if err != nil {
			return err
		}
		for _, preset := range policy.Presets() {
			if preset.Name == "recommended" {
				if err := b.store.ApplyPreset(ctx, a.organization.ID, preset.Permissions, store.Operator); err != nil {
					return err
				}
			}
		}
		if _, err := b.store.AddPerson(ctx, store.Person{
			OrganizationID: a.organization.ID, Name: "Host", Role: store.RoleMember, Identities: []store.Identity{{Kind: store.IdentityEmail, Value: a.host()}},
		}, store.Operator); err != nil {
			return err
		}
		secret, err := webhooks.NewStandardSecret()
		if err != nil {
			return err
		}
		source, err := b.store.CreateSource(ctx, store.NewSource{
			OrganizationID: &a.organization.ID, Platform: "debrief", Name: "platform", Secrets: []store.Secret{store.Secret(secret)},
		}, store.Operator)
		if err != nil {
			return err
		}
		a.source = &devstack.Scene{SourceURL: b.PublicURL() + "/webhooks/" + source.ID.String(), SourceSecret: secret}
		if err := b.fill(&a); err != nil {
			return err
		}
		b.accounts = append(b.accounts, a)
	}
	fmt.Printf("%d organizations with a HubSpot account each, after %s\n", len(b.accounts), time.Since(begun).Round(time.Second))
	return nil
}

// fill gives an account its records: each guest has a company and a deal.
func (b *bench) fill(a *account) error {
	b.Simulator.AddPortal(hubspottest.Portal{HubID: a.hub, Domain: a.domain, Currency: "EUR"})
	a.user = b.Simulator.AddUser(a.hub, hubspottest.User{Email: a.host(), FirstName: "Host", SuperAdmin: true}).ID
	for i := range guests {
		company, err := b.Simulator.Add(a.hub, "companies", hubspottest.Seed{Properties: map[string]string{
			"name": fmt.Sprintf("Guest %d", i), "domain": fmt.Sprintf("guest%d.example", i), "industry": "COMPUTER_SOFTWARE", "numberofemployees": "120",
		}})
		if err != nil {
			return err
		}
		contact, err := b.Simulator.Add(a.hub, "contacts", hubspottest.Seed{
			Properties: map[string]string{
				"email": guest(i), "firstname": "Jane", "lastname": fmt.Sprintf("Guest %d", i), "jobtitle": "Head of Operations",
			},
			Associations: map[string][]string{"companies": {company.ID}},
		})
		if err != nil {
			return err
		}
		if _, err := b.Simulator.Add(a.hub, "deals", hubspottest.Seed{
			Properties:   map[string]string{"dealname": "Renewal", "dealstage": "qualifiedtobuy", "pipeline": "default", "amount": "24000"},
			Associations: map[string][]string{"companies": {company.ID}, "contacts": {contact.ID}},
		}); err != nil {
			return err
		}
	}
	return nil
}

func guest(i int) string { return fmt.Sprintf("jane@guest%d.example", i%guests) }

// connect gives every organization a token for its account. Tokens of the simulator live
// for half an hour.
func (b *bench) connect(ctx context.Context) error {
	scopes := []string{}
	for _, s := range connections.Scopes() {
		scopes = append(scopes, s.Name)
	}
	for _, a := range b.accounts {
		token, _ := b.Simulator.Token(devstack.ClientID, a.hub, a.user, scopes...)
		if _, err := b.store.ImportToken(ctx, a.organization.ID, "hubspot", store.Granted{HubID: a.hub, Scopes: scopes}, store.Secret(token), store.Operator); err != nil {
			return err
		}
	}
	return nil
}

// meet has the host of an account meet the n-th guest.
func (b *bench) meet(ctx context.Context, a account, n int, start time.Time) error {
	id := uuid.NewString()
	body, err := json.Marshal(map[string]any{
		"type": "meeting.scheduled", "timestamp": time.Now().UTC().Format(time.RFC3339),
		"data": map[string]any{
			"keys": map[string]any{"instance_id": id}, "title": "Renewal",
			"scheduled_start": start.UTC().Format(time.RFC3339), "scheduled_end": start.Add(30 * time.Minute).UTC().Format(time.RFC3339),
			"organizer": map[string]any{"name": "Host", "email": a.host()},
			"attendees": []map[string]any{{"name": "Host", "email": a.host(), "role": "host"}, {"name": "Jane Guest", "email": guest(n), "role": "invitee"}},
		},
	})
	if err != nil {
		return fmt.Errorf("encoding a meeting: %w", err)
	}
	status, err := a.source.Post(ctx, id, body)
	if err != nil {
		return err
	}
	if status >= 300 {
		return fmt.Errorf("a meeting was answered %d", status)
	}
	return nil
}
