package httpmw_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
	"weak"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// Each test here is a complaint that users of other instrumentations have; the
// issue is named where there is one.

func taken(name string) prometheus.Collector {
	return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: "Taken."})
}

// CVE-2023-45142: each User-Agent, method or Host was a series.
func TestSeriesDoNotExplode(t *testing.T) {
	o := newTelemetry()
	handler := o.middleware(t)(mux("/orders/{id}", ok()))
	for i := range 200 {
		r := incoming(t, fmt.Sprintf("BREW%d", i), fmt.Sprintf("http://host%d/orders/%d", i, i), "User-Agent", strconv.Itoa(i))
		r.RemoteAddr = fmt.Sprintf("192.0.2.%d:%d", i, 1000+i)
		handler.ServeHTTP(httptest.NewRecorder(), r)
	}
	for _, name := range []string{serverDuration, activeRequests} {
		if series := o.series(t, name); len(series) != 1 {
			t.Errorf("%s has %d series, want one: %v", name, len(series), series)
		}
	}
}

// contrib#6193, contrib#7954, collector#14508: the route was missing from the
// name or the metric, or lost in a copy of the request.
func TestRouteIsFound(t *testing.T) {
	type key struct{}
	cloned := func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), key{}, true)))
		})
	}
	setRoute := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { httpmw.SetRoute(r.Context(), "/told/{id}") })
	tests := map[string]struct {
		handler func(observe func(http.Handler) http.Handler) http.Handler
		want    string
	}{
		"mux inside": {func(observe func(http.Handler) http.Handler) http.Handler {
			return observe(mux("GET /orders/{id}", ok()))
		}, "/orders/{id}"},
		"mux outside": {func(observe func(http.Handler) http.Handler) http.Handler {
			return mux("GET /orders/{id}", observe(ok()))
		}, "/orders/{id}"},
		"mux in a mux": {func(observe func(http.Handler) http.Handler) http.Handler {
			return observe(mux("/orders/", mux("GET /orders/{id}", ok())))
		}, "/orders/{id}"},
		"mux outside and inside": {func(observe func(http.Handler) http.Handler) http.Handler {
			return mux("/", observe(mux("GET /orders/{id}", ok())))
		}, "/orders/{id}"},
		"cloned inside the mux": {func(observe func(http.Handler) http.Handler) http.Handler {
			return observe(mux("GET /orders/{id}", cloned(ok())))
		}, "/orders/{id}"},
		"cloned before the mux, reported": {func(observe func(http.Handler) http.Handler) http.Handler {
			return mux("/", observe(cloned(httpmw.ReportRoute(mux("GET /orders/{id}", ok())))))
		}, "/orders/{id}"},
		"cloned twice, the innermost reported": {func(observe func(http.Handler) http.Handler) http.Handler {
			return observe(cloned(httpmw.ReportRoute(mux("/orders/", cloned(httpmw.ReportRoute(mux("GET /orders/{id}", ok())))))))
		}, "/orders/{id}"},
		"cloned, told": {func(observe func(http.Handler) http.Handler) http.Handler {
			return observe(cloned(cloned(setRoute)))
		}, "/told/{id}"},
		"told before the mux's": {func(observe func(http.Handler) http.Handler) http.Handler {
			return observe(httpmw.ReportRoute(mux("/orders/{id}", setRoute)))
		}, "/told/{id}"},
		"pattern with a host": {func(observe func(http.Handler) http.Handler) http.Handler {
			return observe(mux("GET shop.example/orders/{id}", ok()))
		}, "/orders/{id}"},
		"nothing fits": {func(observe func(http.Handler) http.Handler) http.Handler {
			return mux("/", observe(httpmw.ReportRoute(mux("/users/{id}", ok()))))
		}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := newTelemetry()
			test.handler(o.middleware(t)).ServeHTTP(httptest.NewRecorder(), incoming(t, "GET", "http://shop.example/orders/42"))
			span := o.span(t)
			if got := attributes(span)["http.route"]; got != test.want {
				t.Errorf("http.route of the span = %q, want %q", got, test.want)
			}
			if want := strings.TrimSpace("GET " + test.want); span.Name() != want {
				t.Errorf("name = %q, want %q", span.Name(), want)
			}
			if labels := o.only(t, serverDuration); test.want != "" && !strings.Contains(labels, "http_route="+test.want+",") {
				t.Errorf("series = %s, want the route %s", labels, test.want)
			}
		})
	}
}

