package tracegen

import (
	"math/rand/v2"
	"slices"
	"time"
)

// shop is the topology of the demo's order shop: what its services would send
// for an order that is confirmed, declined, or out of stock, and for somebody
// who looks at an order.
type shop struct {
	scenarios []scenario
	services  []string
	weights   float64
}

// scenario is a trace's shape and how often it comes.
type scenario struct {
	name   string
	weight float64
	root   *operation
}

func newShop() *shop {
	s := &shop{
		scenarios: []scenario{
			{"confirmed", 70, placeOrder("201", "", confirmed()...)},
			{"declined", 6, placeOrder("402", "payment_declined", declined()...)},
			{"out of stock", 4, placeOrder("409", "out_of_stock", outOfStock()...)},
			{"looked at", 20, lookAtOrder()},
		},
		services: []string{"gateway", "user", "order", "inventory", "payment", "psp", "notification"},
	}
	for _, scenario := range s.scenarios {
		s.weights += scenario.weight
	}
	return s
}

// pick chooses the shape of a trace.
func (s *shop) pick(r *rand.Rand) *operation {
	at := r.Float64() * s.weights
	for _, scenario := range s.scenarios {
		if at -= scenario.weight; at < 0 {
			return scenario.root
		}
	}
	return s.scenarios[0].root
}

func placeOrder(status, reason string, saga ...*operation) *operation {
	create := rpc("gateway", "order", "shop.order.v1.OrderService/CreateOrder", reason, append([]*operation{
		query("order", "orders", "INSERT"),
	}, driven(reason, saga...))...)
	return served("gateway", "POST", "/api/v1/orders", status, "", 180,
		rpc("gateway", "user", "shop.user.v1.UserService/ValidateUser", "", query("user", "users", "SELECT")),
		create)
}

func lookAtOrder() *operation {
	return served("gateway", "GET", "/api/v1/orders/{id}", "200", "", 120,
		rpc("gateway", "order", "shop.order.v1.OrderService/GetOrder", "", query("order", "orders", "SELECT"), query("order", "order_lines", "SELECT")))
}

// driven is the saga of an order, and the event that tells of its end.
func driven(reason string, steps ...*operation) *operation {
	saga := &operation{
		service: "order", name: "place order", kind: internal, self: us(150), failure: reason, calls: steps,
		attributes: []attribute{{key: "shop.order.id", draw: func(i *identity) string { return i.order }}, number("shop.saga.attempt", 1)},
	}
	if reason != "" {
		saga.attributes = append(saga.attributes, text("shop.order.reason", reason), text("error.type", reason))
	}
	for i := range steps {
		saga.events = append(saga.events, event{behind: i + 1, name: "step is done"})
	}
	subject := "orders.confirmed"
	if reason != "" {
		subject = "orders.cancelled"
	}
	saga.later = []later{{us(900), published(subject)}}
	return saga
}

// confirmed sets stock aside, takes the money, and writes down that it has.
func confirmed() []*operation {
	return []*operation{
		reserve(""),
		rpc("order", "payment", "shop.payment.v1.PaymentService/Charge", "",
			query("payment", "charges", "INSERT"), charge("201", ""), query("payment", "charges", "UPDATE")),
		query("order", "orders", "UPDATE"),
	}
}

// declined gives the stock back.
func declined() []*operation {
	return []*operation{
		reserve(""),
		rpc("order", "payment", "shop.payment.v1.PaymentService/Charge", "FAILED_PRECONDITION",
			query("payment", "charges", "INSERT"), charge("402", "402"), query("payment", "charges", "UPDATE")),
		rpc("order", "inventory", "shop.inventory.v1.InventoryService/Release", "",
			query("inventory", "items", "UPDATE"), query("inventory", "reservations", "UPDATE")),
		query("order", "orders", "UPDATE"),
	}
}

func outOfStock() []*operation {
	return []*operation{reserve("FAILED_PRECONDITION"), query("order", "orders", "UPDATE")}
}

