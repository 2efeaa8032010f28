// Package gateway is the shop's front door: HTTP and JSON outside, gRPC inside.
package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"time"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// retryAfter is what a client is told to wait when a part of the shop is down,
// in seconds.
const retryAfter = "2"

// Server answers the shop's public API. Safe for concurrent use.
type Server struct {
	users   userv1.UserServiceClient
	orders  orderv1.OrderServiceClient
	timeout time.Duration
	logger  *slog.Logger
	reasons map[string]platform.Problem
}

// NewServer returns a server that gives each request the timeout.
func NewServer(users userv1.UserServiceClient, orders orderv1.OrderServiceClient, timeout time.Duration, logger *slog.Logger) *Server {
	return &Server{users: users, orders: orders, timeout: timeout, logger: logger, reasons: reasons()}
}

// Handler routes the public API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/orders", s.createOrder)
	mux.HandleFunc("GET /api/v1/orders/{id}", s.getOrder)
	mux.HandleFunc("/api/v1/orders", methodNotAllowed(http.MethodPost))
	mux.HandleFunc("/api/v1/orders/{id}", methodNotAllowed(http.MethodGet, http.MethodHead))
	mux.HandleFunc("/", notFound)
	return mux
}

func (s *Server) createOrder(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), s.timeout)
	defer cancel()
	body, wrong := readOrder(w, r)
	if wrong != nil {
		platform.WriteProblem(w, r, *wrong)
		return
	}
	user, err := s.users.ValidateUser(ctx, &userv1.ValidateUserRequest{UserId: body.UserID})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	request := &orderv1.CreateOrderRequest{
		UserId: body.UserID, Email: user.GetUser().GetEmail(), Currency: body.Currency, CardToken: body.CardToken,
	}
	if body.Amount != nil {
		request.ExpectedAmount = *body.Amount
	}
	for _, item := range body.Items {
		request.Lines = append(request.Lines, &orderv1.Line{ItemId: item.ItemID, Quantity: item.Quantity})
	}
	answer, err := s.orders.CreateOrder(ctx, request)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Location", "/api/v1/orders/"+answer.GetOrder().GetId())
	platform.WriteJSON(w, http.StatusCreated, orderBody(answer.GetOrder()))
}

func (s *Server) getOrder(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), s.timeout)
	defer cancel()
	answer, err := s.orders.GetOrder(ctx, &orderv1.GetOrderRequest{OrderId: r.PathValue("id")})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	platform.WriteJSON(w, http.StatusOK, orderBody(answer.GetOrder()))
}

// fail answers with what another service said, and logs what is its fault.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p, fault := s.upstream(err)
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

var versionPath = regexp.MustCompile(`^/api/(v[0-9]+)(/|$)`)

// notFound tells an unknown version of the API from an unknown path.
func notFound(w http.ResponseWriter, r *http.Request) {
	if version := versionPath.FindStringSubmatch(r.URL.Path); version != nil && version[1] != "v1" {
		platform.WriteProblem(w, r, *problem(http.StatusNotFound, "unsupported-api-version",
			"Unsupported API version "+version[1]+". This gateway speaks v1."))
		return
	}
	platform.WriteProblem(w, r, *problem(http.StatusNotFound, "route-not-found", "Route not found."))
}