// contrib#9358: a client that had gone was counted as a 500.
func TestClientGoneIsNoServerError(t *testing.T) {
	overBoth(t, func(t *testing.T, serve func(http.Handler) *httptest.Server) {
		o := newTelemetry()
		arrived := make(chan struct{})
		server := serve(o.middleware(t)(mux("/slow", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(arrived)
			<-r.Context().Done()
			http.Error(w, r.Context().Err().Error(), http.StatusInternalServerError) // as most do
		}))))
		ctx, cancel := context.WithCancel(t.Context())
		r := newRequest(t, http.MethodGet, server.URL+"/slow", nil).WithContext(ctx)
		go func() { <-arrived; cancel() }()
		if response, err := server.Client().Do(r); err == nil {
			_ = response.Body.Close()
			t.Fatal("the request was answered")
		}
		span := o.span(t)
		got := attributes(span)
		if span.Status().Code != codes.Unset || got["error.type"] != "client_closed_request" || got["http.response.status_code"] != "" {
			t.Errorf("span: status %v, error.type %q, response %q", span.Status().Code, got["error.type"], got["http.response.status_code"])
		}
		if labels := o.only(t, serverDuration); !strings.Contains(labels, "error_type=client_closed_request") || strings.Contains(labels, "status_code") {
			t.Errorf("series = %s", labels)
		}
	})
}

// A stream that its client has had enough of has succeeded.
func TestStreamThatItsClientEndsIsNoError(t *testing.T) {
	overBoth(t, func(t *testing.T, serve func(http.Handler) *httptest.Server) {
		o := newTelemetry()
		server := serve(o.middleware(t)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, "data: 1\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		response, err := server.Client().Do(newRequest(t, http.MethodGet, server.URL, nil).WithContext(ctx))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = response.Body.Close() }()
		if _, err := bufio.NewReader(response.Body).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		cancel()
		got := attributes(o.span(t))
		if got["error.type"] != "" || got["http.response.status_code"] != "200" {
			t.Errorf("error.type %q, response %q; want none, 200", got["error.type"], got["http.response.status_code"])
		}
	})
}

// glue#195: panics vanished from the metrics.
func TestPanicIsRecordedAndGoesOn(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.Handler
		status  string
	}{
		"before the response": {http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(errors.New("boom")) }), "500"},
		"in the response": {http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusAccepted)
			panic(errors.New("boom"))
		}), "202"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newTelemetry()
			func() {
				defer func() {
					if cause := recover(); fmt.Sprint(cause) != "boom" {
						t.Errorf("the server gets the panic %v, want boom", cause)
					}
				}()
				bare(t, o, mux("/boom", test.handler), incoming(t, "GET", "/boom"))
			}()
			span := o.span(t)
			got := attributes(span)
			if span.Status().Code != codes.Error || got["error.type"] != "panic" || got["http.response.status_code"] != test.status || got["http.route"] != "/boom" {
				t.Errorf("status %v, attributes %v", span.Status(), got)
			}
			if labels := o.only(t, serverDuration); !strings.Contains(labels, "error_type=panic") || !strings.Contains(labels, "status_code="+test.status) {
				t.Errorf("series = %s", labels)
			}
			if len(span.Events()) != 1 {
				t.Fatalf("events = %v, want one exception", span.Events())
			}
			event := map[string]string{}
			for _, kv := range span.Events()[0].Attributes {
				event[string(kv.Key)] = kv.Value.String()
			}
			if event["exception.type"] != "*errors.errorString" || event["exception.message"] != "boom" || !strings.Contains(event["exception.stacktrace"], "rivals_ext_test.go") {
				t.Errorf("exception = %v", event)
			}
			if active := o.series(t, activeRequests); active["http_request_method=GET,url_scheme=http"] != 0 {
				t.Errorf("active requests = %v", active)
			}
		})
	}
}

