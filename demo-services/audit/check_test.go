package audit

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/payment"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

// books are of an order that is confirmed, one that was confirmed and then
// cancelled, one whose card was declined, and one that is under way.
func books() *Books {
	placed := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	of := func(id string, step order.Step, confirmed, cancelled int) *order.Account {
		o := order.Order{
			ID: id, Version: 4, UserID: "usr_ada", Currency: "EUR", Amount: 1000, Step: step, CreatedAt: placed, UpdatedAt: placed,
			Lines: []order.Line{{ItemID: "mug", Name: "Mug", Quantity: 2, UnitPrice: 500}},
		}
		view := o
		view.Lines = slices.Clone(o.Lines)
		view.Traceparent = "" // Which views do not have.
		return &order.Account{Order: o, View: view, Confirmed: confirmed, Cancelled: cancelled, Driven: !step.Ended()}
	}
	charge := func(state payment.State) payment.Charge {
		return payment.Charge{State: state, ChargeID: "ch_1", Amount: 1000, Currency: "EUR"}
	}
	lines := []inventory.Line{{ItemID: "mug", Name: "Mug", Quantity: 2, UnitPrice: 500}}
	return &Books{
		Orders: map[string]*order.Account{
			"good": of("good", order.Confirmed, 1, 0), "returned": of("returned", order.Cancelled, 1, 1),
			"declined": of("declined", order.Cancelled, 0, 1), "under way": of("under way", order.Reserved, 0, 0),
		},
		Charges: map[string]payment.Charge{"good": charge(payment.Charged), "returned": charge(payment.Refunded), "declined": charge(payment.Declined)},
		Provider: map[string]psp.Charge{
			"good":     {ID: "ch_1", State: psp.Captured, Amount: 1000, Currency: "EUR"},
			"returned": {ID: "ch_1", State: psp.Refunded, Amount: 1000, Currency: "EUR"},
			"declined": {State: psp.Declined},
		},
		Reservations: map[string]*inventory.ReservationAccount{
			"good": {State: "CONFIRMED", Lines: lines}, "returned": {State: "RELEASED", Lines: lines},
			"declined": {State: "RELEASED", Lines: lines}, "under way": {State: "RESERVED", Lines: lines},
		},
		Items:     map[string]inventory.ItemAccount{"mug": {Capacity: 10, Delivered: 3, Available: 9}},
		Users:     map[string]time.Time{"usr_ada": placed},
		Histories: map[string]time.Time{"usr_ada": placed},
		Messages:  map[string]int{"good": 1, "returned": 1, "declined": 1},
		Letters:   map[string]int{"returned": 1},
		Outboxes:  map[string]int{"order": 0, "payment": 2},
		Told: map[string]Told{
			"good": {"order.created": 1, "order.confirmed": 1}, "returned": {"order.created": 1, "order.confirmed": 1, "order.cancelled": 1},
			"declined": {"order.created": 1, "order.cancelled": 1}, "under way": {"order.created": 1},
		},
	}
}

