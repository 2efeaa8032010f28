//go:build amd64 || arm64

package file

import (
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"
)

func newTestAside(t *testing.T) *aside {
	t.Helper()
	a := newAside()
	if a == nil {
		t.Skip("the kernel does not let us sync aside")
	}
	t.Cleanup(a.close)
	return a
}

func writtenFile(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if _, err := f.WriteAt(make([]byte, 64<<10), 0); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestAsideLayout: the kernel's structures have these sizes and places.
func TestAsideLayout(t *testing.T) {
	var cb iocb
	if unsafe.Sizeof(cb) != 64 || unsafe.Offsetof(cb.opcode) != 16 || unsafe.Offsetof(cb.fd) != 20 ||
		unsafe.Offsetof(cb.flags) != 56 || unsafe.Offsetof(cb.signalFD) != 60 {
		t.Errorf("iocb has another layout: %d bytes", unsafe.Sizeof(cb))
	}
	if e := (ioEvent{}); unsafe.Sizeof(e) != 32 || unsafe.Offsetof(e.result) != 16 {
		t.Errorf("ioEvent has another layout: %d bytes", unsafe.Sizeof(e))
	}
}

// TestAsideSyncs: one after the other, and of those who come at once at least one.
func TestAsideSyncs(t *testing.T) {
	a, f := newTestAside(t), writtenFile(t)
	for n := range 20 {
		if _, err := f.WriteAt([]byte{byte(n)}, int64(n)<<10); err != nil {
			t.Fatal(err)
		}
		if tried, err := a.sync(f); !tried || err != nil {
			t.Fatalf("sync %d: tried %t, %v", n, tried, err)
		}
	}
	var done atomic.Int32
	var syncing sync.WaitGroup
	for range 4 {
		syncing.Go(func() {
			tried, err := a.sync(f)
			if err != nil {
				t.Error(err)
			}
			if tried {
				done.Add(1)
			}
		})
	}
	syncing.Wait()
	if done.Load() == 0 {
		t.Error("nobody's sync was done")
	}
}

// TestAsideWithoutSleep: a sync is waited for although the eventfd is of no use.
func TestAsideWithoutSleep(t *testing.T) {
	a, f := newTestAside(t), writtenFile(t)
	if err := a.signal.Close(); err != nil {
		t.Fatal(err)
	}
	spare, err := os.Open(os.DevNull) // So that the number is that of no eventfd.
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = spare.Close() }()
	a.request.flags = 0
	if tried, err := a.sync(f); !tried || err != nil {
		t.Errorf("tried %t, %v", tried, err)
	}
}

// TestAsideRefused: what the kernel cannot sync is left to others, and so is all
// that comes after.
func TestAsideRefused(t *testing.T) {
	a, f := newTestAside(t), writtenFile(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = r.Close(), w.Close() }()
	for _, file := range []*os.File{w, f} {
		if tried, err := a.sync(file); tried || err != nil {
			t.Errorf("tried %t, %v", tried, err)
		}
	}
	if tried, _ := (*aside)(nil).sync(f); tried {
		t.Error("where there is none, it was tried")
	}
}

// TestJournalSyncsAside: the journal has it, as long as it is open.
func TestJournalSyncsAside(t *testing.T) {
	newTestAside(t)
	cfg := testConfig(t)
	cfg.Sync = SyncAlways
	j := mustOpen(t, cfg)
	mustAppend(t, j, 0, 10, 1000)
	if j.aside == nil || j.aside.unfit || j.aside.result.result != 0 {
		t.Errorf("the journal has not synced aside: %+v", j.aside)
	}
	mustClose(t, j)
}
