package shopper

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/waybill-dev/waybill/demo-services/gateway"
	"github.com/waybill-dev/waybill/demo-services/user"
)

// gatewayDouble answers in the place of the network, so that a test's clock
// can be a false one.
type gatewayDouble func(*http.Request) (*http.Response, error)

func (g gatewayDouble) RoundTrip(r *http.Request) (*http.Response, error) { return g(r) }

// orders is a shopper whose customers all buy, look at nothing first and think of
// nothing.
func orders(rate float64) Config {
	cfg := DefaultConfig()
	cfg.Rate, cfg.Browse, cfg.Think = rate, false, 0
	return cfg
}

func shopperAt(cfg Config, gateway gatewayDouble) *shopper {
	return newShopper(cfg, &http.Client{Transport: gateway}, slog.New(slog.DiscardHandler))
}

func answer(status int, header http.Header) *http.Response {
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("{}"))}
}

// shopFor runs the shopper for so long.
func shopFor(t *testing.T, s *shopper, d time.Duration) Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	s.run(ctx, time.Now())
	return s.tally.report()
}

func TestSlowShopIsNotAskedLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := orders(10)
		cfg.Parallel = 1000
		var asked atomic.Int64
		s := shopperAt(cfg, func(r *http.Request) (*http.Response, error) {
			asked.Add(1)
			select {
			case <-time.After(3 * time.Second):
				return answer(http.StatusConflict, nil), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})
		got := shopFor(t, s, 9950*time.Millisecond)
		if asked.Load() != 100 {
			t.Errorf("asked %d times, want 100", asked.Load())
		}
		// Those of the last three seconds were cut off by the end.
		if want := (Report{Refused: 70}); got != want {
			t.Errorf("report is %+v, want %+v", got, want)
		}
	})
}

func TestCustomersWhoFindTheShopFullAreMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := orders(10)
		cfg.Parallel = 4
		var inside, most atomic.Int64
		s := shopperAt(cfg, func(*http.Request) (*http.Response, error) {
			most.Store(max(most.Load(), inside.Add(1)))
			defer inside.Add(-1)
			time.Sleep(975 * time.Millisecond) // By the bubble's clock.
			return answer(http.StatusServiceUnavailable, nil), nil
		})
		got := shopFor(t, s, 1950*time.Millisecond)
		if want := (Report{Failed: 8, Missed: 12}); got != want {
			t.Errorf("report is %+v, want %+v", got, want)
		}
		if most.Load() != 4 {
			t.Errorf("%d customers at once, want 4", most.Load())
		}
	})
}

// shop is a gateway that confirms every order and counts what it is asked.
type shop struct {
	t     *testing.T
	mu    sync.Mutex
	asked map[string]int // by method and route
}

