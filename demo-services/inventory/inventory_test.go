package inventory

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/propagation"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	inventoryv1 "github.com/waybill-dev/waybill/demo-services/api/inventory/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

func newStore(t *testing.T) *Store {
	t.Helper()
	db := platformtest.OpenDB(t, t.TempDir(), Migrations)
	store := NewStore(db, platform.NewOutbox(db, propagation.TraceContext{}), time.Minute)
	if err := store.AddItems(t.Context(), []Item{{"mug", "Mug", 500, 10}, {"pot", "Pot", 900, 2}, {"gone", "Gone", 1, 0}}); err != nil {
		t.Fatal(err)
	}
	return store
}

func wantAvailable(t *testing.T, s *Store, want map[string]int64) {
	t.Helper()
	for item, n := range want {
		got, err := s.Available(t.Context(), item)
		if err != nil {
			t.Fatal(err)
		}
		if got != n {
			t.Errorf("%s: %d available, want %d", item, got, n)
		}
	}
}

func TestReserveIsAllOrNothingAndIdempotent(t *testing.T) {
	s := newStore(t)
	_, err := s.Reserve(t.Context(), "o1", []Line{{ItemID: "mug", Quantity: 1}, {ItemID: "pot", Quantity: 3}}, time.Now())
	if !errors.Is(err, ErrOutOfStock) {
		t.Fatalf("Reserve: %v, want ErrOutOfStock", err)
	}
	wantAvailable(t, s, map[string]int64{"mug": 10, "pot": 2})

	want := []Line{{"mug", "Mug", 2, 500}, {"pot", "Pot", 1, 900}, {"mug", "Mug", 1, 500}}
	for range 2 {
		got, err := s.Reserve(t.Context(), "o1", []Line{{ItemID: "mug", Quantity: 2}, {ItemID: "pot", Quantity: 1}, {ItemID: "mug", Quantity: 1}}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got.Lines); diff != "" {
			t.Errorf("lines (-want +got):\n%s", diff)
		}
		wantAvailable(t, s, map[string]int64{"mug": 7, "pot": 1})
	}
	for range 2 {
		if err := s.Release(t.Context(), "o1", time.Now()); err != nil {
			t.Fatal(err)
		}
		wantAvailable(t, s, map[string]int64{"mug": 10, "pot": 2})
	}
	if _, err := s.Reserve(t.Context(), "o1", []Line{{ItemID: "mug", Quantity: 1}}, time.Now()); !errors.Is(err, ErrReleased) {
		t.Errorf("Reserve after Release: %v", err)
	}
}

func TestReleaseThatComesFirstKeepsTheOrderOut(t *testing.T) {
	s := newStore(t)
	if err := s.Release(t.Context(), "o1", time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reserve(t.Context(), "o1", []Line{{ItemID: "mug", Quantity: 1}}, time.Now()); !errors.Is(err, ErrReleased) {
		t.Errorf("Reserve: %v, want ErrReleased", err)
	}
	wantAvailable(t, s, map[string]int64{"mug": 10})
}

func TestStockIsNeverOversold(t *testing.T) {
	s := newStore(t)
	const orders, pieces = 1000, 100
	if err := s.AddItems(t.Context(), []Item{{"print", "Print", 100, pieces}}); err != nil {
		t.Fatal(err)
	}
	var sold atomic.Int64
	var wg sync.WaitGroup
	for i := range orders {
		wg.Go(func() {
			_, err := s.Reserve(t.Context(), fmt.Sprint("o", i), []Line{{ItemID: "print", Quantity: 1}}, time.Now())
			if err == nil {
				sold.Add(1)
			} else if !errors.Is(err, ErrOutOfStock) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if sold.Load() != pieces {
		t.Errorf("sold %d of %d", sold.Load(), pieces)
	}
	wantAvailable(t, s, map[string]int64{"print": 0})
}

func TestServerAnswersWithReasons(t *testing.T) {
	server := NewServer(newStore(t), slog.New(slog.DiscardHandler))
	line := func(item string, n int64) []*inventoryv1.Line {
		return []*inventoryv1.Line{{ItemId: item, Quantity: n}}
	}
	for name, c := range map[string]struct {
		request *inventoryv1.ReserveRequest
		code    codes.Code
		reason  string
	}{
		"good":         {&inventoryv1.ReserveRequest{OrderId: "o1", Lines: line("mug", 1)}, codes.OK, ""},
		"unknown item": {&inventoryv1.ReserveRequest{OrderId: "o2", Lines: line("unicorn", 1)}, codes.NotFound, platform.ReasonUnknownItem},
		"sold out":     {&inventoryv1.ReserveRequest{OrderId: "o3", Lines: line("gone", 1)}, codes.FailedPrecondition, platform.ReasonOutOfStock},
		"negative":     {&inventoryv1.ReserveRequest{OrderId: "o4", Lines: line("mug", -1)}, codes.InvalidArgument, platform.ReasonInvalid},
		"no lines":     {&inventoryv1.ReserveRequest{OrderId: "o5"}, codes.InvalidArgument, platform.ReasonInvalid},
		"no order":     {&inventoryv1.ReserveRequest{Lines: line("mug", 1)}, codes.InvalidArgument, platform.ReasonInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := server.Reserve(t.Context(), c.request)
			reason, _ := platform.ReasonOf(err)
			if status.Code(err) != c.code || reason != c.reason {
				t.Errorf("%v with reason %q, want %v with %q", status.Code(err), reason, c.code, c.reason)
			}
		})
	}
	if _, err := server.Release(t.Context(), &inventoryv1.ReleaseRequest{OrderId: "o1"}); err != nil {
		t.Error(err)
	}
	if _, err := server.Release(t.Context(), &inventoryv1.ReleaseRequest{}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("release without an order: %v", err)
	}
}
