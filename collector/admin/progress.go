package admin

import (
	"fmt"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

// Progress is what a reader tells about itself beside its cursor. Zero times
// say that there is nothing to tell.
type Progress struct {
	// Oldest is when the oldest record was appended that it has yet to finish.
	Oldest time.Time
	// FailingSince is since when every attempt of it has failed.
	FailingSince time.Time
	// LastError is what went wrong last, at LastErrorAt.
	LastError   string
	LastErrorAt time.Time
}

// look takes in where the readers are now, with what they tell.
func (a *Admin) look(now time.Time, stats journal.Stats) []readerState {
	states := a.watch.look(now, stats)
	if a.sources.Progress == nil {
		return states
	}
	told := a.sources.Progress()
	for i := range states {
		p := told[states[i].Name]
		states[i].Progress = p
		if !p.Oldest.IsZero() {
			states[i].Behind = max(now.Sub(p.Oldest), 0)
		}
	}
	return states
}

// why says since when a reader fails, and of what, to be put behind a reason.
func (p Progress) why() string {
	if p.FailingSince.IsZero() {
		return ""
	}
	return fmt.Sprintf("; failing since %s: %s", p.FailingSince.UTC().Format(time.RFC3339), p.LastError)
}
