package grpcmw_test

import (
	"testing"

	testpb "google.golang.org/grpc/interop/grpc_testing"
)

// BenchmarkHandler is what the handlers themselves cost a call.
func BenchmarkHandler(b *testing.B) {
	for _, sampled := range []bool{true, false} {
		name := "unsampled"
		if sampled {
			name = "sampled"
		}
		for side, replay := range newReplays(b, sampled) {
			b.Run(side+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					replay.call()
				}
			})
		}
	}
}

// BenchmarkUnaryCall is a whole call in memory, with nobody observed and with
// both sides observed.
func BenchmarkUnaryCall(b *testing.B) {
	for _, observed := range []bool{false, true} {
		name := "bare"
		if observed {
			name = "observed"
		}
		b.Run(name, func(b *testing.B) {
			r := &rig{impl: &service{}}
			if observed {
				r = newRig()
			}
			client := r.start(b)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.UnaryCall(b.Context(), &testpb.SimpleRequest{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
