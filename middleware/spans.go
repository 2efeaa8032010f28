package middleware

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/waybill-dev/waybill/middleware/internal/batch"
	"github.com/waybill-dev/waybill/middleware/internal/otlp"
)

// spanProcessor queues the sampled spans that end. It is in the place of the
// SDK's batch processor, which does not tell what it drops.
type spanProcessor struct {
	queue *batch.Queue[sdktrace.ReadOnlySpan]
}

// newSpanProcessor obeys the OTEL_BSP_* variables. The config must have been
// checked: it starts a goroutine.
func newSpanProcessor(limits queueLimits, send func(context.Context, []sdktrace.ReadOnlySpan), dropped func(int)) spanProcessor {
	return spanProcessor{queue: startQueue(limits, send, dropped)}
}

func (spanProcessor) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

func (p spanProcessor) OnEnd(span sdktrace.ReadOnlySpan) {
	if span.SpanContext().IsSampled() {
		p.queue.Add(span)
	}
}

func (p spanProcessor) ForceFlush(ctx context.Context) error { return p.queue.Flush(ctx) }
func (p spanProcessor) Shutdown(ctx context.Context) error   { return p.queue.Shutdown(ctx) }

// sendSpans encodes and posts a batch.
func (o *outlet) sendSpans(res *resource.Resource) func(context.Context, []sdktrace.ReadOnlySpan) {
	return func(ctx context.Context, spans []sdktrace.ReadOnlySpan) {
		o.deliver(ctx, otlp.AppendSpans(nil, res, spans), len(spans))
	}
}

// exportSpans hands a batch to an exporter of the caller's.
func (o *outlet) exportSpans(exporter sdktrace.SpanExporter) func(context.Context, []sdktrace.ReadOnlySpan) {
	return func(ctx context.Context, spans []sdktrace.ReadOnlySpan) {
		if err := exporter.ExportSpans(ctx, spans); err != nil {
			o.lose("failed", len(spans), err)
			return
		}
		o.count("sent", len(spans))
	}
}

// queueLimits are those of the OTEL_BSP_* and OTEL_BLRP_* variables.
type queueLimits struct {
	delay, timeout     time.Duration
	maxQueue, maxBatch int
}

func readQueueLimits(env *environment, prefix string, delay time.Duration) queueLimits {
	return queueLimits{
		delay:    env.milliseconds(delay, prefix+"_SCHEDULE_DELAY"),
		timeout:  env.milliseconds(30*time.Second, prefix+"_EXPORT_TIMEOUT"),
		maxQueue: env.count(prefix+"_MAX_QUEUE_SIZE", 2048),
		maxBatch: env.count(prefix+"_MAX_EXPORT_BATCH_SIZE", 512),
	}
}

// startQueue starts a queue within those limits.
func startQueue[T any](limits queueLimits, send func(context.Context, []T), dropped func(int)) *batch.Queue[T] {
	cfg := batch.Config{MaxQueue: limits.maxQueue, MaxBatch: limits.maxBatch, Delay: limits.delay, Dropped: dropped}
	return batch.Start(cfg, func(ctx context.Context, items []T) {
		ctx, cancel := context.WithTimeout(ctx, limits.timeout)
		defer cancel()
		send(ctx, items)
	})
}
