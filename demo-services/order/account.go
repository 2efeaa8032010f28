package order

import (
	"context"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Account is what the service's database knows of one order, for an audit that
// compares it with what other services know.
type Account struct {
	// Order is what its events come to.
	Order Order
	// View is the order in the read model; its id is empty if it is not there.
	View Order
	// Driven says whether its saga is under way, and Parked whether nobody tries
	// to end that any more.
	Driven, Parked bool
	// Confirmed and Cancelled are how often it has come to these ends: a
	// confirmed order may be cancelled afterwards.
	Confirmed, Cancelled int
}

// Accounts reads what there is to know of all orders, by their ids.
func Accounts(ctx context.Context, on *platform.Conn) (map[string]*Account, error) {
	all := map[string]*Account{}
	of := func(id string) *Account {
		if all[id] == nil {
			all[id] = &Account{}
		}
		return all[id]
	}
	if err := eachEvent(ctx, on, func(e event) {
		a := of(e.orderID)
		e.apply(&a.Order)
		switch e.fact.(type) {
		case Completed:
			a.Confirmed++
		case Undone:
			a.Cancelled++
		}
	}, "ORDER BY position"); err != nil {
		return nil, err
	}
	if err := eachView(ctx, on, func(o Order) { of(o.ID).View = o }, ""); err != nil {
		return nil, err
	}
	err := on.Query(ctx, func(scan platform.Scan) error {
		var id string
		var parked int64
		if err := scan(&id, &parked); err != nil {
			return err
		}
		of(id).Driven, of(id).Parked = true, parked > 0
		return nil
	}, "SELECT order_id, parked_at FROM sagas")
	return all, err
}
