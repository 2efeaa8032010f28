package query

import "github.com/waybill-dev/waybill/collector/journal"

// Progress says how far the index has followed the journal.
type Progress struct {
	// Next is the offset up to which the journal is indexed, and Behind what
	// is left, in the journal's unit: bytes for file and memory.
	Next, Behind journal.Offset
	// Fault is why the journal cannot be read at the moment; nil when it can.
	Fault error
}

// Report is called by who fills the index, after each step.
func (e *Engine) Report(next journal.Offset, fault error) {
	e.progress.Store(&Progress{Next: next, Fault: fault})
}

// Progress is as last reported, held against where the journal ends now.
func (e *Engine) Progress() Progress {
	var p Progress
	if last := e.progress.Load(); last != nil {
		p = *last
	}
	if end := e.journal.Stats().End; end > p.Next {
		p.Behind = end - p.Next
	}
	return p
}
