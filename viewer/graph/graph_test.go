package graph

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestWindowSumsTheMinutesInIt(t *testing.T) {
	g := New(100)
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	call := Key{From: "gateway", To: "order", Type: Call}
	for i := range 10 {
		g.Count(call, noon.Add(time.Duration(i)*time.Minute), 10*time.Millisecond, i == 9)
	}
	f := func(from, to time.Duration, calls, errors uint64, since time.Duration) {
		t.Helper()
		edges, began := g.Window(noon.Add(from), noon.Add(to))
		if len(edges) != 1 || edges[0].Key != call {
			t.Fatalf("window %v..%v: got %d edges", from, to, len(edges))
		}
		if diff := cmp.Diff([]uint64{calls, errors}, []uint64{edges[0].Calls, edges[0].Errors}); diff != "" {
			t.Errorf("window %v..%v: calls and errors (-want +got):\n%s", from, to, diff)
		}
		if want := noon.Add(since); !began.Equal(want) {
			t.Errorf("window %v..%v: since %v, want %v", from, to, began, want)
		}
	}
	f(0, 20*time.Minute, 10, 1, 0)
	f(-time.Hour, 20*time.Minute, 10, 1, 0)
	f(2*time.Minute+30*time.Second, 4*time.Minute, 3, 0, 150*time.Second)
}

func TestTheOldestMinuteGoesWhenFull(t *testing.T) {
	g := New(2)
	start := time.Unix(6000, 0)
	for i := range 3 {
		g.Count(Key{To: "a"}, start.Add(time.Duration(i)*time.Minute), 0, false)
	}
	edges, _ := g.Window(start, start.Add(time.Hour))
	if edges[0].Calls != 2 {
		t.Errorf("got %d calls, want the 2 of the newest minutes", edges[0].Calls)
	}
	g.Count(Key{To: "b"}, start, 0, false)
	if g.Dropped() != 1 {
		t.Errorf("a call older than all that is held: dropped %d, want 1", g.Dropped())
	}
}

func TestQuantileIsCloseEnough(t *testing.T) {
	for _, want := range []time.Duration{
		0, 50 * time.Microsecond, time.Millisecond, 37 * time.Millisecond, time.Second, 5 * time.Minute,
	} {
		var c Cell
		for range 100 {
			c.add(want, false)
		}
		got := c.Quantile(0.5)
		if off := (got - want).Abs(); off > want/8+time.Microsecond {
			t.Errorf("median of %v: got %v", want, got)
		}
	}
	var c Cell
	for i := range 1000 {
		c.add(time.Duration(i)*time.Millisecond, false)
	}
	for q, want := range map[float64]time.Duration{0.5: 500 * time.Millisecond, 0.95: 950 * time.Millisecond} {
		if got := c.Quantile(q); (got - want).Abs() > want/8 {
			t.Errorf("quantile %v of 0..1 s: got %v", q, got)
		}
	}
	c.add(200*time.Hour, false)
	if got := (&Cell{}).Quantile(0.5); got != 0 {
		t.Errorf("median of nothing: got %v", got)
	}
}
