package unary

import (
	"runtime"

	"golang.org/x/net/http2"
)

// serve runs a call and answers it.
func (s *stream) serve() {
	c := s.conn
	response, refused := s.run()
	s.cancel()
	c.calm(patienceOfAnswer)
	c.mu.Lock()
	c.running--
	switch {
	case s.phase == over:
		c.orphans--
		c.server.calls.Add(-1)
	case refused != nil:
		c.refuseCall(s, refused)
	default:
		c.answer(s, c.success(response))
	}
	others := c.running > 0
	c.mu.Unlock()
	if others {
		// Calls whose records the journal has made safe together are answered
		// at once: those who are about to add theirs may do so first.
		runtime.Gosched()
	}
	c.settle()
}

// run calls the handler. It may have been written by somebody who errs.
func (s *stream) run() (response []byte, refused *Status) {
	defer func() {
		if s.conn.server.logPanic(recover()) {
			refused = panicked()
		}
	}()
	return s.call.Answer(s.ctx)
}

// refuseCall answers with a status. c.mu is held.
func (c *conn) refuseCall(s *stream, status *Status) {
	if status.HTTP != 0 {
		c.answer(s, status.overHTTP())
		return
	}
	c.answer(s, c.failure(status))
}

// answer sends a call's answer, as much as there is room for. c.mu is held.
func (c *conn) answer(s *stream, r reply) {
	if s.phase == receiving {
		c.incoming--
	}
	s.phase, s.rest = answering, r
	c.out.headers(s.id, len(r.body) == 0 && len(r.tail) == 0, r.head...)
	c.advance(s)
}

// push goes on with answers that have been waiting for room, and says whether
// there was some. c.mu is held.
func (c *conn) push() (some bool) {
	if c.waiting == 0 {
		return false
	}
	for _, s := range c.streams {
		if s.waits && c.advance(s) {
			some = true
		}
	}
	return some
}

// advance sends what there is room for, with the client and in what is to be
// written, and ends the stream when that is all. It says whether there was
// room.
func (c *conn) advance(s *stream) (some bool) {
	for len(s.rest.body) > 0 {
		n := min(int64(len(s.rest.body)), maxFrame, c.room, s.room)
		if n <= 0 || c.out.pending() > maxQueue {
			c.wait(s, true)
			return some
		}
		piece := s.rest.body[:n]
		s.rest.body = s.rest.body[n:]
		c.room -= n
		s.room -= n
		end := len(s.rest.body) == 0 && len(s.rest.tail) == 0
		c.out.put(func(f *http2.Framer) error { return f.WriteData(s.id, end, piece) })
		some = true
	}
	if len(s.rest.tail) > 0 {
		c.out.headers(s.id, true, s.rest.tail...)
	}
	c.wait(s, false)
	delete(c.streams, s.id)
	c.server.calls.Add(-1)
	s.phase = over
	if !s.ended {
		c.refuse(s.id, http2.ErrCodeNo) // What else it sends is of no use.
	}
	return some
}

// wait notes whether an answer waits for room.
func (c *conn) wait(s *stream, waits bool) {
	if waits && !s.waits {
		c.waiting++
	}
	if !waits && s.waits {
		c.waiting--
	}
	s.waits = waits
}
