package unary

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/sys/unix"
)

// bulkPair is a connection that is read in bulk, and its other end.
func bulkPair(t *testing.T, least int) (*bulk, *net.TCPConn) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	far := connect(t, l.Addr()).(*net.TCPConn)
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close() })
	b := newBulk(near, func() int { return least })
	if b == nil {
		t.Fatal("a connection of TCP is not read in bulk")
	}
	return b, far
}

type readResult struct {
	n   int
	err error
}

// reading reads once, beside the test, and returns when that waits for least bytes.
func (b *bulk) reading(t *testing.T, least int) <-chan readResult {
	t.Helper()
	done := make(chan readResult, 1)
	go func() {
		n, err := b.Read(make([]byte, 64<<10))
		done <- readResult{n, err}
	}()
	waitUntil(t, "the reader sleeps", func() bool { return b.hasTold() == least })
	return done
}

func (b *bulk) hasTold() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.told
}

// send sends some bytes and returns when they wait in the kernel with those
// before, all in all.
func (b *bulk) send(t *testing.T, to net.Conn, some, all int) {
	t.Helper()
	if _, err := to.Write(make([]byte, some)); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "they have come", func() bool {
		var have int
		var failed error
		err := b.conn.Control(func(fd uintptr) { have, failed = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
		if err = errors.Join(err, failed); err != nil {
			t.Fatal(err)
		}
		return have == all
	})
}

func TestBulkWaitsForAllOfIt(t *testing.T) {
	b, far := bulkPair(t, 10_000)
	done := b.reading(t, 10_000)
	for i := range 9 {
		b.send(t, far, 1000, 1000*(i+1))
	}
	if _, err := far.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	if r := <-done; r.n != 10_000 || r.err != nil {
		t.Errorf("read %d bytes, %v, want all", r.n, r.err)
	}
}

func TestBulkRelaxes(t *testing.T) {
	b, far := bulkPair(t, 10_000)
	done := b.reading(t, 10_000)
	b.send(t, far, 1000, 1000)
	b.relax()
	if r := <-done; r.n != 1000 || r.err != nil {
		t.Errorf("read %d bytes, %v, want those that are there", r.n, r.err)
	}
	// And waits again.
	done = b.reading(t, 10_000)
	b.send(t, far, 1000, 1000)
	if err := far.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if r := <-done; r.n != 1000 || r.err != nil {
		t.Errorf("read %d bytes, %v, want what was sent before the end", r.n, r.err)
	}
	if n, err := b.Read(make([]byte, 10)); !errors.Is(err, io.EOF) {
		t.Errorf("read %d bytes, %v after the end", n, err)
	}
}

// TestBulkOnlyForTCP: what else is wrapped around a connection has bytes of its
// own, and would be passed by.
func TestBulkOnlyForTCP(t *testing.T) {
	_, far := bulkPair(t, 1)
	near, other := net.Pipe()
	_, _ = near.Close(), other.Close()
	for name, conn := range map[string]net.Conn{"wrapped": struct{ net.Conn }{far}, "a pipe": near} {
		if newBulk(conn, func() int { return 1 }) != nil {
			t.Errorf("%s is read in bulk", name)
		}
	}
}

// TestOthersBesideALargeMessage: while one message does not come on, the rest of
// the connection does.
func TestOthersBesideALargeMessage(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	length := &echo{answer: func(_ context.Context, m []byte) ([]byte, *Status) { return []byte(strconv.Itoa(len(m))), nil }}
	s := serveAt(t, l, DefaultConfig(), length)
	p := newPeer(t, connect(t, l.Addr()))
	p.wantLength(1, 5)
	b := s.open()[0].bulk

	rest := message(strings.Repeat("large ", 150_000)) // Less than a window.
	p.open(3, false)
	waitUntil(t, "the server waits for much at once", func() bool {
		p.send(3, false, rest[:1000])
		rest = rest[1000:]
		return b.hasTold() == maxBulk
	})
	p.wantLength(5, 10)
	for piece := range slices.Chunk(rest, maxFrame) {
		p.send(3, false, piece)
	}
	p.send(3, true, nil)
	if r := p.result(3); r.code != "0" || string(r.body) != string(message("900000")) {
		t.Errorf("the large message was answered with %+v", r)
	}
	waitUntil(t, "the server waits for anything", func() bool { return b.hasTold() == 1 })
	p.wantLength(7, 3)
}

// wantLength makes a call and wants it to be answered with its length.
func (p *peer) wantLength(id uint32, n int) {
	p.t.Helper()
	p.open(id, false)
	p.send(id, true, message(strings.Repeat("x", n)))
	if r := p.result(id); r.code != "0" || string(r.body) != string(message(strconv.Itoa(n))) {
		p.t.Fatalf("stream %d: answer %+v, want %d", id, r, n)
	}
}

// TestPingAtRest: what grpc-go says between calls waits, but not for long.
func TestPingAtRest(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.LeastMessage = 2
	s := serveAt(t, l, cfg, &echo{})
	p := newPeer(t, connect(t, l.Addr()))
	id := uint32(1)
	waitUntil(t, "the server waits for a call", func() bool {
		p.wantEcho(id, "hello")
		id += 2
		return s.open()[0].bulk.hasTold() == leastCall+2
	})
	data := [8]byte{1, 2, 3}
	p.must(0, p.framer.WriteWindowUpdate(0, 5))
	p.must(0, p.framer.WritePing(false, data))
	if f, ok := p.next().(*http2.PingFrame); !ok || !f.IsAck() || f.Data != data {
		t.Errorf("%v, want the ping's answer", f)
	}
	p.wantEcho(id, "") // A short one may wait as well.
}
