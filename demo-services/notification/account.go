package notification

import (
	"context"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Accounts counts the messages that were sent about each order, for an audit that
// compares them with what has happened to the order.
func Accounts(ctx context.Context, on *platform.Conn) (map[string]int, error) {
	return countByOrder(ctx, on, "sent_at > 0")
}

// Queue counts those that wait to be sent.
func Queue(ctx context.Context, on *platform.Conn) (map[string]int, error) {
	return countByOrder(ctx, on, "sent_at = 0 AND due_at IS NOT NULL")
}

func countByOrder(ctx context.Context, on *platform.Conn, which string) (map[string]int, error) {
	all := map[string]int{}
	err := on.Query(ctx, func(scan platform.Scan) error {
		var id string
		var n int
		err := scan(&id, &n)
		all[id] = n
		return err
	}, "SELECT order_id, count(*) FROM messages WHERE "+which+" GROUP BY order_id")
	return all, err
}
