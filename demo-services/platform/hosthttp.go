package platform

import (
	"context"
	"net/http"
	"time"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// ServeHTTP listens on the address and answers with the handler, every request
// of which is observed; /healthz and /metrics are beside it and are not.
func (h *Host) ServeHTTP(ctx context.Context, address string, handler http.Handler) error {
	observe, err := httpmw.NewMiddleware(httpmw.WithTelemetry(h.telemetry))
	if err != nil {
		return err
	}
	listener, err := listen(ctx, address)
	if err != nil {
		return err
	}
	h.addr = listener.Addr()
	mux := h.adminMux()
	mux.Handle("/", observe(handler))
	h.serveHTTP(listener, mux)
	h.enroll(h.addr)
	return nil
}

// ServeAdmin listens on the address and answers /healthz and /metrics only.
func (h *Host) ServeAdmin(ctx context.Context, address string) error {
	if address == Off {
		return nil
	}
	listener, err := listen(ctx, address)
	if err != nil {
		return err
	}
	h.admin = listener.Addr()
	h.serveHTTP(listener, h.adminMux())
	return nil
}

func (h *Host) adminMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", h.telemetry.MetricsHandler())
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if err := h.ready(ctx); err != nil {
			WriteJSON(w, http.StatusServiceUnavailable, map[string]string{"status": "unavailable", "error": err.Error()})
			return
		}
		WriteJSON(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	return mux
}
