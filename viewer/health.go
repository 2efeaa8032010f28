package viewer

import (
	"encoding/json"
	"net/http"

	"github.com/waybill-dev/waybill/viewer/query"
)

// health is what /healthz answers: whether the viewer shows what the journal
// holds. The status is 503 while the journal cannot be read.
type health struct {
	Status string `json:"status"`
	Fault  string `json:"fault,omitempty"`
	// Behind is how much of the journal is not indexed yet, in bytes.
	Behind uint64 `json:"behind_bytes"`
	Traces int    `json:"traces"`
}

func healthHandler(engine *query.Engine) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		progress := engine.Progress()
		h := health{Status: "ok", Behind: uint64(progress.Behind), Traces: engine.Stats().Traces}
		status := http.StatusOK
		if progress.Fault != nil {
			h.Status, h.Fault = "the journal cannot be read", progress.Fault.Error()
			status = http.StatusServiceUnavailable
		}
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(h) // the peer is gone; nobody is left to tell
	}
}
