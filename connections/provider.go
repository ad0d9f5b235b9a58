package connections

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"

	"github.com/debriefhq/debrief/hubspot"
)

// Provider says where HubSpot is and what is asked of it. Who needs another one
// (an EU host, a simulator, other scopes) edits it as a file.
type Provider struct {
	Name string `json:"name"`
	// AuthorizeURL is the consent page, BaseURL the root of the API.
	AuthorizeURL string `json:"authorize_url"`
	BaseURL      string `json:"base_url"`
	// Scopes are asked for always: exactly those that the app declares as
	// required, or HubSpot refuses on its own page. OptionalScopes are those
	// that the app declares as optional; they are asked for when a tool needs
	// them.
	Scopes         []string `json:"scopes"`
	OptionalScopes []string `json:"optional_scopes,omitempty"`
	// PKCE sends a code_challenge. HubSpot documents none for its apps, so it is
	// off.
	PKCE bool `json:"pkce"`
	// Source is "built in" or "custom".
	Source string `json:"source"`
}

// HubSpot is the provider that is built in.
func HubSpot() Provider {
	return Provider{
		Name: "hubspot", AuthorizeURL: hubspot.DefaultAuthorizeURL, BaseURL: hubspot.DefaultBaseURL, Scopes: scopeNames(),
		OptionalScopes: []string{
			"crm.objects.custom.read", "crm.objects.custom.write", "crm.schemas.custom.read",
			"crm.schemas.companies.write", "crm.schemas.contacts.write", "crm.schemas.deals.write",
			hubspot.ScopeCurrencies,
		},
		Source: "built in",
	}
}

// ParseProvider reads a provider's definition: JSON as [Provider] is written.
// What it leaves out stays as it is built in; what it does not know is an error
// that names it.
func ParseProvider(raw []byte) (Provider, error) {
	p := HubSpot()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return Provider{}, fmt.Errorf("the provider's definition is not usable: %w; `debrief connections provider` prints one that is", err)
	}
	p.Source = "custom"
	for name, value := range map[string]string{"authorize_url": p.AuthorizeURL, "base_url": p.BaseURL} {
		u, err := url.Parse(value)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return Provider{}, fmt.Errorf("the provider's definition: %s %q is not a URL", name, value)
		}
	}
	if len(p.Scopes) == 0 || !slices.Contains(p.Scopes, "oauth") {
		return Provider{}, fmt.Errorf("the provider's definition: scopes has to name at least %q", "oauth")
	}
	return p, nil
}

// CheckScopes says which of the scopes the app does not declare: HubSpot would
// refuse them on its own page, with no word to Debrief.
func (p Provider) CheckScopes(scopes []string) error {
	for _, scope := range scopes {
		if !slices.Contains(p.Scopes, scope) && !slices.Contains(p.OptionalScopes, scope) {
			return fmt.Errorf("the scope %q is not one that the app declares: declare it in the app at HubSpot and in the provider's definition first", scope)
		}
	}
	return nil
}

// Missing returns the scopes that are asked for always and are not among the
// granted ones: nothing, if HubSpot did not say what was granted.
func (p Provider) Missing(granted []string) []string {
	if len(granted) == 0 {
		return []string{}
	}
	return missing(p.Scopes, granted)
}

func missing(wanted, granted []string) []string {
	out := []string{}
	for _, name := range wanted {
		if !slices.Contains(granted, name) {
			out = append(out, name)
		}
	}
	return out
}
