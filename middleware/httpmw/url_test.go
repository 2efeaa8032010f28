package httpmw

import (
	"net/url"
	"strings"
	"testing"
)

func TestSplitHostPort(t *testing.T) {
	for text, want := range map[string]struct {
		host string
		port int
	}{
		"shop.example:80":    {"shop.example", 80},
		"shop.example":       {"shop.example", 0},
		"shop.example:":      {"shop.example", 0},
		"shop.example:99999": {"shop.example", 0},
		"shop.example:http":  {"shop.example", 0},
		"[::1]:8080":         {"::1", 8080},
		"[::1]":              {"::1", 0},
		"::1":                {"::1", 0},
		"[::1":               {"[::1", 0},
		"@":                  {"@", 0}, // the peer of a Unix socket
		"":                   {"", 0},
	} {
		if host, port := splitHostPort(text); host != want.host || port != want.port {
			t.Errorf("%q: %q, %d; want %q, %d", text, host, port, want.host, want.port)
		}
	}
}

func TestRouteOf(t *testing.T) {
	for pattern, want := range map[string]string{
		"/orders/{id}":                 "/orders/{id}",
		"GET /orders/{id}":             "/orders/{id}",
		"GET shop.example/orders/{$}":  "/orders/{$}",
		"shop.example/files/{path...}": "/files/{path...}",
		"":                             "",
	} {
		if got := routeOf(pattern); got != want {
			t.Errorf("%q: %q, want %q", pattern, got, want)
		}
	}
}

// No secret stays, whatever is around it, and nothing else is changed.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "a=1", "sig=x", "&sig=x&&", "sig", "sig=", "%73ig=x&b=2", "Signature=a=b&c", "a=sig=x"} {
		f.Add(seed)
	}
	r := newRedactor(secretParameters())
	f.Fuzz(func(t *testing.T, raw string) {
		got := r.query(raw)
		before, after := strings.Split(raw, "&"), strings.Split(got, "&")
		if len(before) != len(after) {
			t.Fatalf("%q became %q", raw, got)
		}
		for i := range before {
			name, value, valued := strings.Cut(before[i], "=")
			plain, err := url.QueryUnescape(name)
			if err != nil {
				plain = name
			}
			want := before[i]
			if valued && r[plain] && value != "REDACTED" {
				want = name + "=REDACTED"
			}
			if after[i] != want {
				t.Fatalf("%q became %q, want %q", before[i], after[i], want)
			}
		}
	})
}
