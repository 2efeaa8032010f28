package grpcmw_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/middleware/internal/instrumenttest"
)

func TestUnknownMethodsAreOther(t *testing.T) {
	for name, method := range map[string]string{
		"service": "/shop.Nothing/At/All", "method": "/grpc.testing.TestService/Nothing", "health": "/grpc.health.v1.Healthy/Check",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			r.start(t)
			if err := r.invoke(t.Context(), method); status.Code(err) != codes.Unimplemented {
				t.Fatal(err)
			}
			r.settle()
			span := r.server.onlySpan(t)
			if span.Name() != "_OTHER" {
				t.Errorf("span is named %q", span.Name())
			}
			want := map[string]string{
				"rpc.system.name": "grpc", "rpc.method": "_OTHER", "rpc.method_original": method[1:],
				"rpc.response.status_code": "UNIMPLEMENTED", "error.type": "UNIMPLEMENTED",
				"server.address": "shop.example", "server.port": "9001", "network.peer.address": "bufconn",
			}
			if diff := cmp.Diff(want, instrumenttest.Attributes(span.Attributes())); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
			if span.EndTime().Before(span.StartTime()) {
				t.Errorf("span ends at %v, before %v", span.EndTime(), span.StartTime())
			}
		})
	}
}

func TestUnknownMethodsMakeOneSeriesAndNoOpenSpans(t *testing.T) {
	r := newRig()
	client := r.start(t)
	for i := range 50 {
		if err := r.invoke(t.Context(), fmt.Sprintf("/attack.Service%d/Method", i)); status.Code(err) != codes.Unimplemented {
			t.Fatal(err)
		}
	}
	if _, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{}); err != nil {
		t.Fatal(err)
	}
	r.settle()
	r.server.allEnded(t)
	r.client.allEnded(t)
	counts := map[string]uint64{}
	for _, series := range r.server.Series(t, serverMetric) {
		counts[series.Labels["rpc_method"]] += series.Count
	}
	if diff := cmp.Diff(map[string]uint64{"_OTHER": 50, unaryMethod: 1}, counts); diff != "" {
		t.Errorf("measurements by method (-want +got):\n%s", diff)
	}
}

func TestUnknownServiceHandlerServesAnyMethodWithinTheLimitOfSeries(t *testing.T) {
	r := newRig()
	r.client = nil
	r.grpcOptions = []grpc.ServerOption{grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		if err := stream.RecvMsg(&testpb.Empty{}); err != nil {
			return err
		}
		return stream.SendMsg(&testpb.Empty{})
	})}
	r.start(t)
	const calls = 2500
	for i := range calls {
		if err := r.invoke(t.Context(), fmt.Sprintf("/proxied.Service/Method%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	r.settle()
	r.server.allEnded(t)
	series := r.server.Series(t, serverMetric)
	if len(series) > 2001 {
		t.Errorf("%d series", len(series))
	}
	var total uint64
	for _, s := range series {
		total += s.Count
	}
	if total != calls {
		t.Errorf("%d calls were measured, want %d", total, calls)
	}
}
