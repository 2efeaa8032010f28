package listen

import (
	"errors"
	"net"
	"sync"
)

// shared is a listener that several take turns at. A connection that comes when
// one has begun its turn goes to that one, or to one after it.
type shared struct {
	net.Listener

	mu      sync.Mutex
	next    chan accepted // of whose turn it is; nil before the first
	changed chan struct{} // closed with the next turn

	quit    chan struct{}
	running sync.WaitGroup
}

func share(inner net.Listener) *shared {
	s := &shared{Listener: inner, changed: make(chan struct{}), quit: make(chan struct{})}
	s.running.Go(s.accept)
	return s
}

func (s *shared) accept() {
	for {
		conn, err := s.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if s.hand(accepted{conn, err}) {
			continue
		}
		if conn != nil {
			_ = conn.Close() // Nobody has been told that it is open.
		}
		return
	}
}

// hand waits for somebody to take what was accepted; false says that nobody
// will.
func (s *shared) hand(what accepted) bool {
	for {
		s.mu.Lock()
		next, changed := s.next, s.changed
		s.mu.Unlock()
		select {
		case next <- what:
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
	s.next = make(chan accepted)
	close(s.changed)
	s.changed = make(chan struct{})
	return &turn{of: s.Listener, next: s.next, over: make(chan struct{})}
}

type turn struct {
	of   net.Listener
	next chan accepted
	once sync.Once
	over chan struct{}
}

// Accept implements net.Listener.
func (t *turn) Accept() (net.Conn, error) {
	select {
	case next := <-t.next:
		return next.conn, next.err
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
