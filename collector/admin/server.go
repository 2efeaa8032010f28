package admin

import (
	"context"
	"encoding/json"
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

// serve answers those whom the guard lets in.
func (a *Admin) serve(l net.Listener, guard *listen.Guard) func(context.Context) error {
	server := &http.Server{
		Handler:           a.handler(guard),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      time.Minute,
		IdleTimeout:       5 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(a.logger.Handler(), slog.LevelDebug), // What peers do wrong.
	}
	quiet := silent.Of(server)
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			a.logger.Error("administration is no longer served", "error", err)
		}
	})
	return func(ctx context.Context) error {
		quiet.Close()
		err := server.Shutdown(ctx)
		if err != nil {
			_ = server.Close() // The error that counts is Shutdown's.
		}
		running.Wait()
		return err
	}
}

func (a *Admin) handler(guard *listen.Guard) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"live": true})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ready := a.readinessFor(guard, r)
		status := http.StatusOK
		if !ready.Ready {
			status = http.StatusServiceUnavailable
		}
		writeJSON(w, status, ready)
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, http.StatusOK, a.readinessFor(guard, r))
	})
	mux.Handle("GET /metrics", guard.Handler(promhttp.HandlerFor(prometheus.Gatherers{a.sources.Metrics, a.own}, promhttp.HandlerOpts{
		EnableOpenMetrics:   true,
		ErrorHandling:       promhttp.ContinueOnError,
		ErrorLog:            slog.NewLogLogger(a.logger.Handler(), slog.LevelWarn),
		MaxRequestsInFlight: 4,
	})))
	mux.Handle("GET /{$}", guard.Handler(http.HandlerFunc(a.servePage)))
	return mux
}

func writeJSON(w http.ResponseWriter, status int, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer) // The peer may be gone.
}
