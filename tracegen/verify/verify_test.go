package verify_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/collector"
	"github.com/waybill-dev/waybill/tracegen"
	"github.com/waybill-dev/waybill/tracegen/sink"
	"github.com/waybill-dev/waybill/tracegen/verify"
	"github.com/waybill-dev/waybill/viewer"
)

func startSink(t *testing.T, drop float64) *sink.Sink {
	t.Helper()
	s, err := sink.Start(t.Context(), sink.Config{GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0", Drop: drop})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// send has tracegen send traces, and returns the record.
func send(t *testing.T, traces uint64, change func(*tracegen.Config)) tracegen.Record {
	t.Helper()
	cfg := tracegen.DefaultConfig()
	cfg.Rate, cfg.Duration, cfg.Traces, cfg.Seed = 0, 0, traces, 11
	change(&cfg)
	report, err := tracegen.Run(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	record, err := tracegen.NewRecord(cfg, report)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	if err := record.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	read, err := tracegen.ReadRecord(strings.NewReader(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func ask(t *testing.T, url string, wait time.Duration, record tracegen.Record) verify.Result {
	t.Helper()
	cfg := verify.DefaultConfig()
	cfg.URL, cfg.Wait = url, wait
	result, err := verify.Run(t.Context(), cfg, record)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestAllArrives(t *testing.T) {
	for _, protocol := range []tracegen.Protocol{tracegen.HTTP, tracegen.GRPC} {
		s := startSink(t, 0)
		record := send(t, 150, func(c *tracegen.Config) {
			c.Protocol, c.Endpoint = protocol, "http://"+s.HTTP().String()
			if protocol == tracegen.GRPC {
				c.Endpoint = s.GRPC().String()
			}
		})
		result := ask(t, "http://"+s.HTTP().String(), time.Second, record)
		counts := s.Counts()
		if !result.Good() || result.Asked != 150 || len(result.Examples) > 0 {
			t.Errorf("%s: result = %+v", protocol, result)
		}
		if counts.Traces != 150 || counts.Spans != record.Made.Spans || counts.Duplicates != 0 || counts.Requests != record.Made.Requests {
			t.Errorf("%s: counts = %+v, made %+v", protocol, counts, record.Made)
		}
	}
}

// A sink that loses one span in a hundred is found out, to the span.
func TestWhatIsDroppedIsMissed(t *testing.T) {
	s := startSink(t, 0.01)
	record := send(t, 300, func(c *tracegen.Config) { c.Endpoint = "http://" + s.HTTP().String() })
	result := ask(t, "http://"+s.HTTP().String(), 0, record)
	dropped := s.Counts().Dropped
	if dropped == 0 || result.MissingSpans != dropped || result.Whole+result.Incomplete+result.Missing != 300 || result.Incomplete == 0 {
		t.Errorf("dropped %d; result = %+v", dropped, result)
	}
	if result.Good() || len(result.Examples) == 0 || !strings.Contains(result.Examples[0], "lacks") {
		t.Errorf("examples = %q", result.Examples)
	}
}

// A sink is asked for log records and points, too; others cannot be.
func TestLogsAndMetricsAreCounted(t *testing.T) {
	for _, protocol := range []tracegen.Protocol{tracegen.HTTP, tracegen.GRPC} {
		s := startSink(t, 0)
		record := send(t, 60, func(c *tracegen.Config) {
			c.Protocol, c.Endpoint, c.Logs, c.Metrics = protocol, "http://"+s.HTTP().String(), true, true
			if protocol == tracegen.GRPC {
				c.Endpoint = s.GRPC().String()
			}
		})
		result := ask(t, "http://"+s.HTTP().String(), time.Second, record)
		counts := s.Counts()
		if !result.Good() || result.Logs.Sent < 30 || result.Points.Sent < 10 || counts.Logs != result.Logs.There || counts.Points != record.Points.Made {
			t.Errorf("%s: result = %+v, counts = %+v", protocol, result, counts)
		}
		record.Logs.Acknowledged++
		if result := ask(t, "http://"+s.HTTP().String(), 0, record); result.Good() || result.Logs.Missing() != 1 {
			t.Errorf("%s: one is missing: %+v", protocol, result)
		}
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, "/api/traces/") {
				http.Redirect(w, r, "http://"+s.HTTP().String()+r.URL.Path, http.StatusTemporaryRedirect)
				return
			}
			http.NotFound(w, r)
		}))
		if result := ask(t, other.URL, 0, record); !result.Good() || !result.Logs.Unknown {
			t.Errorf("%s: nobody can be asked: %+v", protocol, result)
		}
		other.Close()
	}
}

// Our collector takes all three signals in, in protobuf and in JSON.
func TestThroughCollectorAllSignals(t *testing.T) {
	viewerURL, endpoints := throughCollector(t)
	for _, protocol := range []tracegen.Protocol{tracegen.HTTP, tracegen.HTTPJSON, tracegen.GRPC} {
		record := send(t, 30, func(c *tracegen.Config) {
			c.Protocol, c.Endpoint, c.Logs, c.Metrics, c.Seed = protocol, endpoints[protocol], true, true, 900+uint64(len(protocol))
		})
		if !record.Complete || record.Logs.Acknowledged == 0 || record.Points.Acknowledged == 0 {
			t.Errorf("%s: logs = %+v, points = %+v, refusals = %+v", protocol, record.Logs, record.Points, record.Refusals)
		}
		if result := ask(t, viewerURL, 30*time.Second, record); !result.Good() {
			t.Errorf("%s: result = %+v", protocol, result)
		}
	}
}

func TestWhatComesTwiceIsTold(t *testing.T) {
	s := startSink(t, 0)
	to := func(c *tracegen.Config) { c.Endpoint = "http://" + s.HTTP().String() }
	record := send(t, 50, to)
	send(t, 20, to) // the same seed: the first twenty again
	result := ask(t, "http://"+s.HTTP().String(), 0, record)
	if result.Duplicate != 20 || result.Whole != 30 || result.DuplicateSpans != s.Counts().Duplicates {
		t.Errorf("result = %+v; counts = %+v", result, s.Counts())
	}
}

// Spans that are there under the right ids, but are of another topology, are
// altered; a run that never was is missing.
func TestWhatIsOtherwiseIsTold(t *testing.T) {
	s := startSink(t, 0)
	record := send(t, 30, func(c *tracegen.Config) { c.Endpoint = "http://" + s.HTTP().String() })
	altered := record
	altered.Source = strings.ReplaceAll(record.Source, "SELECT users", "SELECT people")
	result := ask(t, "http://"+s.HTTP().String(), 0, altered)
	if result.Altered == 0 || result.Altered != result.AlteredSpans || result.Whole+result.Altered != 30 {
		t.Errorf("altered: result = %+v", result)
	}
	never := record
	never.Seed++
	if result := ask(t, "http://"+s.HTTP().String(), 0, never); result.Missing != 30 || !strings.Contains(result.Examples[0], "is missing") {
		t.Errorf("never sent: result = %+v", result)
	}
}

// What is on its way is waited for: the back end has nothing at first.
func TestWhatIsOnItsWayIsWaitedFor(t *testing.T) {
	s := startSink(t, 0)
	record := send(t, 20, func(c *tracegen.Config) { c.Endpoint = "http://" + s.HTTP().String() })
	asked := make(chan struct{}, 1000)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		switch {
		case len(asked) <= 20:
			http.NotFound(w, r)
		case len(asked) <= 30:
			http.Error(w, "not yet", http.StatusServiceUnavailable)
		default:
			http.Redirect(w, r, "http://"+s.HTTP().String()+r.URL.Path, http.StatusTemporaryRedirect)
		}
	}))
	defer backend.Close()
	if result := ask(t, backend.URL, 20*time.Second, record); !result.Good() || result.Asked != 20 {
		t.Errorf("result = %+v", result)
	}
}

func TestNobodyCanBeAsked(t *testing.T) {
	s := startSink(t, 0)
	record := send(t, 2, func(c *tracegen.Config) { c.Endpoint = "http://" + s.HTTP().String() })
	cfg := verify.DefaultConfig()
	cfg.URL, cfg.Wait = "http://127.0.0.1:1", 50*time.Millisecond
	if _, err := verify.Run(t.Context(), cfg, record); err == nil {
		t.Error("no error where nobody listens")
	}
	for _, url := range []string{"jaeger:16686", "ftp://jaeger", ""} {
		cfg.URL = url
		if _, err := verify.Run(t.Context(), cfg, record); err == nil || !strings.Contains(err.Error(), "want a URL") {
			t.Errorf("%q: error = %v", url, err)
		}
	}
}

// What was not acknowledged is not asked for, and a sample is spread evenly.
func TestSamplesAndWhatIsUnsure(t *testing.T) {
	s := startSink(t, 0)
	record := send(t, 100, func(c *tracegen.Config) { c.Endpoint = "http://" + s.HTTP().String() })
	record.Lost = []tracegen.Range{{First: 0, N: 10}}
	record.Partial = []tracegen.Range{{First: 95, N: 5}}
	cfg := verify.DefaultConfig()
	cfg.URL, cfg.Wait, cfg.Sample = "http://"+s.HTTP().String(), 0, 20
	result, err := verify.Run(t.Context(), cfg, record)
	if err != nil || result.Asked != 17 || result.Unsure != 3 || !result.Good() {
		t.Errorf("result = %+v, %v", result, err)
	}
}

// throughCollector starts our collector, and our viewer on its journal. It
// returns where the viewer is, and where each protocol goes.
func throughCollector(t *testing.T) (viewerURL string, endpoints map[tracegen.Protocol]string) {
	t.Helper()
	logger := slog.New(slog.DiscardHandler)
	cfg := collector.DefaultConfig()
	in := &cfg.Receive
	in.OTLP.GRPC.Address, in.OTLP.HTTP.Address, in.Zipkin.Address = "127.0.0.1:0", "127.0.0.1:0", freeAddress(t)
	in.Jaeger.ThriftHTTP.Address = freeAddress(t)
	in.Jaeger.ThriftCompact.Address, in.Jaeger.ThriftBinary.Address = "off", "off"
	in.Loki.Address, in.Jaeger.GRPC.Address, in.Jaeger.Sampling.Address = "off", "off", "off"
	cfg.Derive.Address, cfg.Admin.Address = "127.0.0.1:0", "127.0.0.1:0"
	cfg.Journal.Dir = t.TempDir()
	c, err := collector.Start(t.Context(), cfg, logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, c.Shutdown) })
	look := viewer.DefaultConfig()
	look.Address = "127.0.0.1:0"
	v, err := viewer.Start(t.Context(), look, c.Journal(), logger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, v.Shutdown) })
	overHTTP := "http://" + c.OTLPHTTP().String()
	return "http://" + v.Addr().String(), map[tracegen.Protocol]string{
		tracegen.HTTP: overHTTP, tracegen.HTTPJSON: overHTTP, tracegen.GRPC: c.OTLPGRPC().String(),
		tracegen.Jaeger: "http://" + in.Jaeger.ThriftHTTP.Address, tracegen.Zipkin: "http://" + in.Zipkin.Address,
	}
}

// freeAddress is one that nobody listens at.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	return listener.Addr().String()
}

// The whole way: our collector takes the traces in, by every protocol and with
// every compression, and our viewer has them.
func TestThroughCollectorAndViewer(t *testing.T) {
	viewerURL, endpoints := throughCollector(t)
	seed := uint64(100)
	for _, protocol := range tracegen.Protocols() {
		for _, compression := range []tracegen.Compression{tracegen.NoCompression, tracegen.Gzip, tracegen.Zstd} {
			t.Run(string(protocol)+" "+string(compression), func(t *testing.T) {
				seed++
				record := send(t, 40, func(c *tracegen.Config) {
					c.Protocol, c.Endpoint, c.Compression, c.Connections, c.Seed = protocol, endpoints[protocol], compression, 3, seed
				})
				if result := ask(t, viewerURL, 30*time.Second, record); !result.Good() || result.Asked != 40 {
					t.Errorf("result = %+v, refusals = %+v", result, record.Refusals)
				}
			})
		}
	}
}

func stop(t *testing.T, shutdown func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	if err := shutdown(ctx); err != nil {
		t.Error(err)
	}
}
