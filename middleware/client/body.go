package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"
)

// body is that of the response that a call has in the end. The call ends with
// it, and is over when it is closed.
type body struct {
	io.ReadCloser
	ended sync.Once
	end   func(error)
	// unwatch stops waiting for the call's time to be over, or its caller to
	// give up. They end the call, too, if nobody reads or closes the body.
	unwatch func() bool
}

func newBody(ctx context.Context, content io.ReadCloser, end func(error)) *body {
	b := &body{ReadCloser: content, end: end}
	watching := make(chan struct{})
	b.unwatch = context.AfterFunc(ctx, func() {
		<-watching
		b.finish(context.Cause(ctx))
	})
	close(watching)
	return b
}

// Read ends the call with the body.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	switch {
	case errors.Is(err, io.EOF):
		b.finish(nil)
	case err != nil:
		b.finish(err)
	}
	return n, err
}

// Close ends the call.
func (b *body) Close() error {
	err := b.ReadCloser.Close()
	b.finish(nil)
	return err
}

func (b *body) finish(err error) {
	b.ended.Do(func() {
		b.unwatch()
		b.end(err)
	})
}

// A response that nobody wants is read so far and so long, so that its
// connection can be used again.
const (
	drainAtMost = 64 << 10
	drainFor    = 100 * time.Millisecond
)

// discard ends the attempt, whose response, if there is one, nobody wants.
func (a *attempt) discard(response *http.Response) {
	defer a.release()
	if response == nil || response.Body == nil {
		return
	}
	enough := time.AfterFunc(drainFor, a.cancel)
	defer enough.Stop()
	_, _ = io.CopyN(io.Discard, response.Body, drainAtMost)
	_ = response.Body.Close()
}

// bodyless says that there is nothing to wait for, or a connection that is
// another's from now on.
func bodyless(response *http.Response) bool {
	return response.Body == nil || response.Body == http.NoBody || response.StatusCode == http.StatusSwitchingProtocols
}
