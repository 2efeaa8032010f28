package httpmw

import (
	"io"
	"net/http"
	"sync/atomic"
)

// bodySizes count the bytes of one request's bodies.
type bodySizes struct {
	body     countedBody // of the request, if the client has not said its size
	response int64
}

// countedBody counts what the handler reads.
type countedBody struct {
	io.ReadCloser
	size atomic.Int64
}

func (b *countedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.size.Add(int64(n))
	return n, err
}

// count begins to count; the handler has not got the request yet.
func (x *exchange) count(r *http.Request) {
	x.sizes = &bodySizes{}
	if r.ContentLength < 0 && r.Body != nil && r.Body != http.NoBody {
		x.sizes.body.ReadCloser = r.Body
		x.request.Body = &x.sizes.body
	}
}

// requestSize is what the client said, or what the handler has read.
func (x *exchange) requestSize() int64 {
	if x.request.ContentLength >= 0 {
		return x.request.ContentLength
	}
	return x.sizes.body.size.Load()
}
