// Package pause waits between attempts, unless there is nothing to wait for any more.
package pause

import (
	"context"
	"time"
)

// For waits so long, or returns the context's error if it ends first.
func For(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
