package receive

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
)

// dial gives a connection of grpc-go's client.
func dial(t testing.TB, r *Receivers) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(r.GRPCAddr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestGRPCTakesEverySignal(t *testing.T) {
	j := memory.New(memory.Config{})
	r, _ := receivers(t, testConfig(), j)
	conn := dial(t, r)
	if _, err := coltrace.NewTraceServiceClient(conn).Export(t.Context(), traceRequest(3)); err != nil {
		t.Error(err)
	}
	if _, err := colmetrics.NewMetricsServiceClient(conn).Export(t.Context(), metricRequest(), grpc.UseCompressor(gzip.Name)); err != nil {
		t.Error(err)
	}
	if _, err := collogs.NewLogsServiceClient(conn).Export(t.Context(), logRequest()); err != nil {
		t.Error(err)
	}
	want := []proto.Message{traceRequest(3), metricRequest(), logRequest()}
	got := records(t, j)
	if len(got) != len(want) {
		t.Fatalf("journal has %d records, want %d", len(got), len(want))
	}
	for i, record := range got {
		stored := want[i].ProtoReflect().New().Interface()
		if err := proto.Unmarshal(record.Payload, stored); err != nil || !proto.Equal(stored, want[i]) {
			t.Errorf("record %d is %v, %v; want %v", i, stored, err, want[i])
		}
		if record.Signal != journal.Signal(i+1) || int(record.Items) != 3-i {
			t.Errorf("record %d is of %v with %d items", i, record.Signal, record.Items)
		}
	}
}

func TestGRPCTakesLargeMessages(t *testing.T) {
	j := memory.New(memory.Config{})
	r, _ := receivers(t, testConfig(), j)
	message := traceRequest(1)
	message.ResourceSpans[0].SchemaUrl = strings.Repeat("x", 20<<20)
	if _, err := coltrace.NewTraceServiceClient(dial(t, r)).Export(t.Context(), message); err != nil {
		t.Fatal(err)
	}
	if got := records(t, j); len(got) != 1 || len(got[0].Payload) < 20<<20 {
		t.Errorf("journal has %d records", len(got))
	}
}

func TestGRPCRefusals(t *testing.T) {
	closed := memory.New(memory.Config{})
	_ = closed.Close()
	small := func(cfg *Config) { cfg.MaxRequestBytes = minRequestBytes }
	tests := []struct {
		name      string
		journal   journal.Journal
		change    func(*Config)
		options   []grpc.CallOption
		code      codes.Code
		retryable bool
	}{
		{"full", fullJournal(t), nil, nil, codes.Unavailable, true},
		{"closed", closed, nil, nil, codes.Unavailable, true},
		{"failing disk", &fixedJournal{err: errDisk}, nil, nil, codes.Unavailable, true},
		{"too large for the journal", memory.New(memory.Config{MaxBytes: 300}), nil, nil, codes.ResourceExhausted, false},
		{"too large", &fixedJournal{}, small, nil, codes.ResourceExhausted, false},
		{"too large after gzip", &fixedJournal{}, small, []grpc.CallOption{grpc.UseCompressor(gzip.Name)}, codes.ResourceExhausted, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cfg := testConfig()
			if test.change != nil {
				test.change(&cfg)
			}
			r, _ := receivers(t, cfg, test.journal)
			_, err := coltrace.NewTraceServiceClient(dial(t, r)).Export(t.Context(), traceRequest(10), test.options...)
			got := status.Convert(err)
			if got.Code() != test.code || got.Message() == "" {
				t.Errorf("answer %v, want %v", got, test.code)
			}
			if retryable := retryDelay(got) > 0; retryable != test.retryable {
				t.Errorf("answer %v has RetryInfo: %v, want %v", got, retryable, test.retryable)
			}
		})
	}
}

func retryDelay(s *status.Status) time.Duration {
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.RetryDelay.AsDuration()
		}
	}
	return 0
}

