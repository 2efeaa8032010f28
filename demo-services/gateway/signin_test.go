package gateway

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/user"
)

// keyring is a user service that signs.
type keyring struct {
	backend
	id      string
	private ed25519.PrivateKey
	err     error
	asked   atomic.Int32
}

func newKeyring(t *testing.T) *keyring {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &keyring{id: "key_1", private: private}
}

func (k *keyring) SigningKeys(context.Context, *userv1.SigningKeysRequest, ...grpc.CallOption) (*userv1.SigningKeysResponse, error) {
	k.asked.Add(1)
	return &userv1.SigningKeysResponse{Keys: []*userv1.SigningKey{{Id: k.id, PublicKey: k.private.Public().(ed25519.PublicKey)}}}, k.err
}

// token is one for usr_ada, valid for a minute, unless change says otherwise.
func (k *keyring) token(t *testing.T, change func(*jwt.RegisteredClaims)) string {
	t.Helper()
	claims := jwt.RegisteredClaims{Issuer: user.TokenIssuer, Subject: "usr_ada", ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Minute))}
	if change != nil {
		change(&claims)
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodEdDSA, claims)
	unsigned.Header["kid"] = k.id
	token, err := unsigned.SignedString(k.private)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// as asks with the header Authorization.
func (k *keyring) as(t *testing.T, authorization string, limits Limits, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	limits.Timeout = time.Minute
	handler := NewServer(k, k, k, limits, slog.New(slog.DiscardHandler)).Handler()
	return through(t, handler, http.Header{"Authorization": {authorization}}, method, path, body)
}

func through(t *testing.T, handler http.Handler, header http.Header, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	for name, values := range header {
		if values[0] != "" {
			request.Header[name] = values
		}
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

func code(t *testing.T, answer *httptest.ResponseRecorder) string {
	t.Helper()
	var p platform.Problem
	if answer.Code >= http.StatusBadRequest {
		if err := json.Unmarshal(answer.Body.Bytes(), &p); err != nil {
			t.Fatalf("%q: %v", answer.Body, err)
		}
	}
	return p.Code
}

func TestTokens(t *testing.T) {
	k, other := newKeyring(t), newKeyring(t)
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.RegisteredClaims{Subject: "usr_ada"}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	// A public key is no secret: nobody may sign with it as if it were one.
	symmetric := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{Issuer: user.TokenIssuer, Subject: "usr_ada", ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Minute))})
	symmetric.Header["kid"] = k.id
	confused, err := symmetric.SignedString([]byte(k.private.Public().(ed25519.PublicKey)))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ authorization, code string }{
		"valid":           {"Bearer " + k.token(t, nil), ""},
		"scheme in lower": {"bearer " + k.token(t, nil), ""},
		"none":            {"", ""},
		"expired": {"Bearer " + k.token(t, func(c *jwt.RegisteredClaims) {
			c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-time.Second))
		}), "token-expired"},
		"never expires": {"Bearer " + k.token(t, func(c *jwt.RegisteredClaims) { c.ExpiresAt = nil }), "invalid-token"},
		"other issuer":  {"Bearer " + k.token(t, func(c *jwt.RegisteredClaims) { c.Issuer = "elsewhere" }), "invalid-token"},
		"nobody's":      {"Bearer " + k.token(t, func(c *jwt.RegisteredClaims) { c.Subject = "" }), "invalid-token"},
		"not yet valid": {"Bearer " + k.token(t, func(c *jwt.RegisteredClaims) {
			c.NotBefore = jwt.NewNumericDate(time.Now().Add(time.Minute))
		}), "invalid-token"},
		"other key's":    {"Bearer " + other.token(t, nil), "invalid-token"},
		"unsigned":       {"Bearer " + unsigned, "invalid-token"},
		"HMAC":           {"Bearer " + confused, "invalid-token"},
		"not a token":    {"Bearer secret", "invalid-token"},
		"another scheme": {"Basic YWRhOnNlY3JldA==", "invalid-token"},
	} {
		answer := k.as(t, c.authorization, Limits{}, http.MethodGet, "/api/v1/orders/ord_1", "")
		if got := code(t, answer); got != c.code {
			t.Errorf("%s: %d %q, want %q", name, answer.Code, got, c.code)
		}
		if refused := answer.Code == http.StatusUnauthorized; refused != (c.code != "") || refused != (answer.Header().Get("WWW-Authenticate") != "") {
			t.Errorf("%s: %d %v", name, answer.Code, answer.Header())
		}
		if _, token, _ := strings.Cut(c.authorization, " "); token != "" && strings.Contains(answer.Body.String(), token) {
			t.Errorf("%s: the answer tells the token", name)
		}
	}
	k.err = status.Error(codes.Unavailable, "down")
	if answer := k.as(t, "Bearer "+k.token(t, nil), Limits{}, http.MethodGet, "/api/v1/orders/ord_1", ""); answer.Code != http.StatusServiceUnavailable {
		t.Errorf("without the keys: %d %s", answer.Code, answer.Body)
	}
}