func TestErrAbortHandlerIsNoPanic(t *testing.T) {
	o := newTelemetry()
	func() {
		defer func() {
			if cause := recover(); cause != any(http.ErrAbortHandler) {
				t.Errorf("the server gets the panic %v, want http.ErrAbortHandler", cause)
			}
		}()
		bare(t, o, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusOK)
			panic(http.ErrAbortHandler)
		}), incoming(t, "GET", "/"))
	}()
	span := o.span(t)
	if got := attributes(span); span.Status().Code != codes.Unset || len(span.Events()) != 0 || got["error.type"] != "aborted" || got["http.response.status_code"] != "200" {
		t.Errorf("status %v, events %v, attributes %v", span.Status(), span.Events(), got)
	}
}

// contrib#2617: there was no count of active requests.
func TestActiveRequests(t *testing.T) {
	o := newTelemetry()
	active := func() float64 { return o.series(t, activeRequests)["http_request_method=GET,url_scheme=http"] }
	bare(t, o, http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		if got := active(); got != 1 {
			t.Errorf("active during the request: %v, want 1", got)
		}
	}), incoming(t, "GET", "/"))
	if got := active(); got != 0 {
		t.Errorf("active afterwards: %v, want 0", got)
	}
}

// contrib#5438 and its like: what the response writer could do was lost, or
// not seen.
func TestResponseWriterKeepsWhatItCan(t *testing.T) {
	overBoth(t, func(t *testing.T, serve func(http.Handler) *httptest.Server) {
		o := newTelemetry()
		server := serve(o.middleware(t)(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, flushes := w.(http.Flusher)
			_, hijacks := w.(http.Hijacker)
			_, pushes := w.(http.Pusher)
			second := r.ProtoMajor == 2
			if !flushes || hijacks == second || pushes != second {
				t.Errorf("%s: flushes %v, hijacks %v, pushes %v", r.Proto, flushes, hijacks, pushes)
			}
			controller := http.NewResponseController(w)
			if err := errors.Join(controller.SetWriteDeadline(time.Now().Add(patience)), controller.EnableFullDuplex(), controller.Flush()); err != nil {
				t.Errorf("ResponseController: %v", err)
			}
		})))
		get(t, server.Client(), server.URL)
	})
	w := plainWriter{httptest.NewRecorder()}
	newTelemetry().middleware(t)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, flushes := w.(http.Flusher)
		_, hijacks := w.(http.Hijacker)
		if err := http.NewResponseController(w).Flush(); flushes || hijacks || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("a writer that can neither flush nor hijack: %v, %v, %v", flushes, hijacks, err)
		}
		if n, err := io.Copy(w, strings.NewReader("hello")); n != 5 || err != nil {
			t.Errorf("copied %d, %v", n, err)
		}
	})).ServeHTTP(w, incoming(t, "GET", "/"))
	if got := w.recorder.Body.String(); got != "hello" {
		t.Errorf("body = %q", got)
	}
}

// plainWriter can do nothing but write.
type plainWriter struct{ recorder *httptest.ResponseRecorder }

func (w plainWriter) Header() http.Header         { return w.recorder.Header() }
func (w plainWriter) Write(p []byte) (int, error) { return w.recorder.Write(p) }
func (w plainWriter) WriteHeader(status int)      { w.recorder.WriteHeader(status) }

func TestFlushSettlesTheStatus(t *testing.T) {
	o := newTelemetry()
	bare(t, o, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints) // comes before the status that counts
		w.(http.Flusher).Flush()
		w.WriteHeader(http.StatusInternalServerError) // too late: the client has got a 200
	}), incoming(t, "GET", "/"))
	if got := attributes(o.span(t))["http.response.status_code"]; got != "200" {
		t.Errorf("status = %s, want 200", got)
	}
}

