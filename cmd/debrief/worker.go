package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/debriefhq/debrief/activities"
	"github.com/debriefhq/debrief/internal/poll"
	"github.com/debriefhq/debrief/notify"
	"github.com/debriefhq/debrief/webhooks"
	"github.com/debriefhq/debrief/workflows"
)

type workerCmd struct {
	HealthListen string        `help:"Where /healthz and /readyz answer; empty: nowhere." env:"DEBRIEF_HEALTH_LISTEN" placeholder:"HOST:PORT"`
	StopTimeout  time.Duration `help:"How long running activities may take to finish on shutdown." env:"DEBRIEF_STOP_TIMEOUT" default:"20s"`
	ModelTimeout time.Duration `help:"How long one call of a language model may take; a server of one's own may need more." env:"DEBRIEF_MODEL_TIMEOUT" default:"2m"`
	// For measuring.
	CachedWorkflows int `hidden:"" help:"How many workflows are kept in memory; what is beyond is replayed when something happens to it." env:"DEBRIEF_CACHED_WORKFLOWS" default:"10000"`
}

func (c *workerCmd) Run(ctx context.Context, a *app) error {
	log := a.logger()
	s, err := a.store(ctx, "worker")
	if err != nil {
		return err
	}
	if err := s.CheckSchema(ctx); err != nil {
		return err
	}
	mail, err := a.mail()
	if err != nil {
		return err
	}
	warnOfUnknownKeys(ctx, s, log)
	temporal, err := a.temporal(s, log)
	if err != nil {
		return err
	}
	tokens := a.connectionsService(s)
	options := workflows.WorkerOptions()
	options.WorkerStopTimeout = c.StopTimeout
	worker.SetStickyWorkflowCacheSize(c.CachedWorkflows)
	w := worker.New(temporal, workflows.TaskQueue, options)
	workflows.Register(w)
	apis := webhooks.NewAPIs(s, nil)
	fetcher := &webhooks.Fetcher{Store: s, Platforms: webhooks.Platforms(), APIs: apis}
	keeper := webhooks.NewKeeper(webhooks.KeeperOptions{Store: s, Platforms: webhooks.Platforms(), APIs: apis, PublicURL: a.PublicURL, Log: log})
	w.RegisterActivity(&activities.Activities{
		Store: s, Gate: a.gate(s, tokens), Connections: tokens, Deliveries: fetcher, Tender: keeper, Log: log, ModelTimeout: c.ModelTimeout,
		Histories: workflows.Histories{Client: temporal, Namespace: a.TemporalNamespace},
	})

	health, err := serveHealth(ctx, c.HealthListen, func(ctx context.Context) error {
		if _, err := temporal.CheckHealth(ctx, &client.CheckHealthRequest{}); err != nil {
			return fmt.Errorf("reaching Temporal: %w", err)
		}
		return s.Ping(ctx)
	})
	if err != nil {
		return err
	}
	defer health()

	if err := startWhenTemporalIsThere(ctx, w.Start, func(err error) {
		log.Warn().Err(err).Str("address", a.TemporalAddress).Msg("Temporal is not there yet; trying again")
	}); err != nil {
		return err
	}
	log.Info().Str("task_queue", workflows.TaskQueue).Msg("worker is at work")
	var watching sync.WaitGroup
	outbox := notify.New(notify.Options{Store: s, Sender: mail, Slack: a.slack(), Webhooks: a.webhooks(), PublicURL: a.PublicURL, Log: log})
	watching.Go(func() { outbox.Run(ctx) })
	watching.Go(func() {
		tokens.Watch(ctx, func(err error) { log.Warn().Err(err).Msg("reading HubSpot's journal failed") })
	})
	watching.Go(func() {
		poll.Loop{Interval: time.Hour, Complain: func(err error) { log.Error().Err(err).Msg("what is old could not be dropped; trying again") }}.
			Run(ctx, nil, func(ctx context.Context) (bool, error) {
				n, err := s.PruneAllPayloads(ctx, time.Now())
				if n > 0 {
					log.Info().Int("deliveries", n).Msg("dropped what was received longer ago than the settings keep")
				}
				if err != nil {
					return false, err
				}
				for briefs := 1; briefs > 0 && err == nil; {
					briefs, err = s.PruneBriefings(ctx, time.Now())
				}
				return false, err
			})
	})
	<-ctx.Done()
	log.Info().Msg("worker is finishing")
	w.Stop()
	watching.Wait()
	return nil
}

// startWhenTemporalIsThere tries until it works: in what order the parts of an
// installation come up is nobody's business.
func startWhenTemporalIsThere(ctx context.Context, start func() error, failed func(error)) error {
	for {
		err := start()
		if err == nil {
			return nil
		}
		failed(err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(2 * time.Second):
		}
	}
}

// serveHealth answers /healthz (the process is alive) and /readyz (what it needs
// is there) on a port of its own, and returns how to stop.
func serveHealth(ctx context.Context, listen string, ready func(context.Context) error) (stop func(), err error) {
	if listen == "" {
		return func() {}, nil
	}
	listener, err := new(net.ListenConfig).Listen(context.WithoutCancel(ctx), "tcp", listen)
	if err != nil {
		return nil, usagef("the setting --health-listen (DEBRIEF_HEALTH_LISTEN) is wrong: %s", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
		defer cancel()
		if ready(ctx) != nil {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ready\n"))
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }()
	return func() { _ = server.Close() }, nil
}
