package natsmw

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHeadersAsPropagatorsSeeThem(t *testing.T) {
	h := header{"Baggage": {"a=1", "b=2"}, "uberctx-tenant": {"north"}, "X-B3-TraceId": {"1", "2"}}
	for key, want := range map[string]string{
		"baggage": "a=1,b=2", "Uberctx-Tenant": "north", "x-b3-traceid": "", "traceparent": "",
	} {
		if got := h.Get(key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if diff := cmp.Diff([]string{"Baggage", "X-B3-TraceId", "uberctx-tenant"}, slices.Sorted(slices.Values(h.Keys()))); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}
