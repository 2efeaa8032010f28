package client_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"

	"github.com/waybill-dev/waybill/middleware/client"
)

func TestCallIsASpanWithItsAttemptsBeneath(t *testing.T) {
	o := newTelemetry()
	var host, parents []string
	bad := serve(t, func(w http.ResponseWriter, r *http.Request) {
		host, parents = append(host, r.Host), append(parents, r.Header.Get("Traceparent"))
		answers(http.StatusServiceUnavailable)(w, r)
	})
	good := serve(t, func(w http.ResponseWriter, r *http.Request) {
		host, parents = append(host, r.Host), append(parents, r.Header.Get("Traceparent"))
		_, _ = io.WriteString(w, "order 42")
	})
	c := o.client(t, transport(t), client.WithDiscovery(order(bad, good)))
	if got := get(t, c, "http://order/orders/42"); got.status != http.StatusOK || got.text != "order 42" {
		t.Fatalf("got %+v", got)
	}

	call := o.onlyCall(t)
	if call.Name() != "GET order" || call.Status().Code != codes.Unset {
		t.Errorf("call %q with status %v", call.Name(), call.Status())
	}
	if diff := cmp.Diff(map[string]string{
		"http.request.method": "GET", "peer.service": "order", "waybill.client.attempts": "2", "http.response.status_code": "200",
	}, attributes(call.Attributes())); diff != "" {
		t.Errorf("attributes of the call (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"retry 503"}, events(call, "waybill.client.reason")); diff != "" {
		t.Errorf("events of the call (-want +got):\n%s", diff)
	}
	attempts := o.attempts()
	if len(attempts) != 2 {
		t.Fatalf("%d attempts, want 2", len(attempts))
	}
	for i, want := range []struct{ instance, status, resends string }{{bad.address(), "503", ""}, {good.address(), "200", "1"}} {
		got := attributes(attempts[i].Attributes())
		if got["waybill.client.instance"] != want.instance || got["http.response.status_code"] != want.status || got["http.request.resend_count"] != want.resends {
			t.Errorf("attempt %d has %v, want %v", i, got, want)
		}
		if got["server.address"] != "order" || attempts[i].Parent().SpanID() != call.SpanContext().SpanID() {
			t.Errorf("attempt %d is of %q under %v, want order under %v", i, got["server.address"], attempts[i].Parent().SpanID(), call.SpanContext().SpanID())
		}
		if host[i] != "order" || !strings.Contains(parents[i], attempts[i].SpanContext().SpanID().String()) {
			t.Errorf("attempt %d reached the server as Host %q with trace %q", i, host[i], parents[i])
		}
	}
	if call.EndTime().Before(attempts[1].EndTime()) {
		t.Error("the call ends before its last attempt")
	}
	o.allEnded(t)
	for name, want := range map[string]float64{
		"waybill_client_retries_total peer_service=order,reason=503":                                                    1,
		"waybill_client_call_duration_seconds http_request_method=GET,http_response_status_code=200,peer_service=order": 1,
		"waybill_client_instances peer_service=order":                                                                   2,
		"waybill_client_breaker_state instance_address=" + bad.address() + ",peer_service=order":                        0,
		"http_client_request_duration_seconds error_type=503,http_request_method=GET,http_response_status_code=503," +
			"network_protocol_version=1.1,server_address=order,server_port=80": 1,
	} {
		name, labels, _ := strings.Cut(name, " ")
		if got := o.value(t, name, labels); got != want {
			t.Errorf("%s{%s} = %v, want %v, of %v", name, labels, got, want, o.series(t, name))
		}
	}
}

// errReset is a connection that breaks when the request may have been seen.
var errReset = &net.OpError{Op: "read", Net: "tcp", Err: syscall.ECONNRESET}

// errRefused is one that never was.
var errRefused = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

func TestWhatIsRetried(t *testing.T) {
	reset := func(*http.Request) (*http.Response, error) { return nil, errReset }
	refused := func(*http.Request) (*http.Response, error) { return nil, errRefused }
	status := func(status int) roundTripper {
		return func(r *http.Request) (*http.Response, error) { return answer(r, status), nil }
	}
	for name, test := range map[string]struct {
		method string
		header string // a name
		body   io.Reader
		answer roundTripper
		want   int // attempts
		why    string
	}{
		"GET, 503":               {method: "GET", answer: status(503), want: 3, why: "attempts"},
		"GET, 429":               {method: "GET", answer: status(429), want: 3, why: "attempts"},
		"GET, 502":               {method: "GET", answer: status(502), want: 3, why: "attempts"},
		"GET, 504":               {method: "GET", answer: status(504), want: 3, why: "attempts"},
		"GET, 500":               {method: "GET", answer: status(500), want: 1},
		"GET, 404":               {method: "GET", answer: status(404), want: 1},
		"GET, reset":             {method: "GET", answer: reset, want: 3, why: "attempts"},
		"PUT, 503":               {method: "PUT", body: strings.NewReader("x"), answer: status(503), want: 3, why: "attempts"},
		"DELETE, reset":          {method: "DELETE", answer: reset, want: 3, why: "attempts"},
		"POST, 503":              {method: "POST", body: strings.NewReader("x"), answer: status(503), want: 1, why: "not idempotent"},
		"POST, reset":            {method: "POST", body: strings.NewReader("x"), answer: reset, want: 1, why: "not idempotent"},
		"POST, refused":          {method: "POST", body: strings.NewReader("x"), answer: refused, want: 3, why: "attempts"},
		"POST with key, 503":     {method: "POST", header: "Idempotency-Key", body: strings.NewReader("x"), answer: status(503), want: 3, why: "attempts"},
		"PATCH, 503":             {method: "PATCH", answer: status(503), want: 1, why: "not idempotent"},
		"PUT of a stream":        {method: "PUT", body: io.MultiReader(strings.NewReader("x")), answer: status(503), want: 1, why: "body"},
		"no certificate, no use": {method: "GET", answer: func(*http.Request) (*http.Response, error) { return nil, certificateError() }, want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newTelemetry()
				attempts := 0
				c := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
					attempts++
					if r.Body != nil {
						if sent, _ := io.ReadAll(r.Body); string(sent) != "x" {
							t.Errorf("attempt %d sent %q, want x", attempts, sent)
						}
					}
					return test.answer(r)
				}), client.WithBreaker(client.Breaker{}))
				r := newRequest(t, t.Context(), test.method, "http://order/", test.body)
				if test.header != "" {
					r.Header.Set(test.header, "k")
				}
				do(c, r)
				if attempts != test.want {
					t.Errorf("%d attempts, want %d", attempts, test.want)
				}
				var why string
				for _, event := range events(o.onlyCall(t), "waybill.client.reason") {
					if reason, is := strings.CutPrefix(event, "no retry "); is {
						why = reason
					}
				}
				if why != test.why {
					t.Errorf("no retry because of %q, want %q", why, test.why)
				}
				o.allEnded(t)
			})
		})
	}
}

