package propagator_test

import (
	"testing"

	"github.com/waybill-dev/waybill/middleware/internal/propagator"
)

func TestHeader(t *testing.T) {
	for _, test := range []struct {
		name   string
		values []string
		want   string
	}{
		{"traceparent", nil, ""},
		{"traceparent", []string{parent}, parent},
		{"traceparent", []string{parent, parent}, ""},
		{"tracestate", []string{"a=1", "b=2,c=3"}, "a=1,b=2,c=3"},
		{"Tracestate", []string{"a=1", "b=2"}, "a=1,b=2"},
		{"baggage", []string{"k=v", "l=w"}, "k=v,l=w"},
		{"jaeger-baggage", []string{"k=v", "l=w"}, "k=v,l=w"},
		{"b3", []string{"0", "0"}, ""},
		{"uber-trace-id", []string{"1:2:0:1", "3:4:0:1"}, ""},
		{"uberctx-tenant", []string{"north", "south"}, ""},
	} {
		if got := propagator.Header(test.name, test.values); got != test.want {
			t.Errorf("%s with %q is %q, want %q", test.name, test.values, got, test.want)
		}
	}
}
