package client

import (
	"context"
	"errors"
	"net/http"

	"github.com/waybill-dev/waybill/middleware/internal/breaker"
)

// ErrCircuitOpen is what a call gives when the circuit breakers of all
// instances are open.
var ErrCircuitOpen = errors.New("circuit breakers of all instances are open")

// Breaker says when an instance is left alone. Each has a circuit breaker of
// its own, which counts as failures: errors, but not that the caller cancels,
// and responses from 500 on, but not 501. The zero value is none.
type Breaker = breaker.Settings

// DefaultBreaker opens for 5 seconds, after 5 failures in a row, or when half
// of 20 requests or more have failed within 10 seconds. One request tries
// whether the instance is well again.
func DefaultBreaker() Breaker { return breaker.Default() }

// Transition is a change of the circuit breaker of one instance.
type Transition struct {
	Service, Instance string
	// From and To are closed, half-open or open.
	From, To string
}

// Open says whether nothing can be had of the service of that name for now, because the
// circuit breakers of all instances that it is known to have are open: a call
// would give ErrCircuitOpen. It makes no call and asks no discovery.
func (c *Client) Open(name string) bool {
	known, called := c.services.known.Load(name)
	return called && known.(*service).allOpen()
}

// errServer stands for a response that tells of a failure.
var errServer = errors.New("server error")

// verdict is what a breaker hears of an attempt.
func verdict(response *http.Response, err error, aside bool) error {
	switch {
	case aside:
		return context.Canceled
	case err != nil:
		return err
	case response.StatusCode >= http.StatusInternalServerError && response.StatusCode != http.StatusNotImplemented:
		return errServer
	}
	return nil
}
