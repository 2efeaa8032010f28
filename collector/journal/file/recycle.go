package file

import (
	"errors"
	"io/fs"
	"os"
)

// A segment that is deleted is kept as a file of another name, and the next one
// is written over it. Its pages are in memory and its blocks on the disk: writing
// to it takes the kernel a fifth of the time that a new file takes, or less. What
// is left in it of old records has another mark and other offsets than what the
// segment holds now, so it is never taken for that.
const (
	spareName = "spare"
	// recycledBytes is the least size of a segment that is worth it.
	recycledBytes = 16 << 20
)

// retire deletes a segment's file, or makes it the spare. The caller holds
// reclaiming.
func (j *Journal) retire(s *segment) error {
	j.mu.Lock()
	wanted := !j.closed && j.spareSize == 0 && s.written && s.size >= j.recycleFrom && j.bytes <= j.cfg.MaxBytes
	j.mu.Unlock()
	if !wanted || s.inUse() || j.disk.root.Rename(s.name, spareName) != nil {
		return j.disk.root.Remove(s.name)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.spareSize = s.size
	return nil
}

// takeSpare gives the spare that name, and returns its size, or zero where there
// is none.
func (j *Journal) takeSpare(name string) int64 {
	j.reclaiming.Lock()
	defer j.reclaiming.Unlock()
	size := j.spareIs(0)
	if size == 0 {
		return 0
	}
	err := j.disk.root.Rename(spareName, name)
	if err == nil && j.cfg.Sync != SyncNever { // The name of what is deleted must not come back to another's content.
		err = j.disk.syncDir(".")
	}
	if err != nil {
		_ = j.disk.root.Remove(spareName)
		return 0
	}
	return size
}

// spareIs sets the size of the spare and returns what it was.
func (j *Journal) spareIs(size int64) int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	was := j.spareSize
	j.spareSize = size
	return was
}

// makeRoom gives up the spare when it and n bytes more, in a new segment or not,
// exceed the budget.
func (j *Journal) makeRoom(n int64, rolls bool) {
	j.mu.Lock()
	if rolls && n <= j.spareSize {
		n = 0 // They lie in the spare.
	}
	crowded := j.spareSize > 0 && j.bytes+j.spareSize+n > j.cfg.MaxBytes
	j.mu.Unlock()
	if crowded {
		j.dropSpare()
	}
}

// dropSpare makes room on the disk, and says whether it did.
func (j *Journal) dropSpare() bool {
	j.reclaiming.Lock()
	defer j.reclaiming.Unlock()
	had := j.spareIs(0) > 0
	if had {
		if err := j.disk.root.Remove(spareName); err != nil {
			j.logger.Error("journal cannot delete its spare segment", "error", err)
		}
	}
	return had
}

// forgetSpare deletes what another process has left.
func (j *Journal) forgetSpare() error {
	if err := j.disk.root.Remove(spareName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// trim cuts the active segment, which is not written to any more, behind its last
// record, so that nobody has to look for records there.
func (j *Journal) trim() {
	s := j.active
	if s.size <= s.limit { // Only the committer changes them.
		return
	}
	err := s.file.Truncate(s.limit)
	if err == nil && j.cfg.Sync != SyncNever {
		err = s.file.Sync()
	}
	if err != nil {
		j.logger.Error("journal cannot cut a segment", "segment", s.name, "error", err)
		return
	}
	j.shrunk(s)
}

// shrunk notes that the active segment was cut behind its last record.
func (j *Journal) shrunk(s *segment) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bytes -= s.size - s.limit
	s.size = s.limit
}

// flags open a segment's file: a recycled one keeps its content.
func flags(recycled int64) int {
	if recycled > 0 {
		return os.O_RDWR
	}
	return os.O_RDWR | os.O_CREATE | os.O_TRUNC
}
