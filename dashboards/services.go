package dashboards

import (
	"fmt"
	"strings"
)

// The series that the dashboard is about: those that the collector derives
// from spans, and the HTTP servers' own.
const (
	spanCalls    = "traces_span_metrics_calls_total"
	spanDuration = "traces_span_metrics_duration_seconds_bucket"
	httpCount    = "http_server_request_duration_seconds_count"
	httpDuration = "http_server_request_duration_seconds_bucket"
	httpActive   = "http_server_active_requests"
)

// Services is the first dashboard to look at: rate, errors and duration of
// every service and operation, with points that lead to traces.
func Services() Dashboard {
	kind := labelVariable("kind", "span_kind", "Span kind", spanCalls)
	// What a service was asked to do, rather than what it asked of others.
	asked := []string{"SPAN_KIND_SERVER", "SPAN_KIND_CONSUMER"}
	kind.Current = &Choice{Text: asked, Value: asked}
	every := fmt.Sprintf(`{__name__=~"%s|%s"}`, spanCalls, httpCount)
	return Dashboard{
		UID:           "waybill-services",
		Title:         "Waybill / Services",
		Description:   "Rate, errors and duration of every service and operation. A point on a duration is one request: it leads to its trace.",
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
			kind,
		}},
		Panels: layOut([]row{byService(), byOperation(), httpServers()}),
	}
}

// spans selects derived series, own those of the HTTP servers.
func spans(more ...string) string {
	return selector(append([]string{`span_kind=~"$kind"`}, more...)...)
}

func own(more ...string) string { return selector(more...) }

func selector(more ...string) string {
	matchers := append([]string{`job=~"$job"`, `instance=~"$instance"`, `service_name=~"$service"`}, more...)
	return "{" + strings.Join(matchers, ", ") + "}"
}

// rate is how often a counter went up, per second, summed up by labels.
func rate(counter, selector string, by ...string) string {
	return fmt.Sprintf("sum by (%s) (rate(%s%s[$__rate_interval]))", strings.Join(by, ", "), counter, selector)
}

// ratio is the part of all that failed. Whoever had no failure has zero, not
// nothing.
func ratio(failed, all string) string {
	return fmt.Sprintf("(%s or 0 * %s) / %s", failed, all, all)
}

// quantile estimates a latency that a part of all requests stay below, from a
// histogram's buckets.
func quantile(part float64, buckets, selector string, by ...string) string {
	return fmt.Sprintf("histogram_quantile(%v, %s)", part, rate(buckets, selector, append(by, "le")...))
}

// quantiles are the usual three over everything that is chosen.
func quantiles(buckets, selector string) []query {
	return []query{
		{expr: quantile(0.5, buckets, selector), legend: "half of all", exemplars: true},
		{expr: quantile(0.95, buckets, selector), legend: "95 %"},
		{expr: quantile(0.99, buckets, selector), legend: "99 %"},
	}
}

const failedSpan = `status_code="STATUS_CODE_ERROR"`

func byService() row {
	const by = "service_name"
	return row{"Services, by their spans", []graph{
		{
			title: "Rate", description: "Spans per second that each service has ended, of the kinds that are chosen.", unit: "reqps",
			queries: []query{{expr: rate(spanCalls, spans(), by), legend: "{{service_name}}"}},
		},
		{
			title: "Errors", description: "The part of each service's spans whose status is Error.", unit: "percentunit",
			queries: []query{{expr: ratio(rate(spanCalls, spans(failedSpan), by), rate(spanCalls, spans(), by)), legend: "{{service_name}}"}},
		},
		{
			title: "Duration", description: "What half, 95 % and 99 % of the spans stay below. A point is one span; it leads to its trace.", unit: "s",
			queries: quantiles(spanDuration, spans()),
		},
	}}
}

func byOperation() row {
	by := []string{"service_name", "span_name"}
	const legend = "{{service_name}}: {{span_name}}"
	return row{"Operations, by their spans", []graph{
		{
			title: "Rate by operation", description: "Spans per second, by service and span name.", unit: "reqps",
			queries: []query{{expr: rate(spanCalls, spans(), by...), legend: legend}},
		},
		{
			title: "Errors by operation", description: "The part of the spans whose status is Error, by service and span name.", unit: "percentunit",
			queries: []query{{expr: ratio(rate(spanCalls, spans(failedSpan), by...), rate(spanCalls, spans(), by...)), legend: legend}},
		},
		{
			title: "Duration by operation", description: "What 95 % of the spans stay below, by service and span name.", unit: "s",
			queries: []query{{expr: quantile(0.95, spanDuration, spans(), by...), legend: legend, exemplars: true}},
		},
	}}
}

func httpServers() row {
	by := []string{"service_name", "http_request_method", "http_route"}
	const legend = "{{service_name}}: {{http_request_method}} {{http_route}}"
	failed := own(`http_response_status_code=~"5.."`)
	return row{"HTTP servers, by their own count", []graph{
		{
			title: "Answers", description: "Answers per second, by route and status code. Requests whose spans were dropped count too.", unit: "reqps",
			queries: []query{{
				expr:   rate(httpCount, own(), append(by, "http_response_status_code")...),
				legend: legend + " {{http_response_status_code}}",
			}},
		},
		{
			title: "Server errors", description: "The part of the answers whose status code is 500 or above, by route.", unit: "percentunit",
			queries: []query{{expr: ratio(rate(httpCount, failed, by...), rate(httpCount, own(), by...)), legend: legend}},
		},
		{
			title: "Duration of requests", description: "What half, 95 % and 99 % of the requests stay below. A point is one request; it leads to its trace.", unit: "s",
			queries: quantiles(httpDuration, own()),
		},
		{
			title: "Active requests", description: "Requests that have begun and not ended, by service.", unit: "short",
			queries: []query{{expr: fmt.Sprintf("sum by (service_name) (%s%s)", httpActive, own()), legend: "{{service_name}}"}},
		},
	}}
}
