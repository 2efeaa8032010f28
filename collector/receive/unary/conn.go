package unary

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// maxWindow is the most that a window may have, in bytes.
	maxWindow = 1<<31 - 1
	// firstWindow is what every window has before anybody says otherwise.
	firstWindow = 64<<10 - 1
	// lingering is how long a connection that we have ended may take to end on
	// the other side, too; cut off at once, it might lose what we said last.
	lingering = time.Second
	// maxPatience is how many frames that move nothing forward a client may send
	// at once, and patience how many a second in the long run. An answered call
	// buys some more.
	maxPatience      = 4096
	patience         = 1024
	patienceOfAnswer = 8
	// headerBlockFactor is how much longer than its content a header block may
	// be on the wire.
	headerBlockFactor = 2
)

// conn is one connection.
type conn struct {
	server *Server
	net    net.Conn
	tls    *tls.ConnectionState
	in     *input
	bulk   *bulk // what in reads from; nil when that is net
	out    *output
	framer *http2.Framer // reads
	ctx    context.Context
	cancel context.CancelFunc
	// patience is left for frames that move nothing forward.
	patience atomic.Int32

	mu       sync.Mutex
	streams  map[uint32]*stream
	incoming int      // streams whose messages are to come
	waiting  int      // streams whose answers wait for room
	running  int      // calls that are being answered
	orphans  int      // those of them whose streams are over
	last     uint32   // the highest stream that has been opened
	refused  recently // streams that we have ended, and the client may not have yet
	greeted  bool     // the client's first frame was here
	unacked  int      // of our settings

	unsaid  int64 // bytes that have come, and the client has not been told so
	room    int64 // what we may still send
	initial int64 // what we may send on a new stream

	leaving bool // GOAWAY has been sent
	hungUp  bool // and nothing more is to be said
	watched
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{
		server: s, net: nc, out: newOutput(nc),
		streams: map[uint32]*stream{},
		room:    firstWindow, initial: firstWindow,
	}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	from := io.Reader(nc)
	if c.bulk = newBulk(nc, c.least); c.bulk != nil {
		from = c.bulk
	}
	c.in = newInput(from, &s.large, c.beforeRead)
	c.framer = http2.NewFramer(nil, c.in)
	c.framer.SetMaxReadFrameSize(maxFrame)
	c.framer.ReadMetaHeaders = hpack.NewDecoder(4<<10, nil)
	c.framer.MaxHeaderListSize = uint32(s.cfg.MaxHeaderBytes)
	c.patience.Store(maxPatience)
	c.begin(time.Now())
	return c
}

// run reads the connection until it ends.
func (c *conn) run() {
	defer func() {
		c.server.logPanic(recover())
		c.abandon()
		c.in.giveBack()
		_ = c.net.Close() // Nobody is left to tell.
	}()
	if c.greet() {
		c.fail(c.read())
	}
}

// read handles frames until the connection fails.
func (c *conn) read() error {
	for {
		head, err := c.framer.ReadFrameHeader()
		if err == nil {
			err = c.frame(head)
		}
		if err == nil {
			continue
		}
		fault, ok := errors.AsType[http2.StreamError](err)
		if !ok {
			return err
		}
		if err := c.waste(); err != nil {
			return err
		}
		c.reset(fault.StreamID, fault.Code)
	}
}

// fail tells the client why its connection ends, if it is to blame, and waits
// for a moment for it to hear that.
func (c *conn) fail(err error) {
	code, known := errors.AsType[http2.ConnectionError](err)
	switch {
	case errors.Is(err, http2.ErrFrameTooLarge):
		code = http2.ConnectionError(http2.ErrCodeFrameSize)
	case errors.Is(err, errHeaderBlock):
		code = http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	case !known:
		return // It has ended by itself.
	}
	limit := LimitProtocol
	if http2.ErrCode(code) == http2.ErrCodeEnhanceYourCalm {
		limit = LimitFlood
	}
	c.server.cfg.Hit(limit)
	c.mu.Lock()
	last := c.last
	c.leaving, c.hungUp = true, true
	c.mu.Unlock()
	c.abandon()
	c.out.put(func(f *http2.Framer) error { return f.WriteGoAway(last, http2.ErrCode(code), nil) })
	c.out.flush()
	c.linger()
}

