package file

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

const (
	// segmentSuffix ends the names of segment files.
	segmentSuffix = ".log"
	// maxOffset is beyond what a journal can reach; a file or a cursor that
	// claims to be there is none of ours.
	maxOffset = 1 << 62
)

// segment is one file of the log. A record at offset o lies at position
// o - base + 40 in it.
type segment struct {
	name string
	base journal.Offset
	disk disk
	idle *fileCount
	// found is what the file occupied when Open found it, in bytes.
	found int64
	// written says that this process writes or wrote to the file.
	written bool

	// Guarded by Journal.mu.
	size   int64              // what the file occupies
	limit  int64              // readers may read up to this position
	oldest time.Time          // of the first record, where this process knows it
	newest time.Time          // of the last record, or when the file was last written
	damage map[int64]struct{} // where the damage begins that is counted already
	failed bool               // it could not be synced

	mu   sync.Mutex
	mark uint64 // zero: not known yet
	sure bool   // mark needs no search any more
	file handle // nil: not open
	refs int
	gone bool
}

// end is the offset after what readers may read. The caller holds Journal.mu.
func (s *segment) end() journal.Offset { return s.base + journal.Offset(s.limit-fileHeader) }

// fileCount counts the segment files that are open though nobody reads them.
type fileCount struct {
	mu sync.Mutex
	n  int
}

// take says whether one more may stay open.
func (c *fileCount) take() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == maxIdleFiles {
		return false
	}
	c.n++
	return true
}

func (c *fileCount) give() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n--
}

// acquire opens the file, or shares the open one, until release.
func (s *segment) acquire() (handle, uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return nil, 0, journal.ErrGone
	}
	switch {
	case s.file == nil:
		file, err := s.disk.open(s.disk.root, s.name, os.O_RDONLY)
		if err != nil {
			return nil, 0, fmt.Errorf("open segment: %w", err)
		}
		s.file = file
	case s.refs == 0:
		s.idle.give()
	}
	s.refs++
	if !s.sure {
		s.mark, s.sure = findMark(s.file, s.base, s.found), true
	}
	return s.file, s.mark, nil
}

// release ends the use of what acquire returned.
func (s *segment) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refs--
	if s.refs == 0 && (s.gone || !s.idle.take()) {
		_ = s.file.Close()
		s.file = nil
	}
}

// close lets go of the file, at the last release where it is in use.
func (s *segment) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone = true
	if s.file != nil && s.refs == 0 {
		s.idle.give()
		_ = s.file.Close()
		s.file = nil
	}
}

// inUse says whether somebody reads the file, or holds it open for that.
func (s *segment) inUse() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refs > 0
}

// segmentName is the name of the file whose first record is at base.
func segmentName(base journal.Offset) string {
	return fmt.Sprintf("%020d%s", uint64(base), segmentSuffix)
}

// segmentBase is the reverse of segmentName.
func segmentBase(name string) (journal.Offset, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	return journal.Offset(n), err == nil && n < maxOffset && segmentName(journal.Offset(n)) == name
}
