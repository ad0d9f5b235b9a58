package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/store"
)

type connectionsCmd struct {
	Login    connectionsLoginCmd    `cmd:"" help:"Connect a HubSpot account, or reconnect one: prints a one-time link, or does it in this terminal."`
	Import   connectionsImportCmd   `cmd:"" help:"Keep an access token that never expires, of a private app or a service key. It is read from standard input or a file."`
	List     connectionsListCmd     `cmd:"" help:"Which integrations are enabled: account, kind, who installed it, scopes, state."`
	Attempts connectionsAttemptsCmd `cmd:"" help:"Who was sent to HubSpot lately, and what became of it."`
	Inspect  connectionsInspectCmd  `cmd:"" help:"Show everything about one connection. No token is shown."`
	Get      connectionsGetCmd      `cmd:"" help:"Print one field of a connection, or its access token where an admin allows that."`
	Export   connectionsExportCmd   `cmd:"" help:"Print the access token for another program, where an admin allows that. The refresh token is never exported."`
	Set      connectionsSetCmd      `cmd:"" help:"Change what a connection is for."`
	Rules    connectionsRulesCmd    `cmd:"" help:"Which connection acts for which meetings."`
	Logout   connectionsLogoutCmd   `cmd:"" aliases:"revoke" help:"Disconnect: revoke at HubSpot and delete the tokens. Work that needs it waits."`
	Keys     connectionsKeysCmd     `cmd:"" help:"Whether the account has the unique property that makes creates certain, and creating it."`
	Provider connectionsProviderCmd `cmd:"" help:"Print where HubSpot is and which scopes are asked for, as a file for --hubspot-provider."`
}

// connectionFlag names a connection, by argument or by flag.
type connectionFlag struct {
	Name       string `arg:"" optional:"" help:"The connection; without it the default, or the only one."`
	Connection string `help:"The same, as a flag." placeholder:"NAME"`
}

func (c connectionFlag) find(ctx context.Context, s *store.Store, o store.Organization) (store.Connection, error) {
	name := c.Name
	if name == "" {
		name = c.Connection
	}
	if name != "" {
		return connectionByName(ctx, s, o, name)
	}
	all, err := s.Connections(ctx, o.ID)
	if err != nil {
		return store.Connection{}, err
	}
	for _, connection := range all {
		if len(all) == 1 || connection.IsDefault && !connection.IsUserLevel {
			return connection, nil
		}
	}
	if len(all) == 0 {
		return store.Connection{}, &notFoundError{"nothing is connected yet: `debrief connections login NAME`"}
	}
	return store.Connection{}, usagef("there are several connections and no default: name one")
}

func connectionByName(ctx context.Context, s *store.Store, o store.Organization, name string) (store.Connection, error) {
	c, err := s.ConnectionByName(ctx, o.ID, name)
	if errors.Is(err, store.ErrNotFound) {
		return c, &notFoundError{fmt.Sprintf("there is no connection named %q: `debrief connections list` shows them", name)}
	}
	return c, err
}

type connectionsListCmd struct{ jsonFlag }

func (c *connectionsListCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "connections")
	if err != nil {
		return err
	}
	all, err := s.Connections(ctx, o.ID)
	if err != nil {
		return err
	}
	names, err := s.PeopleNames(ctx, o.ID)
	if err != nil {
		return err
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"NAME", "ACCOUNT", "KIND", "INSTALLED BY", "STATE", "SCOPES", "MISSING", "LAST SUCCESS", "LAST ERROR"}}
		for _, connection := range all {
			rows = append(rows, []string{
				star(connection) + connection.Name, account(connection), kind(connection), installer(connection, names), string(connection.State),
				scopes(connection), missing(connection, a.hubSpot()),
				when(connection.LastSuccessAt), lastError(connection),
			})
		}
		a.table("Nothing is connected yet: `debrief connections login NAME`", rows)
		if len(all) > 0 {
			a.say("\nOther apps of an account are seen in HubSpot alone, under Settings → Integrations → Connected Apps:\nHubSpot has no API that lists them.")
			seen := map[int64]bool{}
			for _, connection := range all {
				if !seen[connection.HubID] {
					seen[connection.HubID] = true
					a.say("  %s", connectedAppsURL(connection.HubID))
				}
			}
		}
	})
}

// connectedAppsURL is HubSpot's page Settings → Integrations → Connected Apps.
func connectedAppsURL(hubID int64) string {
	return fmt.Sprintf("https://app.hubspot.com/integrations-settings/%d/installed", hubID)
}

func star(c store.Connection) string {
	if c.IsDefault {
		return "* "
	}
	return ""
}

