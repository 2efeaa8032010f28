package grpcmw_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/waybill-dev/waybill/middleware/grpcmw"
	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
)

// unasking is telemetry whose sampler does not look at attributes.
type unasking struct{ *telemetry }

func (unasking) AttributesAtStart() bool { return false }

// TestSpansAreTheSameWhenNobodyLooksAtTheirStart makes the same calls with
// attributes at the start of spans and without.
func TestSpansAreTheSameWhenNobodyLooksAtTheirStart(t *testing.T) {
	spans := func(options func(o *telemetry) []grpcmw.Option) map[string]map[string]string {
		r := newRig()
		r.serverOptions, r.clientOptions = options(r.server), options(r.client)
		client := r.start(t)
		if _, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{}); err != nil {
			t.Fatal(err)
		}
		if err := r.invoke(t.Context(), "/no.Such/Method"); err == nil {
			t.Fatal("a method that is not there was called")
		}
		r.settle()
		all := map[string]map[string]string{}
		for _, o := range []*telemetry{r.server, r.client} {
			for _, span := range o.Spans.Ended() {
				all[span.Name()+" by a "+span.SpanKind().String()] = instrumenttest.Attributes(span.Attributes())
			}
		}
		// A server that knows no method may refuse the call before its message has
		// been sent; then grpc-go tells a stats handler of no error.
		refused := all["no.Such/Method by a client"]
		delete(refused, "rpc.response.status_code")
		delete(refused, "error.type")
		return all
	}
	want := spans(func(*telemetry) []grpcmw.Option { return nil })
	got := spans(func(o *telemetry) []grpcmw.Option { return []grpcmw.Option{grpcmw.WithTelemetry(unasking{o})} })
	if diff := cmp.Diff(want, got); diff != "" || len(got) != 4 {
		t.Errorf("%d spans, want 4 that are alike (-at start +later):\n%s", len(got), diff)
	}
}
