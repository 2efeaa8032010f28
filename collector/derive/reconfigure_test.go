package derive

import (
	"fmt"
	"log/slog"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
)

// TestReconfigure changes what may be changed while spans come.
func TestReconfigure(t *testing.T) {
	cfg := DefaultConfig()
	cfg.ExpireAfter = 0
	r := newTestRED(func(c *Config) { *c = cfg })
	named := func(name string) journal.Record {
		return arrived(t, 0, "shop", span(name, serverKind, 0, 1), make1(clientKind, attr("db.system", name)))
	}
	for i := range 200 {
		r.count(noon, []journal.Record{named(fmt.Sprint("before-", i))})
	}
	cfg.MaxSeriesPerService, cfg.Exclude, cfg.Graph.MaxEdges = 100, []Rule{{Kind: "client"}}, 100
	r.reconfigure(cfg)
	r.count(noon, []journal.Record{named("after"), named("before-1")})
	got := by(r, "span_name")
	want := map[string]float64{"op": 200, overflow: 1, "before-1": 2, "after": 0}
	for name, n := range want {
		if got[name] != n {
			t.Errorf("%s: %v spans, want %v", name, got[name], n)
		}
	}
	edges := drawn(r.scan)
	if edges["_overflow_>_overflow_:database"] != "1" || edges["shop>before-1:database"] != "2" || edges["shop>after:database"] != "" {
		t.Errorf("edges: %v", edges)
	}
	cfg.ExpireAfter = time.Minute
	r.reconfigure(cfg)
	if n := len(by(r, "span_name")); n != 0 {
		t.Errorf("%d series did not expire", n)
	}
}

// TestRestartBetweenTwoSpans has the collector stop when the server's span has
// come and the client's has not. Each span counts once; the request is the
// client's word alone.
func TestRestartBetweenTwoSpans(t *testing.T) {
	j := memory.New(memory.Config{})
	got := map[string]string{}
	calls := uint64(0)
	for _, r := range []journal.Record{
		record(t, "stock", make1(serverKind, at(2, 1))),
		record(t, "shop", make1(clientKind, at(1, 0), attr("server.address", "stock.internal"))),
	} {
		cfg := DefaultConfig()
		cfg.Address = "127.0.0.1:0"
		d, err := Start(t.Context(), cfg, j, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := j.Append(t.Context(), r.Signal, r.Items, r.Payload); err != nil {
			t.Fatal(err)
		}
		waitCounted(t, j)
		shutdown(t, d)
		d.scan.idle(time.Now().Add(time.Hour))
		maps.Copy(got, drawn(d.scan))
		for _, s := range d.scan.red.table.series {
			calls += s.count
		}
	}
	if diff := cmp.Diff(map[string]string{"shop>stock.internal:virtual_node": "1"}, got); diff != "" || calls != 2 {
		t.Errorf("%d spans counted; edges:\n%s", calls, diff)
	}
}
