package shopper

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"

	"github.com/waybill-dev/waybill/demo-services/gateway"
	"github.com/waybill-dev/waybill/demo-services/user"
)

// early is how long before its end a token is not used any more.
const early = time.Minute

// sessions are the tokens of the customers who have signed in. Safe for
// concurrent use; a customer who comes twice at once signs in once.
type sessions struct {
	mu    sync.Mutex
	known map[string]*session
}

type session struct {
	mu      sync.Mutex
	token   string
	expires time.Time
}

func (s *sessions) of(id string) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[string]*session{}
	}
	if s.known[id] == nil {
		s.known[id] = &session{}
	}
	return s.known[id]
}

// signIn gives the customer's token, or nothing: who can't sign in tries
// without, as a guest.
func (s *shopper) signIn(ctx context.Context, id string) string {
	if !s.config.SignIn {
		return ""
	}
	mine := s.sessions.of(id)
	mine.mu.Lock()
	defer mine.mu.Unlock()
	if time.Until(mine.expires) > early {
		return mine.token
	}
	for _, u := range user.Seed() {
		if u.ID != id {
			continue
		}
		credentials, _ := json.Marshal(gateway.SessionRequest{Email: u.Email, Password: user.DemoPassword}) //nolint:gosec // it is in the README; strings have no way to fail
		answer, err := s.send(ctx, call{method: http.MethodPost, path: "/api/v1/sessions", body: credentials})
		var fresh gateway.SessionResponse
		if err == nil && answer.status == http.StatusCreated && json.Unmarshal(answer.body, &fresh) == nil {
			mine.token, mine.expires = fresh.Token, fresh.ExpiresAt
			return mine.token
		}
	}
	return ""
}
