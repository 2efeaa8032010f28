package tracegen

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/tracegen/internal/rawcodec"
)

const exportMethod = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

// grpcSender sends OTLP over gRPC.
type grpcSender struct{ conn *grpc.ClientConn }

func newGRPCSender(endpoint string) (*grpcSender, error) {
	target, secure := endpoint, false
	if strings.Contains(endpoint, "://") {
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("endpoint %q: want host:port, or a URL that begins with http:// or https://", endpoint)
		}
		target, secure = u.Host, u.Scheme == "https"
	}
	transport := insecure.NewCredentials()
	if secure {
		transport = credentials.NewTLS(&tls.Config{MinVersion: tls.VersionTLS12})
	}
	conn, err := grpc.NewClient(target,
		grpc.WithTransportCredentials(transport),
		grpc.WithUserAgent("waybill-tracegen"),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawcodec.Codec{})),
	)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", endpoint, err)
	}
	return &grpcSender{conn: conn}, nil
}

func (s *grpcSender) close() error { return s.conn.Close() }

func (s *grpcSender) send(ctx context.Context, request []byte) (answer, error) {
	var response []byte
	if err := s.conn.Invoke(ctx, exportMethod, &request, &response); err != nil {
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
