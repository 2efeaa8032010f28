// Package graph counts who calls whom, in steps of one minute, so that the
// service map can be drawn for any window of time.
package graph

import (
	"cmp"
	"slices"
	"time"
)

// Type says how the two ends of an edge talk, and so what the far end is.
type Type uint8

// The types of edges. Call and Message lead to a service that sends spans;
// the others end at a node that is known only from its callers' client spans.
const (
	// Node is no edge: it counts what a service itself has served.
	Node Type = iota
	// Call is a request from service to service.
	Call
	// Message went from a producer to a consumer.
	Message
	// Database is a call to a database.
	Database
	// Queue is a message to a broker that no consumer has been seen to take.
	Queue
	// External is a call to something that sends no spans.
	External
)

// String is the type's name in the map's markup.
func (t Type) String() string {
	return [...]string{"node", "call", "message", "database", "queue", "external"}[t]
}

// Key names an edge; From is empty for a Node.
type Key struct {
	From, To string
	Type     Type
}

// CellBytes is about what one counted edge or node costs in memory, with its
// share of the map.
const CellBytes = 560

// Graph holds the counts of the newest minutes. It is not safe for concurrent
// use; its owner locks.
type Graph struct {
	maxCells int
	cells    int
	minutes  map[int64]map[Key]*Cell
	dropped  uint64
}

// New makes a graph of at most maxCells counted edges and nodes over all
// minutes, of about half a kilobyte each. Beyond that the oldest minute goes.
func New(maxCells int) *Graph {
	return &Graph{maxCells: max(maxCells, 1), minutes: map[int64]map[Key]*Cell{}}
}

// Count adds one call of the given duration that began at start.
func (g *Graph) Count(key Key, start time.Time, took time.Duration, failed bool) {
	minute := start.Unix() / 60
	cells := g.minutes[minute]
	cell := cells[key]
	if cell == nil {
		for g.cells >= g.maxCells && g.dropOldest(minute) {
		}
		if g.cells >= g.maxCells {
			g.dropped++
			return
		}
		if cells == nil {
			cells = map[Key]*Cell{}
			g.minutes[minute] = cells
		}
		cell = new(Cell)
		cells[key] = cell
		g.cells++
	}
	cell.add(took, failed)
}

// dropOldest frees the oldest minute before the given one, and says whether
// there was one.
func (g *Graph) dropOldest(before int64) bool {
	oldest := before
	for minute := range g.minutes {
		oldest = min(oldest, minute)
	}
	if oldest == before {
		return false
	}
	g.cells -= len(g.minutes[oldest])
	delete(g.minutes, oldest)
	return true
}

// Bytes estimates the memory that the graph holds.
func (g *Graph) Bytes() int64 { return int64(g.cells) * CellBytes }

// Dropped counts the calls that found no room in the graph.
func (g *Graph) Dropped() uint64 { return g.dropped }

// Edge is one edge or node with its counts over a window.
type Edge struct {
	Key
	Cell
}

// Window sums up the minutes that overlap [from, to], sorted by key. Since is
// where the counts begin: from, or the first minute counted where that is later.
func (g *Graph) Window(from, to time.Time) (edges []Edge, since time.Time) {
	first, last := from.Unix()/60, to.Unix()/60
	sums := map[Key]*Cell{}
	oldest := last
	for minute, cells := range g.minutes {
		if minute < first || minute > last {
			continue
		}
		oldest = min(oldest, minute)
		for key, cell := range cells {
			sum := sums[key]
			if sum == nil {
				sum = new(Cell)
				sums[key] = sum
			}
			sum.merge(cell)
		}
	}
	edges = make([]Edge, 0, len(sums))
	for key, sum := range sums {
		edges = append(edges, Edge{key, *sum})
	}
	slices.SortFunc(edges, func(a, b Edge) int {
		return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.To, b.To), cmp.Compare(a.Type, b.Type))
	})
	since = time.Unix(oldest*60, 0)
	if since.Before(from) {
		since = from
	}
	return edges, since
}