func (s *shop) answer(r *http.Request) (*http.Response, error) {
	if r.Header.Get("Traceparent") != "" {
		s.t.Error("the shopper takes part in a trace")
	}
	_, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/"), "/")
	body, priced := "{}", false
	status, header := http.StatusOK, http.Header{}
	switch {
	case r.Method == http.MethodPost && path == "orders":
		status = http.StatusCreated
		header.Set("Location", r.URL.Path+"/ord_1")
		priced = expects(s.t, r) > 0
	case strings.HasPrefix(path, "items/"):
		path = "items/{id}"
		body = `{"id":"itm","name":"Item","unit_price":250,"available":9}`
		if strings.HasPrefix(r.URL.Path, "/api/v2/") {
			body = `{"data":{"id":"itm","name":"Item","unit_price":250,"stock":{"available":9,"sold_out":false}},"meta":{"version":"v2"}}`
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked[r.Method+" "+path]++
	s.asked["in "+r.URL.Path[1:7]]++
	if priced {
		s.asked["priced"]++
	}
	given := answer(status, header)
	given.Body = io.NopCloser(strings.NewReader(body))
	return given, nil
}

// expects is what the customer expects to pay: what they have seen, all of it;
// 0 is whatever it costs.
func expects(t *testing.T, r *http.Request) int64 {
	t.Helper()
	var order gateway.OrderRequest
	if err := json.NewDecoder(r.Body).Decode(&order); err != nil || order.Amount == nil || *order.Amount < 0 {
		return 0 // It is wrong on purpose.
	}
	want := int64(0)
	for _, item := range order.Items {
		want += 250 * item.Quantity
	}
	if *order.Amount != want {
		t.Errorf("an order of %v expects to cost %d, want %d", order.Items, *order.Amount, want)
	}
	return *order.Amount
}

func TestVisitorsBrowseBuyLookAndCancel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shop := &shop{t: t, asked: map[string]int{}}
		cfg := DefaultConfig()
		cfg.Rate, cfg.Parallel = 100, 1000
		s := shopperAt(cfg, shop.answer)
		got := shopFor(t, s, 30*time.Second)
		visits := float64(shop.asked["GET items"])
		// Those who are inside at the end are not counted.
		if ended := float64(got.Looked + got.Confirmed); got.Refused+got.Failed+got.Missed != 0 || math.Abs(visits-4500) > 1 || ended > visits || ended < visits-300 {
			t.Errorf("report is %+v of %v visits, want 4500", got, visits)
		}
		share := func(what string, n int, of, want float64) {
			t.Helper()
			if spread := 4*math.Sqrt(want*(1-want)/of) + 0.01; math.Abs(float64(n)/of-want) > spread {
				t.Errorf("%s: %d of %v, want %.3f ± %.3f", what, n, of, want, spread)
			}
		}
		placed := float64(shop.asked["POST orders"])
		share("orders", int(placed), float64(got.Looked+got.Confirmed), cfg.Buying)
		good := 1 - malformed
		for _, trouble := range troubles() {
			good -= trouble.share
		}
		share("orders with an amount", shop.asked["priced"], placed, good)
		share("looks", shop.asked["GET orders/ord_1"], placed, looking)
		share("cancellations", shop.asked["POST orders/ord_1/cancel"], placed, cancelling)
		if n := shop.asked["GET items/{id}"]; float64(n) < visits {
			t.Errorf("%d items were looked at", n)
		}
		share("v2", shop.asked["in api/v2"], float64(shop.asked["in api/v2"]+shop.asked["in api/v1"]), modern)
	})
}

// TestWaveOfTheDay has most people come at the peak of a day that takes minutes,
// and shows the wave in a metric.
func TestWaveOfTheDay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := orders(10)
		cfg.Pace = wave{}
		start := time.Now()
		var morning, evening atomic.Int64
		s := shopperAt(cfg, func(*http.Request) (*http.Response, error) {
			if time.Since(start) < time.Minute {
				morning.Add(1)
			} else {
				evening.Add(1)
			}
			return answer(http.StatusConflict, nil), nil
		})
		registry := prometheus.NewPedanticRegistry()
		if err := s.tally.register(registry, cfg.pacer(), start); err != nil {
			t.Fatal(err)
		}
		shopFor(t, s, 2*time.Minute-time.Millisecond)
		if m, e := morning.Load(), evening.Load(); m != 60 || e != 600 {
			t.Errorf("%d came in the first minute, %d in the second; want 60 and 600", m, e)
		}
		if err := testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP shop_orders_due_per_second Orders that the time of the day brings, whatever the shop makes of them.
