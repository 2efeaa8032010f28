package jaeger_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	logpb "go.opentelemetry.io/proto/otlp/logs/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/viewer/jaeger"
	"github.com/waybill-dev/waybill/viewer/query"
	"github.com/waybill-dev/waybill/viewer/viewertest"
)

const ms = time.Millisecond

// recent is half an hour ago, within every default window, to the microsecond
// that the API's times have.
func recent() time.Time { return time.Now().Add(-30 * time.Minute).Truncate(time.Second) }

// serve indexes the journal and serves the API.
func serve(t *testing.T, j journal.Journal) http.Handler {
	t.Helper()
	mux := http.NewServeMux()
	jaeger.Register(mux, query.New(viewertest.Index(t, j), j), slog.New(slog.DiscardHandler))
	return mux
}

func get(t *testing.T, api http.Handler, path string) (status int, body []byte) {
	t.Helper()
	recorder := httptest.NewRecorder()
	api.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
	if got := recorder.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("%s: content type %q", path, got)
	}
	return recorder.Code, recorder.Body.Bytes()
}

// value decodes JSON into maps, lists, strings and numbers.
func value(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	return v
}

// wantJSON holds that an answer has exactly this structure.
func wantJSON(t *testing.T, api http.Handler, path string, status int, want string) {
	t.Helper()
	gotStatus, got := get(t, api, path)
	if gotStatus != status {
		t.Errorf("%s: status %d, want %d", path, gotStatus, status)
	}
	if diff := cmp.Diff(value(t, []byte(want)), value(t, got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// order appends one order: a gateway that calls order over gRPC, which writes
// to a database and publishes an event that notification takes in a trace of
// its own.
func order(t *testing.T, j journal.Journal, start time.Time) {
	t.Helper()
	gateway := viewertest.Resource("gateway", "service.version", "1.4.0", "host.name", "blue")
	root := viewertest.Span(1, 1, 0, "POST /orders", start, 30*ms)
	root.Attributes = viewertest.Attributes("url.path", "/orders", "http.response.status_code", 502, "cached", false,
		"share", 0.25, "big", 1<<60, "raw", []byte("hi"), "tags", []string{"a", "b"})
	viewertest.Fail(root, "upstream")
	root.TraceState = "vendor=1"
	call := viewertest.Span(1, 2, 1, "order.Order/Create", start.Add(ms), 20*ms+1500)
	call.Kind = tracepb.Span_SPAN_KIND_CLIENT
	call.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_OK}
	sent := viewertest.Spans(gateway, root, call)
	sent.ScopeSpans[0].Scope = viewertest.Scope("httpmw", "0.1.0")
	viewertest.AppendSpans(t, j, sent)

	create := viewertest.Span(1, 3, 2, "order.Order/Create", start.Add(2*ms), 15*ms)
	create.Events = []*tracepb.Span_Event{
		{Name: "exception", TimeUnixNano: uint64(start.Add(3 * ms).UnixNano()), Attributes: viewertest.Attributes("exception.type", "Timeout")},
		{Name: "retry", TimeUnixNano: uint64(start.Add(4 * ms).UnixNano()), Attributes: viewertest.Attributes("event", "again")},
	}
	publish := viewertest.Span(1, 4, 3, "send orders", start.Add(9*ms), ms)
	publish.Kind = tracepb.Span_SPAN_KIND_PRODUCER
	process := viewertest.Span(2, 5, 0, "process orders", start.Add(40*ms), ms)
	process.Kind = tracepb.Span_SPAN_KIND_CONSUMER
	cause, causeSpan, nowhere := viewertest.TraceID(1), viewertest.SpanID(4), make([]byte, 16)
	process.Links = []*tracepb.Span_Link{
		{TraceId: cause[:], SpanId: causeSpan[:]},
		{TraceId: nowhere, SpanId: causeSpan[:]},
	}
	viewertest.AppendSpans(t, j,
		viewertest.Spans(viewertest.Resource("order"), create, publish),
		viewertest.Spans(viewertest.Resource("notification"), process))
	viewertest.AppendLogs(t, j, viewertest.Resource("order"),
		viewertest.Log(1, 3, start, logpb.SeverityNumber_SEVERITY_NUMBER_INFO, "created"),
		viewertest.Log(9, 3, start, logpb.SeverityNumber_SEVERITY_NUMBER_INFO, "of a trace without spans"))
}

// TestTraceIsWhatJaegerMakesOfIt holds the conversion against what Jaeger's
// own translation of OTLP answers.
func TestTraceIsWhatJaegerMakesOfIt(t *testing.T) {
	j := memory.New(memory.Config{})
	start := recent()
	order(t, j, start)
	api := serve(t, j)
	trace1 := viewertest.TraceID(1).String()
	us := start.UnixMicro()
	want := fmt.Sprintf(`{"total": 0, "limit": 0, "offset": 0, "errors": null, "data": [{
		"traceID": %[1]q,
		"warnings": [],
		"processes": {
			"p1": {"serviceName": "gateway", "tags": [
				{"key": "host.name", "type": "string", "value": "blue"},
				{"key": "service.version", "type": "string", "value": "1.4.0"}]},
			"p2": {"serviceName": "order", "tags": []}
		},
		"spans": [
			{"traceID": %[1]q, "spanID": "0000000000000001", "operationName": "POST /orders", "processID": "p1",
			 "references": [], "startTime": %[2]d, "duration": 30000, "logs": [], "warnings": [],
			 "tags": [
				{"key": "otel.scope.name", "type": "string", "value": "httpmw"},
				{"key": "otel.scope.version", "type": "string", "value": "0.1.0"},
				{"key": "big", "type": "int64", "value": "1152921504606846976"},
				{"key": "cached", "type": "bool", "value": false},
				{"key": "http.response.status_code", "type": "int64", "value": 502},
				{"key": "raw", "type": "binary", "value": "aGk="},
				{"key": "share", "type": "float64", "value": 0.25},
				{"key": "tags", "type": "string", "value": "[\"a\",\"b\"]"},
				{"key": "url.path", "type": "string", "value": "/orders"},
				{"key": "span.kind", "type": "string", "value": "server"},
				{"key": "otel.status_code", "type": "string", "value": "ERROR"},
				{"key": "error", "type": "bool", "value": true},
				{"key": "otel.status_description", "type": "string", "value": "upstream"},
				{"key": "w3c.tracestate", "type": "string", "value": "vendor=1"}]},
			{"traceID": %[1]q, "spanID": "0000000000000002", "operationName": "order.Order/Create", "processID": "p1",
			 "references": [{"refType": "CHILD_OF", "traceID": %[1]q, "spanID": "0000000000000001"}],
			 "startTime": %[3]d, "duration": 20001, "logs": [], "warnings": [],
			 "tags": [
				{"key": "otel.scope.name", "type": "string", "value": "httpmw"},
				{"key": "otel.scope.version", "type": "string", "value": "0.1.0"},
				{"key": "span.kind", "type": "string", "value": "client"},
				{"key": "otel.status_code", "type": "string", "value": "OK"}]},
			{"traceID": %[1]q, "spanID": "0000000000000003", "operationName": "order.Order/Create", "processID": "p2",
			 "references": [{"refType": "CHILD_OF", "traceID": %[1]q, "spanID": "0000000000000002"}],
			 "startTime": %[4]d, "duration": 15000, "warnings": [],
			 "tags": [{"key": "span.kind", "type": "string", "value": "server"}],
			 "logs": [
				{"timestamp": %[5]d, "fields": [
					{"key": "event", "type": "string", "value": "exception"},
					{"key": "exception.type", "type": "string", "value": "Timeout"}]},
				{"timestamp": %[6]d, "fields": [{"key": "event", "type": "string", "value": "again"}]}]},
			{"traceID": %[1]q, "spanID": "0000000000000004", "operationName": "send orders", "processID": "p2",
			 "references": [{"refType": "CHILD_OF", "traceID": %[1]q, "spanID": "0000000000000003"}],
			 "startTime": %[7]d, "duration": 1000, "logs": [], "warnings": [],
			 "tags": [{"key": "span.kind", "type": "string", "value": "producer"}]}
		]}]}`, trace1, us, us+1000, us+2000, us+3000, us+4000, us+9000)
	wantJSON(t, api, "/api/traces/"+trace1, http.StatusOK, want)
	wantJSON(t, api, "/api/traces/"+strings.ToUpper(trace1), http.StatusOK, want)
	wantJSON(t, api, "/api/traces?traceID="+trace1, http.StatusOK, want)
	wantJSON(t, api, "/api/traces?service=gateway", http.StatusOK, want)

	trace2 := viewertest.TraceID(2).String()
	wantJSON(t, api, "/api/traces/"+trace2, http.StatusOK, fmt.Sprintf(`{"total": 0, "limit": 0, "offset": 0, "errors": null, "data": [{
		"traceID": %[1]q, "warnings": [], "processes": {"p1": {"serviceName": "notification", "tags": []}},
		"spans": [
			{"traceID": %[1]q, "spanID": "0000000000000005", "operationName": "process orders", "processID": "p1",
			 "references": [{"refType": "FOLLOWS_FROM", "traceID": %[2]q, "spanID": "0000000000000004"}],
			 "startTime": %[3]d, "duration": 1000, "logs": [], "warnings": ["a link without a trace id is left out"],
			 "tags": [{"key": "span.kind", "type": "string", "value": "consumer"}]}
		]}]}`, trace2, trace1, us+40_000))
}

func TestShortTraceIDsAreWrittenShort(t *testing.T) {
	j := memory.New(memory.Config{})
	span := viewertest.Span(7, 1, 0, "op", recent(), ms)
	span.TraceId[0] = 0
	viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("old client"), span))
	api := serve(t, j)
	for _, id := range []string{"7", "0000000000000007", "00000000000000000000000000000007"} {
		status, body := get(t, api, "/api/traces/"+id)
		if status != http.StatusOK || !strings.Contains(string(body), `"traceID":"0000000000000007"`) {
			t.Errorf("%s: %d %s", id, status, body)
		}
	}
}

