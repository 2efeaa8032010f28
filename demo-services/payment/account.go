package payment

import (
	"context"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Accounts reads all charges, by the ids of their orders, for an audit that
// compares them with what other services know.
func Accounts(ctx context.Context, on *platform.Conn) (map[string]Charge, error) {
	all := map[string]Charge{}
	err := on.Query(ctx, func(scan platform.Scan) error {
		var c Charge
		err := scan(&c.OrderID, &c.State, &c.ChargeID, &c.DeclineCode, &c.Amount, &c.Currency)
		all[c.OrderID] = c
		return err
	}, "SELECT order_id, state, charge_id, decline_code, amount, currency FROM charges")
	return all, err
}
