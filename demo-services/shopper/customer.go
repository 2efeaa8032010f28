package shopper

import (
	"encoding/json"
	"math/rand/v2"

	"github.com/waybill-dev/waybill/demo-services/gateway"
	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/psp"
	"github.com/waybill-dev/waybill/demo-services/user"
)

// visit is what one customer does.
type visit struct {
	// kind is the name of what goes wrong with the order; empty if nothing does.
	kind string
	// order is the body of POST /api/v1/orders.
	order []byte
	// user is who orders.
	user string
	// looks says whether the customer looks at the order once it is confirmed,
	// cancels whether they think better of it then.
	looks, cancels bool
}

// looking is the share of customers who look at their order, cancelling of
// those who cancel it.
const (
	looking    = 0.15
	cancelling = 0.02
)

// trouble is one way in which an order goes wrong.
type trouble struct {
	kind string
	// share is how much of all orders it is.
	share float64
	spoil func(*gateway.OrderRequest)
}

// troubles are what a shop has to live with, the ordinary before the rare. The
// rest of the orders is good, although a few are too dear for any card.
func troubles() []trouble {
	return []trouble{
		{"declined card", 0.05, func(o *gateway.OrderRequest) { o.CardToken = psp.TokenDeclined }},
		{"sold out", 0.04, func(o *gateway.OrderRequest) {
			o.Items = append(o.Items, gateway.OrderItem{ItemID: inventory.SoldOutItem, Quantity: 1})
		}},
		{"stolen card", 0.01, func(o *gateway.OrderRequest) { o.CardToken = psp.TokenStolen }},
		{"provider outage", 0.01, func(o *gateway.OrderRequest) { o.CardToken = psp.TokenOutage }},
		{"blocked user", 0.005, func(o *gateway.OrderRequest) { o.UserID = user.BlockedID }},
		{"unknown user", 0.005, func(o *gateway.OrderRequest) { o.UserID = "usr_nobody" }},
		{"unknown item", 0.005, func(o *gateway.OrderRequest) { o.Items[0].ItemID = "itm_unicorn" }},
		{"negative amount", 0.005, func(o *gateway.OrderRequest) { amount := int64(-100); o.Amount = &amount }},
	}
}

// malformed is a client's bug: its share of the orders, whose bodies end too
// early.
const malformed = 0.005

// customers makes up who comes and what they buy. It is used by one goroutine.
type customers struct {
	rand     *rand.Rand
	users    []string
	items    []inventory.Item
	popular  *rand.Zipf
	troubles []trouble
}

func newCustomers(seed uint64) *customers {
	source := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a basket is no secret
	c := &customers{rand: source, troubles: troubles()}
	for _, u := range user.Seed() {
		if !u.Blocked {
			c.users = append(c.users, u.ID)
		}
	}
	for _, item := range inventory.Catalogue() {
		if item.Capacity > 0 {
			c.items = append(c.items, item)
		}
	}
	c.popular = rand.NewZipf(source, 1.3, 3, uint64(len(c.items)-1))
	return c
}

// next is the next customer who comes in.
func (c *customers) next() visit {
	order := gateway.OrderRequest{
		UserID:    c.users[c.rand.IntN(len(c.users))],
		Currency:  []string{"EUR", "EUR", "EUR", "USD", "GBP"}[c.rand.IntN(5)],
		CardToken: psp.TokenVisa,
		Items:     c.basket(),
	}
	v := visit{looks: c.rand.Float64() < looking}
	dice := c.rand.Float64()
	for _, t := range c.troubles {
		if dice -= t.share; dice < 0 {
			v.kind = t.kind
			t.spoil(&order)
			break
		}
	}
	v.user, v.cancels = order.UserID, c.rand.Float64() < cancelling
	v.order, _ = json.Marshal(order) // Strings and integers have no way to fail.
	if v.kind == "" && dice < malformed {
		v.kind, v.order = "malformed", v.order[:len(v.order)/2]
	}
	return v
}

// basket is one to four different items; most people buy one of each.
func (c *customers) basket() []gateway.OrderItem {
	var items []gateway.OrderItem
	taken := map[uint64]bool{}
	for wanted := 1 + min(3, int(c.rand.ExpFloat64())); len(items) < wanted; {
		i := c.popular.Uint64()
		if taken[i] {
			continue
		}
		taken[i] = true
		items = append(items, gateway.OrderItem{ItemID: c.items[i].ID, Quantity: 1 + min(4, int64(c.rand.ExpFloat64()/1.5))})
	}
	return items
}
