package unary

import (
	"sync"
	"sync/atomic"
)

// maxResting is how many goroutines of a server wait for the next call. They
// have grown their stacks to what a call needs.
const maxResting = 64

// workers run calls, each in a goroutine of its own. There is one for each call
// that is whole, and whoever admits messages bounds those.
type workers struct {
	calls   chan *stream // to those who rest
	resting atomic.Int32
	quit    chan struct{} // closed when nobody shall rest any more
	running sync.WaitGroup
}

func newWorkers() *workers {
	return &workers{calls: make(chan *stream), quit: make(chan struct{})}
}

// run begins a call. It never blocks.
func (w *workers) run(s *stream) {
	select {
	case w.calls <- s:
	default:
		w.running.Go(func() { w.work(s) })
	}
}

func (w *workers) work(s *stream) {
	for s != nil {
		s.serve()
		s = w.rest()
	}
}

// rest waits for the next call; nil is the end.
func (w *workers) rest() *stream {
	defer w.resting.Add(-1)
	if w.resting.Add(1) > maxResting {
		return nil
	}
	select {
	case s := <-w.calls:
		return s
	case <-w.quit:
		return nil
	}
}

// stop waits until all calls have ended. No more begin meanwhile.
func (w *workers) stop() {
	close(w.quit)
	w.running.Wait()
}
