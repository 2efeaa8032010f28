package user

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/crypto/bcrypt"
)

// How long a password may be, in bytes; bcrypt looks at no more.
const (
	minPassword = 8
	maxPassword = 72
)

// DemoPassword is the password of every user of the seed.
const DemoPassword = "waybill-demo"

// hashPassword makes what is kept of a password.
func hashPassword(password string) (string, error) {
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.DefaultCost)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return string(hash), nil
}

// nobodysHash is compared with when there is nobody to compare with, so that
// the time of an answer does not say who is a customer.
var nobodysHash = sync.OnceValues(func() (string, error) { return hashPassword("nobody has this password") })

// passwordIs says whether the password is the one that the hash was made of.
func passwordIs(hash, password string) (bool, error) {
	known := hash != ""
	if !known {
		var err error
		if hash, err = nobodysHash(); err != nil {
			return false, err
		}
	}
	err := bcrypt.CompareHashAndPassword([]byte(hash), []byte(password))
	if errors.Is(err, bcrypt.ErrMismatchedHashAndPassword) || errors.Is(err, bcrypt.ErrPasswordTooLong) {
		return false, nil
	}
	return known && err == nil, err
}
