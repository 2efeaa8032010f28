package file

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/waybill-dev/waybill/collector/journal"
)

// Open opens the journal in cfg.Dir, or begins one there. It reads the last
// segment only, whatever the journal's size; what a crash left at its end is
// cut off and logged. It fails when cfg is not valid, when another Journal has
// the directory open, when the directory cannot be read or written, and when a
// segment is of a format version from the future; never for damaged content.
func Open(cfg Config, logger *slog.Logger) (*Journal, error) {
	return open(cfg, logger, openFile)
}

func open(cfg Config, logger *slog.Logger, opener openFunc) (*Journal, error) {
	return openWith(cfg, logger, opener, recycledBytes)
}

func openWith(cfg Config, logger *slog.Logger, opener openFunc, recycleFrom int64) (*Journal, error) {
	cfg = cfg.filled()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	j := &Journal{
		cfg:         cfg,
		logger:      logger,
		meters:      newMeters(),
		recycleFrom: recycleFrom,
		idle:        &fileCount{},
		wake:        make(chan struct{}, 1),
		tick:        make(chan struct{}, 1),
		written:     make(chan struct{}, 1),
		quit:        make(chan struct{}),
		pending:     &group{},
		spare:       &group{},
		cursors:     map[string]*cursor{},
		unsynced:    unsynced{},
		readers:     map[*Reader]struct{}{},
	}
	if err := j.openDir(opener); err != nil {
		return nil, fmt.Errorf("open journal %s: %w", cfg.Dir, err)
	}
	if err := j.load(); err != nil {
		if j.active != nil {
			j.active.release()
		}
		return nil, errors.Join(fmt.Errorf("open journal %s: %w", cfg.Dir, err), j.closeFiles())
	}
	if cfg.Sync == SyncAlways {
		j.aside = newAside()
	}
	j.work.Add(2)
	go j.commitLoop()
	go j.keep()
	if cfg.Sync == SyncInterval {
		j.work.Add(1)
		go j.syncLoop()
	}
	j.reclaim(0)
	return j, nil
}

// openDir makes the directory and locks it.
func (j *Journal) openDir(opener openFunc) error {
	if err := os.MkdirAll(filepath.Join(j.cfg.Dir, cursorDir), 0o750); err != nil {
		return err
	}
	root, err := os.OpenRoot(j.cfg.Dir)
	if err != nil {
		return err
	}
	j.disk = disk{root: root, open: opener}
	if j.lock, err = takeLock(root); err != nil {
		return errors.Join(err, root.Close())
	}
	if err = errors.Join(j.disk.syncDir("."), syncParent(j.cfg.Dir)); err != nil {
		return errors.Join(err, j.lock.Close(), root.Close())
	}
	return nil
}

