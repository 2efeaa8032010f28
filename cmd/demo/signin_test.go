package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// TestSignIn goes the way of a new customer: without a session nothing is to be
// had; registered and signed in they order, and their order is theirs alone.
func TestSignIn(t *testing.T) {
	d := startDemo(t, "--rate", "1", "--sign-in")
	post := func(path, body, token string) answer {
		t.Helper()
		header := http.Header{}
		if token != "" {
			header.Set("Authorization", "Bearer "+token)
		}
		return send(t, http.MethodPost, d.gateway+path, body, header)
	}
	signIn := func(email, password string) (token string) {
		t.Helper()
		got := post("/api/v1/sessions", `{"email":"`+email+`","password":"`+password+`"}`, "")
		var session struct {
			Token string `json:"token"`
		}
		if err := json.Unmarshal([]byte(got.body), &session); err != nil || got.status != http.StatusCreated {
			t.Fatalf("%d %s: %v", got.status, got.body, err)
		}
		return session.Token
	}
	if got := post("/api/v1/orders", exampleOrder, ""); got.status != http.StatusUnauthorized || !strings.Contains(got.body, "sign-in-required") {
		t.Errorf("a guest's order: %d %s", got.status, got.body)
	}
	if got := post("/api/v1/users", `{"name":"Zoe","email":"zoe@example.com","password":"correct horse"}`, ""); got.status != http.StatusCreated {
		t.Fatalf("%d %s", got.status, got.body)
	}
	zoe := signIn("zoe@example.com", "correct horse")
	if got := post("/api/v1/orders", exampleOrder, zoe); got.status != http.StatusForbidden {
		t.Errorf("an order for somebody else: %d %s", got.status, got.body)
	}
	placed := post("/api/v1/orders", strings.Replace(exampleOrder, `"user_id":"usr_ada",`, "", 1), zoe)
	if placed.status != http.StatusCreated {
		t.Fatalf("%d %s", placed.status, placed.body)
	}
	ada := signIn("ada@example.com", "waybill-demo")
	for token, want := range map[string]int{zoe: http.StatusOK, ada: http.StatusNotFound, "": http.StatusUnauthorized} {
		header := http.Header{}
		if token != "" {
			header.Set("Authorization", "Bearer "+token)
		}
		if got := send(t, http.MethodGet, d.gateway+placed.header.Get("Location"), "", header); got.status != want {
			t.Errorf("the order is shown with %d %s, want %d", got.status, got.body, want)
		}
	}
	// The shopper's customers sign in, too: their orders are in the read model.
	eventually(t, "order of somebody else", func() bool {
		got := send(t, http.MethodGet, d.gateway+"/api/v1/orders", "", http.Header{"Authorization": {"Bearer " + ada}})
		return got.status == http.StatusOK && strings.Contains(got.body, "usr_ada")
	})
	for _, secret := range []string{zoe, ada, "correct horse", "waybill-demo"} {
		if page := get(t, d.viewer+"/api/traces?service=gateway&limit=200&lookback=1h"); strings.Contains(page.body, secret) {
			t.Errorf("a trace tells a secret")
		}
	}
}
