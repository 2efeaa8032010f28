package derive

import (
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/waybill-dev/waybill/collector/journal"
)

var update = flag.Bool("update", false, "write the expositions in testdata anew")

const protobuf = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

// expose is what a scrape of s gets, through the handler that Start serves.
func expose(t *testing.T, s *scan, accept string) (string, http.Header) {
	t.Helper()
	reg := prometheus.NewRegistry()
	if err := s.register(reg); err != nil {
		t.Fatal(err)
	}
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil)
	request.Header.Set("Accept", accept)
	answer := httptest.NewRecorder()
	exposition(reg, slog.New(slog.DiscardHandler)).ServeHTTP(answer, request)
	if answer.Code != http.StatusOK {
		t.Fatalf("a scrape is answered %d: %s", answer.Code, answer.Body)
	}
	return answer.Body.String(), answer.Header()
}

// families decodes a scrape in protobuf, by name.
func families(t *testing.T, s *scan) map[string]*dto.MetricFamily {
	t.Helper()
	body, header := expose(t, s, protobuf)
	decoder := expfmt.NewDecoder(strings.NewReader(body), expfmt.ResponseFormat(header))
	found := map[string]*dto.MetricFamily{}
	for {
		family := &dto.MetricFamily{}
		if err := decoder.Decode(family); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		found[family.GetName()] = family
	}
}

// smallLoad has one request of each kind.
func smallLoad(t testing.TB) []journal.Record {
	return []journal.Record{
		arrived(t, 0, "gateway",
			make1(serverKind, at(1, 0), took(80), attr("http.route", "/orders")),
			make1(clientKind, at(2, 1), took(70), tracestate("ot=th:8"))),
		arrived(t, 0, "order",
			make1(serverKind, at(3, 2), took(60), failed, tracestate("ot=th:8")),
			make1(clientKind, at(4, 3), took(2), attr("db.system.name", "sqlite")),
			make1(producerKind, at(5, 3), took(1)),
			make1(clientKind, at(6, 3), took(300), attr("server.address", "api.bank"))),
		arrived(t, 0, "mail", make1(consumerKind, at(7, 0), took(700), linked("", 5))),
		arrived(t, DefaultConfig().Graph.Wait, "mail"),
	}
}

func TestExpositionIsGolden(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"default": func(*Config) {},
		"grafana": func(c *Config) {
			c.Names, c.Dimensions, c.Buckets, c.AdjustCounts = NamesGrafana, []string{"http.route"}, []float64{0.01, 0.1, 1.5}, false
			c.Exclude = []Rule{{Kind: "producer"}, {Kind: "consumer"}}
			c.Graph.PeerAttributes = []string{"db.system.name"}
		},
		"without graph": func(c *Config) { c.Graph.Enabled, c.Buckets = false, nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := newTestGraph(change)
			s.count(noon, smallLoad(t))
			// Nothing is to expire, though noon is long ago.
			s.red.table.expiry = 0
			if s.graph != nil {
				s.graph.edges.expiry = 0
			}
			got, _ := expose(t, s, text)
			file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("go test -run Golden -update, if this is right:\n%s", diff)
			}
		})
	}
}

func TestNativeHistogramsAreOptional(t *testing.T) {
	for _, native := range []bool{true, false} {
		s := newTestGraph(func(c *Config) { c.NativeHistograms, c.ExpireAfter = native, 0 })
		s.count(noon, smallLoad(t))
		found := families(t, s)
		for _, name := range []string{
			"traces_span_metrics_duration_seconds", "traces_service_graph_request_server_seconds", "traces_service_graph_request_client_seconds",
		} {
			for _, m := range found[name].GetMetric() {
				h := m.GetHistogram()
				if (len(h.GetPositiveSpan()) > 0) != native || (h.Schema != nil) != native || len(h.GetBucket()) != 14 {
					t.Errorf("native %v: %s has %v", native, name, h)
				}
			}
		}
	}
}

// TestBrokenSeriesFailsAlone has series that the registry refuses: one with a
// label that is no UTF-8, one that is there twice, one without a name.
func TestBrokenSeriesFailsAlone(t *testing.T) {
	s := newTestGraph(func(c *Config) { c.ExpireAfter = 0 })
	s.count(noon, smallLoad(t))
	whole := families(t, s)
	for k, series := range s.red.table.series {
		switch {
		case k.service != "gateway":
		case k.kind == uint8(serverKind):
			series.labels[0].Value = new("\xff")
		default:
			series.labels[0].Name = new("")
		}
	}
	twice := *s.graph.edges.edges[edgeKey{"order", "sqlite", database}]
	twice.created = timestamppb.New(noon)
	s.graph.edges.edges[edgeKey{"twice", "", database}] = &twice

	for _, accept := range []string{text, protobuf, "text/plain"} {
		body, _ := expose(t, s, accept)
		for _, service := range []string{"order", "mail", "sqlite", "api.bank"} {
			if !strings.Contains(body, service) {
				t.Errorf("%s: %s is gone", accept, service)
			}
		}
	}
	broken := families(t, s)
	for name, family := range whole {
		want := len(family.GetMetric())
		if strings.HasPrefix(name, "traces_span_metrics") {
			want -= 2
		}
		if got := len(broken[name].GetMetric()); got != want {
			t.Errorf("%s has %d series, want %d", name, got, want)
		}
	}
}

// TestExpiredSeriesVanish: absence makes a series stale.
func TestExpiredSeriesVanish(t *testing.T) {
	s := newTestGraph(func(*Config) {})
	s.count(noon, smallLoad(t)) // Not within the last quarter of an hour.
	if found := families(t, s); len(found) != 0 {
		t.Errorf("%v", found)
	}
}