func account(c store.Connection) string {
	text := itoa(c.HubID)
	if c.HubDomain != "" {
		text += " " + c.HubDomain
	}
	if c.IsTest() {
		text += " (" + strings.ToLower(strings.ReplaceAll(c.AccountType, "_", " ")) + ")"
	}
	return text
}

func kind(c store.Connection) string {
	switch {
	case c.IsStatic():
		return "static token"
	case c.IsUserLevel:
		return "user"
	default:
		return "account"
	}
}

func installer(c store.Connection, names map[string]string) string {
	if c.PersonID != nil && names[c.PersonID.String()] != "" {
		return names[c.PersonID.String()]
	}
	if c.UserID != 0 {
		return "HubSpot user " + itoa(c.UserID)
	}
	return "unknown"
}

// HubSpot says what a grant is good for, but not an imported token.
const notTold = "not told"

func scopes(c store.Connection) string {
	if len(c.Scopes) == 0 {
		return notTold
	}
	return strconv.Itoa(len(c.Scopes))
}

func missing(c store.Connection, p connections.Provider) string {
	if len(c.Scopes) == 0 {
		return notTold
	}
	return or(strings.Join(p.Missing(c.Scopes), " "), "none")
}

func when(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return ago(*t)
}

func lastError(c store.Connection) string {
	if c.LastErrorAt == nil {
		return "none"
	}
	return ago(*c.LastErrorAt) + ": " + c.LastError
}

func or(text, empty string) string {
	if text == "" {
		return empty
	}
	return text
}

type connectionsAttemptsCmd struct {
	jsonFlag

	Limit int `help:"How many." default:"20"`
}

func (c *connectionsAttemptsCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "connections")
	if err != nil {
		return err
	}
	all, err := s.Attempts(ctx, o.ID, c.Limit)
	if err != nil {
		return err
	}
	return a.show(c.JSON, all, func() {
		rows := [][]string{{"CONNECTION", "BEGUN", "OUTCOME"}}
		stuck := false
		for _, attempt := range all {
			rows = append(rows, []string{attempt.ConnectionName, ago(attempt.CreatedAt), attempt.Outcome})
			stuck = stuck || strings.HasPrefix(attempt.Outcome, "never came back")
		}
		a.table("Nobody was sent to HubSpot yet: `debrief connections login NAME`", rows)
		if stuck {
			a.say("\nWho never came back was probably told by HubSpot: %q\ndocs/connecting-hubspot.md says what that means.", roleRefusal)
		}
	})
}

// roleRefusal is what HubSpot says on a page of its own, with no word to us
// (community.hubspot.com, thread on installing apps, 2017; seen since).
const roleRefusal = "You do not have the correct role to grant these permissions. Please contact your administrator"

type connectionsInspectCmd struct {
	jsonFlag
	connectionFlag
}

func (c *connectionsInspectCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "connections")
	if err != nil {
		return err
	}
	connection, err := c.find(ctx, s, o)
	if err != nil {
		return err
	}
	fields, err := connectionFields(ctx, s, o, connection, a.hubSpot())
	if err != nil {
		return err
	}
	return a.show(c.JSON, fieldMap(fields), func() {
		rows := [][]string{{"FIELD", "VALUE"}}
		for _, f := range fields {
			rows = append(rows, []string{f.name, or(f.value, "none")})
		}
		a.table("", rows)
	})
}

type field struct{ name, value string }

func fieldMap(fields []field) map[string]string {
	out := map[string]string{}
	for _, f := range fields {
		out[f.name] = f.value
	}
	return out
}

