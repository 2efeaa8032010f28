package admin

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"github.com/waybill-dev/waybill/collector/journal"
)

//go:embed page.html
var pageText string

// status is what the page shows.
type status struct {
	Ready     bool
	Reasons   []string
	Uptime    time.Duration
	Journal   journal.Stats
	Held      uint64 // bytes from the oldest record to the end
	Fill      int    // per cent of the budget
	Readers   []readerState
	Listeners []Listener
}

func (a *Admin) status() status {
	now := time.Now()
	stats := a.sources.Journal.Stats()
	readers := a.look(now, stats)
	reasons := a.watch.reasons(now, readers, a.sources.LastRefusal())
	s := status{
		Ready:     len(reasons) == 0,
		Reasons:   reasons,
		Uptime:    now.Sub(a.began).Round(time.Second),
		Journal:   stats,
		Held:      uint64(stats.End - stats.Oldest),
		Readers:   readers,
		Listeners: a.sources.Listeners,
	}
	if stats.MaxBytes > 0 {
		s.Fill = int(min(stats.Bytes*100/stats.MaxBytes, 100))
	}
	return s
}

func newPage() *template.Template {
	return template.Must(template.New("page").Funcs(template.FuncMap{"size": size, "seconds": seconds, "clock": clock}).Parse(pageText))
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
