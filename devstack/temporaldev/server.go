package temporaldev

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/cluster"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	"go.temporal.io/server/common/metrics"
	"go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/common/primitives"
	sqliteschema "go.temporal.io/server/schema/sqlite"
	"go.temporal.io/server/temporal"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/debriefhq/debrief/internal/freeport"
)

const (
	loopback    = "127.0.0.1"
	clusterName = "active"

	startTimeout = time.Minute
	pollEvery    = 10 * time.Millisecond
)

// Options say what to start. The zero value is a server in memory, without
// UI, on a free port, with no namespace.
type Options struct {
	// Dir keeps the state. It is made if it is missing. Empty keeps the state
	// in memory, until the process ends.
	Dir string

	// Postgres, a URL, keeps the state in two databases of that PostgreSQL, temporal
	// and temporal_visibility, which are made if they are missing, with as many shards
	// as docker-compose.yml has: as it runs in earnest, for measuring. Dir is not used
	// then. Empty means SQLite.
	Postgres string

	// Port of the gRPC frontend on 127.0.0.1. Zero means any free one.
	Port int

	// Namespaces to have, each with SearchAttributes. Those that exist already
	// keep what they have and get what is missing.
	Namespaces       []string
	SearchAttributes map[string]enumspb.IndexedValueType

	// UI starts Temporal's UI beside the server, unless it is nil.
	UI *UIOptions

	// Log gets the server's warnings and errors, one JSON object per line. Nil
	// discards them. It must be safe for concurrent use, as an *os.File is.
	Log io.Writer
}

// A Server is a Temporal server in this process. Its methods may be called
// from any goroutine.
type Server struct {
	opts     Options
	logger   log.Logger
	port     int
	database *config.SQL
	// visibility is the database of what lists show, where that is another one.
	visibility *config.SQL
	ui         *ui

	mu       sync.Mutex // held while the server goes up or down
	temporal temporal.Server
}

// Start starts a server and waits, for a minute at most, until workflows can be
// started on it.
func Start(ctx context.Context, opts Options) (*Server, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()

	s := &Server{opts: opts, port: opts.Port, logger: newLogger(opts.Log)}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("starting Temporal: %w", err), s.Stop())
	}
	return s, nil
}

func (s *Server) start(ctx context.Context) error {
	if s.port == 0 {
		ports, err := freeport.Find(1)
		if err != nil {
			return err
		}
		s.port = ports[0]
	}
	if err := s.prepareDatabase(); err != nil {
		return err
	}
	if err := s.Up(ctx); err != nil {
		return err
	}
	for _, name := range s.opts.Namespaces {
		if err := s.CreateNamespace(ctx, name); err != nil {
			return err
		}
	}
	if s.opts.UI != nil {
		ui, err := startUI(ctx, s.FrontendAddr(), *s.opts.UI)
		if err != nil {
			return fmt.Errorf("starting Temporal's UI: %w", err)
		}
		s.ui = ui
	}
	return nil
}

// FrontendAddr is the host and port for Temporal clients.
func (s *Server) FrontendAddr() string {
	return net.JoinHostPort(loopback, strconv.Itoa(s.port))
}

// UIURL is the address of Temporal's UI, without a slash at the end. Its HTTP
// API is below /api/v1. Empty if there is no UI.
func (s *Server) UIURL() string {
	if s.ui == nil {
		return ""
	}
	return s.ui.url
}

// Stop ends the server and the UI. It may be called again, and when the server
// is down already.
func (s *Server) Stop() error {
	if s.ui != nil {
		s.ui.stop()
	}
	return s.Down()
}

// Down ends the server and leaves the UI running, as when Temporal is not
// there for a while. The state is kept, even the one in memory.
func (s *Server) Down() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.temporal == nil {
		return nil
	}
	err := s.temporal.Stop()
	s.temporal = nil
	if err != nil {
		return fmt.Errorf("stopping Temporal: %w", err)
	}
	return nil
}

