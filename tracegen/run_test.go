package tracegen

import (
	"bytes"
	"context"
	"io"
	"net"
	nethttp "net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// receiver counts the spans that it has taken, by trace.
type receiver struct {
	collector.UnimplementedTraceServiceServer
	mu     sync.Mutex
	spans  int
	traces map[string]int
	// refuse answers a request instead; it gets the number of the request.
	refuse func(n int64) error
	n      atomic.Int64
	// header and size are told what came.
	header func(authorization []string)
	size   func(bytes int)
}

func (r *receiver) Export(ctx context.Context, request *collector.ExportTraceServiceRequest) (*collector.ExportTraceServiceResponse, error) {
	if md, _ := metadata.FromIncomingContext(ctx); r.header != nil {
		r.header(md.Get("authorization"))
	}
	if r.size != nil {
		r.size(proto.Size(request))
	}
	if n := r.n.Add(1); r.refuse != nil {
		if err := r.refuse(n); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.traces == nil {
		r.traces = map[string]int{}
	}
	for _, rs := range request.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			for _, s := range ss.GetSpans() {
				r.spans++
				r.traces[string(s.GetTraceId())]++
			}
		}
	}
	return &collector.ExportTraceServiceResponse{}, nil
}

// overGRPC serves the receiver and returns its address.
func overGRPC(t *testing.T, r *receiver) string {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	collector.RegisterTraceServiceServer(server, r)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener)
	}()
	t.Cleanup(func() { server.Stop(); <-done })
	return listener.Addr().String()
}

