package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime/debug"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"
	"github.com/rs/zerolog"

	"github.com/debriefhq/debrief/codec"
	"github.com/debriefhq/debrief/store"
	"github.com/debriefhq/debrief/web"
	"github.com/debriefhq/debrief/webhooks"
	"github.com/debriefhq/debrief/workflows"
)

type serveCmd struct {
	Listen string `help:"Where to listen." env:"DEBRIEF_LISTEN" default:"127.0.0.1:8080" placeholder:"HOST:PORT"`
	// For measuring the receiver alone.
	Relay bool `hidden:"" help:"Understand what was received; without, another process has to." env:"DEBRIEF_RELAY" default:"true" negatable:""`
}

// What is live here is a few megabytes, and each request leaves some kilobytes: Go's
// default would collect them some ten times a second under load. Where large bodies
// fill the memory, it is collected as often as need be.
const (
	garbagePercent = 1000
	garbageLimit   = 512 << 20
)

func (c *serveCmd) Run(ctx context.Context, a *app) error {
	if os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" {
		debug.SetGCPercent(garbagePercent)
		debug.SetMemoryLimit(garbageLimit)
	}
	log := a.logger()
	s, err := a.store(ctx, "serve")
	if err != nil {
		return err
	}
	if err := s.CheckSchema(ctx); err != nil {
		return err
	}
	warnOfUnknownKeys(ctx, s, log)
	temporal, err := a.temporal(s, log)
	if err != nil {
		return err
	}
	starter := workflows.Starter{Client: temporal}
	relay := webhooks.NewRelay(webhooks.RelayOptions{
		Store: s, Platforms: webhooks.Platforms(), Waker: starter, CRM: starter, Deliveries: starter, Upkeep: starter, Briefings: starter, Log: log,
	})
	receiver := webhooks.NewReceiver(webhooks.ReceiverOptions{
		Store: s, Platforms: webhooks.Platforms(), PublicURL: a.PublicURL, Log: log, Received: relay.Poke,
	})
	handler, err := c.handler(a, s, receiver, ctx.Done(), log) //nolint:contextcheck // it answers under each request's context
	if err != nil {
		return err
	}

	listener, err := new(net.ListenConfig).Listen(context.WithoutCancel(ctx), "tcp", c.Listen)
	if err != nil {
		return usagef("the setting --listen (DEBRIEF_LISTEN) is wrong: %s", err)
	}
	var relaying sync.WaitGroup
	relayCtx, stopRelay := context.WithCancel(ctx)
	if c.Relay {
		relaying.Go(func() { relay.Run(relayCtx) })
		relaying.Go(func() { keepSchedules(relayCtx, s, workflows.Schedules{Client: temporal, Groups: s}, log) })
	}
	defer func() { stopRelay(); relaying.Wait() }()
	return serveUntil(ctx, listener, handler, log)
}

// handler is everything that this process answers. What is held open for long ends
// when closing is closed.
func (c *serveCmd) handler(a *app, s *store.Store, receiver *webhooks.Receiver, closing <-chan struct{}, log zerolog.Logger) (http.Handler, error) {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.ContextWithFallback = true
	// A redirect counts as a failure for the platforms that post here.
	engine.RedirectTrailingSlash = false
	if err := engine.SetTrustedProxies(nil); err != nil {
		return nil, fmt.Errorf("preparing the router: %w", err)
	}
	engine.Use(logged(log), recovered(log))

	pages, err := web.New(s, a.connectionsService(s), web.Options{
		PublicURL: a.PublicURL, AuthorizeURL: a.hubSpot().AuthorizeURL, Home: a.TemporalUIURL, Closing: closing,
		Schemas: schemasOf(s, a.gate(s, a.connectionsService(s))),
		Preview: func(ctx context.Context, d store.Delivery) (web.Previewed, error) {
			p, err := webhooks.Preview(ctx, s, webhooks.Platforms(), d)
			return web.Previewed{Events: p.Events, Reason: p.Reason, Changes: len(p.Changed) > 0}, err
		},
		WorkflowURL: func(meetingID uuid.UUID) string {
			return a.TemporalUIURL + "/namespaces/" + url.PathEscape(a.TemporalNamespace) + "/workflows/" + url.PathEscape(workflows.FollowUpID(meetingID))
		},
		OnError: func(_ context.Context, doing string, err error) {
			log.Warn().Err(err).Str("doing", doing).Msg("a page failed")
		},
	})
	if err != nil {
		return nil, usagef("the setting --public-url (DEBRIEF_PUBLIC_URL) is wrong: %s", err)
	}
	payloads, err := codec.NewHandler(s, codec.HandlerOptions{Origin: a.TemporalUIURL, SignedIn: pages.IsOperator})
	if err != nil {
		return nil, usagef("the setting --temporal-ui-url (DEBRIEF_TEMPORAL_UI_URL) is wrong: %s", err)
	}
	engine.Any("/codec/*path", gin.WrapH(payloads))
	pages.Register(engine)
	answers := &web.SlackAnswers{Store: s, Slack: a.slack(), OnError: func(_ context.Context, doing string, err error) {
		log.Warn().Err(err).Str("doing", doing).Msg("a click in Slack failed")
	}}
	answers.Register(engine)
	receiver.Register(engine)
	engine.Any(mcpPath, gin.WrapH(a.agents(s, log).Handler()))

	engine.GET("/healthz", func(g *gin.Context) { g.String(http.StatusOK, "ok\n") })
	// Ready means that a webhook would be kept: Postgres, and nothing else.
	engine.GET("/readyz", func(g *gin.Context) {
		ctx, cancel := context.WithTimeout(g.Request.Context(), 5*time.Second)
		defer cancel()
		if err := s.Ping(ctx); err != nil {
			g.String(http.StatusServiceUnavailable, "not ready\n")
			return
		}
		g.String(http.StatusOK, "ready\n")
	})
	return engine, nil
}

// serveUntil answers until ctx ends, and then finishes what it has begun.
func serveUntil(ctx context.Context, listener net.Listener, handler http.Handler, log zerolog.Logger) error {
	server := &http.Server{
		Handler: handler,
		// Bounds for what strangers may hold open. A body of ten megabytes over a
		// slow line fits into the read timeout.
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.Info().Str("address", listener.Addr().String()).Msg("serving")
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	log.Info().Msg("finishing")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("finishing: %w", err)
	}
	return nil
}

// logged writes one line a request: the route, never the URL, which may carry a
// one-time token.
func logged(log zerolog.Logger) gin.HandlerFunc {
	return func(g *gin.Context) {
		start := time.Now()
		g.Next()
		level := zerolog.DebugLevel
		if g.Writer.Status() >= http.StatusInternalServerError {
			level = zerolog.WarnLevel
		}
		log.WithLevel(level).Str("method", g.Request.Method).Str("route", g.FullPath()).Int("status", g.Writer.Status()).
			Dur("took", time.Since(start)).Msg("request")
	}
}

// recovered answers 500 for a bug, and logs where it is. What was passed around
// when it happened stays out of the log.
func recovered(log zerolog.Logger) gin.HandlerFunc {
	return gin.CustomRecoveryWithWriter(nil, func(g *gin.Context, reason any) {
		log.Error().Str("route", g.FullPath()).Str("kind", fmt.Sprintf("%T", reason)).Stack().Msg("a request panicked")
		g.AbortWithStatus(http.StatusInternalServerError)
	})
}
