package client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/middleware/client"
)

// once makes no retries, so that a call is an attempt.
func once() client.Option {
	return client.WithRetry(client.Retry{Attempts: 1})
}

// health is a service that answers as it is told.
type health struct {
	status int
	err    error
	hits   int
}

func (h *health) RoundTrip(r *http.Request) (*http.Response, error) {
	h.hits++
	if h.err != nil {
		return nil, h.err
	}
	return answer(r, h.status), nil
}

const (
	stateOf       = "waybill_client_breaker_state"
	transitionsTo = "waybill_client_breaker_transitions_total"
	rejected      = "waybill_client_breaker_rejections_total"
)

func TestBreakerOpensTriesAndCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, service := newTelemetry(), &health{status: 500}
		c := o.client(t, service, once())
		state := func(want float64) {
			t.Helper()
			if got := o.value(t, stateOf, "instance_address=order,peer_service=order"); got != want {
				t.Errorf("state is %v, want %v", got, want)
			}
		}
		for i := range 5 {
			if i > 0 {
				state(0)
			}
			if got := get(t, c, "http://order/"); got.status != 500 {
				t.Fatalf("got %+v", got)
			}
		}
		state(2)

		// It is open: nothing reaches the service.
		for range 10 {
			if got := get(t, c, "http://order/"); !errors.Is(got.err, client.ErrCircuitOpen) {
				t.Fatalf("got %+v, want an open circuit", got)
			}
		}
		if service.hits != 5 {
			t.Errorf("the service was called %d times, want 5", service.hits)
		}

		// One try fails, and it is open again.
		time.Sleep(5*time.Second + 1)
		if got := get(t, c, "http://order/"); got.status != 500 {
			t.Fatalf("got %+v, want the answer of the service", got)
		}
		state(2)
		if got := get(t, c, "http://order/"); !errors.Is(got.err, client.ErrCircuitOpen) {
			t.Fatalf("got %+v, want an open circuit", got)
		}

		// The next succeeds.
		service.status = 200
		time.Sleep(5*time.Second + 1)
		for range 3 {
			if got := get(t, c, "http://order/"); got.status != 200 {
				t.Fatalf("got %+v", got)
			}
		}
		state(0)
		if diff := cmp.Diff(map[string]float64{
			"peer_service=order,state=open": 2, "peer_service=order,state=half-open": 2, "peer_service=order,state=closed": 1,
		}, o.series(t, transitionsTo)); diff != "" {
			t.Errorf("transitions (-want +got):\n%s", diff)
		}
		if got := o.value(t, rejected, "peer_service=order"); got != 11 {
			t.Errorf("%v rejections, want 11", got)
		}

		var told []string
		for _, call := range o.calls() {
			for _, event := range events(call, "waybill.client.breaker.from", "waybill.client.breaker.to") {
				if event != "circuit breaker rejection" {
					told = append(told, event)
				}
			}
		}
		if diff := cmp.Diff([]string{
			"circuit breaker transition closed open", "circuit breaker transition open half-open", "circuit breaker transition half-open open",
			"circuit breaker transition open half-open", "circuit breaker transition half-open closed",
		}, told); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		if got := attributes(o.calls()[6].Attributes()); got["error.type"] != "circuit_open" || got["waybill.client.attempts"] != "0" {
			t.Errorf("a call that was not let through has %v", got)
		}
		o.allEnded(t)
	})
}

func TestBreakerOpensByShareOfFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, service := newTelemetry(), &health{}
		c := o.client(t, service, once(), client.WithBreaker(client.Breaker{
			Ratio: 0.5, MinRequests: 20, Window: 10 * time.Second, OpenFor: time.Minute,
		}))
		call := func(status int) outcome {
			service.status = status
			return get(t, c, "http://order/")
		}
		// 19 failures are too few, and when they are past they do not count.
		for range 19 {
			call(500)
		}
		time.Sleep(11 * time.Second)
		for range 12 {
			if got := call(200); got.status != 200 {
				t.Fatalf("got %+v: the failures of long ago count", got)
			}
		}
		for i := range 12 {
			if got := call(503); got.status != 503 {
				t.Fatalf("open after %d failures of %d", i, 12+i)
			}
		}
		if got := call(200); !errors.Is(got.err, client.ErrCircuitOpen) {
			t.Errorf("got %+v after 12 failures of 24", got)
		}
	})
}

