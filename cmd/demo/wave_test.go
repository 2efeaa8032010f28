package main

import (
	"math"
	"testing"
	"time"
)

// TestWaveOfTheDay has as many orders come in a day as without waves, most of
// them before its middle.
func TestWaveOfTheDay(t *testing.T) {
	const day, perSecond = 10 * time.Minute, 2.0
	p := wave(perSecond, day)
	perDay := perSecond * day.Seconds()
	for _, c := range []struct {
		from, to float64 // of the day
		want     float64 // of its orders
	}{
		{0, 1, 1},
		{0, 0.5, 0.5 + tide/math.Pi},
		{0.25 - 0.01, 0.25 + 0.01, 0.02 * (1 + tide)}, // the peak
		{0.75 - 0.01, 0.75 + 0.01, 0.02 * (1 - tide)}, // the night
		{3, 4, 1},
	} {
		at := func(part float64) float64 { return p.Due(time.Duration(part * float64(day))) }
		if got := (at(c.to) - at(c.from)) / perDay; math.Abs(got-c.want) > 0.001 {
			t.Errorf("from %v to %v of the day %.4f of its orders come, want %.4f", c.from, c.to, got, c.want)
		}
	}
	if wave(perSecond, 0) != nil {
		t.Error("there is a wave without days")
	}
}
