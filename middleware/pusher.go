package middleware

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/middleware/internal/otlp"
)

// pusher sends what a registry gathers, periodically and when asked to.
type pusher struct {
	gatherer prometheus.Gatherer
	encode   otlp.Metrics
	outlet   *outlet
	timeout  time.Duration

	flush   chan chan struct{}
	stop    context.CancelFunc
	stopped chan struct{}
}

func startPusher(gatherer prometheus.Gatherer, encode otlp.Metrics, out *outlet, interval, timeout time.Duration) *pusher {
	ctx, stop := context.WithCancel(context.Background())
	p := &pusher{
		gatherer: gatherer, encode: encode, outlet: out, timeout: timeout,
		flush: make(chan chan struct{}), stop: stop, stopped: make(chan struct{}),
	}
	go p.run(ctx, interval)
	return p
}

func (p *pusher) run(ctx context.Context, interval time.Duration) {
	defer close(p.stopped)
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			p.push(ctx)
		case done := <-p.flush:
			p.push(ctx)
			close(done)
		case <-ctx.Done():
			return
		}
	}
}

// push sends the metrics as they are. What could be gathered is sent even if
// one collector fails.
func (p *pusher) push(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	families, err := p.gatherer.Gather()
	if err != nil {
		p.outlet.lose("failed", 0, err)
	}
	request, points := p.encode.Append(nil, families, time.Now())
	if points > 0 {
		p.outlet.deliver(ctx, request, points)
	}
}

// Flush sends the metrics now and returns when it is done.
func (p *pusher) Flush(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case p.flush <- done:
	case <-p.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Shutdown sends the metrics a last time.
func (p *pusher) Shutdown(ctx context.Context) error {
	err := p.Flush(ctx)
	p.stop()
	<-p.stopped
	return err
}
