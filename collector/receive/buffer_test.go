package receive

import (
	"bytes"
	"strings"
	"testing"
)

func TestBufferFillsToTheLimit(t *testing.T) {
	var pool blocks
	for _, size := range []int{0, 1, 4095, 4096, 4097, 100_000, 5 << 20} {
		l := testLease(t)
		b := buffer{blocks: &pool, lease: l}
		content := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
		if err := b.fill(bytes.NewReader(content), int64(size), 2); err != nil || !bytes.Equal(b.bytes(), content) {
			t.Errorf("%d bytes: read %d, %v", size, len(b.bytes()), err)
		}
		if l.held != int64(b.room()) {
			t.Errorf("%d bytes: %d charged for a buffer of %d", size, l.held, b.room())
		}
		if limit := int64(blockSize(size + 1)); l.held > limit {
			t.Errorf("%d bytes: %d charged, want %d at most", size, l.held, limit)
		}
		b.free()
		if size == 0 {
			continue
		}
		if err := b.fill(bytes.NewReader(content), int64(size-1), 2); err == nil || refusalOf(err).outcome != outcomeTooLarge {
			t.Errorf("%d bytes into %d: %v, want too large", size, size-1, err)
		}
		b.free()
		if l.held != 0 {
			t.Errorf("%d bytes: %d still charged after free", size, l.held)
		}
	}
}

func TestBuffersShareNothing(t *testing.T) {
	var pool blocks
	l := testLease(t)
	first := buffer{blocks: &pool, lease: l}
	if err := first.fill(strings.NewReader("first"), 100, 2); err != nil {
		t.Fatal(err)
	}
	first.free()
	second, third := buffer{blocks: &pool, lease: l}, buffer{blocks: &pool, lease: l}
	for text, b := range map[string]*buffer{"second": &second, "third": &third} {
		if err := b.fill(strings.NewReader(text), 100, 2); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(second.bytes()) + string(third.bytes()); got != "secondthird" {
		t.Errorf("buffers hold %q", got)
	}
	second.free()
	third.free()
}