func TestWhatIsAFailureOfTheInstance(t *testing.T) {
	for name, test := range map[string]struct {
		service health
		opens   bool
	}{
		"500":       {health{status: 500}, true},
		"503":       {health{status: 503}, true},
		"501":       {health{status: 501}, false},
		"404":       {health{status: 404}, false},
		"429":       {health{status: 429}, false},
		"an error":  {health{err: errReset}, true},
		"all well":  {health{status: 200}, false},
		"a timeout": {health{err: context.DeadlineExceeded}, true},
	} {
		t.Run(name, func(t *testing.T) {
			c := newTelemetry().client(t, &test.service, once())
			for range 5 {
				get(t, c, "http://order/")
			}
			if open := errors.Is(get(t, c, "http://order/").err, client.ErrCircuitOpen); open != test.opens {
				t.Errorf("open is %v after five of them, want %v", open, test.opens)
			}
		})
	}
}

func TestCallersThatGiveUpOpenNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newTelemetry()
		c := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		}), once())
		for range 20 {
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(time.Millisecond, cancel)
			if got := do(c, newRequest(t, ctx, http.MethodGet, "http://order/", nil)); !errors.Is(got.err, context.Canceled) {
				t.Fatalf("got %+v", got)
			}
		}
		if got := o.value(t, stateOf, "instance_address=order,peer_service=order"); got != 0 {
			t.Errorf("state is %v, want closed", got)
		}
	})
}

func TestHalfOpenLetsOneThrough(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newTelemetry()
		hits := 0
		c := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			if hits++; hits <= 5 {
				return nil, errReset
			}
			time.Sleep(time.Second)
			return answer(r, 200), nil
		}), once())
		for range 5 {
			get(t, c, "http://order/")
		}
		time.Sleep(6 * time.Second)
		results := make(chan outcome, 10)
		for range 10 {
			go func() { results <- get(t, c, "http://order/") }()
		}
		through := 0
		for range 10 {
			if (<-results).status == 200 {
				through++
			}
		}
		if through != 1 || hits != 6 {
			t.Errorf("%d calls came through, and the service had %d; want 1 and 6", through, hits)
		}
	})
}

// TestBrokenInstanceIsLeftAlone has calls succeed although one of two instances
// is broken, and the broken one is soon not called any more.
func TestBrokenInstanceIsLeftAlone(t *testing.T) {
	o := newTelemetry()
	broken, well := serve(t, answers(http.StatusServiceUnavailable)), serve(t, answers(http.StatusOK))
	retry := client.DefaultRetry()
	retry.Delay = time.Millisecond
	c := o.client(t, transport(t), client.WithDiscovery(order(broken, well)), client.WithRetry(retry),
		client.WithBreaker(client.Breaker{Failures: 3, OpenFor: time.Hour}))
	for range 40 {
		if got := get(t, c, "http://order/"); got.status != http.StatusOK {
			t.Fatalf("got %+v", got)
		}
	}
	if broken.hits.Load() != 3 || well.hits.Load() != 40 {
		t.Errorf("the broken instance was called %d times, the other %d; want 3 and 40", broken.hits.Load(), well.hits.Load())
	}
	if got := o.value(t, rejected, "peer_service=order"); got < 10 {
		t.Errorf("%v rejections, want about half of 40", got)
	}
}