// linger ends our side, unless somebody still writes to it, and waits for the
// other to end, too.
func (c *conn) linger() {
	if c.out.idle() {
		c.hangUp()
	}
	_ = c.net.SetReadDeadline(time.Now().Add(lingering))
	_, _ = io.CopyN(io.Discard, c.net, connectionWindow) // Whatever comes is of no use.
}

// hangUp ends our side. The connection is not read much longer.
func (c *conn) hangUp() {
	if half, ok := c.net.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite() // If it fails, so does reading.
	}
	_ = c.net.SetReadDeadline(time.Now().Add(lingering))
}

// cut ends the connection at once, for its reader and for who writes. Unlike
// Close it never blocks.
func (c *conn) cut() { _ = c.net.SetDeadline(time.Unix(1, 0)) }

// abandon ends all calls; nobody waits for their answers.
func (c *conn) abandon() {
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.streams {
		c.abort(s, ErrGone)
	}
}

// abort ends a call that has no answer, and its stream. A call that runs is
// told, and counts until it has ended.
func (c *conn) abort(s *stream, why error) {
	delete(c.streams, s.id)
	switch s.phase {
	case receiving:
		c.incoming--
		s.call.Abort(why)
		c.server.calls.Add(-1)
	case running:
		c.orphans++
		s.cancel()
	case answering, over:
		c.wait(s, false)
		c.server.calls.Add(-1)
	}
	s.phase = over
}

// beforeRead says what there is to say, for reading may take long, and whether
// a message is on its way. What has no hurry, such as the answer to a ping,
// goes out with that of a call, when one is due or will be; the watch sees that it
// does go out.
func (c *conn) beforeRead() (much bool) {
	c.mu.Lock()
	much, due := c.incoming > 0, c.running > 0
	c.mu.Unlock()
	if !due && !much || c.out.hurries() {
		c.settle()
	}
	return much
}

// least is how many bytes have to come before there is something to do that would
// not wait as well: before any message can be whole, as far as the client may send
// it without a word of ours, or before there is any of a call.
func (c *conn) least() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case !c.greeted || c.leaving || c.waiting > 0: // The next frame may be what we wait for.
		return 1
	case c.incoming == 0:
		return leastCall + c.server.cfg.LeastMessage
	case c.in.borrowed == nil:
		return 1
	}
	least := int64(maxBulk)
	for _, s := range c.streams {
		if s.phase == receiving {
			least = min(least, s.body.left, s.window)
		}
	}
	return int(least)
}

// settle says what there is to say, and hangs up when nothing is left: we have
// said that we go, and all calls have been answered. It may block, so c.mu is
// not held.
func (c *conn) settle() {
	c.out.flush()
	c.mu.Lock()
	for c.push() {
		c.mu.Unlock()
		c.out.flush()
		c.mu.Lock()
	}
	done := c.leaving && !c.hungUp && len(c.streams) == 0 && c.out.idle()
	c.hungUp = c.hungUp || done
	c.mu.Unlock()
	if done {
		c.hangUp()
	}
}

// goAway takes no more calls, and hangs up when those in progress are done.
func (c *conn) goAway() {
	c.mu.Lock()
	switch {
	case c.leaving:
	case !c.greeted:
		c.leaving = true
		c.cut() // Nothing was asked yet.
	default:
		c.leaving = true
		last := c.last
		c.out.put(func(f *http2.Framer) error { return f.WriteGoAway(last, http2.ErrCodeNo, nil) })
	}
	c.mu.Unlock()
	c.settle()
}

// waste counts a frame that moves nothing forward.
func (c *conn) waste() error {
	if c.patience.Add(-1) < 0 {
		return http2.ConnectionError(http2.ErrCodeEnhanceYourCalm)
	}
	return nil
}

// calm gives patience back.
func (c *conn) calm(n int32) {
	if now := c.patience.Add(n); now > maxPatience {
		c.patience.CompareAndSwap(now, maxPatience)
	}
}

// recently are the last streams that we have ended before the client had. What
// it has sent of them meanwhile is no fault.
type recently struct {
	ids []uint32
	at  int
}

func (r *recently) add(id uint32, limit int) {
	if len(r.ids) < limit {
		r.ids = append(r.ids, id)
		return
	}
	r.ids[r.at] = id
	r.at = (r.at + 1) % limit
}

func (r *recently) has(id uint32) bool { return slices.Contains(r.ids, id) }
