// Package batch collects items for a moment and hands them on in groups: the
// one queue that spans and log records wait in. Adding never blocks; what does
// not fit is dropped and counted.
package batch

import (
	"context"
	"sync/atomic"
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
}

// Queue hands batches of items to a send function, one at a time, in order.
// All its methods are safe for concurrent use.
type Queue[T any] struct {
	cfg     Config
	send    func(context.Context, []T)
	items   chan T
	flush   chan chan struct{}
	dropped atomic.Uint64

	stop    context.CancelFunc
	stopped chan struct{}
	closed  atomic.Bool
}

// Start starts a queue. send owns its slice until it returns; its context ends
// when a Shutdown has run out of time.
func Start[T any](cfg Config, send func(context.Context, []T)) *Queue[T] {
	ctx, stop := context.WithCancel(context.Background())
	q := &Queue[T]{
		cfg: cfg, send: send, items: make(chan T, cfg.MaxQueue), flush: make(chan chan struct{}),
		stop: stop, stopped: make(chan struct{}),
	}
	go q.run(ctx)
	return q
}

// Add queues an item, or drops it when the queue is full or shut down.
func (q *Queue[T]) Add(item T) {
	if q.closed.Load() {
		q.dropped.Add(1)
		return
	}
	select {
	case q.items <- item:
	default:
		q.dropped.Add(1)
	}
}

// Dropped counts the items that were never handed on.
func (q *Queue[T]) Dropped() uint64 { return q.dropped.Load() }

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
	q.closed.Store(true)
	err := q.Flush(ctx)
	q.stop()
	<-q.stopped
	return err
}

func (q *Queue[T]) run(ctx context.Context) {
	defer close(q.stopped)
	timer := time.NewTimer(0)
	<-timer.C
	defer timer.Stop()
	var pending []T
	handOn := func() {
		timer.Stop()
		if len(pending) > 0 {
			q.send(ctx, pending)
			clear(pending)
			pending = pending[:0]
		}
	}
	for {
		select {
		case item := <-q.items:
			pending = append(pending, item)
			if len(pending) == 1 {
				timer.Reset(q.cfg.Delay)
			}
			if len(pending) >= q.cfg.MaxBatch {
				handOn()
			}
		case <-timer.C:
			handOn()
		case done := <-q.flush:
			for len(q.items) > 0 && ctx.Err() == nil {
				if pending = append(pending, <-q.items); len(pending) >= q.cfg.MaxBatch {
					handOn()
				}
			}
			handOn()
			close(done)
		case <-ctx.Done():
			q.dropped.Add(uint64(len(pending) + len(q.items)))
			return
		}
	}
}
