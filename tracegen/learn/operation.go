package learn

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// operation is what looks the same wherever it was recorded: a span, and all
// below it.
type operation struct {
	key   string // within its service
	first *node
	// steps and later are by operation; those at once are in one step.
	steps [][]*operation
	later []*operation
	// own are how long each took beside its calls, and after how long after it
	// each of later began; in nanoseconds.
	own        []float64
	after      [][]float64
	attributes attributes
	// events are the attributes of each event.
	events []attributes
}

// operationKey tells operations apart.
type operationKey struct {
	shape int
	tempo tempo
}

// add learns from one span.
func (o *operation) add(n *node) {
	o.own = append(o.own, n.own())
	o.attributes.add(n.GetAttributes())
	for i, e := range n.GetEvents() {
		o.events[i].add(e.GetAttributes())
	}
	for i, c := range n.later {
		after := 0.0
		if c.GetStartTimeUnixNano() > n.GetEndTimeUnixNano() {
			after = float64(c.GetStartTimeUnixNano() - n.GetEndTimeUnixNano())
		}
		o.after[i] = append(o.after[i], after)
	}
}

// quantiles are those that a latency is written by.
var quantiles = []float64{0, 1, 2.5, 5, 10, 15, 20, 25, 30, 35, 40, 45, 50, 55, 60, 65, 70, 75, 80, 85, 90, 95, 97.5, 99, 99.5, 99.9, 100}

// longest is the longest latency that a topology has.
const longest = float64(time.Hour)

// latency writes a distribution: percentiles, or a constant where there is
// nothing to distribute.
func latency(values []float64) string {
	slices.Sort(values)
	if values[0] == values[len(values)-1] {
		return "{constant: " + duration(values[0]) + "}"
	}
	var parts []string
	for _, p := range quantiles {
		at := p / 100 * float64(len(values)-1)
		if low := int(at); low+1 < len(values) {
			share := at - float64(low)
			at = values[low]*(1-share) + values[low+1]*share
		} else {
			at = values[low]
		}
		if p > 0 && p < 100 && float64(len(values))*min(p, 100-p)/100 < 0.5 {
			continue // so few values do not tell
		}
		parts = append(parts, fmt.Sprintf("p%g: %s", p, duration(at)))
	}
	return "{percentiles: {" + strings.Join(parts, ", ") + "}}"
}

// duration writes nanoseconds with four digits.
func duration(ns float64) string {
	d := time.Duration(min(max(ns, 1), longest))
	unit := time.Duration(1)
	for d >= 10_000*unit {
		unit *= 10
	}
	return strings.ReplaceAll(d.Round(unit).String(), "µ", "u")
}