func reserve(status string) *operation {
	return rpc("order", "inventory", "shop.inventory.v1.InventoryService/Reserve", status,
		query("inventory", "reservations", "INSERT"), query("inventory", "items", "UPDATE"), query("inventory", "reservation_lines", "INSERT"))
}

// charge is a request to the payment provider: its client's span, and its own.
// An error type fails the client's.
func charge(status, errorType string) *operation {
	far := served("psp", "POST", "/charges", status, "", 400, query("psp", "charges", "INSERT"))
	far.self = latency{60 * time.Millisecond, 0.45}
	near := &operation{
		service: "payment", name: "POST", kind: client, self: us(350), calls: []*operation{far},
		attributes: []attribute{
			text("http.request.method", "POST"), text("url.full", "http://psp:9006/charges"),
			text("server.address", "psp"), number("server.port", 9006), number("http.response.status_code", statusCode(status)),
		},
	}
	if errorType != "" {
		near.failure = status
		near.attributes = append(near.attributes, text("error.type", errorType))
	}
	return near
}

// published is an event on its way to who sends mail.
func published(subject string) *operation {
	messaging := func(operation string) []attribute {
		return []attribute{
			text("messaging.system", "nats"), text("messaging.operation.name", operation),
			text("messaging.destination.name", subject),
			{key: "messaging.message.id", draw: func(i *identity) string { return "evt_" + i.order[4:] }},
		}
	}
	mail := &operation{
		service: "notification", name: "process " + subject, kind: consumer, self: latency{120 * time.Millisecond, 0.5},
		attributes: messaging("process"), calls: []*operation{query("notification", "messages", "INSERT")},
	}
	return &operation{
		service: "order", name: "publish " + subject, kind: producer, self: us(400),
		attributes: messaging("publish"), later: []later{{us(600), mail}},
	}
}

// served is an HTTP request as its server sees it.
func served(service, method, route, status, failure string, self int, calls ...*operation) *operation {
	return &operation{
		service: service, name: method + " " + route, kind: server, self: us(self), failure: failure, calls: calls,
		attributes: []attribute{
			text("http.request.method", method), text("http.route", route), text("url.path", route), text("url.scheme", "http"),
			number("http.response.status_code", statusCode(status)), text("network.protocol.version", "1.1"),
			text("user_agent.original", "waybill-tracegen"),
			{key: "enduser.id", draw: func(i *identity) string { return i.user }},
		},
	}
}

// rpc is a call: its client's span around its server's. A status fails the
// client's.
func rpc(from, to, method, status string, calls ...*operation) *operation {
	answered := status
	switch status {
	case "":
		answered = "OK"
	case "payment_declined", "out_of_stock":
		status, answered = "FAILED_PRECONDITION", "FAILED_PRECONDITION"
	}
	attributes := []attribute{text("rpc.system.name", "grpc"), text("rpc.method", method), text("rpc.response.status_code", answered)}
	far := &operation{service: to, name: method, kind: server, self: us(120), attributes: attributes, calls: calls}
	near := &operation{
		service: from, name: method, kind: client, self: us(450), failure: status, calls: []*operation{far},
		attributes: append(slices.Clip(attributes), text("server.address", to)),
	}
	if status != "" {
		near.attributes = append(near.attributes, text("error.type", status))
	}
	return near
}

// query is a statement on the service's own database.
func query(service, table, verb string) *operation {
	return &operation{
		service: service, name: verb + " " + table, kind: client, self: us(110),
		attributes: []attribute{
			text("db.system.name", "sqlite"), text("db.namespace", service), text("db.operation.name", verb),
			text("db.collection.name", table), text("db.query.summary", verb+" "+table),
		},
	}
}

func statusCode(status string) int64 {
	code := int64(0)
	for _, digit := range status {
		code = code*10 + int64(digit-'0')
	}
	return code
}
