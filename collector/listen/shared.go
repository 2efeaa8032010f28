package listen

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"
)

// shared is a listener that several take turns at. A connection that comes when
// one has begun its turn goes to that one, or to one after it.
type shared struct {
	net.Listener
	logger *slog.Logger

	mu      sync.Mutex
	next    chan net.Conn // of whose turn it is; nil before the first
	changed chan struct{} // closed with the next turn

	quit    chan struct{}
	running sync.WaitGroup
}

func share(inner net.Listener, logger *slog.Logger) *shared {
	s := &shared{Listener: inner, logger: logger, changed: make(chan struct{}), quit: make(chan struct{})}
	s.running.Go(s.accept)
	return s
}

// The first and the longest pause before a listener that has failed is asked again.
const (
	firstPause   = 5 * time.Millisecond
	longestPause = time.Second
)

// accept goes on after an error, whichever it is: as long as the port is open,
// what comes to it is answered. Servers of net/http would give up.
func (s *shared) accept() {
	pause := time.Duration(0)
	for {
		conn, err := s.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			if pause == 0 {
				s.logger.Warn("a connection could not be accepted; it is tried again", "address", s.Addr().String(), "error", err)
			}
			pause = min(max(2*pause, firstPause), longestPause)
			select {
			case <-time.After(pause):
				continue
			case <-s.quit:
				return
			}
		}
		pause = 0
		if !s.hand(conn) {
			_ = conn.Close() // Nobody has been told that it is open.
			return
		}
	}
}

// hand waits for somebody to take a connection; false says that nobody will.
func (s *shared) hand(conn net.Conn) bool {
	for {
		s.mu.Lock()
		next, changed := s.next, s.changed
		s.mu.Unlock()
		select {
		case next <- conn:
			return true
		case <-changed:
		case <-s.quit:
			return false
		}
	}
}

// Close implements net.Listener. Turns go on, without connections.
func (s *shared) Close() error {
	close(s.quit)
	err := s.Listener.Close()
	s.running.Wait()
	return err
}

// turn is a listener for the connections from now on, until the next turn.
// Closing it ends it alone.
func (s *shared) turn() net.Listener {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next = make(chan net.Conn)
	close(s.changed)
	s.changed = make(chan struct{})
	return &turn{of: s.Listener, next: s.next, over: make(chan struct{})}
}

type turn struct {
	of   net.Listener
	next chan net.Conn
	once sync.Once
	over chan struct{}
}

// Accept implements net.Listener.
func (t *turn) Accept() (net.Conn, error) {
	select {
	case conn := <-t.next:
		return conn, nil
	case <-t.over:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (t *turn) Close() error {
	t.once.Do(func() { close(t.over) })
	return nil
}

// Addr implements net.Listener.
func (t *turn) Addr() net.Addr { return t.of.Addr() }