// overHTTP serves the receiver and returns its URL; answer may answer instead.
func overHTTP(t *testing.T, r *receiver, answer func(nethttp.ResponseWriter) bool) string {
	t.Helper()
	server := httptest.NewServer(nethttp.HandlerFunc(func(w nethttp.ResponseWriter, req *nethttp.Request) {
		if req.URL.Path != "/v1/traces" || req.Header.Get("Content-Type") != "application/x-protobuf" {
			t.Errorf("%s %s of %s", req.Method, req.URL, req.Header.Get("Content-Type"))
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			t.Error(err)
		}
		var request collector.ExportTraceServiceRequest
		if err := proto.Unmarshal(body, &request); err != nil {
			t.Error(err)
		}
		if answer != nil && answer(w) {
			return
		}
		_, _ = r.Export(req.Context(), &request)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func config(protocol Protocol, endpoint string) Config {
	cfg := DefaultConfig()
	cfg.Protocol, cfg.Endpoint = protocol, endpoint
	cfg.Rate, cfg.Duration, cfg.Traces = 0, 0, 300
	return cfg
}

func TestEveryTraceArrivesAndIsCounted(t *testing.T) {
	for _, protocol := range []Protocol{HTTP, GRPC} {
		t.Run(string(protocol), func(t *testing.T) {
			r := &receiver{}
			endpoint := ""
			if protocol == GRPC {
				endpoint = overGRPC(t, r)
			} else {
				endpoint = overHTTP(t, r, nil)
			}
			report, err := Run(t.Context(), config(protocol, endpoint), nil)
			if err != nil {
				t.Fatal(err)
			}
			if !report.Complete() || report.Acknowledged.Traces != 300 || report.Acknowledged.Spans != uint64(r.spans) || len(r.traces) != 300 {
				t.Errorf("report = %+v; %d spans of %d traces arrived", report, r.spans, len(r.traces))
			}
		})
	}
}

func TestARefusedRequestIsSentAgain(t *testing.T) {
	r := &receiver{refuse: func(n int64) error {
		if n%3 != 0 {
			return nil
		}
		s, _ := status.New(codes.ResourceExhausted, "full").WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(time.Millisecond)})
		return s.Err()
	}}
	report, err := Run(t.Context(), config(GRPC, overGRPC(t, r)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Complete() || report.Retries == 0 || report.Acknowledged.Spans != uint64(r.spans) {
		t.Errorf("report = %+v; %d spans arrived", report, r.spans)
	}
}

func TestWhatIsRefusedForGoodHasFailed(t *testing.T) {
	r := &receiver{refuse: func(n int64) error {
		if n == 2 {
			return status.Error(codes.InvalidArgument, "malformed")
		}
		return nil
	}}
	report, err := Run(t.Context(), config(GRPC, overGRPC(t, r)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.Failed.Requests != 1 || report.Retries != 0 || report.Failed.Spans+uint64(r.spans) != report.Made.Spans {
		t.Errorf("report = %+v; %d spans arrived", report, r.spans)
	}
	if len(report.Errors) != 1 || !strings.Contains(report.Errors[0], "malformed") {
		t.Errorf("errors = %q", report.Errors)
	}
}

func TestRejectedSpansAreTold(t *testing.T) {
	response, err := proto.Marshal(&collector.ExportTraceServiceResponse{
		PartialSuccess: &collector.ExportTracePartialSuccess{RejectedSpans: 3, ErrorMessage: "too old"},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(HTTP, overHTTP(t, &receiver{}, func(w nethttp.ResponseWriter) bool {
		_, _ = w.Write(response)
		return true
	}))
	cfg.Traces, cfg.Batch = 10, 10
	report, err := Run(t.Context(), cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if report.Rejected.Spans != 3*report.Made.Requests || report.Acknowledged.Spans+report.Rejected.Spans != report.Made.Spans || report.Complete() {
		t.Errorf("report = %+v", report)
	}
}

func TestNobodyListens(t *testing.T) {
	for _, protocol := range []Protocol{HTTP, GRPC} {
		cfg := config(protocol, map[Protocol]string{HTTP: "http://127.0.0.1:1", GRPC: "127.0.0.1:1"}[protocol])
		cfg.Traces, cfg.Batch, cfg.Timeout = 2, 1, 200*time.Millisecond
		report, err := Run(t.Context(), cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		if report.Failed.Traces != 2 || report.Made != report.Failed || len(report.Errors) == 0 {
			t.Errorf("%s: report = %+v", protocol, report)
		}
	}
}

func TestAnEndedRunWaitsForWhatIsUnderWay(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := &receiver{refuse: func(n int64) error {
		if n == 5 {
			cancel()
		}
		return nil
	}}
	cfg := config(GRPC, overGRPC(t, r))
	cfg.Traces = 1_000_000
	report, err := Run(ctx, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Complete() || report.Made.Traces >= 1_000_000 || report.Acknowledged.Spans != uint64(r.spans) {
		t.Errorf("report = %+v; %d spans arrived", report, r.spans)
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"protocol":        func(c *Config) { c.Protocol = "kafka" },
		"rate":            func(c *Config) { c.Rate = -1 },
		"duration":        func(c *Config) { c.Duration = -1 },
		"never end":       func(c *Config) { c.Traces, c.Duration = 0, 0 },
		"workers":         func(c *Config) { c.Workers = 0 },
		"batch":           func(c *Config) { c.Batch = 0 },
		"timeout":         func(c *Config) { c.Timeout = 0 },
		"unit":            func(c *Config) { c.Unit = "ounces" },
		"zigzag":          func(c *Config) { c.Rate, c.Pace = 1, "zigzag" },
		"Poisson":         func(c *Config) { c.Poisson = true },
		"in flight":       func(c *Config) { c.InFlight = 5000 },
		"open or closed":  func(c *Config) { c.InFlight, c.Rate = 5, 5 },
		"endpoint \"no\"": func(c *Config) { c.Endpoint = "no" },
		"routing":         func(c *Config) { c.Routing = "anywhere" },
		"compression":     func(c *Config) { c.Compression = "brotli" },
		"connections":     func(c *Config) { c.Connections = -1 },
		"targets":         func(c *Config) { c.Others = make([]string, 64) },
		"header \"a b\"":  func(c *Config) { c.Headers = map[string]Secret{"a b": "x"} },
		"header \"a\"":    func(c *Config) { c.Headers = map[string]Secret{"a": "x\n"} },
	} {
		cfg := config(HTTP, "http://127.0.0.1:1")
		change(&cfg)
		if _, err := Run(t.Context(), cfg, nil); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: error = %v", name, err)
		}
	}
}

// A seed makes the same bytes again; without an epoch, all but the times.
func TestASeedMakesTheSameBytes(t *testing.T) {
	capture := func(seed uint64) []byte {
		var sent bytes.Buffer
		server := httptest.NewServer(nethttp.HandlerFunc(func(_ nethttp.ResponseWriter, req *nethttp.Request) {
			_, _ = io.Copy(&sent, req.Body)
		}))
		defer server.Close()
		cfg := config(HTTP, server.URL)
		cfg.Workers, cfg.Seed, cfg.Epoch = 1, seed, time.Unix(1_800_000_000, 0)
		if report, err := Run(t.Context(), cfg, nil); err != nil || !report.Complete() {
			t.Fatalf("report = %+v, %v", report, err)
		}
		return sent.Bytes()
	}
	first, again, other := capture(3), capture(3), capture(4)
	if len(first) == 0 || !bytes.Equal(first, again) {
		t.Errorf("%d bytes, then %d others", len(first), len(again))
	}
	if bytes.Equal(first, other) {
		t.Error("another seed makes the same bytes")
	}
}

// A closed loop has as many requests under way as it is told, and no more.
func TestClosedLoop(t *testing.T) {
	const inFlight = 6
	var now, most atomic.Int64
	full := make(chan struct{})
	r := &receiver{refuse: func(int64) error {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
			if n == inFlight {
				close(full)
			}
		}
		defer now.Add(-1)
		select {
		case <-full:
		case <-time.After(20 * time.Second):
		}
		return nil
	}}
	cfg := config(GRPC, overGRPC(t, r))
	cfg.InFlight, cfg.Batch = inFlight, 1
	report, err := Run(t.Context(), cfg, nil)
	if err != nil || !report.Complete() || report.Acknowledged.Traces != 300 {
		t.Fatalf("report = %+v, %v", report, err)
	}
	if most.Load() != inFlight {
		t.Errorf("%d requests were under way at once, want %d", most.Load(), inFlight)
	}
}

// A receiver that stalls is not waited for: what came due meanwhile is late,
// and the report says by how much.
func TestLatenessIsTold(t *testing.T) {
	const stall = 300 * time.Millisecond
	r := &receiver{refuse: func(n int64) error {
		if n == 1 {
			time.Sleep(stall)
		}
		return nil
	}}
	cfg := config(GRPC, overGRPC(t, r))
	cfg.Rate, cfg.Workers, cfg.Traces = 200, 1, 80
	report, err := Run(t.Context(), cfg, nil)
	if err != nil || !report.Complete() {
		t.Fatalf("report = %+v, %v", report, err)
	}
	if report.Late.Max < stall/2 || report.Max < stall || report.Elapsed < 79*5*time.Millisecond {
		t.Errorf("late = %+v, max = %v after %v", report.Late, report.Max, report.Elapsed)
	}
}

func TestUnits(t *testing.T) {
	for unit, of := range map[Unit]func(Amount) uint64{Spans: func(a Amount) uint64 { return a.Spans }, Bytes: func(a Amount) uint64 { return a.Bytes }} {
		cfg := config(GRPC, overGRPC(t, &receiver{}))
		cfg.Unit, cfg.Traces, cfg.Duration = unit, 0, time.Second
		cfg.Workers, cfg.Batch = 1, 5 // What is under way at the end weighs what it does.
		cfg.Rate = map[Unit]float64{Spans: 5_000, Bytes: 2e6}[unit]
		report, err := Run(t.Context(), cfg, nil)
		if err != nil || !report.Complete() {
			t.Fatalf("report = %+v, %v", report, err)
		}
		if got := float64(of(report.Made)); got < 0.98*cfg.Rate || got > 1.02*cfg.Rate {
			t.Errorf("%v %s were made in a second, want %v", got, unit, cfg.Rate)
		}
	}
}
