package payment

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/sony/gobreaker/v2"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// BreakerConfig is when the payment provider is left alone.
type BreakerConfig struct {
	// Failures in a row open the breaker: nobody asks the provider any more.
	// Zero never opens it.
	Failures uint32
	// OpenFor is how long. Then a few may try: the breaker is half open.
	OpenFor time.Duration
	// Successes in a row close it again; one failure opens it again.
	Successes uint32
}

// DefaultBreakerConfig bears five failures, and tries again after 30 s.
func DefaultBreakerConfig() BreakerConfig {
	return BreakerConfig{Failures: 5, OpenFor: 30 * time.Second, Successes: 3}
}

// errOpen says that the provider was not asked, because it has failed so often.
var errOpen = errors.New("psp is left alone: the circuit breaker is open")

// breaker keeps calls from a provider that fails, so that they fail at once
// and it can recover. Safe for concurrent use.
type breaker struct {
	circuit  *gobreaker.CircuitBreaker[struct{}]
	rejected prometheus.Counter
}

func newBreaker(cfg BreakerConfig, logger *slog.Logger) *breaker {
	return &breaker{
		circuit: gobreaker.NewCircuitBreaker[struct{}](gobreaker.Settings{
			Name:        "psp",
			MaxRequests: cfg.Successes,
			Timeout:     cfg.OpenFor,
			ReadyToTrip: func(counts gobreaker.Counts) bool {
				return cfg.Failures > 0 && counts.ConsecutiveFailures >= cfg.Failures
			},
			// A caller that goes away says nothing of the provider.
			IsExcluded: func(err error) bool { return errors.Is(err, context.Canceled) },
			OnStateChange: func(name string, from, to gobreaker.State) {
				logger.Warn("circuit breaker has changed", "breaker", name, "from", from.String(), "to", to.String())
			},
		}),
		rejected: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "shop_payment_breaker_rejected_total",
			Help: "Calls of the payment provider that were not made because the circuit breaker was open.",
		}),
	}
}

// register has the breaker's metrics collected.
func (b *breaker) register(registerer prometheus.Registerer) error {
	state := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "shop_payment_breaker_state",
		Help: "State of the circuit breaker before the payment provider: 0 closed, 1 half open, 2 open.",
	}, func() float64 { return float64(b.circuit.State()) })
	return errors.Join(registerer.Register(state), registerer.Register(b.rejected))
}

// open says whether the provider is left alone.
func (b *breaker) open() bool { return b.circuit.State() == gobreaker.StateOpen }

// do makes the call, or returns errOpen without. A change of the breaker's
// state, and a refusal, are events of the span in the context.
func (b *breaker) do(ctx context.Context, call func() error) error {
	span := trace.SpanFromContext(ctx)
	before := b.circuit.State()
	_, err := b.circuit.Execute(func() (struct{}, error) { return struct{}{}, call() })
	after := b.circuit.State()
	if before != after {
		span.AddEvent("circuit breaker has changed", trace.WithAttributes(
			attribute.String("shop.breaker.from", before.String()), attribute.String("shop.breaker.to", after.String())))
	}
	if errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests) {
		b.rejected.Inc()
		span.AddEvent("circuit breaker refuses the call", trace.WithAttributes(attribute.String("shop.breaker.state", after.String())))
		return errOpen
	}
	return err
}
