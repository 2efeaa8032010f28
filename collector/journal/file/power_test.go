package file

import (
	"bytes"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/waybill-dev/waybill/collector/journal"
)

// sector is the unit that a disk writes whole, in bytes.
const sector = 512

// volatileDisk remembers what each file had when it was last synced, and loses
// its power after a number of operations: from then on everything fails.
type volatileDisk struct {
	mu     sync.Mutex
	left   int
	named  map[string]bool // names that are durable
	synced map[string][]byte
	cached map[string][]byte // what the page cache has
}

func (d *volatileDisk) open(root *os.Root, name string, flag int) (handle, error) {
	file, err := openFile(root, name, flag)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	switch _, known := d.cached[name]; {
	case d.left == 0:
	case flag&os.O_CREATE != 0:
		d.cached[name] = nil
	case flag&os.O_RDWR != 0 && !known: // It was renamed. Its content is durable; the old name may be, too.
		content, err := os.ReadFile(filepath.Join(root.Name(), name))
		if err != nil {
			return nil, err
		}
		d.cached[name], d.synced[name] = content, bytes.Clone(content)
	}
	return &volatileFile{handle: file, disk: d, name: name}, nil
}

type volatileFile struct {
	handle
	disk *volatileDisk
	name string
}

// spend uses up one operation. The caller holds mu.
func (d *volatileDisk) spend() error {
	if d.left == 0 {
		return syscall.EIO
	}
	d.left--
	return nil
}

func (f *volatileFile) WriteAt(p []byte, at int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	b := f.disk.cached[f.name]
	if grow := int(at) + len(p) - len(b); grow > 0 && f.disk.left > 0 {
		b = append(b, make([]byte, grow)...)
	}
	if err := f.disk.spend(); err != nil {
		return 0, err
	}
	copy(b[at:], p)
	f.disk.cached[f.name] = b
	return f.handle.WriteAt(p, at)
}

func (f *volatileFile) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.spend(); err != nil {
		return err
	}
	f.disk.cached[f.name] = f.disk.cached[f.name][:size]
	return f.handle.Truncate(size)
}

func (f *volatileFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.spend(); err != nil {
		return err
	}
	if b, ok := f.disk.cached[f.name]; ok {
		f.disk.synced[f.name] = bytes.Clone(b)
		return nil
	}
	for name := range f.disk.cached { // f is a directory.
		f.disk.named[name] = f.disk.named[name] || path.Dir(name) == f.name
	}
	return nil
}

// survive writes to dir what the power cut leaves: of what was not synced, each
// sector may have reached the disk or not, and so may the size of the file.
func (d *volatileDisk) survive(t *testing.T, dir string, random *rand.Rand) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, cursorDir), 0o700); err != nil {
		t.Fatal(err)
	}
	for name := range maps.Keys(d.cached) {
		if !d.named[name] && random.IntN(2) == 0 {
			continue
		}
		b := d.synced[name]
		if random.IntN(4) > 0 {
			b = mix(b, d.cached[name], random)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// mix takes each sector from one of two versions of a file, or leaves it zero
// where the older one does not have it.
func mix(older, newer []byte, random *rand.Rand) []byte {
	b := make([]byte, max(len(older), len(newer)))
	copy(b, older)
	for at := 0; at < len(newer); at += sector {
		if random.IntN(2) == 0 {
			copy(b[at:], newer[at:min(at+sector, len(newer))])
		}
	}
	if len(newer) > len(older) && random.IntN(2) == 0 {
		b = b[:len(older)+random.IntN(len(newer)-len(older))]
	}
	return b
}

// TestPowerCut cuts the power at every moment of a busy journal's life: what was
// acknowledged is there afterwards, and no cursor is past what was committed.
func TestPowerCut(t *testing.T) {
	for left := 5; left < 250; left += 4 {
		d := &volatileDisk{left: left, named: map[string]bool{}, synced: map[string][]byte{}, cached: map[string][]byte{}}
		random := rand.New(rand.NewPCG(1, uint64(left)))
		cfg := testConfig(t)
		cfg.Sync = SyncAlways
		acked, committed := liveUntilCut(t, cfg, d, recycledBytes)

		cfg.Dir = t.TempDir()
		d.survive(t, cfg.Dir, random)
		j := mustOpen(t, cfg)
		found := map[int]bool{}
		for _, n := range held(t, j, "") {
			found[n] = true
		}
		for n, off := range acked {
			if !found[n] {
				t.Fatalf("power cut after %d operations: record %d was acknowledged and is lost", left, n)
			}
			if record, err := j.At(off); err != nil || int(record.Items) != n {
				t.Fatalf("power cut after %d operations: at %d: record %d, %v, want %d", left, off, record.Items, err, n)
			}
		}
		if cursor := j.Stats().Cursors["reader"]; cursor > committed {
			t.Fatalf("power cut after %d operations: the cursor is at %d, only %d was committed", left, cursor, committed)
		}
		if off := mustAppend(t, j, 1_000_000, 1_000_001, 60)[0]; off < j.Stats().Cursors["reader"] {
			t.Fatalf("power cut after %d operations: a new record is before a cursor", left)
		}
		mustClose(t, j)
	}
}

// liveUntilCut appends from three sides and commits until the power is cut. It
// returns what was acknowledged, and the last cursor that was committed or tried.
func liveUntilCut(t *testing.T, cfg Config, d *volatileDisk, recycleFrom int64) (acked map[int]journal.Offset, committed journal.Offset) {
	t.Helper()
	acked = map[int]journal.Offset{}
	j, err := openWith(cfg, slog.New(slog.DiscardHandler), d.open, recycleFrom)
	if err != nil {
		return acked, 0
	}
	defer func() { _ = j.Close() }() // Fails: there is no power.
	var mu sync.Mutex
	var group sync.WaitGroup
	for a := range 3 {
		group.Go(func() {
			for n := a; ; n += 3 {
				off, err := j.Append(t.Context(), journal.Traces, uint32(n), text(n, n*97%900))
				if err != nil {
					return
				}
				mu.Lock()
				acked[n] = off
				mu.Unlock()
			}
		})
	}
	if r, err := j.Reader("reader"); err == nil {
		for ; err == nil && d.alive(); runtime.Gosched() {
			committed = j.Stats().End
			err = r.Commit(committed)
		}
	}
	group.Wait()
	return acked, committed
}

func (d *volatileDisk) alive() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.left > 0
}
