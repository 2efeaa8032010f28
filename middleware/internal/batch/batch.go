// Package batch collects items for a moment and hands them on in groups: the
// one queue that spans and log records wait in. Adding never blocks; what does
// not fit is dropped and counted.
package batch

import (
	"context"
	"sync"
	"time"
)

// Config bounds a queue.
type Config struct {
	// MaxQueue is how many items may wait; one more is dropped.
	MaxQueue int
	// MaxBatch is how many are handed on at once.
	MaxBatch int
	// Delay is how long the first item of a batch waits for others.
	Delay time.Duration
	// Dropped is told how many items are never handed on; it may be nil.
	Dropped func(n int)
}

// Queue hands batches of items to a send function, one at a time, in order.
// All its methods are safe for concurrent use.
type Queue[T any] struct {
	cfg  Config
	send func(context.Context, []T)

	mu      sync.Mutex
	waiting []T
	closed  bool

	wake    chan struct{}
	flush   chan chan struct{}
	stop    context.CancelFunc
	stopped chan struct{}
}

// Start starts a queue. send owns its slice until it returns; its context ends
// when a Shutdown has run out of time.
func Start[T any](cfg Config, send func(context.Context, []T)) *Queue[T] {
	cfg.MaxBatch = min(cfg.MaxBatch, cfg.MaxQueue)
	ctx, stop := context.WithCancel(context.Background()) //nolint:gosec // Shutdown calls it
	q := &Queue[T]{
		cfg: cfg, send: send,
		wake: make(chan struct{}, 1), flush: make(chan chan struct{}), stop: stop, stopped: make(chan struct{}),
	}
	go q.run(ctx)
	return q
}

// Add queues an item, or drops it when the queue is full or shut down. Most
// calls wake nobody: only the first and the last item of a batch do.
func (q *Queue[T]) Add(item T) {
	q.mu.Lock()
	full := q.closed || len(q.waiting) >= q.cfg.MaxQueue
	if !full {
		q.waiting = append(q.waiting, item)
	}
	n := len(q.waiting)
	q.mu.Unlock()
	if full {
		q.drop(1)
		return
	}
	if n == 1 || n == q.cfg.MaxBatch {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
}

// Flush returns when all that was added before it has been handed on.
func (q *Queue[T]) Flush(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case q.flush <- done:
	case <-q.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-q.stopped:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Shutdown flushes, ends the queue and waits for its goroutine. What is left
// when ctx ends is dropped and counted.
func (q *Queue[T]) Shutdown(ctx context.Context) error {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	err := q.Flush(ctx)
	q.stop()
	<-q.stopped
	return err
}

func (q *Queue[T]) drop(n int) {
	if n > 0 && q.cfg.Dropped != nil {
		q.cfg.Dropped(n)
	}
}

// run owns the timer and the batch under way.
func (q *Queue[T]) run(ctx context.Context) {
	defer close(q.stopped)
	timer := time.NewTimer(q.cfg.Delay)
	defer timer.Stop()
	timer.Stop() // Nothing waits yet.
	var pending []T
	// handOn sends the next items, not those that come while it does, so that
	// it ends even if they come as fast as they go.
	handOn := func(items int) {
		for items > 0 && ctx.Err() == nil {
			pending = q.take(pending)
			items -= len(pending)
			q.send(ctx, pending)
		}
	}
	for {
		select {
		case <-q.wake:
		case <-timer.C:
			handOn(q.waitingCount())
		case done := <-q.flush:
			handOn(q.waitingCount())
			close(done)
		case <-ctx.Done():
			q.drop(q.waitingCount())
			return
		}
		for n := q.waitingCount(); n >= q.cfg.MaxBatch && ctx.Err() == nil; n = q.waitingCount() {
			handOn(q.cfg.MaxBatch)
		}
		if q.waitingCount() > 0 {
			timer.Reset(q.cfg.Delay)
		} else {
			timer.Stop()
		}
	}
}

// take moves the next batch into dst.
func (q *Queue[T]) take(dst []T) []T {
	clear(dst)
	q.mu.Lock()
	defer q.mu.Unlock()
	n := min(len(q.waiting), q.cfg.MaxBatch)
	dst = append(dst[:0], q.waiting[:n]...)
	left := copy(q.waiting, q.waiting[n:])
	clear(q.waiting[left:])
	q.waiting = q.waiting[:left]
	return dst
}

func (q *Queue[T]) waitingCount() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.waiting)
}
