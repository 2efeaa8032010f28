package unary

import (
	"context"
	"errors"

	"golang.org/x/net/http2"
)

// data hands the content of a frame to its call, as it comes. What is for
// nobody is read and dropped.
func (c *conn) data(head http2.FrameHeader) error {
	s, fault := c.expect(head)
	if _, ofStream := errors.AsType[http2.StreamError](fault); fault != nil && !ofStream {
		return fault
	}
	left, padding, err := c.padding(head)
	if err != nil {
		return err
	}
	if left == 0 && !head.Flags.Has(http2.FlagDataEndStream) {
		if err := c.waste(); err != nil {
			return err
		}
	}
	for left > 0 {
		p, err := c.in.next(left)
		if err != nil {
			return err
		}
		left -= len(p)
		if s == nil {
			continue
		}
		if err := c.deliver(s, p); err != nil {
			s, fault = nil, err
		}
	}
	if err := c.in.skip(padding); err != nil {
		return err
	}
	if s != nil && head.Flags.Has(http2.FlagDataEndStream) {
		return c.end(s)
	}
	return fault
}

// expect finds whom a frame is for; nil is nobody any more. It counts what the
// client may send: of the connection's window it cannot use more than there is,
// for half of it is given back at once.
func (c *conn) expect(head http2.FrameHeader) (*stream, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unsaid += int64(head.Length); c.unsaid >= connectionWindow/2 {
		more := uint32(c.unsaid)
		c.unsaid = 0
		c.out.put(func(f *http2.Framer) error { return f.WriteWindowUpdate(0, more) })
	}
	s := c.streams[head.StreamID]
	switch {
	case s == nil && c.refused.has(head.StreamID):
		return nil, nil
	case s == nil:
		if err := c.idle(head.StreamID); err != nil {
			return nil, err
		}
		return nil, http2.StreamError{StreamID: head.StreamID, Code: http2.ErrCodeStreamClosed}
	case s.ended:
		return nil, http2.StreamError{StreamID: s.id, Code: http2.ErrCodeStreamClosed}
	}
	if s.window -= int64(head.Length); s.window < 0 {
		return nil, http2.StreamError{StreamID: s.id, Code: http2.ErrCodeFlowControl}
	}
	return s, nil
}

// padding takes a frame's length apart, and reads how much of it is padding.
func (c *conn) padding(head http2.FrameHeader) (content, padding int, err error) {
	if !head.Flags.Has(http2.FlagDataPadded) {
		return int(head.Length), 0, nil
	}
	if head.Length == 0 {
		return 0, 0, http2.ConnectionError(http2.ErrCodeFrameSize)
	}
	length, err := c.in.next(1)
	if err != nil {
		return 0, 0, err
	}
	padding = int(length[0])
	if content = int(head.Length) - 1 - padding; content < 0 {
		return 0, 0, http2.ConnectionError(http2.ErrCodeProtocol)
	}
	return content, padding, nil
}

// deliver hands bytes to a call that still wants them, and makes room for more.
// Bytes beyond the length that the headers tell are no call's, whatever the call
// would make of them.
func (c *conn) deliver(s *stream, p []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.received += int64(len(p))
	if s.phase != receiving {
		return nil
	}
	if s.declared >= 0 && s.received > s.declared {
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeProtocol}
	}
	if refused := s.take(p); refused != nil {
		c.refuseCall(s, refused)
		return nil
	}
	if more := s.refill(); more > 0 {
		c.out.put(func(f *http2.Framer) error { return f.WriteWindowUpdate(s.id, more) })
	}
	return nil
}

// end is the client's end of a stream. A call whose message is whole runs.
func (c *conn) end(s *stream) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s.ended = true
	if s.phase != receiving {
		return nil // It has its answer.
	}
	if s.declared >= 0 && s.declared != s.received {
		return http2.StreamError{StreamID: s.id, Code: http2.ErrCodeProtocol}
	}
	if refused := s.whole(); refused != nil {
		c.refuseCall(s, refused)
		return nil
	}
	c.incoming--
	c.running++
	s.phase = running
	if s.deadline.IsZero() {
		s.ctx, s.cancel = context.WithCancel(c.ctx)
	} else {
		s.ctx, s.cancel = context.WithDeadline(c.ctx, s.deadline)
	}
	c.server.workers.run(s)
	return nil
}
