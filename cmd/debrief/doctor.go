package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/debriefhq/debrief/connections"
	"github.com/debriefhq/debrief/store"
)

// doctorCmd looks at what Debrief needs, and changes nothing.
type doctorCmd struct{ jsonFlag }

// finding is what one check found. An empty Advice means that all is well.
type finding struct {
	Check  string `json:"check"`
	Result string `json:"result"`
	Advice string `json:"advice,omitempty"`
}

func (c *doctorCmd) Run(ctx context.Context, a *app) error {
	d := &doctor{app: a}
	d.look(ctx)
	wrong := 0
	for _, f := range d.findings {
		if f.Advice != "" {
			wrong++
		}
	}
	err := a.show(c.JSON, d.findings, func() {
		rows := [][]string{{"", "CHECK", "RESULT"}}
		for _, f := range d.findings {
			mark := "ok"
			if f.Advice != "" {
				mark = "!!"
			}
			rows = append(rows, []string{mark, f.Check, f.Result})
		}
		a.table("", rows)
		if wrong > 0 {
			a.say("")
		}
		for _, f := range d.findings {
			if f.Advice != "" {
				a.say("%s: %s", f.Check, f.Advice)
			}
		}
	})
	if err != nil {
		return err
	}
	if wrong > 0 {
		return fmt.Errorf("%d of %d checks found something wrong", wrong, len(d.findings))
	}
	return nil
}

type doctor struct {
	*app

	findings []finding
}

func (d *doctor) note(check, result, advice string) {
	d.findings = append(d.findings, finding{check, result, advice})
}

// checkTimeout bounds each check: a doctor that hangs is no help.
const checkTimeout = 10 * time.Second

// maxSkew is how far this machine's clock may be off: signatures of webhooks
// count for five minutes.
const maxSkew = time.Minute

func (d *doctor) look(ctx context.Context) {
	d.publicURL()
	d.hubspotAnswers(ctx)
	d.temporalAnswers(ctx)
	s, err := d.store(ctx, "doctor")
	if err != nil {
		d.note("database and keys", "not usable", err.Error())
		return
	}
	d.note("database and keys", "both answer", "")
	if err := s.CheckSchema(ctx); err != nil {
		d.note("schema", "not this version's", err.Error())
		return
	}
	d.note("schema", "this version's", "")
	d.keys(ctx, s)
	organizations, err := s.Organizations(ctx)
	if err != nil {
		d.note("organizations", "not readable", err.Error())
		return
	}
	if len(organizations) == 0 {
		d.note("organizations", "none", "`debrief organizations create NAME --domain example.com` makes one")
	}
	for _, o := range organizations {
		d.organization(ctx, s, o)
	}
}

func (d *doctor) publicURL() {
	d.note("public URL", d.PublicURL, publicHTTPAdvice(d.PublicURL))
}

// publicHTTPAdvice is empty for https, and where plain http is right: on this
// machine.
func publicHTTPAdvice(publicURL string) string {
	if isPrivate(publicURL) {
		return ""
	}
	return "HubSpot and the meeting platforms send to https alone, and cookies are not safe without it: put a proxy with a certificate in front and set --public-url"
}

// isPrivate says whether nobody on the way can read what goes to an address.
func isPrivate(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Scheme == "https" || u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// hubspotAnswers asks for a page that needs no token: that it is refused shows
// that it is reached, and its date shows whether the clocks agree.
func (d *doctor) hubspotAnswers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	base := d.hubSpot().BaseURL
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base, nil)
	if err != nil {
		d.note("HubSpot", "not reached", err.Error())
		return
	}
	response, err := d.httpClient().Do(request)
	if err != nil {
		d.note("HubSpot", "not reached at "+base, "check the network and --hubspot-base-url: "+err.Error())
		return
	}
	_ = response.Body.Close()
	advice := ""
	if !isPrivate(base) {
		advice = "tokens and client secrets travel there in clear: use https"
	}
	d.note("HubSpot", "answers at "+base, advice)
	theirs, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		return
	}
	if skew := time.Since(theirs).Round(time.Second); skew > maxSkew || skew < -maxSkew {
		d.note("clock", fmt.Sprintf("%s away from HubSpot's", skew), "set this machine's clock by NTP: signatures and tokens are judged by it")
	} else {
		d.note("clock", "agrees with HubSpot's", "")
	}
}

