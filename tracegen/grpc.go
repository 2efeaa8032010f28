package tracegen

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync/atomic"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/tracegen/internal/rawcodec"
)

// grpcSender sends OTLP over gRPC, by several connections in turn.
type grpcSender struct {
	conns  []*grpc.ClientConn
	turn   atomic.Uint64
	header metadata.MD
}

func newGRPCSender(cfg Config, endpoint string) (*grpcSender, error) {
	target, secure := endpoint, cfg.TLS != TLS{}
	if strings.Contains(endpoint, "://") {
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("endpoint %q: want host:port, or a URL that begins with http:// or https://", redact(endpoint))
		}
		target, secure = u.Host, u.Scheme == "https"
	}
	transport := insecure.NewCredentials()
	if secure {
		trust, err := cfg.TLS.config()
		if err != nil {
			return nil, err
		}
		transport = credentials.NewTLS(trust)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent("waybill-tracegen"),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawcodec.Codec{})),
		grpc.WithDisableRetry(), // The worker does it, and counts it.
	}
	if zip := newZipper(cfg.Compression); zip != nil {
		options = append(options,
			//nolint:staticcheck // What replaces it is a table of the whole process, to be written in init only.
			grpc.WithCompressor(grpcZipper{zip}),
			//nolint:staticcheck // The same. Servers answer with the compression that they were sent.
			grpc.WithDecompressor(grpcUnzipper{zip.kind}),
		)
	}
	s := &grpcSender{header: metadata.MD{}}
	for name, value := range cfg.Headers {
		s.header.Set(name, string(value))
	}
	for range max(cfg.Connections, 1) {
		conn, err := grpc.NewClient(target, options...)
		if err != nil {
			_ = s.close() // the error that counts is the first
			return nil, fmt.Errorf("endpoint %q: %w", endpoint, err)
		}
		s.conns = append(s.conns, conn)
	}
	return s, nil
}

func (s *grpcSender) close() error {
	var errs []error
	for _, conn := range s.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

func (s *grpcSender) send(ctx context.Context, b body) (answer, error) {
	if len(s.header) > 0 {
		ctx = metadata.NewOutgoingContext(ctx, s.header)
	}
	conn := s.conns[s.turn.Add(1)%uint64(len(s.conns))]
	var response []byte
	if err := conn.Invoke(ctx, methods[b.signal], &b.bytes, &response); err != nil {
		return answer{}, grpcRefusal(err)
	}
	return parseAnswer(response)
}

// grpcRefusal tells the statuses that the specification calls retryable from
// all others.
func grpcRefusal(err error) *refusal {
	s := status.Convert(err)
	r := &refusal{reason: "gRPC " + s.Code().String() + ": " + s.Message()}
	switch s.Code() {
	case codes.Canceled, codes.DeadlineExceeded, codes.Aborted, codes.OutOfRange, codes.Unavailable, codes.DataLoss:
		r.retryable = true
	}
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			r.after = info.GetRetryDelay().AsDuration()
			r.retryable = r.retryable || s.Code() == codes.ResourceExhausted
		}
	}
	return r
}