func TestServicesAndOperations(t *testing.T) {
	j := memory.New(memory.Config{})
	order(t, j, recent())
	api := serve(t, j)
	f := func(path, data string, total int) {
		t.Helper()
		wantJSON(t, api, path, http.StatusOK,
			fmt.Sprintf(`{"data": %s, "total": %d, "limit": 0, "offset": 0, "errors": null}`, data, total))
	}
	f("/api/services", `["gateway", "notification", "order"]`, 3)
	f("/api/services/order/operations", `["order.Order/Create", "send orders"]`, 2)
	f("/api/services/nobody/operations", `[]`, 0)
	f("/api/operations?service=gateway",
		`[{"name": "POST /orders", "spanKind": "server"}, {"name": "order.Order/Create", "spanKind": "client"}]`, 2)
	f("/api/operations?service=gateway&spanKind=client", `[{"name": "order.Order/Create", "spanKind": "client"}]`, 1)
	f("/api/operations?service=gateway&spanKind=consumer", `[]`, 0)
	f("/api/operations?service=nobody", `[]`, 0)
	f("/api/dependencies", `[
		{"parent": "gateway", "child": "order", "callCount": 1},
		{"parent": "order", "child": "notification", "callCount": 1}]`, 0)
	f("/api/dependencies?service=gateway", `[{"parent": "gateway", "child": "order", "callCount": 1}]`, 0)
	f(fmt.Sprintf("/api/dependencies?endTs=%d&lookback=60000", recent().Add(-time.Hour).UnixMilli()), `[]`, 0)
}

