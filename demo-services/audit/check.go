package audit

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/order"
	"github.com/waybill-dev/waybill/demo-services/payment"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/psp"
)

// Finding is something that does not add up.
type Finding struct {
	// About is the id of an order, of an item or of a customer.
	About string
	What  string
}

// Report is what an audit has come to.
type Report struct {
	Orders int
	// ByStep counts the orders by what their events come to.
	ByStep map[order.Step]int
	// UnderWay are orders whose saga goes on, and Parked those of them whose
	// saga does not: nothing else is asked of either.
	UnderWay, Parked int
	// Waiting are events that are not on the bus yet.
	Waiting int
	// Queued are messages that wait to be sent.
	Queued int
	// Messages were sent to customers, and Letters are events that a consumer
	// has given up on.
	Messages, Letters int
	// Captured is what the provider holds for the shop, in each currency's minor
	// unit.
	Captured map[string]int64
	// Sold are pieces that confirmed orders have.
	Sold     int64
	Findings []Finding
}

// Settled says whether nothing is under way any more, so that findings are final.
func (r *Report) Settled() bool { return r.UnderWay == 0 && r.Waiting == 0 && r.Queued == 0 }

// Check compares the books with each other.
func (b *Books) Check() *Report {
	c := &check{Books: b, Report: &Report{Orders: len(b.Orders), ByStep: map[order.Step]int{}, Captured: map[string]int64{}}}
	for _, id := range slices.Sorted(maps.Keys(b.Orders)) {
		c.order(id, b.Orders[id])
	}
	c.strangers()
	c.shelves()
	c.histories()
	for _, n := range b.Outboxes {
		c.Waiting += n
	}
	for _, n := range b.Queued {
		c.Report.Queued += n
	}
	for _, n := range b.Messages {
		c.Report.Messages += n
	}
	for _, n := range b.Letters {
		c.Report.Letters += n
	}
	for _, p := range b.Provider {
		if p.State == psp.Captured {
			c.Captured[p.Currency] += p.Amount
		}
	}
	slices.SortStableFunc(c.Findings, func(x, y Finding) int { return cmp.Compare(x.About, y.About) })
	return c.Report
}

// check is an audit that goes on.
type check struct {
	*Books
	*Report
}

func (c *check) found(about, format string, args ...any) {
	c.Findings = append(c.Findings, Finding{About: about, What: fmt.Sprintf(format, args...)})
}

// order checks one order against all books.
func (c *check) order(id string, a *order.Account) {
	o := a.Order
	c.ByStep[o.Step]++
	switch {
	case o.Version == 0:
		c.found(id, "there is a saga or a view, and no event")
		return
	case c.Told != nil && !c.told(id, a):
		return
	case !o.Step.Ended() && !a.Driven:
		c.found(id, "it is %s, and nobody drives its saga", o.Step)
		return
	case !o.Step.Ended():
		c.UnderWay++
		if a.Parked {
			c.Parked++
		}
		return
	case a.Driven:
		c.found(id, "it is %s, and its saga has not ended", o.Step)
	}
	c.view(id, a)
	if o.Step == order.Cancelled {
		c.undone(id)
	} else {
		c.done(id, o)
	}
	told, ends := c.Books.Messages[id]+c.Books.Letters[id], a.Confirmed+a.Cancelled
	if told+c.Books.Queued[id] != ends {
		c.found(id, "it has ended %d times, and the customer was told %d times, %d letters are dead", ends, c.Books.Messages[id], c.Books.Letters[id])
	}
}

// told checks that the bus has each event of the order once. An outbox that is
// not empty explains what is missing.
func (c *check) told(id string, a *order.Account) bool {
	if c.Outboxes["order"] > 0 {
		return true
	}
	want := Told{platform.EventOrderCreated: 1}
	for event, n := range map[string]int{platform.EventOrderConfirmed: a.Confirmed, platform.EventOrderCancelled: a.Cancelled} {
		if n > 0 {
			want[event] = n
		}
	}
	if got := c.Told[id]; !maps.Equal(want, got) {
		c.found(id, "its events come to %v, the bus has %v", want, got)
		return false
	}
	return true
}

// view compares the read model with the events.
func (c *check) view(id string, a *order.Account) {
	o, v := a.Order, a.View
	if v.ID != id || v.Version != o.Version || v.Step != o.Step || v.Amount != o.Amount || v.Currency != o.Currency || v.Reason != o.Reason ||
		v.UserID != o.UserID || !slices.Equal(v.Lines, o.Lines) || !v.CreatedAt.Equal(o.CreatedAt) || !v.UpdatedAt.Equal(o.UpdatedAt) {
		c.found(id, "the read model has it at version %d as %s, its events come to version %d, %s", v.Version, v.Step, o.Version, o.Step)
	}
}

