package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/waybill-dev/waybill/middleware/grpcmw"
)

// ServeGRPC listens on the address and serves what register adds, beside
// grpc.health.v1.Health. Every call is observed, and goes through the
// interceptors.
func (h *Host) ServeGRPC(ctx context.Context, address string, register func(grpc.ServiceRegistrar), interceptors ...grpc.UnaryServerInterceptor) error {
	observe, err := grpcmw.ServerOptions(grpcmw.WithTelemetry(h.telemetry))
	if err != nil {
		return err
	}
	listener, err := listen(ctx, address)
	if err != nil {
		return err
	}
	h.addr = listener.Addr()
	// Errors become statuses around the observation, which so sees what they
	// were, and panics.
	options := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(answerErrors(h.logger)),
		grpc.MaxRecvMsgSize(1 << 20),
		grpc.ConnectionTimeout(10 * time.Second),
	}
	options = append(append(options, observe...), h.secured()...)
	h.grpc = grpc.NewServer(append(options, grpc.ChainUnaryInterceptor(interceptors...))...)
	register(h.grpc)
	serving := health.NewServer()
	healthv1.RegisterHealthServer(h.grpc, serving)
	h.enroll(h.addr)
	h.wg.Go(func() {
		// Whoever shuts the host down at once may come before Serve.
		if err := h.grpc.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			h.logger.Error("gRPC listener failed", "address", listener.Addr().String(), "error", err)
		}
	})
	return nil
}

// stopGRPC lets running calls end for as long as the context does.
func stopGRPC(ctx context.Context, server *grpc.Server) {
	done := make(chan struct{})
	go func() {
		server.GracefulStop()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		server.Stop() // GracefulStop returns then.
		<-done
	}
}

// Dial prepares a connection to another service, all of whose calls are
// observed. It does not wait for the service. Shutdown closes it. The address
// is host:port, or registry:///service: then calls go to all of its instances in
// turns, and those of the idempotent methods (see grpcclient.Config) are made
// again elsewhere when an instance is gone. At xds:///service the mesh says where
// they go and which are made again.
func (h *Host) Dial(address string, idempotent ...string) (*grpc.ClientConn, error) {
	found, err := h.targeted(address, idempotent)
	if err != nil {
		return nil, err
	}
	observe, err := grpcmw.DialOptions(grpcmw.WithTelemetry(h.telemetry))
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()), // unless it was found in the mesh
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: time.Second,
		}),
	}
	conn, err := grpc.NewClient(address, slices.Concat(options, found, observe)...)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	h.OnClose(conn.Close)
	return conn, nil
}

// answerErrors makes a status of every error and of every panic. What is not
// a status already is the service's own failure: it is logged here, once, and
// the client learns no details.
func answerErrors(logger *slog.Logger) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (resp any, err error) {
		defer func() {
			if cause := recover(); cause != nil {
				logger.ErrorContext(ctx, "panic in call", "method", info.FullMethod, "panic", fmt.Sprint(cause), "stack", string(debug.Stack()))
				resp, err = nil, status.Error(codes.Internal, "internal error")
			}
		}()
		resp, err = handler(ctx, req)
		if err == nil {
			return resp, nil
		}
		if _, ok := status.FromError(err); ok {
			return nil, err
		}
		if ended := ctx.Err(); ended != nil {
			return nil, status.FromContextError(ended).Err()
		}
		if errors.Is(err, context.DeadlineExceeded) {
			return nil, status.FromContextError(err).Err()
		}
		logger.ErrorContext(ctx, "call failed", "method", info.FullMethod, "error", err)
		return nil, status.Error(codes.Internal, "internal error")
	}
}