func TestOptionsThatMakeNoSense(t *testing.T) {
	for name, option := range map[string]client.Option{
		"no attempt":        client.WithRetry(client.Retry{}),
		"no delay":          client.WithRetry(client.Retry{Attempts: 2}),
		"long delay":        client.WithRetry(client.Retry{Attempts: 2, Delay: 2, MaxDelay: 1}),
		"negative budget":   client.WithRetry(client.Retry{Attempts: 2, Delay: 1, MaxDelay: 1, Budget: -1}),
		"nothing opens":     client.WithBreaker(client.Breaker{OpenFor: 1}),
		"ratio":             client.WithBreaker(client.Breaker{Ratio: 1.5, Window: time.Minute, OpenFor: 1}),
		"never tries again": client.WithBreaker(client.Breaker{Failures: 1}),
		"no window":         client.WithBreaker(client.Breaker{Ratio: 0.5, OpenFor: 1}),
		"negative timeout":  client.WithTimeout(-1),
		"negative attempt":  client.WithAttemptTimeout(-1),
	} {
		if _, err := client.New(nil, client.WithTelemetry(newTelemetry()), option); err == nil {
			t.Errorf("%s gave no error", name)
		}
	}
}

// TestQuestionsAreSetAside has a service that answers questions and does
// nothing else: they neither keep its breaker closed nor close it, and are not
// let through while it is open.
func TestQuestionsAreSetAside(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		service := roundTripper(func(r *http.Request) (*http.Response, error) {
			asked++
			if r.Method == http.MethodGet {
				return answer(r, 200), nil
			}
			return answer(r, 500), nil
		})
		var changes []client.Transition
		o := newTelemetry()
		calls, err := client.New(service, client.WithTelemetry(o), once(),
			client.WithBreaker(client.Breaker{Failures: 3, OpenFor: time.Second, Probes: 2}),
			client.WithoutVerdict(func(r *http.Request) bool { return r.Method == http.MethodGet }),
			client.WithTransitions(func(change client.Transition) { changes = append(changes, change) }))
		if err != nil {
			t.Fatal(err)
		}
		c := &http.Client{Transport: calls}
		order := func() error {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://order/", http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			response, err := c.Do(r)
			if err == nil {
				err = response.Body.Close()
			}
			return err
		}
		if calls.Open("order") {
			t.Error("a service that was never called is given up")
		}
		for range 3 {
			if err := order(); err != nil {
				t.Fatal(err)
			}
			if !calls.Open("order") {
				get(t, c, "http://order/")
			}
		}
		if err := order(); !errors.Is(err, client.ErrCircuitOpen) || !calls.Open("order") || asked != 5 {
			t.Errorf("after three failures and two questions, %d were asked: %v", asked, err)
		}
		if got := get(t, c, "http://order/"); !errors.Is(got.err, client.ErrCircuitOpen) {
			t.Errorf("a question: %+v", got)
		}
		time.Sleep(time.Second + 1)
		for range 5 {
			if got := get(t, c, "http://order/"); got.status != 200 || calls.Open("order") {
				t.Errorf("a question when it is half open: %+v", got)
			}
		}
		if err := order(); err != nil || !calls.Open("order") {
			t.Errorf("an order when it is half open: %v", err)
		}
		want := []client.Transition{
			{Service: "order", Instance: "order", From: "closed", To: "open"},
			{Service: "order", Instance: "order", From: "open", To: "half-open"},
			{Service: "order", Instance: "order", From: "half-open", To: "open"},
		}
		if diff := cmp.Diff(want, changes); diff != "" {
			t.Errorf("transitions (-want +got):\n%s", diff)
		}
	})
}

// TestOpenIsOfAllInstances opens the breakers one after the other.
func TestOpenIsOfAllInstances(t *testing.T) {
	o := newTelemetry()
	calls, err := client.New(&health{status: 500}, client.WithTelemetry(o), once(), client.WithDiscovery(list(1, 1)),
		client.WithBreaker(client.Breaker{Failures: 1, OpenFor: time.Hour}))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{false, true} {
		get(t, &http.Client{Transport: calls}, "http://order/")
		if got := calls.Open("order"); got != want {
			t.Errorf("open is %v, want %v", got, want)
		}
	}
	without, err := client.New(&health{status: 500}, client.WithTelemetry(o), once(), client.WithBreaker(client.Breaker{}))
	if err != nil {
		t.Fatal(err)
	}
	get(t, &http.Client{Transport: without}, "http://order/")
	if without.Open("order") {
		t.Error("there is no breaker, and it is open")
	}
}
