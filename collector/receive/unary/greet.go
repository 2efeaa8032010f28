package unary

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"

	"golang.org/x/net/http2"
)

// greet begins the connection. False says that it is none for HTTP/2; all that
// there is to say has been said then.
func (c *conn) greet() bool {
	if secure, ok := c.net.(*tls.Conn); ok {
		ctx, cancel := context.WithTimeout(c.ctx, c.server.cfg.GreetingTimeout)
		defer cancel()
		if err := secure.HandshakeContext(ctx); err != nil {
			return false
		}
		state := secure.ConnectionState()
		c.tls = &state
	}
	if !c.preface() {
		return false
	}
	c.unacked = 1
	c.out.put(func(f *http2.Framer) error {
		err := f.WriteSettings(
			http2.Setting{ID: http2.SettingMaxConcurrentStreams, Val: uint32(c.server.cfg.MaxStreams)},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: streamWindow},
			http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: uint32(c.server.cfg.MaxHeaderBytes)},
		)
		if err != nil {
			return err
		}
		return f.WriteWindowUpdate(0, connectionWindow-firstWindow)
	})
	return true
}

// preface reads what HTTP/2 begins with. Who begins otherwise, as HTTP/1 does,
// is told where it is.
func (c *conn) preface() bool {
	const want = http2.ClientPreface
	var got []byte
	for len(got) < len(want) {
		piece, err := c.in.next(len(want) - len(got))
		got = append(got, piece...)
		if string(got) != want[:len(got)] {
			c.answerHTTP1(got)
			return false
		}
		if err != nil {
			return false
		}
	}
	return true
}

// answerHTTP1 asks the handler what to tell, if it is HTTP/1 that has begun.
func (c *conn) answerHTTP1(begun []byte) {
	c.in.limit = c.server.cfg.MaxHeaderBytes
	r, err := http.ReadRequest(bufio.NewReader(io.MultiReader(bytes.NewReader(begun), c.in)))
	if err != nil || r.ProtoMajor != 1 {
		return
	}
	head := Header{Major: 1, Method: r.Method, Path: r.URL.Path, Peer: c.net.RemoteAddr(), TLS: c.tls, At: c.accepted}
	for name, values := range r.Header {
		for _, value := range values {
			head.Add(strings.ToLower(name), value)
		}
	}
	call, status := c.server.handler.Open(&head)
	if call != nil {
		status = call.Abort(ProtocolError("there are no calls in HTTP/1"))
	}
	if status == nil || status.HTTP == 0 {
		return
	}
	if _, err := c.net.Write(status.overHTTP1()); err != nil {
		return
	}
	c.hangUp()
	_, _ = io.CopyN(io.Discard, c.net, streamWindow) // What it sends is of no use.
}
