package client

import (
	"sync/atomic"

	"github.com/waybill-dev/waybill/middleware/internal/breaker"
)

// Endpoint is an instance that calls are made to.
type Endpoint struct {
	address  string
	weight   atomic.Int64
	breaker  *breaker.Breaker
	inFlight atomic.Int64
	gone     atomic.Bool // discovery does not find it any more
}

// Instance is what discovery says of it.
func (e *Endpoint) Instance() Instance {
	return Instance{Address: e.address, Weight: int(e.weight.Load())}
}

// InFlight is how many requests of this client it is busy with, those whose
// responses are being read included.
func (e *Endpoint) InFlight() int64 { return e.inFlight.Load() }

// Balancer chooses the endpoint of each attempt. Each service has its own. It
// is safe for concurrent use.
type Balancer interface {
	// Choose gives one of the endpoints, which are one or more. They are those
	// that the call has not tried yet, as long as there are such.
	Choose(from []*Endpoint) *Endpoint
}

// RoundRobin takes one after the other.
func RoundRobin() Balancer { return &roundRobin{} }

type roundRobin struct{ turn atomic.Uint64 }

func (b *roundRobin) Choose(from []*Endpoint) *Endpoint {
	return from[(b.turn.Add(1)-1)%uint64(len(from))]
}

// LeastConnections takes the one that has the fewest requests in flight for its
// weight, and of several the next.
func LeastConnections() Balancer { return &leastConnections{} }

type leastConnections struct{ turn atomic.Uint64 }

func (b *leastConnections) Choose(from []*Endpoint) *Endpoint {
	first := int((b.turn.Add(1) - 1) % uint64(len(from)))
	best, busy := from[first], from[first].InFlight()
	for i := 1; i < len(from); i++ {
		e := from[(first+i)%len(from)]
		// a/w < b/v without a division.
		if n := e.InFlight(); n*best.weight.Load() < busy*e.weight.Load() {
			best, busy = e, n
		}
	}
	return best
}