// connectionFields are what `inspect` shows and `get --field` prints.
func connectionFields(ctx context.Context, s *store.Store, o store.Organization, c store.Connection, p connections.Provider) ([]field, error) {
	names, err := s.PeopleNames(ctx, o.ID)
	if err != nil {
		return nil, err
	}
	token, err := s.Token(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	expires := ""
	switch {
	case c.IsStatic():
		expires = "never"
	case !token.ExpiresAt.IsZero():
		expires = token.ExpiresAt.UTC().Format(time.RFC3339)
	}
	stamp := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	masked := ""
	if token.Access != "" {
		masked = token.Access.String()
	}
	return []field{
		{"id", c.ID.String()},
		{"name", c.Name},
		{"state", string(c.State)},
		{"status", string(c.State)},
		{"state_reason", c.StateReason},
		{"account", itoa(c.HubID)},
		{"domain", c.HubDomain},
		{"account_type", c.AccountType},
		{"time_zone", c.TimeZone},
		{"currencies", strings.Join(c.Currencies, " ")},
		{"kind", kind(c)},
		{"installed_by", installer(c, names)},
		{"scopes", strings.Join(c.Scopes, " ")},
		{"missing_scopes", strings.Join(p.Missing(c.Scopes), " ")},
		{"default", strconv.FormatBool(c.IsDefault)},
		{"any_environment", strconv.FormatBool(c.AnyEnvironment)},
		{"reveal", strconv.FormatBool(c.Reveal)},
		{"access_token", masked},
		{"expires_at", expires},
		{"last_success_at", stamp(c.LastSuccessAt)},
		{"last_error", c.LastError},
		{"last_error_at", stamp(c.LastErrorAt)},
		{"created_at", c.CreatedAt.UTC().Format(time.RFC3339)},
		{"provider", p.Name + " (" + p.Source + ")"},
		{"connected_apps", connectedAppsURL(c.HubID)},
	}, nil
}

type connectionsGetCmd struct {
	jsonFlag
	connectionFlag

	Field     string `help:"Which field: 'debrief connections inspect' names them." default:"status" placeholder:"FIELD"`
	ShowToken bool   `help:"Print the access token. An admin has to have allowed it for this connection, and it is audited."`
	Reason    string `help:"Why the token is shown: for the trail." placeholder:"TEXT"`
}

func (c *connectionsGetCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "connections")
	if err != nil {
		return err
	}
	connection, err := c.find(ctx, s, o)
	if err != nil {
		return err
	}
	name, value := c.Field, ""
	if c.ShowToken {
		token, _, err := a.reveal(ctx, s, connection, c.Reason)
		if err != nil {
			return err
		}
		name, value = "access_token", token.Reveal()
	} else {
		fields, err := connectionFields(ctx, s, o, connection, a.hubSpot())
		if err != nil {
			return err
		}
		known := fieldMap(fields)
		var ok bool
		if value, ok = known[c.Field]; !ok {
			return usagef("there is no field %q: `debrief connections inspect` shows them", c.Field)
		}
	}
	return a.show(c.JSON, map[string]string{name: value}, func() { a.say("%s", value) })
}

// reveal returns an access token for a human or another program: what is done
// with it passes no permission, which is why it needs an admin's leave and a
// reason, and stands in the trail.
func (a *app) reveal(ctx context.Context, s *store.Store, c store.Connection, reason string) (store.Secret, time.Time, error) {
	if strings.TrimSpace(reason) == "" {
		return "", time.Time{}, usagef("say why by --reason: it stands in the trail, since what is done with the token passes none of Debrief's permissions")
	}
	if !c.Reveal {
		return "", time.Time{}, &store.Refusal{Sentence: fmt.Sprintf(
			"the access tokens of %s are not shown: an admin allows it by `debrief connections set %s --reveal=on`", c.Name, c.Name)}
	}
	if err := s.AuditReveal(ctx, c.OrganizationID, c.ID, reason, store.Operator); err != nil {
		return "", time.Time{}, err
	}
	token, _, err := a.connectionsService(s).Token(ctx, c.ID)
	if err != nil {
		return "", time.Time{}, err
	}
	known, err := s.Token(ctx, c.ID)
	return token, known.ExpiresAt, err
}

type connectionsExportCmd struct {
	connectionFlag

	Format string `help:"${enum}" enum:"env,shell,json" default:"env"`
	Reason string `help:"Why it is exported: for the trail." placeholder:"TEXT"`
}

func (c *connectionsExportCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "connections")
	if err != nil {
		return err
	}
	connection, err := c.find(ctx, s, o)
	if err != nil {
		return err
	}
	token, expires, err := a.reveal(ctx, s, connection, c.Reason)
	if err != nil {
		return err
	}
	values := []field{
		{"HUBSPOT_ACCESS_TOKEN", token.Reveal()},
		{"HUBSPOT_ACCESS_TOKEN_EXPIRES_AT", expires.UTC().Format(time.RFC3339)},
		{"HUBSPOT_PORTAL_ID", itoa(connection.HubID)},
	}
	switch c.Format {
	case "json":
		return a.show(true, fieldMap(values), nil)
	case "shell":
		for _, v := range values {
			a.say("export %s='%s'", v.name, strings.ReplaceAll(v.value, "'", `'\''`))
		}
	default:
		for _, v := range values {
			a.say("%s=%s", v.name, v.value)
		}
	}
	return nil
}

