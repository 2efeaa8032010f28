package platform

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/waybill-dev/waybill/demo-services/pause"
)

// Delays are all artificial delays of the demo. Every other latency in it
// comes from real work: sockets, SQLite, JetStream.
type Delays struct {
	// Authorize is what psp takes to charge a card. The story: the provider
	// asks the card's bank over its own network. Most answers come within a
	// tenth of a second, some banks are slow, a few very slow.
	Authorize Delay
	// Refund is what psp takes to give money back. The story: the provider
	// only books it; the bank learns of it overnight, so it is quick and steady.
	Refund Delay
	// SendMail is what handing one message to the mail server takes. The
	// story: an SMTP dialogue is four or five round trips to another data
	// centre, and greylisting makes some wait. Nobody waits for it: the order
	// was confirmed before.
	SendMail Delay

	// What the faults add, each steady, so that it is recognised in a trace.
	// SlowPSP is long enough to be the longest span of an order, and short
	// enough for the order to succeed. SlowStatement is what a lock, a missing
	// index or a full disk may cost a database. SlowEvent makes a consumer
	// that falls behind the events of a few orders a second.
	SlowPSP, SlowStatement, SlowEvent Delay
}

// DefaultDelays makes the demo behave like a shop whose provider and mail
// server are on the internet.
func DefaultDelays() Delays {
	return Delays{
		Authorize: Delay{Median: 60 * time.Millisecond, Sigma: 0.45, Max: 1500 * time.Millisecond},
		Refund:    Delay{Median: 15 * time.Millisecond, Sigma: 0.2, Max: 200 * time.Millisecond},
		SendMail:  Delay{Median: 120 * time.Millisecond, Sigma: 0.5, Max: 2 * time.Second},

		SlowPSP:       steady(2 * time.Second),
		SlowStatement: steady(50 * time.Millisecond),
		SlowEvent:     steady(time.Second),
	}
}

// Delay is a log-normal latency, the shape that measured latencies have. The
// zero value is no delay.
type Delay struct {
	Median time.Duration
	// Sigma is the standard deviation of the latency's logarithm: at 0.5 one
	// in a hundred takes more than 3.2 times the median.
	Sigma float64
	// Max cuts the tail.
	Max time.Duration
}

// steady is a latency that does not vary.
func steady(d time.Duration) Delay { return Delay{Median: d, Max: d} }

// Sample draws one latency. Safe for concurrent use.
func (d Delay) Sample() time.Duration {
	factor := math.Exp(d.Sigma * rand.NormFloat64()) //nolint:gosec // a latency is no secret
	return min(time.Duration(float64(d.Median)*factor), d.Max)
}

// Wait lets one sampled latency pass, or returns the context's error if it
// ends first.
func (d Delay) Wait(ctx context.Context) error {
	if d.Median == 0 {
		return ctx.Err()
	}
	return pause.For(ctx, d.Sample())
}
