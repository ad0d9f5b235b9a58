// Command hubspotsim runs the HubSpot simulator alone, with one demo account,
// until it is interrupted. It is for looking and for trying: it listens on
// loopback, and whoever reaches it controls it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/debriefhq/debrief/hubspot/hubspottest"
)

// saveEvery bounds what a kill loses.
const saveEvery = 2 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "hubspotsim:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, getenv func(string) string, stdout io.Writer) error {
	def := func(name, value string) string {
		if v := getenv(name); v != "" {
			return v
		}
		return value
	}
	flags := flag.NewFlagSet("hubspotsim", flag.ContinueOnError)
	listen := flags.String("listen", def("HUBSPOTSIM_LISTEN", "127.0.0.1:0"), "loopback address to listen on (HUBSPOTSIM_LISTEN)")
	stateFile := flags.String("state", getenv("HUBSPOTSIM_STATE"), "file that keeps the state over restarts; empty keeps none (HUBSPOTSIM_STATE)")
	redirect := flags.String("redirect-url", def("HUBSPOTSIM_REDIRECT_URL", "http://localhost:8080/oauth/hubspot/callback"), "redirect URL of the demo app (HUBSPOTSIM_REDIRECT_URL)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	host, _, err := net.SplitHostPort(*listen)
	if err != nil {
		return fmt.Errorf("-listen %q is not an address such as 127.0.0.1:8090", *listen)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return fmt.Errorf("-listen %q is not a loopback address: the simulator has no authentication of its own", *listen)
	}

	s := hubspottest.NewUnstartedServer(hubspottest.Options{})
	fresh := true
	if *stateFile != "" {
		switch err := s.Load(*stateFile); {
		case err == nil:
			fresh = false
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	if fresh {
		if err := seed(s); err != nil { //nolint:contextcheck // what it sets going ends with the server
			return fmt.Errorf("seeding the demo account: %w", err)
		}
	}
	// Not only when fresh: the redirect URL may be another one this time.
	app := s.AddApp(demoApp(*redirect))
	if err := s.Start(*listen); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "HubSpot simulator: %s\n", s.URL)
	fmt.Fprintf(stdout, "  account       %s/portal/%d\n", s.URL, demoHub)
	fmt.Fprintf(stdout, "  consent page  %s/oauth/authorize\n", s.URL)
	fmt.Fprintf(stdout, "  app           client ID %s, client secret %s\n", app.ClientID, app.ClientSecret)
	fmt.Fprintf(stdout, "  control       %s/sim/\n", s.URL)

	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if *stateFile != "" {
				if err := s.Save(*stateFile); err != nil {
					fmt.Fprintln(stdout, "hubspotsim:", err)
				}
			}
		case <-ctx.Done():
			quick, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
			err := s.Shutdown(quick)
			cancel()
			if *stateFile != "" {
				err = errors.Join(err, s.Save(*stateFile))
			}
			return err
		}
	}
}

const demoHub = 4242001

// demoApp has a fixed secret: it opens nothing but a simulator on loopback.
func demoApp(redirect string) hubspottest.App {
	return hubspottest.App{
		ClientID: "d0e0f0a0-0000-4000-8000-00000000demo", ClientSecret: "simulator-only-secret", Name: "Debrief",
		RedirectURIs: []string{redirect},
		RequiredScopes: []string{
			"oauth", "crm.objects.contacts.read", "crm.objects.contacts.write", "crm.objects.companies.read", "crm.objects.companies.write",
			"crm.objects.deals.read", "crm.objects.deals.write", "crm.objects.owners.read", "tickets",
		},
		OptionalScopes: []string{"crm.schemas.contacts.write", "crm.schemas.companies.write", "crm.schemas.deals.write"},
	}
}

func seed(s *hubspottest.Server) error {
	s.AddPortal(hubspottest.Portal{HubID: demoHub, Name: "Brightwater Analytics", Domain: "brightwater.example", Currency: "EUR", TimeZone: "Europe/Berlin"})
	s.AddUser(demoHub, hubspottest.User{ID: 7001, OwnerID: "8801", Email: "mara@brightwater.example", FirstName: "Mara", LastName: "Lindqvist", SuperAdmin: true})
	s.AddUser(demoHub, hubspottest.User{ID: 7002, OwnerID: "8802", Email: "tomas@brightwater.example", FirstName: "Tomás", LastName: "Okafor"})
	company, err := s.Add(demoHub, "companies", hubspottest.Seed{Properties: map[string]string{"name": "Harrow Mills", "domain": "harrowmills.example", "hubspot_owner_id": "8801"}})
	if err != nil {
		return err
	}
	contact, err := s.Add(demoHub, "contacts", hubspottest.Seed{
		Properties:   map[string]string{"email": "ines@harrowmills.example", "firstname": "Ines", "lastname": "Castell", "jobtitle": "Head of Operations", "hubspot_owner_id": "8801"},
		Associations: map[string][]string{"companies": {company.ID}},
	})
	if err != nil {
		return err
	}
	_, err = s.Add(demoHub, "deals", hubspottest.Seed{
		Properties:   map[string]string{"dealname": "Harrow Mills: reporting", "dealstage": "qualifiedtobuy", "pipeline": "default", "amount": "24000", "hubspot_owner_id": "8801"},
		Associations: map[string][]string{"companies": {company.ID}, "contacts": {contact.ID}},
	})
	return err
}
