package main

import (
	"context"
	"errors"
	"io"

	"github.com/google/uuid"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/rs/zerolog"

	"github.com/debriefhq/debrief/agents"
	"github.com/debriefhq/debrief/store"
)

// mcpPath is where serve answers agents.
const mcpPath = "/mcp"

type mcpCmd struct {
	Person     string `help:"For whom the agent calls: e-mail address or ID." env:"DEBRIEF_PERSON" required:"" placeholder:"PERSON"`
	Connection string `help:"The connection to HubSpot to go through; without it the one that would act for the person's meetings." env:"DEBRIEF_CONNECTION" placeholder:"NAME"`
}

// Run speaks over standard input and output: nothing else is printed there.
func (c *mcpCmd) Run(ctx context.Context, a *app) error {
	if err := hide(); err != nil {
		return err
	}
	caller, service, err := a.caller(ctx, "mcp", c.Person, c.Connection, store.OriginAgent)
	if err != nil {
		return err
	}
	err = service.Server(caller).Run(ctx, &mcp.IOTransport{Reader: io.NopCloser(a.in), Writer: nopCloser{a.out}})
	if errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) {
		return nil // whoever started it is gone
	}
	return err
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }

// caller is who calls for a person, with what serves it.
func (a *app) caller(ctx context.Context, name, person, connection, source string) (agents.Caller, *agents.Service, error) {
	s, o, err := a.open(ctx, name)
	if err != nil {
		return agents.Caller{}, nil, err
	}
	if err := s.CheckSchema(ctx); err != nil {
		return agents.Caller{}, nil, err
	}
	p, err := findPerson(ctx, s, o, person)
	if err != nil {
		return agents.Caller{}, nil, err
	}
	caller := agents.Caller{OrganizationID: o.ID, PersonID: p.ID, Source: source}
	if connection != "" {
		found, err := connectionByName(ctx, s, o, connection)
		if err != nil {
			return agents.Caller{}, nil, err
		}
		caller.ConnectionID = found.ID
	}
	service := a.agents(s, a.logger())
	acting, err := service.Connection(ctx, caller)
	if err != nil {
		return agents.Caller{}, nil, err
	}
	if acting.ID == uuid.Nil {
		return agents.Caller{}, nil, &notFoundError{"nothing is connected yet: `debrief connections login NAME`"}
	}
	return caller, service, nil
}

func (a *app) agents(s *store.Store, log zerolog.Logger) *agents.Service {
	tokens := a.connectionsService(s)
	return agents.New(agents.Options{
		Store: s, Gate: a.gate(s, tokens), Connections: tokens, PublicURL: a.PublicURL,
		OnError: func(_ context.Context, doing string, err error) {
			log.Warn().Err(err).Str("doing", doing).Msg("an agent's call failed")
		},
	})
}
