package gateway

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestClientThatAsksTooOftenWaits(t *testing.T) {
	b := &backend{}
	limits := Limits{Timeout: time.Minute, Client: Limit{Rate: 0.1, Burst: 3}}
	handler := NewServer(b, b, b, limits, slog.New(slog.DiscardHandler)).Handler()
	from := func(address string) *httptest.ResponseRecorder {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/users", nil)
		request.RemoteAddr = address
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		return answer
	}
	for i := range 4 {
		answer := from(fmt.Sprintf("192.0.2.1:%d", 1000+i)) // One client, by many connections.
		if want := i < 3; (answer.Code == http.StatusOK) != want {
			t.Errorf("request %d is answered %d", i+1, answer.Code)
		}
		if answer.Code != http.StatusOK && (answer.Code != http.StatusTooManyRequests || answer.Header().Get("Retry-After") != "10") {
			t.Errorf("%d, Retry-After %q", answer.Code, answer.Header().Get("Retry-After"))
		}
	}
	if answer := from("192.0.2.2:1000"); answer.Code != http.StatusOK {
		t.Errorf("somebody else is answered %d", answer.Code)
	}
}

func TestLimiter(t *testing.T) {
	l := newLimiter(Limit{Rate: 2, Burst: 2})
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	l.now = func() time.Time { return now }
	want := func(client string, wait time.Duration) {
		t.Helper()
		if got := l.take(client); got.Round(time.Millisecond) != wait {
			t.Errorf("%s waits %v, want %v", client, got, wait)
		}
	}
	want("ada", 0)
	want("ada", 0)
	want("ada", 500*time.Millisecond)
	now = now.Add(500 * time.Millisecond)
	want("ada", 0)
	want("ada", 500*time.Millisecond)
	for i := range 2 * maxClients {
		want(fmt.Sprintf("client %d", i), 0)
	}
	if n := len(l.clients); n > maxClients {
		t.Errorf("%d clients are remembered, want at most %d", n, maxClients)
	}
}
