package viewer

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/viewer/jaeger"
	"github.com/waybill-dev/waybill/viewer/page"
	"github.com/waybill-dev/waybill/viewer/query"
)

// newMux has all that the viewer serves.
func newMux(engine *query.Engine, board *Board, own *prometheus.Registry, logger *slog.Logger) (*http.ServeMux, error) {
	mux := http.NewServeMux()
	if err := page.Register(mux, engine, board, logger); err != nil {
		return nil, err
	}
	jaeger.Register(mux, engine, logger)
	metrics, err := metricsHandler(engine, own, logger)
	if err != nil {
		return nil, err
	}
	mux.Handle("GET /metrics", metrics)
	mux.Handle("GET /healthz", healthHandler(engine))
	return mux, nil
}

// newServer bounds how long a client may take at each step, so that slow ones
// hold no connection for ever.
func newServer(handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}
