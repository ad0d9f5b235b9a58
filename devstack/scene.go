package devstack

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/hubspot/hubspottest"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/webhooks"
)

// DemoHub is the simulated HubSpot account of the demonstration.
const DemoHub = 4242001

const (
	// ClientID and ClientSecret are those of Debrief's app at the simulator. They
	// open nothing but a simulator on loopback.
	ClientID     = "5d1c7c1e-simulated-account-app"
	ClientSecret = "simulator-only-secret"
	hostUser     = 7001
)

// Prepare fills a simulator with Debrief's app and, where it is fresh, with the
// account of the demonstration. It is for [Options.Prepare].
func Prepare(simulator *hubspottest.Server, fresh bool, publicURL string) error {
	scopes := make([]string, 0, 9)
	for _, s := range connections.Scopes() {
		scopes = append(scopes, s.Name)
	}
	simulator.AddApp(hubspottest.App{
		ClientID: ClientID, ClientSecret: ClientSecret, Name: "Debrief",
		RedirectURIs: []string{publicURL + connections.CallbackPath}, RequiredScopes: scopes,
	})
	if !fresh {
		return nil
	}
	return AddAccount(simulator, DemoHub)
}

// AddAccount adds a small HubSpot account: the company Brightwater Analytics with
// two people, and one customer, Harrow Mills, with a contact and an open deal.
func AddAccount(simulator *hubspottest.Server, hubID int64) error {
	simulator.AddPortal(hubspottest.Portal{HubID: hubID, Name: "Brightwater Analytics", Domain: "brightwater.example", Currency: "EUR", TimeZone: "Europe/Berlin"})
	simulator.AddUser(hubID, hubspottest.User{ID: hostUser, OwnerID: "8801", Email: "mara@brightwater.example", FirstName: "Mara", LastName: "Lindqvist", SuperAdmin: true})
	simulator.AddUser(hubID, hubspottest.User{ID: 7002, OwnerID: "8802", Email: "tomas@brightwater.example", FirstName: "Tomás", LastName: "Okafor"})
	company, err := simulator.Add(hubID, "companies", hubspottest.Seed{
		Properties: map[string]string{"name": "Harrow Mills", "domain": "harrowmills.example", "hubspot_owner_id": "8801"},
	})
	if err != nil {
		return fmt.Errorf("adding a company: %w", err)
	}
	contact, err := simulator.Add(hubID, "contacts", hubspottest.Seed{
		Properties: map[string]string{
			"email": "ines@harrowmills.example", "firstname": "Ines", "lastname": "Castell", "jobtitle": "Head of Operations", "hubspot_owner_id": "8801",
		},
		Associations: map[string][]string{"companies": {company.ID}},
	})
	if err != nil {
		return fmt.Errorf("adding a contact: %w", err)
	}
	_, err = simulator.Add(hubID, "deals", hubspottest.Seed{
		Properties: map[string]string{
			"dealname": "Harrow Mills: reporting", "dealstage": "qualifiedtobuy", "pipeline": "default", "amount": "24000", "hubspot_owner_id": "8801",
		},
		Associations: map[string][]string{"companies": {company.ID}, "contacts": {contact.ID}},
	})
	if err != nil {
		return fmt.Errorf("adding a deal: %w", err)
	}
	return nil
}

// A Scene is an organization that is ready to work: with a HubSpot app, two
// sources and, once connected, a HubSpot account.
type Scene struct {
	Organization string `json:"organization"`
	HubID        int64  `json:"hub_id"`
	// The source of Debrief's own events, and Zoom's.
	SourceURL    string `json:"source_url"`
	SourceSecret string `json:"source_secret"`
	ZoomURL      string `json:"zoom_url"`
	ZoomSecret   string `json:"zoom_secret"`

	stack *Stack
}

// NewScene makes an organization with the domain brightwater.example through
// Debrief's own commands, and an account for it at the simulator unless it is
// there. Nothing is connected and every tool is denied.
func (s *Stack) NewScene(ctx context.Context, organization string, hubID int64) (*Scene, error) {
	sc := &Scene{Organization: organization, HubID: hubID, ZoomSecret: uuid.NewString(), stack: s}
	if hubID != DemoHub {
		if err := AddAccount(s.Simulator, hubID); err != nil {
			return nil, err
		}
	}
	if _, err := s.Run(ctx, "organizations", "create", organization, "--domain", "brightwater.example"); err != nil {
		return nil, err
	}
	if _, err := s.RunWith(ctx, strings.NewReader(ClientSecret+"\n"), "apps", "add", "hubspot", "--client-id", ClientID, "-o", organization); err != nil {
		return nil, err
	}
	var source struct{ URL, Secret string }
	if err := sc.JSON(ctx, &source, "sources", "add", "debrief", "--generate"); err != nil {
		return nil, err
	}
	sc.SourceURL, sc.SourceSecret = source.URL, source.Secret
	out, err := s.RunWith(ctx, strings.NewReader(sc.ZoomSecret+"\n"), "sources", "add", "zoom", "--json", "-o", organization)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(out, &source); err != nil {
		return nil, fmt.Errorf("reading what `debrief sources add zoom` printed: %w", err)
	}
	sc.ZoomURL = source.URL
	return sc, nil
}