// done checks that a confirmed order has its money taken and its stock sold.
func (c *check) done(id string, o order.Order) {
	if charge := c.Charges[id]; charge.State != payment.Charged || charge.Amount != o.Amount || charge.Currency != o.Currency {
		c.found(id, "it is %s and costs %d %s, payment has %d %s, %q", o.Step, o.Amount, o.Currency, charge.Amount, charge.Currency, charge.State)
	}
	if p := c.Provider[id]; p.State != psp.Captured || p.Amount != o.Amount || p.Currency != o.Currency || p.ID != c.Charges[id].ChargeID {
		c.found(id, "it is %s and costs %d %s, psp has %d %s, %q", o.Step, o.Amount, o.Currency, p.Amount, p.Currency, p.State)
	}
	r := c.Reservations[id]
	if r == nil || !r.Final() {
		c.found(id, "it is %s, and its stock is not sold to it", o.Step)
		return
	}
	same := slices.EqualFunc(o.Lines, r.Lines, func(l order.Line, s inventory.Line) bool {
		return l.ItemID == s.ItemID && l.Quantity == s.Quantity && l.UnitPrice == s.UnitPrice
	})
	if !same {
		c.found(id, "its lines are %v, those of its reservation %v", o.Lines, r.Lines)
	}
	for _, line := range r.Lines {
		c.Sold += line.Quantity
	}
}

// undone checks that a cancelled order holds neither money nor stock.
func (c *check) undone(id string) {
	if charge, there := c.Charges[id]; there && !slices.Contains([]payment.State{payment.Declined, payment.Refunded, payment.Voided}, charge.State) {
		c.found(id, "it is cancelled, payment has it as %s", charge.State)
	}
	if p := c.Provider[id]; p.State == psp.Captured {
		c.found(id, "it is cancelled, and psp holds %d %s", p.Amount, p.Currency)
	}
	if r := c.Reservations[id]; r != nil && r.Holds() {
		c.found(id, "it is cancelled, and its stock is %s", r.State)
	}
}

// strangers looks for what belongs to no order, or to a charge that payment does
// not know.
func (c *check) strangers() {
	unknown := func(id string) bool { return c.Books.Orders[id] == nil }
	for id, charge := range c.Charges {
		if unknown(id) {
			c.found(id, "payment has a charge, %s, of an order that does not exist", charge.State)
		}
	}
	for id, r := range c.Reservations {
		if unknown(id) {
			c.found(id, "inventory has a reservation, %s, of an order that does not exist", r.State)
		}
	}
	for id := range c.Told {
		if unknown(id) {
			c.found(id, "the bus has events of an order that does not exist")
		}
	}
	for id := range c.Books.Messages {
		if unknown(id) {
			c.found(id, "a customer was told of an order that does not exist")
		}
	}
	for id, p := range c.Provider {
		if _, known := c.Charges[id]; !known {
			c.found(id, "psp has a charge, %s, that payment does not know", p.State)
		}
	}
}

// histories checks that the order service has opened the history of every
// customer who came, and of nobody else.
func (c *check) histories() {
	if c.Users == nil || c.Outboxes["user"] > 0 {
		return // What is not on the bus yet explains what is missing.
	}
	for id, came := range c.Users {
		if opened, known := c.Histories[id]; !known {
			c.found(id, "a customer came, and no history was opened")
		} else if !opened.Equal(came) {
			c.found(id, "a customer came at %v, their history says %v", came, opened)
		}
	}
	for id := range c.Histories {
		if _, known := c.Users[id]; !known {
			c.found(id, "there is a history of a customer who does not exist")
		}
	}
}

// shelves checks that what was on each shelf, and came, is there or held.
func (c *check) shelves() {
	held := map[string]int64{}
	for _, r := range c.Reservations {
		if r.Holds() {
			for _, line := range r.Lines {
				held[line.ItemID] += line.Quantity
			}
		}
	}
	for id, it := range c.Items {
		if it.Capacity+it.Delivered != it.Available+held[id] {
			c.found(id, "%d were there and %d came, %d are there and %d are held", it.Capacity, it.Delivered, it.Available, held[id])
		}
	}
}
