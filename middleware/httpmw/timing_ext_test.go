package httpmw_test

import (
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

func TestServerTiming(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"writes":    func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) },
		"is silent": nothing,
		"copies": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.Copy(w, strings.NewReader("hello"))
		},
		"flushes": func(w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() },
		"hints":   func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusEarlyHints) },
	} {
		t.Run(name, func(t *testing.T) {
			o := newTelemetry()
			server := serve(t, o.middleware(t, httpmw.WithServerTiming())(handler))
			got := strings.Join(get(t, server.Client(), server.URL).header.Values("Server-Timing"), ", ")
			want := `^traceparent;desc="00-` + o.span(t).SpanContext().TraceID().String() + `-[0-9a-f]{16}-01", handler;dur=\d+\.\d{3}$`
			if !regexp.MustCompile(want).MatchString(got) {
				t.Errorf("Server-Timing is %q, want %s", got, want)
			}
		})
	}
}

func TestServerTimingStandsBesideTheHandlersOwn(t *testing.T) {
	o := newTelemetry()
	server := serve(t, o.middleware(t, httpmw.WithServerTiming(), httpmw.WithFilter(func(*http.Request) bool { return false }))(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Server-Timing", "db;dur=4") })))
	got := strings.Join(get(t, server.Client(), server.URL).header.Values("Server-Timing"), ", ")
	if !regexp.MustCompile(`^handler;dur=\d+\.\d{3}, db;dur=4$`).MatchString(got) {
		t.Errorf("Server-Timing is %q; a request without a span has no trace to tell", got)
	}
}

func TestServerTimingIsNotThereUnasked(t *testing.T) {
	o := newTelemetry()
	server := serve(t, o.middleware(t)(http.HandlerFunc(nothing)))
	if got := get(t, server.Client(), server.URL).header.Values("Server-Timing"); len(got) > 0 {
		t.Errorf("Server-Timing is %q", got)
	}
}
