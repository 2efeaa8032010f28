package unary

import (
	"errors"
	"io"
	"sync"
	"sync/atomic"
)

const (
	// smallRead is the buffer that every connection has, in bytes, and largeRead
	// the one that it gets while a message comes.
	smallRead = 4 << 10
	largeRead = 64 << 10
	// maxLarge bounds how many connections of a server have a large one at once.
	// The others read in small pieces, so that clients that begin a message and
	// stall bind no more memory than this.
	maxLarge = 256
	// maxBulk is how much of a message may wait in the kernel until it is read, in
	// bytes: that much is read at once without being woken in between. It is well
	// below what a client may always send on a connection.
	maxBulk = 256 << 10
	// leastCall is what there is at least of a call without a message, in bytes:
	// headers and data have 9 each before anything is in them, headers have six
	// fields, and data begin with a prefix.
	leastCall = 9 + 6 + 9 + messagePrefix
)

// large are the large buffers of a server. They are used again.
type large struct {
	pool sync.Pool
	held atomic.Int32
}

// get returns nil when there are too many.
func (l *large) get() *[largeRead]byte {
	if l.held.Add(1) > maxLarge {
		l.held.Add(-1)
		return nil
	}
	if pooled, ok := l.pool.Get().(*[largeRead]byte); ok {
		return pooled
	}
	return new([largeRead]byte)
}

func (l *large) put(used *[largeRead]byte) {
	l.held.Add(-1)
	l.pool.Put(used)
}

// errHeaderBlock is a header block that goes on and on.
var errHeaderBlock = errors.New("the header block is too long")

// input reads a connection in pieces that are as large as what is to come. One
// goroutine uses it.
type input struct {
	from  io.Reader
	large *large
	// before is called before each read, which may block. It says whether much
	// is about to come.
	before func() bool
	reads  atomic.Uint32 // so far, for who wants to know whether there are any

	small    []byte
	borrowed *[largeRead]byte // nil when small is in use
	rest     []byte           // of the last read
	err      error            // of the last read, due when rest is empty
	// limit is what may still be consumed; negative for no limit.
	limit int
}

func newInput(from io.Reader, l *large, before func() bool) *input {
	return &input{from: from, large: l, before: before, small: make([]byte, smallRead), limit: -1}
}

// next returns the next bytes, one at least and n at most. They are valid until
// the next call.
func (in *input) next(n int) ([]byte, error) {
	if in.limit >= 0 {
		if in.limit == 0 {
			return nil, errHeaderBlock
		}
		n = min(n, in.limit)
	}
	for len(in.rest) == 0 {
		if err := in.fill(); err != nil {
			return nil, err
		}
	}
	n = min(n, len(in.rest))
	out := in.rest[:n:n]
	in.rest = in.rest[n:]
	if in.limit > 0 {
		in.limit -= n
	}
	return out, nil
}

// Read implements io.Reader.
func (in *input) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	got, err := in.next(len(p))
	return copy(p, got), err
}

// skip drops n bytes.
func (in *input) skip(n int) error {
	for n > 0 {
		got, err := in.next(n)
		if err != nil {
			return err
		}
		n -= len(got)
	}
	return nil
}

// fill reads once.
func (in *input) fill() error {
	if in.err != nil {
		return in.err
	}
	buf := in.buffer(in.before())
	n, err := in.from.Read(buf)
	in.reads.Add(1)
	in.rest, in.err = buf[:n], err
	if n == 0 {
		return err
	}
	return nil
}

// buffer is the one to read into. Nothing of the last read is left.
func (in *input) buffer(much bool) []byte {
	switch {
	case !much:
		in.giveBack()
	case in.borrowed == nil:
		in.borrowed = in.large.get()
	}
	if in.borrowed != nil {
		return in.borrowed[:]
	}
	return in.small
}

// giveBack returns the large buffer, if there is one.
func (in *input) giveBack() {
	if in.borrowed != nil {
		in.large.put(in.borrowed)
		in.borrowed, in.rest = nil, nil
	}
}
