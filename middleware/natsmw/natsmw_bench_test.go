package natsmw_test

import (
	"context"
	"testing"

	"github.com/nats-io/nats.go"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/waybill-dev/waybill/middleware/natsmw"
)

// newWork is publishing and processing one message without a server.
func newWork(t testing.TB, sampled bool) map[string]func() {
	t.Helper()
	sampler := sdktrace.NeverSample()
	if sampled {
		sampler = sdktrace.AlwaysSample()
	}
	tel := newTelemetry()
	tel.Provider = sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler)) // A recorder would allocate.
	m, err := natsmw.New(natsmw.WithTelemetry(tel))
	if err != nil {
		t.Fatal(err)
	}
	done := func(context.Context, *nats.Msg) error { return nil }
	msg, received := paid(), paid()
	received.Header["traceparent"] = []string{traceparent}
	return map[string]func(){
		"publish": func() { _ = m.Publish(t.Context(), msg, done) },
		"process": func() { _ = m.ProcessCore(t.Context(), received, done) },
	}
}

func TestAllocations(t *testing.T) {
	for _, tt := range []struct {
		sampled          bool
		publish, process float64
	}{
		{true, 20, 27},
		{false, 16, 22},
	} {
		for name, most := range map[string]float64{"publish": tt.publish, "process": tt.process} {
			work := newWork(t, tt.sampled)[name]
			work() // The first message makes the series.
			if got := testing.AllocsPerRun(200, work); got > most {
				t.Errorf("%s, sampled %v: %v allocations a message, at most %v are allowed", name, tt.sampled, got, most)
			} else {
				t.Logf("%s, sampled %v: %v allocations a message", name, tt.sampled, got)
			}
		}
	}
}

func BenchmarkMessage(b *testing.B) {
	for _, sampled := range []bool{true, false} {
		name := "unsampled"
		if sampled {
			name = "sampled"
		}
		for operation, work := range newWork(b, sampled) {
			b.Run(operation+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					work()
				}
			})
		}
	}
}
