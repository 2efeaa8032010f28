package viewer

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/listen"
)

// open opens the listener. Its Shutdown is due.
func open(ctx context.Context, cfg Config, own *prometheus.Registry, logger *slog.Logger) (*listen.Door, error) {
	meters, err := listen.NewMeters(own)
	if err != nil {
		return nil, err
	}
	return listen.Open(ctx, listen.Place{Key: "viewer", Address: cfg.Address, Meters: meters, Logger: logger}, cfg.Security)
}

// warnOfOpenDoor tells that anybody who reaches this machine may look. That may
// be meant, where the network is the viewer's own.
func (v *Viewer) warnOfOpenDoor() {
	if addr := v.Addr(); v.door.State().Security == "" && !listen.Loopback(addr) {
		v.logger.Warn("the viewer shows what it has to other machines, without TLS and without a token", "address", addr.String())
	}
}

// serve answers those whom the guard lets in.
func (v *Viewer) serve(l net.Listener, guard *listen.Guard) func(context.Context) error {
	server := newServer(secure(newGuard(l.Addr(), v.hosts, entrance(guard, v.mux))), v.logger)
	var running sync.WaitGroup
	running.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			v.logger.Error("viewer stopped serving", "error", err)
		}
	})
	return func(ctx context.Context) error {
		err := server.Shutdown(ctx)
		if err != nil {
			_ = server.Close() // the error that counts is Shutdown's
		}
		running.Wait()
		return err
	}
}

// entrance wants the token of those who ask, where there is one. Probes have
// none.
func entrance(guard *listen.Guard, next http.Handler) http.Handler {
	guarded := guard.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/healthz" {
			next.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	})
}
