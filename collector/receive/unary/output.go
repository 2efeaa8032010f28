package unary

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	// maxQueue is how much may be waiting to be written when the content of an
	// answer is added, in bytes; maxBacklog is how much of everything else.
	maxQueue   = 128 << 10
	maxBacklog = 1 << 20
	// keptOutput is the largest buffer that is kept while there is nothing to
	// write.
	keptOutput = 16 << 10
)

var errBacklog = errors.New("the client does not read what it is told")

// output collects frames and writes them together. It is safe for concurrent
// use, except that header blocks have an order, see headers.
type output struct {
	conn net.Conn

	mu     sync.Mutex
	framer *http2.Framer // appends to frames
	frames []byte        // to be written
	soon   bool          // not just with the next answer
	spare  []byte        // what frames was before, for the next turn
	table  *hpack.Encoder
	block  bytes.Buffer // the last header block
	// writing is since when somebody writes; zero when nobody does. Whoever
	// comes meanwhile leaves its frames to them.
	writing time.Time
	err     error // the connection's end
}

func newOutput(conn net.Conn) *output {
	o := &output{conn: conn}
	o.framer = http2.NewFramer(appender{o}, nil)
	o.table = hpack.NewEncoder(&o.block)
	return o
}

// appender is what the framer writes to.
type appender struct{ *output }

// Write implements io.Writer. It never fails: what is too much ends in put.
func (a appender) Write(p []byte) (int, error) {
	a.frames = append(a.frames, p...)
	return len(p), nil
}

// put adds frames. flush, or who is writing now, writes them.
func (o *output) put(frames func(*http2.Framer) error) { o.add(true, frames) }

// later adds frames that may as well go out with the next answer.
func (o *output) later(frames func(*http2.Framer) error) { o.add(false, frames) }

func (o *output) add(soon bool, frames func(*http2.Framer) error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return
	}
	o.soon = o.soon || soon
	if err := frames(o.framer); err != nil {
		o.err = err
	}
	if len(o.frames) > maxBacklog {
		o.err = errBacklog
	}
}

// headers adds a header block. Blocks are decoded in the order in which they
// are written, whatever stream they are for.
func (o *output) headers(id uint32, end bool, fields ...hpack.HeaderField) {
	o.put(func(f *http2.Framer) error {
		o.block.Reset()
		for _, field := range fields {
			if err := o.table.WriteField(field); err != nil {
				return err
			}
		}
		return f.WriteHeaders(http2.HeadersFrameParam{
			StreamID: id, BlockFragment: o.block.Bytes(), EndStream: end, EndHeaders: true,
		})
	})
}

// limitTable obeys the client's SETTINGS_HEADER_TABLE_SIZE, in bytes.
func (o *output) limitTable(size uint32) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.table.SetMaxDynamicTableSizeLimit(size)
}

// flush writes what there is, unless somebody is at it already. It blocks for
// as long as the client does not read.
func (o *output) flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.writing.IsZero() || len(o.frames) == 0 {
		return
	}
	o.writing = time.Now()
	for len(o.frames) > 0 && o.err == nil {
		o.writeOnce()
	}
	o.writing = time.Time{}
	if cap(o.spare) > keptOutput {
		o.spare = nil
	}
}

// writeOnce lets go of the mutex while it writes.
func (o *output) writeOnce() {
	now := o.frames
	o.frames, o.spare, o.soon = o.spare[:0], nil, false
	o.mu.Unlock()
	_, err := o.conn.Write(now)
	o.mu.Lock()
	o.spare, o.writing = now, time.Now()
	if err != nil {
		o.err = err
	}
}

// pending is how much waits to be written, in bytes.
func (o *output) pending() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.frames)
}

// hurries says whether something shall be written soon.
func (o *output) hurries() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.soon
}

// idle says whether all that there was to say has been written, or never will
// be.
func (o *output) idle() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err != nil || o.writing.IsZero() && len(o.frames) == 0
}

// unread says whether the client does not read: for so long, or so much.
func (o *output) unread(now time.Time, patience time.Duration) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return errors.Is(o.err, errBacklog) || !o.writing.IsZero() && now.Sub(o.writing) > patience
}

// broken says whether nothing can be written any more.
func (o *output) broken() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err != nil
}
