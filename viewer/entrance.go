package viewer

import (
	"context"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/listen"
)

// open opens the listener and what guards it, which is to be closed.
func open(ctx context.Context, cfg Config, own *prometheus.Registry, logger *slog.Logger) (net.Listener, *listen.Guard, error) {
	meters, err := listen.NewMeters(own)
	if err != nil {
		return nil, nil, err
	}
	door, err := listen.NewGuard("viewer", cfg.Security, meters, logger)
	if err != nil {
		return nil, nil, err
	}
	l, err := listen.TCP(ctx, "viewer.address", cfg.Address)
	if err != nil {
		door.Close()
		return nil, nil, err
	}
	if cfg.Summary() == "" && !listen.Loopback(l.Addr()) {
		logger.Warn("the viewer shows what it has to other machines, without TLS and without a token", "address", l.Addr().String())
	}
	return door.Secure(l), door, nil
}

// entrance wants the token of those who ask, where there is one. Probes have
// none.
func entrance(door *listen.Guard, next http.Handler) http.Handler {
	guarded := door.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			next.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}
