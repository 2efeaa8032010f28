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

	"github.com/waybill-dev/waybill/demo-services/gateway"
	"github.com/waybill-dev/waybill/demo-services/user"
)

// gatewayDouble answers in the place of the network, so that a test's clock
// can be a false one.
type gatewayDouble func(*http.Request) (*http.Response, error)

func (g gatewayDouble) RoundTrip(r *http.Request) (*http.Response, error) { return g(r) }

func newShopper(cfg Config, gateway gatewayDouble) *shopper {
	return &shopper{config: cfg, client: &http.Client{Transport: gateway}, logger: slog.New(slog.DiscardHandler)}
}

func answer(status int, header http.Header) *http.Response {
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(strings.NewReader("{}"))}
}

// shopFor runs the shopper for so long.
func shopFor(t *testing.T, s *shopper, d time.Duration) Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	s.run(ctx)
	return s.report()
}

func TestSlowShopIsNotAskedLessOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.Rate, cfg.Parallel = 10, 1000
		var asked atomic.Int64
		s := newShopper(cfg, func(r *http.Request) (*http.Response, error) {
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
		cfg := DefaultConfig()
		cfg.Rate, cfg.Parallel = 10, 4
		var inside, most atomic.Int64
		s := newShopper(cfg, func(*http.Request) (*http.Response, error) {
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

func TestSomeCustomersLookAtTheirOrderOrCancelIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.Rate = 100
		var placed, looked, cancelled, traced atomic.Int64
		s := newShopper(cfg, func(r *http.Request) (*http.Response, error) {
			if r.Header.Get("Traceparent") != "" {
				traced.Add(1)
			}
			if r.Method == http.MethodGet && r.URL.String() == "http://127.0.0.1:8080/api/v1/orders/ord_1" {
				looked.Add(1)
				return answer(http.StatusOK, nil), nil
			}
			if r.Method == http.MethodPost && r.URL.Path == "/api/v1/orders/ord_1/cancel" {
				cancelled.Add(1)
				return answer(http.StatusOK, nil), nil
			}
			placed.Add(1)
			return answer(http.StatusCreated, http.Header{"Location": {"/api/v1/orders/ord_1"}}), nil
		})
		got := shopFor(t, s, 19995*time.Millisecond)
		if got.Confirmed != 2000 || placed.Load() != 2000 {
			t.Errorf("%d orders of %d confirmed, want 2000", got.Confirmed, placed.Load())
		}
		if share := float64(looked.Load()) / 2000; math.Abs(share-looking) > 0.03 {
			t.Errorf("%.3f looked, want %.3f", share, looking)
		}
		if share := float64(cancelled.Load()) / 2000; math.Abs(share-cancelling) > 0.015 {
			t.Errorf("%.3f cancelled, want %.3f", share, cancelling)
		}
		if traced.Load() != 0 {
			t.Error("the shopper takes part in a trace")
		}
	})
}

// TestCustomersSignIn once in a token's life each; those who can't are guests.
func TestCustomersSignIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := DefaultConfig()
		cfg.Rate, cfg.SignIn = 50, true
		var mu sync.Mutex
		signedIn, guests := map[string]int{}, 0
		s := newShopper(cfg, func(r *http.Request) (*http.Response, error) {
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
		cfg := DefaultConfig()
		s := newShopper(cfg, func(*http.Request) (*http.Response, error) {
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
		"no gateway":  func(c *Config) { c.GatewayURL = "" },
		"no scheme":   func(c *Config) { c.GatewayURL = "127.0.0.1:8080" },
		"rate 0":      func(c *Config) { c.Rate = 0 },
		"rate NaN":    func(c *Config) { c.Rate = math.NaN() },
		"rate Inf":    func(c *Config) { c.Rate = math.Inf(1) },
		"no places":   func(c *Config) { c.Parallel = 0 },
		"no patience": func(c *Config) { c.Timeout = 0 },
	} {
		cfg := DefaultConfig()
		change(&cfg)
		if _, err := Run(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: was accepted", name)
		}
	}
	if err := DefaultConfig().Validate(); err != nil {
		t.Error(err)
	}
}
