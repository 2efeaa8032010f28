package psp

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

func newHandler(t *testing.T) http.Handler {
	t.Helper()
	store := NewStore(platformtest.OpenDB(t, t.TempDir(), Migrations))
	return NewServer(store, platform.Delays{}, slog.New(slog.DiscardHandler)).Handler()
}

func post(t *testing.T, h http.Handler, path, key, body string) (status int, answer map[string]string) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
		t.Fatalf("%s: body %q: %v", path, recorder.Body, err)
	}
	return recorder.Code, answer
}

func TestCharge(t *testing.T) {
	h := newHandler(t)
	const good = `{"amount":100,"currency":"EUR","card_token":"tok_visa"}`
	for _, c := range []struct {
		name, key, body string
		status          int
		code            string
	}{
		{"captured", "k1", good, 201, ""},
		{"captured again", "k1", good, 200, ""},
		{"declined", "k2", `{"amount":100,"currency":"EUR","card_token":"tok_declined"}`, 402, "insufficient_funds"},
		{"declined again, whatever the card", "k2", good, 402, "insufficient_funds"},
		{"stolen", "k3", `{"amount":100,"currency":"EUR","card_token":"tok_stolen"}`, 402, "stolen_card"},
		{"over the limit", "k4", `{"amount":500001,"currency":"EUR","card_token":"tok_visa"}`, 402, "limit_exceeded"},
		{"outage", "k5", `{"amount":100,"currency":"EUR","card_token":"tok_outage"}`, 503, ""},
		{"no key", "", good, 400, ""},
		{"negative", "k6", `{"amount":-1,"currency":"EUR","card_token":"tok_visa"}`, 400, ""},
		{"malformed", "k7", `{`, 400, ""},
	} {
		status, answer := post(t, h, "/charges", c.key, c.body)
		if status != c.status || answer["decline_code"] != c.code {
			t.Errorf("%s: %d %v, want %d with decline_code %q", c.name, status, answer, c.status, c.code)
		}
	}
}

func TestRefund(t *testing.T) {
	h := newHandler(t)
	const good = `{"amount":100,"currency":"EUR","card_token":"tok_visa"}`
	post(t, h, "/charges", "k1", good)
	for range 2 {
		if status, answer := post(t, h, "/refunds", "", `{"idempotency_key":"k1"}`); status != 200 || answer["status"] != "REFUNDED" {
			t.Errorf("refund: %d %v", status, answer)
		}
	}
	if status, _ := post(t, h, "/charges", "k1", good); status != 409 {
		t.Errorf("charge after refund: %d, want 409", status)
	}
	if status, answer := post(t, h, "/refunds", "", `{"idempotency_key":"k2"}`); status != 200 || answer["status"] != "VOIDED" {
		t.Errorf("refund before charge: %d %v", status, answer)
	}
	if status, _ := post(t, h, "/charges", "k2", good); status != 409 {
		t.Errorf("charge of a voided key: %d, want 409", status)
	}
	if status, _ := post(t, h, "/refunds", "", `{}`); status != 400 {
		t.Errorf("refund without a key: %d, want 400", status)
	}
}

func TestStatus(t *testing.T) {
	h := newHandler(t)
	post(t, h, "/charges", "k1", `{"amount":100,"currency":"EUR","card_token":"tok_visa"}`)
	post(t, h, "/charges", "k2", `{"amount":100,"currency":"EUR","card_token":"tok_stolen"}`)
	post(t, h, "/refunds", "", `{"idempotency_key":"k3"}`)
	for key, want := range map[string]struct {
		status         int
		state, decline string
	}{
		"k1": {200, "CAPTURED", ""}, "k2": {200, "DECLINED", "stolen_card"}, "k3": {200, "VOIDED", ""}, "k4": {404, "", ""},
	} {
		recorder := httptest.NewRecorder()
		h.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/charges/"+key, http.NoBody))
		var answer map[string]string
		if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		if recorder.Code != want.status || answer["status"] != want.state || answer["decline_code"] != want.decline {
			t.Errorf("%s: %d %v, want %+v", key, recorder.Code, answer, want)
		}
	}
}
