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
	"github.com/waybill-dev/waybill/collector/listen"
	"github.com/waybill-dev/waybill/collector/receive/jaeger"
)

// Receivers has the listeners. Its methods are safe for concurrent use.
type Receivers struct {
	endpoints []endpoint
}

// Listener is a place where telemetry is taken in.
type Listener struct {
	// Key is the listener's in the configuration, such as receive.otlp.grpc.
	Key string
	// Name is the protocol, for people.
	Name string
	// Addr tells the port that 0 became; nil when the listener is off.
	Addr net.Addr
	// State is how it is protected.
	listen.State
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
	listeners, err := listen.NewMeters(reg)
	if err != nil {
		return nil, fmt.Errorf("register the listeners' metrics: %w", err)
	}
	r := &Receivers{}
	for _, p := range plans(cfg, in, opener{in, listeners}) {
		e := endpoint{key: p.key, name: p.name}
		if err := p.open(ctx, &e); err != nil {
			return nil, errors.Join(err, r.Shutdown(ctx))
		}
		r.endpoints = append(r.endpoints, e)
	}
	return r, nil
}

func plans(cfg Config, in *intake, open opener) []plan {
	udp := func(at DatagramConfig, via transport, t translator) func(context.Context, *endpoint) error {
		return open.udp(at, &datagrams{intake: in, via: via, translate: t})
	}
	tcp := func(at ListenerConfig, h http.Handler, via transport, refuse refuser) func(context.Context, *endpoint) error {
		return open.tcp(at, in.requests(h, via, refuse))
	}
	otlp := &httpHandler{in}
	strategies := cfg.Jaeger.Sampling.strategies()
	return []plan{
		{keyOTLPGRPC, nameOTLPGRPC, open.tcp(cfg.OTLP.GRPC, in.calls(newOTLPGRPC(in)))},
		{keyOTLPHTTP, nameOTLPHTTP, tcp(cfg.OTLP.HTTP, otlp, overHTTP, otlp.refuseOTLP)},
		{keyJaegerCompact, nameJaegerCompact, udp(cfg.Jaeger.ThriftCompact, overJaegerCompact, jaeger.FromCompactMessage)},
		{keyJaegerBinary, nameJaegerBinary, udp(cfg.Jaeger.ThriftBinary, overJaegerBinary, jaeger.FromBinaryMessage)},
		{keyJaegerHTTP, nameJaegerHTTP, tcp(cfg.Jaeger.ThriftHTTP, newJaegerHTTP(in, strategies), overJaegerHTTP, refuseText)},
		{keyJaegerGRPC, nameJaegerGRPC, open.tcp(cfg.Jaeger.GRPC, in.calls(newJaegerGRPC(in, strategies)))},
		{keySampling, nameSampling, open.tcp(cfg.Jaeger.Sampling.listener(), questions(newSampling(strategies)))},
		{keyZipkin, nameZipkin, tcp(cfg.Zipkin, newZipkin(in), overZipkin, refuseText)},
		{keyLoki, nameLoki, tcp(cfg.Loki, newLoki(in), overLoki, refuseText)},
	}
}

// Listeners are all that there are, those that are off as well.
func (r *Receivers) Listeners() []Listener {
	all := make([]Listener, len(r.endpoints))
	for i, e := range r.endpoints {
		all[i] = Listener{Key: "receive." + e.key, Name: e.name, Addr: e.addr(), State: e.door.State()}
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

// Prepare reads what the rules of another configuration need, and returns what
// has the listeners go by them, nil where there is nothing to do. Until that is
// called nothing has changed. What else differs in the configuration has no
// effect.
func (r *Receivers) Prepare(cfg Config) (change func(), err error) {
	rules := map[string]listen.Security{}
	for _, l := range cfg.listeners() {
		rules[l.key] = l.config.Security
	}
	changes, errs := make([]func(), len(r.endpoints)), make([]error, len(r.endpoints))
	for i, e := range r.endpoints {
		changes[i], errs[i] = e.door.Prepare(rules[e.key])
	}
	return listen.Together(changes...), errors.Join(errs...)
}

// Shutdown stops listening and lets requests in progress end. When ctx ends
// first, they are cut off and its error is returned.
func (r *Receivers) Shutdown(ctx context.Context) error {
	errs := make([]error, len(r.endpoints))
	var stopping sync.WaitGroup
	for i, e := range r.endpoints {
		stopping.Go(func() { errs[i] = e.close(ctx) })
	}
	stopping.Wait()
	return errors.Join(errs...)
}
