package listen

import (
	"errors"
	"net"
	"sync"
)

// shared is a listener that several take turns at. Each connection goes to one
// whose turn has not ended.
type shared struct {
	net.Listener

	next    chan accepted
	quit    chan struct{}
	running sync.WaitGroup
}

func share(inner net.Listener) *shared {
	s := &shared{Listener: inner, next: make(chan accepted), quit: make(chan struct{})}
	s.running.Go(s.accept)
	return s
}

func (s *shared) accept() {
	for {
		conn, err := s.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		select {
		case s.next <- accepted{conn, err}:
		case <-s.quit:
			if conn != nil {
				_ = conn.Close() // Nobody has been told that it is open.
			}
			return
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

// turn is a listener for the connections from now on. Closing it ends it alone.
func (s *shared) turn() net.Listener { return &turn{shared: s, over: make(chan struct{})} }

type turn struct {
	*shared

	once sync.Once
	over chan struct{}
}

// Accept implements net.Listener.
func (t *turn) Accept() (net.Conn, error) {
	select {
	case <-t.over: // Even if there is a connection, too.
		return nil, net.ErrClosed
	default:
	}
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
