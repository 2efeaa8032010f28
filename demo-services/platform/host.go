package platform

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc"

	"github.com/waybill-dev/waybill/demo-services/fault"
	"github.com/waybill-dev/waybill/demo-services/mesh"
	"github.com/waybill-dev/waybill/demo-services/registry"
	"github.com/waybill-dev/waybill/middleware"
)

// Off is the address of a listener that is not wanted.
const Off = "off"

// Host is what a service runs in: its listeners, its work in the background,
// and what is to be closed after them. It is not safe for concurrent use while
// it is being set up.
type Host struct {
	telemetry *middleware.Telemetry
	logger    *slog.Logger
	ready     func(context.Context) error

	addr, admin net.Addr
	http        []*http.Server
	grpc        *grpc.Server
	closers     []func() error

	// How the service is found, and finds others; nothing unless it has joined.
	discovery Discovery
	registry  *registry.Registry
	directory *registry.Directory
	leave     func(cause error) // takes the service out of the registry
	member    *mesh.Member      // of the mesh; nil outside it

	work context.Context // what background work runs under
	stop context.CancelFunc
	wg   sync.WaitGroup
}

// Start sets a host up. If setup fails, what it has started is shut down. The
// context bounds the setup; only its values reach the background work, which
// Shutdown ends.
func Start(ctx context.Context, telemetry *middleware.Telemetry, setup func(*Host) error) (*Host, error) {
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	h := &Host{
		telemetry: telemetry, logger: telemetry.Logger(),
		ready: func(context.Context) error { return nil },
		work:  work, stop: stop,
	}
	if err := setup(h); err != nil {
		return nil, errors.Join(err, h.Shutdown(ctx))
	}
	return h, nil
}

// Config is what every service is configured with.
type Config struct {
	// Listen is the address of the service itself.
	Listen string
	// Admin is the address of /healthz and /metrics, or Off.
	Admin string
	// DataDir holds the service's database, which is SQLite's; it must exist.
	DataDir string
	// Database is the URL of a database of a PostgreSQL server that has the
	// service's own instead; see Source. Empty is SQLite.
	Database  string
	Discovery Discovery
	// Faults says what goes wrong; nil is nothing.
	Faults *fault.Flags
}

// Addr is where the service listens.
func (h *Host) Addr() net.Addr { return h.addr }

// AdminAddr is where /healthz and /metrics are, or nil.
func (h *Host) AdminAddr() net.Addr { return h.admin }

// Logger is the service's, and correlated with its traces.
func (h *Host) Logger() *slog.Logger { return h.logger }

// Telemetry is the service's.
func (h *Host) Telemetry() *middleware.Telemetry { return h.telemetry }

// OpenDB opens the service's database (see OpenDB), which /healthz then asks.
func (h *Host) OpenDB(ctx context.Context, at Source, migrations func() (fs.FS, error)) (*DB, error) {
	files, err := migrations()
	if err != nil {
		return nil, err
	}
	db, err := OpenDB(ctx, at, files, h.telemetry)
	if err != nil {
		return nil, err
	}
	h.OnClose(db.Close)
	h.ready = db.Ping
	return db, nil
}

// Go runs work in the background until Shutdown ends its context and waits for
// its return.
func (h *Host) Go(work func(context.Context)) {
	h.wg.Go(func() { work(h.work) })
}

// Repeat does the work in the background, at once and then again and again,
// until Shutdown ends its context. What is the subject of the log line that
// tells of a failure.
func (h *Host) Repeat(every time.Duration, what string, work func(context.Context) error) {
	h.Go(func(ctx context.Context) {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			if err := work(ctx); err != nil && ctx.Err() == nil {
				h.logger.Error(what+" failed", "error", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
		}
	})
}

// OnClose adds something to close once nothing runs any more; the last added
// is closed first.
func (h *Host) OnClose(closer func() error) { h.closers = append(h.closers, closer) }

// Shutdown lets running requests end for as long as the context does, ends the
// background work, and closes everything. It is called once.
func (h *Host) Shutdown(ctx context.Context) error {
	if h.leave != nil {
		h.leave(nil) // Nobody is to come any more.
	}
	var errs []error
	for _, s := range h.http {
		if err := s.Shutdown(ctx); err != nil {
			errs = append(errs, s.Close())
		}
	}
	if h.grpc != nil {
		stopGRPC(ctx, h.grpc)
	}
	h.stop()
	h.wg.Wait()
	for _, closer := range slices.Backward(h.closers) {
		errs = append(errs, closer())
	}
	return errors.Join(errs...)
}

// listen opens a listener; the error names the address.
func listen(ctx context.Context, address string) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return listener, nil
}

// serveHTTP answers with the handler until Shutdown.
func (h *Host) serveHTTP(listener net.Listener, handler http.Handler) {
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(h.logger.Handler(), slog.LevelDebug),
	}
	h.http = append(h.http, server)
	h.wg.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			h.logger.Error("HTTP listener failed", "address", listener.Addr().String(), "error", err)
		}
	})
}
