package export

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

func TestLentIsReadToItsEnd(t *testing.T) {
	parts := [][]byte{[]byte("way"), nil, []byte("bill"), []byte("s")}
	l := lend(parts)
	if l.left() != 8 {
		t.Errorf("%d bytes are left", l.left())
	}
	b := make([]byte, 2)
	var got []byte
	for {
		n, err := l.Read(b)
		got = append(got, b[:n]...)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if string(got) != "waybills" || l.left() != 0 || string(bytes.Join(parts, nil)) != "waybills" {
		t.Errorf("read %q of %q", got, parts)
	}
	l = lend(parts)
	l.revoke()
	if n, err := l.Read(b); n != 0 || err == nil {
		t.Errorf("read %d bytes of what was revoked, %v", n, err)
	}
	if n, err := l.writeTo(nil); n != 0 || err == nil {
		t.Errorf("wrote %d bytes of what was revoked, %v", n, err)
	}
}

// TestRevokeEndsAWrite to somebody who does not read.
func TestRevokeEndsAWrite(t *testing.T) {
	ours, theirs := net.Pipe()
	defer func() { _ = theirs.Close() }()
	l := lend([][]byte{make([]byte, 1<<20)})
	done := make(chan error)
	go func() {
		_, err := l.writeTo(ours)
		done <- err
	}()
	if _, err := io.ReadFull(theirs, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	l.revoke()
	if err := <-done; err == nil {
		t.Error("the write was not broken off")
	}
}

// TestAnswerBeforeTheEnd has a server answer while the request is still being
// written: the records may then be used again, though nobody reads what is left.
func TestAnswerBeforeTheEnd(t *testing.T) {
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	held := make(chan net.Conn, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			close(held)
			return
		}
		held <- conn
		_, _ = io.ReadFull(conn, make([]byte, 1000))
		_, _ = io.WriteString(conn, "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
	}()
	d := DefaultDestination()
	d.Endpoint, d.Compression = "http://"+listener.Addr().String(), NoCompression
	client, err := newHTTPClient(d, journal.Traces)
	if err != nil {
		t.Fatal(err)
	}
	defer client.close()
	payload := make([]byte, 64<<20) // More than sockets buffer.
	if err := client.load([]journal.Record{{Payload: payload}}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	a := client.send(t.Context())
	client.release()
	clear(payload) // The race detector watches.
	if !a.tooLarge && !a.silent || time.Since(began) > 20*time.Second {
		t.Errorf("%+v after %v", a, time.Since(began))
	}
	if err := errors.Join(listener.Close(), (<-held).Close()); err != nil {
		t.Error(err)
	}
}
