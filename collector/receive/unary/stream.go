package unary

import (
	"context"
	"encoding/binary"
	"time"
)

// phase is how far a call has come.
type phase uint8

const (
	receiving phase = iota // its message
	running                // in a goroutine of its own
	answering              // the client has to make room for the answer
	over
)

// stream is one call on its connection, whose mutex guards it.
type stream struct {
	conn  *conn
	id    uint32
	call  Call // of whom nothing is asked any more when it is over
	phase phase

	opened   time.Time
	deadline time.Time // zero for none
	declared int64     // the content-length, negative for none
	body     body
	ended    bool      // the client has nothing more to send
	received int64     // bytes of frames' content
	seen     int64     // what received was when it was last looked at,
	seenAt   time.Time // and since when
	window   int64     // what the client may still send, in bytes

	ctx    context.Context // of a call that runs
	cancel context.CancelFunc

	room  int64 // what we may still send, in bytes
	rest  reply // what is left of the answer; its head has been sent
	waits bool  // for room
}

// body is the one message of a call as it comes.
type body struct {
	prefix [messagePrefix]byte
	have   int   // of the prefix
	length int64 // of the message
	left   int64 // of the message, to come
}

// take hands content to the call. A status that is not nil ends the call, and
// is its answer.
func (s *stream) take(p []byte) *Status {
	b := &s.body
	if b.have < messagePrefix {
		n := copy(b.prefix[b.have:], p)
		b.have += n
		if p = p[n:]; b.have < messagePrefix {
			return nil
		}
		if b.prefix[0] > 1 {
			return s.call.Abort(ProtocolError("the message has an unknown flag"))
		}
		b.length = int64(binary.BigEndian.Uint32(b.prefix[1:]))
		b.left = b.length
		if refused := s.call.Begin(b.length, b.prefix[0] == 1); refused != nil {
			return refused
		}
	}
	if int64(len(p)) > b.left {
		return s.call.Abort(ProtocolError("the call has more than one message"))
	}
	b.left -= int64(len(p))
	if len(p) == 0 {
		return nil
	}
	return s.call.Write(p)
}

// whole says whether the message is all there, now that the client has ended
// its side. If it is not, that is the call's end.
func (s *stream) whole() *Status {
	switch {
	case s.body.have < messagePrefix:
		return s.call.Abort(ProtocolError("the call has no message"))
	case s.body.left > 0:
		return s.call.Abort(ErrShort)
	}
	return nil
}

// slow says whether the message comes too slowly. It is asked now and then.
func (s *stream) slow(now time.Time, cfg Config) bool {
	taken := now.Sub(s.opened)
	if taken > cfg.BodyTimeout || cfg.MinRate == 0 {
		return taken > cfg.BodyTimeout
	}
	if s.received != s.seen {
		s.seen, s.seenAt = s.received, now
	}
	rate := max(cfg.MinRate, float64(s.body.length)/(cfg.BodyTimeout-cfg.SlowAfter).Seconds())
	due := time.Duration(float64(s.received) / rate * float64(time.Second))
	return taken > cfg.SlowAfter+due || now.Sub(s.seenAt) > cfg.SlowAfter
}

// refill is what the client may be told to send beyond what it may already, so
// that it does not wait for us in the middle of a message. A message of which
// nobody has said how long it is has what streams begin with.
func (s *stream) refill() uint32 {
	if s.phase != receiving || s.body.left == 0 || s.window > streamWindow/2 {
		return 0
	}
	more := streamWindow + s.body.left - s.window
	if s.window+more > maxWindow {
		more = maxWindow - s.window
	}
	s.window += more
	return uint32(more)
}
