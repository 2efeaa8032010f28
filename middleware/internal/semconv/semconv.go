// Package semconv is the one table of the names that the middleware gives to
// attributes and metrics: OpenTelemetry's semantic conventions v1.44.
package semconv

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// Version is the release of the conventions that the names follow; SchemaURL
// names it to the receiver.
const (
	Version   = "1.44.0"
	SchemaURL = "https://opentelemetry.io/schemas/" + Version
)

// Attributes of HTTP.
const (
	HTTPRequestMethod         = attribute.Key("http.request.method")
	HTTPRequestMethodOriginal = attribute.Key("http.request.method_original")
	HTTPRequestResendCount    = attribute.Key("http.request.resend_count")
	HTTPRequestBodySize       = attribute.Key("http.request.body.size")
	HTTPResponseBodySize      = attribute.Key("http.response.body.size")
	HTTPResponseStatusCode    = attribute.Key("http.response.status_code")
	HTTPRoute                 = attribute.Key("http.route")
	URLPath                   = attribute.Key("url.path")
	URLQuery                  = attribute.Key("url.query")
	URLScheme                 = attribute.Key("url.scheme")
	URLFull                   = attribute.Key("url.full")
	UserAgentOriginal         = attribute.Key("user_agent.original")
	NetworkProtocolVersion    = attribute.Key("network.protocol.version")
	NetworkPeerAddress        = attribute.Key("network.peer.address")
	NetworkPeerPort           = attribute.Key("network.peer.port")
	ClientAddress             = attribute.Key("client.address")
	ServerAddress             = attribute.Key("server.address")
	ServerPort                = attribute.Key("server.port")
	ErrorType                 = attribute.Key("error.type")
)

// What the names of attributes of headers begin with; the header's name follows
// in lower case.
const (
	HTTPRequestHeader  = "http.request.header."
	HTTPResponseHeader = "http.response.header."
)

// How long the phases of a client's request took, in seconds. OpenTelemetry has
// no names for this.
const (
	HTTPResolveDuration   = attribute.Key("waybill.http.resolve.duration")
	HTTPConnectDuration   = attribute.Key("waybill.http.connect.duration")
	HTTPTLSDuration       = attribute.Key("waybill.http.tls.duration")
	HTTPFirstByteDuration = attribute.Key("waybill.http.first_byte.duration") // since the request began
	HTTPConnectionReused  = attribute.Key("waybill.http.connection.reused")
)

// Attributes of RPC. The conventions are a release candidate, and the status
// is to be renamed to rpc.status_code in the next version.
const (
	RPCSystemName         = attribute.Key("rpc.system.name")
	RPCMethod             = attribute.Key("rpc.method")
	RPCMethodOriginal     = attribute.Key("rpc.method_original")
	RPCResponseStatusCode = attribute.Key("rpc.response.status_code")
)

// Attributes of messaging.
const (
	MessagingSystem               = attribute.Key("messaging.system")
	MessagingOperationName        = attribute.Key("messaging.operation.name")
	MessagingOperationType        = attribute.Key("messaging.operation.type")
	MessagingDestinationName      = attribute.Key("messaging.destination.name")
	MessagingDestinationTemplate  = attribute.Key("messaging.destination.template")
	MessagingDestinationTemporary = attribute.Key("messaging.destination.temporary")
	MessagingConsumerGroup        = attribute.Key("messaging.consumer.group.name")
	MessagingMessageID            = attribute.Key("messaging.message.id")
	MessagingMessageBodySize      = attribute.Key("messaging.message.body.size")
	MessagingDeliveryAttempts     = attribute.Key("messaging.nats.message.delivery_count")
	MessagingOutcome              = attribute.Key("messaging.nats.message.outcome")
	MessagingProgress             = attribute.Key("messaging.nats.message.in_progress_count")
	MessagingRedeliveryDelay      = attribute.Key("messaging.nats.message.redelivery_delay") // in seconds
	MessagingTermReason           = attribute.Key("messaging.nats.message.term_reason")
)

// Attributes of the service itself.
const (
	ServiceName         = attribute.Key("service.name")
	ServiceVersion      = attribute.Key("service.version")
	ServiceInstanceID   = attribute.Key("service.instance.id")
	TelemetryDistroName = attribute.Key("telemetry.distro.name")
)

// Attributes of databases.
const (
	DBSystemName         = attribute.Key("db.system.name")
	DBNamespace          = attribute.Key("db.namespace")
	DBQuerySummary       = attribute.Key("db.query.summary")
	DBQueryText          = attribute.Key("db.query.text")
	DBResponseStatusCode = attribute.Key("db.response.status_code")

	DBClientConnectionPoolName = attribute.Key("db.client.connection.pool.name")
	DBClientConnectionState    = attribute.Key("db.client.connection.state")
	// DBClientConnectionReason is why a connection was closed, which
	// OpenTelemetry has no name for.
	DBClientConnectionReason = attribute.Key("waybill.db.client.connection.reason")
)

