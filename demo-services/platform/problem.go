package platform

import (
	"encoding/json"
	"net/http"

	"go.opentelemetry.io/otel/trace"
)

// Problem is an HTTP error after RFC 9457, with two members of our own: the
// trace to look at, and what is wrong with which field.
type Problem struct {
	// Type identifies the kind of problem; WriteProblem fills it from Code.
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail,omitempty"`
	// Instance is the request's path.
	Instance string `json:"instance,omitempty"`
	// Code is the problem's short name, such as "card-declined".
	Code string `json:"code"`
	// OrderID is set once there is an order to look up.
	OrderID string       `json:"order_id,omitempty"`
	TraceID string       `json:"trace_id,omitempty"`
	Errors  []FieldError `json:"errors,omitempty"`
}

// FieldError says what is wrong with one field of the body, or with one
// parameter of the query.
type FieldError struct {
	// Pointer is a JSON Pointer (RFC 6901): "/items/0/quantity".
	Pointer   string `json:"pointer,omitempty"`
	Parameter string `json:"parameter,omitempty"`
	Detail    string `json:"detail"`
}

// WriteProblem answers with the problem, and with the trace of the request.
func WriteProblem(w http.ResponseWriter, r *http.Request, p Problem) {
	p.Type = "urn:waybill:problem:" + p.Code
	p.Instance = r.URL.Path
	if sc := trace.SpanContextFromContext(r.Context()); sc.HasTraceID() {
		p.TraceID = sc.TraceID().String()
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(p.Status)
	// The status is out; if the client is gone there is nobody to tell.
	_ = json.NewEncoder(w).Encode(p)
}

// WriteJSON answers with a JSON body.
func WriteJSON(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // As in WriteProblem.
}
