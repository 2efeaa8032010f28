package receive

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
)

func TestExportersOfTheSDK(t *testing.T) {
	tests := map[string]func(ctx context.Context, r *Receivers) (sdktrace.SpanExporter, error){
		"grpc": func(ctx context.Context, r *Receivers) (sdktrace.SpanExporter, error) {
			return otlptracegrpc.New(ctx, otlptracegrpc.WithInsecure(), otlptracegrpc.WithEndpoint(r.GRPCAddr().String()))
		},
		"grpc, gzip": func(ctx context.Context, r *Receivers) (sdktrace.SpanExporter, error) {
			return otlptracegrpc.New(ctx, otlptracegrpc.WithInsecure(), otlptracegrpc.WithEndpoint(r.GRPCAddr().String()),
				otlptracegrpc.WithCompressor("gzip"))
		},
		"http": func(ctx context.Context, r *Receivers) (sdktrace.SpanExporter, error) {
			return otlptracehttp.New(ctx, otlptracehttp.WithInsecure(), otlptracehttp.WithEndpoint(r.HTTPAddr().String()))
		},
		"http, gzip": func(ctx context.Context, r *Receivers) (sdktrace.SpanExporter, error) {
			return otlptracehttp.New(ctx, otlptracehttp.WithInsecure(), otlptracehttp.WithEndpoint(r.HTTPAddr().String()),
				otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
		},
	}
	for name, exporter := range tests {
		t.Run(name, func(t *testing.T) {
			j := memory.New(memory.Config{})
			r, _ := receivers(t, testConfig(), j)
			e, err := exporter(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(e))
			_, span := provider.Tracer("test").Start(t.Context(), "checkout")
			want := span.SpanContext().TraceID()
			span.End()
			if err := provider.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			got := records(t, j)
			if len(got) != 1 || got[0].Signal != journal.Traces || got[0].Items != 1 {
				t.Fatalf("journal has %v, want one record of one span", got)
			}
			var request coltrace.ExportTraceServiceRequest
			if err := proto.Unmarshal(got[0].Payload, &request); err != nil {
				t.Fatal(err)
			}
			stored := request.ResourceSpans[0].ScopeSpans[0].Spans[0]
			if stored.Name != "checkout" || !slices.Equal(stored.TraceId, want[:]) {
				t.Errorf("stored span %v, want checkout of trace %v", stored, want)
			}
		})
	}
}

func TestListenersThatAreOff(t *testing.T) {
	cfg := testConfig()
	cfg.OTLP.GRPC.Address = Off
	r, _ := receivers(t, cfg, memory.New(memory.Config{}))
	if r.GRPCAddr() != nil || r.HTTPAddr() == nil {
		t.Errorf("addresses %v and %v, want none and one", r.GRPCAddr(), r.HTTPAddr())
	}
	cfg.OTLP.HTTP.Address = Off
	r, _ = receivers(t, cfg, memory.New(memory.Config{}))
	if r.GRPCAddr() != nil || r.HTTPAddr() != nil {
		t.Errorf("addresses %v and %v, want none", r.GRPCAddr(), r.HTTPAddr())
	}
}

func TestStartUndoesItselfWhenAPortIsTaken(t *testing.T) {
	taken, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	cfg := testConfig()
	cfg.OTLP.HTTP.Address = taken.Addr().String()
	reg := prometheus.NewRegistry()
	r, err := Start(t.Context(), cfg, memory.New(memory.Config{}), reg, testIntake(t, cfg, nil).logger)
	if err == nil {
		_ = r.Shutdown(t.Context())
		t.Fatal("Start succeeded on a port that is taken")
	}
	if !strings.HasPrefix(err.Error(), "receive.otlp.http.address: "+taken.Addr().String()+": ") {
		t.Errorf("error %v does not say which listener it is", err)
	}
}

func TestConfigNamesWhatIsWrong(t *testing.T) {
	cfg := Config{
		OTLP:            OTLPConfig{GRPC: ListenerConfig{Address: "nowhere"}, HTTP: ListenerConfig{Address: Off}},
		MaxRequestBytes: 64, MaxInflightBytes: 32,
	}
	err := cfg.Validate()
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{"otlp.grpc.address", "max_request_bytes", "max_inflight_bytes"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not name %s", err, want)
		}
	}
	if strings.Contains(err.Error(), "otlp.http") {
		t.Errorf("error %q blames a listener that is off", err)
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Errorf("the default is refused: %v", err)
	}
}

// TestShutdownWaitsForRequests: what has been sent is answered, and in the
// journal, before Shutdown returns.
func TestShutdownWaitsForRequests(t *testing.T) {
	j := &gatedJournal{Journal: memory.New(memory.Config{}), entered: make(chan struct{}), open: make(chan struct{})}
	reg := prometheus.NewRegistry()
	r, err := Start(t.Context(), testConfig(), j, reg, testIntake(t, testConfig(), nil).logger)
	if err != nil {
		t.Fatal(err)
	}
	status := make(chan int, 1)
	go func() {
		code, _, _ := post(t, r, "/v1/traces", protobufType, encode(t, traceRequest(1)))
		status <- code
	}()
	<-j.entered
	stopped := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		stopped <- r.Shutdown(ctx)
	}()
	waitUntil(t, "the listener is closed", func() bool {
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", r.HTTPAddr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	select {
	case err := <-stopped:
		t.Fatalf("Shutdown returned %v while a request was in progress", err)
	default:
	}
	close(j.open)
	if got := <-status; got != 200 {
		t.Errorf("the request in progress was answered %d, want 200", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	if got := records(t, j.Journal); len(got) != 1 {
		t.Errorf("journal has %d records, want 1", len(got))
	}
}

// gatedJournal holds Append until it is opened.
type gatedJournal struct {
	journal.Journal

	entered, open chan struct{}
}

func (j *gatedJournal) Append(ctx context.Context, signal journal.Signal, items uint32, payload []byte) (journal.Offset, error) {
	j.entered <- struct{}{}
	<-j.open
	return j.Journal.Append(ctx, signal, items, payload)
}

// waitUntil polls; there is nothing to be told by.
func waitUntil(t *testing.T, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting until %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
