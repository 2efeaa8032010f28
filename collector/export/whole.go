package export

import (
	"context"
	"io"
	"net"
)

// dialWhole connects for net/http, which would copy a body to the connection in
// pieces of 32 KiB.
func dialWhole(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &whole{Conn: conn}, nil
}

// whole is a connection that is given a body as a whole.
type whole struct{ net.Conn }

// ReadFrom implements io.ReaderFrom. Any other reader than what net/http makes
// of a body that has not been read is copied as ever.
func (w *whole) ReadFrom(r io.Reader) (int64, error) {
	if limited, ok := r.(*io.LimitedReader); ok {
		if body, ok := limited.R.(*lent); ok && body.left() <= limited.N {
			n, err := body.writeTo(w.Conn)
			limited.N -= n
			return n, err
		}
	}
	return io.Copy(struct{ io.Writer }{w.Conn}, r)
}
