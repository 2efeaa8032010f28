package receive

import (
	"net"
	"syscall"
)

const (
	// aheadBytes is how much is read at once of a connection on which a large
	// frame has begun.
	aheadBytes = 64 << 10
	// aheadFrom is the size of a read that is worth more: larger than what
	// HTTP/1 waits for the next request with, smaller than a frame of gRPC.
	aheadFrom = 8 << 10
)

// ahead reads a connection in larger pieces than HTTP/2 asks for, which is the
// nine bytes before each frame, and then its content of 16 KiB at most: a
// request of 250 kB would take 32 system calls. Those who are idle wait for nine
// bytes, and hold no buffer. Like any connection it is read by one goroutine at
// a time.
type ahead struct {
	net.Conn

	blocks *blocks
	block  *block // nil when nothing is held
	rest   []byte // of the block, not read yet
	more   bool   // the last block came full, so there is more where it came from
}

// Read implements net.Conn.
func (a *ahead) Read(p []byte) (int, error) {
	if a.block == nil {
		if len(p) < aheadFrom && !a.more || len(p) >= aheadBytes {
			return a.Conn.Read(p)
		}
		a.block = a.blocks.get(aheadBytes)
		n, err := a.Conn.Read(a.block.data[:aheadBytes])
		a.rest, a.more = a.block.data[:n], n == aheadBytes
		if err != nil && n == 0 {
			a.giveBack()
			return 0, err
		}
	}
	n := copy(p, a.rest)
	if a.rest = a.rest[n:]; len(a.rest) == 0 {
		a.giveBack()
	}
	return n, nil
}

// CloseWrite ends our side alone.
func (a *ahead) CloseWrite() error { return closeWrite(a.Conn) }

// SyscallConn implements syscall.Conn for who reads the socket, and only that.
func (a *ahead) SyscallConn() (syscall.RawConn, error) { return socketOf(a.Conn) }

func (a *ahead) giveBack() {
	a.blocks.put(a.block)
	a.block, a.rest = nil, nil
}
