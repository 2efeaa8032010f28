// Package pgtest has the tests of a package run on both databases: SQLite, and a
// PostgreSQL server of its own, which it starts for them.
package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"sync"
	"testing"
)

// instance is what the tests of this process run on. The zero value is SQLite.
type instance struct {
	mu     sync.Mutex
	on     bool
	server *server
	// missing is why there is no server.
	missing error
}

var current instance

// Main runs a package's tests on SQLite and, if they pass, on PostgreSQL. It is
// what TestMain does. The server is started for the first test that asks for it.
func Main(m *testing.M) {
	if m.Run() != 0 {
		return
	}
	current.mu.Lock()
	current.on = true
	current.mu.Unlock()
	m.Run()
	Stop()
}

// Stop ends the server, if it was started. Main does that; so does a TestMain
// that does without Main, when the tests have ended.
func Stop() {
	current.mu.Lock()
	defer current.mu.Unlock()
	if current.server == nil {
		return
	}
	if err := current.server.stop(); err != nil {
		panic(fmt.Errorf("stop PostgreSQL: %w", err))
	}
	current.server = nil
}

// OnPostgreSQL says whether tests run on PostgreSQL by now.
func OnPostgreSQL() bool {
	current.mu.Lock()
	defer current.mu.Unlock()
	return current.on
}

// URL is of the server's database while tests run on PostgreSQL, and empty
// before. Where there is no server the test stands aside, but in CI it fails.
func URL(t testing.TB) string {
	t.Helper()
	current.mu.Lock()
	defer current.mu.Unlock()
	if !current.on {
		return ""
	}
	return current.serve(t).url
}

// serve returns the server, which it starts the first time.
func (i *instance) serve(t testing.TB) *server {
	t.Helper()
	if i.server == nil && i.missing == nil {
		i.server, i.missing = start()
	}
	switch {
	case i.missing == nil:
	case os.Getenv("CI") != "":
		t.Fatal(i.missing)
	default:
		t.Skipf("%v; install PostgreSQL (Debian: apt-get install postgresql) to run this on it, too", i.missing)
	}
	return i.server
}

// Database returns the URL of an empty database that is the test's alone, for
// whole services, which name their schemas themselves. It does not matter what
// other tests run on. Where there is no server it does as URL does.
func Database(t testing.TB) string {
	t.Helper()
	current.mu.Lock()
	s := current.serve(t)
	current.mu.Unlock()
	name := Name(t.Name())
	at, err := url.Parse(s.url)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.execute(t.Context(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Connections of services that were killed may be there yet.
		if err := s.execute(context.WithoutCancel(t.Context()), "DROP DATABASE "+name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
	})
	at.Path = "/" + name
	return at.String()
}

// Name is of a database that is dir's alone, as a file in it would be: tests
// share the server.
func Name(dir string) string {
	sum := sha256.Sum256([]byte(dir))
	return "test_" + hex.EncodeToString(sum[:8])
}
