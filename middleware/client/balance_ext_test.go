package client_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/middleware/client"
)

// list is a discovery of the instances a, b, c … of order, with those weights.
func list(weights ...int) client.Static {
	var instances []client.Instance
	for i, weight := range weights {
		instances = append(instances, client.Instance{Address: string(rune('a' + i)), Weight: weight})
	}
	return client.Static{"order": instances}
}

// visits records where requests go.
type visits struct {
	mu    sync.Mutex
	where strings.Builder
}

func (v *visits) RoundTrip(r *http.Request) (*http.Response, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.where.WriteString(r.URL.Host)
	return answer(r, 200), nil
}

func TestTurns(t *testing.T) {
	for name, test := range map[string]struct {
		balancer func() client.Balancer
		weights  []int
		want     string
	}{
		"round robin":                      {client.RoundRobin, []int{0, 0, 0}, "abcabcabcabc"},
		"round robin regards no weights":   {client.RoundRobin, []int{5, 1}, "abababababab"},
		"weighted":                         {client.Weighted, []int{2, 1}, "abaabaabaaba"},
		"weighted, smooth as nginx has it": {client.Weighted, []int{5, 1, 1}, "aabacaaaabac"},
		"weighted, none given":             {client.Weighted, []int{0, 0}, "abababababab"},
		"idle, by connections":             {client.LeastConnections, []int{0, 0, 0}, "abcabcabcabc"},
	} {
		v := &visits{}
		c := newTelemetry().client(t, v, client.WithDiscovery(list(test.weights...)), client.WithBalancer(test.balancer))
		for range 12 {
			get(t, c, "http://order/")
		}
		if got := v.where.String(); got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}

// TestLeastConnections has a be ten times as slow as b and c, so that it is to
// get a tenth of what they get, and not a third of all.
func TestLeastConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		hits := map[string]int{}
		c := newTelemetry().client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			hits[r.URL.Host]++
			mu.Unlock()
			took := 10 * time.Millisecond
			if r.URL.Host == "a" {
				took *= 10
			}
			time.Sleep(took)
			return answer(r, 200), nil
		}), client.WithDiscovery(list(0, 0, 0)), client.WithBalancer(client.LeastConnections))
		var wg sync.WaitGroup
		for range 9 {
			wg.Go(func() {
				for range 100 {
					get(t, c, "http://order/")
				}
			})
		}
		wg.Wait()
		if hits["a"] < 30 || hits["a"] > 90 || hits["b"]-hits["c"] > 60 || hits["c"]-hits["b"] > 60 {
			t.Errorf("hits %v of 900: want some 45 of a, and as many of b as of c", hits)
		}
	})
}

// A response that is being read keeps its instance busy, until it is closed.
func TestInFlightLastsAsLongAsTheBody(t *testing.T) {
	var endpoints []*client.Endpoint
	balancer := func() client.Balancer { return spy{client.RoundRobin(), &endpoints} }
	one := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, strings.Repeat("x", 1000)) })
	o := newTelemetry()
	c := o.client(t, transport(t), client.WithDiscovery(order(one)), client.WithBalancer(balancer))
	response, err := c.Do(newRequest(t, t.Context(), http.MethodGet, "http://order/", nil))
	if err != nil {
		t.Fatal(err)
	}
	if got := endpoints[0].InFlight(); got != 1 || endpoints[0].Instance() != (client.Instance{Address: one.address(), Weight: 1}) {
		t.Errorf("%d in flight at %v, want 1", got, endpoints[0].Instance())
	}
	if len(o.calls()) > 0 {
		t.Error("the call has ended before its response")
	}
	_ = response.Body.Close()
	_ = response.Body.Close()
	if got := endpoints[0].InFlight(); got != 0 {
		t.Errorf("%d in flight after the end, want 0", got)
	}
	o.allEnded(t)
}

// spy keeps what there was to choose from.
type spy struct {
	client.Balancer
	seen *[]*client.Endpoint
}

func (s spy) Choose(from []*client.Endpoint) *client.Endpoint {
	*s.seen = from
	return s.Balancer.Choose(from)
}

func TestForgottenBodyEndsWithTheCallsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var endpoints []*client.Endpoint
		balancer := func() client.Balancer { return spy{client.RoundRobin(), &endpoints} }
		o := newTelemetry()
		c := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) { return answer(r, 200), nil }), client.WithBalancer(balancer))
		response, err := c.Do(newRequest(t, t.Context(), http.MethodGet, "http://order/", nil)) //nolint:bodyclose // what becomes of those who don't is the test
		if err != nil || response.StatusCode != http.StatusOK {
			t.Fatal(err)
		}
		time.Sleep(31 * time.Second)
		synctest.Wait()
		if call := o.onlyCall(t); call.EndTime().Sub(call.StartTime()) != 30*time.Second || endpoints[0].InFlight() != 0 {
			t.Errorf("the call took %v, and %d are in flight; want 30s and 0", call.EndTime().Sub(call.StartTime()), endpoints[0].InFlight())
		}
		time.Sleep(time.Minute) // until nobody watches the attempt's body either
	})
}

func TestRetriesGoElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		v := &visits{}
		c := newTelemetry().client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
			_, _ = v.RoundTrip(r)
			return nil, errRefused
		}), client.WithDiscovery(list(0, 0)), client.WithBreaker(client.Breaker{}))
		get(t, c, "http://order/")
		// When all have been tried, they are tried again.
		if got := v.where.String(); got[:2] != "ab" || len(got) != 3 {
			t.Errorf("attempts went to %s, want a, b, and one of them", got)
		}
	})
}

// TestInstancesComeAndGo changes what discovery finds. What stays keeps its
// breaker; what goes leaves no series.
func TestInstancesComeAndGo(t *testing.T) {
	o := newTelemetry()
	found := list(1, 1)
	c := o.client(t, roundTripper(func(r *http.Request) (*http.Response, error) {
		if r.URL.Host == "b" {
			return answer(r, 500), nil
		}
		return answer(r, 200), nil
	}), client.WithDiscovery(found), once(), client.WithBreaker(client.Breaker{Failures: 1, OpenFor: time.Hour}))
	get(t, c, "http://order/")
	get(t, c, "http://order/") // opens b
	found["order"] = []client.Instance{{Address: "b", Weight: 3}, {Address: "c"}, {Address: "c"}}
	for range 4 {
		if got := get(t, c, "http://order/"); got.status != 200 {
			t.Fatalf("got %+v, want c, as b is open", got)
		}
	}
	if diff := cmp.Diff(map[string]float64{
		"instance_address=b,peer_service=order": 2, "instance_address=c,peer_service=order": 0,
	}, o.series(t, stateOf)); diff != "" {
		t.Errorf("breakers (-want +got):\n%s", diff)
	}
	if got := o.value(t, "waybill_client_instances", "peer_service=order"); got != 2 {
		t.Errorf("%v instances, want 2", got)
	}
}
