package user

import (
	"crypto/ed25519"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/platform"
	"github.com/waybill-dev/waybill/demo-services/platform/platformtest"
)

func TestRegisteredUserSignsIn(t *testing.T) {
	server := newServer(t)
	registered, err := server.RegisterUser(t.Context(), &userv1.RegisterUserRequest{Name: "Zoe Zander", Email: "Zoe@example.com", Password: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	told := platformtest.OutboxOf(t, server.store.db)[len(Seed()):]
	if want := `{"user_id":"` + registered.GetUser().GetId() + `"}`; len(told) != 1 || told[0].Subject != "users.created" || string(told[0].Event.Data) != want {
		t.Errorf("the shop is told %+v, want of %s", told, want)
	}
	if _, err := server.ValidateUser(t.Context(), &userv1.ValidateUserRequest{UserId: registered.GetUser().GetId()}); err != nil {
		t.Errorf("a new user may not order: %v", err)
	}
	answer, err := server.SignIn(t.Context(), &userv1.SignInRequest{Email: "zoe@EXAMPLE.com", Password: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	claims, kid := verify(t, server, answer.GetToken())
	if claims.Subject != registered.GetUser().GetId() || claims.Issuer != TokenIssuer || kid == "" {
		t.Errorf("claims are %+v of key %q", claims, kid)
	}
	if !claims.ExpiresAt.Equal(answer.GetExpiresAt().AsTime()) || claims.ExpiresAt.Sub(claims.IssuedAt.Time) != tokenLife {
		t.Errorf("valid from %v to %v, said to be until %v", claims.IssuedAt, claims.ExpiresAt, answer.GetExpiresAt().AsTime())
	}
}

// verify checks a token by the public keys that the server gives to others.
func verify(t *testing.T, server *Server, token string) (claims jwt.RegisteredClaims, kid string) {
	t.Helper()
	answer, err := server.SigningKeys(t.Context(), &userv1.SigningKeysRequest{})
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string]ed25519.PublicKey{}
	for _, key := range answer.GetKeys() {
		keys[key.GetId()] = key.GetPublicKey()
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithTimeFunc(server.now))
	if _, err := parser.ParseWithClaims(token, &claims, func(token *jwt.Token) (any, error) {
		kid, _ = token.Header["kid"].(string)
		return keys[kid], nil
	}); err != nil {
		t.Fatal(err)
	}
	return claims, kid
}

func TestWrongRegistrations(t *testing.T) {
	server := newServer(t)
	defer func() {
		if told := platformtest.OutboxOf(t, server.store.db)[len(Seed()):]; len(told) > 0 {
			t.Errorf("the shop is told of %+v", told)
		}
	}()
	for name, c := range map[string]struct {
		request *userv1.RegisterUserRequest
		code    codes.Code
		reason  string
	}{
		"email taken":      {&userv1.RegisterUserRequest{Name: "Ada", Email: "ADA@example.com", Password: "long enough"}, codes.AlreadyExists, platform.ReasonEmailTaken},
		"no name":          {&userv1.RegisterUserRequest{Name: " ", Email: "x@example.com", Password: "long enough"}, codes.InvalidArgument, platform.ReasonInvalid},
		"no address":       {&userv1.RegisterUserRequest{Name: "X", Email: "example.com", Password: "long enough"}, codes.InvalidArgument, platform.ReasonInvalid},
		"address and name": {&userv1.RegisterUserRequest{Name: "X", Email: "X <x@example.com>", Password: "long enough"}, codes.InvalidArgument, platform.ReasonInvalid},
		"short password":   {&userv1.RegisterUserRequest{Name: "X", Email: "x@example.com", Password: "short"}, codes.InvalidArgument, platform.ReasonInvalid},
		"long password":    {&userv1.RegisterUserRequest{Name: "X", Email: "x@example.com", Password: strings.Repeat("x", 73)}, codes.InvalidArgument, platform.ReasonInvalid},
	} {
		_, err := server.RegisterUser(t.Context(), c.request)
		if reason, _ := platform.ReasonOf(err); status.Code(err) != c.code || reason != c.reason {
			t.Errorf("%s: %v with reason %q", name, err, reason)
		}
		if err != nil && strings.Contains(err.Error(), c.request.GetPassword()) {
			t.Errorf("%s: the error tells the password: %v", name, err)
		}
	}
}

func TestWrongCredentials(t *testing.T) {
	server := newServer(t)
	if _, err := server.SignIn(t.Context(), &userv1.SignInRequest{Email: "ada@example.com", Password: DemoPassword}); err != nil {
		t.Fatalf("the seed's users can't sign in: %v", err)
	}
	for _, request := range []*userv1.SignInRequest{
		{Email: "ada@example.com", Password: "guess"},
		{Email: "ada@example.com", Password: ""},
		{Email: "ada@example.com", Password: strings.Repeat("x", 1000)},
		{Email: "nobody@example.com", Password: "nobody has this password"},
		{},
	} {
		_, err := server.SignIn(t.Context(), request)
		if reason, _ := platform.ReasonOf(err); status.Code(err) != codes.Unauthenticated || reason != platform.ReasonWrongCredentials {
			t.Errorf("%v: %v with reason %q", request, err, reason)
		}
	}
}

// TestKeysChange lets the clock run: a key signs for a day, is known for as
// long as its last token is valid, and is then gone. A restart changes nothing.
func TestKeysChange(t *testing.T) {
	now := time.Now()
	clock := func() time.Time { return now }
	store := newServer(t).store
	start := func() *Server {
		signer, err := openSigner(t.Context(), store.db, clock)
		if err != nil {
			t.Fatal(err)
		}
		return &Server{store: store, signer: signer, now: clock}
	}
	server := start()
	sign := func() string {
		token, _, err := server.signer.token(t.Context(), "usr_ada")
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	first := sign()
	_, kid := verify(t, server, first)
	server = start()
	if _, again := verify(t, server, sign()); again != kid {
		t.Error("a restart has made another key")
	}
	now = now.Add(keyLife - time.Second)
	last := sign()
	now = now.Add(time.Second)
	if _, second := verify(t, server, sign()); second == kid {
		t.Error("the key signs for longer than a day")
	}
	server = start()
	now = now.Add(tokenLife - 2*time.Second)
	if _, known := verify(t, server, last); known != kid {
		t.Errorf("the last token is of key %q", known)
	}
	now = now.Add(keyLife + time.Hour)
	sign()
	if keys := server.signer.public(); len(keys) != 1 {
		t.Errorf("%d keys are left, want the newest", len(keys))
	}
}
