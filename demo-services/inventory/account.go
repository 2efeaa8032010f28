package inventory

import (
	"context"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// ReservationAccount is what is known of one order's stock.
type ReservationAccount struct {
	State string
	Lines []Line
}

// Holds says whether the stock is off the shelf.
func (r ReservationAccount) Holds() bool { return state(r.State) == stateReserved || r.Final() }

// Final says whether it is sold.
func (r ReservationAccount) Final() bool { return state(r.State) == stateConfirmed }

// ItemAccount is one shelf: what was on it at first, and came since, is there or
// held by orders.
type ItemAccount struct {
	Capacity, Delivered, Available int64
}

// Accounts reads all reservations, by the ids of their orders, and all shelves,
// by the ids of their items, for an audit.
func Accounts(ctx context.Context, on *platform.Conn) (map[string]*ReservationAccount, map[string]ItemAccount, error) {
	reservations := map[string]*ReservationAccount{}
	if err := on.Query(ctx, func(scan platform.Scan) error {
		var id string
		r := &ReservationAccount{}
		err := scan(&id, &r.State)
		reservations[id] = r
		return err
	}, "SELECT order_id, state FROM reservations"); err != nil {
		return nil, nil, err
	}
	if err := on.Query(ctx, func(scan platform.Scan) error {
		var id string
		var line Line
		err := scan(&id, &line.ItemID, &line.Name, &line.Quantity, &line.UnitPrice)
		if r := reservations[id]; r != nil {
			r.Lines = append(r.Lines, line)
		}
		return err
	}, "SELECT order_id, item_id, name, quantity, unit_price FROM reservation_lines ORDER BY order_id, position"); err != nil {
		return nil, nil, err
	}
	items := map[string]ItemAccount{}
	err := on.Query(ctx, func(scan platform.Scan) error {
		var id string
		var a ItemAccount
		err := scan(&id, &a.Capacity, &a.Delivered, &a.Available)
		items[id] = a
		return err
	}, "SELECT id, capacity, delivered, available FROM items")
	return reservations, items, err
}
