package push

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// backend answers as it is told, and keeps the bodies that it took.
type backend struct {
	*httptest.Server

	mu       sync.Mutex
	requests []received
	answers  []func(http.ResponseWriter) // of the next requests; then all is taken
}

type received struct {
	header http.Header
	path   string
	body   []byte
	status int
}

// newBackend has accept answer what no other answer is there for.
func newBackend(t *testing.T, accept func(http.ResponseWriter, received)) *backend {
	t.Helper()
	b := &backend{}
	b.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		got := received{header: r.Header, path: r.URL.Path, body: body}
		noted := &noting{ResponseWriter: w, status: http.StatusOK}
		if len(b.answers) > 0 {
			b.answers[0](noted)
			b.answers = b.answers[1:]
		} else {
			accept(noted, got)
		}
		got.status = noted.status
		b.requests = append(b.requests, got)
	}))
	t.Cleanup(b.Close)
	return b
}

type noting struct {
	http.ResponseWriter
	status int
}

func (n *noting) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

// next has the next requests answered with these, one each.
func (b *backend) next(answers ...func(http.ResponseWriter)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers = append(b.answers, answers...)
}

// taken are the requests since the last call, those that were refused included.
func (b *backend) taken() []received {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.requests
	b.requests = nil
	return all
}

func status(code int, headers ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(code)
	}
}

// shop has derived metrics, as deriving makes them. It implements
// prometheus.Gatherer.
type shop struct {
	mu     sync.Mutex
	orders map[string][]float64 // how many seconds each took, by service
	failed error
}

func newShop() *shop { return &shop{orders: map[string][]float64{}} }

const traceID, spanID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"

// opened is when counting began.
var opened = time.UnixMilli(1_800_000_000_123)

// order counts a request that took some seconds.
func (s *shop) order(service string, seconds float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.orders[service] = append(s.orders[service], seconds)
}

// close has nobody order any more.
func (s *shop) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.orders)
}

// Gather implements prometheus.Gatherer. The orders came a second apart.
func (s *shop) Gather() ([]*dto.MetricFamily, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := &dto.MetricFamily{Name: new("calls_total"), Help: new("Spans that have ended."), Type: dto.MetricType_COUNTER.Enum()}
	seconds := &dto.MetricFamily{Name: new("duration_seconds"), Help: new("How long they took."), Type: dto.MetricType_HISTOGRAM.Enum()}
	if len(s.orders) == 0 {
		return nil, s.failed
	}
	for _, service := range slices.Sorted(maps.Keys(s.orders)) {
		labels := []*dto.LabelPair{{Name: new("service"), Value: new(service)}}
		h := &dto.Histogram{
			CreatedTimestamp: timestamppb.New(opened), Schema: new(int32(3)), ZeroThreshold: new(1e-6), ZeroCount: new(uint64(0)),
			SampleCount: new(uint64(0)), SampleSum: new(0.0),
		}
		for _, le := range []float64{0.1, 1, 2.5, math.Inf(1)} {
			h.Bucket = append(h.Bucket, &dto.Bucket{UpperBound: new(le), CumulativeCount: new(uint64(0))})
		}
		native := map[int32]int64{}
		for i, took := range s.orders[service] {
			e := &dto.Exemplar{
				Label: []*dto.LabelPair{{Name: new("trace_id"), Value: new(traceID)}, {Name: new("span_id"), Value: new(spanID)}},
				Value: new(took), Timestamp: timestamppb.New(opened.Add(time.Duration(i+1) * time.Second)),
			}
			first := true
			for _, b := range h.GetBucket() {
				if took > b.GetUpperBound() {
					continue
				}
				*b.CumulativeCount++
				if first {
					b.Exemplar, first = e, false
				}
			}
			native[int32(math.Ceil(8*math.Log2(took)))]++
			*h.SampleCount++
			*h.SampleSum += took
			h.Exemplars = append([]*dto.Exemplar{e}, h.Exemplars...)
		}
		before, end := int64(0), int32(0)
		for _, i := range slices.Sorted(maps.Keys(native)) {
			h.PositiveSpan = append(h.PositiveSpan, &dto.BucketSpan{Offset: new(i - end), Length: new(uint32(1))})
			h.PositiveDelta = append(h.PositiveDelta, native[i]-before)
			before, end = native[i], i+1
		}
		c := &dto.Counter{Value: new(float64(h.GetSampleCount())), CreatedTimestamp: timestamppb.New(opened), Exemplar: h.GetExemplars()[0]}
		calls.Metric = append(calls.Metric, &dto.Metric{Label: labels, Counter: c})
		seconds.Metric = append(seconds.Metric, &dto.Metric{Label: labels, Histogram: h})
	}
	return []*dto.MetricFamily{calls, seconds}, s.failed
}

// manual is a pusher that pushes when it is told to.
type manual struct {
	*Pusher
	t      *testing.T
	shop   *shop
	logged *bytes.Buffer
}

func newManual(t *testing.T, sender func(*meters, *slog.Logger) (sender, error)) *manual {
	t.Helper()
	m := &manual{t: t, shop: newShop(), logged: &bytes.Buffer{}}
	logger := slog.New(slog.NewTextHandler(m.logged, nil))
	meters := newMeters("test")
	s, err := sender(meters, logger)
	if err != nil {
		t.Fatal(err)
	}
	m.Pusher = &Pusher{
		gatherer: m.shop, sender: s, interval: time.Minute, memory: newMemory(), meters: meters, logger: logger,
		stop: func() {},
	}
	t.Cleanup(s.close)
	return m
}

// pushFor pushes with so much time for it.
func (m *manual) pushFor(d time.Duration) {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), d)
	defer cancel()
	families, err := m.shop.Gather()
	if err != nil {
		m.t.Fatal(err)
	}
	m.push(ctx, m.memory.take(families, time.Now()), time.Now())
}

func (m *manual) pushNow() { m.t.Helper(); m.pushFor(time.Minute) }

// outcomes are what became of values.
func (m *manual) outcomes() (sent, rejected, dropped, retries float64) {
	value := func(c prometheus.Counter) float64 {
		var out dto.Metric
		if err := c.Write(&out); err != nil {
			m.t.Fatal(err)
		}
		return out.GetCounter().GetValue()
	}
	return value(m.meters.sent), value(m.meters.rejected), value(m.meters.dropped), value(m.meters.retries)
}
