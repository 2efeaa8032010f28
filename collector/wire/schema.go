package wire

// rule says what a length-delimited field must hold. Fields without a rule are
// scalars or unknown; that they are well formed is all there is to check.
type rule struct {
	kind    kind
	message *message
	// item marks the fields that a Count function counts.
	item bool
}

type kind uint8

const (
	anything kind = iota
	text
	nested
	packedFixed64
	packedVarint
)

// message has the rules of one message type by field number. OTLP's numbers
// end at 16.
type message struct {
	name  string
	rules [17]rule
}

func (m *message) text(nums ...int) *message {
	for _, num := range nums {
		m.rules[num] = rule{kind: text}
	}
	return m
}

func (m *message) nest(num int, inner *message) *message {
	m.rules[num] = rule{kind: nested, message: inner}
	return m
}

// points nests the data points of a metric, which are what counts of it.
func (m *message) points(inner *message) *message {
	m.rules[1] = rule{kind: nested, message: inner, item: true}
	return m
}

func (m *message) packed(k kind, nums ...int) *message {
	for _, num := range nums {
		m.rules[num] = rule{kind: k}
	}
	return m
}

// requests are the three export requests.
type requests struct{ traces, metrics, logs *message }

// schema is made once and never written again.
var schema = newSchema()

// newSchema writes down opentelemetry-proto 1.10 as far as checking needs it.
func newSchema() requests {
	anyValue, keyValue := of("AnyValue"), of("KeyValue")
	keyValue.text(1).nest(2, anyValue)
	anyValue.text(1).
		nest(5, of("ArrayValue").nest(1, anyValue)).
		nest(6, of("KeyValueList").nest(1, keyValue))
	resource := of("Resource").nest(1, keyValue).nest(3, of("EntityRef").text(1, 2, 3, 4))
	scope := of("InstrumentationScope").text(1, 2).nest(3, keyValue)

	return requests{
		traces:  request("Spans", resource, scope, spanSchema(keyValue), true),
		logs:    request("Logs", resource, scope, logSchema(keyValue, anyValue), true),
		metrics: request("Metrics", resource, scope, metricSchema(keyValue), false),
	}
}

func of(name string) *message { return &message{name: name} }

// request is the shape that the three signals share.
func request(signal string, resource, scope, item *message, count bool) *message {
	scoped := of("Scope"+signal).nest(1, scope).nest(2, item).text(3)
	scoped.rules[2].item = count
	return of("Export"+signal+"Request").
		nest(1, of("Resource"+signal).nest(1, resource).nest(2, scoped).text(3))
}

func spanSchema(keyValue *message) *message {
	return of("Span").text(3, 5).
		nest(9, keyValue).
		nest(11, of("Span.Event").text(2).nest(3, keyValue)).
		nest(13, of("Span.Link").text(3).nest(4, keyValue)).
		nest(15, of("Status").text(2))
}

func logSchema(keyValue, anyValue *message) *message {
	return of("LogRecord").text(3, 12).nest(5, anyValue).nest(6, keyValue)
}

func metricSchema(keyValue *message) *message {
	exemplar := of("Exemplar").nest(7, keyValue)
	number := of("NumberDataPoint").nest(5, exemplar).nest(7, keyValue)
	histogram := of("HistogramDataPoint").nest(8, exemplar).nest(9, keyValue).packed(packedFixed64, 6, 7)
	buckets := of("Buckets").packed(packedVarint, 2)
	exponential := of("ExponentialHistogramDataPoint").
		nest(1, keyValue).nest(8, buckets).nest(9, buckets).nest(11, exemplar)
	summary := of("SummaryDataPoint").nest(6, of("ValueAtQuantile")).nest(7, keyValue)
	return of("Metric").text(1, 2, 3).
		nest(5, of("Gauge").points(number)).
		nest(7, of("Sum").points(number)).
		nest(9, of("Histogram").points(histogram)).
		nest(10, of("ExponentialHistogram").points(exponential)).
		nest(11, of("Summary").points(summary)).
		nest(12, keyValue)
}
