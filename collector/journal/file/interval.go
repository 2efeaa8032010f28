package file

import (
	"errors"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// unsynced are the segments that have records which are not known to be on stable
// storage yet, and how many.
type unsynced map[*segment]int

// note that n records were written to the active segment. The caller holds mu.
func (j *Journal) note(s *segment, n int) {
	if j.cfg.Sync == SyncInterval {
		j.unsynced[s] += n
		poke(j.written)
	}
}

// syncLoop makes durable what SyncInterval has acknowledged, when it is that old.
// It sleeps while nothing is written.
func (j *Journal) syncLoop() {
	defer j.work.Done()
	timer := time.NewTimer(j.cfg.SyncInterval)
	defer timer.Stop()
	for {
		select {
		case <-j.written:
		case <-j.quit: // Close syncs.
			return
		}
		timer.Reset(j.cfg.SyncInterval)
		select {
		case <-timer.C:
		case <-j.quit:
			return
		}
		j.syncUnsynced()
	}
}

// syncUnsynced syncs beside the committer, which goes on writing.
func (j *Journal) syncUnsynced() {
	j.mu.Lock()
	all := j.unsynced
	j.unsynced = unsynced{}
	j.mu.Unlock()
	for s, records := range all {
		err := j.syncSegment(s)
		if err == nil || errors.Is(err, journal.ErrGone) { // Every reader has passed what is gone.
			continue
		}
		j.meters.failed.Add(uint64(records))
		j.logger.Error("journal cannot sync what it has acknowledged; it may be lost when the machine goes down",
			"segment", s.name, "records", records, "error", err)
		j.mu.Lock()
		s.failed = true
		j.mu.Unlock()
	}
}

func (j *Journal) syncSegment(s *segment) error {
	file, _, err := s.acquire()
	if err != nil {
		return err
	}
	defer s.release()
	return j.timedSync(file, nil)
}

// timedSync syncs a segment, aside where that is wanted and possible.
func (j *Journal) timedSync(file handle, a *aside) error {
	began := time.Now()
	err := syncFile(file, a)
	j.meters.sync.Observe(time.Since(began).Seconds())
	return err
}

func syncFile(file handle, a *aside) error {
	if f, ok := file.(osFile); ok {
		if tried, err := a.sync(f.File); tried {
			return err
		}
	}
	return file.Sync()
}

// leaveFailed closes the active segment for writing when it could not be synced:
// another sync of it would prove nothing.
func (j *Journal) leaveFailed() {
	if j.active == nil {
		return
	}
	j.mu.Lock()
	failed, end := j.active.failed, j.active.limit
	j.mu.Unlock()
	if failed {
		j.abandon(end)
	}
}