func TestSendfileIsCounted(t *testing.T) {
	const size = 300_000
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
		t.Fatal(err)
	}
	overBoth(t, func(t *testing.T, serve func(http.Handler) *httptest.Server) {
		o := newTelemetry()
		server := serve(o.middleware(t, httpmw.WithBodySizes())(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.ServeFile(w, r, name)
		})))
		if response := get(t, server.Client(), server.URL); response.length != size {
			t.Fatalf("length = %d", response.length)
		}
		if got := attributes(o.span(t))["http.response.body.size"]; got != strconv.Itoa(size) {
			t.Errorf("response size = %s, want %d", got, size)
		}
	})
}

func TestCopyOfNothingLeavesTheStatusOpen(t *testing.T) {
	o := newTelemetry()
	server := serve(t, o.middleware(t)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if _, err := io.Copy(w, brokenReader{}); err != nil {
			http.Error(w, "no file", http.StatusNotFound)
		}
	})))
	if response := get(t, server.Client(), server.URL); response.status != http.StatusNotFound {
		t.Fatalf("answered %d", response.status)
	}
	if got := attributes(o.span(t))["http.response.status_code"]; got != "404" {
		t.Errorf("status = %s, want 404", got)
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("broken") }

// A hijacked connection was hours in the latency histogram.
func TestHijackEndsTheObservation(t *testing.T) {
	o := newTelemetry()
	release := make(chan struct{})
	server := serve(t, o.middleware(t)(mux("/socket", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n")
		<-release
		_ = conn.Close()
	}))))
	defer close(release)
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, "GET /socket HTTP/1.1\r\nHost: x\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	span := o.span(t) // while the connection is still open
	if got := attributes(span)["http.response.status_code"]; got != "101" || span.Name() != "GET /socket" {
		t.Errorf("span %q, status %s; want GET /socket, 101", span.Name(), got)
	}
	if got := o.series(t, activeRequests)["http_request_method=GET,url_scheme=http"]; got != 0 {
		t.Errorf("active = %v, want 0", got)
	}
}

// contrib#896: health checks swamped the traces.
func TestFilterDropsTheSpanAndKeepsMetricAndContext(t *testing.T) {
	o := newTelemetry()
	traceparent, caller := remote()
	var inside trace.SpanContext
	w := bare(t, o, mux("/healthz", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		inside = trace.SpanContextFromContext(r.Context())
	})), incoming(t, "GET", "/healthz", "traceparent", traceparent), httpmw.WithFilter(func(r *http.Request) bool { return r.URL.Path != "/healthz" }))
	if len(o.Spans.Started()) != 0 {
		t.Errorf("spans = %v, want none", o.Spans.Started())
	}
	if inside.SpanID() != caller.SpanID() {
		t.Errorf("inside is %v, want the caller's %v", inside.SpanID(), caller.SpanID())
	}
	if labels := o.only(t, serverDuration); !strings.Contains(labels, "http_route=/healthz") {
		t.Errorf("series = %s", labels)
	}
	if got := w.Header().Get("X-Trace-Id"); got != "" {
		t.Errorf("x-trace-id = %q, but there is no such span", got)
	}
}

// contrib#6987: secrets in URLs.
func TestSecretsInURLsAreRedacted(t *testing.T) {
	const secrets = "X-Amz-Signature=s3cret&a=1&sig=s3cret&X-Amz-Credential=s3cret&Signature=s3cret&AWSAccessKeyId=s3cret&X-Amz-Security-Token=s3cret&X-Goog-Signature=s3cret&SIG=2&b"
	want := strings.ReplaceAll(secrets, "s3cret", "REDACTED")
	o := newTelemetry()
	bare(t, o, ok(), incoming(t, "GET", "/file?"+secrets))
	if got := attributes(o.span(t))["url.query"]; got != want {
		t.Errorf("url.query\n got %s\nwant %s", got, want)
	}
	o = newTelemetry()
	var sent string
	client := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = r.URL.String()
		return answer(r, http.NoBody), nil
	}), httpmw.WithRedactedQuery("token"))
	target := "http://user:s3cret@shop.example/file?" + secrets + "&token=s3cret&%74oken=s3cret#part"
	get(t, client, target)
	want = "http://shop.example/file?" + want + "&token=REDACTED&%74oken=REDACTED"
	if got := attributes(o.span(t))["url.full"]; got != want {
		t.Errorf("url.full\n got %s\nwant %s", got, want)
	}
	if sent != target {
		t.Errorf("the request itself was changed: %s", sent)
	}
}

