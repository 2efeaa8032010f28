package psp

import (
	"context"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Accounts reads all charges, by their keys, for an audit that compares them
// with what the shop knows.
func Accounts(ctx context.Context, on *platform.Conn) (map[string]Charge, error) {
	all := map[string]Charge{}
	err := on.Query(ctx, func(scan platform.Scan) error {
		var c Charge
		err := scan(&c.Key, &c.ID, &c.State, &c.DeclineCode, &c.Amount, &c.Currency)
		all[c.Key] = c
		return err
	}, "SELECT key, id, state, decline_code, amount, currency FROM charges")
	return all, err
}
