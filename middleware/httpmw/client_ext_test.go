package httpmw_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

func TestClientSpansFollowTheConventions(t *testing.T) {
	overBoth(t, func(t *testing.T, serve func(http.Handler) *httptest.Server) {
		server := serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			code, _ := strconv.Atoi(r.URL.Query().Get("code"))
			w.WriteHeader(code)
			_, _ = io.WriteString(w, "body")
		}))
		base, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		version := "1.1"
		if base.Scheme == "https" {
			version = "2"
		}
		for name, test := range map[string]struct {
			method, code, name, known, original string
			status                              codes.Code
			errorType                           string
		}{
			"fine":           {method: "GET", code: "200", name: "GET", known: "GET"},
			"our fault":      {method: "POST", code: "404", name: "POST", known: "POST", status: codes.Error, errorType: "404"},
			"their fault":    {method: "DELETE", code: "502", name: "DELETE", known: "DELETE", status: codes.Error, errorType: "502"},
			"unknown method": {method: "BREW", code: "200", name: "HTTP", known: "_OTHER", original: "BREW"},
			"no method":      {method: "", code: "200", name: "GET", known: "GET"},
		} {
			t.Run(name, func(t *testing.T) {
				o := newTelemetry()
				r := newRequest(t, test.method, server.URL+"/orders?code="+test.code, nil)
				r.Method = test.method
				do(t, o.client(t, server.Client().Transport), r)
				span := o.span(t)
				want := map[string]string{
					"http.request.method": test.known, "http.response.status_code": test.code, "url.full": r.URL.String(),
					"server.address": base.Hostname(), "server.port": base.Port(), "network.protocol.version": version,
				}
				if test.original != "" {
					want["http.request.method_original"] = test.original
				}
				series := "http_request_method=" + test.known + ",http_response_status_code=" + test.code +
					",network_protocol_version=" + version + ",server_address=" + base.Hostname() + ",server_port=" + base.Port()
				if test.errorType != "" {
					want["error.type"] = test.errorType
					series = "error_type=" + test.errorType + "," + series
				}
				if diff := cmp.Diff(want, attributes(span)); diff != "" {
					t.Errorf("attributes (-want +got):\n%s", diff)
				}
				if span.Name() != test.name || span.SpanKind() != trace.SpanKindClient || span.Status().Code != test.status {
					t.Errorf("span %q, kind %v, status %v; want %q, client, %v", span.Name(), span.SpanKind(), span.Status().Code, test.name, test.status)
				}
				if got := o.only(t, clientDuration); got != series {
					t.Errorf("series\n got %s\nwant %s", got, series)
				}
			})
		}
	})
}

type timeoutError struct{}

func (timeoutError) Error() string   { return "too slow" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

func TestErrorsAreFewKinds(t *testing.T) {
	closed := httptest.NewServer(ok())
	closed.Close()
	secure := httptest.NewUnstartedServer(ok())
	secure.Config.ErrorLog = quiet()
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := serve(t, ok())
	hangUp := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	failing := func(err error) http.RoundTripper {
		return roundTripper(func(*http.Request) (*http.Response, error) { return nil, err })
	}
	for name, test := range map[string]struct {
		base http.RoundTripper
		url  string
		want string
	}{
		"refused":     {url: closed.URL, want: "connection_refused"},
		"hung up":     {url: hangUp.URL, want: "connection_closed"},
		"certificate": {url: secure.URL, want: "tls"},
		"no TLS":      {url: strings.Replace(plain.URL, "http:", "https:", 1), want: "tls"},
		"TLS alert":   {base: failing(tls.AlertError(40)), url: "https://x.example/", want: "tls"},
		"TLS record":  {base: failing(tls.RecordHeaderError{}), url: "https://x.example/", want: "tls"},
		"name":        {base: failing(&net.DNSError{Err: "no such host", IsNotFound: true}), url: "http://x.example/", want: "name_resolution"},
		"timeout":     {base: failing(timeoutError{}), url: "http://x.example/", want: "timeout"},
		"deadline":    {base: failing(context.DeadlineExceeded), url: "http://x.example/", want: "timeout"},
		"other":       {base: failing(errors.New("odd")), url: "http://x.example/", want: "_OTHER"},
		"inside":      {base: failing(context.Canceled), url: "http://x.example/", want: "canceled"}, // not by the caller
		"neither":     {base: failing(nil), url: "http://x.example/", want: "_OTHER"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newTelemetry()
			if response, err := o.client(t, test.base).Do(newRequest(t, http.MethodGet, test.url, nil)); err == nil {
				_ = response.Body.Close()
				t.Fatal("no error")
			}
			span := o.span(t)
			if got := attributes(span); got["error.type"] != test.want || span.Status().Code != codes.Error {
				t.Errorf("error.type %q, status %v; want %q, Error", got["error.type"], span.Status(), test.want)
			}
			if got := o.only(t, clientDuration); !strings.Contains(got, "error_type="+test.want) {
				t.Errorf("series = %s", got)
			}
		})
	}
}

