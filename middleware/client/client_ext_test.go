package client_test

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/middleware/client"
	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// Over https an instance shows the certificate of its service, which is asked
// for by name although the connection goes to an address.
func TestInstancesShowTheCertificateOfTheirService(t *testing.T) {
	var asked []string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.TLS.ServerName+" "+r.Host)
	}))
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	base := transport(t)
	base.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	address := server.Listener.Addr().String()
	c := newTelemetry().client(t, base, client.WithDiscovery(client.Static{
		"example.com": {{Address: address}}, // which is in the certificate
		"order":       {{Address: address}}, // which is not
	}))
	defer c.CloseIdleConnections()
	if got := get(t, c, "https://example.com/"); got.status != http.StatusOK || len(asked) != 1 || asked[0] != "example.com example.com" {
		t.Errorf("got %+v, and the server was asked for %q", got, asked)
	}
	if got := get(t, c, "https://order/"); got.err == nil {
		t.Error("an instance without the certificate of its service was trusted")
	}
	if base.TLSClientConfig.ServerName != "" {
		t.Error("the base has been changed")
	}
}

func TestRedirectsStayWithTheService(t *testing.T) {
	one := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old" {
			http.Redirect(w, r, "/new", http.StatusFound)
			return
		}
		_, _ = io.WriteString(w, r.Host+r.URL.Path)
	})
	o := newTelemetry()
	c := o.client(t, transport(t), client.WithDiscovery(order(one)))
	if got := get(t, c, "http://order/old"); got.text != "order/new" {
		t.Errorf("got %+v", got)
	}
	if got := len(o.calls()); got != 2 {
		t.Errorf("%d calls, want 2", got)
	}
}

func TestWithoutDiscoveryTheHostIsTheInstance(t *testing.T) {
	one := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) })
	o := newTelemetry()
	if got := get(t, o.client(t, transport(t)), one.URL); got.text != one.address() {
		t.Errorf("got %+v, want %s", got, one.address())
	}
	if got := o.onlyCall(t).Name(); got != "GET "+one.address() {
		t.Errorf("the call is named %q", got)
	}
}

func TestUpgradedConnectionIsHandedOn(t *testing.T) {
	one := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close() }()
		_, _ = io.WriteString(buffered, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
		_ = buffered.Flush()
		_, _ = io.CopyN(conn, buffered, 4)
	})
	o := newTelemetry()
	r := newRequest(t, t.Context(), http.MethodGet, "http://order/", nil)
	r.Header.Set("Upgrade", "echo")
	r.Header.Set("Connection", "Upgrade")
	response, err := o.client(t, transport(t), client.WithDiscovery(order(one))).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	both, is := response.Body.(io.ReadWriteCloser)
	if !is {
		t.Fatalf("the body is a %T, which can't be written to", response.Body)
	}
	if _, err := io.WriteString(both, "ping"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(both, got); err != nil || string(got) != "ping" {
		t.Errorf("read %q, %v", got, err)
	}
	o.allEnded(t)
}

func TestOptionsForTheAttempts(t *testing.T) {
	var header string
	one := serve(t, func(_ http.ResponseWriter, r *http.Request) { header = r.Header.Get("Traceparent") })
	c := newTelemetry().client(t, transport(t), client.WithDiscovery(order(one)),
		client.WithHTTP(httpmw.WithPropagateTo(func(host string) bool { return host != "order" })))
	get(t, c, "http://order/")
	if header != "" {
		t.Errorf("the service was told of the trace: %q", header)
	}
}

func TestRequestWithoutURL(t *testing.T) {
	calls, err := client.New(nil, client.WithTelemetry(newTelemetry()))
	if err != nil {
		t.Fatal(err)
	}
	closed := &closeable{Reader: strings.NewReader("x")}
	if _, err := calls.RoundTrip(&http.Request{Body: closed}); err == nil || !closed.closed { //nolint:bodyclose // there is no response
		t.Errorf("error %v, body closed %v", err, closed.closed)
	}
}

