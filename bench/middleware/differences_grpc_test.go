package middleware

import "strings"

// grpcServerRules are where grpcmw's server and otelgrpc's differ.
func grpcServerRules() []rule {
	const unknown = "/nonsense|/no.such.Service"
	return []rule{
		{"span.*", in("grpc.health.v1.Health", onlyTheirs), "probes are measured, and kept out of the traces (contrib#896)"},
		{"rpc.server.call.duration *", in(unknown, onlyOurs), "calls of methods that the server has not are measured, all as one method"},
		{"span.open", in(unknown, says("", "true")), "a span that starts ends"},
		{"span.name", in(unknown, ofOthers), "what the caller makes up is no name"},
		{"span.attribute rpc.method", in(unknown, ofOthers), "what the caller makes up is no method; it stands in rpc.method_original"},
		{"span.attribute rpc.method_original", in(unknown, onlyOurs), "what the caller makes up is no method; it stands in rpc.method_original"},
		{"span.status", in(unknown, says("Error", "Unset")), "UNIMPLEMENTED is an error of a server"},
		{"span.message", in(unknown, says("unknown service or method", "")), "UNIMPLEMENTED is an error of a server"},
		{"span.attribute rpc.response.status_code", in(unknown, says("UNIMPLEMENTED", "")), "a span that starts ends, with its status"},
		{"span.attribute network.peer.*", onlyOurs, "who called is on the span"},
		{"span.attribute server.*", nil, "server.address is what the caller has asked for, the authority; theirs is the address that the server listens at"},
		{"span.attribute previous-rpc-attempts", onlyOurs, "a call that is retried can be told (gRFC A72)"},
		{"span.attribute waybill.rpc.messages.*", in("WatchOrders", onlyOurs), "a stream's messages are counted"},
		{"span.attribute error.type", onlyOurs, "the conventions ask for error.type on spans, too"},
		{"span.tracestate", in("state in two headers", says("a=1,b=2", "a=1")), "a tracestate in parts is one list (Trace Context, 3.3.1)"},
		{"span.parent", in("flags yet to come", says("caller", "none")), "flags that a level to come may give a meaning void no trace, as random did not"},
		{"span.parent", in("two traces|the same trace twice", says("none", "caller")), "of two traceparents none can be trusted (Trace Context, 3.2.1)"},
		{"*rpc.response.status_code", says("UNKNOWN", "CODE(4711)"), "a code that gRPC does not define is UNKNOWN to who receives it"},
		{"* label error.type", in("4711", says("UNKNOWN", "")), "a code that gRPC does not define is UNKNOWN, which is an error of a server"},
		{"span.status", in("4711", says("Error", "Unset")), "a code that gRPC does not define is UNKNOWN, which is an error of a server"},
		{"span.message", in("4711", says("because", "")), "a code that gRPC does not define is UNKNOWN, which is an error of a server"},
	}
}

// grpcClientRules are where grpcmw's client and otelgrpc's differ.
func grpcClientRules() []rule {
	return []rule{
		{"span.*", in("grpc.health.v1.Health", onlyTheirs), "probes are measured, and kept out of the traces (contrib#896)"},
		{"sent traceparent", in("grpc.health.v1.Health", ofCaller), "a call without a span passes on the trace that it is in"},
		{"* label server.*", onlyTheirs, "theirs is the address of an instance, so that each roll-out makes new series (CVE-2023-47108)"},
		{"span.attribute network.peer.*", onlyOurs, "the instance that was called is network.peer.address"},
		{"span.attribute server.address", in("ends|is cancelled|is retried", func(c circumstances) bool { return c.theirs == "192.0.2.9" && c.ours != "" }), "server.address is what was called by name; theirs is the instance's address"},
		{"span.status", in("is cancelled", says("Unset", "Error")), "who cancels its own call has no error (semantic-conventions#3494)"},
		{"span.message", in("is cancelled", says("", "because")), "who cancels its own call has no error (semantic-conventions#3494)"},
		{"* label error.type", in("is cancelled", says("", "CANCELLED")), "who cancels its own call has no error (semantic-conventions#3494)"},
		{"span.attribute waybill.rpc.messages.*", in("WatchOrders", onlyOurs), "a stream's messages are counted"},
		{"span.attribute error.type", onlyOurs, "the conventions ask for error.type on spans, too"},
		{"span.attribute transparent-retry", in("is retried", says("true", "")), "what gRPC makes again by itself can be told (gRFC A72)"},
		{"*rpc.response.status_code", says("UNKNOWN", "CODE(4711)"), "a code that gRPC does not define is UNKNOWN to who receives it"},
		{"* label error.type", says("UNKNOWN", "CODE(4711)"), "a code that gRPC does not define is UNKNOWN to who receives it"},
	}
}

// ofOthers is that ours says _OTHER, theirs what the caller has made up.
func ofOthers(c circumstances) bool {
	return c.ours == "_OTHER" && strings.Contains(c.request, c.theirs)
}

// ofCaller is that ours sends the trace that there is, theirs a span's.
func ofCaller(c circumstances) bool {
	return c.ours == "the caller's" && c.theirs == "a new span in the caller's trace" || c.ours == "0 times" && c.theirs == "a new trace"
}
