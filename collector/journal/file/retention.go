package file

import (
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// ageSteps is how finely MaxAge is kept: a segment spans at most this part of it.
const ageSteps = 8

// passed is the offset before which no named reader needs anything. Without
// named readers nobody needs anything, and named is false. The caller holds mu.
func (j *Journal) passed() (off journal.Offset, named bool) {
	off = ^journal.Offset(0)
	for _, c := range j.cursors {
		off = min(off, c.next)
	}
	return off, len(j.cursors) > 0
}

// deletable says whether the oldest segment may go: it is not the newest, which
// may be written to, and every named reader has passed it. The caller holds mu.
func (j *Journal) deletable() bool {
	if len(j.segments) < 2 {
		return false
	}
	passed, _ := j.passed()
	return j.segments[0].end() <= passed || j.segments[1].base <= passed
}

// reclaim deletes the segments that retention wants gone: every segment that
// may go, where nothing is retained; those that are too old; and as many as it
// takes to fit need more bytes into the budget.
func (j *Journal) reclaim(need int64) {
	now := time.Now()
	j.remove(func(bytes int64, oldest *segment) bool {
		_, named := j.passed()
		return named && !j.cfg.Retain ||
			j.cfg.MaxAge > 0 && now.Sub(oldest.newest) > j.cfg.MaxAge ||
			bytes+need > j.cfg.MaxBytes
	})
}

// reclaimOne deletes the oldest segment if it may go, and says whether it did.
// A disk that is full sooner than the budget takes retained segments this way.
func (j *Journal) reclaimOne() bool {
	if j.dropSpare() {
		return true
	}
	first := true
	n := j.remove(func(int64, *segment) bool {
		one := first
		first = false
		return one
	})
	return n > 0
}

// remove deletes segments, the oldest first, for as long as they may go and
// are unwanted, which it asks under mu, with the bytes that would stay. It
// returns when the space is free, with the number of deleted files.
func (j *Journal) remove(unwanted func(bytes int64, oldest *segment) bool) int {
	j.reclaiming.Lock()
	defer j.reclaiming.Unlock()

	j.mu.Lock()
	var doomed []*segment
	for bytes := j.bytes; !j.closed && j.deletable() && unwanted(bytes, j.segments[0]); {
		bytes -= j.segments[0].size
		doomed = append(doomed, j.segments[0])
		j.segments[0] = nil
		j.segments = j.segments[1:]
	}
	j.mu.Unlock()

	n := 0
	for _, s := range doomed {
		s.close()
		if err := j.retire(s); err != nil {
			j.logger.Error("journal cannot delete a segment; its bytes stay counted", "segment", s.name, "error", err)
			continue
		}
		n++
		j.mu.Lock()
		j.bytes -= s.size
		j.mu.Unlock()
	}
	return n
}

// expire lets MaxAge have its way. The active segment is closed for writing
// once it spans a part of MaxAge, so that it can be deleted in time.
func (j *Journal) expire() {
	s := j.active
	if s != nil && s.limit > fileHeader && time.Since(s.oldest) > j.cfg.MaxAge/ageSteps && j.left() >= fileHeader {
		if err := j.roll(); err != nil {
			j.logger.Error("journal cannot begin a segment", "error", err)
		}
	}
	j.reclaim(0)
}
