package receive

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

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
