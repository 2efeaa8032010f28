package dashboards

import "fmt"

// The series that the shop's dashboard is about: what the services count
// themselves, beside their requests.
const (
	sagas          = "shop_sagas_total"
	sagaDuration   = "shop_saga_duration_seconds_bucket"
	orderAmount    = "shop_order_amount_total"
	mailAttempts   = "shop_mail_attempt_duration_seconds_bucket"
	sagasOpen      = "shop_sagas_open"
	sagasParked    = "shop_sagas_parked"
	outboxLag      = "shop_outbox_lag_seconds"
	outboxEvents   = "shop_outbox_events"
	projectorLag   = "shop_projector_lag_events"
	mailsWaiting   = "shop_mails_waiting"
	mailsRefused   = "shop_mails_refused"
	paymentUnknown = "shop_payment_unknown"
	reservations   = "shop_reservations_open"
	visits         = "shop_visits_total"
	visitors       = "shop_visitors"
	ordersDue      = "shop_orders_due_per_second"
	instanceCalls  = "shop_instance_calls_total"
	connections    = "shop_instance_connections"
	heartbeatAge   = "shop_instance_heartbeat_age_seconds"
)

// Shop is what the shop itself counts: who comes, how orders end, what waits, what
// nobody goes on with, and which instances do the work. The alerts in alerts.yml
// watch over the same series.
func Shop() Dashboard {
	const every = `{__name__=~"shop_.+"}`
	return Dashboard{
		UID:           "waybill-shop",
		Title:         "Waybill / Order shop",
		Description:   "Who comes, how orders end, what waits to be done, what nobody goes on with, and which instances do the work. docs/alerts.md says what to do about it.",
		Tags:          []string{"waybill"},
		SchemaVersion: 41,
		Version:       1,
		GraphTooltip:  1,
		Timezone:      "browser",
		Time:          TimeRange{From: "now-15m", To: "now"},
		Refresh:       "10s",
		Templating: Templating{List: []Variable{
			datasourceVariable(),
			labelVariable("job", "job", "Job", every),
			labelVariable("instance", "instance", "Instance", every),
			labelVariable("service", "service_name", "Service", every),
		}},
		Panels: layOut([]row{whoComes(), howOrdersEnd(), whatWaits(), whatIsHeld(), whoWorks()}),
	}
}

// most is a gauge of rows: instances of a service count the same ones.
func most(gauge, legend string) query {
	return query{expr: fmt.Sprintf("max by (service_name) (%s%s)", gauge, own()), legend: legend}
}

// orNobody is zero, and not nothing, of a shop that has no customers of the demo's:
// its series are there only while the shopper is.
func orNobody(sum string) string { return sum + " or vector(0)" }

func whoComes() row {
	// Each outcome has a query of its own, so that none is missing from the graph.
	var became []query
	for _, outcome := range []string{"looked", "confirmed", "refused", "failed", "missed"} {
		of := own(fmt.Sprintf("outcome=%q", outcome))
		became = append(became, query{expr: orNobody(fmt.Sprintf("sum(rate(%s%s[$__rate_interval]))", visits, of)), legend: outcome})
	}
	return row{"Who comes", []graph{
		{
			title: "Visits", description: "Visitors per second by what became of their visit: they only looked, or how their order ended. Those missed had no room.", unit: "ops",
			queries: became,
		},
		{
			title: "Visitors", description: "Visitors of the demo's shopper who are in the shop now.", unit: "short",
			queries: []query{{expr: orNobody(fmt.Sprintf("sum(%s%s)", visitors, own())), legend: "inside"}},
		},
		{
			title: "Orders due", description: "Orders per second that the time of the day brings, and those that end. If fewer end, the shop does not keep up; if more do, somebody else orders, too.", unit: "ops",
			queries: []query{
				{expr: orNobody(fmt.Sprintf("sum(%s%s)", ordersDue, own())), legend: "due"},
				{expr: fmt.Sprintf("sum(rate(%s%s[$__rate_interval]))", sagas, own()), legend: "ended"},
			},
		},
	}}
}

func howOrdersEnd() row {
	return row{"How orders end", []graph{
		{
			title: "Sagas", description: "Sagas per second that have ended, by how and why.", unit: "ops",
			queries: []query{{expr: rate(sagas, own(), "outcome", "reason"), legend: "{{outcome}} {{reason}}"}},
		},
		{
			title: "What orders cost", description: "Minor units (cents) per second of orders that have ended.", unit: "short",
			queries: []query{{expr: rate(orderAmount, own(), "outcome", "currency"), legend: "{{outcome}} {{currency}}"}},
		},
		{
			title: "Duration of sagas", description: "From the order's placing to its end. A point is one order; it leads to its trace.", unit: "s",
			queries: quantiles(sagaDuration, own()),
		},
	}}
}

func whatWaits() row {
	return row{"What waits", []graph{
		{
			title: "Sagas under way", description: "Sagas that have not ended, and those of them that are parked until a person has looked into them.", unit: "short",
			queries: []query{most(sagasOpen, "open"), most(sagasParked, "parked")},
		},
		{
			title: "Outbox lag", description: "Age of the oldest event that is not on the bus, by the service that has it.", unit: "dtdurations",
			queries: []query{most(outboxLag, "{{service_name}}")},
		},
		{
			title: "Events that wait", description: "Events that are not on the bus, by service, and events that are not in the read model.", unit: "short",
			queries: []query{most(outboxEvents, "outbox of {{service_name}}"), most(projectorLag, "read model")},
		},
	}}
}

func whatIsHeld() row {
	return row{"Money, stock and mail", []graph{
		{
			title: "Held", description: "Charges and refunds whose outcome is not known, and stock that is set aside and not confirmed.", unit: "short",
			queries: []query{most(paymentUnknown, "payments unknown"), most(reservations, "reservations")},
		},
		{
			title: "Mail", description: "Messages to customers that are not sent yet, and those that nobody tries to send any more.", unit: "short",
			queries: []query{most(mailsWaiting, "waiting"), most(mailsRefused, "refused")},
		},
		{
			title: "Sending mail", description: "What attempts to send a message take. A point is one attempt; it leads to its order's trace.", unit: "s",
			queries: quantiles(mailAttempts, own()),
		},
	}}
}

func whoWorks() row {
	return row{"Instances, as their callers see them", []graph{
		{
			title: "Calls of instances", description: "Calls per second by the instance that they went to and by their code. Each attempt of a call is one.", unit: "reqps",
			queries: []query{{expr: rate(instanceCalls, own(), "registered_instance", "code"), legend: "{{registered_instance}}: {{code}}"}},
		},
		{
			title: "Connections", description: "Connections to each instance, by who calls it. None is to one that can't be reached.", unit: "short",
			queries: []query{{
				expr: fmt.Sprintf("sum by (service_name, registered_instance) (%s%s and on (service_name, registered_service) rate(%s%s[$__rate_interval]))",
					connections, own(), instanceCalls, own()),
				legend: "{{service_name}} to {{registered_instance}}",
			}},
		},
		{
			title: "Age of heartbeats", description: "How long ago each instance has last said that it is well, as the caller sees it that has waited longest. One that is silent for 30 s is out.", unit: "dtdurations",
			queries: []query{{expr: fmt.Sprintf("max by (registered_instance) (%s%s)", heartbeatAge, own()), legend: "{{registered_instance}}"}},
		},
	}}
}
