// Package index remembers which traces a journal holds and where: times, root,
// counts, services and the offsets of the records, never the spans themselves.
// A trace of 25 spans and 7 services costs some 500 bytes. Traces that still
// receive spans are also kept span by span, within a bound, to recognize
// duplicates and to pair callers with callees for the service graph.
package index
