package grpcclient

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/middleware/internal/budget"
	"github.com/waybill-dev/waybill/middleware/internal/instrument"
	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// hedger makes second attempts beside slow ones. It is safe for concurrent use.
type hedger struct {
	after      time.Duration
	idempotent []string
	budget     *budget.Budget
	hedges     *prometheus.CounterVec // by service and outcome
}

func newHedger(c Config, telemetry Telemetry) (*hedger, error) {
	hedges, err := instrument.Register(telemetry.Registerer(), prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "waybill_client_hedges_total", Help: "Second attempts beside the first, by whether they answered first (won) or not (lost).",
	}, []string{"peer_service", "outcome"}))
	return &hedger{after: c.HedgeAfter, idempotent: c.Idempotent, budget: budget.New(c.Budget, c.Burst), hedges: hedges}, err
}

// may says whether a call may be made twice at once: its method may be repeated,
// and nothing but the answer is written by it.
func (h *hedger) may(method string, out any, options []grpc.CallOption) bool {
	if _, is := out.(proto.Message); !is {
		return false
	}
	method = strings.TrimPrefix(method, "/")
	service, _, _ := strings.Cut(method, "/")
	if !slices.Contains(h.idempotent, method) && !slices.Contains(h.idempotent, service) {
		return false
	}
	return !slices.ContainsFunc(options, func(option grpc.CallOption) bool {
		switch option.(type) {
		case grpc.HeaderCallOption, grpc.TrailerCallOption, grpc.PeerCallOption, grpc.OnFinishCallOption:
			return true
		}
		return false
	})
}

// invocation is one of the two attempts.
type invocation struct {
	out   proto.Message
	err   error
	cause any // of a panic
	hedge bool
}

func (h *hedger) unary(
	ctx context.Context, method string, in, out any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	h.budget.Call()
	if !h.may(method, out, options) {
		return invoke(ctx, method, in, out, conn, options...)
	}
	both, cancel := context.WithCancel(ctx)
	results := make(chan invocation, 2)
	begin := func(hedge bool) {
		i := invocation{out: out.(proto.Message).ProtoReflect().New().Interface(), hedge: hedge}
		go func() {
			defer func() {
				i.cause = recover()
				results <- i
			}()
			i.err = invoke(both, method, in, i.out, conn, options...)
		}()
	}
	begin(false)
	answer, rest := h.race(trace.SpanFromContext(ctx), conn, results, begin)
	// The other one ends at once, and must, as it reads the request.
	cancel()
	for range rest {
		if other := <-results; other.cause != nil {
			answer = other
		}
	}
	if answer.cause != nil {
		panic(answer.cause)
	}
	if answer.err == nil {
		proto.Reset(out.(proto.Message))
		proto.Merge(out.(proto.Message), answer.out)
	}
	return answer.err
}

// race waits for the first good answer, or the last of the others, and begins
// another attempt if that takes too long. It says how many have not ended yet.
func (h *hedger) race(span trace.Span, conn *grpc.ClientConn, results <-chan invocation, begin func(hedge bool)) (answer invocation, rest int) {
	timer := time.NewTimer(h.after)
	defer timer.Stop()
	select {
	case answer = <-results:
		return answer, 0
	case <-timer.C:
	}
	if !h.budget.Take() {
		return <-results, 0
	}
	if span.IsRecording() {
		span.AddEvent(semconv.EventHedge, trace.WithAttributes(semconv.ClientDelay.Float64(h.after.Seconds())))
	}
	begin(true)
	rest = 1
	if answer = <-results; answer.err != nil && answer.cause == nil {
		answer, rest = <-results, 0
	}
	outcome := "lost"
	if answer.hedge && answer.err == nil && answer.cause == nil {
		outcome = "won"
	}
	h.hedges.WithLabelValues(serviceOf(conn.Target()), outcome).Inc()
	return answer, rest
}
