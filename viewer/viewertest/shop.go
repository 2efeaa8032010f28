package viewertest

import (
	"fmt"
	"testing"
	"time"

	logpb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/journal"
)

// The shop's orders by number: every declineEvery-th is declined, every
// slowEvery-th waits for its payment. Orders are orderEvery apart.
const (
	declineEvery = 7
	slowEvery    = 5
	orderEvery   = 400 * time.Millisecond
)

// OrderSpans is how many spans an order has that is not declined, OrderLogs
// how many log records; a declined one has fewer.
const (
	OrderSpans = 16
	OrderLogs  = 3
)

// Declined says that the order's card is declined.
func Declined(order int) bool { return order%declineEvery == 0 }

// Shop appends the orders numbered from 1 to count, of which the last begins at
// newest: seven services, their calls, databases and messages, and their logs.
func Shop(t testing.TB, j journal.Journal, count int, newest time.Time) {
	t.Helper()
	for n := 1; n <= count; n++ {
		appendOrder(t, j, n, newest.Add(time.Duration(n-count)*orderEvery))
	}
}

// order collects what each service sends of one order.
type order struct {
	number int
	start  time.Time
	spans  map[string][]*tracepb.Span
	logs   map[string][]*logpb.LogRecord
	ids    int
	slow   float64
}

// step adds a span that runs between two times, in milliseconds from the
// order's start, and returns its id.
func (o *order) step(service, name string, parent int, kind tracepb.Span_SpanKind, from, to float64, attributes ...any) (int, *tracepb.Span) {
	o.ids++
	at := func(ms float64) time.Duration { return time.Duration(ms * o.slow * float64(time.Millisecond)) }
	span := Span(o.number, o.ids, parent, name, o.start.Add(at(from)), at(to-from))
	span.Kind = kind
	span.Attributes = Attributes(attributes...)
	o.spans[service] = append(o.spans[service], span)
	return o.ids, span
}

// call adds both sides of a call from service to service.
func (o *order) call(from, to, name string, parent int, begin, end float64) (callee int, caller, served *tracepb.Span) {
	client, caller := o.step(from, name, parent, tracepb.Span_SPAN_KIND_CLIENT, begin, end,
		"rpc.system.name", "grpc", "rpc.method", name, "server.address", to)
	callee, served = o.step(to, name, client, tracepb.Span_SPAN_KIND_SERVER, begin+0.3, end-0.3,
		"rpc.system.name", "grpc", "rpc.method", name)
	return callee, caller, served
}

func (o *order) statement(service, text string, parent int, begin, end float64) {
	o.step(service, text, parent, tracepb.Span_SPAN_KIND_CLIENT, begin, end,
		"db.system.name", "sqlite", "db.namespace", service, "db.query.text", text+" …")
}

func (o *order) log(service string, span int, severity logpb.SeverityNumber, ms float64, body string, attributes ...any) {
	at := o.start.Add(time.Duration(ms * o.slow * float64(time.Millisecond)))
	o.logs[service] = append(o.logs[service], Log(o.number, span, at, severity, body, attributes...))
}

func appendOrder(t testing.TB, j journal.Journal, number int, start time.Time) {
	t.Helper()
	o := &order{number: number, start: start, spans: map[string][]*tracepb.Span{}, logs: map[string][]*logpb.LogRecord{}, slow: 1}
	if number%slowEvery == 0 {
		o.slow = 6.5
	}
	o.fill(Declined(number))
	for _, service := range []string{"gateway", "user", "order", "inventory", "payment", "psp", "notification"} {
		resource := Resource(service, "service.version", "0.1.0", "service.instance.id", service+"-1", "host.name", "demo")
		if spans := o.spans[service]; len(spans) > 0 {
			sent := Spans(resource, spans...)
			sent.ScopeSpans[0].Scope = Scope("github.com/waybill-dev/waybill/middleware", "0.1.0")
			AppendSpans(t, j, sent)
		}
		if logs := o.logs[service]; len(logs) > 0 {
			AppendLogs(t, j, resource, logs...)
		}
	}
}

// fill is the way of one order.
func (o *order) fill(declined bool) {
	orderID := fmt.Sprintf("o-%06d", o.number)
	root, served := o.step("gateway", "POST /api/v1/orders", 0, tracepb.Span_SPAN_KIND_SERVER, 0, 48,
		"http.request.method", "POST", "http.route", "/api/v1/orders", "url.path", "/api/v1/orders",
		"http.response.status_code", 201, "client.address", "127.0.0.1", "order.id", orderID)
	user, _, _ := o.call("gateway", "user", "user.User/Get", root, 1, 6)
	o.statement("user", "SELECT users", user, 2, 4)
	create, caller, creating := o.call("gateway", "order", "order.Order/Create", root, 7, 47)
	o.statement("order", "INSERT orders", create, 8, 10)
	o.log("order", create, logpb.SeverityNumber_SEVERITY_NUMBER_INFO, 10, "order accepted", "order.id", orderID, "items", 2)
	reserve, _, _ := o.call("order", "inventory", "inventory.Stock/Reserve", create, 11, 18)
	o.statement("inventory", "UPDATE stock", reserve, 13, 16)
	take, taking, taken := o.call("order", "payment", "payment.Payment/Take", create, 19, 40)
	psp, _ := o.step("payment", "POST", take, tracepb.Span_SPAN_KIND_CLIENT, 20, 38,
		"http.request.method", "POST", "url.full", "http://psp/charge?key=REDACTED", "server.address", "psp")
	_, charge := o.step("psp", "POST /charge", psp, tracepb.Span_SPAN_KIND_SERVER, 21, 37, "http.route", "/charge")
	if declined {
		for _, s := range []*tracepb.Span{served, caller, creating, taking, taken} {
			Fail(s, "card declined")
		}
		taken.Events = []*tracepb.Span_Event{{
			Name: "exception", TimeUnixNano: charge.GetEndTimeUnixNano(),
			Attributes: Attributes("exception.type", "payment.Declined", "exception.message", "card declined: insufficient funds"),
		}}
		o.log("payment", take, logpb.SeverityNumber_SEVERITY_NUMBER_WARN, 38, "card declined", "order.id", orderID, "code", 51)
		return
	}
	o.log("payment", take, logpb.SeverityNumber_SEVERITY_NUMBER_INFO, 38, "payment taken", "order.id", orderID)
	send, _ := o.step("order", "send orders.confirmed", create, tracepb.Span_SPAN_KIND_PRODUCER, 41, 43,
		"messaging.system", "nats", "messaging.destination.name", "orders.confirmed")
	process, _ := o.step("notification", "process orders.confirmed", send, tracepb.Span_SPAN_KIND_CONSUMER, 60, 75,
		"messaging.system", "nats", "messaging.destination.name", "orders.confirmed")
	o.log("notification", process, logpb.SeverityNumber_SEVERITY_NUMBER_INFO, 74, "message sent", "order.id", orderID, "channel", "mail")
}
