package client_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/codes"

	"github.com/waybill-dev/waybill/middleware/client"
)

// paced answers each request after the time, and with the status, of its
// instance, unless it is given up before.
type paced map[string]struct {
	after  time.Duration
	status int // 0 is an error, and -1 a panic
}

func (p paced) RoundTrip(r *http.Request) (*http.Response, error) {
	of := p[r.URL.Host]
	select {
	case <-time.After(of.after):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if r.Body != nil {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return nil, err
		}
	}
	switch of.status {
	case 0:
		return nil, io.ErrUnexpectedEOF
	case -1:
		panic("out of paper")
	}
	response := answer(r, of.status)
	response.Body = io.NopCloser(strings.NewReader(r.URL.Host))
	return response, nil
}

func TestSecondAttemptIsMadeBesideASlowOne(t *testing.T) {
	const after = 100 * time.Millisecond
	for name, test := range map[string]struct {
		pace   paced
		method string
		body   io.Reader
		opts   []client.Option
		took   time.Duration
		answer string // by which instance
		status int
		hedges map[string]float64
	}{
		"fast": {
			pace: paced{"a:1": {10 * time.Millisecond, 200}}, took: 10 * time.Millisecond, answer: "a:1", status: 200, hedges: map[string]float64{},
		},
		"slow": {
			pace: paced{"a:1": {time.Second, 200}, "b:1": {10 * time.Millisecond, 200}},
			took: after + 10*time.Millisecond, answer: "b:1", status: 200, hedges: map[string]float64{"outcome=won,peer_service=order": 1},
		},
		"slow, but not as slow as the other": {
			pace: paced{"a:1": {150 * time.Millisecond, 200}, "b:1": {time.Second, 200}},
			took: 150 * time.Millisecond, answer: "a:1", status: 200, hedges: map[string]float64{"outcome=lost,peer_service=order": 1},
		},
		"the other fails": {
			pace: paced{"a:1": {200 * time.Millisecond, 200}, "b:1": {10 * time.Millisecond, 503}},
			took: 200 * time.Millisecond, answer: "a:1", status: 200, hedges: map[string]float64{"outcome=lost,peer_service=order": 1},
		},
		"both fail": {
			pace: paced{"a:1": {200 * time.Millisecond, 0}, "b:1": {10 * time.Millisecond, 503}}, opts: []client.Option{client.WithRetry(client.Retry{Attempts: 1, Burst: 1})},
			took: 200 * time.Millisecond, hedges: map[string]float64{"outcome=lost,peer_service=order": 1},
		},
		"POST": {
			pace: paced{"a:1": {time.Second, 200}}, method: http.MethodPost, took: time.Second, answer: "a:1", status: 200, hedges: map[string]float64{},
		},
		"a body that can't be sent again": {
			pace: paced{"a:1": {time.Second, 200}}, method: http.MethodPut, body: io.MultiReader(strings.NewReader("tea")),
			took: time.Second, answer: "a:1", status: 200, hedges: map[string]float64{},
		},
		"a body that can": {
			pace: paced{"a:1": {time.Second, 200}, "b:1": {0, 200}}, method: http.MethodPut, body: strings.NewReader("tea"),
			took: after, answer: "b:1", status: 200, hedges: map[string]float64{"outcome=won,peer_service=order": 1},
		},
		"no budget": {
			pace: paced{"a:1": {time.Second, 200}}, opts: []client.Option{client.WithRetry(client.Retry{Attempts: 1})},
			took: time.Second, answer: "a:1", status: 200, hedges: map[string]float64{},
		},
		"no other instance": {
			pace: paced{"a:1": {time.Second, 200}}, opts: []client.Option{client.WithDiscovery(client.Static{"order": {{Address: "a:1"}}})},
			took: time.Second, answer: "a:1", status: 200, hedges: map[string]float64{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newTelemetry()
				found := client.WithDiscovery(client.Static{"order": {{Address: "a:1"}, {Address: "b:1"}}})
				c := o.client(t, test.pace, append([]client.Option{found, client.WithHedging(after)}, test.opts...)...)
				method := test.method
				if method == "" {
					method = http.MethodGet
				}
				began := time.Now()
				got := do(c, newRequest(t, t.Context(), method, "http://order/", test.body))
				if took := time.Since(began); took != test.took {
					t.Errorf("it took %v, want %v", took, test.took)
				}
				if got.status != test.status || got.status != 0 && got.text != test.answer {
					t.Errorf("answered %d by %q, %v; want %d by %q", got.status, got.text, got.err, test.status, test.answer)
				}
				if diff := cmp.Diff(test.hedges, o.series(t, "waybill_client_hedges_total")); diff != "" {
					t.Errorf("hedges (-want +got):\n%s", diff)
				}
				o.allEnded(t)
			})
		})
	}
}

// Both attempts are seen, and who was given up is not to blame for it.
func TestHedgesAreSpansAndNoFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newTelemetry()
		c := o.client(t, paced{"a:1": {time.Hour, 200}, "b:1": {0, 200}}, client.WithHedging(time.Second), client.WithTimeout(0), client.WithAttemptTimeout(0),
			client.WithDiscovery(client.Static{"order": {{Address: "a:1"}, {Address: "b:1"}}}), client.WithBreaker(client.Breaker{Failures: 1, OpenFor: time.Hour}))
		for range 2 {
			if got := get(t, c, "http://order/"); got.status != http.StatusOK {
				t.Fatalf("answered %d, %v", got.status, got.err)
			}
		}
		hedges, attempts := 0, o.attempts()
		for _, attempt := range attempts {
			if attempt.Status().Code == codes.Error {
				t.Errorf("an attempt is an error: %v", attempt.Status())
			}
			if attributes(attempt.Attributes())["waybill.client.hedge"] == "true" {
				hedges++
			}
		}
		if len(attempts) != 4 || hedges != 2 { // each call begins with a
			t.Errorf("%d attempts, of which %d are hedges; want 4 and 2", len(attempts), hedges)
		}
		if got := events(o.calls()[0], "waybill.client.instance", "waybill.client.delay"); !cmp.Equal(got, []string{"hedge b:1 1"}) {
			t.Errorf("events are %q", got)
		}
		for labels, state := range o.series(t, "waybill_client_breaker_state") {
			if state != 0 {
				t.Errorf("the circuit breaker of %s is open", labels)
			}
		}
	})
}

func TestPanicBesideAHedgeGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newTelemetry()
		c := o.client(t, paced{"a:1": {2 * time.Second, -1}, "b:1": {3 * time.Second, 200}}, client.WithHedging(time.Second),
			client.WithDiscovery(client.Static{"order": {{Address: "a:1"}, {Address: "b:1"}}}))
		defer func() {
			if cause := recover(); cause != "out of paper" {
				t.Errorf("the panic is %v", cause)
			}
		}()
		_, _ = c.Transport.RoundTrip(newRequest(t, context.WithoutCancel(t.Context()), http.MethodGet, "http://order/", nil)) //nolint:bodyclose // it panics
		t.Error("no panic")
	})
}
