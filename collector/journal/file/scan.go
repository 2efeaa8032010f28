package file

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"syscall"

	"github.com/waybill-dev/waybill/collector/journal"
)

const (
	// minWindow is the least that a scanner reads ahead, in bytes.
	minWindow = 64 << 10
	// maxIdleWindow is the largest buffer that is kept whatever is wanted.
	maxIdleWindow = 8 << 20
	// block is the unit in which an unreadable stretch of a file is skipped.
	block = 4 << 10
)

// scanner walks the records of one segment through a window that it reads by
// pread. It returns only records whose mark, offset and checksum are right;
// where they are not, it goes on at the next one that is. Not safe for
// concurrent use.
type scanner struct {
	src   io.ReaderAt
	base  journal.Offset
	mark  uint64
	pos   int64 // position in the file of the next record
	limit int64 // position in the file where records end

	buf        []byte // buf[head:tail] holds the file's bytes from pos on
	head, tail int

	// damaged is told of each stretch [from, to) of the file that held no
	// intact record.
	damaged func(from, to int64)
}

// reset points the scanner to a place in a segment and forgets its window.
func (s *scanner) reset(base journal.Offset, mark uint64, pos int64) {
	s.base, s.mark, s.pos, s.limit = base, mark, pos, pos
	s.head, s.tail = 0, 0
}

// forget gives up the window and its memory.
func (s *scanner) forget() { s.buf, s.head, s.tail = nil, 0, 0 }

// offset is the journal's offset of the scanner's position.
func (s *scanner) offset() journal.Offset { return s.base + journal.Offset(s.pos-fileHeader) }

// batch returns at least one record, and as many more as the window holds whole
// up to maxBytes of payload. Payloads alias the window: they are valid until
// the next call. It ends at damage that follows a record, and returns io.EOF
// when no record is left before limit.
func (s *scanner) batch(maxBytes int) ([]journal.Record, error) {
	ahead := min(int64(max(maxBytes, 0)), s.limit-s.pos)
	if err := s.fill(ahead + ahead/16 + recordHeader); err != nil { // More would be moved to the front next time.
		return nil, err
	}
	var records []journal.Record
	for sum := 0; s.pos < s.limit; {
		if len(records) == 0 {
			if err := s.whole(); err != nil {
				return nil, err
			}
		}
		frame := s.frame()
		switch {
		case frame != nil && len(records) > 0 && sum+len(frame)-recordHeader > maxBytes:
			return records, nil
		case frame != nil && intact(frame):
			if records == nil {
				records = make([]journal.Record, 0, s.guess(len(frame)))
			}
			records = append(records, decode(frame))
			sum += len(frame) - recordHeader
			s.advance(len(frame))
		case len(records) > 0:
			return records, nil
		default:
			if err := s.resync(); err != nil {
				return nil, err
			}
		}
	}
	if len(records) == 0 {
		return nil, io.EOF
	}
	return records, nil
}

// guess is how many records the window may hold, by the size of its first.
func (s *scanner) guess(first int) int { return min(1+(s.tail-s.head)/first, 1024) }

// whole reads on until the record at pos is in the window as a whole, if there
// is a plausible one.
func (s *scanner) whole() error {
	if err := s.fill(recordHeader); err != nil {
		return err
	}
	if size := s.plausible(); size > 0 {
		return s.fill(size)
	}
	return nil
}

// plausible returns the size of the record at pos if its header belongs there
// and it ends within limit, else 0.
func (s *scanner) plausible() int64 {
	if s.mark == 0 || s.tail-s.head < recordHeader || !belongs(s.buf[s.head:], s.mark, s.offset()) {
		return 0
	}
	size := frameSize(s.buf[s.head:])
	if size > s.limit-s.pos {
		return 0
	}
	return size
}

// frame returns the record at pos if it is plausible and whole in the window.
// Its checksum is not verified.
func (s *scanner) frame() []byte {
	size := s.plausible()
	if size == 0 || size > int64(s.tail-s.head) {
		return nil
	}
	return s.buf[s.head : s.head+int(size)]
}

// resync moves to the next intact record after pos, or to limit, and reports
// what it skipped.
func (s *scanner) resync() error {
	from := s.pos
	for s.pos < s.limit {
		if err := s.seek(); err != nil {
			return err
		}
		if err := s.whole(); err != nil {
			return err
		}
		if frame := s.frame(); frame != nil && intact(frame) {
			break
		}
	}
	s.damaged(from, s.pos)
	return nil
}

// seek moves pos on by at least one byte, to the next place that has the mark
// where a header has it, or to limit.
func (s *scanner) seek() error {
	const reach = markAt + 8 // from a header's start to its mark's end
	mark := binary.LittleEndian.AppendUint64(nil, s.mark)
	for {
		if err := s.fill(markAt + reach); err != nil {
			return err
		}
		window := s.buf[s.head:s.tail]
		if len(window) <= reach || s.mark == 0 {
			s.skip()
			return nil
		}
		if i := bytes.Index(window[markAt+1:], mark); i >= 0 {
			s.advance(i + 1)
			return nil
		}
		s.advance(len(window) - reach)
	}
}

// advance passes n bytes of the window.
func (s *scanner) advance(n int) {
	s.head += n
	s.pos += int64(n)
}

// skip passes everything up to limit.
func (s *scanner) skip() {
	s.pos = s.limit
	s.head, s.tail = 0, 0
}

// fill sees to it that the window holds want bytes, or all up to limit where
// that is less. Where it must read, it reads as much as the buffer has room for,
// and what was returned from the window before is no longer valid.
func (s *scanner) fill(want int64) error {
	want = min(want, s.limit-s.pos)
	have := int64(s.tail - s.head)
	if have >= want {
		return nil
	}
	s.makeRoom(want)
	end := min(int64(len(s.buf)), s.limit-s.pos)
	if err := readDamaged(s.src, s.buf[have:end], s.pos+have); err != nil {
		return err
	}
	s.tail = int(end)
	return nil
}

// makeRoom moves the window to the front of a buffer that can hold want bytes.
// A buffer that one huge record has left is given up.
func (s *scanner) makeRoom(want int64) {
	size := int(max(want+minWindow-1, minWindow) / minWindow * minWindow)
	into := s.buf
	if int64(len(s.buf)) < want || len(s.buf) > max(4*size, maxIdleWindow) {
		into = make([]byte, size)
	}
	s.tail = copy(into, s.buf[s.head:s.tail])
	s.buf, s.head = into, 0
}

// readDamaged is ReadAt for a file that may have lost its end or have blocks
// that the disk cannot read: such bytes are zero, and the checksums tell.
func readDamaged(src io.ReaderAt, p []byte, at int64) error {
	for len(p) > 0 {
		n, err := src.ReadAt(p, at)
		if n == len(p) {
			return nil
		}
		p, at = p[n:], at+int64(n)
		switch {
		case errors.Is(err, io.EOF):
			clear(p)
			return nil
		case errors.Is(err, syscall.EIO):
			lost := min(int64(len(p)), block-at%block)
			clear(p[:lost])
			p, at = p[lost:], at+lost
		case err != nil:
			return err
		}
	}
	return nil
}