func (d *doctor) temporalAnswers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	c, err := client.DialContext(ctx, client.Options{HostPort: d.TemporalAddress, Namespace: d.TemporalNamespace, Logger: temporalLogger(d.logger().Level(6))})
	if err != nil {
		d.note("Temporal", "not reached at "+d.TemporalAddress, "check that it runs, and --temporal-address. Webhooks are kept meanwhile; nothing is lost")
		return
	}
	defer c.Close()
	if _, err := c.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
		d.note("Temporal", "not healthy at "+d.TemporalAddress, err.Error())
		return
	}
	d.note("Temporal", "answers at "+d.TemporalAddress, "")
}

// keys says whether the keyset has a key for everything that is sealed.
func (d *doctor) keys(ctx context.Context, s *store.Store) {
	unknown, err := s.UnknownKeys(ctx)
	rows := 0
	for _, u := range unknown {
		rows += u.Rows
	}
	switch {
	case err != nil:
		d.note("sealed rows", "not readable", err.Error())
	case rows > 0:
		d.note("sealed rows", fmt.Sprintf("%d under keys that this keyset does not hold", rows), "`debrief keys status` names the keys and the rows: put the right keyset back")
	default:
		d.note("sealed rows", "the keyset holds every key", "")
	}
}

func (d *doctor) organization(ctx context.Context, s *store.Store, o store.Organization) {
	all, err := s.Connections(ctx, o.ID)
	if err != nil {
		d.note(o.Name, "its connections are not readable", err.Error())
		return
	}
	if len(all) == 0 {
		d.note(o.Name+": HubSpot", "not connected", "`debrief connections login NAME` connects an account")
	}
	apps, err := s.Apps(ctx, o.ID)
	if err != nil {
		d.note(o.Name, "its apps are not readable", err.Error())
		return
	}
	for _, app := range apps {
		if app.JournalProblem != "" {
			// Nothing is lost by it: no advice, so that it counts as well.
			d.note(o.Name+": app "+app.Name, app.JournalProblem, "")
		}
	}
	service := d.connectionsService(s)
	for _, c := range all {
		d.connection(ctx, s, service, o, c)
	}
}

func (d *doctor) connection(ctx context.Context, s *store.Store, service *connections.Service, o store.Organization, c store.Connection) {
	ctx, cancel := context.WithTimeout(ctx, 3*checkTimeout)
	defer cancel()
	check := o.Name + ": " + c.Name
	token, _, err := service.Token(ctx, c.ID)
	if err == nil {
		_, err = d.hubspotClient().As(token.Reveal()).AccountDetails(ctx)
	}
	if err != nil {
		now, readErr := s.Connection(ctx, o.ID, c.ID)
		if readErr == nil {
			c = now
		}
		d.note(check, string(c.State), connectionAdvice(c, err))
		return
	}
	if missing := d.hubSpot().Missing(c.Scopes); len(missing) > 0 {
		d.note(check, "connected, with scopes missing", "HubSpot did not grant "+strings.Join(missing, ", ")+": declare them in the app, and connect again")
		return
	}
	d.note(check, "connected to account "+account(c), "")
}

func connectionAdvice(c store.Connection, err error) string {
	switch c.State {
	case store.NeedsReconnect, store.Revoked, store.Uninstalled:
		return fmt.Sprintf("`debrief connections login %s` connects it again; everything that waits goes on", c.Name)
	case store.Misconfigured:
		return "HubSpot does not accept the app: compare its client ID and redirect address at HubSpot, and give its client secret anew with `debrief apps secret NAME`"
	default:
		return err.Error()
	}
}
