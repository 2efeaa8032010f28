package gateway

import (
	"net/http"
	"testing"
)

// TestControlCharactersAreRefused has them in everything that a client can say, as
// JSON and URLs escape them; no other service is asked.
func TestControlCharactersAreRefused(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		status             int
		code               string
	}{
		{http.MethodPost, "/api/v1/users", `{"name":"A\u0000da","email":"ada@example.com","password":"long enough"}`, 400, "malformed-json"},
		{http.MethodPost, "/api/v1/users", `{"name":"Ada","email":"ada\r\nBcc: eve@example.com","password":"long enough"}`, 400, "malformed-json"},
		{http.MethodPost, "/api/v1/sessions", `{"email":"ada\u0000@example.com","password":"long enough"}`, 400, "malformed-json"},
		{http.MethodPost, "/api/v2/orders", `{"user_id":"usr_ada","currency":"EUR","card_token":"tok_visa","items":[{"item_id":"itm\u0085","quantity":1}]}`, 400, "malformed-json"},
		{http.MethodGet, "/api/v1/orders?user_id=usr%00", "", 400, "invalid-query"},
		{http.MethodGet, "/api/v1/users?after=usr%0A", "", 400, "invalid-query"},
		{http.MethodGet, "/api/v1/orders/ord%00", "", 404, "route-not-found"},
		{http.MethodGet, "/api/v2/users/usr%7F", "", 404, "route-not-found"},
	} {
		b := &backend{}
		answer := ask(t, b, c.method, c.path, "", c.body)
		if p := problemOf(t, answer); answer.Code != c.status || p.Code != c.code {
			t.Errorf("%s %s %s: %d %q, want %d %q", c.method, c.path, c.body, answer.Code, p.Code, c.status, c.code)
		}
		if b.listed != nil || b.created != nil {
			t.Errorf("%s %s %s: the order service is asked", c.method, c.path, c.body)
		}
	}
}
