package httpmw_test

import (
	"net/http"
	"testing"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

// TestResendsAreCounted has a request repeated for the second time, and then
// redirected.
func TestResendsAreCounted(t *testing.T) {
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/old" {
			http.Redirect(w, r, "/new", http.StatusFound)
		}
	}))
	o := newTelemetry()
	client := o.client(t, nil)
	get(t, client, server.URL+"/new")
	do(t, client, newRequest(t, http.MethodGet, server.URL+"/old", nil).WithContext(httpmw.WithResends(t.Context(), 2)))
	want := []string{"", "2", "3"}
	for i, span := range o.Spans.Ended() {
		if got := attributes(span)["http.request.resend_count"]; got != want[i] {
			t.Errorf("request %d has http.request.resend_count %q, want %q", i, got, want[i])
		}
	}
	if len(o.Spans.Ended()) != len(want) {
		t.Errorf("%d spans, want %d", len(o.Spans.Ended()), len(want))
	}
}