// semconv#3494: who gives up its own request has made no error.
func TestCallersCancellationIsNoError(t *testing.T) {
	tests := map[string]func(t *testing.T, client *http.Client, server *httptest.Server){
		"before the response": func(t *testing.T, client *http.Client, server *httptest.Server) {
			response, err := client.Do(newRequest(t, http.MethodGet, server.URL, nil).WithContext(canceled(t)))
			if err == nil {
				_ = response.Body.Close()
				t.Fatal("no error")
			}
		},
		"in the body": func(t *testing.T, client *http.Client, server *httptest.Server) {
			ctx, cancel := context.WithCancel(t.Context())
			response, err := client.Do(newRequest(t, http.MethodGet, server.URL, nil).WithContext(ctx))
			if err != nil {
				t.Fatal(err)
			}
			cancel()
			_, _ = io.ReadAll(response.Body)
			_ = response.Body.Close()
		},
	}
	overBoth(t, func(t *testing.T, serve func(http.Handler) *httptest.Server) {
		server := serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}))
		for name, test := range tests {
			t.Run(name, func(t *testing.T) {
				o := newTelemetry()
				test(t, o.client(t, server.Client().Transport), server)
				span := o.span(t)
				if got := attributes(span)["error.type"]; got != "" || span.Status().Code != codes.Unset {
					t.Errorf("error.type %q, status %v; want none", got, span.Status())
				}
			})
		}
	})
}

// contrib#7492: the span of a client that did not close the body never ended.
func TestClientSpanEnds(t *testing.T) {
	type act func(t *testing.T, body io.ReadCloser)
	read := func(t *testing.T, body io.ReadCloser) {
		if _, err := io.ReadFull(body, make([]byte, 4)); err != nil {
			t.Error(err)
		}
	}
	end := func(t *testing.T, body io.ReadCloser) {
		if n, err := body.Read(make([]byte, 4)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("read %d, %v; want the end", n, err)
		}
	}
	sleep := func(d time.Duration) act { return func(*testing.T, io.ReadCloser) { time.Sleep(d) } }
	closeIt := func(_ *testing.T, body io.ReadCloser) { _ = body.Close() }
	tests := map[string]struct {
		opts []httpmw.Option
		acts []act
		want time.Duration // the length of the span
	}{
		"closed":              {acts: []act{sleep(2 * time.Second), closeIt}, want: 3 * time.Second},
		"closed twice":        {acts: []act{sleep(2 * time.Second), closeIt, sleep(time.Second), closeIt}, want: 3 * time.Second},
		"read to the end":     {acts: []act{read, read, sleep(2 * time.Second), read, end, sleep(5 * time.Second)}, want: 3 * time.Second},
		"forgotten":           {acts: []act{sleep(61 * time.Second)}, want: time.Second},
		"read, and forgotten": {acts: []act{sleep(50 * time.Second), read, sleep(61 * time.Second)}, want: 51 * time.Second},
		"read slowly":         {acts: []act{sleep(50 * time.Second), read, sleep(50 * time.Second), read, sleep(50 * time.Second), closeIt}, want: 151 * time.Second},
		"until headers":       {opts: []httpmw.Option{httpmw.WithSpanUntilHeaders()}, acts: []act{sleep(time.Minute), closeIt}, want: time.Second},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // its time costs none
				o := newTelemetry()
				client := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
					time.Sleep(time.Second)
					return answer(r, io.NopCloser(io.LimitReader(endless{}, 12))), nil
				}), test.opts...)
				response, err := client.Do(newRequest(t, http.MethodGet, "http://x.example/", nil)) //nolint:bodyclose // what becomes of those who don't is the test
				if err != nil {
					t.Fatal(err)
				}
				for _, act := range test.acts {
					act(t, response.Body)
				}
				synctest.Wait()
				if len(o.Spans.Ended()) != 1 {
					t.Fatalf("%d spans ended, want one", len(o.Spans.Ended()))
				}
				span := o.Spans.Ended()[0]
				if got := span.EndTime().Sub(span.StartTime()); got != test.want {
					t.Errorf("the span lasts %v, want %v", got, test.want)
				}
				if got := o.metrics(t, clientDuration)[0].GetHistogram().GetSampleSum(); got != test.want.Seconds() {
					t.Errorf("the metric says %v s, want %v", got, test.want)
				}
			})
		})
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// A stream may be silent for longer than a minute while somebody waits for it.
func TestWaitingReaderIsNotForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newTelemetry()
		body, writer := io.Pipe()
		client := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) { return answer(r, body), nil }))
		response, err := client.Do(newRequest(t, http.MethodGet, "http://x.example/", nil))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(10 * time.Minute)
			_, _ = io.WriteString(writer, "late")
			_ = writer.Close()
		}()
		if _, err := io.ReadAll(response.Body); err != nil {
			t.Fatal(err)
		}
		span := o.Spans.Ended()[0]
		if got := span.EndTime().Sub(span.StartTime()); got != 10*time.Minute {
			t.Errorf("the span lasts %v, want 10 m", got)
		}
		_ = response.Body.Close()
	})
}

