package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/waybill-dev/waybill/collector/journal"
)

// At implements journal.Journal. Where no intact record starts at off, be it
// deleted, damaged or never written, the error is journal.ErrGone.
func (j *Journal) At(off journal.Offset) (journal.Record, error) {
	var buf []byte
	return j.AtInto(off, &buf)
}

// AtInto implements journal.Journal.
func (j *Journal) AtInto(off journal.Offset, buf *[]byte) (journal.Record, error) {
	record, err := j.at(off, buf)
	if err != nil {
		return journal.Record{}, fmt.Errorf("record at %d: %w", off, err)
	}
	return record, nil
}

func (j *Journal) at(off journal.Offset, buf *[]byte) (journal.Record, error) {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return journal.Record{}, journal.ErrClosed
	}
	s, limit := j.find(off)
	j.mu.Unlock()
	if s == nil || off < s.base {
		return journal.Record{}, journal.ErrGone
	}
	pos := int64(off-s.base) + fileHeader
	file, mark, err := s.acquire()
	switch {
	case err == nil:
		defer s.release()
	case j.isClosed():
		return journal.Record{}, journal.ErrClosed
	case errors.Is(err, fs.ErrNotExist):
		return journal.Record{}, journal.ErrGone
	default:
		return journal.Record{}, err
	}
	return readRecord(file, mark, off, span{pos, limit}, buf)
}

// find returns the segment that holds off, or the first one after it, and the
// limit up to which it may be read; nil where nothing is there yet. The caller
// holds mu.
func (j *Journal) find(off journal.Offset) (*segment, int64) {
	i, exact := slices.BinarySearchFunc(j.segments, off, func(s *segment, off journal.Offset) int {
		switch {
		case s.base < off:
			return -1
		case s.base > off:
			return 1
		}
		return 0
	})
	if !exact && i > 0 {
		i--
	}
	for ; i < len(j.segments); i++ {
		if s := j.segments[i]; s.end() > off {
			return s, s.limit
		}
	}
	return nil, 0
}

// span is from where a record begins in a file to where records end.
type span struct{ pos, limit int64 }

// readRecord reads the one record that starts at off, which is at in.pos in file.
func readRecord(file io.ReaderAt, mark uint64, off journal.Offset, in span, buf *[]byte) (journal.Record, error) {
	var none journal.Record
	if in.pos+recordHeader > in.limit {
		return none, journal.ErrGone
	}
	header := room(buf, recordHeader)
	if err := readDamaged(file, header, in.pos); err != nil {
		return none, err
	}
	size := frameSize(header)
	if !belongs(header, mark, off) || size > in.limit-in.pos {
		return none, journal.ErrGone
	}
	frame := room(buf, int(size))
	if err := readDamaged(file, frame[recordHeader:], in.pos+recordHeader); err != nil {
		return none, err
	}
	if !intact(frame) {
		return none, journal.ErrGone
	}
	return decode(frame), nil
}

// room is the first bytes of a buffer that is made long enough. What is
// in it stays.
func room(buf *[]byte, size int) []byte {
	if cap(*buf) < size {
		grown := make([]byte, size)
		copy(grown, *buf)
		*buf = grown
	}
	*buf = (*buf)[:size]
	return *buf
}
