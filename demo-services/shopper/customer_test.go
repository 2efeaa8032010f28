package shopper

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/demo-services/gateway"
)

func TestCustomersAreAMixture(t *testing.T) {
	const visits = 40_000
	want := map[string]float64{"": 1 - malformed, "malformed": malformed}
	for _, trouble := range troubles() {
		want[trouble.kind] = trouble.share
		want[""] -= trouble.share
	}
	coming := newCustomers(7, 0.6)
	got, looks, buys := map[string]float64{}, 0.0, 0.0
	for range visits {
		v := coming.next()
		got[v.kind] += 1.0 / visits
		if v.looks {
			looks += 1.0 / visits
		}
		if v.buys {
			buys += 1.0 / visits
		}
		var order gateway.OrderRequest
		if err := json.Unmarshal(v.body(100), &order); (err != nil) != (v.kind == kindMalformed) {
			t.Fatalf("%q: body %s: %v", v.kind, v.body(100), err)
		}
		if v.kind == "" && (order.Amount == nil || *order.Amount != 100) {
			t.Fatalf("an order expects to cost %v", order.Amount)
		}
		if n := len(order.Items); v.kind == "" && (n < 1 || n > 4) {
			t.Fatalf("an order of %d items", n)
		}
	}
	if len(got) != len(want) {
		t.Errorf("kinds are %v, want %v", got, want)
	}
	for kind, share := range want {
		// Four standard deviations.
		if spread := 4 * math.Sqrt(share*(1-share)/visits); math.Abs(got[kind]-share) > spread {
			t.Errorf("%q: %.4f of the orders, want %.4f ± %.4f", kind, got[kind], share, spread)
		}
	}
	if math.Abs(buys-0.6) > 0.01 {
		t.Errorf("%.3f buy, want 0.6", buys)
	}
	if math.Abs(looks-looking) > 0.01 {
		t.Errorf("%.3f look at their orders, want %.3f", looks, looking)
	}
}

func TestSameSeedSameCustomers(t *testing.T) {
	first, second, other := newCustomers(1, 1), newCustomers(1, 1), newCustomers(2, 1)
	differs := false
	for range 100 {
		v := first.next()
		if diff := cmp.Diff(v, second.next(), cmp.AllowUnexported(visit{})); diff != "" {
			t.Fatalf("visits (-first +second):\n%s", diff)
		}
		differs = differs || string(v.body(0)) != string(other.next().body(0))
	}
	if !differs {
		t.Error("another seed has the same customers")
	}
}
