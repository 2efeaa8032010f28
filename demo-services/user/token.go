package user

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/waybill-dev/waybill/demo-services/platform"
)

// TokenIssuer is the iss of every token.
const TokenIssuer = "shop.waybill/user"

const (
	// tokenLife is how long a token is valid. It can't be taken back earlier, so
	// it is short.
	tokenLife = 15 * time.Minute
	// keyLife is for how long a key signs.
	keyLife = 24 * time.Hour
)

// signingKey is one that signs tokens, or has.
type signingKey struct {
	id      string
	private ed25519.PrivateKey
	created time.Time
}

// signer makes tokens. Its keys are in the database, so that tokens outlive a
// restart. Safe for concurrent use.
type signer struct {
	db  *platform.DB
	now func() time.Time

	mu   sync.Mutex
	keys []signingKey // the newest first
}

// openSigner reads the keys. Keys are made when they are needed.
func openSigner(ctx context.Context, db *platform.DB, now func() time.Time) (*signer, error) {
	s := &signer{db: db, now: now}
	err := db.Query(ctx, func(scan platform.Scan) error {
		var key signingKey
		var seed []byte
		var created int64
		if err := scan(&key.id, &seed, &created); err != nil {
			return err
		}
		if len(seed) != ed25519.SeedSize {
			return fmt.Errorf("signing key %s has %d bytes, not %d", key.id, len(seed), ed25519.SeedSize)
		}
		key.private, key.created = ed25519.NewKeyFromSeed(seed), time.UnixMilli(created)
		s.keys = append(s.keys, key)
		return nil
	}, "SELECT id, seed, created_at FROM signing_keys ORDER BY created_at DESC")
	return s, err
}

// token signs a token for the user.
func (s *signer) token(ctx context.Context, userID string) (token string, expires time.Time, err error) {
	key, err := s.current(ctx)
	if err != nil {
		return "", time.Time{}, err
	}
	now := s.now().Truncate(time.Second)
	expires = now.Add(tokenLife)
	unsigned := jwt.NewWithClaims(jwt.SigningMethodEdDSA, jwt.RegisteredClaims{
		Issuer: TokenIssuer, Subject: userID, ID: platform.NewID("tok"),
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(expires),
	})
	unsigned.Header["kid"] = key.id
	token, err = unsigned.SignedString(key.private)
	return token, expires, err
}

// current is the key that signs now; a new one takes the place of one that has
// been there for long enough.
func (s *signer) current(ctx context.Context) (signingKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if len(s.keys) > 0 && now.Sub(s.keys[0].created) < keyLife {
		return s.keys[0], nil
	}
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // it never fails
	fresh := signingKey{id: platform.NewID("key"), private: ed25519.NewKeyFromSeed(seed), created: now}
	// A key that has stopped to sign by now is of no use once its last token is.
	useful := now.Add(-keyLife - tokenLife)
	err := s.db.InTx(ctx, func(tx *platform.Conn) error {
		if _, err := tx.Exec(ctx, "DELETE FROM signing_keys WHERE created_at < ?", useful.UnixMilli()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO signing_keys (id, seed, created_at) VALUES (?, ?, ?)", fresh.id, seed, now.UnixMilli())
		return err
	})
	if err != nil {
		return signingKey{}, fmt.Errorf("store signing key: %w", err)
	}
	kept := []signingKey{fresh}
	for _, key := range s.keys {
		if !key.created.Before(useful) {
			kept = append(kept, key)
		}
	}
	s.keys = kept
	return fresh, nil
}

// public are the keys by which tokens are checked, by their ids.
func (s *signer) public() map[string]ed25519.PublicKey {
	s.mu.Lock()
	defer s.mu.Unlock()
	keys := make(map[string]ed25519.PublicKey, len(s.keys))
	for _, key := range s.keys {
		keys[key.id] = key.private.Public().(ed25519.PublicKey)
	}
	return keys
}