// Up starts the server again after [Server.Down], on the same port and with
// its state, and waits until workflows can be started. It does nothing when
// the server is up.
func (s *Server) Up(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.temporal != nil {
		return nil
	}
	// The server ends the process when it cannot listen, so look first.
	if err := checkFree(ctx, s.port); err != nil {
		return err
	}
	inner, err := freeport.Find(3)
	if err != nil {
		return err
	}
	server, err := s.newTemporal(inner)
	if err != nil {
		return err
	}
	if err := server.Start(); err != nil {
		return errors.Join(fmt.Errorf("starting the services: %w", err), server.Stop())
	}
	if err := s.waitReady(ctx); err != nil {
		return errors.Join(err, server.Stop())
	}
	s.temporal = server
	return nil
}

func (s *Server) newTemporal(inner []int) (temporal.Server, error) {
	cfg := &config.Config{
		Global: config.Global{
			Membership: config.Membership{MaxJoinDuration: 30 * time.Second, BroadcastAddress: loopback},
		},
		Persistence: s.persistence(),
		ClusterMetadata: &cluster.Config{
			FailoverVersionIncrement: 10,
			MasterClusterName:        clusterName,
			CurrentClusterName:       clusterName,
			ClusterInformation: map[string]cluster.ClusterInformation{
				clusterName: {Enabled: true, InitialFailoverVersion: 1, RPCAddress: s.FrontendAddr()},
			},
		},
		DCRedirectionPolicy: config.DCRedirectionPolicy{Policy: "noop"},
		Archival: config.Archival{
			History:    config.HistoryArchival{State: "disabled"},
			Visibility: config.VisibilityArchival{State: "disabled"},
		},
		NamespaceDefaults: config.NamespaceDefaults{
			Archival: config.ArchivalNamespaceDefaults{
				History:    config.HistoryArchivalNamespaceDefaults{State: "disabled"},
				Visibility: config.VisibilityArchivalNamespaceDefaults{State: "disabled"},
			},
		},
		PublicClient: config.PublicClient{HostPort: s.FrontendAddr()},
		Services:     map[string]config.Service{},
	}
	hosts := map[primitives.ServiceName]static.Hosts{}
	for service, port := range map[primitives.ServiceName]int{
		primitives.FrontendService: s.port,
		primitives.HistoryService:  inner[0],
		primitives.MatchingService: inner[1],
		primitives.WorkerService:   inner[2],
	} {
		cfg.Services[string(service)] = config.Service{RPC: config.RPC{GRPCPort: port, BindOnIP: loopback}}
		hosts[service] = static.SingleLocalHost(net.JoinHostPort(loopback, strconv.Itoa(port)))
	}
	server, err := temporal.NewServer(
		temporal.WithConfig(cfg),
		temporal.ForServices(temporal.DefaultServices),
		// Known hosts need no membership protocol: no more ports, and no hosts
		// of an earlier run to wait for.
		temporal.WithStaticHosts(hosts),
		temporal.WithLogger(s.logger),
		temporal.WithCustomMetricsHandler(metrics.NoopMetricsHandler),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper {
			return authorization.NewNoopClaimMapper()
		}),
		temporal.WithDynamicConfigClient(dynamicConfig()),
	)
	if err != nil {
		return nil, fmt.Errorf("setting up the services: %w", err)
	}
	return server, nil
}

func (s *Server) persistence() config.Persistence {
	const main, visibility = "main", "visibility"
	p := config.Persistence{
		DefaultStore: main, VisibilityStore: main, NumHistoryShards: 1,
		DataStores: map[string]config.DataStore{main: {SQL: s.database}},
	}
	if s.visibility != nil {
		p.VisibilityStore, p.NumHistoryShards = visibility, postgresShards
		p.DataStores[visibility] = config.DataStore{SQL: s.visibility}
	}
	return p
}

