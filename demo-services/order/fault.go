package order

import (
	"context"

	"github.com/waybill-dev/waybill/demo-services/fault"
	"github.com/waybill-dev/waybill/demo-services/platform"
)

// slowDatabase has every statement take longer, while the fault is on.
func slowDatabase(faults *fault.Flags) func(context.Context) {
	delay := platform.DefaultDelays().SlowStatement
	return func(ctx context.Context) {
		if faults.On(ctx, fault.SlowDatabase) {
			_ = delay.Wait(ctx) // the statement itself says that the context has ended
		}
	}
}

// poisoned is a bus on which events of confirmed orders arrive so that nobody
// can read them, while the fault is on.
type poisoned struct {
	*platform.Bus
	faults *fault.Flags
}

// Publish implements platform.OutboxBus.
func (p poisoned) Publish(ctx context.Context, m platform.Message) error {
	if m.Subject == platform.SubjectConfirmed && p.faults.On(ctx, fault.PoisonMessage) {
		m.Payload = []byte("poison: " + string(m.Payload))
	}
	return p.Bus.Publish(ctx, m)
}
