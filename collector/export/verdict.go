package export

import (
	"net/http"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// verdict is what an attempt means for the records that it carried. Here, and
// nowhere else, is decided what is worth another attempt.
type verdict uint8

const (
	// later: the backend is not to be had now. The same bytes are sent again
	// for as long as the journal holds them.
	later verdict = iota
	// accepted: the backend has answered for the records, perhaps with a count
	// of items that it did not take.
	accepted
	// refused: the backend will never take these bytes.
	refused
	// unsure: the backend failed over these bytes, and does not say whose fault
	// it is. They are sent again for a while, one record at a time.
	unsure
)

// String is the verdict's name in metrics.
func (v verdict) String() string {
	switch v {
	case later:
		return "retry"
	case accepted:
		return "accepted"
	case refused:
		return "refused"
	case unsure:
		return "failed"
	}
	return "unknown"
}

// judge follows the OTLP specification, which has 429, 502, 503 and 504 sent
// again and nothing else, with two exceptions, because what is given up here
// is lost. A status that speaks of the address, the credentials or the encoding,
// not of the data, is a configuration to correct, so it waits. A 500, which Prometheus
// also answers when its disk is full, is given some time.
func judge(status int) verdict {
	switch {
	case status >= 200 && status < 300:
		return accepted
	case status < 400:
		return later // A redirect: the endpoint is another one.
	}
	switch status {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return later
	case http.StatusRequestTimeout, http.StatusTooEarly:
		return later
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusUnsupportedMediaType:
		return later
	}
	if status >= 500 {
		return unsure
	}
	return refused
}

// judgeStatus is judge for gRPC, with the same exceptions. A message that is
// too large for the backend is RESOURCE_EXHAUSTED without RetryInfo, which is
// refused, and so sent in halves.
func judgeStatus(s *status.Status) answer {
	a := answer{reason: s.Code().String()}
	if text := clip(s.Message()); text != "" {
		a.reason += ": " + text
	}
	asked := false
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			asked = true
			a.wait = min(max(info.GetRetryDelay().AsDuration(), 0), maxRetryAfter)
		}
	}
	switch s.Code() {
	case codes.OK:
		a.verdict = accepted
	case codes.Canceled, codes.DeadlineExceeded, codes.Unavailable:
		a.verdict, a.silent = later, !asked
	case codes.Aborted, codes.OutOfRange, codes.DataLoss:
		a.verdict = later
	case codes.Unauthenticated, codes.PermissionDenied, codes.Unimplemented, codes.NotFound:
		a.verdict = later
	case codes.ResourceExhausted:
		a.verdict, a.tooLarge = refused, true
		if asked {
			a.verdict, a.tooLarge = later, false
		}
	case codes.Unknown, codes.Internal:
		a.verdict = unsure
	default:
		a.verdict = refused
	}
	return a
}

// maxRetryAfter bounds the wait that a backend may ask for.
const maxRetryAfter = 5 * time.Minute

// retryAfter reads the Retry-After header of RFC 9110: seconds or a date. Zero
// means that there is none.
func retryAfter(header string, now time.Time) time.Duration {
	if header == "" {
		return 0
	}
	wait := time.Duration(0)
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil {
		wait = time.Duration(min(max(seconds, 0), int64(maxRetryAfter/time.Second))) * time.Second
	} else if at, err := http.ParseTime(header); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}
