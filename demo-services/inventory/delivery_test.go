package inventory

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/propagation"

	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

// instances are that many of the service, on one database.
func instances(t *testing.T, n int) []*Store {
	t.Helper()
	dir := t.TempDir()
	stores := make([]*Store, n)
	for i := range stores {
		db := platformtest.OpenDB(t, dir, Migrations)
		stores[i] = NewStore(db, platform.NewOutbox(db, propagation.TraceContext{}), time.Minute)
		if err := stores[i].AddItems(t.Context(), []Item{{"mug", "Mug", 500, 100}, {"gone", "Gone", 1, 0}}); err != nil {
			t.Fatal(err)
		}
	}
	return stores
}

// emptyShelf has one order take all mugs.
func emptyShelf(t *testing.T, s *Store) {
	t.Helper()
	if _, err := s.Reserve(t.Context(), "o1", []Line{{ItemID: "mug", Quantity: 100}}, time.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestDeliveriesFillUpToCapacity(t *testing.T) {
	s := instances(t, 1)[0]
	if _, err := s.Reserve(t.Context(), "o1", []Line{{ItemID: "mug", Quantity: 15}}, time.Now()); err != nil {
		t.Fatal(err)
	}
	d := NewDelivery(s, time.Minute, slog.New(slog.DiscardHandler))
	now := time.Now()
	for _, want := range []int64{95, 100, 100} {
		if arrived, err := d.arrive(t.Context(), now); !arrived || err != nil {
			t.Fatal(arrived, err)
		}
		wantAvailable(t, s, map[string]int64{"mug": want, "gone": 0})
		now = now.Add(d.every)
	}
}

// TestDeliveryComesOnceForAllInstances has several instances try at the same
// time, again and again in the same turns.
func TestDeliveryComesOnceForAllInstances(t *testing.T) {
	const turns = 6
	stores := instances(t, 3)
	emptyShelf(t, stores[0])
	start := time.Now()
	var arrivals atomic.Int64
	var running sync.WaitGroup
	for _, s := range stores {
		d := NewDelivery(s, time.Minute, slog.New(slog.DiscardHandler))
		running.Go(func() {
			for i := range 3 * turns {
				arrived, err := d.arrive(t.Context(), start.Add(time.Duration(i/3)*d.every))
				if err != nil {
					t.Error(err)
				}
				if arrived {
					arrivals.Add(1)
				}
			}
		})
	}
	running.Wait()
	// Who is behind the others finds the turn over: fewer deliveries than turns
	// would be right, more never.
	if n := arrivals.Load(); n < 1 || n > turns {
		t.Errorf("%d deliveries came in %d turns", n, turns)
	}
	wantAvailable(t, stores[0], map[string]int64{"mug": 10 * arrivals.Load()})
	if arrived, err := NewDelivery(stores[1], time.Minute, nil).arrive(t.Context(), start.Add((turns-1)*time.Minute)); arrived || err != nil {
		t.Errorf("one more came in the last turn: %t, %v", arrived, err)
	}
}

func TestDeliveriesComeWithTheTurns(t *testing.T) {
	d := &Delivery{every: 10 * time.Second}
	for at, want := range map[time.Duration]time.Duration{0: 10 * time.Second, 1: 10*time.Second - 1, 9 * time.Second: time.Second, 10*time.Second - 1: 1} {
		if got := d.untilNext(time.Unix(1_790_000_000, 0).Add(at)); got != want {
			t.Errorf("%v after the turn began it is %v to the next, want %v", at, got, want)
		}
	}
}

// TestDeliveriesGoOn has two instances run, as they do in the demo.
func TestDeliveriesGoOn(t *testing.T) {
	stores := instances(t, 2)
	emptyShelf(t, stores[0])
	const every = 50 * time.Millisecond
	ctx, stop := context.WithCancel(t.Context())
	began := time.Now()
	var running sync.WaitGroup
	for _, s := range stores {
		running.Go(func() { NewDelivery(s, every, slog.New(slog.DiscardHandler)).Run(ctx) })
	}
	for deadline := began.Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		available, err := stores[1].Available(t.Context(), "mug")
		if err != nil {
			t.Fatal(err)
		}
		if available >= 30 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d mugs have come", available)
		}
	}
	stop()
	running.Wait()
	available, err := stores[0].Available(t.Context(), "mug")
	if err != nil {
		t.Fatal(err)
	}
	if turns := int64(time.Since(began)/every) + 1; available > 10*turns {
		t.Errorf("%d mugs have come in %d turns, 10 in each", available, turns)
	}
}
