package export

import (
	"bytes"
	"context"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/collector/journal"
)

// reconnectEvery bounds the time between two attempts to connect, so that a
// backend that is back is found within it.
const reconnectEvery = time.Second

// grpcClient calls the Export method of one signal. It has one connection,
// which is made with the first call.
type grpcClient struct {
	conn    *grpc.ClientConn
	method  string
	header  metadata.MD
	timeout time.Duration
	body    *body
}

func newGRPCClient(d Destination, signal journal.Signal) (*grpcClient, error) {
	transport := insecure.NewCredentials()
	if d.secure() {
		trust, err := d.TLS.Client()
		if err != nil {
			return nil, err
		}
		transport = credentials.NewTLS(trust)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent(userAgent),
		grpc.WithDisableRetry(), // The forwarder does it, and counts it.
		grpc.WithDisableServiceConfig(),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: reconnectEvery / 4, Multiplier: 1.6, Jitter: 0.2, MaxDelay: reconnectEvery},
			MinConnectTimeout: pingAfter,
		}),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(codec{})),
	}
	zip, err := newCompressor(d.Compression)
	if err != nil {
		return nil, err
	}
	if zip != nil {
		options = append(options,
			//nolint:staticcheck // What replaces it is a table of the whole process, to be written in init only.
			grpc.WithCompressor(compression{zip, d.Compression}),
			//nolint:staticcheck // The same. Servers answer with the compression that they were sent.
			grpc.WithDecompressor(decompression{d.Compression}),
		)
	}
	conn, err := grpc.NewClient("dns:///"+d.host(), options...)
	if err != nil {
		return nil, err
	}
	header := metadata.MD{}
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		header.Set(name, string(d.Headers[name]))
	}
	return &grpcClient{conn: conn, method: method(signal), header: header, timeout: d.Timeout}, nil
}

func method(signal journal.Signal) string {
	name := signal.String() // "traces", but "TraceService".
	if signal == journal.Traces {
		name = "trace"
	}
	service := strings.ToUpper(name[:1]) + name[1:] + "Service"
	return "/opentelemetry.proto.collector." + name + ".v1." + service + "/Export"
}

func (c *grpcClient) close() { _ = c.conn.Close() } // It closes once.

func (c *grpcClient) load(records []journal.Record) error {
	c.body = c.body.free()
	return c.body.fill(records, nil)
}

// release has nothing to do: the records were copied.
func (c *grpcClient) release() {}

func (c *grpcClient) send(ctx context.Context) answer {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	var response []byte
	if err := c.conn.Invoke(metadata.NewOutgoingContext(ctx, c.header), c.method, c.body, &response); err != nil {
		return judgeStatus(status.Convert(err))
	}
	return acceptance(response)
}

// codec sends bodies, and receives bytes, as they are.
type codec struct{}

// Name implements encoding.CodecV2: it is the subtype that servers see.
func (codec) Name() string { return "proto" }

// Marshal implements encoding.CodecV2. gRPC may hold the bytes for longer than
// the call lasts; it gives them back by way of the body's Put.
func (codec) Marshal(v any) (mem.BufferSlice, error) {
	b := v.(*body)
	data := b.data.Bytes()
	if mem.IsBelowBufferPoolingThreshold(cap(data)) { // These are never given back.
		return mem.BufferSlice{mem.SliceBuffer(bytes.Clone(data))}, nil
	}
	b.open.Add(1)
	return mem.BufferSlice{mem.NewBuffer(&data, b)}, nil
}

// Unmarshal implements encoding.CodecV2.
func (codec) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// Get implements mem.BufferPool. Nobody asks a body for a buffer.
func (b *body) Get(length int) *[]byte {
	data := make([]byte, length)
	return &data
}

// Put implements mem.BufferPool: gRPC does not read the body any more.
func (b *body) Put(*[]byte) { b.open.Add(-1) }

// compression implements grpc.Compressor. A client makes one call at a time.
type compression struct {
	zip  compressor
	kind Compression
}

// Type implements grpc.Compressor.
func (c compression) Type() string { return string(c.kind) }

// Do implements grpc.Compressor.
func (c compression) Do(w io.Writer, p []byte) error {
	c.zip.Reset(w)
	if _, err := c.zip.Write(p); err != nil {
		return err
	}
	return c.zip.Close()
}

// decompression implements grpc.Decompressor. It has no errors: what is wrong
// with an answer must not be taken for what is wrong with the request, which
// the backend has accepted.
type decompression struct{ kind Compression }

// Type implements grpc.Decompressor.
func (d decompression) Type() string { return string(d.kind) }

// Do implements grpc.Decompressor.
func (d decompression) Do(r io.Reader) ([]byte, error) { return decompress(r, d.kind), nil }