type connectionsSetCmd struct {
	jsonFlag
	connectionFlag

	Default        bool   `help:"It acts where no rule says otherwise."`
	Reveal         string `help:"Whether its access tokens may be shown and exported: on or off." enum:"on,off," default:""`
	AnyEnvironment string `help:"Whether it may write for sources of the other kind, production or test: on or off." enum:"on,off," default:""`
}

func (c *connectionsSetCmd) Run(ctx context.Context, a *app) error {
	if !c.Default && c.Reveal == "" && c.AnyEnvironment == "" {
		return usagef("say what to change: --default, --reveal=on|off or --any-environment=on|off")
	}
	s, o, err := a.open(ctx, "connections")
	if err != nil {
		return err
	}
	connection, err := c.find(ctx, s, o)
	if err != nil {
		return err
	}
	if c.Default {
		err = s.SetDefaultConnection(ctx, o.ID, connection.ID, store.Operator)
	}
	if err == nil && c.Reveal != "" {
		err = s.SetReveal(ctx, o.ID, connection.ID, c.Reveal == "on", store.Operator)
	}
	if err == nil && c.AnyEnvironment != "" {
		err = s.SetAnyEnvironment(ctx, o.ID, connection.ID, c.AnyEnvironment == "on", store.Operator)
	}
	if err != nil {
		return err
	}
	return a.done(c.JSON, "%s is changed.", connection.Name)
}

type connectionsRulesCmd struct {
	List   connectionsRulesListCmd   `cmd:"" help:"List the rules, in the order in which they count." default:"1"`
	Set    connectionsRulesSetCmd    `cmd:"" help:"Say which connection acts for a source, a host or a host's e-mail domain."`
	Remove connectionsRulesRemoveCmd `cmd:"" help:"Remove a rule."`
}

type connectionsRulesListCmd struct{ jsonFlag }

func (c *connectionsRulesListCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "connections")
	if err != nil {
		return err
	}
	rules, err := s.ConnectionRules(ctx, o.ID)
	if err != nil {
		return err
	}
	all, err := s.Connections(ctx, o.ID)
	if err != nil {
		return err
	}
	people, err := s.PeopleNames(ctx, o.ID)
	if err != nil {
		return err
	}
	sources, err := s.Sources(ctx, &o.ID)
	if err != nil {
		return err
	}
	names := map[uuid.UUID]string{}
	for _, connection := range all {
		names[connection.ID] = connection.Name
	}
	for _, source := range sources {
		names[source.ID] = source.Name
	}
	return a.show(c.JSON, rules, func() {
		rows := [][]string{{"RULE", "SOURCE", "HOST", "HOST'S DOMAIN", "CONNECTION"}}
		for _, rule := range rules {
			row := []string{rule.ID.String(), "any", "any", or(rule.HostDomain, "any"), names[rule.ConnectionID]}
			if rule.SourceID != nil {
				row[1] = or(names[*rule.SourceID], rule.SourceID.String())
			}
			if rule.HostPersonID != nil {
				row[2] = or(people[rule.HostPersonID.String()], rule.HostPersonID.String())
			}
			rows = append(rows, row)
		}
		a.table("No rule: the host's own connection acts, else the default or only account connection.", rows)
	})
}

type connectionsRulesSetCmd struct {
	jsonFlag

	Name       string `arg:"" help:"The connection that acts."`
	Source     string `help:"For meetings from this source, by name."`
	Host       string `help:"For meetings of this person, by ID."`
	HostDomain string `help:"For hosts with an address in this domain."`
}

func (c *connectionsRulesSetCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "connections")
	if err != nil {
		return err
	}
	connection, err := connectionByName(ctx, s, o, c.Name)
	if err != nil {
		return err
	}
	rule := store.ConnectionRule{OrganizationID: o.ID, HostDomain: c.HostDomain, ConnectionID: connection.ID}
	if c.Source != "" {
		source, err := s.SourceByName(ctx, &o.ID, c.Source)
		if errors.Is(err, store.ErrNotFound) {
			return &notFoundError{fmt.Sprintf("there is no source named %q: `debrief sources list` shows them", c.Source)}
		}
		if err != nil {
			return err
		}
		rule.SourceID = &source.ID
	}
	if c.Host != "" {
		id, err := uuid.Parse(c.Host)
		if err != nil {
			return usagef("--host %q is not a person's ID: `debrief people list` shows them", c.Host)
		}
		rule.HostPersonID = &id
	}
	if rule.SourceID == nil && rule.HostPersonID == nil && rule.HostDomain == "" {
		return usagef("say for what: --source, --host or --host-domain; for everything else there is `debrief connections set %s --default`", c.Name)
	}
	rule, err = s.AddConnectionRule(ctx, rule, store.Operator)
	if errors.Is(err, store.ErrNotFound) {
		return &notFoundError{"the organization has no such person"}
	}
	if err != nil {
		return err
	}
	return a.show(c.JSON, rule, func() { a.say("%s acts there from now on.", connection.Name) })
}

