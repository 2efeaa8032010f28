package registry

import (
	"context"
	"maps"
	"net"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// instanceID is what a call's span says of which instance it went to.
const instanceID = attribute.Key("shop.instance.id")

// traffic tells calls apart by the instance that they go to: on the span of each
// attempt, and in a metric. It is a stats.Handler for clients. Safe for
// concurrent use.
type traffic struct {
	// find is the instance with that address, as it stands in the registry.
	find  func(address string) (Instance, bool)
	calls *prometheus.CounterVec

	mu   sync.Mutex
	open map[string]int // connections, by address
}

func newTraffic(find func(string) (Instance, bool)) *traffic {
	return &traffic{
		find: find, open: map[string]int{},
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "shop_instance_calls_total",
			Help: "Calls by the instance that they went to; each attempt of a call is one.",
		}, []string{"registered_service", "registered_instance", "code"}),
	}
}

// DialOptions are what grpc.NewClient takes for targets such as
// registry:///inventory. The calls are told apart as StatsHandler says.
func (d *Directory) DialOptions() []grpc.DialOption {
	return []grpc.DialOption{grpc.WithResolvers(d.Resolver()), grpc.WithContextDialer(dial), grpc.WithStatsHandler(d.traffic)}
}

// StatsHandler says on the span of each call of a client which instance it went
// to, as shop.instance.id, and counts it. It is for clients that find the
// addresses in the registry by another way than DialOptions.
func (d *Directory) StatsHandler() stats.Handler { return d.traffic }

// dial connects to an address of the registry, which may have a host's name.
func dial(ctx context.Context, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return namedConn{conn, namedAddr{conn.RemoteAddr(), address}}, nil
}

// namedConn knows by which name its other end was looked for.
type namedConn struct {
	net.Conn
	remote namedAddr
}

// RemoteAddr implements net.Conn.
func (c namedConn) RemoteAddr() net.Addr { return c.remote }

// namedAddr is an address, and the name that it was found by.
type namedAddr struct {
	net.Addr
	name string
}

func nameOf(addr net.Addr) string {
	switch addr := addr.(type) {
	case nil:
		return ""
	case namedAddr:
		return addr.name
	default:
		return addr.String()
	}
}

// remoteKey is where TagConn leaves the other end's name for HandleConn.
type remoteKey struct{}

// TagConn implements stats.Handler.
func (t *traffic) TagConn(ctx context.Context, info *stats.ConnTagInfo) context.Context {
	return context.WithValue(ctx, remoteKey{}, nameOf(info.RemoteAddr))
}

// HandleConn implements stats.Handler: it counts the connections that are open.
func (t *traffic) HandleConn(ctx context.Context, event stats.ConnStats) {
	name, _ := ctx.Value(remoteKey{}).(string)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch event.(type) {
	case *stats.ConnBegin:
		t.open[name]++
	case *stats.ConnEnd:
		if t.open[name]--; t.open[name] <= 0 {
			delete(t.open, name)
		}
	}
}

// connections are how many are open, by address.
func (t *traffic) connections() map[string]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.open)
}

// forget drops what was counted for an instance that is gone.
func (t *traffic) forget(i Instance) {
	t.calls.DeletePartialMatch(prometheus.Labels{"registered_service": i.Service, "registered_instance": i.ID})
}

// attempt is one call of one instance. It may end while it begins.
type attempt struct{ address atomic.Pointer[string] }

type attemptKey struct{}

// TagRPC implements stats.Handler. Whether a server is well is no call of the
// service's.
func (t *traffic) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	if strings.HasPrefix(info.FullMethodName, "/grpc.health.") {
		return ctx
	}
	return context.WithValue(ctx, attemptKey{}, &attempt{})
}

// HandleRPC implements stats.Handler.
func (t *traffic) HandleRPC(ctx context.Context, event stats.RPCStats) {
	made, ok := ctx.Value(attemptKey{}).(*attempt)
	if !ok {
		return
	}
	switch event := event.(type) {
	case *stats.OutHeader:
		address := nameOf(event.RemoteAddr)
		made.address.Store(&address)
		if span := trace.SpanFromContext(ctx); span.IsRecording() {
			if instance, known := t.find(address); known {
				span.SetAttributes(instanceID.String(instance.ID))
			}
		}
	case *stats.End:
		if address := made.address.Load(); address != nil {
			t.ended(ctx, *address, status.Code(event.Error).String())
		}
	}
}

// ended counts a call, unless the instance has left meanwhile.
func (t *traffic) ended(ctx context.Context, address, code string) {
	instance, known := t.find(address)
	if !known {
		return
	}
	counter := t.calls.WithLabelValues(instance.Service, instance.ID, code)
	sc := trace.SpanContextFromContext(ctx)
	if adder, can := counter.(prometheus.ExemplarAdder); can && sc.IsSampled() {
		adder.AddWithExemplar(1, prometheus.Labels{"trace_id": sc.TraceID().String(), "span_id": sc.SpanID().String()})
		return
	}
	counter.Inc()
}
