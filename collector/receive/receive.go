// Package receive takes OTLP in, over gRPC and over HTTP, and answers once the
// journal has what was sent.
//
// Both transports are the same short path: a request is admitted by its bytes
// before its body is read, decompressed within a bound, checked as a whole in
// one pass over the encoded bytes, and appended to the journal as it came.
// Nothing is acknowledged that the journal has not taken.
package receive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
)

// Receivers listens for OTLP. Its methods are safe for concurrent use.
type Receivers struct {
	grpc, http *server // nil when off
}

// Start opens the listeners and serves them until Shutdown. ctx bounds the
// start only. The metrics waybill_receive_… are registered with reg. The
// journal stays the caller's: close it after Shutdown has returned.
func Start(ctx context.Context, cfg Config, j journal.Journal, reg prometheus.Registerer, logger *slog.Logger) (*Receivers, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("receive configuration: %w", err)
	}
	in, err := newIntake(cfg, j, reg, logger)
	if err != nil {
		return nil, fmt.Errorf("register the receivers' metrics: %w", err)
	}
	r := &Receivers{}
	if r.grpc, err = start(ctx, cfg.OTLP.GRPC, newGRPCServer(&grpcHandler{in}, logger), logger); err != nil {
		return nil, fmt.Errorf("listen for OTLP over gRPC: %w", err)
	}
	if r.http, err = start(ctx, cfg.OTLP.HTTP, newHTTPServer(&httpHandler{in}, logger), logger); err != nil {
		return nil, errors.Join(fmt.Errorf("listen for OTLP over HTTP: %w", err), r.grpc.shutdown(ctx))
	}
	return r, nil
}

// GRPCAddr is where OTLP over gRPC is taken; nil when it is off.
func (r *Receivers) GRPCAddr() net.Addr { return r.grpc.addr() }

// HTTPAddr is where OTLP over HTTP is taken; nil when it is off.
func (r *Receivers) HTTPAddr() net.Addr { return r.http.addr() }

// Shutdown stops listening and lets requests in progress end. When ctx ends
// first, they are cut off and its error is returned.
func (r *Receivers) Shutdown(ctx context.Context) error {
	var errs [2]error
	var stopping sync.WaitGroup
	for i, s := range []*server{r.grpc, r.http} {
		stopping.Go(func() { errs[i] = s.shutdown(ctx) })
	}
	stopping.Wait()
	return errors.Join(errs[:]...)
}
