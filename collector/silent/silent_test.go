package silent

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serve starts a server and returns it, its silent connections and its address.
func serve(t *testing.T, handler http.HandlerFunc) (*http.Server, *Connections, string) {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler, Protocols: new(http.Protocols), ReadHeaderTimeout: time.Minute}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	connections := Of(server)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("Serve = %v", err)
		}
	})
	return server, connections, listener.Addr().String()
}

func (c *Connections) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestShutdown has silent connections, one with a request in progress, and one
// that begins with HTTP/2.
func TestShutdown(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	server, connections, addr := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-release
		_, _ = io.WriteString(w, "done")
	})
	silent := []net.Conn{dial(t, addr), dial(t, addr)}
	eventually(t, "two silent connections", func() bool { return connections.count() == 2 })
	http2 := dial(t, addr)
	if _, err := io.WriteString(http2, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"); err != nil {
		t.Fatal(err)
	}
	busy := dial(t, addr)
	if _, err := io.WriteString(busy, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-begun
	eventually(t, "the others to be known", func() bool { return connections.count() == 2 })
	began := time.Now()
	connections.Close()
	for _, conn := range silent {
		if _, err := conn.Read(make([]byte, 1)); err == nil {
			t.Error("a silent connection is open")
		}
	}
	late := dial(t, addr)
	if _, err := late.Read(make([]byte, 1)); err == nil {
		t.Error("a connection that came after the end is open")
	}
	stopped := make(chan error, 1)
	go func() { stopped <- server.Shutdown(context.WithoutCancel(t.Context())) }()
	close(release)
	if answer, err := io.ReadAll(busy); err != nil || !strings.HasSuffix(string(answer), "done") {
		t.Errorf("the request in progress got %q, %v", answer, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("it took %v", took)
	}
}
