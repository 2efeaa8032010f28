package user

import (
	"context"
	"time"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Accounts reads when each user came, by their ids, for an audit.
func Accounts(ctx context.Context, on *platform.Conn) (map[string]time.Time, error) {
	users := map[string]time.Time{}
	err := on.Query(ctx, func(scan platform.Scan) error {
		var id string
		var created int64
		err := scan(&id, &created)
		users[id] = time.UnixMilli(created).UTC()
		return err
	}, "SELECT id, created_at FROM users")
	return users, err
}