# TYPE shop_orders_due_per_second gauge
shop_orders_due_per_second 10
# HELP shop_visitors Visitors who are in the shop now.
# TYPE shop_visitors gauge
shop_visitors 0
# HELP shop_visits_total Visitors of the shop by what became of their visit.
# TYPE shop_visits_total counter
shop_visits_total{outcome="confirmed"} 0
shop_visits_total{outcome="failed"} 0
shop_visits_total{outcome="looked"} 0
shop_visits_total{outcome="missed"} 0
shop_visits_total{outcome="refused"} 660
`)); err != nil {
			t.Error(err)
		}
	})
}

// wave is one order a second for a minute, and then ten.
type wave struct{}

func (wave) Due(elapsed time.Duration) float64 {
	return min(elapsed.Seconds(), 60) + 10*max(0, elapsed.Seconds()-60)
}

func (wave) When(orders float64) time.Duration {
	return time.Duration((min(orders, 60) + max(0, orders-60)/10) * float64(time.Second))
}

// TestVisitorsTakeTheirTime has a visit last as long as its thoughts.
func TestVisitorsTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.Think = 2 * time.Second
		shop := &shop{t: t, asked: map[string]int{}}
		s := shopperAt(cfg, shop.answer)
		start := time.Now()
		v := newCustomers(1, 1).next()
		s.serve(t.Context(), v)
		pages, want := shop.asked["GET items"]+shop.asked["GET items/{id}"]+1, time.Duration(0)
		for _, pause := range v.pauses[:pages] {
			want += time.Duration(pause * float64(cfg.Think))
		}
		if took := time.Since(start); v.looks || v.cancels || took != want || want == 0 {
			t.Errorf("a visit of %d pages took %v, want %v", pages, took, want)
		}
	})
}

// TestCustomersSignIn once in a token's life each; those who can't are guests.
func TestCustomersSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := orders(50)
		cfg.SignIn = true
		var mu sync.Mutex
		signedIn, guests := map[string]int{}, 0
		s := shopperAt(cfg, func(r *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			if r.URL.Path == "/api/v1/sessions" {
				var who gateway.SessionRequest
				if err := json.Unmarshal(body, &who); err != nil || who.Password != user.DemoPassword {
					t.Errorf("credentials %s: %v", body, err)
				}
				signedIn[who.Email]++
				given, err := json.Marshal(gateway.SessionResponse{Token: who.Email, ExpiresAt: time.Now().Add(3 * time.Minute)})
				if err != nil {
					return nil, err
				}
				created := answer(http.StatusCreated, nil)
				created.Body = io.NopCloser(bytes.NewReader(given))
				return created, nil
			}
			var order gateway.OrderRequest
			switch token := r.Header.Get("Authorization"); {
			case token == "":
				guests++
			case json.Unmarshal(body, &order) == nil && token != "Bearer "+strings.TrimPrefix(order.UserID, "usr_")+"@example.com":
				t.Errorf("%s orders as %q", order.UserID, token)
			}
			return answer(http.StatusConflict, nil), nil
		})
		shopFor(t, s, 3*time.Minute)
		if len(signedIn) != len(user.Seed()) {
			t.Errorf("%d customers have signed in, want %d", len(signedIn), len(user.Seed()))
		}
		for email, times := range signedIn {
			if times > 2 { // for three minutes each, of which two are used
				t.Errorf("%s has signed in %d times", email, times)
			}
		}
		if share := float64(guests) / 9000; share > 0.02 || guests == 0 {
			t.Errorf("%.4f are guests", share)
		}
	})
}

func TestAbsentShopIsReportedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines strings.Builder
		closed := true
		s := shopperAt(orders(2), func(*http.Request) (*http.Response, error) {
			if closed {
				return nil, errors.New("connection refused")
			}
			return answer(http.StatusConflict, nil), nil
		})
		s.logger = slog.New(slog.NewTextHandler(&lines, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.MessageKey {
				return a
			}
			return slog.Attr{}
		}}))
		if got := shopFor(t, s, 5*time.Second-1); got.Failed != 10 {
			t.Errorf("report is %+v, want 10 failed", got)
		}
		closed = false
		shopFor(t, s, 5*time.Second-1)
		want := "msg=\"the shop does not answer\"\nmsg=\"the shop answers again\"\n"
		if diff := cmp.Diff(want, lines.String()); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
}

func TestConfigIsValidated(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"no gateway":        func(c *Config) { c.GatewayURL = "" },
		"no scheme":         func(c *Config) { c.GatewayURL = "127.0.0.1:8080" },
		"rate 0":            func(c *Config) { c.Rate = 0 },
		"rate NaN":          func(c *Config) { c.Rate = math.NaN() },
		"rate Inf":          func(c *Config) { c.Rate = math.Inf(1) },
		"no places":         func(c *Config) { c.Parallel = 0 },
		"no patience":       func(c *Config) { c.Timeout = 0 },
		"nobody buys":       func(c *Config) { c.Buying = 0 },
		"more than all buy": func(c *Config) { c.Buying = 1.01 },
		"thinks backwards":  func(c *Config) { c.Think = -1 },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if _, err := Run(t.Context(), cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: was accepted", name)
		}
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}