func certificateError() error {
	server := httptest.NewUnstartedServer(http.NotFoundHandler())
	server.Config.ErrorLog = quiet()
	server.StartTLS()
	defer server.Close()
	base := &http.Transport{}
	defer base.CloseIdleConnections()
	r, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL, nil)
	_, err := base.RoundTrip(r) //nolint:bodyclose // there is no response
	return err
}

func TestOwnIdeaOfWhatIsIdempotent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		retry := client.DefaultRetry()
		retry.Idempotent = func(r *http.Request) bool { return r.URL.Path == "/search" }
		attempts := 0
		c := newTelemetry().client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			attempts++
			return answer(r, 503), nil
		}), client.WithRetry(retry))
		do(c, newRequest(t, t.Context(), http.MethodPost, "http://order/search", strings.NewReader("x")))
		do(c, newRequest(t, t.Context(), http.MethodGet, "http://order/count", nil))
		if attempts != 4 {
			t.Errorf("%d attempts, want 3 of the search and 1 of the rest", attempts)
		}
	})
}

func TestBodyIsSentAgain(t *testing.T) {
	sent := bytes.Repeat([]byte("order"), 50_000)
	var seen atomic.Int64
	flaky := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if seen.Add(1) == 1 {
			answers(http.StatusServiceUnavailable)(w, r) // before it has read the body
			return
		}
		got, err := io.ReadAll(r.Body)
		if err != nil || !bytes.Equal(got, sent) {
			t.Errorf("got %d bytes, %v; want %d", len(got), err, len(sent))
		}
	})
	c := newTelemetry().client(t, transport(t), client.WithDiscovery(order(flaky)))
	if got := do(c, newRequest(t, t.Context(), http.MethodPut, "http://order/", bytes.NewReader(sent))); got.status != http.StatusOK {
		t.Errorf("got %+v", got)
	}
}

