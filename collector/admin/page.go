package admin

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

//go:embed page.html
var pageText string

// status is what the page shows.
type status struct {
	readiness

	Now       time.Time
	Uptime    time.Duration
	Journal   journal.Stats
	Held      uint64 // bytes from the oldest record to the end
	Fill      int    // per cent of the budget
	Refusing  bool   // requests, a moment ago
	Readers   []reader
	Listeners []Listener
	Picture   picture
	Errors    []lastError // the newest first
}

// JournalState is the journal's, as it is drawn.
func (s status) JournalState() string {
	switch {
	case s.Fill >= 95, s.Refusing: // Its disk may be full long before its budget is.
		return stateBad
	case s.Fill >= 80:
		return stateBehind
	}
	return stateOK
}

// reader is one of the journal's, with what is known of its destination.
type reader struct {
	readerState

	To    Destination // zero for one that does not forward
	Stuck bool
}

// Behind is the age of the oldest record that it has yet to finish.
func (r reader) Behind(now time.Time) time.Duration {
	if r.To.Oldest.IsZero() {
		return 0
	}
	return max(now.Sub(r.To.Oldest), 0)
}

// lastError is the last of somebody's.
type lastError struct {
	Of   string
	At   time.Time
	Text string
}

func (a *Admin) status() status {
	now := time.Now()
	all := a.sources.stats()
	stats, states := all[0], a.watch.look(now, all...)
	s := status{
		readiness: a.readiness(now, states),
		Now:       now,
		Uptime:    now.Sub(a.began).Round(time.Second),
		Journal:   stats,
		Held:      uint64(stats.End - stats.Oldest),
		Listeners: a.sources.listeners(),
		Errors:    a.lastErrors(),
		Refusing:  a.sources.LastRefusal().lasts(now),
	}
	destinations := a.sources.destinations()
	for _, state := range states {
		stuck := slices.ContainsFunc(s.Stuck, func(r stuckReader) bool { return r.Reader == state.Name })
		s.Readers = append(s.Readers, reader{state, destinations[state.Name], stuck})
	}
	if stats.MaxBytes > 0 {
		s.Fill = int(min(stats.Bytes*100/stats.MaxBytes, 100))
	}
	s.Picture = a.picture(s)
	return s
}

func (a *Admin) lastErrors() (all []lastError) {
	if refused := a.sources.LastRefusal(); !refused.At.IsZero() {
		all = append(all, lastError{"receivers", refused.At, refused.Reason})
	}
	if a.sources.LastReload != nil {
		if refused := a.sources.LastReload(); !refused.At.IsZero() {
			all = append(all, lastError{"configuration", refused.At, refused.Reason})
		}
	}
	for _, l := range append(a.sources.listeners(), Listener{Key: "admin", State: a.door.State()}) {
		if l.Trouble.Reason != "" {
			all = append(all, lastError{l.Key, l.Trouble.At, l.Trouble.Reason})
		}
	}
	for _, d := range a.sources.destinations() {
		if d.LastError != "" {
			all = append(all, lastError{d.Signal + " → " + d.Name, d.LastErrorAt, d.LastError})
		}
	}
	slices.SortFunc(all, func(a, b lastError) int { return b.At.Compare(a.At) })
	return all
}

func newPage() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{"size": size, "seconds": seconds, "clock": clock, "states": states}).Parse(pageText))
}

func (a *Admin) servePage(w http.ResponseWriter, _ *http.Request) {
	var out bytes.Buffer
	if err := a.page.Execute(&out, a.status()); err != nil {
		a.logger.Error("status page cannot be made", "error", err)
		http.Error(w, "the page cannot be made", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	_, _ = w.Write(out.Bytes())
}

// size writes bytes for people.
func size(n any) string {
	var v float64
	switch n := n.(type) {
	case int64:
		v = float64(n)
	case uint64:
		v = float64(n)
	}
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if v < 1024 {
			return fmt.Sprintf("%.4g %s", v, unit)
		}
		v /= 1024
	}
	return fmt.Sprintf("%.4g TiB", v)
}

func seconds(d time.Duration) time.Duration { return d.Round(time.Second) }

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
