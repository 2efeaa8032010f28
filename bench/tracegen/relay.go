package main

import (
	"context"
	"io"
	"net"
	"sync"
)

// relay passes connections on to a target. While it is cut, nobody listens, as
// if the target were down; what the target has stored is still there after.
type relay struct {
	address, target string

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	working  sync.WaitGroup
}

// newRelay listens at a free port.
func newRelay(ctx context.Context, target string) (*relay, error) {
	r := &relay{address: "127.0.0.1:0", target: target, conns: map[net.Conn]bool{}}
	return r, r.join(ctx)
}

// join listens, at the same address each time.
func (r *relay) join(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.address)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.listener, r.address = listener, listener.Addr().String()
	r.mu.Unlock()
	r.working.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return // It was cut.
			}
			r.working.Go(func() { r.pass(ctx, conn) })
		}
	})
	return nil
}

// cut ends all connections, and takes no more.
func (r *relay) cut() {
	r.mu.Lock()
	_ = r.listener.Close() // it is closed once
	for conn := range r.conns {
		_ = conn.Close() // its pass waits for that
	}
	r.mu.Unlock()
	r.working.Wait()
}

func (r *relay) pass(ctx context.Context, near net.Conn) {
	far, err := (&net.Dialer{}).DialContext(ctx, "tcp", r.target)
	if err != nil {
		_ = near.Close() // the peer sees that nobody answers
		return
	}
	r.mu.Lock()
	r.conns[near], r.conns[far] = true, true
	r.mu.Unlock()
	var both sync.WaitGroup
	for _, way := range [][2]net.Conn{{near, far}, {far, near}} {
		both.Go(func() {
			_, _ = io.Copy(way[0], way[1]) // either end may be gone
			_ = way[0].Close()
			_ = way[1].Close()
		})
	}
	both.Wait()
	r.mu.Lock()
	delete(r.conns, near)
	delete(r.conns, far)
	r.mu.Unlock()
}