// syncParent makes the directory's own name durable, where its parent can be
// opened at all.
func syncParent(dir string) error {
	parent, err := os.Open(filepath.Dir(filepath.Clean(dir)))
	if errors.Is(err, fs.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(parent.Sync(), parent.Close())
}

// load finds segments and cursors and prepares the place for the next record.
func (j *Journal) load() error {
	if err := errors.Join(j.forgetSpare(), j.listSegments()); err != nil {
		return err
	}
	if err := j.loadCursors(); err != nil {
		return err
	}
	clean, err := j.recoverLast()
	if err != nil {
		return err
	}
	for _, c := range j.cursors {
		if c.next > j.end {
			j.logger.Error("journal ends before a cursor: records that were acknowledged are missing",
				"reader", c.name, "cursor", c.next, "end", j.end)
			j.end, clean = c.next, false
		}
	}
	if clean {
		return nil
	}
	if j.active != nil {
		j.active.release()
		j.active = nil
	}
	j.base = max(j.base, j.end)
	err = j.roll()
	if outOfSpace(err) { // The first append tries again; readers may make room till then.
		j.logger.Warn("journal opens on a full disk", "error", err)
		return nil
	}
	return err
}

// listSegments describes the segment files of the directory, in order, without
// reading more than their headers.
func (j *Journal) listSegments() error {
	entries, err := fs.ReadDir(j.disk.root.FS(), ".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		base, ok := segmentBase(e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		s := j.newSegment(base)
		if err := s.inspect(); err != nil {
			return fmt.Errorf("segment %s: %w", s.name, err)
		}
		j.segments = append(j.segments, s)
		j.bytes += s.size
	}
	slices.SortFunc(j.segments, func(a, b *segment) int { return cmp.Compare(a.base, b.base) })
	for i := 1; i < len(j.segments); i++ {
		if before, after := j.segments[i-1], j.segments[i]; before.end() < after.base {
			j.logger.Info("journal has a gap: a crash cut it, or a segment is missing", "from", before.end(), "to", after.base)
		}
	}
	return nil
}

// inspect learns what the segment's header and its directory entry tell.
func (s *segment) inspect() error {
	info, err := s.disk.root.Stat(s.name)
	if err != nil {
		return err
	}
	s.size, s.found = info.Size(), info.Size()
	s.limit = max(s.size, fileHeader)
	s.newest = info.ModTime()
	file, err := s.disk.open(s.disk.root, s.name, os.O_RDONLY)
	if err != nil {
		return err
	}
	s.mark, err = readHeader(file, s.base)
	s.sure = s.mark != 0
	return errors.Join(err, file.Close())
}

// recoverLast reads the last segment, cuts off what is torn and makes what is
// left durable before anybody may read it. It leaves the segment active and
// says clean if it can be appended to as it is.
func (j *Journal) recoverLast() (clean bool, err error) {
	if len(j.segments) == 0 {
		return false, nil
	}
	s := j.segments[len(j.segments)-1]
	j.end = s.base
	for i := len(j.segments) - 1; i > 0 && j.segments[i].size <= fileHeader; i-- {
		j.end = min(j.end, j.segments[i-1].end())
	}
	file, err := s.disk.open(s.disk.root, s.name, os.O_RDWR)
	if err != nil {
		return false, fmt.Errorf("open segment %s: %w", s.name, err)
	}
	s.file, s.refs, s.written = file, 1, true
	j.active = s
	clean = s.sure
	if !s.sure {
		s.mark, s.sure = findMark(file, s.base, s.size), true
	}
	tail, err := j.scanLast(s)
	if err != nil {
		return false, fmt.Errorf("read segment %s: %w", s.name, err)
	}
	s.limit = max(tail, fileHeader)
	if s.limit > fileHeader {
		j.end = s.end()
	}
	return j.settle(s, clean), nil
}

// scanLast walks a segment and returns the position after its last intact record.
func (j *Journal) scanLast(s *segment) (int64, error) {
	tail := int64(fileHeader)
	scan := scanner{src: s.file}
	scan.reset(s.base, s.mark, fileHeader)
	scan.limit = s.size
	scan.damaged = func(from, to int64) {
		if to < s.size {
			j.countDamage(s, from, to)
		}
	}
	for {
		records, err := scan.batch(groupBytes)
		if errors.Is(err, io.EOF) {
			return tail, nil
		}
		if err != nil {
			return 0, err
		}
		if tail == fileHeader {
			s.oldest = records[0].Time
		}
		s.newest = records[len(records)-1].Time
		tail = scan.pos
	}
}

// settle cuts the last segment behind its limit and syncs it. It says whether
// the segment can be appended to; where not, j.base is set beyond all that it
// ever held, so that no offset is used twice.
func (j *Journal) settle(s *segment, clean bool) bool {
	j.base = s.base + journal.Offset(max(s.size-fileHeader, 1))
	if s.size > s.limit || s.size < fileHeader {
		j.logger.Warn("journal cuts off what a crash left behind its last record", "segment", s.name, "bytes", s.size-min(s.size, s.limit))
		j.meters.torn(s.size - min(s.size, s.limit))
		clean = false
		if s.size > s.limit {
			if err := s.file.Truncate(s.limit); err != nil {
				j.logger.Error("journal cannot cut a segment", "segment", s.name, "error", err)
			} else {
				j.bytes -= s.size - s.limit
				s.size = s.limit
			}
		}
	}
	if err := s.file.Sync(); err != nil {
		j.logger.Error("journal cannot sync its last segment; the next record begins a new one", "segment", s.name, "error", err)
		clean = false
	}
	return clean && s.limit < j.cfg.SegmentBytes
}

// loadCursors reads the cursor files. A damaged one sends its reader back to
// the oldest record.
func (j *Journal) loadCursors() error {
	entries, err := fs.ReadDir(j.disk.root.FS(), cursorDir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !validName(e.Name()) {
			j.logger.Warn("journal ignores what is no cursor", "name", e.Name())
			continue
		}
		c, err := openCursor(j.disk, e.Name())
		switch {
		case errors.Is(err, errCursorDamaged):
			j.logger.Error("journal sends a reader back to the oldest record: its cursor file is damaged", "reader", e.Name())
		case err != nil:
			return fmt.Errorf("reader %q: %w", e.Name(), err)
		}
		if len(j.segments) > 0 {
			c.next = max(c.next, j.segments[0].base)
		}
		j.cursors[c.name] = c
	}
	return nil
}
