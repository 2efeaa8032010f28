// Package receive takes telemetry in, and answers once the journal has what was
// sent: OTLP over gRPC and HTTP, and what the retired clients of Jaeger, Zipkin
// and Loki send.
//
// All of it takes the same short path: a request is admitted by its bytes
// before its body is read, decompressed within a bound, checked as a whole in
// one pass over the encoded bytes, and appended to the journal as it came.
// Nothing is acknowledged that the journal has not taken. A request of another
// protocol is translated to OTLP before it is checked, and admitted a second
// time for what that takes.
package receive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/receive/jaeger"
)

// Receivers has the listeners. Its methods are safe for concurrent use.
type Receivers struct {
	endpoints []endpoint
}

// endpoint is one listener. Those that are off are there, too.
type endpoint struct {
	name string
	listener
}

// listener is a *server or a *datagrams; nil when it is off.
type listener interface {
	addr() net.Addr
	shutdown(ctx context.Context) error
}

// Listener is a place where telemetry is taken in.
type Listener struct {
	// Name is the protocol, for people.
	Name string
	// Addr tells the port that 0 became; nil when the listener is off.
	Addr net.Addr
}

// The names of the endpoints.
const (
	nameOTLPGRPC      = "OTLP over gRPC"
	nameOTLPHTTP      = "OTLP over HTTP"
	nameJaegerCompact = "Jaeger, compact Thrift over UDP"
	nameJaegerBinary  = "Jaeger, binary Thrift over UDP"
	nameJaegerHTTP    = "Jaeger, Thrift over HTTP"
	nameJaegerGRPC    = "Jaeger over gRPC"
	nameSampling      = "Jaeger's sampling strategy"
	nameZipkin        = "Zipkin"
	nameLoki          = "Loki's push API"
)

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
	for _, p := range plans(cfg, in) {
		l, err := p.open(ctx)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listen for %s: %w", p.name, err), r.Shutdown(ctx))
		}
		r.endpoints = append(r.endpoints, endpoint{p.name, l})
	}
	return r, nil
}

// plan is an endpoint before it has been opened.
type plan struct {
	name string
	open func(ctx context.Context) (listener, error)
}

func plans(cfg Config, in *intake) []plan {
	tcp := func(at ListenerConfig, hs *http.Server) func(context.Context) (listener, error) {
		return func(ctx context.Context) (listener, error) { return start(ctx, at, hs, in.logger) }
	}
	udp := func(at ListenerConfig, via transport, t translator) func(context.Context) (listener, error) {
		return func(ctx context.Context) (listener, error) {
			return startUDP(ctx, at, &datagrams{intake: in, via: via, translate: t})
		}
	}
	sampling := cfg.Jaeger.Sampling
	strategies := sampling.strategies()
	return []plan{
		{nameOTLPGRPC, tcp(cfg.OTLP.GRPC, newGRPCServer(newOTLPGRPC(in), in.logger))},
		{nameOTLPHTTP, tcp(cfg.OTLP.HTTP, newHTTPServer(&httpHandler{in}, in.logger))},
		{nameJaegerCompact, udp(cfg.Jaeger.ThriftCompact, overJaegerCompact, jaeger.FromCompactMessage)},
		{nameJaegerBinary, udp(cfg.Jaeger.ThriftBinary, overJaegerBinary, jaeger.FromBinaryMessage)},
		{nameJaegerHTTP, tcp(cfg.Jaeger.ThriftHTTP, newHTTPServer(newJaegerHTTP(in, strategies), in.logger))},
		{nameJaegerGRPC, tcp(cfg.Jaeger.GRPC, newGRPCServer(newJaegerGRPC(in, strategies), in.logger))},
		{nameSampling, tcp(sampling.listener(), newHTTPServer(newSampling(strategies), in.logger))},
		{nameZipkin, tcp(cfg.Zipkin, newHTTPServer(newZipkin(in), in.logger))},
		{nameLoki, tcp(cfg.Loki, newHTTPServer(newLoki(in), in.logger))},
	}
}

// Listeners are all that there are, those that are off as well.
func (r *Receivers) Listeners() []Listener {
	all := make([]Listener, len(r.endpoints))
	for i, e := range r.endpoints {
		all[i] = Listener{Name: e.name, Addr: e.addr()}
	}
	return all
}

// GRPCAddr is where OTLP over gRPC is taken; nil when it is off.
func (r *Receivers) GRPCAddr() net.Addr { return r.at(nameOTLPGRPC) }

// HTTPAddr is where OTLP over HTTP is taken; nil when it is off.
func (r *Receivers) HTTPAddr() net.Addr { return r.at(nameOTLPHTTP) }

func (r *Receivers) at(name string) net.Addr {
	for _, e := range r.endpoints {
		if e.name == name {
			return e.addr()
		}
	}
	return nil
}

// Shutdown stops listening and lets requests in progress end. When ctx ends
// first, they are cut off and its error is returned.
func (r *Receivers) Shutdown(ctx context.Context) error {
	errs := make([]error, len(r.endpoints))
	var stopping sync.WaitGroup
	for i, e := range r.endpoints {
		stopping.Go(func() { errs[i] = e.shutdown(ctx) })
	}
	stopping.Wait()
	return errors.Join(errs...)
}