func TestAnEmptyViewerHasLists(t *testing.T) {
	api := serve(t, memory.New(memory.Config{}))
	for _, path := range []string{
		"/api/services", "/api/services/a/operations", "/api/operations?service=a", "/api/traces?service=a", "/api/dependencies",
	} {
		wantJSON(t, api, path, http.StatusOK, `{"data": [], "total": 0, "limit": 0, "offset": 0, "errors": null}`)
	}
}

func TestSearchParameters(t *testing.T) {
	j := memory.New(memory.Config{})
	start := recent()
	order(t, j, start)
	for n := 10; n < 13; n++ {
		span := viewertest.Span(n, 1, 0, "GET /orders/{id}", start.Add(time.Duration(n)*time.Second), time.Duration(n)*ms)
		span.Attributes = viewertest.Attributes("n", n, "customer", "c-"+string(rune('a'+n-10)))
		viewertest.AppendSpans(t, j, viewertest.Spans(viewertest.Resource("gateway"), span))
	}
	api := serve(t, j)
	micro := func(seconds int) int64 { return start.Add(time.Duration(seconds) * time.Second).UnixMicro() }
	f := func(parameters string, want ...int) {
		t.Helper()
		status, body := get(t, api, "/api/traces?"+parameters)
		if status != http.StatusOK {
			t.Errorf("%s: %d %s", parameters, status, body)
			return
		}
		var answer struct {
			Data []struct{ TraceID string }
		}
		if err := json.Unmarshal(body, &answer); err != nil {
			t.Fatal(err)
		}
		got, ids := []string{}, []string{}
		for _, one := range answer.Data {
			got = append(got, one.TraceID)
		}
		for _, n := range want {
			ids = append(ids, viewertest.TraceID(n).String())
		}
		if diff := cmp.Diff(ids, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", parameters, diff)
		}
	}
	f("service=gateway", 12, 11, 10, 1)
	f("service=gateway&limit=2", 12, 11)
	f("service=gateway&limit=1000000", 12, 11, 10, 1)
	f("service=gateway&operation=POST+/orders", 1)
	f("service=gateway&operation=all", []int{}...)
	f("service=nobody", []int{}...)
	f(fmt.Sprintf("service=gateway&start=%d&end=%d", micro(10), micro(11)), 11, 10)
	f(fmt.Sprintf("service=gateway&start=%d", micro(11)), 12, 11)
	f("service=gateway&lookback=1h", 12, 11, 10, 1)
	f("service=gateway&lookback=2d", 12, 11, 10, 1)
	f("service=gateway&lookback=1m", []int{}...)
	f(fmt.Sprintf("service=gateway&lookback=custom&start=%d&end=%d", micro(12), micro(12)), 12)
	f("service=gateway&minDuration=11ms", 12, 11, 1)
	f("service=gateway&minDuration=11ms&maxDuration=12ms", 12, 11)
	f("service=gateway&maxDuration=0.0105s", 10)
	f("service=gateway&tags="+url.QueryEscape(`{"n":"11"}`), 11)
	f("service=gateway&tags="+url.QueryEscape(`{"n":"11","customer":"c-c"}`), []int{}...)
	f("service=gateway&tags="+url.QueryEscape(`{"error":"true"}`), 1)
	f("service=gateway&tags="+url.QueryEscape(`{"http.response.status_code":"502"}`), 1)
	f("service=gateway&tag=n:12", 12)
	f("service=gateway&tag=n:12&tag=customer:c-c", 12)
	f("service=gateway&minDuration=&maxDuration=&tags=&operation=", 12, 11, 10, 1)
	f("traceID="+viewertest.TraceID(11).String()+"&traceID="+viewertest.TraceID(2).String(), 11, 2)
}

