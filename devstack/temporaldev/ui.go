package temporaldev

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"

	uiserver "github.com/temporalio/ui-server/v2/server"
	uiconfig "github.com/temporalio/ui-server/v2/server/config"
	uioptions "github.com/temporalio/ui-server/v2/server/server_options"

	"github.com/debriefhq/debrief/internal/freeport"
)

// UIOptions are the settings of Temporal's UI.
type UIOptions struct {
	// Port on 127.0.0.1. Zero means any free one.
	Port int

	// DefaultNamespace is opened first. Empty means "default".
	DefaultNamespace string

	Codec CodecOptions
}

// CodecOptions tell the UI where payloads are decoded and encoded. The browser
// itself calls the endpoint: see the field comments.
type CodecOptions struct {
	// Endpoint is the URL below which /decode, /encode and /download are; no
	// slash at its end. Empty means none. The browser sends
	// POST {Endpoint}/decode?preserveStorageRefs=true with Content-Type
	// application/json and the namespace in X-Namespace, so the endpoint has to
	// answer a CORS preflight for the UI's origin.
	Endpoint string

	// IncludeCredentials sends the endpoint's cookies along. The endpoint must
	// then answer with that exact origin and
	// Access-Control-Allow-Credentials: true.
	IncludeCredentials bool

	// ErrorMessage and ErrorLink are shown when the endpoint refuses or fails.
	ErrorMessage, ErrorLink string
}

type ui struct {
	url     string
	server  *uiserver.Server
	stopped chan struct{}
	once    sync.Once
}

func startUI(ctx context.Context, frontend string, opts UIOptions) (*ui, error) {
	port := opts.Port
	if port == 0 {
		ports, err := freeport.Find(1)
		if err != nil {
			return nil, err
		}
		port = ports[0]
	}
	// The UI server ends the process when it cannot listen, so look first.
	if err := checkFree(ctx, port); err != nil {
		return nil, err
	}
	u := &ui{
		url:     "http://" + net.JoinHostPort(loopback, strconv.Itoa(port)),
		stopped: make(chan struct{}),
		server: uiserver.NewServer(uioptions.WithConfigProvider(&uiconfig.Config{
			TemporalGRPCAddress: frontend,
			Host:                loopback,
			Port:                port,
			EnableUI:            true,
			DefaultNamespace:    opts.DefaultNamespace,
			// There is no TLS on the loopback interface: a cookie that wants it
			// would be dropped by some browsers, and every action refused.
			CORS: uiconfig.CORS{CookieInsecure: true},
			Codec: uiconfig.Codec{
				Endpoint:            opts.Codec.Endpoint,
				IncludeCredentials:  opts.Codec.IncludeCredentials,
				DefaultErrorMessage: opts.Codec.ErrorMessage,
				DefaultErrorLink:    opts.Codec.ErrorLink,
			},
			// Nothing is fetched from outside.
			DisableNewsFetch:   true,
			NotifyOnNewVersion: false,
			HideLogs:           true,
		})),
	}
	go func() {
		defer close(u.stopped)
		_ = u.server.Start() // always nil
	}()
	if err := poll(ctx, func() error { return u.healthy(ctx) }); err != nil {
		u.stop()
		return nil, fmt.Errorf("waiting for %s: %w", u.url, err)
	}
	return u, nil
}

func (u *ui) healthy(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url+"/healthz", nil)
	if err != nil {
		return err
	}
	request.Close = true // no idle connection is left behind
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("it answers %s", response.Status)
	}
	return nil
}

func (u *ui) stop() {
	u.once.Do(func() {
		u.server.Stop()
		<-u.stopped
	})
}
