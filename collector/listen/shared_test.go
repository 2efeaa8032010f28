package listen

import (
	"log/slog"
	"net"
	"syscall"
	"testing"
)

// flawed fails to accept as often as it is told to.
type flawed struct {
	net.Listener
	failures int
}

func (f *flawed) Accept() (net.Conn, error) {
	if f.failures > 0 {
		f.failures--
		return nil, syscall.ENOBUFS
	}
	return f.Listener.Accept()
}

func TestSharedGoesOnAfterErrors(t *testing.T) {
	inner, err := TCP(t.Context(), "test.address", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := share(&flawed{inner, 3}, slog.New(slog.DiscardHandler))
	turn := s.turn()
	go func() {
		if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", inner.Addr().String()); err == nil {
			_ = conn.Close()
		}
	}()
	conn, err := turn.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
