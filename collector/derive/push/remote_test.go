package push

import (
	"cmp"
	"log/slog"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	prompb "buf.build/gen/go/prometheus/prometheus/protocolbuffers/go"
	"github.com/golang/snappy"
	gocmp "github.com/google/go-cmp/cmp"
	writev2 "github.com/prometheus/client_golang/exp/api/remote/genproto/v2"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/export"
)

// stored is what a backend makes of one series of a request.
type stored struct {
	Kind, Help, Unit string
	Value            string
	Exemplar         string
	Native           string
	created          int64
}

func number(v float64) string {
	if math.Float64bits(v) == math.Float64bits(stale()) {
		return "stale"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// text writes labels as Prometheus does, and checks their order.
func text(t *testing.T, labels []string) string {
	t.Helper()
	var names, parts []string
	name := ""
	for i := 0; i < len(labels); i += 2 {
		names = append(names, labels[i])
		if labels[i] == "__name__" {
			name = labels[i+1]
			continue
		}
		parts = append(parts, labels[i]+"="+labels[i+1])
	}
	if !slices.IsSorted(names) {
		t.Errorf("labels are not in order: %v", names)
	}
	return name + "{" + strings.Join(parts, ",") + "}"
}

func unpack(t *testing.T, r received) []byte {
	t.Helper()
	if got := r.header.Get("Content-Encoding"); got != "snappy" {
		t.Errorf("Content-Encoding: %s", got)
	}
	body, err := snappy.Decode(nil, r.body)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// store2 decodes a request of 2.0 into what there is afterwards.
func store2(t *testing.T, r received, into map[string]stored) {
	t.Helper()
	if got := r.header.Get("Content-Type"); got != "application/x-protobuf;proto=io.prometheus.write.v2.Request" {
		t.Errorf("Content-Type: %s", got)
	}
	if got := r.header.Get("X-Prometheus-Remote-Write-Version"); got != "2.0.0" {
		t.Errorf("version %s", got)
	}
	var request writev2.Request
	if err := proto.Unmarshal(unpack(t, r), &request); err != nil {
		t.Fatal(err)
	}
	labels := func(refs []uint32) []string { return writev2.DesymbolizeLabels(refs, request.GetSymbols(), nil) }
	for _, ts := range request.GetTimeseries() {
		s := stored{
			Kind: strings.TrimPrefix(ts.GetMetadata().GetType().String(), "METRIC_TYPE_"), Help: request.GetSymbols()[ts.GetMetadata().GetHelpRef()],
			Unit:    request.GetSymbols()[ts.GetMetadata().GetUnitRef()],
			created: ts.GetCreatedTimestamp(),
		}
		for _, sample := range ts.GetSamples() {
			s.Value = number(sample.GetValue())
		}
		for _, h := range ts.GetHistograms() {
			s.Native = number(h.GetSum())
			if s.Native != "stale" {
				s.Native = native(h.GetCountInt(), h.GetSchema(), h.GetPositiveDeltas(), len(h.GetPositiveSpans()))
			}
		}
		for _, e := range ts.GetExemplars() {
			s.Exemplar = number(e.GetValue()) + text(t, labels(e.GetLabelsRefs()))
		}
		into[text(t, labels(ts.GetLabelsRefs()))] = s
	}
}

func native(count uint64, schema int32, deltas []int64, spans int) string {
	return strings.Join([]string{
		strconv.FormatUint(count, 10), strconv.Itoa(int(schema)), strconv.Itoa(len(deltas)), strconv.Itoa(spans),
	}, "/")
}

// store1 does so with 1.0.
func store1(t *testing.T, r received, into map[string]stored) {
	t.Helper()
	if got := r.header.Get("Content-Type"); got != "application/x-protobuf" {
		t.Errorf("Content-Type: %s", got)
	}
	if got := r.header.Get("X-Prometheus-Remote-Write-Version"); got != "0.1.0" {
		t.Errorf("version %s", got)
	}
	var request prompb.WriteRequest
	if err := proto.Unmarshal(unpack(t, r), &request); err != nil {
		t.Fatal(err)
	}
	labels := func(pairs []*prompb.Label) (all []string) {
		for _, l := range pairs {
			all = append(all, l.GetName(), l.GetValue())
		}
		return all
	}
	for _, ts := range request.GetTimeseries() {
		name := text(t, labels(ts.GetLabels()))
		s := stored{}
		for _, m := range request.GetMetadata() {
			if strings.HasPrefix(name, m.GetMetricFamilyName()) {
				s.Kind, s.Help, s.Unit = m.GetType().String(), m.GetHelp(), m.GetUnit()
			}
		}
		for _, sample := range ts.GetSamples() {
			s.Value = number(sample.GetValue())
		}
		for _, h := range ts.GetHistograms() {
			s.Native = number(h.GetSum())
			if s.Native != "stale" {
				s.Native = native(h.GetCountInt(), h.GetSchema(), h.GetPositiveDeltas(), len(h.GetPositiveSpans()))
			}
		}
		for _, e := range ts.GetExemplars() {
			s.Exemplar = number(e.GetValue()) + text(t, labels(e.GetLabels()))
		}
		into[name] = s
	}
}

// prometheus2 answers as Prometheus does that knows 2.0.
func prometheus2(w http.ResponseWriter, r received) {
	body, err := snappy.Decode(nil, r.body)
	var request writev2.Request
	if err != nil || proto.Unmarshal(body, &request) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	samples, histograms, exemplars := 0, 0, 0
	for _, ts := range request.GetTimeseries() {
		samples, histograms, exemplars = samples+len(ts.GetSamples()), histograms+len(ts.GetHistograms()), exemplars+len(ts.GetExemplars())
	}
	status(http.StatusNoContent, "X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(samples),
		"X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(histograms), "X-Prometheus-Remote-Write-Exemplars-Written", strconv.Itoa(exemplars))(w)
}

// prometheus1 knows 1.0 only.
func prometheus1(w http.ResponseWriter, r received) {
	if strings.Contains(r.header.Get("Content-Type"), "v2") {
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func newRemoteManual(t *testing.T, b *backend, change func(*RemoteWrite)) *manual {
	t.Helper()
	cfg := DefaultRemoteWrite()
	cfg.Endpoint, cfg.Labels = b.URL+"/api/v1/write", map[string]string{"instance": "here"}
	cfg.Headers = map[string]export.Secret{"Authorization": "Bearer s3cret", "x-scope-orgid": "shop"}
	change(&cfg)
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	return newManual(t, func(m *meters, logger *slog.Logger) (sender, error) { return newRemote(cfg, m, logger) })
}

// wantOrders is what there is after two orders of 0.05 and 2 seconds.
func wantOrders() map[string]stored {
	const labels = "instance=here,job=waybill-collector"
	exemplar := func(v string) string { return v + "{span_id=" + spanID + ",trace_id=" + traceID + "}" }
	const help = "How long they took."
	of := func(le, value, exemplar string) (string, stored) {
		return "duration_seconds_bucket{" + labels + ",le=" + le + ",service=order}", stored{Kind: "HISTOGRAM", Help: help, Unit: "seconds", Value: value, Exemplar: exemplar}
	}
	all := map[string]stored{
		"calls_total{" + labels + ",service=order}":            {Kind: "COUNTER", Help: "Spans that have ended.", Value: "2", Exemplar: exemplar("2")},
		"duration_seconds_count{" + labels + ",service=order}": {Kind: "HISTOGRAM", Help: help, Unit: "seconds", Value: "2"},
		"duration_seconds_sum{" + labels + ",service=order}":   {Kind: "HISTOGRAM", Help: help, Unit: "seconds", Value: "2.05"},
		"duration_seconds{" + labels + ",service=order}":       {Kind: "HISTOGRAM", Help: help, Unit: "seconds", Native: "2/3/2/2", Exemplar: exemplar("2")},
	}
	for _, b := range [][3]string{{"0.1", "1", exemplar("0.05")}, {"1.0", "1", ""}, {"2.5", "2", exemplar("2")}, {"+Inf", "2", ""}} {
		name, s := of(b[0], b[1], b[2])
		all[name] = s
	}
	return all
}

var ignoreCreated = gocmp.FilterPath(func(p gocmp.Path) bool { return p.Last().String() == ".created" }, gocmp.Ignore())

func TestRemoteWrite2(t *testing.T) {
	b := newBackend(t, prometheus2)
	m := newRemoteManual(t, b, func(*RemoteWrite) {})
	m.shop.order("order", 0.05)
	m.shop.order("order", 2)
	m.pushNow()
	requests := b.taken()
	if len(requests) != 1 || requests[0].path != "/api/v1/write" {
		t.Fatalf("%d requests", len(requests))
	}
	for name, want := range map[string]string{"Authorization": "Bearer s3cret", "X-Scope-Orgid": "shop", "User-Agent": userAgent} {
		if got := requests[0].header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	got := map[string]stored{}
	store2(t, requests[0], got)
	if diff := gocmp.Diff(wantOrders(), got, ignoreCreated); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for name, s := range got {
		if s.created != opened.UnixMilli() {
			t.Errorf("%s was created at %d, want %d", name, s.created, opened.UnixMilli())
		}
	}
	if sent, rejected, dropped, retries := m.outcomes(); sent != 8 || rejected+dropped+retries != 0 {
		t.Errorf("%v sent, %v rejected, %v dropped, %v retries", sent, rejected, dropped, retries)
	}
	// What has had its exemplar has it no more; what is gone ends.
	m.pushNow()
	clear(got)
	store2(t, b.taken()[0], got)
	for name, s := range got {
		if s.Exemplar != "" {
			t.Errorf("%s has the same exemplar again", name)
		}
	}
	m.shop.close()
	m.shop.order("user", 0.2)
	m.pushNow()
	clear(got)
	store2(t, b.taken()[0], got)
	checkEnds(t, got, 8)
	if s := got["calls_total{instance=here,job=waybill-collector,service=user}"]; s.Value != "1" {
		t.Errorf("beside it: %+v", got)
	}
	m.pushNow()
	clear(got)
	store2(t, b.taken()[0], got)
	checkEnds(t, got, 0)
}

// checkEnds wants all series of the service order to be stale, so many of them.
func checkEnds(t *testing.T, got map[string]stored, want int) {
	t.Helper()
	ended := 0
	for _, name := range slices.SortedFunc(maps.Keys(got), cmp.Compare) {
		s := got[name]
		if !strings.Contains(name, "service=order") {
			continue
		}
		if ended++; s.Value+s.Native != "stale" || s.Exemplar != "" {
			t.Errorf("%s does not end: %+v", name, s)
		}
	}
	if ended != want {
		t.Errorf("%d series, want %d: %v", ended, want, got)
	}
}

// TestRemoteWriteFallsBack has a backend that knows 1.0 say so, or not notice.
func TestRemoteWriteFallsBack(t *testing.T) {
	for name, accept := range map[string]func(http.ResponseWriter, received){
		"says so":    prometheus1,
		"says 200":   func(w http.ResponseWriter, _ received) { w.WriteHeader(http.StatusOK) },
		"knows both": prometheus2,
	} {
		t.Run(name, func(t *testing.T) {
			b := newBackend(t, accept)
			m := newRemoteManual(t, b, func(*RemoteWrite) {})
			m.shop.order("order", 0.05)
			m.shop.order("order", 2)
			m.pushNow()
			requests := b.taken()
			if name == "knows both" {
				if len(requests) != 1 || m.logged.Len() > 0 {
					t.Errorf("%d requests; %s", len(requests), m.logged)
				}
				return
			}
			if len(requests) != 2 {
				t.Fatalf("%d requests", len(requests))
			}
			got := map[string]stored{}
			store1(t, requests[1], got)
			if diff := gocmp.Diff(wantOrders(), got, ignoreCreated); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if sent, rejected, _, _ := m.outcomes(); sent != 8 || rejected != 0 {
				t.Errorf("%v sent, %v rejected", sent, rejected)
			}
			m.shop.close()
			m.pushNow()
			if requests = b.taken(); len(requests) != 1 {
				t.Fatalf("%d requests later", len(requests))
			}
			clear(got)
			store1(t, requests[0], got)
			checkEnds(t, got, 8)
		})
	}
}

func TestRemoteWriteSendsAgain(t *testing.T) {
	b := newBackend(t, prometheus2)
	m := newRemoteManual(t, b, func(*RemoteWrite) {})
	m.shop.order("order", 0.05)
	b.next(status(http.StatusServiceUnavailable), status(http.StatusTooManyRequests), status(http.StatusInternalServerError))
	m.pushNow()
	requests := b.taken()
	if len(requests) != 4 || requests[3].header.Get("Retry-Attempt") == "" {
		t.Fatalf("%d requests", len(requests))
	}
	if sent, rejected, dropped, retries := m.outcomes(); sent != 8 || rejected+dropped != 0 || retries != 3 {
		t.Errorf("%v sent, %v rejected, %v dropped, %v retries", sent, rejected, dropped, retries)
	}
}

// TestRemoteWriteIsRefused has the backend take part of a request, and then
// nothing. Neither is sent again, and the end of a series is not forgotten
// before it has been told.
func TestRemoteWriteIsRefused(t *testing.T) {
	b := newBackend(t, prometheus2)
	m := newRemoteManual(t, b, func(*RemoteWrite) {})
	m.shop.order("order", 0.05)
	b.next(status(http.StatusBadRequest, "X-Prometheus-Remote-Write-Samples-Written", "5"))
	m.pushNow()
	if sent, rejected, dropped, retries := m.outcomes(); sent != 5 || rejected != 3 || dropped+retries != 0 {
		t.Errorf("%v sent, %v rejected, %v dropped, %v retries", sent, rejected, dropped, retries)
	}
	if log := m.logged.String(); !strings.Contains(log, "400") || strings.Contains(log, "s3cret") || strings.Contains(log, b.URL) {
		t.Errorf("logged: %s", log)
	}
	m.shop.close()
	b.next(status(http.StatusServiceUnavailable, "Retry-After", "3600"))
	m.pushFor(100 * time.Millisecond)
	if sent, rejected, dropped, _ := m.outcomes(); sent != 5 || rejected != 3 || dropped != 8 {
		t.Errorf("%v sent, %v rejected, %v dropped", sent, rejected, dropped)
	}
	b.taken()
	m.pushNow()
	got := map[string]stored{}
	store2(t, b.taken()[0], got)
	checkEnds(t, got, 8)
	if !strings.Contains(m.logged.String(), "pushed again") {
		t.Errorf("logged: %s", m.logged)
	}
}

func TestRemoteWriteCutsLargePushes(t *testing.T) {
	b := newBackend(t, prometheus2)
	m := newRemoteManual(t, b, func(*RemoteWrite) {})
	for i := range 600 {
		m.shop.order("service-"+strconv.Itoa(i), 0.05)
	}
	m.pushNow()
	requests := b.taken()
	if len(requests) != 3 {
		t.Errorf("%d requests", len(requests))
	}
	got := map[string]stored{}
	for _, r := range requests {
		store2(t, r, got)
	}
	if len(got) != 600*8 {
		t.Errorf("%d series", len(got))
	}
}

func TestOwnLabelsAndTheEndpointAreLeftAlone(t *testing.T) {
	b := newBackend(t, prometheus2)
	m := newRemoteManual(t, b, func(c *RemoteWrite) {
		c.Labels = map[string]string{"service": "other", "zone": "b", "job": "", "Team": "x"}
	})
	m.shop.order("order", 0.05)
	m.pushNow()
	got := map[string]stored{}
	store2(t, b.taken()[0], got)
	if _, found := got["calls_total{Team=x,instance="+host()+",service=order,zone=b}"]; !found {
		t.Errorf("%v", slices.Collect(maps.Keys(got)))
	}
}

func TestNoBackend(t *testing.T) {
	b := newBackend(t, prometheus2)
	b.Close()
	m := newRemoteManual(t, b, func(*RemoteWrite) {})
	m.shop.order("order", 0.05)
	m.pushFor(100 * time.Millisecond)
	if _, _, dropped, _ := m.outcomes(); dropped != 8 {
		t.Errorf("%v dropped", dropped)
	}
	if log := m.logged.String(); strings.Contains(log, "api/v1") || !strings.Contains(log, "makes up for it") {
		t.Errorf("logged: %s", log)
	}
}
