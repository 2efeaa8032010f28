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

// scrapes serves derived metrics to whom the guard lets in. Methods of nil do
// nothing.
type scrapes struct {
	guard    *listen.Guard
	listener net.Listener
	logger   *slog.Logger
	server   *http.Server        // nil until serve
	silent   *silent.Connections // the server's
	running  sync.WaitGroup
}

// listenForScrapes opens the listener. ctx bounds that only; shutdown ends it.
func listenForScrapes(ctx context.Context, cfg Config, reg prometheus.Registerer, logger *slog.Logger) (*scrapes, error) {
	meters, err := listen.NewMeters(reg)
	if err != nil {
		return nil, err
	}
	guard, err := listen.NewGuard("derive", cfg.Security, meters, logger)
	if err != nil {
		return nil, err
	}
	inner, err := listen.TCP(ctx, "derive.address", cfg.Address)
	if err != nil {
		guard.Close()
		return nil, err
	}
	return &scrapes{guard: guard, listener: guard.Secure(inner), logger: logger}, nil
}

// serve answers from now on.
func (s *scrapes) serve(derived prometheus.Gatherer) {
	if s == nil {
		return
	}
	s.server = newServer(s.guard, derived, s.logger)
	s.silent = silent.Of(s.server)
	s.running.Go(func() {
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.logger.Error("derived metrics are no longer served", "error", err)
		}
	})
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

// shutdown gives what is in progress a second, or until ctx ends.
func (s *scrapes) shutdown(ctx context.Context) {
	if s == nil {
		return
	}
	if s.server == nil {
		_ = s.listener.Close() // Nobody was answered.
	} else {
		s.silent.Close()
		ctx, cancel := context.WithTimeout(ctx, graceTime)
		defer cancel()
		if s.server.Shutdown(ctx) != nil {
			_ = s.server.Close()
		}
	}
	s.running.Wait()
	s.guard.Close()
}

// Addr is where metrics are scraped; nil where they are not.
func (d *Deriver) Addr() net.Addr {
	if d.scrapes == nil {
		return nil
	}
	return d.scrapes.listener.Addr()
}
