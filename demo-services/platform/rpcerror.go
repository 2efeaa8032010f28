package platform

import (
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// errorDomain says whose reasons an ErrorInfo holds.
const errorDomain = "shop.waybill"

// Reasons of the shop's errors, as they stand in ErrorInfo, in an order's
// reason and in a problem's type.
const (
	ReasonUnknownUser          = "UNKNOWN_USER"
	ReasonUserBlocked          = "USER_BLOCKED"
	ReasonEmailTaken           = "EMAIL_TAKEN"
	ReasonWrongCredentials     = "WRONG_CREDENTIALS" //nolint:gosec // a reason, no secret
	ReasonUnknownOrder         = "UNKNOWN_ORDER"
	ReasonUnknownItem          = "UNKNOWN_ITEM"
	ReasonUnknownMessage       = "UNKNOWN_MESSAGE"
	ReasonOutOfStock           = "OUT_OF_STOCK"
	ReasonReservationReleased  = "RESERVATION_RELEASED"
	ReasonReservationExpired   = "RESERVATION_EXPIRED"
	ReasonCardDeclined         = "CARD_DECLINED"
	ReasonChargeVoided         = "CHARGE_VOIDED"
	ReasonAmountMismatch       = "AMOUNT_MISMATCH"
	ReasonPSPUnavailable       = "PSP_UNAVAILABLE"
	ReasonPaymentUnavailable   = "PAYMENT_UNAVAILABLE"
	ReasonInventoryUnavailable = "INVENTORY_UNAVAILABLE"
	ReasonTimedOut             = "TIMED_OUT"
	ReasonCancelledByCustomer  = "CANCELLED_BY_CUSTOMER"
	ReasonStatusConflict       = "STATUS_CONFLICT"
	ReasonVersionConflict      = "VERSION_CONFLICT"
	ReasonInvalid              = "INVALID"
)

// RPCError is a gRPC error whose ErrorInfo tells the reason to programs and
// whose message tells it to people. Metadata may be nil.
func RPCError(code codes.Code, reason, message string, metadata map[string]string) error {
	plain := status.New(code, message)
	detailed, err := plain.WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: errorDomain, Metadata: metadata})
	if err != nil {
		return plain.Err()
	}
	return detailed.Err()
}

// ReasonOf reads the reason and metadata of an RPCError; both are empty for
// any other error.
func ReasonOf(err error) (reason string, metadata map[string]string) {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == errorDomain {
			return info.GetReason(), info.GetMetadata()
		}
	}
	return "", nil
}
