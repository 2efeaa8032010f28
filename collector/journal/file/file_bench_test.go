package file

import (
	"fmt"
	"testing"

	"github.com/waybill-dev/waybill/collector/journal"
)

// benchSizes are payloads of one small export, a usual batch and a large one.
func benchSizes() []int { return []int{1 << 10, 16 << 10, 256 << 10} }

// benchConfig lets the oldest segments go, so that a benchmark never fills it.
func benchConfig(b *testing.B, mode SyncMode) Config {
	return Config{Dir: b.TempDir(), MaxBytes: 512 << 20, SegmentBytes: 64 << 20, Sync: mode}
}

func BenchmarkAppend(b *testing.B) {
	for _, mode := range []SyncMode{SyncNever, SyncInterval, SyncAlways} {
		for _, parallel := range []int{1, 8} {
			for _, size := range benchSizes() {
				b.Run(fmt.Sprintf("sync=%s/appenders=%d/bytes=%d", mode, parallel, size), func(b *testing.B) {
					j := mustOpen(b, benchConfig(b, mode))
					benchAppend(b, j, parallel, text(1, size))
				})
			}
		}
	}
}

func benchAppend(b *testing.B, j *Journal, parallel int, payload []byte) {
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	if parallel == 1 {
		for b.Loop() {
			if _, err := j.Append(b.Context(), journal.Traces, 1, payload); err != nil {
				b.Fatal(err)
			}
		}
		return
	}
	b.SetParallelism(parallel / 2) // Times GOMAXPROCS, which is two where this is measured.
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := j.Append(b.Context(), journal.Traces, 1, payload); err != nil {
				b.Error(err)
				return
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	for _, size := range benchSizes() {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			j := mustOpen(b, benchConfig(b, SyncNever))
			n := (64 << 20) / size
			for range n {
				if _, err := j.Append(b.Context(), journal.Traces, 1, text(1, size)); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			for done := 0; done < b.N; {
				done += benchRead(b, j, min(n, b.N-done))
			}
		})
	}
}

// benchRead reads n records from the oldest on and returns how many it got.
func benchRead(b *testing.B, j *Journal, n int) int {
	r, err := j.Reader("")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	got := 0
	for got < n {
		records, err := r.Next(b.Context(), 1<<20)
		if err != nil {
			b.Fatal(err)
		}
		got += len(records)
	}
	return got
}

func BenchmarkAt(b *testing.B) {
	for _, size := range benchSizes() {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			j := mustOpen(b, benchConfig(b, SyncNever))
			var offsets []journal.Offset
			for range 64 {
				off, err := j.Append(b.Context(), journal.Traces, 1, text(1, size))
				if err != nil {
					b.Fatal(err)
				}
				offsets = append(offsets, off)
			}
			var buf []byte
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				if _, err := j.AtInto(offsets[n%len(offsets)], &buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkCommit(b *testing.B) {
	j := mustOpen(b, benchConfig(b, SyncAlways))
	if _, err := j.Append(b.Context(), journal.Traces, 1, make([]byte, 8<<20)); err != nil {
		b.Fatal(err)
	}
	r, err := j.Reader("bench")
	if err != nil {
		b.Fatal(err)
	}
	end := j.Stats().End
	b.ReportAllocs()
	for next := journal.Offset(1); b.Loop(); next++ {
		if err := r.Commit(min(next, end)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen opens a journal whose last segment holds 32 MiB.
func BenchmarkOpen(b *testing.B) {
	cfg := benchConfig(b, SyncNever)
	j := mustOpen(b, cfg)
	for range 32 << 6 {
		if _, err := j.Append(b.Context(), journal.Traces, 1, text(1, 16<<10)); err != nil {
			b.Fatal(err)
		}
	}
	mustClose(b, j)
	b.SetBytes(32 << 20)
	for b.Loop() {
		mustClose(b, mustOpen(b, cfg))
	}
}
