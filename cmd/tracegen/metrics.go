package main

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metricsServer shows a run's metrics to Prometheus while it goes on.
type metricsServer struct {
	registry *prometheus.Registry
	listener net.Listener
	server   *http.Server
	serving  sync.WaitGroup
}

// serveMetrics listens at an address.
func serveMetrics(ctx context.Context, address string) (*metricsServer, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	m := &metricsServer{registry: prometheus.NewRegistry(), listener: listener}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	m.serving.Go(func() { _ = m.server.Serve(listener) }) // it ends with Close
	return m, nil
}

func (m *metricsServer) close() {
	_ = m.server.Close() // the run is over; nobody is waited for
	m.serving.Wait()
}
