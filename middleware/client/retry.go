package client

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/waybill-dev/waybill/middleware/internal/budget"
	"github.com/waybill-dev/waybill/middleware/internal/neterror"
)

// Retry says when a request is made again. That needs a failure that may pass,
// which is an error of the network or of time, or a status 429, 502, 503 or
// 504; a request that may be repeated, which includes those of other methods
// that no server can have seen; a body that can be sent again, as Request.GetBody
// gives it; and time and budget left.
type Retry struct {
	// Attempts is how often a request is made at most, the first time
	// included. 1 is never again.
	Attempts int
	// Delay is before the first repetition, and doubles with each up to
	// MaxDelay; every one is varied by half of it.
	Delay time.Duration
	// MaxDelay also bounds Retry-After: what a server wants to have waited for
	// is waited for, but when it is longer than this its answer is returned.
	MaxDelay time.Duration
	// Budget is how many repetitions there may be for each call of a service,
	// on the average; Burst is how many there may be at once. They keep retries
	// from bringing down what is in trouble.
	Budget float64
	Burst  int
	// Idempotent says which requests may be repeated although a server may have
	// acted on them. Otherwise it is those whose method says so (RFC 9110,
	// section 9.2.2), and those that have an Idempotency-Key.
	Idempotent func(*http.Request) bool
}

// DefaultRetry makes three attempts, 50 ms and 100 ms apart, as long as not
// more than one call in five is repeated.
func DefaultRetry() Retry {
	return Retry{Attempts: 3, Delay: 50 * time.Millisecond, MaxDelay: 10 * time.Second, Budget: 0.2, Burst: 10}
}

func (r Retry) validate() error {
	switch {
	case r.Attempts < 1:
		return errors.New("client: no attempt at all")
	case r.Attempts > 1 && (r.Delay <= 0 || r.MaxDelay < r.Delay):
		return errors.New("client: retries need a delay, and one that is not longer than MaxDelay")
	case r.Budget < 0 || r.Burst < 0:
		return errors.New("client: the budget of retries is negative")
	}
	return nil
}

func (r Retry) delays() *backoff.ExponentialBackOff {
	delays := backoff.NewExponentialBackOff()
	delays.InitialInterval, delays.MaxInterval, delays.Multiplier = r.Delay, r.MaxDelay, 2
	return delays
}

// passing is why a failure may pass, as a label, or empty.
func passing(response *http.Response, err error) string {
	if err != nil {
		if _, refused := errors.AsType[*tls.CertificateVerificationError](err); refused {
			return ""
		}
		return neterror.Type(err)
	}
	switch response.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return strconv.Itoa(response.StatusCode)
	}
	return ""
}

// unseen says that no server can have seen the request.
func unseen(err error) bool {
	dial, is := errors.AsType[*net.OpError](err)
	return is && dial.Op == "dial"
}

// replayable says whether the body can be sent again.
func replayable(r *http.Request) bool {
	return r.Body == nil || r.Body == http.NoBody || r.GetBody != nil
}

// retryAfter is what the server wants to have waited (RFC 9110, section
// 10.2.3), in seconds or until a date.
func retryAfter(response *http.Response) time.Duration {
	if response == nil {
		return 0
	}
	text := strings.TrimSpace(response.Header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if date, err := http.ParseTime(text); err == nil {
		return max(time.Until(date), 0)
	}
	return 0
}

// wait returns after a while, or when there is no sense in it any more.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r Retry) budget() *budget.Budget { return budget.New(r.Budget, r.Burst) }
