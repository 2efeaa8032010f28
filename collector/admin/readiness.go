package admin

import (
	"fmt"
	"net/http"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
	"github.com/waybill-dev/waybill/collector/listen"
)

// Destination is how forwarding to one backend is doing.
type Destination struct {
	// Signal and Name tell it from the others; Reader is its cursor's name.
	Signal, Name, Reader string
	// Oldest is when the oldest request was accepted that it has yet to answer
	// for; zero where there is none.
	Oldest time.Time
	// FailingSince is when it stopped to answer; zero where it answers.
	FailingSince time.Time
	// LastError is the last reason why it did not take something, of
	// LastErrorAt; both are zero where it took everything.
	LastError   string
	LastErrorAt time.Time
}

// readiness is the body of /readyz and /healthz.
type readiness struct {
	Ready   bool     `json:"ready"`
	Reasons []string `json:"reasons"`
	// Stuck are the readers among the reasons.
	Stuck []stuckReader `json:"stuck,omitempty"`
}

type stuckReader struct {
	Reader string `json:"reader"`
	// Signal and Destination are empty for a reader that does not forward.
	Signal      string    `json:"signal,omitempty"`
	Destination string    `json:"destination,omitempty"`
	Since       time.Time `json:"since"`
	UnreadBytes uint64    `json:"unread_bytes"`
	LastError   string    `json:"last_error,omitempty"`
}

func (s stuckReader) reason(now time.Time) string {
	who := "reader " + s.Reader
	if s.Signal != "" {
		who = fmt.Sprintf("destination %s of %s", s.Destination, s.Signal)
	}
	reason := fmt.Sprintf("%s is stuck since %s (%v), with %d bytes to read",
		who, s.Since.Format(time.RFC3339), now.Sub(s.Since).Round(time.Second), s.UnreadBytes)
	if s.LastError != "" {
		reason += ": " + s.LastError
	}
	return reason
}

// journals are those that have readers.
func (s Sources) journals() []journal.Journal {
	if s.Chosen == nil {
		return []journal.Journal{s.Journal}
	}
	return []journal.Journal{s.Journal, s.Chosen}
}

// stats are the journals', in their order.
func (s Sources) stats() []journal.Stats {
	var all []journal.Stats
	for _, j := range s.journals() {
		all = append(all, j.Stats())
	}
	return all
}

// listeners are those that there are.
func (s Sources) listeners() []Listener {
	if s.Listeners == nil {
		return nil
	}
	return s.Listeners()
}

// destinations are the sources' by reader.
func (s Sources) destinations() map[string]Destination {
	byReader := map[string]Destination{}
	if s.Destinations != nil {
		for _, d := range s.Destinations() {
			byReader[d.Reader] = d
		}
	}
	return byReader
}

// readiness tells about now, of readers as they were looked at.
func (a *Admin) readiness(now time.Time, states []readerState) readiness {
	r := readiness{Reasons: a.watch.reasons(now, a.sources.LastRefusal())}
	destinations := a.sources.destinations()
	for _, state := range a.watch.stuck(states) {
		d := destinations[state.Name]
		stuck := stuckReader{
			Reader: state.Name, Signal: d.Signal, Destination: d.Name,
			Since: state.Since.UTC().Round(time.Second), UnreadBytes: state.Lag,
		}
		if !d.FailingSince.IsZero() { // It may have failed before there was anything to read.
			stuck.LastError = d.LastError
		}
		r.Stuck = append(r.Stuck, stuck)
		r.Reasons = append(r.Reasons, stuck.reason(now))
	}
	r.Ready = len(r.Reasons) == 0
	return r
}

// readinessFor is all of it for those who have a token, where one is wanted.
// Probes have none: they learn whether, and not why not.
func (a *Admin) readinessFor(guard *listen.Guard, r *http.Request) readiness {
	now := time.Now()
	ready := a.readiness(now, a.watch.look(now, a.sources.stats()...))
	if guard.Check(r.Header.Values("Authorization"), r.TLS) != "" {
		return readiness{Ready: ready.Ready, Reasons: []string{}}
	}
	return ready
}
