package shopper

import (
	"encoding/json"
	"math/rand/v2"

	"github.com/waybill-dev/waybill/demo-services/gateway"
	"github.com/waybill-dev/waybill/demo-services/inventory"
	"github.com/waybill-dev/waybill/demo-services/psp"
	"github.com/waybill-dev/waybill/demo-services/user"
)

// visit is what one visitor is going to do.
type visit struct {
	// version is that of the API that they use, as it stands in paths.
	version string
	// kind is the name of what goes wrong with the order; empty if nothing does.
	kind string
	// order is what they have in mind: also who they are, and, for those who do
	// not buy, what they look at.
	order gateway.OrderRequest
	// buys says whether the visitor orders, looks whether they look at the order
	// once it is confirmed, cancels whether they think better of it then.
	buys, looks, cancels bool
	// pauses are how long they are at each page, as multiples of Config.Think.
	pauses []float64
}

// looking is the share of customers who look at their order, cancelling of
// those who cancel it, and modern of those who use v2 of the API.
const (
	looking    = 0.15
	cancelling = 0.02
	modern     = 0.25
)

// maxPages is more than anybody sees: the list, each item, order, look, cancel.
const maxPages = 1 + maxLines + 1 + 3

// maxLines is how many different items people have in mind.
const maxLines = 4

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
const (
	malformed     = 0.005
	kindMalformed = "malformed"
)

// customers makes up who comes and what they buy. It is used by one goroutine.
type customers struct {
	buying   float64
	rand     *rand.Rand
	users    []string
	items    []inventory.Item
	popular  *rand.Zipf
	troubles []trouble
}

func newCustomers(seed uint64, buying float64) *customers {
	source := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // a basket is no secret
	c := &customers{buying: buying, rand: source, troubles: troubles()}
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

// next is the next visitor who comes in.
func (c *customers) next() visit {
	v := visit{
		version: "v1", buys: c.rand.Float64() < c.buying, looks: c.rand.Float64() < looking, cancels: c.rand.Float64() < cancelling,
		order: gateway.OrderRequest{
			UserID:    c.users[c.rand.IntN(len(c.users))],
			Currency:  []string{"EUR", "EUR", "EUR", "USD", "GBP"}[c.rand.IntN(5)],
			CardToken: psp.TokenVisa,
			Items:     c.basket(),
		},
	}
	if c.rand.Float64() < modern {
		v.version = "v2"
	}
	for range maxPages {
		v.pauses = append(v.pauses, c.rand.ExpFloat64())
	}
	dice := c.rand.Float64()
	for _, t := range c.troubles {
		if dice -= t.share; dice < 0 {
			v.kind = t.kind
			t.spoil(&v.order)
			return v
		}
	}
	if dice < malformed {
		v.kind = kindMalformed
	}
	return v
}

// body is the order as it is sent, with what the customer expects to pay, in
// minor units; 0 is whatever it costs.
func (v visit) body(total int64) []byte {
	if v.kind == "" && total > 0 {
		v.order.Amount = &total
	}
	body, _ := json.Marshal(v.order) // Strings and integers have no way to fail.
	if v.kind == kindMalformed {
		return body[:len(body)/2]
	}
	return body
}

// basket is one to four different items; most people buy one of each.
func (c *customers) basket() []gateway.OrderItem {
	var items []gateway.OrderItem
	taken := map[uint64]bool{}
	for wanted := 1 + min(maxLines-1, int(c.rand.ExpFloat64())); len(items) < wanted; {
		i := c.popular.Uint64()
		if taken[i] {
			continue
		}
		taken[i] = true
		items = append(items, gateway.OrderItem{ItemID: c.items[i].ID, Quantity: 1 + min(4, int64(c.rand.ExpFloat64()/1.5))})
	}
	return items
}