func TestGRPCPartialSuccess(t *testing.T) {
	j := memory.New(memory.Config{})
	r, _ := receivers(t, testConfig(), j)
	message := traceRequest(5)
	message.ResourceSpans[0].ScopeSpans[0].Spans[2].TraceId = nil
	got, err := coltrace.NewTraceServiceClient(dial(t, r)).Export(t.Context(), message)
	if err != nil || got.GetPartialSuccess().GetRejectedSpans() != 1 || got.GetPartialSuccess().GetErrorMessage() == "" {
		t.Errorf("answer %v, %v", got, err)
	}
	if stored := records(t, j); len(stored) != 1 || stored[0].Items != 4 {
		t.Errorf("journal has %v, want a record of 4 spans", stored)
	}
}

func TestGRPCObeysTheDeadline(t *testing.T) {
	j := &stuckJournal{entered: make(chan struct{}, 1)}
	r, _ := receivers(t, testConfig(), j)
	_, got := call(t, r, traceMethod, bytes.NewReader(frame(0, encode(t, traceRequest(1)))), "Grpc-Timeout", "50m")
	if codes.Code(got.Code) != codes.DeadlineExceeded {
		t.Errorf("answer %v, want DeadlineExceeded", got)
	}
	select {
	case <-j.entered:
	default:
		t.Error("the deadline passed before the journal was asked")
	}
}

// stuckJournal never answers before its caller gives up.
type stuckJournal struct {
	journal.Journal

	entered chan struct{}
}

func (j *stuckJournal) Append(ctx context.Context, _ journal.Signal, _ uint32, _ []byte) (journal.Offset, error) {
	j.entered <- struct{}{}
	<-ctx.Done()
	return 0, ctx.Err()
}

// call speaks gRPC by hand: what grpc-go's client would never send.
// It returns the HTTP status and gRPC's.
func call(t testing.TB, r *Receivers, path string, body io.Reader, headers ...string) (int, *spb.Status) {
	t.Helper()
	return callAt(t, r.GRPCAddr(), path, body, headers...)
}

func callAt(t testing.TB, addr net.Addr, path string, body io.Reader, headers ...string) (int, *spb.Status) {
	t.Helper()
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Transport{Protocols: protocols}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr.String()+path, body)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.ReadAll(resp.Body); err != nil {
		t.Fatal(err)
	}
	head := resp.Header
	if head.Get("Grpc-Status") == "" {
		head = resp.Trailer
	}
	got := &spb.Status{Message: head.Get("Grpc-Message"), Code: -1}
	if code, err := strconv.Atoi(head.Get("Grpc-Status")); err == nil {
		got.Code = int32(code)
	}
	if details := head.Get("Grpc-Status-Details-Bin"); details != "" {
		raw, err := base64.RawStdEncoding.DecodeString(details)
		if err != nil {
			t.Fatal(err)
		}
		var detailed spb.Status
		if err := proto.Unmarshal(raw, &detailed); err != nil || detailed.Code != got.Code {
			t.Errorf("details %v, %v; want code %d", &detailed, err, got.Code)
		}
	}
	return resp.StatusCode, got
}

const traceMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// frameHeader is what precedes each message: a flag and a length.
const frameHeader = 5

// frame is a message as gRPC sends it.
func frame(flag byte, content []byte) []byte {
	out := binary.BigEndian.AppendUint32([]byte{flag}, uint32(len(content)))
	return append(out, content...)
}