type connectionsRulesRemoveCmd struct {
	jsonFlag

	Rule string `arg:"" help:"The rule's ID."`
}

func (c *connectionsRulesRemoveCmd) Run(ctx context.Context, a *app) error {
	id, err := uuid.Parse(c.Rule)
	if err != nil {
		return usagef("%q is not a rule's ID: `debrief connections rules` shows them", c.Rule)
	}
	s, o, err := a.open(ctx, "connections")
	if err != nil {
		return err
	}
	err = s.RemoveConnectionRule(ctx, o.ID, id, store.Operator)
	if errors.Is(err, store.ErrNotFound) {
		return &notFoundError{"there is no such rule: `debrief connections rules` shows them"}
	}
	if err != nil {
		return err
	}
	return a.done(c.JSON, "The rule is removed.")
}

type connectionsImportCmd struct {
	jsonFlag

	Name      string   `arg:"" help:"Name of the connection, new or one whose token to replace."`
	TokenFile string   `help:"File with the token; without it the token is read from standard input." type:"existingfile"`
	Scopes    []string `help:"The scopes that the token has, as HubSpot shows them; without them nothing is known to be missing."`
}

func (c *connectionsImportCmd) Run(ctx context.Context, a *app) error {
	token, err := a.readSecret(c.TokenFile, "access token")
	if err != nil {
		return err
	}
	s, o, err := a.open(ctx, "connections")
	if err != nil {
		return err
	}
	account, err := a.hubspotClient().As(token.Reveal()).AccountDetails(ctx)
	if err != nil {
		return fmt.Errorf("HubSpot does not take the token, so it was not kept: %w", err)
	}
	currencies := account.AdditionalCurrencies
	if account.CompanyCurrency != "" {
		currencies = append([]string{account.CompanyCurrency}, currencies...)
	}
	connection, err := s.ImportToken(ctx, o.ID, c.Name, store.Granted{
		HubID: account.HubID, AccountType: account.Type, TimeZone: account.TimeZone, Currencies: currencies, Scopes: c.Scopes,
	}, token, store.Operator)
	if err != nil {
		return err
	}
	return a.show(c.JSON, connection, func() {
		a.say("%s is kept: a static token of HubSpot account %d. It never expires by itself; delete it in HubSpot when it is no longer needed.", connection.Name, connection.HubID)
	})
}

type connectionsLogoutCmd struct {
	jsonFlag
	connectionFlag

	Uninstall bool `help:"Remove the app from the HubSpot account, too: for everyone who uses it there."`
}

func (c *connectionsLogoutCmd) Run(ctx context.Context, a *app) error {
	s, o, err := a.open(ctx, "connections")
	if err != nil {
		return err
	}
	connection, err := c.find(ctx, s, o)
	if err != nil {
		return err
	}
	service := a.connectionsService(s)
	if c.Uninstall {
		if err := service.Uninstall(ctx, o.ID, connection.ID, store.Operator); err != nil {
			return publicly(err)
		}
		return a.done(c.JSON, "%s is disconnected, and the app is removed from HubSpot account %d; HubSpot tells its admins by e-mail. The tokens are deleted, here and in every process.", connection.Name, connection.HubID)
	}
	if err := service.Disconnect(ctx, o.ID, connection.ID, store.Operator); err != nil {
		return publicly(err)
	}
	if connection.IsStatic() {
		return a.done(c.JSON, "%s is disconnected, and the token is deleted here. HubSpot has no call that ends such a token: delete it there, too.", connection.Name)
	}
	return a.done(c.JSON, "%s is disconnected: HubSpot has revoked the grant, and its tokens are deleted. What remains: an access token that HubSpot issued before stays valid there for up to 30 minutes (Debrief has no copy), and the app stays installed: `debrief connections logout %s --uninstall` removes it.", connection.Name, connection.Name)
}

// publicly gives a person the sentence that is meant for people.
func publicly(err error) error {
	if refused, ok := errors.AsType[*connections.LoginError](err); ok {
		return &publicError{sentence: refused.Public(), cause: err}
	}
	return err
}

type connectionsProviderCmd struct{}

func (c *connectionsProviderCmd) Run(_ context.Context, a *app) error {
	encoder := json.NewEncoder(a.out)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(a.hubSpot()); err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return nil
}
