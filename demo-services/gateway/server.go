// Package gateway is the shop's front door: HTTP and JSON outside, gRPC inside.
package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// retryAfter is what a client is told to wait when a part of the shop is down,
// in seconds.
const retryAfter = "2"

// Limits are what one request and one client may take.
type Limits struct {
	// Timeout is what one request may take; its deadline travels with every call.
	Timeout time.Duration
	// Client is how much one client may ask for.
	Client Limit
	// SignIn is whether orders are for those only who have signed in. Otherwise
	// guests may order, for any user.
	SignIn bool
}

// Server answers the shop's public API. Safe for concurrent use.
type Server struct {
	users    userv1.UserServiceClient
	orders   orderv1.OrderServiceClient
	items    inventoryv1.InventoryServiceClient
	shelf    *shelf
	verifier *verifier
	limits   Limits
	logger   *slog.Logger
	reasons  map[string]platform.Problem
}

// NewServer returns a server that keeps requests within the limits.
func NewServer(
	users userv1.UserServiceClient, orders orderv1.OrderServiceClient, items inventoryv1.InventoryServiceClient, limits Limits, logger *slog.Logger,
) *Server {
	return &Server{users: users, orders: orders, items: items, shelf: newShelf(), verifier: newVerifier(users), limits: limits, logger: logger, reasons: reasons()}
}

// Handler routes the public API, in all its versions.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, e := range editions() {
		base := "/api/" + e.name
		mux.HandleFunc("GET "+base+"/users", s.listUsers(e))
		mux.HandleFunc("POST "+base+"/users", s.register(e))
		mux.HandleFunc("GET "+base+"/users/{id}", s.getUser(e))
		mux.HandleFunc("POST "+base+"/sessions", s.signIn(e))
		mux.HandleFunc("GET "+base+"/items", s.listItems(e))
		mux.HandleFunc("GET "+base+"/items/{id}", s.getItem(e))
		mux.HandleFunc("GET "+base+"/orders", s.guests(s.listOrders(e)))
		mux.HandleFunc("POST "+base+"/orders", s.guests(s.createOrder(e)))
		mux.HandleFunc("GET "+base+"/orders/{id}", s.guests(s.getOrder(e)))
		mux.HandleFunc("POST "+base+"/orders/{id}/cancel", s.guests(s.cancelOrder(e)))
		mux.HandleFunc(base+"/users", methodNotAllowed(http.MethodGet, http.MethodHead, http.MethodPost))
		mux.HandleFunc(base+"/sessions", methodNotAllowed(http.MethodPost))
		mux.HandleFunc(base+"/users/{id}", methodNotAllowed(http.MethodGet, http.MethodHead))
		mux.HandleFunc(base+"/items", methodNotAllowed(http.MethodGet, http.MethodHead))
		mux.HandleFunc(base+"/items/{id}", methodNotAllowed(http.MethodGet, http.MethodHead))
		mux.HandleFunc(base+"/orders", methodNotAllowed(http.MethodGet, http.MethodHead, http.MethodPost))
		mux.HandleFunc(base+"/orders/{id}", methodNotAllowed(http.MethodGet, http.MethodHead))
		mux.HandleFunc(base+"/orders/{id}/cancel", methodNotAllowed(http.MethodPost))
	}
	mux.HandleFunc("GET /openapi.json", serveDocument)
	mux.HandleFunc("/", notFound)
	return newLimiter(s.limits.Client).around(versioned(legiblePaths(s.inTime(s.identified(httpmw.ReportRoute(mux))))))
}

// inTime gives each request its deadline.
func (s *Server) inTime(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), s.limits.Timeout)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// fail answers with what another service said, and logs what is its fault.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) { s.failAt(w, r, err, 0) }

// failAt answers as fail does, with another status if the request is to blame:
// an unknown user is nothing to be found at their own address, and a mistake in
// an order.
func (s *Server) failAt(w http.ResponseWriter, r *http.Request, err error, ours int) {
	p, fault := s.upstream(err)
	if !fault && ours != 0 {
		p.Status = ours
	}
	if fault {
		s.logger.ErrorContext(r.Context(), "request failed", "status", p.Status, "order_id", p.OrderID, "error", err)
	} else {
		s.logger.InfoContext(r.Context(), "request refused", "status", p.Status, "order_id", p.OrderID, "code", p.Code)
	}
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", retryAfter)
	}
	platform.WriteProblem(w, r, p)
}

func methodNotAllowed(allowed ...string) http.HandlerFunc {
	methods := strings.Join(allowed, ", ")
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", methods)
		platform.WriteProblem(w, r, *problem(http.StatusMethodNotAllowed, "method-not-allowed", "This path answers "+methods+" only."))
	}
}

func notFound(w http.ResponseWriter, r *http.Request) {
	platform.WriteProblem(w, r, *problem(http.StatusNotFound, "route-not-found", "Route not found"))
}
