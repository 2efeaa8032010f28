package interop

import (
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
)

// relay passes HTTP requests on. While it is cut nobody listens, as if what
// is behind it were down; what that has stored in memory is there after.
type relay struct {
	address string
	proxy   http.Handler
	server  *http.Server
	serving sync.WaitGroup
}

// newRelay listens until the test ends.
func newRelay(t *testing.T, target string) *relay {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{address: freeAddress(t), proxy: &httputil.ReverseProxy{
		Rewrite:  func(request *httputil.ProxyRequest) { request.SetURL(to) },
		ErrorLog: log.New(io.Discard, "", 0), // of requests that were cut
	}}
	r.join(t)
	t.Cleanup(r.cut)
	return r
}

// join listens, at the same address each time.
func (r *relay) join(t *testing.T) {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", r.address)
	if err != nil {
		t.Fatal(err)
	}
	r.server = &http.Server{Handler: r.proxy}
	server := r.server
	r.serving.Go(func() { _ = server.Serve(listener) }) // cut ends it
}

// cut ends all connections, and takes no more.
func (r *relay) cut() {
	_ = r.server.Close()
	r.serving.Wait()
}
