package receive

import (
	"bytes"
	"context"
	"errors"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// testLease is on a budget of its own, and must be given back.
func testLease(t testing.TB) *lease {
	t.Helper()
	l := &lease{budget: &budget{max: 1 << 30}}
	t.Cleanup(l.release)
	return l
}

func TestBudgetIsNeverExceeded(t *testing.T) {
	b := &budget{max: 1000}
	var taking sync.WaitGroup
	for range 8 {
		taking.Go(func() {
			for i := range 2000 {
				l := lease{budget: b}
				if err := l.take(int64(i%400 + 1)); err == nil && b.used.Load() > b.max {
					t.Errorf("%d bytes are in use, more than %d", b.used.Load(), b.max)
				}
				l.release()
			}
		})
	}
	taking.Wait()
	if used := b.used.Load(); used != 0 {
		t.Errorf("%d bytes are in use after all was given back", used)
	}
}

func TestLeaseTellsNowFromNever(t *testing.T) {
	b := &budget{max: 1000}
	mine, other := lease{budget: b}, lease{budget: b}
	outcomeOf := func(err error) outcome {
		if err == nil {
			return outcomeAccepted
		}
		return refusalOf(err).outcome
	}
	steps := []struct {
		name string
		got  outcome
		want outcome
	}{
		{"a part", outcomeOf(mine.take(600)), outcomeAccepted},
		{"more than is left by others", outcomeOf(other.take(500)), outcomeOverloaded},
		{"what is left by others", outcomeOf(other.take(400)), outcomeAccepted},
		{"more than there is at all", outcomeOf(mine.take(401)), outcomeTooLarge},
		{"all that there is at all", outcomeOf(mine.take(400)), outcomeOverloaded},
	}
	for _, step := range steps {
		if step.got != step.want {
			t.Errorf("%s: %s, want %s", step.name, step.got, step.want)
		}
	}
	other.release()
	if err := mine.take(400); err != nil || mine.held != 1000 {
		t.Errorf("alone: %v with %d bytes held, want all 1000", err, mine.held)
	}
	mine.release()
}

func TestBufferFillsToTheLimit(t *testing.T) {
	var pool blocks
	for _, size := range []int{0, 1, 4095, 4096, 4097, 100_000, 5 << 20} {
		l := testLease(t)
		b := buffer{blocks: &pool, lease: l}
		content := bytes.Repeat([]byte("0123456789"), size/10+1)[:size]
		if err := b.fill(bytes.NewReader(content), int64(size)); err != nil || !bytes.Equal(b.bytes(), content) {
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
		if err := b.fill(bytes.NewReader(content), int64(size-1)); err == nil || refusalOf(err).outcome != outcomeTooLarge {
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
	if err := first.fill(strings.NewReader("first"), 100); err != nil {
		t.Fatal(err)
	}
	first.free()
	second, third := buffer{blocks: &pool, lease: l}, buffer{blocks: &pool, lease: l}
	for text, b := range map[string]*buffer{"second": &second, "third": &third} {
		if err := b.fill(strings.NewReader(text), 100); err != nil {
			t.Fatal(err)
		}
	}
	if got := string(second.bytes()) + string(third.bytes()); got != "secondthird" {
		t.Errorf("buffers hold %q", got)
	}
	second.free()
	third.free()
}

func TestDecompressionIsBounded(t *testing.T) {
	const limit = 1 << 20
	zeros := make([]byte, 32<<20)
	bombs := map[string]struct {
		compression compression
		body        []byte
	}{
		"gzip":                       {gzipped, gzipOf(t, zeros)},
		"zstd":                       {zstandard, zstdOf(t, zeros)},
		"zstd without a size":        {zstandard, zstdStream(t, zeros)},
		"zstd with a window too big": {zstandard, zstdStream(t, zeros, zstd.WithWindowSize(32<<20))},
	}
	d := newDecoders(limit)
	var pool blocks
	for name, bomb := range bombs {
		t.Run(name, func(t *testing.T) {
			l := testLease(t)
			dst := buffer{blocks: &pool, lease: l}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := d.expand(t.Context(), bomb.compression, &dst, bomb.body)
			runtime.ReadMemStats(&after)
			if err == nil || refusalOf(err).outcome != outcomeTooLarge {
				t.Errorf("expand = %v, want too large", err)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 20<<20 {
				t.Errorf("%d MiB were allocated on the way", grown>>20)
			}
			if l.held > 2*limit {
				t.Errorf("%d bytes are charged, want %d at most", l.held, 2*limit)
			}
			dst.free()
		})
	}
}

func zstdStream(t testing.TB, raw []byte, options ...zstd.EOption) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zstd.NewWriter(&out, options...)
	if err != nil {
		t.Fatal(err)
	}
	// In two parts, so that the encoder cannot know the size.
	for _, part := range [][]byte{raw[:len(raw)/2], raw[len(raw)/2:]} {
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestDecodersServeOneRequestEach: a decoder that failed, or was shared, would
// give one request's bytes to another.
func TestDecodersServeOneRequestEach(t *testing.T) {
	d := newDecoders(1 << 20)
	var pool blocks
	var requests sync.WaitGroup
	for n := range 8 {
		requests.Go(func() {
			content := bytes.Repeat([]byte{byte(n), byte(n >> 1), 7}, 10_000+n)
			bodies := map[compression][]byte{gzipped: gzipOf(t, content), zstandard: zstdOf(t, content)}
			for i := range 60 {
				c := compression(i%2) + gzipped
				body := bodies[c]
				if i%7 == 6 {
					body = body[:len(body)/2]
				}
				l := lease{budget: &budget{max: 1 << 30}}
				dst := buffer{blocks: &pool, lease: &l}
				err := d.expand(t.Context(), c, &dst, body)
				if broken := i%7 == 6; broken != (err != nil) || !broken && !bytes.Equal(dst.bytes(), content) {
					t.Errorf("request %d: %d bytes, %v", i, len(dst.bytes()), err)
				}
				dst.free()
			}
		})
	}
	requests.Wait()
}

func TestExpandWaitsNoLongerThanItsContext(t *testing.T) {
	d := newDecoders(1 << 20)
	for range cap(d.slots) {
		d.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var pool blocks
	dst := buffer{blocks: &pool, lease: testLease(t)}
	if err := d.expand(ctx, gzipped, &dst, gzipOf(t, []byte("x"))); !errors.Is(err, context.Canceled) {
		t.Errorf("expand = %v, want the context's error", err)
	}
}

func TestMessageReaderWantsExactlyOne(t *testing.T) {
	tests := []struct {
		name, body string
		length     int64
		want       string
		err        error
	}{
		{"whole", "hello", 5, "hello", nil},
		{"empty", "", 0, "", nil},
		{"cut off", "hel", 5, "hel", io.ErrUnexpectedEOF},
		{"followed by another", "hello\x00", 5, "hello", &refusal{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := io.ReadAll(&message{body: strings.NewReader(test.body), left: test.length})
			_, refused := errors.AsType[*refusal](err)
			_, wantRefused := errors.AsType[*refusal](test.err)
			if string(got) != test.want || refused != wantRefused || !wantRefused && !errors.Is(err, test.err) {
				t.Errorf("read %q, %v; want %q, %v", got, err, test.want, test.err)
			}
		})
	}
}
