package order

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// failure is why a saga turns back.
type failure struct {
	reason  string
	details map[string]string
	// final says that the other side has refused and done nothing. Otherwise
	// the outcome is unknown and must be undone.
	final bool
}

// failureOf reads what went wrong at another service; unavailable is the
// reason when that service gave none.
func failureOf(ctx context.Context, err error, unavailable string) failure {
	code := status.Code(err)
	reason, details := platform.ReasonOf(err)
	f := failure{reason: reason, details: maps.Clone(details)}
	f.final = slices.Contains([]codes.Code{codes.FailedPrecondition, codes.NotFound, codes.InvalidArgument}, code)
	if f.details == nil {
		f.details = map[string]string{}
	}
	if f.final {
		f.details["message"] = status.Convert(err).Message()
	}
	if f.reason == "" {
		f.reason = unavailable
		if code == codes.DeadlineExceeded || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			f.reason = platform.ReasonTimedOut
		}
	}
	return f
}

// mismatch is an order that costs something else than the customer expects.
func mismatch(o Order) failure {
	return failure{
		reason: platform.ReasonAmountMismatch, final: true,
		details: map[string]string{"message": fmt.Sprintf("the order costs %d, not %d", o.Amount, o.ExpectedAmount)},
	}
}

// rpcError is what the client of CreateOrder sees of an order that has failed.
func rpcError(o Order) error {
	metadata := maps.Clone(o.Details)
	if metadata == nil {
		metadata = map[string]string{}
	}
	message := metadata["message"]
	delete(metadata, "message")
	metadata["order_id"] = o.ID
	code := codes.Unavailable
	switch o.Reason {
	case platform.ReasonUnknownItem:
		code = codes.NotFound
	case platform.ReasonOutOfStock, platform.ReasonCardDeclined, platform.ReasonAmountMismatch,
		platform.ReasonReservationReleased, platform.ReasonReservationExpired, platform.ReasonChargeVoided:
		code = codes.FailedPrecondition
	case platform.ReasonInvalid:
		code = codes.InvalidArgument
	case platform.ReasonTimedOut:
		code = codes.DeadlineExceeded
	case platform.ReasonCancelledByCustomer:
		code = codes.Aborted
	}
	if message == "" {
		message = "the order could not be completed"
	}
	return platform.RPCError(code, o.Reason, message, metadata)
}
