package gateway

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	userv1 "github.com/waybill-dev/waybill/demo-services/api/user/v1"
	"github.com/waybill-dev/waybill/demo-services/user"
)

// What may be wrong with a token.
var (
	errTokenExpired = errors.New("the token has expired")
	errTokenInvalid = errors.New("the token is not valid")
)

// askAgain is how long the keys are not asked for again, so that made-up tokens
// do not become calls.
const askAgain = time.Second

// verifier checks tokens by the user service's public keys, which it asks for
// when it sees a key that it does not know. Safe for concurrent use.
type verifier struct {
	users userv1.UserServiceClient
	now   func() time.Time

	mu    sync.Mutex
	keys  map[string]ed25519.PublicKey
	asked time.Time
}

func newVerifier(users userv1.UserServiceClient) *verifier {
	return &verifier{users: users, now: time.Now}
}

// subject is the id of the user whose token it is. The error is one of the two
// above, or says why the keys can't be had.
func (v *verifier) subject(ctx context.Context, token string) (string, error) {
	var missing error
	var claims jwt.RegisteredClaims
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodEdDSA.Alg()}), jwt.WithIssuer(user.TokenIssuer),
		jwt.WithExpirationRequired(), jwt.WithTimeFunc(v.now),
	)
	_, err := parser.ParseWithClaims(token, &claims, func(token *jwt.Token) (key any, err error) {
		id, _ := token.Header["kid"].(string)
		key, err = v.key(ctx, id)
		if !errors.Is(err, errTokenInvalid) {
			missing = err
		}
		return key, err
	})
	switch {
	case missing != nil:
		return "", missing
	case errors.Is(err, jwt.ErrTokenExpired):
		return "", errTokenExpired
	case err != nil || claims.Subject == "":
		return "", errTokenInvalid
	default:
		return claims.Subject, nil
	}
}

// key is the public key with the id.
func (v *verifier) key(ctx context.Context, id string) (ed25519.PublicKey, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if key, known := v.keys[id]; known {
		return key, nil
	}
	if v.keys == nil || v.now().Sub(v.asked) >= askAgain {
		if err := v.ask(ctx); err != nil {
			return nil, err
		}
	}
	key, known := v.keys[id]
	if !known {
		return nil, errTokenInvalid
	}
	return key, nil
}

// ask gets the keys that are valid now.
func (v *verifier) ask(ctx context.Context) error {
	answer, err := v.users.SigningKeys(ctx, &userv1.SigningKeysRequest{})
	if err != nil {
		return err
	}
	keys := make(map[string]ed25519.PublicKey, len(answer.GetKeys()))
	for _, key := range answer.GetKeys() {
		if len(key.GetPublicKey()) != ed25519.PublicKeySize {
			return fmt.Errorf("the signing key %s has %d bytes", key.GetId(), len(key.GetPublicKey()))
		}
		keys[key.GetId()] = key.GetPublicKey()
	}
	v.keys, v.asked = keys, v.now()
	return nil
}
