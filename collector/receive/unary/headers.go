package unary

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// headers opens a stream, or ends the client's side of one: trailers.
func (c *conn) headers(head http2.FrameHeader) error {
	c.in.limit = headerBlockFactor * (c.server.cfg.MaxHeaderBytes + maxFrame)
	frame, err := c.framer.ReadFrameForHeader(head)
	c.in.limit = -1
	fault, malformed := errors.AsType[http2.StreamError](err)
	if malformed && fault.Cause == nil {
		// The block has not been decoded, so later ones cannot be.
		return http2.ConnectionError(fault.Code)
	}
	if err != nil && !malformed {
		return err
	}
	if head.StreamID%2 == 0 {
		return http2.ConnectionError(http2.ErrCodeProtocol)
	}
	c.mu.Lock()
	opens := head.StreamID > c.last
	c.last = max(c.last, head.StreamID)
	c.mu.Unlock()
	if malformed {
		return err
	}
	block := frame.(*http2.MetaHeadersFrame) // What it makes of HEADERS, as it is set up.
	if opens {
		return c.open(block)
	}
	return c.trailers(block)
}

// trailers say nothing that we want to know, only that the client is done.
func (c *conn) trailers(block *http2.MetaHeadersFrame) error {
	c.mu.Lock()
	s := c.streams[block.StreamID]
	known := c.refused.has(block.StreamID)
	c.mu.Unlock()
	switch {
	case s == nil && known:
		return nil
	case s == nil:
		return http2.ConnectionError(http2.ErrCodeStreamClosed)
	case s.ended:
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeStreamClosed}
	case !block.StreamEnded() || len(block.PseudoFields()) > 0:
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeProtocol}
	}
	return c.end(s)
}

// open begins a call.
func (c *conn) open(block *http2.MetaHeadersFrame) error {
	now := time.Now()
	s := &stream{conn: c, id: block.StreamID, opened: now, seenAt: now, declared: -1, window: streamWindow, ended: block.StreamEnded()}
	if err := s.check(block); err != nil {
		return err
	}
	if !c.admit(s) {
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeRefusedStream}
	}
	refused := c.ask(s, block)
	c.mu.Lock()
	if refused != nil {
		c.refuseCall(s, refused)
		c.mu.Unlock()
		return nil
	}
	s.phase = receiving
	c.incoming++
	c.mu.Unlock()
	if s.ended {
		return c.end(s)
	}
	return nil
}

// admit counts the stream, unless there are too many, or none shall come.
func (c *conn) admit(s *stream) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.leaving {
		return false
	}
	full := len(c.streams)+c.orphans >= c.server.cfg.MaxStreams
	if c.server.calls.Add(1) > int64(c.server.cfg.MaxCalls) || full {
		c.server.calls.Add(-1)
		c.server.cfg.Hit(LimitCalls)
		return false
	}
	s.phase, s.room = answering, c.initial
	c.streams[s.id] = s
	return true
}

// ask has the handler decide on the call.
func (c *conn) ask(s *stream, block *http2.MetaHeadersFrame) *Status {
	if block.Truncated {
		c.server.cfg.Hit(LimitHeaders)
		return &Status{HTTP: http.StatusRequestHeaderFieldsTooLarge, Message: "the headers are too large"}
	}
	head := Header{
		Major: 2, Method: block.PseudoValue("method"), Path: block.PseudoValue("path"),
		Peer: c.net.RemoteAddr(), TLS: c.tls, At: s.opened, fields: block.RegularFields(),
	}
	call, refused := c.server.handler.Open(&head)
	if refused != nil {
		return refused
	}
	s.call = call
	if timeout := head.Values("grpc-timeout"); len(timeout) > 0 {
		after, err := parseTimeout(timeout[0])
		if err != nil {
			return call.Abort(err)
		}
		s.deadline = s.opened.Add(after)
	}
	return nil
}

// check finds what HTTP/2 does not allow in a request, after RFC 9113, section
// 8; the framer has done so with names, values and order.
func (s *stream) check(block *http2.MetaHeadersFrame) error {
	malformed := http2.StreamError{StreamID: s.id, Code: http2.ErrCodeProtocol}
	if block.HasPriority() && block.Priority.StreamDep == s.id {
		return malformed
	}
	if block.Truncated {
		return nil // There may have been more.
	}
	if block.PseudoValue("method") == "" || block.PseudoValue("scheme") == "" || block.PseudoValue("path") == "" || block.PseudoValue("status") != "" {
		return malformed
	}
	for _, f := range block.RegularFields() {
		if ofOneConnection(f) {
			return malformed
		}
		if f.Name == "content-length" {
			length, err := strconv.ParseUint(f.Value, 10, 62)
			if err != nil || s.declared >= 0 && s.declared != int64(length) {
				return malformed
			}
			s.declared = int64(length)
		}
	}
	return nil
}

// ofOneConnection says whether the field has no place in HTTP/2.
func ofOneConnection(f hpack.HeaderField) bool {
	switch f.Name {
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade":
		return true
	case "te":
		return f.Value != "trailers"
	}
	return false
}