// Attributes of the place in a cluster.
const (
	K8SPodName        = attribute.Key("k8s.pod.name")
	K8SPodUID         = attribute.Key("k8s.pod.uid")
	K8SNamespaceName  = attribute.Key("k8s.namespace.name")
	K8SNodeName       = attribute.Key("k8s.node.name")
	K8SContainerName  = attribute.Key("k8s.container.name")
	K8SDeploymentName = attribute.Key("k8s.deployment.name")
	K8SClusterName    = attribute.Key("k8s.cluster.name")
)

// Attributes of exceptions, on the event of that name.
const (
	ExceptionType       = attribute.Key("exception.type")
	ExceptionMessage    = attribute.Key("exception.message")
	ExceptionStacktrace = attribute.Key("exception.stacktrace")
)

// Metric is the name of a metric in OpenTelemetry's spelling, with its unit in
// UCUM and the sentence that explains it.
type Metric struct{ Name, Unit, Help string }

// The metrics that the middleware makes.
var (
	HTTPServerRequestDuration = Metric{"http.server.request.duration", "s", "Duration of HTTP server requests."}
	HTTPServerActiveRequests  = Metric{"http.server.active_requests", "{request}", "Number of active HTTP server requests."}
	HTTPServerRequestBodySize = Metric{"http.server.request.body.size", "By", "Size of HTTP server request bodies."}
	HTTPServerResponseSize    = Metric{"http.server.response.body.size", "By", "Size of HTTP server response bodies."}
	HTTPClientRequestDuration = Metric{"http.client.request.duration", "s", "Duration of HTTP client requests."}
	RPCServerCallDuration     = Metric{"rpc.server.call.duration", "s", "Duration of inbound RPCs."}
	RPCClientCallDuration     = Metric{"rpc.client.call.duration", "s", "Duration of outbound RPCs."}
	MessagingClientDuration   = Metric{"messaging.client.operation.duration", "s", "Duration of sending a message."}
	MessagingProcessDuration  = Metric{"messaging.process.duration", "s", "Duration of processing a message."}
	DBClientOperationDuration = Metric{"db.client.operation.duration", "s", "Duration of database client operations."}
)

// Buckets are the conventions' boundaries for durations, in seconds. Databases
// are quicker than services.
func (m Metric) Buckets() []float64 {
	if m == DBClientOperationDuration {
		return []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10}
	}
	return []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
}

// SizeBuckets are boundaries for sizes, in bytes: from an empty body to 16 MiB,
// each four times the one before.
func SizeBuckets() []float64 {
	return []float64{0, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20}
}

// Prometheus is the name that Prometheus's OTLP translation gives the metric.
func (m Metric) Prometheus() string {
	name := strings.ReplaceAll(m.Name, ".", "_")
	switch m.Unit {
	case "s":
		name += "_seconds"
	case "By":
		name += "_bytes"
	}
	return name
}

// Label is the name that Prometheus's OTLP translation gives an attribute.
func Label(key attribute.Key) string { return strings.ReplaceAll(string(key), ".", "_") }

// Labels translates several.
func Labels(keys ...attribute.Key) []string {
	labels := make([]string, len(keys))
	for i, key := range keys {
		labels[i] = Label(key)
	}
	return labels
}

// Origins goes the way back: what the middleware's own metrics and labels are
// called in OpenTelemetry's spelling, by their Prometheus names.
type Origins struct {
	metrics map[string]Metric
	labels  map[string]string
}

// NewOrigins collects the names of this package.
func NewOrigins() Origins {
	o := Origins{metrics: map[string]Metric{}, labels: map[string]string{}}
	for _, m := range []Metric{
		HTTPServerRequestDuration, HTTPServerActiveRequests, HTTPServerRequestBodySize, HTTPServerResponseSize,
		HTTPClientRequestDuration, RPCServerCallDuration, RPCClientCallDuration,
		MessagingClientDuration, MessagingProcessDuration, DBClientOperationDuration, ClientCallDuration,
	} {
		o.metrics[m.Prometheus()] = m
	}
	for _, key := range []attribute.Key{
		HTTPRequestMethod, HTTPResponseStatusCode, HTTPRoute, URLScheme, ServerAddress, ServerPort, ErrorType,
		NetworkProtocolVersion, RPCSystemName, RPCMethod, RPCResponseStatusCode,
		MessagingSystem, MessagingOperationName, MessagingDestinationName, MessagingDestinationTemplate, MessagingConsumerGroup,
		DBSystemName, DBNamespace, DBQuerySummary, DBResponseStatusCode,
		PeerService,
	} {
		o.labels[Label(key)] = string(key)
	}
	return o
}

// Metric is the metric that has that Prometheus name, if it is one of ours.
func (o Origins) Metric(prometheus string) (Metric, bool) {
	m, ours := o.metrics[prometheus]
	return m, ours
}

// Label is the attribute behind a label of one of our metrics.
func (o Origins) Label(prometheus string) string {
	if key, known := o.labels[prometheus]; known {
		return key
	}
	return prometheus
}
