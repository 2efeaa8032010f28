package httpmw_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/waybill-dev/waybill/middleware/httpmw"
)

func TestHeadersAreRecordedByAllowList(t *testing.T) {
	server, client := newTelemetry(), newTelemetry()
	opts := []httpmw.Option{httpmw.WithRequestHeaders("x-tenant", "Accept"), httpmw.WithResponseHeaders("X-Cache", "x-missing")}
	s := serve(t, server.middleware(t, opts...)(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("X-Cache", "hit")
		w.Header().Add("X-Cache", "local")
		w.Header().Set("Set-Cookie", "session=s3cret")
		_, _ = io.WriteString(w, "hello")
	})))
	do(t, client.client(t, nil, opts...), newRequest(t, http.MethodGet, s.URL, nil,
		"X-Tenant", "north", "Authorization", "Bearer s3cret", "Cookie", "session=s3cret"))
	for side, o := range map[string]*telemetry{"server": server, "client": client} {
		got := attributes(o.span(t))
		if got["http.request.header.x-tenant"] != `["north"]` || got["http.response.header.x-cache"] != `["hit","local"]` {
			t.Errorf("%s: attributes are %v", side, got)
		}
		for key, value := range got {
			if strings.Contains(value, "s3cret") || strings.HasSuffix(key, "accept") || strings.HasSuffix(key, "missing") {
				t.Errorf("%s: %s is %q, which was not asked for, or not there", side, key, value)
			}
		}
	}
}

func TestHeadersAreNotRecordedUnasked(t *testing.T) {
	server, client := newTelemetry(), newTelemetry()
	s := serve(t, server.middleware(t)(http.HandlerFunc(nothing)))
	do(t, client.client(t, nil), newRequest(t, http.MethodGet, s.URL, nil, "X-Tenant", "north"))
	for side, o := range map[string]*telemetry{"server": server, "client": client} {
		for key := range attributes(o.span(t)) {
			if strings.Contains(key, ".header.") || strings.HasPrefix(key, "waybill.http.") {
				t.Errorf("%s: %s is recorded", side, key)
			}
		}
	}
}