// TestKeysAreAskedForOnce: known keys make no call, unknown ones at most one a
// second, and a new key is found.
func TestKeysAreAskedForOnce(t *testing.T) {
	k := newKeyring(t)
	v := newVerifier(k)
	now := time.Now()
	v.now = func() time.Time { return now }
	check := func(token string, asked int32, want error) {
		t.Helper()
		if _, err := v.subject(t.Context(), token); err != want || k.asked.Load() != asked { //nolint:errorlint // it is that very error
			t.Errorf("%v after %d questions, want %v after %d", err, k.asked.Load(), want, asked)
		}
	}
	old := k.token(t, nil)
	check(old, 1, nil)
	check(old, 1, nil)
	k.id = "key_2"
	fresh := k.token(t, nil)
	check(fresh, 1, errTokenInvalid)
	now = now.Add(askAgain)
	check(fresh, 2, nil)
	for range 100 {
		check(old, 2, errTokenInvalid)
	}
}

func TestWhoMayDoWhat(t *testing.T) {
	k := newKeyring(t)
	ada := "Bearer " + k.token(t, nil)
	bruno := "Bearer " + k.token(t, func(c *jwt.RegisteredClaims) { c.Subject = "usr_bruno" })
	closed := Limits{SignIn: true}
	withoutUser := strings.Replace(goodOrder, `"user_id":"usr_ada",`, "", 1)
	for _, c := range []struct {
		name, who    string
		limits       Limits
		method, path string
		body         string
		status       int
		code         string
	}{
		{"guest orders", "", Limits{}, http.MethodPost, "/api/v1/orders", goodOrder, 201, ""},
		{"guest orders where none may", "", closed, http.MethodPost, "/api/v1/orders", goodOrder, 401, "sign-in-required"},
		{"guest lists where none may", "", closed, http.MethodGet, "/api/v2/orders", "", 401, "sign-in-required"},
		{"guest reads where none may", "", closed, http.MethodGet, "/api/v2/orders/ord_1", "", 401, "sign-in-required"},
		{"guest cancels where none may", "", closed, http.MethodPost, "/api/v1/orders/ord_1/cancel", "", 401, "sign-in-required"},
		{"orders", ada, closed, http.MethodPost, "/api/v1/orders", goodOrder, 201, ""},
		{"orders as a matter of course", ada, closed, http.MethodPost, "/api/v1/orders", withoutUser, 201, ""},
		{"guest orders for nobody", "", Limits{}, http.MethodPost, "/api/v1/orders", withoutUser, 422, "invalid-order"},
		{"orders for another", bruno, Limits{}, http.MethodPost, "/api/v1/orders", goodOrder, 403, "not-yours"},
		{"reads", ada, closed, http.MethodGet, "/api/v1/orders/ord_1", "", 200, ""},
		{"reads another's", bruno, closed, http.MethodGet, "/api/v1/orders/ord_1", "", 404, "unknown-order"},
		{"cancels", ada, closed, http.MethodPost, "/api/v1/orders/ord_1/cancel", "", 200, ""},
		{"cancels another's", bruno, Limits{}, http.MethodPost, "/api/v1/orders/ord_1/cancel", "", 404, "unknown-order"},
		{"lists another's", bruno, Limits{}, http.MethodGet, "/api/v1/orders?user_id=usr_ada", "", 403, "not-yours"},
		{"lists", bruno, closed, http.MethodGet, "/api/v1/orders", "", 200, ""},
	} {
		k.listed, k.created = nil, nil
		answer := k.as(t, c.who, c.limits, c.method, c.path, c.body)
		if got := code(t, answer); answer.Code != c.status || got != c.code {
			t.Errorf("%s: %d %q, want %d %q", c.name, answer.Code, got, c.status, c.code)
		}
		if k.created != nil && k.created.GetUserId() != "usr_ada" {
			t.Errorf("%s: the order is for %q", c.name, k.created.GetUserId())
		}
		if k.listed != nil && k.listed.GetUserId() != "usr_bruno" {
			t.Errorf("%s: the orders of %q", c.name, k.listed.GetUserId())
		}
	}
}