func TestMissingTraces(t *testing.T) {
	j := memory.New(memory.Config{})
	order(t, j, recent())
	api := serve(t, j)
	const missing = `{"data": null, "total": 0, "limit": 0, "offset": 0, "errors": [{"code": 404, "msg": "trace not found"}]}`
	wantJSON(t, api, "/api/traces/"+viewertest.TraceID(404).String(), http.StatusNotFound, missing)
	// Of this one there are logs only.
	wantJSON(t, api, "/api/traces/"+viewertest.TraceID(9).String(), http.StatusNotFound, missing)
	id := viewertest.TraceID(404).String()
	wantJSON(t, api, "/api/traces?traceID="+id, http.StatusOK, fmt.Sprintf(
		`{"data": [], "total": 0, "limit": 0, "offset": 0, "errors": [{"msg": "trace not found", "traceID": %q}]}`, id))
}

func TestDownload(t *testing.T) {
	j := memory.New(memory.Config{})
	order(t, j, recent())
	id := viewertest.TraceID(1).String()
	recorder := httptest.NewRecorder()
	serve(t, j).ServeHTTP(recorder,
		httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/traces/"+id+"?download=1&prettyPrint=true", http.NoBody))
	if got, want := recorder.Header().Get("Content-Disposition"), `attachment; filename="trace-`+id+`.json"`; got != want {
		t.Errorf("disposition: %s, want %s", got, want)
	}
	if !strings.Contains(recorder.Body.String(), "\n    \"data\": [\n") {
		t.Errorf("not indented:\n%s", recorder.Body)
	}
}

func TestHostileParameters(t *testing.T) {
	j := memory.New(memory.Config{})
	order(t, j, recent())
	api := serve(t, j)
	long := strings.Repeat("x", 40_000)
	f := func(path string, want int) {
		t.Helper()
		status, body := get(t, api, path)
		if status != want {
			t.Errorf("%.80s: status %d, want %d: %.200s", path, status, want, body)
		}
		envelope, ok := value(t, body).(map[string]any)
		if failed := want >= 400; !ok || failed != (envelope["errors"] != nil) {
			t.Errorf("%.80s: %.200s", path, body)
		}
	}
	for _, bad := range []string{
		"", "service=", "service=a&limit=0", "service=a&limit=-1", "service=a&limit=1e9", "service=a&limit=99999999999999999999",
		"service=a&start=yesterday", "service=a&start=1.5", "service=a&end=99999999999999999999",
		"service=a&minDuration=1", "service=a&minDuration=-1s", "service=a&minDuration=NaNs", "service=a&maxDuration=9999999999h",
		"service=a&minDuration=2s&maxDuration=1s", "service=a&lookback=soon", "service=a&lookback=-2d", "service=a&lookback=99999d",
		"service=a&tags=" + url.QueryEscape(`{"a":1}`), "service=a&tags=" + url.QueryEscape(`["a"]`), "service=a&tags=%7B",
		"service=a&tags=" + strings.Repeat("%5B", 10_000), "service=a&tag=keyonly",
		"traceID=xyz", "traceID=0", "traceID=" + strings.Repeat("a", 33), "traceID=" + strings.Repeat("1&traceID=", 2000) + "1",
	} {
		f("/api/traces?"+bad, http.StatusBadRequest)
	}
	for _, odd := range []string{
		"service=" + long, "service=a&operation=" + long, "service=%00%ff%fe", "service=gateway&tags=" + url.QueryEscape(`{"":""}`),
		"service=gateway&start=-9223372036854775808&end=9223372036854775807", "service=gateway&end=-9223372036854775808",
		"service=gateway&lookback=65535d", "service=gateway&limit=2147483647", "service=gateway&minDuration=2562047h",
		"service=gateway&tags=" + url.QueryEscape(`{"`+long+`":"<script>"}`), "service=gateway;drop=1&service=gateway",
	} {
		f("/api/traces?"+odd, http.StatusOK)
	}
	f("/api/traces/", http.StatusNotFound)
	f("/api/traces/xyz", http.StatusBadRequest)
	f("/api/traces/"+strings.Repeat("0", 32), http.StatusBadRequest)
	f("/api/traces/"+strings.Repeat("f", 33), http.StatusBadRequest)
	f("/api/traces/%2e%2e%2fetc", http.StatusBadRequest)
	f("/api/services/"+long+"/operations", http.StatusOK)
	f("/api/services/%2F%00/operations", http.StatusOK)
	f("/api/operations", http.StatusBadRequest)
	f("/api/operations?service=a&spanKind="+long, http.StatusOK)
	f("/api/dependencies?endTs=soon", http.StatusBadRequest)
	f("/api/dependencies?lookback=-1", http.StatusBadRequest)
	f("/api/dependencies?endTs=9223372036854775807&lookback=8796093022207", http.StatusOK)
	f("/api/dependencies?endTs=-9223372036854775808", http.StatusOK)
	f("/api/nothing", http.StatusNotFound)
}

func TestABrokenJournalIsNotTheClientsFault(t *testing.T) {
	j := memory.New(memory.Config{})
	order(t, j, recent())
	api := serve(t, j)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/traces?service=gateway", "/api/traces/" + viewertest.TraceID(1).String()} {
		if status, body := get(t, api, path); status != http.StatusInternalServerError || !strings.Contains(string(body), `"code":500`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
