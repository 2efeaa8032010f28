package export

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
)

// written is a connection that notes what is written to it.
type written struct {
	net.Conn

	calls [][]byte
}

func (w *written) Write(p []byte) (int, error) {
	w.calls = append(w.calls, bytes.Clone(p))
	return len(p), nil
}

func TestBodiesAreWrittenWhole(t *testing.T) {
	const size = 1 << 20
	data := []byte(strings.Repeat("waybill ", size/8))
	body := func() *lent { return lend([][]byte{data[:1000], data[1000:]}) }
	f := func(name string, r io.Reader, want, calls int) {
		t.Helper()
		conn := &written{}
		n, err := (&whole{Conn: conn}).ReadFrom(r)
		if err != nil || n != int64(want) {
			t.Errorf("%s: ReadFrom = %d, %v; want %d", name, n, err, want)
		}
		if got := bytes.Join(conn.calls, nil); !bytes.Equal(got, data[:want]) {
			t.Errorf("%s: %d bytes were written that are not the body's first %d", name, len(got), want)
		}
		if calls > 0 && len(conn.calls) != calls {
			t.Errorf("%s: written in %d calls, want %d", name, len(conn.calls), calls)
		}
	}
	limited := &io.LimitedReader{R: body(), N: size}
	f("a body, as net/http passes it", limited, size, 2)
	f("and what net/http looks for behind it", limited, 0, 0)
	f("a limit before the body's end", io.LimitReader(body(), size/2), size/2, 0)
	f("a limit beyond the body's end", io.LimitReader(body(), 2*size), size, 2)
	f("some other reader", bytes.NewReader(data), size, 0)
}
