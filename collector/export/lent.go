package export

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// lent is a body that net/http reads out of memory that belongs to somebody else:
// the records of a batch, which the journal uses again when the next one is read.
// A transport may go on reading after it has given an answer; when revoke has
// returned, it does not.
type lent struct {
	mu      sync.Mutex
	parts   net.Buffers // what has not been read
	length  int64       // of parts
	revoked bool
	conn    net.Conn      // that parts are being written to
	written chan struct{} // closed when that is over
}

var errRevoked = errors.New("the request is over")

func lend(parts [][]byte) *lent {
	l := &lent{parts: append(net.Buffers(nil), parts...)}
	for _, part := range parts {
		l.length += int64(len(part))
	}
	return l
}

// Read implements io.Reader.
func (l *lent) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.revoked:
		return 0, errRevoked
	case l.length == 0:
		return 0, io.EOF
	}
	n, _ := l.parts.Read(p) // It has no other error than io.EOF.
	l.length -= int64(n)
	return n, nil
}

// Close implements io.Closer.
func (l *lent) Close() error { return nil }

// left is how many bytes have not been read.
func (l *lent) left() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.length
}

// writeTo writes what has not been read, in one call to the kernel where it takes
// that much.
func (l *lent) writeTo(conn net.Conn) (int64, error) {
	l.mu.Lock()
	if l.revoked {
		l.mu.Unlock()
		return 0, errRevoked
	}
	parts := l.parts
	l.parts, l.length = nil, 0
	l.conn, l.written = conn, make(chan struct{})
	l.mu.Unlock()

	n, err := parts.WriteTo(conn)

	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = nil
	close(l.written)
	return n, err
}

// revoke ends reading. A write that is under way is broken off, and the connection
// is then of no use any more: its peer has answered without listening to the end.
func (l *lent) revoke() {
	l.mu.Lock()
	l.revoked, l.parts, l.length = true, nil, 0
	conn, written := l.conn, l.written
	l.mu.Unlock()
	if conn != nil {
		_ = conn.SetWriteDeadline(time.Unix(1, 0)) // It is a connection that is closed already, or one that obeys.
		<-written
	}
}
