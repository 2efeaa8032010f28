package middleware

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/otlp"
)

// warnEvery is how often an outlet that fails says so.
const warnEvery = time.Minute

// outlet is where one signal leaves the process, and where what is lost on the
// way is counted. It is safe for concurrent use.
type outlet struct {
	signal signal
	client *otlp.Client
	items  *prometheus.CounterVec
	// logger writes locally only, so that a failure makes nothing to be sent.
	logger *slog.Logger

	mu     sync.Mutex
	warned time.Time
	lost   int
}

// newOutletCounter counts what becomes of what is to be sent.
func newOutletCounter(registerer prometheus.Registerer) (*prometheus.CounterVec, error) {
	return instrument.Register(registerer, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "waybill_middleware_export_items_total",
		Help: "Spans, data points and log records by what became of them: sent, queue_full, failed, rejected.",
	}, []string{"signal", "outcome"}))
}

// deliver posts a request that holds so many items.
func (o *outlet) deliver(ctx context.Context, request []byte, items int) {
	rejected, reason, err := o.client.Send(ctx, request)
	if err != nil {
		o.lose("failed", items, err)
		return
	}
	taken := min(max(items-int(rejected), 0), items)
	o.count("sent", taken)
	if taken < items {
		o.lose("rejected", items-taken, fmt.Errorf("collector rejected some: %s", reason))
	}
}

// dropped is called by a queue that is full.
func (o *outlet) dropped(items int) { o.lose("queue_full", items, nil) }

func (o *outlet) count(outcome string, items int) {
	o.items.WithLabelValues(string(o.signal), outcome).Add(float64(items))
}

// lose counts what is lost, and warns of it once in a while.
func (o *outlet) lose(outcome string, items int, cause error) {
	o.count(outcome, items)
	o.mu.Lock()
	o.lost += items
	lost, now := o.lost, time.Now()
	due := now.Sub(o.warned) >= warnEvery
	if due {
		o.warned, o.lost = now, 0
	}
	o.mu.Unlock()
	if due {
		attrs := []slog.Attr{slog.String("signal", string(o.signal)), slog.String("outcome", outcome), slog.Int("lost", lost)}
		if o.client != nil {
			attrs = append(attrs, slog.String("endpoint", withoutUser(o.client.Endpoint)))
		}
		if cause != nil {
			attrs = append(attrs, slog.Any("error", cause))
		}
		o.logger.LogAttrs(context.Background(), slog.LevelWarn, "telemetry is lost", attrs...)
	}
}

// close ends the client's idle connections.
func (o *outlet) close() {
	if o.client != nil && o.client.Idle != nil {
		o.client.Idle()
	}
}
