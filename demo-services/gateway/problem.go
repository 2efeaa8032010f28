package gateway

import (
	"net/http"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

func problem(status int, code, detail string) *platform.Problem {
	return &platform.Problem{Title: http.StatusText(status), Status: status, Code: code, Detail: detail}
}

// reasons says how the gateway answers when another service gave a reason.
// Every reason is a different code, so a program need not read the text.
func reasons() map[string]platform.Problem {
	return map[string]platform.Problem{
		platform.ReasonUnknownUser:          {Status: http.StatusUnprocessableEntity, Code: "unknown-user", Title: "Unknown user"},
		platform.ReasonUserBlocked:          {Status: http.StatusForbidden, Code: "user-blocked", Title: "User may not order"},
		platform.ReasonEmailTaken:           {Status: http.StatusConflict, Code: "email-taken", Title: "Email address is taken"},
		platform.ReasonWrongCredentials:     {Status: http.StatusUnauthorized, Code: "wrong-credentials", Title: "Wrong credentials"},
		platform.ReasonUnknownOrder:         {Status: http.StatusNotFound, Code: "unknown-order", Title: "Unknown order"},
		platform.ReasonUnknownItem:          {Status: http.StatusUnprocessableEntity, Code: "unknown-item", Title: "Unknown item"},
		platform.ReasonOutOfStock:           {Status: http.StatusConflict, Code: "out-of-stock", Title: "Out of stock"},
		platform.ReasonAmountMismatch:       {Status: http.StatusConflict, Code: "amount-mismatch", Title: "Amount differs"},
		platform.ReasonCardDeclined:         {Status: http.StatusPaymentRequired, Code: "card-declined", Title: "Card declined"},
		platform.ReasonInvalid:              {Status: http.StatusUnprocessableEntity, Code: "invalid-order", Title: "Invalid order"},
		platform.ReasonPSPUnavailable:       {Status: http.StatusServiceUnavailable, Code: "payment-unavailable", Title: "Payment unavailable"},
		platform.ReasonChargeVoided:         {Status: http.StatusServiceUnavailable, Code: "payment-unavailable", Title: "Payment unavailable"},
		platform.ReasonPaymentUnavailable:   {Status: http.StatusServiceUnavailable, Code: "payment-unavailable", Title: "Payment unavailable"},
		platform.ReasonInventoryUnavailable: {Status: http.StatusServiceUnavailable, Code: "inventory-unavailable", Title: "Inventory unavailable"},
		platform.ReasonCancelledByCustomer:  {Status: http.StatusConflict, Code: "cancelled-by-customer", Title: "Cancelled by the customer"},
		platform.ReasonStatusConflict:       {Status: http.StatusConflict, Code: "status-conflict", Title: "Order has another status"},
		platform.ReasonVersionConflict:      {Status: http.StatusConflict, Code: "version-conflict", Title: "Order has moved on"},
		platform.ReasonTimedOut:             {Status: http.StatusGatewayTimeout, Code: "timed-out", Title: "Timed out"},
	}
}

// upstream is the problem for an error of another service, and whether that
// service is to blame rather than the client.
func (s *Server) upstream(err error) (p platform.Problem, fault bool) {
	reason, metadata := platform.ReasonOf(err)
	p, known := s.reasons[reason]
	p.Detail = status.Convert(err).Message()
	p.OrderID = metadata["order_id"]
	if known {
		return p, p.Status >= http.StatusInternalServerError
	}
	switch status.Code(err) {
	case codes.DeadlineExceeded:
		return *problem(http.StatusGatewayTimeout, "timed-out", "A part of the shop did not answer in time."), true
	case codes.Unavailable:
		return *problem(http.StatusServiceUnavailable, "unavailable", "A part of the shop is not available; try again."), true
	default:
		return *problem(http.StatusBadGateway, "upstream-failed", "A part of the shop has failed."), true
	}
}
