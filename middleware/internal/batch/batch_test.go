package batch_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waybill-dev/waybill/middleware/internal/batch"
)

// sink records batches, and what is dropped.
type sink struct {
	mu      sync.Mutex
	batches [][]int
	dropped int
	// hold, if set, keeps each send until it is closed or the context ends.
	hold chan struct{}
}

func (s *sink) send(ctx context.Context, items []int) {
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches = append(s.batches, slices.Clone(items))
}

func (s *sink) drop(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropped += n
}

func (s *sink) start(maxQueue, maxBatch int) *batch.Queue[int] {
	return batch.Start(batch.Config{MaxQueue: maxQueue, MaxBatch: maxBatch, Delay: time.Second, Dropped: s.drop}, s.send)
}

func (s *sink) want(t *testing.T, batches [][]int, dropped int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if diff := cmp.Diff(batches, s.batches); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
	if s.dropped != dropped {
		t.Errorf("%d dropped, want %d", s.dropped, dropped)
	}
}

func add(q *batch.Queue[int], from, to int) {
	for i := from; i <= to; i++ {
		q.Add(i)
	}
}

func shutdown(t *testing.T, q *batch.Queue[int]) {
	t.Helper()
	if err := q.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

func TestFirstItemWaitsForTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		q := s.start(10, 5)
		defer shutdown(t, q)
		time.Sleep(10 * time.Second) // in the test's own time
		q.Add(1)
		time.Sleep(600 * time.Millisecond)
		q.Add(2)
		synctest.Wait()
		s.want(t, nil, 0)
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		s.want(t, [][]int{{1, 2}}, 0)
	})
}

func TestFullBatchDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		q := s.start(20, 3)
		defer shutdown(t, q)
		add(q, 1, 7)
		synctest.Wait()
		s.want(t, [][]int{{1, 2, 3}, {4, 5, 6}}, 0)
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		s.want(t, [][]int{{1, 2, 3}, {4, 5, 6}, {7}}, 0)
	})
}

func TestFlushHandsOnWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		q := s.start(10, 4)
		defer shutdown(t, q)
		add(q, 1, 3)
		if err := q.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.want(t, [][]int{{1, 2, 3}}, 0)
	})
}

func TestFlushEndsWhileItemsKeepComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var q *batch.Queue[int]
		q = batch.Start(batch.Config{MaxQueue: 10, MaxBatch: 4, Delay: time.Hour}, func(_ context.Context, items []int) {
			add(q, 1, len(items)-1) // nearly as many as go
		})
		defer shutdown(t, q)
		add(q, 1, 3)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := q.Flush(ctx); err != nil {
			t.Errorf("Flush: %v", err)
		}
	})
}

func TestFullQueueDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{hold: make(chan struct{})}
		q := s.start(4, 2)
		add(q, 1, 2)
		synctest.Wait() // The first batch is under way, and hangs.
		add(q, 3, 9)
		s.want(t, nil, 3)
		close(s.hold)
		shutdown(t, q)
		s.want(t, [][]int{{1, 2}, {3, 4}, {5, 6}}, 3)
	})
}

func TestShutdownOutOfTimeCountsWhatIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{hold: make(chan struct{})}
		q := s.start(10, 2)
		add(q, 1, 5)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.Shutdown(ctx); err == nil {
			t.Error("Shutdown gave no error")
		}
		s.want(t, nil, 3) // Two were under way: their sender tells what became of them.
		q.Add(6)
		s.want(t, nil, 4)
		shutdown(t, q)
		if err := q.Flush(t.Context()); err != nil {
			t.Errorf("Flush after Shutdown: %v", err)
		}
	})
}

func TestManyWritersLoseNothing(t *testing.T) {
	s := &sink{}
	q := s.start(100_000, 64)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { add(q, 1, 2000) })
	}
	wg.Wait()
	shutdown(t, q)
	total := 0
	for _, b := range s.batches {
		if len(b) > 64 {
			t.Fatalf("a batch of %d", len(b))
		}
		total += len(b)
	}
	if total != 16000 || s.dropped != 0 {
		t.Errorf("%d handed on, %d dropped", total, s.dropped)
	}
}
