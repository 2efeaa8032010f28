package index

import (
	"runtime"
	"strconv"
	"testing"
	"time"
)

// heap is what is in use after everything else has been freed.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestOpenSpansAreSmall holds what OpenSpanBytes promises, for traces of each size.
func TestOpenSpansAreSmall(t *testing.T) {
	const size = 10_000
	f := func(perTrace int, orphans bool) {
		t.Helper()
		x := New(Limits{MaxTraces: 1, MaxBytes: 1 << 20, MaxOpenSpans: size, MaxGraphCells: 100})
		before := heap()
		for i := range 2 * size / perTrace {
			for s := range perTrace {
				parent := s
				if orphans {
					parent = 1000 + s
				}
				call := span(i, s+1, parent, "service", "operation", Client, time.Millisecond)
				call.Peer = strconv.AppendInt([]byte("order-7f9c"), int64(i%100), 10)
				x.AddSpan(at(i), call)
			}
		}
		open := int64(x.Stats().OpenSpans)
		each := (heap() - before) / open
		t.Logf("%d spans in each trace, orphans %v: %d bytes of heap for each that is remembered", perTrace, orphans, each)
		if open > size || open < size*9/10 {
			t.Errorf("%d open spans", open)
		}
		if each > OpenSpanBytes {
			t.Errorf("%d spans in each trace: %d bytes for each, more than %d", perTrace, each, OpenSpanBytes)
		}
		runtime.KeepAlive(x)
	}
	f(1, false)
	f(8, false)
	f(25, false)
	f(1, true)
	f(8, true)
}
