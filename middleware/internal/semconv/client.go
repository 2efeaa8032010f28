package semconv

import "go.opentelemetry.io/otel/attribute"

// What the service client says of its calls. OpenTelemetry has no names for
// this, except for the service that is called.
const (
	PeerService    = attribute.Key("peer.service")
	ClientInstance = attribute.Key("waybill.client.instance")
	ClientAttempts = attribute.Key("waybill.client.attempts")
	ClientReason   = attribute.Key("waybill.client.reason")
	ClientHedge    = attribute.Key("waybill.client.hedge")
	ClientDelay    = attribute.Key("waybill.client.delay") // in seconds
	BreakerFrom    = attribute.Key("waybill.client.breaker.from")
	BreakerTo      = attribute.Key("waybill.client.breaker.to")
)

// The events of the span of a call.
const (
	EventRetry             = "retry"
	EventNoRetry           = "no retry"
	EventHedge             = "hedge"
	EventBreakerTransition = "circuit breaker transition"
	EventBreakerRejection  = "circuit breaker rejection"
)

// ClientCallDuration is measured with all attempts, and the waits between.
var ClientCallDuration = Metric{"waybill.client.call.duration", "s", "Duration of calls to a service, with their retries."}
