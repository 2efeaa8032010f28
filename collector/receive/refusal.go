package receive

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/wire"
)

// outcome is how a request ended, in the words of the metrics' label.
type outcome string

const (
	outcomeAccepted    outcome = "accepted"
	outcomePartial     outcome = "partial"     // accepted without some of its items
	outcomeMalformed   outcome = "malformed"   // final
	outcomeTooLarge    outcome = "too_large"   // final
	outcomeUnsupported outcome = "unsupported" // final: path, method, media type or compression
	outcomeOverloaded  outcome = "overloaded"  // retryable: no room among the requests in flight
	outcomeFull        outcome = "full"        // retryable: no room in the journal
	outcomeFailed      outcome = "failed"      // retryable: the journal could not store it
	outcomeInterrupted outcome = "interrupted" // retryable: the client went away, or gave up
	outcomeSlow        outcome = "slow"        // retryable: the client did not send fast enough

	outcomeUnauthenticated outcome = "unauthenticated" // final: no token, or a wrong one
)

// How long a client is told to wait. Readers need a while to make room in a
// journal; a request in flight ends soon.
const (
	retrySoon  = time.Second
	retryLater = 5 * time.Second
)

// maxMessage bounds what a client is told of its fault, in bytes.
const maxMessage = 256

// refusal is why a request was not accepted, in the terms of both transports.
type refusal struct {
	outcome outcome
	http    int
	grpc    codes.Code
	// retry is how long the client shall wait; zero makes the refusal final.
	retry   time.Duration
	message string
}

func (r *refusal) Error() string { return r.message }

// malformed quotes an error that may itself quote the request.
func malformed(err error) *refusal {
	return &refusal{outcomeMalformed, http.StatusBadRequest, codes.InvalidArgument, 0, clip(err.Error())}
}

// clip makes text fit to be quoted: not too long, and UTF-8, which protobuf wants.
func clip(text string) string {
	return strings.ToValidUTF8(text[:min(len(text), maxMessage)], "\uFFFD")
}

func tooLarge(format string, args ...any) *refusal {
	return &refusal{outcomeTooLarge, http.StatusRequestEntityTooLarge, codes.ResourceExhausted, 0, fmt.Sprintf(format, args...)}
}

func unsupported(status int, message string) *refusal {
	return &refusal{outcomeUnsupported, status, codes.Unimplemented, 0, message}
}

func unavailable(why outcome, retry time.Duration, message string) *refusal {
	return &refusal{why, http.StatusServiceUnavailable, codes.Unavailable, retry, message}
}

func overloaded() *refusal {
	return unavailable(outcomeOverloaded, retrySoon, "too many bytes are in flight")
}

// tooSlow is for a client that has had its time.
func tooSlow() *refusal {
	return unavailable(outcomeSlow, retrySoon, "the request was sent too slowly")
}

// interrupted is for a request that ended before its bytes did. Whoever still
// listens may send it again.
func interrupted(err error) *refusal {
	r := unavailable(outcomeInterrupted, retrySoon, "the request was not received to its end")
	switch {
	case errors.Is(err, context.Canceled):
		r.grpc = codes.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		r.grpc = codes.DeadlineExceeded
	}
	return r
}

// refusalOf decides what is permanent and what is worth a retry.
func refusalOf(err error) *refusal {
	if refused, ok := errors.AsType[*refusal](err); ok {
		return refused
	}
	switch {
	case errors.Is(err, wire.ErrMalformed):
		return malformed(err)
	case errors.Is(err, journal.ErrTooLarge):
		return tooLarge("the request is larger than a record of the journal may be")
	case errors.Is(err, journal.ErrFull):
		return unavailable(outcomeFull, retryLater, "the journal is full")
	case errors.Is(err, journal.ErrClosed):
		return unavailable(outcomeFailed, retrySoon, "the collector is shutting down")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return interrupted(err)
	}
	return unavailable(outcomeFailed, retryLater, "the journal cannot store the request")
}

// status is the google.rpc.Status that both transports answer with.
func (r *refusal) status() *spb.Status {
	s := &spb.Status{Code: int32(r.grpc), Message: r.message}
	if r.retry > 0 {
		info, err := anypb.New(&errdetails.RetryInfo{RetryDelay: durationpb.New(r.retry)})
		if err == nil {
			s.Details = append(s.Details, info)
		}
	}
	return s
}
