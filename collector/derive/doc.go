// Package derive makes metrics out of the spans in the journal, in one pass:
// how many requests each operation of each service had, how many failed, and
// how long they took, with exemplars that lead to traces (red.go); and who
// calls whom, of which the two spans of a request tell together (graph.go).
// They are scraped, or taken to backends by package push.
// What it holds is bounded, whatever comes.
package derive
