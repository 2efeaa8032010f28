package derive

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/journal"
)

// BenchmarkCount counts requests of 100 spans; ns/op is for one span.
func BenchmarkCount(b *testing.B) {
	for _, names := range []int{1, 100, 5000} {
		b.Run(fmt.Sprint("names=", names), func(b *testing.B) {
			r := newTestRED(func(*Config) {})
			records := make([]journal.Record, max(names/100, 1))
			for i := range records {
				spans := make([]*tracepb.Span, 100)
				for j := range spans {
					spans[j] = span(fmt.Sprint("GET /orders/", (i*100+j)%names), tracepb.Span_SPAN_KIND_SERVER, 0, uint64(j))
				}
				records[i] = record(b, "shop", spans...)
			}
			b.SetBytes(int64(len(records[0].Payload) / 100))
			b.ReportAllocs()
			now := time.Now()
			for n, i := 0, 0; n < b.N; n, i = n+100, i+1 {
				r.count(now, records[i%len(records):i%len(records)+1])
			}
		})
	}
}

// BenchmarkShop counts the shop's traces, 25 a record; ns/op is for one span.
func BenchmarkShop(b *testing.B) {
	records, report := shopLoad(b, 1000)
	perRecord := int(report.Made.Spans) / len(records)
	for _, test := range []struct {
		name   string
		change func(*Config)
	}{
		{"red", func(c *Config) { c.Graph.Enabled = false }},
		{"red and graph", func(*Config) {}},
		{"red with two dimensions", func(c *Config) {
			c.Graph.Enabled, c.Dimensions = false, []string{"http.route", "service.instance.id"}
		}},
	} {
		b.Run(test.name, func(b *testing.B) {
			s := newTestGraph(test.change)
			b.ReportAllocs()
			now := time.Now()
			for n, i := 0, 0; n < b.N; n, i = n+perRecord, i+1 {
				s.count(now, records[i%len(records):i%len(records)+1])
			}
		})
	}
}

// BenchmarkScrape gathers 5,000 series.
func BenchmarkScrape(b *testing.B) {
	r := newTestRED(func(*Config) {})
	for i := range 50 {
		spans := make([]*tracepb.Span, 1000)
		for j := range spans {
			spans[j] = span(strconv.Itoa(i*100+j%100), tracepb.Span_SPAN_KIND_SERVER, 0, uint64(j))
		}
		r.count(time.Now(), []journal.Record{record(b, "shop", spans...)})
	}
	reg := prometheus.NewRegistry()
	if err := reg.Register(r.red); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := reg.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
