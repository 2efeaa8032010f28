package semconv

import "go.opentelemetry.io/otel/attribute"

// What OpenTelemetry's conventions have no name for in gRPC is called as gRFC
// A72 calls it, which is how gRPC's own tracing does.
const (
	GRPCPreviousAttempts      = attribute.Key("previous-rpc-attempts")
	GRPCTransparentRetry      = attribute.Key("transparent-retry")
	GRPCMessageSequence       = attribute.Key("sequence-number")
	GRPCMessageSize           = attribute.Key("message-size")
	GRPCMessageSizeCompressed = attribute.Key("message-size-compressed")

	GRPCInboundMessage  = "Inbound message"
	GRPCOutboundMessage = "Outbound message"
)
