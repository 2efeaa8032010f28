// Package jaeger serves version 1 of Jaeger's query API, so that Jaeger's UI,
// Grafana's Jaeger data source and scripts written for either can read the
// viewer: /api/services, /api/services/{service}/operations, /api/operations,
// /api/traces, /api/traces/{id} and /api/dependencies.
package jaeger

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/waybill-dev/waybill/viewer/graph"
	"github.com/waybill-dev/waybill/viewer/index"
	"github.com/waybill-dev/waybill/viewer/query"
)

// api answers from one engine.
type api struct {
	engine *query.Engine
	logger *slog.Logger
}

// Register adds the API's routes, all of them below /api/.
func Register(mux *http.ServeMux, engine *query.Engine, logger *slog.Logger) {
	a := &api{engine, logger}
	mux.HandleFunc("GET /api/services", a.services)
	mux.HandleFunc("GET /api/services/{service}/operations", a.operationNames)
	mux.HandleFunc("GET /api/operations", a.operations)
	mux.HandleFunc("GET /api/traces", a.search)
	mux.HandleFunc("GET /api/traces/{id}", a.trace)
	mux.HandleFunc("GET /api/dependencies", a.dependencies)
	mux.HandleFunc("GET /api/", func(w http.ResponseWriter, r *http.Request) {
		a.fail(w, r, http.StatusNotFound, errors.New("no such endpoint"))
	})
}

func (a *api) services(w http.ResponseWriter, r *http.Request) {
	list := a.engine.Services()
	a.answer(w, r, http.StatusOK, envelope{Data: list, Total: len(list)})
}

func (a *api) operationNames(w http.ResponseWriter, r *http.Request) {
	names := []string{}
	for _, op := range a.engine.Operations(r.PathValue("service")) {
		if len(names) == 0 || names[len(names)-1] != op.Name {
			names = append(names, op.Name)
		}
	}
	a.answer(w, r, http.StatusOK, envelope{Data: names, Total: len(names)})
}

func (a *api) operations(w http.ResponseWriter, r *http.Request) {
	service, kind := r.FormValue("service"), r.FormValue("spanKind")
	if service == "" {
		a.fail(w, r, http.StatusBadRequest, errService)
		return
	}
	list := []operation{}
	for _, op := range a.engine.Operations(service) {
		if kind == "" || kind == op.Kind.String() {
			list = append(list, operation{op.Name, op.Kind.String()})
		}
	}
	a.answer(w, r, http.StatusOK, envelope{Data: list, Total: len(list)})
}

func (a *api) search(w http.ResponseWriter, r *http.Request) {
	q, ids, err := parseSearch(r)
	if err != nil {
		a.fail(w, r, http.StatusBadRequest, err)
		return
	}
	var found []index.Summary
	var missing []apiError
	if len(ids) > 0 {
		found, missing = a.byID(ids)
	} else {
		result, err := a.engine.Search(r.Context(), q)
		if err != nil {
			a.broken(w, r, err)
			return
		}
		found = result.Traces
	}
	traces, err := a.load(r.Context(), found)
	if err != nil {
		a.broken(w, r, err)
		return
	}
	a.answer(w, r, http.StatusOK, envelope{Data: traces, Errors: missing})
}

// byID looks up traces, and has an error for each that is not there.
func (a *api) byID(ids []index.TraceID) (found []index.Summary, missing []apiError) {
	for _, id := range ids {
		if summary, ok := a.engine.Trace(id); ok {
			found = append(found, summary)
		} else {
			missing = append(missing, apiError{Msg: query.ErrNotFound.Error(), TraceID: traceID(id)})
		}
	}
	return found, missing
}

// load converts the traces of which spans are left; the list is never nil.
func (a *api) load(ctx context.Context, found []index.Summary) ([]traceJSON, error) {
	traces, err := a.engine.Load(ctx, found)
	if err != nil {
		return nil, err
	}
	out := make([]traceJSON, 0, len(traces))
	for _, t := range traces {
		if len(t.Spans) > 0 {
			out = append(out, convert(t))
		}
	}
	return out, nil
}

func (a *api) trace(w http.ResponseWriter, r *http.Request) {
	id, err := index.ParseTraceID(r.PathValue("id"))
	if err != nil {
		a.fail(w, r, http.StatusBadRequest, err)
		return
	}
	t, err := a.engine.Open(r.Context(), id)
	switch {
	case errors.Is(err, query.ErrNotFound), err == nil && len(t.Spans) == 0:
		a.fail(w, r, http.StatusNotFound, query.ErrNotFound)
	case err != nil:
		a.broken(w, r, err)
	default:
		if r.FormValue("download") != "" {
			w.Header().Set("Content-Disposition", `attachment; filename="trace-`+id.String()+`.json"`)
		}
		a.answer(w, r, http.StatusOK, envelope{Data: []traceJSON{convert(t)}})
	}
}

func (a *api) dependencies(w http.ResponseWriter, r *http.Request) {
	from, to, err := parseDependencies(r)
	if err != nil {
		a.fail(w, r, http.StatusBadRequest, err)
		return
	}
	service := r.FormValue("service")
	list := []dependency{}
	edges, _ := a.engine.Graph(from, to)
	for _, e := range edges {
		between := e.Type == graph.Call || e.Type == graph.Message
		if !between || (service != "" && service != e.From && service != e.To) {
			continue
		}
		if last := len(list) - 1; last >= 0 && list[last].Parent == e.From && list[last].Child == e.To {
			list[last].CallCount += e.Calls
			continue
		}
		list = append(list, dependency{e.From, e.To, e.Calls})
	}
	a.answer(w, r, http.StatusOK, envelope{Data: list})
}

func (a *api) fail(w http.ResponseWriter, r *http.Request, status int, err error) {
	a.answer(w, r, status, envelope{Errors: []apiError{{Code: status, Msg: err.Error()}}})
}

// broken answers for what is not the client's fault.
func (a *api) broken(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		return // nobody waits for the answer
	}
	a.logger.ErrorContext(r.Context(), "query API", "path", r.URL.Path, "error", err)
	a.fail(w, r, http.StatusInternalServerError, errors.New("the journal cannot be read; the viewer's log says why"))
}

func (a *api) answer(w http.ResponseWriter, r *http.Request, status int, body envelope) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	if pretty := r.FormValue("prettyPrint"); pretty != "" && pretty != "false" {
		encoder.SetIndent("", "    ")
	}
	if err := encoder.Encode(body); err != nil && r.Context().Err() == nil {
		a.logger.DebugContext(r.Context(), "write answer", "error", err)
	}
}
