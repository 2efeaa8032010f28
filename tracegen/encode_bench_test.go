package tracegen

import (
	"testing"
	"time"

	"github.com/waybill-dev/waybill/tracegen/topology"
)

func BenchmarkEncode(b *testing.B) {
	for _, name := range topology.Names() {
		b.Run(name, func(b *testing.B) {
			built, err := topology.Builtin(name)
			if err != nil {
				b.Fatal(err)
			}
			e, now := newEncoder(newProgram(built)), time.Now()
			b.ReportAllocs()
			spans, bytes, next := 0, 0, uint64(0)
			for b.Loop() {
				made := e.encode(1, order{first: next, n: 25}, now)
				next += uint64(made.traces)
				spans += made.spans
				bytes += len(made.request)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(spans), "ns/span")
			b.ReportMetric(float64(bytes)/float64(spans), "B/span")
		})
	}
}
