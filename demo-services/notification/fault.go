package notification

import (
	"context"

	"github.com/waybill-dev/waybill/demo-services/fault"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// slowed takes its time for each event, while the fault is on.
func slowed(cfg Config, handle platform.Handler) platform.Handler {
	return func(ctx context.Context, e platform.Event) error {
		if cfg.Faults.On(ctx, fault.SlowConsumer) {
			if err := cfg.Delays.SlowEvent.Wait(ctx); err != nil {
				return err
			}
		}
		return handle(ctx, e)
	}
}
