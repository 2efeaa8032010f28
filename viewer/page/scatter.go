package page

import (
	"math"
	"strconv"
	"time"

	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/query"
)

// scatter plots durations, on a logarithmic scale, over time.
type scatter struct {
	Points []point
	Grid   []gridLine
	From   string
	To     string
}

type point struct {
	X, Y, Link, Title string
	Colour            int
	Failed            bool
}

// gridLine is a line with its label, which is empty where it has no room.
type gridLine struct{ At, Label string }

// newScatter spans the window where that is bounded, else the traces.
func newScatter(traces []index.Summary, q query.Query, colours map[string]int) scatter {
	if len(traces) == 0 {
		return scatter{}
	}
	from, to := traces[len(traces)-1].Start, traces[0].Start
	if to.Sub(from) > q.To.Sub(from)/2 && q.To.After(to) {
		to = q.To
	}
	shortest, longest := time.Duration(math.MaxInt64), time.Duration(0)
	for _, t := range traces {
		shortest, longest = min(shortest, t.Duration()), max(longest, t.Duration())
	}
	low := math.Floor(math.Log10(math.Max(float64(shortest), 1e3)))
	high := math.Max(math.Ceil(math.Log10(math.Max(float64(longest), 1e3))), low+1)
	height := func(d time.Duration) string {
		share := (math.Log10(math.Max(float64(d), 1e3)) - low) / (high - low)
		return strconv.FormatFloat(92-84*share, 'f', 2, 64) + "%"
	}
	s := scatter{From: formatClock(from), To: formatClock(to)}
	for power := low; power <= high; power++ {
		d := time.Duration(math.Pow(10, power))
		s.Grid = append(s.Grid, gridLine{height(d), formatDuration(d)})
	}
	for _, t := range traces {
		share := 0.5
		if to.After(from) {
			share = float64(t.Start.Sub(from)) / float64(to.Sub(from))
		}
		s.Points = append(s.Points, point{
			X: strconv.FormatFloat(1+share*98, 'f', 2, 64) + "%", Y: height(t.Duration()),
			Link: "/trace/" + t.ID.String(), Colour: colours[t.RootService], Failed: t.Errors > 0,
			Title: t.RootService + " " + t.RootOperation + ", " + formatDuration(t.Duration()),
		})
	}
	return s
}
