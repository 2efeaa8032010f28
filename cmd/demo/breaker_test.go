package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/payment"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

// provider stands before psp: it can be down, and counts who asks it for money
// or to give it back.
type provider struct {
	down  atomic.Bool
	asked atomic.Int64
}

func (p *provider) front(t *testing.T, behind string) string {
	t.Helper()
	base, err := url.Parse(behind)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(base)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			p.asked.Add(1)
		}
		if p.down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (s quickShop) place(ctx context.Context) error {
	_, err := s.orders.CreateOrder(ctx, &orderv1.CreateOrderRequest{
		UserId: "usr_ada", Email: "ada@example.com", Currency: "EUR", CardToken: psp.TokenVisa,
		Lines: []*orderv1.Line{{ItemId: "itm_tea", Quantity: 1}},
	})
	return err
}

// TestOrdersWhileTheProviderIsDown has psp go down: after five failures nobody
// asks it any more and orders are refused at once, with nothing left to give
// back. It comes up again, and without anybody's doing orders are confirmed.
func TestOrdersWhileTheProviderIsDown(t *testing.T) {
	t.Parallel()
	var p provider
	breaker := payment.DefaultBreakerConfig()
	breaker.OpenFor = 2 * time.Second
	shop := newQuickShop(t, func(behind string) string { return p.front(t, behind) }, breaker)
	if err := shop.place(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := p.asked.Load()
	p.down.Store(true)
	refused := func() time.Duration {
		t.Helper()
		start := time.Now()
		err := shop.place(t.Context())
		took := time.Since(start)
		if reason, _ := platform.ReasonOf(err); status.Code(err) != codes.Unavailable || reason != platform.ReasonPSPUnavailable {
			t.Fatalf("order while psp is down: %v", err)
		}
		return took
	}
	for p.asked.Load() < before+int64(breaker.Failures) {
		refused()
	}
	opened := time.Now()
	var took []time.Duration
	for len(took) == 0 || time.Since(opened) < breaker.OpenFor/2 && len(took) < 100 {
		took = append(took, refused())
	}
	if time.Since(opened) < breaker.OpenFor { // On a machine this slow, it may have been half open.
		if more := p.asked.Load() - before; more != int64(breaker.Failures) {
			t.Errorf("psp was asked %d times, want %d", more, breaker.Failures)
		}
	}
	slices.Sort(took)
	median := took[len(took)/2]
	t.Logf("with the breaker open %d orders are refused in %v (median), %v (most)", len(took), median, took[len(took)-1])
	if median > 5*time.Second {
		t.Errorf("the median is %v, which is no refusal at once", median)
	}

	p.down.Store(false)
	confirmed := 0
	eventually(t, "orders that are confirmed again", func() bool {
		if err := shop.place(t.Context()); err == nil {
			confirmed++
		}
		return confirmed > int(breaker.Successes)
	})
	tool := auditTool{command: command{stdout: &output{}}, places: []string{shop.data}, nats: shop.bus, wait: 2 * patience}
	report, err := tool.settled(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Findings) > 0 || !report.Settled() || report.ByStep[order.Confirmed] != confirmed+1 {
		tool.print(report)
		t.Errorf("%d orders were confirmed, the books do not balance:\n%s", confirmed+1, tool.stdout)
	}
}
