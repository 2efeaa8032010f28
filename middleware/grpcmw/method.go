package grpcmw

import (
	"maps"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/internal/semconv"
)

// system is what the conventions call gRPC.
const system = "grpc"

// otherMethod stands for every method that the server does not have.
const otherMethod = "_OTHER"

// maxMethods bounds what methods keeps: a server with an unknown service
// handler serves as many as callers can think of.
const maxMethods = 1000

// methods keeps what it takes to start a span for each method that was called,
// so that it is made once. It is safe for concurrent use; reading takes no lock.
type methods struct {
	kind   trace.SpanKind
	early  bool // somebody may look at the attributes of a span that starts
	adding sync.Mutex
	called atomic.Pointer[map[string][]trace.SpanStartOption]
}

// startOptions are those of a span of the method. The caller must not change them.
func (m *methods) startOptions(method string) []trace.SpanStartOption {
	if called := m.called.Load(); called != nil {
		if options, ok := (*called)[method]; ok {
			return options
		}
	}
	return m.newStartOptions(method)
}

func (m *methods) newStartOptions(method string) []trace.SpanStartOption {
	if !m.early {
		return []trace.SpanStartOption{trace.WithSpanKind(m.kind)}
	}
	return []trace.SpanStartOption{
		trace.WithSpanKind(m.kind),
		trace.WithAttributes(semconv.RPCSystemName.String(system), semconv.RPCMethod.String(method)),
	}
}

// add keeps a method that exists.
func (m *methods) add(method string) {
	called := m.called.Load()
	if called != nil && ((*called)[method] != nil || len(*called) >= maxMethods) {
		return
	}
	m.adding.Lock()
	defer m.adding.Unlock()
	next := map[string][]trace.SpanStartOption{method: m.newStartOptions(method)}
	if called := m.called.Load(); called != nil {
		maps.Copy(next, *called)
	}
	m.called.Store(&next)
}
