package sink

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
)

// The part of Jaeger's query API, version 1, that tells a trace's shape.
type (
	envelope struct {
		Data   []trace `json:"data"`
		Total  int     `json:"total"`
		Errors []any   `json:"errors"`
	}
	trace struct {
		TraceID   string             `json:"traceID"`
		Spans     []spanJSON         `json:"spans"`
		Processes map[string]process `json:"processes"`
	}
	spanJSON struct {
		TraceID    string      `json:"traceID"`
		SpanID     string      `json:"spanID"`
		Name       string      `json:"operationName"`
		References []reference `json:"references"`
		ProcessID  string      `json:"processID"`
	}
	reference struct {
		Type    string `json:"refType"`
		TraceID string `json:"traceID"`
		SpanID  string `json:"spanID"`
	}
	process struct {
		Service string `json:"serviceName"`
	}
)

// answer writes the trace with an id.
func answer(s *store, w http.ResponseWriter, text string) {
	id, err := hex.DecodeString(text)
	if err != nil || len(id) != 16 {
		http.Error(w, "want a trace id of 32 hexadecimal digits", http.StatusBadRequest)
		return
	}
	spans := s.trace([16]byte(id))
	if len(spans) == 0 {
		writeJSON(w, http.StatusNotFound, envelope{Data: []trace{}, Errors: []any{map[string]any{"code": 404, "msg": "trace not found"}}})
		return
	}
	t := trace{TraceID: text, Processes: map[string]process{}}
	for _, kept := range spans {
		out := spanJSON{
			TraceID: text, SpanID: fmt.Sprintf("%016x", kept.id), Name: kept.name,
			References: []reference{}, ProcessID: kept.service,
		}
		if kept.parent != 0 {
			out.References = append(out.References, reference{"CHILD_OF", text, fmt.Sprintf("%016x", kept.parent)})
		}
		t.Processes[kept.service] = process{kept.service}
		t.Spans = append(t.Spans, out)
	}
	writeJSON(w, http.StatusOK, envelope{Data: []trace{t}, Total: len(t.Spans)})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the peer may be gone
}
