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

	// OpenTelemetry and gRPC have no names for how many messages a stream had.
	RPCMessagesSent     = attribute.Key("waybill.rpc.messages.sent")
	RPCMessagesReceived = attribute.Key("waybill.rpc.messages.received")

	GRPCInboundMessage  = "Inbound message"
	GRPCOutboundMessage = "Outbound message"
)
