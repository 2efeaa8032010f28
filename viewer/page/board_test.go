package page

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/waybill-dev/waybill/collector/journal/memory"
	"github.com/waybill-dev/waybill/viewer/query"
	"github.com/waybill-dev/waybill/viewer/viewertest"
)

// serveBoard is a site with two switches.
func serveBoard(t *testing.T) *site {
	t.Helper()
	j := memory.New(memory.Config{})
	t.Cleanup(func() { _ = j.Close() })
	switches := []Switch{
		{Key: "psp-down", Group: "psp", Title: "Provider down", Text: "It answers <503>.", See: "service=gateway&errors=on"},
		{Key: "stock-gone", Group: "inventory", Title: "Stock gone", Text: "Nothing is left.", On: true},
	}
	board := &Board{
		Title: "Faults", Intro: "What may go wrong.",
		List: func(context.Context) []Switch { return switches },
		Set: func(_ context.Context, key string, on bool) error {
			for i := range switches {
				if switches[i].Key == key {
					switches[i].On = on
					return nil
				}
			}
			return errors.New("there is no such fault")
		},
	}
	s := &site{t, j, http.NewServeMux()}
	if err := Register(s.mux, query.New(viewertest.Index(t, j), j), board, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	return s
}

// press posts a form from a page of the origin.
func (s *site) press(path, form, origin string) *httptest.ResponseRecorder {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), http.MethodPost, path, strings.NewReader(form))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", origin)
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	return w
}

func TestBoard(t *testing.T) {
	s := serveBoard(t)
	has(t, s.get("/board", http.StatusOK),
		`<a href="/board" aria-current="page">Faults</a>`, "What may go wrong.", "1 of 2 is on.",
		"It answers &lt;503&gt;.", `href="/?service=gateway&amp;errors=on"`,
		`aria-checked="false" aria-labelledby="psp-down-title"`, `aria-checked="true" aria-labelledby="stock-gone-title"`)
	const home = "http://example.com" // httptest's host
	if w := s.press("/board/psp-down", "on=true", home); w.Code != http.StatusSeeOther || w.Header().Get("Location") != "/board" {
		t.Errorf("%d %v", w.Code, w.Header())
	}
	has(t, s.get("/board", http.StatusOK), "2 of 2 are on.", `aria-checked="true" aria-labelledby="psp-down-title"`)
	has(t, s.get("/", http.StatusOK), `<a href="/board">Faults</a>`)

	for name, c := range map[string]struct {
		path, form, origin string
		status             int
	}{
		"a page of somebody else's": {"/board/psp-down", "on=false", "http://elsewhere.example", http.StatusForbidden},
		"no state":                  {"/board/psp-down", "", home, http.StatusBadRequest},
		"another state":             {"/board/psp-down", "on=maybe", home, http.StatusBadRequest},
		"no such switch":            {"/board/weather", "on=true", home, http.StatusUnprocessableEntity},
	} {
		if w := s.press(c.path, c.form, c.origin); w.Code != c.status {
			t.Errorf("%s: %d %.200s", name, w.Code, w.Body)
		}
	}
	has(t, s.get("/board", http.StatusOK), "2 of 2 are on.")
}

func TestBoardForPrograms(t *testing.T) {
	s := serveBoard(t)
	put := func(path, body, origin string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, path, strings.NewReader(body))
		if origin != "" {
			r.Header.Set("Origin", origin)
		}
		w := httptest.NewRecorder()
		s.mux.ServeHTTP(w, r)
		return w
	}
	for _, c := range []struct {
		path, body, origin string
		status             int
	}{
		{"/api/board/psp-down", `{"on":true}`, "", http.StatusNoContent},
		{"/api/board/stock-gone", `{"on":false}`, "", http.StatusNoContent},
		{"/api/board/stock-gone", `{"on":true}`, "http://elsewhere.example", http.StatusForbidden},
		{"/api/board/stock-gone", `{}`, "", http.StatusBadRequest},
		{"/api/board/stock-gone", `{"on":"yes"}`, "", http.StatusBadRequest},
		{"/api/board/stock-gone", `{"off":true}`, "", http.StatusBadRequest},
		{"/api/board/weather", `{"on":true}`, "", http.StatusUnprocessableEntity},
	} {
		if w := put(c.path, c.body, c.origin); w.Code != c.status {
			t.Errorf("%s %s: %d %s", c.path, c.body, w.Code, w.Body)
		}
	}
	const want = `[{"key":"psp-down","group":"psp","title":"Provider down","text":"It answers \u003c503\u003e.","on":true},` +
		`{"key":"stock-gone","group":"inventory","title":"Stock gone","text":"Nothing is left.","on":false}]` + "\n"
	if got := s.get("/api/board", http.StatusOK); got != want {
		t.Errorf("got %s", got)
	}
}

func TestNoBoard(t *testing.T) {
	s := serve(t, func(*memory.Journal) {})
	s.get("/board", http.StatusNotFound)
	s.get("/api/board", http.StatusNotFound)
	has(t, s.get("/", http.StatusOK), "!/board")
}
