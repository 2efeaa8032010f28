package grpcmw

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/metadata"
)

func TestIncomingMetadataAsPropagatorsSeeIt(t *testing.T) {
	c := &incoming{metadata.NewIncomingContext(t.Context(), metadata.Pairs(
		"baggage", "a=1", "baggage", "b=2", "uberctx-tenant", "north", "x-b3-traceid", "1", "x-b3-traceid", "2"))}
	for key, want := range map[string]string{
		"baggage": "a=1,b=2", "Baggage": "a=1,b=2", "uberctx-tenant": "north", "X-B3-TraceId": "", "traceparent": "",
	} {
		if got := c.Get(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if diff := cmp.Diff([]string{"baggage", "uberctx-tenant", "x-b3-traceid"}, slices.Sorted(slices.Values(c.Keys()))); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}
