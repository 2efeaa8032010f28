// Package silent ends connections on which nothing was asked yet. Browsers and
// load balancers keep such; http.Server.Shutdown takes each of them for a
// request that is about to come, and waits for five seconds.
package silent

import (
	"net"
	"net/http"
	"sync"
)

// Connections are those of a server on which no request has begun. Methods are
// safe for concurrent use.
type Connections struct {
	mu      sync.Mutex
	open    map[net.Conn]struct{}
	closing bool
}

// Of follows a server's connections. It takes the server's ConnState, which
// must not be in use, before the server begins to serve.
func Of(server *http.Server) *Connections {
	c := &Connections{open: map[net.Conn]struct{}{}}
	server.ConnState = c.note
	return c
}

func (c *Connections) note(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(c.open, conn)
	case c.closing:
		_ = conn.Close() // Nobody will tell.
	default:
		c.open[conn] = struct{}{}
	}
}

// Close closes them, and those that come from now on. It is called before the
// server's Shutdown.
func (c *Connections) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closing = true
	for conn := range c.open {
		_ = conn.Close() // Nobody will tell.
	}
	clear(c.open)
}