// TestServicesAreBounded calls more hosts than are remembered, as one does who
// follows links of others.
func TestServicesAreBounded(t *testing.T) {
	o := newTelemetry()
	c := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) { return answer(r, 200), nil }))
	for i := range 1200 {
		if got := get(t, c, fmt.Sprintf("http://host-%d/", i)); got.status != 200 {
			t.Fatalf("got %+v", got)
		}
	}
	for _, name := range []string{stateOf, "waybill_client_instances"} {
		if got := len(o.series(t, name)); got != 1000 {
			t.Errorf("%s has %d series, want 1000", name, got)
		}
	}
	if got := o.value(t, "waybill_client_instances", "peer_service=host-0"); got != -1 {
		t.Error("the service that was called first is remembered, and not the last ones")
	}
}

// TestManyCallsAtOnce has hundreds of callers and three instances, of which one
// answers 503 now and then, one breaks connections, and one is well.
func TestManyCallsAtOnce(t *testing.T) {
	const callers, each = 200, 5
	before := runtime.NumGoroutine()
	o := newTelemetry()
	var refused, broken atomic.Int64
	t.Run("load", func(t *testing.T) {
		busy := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if rand.IntN(3) == 0 {
				refused.Add(1)
				answers(http.StatusServiceUnavailable)(w, r)
				return
			}
			_, _ = io.WriteString(w, strings.Repeat("x", 3000))
		})
		breaking := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if rand.IntN(3) == 0 {
				broken.Add(1)
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(w, strings.Repeat("x", 3000))
		})
		well := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 3000)) })
		retry := client.DefaultRetry()
		retry.Delay, retry.Attempts, retry.Budget, retry.Burst = time.Millisecond, 4, 1, 1000
		var endpoints []*client.Endpoint
		var mu sync.Mutex
		balancer := func() client.Balancer { return &locked{spy: spy{client.LeastConnections(), &endpoints}, mu: &mu} }
		c := o.client(t, transport(t), client.WithDiscovery(order(busy, breaking, well)), client.WithRetry(retry),
			client.WithBalancer(balancer), client.WithBreaker(client.Breaker{Failures: 50, OpenFor: time.Millisecond}))
		var wg sync.WaitGroup
		var good atomic.Int64
		for range callers {
			wg.Go(func() {
				for range each {
					if got := get(t, c, "http://order/"); got.status == http.StatusOK && len(got.text) == 3000 {
						good.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if got := good.Load(); got < callers*each*95/100 {
			t.Errorf("%d of %d calls came through; %d attempts were refused and %d broken", got, callers*each, refused.Load(), broken.Load())
		}
		for _, e := range endpoints {
			if e.InFlight() != 0 {
				t.Errorf("%d in flight at %v", e.InFlight(), e.Instance())
			}
		}
	})
	o.allEnded(t)
	if got := len(o.calls()); got != callers*each {
		t.Errorf("%d spans of calls, want %d", got, callers*each)
	}
	total := 0.0
	for _, n := range o.series(t, "waybill_client_call_duration_seconds") {
		total += n
	}
	if total != callers*each {
		t.Errorf("%v calls are measured, want %d", total, callers*each)
	}
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
}

// locked is a spy for many.
type locked struct {
	spy
	mu *sync.Mutex
}

func (l *locked) Choose(from []*client.Endpoint) *client.Endpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(from) < 3 && len(*l.seen) == 3 {
		return l.Balancer.Choose(from)
	}
	return l.spy.Choose(from)
}

// unasking is telemetry whose sampler does not look at attributes.
type unasking struct{ *telemetry }

func (unasking) AttributesAtStart() bool { return false }

func TestSpansAreTheSameWhenNobodyLooksAtTheirStart(t *testing.T) {
	early, late := newTelemetry(), newTelemetry()
	for _, source := range []client.Telemetry{early, unasking{late}} {
		calls, err := client.New(&health{status: http.StatusOK}, client.WithTelemetry(source))
		if err != nil {
			t.Fatal(err)
		}
		get(t, &http.Client{Transport: calls}, "http://order/")
	}
	want, got := early.onlyCall(t), late.onlyCall(t)
	if diff := cmp.Diff(attributes(want.Attributes()), attributes(got.Attributes())); diff != "" || got.Name() != want.Name() || got.SpanKind() != want.SpanKind() {
		t.Errorf("span %q of kind %v (-at start +later):\n%s", got.Name(), got.SpanKind(), diff)
	}
}
