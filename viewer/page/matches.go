package page

import (
	"encoding/json"
	"net/http"

	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/trace"
)

// matches tells a script where in the waterfall the spans are that were
// searched for, and those that failed. Lists are in the waterfall's order.
type matches struct {
	Spans  int     `json:"spans"`
	Found  []place `json:"found"`
	Failed []place `json:"failed"`
}

// place is a span with the page of the waterfall that shows it.
type place struct {
	Span string `json:"span"`
	Page int    `json:"page"`
}

func (p *Pages) matches(w http.ResponseWriter, r *http.Request) {
	t, ok := p.open(w, r)
	if !ok {
		return
	}
	at := parseTraceURL(r.URL.Query())
	roots := t.Tree()
	lines := outline(roots)
	if id, err := index.ParseSpanID(at.Root); err == nil {
		if root := trace.Find(roots, id); root != nil {
			lines = appendTree(nil, root, 1, false)
		}
	}
	finder := newFinder(at.Find, t.Logs)
	answer := matches{Spans: len(t.Spans), Found: places(lines, finder.fits), Failed: places(lines, (*trace.Span).Failed)}
	body, err := json.Marshal(answer)
	if err != nil {
		p.broken(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(body)
}

func places(lines []line, fits func(*trace.Span) bool) []place {
	list := []place{}
	for i, l := range lines {
		if l.node != nil && fits(l.node.Span) {
			list = append(list, place{l.node.ID.String(), pageOf(i)})
		}
	}
	return list
}
