package unary

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Server serves connections. Its methods are safe for concurrent use.
type Server struct {
	cfg     Config
	handler Handler
	logger  *slog.Logger
	large   large
	workers *workers
	calls   atomic.Int64    // open ones, of all connections
	ctx     context.Context // of all calls; ends when they are cut off
	cancel  context.CancelFunc

	mu        sync.Mutex
	listeners []net.Listener
	conns     map[*conn]struct{}
	closed    bool
	running   sync.WaitGroup // connections, and what flushes for the watch
	quit      chan struct{}  // the watch's
	watching  sync.WaitGroup
}

// New makes a server that is ready to Serve; Shutdown is due in any case. A
// panic of the handler is logged, and answered.
func New(cfg Config, h Handler, logger *slog.Logger) *Server {
	s := &Server{cfg: cfg, handler: h, logger: logger, workers: newWorkers(), conns: map[*conn]struct{}{}, quit: make(chan struct{})}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.watching.Go(s.watch)
	return s
}

// Serve accepts connections, of TCP or TLS, until Shutdown, and returns nil
// then. How many there are at once is the listener's to bound, and where it has
// TLS, that "h2" is negotiated. It closes the listener.
func (s *Server) Serve(l net.Listener) error {
	defer func() { _ = l.Close() }()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.listeners = append(s.listeners, l)
	s.mu.Unlock()
	pause := time.Duration(0)
	for {
		nc, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.serve(nc)
		case s.isClosed():
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			// There may be no more file descriptors, for the time being.
			if pause == 0 {
				s.logger.Warn("connections cannot be accepted; that is tried again", "address", l.Addr().String(), "error", err)
			}
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.pause(pause)
		}
	}
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// pause waits, not longer than the server is open.
func (s *Server) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.quit:
	}
}

// serve begins with a connection.
func (s *Server) serve(nc net.Conn) {
	c := newConn(s, nc)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.cancel()
		_ = nc.Close() // Nobody has been told that it is open.
		return
	}
	s.conns[c] = struct{}{}
	s.running.Go(func() {
		c.run()
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.conns, c)
	})
}

// open are the connections that there are.
func (s *Server) open() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		all = append(all, c)
	}
	return all
}

// watch looks after all connections.
func (s *Server) watch() {
	ticks := time.NewTicker(s.cfg.tick())
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C: // Which may have been long ago.
			for _, c := range s.open() {
				s.look(c, time.Now())
			}
		case <-s.quit:
			return
		}
	}
}

// look has another goroutine flush, which may block.
func (s *Server) look(c *conn, now time.Time) {
	defer func() {
		if s.logPanic(recover()) {
			c.cut()
		}
	}()
	idle, flush := c.check(now)
	if !idle && !flush {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, open := s.conns[c]; !open {
		return // It counts no more, so running may be waited for.
	}
	s.running.Go(func() {
		if idle {
			c.goAway()
		}
		c.settle()
	})
}

// logPanic logs what recover has returned, if it was something: a handler has
// been written by somebody who may err.
func (s *Server) logPanic(fault any) bool {
	if fault == nil {
		return false
	}
	s.logger.Error("BUG: a call or its connection ended in a panic", "panic", fault, "stack", string(debug.Stack()))
	return true
}

// Shutdown accepts no more connections and calls, and waits for those that
// there are. When ctx ends first, they are cut off, and its error is returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	for _, l := range s.listeners {
		_ = l.Close() // Serve does so, too.
	}
	for c := range s.conns {
		s.running.Go(c.goAway)
	}
	s.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		s.running.Wait()
		s.workers.stop()
		close(ended)
	}()
	var err error
	select {
	case <-ended:
	case <-ctx.Done():
		err = ctx.Err()
		s.cancel()
		for _, c := range s.open() {
			c.cut()
		}
		<-ended
	}
	close(s.quit)
	s.watching.Wait()
	s.cancel()
	return err
}