// dynamicConfig is what differs from the server's defaults.
func dynamicConfig() dynamicconfig.StaticClient {
	return dynamicconfig.StaticClient{
		// Twenty per second and shard is the default, and there is one shard:
		// it would put 50 ms in front of every workflow task.
		dynamicconfig.TransferProcessorMaxPollRPS.Key():   2000,
		dynamicconfig.TimerProcessorMaxPollRPS.Key():      2000,
		dynamicconfig.VisibilityProcessorMaxPollRPS.Key(): 2000,

		dynamicconfig.EnableActivityEagerExecution.Key(): true,
		// With a few pollers, several partitions only add forwarding.
		dynamicconfig.MatchingNumTaskqueueReadPartitions.Key():  1,
		dynamicconfig.MatchingNumTaskqueueWritePartitions.Key(): 1,
		dynamicconfig.MatchingEnableFairness.Key():              true,

		// New search attributes are usable at once.
		dynamicconfig.ForceSearchAttributesCacheRefreshOnRead.Key(): true,
		// The default of ten lists and counts per second is less than one open
		// page of the UI beside a test needs.
		dynamicconfig.FrontendMaxNamespaceVisibilityRPSPerInstance.Key(): 1000,
		// One namespace per test: the default is one new namespace per second.
		dynamicconfig.FrontendMaxNamespaceNamespaceReplicationInducingAPIsRPSPerInstance.Key(): 100,
		// Calls nobody outside this machine.
		dynamicconfig.EnableServerVersionCheck.Key(): false,
	}
}

// prepareDatabase makes the database, unless it is there.
func (s *Server) prepareDatabase() error {
	if s.opts.Postgres != "" {
		return s.preparePostgres()
	}
	if s.opts.Dir == "" {
		s.database = &config.SQL{
			PluginName:        sqlite.PluginName,
			DatabaseName:      "temporaldev-" + rand.Text(),
			ConnectAttributes: map[string]string{"mode": "memory", "cache": "shared"},
		}
		return nil
	}
	if err := os.MkdirAll(s.opts.Dir, 0o700); err != nil {
		return fmt.Errorf("making the folder: %w", err)
	}
	dir, err := filepath.Abs(s.opts.Dir)
	if err != nil {
		return fmt.Errorf("finding the folder: %w", err)
	}
	file := filepath.Join(dir, "temporal.db")
	s.database = &config.SQL{
		PluginName:   sqlite.PluginName,
		DatabaseName: file,
		ConnectAttributes: map[string]string{
			"mode":         "rwc",
			"journal_mode": "wal",
			// With a write-ahead log this loses nothing when the process is
			// killed, and spares a disk flush per transaction.
			"synchronous": "normal",
		},
	}

	// The version is written last, so a database without one is unfinished.
	versionFile := filepath.Join(dir, "schema-version")
	version := "temporal " + sqliteschema.Version + ", visibility " + sqliteschema.VisibilityVersion
	found, err := os.ReadFile(versionFile)
	switch {
	case err == nil && string(found) == version:
		return nil
	case err == nil:
		return fmt.Errorf("the database in %s has the schema %q and this server needs %q: delete that folder", dir, found, version)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("reading the schema's version: %w", err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(file + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("deleting an unfinished database: %w", err)
		}
	}
	setup := *s.database
	setup.ConnectAttributes = maps.Clone(s.database.ConnectAttributes)
	if err := sqliteschema.SetupSchema(&setup); err != nil {
		return fmt.Errorf("making the database: %w", err)
	}
	if err := os.WriteFile(versionFile, []byte(version), 0o600); err != nil {
		return fmt.Errorf("writing the schema's version: %w", err)
	}
	return nil
}

func newLogger(w io.Writer) log.Logger {
	if w == nil {
		return log.NewNoopLogger()
	}
	encoder := zap.NewProductionEncoderConfig()
	encoder.EncodeTime = zapcore.ISO8601TimeEncoder
	core := zapcore.NewCore(zapcore.NewJSONEncoder(encoder), zapcore.AddSync(w), zap.WarnLevel)
	return log.NewZapLogger(zap.New(core))
}

func checkFree(ctx context.Context, port int) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp4", net.JoinHostPort(loopback, strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("port %d is not free: %w", port, err)
	}
	return listener.Close()
}

// poll tries until it works or ctx ends; then it returns the last error.
func poll(ctx context.Context, try func() error) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", err, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}
