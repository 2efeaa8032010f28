package receive

import (
	"errors"
	"net"
	"sync"
	"syscall"
)

// limitConnections holds a listener to so many open connections: Accept waits
// until one of them has been closed.
func limitConnections(l net.Listener, n int) net.Listener {
	return &limited{Listener: l, slots: make(chan struct{}, n), closed: make(chan struct{}), blocks: &blocks{}}
}

type limited struct {
	net.Listener

	slots  chan struct{} // holds one token per open connection
	closed chan struct{}
	once   sync.Once
	blocks *blocks
}

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	conn = &ahead{Conn: conn, blocks: l.blocks}
	return &counted{Conn: conn, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// counted gives its slot back when it is closed.
type counted struct {
	net.Conn

	release func()
}

// CloseWrite ends our side alone: what was said last is not lost although the
// client has more to say.
func (c *counted) CloseWrite() error { return closeWrite(c.Conn) }

// SyscallConn implements syscall.Conn for who reads the socket, and only that.
func (c *counted) SyscallConn() (syscall.RawConn, error) { return socketOf(c.Conn) }

func socketOf(conn net.Conn) (syscall.RawConn, error) {
	if socket, ok := conn.(syscall.Conn); ok {
		return socket.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

func closeWrite(conn net.Conn) error {
	if half, ok := conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (c *counted) Close() error {
	err := c.Conn.Close()
	c.release()
	return err
}
