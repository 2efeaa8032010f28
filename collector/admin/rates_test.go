package admin

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
)

func TestRates(t *testing.T) {
	reg := prometheus.NewRegistry()
	counter := func(name string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: "A test."}, labels)
		if err := reg.Register(c); err != nil {
			t.Fatal(err)
		}
		return c
	}
	items, others := counter("waybill_receive_items_total", "signal", "outcome"), counter("other_total")
	var r rates
	accepted, refused := counterKey("waybill_receive_items_total", "accepted", "traces"), counterKey("waybill_receive_items_total", "refused", "logs")
	now := time.Unix(1e9, 0)
	check := func(step string, wantAccepted, wantAll float64) {
		t.Helper()
		if got := r.of(accepted); got != wantAccepted {
			t.Errorf("%s: %v accepted, want %v", step, got, wantAccepted)
		}
		if got := r.where("waybill_receive_items_total", func(labels []string) bool { return labels[0] != "nothing" }); got != wantAll {
			t.Errorf("%s: %v in all, want %v", step, got, wantAll)
		}
	}
	check("nothing known", 0, 0)
	items.WithLabelValues("traces", "accepted").Add(1000)
	others.WithLabelValues().Add(5)
	r.take(now, reg)
	check("one sample", 0, 0)
	items.WithLabelValues("traces", "accepted").Add(100)
	items.WithLabelValues("logs", "refused").Add(50)
	r.take(now.Add(10*time.Second), reg)
	check("two samples", 10, 15)
	r.take(now.Add(20*time.Second), reg)
	check("three samples", 5, 7.5)
	r.take(now.Add(30*time.Second), reg)
	check("the first is forgotten", 0, 0)
	if got := r.of(refused, counterKey("other_total")); got != 0 {
		t.Errorf("others: %v", got)
	}
}

func TestPerSecond(t *testing.T) {
	for rate, want := range map[float64]string{
		0: "0 x/s", 0.123: "0.12 x/s", 1: "1 x/s", 9.99: "10 x/s", 1234.4: "1234 x/s", 12345: "12.3k x/s", 1234567: "1.23M x/s",
	} {
		if got := perSecond(rate, "x"); got != want {
			t.Errorf("perSecond(%v) = %q, want %q", rate, got, want)
		}
	}
}

func TestShorten(t *testing.T) {
	for _, text := range []string{"", "short", strings.Repeat("ü", lineRunes)} {
		if got := shorten(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	if got, want := shorten(strings.Repeat("ü", lineRunes+1)), strings.Repeat("ü", lineRunes-1)+"…"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestCause(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "no room": "no room", "ends with: ": "ends with: ",
		`Post "http://jaeger:4318/v1/traces": dial tcp 10.0.0.1:4318: connect: connection refused`: "connection refused",
	} {
		if got := cause(text); got != want {
			t.Errorf("cause(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestReaderMetrics(t *testing.T) {
	f := start(t)
	reader, err := f.journal.Reader("slow")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	has := func(want string) {
		t.Helper()
		if _, body, _ := f.get(t, "/metrics"); !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	has(`waybill_journal_reader_lag_seconds{reader="slow"} 0` + "\n")
	has("waybill_ready 1\n")
	if _, err := f.journal.Append(t.Context(), journal.Traces, 1, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, body, _ := f.get(t, "/metrics"); strings.Contains(body, `waybill_journal_reader_lag_seconds{reader="slow"} 0`+"\n") {
		t.Errorf("no lag in\n%s", body)
	}
	f.refuse(time.Now())
	has("waybill_ready 0\n")
}

// TestPictureOfManyReaders has them apart from each other, and inside.
func TestPictureOfManyReaders(t *testing.T) {
	f := start(t)
	for n := range 12 {
		s := status{Now: time.Now()}
		for range n {
			s.Readers = append(s.Readers, reader{readerState: readerState{Name: "x"}})
		}
		p := f.admin.picture(s)
		if len(p.Boxes) != 2+max(n, 1) || len(p.Arrows) != 1+max(n, 1) {
			t.Fatalf("%d readers: %d boxes, %d arrows", n, len(p.Boxes), len(p.Arrows))
		}
		for i, b := range p.Boxes {
			if b.X < 0 || b.Y < 0 || b.X+b.W > p.Width || b.Y+b.H > p.Height {
				t.Errorf("%d readers: box %d is outside: %+v", n, i, b)
			}
			for _, other := range p.Boxes[:i] {
				if b.X < other.X+other.W && other.X < b.X+b.W && b.Y < other.Y+other.H && other.Y < b.Y+b.H {
					t.Errorf("%d readers: box %d lies on another", n, i)
				}
			}
		}
	}
}