func TestBrokenBodyIsAnError(t *testing.T) {
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half of it")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	o := newTelemetry()
	response, err := o.client(t, nil).Do(newRequest(t, http.MethodGet, server.URL, nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(response.Body); err == nil {
		t.Fatal("no error")
	}
	_ = response.Body.Close()
	span := o.span(t)
	if got := attributes(span); got["error.type"] != "connection_closed" || got["http.response.status_code"] != "200" || span.Status().Code != codes.Error {
		t.Errorf("status %v, attributes %v", span.Status(), got)
	}
}

func TestUpgradedConnectionIsLeftAlone(t *testing.T) {
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n")
		_, _ = io.CopyN(conn, conn, 5)
		_ = conn.Close()
	}))
	o := newTelemetry()
	response, err := o.client(t, nil).Do(newRequest(t, http.MethodGet, server.URL, nil, "Upgrade", "chat", "Connection", "Upgrade"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	conn, writes := response.Body.(io.ReadWriteCloser)
	if !writes {
		t.Fatal("the body of a 101 can't be written to")
	}
	_, _ = io.WriteString(conn, "hello")
	if echo, err := io.ReadAll(conn); string(echo) != "hello" || err != nil {
		t.Errorf("echo = %q, %v", echo, err)
	}
	if got := attributes(o.span(t))["http.response.status_code"]; got != "101" {
		t.Errorf("status = %s", got)
	}
}

func TestRedirectsAreCounted(t *testing.T) {
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/3" {
			http.Redirect(w, r, "/"+string(r.URL.Path[1]+1), http.StatusFound)
		}
	}))
	o := newTelemetry()
	get(t, o.client(t, nil), server.URL+"/1")
	var counts []string
	for _, span := range o.Spans.Ended() {
		counts = append(counts, attributes(span)["http.request.resend_count"])
	}
	if diff := cmp.Diff([]string{"", "1", "2"}, counts); diff != "" {
		t.Errorf("resend counts (-want +got):\n%s", diff)
	}
}

func TestFilteredRequestIsCountedAndPassesOnTheTrace(t *testing.T) {
	o := newTelemetry()
	var sent http.Header
	client := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
		sent = r.Header
		return answer(r, http.NoBody), nil
	}), httpmw.WithFilter(func(*http.Request) bool { return false }))
	traceparent, caller := remote()
	do(t, client, newRequest(t, http.MethodGet, "http://x.example/", nil).WithContext(trace.ContextWithSpanContext(t.Context(), caller)))
	if len(o.Spans.Started()) != 0 || sent.Get("Traceparent") != traceparent {
		t.Errorf("spans %v, traceparent %q; want none, %q", o.Spans.Started(), sent.Get("Traceparent"), traceparent)
	}
	o.only(t, clientDuration)
}

func TestIdleConnectionsCanBeClosed(t *testing.T) {
	base := &closing{}
	newTelemetry().client(t, base).CloseIdleConnections()
	if !base.closed {
		t.Error("the base was not asked")
	}
}

type closing struct {
	http.RoundTripper
	closed bool
}

func (c *closing) CloseIdleConnections() { c.closed = true }
