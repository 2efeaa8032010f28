package exporttest

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// NewGRPC starts a backend that is spoken to with gRPC; it ends with the test.
// Its requests have the paths that they would have over HTTP.
func NewGRPC(t testing.TB, options ...grpc.ServerOption) *Backend {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := newBackend()
	b.url = listener.Addr().String()
	server := grpc.NewServer(append(options,
		grpc.ForceServerCodecV2(codec{}),
		grpc.StatsHandler(encodings{}),
		grpc.UnknownServiceHandler(b.serveCall))...)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("gRPC backend: %v", err)
		}
	})
	return b
}

func (b *Backend) serveCall(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	request := Request{Path: pathOf(method), Header: http.Header{}}
	received, _ := metadata.FromIncomingContext(stream.Context())
	for name, values := range received {
		for _, value := range values {
			request.Header.Add(name, value)
		}
	}
	if encoding, ok := stream.Context().Value(encodingKey{}).(*string); ok && *encoding != "" {
		request.Header.Set("Grpc-Encoding", *encoding)
	}
	if err := stream.RecvMsg(&request.Body); err != nil {
		return err
	}
	a := b.answer(request)
	switch {
	case a.HangUp:
		return status.Error(codes.Unavailable, "hung up")
	case a.GRPC != nil:
		return a.GRPC.Err()
	}
	return stream.SendMsg(&a.Body)
}

// pathOf is "/v1/traces" for "/opentelemetry.proto.collector.trace.v1.TraceService/Export".
func pathOf(method string) string {
	rest, found := strings.CutPrefix(method, "/opentelemetry.proto.collector.")
	signal, service, _ := strings.Cut(rest, ".v1.")
	name, _, _ := strings.Cut(service, "Service/Export")
	if !found || !strings.EqualFold(name, signal) {
		return method
	}
	if signal == "trace" {
		signal = "traces"
	}
	return "/v1/" + signal
}

// encodings implements stats.Handler. It finds the one header that handlers
// are not shown.
type encodings struct{}

type encodingKey struct{}

func (encodings) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, encodingKey{}, new(string))
}

func (encodings) HandleRPC(ctx context.Context, event stats.RPCStats) {
	header, isHeader := event.(*stats.InHeader)
	if encoding, ok := ctx.Value(encodingKey{}).(*string); ok && isHeader {
		*encoding = header.Compression
	}
}

func (encodings) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

func (encodings) HandleConn(context.Context, stats.ConnStats) {}

// codec hands messages over as they are.
type codec struct{}

func (codec) Name() string { return "proto" }

func (codec) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// Encoding has a server take that compression, "gzip" or "zstd", and no other,
// and compress its answers likewise. A table of grpc-go would do it for the
// whole process, and so for those who are tested, too.
func Encoding(name string) []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.RPCDecompressor(decompressor(name)), //nolint:staticcheck // See above.
		grpc.RPCCompressor(compressor(name)),     //nolint:staticcheck // See above.
	}
}

// compressor implements grpc.Compressor.
type compressor string

func (c compressor) Type() string { return string(c) }

func (c compressor) Do(w io.Writer, p []byte) error {
	var z io.WriteCloser = gzip.NewWriter(w)
	if c == "zstd" {
		var err error
		if z, err = zstd.NewWriter(w); err != nil {
			return err
		}
	}
	if _, err := z.Write(p); err != nil {
		return err
	}
	return z.Close()
}

// decompressor implements grpc.Decompressor.
type decompressor string

func (d decompressor) Type() string { return string(d) }

func (d decompressor) Do(r io.Reader) ([]byte, error) { return decompress(r, string(d)) }
