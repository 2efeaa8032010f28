package psp

import (
	"context"
	"net/http"

	"github.com/waybill-dev/waybill/demo-services/fault"
)

// faulty answers as a provider does that is down, in trouble or slow, while
// those faults are on.
func (s *Server) faulty(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		charges := r.Pattern == "POST /charges"
		if s.faults.On(r.Context(), fault.PSPDown) ||
			charges && s.faults.On(r.Context(), fault.RetryStorm) && s.charges.Add(1)%2 == 1 {
			fail(w, http.StatusServiceUnavailable, ErrorResponse{Code: "unavailable", Message: "the provider is not available"})
			return
		}
		if s.faults.On(r.Context(), fault.PSPSlow) {
			if err := s.delays.SlowPSP.Wait(r.Context()); err != nil {
				return // nobody waits for the answer
			}
		}
		next(w, r)
	}
}

// decline is why the charge is declined, or nothing.
func (s *Server) decline(ctx context.Context, body ChargeRequest) string {
	if s.faults.On(ctx, fault.CardsDeclined) {
		return "do_not_honor"
	}
	return decline(body.CardToken, body.Amount)
}
