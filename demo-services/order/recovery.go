package order

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/propagation"
	"golang.org/x/sync/errgroup"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// Recover takes over the sagas that nobody drives, several at once, until none
// is due. Orders come to it after a crash, when their request failed half way,
// and when a compensation is to be tried again. Each goes on in the trace that
// the order was placed in, with a link to where it was driven before.
func (s *Saga) Recover(ctx context.Context) error {
	var drivers errgroup.Group // One that fails does not stop the others half way.
	for range s.config.Drivers {
		drivers.Go(func() error { return s.takeOver(ctx) })
	}
	return drivers.Wait()
}

// takeOver drives one saga after the other, until none is due.
func (s *Saga) takeOver(ctx context.Context) error {
	for {
		o, err := s.store.Claim(ctx, s.config.Lease)
		if errors.Is(err, ErrUnknown) {
			return nil
		}
		if err != nil {
			return err
		}
		err = s.resume(ctx, o)
		switch {
		case errors.Is(err, errLeft):
			return nil
		case err != nil && !errors.Is(err, ErrMoved):
			return err
		}
	}
}

// takenOver marks the context of a saga that was taken over. It is cancelled
// when this process stops, and then only: nobody waits for an answer.
type takenOver struct{}

// errLeft says that a saga was left as it is because this process stops.
var errLeft = errors.New("saga is left to the next start")

func (s *Saga) resume(ctx context.Context, o Order) error {
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, takenOver{}, true), s.config.CompensationTimeout)
	defer cancel()
	placed := s.propagator.Extract(ctx, propagation.MapCarrier(o.Headers))
	s.logger.InfoContext(placed, "saga resumed", "order_id", o.ID, "step", string(o.Step), "attempt", o.Attempts)
	_, err := s.Run(placed, o, "resume order", platform.LinksTo(o.Traceparent)...)
	return err
}

// left says whether the saga is to be left as it is, because this process
// stops. A customer who goes away is another matter.
func left(ctx context.Context) bool {
	return ctx.Value(takenOver{}) != nil && errors.Is(ctx.Err(), context.Canceled)
}
