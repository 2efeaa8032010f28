package tracegen

import (
	"math"
	"math/rand/v2"
	"time"
)

// kind is a span's kind, with OTLP's numbers.
type kind uint8

const (
	internal kind = iota + 1
	server
	client
	producer
	consumer
)

// operation is one span of a trace that is to be made, with those that it
// causes. Operations are shared by all traces and never change.
type operation struct {
	service string
	name    string
	kind    kind
	// self is the time that it takes beside its calls; it is spread evenly
	// before, between and after them.
	self       latency
	attributes []attribute
	events     []event
	// failure is the message of its status, which is Error; empty leaves it
	// unset.
	failure string
	// calls follow one another; the operation waits for each.
	calls []*operation
	// later begins when the operation has ended, and links to it.
	later []later
}

// later is a call that nobody waits for.
type later struct {
	after latency
	*operation
}

// event is something that happens at the end of the call before it.
type event struct {
	// behind is how many calls are over by then.
	behind int
	name   string
}

// attribute is a name with a value: a text, a number, or one that is drawn for
// each trace.
type attribute struct {
	key    string
	text   string
	number int64
	draw   func(*identity) string
}

func text(key, value string) attribute         { return attribute{key: key, text: value} }
func number(key string, value int64) attribute { return attribute{key: key, number: value} }

// identity is what a trace is about.
type identity struct {
	order string
	user  string
}

// latency is log-normal, as latencies of real services are: median, and the
// standard deviation of the logarithm.
type latency struct {
	median time.Duration
	sigma  float64
}

func (l latency) draw(r *rand.Rand) time.Duration {
	return time.Duration(float64(l.median) * math.Exp(l.sigma*r.NormFloat64()))
}

func us(median int) latency { return latency{time.Duration(median) * time.Microsecond, 0.35} }
