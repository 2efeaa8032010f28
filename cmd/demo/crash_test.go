package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/audit"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/platform/pgtest"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

// roundsVariable says how often each crash is tried; see TestOrderServiceIsKilled.
const roundsVariable = "WAYBILL_CRASH_ROUNDS"

// crash is a point at which the order service is killed while it is at orders
// that are paid for with the card; or, if they are to be returned, are confirmed
// already and cancelled by their customers.
type crash struct {
	card, point string
	returned    bool
}

func crashes() []crash {
	var all []crash
	for _, call := range []string{"reserve", "charge", "confirm"} {
		all = append(all, crash{psp.TokenVisa, "before " + call, false}, crash{psp.TokenVisa, "after " + call, false})
	}
	for _, call := range []string{"refund", "release"} {
		for _, when := range []string{"before ", "after "} {
			all = append(all, crash{psp.TokenOutage, when + call, false}, crash{psp.TokenVisa, when + call, true})
		}
	}
	return append(all, crash{psp.TokenVisa, "told", false}, crash{psp.TokenOutage, "told", false})
}

// TestOrderServiceIsKilled kills the process of the order service at each step
// of the saga and of its way back, while two orders are there, and has a new one
// go on. Afterwards no order is half done, the databases of all services agree,
// and the bus has each event once. WAYBILL_CRASH_ROUNDS=20 kills it twenty times
// at each step.
func TestOrderServiceIsKilled(t *testing.T) {
	t.Parallel()
	rounds := 1
	if text := os.Getenv(roundsVariable); text != "" {
		var err error
		if rounds, err = strconv.Atoi(text); err != nil {
			t.Fatalf("%s: %v", roundsVariable, err)
		}
	}
	for name, database := range databases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testKills(t, newKilling(t, database(t)), rounds)
		})
	}
}

// databases are the kinds on which services run: each gives a test the URL of
// one, or nothing for SQLite.
func databases() map[string]func(testing.TB) string {
	return map[string]func(testing.TB) string{
		"sqlite":     func(testing.TB) string { return "" },
		"postgresql": pgtest.Database,
	}
}

func testKills(t *testing.T, k *killing, rounds int) {
	t.Helper()
	const atOnce = 2
	k.start(t)
	want := map[order.Step]int{}
	for range rounds {
		for _, c := range crashes() {
			k.one(t, c, atOnce)
			if c.card == psp.TokenVisa && !c.returned {
				want[order.Confirmed] += atOnce
			} else {
				want[order.Cancelled] += atOnce
			}
		}
	}
	report := k.settled(t)
	k.kill(t)
	k.wantAudit(t, report)
	if diff := cmp.Diff(want, report.ByStep); diff != "" {
		t.Errorf("orders (-want +got):\n%s", diff)
	}
	for _, f := range report.Findings {
		t.Errorf("%s: %s", f.About, f.What)
	}
	t.Logf("%d kills at %d points, %d orders, %d messages", rounds*len(crashes()), len(crashes()), report.Orders, report.Messages)
}

// wantAudit has `demo audit` come to the same, by where the databases are.
func (k *killing) wantAudit(t *testing.T, r *audit.Report) {
	t.Helper()
	env, args := environment{"DATABASE_URL": k.data, "NATS_URL": k.bus}, []string{"audit"}
	if !strings.Contains(k.data, "://") {
		env, args = environment{"NATS_URL": k.bus}, append(args, "--data", k.data)
	}
	p := runProgram(t, env, args...)
	status := p.wait(t)
	for _, line := range []string{
		fmt.Sprintf("orders     %d: %d cancelled, %d confirmed\n", r.Orders, r.ByStep[order.Cancelled], r.ByStep[order.Confirmed]),
		fmt.Sprintf("messages   %d sent, 0 dead letters\n", r.Messages), "the books balance\n",
	} {
		if out := p.out.String(); status != 0 || !strings.Contains(out, line) {
			t.Errorf("status %d, there is no %q in\n%s%s", status, line, out, p.errs)
		}
	}
}

// one has orders come to the point, kills the service there, and starts it again.
func (k *killing) one(t *testing.T, c crash, orders int) {
	t.Helper()
	var placed []string
	for range orders {
		if !c.returned {
			break
		}
		id, err := k.place(t.Context(), c.card)
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		placed = append(placed, id)
	}
	reached := k.set(c.point, orders)
	for i := range orders {
		k.calls.Go(func() { // Most of them end with the process.
			if c.returned {
				_, _ = k.orders.CancelOrder(t.Context(), &orderv1.CancelOrderRequest{OrderId: placed[i]})
			} else {
				_, _ = k.place(t.Context(), c.card)
			}
		})
	}
	select {
	case <-reached:
	case <-time.After(patience):
		t.Fatalf("no order came to %+v", c)
	}
	k.kill(t)
	k.spring()
	k.start(t)
}
