// Package psp is the payment provider outside the shop: HTTP, idempotent by
// key, slow as such providers are, and it declines cards by simple rules.
package psp

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/waybill-dev/waybill/demo-services/fault"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// maxBody is far more than a charge needs, in bytes.
const maxBody = 16 << 10

// Server answers the provider's API:
//
//	POST /charges   Idempotency-Key: k  {"amount":1,"currency":"EUR","card_token":"tok_visa"}
//	                201 captured, 200 captured before, 402 declined, 409 voided
//	POST /refunds   {"idempotency_key":"k"}   200, whatever became of the charge
//	GET /charges/k  200 what became of the charge with the key k, 404 there is none
type Server struct {
	store  *Store
	delays platform.Delays
	faults *fault.Flags
	// charges counts the calls that charge while every other one fails.
	charges atomic.Uint64
	logger  *slog.Logger
}

// NewServer returns a server on the store.
func NewServer(store *Store, delays platform.Delays, logger *slog.Logger) *Server {
	return &Server{store: store, delays: delays, logger: logger}
}

// Handler routes the API.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /charges", s.faulty(s.charge))
	mux.HandleFunc("POST /refunds", s.faulty(s.refund))
	mux.HandleFunc("GET /charges/{key}", s.faulty(s.status))
	return mux
}

// ChargeRequest is the body of POST /charges.
type ChargeRequest struct {
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
	CardToken string `json:"card_token"`
}

// ChargeResponse is the answer to POST /charges.
type ChargeResponse struct {
	ID     string `json:"id"`
	Status State  `json:"status"`
}

// StatusResponse is the answer to GET /charges/{key}.
type StatusResponse struct {
	ID          string `json:"id"`
	Status      State  `json:"status"`
	DeclineCode string `json:"decline_code,omitempty"`
}

// RefundRequest is the body of POST /refunds.
type RefundRequest struct {
	Key string `json:"idempotency_key"`
}

// ErrorResponse is the body of every answer that is not 2xx.
type ErrorResponse struct {
	Code        string `json:"code"`
	DeclineCode string `json:"decline_code,omitempty"`
	Message     string `json:"message"`
}

func (s *Server) charge(w http.ResponseWriter, r *http.Request) {
	var body ChargeRequest
	key := r.Header.Get("Idempotency-Key")
	if !decode(w, r, &body) {
		return
	}
	if key == "" || body.Amount <= 0 || body.Currency == "" || body.CardToken == "" {
		fail(w, http.StatusBadRequest, ErrorResponse{
			Code: "invalid_request", Message: "Idempotency-Key, a positive amount, currency and card_token are required",
		})
		return
	}
	if body.CardToken == TokenOutage {
		fail(w, http.StatusServiceUnavailable, ErrorResponse{Code: "unavailable", Message: "the provider is not available"})
		return
	}
	charge, created, err := s.capture(r.Context(), key, body)
	if err != nil {
		s.internal(w, r, err)
		return
	}
	s.answer(w, r, charge, created)
}

// capture finds the charge that was made with the key, or makes it.
func (s *Server) capture(ctx context.Context, key string, body ChargeRequest) (c Charge, created bool, err error) {
	c, err = s.store.Find(ctx, key)
	if !errors.Is(err, errUnknown) {
		return c, false, err
	}
	if err := s.delays.Authorize.Wait(ctx); err != nil {
		return Charge{}, false, err
	}
	c = Charge{Key: key, ID: platform.NewID("ch"), State: Captured, Amount: body.Amount, Currency: body.Currency}
	if code := s.decline(ctx, body); code != "" {
		c.State, c.DeclineCode = Declined, code
	}
	stored, err := s.store.Add(ctx, c, time.Now())
	return stored, stored.ID == c.ID, err
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, c Charge, created bool) {
	s.logger.InfoContext(r.Context(), "charge", "charge_id", c.ID, "state", string(c.State),
		"decline_code", c.DeclineCode, "amount", c.Amount, "currency", c.Currency)
	switch c.State {
	case Declined:
		fail(w, http.StatusPaymentRequired, ErrorResponse{
			Code: "card_declined", DeclineCode: c.DeclineCode, Message: "the card was declined",
		})
	case Refunded, Voided:
		fail(w, http.StatusConflict, ErrorResponse{Code: "charge_voided", Message: "the charge was voided before"})
	default:
		status := http.StatusOK
		if created {
			status = http.StatusCreated
		}
		platform.WriteJSON(w, status, ChargeResponse{ID: c.ID, Status: c.State})
	}
}

func (s *Server) refund(w http.ResponseWriter, r *http.Request) {
	var body RefundRequest
	if !decode(w, r, &body) {
		return
	}
	if body.Key == "" {
		fail(w, http.StatusBadRequest, ErrorResponse{Code: "invalid_request", Message: "idempotency_key is required"})
		return
	}
	if err := s.delays.Refund.Wait(r.Context()); err != nil {
		s.internal(w, r, err)
		return
	}
	c, err := s.store.Refund(r.Context(), body.Key, time.Now())
	if err != nil {
		s.internal(w, r, err)
		return
	}
	s.logger.InfoContext(r.Context(), "refund", "charge_id", c.ID, "state", string(c.State))
	platform.WriteJSON(w, http.StatusOK, ChargeResponse{ID: c.ID, Status: c.State})
}

func (s *Server) status(w http.ResponseWriter, r *http.Request) {
	c, err := s.store.Find(r.Context(), r.PathValue("key"))
	switch {
	case errors.Is(err, errUnknown):
		fail(w, http.StatusNotFound, ErrorResponse{Code: "unknown_charge", Message: "there is no charge with this key"})
	case err != nil:
		s.internal(w, r, err)
	default:
		platform.WriteJSON(w, http.StatusOK, StatusResponse{ID: c.ID, Status: c.State, DeclineCode: c.DeclineCode})
	}
}

// decode reads the body or answers 400.
func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(into); err != nil {
		fail(w, http.StatusBadRequest, ErrorResponse{Code: "invalid_request", Message: "the body is not valid: " + err.Error()})
		return false
	}
	return true
}

func fail(w http.ResponseWriter, status int, body ErrorResponse) {
	platform.WriteJSON(w, status, body)
}

// internal answers 500, unless the client has gone and nobody listens.
func (s *Server) internal(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() == nil {
		s.logger.ErrorContext(r.Context(), "request failed", "error", err)
	}
	fail(w, http.StatusInternalServerError, ErrorResponse{Code: "internal", Message: "the provider failed"})
}
