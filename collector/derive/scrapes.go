package derive

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/collector/silent"
)

// graceTime is what Shutdown gives to scrapes in progress.
const graceTime = time.Second

// listenForScrapes opens the listener. ctx bounds that only.
func listenForScrapes(ctx context.Context, cfg Config, reg prometheus.Registerer, logger *slog.Logger) (*listen.Door, error) {
	meters, err := listen.NewMeters(reg)
	if err != nil {
		return nil, err
	}
	return listen.Open(ctx, listen.Place{Key: "derive", Address: cfg.Address, Meters: meters, Logger: logger}, cfg.Security)
}

// scrapes serves derived metrics to whom a guard lets in.
type scrapes struct {
	server  *http.Server
	silent  *silent.Connections // the server's
	running sync.WaitGroup
}

// serveScrapes has a door answer with what is derived.
func serveScrapes(derived prometheus.Gatherer, logger *slog.Logger) listen.Serve {
	return func(l net.Listener, guard *listen.Guard) func(context.Context) error {
		s := &scrapes{server: newServer(guard, derived, logger)}
		s.silent = silent.Of(s.server)
		s.running.Go(func() {
			if err := s.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				logger.Error("derived metrics are no longer served", "error", err)
			}
		})
		return s.shutdown
	}
}

func newServer(guard *listen.Guard, derived prometheus.Gatherer, logger *slog.Logger) *http.Server {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", guard.Handler(exposition(derived, logger)))
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug), // What peers do wrong.
	}
}

// exposition answers in the format that a scrape asks for.
func exposition(derived prometheus.Gatherer, logger *slog.Logger) http.Handler {
	return promhttp.HandlerFor(derived, promhttp.HandlerOpts{
		EnableOpenMetrics:   true,
		ErrorHandling:       promhttp.ContinueOnError, // One bad series fails alone.
		ErrorLog:            slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		MaxRequestsInFlight: 4,
	})
}

// shutdown gives what is in progress until ctx ends.
func (s *scrapes) shutdown(ctx context.Context) error {
	s.silent.Close()
	err := s.server.Shutdown(ctx)
	if err != nil {
		_ = s.server.Close() // The error that counts is Shutdown's.
	}
	s.running.Wait()
	return err
}

// closeDoor gives scrapes in progress a second, or until ctx ends.
func (d *Deriver) closeDoor(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, graceTime)
	defer cancel()
	_ = d.door.Shutdown(ctx) // A scrape that is cut off is no fault: nobody will miss the metrics.
}

// Addr is where metrics are scraped; nil where they are not.
func (d *Deriver) Addr() net.Addr { return d.door.Addr() }

// Protection is how scrapes are protected.
func (d *Deriver) Protection() listen.State { return d.door.State() }

// Prepare reads what another rule for scrapes needs, and returns what has it
// count, nil where there is nothing to do. Until that is called nothing has
// changed.
func (d *Deriver) Prepare(rule listen.Security) (change func(), err error) {
	return d.door.Prepare(rule)
}
