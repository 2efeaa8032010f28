package tracegen

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

// The time between repetitions doubles from firstWait to longestWait, unless
// the receiver asks for more.
const (
	firstWait   = 50 * time.Millisecond
	longestWait = 5 * time.Second
)

// courier brings requests to the targets, and accounts for them. It is safe for
// concurrent use.
type courier struct {
	cfg     Config
	route   *route
	account *account
}

// bodies says encoded OTLP requests in the run's protocol.
func (c courier) bodies(signal signal, requests [][]byte) ([]body, error) {
	d := dialects[c.cfg.Protocol]
	bodies := make([]body, 0, len(requests))
	for _, request := range requests {
		said, err := d.say(signal, request)
		if err != nil {
			return nil, &refusal{reason: err.Error()}
		}
		for _, s := range said {
			bodies = append(bodies, body{signal, s})
		}
	}
	return bodies, nil
}

// send sends until all is answered finally or the time is over. A run that is
// ended lets the request under way be answered, but repeats nothing.
func (c courier) send(ctx context.Context, d *delivery) (answer, error) {
	sending, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.Timeout)
	defer cancel()
	for wait := firstWait; ; wait = min(2*wait, longestWait) {
		err := c.route.send(sending, d)
		if err == nil {
			return d.outcome()
		}
		pause := wait/2 + rand.N(wait/2) //nolint:gosec // jitter need not be secret
		if r, ok := errors.AsType[*refusal](err); ok {
			pause = max(pause, r.after)
		}
		if deadline, _ := sending.Deadline(); time.Until(deadline) <= pause {
			return answer{}, err
		}
		select {
		case <-time.After(pause):
			c.account.retried()
		case <-ctx.Done():
			return answer{}, err
		}
	}
}

// deliver sends log records, or points of metrics, and accounts for so many.
func (c courier) deliver(ctx context.Context, signal signal, requests [][]byte, n uint64) {
	if n == 0 {
		return
	}
	bodies, err := c.bodies(signal, requests)
	c.account.noted(signal, n)
	var taken answer
	if err == nil {
		taken, err = c.send(ctx, c.route.newDelivery(bodies))
	}
	c.account.noticed(signal, n, taken, err)
}

// measure sends what a meter measures, every interval, and once more when the
// run is over.
func (c courier) measure(ctx context.Context, m *meter, over <-chan struct{}) {
	ticker := time.NewTicker(c.cfg.MetricInterval)
	defer ticker.Stop()
	for last := false; !last; {
		select {
		case <-ticker.C:
		case <-over:
			last = true
		}
		requests, points, err := m.encode(time.Now())
		if err != nil {
			c.account.refused(err.Error())
			continue
		}
		for i, request := range requests {
			c.deliver(ctx, metricPoints, [][]byte{request}, uint64(points[i]))
		}
	}
}
