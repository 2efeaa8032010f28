package index

import (
	"github.com/waybill-dev/waybill/collector/wire"
	"github.com/waybill-dev/waybill/viewer/graph"
)

// UnknownService stands for resources that do not say their name.
const UnknownService = "unknown_service"

// ServiceName is the resource's service.name, or UnknownService. It may point
// into the view.
func ServiceName(r *wire.Resource) []byte {
	if name := r.ServiceName(); len(name) > 0 {
		return name
	}
	return []byte(UnknownService)
}

// FromWire takes from a view what the index needs. The result points into the
// view, and its links lie in the given buffer, which may be nil.
func FromWire(r *wire.Resource, s *wire.Span, links []Link) Span {
	out := Span{
		Trace: TraceID(s.TraceID), ID: SpanID(s.SpanID), Parent: SpanID(s.ParentID),
		Kind: KindOf(s.Kind), Failed: s.StatusCode == wire.StatusError,
		Start: s.Start, End: s.End, Service: ServiceName(r), Operation: s.Name, Links: links[:0],
	}
	switch out.Kind {
	case Client, Producer:
		out.Peer, out.PeerType = peer(s.Attributes)
	case Consumer:
		for l := range s.Links() {
			out.Links = append(out.Links, Link{TraceID(l.TraceID), SpanID(l.SpanID)})
		}
	}
	return out
}

// KindOf is the kind by OTLP's number; unknown numbers are Unspecified.
func KindOf(kind wire.SpanKind) Kind {
	if kind < 0 || kind > wire.KindConsumer {
		return Unspecified
	}
	return Kind(kind)
}

// peer names what a client or producer span calls: peer.service where that is
// given, else the database, the messaging system or the server's address.
func peer(a wire.Attributes) ([]byte, graph.Type) {
	var named, system, oldSystem, namespace, messaging, address []byte
	for key, value := range a.All() {
		switch string(key) {
		case "peer.service":
			named = value.Str()
		case "db.system.name":
			system = value.Str()
		case "db.system":
			oldSystem = value.Str()
		case "db.namespace":
			namespace = value.Str()
		case "messaging.system":
			messaging = value.Str()
		case "server.address":
			address = value.Str()
		}
	}
	if len(system) == 0 {
		system = oldSystem
	}
	name, kind := address, graph.External
	switch {
	case len(system) > 0:
		name, kind = system, graph.Database
		if len(namespace) > 0 {
			name = []byte(string(system) + " " + string(namespace))
		}
	case len(messaging) > 0:
		name, kind = messaging, graph.Queue
	}
	if len(named) > 0 {
		name = named
	}
	return name, kind
}
