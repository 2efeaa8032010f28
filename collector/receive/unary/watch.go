package unary

import (
	"context"
	"time"

	"golang.org/x/net/http2"
)

// watched is what is known of how a connection's time passes.
type watched struct {
	accepted   time.Time
	reads      uint32    // when quietSince was set
	quietSince time.Time // for as long nothing has been read
	pinged     bool      // since then
	opened     uint32    // the last stream when idleSince was set
	idleSince  time.Time // for as long there has been no call
	checked    time.Time
	wasCut     bool
}

func (w *watched) begin(now time.Time) {
	w.accepted, w.quietSince, w.idleSince, w.checked = now, now, now, now
}

// check ends what has been waiting for too long. It never blocks. idle says that
// the connection shall go, and flush that there is something to write; both may
// block, and are left to others.
func (c *conn) check(now time.Time) (idle, flush bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calm(int32(min(max(now.Sub(c.checked), 0), time.Second) * patience / time.Second))
	c.checked = now
	if reads := c.in.reads.Load(); reads != c.reads {
		c.reads, c.quietSince, c.pinged = reads, now, false
	} else if c.bulk != nil {
		c.bulk.relax()
	}
	if len(c.streams)+c.orphans > 0 || c.opened != c.last {
		c.opened, c.idleSince = c.last, now
	}
	cfg := c.server.cfg
	quiet := now.Sub(c.quietSince)
	switch {
	case c.out.unread(now, cfg.WriteTimeout):
		c.cutFor(LimitUnread)
	case !c.greeted && now.Sub(c.accepted) > cfg.GreetingTimeout:
		c.cutFor(LimitGreeting)
	case c.pinged && quiet > cfg.PingAfter+cfg.PingTimeout:
		c.cutFor(LimitSilent)
	case c.out.broken():
		c.cut()
	case !c.leaving && now.Sub(c.idleSince) > cfg.IdleTimeout:
		idle = true
	case c.greeted && !c.pinged && quiet > cfg.PingAfter:
		c.pinged, flush = true, true
		c.out.put(func(f *http2.Framer) error { return f.WritePing(false, [8]byte{}) })
	}
	return idle, c.hurry(now) || flush || c.out.pending() > 0
}

// cutFor cuts the connection off, and counts that once.
func (c *conn) cutFor(limit Limit) {
	if !c.wasCut {
		c.wasCut = true
		c.server.cfg.Hit(limit)
	}
	c.cut()
}

// hurry ends calls that are late: their messages, or the reading of their
// answers.
func (c *conn) hurry(now time.Time) (some bool) {
	for _, s := range c.streams {
		var why error
		switch {
		case s.phase == answering && now.Sub(s.opened) > c.server.cfg.BodyTimeout+c.server.cfg.WriteTimeout:
			c.abort(s, ErrGone)
			c.refuse(s.id, http2.ErrCodeCancel)
			some = true
			continue
		case s.phase != receiving:
			continue
		case !s.deadline.IsZero() && now.After(s.deadline):
			why = context.DeadlineExceeded
		case s.slow(now, c.server.cfg):
			why = ErrSlow
		default:
			continue
		}
		if refused := s.call.Abort(why); refused != nil {
			c.refuseCall(s, refused)
		}
		some = true
	}
	return some
}