func TestBooksBalance(t *testing.T) {
	got := books().Check()
	want := &Report{
		Orders: 4, ByStep: map[order.Step]int{order.Confirmed: 1, order.Cancelled: 2, order.Reserved: 1},
		UnderWay: 1, Waiting: 2, Messages: 3, Letters: 1, Captured: map[string]int64{"EUR": 1000}, Sold: 2,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	if got.Settled() {
		t.Error("an order is under way, and events wait")
	}
	if (&Report{Queued: 1}).Settled() || !(&Report{}).Settled() {
		t.Error("a message that waits is under way, and nothing is not")
	}
}

// TestWhatDoesNotBalanceIsFound has one thing wrong at a time.
func TestWhatDoesNotBalanceIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		about, what string
		wrong       func(*Books)
	}{
		"half done":             {"under way", "nobody drives its saga", func(b *Books) { b.Orders["under way"].Driven = false }},
		"driven although ended": {"good", "its saga has not ended", func(b *Books) { b.Orders["good"].Driven = true }},
		"no events":             {"good", "no event", func(b *Books) { b.Orders["good"].Order.Version = 0 }},
		"stale view":            {"good", "the read model has it at version 3", func(b *Books) { b.Orders["good"].View.Version = 3 }},
		"other lines in view":   {"good", "the read model", func(b *Books) { b.Orders["good"].View.Lines = nil }},
		"not charged":           {"good", "payment has 1000 EUR", func(b *Books) { set(b.Charges, "good", func(c *payment.Charge) { c.State = payment.Pending }) }},
		"other amount":          {"good", "payment has 999", func(b *Books) { set(b.Charges, "good", func(c *payment.Charge) { c.Amount = 999 }) }},
		"psp took nothing":      {"good", "psp has", func(b *Books) { set(b.Provider, "good", func(c *psp.Charge) { c.State = psp.Voided }) }},
		"other charge":          {"good", "psp has", func(b *Books) { set(b.Provider, "good", func(c *psp.Charge) { c.ID = "ch_2" }) }},
		"reservation open":      {"good", "not sold", func(b *Books) { b.Reservations["good"].State = "RESERVED" }},
		"reservation expired": {"good", "not sold", func(b *Books) {
			b.Reservations["good"].State = "EXPIRED"
			b.Items["mug"] = inventory.ItemAccount{Capacity: 11, Available: 9}
		}},
		"no reservation": {"good", "not sold", func(b *Books) {
			delete(b.Reservations, "good")
			b.Items["mug"] = inventory.ItemAccount{Capacity: 11, Available: 9}
		}},
		"other lines": {"good", "its lines", func(b *Books) {
			b.Orders["good"].Order.Lines[0].UnitPrice++
			b.Orders["good"].View.Lines = b.Orders["good"].Order.Lines
		}},
		"not refunded":   {"returned", "psp holds 1000 EUR", func(b *Books) { set(b.Provider, "returned", func(c *psp.Charge) { c.State = psp.Captured }) }},
		"refund unknown": {"returned", "payment has it as REFUNDING", func(b *Books) { set(b.Charges, "returned", func(c *payment.Charge) { c.State = payment.Refunding }) }},
		"not released": {"declined", "its stock is RESERVED", func(b *Books) {
			b.Reservations["declined"].State = "RESERVED"
			b.Items["mug"] = inventory.ItemAccount{Capacity: 13, Available: 7}
		}},
		"not told":           {"good", "told 0 times", func(b *Books) { delete(b.Messages, "good") }},
		"told twice":         {"declined", "told 2 times", func(b *Books) { b.Messages["declined"] = 2 }},
		"told and dead":      {"good", "1 letters are dead", func(b *Books) { b.Letters["good"] = 1 }},
		"invented charge":    {"nobody's", "payment has a charge", func(b *Books) { b.Charges["nobody's"] = payment.Charge{State: payment.Voided} }},
		"invented stock":     {"nobody's", "inventory has a reservation", func(b *Books) { b.Reservations["nobody's"] = &inventory.ReservationAccount{State: "RELEASED"} }},
		"invented event":     {"nobody's", "told of an order", func(b *Books) { b.Messages["nobody's"] = 1 }},
		"event lost":         {"good", "the bus has map[order.created:1]", func(b *Books) { delete(b.Told["good"], "order.confirmed") }},
		"event repeated":     {"under way", "the bus has map[order.created:2]", func(b *Books) { b.Told["under way"]["order.created"]++ }},
		"event of nobody's":  {"nobody's", "the bus has events", func(b *Books) { b.Told["nobody's"] = Told{"order.created": 1} }},
		"unknown to payment": {"under way", "psp has a charge", func(b *Books) { b.Provider["under way"] = psp.Charge{State: psp.Captured} }},
		"oversold":           {"mug", "10 were there and 3 came, 8 are there and 4 are held", func(b *Books) { b.Items["mug"] = inventory.ItemAccount{Capacity: 10, Delivered: 3, Available: 8} }},
		"history not opened": {"usr_ada", "no history", func(b *Books) { delete(b.Histories, "usr_ada") }},
		"other history":      {"usr_ada", "their history says", func(b *Books) { b.Histories["usr_ada"] = time.UnixMilli(0) }},
		"invented customer":  {"usr_eve", "does not exist", func(b *Books) { b.Histories["usr_eve"] = time.UnixMilli(0) }},
	} {
		t.Run(name, func(t *testing.T) {
			b := books()
			c.wrong(b)
			got := b.Check().Findings
			if len(got) != 1 || got[0].About != c.about || !strings.Contains(got[0].What, c.what) {
				t.Errorf("found %v, want of %s: %s", got, c.about, c.what)
			}
		})
	}
}

func set[V any](all map[string]V, id string, change func(*V)) {
	v := all[id]
	change(&v)
	all[id] = v
}

func TestParkedSagasAreCounted(t *testing.T) {
	b := books()
	b.Orders["under way"].Parked = true
	if r := b.Check(); r.Parked != 1 || r.UnderWay != 1 || len(r.Findings) != 0 {
		t.Errorf("report is %+v", r)
	}
}

// TestMessagesMayWait has a customer's message be in the queue.
func TestMessagesMayWait(t *testing.T) {
	b := books()
	delete(b.Messages, "good")
	b.Queued = map[string]int{"good": 1}
	if r := b.Check(); len(r.Findings) != 0 || r.Queued != 1 {
		t.Errorf("report is %+v", r)
	}
	b.Messages["good"] = 1
	if r := b.Check(); len(r.Findings) != 1 {
		t.Errorf("a message that is sent and waits: %+v", r)
	}
}

// TestWhatMayBeMissingOnTheBus has the outbox hold events back, and the bus not
// know any more.
func TestWhatMayBeMissingOnTheBus(t *testing.T) {
	b := books()
	delete(b.Told["good"], "order.confirmed")
	b.Outboxes["order"] = 1
	if r := b.Check(); len(r.Findings) != 0 || r.Settled() {
		t.Errorf("report is %+v", r)
	}
	b = books()
	delete(b.Histories, "usr_ada")
	b.Outboxes["user"] = 1
	if r := b.Check(); len(r.Findings) != 0 || r.Settled() {
		t.Errorf("report is %+v", r)
	}
	b = books()
	b.Users = nil // Nobody has named the user service's database.
	if r := b.Check(); len(r.Findings) != 0 {
		t.Errorf("report is %+v", r)
	}
	b = books()
	b.Told = nil
	if r := b.Check(); len(r.Findings) != 0 {
		t.Errorf("report is %+v", r)
	}
}