func (b *backend) SignIn(_ context.Context, r *userv1.SignInRequest, _ ...grpc.CallOption) (*userv1.SignInResponse, error) {
	if b.userErr != nil {
		return nil, b.userErr
	}
	at := timestamppb.New(time.Date(2026, 11, 24, 12, 15, 0, 0, time.UTC))
	return &userv1.SignInResponse{Token: "tok." + r.GetEmail(), ExpiresAt: at, User: aUser("usr_ada")}, nil
}

func (b *backend) RegisterUser(context.Context, *userv1.RegisterUserRequest, ...grpc.CallOption) (*userv1.RegisterUserResponse, error) {
	return &userv1.RegisterUserResponse{User: aUser("usr_new")}, b.userErr
}

func TestSessionsAndUsers(t *testing.T) {
	const credentials = `{"email":"ada@example.com","password":"long enough"}`
	const person = `{"name":"Ada","email":"ada@example.com","password":"long enough"}`
	const session = `{"token":"tok.ada@example.com","expires_at":"2026-11-24T12:15:00Z","user_id":"usr_ada"}`
	for _, c := range []struct{ path, body, want, location string }{
		{"/api/v1/sessions", credentials, session + "\n", ""},
		{"/api/v2/sessions", credentials, `{"data":` + session + `,"meta":{"version":"v2"}}` + "\n", ""},
		{"/api/v1/users", person, `{"id":"usr_new","name":"Ada","email":"usr_new@example.com"}` + "\n", "/api/v1/users/usr_new"},
	} {
		answer := ask(t, &backend{}, http.MethodPost, c.path, "application/json", c.body)
		if answer.Code != http.StatusCreated || answer.Body.String() != c.want || answer.Header().Get("Location") != c.location {
			t.Errorf("%s: %d %v %s", c.path, answer.Code, answer.Header(), answer.Body)
		}
		if signed := strings.HasSuffix(c.path, "sessions"); signed && answer.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: a token may be cached: %v", c.path, answer.Header())
		}
	}
	for reason, want := range map[string]int{platform.ReasonWrongCredentials: 401, platform.ReasonEmailTaken: 409} {
		answer := ask(t, &backend{userErr: platform.RPCError(codes.Unknown, reason, "because", nil)}, http.MethodPost, "/api/v2/sessions", "", credentials)
		if p := problemOf(t, answer); p.Status != want {
			t.Errorf("%s: %+v", reason, p)
		}
	}
	if p := problemOf(t, ask(t, &backend{}, http.MethodPost, "/api/v1/users", "", `{"name":"Ada","admin":true}`)); p.Code != "malformed-json" {
		t.Errorf("an unknown field: %+v", p)
	}
}
