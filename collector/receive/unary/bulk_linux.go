package unary

import (
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// bulk reads a connection of TCP, and sleeps until all has come without which
// there is nothing to do but to copy: by SO_RCVLOWAT. A message of 250 KB comes in
// ten pieces or more, and to be woken for each costs more than to read it.
//
// What has come meanwhile waits in the kernel. How much that can be is bounded by
// least; for how long, by relax. One goroutine reads; relax may be called beside
// it.
type bulk struct {
	conn syscall.RawConn
	// least is asked before each sleep for the bytes that it shall last for, one
	// at least. It must not name more than what the other side may send.
	least func() int

	mu   sync.Mutex
	told int // to the kernel; negative when it does not listen

	// Of the read in progress.
	p   []byte
	n   int
	err error
	try func(fd uintptr) bool // once, as a method value of its own would be memory for each read
}

// newBulk is nil where the connection is none of TCP, or is not read as it comes,
// as with TLS.
func newBulk(from net.Conn, least func() int) *bulk {
	socket, ok := from.(syscall.Conn)
	if !ok {
		return nil
	}
	if _, ok := from.LocalAddr().(*net.TCPAddr); !ok {
		return nil
	}
	conn, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	b := &bulk{conn: conn, least: least, told: 1}
	b.try = b.tryRead
	return b
}

// Read implements io.Reader.
func (b *bulk) Read(p []byte) (int, error) {
	b.p = p
	err := b.conn.Read(b.try)
	b.p = nil
	switch {
	case err != nil:
		return 0, err
	case b.err != nil:
		return 0, b.err
	case b.n == 0 && len(p) > 0:
		return 0, io.EOF
	}
	return b.n, nil
}

// tryRead returns false to be called again when there is something to read.
func (b *bulk) tryRead(fd uintptr) bool {
	for {
		b.n, b.err = unix.Read(int(fd), b.p)
		if b.err != unix.EINTR { //nolint:errorlint // It is a number.
			break
		}
	}
	if b.err != unix.EAGAIN { //nolint:errorlint // It is a number.
		b.n = max(b.n, 0)
		return true
	}
	// Where as much has come since, the kernel says so when it is told.
	b.tell(fd, max(b.least(), 1))
	return false
}

// relax has the reader look at whatever has come. It is called when nothing has
// been read for a while: a client that is slow must be seen to send, and what else
// it has said must be heard.
func (b *bulk) relax() {
	_ = b.conn.Control(func(fd uintptr) { b.tell(fd, 1) }) // Who has closed it does not wait.
}

func (b *bulk) tell(fd uintptr, least int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.told < 0 || b.told == least {
		return
	}
	b.told = least
	if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVLOWAT, least) != nil {
		b.told = -1
	}
}