// otel#8337: exemplars kept the contexts of requests alive.
func TestExemplarsKeepNoContext(t *testing.T) {
	type key struct{}
	o := newTelemetry()
	handler := o.middleware(t)(ok())
	held := func() weak.Pointer[[1 << 16]byte] {
		large := new([1 << 16]byte)
		r := incoming(t, "GET", "/")
		handler.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithValue(r.Context(), key{}, large)))
		return weak.Make(large)
	}()
	if o.metrics(t, serverDuration)[0].GetHistogram().GetBucket()[0].GetExemplar() == nil {
		t.Fatal("there is no exemplar to test")
	}
	eventually(t, "the request's context is collected", func() bool { runtime.GC(); return held.Value() == nil })
}

// spec#1633: baggage leaked to third parties.
func TestThirdPartiesLearnNothing(t *testing.T) {
	member, err := baggage.NewMember("user", "7")
	if err != nil {
		t.Fatal(err)
	}
	bag, err := baggage.New(member)
	if err != nil {
		t.Fatal(err)
	}
	o := newTelemetry()
	var sent http.Header
	client := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = r.Header
		return answer(r, http.NoBody), nil
	}), httpmw.WithPropagateTo(func(host string) bool { return strings.HasSuffix(host, ".internal") }))
	for target, want := range map[string]bool{"http://order.internal:8080/": true, "http://elsewhere.example/": false} {
		r := newRequest(t, http.MethodGet, target, nil, "Traceparent", "of a client that is proxied", "Baggage", "secret=1", "Accept", "*/*")
		do(t, client, r.WithContext(baggage.ContextWithBaggage(t.Context(), bag)))
		got := sent.Get("Baggage") == "user=7" && strings.HasPrefix(sent.Get("Traceparent"), "00-")
		if got != want || !want && (sent["Baggage"] != nil || sent["Traceparent"] != nil) || sent.Get("Accept") != "*/*" {
			t.Errorf("%s is sent %v", target, sent)
		}
		if r.Header.Get("Baggage") != "secret=1" {
			t.Error("the caller's request was changed")
		}
	}
}

// A chain of two services through a proxy is one trace.
func TestTraceCrossesAProxy(t *testing.T) {
	o := newTelemetry()
	backend := serve(t, o.middleware(t)(mux("/orders/{id}", ok())))
	target, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(target)
	proxy.Transport = o.client(t, nil).Transport
	front := serve(t, o.middleware(t)(proxy))
	response := get(t, front.Client(), front.URL+"/orders/1")
	eventually(t, "three spans end", func() bool { return len(o.Spans.Ended()) == 3 })
	byParent := map[trace.SpanID]string{}
	for _, span := range o.Spans.Ended() {
		byParent[span.Parent().SpanID()] = span.Name()
		if span.SpanContext().TraceID().String() != response.header.Get("X-Trace-Id") {
			t.Errorf("%s is of another trace", span.Name())
		}
	}
	var names []string
	for parent := (trace.SpanID{}); byParent[parent] != ""; {
		names = append(names, byParent[parent])
		for _, span := range o.Spans.Ended() {
			if span.Parent().SpanID() == parent {
				parent = span.SpanContext().SpanID()
				break
			}
		}
	}
	if diff := cmp.Diff([]string{"GET", "GET", "GET /orders/{id}"}, names); diff != "" {
		t.Errorf("spans from the root (-want +got):\n%s", diff)
	}
}
