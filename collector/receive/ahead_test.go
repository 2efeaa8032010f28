package receive

import (
	"bytes"
	"io"
	"math/rand/v2"
	"net"
	"testing"
	"testing/iotest"
)

// readConn is a connection of which only reading matters.
type readConn struct {
	net.Conn

	in    io.Reader
	calls int
}

func (c *readConn) Read(p []byte) (int, error) {
	c.calls++
	return c.in.Read(p)
}

// frames is what HTTP/2 would read of so many bytes: heads and contents.
func frames(t *testing.T, r io.Reader, size int) []byte {
	t.Helper()
	out := make([]byte, 0, size)
	for len(out) < size {
		for _, want := range []int{min(9, size-len(out)), min(16<<10, size-len(out)-9)} {
			n, err := io.ReadFull(r, out[len(out):len(out)+max(want, 0)])
			if err != nil {
				t.Fatal(err)
			}
			out = out[:len(out)+n]
		}
	}
	return out
}

func TestReadingAhead(t *testing.T) {
	sent := make([]byte, 300_000)
	for i := range sent {
		sent[i] = byte(rand.Uint32())
	}
	for name, in := range map[string]io.Reader{
		"whole":           bytes.NewReader(sent),
		"byte by byte":    iotest.OneByteReader(bytes.NewReader(sent)),
		"in halves":       iotest.HalfReader(bytes.NewReader(sent)),
		"error with data": iotest.DataErrReader(bytes.NewReader(sent)),
	} {
		conn := &readConn{in: in}
		a := &ahead{Conn: conn, blocks: &blocks{}}
		if got := frames(t, a, len(sent)); !bytes.Equal(got, sent) {
			t.Errorf("%s: what is read is not what was sent", name)
		}
		if a.block != nil {
			t.Errorf("%s: a buffer is held although nothing is left", name)
		}
		if name == "whole" && conn.calls > 8 {
			t.Errorf("%d bytes took %d calls", len(sent), conn.calls)
		}
		if n, err := a.Read(make([]byte, 16<<10)); n != 0 || err != io.EOF { //nolint:errorlint // a Reader's EOF is bare
			t.Errorf("%s: at the end Read = %d, %v", name, n, err)
		}
	}
}

func TestReadingAheadHoldsNothingWhileIdle(t *testing.T) {
	client, server := net.Pipe()
	defer func() { _ = client.Close() }()
	a := &ahead{Conn: server, blocks: &blocks{}}
	go func() { _ = server.Close() }()
	if _, err := a.Read(make([]byte, 9)); err == nil || a.block != nil {
		t.Errorf("Read = %v, block %v", err, a.block)
	}
}