// On puts a scene that was kept on a stack that has come up again.
func (sc *Scene) On(s *Stack) { sc.stack = s }

// Run runs one of Debrief's commands for the scene's organization.
func (sc *Scene) Run(ctx context.Context, args ...string) ([]byte, error) {
	return sc.stack.Run(ctx, append(args, "-o", sc.Organization)...)
}

// JSON runs a command with --json and decodes what it prints.
func (sc *Scene) JSON(ctx context.Context, v any, args ...string) error {
	out, err := sc.Run(ctx, append(args, "--json")...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(out, v); err != nil {
		return fmt.Errorf("reading what `debrief %s` printed: %w", strings.Join(args, " "), err)
	}
	return nil
}

// Connect connects HubSpot as a person does: the one-time link in a browser, the
// consent page, and back.
func (sc *Scene) Connect(ctx context.Context) error {
	var login struct{ URL string }
	if err := sc.JSON(ctx, &login, "connections", "login", "hubspot"); err != nil {
		return err
	}
	return sc.Follow(ctx, login.URL)
}

// Follow goes the way from a one-time link over the consent page and back.
func (sc *Scene) Follow(ctx context.Context, link string) error {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return fmt.Errorf("preparing a browser: %w", err)
	}
	browser := &http.Client{Jar: jar, Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if _, _, err := visit(ctx, browser, http.MethodGet, link); err != nil {
		return err
	}
	_, consent, err := visit(ctx, browser, http.MethodPost, link)
	if err != nil {
		return err
	}
	callback, err := sc.stack.Simulator.Consent(consent, sc.HubID, hostUser, true)
	if err != nil {
		return fmt.Errorf("clicking on HubSpot's consent page: %w", err)
	}
	_, _, err = visit(ctx, browser, http.MethodGet, callback)
	return err
}

// visit loads a page, or sends its form, and returns where it leads.
func visit(ctx context.Context, browser *http.Client, method, address string) (status int, location string, err error) {
	request, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return 0, "", fmt.Errorf("visiting a page: %w", err)
	}
	if method == http.MethodPost {
		u, err := url.Parse(address)
		if err != nil {
			return 0, "", fmt.Errorf("visiting a page: %w", err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Origin", u.Scheme+"://"+u.Host)
	}
	response, err := browser.Do(request)
	if err != nil {
		return 0, "", fmt.Errorf("visiting a page: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusBadRequest {
		page, _ := io.ReadAll(io.LimitReader(response.Body, 2000))
		return response.StatusCode, "", fmt.Errorf("the page answers %s: %s", response.Status, page)
	}
	return response.StatusCode, response.Header.Get("Location"), nil
}

// Post sends an event as a meeting platform does: signed by Standard Webhooks.
// It returns the status that Debrief answered with.
func (sc *Scene) Post(ctx context.Context, id string, body []byte) (int, error) {
	now := time.Now()
	signature, err := webhooks.SignStandard(sc.SourceSecret, id, now, body)
	if err != nil {
		return 0, fmt.Errorf("signing a webhook: %w", err)
	}
	return send(ctx, sc.SourceURL, body, map[string]string{
		"Content-Type": "application/json", "webhook-id": id, "webhook-timestamp": fmt.Sprint(now.Unix()), "webhook-signature": signature,
	})
}

// PostZoom sends a Zoom event, signed as Zoom does.
func (sc *Scene) PostZoom(ctx context.Context, body []byte) (int, error) {
	now := time.Now()
	return send(ctx, sc.ZoomURL, body, map[string]string{
		"Content-Type": "application/json", "x-zm-request-timestamp": fmt.Sprint(now.Unix()), "x-zm-signature": webhooks.SignZoom(sc.ZoomSecret, now, body),
	})
}

func send(ctx context.Context, address string, body []byte, header map[string]string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("posting a webhook: %w", err)
	}
	for name, value := range header {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("posting a webhook: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 1<<20))
	return response.StatusCode, nil
}

// FollowUp is a follow-up as `debrief follow-ups show` prints it.
type FollowUp struct {
	store.FollowUp

	WorkflowID string         `json:"workflow_id"`
	Actions    []store.Action `json:"actions"`
}

// FollowUps lists the organization's follow-ups with their actions.
func (sc *Scene) FollowUps(ctx context.Context) ([]FollowUp, error) {
	var list []store.FollowUp
	if err := sc.JSON(ctx, &list, "follow-ups", "list"); err != nil {
		return nil, err
	}
	all := make([]FollowUp, len(list))
	for i, f := range list {
		if err := sc.JSON(ctx, &all[i], "follow-ups", "show", f.MeetingID.String()); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Approvals lists the organization's questions in that state, or "all".
func (sc *Scene) Approvals(ctx context.Context, state string) ([]store.Approval, error) {
	var approvals []store.Approval
	return approvals, sc.JSON(ctx, &approvals, "approvals", "list", "--state", state)
}
