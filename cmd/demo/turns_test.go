package main

import (
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/fault"
	"github.com/waybill-dev/waybill/demo-services/order"
)

// A fault's turn lasts until so many orders have come, but not so short that
// nobody notices it and not so long that slow faults take all day.
const (
	turnOrders   = 25
	shortestTurn = 300 * time.Millisecond
	longestTurn  = 2 * time.Second
)

// TestEveryFaultInTurn has orders of all kinds come to the whole demo, several
// at once, while one fault after the other is on, over and over again. Afterwards
// the books balance, what customers were told is true, and the dead letters are
// exactly those that were poisoned. WAYBILL_AUDIT_ORDERS=10000 places as many.
func TestEveryFaultInTurn(t *testing.T) {
	data := t.TempDir()
	d := startDemoIn(t, environment{
		// Psp that is slow is not waited for, and nobody is left alone for long.
		"PSP_TIMEOUT": "1s", "BREAKER_OPEN_FOR": "500ms", "SAGA_LEASE": "3s",
	}, "--rate", "0", "--data", data)
	conn, err := grpc.NewClient(d.address(t, "order"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	count := auditOrders(t, (len(fault.All())+1)*turnOrders)
	start := time.Now()
	c := newCrowd(t, orderv1.NewOrderServiceClient(conn))
	turns := d.takeTurns(t, count, c.coming)
	c.leave()
	took := time.Since(start)
	for _, f := range fault.All() {
		if turns[f.Key] == 0 {
			t.Errorf("%s has not had its turn", f.Key)
		}
	}

	tool := auditTool{command: command{stdout: &output{}}, places: []string{data + "/shop"}, nats: d.address(t, "nats"), wait: 4 * patience}
	report, err := tool.settled(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	tool.print(report)
	t.Logf("%d orders in %v, %d turns of each fault, settled after %v\n%s", count, took.Round(time.Millisecond), turns[fault.PSPDown],
		(time.Since(start) - took).Round(time.Millisecond), tool.stdout)
	if len(report.Findings) > 0 || !report.Settled() || report.Orders != count || report.ByStep[order.Confirmed] < count/5 {
		t.Error("the books do not balance")
	}
	books := tool.books(t)
	told, poisoned := c.wantTold(t, books), tool.wantPoisonedOnly(t, books)
	t.Logf("%d customers have heard of their orders, %d messages were poisoned on their way", told, poisoned)
	if told < count/2 || poisoned == 0 {
		t.Error("that is too few")
	}
}

// takeTurns switches one fault on after the other, and none after the last, has
// orders come meanwhile, and returns how many turns each has had.
func (d running) takeTurns(t *testing.T, count int, coming chan<- int) map[string]int {
	t.Helper()
	turns := map[string]int{}
	all := append(fault.All(), fault.Fault{})
	for n, turn := 0, 0; n < count; turn++ {
		key := all[turn%len(all)].Key
		if key != "" {
			d.switchFault(t, "on", key)
		}
		least, most := time.After(shortestTurn), time.After(longestTurn)
		came, over := 0, false
		for came < turnOrders && n < count && !over {
			select {
			case coming <- n:
				n, came = n+1, came+1
			case <-most:
				over = true
			}
		}
		<-least
		if key != "" {
			d.switchFault(t, "off", key)
		}
		if came > 0 {
			turns[key]++
		}
	}
	return turns
}
