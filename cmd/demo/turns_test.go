package main

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	orderv1 "github.com/waybill-dev/waybill/demo-services/api/order/v1"
	"github.com/waybill-dev/waybill/demo-services/fault"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// A fault's turn lasts until so many orders have come and been answered, but not
// so short that nobody notices it and not so long that slow faults take all day.
const (
	turnOrders   = 14
	shortestTurn = 300 * time.Millisecond
	longestTurn  = 2 * time.Second
)

// TestEveryFaultInTurn has orders of all kinds come to the whole demo, several
// at once, while one fault after the other is on, over and over again. Afterwards
// the books balance, what customers were told is true, and the dead letters are
// exactly those that were poisoned. WAYBILL_AUDIT_ORDERS=10000 places as many.
func TestEveryFaultInTurn(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	d := startDemoIn(t, environment{
		// Psp that is slow is not waited for, and nobody is left alone for long.
		"PSP_TIMEOUT": "1500ms", "BREAKER_OPEN_FOR": "500ms", "SAGA_LEASE": "3s",
	}, "--rate", "0", "--data", data)
	conn, err := grpc.NewClient(d.address(t, "order"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	least := auditOrders(t, (len(fault.All())+1)*turnOrders)
	start := time.Now()
	c := newCrowd(t, orderv1.NewOrderServiceClient(conn))
	poisoned := heardPoison(t, d.address(t, "nats"))
	count, turns := d.takeTurns(t, least, c, poisoned)
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
	if len(report.Findings) > 0 || !report.Settled() || report.Orders != count || report.ByStep[order.Confirmed] == 0 {
		t.Error("the books do not balance")
	}
	books := tool.books(t)
	told, spoiled := c.wantTold(t, books), tool.wantPoisonedOnly(t, books)
	t.Logf("%d customers have heard of their orders, %d messages were poisoned on their way", told, spoiled)
	if told < count/2 || spoiled == 0 {
		t.Error("that is too few")
	}
}

// takeTurns switches one fault on after the other, and none after the last, has
// orders come meanwhile, at least so many, and returns how many have and how many
// turns each fault has had. Poison's lasts until there was some on the bus.
func (d running) takeTurns(t *testing.T, least int, c *crowd, poisoned *atomic.Int64) (count int, turns map[string]int) {
	t.Helper()
	turns = map[string]int{}
	all := append(fault.All(), fault.Fault{})
	for turn := 0; count < least; turn++ {
		key := all[turn%len(all)].Key
		if key != "" {
			d.switchFault(t, "on", key)
		}
		before := count
		count += c.letIn(count, turnOrders)
		for late := time.Now().Add(4 * patience); key == fault.PoisonMessage && poisoned.Load() == 0 && time.Now().Before(late); {
			count += c.letIn(count, turnOrders)
		}
		if key != "" {
			d.switchFault(t, "off", key)
		}
		if count > before {
			turns[key]++
		}
	}
	return count, turns
}

// heardPoison counts the messages on the bus that nobody can read.
func heardPoison(t *testing.T, bus string) *atomic.Int64 {
	t.Helper()
	conn, err := nats.Connect(bus)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	var n atomic.Int64
	if _, err := conn.Subscribe(platform.SubjectConfirmed, func(m *nats.Msg) {
		if poison.Match(m.Data) {
			n.Add(1)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if err := conn.Flush(); err != nil {
		t.Fatal(err)
	}
	return &n
}

// letIn has so many customers come, from the n-th on, for one turn, and returns
// how many have.
func (c *crowd) letIn(n, many int) (came int) {
	least, most := time.After(shortestTurn), time.After(longestTurn)
	defer func() { <-least }()
	for came < many {
		select {
		case c.coming <- n + came:
			came++
		case <-most:
			return came
		}
	}
	for look := time.NewTicker(10 * time.Millisecond); c.served.Load() < int64(n+came); {
		select {
		case <-look.C:
		case <-most:
			return came
		}
	}
	return came
}
