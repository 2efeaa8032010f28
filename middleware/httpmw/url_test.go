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
			if valued && r.parameters[plain] && value != "REDACTED" {
				want = name + "=REDACTED"
			}
			if after[i] != want {
				t.Fatalf("%q became %q, want %q", before[i], after[i], want)
			}
		}
	})
}

// What is put together quickly is what net/url makes, but for the secrets.
func FuzzFull(f *testing.F) {
	for _, seed := range []string{
		"http://shop:80/a?b=c", "https://u:p@h/%2f?sig=x#f", "http://h", "http://h?", "http://[::1]:1/", "//h/a", "mailto:a@b", "/a", "http://h/ü?%zz",
		"http://h/a%2Fb", "HTTP://H/*", "http://h//a", "http://a_b/c",
	} {
		f.Add(seed)
	}
	r := newRedactor(secretParameters())
	f.Fuzz(func(t *testing.T, text string) {
		u, err := url.Parse(text)
		if err != nil {
			t.Skip()
		}
		plain := *u
		plain.User, plain.Fragment, plain.RawFragment, plain.RawQuery = nil, "", "", r.query(u.RawQuery)
		if got := r.full(u); got != plain.String() {
			t.Errorf("%q became %q, want %q", text, got, plain.String())
		}
	})
}