func TestDelaysGrowAndVary(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		retry := client.Retry{Attempts: 5, Delay: 100 * time.Millisecond, MaxDelay: 300 * time.Millisecond, Budget: 1, Burst: 1000}
		varied := map[time.Duration]bool{}
		for range 20 {
			var at []time.Time
			c := newTelemetry().client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
				at = append(at, time.Now())
				return nil, errRefused
			}), client.WithRetry(retry), client.WithBreaker(client.Breaker{}))
			if got := get(t, c, "http://order/"); !errors.Is(got.err, syscall.ECONNREFUSED) {
				t.Fatalf("got %+v", got)
			}
			for i, mean := range []time.Duration{100, 200, 300, 300} {
				mean *= time.Millisecond
				waited := at[i+1].Sub(at[i])
				if waited < mean/2 || waited > min(mean*3/2, retry.MaxDelay) {
					t.Errorf("delay %d is %v, want about %v and at most 300ms", i, waited, mean)
				}
				varied[waited] = true
			}
		}
		if len(varied) < 40 {
			t.Errorf("80 delays have %d values", len(varied))
		}
	})
}

func TestRetryAfterIsWaitedFor(t *testing.T) {
	for name, test := range map[string]struct {
		header   func() string
		attempts int
		took     time.Duration
	}{
		"seconds":            {func() string { return "3" }, 2, 3 * time.Second},
		"a date":             {func() string { return time.Now().Add(4 * time.Second).UTC().Format(http.TimeFormat) }, 2, 4 * time.Second},
		"longer than wanted": {func() string { return "11" }, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newTelemetry()
				attempts := 0
				c := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
					if attempts++; attempts == 1 {
						return answer(r, 503, "Retry-After", test.header()), nil
					}
					return answer(r, 200), nil
				}))
				began := time.Now()
				got := get(t, c, "http://order/")
				if took := time.Since(began); took != test.took || attempts != test.attempts {
					t.Errorf("%d attempts in %v, want %d in %v", attempts, took, test.attempts, test.took)
				}
				if test.attempts == 1 && (got.status != 503 || got.text != "text") {
					t.Errorf("the server's answer is %+v, want it as it was", got)
				}
			})
		})
	}
}

func TestRetryThatWouldComeTooLateIsNotMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newTelemetry()
		c := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			return answer(r, 503, "Retry-After", "5"), nil
		}), client.WithTimeout(4*time.Second))
		began := time.Now()
		if got := get(t, c, "http://order/"); got.status != 503 || time.Since(began) != 0 {
			t.Errorf("got %+v after %v, want 503 at once", got, time.Since(began))
		}
		if diff := cmp.Diff([]string{"no retry time"}, events(o.onlyCall(t), "waybill.client.reason")); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
	})
}

func TestBudgetBoundsRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const calls = 200
		o := newTelemetry()
		attempts := 0
		c := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			attempts++
			return answer(r, 503), nil
		}), client.WithBreaker(client.Breaker{}),
			client.WithRetry(client.Retry{Attempts: 3, Delay: time.Millisecond, MaxDelay: time.Second, Budget: 0.1, Burst: 10}))
		for range calls {
			if got := get(t, c, "http://order/"); got.status != 503 {
				t.Fatalf("got %+v", got)
			}
		}
		retries := attempts - calls
		if most := 10 + calls/10; retries > most || retries < most-2 {
			t.Errorf("%d retries of %d calls, want about %d", retries, calls, most)
		}
		if got := o.value(t, "waybill_client_retries_total", "peer_service=order,reason=503"); got != float64(retries) {
			t.Errorf("%v retries are counted, want %d", got, retries)
		}
		if got := o.value(t, "waybill_client_retry_budget_exhausted_total", "peer_service=order"); got < calls/2 {
			t.Errorf("the budget was used up %v times, want most of %d", got, calls)
		}
		// Another service has a budget of its own.
		before := attempts
		get(t, c, "http://payment/")
		if attempts-before != 3 {
			t.Errorf("another service gets %d attempts, want 3", attempts-before)
		}
	})
}

func TestCallerThatGivesUpWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newTelemetry()
		c := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			return answer(r, 503, "Retry-After", "9"), nil
		}))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		got := do(c, newRequest(t, ctx, http.MethodGet, "http://order/", nil))
		if !errors.Is(got.err, context.Canceled) || time.Since(began) != time.Second {
			t.Errorf("got %+v after %v, want its own cancellation after 1s", got, time.Since(began))
		}
		call := o.onlyCall(t)
		if call.Status().Code == codes.Error || attributes(call.Attributes())["error.type"] != "" {
			t.Errorf("the call is an error: %v, %v", call.Status(), call.Attributes())
		}
		o.allEnded(t)
	})
}

// TestAttemptsHaveTheirOwnTime has the first instance hang. The call goes on to
// the second, and reads its body for longer than an attempt may take.
func TestAttemptsHaveTheirOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newTelemetry()
		c := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "a" {
				<-r.Context().Done()
				return nil, context.Cause(r.Context())
			}
			response := answer(r, 200)
			response.Body = io.NopCloser(&slow{Reader: strings.NewReader("0123"), ctx: r.Context()})
			return response, nil
		}), client.WithDiscovery(list(0, 0)), client.WithAttemptTimeout(2*time.Second))
		began := time.Now()
		if got := get(t, c, "http://order/"); got.status != http.StatusOK || got.text != "0123" || got.err != nil {
			t.Fatalf("got %+v", got)
		}
		if took := time.Since(began); took < 6*time.Second || took > 7*time.Second {
			t.Errorf("took %v, want 2s for the attempt that hung, some delay, and 4s for the body", took)
		}
		late := attributes(o.attempts()[0].Attributes())
		if late["error.type"] != "timeout" || o.attempts()[0].Status().Code != codes.Error {
			t.Errorf("the attempt that hung has %v", late)
		}
		if got := o.value(t, "waybill_client_retries_total", "peer_service=order,reason=timeout"); got != 1 {
			t.Errorf("retries because of time: %v, want 1", got)
		}
	})
}

// slow gives a byte a second, until it is canceled.
type slow struct {
	*strings.Reader
	ctx context.Context
}

func (s *slow) Read(p []byte) (int, error) {
	if s.Len() == 0 {
		return 0, io.EOF
	}
	select {
	case <-time.After(time.Second):
		return s.Reader.Read(p[:1])
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	}
}

// TestServerThatHangs is the same over a network, without looking at the clock.
func TestServerThatHangs(t *testing.T) {
	o := newTelemetry()
	hanging := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	well := serve(t, answers(http.StatusOK))
	retry := client.DefaultRetry()
	retry.Attempts = 10
	c := o.client(t, transport(t), client.WithDiscovery(order(hanging, well)), client.WithRetry(retry),
		client.WithAttemptTimeout(300*time.Millisecond))
	if got := get(t, c, "http://order/"); got.status != http.StatusOK {
		t.Fatalf("got %+v", got)
	}
	if got := attributes(o.attempts()[0].Attributes())["error.type"]; got != "timeout" {
		t.Errorf("error.type of the first attempt is %q, want timeout", got)
	}
}

func TestCallsHaveTheirTime(t *testing.T) {
	o := newTelemetry()
	var served atomic.Int64
	hanging := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		defer served.Add(1)
		<-r.Context().Done()
	})
	c := o.client(t, transport(t), client.WithDiscovery(order(hanging)), client.WithTimeout(300*time.Millisecond), client.WithAttemptTimeout(0))
	got := get(t, c, "http://order/")
	var timeout net.Error
	if !errors.As(got.err, &timeout) || !timeout.Timeout() {
		t.Errorf("got %+v, want a timeout", got)
	}
	if got := attributes(o.onlyCall(t).Attributes()); got["error.type"] != "timeout" || got["waybill.client.attempts"] != "1" {
		t.Errorf("the call has %v, want one attempt, as there was no time for another, and a timeout", got)
	}
	eventually(t, "the server hears of it", func() bool { return served.Load() == hanging.hits.Load() })
}
