package wire

// rule says what a length-delimited field must hold. Fields without a rule are
// scalars or unknown; that they are well formed is all there is to check.
type rule struct {
	kind    kind
	message *message
	// item marks the fields that a Count function counts.
	item bool
	// edit says what an Editor is asked about the field.
	edit edit
}

type kind uint8

const (
	anything kind = iota
	text
	nested
	pair          // a KeyValue
	traceIdentity // of the item around it
	spanIdentity
	packedFixed64
	packedVarint
)

// edit is what there may be to change in a field.
type edit uint8

const (
	editNothing edit = iota
	// editInside: the message has something to change.
	editInside
	// editEntry: a KeyValue, which may be changed, or be left out.
	editEntry
	// editElement: an AnyValue in a list, of which the same is true.
	editElement
	// editSingle: an AnyValue that is emptied where it is not to be.
	editSingle
	// editContent: the text of an AnyValue, which goes with what it is the value of.
	editContent
	// editName: a text that is emptied where it is not to be.
	editName
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

// names are the texts that people and programs write freely.
func (m *message) names(num int) *message {
	m.rules[num] = rule{kind: text, edit: editName}
	return m
}

// nest tells what is inside a field. A message that is known to have nothing
// to change, as it is now, is not looked into for that.
func (m *message) nest(num int, inner *message) *message {
	r := rule{kind: nested, message: inner}
	for i := range inner.rules {
		if inner.rules[i].edit != editNothing {
			r.edit = editInside
		}
	}
	m.rules[num] = r
	return m
}

// points nests the data points of a metric, which are what counts of it.
func (m *message) points(inner *message) *message {
	m.nest(1, inner).rules[1].item = true
	return m
}

func (m *message) entries(num int, keyValue *message) *message {
	m.rules[num] = rule{kind: pair, message: keyValue, edit: editEntry}
	return m
}

func (m *message) values(num int, e edit, anyValue *message) *message {
	m.rules[num] = rule{kind: nested, message: anyValue, edit: e}
	return m
}

func (m *message) packed(k kind, nums ...int) *message {
	for _, num := range nums {
		m.rules[num] = rule{kind: k}
	}
	return m
}

// requests are the three export requests, and what is in all of them.
type requests struct{ traces, metrics, logs, anyValue *message }

// schema is made once and never written again.
var schema = newSchema()

// newSchema writes down opentelemetry-proto 1.10 as far as checking needs it.
func newSchema() requests {
	anyValue, keyValue := of("AnyValue"), of("KeyValue")
	keyValue.text(1).values(2, editSingle, anyValue)
	anyValue.text(1).
		nest(5, of("ArrayValue").values(1, editElement, anyValue)).
		nest(6, of("KeyValueList").entries(1, keyValue))
	anyValue.rules[1].edit, anyValue.rules[7].edit = editContent, editContent
	resource := of("Resource").entries(1, keyValue).nest(3, of("EntityRef").text(1, 2, 3, 4))
	scope := of("InstrumentationScope").text(1, 2).entries(3, keyValue)

	around := envelope{resource: resource, scope: scope}
	return requests{
		traces:   around.request("Trace", "Spans", spanSchema(keyValue), true),
		logs:     around.request("Logs", "Logs", logSchema(keyValue, anyValue), true),
		metrics:  around.request("Metrics", "Metrics", metricSchema(keyValue), false),
		anyValue: anyValue,
	}
}

func of(name string) *message { return &message{name: name} }

// envelope is what the items of each signal lie in.
type envelope struct{ resource, scope *message }

// request is the shape that the three signals share. It is named after the
// signal's service, and its parts after the items in them.
func (e envelope) request(service, items string, item *message, count bool) *message {
	scoped := of("Scope"+items).nest(1, e.scope).nest(2, item).text(3)
	scoped.rules[2].item = count
	return of("Export"+service+"ServiceRequest").
		nest(1, of("Resource"+items).nest(1, e.resource).nest(2, scoped).text(3))
}

func spanSchema(keyValue *message) *message {
	m := of("Span").text(3).names(5)
	m.rules[1].kind, m.rules[2].kind = traceIdentity, spanIdentity
	return m.entries(9, keyValue).
		nest(11, of("Span.Event").names(2).entries(3, keyValue)).
		nest(13, of("Span.Link").text(3).entries(4, keyValue)).
		nest(15, of("Status").names(2))
}

func logSchema(keyValue, anyValue *message) *message {
	return of("LogRecord").text(3).names(12).values(5, editSingle, anyValue).entries(6, keyValue)
}

func metricSchema(keyValue *message) *message {
	exemplar := of("Exemplar").entries(7, keyValue)
	number := of("NumberDataPoint").nest(5, exemplar).entries(7, keyValue)
	histogram := of("HistogramDataPoint").nest(8, exemplar).entries(9, keyValue).packed(packedFixed64, 6, 7)
	buckets := of("Buckets").packed(packedVarint, 2)
	exponential := of("ExponentialHistogramDataPoint").
		entries(1, keyValue).nest(8, buckets).nest(9, buckets).nest(11, exemplar)
	summary := of("SummaryDataPoint").nest(6, of("ValueAtQuantile")).entries(7, keyValue)
	return of("Metric").text(1, 2, 3).
		nest(5, of("Gauge").points(number)).
		nest(7, of("Sum").points(number)).
		nest(9, of("Histogram").points(histogram)).
		nest(10, of("ExponentialHistogram").points(exponential)).
		nest(11, of("Summary").points(summary)).
		entries(12, keyValue)
}