func TestGRPCByHand(t *testing.T) {
	raw := encode(t, traceRequest(4))
	tests := []struct {
		name, path string
		body       []byte
		headers    []string
		code       codes.Code
	}{
		{"plain", traceMethod, frame(0, raw), nil, codes.OK},
		{"named subtype", traceMethod, frame(0, raw), []string{"Content-Type", "application/grpc+proto"}, codes.OK},
		{"nothing in it", traceMethod, frame(0, nil), nil, codes.OK},
		{"gzip", traceMethod, frame(1, gzipOf(t, raw)), []string{"Grpc-Encoding", "gzip"}, codes.OK},
		{"zstd", traceMethod, frame(1, zstdOf(t, raw)), []string{"Grpc-Encoding", "zstd"}, codes.OK},
		{"gzip announced, not used", traceMethod, frame(0, raw), []string{"Grpc-Encoding", "gzip"}, codes.OK},
		{"gzip used, not announced", traceMethod, frame(1, gzipOf(t, raw)), nil, codes.Internal},
		{"broken gzip", traceMethod, frame(1, raw), []string{"Grpc-Encoding", "gzip"}, codes.InvalidArgument},
		{"unknown compression", traceMethod, frame(1, raw), []string{"Grpc-Encoding", "snappy"}, codes.Unimplemented},
		{"unknown flag", traceMethod, frame(2, raw), nil, codes.Internal},
		{"no message", traceMethod, nil, nil, codes.Internal},
		{"half a header", traceMethod, []byte{0, 0}, nil, codes.Internal},
		{"two messages", traceMethod, append(frame(0, raw), frame(0, raw)...), nil, codes.Internal},
		{"half a message", traceMethod, frame(0, raw)[:100], nil, codes.Unavailable},
		{"garbage for protobuf", traceMethod, frame(0, []byte("hello")), nil, codes.InvalidArgument},
		{"a length of 4 GiB", traceMethod, []byte{0, 0xff, 0xff, 0xff, 0xff}, nil, codes.ResourceExhausted},
		{"unknown service", "/grpc.health.v1.Health/Check", frame(0, nil), nil, codes.Unimplemented},
		{"unknown method", traceMethod + "Twice", frame(0, raw), nil, codes.Unimplemented},
		{"a path that needs escapes", "/%25%C3%A4", frame(0, raw), nil, codes.Unimplemented},
		{"a timeout", traceMethod, frame(0, raw), []string{"Grpc-Timeout", "99999999H"}, codes.OK},
		{"a timeout that is over", traceMethod, frame(0, raw), []string{"Grpc-Timeout", "0n"}, codes.DeadlineExceeded},
		{"a malformed timeout", traceMethod, frame(0, raw), []string{"Grpc-Timeout", "soon"}, codes.Internal},
		{"a timeout without a unit", traceMethod, frame(0, raw), []string{"Grpc-Timeout", "7"}, codes.Internal},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			j := memory.New(memory.Config{})
			r, _ := receivers(t, testConfig(), j)
			httpStatus, got := call(t, r, test.path, bytes.NewReader(test.body), test.headers...)
			if httpStatus != http.StatusOK || codes.Code(got.Code) != test.code {
				t.Errorf("answer %d, %v; want %v", httpStatus, got, test.code)
			}
			wantStored := test.code == codes.OK && len(test.body) > frameHeader
			if stored := len(records(t, j)) > 0; stored != wantStored {
				t.Errorf("stored: %v, want %v", stored, wantStored)
			}
		})
	}
}

func TestGRPCRefusesOtherMediaTypes(t *testing.T) {
	r, _ := receivers(t, testConfig(), memory.New(memory.Config{}))
	for _, contentType := range []string{"application/json", "application/grpc-web", "application/grpc+json", ""} {
		got, _ := call(t, r, traceMethod, bytes.NewReader(nil), "Content-Type", contentType)
		if got != http.StatusUnsupportedMediaType {
			t.Errorf("%q: answer %d, want 415", contentType, got)
		}
	}
}

// A sender of OTLP over HTTP that has the wrong port learns so.
func TestGRPCTellsHTTP1(t *testing.T) {
	j := memory.New(memory.Config{})
	r, _ := receivers(t, testConfig(), j)
	for _, contentType := range []string{"application/x-protobuf", "application/json", "application/grpc"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.GRPCAddr().String()+"/v1/traces", bytes.NewReader(encode(t, traceRequest(1))))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", contentType)
		client := &http.Transport{}
		resp, err := client.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		client.CloseIdleConnections()
		if err != nil || resp.StatusCode != http.StatusUnsupportedMediaType || !strings.Contains(string(text), "4318") {
			t.Errorf("%s: answer %d, %q, %v; want 415 and the port", contentType, resp.StatusCode, text, err)
		}
	}
	if stored := len(records(t, j)); stored != 0 {
		t.Errorf("%d records, want none", stored)
	}
}
