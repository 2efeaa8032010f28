// Package page serves the viewer's pages: the search, a trace's waterfall, the
// service map. Everything is rendered here; the scripts only make it handier,
// and every page can be read without them. No page has a script or a style in
// its markup, so that the server can forbid them.
package page

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"time"

	"github.com/waybill-dev/waybill/viewer/query"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Pages renders what one engine finds. It is safe for concurrent use.
type Pages struct {
	engine    *query.Engine
	board     *Board // nil without one
	logger    *slog.Logger
	templates map[string]*template.Template
	now       func() time.Time
}

// Register adds the pages' routes and those of their styles and scripts. The
// board may be nil.
func Register(mux *http.ServeMux, engine *query.Engine, board *Board, logger *slog.Logger) error {
	p := &Pages{engine: engine, board: board, logger: logger, templates: map[string]*template.Template{}, now: time.Now}
	inHead := template.FuncMap{"board": func() string {
		if board == nil {
			return ""
		}
		return board.Title
	}}
	for _, name := range []string{"search", "trace", "map", "board", "failure"} {
		t, err := template.New(name).Funcs(inHead).ParseFS(templateFiles, "templates/frame.html", "templates/panel.html", "templates/"+name+".html")
		if err != nil {
			return fmt.Errorf("parse page %s: %w", name, err)
		}
		p.templates[name] = t
	}
	assets, err := newAssets()
	if err != nil {
		return err
	}
	mux.Handle("GET /static/{file}", assets)
	mux.HandleFunc("GET /{$}", p.search)
	mux.HandleFunc("GET /search", func(w http.ResponseWriter, r *http.Request) {
		redirect(w, r, "/?"+r.URL.RawQuery) // where Jaeger has its search
	})
	mux.HandleFunc("GET /trace", p.goTo)
	mux.HandleFunc("GET /trace/{id}", p.trace)
	mux.HandleFunc("GET /trace/{id}/span/{span}", p.panel)
	mux.HandleFunc("GET /trace/{id}/matches", p.matches)
	mux.HandleFunc("GET /map", p.serviceMap)
	if board != nil {
		p.registerBoard(mux)
	}
	mux.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) {
		p.fail(w, r, http.StatusNotFound, "There is no such page", "The viewer has a search, a page for each trace, and a service map.")
	})
	return nil
}

// frame is what every page needs around it.
type frame struct {
	Title   string
	Section string
}

// render writes a page, or nothing but an error when the template fails.
func (p *Pages) render(w http.ResponseWriter, r *http.Request, status int, name, block string, data any) {
	var page bytes.Buffer
	if err := p.templates[name].ExecuteTemplate(&page, block, data); err != nil {
		p.logger.ErrorContext(r.Context(), "render page", "page", name, "error", err)
		http.Error(w, "The page cannot be rendered; the viewer's log says why.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes())
}

// redirect leads to another address of this server, whose path the caller has
// put before everything that came with the request.
func redirect(w http.ResponseWriter, r *http.Request, target string) {
	http.Redirect(w, r, target, http.StatusSeeOther) //nolint:gosec // G710: "/?…" and "/trace/…" stay on this server
}

// failure is the page for what went wrong.
type failure struct {
	frame
	Status  int
	Message string
}

func (p *Pages) fail(w http.ResponseWriter, r *http.Request, status int, title, message string) {
	p.render(w, r, status, "failure", "frame", failure{frame{Title: title}, status, message})
}

// broken answers for what is not the visitor's fault.
func (p *Pages) broken(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody waits for the answer
	}
	p.logger.ErrorContext(r.Context(), "viewer page", "path", r.URL.Path, "error", err)
	p.fail(w, r, http.StatusInternalServerError, "The journal cannot be read", "The viewer's log says why.")
}
